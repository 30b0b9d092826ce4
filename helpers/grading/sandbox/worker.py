"""Run a student's cells and answer questions: the side that nobody trusts.

When this runs, the process has given up its privileges (``privileges``); from the first cell on
it is the student's, and so is everything below: a cell may replace each function here. The
judge therefore relies on nothing that is said here but on the answers' values, and reads those
as what may be anything.
"""

import random
import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

from helpers.grading.sandbox import frames


def work(judge: socket.socket) -> None:
    """Run the cells, then answer questions until the judge has no more.

    Args:
        judge: The connection to it.
    """
    task = cast("dict[str, Any]", frames.receive(judge))
    function, failure = _loaded(task["setup"], task["cells"], task["name"])
    frames.send(judge, {"nonce": task["nonce"], "loaded": function is not None, "why": failure})
    first = True
    while function is not None:
        try:
            question = cast("dict[str, Any]", frames.receive(judge))
        except (EOFError, OSError):
            return
        _answer(judge, cast("Callable[..., object]", function), question, first)
        first = False


def _loaded(setup: str, cells: Sequence[str], name: str) -> tuple[object, str]:
    """Run the cells as a person would, top to bottom; return the function asked for.

    A cell that fails does not stop the next one. What the last failing cell said is
    returned too: it explains why the function is missing.
    """
    space: dict[str, object] = {"__name__": "__main__"}
    failure = ""
    for number, source in enumerate([setup, *cells]):
        try:
            # dont_inherit: this module's own future statements are not the student's.
            exec(compile(source, f"<cell {number}>", "exec", dont_inherit=True), space)
        except BaseException as error:
            failure = _in_words(error)
    return space.get(name), failure


def _answer(
    judge: socket.socket, function: Callable[..., object], question: dict[str, Any], first: bool
) -> None:
    """Call the function on one question's arguments and send what came back."""
    import numpy as np
    import torch

    from helpers.exercises import calling, values

    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(question["seed"])  # who draws at random gets the same mark every time
    reply: dict[str, object] = {"question": question["question"], "nonce": question["nonce"]}
    probe = question["model_probe"] and values.ModelProbe(**question["model_probe"])
    try:
        answer = calling.call(function, question["arguments"], first=first, model_probe=probe)
        reply |= answer._asdict()
    except BaseException as error:  # such as SystemExit: the judge wants an answer all the same
        reply |= {"value": None, "failure": f"raised {_in_words(error)}", "attempted": True}
    try:
        frames.send(judge, reply)
    except ValueError as error:
        frames.send(judge, reply | {"value": None, "failure": f"returned {error}"})


def _in_words(error: BaseException) -> str:
    try:
        said = str(error).splitlines()
    except BaseException:  # the error is the student's own, and so is its text
        said = []
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__

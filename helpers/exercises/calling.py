"""Call a learner's function, and take what it returns as plain data."""

import inspect
import io
import linecache
import random
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import FrameType

import numpy as np
import torch

from helpers import plain, text
from helpers.exercises import wording
from helpers.exercises.specification import Answer, Question
from helpers.exercises.values import (
    ModelProbe,
    copied,
    is_number,
    is_sequence,
    probe_model,
)

LONGEST_SECONDS = 10.0  # for all calls of one check
_PRINTED_LINES = 3
_PRINTED_LETTERS = 1000


def ask(
    function: Callable[..., object], questions: Sequence[Question]
) -> tuple[list[Answer], tuple[str, ...]]:
    """Call a learner's function on all questions.

    The random states of Python, numpy and torch are left as they were. The
    function gets copies, so changing an argument in place does no harm. What it
    prints is kept for the notes, and in the main thread it is broken off when
    all calls together take longer than ``LONGEST_SECONDS``, unless it imports
    something just then.

    Args:
        function: The learner's function.
        questions: What to call it with.

    Returns:
        One answer for each question, or only the first if nothing was attempted; and
        notes: which arguments were overwritten, and what was printed.
    """
    answers: list[Answer] = []
    overwritten: dict[str, None] = {}
    with kept_apart() as printed:
        try:
            with time_limit(LONGEST_SECONDS):
                for question in questions:
                    given = {name: copied(value) for name, value in question.arguments.items()}
                    answers.append(_called(function, given, not answers, question.model_probe))
                    if not answers[-1].attempted:
                        break
                    overwritten |= dict.fromkeys(changed(question.arguments, given))
        except TooLongError:
            answers.append(Answer(failure=endless(LONGEST_SECONDS)))
            unasked = len(questions) - len(answers)
            answers += [Answer(failure="was not asked any more")] * unasked
    return answers, (*about_arguments(overwritten), *printed.told())


class TooLongError(BaseException):
    """Time is over; no ``except Exception`` of a learner's catches this."""


def endless(seconds: float) -> str:
    """Say that something took longer than it may, as the end of a sentence."""
    return f"took longer than {seconds:.0f} seconds; is there a loop that never ends?"


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Break off after some seconds, where the system and the thread allow it."""
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def over(_signal: int, frame: FrameType | None) -> None:
        if _within_an_import(frame):
            signal.setitimer(signal.ITIMER_REAL, seconds)
        else:
            raise TooLongError

    handler = signal.signal(signal.SIGALRM, over)
    start, timer = time.monotonic(), signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if timer[0]:  # somebody else's, who waits for it
            left = max(timer[0] - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, timer[1])


def _within_an_import(frame: FrameType | None) -> bool:
    """Whether a module is being imported, which stays broken if that is cut short."""
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


@contextmanager
def kept_apart() -> Iterator["Printed"]:
    """Run a learner's code so that nothing of it is left behind.

    Yields:
        What it prints. The random states of Python, numpy and torch are put back afterwards.
    """
    printed = Printed()
    with _random_states_kept(), redirect_stdout(printed), redirect_stderr(printed):
        yield printed


class Printed(io.TextIOBase):
    """Keeps the beginning of what is written."""

    def __init__(self) -> None:
        self._kept = ""
        self._more = False

    def writable(self) -> bool:
        """Say that something can be written."""
        return True

    def write(self, words: str) -> int:
        """Keep words if they are among the first."""
        self._more |= len(self._kept) + len(words) > _PRINTED_LETTERS
        self._kept = (self._kept + words)[:_PRINTED_LETTERS]
        return len(words)

    def told(self) -> list[str]:
        """Return a note with the first lines, if there are any."""
        lines = self._kept.strip("\n").splitlines()
        if not lines:
            return []
        shown = [f"    {wording.shortened(line)}" for line in lines[:_PRINTED_LINES]]
        if self._more or len(lines) > _PRINTED_LINES:
            shown.append("    ...")
        return ["\n".join(["Your function printed:", *shown])]


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return the names of the arguments that a call has changed."""
    return [name for name in before if not _same(before[name], after[name])]


def _same(one: object, other: object) -> bool:
    """Say whether two plain values are equal, entry by entry."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        return bool(torch.isclose(one, other, rtol=0, atol=0, equal_nan=True).all())
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if is_sequence(one) and is_sequence(other):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one is other or one == other


def about_arguments(names: Iterable[str]) -> list[str]:
    """Return a note on arguments that were overwritten, if any were."""
    written = text.listed([f"`{name}`" for name in names])
    if not written:
        return []
    return [
        f"Your function changes what it is given, {written}: whoever calls it still needs that. "
        "Work on a copy, or write the result into something new."
    ]


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Put the random states of Python, numpy and torch back afterwards."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def call(
    function: Callable[..., object],
    arguments: Sequence[object],
    *,
    first: bool,
    model_probe: ModelProbe | None = None,
) -> Answer:
    """Call a learner's function once and take what it returns as plain data.

    The answer is as :mod:`helpers.plain` would send it to another process, so
    that a check in a notebook and a grader judge alike.

    Args:
        function: The learner's function.
        arguments: What to call it with; it gets copies.
        first: Whether this is the first question: only then does
            ``NotImplementedError`` mean that nothing was tried yet.
        model_probe: What to do with a model that is returned.

    Returns:
        The answer. An exception that is raised becomes its failure; what ends a
        process, such as ``KeyboardInterrupt``, is not caught.
    """
    given = {str(index): copied(value) for index, value in enumerate(arguments)}
    return _called(function, given, first, model_probe)


def _called(
    function: Callable[..., object],
    given: Mapping[str, object],
    first: bool,
    model_probe: ModelProbe | None,
) -> Answer:
    """Do as :func:`call`, with arguments that the function may change."""
    try:
        value = function(*given.values())
        if model_probe is not None:
            value = probe_model(value, model_probe)
        return Answer(plain.decoded(plain.encoded(value)))
    except Exception as error:
        if first and isinstance(error, NotImplementedError):
            return Answer(attempted=False)
        return Answer(failure=raised(function, error))


def raised(function: Callable[..., object], error: Exception) -> str:
    """Say what was raised and, if it came up in a learner's own code, in which line.

    Args:
        function: The learner's function.
        error: What came out of it, or of something that it returned.

    Returns:
        The end of a sentence, such as "raised ZeroDivisionError: division by zero".
    """
    return f"raised {type(error).__name__}{_detail(error)}{_own_line(function, error)}"


def _detail(error: Exception) -> str:
    """Return the first line of what an error says, if it says anything."""
    try:
        lines = str(error).splitlines()
    except Exception:  # the error is the learner's own, and so is its text
        lines = []
    return f": {wording.shortened(lines[0])}" if lines else ""


def _own_line(function: Callable[..., object], error: Exception) -> str:
    """Return where in the learner's own code an error came up, and what its names held there."""
    try:
        code = inspect.unwrap(function).__code__
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename == code.co_filename
        ]
        named = [one for one in frames if not one[0].f_code.co_name.startswith("<")]
        frame, line = (named or frames)[-1]
        where = frame.f_code
        written = linecache.getline(where.co_filename, line).strip()
        name = "" if where is code else f" of {where.co_name}"
        said = f", in line {line - where.co_firstlineno + 1}{name}"
        if not written:
            return said
        known = {key: value for one, _ in frames for key, value in one.f_locals.items()}
        return f"{said}: `{wording.shortened(written)}`{_held(written, known)}"
    except Exception:  # an object that is called has no code, and may answer for itself
        return ""


def _held(line: str, known: Mapping[str, object]) -> str:
    """Return what the names in a line of code stood for, as far as they were numbers."""
    names = dict.fromkeys(re.findall(r"(?<![.\w])[A-Za-z_]\w*\b(?!\s*\()", line))
    held = [
        f"`{name}` was {wording.literal(known[name])}"
        for name in names
        if name in known and is_number(known[name])
    ]
    return f", where {text.listed(held)}" if held else ""

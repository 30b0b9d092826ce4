"""Run a notebook once, or ask it what it refuses: what a worker does, wherever it is."""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypedDict

import nbformat

from helpers import experiment, warm

# Seconds that an ordinary kernel has to start and to send what a cell has shown, where there
# are no warm processes. A busy machine needs many, and what comes later would be lost.
_KERNEL_ANSWERS = 600


class Outcome(TypedDict):
    """What came of a run.

    Keys:
        notebook: Its text afterwards; empty if it was lost with the worker.
        results: What it recorded, as JSON has it.
        error: One sentence; empty if all went well.
        seconds: Wall time.
        versions: What the numbers depend on.
    """

    notebook: str
    results: dict[str, object]
    error: str
    seconds: float
    versions: dict[str, str]


def run(content: str, parameters: Mapping[str, object], cell_seconds: float | None) -> Outcome:
    """Run a notebook once, wherever this is called.

    Args:
        content: The notebook's text.
        parameters: Which to set.
        cell_seconds: Longest time for one cell; None for no limit.

    Returns:
        What came of it; a run that fails has an error.
    """
    warm_up()
    start = time.perf_counter()
    notebook, error = _executed(content, parameters, cell_seconds)
    if error.startswith("ProcessEnded"):  # killed from outside, perhaps: once more
        notebook, error = _executed(content, parameters, cell_seconds)
    return {
        "notebook": nbformat.writes(notebook),
        "results": {} if error else experiment.to_json(experiment.results(notebook)),
        "error": error,
        "seconds": round(time.perf_counter() - start, 3),
        "versions": versions(),
    }


@cache
def warm_up() -> None:
    """Start this process's server, so that the first run is not charged for it."""
    if warm.available():
        with warm.running(_nothing):
            pass


def _nothing(connection: Connection) -> None:
    pass


def _executed(
    content: str, parameters: Mapping[str, object], cell_seconds: float | None
) -> tuple[nbformat.NotebookNode, str]:
    """Return the executed notebook and one sentence on what stopped it, or none."""
    import papermill

    logging.getLogger("papermill").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "run.ipynb"
        error = ""
        try:
            notebook = papermill.execute_notebook(
                nbformat.reads(content, as_version=4),
                target,
                dict(parameters),
                engine_name="warm",
                kernel_name="python3",
                progress_bar=False,
                request_save_on_cell_execute=False,
                cwd=folder,
                start_timeout=_KERNEL_ANSWERS,
                iopub_timeout=_KERNEL_ANSWERS,
                execution_timeout=cell_seconds,
            )
        except papermill.PapermillExecutionError as failure:
            error = experiment.sentence(failure.ename, failure.evalue)
            notebook = nbformat.read(target, as_version=4)
    for key in ("input_path", "output_path"):  # a folder that is gone
        notebook.metadata.papermill.pop(key, None)
    return notebook, error


@cache
def versions() -> dict[str, str]:
    """Say what a run's numbers depend on: the course, torch and numpy."""
    course = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        course.update(path.read_bytes())
    found = {name: metadata.version(name) for name in ("torch", "numpy")}
    return {"course": course.hexdigest()[:12], **found}


# ---- Asking ------------------------------------------------------------------------------


def refusals(content: str, runs: Sequence[Mapping[str, object]]) -> list[str]:
    """Say what a notebook itself refuses, without running it.

    In a process of its own the cells up to the parameters are executed, and then, for
    each run, the cell after them that reads the parameters in ``validation()``.

    Args:
        content: The notebook's text.
        runs: The parameters of each run to look at.

    Returns:
        One sentence for each run that would be refused; empty for a notebook that has
        no such cell.
    """
    cells = nbformat.reads(content, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    places = [n for n, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])]
    if not runs or not places or places[0] + 1 >= len(code):
        return []
    before = [cell.source for cell in code[: places[0] + 1]]
    check = code[places[0] + 1].source
    if "validation()" not in check:
        return []
    if not warm.available():
        return list(_refusals(before, check, runs))
    with warm.running(_send_refusals, before, check, runs) as (_, connection):
        try:
            return json.loads(connection.recv_bytes())
        except EOFError:
            return ["the process ended while the parameters were read"]


def _send_refusals(
    connection: Connection, before: Sequence[str], check: str, runs: Sequence[Mapping]
) -> None:
    connection.send_bytes(json.dumps(list(_refusals(before, check, runs))).encode())


def _refusals(before: Sequence[str], check: str, runs: Sequence[Mapping]) -> Iterator[str]:
    start: dict[str, object] = {"__name__": "__main__"}
    try:
        for source in before:
            exec(source, start)
    except Exception as error:
        yield f"the cells before the parameters fail: {type(error).__name__}: {error}"
        return
    compiled = compile(check, "parameters", "exec")
    for parameters in runs:
        try:
            exec(compiled, {**start, **parameters})
        except Exception as error:
            given = ", ".join(f"{name}={value}" for name, value in parameters.items())
            yield f"{given}: {error}" if given else str(error)

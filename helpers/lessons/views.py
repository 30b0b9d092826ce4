"""Make of a source what learners see, and the worked version; the same bytes every time."""

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.lessons import reference, rules, sources, times

# The second cell of a learner's notebook.
_HOW_TO_RUN = (
    "*Run a cell with Shift + Enter. After a restart of the kernel, go on where you were with "
    "Run > Run All Above Selected Cell. A fresh copy of this page: `course reset`.*"
)
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def learner_view(source: Path) -> NotebookNode:
    """Read a source as the notebook a learner gets, solutions taken out.

    Args:
        source: A file in jupytext's percent format.

    Returns:
        The notebook, not executed. Each solution region has become one line
        that raises ``NotImplementedError``; cells tagged ``solution`` are gone. A
        lesson says how many minutes it takes, and each of its sections.

    Raises:
        ValueError: If the source breaks a rule of the course, in one sentence
            that names the file and the cell.
    """
    notebook = _timed(source)
    notebook.cells = [cell for cell in notebook.cells if "solution" not in rules.tags(cell)]
    for cell in notebook.cells:
        if "exercise" in rules.tags(cell):
            cell.source = rules.stubbed(cell.source)
    if found := leak(rules.read(source), notebook):
        raise ValueError(f"{source.name}: {found}")
    return _identified(notebook)


def worked_view(source: Path) -> NotebookNode:
    """Read a source as the worked notebook, every solution in place.

    Args:
        source: A file in jupytext's percent format.

    Returns:
        The notebook, not executed, without the solution markers. It tells the
        minutes that learners need, as they have no solutions to read.

    Raises:
        ValueError: As ``learner_view``.
    """
    notebook = _timed(source)
    for cell in notebook.cells:
        cell.source = rules.without_markers(cell.source)
    return _identified(notebook)


def learners_own(rendered: NotebookNode) -> NotebookNode:
    """Return a handout whose second cell says how to run it in ``course lab``.

    Args:
        rendered: As in ``handout``.
    """
    notebook = deepcopy(rendered)
    title, *cells = notebook.cells
    notebook.cells = [title, nbformat.v4.new_markdown_cell(_HOW_TO_RUN), *cells]
    return handout(notebook)


def handout(rendered: NotebookNode) -> NotebookNode:
    """Return a notebook as learners get it: without outputs, its prose locked.

    No measured number stands in it before it is measured. Prose cannot be edited by
    accident; a cell of one's own can stand anywhere. Its links expect the pages of
    ``reference`` in the folder of the lessons.

    Args:
        rendered: A lesson or an experiment as it is published; left as it is.
    """
    notebook = deepcopy(rendered)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.metadata["editable"] = False
            cell.source = reference.beside_lessons(cell.source)
    return _identified(notebook)


def leak(source: NotebookNode, notebook: NotebookNode) -> str:
    """Say which line of a solution can be read in a notebook, or nothing.

    Args:
        source: What ``rules.read`` made of a source.
        notebook: What learners are to get, executed or not.
    """
    secret, lesson = [], []
    for cell in source.cells:
        lines = cell.source.split("\n")
        if "solution" in rules.tags(cell):
            secret += lines
        elif "exercise" in rules.tags(cell):
            begin, end = rules.region(lines)
            secret += lines[begin + 1 : end]
            lesson += lines[:begin] + lines[end + 1 :]
        else:
            lesson += lines
    # A short line ("else:"), or one that the lesson itself shows, gives nothing away.
    shown, visible = "\n".join(lesson), "\n".join(_texts(notebook))
    for line in map(str.strip, secret):
        if len(line) > 12 and line not in shown and line in visible:
            return f"a learner could read this line of a solution: {line!r}"
    return ""


def serialised(notebook: NotebookNode) -> bytes:
    """Return a notebook as it is stored."""
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def _timed(source: Path) -> NotebookNode:
    """Read a source; a lesson then says how long it takes, an experiment does not."""
    notebook = rules.read(source)
    try:
        return times.told(notebook) if sources.is_lesson(source) else notebook
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from error


def _identified(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with ids that follow from its cells alone."""
    clean = nbformat.v4.new_notebook(metadata=nbformat.from_dict(deepcopy(_METADATA)))
    clean.nbformat_minor = 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        clean.cells.append(cell)
    return clean


def _texts(notebook: NotebookNode) -> Iterator[str]:
    """Yield everything readable in a notebook: sources and text outputs."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield data

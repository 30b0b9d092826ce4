"""Read a lesson's source, and hold it to the rules of the course.

A source that could leak an answer is refused: every solution marker must be where it
belongs.
"""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from helpers import text

_TAGS = {"setup", "parameters", "exercise", "check", "solution"}
_TAGS |= {"nbval-ignore-output", "nbval-check-output"}
_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"
_STUB = "raise NotImplementedError  # your turn"
_LOOKS_LIKE_MARKER = re.compile(r"\b(BEGIN|END)[\s_-]*SOLUTION", re.IGNORECASE)
_LOOKS_LIKE_NBVAL = re.compile(r"^\s*#+\s*(NBVAL_|PYTEST_VALIDATE_)", re.MULTILINE)
_LOOKS_LIKE_MAGIC = re.compile(r"^\s*[%!?]|\?\s*$", re.MULTILINE)
_LONGEST_CELL = 20  # lines


def read(source: Path) -> NotebookNode:
    """Read a source and hold it to every rule of the course.

    Args:
        source: A file in jupytext's percent format.

    Returns:
        The notebook as it was written, solutions and their markers included.

    Raises:
        ValueError: If the source breaks a rule, in one sentence that names the file and
            the cell.
    """
    try:
        notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    except nbformat.ValidationError as error:
        raise ValueError(f"{source.name} is not a lesson: {error.message}") from error
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's own note on blank lines
        if complaint := _complaint(cell):
            start = text.shortened(cell.source.strip().split("\n")[0], 40)
            raise ValueError(f"{source.name}, cell {number} ({start!r}): {complaint}")
    for tag in ("setup", "parameters"):
        count = sum(tag in tags(cell) for cell in notebook.cells)
        if count > 1:
            raise ValueError(f"{source.name}: {count} cells are tagged {tag}; tag only one")
    return notebook


def tags(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def region(lines: list[str]) -> tuple[int, int]:
    """Return at which lines of an exercise the two markers are."""
    stripped = [line.strip() for line in lines]
    return stripped.index(_BEGIN), stripped.index(_END)


def stubbed(source: str) -> str:
    """Replace the solution region by the line that asks for the learner's turn."""
    lines = source.split("\n")
    begin, end = region(lines)
    return "\n".join([*lines[:begin], " " * _indent(lines[begin]) + _STUB, *lines[end + 1 :]])


def without_markers(source: str) -> str:
    """Return a cell's source less the two marker lines."""
    return "\n".join(line for line in source.split("\n") if line.strip() not in (_BEGIN, _END))


def _complaint(cell: NotebookNode) -> str:
    """Say in one sentence which rule a source cell breaks, or nothing."""
    marked = set(tags(cell))
    if not cell.source.strip():
        return "the cell is empty; delete it"
    if other := sorted(set(cell.metadata) - {"tags"}):
        return f'a cell mark takes only tags=["..."], got {cell.metadata[other[0]]!r}'
    if unknown := sorted(marked - _TAGS):
        return f"unknown tag {unknown[0]!r}; the tags are {', '.join(sorted(_TAGS))}"
    if cell.cell_type != "code" and marked - {"solution"}:
        return "of the tags, only solution may be on a cell that is not code"
    if {"exercise", "solution"} <= marked:
        return "a cell is tagged exercise or solution, not both"
    complaint = _marker_complaint(cell.source, "exercise" in marked)
    if cell.cell_type == "code":
        complaint = complaint or _code_complaint(without_markers(cell.source), "setup" in marked)
    return complaint


def _marker_complaint(source: str, exercise: bool) -> str:
    """Say what is wrong with a cell's solution markers, or nothing."""
    lines = source.split("\n")
    marks = [line for line in lines if _LOOKS_LIKE_MARKER.search(line)]
    if not exercise:
        if not marks:
            return ""
        return f"{marks[0].strip()!r} may stand only in a code cell tagged exercise"
    for line in marks:
        if line.lstrip(" ") not in (_BEGIN, _END):
            return f"{line.strip()!r} is not a marker; write exactly {_BEGIN!r} or {_END!r}"
    if [line.strip() for line in marks] != [_BEGIN, _END]:
        return f"an exercise needs one {_BEGIN!r} and after it one {_END!r}"
    begin, end = region(lines)
    answer = [line for line in lines[begin + 1 : end] if line.strip()]
    if not answer:
        return "the solution region is empty"
    if any(_indent(line) < _indent(lines[begin]) for line in [*answer, lines[end]]):
        return "the solution and its end marker may not be indented less than its begin marker"
    return _stub_complaint(stubbed(source), begin + 1)


def _stub_complaint(stub: str, line: int) -> str:
    """Say why a stub at that line is not an exercise, or nothing."""
    try:
        tree = ast.parse(stub)
    except SyntaxError as error:
        return f"without its solution the cell is not Python: {error.msg}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for step in ast.walk(node):
                if isinstance(step, ast.Raise) and step.lineno == line:
                    return ""
    return "the solution region must be inside a def that stands before it"


def _code_complaint(source: str, setup: bool) -> str:
    """Say which rule a code cell breaks, or nothing; nobody studies the imports."""
    count = len(source.split("\n"))
    if count > _LONGEST_CELL and not setup:
        return f"the cell has {count} lines and may have {_LONGEST_CELL}; split it"
    if _LOOKS_LIKE_NBVAL.search(source):
        return "tell nbval by a tag, never by a comment"
    try:
        ast.parse(source)
    except SyntaxError as error:
        if _LOOKS_LIKE_MAGIC.search(source):
            return "a lesson has no magics and no shell commands"
        return f"the cell is not Python: {error.msg}"
    return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

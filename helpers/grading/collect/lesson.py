"""Read the instructor's copy of a lesson: what it gives, and what it asks for."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from helpers import exercises
from helpers.grading.collect import notebook_file


class GivenCell(NamedTuple):
    """A code cell of the lesson that is not an exercise with marks.

    Attributes:
        source: Its source.
        tags: Its tags.
        after: The exercise whose cell is the one before; empty if that is none.
    """

    source: str
    tags: tuple[str, ...] = ()
    after: str = ""


@dataclass(frozen=True)
class Lesson:
    """What the instructor's copy of a lesson gives and asks for.

    Attributes:
        name: Such as "01_theory".
        given: The code cells that are not exercises, in order. The cell of an open
            exercise, which has no marks, is one of them.
        setup: Source of the setup cell and, after it, of the parameters cell.
        exercises: The names of the functions asked for, in order.
        stubs: For each of them, the source of the cell that the learner gets.
        ungraded: The names of the functions that open exercises ask for.
    """

    name: str
    given: tuple[GivenCell, ...]
    setup: str
    exercises: tuple[str, ...]
    stubs: dict[str, str]
    ungraded: tuple[str, ...] = ()

    @property
    def sources(self) -> list[str]:
        """The sources of the given cells."""
        return [cell.source for cell in self.given]


def lesson(path: Path) -> Lesson:
    """Read the instructor's copy of a lesson.

    Args:
        path: The rendered notebook, with the exercises unsolved.

    Returns:
        What it gives and asks for.

    Raises:
        ValueError: If it is not a rendered lesson.
    """
    try:
        code = [cell for cell in notebook_file.cells(path.read_bytes()) if cell.code]
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a rendered lesson: {error}") from error
    given: list[GivenCell] = []
    stubs: dict[str, str] = {}
    ungraded: list[str] = []
    before = ""
    for cell in code:
        name = _asked_for(cell.source, path) if "exercise" in cell.tags else ""
        if name in exercises.OPEN:
            ungraded.append(name)
            given.append(GivenCell(cell.source))
            before = ""
        elif name:
            stubs[name], before = cell.source, name
        else:
            given.append(GivenCell(cell.source, cell.tags, before))
            before = ""
    if not stubs:
        raise ValueError(f"{path} is not a rendered lesson: no cell is tagged exercise")
    setup = [one.source for tag in ("setup", "parameters") for one in given if tag in one.tags]
    return Lesson(path.stem, tuple(given), "\n\n".join(setup), tuple(stubs), stubs, tuple(ungraded))


def _asked_for(stub: str, path: Path) -> str:
    """Return the name of the function that an exercise cell asks for."""
    try:
        functions = [n.name for n in ast.parse(stub).body if isinstance(n, ast.FunctionDef)]
    except SyntaxError:
        functions = []
    if len(functions) != 1:
        raise ValueError(
            f"{path} is not a rendered lesson: a cell tagged exercise must define one function"
        )
    return functions[0]


def normalized(text: str) -> str:
    """Return what must be the same for two cells to be the same."""
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip())

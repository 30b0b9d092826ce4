"""Which of a student's cells does an exercise need? Read as Python, and never run.

A cell of the lesson that came back unchanged is the lesson's; everything else is the
student's. An exercise needs the cells that define its function, and those that define
what these use, as for a person who runs the notebook from top to bottom.
"""

import ast
import builtins
import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product, takewhile
from typing import Literal, NamedTuple

from helpers.grading.collect.lesson import Lesson, normalized
from helpers.grading.collect.names import LONGEST_CELL, MOST_CODE, Names, Parser, given_names
from helpers.grading.collect.notebook_file import Cell

_MOST_NAMES = 2_000  # that a renamed function is looked for among
_MOST_BROKEN = 200  # cells that are not Python and are looked into
_MOST_LISTED = 5  # names in one sentence
_MOST_PIECES = 4  # into which a cell may have been split
_LONGEST_NAME = 100  # characters of a function that may be a renamed one
_KNOWN = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out"}


@dataclass(frozen=True)
class Attempt:
    """What a student handed in for one exercise.

    Attributes:
        status: "not attempted" when only the given stub is there, "missing" when
            nothing defines the function.
        cells: Python sources to run in this order after the lesson's setup; each of
            them may raise. Empty unless attempted.
        reason: For the student, why there is nothing to judge, as the end of a
            sentence; empty if that is evident.
    """

    status: Literal["attempted", "not attempted", "missing"]
    cells: tuple[str, ...] = ()
    reason: str = ""


class _Code(NamedTuple):
    """A code cell, or several that are Python only together.

    ``role`` is "own", "given", "stub" or "empty"; ``names`` is None if the text is
    not Python, and of a cell that is not the student's own.
    """

    numbers: tuple[int, ...]
    text: str
    role: str
    names: Names | None = None
    tags: tuple[str, ...] = ()


class _Runnable(NamedTuple):
    """A cell that is Python, the student's own or the lesson's, and its names."""

    text: str
    own: bool
    names: Names


class Notebook:
    """The code cells of a submission, and what each exercise needs of them."""

    def __init__(self, cells: list[Cell], lesson: Lesson) -> None:
        self._lesson = lesson
        self._given = {normalized(source) for source in lesson.sources}
        self._stubs = {normalized(stub): name for name, stub in lesson.stubs.items()}
        self._parser = Parser()
        self._prose = "\n".join(cell.source for cell in cells if not cell.code)[:MOST_CODE]
        code = [cell for cell in cells if cell.code]
        self._code = self._rejoined(
            [self._read(number, cell) for number, cell in enumerate(code, start=1)]
        )
        self._untouched = {self._stubs[normalized(c.text)] for c in self._code if c.role == "stub"}
        self._places = self._placed()
        self._order = self._ordered()
        self._setup = given_names(lesson.setup).bound
        self._definers, self._providers = self._indexed()

    def attempt(self, name: str) -> Attempt:
        """Return what there is to judge of one exercise."""
        if name in self._definers:
            return Attempt("attempted", self._needed(name))
        meant = [code for code in self._broken() if self._meant(code, name)]
        if meant and len(meant[-1].text) <= LONGEST_CELL:
            return Attempt("attempted", (meant[-1].text,))
        if meant:
            reason = (
                f"the cell that defines {name} has {len(meant[-1].text):,} characters; "
                f"at most {LONGEST_CELL:,} are read"
            )
            return Attempt("missing", reason=reason)
        renamed = self._renamed(name)
        if name in self._untouched:
            reason = f"the given cell is as it was; {renamed}" if renamed else ""
            return Attempt("not attempted", reason=reason)
        why = renamed or "its cell was emptied or deleted"
        if _definition(name).search(self._prose):
            why = "the cell that does is not a code cell; turn it into one"
        return Attempt("missing", reason=f"no cell defines {self._call(name)}; {why}")

    def notes(self, answers: dict[str, Attempt]) -> list[str]:
        """Say what is odd about the notebook, for the student and the instructor."""
        notes = []
        attempted = any(attempt.status == "attempted" for attempt in answers.values())
        if not attempted and not any(code.role in ("given", "stub") for code in self._code):
            notes.append(
                f"Nothing in this notebook is from {self._lesson.name}: is it the right file?"
            )
        for code in self._code:
            if len(code.numbers) > 1:
                numbers = " and ".join(map(str, code.numbers))
                notes.append(f"Code cells {numbers} are Python only together and were joined.")
        used = {text for attempt in answers.values() for text in attempt.cells}
        broken = [str(code.numbers[0]) for code in self._broken() if code.text not in used]
        if broken:
            notes.append(f"Left out, not readable as Python: code cell {first_of(broken)}.")
        if self._parser.left < 0:
            notes.append("This notebook holds more code than is read; the last was left out.")
        return notes

    def _read(self, number: int, cell: Cell) -> _Code:
        """Say whose a cell is, and read the student's own as Python."""
        text, role, names = cell.source, self._role(cell.source), None
        if role == "own" and len(text) <= LONGEST_CELL:
            text, names = self._parser.without_magics(text)
            if names is None:
                text, names = self._parser.without_indent(text)
            role = self._role(text)
        return _Code((number,), text, role, names, cell.tags)

    def _role(self, text: str) -> str:
        plain = normalized(text) if len(text) <= LONGEST_CELL else text
        if plain in self._given:
            return "given"
        return "stub" if plain in self._stubs else "own" if plain else "empty"

    def _rejoined(self, cells: list[_Code]) -> list[_Code]:
        """Join neighbours that are Python only together: a cell that was split."""
        rejoined: list[_Code] = []
        place = 0
        while place < len(cells):
            cell, place = cells[place], place + 1
            if cell.role == "own" and cell.names is None:
                before = [one for one in rejoined[-1:] if one.role == "own"]
                near = cells[place : place + _MOST_PIECES - 1]
                after = list(takewhile(lambda one: one.role == "own", near))
                starts = [[], before] if before else [[]]
                for start, count in product(starts, range(len(after) + 1)):
                    if joined := self._joined([*start, cell, *after[:count]]):
                        del rejoined[len(rejoined) - len(start) :]
                        cell, place = joined, place + count
                        break
            rejoined.append(cell)
        return rejoined

    def _joined(self, pieces: list[_Code]) -> _Code | None:
        """Return several cells as one if they are Python together."""
        text = "\n".join(piece.text for piece in pieces)
        names = self._parser.names(text)[0] if len(pieces) > 1 else None
        if names is None:
            return None
        numbers = tuple(number for piece in pieces for number in piece.numbers)
        tags = tuple(tag for piece in pieces for tag in piece.tags)
        return _Code(numbers, text, self._role(text), names, tags)

    def _placed(self) -> dict[int, str]:
        """Return for each cell the exercise in whose place it is: before the same given cell."""
        after = {normalized(cell.source): cell.after for cell in self._lesson.given}
        places, exercise = {}, ""
        for code in reversed(self._code):
            exercise = after[normalized(code.text)] if code.role == "given" else exercise
            places[code.numbers[0]] = exercise
        return places

    def _ordered(self) -> list[_Runnable]:
        """Return the student's cells and the lesson's, in the order they would run.

        A given cell runs where the student has it; one that the student lost runs
        after the given cell before it.
        """
        keyed = [
            ((place, 0), _Runnable(code.text, True, code.names))
            for place, code in enumerate(self._code)
            if code.role == "own" and code.names is not None
        ]
        places = {
            normalized(code.text): place for place, code in reversed([*enumerate(self._code)])
        }
        last = -1
        for number, source in enumerate(self._lesson.sources, start=1):
            last = places.get(normalized(source), last)
            keyed.append(((last, number), _Runnable(source, False, given_names(source))))
        return [code for _, code in sorted(keyed, key=lambda one: one[0])]

    def _indexed(self) -> tuple[set[str], dict[str, list[int]]]:
        """Return the names that the student defines, and for each name the cells that it takes.

        The lesson's own cells count for names that neither the setup nor the student
        defines.
        """
        own: dict[str, list[int]] = {}
        given: dict[str, list[int]] = {}
        touched: dict[str, list[int]] = {}
        for place, code in enumerate(self._order):
            for name, origins in code.names.bound.items():
                if not code.own:
                    given.setdefault(name, []).append(place)
                elif "" in origins or not origins <= self._setup.get(name, set()):
                    own.setdefault(name, []).append(place)
            if code.own:
                for name in code.names.touched:
                    touched.setdefault(name, []).append(place)
        for name in own.keys() | self._setup.keys() | _KNOWN:
            given.pop(name, None)
        defined = given | own
        takes = {
            name: sorted({*defined.get(name, ()), *touched.get(name, ())})
            for name in defined.keys() | touched.keys()
        }
        return own.keys() & self._lesson.stubs.keys(), takes

    def _needed(self, name: str) -> tuple[str, ...]:
        """Return the cells that define a function and all that it needs, in order."""
        end = len(self._order)
        chosen = {  # who imports everything may import what is needed
            place for place, code in enumerate(self._order) if code.own and code.names.star
        }
        waiting = [*chosen]
        reach: dict[str, int] = {}  # a name, and up to where a cell may say what it is

        def require(need: str, limit: int) -> None:
            places = self._providers.get(need, [])
            known = bisect_left(places, reach.get(need, 0))
            for place in places[known : bisect_left(places, limit)]:
                if place not in chosen:
                    chosen.add(place)
                    waiting.append(place)
            reach[need] = max(limit, reach.get(need, 0))

        require(name, end)
        while waiting:
            place = waiting.pop()
            for need in self._order[place].names.later:
                require(need, end)
            for need in self._order[place].names.now:
                require(need, place)
        return tuple(self._order[place].text for place in sorted(chosen))

    def _broken(self) -> list[_Code]:
        """Return the student's cells that are not Python."""
        broken = [code for code in self._code if code.role == "own" and code.names is None]
        return broken[-_MOST_BROKEN:]

    def _meant(self, code: _Code, name: str) -> bool:
        """Say whether a cell that is not Python was to define a function."""
        if _definition(name).search(code.text, 0, LONGEST_CELL):
            return True
        if any(
            _definition(one).search(code.text, 0, LONGEST_CELL) for one in self._lesson.ungraded
        ):
            return False
        if "exercise" in code.tags and name in code.text:
            return True
        return name not in self._untouched and self._places[code.numbers[0]] == name

    def _renamed(self, name: str) -> str:
        """Ask whether a function of the student's is the one asked for, if one is near."""
        functions = {
            function: None
            for code in self._order
            if code.own
            for function in code.names.functions
            if function not in (*self._lesson.stubs, *self._lesson.ungraded)
            and len(function) <= _LONGEST_NAME
        }
        near = difflib.get_close_matches(name, list(functions)[:_MOST_NAMES], n=1)
        return f"did you rename it? there is {near[0]}" if near else ""

    def _call(self, name: str) -> str:
        """Write the call that an exercise asks for."""
        stub = ast.parse(self._lesson.stubs[name])
        function = next(node for node in stub.body if isinstance(node, ast.FunctionDef))
        return f"{name}({', '.join(argument.arg for argument in function.args.args)})"


# ---- Texts ---------------------------------------------------------------------------


def _definition(name: str) -> re.Pattern[str]:
    """Return what finds the line where a function is defined."""
    return re.compile(
        rf"^[ \t]*(async[ \t]+def|def|class)[ \t]+{name}\b|^[ \t]*{name}[ \t]*=", re.MULTILINE
    )


def first_of(names: Iterable[str]) -> str:
    """Join names for a sentence: the first few, and how many more there are."""
    names = list(names)
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")

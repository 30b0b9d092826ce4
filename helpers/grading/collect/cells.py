"""Which of a student's cells does an exercise need? Read as Python, and never run.

A cell of the lesson that came back unchanged is the lesson's; everything else is the
student's. An exercise needs the cells that define its function, and those that define
what these use, as for a person who runs the notebook from top to bottom.
"""

import ast
import builtins
import difflib
import re
import symtable
import textwrap
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product, takewhile
from typing import Literal, NamedTuple

_MOST_NAMES = 2_000  # that a renamed function is looked for among
LONGEST_CELL = 20_000  # characters of a cell that are read as Python
_MOST_CODE = 200_000  # characters that are read as Python, of one notebook
_MOST_BROKEN = 200  # cells that are not Python and are looked into
_MOST_MAGICS = 50  # lines of one cell
_MOST_LISTED = 5  # names in one sentence
_MOST_PIECES = 4  # into which a cell may have been split
_LONGEST_NAME = 100  # characters of a function that may be a renamed one
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPE = (*_DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
_KNOWN = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out"}
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit", "pyinstrument"})
_MAGIC = re.compile(
    r"[ \t]*%{1,2}[A-Za-z]|[ \t]*!|[ \t]*\?{1,2}[\w.*]"
    r"|[\w., \t]+=[ \t]*(![^=]|%[A-Za-z])"
    r"|[ \t]*[\w.*]+\?{1,2}[ \t]*$"
)


class GivenCell(NamedTuple):
    """A code cell of the lesson that is no exercise.

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
        given: The code cells that are not exercises, in order.
        setup: Source of the setup cell and, after it, of the parameters cell.
        exercises: The names of the functions asked for, in order.
        stubs: For each of them, the source of the cell that the learner gets.
    """

    name: str
    given: tuple[GivenCell, ...]
    setup: str
    exercises: tuple[str, ...]
    stubs: dict[str, str]

    @property
    def sources(self) -> list[str]:
        """The sources of the given cells."""
        return [cell.source for cell in self.given]


@dataclass(frozen=True)
class Handed:
    """What one exercise is to be judged by.

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


class Cell(NamedTuple):
    """A cell of a notebook, as it stands there."""

    code: bool
    source: str
    tags: tuple[str, ...]


# ---- Python, read and not run --------------------------------------------------------


@dataclass
class _Names:
    """The global names that a cell defines and needs.

    Attributes:
        bound: For each name defined, what it is: an import, or "" for anything else.
        touched: Names of which an item or an attribute is set.
        functions: Names defined by ``def`` or ``class``.
        now: Names needed while the cell runs. Rather too many than too few.
        later: Names needed once its functions are called.
        star: Whether it imports names that it does not name.
    """

    bound: dict[str, set[str]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    functions: list[str] = field(default_factory=list)
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    star: bool = False


def _names(text: str) -> _Names:
    """Return the names of a cell; whatever Python raises if it is not Python."""
    names = _Names()
    sure: set[str] = set()  # defined by now, whatever happens
    lines = text.split("\n")
    for group in _statements(ast.parse(text), lines):
        reads: dict[str, bool] = {}  # is the first thing done with a name to read it?
        imports: dict[str, set[str]] = {}
        for node in (part for statement in group for part in _run_at_once(statement)):
            match node:
                case ast.Import() | ast.ImportFrom():
                    for name, origin in _imported(node):
                        imports.setdefault(name, set()).add(origin)
                case ast.Attribute(value=ast.Name(name), ctx=ast.Store()):
                    names.touched.add(name)
                case ast.Subscript(value=ast.Name(name), ctx=ast.Store()):
                    names.touched.add(name)
                case ast.AugAssign(target=ast.Name(name)):
                    reads.setdefault(name, True)
                case ast.Name(name):
                    reads.setdefault(name, isinstance(node.ctx, ast.Load))
        names.star |= "*" in imports
        names.functions += [one.name for one in group if isinstance(one, _DEFINITIONS)]
        piece = "\n".join(lines[_first_line(group[0]) - 1 : group[-1].end_lineno])
        bound: set[str] = set()
        for symbol, called in _globals(symtable.symtable(piece, "cell", "exec")):
            name = symbol.get_name()
            if called and (symbol.is_referenced() or symbol.is_assigned()):
                names.later.add(name)
            elif name not in sure and reads.get(name, symbol.is_referenced()):
                names.now.add(name)
            if symbol.is_assigned():
                names.bound.setdefault(name, set()).add("")
            if symbol.is_imported():
                names.bound.setdefault(name, set()).update(imports.get(name, {""}))
            if not called and (symbol.is_assigned() or symbol.is_imported()):
                bound.add(name)
        if not any(isinstance(one, _BRANCHES) for one in group):
            sure |= bound
    return names


@lru_cache(maxsize=512)
def _given_names(source: str) -> _Names:
    """Return the names of a lesson's own cell, the same for every student."""
    return _names(source)


def _statements(tree: ast.Module, lines: list[str]) -> Iterator[list[ast.stmt]]:
    """Yield the statements of a cell, those that share a line together."""
    group: list[ast.stmt] = []
    for statement in tree.body:
        end = group[-1].end_lineno if group else 0
        if group and _first_line(statement) > end and not lines[end - 1].endswith("\\"):
            yield group
            group = []
        group.append(statement)
    if group:
        yield group


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a statement does by itself, about in the order in which it does it."""
    yield node
    if isinstance(node, _OWN_SCOPE):
        return
    for name in sorted(node._fields, key=lambda name: name not in ("value", "iter")):
        part = getattr(node, name)
        for child in part if isinstance(part, list) else [part]:
            if isinstance(child, ast.AST):
                yield from _run_at_once(child)


def _globals(
    table: symtable.SymbolTable, called: bool = False, top: bool = True
) -> Iterator[tuple[symtable.Symbol, bool]]:
    """Yield each global name of each scope, and whether the scope waits for a call."""
    if table.get_type() == "function" and table.get_name() not in _COMPREHENSIONS:
        called = True
    for symbol in table.get_symbols():
        if top or symbol.is_global():
            yield symbol, called
    for child in table.get_children():
        yield from _globals(child, called, top=False)


def _imported(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    """Return the names that an import binds, each with what it is."""
    if isinstance(node, ast.Import):
        return [(one.asname or one.name.split(".")[0], one.name) for one in node.names]
    module = "." * node.level + (node.module or "")
    return [(one.asname or one.name, f"{module}:{one.name}") for one in node.names]


class _Parser:
    """Reads cells as Python, of one notebook so much and no more."""

    def __init__(self) -> None:
        self.left = _MOST_CODE

    def names(self, text: str) -> tuple[_Names | None, int]:
        """Return the names of a cell, or None and the line that is not Python."""
        if len(text) > LONGEST_CELL:
            return None, 0
        self.left -= len(text)
        if self.left < 0:
            return None, 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\d" in a string is the student's affair
                return _names(text), 0
        except SyntaxError as error:
            return None, error.lineno or 0
        except (ValueError, RecursionError, MemoryError):
            return None, 0

    def without_magics(self, text: str) -> tuple[str, _Names | None]:
        """Take out what only a notebook understands, where Python stumbles over it.

        Returns:
            The cell, empty if it is in another language, and its names.
        """
        first, _, rest = text.lstrip().partition("\n")
        if first.startswith("%%"):
            if first[2:].split(" ")[0].rstrip() not in _PYTHON_MAGICS:
                return "", None
            text = f"\n{rest}"  # the lines keep their numbers
        lines = text.split("\n")
        names, line = self.names(text)
        for _ in range(_MOST_MAGICS):
            if not 0 < line <= len(lines) or not _MAGIC.match(lines[line - 1]):
                break
            while lines[line - 1].endswith("\\") and line < len(lines):
                lines[line - 1] = ""
                line += 1
            indent = re.match(r"[ \t]*", lines[line - 1])[0]
            lines[line - 1] = f"{indent}pass" if indent else ""
            names, line = self.names("\n".join(lines))
        return "\n".join(lines), names

    def without_indent(self, text: str) -> tuple[str, _Names | None]:
        """Move a cell that defines something to the margin, as a notebook does when it runs."""
        names, dedented = None, textwrap.dedent(text)
        if dedented != text:
            names, _ = self.names(dedented)
        # Anything else is more likely the second half of a function.
        return (dedented, names) if names and names.functions else (text, None)


# ---- Which cells an exercise needs ---------------------------------------------------


class _Code(NamedTuple):
    """A code cell, or several that are Python only together.

    ``role`` is "own", "given", "stub" or "empty"; ``names`` is None if the text is
    not Python, and of a cell that is not the student's own.
    """

    numbers: tuple[int, ...]
    text: str
    role: str
    names: _Names | None = None
    tags: tuple[str, ...] = ()


class Notebook:
    """The code cells of a submission, and what each exercise needs of them."""

    def __init__(self, cells: list[Cell], lesson: Lesson) -> None:
        self._lesson = lesson
        self._given = {unspaced(source) for source in lesson.sources}
        self._stubs = {unspaced(stub): name for name, stub in lesson.stubs.items()}
        self._parser = _Parser()
        self._prose = "\n".join(cell.source for cell in cells if not cell.code)[:_MOST_CODE]
        code = [cell for cell in cells if cell.code]
        self._code = self._mended(
            [self._read(number, cell) for number, cell in enumerate(code, start=1)]
        )
        self._untouched = {self._stubs[unspaced(c.text)] for c in self._code if c.role == "stub"}
        self._places = self._placed()
        self._order = self._ordered()
        self._setup = _given_names(lesson.setup).bound
        self._definers, self._providers = self._indexed()

    def handed(self, name: str) -> Handed:
        """Return what there is to judge of one exercise."""
        if name in self._definers:
            return Handed("attempted", self._needed(name))
        meant = [code for code in self._broken() if self._meant(code, name)]
        if meant and len(meant[-1].text) <= LONGEST_CELL:
            return Handed("attempted", (meant[-1].text,))
        if meant:
            reason = (
                f"the cell that defines {name} has {len(meant[-1].text):,} characters; "
                f"at most {LONGEST_CELL:,} are read"
            )
            return Handed("missing", reason=reason)
        renamed = self._renamed(name)
        if name in self._untouched:
            reason = f"the given cell is as it was; {renamed}" if renamed else ""
            return Handed("not attempted", reason=reason)
        why = renamed or "its cell was emptied or deleted"
        if _definition(name).search(self._prose):
            why = "the cell that does is not a code cell; turn it into one"
        return Handed("missing", reason=f"no cell defines {self._call(name)}; {why}")

    def notes(self, answers: dict[str, Handed]) -> list[str]:
        """Say what is odd about the notebook, for the student and the instructor."""
        notes = []
        attempted = any(handed.status == "attempted" for handed in answers.values())
        if not attempted and not any(code.role in ("given", "stub") for code in self._code):
            notes.append(
                f"Nothing in this notebook is from {self._lesson.name}: is it the right file?"
            )
        for code in self._code:
            if len(code.numbers) > 1:
                numbers = " and ".join(map(str, code.numbers))
                notes.append(f"Code cells {numbers} are Python only together and were joined.")
        used = {text for handed in answers.values() for text in handed.cells}
        broken = [str(code.numbers[0]) for code in self._broken() if code.text not in used]
        if broken:
            notes.append(f"Left out, not readable as Python: code cell {listed(broken)}.")
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
        plain = unspaced(text) if len(text) <= LONGEST_CELL else text
        if plain in self._given:
            return "given"
        return "stub" if plain in self._stubs else "own" if plain else "empty"

    def _mended(self, cells: list[_Code]) -> list[_Code]:
        """Join neighbours that are Python only together: a cell that was split."""
        mended: list[_Code] = []
        place = 0
        while place < len(cells):
            cell, place = cells[place], place + 1
            if cell.role == "own" and cell.names is None:
                before = [one for one in mended[-1:] if one.role == "own"]
                near = cells[place : place + _MOST_PIECES - 1]
                after = list(takewhile(lambda one: one.role == "own", near))
                starts = [[], before] if before else [[]]
                for start, count in product(starts, range(len(after) + 1)):
                    if joined := self._joined([*start, cell, *after[:count]]):
                        del mended[len(mended) - len(start) :]
                        cell, place = joined, place + count
                        break
            mended.append(cell)
        return mended

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
        after = {unspaced(cell.source): cell.after for cell in self._lesson.given}
        places, exercise = {}, ""
        for code in reversed(self._code):
            exercise = after[unspaced(code.text)] if code.role == "given" else exercise
            places[code.numbers[0]] = exercise
        return places

    def _ordered(self) -> list[_Code]:
        """Return the student's cells and the lesson's, in the order they would run.

        A given cell runs where the student has it; one that the student lost runs
        after the given cell before it.
        """
        keyed = [
            ((place, 0), code)
            for place, code in enumerate(self._code)
            if code.role == "own" and code.names is not None
        ]
        places = {unspaced(code.text): place for place, code in reversed([*enumerate(self._code)])}
        last = -1
        for number, source in enumerate(self._lesson.sources, start=1):
            last = places.get(unspaced(source), last)
            keyed.append(((last, number), _Code((), source, "given", _given_names(source))))
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
                if code.role == "given":
                    given.setdefault(name, []).append(place)
                elif "" in origins or not origins <= self._setup.get(name, set()):
                    own.setdefault(name, []).append(place)
            if code.role == "own":
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
            place
            for place, code in enumerate(self._order)
            if code.role == "own" and code.names.star
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
        if "exercise" in code.tags and name in code.text:
            return True
        return name not in self._untouched and self._places[code.numbers[0]] == name

    def _renamed(self, name: str) -> str:
        """Ask whether a function of the student's is the one asked for, if one is near."""
        functions = {
            function: None
            for code in self._order
            if code.role == "own"
            for function in code.names.functions
            if function not in self._lesson.stubs and len(function) <= _LONGEST_NAME
        }
        near = difflib.get_close_matches(name, list(functions)[:_MOST_NAMES], n=1)
        return f"did you rename it? there is {near[0]}" if near else ""

    def _call(self, name: str) -> str:
        """Write the call that an exercise asks for."""
        stub = ast.parse(self._lesson.stubs[name])
        function = next(node for node in stub.body if isinstance(node, ast.FunctionDef))
        return f"{name}({', '.join(argument.arg for argument in function.args.args)})"


# ---- Texts ---------------------------------------------------------------------------


def unspaced(text: str) -> str:
    """Return what must be the same for two cells to be the same."""
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip())


def _definition(name: str) -> re.Pattern[str]:
    """Return what finds the line where a function is defined."""
    return re.compile(
        rf"^[ \t]*(async[ \t]+def|def|class)[ \t]+{name}\b|^[ \t]*{name}[ \t]*=", re.MULTILINE
    )


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence, not too many of them."""
    names = list(names)
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")

"""Find the notebooks that students hand in, and take the students' cells out of them.

Nothing is executed here, and nothing that is read is trusted: a notebook may be
anything, from a copy with its metadata lost to a file made to break the grader.
What a student did ends in a sentence, never in an exception.
"""

import ast
import builtins
import difflib
import hashlib
import json
import os
import re
import stat
import symtable
import textwrap
import unicodedata
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product, takewhile
from pathlib import Path
from typing import Literal, NamedTuple

_LARGEST_FILE = 64 * 2**20  # bytes
_MOST_ITEMS = 2_000_000  # brackets and commas: what the JSON takes in memory follows from them
_MOST_CELLS = 2_000
_LONGEST_CELL = 20_000  # characters of a cell that are read as Python
_MOST_CODE = 200_000  # characters that are read as Python, of one notebook
_MOST_BROKEN = 200  # cells that are not Python and are looked into
_MOST_MAGICS = 50  # lines of one cell
_MOST_ENTRIES = 2_000  # files and folders of one student
_MOST_NOTEBOOKS = 40  # of one student
_DEEPEST = 2  # folders between a student's folder and a notebook
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


@dataclass(frozen=True)
class Found:
    """A notebook that was found, or not, and is not read yet.

    Attributes:
        student: The name of the student's folder, exactly.
        lesson: The name of the lesson.
        path: The notebook; None when there is none, or none that may be opened.
        notes: Sentences about how it was found.
        trouble: Why a person must look; empty when there is a notebook, and when
            nothing was handed in.
    """

    student: str
    lesson: str
    path: Path | None = None
    notes: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Submission:
    """One student's notebook for one lesson, read.

    Attributes:
        student: The name of the student's folder, exactly.
        lesson: The name of the lesson.
        file: The notebook below the folder of submissions, fit to print; empty when
            there is none.
        sha256: Of the notebook's bytes; empty when they could not be read.
        trouble: Why it cannot be graded, in a sentence; empty when it can be, and
            when nothing was handed in.
        notes: Sentences for the student and the instructor.
        answers: What to judge for each exercise of the lesson; empty when there is
            no notebook or trouble.
    """

    student: str
    lesson: str
    file: str = ""
    sha256: str = ""
    trouble: str = ""
    notes: tuple[str, ...] = ()
    answers: dict[str, Handed] = field(default_factory=dict)


# ---- The lesson ----------------------------------------------------------------------


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
        code = [cell for cell in _cells(path.read_bytes()) if cell.code]
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a rendered lesson: {error}") from error
    given: list[GivenCell] = []
    stubs: dict[str, str] = {}
    before = ""
    for cell in code:
        if "exercise" in cell.tags:
            before = _asked_for(cell.source, path)
            stubs[before] = cell.source
        else:
            given.append(GivenCell(cell.source, cell.tags, before))
            before = ""
    if not stubs:
        raise ValueError(f"{path} is not a rendered lesson: no cell is tagged exercise")
    setup = [one.source for tag in ("setup", "parameters") for one in given if tag in one.tags]
    return Lesson(path.stem, tuple(given), "\n\n".join(setup), tuple(stubs), stubs)


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


# ---- Finding notebooks ---------------------------------------------------------------


class _Piece(NamedTuple):
    """A notebook in a student's folder; ``problem`` says why it may not be opened."""

    inside: str
    path: Path
    problem: str


class _Claim(NamedTuple):
    """A notebook, and how surely it is a lesson's: the lowest rank is the surest."""

    rank: int
    piece: _Piece


class _Content(NamedTuple):
    """What is in a student's folder."""

    notebooks: tuple[_Piece, ...] = ()
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    trouble: str = ""


class _Traits(NamedTuple):
    """What tells lessons apart: names, and texts and functions that only one has."""

    names: tuple[str, ...]
    texts: dict[str, str]
    functions: dict[str, str]


def find(folder: Path, lessons: Sequence[Lesson]) -> tuple[list[Found], list[str]]:
    """Look for each student's notebooks; open only those that their names do not tell.

    A lesson that one student handed in is expected of all; one that nobody handed
    in does not appear.

    Args:
        folder: One folder a student, named for the student. The notebooks are in it,
            or one or two folders deeper.
        lessons: The lessons to look for.

    Returns:
        What was found, sorted by student and lesson, and sentences for the
        instructor about all that will not be graded.

    Raises:
        ValueError: If the folder cannot be listed.
    """
    contents, remarks = _contents(folder)
    traits = _traits(lessons)
    found: list[Found] = []
    strays: dict[str, list[str]] = {}
    for student, content in contents.items():
        claims: dict[str, list[_Claim]] = {}
        for piece in content.notebooks:
            owner, rank = _owner(piece, traits, folder)
            if owner:
                claims.setdefault(owner, []).append(_Claim(rank, piece))
            else:
                strays.setdefault(_shown(piece.path.name), []).append(_shown(student))
        for name, claimed in claims.items():
            found.append(_chosen(student, name, claimed, content.notes, folder))
        if content.trouble:
            remarks.append(f"{_shown(student)}: {content.trouble}.")
        elif content.others and not content.notebooks:
            remarks.append(
                f"{_shown(student)}: there is no notebook, only {_listed(content.others)}."
            )
        remarks += [f"{_shown(student)}: {note}" for note in content.notes]
    for file, owners in strays.items():
        remarks.append(
            f'"{file}" of {_listed(owners)} is not graded: '
            f"it is none of the lessons looked for ({', '.join(traits.names)})."
        )
    there = {(one.student, one.lesson) for one in found}
    for name in {one.lesson for one in found}:
        for student, content in contents.items():
            if (student, name) not in there:
                found.append(Found(student, name, None, content.notes, content.trouble))
    found.sort(key=lambda one: (one.student, one.lesson))
    return found, remarks


def _contents(folder: Path) -> tuple[dict[str, _Content], list[str]]:
    """List each student's folder, and say what lies beside them."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be listed ({error.strerror}); "
            "name the folder that holds one folder a student"
        ) from error
    contents: dict[str, _Content] = {}
    remarks = []
    for entry in entries:
        shown, kind = _shown(entry.name), _kind(entry)
        if not _nameable(entry.name):
            remarks.append(f'"{shown}" is not graded: no list can hold this name; rename it.')
        elif _hidden(entry):
            continue
        elif kind == "folder":
            contents[entry.name] = _content(Path(entry.path))
        elif kind == "symbolic link":
            contents[entry.name] = _Content(
                trouble="the folder is a symbolic link and was not followed; "
                "put a folder in its place"
            )
        else:
            remarks.append(
                f'"{shown}" is not graded: it is a {kind} beside the students\' folders; '
                "put it into the folder of its student."
            )
    return contents, remarks


def _content(folder: Path) -> _Content:
    """List a student's folder and the folders in it, not too deep and not too much."""
    notebooks, others, notes = [], [], []
    try:
        for count, entry in enumerate(_walk(folder)):
            if count == _MOST_ENTRIES or len(notebooks) > _MOST_NOTEBOOKS:
                trouble = (
                    f"the folder holds more than {_MOST_NOTEBOOKS} notebooks or "
                    f"{_MOST_ENTRIES} files; leave only what is to be graded"
                )
                return _Content(trouble=trouble)
            kind = _kind(entry)
            path = Path(entry.path)
            depth = len(path.relative_to(folder).parts) - 1
            inside = _shown(path.relative_to(folder).as_posix())
            if ".ipynb" in entry.name.lower():
                problem = "" if kind == "file" else f'"{inside}" is a {kind} and was not opened'
                notebooks.append(_Piece(inside, path, problem))
            elif kind == "symbolic link":
                notes.append(f'"{inside}" is a symbolic link and was not followed.')
            elif kind == "folder" and depth == _DEEPEST:
                notes.append(f'The folder "{inside}" is too deep and was not looked into.')
            elif kind != "folder":
                others.append(inside)
    except OSError as error:
        return _Content(trouble=f"the folder cannot be listed: {error.strerror}")
    return _Content(tuple(sorted(notebooks)), tuple(sorted(others)), tuple(sorted(notes)))


def _walk(folder: Path, depth: int = 0) -> Iterator[os.DirEntry]:
    """Yield what is in a folder and in those below it, hidden files left out."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _hidden(entry):
                yield entry
                if depth < _DEEPEST and _kind(entry) == "folder":
                    yield from _walk(Path(entry.path), depth + 1)


def _hidden(entry: os.DirEntry) -> bool:
    return re.match(r"\.(?!\.)", entry.name) is not None or entry.name == "__MACOSX"


def _kind(place: os.DirEntry | Path) -> str:
    """Say what something in a folder is; a link is not followed."""
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return "file that cannot be looked at"
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "folder",
        stat.S_IFLNK: "symbolic link",
        stat.S_IFIFO: "named pipe",
        stat.S_IFSOCK: "socket",
    }
    return kinds.get(stat.S_IFMT(mode), "device")


def _traits(lessons: Sequence[Lesson]) -> _Traits:
    texts = [
        (text, one.name)
        for one in lessons
        for text in {_plain(source) for source in (*_sources(one), *one.stubs.values())}
    ]
    counts = Counter(text for text, _ in texts)
    return _Traits(
        names=tuple(one.name for one in lessons),
        texts={text: name for text, name in texts if counts[text] == 1},
        functions={function: one.name for one in lessons for function in one.exercises},
    )


def _owner(piece: _Piece, traits: _Traits, root: Path) -> tuple[str, int]:
    """Return the lesson that a notebook is, and how surely; empty if it is none."""
    for name in traits.names:
        if piece.path.name == f"{name}.ipynb":
            return name, min(piece.inside.count("/"), 1)
    folded = unicodedata.normalize("NFKC", _shown(piece.path.name)).casefold()
    folded = re.sub(r"[\s-]", "_", folded)
    stems = [name for name in traits.names if re.search(rf"(?<!\d){re.escape(name)}", folded)]
    if len(stems) == 1:
        return stems[0], 2
    scores = Counter() if piece.problem else _scores(piece.path, traits, root)
    best = scores.most_common(2)
    if best:
        clear = len(best) == 1 or best[0][1] > best[1][1]
        return best[0][0] if clear else "", 3
    numbers = [name for name in traits.names if re.search(rf"(?<!\d){name[:2]}(?!\d)", folded)]
    return numbers[0] if len(numbers) == 1 else "", 3


def _scores(path: Path, traits: _Traits, root: Path) -> Counter[str]:
    """Count what a notebook has of each lesson that no other lesson has."""
    try:
        cells = _cells(_bytes(path, root))
    except ValueError:
        return Counter()
    texts = {_plain(c.source) for c in cells if c.code and len(c.source) <= _LONGEST_CELL}
    defined = {name for text in texts for name in re.findall(r"^def (\w+)", text, re.MULTILINE)}
    return Counter(
        [traits.texts[text] for text in texts & traits.texts.keys()]
        + [traits.functions[name] for name in defined & traits.functions.keys()]
    )


def _chosen(
    student: str, name: str, claims: list[_Claim], notes: tuple[str, ...], root: Path
) -> Found:
    """Return the one notebook that is the lesson's, or why a person must choose."""
    rank = min(claim.rank for claim in claims)
    best = [claim.piece for claim in claims if claim.rank == rank]
    first = best[0]
    rest = [claim.piece.inside for claim in claims if claim.piece != first]
    if len(best) > 1 and not _same(best, root):
        trouble = (
            f"{_listed(piece.inside for piece in best)} could each be this lesson; name the one "
            f"to be graded {name}.ipynb and put it right into the student's folder"
        )
        return Found(student, name, None, notes, trouble)
    if rank > 1:
        notes += (f'"{first.inside}" was graded; the expected name is {name}.ipynb.',)
    if rest:
        notes += (f"Also there, and not graded: {_listed(rest)}.",)
    if first.problem:
        return Found(student, name, None, notes, f"{first.problem}; hand in the file itself")
    return Found(student, name, first.path, notes)


def _same(pieces: list[_Piece], root: Path) -> bool:
    """Say whether notebooks are copies of one file."""
    try:
        return len({_digest(_bytes(piece.path, root)) for piece in pieces}) == 1
    except ValueError:
        return False


# ---- Reading a notebook --------------------------------------------------------------


class _Cell(NamedTuple):
    """A cell of a notebook, as it stands there."""

    code: bool
    source: str
    tags: tuple[str, ...]


def read(found: Found, lesson: Lesson, folder: Path) -> Submission:
    """Read a student's notebook; whatever is in it, this does not raise.

    Args:
        found: What :func:`find` found.
        lesson: The instructor's copy of its lesson.
        folder: The folder of submissions that it was found in.

    Returns:
        What there is to judge, or why there is nothing.
    """
    who = found.student, found.lesson
    if found.path is None:
        return Submission(*who, trouble=found.trouble, notes=found.notes)
    file = _shown(Path(os.path.relpath(found.path, folder)).as_posix())
    digest = ""
    try:
        content = _bytes(found.path, folder)
        digest = _digest(content)
        cells = _cells(content)
    except ValueError as error:
        return Submission(*who, file, digest, str(error), found.notes)
    notebook = _Notebook(cells, lesson)
    answers = {name: notebook.handed(name) for name in lesson.exercises}
    notes = (*found.notes, *notebook.notes(answers))
    return Submission(*who, file, digest, "", notes, answers)


def _bytes(path: Path, root: Path) -> bytes:
    """Read a regular file below a folder; ValueError says why that cannot be."""
    try:
        for parent in Path(os.path.relpath(path, root)).parents:
            if (root / parent).is_symlink() and parent.parts:
                raise ValueError(f'the folder "{_shown(parent.name)}" is a symbolic link')
        if (kind := _kind(path)) != "file":
            raise ValueError(f"this is a {kind} and was not opened; hand in the file itself")
        # Where the system has these flags, nothing else can be slipped in meanwhile.
        flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")]
        with os.fdopen(os.open(path, os.O_RDONLY | sum(flags)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("this file was exchanged while it was read")
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"this file cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_FILE:
        raise ValueError(
            f"this file is larger than {_LARGEST_FILE >> 20} MB; "
            "clear its outputs and hand it in again"
        )
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cells(content: bytes) -> list[_Cell]:
    """Return the cells of a notebook of any format; ValueError says why there are none."""
    if not content.strip():
        raise ValueError("this file is empty")
    if sum(content.count(mark) for mark in (b"{", b"[", b",")) > _MOST_ITEMS:
        raise ValueError("this file holds too much; clear its outputs and hand it in again")
    try:
        notebook = json.loads(content)
    except UnicodeDecodeError:
        raise ValueError("this file is not a notebook (it is not UTF-8)") from None
    except (ValueError, RecursionError):
        raise ValueError("this file is not a notebook (it is not JSON)") from None
    cells = _part(notebook, "cells", list)
    if cells is None:  # nbformat 3
        sheets = _part(notebook, "worksheets", list) or []
        parts = [part for sheet in sheets if (part := _part(sheet, "cells", list)) is not None]
        cells = [cell for part in parts for cell in part] if parts else None
    if cells is None:
        raise ValueError("this file is not a notebook (it has no cells)")
    if len(cells) > _MOST_CELLS:
        raise ValueError(f"this notebook has more than {_MOST_CELLS} cells")
    return [_cell(cell) for cell in cells if isinstance(cell, dict)]


def _cell(cell: dict) -> _Cell:
    """Read a cell, whatever is missing or wrong in it."""
    source = cell.get("source", cell.get("input"))
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str))
    tags = _part(_part(cell, "metadata", dict), "tags", list) or []
    return _Cell(
        code=cell.get("cell_type", "code") == "code",
        source=_encodable(text).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"),
        tags=tuple(tag for tag in tags if isinstance(tag, str)),
    )


def _part(whole: object, key: str, kind: type) -> object:
    """Return an entry of a dict if both are what they should be."""
    part = whole.get(key) if isinstance(whole, dict) else None
    return part if isinstance(part, kind) else None


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
        if len(text) > _LONGEST_CELL:
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


class _Notebook:
    """The code cells of a submission, and what each exercise needs of them."""

    def __init__(self, cells: list[_Cell], lesson: Lesson) -> None:
        self._lesson = lesson
        self._given = {_plain(source) for source in _sources(lesson)}
        self._stubs = {_plain(stub): name for name, stub in lesson.stubs.items()}
        self._parser = _Parser()
        self._prose = "\n".join(cell.source for cell in cells if not cell.code)[:_MOST_CODE]
        code = [cell for cell in cells if cell.code]
        self._code = self._mended(
            [self._read(number, cell) for number, cell in enumerate(code, start=1)]
        )
        self._untouched = {self._stubs[_plain(c.text)] for c in self._code if c.role == "stub"}
        self._places = self._placed()
        self._order = self._ordered()
        self._setup = _given_names(lesson.setup).bound
        self._definers, self._providers = self._indexed()

    def handed(self, name: str) -> Handed:
        """Return what there is to judge of one exercise."""
        if name in self._definers:
            return Handed("attempted", self._needed(name))
        meant = [code for code in self._broken() if self._meant(code, name)]
        if meant and len(meant[-1].text) <= _LONGEST_CELL:
            return Handed("attempted", (meant[-1].text,))
        if meant:
            reason = (
                f"the cell that defines {name} has {len(meant[-1].text):,} characters; "
                f"at most {_LONGEST_CELL:,} are read"
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
            notes.append(f"Left out, not readable as Python: code cell {_listed(broken)}.")
        if self._parser.left < 0:
            notes.append("This notebook holds more code than is read; the last was left out.")
        return notes

    def _read(self, number: int, cell: _Cell) -> _Code:
        """Say whose a cell is, and read the student's own as Python."""
        text, role, names = cell.source, self._role(cell.source), None
        if role == "own" and len(text) <= _LONGEST_CELL:
            text, names = self._parser.without_magics(text)
            if names is None:
                text, names = self._parser.without_indent(text)
            role = self._role(text)
        return _Code((number,), text, role, names, cell.tags)

    def _role(self, text: str) -> str:
        plain = _plain(text) if len(text) <= _LONGEST_CELL else text
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
        after = {_plain(cell.source): cell.after for cell in self._lesson.given}
        places, exercise = {}, ""
        for code in reversed(self._code):
            exercise = after[_plain(code.text)] if code.role == "given" else exercise
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
        places = {_plain(code.text): place for place, code in reversed([*enumerate(self._code)])}
        last = -1
        for number, source in enumerate(_sources(self._lesson), start=1):
            last = places.get(_plain(source), last)
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
        if _definition(name).search(code.text, 0, _LONGEST_CELL):
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
        near = difflib.get_close_matches(name, list(functions)[:_MOST_CELLS], n=1)
        return f"did you rename it? there is {near[0]}" if near else ""

    def _call(self, name: str) -> str:
        """Write the call that an exercise asks for."""
        stub = ast.parse(self._lesson.stubs[name])
        function = next(node for node in stub.body if isinstance(node, ast.FunctionDef))
        return f"{name}({', '.join(argument.arg for argument in function.args.args)})"


# ---- Texts ---------------------------------------------------------------------------


def _sources(lesson: Lesson) -> list[str]:
    return [cell.source for cell in lesson.given]


def _plain(text: str) -> str:
    """Return what must be the same for two cells to be the same."""
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip())


def _definition(name: str) -> re.Pattern[str]:
    """Return what finds the line where a function is defined."""
    return re.compile(
        rf"^[ \t]*(async[ \t]+def|def|class)[ \t]+{name}\b|^[ \t]*{name}[ \t]*=", re.MULTILINE
    )


def _encodable(text: str) -> str:
    """Return a text without halves of characters, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _nameable(name: str) -> bool:
    """Say whether a name can stand in a list: no control characters, and UTF-8."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def _shown(name: str) -> str:
    """Return a file name that is safe to print."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _listed(names: Iterable[str]) -> str:
    """Join names for a sentence, not too many of them."""
    names = list(names)
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")

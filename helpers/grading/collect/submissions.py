"""Find the notebooks that students hand in, and take the students' cells out of them.

Nothing is executed here, and nothing that is read is trusted: a notebook may be
anything, from a copy with its metadata lost to a file made to break the grader.
What a student did ends in a sentence, never in an exception.
"""

import ast
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from helpers.grading.collect.cells import (
    LONGEST_CELL,
    Cell,
    GivenCell,
    Handed,
    Lesson,
    Notebook,
    listed,
    unspaced,
)

_LARGEST_FILE = 64 * 2**20  # bytes
_MOST_ITEMS = 2_000_000  # brackets and commas: what the JSON takes in memory follows from them
_MOST_CELLS = 2_000
_MOST_ENTRIES = 2_000  # files and folders of one student
_MOST_NOTEBOOKS = 40  # of one student
_DEEPEST = 2  # folders between a student's folder and a notebook


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
                f"{_shown(student)}: there is no notebook, only {listed(content.others)}."
            )
        remarks += [f"{_shown(student)}: {note}" for note in content.notes]
    for file, owners in strays.items():
        remarks.append(
            f'"{file}" of {listed(owners)} is not graded: '
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
        for text in {unspaced(source) for source in (*one.sources, *one.stubs.values())}
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
    texts = {unspaced(c.source) for c in cells if c.code and len(c.source) <= LONGEST_CELL}
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
            f"{listed(piece.inside for piece in best)} could each be this lesson; name the one "
            f"to be graded {name}.ipynb and put it right into the student's folder"
        )
        return Found(student, name, None, notes, trouble)
    if rank > 1:
        notes += (f'"{first.inside}" was graded; the expected name is {name}.ipynb.',)
    if rest:
        notes += (f"Also there, and not graded: {listed(rest)}.",)
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
    notebook = Notebook(cells, lesson)
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


def _cells(content: bytes) -> list[Cell]:
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


def _cell(cell: dict) -> Cell:
    """Read a cell, whatever is missing or wrong in it."""
    source = cell.get("source", cell.get("input"))
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str))
    tags = _part(_part(cell, "metadata", dict), "tags", list) or []
    return Cell(
        code=cell.get("cell_type", "code") == "code",
        source=_encodable(text).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"),
        tags=tuple(tag for tag in tags if isinstance(tag, str)),
    )


def _part(whole: object, key: str, kind: type) -> object:
    """Return an entry of a dict if both are what they should be."""
    part = whole.get(key) if isinstance(whole, dict) else None
    return part if isinstance(part, kind) else None


# ---- Texts ---------------------------------------------------------------------------


def _encodable(text: str) -> str:
    """Return a text without halves of characters, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _nameable(name: str) -> bool:
    """Say whether a name can stand in a list: no control characters, and UTF-8."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def _shown(name: str) -> str:
    """Return a file name that is safe to print."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)

"""Find the notebooks that students hand in: whose is which, and for which lesson.

Nothing is executed here, and nothing that is read is trusted: a notebook may be
anything, from a copy with its metadata lost to a file made to break the grader.
What a student did ends in a sentence, never in an exception.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from helpers.grading.collect import notebook_file
from helpers.grading.collect.cells import Attempt, Notebook, first_of
from helpers.grading.collect.lesson import Lesson, normalized
from helpers.grading.collect.names import LONGEST_CELL
from helpers.text import visible

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
    answers: dict[str, Attempt] = field(default_factory=dict)


# ---- Finding notebooks ---------------------------------------------------------------


class _File(NamedTuple):
    """A notebook in a student's folder; ``problem`` says why it may not be opened."""

    inside: str
    path: Path
    problem: str


class _Candidate(NamedTuple):
    """A notebook, and how surely it is a lesson's: the lowest rank is the surest."""

    rank: int
    file: _File


class _Content(NamedTuple):
    """What is in a student's folder."""

    notebooks: tuple[_File, ...] = ()
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
        folder: One folder per student, named for the student. The notebooks are in it,
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
        candidates: dict[str, list[_Candidate]] = {}
        for file in content.notebooks:
            owner, rank = _owner(file, traits, folder)
            if owner:
                candidates.setdefault(owner, []).append(_Candidate(rank, file))
            else:
                strays.setdefault(visible(file.path.name), []).append(visible(student))
        for name, those in candidates.items():
            found.append(_chosen(student, name, those, content.notes, folder))
        if content.trouble:
            remarks.append(f"{visible(student)}: {content.trouble}.")
        elif content.others and not content.notebooks:
            remarks.append(
                f"{visible(student)}: there is no notebook, only {first_of(content.others)}."
            )
        remarks += [f"{visible(student)}: {note}" for note in content.notes]
    for name, owners in strays.items():
        remarks.append(
            f'"{name}" of {first_of(owners)} is not graded: '
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
            "name the folder that holds one folder per student"
        ) from error
    contents: dict[str, _Content] = {}
    remarks = []
    for entry in entries:
        shown, kind = visible(entry.name), notebook_file.kind(entry)
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
    notebooks: list[_File] = []
    others, notes = [], []
    try:
        for count, entry in enumerate(_walk(folder)):
            if count == _MOST_ENTRIES or len(notebooks) > _MOST_NOTEBOOKS:
                trouble = (
                    f"the folder holds more than {_MOST_NOTEBOOKS} notebooks or "
                    f"{_MOST_ENTRIES} files; leave only what is to be graded"
                )
                return _Content(trouble=trouble)
            kind = notebook_file.kind(entry)
            path = Path(entry.path)
            depth = len(path.relative_to(folder).parts) - 1
            inside = visible(path.relative_to(folder).as_posix())
            if ".ipynb" in entry.name.lower():
                problem = "" if kind == "file" else f'"{inside}" is a {kind} and was not opened'
                notebooks.append(_File(inside, path, problem))
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
                if depth < _DEEPEST and notebook_file.kind(entry) == "folder":
                    yield from _walk(Path(entry.path), depth + 1)


def _hidden(entry: os.DirEntry) -> bool:
    return re.match(r"\.(?!\.)", entry.name) is not None or entry.name == "__MACOSX"


def _traits(lessons: Sequence[Lesson]) -> _Traits:
    texts = [
        (text, one.name)
        for one in lessons
        for text in {normalized(source) for source in (*one.sources, *one.stubs.values())}
    ]
    counts = Counter(text for text, _ in texts)
    return _Traits(
        names=tuple(one.name for one in lessons),
        texts={text: name for text, name in texts if counts[text] == 1},
        functions={function: one.name for one in lessons for function in one.exercises},
    )


def _owner(file: _File, traits: _Traits, root: Path) -> tuple[str, int]:
    """Return the lesson that a notebook is, and how surely; empty if it is none."""
    for name in traits.names:
        if file.path.name == f"{name}.ipynb":
            return name, min(file.inside.count("/"), 1)
    folded = unicodedata.normalize("NFKC", visible(file.path.name)).casefold()
    folded = re.sub(r"[\s-]", "_", folded)
    stems = [name for name in traits.names if re.search(rf"(?<!\d){re.escape(name)}", folded)]
    if len(stems) == 1:
        return stems[0], 2
    scores: Counter[str] = Counter() if file.problem else _scores(file.path, traits, root)
    best = scores.most_common(2)
    if best:
        clear = len(best) == 1 or best[0][1] > best[1][1]
        return best[0][0] if clear else "", 3
    numbers = [name for name in traits.names if re.search(rf"(?<!\d){name[:2]}(?!\d)", folded)]
    return numbers[0] if len(numbers) == 1 else "", 3


def _scores(path: Path, traits: _Traits, root: Path) -> Counter[str]:
    """Count what a notebook has of each lesson that no other lesson has."""
    try:
        cells = notebook_file.cells(notebook_file.read(path, root))
    except ValueError:
        return Counter()
    texts = {normalized(c.source) for c in cells if c.code and len(c.source) <= LONGEST_CELL}
    defined = {name for text in texts for name in re.findall(r"^def (\w+)", text, re.MULTILINE)}
    return Counter(
        [traits.texts[text] for text in texts & traits.texts.keys()]
        + [traits.functions[name] for name in defined & traits.functions.keys()]
    )


def _chosen(
    student: str, name: str, candidates: list[_Candidate], notes: tuple[str, ...], root: Path
) -> Found:
    """Return the one notebook that is the lesson's, or why a person must choose."""
    rank = min(one.rank for one in candidates)
    best = [one.file for one in candidates if one.rank == rank]
    first = best[0]
    rest = [one.file.inside for one in candidates if one.file != first]
    if len(best) > 1 and not _same(best, root):
        trouble = (
            f"{first_of(file.inside for file in best)} could each be this lesson; name the one "
            f"to be graded {name}.ipynb and put it right into the student's folder"
        )
        return Found(student, name, None, notes, trouble)
    if rank > 1:
        notes += (f'"{first.inside}" was graded; the expected name is {name}.ipynb.',)
    if rest:
        notes += (f"Also there, and not graded: {first_of(rest)}.",)
    if first.problem:
        return Found(student, name, None, notes, f"{first.problem}; hand in the file itself")
    return Found(student, name, first.path, notes)


def _same(files: list[_File], root: Path) -> bool:
    """Say whether notebooks are copies of one file."""
    try:
        contents = [notebook_file.read(file.path, root) for file in files]
    except ValueError:
        return False
    return len(set(map(notebook_file.digest, contents))) == 1


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
    file = visible(Path(os.path.relpath(found.path, folder)).as_posix())
    digest = ""
    try:
        content = notebook_file.read(found.path, folder)
        digest = notebook_file.digest(content)
        cells = notebook_file.cells(content)
    except ValueError as error:
        return Submission(*who, file, digest, str(error), found.notes)
    notebook = Notebook(cells, lesson)
    answers = {name: notebook.attempt(name) for name in lesson.exercises}
    notes = (*found.notes, *notebook.notes(answers))
    return Submission(*who, file, digest, "", notes, answers)


def _nameable(name: str) -> bool:
    """Say whether a name can stand in a list: no control characters, and UTF-8."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)

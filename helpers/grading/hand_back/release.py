"""Write what students get: lessons, library and instructions, and no answers.

In the students' library the exercises are stored questions with their answers
(:mod:`helpers.exercises.stored`), so the check under an exercise works without the
reference and the typical mistakes that the instructor's course computes them with.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from string import Template

import nbformat
from nbformat import NotebookNode

import helpers
from helpers import exercises, files, text
from helpers.exercises import stored
from helpers.exercises.specification import Exercise
from helpers.grading.hand_back.nbgrader_gradebook import cell_name
from helpers.lessons import reference, views

_LIBRARY = Path(helpers.__file__).parent
_HANDOUT = Path(__file__).parent / "handout"
# What lessons and experiments import, and what that imports: modules, and packages as a whole.
_PUBLIC = (
    *("checks", "claims", "data", "experiment", "files", "initialize", "models", "plain", "plots"),
    *("probe", "progress", "text", "theory", "train"),
)
# Of the exercises only these, by name: lesson_NN, with references and mistakes, is not among them.
# An open exercise has no marks, so its conditions and its model answer may be read.
_EXERCISES = (
    "exercises/__init__.py",
    "exercises/calling.py",
    "exercises/compare.py",
    "exercises/explaining.py",
    "exercises/marking.py",
    "exercises/open_exercises.py",
    *(f"exercises/open_{one.number.split('.')[0]:0>2}.py" for one in exercises.OPEN.values()),
    "exercises/other_questions.py",
    "exercises/relations.py",
    "exercises/specification.py",
    "exercises/stored.py",
    "exercises/values.py",
    "exercises/wording.py",
)
_QUESTIONS = "exercises/stored.bin"
_MARKER = ".release.json"
_BY_MACHINES = {"__pycache__", ".ipynb_checkpoints"}
_SHOWN = 5  # files that a refusal names
_STUB = re.compile(r"^( *)raise NotImplementedError.*$", re.MULTILINE)
_ASKED_FOR = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)

_NBGRADER_NOTE = """\
**Cells with points.** nbgrader reads the points from the locked cells below each check. They ask \
what the check asks, and those questions are public; the course's own grader asks fresh ones."""
_NBGRADER_TEST = """\
# {points} for: {part}
import contextlib
import io

from helpers import exercises

with contextlib.redirect_stderr(io.StringIO()):  # a warning would cost all points
    points = exercises.judge({name}).parts[{index}].points
points"""


def library(folder: Path) -> None:
    """Write the library as students get it, without a reference or a typical mistake.

    Args:
        folder: Where ``helpers/`` goes, which must not be there yet; made when missing.

    Raises:
        FileExistsError: If ``helpers/`` is there.
    """
    target = folder / "helpers"
    target.mkdir(parents=True)
    for path in _public_files():
        place = target / path.relative_to(_LIBRARY)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)
    references = [one for one in exercises.ALL.values() if isinstance(one, Exercise)]
    stored.write(references, target / _QUESTIONS)


def _public_files() -> Iterator[Path]:
    """Yield the files of the library that students get."""
    yield _LIBRARY / "__init__.py"
    yield from _LIBRARY.glob("*.mplstyle")
    for name in _PUBLIC:
        package = _LIBRARY / name
        if package.is_dir():
            yield from (path for path in package.glob("*") if path.suffix in (".py", ".mplstyle"))
        else:
            yield package.with_suffix(".py")
    yield from (_LIBRARY / name for name in _EXERCISES)


def release(
    folder: Path,
    notebooks: Sequence[Path],
    experiments: Sequence[Path],
    root: Path,
    *,
    nbgrader: bool = False,
) -> Iterator[str]:
    """Write what students get into a folder, all of it or nothing.

    Args:
        folder: Where to: new, empty, or a former release in which nobody worked; that
            one is replaced.
        notebooks: The rendered lessons, in course order.
        experiments: The rendered experiments.
        root: The course's repository, for the licence and the locked versions.
        nbgrader: Also write the lessons as an nbgrader course, beside the folder and
            not in it: ``class-nbgrader`` for ``class``. It is for the instructor.

    Yields:
        One line per notebook and folder: what was done.

    Raises:
        ValueError: If there is no lesson, an exercise is solved or unknown, or a folder
            is the course's own or holds work that would be lost.
    """
    if not notebooks:
        raise ValueError("notebooks/ holds no rendered lesson yet; run `course render` first")
    lessons = {path: nbformat.read(path, as_version=4) for path in notebooks}
    counts = {path: len(_exercises(path, lesson)) for path, lesson in lessons.items()}
    folder = _outside_course(folder, root)
    beside = folder.with_name(f"{folder.name}-nbgrader")
    for place in (folder, beside) if nbgrader else (folder,):
        _refuse_work(place)
    with _put_in_place(folder) as draft:
        (draft / "notebooks").mkdir()
        for path, count in counts.items():
            (draft / "notebooks" / path.name).write_bytes(_handout(path))
            yield f"{path.stem}: {text.count(count, 'exercise')}"
        if experiments:
            (draft / "notebooks" / "experiments").mkdir()
        for path in experiments:
            (draft / "notebooks" / "experiments" / path.name).write_bytes(_handout(path))
            yield f"{path.stem}: an experiment"
        _write_reference(draft / "notebooks")
        library(draft)
        _write_surroundings(draft, lessons, root)
    yield f"{folder}: ready to hand out"
    if nbgrader:
        with _put_in_place(beside) as draft:
            _write_nbgrader_course(draft, lessons)
        yield f"{beside}: an nbgrader course, for you and not for students"


# ---- The students' folder ------------------------------------------------------------


def _handout(path: Path) -> bytes:
    """Return a notebook as students get it."""
    return views.serialised(views.handout(nbformat.read(path, as_version=4)))


def _write_reference(folder: Path) -> None:
    """Write glossary, formula sheet and sources beside lessons, whose links lead there."""
    for page in reference.paths():
        (folder / page.name).write_text(reference.handed_out(page), encoding="utf-8")


def _write_surroundings(draft: Path, lessons: dict[Path, NotebookNode], root: Path) -> None:
    """Write everything beside the notebooks and the library."""
    table = [f"* [{_title(lesson)}](notebooks/{path.name})" for path, lesson in lessons.items()]
    readme = _filled("README.md", first=next(iter(lessons)).name, lessons="\n".join(table))
    (draft / "README.md").write_text(readme, encoding="utf-8")
    shutil.copyfile(_HANDOUT / "pyproject.toml", draft / "pyproject.toml")
    for path in (root / "requirements.lock", *sorted(root.glob("LICENSE*"))):
        shutil.copyfile(path, draft / path.name)


def _filled(name: str, **words: str) -> str:
    """Return a text of the handout with its gaps filled in."""
    return Template((_HANDOUT / name).read_text(encoding="utf-8")).substitute(words)


def _title(lesson: NotebookNode) -> str:
    return lesson.cells[0].source.partition("\n")[0].lstrip("# ")


def _exercises(path: Path, lesson: NotebookNode) -> list[str]:
    """Return the exercises of a lesson that have marks; refuse a lesson that shows an answer."""
    names = []
    for cell in lesson.cells:
        if "exercise" not in cell.metadata.get("tags", []):
            continue
        name = _asked_for(cell.source)
        if name not in exercises.ALL and name not in exercises.OPEN:
            start = cell.source.partition("\n")[0]
            raise ValueError(f"{path.name} asks for {start!r}, and the course has no such exercise")
        if not _STUB.search(cell.source):
            raise ValueError(
                f"{path.name} shows an answer to {name}; release the notebook as rendered"
            )
        if name in exercises.ALL:
            names.append(name)
    return names


def _asked_for(stub: str) -> str:
    """Return the name that an exercise's cell defines first; empty if it defines none."""
    asked = _ASKED_FOR.search(stub)
    return asked[1] if asked else ""


# ---- All of it or nothing ------------------------------------------------------------


def _outside_course(folder: Path, root: Path) -> Path:
    """Return the folder as a full path; refuse one that the course works in."""
    folder, root = folder.resolve(), root.resolve()
    own = [root / name for name in ("notebooks", "helpers", "tests", "docs", "benchmarks")]
    if root.is_relative_to(folder) or any(folder.is_relative_to(part) for part in own):
        raise ValueError(f"{folder} belongs to the course itself; name another folder")
    return folder


@contextmanager
def _put_in_place(folder: Path) -> Iterator[Path]:
    """Give a draft to write into, and move it to the folder when all went well.

    Whenever this process is killed, the folder is the old one or the new one; between
    the two moves it is away for a moment, and the next call brings it back.
    """
    workshop = folder.with_name(f".{folder.name}.release")
    workshop.mkdir(parents=True, exist_ok=True)
    former, draft = workshop / "former", workshop / "draft"
    with files.held(workshop):
        if former.exists() and not folder.exists():
            former.rename(folder)
        try:
            _refuse_work(folder)
            for remains in (former, draft):
                shutil.rmtree(remains, ignore_errors=True)
            draft.mkdir()
            yield draft
            _write_marker(draft)
            if folder.exists():
                folder.rename(former)
            draft.rename(folder)
        finally:
            if folder.exists() or not former.exists():
                shutil.rmtree(workshop, ignore_errors=True)


def _write_marker(draft: Path) -> None:
    """Note what every file holds, so that work on it can be told later."""
    hashes = {path.relative_to(draft).as_posix(): _hash(path) for path in _files(draft)}
    marker = json.dumps({"files": hashes}, indent=1, sort_keys=True) + "\n"
    (draft / _MARKER).write_text(marker, encoding="utf-8")


def _refuse_work(folder: Path) -> None:
    """Refuse a folder that holds anything but an untouched release."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder")
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    if not found:
        return
    try:
        handed = dict(json.loads(found.pop(_MARKER).read_text(encoding="utf-8"))["files"])
    except (KeyError, ValueError, TypeError):
        raise ValueError(
            f"{folder} is not empty and not a release of this course; name another folder"
        ) from None
    work = [name for name, path in found.items() if handed.get(name) != _hash(path)]
    if work:
        more = f" and {len(work) - _SHOWN} more" if len(work) > _SHOWN else ""
        raise ValueError(
            f"{folder} holds work that would be lost: {', '.join(work[:_SHOWN])}{more}; "
            "move it away or name another folder"
        )


def _files(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, less what Python and Jupyter leave behind."""
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and not _BY_MACHINES & set(path.relative_to(folder).parts):
            yield path


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- nbgrader ------------------------------------------------------------------------


def _write_nbgrader_course(draft: Path, lessons: dict[Path, NotebookNode]) -> None:
    """Write a course directory as nbgrader wants it."""
    first = next(iter(lessons)).stem
    (draft / "README.md").write_text(_filled("nbgrader.md", first=first), encoding="utf-8")
    shutil.copyfile(_HANDOUT / "nbgrader_config.template", draft / "nbgrader_config.py")
    for path, lesson in lessons.items():
        target = draft / "source" / path.stem / path.name
        target.parent.mkdir(parents=True)
        nbformat.write(_nbgrader_source(lesson), target)
        _write_reference(target.parent)


def _nbgrader_source(lesson: NotebookNode) -> NotebookNode:
    """Return a lesson with nbgrader's marks and a locked test for each part."""
    course = deepcopy(lesson)
    cells: list[NotebookNode] = []
    tests: list[NotebookNode] = []
    for cell in course.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = reference.beside_lessons(cell.source)
        place = len(cells) + ("check" in tags)
        cells.append(cell)
        cells[place:place] = tests
        tests = []
        name = _asked_for(cell.source) if "exercise" in tags else ""
        if name in exercises.ALL:
            cell.source = _STUB.sub(r"\1### BEGIN SOLUTION\n\g<0>\n\1### END SOLUTION", cell.source)
            cell.metadata["nbgrader"] = _nbgrader_marks(name, solution=True)
            tests = _nbgrader_tests(name)
    course.cells = [*cells[:1], _nbgrader_note(), *cells[1:], *tests]
    return course


def _nbgrader_note() -> NotebookNode:
    """Return the cell that says what nbgrader's points are worth."""
    name = "cells-with-points"
    return nbformat.v4.new_markdown_cell(
        _NBGRADER_NOTE, id=name, metadata={"nbgrader": _nbgrader_marks(name, locked=True)}
    )


def _nbgrader_tests(name: str) -> list[NotebookNode]:
    """Return the locked cells that give an exercise's points, one per part.

    Each ends in the number of points earned, which nbgrader takes as the mark; so a
    student's notebook runs to its end whatever they did.
    """
    tests = []
    for index, (part, of) in enumerate(exercises.ALL[name].rubric.parts):
        label = cell_name(name, index)
        points = text.count(of, "point")
        source = _NBGRADER_TEST.format(points=points, part=part, name=name, index=index)
        marks = _nbgrader_marks(label, grade=True, locked=True, points=of)
        cell = nbformat.v4.new_code_cell(source, id=label, metadata={"nbgrader": marks})
        tests.append(cell)
    return tests


def _nbgrader_marks(name: str, **kind: object) -> dict[str, object]:
    """Return what nbgrader wants to know of a cell."""
    nothing = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"grade_id": name, "schema_version": 3, **nothing, **kind}

"""Write marks into a gradebook of nbgrader, through nbgrader's own interface."""

import html
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import exercises
from helpers.grading.records import ExerciseMark, Record

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook, SubmittedNotebook


def cell_name(exercise: str, part: int) -> str:
    """Return nbgrader's name for the cell that holds the points of a part, from 0."""
    return f"{exercise}-{part + 1}"


def to_gradebook(records: Iterable[Record], database: str) -> int:
    """Write marks and reasons into an nbgrader gradebook.

    Lessons are assignments with one notebook of the same name, parts are grade cells,
    the reason is the comment on the solution cell; what is missing is added, and what
    else the gradebook holds stays. A mark given by hand here is a manual score there;
    a manual score that somebody gave in nbgrader still counts, and asks to be looked at.
    Writing the same records again changes nothing.

    Args:
        records: The marks, overrides applied. Who handed nothing in becomes a student
            without a submission.
        database: The file ``gradebook.db``, made when missing, or a URL of a database.

    Returns:
        The number of submissions written.

    Raises:
        ValueError: If nbgrader is not installed, the database cannot be written, or it
            has another version of a lesson.
    """
    try:
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise ValueError(
            "nbgrader is not installed here; install it beside the course with "
            'pip install -e ".[nbgrader]"'
        ) from error
    url = database if "://" in database else f"sqlite:///{Path(database).absolute()}"
    written, seen = 0, set()
    try:
        with _own_commands_found(), Gradebook(url) as gradebook:
            for record in records:
                gradebook.update_or_create_student(record.student)
                if all(mark.status == "not handed in" for mark in record.exercises):
                    continue
                for mark in record.exercises:
                    if (record.lesson, mark.exercise) not in seen:
                        _add_cells(gradebook, record.lesson, mark)
                        seen.add((record.lesson, mark.exercise))
                _write(gradebook, record)
                written += 1
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"the gradebook {database} cannot be written: {reason}") from error
    return written


@contextmanager
def _own_commands_found() -> Iterator[None]:
    """Let nbgrader find the program ``alembic``, which it runs to make a database.

    It stands beside this Python, and that folder need not be on the path.
    """
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _parts(mark: ExerciseMark) -> tuple[tuple[str, int], ...]:
    """Return names and points of an exercise's parts; refuse a mark of another version."""
    known = exercises.ALL.get(mark.exercise)
    parts = known.rubric.parts if known else ()
    given = tuple((part.name, part.of) for part in mark.parts)
    if not known or (given != parts and mark.status != "by hand"):
        raise ValueError(
            f"{mark.exercise} was marked with another version of the course; grade it again"
        )
    return parts


def _add_cells(gradebook: "Gradebook", lesson: str, mark: ExerciseMark) -> None:
    """Add a lesson's assignment and an exercise's cells where they are missing."""
    gradebook.update_or_create_assignment(lesson)
    notebook = gradebook.update_or_create_notebook(lesson, lesson)
    gradebook.update_or_create_solution_cell(mark.exercise, lesson, lesson)
    points = {cell.name: cell.max_score for cell in notebook.grade_cells}
    for index, (_, of) in enumerate(_parts(mark)):
        name = cell_name(mark.exercise, index)
        if points.get(name, of) != of:
            raise ValueError(
                f"the gradebook gives {points[name]:g} points for {name} of {lesson}, the course "
                f"{of}; bring the lesson in nbgrader up to date first"
            )
        if name not in points:
            gradebook.add_grade_cell(name, lesson, lesson, max_score=float(of), cell_type="code")


def _write(gradebook: "Gradebook", record: Record) -> None:
    """Write one submission; its points and comments appear together."""
    notebook = gradebook.find_notebook(record.lesson, record.lesson)
    submitted = _submitted(gradebook, notebook, record)
    grades = {grade.name: grade for grade in submitted.grades}
    comments = {comment.name: comment for comment in submitted.comments}
    notes = list(record.notes)
    for mark in record.exercises:
        cells = [grades[cell_name(mark.exercise, index)] for index in range(len(_parts(mark)))]
        if mark.status == "by hand":
            _set_by_hand(cells, mark.points)
        else:
            for grade, part in zip(cells, mark.parts, strict=True):
                grade.auto_score = None if mark.outcome == "grader failed" else part.points
                undecided = mark.outcome != "graded" or grade.manual_score is not None
                grade.needs_manual_grade = undecided
        said = [mark.reason, *notes]  # what concerns the whole notebook stands once
        comments[mark.exercise].auto_comment = "\n\n".join(map(_inert, said))
        notes = []
    gradebook.db.commit()


def _submitted(gradebook: "Gradebook", notebook: "Notebook", record: Record) -> "SubmittedNotebook":
    """Return a student's notebook in the gradebook, with a row for every cell."""
    from nbgrader import api

    with gradebook.db.no_autoflush:  # rows go to the database when they are complete
        submission = gradebook.update_or_create_submission(record.lesson, record.student)
        of_lesson = [one for one in submission.notebooks if one.notebook_id == notebook.id]
        # nbgrader makes the rows with the submission; a lesson may have got cells since then.
        submitted = of_lesson[0] if of_lesson else None
        submitted = submitted or api.SubmittedNotebook(notebook=notebook, assignment=submission)
        for cells, rows, row in (
            (notebook.grade_cells, submitted.grades, api.Grade),
            (notebook.solution_cells, submitted.comments, api.Comment),
        ):
            there = {one.cell_id for one in rows}
            for cell in cells:
                if cell.id not in there:
                    row(cell_id=cell.id, notebook=submitted)
        gradebook.db.add(submitted)
    gradebook.db.flush()
    return submitted


def _set_by_hand(grades: list, points: float) -> None:
    """Spread points given by hand over the parts; what is too much is extra credit."""
    for grade in grades:
        grade.manual_score = min(points, grade.cell.max_score)
        grade.extra_credit = None
        grade.needs_manual_grade = False
        points -= grade.manual_score
    if points:
        grades[-1].extra_credit = points


def _inert(text: str) -> str:
    """Return a text that nbgrader's feedback page shows as it is.

    That page renders comments as Markdown, HTML included, and a student wrote parts.
    """
    return html.escape(" ".join(text.split()), quote=False).replace("](", "]\\(")

"""Write a page of feedback for each student."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from helpers import files
from helpers.grading.hand_back import pages
from helpers.grading.hand_back.file_names import feedback_name
from helpers.grading.marks import Overrides, applied, ordered
from helpers.grading.records import ExerciseMark, Record, points_text
from helpers.text import count


def write(folder: Path, records: Iterable[Record], overrides: Overrides) -> None:
    """Write a page for each student, into the folder ``feedback``.

    A page that would not change is not written again, and no other file is touched.

    Args:
        folder: Where the folder of pages is, or is created.
        records: What grading found out, in any order; automatic marks, before overrides.
        overrides: What the instructor set by hand.

    Raises:
        ValueError: If one student's notebook for one lesson is there twice.
    """
    automatic = pages.automatic(records := list(records))
    template = pages.environment().get_template("feedback.html")
    target = folder / pages.FEEDBACK
    target.mkdir(parents=True, exist_ok=True)
    for student, own in pages.by_student(ordered(applied(records, overrides))).items():
        marks = [mark for record in own for mark in record.exercises]
        page = template.render(
            student=student,
            points=pages.points(marks),
            of=sum(mark.of for mark in marks),
            waiting=_waiting(marks),
            lessons=[_lesson(record, automatic) for record in own],
        )
        files.write(target / feedback_name(student), page.encode())


def _waiting(marks: Sequence[ExerciseMark]) -> list[str]:
    """Say which points are not certain yet."""
    said = []
    failed = [mark.of for mark in marks if mark.outcome == "grader failed"]
    person = sum(mark.outcome == "needs a person" for mark in marks)
    if failed:
        said.append(f"{count(sum(failed), 'point')} of these could not be graded yet.")
    if person:
        said.append(f"Your instructor will look at {count(person, 'exercise')} again.")
    return said


def _lesson(record: Record, automatic: Mapping[tuple[str, str], ExerciseMark]) -> dict:
    return {
        "name": record.lesson,
        "file": record.file,
        "notes": [pages.in_one_line(note) for note in record.notes],
        "points": pages.points(record.exercises),
        "of": sum(mark.of for mark in record.exercises),
        "marks": [
            _exercise(mark, automatic.get((record.student, mark.exercise)))
            for mark in record.exercises
        ],
    }


def _exercise(mark: ExerciseMark, before: ExerciseMark | None) -> dict:
    by_hand = mark.status == "by hand"
    return {
        "number": mark.number,
        "title": mark.title,
        "signature": mark.signature,
        "points": pages.mark_points(mark),
        "of": mark.of,
        "status": _status(mark),
        "tone": _tone(mark),
        "reason": pages.in_one_line(mark.reason),
        "by_hand": by_hand,
        "before": _exercise(before, None) if by_hand and before else None,
        "parts": [
            {"name": part.name, "points": points_text(part.points), "of": part.of}
            for part in mark.parts
            if mark.outcome != "grader failed"
        ],
    }


def _status(mark: ExerciseMark) -> str:
    words = pages.WORDS[mark.status]
    if mark.status == "wrong" and mark.points:
        words = "Partly right"
    return f"{words}. Your instructor will look." if mark.outcome == "needs a person" else words


def _tone(mark: ExerciseMark) -> str:
    """The colour of a status; the words say the same."""
    if mark.outcome != "graded":
        return "wait"
    if mark.points == mark.of:
        return "good"
    if mark.points:
        return "part"
    return "none" if mark.status in ("not attempted", "missing", "not handed in") else "bad"

"""Write the marks of a class as tables, and read the marks that an instructor sets by hand."""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from helpers import checks, files
from helpers.grading.records import ExerciseMark, PartMark, Record, points_text
from helpers.text import shortened, visible

_COLUMNS = ("student", "exercise", "part", "points", "of", "status", "reason")
_ASKED = ("student", "exercise", "points", "comment")

# A spreadsheet runs a cell that starts like this, wide signs included. Where the decimal sign
# is a comma, it also starts a new cell at each semicolon, in whatever quotes.
_FORMULA = re.compile(r"(^|;)(\s*)(?=[=+\-@＝＋－＠])")  # noqa: RUF001

_LONGEST_LIST = 200  # characters of the names in an error
_LONG = 2000  # characters of a reason in the table; the JSON lines have all of it


@dataclass(frozen=True)
class Override:
    """What an instructor gives for an exercise, instead of the automatic mark.

    Attributes:
        student: The name of the student's folder.
        exercise: The name of the function asked for.
        points: The points given.
        comment: Why, for the student.
    """

    student: str
    exercise: str
    points: float
    comment: str


Overrides = Mapping[tuple[str, str], Override]  # by student and exercise


def write(folder: Path, records: Iterable[Record], overrides: Overrides) -> None:
    """Write ``marks.csv``, one row per part, and ``marks.jsonl``, one line per notebook.

    Both hold the marks that stand, overrides applied, sorted by student and lesson. The table
    has no times in it; points are empty where the grader failed. A cell that a spreadsheet
    would run gets an apostrophe in front of it.

    Args:
        folder: Where to; created if it is not there.
        records: What grading found out, in any order.
        overrides: What the instructor set by hand.

    Raises:
        ValueError: If one student's notebook for one lesson is there twice.
    """
    standing = ordered(applied(records, overrides))
    # The mark at the front (BOM) tells Excel that this is UTF-8; without it, letters with
    # accents come out wrong. pandas and the csv module ("utf-8-sig") skip it.
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(_COLUMNS)
    for record in standing:
        for mark in record.exercises:
            failed = mark.outcome == "grader failed"
            for part in mark.parts:
                writer.writerow(
                    [
                        _cell(record.student),
                        _cell(mark.exercise),
                        _cell(part.name),
                        "" if failed else points_text(part.points),
                        part.of,
                        mark.status,
                        _cell(shortened(" ".join(mark.reason.split()), _LONG)),
                    ]
                )
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / "marks.csv", table.getvalue().encode("utf-8-sig"))
    # Half a letter (a byte of a file's name that is not text) is written as JSON's escape.
    lines = "".join(f"{record.to_json()}\n" for record in standing)
    files.write(folder / "marks.jsonl", lines.encode("utf-8", errors="backslashreplace"))


def read_overrides(path: Path, records: Iterable[Record]) -> dict[tuple[str, str], Override]:
    """Read what an instructor sets by hand.

    The file is a CSV table with the columns student, exercise, points and comment, in any
    order. Commas, semicolons or tabs between the cells, capitals and spaces in the first line,
    and a decimal comma are all read. Names of students may be copied from ``marks.csv``.

    Args:
        path: The file.
        records: What grading found out: the students and exercises there are.

    Returns:
        One override for each student and exercise in the file.

    Raises:
        ValueError: If the file cannot be read, a column is missing, a student or an exercise
            is not there, points are not a number from 0 to what the exercise gives, or the same
            student and exercise come twice.
    """
    records = list(records)
    students = {record.student for record in records}
    exercises = {mark.exercise: mark.of for record in records for mark in record.exercises}
    overrides: dict[tuple[str, str], Override] = {}
    lines: dict[tuple[str, str], int] = {}
    for line, row in _override_rows(path):
        where = f"{path.name}, line {line}"
        if row.get("part"):
            raise ValueError(f"{where}: points are for a whole exercise; leave the part out")
        student = _known(row["student"], students, f"{where}: there is no student")
        exercise = _known(row["exercise"], exercises, f"{where}: there is no exercise")
        points = _points(row["points"], exercises[exercise], f"{where}: points for {exercise}")
        key = student, exercise
        if key in overrides:
            raise ValueError(
                f"{where}: {visible(student)} and {exercise} are in line {lines[key]} already;"
                " remove one of them"
            )
        lines[key] = line
        overrides[key] = Override(student, exercise, points, row["comment"])
    return overrides


def applied(records: Iterable[Record], overrides: Overrides) -> list[Record]:
    """Put the instructor's points in place of the automatic ones.

    The exercise then has one part, "by hand", and the comment for its reason. Where a student
    has no record of the lesson at all, one is made in which nothing else was handed in.

    Args:
        records: What grading found out.
        overrides: What the instructor set by hand.

    Returns:
        The records that stand, in the same order, new ones last.
    """
    records = list(records)
    overridden = [
        replace(
            record,
            exercises=tuple(
                _by_hand(mark, overrides.get((record.student, mark.exercise)))
                for mark in record.exercises
            ),
        )
        for record in records
    ]
    there = {(record.student, record.lesson) for record in records}
    asked = {mark.exercise: one for one in ordered(records)[::-1] for mark in one.exercises}
    for override in overrides.values():
        like = asked[override.exercise]
        if (override.student, like.lesson) not in there:
            there.add((override.student, like.lesson))
            blank = [_blank(mark) for mark in like.exercises]
            marks = (
                _by_hand(mark, overrides.get((override.student, mark.exercise))) for mark in blank
            )
            overridden.append(Record(override.student, like.lesson, "", "", tuple(marks)))
    return overridden


def ordered(records: Iterable[Record]) -> list[Record]:
    """Sort records by student and lesson.

    Args:
        records: In any order.

    Returns:
        The records, sorted.

    Raises:
        ValueError: If one student's notebook for one lesson is there twice.
    """
    in_order = sorted(records, key=lambda record: (record.student, record.lesson))
    for one, other in itertools.pairwise(in_order):
        if (one.student, one.lesson) == (other.student, other.lesson):
            raise ValueError(
                f"lesson {one.lesson} of {visible(one.student)} is there twice; each notebook"
                " is marked once"
            )
    return in_order


# -- Cells -------------------------------------------------------------------------------


def _cell(text: str) -> str:
    """Write a text so that a spreadsheet shows it and does nothing else."""
    return _FORMULA.sub(r"\1'\2", visible(text))


# -- Overrides ---------------------------------------------------------------------------


def _override_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    """Yield each line's number and cells, by the lower-case name of their column."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not in UTF-8; save it as “CSV UTF-8”") from error
    first = text.lstrip().split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    head: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            raise ValueError(
                f"{path.name}, line {line}: {error}; look at the quotation marks"
            ) from error
        if not any(cells):
            continue
        if not head:
            head = [" ".join(cell.casefold().split()) for cell in cells]
            missing = [name for name in _ASKED if head.count(name) != 1]
            if missing:
                raise ValueError(
                    f"{path.name}, line {line}: there must be one column {missing[0]}; the"
                    f" columns are {', '.join(_ASKED)}"
                )
        elif any(cells[len(head) :]):
            raise ValueError(
                f"{path.name}, line {line} has {len(cells)} cells, the first line"
                f" {len(head)}; put a comment with a comma in it into quotation marks"
            )
        else:
            cells += [""] * (len(head) - len(cells))
            yield line, dict(zip(head, cells, strict=False))
    if not head:
        raise ValueError(f"{path.name} is empty; its columns are {', '.join(_ASKED)}")


def _known(written: str, names: Iterable[str], what: str) -> str:
    """Return the name that was meant, or say that it is not there."""
    names = sorted(names)
    if written in names:
        return written

    def bare(name: str) -> str:
        return unicodedata.normalize("NFC", name.strip())

    meant = [name for name in names if bare(name) == bare(written) or _cell(name) == written]
    if len(meant) == 1:
        return meant[0]
    near = checks.suggestion(visible(written), map(visible, names))
    raise ValueError(
        f"{what} {visible(written) or 'without a name'}; {shortened(near, _LONGEST_LIST)}"
    )


def _points(written: str, of: int, what: str) -> float:
    if not re.fullmatch(r"[+-]?\d+(?:[.,]\d{1,2})?", written):
        raise ValueError(
            f"{what} must be a number with at most two decimals, got"
            f" {visible(written) or 'nothing'}"
        )
    points = float(written.replace(",", "."))
    if not 0 <= points <= of:
        raise ValueError(f"{what} must lie between 0 and {of}, got {written}")
    return points


def _by_hand(mark: ExerciseMark, override: Override | None) -> ExerciseMark:
    if override is None:
        return mark
    return replace(
        mark,
        parts=(PartMark("by hand", override.points, mark.of),),
        status="by hand",
        outcome="graded",
        reason=override.comment,
        misconception=None,
    )


def _blank(mark: ExerciseMark) -> ExerciseMark:
    """The same exercise of somebody who handed nothing in."""
    return replace(
        mark,
        parts=tuple(part._replace(points=0) for part in mark.parts),
        status="not handed in",
        outcome="graded",
        reason="No notebook was handed in for this lesson.",
        misconception=None,
        cpu_seconds=0.0,
        wall_seconds=0.0,
    )

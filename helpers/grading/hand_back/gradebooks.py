"""Fill one column of the gradebook that an instructor exported from Canvas or Moodle.

Students are matched by an identifier, character for character, never by name. All other
bytes of the file stay as they are: it is read for its cells, but written by replacing
the filled ones.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from helpers import files
from helpers.grading.records import Record, points_text
from helpers.text import count, visible

_CANVAS_IDS = ("SIS Login ID", "SIS User ID", "ID")
_MOODLE_IDS = ("ID number", "Email address", "Username", "Identifier")

# Columns that say who a line is about, or that the system works out: never filled.
_NAMES = ("Student", "LastName", "FirstName", "Full name", "First name", "Last name", "Surname")
_CANVAS_OWN = {"Integration ID", "Root Account", "Section"}
_CANVAS_TOTAL = re.compile(r"(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)")
_MOODLE_OWN = {
    *("Status", "Maximum Grade", "Grade can be changed", "Last modified (submission)"),
    *("Last modified (grade)", "Online text", "Feedback comments", "Institution", "Department"),
    *("Suspended", "Last downloaded from this course"),
}
_CANVAS_HIDDEN = re.compile(r"(Muted|Manual Posting.*)?", re.IGNORECASE)

# "Download all submissions" of Moodle names a folder for the student and this number.
_MOODLE_FOLDER = re.compile(r".*_(\d+)_assignsubmission_[a-z]+_?", re.DOTALL)


def canvas(
    exported: Path,
    records: Iterable[Record],
    column: str,
    out: Path,
    *,
    match: str | None = None,
    lesson: str | None = None,
) -> list[str]:
    """Copy a gradebook exported from Canvas, with one column filled in.

    A student's cell becomes the total of the points graded here. It stays as it was where
    the grader failed on one of the student's exercises, and where Canvas says that the
    student is excused (EX) or is not given the assignment (N/A).

    Args:
        exported: The CSV file from Canvas: Grades, Export.
        records: What grading found out, overrides applied.
        column: The column to fill, as the first line writes it, such as "Lab 1 (4321)".
        out: The file to write.
        match: The column that the names of the students' folders stand in. When omitted, the one
            of SIS Login ID, SIS User ID and ID where most of them are found.
        lesson: Count the points of this lesson only.

    Returns:
        Sentences about everything that needs a look: who did not match, whose cell was left
        alone, whose mark a person must look at, whose total is above the points possible.

    Raises:
        ValueError: If the file is not such an export, a column is not there or not to be filled,
            an identifier stands there twice, or nobody matches.
    """
    book = _read(exported, out)
    if "ID" not in book.columns or "Section" not in book.columns:
        raise ValueError(
            f"{exported.name} is not a gradebook from Canvas: its first line lacks ID or Section"
        )
    headings = [row for row in book.rows if "Points Possible" in row.cells[0].value]
    possible = headings[0] if headings else _Row(0, [])
    read_only = {
        name
        for place, name in enumerate(book.columns)
        if _CANVAS_TOTAL.search(name) or "read only" in possible.value(place)
    }
    place = _fillable(book, column, {*_NAMES, *_CANVAS_IDS, *_CANVAS_OWN, *read_only})
    rows = [
        row
        for row in book.rows
        if row not in headings
        and not all(_CANVAS_HIDDEN.fullmatch(cell.value.strip()) for cell in row.cells)
    ]
    return _fill(
        _Task(
            book=book,
            rows=rows,
            column=place,
            ids=(match,) if match else _CANVAS_IDS,
            limit=lambda _row: possible.value(place),
            kept={"EX": "excused", "N/A": "not given this assignment"},
        ),
        _totals(records, lesson),
        out,
    )


def moodle(
    exported: Path,
    records: Iterable[Record],
    column: str,
    out: Path,
    *,
    match: str | None = None,
    lesson: str | None = None,
) -> list[str]:
    """Copy a gradebook exported from Moodle, with one column filled in.

    Both of Moodle's files will do: the grading worksheet of an assignment, where the column
    is called "Grade", and the export of the grades of a course. Folders named by Moodle's
    own "Download all submissions" are matched by the number in them.

    Args:
        exported: The CSV file from Moodle.
        records: What grading found out, overrides applied.
        column: The column to fill, as the first line writes it.
        out: The file to write.
        match: The column that the names of the students' folders stand in. When omitted, the one
            of ID number, Email address, Username and Identifier where most are found.
        lesson: Count the points of this lesson only.

    Returns:
        Sentences about everything that needs a look, as :func:`canvas` gives them.

    Raises:
        ValueError: If a column is not there or not to be filled, an identifier stands there
            twice, or nobody matches.
    """
    book = _read(exported, out)
    place = _fillable(book, column, {*_NAMES, *_MOODLE_IDS, *_MOODLE_OWN})
    most = book.columns.index("Maximum Grade") if "Maximum Grade" in book.columns else None
    return _fill(
        _Task(
            book=book,
            rows=[row for row in book.rows if any(cell.value.strip() for cell in row.cells)],
            column=place,
            ids=(match,) if match else _MOODLE_IDS,
            limit=lambda row: "" if most is None else row.value(most),
            kept={},
        ),
        _totals(records, lesson),
        out,
    )


# -- The file ----------------------------------------------------------------------------


class _Cell(NamedTuple):
    """What stands in a cell, and between which places of the text it is written."""

    value: str
    start: int
    end: int


class _Row(NamedTuple):
    """One line of a table; a line in quotes counts as many as it covers."""

    line: int
    cells: list[_Cell]

    def value(self, column: int) -> str:
        return self.cells[column].value.strip() if column < len(self.cells) else ""


class _Book(NamedTuple):
    """A gradebook: the first line's names, and all further lines."""

    name: str
    text: str
    encoding: str
    delimiter: str
    columns: list[str]
    rows: list[_Row]


def _read(exported: Path, out: Path) -> _Book:
    """Read an export without changing anything about it."""
    if out.exists() and out.samefile(exported):
        raise ValueError(f"{exported.name} is your export; write to another file, and keep it")
    content = exported.read_bytes()
    if b"\0" in content:
        raise ValueError(f"{exported.name} is not a CSV file; export the gradebook again, as CSV")
    try:
        text, encoding = content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:  # one byte a letter: whatever it is, it is written back as it was
        text, encoding = content.decode("latin-1"), "latin-1"
    first = re.sub(r'"[^"]*"', "", text.lstrip("\ufeff").split("\n", 1)[0])
    delimiter = max(",;\t", key=first.count)
    head, *rows = _rows(text, delimiter, exported.name)
    columns = [cell.value.strip() for cell in head.cells]
    return _Book(exported.name, text, encoding, delimiter, columns, rows)


def _rows(text: str, delimiter: str, name: str) -> list[_Row]:
    """Take a table apart as the csv module does, and keep where each cell is written."""
    field = re.compile(rf'(?P<quoted>"(?:[^"]|"")*+")?(?P<plain>[^{delimiter}\r\n]*)')
    place = 1 if text.startswith("\ufeff") else 0
    line, rows = 1, [_Row(1, [])]
    while True:
        found = field.match(text, place)
        assert found is not None  # what may be empty is found everywhere
        quoted, plain = found["quoted"] or "", found["plain"]
        if not quoted and plain.startswith('"'):
            raise ValueError(f"{name}, line {line}: a quotation mark is never closed")
        value = quoted[1:-1].replace('""', '"') + plain
        rows[-1].cells.append(_Cell(value, found.start(), found.end()))
        line += len(re.findall(r"\r\n?|\n", quoted))
        place = found.end()
        if place == len(text):
            return rows
        if text[place] != delimiter:
            line += 1
            rows.append(_Row(line, []))
        place += 2 if text.startswith("\r\n", place) else 1


def _fillable(book: _Book, column: str, own: set[str]) -> int:
    """Return the place of the column to fill, or say which there are."""
    free = [name for name in book.columns if name not in own]
    if book.columns.count(column) > 1:
        raise ValueError(f'{book.name} has more than one column "{column}"')
    if column not in free:
        why = "cannot be filled" if column in book.columns else "is not there"
        there = ", ".join(f'"{name}"' for name in free if name) or "none"
        raise ValueError(
            f'the column "{column}" {why} in {book.name}; columns that can be filled: {there}'
        )
    return book.columns.index(column)


def _number(text: str) -> float | None:
    found = re.fullmatch(r"\d+(?:[.,]\d+)?", text)
    return float(found[0].replace(",", ".")) if found else None


# -- The marks ---------------------------------------------------------------------------


@dataclass
class _Total:
    """One student's points, and whether they can be relied on."""

    points: float = 0.0
    failed: bool = False
    person: bool = False


def _totals(records: Iterable[Record], lesson: str | None) -> dict[str, _Total]:
    """Add up the points of each student, in the order of their names."""
    records = list(records)
    lessons = sorted({record.lesson for record in records})
    if lesson is not None and lesson not in lessons:
        raise ValueError(f"no notebook of lesson {lesson} was graded, only {', '.join(lessons)}")
    totals: dict[str, _Total] = defaultdict(_Total)
    for record in records:
        if lesson in (None, record.lesson):
            total = totals[record.student]
            total.points += sum(mark.points for mark in record.exercises)
            total.failed |= any(mark.outcome == "grader failed" for mark in record.exercises)
            total.person |= any(mark.outcome == "needs a person" for mark in record.exercises)
    return dict(sorted(totals.items()))


class _Task(NamedTuple):
    """Which cells are filled, and when they are not.

    Attributes:
        book: The gradebook.
        rows: Its lines that are about a student.
        column: The place of the column to fill.
        ids: The columns that the names of the students' folders may stand in.
        limit: The points possible in a line as it says so, empty where it does not.
        kept: What must not be overwritten, and what it means.
    """

    book: _Book
    rows: list[_Row]
    column: int
    ids: Sequence[str]
    limit: Callable[[_Row], str]
    kept: Mapping[str, str]


def _fill(task: _Task, totals: Mapping[str, _Total], out: Path) -> list[str]:
    """Write the gradebook with the totals, and say what needs a look."""
    matched, id_column = _matched(task, totals)
    numbers = [text for row in task.rows for text in (row.value(task.column), task.limit(row))]
    comma = any(_number(text) is not None and "," in text for text in numbers)
    said: dict[str, list[str]] = defaultdict(list)
    new: dict[_Cell, str] = {}
    for student, total in totals.items():
        name, row = visible(student), matched.get(student)
        if row is None:
            said["Graded, but without a line in the gradebook"].append(name)
            continue
        if len(row.cells) <= task.column:
            raise ValueError(f"{task.book.name}, line {row.line} is shorter than the first line")
        meaning = task.kept.get(row.value(task.column))
        if total.failed:
            said["Cell left as it was, because the grader failed on an exercise"].append(name)
            continue
        if meaning:
            said[f"Cell left as it was, because Canvas says {meaning}"].append(name)
            continue
        points, limit = points_text(total.points), _number(task.limit(row))
        new[row.cells[task.column]] = points.replace(".", ",") if comma else points
        if total.person:
            said["Cell filled, but a person must look at an exercise"].append(name)
        if limit is not None and total.points > limit:
            words = f"{name} ({points} of {points_text(limit)})"
            said["Cell filled with more points than are possible"].append(words)
    lines = {row.line for row in matched.values()}
    alone = [_who(task.book, row, id_column) for row in task.rows if row.line not in lines]
    if alone:
        said["In the gradebook, but nothing was graded; cell left as it was"] = alone
    out.parent.mkdir(parents=True, exist_ok=True)
    files.write(out, _written(task.book, new).encode(task.book.encoding))
    return [_sentence(what, who) for what, who in said.items()]


def _matched(task: _Task, totals: Mapping[str, _Total]) -> tuple[dict[str, _Row], int]:
    """Find each student's line by an identifier, and the column that it stands in."""
    name = task.book.name
    there = [column for column in task.ids if column in task.book.columns]
    say = "say which column the names of the students' folders stand in"
    if not there:
        raise ValueError(f"{name} has no column {' or '.join(task.ids)}; {say}")
    lines = {column: _lines(task, column) for column in there}
    found = {column: _found(totals, column, lines[column]) for column in there}
    best = max(there, key=lambda column: len(found[column]))
    if not found[best]:
        raise ValueError(
            f"no student graded here is in the column {' or '.join(there)} of {name}; {say}"
        )
    for column in there:
        if len(found[column]) == len(found[best]) and found[column] != found[best]:
            raise ValueError(
                f"the columns {best} and {column} of {name} match as many students, but in"
                f" other lines; {say}"
            )
    for identifier, rows in lines[best].items():
        if len(rows) > 1:
            raise ValueError(
                f"{name} has {visible(identifier)} twice in the column {best}, in lines"
                f" {rows[0].line} and {rows[1].line}; remove one of them"
            )
    taken: dict[int, str] = {}
    for student, (row,) in found[best].items():
        other = taken.setdefault(row.line, student)
        if other != student:
            raise ValueError(
                f"the folders {visible(other)} and {visible(student)} both match line"
                f" {row.line} of {name}; remove one of them"
            )
    matched = {student: row for student, (row,) in found[best].items()}
    return matched, task.book.columns.index(best)


def _lines(task: _Task, column: str) -> dict[str, list[_Row]]:
    """For each identifier in a column, the lines that have it."""
    place = task.book.columns.index(column)
    lines = defaultdict(list)
    for row in task.rows:
        identifier = row.value(place)
        if identifier:
            lines[identifier].append(row)
        # "Participant 123", with a word in the language of the site: the number alone will do.
        if column == "Identifier" and " " in identifier:
            lines[identifier.split()[-1]].append(row)
    return dict(lines)


def _found(
    students: Iterable[str], column: str, lines: Mapping[str, list[_Row]]
) -> dict[str, list[_Row]]:
    """The lines of each student whose folder has an identifier for its name."""
    found = {}
    for student in students:
        folder = _MOODLE_FOLDER.fullmatch(student) if column == "Identifier" else None
        identifier = folder[1] if folder else student
        if identifier in lines:
            found[student] = lines[identifier]
    return found


def _who(book: _Book, row: _Row, id_column: int) -> str:
    """Name a line for the person who exported it."""
    names = (row.value(book.columns.index(name)) for name in _NAMES if name in book.columns)
    name = visible(" ".join(filter(None, names)))
    identifier = visible(row.value(id_column)) or f"line {row.line}"
    return f"{name} ({identifier})" if name else identifier


def _written(book: _Book, new: Mapping[_Cell, str]) -> str:
    """Put new values into the text; a cell that was in quotes stays in quotes."""
    parts, place = [], 0
    for cell in sorted(new, key=lambda cell: cell.start):
        quote = book.text.startswith('"', cell.start) or book.delimiter in new[cell]
        parts += [book.text[place : cell.start], f'"{new[cell]}"' if quote else new[cell]]
        place = cell.end
    return "".join([*parts, book.text[place:]])


def _sentence(what: str, who: Sequence[str]) -> str:
    return f"{what} ({count(len(who), 'student')}): {'; '.join(who)}."

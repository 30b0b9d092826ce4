"""Write a page of feedback for each student, and a report on the class for the instructor.

The pages need no other file and no network, and hold no scripts. Everything that a student
wrote is text in them, never markup; their policy lets a browser run and load nothing.
"""

import base64
import hashlib
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import jinja2

from helpers import files
from helpers.grading.hand_back.gradebooks import points_text, visible
from helpers.grading.marks import Overrides, applied, ordered
from helpers.grading.records import ExerciseMark, Record
from helpers.grading.sandbox.bubblewrap import IN_WORDS

_PAGES = "feedback"  # the folder of the students' pages
_NAME_BYTES = 200
_LONG = 2000  # characters of a reason on a page
_SLIPS = 3  # misconceptions shown of an exercise
_SLOWEST = 10

# What students read for each status.
_WORDS = {
    "correct": "Correct",
    "wrong": "Not right yet",
    "not attempted": "Not attempted",
    "missing": "Not found in your notebook",
    "error": "Stopped with an error",
    "timed out": "Took too long",
    "out of memory": "Used too much memory",
    "process ended": "Ended before it gave an answer",
    "broke the protocol": "Gave no answer that could be read",
    "unreadable": "The notebook could not be read",
    "not handed in": "Not handed in",
    "grader failed": "Not graded yet: the grader failed, not you",
    "by hand": "Marked by your instructor",
}

_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)
_PUNCTUATION = frozenset(" -_.,'()@+&")


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
    automatic = _automatic(records := list(records))
    template = _environment().get_template("feedback.html")
    pages = folder / _PAGES
    pages.mkdir(parents=True, exist_ok=True)
    for student, own in _by_student(ordered(applied(records, overrides))).items():
        marks = [mark for record in own for mark in record.exercises]
        page = template.render(
            student=student,
            points=_points(marks),
            of=sum(mark.of for mark in marks),
            waiting=_waiting(marks),
            lessons=[_lesson(record, automatic) for record in own],
        )
        files.write(pages / feedback_name(student), page.encode())


def report(
    folder: Path, records: Iterable[Record], overrides: Overrides, infos: Sequence[str] = ()
) -> None:
    """Write ``report.html``: what an instructor wants to know about the class.

    First what needs a person, then each exercise with the distribution of its points, its parts
    and its misconceptions. Only the list of the slowest notebooks shows times: its lines have
    the class ``time``.

    Args:
        folder: Where to, beside the folder of :func:`write`, to whose pages it links.
        records: What grading found out, in any order; automatic marks, before overrides.
        overrides: What the instructor set by hand.
        infos: Further sentences for the instructor, such as what a gradebook did not match.

    Raises:
        ValueError: If one student's notebook for one lesson is there twice.
    """
    automatic = _automatic(records := list(records))
    standing = ordered(applied(records, overrides))
    students = _by_student(standing)
    lessons = _by_lesson(standing)
    statuses = _statuses(standing)
    page = (
        _environment()
        .get_template("report.html")
        .render(
            counts=_counts(students, lessons),
            facts=_facts(standing),
            infos=infos,
            person=_looks(standing, "needs a person"),
            failed=_looks(standing, "grader failed"),
            lessons=[_lesson_report(lesson, own) for lesson, own in lessons.items()],
            statuses=statuses,
            ways=[_ways(marks, statuses) for own in lessons.values() for marks in _asked(own)],
            overrides=_override_lines(standing, automatic),
            absent=_absent(students),
            students=[_row(student, own, lessons) for student, own in students.items()],
            slowest=_slowest(standing),
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / "report.html", page.encode())


def feedback_name(student: str) -> str:
    """Name the file of a student's page.

    Different students get different files on every system, also where capitals do not count
    and accents are stored apart. A plain name is kept: small letters ("s1234567"), or if there is
    a space in it, words with a capital ("Ada Lovelace"). Any other is kept as far as it goes,
    with a few letters from its hash.

    Args:
        student: The name of the student's folder.

    Returns:
        A name of at most 200 bytes.

    Example:
        >>> [feedback_name(student) for student in ("José García", "../x", "ada", "Ada")]
        ['José García.html', '_x~d6b96a97d1.html', 'ada.html', 'Ada~99a563ab2f.html']
    """
    if _is_plain(student):
        return f"{student}.html"
    code = hashlib.sha256(student.encode("utf-8", errors="surrogatepass")).hexdigest()[:10]
    kept = unicodedata.normalize("NFC", student)
    kept = "".join(letter if _is_safe(letter) else "_" for letter in kept).lstrip(" .-")
    if _RESERVED.fullmatch(kept):
        kept = f"_{kept}"
    end = f"~{code}.html"
    short = kept.encode()[: _NAME_BYTES - len(end)].decode(errors="ignore")
    return f"{short}{end}"


# -- Names of files ----------------------------------------------------------------------


def _is_plain(student: str) -> bool:
    """Whether a name can be kept; of the names that some system takes for the same, only one."""
    whole = unicodedata.normalize("NFC", _folded(student))
    return (
        student == (whole.title() if " " in whole else whole)
        and all(map(_is_safe, student))
        and student == student.strip(" .").lstrip("-")
        and 0 < len(student.encode()) <= _NAME_BYTES - len(".html")
        and not _RESERVED.fullmatch(student)
    )


def _folded(name: str) -> str:
    """Write a name without capitals and with its accents apart, as coarsely as any system."""
    apart = unicodedata.normalize("NFKD", name)
    return unicodedata.normalize("NFKD", apart.upper().casefold())


def _is_safe(letter: str) -> bool:
    category = unicodedata.category(letter)
    return letter in _PUNCTUATION or category[0] in "LM" or category == "Nd"


# -- Pages -------------------------------------------------------------------------------


def _environment() -> jinja2.Environment:
    """Read the templates; whatever a template writes is made visible, then escaped."""
    own = resources.files("helpers.grading.hand_back")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: own.joinpath(name).read_text(encoding="utf-8")),
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    style = own.joinpath("page.css").read_text(encoding="utf-8")
    environment.globals["style"] = style
    environment.globals["style_hash"] = base64.b64encode(
        hashlib.sha256(style.encode()).digest()
    ).decode()
    return environment


def _by_student(records: Iterable[Record]) -> dict[str, list[Record]]:
    found = defaultdict(list)
    for record in records:
        found[record.student].append(record)
    return dict(found)


def _by_lesson(records: Iterable[Record]) -> dict[str, list[Record]]:
    found = defaultdict(list)
    for record in records:
        found[record.lesson].append(record)
    return dict(sorted(found.items()))


def _automatic(records: Iterable[Record]) -> dict[tuple[str, str], ExerciseMark]:
    """The marks before overrides, by student and exercise."""
    return {
        (record.student, mark.exercise): mark for record in records for mark in record.exercises
    }


def _points(marks: Sequence[ExerciseMark]) -> str:
    """The points in several exercises, without those that the grader failed on."""
    return points_text(sum(mark.points for mark in marks if mark.outcome != "grader failed"))


def _mark_points(mark: ExerciseMark) -> str:
    return "–" if mark.outcome == "grader failed" else points_text(mark.points)  # noqa: RUF001


def _in_one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[:_LONG]}…"


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


# -- The page of a student ---------------------------------------------------------------


def _waiting(marks: Sequence[ExerciseMark]) -> list[str]:
    """Say which points are not certain yet."""
    said = []
    failed = [mark.of for mark in marks if mark.outcome == "grader failed"]
    person = sum(mark.outcome == "needs a person" for mark in marks)
    if failed:
        said.append(f"{_many(sum(failed), 'point')} of these could not be graded yet.")
    if person:
        said.append(f"Your instructor will look at {_many(person, 'exercise')} again.")
    return said


def _lesson(record: Record, automatic: Mapping[tuple[str, str], ExerciseMark]) -> dict:
    return {
        "name": record.lesson,
        "file": record.file,
        "notes": [_in_one_line(note) for note in record.notes],
        "points": _points(record.exercises),
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
        "points": _mark_points(mark),
        "of": mark.of,
        "status": _status(mark),
        "tone": _tone(mark),
        "reason": _in_one_line(mark.reason),
        "by_hand": by_hand,
        "before": _exercise(before, None) if by_hand and before else None,
        "parts": [
            part._replace(points=points_text(part.points))
            for part in mark.parts
            if mark.outcome != "grader failed"
        ],
    }


def _status(mark: ExerciseMark) -> str:
    words = _WORDS[mark.status]
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


# -- The report --------------------------------------------------------------------------


class _Given(NamedTuple):
    """A mark, and the notebook that it was given for."""

    record: Record
    mark: ExerciseMark


def _student(name: str) -> dict[str, str]:
    return {"name": name, "link": quote(f"{_PAGES}/{feedback_name(name)}")}


def _counts(students: Mapping[str, list[Record]], lessons: Mapping[str, list[Record]]) -> str:
    given = [record for own in students.values() for record in own]
    handed_in = sum(bool(record.file) for record in given)
    return (
        f"{_many(len(students), 'student')}, {_many(len(lessons), 'lesson')};"
        f" {handed_in} of {_many(len(given), 'notebook')} handed in."
    )


def _facts(records: Sequence[Record]) -> list[str]:
    """Say what the students' code ran in; where it differed, how often."""
    graded = [record for record in records if record.file]
    found = {
        "Sandbox": Counter(IN_WORDS.get(record.sandbox, record.sandbox) for record in graded),
        "Mode": Counter(record.mode for record in graded),
        "Versions": Counter(
            ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))
            for record in graded
        ),
    }
    said = []
    for name, counts in found.items():
        del counts[""]
        words = [
            what if len(counts) == 1 else f"{what} ({_many(count, 'notebook')})"
            for what, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
        said += [f"{name}: {'; '.join(words)}."] if words else []
    return said


def _looks(records: Sequence[Record], outcome: str) -> list[dict]:
    """Return what somebody must look at: one entry for exercises with one reason in common."""
    looks = []
    for record in records:
        shared: dict[tuple[str, str], list[ExerciseMark]] = {}
        for mark in record.exercises:
            if mark.outcome == outcome:
                shared.setdefault((mark.status, mark.reason), []).append(mark)
        looks += [
            {
                "student": _student(record.student),
                "exercises": [{"number": mark.number, "name": mark.exercise} for mark in given],
                "points": "–" if outcome == "grader failed" else _points(given),  # noqa: RUF001
                "of": sum(mark.of for mark in given),
                "status": "" if status == outcome else status,
                "reason": _in_one_line(reason),
            }
            for (status, reason), given in shared.items()
        ]
    return looks


def _asked(records: Sequence[Record]) -> list[list[_Given]]:
    """The marks of each exercise of a lesson, in the order of their numbers."""
    found = defaultdict(list)
    for record in records:
        for mark in record.exercises:
            found[mark.exercise].append(_Given(record, mark))
    return sorted(
        found.values(),
        key=lambda given: [int(digits) for digits in re.findall(r"\d+", given[0].mark.number)],
    )


def _lesson_report(lesson: str, records: Sequence[Record]) -> dict:
    handed_in = sum(bool(record.file) for record in records)
    return {
        "name": lesson,
        "words": f"{handed_in} of {len(records)} handed in; these count here. A bar"
        " says how many students got so many points.",
        "exercises": [_exercise_report(given) for given in _asked(records)],
    }


def _exercise_report(given: Sequence[_Given]) -> dict:
    """How the class did in one exercise; who handed nothing in does not count."""
    first = given[0].mark
    marks = [
        mark
        for _, mark in given
        if mark.outcome != "grader failed" and mark.status != "not handed in"
    ]
    counts = Counter(int(mark.points) for mark in marks)
    bars = _bars([counts[points] for points in range(first.of + 1)])
    return {
        "number": first.number,
        "name": first.exercise,
        "title": first.title,
        "of": first.of,
        "mean": points_text(statistics.fmean(mark.points for mark in marks)) if marks else "",
        "bars": bars,
        "width": bars[-1].x + bars[-1].width,
        "alt": "; ".join(
            f"{_many(points, 'point')}: {_many(counts[points], 'student')}"
            for points in sorted(counts)
        ),
        "parts": _part_means(marks),
        "slips": _slips(marks),
    }


@dataclass(frozen=True)
class _Bar:
    """A bar of a small picture, in its units of length."""

    x: int
    width: int
    height: int
    count: int
    label: str

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def _bars(counts: Sequence[int]) -> list[_Bar]:
    width = max(3, min(24, 300 // len(counts)))
    apart = width + max(1, width // 6)
    every = -(-len(counts) // 12)
    most = max(max(counts), 1)
    return [
        _Bar(
            x=place * apart,
            width=width,
            height=max(2, round(48 * count / most)),
            count=count,
            label="" if place % every else str(place),
        )
        for place, count in enumerate(counts)
    ]


def _part_means(marks: Sequence[ExerciseMark]) -> list[dict]:
    """The mean of each part; what was set by hand has no parts."""
    points = defaultdict(list)
    for mark in marks:
        if mark.status != "by hand":
            for part in mark.parts:
                points[part.name, part.of].append(part.points)
    return [
        {
            "name": name,
            "of": of,
            "mean": points_text(statistics.fmean(earned)),
            "percent": points_text(100 * statistics.fmean(earned) / of),
        }
        for (name, of), earned in points.items()
    ]


def _slips(marks: Sequence[ExerciseMark]) -> list[dict]:
    """The most frequent misconceptions, each with its hint."""
    counts = Counter(mark.misconception for mark in marks if mark.misconception)
    hints = {mark.misconception: _in_one_line(mark.hint) for mark in marks}
    often = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"name": name, "count": count, "hint": hints[name]} for name, count in often[:_SLIPS]]


def _statuses(records: Iterable[Record]) -> list[str]:
    """The statuses that occur, in the order in which they are explained."""
    found = {mark.status for record in records for mark in record.exercises}
    return [status for status in _WORDS if status in found]


def _ways(given: Sequence[_Given], statuses: Sequence[str]) -> dict:
    counts = Counter(mark.status for _, mark in given)
    return {
        "number": given[0].mark.number,
        "name": given[0].mark.exercise,
        "counts": [counts[status] for status in statuses],
    }


def _override_lines(
    records: Sequence[Record], automatic: Mapping[tuple[str, str], ExerciseMark]
) -> list[dict]:
    lines = []
    for record in records:
        for mark in record.exercises:
            if mark.status == "by hand":
                before = automatic.get((record.student, mark.exercise))
                words = f"{_mark_points(before)} of {before.of}, {before.status}" if before else ""
                lines.append(
                    {
                        "student": _student(record.student),
                        "number": mark.number,
                        "exercise": mark.exercise,
                        "before": words or "no notebook",
                        "points": points_text(mark.points),
                        "of": mark.of,
                        "comment": _in_one_line(mark.reason),
                    }
                )
    return lines


def _absent(students: Mapping[str, list[Record]]) -> list[dict]:
    """Who handed in nothing, or not for every lesson."""
    lines = []
    for student, own in students.items():
        absent = [record.lesson for record in own if not record.file]
        if absent:
            words = "no notebook at all" if len(absent) == len(own) else ", ".join(absent)
            lines.append({"student": _student(student), "words": words})
    return lines


def _row(student: str, own: Sequence[Record], lessons: Iterable[str]) -> dict:
    marks = {record.lesson: record.exercises for record in own}
    return {
        "student": _student(student),
        "points": [_points(marks[lesson]) if lesson in marks else "–" for lesson in lessons],  # noqa: RUF001
        "total": _points([mark for record in own for mark in record.exercises]),
    }


def _slowest(records: Sequence[Record]) -> list[dict]:
    seconds = {
        (record.student, record.lesson): sum(mark.cpu_seconds for mark in record.exercises)
        for record in records
    }
    longest = sorted(
        (item for item in seconds.items() if item[1] > 0), key=lambda item: (-item[1], item[0])
    )
    return [
        {"student": _student(student), "lesson": lesson, "seconds": f"{spent:.1f}"}
        for (student, lesson), spent in longest[:_SLOWEST]
    ]

"""Write a report on the class for the instructor: who needs a look, and what was difficult."""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from helpers import files, text
from helpers.grading.hand_back import pages
from helpers.grading.hand_back.file_names import feedback_name
from helpers.grading.marks import Overrides, applied, ordered
from helpers.grading.records import ExerciseMark, Outcome, Record, Status, points_text
from helpers.grading.sandbox.tiers import IN_WORDS

_MISCONCEPTIONS = 3  # shown of an exercise
_SLOWEST = 10
_SANDBOXES: dict[str, str] = dict(IN_WORDS.items())


def write(
    folder: Path, records: Iterable[Record], overrides: Overrides, infos: Sequence[str] = ()
) -> None:
    """Write ``report.html``: what an instructor wants to know about the class.

    First what needs a person, then each exercise with the distribution of its points, its parts
    and its misconceptions. Only the list of the slowest notebooks shows times: its lines have
    the class ``time``.

    Args:
        folder: Where to, beside the folder of pages that it links to.
        records: What grading found out, in any order; automatic marks, before overrides.
        overrides: What the instructor set by hand.
        infos: Further sentences for the instructor, such as what a gradebook did not match.

    Raises:
        ValueError: If one student's notebook for one lesson is there twice.
    """
    automatic = pages.automatic(records := list(records))
    standing = ordered(applied(records, overrides))
    students = pages.by_student(standing)
    lessons = _by_lesson(standing)
    statuses = _statuses(standing)
    page = (
        pages.environment()
        .get_template("report.html")
        .render(
            counts=_counts(students, lessons),
            facts=_facts(standing),
            infos=infos,
            person=_for_a_person(standing, "needs a person"),
            failed=_for_a_person(standing, "grader failed"),
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


def _by_lesson(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each lesson, in the order of the lessons."""
    found = defaultdict(list)
    for record in records:
        found[record.lesson].append(record)
    return dict(sorted(found.items()))


class _Given(NamedTuple):
    """A mark, and the notebook that it was given for."""

    record: Record
    mark: ExerciseMark


def _student(name: str) -> dict[str, str]:
    return {"name": name, "link": quote(f"{pages.FEEDBACK}/{feedback_name(name)}")}


def _counts(students: Mapping[str, list[Record]], lessons: Mapping[str, list[Record]]) -> str:
    given = [record for own in students.values() for record in own]
    handed_in = sum(bool(record.file) for record in given)
    return (
        f"{text.count(len(students), 'student')}, {text.count(len(lessons), 'lesson')};"
        f" {handed_in} of {text.count(len(given), 'notebook')} handed in."
    )


def _facts(records: Sequence[Record]) -> list[str]:
    """Say what the students' code ran in; where it differed, how often."""
    graded = [record for record in records if record.file]
    found = {
        "Sandbox": Counter(_SANDBOXES.get(record.sandbox, record.sandbox) for record in graded),
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
            what if len(counts) == 1 else f"{what} ({text.count(count, 'notebook')})"
            for what, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
        said += [f"{name}: {'; '.join(words)}."] if words else []
    return said


def _for_a_person(records: Sequence[Record], outcome: Outcome) -> list[dict]:
    """Return what somebody must look at: one entry for exercises with one reason in common."""
    found = []
    for record in records:
        shared: dict[tuple[str, str], list[ExerciseMark]] = {}
        for mark in record.exercises:
            if mark.outcome == outcome:
                shared.setdefault((mark.status, mark.reason), []).append(mark)
        found += [
            {
                "student": _student(record.student),
                "exercises": [{"number": mark.number, "name": mark.exercise} for mark in given],
                "points": "–" if outcome == "grader failed" else pages.points(given),  # noqa: RUF001
                "of": sum(mark.of for mark in given),
                "status": "" if status == outcome else status,
                "reason": pages.in_one_line(reason),
            }
            for (status, reason), given in shared.items()
        ]
    return found


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
            f"{text.count(points, 'point')}: {text.count(counts[points], 'student')}"
            for points in sorted(counts)
        ),
        "parts": _part_means(marks),
        "misconceptions": _misconceptions(marks),
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


def _misconceptions(marks: Sequence[ExerciseMark]) -> list[dict]:
    """The most frequent misconceptions, each with its hint."""
    counts = Counter(mark.misconception for mark in marks if mark.misconception)
    hints = {mark.misconception: pages.in_one_line(mark.hint) for mark in marks}
    often = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [
        {"name": name, "count": count, "hint": hints[name]}
        for name, count in often[:_MISCONCEPTIONS]
    ]


def _statuses(records: Iterable[Record]) -> list[Status]:
    """The statuses that occur, in the order in which they are explained."""
    found = {mark.status for record in records for mark in record.exercises}
    return [status for status in pages.WORDS if status in found]


def _ways(given: Sequence[_Given], statuses: Sequence[Status]) -> dict:
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
                words = (
                    f"{pages.mark_points(before)} of {before.of}, {before.status}" if before else ""
                )
                lines.append(
                    {
                        "student": _student(record.student),
                        "number": mark.number,
                        "exercise": mark.exercise,
                        "before": words or "no notebook",
                        "points": points_text(mark.points),
                        "of": mark.of,
                        "comment": pages.in_one_line(mark.reason),
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
        "points": [pages.points(marks[lesson]) if lesson in marks else "–" for lesson in lessons],  # noqa: RUF001
        "total": pages.points([mark for record in own for mark in record.exercises]),
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

"""What the pages for students and for instructors share: templates and words.

The pages need no other file and no network, and hold no scripts. Everything that a student
wrote is text in them, never markup; their policy lets a browser run and load nothing.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib import resources

import jinja2

from helpers.grading.records import ExerciseMark, Record, Status, points_text
from helpers.text import shortened, visible

FEEDBACK = "feedback"  # the folder of the students' pages
_LONG = 2000  # characters of a reason on a page

# What students read for each status.
WORDS: dict[Status, str] = {
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


def environment() -> jinja2.Environment:
    """Read the templates; whatever a template writes is made visible, then escaped."""
    own = resources.files("helpers.grading.hand_back")
    made = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: own.joinpath(name).read_text(encoding="utf-8")),
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    style = own.joinpath("page.css").read_text(encoding="utf-8")
    made.globals["style"] = style
    made.globals["style_hash"] = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return made


def by_student(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each student, in the order in which they come."""
    found = defaultdict(list)
    for record in records:
        found[record.student].append(record)
    return dict(found)


def automatic(records: Iterable[Record]) -> dict[tuple[str, str], ExerciseMark]:
    """The marks before overrides, by student and exercise."""
    return {
        (record.student, mark.exercise): mark for record in records for mark in record.exercises
    }


def points(marks: Sequence[ExerciseMark]) -> str:
    """The points in several exercises, without those that the grader failed on."""
    return points_text(sum(mark.points for mark in marks if mark.outcome != "grader failed"))


def mark_points(mark: ExerciseMark) -> str:
    """The points of one exercise; a dash where the grader failed."""
    return "–" if mark.outcome == "grader failed" else points_text(mark.points)  # noqa: RUF001


def in_one_line(said: str) -> str:
    """Write a reason for a page: in one line, and not too long."""
    return shortened(" ".join(said.split()), _LONG)

"""What grading found out: one record per submission, one entry per exercise."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from helpers.exercises.marking import PartMark
from helpers.text import number

Status = Literal[
    "correct",
    "wrong",
    "not attempted",
    "missing",
    "error",
    "timed out",
    "out of memory",
    "process ended",
    "broke the protocol",
    "unreadable",
    "not handed in",
    "grader failed",
    "by hand",
]
Outcome = Literal["graded", "needs a person", "grader failed"]


@dataclass(frozen=True)
class ExerciseMark:
    """What one student earned in one exercise, and why.

    Attributes:
        exercise: The name of the function asked for.
        number: Lesson and exercise, such as "1.2".
        title: The task in a few words.
        signature: The call as the learner writes it.
        parts: Points of each part; of an override one part, "by hand".
        status: In what way it ended. Partly right is "wrong" with points.
        outcome: Whether the points stand; where they do not, a person must look.
        reason: One or two sentences for the student, without hidden numbers; text of
            the student's may be in it.
        misconception: The name of the misconception recognised, if any.
        hint: Its hint, with which the reason ends.
        cpu_seconds: Processor time that the student's code used.
        wall_seconds: Time on the clock that it took.
    """

    exercise: str
    number: str
    title: str
    signature: str
    parts: tuple[PartMark, ...]
    status: Status
    outcome: Outcome
    reason: str
    misconception: str | None = None
    hint: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    @property
    def points(self) -> float:
        """Points earned in all parts together."""
        return sum(part.points for part in self.parts)

    @property
    def of(self) -> int:
        """Points to be had in all parts together."""
        return sum(part.of for part in self.parts)


@dataclass(frozen=True)
class Record:
    """One student's notebook for one lesson, graded.

    Attributes:
        student: The name of the student's folder, exactly.
        lesson: Such as "01_theory".
        file: The notebook below the folder of submissions; empty when none was handed in.
        sha256: Of the notebook's bytes; empty when none was handed in or it cannot be read.
        exercises: One mark per exercise, in the order of the lesson.
        notes: Sentences for the student and the instructor about the notebook as a whole.
        sandbox: Which sandbox the student's code ran in.
        mode: "fast" or "fresh".
        versions: Of Python, torch and the course.
        time: When it was graded, ISO 8601, UTC.
    """

    student: str
    lesson: str
    file: str
    sha256: str
    exercises: tuple[ExerciseMark, ...]
    notes: tuple[str, ...] = ()
    sandbox: str = ""
    mode: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    time: str = ""

    def to_json(self) -> str:
        """Write the record in one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Record":
        """Read a record back.

        Raises:
            ValueError: If the line is not a whole record.
        """
        try:
            read = json.loads(line)
            exercises = tuple(
                ExerciseMark(**{**mark, "parts": tuple(PartMark(*part) for part in mark["parts"])})
                for mark in read.pop("exercises")
            )
            return cls(**{**read, "exercises": exercises, "notes": tuple(read["notes"])})
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError("this line is not a whole record of a graded notebook") from error


def points_text(points: float) -> str:
    """Write points as people do: 2, not 2.0, and at most two decimals.

    Args:
        points: Points earned.

    Example:
        >>> [points_text(points) for points in (2.0, 2.5, 0.1 + 0.2)]
        ['2', '2.5', '0.3']
    """
    return number(round(points, 2))

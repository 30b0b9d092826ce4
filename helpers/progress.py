"""What a learner has done: predictions made, exercises solved, lessons done.

Kept for this process and, where the environment variable ``COURSE_PROGRESS`` names a file
(``course lab`` sets it), in that file too, one line for each new thing.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from helpers import text

FILE = "COURSE_PROGRESS"  # the environment variable

_done: "list[Step]" = []  # in this process
_lesson = ""  # which one this process runs


@dataclass(frozen=True)
class Step:
    """One thing that was asked of the learner, and what came of it.

    Attributes:
        lesson: Its number, such as "01".
        kind: What was asked for.
        name: The question, or the number of the exercise.
        points: Points earned; of a prediction 1 once there is one, of an open exercise 1 once
            all its conditions have held.
        of: Points to be had.
    """

    lesson: str
    kind: Literal["prediction", "exercise", "open exercise"]
    name: str
    points: float
    of: int


@dataclass(frozen=True)
class Summary:
    """How far a learner has come in one lesson.

    Attributes:
        lesson: Its number, such as "01".
        predictions: Made, and asked for.
        exercises: Solved, and asked for.
        points: Earned, and to be had.
        open_exercises: Done, and asked for; they have no points.
    """

    lesson: str
    predictions: tuple[int, int]
    exercises: tuple[int, int]
    points: tuple[float, int]
    open_exercises: tuple[int, int] = (0, 0)

    @property
    def done(self) -> bool:
        """Whether each prediction has been made and each exercise solved, open ones too."""
        done, asked = (
            self.predictions[place] + self.exercises[place] + self.open_exercises[place]
            for place in (0, 1)
        )
        return 0 < asked == done

    def __str__(self) -> str:
        """Return one line."""
        (made, asked), (solved, exercises) = self.predictions, self.exercises
        earned, possible = self.points
        parts = [f"{made} of {text.count(asked, 'prediction')} made"]
        if exercises:
            points = f"{text.number(earned)} of {text.count(possible, 'point')}"
            parts.append(f"{solved} of {text.count(exercises, 'exercise')} solved ({points})")
        if self.open_exercises[1]:
            all_done = self.open_exercises[0] == self.open_exercises[1]
            parts.append(f"open exercise: {'done' if all_done else 'not yet'}")
        return f"Lesson {self.lesson}: {', '.join(parts)}{'. Done!' if self.done else '.'}"


def begin(lesson: str) -> None:
    """Say which lesson this process runs.

    Args:
        lesson: Its number, such as "01".
    """
    global _lesson
    if _lesson != lesson:
        _done.clear()
    _lesson = lesson


def predicted(question: str, made: bool) -> None:
    """Note that a prediction was asked for in this lesson, and whether there is one."""
    _note(Step(_lesson, "prediction", question, int(made), 1))


def checked(number: str, points: float, of: int) -> None:
    """Note the points of an exercise; nothing done counts 0.

    Args:
        number: Of the exercise, such as "1.2".
        points: Points earned.
        of: Points to be had.
    """
    _note(Step(_lesson_of(number), "exercise", number, points, of))


def open_exercise(number: str, done: bool) -> None:
    """Note that an open exercise was checked, and whether all its conditions held.

    Args:
        number: Of the exercise, such as "1.5".
        done: Whether they did.
    """
    _note(Step(_lesson_of(number), "open exercise", number, int(done), 1))


def _lesson_of(number: str) -> str:
    """Return the lesson of an exercise: "01" of "1.2"."""
    return f"{int(number.split('.')[0]):02}"


def summary() -> Summary:
    """Sum up the lesson that this process runs: what it asked, and the best that was done.

    Returns:
        The counts. What was asked is what has been run since the kernel started; what was
        made or solved counts from earlier days, too, if there is a file.
    """
    asked = [step for step in _done if step.lesson == _lesson]
    return summed(_lesson, asked, [*_done, *kept()])


def summed(lesson: str, asked: Iterable[Step], done: Iterable[Step]) -> Summary:
    """Sum up a lesson.

    Args:
        lesson: Its number, such as "01".
        asked: What it asks for; each name and kind counts once.
        done: What was done, in any lesson; the best counts.

    Returns:
        The counts.
    """
    of = {(step.kind, step.name): step.of for step in asked}
    best = dict.fromkeys(of, 0.0)
    for step in done:
        key = (step.kind, step.name)
        if step.lesson == lesson and key in best:
            best[key] = min(max(best[key], step.points), of[key])

    def counted(kind: str) -> tuple[int, int]:
        keys = [key for key in of if key[0] == kind]
        return sum(best[key] >= of[key] for key in keys), len(keys)

    exercises = [key for key in of if key[0] == "exercise"]
    points = sum(best[key] for key in exercises), sum(of[key] for key in exercises)
    return Summary(
        lesson, counted("prediction"), counted("exercise"), points, counted("open exercise")
    )


def kept(file: Path | None = None) -> list[Step]:
    """Read what was done earlier.

    Args:
        file: Where it is kept; the file that the environment names when omitted.

    Returns:
        The steps; none if there is no file. A damaged line is passed over.
    """
    file = file or _file()
    return list(_read(file)) if file else []


def _read(file: Path) -> Iterator[Step]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            step = Step(**json.loads(line))
            yield Step(
                str(step.lesson), step.kind, str(step.name), float(step.points), int(step.of)
            )
        except (TypeError, ValueError):
            continue


def _file() -> Path | None:
    named = os.environ.get(FILE)
    return Path(named) if named else None


def _note(step: Step) -> None:
    """Keep a step; one that says nothing new is not written again."""
    file = _file()
    new = step.points > 0 and step not in _done
    _done.append(step)
    if file is None or not new:
        return
    line = (json.dumps(asdict(step)) + "\n").encode()
    # No lesson stops because its progress cannot be kept. One write: kernels side by side do not
    # mix their lines.
    with suppress(OSError), file.open("ab") as end:
        end.write(line)
        end.flush()
        os.fsync(end.fileno())

"""Exercises as a released course holds them: no reference, no code that answers.

A file of stored exercises holds, for each, the rubric and the questions of one seed
with the right answers and those of the misconceptions. A check works from it as from
the exercise itself, and says the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from helpers import files, plain
from helpers.exercises.specification import Exercise, Question, Rubric
from helpers.exercises.values import ModelProbe


@dataclass(frozen=True)
class Stored:
    """An exercise with the questions of one seed, which judges as the exercise does.

    Attributes:
        rubric: What marking needs to know.
        seed: Drew the questions.
        frame: The questions of all parts, in order, with their answers, as bytes.
    """

    rubric: Rubric
    seed: int
    frame: bytes

    @cached_property
    def asked(self) -> tuple[Question, ...]:
        """The questions; who checks one exercise need not wait for those of all."""
        # Any: what is not as it was written raises.
        written: Any = plain.decoded(self.frame)
        return tuple(_question(one) for one in written)

    @property
    def name(self) -> str:
        """The name of the function asked for."""
        return self.rubric.name

    def questions(self, rng: np.random.Generator) -> tuple[Question, ...]:
        """Return the stored questions.

        Args:
            rng: A fresh generator of the seed that drew them.

        Raises:
            ValueError: If it is any other: there is nothing here to draw questions with.
        """
        if rng.bit_generator.state != np.random.default_rng(self.seed).bit_generator.state:
            raise ValueError(
                f"this copy of the course asks {self.name} the questions of seed {self.seed} only; "
                f"pass seed={self.seed}, or use the instructor's copy to draw others"
            )
        return self.asked


def write(exercises: Iterable[Exercise], path: Path, seed: int = 0) -> None:
    """Store what the check of each exercise needs, and nothing that runs.

    Args:
        exercises: In the order in which they are to be listed.
        path: The file; it is put in place in one step.
        seed: Draws the questions. A learner's check asks those of seed 0.

    Raises:
        ValueError: If an exercise's questions are too large to be stored.
        OSError: If the folder cannot be written.
    """
    # Each on its own in a frame of bytes: the limits of a plain value are those of one message.
    frames = {}
    for exercise in exercises:
        try:
            frame = plain.encoded(_written(exercise, seed))
        except ValueError as error:
            raise ValueError(f"exercise {exercise.name} cannot be stored: {error}") from error
        frames[exercise.name] = np.frombuffer(frame, dtype=np.uint8)
    files.write(path, plain.encoded(frames))


def read(path: Path) -> dict[str, Stored]:
    """Read stored exercises back.

    Args:
        path: From :func:`write`.

    Returns:
        The exercises by name, in the order in which they were stored.

    Raises:
        ValueError: If the file does not hold stored exercises, whole.
        OSError: If there is no such file.
    """
    try:
        # Any: what is not as it was written raises one of the errors below.
        frames: Any = plain.decoded(path.read_bytes())
        return {name: _read(plain.decoded(frame.tobytes())) for name, frame in frames.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} does not hold stored exercises, or not all of them: get the course anew"
        ) from error


def _written(exercise: Exercise, seed: int) -> dict[str, object]:
    questions = plain.encoded(
        [
            {
                **question._asdict(),
                "wrong_answers": dict(question.wrong_answers),
                "both_wrong": dict(question.both_wrong),
                "other_questions": dict(question.other_questions),
                "model_probe": question.model_probe and vars(question.model_probe),
            }
            for question in exercise.questions(np.random.default_rng(seed))
        ]
    )
    return {
        "seed": seed,
        "rubric": vars(exercise.rubric),
        "questions": np.frombuffer(questions, dtype=np.uint8),
    }


def _read(written: Any) -> Stored:
    frame = written["questions"].tobytes()
    return Stored(Rubric(**written["rubric"]), written["seed"], frame)


def _question(written: Any) -> Question:
    probe = written["model_probe"] and ModelProbe(**written["model_probe"])
    return Question(**{**written, "model_probe": probe})

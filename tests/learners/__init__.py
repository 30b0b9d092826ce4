"""Answers as learners write them: one mistake, none in an unusual style, or two at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["wrong", "right", "two"]


@dataclass(frozen=True)
class Learner:
    """One answer, and what its author got wrong (or, if right, what is unusual)."""

    exercise: str
    kind: Kind
    mistake: str
    answer: Callable


def recorder(answers: list[Learner]) -> Callable:
    """Decorator that keeps a function as an answer to the exercise that it is named after.

    What has no name of its own, such as a lambda or an object, is given one.
    """

    def record(kind: Kind, mistake: str, exercise: str = "") -> Callable:
        def keep(answer: Callable) -> Callable:
            if exercise:
                answer.__name__ = answer.__qualname__ = exercise
            answers.append(Learner(answer.__name__, kind, mistake, answer))
            return answer

        return keep

    return record

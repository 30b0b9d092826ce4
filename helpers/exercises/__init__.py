"""The exercises of all lessons, and the check that a learner runs.

One lesson, one module; each exercise is an ``Exercise`` of
:mod:`helpers.exercises.specification`. A released course has a file of stored
exercises instead of the lessons' modules, which hold the right answers.
"""

import difflib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from helpers.exercises import specification, stored
from helpers.exercises.specification import Exercise, Verdict
from helpers.exercises.stored import Stored

_STORED = Path(__file__).with_name("stored.bin")
_LESSONS = range(8)


def _of_the_lessons() -> dict[str, Exercise]:
    """Return the exercises with their references and misconceptions."""
    lessons = [import_module(f"{__name__}.lesson_{number:02}") for number in _LESSONS]
    return {exercise.name: exercise for lesson in lessons for exercise in lesson.EXERCISES}


ALL: dict[str, Exercise] | dict[str, Stored] = (
    stored.read(_STORED) if _STORED.exists() else _of_the_lessons()
)


def check(function: Callable[..., object]) -> None:
    """Print how an answer to an exercise fares.

    Args:
        function: The answer, under the name that the exercise gave it.

    Raises:
        TypeError: If it is not a function.
        ValueError: If no exercise has its name.

    Example:
        >>> def sigmoid_chain_grad(x, depth):
        ...     raise NotImplementedError
        >>> check(sigmoid_chain_grad)
        Exercise 1.2 · sigmoid_chain_grad: not attempted yet.
    """
    print(judge(function))  # noqa: T201


def judge(function: Callable[..., object], seed: int = 0) -> Verdict:
    """Judge an answer to an exercise, found by the function's name.

    Args:
        function: The answer, under the name that the exercise gave it.
        seed: Draws the inputs; another seed draws others.

    Returns:
        The verdict.

    Raises:
        TypeError: If it is not a function.
        ValueError: If no exercise has its name, or it was stored with the
            questions of another seed.
    """
    name = getattr(function, "__name__", None)
    if not callable(function) or not isinstance(name, str):
        raise TypeError(
            "check takes the function itself, such as check(sigmoid_chain_grad), "
            f"got a value of type {type(function).__name__}"
        )
    if name not in ALL:
        near = difflib.get_close_matches(name, ALL, n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(ALL)}"
        raise ValueError(f"no exercise asks for a function named {name}; {advice}")
    return specification.judge(ALL[name], function, seed)

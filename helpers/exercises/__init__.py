"""The exercises of all lessons, and the check that a learner runs.

One lesson, one module; each exercise is an ``Exercise`` of
:mod:`helpers.exercises.specification`. A released course has a file of stored
exercises instead of the lessons' modules, which hold the right answers.

The modules, each importing only those before it:

* ``values``: plain values, copied out of answers and models;
* ``wording``: how values, their kinds and calls are written, hidden or not;
* ``compare``: how an answer differs from the expected one;
* ``specification``: what is asked, and what marking needs to know;
* ``marking``: a learner's function called, its answers marked;
* ``stored``: exercises without their references, written and read;
* ``lesson_NN``: the exercises, which need ``specification`` and ``values`` only.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from helpers import checks
from helpers.exercises import marking, stored
from helpers.exercises.marking import Verdict
from helpers.exercises.specification import Exercise
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
        raise ValueError(
            f"no exercise asks for a function named {name}; {checks.suggestion(name, ALL)}"
        )
    return marking.judge(ALL[name], function, seed)

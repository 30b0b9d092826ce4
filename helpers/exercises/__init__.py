"""The exercises of all lessons, and the check that a learner runs.

One lesson, one module; each exercise is an ``Exercise`` of
:mod:`helpers.exercises.specification`. A released course has a file of stored
exercises instead of the lessons' modules, which hold the right answers. Open exercises,
each an ``OpenExercise`` of :mod:`helpers.exercises.open_exercises`, have conditions and no
marks; a released course has their modules as they are.

The modules, each importing only those before it:

* ``values``: plain values, copied out of answers and models;
* ``wording``: how values, their kinds and calls are written, hidden or not;
* ``compare``: how an answer differs from the expected one;
* ``other_questions``: questions one slip away from the one asked;
* ``specification``: what is asked, and what marking needs to know;
* ``calling``: a learner's function called, what it returns as plain data;
* ``relations``: what may make a right answer wrong in any exercise;
* ``explaining``: the mistakes behind wrong answers;
* ``marking``: answers marked;
* ``stored``: exercises without their references, written and read;
* ``open_exercises``: what must hold of answers that are each another one;
* ``lesson_NN``: the exercises, which need ``specification`` and ``values`` only;
* ``open_NN``: a lesson's open exercise, which needs ``open_exercises``, and for its
  conditions whatever a lesson imports.
"""

import difflib
import html
import inspect
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from helpers import progress
from helpers.exercises import marking, open_exercises, stored
from helpers.exercises.marking import Verdict
from helpers.exercises.open_exercises import OpenExercise, OpenVerdict
from helpers.exercises.specification import Exercise, Rubric
from helpers.exercises.stored import Stored

_STORED = Path(__file__).with_name("stored.bin")
_SOURCES = Path(__file__).parents[2] / "notebooks" / "source"  # not in a released course
_LESSONS = (*range(11), 13)


def _of_the_lessons() -> dict[str, Exercise]:
    """Return the exercises with their references and misconceptions."""
    lessons = [import_module(f"{__name__}.lesson_{number:02}") for number in _LESSONS]
    return {exercise.name: exercise for lesson in lessons for exercise in lesson.EXERCISES}


ALL: dict[str, Exercise] | dict[str, Stored] = (
    stored.read(_STORED) if _STORED.exists() else _of_the_lessons()
)


def _open_ones() -> dict[str, OpenExercise]:
    """Return the open exercises, which no mark depends on: a released course has them too."""
    modules = sorted(path.stem for path in Path(__file__).parent.glob("open_[0-9][0-9].py"))
    found = [import_module(f"{__name__}.{module}").OPEN_EXERCISE for module in modules]
    return {exercise.name: exercise for exercise in found}


OPEN: dict[str, OpenExercise] = _open_ones()


_ASKED = re.compile(r"\w+\((.*)\)")
_START = re.compile(r" *(?:[✓✗·] )?")  # of a line; what does not fit stands under what follows
_WIDTH = 92
_SECOND, _THIRD = 2, 3
_TRIES: Counter[str] = Counter()


def check(function: Callable[..., object]) -> None:
    """Print how an answer to an exercise fares, and help a little more each time.

    The second wrong answer to an exercise is also told how to go about the task. After
    the third, in a notebook of a course that has them, a worked solution is laid
    beneath, folded. Of an open exercise it prints which conditions hold.

    Args:
        function: The answer, under the name that the exercise gave it.

    Example:
        >>> def sigmoid_chain_grad(x, depth):
        ...     raise NotImplementedError
        >>> check(sigmoid_chain_grad)
        Exercise 1.2 · sigmoid_chain_grad: not attempted yet.
    """
    try:
        exercise = _asked_for(function)
        verdict = (
            open_exercises.judge(exercise, function)
            if isinstance(exercise, OpenExercise)
            else marking.judge(exercise, function)
        )
    except (TypeError, ValueError) as error:
        said = str(error)
        _print(f"{said[0].upper()}{said[1:]}{'' if said.endswith('?') else '.'}")
        return
    if isinstance(verdict, OpenVerdict):
        progress.open_exercise(verdict.number, verdict.status == "done")
    else:
        progress.checked(ALL[verdict.exercise].rubric.number, verdict.points, verdict.of)
    _print(verdict.message)
    for note in verdict.notes:
        _print(note)
    _help(verdict)


def _help(verdict: Verdict | OpenVerdict) -> None:
    """Count a try that went wrong, and help more at the second and at the third."""
    name = verdict.exercise
    if verdict.status in ("wrong", "error", "not yet"):
        _TRIES[name] += 1
        if _TRIES[name] >= _SECOND and (approach := _approach(name)):
            _print(f"How to go on: {approach}")
        if _TRIES[name] >= _THIRD:
            _offer(name)
    elif verdict.status in ("correct", "done"):
        del _TRIES[name]


def _approach(name: str) -> str:
    """Return how to go about a task; the conditions of an open one have hints of their own."""
    return "" if name in OPEN else ALL[name].rubric.approach


def _print(words: str) -> None:
    """Print lines that are not too long, broken between words and never within a number."""
    for line in words.splitlines():
        start = _START.match(line)
        print(  # noqa: T201
            textwrap.fill(
                line,
                _WIDTH,
                subsequent_indent=" " * (start.end() if start else 0),
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def _offer(name: str) -> None:
    """Lay a worked solution beneath a check, folded, where a notebook can fold it."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None or not (solution := worked(name)):
        return
    what = "model answer, one of many" if name in OPEN else "worked solution"
    page = f"<details><summary>A {what}</summary><pre>{html.escape(solution)}</pre></details>"
    said = f"print(exercises.worked({name!r})) shows a {what}."
    display = import_module("IPython.display").display
    display({"text/html": page, "text/plain": said}, raw=True)


def worked(name: str) -> str | None:
    """Return the worked solution of an exercise, None in a course that holds none.

    Args:
        name: The name of the exercise. The model answer of an open one is in every course.
    """
    if name in OPEN:
        return open_exercises.model_answer(OPEN[name])
    number = ALL[name].rubric.number.split(".")[0]
    for source in _SOURCES.glob(f"{int(number):02}_*.py"):
        text = source.read_text(encoding="utf-8")
        found = re.search(rf"^def {name}\(.*?(?=\n# %%|\Z)", text, flags=re.MULTILINE | re.DOTALL)
        if found:  # between the marks of helpers.lessons.rules, which this may not import
            return re.sub(
                r"^ *### (BEGIN|END) SOLUTION\n?", "", found[0], flags=re.MULTILINE
            ).strip()
    return None


def judge(function: Callable[..., object], seed: int = 0) -> Verdict:
    """Judge an answer to an exercise, found by the function's name.

    Args:
        function: The answer, under the name that the exercise gave it.
        seed: Draws the inputs; another seed draws others.

    Returns:
        The verdict.

    Raises:
        TypeError: If it is not a function with a name.
        ValueError: If no exercise has its name, it is an open one, or it was stored
            with the questions of another seed.
    """
    exercise = _asked_for(function)
    if isinstance(exercise, OpenExercise):
        raise ValueError(
            f"{exercise.name} is an open exercise and has no marks; check({exercise.name}) says "
            "which conditions hold"
        )
    return marking.judge(exercise, function, seed)


def _asked_for(function: Callable[..., object]) -> Exercise | Stored | OpenExercise:
    """Return the exercise that has the name of a function."""
    name = getattr(function, "__name__", None)
    if isinstance(name, str) and callable(function) and (name in ALL or name in OPEN):
        return OPEN[name] if name in OPEN else ALL[name]
    likely = _likely(function)
    shown = f"check({likely.name})"
    if not callable(function):
        raise TypeError(
            f"check takes the function itself, such as {shown}, "
            f"got a value of type {type(function).__name__}"
        )
    if not isinstance(name, str) or name == "<lambda>":
        raise TypeError(
            "check finds the exercise by the function's name, and this one has none: write it as "
            f"`def {likely.signature}:`, then {shown}"
        )
    near = difflib.get_close_matches(name.lower(), [*ALL, *OPEN], n=1)
    raise ValueError(
        f"no exercise asks for a function named {name}; did you mean "
        f"{(near[0] if near else likely.name)!r}?"
    )


def _likely(function: object) -> Rubric | OpenExercise:
    """Return the exercise that something may be an answer to, judged by its arguments."""
    try:
        given = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        given = []
    name = function if isinstance(function, str) else getattr(function, "__name__", "")
    inner = getattr(getattr(function, "func", None), "__name__", None)

    def likeness(exercise: Rubric | OpenExercise) -> tuple[float, float]:
        taken = _ASKED.sub(r"\1", exercise.signature).split(", ")
        names = max(
            difflib.SequenceMatcher(None, str(one), exercise.name).ratio() for one in (name, inner)
        )
        return difflib.SequenceMatcher(None, given, taken).ratio(), names

    asked: list[Rubric | OpenExercise] = [one.rubric for one in ALL.values()]
    return max([*asked, *OPEN.values()], key=likeness)

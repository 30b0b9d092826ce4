"""Exercises on the learner's own ground: judged by what must hold of an answer, no marks.

An open exercise has many right answers, each another one: an activation of one's own, a
network, a guess about it. So nothing is compared with a reference. The check asks, one
after the other, whether some conditions hold, and tells what it measured. No points
depend on it: the grader leaves such exercises out, and the conditions, which hold no
answer to any other exercise, are handed to students as they are, the model answer too.
"""

import functools
import inspect
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from helpers import text
from helpers.exercises import calling
from helpers.exercises.values import copied

_LONGEST_SECONDS = 30.0  # of one check: some conditions train a network
_SEED = 0  # each condition starts from it, so that an answer is judged alike each time


@dataclass(frozen=True)
class Condition:
    """Something that must hold of an answer, and how that is found out.

    Attributes:
        says: What must hold, in a sentence.
        holds: Called with the learner's function, which takes its arguments in order and
            gets copies of them. Returns whether the condition holds; or that and what was
            measured, in words, such as ``(False, "predicted 0.5, measured 0.41")``. What
            it raises counts as not holding.
        hint: What to look at when it does not hold; one or two sentences.
        essential: Whether those that follow can be judged only if it holds, as of a
            condition on the kind of thing that is returned.
    """

    says: str
    holds: Callable[[Callable[..., Any]], Any]
    hint: str
    essential: bool = False


@dataclass(frozen=True)
class OpenExercise:
    """An exercise with many right answers, and what must hold of each of them.

    Attributes:
        name: The name of the function asked for.
        number: Lesson and exercise, such as "1.5".
        title: The task in a few words.
        signature: The call as the learner writes it.
        conditions: In the order in which they are judged.
        reference: A model answer, under the name of the exercise. After the third try
            its source is shown, so it must be a function that can be read alone.
        longest_seconds: After which a check is broken off.

    Raises:
        ValueError: If there is no condition, one stands there twice, or the reference
            has another name.
    """

    name: str
    number: str
    title: str
    signature: str
    conditions: tuple[Condition, ...]
    reference: Callable[..., Any]
    longest_seconds: float = _LONGEST_SECONDS

    def __post_init__(self) -> None:
        """Refuse a specification that asks for nothing, or shows another function."""
        said = [condition.says for condition in self.conditions]
        if not said:
            raise ValueError(f"open exercise {self.name} needs at least one condition")
        if len(set(said)) < len(said):
            raise ValueError(f"open exercise {self.name} uses a condition twice: {' '.join(said)}")
        if self.reference.__name__ != self.name:
            raise ValueError(
                f"the reference of open exercise {self.name} must have its name, "
                f"got {self.reference.__name__}"
            )


class Judged(NamedTuple):
    """What came of one condition.

    Attributes:
        says: The condition.
        holds: Whether it does; None where an essential one before it does not.
        measured: What was measured or what happened, in words; may be empty.
        hint: What to look at; empty unless it does not hold.
    """

    says: str
    holds: bool | None
    measured: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return one line."""
        words = self.says.rstrip(".")
        if self.holds is None:
            return f"· {words}: not judged yet."
        if self.measured:
            # What was raised may end in a line of code or in a question of its own.
            words += f": {self.measured.rstrip('.')}"
        words += "" if words.endswith("?") else "."
        return f"✓ {words}" if self.holds else f"✗ {words} {self.hint}".rstrip()


@dataclass(frozen=True)
class OpenVerdict:
    """Which conditions hold of an answer.

    Attributes:
        exercise: The name of the exercise.
        number: Lesson and exercise, such as "1.5".
        status: "done" when all conditions hold.
        judged: One for each condition, in order; none if nothing was attempted.
        notes: What else the learner should know: what the function printed, and which
            arguments it has overwritten.
    """

    exercise: str
    number: str
    status: Literal["not attempted", "done", "not yet"]
    judged: tuple[Judged, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The whole verdict as the learner reads it: one line for each condition."""
        outcome = "not attempted yet."
        if self.judged:
            held = sum(bool(one.holds) for one in self.judged)
            verb = "holds" if held == 1 else "hold"
            count = text.count(len(self.judged), "condition")
            outcome = f"{self.status}, {held} of {count} {verb}."
        lines = [f"Exercise {self.number} · {self.exercise}: {outcome}"]
        return "\n".join([*lines, *(f"  {one}" for one in self.judged)])

    def __str__(self) -> str:
        """Return the message."""
        return self.message


def judge(exercise: OpenExercise, function: Callable[..., object]) -> OpenVerdict:
    """Ask of an answer whether each condition holds.

    The function works on copies, and the random states of Python, numpy and torch are
    put back. In the main thread the check is broken off when it takes too long.

    Args:
        exercise: The exercise.
        function: The learner's answer.

    Returns:
        The verdict.
    """
    answer = _Watched(function)
    judged: list[Judged] = []
    with calling.kept_apart() as printed:
        try:
            with calling.time_limit(exercise.longest_seconds):
                for condition in exercise.conditions:
                    judged.append(_judged(condition, answer))
                    if answer.is_stub or (condition.essential and not judged[-1].holds):
                        break
        except calling.TooLongError:
            slow = exercise.conditions[min(len(judged), len(exercise.conditions) - 1)]
            judged = judged[: len(exercise.conditions) - 1]
            judged.append(
                Judged(slow.says, False, calling.endless(exercise.longest_seconds), slow.hint)
            )
    notes = (*calling.about_arguments(answer.overwritten), *printed.told())
    if answer.is_stub:
        return OpenVerdict(exercise.name, exercise.number, "not attempted", (), notes)
    judged += [Judged(one.says, None) for one in exercise.conditions[len(judged) :]]
    status: Literal["done", "not yet"] = "done" if all(one.holds for one in judged) else "not yet"
    return OpenVerdict(exercise.name, exercise.number, status, tuple(judged), notes)


def positive(found: Any, *, kind: str, value: str) -> tuple[bool, str]:
    """Say whether an answer is a finite number above 0, and if not, what it is.

    Args:
        found: What the learner's function returned, or a part of it.
        kind: The words before its type if it is no number, such as "the gain is a".
        value: The words before its value if that is not finite or not above 0.
    """
    try:
        number = float(found)
    except (TypeError, ValueError, RuntimeError):
        return False, f"{kind} {type(found).__name__}"
    if not (math.isfinite(number) and number > 0):
        return False, f"{value} {text.number(number, 3)}"
    return True, ""


def model_answer(exercise: OpenExercise) -> str:
    """Return the source of an exercise's model answer."""
    return inspect.getsource(exercise.reference).strip()


def _judged(condition: Condition, answer: "_Watched") -> Judged:
    """Ask whether one condition holds."""
    random.seed(_SEED)
    np.random.seed(_SEED)
    torch.default_generator.manual_seed(_SEED)  # torch.manual_seed reaches GPUs too
    try:
        found = condition.holds(answer)
        holds, measured = found if isinstance(found, tuple) else (found, "")
        holds = bool(holds)
    except Exception as error:
        holds, measured = False, calling.raised(answer.function, error)
    return Judged(condition.says, holds, measured, "" if holds else condition.hint)


class _Watched:
    """A learner's function that is called with copies, and what it did to them.

    Attributes:
        function: The function itself.
        is_stub: Whether its first call said that nothing was attempted.
        overwritten: The names of arguments that it changed.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.is_stub = False
        self.overwritten: dict[str, None] = {}
        self._called = False

    def __call__(self, *arguments: object) -> object:
        """Call the function with copies of the arguments."""
        first, self._called = not self._called, True
        given = [copied(argument) for argument in arguments]
        try:
            returned = self.function(*given)
        except NotImplementedError:
            self.is_stub = first
            raise
        names = self._names(len(given))
        before, after = (dict(zip(names, values, strict=True)) for values in (arguments, given))
        self.overwritten |= dict.fromkeys(calling.changed(before, after))
        return returned

    def _names(self, count: int) -> list[str]:
        """Return what the function calls its arguments, or their places."""
        try:
            names = list(inspect.signature(self.function).parameters)
        except (TypeError, ValueError):
            names = []
        return [*names, *(f"argument {place + 1}" for place in range(len(names), count))][:count]

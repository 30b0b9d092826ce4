"""What an exercise asks: parts, right answer, misconceptions, tolerance and points.

Everything in a question and in an answer is plain: numbers, strings, lists, dicts,
numpy arrays and torch tensors. An answer that is a model is put through a
:class:`~helpers.exercises.values.ModelProbe`, which leaves plain data too.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, get_args

import numpy as np
from torch import nn

from helpers import checks
from helpers.exercises import other_questions
from helpers.exercises.compare import Comparison, Tolerance
from helpers.exercises.values import (
    ModelProbe,
    copied,
    is_number,
    probe_model,
)


@dataclass(frozen=True)
class Part:
    """A share of an exercise's points, earned when all its cases are right.

    Attributes:
        name: What these cases have in common.
        points: Points for getting every case right.
        cases: Draws the cases from a generator, smallest first. Each case
            maps the function's arguments, in order, to plain values.
    """

    name: str
    points: int
    cases: Callable[[np.random.Generator], Sequence[Mapping[str, object]]]


@dataclass(frozen=True)
class Misconception:
    """A typical wrong answer and the hint it earns.

    Attributes:
        name: What goes wrong, in a few words, for the class report.
        answer: Called like the learner's function; gives the wrong answer, or
            None where the mistake does not apply. Two mistakes are told when
            they come together, if each is a ``partial`` of the same function
            with other keywords.
        hint: One or two sentences that teach and leave the work to do.
    """

    name: str
    answer: Callable[..., object]
    hint: str


class Question(NamedTuple):
    """One call to make, and what could come back.

    Attributes:
        part: The name of the part it belongs to.
        arguments: The arguments by name, in order.
        expected: The right answer.
        wrong_answers: For each misconception that applies, the answer it gives.
        model_probe: For a model what to do with it; then the answers are what
            ``probe_model`` says of it.
        both_wrong: For two misconceptions that can be made together, the answer
            under the names of both, joined by :data:`BOTH`.
        other_questions: Right answers to other questions than the one asked,
            each under the words for what was changed in the arguments.
    """

    part: str
    arguments: dict[str, object]
    expected: object
    wrong_answers: Mapping[str, object]
    model_probe: ModelProbe | None = None
    both_wrong: Mapping[str, object] = MappingProxyType({})
    other_questions: Mapping[str, object] = MappingProxyType({})


BOTH = " + "


class _WhenAsked(Mapping[str, object]):
    """Answers, each worked out when somebody asks for it: a right answer needs none.

    Args:
        names: What may be asked for.
        answer: Works out one, None where there is none.
    """

    def __init__(self, names: Iterable[str], answer: Callable[[str], object]) -> None:
        self._names = tuple(names)
        self._answer = answer
        self._known: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._known:
            self._known[name] = self._answer(name) if name in self._names else None
        if self._known[name] is None:
            raise KeyError(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Answer(NamedTuple):
    """What one call came to.

    Attributes:
        value: What was returned, as plain data.
        failure: When nothing was returned, what happened instead, such as
            "raised ZeroDivisionError: division by zero".
        attempted: False when the function is still the stub.
    """

    value: object = None
    failure: str | None = None
    attempted: bool = True


@dataclass(frozen=True)
class Rubric:
    """What marking needs to know of an exercise; nothing in it runs.

    Attributes:
        name: The name of the function asked for.
        number: Lesson and exercise, such as "1.2".
        title: The task in a few words.
        signature: The call as the learner writes it.
        parts: Name and points of each part, simplest first.
        hints: For each misconception its hint.
        approach: How to go about the task, for whoever has tried twice.
        rtol: As in the :class:`~helpers.exercises.compare.Tolerance`.
        atol: As in the ``Tolerance``.
        compare: As in the ``Tolerance``.
    """

    name: str
    number: str
    title: str
    signature: str
    parts: tuple[tuple[str, int], ...]
    hints: dict[str, str]
    rtol: float = 1e-4
    atol: float = 0.0
    compare: Comparison = "entries"
    approach: str = ""

    @property
    def points(self) -> int:
        """Points to be had in all parts together."""
        return sum(points for _, points in self.parts)

    @property
    def tolerance(self) -> Tolerance:
        """How answers are compared."""
        return Tolerance(self.rtol, self.atol, self.compare)


class Judgeable(Protocol):
    """What judging needs: an :class:`Exercise`, or one that was stored."""

    @property
    def rubric(self) -> Rubric:
        """What marking needs to know."""

    def questions(self, rng: np.random.Generator) -> tuple[Question, ...]:
        """Return the questions of all parts, in order."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: inputs, reference, misconceptions and points.

    Attributes:
        name: The name of the function asked for.
        number: Lesson and exercise, such as "1.2".
        title: The task in a few words.
        signature: The call as the learner writes it.
        parts: What is asked for, simplest first.
        reference: The right answer, called like the learner's function.
        misconceptions: At least three typical wrong answers.
        rtol: As in the :class:`~helpers.exercises.compare.Tolerance`.
        atol: As in the ``Tolerance``.
        compare: As in the ``Tolerance``. Random answers of the reference and
            the misconceptions need generators of their own.
        model_probe: For an exercise that asks for a model: draws what to do
            with it, given the reference's.
        approach: How to go about the task, in one or two sentences, for whoever
            has tried twice.
    """

    name: str
    number: str
    title: str
    signature: str
    parts: tuple[Part, ...]
    reference: Callable[..., Any]
    misconceptions: tuple[Misconception, ...]
    rtol: float = 1e-4
    atol: float = 0.0
    compare: Comparison = "entries"
    model_probe: Callable[[np.random.Generator, nn.Module], ModelProbe] | None = None
    approach: str = ""

    def __post_init__(self) -> None:
        """Refuse a specification that cannot tell right from wrong."""
        if not self.parts or any(part.points < 1 for part in self.parts):
            raise ValueError(f"exercise {self.name} needs parts, each worth at least one point")
        if len(self.misconceptions) < 3:
            raise ValueError(f"exercise {self.name} needs at least three misconceptions")
        for names in ([one.name for one in self.parts], [one.name for one in self.misconceptions]):
            if len(set(names)) < len(names):
                raise ValueError(f"exercise {self.name} uses a name twice: {', '.join(names)}")
        checks.choice(f"exercise {self.name}: compare", self.compare, get_args(Comparison))

    @property
    def rubric(self) -> Rubric:
        """What marking needs to know, without anything that runs."""
        return Rubric(
            name=self.name,
            number=self.number,
            title=self.title,
            signature=self.signature,
            parts=tuple((part.name, part.points) for part in self.parts),
            hints={one.name: one.hint for one in self.misconceptions},
            rtol=self.rtol,
            atol=self.atol,
            compare=self.compare,
            approach=self.approach,
        )

    def questions(self, rng: np.random.Generator) -> tuple[Question, ...]:
        """Draw the questions of all parts, in order, with their answers."""
        return tuple(
            self._question(part.name, dict(arguments), rng)
            for part in self.parts
            for arguments in part.cases(rng)
        )

    def _question(
        self, part: str, arguments: dict[str, object], rng: np.random.Generator
    ) -> Question:
        expected = _answer(self.reference, arguments)
        probe = self.model_probe and self.model_probe(rng, expected)

        def probed(value: object) -> object:
            return value if value is None or probe is None else probe_model(value, probe)

        def both(names: str) -> object:
            # Each is tried by itself in the tests; together they may lead nowhere.
            with suppress(Exception), np.errstate(all="ignore"):
                return probed(_answer(self._pairs[names], arguments))
            return None

        def other(words: str) -> object:
            return _other_answer(self.reference, changed[words], expected)

        wrong = {one.name: one.answer for one in self.misconceptions}
        changed = {} if probe else dict(other_questions.changed(arguments))
        return Question(
            part=part,
            arguments=arguments,
            expected=probed(expected),
            wrong_answers=_WhenAsked(wrong, lambda name: probed(_answer(wrong[name], arguments))),
            model_probe=probe,
            both_wrong=_WhenAsked(self._pairs, both),
            other_questions=_WhenAsked(changed, other),
        )

    @cached_property
    def _pairs(self) -> dict[str, Callable[..., Any]]:
        """Two misconceptions made together, where both change one and the same function."""
        found: dict[str, Callable[..., Any]] = {}
        for one, other in combinations(self.misconceptions, 2):
            first, second = one.answer, other.answer
            if (
                isinstance(first, partial)
                and isinstance(second, partial)
                and first.func is second.func
                and not first.keywords.keys() & second.keywords.keys()
            ):
                found[BOTH.join((one.name, other.name))] = partial(first, **second.keywords)
        return found


def _answer(function: Callable[..., Any], arguments: Mapping[str, object]) -> Any:
    """Call a reference or a misconception; it gets copies."""
    return function(*[copied(value) for value in arguments.values()])


def _other_answer(
    reference: Callable[..., Any], changed: Mapping[str, object], expected: object
) -> object:
    """Return the right answer to another question, None where there is no such question."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = _answer(reference, changed)
        except Exception:  # the change has led out of what the reference was made for
            return None
    same = type(value) is type(expected) or (is_number(value) and is_number(expected))
    return value if same else None


def three_digits(value: float) -> float:
    """Round a drawn input so that a message can show it in full."""
    return float(f"{value:.2e}")

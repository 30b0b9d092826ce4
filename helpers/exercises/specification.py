"""What an exercise asks: parts, right answer, misconceptions, tolerance and points.

Everything in a question and in an answer is plain: numbers, strings, lists, dicts,
numpy arrays and torch tensors. An answer that is a model is put through a
:class:`~helpers.exercises.values.ModelProbe`, which leaves plain data too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, get_args

import numpy as np
from torch import nn

from helpers import checks
from helpers.exercises.compare import Comparison, Tolerance
from helpers.exercises.values import ModelProbe, copied, probe_model


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
            None where the mistake does not apply.
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
    """

    part: str
    arguments: dict[str, object]
    expected: object
    wrong_answers: dict[str, object]
    model_probe: ModelProbe | None = None


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
        def answer(function: Callable[..., Any]) -> Any:
            return function(*[copied(value) for value in arguments.values()])

        expected = answer(self.reference)
        wrong = {one.name: answer(one.answer) for one in self.misconceptions}
        wrong = {name: value for name, value in wrong.items() if value is not None}
        if self.model_probe is None:
            return Question(part, arguments, expected, wrong)
        probe = self.model_probe(rng, expected)
        return Question(
            part=part,
            arguments=arguments,
            expected=probe_model(expected, probe),
            wrong_answers={name: probe_model(value, probe) for name, value in wrong.items()},
            model_probe=probe,
        )


def three_digits(value: float) -> float:
    """Round a drawn input so that a message can show it in full."""
    return float(f"{value:.2e}")

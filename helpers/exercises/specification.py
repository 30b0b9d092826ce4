"""What an exercise asks, what a right answer is, and how an answer is judged.

Judging takes three steps that a grader can run in different processes:

1. :meth:`Exercise.questions` draws inputs from a generator and works out the
   right answer to each, and the answer that each misconception would give.
2. The learner's function is called on the arguments: one :class:`Answer` each.
3. :func:`mark` compares. It needs the rubric, questions and answers, no reference
   and no learner's code, so a released course can keep stored questions only.

Everything in a question and in an answer is plain: numbers, strings, lists,
dicts, numpy arrays and torch tensors. An answer that is a model is put through
a :class:`ModelProbe`, which leaves plain data too.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from helpers import plain
from helpers.text import number as number_text

Comparison = Literal["entries", "statistics", "predictions"]

_SHOWN = 8  # entries of a list or tensor that a message prints in full
_LINE = 200  # characters of a call or a text that a message prints
_HIDDEN_LINE = 80  # characters of a learner's own text that a hidden message prints
_SIGMAS = 7.0  # how far right draws of 2000 entries may lie apart; beyond 5.8 was none in 500000
_WHOLE = frozenset(
    {int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64}
)
_NUMBERS = _WHOLE | {float, np.float16, np.float32, np.float64}
_TENSORS = frozenset({Tensor, nn.Parameter})
_LISTS = frozenset({list, tuple})


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
    cases: Callable[[np.random.Generator], list[dict[str, object]]]


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


@dataclass(frozen=True)
class ModelProbe:
    """What to do with a model that was returned, to see what it computes.

    Attributes:
        weights: A tensor for each of its parameters, in the order of
            ``named_parameters``.
        inputs: What to run it on, floats.
        direction: Of the shape of the outputs; the gradients are those of
            ``(outputs * direction).sum()``.
    """

    weights: list[Tensor]
    inputs: Tensor
    direction: Tensor


class Question(NamedTuple):
    """One call to make, and what could come back.

    Attributes:
        part: The name of the part it belongs to.
        arguments: The arguments by name, in order.
        expected: The right answer.
        wrong_answers: For each misconception that applies, the answer it gives.
        model_probe: For a model what to do with it; then the answers are what
            :func:`probe_model` says of it.
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


class PartMark(NamedTuple):
    """The points earned in one part, out of how many."""

    name: str
    points: int
    of: int


@dataclass(frozen=True)
class Verdict:
    """What an answer to an exercise earned, and why.

    Attributes:
        exercise: The name of the exercise.
        status: "error" when the smallest failing input made the function
            raise and no misconception explains it, otherwise as it says.
        points: Points earned.
        of: Points to be had.
        parts: The same for each part.
        misconception: The name of the misconception recognised, if any.
        message: The whole verdict as the learner reads it.
        why: What is wrong, the end of the message; empty when nothing is.
    """

    exercise: str
    status: Literal["not attempted", "correct", "wrong", "error"]
    points: int
    of: int
    parts: tuple[PartMark, ...]
    misconception: str | None
    message: str
    why: str = ""

    def __str__(self) -> str:
        """Return the message."""
        return self.message


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
        rtol: Largest relative error of an entry; of predictions, the largest
            share that may be wrong.
        atol: Absolute error allowed on top, for entries near zero.
        compare: How numbers are compared: entry by entry; by the statistics of
            entries that were drawn at random, at least 2000 of them, lest a
            wrong spread go unnoticed; or by the share of predictions that agree.
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
        rtol: As in the :class:`Rubric`.
        atol: As in the :class:`Rubric`.
        compare: As in the :class:`Rubric`. Random answers of the reference and
            the misconceptions need generators of their own.
        model_probe: For an exercise that asks for a model: draws what to do with it,
            given the reference's.
    """

    name: str
    number: str
    title: str
    signature: str
    parts: tuple[Part, ...]
    reference: Callable[..., object]
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
        for named in (self.parts, self.misconceptions):
            if len({one.name for one in named}) < len(named):
                raise ValueError(f"exercise {self.name} uses a name twice: {named}")
        if self.compare not in _COMPARISONS:
            known = ", ".join(_COMPARISONS)
            raise ValueError(f"exercise {self.name} compares {self.compare!r}, must be of {known}")

    @property
    def rubric(self) -> Rubric:
        """What marking needs to know, without anything that runs."""
        return Rubric(
            name=self.name,
            number=self.number,
            title=self.title,
            signature=self.signature,
            parts=tuple((part.name, part.points) for part in self.parts),
            hints={misconception.name: misconception.hint for misconception in self.misconceptions},
            rtol=self.rtol,
            atol=self.atol,
            compare=self.compare,
        )

    def questions(self, rng: np.random.Generator) -> tuple[Question, ...]:
        """Draw the questions of all parts, in order, with their answers."""
        return tuple(
            self._question(part.name, arguments, rng)
            for part in self.parts
            for arguments in part.cases(rng)
        )

    def _question(
        self, part: str, arguments: dict[str, object], rng: np.random.Generator
    ) -> Question:
        def answer(function: Callable[..., object]) -> object:
            return function(*_copied(list(arguments.values())))

        expected = answer(self.reference)
        wrong_answers = {
            misconception.name: answer(misconception.answer)
            for misconception in self.misconceptions
        }
        wrong_answers = {name: value for name, value in wrong_answers.items() if value is not None}
        if self.model_probe is None:
            return Question(part, arguments, expected, wrong_answers)
        model_probe = self.model_probe(rng, expected)
        return Question(
            part=part,
            arguments=arguments,
            expected=probe_model(expected, model_probe),
            wrong_answers={
                name: probe_model(value, model_probe) for name, value in wrong_answers.items()
            },
            model_probe=model_probe,
        )


def judge(exercise: Judgeable, function: Callable[..., object], seed: int = 0) -> Verdict:
    """Call a function on the exercise's questions and mark what it returns.

    The random states of Python, numpy and torch are left as they were. The
    function gets copies, so changing an argument in place does no harm.

    Args:
        exercise: What was asked.
        function: The learner's function.
        seed: Draws the questions; another seed draws others.

    Returns:
        The verdict.

    Raises:
        ValueError: If the exercise was stored with the questions of another seed.
    """
    questions = exercise.questions(np.random.default_rng(seed))
    answers: list[Answer] = []
    with _random_states_kept():
        for question in questions:
            arguments = list(question.arguments.values())
            answers.append(
                call(function, arguments, first=not answers, model_probe=question.model_probe)
            )
            if not answers[-1].attempted:
                break
    return mark(exercise.rubric, questions, answers)


def call(
    function: Callable[..., object],
    arguments: Sequence[object],
    *,
    first: bool,
    model_probe: ModelProbe | None = None,
) -> Answer:
    """Call a learner's function once and take what it returns as plain data.

    The answer is as :mod:`helpers.plain` would send it to another process, so
    that a check in a notebook and a grader judge alike.

    Args:
        function: The learner's function.
        arguments: What to call it with; it gets copies.
        first: Whether this is the first question: only then does
            ``NotImplementedError`` mean that nothing was tried yet.
        model_probe: What to do with a model that is returned.

    Returns:
        The answer. An exception that is raised becomes its failure; what ends a
        process, such as ``KeyboardInterrupt``, is not caught.
    """
    try:
        value = function(*_copied(list(arguments)))
        if model_probe is not None:
            value = probe_model(value, model_probe)
        return Answer(plain.decoded(plain.encoded(value)))
    except Exception as error:
        if first and isinstance(error, NotImplementedError):
            return Answer(attempted=False)
        return Answer(failure=f"raised {type(error).__name__}{_detail(error)}")


def probe_model(module: object, model_probe: ModelProbe) -> object:
    """Load weights into a model, run it, and go back to inputs and parameters.

    Args:
        module: What was returned where a model was asked for.
        model_probe: The weights, the inputs, and the direction of the outputs.

    Returns:
        A dict with the "parameter shapes" and, as far as shapes agree with the
        model_probe's, "outputs", "input gradient" and "parameter gradients". What is
        no model comes back as it is, a dict as ``plain.Other``.
    """
    if not isinstance(module, nn.Module):
        return plain.Other("dict") if type(module) is dict else module
    parameters = [parameter for _, parameter in module.named_parameters()]
    found: dict[str, object] = {"parameter shapes": [list(one.shape) for one in parameters]}
    if found["parameter shapes"] != [list(weight.shape) for weight in model_probe.weights]:
        return found
    with torch.no_grad():
        for parameter, weight in zip(parameters, model_probe.weights, strict=True):
            parameter.copy_(weight)
    dtype = parameters[0].dtype if parameters else model_probe.inputs.dtype
    with torch.enable_grad():
        inputs = model_probe.inputs.to(dtype, copy=True).requires_grad_()
        outputs = module(inputs.clone())  # so that it may be changed in place
        found["outputs"] = outputs
        if not isinstance(outputs, Tensor) or outputs.shape != model_probe.direction.shape:
            return found
        total = (outputs * model_probe.direction).sum()
        for parameter in parameters:
            parameter.grad = None
        if total.requires_grad:
            total.backward()
    gradients = [
        torch.zeros_like(one) if one.grad is None else one.grad for one in (inputs, *parameters)
    ]
    return {
        **found,
        "outputs": outputs.detach(),
        "input gradient": gradients[0],
        "parameter gradients": gradients[1:],
    }


def mark(
    rubric: Rubric,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    *,
    hidden: bool = False,
) -> Verdict:
    """Compare answers with what the questions expect.

    Args:
        rubric: Points, tolerances and hints.
        questions: From :meth:`Exercise.questions`, or stored.
        answers: One for each question, in order.
        hidden: Whether the numbers in the questions are to stay unknown: then
            the message says of what kind things were, and no more.

    Returns:
        The verdict, with the hint of the misconception that explains every
        wrong answer it applies to, or else with the smallest failing input;
        with both when hidden.

    Raises:
        ValueError: If there is not one answer a question.
    """
    attempted = not answers or answers[0].attempted
    if attempted and len(answers) != len(questions):
        raise ValueError(f"{len(questions)} questions need as many answers, got {len(answers)}")

    tolerance = Tolerance(rubric.rtol, rubric.atol, rubric.compare, hidden)
    faults = [_fault(*pair, tolerance) for pair in zip(questions, answers, strict=False)]
    failed = [index for index, fault in enumerate(faults) if fault]
    lost = {question.part for question in questions}
    if attempted:
        lost = {questions[index].part for index in failed}
    parts = tuple(PartMark(name, 0 if name in lost else of, of) for name, of in rubric.parts)
    points = sum(part.points for part in parts)
    score = f"({points} of {rubric.points} points)"

    misconception, words = None, []
    if not attempted:
        status, outcome = "not attempted", "not attempted yet."
    elif not failed:
        status, outcome = "correct", f"correct {score}."
    else:
        smallest = failed[0]
        misconception = _recognised(rubric.hints, questions, answers, failed, tolerance)
        status = "error" if answers[smallest].failure and not misconception else "wrong"
        if hidden or not misconception:
            question = questions[smallest]
            place = f"Part {question.part!r}" if hidden else "Smallest failing input"
            asked = _call_text(rubric.name, question.arguments, hidden)
            words.append(f"{place}: {asked} {faults[smallest]}")
        if misconception:
            words.append(rubric.hints[misconception])
        outcome = f"not yet {score}. {' '.join(words)}"
    return Verdict(
        exercise=rubric.name,
        status=status,
        points=points,
        of=rubric.points,
        parts=parts,
        misconception=misconception,
        message=f"Exercise {rubric.number} · {rubric.name}: {outcome}",
        why=" ".join(words),
    )


def difference(
    answer: object,
    expected: object,
    rtol: float = 1e-4,
    atol: float = 0.0,
    compare: Comparison = "entries",
) -> str | None:
    """Say how an answer differs from the expected one, None if it does not.

    Only plain data is compared, in float64, after it has been copied out of
    exactly the types known here: a subclass, which could answer for itself, is
    refused. True and False are not numbers, NaN equals nothing.

    Args:
        answer: Numbers, arrays, tensors and strings, in lists and dicts.
        expected: The same. Infinite entries must be met exactly.
        rtol: As in the :class:`Rubric`.
        atol: As in the :class:`Rubric`.
        compare: As in the :class:`Rubric`.

    Returns:
        Words that follow "returned", or None.

    Raises:
        TypeError: If ``expected`` holds anything else, such as True or None.

    Example:
        >>> difference(0.25, torch.tensor(0.25)) is None
        True
        >>> difference(torch.tensor([0.25]), 0.25)
        'a tensor of shape (1,); expected one number.'
        >>> difference([0.5, 0.25], ["a", 0.25])
        "a list whose item 0 is the number 0.5; expected 'a'."
    """
    return _difference(answer, expected, Tolerance(rtol, atol, compare, hidden=False))


def three_digits(value: float) -> float:
    """Round a drawn input so that a message can show it in full."""
    return float(f"{value:.2e}")


class Tolerance(NamedTuple):
    """How to compare, and whether to keep the numbers to oneself."""

    rtol: float
    atol: float
    compare: Comparison
    hidden: bool


def _difference(answer: object, expected: object, tolerance: Tolerance) -> str | None:
    """Return how an answer differs, in words that follow "returned"."""
    kind = _kind(answer, tolerance.hidden)
    if type(expected) in _LISTS:
        if type(answer) not in _LISTS or len(answer) != len(expected):
            return f"{kind}; expected a list of {len(expected)}."
        items = range(len(expected))
        return _first_difference("a list whose item", items, answer, expected, tolerance)
    if type(expected) is dict:
        keys = _keys_text(expected, tolerance.hidden)
        if type(answer) is not dict or {type(key) for key in answer} - {str}:
            return f"{kind}; expected a dict with the keys {keys}."
        if answer.keys() != expected.keys():
            return f"a dict with the keys {_keys_text(answer, tolerance.hidden)}; expected {keys}."
        return _first_difference("a dict whose", expected, answer, expected, tolerance)
    if type(expected) is str:
        if type(answer) is not str:
            return f"{kind}; expected {'a text' if tolerance.hidden else _text(expected)}."
        if answer == expected:
            return None
        if tolerance.hidden:
            return "a text other than expected."
        return f"{_text(answer)}; expected {_text(expected)}."
    wanted = _array(expected)
    if wanted is None:
        raise TypeError(f"expected must be plain numbers, text, lists or dicts, got {expected!r}")
    values = _array(answer)
    if values is None or values.shape != wanted.shape:
        form = f"a tensor of shape {wanted.shape}" if wanted.ndim else "one number"
        return f"{kind}; expected {form}."
    return _COMPARISONS[tolerance.compare](answer, values, wanted, tolerance)


def _first_difference(
    owner: str, keys: Iterable, answer: object, expected: object, tolerance: Tolerance
) -> str | None:
    """Return the first difference between the items of two lists or dicts."""
    for key in keys:
        found = _difference(answer[key], expected[key], tolerance)
        if found:
            place = _masked(key) if tolerance.hidden and type(key) is str else key
            return f"{owner} {place} is {found}"
    return None


def _model_difference(answer: object, expected: object, tolerance: Tolerance) -> str | None:
    """Return how a model differs, from what :func:`probe_model` says of it."""
    if type(expected) is not dict:  # a misconception's answer that is no model
        return _difference(answer, expected, tolerance)
    if type(answer) is not dict or not _are_shapes(answer.get("parameter shapes")):
        return f"{_kind(answer, tolerance.hidden)}; expected a model."
    got, wanted = answer["parameter shapes"], expected["parameter shapes"]
    if got != wanted:
        return f"a model with {_shapes_text(got)}; expected {_shapes_text(wanted)}."
    verbs = {"outputs": "are", "input gradient": "is", "parameter gradients": "are"}
    for name, verb in verbs.items():
        if name in expected:
            found = _difference(answer.get(name), expected[name], tolerance)
            if found:
                return f"a model whose {name} {verb} {found}"
    return None


def _are_shapes(value: object) -> bool:
    return type(value) is list and all(
        type(shape) is list and all(type(size) is int for size in shape) for shape in value
    )


def _shapes_text(shapes: list[list[int]]) -> str:
    written = ", ".join(str(tuple(shape)) for shape in shapes)
    return f"parameters of shapes {_shortened(written)}" if shapes else "no parameters"


def _entries_difference(
    answer: object, values: np.ndarray, expected: np.ndarray, tolerance: Tolerance
) -> str | None:
    """Compare entry by entry."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(values - expected) <= tolerance.atol + tolerance.rtol * np.abs(expected)
    wrong = ~np.where(np.isfinite(expected), near, values == expected)
    if not wrong.any():
        return None
    if tolerance.hidden:
        return _hidden_entries_text(answer, values)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    if expected.ndim and (expected.size > _SHOWN or np.isnan(values).any()):
        got, wanted = _told_apart(values[first], expected[first])
        return f"{_kind(answer)} with {got} at {list(first)}; expected {wanted} there."
    got, wanted = _told_apart(values, expected)
    if not expected.ndim:
        return f"{got}; expected {wanted}."
    form = {np.ndarray: "array({})", list: "{}", tuple: "{}"}.get(type(answer), "tensor({})")
    return f"{form.format(got)}; expected {form.format(wanted)}."


def _hidden_entries_text(answer: object, values: np.ndarray) -> str:
    """Say that entries are wrong, without one of them."""
    kind = _kind(answer, hidden=True)
    if np.isnan(values).any():
        return f"{kind} with NaN in it." if values.ndim else "NaN, which is not a number."
    if values.ndim:
        return f"{kind} with other numbers than expected."
    return f"{kind} other than expected."


def _statistics_difference(
    answer: object, values: np.ndarray, expected: np.ndarray, tolerance: Tolerance
) -> str | None:
    """Compare two random draws of one shape: is their distribution the same?"""
    with np.errstate(all="ignore"):
        found, wanted = _statistics(values), _statistics(expected)
    kind = _kind(answer, tolerance.hidden)
    for name, (value, error) in wanted.items():
        got = found.get(name, (math.nan, 0.0))[0]
        if abs(got - value) <= _SIGMAS * error + tolerance.atol + tolerance.rtol * abs(value):
            continue
        if tolerance.hidden:
            return f"{kind} with another {name} than expected."
        digits = max(0, math.ceil(-math.log10(error))) if error else 17
        texts = _told_apart(round(got, digits), round(value, digits))
        return f"{kind} with the {name} {texts[0]}; expected about {texts[1]}."
    return None


def _statistics(values: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return statistics of entries, each with the error of two draws' difference."""
    mean, std = float(values.mean()), float(values.std())
    scaled = (values - mean) / std if std > 0 else np.zeros(values.shape)
    tails = float((scaled**2).std())
    noise = math.sqrt(2 / values.size)  # of two draws of independent entries
    found = {
        "mean": (mean, std * noise),
        "standard deviation": (std, std * tails / 2 * noise),
    }
    if not std > 0:
        return found
    # Tells normal from uniform entries, with half as many of them as kurtosis needs.
    distance = float(np.abs(scaled).mean())
    influence = np.abs(scaled) - distance / 2 * scaled**2
    name = "mean distance from the mean over the standard deviation"
    found[name] = (distance, float(influence.std()) * noise)
    if values.ndim > 1 and np.isfinite(values).all():
        # Tells independent from orthogonal rows. The error is the largest that was measured,
        # with normal, uniform, Laplacian and sparse entries, from 2 x 2 to 200 x 200.
        squares = np.linalg.svd(values.reshape(len(values), -1), compute_uv=False) ** 2
        spread = float((squares**2).mean() / squares.mean() ** 2)
        found["spread of the singular values"] = (spread, spread * max(1.0, tails) * noise)
    return found


def _predictions_difference(
    answer: object, values: np.ndarray, expected: np.ndarray, tolerance: Tolerance
) -> str | None:
    """Compare labels: a share of them may be wrong."""
    wrong = int((values != expected).sum())
    if wrong <= tolerance.rtol * expected.size + 1e-9:
        return None
    least = f"{number_text(100 * (1 - tolerance.rtol), 3)} %"
    kind = _kind(answer, tolerance.hidden)
    if tolerance.hidden:
        return f"{kind} of which fewer than {least} are right."
    right = number_text(100 * (1 - wrong / expected.size), 3)
    return f"{kind} of which {right} % are right; expected at least {least}."


_COMPARISONS: dict[str, Callable[..., str | None]] = {
    "entries": _entries_difference,
    "statistics": _statistics_difference,
    "predictions": _predictions_difference,
}


def _array(value: object, levels: int = 4) -> np.ndarray | None:
    """Copy numbers out of a value as float64, None if they cannot be read."""
    # Exact types, never isinstance: a subclass may lie about what it holds.
    # Few levels: a list may hold itself.
    kind = type(value)
    try:
        if kind in _NUMBERS:
            return np.array(float(value))
        if kind is np.ndarray and value.dtype.kind in "iuf":
            return value.astype(np.float64)
        if kind in _TENSORS and not (value.dtype == torch.bool or value.is_complex()):
            return value.detach().to("cpu", torch.float64, copy=True).numpy()
        if kind in _LISTS and levels:
            return _stacked([_array(item, levels - 1) for item in value])
    except (OverflowError, RuntimeError, TypeError):
        return None
    return None


def _stacked(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    """Return arrays of one shape as one, None if they do not fit together."""
    if any(array is None for array in arrays) or len({array.shape for array in arrays}) != 1:
        return None
    return np.stack(arrays)


def _recognised(
    hints: Iterable[str],
    questions: Sequence[Question],
    answers: Sequence[Answer],
    failed: Sequence[int],
    tolerance: Tolerance,
) -> str | None:
    """Return the misconception that explains the wrong answers, if one does.

    It must give the learner's answer wherever the learner is wrong and it
    applies. If several do, the one that gives most of the right answers too.
    """

    def explains(misconception: str, index: int) -> bool:
        question = questions[index]
        return misconception in question.wrong_answers and not _unlike(
            question, answers[index].value, question.wrong_answers[misconception], tolerance
        )

    def agreement(misconception: str) -> int:
        return sum(explains(misconception, index) for index in range(len(questions)))

    candidates = []
    for misconception in hints:
        applies = [index for index in failed if misconception in questions[index].wrong_answers]
        if applies and all(explains(misconception, index) for index in applies):
            candidates.append(misconception)
    return max(candidates, key=agreement, default=None)


def _fault(question: Question, answer: Answer, tolerance: Tolerance) -> str | None:
    """Return what is wrong with an answer as the end of a sentence."""
    if answer.failure is not None:
        failure = _masked_failure(answer.failure) if tolerance.hidden else answer.failure
        return f"{failure.rstrip('.')}."
    if answer.value is None:
        return "returned None: did you forget `return`?"
    found = _unlike(question, answer.value, question.expected, tolerance)
    return found and f"returned {found}"


def _unlike(
    question: Question, value: object, expected: object, tolerance: Tolerance
) -> str | None:
    """Return how the value differs from one of the question's answers."""
    compared = _difference if question.model_probe is None else _model_difference
    return compared(value, expected, tolerance)


def _masked_failure(failure: str) -> str:
    """Return what happened without the numbers that an error may tell."""
    kind, colon, detail = failure.partition(": ")
    return f"{_masked(kind)}{colon}{_masked(detail)}"


def _masked(text: str) -> str:
    """Return the beginning of a learner's text without the numbers in it."""
    shown = ("#" if one.isnumeric() else one for one in text[:_HIDDEN_LINE])
    return "".join(one if one.isprintable() else "?" for one in shown)


def _detail(error: Exception) -> str:
    """Return the first line of what an error says, if it says anything."""
    try:
        lines = str(error).splitlines()
    except Exception:  # the error is the learner's own, and so is its text
        lines = []
    return f": {_shortened(lines[0])}" if lines else ""


def _copied(value: object) -> object:
    """Copy plain data, lists and dicts included."""
    if type(value) is Tensor:
        return value.clone()
    if type(value) is np.ndarray:
        return value.copy()
    if type(value) in _LISTS:
        return type(value)(_copied(item) for item in value)
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    return value


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Put the random states of Python, numpy and torch back afterwards."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _call_text(name: str, arguments: dict[str, object], hidden: bool) -> str:
    """Write a call, with tensors in full when the line stays short."""
    if hidden:
        kinds = [f"{key}={_argument_kind(value)}" for key, value in arguments.items()]
        return f"{name}({', '.join(kinds)})"
    written = [f"{key}={_text(value)}" for key, value in arguments.items()]
    if len(", ".join(written)) > _LINE:
        written = [
            text if type(value) in _NUMBERS else f"{key}={_kind(value)}"
            for text, (key, value) in zip(written, arguments.items(), strict=True)
        ]
    return f"{name}({', '.join(written)})"


def _argument_kind(value: object) -> str:
    """Say what kind of thing an argument is, without its numbers."""
    kind = type(value)
    if kind is bool:
        return "True or False"
    if kind in _WHOLE:
        return "an integer"
    if kind is str:
        return "a text" if any(one.isnumeric() for one in value) else _text(value)
    return "a dict" if kind is dict else _kind(value, hidden=True)


def _text(value: object) -> str:
    """Write a value as one would type it, shortened when it is long."""
    kind = type(value)
    if kind in _NUMBERS:
        return number_text(value)
    if kind is Tensor and value.numel() <= _SHOWN:
        dtype = "" if value.dtype == torch.float32 else f", dtype={value.dtype}"
        return f"tensor({_entries_text(value.numpy())}{dtype})"
    if kind in _LISTS and len(value) <= _SHOWN:
        return f"[{', '.join(_text(item) for item in value)}]"
    if kind is str:
        return repr(_shortened(value))
    return _kind(value)


def _kind(value: object, hidden: bool = False) -> str:
    """Say what kind of thing a value is, with its size."""
    kind = type(value)
    if value is None:
        return "None"
    if kind in _LISTS:
        return f"a {kind.__name__} of {len(value)}"
    numbers = _array(value)
    if numbers is not None and numbers.ndim == 0:
        return "a number" if hidden else f"the number {number_text(numbers[()], 3)}"
    if kind is np.ndarray or kind in _TENSORS:
        dtype = str(value.dtype)
        holds = next((f"{one} " for one in ("bool", "complex") if one in dtype), "")
        noun = f"{holds}array" if kind is np.ndarray else f"{holds}tensor"
        return f"{'an' if noun == 'array' else 'a'} {noun} of shape {tuple(value.shape)}"
    name = value.type_name if kind is plain.Other else kind.__name__
    return f"a value of type {_masked(name) if hidden else name}"


def _keys_text(keys: Iterable[str], hidden: bool) -> str:
    """List the keys of a dict."""
    return _shortened(", ".join(_masked(key) if hidden else key for key in keys)) or "none"


def _told_apart(got: np.ndarray, wanted: np.ndarray) -> tuple[str, str]:
    """Write two values with three digits, or as many as tell them apart."""
    write = _entries_text if np.ndim(got) else number_text
    for significant in range(3, 18):
        texts = write(got, significant), write(wanted, significant)
        if texts[0] != texts[1]:
            break
    return texts


def _entries_text(values: np.ndarray, significant: int | None = None) -> str:
    """Write the entries of an array in nested brackets, as torch does."""
    if values.ndim == 0:
        text = number_text(values[()], significant)
        return f"{text}." if text.lstrip("-").isdigit() else text
    return f"[{', '.join(_entries_text(item, significant) for item in values)}]"


def _shortened(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= _LINE else f"{text[:_LINE]}..."

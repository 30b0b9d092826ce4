"""What an exercise asks, what a right answer is, and how an answer is judged.

Judging takes three steps that a grader can run in different processes:

1. :meth:`Exercise.questions` draws inputs from a generator and works out the
   right answer to each, and the answer that each misconception would give.
2. The learner's function is called on the arguments: one :class:`Answer` each.
3. :func:`mark` compares. It needs questions and answers, no reference and no
   learner's code, so a released course can keep stored questions only.

Everything in a question and in an answer is plain: numbers, strings, lists,
dicts, numpy arrays and torch tensors.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch

from helpers.claims import number_text

_SHOWN = 8  # entries of a list or tensor that a message prints in full
_LINE = 200  # characters of a call or a text that a message prints
_NUMBERS = frozenset(
    {int, float, np.float16, np.float32, np.float64}
    | {np.int8, np.int16, np.int32, np.int64}
    | {np.uint8, np.uint16, np.uint32, np.uint64}
)
_TENSORS = frozenset({torch.Tensor, torch.nn.Parameter})
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


class Question(NamedTuple):
    """One call to make, and what could come back.

    Attributes:
        part: The name of the part it belongs to.
        arguments: The arguments by name, in order.
        expected: The right answer.
        slips: For each misconception that applies, the answer it gives.
    """

    part: str
    arguments: dict[str, object]
    expected: object
    slips: dict[str, object]


class Answer(NamedTuple):
    """What one call came to.

    Attributes:
        value: What was returned.
        failure: When nothing was returned, what happened instead, such as
            "raised ZeroDivisionError: division by zero".
        attempted: False when the function is still the stub.
    """

    value: object = None
    failure: str | None = None
    attempted: bool = True


class PartResult(NamedTuple):
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
    """

    exercise: str
    status: Literal["not attempted", "correct", "wrong", "error"]
    points: int
    of: int
    parts: tuple[PartResult, ...]
    misconception: str | None
    message: str

    def __str__(self) -> str:
        """Return the message."""
        return self.message


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
        rtol: Largest relative error of an entry.
        atol: Absolute error allowed on top, for entries near zero.
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

    def __post_init__(self) -> None:
        """Refuse a specification that cannot tell right from wrong."""
        if not self.parts or any(part.points < 1 for part in self.parts):
            raise ValueError(f"exercise {self.name} needs parts, each worth at least one point")
        if len(self.misconceptions) < 3:
            raise ValueError(f"exercise {self.name} needs at least three misconceptions")
        for named in (self.parts, self.misconceptions):
            if len({one.name for one in named}) < len(named):
                raise ValueError(f"exercise {self.name} uses a name twice: {named}")

    @property
    def points(self) -> int:
        """Points to be had in all parts together."""
        return sum(part.points for part in self.parts)

    def questions(self, rng: np.random.Generator) -> tuple[Question, ...]:
        """Draw the questions of all parts, in order, with their answers."""
        return tuple(
            self._question(part.name, arguments)
            for part in self.parts
            for arguments in part.cases(rng)
        )

    def _question(self, part: str, arguments: dict[str, object]) -> Question:
        slips = {
            slip.name: slip.answer(*_copied(list(arguments.values())))
            for slip in self.misconceptions
        }
        return Question(
            part=part,
            arguments=arguments,
            expected=self.reference(*_copied(list(arguments.values()))),
            slips={name: answer for name, answer in slips.items() if answer is not None},
        )


def judge(exercise: Exercise, function: Callable[..., object], seed: int = 0) -> Verdict:
    """Call a function on the exercise's questions and mark what it returns.

    The random states of Python, numpy and torch are left as they were. The
    function gets copies, so changing an argument in place does no harm.

    Args:
        exercise: What was asked.
        function: The learner's function.
        seed: Draws the questions; another seed draws others.

    Returns:
        The verdict.
    """
    questions = exercise.questions(np.random.default_rng(seed))
    answers: list[Answer] = []
    with _random_states_kept():
        for question in questions:
            answers.append(_call(function, question, first=not answers))
            if not answers[-1].attempted:
                break
    return mark(exercise, questions, answers)


def mark(exercise: Exercise, questions: Sequence[Question], answers: Sequence[Answer]) -> Verdict:
    """Compare answers with what the questions expect.

    Args:
        exercise: Its points, tolerances and hints; the reference is not called.
        questions: From :meth:`Exercise.questions`, or stored.
        answers: One for each question, in order.

    Returns:
        The verdict, with the hint of the misconception that explains every
        wrong answer it applies to, or else with the smallest failing input.

    Raises:
        ValueError: If there is not one answer a question.
    """
    attempted = not answers or answers[0].attempted
    if attempted and len(answers) != len(questions):
        raise ValueError(f"{len(questions)} questions need as many answers, got {len(answers)}")

    faults = [_fault(exercise, *pair) for pair in zip(questions, answers, strict=False)]
    failed = [index for index, fault in enumerate(faults) if fault]
    lost = {question.part for question in questions}
    if attempted:
        lost = {questions[index].part for index in failed}
    parts = tuple(
        PartResult(part.name, 0 if part.name in lost else part.points, part.points)
        for part in exercise.parts
    )
    points = sum(part.points for part in parts)
    score = f"({points} of {exercise.points} points)"

    slip = None
    if not attempted:
        status, outcome = "not attempted", "not attempted yet."
    elif not failed:
        status, outcome = "correct", f"correct {score}."
    elif slip := _recognised(exercise, questions, answers, failed):
        status, outcome = "wrong", f"not yet {score}. {slip.hint}"
    else:
        smallest = failed[0]
        status = "error" if answers[smallest].failure else "wrong"
        call = _call_text(exercise.name, questions[smallest].arguments)
        outcome = f"not yet {score}. Smallest failing input: {call} {faults[smallest]}"
    return Verdict(
        exercise=exercise.name,
        status=status,
        points=points,
        of=exercise.points,
        parts=parts,
        misconception=slip.name if slip else None,
        message=f"Exercise {exercise.number} · {exercise.name}: {outcome}",
    )


def difference(
    answer: object, expected: object, rtol: float = 1e-4, atol: float = 0.0
) -> str | None:
    """Say how an answer differs from the expected one, None if it does not.

    Only plain data is compared, entry by entry in float64, after it has been
    copied out of exactly the types known here: a subclass, which could answer
    for itself, is refused. True and False are not numbers, NaN equals nothing.

    Args:
        answer: Numbers, arrays, tensors and strings, in lists and dicts.
        expected: The same. Infinite entries must be met exactly.
        rtol: Largest error relative to the expected entry.
        atol: Absolute error allowed on top.

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
    if type(expected) in _LISTS:
        if type(answer) not in _LISTS or len(answer) != len(expected):
            return f"{_kind(answer)}; expected a list of {len(expected)}."
        items = range(len(expected))
        return _first_difference("a list whose item", items, answer, expected, rtol, atol)
    if type(expected) is dict:
        if type(answer) is not dict or {type(key) for key in answer} - {str}:
            return f"{_kind(answer)}; expected a dict with the keys {', '.join(expected)}."
        if answer.keys() != expected.keys():
            keys = ", ".join(answer) or "none"
            return f"a dict with the keys {keys}; expected {', '.join(expected)}."
        return _first_difference("a dict whose", expected, answer, expected, rtol, atol)
    if type(expected) is str:
        if type(answer) is not str:
            return f"{_kind(answer)}; expected {_text(expected)}."
        return None if answer == expected else f"{_text(answer)}; expected {_text(expected)}."
    wanted = _array(expected)
    if wanted is None:
        raise TypeError(f"expected must be plain numbers, text, lists or dicts, got {expected!r}")
    return _number_difference(answer, wanted, rtol, atol)


def three_digits(value: float) -> float:
    """Round a drawn input so that a message can show it in full."""
    return float(f"{value:.2e}")


def _first_difference(
    owner: str, keys: Iterable, answer: object, expected: object, rtol: float, atol: float
) -> str | None:
    """Return the first difference between the items of two lists or dicts."""
    for key in keys:
        found = difference(answer[key], expected[key], rtol, atol)
        if found:
            return f"{owner} {key} is {found}"
    return None


def _number_difference(
    answer: object, expected: np.ndarray, rtol: float, atol: float
) -> str | None:
    """Return how an answer differs from a number or an array of numbers."""
    values = _array(answer)
    if values is None or values.shape != expected.shape:
        wanted = f"a tensor of shape {expected.shape}" if expected.ndim else "one number"
        return f"{_kind(answer)}; expected {wanted}."
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(values - expected) <= atol + rtol * np.abs(expected)
    wrong = ~np.where(np.isfinite(expected), near, values == expected)
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    if expected.ndim and (expected.size > _SHOWN or np.isnan(values).any()):
        got, wanted = _told_apart(values[first], expected[first])
        return f"{_kind(answer)} with {got} at {list(first)}; expected {wanted} there."
    got, wanted = _told_apart(values, expected)
    if not expected.ndim:
        return f"{got}; expected {wanted}."
    form = {np.ndarray: "array({})", list: "{}", tuple: "{}"}.get(type(answer), "tensor({})")
    return f"{form.format(got)}; expected {form.format(wanted)}."


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
    exercise: Exercise,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    failed: Sequence[int],
) -> Misconception | None:
    """Return the misconception that explains the wrong answers, if one does.

    It must give the learner's answer wherever the learner is wrong and it
    applies. If several do, the one that gives most of the right answers too.
    """

    def explains(slip: Misconception, index: int) -> bool:
        slips, answer = questions[index].slips, answers[index].value
        return slip.name in slips and not difference(
            answer, slips[slip.name], exercise.rtol, exercise.atol
        )

    def agreement(slip: Misconception) -> int:
        return sum(explains(slip, index) for index in range(len(questions)))

    candidates = []
    for slip in exercise.misconceptions:
        applies = [index for index in failed if slip.name in questions[index].slips]
        if applies and all(explains(slip, index) for index in applies):
            candidates.append(slip)
    return max(candidates, key=agreement, default=None)


def _fault(exercise: Exercise, question: Question, answer: Answer) -> str | None:
    """Return what is wrong with an answer as the end of a sentence."""
    if answer.failure is not None:
        return f"{answer.failure.rstrip('.')}."
    if answer.value is None:
        return "returned None: did you forget `return`?"
    found = difference(answer.value, question.expected, exercise.rtol, exercise.atol)
    return found and f"returned {found}"


def _call(function: Callable[..., object], question: Question, *, first: bool) -> Answer:
    """Call the learner's function on copies of the arguments."""
    try:
        return Answer(function(*_copied(list(question.arguments.values()))))
    except Exception as error:
        if first and isinstance(error, NotImplementedError):
            return Answer(attempted=False)
        return Answer(failure=f"raised {type(error).__name__}{_detail(error)}")


def _detail(error: Exception) -> str:
    """Return the first line of what an error says, if it says anything."""
    try:
        lines = str(error).splitlines()
    except Exception:  # the error is the learner's own, and so is its text
        lines = []
    return f": {_shortened(lines[0])}" if lines else ""


def _copied(value: object) -> object:
    """Copy plain data, lists and dicts included."""
    if type(value) is torch.Tensor:
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


def _call_text(name: str, arguments: dict[str, object]) -> str:
    """Write a call, with tensors in full when the line stays short."""
    written = [f"{key}={_text(value)}" for key, value in arguments.items()]
    if len(", ".join(written)) > _LINE:
        written = [
            text if type(value) in _NUMBERS else f"{key}={_kind(value)}"
            for text, (key, value) in zip(written, arguments.items(), strict=True)
        ]
    return f"{name}({', '.join(written)})"


def _text(value: object) -> str:
    """Write a value as one would type it, shortened when it is long."""
    kind = type(value)
    if kind in _NUMBERS:
        return number_text(value)
    if kind is torch.Tensor and value.numel() <= _SHOWN:
        dtype = "" if value.dtype == torch.float32 else f", dtype={value.dtype}"
        return f"tensor({_entries_text(value.numpy())}{dtype})"
    if kind in _LISTS and len(value) <= _SHOWN:
        return f"[{', '.join(_text(item) for item in value)}]"
    if kind is str:
        return repr(_shortened(value))
    return _kind(value)


def _kind(value: object) -> str:
    """Say what kind of thing a value is, with its size."""
    kind = type(value)
    if value is None:
        return "None"
    if kind in _LISTS:
        return f"a {kind.__name__} of {len(value)}"
    numbers = _array(value)
    if numbers is not None and numbers.ndim == 0:
        return f"the number {number_text(numbers[()], 3)}"
    if kind is np.ndarray or kind in _TENSORS:
        holds = {torch.bool: "bool ", np.dtype(bool): "bool "}.get(value.dtype, "")
        noun = f"{holds}array" if kind is np.ndarray else f"{holds}tensor"
        return f"{'an' if noun == 'array' else 'a'} {noun} of shape {tuple(value.shape)}"
    return f"a value of type {kind.__name__}"


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

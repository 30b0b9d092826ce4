"""Recognise the mistakes behind wrong answers: one, two at once, or one for each part."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from helpers.exercises import compare
from helpers.exercises.compare import Tolerance
from helpers.exercises.relations import RELATIONS, UNFINISHED, Relation
from helpers.exercises.specification import BOTH, Answer, Question, Rubric
from helpers.exercises.values import (
    as_array,
    is_number,
    is_sequence,
    is_tensor,
)

_MOST_ARRAYS = 50  # arrays in a list that relations are looked for in
_MOST_ENTRIES = 10_000  # numbers of an answer that relations are looked for in
_LOOKED_AT = 50  # wrong numbers that are told apart
_ENOUGH = 2  # different wrong numbers that one mistake must explain; one more if they are whole
_FLOAT32 = 1e-5  # relative error of a short computation in float32
_FACTORS = 1e-4  # relative error of a factor that is recognised
_AGAINST = 3  # wrong answers that one right answer outweighs, which a misconception gets wrong
_CASES = 3  # in which one and the same answer is no accident
_NEARLY = 0.01  # relative error of numbers that are close
_POWERS = {
    "multiplied by": 1.0,
    "divided by": -1.0,
    "multiplied by the root of": 0.5,
    "divided by the root of": -0.5,
    "multiplied by the square of": 2.0,
    "divided by the square of": -2.0,
}


class Explanation(NamedTuple):
    """What has been recognised in wrong answers.

    Attributes:
        names: One mistake, or two that were made together.
        hint: What the learner reads of it.
    """

    names: tuple[str, ...]
    hint: str


class Findings(NamedTuple):
    """What has been recognised in all wrong answers, or in those of single parts.

    Attributes:
        explanations: Each with the part that it holds for, None for all parts.
        left: The first wrong answer that none of them explains.
    """

    explanations: tuple[tuple[str | None, Explanation], ...] = ()
    left: int | None = None

    @property
    def names(self) -> str | None:
        """The names of all mistakes, None if there are none."""
        names = [name for _, one in self.explanations for name in one.names]
        return BOTH.join(dict.fromkeys(names)) or None

    @property
    def hints(self) -> str:
        """What the learner reads of them, one after the other."""
        return " ".join(dict.fromkeys(one.hint for _, one in self.explanations))


def difference(
    question: Question, value: object, expected: object, tolerance: Tolerance, *, hidden: bool
) -> str | None:
    """Return how a value differs from one of the question's answers."""
    compared = (
        compare.value_difference if question.model_probe is None else compare.model_difference
    )
    return compared(value, expected, tolerance, hidden=hidden)


def _recognised_misconception(
    rubric: Rubric,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    failed: Sequence[int],
    inside: Sequence[int],
) -> str | None:
    """Return the misconception that explains the wrong answers, if one does.

    It must give the learner's answer wherever the learner is wrong and it
    applies, and few right answers ``inside`` may speak against it. If several
    do, the one that gives most of the right answers too.
    """
    tolerance = _loose(rubric.tolerance)

    def explains(misconception: str, index: int) -> bool:
        question = questions[index]
        if misconception not in question.wrong_answers:
            return False
        predicted = question.wrong_answers[misconception]
        value = _nan_set_aside(answers[index].value, predicted)
        # hidden, as the words are not read
        return not difference(question, value, predicted, tolerance, hidden=True)

    def agreement(misconception: str) -> int:
        return sum(explains(misconception, index) for index in range(len(questions)))

    def spoken_against(misconception: str) -> int:
        """Count the right answers that are wrong when this mistake is made."""
        return sum(
            misconception in questions[index].wrong_answers and not explains(misconception, index)
            for index in inside
            if index not in failed
        )

    def explains_all(misconception: str) -> bool:
        applies = 0
        for index in reversed(failed):  # the last question tells most
            if misconception in questions[index].wrong_answers:
                if not explains(misconception, index):
                    return False
                applies += 1
        return 0 < applies >= _AGAINST * spoken_against(misconception)

    candidates = [misconception for misconception in rubric.hints if explains_all(misconception)]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return max(candidates, key=agreement, default=None)


def _nan_set_aside(value: object, other: object) -> object:
    """Fill entries that are NaN with those of another value, if they are but some of them."""
    alike = isinstance(value, torch.Tensor) and isinstance(other, torch.Tensor)
    if not alike or value.shape != other.shape or not value.is_floating_point():  # type: ignore[attr-defined]
        return value
    missing = torch.isnan(value)  # type: ignore[arg-type]
    return torch.where(missing, other, value) if 0 < missing.sum() < missing.numel() else value  # type: ignore[call-overload]


def _loose(tolerance: Tolerance) -> Tolerance:
    """Allow for float32, in which a wrong answer may have been worked out."""
    if tolerance.compare != "entries":
        return tolerance
    return tolerance._replace(rtol=max(tolerance.rtol, _FLOAT32))


class _Numbers(NamedTuple):
    """The numbers of a value: in their shape, or of several shapes one after the other."""

    shape: object
    values: np.ndarray


def _numbers(value: object) -> _Numbers | None:
    """Take the numbers or truths out of a value, None if it holds anything else."""
    if type(value) is np.ndarray and value.dtype == bool:
        value = value.astype(float)
    elif type(value) is torch.Tensor and value.dtype == torch.bool:
        value = value.double()
    array = as_array(value)
    if array is not None:
        return _Numbers(array.shape, array)
    if not is_sequence(value) or not 0 < len(value) <= _MOST_ARRAYS:
        return None
    arrays = [one for one in map(as_array, value) if one is not None]
    if len(arrays) < len(value):
        return None
    return _Numbers([one.shape for one in arrays], np.concatenate([one.ravel() for one in arrays]))


class _Case:
    """One question, the answer to it, and what the answer could be, as numbers."""

    def __init__(self, question: Question, answer: Answer, tolerance: Tolerance) -> None:
        self.question = question
        self.tolerance = tolerance
        self.given = answer
        self.answer = None if answer.failure else _numbers(answer.value)
        self.expected = _numbers(question.expected)
        self._numbers: dict[tuple[int, str], _Numbers | None] = {}

    @property
    def comparable(self) -> bool:
        """Whether both are finite numbers, and not endlessly many of the answer's."""
        both = (self.answer, self.expected)
        return all(
            one is not None and one.values.size <= _MOST_ENTRIES and np.isfinite(one.values).any()
            for one in both
        )

    def of(self, answers: Mapping[str, object], name: str) -> _Numbers | None:
        """Take the numbers out of one of the question's answers; None if there are none."""
        key = id(answers), name
        if key not in self._numbers:
            numbers = _numbers(answers[name]) if name in answers else None
            fits = numbers is not None and numbers.values.size <= _MOST_ENTRIES
            self._numbers[key] = numbers if fits else None
        return self._numbers[key]

    @cached_property
    def factors(self) -> dict[str, float]:
        """Powers of what the arguments hold and of how much it is, in words."""
        found: dict[str, float] = {}
        for name, value in self.question.arguments.items():
            for what, size in _sizes(name, value):
                for words, power in _POWERS.items():
                    found.setdefault(f"{words} {what}", float(np.float64(size) ** power))
                if size > 1 and size == int(size):
                    found[f"multiplied by {what} and divided by one less"] = size / (size - 1)
                    found[f"multiplied by one less than {what} and divided by it"] = 1 - 1 / size
        return found

    @cached_property
    def off(self) -> np.ndarray:
        """The numbers of the answer that are not right."""
        assert self.answer is not None
        if self.expected is None or self.answer.shape != self.expected.shape:
            return self.answer.values.ravel()
        return self.answer.values[~self.near(self.answer.values, self.expected.values)]

    def near(self, values: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Say which numbers agree, where those of the learner may be of float32."""
        rtol = self.tolerance.rtol
        close = np.abs(values - others) <= self.tolerance.atol + rtol * np.abs(others)
        return np.where(np.isfinite(others), close, values == others)

    def meets(self, predicted: np.ndarray) -> bool:
        """Whether a prediction is the answer, in numbers and shape."""
        values = self.answer and self.answer.values
        if values is None or values.shape != predicted.shape:
            return False
        return bool(self.fits(predicted).all())

    def fits(self, predicted: np.ndarray) -> np.ndarray:
        """Say which numbers of the answer are those predicted, setting single NaN aside."""
        assert self.answer is not None
        values = self.answer.values
        aside = np.isnan(values) & np.isfinite(values).any()
        return self.near(values, predicted) | aside


def _sizes(name: str, value: object) -> Iterator[tuple[str, float]]:
    """Return the positive numbers that an argument holds or has."""
    if is_number(value) and math.isfinite(value) and value > 0:
        yield f"`{name}`", float(value)
    elif is_tensor(value) and value.numel():
        yield f"the number of entries of `{name}`", float(value.numel())
        if value.is_floating_point() and 0 < (largest := value.abs().max().item()) < math.inf:
            yield f"the largest entry of `{name}`", largest
        if value.ndim > 1:
            yield f"the number of rows of `{name}`", float(value.shape[0])
            yield f"the number of columns of `{name}`", float(value.shape[-1])
            yield f"the number of entries in a row of `{name}`", value.numel() / value.shape[0]
    elif is_sequence(value) and value:
        yield f"the number of items of `{name}`", float(len(value))
        if is_tensor(value[0]) and value[0].ndim:
            yield f"the number of rows of an item of `{name}`", float(value[0].shape[0])


class _Guess(NamedTuple):
    """An explanation before it is tried on every question.

    ``predicted`` says what the answer would be; None where there is no telling. ``pair``:
    two mistakes fit more answers than one does, so more of them must fit, and each of its
    ``members`` must matter somewhere. What is called a ``factor`` must vary. ``alone``
    explains what is left if the second of a pair is no mistake, as it leaves right answers
    right.
    """

    names: tuple[str, ...]
    hint: str
    predicted: Callable[[_Case], np.ndarray | None]
    pair: bool = False
    factor: str = ""
    members: tuple["_Base", ...] = ()
    alone: "tuple[Explanation, _Base] | None" = None


def explained(
    rubric: Rubric, questions: Sequence[Question], answers: Sequence[Answer], failed: Sequence[int]
) -> Findings:
    """Say which mistakes explain the wrong answers.

    One mistake that explains all of them is looked for first, then two that were made
    together, then what explains those answers that are numbers, then one part after the
    other. What is recognised holds for each wrong answer it is about, and where the
    answer is right, it does not speak against it.

    Args:
        rubric: The hints, and how answers are compared.
        questions: What was asked.
        answers: One for each question.
        failed: Which answers are wrong; at least one.

    Returns:
        What was found, which may be nothing.
    """
    everywhere = range(len(questions))
    cases = [
        _Case(question, answer, _loose(rubric.tolerance))
        for question, answer in zip(questions, answers, strict=True)
    ]
    if known := _misconception(rubric, cases, failed, everywhere):
        return Findings(((None, known),))
    if rubric.compare != "entries" or any(one.model_probe for one in questions):
        return Findings()
    if all(_holds_truths(answers[index].value) for index in failed):
        hint = "Your answer holds truths. Numbers are asked for: how many of them are true?"
        return Findings(((None, Explanation(("truths, not numbers",), hint)),))
    with np.errstate(all="ignore"):
        if whole := _found(rubric, cases, failed, everywhere):
            return Findings(((None, whole),))
        left = [index for index in failed if not cases[index].comparable]
        numbers = [index for index in failed if cases[index].comparable]
        others = [index for index in everywhere if index not in left]
        if left and numbers and (most := _of_some(rubric, cases, numbers, others)):
            return Findings(((None, most),), left[0])
        found: list[tuple[str | None, Explanation]] = []
        left = []
        for part, _ in rubric.parts:
            inside = [index for index in everywhere if questions[index].part == part]
            lost = [index for index in failed if index in inside]
            one = _of_some(rubric, cases, lost, inside) if lost else None
            if one:
                found.append((part, one))
            else:
                left += lost
    if not found and (odd := _not_finite(cases, failed)):
        return Findings(((None, odd),))
    return Findings(tuple(found), left[0] if left and found else None)


def _holds_truths(value: object) -> bool:
    return type(value) is bool or (
        type(value) in (torch.Tensor, np.ndarray) and str(value.dtype).endswith("bool")  # type: ignore[attr-defined]
    )


def _of_some(
    rubric: Rubric, cases: Sequence[_Case], failed: Sequence[int], inside: Sequence[int]
) -> Explanation | None:
    """Explain some of the wrong answers; ``inside`` may speak against it."""
    if _weight([cases[index] for index in failed]) < _ENOUGH:
        return None
    known = _misconception(rubric, cases, failed, inside)
    return known or _found(rubric, cases, failed, inside)


def _misconception(
    rubric: Rubric, cases: Sequence[_Case], failed: Sequence[int], inside: Sequence[int]
) -> Explanation | None:
    """Explain wrong answers by one misconception of the exercise; ``inside`` may speak against."""
    questions, answers = [one.question for one in cases], [one.given for one in cases]
    name = _recognised_misconception(rubric, questions, answers, failed, inside)
    if name is None:
        return None
    mistake = _known(name, rubric.hints[name])
    explanation = Explanation((mistake.name,), mistake.hint)
    return _and_nan(explanation, [cases[index] for index in failed], _values_of(mistake.base))


def _found(
    rubric: Rubric, cases: Sequence[_Case], failed: Sequence[int], inside: Sequence[int]
) -> Explanation | None:
    """Return the first guess that holds for each wrong answer, and for the right ones too."""
    wrong = [cases[index] for index in failed]
    if not all(case.answer and case.expected for case in wrong):
        return None
    telling = max(wrong, key=lambda case: len(_distinct(case.off)) * case.comparable)
    if not telling.comparable:
        return None
    weight = _weight(wrong)
    right = [cases[index] for index in inside if index not in failed]
    if constant := _constant(wrong, right):
        return constant
    tried: set[tuple[str, ...]] = set()
    for guess in _guesses(rubric, telling):
        if weight < _ENOUGH + guess.pair or guess.names in tried:
            continue
        tried.add(guess.names)
        if _holds(guess, wrong, right):
            one = Explanation(guess.names, guess.hint)
            if guess.alone and not _matters(guess.alone[1], cases):
                one = guess.alone[0]
            return _and_nan(one, wrong, guess.predicted)
    return _close(wrong) if weight >= _ENOUGH else None


def _distinct(values: np.ndarray) -> set[str]:
    """Return the different numbers among the first of many, to three digits."""
    return {f"{value:.2e}" for value in values.flat[:_LOOKED_AT]}


def _weight(cases: Sequence[_Case]) -> int:
    """Count the different wrong numbers; one less for whole ones, which may meet by chance."""
    values = [case.off for case in cases if case.answer]
    numbers = set().union(*map(_distinct, values)) if values else set()
    whole = all((one[:_LOOKED_AT] == np.round(one[:_LOOKED_AT])).all() for one in values)
    return len(numbers) - whole


def _holds(guess: _Guess, wrong: Sequence[_Case], right: Sequence[_Case]) -> bool:
    """Try a guess on all answers."""
    met = []
    for case in wrong:
        predicted = guess.predicted(case)
        if predicted is not None:
            if not case.meets(predicted):
                return False
            met.append(case)
    if _weight(met) < _ENOUGH + guess.pair:
        return False
    if guess.factor and len({f"{case.factors.get(guess.factor, 1):.4e}" for case in met}) < 2:
        return False
    if not all(_matters(member, met) for member in guess.members):
        return False
    predictions = ((case, guess.predicted(case)) for case in right)
    return all(predicted is None or case.meets(predicted) for case, predicted in predictions)


def _constant(wrong: Sequence[_Case], right: Sequence[_Case]) -> Explanation | None:
    """Recognise an answer that does not depend on the question."""
    if _never_changes([*wrong, *right]):
        return Explanation(
            ("always the same answer",),
            "Your function answers the same whatever it is asked: do its arguments come in, or "
            "does something cancel them, such as a minus without brackets?",
        )
    if _never_changes(wrong):
        return Explanation(
            ("the same wherever it is wrong",),
            "Wherever your function is wrong it answers the same: does something in it come out as "
            "0 or 1 there, such as a division with two slashes?",
        )
    return None


def _matters(base: "_Base", cases: Sequence[_Case]) -> bool:
    """Whether a mistake changes the right answer in one of the cases."""
    pairs = [(case, base(case), case.expected) for case in cases]
    return any(
        numbers.values.shape != right.values.shape
        or not case.near(numbers.values, right.values).all()
        for case, numbers, right in pairs
        if numbers and right
    )


def _all_numbers(cases: Sequence[_Case]) -> np.ndarray:
    """Return the numbers of all answers, one after the other."""
    return np.concatenate([case.answer.values.ravel() for case in cases if case.answer])


def _never_changes(cases: Sequence[_Case]) -> bool:
    """Whether there is one number in all answers, and different ones were expected."""
    values = _all_numbers(cases)
    wanted = set().union(*(_distinct(case.expected.values) for case in cases if case.expected))
    few = len(cases) < _CASES or len(wanted) < _CASES or not values.size
    return not few and bool((values == values[0]).all())


_NAN = (
    "For some inputs your function answers NaN, which comes from 0 over 0, from infinity minus "
    "infinity, or from the root or the logarithm of a negative number: where does one of these "
    "come up?"
)


def _and_nan(
    one: Explanation, wrong: Sequence[_Case], predicted: Callable[[_Case], np.ndarray | None]
) -> Explanation:
    """Add NaN to an explanation of wrong answers that predicts a number in its place."""
    for case in wrong:
        values = predicted(case)
        if values is None or case.answer is None or case.answer.values.shape != values.shape:
            continue
        if (np.isnan(case.answer.values) & ~np.isnan(values)).any():
            return Explanation((*one.names, "NaN"), f"{one.hint} {_NAN}")
    return one


def _not_finite(cases: Sequence[_Case], failed: Sequence[int]) -> Explanation | None:
    """Say where NaN or infinity come from, if there are any that should not be."""
    for case in (cases[index] for index in failed):
        if case.answer and case.expected and np.isfinite(case.expected.values).all():
            if np.isnan(case.answer.values).any():
                return Explanation(("NaN",), _NAN)
            if np.isinf(case.answer.values).any():
                return Explanation(
                    ("infinity",),
                    "For some inputs your function answers infinity, which comes from a number "
                    "divided by 0, or from one too large for its type: where does one of these "
                    "come up?",
                )
    return None


def _close(wrong: Sequence[_Case]) -> Explanation | None:
    """Recognise numbers that are nearly right."""
    for case in wrong:
        answer, expected = case.answer, case.expected
        if not answer or not expected or answer.shape != expected.shape:
            return None
        if not (np.abs(answer.values - expected.values) <= _NEARLY * np.abs(expected.values)).all():
            return None
    return Explanation(
        ("close, not exact",),
        "Your numbers are close and not exact: is something rounded, approximated, computed with "
        "too few digits, or added against a division by zero?",
    )


_Base = Callable[["_Case"], "_Numbers | None"]


class _Mistake(NamedTuple):
    """A wrong answer to start from: its name, its hint, and where a case keeps it."""

    name: str
    hint: str
    base: _Base


def _guesses(rubric: Rubric, case: _Case) -> Iterator[_Guess]:
    """Return the guesses that hold for one wrong answer, the simplest first."""
    nothing = _Mistake("", "", lambda one: one.expected)
    yield from _related(case, [nothing])
    yield from _scaled(case, [nothing])
    yield from _in_another_shape(case)
    arguments = [_argument(name) for name in case.question.arguments]
    yield from _alone(case, arguments)
    others = [_other_question(words) for words in case.question.other_questions]
    yield from _alone(case, others)
    known = [_known(name, hint) for name, hint in rubric.hints.items()]
    together = [_both(names) for names in case.question.both_wrong]
    yield from _alone(case, together, rubric.hints)
    yield from _multiplied(case, known, known)
    yield from _related(case, known)
    yield from _scaled(case, known)
    yield from _constant_factor(case)
    yield from _related(case, others)
    yield from _multiplied(case, known, others)


def _known(name: str, hint: str) -> _Mistake:
    return _Mistake(name, hint, lambda case: case.of(case.question.wrong_answers, name))


def _argument(name: str) -> _Mistake:
    hint = f"That is `{name}` itself, as your function was given it: what is to be done with it?"
    return _Mistake(
        f"`{name}` handed back", hint, lambda case: case.of(case.question.arguments, name)
    )


def _other_question(words: str) -> _Mistake:
    hint = f"Your answer is right for another question: {words}."
    return _Mistake(words, hint, lambda case: case.of(case.question.other_questions, words))


def _both(names: str) -> _Mistake:
    return _Mistake(names, "", lambda case: case.of(case.question.both_wrong, names))


def _two(first: tuple[str, str], second: tuple[str, str]) -> str:
    """Word a hint for two mistakes at once, each with its name and its own hint.

    What a hint says of the rest of the answer is true once the other is mended.
    """
    return (
        f"Two things at once: {first[0]}; and {second[0]}. The first: {first[1]} "
        f"And with that mended: {second[1]}"
    )


def _alone(
    case: _Case, mistakes: Sequence[_Mistake], hints: Mapping[str, str] | None = None
) -> Iterator[_Guess]:
    """Guess what gives the answer as it is; the ``hints`` are those of two made together."""
    assert case.answer is not None
    wanted = case.answer.values
    for owners, stack in _by_shape(case, mistakes):
        if stack.shape[1:] != wanted.shape:
            continue
        near = case.fits(stack).reshape(len(owners), -1).all(axis=1)
        for index in np.flatnonzero(near):
            mistake = owners[index]
            values = _values_of(mistake.base)
            if hints is None:
                yield _Guess((mistake.name,), mistake.hint, values)
            else:
                first, second = mistake.name.split(BOTH)
                hint = _two((first, hints[first]), (second, hints[second]))
                yield _Guess((first, second), hint, values, pair=True)


def _values_of(base: _Base) -> Callable[[_Case], np.ndarray | None]:
    def predicted(case: _Case) -> np.ndarray | None:
        numbers = base(case)
        return numbers and numbers.values

    return predicted


def _by_shape(
    case: _Case, mistakes: Sequence[_Mistake]
) -> Iterator[tuple[list[_Mistake], np.ndarray]]:
    """Stack what the mistakes answer, each shape by itself."""
    groups: dict[object, list[tuple[_Mistake, np.ndarray]]] = {}
    for mistake in mistakes:
        numbers = mistake.base(case)
        if numbers:
            groups.setdefault(numbers.values.shape, []).append((mistake, numbers.values))
    for group in groups.values():
        yield [mistake for mistake, _ in group], np.stack([values for _, values in group])


def _guess(
    mistake: _Mistake,
    name: str,
    hint: str,
    change: Callable[[_Case, np.ndarray], np.ndarray],
    factor: str = "",
) -> _Guess:
    """Guess that an answer was changed, the right one or a mistake's."""

    def predicted(case: _Case) -> np.ndarray | None:
        numbers = mistake.base(case)
        return None if numbers is None else change(case, numbers.values)

    if not mistake.name:
        return _Guess((name,), hint, predicted, factor=factor)

    def on_the_right_answer(case: _Case) -> _Numbers | None:
        right = case.expected
        return right and right._replace(values=change(case, right.values))

    both = _two((mistake.name, mistake.hint), (name, hint))
    alone = Explanation((mistake.name,), mistake.hint), on_the_right_answer
    return _Guess((mistake.name, name), both, predicted, pair=True, factor=factor, alone=alone)


def _related(case: _Case, mistakes: Sequence[_Mistake]) -> Iterator[_Guess]:
    """Guess that one of the general relations holds."""
    assert case.answer is not None
    wanted = case.answer.values
    for owners, stack in _by_shape(case, mistakes):
        made = [(relation, relation.of(stack)) for relation in RELATIONS]
        made = [(one, v) for one, v in made if v.shape == (len(owners), *wanted.shape)]
        if not made:
            continue
        near = case.fits(np.stack([values for _, values in made]))
        hits = near.reshape(len(made), len(owners), -1).all(axis=-1)
        for which, owner in np.argwhere(hits):
            relation = made[which][0]
            yield _guess(owners[owner], relation.name, relation.hint, _by_relation(relation))


def _by_relation(relation: Relation) -> Callable[[_Case, np.ndarray], np.ndarray]:
    def change(_case: _Case, values: np.ndarray) -> np.ndarray:
        changed = relation.of(values[None])
        return changed[0] if len(changed) else np.array(math.nan)

    return change


def _scaled(case: _Case, mistakes: Sequence[_Mistake]) -> Iterator[_Guess]:
    """Guess that a factor came in, which stands in the arguments or counts something."""
    assert case.answer is not None
    wanted, names = case.answer.values, list(case.factors)
    sizes = np.array(list(case.factors.values()))
    for owners, stack in _by_shape(case, mistakes):
        if stack.shape[1:] != wanted.shape or not wanted.size:
            continue
        flat, values = stack.reshape(len(owners), -1), wanted.ravel()
        largest = np.abs(flat).argmax(axis=1)
        ratios = values[largest] / flat[np.arange(len(owners)), largest]
        even = case.near(values, ratios[:, None] * flat).all(axis=1)
        for index in np.flatnonzero(even & np.isfinite(ratios)):
            mistake, ratio = owners[index], ratios[index]
            for which in np.flatnonzero(np.abs(sizes / ratio - 1) < _FACTORS):
                words = names[which]
                hint = f"Your answer is the right one, {words}: where does that come in?"
                yield _guess(mistake, words, hint, _by_factor(words), words)


def _constant_factor(case: _Case) -> Iterator[_Guess]:
    """Guess that a factor came in that nothing here knows."""
    answer, expected = case.answer, case.expected
    if not answer or not expected or answer.values.shape != expected.values.shape:
        return
    largest = np.abs(expected.values).argmax()
    ratio = float(answer.values.flat[largest] / expected.values.flat[largest])
    if math.isfinite(ratio) and ratio:
        hint = (
            "Your answer is the right one but for a factor, which is always the same: what has "
            "come in or been left out?"
        )
        yield _Guess(("a constant factor",), hint, lambda one: _times(ratio, one.expected))


def _times(ratio: float, numbers: _Numbers | None) -> np.ndarray | None:
    return numbers and ratio * numbers.values


def _by_factor(words: str) -> Callable[[_Case, np.ndarray], np.ndarray]:
    return lambda case, values: case.factors.get(words, 1.0) * values


def _in_another_shape(case: _Case) -> Iterator[_Guess]:
    """Guess that the right numbers came in another shape, or are still to be put together."""
    answer, expected = case.answer, case.expected
    assert answer is not None
    assert expected is not None
    if answer.values.shape == expected.values.shape:
        return
    if not expected.values.ndim and (answer.values == answer.values.flat[0]).all():
        hint = "The number is right, but there is more than one of it: one is asked for."
        yield _Guess(("one number, repeated",), hint, _repeated)
    if answer.values.size == expected.values.size:
        hint = "The numbers are right and their shape is not: compare the two shapes."
        yield _Guess(("shape",), hint, _reshaped)
    for relation in UNFINISHED:
        yield _Guess((relation.name,), relation.hint, _finished(relation))


def _reshaped(case: _Case) -> np.ndarray | None:
    """Predict the right numbers in the answer's own shape."""
    if not case.answer or not case.expected or case.answer.values.size != case.expected.values.size:
        return case.expected and case.expected.values
    return case.expected.values.reshape(case.answer.values.shape)


def _repeated(case: _Case) -> np.ndarray | None:
    """Predict the right number, as often as it is in the answer."""
    if not case.answer or not case.expected or case.expected.values.ndim:
        return None
    return np.full(case.answer.values.shape, case.expected.values)


def _finished(relation: Relation) -> Callable[[_Case], np.ndarray | None]:
    """Predict the answer itself, if what it still needs makes it right."""

    def predicted(case: _Case) -> np.ndarray | None:
        if not case.answer or not case.expected:
            return None
        finished = relation.of(case.answer.values[None])
        right = len(finished) and finished.shape[1:] == case.expected.values.shape
        if right and case.near(finished[0], case.expected.values).all():
            return case.answer.values
        return case.expected.values

    return predicted


def _multiplied(
    case: _Case, mistakes: Sequence[_Mistake], others: Sequence[_Mistake]
) -> Iterator[_Guess]:
    """Guess that two mistakes were made together, whose effects multiply or add up."""
    assert case.answer is not None
    wanted = case.answer.values
    if case.expected is None or case.expected.values.shape != wanted.shape:
        return
    rows = [
        (one, v.values)
        for one in mistakes
        if (v := one.base(case)) and v.values.shape == wanted.shape
    ]
    columns = [
        (one, v.values)
        for one in others
        if (v := one.base(case)) and v.values.shape == wanted.shape
    ]
    if not rows or not columns:
        return
    first = np.stack([values.ravel() for _, values in rows])[:, None]
    second = np.stack([values.ravel() for _, values in columns])[None]
    for combine in _COMBINED:
        made = combine(first, second, case.expected.values.ravel())
        for i, j in np.argwhere(case.near(wanted.ravel(), made).all(axis=-1)):
            one, other = rows[i][0], columns[j][0]
            if one.name == other.name or (mistakes is others and j < i):
                continue
            hint = _two((one.name, one.hint), (other.name, other.hint))
            yield _Guess(
                (one.name, other.name),
                hint,
                _by_two(one, other, combine),
                pair=True,
                members=(one.base, other.base),
            )


def _by_two(one: _Mistake, other: _Mistake, combine: Callable) -> Callable:
    def predicted(case: _Case) -> np.ndarray | None:
        first, second, right = one.base(case), other.base(case), case.expected
        if not first or not second or not right:
            return None
        if not first.values.shape == second.values.shape == right.values.shape:
            return None
        return combine(first.values, second.values, right.values)

    return predicted


def _multiply(first: np.ndarray, second: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply what both change; where the right answer is 0, neither may change it."""
    zero = np.where((first == 0) & (second == 0), 0.0, math.nan)
    return np.where(right == 0, zero, first * second / right)


def _added(first: np.ndarray, second: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Add what both change: each other entry, or an offset."""
    return np.where(
        first == right, second, np.where(second == right, first, first + second - right)
    )


_COMBINED: tuple[Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], ...] = (
    _multiply,
    _added,
    lambda first, second, right: np.exp(np.log(first) * np.log(second) / np.log(right)),
)

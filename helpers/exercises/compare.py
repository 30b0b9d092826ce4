"""Compare an answer with an expected one: entries, statistics, predictions, models.

Only numbers and text are compared, in float64, after :mod:`helpers.exercises.values` has
copied them out of exactly the types known there. What differs is said in the words of
:mod:`helpers.exercises.wording`.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, TypeGuard

import numpy as np

from helpers import text
from helpers.exercises import wording
from helpers.exercises.values import as_array, is_number, is_sequence

Comparison = Literal["entries", "statistics", "predictions"]

_SIGMAS = 7.0  # how far right draws of 2000 entries may lie apart; beyond 5.8 was none in 500000


class Tolerance(NamedTuple):
    """How numbers are compared, and how far they may lie apart.

    Attributes:
        rtol: Largest relative error of an entry; of predictions, the largest
            share that may be wrong.
        atol: Absolute error allowed on top, for entries near zero.
        compare: How numbers are compared: entry by entry; by the statistics of
            entries that were drawn at random, at least 2000 of them, lest a
            wrong spread go unnoticed; or by the share of predictions that agree.
    """

    rtol: float = 1e-4
    atol: float = 0.0
    compare: Comparison = "entries"


def difference(
    answer: object,
    expected: object,
    rtol: float = 1e-4,
    atol: float = 0.0,
    compare: Comparison = "entries",
) -> str | None:
    """Say how an answer differs from the expected one, None if it does not.

    A subclass, which could answer for itself, is refused. True and False are not
    numbers, NaN equals nothing.

    Args:
        answer: Numbers, arrays, tensors and strings, in lists and dicts.
        expected: The same. Infinite entries must be met exactly.
        rtol: As in the :class:`Tolerance`.
        atol: As in the :class:`Tolerance`.
        compare: As in the :class:`Tolerance`.

    Returns:
        Words that follow "returned", or None.

    Raises:
        TypeError: If ``expected`` holds anything else, such as True or None.

    Example:
        >>> import torch
        >>> difference(0.25, torch.tensor(0.25)) is None
        True
        >>> difference(torch.tensor([0.25]), 0.25)
        'a tensor of shape (1,); expected one number.'
        >>> difference([0.5, 0.25], ["a", 0.25])
        "a list whose item 0 is the number 0.5; expected 'a'."
    """
    return value_difference(answer, expected, Tolerance(rtol, atol, compare), hidden=False)


def value_difference(
    answer: object, expected: object, tolerance: Tolerance, *, hidden: bool
) -> str | None:
    """Do as :func:`difference`, and keep the numbers out of the words when hidden."""
    if _is_list_of_numbers(expected) and not _are_items(answer, len(expected)):
        wanted, values = as_array(expected), as_array(answer)
        assert wanted is not None
        if values is None or values.shape != wanted.shape:
            return f"{wording.kind(answer, hidden=hidden)}; expected a list of {len(wanted)}."
        return _COMPARISONS[tolerance.compare](answer, values, wanted, tolerance, hidden)
    if is_sequence(expected):
        if not is_sequence(answer) or len(answer) != len(expected):
            return f"{wording.kind(answer, hidden=hidden)}; expected a list of {len(expected)}."
        pairs = enumerate(zip(answer, expected, strict=True))
        return _first_difference("a list whose item", pairs, tolerance, hidden)
    if type(expected) is dict:
        return _dict_difference(answer, expected, tolerance, hidden)
    if type(expected) is str:
        return _text_difference(answer, expected, hidden)
    wanted = as_array(expected)
    if wanted is None:
        raise TypeError(f"expected must be plain numbers, text, lists or dicts, got {expected!r}")
    values = as_array(answer)
    if values is None or values.shape != wanted.shape:
        form = f"a tensor of shape {wanted.shape}" if wanted.ndim else "one number"
        return f"{wording.kind(answer, hidden=hidden)}; expected {form}."
    return _COMPARISONS[tolerance.compare](answer, values, wanted, tolerance, hidden)


def _is_list_of_numbers(value: object) -> TypeGuard[list[float] | tuple[float, ...]]:
    return is_sequence(value) and len(value) > 0 and all(map(is_number, value))


def _are_items(answer: object, many: int) -> bool:
    """Whether an answer is to be compared item by item, as not all of it is numbers."""
    return is_sequence(answer) and len(answer) == many and as_array(answer) is None


def _text_difference(answer: object, expected: str, hidden: bool) -> str | None:
    """Compare two texts."""
    if type(answer) is not str:
        wanted = "a text" if hidden else wording.literal(expected)
        return f"{wording.kind(answer, hidden=hidden)}; expected {wanted}."
    if answer == expected:
        return None
    if hidden:
        return "a text other than expected."
    return f"{wording.literal(answer)}; expected {wording.literal(expected)}."


def _dict_difference(
    answer: object, expected: dict[str, object], tolerance: Tolerance, hidden: bool
) -> str | None:
    """Compare two dicts with text as keys: first the keys, then what they lead to."""
    wanted = wording.keys(expected, hidden=hidden)
    if type(answer) is not dict or {type(key) for key in answer} - {str}:
        kind = wording.kind(answer, hidden=hidden)
        return f"{kind}; expected a dict with the keys {wanted}."
    if answer.keys() != expected.keys():
        return f"a dict with the keys {wording.keys(answer, hidden=hidden)}; expected {wanted}."
    pairs = ((wording.key(key, hidden=hidden), (answer[key], expected[key])) for key in expected)
    return _first_difference("a dict whose", pairs, tolerance, hidden)


def _first_difference(
    owner: str,
    pairs: Iterable[tuple[object, tuple[object, object]]],
    tolerance: Tolerance,
    hidden: bool,
) -> str | None:
    """Return the first difference between the items of two lists or dicts."""
    for place, (answer, expected) in pairs:
        found = value_difference(answer, expected, tolerance, hidden=hidden)
        if found:
            return f"{owner} {place} is {found}"
    return None


def model_difference(
    answer: object, expected: object, tolerance: Tolerance, *, hidden: bool
) -> str | None:
    """Say how a model differs, from what a :class:`ModelProbe` shows of it.

    Args:
        answer: What ``probe_model`` returned for the learner's model.
        expected: The same for the right model, or for a misconception's.
        tolerance: How outputs and gradients are compared.
        hidden: Whether to keep the numbers out of the words.

    Returns:
        Words that follow "returned", or None.
    """
    if type(expected) is not dict:  # a misconception's answer that is not a model
        return value_difference(answer, expected, tolerance, hidden=hidden)
    got = answer.get("parameter shapes") if type(answer) is dict else None
    if type(answer) is not dict or not _are_shapes(got):
        return f"{wording.kind(answer, hidden=hidden)}; expected a model."
    wanted = expected["parameter shapes"]
    if got != wanted:
        return f"a model with {wording.shapes(got)}; expected {wording.shapes(wanted)}."
    verbs = {"outputs": "are", "input gradient": "is", "parameter gradients": "are"}
    for name, verb in verbs.items():
        if name in expected:
            found = value_difference(answer.get(name), expected[name], tolerance, hidden=hidden)
            if found:
                return f"a model whose {name} {verb} {found}"
    return None


def _are_shapes(value: object) -> TypeGuard[list[list[int]]]:
    return type(value) is list and all(
        type(shape) is list and all(type(size) is int for size in shape) for shape in value
    )


def _entries_difference(
    answer: object, values: np.ndarray, expected: np.ndarray, tolerance: Tolerance, hidden: bool
) -> str | None:
    """Compare entry by entry."""
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = tolerance.atol + tolerance.rtol * np.abs(expected)
        near = np.abs(values - expected) <= allowed
    wrong = ~np.where(np.isfinite(expected), near, values == expected)
    if not wrong.any():
        return None
    return wording.wrong_entries(answer, values, expected, wrong, hidden=hidden)


def _statistics_difference(
    answer: object, values: np.ndarray, expected: np.ndarray, tolerance: Tolerance, hidden: bool
) -> str | None:
    """Compare two random draws of one shape: is their distribution the same?"""
    with np.errstate(all="ignore"):
        found, wanted = _statistics(values), _statistics(expected)
    kind = wording.kind(answer, hidden=hidden)
    for name, (value, error) in wanted.items():
        got = found.get(name, (math.nan, 0.0))[0]
        allowed = _SIGMAS * error + tolerance.atol + tolerance.rtol * abs(value)
        if abs(got - value) <= allowed:
            continue
        if hidden:
            return f"{kind} with another {name} than expected."
        digits = max(0, math.ceil(-math.log10(error))) if error else 17
        texts = wording.distinguished(round(got, digits), round(value, digits))
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
    answer: object, values: np.ndarray, expected: np.ndarray, tolerance: Tolerance, hidden: bool
) -> str | None:
    """Compare labels: a share of them may be wrong."""
    wrong = int((values != expected).sum())
    if wrong <= tolerance.rtol * expected.size + 1e-9:
        return None
    least = f"{text.number(100 * (1 - tolerance.rtol), 3)} %"
    kind = wording.kind(answer, hidden=hidden)
    if hidden:
        return f"{kind} of which fewer than {least} are right."
    right = text.number(100 * (1 - wrong / expected.size), 3)
    return f"{kind} of which {right} % are right; expected at least {least}."


_COMPARISONS: dict[
    Comparison, Callable[[object, np.ndarray, np.ndarray, Tolerance, bool], str | None]
] = {
    "entries": _entries_difference,
    "statistics": _statistics_difference,
    "predictions": _predictions_difference,
}

"""What may have been done to the right answer of any exercise to make it wrong.

A relation is looked for by :mod:`helpers.exercises.explaining`. It works on the entries
alone and knows no exercise.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_Change = Callable[[np.ndarray], np.ndarray]


class Relation(NamedTuple):
    """Something that turns a right answer into a wrong one, whatever the exercise.

    Attributes:
        name: What was done, in a few words, for the class report.
        hint: One sentence that says so to the learner.
        of: Does it to several answers of one shape at once, stacked along the
            first axis; what comes back may have another shape.
    """

    name: str
    hint: str
    of: _Change


def _entries_of(values: np.ndarray) -> tuple[int, ...]:
    """Return all axes but the first, along which different answers lie."""
    return tuple(range(1, values.ndim))


def _only(dimensions: int, change: _Change) -> _Change:
    """Restrict a change to answers of so many dimensions or more; others get no entries."""
    return lambda values: change(values) if values.ndim > dimensions and values.size else values[:0]


def _digits(digits: int) -> _Change:
    return lambda values: np.round(values, digits)


_LN10 = math.log(10)
_SUM = _only(1, lambda v: v.sum(axis=_entries_of(v)))
_MEAN = _only(1, lambda v: v.mean(axis=_entries_of(v)))
_NORM = _only(1, lambda v: np.sqrt((v**2).sum(axis=_entries_of(v))))
_SUM_OF_ROWS = _only(2, lambda v: v.sum(axis=1))
_MEAN_OF_ROWS = _only(2, lambda v: v.mean(axis=1))
_BUT_THE_FIRST = _only(1, lambda v: v[:, 1:])
_BUT_THE_LAST = _only(1, lambda v: v[:, :-1])

# The likeliest first.
RELATIONS: tuple[Relation, ...] = (
    Relation(
        "sign turned round",
        "The sizes are right and all signs are turned round: which of the two comes first in your "
        "difference or ratio, or is a minus missing?",
        lambda v: -v,
    ),
    Relation(
        "sign dropped",
        "The sizes are right, but a sign has been lost on the way.",
        lambda v: abs(v),
    ),
    Relation("twice too large", "Each number is exactly twice too large.", lambda v: 2 * v),
    Relation("half as large", "Each number is exactly half of what it should be.", lambda v: v / 2),
    Relation(
        "natural logarithm for base 10",
        "Each number is 2.3 times too large, which is ln 10: which base has your logarithm?",
        lambda v: _LN10 * v,
    ),
    Relation(
        "base 10 for the natural logarithm",
        "Each number is 2.3 times too small, which is ln 10: which base has your logarithm?",
        lambda v: v / _LN10,
    ),
    Relation(
        "base 2 for base 10",
        "Each number is 3.3 times too large, as if the logarithm had base 2 instead of 10.",
        lambda v: v * math.log2(10),
    ),
    Relation(
        "base 2 for the natural logarithm",
        "Each number is 1.4 times too large, as if the logarithm had base 2 instead of e.",
        lambda v: v / math.log(2),
    ),
    Relation(
        "ten times too large", "Each number is exactly ten times too large.", lambda v: 10 * v
    ),
    Relation(
        "ten times too small", "Each number is exactly ten times too small.", lambda v: v / 10
    ),
    Relation(
        "percent, not a share",
        "Each number is a hundred times too large: it is in percent.",
        lambda v: 100 * v,
    ),
    Relation(
        "root of 2 too large",
        "Each number is too large by the root of 2: where has a 2 come in, or not gone out?",
        lambda v: math.sqrt(2) * v,
    ),
    Relation(
        "root of 2 too small",
        "Each number is too small by the root of 2: where has a 2 been lost?",
        lambda v: v / math.sqrt(2),
    ),
    Relation(
        "root of 3 too large",
        "Each number is too large by the root of 3, which leads from a standard deviation to the "
        "bound of a uniform distribution.",
        lambda v: math.sqrt(3) * v,
    ),
    Relation(
        "squared",
        "That is the square of what is asked for: a root is missing, or a square too many.",
        lambda v: v**2,
    ),
    Relation(
        "root taken",
        "That is the root of what is asked for: a square is missing, or a root too many.",
        lambda v: np.sqrt(v),
    ),
    Relation(
        "upside down",
        "That is one over what is asked for: numerator and denominator have changed places.",
        lambda v: 1 / v,
    ),
    Relation(
        "squared and upside down",
        "That is one over the square of what is asked for.",
        lambda v: 1 / v**2,
    ),
    Relation(
        "root taken and upside down",
        "That is one over the root of what is asked for.",
        lambda v: 1 / np.sqrt(v),
    ),
    Relation(
        "logarithm taken",
        "That is the natural logarithm of what is asked for.",
        lambda v: np.log(v),
    ),
    Relation(
        "logarithm to base 10 taken",
        "That is the logarithm to base 10 of what is asked for.",
        lambda v: np.log10(v),
    ),
    Relation(
        "exponential taken",
        "That is the exponential of what is asked for: take the logarithm to come back.",
        lambda v: np.exp(v),
    ),
    Relation(
        "power of ten taken",
        "That is ten to the power of what is asked for: take the logarithm to come back.",
        lambda v: 10**v,
    ),
    Relation(
        "one minus the answer",
        "That is what is left of 1: the other share of the two.",
        lambda v: 1 - v,
    ),
    Relation("answer minus one", "Each number is too small by exactly 1.", lambda v: v - 1),
    Relation("one more", "Each number is too large by exactly 1.", lambda v: v + 1),
    Relation("two less", "Each number is too small by exactly 2.", lambda v: v - 2),
    Relation("two more", "Each number is too large by exactly 2.", lambda v: v + 2),
    Relation(
        "cut to whole numbers",
        "Your numbers are the right ones without what stands behind the point: do not cut it off.",
        lambda v: np.trunc(v),
    ),
    Relation(
        "rounded down",
        "Your numbers are the right ones rounded down to whole numbers.",
        lambda v: np.floor(v),
    ),
    Relation(
        "rounded up",
        "Your numbers are the right ones rounded up to whole numbers.",
        lambda v: np.ceil(v),
    ),
    Relation(
        "rounded to whole numbers",
        "Your numbers are the right ones rounded to whole numbers.",
        lambda v: np.round(v),
    ),
    *(
        Relation(
            f"rounded to {digits} decimals",
            f"Your numbers are the right ones rounded to {digits} "
            f"decimal{'s' * (digits > 1)}: hand them over as they are.",
            _digits(digits),
        )
        for digits in (1, 2, 3, 4)
    ),
    Relation(
        "order reversed",
        "The numbers are right and their order is reversed: which end comes first?",
        _only(1, lambda v: v[:, ::-1]),
    ),
    Relation(
        "sorted",
        "The numbers are right, but sorted by size: they belong in the order of the items.",
        _only(1, lambda v: np.sort(v, axis=-1)),
    ),
    Relation(
        "each row reversed",
        "The numbers are right and the order within each row is reversed.",
        _only(2, lambda v: np.flip(v, axis=-1)),
    ),
    Relation(
        "transposed",
        "The numbers are right, and rows and columns have changed places.",
        _only(2, lambda v: np.swapaxes(v, -1, -2)),
    ),
    Relation(
        "running total",
        "That is the running total: each number still contains those before it.",
        _only(1, lambda v: np.cumsum(v, axis=-1)),
    ),
    Relation(
        "running product",
        "That is the running product: each number is multiplied by all those before it.",
        _only(1, lambda v: np.cumprod(v, axis=-1)),
    ),
    Relation(
        "divided by the sum",
        "The ratios between your numbers are right, but all are divided by their sum.",
        _only(1, lambda v: v / v.sum(axis=_entries_of(v), keepdims=True)),
    ),
    Relation(
        "divided by the largest",
        "The ratios between your numbers are right, but all are divided by the largest.",
        _only(1, lambda v: v / abs(v).max(axis=_entries_of(v), keepdims=True, initial=0)),
    ),
    Relation(
        "divided by the norm",
        "The ratios between your numbers are right, but all are divided by their norm.",
        _only(1, lambda v: v / np.sqrt((v**2).sum(axis=_entries_of(v), keepdims=True))),
    ),
    Relation(
        "mean taken away",
        "The differences between your numbers are right, but their mean has been taken away.",
        _only(1, lambda v: v - v.mean(axis=_entries_of(v), keepdims=True)),
    ),
    Relation(
        "summed over entries",
        "That is the sum of the right numbers. Each of them is asked for: do not add them up.",
        _SUM,
    ),
    Relation(
        "mean over entries",
        "That is the mean of the right numbers. Each of them is asked for.",
        _MEAN,
    ),
    Relation(
        "norm over entries",
        "That is the norm of the right numbers. Each of them is asked for.",
        _NORM,
    ),
    Relation(
        "largest entry alone",
        "That is the largest of the right numbers. All of them are asked for.",
        _only(1, lambda v: v.max(axis=_entries_of(v), initial=-np.inf)),
    ),
    Relation(
        "first item alone",
        "That is only the first of what is asked for: where are the others?",
        _only(1, lambda v: v[:, 0] if v.shape[1] else v[:0]),
    ),
    Relation(
        "last item alone",
        "That is only the last of what is asked for: where are the others?",
        _only(1, lambda v: v[:, -1] if v.shape[1] else v[:0]),
    ),
    Relation(
        "first item missing",
        "The numbers are right, but the first item of the answer is missing.",
        _BUT_THE_FIRST,
    ),
    Relation(
        "last item missing",
        "The numbers are right, but the last item of the answer is missing.",
        _BUT_THE_LAST,
    ),
    Relation(
        "summed over rows",
        "The rows of what is asked for have been added up.",
        _SUM_OF_ROWS,
    ),
    Relation(
        "mean over rows",
        "The rows of what is asked for have been averaged.",
        _MEAN_OF_ROWS,
    ),
    Relation(
        "summed over columns",
        "The numbers within each row of what is asked for have been added up.",
        _only(2, lambda v: v.sum(axis=-1)),
    ),
    Relation(
        "mean over columns",
        "The numbers within each row of what is asked for have been averaged.",
        _only(2, lambda v: v.mean(axis=-1)),
    ),
)

# What an answer still needs that has more entries than were asked for.
UNFINISHED: tuple[Relation, ...] = (
    Relation(
        "not added up",
        "One number for each entry is there. Their sum is what is asked for.",
        _SUM,
    ),
    Relation(
        "not averaged",
        "One number for each entry is there. Their mean is what is asked for.",
        _MEAN,
    ),
    Relation(
        "norm not taken",
        "One number for each entry is there. Their norm is what is asked for.",
        _NORM,
    ),
    Relation(
        "rows not added up",
        "There is still one row for each sample. The sum over the rows is what is asked for.",
        _SUM_OF_ROWS,
    ),
    Relation(
        "rows not averaged",
        "There is still one row for each sample. The mean over the rows is what is asked for.",
        _MEAN_OF_ROWS,
    ),
    Relation(
        "one item too many",
        "The numbers are right, but there is one item too many, at the beginning.",
        _BUT_THE_FIRST,
    ),
    Relation(
        "one item too many at the end",
        "The numbers are right, but there is one item too many, at the end.",
        _BUT_THE_LAST,
    ),
)

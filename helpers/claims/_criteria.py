"""What a claim is held to, and how its numbers are written."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch

from helpers import checks, text


class Criterion(NamedTuple):
    """What a measurement must meet.

    Attributes:
        expected: The value or the bound, in words.
        tolerance: How far from the value it may be, in words; empty for a bound.
        holds: Whether a measurement meets it; NaN does not.
    """

    expected: str
    tolerance: str
    holds: Callable[[float], bool]

    @property
    def words(self) -> str:
        """The criterion as the end of a sentence: claimed ..."""
        if not self.tolerance:
            return self.expected
        if self.tolerance == "exact":
            return f"exactly {self.expected}"
        return f"within {self.tolerance} of {self.expected}"


def plain_number(name: str, value: object) -> bool | int | float:
    """Return one number, however it is wrapped, as a plain Python number."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        if value.ndim > 0:
            raise TypeError(
                f"{name} must be one number, got shape {tuple(value.shape)}; "
                "pass its largest entry, its mean or its norm"
            )
        value = value.item()
    if not isinstance(value, bool | int | float):
        raise TypeError(f"{name} must be one number, got a {type(value).__name__}")
    try:
        float(value)
    except OverflowError:
        raise TypeError(f"{name} must fit a float, got a larger integer") from None
    return value


def criterion(given: Mapping[str, object], within: float | None, factor: float | None) -> Criterion:
    """Return one criterion in words and as a test.

    Args:
        given: Its name, of ``equals``, ``about``, ``above``, ``below`` and ``between``, and
            its bound.
        within: As in ``claim``.
        factor: As in ``claim``.

    Raises:
        TypeError: If a bound is not one number.
        ValueError: If there is not exactly one criterion, or it makes no sense.
    """
    if "about" not in given and (within is not None or factor is not None):
        raise ValueError(
            "within and factor belong to about: also pass about=, the value to be near"
        )
    if len(given) != 1:
        raise ValueError(
            "give exactly one of equals, about, above, below and between, "
            f"got {' and '.join(given) or 'none'}"
        )
    ((name, bound),) = given.items()
    if name == "equals":
        exact = _exact(bound)
        return Criterion(text.number(exact), "exact", lambda value: value == exact)
    if name == "between":
        low, high = _pair(bound)
        words = f"between {_bound_text(low)} and {_bound_text(high)}"
        return Criterion(words, "", lambda value: low <= value <= high)
    bound = _finite(name, bound)
    shown = _bound_text(bound)
    if name == "above":
        return Criterion(f"above {shown}", "", lambda value: value > bound)
    if name == "below":
        return Criterion(f"below {shown}", "", lambda value: value < bound)
    if (within is None) == (factor is None):
        raise ValueError("about needs within, such as 0.03, or factor, such as 2.0, and not both")
    if bound == 0:
        raise ValueError("about must not be 0, to which nothing is relatively near; use between")
    if factor is not None:
        factor = _finite("factor", factor)
        if factor <= 1:
            raise ValueError(f"factor must be above 1, got {_bound_text(factor)}")
        ratio = factor
        return Criterion(
            shown,
            f"a factor {_bound_text(factor)}",
            lambda value: 1 / ratio <= float(value) / bound <= ratio,
        )
    distance = _finite("within", within)
    if distance <= 0:
        raise ValueError(f"within must be above 0, such as 0.03, got {_bound_text(distance)}")
    return Criterion(
        shown,
        f"{_bound_text(100 * distance)} %",
        lambda value: abs(value - bound) <= distance * abs(bound),
    )


def _finite(name: str, value: object) -> float:
    """Return a bound as a number, or say what is wrong with it."""
    return checks.number(name, plain_number(name, value), negative=True)


def _exact(value: object) -> float:
    """Return what a measurement must equal; that may be an infinity."""
    plain = plain_number("equals", value)
    return float(plain) if math.isinf(plain) else _finite("equals", plain)


def _pair(value: object) -> tuple[float, float]:
    """Return both ends of an interval, the lower one first."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError("between must be a pair, such as between=(0.1, 0.2)")
    low, high = (_finite("between", end) for end in value)
    if not low < high:
        raise ValueError(
            "between must go from the lower bound to the higher one, "
            f"got {_bound_text(low)} and {_bound_text(high)}"
        )
    return low, high


def _bound_text(value: float) -> str:
    """Write a bound: in full when typed in, without the noise when computed."""
    return text.number(value, 6)


def measured_text(value: float, digits: int) -> str:
    """Write a measurement; a count is shown in full."""
    if isinstance(value, int) and abs(value) < 1_000_000:
        return str(value)
    return text.number(value, digits)

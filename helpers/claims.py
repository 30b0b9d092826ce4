"""Say what a cell shows, and stop when it does not; compare a guess.

A claim prints one line with three significant digits, so that the line can be
stored in a notebook and compared word for word when the notebook runs again.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from helpers import checks, text


class ClaimError(AssertionError):
    """A claim that the measurement does not support."""


def claim(
    statement: str,
    measured: object,
    *,
    equals: float | None = None,
    about: float | None = None,
    within: float | None = None,
    factor: float | None = None,
    above: float | None = None,
    below: float | None = None,
    between: tuple[float, float] | None = None,
    digits: int = 3,
    drifts: bool = False,
) -> None:
    """Print that a measurement holds, or raise when it does not.

    Give exactly one criterion. A measurement that is True or False is its own
    criterion and takes none. NaN meets no criterion.

    Args:
        statement: What the measurement shows, in words.
        measured: One number, a tensor or array with one number and no
            dimensions, or True or False.
        equals: The exact value.
        about: The value to be near to; needs ``within`` or ``factor``.
        within: Largest relative distance from ``about``; 0.03 is 3 %.
        factor: Largest ratio to ``about``, either way; 2.0 is half to double.
        above: A bound that the measurement must exceed.
        below: A bound that the measurement must stay under.
        between: Lower and upper bound, both allowed.
        digits: Significant digits of the measurement to print. Fewer than 3 for
            what the rounding of another processor moves.
        drifts: Keep the number out of the line. For training results, whose
            last digits differ between machines.

    Raises:
        ClaimError: If the measurement does not meet the criterion.
        TypeError: If ``measured`` or a bound is not one number, or
            ``statement`` is not text.
        ValueError: If there is not exactly one criterion, or it makes no sense.

    Example:
        >>> claim("ten sigmoids at 0 leave", 0.25**10, below=1e-5)
        ✓ ten sigmoids at 0 leave: 9.54e-7 (claimed below 1e-5)
        >>> claim("the first layer moved", 0.1 + 0.2 != 0.3)
        ✓ the first layer moved: holds
    """
    if not isinstance(statement, str) or not statement.strip():
        raise TypeError("statement must be a few words, such as 'gradient lost per layer'")
    statement = " ".join(statement.split())
    digits = checks.whole("digits", digits, least=1, most=15)
    value = _plain_number("measured", measured)
    criteria = {
        "equals": equals,
        "about": about,
        "above": above,
        "below": below,
        "between": between,
    }
    given = {name: bound for name, bound in criteria.items() if bound is not None}
    if about is None and (within is not None or factor is not None):
        raise ValueError(
            "within and factor belong to about: also pass about=, the value to be near"
        )

    if isinstance(value, bool):
        if given:
            raise ValueError(
                f"a measurement of True or False needs no criterion, got {' and '.join(given)}"
            )
        if not value:
            raise ClaimError(f"Claim failed: {statement}")
        print(f"✓ {statement}: holds")  # noqa: T201
        return

    if len(given) != 1:
        raise ValueError(
            "give exactly one of equals, about, above, below and between, "
            f"got {' and '.join(given) or 'none'}"
        )
    words, holds = _criterion(given, within, factor)
    if not holds(value):
        raise ClaimError(f"Claim failed: {statement}: measured {value!r}, claimed {words}")
    shown = "holds" if drifts else _measured_text(value, digits)
    print(f"✓ {statement}: {shown} (claimed {words})")  # noqa: T201


def predict(question: str, guess: object, measured: object, *, digits: int = 3) -> None:
    """Print how far a guess was from the measurement, in decades.

    Never raises for a guess, whatever it is: a guess that is not a number
    earns one sentence that says what to write.

    Args:
        question: What was asked.
        guess: The learner's number, or None before there is one.
        measured: The number found.
        digits: Significant digits of it to print, as in ``claim``.

    Raises:
        TypeError: If ``measured`` is not one number.
        ValueError: If ``digits`` is not between 1 and 15.

    Example:
        >>> predict("How much is left after 10 layers?", None, 0.5**10)
        How much is left after 10 layers? No prediction yet: write a number in place of
        None and run the cell again. Measured: 0.000977.
        >>> predict("How much is left after 10 layers?", 0.1, 0.5**10)
        How much is left after 10 layers? You said 0.1, measured 0.000977: 2.0 decades
        too high.
    """
    found = float(_plain_number("measured", measured))
    digits = checks.whole("digits", digits, least=1, most=15)
    if guess is None:
        verdict = (
            "No prediction yet: write a number in place of None and run the cell again. "
            f"Measured: {text.number(found, digits)}."
        )
    else:
        number = _guess(guess)
        if number is None:
            verdict = (
                "A prediction is one number, written like 0.001 or 1e-3 and without quotes: "
                "please change yours and run the cell again."
            )
        else:
            verdict = _distance(number, found, digits)
    print(f"{question} {verdict}")  # noqa: T201


def _plain_number(name: str, value: object) -> bool | int | float:
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


def _criterion(
    given: Mapping[str, object], within: float | None, factor: float | None
) -> tuple[str, Callable[[float], bool]]:
    """Return one criterion in words and as a test."""
    ((name, bound),) = given.items()
    if name == "equals":
        bound = _exact(bound)
        return f"exactly {text.number(bound)}", lambda value: value == bound
    if name == "between":
        low, high = _pair(bound)
        words = f"between {_bound_text(low)} and {_bound_text(high)}"
        return words, lambda value: low <= value <= high
    bound = _finite(name, bound)
    shown = _bound_text(bound)
    if name == "above":
        return f"above {shown}", lambda value: value > bound
    if name == "below":
        return f"below {shown}", lambda value: value < bound
    if (within is None) == (factor is None):
        raise ValueError("about needs within, such as 0.03, or factor, such as 2.0, and not both")
    if bound == 0:
        raise ValueError("about must not be 0, to which nothing is relatively near; use between")
    if factor is not None:
        factor = _finite("factor", factor)
        if factor <= 1:
            raise ValueError(f"factor must be above 1, got {_bound_text(factor)}")
        words = f"within a factor {_bound_text(factor)} of {shown}"
        return words, lambda value: 1 / factor <= float(value) / bound <= factor
    within = _finite("within", within)
    if within <= 0:
        raise ValueError(f"within must be above 0, such as 0.03, got {_bound_text(within)}")
    words = f"within {_bound_text(100 * within)} % of {shown}"
    return words, lambda value: abs(value - bound) <= within * abs(bound)


def _finite(name: str, value: object) -> float:
    """Return a bound as a number, or say what is wrong with it."""
    return checks.number(name, _plain_number(name, value), negative=True)


def _exact(value: object) -> float:
    """Return what a measurement must equal; that may be an infinity."""
    plain = _plain_number("equals", value)
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


def _measured_text(value: float, digits: int) -> str:
    """Write a measurement; a count is shown in full."""
    if isinstance(value, int) and abs(value) < 1_000_000:
        return str(value)
    return text.number(value, digits)


def _guess(guess: object) -> float | None:
    """Return a learner's guess as a finite number, None when it is not one."""
    # A guess can be any object at all, with properties that raise as well.
    try:
        value = _plain_number("guess", guess)
    except Exception:
        return None
    if isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def _distance(guess: float, found: float, digits: int) -> str:
    """Say how far apart two numbers are."""
    both = f"You said {text.number(guess, 3)}, measured {text.number(found, digits)}"
    if guess == found:
        return f"{both}: exactly right, well predicted."
    if guess == 0 or found == 0 or not math.isfinite(found):
        return f"{both}: no number of decades lies between them."
    if (guess > 0) != (found > 0):
        return f"{both}: the other sign."
    decades = math.log10(abs(guess)) - math.log10(abs(found))
    if abs(decades) <= math.log10(2):
        return f"{both}: within a factor 2, well predicted."
    size = "too high" if guess > found else "too low"
    return f"{both}: {abs(decades):.1f} decades {size}."

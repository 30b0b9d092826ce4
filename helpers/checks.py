"""Check arguments: one wording for what is wrong, and the nearest name that is right.

Each check returns the value that it lets through, as a plain Python number or text, so
that a caller may go on with what comes back.
"""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real


def number(
    argument: str, value: object, *, positive: bool = False, negative: bool = False
) -> float:
    """Return a finite number, or refuse it.

    Args:
        argument: The name to put into the sentence.
        value: What somebody passed; a tensor or an array of no dimensions counts.
        positive: Whether 0 is refused.
        negative: Whether numbers below 0 are allowed.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is not finite, or has the wrong sign.

    Example:
        >>> number("gain", 2)
        2.0
        >>> number("gain", -1)
        Traceback (most recent call last):
        ValueError: gain must be finite and zero or positive, got -1
    """
    given = _unwrapped(value)
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{argument} must be a number, got {value!r}")
    try:
        plain = float(given)
    except OverflowError:  # a whole number or a fraction that no float can hold
        plain = given = -math.inf if given < 0 else math.inf
    wrong_sign = not negative and (plain < 0 or (positive and plain == 0))
    if not math.isfinite(plain) or wrong_sign:
        sign = "" if negative else " and positive" if positive else " and zero or positive"
        raise ValueError(f"{argument} must be finite{sign}, got {given}")
    return plain


def whole(
    argument: str, value: object, *, least: int | None = None, most: int | None = None
) -> int:
    """Return a whole number, or refuse it.

    Args:
        argument: The name to put into the sentence.
        value: What somebody passed; a tensor or an array of no dimensions counts.
        least: The smallest value allowed; None allows all.
        most: The largest value allowed; None allows all.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is too small or too large.

    Example:
        >>> whole("depth", 0, least=1)
        Traceback (most recent call last):
        ValueError: depth must be at least 1, got 0
    """
    given = _unwrapped(value)
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise TypeError(f"{argument} must be a whole number, got {value!r}")
    plain = int(given)
    if least is not None and most is not None and not least <= plain <= most:
        raise ValueError(f"{argument} must be between {least} and {most}, got {plain}")
    if least is not None and plain < least:
        raise ValueError(f"{argument} must be at least {least}, got {plain}")
    if most is not None and plain > most:
        raise ValueError(f"{argument} must be at most {most}, got {plain}")
    return plain


def choice(argument: str, value: object, choices: Iterable[str]) -> str:
    """Return one of some names, or refuse what is none of them.

    Args:
        argument: The name to put into the sentence.
        value: What somebody passed.
        choices: The names.

    Raises:
        TypeError: If it is not a text.
        ValueError: If it is another text; the sentence has the nearest name.

    Example:
        >>> choice("activation", "RELU", ["relu", "tanh"])
        Traceback (most recent call last):
        ValueError: activation 'RELU' is not known; did you mean 'relu'?
    """
    names = list(choices)
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be a name such as {names[0]!r}, got {value!r}")
    if value not in names:
        raise ValueError(f"{argument} {value!r} is not known; {suggestion(value, names)}")
    return str(value)  # numpy's texts are texts too


def set_plain(record: object, **values: float) -> None:
    """Replace numbers of numpy or torch in a frozen record by plain Python numbers.

    Plain numbers compare, hash and print as they should. What is an int or a float already
    stays as it is: a 2 does not become 2.0.

    Args:
        record: A dataclass, in its ``__post_init__``.
        **values: What the checks returned, by the name of the field.

    Example:
        >>> import numpy as np
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Size:
        ...     width: float
        ...
        ...     def __post_init__(self):
        ...         set_plain(self, width=number("width", self.width))
        >>> Size(np.float32(8)), Size(8)
        (Size(width=8.0), Size(width=8))
    """
    for name, value in values.items():
        if type(getattr(record, name)) not in (int, float):
            object.__setattr__(record, name, value)


def suggestion(word: str, names: Iterable[str]) -> str:
    """Say which name may have been meant, or else which names there are.

    Args:
        word: What somebody wrote.
        names: What there is.

    Returns:
        The second half of a sentence, without its full stop.

    Example:
        >>> suggestion("dept", ["depth", "width"])
        "did you mean 'depth'?"
        >>> suggestion("colour", ["depth", "width"])
        'choose from depth, width'
    """
    names = list(names)
    by_lower = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]!r}?" if near else f"choose from {', '.join(names)}"


def _unwrapped(value: object) -> object:
    """Take a number out of a tensor or an array that has no dimensions."""
    # Duck-typed, as importing torch here would cost whoever needs no torch two seconds.
    item, dimensions = getattr(value, "item", None), getattr(value, "ndim", None)
    return item() if callable(item) and dimensions == 0 else value

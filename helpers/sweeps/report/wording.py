"""How a page writes numbers, parameters and settings."""

import math
from collections.abc import Mapping
from numbers import Real

import pandas as pd

from helpers import text


def number(value: float, significant: int = 4) -> str:
    """Write a number: a whole part below a million in full, and infinity as its sign.

    Example:
        >>> [number(value) for value in (0.123456, 123456.7, 1234567, -math.inf)]
        ['0.1235', '123457', '1.235e6', '-∞']
    """
    if 10**significant <= abs(value) < 1e6:
        return text.number(round(value))
    return text.number(value, significant).replace("inf", "∞")


def label(value: object) -> str:
    """Write a parameter so that different values read differently."""
    if is_gap(value):
        return "none"
    if isinstance(value, Real) and not isinstance(value, bool):
        return text.number(float(value))
    return str(value)


def setting(labels: Mapping[str, str]) -> str:
    """Write a setting, as in ``depth 20, activation tanh``."""
    return ", ".join(f"{name} {label}" for name, label in labels.items())


def is_gap(value: object) -> bool:
    """Say whether this stands for no value."""
    return value is None or value is pd.NA or (isinstance(value, Real) and math.isnan(value))

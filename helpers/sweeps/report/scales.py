"""Decide where values lie on an axis of a picture, and how they are written there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers import text
from helpers.sweeps.report.runs import all_numbers


@dataclass(frozen=True)
class Axis:
    """One parameter on an axis of a picture.

    Attributes:
        name: What it is called there.
        labels: Its values as the runs have them.
        places: Where they lie.
        scale: ``linear`` or ``log``; ``names`` or ``steps`` if they are evenly spaced,
            steps being numbers.
        words: How they are written there.
    """

    name: str
    labels: Sequence[str]
    places: Sequence[float]
    scale: str
    words: Sequence[str]

    @property
    def even(self) -> bool:
        """Whether the values are evenly spaced, whatever they are."""
        return self.scale in ("names", "steps")

    @property
    def drawn_scale(self) -> str:
        """The scale in the words of a plot."""
        return "linear" if self.even else self.scale

    def too_long(self, letters: float) -> bool:
        """Say whether names in a row need more than so many letters."""
        return self.even and (1 + max(map(len, self.words))) * len(self.words) > letters

    def ticks(self, letters: float) -> dict[float, str] | None:
        """Return what to write where, if each value has room on an axis of so many letters."""
        places = np.log(self.places) if self.scale == "log" else np.array(self.places)
        longest = max(map(len, self.words))
        if self.even or np.diff(places).min() / np.ptp(places) * letters > longest:
            return dict(zip(self.places, self.words, strict=True))
        return None


def axis_for(name: str, values: Mapping[str, Any]) -> Axis:
    """Return the axis for a parameter whose values are given by label."""
    labels, numbers = list(values), list(values.values())
    words = [plain(label) for label in labels]
    if len(set(words)) < len(words):  # long names that begin alike
        words = [f"{place}: {word}" for place, word in enumerate(words, 1)]
    even = [float(place) for place in range(len(labels))]
    if not all_numbers(numbers):
        return Axis(plain(name), labels, even, "names", words)
    if numbers[0] == 0 and _geometric(numbers[1:]):
        return Axis(plain(name), labels, even, "steps", words)
    scale = "log" if _geometric(numbers) else "linear"
    return Axis(plain(name), labels, [float(number) for number in numbers], scale, words)


def _geometric(rising: Sequence[float]) -> bool:
    """Say whether the ratios of numbers are more alike than their differences."""
    if len(rising) < 3 or rising[0] <= 0 or rising[-1] < 5 * rising[0]:
        return False
    steps, ratios = np.diff(rising), np.diff(np.log(rising))
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())


def plain(name: str) -> str:
    """Shorten a name for a picture; let a dollar be a dollar, not the start of a formula."""
    return text.shortened(name, 23).replace("$", r"\$")


def spans_decades(values: Sequence[float]) -> bool:
    """Say whether numbers need a logarithmic axis."""
    numbers = [value for value in values if not math.isnan(value)]
    positive = [value for value in numbers if 0 < value < math.inf]
    return bool(positive) and min(numbers) >= 0 and max(positive) / 100 > min(positive)


def drawable(value: float) -> float:
    """Take a number that no axis can hold for infinite or 0."""
    if abs(value) > 1e300:
        return math.copysign(math.inf, value)
    return 0.0 if abs(value) < 1e-300 else value

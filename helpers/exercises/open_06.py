"""Open exercise of lesson 06: a start of one's own for any depth.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from torch.nn import functional

from helpers import data, models, probe, text
from helpers.exercises.open_exercises import Condition, OpenExercise

_WIDTH = 32
_BUILT, _PREDICTED = (100, 300, 1000), 3000  # depths: probed, and left to theory
_BOUND = 0.5  # decades


def _returns_two_numbers(answer: Callable[..., Any]) -> tuple[bool, str]:
    for depth in (*_BUILT, _PREDICTED):
        found = answer(depth)
        if not isinstance(found, tuple | list) or len(found) != 2:
            return False, f"at depth {depth} it returned one {type(found).__name__}"
        try:
            gain, bias_var = map(float, found)
        except (TypeError, ValueError, RuntimeError):
            kinds = " and ".join(type(one).__name__ for one in found)
            return False, f"at depth {depth} it returned {kinds}"
        if not (math.isfinite(gain) and gain > 0 and math.isfinite(bias_var) and bias_var >= 0):
            shown = f"{text.number(gain, 3)} and {text.number(bias_var, 3)}"
            return False, f"at depth {depth} they are {shown}"
    return True, ""


def _setting(answer: Callable[..., Any], depth: int) -> models.Setting:
    gain, bias_var = map(float, answer(depth))
    return models.Setting(depth, _WIDTH, "tanh", "orthogonal", gain=gain, bias_var=bias_var)


def _said(lost: float) -> tuple[bool, str]:
    """Judge how many decades of the delta norm are lost, and say it in words."""
    verb = "loses" if lost > 0 else "gains"
    return abs(lost) <= _BOUND, f"it {verb} {text.number(abs(lost), 2)} decades"


def _level_when_built(depth: int, answer: Callable[..., Any]) -> tuple[bool, str]:
    inputs, targets = data.digits().batch(32, 0)
    net = models.build(_setting(answer, depth), inputs.shape[1], 10, seed=0)
    return _said(probe.record(net, inputs, targets, functional.cross_entropy).decades_lost)


def _level_by_theory(answer: Callable[..., Any]) -> tuple[bool, str]:
    inputs, _ = data.digits().batch(32, 0)
    first = models.predicted_profile(_setting(answer, _PREDICTED), inputs)[0]
    return _said(-np.log10(first) if first > 0 else math.inf)


def my_start(depth):
    """What the first layers lose, about 0.6 decades, grows back at 0.29 L (gain - 1)^2."""
    return 1 + (2 / depth) ** 0.5, 0.0


_SHORT = (
    "Too much lost: chi must lie further above 1, so raise the gain or lower the bias variance. "
    "Too much gained: the other way round. models.predicted_profile tells before you build."
)

OPEN_EXERCISE = OpenExercise(
    name="my_start",
    number="6.3",
    title="A start of your own, for any depth",
    signature="my_start(depth)",
    conditions=(
        Condition(
            "It returns a gain above 0 and a bias variance of 0 or more.",
            _returns_two_numbers,
            "End with `return gain, bias_var`, two plain numbers, whatever the depth.",
            essential=True,
        ),
        *(
            Condition(
                f"At depth {depth} the delta norm changes by at most half a decade.",
                partial(_level_when_built, depth),
                _SHORT,
            )
            for depth in _BUILT
        ),
        Condition(
            f"At depth {_PREDICTED} it does so by theory.",
            _level_by_theory,
            "Which pair fits at 1,000 does not fit at 3,000: by the law of the section, how must "
            "gain - 1 change when there are three times as many layers?",
        ),
    ),
    reference=my_start,
)

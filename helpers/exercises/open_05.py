"""Open exercise of lesson 05: weights of one's own for thirty layers of GELU.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from helpers import data, models, probe, text
from helpers.exercises.open_exercises import Condition, OpenExercise, positive

_LAYERS, _DRAWS = 30, 3
_WIDTHS = (64, 128)
_MOST = 3.0  # the factor by which a delta norm may change


def _is_a_number(answer: Callable[..., Any]) -> tuple[bool, str]:
    for width in _WIDTHS:
        for fan_in, fan_out in ((64, width), (width, width), (width, 10)):
            where = f"for {fan_in} and {fan_out} it"
            usable, why = positive(
                answer(fan_in, fan_out), kind=f"{where} returned a", value=f"{where} is"
            )
            if not usable:
                return False, why
    return True, ""


def _network(answer: Callable[..., Any], width: int, draw: int) -> nn.Module:
    """Build the network whose weights have the standard deviations of the answer."""
    net = models.build(models.Setting(_LAYERS, width, "gelu", "lecun"), 64, 10, draw)
    generator = torch.Generator().manual_seed(draw)
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            std = float(answer(layer.in_features, layer.out_features))
            nn.init.normal_(layer.weight, std=std, generator=generator)
    return net


def _stays_level(width: int, answer: Callable[..., Any]) -> tuple[bool, str]:
    inputs, targets = data.digits().batch(32, 0)
    lost = []
    for draw in range(_DRAWS):
        net = _network(answer, width, draw)
        lost.append(probe.record(net, inputs, targets, functional.cross_entropy).decades_lost)
    mean = statistics.fmean(lost)
    if not math.isfinite(mean):
        return False, "no gradient arrives at layer 1, or none that is finite"
    verb = "shrinks" if mean > 0 else "grows"
    return abs(mean) < math.log10(_MOST), f"it {verb} by a factor {text.number(10 ** abs(mean), 3)}"


def my_std(fan_in, fan_out):
    """A gain of 1.45, a little above He's, found by trial."""
    return 1.45 / fan_in**0.5


OPEN_EXERCISE = OpenExercise(
    name="my_std",
    number="5.2",
    title="Weights of your own for thirty layers of GELU",
    signature="my_std(fan_in, fan_out)",
    conditions=(
        Condition(
            "It returns a number above 0 for every layer.",
            _is_a_number,
            "End with one plain number, the standard deviation of the weights, for 64 or 128 "
            "inputs, and for 10 units as well.",
            essential=True,
        ),
        *(
            Condition(
                f"At width {width} the delta norm changes by less than a factor of 3.",
                partial(_stays_level, width),
                "It shrinks: the weights are too small. It grows: they are too large. At one width "
                "only: how must the standard deviation depend on fan_in?",
            )
            for width in _WIDTHS
        ),
    ),
    reference=my_std,
)

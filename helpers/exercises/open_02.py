"""Open exercise of lesson 02: a flat loss of one's own, and its cause, named before training.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from helpers import data, models, probe, text, train
from helpers.exercises.open_exercises import Condition, OpenExercise, positive

_CAUSES = ("vanishing", "dead", "rate")
_STEPS, _SOME = 200, 50  # of a training, and of its two ends that are compared
_FLAT = 0.05
_VANISHING, _HEALTHY = 3.0, 1.0  # decades
_SENSIBLE_RATE, _LEARNT = 0.1, 0.8


class _Claimed(NamedTuple):
    """What a learner brought."""

    network: nn.Module
    rate: float
    cause: str


def _brought(answer: Callable[..., Any]) -> _Claimed:
    network, rate, cause = answer()
    return _Claimed(network, float(rate), cause)


def _returns_three(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer()
    if not isinstance(found, tuple | list) or len(found) != 3:
        return False, f"it returned one {type(found).__name__}"
    network, rate, cause = found
    if not isinstance(network, nn.Module):
        return False, f"the first is a {type(network).__name__}"
    usable, why = positive(rate, kind="the second is a", value="the rate is")
    if not usable:
        return False, why
    if cause not in _CAUSES:
        return False, f"the cause is {cause!r}"
    inputs, _ = data.digits().batch(64, 0)
    shape = tuple(network(inputs).shape)
    return shape == (64, 10), f"from (64, 64) it made {shape}"


def _probe_agrees(answer: Callable[..., Any]) -> tuple[bool, str]:
    brought = _brought(answer)
    inputs, targets = data.digits().batch(64, 0)
    flow = probe.record(brought.network, inputs, targets, functional.cross_entropy)
    lost, dead = flow.decades_lost, bool((flow.dead_share == 1).any())
    agrees = {
        "vanishing": not dead and _VANISHING <= lost < math.inf,
        "dead": dead,
        "rate": not dead and abs(lost) < _HEALTHY,
    }
    layers = "a layer" if dead else "no layer"
    said = f"{lost:.1f} decades lost, {layers} of dead units only, and you say {brought.cause}"
    return agrees[brought.cause], said


def _losses(network: nn.Module, rate: float) -> np.ndarray:
    """Train by SGD as the lesson does; nan where a run ended early."""
    sgd = torch.optim.SGD(network.parameters(), lr=rate)
    run = train.fit(network, data.digits(), sgd, steps=_STEPS, device="cpu", progress=False)
    return run.losses if run.stopped is None else np.full(_STEPS, np.nan)


def _stays_flat(answer: Callable[..., Any]) -> tuple[bool, str]:
    brought = _brought(answer)
    losses = _losses(brought.network, brought.rate)
    first, last = float(losses[:_SOME].mean()), float(losses[-_SOME:].mean())
    if not math.isfinite(last):
        return False, "the loss did not stay finite"
    said = f"the first {text.number(first, 3)}, the last {text.number(last, 3)}"
    return abs(last / first - 1) <= _FLAT, said


def _learns_at_another_rate(answer: Callable[..., Any]) -> tuple[bool, str]:
    brought = _brought(answer)
    if brought.cause != "rate":
        return True, f"not asked of {brought.cause}"
    losses = _losses(brought.network, _SENSIBLE_RATE)
    left = float(losses[-_SOME:].mean() / losses[0])
    if not math.isfinite(left):
        return False, "the loss did not stay finite"
    return left <= _LEARNT, f"{text.number(left, 2)} of the first loss is left"


def my_flat_loss():
    """Ten layers of GELU: PyTorch's weights leave 0.29 of the gradient per layer."""
    setting = models.Setting(depth=10, width=64, activation="gelu")
    return models.build(setting, 64, 10, seed=0), 0.1, "vanishing"


OPEN_EXERCISE = OpenExercise(
    name="my_flat_loss",
    number="2.4",
    title="A flat loss of your own, and its cause",
    signature="my_flat_loss()",
    conditions=(
        Condition(
            "It returns a network from (batch, 64) to (batch, 10), a positive rate and a cause.",
            _returns_three,
            'End with `return network, rate, cause`; the cause is "vanishing", "dead" or "rate".',
            essential=True,
        ),
        Condition(
            "The probe agrees with the cause, before training.",
            _probe_agrees,
            "Vanishing is 3 decades or more, but not all; dead is a layer without a living unit; "
            "rate is less than 1 decade lost or gained, and no such layer.",
        ),
        Condition(
            "The loss stays flat: of 200 steps, the last 50 are within 5 % of the first 50.",
            _stays_flat,
            "It learns, or it explodes. Make it deeper, its weights smaller, or the rate lower.",
        ),
        Condition(
            "If the cause is the rate, the same network learns at a rate of 0.1.",
            _learns_at_another_rate,
            "Then something else is wrong with it as well: at 0.1 the last 50 losses should be at "
            "most 0.8 of the first one.",
        ),
    ),
    reference=my_flat_loss,
)

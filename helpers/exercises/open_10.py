"""Open exercise of lesson 10: an exploding network of one's own, and its rescue.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import data, models, probe, text, train
from helpers.exercises.open_exercises import Condition, OpenExercise

_GAINED, _LOST, _LEARNT, _STEPS = 1.0, 0.5, 0.8, 150
_SIZE = 200_000  # parameters: a training has to end in some seconds


def _answered(answer: Callable[..., Any]) -> tuple[nn.Module, float, float]:
    net, rate, max_norm = answer()
    return net, float(rate), float(max_norm)


def _is_a_rescue(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer()
    if not isinstance(found, tuple | list) or len(found) != 3:
        return False, f"it returned a {type(found).__name__}"
    net = found[0]
    if not isinstance(net, nn.Module):
        return False, f"the first is a {type(net).__name__}"
    for name, value in zip(("rate", "bound"), found[1:], strict=True):
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError):
            return False, f"the {name} is a {type(value).__name__}"
        if not (math.isfinite(number) and number > 0):
            return False, f"the {name} is {text.number(number, 3)}"
    size = sum(parameter.numel() for parameter in net.parameters())
    if size > _SIZE:
        return False, f"it has {size} parameters"
    outputs = net(torch.zeros(2, 64))
    shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else ()
    return shape == (2, 10), f"two pictures give the shape {shape}"


def _explodes(answer: Callable[..., Any]) -> tuple[bool, str]:
    net, *_ = _answered(answer)
    inputs, targets = data.digits().batch(128)
    gained = -probe.record(net, inputs, targets, cross_entropy).decades_lost
    return gained >= _GAINED, f"{text.number(gained, 2)} decades gained"


def _fails(answer: Callable[..., Any]) -> tuple[bool, str]:
    net, rate, _ = _answered(answer)
    accuracy, words = _trained(net, rate, math.inf)
    return accuracy < _LOST, words


def _learns(answer: Callable[..., Any]) -> tuple[bool, str]:
    net, rate, max_norm = _answered(answer)
    accuracy, words = _trained(net, rate, max_norm)
    return accuracy > _LEARNT, words


def _trained(net: nn.Module, rate: float, max_norm: float) -> tuple[float, str]:
    """Train a copy with SGD; return its test accuracy, and in words how it went."""
    net = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)

    def clip(*_: object) -> None:
        if math.isfinite(max_norm):
            nn.utils.clip_grad_norm_(net.parameters(), max_norm)

    optimizer.register_step_pre_hook(clip)
    run = train.fit(net, data.digits(), optimizer, steps=_STEPS, device="cpu", progress=False)
    words = f"test accuracy {run.test_accuracy:.2f}"
    return run.test_accuracy, f"{words}, stopped at step {run.steps}" if run.stopped else words


def my_rescue():
    """Thirty unscaled skips with GELU, at a rate that other networks like."""
    setting = models.Setting(32, 64, "gelu", residual="pre-add")
    return models.build(setting, 64, 10, seed=0), 0.1, 2.0


OPEN_EXERCISE = OpenExercise(
    name="my_rescue",
    number="10.3",
    title="An explosion of your own, and its rescue",
    signature="my_rescue()",
    conditions=(
        Condition(
            "It returns a network from (batch, 64) to (batch, 10) of at most 200,000 parameters, "
            "a learning rate and a bound, both finite and above 0.",
            _is_a_rescue,
            "End with `return net, rate, max_norm`.",
            essential=True,
        ),
        Condition(
            "On its way to layer 1 the delta gains a decade or more.",
            _explodes,
            "Weights that are too large, skips whose branch is not scaled, or batch norm with "
            "ReLU: the first section has four ways.",
        ),
        Condition(
            "Without clipping, 150 steps of SGD leave it below 50 % on the test pictures.",
            _fails,
            "It learns as it is, and so needs no rescue. Make it explode more, or raise the rate.",
        ),
        Condition(
            "With the bound it gets more than 80 % right.",
            _learns,
            "Try another bound: too low a one makes every step too short. And no clipping helps "
            "where the signal itself has become too large: make the network less deep.",
        ),
    ),
    reference=my_rescue,
)

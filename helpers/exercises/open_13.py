"""Open exercise of lesson 13: an optimizer of one's own for weights in bfloat16.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import data, models, text
from helpers.exercises.open_exercises import Condition, OpenExercise

_STEPS, _BATCH, _SOME = 100, 64, 10
_MOVED, _NEARER, _LEARNT = 0.9, 0.5, 0.5


class _Trained(NamedTuple):
    """What a training left behind."""

    parameters: list[nn.Parameter]
    gains: Tensor  # of all norms, in float64
    losses: list[float]


def _network(dtype: torch.dtype) -> nn.Sequential:
    setting = models.Setting(4, 64, "relu", "he", norm="layer")
    return models.build(setting, 64, 10, seed=0).to(dtype)


def _train(dtype: torch.dtype, answer: Callable[..., Any]) -> _Trained:
    """Train the network of the lesson, each step taken by what an answer returned."""
    net, digits, losses = _network(dtype), data.digits(), []
    parameters = list(net.parameters())
    gains = [part.weight for part in net if isinstance(part, nn.LayerNorm)]
    step = answer(parameters)
    for number in range(_STEPS):
        inputs, targets = digits.batch(_BATCH, number)
        net.zero_grad()
        loss = functional.cross_entropy(net(inputs.to(dtype)).float(), targets)
        loss.backward()
        losses.append(loss.item())
        step()
    return _Trained(parameters, torch.cat([gain.detach().double() for gain in gains]), losses)


@functools.lru_cache(maxsize=1)  # four conditions ask
def _trained(answer: Callable[..., Any]) -> _Trained:
    return _train(torch.bfloat16, answer)


@functools.lru_cache(maxsize=1)
def _in_float32() -> Tensor:
    """Return the gains that Adam finds in float32."""
    return _train(torch.float32, lambda given: torch.optim.Adam(given, lr=0.001).step).gains


def _returns_a_step(answer: Callable[..., Any]) -> tuple[bool, str]:
    parameters = list(_network(torch.bfloat16).parameters())
    step = answer(parameters)
    if not callable(step):
        return False, f"it returned one {type(step).__name__}"
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 0.01)
    step()
    finite = all(bool(torch.isfinite(parameter).all()) for parameter in parameters)
    return finite, "" if finite else "after one step some weights are not finite"


def _stays_in_bfloat16(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = _trained(answer).parameters
    others = [one.dtype for one in found if one.dtype != torch.bfloat16]
    if others:
        return False, f"one of them is {str(others[0]).removeprefix('torch.')}"
    shapes = [one.shape for one in _network(torch.bfloat16).parameters()]
    return [one.shape for one in found] == shapes, "all of them"


def _gains_move(answer: Callable[..., Any]) -> tuple[bool, str]:
    moved = (_trained(answer).gains != 1).double().mean().item()
    return moved >= _MOVED, f"{100 * moved:.0f} % did"


def _as_in_float32(answer: Callable[..., Any]) -> tuple[bool, str]:
    wanted = _in_float32()
    left = (_trained(answer).gains - wanted).abs().mean().item()
    way = (wanted - 1).abs().mean().item()
    return left <= _NEARER * way, f"{text.number(left / way, 2)} of the way is left"


def _learns(answer: Callable[..., Any]) -> tuple[bool, str]:
    losses = _trained(answer).losses
    first, last = (sum(some) / _SOME for some in (losses[:_SOME], losses[-_SOME:]))
    said = f"the first ten {text.number(first, 2)}, the last ten {text.number(last, 2)}"
    return last <= _LEARNT * first, said


def my_step(parameters):
    """Adam moves float32 copies; the weights are these, rounded."""
    copies = [nn.Parameter(one.detach().float()) for one in parameters]
    adam = torch.optim.Adam(copies, lr=0.001)

    def step():
        for copy, one in zip(copies, parameters, strict=True):
            copy.grad = one.grad.float()
        adam.step()
        for copy, one in zip(copies, parameters, strict=True):
            one.data.copy_(copy)

    return step


OPEN_EXERCISE = OpenExercise(
    name="my_step",
    number="13.3",
    title="An optimizer of your own for bfloat16",
    signature="my_step(parameters)",
    conditions=(
        Condition(
            "It returns a function without arguments, which takes one step.",
            _returns_a_step,
            "End with `return step`, without brackets; the step reads each `.grad`.",
            essential=True,
        ),
        Condition(
            "After 100 steps every parameter is still in bfloat16, and of its shape.",
            _stays_in_bfloat16,
            "Change the numbers in the parameters, as `.data.copy_` does, and keep anything finer "
            "in tensors of your own.",
        ),
        Condition(
            "At least nine in ten of the learnt factors of the norms have moved.",
            _gains_move,
            "A step of 0.001 away from 1 is rounded away, every time anew. Where could what is "
            "rounded away be kept, or who decides which way to round?",
        ),
        Condition(
            "On average these factors end at most half as far from those of float32 as 1 is.",
            _as_in_float32,
            "They move, but elsewhere: 100 steps of 0.001 go 0.1 at most.",
        ),
        Condition(
            "The network learns: the last losses are at most half of the first.",
            _learns,
            "Then the other weights do not learn: they need steps, too.",
        ),
    ),
    reference=my_step,
)

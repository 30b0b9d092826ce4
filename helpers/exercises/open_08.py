"""Open exercise of lesson 08: factors on the branches of a hundred blocks.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import text
from helpers.exercises.open_exercises import Condition, OpenExercise

_BLOCKS, _WIDTH, _INPUTS, _DRAWS = 100, 64, 64, 3
_LEAST, _MOST = 0.5, 10.0


def _factors(answer: Callable[..., Any]) -> tuple[float, ...]:
    return tuple(float(answer(block, _BLOCKS)) for block in range(1, _BLOCKS + 1))


def _is_a_number(answer: Callable[..., Any]) -> tuple[bool, str]:
    for block in range(1, _BLOCKS + 1):
        found = answer(block, _BLOCKS)
        try:
            factor = float(found)
        except (TypeError, ValueError, RuntimeError):
            return False, f"at block {block} it returned a {type(found).__name__}"
        if not math.isfinite(factor):
            return False, f"at block {block} it returned {text.number(factor, 3)}"
    return True, ""


def _matters(answer: Callable[..., Any]) -> tuple[bool, str]:
    total = math.fsum(factor * factor for factor in _factors(answer))
    return total >= _LEAST, f"the sum is {text.number(total, 3)}"


def _signal_stays(answer: Callable[..., Any]) -> tuple[bool, str]:
    return _within(_measured(_factors(answer))[0], "after block 100 over before block 1")


def _gradient_stays(answer: Callable[..., Any]) -> tuple[bool, str]:
    return _within(_measured(_factors(answer))[1], "before block 1 over after block 100")


def _within(factor: float, where: str) -> tuple[bool, str]:
    return 1 / _MOST <= factor <= _MOST, f"{text.number(factor, 3)}, {where}"


@functools.lru_cache(maxsize=1)  # two conditions ask
def _measured(factors: tuple[float, ...]) -> tuple[float, float]:
    """Measure how the mean squares of signal and gradient grow: geometric means of some draws."""
    logs = torch.zeros(_DRAWS, 2, dtype=torch.float64)
    for draw in range(_DRAWS):
        first = torch.randn(_INPUTS, _WIDTH, dtype=torch.float64).requires_grad_()
        last: Tensor = first
        for factor in factors:
            layer = nn.Linear(_WIDTH, _WIDTH, bias=False, dtype=torch.float64)
            nn.init.kaiming_normal_(layer.weight)
            last = last + factor * layer(functional.relu(last))
        arriving = torch.randn_like(last)
        (gradient,) = torch.autograd.grad(last, first, arriving)
        for column, (end, start) in enumerate(((last, first), (gradient, arriving))):
            logs[draw, column] = torch.log(end.square().mean() / start.square().mean()).detach()
    signal, back = logs.mean(dim=0).exp().tolist()
    return signal, back


def my_branch_scale(block, blocks):
    """The first branch in full, later ones ever less: their squares add up to 1.64."""
    return 1 / block


OPEN_EXERCISE = OpenExercise(
    name="my_branch_scale",
    number="8.4",
    title="Factors of your own on a hundred branches",
    signature="my_branch_scale(block, blocks)",
    conditions=(
        Condition(
            "For each of 100 blocks it returns one finite number.",
            _is_a_number,
            "End with `return` and a number; block runs from 1 to blocks, and both are whole.",
            essential=True,
        ),
        Condition(
            "The squares of all factors add up to 0.5 or more.",
            _matters,
            "Without branches a network is one linear layer. A hundred equal factors need to be "
            "0.071 at least; or let some be large.",
        ),
        Condition(
            "The mean square of the signal changes by at most a factor 10.",
            _signal_stays,
            "A block multiplies it by 1 plus the square of its factor. Add up the squares of all "
            "factors: e to that power is about what the blocks make together.",
        ),
        Condition(
            "The mean square of the gradient changes by at most a factor 10.",
            _gradient_stays,
            "On the way back a block multiplies by 1 plus the square of its factor, too.",
        ),
    ),
    reference=my_branch_scale,
)

"""Open exercise of lesson 09: an LSTM of one's own that keeps its gradient for 100 steps.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from helpers import text
from helpers.exercises.open_exercises import Condition, OpenExercise

_LAG, _FEATURES, _WIDTH, _SEQUENCES = 100, 2, 32, 16
_MOST, _LISTENS = 10.0, 0.01


def _is_an_lstm(answer: Callable[..., Any]) -> tuple[bool, str]:
    cell = answer()
    if not isinstance(cell, nn.LSTM):
        return False, f"it returned a {type(cell).__name__}"
    if not cell.batch_first or cell.bidirectional or cell.num_layers != 1 or cell.proj_size:
        return False, "it has another form"
    if (cell.input_size, cell.hidden_size) != (_FEATURES, _WIDTH):
        return False, f"it maps {cell.input_size} features to {cell.hidden_size} units"
    sizes = [float(part.detach().abs().max()) for part in cell.parameters()]
    if not all(map(math.isfinite, sizes)):
        return False, "some of its weights are not"
    return True, f"its largest weight is {text.number(max(sizes), 3)}"


def _gradient_stays(answer: Callable[..., Any]) -> tuple[bool, str]:
    left = _measured(answer)[0]
    return 1 / _MOST <= left <= _MOST, f"{text.number(left, 3)} is left"


def _listens(answer: Callable[..., Any]) -> tuple[bool, str]:
    spread = _measured(answer)[1]
    return spread >= _LISTENS, f"they differ by {text.number(spread, 3)}"


@functools.lru_cache(maxsize=1)  # two conditions ask
def _measured(answer: Callable[..., Any]) -> tuple[float, float]:
    """Measure what is left of a gradient over the lag, and how states differ by the last inputs."""
    cell = answer().double()
    generator = torch.Generator().manual_seed(0)
    draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
    inputs = draw(_SEQUENCES, _LAG + 1, _FEATURES)
    _, (_, memory) = cell(inputs[:, :1])
    start = memory.detach().requires_grad_()  # the cell after the first step
    outputs, _ = cell(inputs[:, 1:], (torch.zeros_like(start), start))
    back = draw(_SEQUENCES, _WIDTH)
    far = _norm(outputs[:, -1], start, back)
    once, _ = cell(inputs[:, 1:2], (torch.zeros_like(start), start))
    near = _norm(once[:, -1], start, back)
    changed = inputs.clone()
    changed[:, -10:] = draw(_SEQUENCES, 10, _FEATURES)
    after, _ = cell(changed)
    before, _ = cell(inputs)
    spread = (after[:, -1] - before[:, -1]).square().mean().sqrt().item()
    return (far / near if near > 0 else 0.0), spread


def _norm(outputs: Tensor, start: Tensor, back: Tensor) -> float:
    (gradient,) = torch.autograd.grad(outputs, start, back)
    return gradient.norm().item()


def my_lstm():
    """Forget gates nearly open: a bias of 5 keeps 0.9933 per step, 0.51 over 100 steps."""
    cell = torch.nn.LSTM(2, 32, batch_first=True)
    with torch.no_grad():
        cell.bias_ih_l0[32:64] = 5.0
        cell.bias_hh_l0[32:64] = 0.0
    return cell


OPEN_EXERCISE = OpenExercise(
    name="my_lstm",
    number="9.3",
    title="An LSTM of your own that remembers 100 steps",
    signature="my_lstm()",
    conditions=(
        Condition(
            "It returns an nn.LSTM(2, 32, batch_first=True) with finite weights.",
            _is_an_lstm,
            "One layer, one direction: build it with torch.nn.LSTM and end with `return`.",
            essential=True,
        ),
        Condition(
            "Over 100 steps the gradient at the cell changes by at most a factor 10.",
            _gradient_stays,
            "A forget gate of f leaves f to the power of 100. And if the gradient grows, the way "
            "through the recurrent weights is too strong.",
        ),
        Condition(
            "New inputs at the last ten steps change the outputs by 0.01 or more.",
            _listens,
            "A cell that keeps all and takes nothing in remembers nothing: leave the input gate "
            "and the output gate open enough, and the input weights as large as they were.",
        ),
    ),
    reference=my_lstm,
)

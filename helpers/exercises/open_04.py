"""Open exercise of lesson 04: an activation of one's own, and the gain it needs.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import math
import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from helpers import data, text, theory
from helpers.exercises.open_exercises import Condition, OpenExercise, positive

_LAYERS, _WIDTH, _DRAWS = 30, 128, 3
_PICTURES = 256
_MOST = 3.0  # the factor by which a delta norm may change
_GRID = torch.linspace(-4, 4, 161, dtype=torch.float64)
_SAME = 1e-6  # two shapes whose cosine is nearer to 1 than this are one


def _returns_a_pair(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer()
    if not isinstance(found, tuple | list) or len(found) != 2:
        return False, f"it returned a {type(found).__name__}"
    activation, gain = found
    if not callable(activation):
        return False, f"the first is a {type(activation).__name__}, which cannot be called"
    return positive(gain, kind="the gain is a", value="the gain is")


def _acts_on_each_entry(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, _ = answer()
    table = _GRID[:160].reshape(8, 20)
    together = activation(table.clone())
    if not isinstance(together, Tensor) or together.shape != table.shape:
        return False, "for a tensor of shape (8, 20) it returns something of another shape"
    if not together.isfinite().all():
        return False, "between -4 and 4 it is not always finite"
    alone = torch.stack([activation(row.clone()) for row in table.T.contiguous()]).T
    flipped = activation(table.flip(0, 1).clone()).flip(0, 1)
    if not (torch.allclose(together, alone) and torch.allclose(together, flipped)):
        return False, "an output depends on other entries than the one at its place"
    signal = table.clone().requires_grad_()
    if not activation(signal).requires_grad:
        return False, "no gradient goes through it"
    return True, ""


def _shape(values: Tensor) -> Tensor:
    """Return values on the grid, scaled to length 1."""
    return values / values.norm().clamp(min=1e-300)


def _is_ones_own(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, _ = answer()
    with torch.no_grad():
        own = activation(_GRID.clone())
    bend = own - (own[0] + (own[-1] - own[0]) * (_GRID - _GRID[0]) / (_GRID[-1] - _GRID[0]))
    if bend.abs().max() <= 1e-3 * own.abs().max():
        return False, "it is a straight line"
    for name, known in theory.ACTIVATIONS.items():
        if (_shape(own) @ _shape(known(_GRID))).abs() > 1 - _SAME:
            return False, f"it is {name}, up to a factor"
    return True, ""


def _through(
    activation: Callable[[Tensor], Tensor], gain: float, draw: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Send digits through one network.

    Returns:
        The pre-activations of its hidden layers, each (pictures, units), and the gradient at
        each of them and at the output.
    """
    generator = torch.Generator().manual_seed(draw)
    inputs, targets = data.digits().batch(_PICTURES, 0)
    signal, signals = inputs.double(), []
    sizes = [inputs.shape[1], *[_WIDTH] * (_LAYERS - 1), 10]
    for place, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weight = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
        z = (signal @ (gain / fan_in**0.5 * weight).T).requires_grad_()
        signals.append(z)
        signal = activation(z) if place < _LAYERS - 1 else z
    loss = functional.cross_entropy(signals[-1], targets)
    deltas = torch.autograd.grad(loss, signals, allow_unused=True)
    found = [
        torch.zeros_like(z) if delta is None else delta
        for z, delta in zip(signals, deltas, strict=True)
    ]
    return [z.detach() for z in signals[:-1]], found


def _stays_level(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, gain = answer()
    lost = []
    for draw in range(_DRAWS):
        _, deltas = _through(activation, float(gain), draw)
        first, last = deltas[0].norm().item(), deltas[-1].norm().item()
        if not (math.isfinite(first) and math.isfinite(last) and first > 0 and last > 0):
            return False, "no gradient arrives at layer 1, or none that is finite"
        lost.append(math.log10(last / first))
    mean = statistics.fmean(lost)
    verb = "shrinks" if mean > 0 else "grows"
    return abs(mean) < math.log10(_MOST), f"it {verb} by a factor {text.number(10 ** abs(mean), 3)}"


def _none_is_dead(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, gain = answer()
    dead = 0
    for draw in range(_DRAWS):
        signals, _ = _through(activation, float(gain), draw)
        for signal in signals:
            z = signal.clone().requires_grad_()
            (slope,) = torch.autograd.grad(activation(z).sum(), z)
            dead += int((slope == 0).all(dim=0).sum())
    units = _DRAWS * (_LAYERS - 1) * _WIDTH
    return dead == 0, f"{dead} of {units} units are dead"


def my_activation():
    """The absolute value: all its slopes are 1 or -1, so the gain is 1."""
    return torch.abs, 1.0


OPEN_EXERCISE = OpenExercise(
    name="my_activation",
    number="4.4",
    title="An activation of your own, and the gain it needs",
    signature="my_activation()",
    conditions=(
        Condition(
            "It returns a function and a gain above 0.",
            _returns_a_pair,
            "End with `return activation, gain`: the function itself, without calling it, and one "
            "plain number.",
            essential=True,
        ),
        Condition(
            "The function acts on each entry of a tensor alone.",
            _acts_on_each_entry,
            "Use what PyTorch does entry by entry, such as torch.where, abs or sin; no mean, no "
            "sum, no sorting, and nothing that takes the gradient away.",
            essential=True,
        ),
        Condition(
            "It bends, and is none of the activations of this course.",
            _is_ones_own,
            "A straight line makes a linear network, and a factor in front does not make a new "
            "activation: the gain can do that.",
        ),
        Condition(
            f"In {_LAYERS} layers the delta norm changes by less than a factor of 3.",
            _stays_level,
            "It shrinks: the gain is too small. It grows: it is too large. The gain must make up "
            "for the mean square of the slopes.",
        ),
        Condition(
            f"No unit is dead on {_PICTURES} digits.",
            _none_is_dead,
            "Where your function is flat, a unit may stay there for every picture. Give it a slope "
            "on both sides.",
        ),
    ),
    reference=my_activation,
)

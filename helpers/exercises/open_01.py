"""Open exercise of lesson 01: an activation of one's own, and the factor that it leaves.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import data, probe, text, theory
from helpers.exercises.open_exercises import Condition, OpenExercise, positive

_DEPTH, _WIDTH, _DRAWS = 20, 128, 5  # the networks of the lesson
_TOLERANCE = 0.1
_SAME = 1e-3  # closer than this to another activation, everywhere, is that activation


class _Elementwise(nn.Module):
    """A function of tensors as a module, so that the probe sees an activation."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: Tensor) -> Tensor:
        return self.function(z.clone())  # it may work in place


def _returns_a_pair(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer()
    if not isinstance(found, tuple | list) or len(found) != 2:
        return False, f"it returned one {type(found).__name__}"
    activation, factor = found
    if not callable(activation):
        return False, f"the first is a {type(activation).__name__}"
    return positive(factor, kind="the second is a", value="the number is")


def _is_elementwise(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, _ = answer()
    z = torch.linspace(-4, 4, 65, dtype=torch.float64).reshape(5, 13).requires_grad_()
    together = activation(z.clone())
    if not isinstance(together, Tensor):
        return False, f"of a tensor it made a {type(together).__name__}"
    if together.shape != z.shape or together.dtype != z.dtype:
        made = f"{tuple(together.shape)} {together.dtype}"
        return False, f"of (5, 13) {z.dtype} it made {made}"
    alone = torch.stack([activation(one.clone()) for one in z.detach().flatten()])
    if not torch.allclose(alone, together.detach().flatten(), equal_nan=True):
        return False, "a number alone comes out otherwise than in a tensor"
    if not together.requires_grad:
        return False, "autograd finds no way through it"
    (slope,) = torch.autograd.grad(together.sum(), z)
    if not (torch.isfinite(together).all() and torch.isfinite(slope).all()):
        return False, "between -4 and 4 it or its slope is not finite"
    return bool(slope.any()), "" if slope.any() else "its slope is 0 everywhere"


def _is_ones_own(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, _ = answer()
    z = torch.linspace(-4, 4, 401, dtype=torch.float64)
    values = activation(z.clone()).detach()
    distances = {
        name: (values - known(z)).abs().max() for name, known in theory.ACTIVATIONS.items()
    }
    nearest = min(distances, key=lambda name: distances[name])
    distance = text.number(distances[nearest].item(), 2)
    return bool(distances[nearest] > _SAME), f"{nearest} is nearest, at most {distance} away"


def _predicts_the_factor(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation, factor = answer()
    measured = _measured_factor(activation)
    predicted = text.number(float(factor), 3)
    if not 0 < measured < math.inf:
        return False, f"predicted {predicted}, and its signal or gradient does not stay finite"
    good = abs(float(factor) / measured - 1) <= _TOLERANCE
    where = f"in {_DRAWS} networks of {_DEPTH} layers"
    return good, f"predicted {predicted}, measured {text.number(measured, 3)} {where}"


def _measured_factor(activation: Callable[[Tensor], Tensor]) -> float:
    """Measure what one layer does to the delta norm, PyTorch's weights, nan if it cannot be."""
    inputs, targets = data.digits().batch(128, 0)
    factors = []
    for _ in range(_DRAWS):
        layers: list[nn.Module] = [nn.Linear(inputs.shape[1], _WIDTH)]
        for _ in range(_DEPTH - 2):
            layers += [_Elementwise(activation), nn.Linear(_WIDTH, _WIDTH)]
        layers += [_Elementwise(activation), nn.Linear(_WIDTH, 10)]
        try:
            flow = probe.record(nn.Sequential(*layers), inputs, targets, functional.cross_entropy)
        except ValueError:  # the loss is not finite
            return math.nan
        factors.append(flow.norm_factor)
    product = math.prod(factors)
    return product ** (1 / _DRAWS) if product > 0 else product


def own_activation():
    """A steeper sine: of its slope, squared, PyTorch's weights take a third on average."""

    def activation(u):
        return torch.sin(2 * u)

    weight_var, bias_var = 1 / 3, 1 / (3 * 128)  # nn.Linear's own, at width 128
    return activation, theory.fixed_point(activation, weight_var, bias_var).norm_factor


OPEN_EXERCISE = OpenExercise(
    name="own_activation",
    number="1.5",
    title="An activation of your own, and its factor per layer",
    signature="own_activation()",
    conditions=(
        Condition(
            "It returns an activation and a positive number.",
            _returns_a_pair,
            "End with `return activation, factor`: the function itself, without brackets behind "
            "it, and the number that you predict.",
            essential=True,
        ),
        Condition(
            "The activation takes a tensor number by number, and autograd goes through it.",
            _is_elementwise,
            "Build it of torch's functions, such as torch.exp, of a tensor of any shape, and let "
            "no number depend on its neighbours. A step or a constant has no slope to go through.",
            essential=True,
        ),
        Condition(
            "It is none of the course's own activations.",
            _is_ones_own,
            "Change more than a little: bend it, stretch it, shift it, or put two together.",
        ),
        Condition(
            "With weights as PyTorch draws them, the factor is right to a tenth.",
            _predicts_the_factor,
            "The factor of the norm is the root of chi, at the q where the layers settle: "
            "weight_var is 1/3 here, and the biases count, too.",
        ),
    ),
    reference=own_activation,
)

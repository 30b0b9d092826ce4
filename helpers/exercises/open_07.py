"""Open exercise of lesson 07: a norm and an activation of one's own, and the factor to expect.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from helpers import text, theory
from helpers.exercises.open_exercises import Condition, OpenExercise

_NORMS = ("batch", "layer", "rms")
_KNOWN = ("sigmoid", "tanh", "relu", "gelu", "selu")
_DEPTH, _WIDTH, _BATCH, _DRAWS = 30, 128, 256, 3
_WITHIN = 0.05


class _Brought(NamedTuple):
    """What a learner brought."""

    norm: str
    activation: Callable[[Tensor], Tensor]
    factor: float


def _brought(answer: Callable[..., Any]) -> _Brought:
    norm, activation, factor = answer()
    return _Brought(norm, activation, float(factor))


def _returns_three(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer()
    if not isinstance(found, tuple | list) or len(found) != 3:
        return False, f"it returned one {type(found).__name__}"
    norm, activation, factor = found
    if norm not in _NORMS:
        return False, f"the norm is {norm!r}"
    if not callable(activation):
        return False, f"the second is a {type(activation).__name__}"
    try:
        factor = float(factor)
    except (TypeError, ValueError, RuntimeError):
        return False, f"the third is a {type(factor).__name__}"
    return math.isfinite(factor) and factor > 0, f"the factor is {text.number(factor, 3)}"


def _is_an_activation(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation = _brought(answer).activation
    z = torch.linspace(-3, 3, 32, dtype=torch.float64).requires_grad_()
    whole = activation(z)
    if not isinstance(whole, Tensor) or whole.shape != z.shape:
        return False, "its output has another shape"
    alone = torch.cat([activation(part) for part in z.split(1)])
    if not torch.allclose(whole, alone):
        return False, "what it makes of a number depends on its neighbours"
    (slopes,) = torch.autograd.grad(whole.sum(), z)
    fine = bool(torch.isfinite(whole).all() and torch.isfinite(slopes).all())
    return fine and bool(slopes.any()), f"slopes to {text.number(float(slopes.abs().max()), 3)}"


def _is_new(answer: Callable[..., Any]) -> tuple[bool, str]:
    activation = _brought(answer).activation
    z = torch.linspace(-3, 3, 31, dtype=torch.float64)
    for name in _KNOWN:
        if torch.allclose(activation(z), theory.ACTIVATIONS[name](z), atol=1e-6):
            return False, f"it is {name}"
    return True, ""


def _normalised(x: Tensor, norm: str) -> Tensor:
    over = 0 if norm == "batch" else 1
    if norm != "rms":
        x = x - x.mean(dim=over, keepdim=True)
    return x / (x.square().mean(dim=over, keepdim=True) + 1e-5).sqrt()


def _measured(norm: str, activation: Callable[[Tensor], Tensor]) -> float:
    """Return the factor per layer of the delta norm, the geometric mean over draws."""
    logs = []
    for _ in range(_DRAWS):
        signal, deltas = torch.randn(_BATCH, _WIDTH, dtype=torch.float64), []
        for _layer in range(_DEPTH):
            layer = nn.Linear(_WIDTH, _WIDTH, dtype=torch.float64)
            outputs = layer(signal)
            deltas.append(outputs)  # delta is the gradient behind the weights
            signal = activation(_normalised(outputs, norm))
        arriving = torch.randn_like(signal)
        gradients = torch.autograd.grad(signal, deltas, arriving)
        first, last = gradients[1].norm(), gradients[-2].norm()
        logs.append(math.log(first / last) / (_DEPTH - 3))
    return math.exp(sum(logs) / _DRAWS)


def _holds_true(answer: Callable[..., Any]) -> tuple[bool, str]:
    brought = _brought(answer)
    measured = _measured(brought.norm, brought.activation)
    said = f"predicted {text.number(brought.factor, 4)}, measured {text.number(measured, 4)}"
    return abs(brought.factor / measured - 1) <= _WITHIN, said


def my_norm():
    """The sine with layer norm: its mean is 0, its slope the cosine."""
    z = torch.linspace(-8, 8, 10_001, dtype=torch.float64)
    weight = torch.exp(-z.square() / 2)
    weight = weight / weight.sum()  # the share of N(0, 1) near each z
    factor = ((weight @ z.cos().square()) / (weight @ z.sin().square())).sqrt().item()
    return "layer", torch.sin, factor


OPEN_EXERCISE = OpenExercise(
    name="my_norm",
    number="7.4",
    title="A norm and an activation of your own, and their factor",
    signature="my_norm()",
    conditions=(
        Condition(
            "It returns a norm, a function and a positive factor.",
            _returns_three,
            'End with `return norm, activation, factor`; the norm is "batch", "layer" or "rms".',
            essential=True,
        ),
        Condition(
            "The function maps each number by itself, and a gradient passes it.",
            _is_an_activation,
            "It gets a tensor and returns one of the same shape. Use torch functions, so that "
            "autograd can follow, and no means over the batch.",
            essential=True,
        ),
        Condition(
            "It is none of sigmoid, tanh, ReLU, GELU and SELU.",
            _is_new,
            "The factors of these five stand in the lesson. Bend one of them, or invent one.",
        ),
        Condition(
            "In 30 layers of 128 units each multiplies the delta norm by your factor, within 5 %.",
            _holds_true,
            "Take means over many z from N(0, 1). Is the slope squared, and the mean of the "
            "outputs gone for batch norm only? Some activations spread the pictures unevenly and "
            "wander off the formula: try it with a smoother one.",
        ),
    ),
    reference=my_norm,
)

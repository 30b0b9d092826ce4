"""Exercises of lesson 01: what happens to a gradient on its way back.

Shapes: B batch, N width, L depth. Layer 1 is nearest the input.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Draw a float32 tensor with two decimals, so that a message can show it."""
    values = np.round(scale * rng.normal(size=shape), 2)
    return torch.from_numpy(np.array(values, dtype=np.float32))


def _away_from_zero(rng: np.random.Generator, *shape: int) -> Tensor:
    """Draw a float32 tensor in which no entry makes a factor disappear."""
    values = rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.2, 1.5, size=shape)
    return torch.from_numpy(np.round(values, 2).astype(np.float32))


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


# 1.1 How many layers until little is left?


def _exact_powers(rng: np.random.Generator) -> list[dict[str, object]]:
    # Powers of two: every sensible formula meets these targets without rounding.
    powers = rng.choice(np.arange(2, 25), size=3, replace=False)
    return [
        {"factor": 0.5, "target": 1.0},
        {"factor": 0.5, "target": 0.5},
        {"factor": 0.25, "target": 0.25 ** int(powers[0])},
        {"factor": 0.5, "target": 0.5 ** int(powers[1])},
        {"factor": 0.5, "target": 0.5 ** int(powers[2])},
    ]


def _any_factor(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"factor": 0.5, "target": 0.3},
        {"factor": 0.5, "target": 1e-3},
    ]
    for low, high in ((2, 5), (5, 15), (15, 40)):
        # Between two whole numbers of layers, nearer to the lower and to the higher one.
        for fraction in (rng.uniform(0.2, 0.4), rng.uniform(0.6, 0.8)):
            factor = round(rng.uniform(0.2, 0.9), 2)
            target = factor ** (rng.integers(low, high) + fraction)
            cases.append({"factor": factor, "target": three_digits(target)})
    cases.append({"factor": 0.99, "target": 1e-3})
    return cases


def _layers(factor: float, target: float) -> float:
    """Return the number of layers before it is made whole."""
    return math.log(target) / math.log(factor)


def _layers_until(factor: float, target: float) -> int:
    # The margin absorbs the rounding of the logarithms at an exact power.
    return math.ceil(_layers(factor, target) - 1e-9)


def _layers_strictly_below(factor: float, target: float) -> int:
    return math.floor(_layers(factor, target) + 1e-9) + 1


_LAYERS_UNTIL = Exercise(
    name="layers_until",
    number="1.1",
    title="Layers until little is left",
    signature="layers_until(factor, target)",
    parts=(
        Part("targets met exactly", 1, _exact_powers),
        Part("any factor and target", 3, _any_factor),
    ),
    reference=_layers_until,
    misconceptions=(
        Misconception(
            "rounded down",
            lambda factor, target: math.floor(_layers(factor, target) + 1e-9),
            "One layer short: after that many layers the target is not reached yet.",
        ),
        Misconception(
            "rounded to nearest",
            lambda factor, target: round(_layers(factor, target)),
            "Sometimes one layer short: near the target is not there yet, so which way must a "
            "fraction of a layer be rounded?",
        ),
        Misconception(
            "strictly below",
            _layers_strictly_below,
            "One layer too many when the target is met exactly: reaching it is enough.",
        ),
        Misconception(
            "one factor too few",
            lambda factor, target: _layers_until(factor, target) + 1,
            "One layer too many: each layer multiplies once, the first one too.",
        ),
        Misconception(
            "square root of the factor",
            lambda factor, target: math.ceil(2 * _layers(factor, target) - 1e-9),
            "About twice too many: this factor acts on the norm itself, so take no square root. "
            "That is for chi, which acts on the squared norm.",
        ),
        Misconception(
            "factor squared",
            lambda factor, target: math.ceil(_layers(factor, target) / 2 - 1e-9),
            "About half as many as it takes: the factor acts once per layer, so do not square it.",
        ),
        Misconception(
            "two bases mixed",
            lambda factor, target: math.ceil(math.log10(target) / math.log(factor) - 1e-9),
            "About 2.3 times too few: dividing one logarithm by another counts layers only if both "
            "have the same base.",
        ),
    ),
    rtol=0.0,
)


# 1.2 A chain of sigmoids


def _one_layer(rng: np.random.Generator) -> list[dict[str, object]]:
    rows = int(rng.integers(2, 4))
    shapes = ((1,), (), (3,), (rows, 2))
    return [{"x": torch.zeros(shape, dtype=torch.float32), "depth": 1} for shape in shapes]


def _any_depth(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"x": torch.zeros(1, dtype=torch.float32), "depth": 2}]
    sizes = (((2,), 1), ((), 2), ((3,), 3), ((2, 2), 4), ((2, 3, 2), 5), ((4, 5), 6))
    for shape, depth in sizes:
        cases.append({"x": _normal(rng, *shape, scale=1.5), "depth": depth})
    return cases


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _slope(x: np.ndarray) -> np.ndarray:
    return _sigmoid(x) * _sigmoid(-x)


def _sigmoid_chain_grad(x: Tensor, depth: int) -> np.ndarray:
    h, product = _float64(x), np.ones(tuple(x.shape))
    for _ in range(depth):
        product = product * _slope(h)
        h = _sigmoid(h)
    return product


def _chain_output(x: Tensor, depth: int) -> np.ndarray:
    h = _float64(x)
    for _ in range(depth):
        h = _sigmoid(h)
    return h


def _slopes_at_outputs(x: Tensor, depth: int) -> np.ndarray:
    h, product = _float64(x), np.ones(tuple(x.shape))
    for _ in range(depth):
        h = _sigmoid(h)
        product = product * _slope(h)
    return product


_SIGMOID_CHAIN_GRAD = Exercise(
    name="sigmoid_chain_grad",
    number="1.2",
    title="The slope of a chain of sigmoids",
    signature="sigmoid_chain_grad(x, depth)",
    parts=(Part("one layer", 2, _one_layer), Part("any depth", 3, _any_depth)),
    reference=_sigmoid_chain_grad,
    misconceptions=(
        Misconception(
            "largest slope everywhere",
            lambda x, depth: np.full(tuple(x.shape), 0.25**depth),
            "A quarter is the largest slope of a sigmoid, and it has it only at 0. Which number "
            "does each sigmoid in the chain receive?",
        ),
        Misconception(
            "every slope at x",
            lambda x, depth: _slope(_float64(x)) ** depth,
            "Only the first sigmoid receives x. What does the second one receive, and what is its "
            "slope there?",
        ),
        Misconception(
            "output instead of slope",
            _chain_output,
            "That is the output of the chain. The question is how fast it changes when x does.",
        ),
        Misconception(
            "slopes at the outputs",
            _slopes_at_outputs,
            "Each slope is taken one sigmoid too late: it belongs where the number goes in, not "
            "where it comes out.",
        ),
        Misconception(
            "summed over entries",
            lambda x, depth: _sigmoid_chain_grad(x, depth).sum(),
            "Every entry of x has a derivative of its own: the result has the shape of x.",
        ),
    ),
    atol=1e-9,
)


# 1.3 The chain rule with weights


def _stack(rng: np.random.Generator, batch: int, widths: tuple[int, ...]) -> dict[str, object]:
    """Draw what a tanh stack of these widths leaves behind; widths[0] is layer 1."""
    return {
        "weights": [_away_from_zero(rng, out, into) for into, out in pairwise(widths)],
        "pre_activations": [_normal(rng, batch, width) for width in widths[:-1]],
        "delta": _normal(rng, batch, widths[-1]),
    }


def _one_step(rng: np.random.Generator) -> list[dict[str, object]]:
    single = {
        "weights": [torch.tensor([[2.0]], dtype=torch.float32)],
        "pre_activations": [torch.tensor([[0.5]], dtype=torch.float32)],
        "delta": torch.tensor([[1.0]], dtype=torch.float32),
    }
    sizes = ((1, (2, 2)), (2, (2, 2)), (1, (3, 2)), (2, (2, 4)))
    return [single] + [_stack(rng, batch, widths) for batch, widths in sizes]


def _whole_stack(rng: np.random.Generator) -> list[dict[str, object]]:
    sizes = (
        (1, (1, 1, 1)),
        (1, (2, 2, 2)),
        (3, (3, 3, 3, 3)),
        (2, (4, 2, 3)),
        (4, (5, 3, 4, 6, 2)),
    )
    return [_stack(rng, batch, widths) for batch, widths in sizes]


def _backward(
    weights: list[Tensor],
    pre_activations: list[Tensor],
    delta: Tensor,
    step: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> list[np.ndarray] | None:
    """Carry delta back with one step per layer, None where the shapes forbid it."""
    deltas = [_float64(delta)]
    for weight, z in zip(reversed(weights), reversed(pre_activations), strict=True):
        try:
            deltas.append(step(deltas[-1], _float64(weight), _float64(z)))
        except ValueError:
            return None
        if deltas[-1].shape != tuple(z.shape):
            return None
    return deltas[::-1]


def _tanh_slope(z: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(z) ** 2


def _by_step(step: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> Callable:
    return lambda weights, pre_activations, delta: _backward(weights, pre_activations, delta, step)


def _backward_deltas(
    weights: list[Tensor], pre_activations: list[Tensor], delta: Tensor
) -> list[np.ndarray]:
    # One sample at a time, from the Jacobian of each layer: slow, and beyond doubt.
    deltas = [_float64(delta)]
    for weight, z in zip(reversed(weights), reversed(pre_activations), strict=True):
        jacobians = [_float64(weight) @ np.diag(slope) for slope in _tanh_slope(_float64(z))]
        rows = [row @ jacobian for row, jacobian in zip(deltas[-1], jacobians, strict=True)]
        deltas.append(np.stack(rows))
    return deltas[::-1]


_BACKWARD_DELTAS = Exercise(
    name="backward_deltas",
    number="1.3",
    title="Delta, from the loss back to layer 1",
    signature="backward_deltas(weights, pre_activations, delta)",
    parts=(Part("one step", 2, _one_step), Part("the whole stack", 3, _whole_stack)),
    reference=_backward_deltas,
    misconceptions=(
        Misconception(
            "weights left out",
            _by_step(lambda delta, weight, z: delta * _tanh_slope(z)),
            "Slopes alone are half of the chain rule: between two pre-activations the signal also "
            "passes a weight matrix.",
        ),
        Misconception(
            "slopes left out",
            _by_step(lambda delta, weight, z: delta @ weight),
            "The weights are there and the activation is not: between two pre-activations the "
            "signal also passes a tanh.",
        ),
        Misconception(
            "weights transposed",
            _by_step(lambda delta, weight, z: (delta @ weight.T) * _tanh_slope(z)),
            "The weight matrix is used the way the forward pass uses it. Going back, the N_out "
            "entries of a delta must turn into N_in entries.",
        ),
        Misconception(
            "output first",
            lambda weights, pre_activations, delta: _backward_deltas(
                weights, pre_activations, delta
            )[::-1],
            "The numbers are right and the order is not: layer 1, nearest the input, comes first.",
        ),
        Misconception(
            "z taken for tanh(z)",
            _by_step(lambda delta, weight, z: (delta @ weight) * (1 - z**2)),
            "The slope of tanh is short to write in terms of its output, and z is its input.",
        ),
    ),
    atol=1e-6,
)


# 1.4 The factor per layer


def _two_layers(rng: np.random.Generator) -> list[dict[str, object]]:
    last = three_digits(rng.uniform(0.1, 2.0))
    return [{"norms": [0.5, 1.0]}, {"norms": [three_digits(last * rng.uniform(0.05, 0.9)), last]}]


def _many_layers(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"norms": [0.25, 0.4, 1.0]}]
    for layers, decades in ((4, -3), (5, 2), (7, -200), (30, -12)):
        logs = np.linspace(decades, 0, layers) + rng.uniform(-0.3, 0.3, size=layers)
        cases.append({"norms": [three_digits(10**log) for log in logs]})
    return cases


def _norm_per_layer(norms: list[float]) -> float:
    return math.exp((math.log(norms[0]) - math.log(norms[-1])) / (len(norms) - 1))


def _mean_ratio(norms: list[float]) -> float:
    ratios = [first / second for first, second in pairwise(norms)]
    return sum(ratios) / len(ratios)


_NORM_PER_LAYER = Exercise(
    name="norm_per_layer",
    number="1.4",
    title="The factor per layer, measured",
    signature="norm_per_layer(norms)",
    parts=(Part("two layers", 1, _two_layers), Part("many layers", 3, _many_layers)),
    reference=_norm_per_layer,
    misconceptions=(
        Misconception(
            "arithmetic mean",
            _mean_ratio,
            "Factors multiply, and an arithmetic mean adds. Which single factor, applied at every "
            "step, would give the same total?",
        ),
        Misconception(
            "layers counted, not steps",
            lambda norms: (norms[0] / norms[-1]) ** (1 / len(norms)),
            "Count the steps between the layers, not the layers: from two norms you learn about "
            "one step.",
        ),
        Misconception(
            "forward direction",
            lambda norms: (norms[-1] / norms[0]) ** (1 / (len(norms) - 1)),
            "That is the factor from the input to the output. The gradient travels the other way.",
        ),
        Misconception(
            "factor of the squared norm",
            lambda norms: (norms[0] / norms[-1]) ** (2 / (len(norms) - 1)),
            "That is chi, the factor of the squared norm. The question is about the norm itself.",
        ),
        Misconception(
            "total, not per layer",
            lambda norms: norms[0] / norms[-1],
            "That is the factor of all layers together: share it out among the steps.",
        ),
    ),
)

EXERCISES = (_LAYERS_UNTIL, _SIGMOID_CHAIN_GRAD, _BACKWARD_DELTAS, _NORM_PER_LAYER)

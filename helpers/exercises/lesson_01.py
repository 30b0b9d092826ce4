"""Exercises of lesson 01: what happens to a gradient on its way back.

Shapes: B batch, N width, L depth. Layer 1 is nearest the input.
"""

import math
import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

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


def _up(layers: float) -> int:
    # The margin absorbs the rounding of the logarithms at an exact power.
    return math.ceil(layers - 1e-9)


def _down(layers: float) -> int:
    return math.floor(layers + 1e-9)


def _layers_until(
    factor: float,
    target: float,
    *,
    rounded: Callable[[float], float] = _up,
    power: float = 1.0,
    base: float = math.e,
    more: int = 0,
    always: float | None = None,
    upside_down: bool = False,
) -> Any:
    """Count the layers; the switches stand for what people get wrong."""
    above, below = math.log(target, base), power * math.log(always or factor)
    if upside_down:
        above, below = below, above
    return rounded(above / below) + more if below else None


_LAYERS_UNTIL = Exercise(
    name="layers_until",
    number="1.1",
    title="Layers until little is left",
    signature="layers_until(factor, target)",
    parts=(
        Part("targets met exactly", 1, _exact_powers),
        Part("any factor and target", 3, _any_factor),
    ),
    reference=lambda factor, target: _layers_until(factor, target),
    misconceptions=(
        Misconception(
            "rounded down",
            partial(_layers_until, rounded=_down),
            "One layer short: after that many layers the target is not reached yet.",
        ),
        Misconception(
            "rounded to nearest",
            partial(_layers_until, rounded=round),
            "Sometimes one layer short: near the target is not there yet, so which way must a "
            "fraction of a layer be rounded?",
        ),
        Misconception(
            "strictly below",
            partial(_layers_until, rounded=lambda layers: _down(layers) + 1),
            "One layer too many when the target is met exactly: reaching it is enough.",
        ),
        Misconception(
            "not rounded",
            partial(_layers_until, rounded=float),
            "Layers are counted in whole numbers: which way must a fraction of one be rounded?",
        ),
        Misconception(
            "one factor too few",
            partial(_layers_until, more=1),
            "One layer too many: each layer multiplies once, the first one too.",
        ),
        Misconception(
            "one layer too few",
            partial(_layers_until, more=-1),
            "One layer too few: before the first layer the signal is at its start, which counts "
            "as 0 layers.",
        ),
        Misconception(
            "at least one layer",
            lambda factor, target: max(1, _layers_until(factor, target)),
            "A signal that is at its target from the start needs no layer at all.",
        ),
        Misconception(
            "square root of the factor",
            partial(_layers_until, power=0.5),
            "About twice too many: this factor acts on the norm itself, so take no square root. "
            "That is for chi, which acts on the squared norm.",
        ),
        Misconception(
            "factor squared",
            partial(_layers_until, power=2.0),
            "About half as many as it takes: the factor acts once per layer, so do not square it.",
        ),
        Misconception(
            "two bases mixed",
            partial(_layers_until, base=10),
            "About 2.3 times too few: dividing one logarithm by another counts layers only if both "
            "have the same base.",
        ),
        Misconception(
            "halved in each layer",
            partial(_layers_until, always=0.5),
            "That is right for a factor of one half. Each layer multiplies by the factor that your "
            "function is given.",
        ),
        Misconception(
            "logarithms the wrong way round",
            partial(_layers_until, upside_down=True),
            "The two logarithms have changed places in the fraction: how often does the small step "
            "of one factor fit into the way to the target?",
        ),
        Misconception(
            "logarithm of the quotient",
            lambda factor, target: _up(abs(math.log(target / factor))),
            "That is the logarithm of a quotient. Solving for an exponent takes a quotient of two "
            "logarithms.",
        ),
        Misconception(
            "same amount in each layer",
            lambda factor, target: _up((1 - target) / (1 - factor)),
            "Here each layer takes away the same amount. A factor takes less and less, since less "
            "and less is left.",
        ),
        Misconception(
            "what is left, not the layers",
            lambda factor, target: factor ** _layers_until(factor, target),
            "That is what is left of the signal. How many layers it took is asked for.",
        ),
    ),
    rtol=0.0,
    approach=(
        "Multiply by the factor again and again, starting from 1, and count the steps until you "
        "are at or below the target. A formula must give the same count, at 0 layers too."
    ),
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


_Slope = Callable[[np.ndarray], np.ndarray]


def _sigmoid_chain_grad(
    x: Tensor,
    depth: int,
    *,
    slope: _Slope = _slope,
    steps: int = 0,
    at: str = "inputs",
    together: Callable[[list[np.ndarray]], np.ndarray] = lambda slopes: np.prod(slopes, axis=0),
    over: Callable[[np.ndarray], Any] = lambda entries: entries,
) -> Any:
    """Return the derivative; the switches stand for what people get wrong."""
    inputs = [_float64(x)]
    for _ in range(depth + steps):
        inputs.append(_sigmoid(inputs[-1]))
    places = {"inputs": inputs[:-1], "outputs": inputs[1:], "x": [inputs[0]] * (depth + steps)}[at]
    slopes = [slope(one) for one in places]
    return over(together(slopes) if slopes else np.ones(tuple(x.shape)))


def _chain_output(x: Tensor, depth: int) -> np.ndarray:
    h = _float64(x)
    for _ in range(depth):
        h = _sigmoid(h)
    return h


def _slope_nested(x: Tensor, depth: int) -> np.ndarray:
    h = _float64(x)
    for _ in range(depth):
        h = _slope(h)
    return h


_SIGMOID_CHAIN_GRAD = Exercise(
    name="sigmoid_chain_grad",
    number="1.2",
    title="The slope of a chain of sigmoids",
    signature="sigmoid_chain_grad(x, depth)",
    parts=(Part("one layer", 2, _one_layer), Part("any depth", 3, _any_depth)),
    reference=lambda x, depth: _sigmoid_chain_grad(x, depth),
    misconceptions=(
        Misconception(
            "largest slope everywhere",
            partial(_sigmoid_chain_grad, slope=lambda h: np.full(h.shape, 0.25)),
            "A quarter is the largest slope of a sigmoid, and it has it only at 0. Which number "
            "does each sigmoid in the chain receive?",
        ),
        Misconception(
            "every slope at x",
            partial(_sigmoid_chain_grad, at="x"),
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
            partial(_sigmoid_chain_grad, at="outputs"),
            "Each slope is taken one sigmoid too late: it belongs where the number goes in, not "
            "where it comes out.",
        ),
        Misconception(
            "summed over entries",
            partial(_sigmoid_chain_grad, over=np.sum),
            "Every entry of x has a derivative of its own: the result has the shape of x.",
        ),
        Misconception(
            "averaged over entries",
            partial(_sigmoid_chain_grad, over=lambda entries: entries / entries.size),
            "Each number is divided by how many there are: that is the derivative of a mean, and "
            "each entry of x has a chain of its own.",
        ),
        Misconception(
            "one sigmoid too few",
            partial(_sigmoid_chain_grad, steps=-1),
            "The product has one slope too few: there is one for each of the sigmoids.",
        ),
        Misconception(
            "one sigmoid too many",
            partial(_sigmoid_chain_grad, steps=1),
            "The product has one slope too many: there is one for each of the sigmoids.",
        ),
        Misconception(
            "first slope alone",
            lambda x, depth: _sigmoid_chain_grad(x, 1),
            "That is the slope of a single sigmoid at x. The chain rule asks for the slope of each "
            "of them.",
        ),
        Misconception(
            "last slope alone",
            partial(_sigmoid_chain_grad, together=lambda slopes: slopes[-1]),
            "That is the slope of the last sigmoid alone. The chain rule asks for the slope of "
            "each of them.",
        ),
        Misconception(
            "slopes added",
            partial(_sigmoid_chain_grad, together=lambda slopes: np.sum(slopes, axis=0)),
            "The slopes are right and they are added up. What does the chain rule do with the "
            "slopes of nested functions?",
        ),
        Misconception(
            "slope of the slope",
            _slope_nested,
            "Here the slope is put into the slope. The next sigmoid receives the output of the one "
            "before, not its slope.",
        ),
        Misconception(
            "slope of tanh",
            partial(_sigmoid_chain_grad, slope=lambda h: 1 - _sigmoid(h) ** 2),
            "One minus the squared output is the slope of tanh. What is the slope of a sigmoid in "
            "terms of its output?",
        ),
        Misconception(
            "tanh for the sigmoid",
            partial(_sigmoid_chain_grad, slope=lambda h: 1 - np.tanh(h) ** 2),
            "That is the slope of tanh, which is 1 at 0. A sigmoid is never steeper than a "
            "quarter.",
        ),
        Misconception(
            "input for output",
            partial(_sigmoid_chain_grad, slope=lambda h: h * (1 - h)),
            "The slope of a sigmoid is short to write in terms of its output, and you have put in "
            "its input.",
        ),
        Misconception(
            "output for slope",
            partial(_sigmoid_chain_grad, slope=_sigmoid),
            "The outputs of the sigmoids are multiplied here. Their slopes are what belongs into "
            "the chain rule.",
        ),
        Misconception(
            "sign of the slope",
            partial(_sigmoid_chain_grad, slope=lambda h: -_slope(h)),
            "A sigmoid rises everywhere: none of its slopes is negative. Look at the order in your "
            "difference.",
        ),
    ),
    atol=1e-9,
    approach=(
        "Keep two things in a loop: the number that goes into the next sigmoid, and the product of "
        "the slopes so far. Which must be updated first?"
    ),
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


def _tanh_slope(z: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(z) ** 2


def _walk(
    weights: list[Tensor],
    pre_activations: list[Tensor],
    delta: Tensor,
    *,
    slope: _Slope = _tanh_slope,
    through: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.matmul,
    first: bool = False,
    afresh: bool = False,
    turned: bool = False,
    kept: slice = slice(None),
    over: Callable[[np.ndarray], Any] = lambda delta: delta,
    batch: bool = False,
) -> list[Any] | None:
    """Carry delta back with one mistake in it, None where the shapes forbid it.

    Args:
        weights: As in the exercise.
        pre_activations: As in the exercise.
        delta: As in the exercise.
        slope: What is taken for the slope.
        through: What is done with delta and weights.
        first: Whether the slope comes before the weights.
        afresh: Whether each step starts from the last layer's delta.
        turned: Whether the output comes first.
        kept: Which deltas are kept.
        over: What becomes of each.
        batch: Whether the batch is averaged in each step.
    """
    deltas = [_float64(delta)]
    for weight, z in zip(reversed(weights), reversed(pre_activations), strict=True):
        arriving, w, here = deltas[0 if afresh else -1], _float64(weight), slope(_float64(z))
        try:
            found = through(arriving * here, w) if first else through(arriving, w) * here
        except ValueError:
            return None
        if found.shape != tuple(z.shape):
            return None
        deltas.append(found.mean(axis=0, keepdims=True) if batch else found)
    return [over(one) for one in (deltas if turned else deltas[::-1])[kept]]


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
            partial(_walk, through=lambda delta, weight: delta),
            "Slopes alone are half of the chain rule: between two pre-activations the signal also "
            "passes a weight matrix.",
        ),
        Misconception(
            "slopes left out",
            partial(_walk, slope=np.ones_like),
            "The weights are there and the activation is not: between two pre-activations the "
            "signal also passes a tanh.",
        ),
        Misconception(
            "weights transposed",
            partial(_walk, through=lambda delta, weight: delta @ weight.T),
            "The weight matrix is used the way the forward pass uses it. Going back, the N_out "
            "entries of a delta must turn into N_in entries.",
        ),
        Misconception(
            "output first",
            partial(_walk, turned=True),
            "The numbers are right and the order is not: layer 1, nearest the input, comes first.",
        ),
        Misconception(
            "z taken for tanh(z)",
            partial(_walk, slope=lambda z: 1 - z**2),
            "The slope of tanh is short to write in terms of its output, and z is its input.",
        ),
        Misconception(
            "slope of the sigmoid",
            partial(_walk, slope=_slope),
            "That is the slope of a sigmoid. The activation of this network is tanh.",
        ),
        Misconception(
            "sigmoid's formula with tanh",
            partial(_walk, slope=lambda z: np.tanh(z) * (1 - np.tanh(z))),
            "An output times one minus the output is the slope of a sigmoid. The activation of "
            "this network is tanh.",
        ),
        Misconception(
            "tanh instead of its slope",
            partial(_walk, slope=np.tanh),
            "Each delta is multiplied by the output of tanh. On the way back it meets the slope.",
        ),
        Misconception(
            "tanh not squared",
            partial(_walk, slope=lambda z: 1 - np.tanh(z)),
            "The slope of tanh is one minus its square. In yours the square is missing.",
        ),
        Misconception(
            "slope before the weights",
            partial(_walk, first=True),
            "The slope of a layer belongs to its own pre-activations: a delta coming back passes "
            "the weights first, then the slope.",
        ),
        Misconception(
            "always from the last delta",
            partial(_walk, afresh=True),
            "Each step starts from the last layer's delta. It has to start from the delta that the "
            "step before has found.",
        ),
        Misconception(
            "last delta left out",
            partial(_walk, kept=slice(None, -1)),
            "The list ends one layer too early: the delta that your function was given is the last "
            "item of the answer.",
        ),
        Misconception(
            "layer 1 left out",
            partial(_walk, kept=slice(1, None)),
            "The first item is missing: the deltas go down to layer 1, one for each "
            "pre-activation and one for the output.",
        ),
        Misconception(
            "layer 1 alone",
            partial(_walk, kept=slice(0, 1)),
            "That is the delta of layer 1 alone. The deltas of all layers are asked for.",
        ),
        Misconception(
            "norms, not deltas",
            partial(_walk, over=lambda delta: math.hypot(*delta.ravel())),
            "Those are the norms of the deltas. The deltas themselves are asked for, one row for "
            "each sample.",
        ),
        Misconception(
            "averaged over the batch",
            partial(_walk, batch=True),
            "The batch is averaged on the way. Each sample has a delta of its own, in a row of its "
            "own.",
        ),
        Misconception(
            "averaged over the batch at the end",
            partial(_walk, over=lambda delta: delta.mean(axis=0)),
            "The deltas are averaged over the batch. Each sample has a delta of its own, in a row "
            "of its own.",
        ),
    ),
    atol=1e-6,
    approach=(
        "Start with the delta that you are given and take one layer at a time, the last first. "
        "Compare the shape of each new delta with that of the pre-activations of its layer."
    ),
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


def _norm_per_layer(
    norms: list[float],
    *,
    fewer: int = 1,
    direction: int = 1,
    power: float = 1.0,
    base: float = math.e,
    mean: Callable[[list[float]], float] | None = None,
) -> Any:
    """Return the factor per layer; the switches stand for what people get wrong."""
    if mean is not None:
        return mean([(one / other) ** (direction * power) for one, other in pairwise(norms)])
    steps = len(norms) - fewer
    logarithm = direction * power * (math.log(norms[0]) - math.log(norms[-1]))
    return math.exp(logarithm / math.log(base) / steps) if steps else None


_NORM_PER_LAYER = Exercise(
    name="norm_per_layer",
    number="1.4",
    title="The factor per layer, measured",
    signature="norm_per_layer(norms)",
    parts=(Part("two layers", 1, _two_layers), Part("many layers", 3, _many_layers)),
    reference=lambda norms: _norm_per_layer(norms),
    misconceptions=(
        Misconception(
            "arithmetic mean",
            partial(_norm_per_layer, mean=statistics.fmean),
            "Factors multiply, and an arithmetic mean adds. Which single factor, applied at every "
            "step, would give the same total?",
        ),
        Misconception(
            "layers counted, not steps",
            partial(_norm_per_layer, fewer=0),
            "Count the steps between the layers, not the layers: from two norms you learn about "
            "one step.",
        ),
        Misconception(
            "one step too few",
            partial(_norm_per_layer, fewer=2),
            "One step too few is counted: from two norms you learn about one step.",
        ),
        Misconception(
            "forward direction",
            partial(_norm_per_layer, direction=-1),
            "That is the factor from the input to the output. The gradient travels the other way.",
        ),
        Misconception(
            "never above 1",
            lambda norms: math.exp(-abs(math.log(_norm_per_layer(norms)))),
            "A gradient may grow on its way back, too. Which norm stands on top must not depend on "
            "which one is smaller.",
        ),
        Misconception(
            "factor of the squared norm",
            partial(_norm_per_layer, power=2.0),
            "That is chi, the factor of the squared norm. The question is about the norm itself.",
        ),
        Misconception(
            "root of the factor",
            partial(_norm_per_layer, power=0.5),
            "That is the root of the factor. The norms are given as they are, not squared.",
        ),
        Misconception(
            "total, not per layer",
            lambda norms: norms[0] / norms[-1],
            "That is the factor of all layers together: share it out among the steps.",
        ),
        Misconception(
            "total divided by the steps",
            lambda norms: norms[0] / norms[-1] / (len(norms) - 1),
            "The total is divided by the number of steps. Factors multiply: which operation shares "
            "out a product?",
        ),
        Misconception(
            "first step alone",
            lambda norms: norms[0] / norms[1],
            "That is the factor of a single step, between the first two layers. All steps count.",
        ),
        Misconception(
            "last step alone",
            lambda norms: norms[-2] / norms[-1],
            "That is the factor of a single step, between the last two layers. All steps count.",
        ),
        Misconception(
            "mean of the norms",
            statistics.geometric_mean,
            "That is the geometric mean of the norms. The factors from one norm to the next are "
            "to be averaged.",
        ),
        Misconception(
            "median",
            partial(_norm_per_layer, mean=statistics.median),
            "That is the median of the factors. Which single factor, applied at every step, would "
            "give the same total?",
        ),
        Misconception(
            "harmonic mean",
            partial(_norm_per_layer, mean=statistics.harmonic_mean),
            "That is a harmonic mean. Which single factor, applied at every step, would give the "
            "same total?",
        ),
        Misconception(
            "two bases mixed",
            partial(_norm_per_layer, base=10.0),
            "A logarithm to base 10 is undone by a power of 10, and a natural one by exp: here "
            "they are mixed.",
        ),
    ),
    approach=(
        "Multiply the factors of all steps: most norms cancel, and two are left. Then ask which "
        "single factor gives that product when it is applied at every step."
    ),
)

EXERCISES = (_LAYERS_UNTIL, _SIGMOID_CHAIN_GRAD, _BACKWARD_DELTAS, _NORM_PER_LAYER)

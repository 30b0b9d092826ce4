"""Exercises of lesson 06: what a norm averages over, on the way up and on the way back.

Shapes: B batch, N features.
"""

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits


def _rounded(values: np.ndarray | list) -> Tensor:
    """Wrap values rounded to three digits in float32, so that a message can show them."""
    rounded = [three_digits(value) for value in np.ravel(values)]
    return torch.from_numpy(np.array(rounded, dtype=np.float32).reshape(np.shape(values)))


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


def _features(rng: np.random.Generator, batch: int, width: int) -> np.ndarray:
    """Draw features with a mean and a spread of their own, none of them constant."""
    centre, scale = rng.uniform(-2, 2, size=width), rng.uniform(0.5, 2, size=width)
    spread = rng.normal(size=(batch, width)) + np.linspace(-1, 1, batch)[:, None]
    return centre + scale * spread


# 6.1 The factor of a layer behind a norm


def _sigmoid(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    output = 1 / (1 + np.exp(-z))
    return output * (1 - output), output


def _relu(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (z > 0).astype(float), np.maximum(z, 0)


def _softplus(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _sigmoid(z)[1], np.log1p(np.exp(z))


def _samples(rng: np.random.Generator, norm: str) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"slopes": _rounded([0.5, 0.25]), "outputs": _rounded([1.0, 0.5]), "norm": norm}
    ]
    for activation, count in ((_relu, 4), (_sigmoid, 6), (_softplus, 8), (_sigmoid, 20)):
        z = rng.normal(size=count)
        z[:2] = np.sort(np.abs(z[:2])) * [-1, 1]  # both sides of 0
        slopes, outputs = activation(z)
        cases.append({"slopes": _rounded(slopes), "outputs": _rounded(outputs), "norm": norm})
    return cases


def _layer_factor(slopes: Tensor, outputs: Tensor, norm: str) -> float:
    values = _float64(outputs)
    shared = values.mean() if norm == "batch" else 0.0
    return float(np.sqrt(np.mean(_float64(slopes) ** 2) / np.mean((values - shared) ** 2)))


def _unbiased(slopes: Tensor, outputs: Tensor, norm: str) -> float:
    factor = _layer_factor(slopes, outputs, norm)
    count = outputs.numel()
    return factor * np.sqrt((count - 1) / count) if norm == "batch" else factor


def _mean_slope(slopes: Tensor, outputs: Tensor, norm: str) -> float:
    slope = _float64(slopes)
    return _layer_factor(slopes, outputs, norm) * abs(slope.mean()) / np.sqrt(np.mean(slope**2))


_LAYER_FACTOR = Exercise(
    name="layer_factor",
    number="6.1",
    title="The factor of a layer behind a norm",
    signature="layer_factor(slopes, outputs, norm)",
    parts=(
        Part("layer norm", 1, lambda rng: _samples(rng, "layer")),
        Part("batch norm", 2, lambda rng: _samples(rng, "batch")),
    ),
    reference=_layer_factor,
    misconceptions=(
        Misconception(
            "mean kept for both",
            lambda slopes, outputs, norm: _layer_factor(slopes, outputs, "layer"),
            "That is the factor of layer norm. Batch norm also takes away what all inputs of the "
            "batch have in common: what is left of the outputs then?",
        ),
        Misconception(
            "mean removed for both",
            lambda slopes, outputs, norm: _layer_factor(slopes, outputs, "batch"),
            "That is the factor of batch norm. Layer norm cannot see what the inputs of a batch "
            "have in common, so it takes none of it away.",
        ),
        Misconception(
            "norms swapped",
            lambda slopes, outputs, norm: _layer_factor(
                slopes, outputs, {"layer": "batch", "batch": "layer"}[norm]
            ),
            "The two norms have changed places: which of them removes the mean over the batch?",
        ),
        Misconception(
            "factor of the squared norm",
            lambda slopes, outputs, norm: _layer_factor(slopes, outputs, norm) ** 2,
            "That is what happens to the squared norm of delta. The question is about the norm "
            "itself.",
        ),
        Misconception(
            "mean taken before squaring",
            _mean_slope,
            "A mean of slopes is not what counts: each slope scales its own entry of delta, and "
            "the norm adds up squares.",
        ),
        Misconception(
            "upside down",
            lambda slopes, outputs, norm: 1 / _layer_factor(slopes, outputs, norm),
            "Steep slopes make a gradient larger. Here they make your number smaller.",
        ),
        Misconception(
            "one sample less",
            _unbiased,
            "Close: this variance divides by one sample less than there are. A norm divides by "
            "the number of samples, and so does an expectation here.",
        ),
    ),
)


# 6.2 What evaluation mode will use


def _one_batch(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"batches": [_rounded([[1.0], [5.0]])], "momentum": 0.1}]
    for batch, width in ((3, 1), (4, 2), (6, 3)):
        momentum = float(rng.choice([0.05, 0.1, 0.2]))
        cases.append({"batches": [_rounded(_features(rng, batch, width))], "momentum": momentum})
    return cases


def _several_batches(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for count, batch, width in ((2, 2, 1), (3, 4, 2), (5, 8, 4), (12, 3, 2)):
        batches = [_rounded(_features(rng, batch, width)) for _ in range(count)]
        cases.append({"batches": batches, "momentum": float(rng.choice([0.05, 0.1, 0.2]))})
    return cases


def _running_variance(
    batches: list[Tensor], momentum: float, start: float = 1.0, ddof: int = 1
) -> np.ndarray:
    running = np.full(batches[0].shape[1], start)
    for batch in batches:
        values = _float64(batch)
        deviations = values - values.mean(axis=0)
        fresh = (deviations**2).sum(axis=0) / (len(values) - ddof)
        running = (1 - momentum) * running + momentum * fresh
    return running


_RUNNING_VARIANCE = Exercise(
    name="running_variance",
    number="6.2",
    title="The variance that evaluation mode will use",
    signature="running_variance(batches, momentum)",
    parts=(Part("one batch", 1, _one_batch), Part("several batches", 2, _several_batches)),
    reference=lambda batches, momentum: _running_variance(batches, momentum),
    misconceptions=(
        Misconception(
            "momentum the other way round",
            lambda batches, momentum: _running_variance(batches, 1 - momentum),
            "That is the convention of Keras. In PyTorch, momentum is the weight of the newest "
            "batch, not of what is already there.",
        ),
        Misconception(
            "divided by B",
            lambda batches, momentum: _running_variance(batches, momentum, ddof=0),
            "Batch norm divides by B when it normalises a batch. What it keeps for later is an "
            "estimate for other data: what does one divide by then?",
        ),
        Misconception(
            "started at zero",
            lambda batches, momentum: _running_variance(batches, momentum, start=0.0),
            "The newest batch counts as it should, but the start does not: a fresh layer keeps a "
            "variance of 1, so that it does nothing in evaluation mode.",
        ),
        Misconception(
            "plain mean over the batches",
            lambda batches, momentum: np.mean(
                [_running_variance([batch], 1.0) for batch in batches], axis=0
            ),
            "Each batch counts the same here, and the start not at all. A running average forgets "
            "slowly: each batch moves it only a little.",
        ),
        Misconception(
            "last batch alone",
            lambda batches, momentum: _running_variance([batches[-1]], momentum),
            "Only the last batch is in it. Where has the average of the earlier ones gone?",
        ),
    ),
)


# 6.3 Batch norm with its gradient


def _one_feature(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {
            "x": _rounded([[1.0], [3.0]]),
            "upstream": _rounded([[1.0], [2.0]]),
            "eps": 1e-5,
        }
    ]
    for batch in (3, 4, 5):
        cases.append(_drawn(rng, batch, 1, 1e-5))
    return cases


def _any_batch(rng: np.random.Generator) -> list[dict[str, object]]:
    sizes = ((3, 3, 1e-5), (4, 3, 0.1), (8, 5, 1e-5), (16, 4, 0.5))
    return [_drawn(rng, batch, width, eps) for batch, width, eps in sizes]


def _drawn(rng: np.random.Generator, batch: int, width: int, eps: float) -> dict[str, object]:
    upstream = 0.5 + rng.normal(size=(batch, width))
    return {"x": _rounded(_features(rng, batch, width)), "upstream": _rounded(upstream), "eps": eps}


def _batch_norm(
    x: Tensor,
    upstream: Tensor,
    eps: float,
    *,
    axis: int = 0,
    ddof: int = 0,
    mean_moves: bool = True,
    variance_moves: bool = True,
) -> list[np.ndarray]:
    """Return output and gradient; the switches stand for what people get wrong."""
    values, arriving = _float64(x), _float64(upstream)
    count = values.shape[axis]
    deviations = values - values.mean(axis=axis, keepdims=True)
    scale = np.sqrt((deviations**2).sum(axis=axis, keepdims=True) / max(count - ddof, 1) + eps)
    output = deviations / scale
    gradient = arriving.copy()
    if variance_moves:
        along = (arriving * output).sum(axis=axis, keepdims=True) / max(count - ddof, 1)
        gradient -= output * along
    if mean_moves:
        gradient -= gradient.mean(axis=axis, keepdims=True)
    return [output, gradient / scale]


def _eps_after_root(x: Tensor, upstream: Tensor, eps: float) -> list[np.ndarray]:
    values, arriving = _float64(x), _float64(upstream)
    deviations = values - values.mean(axis=0)
    spread = np.sqrt((deviations**2).mean(axis=0))
    output = deviations / (spread + eps)
    along = (arriving * deviations).mean(axis=0) / spread / (spread + eps)
    gradient = arriving - arriving.mean(axis=0) - deviations * along
    return [output, gradient / (spread + eps)]


_BATCH_NORM_WITH_GRADIENT = Exercise(
    name="batch_norm_with_gradient",
    number="6.3",
    title="Batch norm, output and gradient",
    signature="batch_norm_with_gradient(x, upstream, eps)",
    parts=(Part("one feature", 2, _one_feature), Part("any batch", 3, _any_batch)),
    reference=lambda x, upstream, eps: _batch_norm(x, upstream, eps),
    misconceptions=(
        Misconception(
            "statistics held constant",
            lambda x, upstream, eps: _batch_norm(
                x, upstream, eps, mean_moves=False, variance_moves=False
            ),
            "The output is right and the gradient is not: it takes mean and variance for "
            "constants. When one entry of x moves, do they stay where they are?",
        ),
        Misconception(
            "mean held constant",
            lambda x, upstream, eps: _batch_norm(x, upstream, eps, mean_moves=False),
            "The gradient knows that the variance depends on x, and forgets that the mean does. "
            "Add a constant to a whole feature: does the output notice?",
        ),
        Misconception(
            "variance held constant",
            lambda x, upstream, eps: _batch_norm(x, upstream, eps, variance_moves=False),
            "The gradient knows that the mean depends on x, and forgets that the variance does. "
            "Double a whole feature: does the output notice?",
        ),
        Misconception(
            "divided by one less",
            lambda x, upstream, eps: _batch_norm(x, upstream, eps, ddof=1),
            "Output and gradient fit together, but the variance divides by one sample less than "
            "the batch has. Which divisor gives outputs whose variance is 1?",
        ),
        Misconception(
            "each sample by itself",
            # One feature by itself is all rounding error after this mistake.
            lambda x, upstream, eps: (
                _batch_norm(x, upstream, eps, axis=1) if x.shape[1] > 1 else None
            ),
            "This is layer norm: it averages over the features of one sample. Batch norm averages "
            "over the samples, for one feature.",
        ),
        Misconception(
            "eps after the root",
            _eps_after_root,
            "Right as long as eps is tiny. It belongs to the variance, so it enters before the "
            "root is taken.",
        ),
    ),
    atol=1e-5,
)

EXERCISES = (_LAYER_FACTOR, _RUNNING_VARIANCE, _BATCH_NORM_WITH_GRADIENT)

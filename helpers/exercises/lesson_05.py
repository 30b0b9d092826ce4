"""Exercises of lesson 05: initialisation."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part

# 5.1 Which weights hand a delta on unchanged?


def _on_or_off(rng: np.random.Generator) -> list[dict[str, object]]:
    share = rng.integers(2, 5, size=2)
    return [
        {"slopes": torch.ones(4), "fan_in": 1, "fan_out": 4},
        {"slopes": _slopes([[1.0, 0.0], [0.0, 1.0]]), "fan_in": 8, "fan_out": 2},
        {"slopes": _slopes([1.0] * share[0] + [0.0] * 3), "fan_in": 100, "fan_out": 300},
        {"slopes": _slopes([1.0] + [0.0] * share[1]), "fan_in": 256, "fan_out": 64},
    ]


def _any_slopes(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"slopes": _slopes([0.5]), "fan_in": 1, "fan_out": 4},
        {"slopes": _slopes([0.25, 0.125]), "fan_in": 3, "fan_out": 10},
        {"slopes": _slopes(rng.uniform(0.1, 1, size=6)), "fan_in": 50, "fan_out": 200},
        {"slopes": _slopes(rng.uniform(-0.1, 1.1, size=(4, 5))), "fan_in": 300, "fan_out": 100},
    ]


def _slopes(values: list | np.ndarray) -> Tensor:
    """Wrap slopes with three decimals, so that a message can show them."""
    return torch.from_numpy(np.round(np.array(values, dtype=np.float64), 3).astype(np.float32))


def _weight_std(slopes: Tensor, fan_in: int, fan_out: int) -> float:
    return 1 / math.sqrt(fan_out * _mean_square(slopes))


def _mean_square(slopes: Tensor) -> float:
    return slopes.to(torch.float64).square().mean().item()


def _mean(slopes: Tensor) -> float:
    return slopes.to(torch.float64).mean().item()


_WEIGHT_STD = Exercise(
    name="weight_std",
    number="5.1",
    title="Weights that hand a delta on unchanged",
    signature="weight_std(slopes, fan_in, fan_out)",
    parts=(
        Part("slopes 0 and 1", 1, _on_or_off),
        Part("any slopes", 3, _any_slopes),
    ),
    reference=_weight_std,
    misconceptions=(
        Misconception(
            "slopes left out",
            lambda slopes, fan_in, fan_out: 1 / math.sqrt(fan_out),
            "That is right for a linear network. An activation lets only part of a delta through, "
            "and the weights must make up for it.",
        ),
        Misconception(
            "forward pass",
            lambda slopes, fan_in, fan_out: 1 / math.sqrt(fan_in * _mean_square(slopes)),
            "The other width counts: on its way back, a delta adds up one term for each unit of "
            "the layer above that reads it.",
        ),
        Misconception(
            "mean of both widths",
            lambda slopes, fan_in, fan_out: math.sqrt(
                2 / ((fan_in + fan_out) * _mean_square(slopes))
            ),
            "The mean of both widths is Xavier's compromise. The backward pass alone is asked for "
            "here, and it feels one of the two.",
        ),
        Misconception(
            "variance",
            lambda slopes, fan_in, fan_out: 1 / (fan_out * _mean_square(slopes)),
            "That is the variance of the weights. Which power of it is the standard deviation?",
        ),
        Misconception(
            "mean slope, squared",
            lambda slopes, fan_in, fan_out: 1 / (math.sqrt(fan_out) * abs(_mean(slopes))),
            "The mean was taken before squaring. Each delta meets one slope, and squares are what "
            "adds up: so average which of the two?",
        ),
        Misconception(
            "mean slope, not squared",
            lambda slopes, fan_in, fan_out: 1 / math.sqrt(fan_out * abs(_mean(slopes))),
            "Right for slopes of 0 and 1, which are their own squares. A squared delta is "
            "multiplied by a squared slope.",
        ),
    ),
)


# 5.2 The typical network against the mean


def _one_width(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"widths": [10]},
        {"widths": [50] * int(rng.integers(5, 15))},
        {"widths": [int(rng.integers(20, 80))] * 30},
    ]


def _many_widths(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"widths": [10, 1000]},
        {"widths": rng.integers(8, 300, size=4).tolist()},
        {"widths": rng.integers(8, 300, size=12).tolist()},
    ]


def _decay(exponent: float) -> Callable[[Sequence[int]], float]:
    """Return exp(-exponent x beta), where beta is the variance of log norm^2."""
    return lambda widths: math.exp(-exponent * 5 * sum(1 / width for width in widths))


_TYPICAL_OVER_MEAN = Exercise(
    name="typical_over_mean",
    number="5.2",
    title="The typical network against the mean",
    signature="typical_over_mean(widths)",
    parts=(
        Part("one width throughout", 2, _one_width),
        Part("unequal widths", 2, _many_widths),
    ),
    reference=_decay(0.5),
    misconceptions=(
        Misconception(
            "width averaged",
            lambda widths: math.exp(-2.5 * len(widths) ** 2 / sum(widths)),
            "With unequal widths the narrow layers do most of the harm. Let each layer add its own "
            "share instead of working with an average width.",
        ),
        Misconception(
            "norm, not its square",
            _decay(0.25),
            "That is the ratio for the norm itself. The squared norm is asked for, and its "
            "logarithm is twice as large.",
        ),
        Misconception(
            "variance for mean",
            _decay(1.0),
            "The logarithm spreads with variance beta, and its centre lies elsewhere: only half as "
            "far below zero. The median sits at the centre.",
        ),
        Misconception(
            "linear network",
            _decay(0.2),
            "That is a linear network, whose layers fluctuate less. ReLU switches units off at "
            "random, and this raises the share of each layer.",
        ),
        Misconception(
            "turned round",
            _decay(-0.5),
            "Turned round: a few lucky draws lift the mean, so the typical draw must lie below it.",
        ),
    ),
)


# 5.3 From a random matrix to an orthogonal one


def _square(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"matrix": torch.tensor([[3.0, 0.0], [4.0, 5.0]])},
        {"matrix": torch.tensor([[-3.0, 5.0], [4.0, 0.0]])},
        {"matrix": _matrix(rng, 3, 3)},
        {"matrix": _matrix(rng, 5, 5)},
    ]


def _tall(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"matrix": torch.tensor([[3.0], [-4.0]])},
        {"matrix": _matrix(rng, 4, 2)},
        {"matrix": _matrix(rng, 6, 4)},
    ]


def _wide(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"matrix": torch.tensor([[3.0, -4.0]])},
        {"matrix": _matrix(rng, 2, 4)},
        {"matrix": _matrix(rng, 4, 6)},
    ]


def _matrix(rng: np.random.Generator, rows: int, columns: int) -> Tensor:
    """Draw a float32 matrix, two decimals, that float32 can make orthogonal."""
    while True:
        values = np.round(rng.normal(size=(rows, columns)), 2)
        if np.linalg.cond(values) < 10:
            return torch.from_numpy(values.astype(np.float32))


def _by_columns(
    method: Callable[[np.ndarray], np.ndarray],
) -> Callable[[Tensor], np.ndarray]:
    """Apply a method to a tall matrix; a wide one is turned there and back."""

    def answer(matrix: Tensor) -> np.ndarray:
        values = matrix.to(torch.float64).numpy()
        return method(values.T).T if values.shape[0] < values.shape[1] else method(values)

    return answer


def _gram_schmidt(values: np.ndarray) -> np.ndarray:
    q, r = np.linalg.qr(values)
    return q * np.sign(np.diag(r))


def _polar(values: np.ndarray) -> np.ndarray:
    u, _, v = np.linalg.svd(values, full_matrices=False)
    return u @ v


def _wide_as_it_is(matrix: Tensor) -> np.ndarray:
    return _gram_schmidt(matrix.to(torch.float64).numpy())


_ORTHOGONAL_LIKE = Exercise(
    name="orthogonal_like",
    number="5.3",
    title="From a random matrix to an orthogonal one",
    signature="orthogonal_like(matrix)",
    parts=(
        Part("square", 2, _square),
        Part("more rows than columns", 1, _tall),
        Part("more columns than rows", 2, _wide),
    ),
    reference=_by_columns(_gram_schmidt),
    misconceptions=(
        Misconception(
            "signs as they come",
            _by_columns(lambda values: np.linalg.qr(values)[0]),
            "Orthonormal, but some directions are reversed, since the library's factorisation "
            "may pick either sign. Which of its two factors tells where?",
        ),
        Misconception(
            "lengths only",
            _by_columns(lambda values: values / np.linalg.norm(values, axis=0)),
            "Each vector has length one now, and they still overlap. First take from each what the "
            "earlier ones already cover.",
        ),
        Misconception(
            "largest stretch set to one",
            _by_columns(lambda values: values / np.linalg.norm(values, 2)),
            "Now no vector is stretched, but most are still shrunk: one singular value is one and "
            "the others are smaller. All of them must be one.",
        ),
        Misconception(
            "nearest orthogonal matrix",
            _by_columns(_polar),
            "Orthonormal, and the nearest such matrix at that. Asked for is the one in which the "
            "first vector keeps its direction and each next one yields.",
        ),
        Misconception(
            "wide as if tall",
            _wide_as_it_is,
            "More columns than rows cannot all be orthogonal to each other. Then it is the turn of "
            "the rows, and the shape stays as it was.",
        ),
    ),
    atol=1e-6,
)

EXERCISES = (_WEIGHT_STD, _TYPICAL_OVER_MEAN, _ORTHOGONAL_LIKE)

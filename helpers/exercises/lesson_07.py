"""Exercises of lesson 07: what a skip adds, block by block and path by path.

Shapes: B batch, N width, L blocks.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part


def _two_digits(rng: np.random.Generator, low: float, high: float) -> float:
    return round(rng.uniform(low, high), 2)


# 7.1 The gradient of one block, in both orders


def _normal(rng: np.random.Generator, *shape: int) -> Tensor:
    """Draw a float32 tensor with two decimals, so that a message can show it."""
    values = rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.2, 1.5, size=shape)
    return torch.from_numpy(np.round(values, 2).astype(np.float32))


def _cases(order: str) -> Callable[[np.random.Generator], list[dict[str, object]]]:
    def draw(rng: np.random.Generator) -> list[dict[str, object]]:
        cases: list[dict[str, object]] = []
        for batch, width in ((1, 1), (1, 2), (2, 3), (4, 5)):
            weight, x = _normal(rng, width, width), _normal(rng, batch, width)
            back = _normal(rng, batch, width)
            cases.append({"weight": weight, "x": x, "back": back, "order": order})
        return cases

    return draw


def _gradient(
    weight: Tensor,
    x: Tensor,
    back: Tensor,
    order: str,
    *,
    skip: float = 1.0,
    slope_on: str | None = None,
    slope_from: str | None = None,
    transposed: bool = False,
) -> np.ndarray:
    """Carry a gradient back through one block, rightly or with one thing changed.

    Args:
        weight: Shape (N, N).
        x: Input of the block, shape (B, N).
        back: Gradient at its output, shape (B, N).
        order: ``pre-add`` or ``post-add``.
        skip: Factor on what the skip hands back.
        slope_on: ``pre-add`` (branch alone), ``post-add`` (both ways) or ``none``;
            by default as the order says.
        slope_from: Whose pre-activation decides the slope, likewise.
        transposed: Whether to use the weight the wrong way round.
    """
    w, values, arriving = (part.to(torch.float64).numpy() for part in (weight, x, back))
    slope_on, slope_from = slope_on or order, slope_from or order
    z = values @ w.T + (values if slope_from == "post-add" else 0.0)
    gated = arriving if slope_on == "none" else arriving * (z > 0)
    past = gated if slope_on == "post-add" else arriving
    return skip * past + gated @ (w.T if transposed else w)


_OTHER = {"pre-add": "post-add", "post-add": "pre-add"}


_BLOCK_GRADIENT = Exercise(
    name="block_gradient",
    number="7.1",
    title="The gradient of a block, in both orders",
    signature="block_gradient(weight, x, back, order)",
    parts=(
        Part("activation before the sum", 2, _cases("pre-add")),
        Part("activation after the sum", 2, _cases("post-add")),
    ),
    reference=lambda weight, x, back, order: _gradient(weight, x, back, order),
    misconceptions=(
        Misconception(
            "skip left out",
            partial(_gradient, skip=0.0),
            "That is what comes back through the branch. The input also reached the output past "
            "the branch: what does that way hand back?",
        ),
        Misconception(
            "slope on both ways",
            partial(_gradient, slope_on="post-add"),
            "Right where the activation stands after the sum. Where it stands inside the branch, "
            "which of the two ways meets it?",
        ),
        Misconception(
            "slope on the branch alone",
            partial(_gradient, slope_on="pre-add"),
            "Right where the activation stands inside the branch. Where it stands after the sum, "
            "both ways have to pass it.",
        ),
        Misconception(
            "slope left out",
            partial(_gradient, slope_on="none"),
            "The weights and the skip are there, the activation is not: some entries of the "
            "gradient never get back through it.",
        ),
        Misconception(
            "slope of the wrong sum",
            lambda weight, x, back, order: _gradient(
                weight, x, back, order, slope_from=_OTHER[order]
            ),
            "The slope is taken at the wrong number: what exactly does the activation receive in "
            "each of the two orders?",
        ),
        Misconception(
            "weight transposed",
            partial(_gradient, transposed=True),
            "The weight is used the way the forward pass uses it. With samples in rows, going back "
            "takes it the other way round.",
        ),
    ),
    atol=1e-6,
)


# 7.2 The scale of a branch that keeps growth within bounds


def _one_block(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"blocks": 1, "rho": 1.0, "growth": 1.25},
        {"blocks": 1, "rho": _two_digits(rng, 0.2, 0.8), "growth": _two_digits(rng, 1.1, 1.9)},
        {"blocks": 1, "rho": _two_digits(rng, 1.2, 4.0), "growth": _two_digits(rng, 2.1, 4.0)},
    ]


def _stacks(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"blocks": 20, "rho": 1.0, "growth": 2.0}]
    for least, most in ((2, 5), (6, 20), (21, 60), (200, 900)):
        blocks = int(rng.integers(least, most))
        rho, growth = _two_digits(rng, 0.2, 3.0), _two_digits(rng, 1.2, 9.0)
        cases.append({"blocks": blocks, "rho": rho, "growth": growth})
    return cases


def _branch_scale(blocks: int, rho: float, growth: float) -> float:
    return math.sqrt(math.expm1(math.log(growth) / blocks) / rho)


_BRANCH_SCALE = Exercise(
    name="branch_scale",
    number="7.2",
    title="A factor on the branch for any growth",
    signature="branch_scale(blocks, rho, growth)",
    parts=(Part("one block", 2, _one_block), Part("a stack of blocks", 2, _stacks)),
    reference=_branch_scale,
    misconceptions=(
        Misconception(
            "square of the scale",
            lambda blocks, rho, growth: _branch_scale(blocks, rho, growth) ** 2,
            "That is what the factor does to mean squares. The factor itself stands on the branch: "
            "what does halving a vector do to its mean square?",
        ),
        Misconception(
            "growth shared out evenly",
            lambda blocks, rho, growth: math.sqrt((growth - 1) / (blocks * rho)),
            "Right for one block. With more, each block also multiplies what the blocks before it "
            "have added, so this lets the stack grow too much.",
        ),
        Misconception(
            "limit of many blocks",
            lambda blocks, rho, growth: math.sqrt(math.log(growth) / (blocks * rho)),
            "Very close for very many blocks, but not exact: for one block, check what your factor "
            "gives.",
        ),
        Misconception(
            "rho left out",
            lambda blocks, rho, growth: _branch_scale(blocks, 1.0, growth),
            "Right for a branch that keeps the mean square. One that multiplies it by rho needs "
            "another factor.",
        ),
        Misconception(
            "growth of the norm",
            lambda blocks, rho, growth: _branch_scale(blocks, rho, growth**2),
            "Here the norm grows as much as the mean square was to grow. Which of the two is the "
            "question about?",
        ),
        Misconception(
            "skip left out",
            lambda blocks, rho, growth: math.sqrt(growth ** (1 / blocks) / rho),
            "This would be right for a stack without skips. A block also hands on its input, and "
            "that already counts as 1.",
        ),
    ),
)


# 7.3 How the gradient divides among paths


def _equal_blocks(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"rhos": [1.0]},
        {"rhos": [_two_digits(rng, 0.1, 0.8)]},
        {"rhos": [1.0, 1.0]},
    ]
    for least, most in ((2, 4), (4, 7)):
        cases.append({"rhos": [_two_digits(rng, 0.1, 0.8)] * int(rng.integers(least, most))})
    cases.append({"rhos": [_two_digits(rng, 1.3, 3.0)] * 3})
    return cases


def _unequal_blocks(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"rhos": [0.5, 1.0]}]
    for blocks in (2, 4, int(rng.integers(8, 20))):
        cases.append({"rhos": [_two_digits(rng, 0.1, 0.9) for _ in range(blocks)]})
    # A pre-norm network: the stream grows by one per block, so branches count for less and less.
    cases.append({"rhos": [round(1 / (1 + block), 3) for block in range(int(rng.integers(4, 9)))]})
    return cases


def _weights(rhos: list[float]) -> np.ndarray:
    """Sum over all paths of each length: the coefficients of a product of 1 + rho t."""
    weights = np.ones(1)
    for rho in rhos:
        weights = np.convolve(weights, [1.0, rho])
    return weights


def _shares(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def _path_shares(rhos: list[float]) -> np.ndarray:
    return _shares(_weights(rhos))


def _rho_as_probability(rhos: list[float]) -> np.ndarray | None:
    if max(rhos) >= 1:
        return None
    shares = np.ones(1)
    for rho in rhos:
        shares = np.convolve(shares, [1 - rho, rho])
    return shares


_PATH_SHARES = Exercise(
    name="path_shares",
    number="7.3",
    title="Shares of the gradient by path length",
    signature="path_shares(rhos)",
    parts=(Part("equal blocks", 2, _equal_blocks), Part("unequal blocks", 3, _unequal_blocks)),
    reference=_path_shares,
    misconceptions=(
        Misconception(
            "not shares yet",
            _weights,
            "Right up to one common factor: shares of a whole add up to 1.",
        ),
        Misconception(
            "one path of each length",
            lambda rhos: _shares(np.cumprod([1.0, *rhos])),
            "That counts a single path of each length, the one through the first few branches. How "
            "many others have the same length?",
        ),
        Misconception(
            "average block",
            lambda rhos: _path_shares([sum(rhos) / len(rhos)] * len(rhos)),
            "Right for equal blocks. With unequal ones a path through a strong branch counts for "
            "more: add the blocks one at a time.",
        ),
        Misconception(
            "longest first",
            lambda rhos: np.flip(_path_shares(rhos)).copy(),
            "The numbers are right and the order is not: the path that takes every skip, of length "
            "0, comes first.",
        ),
        Misconception(
            "norm factor",
            lambda rhos: _path_shares([math.sqrt(rho) for rho in rhos]),
            "No root is needed: rho already is the factor of the square, and the shares are of the "
            "square too.",
        ),
        Misconception(
            "rho as a probability",
            _rho_as_probability,
            "Here a branch gets rho and the skip what is left of 1. In the block the skip always "
            "lets everything through: what are the two shares then?",
        ),
    ),
    atol=1e-7,
)

EXERCISES = (_BLOCK_GRADIENT, _BRANCH_SCALE, _PATH_SHARES)

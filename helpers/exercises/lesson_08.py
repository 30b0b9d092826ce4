"""Exercises of lesson 08: what a skip adds, block by block and path by path.

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


# 8.1 The gradient of one block, in both orders


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


_OTHER = {"pre-add": "post-add", "post-add": "pre-add"}


def _gradient(
    weight: Tensor,
    x: Tensor,
    back: Tensor,
    order: str,
    *,
    seen: Callable[[str], str] = lambda order: order,
    skip: float = 1.0,
    slope_on: str | None = None,
    slope_from: Callable[[str], str] = lambda order: order,
    gate: Callable[[np.ndarray], np.ndarray] = lambda z: (z > 0).astype(float),
    gated_by: str = "z",
    transposed: bool = False,
    turned: bool = False,
    late: bool = False,
    past: str = "back",
    arriving: Callable[[np.ndarray], np.ndarray] = lambda back: back,
) -> np.ndarray:
    """Carry a gradient back through one block, rightly or with one thing changed.

    Args:
        weight: Shape (N, N).
        x: Input of the block, shape (B, N).
        back: Gradient at its output, shape (B, N).
        order: ``pre-add`` or ``post-add``.
        seen: Which order it is taken for.
        skip: Factor on what the skip hands back.
        slope_on: ``pre-add`` (branch alone), ``post-add`` (both ways) or ``none``;
            by default as the order says.
        slope_from: Whose pre-activation decides the slope, likewise.
        gate: What is taken for the slope.
        gated_by: What decides the slope: ``z``, ``x`` or ``back``.
        transposed: Whether to use the weight the wrong way round, going back.
        turned: Whether to use it so in the forward pass.
        late: Whether the slope comes after the weights.
        past: What the skip hands on: ``back`` or ``x``.
        arriving: What is taken for the gradient at the output.
    """
    w, values = weight.to(torch.float64).numpy(), x.to(torch.float64).numpy()
    given, kind = arriving(back.to(torch.float64).numpy()), seen(order)
    on, source = slope_on or kind, slope_from(kind)
    z = values @ (w if turned else w.T) + (values if source == "post-add" else 0.0)
    slope = (
        np.ones(z.shape) if on == "none" else gate({"z": z, "x": values, "back": given}[gated_by])
    )
    through, beside = (w.T if transposed else w), given if past == "back" else values
    branch = (given @ through) * slope if late else (given * slope) @ through
    return skip * (beside * slope if on == "post-add" else beside) + branch


def _at_the_weights(weight: Tensor, x: Tensor, back: Tensor, order: str) -> np.ndarray:
    w, values = weight.to(torch.float64).numpy(), x.to(torch.float64).numpy()
    z = values @ w.T + (values if order == "post-add" else 0.0)
    return (back.to(torch.float64).numpy() * (z > 0)).T @ values


_BLOCK_GRADIENT = Exercise(
    name="block_gradient",
    number="8.1",
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
            "orders swapped",
            partial(_gradient, seen=_OTHER.__getitem__),
            "The two orders have changed places: in which of them does the activation stand after "
            "the sum?",
        ),
        Misconception(
            "always before the sum",
            partial(_gradient, seen=lambda order: "pre-add"),
            "Both orders are treated as if the activation stood before the sum. Does your function "
            "look at the order, and is the word spelt as in the task?",
        ),
        Misconception(
            "always after the sum",
            partial(_gradient, seen=lambda order: "post-add"),
            "Both orders are treated as if the activation stood after the sum. Does your function "
            "look at the order, and is the word spelt as in the task?",
        ),
        Misconception(
            "slope of the wrong sum",
            partial(_gradient, slope_from=_OTHER.__getitem__),
            "The slope is taken at the wrong number: what exactly does the activation receive in "
            "each of the two orders?",
        ),
        Misconception(
            "x left out of the sum",
            partial(_gradient, slope_from=lambda order: "pre-add"),
            "With the activation after the sum it receives x as well: the slope is that of the "
            "whole sum.",
        ),
        Misconception(
            "slope by x",
            partial(_gradient, gated_by="x"),
            "The sign of x decides about the slope. It is the pre-activation that the activation "
            "receives.",
        ),
        Misconception(
            "slope by the gradient",
            partial(_gradient, gated_by="back"),
            "The sign of the gradient decides about the slope. It is the pre-activation of the "
            "forward pass that does.",
        ),
        Misconception(
            "output for slope",
            partial(_gradient, gate=lambda z: np.maximum(z, 0)),
            "The gradient is multiplied by the output of the ReLU. Its slope is 1 where it is on, "
            "and 0 where it is off.",
        ),
        Misconception(
            "pre-activation for slope",
            partial(_gradient, gate=lambda z: z),
            "The gradient is multiplied by the pre-activation. The slope of a ReLU is 1 where it "
            "is on, and 0 where it is off.",
        ),
        Misconception(
            "slope after the weights",
            partial(_gradient, late=True),
            "The slope comes after the weights here. On the way up the weights come first, so on "
            "the way back the slope does.",
        ),
        Misconception(
            "weight transposed",
            partial(_gradient, transposed=True),
            "The weight is used the way the forward pass uses it. With samples in rows, going back "
            "takes it the other way round.",
        ),
        Misconception(
            "forward pass not transposed",
            partial(_gradient, turned=True),
            "The pre-activation is worked out with the weight the wrong way round: the task says "
            "how the block uses it.",
        ),
        Misconception(
            "x for the skip",
            partial(_gradient, past="x"),
            "The skip hands back the gradient, as the derivative of x by itself is 1. You have "
            "added x.",
        ),
        Misconception(
            "back left out",
            partial(_gradient, arriving=np.ones_like),
            "The gradient does not depend on what arrives: it is that of the sum of all outputs. "
            "What arrives comes first in the chain rule.",
        ),
        Misconception(
            "gradient at the weights",
            _at_the_weights,
            "That is the gradient at the weights. The one at the input of the block is asked for.",
        ),
    ),
    atol=1e-6,
    approach=(
        "Write the pre-activation of each order and its slope. Then follow both ways back from the "
        "output to x, and add what they hand on."
    ),
)


# 8.2 The scale of a branch that keeps growth within bounds


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


def _branch_scale(
    blocks: int,
    rho: float,
    growth: float,
    *,
    of_a_block: Callable[[float, int], float] = lambda growth, blocks: growth ** (1 / blocks) - 1,
    kept: float = 1.0,
    grown: float = 1.0,
    power: float = 0.5,
) -> float | None:
    """Return the factor; the switches stand for what people get wrong."""
    try:
        return (of_a_block(growth**grown, blocks) / rho**kept) ** power
    except OverflowError:
        return None


_BRANCH_SCALE = Exercise(
    name="branch_scale",
    number="8.2",
    title="A factor on the branch for any growth",
    signature="branch_scale(blocks, rho, growth)",
    parts=(Part("one block", 2, _one_block), Part("a stack of blocks", 2, _stacks)),
    reference=lambda blocks, rho, growth: math.sqrt(math.expm1(math.log(growth) / blocks) / rho),
    misconceptions=(
        Misconception(
            "square of the scale",
            partial(_branch_scale, power=1.0),
            "That is what the factor does to mean squares. The factor itself stands on the branch: "
            "what does halving a vector do to its mean square?",
        ),
        Misconception(
            "growth shared out evenly",
            partial(_branch_scale, of_a_block=lambda growth, blocks: (growth - 1) / blocks),
            "Right for one block. With more, each block also multiplies what the blocks before it "
            "have added, so this lets the stack grow too much.",
        ),
        Misconception(
            "growth divided by the blocks",
            partial(_branch_scale, of_a_block=lambda growth, blocks: abs(growth / blocks - 1)),
            "The growth is divided by the number of blocks. Blocks multiply: which operation "
            "shares out a product?",
        ),
        Misconception(
            "limit of many blocks",
            partial(_branch_scale, of_a_block=lambda growth, blocks: math.log(growth) / blocks),
            "Very close for very many blocks, but not exact: for one block, check what your factor "
            "gives.",
        ),
        Misconception(
            "blocks left out",
            partial(_branch_scale, of_a_block=lambda growth, blocks: growth - 1),
            "Each single block grows as much as all of them together should. Which growth may one "
            "of many equal blocks have?",
        ),
        Misconception(
            "square root for any number",
            partial(_branch_scale, of_a_block=lambda growth, blocks: math.sqrt(growth) - 1),
            "The square root shares a growth among two blocks. Which root does it take for any "
            "number of them?",
        ),
        Misconception(
            "power for root",
            partial(_branch_scale, of_a_block=lambda growth, blocks: growth**blocks - 1),
            "The growth is multiplied with itself once per block. One block has to contribute "
            "less, not more: undo that power.",
        ),
        Misconception(
            "one taken away too early",
            partial(_branch_scale, of_a_block=lambda growth, blocks: (growth - 1) ** (1 / blocks)),
            "The 1 of the skip is taken away before the growth is shared out. First find the "
            "growth of one block, then take its skip away.",
        ),
        Misconception(
            "one added",
            partial(_branch_scale, of_a_block=lambda growth, blocks: growth ** (1 / blocks) + 1),
            "The skip is added. It already counts as 1 in the growth of a block: what is left for "
            "the branch?",
        ),
        Misconception(
            "rho left out",
            partial(_branch_scale, kept=0.0),
            "Right for a branch that keeps the mean square. One that multiplies it by rho needs "
            "another factor.",
        ),
        Misconception(
            "rho on top",
            partial(_branch_scale, kept=-1.0),
            "The stronger the branch, the larger your factor. It has to make up for rho: on which "
            "side of the fraction line does that belong?",
        ),
        Misconception(
            "rho outside the root",
            partial(_branch_scale, kept=2.0),
            "Rho is divided by outside the root. It multiplies mean squares, as the square of the "
            "factor does: does it not belong under the root?",
        ),
        Misconception(
            "rho squared, not the factor",
            partial(_branch_scale, kept=2.0, power=1.0),
            "The square stands at rho here, and it belongs to the factor that you look for.",
        ),
        Misconception(
            "growth of the norm",
            partial(_branch_scale, grown=2.0),
            "Here the norm grows as much as the mean square was to grow. Which of the two is the "
            "question about?",
        ),
        Misconception(
            "root of the growth",
            partial(_branch_scale, grown=0.5),
            "The root of the growth is taken first. The growth is that of the mean square already.",
        ),
        Misconception(
            "skip left out",
            partial(_branch_scale, of_a_block=lambda growth, blocks: growth ** (1 / blocks)),
            "This would be right for a stack without skips. A block also hands on its input, and "
            "that already counts as 1.",
        ),
        Misconception(
            "one over the root of the blocks",
            lambda blocks, rho, growth: blocks**-0.5,
            "That is one over the root of the number of blocks, whatever rho and growth are. It "
            "leads to a growth of its own; which one is asked for?",
        ),
    ),
    approach=(
        "One block multiplies the mean square by 1 plus the squared factor times rho. All of them "
        "together make a power of this; set it to the growth and solve from the outside."
    ),
)


# 8.3 How the gradient divides among paths


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


_Weights = Callable[[list[float]], np.ndarray]


def _weights(rhos: list[float]) -> np.ndarray:
    """Sum over all paths of each length: the coefficients of a product of 1 + rho t."""
    weights = np.ones(1)
    for rho in rhos:
        weights = np.convolve(weights, [1.0, rho])
    return weights


def _of_paths(weights: np.ndarray, rhos: list[float]) -> np.ndarray:
    return weights / weights.sum()


def _path_shares(
    rhos: list[float],
    *,
    seen: Callable[[list[float]], list[float]] = list,
    weights: _Weights = _weights,
    shared: Callable[[np.ndarray, list[float]], np.ndarray] = _of_paths,
    listed: Callable[[np.ndarray], np.ndarray] = lambda shares: shares,
) -> list[float]:
    """Return the shares; the switches stand for what people get wrong."""
    return listed(shared(weights(seen(rhos)), rhos)).tolist()


def _changed_already(rhos: list[float]) -> np.ndarray:
    weights = np.zeros(len(rhos) + 1)
    weights[0] = 1.0
    for rho in rhos:
        for length in range(1, len(weights)):
            weights[length] += rho * weights[length - 1]
    return weights


def _rho_as_probability(rhos: list[float]) -> list[float] | None:
    if max(rhos) >= 1:
        return None
    shares = np.ones(1)
    for rho in rhos:
        shares = np.convolve(shares, [1 - rho, rho])
    return shares.tolist()


_PATH_SHARES = Exercise(
    name="path_shares",
    number="8.3",
    title="Shares of the gradient by path length",
    signature="path_shares(rhos)",
    parts=(Part("equal blocks", 2, _equal_blocks), Part("unequal blocks", 3, _unequal_blocks)),
    reference=lambda rhos: _path_shares(rhos),
    misconceptions=(
        Misconception(
            "not shares yet",
            partial(_path_shares, shared=lambda weights, rhos: weights),
            "Right up to one common factor: shares of a whole add up to 1.",
        ),
        Misconception(
            "divided by the number of paths",
            partial(_path_shares, shared=lambda weights, rhos: weights / 2 ** len(rhos)),
            "Each number is divided by how many paths there are. Shares add up to 1: what is the "
            "whole, if paths count differently?",
        ),
        Misconception(
            "divided by the sum of rho",
            partial(_path_shares, shared=lambda weights, rhos: weights / sum(rhos)),
            "The sum of all rho is not the whole. Shares add up to 1: what do the numbers that you "
            "divide add up to?",
        ),
        Misconception(
            "divided by the number of lengths",
            partial(_path_shares, shared=lambda weights, rhos: weights / len(weights)),
            "Each number is divided by how many lengths there are. Shares add up to 1: what do the "
            "numbers that you divide add up to?",
        ),
        Misconception(
            "one path of each length",
            partial(_path_shares, weights=lambda rhos: np.cumprod([1.0, *rhos])),
            "That counts a single path of each length, the one through the first few branches. How "
            "many others have the same length?",
        ),
        Misconception(
            "read after it was changed",
            partial(_path_shares, weights=_changed_already),
            "An entry is read that the same block has already changed, so a path passes one branch "
            "more than once. Keep the old entries until the block is done.",
        ),
        Misconception(
            "average block",
            partial(_path_shares, seen=lambda rhos: [sum(rhos) / len(rhos)] * len(rhos)),
            "Right for equal blocks. With unequal ones a path through a strong branch counts for "
            "more: add the blocks one at a time.",
        ),
        Misconception(
            "first block for all",
            partial(_path_shares, seen=lambda rhos: rhos[:1] * len(rhos)),
            "The first rho is used for all blocks. Right for equal ones: add the blocks one at a "
            "time, each with its own.",
        ),
        Misconception(
            "last block for all",
            partial(_path_shares, seen=lambda rhos: rhos[-1:] * len(rhos)),
            "The last rho is used for all blocks. Right for equal ones: add the blocks one at a "
            "time, each with its own.",
        ),
        Misconception(
            "first block left out",
            partial(_path_shares, seen=lambda rhos: rhos[1:]),
            "The first block is left out. There is one length for each number of branches, from 0 "
            "to the number of blocks.",
        ),
        Misconception(
            "last block left out",
            partial(_path_shares, seen=lambda rhos: rhos[:-1]),
            "The last block is left out. There is one length for each number of branches, from 0 "
            "to the number of blocks.",
        ),
        Misconception(
            "first block alone",
            partial(_path_shares, seen=lambda rhos: rhos[:1]),
            "Only the first block is in it: does your function leave the loop too early?",
        ),
        Misconception(
            "paths counted, rho left out",
            partial(_path_shares, seen=lambda rhos: [1.0] * len(rhos)),
            "The paths of each length are counted as if they were alike. Each branch on a path "
            "multiplies it by its rho.",
        ),
        Misconception(
            "longest first",
            partial(_path_shares, listed=np.flip),
            "The numbers are right and the order is not: the path that takes every skip, of length "
            "0, comes first.",
        ),
        Misconception(
            "length 0 left out",
            partial(_path_shares, listed=lambda shares: shares[1:]),
            "The path that takes every skip, of length 0, is missing at the front of the list.",
        ),
        Misconception(
            "greatest length left out",
            partial(_path_shares, listed=lambda shares: shares[:-1]),
            "The path that takes every branch is missing at the end of the list: lengths go up to "
            "the number of blocks.",
        ),
        Misconception(
            "running total",
            partial(_path_shares, listed=np.cumsum),
            "The shares are added up on the way: each number still contains those of all shorter "
            "paths.",
        ),
        Misconception(
            "norm factor",
            partial(_path_shares, seen=lambda rhos: [math.sqrt(rho) for rho in rhos]),
            "No root is needed: rho already is the factor of the square, and the shares are of the "
            "square too.",
        ),
        Misconception(
            "rho squared",
            partial(_path_shares, seen=lambda rhos: [rho**2 for rho in rhos]),
            "No square is needed: rho already is the factor of the square, and the shares are of "
            "the square too.",
        ),
        Misconception(
            "rho as a probability",
            _rho_as_probability,
            "Here a branch gets rho and the skip what is left of 1. In the block the skip always "
            "lets everything through: what are the two shares then?",
        ),
        Misconception(
            "mean length",
            lambda rhos: float(np.arange(len(rhos) + 1) @ _path_shares(rhos)),
            "That is the mean length. The share of each length is asked for, in a list.",
        ),
    ),
    atol=1e-7,
    approach=(
        "Keep a list with what each length has so far, one path of length 0 at the start. Each "
        "block makes a new list: what skips it stays in place, what passes it moves on by one, "
        "times rho."
    ),
)

EXERCISES = (_BLOCK_GRADIENT, _BRANCH_SCALE, _PATH_SHARES)

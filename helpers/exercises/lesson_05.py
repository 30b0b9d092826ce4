"""Exercises of lesson 05: initialisation."""

from collections.abc import Callable
from functools import partial

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


def _weight_std(
    slopes: Tensor,
    fan_in: int,
    fan_out: int,
    *,
    of: Callable[[Tensor], float] = lambda slopes: slopes.square().mean().item(),
    width: Callable[[int, int], float] = lambda fan_in, fan_out: fan_out,
    power: float = -0.5,
) -> float | None:
    """Return the standard deviation; the switches stand for what people get wrong."""
    square = of(slopes.to(torch.float64))
    return (width(fan_in, fan_out) * square) ** power if square > 0 else None


def _nonzero(slopes: Tensor) -> float:
    return slopes[slopes != 0].square().mean().item()


def _spread(slopes: Tensor, correction: int = 0) -> float:
    return slopes.var(correction=correction).item() if slopes.numel() > correction else 0.0


_WEIGHT_STD = Exercise(
    name="weight_std",
    number="5.1",
    title="Weights that hand a delta on unchanged",
    signature="weight_std(slopes, fan_in, fan_out)",
    parts=(
        Part("slopes 0 and 1", 1, _on_or_off),
        Part("any slopes", 3, _any_slopes),
    ),
    reference=lambda slopes, fan_in, fan_out: _weight_std(slopes, fan_in, fan_out),
    misconceptions=(
        Misconception(
            "slopes left out",
            partial(_weight_std, of=lambda slopes: 1.0),
            "That is right for a linear network. An activation lets only part of a delta through, "
            "and the weights must make up for it.",
        ),
        Misconception(
            "He's 2 for any slopes",
            partial(_weight_std, of=lambda slopes: 0.5),
            "The 2 of He's rule stands for ReLU, half of whose slopes are 1. What have these "
            "slopes in its place?",
        ),
        Misconception(
            "2 on top of the slopes",
            partial(_weight_std, of=lambda slopes: slopes.square().mean().item() / 2),
            "The 2 of He's rule already is what ReLU's slopes make. With the slopes in the "
            "formula it must go.",
        ),
        Misconception(
            "forward pass",
            partial(_weight_std, width=lambda fan_in, fan_out: fan_in),
            "The other width counts: on its way back, a delta adds up one term for each unit of "
            "the layer above that reads it.",
        ),
        Misconception(
            "mean of both widths",
            partial(_weight_std, width=lambda fan_in, fan_out: (fan_in + fan_out) / 2),
            "The mean of both widths is Xavier's compromise. The backward pass alone is asked for "
            "here, and it feels one of the two.",
        ),
        Misconception(
            "sum of both widths",
            partial(_weight_std, width=lambda fan_in, fan_out: fan_in + fan_out),
            "Both widths are added up. The backward pass alone is asked for here, and it feels one "
            "of the two.",
        ),
        Misconception(
            "both widths multiplied",
            partial(_weight_std, width=lambda fan_in, fan_out: fan_in * fan_out),
            "Both widths are multiplied. A delta below is a sum with one term for each unit above: "
            "which width is that?",
        ),
        Misconception(
            "width left out",
            partial(_weight_std, width=lambda fan_in, fan_out: 1.0),
            "That is the gain. A delta below adds up one term for each unit above: where does "
            "their number come in?",
        ),
        Misconception(
            "root of the width forgotten",
            partial(_weight_std, width=lambda fan_in, fan_out: fan_out**2),
            "It is the variance that goes with one over the width, and you need the standard "
            "deviation.",
        ),
        Misconception(
            "variance",
            partial(_weight_std, power=-1.0),
            "That is the variance of the weights. Which power of it is the standard deviation?",
        ),
        Misconception(
            "mean slope, squared",
            partial(_weight_std, of=lambda slopes: slopes.mean().item() ** 2),
            "The mean was taken before squaring. Each delta meets one slope, and squares are what "
            "adds up: so average which of the two?",
        ),
        Misconception(
            "mean slope, not squared",
            partial(_weight_std, of=lambda slopes: abs(slopes.mean().item())),
            "Right for slopes of 0 and 1, which are their own squares. A squared delta is "
            "multiplied by a squared slope.",
        ),
        Misconception(
            "sum of the squares",
            partial(_weight_std, of=lambda slopes: slopes.square().sum().item()),
            "The squared slopes are added up. They are a sample: twice as many of them must give "
            "the same weights, so take the mean.",
        ),
        Misconception(
            "variance of the slopes",
            partial(_weight_std, of=_spread),
            "A variance takes the mean away first. Equal slopes have none, and still they scale "
            "each delta: take the mean of their squares.",
        ),
        Misconception(
            "variance of the slopes, by one less",
            partial(_weight_std, of=partial(_spread, correction=1)),
            "A variance takes the mean away first, and here it divides by one less. Take the mean "
            "of the squared slopes.",
        ),
        Misconception(
            "zeros left out",
            partial(_weight_std, of=_nonzero),
            "The slopes of 0 are left out of the mean. A unit that is off lets nothing back, and "
            "that must count.",
        ),
        Misconception(
            "slopes on top",
            partial(_weight_std, of=lambda slopes: 1 / slopes.square().mean().item()),
            "The smaller the slopes, the smaller your weights. They have to make up for what the "
            "slopes take: on which side of the fraction line do those belong?",
        ),
    ),
    approach=(
        "Write the mean square of one delta below: how many terms above, times the variance of a "
        "weight, times the mean of a squared slope. Set the factor to 1 and solve."
    ),
)


EXERCISES = (_WEIGHT_STD,)

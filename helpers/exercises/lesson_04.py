"""Exercises of lesson 04: what an activation costs, and which units are dead.

Shapes: B batch, N units.
"""

import math

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part


def _tensor(values: np.ndarray | list) -> Tensor:
    """Wrap values rounded to two decimals, so that a message can show them."""
    return torch.from_numpy(np.round(np.array(values, dtype=np.float32), 2))


# 4.1 He's standard deviation, with a leak


def _no_leak(rng: np.random.Generator) -> list[dict[str, object]]:
    fans = [2, 50, *(int(fan) for fan in rng.integers(60, 900, size=2))]
    return [{"negative_slope": 0.0, "fan_in": fan} for fan in fans]


def _any_leak(rng: np.random.Generator) -> list[dict[str, object]]:
    leaks = [1.0, 0.5, *(round(leak, 2) for leak in rng.uniform(0.1, 0.9, size=3))]
    return [{"negative_slope": leak, "fan_in": int(rng.integers(3, 900))} for leak in leaks]


def _leaky_std(negative_slope: float, fan_in: int) -> float:
    return math.sqrt(2 / ((1 + negative_slope**2) * fan_in))


_LEAKY_STD = Exercise(
    name="leaky_std",
    number="4.1",
    title="He's start, with a leak",
    signature="leaky_std(negative_slope, fan_in)",
    parts=(Part("no leak", 1, _no_leak), Part("any leak", 2, _any_leak)),
    reference=_leaky_std,
    misconceptions=(
        Misconception(
            "leak left out",
            lambda negative_slope, fan_in: math.sqrt(2 / fan_in),
            "That is He's start, right as long as nothing leaks. The half of the units that are "
            "left of 0 now pass something, too.",
        ),
        Misconception(
            "leak not squared",
            lambda negative_slope, fan_in: math.sqrt(2 / ((1 + negative_slope) * fan_in)),
            "The leak enters a squared norm. What does a slope do to the square of what passes?",
        ),
        Misconception(
            "variance",
            lambda negative_slope, fan_in: _leaky_std(negative_slope, fan_in) ** 2,
            "That is the variance of the weights. The standard deviation is asked for.",
        ),
        Misconception(
            "fan_in left out",
            lambda negative_slope, fan_in: _leaky_std(negative_slope, 1),
            "That is the gain. A unit with more inputs needs smaller weights: where does the "
            "number of inputs come in?",
        ),
        Misconception(
            "root of fan_in forgotten",
            lambda negative_slope, fan_in: _leaky_std(negative_slope, 1) / fan_in,
            "It is the variance that goes with one over the number of inputs, and you need the "
            "standard deviation.",
        ),
        Misconception(
            "both halves counted in full",
            lambda negative_slope, fan_in: math.sqrt(1 / ((1 + negative_slope**2) * fan_in)),
            "Both slopes are there, squared. But each of them belongs to half of the units only: "
            "take their mean, not their sum.",
        ),
    ),
)


# 4.2 The gain that makes chi equal to 1


def _open_and_closed(rng: np.random.Generator) -> list[dict[str, object]]:
    gates = np.zeros(40)
    gates[: int(rng.integers(5, 36))] = 1.0
    return [
        {"slopes": _tensor([1.0, 1.0])},
        {"slopes": _tensor([0.0, 1.0])},
        {"slopes": _tensor([1.0, 0.0, 0.0, 0.0])},
        {"slopes": _tensor(rng.permutation(gates).reshape(8, 5))},
    ]


def _any_slopes(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"slopes": _tensor([0.5, 0.25])},
        {"slopes": _tensor([-0.1, 0.5, 1.1])},
    ]
    for shape in ((4,), (3, 2), (5, 4, 2)):
        # Like GELU's: some negative, some above 1, and a mean well away from 0.
        slopes = _tensor(rng.uniform(-0.12, 1.4, size=shape))
        slopes.view(-1)[:2] = _tensor([0.2, 1.2])
        cases.append({"slopes": slopes})
    return cases


def _critical_gain(slopes: Tensor) -> float:
    squares = [slope**2 for slope in slopes.flatten().tolist()]
    return math.sqrt(len(squares) / math.fsum(squares))


def _inverse_spread(slopes: Tensor) -> float | None:
    spread = slopes.to(torch.float64).std(correction=0).item()
    return 1 / spread if spread > 0 else None


_CRITICAL_GAIN = Exercise(
    name="critical_gain",
    number="4.2",
    title="The gain for any activation",
    signature="critical_gain(slopes)",
    parts=(Part("open or closed", 1, _open_and_closed), Part("any slopes", 3, _any_slopes)),
    reference=_critical_gain,
    misconceptions=(
        Misconception(
            "mean slope",
            lambda slopes: 1 / slopes.to(torch.float64).mean().item(),
            "Norms add up in squares, so a mean slope misleads: slopes of 0 and 1 have the mean of "
            "slopes of one half, and keep more of a norm. Square first, then take the mean.",
        ),
        Misconception(
            "weight variance",
            lambda slopes: _critical_gain(slopes) ** 2,
            "That is what the weight variance needs. The gain is a standard deviation.",
        ),
        Misconception(
            "cost, not remedy",
            lambda slopes: 1 / _critical_gain(slopes),
            "That is what the slopes leave of the norm. By what must the weights multiply it to "
            "make up for that?",
        ),
        Misconception(
            "spread of the slopes",
            _inverse_spread,
            "A standard deviation takes the mean away first. If all slopes are equal they have no "
            "spread, and still they scale the gradient.",
        ),
        Misconception(
            "largest slope",
            lambda slopes: 1 / slopes.to(torch.float64).abs().max().item(),
            "The largest slope belongs to one entry of the tensor. All of them enter a norm.",
        ),
        Misconception(
            "sum instead of mean",
            lambda slopes: _critical_gain(slopes) / math.sqrt(slopes.numel()),
            "Measure the same slopes twice, and your gain changes. How many there are must drop "
            "out of the answer.",
        ),
    ),
)


# 4.3 Which units are dead?


def _batch(rng: np.random.Generator, pictures: int, kinds: str) -> Tensor:
    """Draw a batch with one unit per letter: Dead, Rarely on, Often on, Always on."""
    columns = []
    for kind in kinds:
        column = rng.uniform(0.1, 1.0, size=pictures) * (1 if kind in "OA" else -1)
        if kind in "RO":
            column[rng.integers(pictures)] *= -1 / pictures
        columns.append(column)
    return _tensor(np.stack(columns, axis=1))


def _batches(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"pre_activations": _tensor([[-1.0, 2.0]])}]
    cases.append({"pre_activations": _tensor([[-1.0, 0.5, -1.0, 2.0], [-2.0, -3.0, 0.5, 1.0]])})
    for pictures in (4, 6):
        kinds = "DDRRRO" + "".join(rng.choice(list("DROA"), size=3))
        cases.append({"pre_activations": _batch(rng, pictures, kinds)})
    return cases


def _zeros(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"pre_activations": _tensor([[0.0, 1.0]])}]
    for pictures in (3, 5):
        z = _batch(rng, pictures, "DDDRRO" + "".join(rng.choice(list("DR"), size=2)))
        z[int(rng.integers(pictures)), :2] = 0.0  # at rest on one picture, off on the others
        cases.append({"pre_activations": z})
    return cases


def _dead_share(pre_activations: Tensor) -> float:
    largest = [max(unit) for unit in zip(*pre_activations.tolist(), strict=True)]
    return sum(value <= 0 for value in largest) / len(largest)


def _share(flags: Tensor) -> float:
    return flags.to(torch.float64).mean().item()


_DEAD_SHARE = Exercise(
    name="dead_share",
    number="4.3",
    title="The share of dead units",
    signature="dead_share(pre_activations)",
    parts=(Part("any batch", 2, _batches), Part("pre-activations of 0", 1, _zeros)),
    reference=_dead_share,
    misconceptions=(
        Misconception(
            "entries",
            lambda pre_activations: _share(pre_activations <= 0),
            "That is the share of entries that are off. In a healthy layer it is one half: being "
            "off for a single picture is not an illness.",
        ),
        Misconception(
            "pictures",
            lambda pre_activations: _share((pre_activations <= 0).all(dim=1)),
            "That is the share of pictures that switch nothing on. Ask each unit about all "
            "pictures, not each picture about all units.",
        ),
        Misconception(
            "negative mean",
            lambda pre_activations: _share(pre_activations.mean(dim=0) <= 0),
            "A unit that is off on average may still be on for one picture, and learn from it.",
        ),
        Misconception(
            "ever off",
            lambda pre_activations: _share((pre_activations <= 0).any(dim=0)),
            "That counts each unit that is off at least once. How many pictures are enough to "
            "keep a unit alive?",
        ),
        Misconception(
            "alive share",
            lambda pre_activations: 1 - _dead_share(pre_activations),
            "That is the share of units that are alive. Which ones are asked for?",
        ),
        Misconception(
            "number, not share",
            lambda pre_activations: round(_dead_share(pre_activations) * pre_activations.shape[1]),
            "That is how many units are dead. A share lies between 0 and 1.",
        ),
        Misconception(
            "zero counted as on",
            lambda pre_activations: _share((pre_activations < 0).all(dim=0)),
            "Look at a pre-activation of exactly 0: which slope does ReLU have there?",
        ),
    ),
)

EXERCISES = (_LEAKY_STD, _CRITICAL_GAIN, _DEAD_SHARE)

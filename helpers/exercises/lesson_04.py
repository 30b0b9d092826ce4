"""Exercises of lesson 04: what an activation costs, and which units are dead.

Shapes: B batch, N units.
"""

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

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


def _leaky_std(
    negative_slope: float,
    fan_in: float,
    *,
    squares: Callable[[float], float] = lambda slope: 1 + slope**2,
    half: float = 0.5,
    inputs: float = 1.0,
    power: float = 0.5,
) -> float | None:
    """Return the standard deviation; the switches stand for what people get wrong."""
    mean_square = half * squares(negative_slope)
    return (1 / (mean_square * fan_in**inputs)) ** power if mean_square > 0 else None


_LEAKY_STD = Exercise(
    name="leaky_std",
    number="4.1",
    title="He's start, with a leak",
    signature="leaky_std(negative_slope, fan_in)",
    parts=(Part("no leak", 1, _no_leak), Part("any leak", 2, _any_leak)),
    reference=lambda negative_slope, fan_in: _leaky_std(negative_slope, fan_in),
    misconceptions=(
        Misconception(
            "leak left out",
            partial(_leaky_std, squares=lambda slope: 1.0),
            "That is He's start, right as long as nothing leaks. The half of the units that are "
            "left of 0 now pass something, too.",
        ),
        Misconception(
            "leak not squared",
            partial(_leaky_std, squares=lambda slope: 1 + slope),
            "The leak enters a squared norm. What does a slope do to the square of what passes?",
        ),
        Misconception(
            "leak squared twice",
            partial(_leaky_std, squares=lambda slope: 1 + slope**4),
            "The leak is squared twice. It is squared once, as a slope does it to a squared norm.",
        ),
        Misconception(
            "leak subtracted",
            partial(_leaky_std, squares=lambda slope: 1 - slope**2),
            "The squared leak is subtracted. What passes left of 0 adds to what passes right.",
        ),
        Misconception(
            "sum squared",
            partial(_leaky_std, squares=lambda slope: (1 + slope) ** 2, half=0.25),
            "The mean of the two slopes is squared. Square each of them first, then take the mean.",
        ),
        Misconception(
            "slope 1 left out",
            partial(_leaky_std, squares=lambda slope: slope**2),
            "Only the leak is there. The other half of the units passes everything, with slope 1.",
        ),
        Misconception(
            "leak outside the fraction",
            lambda negative_slope, fan_in: math.sqrt(2 * (1 + negative_slope**2) / fan_in),
            "The larger the leak, the larger your weights. A layer that lets more through needs "
            "smaller ones: on which side of the fraction line does it belong?",
        ),
        Misconception(
            "half of it upside down",
            lambda negative_slope, fan_in: math.sqrt((1 + negative_slope**2) / (2 * fan_in)),
            "The mean squared slope stands on top. The weights must make up for it, so on which "
            "side of the fraction line does it belong?",
        ),
        Misconception(
            "leak added below",
            lambda negative_slope, fan_in: math.sqrt(2 / (1 + negative_slope**2 * fan_in)),
            "Brackets are missing: both slopes together are multiplied by the number of inputs, "
            "not the leak alone.",
        ),
        Misconception(
            "two over one, plus the leak",
            lambda negative_slope, fan_in: math.sqrt((2 + negative_slope**2) / fan_in),
            "Brackets are missing: the 2 is divided by both slopes together, not by the first one "
            "alone.",
        ),
        Misconception(
            "two over one, plus the leak of all",
            lambda negative_slope, fan_in: math.sqrt(2 + negative_slope**2 * fan_in),
            "Brackets are missing around what stands below the fraction line.",
        ),
        Misconception(
            "variance",
            partial(_leaky_std, power=1.0),
            "That is the variance of the weights. The standard deviation is asked for.",
        ),
        Misconception(
            "fan_in left out",
            partial(_leaky_std, inputs=0.0),
            "That is the gain. A unit with more inputs needs smaller weights: where does the "
            "number of inputs come in?",
        ),
        Misconception(
            "root of fan_in forgotten",
            partial(_leaky_std, inputs=2.0),
            "It is the variance that goes with one over the number of inputs, and you need the "
            "standard deviation.",
        ),
        Misconception(
            "fan_in on top",
            partial(_leaky_std, inputs=-1.0),
            "Your weights grow with the number of inputs. A unit with more inputs needs smaller "
            "ones: mind the brackets below the fraction line.",
        ),
        Misconception(
            "both halves counted in full",
            partial(_leaky_std, half=1.0),
            "Both slopes are there, squared. But each of them belongs to half of the units only: "
            "take their mean, not their sum.",
        ),
    ),
    approach=(
        "Half of the units have slope 1, the others the leak. Take the mean of the squared slopes: "
        "number of inputs times variance times this mean must be 1."
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


def _mean_of(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _critical_gain(
    slopes: Tensor,
    *,
    of: Callable[[float], float] = lambda slope: slope**2,
    mean: Callable[[list[float]], float] = _mean_of,
    kept: Callable[[float], bool] = lambda slope: True,
    power: float = -0.5,
) -> Any:
    """Return the gain; the switches stand for what people get wrong."""
    values = mean([of(slope) for slope in slopes.flatten().tolist() if kept(slope)])
    return values**power if values > 0 else None


def _inverse_spread(slopes: Tensor, correction: int = 0) -> float | None:
    if slopes.numel() <= correction:
        return None
    spread = slopes.to(torch.float64).std(correction=correction).item()
    return 1 / spread if spread > 0 else None


def _inverse_mean(slopes: Tensor) -> float:
    return 1 / _mean_of(slopes.flatten().tolist())


_CRITICAL_GAIN = Exercise(
    name="critical_gain",
    number="4.2",
    title="The gain for any activation",
    signature="critical_gain(slopes)",
    parts=(Part("open or closed", 1, _open_and_closed), Part("any slopes", 3, _any_slopes)),
    reference=lambda slopes: _critical_gain(slopes),
    misconceptions=(
        Misconception(
            "mean slope",
            partial(_critical_gain, of=float, power=-1.0),
            "Norms add up in squares, so a mean slope misleads: slopes of 0 and 1 have the mean of "
            "slopes of one half, and keep more of a norm. Square first, then take the mean.",
        ),
        Misconception(
            "slopes not squared",
            partial(_critical_gain, of=float),
            "The root of the mean slope is taken, and the slopes are not squared: right for slopes "
            "of 0 and 1 only, which are their own squares.",
        ),
        Misconception(
            "mean size",
            partial(_critical_gain, of=abs, power=-1.0),
            "The mean size of the slopes misleads: norms add up in squares. Square first, then "
            "take the mean, then the root.",
        ),
        Misconception(
            "weight variance",
            partial(_critical_gain, power=-1.0),
            "That is what the weight variance needs. The gain is a standard deviation.",
        ),
        Misconception(
            "cost, not remedy",
            partial(_critical_gain, power=0.5),
            "That is what the slopes leave of the norm. By what must the weights multiply it to "
            "make up for that?",
        ),
        Misconception(
            "mean square",
            partial(_critical_gain, power=1.0),
            "Two things: that is the mean squared slope, without its root, and the weights have to "
            "make up for what the slopes leave.",
        ),
        Misconception(
            "spread of the slopes",
            _inverse_spread,
            "A standard deviation takes the mean away first. If all slopes are equal they have no "
            "spread, and still they scale the gradient.",
        ),
        Misconception(
            "spread of the slopes, by one less",
            partial(_inverse_spread, correction=1),
            "A standard deviation takes the mean away first, and here it divides by one less. "
            "Equal slopes have no spread, and still they scale the gradient.",
        ),
        Misconception(
            "largest slope",
            partial(_critical_gain, mean=max),
            "The largest slope belongs to one entry of the tensor. All of them enter a norm.",
        ),
        Misconception(
            "sum instead of mean",
            partial(_critical_gain, mean=math.fsum),
            "Measure the same slopes twice, and your gain changes. How many there are must drop "
            "out of the answer.",
        ),
        Misconception(
            "median of the squares",
            partial(_critical_gain, mean=statistics.median),
            "That is made of the median of the squares. A norm adds all of them up, so it is their "
            "mean that counts.",
        ),
        Misconception(
            "lower median of the squares",
            partial(_critical_gain, mean=statistics.median_low),
            "That is made of the median of the squares. A norm adds all of them up, so it is their "
            "mean that counts.",
        ),
        Misconception(
            "open units counted",
            partial(_critical_gain, of=lambda slope: float(slope > 0)),
            "That counts the slopes above 0. It is right as long as they are all 1: how steep is "
            "each of them?",
        ),
        Misconception(
            "zeros left out",
            partial(_critical_gain, kept=lambda slope: slope != 0),
            "The slopes of 0 are left out of the mean. A unit that is off lets nothing back, and "
            "that must count.",
        ),
        Misconception(
            "negative slopes cut off",
            partial(_critical_gain, of=lambda slope: max(slope, 0.0) ** 2),
            "Negative slopes are counted as 0. A negative slope turns a gradient round, and its "
            "square counts like any other.",
        ),
        Misconception(
            "mean of the inverse",
            lambda slopes: (
                math.sqrt(_mean_of([1 / s**2 for s in slopes.flatten().tolist()]))
                if (slopes != 0).all()
                else None
            ),
            "The mean of the inverse is not the inverse of the mean: a single small slope "
            "would decide. Take the mean first.",
        ),
        Misconception(
            "divided by the rows",
            lambda slopes: _critical_gain(slopes) / math.sqrt(slopes.numel() / len(slopes)),
            "The sum is divided by the number of rows. A mean divides by the number of all "
            "entries.",
        ),
    ),
    approach=(
        "A delta is multiplied by a slope entry by entry, so its square by the squared slope. Take "
        "the mean of those squares: weight variance times that mean must be 1."
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
    # A picture that switches nothing on, and a unit that is hardly on.
    cases.append({"pre_activations": _tensor([[-1.0, -1.0], [2.0, -1.0], [1.0, -2.0]])})
    cases.append({"pre_activations": _tensor([[1.0, 2.0, 0.5], [-1.0, -2.0, 0.5]])})
    cases.append({"pre_activations": _tensor([[0.02, 1.0, -1.0], [0.01, -1.0, -2.0]])})
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


def _share_off(
    pre_activations: Tensor,
    *,
    off: Callable[[Tensor], Tensor] = lambda z: z <= 0,
    often: Callable[[Tensor], Tensor] = lambda flags: flags.all(dim=0),
    pictures: bool = False,
    alive: bool = False,
    of: Callable[[Tensor, Tensor], float] = lambda flags, z: _share(flags),
) -> float:
    """Return the share; the switches stand for what people get wrong.

    Args:
        pre_activations: As in the exercise.
        off: Which entries count as off.
        often: For how many pictures a unit must be off.
        pictures: Whether pictures are asked instead of units.
        alive: Whether the others are counted.
        of: What is made of the flags of the units.
    """
    z = pre_activations.T if pictures else pre_activations
    flags = often(off(z))
    return of(~flags if alive else flags, pre_activations)


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
            partial(_share_off, often=lambda flags: flags.flatten()),
            "That is the share of entries that are off. In a healthy layer it is one half: being "
            "off for a single picture is not an illness.",
        ),
        Misconception(
            "pictures",
            partial(_share_off, pictures=True),
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
            partial(_share_off, often=lambda flags: flags.any(dim=0)),
            "That counts each unit that is off at least once. How many pictures are enough to "
            "keep a unit alive?",
        ),
        Misconception(
            "alive share",
            partial(_share_off, alive=True),
            "That is the share of units that are alive. Which ones are asked for?",
        ),
        Misconception(
            "number, not share",
            partial(_share_off, of=lambda flags, z: int(flags.sum())),
            "That is how many units are dead. A share lies between 0 and 1.",
        ),
        Misconception(
            "zero counted as on",
            partial(_share_off, off=lambda z: z < 0),
            "Look at a pre-activation of exactly 0: which slope does ReLU have there?",
        ),
        Misconception(
            "divided by the pictures",
            partial(_share_off, of=lambda flags, z: int(flags.sum()) / len(z)),
            "The dead units are divided by the number of pictures. Of what is a share of the units "
            "a share?",
        ),
        Misconception(
            "exactly 0 only",
            partial(_share_off, off=lambda z: z == 0),
            "Before the ReLU a unit that is off has a negative pre-activation, and 0 is only the "
            "edge: look for what ReLU turns into 0.",
        ),
        Misconception(
            "first picture alone",
            partial(_share_off, often=lambda flags: flags[0]),
            "Only the first picture is looked at. A unit is dead if no picture switches it on.",
        ),
        Misconception(
            "all or nothing",
            partial(_share_off, of=lambda flags, z: float(flags.all())),
            "That says whether all units are dead. Which share of them is?",
        ),
        Misconception(
            "always on",
            partial(_share_off, off=lambda z: z > 0),
            "Those are the units that each picture switches on. They learn from all of them.",
        ),
        Misconception(
            "mostly off",
            partial(_share_off, often=lambda flags: flags.double().mean(dim=0) > 0.5),
            "Those are the units that are off for more than half of the pictures. One picture that "
            "switches a unit on keeps it alive.",
        ),
        Misconception(
            "small counted as off",
            partial(_share_off, off=lambda z: z <= 0.05),
            "A small pre-activation counts as off here. However small it is, above 0 the slope of "
            "ReLU is 1.",
        ),
    ),
    approach=(
        "Ask for each entry whether it is off, then for each unit whether it is off for all "
        "pictures. The mean of these truths, as numbers, is the share."
    ),
)

EXERCISES = (_LEAKY_STD, _CRITICAL_GAIN, _DEAD_SHARE)

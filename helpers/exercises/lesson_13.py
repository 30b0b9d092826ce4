"""Exercises of lesson 13: what a number format loses, and how to scale a loss for it.

Shapes: L layers.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part

# 13.1 The largest step that a weight does not notice

_DIGITS = {"float32": 24, "float16": 11, "bfloat16": 8}


def _ones(rng: np.random.Generator) -> list[dict[str, object]]:
    formats = [*_DIGITS.values(), int(rng.integers(4, 8))]
    return [{"weight": 1.0, "digits": digits} for digits in formats]


def _powers(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"weight": 0.25, "digits": 8}, {"weight": -2.0, "digits": 8}]
    for digits in _DIGITS.values():
        exponents = (int(rng.integers(-9, -2)), int(rng.integers(2, 9)))
        cases += [{"weight": 2.0**exponent, "digits": digits} for exponent in exponents]
    return cases


def _others(rng: np.random.Generator) -> list[dict[str, object]]:
    """Draw weights that every format holds: few binary digits, and no powers of two."""
    cases: list[dict[str, object]] = [{"weight": 0.375, "digits": 8}, {"weight": 5.0, "digits": 8}]
    for sign in (1, -1):
        for digits in _DIGITS.values():
            significand = 1 + int(rng.integers(1, 8)) / 8
            exponent = int(rng.integers(-9, -1)) if digits == 8 else int(rng.integers(-9, 9))
            cases.append({"weight": sign * significand * 2.0**exponent, "digits": digits})
    return cases


def _floor(weight: float) -> float:
    return math.floor(math.log2(abs(weight)))


def _lost_step(
    weight: float,
    digits: int,
    *,
    exponent: Callable[[float], float] = _floor,
    held: Callable[[int], int] = lambda digits: digits,
    base: float = 2.0,
    share: float = 0.5,
    answered: Callable[[float, float], float] = lambda step, weight: step,
) -> float:
    """Return the step; the switches stand for what people get wrong.

    Args:
        weight: The weight.
        digits: Of its format.
        exponent: What is taken for the power of two at or below the weight.
        held: What is taken for the number of digits.
        base: What a digit is worth.
        share: Of the gap to the next number.
        answered: What is returned, given the step and the weight.
    """
    gap = 2.0 ** exponent(weight) * base ** (1 - held(digits))
    return answered(share * gap, weight)


_LOST_STEP = Exercise(
    name="lost_step",
    number="13.1",
    title="The largest step that a weight does not notice",
    signature="lost_step(weight, digits)",
    parts=(
        Part("a weight of 1", 1, _ones),
        Part("other powers of two", 1, _powers),
        Part("any weight", 2, _others),
    ),
    reference=lambda weight, digits: 2.0 ** (math.frexp(abs(weight))[1] - 1 - digits),
    misconceptions=(
        Misconception(
            "the whole gap",
            partial(_lost_step, share=1.0),
            "Twice too large: a step of that size leads to the very next number. From which point "
            "between two numbers on does rounding go to the farther one?",
        ),
        Misconception(
            "half of the half",
            partial(_lost_step, share=0.25),
            "Half of what is asked for. Is the leading digit counted among the digits, or twice? "
            "Check with a weight of 1 in bfloat16: the next number above is 1.0078125.",
        ),
        Misconception(
            "relative to the weight",
            partial(_lost_step, exponent=lambda weight: math.log2(abs(weight))),
            "Right for powers of two. Between two of them the gap between numbers stays the same, "
            "and your step grows with the weight.",
        ),
        Misconception(
            "the weight left out",
            partial(_lost_step, exponent=lambda weight: 0.0),
            "Right for weights from 1 to 2. Smaller numbers lie closer together: what does the "
            "size of the weight change?",
        ),
        Misconception(
            "exponent rounded up",
            partial(_lost_step, exponent=lambda weight: math.ceil(math.log2(abs(weight)))),
            "The power of two above the weight is taken. The gap is set by the one at or below it.",
        ),
        Misconception(
            "exponent rounded to the nearest",
            partial(_lost_step, exponent=lambda weight: round(math.log2(abs(weight)))),
            "The nearest power of two is taken. The gap is set by the one at or below the weight, "
            "be it near or not.",
        ),
        Misconception(
            "exponent cut off",
            partial(_lost_step, exponent=lambda weight: int(math.log2(abs(weight)))),
            "Right for weights above 1. Below, the exponent is negative, and to cut off is to go "
            "towards 0: which function rounds down?",
        ),
        Misconception(
            "natural logarithm",
            partial(_lost_step, exponent=lambda weight: math.floor(math.log(abs(weight)))),
            "The exponent is that of e. Numbers are stored in powers of 2.",
        ),
        Misconception(
            "decimal exponent",
            partial(
                _lost_step,
                exponent=lambda weight: math.log2(10.0 ** math.floor(math.log10(abs(weight)))),
            ),
            "The weight is brought down to a power of ten. Numbers are stored in powers of 2.",
        ),
        Misconception(
            "gap towards 0",
            partial(
                _lost_step,
                exponent=lambda weight: math.floor(math.log2(abs(weight) * (1 - 2**-30))),
            ),
            "Right but for powers of two: there numbers lie half as far apart on the side of 0. "
            "The step away from 0 is asked for.",
        ),
        Misconception(
            "always float32",
            partial(_lost_step, held=lambda digits: 24),
            "That is the step in float32, whatever the number of digits.",
        ),
        Misconception(
            "always bfloat16",
            partial(_lost_step, held=lambda digits: 8),
            "That is the step in bfloat16, whatever the number of digits.",
        ),
        Misconception(
            "decimal digits",
            partial(_lost_step, base=10.0),
            "The digits are counted as decimal ones. They are binary: one more of them halves the "
            "gap.",
        ),
        Misconception(
            "sign of the weight",
            partial(_lost_step, answered=lambda step, weight: math.copysign(step, weight)),
            "The size is right, and so is the thought that a negative weight steps down. The task "
            "asks for a positive number.",
        ),
        Misconception(
            "weight after the step",
            partial(
                _lost_step,
                answered=lambda step, weight: weight + math.copysign(step, weight),
            ),
            "That is where the weight would land. How long is the step by itself?",
        ),
        Misconception(
            "step over the weight",
            partial(_lost_step, answered=lambda step, weight: step / abs(weight)),
            "That is the step as a share of the weight. The step itself is asked for.",
        ),
        Misconception(
            "exponent alone",
            partial(_lost_step, answered=lambda step, weight: math.log2(step)),
            "That is the power to which 2 has to be raised. The step itself is asked for.",
        ),
    ),
    approach=(
        "Find the power of two at or below the size of the weight. The next number lies one unit "
        "of the last of its digits away; half of that is the step."
    ),
)


# 13.2 The best scale for a loss in float16

_LARGEST = 65504.0  # of float16

_Gradients = Sequence[Tensor]


def _gradient(rng: np.random.Generator, size: float, *shape: int) -> Tensor:
    """Draw a float32 tensor whose largest entries are of about this size, either way."""
    values = rng.normal(size=shape) * size
    flat = values.reshape(-1)
    flat[int(rng.integers(flat.size))] = -2.5 * size * rng.uniform(1.0, 1.9)  # the largest
    return torch.from_numpy(
        np.array([float(f"{value:.3g}") for value in flat], np.float32)
    ).reshape(shape)


def _small(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"gradients": [torch.tensor([0.0002, -0.0003])]},
        {"gradients": [torch.tensor([0.25, 0.0, -0.125])]},  # 65536 would be too large
        {"gradients": [torch.tensor([_LARGEST * 2.0**-20, 0.001])]},  # fits to the last bit
    ]
    for power in rng.uniform(-11, -1, size=4):
        cases.append({"gradients": [_gradient(rng, 10.0**power, 3, 4)]})
    return cases


def _large(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"gradients": [torch.tensor([-8 * _LARGEST, 3.0])]}]
    for power in rng.uniform(5.2, 9, size=4):
        cases.append({"gradients": [_gradient(rng, 10.0**power, 2, 3)]})
    return cases


def _layers(rng: np.random.Generator) -> list[dict[str, object]]:
    fits = [torch.tensor([0.01]), torch.tensor([_LARGEST * 2.0**-18, -0.02]), torch.tensor([0.001])]
    cases: list[dict[str, object]] = [{"gradients": fits}]
    for count in (2, 3, 4, 6):
        powers = rng.permutation(np.linspace(-7.0, 0.5, count)) + rng.uniform(-0.4, 0.4, size=count)
        # The largest is neither the first nor the last where there are more than two.
        places = np.argsort(powers)
        if count > 2 and places[-1] in (0, count - 1):
            middle = int(rng.integers(1, count - 1))
            powers[[places[-1], middle]] = powers[[middle, places[-1]]]
        cases.append({"gradients": [_gradient(rng, 10.0**power, 2, 3) for power in powers]})
    return cases


def _largest_entry(gradient: np.ndarray) -> float:
    return float(np.abs(gradient).max())


def _loss_scale(
    gradients: _Gradients,
    *,
    size: Callable[[np.ndarray], float] = _largest_entry,
    over: Callable[[Sequence[float]], float] = max,
    limit: float = _LARGEST,
    whole: Callable[[float], float] = math.floor,
    bounded: Callable[[float], float] = lambda scale: scale,
    answered: Callable[[float], float] = lambda scale: scale,
) -> float | None:
    """Return the scale; the switches stand for what people get wrong.

    Args:
        gradients: One tensor for each layer.
        size: What is taken for the size of one of them.
        over: What is taken for the size of all.
        limit: Where the largest may end.
        whole: How the exponent becomes a whole number.
        bounded: What keeps the scale within bounds.
        answered: What is returned.
    """
    sizes = [size(gradient.to(torch.float64).numpy()) for gradient in gradients]
    found = over(sizes)
    if found <= 0:
        return None
    return answered(bounded(2.0 ** whole(math.log2(limit / found))))


def _reference(gradients: _Gradients) -> float:
    """Double or halve until the largest entry just fits."""
    largest = max(gradient.abs().max().item() for gradient in gradients)
    scale = 1.0
    while scale * largest > _LARGEST:
        scale /= 2
    while 2 * scale * largest <= _LARGEST:
        scale *= 2
    return scale


_LOSS_SCALE = Exercise(
    name="loss_scale",
    number="13.2",
    title="The best scale for a loss in float16",
    signature="loss_scale(gradients)",
    parts=(
        Part("one layer, small gradients", 2, _small),
        Part("one layer, gradients that must shrink", 1, _large),
        Part("several layers", 1, _layers),
    ),
    reference=_reference,
    misconceptions=(
        Misconception(
            "limit of 65536",
            partial(_loss_scale, limit=65536.0),
            "Almost: an entry that ends at exactly 65536 is too large already. The largest float16 "
            "lies just below that.",
        ),
        Misconception(
            "largest brought to 1",
            partial(_loss_scale, limit=1.0),
            "The largest entry ends between a half and 1. float16 reaches further up, and the room "
            "that is left there is missing at the small end.",
        ),
        Misconception(
            "smallest brought up to the floor",
            partial(
                _loss_scale,
                size=lambda gradient: float(np.abs(gradient[gradient != 0]).min()),
                over=min,
                limit=2.0**-24,
                whole=math.ceil,
            ),
            "The smallest entry is just kept. Where there is room above, a larger scale keeps it "
            "with more digits; and where there is none, the largest entry overflows.",
        ),
        Misconception(
            "sign kept",
            partial(_loss_scale, size=lambda gradient: float(gradient.max())),
            "The largest entry is looked for with its sign. A large negative one overflows, too.",
        ),
        Misconception(
            "mean for the largest",
            partial(_loss_scale, size=lambda gradient: float(np.abs(gradient).mean())),
            "The mean size decides. One single entry that overflows spoils the step: which one is "
            "first?",
        ),
        Misconception(
            "norm for the largest",
            partial(_loss_scale, size=lambda gradient: float(np.linalg.norm(gradient))),
            "The norm decides. It is larger than any entry, so there is still room.",
        ),
        Misconception(
            "smallest for the largest",
            partial(
                _loss_scale, size=lambda gradient: float(np.abs(gradient[gradient != 0]).min())
            ),
            "The smallest entry decides. The others are larger, and so they overflow.",
        ),
        Misconception(
            "first layer only",
            partial(_loss_scale, over=lambda sizes: sizes[0]),
            "Only the first layer is looked at. There is one loss, so one scale for all layers.",
        ),
        Misconception(
            "last layer only",
            partial(_loss_scale, over=lambda sizes: sizes[-1]),
            "Only the last layer is looked at. There is one loss, so one scale for all layers.",
        ),
        Misconception(
            "layer with the smallest gradient",
            partial(_loss_scale, over=min),
            "The layer with the smallest gradient decides, as it needs the largest scale. What "
            "becomes of the other layers then?",
        ),
        Misconception(
            "not a power of two",
            partial(_loss_scale, whole=lambda exponent: exponent),
            "It fits exactly, but it is not a power of two: only those change no digit of a "
            "number. Which is the next one below?",
        ),
        Misconception(
            "rounded up",
            partial(_loss_scale, whole=math.ceil),
            "The power of two above is taken: with it the largest entry overflows.",
        ),
        Misconception(
            "rounded to the nearest",
            partial(_loss_scale, whole=round),
            "The nearest power of two is taken. Where that is the one above, the largest entry "
            "overflows.",
        ),
        Misconception(
            "cut off",
            partial(_loss_scale, whole=int),
            "Right where the scale is above 1. Below, the exponent is negative, and to cut off is "
            "to go towards 0: which function rounds down?",
        ),
        Misconception(
            "never below 1",
            partial(_loss_scale, bounded=lambda scale: max(scale, 1.0)),
            "Your scale never falls below 1. A gradient that is too large for float16 needs one "
            "that shrinks it.",
        ),
        Misconception(
            "never above 65536",
            partial(_loss_scale, bounded=lambda scale: min(scale, 65536.0)),
            "Your scale stops at 65536, with which PyTorch's scaler starts. It may go on as far as "
            "nothing overflows.",
        ),
        Misconception(
            "exponent alone",
            partial(_loss_scale, answered=math.log2),
            "That is the power to which 2 has to be raised. The factor itself is asked for.",
        ),
        Misconception(
            "one over the scale",
            partial(_loss_scale, answered=lambda scale: 1 / scale),
            "That is the factor that takes the scaling back again. By what is the loss multiplied?",
        ),
    ),
    approach=(
        "Only the largest size of an entry, over all layers, decides. Divide 65504 by it, and take "
        "the largest power of two that is not above the result."
    ),
)

EXERCISES: tuple[Exercise, ...] = (_LOST_STEP, _LOSS_SCALE)

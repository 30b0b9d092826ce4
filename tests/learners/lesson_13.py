"""Learners' answers to the exercises of lesson 13."""

# ruff: noqa: F811

import math

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 13.1 lost_step


@record("wrong", "returns the whole gap")
def lost_step(weight, digits):
    return 2.0 ** (math.floor(math.log2(abs(weight))) - digits + 1)


@record("wrong", "takes the weight times a power of two")
def lost_step(weight, digits):
    return abs(weight) * 2.0**-digits


@record("wrong", "forgets the weight")
def lost_step(weight, digits):
    return 2.0**-digits


@record("wrong", "counts the leading digit twice")
def lost_step(weight, digits):
    return 2.0 ** (math.floor(math.log2(abs(weight))) - digits - 1)


@record("wrong", "cuts the exponent off with int")
def lost_step(weight, digits):
    return 2.0 ** (int(math.log2(abs(weight))) - digits)


@record("wrong", "rounds the exponent up")
def lost_step(weight, digits):
    exponent = math.ceil(math.log2(abs(weight)))
    return 2.0**exponent * 2.0**-digits


@record("wrong", "rounds the exponent")
def lost_step(weight, digits):
    return 2.0 ** (round(math.log2(abs(weight))) - digits)


@record("wrong", "takes the natural logarithm")
def lost_step(weight, digits):
    return 2.0 ** (math.floor(math.log(abs(weight))) - digits)


@record("wrong", "takes the power of ten below the weight")
def lost_step(weight, digits):
    return 10.0 ** math.floor(math.log10(abs(weight))) * 2.0**-digits


@record("wrong", "asks torch for the gap of float32, whatever the digits")
def lost_step(weight, digits):
    w = torch.tensor(abs(weight))
    return (torch.nextafter(w, torch.tensor(math.inf)) - w).item() / 2


@record("wrong", "looks towards 0")
def lost_step(weight, digits):
    exponent = math.ceil(math.log2(abs(weight))) - 1
    return 2.0 ** (exponent - digits)


@record("wrong", "gives the step the sign of the weight")
def lost_step(weight, digits):
    step = 2.0 ** (math.floor(math.log2(abs(weight))) - digits)
    return step if weight > 0 else -step


@record("wrong", "returns the weight that would be reached")
def lost_step(weight, digits):
    step = 2.0 ** (math.floor(math.log2(abs(weight))) - digits)
    return weight + step if weight > 0 else weight - step


@record("wrong", "divides by the weight")
def lost_step(weight, digits):
    return 2.0 ** (math.floor(math.log2(abs(weight))) - digits) / abs(weight)


@record("wrong", "counts decimal digits")
def lost_step(weight, digits):
    return 0.5 * 2.0 ** math.floor(math.log2(abs(weight))) * 10.0 ** (1 - digits)


@record("wrong", "takes the logarithm of a negative weight")
def lost_step(weight, digits):
    return 2.0 ** (math.floor(math.log2(weight)) - digits)


@record("wrong", "returns the exponent")
def lost_step(weight, digits):
    return math.floor(math.log2(abs(weight))) - digits


@record("right", "frexp")
def lost_step(weight, digits):
    _, exponent = math.frexp(weight)
    return math.ldexp(1.0, exponent - 1 - digits)


@record("right", "doubling and halving, without a logarithm")
def lost_step(weight, digits):
    power = 1.0
    while power > abs(weight):
        power /= 2
    while 2 * power <= abs(weight):
        power *= 2
    for _ in range(digits):
        power /= 2
    return power


@record("right", "numpy in float32")
def lost_step(weight, digits):
    return np.exp2(np.floor(np.log2(np.float32(abs(weight)))) - digits)


@record("right", "trying all formats that torch has")
def lost_step(weight, digits):
    gap = 2.0 ** (1 - digits)
    exponent = torch.tensor(abs(weight), dtype=torch.float64).log2().floor()
    return torch.exp2(exponent) * gap / 2


@record("two", "returns the whole gap and rounds the exponent up")
def lost_step(weight, digits):
    return 2.0 ** (math.ceil(math.log2(abs(weight))) - digits + 1)


@record("two", "returns the whole gap and cuts the exponent off")
def lost_step(weight, digits):
    return 2.0 ** (int(math.log2(abs(weight))) + 1 - digits)


@record("two", "takes the weight times a power of two, with its sign")
def lost_step(weight, digits):
    return weight * 2.0**-digits


@record("two", "forgets the weight and returns the whole gap")
def lost_step(weight, digits):
    return 2.0 ** (1 - digits)


# 13.2 loss_scale


def largest_of(gradients):
    return max(one.abs().max().item() for one in gradients)


@record("wrong", "takes 65536 for the largest float16")
def loss_scale(gradients):
    return 2.0 ** math.floor(math.log2(65536 / largest_of(gradients)))


@record("wrong", "brings the largest entry to 1")
def loss_scale(gradients):
    return 2.0 ** math.floor(-math.log2(largest_of(gradients)))


@record("wrong", "forgets the absolute value")
def loss_scale(gradients):
    largest = max(one.max().item() for one in gradients)
    return 2.0 ** math.floor(math.log2(65504 / largest))


@record("wrong", "takes the mean size")
def loss_scale(gradients):
    mean = max(one.abs().mean().item() for one in gradients)
    return 2.0 ** math.floor(math.log2(65504 / mean))


@record("wrong", "takes the norm")
def loss_scale(gradients):
    norm = max(one.double().norm().item() for one in gradients)
    return 2.0 ** math.floor(math.log2(65504 / norm))


@record("wrong", "looks at the first layer only")
def loss_scale(gradients):
    return 2.0 ** math.floor(math.log2(65504 / gradients[0].abs().max().item()))


@record("wrong", "looks at the last layer only")
def loss_scale(gradients):
    return 2.0 ** math.floor(math.log2(65504 / gradients[-1].abs().max().item()))


@record("wrong", "takes the scale that the smallest layer needs")
def loss_scale(gradients):
    scales = [65504 / one.abs().max().item() for one in gradients]
    return 2.0 ** math.floor(math.log2(max(scales)))


@record("wrong", "does not round to a power of two")
def loss_scale(gradients):
    return 65504 / largest_of(gradients)


@record("wrong", "rounds the exponent up")
def loss_scale(gradients):
    return 2.0 ** math.ceil(math.log2(65504 / largest_of(gradients)))


@record("wrong", "rounds the exponent")
def loss_scale(gradients):
    return 2.0 ** round(math.log2(65504 / largest_of(gradients)))


@record("wrong", "cuts the exponent off with int")
def loss_scale(gradients):
    return 2.0 ** int(math.log2(65504 / largest_of(gradients)))


@record("wrong", "only ever doubles")
def loss_scale(gradients):
    scale = 1.0
    while 2 * scale * largest_of(gradients) <= 65504:
        scale *= 2
    return scale


@record("wrong", "stops at the scale with which the scaler starts")
def loss_scale(gradients):
    scale = 65536.0
    while scale * largest_of(gradients) > 65504:
        scale /= 2
    return scale


@record("wrong", "returns the exponent")
def loss_scale(gradients):
    return math.floor(math.log2(65504 / largest_of(gradients)))


@record("wrong", "returns the factor that takes the scaling back")
def loss_scale(gradients):
    return 2.0 ** -math.floor(math.log2(65504 / largest_of(gradients)))


@record("wrong", "goes by the smallest entry")
def loss_scale(gradients):
    smallest = min(one[one != 0].abs().min().item() for one in gradients)
    return 2.0 ** math.ceil(math.log2(2.0**-24 / smallest))


@record("right", "torch does the rounding: doubles until something overflows in float16")
def loss_scale(gradients):
    flat = torch.cat([one.flatten() for one in gradients]).double()
    scale = 2.0**-60
    while (2 * scale * flat).abs().max() <= torch.finfo(torch.float16).max:
        scale *= 2
    return scale


@record("right", "numpy, one scale for each layer, and the least of them")
def loss_scale(gradients):
    largest = [np.abs(one.numpy()).max() for one in gradients]
    return min(np.exp2(np.floor(np.log2(65504.0 / each.astype(np.float64)))) for each in largest)


@record("right", "frexp")
def loss_scale(gradients):
    largest = largest_of(gradients)
    significand, exponent = math.frexp(largest)
    return math.ldexp(1.0, 16 - exponent - (significand > 65504 / 65536))


@record("two", "takes the mean size and rounds the exponent up")
def loss_scale(gradients):
    mean = max(one.abs().mean().item() for one in gradients)
    return 2.0 ** math.ceil(math.log2(65504 / mean))


@record("two", "looks at the first layer only and does not round")
def loss_scale(gradients):
    return 65504 / gradients[0].abs().max().item()


@record("two", "brings the largest entry to 1 and returns the exponent")
def loss_scale(gradients):
    return math.floor(-math.log2(largest_of(gradients)))


@record("two", "takes the norm and does not round to a power of two")
def loss_scale(gradients):
    return 65504 / max(one.double().norm().item() for one in gradients)

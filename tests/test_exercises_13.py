"""Right answers to the exercises of lesson 13, and its references against facts."""

import math

import numpy as np
import pytest
import torch

from helpers import exercises

FORMATS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
DIGITS = {"float32": 24, "float16": 11, "bfloat16": 8}


def step_by_frexp(weight, digits):
    return math.ldexp(0.5, math.frexp(weight)[1] - digits)


def step_by_halving(weight, digits):
    power = 1.0
    while power > abs(weight):
        power /= 2
    while 2 * power <= abs(weight):
        power *= 2
    return torch.tensor(power) * 2.0**-digits


def step_by_logarithm(weight, digits):
    return np.exp2(np.floor(np.log2(np.abs(weight))) - digits)


def scale_by_doubling(gradients):
    largest = max(one.abs().max().item() for one in gradients)
    scale = 2.0**-60
    while 2 * scale * largest <= 65504:
        scale *= 2
    return scale


def scale_by_logarithm(gradients):
    largest = torch.stack([one.abs().max() for one in gradients]).max().double()
    return torch.exp2(torch.floor(torch.log2(65504 / largest)))


def scale_by_float16(gradients):
    """Whether something overflows is asked of float16 itself."""
    flat = torch.cat([one.flatten() for one in gradients]).double()
    power = 60
    while (2.0**power * flat).half().isinf().any() or (2.0**power * flat).abs().max() > 65504:
        power -= 1
    return np.float64(2.0**power)


SOLUTIONS = [
    ("lost_step", step_by_frexp),
    ("lost_step", step_by_halving),
    ("lost_step", step_by_logarithm),
    ("loss_scale", scale_by_doubling),
    ("loss_scale", scale_by_logarithm),
    ("loss_scale", scale_by_float16),
]


def reference(name):
    return exercises.ALL[name].reference


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("weight", [1.0, -1.0, 0.25, 0.375, -5.0, 448.0, 2.0**-9])
def test_lost_step_is_the_last_that_a_format_rounds_away(name, weight):
    step = reference("lost_step")(weight, DIGITS[name])
    away = math.copysign(1.0, weight)

    def landed(step):
        return torch.tensor(weight + away * step, dtype=torch.float64).to(FORMATS[name]).item()

    assert landed(0.999 * step) == weight
    assert abs(landed(1.001 * step)) > abs(weight)


def test_lost_step_is_half_of_the_gap_that_torch_knows():
    up = torch.tensor(math.inf)
    for weight in torch.randn(50, generator=torch.Generator().manual_seed(0)).abs():
        gap = (torch.nextafter(weight, up) - weight).item()
        assert reference("lost_step")(weight.item(), 24) == gap / 2


@pytest.mark.parametrize("seed", range(5))
def test_loss_scale_loses_the_least_without_an_overflow(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = 10.0 ** torch.empty(3).uniform_(-9, 6, generator=generator)
    layers = [size * torch.randn(20, 20, generator=generator) for size in sizes]
    flat = torch.cat([layer.flatten() for layer in layers]).double()
    chosen = reference("loss_scale")(layers)
    zeros = {}
    for power in range(-40, 60):
        halves = (2.0**power * flat).half()
        if not halves.isinf().any():
            zeros[2.0**power] = (halves == 0).sum().item()
    assert chosen == max(zeros)
    assert zeros[chosen] == min(zeros.values())


def test_loss_scale_at_the_largest_number():
    scale = reference("loss_scale")
    assert scale([torch.tensor([65504.0])]) == 1
    assert scale([torch.tensor([-65536.0])]) == 0.5
    assert scale([torch.tensor([0.25]), torch.tensor([1.0])]) == 2.0**15

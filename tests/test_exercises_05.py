"""Right answers to the exercises of lesson 05, and its references against facts."""

import math

import pytest
import torch
from torch import nn

from helpers import exercises


def std_by_chi(slopes, fan_in, fan_out):
    chi = fan_out * (slopes**2).mean()  # at variance 1
    return chi**-0.5


def std_by_hand(slopes, fan_in, fan_out):
    squares = [slope**2 for slope in slopes.flatten().tolist()]
    return math.sqrt(len(squares) / (fan_out * sum(squares)))


SOLUTIONS = [
    ("weight_std", std_by_chi),
    ("weight_std", std_by_hand),
    (
        "weight_std",
        lambda slopes, fan_in, fan_out: 1 / (slopes.norm() / slopes.numel() ** 0.5) / fan_out**0.5,
    ),
]


def reference(name):
    return exercises.ALL[name].reference


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh, torch.sigmoid])
def test_weight_std_keeps_the_deltas_that_autograd_finds(activation):
    generator = torch.Generator().manual_seed(0)
    fan_in, fan_out, batch = 300, 500, 400
    z = torch.randn(batch, fan_in, generator=generator, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(activation(z).sum(), z)
    std = reference("weight_std")(slopes, fan_in, fan_out)
    weight = std * torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
    above = torch.randn(batch, fan_out, generator=generator, dtype=torch.float64)
    (delta,) = torch.autograd.grad(activation(z) @ weight.T, z, above)
    assert delta.square().mean().item() == pytest.approx(above.square().mean().item(), rel=0.02)


def test_weight_std_of_relu_is_kaiming_fan_out():
    weight = torch.empty(700, 500)
    nn.init.kaiming_normal_(
        weight, mode="fan_out", nonlinearity="relu", generator=torch.Generator().manual_seed(0)
    )
    found = reference("weight_std")(torch.tensor([0.0, 1.0]), 500, 700)
    assert weight.std().item() == pytest.approx(found, rel=0.01)

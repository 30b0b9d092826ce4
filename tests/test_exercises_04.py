"""Right answers to the exercises of lesson 04, and its references against facts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers import exercises, theory


def reference(name):
    return exercises.ALL[name].reference


# Answers as learners write them


def std_from_torch(negative_slope, fan_in):
    return nn.init.calculate_gain("leaky_relu", negative_slope) / math.sqrt(fan_in)


def std_by_the_mean_square(negative_slope, fan_in):
    slopes = np.array([1.0, negative_slope])
    return 1 / np.sqrt(np.mean(slopes**2) * fan_in)


def gain_by_norm(slopes):
    return math.sqrt(slopes.numel()) / torch.linalg.vector_norm(slopes)


def dead_by_loop(pre_activations):
    dead = 0
    for unit in pre_activations.T:
        dead += not any(value > 0 for value in unit)
    return dead / pre_activations.shape[1]


SOLUTIONS = [
    ("leaky_std", std_from_torch),
    ("leaky_std", std_by_the_mean_square),
    ("leaky_std", lambda a, n: torch.tensor(2 / (n * (1 + a * a))).sqrt()),
    ("critical_gain", gain_by_norm),
    ("critical_gain", lambda slopes: slopes.square().mean() ** -0.5),
    ("critical_gain", lambda slopes: (1 / (slopes**2).double().mean().item()) ** 0.5),
    ("critical_gain", lambda slopes: np.mean(slopes.numpy() ** 2) ** -0.5),
    ("dead_share", dead_by_loop),
    ("dead_share", lambda z: (z <= 0).all(dim=0).float().mean()),
    ("dead_share", lambda z: (z.amax(dim=0) <= 0).sum() / z.shape[1]),
    ("dead_share", lambda z: 1 - np.mean((z.numpy() > 0).any(axis=0))),
    ("dead_share", lambda z: (torch.relu(z).sum(dim=0) == 0).double().mean()),
]


# References against independent facts


@pytest.mark.parametrize("negative_slope", [0.0, 0.01, 0.25, 1.0])
def test_leaky_std_is_the_critical_weight_variance(negative_slope):
    weight_var = theory.critical_weight_var(
        lambda u: nn.functional.leaky_relu(u, negative_slope=negative_slope)
    )
    assert 300 * reference("leaky_std")(negative_slope, 300) ** 2 == pytest.approx(weight_var)


def test_leaky_std_keeps_the_norm_of_delta():
    generator = torch.Generator().manual_seed(0)
    std = reference("leaky_std")(0.4, 2000)
    weight = std * torch.randn(2000, 2000, generator=generator, dtype=torch.float64)
    z = torch.randn(2000, generator=generator, dtype=torch.float64, requires_grad=True)
    delta = torch.randn(2000, generator=generator, dtype=torch.float64)
    (below,) = torch.autograd.grad(nn.functional.leaky_relu(z, 0.4) @ weight.T @ delta, z)
    assert below.norm() / delta.norm() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "selu"])
def test_critical_gain_makes_chi_one(name):
    u = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u.requires_grad_()
    (slopes,) = torch.autograd.grad(theory.ACTIVATIONS[name](u).sum(), u)
    chi = theory.trajectory(name, 1.0, depth=1, q0=1.0).chi[0]
    assert reference("critical_gain")(slopes) ** 2 * chi == pytest.approx(1.0, rel=0.01)


def test_critical_gain_of_plain_slopes():
    gain = reference("critical_gain")
    assert gain(torch.tensor([0.0, 1.0])) == pytest.approx(math.sqrt(2))
    assert gain(torch.full((3, 4), -0.25)) == pytest.approx(4.0)
    assert gain(torch.tensor([0.5, 0.25]).repeat(7)) == gain(torch.tensor([0.5, 0.25]))


def test_dead_units_are_those_without_a_gradient():
    for seed in range(5):
        for question in exercises.ALL["dead_share"].questions(np.random.default_rng(seed)):
            z = question.arguments["pre_activations"].clone().requires_grad_()
            torch.relu(z).sum().backward()
            silent = (z.grad == 0).all(dim=0).double().mean().item()
            assert question.expected == pytest.approx(silent, abs=1e-12)

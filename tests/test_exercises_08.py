"""Right answers to the exercises of lesson 08, and its references against facts."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from helpers import exercises


def block(weight, x, order):
    if order == "pre-add":
        return x + torch.relu(torch.nn.functional.linear(x, weight))
    return torch.relu(torch.nn.functional.linear(x, weight) + x)


def gradient_by_autograd(weight, x, back, order):
    x = x.requires_grad_()
    return torch.autograd.grad(block(weight, x, order), x, back)[0]


def gradient_by_hand(weight, x, back, order):
    if order == "pre-add":
        return back + (back * (x @ weight.T > 0)) @ weight
    back = back * (x @ weight.T + x > 0)
    return back + back @ weight


def gradient_by_jacobians(weight, x, back, order):
    rows = []
    for one, delta in zip(x.double(), back.double(), strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda value: block(weight.double(), value, order), one
        )
        rows.append((delta @ jacobian).tolist())
    return rows


def scale_by_bisection(blocks, rho, growth):
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        if blocks * math.log1p(rho * middle**2) < math.log(growth):
            low = middle
        else:
            high = middle
    return low


def shares_block_by_block(rhos):
    shares = [1.0]
    for rho in rhos:
        by_skip, by_branch = [*shares, 0], [0, *shares]
        shares = [(a + rho * b) / (1 + rho) for a, b in zip(by_skip, by_branch, strict=True)]
    return tuple(shares)


def shares_path_by_path(rhos):
    """Every choice of skip or branch, one by one; 2^20 of them would take too long."""
    if len(rhos) > 12:
        return shares_block_by_block(rhos)
    weights = torch.zeros(len(rhos) + 1)
    for choice in product([0, 1], repeat=len(rhos)):
        weights[sum(choice)] += math.prod(
            rho for rho, taken in zip(rhos, choice, strict=True) if taken
        )
    return weights / weights.sum()


def shares_by_roots(rhos):
    weights = np.poly([-1 / rho for rho in rhos])[::-1] * math.prod(rhos)
    return weights / weights.sum()


SOLUTIONS = [
    ("block_gradient", gradient_by_autograd),
    ("block_gradient", gradient_by_hand),
    ("block_gradient", gradient_by_jacobians),
    ("branch_scale", lambda blocks, rho, growth: math.sqrt((growth ** (1 / blocks) - 1) / rho)),
    ("branch_scale", scale_by_bisection),
    (
        "branch_scale",
        lambda blocks, rho, growth: torch.tensor(growth).log().div(blocks).expm1().div(rho).sqrt(),
    ),
    ("path_shares", shares_block_by_block),
    ("path_shares", shares_path_by_path),
    ("path_shares", shares_by_roots),
]


def reference(name):
    return exercises.ALL[name].reference


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("order", ["pre-add", "post-add"])
def test_block_gradient_is_what_autograd_finds(order):
    weight, x, back = random(5, 5), random(7, 5, seed=1), random(7, 5, seed=2)
    found = reference("block_gradient")(weight, x, back, order)
    expected = gradient_by_autograd(weight, x.clone(), back, order)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("order", ["pre-add", "post-add"])
def test_block_gradient_agrees_with_finite_differences(order):
    weight, x, back = random(3, 3), random(1, 3, seed=1), random(1, 3, seed=2)
    found = reference("block_gradient")(weight, x, back, order)
    for place in range(3):
        step = torch.zeros(1, 3, dtype=torch.float64)
        step[0, place] = 1e-6
        change = block(weight, x + step, order) - block(weight, x - step, order)
        assert found[0, place] == pytest.approx((back * change).sum().item() / 2e-6, rel=1e-6)


@pytest.mark.parametrize(("blocks", "rho", "growth"), [(4, 1.0, 3.0), (6, 0.5, 2.0)])
def test_branch_scale_gives_random_blocks_the_growth_asked_for(blocks, rho, growth):
    width, draws = 60, 1000
    scale = reference("branch_scale")(blocks, rho, growth)
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(draws, width, 1, generator=generator, dtype=torch.float64)
    start = gradient.square().sum()
    for _ in range(blocks):
        weight = torch.randn(draws, width, width, generator=generator, dtype=torch.float64)
        gradient = gradient + scale * math.sqrt(rho / width) * weight.mT @ gradient
    assert (gradient.square().sum() / start).item() == pytest.approx(growth, rel=0.03)


def test_branch_scale_meets_closed_forms():
    scale = reference("branch_scale")
    assert scale(20, 1.0, 2.0**20) == pytest.approx(1)
    assert scale(1, 4.0, 2.0) == pytest.approx(0.5)
    # A growth of e is the famous one over the root of the number of blocks.
    assert scale(10**8, 1.0, math.e) == pytest.approx(1e-4)


@pytest.mark.parametrize(("blocks", "rho"), [(1, 1.0), (16, 0.1), (50, 1.0), (50, 0.02)])
def test_path_shares_of_equal_blocks_are_binomial(blocks, rho):
    shares = reference("path_shares")([rho] * blocks)
    taken = rho / (1 + rho)
    expected = [
        math.comb(blocks, k) * taken**k * (1 - taken) ** (blocks - k) for k in range(blocks + 1)
    ]
    np.testing.assert_allclose(shares, expected, rtol=1e-9)


def test_path_shares_are_those_of_squared_gradients():
    """In random blocks the sums over all paths of one length are at right angles."""
    width, draws, rhos = 40, 400, [0.2, 1.5, 0.5, 0.1]
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(draws, width, 1, generator=generator, dtype=torch.float64)
    by_length = [start] + [torch.zeros_like(start)] * len(rhos)
    for rho in rhos:
        weight = torch.randn(draws, width, width, generator=generator, dtype=torch.float64)
        through = [math.sqrt(rho / width) * weight.mT @ part for part in by_length[:-1]]
        by_length[1:] = [part + more for part, more in zip(by_length[1:], through, strict=True)]
    squares = np.array([part.square().sum().item() for part in by_length])
    np.testing.assert_allclose(squares / squares.sum(), reference("path_shares")(rhos), atol=0.01)

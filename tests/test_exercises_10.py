"""Right answers to the exercises of lesson 10, and its references against facts."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import exercises


def clip_in_float64(gradient, max_norm):
    if not gradient.isfinite().all():
        return torch.zeros_like(gradient), math.inf
    norm = torch.linalg.vector_norm(gradient, dtype=torch.float64).item()
    return gradient * min(1.0, max_norm / norm) if norm > 0 else gradient, norm


def clip_by_scaling(gradient, max_norm):
    largest = gradient.abs().max().item()
    if not math.isfinite(largest):
        return [0 * torch.ones_like(gradient), float("inf")]
    if largest == 0:
        return [gradient, 0.0]
    direction = gradient.double() / largest
    norm = largest * direction.norm().item()
    if norm > max_norm:
        return [direction * (max_norm / norm * largest), norm]
    return [direction * largest, norm]


def clip_in_numpy(gradient, max_norm):
    values = gradient.numpy().astype(np.float64)
    norm = np.sqrt((values**2).sum())
    if not np.isfinite(norm):
        return np.zeros_like(values), np.inf
    return values / max(1.0, norm / max_norm), norm


def by_the_whole_batch(gradients, sizes, scale, max_norm):
    """Every sample with a gradient of its own, the mean of its part."""
    samples = [
        g.double() / scale for g, size in zip(gradients, sizes, strict=True) for _ in range(size)
    ]
    mean = torch.stack(samples).mean(dim=0)
    return mean * min(1, max_norm / max(mean.norm().item(), 1e-300))


def by_grad(gradients, sizes, scale, max_norm):
    weight = nn.Parameter(torch.zeros_like(gradients[0]))
    weight.grad = torch.zeros_like(weight)
    for gradient, size in zip(gradients, sizes, strict=True):
        weight.grad += gradient * (size / sum(sizes))
    weight.grad /= scale
    nn.utils.clip_grad_norm_([weight], max_norm)
    return weight.grad


def with_the_bound_scaled(gradients, sizes, scale, max_norm):
    """Clipping commutes with unscaling, if the bound goes with it."""
    total = sum(g.double() * size for g, size in zip(gradients, sizes, strict=True)) / sum(sizes)
    return total * min(1, scale * max_norm / total.norm().item()) / scale


SOLUTIONS = [
    ("clip_by_norm", clip_in_float64),
    ("clip_by_norm", clip_by_scaling),
    ("clip_by_norm", clip_in_numpy),
    ("accumulated_clip", by_the_whole_batch),
    ("accumulated_clip", by_grad),
    ("accumulated_clip", with_the_bound_scaled),
]


def reference(name):
    return exercises.ALL[name].reference


@pytest.mark.parametrize("size", [0.01, 1.0, 30.0, 1e15])
def test_clip_by_norm_is_what_torch_does_where_torch_can(size):
    gradient = size * torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    weight = nn.Parameter(torch.zeros(3, 4))
    weight.grad = gradient.clone()
    total = nn.utils.clip_grad_norm_([weight], 1.0)
    clipped, norm = reference("clip_by_norm")(gradient, 1.0)
    np.testing.assert_allclose(clipped, weight.grad.numpy(), rtol=1e-4)
    assert norm == pytest.approx(total.item(), rel=1e-6)


def test_clip_by_norm_is_right_where_torch_is_not():
    clipped, norm = reference("clip_by_norm")(torch.tensor([3e25, 4e25]), 1.0)
    np.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-6)
    assert norm == pytest.approx(5e25)
    clipped, norm = reference("clip_by_norm")(torch.tensor([3e-30, 4e-30]), 1e-31)
    np.testing.assert_allclose(clipped, [6e-32, 8e-32], rtol=1e-6)
    for bad in (math.inf, -math.inf, math.nan):
        clipped, norm = reference("clip_by_norm")(torch.tensor([3.0, bad]), 1.0)
        assert clipped.tolist() == [0, 0]
        assert norm == math.inf


@pytest.mark.parametrize("max_norm", [0.05, 100.0])
@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_accumulated_clip_is_the_clipped_gradient_of_the_whole_batch(scale, max_norm):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(21, 5, generator=generator, dtype=torch.float64)
    targets = torch.randint(3, (21,), generator=generator)
    weight = nn.Parameter(torch.randn(3, 5, generator=generator, dtype=torch.float64))

    def gradient(part, factor=1.0):
        return torch.autograd.grad(
            factor * cross_entropy(inputs[part] @ weight.T, targets[part]), weight
        )[0]

    parts = (slice(0, 8), slice(8, 16), slice(16, 21))
    found = reference("accumulated_clip")(
        [gradient(part, scale) for part in parts], [8, 8, 5], scale, max_norm
    )
    whole = gradient(slice(0, 21))
    expected = whole * min(1.0, max_norm / whole.norm().item())
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9)

"""Where an activation is flat: its slopes, and the zones in which they are small."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor, nn

SATURATED = 0.05
"""A unit counts as saturated where its slope is below this."""

RISING = (nn.ReLU, nn.Sigmoid, nn.Tanh)
"""Activations whose output tells where they are flat, as they never fall.

Their backward pass keeps the output, not the input.
"""


def slopes_at(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Slope of an activation at every input, same shape."""
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        # A clone, as the function may overwrite its argument.
        (slopes,) = torch.autograd.grad(function(leaf.clone()).sum(), leaf)
    return slopes


@dataclass(frozen=True)
class ActivationKind:
    """An activation without parameters: two of the same type and settings are the same.

    Args:
        type: Its class.
        settings: Its ``extra_repr()``.
        dtype: The precision it works in.
        device: Where it works.
        module: One of this kind; not compared.
    """

    type: type[nn.Module]
    settings: str
    dtype: torch.dtype
    device: torch.device
    module: nn.Module = field(compare=False)


@dataclass(frozen=True)
class FlatZones:
    """Where an activation is flat: at or below low, at or above high, and in between.

    In terms of its input, or of its output for those in ``RISING``.

    Args:
        low: Flat at or below this.
        high: Flat at or above this.
        inner: First and last value of each flat zone between the two.
        steep: The next number above low and the next one below high.
    """

    low: float
    high: float
    inner: tuple[tuple[float, float], ...]
    steep: tuple[float, float]

    def share(self, values: Tensor) -> Tensor:
        """Share of entries of each row that lie in a zone, (G, ...) to (G,)."""
        rows = values.flatten(1)
        to_steep = rows.clamp(*self.steep).sub_(rows)  # 0 in between
        flat = torch.linalg.vector_norm(to_steep, ord=0, dim=1)
        for start, end in self.inner:
            flat += ((rows >= start) & (rows <= end)).sum(dim=1)
        return flat / rows.shape[1]


@lru_cache(maxsize=256)
def flat_zones(kind: ActivationKind, bound: float) -> FlatZones:
    """Find the inputs at which the absolute slope is at most ``bound``.

    On a grid from -40 to 40, refined by bisection; a zone that reaches the edge
    of the grid is taken to go on for ever.
    """

    def is_flat(inputs: Tensor) -> Tensor:
        inputs = inputs.to(device=kind.device, dtype=kind.dtype)
        return (slopes_at(kind.module.forward, inputs).abs() <= bound).cpu()

    grid = torch.arange(-800, 801, dtype=torch.float64) / 20  # kinks at 0, 1, 6 are hit exactly
    flat = is_flat(grid)
    turns = (flat[1:] != flat[:-1]).nonzero()[:, 0]
    inside = torch.where(flat[turns], grid[turns], grid[turns + 1])
    outside = torch.where(flat[turns], grid[turns + 1], grid[turns])
    for _ in range(24):
        middle = (inside + outside) / 2
        middle_flat = is_flat(middle)
        inside = torch.where(middle_flat, middle, inside)
        outside = torch.where(middle_flat, outside, middle)
    edges = inside.tolist()
    low = edges.pop(0) if flat[0] else -math.inf
    high = edges.pop() if flat[-1] else math.inf
    ends = torch.tensor([low, high], dtype=kind.dtype)
    if kind.type in RISING:
        ends = torch.where(ends.isfinite(), kind.module.forward(ends.clone()), ends)
        low, high = ends.tolist()
    above_low, below_high = torch.nextafter(ends, ends.new_tensor([math.inf, -math.inf])).tolist()
    inner = tuple(zip(edges[::2], edges[1::2], strict=True))
    return FlatZones(low, high, inner, (above_low, below_high))

"""Record the norm of the gradient that flows through one point of the graph."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


def norm(values: Tensor) -> float:
    """L2 norm; squares can neither underflow nor overflow."""
    values = values.detach()
    plain = torch.linalg.vector_norm(values, dtype=torch.float64).item()
    if 1e-120 < plain < 1e120 or values.numel() == 0:
        return plain
    largest = values.abs().max().item()
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * torch.linalg.vector_norm(values / largest, dtype=torch.float64).item()


@dataclass
class TapReading:
    """What a tap recorded.

    Args:
        norm: Norm of the gradient; 0 as long as none has arrived.
        reached: Whether a gradient arrived.
    """

    norm: float = 0.0
    reached: bool = False


def tapped(tensor: Tensor) -> tuple[Tensor, TapReading]:
    """Copy a tensor; the backward pass will record the norm of the gradient at the copy.

    Returns:
        The copy, and the reading that the backward pass fills.
    """
    reading = TapReading()
    return _GradientTap.apply(tensor, reading), reading


class _GradientTap(torch.autograd.Function):
    """A copy of a tensor; on the way back, the norm of its gradient is recorded.

    Not a tensor hook: a graph of 10,000 layers that hooks have touched overflows
    the stack when it is freed.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, reading: TapReading) -> Tensor:
        ctx.reading = reading
        return tensor.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.reading.norm = norm(gradient)
        ctx.reading.reached = True
        return gradient, None

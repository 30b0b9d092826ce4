"""At which depth a number format loses the gradient of the first layer."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers import checks, text
from helpers.probe._arguments import check_inputs, check_loss, weight_layers
from helpers.probe._copies import converted, isolated, loss_copy

_FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class LostAt:
    """From which depth on the first weight gradient is lost.

    Attributes:
        norm: Smallest depth at which its ``norm()`` reads 0; None if that is deeper than
            was looked.
        entries: Smallest depth at which every entry is 0; None likewise.
        deepest: How deep it was looked.
    """

    norm: int | None
    entries: int | None
    deepest: int

    def __str__(self) -> str:
        """Return both depths, as in ``26 / 51``."""
        return " / ".join(map(self._said, (self.norm, self.entries)))

    def _said(self, depth: int | None) -> str:
        return f"over {self.deepest}" if depth is None else f"{depth}"

    def _repr_html_(self) -> str:
        found = {"norm reads 0 from depth": self.norm, "all entries 0 from depth": self.entries}
        return text.html_table({name: self._said(depth) for name, depth in found.items()})


def lost_at(
    make: Callable[[int], nn.Module],
    inputs: Tensor,
    targets: Tensor,
    loss_fn: Callable[[Any, Any], Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    autocast: bool = False,
    loss_scale: float = 1.0,
    device: str | torch.device = "cpu",
    deepest: int = 256,
) -> LostAt:
    """Find the depth from which on a number format loses the first weight gradient.

    Unlike ``record``, which measures in float64, this takes the gradient as a training
    step finds it: in the format, on the device, with the loss multiplied. Depths are
    doubled until the gradient is lost, and then halved between: it is taken for granted
    that a gradient which is lost at one depth is lost at all larger ones. An entry that
    overflows is not lost.

    Args:
        make: Makes a network of a given depth, at least 1; each call a new one, which
            may be changed.
        inputs: Shape (B, ...).
        targets: Passed to the loss, shape (B, ...).
        loss_fn: Maps (outputs, targets) to a scalar; it gets the outputs in float32, as
            is usual where the network computes in a shorter format.
        dtype: The number format.
        autocast: Whether ``torch.autocast`` chooses the operations that use the format;
            weights stay as they are made. Otherwise the whole network is converted.
        loss_scale: What the loss is multiplied by before the backward pass.
        device: Where to compute.
        deepest: The largest depth to try.

    Returns:
        Both depths.

    Raises:
        TypeError: If ``dtype`` is not a floating format, or ``make`` makes no module.
        ValueError: If a number is impossible, the inputs are not finite, or the loss has
            no backward pass.

    Example:
        >>> def make(depth):
        ...     net = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(depth)))
        ...     for weight in net.parameters():
        ...         weight.data = 2.0**-10 * torch.eye(2)
        ...     return net
        >>> one = torch.ones(1, 2)
        >>> lost = lost_at(make, one, one, lambda outputs, targets: outputs.sum())
        >>> print(lost)  # 2^-80 squared, and 2^-150, round to 0
        9 / 16
    """
    if dtype not in _FLOATS:
        named = ", ".join(str(one).removeprefix("torch.") for one in _FLOATS)
        raise TypeError(f"dtype must be a floating format of torch ({named}), got {dtype!r}")
    check_inputs(inputs)
    loss_scale = checks.number("loss_scale", loss_scale, positive=True)
    deepest = checks.whole("deepest", deepest, least=1)
    whole = None if autocast else dtype
    context = torch.autocast(torch.device(device).type, dtype=dtype) if autocast else nullcontext()

    @functools.cache
    def lost(depth: int) -> tuple[bool, bool]:
        """Whether the norm reads 0, and whether every entry is 0."""
        with isolated(None):
            net = make(depth)
            first = next(iter(weight_layers(net)))
            net.to(device=device, dtype=whole)
            x = converted(inputs, whole).to(device)
            with context:
                outputs = net(x)
            loss = loss_copy(loss_fn, None)(outputs.float(), targets.to(device))
            (check_loss(loss) * loss_scale).backward()
            gradient = first.weight.grad
            if gradient is None:
                return True, True
            return bool(gradient.norm() == 0), not bool(gradient.any())

    return LostAt(
        _first(lambda depth: lost(depth)[0], deepest),
        _first(lambda depth: lost(depth)[1], deepest),
        deepest,
    )


def _first(lost: Callable[[int], bool], deepest: int) -> int | None:
    """Return the smallest depth of which it is said, if it is said of all larger ones too."""
    kept, found = 0, 1
    while not lost(found):
        if found == deepest:
            return None
        kept, found = found, min(2 * found, deepest)
    while found - kept > 1:
        middle = (kept + found) // 2
        kept, found = (kept, middle) if lost(middle) else (middle, found)
    return found

"""Record gradients, updates and activations while a model trains.

Few operations, no values read, no large memory taken: fresh blocks of memory cost more
here than the arithmetic, so copies and stacks go into buffers that are kept from one
recorded step to the next.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from helpers import checks
from helpers.probe._activation_reader import ActivationReader, activation_modules, row_norms
from helpers.probe._arguments import weight_layers
from helpers.probe._log import Log

PARTS = ("gradients", "updates", "activations")
"""What ``watch`` can record."""

# Between these a norm summed from float32 squares is right to six digits.
_SMALLEST_NORM, _LARGEST_NORM = 1e-17, 1e18


@contextmanager
def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    every: int = 10,
    parts: Sequence[str] = PARTS,
) -> Iterator[Log]:
    """Record gradients, updates and activations while a model trains.

    Hooks on the optimizer read the gradients just before a step and the weights
    just after it; activation modules are read in the forward pass that precedes
    a recorded step. All hooks are gone when the block ends. Cost: see
    ``benchmarks/bench_watch.py``.

    Args:
        model: The model that trains.
        optimizer: Its optimizer; one call of its ``step`` is one step.
        every: Record steps 0, every, 2 every, ...
        parts: Which of ``PARTS`` to record.

    Yields:
        A ``Log`` that fills as the model trains.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If ``every`` is below 1, a part is unknown, or the model has
            no weight layer.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> with watch(net, optimizer, every=2) as log:
        ...     for _ in range(5):
        ...         optimizer.zero_grad()
        ...         net(torch.ones(2, 3)).sum().backward()
        ...         optimizer.step()
        >>> log
        3 steps of 2 weight layers recorded
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch optimizer, got {type(optimizer).__name__}")
    every = checks.whole("every", every, least=1)
    if isinstance(parts, str):
        raise TypeError(f"parts must be a list of names, such as ['gradients'], got {parts!r}")
    parts = [checks.choice("parts", part, PARTS) for part in parts]
    watcher = _Watcher(model, every, parts)
    before = optimizer.register_step_pre_hook(watcher.before_step)
    after = optimizer.register_step_post_hook(watcher.after_step)
    try:
        yield watcher.log
    finally:
        before.remove()
        after.remove()
        watcher.stop()


class _Watcher:
    """Counts the steps, and has one reader per part write each recorded step into the log."""

    def __init__(self, model: nn.Module, every: int, parts: Sequence[str]) -> None:
        layers = weight_layers(model)
        weights = [layer.weight for layer in layers]
        activations = activation_modules(model)
        groups = _grouped_by_shape(weights)
        order = np.argsort([i for group in groups for i in group])
        self.log = Log(tuple(layers.values()), tuple(activations.values()), order)
        self._gradients = _GradientReader(weights) if "gradients" in parts else None
        self._updates = _UpdateReader(weights, groups, order) if "updates" in parts else None
        self._activations = (
            ActivationReader(model, layers, activations) if "activations" in parts else None
        )
        self._every = every
        self._step = 0
        self._recording = False
        self._start()

    def _start(self) -> None:
        self._recording = self._step % self._every == 0
        if self._recording and self._activations is not None:
            self._activations.start()

    def stop(self) -> None:
        """Take every hook on modules away."""
        if self._activations is not None:
            self._activations.stop()

    @torch.no_grad()
    def before_step(self, *_arguments: object) -> None:
        if not self._recording:
            return
        self.log.steps.append(self._step)
        if self._gradients is not None:
            self.log._gradient_norms.append(self._gradients.norms())
        if self._activations is not None:
            self._activations.stop()
            self.log._statistics.append(self._activations.statistics())
        if self._updates is not None:
            self.log._weight_norms.append(self._updates.weight_norms())

    @torch.no_grad()
    def after_step(self, *_arguments: object) -> None:
        if self._recording and self._updates is not None:
            self.log._update_norms.append(self._updates.update_norms())
        self._step += 1
        self._start()


class _GradientReader:
    """Reads the gradient of each weight."""

    def __init__(self, weights: list[Tensor]) -> None:
        self._weights = weights
        self._in_float64 = False  # once it was needed, it is likely to be needed again

    def norms(self) -> list[float]:
        """L2 norm of each gradient, in float64 where float32 squares would not do."""
        gradients = [
            weight.grad if weight.grad is not None else torch.zeros_like(weight)
            for weight in self._weights
        ]
        if not self._in_float64:
            norms = [norm.item() for norm in torch._foreach_norm(gradients)]
            if min(norms) > _SMALLEST_NORM and max(norms) < _LARGEST_NORM:
                return norms
            self._in_float64 = True
        return torch.stack(torch._foreach_norm(gradients, 2, dtype=torch.float64)).tolist()


def _grouped_by_shape(weights: list[Tensor]) -> list[list[int]]:
    """Return the places of the weights, those of one shape, type and device together."""
    groups: dict[object, list[int]] = {}
    for i, weight in enumerate(weights):
        groups.setdefault((weight.shape, weight.dtype, weight.device), []).append(i)
    return list(groups.values())


class _UpdateReader:
    """Reads how far a step moves each weight.

    Args:
        weights: The L weights.
        groups: The places of those that are stacked together.
        order: Where each weight stands among the groups, one after the other.
    """

    def __init__(self, weights: list[Tensor], groups: list[list[int]], order: np.ndarray) -> None:
        self._weights, self._groups, self._order = weights, groups, order
        self._allocate()

    def _allocate(self) -> None:
        """Take memory for a copy of the weights, on their device."""
        # One stack (G, ...) per group; and the same memory, one piece per weight.
        self._stacks = [
            torch.stack([self._weights[i].detach() for i in group]) for group in self._groups
        ]
        places = [place for stack in self._stacks for place in stack]
        self._copies = [places[i] for i in self._order]

    def weight_norms(self) -> list[Tensor]:
        """Copy the weights before a step; their norms, one tensor (G,) per group."""
        if self._copies[0].device != self._weights[0].device:  # ``train.fit`` moved the model
            self._allocate()
        torch._foreach_copy_(self._copies, self._weights)
        return [row_norms(stack.flatten(1)) for stack in self._stacks]

    def update_norms(self) -> list[Tensor]:
        """Norms of what the step changed, likewise."""
        torch._foreach_sub_(self._copies, self._weights)
        return [row_norms(stack.flatten(1)) for stack in self._stacks]

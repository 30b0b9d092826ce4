"""Read the activations of a training model: what ``watch`` does in a forward pass.

Shapes: B batch, N units, G activation modules of one kind, A of all.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from helpers.models import ACTIVATION_MODULES
from helpers.probe._arguments import WeightLayer
from helpers.probe._flat_zones import RISING, SATURATED, ActivationKind, flat_zones, slopes_at

_SAMPLES = 16  # of a batch, that the statistics are taken from; dead units: from all of them


def activation_modules(model: nn.Module) -> dict[nn.Module, str]:
    """Return the A activation modules of a model with their names."""
    return {
        module: name
        for name, module in model.named_modules()
        if isinstance(module, ACTIVATION_MODULES)
    }


class ActivationReader:
    """Keeps what activation modules read or return, and summarises it.

    Args:
        model: The model that trains.
        layers: Its weight layers, which say where the units of an activation stand.
        activations: Its activation modules.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[WeightLayer, str],
        activations: Mapping[nn.Module, str],
    ) -> None:
        self._position = {module: i for i, module in enumerate(activations)}
        self._units_in_1 = _with_units_in_dimension_1(model, layers)
        kinds = [
            (
                type(module),
                module.extra_repr(),
                module in self._units_in_1,
                module if _has_parameters(module) else None,
            )
            for module in activations
        ]
        # Modules of one kind have the same number here, and are summarised together.
        self._kinds = {
            module: kinds.index(kind) for module, kind in zip(activations, kinds, strict=True)
        }
        self._any_overwrites = any(map(_overwrites_input, activations))
        self._overwritten: dict[nn.Module, Tensor] = {}  # copies of inputs
        self._signals: dict[nn.Module, Tensor] = {}  # outputs of ``RISING``, inputs of others
        self._buffers: dict[object, Tensor] = {}
        self._handles: list[RemovableHandle] = []

    def start(self) -> None:
        """Keep the signals of the forward passes from now on.

        What the backward pass keeps anyway costs no memory. One hook for all
        modules is quicker to set and to take away than one for each.
        """
        self._handles = [register_module_forward_hook(self._after_module)]
        if self._any_overwrites:
            self._handles.append(register_module_forward_pre_hook(self._before_module))

    def stop(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _before_module(self, module: nn.Module, inputs: tuple) -> None:
        if module in self._kinds and _overwrites_input(module):
            self._overwritten[module] = inputs[0].detach().clone()

    def _after_module(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if module in self._kinds:
            self._signals[module] = (
                output if type(module) in RISING else self._overwritten.pop(module, inputs[0])
            )

    def statistics(self) -> list[tuple[list[int], Tensor]]:
        """Summarise the signals kept, and let them go.

        Returns:
            For modules of one kind their places among the A, and a tensor (4, G):
            mean, standard deviation, saturated and dead share.
        """
        groups: dict[object, list[nn.Module]] = {}
        for module, signal in self._signals.items():
            alike = (self._kinds[module], signal.shape, signal.dtype, signal.device)
            groups.setdefault(alike, []).append(module)
        found = []
        for key, modules in groups.items():
            signals = [self._signals[module] for module in modules]
            sampled = self._stacked(key, [signal[:_SAMPLES] for signal in signals])
            saturated, dead = self._flat_shares(modules[0], sampled, signals)
            outputs = _outputs(modules[0], sampled).flatten(1)
            mean = outputs.mean(dim=1)
            # In place, perhaps into the buffer: nobody reads it again.
            std = row_norms(outputs.sub_(mean[:, None])) / math.sqrt(outputs.shape[1])
            columns = [self._position[module] for module in modules]
            found.append((columns, torch.stack([mean, std, saturated, dead])))
        self._signals.clear()
        return found

    def _stacked(self, key: object, tensors: list[Tensor]) -> Tensor:
        """Copy G tensors of shape (B, ..., N) into a kept buffer (G, B, ..., N)."""
        shape = (len(tensors), *tensors[0].shape)
        if key not in self._buffers or self._buffers[key].shape != shape:
            self._buffers[key] = tensors[0].new_empty(shape)
        return torch.stack(tensors, out=self._buffers[key])

    def _flat_shares(
        self, module: nn.Module, sampled: Tensor, signals: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Saturated share and share of dead units, each (G,), from G modules of one kind."""
        units_in_1 = module in self._units_in_1
        if _has_parameters(module):
            slopes = slopes_at(module, signals[0])[None]  # such a module is the only one of a kind
            saturated_entries = slopes[:, :_SAMPLES].abs() < SATURATED
            dead = (_units_last(slopes, units_in_1) == 0).all(dim=1)
            return _true_share(saturated_entries), _true_share(dead)
        kind = ActivationKind(
            type(module), module.extra_repr(), sampled.dtype, sampled.device, module
        )
        saturated = flat_zones(kind, SATURATED).share(sampled)
        zones = flat_zones(kind, 0.0)
        least, most = (bound.item() for bound in sampled.aminmax())
        if zones.low < least and most < zones.high:
            return saturated, torch.zeros_like(saturated)
        dead = _all_outside(_units_last(sampled, units_in_1), zones.low, zones.high)
        suspects = dead.any(dim=1).nonzero()[:, 0].tolist()
        if suspects and len(signals[0]) > _SAMPLES:
            all_samples = torch.stack([signals[i] for i in suspects])
            dead[suspects] = _all_outside(
                _units_last(all_samples, units_in_1), zones.low, zones.high
            )
        return saturated, _true_share(dead)


def row_norms(rows: Tensor) -> Tensor:
    """L2 norm of each row, (G, M) to (G,)."""
    return torch.linalg.vector_norm(rows, dim=1)


def _with_units_in_dimension_1(
    model: nn.Module, layers: Mapping[WeightLayer, str]
) -> set[nn.Module]:
    """Return the modules that follow a convolution, not a linear layer."""
    found, units_in_1 = set(), False
    for module in model.modules():
        if module in layers:
            units_in_1 = not isinstance(module, nn.Linear)
        if units_in_1:
            found.add(module)
    return found


def _overwrites_input(module: nn.Module) -> bool:
    """Whether the module overwrites an input that must be read."""
    return getattr(module, "inplace", False) and type(module) not in RISING


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _outputs(module: nn.Module, signals: Tensor) -> Tensor:
    """What a module returns for the signals kept of it, (G, B, ..., N), without any hooks."""
    if type(module) in RISING:
        return signals
    return module.forward(signals[0])[None] if _has_parameters(module) else module.forward(signals)


def _true_share(flags: Tensor) -> Tensor:
    """Share of true entries in each row, (G, ...) to (G,)."""
    flags = flags.flatten(1)
    return flags.sum(dim=1) / flags.shape[1]


def _units_last(values: Tensor, units_in_1: bool) -> Tensor:
    """All samples of each unit together: (G, B, ..., N) or channels (G, B, N, ...) to (G, S, N)."""
    if values.ndim < 3:  # one unit
        values = values.unsqueeze(-1)
    return values.movedim(2 if units_in_1 else -1, -1).flatten(1, -2)


def _all_outside(rows: Tensor, low: float, high: float) -> Tensor:
    """Whether a unit is at or beyond the bounds in all samples; (G, S, N) to (G, N)."""
    least, most = rows.amin(dim=1), rows.amax(dim=1)
    outside = (most <= low) | (least >= high)
    if ((least <= low) & (most >= high)).any():  # on both sides: look at every sample
        outside |= ((rows <= low) | (rows >= high)).all(dim=1)
    return outside

"""Record weight layers, activations and norms in the order in which they run."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from helpers.probe._arguments import WeightLayer
from helpers.probe._flat_zones import SATURATED, slopes_at
from helpers.probe._flow import ModuleGradient
from helpers.probe._gradient_tap import TapReading, tapped

# Every spelling of an activation that a forward pass may use, with a function that
# computes the same and leaves its argument alone.
_SPELLINGS: dict[Callable, tuple[Callable, ...]] = {
    torch.relu: (torch.relu, torch.relu_, functional.relu, Tensor.relu, Tensor.relu_),
    torch.sigmoid: (
        torch.sigmoid, torch.sigmoid_, functional.sigmoid, Tensor.sigmoid, Tensor.sigmoid_,
        torch.special.expit,
    ),
    torch.tanh: (torch.tanh, torch.tanh_, functional.tanh, Tensor.tanh, Tensor.tanh_),
    torch.erf: (torch.erf, torch.erf_, Tensor.erf, Tensor.erf_),
    torch.prelu: (torch.prelu, Tensor.prelu),
    torch.selu: (torch.selu, torch.selu_),
    torch.celu: (torch.celu, torch.celu_),
    functional.leaky_relu: (functional.leaky_relu, functional.leaky_relu_),
    functional.elu: (functional.elu, functional.elu_),
    functional.hardtanh: (functional.hardtanh, functional.hardtanh_),
}  # fmt: skip
_ONE_SPELLING: tuple[Callable, ...] = (
    functional.celu, functional.selu, functional.gelu, functional.silu, functional.mish,
    functional.softplus, functional.softsign, functional.hardsigmoid, functional.hardswish,
    functional.relu6, functional.logsigmoid, functional.tanhshrink, functional.rrelu,
)  # fmt: skip
_ACTIVATIONS: dict[Callable, Callable] = {
    spelling: function for function, spellings in _SPELLINGS.items() for spelling in spellings
} | {function: function for function in _ONE_SPELLING}
# Where those that can change their argument in place are told so, after that argument.
_INPLACE: dict[Callable, int] = {
    function: list(inspect.signature(function).parameters).index("inplace") - 1
    for function in _ACTIVATIONS
    if inspect.isfunction(function) and "inplace" in inspect.signature(function).parameters
}
_NORMS: set[Callable] = {
    functional.batch_norm,
    functional.layer_norm,
    functional.rms_norm,
    functional.group_norm,
    functional.instance_norm,
}


class ActivationStatistics(NamedTuple):
    """What the activations after one weight layer were like; nan where there are none."""

    mean: float = math.nan
    std: float = math.nan
    saturated_share: float = math.nan
    dead_share: float = math.nan


@dataclass(frozen=True)
class _TapeEntry:
    """One module that ran in the forward pass; the backward pass fills the readings."""

    name: str
    kind: str
    output: TapReading
    input: TapReading

    def gradient(self) -> ModuleGradient:
        input_norm = self.input.norm if self.input.reached else math.nan
        return ModuleGradient(self.name, self.kind, self.output.norm, input_norm)


class Tape(TorchFunctionMode):
    """Records weight layers, activations and norms in the order in which they run.

    Weight layers are met by module hooks, activations and norms as functions, so
    that ``torch.relu(x)`` in a forward method counts like ``nn.ReLU``. Each reads
    its input through a tap of its own, so that the gradient through it alone can
    be told from what a skip connection adds.

    Args:
        layers: The weight layers, with their names. Their hooks stay until ``remove``.

    Attributes:
        layers: The same.
        entries: What ran, in order.
        outputs: For each layer that ran, one reading per call, at its output.
        weights: The weight of each layer that ran.
        statistics: For each layer, of the activations that followed it last.
    """

    def __init__(self, layers: Mapping[WeightLayer, str]) -> None:
        super().__init__()
        self.layers = layers
        self.entries: list[_TapeEntry] = []
        self.outputs: dict[WeightLayer, list[TapReading]] = {}
        self.weights: dict[WeightLayer, Tensor] = {}
        self.statistics: dict[WeightLayer, ActivationStatistics] = {}
        self._inputs: dict[WeightLayer, TapReading] = {}  # of layers that are running
        self._latest: WeightLayer | None = None
        self._handles = [
            handle
            for layer in layers
            for handle in (
                layer.register_forward_pre_hook(self._before_layer, with_kwargs=True),
                layer.register_forward_hook(self._after_layer),
            )
        ]

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    def _before_layer(self, layer: WeightLayer, inputs: tuple, named: dict) -> tuple[tuple, dict]:
        # A model may make tensors of its own, in a precision of its own.
        signal = (inputs[0] if inputs else named["input"]).to(layer.weight.dtype)
        signal, self._inputs[layer] = tapped(signal)
        return ((signal, *inputs[1:]), named) if inputs else ((), {**named, "input": signal})

    def _after_layer(self, layer: WeightLayer, _inputs: tuple, output: Tensor) -> Tensor:
        weight = self.weights.setdefault(layer, layer.weight)
        if not weight.is_leaf:  # made from others, as by torch.nn.utils.parametrizations
            weight.retain_grad()
        output, reading = tapped(output)
        self.outputs.setdefault(layer, []).append(reading)
        entry = _TapeEntry(self.layers[layer], "weights", reading, self._inputs.pop(layer))
        self.entries.append(entry)
        self._latest = layer
        return output

    def __torch_function__(
        self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if function in _ACTIVATIONS or function in _NORMS:
            signal, *rest = args if args else (named.pop("input"),)
            if isinstance(signal, Tensor) and signal.is_floating_point():
                if function in _NORMS:
                    return self._norm(function, signal, rest, named)
                return self._activation(function, signal, rest, named)
        return function(*args, **(kwargs or {}))

    def _norm(self, function: Callable, signal: Tensor, rest: list, named: dict) -> Tensor:
        signal, input_reading = tapped(signal)
        output, output_reading = tapped(function(signal, *rest, **named))
        self._append(function, "norm", output_reading, input_reading)
        return output

    def _activation(self, function: Callable, signal: Tensor, rest: list, named: dict) -> Tensor:
        place = _INPLACE.get(function, len(rest))
        in_place = named.pop("inplace", rest[place:] == [True])
        in_place = in_place or function.__name__.endswith("_")

        def out_of_place(inputs: Tensor) -> Tensor:
            return _ACTIVATIONS[function](inputs, *rest[:place], **named)

        inputs, input_reading = tapped(signal)
        output, output_reading = tapped(out_of_place(inputs))
        self._append(function, "activation", output_reading, input_reading)
        if self._latest is not None:
            units = -1 if isinstance(self._latest, nn.Linear) else 1
            slopes = slopes_at(out_of_place, inputs)
            self.statistics[self._latest] = _statistics(output.detach(), slopes, units)
        return signal.copy_(output) if in_place else output

    def _append(
        self, function: Callable, kind: str, output: TapReading, inputs: TapReading
    ) -> None:
        layer = self.layers[self._latest] if self._latest is not None else "the input"
        name = f"{function.__name__.rstrip('_')} after {layer}"
        self.entries.append(_TapeEntry(name, kind, output, inputs))


def _statistics(activations: Tensor, slopes: Tensor, units: int) -> ActivationStatistics:
    """Summarise activations and their slopes, whose units are in dimension ``units``."""
    if slopes.ndim < 2:  # one unit
        slopes = slopes.reshape(-1, 1)
    alive = (slopes != 0).movedim(units, -1).flatten(0, -2).any(dim=0)  # (N,)
    return ActivationStatistics(
        mean=activations.mean().item(),
        std=activations.std(correction=0).item(),
        saturated_share=(slopes.abs() < SATURATED).double().mean().item(),
        dead_share=1.0 - alive.double().mean().item(),
    )

"""Measure what a forward and a backward pass leave behind, layer by layer.

``record`` looks once, in float64 and on a copy, and so does ``through_time``, step
by step; ``watch`` looks along while a model trains. Shapes: B batch, N units, L
weight layers, T steps. Layer 1 is nearest the
input; delta is the gradient of the loss at a pre-activation.
"""

import copy
import html
import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from helpers.initialize import WEIGHT_LAYERS
from helpers.models import ACTIVATION_MODULES

SATURATED = 0.05
"""A unit counts as saturated where its slope is below this."""

# Every spelling of an activation that a forward pass may use, with a twin that
# leaves its argument alone.
_ACTIVATIONS: dict[Callable, Callable] = {
    function: twin
    for twin, spellings in {
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
        **{
            function: (function,)
            for function in (
                functional.celu, functional.selu, functional.gelu, functional.silu,
                functional.mish, functional.softplus, functional.softsign,
                functional.hardsigmoid, functional.hardswish, functional.relu6,
                functional.logsigmoid, functional.tanhshrink, functional.rrelu,
            )
        },
    }.items()
    for function in spellings
}  # fmt: skip
# Where those that can change their argument in place are told so, after that argument.
_INPLACE = {
    function: list(inspect.signature(function).parameters).index("inplace") - 1
    for function in _ACTIVATIONS
    if inspect.isfunction(function) and "inplace" in inspect.signature(function).parameters
}
_NORMS = {
    functional.batch_norm,
    functional.layer_norm,
    functional.rms_norm,
    functional.group_norm,
    functional.instance_norm,
}


@dataclass(frozen=True)
class LedgerRow:
    """What one module took from the gradient on its way back.

    Args:
        name: The module, by the weight layer it belongs to.
        kind: ``weights``, ``activation``, ``norm`` or ``skip``; ``skip`` is what
            other paths bring back, together with any operation in between.
        decades: log10 of the gradient norm lost; negative where it grows.
    """

    name: str
    kind: str
    decades: float


@dataclass(frozen=True)
class Ledger:
    """The decades lost between the last and the first weight layer, split.

    Args:
        rows: From the loss to the input.
    """

    rows: tuple[LedgerRow, ...]

    @property
    def total(self) -> float:
        """Decades lost in all: the sum of the rows."""
        return sum(row.decades for row in self.rows)

    @property
    def by_kind(self) -> dict[str, float]:
        """Decades lost to each kind of module."""
        kinds = dict.fromkeys(row.kind for row in self.rows)
        return {kind: sum(row.decades for row in self.rows if row.kind == kind) for kind in kinds}

    def __str__(self) -> str:
        shares = ", ".join(f"{kind} {decades:.1f}" for kind, decades in self.by_kind.items())
        return f"{self.total:.1f} decades lost: {shares or 'one weight layer only'}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(row.name)}</td><td>{row.kind}</td>"
            f"<td>{row.decades:+.2f}</td></tr>"
            for row in self.rows
        )
        head = "<tr><th>module</th><th>kind</th><th>decades lost</th></tr>"
        return f"<p>{html.escape(str(self))}</p><table>{head}{rows}</table>"


@dataclass(frozen=True)
class _Passage:
    """Gradient norms before and after one module, as the backward pass goes."""

    name: str
    kind: str
    entering: float  # at the module's output
    leaving: float  # at the module's input, through it alone; nan where nothing asks for it


@dataclass(frozen=True, eq=False)
class Flow:
    """What one forward and one backward pass left behind, per weight layer.

    All arrays have shape (L,), float64, from input to output.

    Args:
        layer_names: The weight layers, as the model names them.
        delta_norms: Norm of the gradient at each pre-activation.
        weight_grad_norms: Norm of the gradient of each weight.
        weight_norms: Norm of each weight.
        activation_mean: Mean of the activations that follow the layer; nan where
            none follows. So too in the next three.
        activation_std: Their standard deviation, over batch and units.
        saturated_share: Share of them whose slope is below ``SATURATED``.
        dead_share: Share of units whose slope is exactly 0 on the whole batch.
        connected: Whether a gradient reached the layer at all.
        loss: The loss.
    """

    layer_names: tuple[str, ...]
    delta_norms: np.ndarray
    weight_grad_norms: np.ndarray
    weight_norms: np.ndarray
    activation_mean: np.ndarray
    activation_std: np.ndarray
    saturated_share: np.ndarray
    dead_share: np.ndarray
    connected: np.ndarray
    loss: float
    _passages: tuple[_Passage, ...] = field(repr=False, default=())

    @property
    def relative_delta_norms(self) -> np.ndarray:
        """Delta norms over that of the last layer, shape (L,)."""
        return _ratio(self.delta_norms, self.delta_norms[-1])

    @property
    def decades_lost(self) -> float:
        """log10 of the last delta norm over the first; negative if it grows."""
        return _decades(self.delta_norms[-1], self.delta_norms[0])

    @property
    def norm_factor(self) -> float:
        """Geometric mean of what one layer does to the delta norm, backward.

        Taken between the second and the last but one weight layer, away from
        both ends (between the ends if there are fewer than four layers).
        """
        inner = self.delta_norms[1:-1] if len(self.delta_norms) > 3 else self.delta_norms
        if len(inner) < 2:
            return math.nan
        return 10 ** (-_decades(inner[-1], inner[0]) / (len(inner) - 1))

    @property
    def grad_to_weight(self) -> np.ndarray:
        """Weight-gradient norm over weight norm, shape (L,).

        Times the learning rate, this is the relative change in one SGD step.
        """
        return _ratio(self.weight_grad_norms, self.weight_norms)

    def ledger(self) -> Ledger:
        """Split the decades lost among weights, activations, norms and skips.

        The rows add up to ``decades_lost``: the chain of gradient norms from the
        last to the first weight layer telescopes. A branch through which no
        gradient passes at all (a weight that starts at 0, say) has no row: what
        gets by it belongs to ``skip``. Where the gradient ends for good, so does
        the ledger, with a row of infinite decades.
        """
        weights = [i for i, passage in enumerate(self._passages) if passage.kind == "weights"]
        backward = self._passages[weights[0] + 1 : weights[-1] + 1][::-1]
        reached = [passage for passage in backward if passage.entering > 0]
        passed = [passage for passage in reached if passage.leaving > 0]
        if self.delta_norms[0] == 0 and reached and reached[-1].leaving == 0:
            passed.append(reached[-1])
        rows = []
        above, norm = self.layer_names[-1], self.delta_norms[-1]
        for module in passed:
            rows += _between(module.name, above, module.entering, norm)
            rows.append(
                LedgerRow(module.name, module.kind, _decades(module.entering, module.leaving))
            )
            above, norm = module.name, module.leaving
        rows += _between(self.layer_names[0], above, self.delta_norms[0], norm)
        return Ledger(tuple(rows))

    def __str__(self) -> str:
        word = "gained" if self.decades_lost < 0 else "lost"
        return (
            f"{len(self.layer_names)} weight layers, loss {self.loss:.3g}: "
            f"{abs(self.decades_lost):.1f} decades of gradient {word} between last and first"
        )

    def _repr_html_(self) -> str:
        columns = {
            "delta norm": self.delta_norms,
            "weight-gradient norm": self.weight_grad_norms,
            "mean": self.activation_mean,
            "sd": self.activation_std,
            "saturated": self.saturated_share,
            "dead": self.dead_share,
        }
        head = "".join(f"<th>{name}</th>" for name in ("layer", *columns))
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td>"
            + "".join(f"<td>{values[i]:.3g}</td>" for values in columns.values())
            + "</tr>"
            for i, name in enumerate(self.layer_names)
        )
        return f"<p>{html.escape(str(self))}</p><table><tr>{head}</tr>{rows}</table>"


def _decades(before: float, after: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log10(before) - np.log10(after))


def _between(below: str, above: str, entering: float, leaving: float) -> list[LedgerRow]:
    """Say what happens to the norm from one module to the next, unless nothing does."""
    decades = 0.0 if entering == leaving else _decades(leaving, entering)
    if abs(decades) <= 1e-9:
        return []
    return [LedgerRow(f"between {below} and {above}", "skip", decades)]


def _ratio(numerator: np.ndarray, denominator: np.ndarray | float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return numerator / denominator


def _norm(values: Tensor) -> float:
    """L2 norm; squares can neither underflow nor overflow."""
    values = values.detach()
    norm = torch.linalg.vector_norm(values, dtype=torch.float64).item()
    if 1e-120 < norm < 1e120 or values.numel() == 0:
        return norm
    largest = values.abs().max().item()
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * torch.linalg.vector_norm(values / largest, dtype=torch.float64).item()


def _slopes(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Slope of an activation at every input, same shape."""
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf.clone()).sum(), leaf)  # it may overwrite
    return slope


@dataclass
class _Weighing:
    """The norm of the gradient that flows through one point of the graph."""

    norm: float = 0.0
    reached: bool = False


class _Scales(torch.autograd.Function):
    """A copy of a tensor; on the way back, the norm of its gradient is written down.

    Not a tensor hook: a graph of 10,000 layers that hooks have touched overflows
    the stack when it is freed.
    """

    @staticmethod
    def forward(ctx: object, tensor: Tensor, weighing: _Weighing) -> Tensor:
        ctx.weighing = weighing
        return tensor.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.weighing.norm = _norm(gradient)
        ctx.weighing.reached = True
        return gradient, None


def _weighed(tensor: Tensor) -> tuple[Tensor, _Weighing]:
    """Return a copy of a tensor, and what will be known of its gradient."""
    weighing = _Weighing()
    return _Scales.apply(tensor, weighing), weighing


@dataclass
class _Step:
    """One module met on the way forward, its gradients still to come."""

    name: str
    kind: str
    output: _Weighing
    input: _Weighing

    def passage(self) -> _Passage:
        leaving = self.input.norm if self.input.reached else math.nan
        return _Passage(self.name, self.kind, self.output.norm, leaving)


class _Tape(TorchFunctionMode):
    """Writes down weight layers, activations and norms in the order they run.

    Weight layers are met by module hooks, activations and norms as functions, so
    that ``torch.relu(x)`` in a forward method counts like ``nn.ReLU``. Each reads
    its input through a copy of its own, so that the gradient through it alone can
    be told from what a skip connection adds.
    """

    def __init__(self, layers: Mapping[nn.Module, str]) -> None:
        super().__init__()
        self.layers = layers
        self.steps: list[_Step] = []
        self.calls: dict[nn.Module, list[_Weighing]] = {}
        self.weights: dict[nn.Module, Tensor] = {}
        self.activations: dict[nn.Module, tuple[float, float, float, float]] = {}
        self._own: dict[nn.Module, _Weighing] = {}
        self._latest: nn.Module | None = None
        self._handles = [
            handle
            for layer in layers
            for handle in (
                layer.register_forward_pre_hook(self._before, with_kwargs=True),
                layer.register_forward_hook(self._after),
            )
        ]

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, layer: nn.Module, inputs: tuple, named: dict) -> tuple[tuple, dict]:
        # A model may make tensors of its own, in a precision of its own.
        signal = (inputs[0] if inputs else named["input"]).to(layer.weight.dtype)
        own, self._own[layer] = _weighed(signal)
        return ((own, *inputs[1:]), named) if inputs else ((), {**named, "input": own})

    def _after(self, layer: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        weight = self.weights.setdefault(layer, layer.weight)
        if not weight.is_leaf:  # made from others, as by torch.nn.utils.parametrizations
            weight.retain_grad()
        output, weighing = _weighed(output)
        self.calls.setdefault(layer, []).append(weighing)
        self.steps.append(_Step(self.layers[layer], "weights", weighing, self._own.pop(layer)))
        self._latest = layer
        return output

    def __torch_function__(
        self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        named = dict(kwargs or {})
        if function in _ACTIVATIONS or function in _NORMS:
            signal, *rest = args if args else (named.pop("input"),)
            if isinstance(signal, Tensor) and signal.is_floating_point():
                if function in _NORMS:
                    return self._norm(function, signal, rest, named)
                return self._activation(function, signal, rest, named)
        return function(*args, **(kwargs or {}))

    def _norm(self, function: Callable, signal: Tensor, rest: list, named: dict) -> Tensor:
        own, entered = _weighed(signal)
        output, left = _weighed(function(own, *rest, **named))
        self._met(function, "norm", left, entered)
        return output

    def _activation(self, function: Callable, signal: Tensor, rest: list, named: dict) -> Tensor:
        place = _INPLACE.get(function, len(rest))
        in_place = named.pop("inplace", rest[place:] == [True])
        in_place = in_place or function.__name__.endswith("_")

        def twin(inputs: Tensor) -> Tensor:
            return _ACTIVATIONS[function](inputs, *rest[:place], **named)

        own, entered = _weighed(signal)
        output, left = _weighed(twin(own))
        self._met(function, "activation", left, entered)
        if self._latest is not None:
            units = -1 if isinstance(self._latest, nn.Linear) else 1
            slopes = _slopes(twin, own)
            self.activations[self._latest] = _activity(output.detach(), slopes, units)
        return signal.copy_(output) if in_place else output

    def _met(self, function: Callable, kind: str, left: _Weighing, entered: _Weighing) -> None:
        layer = self.layers[self._latest] if self._latest is not None else "the input"
        name = f"{function.__name__.rstrip('_')} after {layer}"
        self.steps.append(_Step(name, kind, left, entered))


def _activity(activations: Tensor, slopes: Tensor, units: int) -> tuple[float, float, float, float]:
    """Mean, standard deviation, saturated share and dead share."""
    if slopes.ndim < 2:  # one unit
        slopes = slopes.reshape(-1, 1)
    alive = (slopes != 0).movedim(units, -1).flatten(0, -2).any(dim=0)  # (N,)
    return (
        activations.mean().item(),
        activations.std(correction=0).item(),
        (slopes.abs() < SATURATED).double().mean().item(),
        1.0 - alive.double().mean().item(),
    )


@contextmanager
def _random_state_kept() -> Iterator[None]:
    python, legacy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


@contextmanager
def _precision(dtype: torch.dtype | None) -> Iterator[None]:
    """Give tensors that a forward pass makes out of nothing the wanted precision."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype or usual)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def _converted(value: object, dtype: torch.dtype | None) -> object:
    """Detach every tensor inside, and give floating ones the wanted precision."""
    if isinstance(value, Tensor):
        value = value.detach().clone()
        return value.to(dtype) if dtype is not None and value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _converted(entry, dtype) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        entries = [_converted(entry, dtype) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    return value


def _copied(module: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Copy a module in another precision, with tensors that it merely keeps."""
    kept = {
        id(tensor): tensor.detach().clone()
        for part in module.modules()
        for tensor in _tensors(vars(part))
        if tensor.grad_fn is not None
    }
    twin = copy.deepcopy(module, kept)
    if dtype is None:
        return twin
    twin = twin.to(dtype)
    for part in twin.modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and value.is_floating_point():
                vars(part)[name] = value.to(dtype)
    return twin


def _called(model: nn.Module, inputs: object) -> object:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _tensors(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _tensors(entry)


def _named_layers(model: object) -> dict[nn.Module, str]:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if next(model.parameters(), None) is None:
        raise ValueError("model must have parameters to measure, and it has none")
    if any(isinstance(p, nn.parameter.UninitializedTensorMixin) for p in model.parameters()):
        raise ValueError("model must have run once, so that its lazy layers know their size")
    layers = {
        module: name or "model"
        for name, module in model.named_modules()
        if isinstance(module, WEIGHT_LAYERS)
    }
    if not layers:
        raise ValueError("model must have a linear or convolution layer, and it has none")
    return layers


def _check_inputs(inputs: object) -> None:
    tensors = list(_tensors(inputs))
    if not tensors:
        raise TypeError(
            f"inputs must be a tensor, or a tuple or dict of tensors, got {type(inputs).__name__}"
        )
    for tensor in tensors:
        if tensor.numel() == 0:
            raise ValueError(
                f"inputs must hold at least one sample, got shape {tuple(tensor.shape)}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError("inputs must be finite, and they hold a nan or an infinity")


def _check_loss(loss: object) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"loss_fn must return one number (a scalar tensor), got {got}")
    if not loss.requires_grad:
        raise ValueError("loss_fn must return a loss that depends on the model's weights")


def record(
    model: nn.Module,
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    targets: object,
    loss_fn: Callable[[object, object], Tensor],
    *,
    dtype: torch.dtype | None = torch.float64,
) -> Flow:
    """Measure one forward and one backward pass, layer by layer.

    The passes run on a copy in float64: the model, its mode, its buffers, its
    gradients and every random state are left as they were, also when the model
    raises. Hooks that somebody put on the model run on the copy too. Norms are
    scaled before squaring, so that gradients of 1e-200 and of 1e+200 come out
    right.

    Args:
        model: Any module with linear or convolution layers; training or
            evaluation mode is kept.
        inputs: What the model is called with: a tensor, or a tuple or dict of
            arguments.
        targets: Passed to the loss.
        loss_fn: Maps (outputs, targets) to a scalar.
        dtype: Precision to measure in; None keeps the model's own.

    Returns:
        One entry a weight layer, in the order in which the layers run. A layer
        that runs several times has one entry for all its calls.

    Raises:
        TypeError: If the model is no module, or inputs hold no tensor.
        ValueError: If the model has nothing to measure, the inputs are empty or
            not finite, or the loss is not a scalar that depends on the weights.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        >>> flow = record(net, torch.ones(2, 3), torch.zeros(2, 1), nn.MSELoss())
        >>> flow.layer_names
        ('0', '2')
    """
    _named_layers(model)
    _check_inputs(inputs)
    with (
        _random_state_kept(),
        _precision(dtype),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        twin = _copied(model, dtype)
        for parameter in twin.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        criterion = _copied(loss_fn, dtype) if isinstance(loss_fn, nn.Module) else loss_fn
        layers = _named_layers(twin)
        tape = _Tape(layers)
        try:
            with tape, parametrize.cached():
                outputs = _called(twin, _converted(inputs, dtype))
        finally:
            tape.remove()
        loss = criterion(outputs, _converted(targets, dtype))
        _check_loss(loss)
        if not tape.calls:
            raise ValueError("model must call its linear or convolution layers, and it calls none")
        # Only into the copy: a penalty in the loss may read the weights of the model itself.
        loss.backward(inputs=[p for p in twin.parameters() if p.requires_grad])
    return _flow(tape, loss.item())


def _flow(tape: _Tape, loss: float) -> Flow:
    ran = list(tape.calls)
    weights = [tape.weights[layer] for layer in ran]
    nothing = (math.nan,) * 4
    activity = np.array([tape.activations.get(layer, nothing) for layer in ran])  # (L, 4)
    return Flow(
        layer_names=tuple(tape.layers[layer] for layer in ran),
        delta_norms=np.array([math.hypot(*(call.norm for call in tape.calls[x])) for x in ran]),
        weight_grad_norms=np.array([0.0 if w.grad is None else _norm(w.grad) for w in weights]),
        weight_norms=np.array([_norm(weight) for weight in weights]),
        activation_mean=activity[:, 0],
        activation_std=activity[:, 1],
        saturated_share=activity[:, 2],
        dead_share=activity[:, 3],
        connected=np.array([any(call.reached for call in tape.calls[x]) for x in ran]),
        loss=loss,
        _passages=tuple(step.passage() for step in tape.steps),
    )


class Log:
    """What ``watch`` wrote down, one row a recorded step.

    Shapes: S recorded steps, L weight layers, A activation modules.

    Args:
        layer_names: The L weight layers, in the order the model lists them.
        activation_names: The A activation modules, likewise.
        order: Where each layer stands among the updates, which come grouped by shape.
    """

    def __init__(
        self,
        layer_names: tuple[str, ...],
        activation_names: tuple[str, ...],
        order: Sequence[int],
    ) -> None:
        self.layer_names = layer_names
        self.activation_names = activation_names
        self.steps: list[int] = []
        self._gradients: list[list[float]] = []
        self._changes: list[list[Tensor]] = []
        self._sizes: list[list[Tensor]] = []
        self._order = order
        self._activity: list[list[tuple[list[int], Tensor]]] = []

    @property
    def gradient_norms(self) -> np.ndarray:
        """Norm of each weight's gradient before the step, (S, L) float64."""
        return np.array(self._gradients, dtype=float).reshape(-1, len(self.layer_names))

    @property
    def update_ratios(self) -> np.ndarray:
        """Norm of each weight's change over the norm of the weight, (S, L)."""
        if not self._changes:
            return np.empty((0, len(self.layer_names)))
        changes, sizes = (
            np.array([np.concatenate([norms.cpu().numpy() for norms in row]) for row in rows])
            for rows in (self._changes, self._sizes)
        )
        return _ratio(changes.astype(float), sizes.astype(float))[:, self._order]

    @property
    def activation_mean(self) -> np.ndarray:
        """Mean activation, over units and the first 16 samples of the batch, (S, A)."""
        return self._activations(0)

    @property
    def activation_std(self) -> np.ndarray:
        """Their standard deviation, (S, A)."""
        return self._activations(1)

    @property
    def saturated_share(self) -> np.ndarray:
        """Share of them whose slope is below ``SATURATED``, (S, A)."""
        return self._activations(2)

    @property
    def dead_share(self) -> np.ndarray:
        """Share of units whose slope is 0 on the whole batch, (S, A)."""
        return self._activations(3)

    def _activations(self, row: int) -> np.ndarray:
        table = np.full((len(self._activity), len(self.activation_names)), math.nan)
        for line, found in zip(table, self._activity, strict=True):
            for columns, values in found:
                line[columns] = values[row].cpu().numpy()
        return table

    def __str__(self) -> str:
        return f"{len(self.steps)} steps of {len(self.layer_names)} weight layers recorded"

    __repr__ = __str__


PARTS = ("gradients", "updates", "activations")
"""What ``watch`` can write down."""


@contextmanager
def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    every: int = 10,
    parts: Sequence[str] = PARTS,
) -> Iterator[Log]:
    """Write down gradients, updates and activations while a model trains.

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
    if isinstance(every, bool) or not isinstance(every, int):
        raise TypeError(f"every must be a whole number of steps, got {every!r}")
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    if isinstance(parts, str):
        raise TypeError(f"parts must be a list of names, such as ['gradients'], got {parts!r}")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ValueError(f"parts must be among {', '.join(PARTS)}, got {unknown[0]!r}")
    watcher = _Watcher(model, every, parts)
    before = optimizer.register_step_pre_hook(watcher.before_step)
    after = optimizer.register_step_post_hook(watcher.after_step)
    try:
        yield watcher.log
    finally:
        before.remove()
        after.remove()
        watcher.stop_listening()


def through_time(
    model: nn.Module,
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    targets: object,
    loss_fn: Callable[[object, object], Tensor],
) -> np.ndarray:
    """Measure the gradient at the state of a recurrent network, step by step.

    That is dL/dh_t: everything that the state after step t does to the loss, later
    outputs included. The state of an LSTM is h and c together; all its layers count
    as one state. As in ``record``, the passes run on a copy in float64, nothing is
    left changed, and the norms neither underflow nor overflow before the numbers do.

    Args:
        model: Any module that calls one ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``,
            of one direction and any number of layers.
        inputs: What the model is called with: a tensor, or a tuple or dict of
            arguments.
        targets: Passed to the loss.
        loss_fn: Maps (outputs, targets) to a scalar.

    Returns:
        Norm of dL/dh_t over the batch, float64, shape (T,): the first step first,
        exactly 0 where no gradient arrives. At the last step the c of an LSTM
        has no gradient, for nothing reads it.

    Raises:
        TypeError: If the model is no module, or inputs hold no tensor.
        ValueError: If the model has not one such cell or does not call it on a plain
            tensor, the inputs are empty or not finite, or the loss is not a
            scalar that depends on the weights.

    Example:
        >>> from helpers import models
        >>> net = models.build_recurrent(models.RecurrentSetting("gru"), 2, 1)
        >>> norms = through_time(net, torch.ones(8, 30, 2), torch.ones(8, 1), nn.MSELoss())
        >>> norms.shape, bool(norms[0] < 1e-4 * norms[-1])
        ((30,), True)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    _check_inputs(inputs)
    with (
        _random_state_kept(),
        _precision(torch.float64),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        twin = _copied(model, torch.float64)
        for parameter in twin.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        criterion = _copied(loss_fn, torch.float64) if isinstance(loss_fn, nn.Module) else loss_fn
        states = _taken_apart(twin)
        with parametrize.cached():
            outputs = _called(twin, _converted(inputs, torch.float64))
        loss = criterion(outputs, _converted(targets, torch.float64))
        _check_loss(loss)
        if not states:
            raise ValueError("model must call its recurrent layer, and it does not")
        loss.backward(inputs=[p for p in twin.parameters() if p.requires_grad])
    return np.array([math.hypot(*(part.norm for part in state)) for state in states])


def _taken_apart(model: nn.Module) -> list[list[_Weighing]]:
    """Let the one recurrent layer go step by step; return what its states will weigh."""
    cells = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    if len(cells) != 1 or cells[0].bidirectional:
        raise ValueError(
            "model must have exactly one nn.RNN, nn.LSTM or nn.GRU, of one direction, "
            f"got {'one of two' if len(cells) == 1 else len(cells)}"
        )
    (cell,) = cells
    whole = cell.forward  # from the class: PyTorch's own arithmetic, one step at a time
    weighings: list[list[_Weighing]] = []

    def forward(
        inputs: Tensor, state: Tensor | tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        if not isinstance(inputs, Tensor):
            raise ValueError(
                f"model must call its recurrent layer on a tensor, got {type(inputs).__name__}"
            )
        time = 1 if cell.batch_first and inputs.ndim == 3 else 0
        outputs = []
        for one in inputs.split(1, dim=time):
            _, state = whole(one, state)
            parts, found = zip(
                *map(_weighed, state if isinstance(state, tuple) else (state,)), strict=True
            )
            weighings.append(list(found))
            state = parts if isinstance(state, tuple) else parts[0]
            outputs.append(parts[0][-1])  # the last layer's h
        return torch.stack(outputs, dim=time), state

    cell.forward = forward
    return weighings


class _Watcher:
    """The hooks behind ``watch``: few operations, no values read, no large memory taken.

    Fresh blocks of memory cost more here than the arithmetic, so copies and
    stacks go into buffers that are kept from one recorded step to the next.
    """

    def __init__(self, model: nn.Module, every: int, parts: Sequence[str]) -> None:
        layers = _named_layers(model)
        self.weights = [layer.weight for layer in layers]
        self.activations = {
            module: name
            for name, module in model.named_modules()
            if isinstance(module, ACTIVATION_MODULES)
        }
        self.every = every
        self.parts = frozenset(parts)
        alike: dict[object, list[int]] = {}
        for i, weight in enumerate(self.weights):
            alike.setdefault((weight.shape, weight.dtype, weight.device), []).append(i)
        order = np.argsort([i for group in alike.values() for i in group])
        self.log = Log(tuple(layers.values()), tuple(self.activations.values()), order)
        self.groups, self.order = list(alike.values()), order
        if "updates" in self.parts:
            self.make_room()
        self.step = 0
        self.position = {module: i for i, module in enumerate(self.activations)}
        channels, self.channels = False, {}  # whether the units stand in dimension 1
        for module in model.modules():
            if module in layers:
                channels = not isinstance(module, nn.Linear)
            self.channels[module] = channels
        kinds = [
            (
                type(module),
                module.extra_repr(),
                self.channels[module],
                module if _has_weights(module) else None,
            )
            for module in self.activations
        ]
        self.kinds = {
            module: kinds.index(kind) for module, kind in zip(self.activations, kinds, strict=True)
        }
        self.buffers: dict[object, Tensor] = {}
        self.heard: dict[nn.Module, Tensor] = {}
        self.handles: list[RemovableHandle] = []
        self.overwrites = any(map(_loses_input, self.activations))
        self.kept: dict[nn.Module, Tensor] = {}
        self.recording = False
        self.extreme = False
        self.listen()

    def make_room(self) -> None:
        """Take memory for a copy of the weights, on their device."""
        # One stack (G, ...) for the weights of one shape; and the same memory, one a weight.
        self.before = [
            torch.stack([self.weights[i].detach() for i in group]) for group in self.groups
        ]
        places = [place for stack in self.before for place in stack]
        self.copies = [places[i] for i in self.order]

    def listen(self) -> None:
        """Keep what activation modules read or return, if the next step counts.

        What the backward pass keeps anyway costs no memory. One hook for all
        modules is quicker to set and to take away than one each.
        """
        self.recording = self.step % self.every == 0
        if self.recording and "activations" in self.parts:
            self.handles = [register_module_forward_hook(self.hear)]
            if self.overwrites:
                self.handles.append(register_module_forward_pre_hook(self.keep))

    def keep(self, module: nn.Module, inputs: tuple) -> None:
        """Copy what a module is about to overwrite."""
        if module in self.kinds and _loses_input(module):
            self.kept[module] = inputs[0].detach().clone()

    def hear(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if module in self.kinds:
            known_by_output = type(module) in _RISING
            self.heard[module] = output if known_by_output else self.kept.pop(module, inputs[0])

    def stop_listening(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []

    @torch.no_grad()
    def before_step(self, *_arguments: object) -> None:
        if not self.recording:
            return
        self.log.steps.append(self.step)
        if "gradients" in self.parts:
            self.log._gradients.append(self.gradient_norms())
        if "activations" in self.parts:
            self.stop_listening()
            self.log._activity.append(self.activity())
            self.heard.clear()
        if "updates" in self.parts:
            if self.copies[0].device != self.weights[0].device:  # ``train.fit`` moved the model
                self.make_room()
            torch._foreach_copy_(self.copies, self.weights)
            self.log._sizes.append([_row_norms(stack.flatten(1)) for stack in self.before])

    @torch.no_grad()
    def after_step(self, *_arguments: object) -> None:
        if self.recording and "updates" in self.parts:
            torch._foreach_sub_(self.copies, self.weights)
            self.log._changes.append([_row_norms(stack.flatten(1)) for stack in self.before])
        self.step += 1
        self.listen()

    def gradient_norms(self) -> list[float]:
        """L2 norm of each weight's gradient, in float64 where float32 squares would not do."""
        gradients = [weight.grad for weight in self.weights]
        if any(gradient is None for gradient in gradients):
            pairs = zip(gradients, self.weights, strict=True)
            gradients = [torch.zeros_like(w) if g is None else g for g, w in pairs]
        if not self.extreme:
            norms = [norm.item() for norm in torch._foreach_norm(gradients)]
            if min(norms) > _SMALL and max(norms) < _LARGE:
                return norms
            self.extreme = True
        return torch.stack(torch._foreach_norm(gradients, 2, dtype=torch.float64)).tolist()

    def activity(self) -> list[tuple[list[int], Tensor]]:
        """Mean, standard deviation, saturated and dead share, (4, G) for columns of one kind."""
        alike: dict[object, list[nn.Module]] = {}
        for module, heard in self.heard.items():
            kind = (self.kinds[module], heard.shape, heard.dtype, heard.device)
            alike.setdefault(kind, []).append(module)
        found = []
        for kind, modules in alike.items():
            heard = [self.heard[module] for module in modules]
            few = self.stacked(kind, [tensor[:_SAMPLED] for tensor in heard])
            saturated, dead = self.flat_shares(modules[0], few, heard)
            made = self.made(modules[0], few).flatten(1)
            mean = made.mean(dim=1)
            spread = _row_norms(made.sub_(mean[:, None])) / math.sqrt(made.shape[1])
            columns = [self.position[module] for module in modules]
            found.append((columns, torch.stack([mean, spread, saturated, dead])))
        return found

    @staticmethod
    def made(module: nn.Module, few: Tensor) -> Tensor:
        """What a module makes of what was heard, (G, B, ..., N), without anybody's hooks."""
        if type(module) in _RISING:
            return few
        return module.forward(few[0])[None] if _has_weights(module) else module.forward(few)

    def stacked(self, key: object, tensors: list[Tensor]) -> Tensor:
        """Copy G tensors of shape (B, ..., N) into a kept buffer (G, B, ..., N)."""
        shape = (len(tensors), *tensors[0].shape)
        if key not in self.buffers or self.buffers[key].shape != shape:
            self.buffers[key] = tensors[0].new_empty(shape)
        return torch.stack(tensors, out=self.buffers[key])

    def flat_shares(
        self, module: nn.Module, few: Tensor, heard: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Saturated share and share of dead units, each (G,), from G modules of one kind."""
        if _has_weights(module):
            slopes = _slopes(module, heard[0])[None]  # such a module is the only one of its kind
            saturated = slopes[:, :_SAMPLED].abs() < SATURATED
            dead = (_units_last(slopes, self.channels[module]) == 0).all(dim=1)
            return _share(saturated), _share(dead)
        shape = _Shape(type(module), module.extra_repr(), few.dtype, few.device, module)
        flat, level = _zones(shape, SATURATED), _zones(shape, 0.0)
        saturated = flat.share(few)
        low, high = level.low, level.high
        least, most = (bound.item() for bound in few.aminmax())
        if low < least and most < high:
            return saturated, torch.zeros_like(saturated)
        channels = self.channels[module]
        dead = _outside(_units_last(few, channels), low, high)
        suspects = dead.any(dim=1).nonzero()[:, 0].tolist()
        if suspects and len(heard[0]) > _SAMPLED:
            everything = torch.stack([heard[i] for i in suspects])
            dead[suspects] = _outside(_units_last(everything, channels), low, high)
        return saturated, _share(dead)


def _row_norms(rows: Tensor) -> Tensor:
    return torch.linalg.vector_norm(rows, dim=1)


# Their backward pass keeps the output, not the input, and as they never fall, the
# output tells where they are flat.
_RISING = (nn.ReLU, nn.Sigmoid, nn.Tanh)


def _loses_input(module: nn.Module) -> bool:
    """Whether the input that ``watch`` needs is overwritten by the module."""
    return getattr(module, "inplace", False) and type(module) not in _RISING


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _share(flags: Tensor) -> Tensor:
    """Share of true entries in each row, (G, ...) to (G,)."""
    flags = flags.flatten(1)
    return flags.sum(dim=1) / flags.shape[1]


def _units_last(values: Tensor, channels: bool) -> Tensor:
    """All samples of each unit together: (G, B, ..., N) or channels (G, B, N, ...) to (G, S, N)."""
    if values.ndim < 3:  # one unit
        values = values.unsqueeze(-1)
    return values.movedim(2 if channels else -1, -1).flatten(1, -2)


# Between these a norm summed from float32 squares is right to six digits.
_SMALL, _LARGE = 1e-17, 1e18
_SAMPLED = 16  # samples of a batch that ``watch`` takes its activation statistics from


def _outside(rows: Tensor, low: float, high: float) -> Tensor:
    """Whether a unit is at or beyond the bounds in all samples; (G, S, N) to (G, N)."""
    least, most = rows.amin(dim=1), rows.amax(dim=1)
    outside = (most <= low) | (least >= high)
    if ((least <= low) & (most >= high)).any():  # on both sides: look at every sample
        outside |= ((rows <= low) | (rows >= high)).all(dim=1)
    return outside


@dataclass(frozen=True)
class _Shape:
    """An activation without weights: two of the same type and settings are the same."""

    kind: type[nn.Module]
    settings: str
    dtype: torch.dtype
    device: torch.device
    module: nn.Module = field(compare=False)


@dataclass(frozen=True)
class _Zones:
    """Where an activation is flat: at or below low, at or above high, and in between.

    In terms of its input, or of its output for those in ``_RISING``.
    """

    low: float
    high: float
    inner: tuple[tuple[float, float], ...]
    steep: tuple[float, float]  # the nearest numbers beyond low and high

    def share(self, values: Tensor) -> Tensor:
        """Share of entries of each row that lie in a zone, (G, ...) to (G,)."""
        rows = values.flatten(1)
        moved = rows.clamp(*self.steep).sub_(rows)  # 0 in between
        flat = torch.linalg.vector_norm(moved, ord=0, dim=1)
        for start, end in self.inner:
            flat += ((rows >= start) & (rows <= end)).sum(dim=1)
        return flat / rows.shape[1]


@lru_cache(maxsize=256)
def _zones(shape: _Shape, bound: float) -> _Zones:
    """Find the inputs at which the absolute slope is at most ``bound``.

    On a grid from -40 to 40, refined by bisection; a zone that reaches the edge
    of the grid is taken to go on for ever.
    """

    def is_flat(inputs: Tensor) -> Tensor:
        inputs = inputs.to(device=shape.device, dtype=shape.dtype)
        return (_slopes(shape.module.forward, inputs).abs() <= bound).cpu()

    grid = torch.arange(-800, 801, dtype=torch.float64) / 20  # kinks at 0, 1, 6 are hit exactly
    flat = is_flat(grid)
    turns = (flat[1:] != flat[:-1]).nonzero()[:, 0]
    inside = torch.where(flat[turns], grid[turns], grid[turns + 1])
    beyond = torch.where(flat[turns], grid[turns + 1], grid[turns])
    for _ in range(24):
        middle = (inside + beyond) / 2
        held = is_flat(middle)
        inside, beyond = torch.where(held, middle, inside), torch.where(held, beyond, middle)
    edges = inside.tolist()
    low = edges.pop(0) if flat[0] else -math.inf
    high = edges.pop() if flat[-1] else math.inf
    ends = torch.tensor([low, high], dtype=shape.dtype)
    if shape.kind in _RISING:
        ends = torch.where(ends.isfinite(), shape.module.forward(ends.clone()), ends)
        low, high = ends.tolist()
    steep = torch.nextafter(ends, ends.new_tensor([math.inf, -math.inf]))
    inner = tuple(zip(edges[::2], edges[1::2], strict=True))
    return _Zones(low, high, inner, tuple(steep.tolist()))

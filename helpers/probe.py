"""Measure what a forward and a backward pass leave behind, layer by layer.

``record`` looks once, in float64 and on a copy; ``watch`` looks along while a
model trains. Shapes: B batch, N units, L weight layers. Layer 1 is nearest the
input; delta is the gradient of the loss at a pre-activation.
"""

import copy
import html
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

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
        ),
        torch.tanh: (torch.tanh, torch.tanh_, functional.tanh, Tensor.tanh, Tensor.tanh_),
        torch.erf: (torch.erf, Tensor.erf),
        torch.prelu: (torch.prelu, Tensor.prelu),
        **{
            function: (function,)
            for function in (
                functional.leaky_relu, functional.elu, functional.celu, functional.selu,
                functional.gelu, functional.silu, functional.mish, functional.softplus,
                functional.softsign, functional.hardtanh, functional.hardsigmoid,
                functional.hardswish, functional.relu6, functional.logsigmoid,
                functional.tanhshrink, functional.rrelu,
            )
        },
    }.items()
    for function in spellings
}  # fmt: skip
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
        return math.fsum(row.decades for row in self.rows)

    @property
    def by_kind(self) -> dict[str, float]:
        """Decades lost to each kind of module."""
        kinds = dict.fromkeys(row.kind for row in self.rows)
        return {
            kind: math.fsum(row.decades for row in self.rows if row.kind == kind)
            for kind in kinds
        }

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
    leaving: float  # at the module's input, through this module alone


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
        last to the first weight layer telescopes.
        """
        weights = [i for i, passage in enumerate(self._passages) if passage.kind == "weights"]
        chain = self._passages[weights[0] : weights[-1] + 1]
        rows = []
        for module, before in zip(chain[:0:-1], chain[-2::-1], strict=True):
            rows.append(
                LedgerRow(module.name, module.kind, _decades(module.entering, module.leaving))
            )
            between = _decades(module.leaving, before.entering)
            if abs(between) > 1e-9:
                rows.append(LedgerRow(f"between {before.name} and {module.name}", "skip", between))
        return Ledger(tuple(rows))

    def __str__(self) -> str:
        word = "lost" if self.decades_lost >= 0 else "gained"
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


def _ratio(numerator: np.ndarray, denominator: np.ndarray | float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return numerator / denominator


def _norm(values: Tensor) -> float:
    """L2 norm; squares can neither underflow nor overflow."""
    largest = values.detach().abs().max().item() if values.numel() else 0.0
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * torch.linalg.vector_norm(values.detach() / largest).item()


def _slopes(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """phi' at every input, same shape."""
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return slope


class _Weighing:
    """Collects the norm of the gradient that flows through a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.norm = 0.0
        self.reached = False
        if tensor.requires_grad:
            tensor.register_hook(self._weigh)

    def _weigh(self, gradient: Tensor) -> None:
        self.norm = _norm(gradient)
        self.reached = True


@dataclass
class _Step:
    """One module met on the way forward, its gradients still to come."""

    name: str
    kind: str
    output: _Weighing
    input: _Weighing | None

    def passage(self) -> _Passage:
        leaving = self.input.norm if self.input is not None else math.nan
        return _Passage(self.name, self.kind, self.output.norm, leaving)


class _Tape(TorchFunctionMode):
    """Writes down weight layers, activations and norms in the order they run.

    Weight layers are met by module hooks, activations and norms as functions, so
    that ``torch.relu(x)`` in a forward method counts like ``nn.ReLU``. Each reads
    its input through a view of its own, so that the gradient through it alone can
    be told from what a skip connection adds.
    """

    def __init__(self, layers: Mapping[nn.Module, str]) -> None:
        super().__init__()
        self.layers = layers
        self.steps: list[_Step] = []
        self.calls: dict[nn.Module, list[_Weighing]] = {}
        self.activations: dict[nn.Module, tuple[float, float, float, float]] = {}
        self._views: dict[nn.Module, _Weighing] = {}
        self._latest: nn.Module | None = None
        self._handles = [
            handle
            for layer in layers
            for handle in (
                layer.register_forward_pre_hook(self._before),
                layer.register_forward_hook(self._after),
            )
        ]

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, layer: nn.Module, inputs: tuple) -> tuple:
        view = inputs[0].view_as(inputs[0])
        self._views[layer] = _Weighing(view)
        return (view, *inputs[1:])

    def _after(self, layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        weighing = _Weighing(output)
        self.calls.setdefault(layer, []).append(weighing)
        self.steps.append(
            _Step(self.layers[layer], "weights", weighing, self._views.pop(layer, None))
        )
        self._latest = layer

    def __torch_function__(
        self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        if not args or not isinstance(args[0], Tensor):
            return function(*args, **kwargs)
        if function in _ACTIVATIONS:
            return self._activation(function, args, kwargs)
        if function in _NORMS:
            view = args[0].view_as(args[0])
            weighing = _Weighing(view)
            output = function(view, *args[1:], **kwargs)
            self._met(function.__name__, "norm", output, weighing)
            return output
        return function(*args, **kwargs)

    def _activation(self, function: Callable, args: tuple, kwargs: dict) -> Tensor:
        changes_input = function.__name__.endswith("_") or kwargs.get("inplace", False)
        inputs = args[0] if changes_input else args[0].view_as(args[0])
        weighing = _Weighing(inputs)
        before = inputs.detach().clone()
        output = function(inputs, *args[1:], **kwargs)
        options = {key: value for key, value in kwargs.items() if key != "inplace"}
        slopes = _slopes(lambda z: _ACTIVATIONS[function](z, *args[1:], **options), before)
        self._met(function.__name__.rstrip("_"), "activation", output, weighing)
        if self._latest is not None:
            units = -1 if isinstance(self._latest, nn.Linear) else 1
            self.activations[self._latest] = _activity(output.detach(), slopes, units)
        return output

    def _met(self, function: str, kind: str, output: Tensor, view: _Weighing) -> None:
        layer = self.layers[self._latest] if self._latest is not None else "the input"
        self.steps.append(_Step(f"{function} after {layer}", kind, _Weighing(output), view))


def _activity(
    activations: Tensor, slopes: Tensor, units: int
) -> tuple[float, float, float, float]:
    """Mean, standard deviation, saturated share and dead share."""
    alive = (slopes != 0).movedim(units, -1).flatten(0, -2).any(dim=0)  # (N,)
    return (
        activations.mean().item(),
        activations.std(correction=0).item(),
        (slopes.abs() < SATURATED).double().mean().item(),
        1.0 - alive.double().mean().item(),
    )


@contextmanager
def _random_state_kept() -> Iterator[None]:
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def _converted(value: object, dtype: torch.dtype | None) -> object:
    """Detach every tensor inside, and give floating ones the wanted precision."""
    if isinstance(value, Tensor):
        value = value.detach().clone()
        return value.to(dtype) if dtype is not None and value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _converted(entry, dtype) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_converted(entry, dtype) for entry in value)
    return value


def _copied(module: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Copy a module in another precision, with tensors that it merely keeps."""
    kept = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and value.grad_fn is not None
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
    raises. Norms are scaled before squaring, so that gradients of 1e-200 and of
    1e+200 come out right.

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
    with _random_state_kept(), torch.inference_mode(False), torch.enable_grad():
        twin = _copied(model, dtype)
        for parameter in twin.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        criterion = _copied(loss_fn, dtype) if isinstance(loss_fn, nn.Module) else loss_fn
        layers = _named_layers(twin)
        tape = _Tape(layers)
        try:
            with tape:
                outputs = _called(twin, _converted(inputs, dtype))
        finally:
            tape.remove()
        loss = criterion(outputs, _converted(targets, dtype))
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ValueError(f"loss_fn must return one number (a scalar tensor), got {got}")
        if not loss.requires_grad:
            raise ValueError("loss_fn must return a loss that depends on the model's weights")
        loss.backward()
    return _flow(tape, loss.item())


def _flow(tape: _Tape, loss: float) -> Flow:
    ran = list(tape.calls)
    gradients = [layer.weight.grad for layer in ran]
    nothing = (math.nan,) * 4
    activity = np.array([tape.activations.get(layer, nothing) for layer in ran])  # (L, 4)
    return Flow(
        layer_names=tuple(tape.layers[layer] for layer in ran),
        delta_norms=np.array([math.hypot(*(call.norm for call in tape.calls[x])) for x in ran]),
        weight_grad_norms=np.array([0.0 if g is None else _norm(g) for g in gradients]),
        weight_norms=np.array([_norm(layer.weight) for layer in ran]),
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
    """

    def __init__(self, layer_names: tuple[str, ...], activation_names: tuple[str, ...]) -> None:
        self.layer_names = layer_names
        self.activation_names = activation_names
        self.steps: list[int] = []
        self._gradients: list[Tensor] = []
        self._updates: list[Tensor] = []
        self._activity: list[Tensor] = []

    @staticmethod
    def _table(rows: list[Tensor], columns: int) -> np.ndarray:
        return torch.stack(rows).cpu().numpy() if rows else np.empty((0, columns))

    @property
    def gradient_norms(self) -> np.ndarray:
        """Norm of each weight's gradient before the step, (S, L) float64."""
        return self._table(self._gradients, len(self.layer_names))

    @property
    def update_ratios(self) -> np.ndarray:
        """Norm of each weight's change over the norm of the weight, (S, L)."""
        return self._table(self._updates, len(self.layer_names))

    @property
    def activation_mean(self) -> np.ndarray:
        """Mean activation over batch and units, (S, A)."""
        return self._activations(0)

    @property
    def activation_std(self) -> np.ndarray:
        """Standard deviation over batch and units, (S, A)."""
        return self._activations(1)

    @property
    def saturated_share(self) -> np.ndarray:
        """Share of activations whose slope is below ``SATURATED``, (S, A)."""
        return self._activations(2)

    @property
    def dead_share(self) -> np.ndarray:
        """Share of units whose slope is 0 on the whole batch, (S, A)."""
        return self._activations(3)

    def _activations(self, column: int) -> np.ndarray:
        if not self._activity:
            return np.empty((0, len(self.activation_names)))
        return torch.stack(self._activity)[:, column].cpu().numpy()

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
    ``benchmarks/watch.py``.

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


class _Watcher:
    """The hooks behind ``watch``; batches all layers, reads nothing back."""

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
        self.log = Log(tuple(layers.values()), tuple(self.activations.values()))
        self.step = 0
        self.heard: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self.handles: list = []
        self.old: list[Tensor] = []
        self.listen()

    def listen(self) -> None:
        """Keep what activation modules read and return, if the next step counts."""
        if "activations" in self.parts and self.step % self.every == 0:
            self.handles = [
                module.register_forward_hook(self.hear) for module in self.activations
            ]

    def hear(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.heard[module] = (inputs[0].detach(), output.detach())

    def stop_listening(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []
        self.heard = {}

    @torch.no_grad()
    def before_step(self, *_arguments: object) -> None:
        if self.step % self.every:
            return
        self.log.steps.append(self.step)
        if "gradients" in self.parts:
            self.log._gradients.append(_norms([weight.grad for weight in self.weights]))
        if "activations" in self.parts:
            self.log._activity.append(self.activity())
            self.stop_listening()
        if "updates" in self.parts:
            self.old = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def after_step(self, *_arguments: object) -> None:
        if self.old:
            changes = torch._foreach_sub([weight.detach() for weight in self.weights], self.old)
            self.log._updates.append(_norms(changes) / _norms(self.old))
            self.old = []
        self.step += 1
        self.listen()

    def activity(self) -> Tensor:
        """Mean, standard deviation, saturated and dead share, shape (4, A)."""
        position = {module: i for i, module in enumerate(self.activations)}
        table = torch.full((4, len(position)), math.nan)
        alike: dict[object, list[nn.Module]] = {}
        for module, (read, _) in self.heard.items():
            own = module if next(module.parameters(), None) is not None else None
            kind = (type(module), module.extra_repr(), read.shape, own)
            alike.setdefault(kind, []).append(module)
        for modules in alike.values():
            read = torch.stack([self.heard[module][0] for module in modules])  # (G, B, ..., N)
            made = torch.stack([self.heard[module][1] for module in modules]).flatten(1)
            slopes = _slopes(modules[0], read)
            units = 2 if slopes.ndim > 4 else -1
            alive = (slopes != 0).movedim(units, -1).flatten(1, -2).any(dim=1)  # (G, N)
            columns = [position[module] for module in modules]
            table[:, columns] = torch.stack(
                [
                    made.mean(dim=1),
                    made.std(dim=1, correction=0),
                    (slopes.abs() < SATURATED).flatten(1).to(made.dtype).mean(dim=1),
                    1 - alive.to(made.dtype).mean(dim=1),
                ]
            ).to(table)
        return table


def _norms(tensors: list[Tensor | None]) -> Tensor:
    """L2 norm of each tensor in float64, 0 where there is none; shape (L,)."""
    present = [tensor for tensor in tensors if tensor is not None]
    norms = torch.stack(torch._foreach_norm(present, 2, dtype=torch.float64)) if present else None
    if len(present) == len(tensors):
        return norms
    table = torch.zeros(len(tensors), dtype=torch.float64)
    if present:
        table[[i for i, tensor in enumerate(tensors) if tensor is not None]] = norms.to(table)
    return table

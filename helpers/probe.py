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
        last to the first weight layer telescopes. A branch through which no
        gradient passes at all (a weight that starts at 0, say) has no row: what
        gets by it belongs to ``skip``. Where the gradient ends for good, so does
        the ledger, with a row of infinite decades.
        """
        weights = [i for i, passage in enumerate(self._passages) if passage.kind == "weights"]
        first, *rest = self._passages[weights[0] : weights[-1] + 1]
        backward = rest[::-1]
        if first.entering > 0:
            backward = [p for p in backward if p.entering > 0 and p.leaving > 0]
        rows = []
        for module, before in zip(backward, [*backward[1:], first], strict=True):
            rows.append(
                LedgerRow(module.name, module.kind, _decades(module.entering, module.leaving))
            )
            if module.leaving == 0:
                break
            between = _decades(module.leaving, before.entering)
            if abs(between) > 1e-9:
                rows.append(LedgerRow(f"between {before.name} and {module.name}", "skip", between))
            if before.entering == 0:
                break
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
    """Collects the norm of the gradient that flows through a tensor.

    It holds the tensor's node of the graph until ``release``: a hooked graph of
    10,000 layers that falls in one go overflows the stack, one that is taken down
    from the loss to the input does not.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.norm = 0.0
        self.reached = False
        self._node = tensor.grad_fn
        if tensor.requires_grad:
            tensor.register_hook(self._weigh)

    def release(self) -> None:
        self._node = None

    def _weigh(self, gradient: Tensor) -> None:
        self.norm = _norm(gradient)
        self.reached = True


@dataclass
class _Step:
    """One module met on the way forward, its gradients still to come."""

    name: str
    kind: str
    output: _Weighing
    input: _Weighing

    def passage(self) -> _Passage:
        return _Passage(self.name, self.kind, self.output.norm, self.input.norm)


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
        self.activations: dict[nn.Module, tuple[float, float, float, float]] = {}
        self._own: dict[nn.Module, _Weighing] = {}
        self._weighings: list[_Weighing] = []
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

    def release(self) -> None:
        """Let go of the graph; nothing else may hold it by then."""
        for weighing in reversed(self._weighings):
            weighing.release()

    def _weigh(self, tensor: Tensor) -> _Weighing:
        self._weighings.append(_Weighing(tensor))
        return self._weighings[-1]

    def _before(self, layer: nn.Module, inputs: tuple) -> tuple:
        own = inputs[0].clone()
        self._own[layer] = self._weigh(own)
        return (own, *inputs[1:])

    def _after(self, layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        weighing = self._weigh(output)
        self.calls.setdefault(layer, []).append(weighing)
        self.steps.append(_Step(self.layers[layer], "weights", weighing, self._own.pop(layer)))
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
            own = args[0].clone()
            weighing = self._weigh(own)
            output = function(own, *args[1:], **kwargs)
            self._met(function.__name__, "norm", output, weighing)
            return output
        return function(*args, **kwargs)

    def _activation(self, function: Callable, args: tuple, kwargs: dict) -> Tensor:
        changes_input = function.__name__.endswith("_") or kwargs.get("inplace", False)
        inputs = args[0] if changes_input else args[0].clone()
        weighing = self._weigh(inputs)
        before = inputs.detach().clone()
        output = function(inputs, *args[1:], **kwargs)
        options = {key: value for key, value in kwargs.items() if key != "inplace"}
        slopes = _slopes(lambda z: _ACTIVATIONS[function](z, *args[1:], **options), before)
        self._met(function.__name__.rstrip("_"), "activation", output, weighing)
        if self._latest is not None:
            units = -1 if isinstance(self._latest, nn.Linear) else 1
            self.activations[self._latest] = _activity(output.detach(), slopes, units)
        return output

    def _met(self, function: str, kind: str, output: Tensor, own: _Weighing) -> None:
        layer = self.layers[self._latest] if self._latest is not None else "the input"
        self.steps.append(_Step(f"{function} after {layer}", kind, self._weigh(output), own))


def _activity(activations: Tensor, slopes: Tensor, units: int) -> tuple[float, float, float, float]:
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
        value = loss.item()
        del outputs, loss
        tape.release()
    return _flow(tape, value)


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
        self._gradients: list[list[Tensor]] = []
        self._updates: list[tuple[list[Tensor], list[Tensor]]] = []
        self._activity: list[Tensor] = []

    def _table(self, rows: list[list[Tensor]]) -> np.ndarray:
        entries = [norm for row in rows for norm in row]
        flat = torch.stack(entries).cpu().numpy() if entries else np.empty(0)
        return flat.reshape(len(rows), len(self.layer_names))

    @property
    def gradient_norms(self) -> np.ndarray:
        """Norm of each weight's gradient before the step, (S, L) float64."""
        return self._table(self._gradients)

    @property
    def update_ratios(self) -> np.ndarray:
        """Norm of each weight's change over the norm of the weight, (S, L)."""
        changes = self._table([changes for changes, _ in self._updates])
        return _ratio(changes, self._table([sizes for _, sizes in self._updates]))

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
        self.log = Log(tuple(layers.values()), tuple(self.activations.values()))
        self.step = 0
        self.zones: dict[object, tuple[list, list]] = {}
        self.buffers: dict[object, Tensor] = {}
        self.heard: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self.handles: list = []
        self.before: list[Tensor] = []
        self.recording = False
        self.listen()

    def listen(self) -> None:
        """Keep what activation modules read and return, if the next step counts."""
        self.recording = self.step % self.every == 0
        if self.recording and "activations" in self.parts:
            self.handles = [
                module.register_forward_hook(self.hear) for module in self.activations
            ]

    def hear(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.heard[module] = (inputs[0].detach(), output.detach())

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
            gradients = [
                torch.zeros_like(weight) if weight.grad is None else weight.grad
                for weight in self.weights
            ]
            self.log._gradients.append(torch._foreach_norm(gradients, 2, dtype=torch.float64))
        if "activations" in self.parts:
            self.stop_listening()
            self.log._activity.append(self.activity())
            self.heard.clear()
        if "updates" in self.parts:
            if not self.before:
                self.before = [torch.empty_like(weight) for weight in self.weights]
            torch._foreach_copy_(self.before, self.weights)

    @torch.no_grad()
    def after_step(self, *_arguments: object) -> None:
        if self.recording and "updates" in self.parts:
            sizes = torch._foreach_norm(self.before)
            torch._foreach_sub_(self.before, self.weights)
            self.log._updates.append((torch._foreach_norm(self.before), sizes))
        self.step += 1
        self.listen()

    def activity(self) -> Tensor:
        """Mean, standard deviation, saturated and dead share, shape (4, A)."""
        position = {module: i for i, module in enumerate(self.activations)}
        table = torch.full((4, len(position)), math.nan, dtype=torch.float64)
        alike: dict[object, list[nn.Module]] = {}
        for module, (read, _) in self.heard.items():
            own = module if next(module.parameters(), None) is not None else None
            kind = (type(module), module.extra_repr(), read.shape, read.dtype, own)
            alike.setdefault(kind, []).append(module)
        for kind, modules in alike.items():
            columns = [position[module] for module in modules]
            made = self.stacked((kind, "made"), [self.heard[module][1] for module in modules])
            made = made.flatten(1)
            mean = made.mean(dim=1, keepdim=True)
            spread = torch.linalg.vector_norm(made.sub_(mean), dim=1) / math.sqrt(made.shape[1])
            read = self.stacked((kind, "read"), [self.heard[module][0] for module in modules])
            saturated, dead = self.flat_shares(modules[0], read)
            table[:, columns] = torch.stack([mean[:, 0], spread, saturated, dead]).to(table)
        return table

    def stacked(self, key: object, tensors: list[Tensor]) -> Tensor:
        """Copy G tensors of shape (B, ..., N) into a kept buffer (G, B, ..., N)."""
        shape = (len(tensors), *tensors[0].shape)
        if key not in self.buffers or self.buffers[key].shape != shape:
            self.buffers[key] = tensors[0].new_empty(shape)
        return torch.stack(tensors, out=self.buffers[key])

    def flat_shares(self, module: nn.Module, read: Tensor) -> tuple[Tensor, Tensor]:
        """Saturated share and share of dead units, each (G,), from (G, B, ..., N)."""
        few, units = read[:, :_SAMPLED], 2 if read.ndim > 4 else -1
        if next(module.parameters(), None) is not None:
            slopes = _slopes(module, read)
            saturated = slopes[:, :_SAMPLED].abs() < SATURATED
            dead = (slopes == 0).movedim(units, -1).flatten(1, -2).all(dim=1)  # (G, N)
        else:
            kind = (type(module), module.extra_repr(), read.dtype)
            if kind not in self.zones:
                self.zones[kind] = (
                    _flat_zones(module, SATURATED, read), _flat_zones(module, 0.0, read)
                )  # fmt: skip
            flat, level = self.zones[kind]
            saturated = torch.zeros_like(few, dtype=torch.bool)
            for start, end in flat:
                saturated |= (few >= start) & (few <= end) if start > -math.inf else few <= end
            low = max((end for start, end in level if start == -math.inf), default=-math.inf)
            high = min((start for start, end in level if end == math.inf), default=math.inf)
            dead = _outside(read.movedim(units, -1).flatten(1, -2), low, high)
        return saturated.flatten(1).double().mean(dim=1), dead.double().mean(dim=1)


_SAMPLED = 32  # samples of a batch that ``watch`` looks at for saturation


def _outside(rows: Tensor, low: float, high: float) -> Tensor:
    """Whether a unit is at or beyond the bounds in all samples; (G, S, N) to (G, N).

    Uses up ``rows``.
    """
    if low == -math.inf and high == math.inf:
        return torch.zeros(len(rows), 1, dtype=torch.bool)
    if high == math.inf:
        return rows.amax(dim=1) <= low
    if low == -math.inf:
        return rows.amin(dim=1) >= high
    distance = rows.sub_((low + high) / 2).abs_()  # in place: large fresh memory is dear
    return distance.amin(dim=1) >= (high - low) / 2


def _flat_zones(module: nn.Module, bound: float, like: Tensor) -> list[tuple[float, float]]:
    """Closed intervals of inputs in which the absolute slope is at most ``bound``.

    Found on a grid from -40 to 40 and refined by bisection; an interval that
    reaches the edge of the grid is taken to go on for ever.
    """

    def is_flat(inputs: Tensor) -> Tensor:
        return _slopes(module, inputs.to(like)).abs() <= bound

    grid = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    flat = is_flat(grid)
    turns = (flat[1:] != flat[:-1]).nonzero()[:, 0]
    inside = torch.where(flat[turns], grid[turns], grid[turns + 1])
    beyond = torch.where(flat[turns], grid[turns + 1], grid[turns])
    for _ in range(30):
        middle = (inside + beyond) / 2
        held = is_flat(middle)
        inside, beyond = torch.where(held, middle, inside), torch.where(held, beyond, middle)
    edges = inside.tolist()
    if flat[0]:
        edges = [-math.inf, *edges]
    if flat[-1]:
        edges = [*edges, math.inf]
    return list(zip(edges[::2], edges[1::2], strict=True))

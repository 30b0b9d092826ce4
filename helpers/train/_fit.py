"""Train a classifier and write down how it went.

Shapes: B batch, D features, C classes, T steps; K networks trained as one, N width.
"""

import html
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import trange

from helpers import checks, models
from helpers.data import Split
from helpers.models import Setting

CLOSE = 0.04
"""How near an output must come to a target that is a number, to count as right.

Hochreiter and Schmidhuber's bound (1997), whose targets lay between 0 and 1.
"""


def use_one_thread() -> None:
    """Let torch compute on one thread, for the whole process.

    The networks of this course are small: on two cores a second thread costs
    more in waiting than it saves (``benchmarks/bench_threads.py`` measures it). This is
    the only place where the course touches a setting of the process.
    """
    torch.set_num_threads(1)


def place(name: str | torch.device = "auto") -> torch.device:
    """Find the device to train on.

    Args:
        name: ``auto`` is a GPU if there is one, and else the CPU; or a device by
            its name in PyTorch, such as ``cpu`` or ``cuda:1``.

    Returns:
        The device, with its number if it has one.

    Raises:
        TypeError: If it is neither a name nor a device.
        ValueError: If the name is not known, or nothing can be computed there.

    Example:
        >>> place("cpu")
        device(type='cpu')
    """
    if not isinstance(name, (str, torch.device)):
        raise TypeError(f"device must be a name such as 'cpu', or a torch.device, got {name!r}")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device {name!r} is not known; choose 'auto', 'cpu' or 'cuda'") from None
    try:
        zero = torch.zeros(1, device=found)
        zero.item()
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises all three
        raise ValueError(
            f"device {str(found)!r} cannot compute on this machine; choose device='auto', "
            "which takes what is there"
        ) from error
    return zero.device


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9, fused=True),
    "rmsprop": torch.optim.RMSprop,
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
}
"""What makes each optimizer, called with parameters and ``lr``.

``fused`` is the same rule in one pass over the numbers: to rounding the same result, and
for Adam a training step takes about two thirds of the time (``benchmarks/bench_fit_many.py``).
"""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; everything but the network and the data.

    Called with parameters it makes the optimizer, so ``fit_many`` takes it as it is.

    Args:
        optimizer: A key of ``OPTIMIZERS``; ``momentum`` is SGD with momentum 0.9.
        rate: Learning rate.
        steps: Number of optimizer steps T.
        batch_size: Samples B a step.

    Raises:
        TypeError: If a field has the wrong type.
        ValueError: If a field has an impossible value; the sentence names it.

    Example:
        >>> recipe = Recipe("sgd", rate=0.1)
        >>> print(recipe)
        sgd, rate 0.1, 300 steps of 64
        >>> sgd = recipe(nn.Linear(2, 1).parameters())
        >>> sgd.param_groups[0]["lr"]
        0.1
    """

    optimizer: str = "adam"
    rate: float = 1e-3
    steps: int = 300
    batch_size: int = 64

    def __post_init__(self) -> None:
        checks.choice("optimizer", self.optimizer, tuple(OPTIMIZERS))
        checks.number("rate", self.rate)
        checks.whole("steps", self.steps, least=0)
        checks.whole("batch_size", self.batch_size, least=1)

    def __call__(self, parameters: Iterable) -> torch.optim.Optimizer:
        """Make the optimizer of parameters, or of parameter groups."""
        return OPTIMIZERS[self.optimizer](parameters, lr=self.rate)

    def __str__(self) -> str:
        return f"{self.optimizer}, rate {self.rate:g}, {self.steps} steps of {self.batch_size}"

    _repr_html_ = Setting._repr_html_  # a table of the fields, whatever they are


@dataclass(frozen=True, eq=False)
class History:
    """How a training run went.

    Args:
        losses: Loss of the batch before each step, shape (T,); shorter than asked
            for when the run stopped early.
        train_accuracy: Share of the training part answered rightly at the end, as
            ``accuracy`` counts it.
        test_accuracy: The same for the test part.
        stopped: Why the run ended early, one sentence; None if it did not.
    """

    losses: np.ndarray
    train_accuracy: float
    test_accuracy: float
    stopped: str | None = None

    @property
    def steps(self) -> int:
        """Number of optimizer steps taken."""
        return len(self.losses) - (self.stopped is not None)

    def __str__(self) -> str:
        end = f"{self.steps} steps, test accuracy {self.test_accuracy:.3f}"
        return end if self.stopped is None else f"{self.stopped} ({end})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"


@torch.no_grad()
def accuracy(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Share of inputs whose largest output is at the target, or that hit their target.

    Args:
        model: Maps (B, D) to (B, C); measured in evaluation mode, left in its own.
        inputs: Shape (B, D), or (B, T, D) for sequences.
        targets: Class numbers, shape (B,). Or numbers to hit, floating and of shape
            (B, C): then an answer is right whose every output is less than
            ``CLOSE`` away.

    Returns:
        Between 0 and 1; outputs that are not finite count as wrong.

    Raises:
        ValueError: If there are no inputs, not one target for each, or numbers to
            hit have not the shape of the outputs.
    """
    if len(inputs) == 0 or len(inputs) != len(targets):
        raise ValueError(
            "inputs and targets must have the same length of at least 1, "
            f"got {len(inputs)} and {len(targets)}"
        )
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        # In parts: the gates of 4,000 long sequences would fill the memory.
        outputs = torch.cat([model(part) for part in inputs.split(2000)])  # (B, C)
    finally:
        for module in training:
            module.training = True
    if targets.is_floating_point() and targets.shape != outputs.shape:
        raise ValueError(
            "targets that are numbers must have the shape of the outputs, "
            f"{tuple(outputs.shape)}, got {tuple(targets.shape)}"
        )
    return _right(outputs, targets).item()


def _right(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of outputs (..., B, C) that are right for targets (B,) or (B, C), shape (...)."""
    if targets.is_floating_point():
        return ((outputs - targets).abs() < CLOSE).all(dim=-1).double().mean(dim=-1)
    right = (outputs.argmax(dim=-1) == targets) & torch.isfinite(outputs).all(dim=-1)
    return right.double().mean(dim=-1)


def fit(
    model: nn.Module,
    split: Split,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    batch_size: int = 64,
    seed: int = 0,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> History:
    """Train a model in place, and say how it went.

    Batches are drawn without replacement, epoch after epoch, from a generator of
    its own. When the loss is no longer finite the run stops before that step is
    taken; the weights stay as they are then. A model that is trained on another
    device comes back to its own, with the optimizer's state, also after an error.

    Args:
        model: Maps (B, D) to (B, C).
        split: What to learn from and to test on.
        optimizer: Holds the model's parameters; knows the learning rate.
        steps: Number of optimizer steps T.
        batch_size: Samples B a step.
        seed: Which order of the batches.
        loss_fn: Maps (outputs, targets) to a scalar; a module goes where the model goes.
        device: Where to train, as in ``place``; the batches are the same everywhere.
        progress: Whether to show a bar; ``TQDM_DISABLE=1`` hides it everywhere.

    Returns:
        The history.

    Raises:
        TypeError: If ``steps``, ``batch_size`` or ``seed`` is no whole number, or
            ``device`` no name.
        ValueError: If ``steps`` is negative, ``batch_size`` does not fit the data,
            the optimizer moves no parameter of the model, or ``device`` is not there.

    Example:
        >>> from helpers import data
        >>> split = data.digits()
        >>> net = nn.Linear(split.features, split.classes)
        >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> fit(net, split, sgd, steps=200, progress=False).test_accuracy > 0.85
        True
    """
    _check_run(split, steps, batch_size)
    checks.whole("seed", seed)
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if moved.isdisjoint(map(id, model.parameters())):
        raise ValueError(
            "optimizer must hold the model's parameters, and it holds none of them: "
            "make a new one from model.parameters()"
        )
    where = place(device)
    split = _there(split, where)
    moving = nn.ModuleList([part for part in (model, loss_fn) if isinstance(part, nn.Module)])
    losses: list[float] = []
    stopped = None
    batches = _batches(len(split.train_targets), batch_size, seed, where)
    with _at(where, moving, optimizer):
        for step, chosen in zip(_steps(steps, progress), batches, strict=False):
            optimizer.zero_grad()
            loss = loss_fn(model(split.train_inputs[chosen]), split.train_targets[chosen])
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                stopped = _stopped(step, losses[-1])
                break
            loss.backward()
            optimizer.step()
        return History(
            np.array(losses),
            accuracy(model, split.train_inputs, split.train_targets),
            accuracy(model, split.test_inputs, split.test_targets),
            stopped,
        )


def fit_many(
    settings: Sequence[Setting],
    split: Split,
    optimizer: Callable[[list], torch.optim.Optimizer],
    *,
    steps: int,
    batch_size: int = 64,
    seeds: int | Sequence[int] = 0,
    rates: Sequence[float] | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> tuple[History, ...]:
    """Train K networks of one shape side by side, as one computation.

    To rounding, each history is the one that ``models.build`` and ``fit`` give for
    its setting and seed, with cross-entropy as the loss; but one batched product
    a layer serves all the networks, which for small ones is several times faster. What is
    differentiated is the sum of the K losses, so no network feels another. A
    network whose loss is no longer finite stops as in ``fit``, and the rest go on.

    Args:
        settings: What to build: equal depth, width and activation, no norm and no
            skips; the initialisation may differ.
        split: What to learn from and to test on.
        optimizer: Makes the optimizer from a list of parameters, as a ``Recipe`` does.
            It must move each number by itself, as SGD, RMSprop and Adam do, for one
            parameter here holds the same layers of all the networks.
        steps: Number of optimizer steps T.
        batch_size: Samples B a step, for each network.
        seeds: Which draw of the weights and which order of the batches: one seed
            for all, or one for each setting.
        rates: Learning rate of each network, in place of the optimizer's own; the
            optimizer is then made from parameter groups, one for each rate.
        device: Where to train, as in ``place``; the networks and their batches are
            the same everywhere.
        progress: Whether to show a bar; ``TQDM_DISABLE=1`` hides it everywhere.

    Returns:
        One history for each setting, in their order.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there are no settings, they differ in shape, have norms,
            skips or an activation that learns, ``seeds`` or ``rates`` has another
            length, a number is impossible, the optimizer moves no parameter, or
            ``device`` is not there.

    Example:
        >>> from helpers import data
        >>> settings = [Setting(depth=5, width=32, gain=gain) for gain in (0.5, 1.0, 2.0)]
        >>> histories = fit_many(
        ...     settings,
        ...     data.digits(),
        ...     lambda parameters: torch.optim.Adam(parameters, lr=0.01),
        ...     steps=100,
        ...     progress=False,
        ... )
        >>> [history.test_accuracy > 0.8 for history in histories]
        [True, True, True]
    """
    settings = _of_one_shape(settings)
    _check_run(split, steps, batch_size)
    seeds = _one_each("seeds", seeds, len(settings))
    for seed in seeds:
        checks.whole("seeds", seed)
    seeds = [int(seed) for seed in seeds]  # torch refuses numpy's whole numbers
    if rates is not None:
        rates = _one_each("rates", rates, len(settings))
        for rate in rates:
            checks.number("rates", rate)
    where = place(device)
    split = _there(split, where)

    # Networks of one rate share their parameters; `order` lists them as they are stacked.
    alike: dict[float | None, list[int]] = {}
    for network, rate in enumerate(rates or [None] * len(settings)):
        alike.setdefault(rate, []).append(network)
    order = [network for group in alike.values() for network in group]
    groups = [
        _stacks(
            [
                models.build(settings[network], split.features, split.classes, seeds[network])
                for network in group
            ],
            where,
        )
        for group in alike.values()
    ]
    mover = _mover(optimizer, groups, None if rates is None else list(alike))
    activation = models.activation_module(settings[0].activation)

    def weights() -> list[Tensor]:
        """Weights and biases of all the networks, the axis of length K second."""
        if len(groups) == 1:
            return groups[0]
        return [torch.cat(parts, dim=1) for parts in zip(*groups, strict=True)]

    def accuracies(rows: np.ndarray) -> np.ndarray:
        """Train and test accuracy of some of the networks, shape (2, rows)."""
        chosen = [stack[:, rows] for stack in weights()]
        parts = (split.train_inputs, split.train_targets), (split.test_inputs, split.test_targets)
        return np.stack([_accuracies(chosen, activation, *part) for part in parts])

    available = len(split.train_targets)
    orders = {seed: _batches(available, batch_size, seed, where) for seed in seeds}
    which = [list(orders).index(seeds[network]) for network in order]
    losses: list[np.ndarray] = []  # of each step, (K,)
    taken = np.full(len(order), steps)  # losses that a network writes down
    final = np.empty((2, len(order)))
    running = np.full(len(order), True)
    for step in _steps(steps, progress):
        chosen = torch.stack([next(batches) for batches in orders.values()])  # (seeds, B)
        if len(orders) > 1:
            chosen = chosen[which]  # (K, B)
        inputs = split.train_inputs[chosen].expand(len(order), -1, -1)  # (K, B, D)
        targets = split.train_targets[chosen].expand(len(order), -1)  # (K, B)
        mover.zero_grad()
        outputs = _outputs(weights(), activation, inputs)  # (K, B, C)
        # Classes before batch: torch's softmax is slow along a short last axis.
        loss = functional.cross_entropy(outputs.mT, targets, reduction="none").mean(dim=1)  # (K,)
        losses.append(loss.detach().double().cpu().numpy())
        ended = running & ~np.isfinite(losses[-1])
        if ended.any():  # their rows of the stacks go on, and nobody looks at them again
            final[:, ended] = accuracies(ended)
            taken[ended] = step + 1
            running &= ~ended
            if not running.any():
                break
        loss.sum().backward()
        mover.step()
    final[:, running] = accuracies(running)
    table = np.array(losses).reshape(-1, len(order))  # (T, K)
    histories: dict[int, History] = {}
    for row, network in enumerate(order):
        own = table[: taken[row], row].copy()
        histories[network] = History(
            own,
            *final[:, row].tolist(),
            None if running[row] else _stopped(len(own) - 1, own[-1]),
        )
    return tuple(histories[network] for network in range(len(settings)))


def _of_one_shape(settings: Iterable[Setting]) -> list[Setting]:
    if not isinstance(settings, Iterable):
        raise TypeError(f"settings must be a list of them, got one {type(settings).__name__}")
    settings = list(settings)
    if not settings:
        raise ValueError("settings must hold at least one setting, and it is empty")
    for setting in settings:
        if not isinstance(setting, Setting):
            raise TypeError(f"settings must hold models.Setting, got {type(setting).__name__}")
        for field in ("depth", "width", "activation"):
            first, other = getattr(settings[0], field), getattr(setting, field)
            if first != other:
                raise ValueError(f"settings must share their {field}, got {first} and {other}")
        if (setting.norm, setting.residual) != ("none", "none"):
            raise ValueError(f"settings must have no norm and no skips, got {setting}")
    activation = settings[0].activation
    if any(models.activation_module(activation).parameters()):
        raise ValueError(f"settings must have an activation that learns nothing, got {activation}")
    return settings


def _one_each(argument: str, values: object, count: int) -> list:
    """One number for all, or a sequence with one for each."""
    if not isinstance(values, Iterable):
        return [values] * count
    values = list(values)
    if len(values) != count:
        raise ValueError(
            f"{argument} must have one number for each of the {count} settings, got {len(values)}"
        )
    return values


def _mover(
    optimizer: Callable[[list], torch.optim.Optimizer],
    groups: list[list[nn.Parameter]],
    rates: list[float] | None,
) -> torch.optim.Optimizer:
    """Make the optimizer of all the groups, each with its rate if there are rates."""
    if not callable(optimizer):
        raise TypeError(
            "optimizer must be a function that makes one, such as "
            "lambda parameters: torch.optim.SGD(parameters, lr=0.1), "
            f"got {type(optimizer).__name__}"
        )
    if rates is None:
        mover = optimizer(groups[0])
    else:
        mover = optimizer(
            [{"params": group, "lr": rate} for group, rate in zip(groups, rates, strict=True)]
        )
    if not isinstance(mover, torch.optim.Optimizer):
        raise TypeError(f"optimizer must return a torch optimizer, got {type(mover).__name__}")
    moved = {id(parameter) for group in mover.param_groups for parameter in group["params"]}
    if moved.isdisjoint(map(id, itertools.chain(*groups))):
        raise ValueError(
            "optimizer must hold the parameters that it is called with, and it holds none of them"
        )
    return mover


# Few parameters are cheap for an optimizer, but its temporary copies of very large ones are
# fresh memory in every step, and the first touch of a page costs more than the arithmetic.
_LAYERS_A_STACK = 16


def _stacks(networks: list[nn.Sequential], place: torch.device) -> list[nn.Parameter]:
    """Stack plain networks: for each run of equal layers one weight and one bias.

    Args:
        networks: K networks of one shape, without norms and skips.
        place: Where the stacks shall be.

    Returns:
        Weight, bias, weight, bias and so on from input to output, of shapes
        (layers, K, out, in) and (layers, K, 1, out).
    """
    layers = zip(*(network[::2] for network in networks), strict=True)  # every other: activations
    parameters = []
    for _, equal in itertools.groupby(layers, key=lambda layer: layer[0].weight.shape):
        run = list(equal)
        for start in range(0, len(run), _LAYERS_A_STACK):
            part = run[start : start + _LAYERS_A_STACK]
            for name in ("weight", "bias"):
                stack = torch.stack(
                    [torch.stack([getattr(one, name).detach() for one in layer]) for layer in part]
                ).to(place)
                parameters.append(nn.Parameter(stack if name == "weight" else stack.unsqueeze(2)))
    return parameters


def _outputs(weights: Sequence[Tensor], activation: nn.Module, inputs: Tensor) -> Tensor:
    """Feed K stacked networks: from (K, B, D) to (K, B, C)."""
    # A loop over weight[layer] would make the backward pass quadratic in depth.
    *hidden, (weight, bias) = (
        layer
        for weight, bias in zip(weights[::2], weights[1::2], strict=True)
        for layer in zip(weight.unbind(0), bias.unbind(0), strict=True)
    )
    for one, shift in hidden:
        inputs = activation(torch.baddbmm(shift, inputs, one.mT))
    return torch.baddbmm(bias, inputs, weight.mT)


@torch.no_grad()
def _accuracies(
    weights: Sequence[Tensor], activation: nn.Module, inputs: Tensor, targets: Tensor
) -> np.ndarray:
    """Accuracy of each of K stacked networks on inputs (B, D), shape (K,)."""
    networks = weights[0].shape[1]
    outputs = [
        _outputs(weights, activation, part.expand(networks, -1, -1)) for part in inputs.split(256)
    ]
    return _right(torch.cat(outputs, dim=1), targets).cpu().numpy()


def _check_run(split: Split, steps: int, batch_size: int) -> None:
    checks.whole("steps", steps, least=0)
    checks.whole("batch_size", batch_size)
    available = len(split.train_targets)
    if not 1 <= batch_size <= available:
        raise ValueError(f"batch_size must be between 1 and {available}, got {batch_size}")


def _there(split: Split, place: torch.device) -> Split:
    """Return the same data on a device; the very same split if they are there already."""
    names = ("train_inputs", "train_targets", "test_inputs", "test_targets")
    tensors = {name: getattr(split, name) for name in names}
    if all(tensor.device == place for tensor in tensors.values()):
        return split
    return replace(split, **{name: tensor.to(place) for name, tensor in tensors.items()})


@contextmanager
def _at(place: torch.device, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Have a model and the state of its optimizer on a device while the block runs.

    On the way back the weights go into the memory that they came from: whoever
    holds a view of them sees them trained, as if they had never been away.
    """
    devices = {tensor.device for tensor in itertools.chain(model.parameters(), model.buffers())}
    if devices == {place}:
        yield
        return
    if len(devices) > 1:
        raise ValueError(
            "model must lie on one device, and it lies on "
            f"{' and '.join(sorted(map(str, devices)))}: move it with model.to('cpu')"
        )
    (home,) = devices
    kept = [parameter.data for parameter in model.parameters()]
    try:
        model.to(place)
        _follow(optimizer)
        yield
    finally:
        model.to(home)
        for parameter, memory in zip(model.parameters(), kept, strict=True):
            parameter.data = memory.copy_(parameter.data)
        _follow(optimizer)


def _follow(optimizer: torch.optim.Optimizer) -> None:
    """Move the state of an optimizer to where its parameters are."""
    groups = optimizer.param_groups
    optimizer.load_state_dict(optimizer.state_dict())  # knows what has to stay on the CPU
    optimizer.param_groups = groups  # not copies: somebody may hold them to change a rate


def _batches(available: int, batch_size: int, seed: int, place: torch.device) -> Iterator[Tensor]:
    """Yield the places (B,) of batch after batch, without replacement in an epoch.

    They are drawn on the CPU, so that they are the same for every device.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long, device=place)
    while True:
        if len(order) < batch_size:
            order = torch.randperm(available, generator=generator).to(place)
        chosen, order = order[:batch_size], order[batch_size:]
        yield chosen


def _stopped(step: int, loss: float) -> str:
    return f"Stopped at step {step}: the loss is {loss}, and the weights are left as they are"


def _steps(steps: int, progress: bool) -> Iterable[int]:
    """Count the steps, with a bar if it is wanted."""
    return trange(steps, leave=False, desc="training") if _shows(progress) else range(steps)


def _shows(progress: bool) -> bool:
    """Whether a bar is wanted; tqdm's notebook bar does not heed its own variable."""
    return progress and os.environ.get("TQDM_DISABLE", "0") in ("", "0")

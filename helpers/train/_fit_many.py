"""Train many networks of one shape as one computation.

Shapes: B batch, D features, C classes, T steps; K networks, N width.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import checks, models
from helpers.data import Split
from helpers.models import Setting
from helpers.train._devices import find_device, split_on
from helpers.train._history import History, share_correct
from helpers.train._loop import batches, count_steps, run_length, stop_sentence
from helpers.train._recipe import Recipe


@overload
def fit_many(
    settings: Sequence[Setting],
    split: Split,
    optimizer: Recipe,
    *,
    seeds: int | Sequence[int] = 0,
    rates: Sequence[float | Sequence[float]] | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> tuple[History, ...]: ...


@overload
def fit_many(
    settings: Sequence[Setting],
    split: Split,
    optimizer: Callable[[list[Any]], torch.optim.Optimizer],
    *,
    steps: int,
    batch_size: int = 64,
    seeds: int | Sequence[int] = 0,
    rates: Sequence[float | Sequence[float]] | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> tuple[History, ...]: ...


def fit_many(
    settings: Sequence[Setting],
    split: Split,
    optimizer: Callable[[list[Any]], torch.optim.Optimizer],
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    seeds: int | Sequence[int] = 0,
    rates: Sequence[float | Sequence[float]] | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> tuple[History, ...]:
    """Train K networks of one shape side by side, as one computation.

    To rounding, each history is the one that ``models.build`` and ``fit`` give for
    its setting and seed, with cross-entropy as the loss; but one batched product
    per layer serves all the networks, which for small ones is several times faster. What is
    differentiated is the sum of the K losses, so no network feels another. A
    network whose loss is no longer finite stops as in ``fit``, and the rest go on.

    Args:
        settings: What to build: equal depth, width and activation, no norm and no
            skips; the initialisation may differ.
        split: What to learn from and to test on.
        optimizer: A ``Recipe``, which makes the optimizer and has the number of steps
            and the batch size. Or a function that makes the optimizer from a list of
            parameters; then ``steps`` must be given. It must move each number by
            itself, as SGD, RMSprop and Adam do, for one parameter here holds the same
            layers of all the networks.
        steps: Number of optimizer steps T; not with a recipe.
        batch_size: Samples B per step and network, 64 if it is left out; not with a
            recipe.
        seeds: Which draw of the weights and which order of the batches: one seed
            for all, or one for each setting.
        rates: Learning rate of each network, in place of the optimizer's own; the
            optimizer is then made from parameter groups, one for each rate. Or for a
            network a rate for each of its L layers, from input to output, shared by a
            layer's weight and bias; 0 freezes a layer. The optimizer is then made with
            the rate 1, and each of its steps is multiplied: right for all whose step is
            the rate times something that does not know it, as of SGD, RMSprop and Adam.
        device: Where to train, as in ``find_device``; the networks and their batches are
            the same everywhere.
        progress: Whether to show a bar, in a notebook one for all trainings of the cell, once
            they take half a second; ``TQDM_DISABLE=1`` hides it everywhere.

    Returns:
        One history for each setting, in their order.

    Raises:
        TypeError: If an argument has the wrong type, ``steps`` is missing, or it or
            ``batch_size`` is given beside a recipe.
        ValueError: If there are no settings, they differ in shape, have norms,
            skips or an activation that learns, ``seeds`` or ``rates`` has another
            length, or the rates of a network one that is not its depth, a number is
            impossible, the optimizer moves no parameter, or ``device`` is not there.

    Example:
        >>> from helpers import data
        >>> settings = [Setting(depth=5, width=32, gain=gain) for gain in (0.5, 1.0, 2.0)]
        >>> recipe = Recipe("adam", rate=0.01, steps=100)
        >>> histories = fit_many(settings, data.digits(), recipe, progress=False)
        >>> [history.test_accuracy > 0.8 for history in histories]
        [True, True, True]
    """
    settings = _of_one_shape(settings)
    steps, batch_size = run_length(optimizer, steps, batch_size, split)
    # Python's own whole numbers: torch refuses numpy's.
    seeds = [checks.whole("seeds", seed) for seed in _one_per_setting("seeds", seeds, settings)]
    by_network, by_layer = _read_rates(rates, settings)
    device = find_device(device)
    split = split_on(device, split)

    # Networks of one rate share their parameters; `order` lists them as they are stacked.
    by_rate: dict[float | None, list[int]] = {}
    for network, rate in enumerate(by_network):
        by_rate.setdefault(rate, []).append(network)
    order = [network for group in by_rate.values() for network in group]
    built = {
        one: models.build(one[0], split.features, split.classes, one[1])
        for one in dict.fromkeys(zip(settings, seeds, strict=True))
    }
    groups = [
        _stacks([built[settings[network], seeds[network]] for network in group], device)
        for group in by_rate.values()
    ]
    made = _make_optimizer(optimizer, groups, None if rates is None else list(by_rate))
    take_step = made.step if by_layer is None else _step_by_layer(made, groups[0], by_layer)
    activation = models.activation_module(settings[0].activation)

    def weights() -> Sequence[Tensor]:
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
    by_seed = {seed: batches(available, batch_size, seed, device) for seed in seeds}
    seed_of_row = [list(by_seed).index(seeds[network]) for network in order]
    losses: list[np.ndarray] = []  # of each step, (K,)
    lengths = np.full(len(order), steps)  # losses in the history of each row
    final = np.empty((2, len(order)))  # accuracies
    running = np.full(len(order), True)
    for step in count_steps(steps, progress):
        chosen = torch.stack([next(indices) for indices in by_seed.values()])  # (seeds, B)
        if len(by_seed) > 1:
            chosen = chosen[seed_of_row]  # (K, B)
        inputs = split.train_inputs[chosen].expand(len(order), -1, -1)  # (K, B, D)
        targets = split.train_targets[chosen].expand(len(order), -1)  # (K, B)
        made.zero_grad()
        outputs = _outputs(weights(), activation, inputs)  # (K, B, C)
        # Classes before batch: torch's softmax is slow along a short last axis.
        loss = functional.cross_entropy(outputs.mT, targets, reduction="none").mean(dim=1)  # (K,)
        losses.append(loss.detach().double().cpu().numpy())
        ended = running & ~np.isfinite(losses[-1])
        if ended.any():  # their rows of the stacks go on, and nobody looks at them again
            final[:, ended] = accuracies(ended)
            lengths[ended] = step + 1
            running &= ~ended
            if not running.any():
                break
        loss.sum().backward()
        take_step()
    final[:, running] = accuracies(running)
    table = np.array(losses).reshape(-1, len(order))  # (T, K)
    histories: dict[int, History] = {}
    for row, network in enumerate(order):
        own = table[: lengths[row], row].copy()
        train_accuracy, test_accuracy = final[:, row].tolist()
        stopped = None if running[row] else stop_sentence(len(own) - 1, own[-1])
        histories[network] = History(own, train_accuracy, test_accuracy, stopped)
    return tuple(histories[network] for network in range(len(settings)))


def _of_one_shape(settings: object) -> list[Setting]:
    """Return the settings as a list, or refuse them if they cannot be stacked."""
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


def _one_per_setting(argument: str, values: object, settings: Sequence[Setting]) -> list:
    """One number for all, or a sequence with one for each."""
    if not isinstance(values, Iterable):
        return [values] * len(settings)
    numbers = list(values)
    if len(numbers) != len(settings):
        raise ValueError(
            f"{argument} must have one number for each of the {len(settings)} settings, "
            f"got {len(numbers)}"
        )
    return numbers


def _read_rates(
    rates: object, settings: Sequence[Setting]
) -> tuple[list[float | None], np.ndarray | None]:
    """Return the rate that the optimizer is to have for each network, and those of layers.

    Args:
        rates: The argument of that name.
        settings: Of the K networks, of depth L.

    Returns:
        A rate for each network, None for the optimizer's own. And the rates of all layers,
        shape (K, L); None if no network has such.
    """
    if rates is None:
        return [None] * len(settings), None
    each = _one_per_setting("rates", rates, settings)
    if not any(isinstance(rate, Iterable) for rate in each):
        return [checks.number("rates", rate) for rate in each], None
    depth, table = settings[0].depth, []
    for rate in each:
        row = list(rate) if isinstance(rate, Iterable) else [rate] * depth
        if len(row) != depth:
            raise ValueError(
                f"rates must have one number for each of the {depth} layers, got {len(row)}"
            )
        table.append([checks.number("rates", one) for one in row])
    return [1.0] * len(settings), np.array(table)


def _step_by_layer(
    made: torch.optim.Optimizer, stacks: Sequence[nn.Parameter], rates: np.ndarray
) -> Callable[[], None]:
    """Return a function that takes a step with a rate for each network and layer.

    Args:
        made: An optimizer of the stacks whose rate is 1.
        stacks: As ``_stacks`` returns them, of K networks of L layers.
        rates: Shape (K, L).
    """
    by_stack, layer = [], 0
    for weight in stacks[::2]:
        part = torch.as_tensor(rates[:, layer : layer + len(weight)].T).to(weight)
        by_stack += [part[:, :, None, None]] * 2  # (layers, K, 1, 1), for weight and bias
        layer += len(weight)
    before = [torch.empty_like(stack) for stack in stacks]

    @torch.no_grad()
    def take_step() -> None:
        for start, stack in zip(before, stacks, strict=True):
            start.copy_(stack)
        made.step()
        for start, stack, rate in zip(before, stacks, by_stack, strict=True):
            stack.sub_(start).mul_(rate).add_(start)

    return take_step


def _make_optimizer(
    optimizer: Callable[[list[Any]], torch.optim.Optimizer],
    groups: list[list[nn.Parameter]],
    rates: list[float | None] | None,
) -> torch.optim.Optimizer:
    """Make the optimizer of all the groups, each with its rate if there are rates."""
    if not callable(optimizer):
        raise TypeError(
            "optimizer must be a function that makes one, such as "
            "lambda parameters: torch.optim.SGD(parameters, lr=0.1), "
            f"got {type(optimizer).__name__}"
        )
    if rates is None:
        made = optimizer(groups[0])
    else:
        made = optimizer(
            [{"params": group, "lr": rate} for group, rate in zip(groups, rates, strict=True)]
        )
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"optimizer must return a torch optimizer, got {type(made).__name__}")
    held = {id(parameter) for group in made.param_groups for parameter in group["params"]}
    if held.isdisjoint(map(id, itertools.chain(*groups))):
        raise ValueError(
            "optimizer must hold the parameters that it is called with, and it holds none of them"
        )
    return made


# Few parameters are cheap for an optimizer, but its temporary copies of very large ones are
# fresh memory in every step, and the first touch of a page costs more than the arithmetic.
_LAYERS_PER_STACK = 16


def _stacks(networks: list[nn.Sequential], device: torch.device) -> list[nn.Parameter]:
    """Stack plain networks: for each run of equal layers one weight and one bias.

    Args:
        networks: K networks of one shape, without norms and skips.
        device: Where the stacks shall be.

    Returns:
        Weight, bias, weight, bias and so on from input to output, of shapes
        (layers, K, out, in) and (layers, K, 1, out).
    """
    layers = zip(*(network[::2] for network in networks), strict=True)  # every other: activations
    parameters = []
    for _, equal in itertools.groupby(layers, key=lambda layer: layer[0].weight.shape):
        run = list(equal)
        for start in range(0, len(run), _LAYERS_PER_STACK):
            part = run[start : start + _LAYERS_PER_STACK]
            for name in ("weight", "bias"):
                stack = torch.stack(
                    [torch.stack([getattr(one, name).detach() for one in layer]) for layer in part]
                ).to(device)
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
    for layer_weight, layer_bias in hidden:
        inputs = activation(torch.baddbmm(layer_bias, inputs, layer_weight.mT))
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
    return share_correct(torch.cat(outputs, dim=1), targets).cpu().numpy()

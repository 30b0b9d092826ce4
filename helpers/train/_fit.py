"""Train one network.

Shapes: B batch, D features, C classes, T steps.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import checks
from helpers.data import Split
from helpers.train._devices import find_device, moved_to, split_on
from helpers.train._history import History, accuracy
from helpers.train._kept import KeptRun
from helpers.train._loop import batches, count_steps, run_length, stop_sentence
from helpers.train._recipe import Recipe


@overload
def fit(
    model: nn.Module,
    split: Split,
    optimizer: Recipe,
    *,
    seed: int = 0,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    device: str | torch.device = "auto",
    progress: bool = True,
    rate_factors: Sequence[float] | None = None,
    kept_in: Path | None = None,
    kept_every: int = 10,
) -> History: ...


@overload
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
    rate_factors: Sequence[float] | None = None,
    kept_in: Path | None = None,
    kept_every: int = 10,
) -> History: ...


def fit(
    model: nn.Module,
    split: Split,
    optimizer: Recipe | torch.optim.Optimizer,
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    device: str | torch.device = "auto",
    progress: bool = True,
    rate_factors: Sequence[float] | None = None,
    kept_in: Path | None = None,
    kept_every: int = 10,
) -> History:
    """Train a model in place, and say how it went.

    Batches are drawn without replacement, epoch after epoch, from a generator of
    its own. When the loss is no longer finite the run stops before that step is
    taken; the weights stay as they are then. A model that is trained on another
    device comes back to its own, with the optimizer's state, also after an error.

    Args:
        model: Maps (B, D) to (B, C).
        split: What to learn from and to test on.
        optimizer: A ``Recipe``, which makes the optimizer and has the number of steps
            and the batch size. Or an optimizer that holds the model's parameters and
            knows the learning rate; then ``steps`` must be given.
        steps: Number of optimizer steps T; not with a recipe.
        batch_size: Samples B per step, 64 if it is left out; not with a recipe.
        seed: Which order of the batches.
        loss_fn: Maps (outputs, targets) to a scalar; a module goes where the model goes.
        device: Where to train, as in ``find_device``; the batches are the same everywhere.
        progress: Whether to show a bar, in a notebook one for all trainings of the cell, once
            they take half a second; ``TQDM_DISABLE=1`` hides it everywhere.
        rate_factors: By what each step multiplies the optimizer's learning rates, T numbers;
            in the end the rates are what they were.
        kept_in: A file that keeps the run. Where it is there already, the same call goes on
            from it, and on one machine ends with the same bits as a run that was not stopped.
        kept_every: After how many steps it is written anew; at the end it is written, too.

    Returns:
        The history.

    Raises:
        TypeError: If ``steps``, ``batch_size`` or ``seed`` is not a whole number,
            ``device`` is not a name, ``steps`` is missing, or it or ``batch_size`` is
            given beside a recipe.
        ValueError: If ``steps`` is negative, the batch size does not fit the data,
            the optimizer moves no parameter of the model, ``device`` is not there, there
            is not one factor for each step, or ``kept_in`` is the file of another run.

    Example:
        >>> from helpers import data
        >>> split = data.digits()
        >>> net = nn.Linear(split.features, split.classes)
        >>> fit(net, split, Recipe("sgd", rate=0.1, steps=200), progress=False).test_accuracy > 0.85
        True
        >>> sgd = torch.optim.SGD(net.parameters(), lr=0.01)
        >>> print(fit(net, split, sgd, steps=0, progress=False).steps)
        0
    """
    steps, batch_size = run_length(optimizer, steps, batch_size, split)
    seed = checks.whole("seed", seed)
    if isinstance(optimizer, Recipe):
        optimizer = optimizer(model.parameters())
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if held.isdisjoint(map(id, model.parameters())):
        raise ValueError(
            "optimizer must hold the model's parameters, and it holds none of them: "
            "make a new one from model.parameters()"
        )
    factors = _factors(rate_factors, steps)
    kept_every = checks.whole("kept_every", kept_every, least=1)
    device = find_device(device)
    length = {"steps": steps, "batch_size": batch_size, "seed": seed}
    run = KeptRun(kept_in, model, optimizer, length | {"rate_factors": factors})
    split = split_on(device, split)
    modules = nn.ModuleList([part for part in (model, loss_fn) if isinstance(part, nn.Module)])
    losses = run.resume()
    done, stopped = len(losses), None
    indices = itertools.islice(
        batches(len(split.train_targets), batch_size, seed, device), done, None
    )
    with moved_to(device, modules, optimizer), _rates_put_back(optimizer, factors) as rates:
        for left, chosen in zip(count_steps(steps - done, progress), indices, strict=False):
            step = done + left
            if factors is not None:
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = factors[step] * rate
            optimizer.zero_grad()
            loss = loss_fn(model(split.train_inputs[chosen]), split.train_targets[chosen])
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                stopped = stop_sentence(step, losses[-1])
                break
            loss.backward()
            optimizer.step()
            if (step + 1) % kept_every == 0 or step + 1 == steps:
                run.keep(losses)
        return History(
            np.array(losses),
            accuracy(model, split.train_inputs, split.train_targets),
            accuracy(model, split.test_inputs, split.test_targets),
            stopped,
        )


def _factors(factors: Sequence[float] | None, steps: int) -> list[float] | None:
    """One factor of the rates for each step, if they change at all."""
    if factors is None:
        return None
    if len(factors) != steps:
        raise ValueError(f"rate_factors must hold {steps} numbers, got {len(factors)}")
    return [checks.number("rate_factors", factor) for factor in factors]


@contextmanager
def _rates_put_back(
    optimizer: torch.optim.Optimizer, factors: list[float] | None
) -> Iterator[list[Any]]:
    """Yield the rate of each group, and put it back at the end; none if they do not change."""
    if factors is None:
        yield []
        return
    rates = [group["lr"] for group in optimizer.param_groups]
    try:
        yield rates
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

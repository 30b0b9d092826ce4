"""Train a classifier and write down how it went.

Shapes: B batch, D features, C classes, T steps.
"""

import html
import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import trange

from helpers.data import Split
from helpers.initialize import check_whole


def use_one_thread() -> None:
    """Let torch compute on one thread, for the whole process.

    The networks of this course are small: on two cores a second thread costs
    more in waiting than it saves (``benchmarks/bench_threads.py`` measures it). This is
    the only place where the course touches a setting of the process.
    """
    torch.set_num_threads(1)


@dataclass(frozen=True, eq=False)
class History:
    """How a training run went.

    Args:
        losses: Loss of the batch before each step, shape (T,); shorter than asked
            for when the run stopped early.
        train_accuracy: Share of the training part classified rightly at the end.
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
    """Share of inputs whose largest output is at the target.

    Args:
        model: Maps (B, D) to (B, C); measured in evaluation mode, left in its own.
        inputs: Shape (B, D).
        targets: Class numbers, shape (B,).

    Returns:
        Between 0 and 1; outputs that are not finite count as wrong.

    Raises:
        ValueError: If there are no inputs, or not one target for each.
    """
    if len(inputs) == 0 or len(inputs) != len(targets):
        raise ValueError(
            "inputs and targets must have the same length of at least 1, "
            f"got {len(inputs)} and {len(targets)}"
        )
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        outputs = model(inputs)  # (B, C)
    finally:
        for module in training:
            module.training = True
    right = (outputs.argmax(dim=1) == targets) & torch.isfinite(outputs).all(dim=1)
    return right.double().mean().item()


def fit(
    model: nn.Module,
    split: Split,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    batch_size: int = 64,
    seed: int = 0,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    progress: bool = True,
) -> History:
    """Train a model in place, and say how it went.

    Batches are drawn without replacement, epoch after epoch, from a generator of
    its own. When the loss is no longer finite the run stops before that step is
    taken; the weights stay as they are then.

    Args:
        model: Maps (B, D) to (B, C).
        split: What to learn from and to test on.
        optimizer: Holds the model's parameters; knows the learning rate.
        steps: Number of optimizer steps T.
        batch_size: Samples B a step.
        seed: Which order of the batches.
        loss_fn: Maps (outputs, targets) to a scalar.
        progress: Whether to show a bar; ``TQDM_DISABLE=1`` hides it everywhere.

    Returns:
        The history.

    Raises:
        TypeError: If ``steps``, ``batch_size`` or ``seed`` is no whole number.
        ValueError: If ``steps`` is negative, ``batch_size`` does not fit the data,
            or the optimizer moves no parameter of the model.

    Example:
        >>> from helpers import data
        >>> split = data.digits()
        >>> net = nn.Linear(split.features, split.classes)
        >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> fit(net, split, sgd, steps=200, progress=False).test_accuracy > 0.85
        True
    """
    check_whole("steps", steps, least=0)
    check_whole("batch_size", batch_size)
    check_whole("seed", seed)
    available = len(split.train_targets)
    if not 1 <= batch_size <= available:
        raise ValueError(f"batch_size must be between 1 and {available}, got {batch_size}")
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if moved.isdisjoint(map(id, model.parameters())):
        raise ValueError(
            "optimizer must hold the model's parameters, and it holds none of them: "
            "make a new one from model.parameters()"
        )
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    stopped = None
    order = torch.empty(0, dtype=torch.long)
    bar = trange(steps, leave=False, desc="training") if _shows(progress) else range(steps)
    for step in bar:
        if len(order) < batch_size:
            order = torch.randperm(available, generator=generator)
        chosen, order = order[:batch_size], order[batch_size:]
        optimizer.zero_grad()
        loss = loss_fn(model(split.train_inputs[chosen]), split.train_targets[chosen])
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            stopped = (
                f"Stopped at step {step}: the loss is {losses[-1]}, "
                "and the weights are left as they are"
            )
            break
        loss.backward()
        optimizer.step()
    return History(
        np.array(losses),
        accuracy(model, split.train_inputs, split.train_targets),
        accuracy(model, split.test_inputs, split.test_targets),
        stopped,
    )


def _shows(progress: bool) -> bool:
    """Whether a bar is wanted; tqdm's notebook bar does not heed its own variable."""
    return progress and os.environ.get("TQDM_DISABLE", "0") in ("", "0")

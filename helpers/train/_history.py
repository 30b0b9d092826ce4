"""How a training run went, and how many answers are right.

Shapes: B batch, D features, C classes or outputs, T steps.
"""

import html
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

CLOSE = 0.04
"""How near an output must come to a target that is a number, to count as right.

Hochreiter and Schmidhuber's bound (1997), whose targets lay between 0 and 1.
"""


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
        model: Maps (B, D) to (B, C), or to (B, T, C) where each step has its target;
            measured in evaluation mode, left in its own.
        inputs: Shape (B, D), or (B, T, D) for sequences, or (B, T) for a text.
        targets: Class numbers, shape (B,), or (B, T), one for each step. Or numbers to
            hit, floating and of shape (B, C): then an answer is right whose every
            output is less than ``CLOSE`` away.

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
    if targets.ndim == 2 and outputs.ndim == 3:  # each step counts as one
        outputs, targets = outputs.flatten(0, 1), targets.flatten()
    return share_correct(outputs, targets).item()


def share_correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of outputs (..., B, C) that are right for targets (B,) or (B, C), shape (...)."""
    if targets.is_floating_point():
        return ((outputs - targets).abs() < CLOSE).all(dim=-1).double().mean(dim=-1)
    right = (outputs.argmax(dim=-1) == targets) & torch.isfinite(outputs).all(dim=-1)
    return right.double().mean(dim=-1)

"""What ``fit`` and ``fit_many`` have in common: length, batches, bar, and the words at an end.

Shapes: B batch.
"""

import os
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from tqdm import trange

from helpers import checks, text
from helpers.data import Split
from helpers.train._bar import FIRST, bar_of_cell
from helpers.train._recipe import Recipe


def run_length(
    optimizer: object, steps: int | None, batch_size: int | None, split: Split
) -> tuple[int, int]:
    """Return the steps and the batch size of a run, from its recipe or from the arguments.

    Args:
        optimizer: A recipe has both; whatever else makes or is an optimizer has neither.
        steps: The argument of that name, None if it was left out.
        batch_size: Likewise; 64 if it was left out.
        split: What a batch is drawn from.

    Raises:
        TypeError: If the recipe and the arguments both say it, or nobody does, or a number
            is not whole.
        ValueError: If there are fewer samples than one batch takes, or ``steps`` is negative.
    """
    if isinstance(optimizer, Recipe):
        arguments = {"steps": steps, "batch_size": batch_size}
        given = [name for name, value in arguments.items() if value is not None]
        if given:
            raise TypeError(
                f"{text.listed(given)} must be left out when a Recipe is given, which has its "
                "own; for another value change the recipe with dataclasses.replace"
            )
        steps, batch_size = optimizer.steps, optimizer.batch_size
    elif steps is None:
        raise TypeError("steps must be given, unless the optimizer is to come from a Recipe")
    steps = checks.whole("steps", steps, least=0)
    batch_size = 64 if batch_size is None else batch_size
    return steps, checks.whole("batch_size", batch_size, least=1, most=len(split.train_targets))


def batches(available: int, batch_size: int, seed: int, device: torch.device) -> Iterator[Tensor]:
    """Yield the indices (B,) of batch after batch, without replacement in an epoch.

    They are drawn on the CPU, so that they are the same for every device.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long, device=device)
    while True:
        if len(order) < batch_size:
            order = torch.randperm(available, generator=generator).to(device)
        chosen, order = order[:batch_size], order[batch_size:]
        yield chosen


def count_steps(steps: int, progress: bool) -> Iterable[int]:
    """Count the steps, with a bar if it is wanted: the cell's in a notebook, else one's own."""
    hidden = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    if not progress or hidden:
        return range(steps)
    if bar := bar_of_cell():
        return bar.counted(steps)
    return trange(steps, leave=False, desc="training", delay=FIRST)


def stop_sentence(step: int, loss: float) -> str:
    """Say why a run ended early."""
    return f"Stopped at step {step}: the loss is {loss}, and the weights are left as they are"

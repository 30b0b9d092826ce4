"""What does it cost to watch a model train?

Depth 50, width 64, batch 128, SGD on the digits, one thread. The aim: at most 5 %
over the bare step for gradient norms at every step, and at most 5 % for the full
record at every tenth step. Code that runs once in ten steps finds cold caches:
recorded at every step, the same work costs much less per record.
"""

from collections.abc import Callable

import torch
from interleaved import compare
from torch import nn
from torch.nn import functional

from helpers import data, models, probe, train

STEPS = 300

train.use_one_thread()
split = data.digits()
inputs, targets = split.batch(128)


def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
    """Build the same network and optimizer again."""
    setting = models.Setting(depth=50, width=64, activation="tanh", initialization="xavier")
    model = models.build(setting, split.features, split.classes)
    return model, torch.optim.SGD(model.parameters(), lr=1e-3)


def steps(
    model: nn.Module, optimizer: torch.optim.Optimizer, read: Callable[[], object] | None = None
) -> None:
    """Take the training steps, reading whatever is to be read after each backward pass."""
    for _ in range(STEPS):
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        if read is not None:
            read()
        optimizer.step()


def bare() -> None:
    """Train without looking."""
    steps(*plain)


def watched(every: int, parts: tuple[str, ...]) -> Callable[[], None]:
    """Train inside probe.watch."""

    def run() -> None:
        with probe.watch(*plain, every=every, parts=parts):
            steps(*plain)

    return run


def item_loop() -> None:
    """Read every gradient norm with .item(), one by one."""
    model, optimizer = plain
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    steps(model, optimizer, lambda: [weight.grad.norm().item() for weight in weights])


def hook_and_histogram() -> None:
    """Hook every layer and keep a histogram of activations and gradients."""
    model, optimizer = plain
    kept: list = []

    def keep(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        kept.append(torch.histc(output.detach(), bins=40))
        output.register_hook(lambda gradient: kept.append(torch.histc(gradient, bins=40)))

    handles = [layer.register_forward_hook(keep) for layer in model]
    steps(model, optimizer)
    for handle in handles:
        handle.remove()


plain = fresh()
compare(
    {
        "bare step": bare,
        "watch, gradients, every step": watched(1, ("gradients",)),
        "watch, everything, every 10th": watched(10, probe.PARTS),
        "watch, everything, every step": watched(1, probe.PARTS),
        "gradient norms by .item()": item_loop,
        "hooks and histograms": hook_and_histogram,
    },
    rounds=21,
)

"""What does it save to train a map's column of networks as one computation?

Twelve tanh networks of one depth and twelve weight variances: ``train.fit`` one by
one against ``train.fit_many``, building and the accuracies at the end included.
Then the CPU time of a whole map, 12 variances by 10 depths, 600 steps each.
"""

import time

import numpy as np
import torch
from interleaved import compare

from helpers import data, models, train

VARIANCES = np.linspace(1.0, 4.0, 12)  # fan_in Var W
DEPTHS = (10, 15, 20, 30, 40, 60, 80, 100, 130, 160)
split = data.digits()


def column(depth: int, width: int) -> list[models.Setting]:
    """Describe the networks of one depth."""
    return [
        models.Setting(
            depth=depth, width=width, initialization="lecun", gain=variance**0.5, bias_var=0.05
        )
        for variance in VARIANCES
    ]


def sgd(parameters: object) -> torch.optim.Optimizer:
    """Make the optimizer."""
    return torch.optim.SGD(parameters, lr=0.05)


def adam(parameters: object) -> torch.optim.Optimizer:
    """Make another, with more to do for each parameter."""
    return torch.optim.Adam(parameters, lr=0.001)


def one_by_one(settings: list[models.Setting], optimizer: object, steps: int) -> None:
    """Train the networks in a loop."""
    for setting in settings:
        model = models.build(setting, split.features, split.classes)
        train.fit(model, split, optimizer(model.parameters()), steps=steps, progress=False)


def as_one(settings: list[models.Setting], optimizer: object, steps: int, **seeds: object) -> None:
    """Train the networks together."""
    train.fit_many(settings, split, optimizer, steps=steps, progress=False, **seeds)


train.use_one_thread()
for depth, width, optimizer in ((10, 32, sgd), (40, 32, sgd), (160, 32, sgd), (40, 32, adam)):
    print(f"depth {depth}, width {width}, {optimizer.__name__}")
    networks, count = column(depth, width), 6000 // depth
    compare(
        {
            "one by one": lambda n=networks, o=optimizer, s=count: one_by_one(n, o, s),
            "as one": lambda n=networks, o=optimizer, s=count: as_one(n, o, s),
            "as one, a seed each": lambda n=networks, o=optimizer, s=count: as_one(
                n, o, s, seeds=range(12)
            ),
        },
        rounds=5,
    )
start = time.process_time()
for depth in DEPTHS:
    as_one(column(depth, 32), sgd, 600)
print(f"a map of 12 x {len(DEPTHS)}: {time.process_time() - start:.0f} s of CPU time")

"""What does it save to train a map's column of networks as one computation?

Twelve tanh networks of one depth and twelve weight variances: ``train.fit`` one by
one against ``train.fit_many``, building and the accuracies at the end included.
Then what the fused Adam of ``train.Recipe`` saves in ``train.fit``. Last the map of the
experiment ``phase_diagram``: what PyTorch's plain Adam and a loop
cost against ``train.Recipe``, and the CPU time of all 12 variances by 10 depths.
"""

import time

import torch
from interleaved import compare

from helpers import data, models, train

VARIANCES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.76, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5)  # fan_in Var W
DEPTHS = (5, 8, 12, 18, 27, 40, 60, 80, 120, 160)
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


def as_one(settings: list[models.Setting], optimizer: object, **named: object) -> None:
    """Train the networks together."""
    train.fit_many(settings, split, optimizer, progress=False, **named)


train.use_one_thread()
for depth, width, optimizer in ((10, 32, sgd), (40, 32, sgd), (160, 32, sgd), (40, 32, adam)):
    print(f"depth {depth}, width {width}, {optimizer.__name__}")
    networks, count = column(depth, width), 6000 // depth
    compare(
        {
            "one by one": lambda n=networks, o=optimizer, s=count: one_by_one(n, o, s),
            "as one": lambda n=networks, o=optimizer, s=count: as_one(n, o, steps=s),
            "as one, a seed each": lambda n=networks, o=optimizer, s=count: as_one(
                n, o, steps=s, seeds=range(12)
            ),
        },
        rounds=5,
    )


def recipe(depth: int, steps: int = 600) -> train.Recipe:
    """Make the map's recipe at one depth."""
    return train.Recipe("adam", rate=0.01 / depth, steps=steps)


one, plain, fused = models.Setting(), torch.optim.Adam, train.OPTIMIZERS["adam"]
print(f"one network by fit: {one}")
compare(
    {
        "plain Adam": lambda: one_by_one([one], lambda p: plain(p, lr=0.001), 100),
        "Recipe's Adam": lambda: one_by_one([one], lambda p: fused(p, lr=0.001), 100),
    }
)
for depth in (12, 60, 160):
    print(f"the map's column of depth {depth}")
    networks, fast = column(depth, 32), recipe(depth, 6000 // depth)
    compare(
        {
            "as one": lambda n=networks, r=fast: as_one(n, r),
            "as one, plain Adam": lambda n=networks, r=fast: as_one(
                n, lambda parameters: torch.optim.Adam(parameters, lr=r.rate), steps=r.steps
            ),
            "one by one": lambda n=networks, r=fast: one_by_one(n, r, r.steps),
        },
        rounds=5,
    )
start = time.process_time()
for depth in DEPTHS:
    as_one(column(depth, 32), recipe(depth))
print(f"a map of 12 x {len(DEPTHS)}: {time.process_time() - start:.0f} s of CPU time")

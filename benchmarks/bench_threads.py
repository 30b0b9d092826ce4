"""Do the course's small networks gain from a second thread?

The claim behind ``train.use_one_thread``: for training steps of this size a
second thread costs CPU time and saves little or no waiting. CPU time counts the
work of all threads; run this on an idle and on a busy machine to see both sides.
"""

import torch
from interleaved import compare
from torch.nn import functional

from helpers import data, models

split = data.digits()
inputs, targets = split.batch(128)


def steps(depth: int, width: int, threads: int) -> None:
    """Train a few steps with a given number of threads."""
    torch.set_num_threads(threads)
    model = models.build(models.Setting(depth=depth, width=width), split.features, split.classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(1000 // depth):
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


for depth, width in ((5, 64), (20, 64), (20, 256)):
    print(f"depth {depth}, width {width}")
    compare(
        {
            "one thread": lambda d=depth, w=width: steps(d, w, 1),
            "two threads": lambda d=depth, w=width: steps(d, w, 2),
        }
    )

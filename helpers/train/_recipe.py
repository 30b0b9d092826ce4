"""How a network is trained: its optimizer, learning rate, steps and batch size."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial

import torch

from helpers import checks, text

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

    ``fit`` and ``fit_many`` take it as it is. Called with parameters it makes the
    optimizer.

    Args:
        optimizer: A key of ``OPTIMIZERS``; ``momentum`` is SGD with momentum 0.9.
        rate: Learning rate.
        steps: Number of optimizer steps T.
        batch_size: Samples B per step.

    Raises:
        TypeError: If a field has the wrong type.
        ValueError: If a field has an impossible value; the sentence names it.

    Example:
        >>> recipe = Recipe("sgd", rate=0.1)
        >>> print(recipe)
        sgd, rate 0.1, 300 steps of 64
        >>> sgd = recipe(torch.nn.Linear(2, 1).parameters())
        >>> sgd.param_groups[0]["lr"]
        0.1
    """

    optimizer: str = "adam"
    rate: float = 1e-3
    steps: int = 300
    batch_size: int = 64

    def __post_init__(self) -> None:
        checks.choice("optimizer", self.optimizer, OPTIMIZERS)
        checks.set_plain(
            self,
            rate=checks.number("rate", self.rate),
            steps=checks.whole("steps", self.steps, least=0),
            batch_size=checks.whole("batch_size", self.batch_size, least=1),
        )

    def __call__(self, parameters: Iterable) -> torch.optim.Optimizer:
        """Make the optimizer of parameters, or of parameter groups."""
        return OPTIMIZERS[self.optimizer](parameters, lr=self.rate)

    def __str__(self) -> str:
        return f"{self.optimizer}, rate {self.rate:g}, {self.steps} steps of {self.batch_size}"

    def _repr_html_(self) -> str:
        return text.html_table(asdict(self))

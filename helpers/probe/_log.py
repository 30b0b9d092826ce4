"""What ``watch`` recorded, read as arrays."""

import math

import numpy as np
from torch import Tensor

from helpers.probe._flow import ratio


class Log:
    """What ``watch`` recorded, one row per recorded step.

    Shapes: S recorded steps, L weight layers, A activation modules.

    Args:
        layer_names: The L weight layers, in the order the model lists them.
        activation_names: The A activation modules, likewise.
        order: Where each layer stands among the updates, which come grouped by shape.
    """

    def __init__(
        self,
        layer_names: tuple[str, ...],
        activation_names: tuple[str, ...],
        order: np.ndarray,
    ) -> None:
        self.layer_names = layer_names
        self.activation_names = activation_names
        self.steps: list[int] = []
        # One entry per recorded step each, as ``watch`` found it: read later, not while it trains.
        self._gradient_norms: list[list[float]] = []
        self._update_norms: list[list[Tensor]] = []
        self._weight_norms: list[list[Tensor]] = []
        self._order = order
        self._statistics: list[list[tuple[list[int], Tensor]]] = []

    @property
    def gradient_norms(self) -> np.ndarray:
        """Norm of each weight's gradient before the step, (S, L) float64."""
        return np.array(self._gradient_norms, dtype=float).reshape(-1, len(self.layer_names))

    @property
    def update_ratios(self) -> np.ndarray:
        """Norm of each weight's change over the norm of the weight, (S, L)."""
        if not self._update_norms:
            return np.empty((0, len(self.layer_names)))
        updates, weights = (
            np.array([np.concatenate([norms.cpu().numpy() for norms in row]) for row in rows])
            for rows in (self._update_norms, self._weight_norms)
        )
        return ratio(updates.astype(float), weights.astype(float))[:, self._order]

    @property
    def activation_mean(self) -> np.ndarray:
        """Mean activation, over units and the first 16 samples of the batch, (S, A)."""
        return self._statistic(0)

    @property
    def activation_std(self) -> np.ndarray:
        """Their standard deviation, (S, A)."""
        return self._statistic(1)

    @property
    def saturated_share(self) -> np.ndarray:
        """Share of them whose slope is below ``SATURATED``, (S, A)."""
        return self._statistic(2)

    @property
    def dead_share(self) -> np.ndarray:
        """Share of units whose slope is 0 on the whole batch, (S, A)."""
        return self._statistic(3)

    def _statistic(self, row: int) -> np.ndarray:
        table = np.full((len(self._statistics), len(self.activation_names)), math.nan)
        for line, found in zip(table, self._statistics, strict=True):
            for columns, values in found:
                line[columns] = values[row].cpu().numpy()
        return table

    def __str__(self) -> str:
        return f"{len(self.steps)} steps of {len(self.layer_names)} weight layers recorded"

    __repr__ = __str__

"""A data set cut into a part to learn from and a part to test on.

Shapes: B samples, T steps, D features, C classes or outputs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers import checks


@dataclass(frozen=True, eq=False)
class Split:
    """A data set cut into a part to learn from and a part to test on.

    Args:
        name: What the data are, for titles.
        train_inputs: Float32 inputs, shape (B, D), or (B, T, D) for sequences; or whole
            numbers, shape (B, T), for a text.
        train_targets: Class numbers, shape (B,), or (B, T) for one at each step; or
            float32 numbers, shape (B, C).
        test_inputs: The same for testing, B' samples.
        test_targets: Likewise.
    """

    name: str
    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    @property
    def features(self) -> int:
        """Number of features D of one input, or of one step of it."""
        return self.train_inputs.shape[-1]

    @property
    def classes(self) -> int:
        """Number of outputs C that a model needs: of classes, or of numbers to hit."""
        if self.train_targets.is_floating_point():
            return self.train_targets.shape[-1]
        return int(self.train_targets.max()) + 1

    def batch(self, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw training samples without replacement.

        Args:
            size: Number of samples B, at most the size of the training part.
            seed: Which draw.

        Returns:
            Inputs and targets of the chosen samples.

        Raises:
            TypeError: If the size is not a whole number.
            ValueError: If there are not that many samples.
        """
        available = len(self.train_targets)
        size = checks.whole("size", size, least=1, most=available)
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(available, generator=generator)[:size]
        return self.train_inputs[chosen], self.train_targets[chosen]

    def __repr__(self) -> str:
        kind = "classes"
        if self.train_targets.is_floating_point():
            kind = "output" if self.classes == 1 else "outputs"
        return (
            f"{self.name}: {len(self.train_targets)} to learn from, "
            f"{len(self.test_targets)} to test on, {self.features} features, "
            f"{self.classes} {kind}"
        )

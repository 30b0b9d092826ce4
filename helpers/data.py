"""Data sets that ship inside the installed packages: nothing is downloaded.

Shapes: B samples, D features, C classes.
"""

from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """A data set cut into a part to learn from and a part to test on.

    Args:
        name: What the data are, for titles.
        train_inputs: Float32 inputs, shape (B, D).
        train_targets: Class numbers, shape (B,).
        test_inputs: Float32 inputs, shape (B', D).
        test_targets: Class numbers, shape (B',).
    """

    name: str
    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    @property
    def features(self) -> int:
        """Number of features D of one input."""
        return self.train_inputs.shape[1]

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return int(self.train_targets.max()) + 1

    def batch(self, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw training samples without replacement.

        Args:
            size: Number of samples B, at most the size of the training part.
            seed: Which draw.

        Returns:
            Inputs (B, D) and targets (B,).

        Raises:
            TypeError: If the size is no whole number.
            ValueError: If there are not that many samples.
        """
        available = len(self.train_targets)
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise TypeError(f"size must be a whole number, got {size!r}")
        if not 1 <= size <= available:
            raise ValueError(f"size must be between 1 and {available}, got {size}")
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(available, generator=generator)[:size]
        return self.train_inputs[chosen], self.train_targets[chosen]

    def __repr__(self) -> str:
        return (
            f"{self.name}: {len(self.train_targets)} to learn from, "
            f"{len(self.test_targets)} to test on, {self.features} features, "
            f"{self.classes} classes"
        )


@lru_cache(maxsize=8)
def digits(seed: int = 0) -> Split:
    """Handwritten digits, 8 x 8 pixels, standardised pixel by pixel.

    A fifth of the 1,797 images is kept for testing. Every pixel is shifted and
    scaled to mean 0 and standard deviation 1 over the training part; the few
    pixels that are always blank stay 0.

    Args:
        seed: Which fifth is kept for testing.

    Returns:
        The split; the tensors are shared between calls, so do not write to them.

    Source: Alpaydin and Kaynak 1998, as shipped in scikit-learn.

    Example:
        >>> digits()
        handwritten digits: 1438 to learn from, 359 to test on, 64 features, 10 classes
    """
    images, labels = load_digits(return_X_y=True)  # (1797, 64)
    order = np.random.default_rng(seed).permutation(len(labels))
    images, labels = images[order], labels[order]
    held_out = len(labels) // 5
    train, test = images[held_out:], images[:held_out]
    centre, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1.0

    def standardised(pixels: np.ndarray) -> Tensor:
        return torch.tensor((pixels - centre) / scale, dtype=torch.float32)

    return Split(
        "handwritten digits",
        standardised(train),
        torch.tensor(labels[held_out:]),
        standardised(test),
        torch.tensor(labels[:held_out]),
    )

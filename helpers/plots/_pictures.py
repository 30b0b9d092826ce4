"""Draw pictures as they are: small ones, side by side, in grey."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

_GAP = 0.15  # between two pictures, as a share of their width
_TALLEST = 2.4  # inches; few pictures do not fill the page
_WORDS = 0.75  # inches: the title above, the labels below


def pictures(
    images: ArrayLike,
    labels: Sequence[object] | None = None,
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw pictures in a row, ink in black, each with its label beneath.

    All share one scale of greys, from the least number, white, to the largest, black.

    Args:
        images: The pictures, shape (count, side, side), or flat, (count, side * side), as
            ``data.digits`` has them.
        labels: What to write under each: numbers or words; nothing when omitted.
        title: The point of the figure, in a few words.
        ax: Where to draw; a new figure, as tall as the pictures need, when omitted.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no picture, they are not square, a number is not finite, or
            there are not as many labels as pictures.

    Example:
        >>> len(pictures(np.eye(64)[:3], ["a", "b", "c"]).images)
        3
    """
    grey = _squares(images)
    names = [""] * len(grey) if labels is None else [_name(label) for label in labels]
    if len(names) != len(grey):
        raise ValueError(f"labels must be one for each of {len(grey)} pictures, got {len(names)}")
    ax = _low_axes(len(grey)) if ax is None else ax
    low, high = float(grey.min()), float(grey.max())
    places = np.arange(len(grey)) * (1 + _GAP)
    for place, picture, name in zip(places, grey, names, strict=True):
        ax.imshow(
            picture,
            cmap="gray_r",
            vmin=low,
            vmax=high if high > low else low + 1,
            extent=(place, place + 1, 0, 1),
            label=name or "_nolegend_",
        )
    ax.set(xlim=(-_GAP / 2, places[-1] + 1 + _GAP / 2), ylim=(-0.02, 1.02), aspect="equal")
    ax.set_xticks((places + 0.5).tolist(), names)
    ax.yaxis.set_major_locator(NullLocator())
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(title)
    return ax


def _squares(images: ArrayLike) -> np.ndarray:
    """Return pictures as numbers, shape (count, side, side)."""
    grey = np.asarray(images, dtype=float)
    if grey.ndim == 2:
        side = math.isqrt(grey.shape[1])
        if side**2 == grey.shape[1]:
            grey = grey.reshape(len(grey), side, side)
    if grey.ndim != 3 or not grey.size or grey.shape[1] != grey.shape[2]:
        raise ValueError(
            "images must have the shape (count, side, side), or (count, side * side), "
            f"got {grey.shape}"
        )
    if not np.isfinite(grey).all():
        raise ValueError("images must hold finite numbers only")
    return grey


def _name(label: object) -> str:
    """Write a label; a number from a tensor is written as a number."""
    return str(getattr(label, "item", lambda: label)())


def _low_axes(count: int) -> Axes:
    """Return the axes of a figure that is as tall as so many pictures side by side need."""
    width = plt.rcParams["figure.figsize"][0]
    height = min(width / (count * (1 + _GAP)), _TALLEST)
    return plt.figure(figsize=(width, height + _WORDS)).gca()

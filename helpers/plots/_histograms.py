"""Draw how numbers are spread in each layer: activations, or gradients."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers import checks, text
from helpers.plots._alt_text import DENSITY
from helpers.plots._style import new_axes, plain_ticks

_BINS = 61  # over the whole axis, the same for all layers; an odd number, so that one is around 0
_NAMED = 8  # as many names a legend can hold
_LEFT_OUT = 0.001  # of a layer, at the small end of a logarithmic axis
_COLOURS = (0.0, 0.85)  # of viridis, from the first layer to the last: its end is too pale


def layer_histograms(
    values: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    xlim: tuple[float, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw how activations or gradients are spread, one curve a layer.

    A curve is a histogram: the share of the layer's numbers that lie in a bin, over the
    width of the bin. On a logarithmic axis the numbers are magnitudes, the width is in
    decades, and zeros have no place: the legend says how many there are. The colours run
    from the first layer, dark, to the last, bright; of more than eight layers five are named.

    Args:
        values: For each layer, from input to output, its numbers in any shape.
        xlabel: What the numbers are, with units.
        xscale: ``linear`` or ``log``; choose ``log`` where layers differ by decades.
        yscale: ``linear`` or ``log``.
        xlim: Where the axis begins and ends; what lies beyond still counts in the shares.
            When omitted, the axis holds all numbers; a logarithmic one all but the
            thousandth that is smallest in each layer.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no layer, one has no number or one that is not finite, a
            scale is unknown, or nothing can be drawn on the axis.

    Source: the diagnostic plots of Karpathy 2022, "makemore, part 3"; histograms of each
    layer, Glorot and Bengio 2010, figures 2 to 4 and 6 to 7.

    Example:
        >>> layers = {"layer 1": [-1.0, 0.0, 1.0], "layer 2": [0.1, 0.2, 0.3]}
        >>> len(layer_histograms(layers, xlabel="activation").get_lines())
        2
    """
    checks.choice("xscale", xscale, ("linear", "log"))
    checks.choice("yscale", yscale, ("linear", "log"))
    numbers = {label: _numbers(label, layer) for label, layer in values.items()}
    if not numbers:
        raise ValueError("values must hold at least one layer to draw")
    log = xscale == "log"
    if log:
        numbers = {label: np.abs(layer) for label, layer in numbers.items()}
    edges = _edges([*numbers.values()], log, xlim)
    ax = new_axes(ax)
    named = _named(len(numbers))
    steps = np.log10(edges) if log else edges
    places = 10 ** _middles(steps) if log else _middles(steps)
    for place, (label, layer) in enumerate(numbers.items()):
        counts, _ = np.histogram(layer, edges)
        density = counts / len(layer) / np.diff(steps)
        ax.plot(
            places,
            np.where(density > 0, density, np.nan) if yscale == "log" else density,
            color=_colour(place, len(numbers)),
            label=_name(label, layer, log) if place in named else "_nolegend_",
            gid=DENSITY,
        )
    ax.set(xscale=xscale, yscale=yscale, xlim=edges[[0, -1]], xlabel=xlabel)
    ax.set_ylabel("density, per decade" if log else "density")
    if yscale == "linear":
        ax.set_ylim(bottom=0)
    ax.set_title(title)
    plain_ticks(ax.xaxis)
    plain_ticks(ax.yaxis)
    ax.legend()
    return ax


def _numbers(label: str, layer: ArrayLike) -> np.ndarray:
    """Return the numbers of a layer in one row."""
    numbers = np.asarray(layer, dtype=float).ravel()
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"values must be finite numbers, at least one, not so for {label!r}")
    return numbers


def _edges(
    layers: Sequence[np.ndarray], log: bool, limits: tuple[float, float] | None
) -> np.ndarray:
    """Return where bins begin and end."""
    low, high = _reach(layers, log) if limits is None else limits
    if not low < high or (log and low <= 0):
        raise ValueError(f"xlim must rise{' from above 0' if log else ''}, got {limits}")
    return np.geomspace(low, high, _BINS + 1) if log else np.linspace(low, high, _BINS + 1)


def _reach(layers: Sequence[np.ndarray], log: bool) -> tuple[float, float]:
    """Return between which numbers the layers lie, with room around a single number."""
    if log:
        layers = [seen for layer in layers if (seen := layer[layer > 0]).size]
        if not layers:
            raise ValueError("values are 0 everywhere, which has no place on a logarithmic axis")
    low = min(float(np.quantile(layer, _LEFT_OUT if log else 0.0)) for layer in layers)
    high = max(float(layer.max()) for layer in layers)
    if low < high:
        return low, high
    return (low / 2, high * 2) if log else (low - 1, high + 1)


def _middles(edges: np.ndarray) -> np.ndarray:
    return (edges[1:] + edges[:-1]) / 2


def _named(count: int) -> set[int]:
    """Return which layers a legend names: all, or five from the first to the last."""
    return {
        round(place)
        for place in np.linspace(0, count - 1, min(count, 5 if count > _NAMED else count))
    }


def _colour(place: int, count: int) -> tuple[float, float, float, float]:
    share = place / max(count - 1, 1)
    return mpl.colormaps["viridis"](_COLOURS[0] + share * (_COLOURS[1] - _COLOURS[0]))


def _name(label: str, magnitudes: np.ndarray, log: bool) -> str:
    """Return the name of a layer and, where zeros are not drawn, their share."""
    zeros = float((magnitudes == 0).mean())
    return f"{label} ({text.in_figure(100 * zeros, '.0f')} % zero)" if log and zeros else label

"""Draw numbers over categories: a matrix as coloured cells, a table as bars."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from helpers import text
from helpers.plots._looks import KIND_COLOURS, looks
from helpers.plots._style import new_axes, plain_ticks, slant


def heat_map(
    values: ArrayLike,
    *,
    x: Sequence[float] | Sequence[str] | np.ndarray,
    y: Sequence[float] | Sequence[str] | np.ndarray,
    xlabel: str,
    ylabel: str,
    label: str,
    xscale: str = "linear",
    yscale: str = "linear",
    vmin: float | None = None,
    vmax: float | None = None,
    centre: float | None = None,
    decades: bool = False,
    numbers: str | Sequence[Sequence[str]] = "",
    slanted: bool = False,
    beside: Sequence[Axes] | None = None,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix as coloured cells, with theory as dashed lines over them.

    A cell reaches half-way to its neighbours, so the grid may be uneven; on a
    logarithmic axis half-way is the geometric mean. What is not finite is a grey
    cell. The lines end where the map ends.

    Args:
        values: The matrix, shape (len(y), len(x)).
        x: Where the columns belong: rising numbers, or names.
        y: Where the rows belong, from bottom to top: rising numbers, or names.
        xlabel: What ``x`` is, with units.
        ylabel: What ``y`` is, with units.
        label: What the values are, for the colour bar.
        xscale: ``linear`` or ``log``.
        yscale: ``linear`` or ``log``.
        vmin: The value at the dark end of the colours; the least one when omitted.
        vmax: The value at the bright end; the greatest one when omitted.
        centre: A value to be white, with red above it and blue below.
        decades: Whether the values are decimal logarithms; the colour bar then has
            the numbers themselves, 1e-3 where the value is -3.
        numbers: How to write the values into the cells, as in ``".2f"``, or what to
            write, a text for each cell, finite or not; nothing when empty.
        slanted: Whether to write the names of the columns at a slant, as long ones
            need it.
        beside: The axes that the colour bar takes its room from; these when omitted;
            none is drawn when empty.
        lines: For each label, the (xs, ys) of a line in the units of the axes.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes.

    Raises:
        ValueError: If the shape does not fit, or ``x`` or ``y`` does not rise.
    """
    matrix = np.asarray(values, dtype=float)
    if matrix.shape != (len(y), len(x)):
        raise ValueError(
            f"values must have shape (len(y), len(x)) = {(len(y), len(x))}, got {matrix.shape}"
        )
    columns, rows = _cells("x", x, xscale), _cells("y", y, yscale)
    cells = np.ma.masked_invalid(matrix)
    ax = new_axes(ax)
    low = (cells.min() if cells.count() else 0.0) if vmin is None else vmin
    high = (cells.max() if cells.count() else 1.0) if vmax is None else vmax
    if centre is not None:
        reach = max(high - centre, centre - low)
        low, high = centre - reach, centre + reach
    colours = mpl.colormaps["viridis" if centre is None else "RdBu_r"].with_extremes(bad="0.8")
    below, above = bool((cells < low).any()), bool((cells > high).any())
    if math.isclose(low, high, rel_tol=1e-15):  # in the middle of the colours, as with a bar
        margin = 0.1 * abs(low) or 0.1
        low, high = low - margin, high + margin
    mesh = ax.pcolormesh(columns[1], rows[1], cells, cmap=colours, vmin=low, vmax=high)
    room = ax if beside is None else list(beside)
    if room:
        extend = ("neither", "min", "max", "both")[below + 2 * above]
        bar = ax.figure.colorbar(mesh, ax=room, label=label, extend=extend)
        if decades:
            _name_decades(bar)
    if isinstance(numbers, str):
        numbers = [[_number(value, numbers) for value in row] for row in matrix]
    _write_in_cells(ax, columns[0], rows[0], mesh.to_rgba(cells), numbers)
    for (name, line), style in zip((lines or {}).items(), cycle(("--", ":", "-.")), strict=False):
        ax.plot(
            *line,
            label=name,
            linestyle=style,
            linewidth=2.2,
            color="black",
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )
    ax.set(xscale=xscale, yscale=yscale, xlim=columns[1][[0, -1]], ylim=rows[1][[0, -1]])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(visible=False)
    width = 70 * ax.get_position().width  # about so many letters, and 16 lines high
    look = slant(30) if slanted else {}
    _name_cells(ax.xaxis, x, *columns, lambda names: (1 + max(map(len, names))) / width, look)
    _name_cells(ax.yaxis, y, *rows, lambda _: 1 / 16, {})
    ax.set_title(title, pad=28 if lines else None)
    if lines:  # above the map: there is no empty place in it
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=len(lines),
            borderpad=0.2,
            borderaxespad=0.2,
            handlelength=2.6,
        )
    return ax


def _cells(
    argument: str, given: Sequence[float] | Sequence[str] | np.ndarray, scale: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the cells of one axis have their middles and their edges."""
    if any(isinstance(value, str) for value in given):
        places = np.arange(len(given), dtype=float)
    else:
        places = np.asarray(given, dtype=float)
    log = scale == "log"
    if not (np.diff(places) > 0).all() or (log and places[0] <= 0):
        raise ValueError(f"{argument} must rise{' from above 0' if log else ''}, got {given!r}")
    inner = np.log(places) if log else places
    half = np.diff(inner) / 2 if len(inner) > 1 else np.array([0.5])
    edges = np.array([inner[0] - half[0], *(inner[:-1] + half[: len(inner) - 1])])
    edges = np.append(edges, inner[-1] + half[-1])
    return places, np.exp(edges) if log else edges


def _name_cells(
    axis: Axis,
    given: Sequence[float] | Sequence[str] | np.ndarray,
    places: np.ndarray,
    edges: np.ndarray,
    room: Callable[[list[str]], float],
    look: Mapping[str, Any],
) -> None:
    """Name each cell where the names have room (a share of the axis), or some numbers."""
    words = any(isinstance(value, str) for value in given)
    names = [value if isinstance(value, str) else text.in_figure(value, ",g") for value in given]
    inner = np.log(edges) if axis.get_scale() == "log" else edges
    if words or np.diff(inner).min() / np.ptp(inner) >= room(names):
        axis.set_ticks(places.tolist(), names, **look)
        axis.set_minor_locator(NullLocator())
    else:
        plain_ticks(axis, [places])


def _name_decades(bar: Colorbar) -> None:
    """Write powers of ten at a bar whose values are their exponents."""
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text.number(10.0**value, 4)))


def _number(value: float, form: str) -> str:
    """Write the number of a cell, if it is finite and has a form."""
    return text.in_figure(value, form) if form and math.isfinite(value) else ""


def _write_in_cells(
    ax: Axes,
    xs: np.ndarray,
    ys: np.ndarray,
    colours: np.ndarray,  # of the cells, shape (len(ys), len(xs), 4)
    texts: Sequence[Sequence[str]],
) -> None:
    for row, column in np.ndindex(colours.shape[:2]):
        if texts[row][column]:
            red, green, blue, _ = colours[row, column]
            bright = 0.3 * red + 0.59 * green + 0.11 * blue > 0.5
            ax.text(
                float(xs[column]),
                float(ys[row]),
                texts[row][column],
                ha="center",
                va="center",
                fontsize=9,
                color="black" if bright else "white",
            )


def bars(
    values: Mapping[str, Mapping[str, float]] | Mapping[str, float],
    *,
    ylabel: str,
    xlabel: str = "",
    numbers: str | Mapping[str, Mapping[str, str]] | Mapping[str, str] = ".1f",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a number for each category as a bar, with the number written on it.

    Args:
        values: For each category a number; or for each series, which gets its own
            colour (the kinds of a ledger and activations theirs), such a mapping. A category that a
            series lacks stays empty, a number that is not finite is written without
            a bar.
        ylabel: What the numbers are, with units.
        xlabel: What the categories are.
        numbers: How to write the numbers, as in ``".2f"``, or what to write, a text
            for each of ``values``.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes.

    Raises:
        ValueError: If there is nothing to draw.
    """
    grouped = _by_series(values)
    categories = list(dict.fromkeys(name for series in grouped.values() for name in series))
    if not categories:
        raise ValueError("values must hold at least one number to draw")
    ax = new_axes(ax)
    width = 0.8 / len(grouped)
    inches = ax.figure.bbox.width / ax.figure.dpi * ax.get_position().width
    room = 72 * inches / len(categories)  # points for the bars of a category
    found = looks(grouped, ax)
    for place, (name, series) in enumerate(grouped.items()):
        shown = [category for category in categories if category in series]
        xs = [categories.index(category) + (place + 0.5) * width - 0.4 for category in shown]
        heights = np.array([float(series[category]) for category in shown])
        if isinstance(numbers, str):
            words = [text.in_figure(height, numbers) for height in heights]
        else:
            words = [_by_series(numbers)[name][category] for category in shown]
        drawn = ax.bar(
            xs,
            np.where(np.isfinite(heights), heights, 0),
            width=0.92 * width,
            label=name,
            color=KIND_COLOURS.get(name, found[name].colour),
        )
        for label, word in zip(ax.bar_label(drawn, words, padding=2), words, strict=True):
            label.set_fontsize(9 if room * width >= 6.5 * len(word) else 8)
            label.set_rotation(90 if room * width < 5 * len(word) else 0)
    ax.axhline(0, color="0.3", linewidth=0.8)
    together = ax.get_shared_y_axes().get_siblings(ax)
    crowded = any(label.get_rotation() for panel in together for label in panel.texts)
    ax.margins(y=0.24 if crowded else 0.12)
    fits = int(room / 6)
    lines = [textwrap.fill(name, max(fits, 4), break_long_words=False) for name in categories]
    slanted = max(len(line) for name in lines for line in name.split("\n")) > fits + 1
    ax.set_xticks(
        range(len(categories)),
        categories if slanted else lines,
        **(slant(30) if slanted else {}),
    )
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="x", visible=False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def _by_series(values: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return a mapping for each series, also of a single one, which has no name."""
    nested = all(isinstance(entry, Mapping) for entry in values.values())
    return dict(values) if nested else {"_nolegend_": values}

"""Draw records; compute nothing.

Every function takes plain arrays or records and returns the axes it drew on;
``show`` puts the finished picture, with its alt text, into the notebook.
"""

import io
import math
import os
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib import resources
from itertools import cycle
from numbers import Integral, Real
from types import ModuleType

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import clear_output, display
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from helpers.probe import Ledger, LedgerRow
from helpers.train import History

# Where float32 gives up: below the first bound the square of a number is 0, so a
# norm reads 0; below the second the number itself is.
_SQUARE_IS_ZERO = 2.0**-75
_NUMBER_IS_ZERO = 2.0**-149

_MARKERS = "osD^vPX"

# The kinds of a ledger, each with its colour in every lesson (Okabe and Ito 2008).
_KINDS = {"weights": "#0072B2", "activation": "#D55E00", "norm": "#009E73", "skip": "#CC79A7"}


def use_style() -> None:
    """Give every later figure of this process the look of the course."""
    with resources.as_file(resources.files("helpers.plots") / "course.mplstyle") as style:
        plt.style.use(style)


def show(axes: Axes, alt: str) -> None:
    """Put the figure of these axes into the notebook as a PNG, and close it.

    Args:
        axes: Any axes of the figure.
        alt: What the figure shows, for a reader who cannot see it; stored with
            the image and as its plain-text form.

    Raises:
        ValueError: If the alt text is empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt must say in words what the figure shows, got nothing")
    figure = axes.get_figure(root=True)
    picture = io.BytesIO()
    # What savefig writes as well, after drawing everything twice.
    FigureCanvasAgg(figure).print_png(picture, metadata={"Software": None})
    plt.close(figure)
    display(
        {"image/png": picture.getvalue(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def _axes(ax: Axes | None) -> Axes:
    return plt.figure().gca() if ax is None else ax


def panels(count: int, share: bool = True) -> tuple[Figure, Sequence[Axes]]:
    """Make one figure with panels side by side.

    Args:
        count: Number of panels, at least 2.
        share: Whether they have one vertical axis; say no for different units.

    Returns:
        The figure and its axes, from left to right.
    """
    return plt.subplots(1, count, sharey=share)


def layer_profile(
    measured: Mapping[str, Sequence[float]],
    theory: Mapping[str, Sequence[float]] | None = None,
    *,
    ylabel: str = "gradient norm (delta)",
    float32_zone: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity against the layer: the signature picture of the course.

    Measured values are points; theory, where given under the same label, is a
    dashed line of the same colour, drawn over them. A value of exactly 0 sits on
    the lower edge as an open triangle. The zone in which float32 loses a norm is
    shaded as far as the data reach into it: a norm below 2^-75 has no entry
    whose square float32 can hold.

    Args:
        measured: For each label, one value a layer, from input to output.
        theory: Predictions, likewise.
        ylabel: What the values are, with units.
        float32_zone: Whether to shade; say no for anything but gradients.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes, logarithmic in y.

    Raises:
        ValueError: If there is no positive number to draw, or theory for nothing
            that was measured.
    """
    theory = theory or {}
    _check_labels("theory", theory, measured)
    positive = [
        value
        for series in (*measured.values(), *theory.values())
        for value in np.asarray(series, dtype=float)
        if np.isfinite(value) and value > 0
    ]
    if not positive:
        raise ValueError("measured must hold at least one positive number to draw")
    low, high = min(positive) / 10, max(positive) * 10
    ax = _axes(ax)
    if not ax.get_autoscaley_on():  # something stands here or in the panel beside already
        low, high = min(low, ax.get_ylim()[0]), max(high, ax.get_ylim()[1])
    colours = cycle(plt.rcParams["axes.prop_cycle"].by_key()["color"])
    for (label, series), colour, marker in zip(
        measured.items(), colours, cycle(_MARKERS), strict=False
    ):
        values = np.asarray(series, dtype=float)
        layers = np.arange(1, len(values) + 1)
        ax.plot(
            layers,
            np.where(values > 0, values, np.nan),
            linestyle="none",
            marker=marker,
            color=colour,
            label=label,
        )
        _zeros_on_the_edge(ax, layers, values, label, colour)
        if label in theory:
            line = np.asarray(theory[label], dtype=float)
            ax.plot(np.arange(1, len(line) + 1), line, linestyle="--", color=colour, zorder=3)
    if theory:
        ax.plot([], [], linestyle="--", color="0.4", label="theory")
    if float32_zone:
        _dead_zone(ax, low, high)
    ax.set(yscale="log", ylim=(low, high), xlabel="layer (1 = nearest the input)", ylabel=ylabel)
    ax.set_title(title)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.legend()
    return ax


def _zeros_on_the_edge(
    ax: Axes, places: np.ndarray, values: np.ndarray, label: str, colour: str
) -> None:
    zero = values == 0
    if zero.any():
        ax.plot(
            places[zero],
            values[zero],
            transform=ax.get_xaxis_transform(),  # 0 is the lower edge, whatever the limits
            linestyle="none",
            marker="v",
            markerfacecolor="none",
            clip_on=False,
            zorder=3,
            color=colour,
            label=f"{label}: exactly 0",
        )


def _check_labels(argument: str, extra: Mapping[str, object], labels: Mapping[str, object]) -> None:
    for label in extra:
        if label not in labels:
            raise ValueError(f"{argument} must have labels of what is drawn, got {label!r}")


def _dead_zone(ax: Axes, low: float, high: float) -> None:
    zones = (
        (_NUMBER_IS_ZERO, _SQUARE_IS_ZERO, "0.93", "float32: the square is 0, so a norm reads 0"),
        (0.0, _NUMBER_IS_ZERO, "0.82", "float32: the number itself is 0"),
    )
    for start, end, grey, words in zones:
        bottom, top = max(start, low), min(end, high)
        if bottom < top:
            ax.axhspan(bottom, top, color=grey, zorder=0)
            ax.annotate(
                words,
                (0.99, top),
                xycoords=("axes fraction", "data"),
                xytext=(0, -4),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=9,
                color="0.35",
            )


def curves(
    measured: Mapping[str, Sequence[float]],
    theory: Mapping[str, Sequence] | None = None,
    *,
    x: Sequence[float] | Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw quantities against anything: a gain, a depth, a share.

    Measured values are points (more than 60 are one line), theory under the same
    label a dashed line of the same colour. Where there is no theory and ``x`` rises
    or falls, a thin line leads the eye from point to point. What is not finite is
    a gap; on a logarithmic axis a value of exactly 0 sits on the lower edge as an
    open triangle.

    Args:
        measured: For each label, one value for each of its ``x``.
        theory: Predictions: values at the same ``x``, or a pair ``(xs, ys)`` that
            brings its own, as a smooth curve does.
        x: Where the values belong: one sequence for all, or one for each label.
        xlabel: What ``x`` is, with units.
        ylabel: What the values are, with units.
        xscale: ``linear`` or ``log``.
        yscale: ``linear`` or ``log``.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes.

    Raises:
        ValueError: If there are not as many values as ``x``, or theory for
            nothing that was measured.
    """
    theory = theory or {}
    _check_labels("theory", theory, measured)
    points = {}
    for label, series in measured.items():
        points[label] = _places(label, x), np.asarray(series, dtype=float)
        _check_lengths(label, *points[label])
    lines = {}
    for label, series in theory.items():
        own = len(series) == 2 and np.ndim(series[0]) == 1
        line = series if own else (points[label][0], series)
        lines[label] = tuple(np.asarray(part, dtype=float) for part in line)
        _check_lengths(f"{label}, theory", *lines[label])
    ax = _axes(ax)
    colours = cycle(plt.rcParams["axes.prop_cycle"].by_key()["color"])
    for (label, (xs, ys)), colour, marker in zip(
        points.items(), colours, cycle(_MARKERS), strict=False
    ):
        shown = _drawable(ys, yscale)
        steps = np.sign(np.diff(xs))
        ordered = len(xs) > 1 and (steps == steps[0]).all() and steps[0] != 0
        if ordered and len(xs) > 60:
            ax.plot(xs, shown, color=colour, label=label, alpha=0.5 if label in lines else 1)
        else:
            if ordered and label not in lines:
                ax.plot(xs, shown, color=colour, linewidth=1, alpha=0.45, label="_nolegend_")
            size = 5 if len(xs) <= 50 else 3
            look = {"linestyle": "none", "marker": marker, "markersize": size}
            ax.plot(xs, shown, color=colour, label=label, **look)
        if yscale == "log":
            _zeros_on_the_edge(ax, xs, ys, label, colour)
        if label in lines:
            line = lines[label][0], _drawable(lines[label][1], yscale)
            ax.plot(*line, linestyle="--", color=colour, zorder=3)
    if lines:
        ax.plot([], [], linestyle="--", color="0.4", label="theory")
    ax.set(xscale=xscale, yscale=yscale, xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title)
    _plain_ticks(ax.xaxis, [xs for xs, _ in points.values()])
    _plain_ticks(ax.yaxis)
    ax.legend()
    return ax


def _places(label: str, x: Sequence[float] | Mapping[str, Sequence[float]]) -> np.ndarray:
    if isinstance(x, Mapping):
        if label not in x:
            raise ValueError(f"x must have an entry for each label, got none for {label!r}")
        x = x[label]
    return np.asarray(x, dtype=float)


def _check_lengths(label: str, xs: np.ndarray, ys: np.ndarray) -> None:
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise ValueError(
            f"x must have one number for each value, got {xs.size} for {ys.size} of {label!r}"
        )


def _drawable(values: np.ndarray, scale: str) -> np.ndarray:
    """Return the values with a gap wherever the axis has no place for them."""
    keep = np.isfinite(values) & ((values > 0) | (scale != "log"))
    return np.where(keep, values, np.nan)


def _plain_ticks(axis: Axis, places: Sequence[np.ndarray] = ()) -> None:
    """Write 20 and 0.5, not 2 x 10^1, on an axis that is short enough for it."""
    low, high = axis.get_view_interval()
    if axis.get_scale() != "log":
        if len(places) and all((xs == np.round(xs)).all() for xs in places):
            axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        return
    if low >= 1e-4 and high <= 1e6 and high / low <= 2000:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def training_curves(
    histories: Mapping[str, History],
    *,
    chance: float | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss against the step, one line a training run.

    A line that leaves the picture at the top belongs to a run that explodes: the
    axis ends at four times the lowest first loss, so that the others stay legible.

    Args:
        histories: For each label, how the run went.
        chance: The loss of a guess that ignores the input, drawn as a thin line.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes.
    """
    ax = _axes(ax)
    for label, history in histories.items():
        ax.plot(np.arange(len(history.losses)), history.losses, label=label, alpha=0.9)
    if chance is not None:
        ax.axhline(chance, color="0.4", linewidth=1, linestyle=":", label="guessing")
    ax.set(xlabel="step", ylabel="loss of the batch (nats)")
    first = [history.losses[0] for history in histories.values() if len(history.losses)]
    bounds = [loss for loss in (*first, chance or 0.0) if np.isfinite(loss) and loss > 0]
    ax.set_ylim(0, min(ax.get_ylim()[1], 4 * min(bounds)) if bounds else None)
    ax.set_title(title)
    ax.legend()
    return ax


def distribution(
    values: Mapping[str, Sequence[float]],
    published: Mapping[str, float] | None = None,
    *,
    xlabel: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw how a number spreads over seeds, and where a published one falls.

    Args:
        values: For each label, one number a seed, all positive.
        published: For some labels, the number that somebody printed.
        xlabel: What the numbers are, with units.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes, logarithmic in x.

    Raises:
        ValueError: If a number is not finite and positive, or a published one has
            the label of no others.
    """
    published = published or {}
    _check_labels("published", published, values)
    for label, numbers in values.items():
        numbers = np.asarray(numbers, dtype=float)
        if not numbers.size or not (np.isfinite(numbers) & (numbers > 0)).all():
            raise ValueError(f"values must be finite and positive numbers, not so for {label!r}")
    ax = _axes(ax)
    colours = cycle(plt.rcParams["axes.prop_cycle"].by_key()["color"])
    for (label, numbers), colour in zip(values.items(), colours, strict=False):
        numbers = np.asarray(numbers, dtype=float)
        bins = np.geomspace(numbers.min() / 1.02, numbers.max() * 1.02, 16)
        ax.hist(
            numbers, bins=bins, color=colour, alpha=0.75, label=f"{label}, {len(numbers)} seeds"
        )
        if label in published:
            ax.axvline(
                published[label], color="black", linestyle="--", linewidth=1.4,
                label=f"published: {published[label]:.6f}",
            )  # fmt: skip
    ax.set(xscale="log", xlabel=xlabel, ylabel="number of seeds")
    ax.set_title(title)
    ax.legend()
    return ax


def waterfall(ledger: Ledger, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw a ledger module by module: where the gradient falls, and whose fault it is.

    The path starts at 0 at the last weight layer, on the left, and goes down by the
    decades that each module takes from the gradient, up where one adds to it. A kind
    of module has the same colour in every picture. The legend says what each kind
    took in all. Where the gradient ends for good, a hatched bar runs off the picture.

    Args:
        ledger: What ``Flow.ledger()`` returned.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes, one place a row in x, decades in y with 0 at the top.

    Raises:
        ValueError: If the ledger has no row, or one that is not a number.
    """
    rows = ledger.rows
    if not rows:
        raise ValueError("ledger must have at least one row; one weight layer alone loses nothing")
    for row in rows:
        if math.isnan(row.decades):
            raise ValueError(f"ledger must hold numbers, not so in row {row.name!r}")
    path = np.cumsum([0.0, *(row.decades if math.isfinite(row.decades) else 0.0 for row in rows)])
    ends = {row.decades > 0 for row in rows if math.isinf(row.decades)}
    reach = np.ptp(path) + 0.1
    steady = abs(path[-1]) >= 0.55 * np.ptp(path)  # or there is no corner free for the legend
    low = path.min() - reach * (0.4 if False in ends else 0.06 if steady else 0.6)
    high = path.max() + reach * (0.4 if True in ends else 0.06)
    ax = _axes(ax)
    if not ax.get_autoscaley_on():  # something stands in the panel beside already
        low, high = min(low, *ax.get_ylim()), max(high, *ax.get_ylim())
    for place, row in enumerate(rows):
        start, length = path[place], row.decades
        if math.isinf(length):
            length = (high if length > 0 else low) - start
            _say_the_end(ax, place, start + length / 2, length > 0, len(rows))
        ax.bar(
            place,
            length,
            bottom=start,
            width=0.8,
            color=_KINDS[row.kind],
            alpha=1.0 if math.isfinite(row.decades) else 0.35,
            hatch="" if math.isfinite(row.decades) else "//",
            zorder=2,
        )
        ax.plot(
            [place - 0.4, place + 1.4 if place + 1 < len(rows) else place + 0.4],
            [path[place + 1]] * 2,
            color="0.45",
            linewidth=0.8,
            zorder=1,
        )
    if len(rows) <= 14:
        _write_on_steps(ax, rows, path)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(xlim=(-0.7, len(rows) - 0.3), ylim=(high, low))
    ax.set_ylabel("decades lost" if path.min() > -0.05 * reach else "decades lost (minus: gained)")
    ax.set_title(title)
    ax.grid(axis="x", visible=False)
    _name_weights(ax, rows)
    total = _number(abs(ledger.total), ".1f")
    left = path[: len(path) // 2 + 1]
    below, above = high - left.max(), left.min() - low  # the axis is upside down
    ax.legend(
        handles=[
            Patch(color=colour, label=f"{kind} {_number(ledger.by_kind[kind], '.1f')}")
            for kind, colour in _KINDS.items()
            if kind in ledger.by_kind
        ],
        title=f"{total} decades {'lost' if ledger.total >= 0 else 'gained'}",
        loc="lower left" if below > above else "upper left",
        ncols=1 if steady else 2,
        alignment="left",
    )
    return ax


def _number(value: float, form: str) -> str:
    text = f"{value:z{form}}"  # z: a rounded 0 has no sign
    return text.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")


def _say_the_end(ax: Axes, place: int, height: float, lost: bool, count: int) -> None:
    right = place < count / 2
    ax.annotate(
        "the gradient ends here: exactly 0" if lost else "the gradient overflows here",
        (place + (0.5 if right else -0.5), height),
        ha="left" if right else "right",
        va="center",
        fontsize=9,
    )


def _write_on_steps(ax: Axes, rows: Sequence[LedgerRow], path: np.ndarray) -> None:
    for place, row in enumerate(rows):
        if math.isfinite(row.decades):
            above = row.decades >= 0  # the axis is upside down: a loss ends below
            ax.annotate(
                _number(row.decades, ".2f"),
                (place, path[place]),
                xytext=(0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=8,
                color="0.25",
            )


def _name_weights(ax: Axes, rows: Sequence[LedgerRow]) -> None:
    """Name the weight layers, as many as there is room for; the colours say the rest."""
    weights = [place for place, row in enumerate(rows) if row.kind == "weights"]
    places = weights[:: max(1, math.ceil(len(weights) / 12))]
    slanted = sum(len(rows[place].name) + 2 for place in places) > 60
    ax.set_xticks(
        places,
        [rows[place].name for place in places],
        fontsize=9,
        rotation=35 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
    )
    ax.set_xlabel("weight layer (its name), loss to input")


def heat_map(
    values: Sequence[Sequence[float]],
    *,
    x: Sequence,
    y: Sequence,
    xlabel: str,
    ylabel: str,
    label: str,
    xscale: str = "linear",
    yscale: str = "linear",
    vmin: float | None = None,
    vmax: float | None = None,
    centre: float | None = None,
    numbers: str = "",
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
        numbers: How to write the values into the cells, as in ``".2f"``; not at
            all when empty.
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
    ax = _axes(ax)
    low = (cells.min() if cells.count() else 0.0) if vmin is None else vmin
    high = (cells.max() if cells.count() else 1.0) if vmax is None else vmax
    if centre is not None:
        reach = max(high - centre, centre - low)
        low, high = centre - reach, centre + reach
    colours = mpl.colormaps["viridis" if centre is None else "RdBu_r"].with_extremes(bad="0.8")
    mesh = ax.pcolormesh(columns[1], rows[1], cells, cmap=colours, vmin=low, vmax=high)
    below, above = bool((cells < low).any()), bool((cells > high).any())
    extend = ("neither", "min", "max", "both")[below + 2 * above]
    ax.figure.colorbar(mesh, ax=ax, label=label, extend=extend)
    if numbers:
        _write_in_cells(ax, mesh, columns[0], rows[0], cells, numbers)
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
    _name_cells(ax.xaxis, x, *columns, lambda names: (1 + max(map(len, names))) / width)
    _name_cells(ax.yaxis, y, *rows, lambda _: 1 / 16)
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


def _cells(argument: str, given: Sequence, scale: str) -> tuple[np.ndarray, np.ndarray]:
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
    given: Sequence,
    places: np.ndarray,
    edges: np.ndarray,
    room: Callable[[list[str]], float],
) -> None:
    """Name each cell where the names have room (a share of the axis), or some numbers."""
    words = any(isinstance(value, str) for value in given)
    names = [value if isinstance(value, str) else f"{value:,g}" for value in given]
    inner = np.log(edges) if axis.get_scale() == "log" else edges
    if words or np.diff(inner).min() / np.ptp(inner) >= room(names):
        axis.set_ticks(places, names)
        axis.set_minor_locator(NullLocator())
    else:
        _plain_ticks(axis, [places])


def _write_in_cells(
    ax: Axes,
    mesh: QuadMesh,
    xs: np.ndarray,
    ys: np.ndarray,
    cells: np.ma.MaskedArray,
    numbers: str,
) -> None:
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            red, green, blue, _ = mesh.cmap(mesh.norm(value))
            bright = 0.3 * red + 0.59 * green + 0.11 * blue > 0.5
            ax.text(
                xs[column],
                ys[row],
                _number(value, numbers),
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
    numbers: str = ".1f",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a number for each category as a bar, with the number written on it.

    Args:
        values: For each category a number; or for each series, which gets its own
            colour (the kinds of a ledger theirs), such a mapping. A category that a
            series lacks stays empty, a number that is not finite is written without
            a bar.
        ylabel: What the numbers are, with units.
        xlabel: What the categories are.
        numbers: How to write the numbers, as in ``".2f"``.
        title: The point of the picture, in a few words.
        ax: Where to draw; a new figure when omitted.

    Returns:
        The axes.

    Raises:
        ValueError: If there is nothing to draw.
    """
    nested = any(isinstance(entry, Mapping) for entry in values.values())
    grouped = values if nested else {"_nolegend_": values}
    categories = list(dict.fromkeys(name for series in grouped.values() for name in series))
    if not categories:
        raise ValueError("values must hold at least one number to draw")
    ax = _axes(ax)
    width = 0.8 / len(grouped)
    pixels = ax.figure.get_size_inches()[0] * 72 * ax.get_position().width / len(categories)
    for place, (name, series) in enumerate(grouped.items()):
        shown = [category for category in categories if category in series]
        xs = [categories.index(category) + (place + 0.5) * width - 0.4 for category in shown]
        heights = np.array([float(series[category]) for category in shown])
        drawn = np.where(np.isfinite(heights), heights, 0)
        ax.bar(xs, drawn, width=0.92 * width, label=name, color=_KINDS.get(name))
        for x, height in zip(xs, heights, strict=True):
            down = height < 0 and math.isfinite(height)
            text = _number(height, numbers)
            narrow = pixels * width < 5 * len(text)
            ax.annotate(
                text,
                (x, height if math.isfinite(height) else 0),
                xytext=(0, -2 if down else 2),
                textcoords="offset points",
                ha="center",
                va="top" if down else "bottom",
                fontsize=9 if pixels * width >= 6.5 * len(text) else 8,
                rotation=90 if narrow else 0,
            )
    ax.axhline(0, color="0.3", linewidth=0.8)
    together = ax.get_shared_y_axes().get_siblings(ax)
    crowded = any(text.get_rotation() for panel in together for text in panel.texts)
    ax.margins(y=0.24 if crowded else 0.12)
    fits = int(pixels / 6)
    words = [textwrap.fill(name, max(fits, 4), break_long_words=False) for name in categories]
    slanted = max(len(line) for word in words for line in word.split("\n")) > fits + 1
    ax.set_xticks(
        range(len(categories)),
        categories if slanted else words,
        rotation=30 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
    )
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="x", visible=False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


# A picture that is there within this many seconds follows the mouse; a slower one waits until
# the slider is let go.
_AT_ONCE = 0.5


def sliders(draw: Callable[..., object], **choices: object) -> None:
    """Let the learner turn the knobs of a picture.

    In a live notebook the knobs stand above the picture and every move draws it
    anew. Where nobody can move anything, as in a notebook that is rendered,
    tested or run by papermill, ``draw`` is called once with the start values and
    nothing else appears.

    Args:
        draw: Called with one value for each choice; draws one figure and shows it.
        **choices: What each argument of ``draw`` may be: ``(low, high, step)`` or
            ``(low, high, step, start)`` for a slider, which starts at ``low`` if
            it is not told where; a list of values for a menu, the first one
            chosen; ``True`` or ``False`` for a tick box.

    Raises:
        ValueError: If there is no choice, or one is of another form.
    """
    if not choices:
        raise ValueError("sliders() needs at least one choice, such as depth=(2, 50, 1)")
    starts = {name: _start(name, choice) for name, choice in choices.items()}
    if not _live():
        draw(**starts)
        return
    import ipywidgets  # here, as only a live notebook can use it

    knobs = {name: _knob(ipywidgets, name, choice) for name, choice in choices.items()}
    picture = ipywidgets.Output()

    def redraw(change: object = None) -> None:
        with picture:
            clear_output(wait=True)  # the old picture stays until the new one is there
            began = time.perf_counter()
            try:
                values = {name: _value(choices[name], knobs[name].value) for name in knobs}
                draw(**values)
            except Exception as error:  # whatever a learner's own draw may raise
                plt.close("all")
                sentence = f"{type(error).__name__}: {error}".split("\n")[0]
                print(sentence)  # noqa: T201 - it appears where the picture would
            quick = time.perf_counter() - began < _AT_ONCE
            for knob in knobs.values():  # the first picture of a process is slow by itself
                if change is not None and hasattr(knob, "continuous_update"):
                    knob.continuous_update = quick

    redraw()
    for knob in knobs.values():
        knob.observe(redraw, names="value")
    display(ipywidgets.VBox([*knobs.values(), picture]))


def _live() -> bool:
    """Say whether somebody looks at this notebook: Jupyter's server names such a session."""
    return bool(os.environ.get("JPY_SESSION_NAME"))


def _start(name: str, choice: object) -> object:
    """Return the value that a choice starts with; refuse what is no choice."""
    if isinstance(choice, bool):
        return choice
    if isinstance(choice, list) and choice:
        return choice[0]
    if (
        isinstance(choice, tuple)
        and len(choice) in (3, 4)
        and all(isinstance(part, Real) for part in choice)
    ):
        low, high, step, start = choice if len(choice) == 4 else (*choice, choice[0])
        if low < high and step > 0 and low <= start <= high:
            return start
    raise ValueError(
        f"{name} must be (low, high, step) or (low, high, step, start) with low < high, "
        f"a list of values, or a truth value, got {choice!r}"
    )


def _knob(ipywidgets: ModuleType, name: str, choice: object) -> object:
    words = {"description": name.replace("_", " "), "style": {"description_width": "7em"}}
    if isinstance(choice, bool):
        return ipywidgets.Checkbox(choice, **words)
    if isinstance(choice, list):
        return ipywidgets.Dropdown(options=choice, **words)
    low, high, step = choice[:3]
    words["layout"] = {"width": "32em"}
    if all(isinstance(part, Integral) for part in choice):
        kind = ipywidgets.IntSlider
    else:
        kind = ipywidgets.FloatSlider
        words["readout_format"] = f".{_decimals(choice)}f"
    return kind(_start(name, choice), min=low, max=high, step=step, **words)


def _value(choice: object, value: object) -> object:
    """Return what the learner sees: 0.3 where three steps of 0.1 gave 0.30000000000000004."""
    return round(value, _decimals(choice)) if isinstance(value, float) else value


def _decimals(choice: tuple) -> int:
    """Return how many decimals the places of a slider have."""
    return max(0, *(-Decimal(str(part)).as_tuple().exponent for part in (choice[0], choice[2])))

"""Draw quantities as points and lines: over layers, steps, seeds, or anything else."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from helpers import text
from helpers.plots._alt_text import THEORY
from helpers.plots._looks import Look, looks
from helpers.plots._style import new_axes, plain_ticks, slant

if TYPE_CHECKING:  # train imports torch, and a picture needs none
    from helpers.train import History

# Where float32 gives up: below the first bound the square of a number is 0, so a
# norm reads 0; below the second the number itself is.
_SQUARE_IS_ZERO = 2.0**-75
_NUMBER_IS_ZERO = 2.0**-149


def layer_profile(
    measured: Mapping[str, ArrayLike],
    theory: Mapping[str, ArrayLike] | None = None,
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
        measured: For each label, one value per layer, from input to output.
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
    low, highest = min(positive) / 10, max(positive)
    ax = new_axes(ax)
    beside = (np.inf, 0.0) if ax.get_autoscaley_on() else ax.get_ylim()  # drawn here before
    low = min(low, beside[0])
    # At the top, a tenth of the axis is free for the arrow.
    high = max(highest * max(10.0, (highest / low) ** 0.11), beside[1])
    for label, look in looks(measured, ax).items():
        values = np.asarray(measured[label], dtype=float)
        layers = np.arange(1, len(values) + 1)
        _draw_points(ax, layers, np.where(values > 0, values, np.nan), label, look)
        _zeros_on_the_edge(ax, layers, values, label, look)
        if label in theory:
            line = np.asarray(theory[label], dtype=float)
            _draw_theory(ax, np.arange(1, len(line) + 1), line, label, look)
    if theory:
        _name_theory(ax)
    if float32_zone:
        _dead_zone(ax, low, high)
    ax.set(yscale="log", ylim=(low, high), xlabel="layer (1 = nearest the input)", ylabel=ylabel)
    _say_where_the_gradient_flows(ax)
    ax.set_title(title)
    ax.xaxis.set_major_locator(_LayerLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.legend()
    return ax


class _LayerLocator(MaxNLocator):
    """Ticks at layers: there is none with number 0."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Return where ticks stand between two places."""
        return [tick for tick in super().tick_values(vmin, vmax) if tick >= 1]


def _say_where_the_gradient_flows(ax: Axes) -> None:
    """Draw an arrow from the last layer towards layer 1, above the data."""
    words = ax.annotate(
        "the gradient flows",
        (0.99, 0.95),
        xycoords="axes fraction",
        ha="right",
        va="center",
        fontsize=9,
        color="0.35",
    )
    ax.annotate(
        "",
        (-0.4, 0.5),
        xycoords=words,
        xytext=(-0.02, 0.5),
        textcoords=words,
        arrowprops={"arrowstyle": "->", "color": "0.35"},
    )


def _draw_points(ax: Axes, xs: np.ndarray, ys: np.ndarray, label: str, look: Look) -> None:
    ax.plot(
        xs,
        ys,
        linestyle="none",
        marker=look.marker,
        markersize=5 if len(xs) <= 50 else 3,
        markerfacecolor=look.face,
        color=look.colour,
        label=label,
    )


def _draw_theory(ax: Axes, xs: np.ndarray, ys: np.ndarray, label: str, look: Look) -> None:
    ax.plot(xs, ys, linestyle="--", color=look.colour, zorder=3, gid=f"{THEORY}{label}")


def _name_theory(ax: Axes) -> None:
    """Say in the legend, once for all colours, what the dashed lines are."""
    ax.plot([], [], linestyle="--", color="0.4", label="theory")


def _zeros_on_the_edge(
    ax: Axes, places: np.ndarray, values: np.ndarray, label: str, look: Look
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
            color=look.colour,
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
    measured: Mapping[str, ArrayLike],
    theory: Mapping[str, Sequence[Any] | np.ndarray] | None = None,
    *,
    x: ArrayLike | Mapping[str, ArrayLike],
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    ticks: Mapping[float, str] | None = None,
    slanted: bool = False,
    legend: bool = True,
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
        ticks: What to write at which ``x``; numbers where there is room when omitted.
        slanted: Whether to write ``ticks`` at a slant, as long ones need it.
        legend: Whether to say which label has which colour.
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
        line = (series[0], series[1]) if own else (points[label][0], series)
        lines[label] = np.asarray(line[0], dtype=float), np.asarray(line[1], dtype=float)
        _check_lengths(f"{label}, theory", *lines[label])
    ax = new_axes(ax)
    for label, look in looks(points, ax).items():
        xs, ys = points[label]
        shown = _drawable(ys, yscale)
        steps = np.sign(np.diff(xs))
        ordered = len(xs) > 1 and (steps == steps[0]).all() and steps[0] != 0
        if ordered and len(xs) > 60:
            ax.plot(
                xs,
                shown,
                color=look.colour,
                linestyle=look.dashes,
                label=label,
                alpha=0.5 if label in lines else 1,
            )
        else:
            if ordered and label not in lines:
                ax.plot(xs, shown, color=look.colour, linewidth=1, alpha=0.45, label="_nolegend_")
            _draw_points(ax, xs, shown, label, look)
        if yscale == "log":
            _zeros_on_the_edge(ax, xs, ys, label, look)
        if label in lines:
            xs, ys = lines[label]
            _draw_theory(ax, xs, _drawable(ys, yscale), label, look)
    if lines:
        _name_theory(ax)
    for place in ticks or {}:  # in sight, even if nothing is drawn there
        ax.update_datalim([(place, 0.0)], updatey=False)
    ax.set(xscale=xscale, yscale=yscale, xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title)
    if ticks:
        ax.set_xticks([*ticks], [*ticks.values()], **(slant(30) if slanted else {}))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        plain_ticks(ax.xaxis, [xs for xs, _ in points.values()])
    plain_ticks(ax.yaxis)
    if legend:
        ax.legend()
    return ax


def _places(label: str, x: ArrayLike | Mapping[str, ArrayLike]) -> np.ndarray:
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


def training_curves(
    histories: Mapping[str, "History"],
    *,
    chance: float | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss against the step, one line for each training run.

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
    ax = new_axes(ax)
    for label, look in looks(histories, ax).items():
        losses = histories[label].losses
        ax.plot(
            np.arange(len(losses)),
            losses,
            color=look.colour,
            linestyle=look.dashes,
            label=label,
            alpha=0.9,
        )
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
    values: Mapping[str, ArrayLike],
    published: Mapping[str, float] | None = None,
    *,
    xlabel: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw how a number spreads over seeds, and where a published one falls.

    Args:
        values: For each label, one number per seed, all positive.
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
    samples = {label: np.asarray(numbers, dtype=float) for label, numbers in values.items()}
    for label, numbers in samples.items():
        if not numbers.size or not (np.isfinite(numbers) & (numbers > 0)).all():
            raise ValueError(f"values must be finite and positive numbers, not so for {label!r}")
    ax = new_axes(ax)
    for label, look in looks(samples, ax).items():
        numbers = samples[label]
        ax.hist(
            numbers,
            bins=np.geomspace(numbers.min() / 1.02, numbers.max() * 1.02, 16).tolist(),
            color=look.colour,
            alpha=0.75,
            label=f"{label}, {text.count(len(numbers), 'seed')}",
        )
        if label in published:
            ax.axvline(
                published[label],
                color="black",
                linestyle="--",
                linewidth=1.4,
                label=f"published: {published[label]:.6f}",
            )
    ax.set(xscale="log", xlabel=xlabel, ylabel="number of seeds")
    ax.set_title(title)
    ax.legend()
    return ax

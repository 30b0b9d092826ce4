"""Draw records; compute nothing.

Every function takes plain arrays or records and returns the axes it drew on;
``show`` puts the finished picture, with its alt text, into the notebook.
"""

import io
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.train import History

# Where float32 gives up: below the first bound the square of a number is 0, so a
# norm reads 0; below the second the number itself is.
_SQUARE_IS_ZERO = 2.0**-75
_NUMBER_IS_ZERO = 2.0**-149

_MARKERS = "osD^vPX"


def use_style() -> None:
    """Give every later figure of this process the look of the course."""
    with resources.as_file(resources.files("helpers") / "course.mplstyle") as style:
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
    figure.savefig(picture, format="png", metadata={"Software": None})
    plt.close(figure)
    display(
        {"image/png": picture.getvalue(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def _axes(ax: Axes | None) -> Axes:
    return plt.figure().gca() if ax is None else ax


def panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    """Make one figure with panels side by side that share the vertical axis.

    Args:
        count: Number of panels.

    Returns:
        The figure and its axes, from left to right.
    """
    return plt.subplots(1, count, sharey=True)


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
        zero = values == 0
        if zero.any():
            ax.plot(
                layers[zero],
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

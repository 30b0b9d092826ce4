"""The look that all figures share, and how a finished one is shown."""

import io
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from helpers import text

# The kinds of a ledger, each with its colour in every lesson (Okabe and Ito 2008).
KIND_COLOURS = {"weights": "#0072B2", "activation": "#D55E00", "norm": "#009E73", "skip": "#CC79A7"}


def use_style() -> None:
    """Give every later figure of this process the look of the course."""
    plt.style.use("helpers.plots.course")


def show(axes: Axes, alt: str) -> None:
    """Put the figure of these axes into the notebook as a PNG, and close it.

    Args:
        axes: Any axes of the figure.
        alt: What the figure shows, for a reader who cannot see it; stored with
            the image and as its plain-text form.

    Raises:
        ValueError: If the alt text is empty.
    """
    from IPython.display import display  # here, as a page of a sweep needs no notebook

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


def panels(count: int, share: bool = True) -> tuple[Figure, Sequence[Axes]]:
    """Make one figure with panels side by side.

    Args:
        count: Number of panels, at least 2.
        share: Whether they have one vertical axis; say no for different units.

    Returns:
        The figure and its axes, from left to right.
    """
    return plt.subplots(1, count, sharey=share)


def new_axes(ax: Axes | None) -> Axes:
    """Return the axes that somebody gave, or those of a new figure."""
    return plt.figure().gca() if ax is None else ax


def looks() -> Iterator[tuple[str, str]]:
    """Yield a colour and a marker for each series, one after the other, without an end."""
    colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    return zip(cycle(colours), cycle("osD^vPX"), strict=False)


def slant(degrees: float) -> dict[str, Any]:
    """Return how long names are written under an axis, so that each ends at its tick."""
    return {"rotation": degrees, "ha": "right", "rotation_mode": "anchor"}


def plain_ticks(axis: Axis, places: Sequence[np.ndarray] = ()) -> None:
    """Write 20 and 0.5, not 2 x 10^1, on an axis that is short enough for it.

    Args:
        axis: Any axis, with its limits and its scale.
        places: Where something is drawn; if these are whole numbers, so are the ticks.
    """
    low, high = axis.get_view_interval()
    if axis.get_scale() != "log":
        if len(places) and all((xs == np.round(xs)).all() for xs in places):
            axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        return
    if low >= 1e-4 and high <= 1e6 and high / low <= 2000:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: text.in_figure(value, ",g")))
    axis.set_minor_formatter(NullFormatter())

"""The look that all figures share, and how a finished one is shown."""

import io
from collections.abc import Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from helpers import text
from helpers.plots._alt_text import description, headline
from helpers.plots._legends import settle_names

_CSS_PIXELS = 80  # an inch on the page; the picture has twice as many dots, for sharp screens

# The kinds of a ledger, each with its colour in every lesson (Okabe and Ito 2008).
KIND_COLOURS = {"weights": "#0072B2", "activation": "#D55E00", "norm": "#009E73", "skip": "#CC79A7"}


def use_style() -> None:
    """Give every later figure of this process the look of the course."""
    plt.style.use("helpers.plots.course")


def show(axes: Axes, meaning: str = "") -> None:
    """Put the figure of these axes into the notebook as a PNG, and close it.

    With the picture go words for a reader who cannot see it: what the figure shows,
    read off the figure itself.

    Args:
        axes: Any axes of the figure.
        meaning: A sentence that the words begin with, where the point is not on the figure.
    """
    from IPython.display import display  # here, as a page of a sweep needs no notebook

    figure = cast("Figure", axes.get_figure(root=True))
    width, height = (round(_CSS_PIXELS * inches) for inches in figure.get_size_inches())
    settle_names(figure)
    words = " ".join(filter(None, [meaning, description(figure)]))
    picture = _png(figure)
    plt.close(figure)
    display(
        # The plain text is compared when a notebook is tested, so it holds no measured number.
        {"image/png": picture, "text/plain": headline(figure)},
        metadata={"image/png": {"alt": words, "width": width, "height": height}},
        raw=True,
    )


def _png(figure: Figure) -> bytes:
    """Draw a figure in at most 256 colours, which nobody sees: a third of the bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture = io.BytesIO()
    few = drawn.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(picture, "png", optimize=True)
    return picture.getvalue()


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

"""Draw a ledger: which module takes what from the gradient."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from helpers import text
from helpers.plots._looks import KIND_COLOURS
from helpers.plots._style import new_axes, slant

if TYPE_CHECKING:  # probe imports torch, and a picture needs none
    from helpers.probe import Ledger, LedgerRow


def waterfall(ledger: "Ledger", *, title: str = "", ax: Axes | None = None) -> Axes:
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
    ax = new_axes(ax)
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
            color=KIND_COLOURS[row.kind],
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
    total = text.in_figure(abs(ledger.total), ".1f")
    left = path[: len(path) // 2 + 1]
    below, above = high - left.max(), left.min() - low  # the axis is upside down
    ax.legend(
        handles=[
            Patch(color=colour, label=f"{kind} {text.in_figure(ledger.by_kind[kind], '.1f')}")
            for kind, colour in KIND_COLOURS.items()
            if kind in ledger.by_kind
        ],
        title=f"{total} decades {'lost' if ledger.total >= 0 else 'gained'}",
        loc="lower left" if below > above else "upper left",
        ncols=1 if steady else 2,
        alignment="left",
    )
    return ax


def _say_the_end(ax: Axes, place: int, height: float, lost: bool, count: int) -> None:
    right = place < count / 2
    ax.annotate(
        "the gradient ends here: exactly 0" if lost else "the gradient overflows here",
        (place + (0.5 if right else -0.5), height),
        ha="left" if right else "right",
        va="center",
        fontsize=9,
    )


def _write_on_steps(ax: Axes, rows: Sequence["LedgerRow"], path: np.ndarray) -> None:
    for place, row in enumerate(rows):
        if math.isfinite(row.decades):
            above = row.decades >= 0  # the axis is upside down: a loss ends below
            ax.annotate(
                text.in_figure(row.decades, ".2f"),
                (place, path[place]),
                xytext=(0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=8,
                color="0.25",
            )


def _name_weights(ax: Axes, rows: Sequence["LedgerRow"]) -> None:
    """Name the weight layers, as many as there is room for; the colours say the rest."""
    weights = [place for place, row in enumerate(rows) if row.kind == "weights"]
    places = weights[:: max(1, math.ceil(len(weights) / 12))]
    slanted = sum(len(rows[place].name) + 2 for place in places) > 60
    ax.set_xticks(
        places,
        [rows[place].name for place in places],
        fontsize=9,
        **(slant(35) if slanted else {}),
    )
    ax.set_xlabel("weight layer (its name), loss to input")

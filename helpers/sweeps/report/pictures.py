"""Draw one result of a sweep, in the way that its chart says."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from helpers import plots
from helpers.sweeps.report import captions, wording
from helpers.sweeps.report.charts import Chart
from helpers.sweeps.report.runs import NO_RUN, Grid, Run, Spread, grouped, spread_of
from helpers.sweeps.report.scales import Axis, axis_for, drawable, plain, spans_decades
from helpers.sweeps.report.sentences import Answer, extremes

_BARS = 12  # seeds; more of them are a distribution


@dataclass(frozen=True)
class Picture:
    """One result as a picture, and what is said about it.

    Attributes:
        result: Its name.
        png: The picture in base64.
        width: How wide it is, in CSS pixels.
        alt: What it shows.
        caption: How to read it.
        answers: The best and the worst settings.
    """

    result: str
    png: str
    width: int
    alt: str
    caption: str
    answers: Sequence[Answer]


def picture(chart: Chart, grid: Grid, runs: Sequence[Run], result: str) -> Picture:
    """Draw one result and say in words what is to be seen."""
    seeds = chart.kind == "seeds"
    names = ["seed"] if seeds else [name for name in (*chart.panels, chart.by, chart.x) if name]
    cells = {key: spread_of(group, result) for key, group in grouped(runs, names).items()}
    over = [*chart.averaged, *(["seed"] if not seeds and len(grid.get("seed", ())) > 1 else [])]
    means = [drawable(spread.mean) for spread in cells.values()]
    log = spans_decades(means)
    png = io.BytesIO()
    with mpl.rc_context():
        plots.use_style()
        mpl.rcParams["axes.titlesize"] = 10  # a title names a panel
        figure = _draw(chart, grid, cells, result, means, log)
        figure.savefig(png, format="png", dpi=144, metadata={"Software": None})
    answers = extremes(runs, [name for name in grid if name != "seed"], result)
    return Picture(
        result,
        base64.b64encode(png.getvalue()).decode(),
        round(100 * figure.get_figwidth()),
        captions.alt(chart, grid, cells, result, answers),
        captions.caption(chart, cells, over, log),
        answers,
    )


# What is drawn, for each place in a panel or in a picture.
_Cells = Mapping[tuple[str, ...], Spread]


@dataclass(frozen=True)
class _Look:
    """What the panels of a picture have in common.

    Attributes:
        result: What is drawn, as it is written.
        log: Whether it is on a logarithmic scale.
        means: All the numbers that are drawn.
        columns: How many panels stand side by side.
        axes: The panels, row by row.
        titles: What each of them is called.
    """

    result: str
    log: bool
    means: Sequence[float]
    columns: int
    axes: Sequence[Axes]
    titles: Sequence[str]

    def panel(self, place: int, x: str, y: str) -> dict[str, Any]:
        """Return where a panel is drawn and what it says; inner ones do not name the axes."""
        lowest = place + self.columns >= len(self.axes)
        return {
            "ax": self.axes[place],
            "title": self.titles[place],
            "xlabel": x if lowest else "",
            "ylabel": "" if place % self.columns else y,
        }


def _draw(
    chart: Chart, grid: Grid, cells: _Cells, result: str, means: Sequence[float], log: bool
) -> Figure:
    """Draw a figure with a panel for each combination of the values of ``chart.panels``."""
    x = axis_for(chart.x or "seed", grid[chart.x or "seed"])
    by = axis_for(chart.by, grid[chart.by]) if chart.by else None
    keys = list(product(*(grid[name] for name in chart.panels)))
    columns = min(len(keys), 3)
    rows = math.ceil(len(keys) / columns)
    size = (7.6, 4.2)
    if len(keys) > 1:
        size = (3.3 * columns + 0.6, 2.8 * rows + 0.5)
    elif by and by.even and chart.kind == "heat map":
        size = (7.6, max(4.2, 1.2 + 0.3 * len(by.labels)))
    figure = Figure(figsize=size)
    axes = list(figure.subplots(rows, columns, sharey=len(keys) > 1, squeeze=False).flat)
    for spare in axes[len(keys) :]:
        spare.remove()
    names = [plain(name) for name in chart.panels]
    titles = [wording.setting(dict(zip(names, map(plain, key), strict=True))) for key in keys]
    look = _Look(plain(result), log, means, columns, axes[: len(keys)], titles)
    for place, key in enumerate(keys):
        own = {cell[len(key) :]: cells[cell] for cell in cells if cell[: len(key)] == key}
        if by and chart.kind == "heat map":
            _draw_map(own, x, by, look, place)
        elif chart.kind in ("line", "lines"):
            _draw_lines(own, x, by, look, place)
        elif chart.kind == "seeds" and len(cells) > _BARS:
            _draw_distribution(axes[0], look)
        else:
            _draw_bars(own, x, look)
    if len(keys) > 1 and chart.kind == "lines":
        _name_lines(figure, look)
    return figure


def _name_lines(figure: Figure, look: _Look) -> None:
    """Write one legend for all panels."""
    handles: dict[str, Artist] = {}
    for ax in look.axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    figure.legend([*handles.values()], [*handles], loc="outside upper left", ncols=2 * look.columns)


def _draw_lines(cells: _Cells, x: Axis, by: Axis | None, look: _Look, place: int) -> None:
    keys: dict[str, list[tuple[str, ...]]] = {look.result: [(label,) for label in x.labels]}
    if by:
        keys = {
            _line_name(by, word): [(label, other) for other in x.labels]
            for label, word in zip(by.labels, by.words, strict=True)
        }
    found = {name: [cells.get(key, NO_RUN) for key in line] for name, line in keys.items()}
    measured = {name: [drawable(s.mean) for s in spreads] for name, spreads in found.items()}
    letters = 66 / look.columns
    ax = plots.curves(
        measured,
        x=x.places,
        xscale=x.drawn_scale,
        yscale="log" if look.log else "linear",
        ticks=x.ticks(letters),
        slanted=x.too_long(letters),
        legend=by is not None and len(look.axes) == 1,
        **look.panel(place, x.name, look.result),
    )
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    for name, spreads in found.items():
        _draw_ranges(ax, x.places, spreads, colours[name])
        _mark_infinite(ax, x.places, measured[name], colours[name])


def _line_name(by: Axis, word: str) -> str:
    """Return what the legend calls a line; matplotlib would pass over a leading underscore."""
    bare = by.scale == "names" and word not in ("True", "False") and not word.startswith("_")
    return word if bare else f"{by.name} {word}"


def _draw_ranges(
    ax: Axes, places: Sequence[float], spreads: Sequence[Spread], colour: ColorType
) -> None:
    for place, spread in zip(places, spreads, strict=True):
        low, high = drawable(spread.low), drawable(spread.high)
        if low < high and math.isfinite(low) and math.isfinite(high):
            ax.vlines(place, low, high, color=colour, alpha=0.45, linewidth=1.4)


def _mark_infinite(
    ax: Axes, places: Sequence[float], means: Sequence[float], colour: ColorType
) -> None:
    """Put an open triangle on the edge of the picture that an infinite number lies beyond."""
    for place, mean in zip(places, means, strict=True):
        if math.isinf(mean):
            ax.plot(
                place,
                1.0 if mean > 0 else 0.0,
                transform=ax.get_xaxis_transform(),
                linestyle="none",
                marker="^" if mean > 0 else "v",
                markerfacecolor="none",
                clip_on=False,
                color=colour,
            )


def _draw_map(cells: _Cells, x: Axis, by: Axis, look: _Look, place: int) -> None:
    found = [[cells.get((row, column), NO_RUN) for column in x.labels] for row in by.labels]
    values = np.array([[drawable(spread.mean) for spread in row] for row in found])
    scale = np.array(look.means)
    if look.log:
        with np.errstate(divide="ignore"):  # an exact 0 is a cell without a colour
            values, scale = np.log10(values), np.log10(scale)
    scale = scale[np.isfinite(scale)]
    one = len(look.axes) == 1
    roomy = len(x.labels) * look.columns <= 12 and len(by.labels) <= 14
    texts = [[""] * len(x.labels) for _ in by.labels]
    for (row, column), value in np.ndenumerate(values):
        spread = found[row][column]
        if not math.isfinite(value):  # without a colour
            texts[row][column] = spread.mark or wording.number(spread.mean, 2)
        elif roomy:
            texts[row][column] = wording.number(spread.mean, 3 if one else 2)
    ax = plots.heat_map(
        values,
        x=x.words if x.even else x.places,
        y=by.words if by.even else by.places,
        label=look.result,
        xscale=x.drawn_scale,
        yscale=by.drawn_scale,
        vmin=float(scale.min()) if scale.size else 0.0,
        vmax=float(scale.max()) if scale.size else 1.0,
        decades=look.log,
        numbers=texts,
        slanted=x.too_long(58 / look.columns),
        beside=None if one else () if place else look.axes,
        **look.panel(place, x.name, by.name),
    )
    if by.scale == "names":
        ax.invert_yaxis()  # names are read from the top


def _draw_bars(cells: _Cells, x: Axis, look: _Look) -> None:
    """Draw a bar for each value, or where numbers span decades, and a bar has no foot, a point."""
    spreads = [cells.get((label,), NO_RUN) for label in x.labels]
    means = dict(zip(x.words, (drawable(spread.mean) for spread in spreads), strict=True))
    panel = look.panel(0, x.name, look.result)
    if look.log:
        places = [float(place) for place in range(len(means))]
        ax = plots.curves(
            {word: [mean] for word, mean in means.items()},
            x={word: [place] for word, place in zip(x.words, places, strict=True)},
            yscale="log",
            ticks=dict(zip(places, x.words, strict=True)),
            slanted=x.too_long(66),
            legend=False,
            **panel,
        )
        _mark_infinite(ax, places, [*means.values()], "0.3")
        ax.set_xlim(-0.6, len(means) - 0.4)
    else:
        places = [place - 0.36 for place in range(len(means))]  # beside the number on the bar
        texts = [spread.mark or wording.number(spread.mean) for spread in spreads]
        ax = plots.bars(means, numbers=dict(zip(x.words, texts, strict=True)), **panel)
    _draw_ranges(ax, places, spreads, "0.1")


def _draw_distribution(ax: Axes, look: _Look) -> None:
    if look.log:
        positive = [mean for mean in look.means if mean > 0 and math.isfinite(mean)]
        plots.distribution({look.result: positive}, xlabel=look.result, ax=ax)
    else:
        ax.hist([mean for mean in look.means if math.isfinite(mean)], bins=16, alpha=0.75)
        ax.set(xlabel=look.result, ylabel="number of seeds")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))

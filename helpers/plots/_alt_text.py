"""Say in words what a finished figure shows, for readers who cannot see it.

The words are read off the figure, so they are true of it whatever a lesson drew.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import QuadMesh
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from helpers import text

_LONGEST = 500  # characters: what a screen reader says in half a minute
_SEEN = 0.05  # a difference that is seen, as a share of the axis
THEORY = "theory of "  # with a label, the group (gid) of the line that was predicted for it
DENSITY = "density"  # the group of a line that is a histogram


class _Detail(Enum):
    """How much is said of a line."""

    TURNS = "where it starts, ends and turns"
    ENDS = "where it starts and ends"
    NAMES = "what it is"


def headline(figure: Figure) -> str:
    """Return the titles of a figure's panels; what has none is called untitled."""
    titles = [
        _title(ax) or f"untitled: {ax.get_ylabel()} against {ax.get_xlabel()}"
        for ax in _panels(figure)
    ]
    return "; ".join(dict.fromkeys(filter(None, [figure.get_suptitle(), *titles])))


def _title(ax: Axes) -> str:
    return ax.get_title(loc="left") or ax.get_title()


def description(figure: Figure) -> str:
    """Say what each panel shows: its axes, and where each line, bar or map goes.

    Whoever has much to show is told in fewer words: first without what lies between
    the ends of a line, then only how far all lines of a panel reach.
    """
    panels = _panels(figure)
    start = f"{figure.get_suptitle()}. " if figure.get_suptitle() else ""
    for detail in (_Detail.TURNS, _Detail.ENDS):
        written = start + " ".join(_panel(ax, _parts(ax, detail)) for ax in panels)
        if len(written) <= _LONGEST:
            return written
    shorter = []
    for before, ax in zip([None, *panels[:-1]], panels, strict=True):
        names = _parts(ax, _Detail.NAMES)
        again = before is not None and names == _parts(before, _Detail.NAMES)
        shorter.append(_panel(ax, [*(["the same"] if again else names), *_reach(ax)]))
    return text.shortened(start + " ".join(shorter), _LONGEST - 1)


def _panels(figure: Figure) -> list[Axes]:
    """Return the axes that somebody drew on, without the colour bars."""
    bars = [image.colorbar.ax for ax in figure.axes for image in ax.collections if image.colorbar]
    return [ax for ax in figure.axes if ax not in bars and ax.has_data()]


def _panel(ax: Axes, parts: list[str]) -> str:
    title = _title(ax)
    axes = " against ".join(filter(None, [_axis(ax, "y"), _axis(ax, "x")]))
    start = [f"{title}:"] if title else []
    return " ".join([*start, *([f"{axes}."] if axes else []), f"{'; '.join(parts)}."])


def _parts(ax: Axes, detail: _Detail) -> list[str]:
    return [
        *_pictures(ax),
        *_maps(ax),
        *_bars(ax),
        *_histograms(ax, detail),
        *_lines(ax, detail),
        *_loose_points(ax),
    ]


def _reach(ax: Axes) -> Iterator[str]:
    """Say between which values all the lines of a panel lie."""
    values = np.concatenate([np.zeros(0), *(_data(line)[1] for line in ax.get_lines())])
    low, high = ax.get_ylim()
    values = values[(min(low, high) <= values) & (values <= max(low, high))]
    if values.size:
        yield f"all between {_number(ax, values.min())} and {_number(ax, values.max())}"


def _axis(ax: Axes, name: str) -> str:
    """Return what an axis is; the inner ones of shared axes are named outside."""
    siblings = getattr(ax, f"get_shared_{name}_axes")().get_siblings(ax)
    labels = [getattr(panel, f"get_{name}label")() for panel in (ax, *siblings)]
    label = next(filter(None, labels), "")
    return f"{label} (log)" if label and getattr(ax, f"get_{name}scale")() == "log" else label


def _lines(ax: Axes, detail: _Detail) -> Iterator[str]:
    """Describe the lines that have a name, each with its theory."""
    theory = {line.get_gid(): line for line in ax.get_lines() if line.get_gid()}
    for line in ax.get_lines():
        label = str(line.get_label())
        if label.startswith("_") or line.get_gid() or not _data(line)[0].size:
            continue
        x_is_data, y_is_data = line.get_transform().contains_branch_seperately(ax.transData)
        xs, ys = _data(line)
        if not x_is_data:
            yield f"{label} at {_number(ax, ys[0])}"
        elif not y_is_data:
            ends = dict.fromkeys(_place(ax, x) for x in (xs.min(), xs.max()))
            yield f"{label} at {' to '.join(ends)}"
        else:
            yield _course(ax, label, xs, ys, detail) + _agreement(
                ax, xs, ys, theory.get(f"{THEORY}{label}")
            )


def _loose_points(ax: Axes) -> Iterator[str]:
    """Say how far points without a name reach, as those over bars."""
    heights = [
        _data(line)[1]
        for line in ax.get_lines()
        if str(line.get_label()).startswith("_child") and line.get_marker() not in ("None", "")
    ]
    if heights:
        values = np.concatenate(heights)
        low, high = (_number(ax, end) for end in (np.nanmin(values), np.nanmax(values)))
        yield f"points from {low} to {high}"


def _course(ax: Axes, label: str, xs: np.ndarray, ys: np.ndarray, detail: _Detail) -> str:
    """Say where a line starts and ends, and how far it goes in between."""
    seen = np.isfinite(ys)
    if any(isinstance(cells, QuadMesh) for cells in ax.collections):  # a line ends with its map
        seen &= (ys >= ax.get_ylim()[0]) & (ys <= ax.get_ylim()[1])
    xs, ys = xs[seen], ys[seen]
    if detail is _Detail.NAMES or not len(ys):
        return label
    if (np.diff(xs) <= 0).any():
        return (
            f"{label}, {text.count(len(ys), 'point')} from {_number(ax, ys.min())} "
            f"to {_number(ax, ys.max())}"
        )
    if len(ys) == 1:
        return f"{label} {_number(ax, ys[0])} at {_place(ax, xs[0])}"
    ends = [_number(ax, ys[0]), _number(ax, ys[-1])]
    words = f"{label} from {ends[0]} to {ends[1]}"
    heights = _height(ax, ys)
    for extreme, where in (("lowest", heights.argmin()), ("highest", heights.argmax())):
        beyond = np.abs(heights[where] - heights[[0, -1]]).min()
        value = _number(ax, ys[where])
        if detail is _Detail.TURNS and beyond > _SEEN and value not in ends:
            words += f", {extreme} {value} at {_place(ax, xs[where])}"
    return words


def _height(ax: Axes, ys: np.ndarray) -> np.ndarray:
    """Return how high values stand, as a share of the axis; what is outside, at its end."""
    log = ax.get_yscale() == "log"
    low, high = np.log(ax.get_ylim()) if log else ax.get_ylim()
    return np.clip(((np.log(ys) if log else ys) - low) / (high - low), 0, 1)


def _agreement(ax: Axes, xs: np.ndarray, ys: np.ndarray, theory: Line2D | None) -> str:
    """Say whether a line's theory runs through it, or where it is farthest from it."""
    if theory is None:
        return ""
    places, values = _data(theory)
    order = np.argsort(places)
    expected = np.interp(xs, places[order], values[order], left=np.nan, right=np.nan)
    shared = np.isfinite(expected) & np.isfinite(ys)
    if not shared.any():
        return ""
    xs, expected = xs[shared], expected[shared]
    distance = np.abs(_height(ax, ys[shared]) - _height(ax, expected))
    worst = distance.argmax()
    if distance[worst] < _SEEN:
        return ", on theory"
    return f", theory {_number(ax, expected[worst])} at {_place(ax, xs[worst])}"


def _histograms(ax: Axes, detail: _Detail) -> Iterator[str]:
    """Say of each histogram where the middle half of it lies; in few words, of the ends."""
    lines = [
        line
        for line in ax.get_lines()
        if line.get_gid() == DENSITY and not str(line.get_label()).startswith("_")
    ]
    if detail is _Detail.ENDS and len(lines) > 2:
        yield f"{len(lines)} curves from {_spread(ax, lines[0])}, to {_spread(ax, lines[-1])}"
        return
    for line in lines:
        yield str(line.get_label()) if detail is _Detail.NAMES else _spread(ax, line)


def _spread(ax: Axes, line: Line2D) -> str:
    """Say between which numbers the middle half of a histogram lies."""
    places, heights = _data(line)
    if not np.nansum(heights):
        return f"{line.get_label()}, all beyond the axis"
    below = np.nancumsum(heights) / np.nansum(heights)
    first, last = np.searchsorted(below, (0.25, 0.75))
    if first == last:
        return f"{line.get_label()}, middle half at {_rounded(ax.xaxis, places[first], 2)}"
    log = ax.get_xscale() == "log"
    middles = np.log(places) if log else places
    half = (middles[1] - middles[0]) / 2
    edges = np.array([middles[0] - half, *(middles + half)])
    ends = np.interp((0.25, 0.75), [0.0, *below], edges)
    low, high = (_rounded(ax.xaxis, float(np.exp(end) if log else end), 2) for end in ends)
    return f"{line.get_label()}, middle half between {low} and {high}"


def _pictures(ax: Axes) -> Iterator[str]:
    """Say how many pictures there are, of how many pixels, and what stands under each."""
    if not ax.images:
        return
    names = [
        "" if str(one.get_label()).startswith("_") else str(one.get_label()) for one in ax.images
    ]
    cells: list[Any] = [one.get_array() for one in ax.images]
    height, width = cells[0].shape[:2]
    words = f"{text.count(len(names), 'picture')} of {height} by {width} pixels"
    named = [
        f"{name or f'number {place}'} (all of one grey)" if np.ptp(one) == 0 else name
        for place, (name, one) in enumerate(zip(names, cells, strict=True), start=1)
    ]
    yield f"{words}: {', '.join(filter(None, named))}" if any(named) else words


def _bars(ax: Axes) -> Iterator[str]:
    """Describe bars with names, bars that count, and the steps of a waterfall."""
    series = [row for row in ax.containers if isinstance(row, BarContainer)]
    written = iter([label.get_text() for label in ax.texts])
    legend = ax.get_legend()
    if legend and legend.get_title().get_text():
        kinds = ", ".join(label.get_text() for label in legend.get_texts())
        yield f"{text.count(len(series), 'step')}, {legend.get_title().get_text()}: {kinds}"
        return
    for row in series:
        label = str(row.get_label())
        if isinstance(ax.xaxis.get_major_locator(), FixedLocator):
            bars = [
                f"{_place(ax, round(bar.get_x() + bar.get_width() / 2))} {next(written, '')}"
                for bar in row
            ]
            series_name = "" if label.startswith("_") else f"{label}: "
            yield series_name + ", ".join(bars)
        else:
            full = [bar for bar in row if bar.get_height()]
            ends = full[0].get_x(), full[-1].get_x() + full[-1].get_width()
            low, high = (text.number(end, 2) for end in ends)
            yield f"{row.patches[0].get_label()}, from {low} to {high}"


def _maps(ax: Axes) -> Iterator[str]:
    """Say where a map of coloured cells is lowest and highest."""
    for mesh in ax.collections:
        cells: Any = np.ma.asarray(mesh.get_array())
        if not isinstance(mesh, QuadMesh) or not np.ma.count(cells):
            continue
        label = mesh.colorbar.ax.get_ylabel() if mesh.colorbar else "colour"
        corners = np.asarray(mesh.get_coordinates())
        ends = []
        for index in (cells.argmin(), cells.argmax()):
            row, column = np.unravel_index(index, cells.shape)
            x = _between(ax.get_xscale(), corners[row, column : column + 2, 0])
            y = _between(ax.get_yscale(), corners[row : row + 2, column, 1])
            value = text.number(float(cells[row, column]), 2)
            ends.append(f"{value} (at {_place(ax, x)}, {_place(ax, y, 'y')})")
        yield f"{label} from {' to '.join(ends)}"


def _between(scale: str, edges: np.ndarray) -> float:
    """Return the middle of a cell."""
    return float(np.exp(np.log(edges).mean()) if scale == "log" else edges.mean())


def _data(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


def _place(ax: Axes, value: float, which: str = "x") -> str:
    """Return what stands at a place of an axis: its word, if it has one, or the number."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if isinstance(axis.get_major_locator(), FixedLocator):
        places = axis.get_majorticklocs()
        names = axis.get_major_formatter().format_ticks(places.tolist())
        for place, name in zip(places, names, strict=True):
            if np.isclose(place, value) and name:
                return " ".join(name.split())
    return _rounded(axis, value, 3)


def _number(ax: Axes, value: float) -> str:
    return _rounded(ax.yaxis, value, 2)


def _rounded(axis: Axis, value: float, digits: int) -> str:
    """Write a number; what nobody can tell from 0 on the axis is 0."""
    nothing = axis.get_scale() != "log" and abs(value) < 1e-3 * np.ptp(axis.get_view_interval())
    return text.number(0.0 if nothing else float(value), digits)

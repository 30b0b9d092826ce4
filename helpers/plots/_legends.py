"""Name the series of a finished figure where no name hides what is drawn."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

_EM = 10 / 72  # inches: the size of a legend's letters


def settle_names(figure: Figure) -> None:
    """Say which lines hide others, and move legends off the data.

    Names go to the right ends of their lines if the figure has one panel and they have
    room there, or else below the figure. An axis that panels share is named once.

    Args:
        figure: A figure on which everything has been drawn; its parts have their final
            places afterwards.
    """
    legends = {ax: legend for ax in figure.axes if (legend := ax.get_legend())}
    for ax in figure.axes:
        _name_shared_axis_once(ax)
    for ax, legend in legends.items():
        _say_what_is_hidden(ax, legend)
    _lay_out(figure)
    if any(_hides(legend.get_window_extent(), ax, []) for ax, legend in legends.items()):
        if len(figure.axes) > 1 or not all(_name_at_ends(*panel) for panel in legends.items()):
            _name_below(figure, legends.values())
        _lay_out(figure)
    figure.set_layout_engine("none")  # drawing would only do the same again, which takes a while


def _lay_out(figure: Figure) -> None:
    if engine := figure.get_layout_engine():
        engine.execute(figure)


def _name_shared_axis_once(ax: Axes) -> None:
    subplot = ax.get_subplotspec()
    if subplot is None or subplot.is_first_col():
        return
    others = ax.get_shared_y_axes().get_siblings(ax)
    if any(other is not ax and other.get_ylabel() == ax.get_ylabel() for other in others):
        ax.set_ylabel("")


def named_lines(ax: Axes) -> list[Line2D]:
    """Return the lines of data that a legend names, in the order in which they are drawn."""
    return [
        line
        for line in ax.get_lines()
        if not str(line.get_label()).startswith("_")
        and line.get_transform() == ax.transData
        and len(_points(line))
    ]


def _points(line: Line2D) -> np.ndarray:
    """Return where the points of a line are seen, in dots of the picture, shape (points, 2)."""
    data = np.column_stack([np.asarray(part, dtype=float) for part in line.get_data()])
    shown = line.get_transform().transform(data[np.isfinite(data).all(axis=1)])
    return shown[np.isfinite(shown).all(axis=1)]


def _say_what_is_hidden(ax: Axes, legend: Legend) -> None:
    """Add to the name of a line that another covers: "(under Fixup)"."""
    near = 2 / 80 * ax.figure.dpi  # less than half a marker
    above: dict[str, str] = {}
    for line, other in itertools.combinations(named_lines(ax), 2):
        below, cover = _points(line), _points(other)
        if len(below) < 2 or len(cover) < 2 or (np.diff(cover[:, 0]) <= 0).any():
            continue
        height = np.interp(below[:, 0], cover[:, 0], cover[:, 1], left=np.inf, right=np.inf)
        if np.mean(np.abs(height - below[:, 1]) < near) > 0.9:
            above[str(line.get_label())] = str(other.get_label())
    for name in legend.get_texts():
        if name.get_text() in above:
            name.set_text(f"{name.get_text()} (under {above[name.get_text()]})")


def _hides(box: Bbox, ax: Axes, but: Sequence[Artist]) -> bool:
    """Say whether a box lies on anything that is drawn but these."""
    seen = Bbox.intersection(box.padded(-2), ax.bbox)  # nothing is drawn outside the axes
    if seen is None:
        return False
    for line in ax.get_lines():
        points = _points(line)
        if line in but or not len(points):
            continue
        if line.get_linestyle() == "None":
            if ((points > seen.min) & (points < seen.max)).all(axis=1).any():
                return True
        elif line.get_path().transformed(line.get_transform()).intersects_bbox(seen, filled=False):
            return True
    return any(
        other.get_window_extent().overlaps(seen)
        for other in (*ax.patches, *ax.texts)
        if other not in but and other.get_zorder() > 0  # what is behind all, such as a zone, may be
    )


def _name_at_ends(ax: Axes, legend: Legend) -> bool:
    """Write each name at the right end of its line; say whether there was room."""
    lines = named_lines(ax)
    names: list[Artist] = []
    for line in lines:
        x, y = ax.transData.inverted().transform(_points(line)[-1])
        names.append(
            ax.annotate(
                str(line.get_label()),
                (x, y),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
                color=line.get_color(),
            )
        )
    boxes = [name.get_window_extent() for name in names]
    clash = any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    if clash or any(_hides(box, ax, names) for box in boxes):
        for name in names:
            name.remove()
        return False
    legend.remove()
    written = [str(line.get_label()) for line in lines]
    entries = zip(*ax.get_legend_handles_labels(), strict=True)
    others = [(handle, label) for handle, label in entries if label not in written]
    if others:
        rest, figure = ax.legend(*zip(*others, strict=True)), cast("Figure", ax.figure)
        _lay_out(figure)
        if _hides(rest.get_window_extent(), ax, []):
            _name_below(figure, [rest])
    return True


def _name_below(figure: Figure, legends: Iterable[Legend]) -> None:
    """Put one legend below the figure; a label has one look in all its panels."""
    entries: dict[str, Any] = {}
    for legend in legends:
        written = [name.get_text() for name in legend.get_texts()]
        entries = dict(zip(written, legend.legend_handles, strict=True)) | entries
        legend.remove()
    columns = int(figure.get_figwidth() / (_EM * (5 + 0.55 * max(map(len, entries)))))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=max(1, min(columns, len(entries))),
    )

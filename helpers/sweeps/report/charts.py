"""Choose the picture that the shape of a grid asks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from helpers.sweeps.report.runs import all_numbers
from helpers.sweeps.report.wording import label

MOST_PANELS = 9
_LINES = 7  # as many as there are colours and markers


@dataclass(frozen=True)
class Chart:
    """How the results of a grid are drawn.

    Attributes:
        kind: ``seeds``, ``bars``, ``line``, ``lines`` or ``heat map``.
        x: The parameter on the horizontal axis, empty for ``seeds``.
        by: The parameter on the vertical axis of a heat map, or with one line for
            each value; empty where there is one axis.
        panels: The parameters with one panel for each combination of their values.
        averaged: The parameters that are averaged over, the seed not among them.
    """

    kind: str
    x: str = ""
    by: str = ""
    panels: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()


def chart_for(grid: Mapping[str, Sequence]) -> Chart:
    """Choose the picture that the shape of a grid asks for.

    One axis gives a line over numbers and bars over names. Of two axes the longest
    one of numbers lies in x; the other one has a line for each value if it holds
    names or two numbers, and makes a heat map if it holds more, or too many names
    for lines. Further axes become panels, or are averaged over where the panels
    would be more than 9. The seed is not an axis.

    Args:
        grid: For each swept parameter, its different values.

    Returns:
        The chart.

    Example:
        >>> chart_for({"depth": [5, 10, 20], "activation": ["tanh", "relu"], "seed": [0, 1]})
        Chart(kind='lines', x='depth', by='activation', panels=(), averaged=())
    """
    axes = {name: grid[name] for name in grid if name != "seed" and len(grid[name]) > 1}
    names = sorted((name for name in axes if not all_numbers(axes[name])), key=_length(axes))
    numbers = sorted((name for name in axes if name not in names), key=_length(axes))
    if not axes:
        return Chart("seeds")
    if len(axes) == 1:
        return Chart("line", numbers[0]) if numbers else Chart("bars", names[0])
    if numbers:
        x, by = numbers[-1], (names[:1] or numbers[-2:])[0]
        short = by in names or min(len(axes[x]), len(axes[by])) < 3
        kind = "lines" if short and len(axes[by]) <= _LINES else "heat map"
    else:  # the shorter words lie in x, where there is less room for them
        x, by = sorted(names[-2:], key=lambda name: sum(len(label(v)) for v in axes[name]))
        kind = "heat map"
    panels: list[str] = []
    averaged: list[str] = []
    count = 1
    for name in axes:
        if name not in (x, by):
            fits = count * len(axes[name]) <= MOST_PANELS
            (panels if fits else averaged).append(name)
            count *= len(axes[name]) if fits else 1
    return Chart(kind, x, by, tuple(panels), tuple(averaged))


def _length(axes: Mapping[str, Sequence]) -> Callable[[str], tuple[int, int]]:
    """Sort from the shortest axis to the longest; of two as long the earlier one last."""
    order = list(axes)
    return lambda name: (len(axes[name]), -order.index(name))

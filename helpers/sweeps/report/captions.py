"""Say in words what a picture shows, and how to read it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from helpers import text
from helpers.sweeps.report import wording
from helpers.sweeps.report.charts import MOST_PANELS, Chart
from helpers.sweeps.report.runs import Grid, Spread
from helpers.sweeps.report.sentences import Answer

# What stands in a cell without a place on the scale.
_MARKS = {
    "✗": "failed",
    "…": "not yet run",
    "?": "finished without a number",
    "∞": "infinite",
    "-∞": "minus infinity",
    "0": "exactly 0",
}


def alt(
    chart: Chart,
    grid: Grid,
    cells: Mapping[tuple[str, ...], Spread],
    result: str,
    answers: Sequence[Answer],
) -> str:
    """Say what a picture shows to a reader who cannot see it."""
    sentences = {
        "seeds": f"{result} of each seed",
        "bars": f"{result} for each {chart.x}",
        "line": f"Line plot of {result} against {chart.x}",
        "lines": f"Line plot of {result} against {chart.x}, one line for each {chart.by}",
        "heat map": f"Heat map of {result} over {chart.x} and {chart.by}",
    }
    said = [sentences[chart.kind]]
    if chart.panels:
        said[0] += f", one panel for each {text.listed(chart.panels)}"
    if chart.kind in ("line", "lines") and not chart.panels:
        for label in grid[chart.by] if chart.by else [""]:
            ends = [
                (x, cells[key])
                for x in grid[chart.x]
                if (key := (label, x) if chart.by else (x,)) in cells and cells[key].count
            ]
            if len(ends) > 1:
                (start, first), (end, last) = ends[0], ends[-1]
                left, right = wording.number(first.mean), wording.number(last.mean)
                line = f"{chart.by} {label}: " if chart.by else ""
                said.append(f"{line}from {left} at {chart.x} {start} to {right} at {chart.x} {end}")
    return ". ".join(said) + ". " + " ".join(map(str, answers))


def caption(
    chart: Chart, cells: Mapping[tuple[str, ...], Spread], over: Sequence[str], log: bool
) -> str:
    """Say how to read a picture: what a point is, what is missing.

    Args:
        chart: How it is drawn.
        cells: What is drawn, for each place in it.
        over: The parameters that were averaged over, the seed among them.
        log: Whether the results are on a logarithmic scale.
    """
    said = []
    is_map = chart.kind == "heat map"
    if over:
        what = "Each cell is a mean" if is_map else "Mean"
        ranges = "" if is_map else ", with a thin line from the lowest run to the highest"
        said.append(f"{what} over {text.listed(over)}{ranges}.")
    if chart.averaged:
        averaged = text.listed(chart.averaged)
        said.append(f"Panels for {averaged} as well would be more than {MOST_PANELS}.")
    if log:
        said.append(f"Logarithmic {'colours' if is_map else 'scale'}.")
    marks = Counter(
        spread.mark or ("0" if log and spread.mean == 0 else "") for spread in cells.values()
    )
    del marks[""]
    thing = "cell" if is_map else "point" if chart.x else "seed"
    words = {mark: f"{_MARKS[mark]} ({text.count(count, thing)})" for mark, count in marks.items()}
    if is_map or (chart.kind in ("bars", "seeds") and not log):
        said += [f"{mark} {word}." for mark, word in words.items()]
    else:
        edge = [words.pop(mark) for mark in ("∞", "-∞", "0") if mark in words]
        said += [f"Gaps: {text.listed(list(words.values()))}."] if words else []
        said += [f"Open triangles on the edge: {text.listed(edge)}."] if edge else []
    fewer = sum(0 < spread.count < spread.runs for spread in cells.values())
    if fewer:
        means = "1 mean counts" if fewer == 1 else f"{fewer} means count"
        said.append(f"{means} fewer runs than planned.")
    return " ".join(said)

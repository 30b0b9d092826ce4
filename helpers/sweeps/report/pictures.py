"""Answer a sweep's question on one page that opens offline, with pictures.

A setting is one value for each swept parameter, the seed left out; a run is a
setting at one seed. Numbers are averaged over the runs of a setting.
"""

import base64
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import product
from numbers import Real
from urllib.parse import quote

import jinja2
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from helpers import plots

_STATUS = ("finished", "failed", "missing")
_RUN_COLUMNS = ("status", "error", "seconds", "notebook")

_LINES = 7  # as many as there are colours and markers
_PANELS = 9
_PICTURES = 4
_BARS = 12  # seeds; more of them are a distribution

# What is better, where the name of a result says it.
_LOWER = {"loss", "error", "errors", "perplexity", "nll", "mse", "mae", "rmse", "seconds", "time"}
_HIGHER = {"accuracy", "acc", "score", "auc", "f1", "r2", "precision", "recall"}

# What stands in a cell without a place on the scale.
_MARKS = {
    "✗": "failed",
    "…": "not yet run",
    "?": "finished without a number",
    "∞": "infinite",
    "-∞": "minus infinity",
    "0": "exactly 0",
}


@dataclass(frozen=True)
class Plan:
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


def plan(grid: Mapping[str, Sequence]) -> Plan:
    """Choose the picture that the shape of a grid asks for.

    One axis gives a line over numbers and bars over names. Of two axes the longest
    one of numbers lies in x; the other one has a line for each value if it holds
    names or two numbers, and makes a heat map if it holds more, or too many names
    for lines. Further axes become panels, or are averaged over where the panels
    would be more than 9. The seed is no axis.

    Args:
        grid: For each swept parameter, its different values.

    Returns:
        The plan.

    Example:
        >>> plan({"depth": [5, 10, 20], "activation": ["tanh", "relu"], "seed": [0, 1]})
        Plan(kind='lines', x='depth', by='activation', panels=(), averaged=())
    """
    axes = {name: grid[name] for name in grid if name != "seed" and len(grid[name]) > 1}
    names = sorted((name for name in axes if not _all_numbers(axes[name])), key=_length(axes))
    numbers = sorted((name for name in axes if name not in names), key=_length(axes))
    if not axes:
        return Plan("seeds")
    if len(axes) == 1:
        return Plan("line", numbers[0]) if numbers else Plan("bars", names[0])
    if numbers:
        x, by = numbers[-1], (names[:1] or numbers[-2:])[0]
        short = by in names or min(len(axes[x]), len(axes[by])) < 3
        kind = "lines" if short and len(axes[by]) <= _LINES else "heat map"
    else:  # the shorter words lie in x, where there is less room for them
        x, by = sorted(names[-2:], key=lambda name: sum(len(_label(v)) for v in axes[name]))
        kind = "heat map"
    panels, averaged, count = [], [], 1
    for name in axes:
        if name not in (x, by):
            fits = count * len(axes[name]) <= _PANELS
            (panels if fits else averaged).append(name)
            count *= len(axes[name]) if fits else 1
    return Plan(kind, x, by, tuple(panels), tuple(averaged))


def _length(axes: Mapping[str, Sequence]) -> Callable[[str], tuple[int, int]]:
    """Sort from the shortest axis to the longest; of two as long the earlier one last."""
    order = list(axes)
    return lambda name: (len(axes[name]), -order.index(name))


def page(
    runs: pd.DataFrame,
    *,
    swept: Sequence[str],
    results: Sequence[str],
    title: str,
    note: str = "",
) -> str:
    """Write the page that sums a sweep up.

    It says how the sweep went, which setting did best and which worst, draws the
    first results in the way that the shape of the grid asks for, lists the averages
    and all the runs in tables that can be sorted, and groups the failures. It needs
    no other file and no network; the notebooks are linked where they are.

    Higher is better for a name like ``test_accuracy``, lower for one like
    ``loss``; of any other result the page says highest and lowest. Averages count
    finished runs with a number; one infinite number makes its average infinite.

    Args:
        runs: One row a run: the parameters, the results (numbers, infinite ones and
            gaps allowed, or text), ``status`` (``finished``, ``failed``, ``missing``
            when not yet run), ``error`` (a sentence), ``seconds`` and ``notebook``
            (a path relative to the page, or empty).
        swept: The parameters with more than one value, in the order they were given.
        results: What was recorded, the most important one first.
        title: The title.
        note: A remark under the title, in plain text.

    Returns:
        The text of an HTML file.

    Raises:
        TypeError: If ``runs`` is no table, or ``swept`` or ``results`` one string.
        ValueError: If there is no run, a column is lacking or double, or a status is
            unknown, or the swept parameters do not tell the runs apart.
    """
    _check(runs, swept, results)
    records = [_run(row, swept, results) for row in runs.to_dict("records")]
    grid = _grid(runs, swept)
    numeric = [name for name in results if any(not math.isnan(r.numbers[name]) for r in records)]
    headline = numeric[:1]
    axes = [name for name in swept if name != "seed"]
    finite = [name for name in numeric if any(math.isfinite(r.numbers[name]) for r in records)]
    drawn = finite[:_PICTURES] if len(records) > 1 else []
    tables = [_run_table(runs, records, swept, results)]
    if "seed" in swept and numeric:
        tables.insert(0, _setting_table(records, axes, numeric))
    text = resources.files("helpers.sweeps.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text).render(
        title=title,
        note=note,
        counts=_counts(records, grid),
        facts=_facts(runs, records, swept, results),
        answers=[line for name in headline for line in _extremes(records, axes, name)],
        nothing="" if headline else _why_nothing(records),
        pictures=[_picture(plan(_values(grid)), grid, records, name) for name in drawn],
        left_out=_left_out(results, numeric, drawn),
        tables=tables,
        failures=_failures(records),
    )


# -- Runs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """One row: its swept parameters as text, its results as numbers, nan for none."""

    labels: Mapping[str, str]
    numbers: Mapping[str, float]
    status: str
    error: str
    seconds: float
    notebook: str

    @property
    def link(self) -> str:
        """The address of the notebook, relative whatever its name."""
        return quote(self.notebook, safe="/")

    @property
    def setting(self) -> str:
        return _setting(self.labels)


def _check(runs: pd.DataFrame, swept: Sequence[str], results: Sequence[str]) -> None:
    if not isinstance(runs, pd.DataFrame):
        raise TypeError(f"runs must be a pandas DataFrame, got {type(runs).__name__}")
    for argument, names in (("swept", swept), ("results", results)):
        if isinstance(names, str):
            raise TypeError(f"{argument} must be a list of names, got the string {names!r}")
    if not len(runs):
        raise ValueError("runs must have at least one row, got none")
    for name in (*swept, *results, *_RUN_COLUMNS):
        if name not in runs.columns:
            raise ValueError(f"runs must have a column {name!r}, got {list(runs.columns)}")
    if not runs.columns.is_unique:
        double = sorted(runs.columns[runs.columns.duplicated()])
        raise ValueError(f"runs must have each column once, got twice: {double}")
    for status in runs["status"].unique():
        if status not in _STATUS:
            raise ValueError(f"status must be one of {', '.join(_STATUS)}, got {status!r}")
    rows = zip(*(map(_label, runs[name].tolist()) for name in swept), strict=True)
    common = Counter(rows if swept else [()] * len(runs)).most_common(1)
    if common[0][1] > 1:
        where = _setting(dict(zip(swept, common[0][0], strict=True))) or "several runs"
        raise ValueError(f"swept must tell all runs apart, got {where} more than once")


def _run(row: Mapping[str, object], swept: Sequence[str], results: Sequence[str]) -> _Run:
    finished = row["status"] == "finished"
    return _Run(
        labels={name: _label(row[name]) for name in swept},
        numbers={name: _as_number(row[name]) if finished else math.nan for name in results},
        status=row["status"],
        error=_text(row["error"]),
        seconds=_as_number(row["seconds"]),
        notebook=_text(row["notebook"]),
    )


def _text(value: object) -> str:
    return "" if _is_gap(value) else str(value)


def _is_gap(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, Real) and math.isnan(value))


def _as_number(value: object) -> float:
    """Return the number that a result is, a truth value counting 0 or 1, or nan."""
    return float(value) if isinstance(value, Real | np.bool_) else math.nan


def _label(value: object) -> str:
    """Write a parameter so that different values read differently."""
    if _is_gap(value):
        return "none"
    if isinstance(value, Real) and not isinstance(value, bool):
        whole = math.isfinite(value) and value == int(value) and abs(value) < 1e7
        return str(int(value)) if whole else _short_exponent(repr(float(value)))
    return str(value)


def _setting(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {label}" for name, label in labels.items())


def _grid(runs: pd.DataFrame, swept: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return for each swept parameter its values by label: numbers rising, names as given."""
    grid = {}
    for name in swept:
        values = {_label(value): value for value in runs[name].tolist()}
        if _all_numbers(values.values()):
            values = dict(sorted(values.items(), key=lambda item: item[1]))
        grid[name] = values
    return grid


def _values(grid: Mapping[str, Mapping[str, object]]) -> dict[str, list]:
    return {name: list(values.values()) for name, values in grid.items()}


def _all_numbers(values: Iterable[object]) -> bool:
    return all(
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        for value in values
    )


def _groups(runs: Sequence[_Run], names: Sequence[str]) -> dict[tuple[str, ...], list[_Run]]:
    """Return the runs with the same labels of these parameters, in the order they come."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run.labels[name] for name in names), []).append(run)
    return groups


@dataclass(frozen=True)
class _Spread:
    """What some runs made of one result: mean, lowest and highest of so many numbers."""

    mean: float
    low: float
    high: float
    count: int
    runs: int
    mark: str  # what stands for a mean that is not finite


_NO_RUN = _Spread(math.nan, math.nan, math.nan, 0, 0, "…")


def _spread(runs: Sequence[_Run], result: str) -> _Spread:
    numbers = np.array([run.numbers[result] for run in runs])
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        status = {run.status for run in runs}
        mark = "✗" if "failed" in status else "?" if "finished" in status else "…"
        return _Spread(math.nan, math.nan, math.nan, 0, len(runs), mark)
    with np.errstate(all="ignore"):  # infinities, and sums beyond the greatest number
        mean = float(numbers.mean())
    mark = "?" if math.isnan(mean) else "∞" if mean > 0 else "-∞"
    mark = "" if math.isfinite(mean) else mark
    low, high = float(numbers.min()), float(numbers.max())
    return _Spread(mean, low, high, len(numbers), len(runs), mark)


# -- Sentences ---------------------------------------------------------------------------


def _number(value: float, digits: int = 4) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if 1000 <= abs(value) < 1e5 and digits > 2:
        return f"{value:.0f}"
    return _short_exponent(f"{value:.{digits}g}")


def _short_exponent(text: str) -> str:
    return re.sub(r"e([+-])0*(\d)", lambda found: "e" + found[1].strip("+") + found[2], text)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _counts(runs: Sequence[_Run], grid: Mapping[str, Mapping]) -> str:
    count = Counter(run.status for run in runs)
    over = [f"{name} ({_many(len(values), 'value')})" for name, values in grid.items()]
    return (
        f"{_many(len(runs), 'run')}{' over ' if over else ''}{_listed(over)}: "
        f"{count['finished']} finished, {count['failed']} failed, {count['missing']} not yet run."
    )


def _facts(
    table: pd.DataFrame, runs: Sequence[_Run], swept: Sequence[str], results: Sequence[str]
) -> list[str]:
    """Return what holds for the sweep as a whole: what was kept fixed, what it took."""
    others = [name for name in table.columns if name not in (*swept, *results, *_RUN_COLUMNS)]
    labels = {name: {_label(value) for value in table[name].tolist()} for name in others}
    fixed = {name: min(values) for name, values in labels.items() if len(values) == 1}
    facts = [f"The same in all runs: {_setting(fixed)}."] if fixed else []
    seconds = [run.seconds for run in runs if math.isfinite(run.seconds)]
    if sum(seconds) > 0:
        share = f", {_time(sum(seconds) / len(seconds))} a run" if len(seconds) > 1 else ""
        facts.append(f"It took {_time(sum(seconds))} of computing{share}.")
    return facts


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class _Answer:
    """A sentence with its numbers in front, and links to the notebooks of its runs."""

    lead: str
    rest: str
    links: tuple[tuple[str, str], ...]  # words, address

    def __str__(self) -> str:
        return f"{self.lead}{self.rest}."


def _ends(result: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return the words for the two ends of a result, 1 with the end that is highest."""
    words = set(re.split(r"[^a-z0-9]+", result.lower()))
    if words & _LOWER:
        return ("Best", -1), ("Worst", 1)
    return (("Best", 1), ("Worst", -1)) if words & _HIGHER else (("Highest", 1), ("Lowest", -1))


def _extremes(runs: Sequence[_Run], axes: Sequence[str], result: str) -> list[_Answer]:
    """Say which settings did best and worst, each with its best or worst run."""
    groups = _groups(runs, axes)
    spreads = {key: _spread(group, result) for key, group in groups.items()}
    means = {key: spread.mean for key, spread in spreads.items() if not math.isnan(spread.mean)}
    if len(means) > 1 and len(set(means.values())) == 1:
        value = _number(next(iter(means.values())))
        return [_Answer(f"{result}: {value}", f" in each of the {len(means)} settings", ())]
    if len(means) == 1:
        (key,) = means
        links = [link for end in _ends(result) for link in _links(groups[key], result, *end)]
        unique = tuple({address: (words, address) for words, address in links}.values())
        alone = ", the only setting with a number" if len(groups) > 1 else ""
        where = _where(axes, key) + alone + _over_seeds(spreads[key])
        return [_Answer(f"{result}: {_number(means[key])}", where, unique)]
    answers = []
    for word, sign in _ends(result) if means else ():
        key = max(means, key=lambda key: sign * means[key])
        ties = sum(mean == means[key] for mean in means.values()) - 1
        where = _where(axes, key) + (f" and {_many(ties, 'other setting')}" if ties else "")
        answers.append(
            _Answer(
                f"{word} {result}: {_number(means[key])}",
                where + _over_seeds(spreads[key]),
                _links(groups[key], result, word, sign),
            )
        )
    return answers


def _where(axes: Sequence[str], key: Sequence[str]) -> str:
    return f" at {_setting(dict(zip(axes, key, strict=True)))}" if axes else ""


def _links(runs: Sequence[_Run], result: str, word: str, sign: int) -> tuple[tuple[str, str], ...]:
    """Return the link to the run of a setting that lies at one end, if it has a notebook."""
    numbered = [run for run in runs if not math.isnan(run.numbers[result])]
    run = max(numbered, key=lambda run: sign * run.numbers[result])
    if not run.notebook:
        return ()
    several = len({run.numbers[result] for run in numbered}) > 1
    words = f"its {word.lower()} run, seed {run.labels['seed']}" if several else "its notebook"
    return ((words, run.link),)


def _over_seeds(spread: _Spread) -> str:
    if spread.runs == 1:
        return ""
    of = "" if spread.count == spread.runs else f" of {spread.runs}"
    if spread.count == 1:
        return f" (one{of} seeds)"
    if spread.low == spread.high:
        return f" (the same for {spread.count}{of} seeds)"
    return f" (mean of {spread.count}{of} seeds, {_number(spread.low)} to {_number(spread.high)})"


def _why_nothing(runs: Sequence[_Run]) -> str:
    count = Counter(run.status for run in runs)
    if count["finished"]:
        return "No finished run recorded a number."
    return "Every run failed." if not count["missing"] else "No run has finished yet."


def _left_out(results: Sequence[str], numeric: Sequence[str], drawn: Sequence[str]) -> list[str]:
    sentences = []
    rest = [name for name in numeric if name not in drawn]
    if drawn and rest:
        sentences.append(f"Not drawn, but in the tables: {_listed(rest)}.")
    silent = [name for name in results if name not in numeric]
    if silent and numeric:
        sentences.append(f"No run recorded a number for {_listed(silent)}.")
    return sentences


def _failures(runs: Sequence[_Run]) -> list[tuple[str, list[_Run]]]:
    groups = {}
    for run in runs:
        if run.status == "failed":
            groups.setdefault(run.error or "No error was recorded.", []).append(run)
    return sorted(groups.items(), key=lambda item: -len(item[1]))


# -- Tables ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """What a table shows, the number it is sorted by if that is another, and a link."""

    text: str
    key: str | None = None
    link: str = ""


@dataclass(frozen=True)
class _Table:
    id: str
    caption: str
    columns: Sequence[str]
    right: Sequence[int]  # the places of the columns with numbers, from 1
    rows: Sequence[tuple[str, Sequence[_Cell]]]  # each with the status it shows


def _cell(value: float) -> _Cell:
    """Show a number shortly, sort by all of it, by nothing if it is nan."""
    text = _number(value)
    if math.isnan(value):
        return _Cell(text, "")
    if math.isinf(value):
        return _Cell(text, "Infinity" if value > 0 else "-Infinity")
    return _Cell(text, None if float(text) == value else repr(value))


def _setting_table(runs: Sequence[_Run], axes: Sequence[str], results: Sequence[str]) -> _Table:
    words = ("mean", "lowest", "highest")
    columns = [*axes, "finished", *(f"{name}, {word}" for name in results for word in words)]
    rows = []
    for key, group in _groups(runs, axes).items():
        finished = sum(run.status == "finished" for run in group)
        cells = [_Cell(label) for label in key]
        cells.append(_Cell(f"{finished} of {len(group)}", str(finished)))
        for result in results:
            spread = _spread(group, result)
            numbers = (spread.mean, spread.low, spread.high)
            cells += [_cell(number) if finished else _Cell("") for number in numbers]
        rows.append(("finished" if finished else "failed", cells))
    rows.sort(key=lambda row: row[0] == "failed")
    return _Table("settings", "Averages over the seeds", columns, _numbered(rows), rows)


def _run_table(
    table: pd.DataFrame, runs: Sequence[_Run], swept: Sequence[str], results: Sequence[str]
) -> _Table:
    others = [name for name in table.columns if name not in (*swept, *results, *_RUN_COLUMNS)]
    others = [name for name in others if len({_label(v) for v in table[name].tolist()}) > 1]
    rows = []
    for run, row in zip(runs, table.to_dict("records"), strict=True):
        cells = [_Cell(run.labels[name]) for name in swept]
        cells += [_Cell(_label(row[name])) for name in others]
        cells += [_result(run, name, row[name]) for name in results]
        cells += [_cell(run.seconds) if math.isfinite(run.seconds) else _Cell("")]
        cells += [_Cell(run.status if run.status != "missing" else "not yet run")]
        cells += [_Cell(run.notebook.rsplit("/", 1)[-1], link=run.link)]
        rows.append((run.status, cells))
    rows.sort(key=lambda row: _STATUS.index(row[0]))
    columns = [*swept, *others, *results, "seconds", "status", "notebook"]
    return _Table("runs", "All runs", columns, _numbered(rows), rows)


def _result(run: _Run, name: str, value: object) -> _Cell:
    if run.status != "finished" or value is None or value is pd.NA:
        return _Cell("")
    if isinstance(value, bool | np.bool_):
        return _Cell(str(value), str(int(value)))
    return _cell(run.numbers[name]) if isinstance(value, Real) else _Cell(str(value))


def _numbered(rows: Sequence[tuple[str, Sequence[_Cell]]]) -> list[int]:
    """Return the columns, counted from 1, that hold numbers and nothing else."""

    def is_number(cell: _Cell) -> bool:
        return cell.key is not None or bool(re.fullmatch(r"-?[\d.]+(e-?\d+)?|", cell.text))

    columns = zip(*(cells for _, cells in rows), strict=True)
    return [place for place, cells in enumerate(columns, 1) if all(map(is_number, cells))]


# -- Pictures ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Picture:
    result: str
    png: str  # base64
    width: int  # in CSS pixels
    alt: str
    caption: str
    answers: Sequence[_Answer]


@dataclass(frozen=True)
class _Axis:
    """One parameter on an axis: where its values lie, on which scale, how they are written."""

    name: str
    labels: Sequence[str]
    places: Sequence[float]
    scale: str  # linear or log; names or steps: evenly spaced, steps being numbers
    words: Sequence[str]

    @property
    def even(self) -> bool:
        return self.scale in ("names", "steps")

    @property
    def drawn_scale(self) -> str:
        return "linear" if self.even else self.scale


def _axis(name: str, values: Mapping[str, object]) -> _Axis:
    labels, numbers = list(values), list(values.values())
    words = [_plain(label) for label in labels]
    if len(set(words)) < len(words):  # long names that begin alike
        words = [f"{place}: {word}" for place, word in enumerate(words, 1)]
    even = [float(place) for place in range(len(labels))]
    if not _all_numbers(numbers):
        return _Axis(name, labels, even, "names", words)
    if numbers[0] == 0 and _geometric(numbers[1:]):
        return _Axis(name, labels, even, "steps", words)
    scale = "log" if _geometric(numbers) else "linear"
    return _Axis(name, labels, [float(number) for number in numbers], scale, words)


def _geometric(rising: Sequence[float]) -> bool:
    """Say whether the ratios of numbers are more alike than their differences."""
    if len(rising) < 3 or rising[0] <= 0 or rising[-1] < 5 * rising[0]:
        return False
    steps, ratios = np.diff(rising), np.diff(np.log(rising))
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())


def _plain(text: str) -> str:
    """Shorten a name for a picture; let a dollar be a dollar, not the start of a formula."""
    text = text if len(text) <= 24 else text[:23] + "…"
    return text.replace("$", r"\$")


def _decades(values: Sequence[float]) -> bool:
    """Say whether numbers need a logarithmic axis."""
    numbers = [value for value in values if not math.isnan(value)]
    positive = [value for value in numbers if 0 < value < math.inf]
    return bool(positive) and min(numbers) >= 0 and max(positive) / 100 > min(positive)


def _drawable(value: float) -> float:
    """Take a number that no axis can hold for infinite or 0."""
    if abs(value) > 1e300:
        return math.copysign(math.inf, value)
    return 0.0 if abs(value) < 1e-300 else value


def _picture(
    plan: Plan, grid: Mapping[str, Mapping[str, object]], runs: Sequence[_Run], result: str
) -> _Picture:
    """Draw one result and say in words what is to be seen."""
    seeds = plan.kind == "seeds"
    names = ["seed"] if seeds else [name for name in (*plan.panels, plan.by, plan.x) if name]
    cells = {key: _spread(group, result) for key, group in _groups(runs, names).items()}
    means = [_drawable(spread.mean) for spread in cells.values()]
    x = _axis(names[-1], grid[names[-1]])
    by = _axis(plan.by, grid[plan.by]) if plan.by else None
    keys = list(product(*(grid[name] for name in plan.panels)))
    over = [*plan.averaged, *(["seed"] if not seeds and len(grid.get("seed", ())) > 1 else [])]
    look = _Look(_plain(result), _decades(means), min(len(keys), 3), means)
    size = (7.6, 4.2)
    if len(keys) > 1:
        size = (3.3 * look.columns + 0.6, 2.8 * math.ceil(len(keys) / look.columns) + 0.5)
    elif plan.kind == "heat map" and by.even:
        size = (7.6, max(4.2, 1.2 + 0.3 * len(by.labels)))
    with mpl.rc_context():
        plots.use_style()
        figure = Figure(figsize=size)
        axes = _panels(figure, len(keys), look.columns)
        for ax, key in zip(axes, keys, strict=True):
            own = {
                cell[len(key) :]: spread
                for cell, spread in cells.items()
                if cell[: len(key)] == key
            }
            if plan.kind == "heat map":
                _draw_map(ax, own, x, by, look)
            elif plan.kind in ("line", "lines"):
                _draw_lines(ax, own, x, by, look)
            elif seeds and len(cells) > _BARS:
                _draw_distribution(ax, means, look)
            else:
                _draw_bars(ax, own, x, look)
            if key:
                words = zip(map(_plain, plan.panels), map(_plain, key), strict=True)
                ax.set_title(_setting(dict(words)), fontsize=10)
        if len(keys) > 1:
            _share(figure, axes, look)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=144, metadata={"Software": None})
    answers = _extremes(runs, [name for name in grid if name != "seed"], result)
    return _Picture(
        result,
        base64.b64encode(png.getvalue()).decode(),
        round(100 * size[0]),
        _alt(plan, grid, cells, result, answers),
        _caption(plan, cells, over, look),
        answers,
    )


@dataclass(frozen=True)
class _Look:
    """What the panels of a picture have in common."""

    result: str
    log: bool
    columns: int
    means: Sequence[float]


def _panels(figure: Figure, count: int, columns: int) -> list[Axes]:
    rows = math.ceil(count / columns)
    axes = list(figure.subplots(rows, columns, sharey=count > 1, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return axes[:count]


def _share(figure: Figure, axes: Sequence[Axes], look: _Look) -> None:
    """Write what is the same in all panels once."""
    for place, ax in enumerate(axes):
        if place % look.columns:
            ax.set_ylabel("")
        if place + look.columns < len(axes):
            ax.set_xlabel("")
    if axes[0].collections and axes[0].collections[0].colorbar:
        for ax in axes:
            ax.collections[0].colorbar.remove()
        bar = figure.colorbar(axes[0].collections[0], ax=list(axes), label=look.result)
        _name_decades(bar, look)
        return
    handles = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
        if ax.get_legend():
            ax.get_legend().remove()
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper left", ncols=2 * look.columns
    )


def _draw_lines(
    ax: Axes, cells: Mapping[tuple[str, ...], _Spread], x: _Axis, by: _Axis | None, look: _Look
) -> None:
    lines = {look.result: [(label,) for label in x.labels]}
    if by:
        lines = {
            _line_name(by, word): [(label, other) for other in x.labels]
            for label, word in zip(by.labels, by.words, strict=True)
        }
    found = {name: [cells.get(key, _NO_RUN) for key in keys] for name, keys in lines.items()}
    measured = {name: [_drawable(s.mean) for s in spreads] for name, spreads in found.items()}
    plots.curves(
        measured,
        x=x.places,
        xlabel=_plain(x.name),
        ylabel=look.result,
        xscale=x.drawn_scale,
        yscale="log" if look.log else "linear",
        ax=ax,
    )
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    for name, spreads in found.items():
        _draw_ranges(ax, x.places, spreads, colours[name])
        _mark_infinite(ax, x.places, measured[name], colours[name])
    _name_places(ax, x, look.columns)
    if not by:
        ax.get_legend().remove()


def _line_name(by: _Axis, word: str) -> str:
    """Return what the legend calls a line; matplotlib would pass over a leading underscore."""
    bare = by.scale == "names" and word not in ("True", "False") and not word.startswith("_")
    return word if bare else f"{_plain(by.name)} {word}"


def _draw_ranges(
    ax: Axes, places: Sequence[float], spreads: Sequence[_Spread], colour: str
) -> None:
    for place, spread in zip(places, spreads, strict=True):
        low, high = _drawable(spread.low), _drawable(spread.high)
        if low < high and math.isfinite(low) and math.isfinite(high):
            ax.vlines(place, low, high, color=colour, alpha=0.45, linewidth=1.4)


def _mark_infinite(ax: Axes, places: Sequence[float], means: Sequence[float], colour: str) -> None:
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


def _name_places(ax: Axes, x: _Axis, columns: int) -> None:
    """Put the ticks of x where its values are, if there is room for them."""
    places = np.log(x.places) if x.scale == "log" else np.array(x.places)
    letters = 66 / columns
    if x.even or np.diff(places).min() / np.ptp(places) * letters > max(map(len, x.words)):
        ax.set_xticks(x.places, x.words)
        ax.xaxis.set_minor_locator(NullLocator())
        _slant(ax, x, letters)


def _slant(ax: Axes, x: _Axis, letters: float) -> None:
    if x.even and (1 + max(map(len, x.words))) * len(x.words) > letters:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")


def _draw_map(
    ax: Axes, cells: Mapping[tuple[str, ...], _Spread], x: _Axis, by: _Axis, look: _Look
) -> None:
    found = [[cells.get((row, column), _NO_RUN) for column in x.labels] for row in by.labels]
    values, scale = np.array([[_drawable(s.mean) for s in row] for row in found]), look.means
    if look.log:
        with np.errstate(divide="ignore"):  # an exact 0 is a cell without a colour
            values, scale = np.log10(values), np.log10(scale)
    scale = [value for value in scale if math.isfinite(value)]
    write = len(x.labels) * look.columns <= 12 and len(by.labels) <= 14
    plots.heat_map(
        values,
        x=x.words if x.even else x.places,
        y=by.words if by.even else by.places,
        xlabel=_plain(x.name),
        ylabel=_plain(by.name),
        label=look.result,
        xscale=x.drawn_scale,
        yscale=by.drawn_scale,
        vmin=min(scale, default=0.0),
        vmax=max(scale, default=1.0),
        numbers=".1f" if write else "",
        ax=ax,
    )
    written = iter(list(ax.texts))  # the finite ones, row by row
    for (row, column), value in np.ndenumerate(values):
        spread = found[row][column]
        if not math.isfinite(value):
            ax.text(
                x.places[column], by.places[row], spread.mark or _number(spread.mean, 2),
                ha="center", va="center", color="0.15", fontsize=9,
            )  # fmt: skip
        elif write:
            next(written).set_text(_number(spread.mean, 3 if look.columns == 1 else 2))
    if by.scale == "names":
        ax.invert_yaxis()  # names are read from the top
    _slant(ax, x, 58 / look.columns)
    _name_decades(ax.collections[0].colorbar, look)


def _name_decades(bar: Colorbar, look: _Look) -> None:
    if look.log:
        bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _number(10.0**v)))


def _draw_bars(ax: Axes, cells: Mapping[tuple[str, ...], _Spread], x: _Axis, look: _Look) -> None:
    """Draw a bar for each value, or where numbers span decades, and a bar has no foot, a point."""
    spreads = [cells.get((label,), _NO_RUN) for label in x.labels]
    means = [_drawable(spread.mean) for spread in spreads]
    if look.log:
        places = range(len(means))
        plots.curves(
            {word: [mean] for word, mean in zip(x.words, means, strict=True)},
            x={word: [place] for word, place in zip(x.words, places, strict=True)},
            xlabel=_plain(x.name),
            ylabel=look.result,
            yscale="log",
            ax=ax,
        )
        ax.get_legend().remove()
        _mark_infinite(ax, places, means, "0.3")
        ax.set_xlim(-0.6, len(means) - 0.4)
        ax.set_xticks(places, x.words)
        _slant(ax, x, 66)
    else:
        places = [place - 0.3 for place in range(len(means))]  # beside the number on the bar
        plots.bars(
            dict(zip(x.words, means, strict=True)),
            ylabel=look.result,
            xlabel=_plain(x.name),
            numbers=".4g",
            ax=ax,
        )
        for text, spread in zip(ax.texts, spreads, strict=True):
            text.set_text(spread.mark or _number(spread.mean))
    _draw_ranges(ax, places, spreads, "0.1")


def _draw_distribution(ax: Axes, means: Sequence[float], look: _Look) -> None:
    if look.log:
        positive = [mean for mean in means if mean > 0 and math.isfinite(mean)]
        plots.distribution({look.result: positive}, xlabel=look.result, ax=ax)
    else:
        ax.hist([mean for mean in means if math.isfinite(mean)], bins=16, alpha=0.75)
        ax.set(xlabel=look.result, ylabel="number of seeds")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))


def _alt(
    plan: Plan,
    grid: Mapping[str, Mapping[str, object]],
    cells: Mapping[tuple[str, ...], _Spread],
    result: str,
    answers: Sequence[_Answer],
) -> str:
    """Say what a picture shows to a reader who cannot see it."""
    sentences = {
        "seeds": f"{result} of each seed",
        "bars": f"{result} for each {plan.x}",
        "line": f"Line plot of {result} against {plan.x}",
        "lines": f"Line plot of {result} against {plan.x}, one line for each {plan.by}",
        "heat map": f"Heat map of {result} over {plan.x} and {plan.by}",
    }
    said = [sentences[plan.kind]]
    if plan.panels:
        said[0] += f", one panel for each {_listed(plan.panels)}"
    if plan.kind in ("line", "lines") and not plan.panels:
        for label in grid[plan.by] if plan.by else [""]:
            ends = [
                (x, cells[key])
                for x in grid[plan.x]
                if (key := (label, x) if plan.by else (x,)) in cells and cells[key].count
            ]
            if len(ends) > 1:
                (start, first), (end, last) = ends[0], ends[-1]
                said.append(
                    f"{f'{plan.by} {label}: ' if plan.by else ''}from {_number(first.mean)} at "
                    f"{plan.x} {start} to {_number(last.mean)} at {plan.x} {end}"
                )
    return ". ".join(said) + ". " + " ".join(map(str, answers))


def _caption(
    plan: Plan, cells: Mapping[tuple[str, ...], _Spread], over: Sequence[str], look: _Look
) -> str:
    """Say how to read a picture: what a point is, what is missing."""
    said = []
    is_map = plan.kind == "heat map"
    if over:
        what = "Each cell is a mean" if is_map else "Mean"
        ranges = "" if is_map else ", with a thin line from the lowest run to the highest"
        said.append(f"{what} over {_listed(over)}{ranges}.")
    if plan.averaged:
        said.append(f"Panels for {_listed(plan.averaged)} as well would be more than {_PANELS}.")
    if look.log:
        said.append(f"Logarithmic {'colours' if is_map else 'scale'}.")
    marks = Counter(
        spread.mark or ("0" if look.log and spread.mean == 0 else "") for spread in cells.values()
    )
    del marks[""]
    thing = "cell" if is_map else "point" if plan.x else "seed"
    words = {mark: f"{_MARKS[mark]} ({_many(count, thing)})" for mark, count in marks.items()}
    if is_map or (plan.kind in ("bars", "seeds") and not look.log):
        said += [f"{mark} {word}." for mark, word in words.items()]
    else:
        edge = [words.pop(mark) for mark in ("∞", "-∞", "0") if mark in words]
        said += [f"Gaps: {_listed(list(words.values()))}."] if words else []
        said += [f"Open triangles on the edge: {_listed(edge)}."] if edge else []
    fewer = sum(0 < spread.count < spread.runs for spread in cells.values())
    if fewer:
        means = "1 mean counts" if fewer == 1 else f"{fewer} means count"
        said.append(f"{means} fewer runs than planned.")
    return " ".join(said)

"""The runs of a sweep: one row of its table each, and what several of them say together.

A setting is one value for each swept parameter, the seed left out; a run is a
setting at one seed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from helpers.sweeps.report.wording import is_gap, label, setting

STATUS = ("finished", "failed", "missing")
RUN_COLUMNS = ("status", "error", "seconds", "notebook")

# For each swept parameter its values, by how they are written.
Grid = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Run:
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
        """The swept parameters in words, the seed among them."""
        return setting(self.labels)


def read(runs: pd.DataFrame, swept: Sequence[str], results: Sequence[str]) -> list[Run]:
    """Return the rows of a table; refuse what :func:`page` says that it refuses."""
    _check(runs, swept, results)
    return [
        Run(
            labels={name: label(row[name]) for name in swept},
            numbers={
                name: _as_number(row[name]) if row["status"] == "finished" else math.nan
                for name in results
            },
            status=row["status"],
            error=_text(row["error"]),
            seconds=_as_number(row["seconds"]),
            notebook=_text(row["notebook"]),
        )
        for row in runs.to_dict("records")
    ]


def _check(runs: pd.DataFrame, swept: Sequence[str], results: Sequence[str]) -> None:
    if not isinstance(runs, pd.DataFrame):
        raise TypeError(f"runs must be a pandas DataFrame, got {type(runs).__name__}")
    for argument, names in (("swept", swept), ("results", results)):
        if isinstance(names, str):
            raise TypeError(f"{argument} must be a list of names, got the string {names!r}")
    if not len(runs):
        raise ValueError("runs must have at least one row, got none")
    for name in (*swept, *results, *RUN_COLUMNS):
        if name not in runs.columns:
            raise ValueError(f"runs must have a column {name!r}, got {list(runs.columns)}")
    if not runs.columns.is_unique:
        double = sorted(runs.columns[runs.columns.duplicated()])
        raise ValueError(f"runs must have each column once, got twice: {double}")
    for status in runs["status"].unique():
        if status not in STATUS:
            raise ValueError(f"status must be one of {', '.join(STATUS)}, got {status!r}")
    rows = zip(*(map(label, runs[name].tolist()) for name in swept), strict=True)
    common = Counter(rows if swept else [()] * len(runs)).most_common(1)
    if common[0][1] > 1:
        where = setting(dict(zip(swept, common[0][0], strict=True))) or "several runs"
        raise ValueError(f"swept must tell all runs apart, got {where} more than once")


def _text(value: object) -> str:
    return "" if is_gap(value) else str(value)


def _as_number(value: object) -> float:
    """Return the number that a result is, a truth value counting 0 or 1, or nan."""
    return float(value) if isinstance(value, Real | np.bool_) else math.nan


def grid_of(runs: pd.DataFrame, swept: Sequence[str]) -> Grid:
    """Return for each swept parameter its values by label: numbers rising, names as given."""
    grid = {}
    for name in swept:
        values: dict[str, Any] = {label(value): value for value in runs[name].tolist()}
        if all_numbers(values.values()):
            values = dict(sorted(values.items(), key=lambda item: item[1]))
        grid[name] = values
    return grid


def all_numbers(values: Iterable[object]) -> bool:
    """Say whether values are finite numbers, none of them a truth value."""
    return all(
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        for value in values
    )


def grouped(runs: Sequence[Run], names: Sequence[str]) -> dict[tuple[str, ...], list[Run]]:
    """Return the runs with the same labels of these parameters, in the order they come."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(tuple(run.labels[name] for name in names), []).append(run)
    return found


@dataclass(frozen=True)
class Spread:
    """What some runs made of one result: mean, lowest and highest of their numbers.

    Attributes:
        mean: The mean of the numbers, nan if there is none.
        low: The lowest of them.
        high: The highest of them.
        count: How many numbers there are.
        runs: How many runs there are.
        mark: What stands for a mean that is not finite; empty for one that is.
    """

    mean: float
    low: float
    high: float
    count: int
    runs: int
    mark: str


NO_RUN = Spread(math.nan, math.nan, math.nan, 0, 0, "…")


def spread_of(runs: Sequence[Run], result: str) -> Spread:
    """Return what some runs made of one result; those without a number do not count."""
    numbers = np.array([run.numbers[result] for run in runs])
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        status = {run.status for run in runs}
        mark = "✗" if "failed" in status else "?" if "finished" in status else "…"
        return Spread(math.nan, math.nan, math.nan, 0, len(runs), mark)
    with np.errstate(all="ignore"):  # infinities, and sums beyond the greatest number
        mean = float(numbers.mean())
    mark = "?" if math.isnan(mean) else "∞" if mean > 0 else "-∞"
    mark = "" if math.isfinite(mean) else mark
    low, high = float(numbers.min()), float(numbers.max())
    return Spread(mean, low, high, len(numbers), len(runs), mark)

"""Put the runs, and their averages over the seeds, into tables that can be sorted."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from helpers.sweeps.report import wording
from helpers.sweeps.report.runs import RUN_COLUMNS, STATUS, Run, grouped, spread_of


@dataclass(frozen=True)
class Cell:
    """What a table shows, the number it is sorted by if that is another, and a link."""

    text: str
    key: str | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        id: Its name in the page.
        caption: What is in it.
        columns: The names of its columns.
        right: The places of the columns that hold numbers, from 1.
        rows: The cells of each row, with the status that the row shows.
    """

    id: str
    caption: str
    columns: Sequence[str]
    right: Sequence[int]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def _cell(value: float) -> Cell:
    """Show a number shortly, sort by all of it, by nothing if it is nan."""
    text = wording.number(value)
    if math.isnan(value):
        return Cell(text, "")
    if math.isinf(value):
        return Cell(text, "Infinity" if value > 0 else "-Infinity")
    return Cell(text, None if float(text) == value else repr(value))


def setting_table(runs: Sequence[Run], axes: Sequence[str], results: Sequence[str]) -> Table:
    """Average each result of a setting over its seeds, one row for each setting."""
    words = ("mean", "lowest", "highest")
    columns = [*axes, "finished", *(f"{name}, {word}" for name in results for word in words)]
    rows = []
    for key, group in grouped(runs, axes).items():
        finished = sum(run.status == "finished" for run in group)
        cells = [Cell(label) for label in key]
        cells.append(Cell(f"{finished} of {len(group)}", str(finished)))
        for result in results:
            spread = spread_of(group, result)
            numbers = (spread.mean, spread.low, spread.high)
            cells += [_cell(number) if finished else Cell("") for number in numbers]
        rows.append(("finished" if finished else "failed", cells))
    rows.sort(key=lambda row: row[0] == "failed")
    return Table("settings", "Averages over the seeds", columns, _numbered(rows), rows)


def run_table(
    table: pd.DataFrame, runs: Sequence[Run], swept: Sequence[str], results: Sequence[str]
) -> Table:
    """List each run with what was varied and what came out, one row for each."""
    others = [name for name in table.columns if name not in (*swept, *results, *RUN_COLUMNS)]
    others = [name for name in others if len({wording.label(v) for v in table[name].tolist()}) > 1]
    rows = []
    for run, row in zip(runs, table.to_dict("records"), strict=True):
        cells = [Cell(run.labels[name]) for name in swept]
        cells += [Cell(wording.label(row[name])) for name in others]
        cells += [_result(run, name, row[name]) for name in results]
        cells += [_cell(run.seconds) if math.isfinite(run.seconds) else Cell("")]
        cells += [Cell(run.status if run.status != "missing" else "not yet run")]
        cells += [Cell(run.notebook.rsplit("/", 1)[-1], link=run.link)]
        rows.append((run.status, cells))
    rows.sort(key=lambda row: STATUS.index(row[0]))
    columns = [*swept, *others, *results, "seconds", "status", "notebook"]
    return Table("runs", "All runs", columns, _numbered(rows), rows)


def _result(run: Run, name: str, value: object) -> Cell:
    if run.status != "finished" or value is None or value is pd.NA:
        return Cell("")
    if isinstance(value, bool | np.bool_):
        return Cell(str(value), str(int(value)))
    return _cell(run.numbers[name]) if isinstance(value, Real) else Cell(str(value))


def _numbered(rows: Sequence[tuple[str, Sequence[Cell]]]) -> list[int]:
    """Return the columns, counted from 1, that hold numbers and nothing else."""

    def is_number(cell: Cell) -> bool:
        return cell.key is not None or bool(re.fullmatch(r"-?[\d.]+(e-?\d+)?|", cell.text))

    columns = zip(*(cells for _, cells in rows), strict=True)
    return [place for place, cells in enumerate(columns, 1) if all(map(is_number, cells))]

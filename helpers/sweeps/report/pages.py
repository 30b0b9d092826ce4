"""Put the page together."""

import math
from collections.abc import Sequence
from importlib import resources

import jinja2
import pandas as pd

from helpers.sweeps.report.charts import chart_for
from helpers.sweeps.report.pictures import picture
from helpers.sweeps.report.runs import grid_of, read
from helpers.sweeps.report.sentences import counts, extremes, facts, failures, left_out, why_nothing
from helpers.sweeps.report.tables import run_table, setting_table

_PICTURES = 4


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
        runs: One row for each run: the parameters, the results (numbers, infinite ones and
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
        TypeError: If ``runs`` is not a table, or ``swept`` or ``results`` one string.
        ValueError: If there is no run, a column is lacking or double, or a status is
            unknown, or the swept parameters do not tell the runs apart.
    """
    records = read(runs, swept, results)
    grid = grid_of(runs, swept)
    chart = chart_for({name: list(values.values()) for name, values in grid.items()})
    numeric = [name for name in results if any(not math.isnan(r.numbers[name]) for r in records)]
    headline = numeric[:1]
    axes = [name for name in swept if name != "seed"]
    finite = [name for name in numeric if any(math.isfinite(r.numbers[name]) for r in records)]
    drawn = finite[:_PICTURES] if len(records) > 1 else []
    tables = [run_table(runs, records, swept, results)]
    if "seed" in swept and numeric:
        tables.insert(0, setting_table(records, axes, numeric))
    template = resources.files("helpers.sweeps.report").joinpath("page.html")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        title=title,
        note=note,
        counts=counts(records, grid),
        facts=facts(runs, records, swept, results),
        answers=[line for name in headline for line in extremes(records, axes, name)],
        nothing="" if headline else why_nothing(records),
        pictures=[picture(chart, grid, records, name) for name in drawn],
        left_out=left_out(results, numeric, drawn),
        tables=tables,
        failures=failures(records),
    )

"""Put the rows of all runs into one table, and store it with its page."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from helpers import experiment, files
from helpers.sweeps.folder import Folder, Row
from helpers.sweeps.grid import Sweep

if TYPE_CHECKING:
    import pandas as pd


def collect(sweep: Sweep, folder: Folder, rows: Mapping[str, Row]) -> None:
    """Write ``results.csv`` and ``index.html``.

    Args:
        sweep: What was to be run.
        folder: Where they go.
        rows: What is stored of the runs.
    """
    from helpers.sweeps import report

    runs, results = table(sweep, rows)
    page = report.page(runs, swept=sweep.swept, results=results, title=f"Sweep of {sweep.name}")
    files.write_all(
        {
            folder.path / "results.csv": runs.to_csv(index=False).encode(),
            folder.path / "index.html": page.encode(),
        }
    )


def table(sweep: Sweep, rows: Mapping[str, Row]) -> "tuple[pd.DataFrame, list[str]]":
    """Put parameters and results side by side.

    Args:
        sweep: What was to be run.
        rows: What is stored of the runs.

    Returns:
        The table, one row per run (``status`` finished, failed or missing), and
        the names of the results.
    """
    import pandas as pd

    lines, columns = [], {}
    for name, parameters in sweep.parameters.items():
        given = {**sweep.defaults, **parameters}
        line = {key: _flat(value) for key, value in given.items()}
        if name in rows:
            row = rows[name]
            for key, value in experiment.from_json(row["results"]).items():
                if not isinstance(value, list):
                    columns[key] = f"{key} (result)" if key in given else key
                    line[columns[key]] = value
            line |= {"status": "failed" if row["error"] else "finished", "error": row["error"]}
            line |= {"seconds": row["seconds"], "notebook": row["notebook"]}
        else:
            line |= {"status": "missing", "error": "", "seconds": None, "notebook": ""}
        lines.append(line)
    results = list(columns.values())
    last = ["status", "error", "seconds", "notebook"]
    return pd.DataFrame(lines, columns=[*sweep.defaults, *results, *last]), results


def _flat(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | tuple) else value

"""Do what is still to do of a sweep, or say what that is.

A folder is read once, as soon as nobody else can write into it; what ends from then on
is added in memory.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tqdm import tqdm

from helpers import warm
from helpers.sweeps import cluster, notebook, results
from helpers.sweeps.folder import Counts, Folder, Row, counts, pending
from helpers.sweeps.grid import Sweep

if TYPE_CHECKING:
    from distributed import Client


class Stopped(KeyboardInterrupt):
    """Ctrl-C in the middle of a sweep.

    Args:
        counts: How the sweep stands.
    """

    def __init__(self, counts: Counts) -> None:
        super().__init__(f"stopped: {counts}; the same command goes on from here")
        self.counts = counts


def execute(
    sweep: Sweep,
    folder: Folder,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    cell_seconds: float | None = None,
    retry_failed: bool = False,
) -> Counts:
    """Do what is still to do of a sweep, with a progress bar, and store every run.

    Args:
        sweep: What to run.
        folder: Where to keep it; what is there already is not run again.
        workers: How many at a time on this machine; one for each processor when omitted.
        scheduler: Address of a Dask scheduler, for another cluster than this machine.
        cell_seconds: Longest time for one cell of a notebook.
        retry_failed: Whether to run those again that failed.

    Returns:
        How the sweep stands in the end.

    Raises:
        ValueError: If the notebook refuses a run, the folder holds something else or
            is in use, or the cluster cannot be reached.
        Stopped: On Ctrl-C; all that has ended is stored.
    """
    rows: dict[str, Row] = {}
    client = None
    try:
        with ExitStack() as stack:
            folder.check(sweep)
            # A new folder is made only when the notebook has refused nothing.
            is_new = not folder.identity.exists()
            if not is_new:
                rows |= stack.enter_context(folder.held(sweep))
            if names := pending(sweep, rows, retry_failed):
                most = min(workers or warm.processors(), len(names))
                client = stack.enter_context(cluster.connected(most, scheduler))
                runs = [sweep.parameters[name] for name in names]
                _refuse(cluster.refusals(client, sweep.content, runs))
            if is_new:
                rows |= stack.enter_context(folder.held(sweep))
                names = pending(sweep, rows, retry_failed)
            try:
                if client is not None:
                    _run(client, sweep, folder, rows, names, cell_seconds)
            finally:
                results.collect(sweep, folder, rows)
    except KeyboardInterrupt:
        raise Stopped(counts(sweep, rows)) from None
    return counts(sweep, rows)


def _run(
    client: "Client",
    sweep: Sweep,
    folder: Folder,
    rows: dict[str, Row],
    names: Sequence[str],
    cell_seconds: float | None,
) -> None:
    """Run some of a sweep's runs, store each as it ends, and add its row to the others."""
    runs = {name: sweep.parameters[name] for name in names}
    total = len(sweep.parameters)
    failed = sum(bool(row["error"]) for name, row in rows.items() if name not in runs)
    with _bar(total, total - len(runs)) as bar:
        bar.set_postfix(failed=failed)
        for name, outcome in cluster.outcomes(client, sweep.content, runs, cell_seconds):
            rows[name] = folder.store(name, runs[name], outcome)
            failed += bool(outcome["error"])
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()


def preview(sweep: Sweep, folder: Folder, retry_failed: bool = False) -> Iterator[str]:
    """Say what a sweep would do, and start nothing.

    Args:
        sweep: What to run.
        folder: Where runs are kept.
        retry_failed: Whether those that failed are to be run again.

    Yields:
        One line for each run, and one in the end.

    Raises:
        ValueError: If the notebook refuses a run.
    """
    rows = folder.rows(sweep)
    waiting = set(pending(sweep, rows, retry_failed))
    runs = [sweep.parameters[name] for name in sweep.parameters if name in waiting]
    _refuse(notebook.refusals(sweep.content, runs))
    for name, parameters in sweep.parameters.items():
        error = name in rows and rows[name]["error"]
        state = "to run" if name in waiting else "failed" if error else "finished"
        words = ", ".join(f"{key}={value}" for key, value in parameters.items()) or "the defaults"
        yield f"{state:8}  {words}"
    yield f"{len(sweep.parameters)} runs: {counts(sweep, rows)}"


def _refuse(refusals: Sequence[str]) -> None:
    if refusals:
        more = f"; and {len(refusals) - 1} more" if len(refusals) > 1 else ""
        raise ValueError(f"nothing was started. {refusals[0]}{more}")


def _bar(total: int, done: int) -> tqdm:
    """Return a bar for a person; for a log file a line every ten seconds."""
    often = 0.1 if sys.stderr.isatty() else 10
    return tqdm(total=total, initial=done, desc="runs", unit="run", mininterval=often)

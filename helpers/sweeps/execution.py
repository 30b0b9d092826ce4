"""Run one notebook at every cell of a grid, on this machine or on a cluster.

Dask hands the runs out; each is a papermill run in a fresh process (see ``engine``).
Only the process that was started writes, and only whole files: a run counts as done
when its row ``runs/<name>.json`` is there, which is put in place after its notebook.
So a sweep may be killed at any moment, and the same command goes on where it was.
"""

import ast
import difflib
import hashlib
import itertools
import json
import logging
import math
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from tqdm import tqdm

from helpers import files, warm

if TYPE_CHECKING:
    from distributed import Client

_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?")
_MOST_RUNS = 100_000
_PATIENCE = 30  # seconds until a scheduler must have a worker


@dataclass(frozen=True)
class Plan:
    """What a sweep runs.

    Args:
        name: Of the notebook.
        content: Its text.
        grid: For each parameter of the grid its values, in the order given.
        fixed: Other parameters, with their value.
        defaults: What the notebook has for each of its parameters.
    """

    name: str
    content: str
    grid: Mapping[str, tuple]
    fixed: Mapping[str, object]
    defaults: Mapping[str, object]

    @property
    def swept(self) -> tuple[str, ...]:
        """The parameters with more than one value."""
        return tuple(name for name, values in self.grid.items() if len(values) > 1)

    @property
    def identity(self) -> dict[str, str]:
        """What tells this notebook from others and from its other versions."""
        notebook = nbformat.reads(self.content, as_version=4)
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        return {"notebook": self.name, "code": _digest(code)}

    def cells(self) -> dict[str, dict[str, object]]:
        """Return the parameters of every run by the run's name, the last name fastest."""
        return {
            self._called(dict(zip(self.grid, values, strict=True))): {
                **dict(zip(self.grid, values, strict=True)),
                **self.fixed,
            }
            for values in itertools.product(*self.grid.values())
        }

    def _called(self, cell: Mapping[str, object]) -> str:
        """Name a run: readable, fit for a file, different for different parameters."""
        words = "-".join(f"{name}_{value}" for name, value in cell.items()) or "run"
        readable = re.sub(r"[^\w.+-]", "_", words, flags=re.ASCII)[:80]
        return f"{readable}-{_digest({**self.fixed, **cell})[:8]}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


# ---- Planning ------------------------------------------------------------------------


def values(text: str) -> tuple:
    """Read the values of one parameter.

    Args:
        text: Values with commas between: numbers, True, False, None, lists in
            brackets, anything else a text; ``0..4`` is 0, 1, 2, 3, 4, and
            ``0..1..0.25`` goes by quarters.

    Returns:
        The values, each once.

    Raises:
        ValueError: If there is none, one is empty, or one stands there twice.

    Example:
        >>> values("5,10..30..10,relu")
        (5, 10, 20, 30, 'relu')
    """
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if not all(part.strip() for part in parts):
        raise ValueError(f"a value is missing in {text!r}; write them like 5,10,20 or 0..4")
    return _once(value for part in parts for value in _span(part.strip()))


def _span(text: str) -> list:
    """Read one value, or the numbers of a range, both ends included."""
    if not (span := _RANGE.fullmatch(text)):
        return [literal(text)]
    low, high, step = (Decimal(part) for part in (span[1], span[2], span[3] or "1"))
    if high < low or step <= 0:
        raise ValueError(f"the range {text!r} is empty; write the smaller number first")
    if (high - low) / step > _MOST_RUNS:
        raise ValueError(f"the range {text!r} has more than {_MOST_RUNS:,} numbers")
    count = int((high - low) / step) + 1
    return [literal(str(low + place * step)) for place in range(count)]


def literal(text: str) -> object:
    """Read a number, a truth value, None or a list; everything else is a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _once(found: Iterable[object]) -> tuple:
    seen = []
    for value in found:
        value = list(value) if isinstance(value, tuple) else value
        if any(value == other and type(value) is type(other) for other in seen):
            raise ValueError(f"the value {value!r} stands there twice")
        seen.append(value)
    return tuple(seen)


def read_grid(path: Path) -> dict[str, tuple]:
    """Read a grid from a YAML file.

    Args:
        path: A mapping from parameter to a list of values, to one value, or to a
            text such as ``0..4``, read as by ``values``.

    Returns:
        The values of each parameter.

    Raises:
        ValueError: If it is no such mapping.
    """
    import yaml

    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"{path} must map parameters to values, such as depth: [5, 10]")
    grid = {}
    for name, found in given.items():
        try:
            if isinstance(found, str):
                grid[name] = values(found)
            else:
                grid[name] = _once(found if isinstance(found, list) else [found])
        except ValueError as error:
            raise ValueError(f"{path}, {name}: {error}") from error
        if not grid[name]:
            raise ValueError(f"{path}, {name}: the list is empty")
    return grid


def plan(path: Path, grid: Mapping[str, Sequence], fixed: Mapping[str, object]) -> Plan:
    """Put a notebook and a grid together.

    Args:
        path: The notebook.
        grid: Values of each parameter to vary.
        fixed: Values of other parameters.

    Returns:
        What to run.

    Raises:
        ValueError: If the notebook has no such parameter, one is given twice, or
            there are too many runs.
    """
    from helpers import experiment

    content = path.read_text(encoding="utf-8")
    try:
        defaults = experiment.parameters(nbformat.reads(content, as_version=4))
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error
    for name in (*grid, *fixed):
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(defaults)}"
            raise ValueError(f"{path.stem} has no parameter {name!r}; {hint}")
    if both := set(grid) & set(fixed):
        raise ValueError(f"{min(both)} is in the grid and fixed as well; say it once")
    count = math.prod(map(len, grid.values()))
    if count > _MOST_RUNS:
        raise ValueError(f"the grid has {count:,} runs, more than {_MOST_RUNS:,}; make it smaller")
    return Plan(path.stem, content, {k: tuple(v) for k, v in grid.items()}, dict(fixed), defaults)


def refused(wanted: Plan, names: Sequence[str]) -> list[str]:
    """Say what the notebook itself refuses, without running it.

    In a process of its own the cells up to the parameters are executed, and then, for
    each run, the cell after them that reads the parameters in ``validation()``.

    Args:
        wanted: What to run.
        names: Which of its runs to look at.

    Returns:
        One sentence for each run that would be refused; empty for a notebook that has
        no such cell.
    """
    code = [
        cell
        for cell in nbformat.reads(wanted.content, as_version=4).cells
        if cell.cell_type == "code"
    ]
    places = [n for n, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])]
    if not names or not places or places[0] + 1 >= len(code):
        return []
    before = [cell.source for cell in code[: places[0] + 1]]
    check = code[places[0] + 1].source
    if "validation()" not in check:
        return []
    cells = wanted.cells()
    cells = [cells[name] for name in names]
    if not warm.available():
        return list(_refusals(before, check, cells))
    with warm.running(_send_refusals, before, check, cells) as (_, connection):
        try:
            return json.loads(connection.recv_bytes())
        except EOFError:
            return ["the process ended while the parameters were read"]


def _send_refusals(
    connection: Connection, before: Sequence[str], check: str, cells: Sequence[Mapping]
) -> None:
    connection.send_bytes(json.dumps(list(_refusals(before, check, cells))).encode())


def _refusals(before: Sequence[str], check: str, cells: Sequence[Mapping]) -> Iterator[str]:
    start: dict[str, object] = {"__name__": "__main__"}
    try:
        for source in before:
            exec(source, start)
    except Exception as error:
        yield f"the cells before the parameters fail: {type(error).__name__}: {error}"
        return
    compiled = compile(check, "parameters", "exec")
    for cell in cells:
        try:
            exec(compiled, {**start, **cell})
        except Exception as error:
            given = ", ".join(f"{name}={value}" for name, value in cell.items())
            yield f"{given}: {error}" if given else str(error)


# ---- Running -------------------------------------------------------------------------


def run(content: str, parameters: Mapping[str, object], cell_seconds: float | None) -> dict:
    """Run a notebook once, wherever this is called.

    Args:
        content: The notebook's text.
        parameters: Which to set.
        cell_seconds: Longest time for one cell; None for no limit.

    Returns:
        ``notebook`` (its text after the run), ``results`` (what it recorded),
        ``error`` (one sentence, empty if all went well), ``seconds``, ``versions``.
    """
    _warm_up()
    start = time.perf_counter()
    notebook, error = _executed(content, parameters, cell_seconds)
    if error.startswith("ProcessEnded"):  # killed from outside, perhaps: once more
        notebook, error = _executed(content, parameters, cell_seconds)
    from helpers import experiment

    return {
        "notebook": nbformat.writes(notebook),
        "results": {} if error else experiment.to_json(experiment.results(notebook)),
        "error": error,
        "seconds": round(time.perf_counter() - start, 3),
        "versions": versions(),
    }


@cache
def _warm_up() -> None:
    """Start this process's server, so that the first run is not charged for it."""
    if warm.available():
        with warm.running(_nothing):
            pass


def _nothing(connection: Connection) -> None:
    pass


def _executed(
    content: str, parameters: Mapping[str, object], cell_seconds: float | None
) -> tuple[nbformat.NotebookNode, str]:
    import papermill

    from helpers import experiment

    logging.getLogger("papermill").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "run.ipynb"
        error = ""
        try:
            notebook = papermill.execute_notebook(
                nbformat.reads(content, as_version=4),
                target,
                dict(parameters),
                engine_name="warm",
                kernel_name="python3",
                progress_bar=False,
                request_save_on_cell_execute=False,
                cwd=folder,
                execution_timeout=cell_seconds,
            )
        except papermill.PapermillExecutionError as failure:
            error = experiment.sentence(failure.ename, failure.evalue)
            notebook = nbformat.read(target, as_version=4)
    for key in ("input_path", "output_path"):  # a folder that is gone
        notebook.metadata.papermill.pop(key, None)
    return notebook, error


@contextmanager
def cluster(workers: int | None, scheduler: str | None) -> Iterator["Client"]:
    """Reach a Dask cluster: one of processes on this machine, or one that is running.

    Args:
        workers: How many processes here; one for each processor when omitted.
        scheduler: Address of a running scheduler, such as ``tcp://10.0.0.1:8786``.

    Yields:
        The client.

    Raises:
        ValueError: If the scheduler does not answer, has no worker, or one with
            another version of the course.
    """
    from distributed import Client, LocalCluster

    if scheduler is None:
        with _deaf_to_ctrl_c():  # they are ended in order
            local = LocalCluster(
                n_workers=workers or warm.processors(),
                threads_per_worker=1,
                dashboard_address=":0",
                memory_limit=0,  # the memory is that of the runs, which are other processes
                silence_logs=logging.CRITICAL,
            )
        with local, Client(local) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise ValueError(
                f"the scheduler at {scheduler} has no worker; start some with "
                f"`dask worker {scheduler} --nthreads 1`"
            ) from error
        _check_versions(client, scheduler)
        yield client


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let the processes that are started in the block ignore Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@cache
def versions() -> dict[str, str]:
    """Say what a run's numbers depend on: the course, torch and numpy."""
    course = hashlib.sha256()
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        course.update(path.read_bytes())
    found = {name: metadata.version(name) for name in ("torch", "numpy")}
    return {"course": course.hexdigest()[:12], **found}


def _check_versions(client: "Client", scheduler: str) -> None:
    """Refuse a cluster whose workers have another course, or none."""
    try:
        found = client.run(versions, on_error="return")
    except (ImportError, OSError) as error:
        raise ValueError(f"the workers of {scheduler} cannot be asked: {error}") from error
    for worker, theirs in found.items():
        if theirs != versions():
            said = theirs if isinstance(theirs, dict) else f"{type(theirs).__name__}: {theirs}"
            raise ValueError(
                f"the worker {worker} has another version of the course ({said}) than this "
                f"machine ({versions()}); install the same on all"
            )


@dataclass(frozen=True)
class Folder:
    """Where a sweep keeps its runs.

    Args:
        path: The folder; made when the first run is stored.
    """

    path: Path

    @property
    def runs(self) -> Path:
        """The folder of the single runs."""
        return self.path / "runs"

    @property
    def mark(self) -> Path:
        """The file that says whose runs these are."""
        return self.path / "sweep.json"

    def check(self, wanted: Plan) -> None:
        """See that the folder is new, empty, or of the same notebook, and not in use.

        Raises:
            ValueError: If it holds the runs of another notebook or version, or another
                process works in it.
        """
        if self.mark.exists():
            try:
                stored = json.loads(self.mark.read_text(encoding="utf-8"))
            except ValueError:
                stored = None
            if stored != wanted.identity:
                raise ValueError(
                    f"{self.path} holds runs of another notebook, or of another version of "
                    f"{wanted.name}; name another folder with --out"
                )
        elif self.path.exists() and any(p.name != ".lock" for p in self.path.iterdir()):
            raise ValueError(
                f"{self.path} holds other files and no sweep; name another folder with --out"
            )
        if self.path.exists():
            with files.held(self.path):
                pass

    @contextmanager
    def held(self, wanted: Plan) -> Iterator[None]:
        """Make the folder, and let no other process work in it meanwhile.

        Raises:
            ValueError: As ``check``.
        """
        self.check(wanted)
        self.runs.mkdir(parents=True, exist_ok=True)
        with files.held(self.path):
            files.write(self.mark, json.dumps(wanted.identity, indent=1).encode())
            yield

    def row(self, name: str, parameters: Mapping[str, object]) -> dict | None:
        """Return what is stored of a run; None if it has not ended or is not readable."""
        try:
            row = json.loads((self.runs / f"{name}.json").read_text(encoding="utf-8"))
            if row["parameters"] == json.loads(json.dumps(parameters)):
                return row
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def store(self, name: str, parameters: Mapping[str, object], outcome: Mapping) -> None:
        """Keep a run: first its notebook, then the row that makes it count."""
        row = {key: outcome[key] for key in ("results", "error", "seconds", "versions")}
        notebook = ""
        if outcome["notebook"]:
            notebook = f"runs/{name}.ipynb"
            files.write(self.path / notebook, outcome["notebook"].encode())
        row |= {"parameters": parameters, "notebook": notebook}
        files.write(self.runs / f"{name}.json", json.dumps(row, indent=1).encode())


def outcomes(
    client: "Client",
    wanted: Plan,
    names: Sequence[str],
    cell_seconds: float | None = None,
) -> Iterator[tuple[str, dict]]:
    """Run some cells of the plan on a cluster.

    Args:
        client: Of the cluster.
        wanted: What to run.
        names: Which cells.
        cell_seconds: Longest time for one cell of a notebook.

    Yields:
        The name and the outcome of each run, as it ends. When a worker dies, its runs
        go to another; a run with which three workers died counts as failed.

    Raises:
        ValueError: If the scheduler is lost.
    """
    from distributed import CancelledError, as_completed
    from distributed.scheduler import KilledWorker

    cells = wanted.cells()
    start = f"{wanted.name}-{time.time_ns()}"  # the cluster must not know these runs already
    futures = {
        client.submit(
            run, wanted.content, cells[name], cell_seconds, key=f"{start}-{name}", pure=False
        ): name
        for name in names
    }
    for future in as_completed(list(futures)):
        name = futures.pop(future)
        try:
            outcome = future.result()
        except KilledWorker:
            outcome = _lost("its worker process died, three times")
        except CancelledError as error:
            raise ValueError(
                "the Dask scheduler is gone; start the same command again, and it goes on"
            ) from error
        except Exception as error:
            outcome = _lost(f"{type(error).__name__}: {error}".split("\n")[0])
        future.release()
        yield name, outcome


def _lost(error: str) -> dict:
    return {"notebook": "", "results": {}, "error": error, "seconds": 0.0, "versions": {}}


@dataclass(frozen=True)
class Tally:
    """How a sweep stands.

    Args:
        finished: Runs that went well.
        failed: Runs that ended with an error.
        missing: Runs that are still to do.
    """

    finished: int
    failed: int
    missing: int

    def __str__(self) -> str:
        words = [f"{self.finished} finished"]
        words += [f"{self.failed} failed"] if self.failed else []
        words += [f"{self.missing} not run"] if self.missing else []
        return ", ".join(words)


def tally(wanted: Plan, folder: Folder) -> Tally:
    """Count what is stored of the runs of a plan."""
    rows = [folder.row(name, cell) for name, cell in wanted.cells().items()]
    failed = sum(bool(row["error"]) for row in rows if row is not None)
    missing = sum(row is None for row in rows)
    return Tally(len(rows) - failed - missing, failed, missing)


def due(wanted: Plan, folder: Folder, retry_failed: bool = False) -> list[str]:
    """Return the names of the runs that are still to do.

    Args:
        wanted: What to run.
        folder: Where runs are kept.
        retry_failed: Whether those that failed are to be run again.
    """
    rows = {name: folder.row(name, cell) for name, cell in wanted.cells().items()}
    return [name for name, row in rows.items() if row is None or (retry_failed and row["error"])]


def execute(
    wanted: Plan,
    folder: Folder,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    cell_seconds: float | None = None,
    retry_failed: bool = False,
) -> Tally:
    """Do what is still to do of a plan, with a progress bar, and store every run.

    Args:
        wanted: What to run.
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
    """
    folder.check(wanted)
    if not (names := due(wanted, folder, retry_failed)):
        with folder.held(wanted):
            collect(wanted, folder)
        return tally(wanted, folder)
    with cluster(workers and min(workers, len(names)), scheduler) as client:
        _refuse(_asked(client, wanted, names))
        with folder.held(wanted):
            names = due(wanted, folder, retry_failed)  # somebody may have been here meanwhile
            cells = wanted.cells()
            failed = 0 if retry_failed else tally(wanted, folder).failed
            try:
                with _bar(len(cells), len(cells) - len(names)) as bar:
                    bar.set_postfix(failed=failed)
                    for name, outcome in outcomes(client, wanted, names, cell_seconds):
                        folder.store(name, cells[name], outcome)
                        failed += bool(outcome["error"])
                        bar.set_postfix(failed=failed, refresh=False)
                        bar.update()
            finally:
                collect(wanted, folder)
    return tally(wanted, folder)


def _asked(client: "Client", wanted: Plan, names: Sequence[str]) -> list[str]:
    """Let a worker say which runs the notebook refuses, while all of them get warm."""
    start = time.time_ns()
    warming = [
        client.submit(_warm_up, workers=[worker], key=f"warm-{start}-{worker}", pure=False)
        for worker in client.scheduler_info(n_workers=-1)["workers"]
    ]
    asking = client.submit(refused, wanted, names, key=f"ask-{start}", pure=False)
    from helpers.sweeps import report  # noqa: F401  (it takes a second, and now there is time)

    answer = asking.result()
    del warming
    return answer


def _refuse(refusals: Sequence[str]) -> None:
    if refusals:
        more = f"; and {len(refusals) - 1} more" if len(refusals) > 1 else ""
        raise ValueError(f"nothing was started. {refusals[0]}{more}")


def preview(wanted: Plan, folder: Folder, retry_failed: bool = False) -> Iterator[str]:
    """Say what a sweep would do, and start nothing.

    Args:
        wanted: What to run.
        folder: Where runs are kept.
        retry_failed: Whether those that failed are to be run again.

    Yields:
        One line for each run, and one in the end.

    Raises:
        ValueError: If the notebook refuses a run.
    """
    names = due(wanted, folder, retry_failed)
    _refuse(refused(wanted, names))
    waiting = set(names)
    for name, cell in wanted.cells().items():
        row = folder.row(name, cell)
        state = "to run" if name in waiting else "failed" if row["error"] else "finished"
        words = ", ".join(f"{key}={value}" for key, value in cell.items()) or "the defaults"
        yield f"{state:8}  {words}"
    yield f"{len(wanted.cells())} runs: {tally(wanted, folder)}"


def _bar(total: int, done: int) -> tqdm:
    """A bar for a person; for a log file a line every ten seconds."""
    often = 0.1 if sys.stderr.isatty() else 10
    return tqdm(total=total, initial=done, desc="runs", unit="run", mininterval=often)


# ---- Collecting ----------------------------------------------------------------------


def collect(wanted: Plan, folder: Folder) -> "tuple[object, list[str]]":
    """Put the rows of all runs into one table, and store it with its page.

    Writes ``results.csv`` and ``index.html``.

    Args:
        wanted: What was to be run.
        folder: Where the runs are.

    Returns:
        The table, a row for each run (``status`` finished, failed or missing), and
        the names of the results.
    """
    import pandas as pd

    from helpers import experiment
    from helpers.sweeps import report

    rows, results = [], {}
    for name, cell in wanted.cells().items():
        given = {**wanted.defaults, **cell}
        stored = folder.row(name, cell)
        row = {key: _flat(value) for key, value in given.items()}
        if stored is None:
            row |= {"status": "missing", "error": "", "seconds": None, "notebook": ""}
        else:
            for key, value in experiment.from_json(stored["results"]).items():
                if not isinstance(value, list):
                    results[key] = f"{key} (result)" if key in given else key
                    row[results[key]] = value
            row |= {"status": "failed" if stored["error"] else "finished"}
            row |= {key: stored[key] for key in ("error", "seconds", "notebook")}
        rows.append(row)
    last = ["status", "error", "seconds", "notebook"]
    table = pd.DataFrame(rows, columns=[*wanted.defaults, *results.values(), *last])
    files.write(folder.path / "results.csv", table.to_csv(index=False).encode())
    page = report.page(
        table,
        swept=[*wanted.swept],
        results=[*results.values()],
        title=f"Sweep of {wanted.name}",
    )
    files.write(folder.path / "index.html", page.encode())
    return table, list(results.values())


def _flat(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | tuple) else value

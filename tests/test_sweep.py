"""Grids are read and refused, every cell runs once, and nothing that is killed is lost."""

import io
import json
import math
import os
import signal
import stat
import subprocess
import sys
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner
from waiting import CEILING, wait_for

from helpers import cli, experiment, files, sweeps, warm
from helpers.sweeps import cluster, notebook, results
from helpers.sweeps.folder import counts


def code(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def write_notebook(folder, body="", name="tiny"):
    """An experiment of no cost that writes a line into a log whenever it runs."""
    made = nbformat.v4.new_notebook(
        cells=[
            code("import os, time\nfrom helpers import experiment", "setup"),
            code("a = 1\nword = 'x'\nseed = 0\npause = 0.0\nlog = ''\nsizes = [1]", "parameters"),
            code(
                "with experiment.validation():\n"
                "    a = experiment.read(int, a=a)\n"
                "    if a < 0:\n        raise ValueError(f'a must not be negative, got {a}')"
            ),
            code(
                "if log:\n    with open(log, 'a') as file:\n"
                "        file.write(f'{a} {os.getpid()}\\n')\n"
                "time.sleep(pause)"
            ),
            code(f"{body or 'pass'}\nprint('done', a, word, seed)"),
            code("experiment.record(score=a * 10 + seed, length=len(word), low=float('-inf'))"),
        ]
    )
    made.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "P"}
    path = folder / f"{name}.ipynb"
    nbformat.write(made, path)
    return path


@pytest.fixture
def tiny(tmp_path):
    return write_notebook(tmp_path)


def course(*arguments):
    return CliRunner().invoke(cli.main, ["sweep", *map(str, arguments)])


# ---- Grids ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5,10,20", (5, 10, 20)),
        ("0..4", (0, 1, 2, 3, 4)),
        ("-1..1", (-1, 0, 1)),
        ("0..1..0.25", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("0.1..0.3..0.1", (0.1, 0.2, 0.3)),
        ("3..3", (3,)),
        ("1,8..10,relu", (1, 8, 9, 10, "relu")),
        ("relu, tanh", ("relu", "tanh")),
        ("None,0.05", (None, 0.05)),
        ("True,1", (True, 1)),
        ("[1, 2],[3]", ([1, 2], [3])),
        ("1e-3,1e-2", (0.001, 0.01)),
        ("a..b", ("a..b",)),
    ],
)
def test_values_are_read(text, expected):
    assert sweeps.values(text) == expected
    assert [*map(type, sweeps.values(text))] == [*map(type, expected)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a value is missing"),
        ("1,,2", "a value is missing"),
        ("1,2,1", "the value 1 is given twice"),
        ("1..3,2", "the value 2 is given twice"),
        ("4..0", "the range '4..0' is empty"),
        ("0..4..0", "the range '0..4..0' is empty"),
        ("0..1000000", "more than 100,000 numbers"),
    ],
)
def test_bad_values_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        sweeps.values(text)


BAD = [
    (["-g", "aa=1"], "tiny has no parameter 'aa'; did you mean 'a'?"),
    (["-g", "zzz=1"], "tiny has no parameter 'zzz'; choose from a, word, seed, pause, log, sizes"),
    (["-p", "zzz", "1"], "tiny has no parameter 'zzz'"),
    (["-g", "a"], "'a' is not part of a grid; write it like depth=5,10,20"),
    (["-g", "a=1,1"], "a: the value 1 is given twice"),
    (["-g", "a=1", "-g", "a=2"], "a is given twice"),
    (["-g", "a=1,2", "-p", "a", "3"], "a is in the grid and fixed as well"),
    (["-g", "a=1..1000", "-g", "seed=1..1000"], "the grid has 1,000,000 runs"),
    (
        ["-g", "a=2,-1,x", "--workers", "1"],
        "nothing was started. a=-1: a must not be negative, got -1; and 1 more",
    ),
    (["-g", "a=x", "--dry-run"], "nothing was started. a=x: a must be a whole number, got 'x'"),
    (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "--workers is for this machine"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_a_bad_grid_is_refused_before_anything_starts(arguments, words, tiny, tmp_path):
    result = course(tiny, *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        ("import nosuchmodule", "the cells before the parameters fail: ModuleNotFoundError"),
        ("import os; os._exit(1)", "the process ended while the parameters were read"),
    ],
)
def test_a_notebook_that_cannot_start_is_refused(setup, words, tiny, tmp_path):
    made = nbformat.read(tiny, as_version=4)
    made.cells[0].source = setup
    nbformat.write(made, tiny)
    result = course(tiny, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 2
    assert words in result.output


def test_a_notebook_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.ipynb").write_text("not JSON")
    for name, words in (
        (tmp_path / "a.ipynb", "is not a notebook"),
        (tmp_path / "b.ipynb", "there is no file"),
        ("nosuch", "there is no lesson or experiment 'nosuch'"),
    ):
        result = course(name, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert words in result.output


def test_a_grid_may_come_from_a_file(tiny, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text("a: [1, 2]\nword: relu\nseed: 0..1\n")
    assert sweeps.read_grid(grid) == {"a": (1, 2), "word": ("relu",), "seed": (0, 1)}
    result = course(tiny, "-f", grid, "-g", "pause=0,1", "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "to run    a=2, word=relu, seed=1, pause=1\n" in result.output
    assert result.output.endswith("8 runs: 0 finished, 8 not run\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "is not YAML"),
        ("- 1", "must map parameters to values"),
        ("a: []", "a: the list is empty"),
        ("a: [1, 1]", "a: the value 1 is given twice"),
        ("a: 4..0", "a: the range '4..0' is empty"),
    ],
)
def test_a_bad_file_is_refused(text, words, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(text)
    with pytest.raises(ValueError, match=words):
        sweeps.read_grid(grid)


def test_every_run_has_a_name_of_its_own(tiny):
    words = ("a b", "a/b", "a_b", "../x", "é" * 300)
    found = sweeps.prepare(tiny, {"word": words, "a": (1, 2)}, {})
    names = list(found.parameters)
    assert len(set(names)) == 10
    assert all(len(name) < 100 and set(name).isdisjoint("/\\ :") for name in names)
    assert found.swept == ("word", "a")
    fixed = sweeps.prepare(tiny, {"word": ("a b",)}, {"a": 1})
    assert not set(fixed.parameters) & set(names)
    assert list(sweeps.prepare(tiny, {}, {}).parameters.values()) == [{}]


# ---- Running -------------------------------------------------------------------------


def test_a_sweep_runs_every_cell_once_and_keeps_what_failed(tmp_path):
    path = write_notebook(tmp_path, "if a == 3:\n    raise RuntimeError('three\\nis <bad>')")
    out, log = tmp_path / "my runs", tmp_path / "log"
    arguments = [path, "-g", "a=1..3", "-g", "word=x,yy", "-p", "log", log, "--out", out]
    result = course(*arguments, "--workers", 2)
    assert result.exit_code == 1
    assert f"4 finished, 2 failed: {out / 'index.html'}" in result.output
    assert sorted(line.split()[0] for line in log.read_text().splitlines()) == list("112233")
    table = pd.read_csv(out / "results.csv")
    assert list(table.columns[:6]) == ["a", "word", "seed", "pause", "log", "sizes"]
    assert list(table.columns[6:9]) == ["score", "length", "low"]
    good = table[table.status == "finished"]
    assert list(good.score) == [10, 10, 20, 20]
    assert list(good.length) == [1, 2, 1, 2]
    assert (good.low == -math.inf).all()
    bad = table[table.status == "failed"]
    assert list(bad.a) == [3, 3]
    assert set(bad.error) == {"RuntimeError: three"}
    for place in table.notebook:  # kept for reading, the failed ones too
        stored = nbformat.read(out / place, as_version=4)
        nbformat.validate(stored)
        assert any(cell.get("outputs") for cell in stored.cells)
    row = json.loads((out / good.notebook.iloc[0]).with_suffix(".json").read_text())
    assert row["results"] == {"score": 10, "length": 1, "low": "-inf"}
    assert row["versions"] == notebook.versions()
    page = (out / "index.html").read_text()
    assert "three" in page
    assert "<bad>" not in page

    # Again: nothing is left to do, and nothing runs.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = course(*arguments)
    assert again.exit_code == 1
    assert len(log.read_text().splitlines()) == 6
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} <= {out / ".lock"}
    listed = course(*arguments, "--dry-run")
    assert "failed    a=3, word=x, log=" in listed.output
    assert listed.output.endswith("6 runs: 4 finished, 2 failed\n")

    # With more values only these run; a damaged row does not count.
    (out / good.notebook.iloc[0]).with_suffix(".json").write_text('{"half": ')
    more = course(*arguments[:2], "a=1..4", *arguments[3:], "--workers", 1, "--retry-failed")
    assert more.exit_code == 1
    assert sorted(line.split()[0] for line in log.read_text().splitlines()[6:]) == list("13344")


def test_another_notebook_does_not_get_into_the_folder(tiny, tmp_path):
    folder = sweeps.Folder(tmp_path / "out")
    with folder.held(sweeps.prepare(tiny, {}, {})):
        pass
    folder.check(sweeps.prepare(tiny, {"a": (1, 2)}, {}))  # the same notebook, another grid
    changed = write_notebook(tmp_path, "print('changed')")
    with pytest.raises(ValueError, match="or of another version of tiny"):
        folder.check(sweeps.prepare(changed, {}, {}))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="holds other files and no sweep"):
        sweeps.Folder(tmp_path / "full").check(sweeps.prepare(changed, {}, {}))


def test_a_run_takes_its_parameters_as_strings_too(tiny):
    outcome = notebook.run(tiny.read_text(), {"a": "7", "seed": 2}, None)
    assert outcome["error"] == ""
    assert outcome["results"] == {"score": 72, "length": 1, "low": "-inf"}


def test_a_refusal_is_one_sentence(tiny):
    outcome = notebook.run(tiny.read_text(), {"a": "seven"}, None)
    assert outcome["error"] == "a must be a whole number, got 'seven'"
    assert outcome["results"] == {}


def test_a_run_that_hangs_is_stopped(tiny):
    outcome = notebook.run(tiny.read_text(), {"pause": 60}, 1.0)
    assert outcome["error"] == "CellTimeoutError: the cell took more than 1 seconds"


def test_a_run_that_is_killed_once_is_run_again(tmp_path):
    log = tmp_path / "log"
    dies = "import signal\nif len(open(log).readlines()) < {}:\n    os.kill(os.getpid(), 9)"
    once = write_notebook(tmp_path, dies.format(2))
    assert notebook.run(once.read_text(), {"log": str(log)}, None)["error"] == ""
    assert len(log.read_text().splitlines()) == 2
    always = write_notebook(tmp_path, dies.format(99))
    outcome = notebook.run(always.read_text(), {"log": str(log)}, None)
    assert outcome["error"] == "ProcessEnded: the process of this run ended in the middle (SIGKILL)"


def test_results_with_a_parameter_s_name_do_not_hide_it(tmp_path):
    path = write_notebook(tmp_path, "experiment.record(seed=99)")
    cells = nbformat.read(path, as_version=4)
    cells.cells.pop()
    nbformat.write(cells, path)
    sweep = sweeps.prepare(path, {}, {})
    folder = sweeps.Folder(tmp_path / "out")
    ((name, parameters),) = sweep.parameters.items()
    with folder.held(sweep):
        folder.store(name, parameters, notebook.run(sweep.content, parameters, None))
    table, columns = results.table(sweep, folder.rows(sweep))
    assert (table.seed[0], table["seed (result)"][0], columns) == (0, 99, ["seed (result)"])


# ---- Keeping -------------------------------------------------------------------------


def outcome(score=0.0, error=""):
    """What a worker would return of a run."""
    recorded = experiment.to_json({"score": score})
    told = {"results": {} if error else recorded, "error": error}
    return {"notebook": "{}", "seconds": 1.0, "versions": {}, **told}


@pytest.fixture
def no_cluster(monkeypatch):
    """Runs that cost nothing, and are known by name; none is refused."""
    done = []

    def outcomes(client, content, runs, cell_seconds):
        for name, parameters in runs.items():
            done.append(name)
            yield name, outcome(parameters["a"])

    monkeypatch.setattr(cluster, "connected", lambda workers, scheduler: nullcontext("a client"))
    monkeypatch.setattr(cluster, "refusals", lambda client, content, runs: [])
    monkeypatch.setattr(cluster, "outcomes", outcomes)
    return done


@pytest.fixture
def rows_read(monkeypatch):
    """The rows that are opened, each time that one is."""
    opened = []

    def count(path, *rest, read=io.open, **more):
        if str(path).endswith(".json") and Path(path).parent.name == "runs":
            opened.append(Path(path).stem)
        return read(path, *rest, **more)

    monkeypatch.setattr(io, "open", count)
    monkeypatch.setattr("builtins.open", count)
    return opened


def test_a_sweep_reads_every_row_once(tiny, tmp_path, no_cluster, rows_read):
    folder = sweeps.Folder(tmp_path / "out")
    sweep = sweeps.prepare(tiny, {"a": tuple(range(9))}, {})
    names = list(sweep.parameters)
    with folder.held(sweep):
        for name in names[:5]:
            error = "it broke" if name == names[1] else ""
            folder.store(name, sweep.parameters[name], outcome(7.0, error))
    (folder.runs / f"{names[5]}.json").write_text("{}")  # one that does not count
    for retry, ran, failed in ((False, names[5:], 1), (True, [names[1]], 0), (True, [], 0)):
        rows_read.clear()
        no_cluster.clear()
        assert str(sweeps.execute(sweep, folder, retry_failed=retry)).startswith(
            f"{9 - failed} finished{', 1 failed' if failed else ''}"
        )
        assert no_cluster == ran
        kept = [name for name in names if name not in ran]
        assert sorted(name for name in rows_read if name in kept) == kept
        # What is put in the place of another file is compared with it, and no more.
        assert all(rows_read.count(name) <= 2 for name in ran)
        # The table, made from what was in memory, is that of the rows on the disk.
        table, _ = results.table(sweep, folder.rows(sweep))
        assert table.to_csv(index=False) == (folder.path / "results.csv").read_text()
    assert [*table.score] == [7, 1, 7, 7, 7, 5, 6, 7, 8]


def test_what_somebody_else_has_run_is_not_run_again(tiny, tmp_path, no_cluster, monkeypatch):
    folder = sweeps.Folder(tmp_path / "out")
    sweep = sweeps.prepare(tiny, {"a": (0, 1, 2)}, {})
    names = list(sweep.parameters)

    def meanwhile(client, content, runs):
        assert not folder.path.exists()  # the notebook may still refuse a run
        with folder.held(sweep):
            folder.store(names[1], sweep.parameters[names[1]], outcome(9.0))
        return []

    monkeypatch.setattr(cluster, "refusals", meanwhile)
    assert str(sweeps.execute(sweep, folder)) == "3 finished"
    assert no_cluster == [names[0], names[2]]
    assert list(pd.read_csv(folder.path / "results.csv").score) == [0, 9, 2]


def test_a_sweep_that_is_stopped_says_how_it_stands(tiny, tmp_path, no_cluster, monkeypatch):
    def outcomes(client, content, runs, cell_seconds):
        yield next(iter(runs)), outcome()
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "outcomes", outcomes)
    folder = sweeps.Folder(tmp_path / "out")
    sweep = sweeps.prepare(tiny, {"a": (0, 1, 2)}, {})
    with pytest.raises(KeyboardInterrupt, match="stopped: 1 finished, 2 not run; the same") as stop:
        sweeps.execute(sweep, folder)
    assert stop.value.counts == counts(sweep, folder.rows(sweep))
    assert list(pd.read_csv(folder.path / "results.csv").status).count("missing") == 2


def test_a_run_counts_only_when_its_notebook_is_on_the_disk(tiny, tmp_path, monkeypatch):
    folder = sweeps.Folder(tmp_path / "out")
    sweep = sweeps.prepare(tiny, {}, {})
    ((name, parameters),) = sweep.parameters.items()
    calls = []

    def fsync(descriptor, flush=os.fsync):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("flush the folder" if is_folder else "flush a file")
        flush(descriptor)

    def replace(source, target, move=os.replace):
        calls.append(Path(target).name)
        move(source, target)

    with folder.held(sweep):
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        folder.store(name, parameters, outcome())
    kept = [f"{name}.ipynb", f"{name}.json"]
    assert calls == [
        *("flush a file", kept[0], "flush the folder"),
        *("flush a file", kept[1], "flush the folder"),
    ]


def test_a_folder_is_fit_for_its_sweep_from_its_first_moment_on(tiny, tmp_path):
    """Wherever a sweep is killed while it makes its folder, the same command goes on."""
    sweep = sweeps.prepare(tiny, {}, {})
    folder = sweeps.Folder(tmp_path / "out")
    for left in ("", ".lock", ".sweep.json.123"):
        folder.path.mkdir(exist_ok=True)
        if left:
            (folder.path / left).touch()
        folder.check(sweep)
    (folder.path / "sweep.json.mine").touch()
    with pytest.raises(ValueError, match="holds other files and no sweep"):
        folder.check(sweep)


# ---- Killing -------------------------------------------------------------------------


@contextmanager
def started(*arguments, **options):
    """A process of its own group, all of which is gone at the end."""
    command = options.pop("command", [Path(sys.executable).with_name("course"), *arguments])
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def lines(log):
    return log.read_text().splitlines() if log.exists() else []


def gated(tmp_path):
    """Eight runs that wait while there are as many rows as may be, and who says how many."""
    out, log, most = tmp_path / "out", tmp_path / "log", tmp_path / "most"
    wait = (
        "from pathlib import Path\n"
        f"while len([*Path({str(out / 'runs')!r}).glob('*.json')]) >= "
        f"int(Path({str(most)!r}).read_text()):\n    time.sleep(0.01)"
    )
    path = write_notebook(tmp_path, wait)

    def allow(count):
        files.write(most, str(count).encode())

    return ["sweep", path, "-g", "a=0..7", "-p", "log", log, "--out", out], out, log, allow


def ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def rows(out):
    return sorted((out / "runs").glob("*.json")) if out.exists() else []


needs_fork = pytest.mark.skipif(not warm.available(), reason="this machine cannot fork safely")


def stored(path):
    return json.loads(path.read_text())


@needs_fork
def test_a_sweep_that_is_stopped_or_killed_goes_on_and_runs_nothing_finished_twice(tmp_path):
    arguments, out, log, allow = gated(tmp_path)

    # While it works nobody else gets into the folder; Ctrl-C stops it.
    allow(3)
    with started(*arguments, "--workers", 1) as process:
        wait_for(lambda: len(rows(out)) >= 3, process)
        result = course(*arguments[1:])
        assert result.exit_code == 2
        assert "is in use by another process" in result.output
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=CEILING)
    assert process.returncode == 1
    assert b"not run; the same command goes on from here" in output
    assert b"Traceback" not in output
    assert all(stored(path)["error"] == "" for path in rows(out))
    assert 3 <= len(rows(out)) < 8

    # The same command goes on, and is killed.
    kept = {path: path.read_bytes() for path in rows(out)}
    before = len(lines(log))
    allow(len(kept) + 1)
    with started(*arguments, "--workers", 2) as process:
        wait_for(lambda: len(rows(out)) > len(kept), process)
        others = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        wait_for(lambda: all(map(ended, others)))  # no orphans
    finished = {str(json.loads(content)["parameters"]["a"]) for content in kept.values()}
    assert {line.split()[0] for line in lines(log)[before:]}.isdisjoint(finished)
    assert all(path.read_bytes() == content for path, content in kept.items())

    # And it goes on to the end.
    kept = {path: path.read_bytes() for path in rows(out)}
    finished = {str(json.loads(content)["parameters"]["a"]) for content in kept.values()}
    assert 4 <= len(kept) < 8
    before = len(lines(log))
    allow(9)
    result = course(*arguments[1:], "--workers", 1)
    assert result.exit_code == 0
    assert "8 finished" in result.output
    assert {line.split()[0] for line in lines(log)[before:]} == set("01234567") - finished
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(pd.read_csv(out / "results.csv")) == 8


@needs_fork
def test_killing_parts_of_a_sweep_costs_nothing(tmp_path):
    arguments, out, log, allow = gated(tmp_path)
    allow(0)
    with started(*arguments, "--workers", 2) as process:
        wait_for(lambda: len(lines(log)) >= 2, process)
        first, second = (psutil.Process(int(line.split()[1])) for line in lines(log))
        server, worker = second.parent(), first.parent().parent()
        assert "multiprocessing.forkserver" in " ".join(server.cmdline())
        assert "multiprocessing.spawn" in " ".join(worker.cmdline())
        assert server.parent() != worker
        first.kill()
        wait_for(lambda: len(lines(log)) >= 3, process)  # it has begun again
        server.kill()
        worker.kill()
        wait_for(lambda: ended(server) and ended(worker), process)
        allow(9)
        output, _ = process.communicate(timeout=CEILING)
        assert process.returncode == 0, output.decode()
    table = pd.read_csv(out / "results.csv")
    assert list(table.status) == ["finished"] * 8
    assert list(table.score) == [10 * a for a in range(8)]


@contextmanager
def dask_scheduler(tmp_path):
    """A scheduler started by hand, as on a cluster; its address, and who starts a worker."""
    dask, place = [sys.executable, "-m", "dask"], tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", 0, "--no-dashboard"]
    with ExitStack() as stack:

        def process(*words):
            return stack.enter_context(started(command=[*dask, *words]))

        def address():
            with suppress(OSError, ValueError):  # not yet there, or not yet whole
                return stored(place)["address"]

        scheduler = process("scheduler", *options, "--scheduler-file", place)
        found = wait_for(address, scheduler)
        worker = ["worker", found, "--nthreads", 1, "--no-dashboard", "--memory-limit", 0]
        yield found, lambda: process(*worker, "--no-nanny")


@needs_fork
def test_a_cluster_started_by_hand_survives_the_death_of_a_worker(tmp_path, monkeypatch):
    arguments, out, log, allow = gated(tmp_path)
    with dask_scheduler(tmp_path) as (address, start_worker):
        monkeypatch.setattr(cluster, "_SCHEDULER_ANSWERS", CEILING)
        monkeypatch.setattr(cluster, "_WORKER_APPEARS", 1)
        result = course(*arguments[1:], "--scheduler", address)
        assert result.exit_code == 2
        assert "has no worker; start some with `dask worker" in result.output
        allow(0)
        workers = [start_worker(), start_worker()]
        with started(*arguments, "--scheduler", address) as process:
            wait_for(lambda: len(lines(log)) >= 2, process)  # one in each
            os.killpg(workers[0].pid, signal.SIGKILL)  # with all its children
            workers[0].wait()
            allow(9)
            output, _ = process.communicate(timeout=CEILING)
            assert process.returncode == 0, output.decode()
    table = pd.read_csv(out / "results.csv")
    assert list(table.status) == ["finished"] * 8
    assert len(lines(log)) >= 9  # one of them twice


def test_a_scheduler_that_does_not_answer_is_a_sentence(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_SCHEDULER_ANSWERS", 1)
    result = course(tiny, "--scheduler", "tcp://127.0.0.1:9", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in result.output


def test_a_cluster_with_another_course_is_refused(monkeypatch):
    class Other:
        def run(self, function, on_error):
            return {"tcp://w:1": {**notebook.versions(), "torch": "1.0"}}

    class Same:
        def run(self, function, on_error):
            return {"tcp://w:1": notebook.versions()}

    class Without:
        def run(self, function, on_error):
            return {"tcp://w:1": ModuleNotFoundError("No module named 'helpers'")}

    cluster._check_versions(Same(), "tcp://s:1")
    for client, words in ((Other(), "'torch': '1.0'"), (Without(), "No module named 'helpers'")):
        with pytest.raises(ValueError, match=words):
            cluster._check_versions(client, "tcp://s:1")


def test_results_survive_the_way_through_a_row(tmp_path, tiny):
    sweep = sweeps.prepare(tiny, {"a": (1,)}, {})
    folder = sweeps.Folder(tmp_path / "out")
    ((name, parameters),) = sweep.parameters.items()
    recorded = experiment.to_json({"loss": math.nan, "top": math.inf})
    with folder.held(sweep):
        folder.store(name, parameters, outcome() | {"notebook": "", "results": recorded})
    assert "NaN" not in next(folder.runs.glob("*.json")).read_text()
    table, _ = results.table(sweep, folder.rows(sweep))
    results.collect(sweep, folder, folder.rows(sweep))
    assert math.isnan(table.loss[0])
    assert table.top[0] == math.inf
    assert Path(folder.path / "results.csv").exists()

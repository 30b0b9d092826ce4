"""Grids are read and refused, every cell runs once, and nothing that is killed is lost."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner

from helpers import cli, experiment, warm
from helpers.sweeps import execution as sweep


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
    assert sweep.values(text) == expected
    assert [*map(type, sweep.values(text))] == [*map(type, expected)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a value is missing"),
        ("1,,2", "a value is missing"),
        ("1,2,1", "the value 1 stands there twice"),
        ("1..3,2", "the value 2 stands there twice"),
        ("4..0", "the range '4..0' is empty"),
        ("0..4..0", "the range '0..4..0' is empty"),
        ("0..1000000", "more than 100,000 numbers"),
    ],
)
def test_bad_values_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        sweep.values(text)


BAD = [
    (["-g", "aa=1"], "tiny has no parameter 'aa'; did you mean 'a'?"),
    (["-g", "zzz=1"], "tiny has no parameter 'zzz'; it has a, word, seed, pause, log, sizes"),
    (["-p", "zzz", "1"], "tiny has no parameter 'zzz'"),
    (["-g", "a"], "'a' is no part of a grid; write it like depth=5,10,20"),
    (["-g", "a=1,1"], "a: the value 1 stands there twice"),
    (["-g", "a=1", "-g", "a=2"], "a is given twice"),
    (["-g", "a=1,2", "-p", "a", "3"], "a is in the grid and fixed as well"),
    (["-g", "a=1..1000", "-g", "seed=1..1000"], "the grid has 1,000,000 runs"),
    (["-g", "a=2,-1,x"], "nothing was started. a=-1: a must not be negative, got -1; and 1 more"),
    (["-g", "a=x"], "nothing was started. a=x: a must be a whole number, got 'x'"),
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
    assert sweep.read_grid(grid) == {"a": (1, 2), "word": ("relu",), "seed": (0, 1)}
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
        ("a: [1, 1]", "a: the value 1 stands there twice"),
        ("a: 4..0", "a: the range '4..0' is empty"),
    ],
)
def test_a_bad_file_is_refused(text, words, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(text)
    with pytest.raises(ValueError, match=words):
        sweep.read_grid(grid)


def test_every_cell_has_a_name_of_its_own(tiny):
    found = sweep.plan(tiny, {"word": ("a b", "a/b", "a_b", "../x", "é" * 300), "a": (1, 2)}, {})
    names = list(found.cells())
    assert len(set(names)) == 10
    assert all(len(name) < 100 and set(name).isdisjoint("/\\ :") for name in names)
    assert found.swept == ("word", "a")
    fixed = sweep.plan(tiny, {"word": ("a b",)}, {"a": 1})
    assert not set(fixed.cells()) & set(names)
    assert list(sweep.plan(tiny, {}, {}).cells().values()) == [{}]


# ---- Running -------------------------------------------------------------------------


def test_a_sweep_runs_every_cell_once_and_keeps_what_failed(tmp_path):
    notebook = write_notebook(tmp_path, "if a == 3:\n    raise RuntimeError('three\\nis <bad>')")
    out, log = tmp_path / "my runs", tmp_path / "log"
    arguments = [notebook, "-g", "a=1..3", "-g", "word=x,yy", "-p", "log", log, "--out", out]
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
    assert row["versions"] == sweep.versions()
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
    folder = sweep.Folder(tmp_path / "out")
    with folder.held(sweep.plan(tiny, {}, {})):
        pass
    folder.check(sweep.plan(tiny, {"a": (1, 2)}, {}))  # the same notebook, another grid
    changed = write_notebook(tmp_path, "print('changed')")
    with pytest.raises(ValueError, match="or of another version of tiny"):
        folder.check(sweep.plan(changed, {}, {}))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="holds other files and no sweep"):
        sweep.Folder(tmp_path / "full").check(sweep.plan(changed, {}, {}))


def test_a_run_takes_its_parameters_as_strings_too(tiny):
    outcome = sweep.run(tiny.read_text(), {"a": "7", "seed": 2}, None)
    assert outcome["error"] == ""
    assert outcome["results"] == {"score": 72, "length": 1, "low": "-inf"}


def test_a_refusal_is_one_sentence(tiny):
    outcome = sweep.run(tiny.read_text(), {"a": "seven"}, None)
    assert outcome["error"] == "a must be a whole number, got 'seven'"
    assert outcome["results"] == {}


def test_a_run_that_hangs_is_stopped(tiny):
    outcome = sweep.run(tiny.read_text(), {"pause": 60}, 1.0)
    assert outcome["error"] == "CellTimeoutError: the cell took more than 1 seconds"


def test_a_run_that_is_killed_once_is_run_again(tmp_path):
    log = tmp_path / "log"
    dies = "import signal\nif len(open(log).readlines()) < {}:\n    os.kill(os.getpid(), 9)"
    once = write_notebook(tmp_path, dies.format(2))
    assert sweep.run(once.read_text(), {"log": str(log)}, None)["error"] == ""
    assert len(log.read_text().splitlines()) == 2
    always = write_notebook(tmp_path, dies.format(99))
    outcome = sweep.run(always.read_text(), {"log": str(log)}, None)
    assert outcome["error"] == "ProcessEnded: the process of this run ended in the middle (SIGKILL)"


def test_results_with_a_parameter_s_name_do_not_hide_it(tmp_path):
    notebook = write_notebook(tmp_path, "experiment.record(seed=99)")
    cells = nbformat.read(notebook, as_version=4)
    cells.cells.pop()
    nbformat.write(cells, notebook)
    wanted = sweep.plan(notebook, {}, {})
    folder = sweep.Folder(tmp_path / "out")
    ((name, cell),) = wanted.cells().items()
    with folder.held(wanted):
        folder.store(name, cell, sweep.run(wanted.content, cell, None))
    table, results = sweep.collect(wanted, folder)
    assert (table.seed[0], table["seed (result)"][0], results) == (0, 99, ["seed (result)"])


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


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def lines(log):
    return log.read_text().splitlines() if log.exists() else []


def family(process, kind):
    """The processes below one whose command line has a word."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if kind in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def swept(tiny, tmp_path):
    """Eight slow runs, where they are kept, and their log."""
    out, log = tmp_path / "out", tmp_path / "log"
    return (
        ["sweep", tiny, "-g", "a=0..7", "-p", "pause", 0.4, "-p", "log", log, "--out", out],
        out,
        log,
    )


def rows(out):
    return sorted((out / "runs").glob("*.json")) if out.exists() else []


needs_fork = pytest.mark.skipif(not warm.available(), reason="this machine cannot fork safely")


@needs_fork
def test_a_sweep_that_is_killed_goes_on_and_runs_nothing_finished_twice(tiny, tmp_path):
    arguments, out, log = swept(tiny, tmp_path)
    with started(*arguments, "--workers", 2) as process:
        wait_for(lambda: len(rows(out)) >= 3)
        others = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        wait_for(lambda: not any(other.is_running() for other in others))  # no orphans
    kept = {path: path.read_bytes() for path in rows(out)}
    finished = {str(json.loads(content)["parameters"]["a"]) for content in kept.values()}
    assert 3 <= len(kept) < 8
    before = [line.split()[0] for line in lines(log)]
    result = course(*arguments[1:], "--workers", 2)
    assert result.exit_code == 0
    assert "8 finished" in result.output
    after = [line.split()[0] for line in lines(log)]
    assert set(after[len(before) :]) == set("01234567") - finished
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(pd.read_csv(out / "results.csv")) == 8


@needs_fork
@pytest.mark.parametrize("victim", ["worker", "server", "run"])
def test_killing_a_part_of_a_sweep_costs_nothing(victim, tiny, tmp_path):
    arguments, out, log = swept(tiny, tmp_path)
    with started(*arguments, "--workers", 2) as process:
        wait_for(lambda: len(lines(log)) >= 2)
        if victim == "worker":
            family(process, "multiprocessing.spawn")[0].kill()
        elif victim == "server":
            family(process, "multiprocessing.forkserver")[0].kill()
        else:
            os.kill(int(lines(log)[-1].split()[1]), signal.SIGKILL)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
    table = pd.read_csv(out / "results.csv")
    assert list(table.status) == ["finished"] * 8
    assert list(table.score) == [10 * a for a in range(8)]


@needs_fork
def test_ctrl_c_stops_a_sweep_and_says_how_it_goes_on(tiny, tmp_path):
    arguments, out, _ = swept(tiny, tmp_path)
    with started(*arguments, "--workers", 2) as process:
        wait_for(lambda: len(rows(out)) >= 2)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"not run; the same command goes on from here" in output
    assert b"Traceback" not in output
    assert all(json.loads(path.read_text())["error"] == "" for path in rows(out))


@needs_fork
def test_a_folder_that_is_in_use_is_refused(tiny, tmp_path):
    arguments, out, _ = swept(tiny, tmp_path)
    with started(*arguments, "--workers", 1):
        wait_for(lambda: len(rows(out)) >= 1)
        result = course(*arguments[1:])
        assert result.exit_code == 2
        assert "is in use by another process" in result.output


@contextmanager
def dask_cluster(workers):
    """A scheduler and workers started by hand, as on a cluster."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", 1, "--no-dashboard", "--memory-limit", 0]
    with ExitStack() as stack:
        stack.enter_context(started(command=scheduler))
        yield address, [stack.enter_context(started(command=worker)) for _ in range(workers)]


@needs_fork
def test_a_cluster_started_by_hand_survives_the_death_of_a_worker(tiny, tmp_path):
    arguments, out, log = swept(tiny, tmp_path)
    with (
        dask_cluster(2) as (address, workers),
        started(*arguments, "--scheduler", address) as process,
    ):
        wait_for(lambda: len(lines(log)) >= 3)
        os.killpg(workers[0].pid, signal.SIGKILL)  # with its nanny and all its children
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
    table = pd.read_csv(out / "results.csv")
    assert list(table.status) == ["finished"] * 8
    assert len(lines(log)) >= 8


def test_a_scheduler_that_does_not_answer_is_a_sentence(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "_PATIENCE", 1)
    result = course(tiny, "--scheduler", "tcp://127.0.0.1:9", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in result.output


def test_a_scheduler_without_workers_or_with_others_is_a_sentence(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "_PATIENCE", 1)
    with dask_cluster(0) as (address, _):
        result = course(tiny, "--scheduler", address, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "has no worker; start some with `dask worker" in result.output


def test_a_cluster_with_another_course_is_refused(monkeypatch):
    class Other:
        def run(self, function, on_error):
            return {"tcp://w:1": {**sweep.versions(), "torch": "1.0"}}

    class Same:
        def run(self, function, on_error):
            return {"tcp://w:1": sweep.versions()}

    class Without:
        def run(self, function, on_error):
            return {"tcp://w:1": ModuleNotFoundError("No module named 'helpers'")}

    sweep._check_versions(Same(), "tcp://s:1")
    for client, words in ((Other(), "'torch': '1.0'"), (Without(), "No module named 'helpers'")):
        with pytest.raises(ValueError, match=words):
            sweep._check_versions(client, "tcp://s:1")


def test_results_survive_the_way_through_a_row(tmp_path, tiny):
    wanted = sweep.plan(tiny, {"a": (1,)}, {})
    folder = sweep.Folder(tmp_path / "out")
    ((name, cell),) = wanted.cells().items()
    results = experiment.to_json({"loss": math.nan, "top": math.inf})
    outcome = {"notebook": "", "results": results, "error": "", "seconds": 1.0, "versions": {}}
    with folder.held(wanted):
        folder.store(name, cell, outcome)
    assert "NaN" not in next(folder.runs.glob("*.json")).read_text()
    table, _ = sweep.collect(wanted, folder)
    assert math.isnan(table.loss[0])
    assert table.top[0] == math.inf
    assert Path(folder.path / "results.csv").exists()

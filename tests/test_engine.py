"""The warm engine gives what a kernel gives, and no run can touch the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from waiting import CEILING, wait_for

from helpers import warm
from helpers.warm import engine, process

pytestmark = pytest.mark.skipif(not warm.available(), reason="this machine cannot fork safely")


def notebook(*cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python"}
    return made


# A kernel may be slow to start, and its outputs to come.
PATIENT = {"start_timeout": CEILING, "iopub_timeout": CEILING, "progress_bar": False}


def execute(*cells, engine_name="warm", **options):
    return papermill.execute_notebook(
        notebook(*cells), None, engine_name=engine_name, **PATIENT, **options
    )


def plain(executed):
    """What the cells show, streams joined: where they are cut depends on the time."""
    shown = []
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            found = {key: value for key, value in output.items() if key != "transient"}
            if "text" in found and shown and shown[-1].get("name") == found["name"]:
                shown[-1]["text"] += found["text"]
            else:
                shown.append(found)
    return shown, [cell.get("execution_count") for cell in executed.cells]


EVERYTHING = (
    "import sys\nprint('a')\nprint('b', end='')\nprint('c', file=sys.stderr)\n1 + 1",
    "from IPython.display import clear_output, display\nx = 3\nx;",
    "handle = display('old', display_id=True)\nhandle.update('new')\ndisplay({'a': 1})",
    "print('gone')\nclear_output()\nprint('here')",
    "print('gone')\nclear_output(wait=True)\nprint('here')",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "plt.plot([2, 1]);",
    "import torch\ntorch.manual_seed(0)\nprint(torch.randn(3))\n_, Out[1], In[2][:4]",
    "import pandas\npandas.DataFrame({'a': [1]})",
    "__name__, [name for name in dir() if name == 'x']",
    "async def later():\n    return 5\nawait later()",
)


def test_the_outputs_are_those_of_a_kernel():
    assert plain(execute(*EVERYTHING)) == plain(execute(*EVERYTHING, engine_name=None))


def test_an_error_stops_the_run_as_in_a_kernel(tmp_path):
    told = []
    for engine_name in ("warm", None):
        target = tmp_path / "out.ipynb"
        with pytest.raises(papermill.PapermillExecutionError) as caught:
            papermill.execute_notebook(
                notebook("x = 1", "1 / 0", "print('never')"),
                target,
                engine_name=engine_name,
                **PATIENT,
            )
        stored = nbformat.read(target, as_version=4)
        told.append((caught.value.ename, caught.value.evalue, caught.value.exec_count))
        told[-1] += ([cell.source for cell in stored.cells if cell.cell_type == "code"],)
        assert not stored.cells[-1].outputs
    assert told[0] == told[1]
    assert told[0][:3] == ("ZeroDivisionError", "division by zero", 2)


DIRTY = """
import builtins, os, random, signal, sys, warnings
import matplotlib.pyplot as plt, numpy as np, torch
from helpers import data, models, theory, train
random.seed(0); np.random.seed(0); torch.manual_seed(0)
torch.set_default_dtype(torch.float64); torch.set_num_threads(3); torch.set_grad_enabled(False)
torch.relu = torch.tanh; builtins.round = lambda x: 42; models.build = None
theory.ACTIVATIONS["tanh"] = torch.sigmoid; train.fit.__kwdefaults__["batch_size"] = 1
data.digits(0).train_inputs.zero_(); data._images._digits()[0][:] = 0
from matplotlib_inline.config import InlineBackend
InlineBackend.instance().close_figures = False
plt.figure(); plt.rcParams["lines.linewidth"] = 99
os.environ["LEFT_BEHIND"] = "yes"; os.environ.pop("HOME", None); os.chdir("/")
sys.path.insert(0, "/nowhere"); sys.modules["left_behind"] = sys
warnings.simplefilter("error"); signal.signal(signal.SIGTERM, signal.SIG_IGN); os.umask(0o777)
sys.setrecursionlimit(50_000); left_behind = 1
"""
LOOK = """
import builtins, os, signal, sys, warnings
import matplotlib.pyplot as plt, numpy as np, torch
from helpers import data, models, theory, train
umask = os.umask(0o22); os.umask(umask)
for value in (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(),
 torch.relu(torch.tensor(-1.0)), round(1.4), callable(models.build),
 theory.ACTIVATIONS["tanh"](torch.tensor(1.0)), train.fit.__kwdefaults__["batch_size"],
 data.digits(0).train_inputs.std(), data._images._digits()[0].sum(), plt.get_fignums(),
 plt.rcParams["lines.linewidth"], sorted(os.environ), os.getcwd(), sys.path,
 "left_behind" in sys.modules, warnings.filters, str(signal.getsignal(signal.SIGTERM)), umask,
 sys.getrecursionlimit(), "left_behind" in dir()):
    print(value)
"""
DRAW = "import random, numpy, torch\nrandom.random(), numpy.random.rand(), torch.rand(()).item()"


def seen(executed):
    return executed.cells[-1].outputs[-1].data["text/plain"]


def state(*cells):
    """What LOOK prints after these cells, a line for each thing that a run could leave behind."""
    return execute(*cells, LOOK).cells[-1].outputs[0].text.splitlines()


def test_no_run_leaves_anything_behind():
    before = state()
    soiled = state(DIRTY)
    for clean, dirty in zip(before, soiled, strict=True):  # LOOK sees each of them
        assert clean != dirty
    assert state() == before
    assert Path.cwd() != Path("/")


def test_nobody_draws_the_same_random_numbers():
    draws = [seen(execute(DRAW)).strip("()").split(", ") for _ in range(3)]
    for kind in zip(*draws, strict=True):
        assert len(set(kind)) == 3


def test_environment_and_folder_are_those_of_the_caller(tmp_path, monkeypatch):
    look = "import os\nprint(os.environ.get('COLOUR'), os.getcwd())"
    assert execute(look, cwd=tmp_path).cells[0].outputs[0].text == f"None {tmp_path}\n"
    monkeypatch.setenv("COLOUR", "red")
    monkeypatch.chdir(tmp_path)
    assert execute(look).cells[0].outputs[0].text == f"red {tmp_path}\n"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_a_process_that_ends_is_an_error_with_what_came_before(cell, words, tmp_path):
    target = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match=words):
        papermill.execute_notebook(
            notebook("print('so far')", f"print('and')\n{cell}"),
            target,
            engine_name="warm",
            progress_bar=False,
        )
    stored = [cell for cell in nbformat.read(target, as_version=4).cells if cell.get("outputs")]
    assert [cell.outputs[0].text for cell in stored] == ["so far\n", "and\n"]


def test_a_cell_that_takes_too_long_is_stopped():
    with pytest.raises(papermill.PapermillExecutionError, match=r"more than 0\.5 seconds"):
        execute("import time; time.sleep(60)", execution_timeout=0.5)


def test_a_run_may_start_processes_of_its_own():
    cell = (
        "import subprocess, sys, torch\n"
        "loader = torch.utils.data.DataLoader(range(4), num_workers=1)\n"
        "[int(x) for x in loader], subprocess.check_output([sys.executable, '-c', 'print(1)'])"
    )
    assert seen(execute(cell)) == r"([0, 1, 2, 3], b'1\n')"


def test_a_sentence_instead_of_a_traceback_stays_one():
    cell = (
        "from helpers import experiment\n"
        "with experiment.validation():\n    experiment.read(int, depth='x')"
    )
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        execute(cell)
    assert caught.value.traceback == ["depth must be a whole number, got 'x'"]


def test_another_language_is_refused():
    made = notebook("1")
    made.metadata.kernelspec = {"name": "python3", "language": "R", "display_name": "R"}
    with pytest.raises(ValueError, match="runs Python only, and this is R"):
        papermill.execute_notebook(made, None, engine_name="warm", progress_bar=False)


def test_without_fork_the_ordinary_kernel_runs(monkeypatch):
    for module in (warm, process):
        monkeypatch.setattr(module, "available", lambda: False)
    executed = execute("get_ipython().kernel is not None")
    assert seen(executed) == "True"
    with pytest.raises(RuntimeError, match="warm processes need Linux"), warm.running(print):
        pass


# ---- Processes end -------------------------------------------------------------------

ORPHAN = """
import sys
from helpers import warm
from helpers.warm import process
from tests_orphan import stay

process._PRELOAD = "torch"  # what a process needs in order to begin
if __name__ == "__main__":
    with warm.running(stay) as (_, connection):
        print(connection.recv_bytes().decode(), flush=True)
        sys.stdin.read()
"""
STAY = """
import os, threading

def stay(connection):
    connection.send_bytes(str(os.getpid()).encode())
    threading.Event().wait()
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_ends_with_the_process_that_started_it(tmp_path, blow):
    (tmp_path / "caller.py").write_text(ORPHAN)
    (tmp_path / "tests_orphan.py").write_text(STAY)
    caller = subprocess.Popen(
        [sys.executable, tmp_path / "caller.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    with caller:
        pid = int(caller.stdout.readline())
        assert alive(pid)
        caller.send_signal(blow)
        caller.wait()
    wait_for(lambda: not alive(pid))


def test_the_engine_is_found_by_papermill():
    assert papermill.engines.papermill_engines.get_engine("warm") is engine.WarmEngine

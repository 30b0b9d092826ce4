"""The warm kernel is the ordinary one to Jupyter: it computes, stops, restarts and ends."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import jupyter_client
import nbformat
import pytest
from nbclient import NotebookClient
from waiting import CEILING, wait_for

from helpers import warm
from helpers.lessons.sources import ROOT

pytestmark = pytest.mark.skipif(not warm.available(), reason="this machine cannot fork safely")

CELLS = [
    "import os, sys\nprint('out'); print('err', file=sys.stderr)\n1 + 1",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "from IPython.display import display\nhandle = display(1, display_id=True)\nhandle.update(2)",
    "import ipywidgets\nipywidgets.IntSlider(3).value",
    "get_ipython().kernel is not None, type(get_ipython()).__name__",
    "os.getcwd() == os.environ['WHERE'], __name__",
]


def outputs(kernel, folder):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(
        made,
        kernel_name=kernel,
        resources={"metadata": {"path": str(folder)}},
        startup_timeout=CEILING,
        iopub_timeout=CEILING,
    )
    client.execute(env={**os.environ, "WHERE": str(folder)})
    found = [[dict(output) for output in cell.outputs] for cell in made.cells]
    return [sorted(cell, key=lambda output: output.get("name", "")) for cell in found]


@contextmanager
def kernel():
    manager, client = jupyter_client.manager.start_new_kernel(CEILING, kernel_name="warm")
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def value(client, code):
    """What the last line of some code is, as text."""
    found = []
    client.execute_interactive(
        code,
        timeout=CEILING,
        output_hook=lambda message: found.append(message["content"].get("data")),
    )
    return next(data["text/plain"] for data in found if data)


def test_the_kernel_says_what_the_ordinary_one_says(tmp_path):
    assert outputs("warm", tmp_path) == outputs("python3", tmp_path)


def test_the_kernel_is_forked_and_ends(tmp_path):
    with kernel() as (manager, client):
        pid = int(value(client, "import os; os.getpid()"))
        assert pid == manager.provisioner.pid
        assert manager.is_alive()
        assert value(client, "import sys; 'torch' in sys.modules") == "True"  # warm
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_the_kernel_can_be_interrupted_and_restarted():
    with kernel() as (manager, client):
        first = value(client, "import os; x = 1; os.getpid()")
        waiting = "import threading; print('begun'); threading.Event().wait()"
        # Or what is asked right after the interrupt may be dropped, like all behind an error.
        asked = client.execute(waiting, stop_on_error=False)
        while client.get_iopub_msg(timeout=CEILING)["content"].get("text") != "begun\n":
            pass
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=CEILING)
        assert reply["parent_header"]["msg_id"] == asked
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert value(client, "x") == "1"
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=CEILING)
        assert value(client, "import os; os.getpid()") != first
        assert value(client, "'x' in dir()") == "False"


def test_make_test_uses_it():
    lines = (ROOT / "Makefile").read_text().replace("\\\n", " ").splitlines()
    (flags,) = (line for line in lines if line.startswith("NOTEBOOKS :="))
    assert "--nbval-kernel-name=warm " in flags
    place = lines.index("test: $(READY)")
    assert "$(NOTEBOOKS)" in lines[place + 1]


@pytest.mark.parametrize(
    ("stored", "code"),
    [("accuracy ≈0.97 (above 0.9)", 0), ("accuracy ≈0.971 (above 0.8)", 1), ("accuracy 0.97", 1)],
)
def test_numbers_of_trainings_are_not_compared_and_all_others_are(stored, code, tmp_path):
    cell = nbformat.v4.new_code_cell('print("accuracy ≈0.9712 (above 0.9)")', execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", text=f"{stored}\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "lesson.ipynb")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "--nbval-kernel-name=python3"),
            *("--nbval-sanitize-with=tests/nbval_sanitize.cfg", str(tmp_path / "lesson.ipynb")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout

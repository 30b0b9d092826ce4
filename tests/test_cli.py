import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from importlib import metadata

import jupytext
import nbformat
import pytest
from click.testing import CliRunner
from commands import free_port, started

from helpers import cli, experiment, lessons
from helpers.cli import version
from helpers.lessons import copies, sources

GOOD = """\
# %% tags=["parameters"]
seed = 0
names: list = ["a"]

# %%
print("✓ the seed is small:", seed)
print("✓ and so it is\\nnothing ✓ here")

# %% tags=["exercise"]
def double(x):
    \"\"\"Return twice x.\"\"\"
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
"""
CLAIM = """\
# %% [markdown]
# # A lesson

# %%
class ClaimError(AssertionError):
    pass


# %%
raise ClaimError("Claim failed: chi is 2.\\nMore below.")
"""
WRONG = "# %%\nx = 1 / 0\n"
SLOW = """\
# %%
import os
import time
from pathlib import Path

Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
time.sleep(60)
"""
CLONE = sources.ROOT


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course in a temporary folder, with sources but nothing rendered."""
    source = tmp_path / "notebooks" / "source"
    source.mkdir(parents=True)
    (tmp_path / "README.md").write_text("# A course without pictures\n", encoding="utf-8")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    for name, text in {"01_good": GOOD, "02_claim": CLAIM, "03_wrong": WRONG}.items():
        (source / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def publish(root):
    """Put the unexecuted lessons where rendered ones belong."""
    for path in lessons.source_files():
        target = root / "notebooks" / f"{path.stem}.ipynb"
        nbformat.write(lessons.learner_view(path), target)


def course(*words):
    return CliRunner().invoke(cli.main, words)


def test_help_needs_nothing_heavy():
    code = "import sys; from helpers import cli; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "numpy", "matplotlib", "nbclient", "jupytext"):
        assert f"'{heavy}'" not in done.stdout
    assert "'click'" in done.stdout
    result = course("--help")
    assert result.exit_code == 0
    for command in ("lab", "render", "run", "solutions", "export"):
        assert re.search(rf"^  {command} ", result.output, re.MULTILINE)


def test_version_says_what_a_report_on_a_failed_claim_needs():
    result = course("--version")
    assert result.exit_code == 0
    first, python, torch, numpy, processor, threads = result.output.splitlines()
    assert first == f"course {metadata.version('vanishing-gradients')}"
    assert python.startswith(f"Python {platform.python_version()} on ")
    assert torch.startswith("torch 2.")
    assert numpy == f"numpy {metadata.version('numpy')}"
    assert re.fullmatch(r"processor: .+, [A-Z0-9_ ]+", processor)
    assert re.fullmatch(r"processors to use: \d+; threads of torch: \d+", threads)


def test_the_processor_is_named_as_the_system_names_it(tmp_path):
    described = tmp_path / "cpuinfo"
    described.write_text("processor\t: 0\nmodel name\t: Fast Chip: 9000\nmodel name\t: other\n")
    assert version.processor(described) == "Fast Chip: 9000"
    described.write_text("processor\t: 0\nBogoMIPS\t: 243.75\n")  # as on ARM
    assert version.processor(described) == (platform.processor() or platform.machine())
    assert version.processor(tmp_path / "missing") == version.processor(described)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run"], "Error: notebooks/ holds no rendered lesson; run `course render` first\n"),
        (["lab"], "Error: notebooks/ holds no rendered lesson yet; run `course render` first\n"),
        (
            ["render", "07"],
            "Error: there is no lesson '07'; there are: 01_good, 02_claim, 03_wrong\n",
        ),
        (["solutions", "notebooks"], "Error: notebooks/ holds the published lessons;"),
    ],
)
def test_an_expected_error_is_one_sentence(root, monkeypatch, words, sentence):
    monkeypatch.chdir(root)
    result = course(*words)
    assert result.exit_code == 1
    assert result.output.startswith(sentence)
    assert result.output.count("\n") == 1


def test_an_unexpected_error_keeps_its_traceback(root, monkeypatch):
    monkeypatch.setattr(lessons, "notebooks", lambda names: {}[0])
    assert isinstance(course("run").exception, KeyError)


def test_progress_and_reset_are_about_the_learner_s_own_folder(root):
    publish(root)
    for name in ("02_claim", "03_wrong"):  # a lesson without exercises asks for nothing here
        (root / "notebooks" / f"{name}.ipynb").unlink()
    assert (
        course("reset", "01").output == "Error: my_course/ is not there yet; `make lab` makes it\n"
    )
    copies.learner_copy(root / "my_course")
    assert course("reset", "01").output == (
        "01_good.ipynb: fresh; yours is now 01_good.mine.ipynb\n"
    )
    assert course("reset").exit_code == 2
    first, last = course("progress").output.splitlines()
    assert re.fullmatch(r"Lesson 01: 0 of 0 predictions made, 0 of \d exercises solved .*", first)
    assert last == "Lessons done: 0 of 1."


def test_run_reports_each_lesson_in_order_and_writes_nothing(root):
    publish(root)
    before = sorted(root.rglob("*"))
    result = course("run", "--workers", "3")
    assert result.exit_code == 1
    first, second, third = result.output.splitlines()
    assert re.fullmatch(r"01_good     2 claims held   1 exercise +\d+\.\d s", first)
    assert second == "02_claim  FAILED, cell [2]: Claim failed: chi is 2."
    assert third == "03_wrong  FAILED, cell [1]: ZeroDivisionError: division by zero"
    assert sorted(root.rglob("*")) == before


def test_run_takes_names_and_parameters(root, monkeypatch):
    publish(root)
    seen = []

    def execute(notebooks, workers):
        seen.extend(notebooks)
        return iter([lessons.Run(notebooks[0], 1.0, "")])

    monkeypatch.setattr(lessons, "execute", execute)
    result = course("run", "01", "-p", "seed", "-3", "-p", "names", "abc")
    assert result.exit_code == 0
    assert len(seen) == 1
    cell = seen[0].cells[0]
    assert cell.source.endswith("\nseed = -3\nnames = 'abc'")
    assert "parameters" in cell.metadata.tags

    refused = course("run", "01", "-p", "sede", "1")
    assert refused.output == "Error: 01_good has no parameter 'sede'; it has: seed, names\n"
    assert "it has: none" in course("run", "03", "-p", "seed", "1").output
    assert len(seen) == 1


def test_a_preset_is_an_experiment_with_other_parameters(root, monkeypatch):
    publish(root)
    folder = root / "notebooks" / "experiments"
    folder.mkdir()
    text = '# %% tags=["parameters"]\nseed = 0\ndepth = 5\nsteps = 3\n'
    nbformat.write(jupytext.reads(text, fmt="py:percent"), folder / "net.ipynb")
    monkeypatch.setattr(sources, "PRESETS", {"deep_net": ("net", {"depth": 9, "steps": [1, 2]})})
    seen = []

    def execute(notebooks, workers, cell_seconds="as for lessons"):
        for notebook in notebooks:
            seen.append((notebook.cells[0].source.split("\n", 3)[3:], cell_seconds))
        return iter([lessons.Run(notebook, 1.0, "") for notebook in notebooks])

    monkeypatch.setattr(lessons, "execute", execute)
    result = course("run", "deep_net", "-p", "steps", "4")
    assert result.exit_code == 0
    assert result.output.startswith("deep_net  ")
    assert seen == [(["depth = 9\nsteps = [1, 2]\nsteps = 4"], None)]
    assert [line.split()[0] for line in course("run", "net", "deep_net").output.splitlines()] == [
        "net",
        "deep_net",
    ]
    assert seen[1:] == [([], None), (["depth = 9\nsteps = [1, 2]"], None)]
    assert course("run", "01").exit_code == 0
    assert seen[-1][1] == "as for lessons"


def test_a_sweep_of_a_preset_has_its_parameters(root, monkeypatch, tmp_path):
    folder = root / "notebooks" / "experiments"
    folder.mkdir()
    text = '# %% tags=["parameters"]\nseed = 0\ndepth = 5\nsteps = 3\n'
    nbformat.write(jupytext.reads(text, fmt="py:percent"), folder / "net.ipynb")
    monkeypatch.setattr(sources, "PRESETS", {"deep_net": ("net", {"depth": 9, "steps": 7})})
    monkeypatch.chdir(tmp_path)
    result = course("sweep", "deep_net", "-g", "depth=1,2", "-p", "seed", "1", "--dry-run")
    assert result.exit_code == 0
    assert "steps=7" in result.output
    assert "depth=9" not in result.output


def test_every_preset_is_an_experiment_that_has_its_parameters():
    for name, (notebook, parameters) in sources.PRESETS.items():
        (path,) = lessons.experiments([notebook])
        known = experiment.parameters(nbformat.read(path, as_version=4))
        assert set(parameters) <= set(known)
        assert name not in {other.stem for other in lessons.experiments()}


def test_render_check_executes_nothing_and_fails_when_out_of_step(root):
    result = course("render", "--check")
    assert result.exit_code == 1
    assert "02_claim: has not been rendered yet\n" in result.output
    assert result.output.endswith(
        "Error: run `course render`, naming every experiment, and commit the result\n"
    )
    assert not list(root.rglob("*.ipynb"))


def test_render_and_solutions_say_what_they_did(root):
    result = course("render", "01_good")
    assert result.exit_code == 0
    assert re.fullmatch(r"01_good: rendered in \d+\.\d s\n", result.output)
    assert course("render", "01_good", "--check").exit_code == 0
    folder = root / "worked"
    result = course("solutions", str(folder), "01", "03")
    assert result.exit_code == 1
    assert "01_good: worked version written" in result.output
    assert "03_wrong: FAILED, cell [1]: ZeroDivisionError" in result.output
    assert [path.name for path in folder.iterdir()] == ["01_good.ipynb"]


def test_export_writes_pages(root):
    publish(root)
    result = course("export", str(root / "read"), "02")
    assert (result.exit_code, result.output) == (0, f"{root / 'read' / '02_claim.html'}: written\n")
    assert '<h1 id="A-lesson">A lesson</h1>' in (root / "read" / "02_claim.html").read_text()
    refused = course("export", str(root / "read"), "02", "--own")
    assert refused.output == (
        f"Error: {root / 'my_course'}/ has no 02_claim.ipynb; `make lab` brings it there\n"
    )


def test_an_experiment_is_rendered_and_run_when_it_is_named(root):
    (root / "notebooks" / "source" / "phase_diagram.py").write_text(GOOD, encoding="utf-8")
    for name in ("02_claim", "03_wrong"):
        (root / "notebooks" / "source" / f"{name}.py").unlink()
    assert re.fullmatch(r"01_good: rendered in \d+\.\d s\n", course("render").output)
    result = course("render", "--check")
    assert result.exit_code == 1
    assert result.output.startswith("phase_diagram: has not been rendered yet\n")
    result = course("render", "phase_diagram")
    assert re.fullmatch(r"phase_diagram: rendered in \d+\.\d s\n", result.output)
    assert (root / "notebooks" / "experiments" / "phase_diagram.ipynb").exists()
    assert course("render", "--check").exit_code == 0
    assert len(course("run").output.splitlines()) == 1  # the lesson alone
    result = course("run", "phase_diagram", "-p", "seed", "7")
    assert result.output.startswith("phase_diagram    2 claims held")
    assert course("solutions", str(root / "worked"), "phase_diagram").output == (
        "Error: there is no lesson 'phase_diagram'; there are: 01_good\n"
    )


def waited_for(answer, process):
    """Return what a function gives as soon as it no longer raises or returns nothing."""
    for _ in range(300):
        assert process.poll() is None, process.stdout.read()
        try:
            if result := answer():
                return result
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError


def test_the_installation_says_once_what_it_does(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy2(CLONE / name, tmp_path)

    def made():
        command = ["make", "env", "PYTHON=false"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    first = made()
    assert first.returncode != 0  # there is no Python that is called false
    sentence = re.search(  # make itself may say before where it is
        r"^Installing the course into \.venv, (once: [^.]*\.\d GB.*)\.\n",
        first.stdout,
        re.MULTILINE,
    )
    assert sentence[1] in (CLONE / "README.md").read_text(encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    assert "Installing" not in made().stdout


def test_ctrl_c_stops_the_lessons(root):
    for path in lessons.source_files():
        path.unlink()
    (root / "notebooks" / "source" / "01_slow.py").write_text(SLOW)
    publish(root)
    note = root / "pid"
    with started(root, "run", PID_FILE=str(note)) as process:
        kernel = int(waited_for(note.read_text, process))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert output.endswith("Aborted!\n")
        assert process.returncode == 1
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_lab_opens_the_learners_copy(root):
    publish(root)
    shutil.copytree(CLONE / ".jupyter", root / ".jupyter")
    port = free_port()
    words = ["lab", "--no-browser", "--IdentityProvider.token=abc"]

    def page(path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", headers={"Authorization": "token abc"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.url, answer.read().decode()

    with started(root, *words, JUPYTER_PORT=str(port), HOME=str(root)) as process:
        _, text = waited_for(lambda: page("/api/contents/01_good.ipynb"), process)
        assert json.loads(text)["content"]["cells"][2]["source"].startswith('print("✓')
        address, _ = page("/")
        assert address.endswith("/lab/tree/01_good.ipynb")
        assert '"name": "vanishing-gradients"' in page("/lab")[1]
        settings = json.loads(
            page("/lab/api/settings/@jupyterlab/apputils-extension:notification")[1]
        )
        asked = settings["schema"]["properties"]
        assert asked["fetchNews"]["default"] == "false"
        assert asked["checkForUpdates"]["default"] is False
        # The extension that gives figures their alt text is loaded.
        assert '"name": "vanishing-gradients"' in page("/lab/tree/01_good.ipynb")[1]
        assert json.loads(page("/lab/api/news")[1]) == {"news": []}
        assert json.loads(page("/lab/api/update")[1]) == {"notification": None}
        assert (root / "my_course" / "02_claim.ipynb").exists()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert output.startswith("01_good.ipynb: new\n02_claim.ipynb: new\n")

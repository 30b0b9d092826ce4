"""What holds for the project as a whole: imports, versions, the commands it names."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from helpers.lessons import publish
from helpers.lessons.sources import ROOT

LOCK_LINE = re.compile(r"[a-z0-9][a-z0-9-]*==[0-9][^\s;]*( ; [a-z_]+ .+)?")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def direct_dependencies():
    """The names that pyproject asks for, those of the tests included."""
    given = project()
    lines = given["dependencies"] + given["optional-dependencies"]["dev"]
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in lines}


def locked():
    """Every version in the lock by name."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split(" ;")[0].split("==") for line in lines)


# ---- Imports -------------------------------------------------------------------------


WRONG = [
    "from helpers import plots",
    "from helpers import theory, plots",
    "import helpers.plots",
    "from helpers.plots import profile",
    "from .. import plots",
    "from ..plots import profile",
    "def later():\n    from helpers import plots",
]
RIGHT = [
    "from helpers import models, theory",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers import plots",
]


def imports_linted(folder):
    """What import-linter says about the package helpers in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [program, "--no-cache", "--no-logo", "--config", ROOT / "pyproject.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copied(tmp_path):
    """A copy of the library, to break."""
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=lambda *_: ["__pycache__"])
    return tmp_path / "helpers"


def test_helpers_import_only_what_is_below_them():
    done = imports_linted(ROOT)
    assert done.returncode == 0, done.stdout


def test_an_import_against_the_order_is_seen(copied):
    for number, source in enumerate(WRONG):
        (copied / "probe" / f"wrong_{number}.py").write_text(source)
    for number, source in enumerate(RIGHT):
        (copied / "probe" / f"right_{number}.py").write_text(source)
    done = imports_linted(copied.parent)
    assert done.returncode == 1
    seen = set(re.findall(r"helpers\.probe\.(\w+) -> helpers\.plots", done.stdout))
    assert seen == {f"wrong_{number}" for number in range(len(WRONG))}


def test_another_packages_private_file_and_a_module_without_a_place_are_seen(copied):
    (copied / "models" / "_hidden.py").touch()
    (copied / "plots" / "wrong.py").write_text("from helpers.models import _hidden")
    (copied / "models" / "right.py").write_text("from helpers.models import _hidden")
    done = imports_linted(copied.parent)
    assert done.returncode == 1
    assert "helpers.plots.wrong -> helpers.models._hidden" in done.stdout
    assert "helpers.models.right" not in done.stdout
    (copied / "plots" / "wrong.py").unlink()
    (copied / "utils.py").touch()
    done = imports_linted(copied.parent)
    assert done.returncode == 1
    assert "helpers.utils" in done.stdout


def test_importing_helpers_imports_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import helpers;"
        " print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['helpers']\n"


# ---- Versions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["torch>=2", "torch", "torch==2 # pinned", "-e .", "--hash=sha256:1", "torch @ https://x.y"],
)
def test_a_line_that_is_no_version_is_seen(line):
    assert LOCK_LINE.fullmatch("torch==2.13.0")
    assert LOCK_LINE.fullmatch("appnope==1.0.0 ; sys_platform == 'darwin'")
    assert not LOCK_LINE.fullmatch(line)


def test_the_lock_holds_versions_and_nothing_else():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [line for line in lines if not LOCK_LINE.fullmatch(line)] == []
    assert len(locked()) == len(lines)
    assert direct_dependencies() <= set(locked())


def test_conda_gets_the_locked_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "vanishing-gradients"
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip[0] == "-c requirements.lock"
    assert pip[-1] == "-e ."
    versions = dict(line.split("==") for line in pip[1:-1])
    assert versions == {name: locked()[name] for name in direct_dependencies()}


def test_every_direct_dependency_has_its_reason():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    reasons = dict(re.findall(r"^\* `([a-z0-9-]+)`: (.{15,})$", text, re.MULTILINE))
    assert set(reasons) == direct_dependencies()


# ---- Commands ------------------------------------------------------------------------


TARGET = "[a-z][a-z0-9-]*"


def targets(makefile):
    """What `make` can be asked for."""
    return set(re.findall(rf"^({TARGET}):", makefile, re.MULTILINE))


def told(page):
    """The targets that a page tells people to make."""
    return set(re.findall(rf"(?:^ *(?:`|\$ )?|`)make ({TARGET})", page, re.MULTILINE))


@pytest.mark.parametrize(
    "line", ["`make lab-2`", "make lab-2", "    $ make lab-2 ARGS=x", "First `make lab-2`, then"]
)
def test_a_command_that_does_not_exist_is_seen(line):
    assert told(line) == {"lab-2"}
    assert targets("lab: env\n\techo\nlab-1:\nbuild/lab-2: lab\n") == {"lab", "lab-1"}
    assert told("to make lab-2 work") == set()


def test_the_commands_people_are_told_exist():
    """Pages and CI name only targets of the Makefile."""
    known = targets((ROOT / "Makefile").read_text())
    assert {"lab", "test", "test-nbgrader", "run", "bench", "render", "lock"} <= known
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".ci/run")]
    for page in [*pages, *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.md")]:
        assert (page.name, told(page.read_text()) - known) == (page.name, set())


def test_ci_runs_the_command_that_the_readme_gives():
    assert re.search(r"\bmake test\b", (ROOT / "README.md").read_text())
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_readme_pictures_are_those_of_the_lessons():
    assert list(publish.readme_pictures()) == []

"""What holds for the project as a whole: imports, the map, versions, the commands it names."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import helpers
from helpers import lessons
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


# ---- The map -------------------------------------------------------------------------

MAP_LINE = re.compile(r"^    ([a-z_]+/?) +(.+)$", re.MULTILINE)


def modules_in(folder):
    """The modules and packages of a folder, as the map writes them."""
    packages = [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    return packages + [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]


def map_faults(words, folder):
    """What is wrong with a map of a folder's modules."""
    lines = MAP_LINE.findall(words)
    shown, there = [name for name, _ in lines], modules_in(folder)
    faults = [f"no line for {name}" for name in there if name not in shown]
    faults += [f"nothing there for {name}" for name in shown if name not in there]
    faults += [f"two lines for {name}" for name in set(shown) if shown.count(name) > 1]
    for name, told in lines:
        parts = re.findall(r"\b([a-z_]+)/", told)
        faults += [f"no {part}/ in {name}" for part in parts if not (folder / name / part).is_dir()]
    return sorted(faults)


def test_the_map_has_one_line_for_each_module():
    assert map_faults(helpers.__doc__, ROOT / "helpers") == []


def test_the_map_is_drawn_as_the_imports_go():
    """From the top down, as the contract has them."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [re.findall(r"\w+", layer) for layer in contract["contracts"][0]["layers"]]
    shown = [name.rstrip("/") for name, _ in MAP_LINE.findall(helpers.__doc__)]
    heights = [next(at for at, layer in enumerate(layers) if name in layer) for name in shown]
    assert heights == sorted(heights)
    assert len(shown) == sum(map(len, layers))


def test_a_wrong_map_is_seen(tmp_path):
    for name in ("a", "b/c", "d"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a/__init__", "b/__init__", "e", "f", "__init__"):
        (tmp_path / f"{name}.py").touch()
    right = "A map.\n\n    a/   one\n    b/   two, with c/\n    e    three\n    f    four\n"
    assert map_faults(right, tmp_path) == []
    wrong = right.replace("    f    four", "    g    four\n    e    again").replace("a/ ", "a  ")
    assert map_faults(wrong.replace("c/", "x/"), tmp_path) == [
        "no line for a/",
        "no line for f",
        "no x/ in b/",
        "nothing there for a",
        "nothing there for g",
        "two lines for e",
    ]


def exists(name):
    """Whether a dotted name under helpers means something."""
    found = helpers
    for part in name.split("."):
        if hasattr(found, part):
            found = getattr(found, part)
        elif isinstance(found, ModuleType):
            try:
                found = importlib.import_module(f"{found.__name__}.{part}")
            except ModuleNotFoundError:
                return False
        else:
            return part in getattr(found, "__dataclass_fields__", ())
    return True


def unknown_names(page):
    """The dotted names on a page that mean nothing."""
    ours = {name.rstrip("/") for name in modules_in(ROOT / "helpers")}
    named = set(re.findall(r"`(?:helpers\.)?([A-Za-z_]\w*(?:\.\w+)+)`", page))
    names = {name for name in named if name.rpartition(".")[2] not in ("csv", "html", "toml")}
    return sorted(name for name in names if name.split(".")[0] not in ours or not exists(name))


def test_the_names_in_the_description_exist():
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert page.count("`probe.record`") > 0
    assert unknown_names(page) == []


def test_a_name_that_does_not_exist_is_seen():
    right = (
        "`probe.Flow.ledger` `helpers.files.write` `probe.Flow.delta_norms` `results.csv` `depth`"
    )
    assert unknown_names(right) == []
    wrong = [
        "probe.recorded",
        "helpers.files.write.x",
        "sweep.planned",
        "probe.Flow.no",
        "grading.x.y",
    ]
    seen = unknown_names(right + " ".join(f"`{name}`" for name in wrong))
    assert seen == sorted(name.removeprefix("helpers.") for name in wrong)


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


def test_readme_has_every_lesson_with_its_minutes_and_exercises():
    rows = re.findall(
        r"^\| \[.*\]\(notebooks/(\w+)\.ipynb\)", (ROOT / "README.md").read_text(), re.M
    )
    assert rows == [path.stem for path in lessons.source_files()]
    assert list(publish.readme_table()) == []


def test_hooks_run_the_projects_own_programs_without_a_network():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [place["repo"] for place in config["repos"]] == ["local"]
    own = {*direct_dependencies(), *project()["scripts"]}
    for hook in config["repos"][0]["hooks"]:
        program = hook["entry"].split()[0]
        assert hook["language"] == "system"
        assert program.removeprefix(".venv/bin/") in own

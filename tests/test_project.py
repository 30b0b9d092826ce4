"""What holds for the project as a whole: imports, versions, the commands it names."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from helpers.lessons import publish
from helpers.lessons.sources import ROOT

# A module may import those before it, never those after it.
ORDER = ["checks", "text"]
ORDER += ["files", "plain", "theory", "data", "initialize", "models", "probe", "train", "diagnose"]
ORDER += ["plots", "claims", "exercises", "warm", "engine", "kernel", "experiment", "preload"]
ORDER += ["summary", "sweep", "grading", "render", "cli"]
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


def imported(source):
    """The modules of helpers that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {f"helpers.{node.module or alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "helpers":
            found |= {f"helpers.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return {name.split(".")[1] for name in found if name.startswith("helpers.")}


def upward(module, source):
    """The imports that go against the order."""
    place = ORDER.index(module)
    return sorted(name for name in imported(source) - {module} if ORDER.index(name) > place)


@pytest.mark.parametrize(
    "source",
    [
        "from helpers import plots",
        "from helpers import theory, plots",
        "import helpers.plots",
        "from helpers.plots import profile",
        "from . import plots",
        "from .plots import profile",
        "def later():\n    from helpers import plots",
    ],
)
def test_an_import_against_the_order_is_seen(source):
    assert upward("probe", source) == ["plots"]
    assert upward("claims", source) == []


def test_helpers_import_only_what_comes_before_them():
    files = sorted((ROOT / "helpers").rglob("*.py"))
    assert files
    for path in files:
        module = path.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")
        if module == "__init__":
            assert imported(path.read_text()) == set()
        else:
            assert (path, upward(module, path.read_text())) == (path, [])


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


def test_the_commands_people_are_told_exist():
    """README, CONTRIBUTING and CI name only targets of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"lab", "test", "run", "bench", "render", "lock"} <= targets
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        told = re.findall(
            r"^ *(?:`|\$ )?make ([a-z]+)|`make ([a-z]+)", (ROOT / name).read_text(), re.M
        )
        assert {first or second for first, second in told} <= targets


def test_ci_runs_the_command_that_the_readme_gives():
    assert re.search(r"\bmake test\b", (ROOT / "README.md").read_text())
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_readme_pictures_are_those_of_the_lessons():
    assert list(publish.readme_pictures()) == []

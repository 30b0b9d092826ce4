import ast
import base64
import contextlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from helpers import exercises, lessons, plain
from helpers.grading.hand_back import release
from helpers.lessons import reference
from helpers.lessons.sources import ROOT

PACKAGES = sysconfig.get_paths()["purelib"]
LESSONS = lessons.paths()
EXPERIMENTS = lessons.experiments()


def handed_out(folder, notebooks=LESSONS, experiments=(), **options):
    return list(release.release(folder, notebooks, experiments, ROOT, **options))


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handed") / "course"
    handed_out(folder, LESSONS, EXPERIMENTS)
    return folder


def files_of(folder):
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def read(path):
    return nbformat.read(path, as_version=4)


def environment(course):
    """Find a course and the installed packages, and nothing else: no editable install."""
    return {"PYTHONPATH": f"{course}{os.pathsep}{PACKAGES}", "OMP_NUM_THREADS": "1"}


# ---- What is in it -------------------------------------------------------------------


def test_a_release_holds_the_lessons_without_outputs_and_what_they_need(released):
    found = files_of(released)
    for path in [*LESSONS, *EXPERIMENTS]:
        handout = nbformat.reads(found.pop(path.relative_to(ROOT).as_posix()).decode(), 4)
        shown = [(one.cell_type, one.source) for one in handout.cells]
        assert shown == [(one.cell_type, beside(one.source)) for one in read(path).cells]
        for one in handout.cells:
            assert one.get("outputs", []) == []
            assert one.get("execution_count") is None
    for name in ("LICENSE", "requirements.lock"):
        assert found.pop(name) == (ROOT / name).read_bytes()
    for page in reference.paths():
        assert found.pop(f"notebooks/{page.name}").decode() == reference.handed_out(page)
    library = {name for name in found if name.startswith("helpers/")}
    assert set(found) - library == {"README.md", "pyproject.toml", ".release.json"}
    assert [name for name in library if "lesson" in name or "grading" in name] == []
    for name in library - {"helpers/exercises/stored.bin"}:
        assert found[name] == (ROOT / name).read_bytes()


def beside(source):
    """A cell's source with links to pages that lie beside the lessons."""
    return source.replace("../docs/", "")


def test_the_library_holds_every_module_that_a_notebook_or_module_imports(released):
    sources = [cell.source for path in [*LESSONS, *EXPERIMENTS] for cell in code_cells(path)]
    sources += [path.read_text() for path in (released / "helpers").rglob("*.py")]
    wanted = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("helpers"):
                wanted |= {f"{node.module}.{alias.name}" for alias in node.names}
                wanted.add(node.module)
    modules = {name for name in wanted if is_module(ROOT, name) and ".lesson_" not in name}
    assert {"helpers.exercises.stored", "helpers.plots"} <= modules
    assert [name for name in sorted(modules) if not is_module(released, name)] == []


def code_cells(path):
    return [one for one in read(path).cells if one.cell_type == "code"]


def is_module(root, name):
    place = root / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def test_the_library_alone_is_what_the_release_has(tmp_path, released):
    release.library(tmp_path)
    expected = {k: v for k, v in files_of(released).items() if k.startswith("helpers/")}
    assert files_of(tmp_path) == expected
    with pytest.raises(FileExistsError):
        release.library(tmp_path)


def test_the_students_package_agrees_with_the_course(released):
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    theirs = tomllib.loads((released / "pyproject.toml").read_text())["project"]
    assert set(theirs.pop("dependencies")) < set(ours["dependencies"])
    assert theirs == {name: ours[name] for name in theirs}


def test_the_students_package_asks_for_everything_that_is_imported(released):
    project = tomllib.loads((released / "pyproject.toml").read_text())["project"]
    names = {re.split(r"\W", line.replace("-", "_"))[0] for line in project["dependencies"]}
    provided = names | {"sklearn", "PIL", "IPython", "helpers", *sys.stdlib_module_names}
    assert {"scikit_learn", "pillow"} <= names
    assert "ipykernel" in names  # it brings IPython
    sources = [cell.source for path in [*LESSONS, *EXPERIMENTS] for cell in code_cells(path)]
    sources += [path.read_text() for path in (released / "helpers").rglob("*.py")]
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= provided
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in provided


def test_the_readme_leads_to_what_is_there(released):
    text = (released / "README.md").read_text()
    links = re.findall(r"\]\((?!https)([^)]+)\)", text)
    assert links == [f"notebooks/{path.name}" for path in LESSONS]
    assert all((released / link).exists() for link in links)
    assert "[01 · Where does the gradient go?](notebooks/01_theory.ipynb)" in text
    assert ".venv/bin/jupyter lab notebooks/00_start_here.ipynb\n" in text
    assert "$" not in text


def test_a_release_of_one_lesson_opens_that_one(tmp_path):
    lines = handed_out(tmp_path / "week1", LESSONS[1:2])
    assert lines == ["01_theory: 4 exercises", f"{tmp_path / 'week1'}: ready to hand out"]
    names = {path.name for path in (tmp_path / "week1" / "notebooks").rglob("*")}
    assert names == {"01_theory.ipynb", *(page.name for page in reference.paths())}
    assert "jupyter lab notebooks/01_theory.ipynb" in (tmp_path / "week1/README.md").read_text()


# ---- No answers ----------------------------------------------------------------------


def readable(name, content):
    """What can be read in a file: of a notebook its strings, without JSON's escapes."""
    if not name.endswith(".ipynb"):
        return content.decode("utf-8", errors="replace")
    strings, waiting = [], [json.loads(content)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, list | dict):
            waiting += value.values() if isinstance(value, dict) else value
    return "\n".join(strings)


def secrets():
    """Lines of solutions, references and misconceptions that nothing public shows."""
    public = "\n".join(
        path.read_text()
        for path in (ROOT / "helpers").rglob("*.py")
        if not path.name.startswith("lesson_") and "grading" not in path.relative_to(ROOT).parts
    )
    lines = []
    for source in lessons.source_files():
        worked, shown = lessons.worked_view(source), lessons.learner_view(source)
        public += "\n" + "\n".join(cell.source for cell in shown.cells)
        lines += [line for cell in worked.cells for line in cell.source.split("\n")]
    for exercise in exercises.ALL.values():
        module = inspect.getmodule(exercise.reference)
        lines += [line for line in inspect.getsource(module).split("\n") if not is_data(line)]
        public += "\n" + exercise.rubric.signature
    secret = {line.strip() for line in lines if len(line.strip()) > 12}
    return {line for line in secret if line not in public}


def is_data(line):
    """Whether a line is plain data, such as a hint or a question, which students get."""
    with contextlib.suppress(SyntaxError, ValueError):
        ast.literal_eval(line.strip().rstrip(","))
        return True
    return False


def leaks(folder, secret):
    texts = {name: readable(name, content) for name, content in files_of(folder).items()}
    return sorted((name, line) for name in texts for line in secret if line in texts[name])


def test_nothing_of_an_answer_can_be_read_in_a_release(released):
    secret = secrets()
    assert "slope = slope * x * (1 - x)" in secret  # a solution
    assert "reference=lambda factor, target: _layers_until(factor, target)," in secret
    assert "partial(_layers_until, rounded=_down)," in secret  # a misconception
    assert len(secret) > 500
    assert leaks(released, secret) == []


def test_a_leak_is_seen_wherever_it_is(tmp_path):
    secret = secrets()
    solution, reference = "slope = slope * x * (1 - x)", "reference=lambda factor, target:"
    (reference,) = {line for line in secret if line.startswith(reference)} - {""}
    handed_out(tmp_path / "course", LESSONS[1:2])
    notebook = tmp_path / "course/notebooks/01_theory.ipynb"
    changed = read(notebook)
    changed.cells[-1].source += f"\n\n    {solution}  # see"
    nbformat.write(changed, notebook)
    (tmp_path / "course/helpers/exercises/lesson_01.py").write_text(f"    {reference}\n")
    assert leaks(tmp_path / "course", secret) == [
        ("helpers/exercises/lesson_01.py", reference),
        ("notebooks/01_theory.ipynb", solution),
    ]


def solved(path, folder):
    """Write a lesson with an answer in its first exercise."""
    notebook = read(path)
    cell = tagged(notebook, "exercise")[0]
    cell.source = cell.source.replace("raise NotImplementedError  # your turn", "return 10")
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


def test_a_solved_lesson_is_refused(tmp_path):
    lesson = solved(LESSONS[1], tmp_path)
    with pytest.raises(ValueError, match=r"01_theory.ipynb shows an answer to layers_until"):
        handed_out(tmp_path / "course", [lesson])
    assert [path.name for path in tmp_path.iterdir()] == ["01_theory.ipynb"]


def test_an_exercise_that_nobody_can_judge_is_refused(tmp_path):
    notebook = read(LESSONS[1])
    cell = tagged(notebook, "exercise")[0]
    cell.source = cell.source.replace("layers_until", "layers_untill")
    nbformat.write(notebook, tmp_path / "01_theory.ipynb")
    with pytest.raises(ValueError, match=r"asks for 'def layers_untill\(.*no such exercise"):
        handed_out(tmp_path / "course", [tmp_path / "01_theory.ipynb"])


# ---- It works without the course -----------------------------------------------------

CHECKS = """
import base64, contextlib, io, json, sys
import helpers
from helpers import exercises, plain

def returning(name, answers):
    left = iter([plain.decoded(base64.b64decode(answer)) for answer in answers])
    function = lambda *arguments: next(left)
    function.__name__ = name
    return function

printed = []
for case in json.load(sys.stdin):
    space = {}
    exec(case["setup"], space)
    exec(case["exercise"], space)
    if case["answers"]:
        space[case["name"]] = returning(case["name"], case["answers"])
    with contextlib.redirect_stdout(io.StringIO()) as text:
        exec(case["check"], space)
    printed.append(text.getvalue())
modules = [module for name, module in sys.modules.items() if name.startswith("helpers")]
print(json.dumps([printed, sorted({module.__file__ for module in modules})]))
"""


def cases():
    """Each exercise of each lesson: the stub, the worked answer, each misconception.

    The open ones, too: a release judges them as the course does.
    """
    for source, lesson in zip(lessons.source_files(), LESSONS, strict=True):
        notebook = read(lesson)
        (setup,) = tagged(notebook, "setup")
        stubs, checks = tagged(notebook, "exercise"), tagged(notebook, "check")
        worked = tagged(lessons.worked_view(source), "exercise")
        for stub, check, answer in zip(stubs, checks, worked, strict=True):
            name = re.search(r"^def (\w+)", stub.source, re.MULTILINE)[1]
            case = {"setup": setup.source, "check": check.source, "name": name, "answers": []}
            yield "not attempted yet", {**case, "exercise": stub.source}
            yield praise(name), {**case, "exercise": answer.source}
            if name in exercises.OPEN:
                continue
            for hint, answers in misconceptions(exercises.ALL[name]):
                yield hint, {**case, "exercise": stub.source, "answers": answers}


def praise(name):
    if name not in exercises.OPEN:
        return ": correct ("
    count = len(exercises.OPEN[name].conditions)
    return f": done, {count} of {count} condition"


def misconceptions(exercise):
    """What each misconception answers to the questions of seed 0, and the hint for it."""
    asked = exercise.questions(np.random.default_rng(0))
    for misconception in exercise.misconceptions:
        values = [
            question.wrong_answers.get(misconception.name, question.expected) for question in asked
        ]
        if all(question.model_probe is None for question in asked):
            yield (
                misconception.hint,
                [base64.b64encode(plain.encoded(one)).decode() for one in values],
            )


def checked(course, given):
    """Run the check cells in a process that has nothing but one course."""
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", CHECKS],
        input=json.dumps(given),
        env=environment(course),
        capture_output=True,
        text=True,
        check=True,
    )
    printed, origins = json.loads(done.stdout.splitlines()[-1])
    assert all(Path(origin).is_relative_to(course) for origin in origins)
    return printed


def test_checks_of_a_release_say_what_the_course_says(released):
    expected, given = zip(*cases(), strict=True)
    assert len(given) > 100
    printed = checked(released, given)
    assert printed == checked(ROOT, given)
    for said, text in zip(expected, printed, strict=True):
        assert said in " ".join(text.split())  # long lines are wrapped


def kernel_of(course, folder):
    """Describe a kernel that finds the course and no editable install."""
    place = folder / "kernels" / "student"
    place.mkdir(parents=True)
    command = [sys.executable, "-S", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {"argv": command, "display_name": "student", "env": environment(course)}
    (place / "kernel.json").write_text(json.dumps({**described, "language": "python"}))


def test_a_released_lesson_runs_to_its_end(released, tmp_path, monkeypatch):
    kernel_of(released, tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    notebook = read(released / "notebooks/01_theory.ipynb")
    notebook.cells.append(nbformat.v4.new_code_cell("import helpers\nprint(helpers.__file__)"))
    client = NotebookClient(
        notebook, timeout=600, kernel_name="student", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs[-1].text == f"{released / 'helpers' / '__init__.py'}\n"
    attempted = sum("not attempted yet" in output.get("text", "") for output in outputs)
    assert attempted == len(tagged(notebook, "check"))
    assert "error" not in {output.output_type for output in outputs}


# ---- All of it or nothing ------------------------------------------------------------


def test_a_release_replaces_a_former_one(tmp_path):
    folder = tmp_path / "course"
    handed_out(folder, LESSONS[:2])
    (folder / "helpers" / "__pycache__").mkdir()
    (folder / "helpers" / "__pycache__" / "data.pyc").write_bytes(b"compiled")
    handed_out(folder, LESSONS[:1])
    found = [path.name for path in (folder / "notebooks").glob("*.ipynb")]
    assert found == ["00_start_here.ipynb"]
    assert not (folder / "helpers" / "__pycache__").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["course"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "course").mkdir()
    handed_out(tmp_path / "course", LESSONS[:1])
    assert (tmp_path / "course" / "README.md").exists()


def test_what_somebody_changed_is_listed_and_kept(tmp_path):
    folder = tmp_path / "course"
    handed_out(folder, LESSONS[:1])
    (folder / "README.md").write_text("Welcome to the spring term")
    (folder / "dates.txt").write_text("Monday")
    before = files_of(folder)
    with pytest.raises(ValueError, match=r"work that would be lost: README.md, dates.txt; move"):
        handed_out(folder, LESSONS[:1])
    assert files_of(folder) == before
    for number in range(6):
        (folder / f"more{number}.txt").write_text("a")
    with pytest.raises(ValueError, match=r"dates.txt, more0.txt, more1.txt, more2.txt and 3 more;"):
        handed_out(folder, LESSONS[:1])


@pytest.mark.parametrize("content", [None, "{}", "[]", "not JSON", '{"files": 3}'])
def test_a_folder_of_somebody_else_is_refused(tmp_path, content):
    (tmp_path / "thesis.tex").write_text("Chapter 1")
    if content is not None:
        (tmp_path / ".release.json").write_text(content)
    before = files_of(tmp_path)
    with pytest.raises(ValueError, match="is not empty and not a release of this course"):
        handed_out(tmp_path, LESSONS[:1])
    assert files_of(tmp_path) == before


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "course").write_text("a file")
    with pytest.raises(ValueError, match="course is a file; name a folder"):
        handed_out(tmp_path / "course", LESSONS[:1])


@pytest.mark.parametrize("name", ["", "notebooks/class", "helpers/exercises", "notebooks"])
def test_the_courses_own_folders_are_refused(name):
    with pytest.raises(ValueError, match="belongs to the course itself"):
        handed_out(ROOT / name, LESSONS[:1])


def test_a_release_needs_a_lesson(tmp_path):
    with pytest.raises(ValueError, match="run `course render` first"):
        handed_out(tmp_path / "course", [])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(exercises, path):
        raise OSError("No space left on device")

    monkeypatch.setattr(release.stored, "write", full)
    with pytest.raises(OSError, match="No space left"):
        handed_out(tmp_path / "course", LESSONS[:1])
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from helpers import lessons
from helpers.grading.hand_back import release

def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "drafting":
    release._write_marker = killed
else:
    rename = Path.rename
    Path.rename = lambda path, to: killed() if path.name == "draft" else rename(path, to)
list(release.release(Path(sys.argv[1]), lessons.paths()[:2], [], lessons.sources.ROOT))
"""


@pytest.mark.parametrize("moment", ["drafting", "between the moves"])
def test_a_killed_release_leaves_the_old_one_or_none(tmp_path, moment):
    folder = tmp_path / "course"
    if moment == "between the moves":
        handed_out(folder, LESSONS[:1])
    before = files_of(folder)
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), moment], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert not folder.exists()
    if moment == "between the moves":  # a refused release brings the old one back, too
        with pytest.raises(ValueError, match="not enough"):
            refused(folder)
        assert files_of(folder) == before
    handed_out(folder, LESSONS[:2])
    assert len(list((folder / "notebooks").glob("*.ipynb"))) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["course"]


def refused(folder):
    with release._put_in_place(folder):
        raise ValueError("not enough")


def test_two_releases_into_one_folder_do_not_mix(tmp_path):
    running = release.release(tmp_path / "course", LESSONS[:1], [], ROOT)
    next(running)
    with pytest.raises(ValueError, match="is in use by another process"):
        handed_out(tmp_path / "course", LESSONS[:1])
    assert len(list(running)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["course"]

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from helpers import lessons
from helpers.lessons import copies, pages, publish, reference, rules, sources, views
from helpers.lessons import run as running

MARKDOWN = "# %% [markdown]\n# # 01 · Where does it go?\n"
SETUP = '# %% tags=["setup"]\nimport math\n'
EXERCISE = '''# %% tags=["exercise"]
def area(radius):
    """Return the area of a circle."""
    ### BEGIN SOLUTION
    squared_radius = radius**2
    return math.pi * squared_radius
    ### END SOLUTION
'''
CHECK = """# %% tags=["check"]
try:
    print("Exercise 1.1:", "correct" if area(1) == math.pi else "not yet")
except NotImplementedError:
    print("Exercise 1.1: not attempted yet")
"""
SOLUTION = (
    '# %% [markdown] tags=["solution"]\n# The radius counts twice, as the area is a square.\n'
)
LESSON = "\n".join([MARKDOWN, SETUP, EXERCISE, CHECK, SOLUTION])


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty course in a temporary folder."""
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    return tmp_path


def write(root, text=LESSON, name="01_theory"):
    path = root / "notebooks" / "source" / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


def files(folder):
    """Every file under a folder with its content."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- From source to notebook ---------------------------------------------------------


def test_learner_view_has_the_stub_and_no_solution(root):
    view = lessons.learner_view(write(root))
    assert [cell.cell_type for cell in view.cells] == ["markdown", "code", "code", "code"]
    assert view.cells[2].source == (
        'def area(radius):\n    """Return the area of a circle."""\n'
        "    raise NotImplementedError  # your turn"
    )
    assert view.cells[2].metadata == {"tags": ["exercise"]}
    text = nbformat.writes(view)
    assert "SOLUTION" not in text
    assert "squared_radius" not in text
    assert "counts twice" not in text


def test_worked_view_has_every_answer_and_no_marker(root):
    view = lessons.worked_view(write(root))
    assert len(view.cells) == 5
    assert view.cells[2].source.endswith(
        "    squared_radius = radius**2\n    return math.pi * squared_radius"
    )
    assert "SOLUTION" not in nbformat.writes(view)


def test_given_code_around_the_region_stays(root):
    text = EXERCISE.replace("    ###", "    start = 1\n    ###", 1) + "    # given end\n"
    stub = lessons.learner_view(write(root, SETUP + text)).cells[1].source.split("\n")
    assert [line.strip() for line in stub[2:]] == [
        "start = 1",
        "raise NotImplementedError  # your turn",
        "# given end",
    ]


def test_views_are_valid_minimal_and_the_same_every_time(root):
    path = write(root)
    for read in (lessons.learner_view, lessons.worked_view):
        view = read(path)
        nbformat.validate(view)
        assert (view.nbformat, view.nbformat_minor) == (4, 5)
        assert set(view.metadata) == {"kernelspec", "language_info"}
        assert view.metadata.kernelspec.name == "python3"
        assert view.metadata.language_info == {"name": "python"}
        assert nbformat.writes(view) == nbformat.writes(read(path))


def test_ids_follow_from_the_cell_alone(root):
    twice = "# %%\nx = 1\n\n# %%\nx = 1\n"
    plain = lessons.learner_view(write(root, SETUP + twice))
    moved = lessons.learner_view(write(root, MARKDOWN + SETUP + twice))
    assert [cell.id for cell in plain.cells] == [cell.id for cell in moved.cells[1:]]
    assert plain.cells[2].id == plain.cells[1].id + "-2"
    assert len({cell.id for cell in moved.cells}) == 4


def test_a_file_written_elsewhere_reads_the_same(root):
    expected = lessons.learner_view(write(root))
    windows = write(root)
    windows.write_bytes(LESSON.replace("\n", "\r\n").encode())
    assert lessons.learner_view(windows) == expected


def edited(old, new):
    """The lesson with one exercise line changed."""
    assert LESSON.count(old) == 1
    return LESSON.replace(old, new)


BEGIN, END = "    ### BEGIN SOLUTION\n", "    ### END SOLUTION\n"
BODY = "    squared_radius = radius**2\n    return math.pi * squared_radius\n"
REFUSED = {
    "begin missing": edited(BEGIN, ""),
    "end missing": edited(END, ""),
    "both missing": LESSON.replace(BEGIN, "").replace(END, ""),
    "begin doubled": edited(BEGIN, BEGIN * 2),
    "end doubled": edited(END, END * 2),
    "nested": edited(BODY, BEGIN + BODY + END),
    "two regions": edited(END, END + BEGIN + BODY + END),
    "swapped": LESSON.replace(END, "?").replace(BEGIN, END).replace("?", BEGIN),
    "begin with one hash": edited(BEGIN, "    # BEGIN SOLUTION\n"),
    "begin in the plural": edited(BEGIN, "    ### BEGIN SOLUTIONS\n"),
    "begin without a space": edited(BEGIN, "    ###BEGIN SOLUTION\n"),
    "begin with two spaces": edited(BEGIN, "    ### BEGIN  SOLUTION\n"),
    "end in small letters": edited(END, "    ### End solution\n"),
    "end with an underscore": edited(END, "    ### END_SOLUTION\n"),
    "end with more text": edited(END, "    ### END SOLUTION (easy)\n"),
    "end with a space behind": edited(END, "    ### END SOLUTION \n"),
    "begin behind code": edited(BEGIN, "    x = 1  ### BEGIN SOLUTION\n"),
    "begin behind a tab": edited(BEGIN, "\t### BEGIN SOLUTION\n"),
    "both misspelt": LESSON.replace("BEGIN SOL", "BEGINN SOL").replace("END SOL", "ENDE SOL"),
    "region empty": edited(BODY, "\n"),
    "region not inside a def": edited("def area(radius):\n", "if True:\n"),
    "def inside the region": LESSON.replace(BEGIN, "").replace(
        "def area", "### BEGIN SOLUTION\ndef area"
    ),
    "region at the margin": SETUP
    + '# %% tags=["exercise"]\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n',
    "region in a docstring": SETUP
    + '# %% tags=["exercise"]\ndef f():\n    """\n    ### BEGIN SOLUTION\n    one\n'
    '    ### END SOLUTION\n    """\n',
    "code dedented after the region": edited(END, "    ### END SOLUTION\n      x = 1\n"),
    "end marker dedented": edited(END, "### END SOLUTION\n"),
    "marker in markdown": LESSON + "\n# %% [markdown]\n# ### BEGIN SOLUTION\n",
    "marker in plain code": edited('tags=["exercise"]', ""),
    "marker in a check": edited('tags=["exercise"]', 'tags=["check"]'),
    "exercise on markdown": LESSON + '\n# %% [markdown] tags=["exercise"]\n# Try it.\n',
    "exercise and solution": edited('tags=["exercise"]', 'tags=["exercise", "solution"]'),
    "solution tag misspelt": edited('tags=["solution"]', 'tags=["solutions"]'),
    "solution as a title": edited('[markdown] tags=["solution"]', "solution"),
    "tags without quotes": edited('tags=["solution"]', "tags=[solution]"),
    "tags as a word": edited('tags=["solution"]', 'tags="solution"'),
    "markdown misspelt": edited('[markdown] tags=["solution"]', "[markdwon]"),
    "other metadata": edited('tags=["setup"]', 'tags=["setup"] scrolled=true'),
    "unknown tag": edited('tags=["setup"]', 'tags=["set-up"]'),
    "nbval-skip": edited('tags=["setup"]', 'tags=["nbval-skip"]'),
    "upper-case tag": edited('tags=["setup"]', 'tags=["NBVAL_IGNORE_OUTPUT"]'),
    "nbval by comment": LESSON + "\n# %%\n# NBVAL_SKIP\nx = 1\n",
    "second setup": LESSON + "\n" + SETUP.replace("math", "os"),
    "long cell": LESSON + "\n# %%\n" + "x = 1\n" * 21,
    "long answer": edited(BODY, "    x = 1\n" * 19 + BODY),
    "magic": LESSON + "\n# %%\n# %matplotlib inline\n",
    "shell": LESSON + "\n# %%\n!ls\n",
    "help": LESSON + "\n# %%\nmath?\n",
    "not Python": LESSON + "\n# %%\ndef f(:\n",
    "raw cell": LESSON + "\n# %% [raw]\n# x\n# %%\n",
    "empty cell": LESSON + "\n# %%\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_source_that_breaks_a_rule_is_refused_and_nothing_is_written(root, text):
    path = write(root, text)
    before = files(root)
    for read in (lessons.learner_view, lessons.worked_view):
        with pytest.raises(ValueError, match=r"^01_theory\.py") as refused:
            read(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=r"^01_theory\.py"):
        list(publish.render())
    with pytest.raises(ValueError, match=r"^01_theory\.py"):
        list(copies.solutions(root / "worked"))
    assert files(root) == before


def test_a_refusal_names_the_cell(root):
    path = write(root, REFUSED["begin with one hash"])
    with pytest.raises(ValueError, match=r"cell 3 \('def area\(radius\):'\): '# BEGIN SOLUTION'"):
        lessons.learner_view(path)


def test_what_only_looks_dangerous_is_allowed(root):
    code = "# %%\ntotal = (\n    7\n    % 4\n)\nprint('!')\n"
    innocent = code + "\n# %% [markdown]\n# In the end, a solution.\n"
    assert len(lessons.learner_view(write(root, LESSON + innocent)).cells) == 6


def test_twenty_lines_are_allowed_and_any_number_of_imports(root):
    assert lessons.learner_view(write(root, LESSON + "\n# %%\n" + "x = 1\n" * 20))
    assert lessons.learner_view(write(root, LESSON.replace("import math\n", "import math\n" * 21)))


@pytest.mark.parametrize("where", ["source", "output", "result"])
def test_a_solution_line_that_is_left_anywhere_is_found(root, where):
    source = rules.read(write(root))
    view = lessons.learner_view(write(root))
    assert not views.leak(source, view)
    leaked = "print:     squared_radius = radius**2"
    if where == "source":
        view.cells[0].source += leaked
    elif where == "output":
        view.cells[3].outputs = [nbformat.v4.new_output("stream", text=leaked)]
    else:
        data = {"text/plain": leaked}
        view.cells[3].outputs = [nbformat.v4.new_output("display_data", data=data)]
    assert "squared_radius = radius**2" in views.leak(source, view)


def test_a_learner_view_that_keeps_the_solution_is_refused(root, monkeypatch):
    monkeypatch.setattr(rules, "stubbed", rules.without_markers)
    monkeypatch.setattr(rules, "_stub_complaint", lambda stubbed, line: "")
    with pytest.raises(ValueError, match="a learner could read"):
        lessons.learner_view(write(root))


def test_a_line_that_the_lesson_shows_is_no_leak(root):
    shown = LESSON + "\n# %%\nradius = 2\nsquared_radius = radius**2\n"
    assert lessons.learner_view(write(root, shown))


# ---- Finding lessons -----------------------------------------------------------------


def test_sources_are_found_in_order_and_by_name(root):
    assert lessons.source_files() == []
    for name in ("10_late", "02_mid", "00_start_here"):
        write(root, name=name)
    assert [path.stem for path in lessons.source_files()] == ["00_start_here", "02_mid", "10_late"]
    chosen = lessons.source_files(["10", "notebooks/00_start_here.ipynb"])
    assert [path.stem for path in chosen] == ["00_start_here", "10_late"]


@pytest.mark.parametrize(
    "name",
    ["Theory", "1_theory", "01_Theory", "01-theory", "01_theory_", "01", "phase-map", "a__b"],
)
def test_a_source_with_another_kind_of_name_is_refused(root, name):
    write(root, name=name)
    with pytest.raises(ValueError, match="must be named like 01_theory"):
        lessons.source_files()


def test_experiments_are_told_from_lessons_by_their_names(root):
    store(root)
    store(root, SETUP, "phase_diagram")
    store(root, SETUP, "depth")
    assert [path.stem for path in lessons.source_files()] == ["01_theory"]
    assert [path.stem for path in lessons.paths()] == ["01_theory"]
    folder = root / "notebooks" / "experiments"
    assert lessons.experiments() == [folder / "depth.ipynb", folder / "phase_diagram.ipynb"]
    assert lessons.experiments(["depth.ipynb"]) == [folder / "depth.ipynb"]
    assert lessons.notebooks() == lessons.paths()
    named = lessons.notebooks(["depth", "01"])
    assert named == [root / "notebooks" / "01_theory.ipynb", folder / "depth.ipynb"]
    with pytest.raises(ValueError, match="no experiment 'de'; there are: depth, phase_diagram"):
        lessons.experiments(["de"])
    with pytest.raises(ValueError, match="no lesson or experiment 'de'; there are: 01_theory, d"):
        lessons.notebooks(["de"])
    with pytest.raises(ValueError, match="no lesson 'depth'; there are: 01_theory"):
        lessons.source_files(["depth"])


def test_experiments_wait_until_they_are_named(root):
    store(root)
    write(root, SETUP, "depth")
    store(root, SETUP, "orphan")
    (root / "notebooks" / "source" / "orphan.py").unlink()
    assert publish.stale() == {
        "depth": "has not been rendered yet",
        "orphan": "has no source in notebooks/source; delete the notebook",
    }
    assert list(publish.render()) == ["01_theory: up to date"]
    (line,) = publish.render(["depth"])
    assert line.startswith("depth: rendered in ")
    assert list(publish.stale()) == ["orphan"]
    (line,) = copies.solutions(root / "worked")
    assert line.startswith("01_theory: ")


def test_an_unknown_lesson_is_refused(root):
    write(root)
    with pytest.raises(ValueError, match="no lesson '02_x'; there are: 01_theory"):
        lessons.source_files(["02_x"])
    with pytest.raises(ValueError, match="no lesson '01'; there are: none yet"):
        lessons.paths(["01"])


# ---- Executing -----------------------------------------------------------------------

FIGURE = """
# %% tags=["parameters"]
seed = 0

# %%
import matplotlib.pyplot as plt

plt.plot([1, 2, seed])
plt.show()

# %%
print(sorted({"a", "b"}), {"a", "b"})
"""


def test_rendering_is_byte_stable_and_does_no_needless_work(root):
    write(root, LESSON + FIGURE)
    write(root, SETUP, name="02_small")
    first = list(publish.render())
    assert [re.sub(r"[\d.]+ s$", "", line) for line in first] == [
        "01_theory: rendered in ",
        "02_small: rendered in ",
    ]
    path = root / "notebooks" / "01_theory.ipynb"
    content, written = path.read_bytes(), path.stat().st_mtime_ns
    notebook = nbformat.reads(content.decode(), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert code[2].outputs[0].text == "Exercise 1.1: not attempted yet\n"
    assert "image/png" in code[4].outputs[0].data
    assert notebook.metadata == lessons.learner_view(write(root, LESSON + FIGURE)).metadata
    assert content.endswith(b"}\n")
    assert str(root).encode() not in content

    assert list(publish.render()) == ["01_theory: up to date", "02_small: up to date"]
    (forced,) = publish.render(["01"], force=True)
    assert forced.startswith("01_theory: unchanged in ")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, written)
    assert {path.name for path in (root / "notebooks").iterdir()} == {
        "source",
        "01_theory.ipynb",
        "02_small.ipynb",
    }


def test_a_lesson_that_cannot_be_published_leaves_everything_as_it_was(root):
    broken = SETUP + "\n# %%\nprint('before')\n\n# %%\nassert 1 == 2, 'one is not two'\n"
    write(root, broken, name="01_error")
    write(root, SETUP + "\n# %%\nimport sys\n\nprint('x', file=sys.stderr)\n", name="02_stderr")
    shown = LESSON + "\n# %%\nprint('squared_radius = radius' + '**2')\n"
    write(root, shown, name="03_leak")
    write(root, SETUP, name="04_good")
    (root / "notebooks" / "01_error.ipynb").write_text("old")
    lines = []
    with pytest.raises(ValueError, match="not rendered: 01_error, 02_stderr, 03_leak;"):
        lines.extend(publish.render())
    # The lines before the error are the report; extend() loses none of them.
    assert lines[0] == "01_error: FAILED, cell [3]: AssertionError: one is not two"
    assert lines[1] == "02_stderr: FAILED, cell [2] writes to stderr: 'x'"
    assert lines[2].startswith("03_leak: FAILED, a learner could read this line")
    assert lines[3].startswith("04_good: rendered")
    assert (root / "notebooks" / "01_error.ipynb").read_text() == "old"
    assert sorted(path.name for path in (root / "notebooks").glob("*.ipynb")) == [
        "01_error.ipynb",
        "04_good.ipynb",
    ]


def test_a_run_tells_its_failure_and_changes_nothing(root):
    first = '# %%\nimport os\nimport sys\n\nprint(sys.prefix, os.environ["TQDM_DISABLE"])\n'
    failing = {"01_dead": "os._exit(1)", "02_bare": "assert not os", "03_fine": "x = os"}
    for name, line in failing.items():
        write(root, f"{first}\n# %%\n{line}\n", name)
    notebooks = [lessons.learner_view(path) for path in lessons.source_files()]
    before = [nbformat.writes(notebook) for notebook in notebooks]
    runs = list(lessons.execute(notebooks, workers=2))
    assert [run.failure for run in runs] == [
        "cell [2]: Kernel died",
        "cell [2]: AssertionError",
        "",
    ]
    for run in runs:
        assert run.notebook.cells[0].outputs[0].text == f"{sys.prefix} 1\n"
        assert run.seconds > 0
    assert [nbformat.writes(notebook) for notebook in notebooks] == before


def test_what_a_cell_prints_is_one_output_however_long_it_pauses():
    source = (
        "import time, sys\n"
        "from IPython.display import display\n"
        "for word in 'abc':\n"
        "    print(word)\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.05)\n"
        "display({'text/plain': 'figure'}, raw=True)\n"
        "print('d')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    (run,) = lessons.execute([notebook])
    outputs = run.notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["stream", "display_data", "stream"]
    assert [output.get("text") for output in outputs] == ["a\nb\nc\n", None, "d\n"]


def test_nobody_looks_on_while_notebooks_are_executed(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")  # as in a kernel of JupyterLab
    assert "JPY_SESSION_NAME" not in running._kernel_environment("folder")


def test_workers_must_be_a_positive_number():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        list(lessons.execute([], workers=0))


def test_a_widget_is_not_published():
    cell = nbformat.v4.new_code_cell("slider", execution_count=3)
    cell.outputs = [nbformat.v4.new_output("display_data", {publish._WIDGET: {"model_id": "1"}})]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert publish._unpublishable(notebook).startswith("cell [3] shows a widget")


# ---- In step -------------------------------------------------------------------------


def store(root, text=LESSON, name="01_theory", output="1\n"):
    """Store a lesson as if it had been rendered, without running a kernel."""
    view = lessons.learner_view(write(root, text, name))
    code = [cell for cell in view.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text=output)]
    path = sources.notebook_of(root / f"{name}.py")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(views.serialised(view))
    return path


def damaged(path, change):
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda nb: nb["cells"][1]["source"].append("# more"), "differs from its source"),
        (lambda nb: nb["cells"][1].update(id="abc"), "differs from its source"),
        (lambda nb: nb["cells"][1].update(metadata={}), "differs from its source"),
        (lambda nb: nb["cells"].pop(), "differs from its source"),
        (lambda nb: nb["cells"].reverse(), "differs from its source"),
        (lambda nb: nb["metadata"].update(kernelspec={}), "differs from its source"),
        (lambda nb: nb["cells"][1].update(execution_count=None), "top to bottom"),
        (lambda nb: nb["cells"][1].update(execution_count=2), "top to bottom"),
        (lambda nb: nb.pop("cells"), "is not a readable notebook"),
    ],
)
def test_a_notebook_out_of_step_is_seen(root, change, reason):
    path = store(root)
    assert publish.stale() == {}
    damaged(path, change)
    assert reason in publish.stale()["01_theory"]
    path.write_text("{")
    assert publish.stale() == {"01_theory": "is not a readable notebook"}


def test_a_changed_source_and_orphans_are_seen(root):
    store(root)
    write(root, LESSON + "\n# %%\nx = 1\n")
    store(root, name="02_orphan")
    (root / "notebooks" / "source" / "02_orphan.py").unlink()
    write(root, name="03_new")
    assert publish.stale() == {
        "01_theory": "differs from its source",
        "02_orphan": "has no source in notebooks/source; delete the notebook",
        "03_new": "has not been rendered yet",
    }
    assert list(publish.stale(["03"])) == ["02_orphan", "03_new"]


# ---- The README: its pictures and its table --------------------------------------------


def figure(title, content):
    return nbformat.v4.new_output("display_data", {"image/png": content, "text/plain": title})


def with_figures(root, *figures):
    cell = nbformat.v4.new_code_cell(outputs=[figure(*about) for about in figures])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), root / "notebooks" / "00_a.ipynb")


def test_readme_picture_without_a_lesson_is_refused(root):
    (root / "README.md").write_text('![No such figure](docs/a.png "None")')
    with pytest.raises(ValueError, match=r"shows docs/a.png, the figure 'None', .* 0 figures"):
        list(publish.readme_pictures())
    (root / "README.md").write_text("![Of which lesson?](docs/a.png)")
    with pytest.raises(ValueError, match=r"shows docs/a.png, the figure '', .* 0 figures"):
        list(publish.readme_pictures())


def test_readme_picture_must_not_be_one_of_two(root):
    with_figures(root, ("A line", "YWJj"), ("A line", "ZGVm"))
    (root / "README.md").write_text('![It rises](docs/a.png "A line")')
    with pytest.raises(ValueError, match="the lessons have 2 figures with that title"):
        list(publish.readme_pictures())


def test_readme_table_that_differs_is_counted_anew(root):
    write(root, LESSON + "\n# %%\n" + "x = 1\n" * 18 + ("\n# %%\n" + "y = 1\n" * 18) * 5)
    table = "\n".join(
        [
            "| lesson | question | minutes | exercises |",
            "|---|---|---|---|",
            "| [01 · Theory](notebooks/01_theory.ipynb) | Where does it go? | {} |",
            "| [Depth](notebooks/experiments/depth.ipynb) | How deep? | 1 | 2 |",
        ]
    )
    readme = root / "README.md"
    readme.write_text(table.format("1 | 2"), encoding="utf-8")
    assert list(publish.readme_table()) == ["README.md: minutes and exercises counted anew"]
    assert readme.read_text(encoding="utf-8") == table.format("10 | 1")
    assert list(publish.readme_table()) == []


def test_readme_row_without_a_lesson_is_refused(root):
    (root / "README.md").write_text("| [01 · Theory](notebooks/01_theory.ipynb) | Where? | 5 | 1 |")
    with pytest.raises(ValueError, match="no lesson '01_theory'; there are: none yet"):
        list(publish.readme_table())


def test_readme_picture_that_differs_is_replaced(root):
    with_figures(root, ("A line", "YWJj"), ("Another", "ZGVm"))
    (root / "README.md").write_text('![It rises](docs/a.png "A line")')
    assert list(publish.readme_pictures()) == ["docs/a.png: taken from its lesson"]
    assert (root / "docs" / "a.png").read_bytes() == b"abc"
    assert list(publish.readme_pictures()) == []


# ---- The learner's copy --------------------------------------------------------------


def names(folder):
    return sorted(path.name for path in folder.glob("*.ipynb"))


def handed_out(path):
    """What a learner gets of a published notebook."""
    return views.serialised(views.learners_own(nbformat.read(path, as_version=4)))


def test_a_learner_gets_no_outputs_and_prose_that_stays(root):
    path = store(root, LESSON + FIGURE, output="0.37\n")
    assert b"0.37" in path.read_bytes()
    assert b"0.37" not in handed_out(path)
    notebook = nbformat.reads(handed_out(path).decode(), as_version=4)
    nbformat.validate(notebook)
    title, how, *cells = notebook.cells
    assert title.source.startswith("# 01")
    assert "Run All Above Selected Cell" in how.source
    published = nbformat.read(path, as_version=4).cells
    assert [cell.source for cell in cells] == [cell.source for cell in published[1:]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert cell.metadata.editable is False
        else:
            assert "editable" not in cell.metadata
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert handed_out(path) == handed_out(path)


def test_a_reset_lays_a_fresh_copy_and_keeps_what_was_there(root):
    mine = root / "my_course"
    path = store(root)
    with pytest.raises(ValueError, match="my_course/ is not there yet; `make lab` makes it"):
        copies.reset(mine, ["01"])
    copies.learner_copy(mine)
    for name in ("01_theory.mine.ipynb", "01_theory.mine-2.ipynb"):
        work = learn(mine / path.name)
        assert copies.reset(mine, ["01"]) == [f"01_theory.ipynb: fresh; yours is now {name}"]
        assert (mine / name).read_bytes() == work
        assert (mine / path.name).read_bytes() == handed_out(path)
    (mine / path.name).unlink()
    assert copies.reset(mine, ["01_theory"]) == ["01_theory.ipynb: fresh"]
    assert copies.learner_copy(mine) == []
    with pytest.raises(ValueError, match="no lesson '09'; there are: 01_theory"):
        copies.reset(mine, ["09"])


def learn(path, text="# my own line"):
    """Edit a notebook as a learner does."""
    damaged(path, lambda nb: nb["cells"][1]["source"].append(text))
    return path.read_bytes()


def test_the_first_copy_is_what_was_published_and_the_second_does_nothing(root):
    path, mine = store(root), root / "my_course"
    assert copies.learner_copy(mine) == ["01_theory.ipynb: new"]
    assert (mine / path.name).read_bytes() == handed_out(path)
    before = {p.name: p.stat().st_mtime_ns for p in mine.iterdir()}
    assert copies.learner_copy(mine) == []
    assert {p.name: p.stat().st_mtime_ns for p in mine.iterdir()} == before
    store(root, name="02_more")
    assert copies.learner_copy(mine) == ["02_more.ipynb: new"]


def test_experiments_are_copied_into_their_own_folder(root):
    lesson, mine = store(root), root / "my_course"
    path = store(root, SETUP, "depth")
    assert copies.learner_copy(mine) == ["01_theory.ipynb: new", "experiments/depth.ipynb: new"]
    copy = mine / "experiments" / "depth.ipynb"
    assert copy.read_bytes() == handed_out(path)
    assert names(mine) == [lesson.name]
    assert copies.learner_copy(mine) == []

    damaged(copy, lambda nb: nb["cells"][0]["source"].append("# my own line"))
    work = copy.read_bytes()
    store(root, SETUP + "\n# %%\nx = 1\n", "depth")
    assert copies.learner_copy(mine) == [
        "experiments/depth.ipynb: kept as you changed it; the new version is depth.updated.ipynb"
    ]
    assert copy.read_bytes() == work
    assert names(mine / "experiments") == ["depth.ipynb", "depth.updated.ipynb"]


def test_the_glossary_lies_beside_the_lessons_and_links_lead_there(root):
    reference_pages(root)
    mine = root / "my_course"
    path = store(root, FOLDED + SETUP)
    store(root, FOLDED.replace("../docs", "../../docs").replace("01 ·", "Experiment ·"), "depth")
    assert copies.learner_copy(mine)[2:] == [f"{name}.md: new" for name in reference.NAMES]
    prose = nbformat.read(mine / path.name, as_version=4).cells[0].source
    assert "[decade](glossary.md#decade)" in prose
    assert '<a href="sources.md#papers">' in prose
    assert "../glossary.md#" in (mine / "experiments" / "depth.ipynb").read_text()
    assert "[01](01_theory.ipynb#Why)" in (mine / "glossary.md").read_text()
    assert "../docs/glossary.md#decade" in path.read_text()
    assert copies.learner_copy(mine) == []

    (mine / "formulas.md").write_text("my notes")
    for name in ("glossary", "formulas"):
        (root / "docs" / f"{name}.md").write_text("# New\n")
    assert copies.learner_copy(mine) == [
        "glossary.md: updated",
        "formulas.md: kept as you changed it; the new version is formulas.updated.md",
    ]
    assert (mine / "formulas.md").read_text() == "my notes"


def test_an_untouched_notebook_is_updated(root):
    mine = root / "my_course"
    store(root)
    copies.learner_copy(mine)
    new = handed_out(store(root, LESSON + "\n# %%\nx = 1\n"))
    assert copies.learner_copy(mine) == ["01_theory.ipynb: updated"]
    assert (mine / "01_theory.ipynb").read_bytes() == new
    assert names(mine) == ["01_theory.ipynb"]


def test_running_a_notebook_is_not_editing_it(root):
    mine = root / "my_course"
    store(root)
    copies.learner_copy(mine)
    damaged(mine / "01_theory.ipynb", lambda nb: nb["cells"][2].update(execution_count=5))
    own = (mine / "01_theory.ipynb").read_bytes()
    assert copies.learner_copy(mine) == []
    store(root, output="2\n")  # only outputs changed, and a learner gets none
    assert copies.learner_copy(mine) == []
    assert (mine / "01_theory.ipynb").read_bytes() == own
    new = handed_out(store(root, LESSON + "\n# %%\nx = 1\n"))
    assert copies.learner_copy(mine) == ["01_theory.ipynb: updated"]
    assert (mine / "01_theory.ipynb").read_bytes() == new


def test_an_edited_notebook_is_kept_and_the_update_laid_beside_it_once(root):
    mine = root / "my_course"
    store(root)
    copies.learner_copy(mine)
    work = learn(mine / "01_theory.ipynb")
    assert copies.learner_copy(mine) == []
    store(root, output="2\n")  # only outputs changed: nothing new to read
    assert copies.learner_copy(mine) == []

    second = handed_out(store(root, LESSON + "\n# %%\nx = 2\n"))
    (line,) = copies.learner_copy(mine)
    assert line.endswith("kept as you changed it; the new version is 01_theory.updated.ipynb")
    assert (mine / "01_theory.ipynb").read_bytes() == work
    assert (mine / "01_theory.updated.ipynb").read_bytes() == second
    assert copies.learner_copy(mine) == []

    third = handed_out(store(root, LESSON + "\n# %%\nx = 3\n"))
    assert len(copies.learner_copy(mine)) == 1
    assert (mine / "01_theory.updated.ipynb").read_bytes() == third
    assert names(mine) == ["01_theory.ipynb", "01_theory.updated.ipynb"]

    more_work = learn(mine / "01_theory.updated.ipynb")
    fourth = handed_out(store(root, LESSON + "\n# %%\nx = 4\n"))
    assert copies.learner_copy(mine)[0].endswith("01_theory.updated-2.ipynb")
    assert (mine / "01_theory.ipynb").read_bytes() == work
    assert (mine / "01_theory.updated.ipynb").read_bytes() == more_work
    assert (mine / "01_theory.updated-2.ipynb").read_bytes() == fourth

    (mine / "01_theory.updated-2.ipynb").unlink()  # read and thrown away
    assert copies.learner_copy(mine) == []


def test_a_deleted_notebook_comes_back(root):
    path, mine = store(root), root / "my_course"
    copies.learner_copy(mine)
    (mine / path.name).unlink()
    assert copies.learner_copy(mine) == ["01_theory.ipynb: back again"]
    assert (mine / path.name).read_bytes() == handed_out(path)


@pytest.mark.parametrize("manifest", [None, "{"])
def test_without_its_manifest_everything_different_is_the_learners(root, manifest):
    mine = root / "my_course"
    store(root)
    store(root, name="02_same")
    copies.learner_copy(mine)
    work = learn(mine / "01_theory.ipynb")
    (mine / ".course.json").unlink()
    if manifest is not None:
        (mine / ".course.json").write_text(manifest)
    (line,) = copies.learner_copy(mine)
    assert line.endswith("01_theory.updated.ipynb")
    assert (mine / "01_theory.ipynb").read_bytes() == work
    assert copies.learner_copy(mine) == []


@pytest.mark.parametrize("junk", [b"", b"\xff", b"[]", b'{"cells": 3}', b'{"cells": [3]}'])
def test_a_file_that_is_no_notebook_is_kept_too(root, junk):
    path, mine = store(root), root / "my_course"
    copies.learner_copy(mine)
    (mine / path.name).write_bytes(junk)
    assert copies.learner_copy(mine) == []
    store(root, LESSON + "\n# %%\nx = 2\n")
    assert len(copies.learner_copy(mine)) == 1
    assert (mine / path.name).read_bytes() == junk


def test_an_update_that_was_adopted_counts_as_handed_out(root):
    mine = root / "my_course"
    store(root)
    copies.learner_copy(mine)
    learn(mine / "01_theory.ipynb")
    store(root, LESSON + "\n# %%\nx = 2\n")
    copies.learner_copy(mine)
    (mine / "01_theory.updated.ipynb").replace(mine / "01_theory.ipynb")
    copies.learner_copy(mine)
    assert names(mine) == ["01_theory.ipynb"]
    third = handed_out(store(root, LESSON + "\n# %%\nx = 3\n"))
    assert copies.learner_copy(mine) == ["01_theory.ipynb: updated"]
    assert (mine / "01_theory.ipynb").read_bytes() == third


def test_a_copy_that_was_cut_short_is_finished(root, monkeypatch):
    mine = root / "my_course"
    store(root)
    store(root, name="02_more")

    def full_disk(self, target):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full_disk)
        with pytest.raises(OSError, match="no space"):
            copies.learner_copy(mine)
    assert files(mine) == {}
    assert len(copies.learner_copy(mine)) == 2
    assert set(files(mine)) == {"01_theory.ipynb", "02_more.ipynb", ".course.json"}


def test_copies_never_go_into_the_published_folder(root):
    store(root)
    before = files(root)
    with pytest.raises(ValueError, match="name another folder"):
        copies.learner_copy(root / "notebooks")
    with pytest.raises(ValueError, match="name another folder"):
        list(copies.solutions(root / "notebooks" / "worked"))
    assert files(root) == before


def test_nothing_rendered_is_said(root):
    with pytest.raises(ValueError, match="run `course render` first"):
        copies.learner_copy(root / "my_course")
    assert not (root / "my_course").exists()


# ---- The worked version --------------------------------------------------------------


def test_worked_lessons_are_executed_and_never_written_over_somebodys_file(root):
    write(root)
    folder = root / "worked"
    (line,) = copies.solutions(folder)
    assert line.startswith("01_theory: worked version written")
    path = folder / "01_theory.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[3].outputs[0].text == "Exercise 1.1: correct\n"
    content = path.read_bytes()
    learn(path)
    edited_by_teacher = path.read_bytes()
    with pytest.raises(ValueError, match="is in the way"):
        list(copies.solutions(folder))
    assert path.read_bytes() == edited_by_teacher
    path.write_bytes(content)
    list(copies.solutions(folder))
    assert path.read_bytes() == content
    path.write_text("notes")
    with pytest.raises(ValueError, match="is in the way"):
        list(copies.solutions(folder))


def test_links_of_a_worked_lesson_lead_to_pages_beside_it(root):
    reference_pages(root)
    write(root, FOLDED + LESSON.removeprefix(MARKDOWN))
    folder = root / "worked"
    folder.mkdir()
    (folder / "formulas.md").write_text("my notes")
    list(copies.solutions(folder))
    prose = nbformat.read(folder / "01_theory.ipynb", as_version=4).cells[0].source
    assert "](glossary.md#decade)" in prose
    assert "[01](01_theory.ipynb#Why)" in (folder / "glossary.md").read_text()
    assert (folder / "formulas.md").read_text() == "my notes"
    list(copies.solutions(folder))


def test_a_worked_lesson_that_fails_is_not_written(root):
    write(root, LESSON + "\n# %%\n1 / 0\n")
    with pytest.raises(ValueError, match="not written: 01_theory"):
        list(copies.solutions(root / "worked"))
    assert not (root / "worked").exists()


# ---- Pages to read and to print ------------------------------------------------------


def prose_alone(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    return notebook


PUBLISHED = [*sources.paths(), *sources.experiments()]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_every_formula_of_the_course_is_drawn(path):
    notebook = prose_alone(path)
    text = pages.page(notebook)
    assert text.count("<math") == text.count("</math>")
    asked = sum(bool(re.search(r"\\[a-z]+|[_^]", found)) for found in dollars(notebook))
    assert text.count("<math") >= asked
    prose = re.sub(r"<(math|code|pre|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\$|\\[a-z]", prose)


def dollars(notebook):
    """What stands between dollars in the prose of a notebook."""
    for cell in notebook.cells:
        prose = re.sub(r"`[^`]*`", "", cell.source)
        yield from (found for _, found in re.findall(r"(\$\$?)([^$]+)\1", prose))


def test_a_formula_is_mathml():
    inline = pages.formula(r"\sigma_w^2 = 3\,\text{fan\_in}")
    assert inline.startswith('<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">')
    assert "<mtext>fan_in</mtext>" in inline
    assert "<msubsup><mi>&#x003C3;</mi><mi>w</mi><mn>2</mn></msubsup>" in inline
    assert 'display="block"' in pages.formula("x", "block")
    for wrong in (r"\nosuchcommand{x}", r"\left( x", "a^"):
        with pytest.raises(ValueError, match="formula"):
            pages.formula(wrong)


def test_pages_hold_figures_and_link_to_each_other(root):
    text = MARKDOWN + "# See [two](02_more.ipynb#a), [it](https://x.org/a.ipynb): $x_1 < 2$.\n#\n"
    write(root, text + "# \\begin{align}a &= b\\end{align}\n" + FIGURE)
    write(root, MARKDOWN.replace("01", "02"), "02_more")
    for path in lessons.source_files():
        nbformat.write(lessons.learner_view(path), root / "notebooks" / f"{path.stem}.ipynb")
    path = root / "notebooks" / "01_theory.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].outputs = [
        nbformat.v4.new_output("display_data", data, metadata={"image/png": {"alt": "A <line>"}})
        for data in ({"image/png": "YWJj"}, {pages._WIDGET: {}, "text/plain": "a slider"})
    ]
    nbformat.write(notebook, path)
    folder = root / "read"
    assert list(pages.export(folder)) == [
        f"{folder / name}.html: written" for name in ("01_theory", "02_more")
    ]
    page = (folder / "01_theory.html").read_text()
    assert "<title>01 · Where does it go?</title>" in page
    assert 'href="02_more.html#a"' in page
    assert 'href="https://x.org/a.ipynb"' in page
    assert page.count("<math") == 2
    assert re.search(r'<img alt="A &lt;line&gt;"\s+src="data:image/png;base64,YWJj', page)
    assert "a slider" not in page
    assert not re.search(r"<(script|link|iframe)\b", page)
    assert nbformat.read(path, as_version=4) == notebook


FOLDED = """\
# %% [markdown]
# # 01 · Where does it go?
#
# By a [decade](../docs/glossary.md#decade), see [all](../docs/formulas.md).
#
# <details><summary>The gain</summary>Right: <a href="../docs/sources.md#papers">it</a> is
# $\\sigma_w$ or <code>gain</code>.</details>
#
# ## Why, "so"?
#
# [there](#Why,-%22so%22?)
"""


def reference_pages(root):
    """Pages beside the lessons, as in docs."""
    (root / "docs").mkdir()
    for name in reference.NAMES:
        text = "# About\n\n## decade\n\nFirst in [01](../notebooks/01_theory.ipynb#Why), $x_1$.\n"
        (root / "docs" / f"{name}.md").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("own", [False, True])
def test_exported_pages_lead_to_the_glossary_and_back(root, own):
    reference_pages(root)
    store(root, FOLDED + SETUP)
    store(root, FOLDED.replace("../docs", "../../docs").replace("01 ·", "Experiment ·"), "depth")
    mine = root / "my_course"
    copies.learner_copy(mine)
    lines = list(pages.export(root / "read", ["01", "depth"], mine if own else None))
    names = ["01_theory", "experiments/depth", *reference.NAMES]
    assert lines == [f"{root / 'read' / name}.html: written" for name in names]
    lesson = (root / "read" / "01_theory.html").read_text()
    assert 'href="glossary.html#decade"' in lesson
    assert 'href="formulas.html"' in lesson
    assert 'href="sources.html#papers"' in lesson
    assert 'href="../glossary.html#decade"' in (root / "read/experiments/depth.html").read_text()
    glossary = (root / "read" / "glossary.html").read_text()
    assert 'href="01_theory.html#Why"' in glossary
    assert '<h2 id="decade">decade</h2>' in glossary
    assert "<math" in glossary


def test_what_is_folded_opens_in_an_exported_page_and_its_formulas_are_drawn(root):
    page = pages.page(lessons.learner_view(write(root, FOLDED + SETUP)))
    assert "<details><summary>The gain</summary>Right:" in page
    assert "<msub><mi>\N{GREEK SMALL LETTER SIGMA}</mi><mi>w</mi></msub>" in page
    assert "$" not in page.partition("<main>")[2]
    assert """<h2 id='Why,-"so"?'>Why, "so"?</h2>""" in page


def test_a_learner_exports_what_they_wrote(root):
    store(root)
    mine = root / "my_course"
    with pytest.raises(ValueError, match=r"has no 01_theory\.ipynb; `make lab` brings it there"):
        list(pages.export(root / "read", ["01"], mine))
    copies.learner_copy(mine)
    learn(mine / "01_theory.ipynb")
    list(pages.export(root / "read", ["01"], mine))
    assert "course reset" in (root / "read" / "01_theory.html").read_text()

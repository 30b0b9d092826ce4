"""What holds for every lesson and experiment: looks, step with the source, and runs.

The rules below are functions from a notebook to complaints; each is shown a bad
notebook before it is trusted with the lessons. nbval compares the lessons' outputs;
an experiment takes minutes and runs here at small parameters only.
"""

import ast
import base64
import json
import os
import re
import subprocess
import sys
from functools import partial
from urllib.parse import unquote

import nbformat
import papermill
import pytest

from helpers import experiment, lessons, sweeps
from helpers.lessons import kinds, publish, reference
from tests import lesson_questions, lesson_shape, lesson_terms
from tests.notebook_parts import (
    between,
    code_cells,
    figures,
    markdown,
    outputs,
    printed,
    tagged,
    trees,
)

LESSONS = {path.stem: path for path in lessons.paths()}
EXPERIMENTS = {path.stem: path for path in lessons.experiments()}
# For each experiment the parameters with which papermill runs it in a few seconds.
SMALL = {
    "boundary": {"cells": 8, "steps": 40, "width": 8},
    "deep": {"depth": 300, "steps": [60, 10, 10], "memory": 0.001},
    "depth": {"depth": 8, "steps": 30},
    "phase_diagram": {
        "variances": [0.5, 1.76, 6.5],
        "depths": [5, 10, 60],
        "steps": 150,
    },
    "time_lag": {"length": 20, "width": 32, "steps": 60},
}
# Every parameter of each lesson but the seed, changed as a learner would, to something quick.
CHANGED = {
    "00_start_here": {"depth": 10, "steps": 50, "lr": 0.01},
    "01_theory": {"depth": 8, "width": 32, "draws": 2},
    "02_symptoms": {"width": 32, "steps": 30, "draws": 20},
    "03_causes": {"width": 32, "wide": 32, "draws": 1, "steps": 50},
    "04_activations": {"depth": 10, "width": 64, "draws": 2},
    "05_initialization": {"draws": 2},
    "06_edge_of_chaos": {"depth": 100, "draws": 200, "map_steps": 40},
    "07_normalization": {"width": 32, "draws": 1},
    "08_residual_connections": {"blocks": 8, "deep": 20, "draws": 3, "steps": 40},
    "09_gated_rnns": {"width": 32, "lag": 60, "draws": 1, "length": 20, "steps": 40},
    "10_exploding_and_clipping": {"depth": 8, "width": 32, "steps": 40},
    "13_optimizers_and_precision": {"width": 32, "steps": 30},
}
# All at once; one at a time as well under `make test-parameters`, which takes as long as all tests.
CHANGES = [(name, "all") for name in CHANGED]
if os.environ.get("COURSE_EACH_PARAMETER"):
    CHANGES += [(name, parameter) for name, values in CHANGED.items() for parameter in values]
LINK = re.compile(r"\]\(([^)\s]+)|(?:href|src)=[\"']([^\"']+)")
LEFTOVER = {
    "a memory address": re.compile(r"\bat 0x[0-9a-f]+"),
    "a progress bar": re.compile(r"\d%\||it/s|█"),
    "a wall time": re.compile(r"(?i)\b[\d.]+ ?(ns|[µm]s|s|min|seconds?|minutes?)\b|wall time"),
}


# ---- The rules: each returns complaints ----------------------------------------------


def executed_in_order(notebook, name):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    return [] if counts == [*range(1, len(counts) + 1)] else [f"execution counts are {counts}"]


def small_file(notebook, name):
    return between(0, len(nbformat.writes(notebook).encode()) / 1000, 800, "kB")


def known_tags(notebook, name):
    allowed = {"setup", "parameters", "exercise", "check"}
    allowed |= {"nbval-ignore-output", "nbval-check-output"}
    used = {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    return [f"tag {tag!r}" for tag in sorted(used - allowed)]


def only_text_and_png(notebook, name):
    kinds = {kind for output in outputs(notebook) for kind in output.get("data", {})}
    allowed = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png"}
    if not name[:2].isdigit():
        allowed.add("application/json")  # what an experiment records
    complaints = [f"stored {kind}" for kind in sorted(kinds - allowed)]
    if any(output.output_type == "error" for output in outputs(notebook)):
        complaints.append("stored error")
    if any(output.get("name") == "stderr" for output in outputs(notebook)):
        complaints.append("stored stderr")
    if "widgets" in notebook.metadata:
        complaints.append("stored widget state")
    return complaints


def nothing_that_changes(notebook, name):
    data = [printed(cell) for cell in code_cells(notebook)]
    for output in outputs(notebook):
        stored = output.get("data", {})
        data += [value for kind, value in stored.items() if kind.startswith("text/")]
    return [
        f"{what} in an output: {found[0]!r}"
        for what, pattern in LEFTOVER.items()
        for value in data
        if (found := pattern.search(value))
    ]


def described_figures(notebook, name):
    alts = [image.metadata.get("image/png", {}).get("alt", "") for image in figures(notebook)]
    complaints = [f"figure {n} has no alt text" for n, alt in enumerate(alts, 1) if not alt.strip()]
    complaints += [f"alt text twice: {alt!r}" for alt in set(alts) if alts.count(alt) > 1]
    shows = [
        node
        for node in trees(notebook)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "plots.show"
    ]
    return complaints + [f"words in the code: {ast.unparse(c)}" for c in shows if len(c.args) > 1]


def titled_panels(notebook, name):
    """Every panel has a title; plots.show says so if one has none."""
    words = [image.data.get("text/plain", "untitled") for image in figures(notebook)]
    return [f"a panel without a title: {title}" for title in words if "untitled" in title]


def sharp_figures(notebook, name):
    """A picture has twice as many dots as the page shows, and fits on a page."""
    complaints = []
    for image in figures(notebook):
        dots = int.from_bytes(base64.b64decode(image.data["image/png"])[16:20], "big")
        width = image.metadata.get("image/png", {}).get("width", dots)
        if dots != 2 * width or width > 800:
            complaints.append(f"a figure of {dots} dots is shown {width} wide")
    return complaints


def literal_parameters(notebook, name):
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        return [f"{len(cells)} parameters cells"]
    complaints, names = [], []
    for node in ast.parse(cells[0].source).body:
        try:
            (target,) = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.append(target.id)
            ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            complaints.append(f"not a literal assignment: {ast.unparse(node)}")
    return complaints + ([] if "seed" in names else ["no parameter seed"])


def numbered_title(notebook, name):
    first = notebook.cells[0]
    good = first.cell_type == "markdown" and re.match(rf"# {name[:2]} · \S", first.source)
    return [] if good else [f"the first cell does not begin with '# {name[:2]} · '"]


def experiment_title(notebook, name):
    first = notebook.cells[0]
    good = first.cell_type == "markdown" and re.match(r"# Experiment · \S", first.source)
    return [] if good else ["the first cell does not begin with '# Experiment · '"]


def no_exercises(notebook, name):
    """Whatever needs an answer belongs into a lesson."""
    cells = tagged(notebook, "exercise") + tagged(notebook, "check")
    return [f"cell [{cell.execution_count}] is an exercise or a check" for cell in cells]


def validated_parameters(notebook, name):
    """The cell after the parameters reads every one, before anything is computed."""
    code = code_cells(notebook)
    places = [n for n, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])]
    if not places or places[0] + 1 == len(code):
        return ["no cell after the parameters"]
    check = code[places[0] + 1].source
    if not check.startswith("with experiment.validation():\n"):
        return ["the cell after the parameters does not begin with experiment.validation()"]
    used = {
        context: {
            node.id
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, context)
        }
        for context, source in ((ast.Store, code[places[0]].source), (ast.Load, check))
    }
    unread = used[ast.Store] - used[ast.Load]
    return [f"nothing reads the parameter {other!r}" for other in sorted(unread)]


def recorded_results(notebook, name):
    """The last cell, and no other, records results, the headline a number."""
    calls = [cell for cell in code_cells(notebook) if "experiment.record(" in cell.source]
    if calls != notebook.cells[-1:]:
        return ["the last cell, and only that, must call experiment.record"]
    found = list(experiment.results(notebook).values())
    return [] if found else ["no results are stored"]


def one_setup(notebook, name):
    count = len(tagged(notebook, "setup"))
    return [] if count == 1 else [f"{count} setup cells"]


def names_a_file(function, word):
    """Whether a call with this word in it would touch a file beside the notebook."""
    called = ast.unparse(function).split(".")[-1]
    reads = called in ("load", "loadtxt", "imread", "read_csv", "save", "savefig")
    if not isinstance(word, str) or word.startswith("/"):
        return False
    return called in ("open", "Path") or (reads and bool(re.search(r"[./]", word)))


def folded_html(notebook, name):
    """What is folded is HTML: JupyterLab shows marks of Markdown in it as they are written."""
    folded = re.findall(r"<details>(.*?)</details>", "\n".join(markdown(notebook)), re.DOTALL)
    marks = [found for part in folded for found in re.findall(r"`.*?`|\*\*?\w.*?\*|\]\(", part)]
    return [f"Markdown in what is folded: {mark}" for mark in marks]


def no_plumbing(notebook, name):
    """No star import, no path tricks, no file beside the notebook, no silenced warning."""
    complaints = []
    for node in trees(notebook):
        code = ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            complaints.append(code)
        if isinstance(node, ast.Attribute | ast.Name) and re.fullmatch(
            r"(os\.)?chdir|sys\.path|(warnings\.)?(filterwarnings|simplefilter|catch_warnings)",
            code,
        ):
            complaints.append(code)
        if isinstance(node, ast.Call):
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            complaints += [code for word in words if names_a_file(node.func, word)]
        if isinstance(node, ast.Constant) and str(node.value).startswith(("./", "../")):
            complaints.append(code)
    return complaints


def pages_beside(name):
    """Every notebook, as seen from the folder of the one with this name."""
    if name[:2].isdigit():
        up, down = "", "experiments/"
    else:
        up, down = "../", ""
    return {f"{up}{lesson}.ipynb" for lesson in LESSONS} | {
        f"{down}{experiment}.ipynb" for experiment in EXPERIMENTS
    }


def reference_beside(name):
    """The pages of reference, as seen from a notebook's folder, and the names of their headings."""
    up = "../" if name[:2].isdigit() else "../../"
    return {f"{up}docs/{page.name}": reference.anchors(page) for page in reference.paths()}


def working_links(notebook, name):
    """A learner's copy is the notebooks and the pages of reference; links stay among them."""
    headings = re.findall(r"^#+ +(.*?) *$", "\n".join(markdown(notebook)), re.MULTILINE)
    places = {"": [heading.replace(" ", "-") for heading in headings], **reference_beside(name)}
    complaints = []
    for source in markdown(notebook):
        for link in ("".join(found) for found in LINK.findall(source)):
            page, _, anchor = unquote(link).partition("#")
            if re.match(r"https?:", link) or page in pages_beside(name):
                continue
            if page not in places or ((anchor or not page) and anchor not in places[page]):
                complaints.append(f"link to {link}")
    return complaints


def checked_exercises(notebook, name):
    """Each exercise is followed by its check, which nobody has attempted yet."""
    code = code_cells(notebook)
    complaints = []
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if "exercise" in cell.metadata.get("tags", []) and (
            following is None or "check" not in following.metadata.get("tags", [])
        ):
            complaints.append(f"no check after exercise [{cell.execution_count}]")
    for cell in tagged(notebook, "check"):
        if "not attempted yet" not in printed(cell):
            complaints.append(f"check [{cell.execution_count}] prints {printed(cell)!r}")
    return complaints


def published_parameters(notebook, name):
    """The setup cell says with which parameters the lesson was published: those it has."""
    setup, stored = (
        [ast.parse(cell.source) for cell in tagged(notebook, tag)]
        for tag in ("setup", "parameters")
    )
    calls = [
        {"": [ast.literal_eval(argument) for argument in node.args]}
        | {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
        for tree in setup
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "claims.published"
    ]
    wanted = {"": [name[:2]]}
    for tree in stored:
        for node in tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            wanted[target.id] = ast.literal_eval(node.value)
    return [] if calls == [wanted] else [f"the setup cell says {calls}, expected {wanted}"]


MEASURED = re.compile(r"Measured: (.+)\.\n")


def open_predictions(notebook, name):
    """A question has its own cell, and its answer is in no output before the measurement."""
    complaints, shown, question = [], "", None
    for cell in code_cells(notebook):
        asked = "claims.predict(" in cell.source
        if asked and (question or not kinds.GUESS.fullmatch(cell.source)):
            complaints.append(f"cell [{cell.execution_count}] asks in another form, or too early")
        if "prediction.compare(" in cell.source:
            found = MEASURED.findall(printed(cell))
            if not question or len(found) != 1 or cell.source.count("prediction.compare(") > 1:
                complaints.append(f"cell [{cell.execution_count}] compares, and nothing was asked")
            elif stands_in(found[0], shown):
                complaints.append(f"{question} is answered before it is asked: {found[0]}")
            question = None
        if asked:
            question = json.loads(kinds.GUESS.findall(cell.source)[0])
            if question not in printed(cell):
                complaints.append(f"cell [{cell.execution_count}] does not show its question")
        shown += said_by(cell)
    return complaints + ([f"{question} is never answered"] if question else [])


def stands_in(number, words):
    """Whether a number was shown; a single digit, which stands everywhere, tells nothing."""
    distinct = len(re.sub(r"e.*|\D", "", number).strip("0")) > 1
    return distinct and re.search(rf"(?<![\w.-]){re.escape(number)}(?![\w.]*\d)", words)


def said_by(cell):
    """Everything that a code cell shows in words: prints, tables and alt texts."""
    words = [printed(cell)]
    for output in cell.outputs:
        words += [value for kind, value in output.get("data", {}).items() if "text/" in kind]
        words.append(output.get("metadata", {}).get("image/png", {}).get("alt", ""))
    return "\n".join(words)


def progress_at_the_end(notebook, name):
    last = notebook.cells[-1]
    good = last.cell_type == "code" and last.source == "print(progress.summary())"
    return [] if good else ["the last cell is not print(progress.summary())"]


RULES = [
    executed_in_order,
    known_tags,
    only_text_and_png,
    nothing_that_changes,
    described_figures,
    titled_panels,
    sharp_figures,
    literal_parameters,
    numbered_title,
    one_setup,
    folded_html,
    no_plumbing,
    working_links,
    checked_exercises,
    published_parameters,
    open_predictions,
    progress_at_the_end,
]
EXPERIMENT_RULES = [
    executed_in_order,
    small_file,
    known_tags,
    only_text_and_png,
    nothing_that_changes,
    described_figures,
    titled_panels,
    sharp_figures,
    literal_parameters,
    experiment_title,
    no_exercises,
    one_setup,
    no_plumbing,
    working_links,
    validated_parameters,
    recorded_results,
]


# ---- Each rule is shown a bad notebook -----------------------------------------------


def good():
    """A lesson with nothing to complain about."""
    cells = [nbformat.v4.new_markdown_cell("# 01 · Where does it go?\n\n[here](#Why-not)")]
    cells += [nbformat.v4.new_markdown_cell(f"## Why not\n\n{'word ' * 110}") for _ in range(12)]

    def code(source, *tags, printed=()):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})
        cell.outputs = list(printed)
        cell.execution_count = len(code_cells(notebook)) + 1
        notebook.cells.append(cell)

    def stdout(words):
        return nbformat.v4.new_output("stream", text=words)

    def figure(alt):
        png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (1216).to_bytes(4, "big")
        data = {"image/png": base64.b64encode(png).decode(), "text/plain": "It falls"}
        about = {"image/png": {"alt": alt, "width": 608}}
        return nbformat.v4.new_output("display_data", data, metadata=about)

    notebook = nbformat.v4.new_notebook(cells=cells)
    published = 'claims.published("01", seed=0, rates=[-1.5, "a"])'
    code(f"from helpers import claims, progress\n{published}", "setup")
    code('seed = 0\nrates: list = [-1.5, "a"]', "parameters")
    code("x = 1\nprint(x)", printed=[stdout("3 decades, 100 % of 12 steps\n")])
    for name in "abc":
        code(f"draw({name!r})\nshow()", printed=[figure(f"Curve {name}.")])
    ask = 'guess = None\nprediction = claims.predict("How much?", guess)'
    code(ask, printed=[stdout("How much? Write a number.\n")])
    code("x = 2\nprediction.compare(x)", printed=[stdout("How much? Measured: 0.37.\n")])
    code('def f():\n    """Return 1."""\n    raise NotImplementedError', "exercise")
    code("check(f)\n", "check", printed=[stdout("Exercise 1.1: not attempted yet\n")])
    code("print(progress.summary())", printed=[stdout("Lesson 01: 0 of 1 prediction made.\n")])
    return notebook


def test_a_good_lesson_passes_every_rule():
    for rule in RULES:
        assert rule(good(), "01_theory") == []


def good_experiment():
    """An experiment with nothing to complain about: shorter, and without exercises."""
    notebook = good()
    cells = code_cells(notebook)
    cells[2].source = "with experiment.validation():\n    x = seed, rates"
    cells[-1].source = "experiment.record(accuracy=0.5)"
    cells[-1].metadata.tags = []
    data = {"application/json": {"accuracy": 0.5}, "text/plain": "accuracy 0.5"}
    cells[-1].outputs = [nbformat.v4.new_output("display_data", data)]
    cells[-1].execution_count = len(cells) - 4
    notebook.cells = [*notebook.cells[:2], *cells[:-5], cells[-1]]
    notebook.cells[0].source = "# Experiment · Where does it go?\n\n[here](#Why-not)"
    return notebook


def test_a_good_experiment_passes_every_rule_for_experiments():
    for rule in EXPERIMENT_RULES:
        assert rule(good_experiment(), "phase_diagram") == []
    assert numbered_title(good_experiment(), "01_theory")
    assert experiment_title(good(), "phase_diagram")
    assert no_exercises(good(), "phase_diagram")


def test_links_are_read_from_the_folder_they_stand_in(monkeypatch):
    monkeypatch.setitem(LESSONS, "01_theory", None)
    monkeypatch.setitem(EXPERIMENTS, "depth", None)
    for link, lesson, run in (
        ("01_theory.ipynb#Why", [], ["link to 01_theory.ipynb#Why"]),
        ("../01_theory.ipynb", ["link to ../01_theory.ipynb"], []),
        ("experiments/depth.ipynb", [], ["link to experiments/depth.ipynb"]),
        ("depth.ipynb", ["link to depth.ipynb"], []),
        ("../docs/glossary.md#q", [], ["link to ../docs/glossary.md#q"]),
        ("../../docs/glossary.md#q", ["link to ../../docs/glossary.md#q"], []),
    ):
        notebook = good()
        saying(f" [there]({link})")(notebook)
        assert working_links(notebook, "01_theory") == lesson
        assert working_links(notebook, "phase_diagram") == run


def printing(words, **more):
    """A change that lets the third code cell print something."""
    output = nbformat.v4.new_output("stream", text=words, **more)
    return lambda nb: code_cells(nb)[2].outputs.append(output)


def showing(data):
    output = nbformat.v4.new_output("display_data", data)
    return lambda nb: code_cells(nb)[2].outputs.append(output)


def coding(source):
    """A change of the third code cell."""
    return lambda nb: code_cells(nb)[2].update(source=f"{source}\nx = 1")


def saying(source):
    """A change of the second text cell."""
    return lambda nb: nb.cells[2].update(source=nb.cells[2].source + source)


def parameters(source):
    return lambda nb: tagged(nb, "parameters")[0].update(source=source)


BAD = [
    (executed_in_order, lambda nb: code_cells(nb)[1].update(execution_count=None)),
    (executed_in_order, lambda nb: code_cells(nb)[1].update(execution_count=3)),
    (executed_in_order, lambda nb: code_cells(nb)[0].update(execution_count=2)),
    (small_file, showing({"text/html": "x" * 800_000})),
    (known_tags, lambda nb: nb.cells[0].metadata.update(tags=["solution"])),
    (known_tags, lambda nb: nb.cells[0].metadata.update(tags=["nbval-skip"])),
    (only_text_and_png, showing({"image/svg+xml": "<svg/>"})),
    (only_text_and_png, showing({"application/vnd.jupyter.widget-view+json": {}})),
    (only_text_and_png, showing({"application/json": {}})),
    (only_text_and_png, printing("careful\n", name="stderr")),
    (
        only_text_and_png,
        lambda nb: code_cells(nb)[2].outputs.append(nbformat.v4.new_output("error", ename="E")),
    ),
    (only_text_and_png, lambda nb: nb.metadata.update(widgets={})),
    (nothing_that_changes, printing("<helpers.Setting object at 0x7f3a>\n")),
    (nothing_that_changes, showing({"text/plain": "<function f at 0x7f3a>"})),
    (nothing_that_changes, printing(" 50%|#####     | 5/10\n")),
    (nothing_that_changes, printing("12.3 it/s\n")),
    (nothing_that_changes, printing("took 3.2 s\n")),
    (nothing_that_changes, printing("Wall time: short\n")),
    (nothing_that_changes, printing("12 ms a step\n")),
    (described_figures, lambda nb: code_cells(nb)[3].outputs[0].update(metadata={})),
    (
        described_figures,
        lambda nb: code_cells(nb)[3].outputs[0].metadata["image/png"].update(alt=" "),
    ),
    (
        described_figures,
        lambda nb: code_cells(nb)[3].outputs[0].metadata["image/png"].update(alt="Curve b."),
    ),
    (described_figures, coding('plots.show(ax, "It falls.")')),
    (
        titled_panels,
        lambda nb: code_cells(nb)[3].outputs[0].data.update({"text/plain": "a; untitled: y"}),
    ),
    (
        sharp_figures,
        lambda nb: code_cells(nb)[3].outputs[0].metadata["image/png"].update(width=1216),
    ),
    (sharp_figures, lambda nb: code_cells(nb)[3].outputs[0].metadata["image/png"].pop("width")),
    (literal_parameters, lambda nb: tagged(nb, "parameters")[0].metadata.update(tags=[])),
    (literal_parameters, parameters("seed = 0\nrate = 2 * seed")),
    (literal_parameters, parameters("seed = 0\nrate = 0.25**30")),
    (literal_parameters, parameters("seed = int(0)\nrate = 1")),
    (literal_parameters, parameters("seed = 0\nimport math")),
    (literal_parameters, parameters("seed = 0\na, b = 1, 2")),
    (literal_parameters, parameters("depth = 3\nrate = 1")),
    (numbered_title, lambda nb: nb.cells[0].update(source="# 02 · Where?\n\n[here](#Why-not)")),
    (numbered_title, lambda nb: nb.cells[0].update(source="# Where?")),
    (experiment_title, lambda nb: nb.cells[0].update(source="# 01 · Where?")),
    (experiment_title, lambda nb: nb.cells.pop(0)),
    (no_exercises, lambda nb: code_cells(nb)[2].metadata.update(tags=["exercise"])),
    (no_exercises, lambda nb: code_cells(nb)[2].metadata.update(tags=["check"])),
    (validated_parameters, lambda nb: code_cells(nb)[2].update(source="x = seed, rates")),
    (
        validated_parameters,
        lambda nb: code_cells(nb)[2].update(source="with experiment.validation():\n    x = seed"),
    ),
    (validated_parameters, lambda nb: nb.cells.__delitem__(slice(4, None))),
    (recorded_results, lambda nb: nb.cells.pop()),
    (recorded_results, lambda nb: nb.cells.append(nbformat.v4.new_markdown_cell("The end."))),
    (recorded_results, lambda nb: nb.cells[-1].update(outputs=[])),
    (recorded_results, lambda nb: code_cells(nb)[3].update(source="experiment.record(x=1)")),
    (one_setup, lambda nb: code_cells(nb)[0].metadata.update(tags=[])),
    (one_setup, lambda nb: code_cells(nb)[2].metadata.update(tags=["setup"])),
    (folded_html, saying(" <details><summary>Hint</summary>Use `abs`.</details>")),
    (folded_html, saying(" <details><summary>Hint</summary>It is *not*\nso.</details>")),
    (folded_html, saying(" <details>See [it](https://x.org).</details>")),
    (no_plumbing, coding("from math import *")),
    (no_plumbing, coding('os.chdir("/")')),
    (no_plumbing, coding("sys.path.append(here)")),
    (no_plumbing, coding('warnings.filterwarnings("ignore")')),
    (no_plumbing, coding("with catch_warnings(): pass")),
    (no_plumbing, coding('open("data")')),
    (no_plumbing, coding('pathlib.Path("runs").mkdir()')),
    (no_plumbing, coding('np.load("runs/a.npy")')),
    (no_plumbing, coding('plt.savefig("a.png")')),
    (no_plumbing, coding('folder = "../runs"')),
    (working_links, saying(" [next](99_nowhere.ipynb)")),
    (working_links, saying(" [up](../README.md)")),
    (working_links, saying(" [there](#Why-so)")),
    (working_links, saying(" <img src='figure.png'>")),
    (working_links, saying(" [decade](../docs/glossary.md#decades)")),
    (working_links, saying(" [decade](docs/glossary.md#decade)")),
    (working_links, saying(" <a href='../docs/sources.md#nowhere'>it</a>")),
    (working_links, saying(" [decade](../docs/grading.md)")),
    (checked_exercises, lambda nb: nb.cells.pop(-2)),
    (checked_exercises, lambda nb: nb.cells[-2].metadata.update(tags=[])),
    (checked_exercises, lambda nb: nb.cells[-2].outputs.clear()),
    (
        checked_exercises,
        lambda nb: nb.cells[-2].outputs[0].update(text="Exercise 1.1: correct\n"),
    ),
    (published_parameters, parameters("seed = 0\nrates = [-1.5]")),
    (published_parameters, parameters("seed = 0")),
    (published_parameters, lambda nb: code_cells(nb)[0].update(source="import math")),
    (published_parameters, lambda nb: code_cells(nb)[0].update(source='claims.published("02")')),
    (open_predictions, printing("0.37")),
    (open_predictions, printing("It is 0.37, they say.")),
    (open_predictions, showing({"text/html": "<td>0.37</td>"})),
    (open_predictions, lambda nb: figures(nb)[0].metadata["image/png"].update(alt="At 0.37.")),
    (open_predictions, lambda nb: code_cells(nb)[6].outputs[0].update(text="How much? 0.37\n")),
    (open_predictions, lambda nb: code_cells(nb)[6].outputs[0].update(text="Write a number.\n")),
    (open_predictions, lambda nb: code_cells(nb)[6].update(source="x = 1")),
    (open_predictions, lambda nb: code_cells(nb)[7].update(source="x = 1")),
    (open_predictions, lambda nb: code_cells(nb)[7].outputs.clear()),
    (
        open_predictions,
        lambda nb: code_cells(nb)[6].update(source=code_cells(nb)[6].source + "\nx = 1"),
    ),
    (progress_at_the_end, lambda nb: nb.cells.pop()),
]


@pytest.mark.parametrize(("rule", "damage"), BAD)
def test_each_rule_sees_a_bad_notebook(rule, damage):
    notebook, name = (good(), "01_theory") if rule in RULES else (good_experiment(), "depth")
    assert rule(notebook, name) == []
    damage(notebook)
    assert rule(notebook, name)


def test_no_rule_is_left_without_a_bad_notebook():
    assert {rule for rule, _ in BAD} == {*RULES, *EXPERIMENT_RULES}


def test_links_that_work_are_left_alone():
    notebook = good()
    links = "[paper](https://example.org/a#b) [here](#Why-not) [all](../docs/formulas.md)"
    links += " [decade](../docs/glossary.md#decade) <a href='../docs/sources.md#papers'>it</a>"
    if LESSONS:
        links += f" [first]({next(iter(LESSONS))}.ipynb#anywhere)"
    saying(links)(notebook)
    assert working_links(notebook, "01_theory") == []


# ---- The lessons and the experiments --------------------------------------------------


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("rule", RULES)
def test_lesson_keeps_the_rule(rule, name):
    notebook = nbformat.read(LESSONS[name], as_version=4)
    assert rule(notebook, name) == []


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_has_its_shape(name):
    notebook = nbformat.read(LESSONS[name], as_version=4)
    assert lesson_shape.complaints(notebook) + lesson_questions.complaints(notebook) == []


def test_lessons_explain_each_word_before_they_use_it():
    notebooks = {name: nbformat.read(path, as_version=4) for name, path in LESSONS.items()}
    assert list(lesson_terms.complaints(notebooks)) == []


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("rule", EXPERIMENT_RULES)
def test_experiment_keeps_the_rule(rule, name):
    notebook = nbformat.read(EXPERIMENTS[name], as_version=4)
    assert rule(notebook, name) == []


def test_notebooks_are_in_step_with_their_sources():
    assert publish.stale() == {}


# The plan of the course: a lesson has its number and its name before it is written, so that
# those that come later leave gaps.
PLAN = (
    "00_start_here",
    "01_theory",
    "02_symptoms",
    "03_causes",
    "04_activations",
    "05_initialization",
    "06_edge_of_chaos",
    "07_normalization",
    "08_residual_connections",
    "09_gated_rnns",
    "10_exploding_and_clipping",
    "11_shallow_or_pretrained",
    "12_transformers",
    "13_optimizers_and_precision",
    "14_clinic",
    "15_review",
)


def test_lessons_have_numbers_and_names_of_the_plan():
    names = [path.stem for path in lessons.source_files()]
    assert names == [name for name in PLAN if name in names]
    assert [int(name[:2]) for name in PLAN] == list(range(len(PLAN)))


# An open exercise, which has no marks, is done rather than correct.
PRAISE = re.compile(r"(?<!not )(?<!not yet )\bcorrect\b|: done, (\d+) of \1 condition")


def unsolved(notebook):
    """What the checks of a worked notebook print that is not praise."""
    said = [printed(cell) for cell in tagged(notebook, "check")]
    return [words for words in said if not PRAISE.search(words)]


@pytest.mark.parametrize(
    "words",
    [
        "Exercise 1.1: not attempted yet",
        "1.1: not correct",
        "1.1: incorrect",
        "1.1: wrong",
        "1.1: not yet, 3 of 4 conditions hold.",
        "1.1: done, 3 of 4 conditions hold.",
    ],
)
def test_an_unsolved_exercise_is_seen(words):
    notebook = good()
    output = notebook.cells[-2].outputs[0]
    for praise in ("Exercise 1.1: correct\n", "1.5: done, 4 of 4 conditions hold.\n"):
        output.text = praise
        assert unsolved(notebook) == []
    output.text = words
    assert unsolved(notebook) == [words]


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_runs_with_its_answers_at_another_seed(name, tmp_path, monkeypatch):
    """Papermill runs the worked version: every claim holds, every exercise is correct."""
    (source,) = lessons.source_files([name])
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(lessons.worked_view(source), path)
    monkeypatch.chdir(tmp_path)
    notebook = papermill.execute_notebook(
        path, None, {"seed": 1}, engine_name="warm", progress_bar=False
    )
    assert unsolved(notebook) == []


@pytest.mark.parametrize(("name", "parameter"), CHANGES)
def test_lesson_runs_to_its_end_with_parameters_changed(name, parameter, tmp_path, monkeypatch):
    """As a learner changes them: a claim that no longer holds says so, and all cells run."""
    monkeypatch.delenv("COURSE_CLAIMS")
    values = CHANGED[name] if parameter == "all" else {parameter: CHANGED[name][parameter]}
    (source,) = lessons.source_files([name])
    nbformat.write(lessons.learner_view(source), tmp_path / "lesson.ipynb")
    notebook = papermill.execute_notebook(
        tmp_path / "lesson.ipynb", None, values, kernel_name="warm", progress_bar=False
    )
    assert not any(output.output_type == "error" for output in outputs(notebook))
    assert "Lesson" in printed(notebook.cells[-1])


def test_every_parameter_of_every_lesson_is_changed():
    for name, path in LESSONS.items():
        known = experiment.parameters(nbformat.read(path, as_version=4))
        assert {"seed", *CHANGED[name]} == set(known)
        assert all(known[one] != value for one, value in CHANGED[name].items())


def test_no_experiment_is_left_out():
    """Each has small parameters, and they are parameters that it has."""
    assert set(SMALL) == set(EXPERIMENTS)
    for name, values in SMALL.items():
        (cell,) = tagged(nbformat.read(EXPERIMENTS[name], as_version=4), "parameters")
        stored = {
            node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)
        }
        assert set(values) <= stored


def shown(notebook):
    """Everything an execution put into a notebook."""
    return [
        (output.get("text"), output.get("data"), output.output_type) for output in outputs(notebook)
    ]


@pytest.mark.parametrize("name", SMALL)
def test_experiment_runs_as_strings_and_warm_and_says_the_same(name, tmp_path, monkeypatch):
    """At small parameters; once in a kernel, once by the engine with every value as a string."""
    monkeypatch.chdir(tmp_path)
    run = partial(papermill.execute_notebook, EXPERIMENTS[name], None, progress_bar=False)
    plain = run(SMALL[name], kernel_name="warm")  # to papermill a kernel like any other
    defaults = sweeps.prepare(EXPERIMENTS[name], {}, {}).defaults
    texts = {key: str(value) for key, value in {**defaults, **SMALL[name]}.items()}
    warm = run(texts, engine_name="warm")
    assert experiment.results(plain)
    assert shown(warm) == shown(plain)


def test_another_seed_is_seen():
    """Or the comparison above would compare nothing."""
    run = partial(papermill.execute_notebook, EXPERIMENTS["depth"], None, progress_bar=False)
    first, second = (run({**SMALL["depth"], "seed": s}, engine_name="warm") for s in (0, 1))
    assert experiment.results(first) != experiment.results(second)
    assert figures(first)[0].data != figures(second)[0].data


BAD_VALUES = [
    ("boundary", "cells", "1", "cells must be at least 4"),
    ("boundary", "zoom", 0, "first_rate, last_rate, decades and zoom must be finite and above 0"),
    ("boundary", "depth", 1, "depth must be at least 2 for a first and a last layer, got 1"),
    ("boundary", "pictures", "many", "pictures must be a whole number, got 'many'"),
    ("depth", "depth", 0, "depth must be at least 1, got 0"),
    ("depth", "depth", "ten", "depth must be a whole number, got 'ten'"),
    ("depth", "activation", "rellu", "activation 'rellu' is not known; did you mean 'relu'?"),
    ("depth", "gain", "-1", "gain must be"),
    ("depth", "rate", -1, "rate must be"),
    ("depth", "optimizer", "Adam", "did you mean 'adam'?"),
    ("depth", "steps", "-5", "steps must be"),
    ("depth", "seed", "None", "seed must be a whole number, got 'None'"),
    ("depth", "data_set", "imagenet", "data_set 'imagenet' is not known"),
    ("depth", "device", "tpu9", "device"),
    ("phase_diagram", "depths", "[5, 1.5]", "depths must be a whole number, got '1.5'"),
    ("phase_diagram", "depths", "[]", "variances and depths must be two or more"),
    ("phase_diagram", "variances", "[1, -1]", "variances and depths must be two or more, above 0"),
    ("phase_diagram", "activation", "tan", "activation 'tan' is not known; did you mean 'tanh'?"),
    ("time_lag", "cell", "lstmm", "cell 'lstmm' is not known"),
    ("time_lag", "length", "1", "length must be"),
    ("deep", "steps", "[]", "steps, rates, memory must be above 0"),
    ("deep", "gain", "wide", "gain must be a number, got 'wide'"),
    ("deep", "depth", "2", "depth above 2"),
    ("deep", "memory", "-1", "memory must be above 0"),
    ("deep", "state", "runs", "state a full path"),
]


@pytest.mark.parametrize(("name", "parameter", "value", "words"), BAD_VALUES)
def test_a_bad_parameter_is_refused_in_one_sentence(name, parameter, value, words):
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook(
            EXPERIMENTS[name], None, {parameter: value}, engine_name="warm", progress_bar=False
        )
    (sentence,) = caught.value.traceback
    assert words in sentence
    assert "\n" not in sentence
    assert caught.value.ename == "ParameterError"


def test_the_guide_lists_every_experiment():
    guide = (lessons.sources.ROOT / "docs" / "experiments.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)) == set(EXPERIMENTS)


def test_every_experiment_is_shown_a_bad_parameter():
    assert {name for name, *_ in BAD_VALUES} == set(EXPERIMENTS)


def test_papermill_says_no_with_a_sentence_and_a_code(tmp_path):
    """The command itself, as a person types it."""
    target = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", EXPERIMENTS["depth"], target, "-p", "depth", "0"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("depth must be at least 1, got 0\n\n")
    stored = nbformat.read(target, as_version=4)  # papermill's own record of the error, whole
    nbformat.validate(stored)
    assert experiment.results(stored) == {}

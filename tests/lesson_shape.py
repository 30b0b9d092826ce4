"""The shape of a lesson that teaches one thing a cell, and a table of it.

    python -m tests.lesson_shape            # the table of all lessons
    python -m tests.lesson_shape 03 04      # of two, and what each would have to change

Read are rendered notebooks: what learners see. A rule returns complaints, as those in
tests/test_notebooks.py do. A working cell is code that is neither setup, parameters, a lone
guess, an exercise, a check nor the last cell, and that does more than draw.
"""

import ast
import math
import re
import statistics
import sys
from itertools import pairwise
from pathlib import Path

import nbformat

from helpers import lessons, text
from helpers.lessons import kinds, times
from tests.notebook_parts import between, code_cells, figures, markdown, printed, trees

CELLS, WORDS, FIGURES = (40, 100), (1500, 3800), (4, 9)
MEDIAN, MOST, LONGEST = 6, 12, 15  # lines of working cells: the middle one, nine in ten, every one
RUN = 25  # lines between two pieces of prose
TICKS = 4  # in sight in a cell
KILOBYTES = 1500

# What is folded, less its headline; and the headline of what is open, which repeats its ticks.
FOLDED = re.compile(r"(<details>\s*<summary>.*?</summary>).*?</details>", re.DOTALL)
REPEATED = re.compile(r"<details open>\s*<summary>.*?</summary>", re.DOTALL)
EXERCISE = re.compile(
    r"### Exercise \d+\.\d+ - \w+ \((?:(\d+) points?|open)\)\n\n"
    r"\*About (\d+) minutes?, (?:easy|medium|hard)\.\*"
)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
AXES = ("ax", "axes", "fig", "figure")  # what a figure and its parts are called
SILENT = ("setup", "parameters")  # nobody studies them


# ---- What there is to count ----------------------------------------------------------


def lines(cell):
    """How many lines of code a cell has; empty ones are for the eye."""
    return sum(bool(line.strip()) for line in cell.source.split("\n"))


def root(node):
    """The name at the left end of `a.b[0].c(...).d`, or nothing."""
    while not isinstance(node, ast.Name):
        node = getattr(node, "value", None) or getattr(node, "func", None)
        if not isinstance(node, ast.AST):
            return ""
    return node.id


def drawn(tree):
    """The names that a cell gives to what `plots` returns."""
    return {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and root(node.value) == "plots"
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }


def only_draws(cell):
    """Whether every call of a cell is one of `plots`, or a method of axes and figures."""
    tree = ast.parse(cell.source)
    called = [root(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return "plots" in called and set(called) <= {"plots", *AXES, *drawn(tree)}


def steps(notebook):
    """The cells that work or draw, in order."""
    return [cell for cell in notebook.cells if kinds.kind(cell) == "work"]


def working(notebook):
    return [cell for cell in steps(notebook) if not only_draws(cell)]


def shows_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def ticks(cell):
    """How many ticks a reader sees under a cell before unfolding anything."""
    seen = printed(cell)
    for output in cell.outputs:
        data = output.get("data", {})
        page = REPEATED.sub("", FOLDED.sub(r"\1", data.get("text/html", "")))
        seen += page or data.get("text/plain", "")
    return seen.count("✓")


def runs(notebook):
    """Lines of code and the last cell of each stretch without prose; setup does not count."""
    stretch, found = [], []
    for cell in [*notebook.cells, nbformat.v4.new_markdown_cell()]:
        if cell.cell_type == "code":
            stretch.append(cell)
        else:
            counted = [lines(one) for one in stretch if kinds.kind(one) not in SILENT]
            if stretch:
                found.append((sum(counted), stretch[-1]))
            stretch = []
    return found


def windows(notebook):
    """Each three cells in a row that work or draw, and whether none of them shows anything."""
    cells = steps(notebook)
    three = list(zip(cells, cells[1:], cells[2:], strict=False))
    return [(last, not any(cell.outputs for cell in (*before, last))) for *before, last in three]


def words(notebook):
    return sum(len(source.split()) for source in markdown(notebook))


def kilobytes(notebook):
    return len(nbformat.writes(notebook).encode()) / 1000


def least_above(values, share):
    """The smallest of the values that at least this share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


# ---- The rules -----------------------------------------------------------------------


def number_of_cells(notebook):
    return between(CELLS[0], len(notebook.cells), CELLS[1], "cells")


def number_of_words(notebook):
    return between(WORDS[0], words(notebook), WORDS[1], "words of text")


def number_of_figures(notebook):
    return between(FIGURES[0], len(figures(notebook)), FIGURES[1], "figures")


def size(notebook):
    return between(0, kilobytes(notebook), KILOBYTES, "kB")


def short_working_cells(notebook):
    """Half of them have at most 6 lines, nine in ten at most 12, and none more than 15."""
    cells = working(notebook)
    counts = [lines(cell) for cell in cells] or [0]
    complaints = [
        *between(0, statistics.median(counts), MEDIAN, "lines in the median working cell"),
        *between(0, least_above(counts, 0.9), MOST, "lines in nine of ten working cells"),
    ]
    return complaints + [
        f"{called(cell)} has {lines(cell)} lines, at most {LONGEST}"
        for cell in cells
        if lines(cell) > LONGEST
    ]


def short_runs(notebook):
    return [
        f"{count} lines of code in a row without prose, the last in {called(cell)}, at most {RUN}"
        for count, cell in runs(notebook)
        if count > RUN
    ]


def few_ticks(notebook):
    return [
        f"{called(cell)} shows {ticks(cell)} ticks at once, at most {TICKS}"
        for cell in code_cells(notebook)
        if ticks(cell) > TICKS
    ]


def something_to_see(notebook):
    return [
        f"neither {called(cell)} nor the two before it show anything"
        for cell, blind in windows(notebook)
        if blind
    ]


def figures_are_read(notebook):
    """What a figure shows is said right after it, and held to claims only then."""
    complaints = []
    for cell, following in pairwise([*notebook.cells, nbformat.v4.new_code_cell()]):
        if cell.cell_type == "code" and shows_figure(cell):
            if following.cell_type != "markdown":
                complaints.append(f"no text right after the figure of {called(cell)}")
            if "claims." in cell.source:
                complaints.append(f"{called(cell)} draws and claims; claims come after the reading")
    return complaints


def exercises_say_how_long(notebook):
    """Below its heading each says how long it takes, as its points have it, and how hard it is."""
    complaints = []
    for heading in re.findall(r"^### Exercise.*\n*.*", "\n".join(markdown(notebook)), re.MULTILINE):
        found = EXERCISE.fullmatch(heading)
        if not found:
            complaints.append(f"an exercise begins otherwise than it should: {heading!r}")
        elif found[1] and int(found[2]) != times.exercise(int(found[1])):
            due = times.exercise(int(found[1]))
            complaints.append(f"{found[1]} points take {due} minutes: {heading!r}")
    return complaints


def no_walrus_in_comprehensions(notebook):
    return [
        f"a walrus in a comprehension: {ast.unparse(node)}"
        for node in trees(notebook)
        if isinstance(node, COMPREHENSIONS)
        and any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))
    ]


def no_chained_unpacking(notebook):
    return [
        f"several targets, one of them unpacked: {ast.unparse(node)}"
        for node in trees(notebook)
        if isinstance(node, ast.Assign)
        and len(node.targets) > 1
        and any(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
    ]


def no_values_by_position(notebook):
    """Values of a dictionary are taken by their names."""
    return [
        f"values unpacked by their position: {ast.unparse(node)}"
        for node in trees(notebook)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
        and _runs_over_values(node.value)
    ]


def telling_loop_variables(notebook):
    """A variable of a loop has a name, unless it only counts."""
    return [
        f"a loop variable of one letter, {name.id}: for ... in {ast.unparse(node.iter)}"
        for node in trees(notebook)
        if isinstance(node, ast.For | ast.comprehension) and not _counts(node.iter)
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name) and len(name.id) == 1 and name.id != "_"
    ]


def no_axes_by_position(notebook):
    """What has three or more dimensions is a table with named columns."""
    return [
        f"an array of {count} dimensions without names: {ast.unparse(node)}"
        for node in trees(notebook)
        if isinstance(node, ast.Call) and (count := _dimensions(node)) >= 3
    ]


def no_zip_with_literals(notebook):
    """Expected values stand beside the name of what they belong to."""
    return [
        f"values matched by their position: {ast.unparse(node)}"
        for node in trees(notebook)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "zip"
        and any(isinstance(argument, ast.Tuple | ast.List) for argument in node.args)
    ]


RULES = [
    number_of_cells,
    number_of_words,
    number_of_figures,
    size,
    short_working_cells,
    short_runs,
    few_ticks,
    something_to_see,
    figures_are_read,
    exercises_say_how_long,
    no_walrus_in_comprehensions,
    no_chained_unpacking,
    no_values_by_position,
    telling_loop_variables,
    no_axes_by_position,
    no_zip_with_literals,
]


def called(cell):
    """How a complaint speaks of a code cell: by its number, as on the screen, and its start."""
    return f"cell [{cell.execution_count}] ({cell.source.strip().split(chr(10))[0][:40]})"


def _runs_over_values(node):
    """Whether an expression is `x.values()`, a list of that, or a comprehension over it."""
    if isinstance(node, COMPREHENSIONS):
        return any(_runs_over_values(part.iter) for part in node.generators)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "values":
        return True
    return any(_runs_over_values(argument) for argument in node.args)


def _counts(iterated):
    """Whether a loop goes over a range, be it backwards or with a bar."""
    if not isinstance(iterated, ast.Call):
        return False
    name = ast.unparse(iterated.func)
    if name in ("reversed", "train.each") and iterated.args:
        return _counts(iterated.args[0])
    return name == "range"


def _dimensions(node):
    """How many dimensions a call of reshape or view asks for; 0 for any other call."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("reshape", "view"):
        return 0
    sequences = [len(one.elts) for one in node.args if isinstance(one, ast.Tuple | ast.List)]
    if sequences:
        return max(sequences)
    return len(node.args) - (root(node.func) in ("np", "torch"))


# ---- The table -----------------------------------------------------------------------


COLUMNS = (
    *("lesson", "cells", "working", "median", "p90", "longest", "run", "ticks", "blind"),
    *("words", "figures", "kB"),
)
LIMITS = (
    *("*limits*", f"{CELLS[0]} to {CELLS[1]}", "", MEDIAN, MOST, LONGEST, RUN, TICKS, "0 %"),
    *(f"{WORDS[0]} to {WORDS[1]}", f"{FIGURES[0]} to {FIGURES[1]}", KILOBYTES),
)


def shape(notebook, name):
    """What the rules count in a lesson, in the order of the columns."""
    counts = [lines(cell) for cell in working(notebook)] or [0]
    blind = [none for _, none in windows(notebook)] or [False]
    return (
        name,
        len(notebook.cells),
        len(working(notebook)),
        f"{statistics.median(counts):g}",
        least_above(counts, 0.9),
        max(counts),
        max((count for count, _ in runs(notebook)), default=0),
        max(map(ticks, code_cells(notebook)), default=0),
        f"{100 * statistics.mean(blind):.0f} %",
        words(notebook),
        len(figures(notebook)),
        round(kilobytes(notebook)),
    )


def table(notebooks):
    """The shapes of lessons as lines of Markdown."""
    rows = [COLUMNS, ["---"] * len(COLUMNS)]
    rows += [shape(notebook, name) for name, notebook in notebooks.items()]
    return [f"| {' | '.join(map(str, row))} |" for row in [*rows, LIMITS]]


def complaints(notebook):
    """What all rules say of a lesson."""
    return [said for rule in RULES for said in rule(notebook)]


def main(names):
    """Print the table, and below it what the lessons that were named would have to change."""
    files = [Path(name) for name in names if Path(name).is_file()]
    others = [name for name in names if not Path(name).is_file()]
    paths = files + (lessons.paths(others) if others or not names else [])
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
    print(*table(notebooks), sep="\n")
    found = {name: complaints(notebook) for name, notebook in notebooks.items() if names}
    for name, said in found.items():
        print("", f"{name}: {text.count(len(said), 'complaint')}", "", sep="\n")
        print(*(f"* {one}" for one in said), sep="\n")
    return any(found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

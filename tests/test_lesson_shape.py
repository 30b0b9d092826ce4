import ast

import nbformat
import pytest

from helpers.lessons import kinds
from tests import lesson_shape
from tests.notebook_parts import code_cells

DRAW = 'ax = plots.curves(found, title="It falls")\nax.set_ylim(0, 1)\nplots.show(ax)'
FIGURE = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
GUESS = 'guess = None\nprediction = claims.predict("How much?", guess)'


def printed(words):
    return nbformat.v4.new_output("stream", text=words)


def page(html):
    return nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "✓ ✓ ✓ ✓ ✓"})


def good():
    """A lesson with nothing to complain about."""
    notebook = nbformat.v4.new_notebook()

    def say(source):
        notebook.cells.append(nbformat.v4.new_markdown_cell(source))

    def code(source, *tags, shown=()):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})
        cell.outputs = list(shown)
        cell.execution_count = len(code_cells(notebook)) + 1
        notebook.cells.append(cell)

    say("# 01 · Where does it go?")
    code("from helpers import claims\n" * 40, "setup")
    code("seed = 0\n" * 40, "parameters")
    for _ in range(9):
        say("word " * 90)
        code("x = measured(3)\nx", shown=[printed("2\n")])
        code(DRAW, shown=[FIGURE])
        say("**Reading the figure.** " + "word " * 90)
        code('claims.claim("it falls", x, below=3)', shown=[printed("✓ it falls: 2\n")])
    code(GUESS)
    code("y = x")
    code("prediction.compare(y)", shown=[printed("Measured: 0.37.\n")])
    say("So far.\n\n### Exercise 1.1 - f (5 points)\n\n*About 14 minutes, hard.*\n\nWrite `f`.")
    code('def f():\n    """Return 1."""\n    raise NotImplementedError' + "  #\n" * 20, "exercise")
    code("exercises.check(f)", "check")
    say("## Summary")
    code(kinds.PROGRESS)
    return notebook


def test_a_good_lesson_is_left_alone():
    assert lesson_shape.complaints(good()) == []


def coding(source, *shown):
    """A change of the first working cell."""
    change = {"source": source, "outputs": list(shown) or [printed("2\n")]}
    return lambda nb: code_cells(nb)[2].update(change)


def everywhere(kind, **change):
    """A change of every cell of a kind."""

    def damage(nb):
        for cell in nb.cells:
            if kinds.kind(cell) == kind:
                cell.update(change)

    return damage


def changing(old, new):
    """A change of the words of an exercise."""

    def damage(nb):
        (cell,) = (cell for cell in nb.cells if cell.cell_type == "markdown" and old in cell.source)
        cell.source = cell.source.replace(old, new)

    return damage


def without(place):
    return lambda nb: nb.cells.pop(place)


LINES = "x = 1\n"
RULES = lesson_shape
BAD = [
    (RULES.number_of_cells, lambda nb: nb.cells.__delitem__(slice(3, 20))),
    (RULES.number_of_cells, lambda nb: nb.cells.extend([nbformat.v4.new_markdown_cell("x")] * 60)),
    (RULES.number_of_words, everywhere("prose", source="few")),
    (RULES.number_of_words, lambda nb: nb.cells[3].update(source="word " * 2400)),
    (RULES.number_of_figures, lambda nb: [cell.update(outputs=[]) for cell in code_cells(nb)[8:]]),
    (RULES.number_of_figures, lambda nb: code_cells(nb)[3].outputs.append(FIGURE)),
    (RULES.size, lambda nb: code_cells(nb)[3].outputs.append(printed("x" * 1_500_000))),
    (RULES.short_working_cells, everywhere("work", source=LINES * 7)),
    (
        RULES.short_working_cells,
        lambda nb: [code_cells(nb)[place].update(source=LINES * 13) for place in (2, 5, 8)],
    ),
    (RULES.short_working_cells, coding(LINES * 16)),
    (RULES.short_runs, lambda nb: nb.cells.insert(4, nbformat.v4.new_code_cell(LINES * 22))),
    (RULES.short_runs, lambda nb: nb.cells.insert(-4, nbformat.v4.new_code_cell(LINES * 23))),
    (RULES.few_ticks, coding("claims.claim(x)", printed("✓ a: 1\n" * 5))),
    (RULES.few_ticks, coding("claims.claim(x)", page("<details open>✓ ✓ ✓ ✓ ✓</details>"))),
    (RULES.few_ticks, coding("claims.claim(x)", page(""))),
    (RULES.few_ticks, coding("claims.claim(x)", *[printed("✓ a: 1\n")] * 5)),
    (RULES.something_to_see, lambda nb: [cell.update(outputs=[]) for cell in code_cells(nb)[2:5]]),
    (RULES.figures_are_read, without(6)),
    (RULES.figures_are_read, coding("plots.show(ax)\nclaims.claim('x', x, below=1)", FIGURE)),
    (RULES.exercises_say_how_long, changing("14 minutes, hard", "13 minutes, hard")),
    (RULES.exercises_say_how_long, changing("14 minutes, hard", "14 minutes, tricky")),
    (RULES.exercises_say_how_long, changing("*About 14 minutes, hard.*\n\n", "")),
    (RULES.exercises_say_how_long, changing(" (5 points)", "")),
    (RULES.exercises_say_how_long, changing("(5 points)", "(5 marks)")),
    (RULES.no_walrus_in_comprehensions, coding("x = [y for z in range(3) if (y := f(z)) > 1]")),
    (RULES.no_walrus_in_comprehensions, coding("x = {1: (y := z) for z in range(3)}")),
    (RULES.no_chained_unpacking, coding("first, _, last = net = f()")),
    (RULES.no_chained_unpacking, coding("net = [first, last] = f()")),
    (RULES.no_values_by_position, coding("weight, slope = took.values()")),
    (RULES.no_values_by_position, coding("weight, slope = list(took.values())")),
    (RULES.no_values_by_position, coding("one, two = (mean(x) for x in took['a'].values())")),
    (RULES.telling_loop_variables, coding("for g in gains:\n    f(g)")),
    (RULES.telling_loop_variables, coding("x = [f(k, v) for k, v in found.items()]")),
    (RULES.telling_loop_variables, coding("x = [row for k, row in enumerate(range(3))]")),
    (RULES.telling_loop_variables, coding("x = [s for s in train.each(settings)]")),
    (RULES.no_axes_by_position, coding("lost = lost.reshape(3, 2, 3)")),
    (RULES.no_axes_by_position, coding("lost = lost.view((3, 2, 3))")),
    (RULES.no_axes_by_position, coding("lost = np.reshape(lost, [3, 2, 3])")),
    (RULES.no_zip_with_literals, coding("for name, low in zip(flows, (1, 2)):\n    f(name)")),
    (RULES.no_zip_with_literals, coding("x = dict(zip(['a', 'b'], found, strict=True))")),
]


@pytest.mark.parametrize(("rule", "damage"), BAD)
def test_each_rule_sees_a_bad_lesson(rule, damage):
    notebook = good()
    assert rule(notebook) == []
    damage(notebook)
    assert rule(notebook)


def test_no_rule_is_left_without_a_bad_lesson():
    assert {rule for rule, _ in BAD} == set(lesson_shape.RULES)


@pytest.mark.parametrize(
    "damage",
    [
        coding(LINES * 15),
        changing("(5 points)\n\n*About 14 minutes", "(open)\n\n*About 9 minutes"),
        changing("(5 points)\n\n*About 14 minutes", "(1 point)\n\n*About 3 minutes"),
        coding("claims.claim(x)", page("<details><summary>✓ 9 hold</summary>✓✓✓✓✓✓✓✓✓</details>")),
        coding("claims.claim(x)", page("<details open><summary>✓ 4</summary>✓✓✓✓</details>")),
        coding("if (y := f(x)) > 1:\n    x = [z + y for z in range(3)]"),
        coding("first = last = f()\nfirst, last = f()"),
        coding("total = sum(took.values())\na, b = took['a'], took['b']"),
        coding("for i in range(3):\n    f(i)"),
        coding("x = [f(_) for _ in train.each(range(3)) for y in reversed(range(2))]"),
        coding("x = x.view(3, -1)\nx = torch.reshape(x, (3, 4))\nx = np.reshape(x, (3, 4))"),
        coding("for name, flow in zip(names, found, strict=True):\n    f(name, flow)"),
    ],
)
def test_what_only_looks_bad_is_left_alone(damage):
    notebook = good()
    damage(notebook)
    assert lesson_shape.complaints(notebook) == []


@pytest.mark.parametrize(
    ("source", "draws"),
    [
        (DRAW, True),
        ("_, (left, right) = plots.panels(2)\nleft.plot(x)\nplots.show(left)", True),
        ("axes[0].figure.suptitle('Why')", False),
        ("plots.show(axes[0])\naxes[0].figure.suptitle('Why')", True),
        ("ax = plots.curves(probe.record(net))", False),
        ("ax = plots.curves(found.mean())", False),
        ("x = 1", False),
        ("claims.claim('x', x, below=2)", False),
    ],
)
def test_a_cell_that_only_draws_is_told_from_one_that_works(source, draws):
    assert lesson_shape.only_draws(nbformat.v4.new_code_cell(source)) == draws


@pytest.mark.parametrize(
    ("node", "name"), [("a.b[0].c(1).d", "a"), ("(a + b).c", ""), ("'x'.join(a)", ""), ("f", "f")]
)
def test_the_root_of_an_expression(node, name):
    assert lesson_shape.root(ast.parse(node, mode="eval").body) == name


def test_the_table_has_a_line_a_lesson_and_the_limits():
    head, rule, row, limits = lesson_shape.table({"01_theory": good()})
    assert {line.count("|") for line in (head, rule, row, limits)} == {
        len(lesson_shape.COLUMNS) + 1
    }
    cells = dict(zip(lesson_shape.COLUMNS, row.strip("| ").split(" | "), strict=True))
    assert cells == {
        "lesson": "01_theory",
        "cells": "56",
        "working": "20",
        "median": "1",
        "p90": "2",
        "longest": "2",
        "run": "23",
        "ticks": "1",
        "blind": "0 %",
        "words": "1671",
        "figures": "9",
        "kB": "23",
    }


def test_the_program_prints_the_table_and_what_to_change(tmp_path, capsys):
    path = tmp_path / "01_own.ipynb"
    nbformat.write(good(), path)
    assert not lesson_shape.main([str(path)])
    assert "| 01_own | 56 |" in capsys.readouterr().out
    damaged = good()
    coding("for g in gains:\n    f(g)")(damaged)
    nbformat.write(damaged, path)
    assert lesson_shape.main([str(path)])
    assert "01_own: 1 complaint\n\n* a loop variable of one letter" in capsys.readouterr().out

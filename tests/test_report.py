"""The page of a sweep says what the runs said, whatever they said."""

import base64
import itertools
import math
import re
import statistics
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import plots
from helpers.sweeps import report

DEPTHS, NAMES, SEEDS = [5, 10, 20, 50], ["sigmoid", "tanh", "relu"], [0, 1, 2]


def sweep(grid, result, *, failed=lambda **_: "", missing=lambda **_: False, **fixed):
    """One row for each combination, as the runner of a sweep hands them over."""
    rows = []
    for values in itertools.product(*grid.values()):
        given = dict(zip(grid, values, strict=True))
        row = {**given, **fixed, "error": failed(**given), "seconds": 2.0}
        row["notebook"] = "/".join(["runs", *(f"{k}={v}" for k, v in given.items())]) + ".ipynb"
        row["status"] = "failed" if row["error"] else "finished"
        if missing(**given):
            row |= {"status": "missing", "seconds": math.nan, "notebook": ""}
        rows.append(row | (result(**given) if row["status"] == "finished" else {}))
    return pd.DataFrame(rows)


def accuracy(depth=10, activation="tanh", seed=0, **_):
    """Different numbers for all runs, far apart for the settings."""
    return {"test_accuracy": 0.9 - 0.01 * depth - 0.1 * NAMES.index(activation) + 0.001 * seed**2}


class Reader(HTMLParser):
    """Reads a page as a browser would: tags with attributes, tables, links, text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.links, self.text, self.inside = [], {}, {}, [], []
        self.feed(text)
        self.close()
        self.text = " ".join("".join(self.text).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag not in ("meta", "img", "br"):
            self.inside.append(tag)
        if tag == "table":
            self.rows = self.tables.setdefault(attributes["id"], [])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append({"text": "", **attributes})
        if tag == "a":
            self.links.setdefault(attributes["href"], "")
            self.link = attributes["href"]

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag  # every element is closed, in order

    def handle_data(self, data):
        if self.inside and self.inside[-1] in ("style", "script"):
            return
        self.text.append(data)
        if {"td", "th"} & set(self.inside):
            self.rows[-1][-1]["text"] += data
        if "a" in self.inside:
            self.links[self.link] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def column(self, table, name):
        """What a column is sorted by, as the script of the page reads it."""
        head, *rows = self.tables[table]
        place = [cell["text"] for cell in head].index(name)
        values = [row[place].get("data-v", row[place]["text"]) for row in rows]
        return [_key(value) for value in values]


def _key(value):
    try:
        return float(value.replace("Infinity", "inf"))
    except ValueError:
        return value


def read(runs, swept, results, **more):
    return Reader(report.page(runs, swept=swept, results=results, title="Title", **more))


@pytest.fixture
def drawn(monkeypatch):
    """Each drawing that the page asks for: its name, what it is given, its axes."""
    calls = []

    def spy(name):
        draw = getattr(plots, name)

        def record(*given, **more):
            calls.append((name, given[0], more, draw(*given, **more)))
            return calls[-1][-1]

        monkeypatch.setattr(plots, name, record)

    for name in ("curves", "heat_map", "bars", "distribution"):
        spy(name)
    return calls


# -- Which picture -----------------------------------------------------------------------

LONG = [0.5, 1.0, 1.5, 2.0, 2.5]
MANY = list("abcdefgh")


@pytest.mark.parametrize(
    ("grid", "kind", "x", "by"),
    [
        ({}, "seeds", "", ""),
        ({"seed": SEEDS}, "seeds", "", ""),
        ({"depth": [5], "seed": SEEDS}, "seeds", "", ""),
        ({"depth": DEPTHS}, "line", "depth", ""),
        ({"seed": SEEDS, "depth": DEPTHS}, "line", "depth", ""),
        ({"activation": NAMES, "seed": SEEDS}, "bars", "activation", ""),
        ({"skip": [True, False]}, "bars", "skip", ""),
        ({"clip": [None, 1.0, 5.0]}, "bars", "clip", ""),
        ({"clip": [1.0, math.inf]}, "bars", "clip", ""),
        ({"activation": NAMES, "depth": DEPTHS}, "lines", "depth", "activation"),
        ({"depth": [5, 50], "activation": NAMES}, "lines", "depth", "activation"),
        ({"depth": DEPTHS, "letter": MANY[:7]}, "lines", "depth", "letter"),
        ({"depth": DEPTHS, "letter": MANY}, "heat map", "depth", "letter"),
        ({"width": [32, 64], "depth": DEPTHS}, "lines", "depth", "width"),
        ({"width": [32, 64], "depth": [5, 50]}, "lines", "width", "depth"),
        ({"depth": DEPTHS, "gain": LONG}, "heat map", "gain", "depth"),
        ({"depth": DEPTHS, "gain": LONG[:4]}, "heat map", "depth", "gain"),
        ({"letter": list("abc"), "activation": NAMES}, "heat map", "letter", "activation"),
    ],
)
def test_the_picture_follows_the_shape_of_the_grid(grid, kind, x, by):
    assert report.chart_for(grid) == report.Chart(kind, x, by)


@pytest.mark.parametrize(
    ("grid", "chart"),
    [
        (
            {"depth": DEPTHS, "activation": NAMES, "width": [32, 64, 128]},
            report.Chart("lines", "depth", "activation", ("width",)),
        ),
        (
            {"depth": DEPTHS, "activation": NAMES, "skip": [True, False], "seed": SEEDS},
            report.Chart("lines", "depth", "skip", ("activation",)),
        ),
        (
            {"depth": DEPTHS, "gain": LONG, "width": [32, 64], "lr": [0.1, 1.0]},
            report.Chart("heat map", "gain", "depth", ("width", "lr")),
        ),
        (
            {"a": list("xyz"), "b": list("uv"), "c": list("rstq")},
            report.Chart("heat map", "a", "c", ("b",)),
        ),
        (  # 3 * 4 panels would be too many, 3 * 3 are not
            {"depth": LONG, "skip": [True, False], "activation": NAMES, "b": MANY[:4], "c": SEEDS},
            report.Chart("lines", "depth", "skip", ("activation", "c"), ("b",)),
        ),
        (
            {"depth": LONG, "skip": [True, False], "b": MANY, "c": LONG[:4]},
            report.Chart("lines", "depth", "skip", ("b",), ("c",)),
        ),
    ],
)
def test_further_axes_become_panels_as_far_as_nine_go(grid, chart):
    assert report.chart_for(grid) == chart
    axes = [name for name in (chart.x, chart.by, *chart.panels, *chart.averaged) if name]
    assert sorted(axes) == sorted(set(grid) - {"seed"})
    assert math.prod(len(grid[name]) for name in chart.panels) <= 9


# -- What is drawn -----------------------------------------------------------------------


def test_lines_are_means_over_the_seeds(drawn):
    grid = {"depth": DEPTHS[::-1], "activation": NAMES, "seed": SEEDS}
    page = read(sweep(grid, accuracy), list(grid), ["test_accuracy"])
    ((name, lines, more, ax),) = drawn
    assert name == "curves"
    assert more["x"] == DEPTHS  # rising, in whatever order they were given
    assert (more["xscale"], more["yscale"]) == ("log", "linear")
    assert (more["xlabel"], more["ylabel"]) == ("depth", "test_accuracy")
    assert list(lines) == NAMES
    for activation, means in lines.items():
        for depth, mean in zip(DEPTHS, means, strict=True):
            runs = [accuracy(depth, activation, seed)["test_accuracy"] for seed in SEEDS]
            assert mean == pytest.approx(sum(runs) / 3, rel=1e-12)
    spans = sorted(tuple(line.get_paths()[0].vertices[:, 1]) for line in ax.collections)
    expected = [
        [accuracy(depth, activation, seed)["test_accuracy"] for seed in (0, 2)]
        for depth in DEPTHS
        for activation in NAMES
    ]
    np.testing.assert_allclose(spans, sorted(expected), rtol=1e-12)  # from lowest to highest
    assert "Mean over seed" in page.text


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([5, 10, 20, 50], "log"),
        ([1e-4, 1e-3, 1e-2], "log"),
        ([10, 20, 30, 40, 50, 60], "linear"),
        ([0.5, 1.0, 1.5], "linear"),
        ([1, 100], "linear"),
        ([-1.0, 1.0, 100.0], "linear"),
    ],
)
def test_an_axis_is_logarithmic_where_its_values_are(drawn, values, scale):
    runs = sweep({"lr": values}, lambda lr: {"test_loss": 2.0 - 1e-3 * lr})
    read(runs, ["lr"], ["test_loss"])
    ((_, _, more, ax),) = drawn
    assert more["xscale"] == scale
    assert list(more["x"]) == values
    assert ax.get_xscale() == scale


def test_a_zero_before_a_geometric_row_gets_a_place_of_its_own(drawn):
    runs = sweep({"decay": [0, 1e-4, 1e-3, 1e-2]}, lambda decay: {"test_loss": 1 + decay})
    read(runs, ["decay"], ["test_loss"])
    ((_, _, more, ax),) = drawn
    assert (list(more["x"]), more["xscale"]) == ([0, 1, 2, 3], "linear")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1e-4", "1e-3", "0.01"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 50.0, 99.0], "linear"),
        ([1.0, 50.0, 101.0], "log"),
        ([0.0, 1.0, 101.0], "log"),  # a triangle on the edge
        ([-1.0, 1.0, 101.0], "linear"),
        ([1.0, 50.0, math.inf], "linear"),
        ([1.0, 1e-12, math.inf], "log"),
        ([0.0, 0.0, 0.0], "linear"),
    ],
)
def test_results_over_decades_get_a_logarithmic_axis(drawn, values, scale):
    runs = sweep({"depth": [1, 2, 3]}, lambda depth: {"norm": values[depth - 1]})
    page = read(runs, ["depth"], ["norm"])
    ((_, lines, more, ax),) = drawn
    assert (more["yscale"], ax.get_yscale()) == (scale, scale)
    assert list(lines["norm"]) == values
    tops = [line for line in ax.get_lines() if line.get_marker() == "^"]
    assert len(tops) == values.count(math.inf)
    edge = "Open triangles on the edge: "
    assert (edge + "infinite (1 point)" in page.text) == (math.inf in values)
    assert (edge + "exactly 0 (1 point)" in page.text) == (0.0 in values and scale == "log")


def test_a_map_marks_what_is_no_number(drawn):
    grid = {"depth": [1, 2, 3], "gain": [1, 2, 3]}

    def result(depth, gain):
        number = {(1, 1): 0.0, (2, 1): math.inf, (3, 1): math.nan}.get((depth, gain))
        return {"norm": 10.0 ** (depth * gain) if number is None else number}

    runs = sweep(
        grid,
        result,
        failed=lambda depth, gain: "E: no" if (depth, gain) == (1, 2) else "",
        missing=lambda depth, gain: (depth, gain) == (2, 2),
    )
    page = read(runs, list(grid), ["norm"])
    ((name, values, _, ax),) = drawn
    assert name == "heat_map"
    expected = [[-math.inf, math.inf, math.nan], [math.nan, math.nan, 6], [3, 6, 9]]
    np.testing.assert_allclose(values, expected)  # decades
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    rows = [["0", "∞", "?"], ["✗", "…", "1e6"], ["1000", "1e6", "1e9"]]
    assert texts == {(x, y): rows[y - 1][x - 1] for x in (1, 2, 3) for y in (1, 2, 3)}
    assert ax.collections[0].get_array().mask.tolist()[0] == [True] * 3  # grey, not dark
    for words in ("✗ failed (1 cell)", "… not yet run (1 cell)", "0 exactly 0 (1 cell)"):
        assert words in page.text
    assert "∞ infinite (1 cell)" in page.text
    assert "? finished without a number (1 cell)" in page.text


def test_a_map_of_names_reads_from_the_top_and_has_numbers_in_it(drawn):
    grid = {"activation": NAMES, "scheme": ["default", "xavier_uniform", "orthogonal"]}
    runs = sweep(grid, lambda activation, scheme: {"score": len(activation) + len(scheme) / 10})
    read(runs, list(grid), ["score"])
    ((_, values, more, ax),) = drawn
    assert (more["xlabel"], more["ylabel"]) == ("activation", "scheme")
    assert (more["x"], more["y"]) == (NAMES, grid["scheme"])
    assert values[1][0] == pytest.approx(7 + 1.4)
    low, high = ax.get_ylim()
    assert low > high  # the first name is the upper one
    assert {text.get_text() for text in ax.texts} >= {"7.7", "8.4", "8"}


def test_bars_say_which_of_them_failed(drawn):
    runs = sweep(
        {"activation": [*NAMES, "swish"], "seed": SEEDS},
        accuracy,
        failed=lambda activation, seed: "E: no" if activation == "swish" else "",
    )
    page = read(runs, ["activation", "seed"], ["test_accuracy"])
    ((name, values, _, ax),) = drawn
    assert name == "bars"
    assert values["tanh"] == pytest.approx(0.7 + 0.005 / 3)
    assert math.isnan(values["swish"])
    assert [text.get_text() for text in ax.texts] == ["0.8017", "0.7017", "0.6017", "✗"]
    assert len(ax.collections) == 3  # thin lines from lowest to highest
    assert "✗ failed (1 point)" in page.text


def test_bars_over_decades_are_points(drawn):
    runs = sweep({"activation": NAMES}, lambda activation: {"norm": 10.0 ** -len(activation)})
    read(runs, ["activation"], ["norm"])
    ((name, points, more, ax),) = drawn
    assert (name, more["yscale"]) == ("curves", "log")
    assert points == {"sigmoid": [1e-7], "tanh": [1e-4], "relu": [1e-4]}
    assert [label.get_text() for label in ax.get_xticklabels()] == NAMES


@pytest.mark.parametrize(
    ("count", "numbers", "name"),
    [
        (5, lambda seed: 1 + seed, "bars"),
        (12, lambda seed: 1 + seed, "bars"),
        (5, lambda seed: 10.0**-seed, "curves"),
        (40, lambda seed: 10.0**-seed, "distribution"),
    ],
)
def test_seeds_alone_are_bars_or_a_distribution(drawn, count, numbers, name):
    runs = sweep({"seed": list(range(count))}, lambda seed: {"norm": numbers(seed)})
    read(runs, ["seed"], ["norm"])
    assert [call[0] for call in drawn] == [name]


def test_many_seeds_near_each_other_are_a_plain_histogram(drawn):
    runs = sweep({"seed": list(range(40))}, lambda seed: {"norm": seed - 20})
    page = read(runs, ["seed"], ["norm"])
    assert drawn == []
    assert len(page.all("img")) == 1


def test_panels_share_their_axes_and_name_themselves(drawn):
    grid = {"depth": DEPTHS, "activation": NAMES, "width": [32, 64, 128, 256], "seed": SEEDS}
    read(sweep(grid, accuracy), list(grid), ["test_accuracy"])
    assert [call[0] for call in drawn] == ["curves"] * 4
    axes = [call[3] for call in drawn]
    assert [ax.get_title(loc="left") for ax in axes] == [f"width {w}" for w in grid["width"]]
    assert len({ax.get_ylim() for ax in axes}) == 1
    assert [ax.get_ylabel() for ax in axes] == ["test_accuracy", "", "", "test_accuracy"]
    assert [ax.get_xlabel() for ax in axes] == ["", "depth", "depth", "depth"]
    assert all(ax.get_legend() is None for ax in axes)
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == NAMES


def test_a_short_panel_does_not_decide_the_ticks_of_a_long_one(drawn):
    grid = {"depth": [1, 2, 4], "activation": NAMES, "width": [32, 64, 128]}

    def norm(depth, activation, width):
        return {"norm": 10.0 ** (-12 * (width == 64) * depth) * (1 + depth)}

    read(sweep(grid, norm), list(grid), ["norm"])
    for _, _, _, ax in drawn:
        low, high = ax.get_ylim()
        assert low < 1e-48 < 5 < high
        assert len([tick for tick in ax.get_yticks() if low <= tick <= high]) < 15


def test_panels_of_maps_share_their_colours(drawn):
    grid = {"depth": DEPTHS, "gain": LONG, "width": [32, 64]}
    runs = sweep(grid, lambda depth, gain, width: {"norm": depth * gain * width})
    read(runs, list(grid), ["norm"])
    assert [call[0] for call in drawn] == ["heat_map"] * 2
    limits = {call[3].collections[0].get_clim() for call in drawn}
    assert len(limits) == 1
    assert limits.pop() == (80, 8000)


def test_what_has_no_panel_is_averaged_and_the_page_says_so(drawn):
    grid = {"depth": [1, 2, 3, 4, 5], "skip": [True, False], "b": MANY, "c": [1, 2, 4, 9]}
    runs = sweep(grid, lambda depth, skip, b, c: {"norm": depth + c})
    page = read(runs, list(grid), ["norm"])
    assert len(drawn) == 8
    for _, lines, _, _ in drawn:
        assert list(lines) == ["skip True", "skip False"]
        for means in lines.values():
            assert means == pytest.approx([depth + 4 for depth in grid["depth"]])
    assert "Mean over c" in page.text
    assert "Panels for c as well would be more than 9." in page.text


def test_at_most_four_pictures_and_the_rest_is_named():
    names = ["one", "two", "word", "three", "four", "five", "six"]
    runs = sweep(
        {"depth": DEPTHS},
        lambda depth: {name: "fine" if name == "word" else depth for name in names},
    )
    page = read(runs, ["depth"], names)
    assert [picture["alt"].split(" ")[3] for picture in page.all("img")] == [
        "one", "two", "three", "four",
    ]  # fmt: skip
    assert "Not drawn, but in the tables: five and six." in page.text
    assert "No run recorded a number for word." in page.text
    assert page.column("runs", "word") == ["fine"] * 4


def test_a_column_without_a_number_keeps_its_place(drawn):
    runs = sweep({"depth": [1, 2, 3]}, lambda depth: {"score": depth if depth < 3 else math.nan})
    read(runs, ["depth"], ["score"])
    ((_, _, _, ax),) = drawn
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3"]
    high = ax.get_xlim()[1]
    assert 3 < high < 3.5


def test_pictures_are_png_with_words_for_those_who_cannot_see_them():
    runs = sweep({"depth": DEPTHS, "activation": NAMES}, accuracy)
    (picture,) = read(runs, ["depth", "activation"], ["test_accuracy"]).all("img")
    assert picture["alt"].startswith("Line plot of test_accuracy against depth, one line for each")
    assert "activation tanh: from 0.75 at depth 5 to 0.3 at depth 50" in picture["alt"]
    assert "Best test_accuracy: 0.85 at depth 5, activation sigmoid." in picture["alt"]
    kind, data = picture["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")


def test_the_callers_figures_and_settings_stay_as_they_are():
    figure = plt.figure()
    try:
        with mpl.rc_context({"font.size": 23, "axes.grid": False}):
            before = dict(mpl.rcParams)
            read(sweep({"depth": DEPTHS}, accuracy), ["depth"], ["test_accuracy"])
            assert dict(mpl.rcParams) == before
            assert plt.get_fignums() == [figure.number]
            assert plt.gcf() is figure
    finally:
        plt.close(figure)


# -- What is said ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("test_accuracy", ("Best", "Worst")),
        ("test_loss", ("Worst", "Best")),
        ("error rate", ("Worst", "Best")),
        ("first_layer_gradient", ("Highest", "Lowest")),
        ("lossless", ("Highest", "Lowest")),  # a word, not a part of one
    ],
)
def test_best_and_worst_and_their_runs(result, words):
    rng = np.random.default_rng(0)
    numbers = {key: rng.normal() for key in itertools.product(DEPTHS, NAMES, SEEDS)}
    runs = sweep(
        {"depth": DEPTHS, "activation": NAMES, "seed": SEEDS},
        lambda depth, activation, seed: {result: numbers[depth, activation, seed]},
    )
    page = read(runs.sample(frac=1, random_state=1), ["depth", "activation", "seed"], [result])
    means = {
        (depth, activation): statistics.fmean(numbers[depth, activation, seed] for seed in SEEDS)
        for depth, activation in itertools.product(DEPTHS, NAMES)
    }
    for word, choose in zip(words, (max, min), strict=True):
        depth, activation = choose(means, key=means.get)
        own = {seed: numbers[depth, activation, seed] for seed in SEEDS}
        seed = choose(own, key=own.get)
        sentence = (
            f"{word} {result}: {means[depth, activation]:.4g} at depth {depth}, "
            f"activation {activation} (mean of 3 seeds, {min(own.values()):.4g} to "
            f"{max(own.values()):.4g}). its {word.lower()} run, seed {seed}"
        )
        assert sentence in page.text
        link = f"runs/depth%3D{depth}/activation%3D{activation}/seed%3D{seed}.ipynb"
        assert page.links[link].startswith(f"its {word.lower()} run, seed {seed}")


def test_a_mean_decides_not_a_lucky_seed():
    table = {(1, 0): 0.1, (1, 1): 0.99, (2, 0): 0.7, (2, 1): 0.72, (3, 0): 0.5, (3, 1): 0.5}
    runs = sweep(
        {"depth": [1, 2, 3], "seed": [0, 1]}, lambda depth, seed: {"score": table[depth, seed]}
    )
    text = read(runs, ["depth", "seed"], ["score"]).text
    assert "Best score: 0.71 at depth 2 (mean of 2 seeds, 0.7 to 0.72)" in text
    assert "Worst score: 0.5 at depth 3 (the same for 2 seeds)" in text


def test_settings_that_are_as_good_are_counted():
    runs = sweep({"depth": DEPTHS}, lambda depth: {"score": min(depth, 20)})
    text = read(runs, ["depth"], ["score"]).text
    assert "Best score: 20 at depth 20 and 1 other setting." in text
    assert "Worst score: 5 at depth 5. " in text
    runs = sweep({"depth": DEPTHS}, lambda depth: {"score": 0.1})
    text = read(runs, ["depth"], ["score"]).text
    assert "score: 0.1 in each of the 4 settings." in text
    assert "Best" not in text


def test_the_first_sentence_counts_runs():
    grid = {"depth": DEPTHS, "activation": NAMES, "seed": SEEDS}
    runs = sweep(
        grid,
        accuracy,
        failed=lambda depth, activation, seed: "E: x" if (depth, seed) == (50, 1) else "",
        missing=lambda depth, activation, seed: (depth, activation) == (20, "relu"),
        width=128,
        norm="batch",
    )
    page = read(runs, list(grid), ["test_accuracy"], note="Two\nlines")
    assert (
        "36 runs over depth (4 values), activation (3 values) and seed (3 values): "
        "30 finished, 3 failed, 3 not yet run."
    ) in page.text
    assert "The same in all runs: width 128, norm batch." in page.text
    assert "It took 1 min of computing, 2 s per run." in page.text
    assert "Two lines" in page.text
    assert page.text.startswith("Title Title 36 runs over")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.123, "0.12 s"), (42.4, "42 s"), (60 * 7, "7 min"), (3600 * 5 + 130, "5 h 2 min")],
)
def test_times_are_told_in_the_unit_that_fits(seconds, words):
    runs = sweep({"depth": [5]}, accuracy).assign(seconds=seconds)
    assert f"It took {words} of computing." in read(runs, ["depth"], ["test_accuracy"]).text


# -- Tables ------------------------------------------------------------------------------


def test_averages_are_those_of_the_finished_runs():
    rng = np.random.default_rng(1)
    numbers = {key: rng.lognormal(0, 9) for key in itertools.product(DEPTHS, NAMES, SEEDS)}

    def failed(depth, activation, seed):
        return "E: x" if activation == "relu" and (depth == 50 or seed == 1) else ""

    grid = {"depth": DEPTHS, "activation": NAMES, "seed": SEEDS}
    runs = sweep(
        grid, lambda depth, activation, seed: {"n": numbers[depth, activation, seed]}, failed=failed
    )
    runs.loc[runs["status"] == "failed", "n"] = 1e9  # what a failed run left is not counted
    page = read(runs, list(grid), ["n"])
    columns = ("depth", "activation", "finished", "n, mean", "n, lowest", "n, highest")
    rows = list(zip(*(page.column("settings", name) for name in columns), strict=True))
    assert len(rows) == 12
    for depth, activation, finished, mean, low, high in rows:
        own = [numbers[depth, activation, s] for s in SEEDS if not failed(depth, activation, s)]
        assert finished == len(own)
        if own:
            assert mean == pytest.approx(math.fsum(own) / len(own), rel=1e-12)
            assert (low, high) == (min(own), max(own))  # all the digits
    assert rows[-1] == (50, "relu", 0, "", "", "")  # last, as it has no number
    assert page.tables["settings"][9][2]["text"] in ("2 of 3", "3 of 3")


def test_infinite_numbers_and_gaps_in_the_averages():
    table = {1: (1.0, 3.0), 2: (1.0, math.inf), 3: (math.nan, 4.0), 4: (math.nan, math.nan)}
    table[5] = (-math.inf, math.inf)
    runs = sweep(
        {"depth": list(table), "seed": [0, 1]},
        lambda depth, seed: {"test_loss": table[depth][seed]},
    )
    page = read(runs, ["depth", "seed"], ["test_loss"])
    assert page.column("settings", "test_loss, mean") == [2.0, math.inf, 4.0, "", ""]
    assert page.column("settings", "test_loss, highest") == [3.0, math.inf, 4.0, "", math.inf]
    texts = [row[3]["text"] for row in page.tables["runs"][1:]]
    assert len(texts) == 10
    assert "Best test_loss: 2 at depth 1 (mean of 2 seeds, 1 to 3)" in page.text
    assert "Worst test_loss: ∞ at depth 2 (mean of 2 seeds, 1 to ∞)" in page.text
    assert "1 mean counts fewer runs than planned." in page.text


def test_a_setting_with_one_number_says_so():
    runs = sweep(
        {"depth": [1, 2], "seed": SEEDS},
        lambda depth, seed: {"score": depth},
        failed=lambda depth, seed: "E: x" if depth == 1 and seed else "",
    )
    page = read(runs, ["depth", "seed"], ["score"])
    assert "Worst score: 1 at depth 1 (one of 3 seeds). its notebook" in page.text


def test_all_runs_with_all_their_digits_failed_ones_last():
    grid = {"depth": DEPTHS, "seed": SEEDS}
    runs = sweep(
        grid,
        lambda depth, seed: {"n": math.pi ** (depth - 30), "learns": depth < 20, "word": "a<b"},
        failed=lambda depth, seed: "E: x" if depth == 5 else "",
        missing=lambda depth, seed: depth == 10 and seed == 0,
    )
    page = read(runs, list(grid), ["n", "learns", "word"])
    status = page.column("runs", "status")
    assert status == ["finished"] * 8 + ["failed"] * 3 + ["not yet run"]
    depths = page.column("runs", "depth")
    assert depths == [10, 10, 20, 20, 20, 50, 50, 50, 5, 5, 5, 10]
    assert page.column("runs", "n") == [math.pi ** (d - 30) for d in depths[:8]] + [""] * 4
    assert page.column("runs", "learns") == [float(d < 20) for d in depths[:8]] + [""] * 4
    assert page.column("runs", "word") == ["a<b"] * 8 + [""] * 4
    assert page.column("runs", "seconds") == [2.0] * 11 + [""]
    (learns,) = {row[3]["text"] for row in page.tables["runs"][1:3]}
    assert learns == "True"


def test_every_column_can_be_sorted_with_the_keyboard():
    text = report.page(
        sweep({"depth": DEPTHS, "seed": SEEDS}, accuracy),
        swept=["depth", "seed"], results=["test_accuracy"], title="T",
    )  # fmt: skip
    page = Reader(text)
    assert set(page.tables) == {"settings", "runs"}
    heads = page.all("th")
    assert len(heads) == len(page.all("button")) == sum(len(t[0]) for t in page.tables.values())
    assert {(head["scope"], head["aria-sort"]) for head in heads} == {("col", "none")}
    assert {button["type"] for button in page.all("button")} == {"button"}
    assert 'addEventListener("click"' in text
    assert 'setAttribute("aria-sort"' in text
    for region in page.all("div"):
        assert region["tabindex"] == "0"  # can be scrolled with the keyboard


def test_each_run_is_linked_to_its_notebook():
    grid = {"depth": DEPTHS, "activation": NAMES}
    runs = sweep(grid, accuracy, missing=lambda depth, activation: depth == 20)
    page = read(runs, list(grid), ["test_accuracy"])
    expected = {notebook for notebook in runs["notebook"] if notebook}
    assert {unquote(link) for link in page.links} == expected
    assert len(expected) == 9


def test_no_table_of_averages_without_seeds():
    page = read(sweep({"depth": DEPTHS}, accuracy), ["depth"], ["test_accuracy"])
    assert set(page.tables) == {"runs"}


def test_a_parameter_that_varies_without_being_swept_is_a_column():
    runs = sweep({"depth": DEPTHS}, accuracy, width=8).assign(steps=[10, 20, 30, 40])
    page = read(runs, ["depth"], ["test_accuracy"])
    assert page.column("runs", "steps") == [10, 20, 30, 40]
    assert "The same in all runs: width 8." in page.text


def test_parameters_of_any_kind_keep_apart():
    grid = {"clip": [None, 0.1 + 0.2, 0.3, 1e-5, 12345678.0], "widths": [[64, 32], [128]]}
    runs = sweep(grid, lambda clip, widths: {"score": len(widths)})
    page = read(runs, list(grid), ["score"])
    labels = {row[0]["text"] for row in page.tables["runs"][1:]}
    assert labels == {"none", "0.30000000000000004", "0.3", "1e-5", "1.2345678e7"}
    assert {row[1]["text"] for row in page.tables["runs"][1:]} == {"[64, 32]", "[128]"}


# -- Failures and sweeps that came to nothing --------------------------------------------


def test_failures_are_grouped_by_what_they_say():
    def failed(depth, activation):
        if activation == "relu":
            return "RuntimeError: loss is nan"
        return "ValueError: too deep" if depth == 50 else ""

    grid = {"depth": DEPTHS, "activation": NAMES}
    runs = sweep(grid, accuracy, failed=failed)
    runs.loc[runs["activation"] == "sigmoid", "notebook"] = ""
    page = read(runs, list(grid), ["test_accuracy"])
    order = [page.text.index(f"{error}") for error in (
        "RuntimeError: loss is nan 4 runs", "ValueError: too deep 2 runs")]  # fmt: skip
    assert order == sorted(order)  # the most frequent first
    assert page.links["runs/depth%3D10/activation%3Drelu.ipynb"].endswith(
        "depth 10, activation relu"
    )
    assert "depth 50, activation sigmoid" in page.text[order[1] :]  # without a notebook, no link
    assert "" not in page.links
    assert page.links["#failures"] == "What failed"


def test_a_failure_without_a_word():
    runs = sweep({"depth": DEPTHS}, accuracy, failed=lambda depth: "x").assign(error=None)
    page = read(runs.assign(test_accuracy=math.nan), ["depth"], ["test_accuracy"])
    assert "No error was recorded. 4 runs" in page.text


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"failed": lambda depth, seed: "E: x"}, "Every run failed."),
        ({"missing": lambda depth, seed: True}, "No run has finished yet."),
        (
            {"failed": lambda depth, seed: "E: x", "missing": lambda depth, seed: seed == 0},
            "No run has finished yet.",
        ),
        ({}, "No finished run recorded a number."),
    ],
)
def test_a_sweep_that_came_to_nothing_still_has_a_page(how, words):
    runs = sweep({"depth": DEPTHS, "seed": SEEDS}, lambda depth, seed: {"word": "fine"}, **how)
    results = ["word"] if not how else []
    page = read(runs, ["depth", "seed"], results)
    assert words in page.text
    assert page.all("img") == []
    assert len(page.tables["runs"]) == 13
    assert set(page.tables) == {"runs"}


def test_one_run_needs_no_picture():
    page = read(sweep({"depth": [20]}, accuracy), [], ["test_accuracy"])
    assert "1 run: 1 finished, 0 failed, 0 not yet run." in page.text
    assert "test_accuracy: 0.6. its notebook" in page.text
    assert "The same in all runs: depth 20." in page.text
    assert page.all("img") == []


def test_one_finished_setting_is_neither_best_nor_worst():
    runs = sweep({"depth": DEPTHS}, accuracy, failed=lambda depth: "E: x" if depth > 5 else "")
    page = read(runs, ["depth"], ["test_accuracy"])
    assert "test_accuracy: 0.75 at depth 5, the only setting with a number. its note" in page.text
    assert "Best" not in page.text
    assert len(page.all("img")) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.123456, "0.1235"),
        (12345.0, "12345"),  # 12340 would look exact
        (123456.7, "123457"),
        (1234567.0, "1.235e6"),
        (-0.00001234567, "-1.235e-5"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers_are_short_but_whole_parts_are_not_cut(value, words):
    runs = sweep({"depth": [1, 2]}, lambda depth: {"n": value if depth == 1 else math.inf})
    page = read(runs, ["depth"], ["n"])
    assert [row[1]["text"] for row in page.tables["runs"][1:]] == [words, "∞"]
    assert page.column("runs", "n") == [value, math.inf]  # all the digits


# -- What may not happen -----------------------------------------------------------------

EVIL = "<script>alert('1')</script>\" onload=\"x() & $\\frac{$"


def test_nothing_from_the_runs_is_markup():
    grid = {EVIL: [EVIL, "_hidden", "a" * 80 + "1", "a" * 80 + "2"], "$x_{$": ["$", "<b>"]}
    runs = sweep(grid, lambda **_: {EVIL + "r": 0.5, "text": EVIL}, fixed=EVIL)
    runs.loc[2, ["status", "error"]] = ["failed", EVIL]
    runs.loc[3, "notebook"] = "javascript:alert(1)"
    runs[EVIL + "r"] = np.linspace(0.1, 0.8, 8)
    text = report.page(runs, swept=list(grid), results=[EVIL + "r", "text"], title=EVIL, note=EVIL)
    page = Reader(text)
    assert len(page.all("script")) == 1
    assert page.all("b") == []
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
    said = " ".join(EVIL.split())
    assert page.text.count(said) > 20  # shown as it is, in all these places
    assert "javascript%3Aalert%281%29" in page.links
    assert not [link for link in page.links if ":" in link]
    assert all(said in " ".join(image["alt"].split()) for image in page.all("img"))


def test_the_page_asks_for_nothing_outside_itself():
    grid = {"depth": DEPTHS, "activation": NAMES, "seed": SEEDS}
    text = report.page(
        sweep(grid, accuracy), swept=list(grid), results=["test_accuracy"], title="T"
    )
    page = Reader(text)
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert bare != text
    for word in ("http", "//cdn", "@import", "url(", "<link", "<iframe", "fetch("):
        assert word not in bare
    sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [link for link in page.links if link.startswith(("/", "file"))]


def test_three_thousand_runs_make_a_page_that_opens():
    grid = {"gain": list(np.linspace(0.1, 4, 40)), "depth": list(range(1, 26)), "seed": SEEDS}
    runs = sweep(grid, lambda gain, depth, seed: {"n": gain**depth, "m": gain * depth + seed / 7})
    text = report.page(runs, swept=list(grid), results=["n", "m"], title="T")
    assert len(runs) == 3000
    page = Reader(text)
    assert len(page.tables["runs"]) == 3001
    assert len(page.tables["settings"]) == 1001
    assert len(text) < 2e6


def test_numbers_that_no_axis_can_hold_break_nothing():
    numbers = [0.0, 1e-320, 5e-310, 1e-30, 1.0, 1e30, 1e307, 1.7e308, math.inf, math.nan, -1e308]
    for grid in (
        {"depth": DEPTHS, "seed": SEEDS},
        {"depth": DEPTHS, "gain": LONG},
        {"depth": DEPTHS, "gain": LONG[:2], "activation": NAMES},
        {"depth": DEPTHS, "gain": LONG, "width": [1, 2]},
        {"activation": NAMES, "seed": SEEDS},
        {"seed": list(range(11))},
        {"seed": list(range(33))},
    ):
        runs = sweep(grid, lambda **_: {})
        runs["all"] = np.resize(numbers, len(runs))
        runs["positive"] = np.resize(numbers[:-1], len(runs))
        runs["infinite"] = math.inf
        runs["one infinite"] = np.resize([math.inf, *[2.0] * 7], len(runs))
        page = read(runs, list(grid), list(runs.columns[-4:]))
        assert len(page.all("img")) == 3
        assert "Not drawn, but in the tables: infinite." in page.text


@pytest.mark.parametrize(
    ("change", "swept", "results", "error", "words"),
    [
        (lambda runs: runs.to_dict(), ["depth"], [], TypeError, "runs must be a pandas DataFrame"),
        (lambda runs: runs, "depth", [], TypeError, "swept must be a list of names"),
        (lambda runs: runs, ["depth"], "n", TypeError, "results must be a list of names"),
        (lambda runs: runs[:0], ["depth"], [], ValueError, "runs must have at least one row"),
        (lambda runs: runs, ["width"], [], ValueError, "runs must have a column 'width'"),
        (lambda runs: runs, ["depth"], ["loss"], ValueError, "runs must have a column 'loss'"),
        (lambda runs: runs.drop(columns="error"), ["depth"], [], ValueError, "a column 'error'"),
        (lambda runs: pd.concat([runs, runs[["seconds"]]], axis=1), ["depth"], [], ValueError,
         r"got twice: \['seconds'\]"),
        (lambda runs: runs.assign(status="done"), ["depth"], [], ValueError,
         "status must be one of finished, failed, missing, got 'done'"),
        (lambda runs: runs, [], [], ValueError, "swept must tell all runs apart"),
        (lambda runs: runs.assign(depth=7), ["depth"], [], ValueError,
         "got depth 7 more than once"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_a_sentence(change, swept, results, error, words):
    runs = change(sweep({"depth": DEPTHS}, accuracy))
    with pytest.raises(error, match=words):
        report.page(runs, swept=swept, results=results, title="T")


@pytest.mark.parametrize("module", ["helpers.plots", "helpers.sweeps.report"])
def test_pictures_and_pages_need_no_torch(module):
    """It takes seconds to import, and a page comes after the runs, which have it elsewhere."""
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

"""Figures show what they were given, and nothing that was not computed."""

import io
import math
import sys
from itertools import combinations, pairwise

import IPython.display
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.display import display
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import BarContainer
from matplotlib.transforms import Bbox
from PIL import Image

from helpers import data, plots, theory
from helpers.plots._looks import ACTIVATION_LOOKS, activation_in
from helpers.probe import Ledger, LedgerRow
from helpers.train import History


@pytest.fixture(autouse=True)
def _clean():
    mpl.use("agg")
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def lines(ax):
    """The lines that carry data, by label."""
    return {line.get_label(): line for line in ax.get_lines() if len(line.get_xdata())}


def words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def shaded(ax):
    """The shaded bands, from top to bottom of each."""
    return [patch.get_extents().transformed(ax.transData.inverted()) for patch in ax.patches]


FLOWS = "the gradient flows"
FIRST, SECOND = [1e-6, 3e-4, 0.02, 1.0], [0.5, 0.6, 0.7]


# -- The signature picture ---------------------------------------------------------------


def test_a_profile_draws_the_numbers_it_was_given():
    ax = plots.layer_profile({"sigmoid": FIRST, "tanh": np.array(SECOND)}, title="Point")
    drawn = lines(ax)
    assert set(drawn) == {"sigmoid", "tanh"}
    for label, values in (("sigmoid", FIRST), ("tanh", SECOND)):
        assert list(drawn[label].get_ydata()) == values
        assert list(drawn[label].get_xdata()) == list(range(1, len(values) + 1))
        assert drawn[label].get_linestyle() == "None"  # points: nothing between the layers
    assert drawn["sigmoid"].get_marker() != drawn["tanh"].get_marker()
    assert drawn["sigmoid"].get_color() != drawn["tanh"].get_color()
    assert ax.get_yscale() == "log"
    assert ax.get_xscale() == "linear"
    assert ax.get_title(loc="left") == "Point"
    assert "layer" in ax.get_xlabel()
    assert "delta" in ax.get_ylabel()
    assert words(ax) == ["sigmoid", "tanh"]
    low, high = ax.get_ylim()
    assert low < 1e-6
    assert high > 1.0


def test_theory_is_a_dashed_line_of_the_same_colour_over_the_points():
    ax = plots.layer_profile({"a": FIRST, "b": SECOND}, {"a": [2e-6, 4e-4, 0.03, 2.0]})
    (line,) = [
        line for line in ax.get_lines() if line.get_linestyle() == "--" and len(line.get_xdata())
    ]
    assert list(line.get_ydata()) == [2e-6, 4e-4, 0.03, 2.0]
    assert list(line.get_xdata()) == [1, 2, 3, 4]
    assert line.get_color() == lines(ax)["a"].get_color()
    assert line.get_zorder() > lines(ax)["a"].get_zorder()
    assert words(ax) == ["a", "b", "theory"]
    assert "theory" not in words(plots.layer_profile({"a": FIRST}))


def test_an_exact_zero_is_an_open_triangle_on_the_lower_edge():
    ax = plots.layer_profile({"a": [0.0, 0.0, 1e-3, 1.0], "b": SECOND})
    drawn = lines(ax)
    zeros = drawn["a: exactly 0"]
    assert list(zeros.get_xdata()) == [1, 2]
    assert list(zeros.get_ydata()) == [0, 0]
    assert zeros.get_marker() == "v"
    assert zeros.get_markerfacecolor() == "none"
    assert zeros.get_color() == drawn["a"].get_color()
    place = zeros.get_transform().transform([(1, 0.0)])[0]
    assert place == pytest.approx(ax.transData.transform([(1, ax.get_ylim()[0])])[0])
    assert not np.isfinite(drawn["a"].get_ydata()[:2]).any()  # and no point as well
    assert "b: exactly 0" not in drawn


def test_what_is_not_finite_is_left_out():
    ax = plots.layer_profile({"a": [math.nan, math.inf, 1e-3, 1.0]})
    assert set(lines(ax)) == {"a"}
    assert ax.get_ylim() == pytest.approx((1e-4, 10.0))


@pytest.mark.parametrize(
    ("values", "notes"),
    [
        ([1e-20, 1.0], []),
        ([1e-30, 1.0], ["float32: the square is 0, so a norm reads 0"]),
        (
            [1e-60, 1.0],
            ["float32: the square is 0, so a norm reads 0", "float32: the number itself is 0"],
        ),
        ([1e-60, 1e-55], ["float32: the number itself is 0"]),
    ],
)
def test_the_zone_of_float32_shows_only_where_the_data_reach_it(values, notes):
    ax = plots.layer_profile({"a": values})
    words = [text.get_text() for text in ax.texts]
    assert [text for text in words if text not in ("", FLOWS)] == notes
    assert len(shaded(ax)) == len(notes)
    bottom, top = ax.get_ylim()
    for band in shaded(ax):
        assert bottom * 0.99 <= band.y0 < band.y1 <= top * 1.01
    ax.figure.canvas.draw()
    for text in ax.texts:
        assert ax.get_window_extent().contains(*text.get_window_extent().get_points()[1])
    assert not shaded(plots.layer_profile({"a": values}, float32_zone=False))


def test_the_zone_begins_where_float32_gives_up():
    """The smallest number is 2^-149; a square rounds to 0 from 2^-75 downwards."""
    tiny = np.float32(2.0**-75)
    assert tiny * tiny == 0
    assert np.nextafter(tiny, np.float32(1)) ** 2 > 0
    square, number = shaded(plots.layer_profile({"a": [1e-60, 1.0]}))
    assert square.y1 == pytest.approx(2.0**-75, rel=1e-6, abs=0)
    assert square.y0 == pytest.approx(2.0**-149, rel=1e-6, abs=0)
    assert number.y1 == pytest.approx(2.0**-149, rel=1e-6, abs=0)


def test_a_second_profile_beside_or_on_the_first_leaves_it_in_sight():
    _, (left, right) = plots.panels(2)
    plots.layer_profile({"a": [1e-9, 1.0]}, ax=left)
    assert plots.layer_profile({"b": [1e-3, 50.0, 0.0]}, ax=right) is right
    for ax in (left, right):
        low, high = ax.get_ylim()
        assert low < 1e-9
        assert high > 50
        zeros = [line for line in ax.get_lines() if "exactly" in line.get_label()]
        assert len(zeros) == (ax is right)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (({"a": [0.0, 0.0]},), "measured must hold at least one positive number to draw"),
        (({},), "measured must hold at least one positive number to draw"),
        (
            ({"a": FIRST}, {"theory": FIRST}),
            "theory must have labels of what is drawn, got 'theory'",
        ),
    ],
)
def test_a_profile_refuses_nonsense_and_leaves_no_empty_figure(arguments, sentence):
    with pytest.raises(ValueError, match="must") as caught:
        plots.layer_profile(*arguments)
    assert str(caught.value) == sentence
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "values", [FIRST, [1e-25, 1e-9, 1.0], [1.0, 1.0, 1.0], [9e4, 30.0, 1.0], np.ones(100)]
)
@pytest.mark.parametrize("width", [7.6, 3.8])
def test_an_arrow_says_which_way_the_gradient_flows_and_hides_nothing(values, width):
    ax = plots.layer_profile({"a": values})
    ax.figure.set_size_inches(width, 4)
    ax.figure.canvas.draw()
    words, arrow = (text for text in ax.texts if "float32" not in text.get_text())
    assert words.get_text() == FLOWS
    assert arrow.arrowprops["arrowstyle"] == "->"
    assert arrow.xy[0] < arrow.xyann[0] < 0  # from the words to the left
    assert arrow.xycoords is arrow.anncoords is words
    box = Bbox.union([words.get_window_extent(), arrow.arrow_patch.get_window_extent()])
    assert ax.get_window_extent().contains(*box.min)
    assert ax.get_window_extent().contains(*box.max)
    points = ax.transData.transform(lines(ax)["a"].get_xydata())
    assert not any(box.padded(4).contains(*point) for point in points)
    assert not box.overlaps(ax.get_legend().get_window_extent())


def test_the_arrow_stays_clear_of_what_stands_in_another_panel():
    _, (left, right) = plots.panels(2)
    plots.layer_profile({"a": [1.0, 2.0]}, ax=left)
    plots.layer_profile({"a": [1e-25, 1.0]}, ax=right)
    left.figure.canvas.draw()
    for ax in (left, right):
        words = next(text for text in ax.texts if text.get_text() == FLOWS)
        bottom = words.get_window_extent().y0
        assert (ax.transData.transform(lines(ax)["a"].get_xydata())[:, 1] < bottom).all()


def test_there_is_no_layer_0_on_the_axis():
    ticks = tick_names(plots.layer_profile({"a": np.ones(50)}).xaxis)
    assert ticks == ["10", "20", "30", "40", "50"]


# -- Training ----------------------------------------------------------------------------


def history(*losses):
    return History(np.array(losses, dtype=float), 0.5, 0.5)


def test_training_curves_are_the_losses():
    runs = {"slow": history(2.3, 2.2, 2.1), "fast": history(2.4, 1.0)}
    ax = plots.training_curves(runs, chance=2.302, title="Point")
    drawn = lines(ax)
    for label, run in runs.items():
        assert list(drawn[label].get_ydata()) == list(run.losses)
        assert list(drawn[label].get_xdata()) == list(range(len(run.losses)))
    assert set(drawn["guessing"].get_ydata()) == {2.302}
    assert words(ax) == ["slow", "fast", "guessing"]
    assert "step" in ax.get_xlabel()
    assert "loss" in ax.get_ylabel()
    assert ax.get_title(loc="left") == "Point"
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] < 3  # as close as the data allow
    assert set(lines(plots.training_curves(runs))) == {"slow", "fast"}


def test_a_run_that_explodes_leaves_the_others_legible():
    runs = {"dies": history(2.3, 9e3, 4e17, math.nan), "learns": history(2.4, 1.0, 0.2, 0.1)}
    ax = plots.training_curves(runs)
    assert list(lines(ax)["dies"].get_ydata()[:3]) == [2.3, 9e3, 4e17]
    assert ax.get_ylim() == pytest.approx((0, 9.2))


def test_curves_without_a_step_or_without_a_number_do_not_fail():
    ax = plots.training_curves({"none": history(), "nan": history(math.nan)})
    assert words(ax) == ["none", "nan"]
    assert ax.get_ylim()[0] == 0


# -- Distributions -----------------------------------------------------------------------


def test_a_distribution_counts_every_number_once():
    values = {"sigmoid": [1.0, 1.1, 1.2, 5.0], "relu": [30.0]}
    ax = plots.distribution(values, {"sigmoid": 1.15}, xlabel="norm", title="Point")
    assert words(ax) == ["sigmoid, 4 seeds", "published: 1.150000", "relu, 1 seed"]
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "norm"
    assert "seeds" in ax.get_ylabel()
    first, second = ax.containers
    assert sum(bar.get_height() for bar in first) == 4
    assert sum(bar.get_height() for bar in second) == 1
    for numbers, bars in zip(values.values(), ax.containers, strict=True):
        for number in numbers:
            assert any(
                bar.get_height() and bar.get_x() <= number <= bar.get_x() + bar.get_width()
                for bar in bars
            )
    (line,) = ax.get_lines()
    assert list(line.get_xdata()) == [1.15, 1.15]


@pytest.mark.parametrize("bad", [[1.0, 0.0], [-1.0], [math.nan, 1.0], [math.inf], []])
def test_a_distribution_refuses_numbers_that_a_log_axis_cannot_show(bad):
    with pytest.raises(ValueError, match="must") as caught:
        plots.distribution({"good": [1.0], "bad": bad}, xlabel="norm")
    assert str(caught.value) == "values must be finite and positive numbers, not so for 'bad'"
    assert plt.get_fignums() == []


def test_a_published_number_needs_its_distribution():
    with pytest.raises(ValueError, match="published must have labels of what is drawn, got 'b'"):
        plots.distribution({"a": [1.0]}, {"b": 1.0}, xlabel="norm")


# -- Anything against anything -----------------------------------------------------------


def dashed(ax):
    return [
        line for line in ax.get_lines() if line.get_linestyle() == "--" and len(line.get_xdata())
    ]


def points(ax):
    """What is drawn as points, by label."""
    return {label: line for label, line in lines(ax).items() if line.get_marker() != "None"}


def drawn(line):
    return list(line.get_xdata()), list(line.get_ydata())


AXES = {"xlabel": "gain", "ylabel": "decades"}


def test_curves_draw_the_numbers_they_were_given():
    ax = plots.curves({"a": [3, 2, 1], "b": [1, 1, 5]}, x=[1, 2, 4], title="Point", **AXES)
    assert {label: drawn(line) for label, line in points(ax).items()} == {
        "a": ([1, 2, 4], [3, 2, 1]),
        "b": ([1, 2, 4], [1, 1, 5]),
    }
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("gain", "decades")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert ax.get_title(loc="left") == "Point"
    assert words(ax) == ["a", "b"]
    ax = plots.curves({"a": [3, 2]}, x=[1, 2], xscale="log", yscale="log", **AXES)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_each_label_may_have_its_own_x():
    ax = plots.curves({"a": [3, 2, 1], "b": [7]}, x={"b": [5], "a": [1, 2, 4]}, **AXES)
    assert drawn(points(ax)["a"]) == ([1, 2, 4], [3, 2, 1])
    assert drawn(points(ax)["b"]) == ([5], [7])


@pytest.mark.parametrize("pair", [([0, 9], [5, 6]), np.array([[0.0, 9.0], [5.0, 6.0]])])
def test_theory_has_the_x_of_its_points_or_brings_its_own(pair):
    ax = plots.curves({"a": [3, 2], "b": [4, 4]}, {"a": [3.1, 2.1], "b": pair}, x=[1, 2], **AXES)
    first, second = dashed(ax)
    assert drawn(first) == ([1, 2], [3.1, 2.1])
    assert drawn(second) == ([0, 9], [5, 6])
    assert first.get_color() == points(ax)["a"].get_color()
    assert second.get_color() == points(ax)["b"].get_color()
    assert first.get_zorder() > points(ax)["a"].get_zorder()
    assert words(ax) == ["a", "b", "theory"]


def thin(ax):
    """The lines that lead the eye."""
    return [line for line in ax.get_lines() if line.get_alpha() == 0.45]


def test_a_thin_line_leads_the_eye_where_there_is_an_order_and_no_theory():
    given = {"ordered": [3, 2, 1], "falling": [1, 2, 3], "scattered": [1, 2, 3], "known": [1, 2, 3]}
    x = {"ordered": [1, 2, 3], "falling": [3, 2, 1], "scattered": [1, 3, 2], "known": [1, 2, 3]}
    ax = plots.curves(given, {"known": [1, 2, 3]}, x=x, **AXES)
    colours = [line.get_color() for line in thin(ax)]
    assert colours == [points(ax)[label].get_color() for label in ("ordered", "falling")]
    assert words(ax) == ["ordered", "falling", "scattered", "known", "theory"]
    assert not thin(plots.curves({"twice": [1, 2]}, x=[1, 1], **AXES))


def test_more_than_sixty_points_become_a_line():
    x = np.arange(61)
    ax = plots.curves({"many": x}, x=x, **AXES)
    assert not points(ax)
    assert drawn(lines(ax)["many"]) == (list(x), list(x))
    assert set(points(plots.curves({"few": x[:60]}, x=x[:60], **AXES))) == {"few"}
    assert set(points(plots.curves({"cloud": x}, x=np.sin(x), **AXES))) == {"cloud"}


def test_what_cannot_be_drawn_is_a_gap_and_a_zero_on_a_log_axis_a_triangle():
    values = [1.0, math.nan, math.inf, 0.0, -2.0]
    ax = plots.curves({"a": values}, x=range(5), **AXES)
    np.testing.assert_array_equal(points(ax)["a"].get_ydata(), [1, np.nan, np.nan, 0, -2])
    ax = plots.curves({"a": values}, x=range(5), yscale="log", **AXES)
    np.testing.assert_array_equal(points(ax)["a"].get_ydata(), [1, *[np.nan] * 4])
    zero = points(ax)["a: exactly 0"]
    assert drawn(zero) == ([3], [0])
    place = zero.get_transform().transform([(3, 0.0)])[0]
    assert place == pytest.approx(ax.transData.transform([(3, ax.get_ylim()[0])])[0])


def tick_names(axis):
    axis.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [name.get_text() for place, name in ticks if low <= place <= high]


def test_a_short_log_axis_is_numbered_plainly_and_a_long_one_in_powers():
    depths = [2, 10, 100]
    ax = plots.curves({"a": [1, 1e-8, 1e-20]}, x=depths, xscale="log", yscale="log", **AXES)
    assert tick_names(ax.xaxis) == ["2", "5", "10", "20", "50", "100"]
    assert all("10^" in name for name in tick_names(ax.yaxis))


def test_whole_numbers_get_whole_ticks():
    ax = plots.curves({"a": [1.0, 2.0]}, x=[1, 2], **AXES)
    assert set(tick_names(ax.xaxis)) == {"1", "2"}


def test_ticks_may_be_words_and_are_in_sight_where_nothing_is_drawn():
    names = {1: "first", 2: "second", 4: "last"}
    ax = plots.curves({"a": [1.0, 2.0, math.nan]}, x=[1, 2, 4], ticks=names, **AXES)
    assert tick_names(ax.xaxis) == ["first", "second", "last"]
    assert list(ax.get_xticks()) == [1, 2, 4]
    assert not [label for label in ax.get_xticklabels() if label.get_rotation()]
    assert 4 < ax.get_xlim()[1] < 4.5
    assert ax.get_ylim()[0] > 0.9  # only x is made longer
    ax = plots.curves({"a": [1.0]}, x=[1], ticks={1: "one"}, slanted=True, **AXES)
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [30]


def test_curves_may_go_without_a_legend():
    assert plots.curves({"a": [1.0]}, x=[1], legend=False, **AXES).get_legend() is None


@pytest.mark.parametrize(
    ("arguments", "x", "sentence"),
    [
        (({"a": [1, 2]},), [1], "x must have one number for each value, got 1 for 2 of 'a'"),
        (({"a": [1]},), {"b": [1]}, "x must have an entry for each label, got none for 'a'"),
        (({"a": [1]}, {"b": [1]}), [1], "theory must have labels of what is drawn, got 'b'"),
        (
            ({"a": [1]}, {"a": ([1, 2], [1, 2, 3])}),
            [1],
            "x must have one number for each value, got 2 for 3 of 'a, theory'",
        ),
    ],
)
def test_curves_refuse_what_does_not_fit_and_leave_no_empty_figure(arguments, x, sentence):
    with pytest.raises(ValueError, match="must") as caught:
        plots.curves(*arguments, x=x, **AXES)
    assert str(caught.value) == sentence
    assert plt.get_fignums() == []


# -- The ledger --------------------------------------------------------------------------


def ledger(*decades, kinds=("weights", "activation")):
    rows = [LedgerRow(f"layer{i}", kinds[i % len(kinds)], value) for i, value in enumerate(decades)]
    return Ledger(tuple(rows))


def steps(ax):
    """The bars in order: start and end in decades."""
    found = [patch for container in ax.containers for patch in container]
    return [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in found]


def test_a_waterfall_goes_down_by_what_each_module_takes():
    ax = plots.waterfall(ledger(0.2, 0.6, -0.3, 0.4), title="Point")
    np.testing.assert_allclose(steps(ax), [(0, 0.2), (0.2, 0.8), (0.8, 0.5), (0.5, 0.9)])
    places = [patch.get_x() + patch.get_width() / 2 for row in ax.containers for patch in row]
    assert places == pytest.approx([0, 1, 2, 3])
    bottom, top = ax.get_ylim()
    assert bottom > 0.9 > 0 > top  # 0 is at the top
    assert ax.get_title(loc="left") == "Point"
    assert ax.get_ylabel() == "decades lost"
    assert ax.get_legend().get_title().get_text() == "0.9 decades lost"
    assert words(ax) == ["weights \N{MINUS SIGN}0.1", "activation 1.0"]
    written = [text.get_text() for text in ax.texts]
    assert written == ["0.20", "0.60", "\N{MINUS SIGN}0.30", "0.40"]
    assert tick_names(ax.xaxis) == ["layer0", "layer2"]  # the weight layers


def test_a_kind_has_one_colour_in_every_waterfall_and_in_bars():
    kinds = ("skip", "norm", "activation", "weights")
    ax = plots.waterfall(ledger(1, 1, 1, 1, kinds=kinds))
    first = [to_hex(row.patches[0].get_facecolor()) for row in ax.containers]
    assert len(set(first)) == 4
    ax = plots.waterfall(ledger(1, 1, kinds=("weights", "skip")))
    second = [to_hex(row.patches[0].get_facecolor()) for row in ax.containers]
    assert second == [first[3], first[0]]
    ax = plots.bars({"norm": {"a": 1.0}, "weights": {"a": 2.0}}, ylabel="decades")
    third = [to_hex(row.patches[0].get_facecolor()) for row in ax.containers]
    assert third == [first[1], first[3]]
    cycle = {colour.lower() for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"]}
    assert set(first) <= cycle  # shown fit for all eyes below


def test_a_waterfall_of_gains_goes_up():
    ax = plots.waterfall(ledger(-1.0, 0.2, -1.0))
    np.testing.assert_allclose(steps(ax), [(0, -1), (-1, -0.8), (-0.8, -1.8)])
    bottom, top = ax.get_ylim()
    assert bottom > 0 > -1.8 > top
    assert ax.get_ylabel() == "decades lost (minus: gained)"
    assert ax.get_legend().get_title().get_text() == "1.8 decades gained"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_gradient_that_ends_runs_off_the_picture(sign):
    ax = plots.waterfall(ledger(0.5, sign * math.inf))
    last = ax.containers[-1].patches[0]
    bottom, top = ax.get_ylim()
    assert last.get_y() == 0.5
    assert last.get_y() + last.get_height() == pytest.approx(bottom if sign > 0 else top)
    assert last.get_hatch()
    assert not ax.containers[0].patches[0].get_hatch()
    said = " ".join(text.get_text() for text in ax.texts)
    assert ("ends here: exactly 0" if sign > 0 else "overflows here") in said
    assert words(ax)[-1] == ("activation ∞" if sign > 0 else "activation \N{MINUS SIGN}∞")


@pytest.mark.parametrize("count", [1, 5, 14, 15, 58, 120])
def test_a_waterfall_is_legible_at_any_length(count):
    ax = plots.waterfall(ledger(*[0.3, 0.5] * (count // 2), *[0.2] * (count % 2)))
    figure = ax.figure
    figure.canvas.draw()
    assert len(ax.texts) == (count if count <= 14 else 0)
    names = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert 1 <= len(names) <= 12
    for one, other in combinations(names, 2):
        assert not one.overlaps(other) or ax.get_xticklabels()[0].get_rotation()
    legend = ax.get_legend().get_window_extent()
    boxes = [patch.get_window_extent() for row in ax.containers for patch in row]
    assert not any(legend.overlaps(box) for box in boxes if count > 1)
    for text in (*ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title):
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 + 1
        assert box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 <= box.y0 + 1


def test_the_legend_leaves_a_zigzag_in_sight():
    ax = plots.waterfall(ledger(*[0.9, -0.92] * 15, kinds=("norm", "skip")))
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    boxes = [patch.get_window_extent() for row in ax.containers for patch in row]
    assert not any(legend.overlaps(box) for box in boxes)


def test_waterfalls_side_by_side_share_their_axis():
    _, (left, right) = plots.panels(2)
    plots.waterfall(ledger(3.0, 4.0), ax=left)
    assert plots.waterfall(ledger(-2.0, 0.5), ax=right) is right
    assert left.get_ylim() == right.get_ylim()
    bottom, top = left.get_ylim()
    assert bottom > 7
    assert top < -2


@pytest.mark.parametrize(
    ("decades", "sentence"),
    [
        ((), "ledger must have at least one row; one weight layer alone loses nothing"),
        ((1.0, math.nan), "ledger must hold numbers, not so in row 'layer1'"),
    ],
)
def test_a_ledger_that_cannot_be_drawn_is_refused(decades, sentence):
    with pytest.raises(ValueError, match="ledger must") as caught:
        plots.waterfall(ledger(*decades))
    assert str(caught.value) == sentence
    assert plt.get_fignums() == []


# -- Maps --------------------------------------------------------------------------------

MAP = {"xlabel": "gain", "ylabel": "depth", "label": "accuracy"}


def mesh(ax):
    (found,) = ax.collections
    return found


def edges(ax):
    corners = mesh(ax).get_coordinates()  # (rows + 1, columns + 1, 2)
    return list(corners[0, :, 0]), list(corners[:, 0, 1])


def test_a_map_shows_each_value_in_its_cell():
    values = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    ax = plots.heat_map(values, x=[1, 2, 4], y=[10, 20], title="Point", **MAP)
    assert mesh(ax).get_array().tolist() == values
    columns, rows = edges(ax)
    assert columns == [0.5, 1.5, 3, 5]
    assert rows == [5, 15, 25]
    assert ax.get_xlim() == (0.5, 5)
    assert ax.get_ylim() == (5, 25)
    assert mesh(ax).get_clim() == (1, 6)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("gain", "depth")
    assert mesh(ax).colorbar.ax.get_ylabel() == "accuracy"
    assert mesh(ax).colorbar.extend == "neither"
    assert ax.get_title(loc="left") == "Point"
    assert tick_names(ax.yaxis) == ["10", "20"]
    assert not ax.texts
    assert ax.get_legend() is None


def test_cells_of_a_log_axis_meet_at_geometric_means():
    ax = plots.heat_map([[1.0, 2.0, 3.0]], x=[1, 4, 16], y=[5], xscale="log", **MAP)
    columns, rows = edges(ax)
    assert columns == pytest.approx([0.5, 2, 8, 32])
    assert rows == [4.5, 5.5]
    assert ax.get_xscale() == "log"
    assert ax.get_yscale() == "linear"
    assert tick_names(ax.xaxis) == ["1", "4", "16"]


def test_names_make_even_cells():
    ax = plots.heat_map([[1.0, 2.0]], x=["tanh", "relu"], y=[5], **MAP)
    assert edges(ax)[0] == [-0.5, 0.5, 1.5]
    assert tick_names(ax.xaxis) == ["tanh", "relu"]


def test_a_fine_or_crowded_grid_gets_fewer_ticks_than_cells():
    ax = plots.heat_map(np.zeros((40, 5)), x=[1, 2, 5, 10, 100], y=range(40), **MAP)
    assert len(tick_names(ax.yaxis)) < 12
    assert "5" not in tick_names(ax.xaxis)


def test_limits_may_be_fixed_and_the_bar_says_what_lies_beyond():
    def bar(**limits):
        ax = plots.heat_map([[0.0, 1.0]], x=[1, 2], y=[1], **limits, **MAP)
        assert mesh(ax).get_clim() == (limits.get("vmin", 0), limits.get("vmax", 1))
        return mesh(ax).colorbar.extend

    assert bar() == "neither"
    assert bar(vmin=-1, vmax=2) == "neither"
    assert bar(vmin=0.5) == "min"
    assert bar(vmax=0.5) == "max"
    assert bar(vmin=0.2, vmax=0.5) == "both"


def test_a_centre_is_white_and_the_ends_are_equally_far():
    ax = plots.heat_map([[-1.0, 0.0, 3.0]], x=[1, 2, 3], y=[1], centre=0, **MAP)
    assert mesh(ax).get_clim() == (-3, 3)
    colour = mesh(ax).cmap(mesh(ax).norm([-3.0, 0.0, 3.0]))[:, :3]
    assert colour[1].min() > 0.95
    assert colour[0][2] > colour[0][0]  # blue below
    assert colour[2][0] > colour[2][2]  # red above


def test_what_is_not_finite_is_grey_and_has_no_number():
    values = [[1.0, math.nan], [math.inf, -2.04]]
    ax = plots.heat_map(values, x=[1, 2], y=[1, 2], numbers=".1f", **MAP)
    assert mesh(ax).get_array().mask.tolist() == [[False, True], [True, False]]
    assert mesh(ax).get_clim() == (-2.04, 1)
    red, green, blue, _ = mesh(ax).cmap.get_bad()
    assert red == green == blue
    found = {text.get_text(): text for text in ax.texts}
    assert set(found) == {"1.0", "\N{MINUS SIGN}2.0"}
    assert found["1.0"].get_position() == (1, 1)
    assert found["1.0"].get_color() == "black"  # on yellow
    assert found["\N{MINUS SIGN}2.0"].get_color() == "white"  # on dark blue
    plots.heat_map([[math.nan]], x=[1], y=[1], **MAP)  # nothing at all to show


def test_a_map_may_be_given_its_texts_also_for_what_is_not_finite():
    values, texts = [[1.0, math.nan], [math.inf, 2.0]], [["one", "?"], ["∞", ""]]
    ax = plots.heat_map(values, x=[1, 2], y=[1, 2], numbers=texts, **MAP)
    found = {text.get_position(): (text.get_text(), text.get_color()) for text in ax.texts}
    assert found == {
        (1, 1): ("one", "white"),  # on dark blue
        (2, 1): ("?", "black"),  # on grey
        (1, 2): ("∞", "black"),
    }


def test_the_bar_of_decades_has_the_numbers_themselves():
    ax = plots.heat_map([[-3.0, 7.0]], x=[1, 2], y=[1], decades=True, **MAP)
    names = tick_names(mesh(ax).colorbar.ax.yaxis)
    assert {"0.01", "1", "100", "1e6"} <= set(names)
    assert len(names) <= 9


def test_one_bar_may_stand_beside_several_maps():
    _, both = plots.panels(2)
    left, right = both
    for ax, beside in ((left, both), (right, [])):
        plots.heat_map([[1.0, 2.0]], x=["a", "b"], y=[1], ax=ax, beside=beside, **MAP)
    assert mesh(left).colorbar.ax.get_ylabel() == "accuracy"
    assert mesh(right).colorbar is None
    left.figure.canvas.draw()
    assert mesh(left).colorbar.ax.get_window_extent().x0 > right.get_window_extent().x1


def test_equal_numbers_have_one_colour_with_and_without_a_bar():
    _, (left, right) = plots.panels(2)
    for ax, beside in ((left, [left, right]), (right, [])):
        plots.heat_map([[2.0, 2.0]], x=["a", "b"], y=[1], ax=ax, beside=beside, **MAP)
    left.figure.canvas.draw()
    assert mesh(left).get_facecolor().tolist() == mesh(right).get_facecolor().tolist()


def test_names_of_columns_may_be_written_at_a_slant():
    ax = plots.heat_map([[1.0, 2.0]], x=["a", "b"], y=["c"], slanted=True, **MAP)
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {30}
    assert {label.get_rotation() for label in ax.get_yticklabels()} == {0}


def test_lines_lie_over_the_map_and_end_with_it():
    theory = {"edge": ([0, 99], [1, 50]), "other": ([1, 2], [1, 2])}
    ax = plots.heat_map([[1.0, 2.0]], x=[1, 2], y=[1], lines=theory, **MAP)
    first, second = ax.get_lines()
    assert drawn(first) == ([0, 99], [1, 50])
    assert drawn(second) == ([1, 2], [1, 2])
    assert first.get_linestyle() == "--"
    assert second.get_linestyle() not in ("-", "--")
    assert first.get_clip_on()
    assert ax.get_xlim() == (0.5, 2.5)  # as without lines
    assert words(ax) == ["edge", "other"]
    ax.set_title("Point")
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.get_window_extent().y1  # hides no cell


@pytest.mark.parametrize(
    ("values", "more", "sentence"),
    [
        ([[1.0]], {}, "values must have shape (len(y), len(x)) = (1, 2), got (1, 1)"),
        ([1.0, 2.0], {}, "values must have shape (len(y), len(x)) = (1, 2), got (2,)"),
        ([[1.0, 2.0]], {"x": [2, 1]}, "x must rise, got [2, 1]"),
        ([[1.0, 2.0]], {"x": [2, 2]}, "x must rise, got [2, 2]"),
        ([[1.0, 2.0]], {"x": [0, 2], "xscale": "log"}, "x must rise from above 0, got [0, 2]"),
    ],
)
def test_a_map_refuses_what_does_not_fit(values, more, sentence):
    with pytest.raises(ValueError, match="must") as caught:
        plots.heat_map(values, **{"x": [1, 2], "y": [1], **MAP, **more})
    assert str(caught.value) == sentence
    assert plt.get_fignums() == []


# -- Bars --------------------------------------------------------------------------------


def test_bars_are_the_numbers_and_say_them():
    effects = {"activation": 12.25, "skip": -14.0, "norm": -0.004, "depth": math.inf}
    ax = plots.bars(effects, ylabel="decades", xlabel="factor", title="Point")
    (series,) = ax.containers
    assert [bar.get_height() for bar in series] == [12.25, -14.0, -0.004, 0]
    assert [bar.get_x() + bar.get_width() / 2 for bar in series] == pytest.approx([0, 1, 2, 3])
    written = [text.get_text() for text in ax.texts]
    assert written == ["12.2", "\N{MINUS SIGN}14.0", "0.0", "∞"]
    up, down, *_ = ax.texts
    assert up.get_verticalalignment() == "bottom"
    assert down.get_verticalalignment() == "top"
    assert tick_names(ax.xaxis) == list(effects)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("factor", "decades")
    assert ax.get_title(loc="left") == "Point"
    assert ax.get_legend() is None
    ax = plots.bars({"a": 0.123}, ylabel="share", numbers=".2f")
    assert [text.get_text() for text in ax.texts] == ["0.12"]


def test_bars_may_be_given_their_texts():
    ax = plots.bars({"a": 1.0, "b": math.nan}, numbers={"b": "✗", "a": "one"}, ylabel="y")
    assert [text.get_text() for text in ax.texts] == ["one", "✗"]
    series = {"s": {"a": 1.0, "b": 2.0}, "t": {"b": 3.0}}
    texts = {name: {key: f"{name}{key}" for key in entry} for name, entry in series.items()}
    ax = plots.bars(series, numbers=texts, ylabel="y")
    assert [text.get_text() for text in ax.texts] == ["sa", "sb", "tb"]


def test_series_stand_side_by_side_and_may_lack_a_category():
    ax = plots.bars({"10": {"a": 1.0, "b": 2.0}, "30": {"b": 3.0, "c": 4.0}}, ylabel="decades")
    first, second = (list(row) for row in ax.containers if isinstance(row, BarContainer))
    assert [bar.get_height() for bar in first] == [1, 2]
    assert [bar.get_height() for bar in second] == [3, 4]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in (*first, *second)]
    assert [round(middle) for middle in middles] == [0, 1, 1, 2]
    assert first[1].get_x() + first[1].get_width() <= second[0].get_x()
    assert first[0].get_facecolor() != second[0].get_facecolor()
    assert words(ax) == ["10", "30"]
    assert tick_names(ax.xaxis) == ["a", "b", "c"]


def test_names_and_numbers_of_bars_do_not_collide():
    factors = ["activation", "initialisation", "depth", "skip"]
    pairs = {" and ".join(pair): 5.0 - 3 * i for i, pair in enumerate(combinations(factors, 2))}
    for values in (dict.fromkeys(factors, 1.0), pairs, {"a": pairs, "b": pairs, "c": pairs}):
        ax = plots.bars(values, ylabel="decades")
        ax.figure.canvas.draw()
        names = ax.get_xticklabels()
        if not names[0].get_rotation():
            boxes = [name.get_window_extent() for name in names]
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        area = ax.get_window_extent()
        assert all(area.y0 <= box.y0 and box.y1 <= area.y1 + 2 for box in boxes)


def test_no_bar_at_all_is_refused():
    for nothing in ({}, {"a": {}}):
        with pytest.raises(ValueError, match="values must hold at least one number to draw"):
            plots.bars(nothing, ylabel="decades")
    assert plt.get_fignums() == []


# -- Panels ------------------------------------------------------------------------------


def test_panels_share_their_vertical_axis_unless_told_otherwise():
    _, (left, right) = plots.panels(2)
    left.set_ylim(3, 4)
    assert right.get_ylim() == (3, 4)
    figure, axes = plots.panels(3, share=False)
    axes[0].set_ylim(3, 4)
    assert axes[2].get_ylim() == (0, 1)
    assert figure is axes[0].figure


# -- Knobs -------------------------------------------------------------------------------

CHOICES = {
    "depth": (2, 50, 1, 30),
    "gain": (0.5, 1.5, 0.05),
    "name": ["tanh", "relu"],
    "flat_start": True,
}
CLEAR = "ipywidgets.widgets.interaction.clear_output"  # what interactive() calls


@pytest.fixture
def shown(monkeypatch):
    """Everything that is displayed."""
    found = []
    monkeypatch.setattr(IPython.display, "display", lambda *args, **kwargs: found.append(args[0]))
    return found


def test_where_nobody_looks_a_picture_is_drawn_once_and_nothing_else(monkeypatch, shown):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    seen = []
    assert plots.sliders(lambda **values: seen.append(values), **CHOICES) is None
    assert seen == [{"depth": 30, "gain": 0.5, "name": "tanh", "flat_start": True}]
    assert shown == []
    with pytest.raises(ZeroDivisionError):  # a lesson that fails must not be rendered
        plots.sliders(lambda depth: 1 / 0, depth=(1, 2, 1))


def test_a_still_picture_makes_no_widgets(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # importing it would fail
    plots.sliders(lambda depth: None, depth=(1, 2, 1))
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    with pytest.raises(ImportError):
        plots.sliders(lambda depth: None, depth=(1, 2, 1))


def test_in_a_live_notebook_every_move_draws_anew(monkeypatch, shown):
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    monkeypatch.setattr(CLEAR, lambda wait: seen.append("cleared" if wait else ""))
    seen = []
    plots.sliders(lambda **values: seen.append(values), **CHOICES)
    (box,) = shown
    depth, gain, name, flat, _, _ = box.children
    start = {"depth": 30, "gain": 0.5, "name": "tanh", "flat_start": True}
    assert seen == ["cleared", start]
    assert (depth.min, depth.max, depth.step, depth.value) == (2, 50, 1, 30)
    assert depth.layout.max_width == gain.layout.max_width == "100%"
    assert (gain.min, gain.max, gain.step, gain.value) == (0.5, 1.5, 0.05, 0.5)
    assert gain.readout_format == ".2f"
    assert list(name.options) == ["tanh", "relu"]
    assert [knob.description for knob in box.children[:4]] == [
        "depth",
        "gain",
        "name",
        "flat start",
    ]
    depth.value = 31
    gain.value = 0.5 + 0.05 + 0.05 + 0.05  # 0.6500000000000001
    name.value = "relu"
    flat.value = False
    assert seen[-1] == {"depth": 31, "gain": 0.65, "name": "relu", "flat_start": False}
    assert [what for what in seen if what == "cleared"] == ["cleared"] * 5
    assert len(seen) == 10


def test_a_menu_hands_on_its_numbers_as_they_are(monkeypatch, shown):
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    monkeypatch.setattr(CLEAR, lambda wait: None)
    seen = []
    plots.sliders(lambda gain: seen.append(gain), gain=[0.5, 1.25])
    gain, _, _ = shown[0].children
    gain.value = 1.25
    assert seen == [0.5, 1.25]


def test_a_slow_picture_waits_until_the_slider_is_let_go(monkeypatch, shown):
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    clock = iter([0.0, 0.9, 1.0, 1.9, 2.0, 2.1])
    monkeypatch.setattr("helpers.plots._explorers.time.perf_counter", lambda: next(clock))
    plots.sliders(lambda depth, name: None, depth=(1, 9, 1), name=["a", "b"])
    depth, name, _, _ = shown[0].children
    assert depth.continuous_update
    depth.value = 2
    assert not depth.continuous_update
    name.value = "b"
    assert depth.continuous_update


def test_a_mistake_in_a_live_picture_is_one_sentence_and_the_knobs_go_on(
    monkeypatch, shown, capsys
):
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    monkeypatch.setattr(CLEAR, lambda wait: None)

    def draw(depth):
        plt.figure()
        if depth == 3:
            raise ValueError("depth must not be 3\nand more")
        plt.close("all")
        sys.stdout.write(f"drawn {depth}\n")

    plots.sliders(draw, depth=(1, 5, 1))
    depth, _, _ = shown[0].children
    depth.value = 3
    depth.value = 4
    assert capsys.readouterr().out == "drawn 1\nValueError: depth must not be 3\ndrawn 4\n"
    assert plt.get_fignums() == []


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    "choice",
    [
        (1, 2),
        (2, 1, 1),
        (1, 2, 0),
        (1, 2, 1, 3),
        ("a", "b", "c"),
        [],
        "tanh",
        3,
        None,
        (math.nan, 2, 1),
    ],
)
def test_a_choice_of_another_form_is_refused(monkeypatch, live, choice):
    monkeypatch.setenv("JPY_SESSION_NAME", "x" * live)
    with pytest.raises(ValueError, match=r"depth must be \(low, high, step\)"):
        plots.sliders(lambda depth: None, depth=choice)
    with pytest.raises(ValueError, match="needs at least one choice"):
        plots.sliders(lambda: None)


def falling(depth):
    """A picture whose curve and title depend on a knob."""
    return plots.layer_profile({"a": [0.5**n for n in range(depth, 0, -1)]}, title=str(depth))


def test_a_still_picture_is_shown_if_its_axes_are_returned(monkeypatch, bundles):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    plots.sliders(falling, depth=(2, 30, 1, 10))
    ((data, _),) = bundles
    assert data["text/plain"] == "10"


@pytest.fixture
def explorer(monkeypatch, shown):
    """Knobs and the pictures they led to; the clock that they believe in."""
    pictures, clock = [], [100.0]
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    monkeypatch.setattr(CLEAR, lambda wait: None)
    monkeypatch.setattr("helpers.plots._explorers.show", pictures.append)
    monkeypatch.setattr("helpers.plots._explorers.time.perf_counter", lambda: clock[0])

    def start(draw, **choices):
        plots.sliders(draw, **choices)
        return shown[0].children, pictures, clock

    return start


def before(ax):
    """The grey curves, by length, each with its shade; the latest first."""
    grey = [line for line in ax.get_lines() if line.get_label() == "_before"]
    return {len(line.get_xdata()): line.get_color() for line in grey}


def test_the_last_three_curves_stay_in_grey_on_axes_that_do_not_move(explorer):
    (depth, _, _), pictures, clock = explorer(falling, depth=(2, 30, 1, 10))
    for value in (20, 5, 7, 12):
        clock[0] += 2
        depth.value = value
    assert [list(before(ax)) for ax in pictures] == [[], [10], [20, 10], [5, 20, 10], [7, 5, 20]]
    shades = list(before(pictures[-1]).values())
    assert shades == sorted(shades)  # the older, the paler
    first = pictures[0]
    for ax in pictures:
        assert (ax.get_xlim(), ax.get_ylim()) == (first.get_xlim(), first.get_ylim())
    newest = lines(pictures[-1])["a"]
    assert all(
        line.get_zorder() < newest.get_zorder()
        for line in pictures[-1].get_lines()
        if line.get_label() == "_before"
    )
    assert words(pictures[-1]) == ["a"]


def test_what_a_slider_only_passes_does_not_stay(explorer):
    (depth, _, _), pictures, clock = explorer(falling, depth=(2, 30, 1, 10))
    for value, pause in ((11, 2), (12, 0.1), (13, 0.1), (20, 2)):
        clock[0] += pause
        depth.value = value
    assert [list(before(ax)) for ax in pictures] == [[], [10], [10], [10], [13, 10]]


def test_reset_leads_back_to_the_start_in_one_step(explorer):
    seen = []
    choices = {"depth": (2, 30, 1, 10), "gain": (0.5, 2, 0.5, 1.0), "flat": False}
    knobs, _, _ = explorer(lambda **values: seen.append(values), **choices)
    depth, gain, flat, reset, _ = knobs
    assert reset.description == "Reset"
    depth.value, gain.value, flat.value = 30, 2.0, True
    assert seen[-1] == {"depth": 30, "gain": 2.0, "flat": True}
    count = len(seen)
    reset.click()
    assert seen[count:] == [{"depth": 10, "gain": 1.0, "flat": False}]
    assert (depth.value, gain.value, flat.value) == (10, 1.0, False)


def test_panels_keep_their_own_axes_and_curves(explorer):
    def draw(depth):
        _, axes = plots.panels(2, share=False)
        for n, ax in enumerate(axes, start=1):
            plots.layer_profile({"a": [0.5**n, *np.ones(depth - 1)]}, title=str(n), ax=ax)
        return axes[1]

    (depth, _, _), pictures, clock = explorer(draw, depth=(2, 30, 1, 10))
    clock[0] += 2
    depth.value = 30
    first, second = (ax.figure.axes for ax in pictures)
    for old, new in zip(first, second, strict=True):
        assert old.get_ylim() == new.get_ylim()
        assert list(before(new)) == [10]


# -- Pictures ----------------------------------------------------------------------------


SQUARES = np.arange(3 * 8 * 8, dtype=float).reshape(3, 8, 8)


def test_pictures_stand_in_a_row_each_over_its_label():
    ax = plots.pictures(SQUARES, [7, "eight", np.int64(9)], title="Point")
    assert [image.get_array().tolist() for image in ax.images] == SQUARES.tolist()
    assert ax.get_title(loc="left") == "Point"
    ax.figure.canvas.draw()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["7", "eight", "9"]
    boxes = [image.get_window_extent() for image in ax.images]
    for box, label in zip(boxes, ax.get_xticklabels(), strict=True):
        assert box.width == pytest.approx(box.height)
        below = label.get_window_extent()
        assert box.x0 < (below.x0 + below.x1) / 2 < box.x1
        assert below.y1 < box.y0
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_ink_is_black_and_all_pictures_share_the_greys():
    ax = plots.pictures(SQUARES)
    for image in ax.images:
        assert image.norm.vmin == 0
        assert image.norm.vmax == SQUARES.max()
    least, most = (ax.images[0].cmap(ax.images[0].norm(end))[:3] for end in (0, SQUARES.max()))
    assert (least, most) == ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert plots.pictures(np.zeros((1, 8, 8))).images[0].norm.vmax > 0  # a blank one is white


def test_flat_pictures_and_tensors_are_pictures_too():
    inputs, targets = data.digits(raw=True).batch(4, 0)
    ax = plots.pictures(inputs, targets)
    assert ax.images[3].get_array().tolist() == inputs[3].view(8, 8).tolist()
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == [str(int(target)) for target in targets]
    assert len(plots.pictures(np.zeros((2, 28 * 28))).images) == 2


@pytest.mark.parametrize("count", [1, 2, 8, 12])
def test_a_row_is_as_tall_as_its_pictures_need_and_as_wide_as_the_page(count):
    ax = plots.pictures(np.zeros((count, 8, 8)), range(count), title="Point")
    width, height = ax.figure.get_size_inches()
    assert width == 7.6
    assert 1 < height < 3.2
    ax.figure.canvas.draw()
    edges = [image.get_window_extent() for image in ax.images]
    assert edges[-1].x1 - edges[0].x0 > (0.85 if count > 2 else 0.25) * ax.figure.bbox.width
    _, axes = plots.panels(2)
    assert plots.pictures(np.zeros((count, 8, 8)), ax=axes[0]) is axes[0]


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (np.zeros((2, 8, 7)), None, r"\(count, side, side\), or .*got \(2, 8, 7\)"),
        (np.zeros((2, 63)), None, r"got \(2, 63\)"),
        (np.zeros(64), None, r"got \(64,\)"),
        (np.zeros((0, 8, 8)), None, r"got \(0, 8, 8\)"),
        (np.zeros((2, 8, 8, 3)), None, r"got \(2, 8, 8, 3\)"),
        (np.full((1, 8, 8), math.nan), None, "must hold finite numbers only"),
        (np.zeros((2, 8, 8)), ["one"], "labels must be one for each of 2 pictures, got 1"),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_no_empty_figure(images, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        plots.pictures(images, labels)
    assert plt.get_fignums() == []


# -- Histograms of layers ----------------------------------------------------------------


NORMAL = np.random.default_rng(0).normal(size=(50, 400))
HISTOGRAM = {"xlabel": "activation"}


def curves_of(ax):
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in ax.get_lines()]


def test_a_histogram_is_a_density_of_the_numbers_it_was_given():
    layers = {"layer 1": NORMAL, "layer 2": 0.25 * NORMAL}
    ax = plots.layer_histograms(layers, title="Point", **HISTOGRAM)
    assert ax.get_title(loc="left") == "Point"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("activation", "density")
    assert words(ax) == ["layer 1", "layer 2"]
    for (places, heights), deviation in zip(curves_of(ax), (1.0, 0.25), strict=True):
        step = places[1] - places[0]
        assert heights.sum() * step == pytest.approx(1)
        assert (places**2 * heights).sum() * step == pytest.approx(deviation**2, rel=0.02)
        density = np.exp(-((places / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))
        assert np.abs(heights - density).max() < 0.07 * density.max()


def test_a_logarithmic_axis_has_magnitudes_by_the_decade_and_names_the_zeros():
    small = np.where(NORMAL > 0, 1e-6 * NORMAL, 0.0)
    ax = plots.layer_histograms({"a": -NORMAL, "b": small}, xscale="log", **HISTOGRAM)
    assert ax.get_xscale() == "log"
    assert ax.get_ylabel() == "density, per decade"
    assert words(ax) == ["a", "b (50 % zero)"]
    (places, whole), (_, half) = curves_of(ax)
    step = np.log10(places[1] / places[0])
    assert whole.sum() * step == pytest.approx(1, abs=0.002)
    assert half.sum() * step == pytest.approx(0.5, abs=0.01)
    assert places[whole.argmax()] == pytest.approx(1, rel=0.5)
    assert places[half.argmax()] == pytest.approx(1e-6, rel=0.5, abs=0)


def test_the_axis_may_be_given_and_what_lies_beyond_still_counts():
    ax = plots.layer_histograms({"a": NORMAL}, xlim=(-1, 1), **HISTOGRAM)
    assert ax.get_xlim() == (-1, 1)
    ((places, heights),) = curves_of(ax)
    assert heights.sum() * (places[1] - places[0]) == pytest.approx(0.683, abs=0.01)


def test_empty_bins_are_gaps_on_a_logarithmic_height():
    ax = plots.layer_histograms({"a": [0.0, 1.0], "b": NORMAL}, yscale="log", **HISTOGRAM)
    assert ax.get_yscale() == "log"
    (_, heights), _ = curves_of(ax)
    assert np.isnan(heights).sum() == 59
    assert plots.layer_histograms({"a": NORMAL}, **HISTOGRAM).get_ylim()[0] == 0


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_colours_run_from_the_first_layer_to_the_last(count):
    layers = {f"layer {i}": NORMAL * 0.8**i for i in range(count)}
    ax = plots.layer_histograms(layers, **HISTOGRAM)
    shades = [luminance(line.get_color()) for line in ax.get_lines()]
    assert shades == sorted(shades)
    assert len(set(shades)) == count
    assert 1.05 / (max(shades) + 0.05) > 1.5  # it stands out from the page
    assert words(ax) == list(layers)


def test_of_many_layers_five_are_named_the_first_and_the_last_among_them():
    layers = {str(i + 1): NORMAL for i in range(20)}
    ax = plots.layer_histograms(layers, **HISTOGRAM)
    assert words(ax) == ["1", "6", "11", "15", "20"]
    assert len(ax.get_lines()) == 20


def test_numbers_that_are_all_alike_have_an_axis_around_them():
    for scale in ("linear", "log"):
        ax = plots.layer_histograms({"a": [3.0, 3.0]}, xscale=scale, **HISTOGRAM)
        assert ax.get_xlim()[0] < 3 < ax.get_xlim()[1]
        ((places, heights),) = curves_of(ax)
        assert places[heights.argmax()] == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("layers", "more", "sentence"),
    [
        ({}, {}, "values must hold at least one layer"),
        ({"a": []}, {}, "at least one, not so for 'a'"),
        ({"a": [1.0], "b": [math.nan]}, {}, "finite numbers, at least one, not so for 'b'"),
        ({"a": [0.0]}, {"xscale": "log"}, "0 everywhere, which has no place on a logarithmic"),
        (
            {"a": [1.0]},
            {"xscale": "decades"},
            "xscale 'decades' is not known; choose from linear, log",
        ),
        ({"a": [1.0]}, {"yscale": "symlog"}, "yscale 'symlog' is not known; did you mean 'log'"),
        ({"a": [1.0]}, {"xlim": (1, -1)}, r"xlim must rise, got \(1, -1\)"),
        ({"a": [1.0]}, {"xlim": (0, 1), "xscale": "log"}, "xlim must rise from above 0"),
    ],
)
def test_histograms_refuse_what_cannot_be_drawn_and_leave_no_empty_figure(layers, more, sentence):
    with pytest.raises(ValueError, match=sentence):
        plots.layer_histograms(layers, **more, **HISTOGRAM)
    assert plt.get_fignums() == []


# -- Style and show ----------------------------------------------------------------------


def test_functions_draw_where_they_are_told():
    _, axes = plt.subplots(1, 3)
    assert plots.layer_profile({"a": FIRST}, ax=axes[0]) is axes[0]
    assert plots.training_curves({"a": history(1.0, 0.5)}, ax=axes[1]) is axes[1]
    assert plots.distribution({"a": [1.0]}, xlabel="norm", ax=axes[2]) is axes[2]
    assert len(plt.get_fignums()) == 1


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], parts))


def without_red_and_green(colour):
    """How a deuteranope sees a colour (Vienot, Brettel and Mollon 1999), linear RGB."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)
    )
    yellow = 0.29275 * red + 0.70725 * green
    return np.array([yellow, yellow, -0.02234 * red + 0.02234 * green + blue])


def test_colours_stand_out_from_the_page_and_from_each_other_for_all_eyes():
    colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert len(set(colours)) == len(colours) >= 6
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) > 2
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(np.subtract(to_rgb(one), to_rgb(other))) > 0.25
        difference = without_red_and_green(one) - without_red_and_green(other)
        assert np.linalg.norm(difference) > 0.05
    # By this measure a red and a green of one brightness are as good as the same.
    red, green = (0.6, 0, 0), (0, 0.4, 0)
    assert np.linalg.norm(without_red_and_green(red) - without_red_and_green(green)) < 0.02


def test_every_activation_has_a_colour_and_marker_of_its_own():
    assert set(ACTIVATION_LOOKS) == set(theory.ACTIVATIONS)
    assert len(set(ACTIVATION_LOOKS.values())) == len(ACTIVATION_LOOKS)
    colours = list(dict.fromkeys(colour for colour, _ in ACTIVATION_LOOKS.values()))
    assert len(colours) == 11
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) > 2
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(np.subtract(to_rgb(one), to_rgb(other))) > 0.25
        difference = without_red_and_green(one) - without_red_and_green(other)
        assert np.linalg.norm(difference) > 0.05


@pytest.mark.parametrize(
    ("label", "activation"),
    [
        *((name, name) for name in ACTIVATION_LOOKS),
        ("ReLU", "relu"),
        ("LeakyReLU", "leaky_relu"),
        ("leaky ReLU, He weights", "leaky_relu"),
        ("x + relu(Wx)", "relu"),
        ("30 layers, sigmoid", "sigmoid"),
        ("Gaussian, linear", "linear"),
        ("centered sigmoid", "centered_sigmoid"),
        ("orthogonal, 1.02", ""),
        ("prelude", ""),
        ("elusive", ""),
        ("", ""),
    ],
)
def test_an_activation_is_found_in_a_label(label, activation):
    assert activation_in(label) == activation


@pytest.mark.parametrize("label", ["tanh", "tanh, Xavier"])
@pytest.mark.parametrize("others", [{}, {"relu": [1, 2]}, {"one": [1, 2], "two": [3, 4]}])
def test_an_activation_has_one_look_in_every_figure(others, label):
    colour, marker = ACTIVATION_LOOKS["tanh"]
    given = {**others, label: [2.0, 3.0]}
    for ax in (plots.layer_profile(given), plots.curves(given, x=[1, 2], **AXES)):
        line = points(ax)[label]
        assert (line.get_color(), line.get_marker()) == (colour, marker)
    runs = {name: history(*losses) for name, losses in given.items()}
    assert lines(plots.training_curves(runs))[label].get_color() == colour
    for ax in (
        plots.distribution(given, xlabel="x"),
        plots.bars({name: {"a": 1.0} for name in given}, ylabel="y"),
    ):
        assert to_hex(ax.containers[len(others)].patches[0].get_facecolor()) == colour.lower()


def test_what_is_no_activation_never_has_the_colour_of_one_beside_it():
    lines = {name: [1.0, 2.0] for name in ("first", "sigmoid", "second", "third", "tanh", "fourth")}
    drawn = points(plots.layer_profile(lines))
    colours = [line.get_color() for line in drawn.values()]
    assert len(set(colours)) == 6


def test_a_label_has_one_look_in_all_panels_of_a_figure():
    _, (left, right) = plots.panels(2)
    plots.layer_profile({"he": FIRST, "xavier": FIRST, "default": FIRST}, ax=left)
    plots.layer_profile({"default": FIRST, "lsuv": FIRST, "xavier": FIRST}, ax=right)
    first, second = points(left), points(right)
    for label in ("default", "xavier"):
        assert first[label].get_color() == second[label].get_color()
        assert first[label].get_marker() == second[label].get_marker()
    assert second["lsuv"].get_color() not in {line.get_color() for line in first.values()}
    assert second["lsuv"].get_marker() not in {line.get_marker() for line in first.values()}


def test_series_with_one_activation_differ_in_shape():
    labels = ["tanh, default", "tanh, Xavier", "tanh, He", "tanh, LeCun"]
    drawn = points(plots.layer_profile({name: [1.0, 2.0] for name in labels}))
    assert {line.get_color() for line in drawn.values()} == {ACTIVATION_LOOKS["tanh"][0]}
    shapes = {(line.get_marker(), line.get_markerfacecolor()) for line in drawn.values()}
    assert len(shapes) == 4
    drawn = lines(plots.training_curves({name: history(2.0, 1.0) for name in labels}))
    assert len({line._unscaled_dash_pattern for line in drawn.values()}) == 4


def test_many_series_still_differ_in_colour_or_marker():
    ax = plots.layer_profile({str(i): [1.0, 2.0] for i in range(7)})
    looks = {(line.get_color(), line.get_marker()) for line in ax.get_lines()}
    assert len(looks) == 7


@pytest.fixture
def bundles(monkeypatch):
    """What is displayed: the data, and the metadata of its PNG."""
    found = []

    def keep(data, *, metadata, raw):
        assert raw
        found.append((data, metadata["image/png"]))

    monkeypatch.setattr(IPython.display, "display", keep)
    assert IPython.display.display is not display
    return found


def test_show_puts_a_png_with_its_words_into_the_notebook_and_closes_the_figure(bundles):
    assert plots.show(plots.layer_profile({"a": FIRST}, title="It falls")) is None
    ((data, details),) = bundles
    assert data["image/png"].startswith(b"\x89PNG")
    assert details["alt"] == (
        "It falls: gradient norm (delta) (log) against layer (1 = nearest the input). "
        "a from 1e-6 to 1."
    )
    assert plt.get_fignums() == []


def test_a_sentence_may_be_put_before_the_words(bundles):
    for meaning in ("", "Nobody knows why."):
        plots.show(plots.layer_profile({"a": FIRST}), meaning)
    (_, plain), (_, meant) = bundles
    assert meant["alt"] == f"Nobody knows why. {plain['alt']}"


def test_the_same_figure_gives_the_same_bytes_of_few_colours(bundles):
    for _ in range(2):
        plots.show(plots.layer_profile({"a": FIRST}))
    (first, _), (second, _) = bundles
    assert first["image/png"] == second["image/png"]
    assert b"Software" not in first["image/png"]
    picture = Image.open(io.BytesIO(first["image/png"]))
    assert len(picture.getcolors()) <= 256


def test_a_picture_is_sharp_and_not_wider_than_the_text_of_a_notebook(bundles):
    plots.show(plots.layer_profile({"a": FIRST}))
    ((data, details),) = bundles
    assert (details["width"], details["height"]) == (608, 320)
    assert Image.open(io.BytesIO(data["image/png"])).size == (2 * 608, 2 * 320)


def test_few_colours_are_as_good_as_all(bundles):
    """Where colours are many: a map of 400 cells, with numbers and a line."""
    line = {"edge": ([0, 19], [0, 19])}
    cells = np.linspace(0, 1, 400).reshape(20, 20)
    ax = plots.heat_map(cells, x=range(20), y=range(20), numbers=".1f", lines=line, **MAP)
    ax.figure.canvas.draw()
    full = np.asarray(ax.figure.canvas.buffer_rgba())[..., :3].astype(int)
    plots.show(ax)
    ((data, _),) = bundles
    few = np.asarray(Image.open(io.BytesIO(data["image/png"])).convert("RGB"))
    difference = np.abs(few - full).max(axis=-1)  # of 255
    assert difference.max() < 40
    assert np.quantile(difference, 0.99) < 16


# -- Names that hide nothing -------------------------------------------------------------


def settled(ax, monkeypatch):
    """The figure as it is when it is shown, with its axes where they then are."""
    monkeypatch.setattr(IPython.display, "display", lambda *args, **more: None)
    monkeypatch.setattr(plt, "close", lambda figure: None)
    plots.show(ax)
    return ax.figure


def test_a_legend_that_hides_nothing_stays(monkeypatch):
    ax = plots.layer_profile({"a": [1e-9, 1e-4, 1.0]})
    figure = settled(ax, monkeypatch)
    assert words(ax) == ["a"]
    assert not figure.legends


def test_the_legend_above_a_map_stays_although_its_line_would_pass_there(monkeypatch):
    line = {"edge": ([0.5, 1, 1.5], [0, 40, 0])}  # clipped at the upper edge of the map
    ax = plots.heat_map([[1.0], [2.0]], x=[1], y=[1, 2], lines=line, **MAP)
    figure = settled(ax, monkeypatch)
    assert words(ax) == ["edge"]
    assert not figure.legends


def test_names_go_to_the_ends_of_lines_where_a_legend_would_lie_on_data(monkeypatch):
    x = np.linspace(0, 1, 200)
    many = {f"{n} waves of sea": n + 0.45 * np.sin(40 * x) for n in range(6)}
    ax = plots.curves(many, {"0 waves of sea": (x, 0 * x)}, x=x, xlabel="x", ylabel="y")
    figure = settled(ax, monkeypatch)
    assert [text.get_text() for text in ax.texts] == list(many)
    area = ax.get_window_extent()
    for text in ax.texts:
        line = lines(ax)[text.get_text()]
        assert text.get_color() == line.get_color()
        box = text.get_window_extent()
        end = ax.transData.transform(line.get_xydata()[-1])
        assert box.x0 > end[0]
        assert abs((box.y0 + box.y1) / 2 - end[1]) < 5
        assert box.x1 <= figure.bbox.x1
    assert area.x1 < figure.bbox.x1 - 50  # room was made
    (below,) = figure.legends  # there is no room for it above
    assert [text.get_text() for text in below.get_texts()] == ["theory"]


def test_names_without_room_go_below_the_figure(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.arange(100)
    many = {f"noise of number {n}": rng.random(100) for n in range(6)}
    ax = plots.curves(many, x=x, xlabel="x", ylabel="y")
    figure = settled(ax, monkeypatch)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(many)
    assert legend.get_window_extent().y1 <= ax.get_window_extent().y0
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert ax.get_legend() is None
    assert not ax.texts


def test_panels_share_the_names_below(monkeypatch):
    rng = np.random.default_rng(0)
    look = {"x": np.arange(100), "xlabel": "x", "ylabel": "y"}

    def both(first, second):
        _, axes = plots.panels(2)
        for ax, names in zip(axes, (first, second), strict=True):
            plots.curves({name: rng.random(100) for name in names}, ax=ax, **look)
        return settled(axes[0], monkeypatch)

    (legend,) = both(["a", "b"], ["a", "b", "c"]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]


def test_a_line_under_another_is_said_to_be_there(monkeypatch):
    x = np.arange(1.0, 11.0)
    ax = plots.curves({"a": x, "b": x + 1e-3, "c": x + 1}, x=x, xlabel="x", ylabel="y")
    settled(ax, monkeypatch)
    assert words(ax) == ["a (under b)", "b", "c"]


def test_an_axis_that_panels_share_is_named_once(monkeypatch):
    for share, names in ((True, ["y", ""]), (False, ["y", "y"])):
        _, axes = plots.panels(2, share=share)
        for ax in axes:
            plots.curves({"a": [1, 2]}, x=[1, 2], xlabel="x", ylabel="y", ax=ax)
        settled(axes[0], monkeypatch)
        assert [ax.get_ylabel() for ax in axes] == names


# -- Words for who cannot see ------------------------------------------------------------


def words_for(ax, bundles):
    """What is said of a figure."""
    plots.show(ax)
    return bundles[-1][1]["alt"]


def test_words_say_where_lines_start_and_end_and_turn(bundles):
    lines = {"up": [1, 2, 3], "bump": [1, 9, 2], "dip": [5, 0, 4], "gap": [math.nan, 7, math.nan]}
    ax = plots.curves(lines, x=[1, 2, 4], title="Point", **AXES)
    assert words_for(ax, bundles) == (
        "Point: decades against gain. up from 1 to 3; bump from 1 to 2, highest 9 at 2; "
        "dip from 5 to 4, lowest 0 at 2; gap 7 at 2."
    )


def test_words_are_of_the_drawn_numbers_at_any_size(bundles):
    ax = plots.curves({"a": [3.14159e-25, 2e-25, 8.2e6]}, x=[0, 1, 2], yscale="log", **AXES)
    assert words_for(ax, bundles) == "decades (log) against gain. a from 3.1e-25 to 8.2e6."


def test_words_say_whether_theory_fits(bundles):
    measured = {"fits": [1.0, 2.0, 3.0], "fails": [1.0, 2.0, 3.0], "alone": [1.0, 1.0, 1.0]}
    theory = {"fits": [1.01, 2.01, 3.01], "fails": [1.0, 9.0, 3.0]}
    words = words_for(plots.curves(measured, theory, x=[1, 2, 3], **AXES), bundles)
    assert "fits from 1 to 3, on theory;" in words
    assert "fails from 1 to 3, theory 9 at 2;" in words
    assert words.endswith("alone from 1 to 1.")


def test_words_mention_exact_zeros_clouds_and_guessing(bundles):
    words = words_for(plots.layer_profile({"a": [0.0, 0.0, 1e-3, 1.0]}), bundles)
    assert "a from 1e-3 to 1; a: exactly 0 at 1 to 2." in words
    words = words_for(plots.curves({"a": [1, 5, 2]}, x=[1, 3, 2], **AXES), bundles)
    assert "a, 3 points from 1 to 5" in words
    words = words_for(plots.training_curves({"run": history(2.4, 1)}, chance=2.302), bundles)
    assert words.endswith("run from 2.4 to 1; guessing at 2.3.")


def test_words_name_places_as_the_axis_does(bundles):
    ticks = {1: "first", 2: "second", 3: "third"}
    words = words_for(plots.curves({"a": [1, 9, 2]}, x=[1, 2, 3], ticks=ticks, **AXES), bundles)
    assert "highest 9 at second" in words


def test_words_of_bars_are_their_names_and_numbers(bundles):
    ax = plots.bars({"10": {"a": 1.0, "b": math.inf}, "30": {"b": -3.0}}, ylabel="decades")
    assert words_for(ax, bundles) == ("decades. 10: a 1.0, b ∞; 30: b \N{MINUS SIGN}3.0.")
    words = words_for(plots.bars({"a": 1.0}, numbers={"a": "one"}, ylabel="y"), bundles)
    assert words.endswith(" a one.")


def test_words_mention_points_without_a_name(bundles):
    ax = plots.bars({"a": 1.0, "b": 2.0}, ylabel="y")
    ax.plot([0, 0], [-3, 0.5], "ko")
    ax.plot([1], [7.0], "ko")
    assert words_for(ax, bundles) == "y. a 1.0, b 2.0; points from -3 to 7."


def test_words_of_a_waterfall_are_its_sums(bundles):
    words = words_for(plots.waterfall(ledger(0.2, 0.6, -0.3, 0.4), title="Point"), bundles)
    assert words == (
        "Point: decades lost against weight layer (its name), loss to input. "
        "4 steps, 0.9 decades lost: weights \N{MINUS SIGN}0.1, activation 1.0."
    )


def test_words_of_a_distribution_are_its_reach(bundles):
    values = {"sigmoid": [1.0, 2.0, 4.0]}
    words = words_for(plots.distribution(values, {"sigmoid": 1.5}, xlabel="norm"), bundles)
    assert "sigmoid, 3 seeds, from 0.98 to 4.1" in words
    assert "published: 1.500000 at 1.5" in words


def test_words_of_pictures_are_their_labels_and_sizes(bundles):
    words = words_for(plots.pictures(SQUARES, [7, 8, 9], title="Point"), bundles)
    assert words == "Point: 3 pictures of 8 by 8 pixels: 7, 8, 9."
    assert words_for(plots.pictures(SQUARES[:1], title="Point"), bundles) == (
        "Point: 1 picture of 8 by 8 pixels."
    )
    blank = SQUARES * np.array([1, 0, 1])[:, None, None]
    assert ": 7, 8 (all of one grey), 9." in words_for(plots.pictures(blank, [7, 8, 9]), bundles)
    assert ": number 2 (all of one grey)." in words_for(plots.pictures(blank), bundles)


def test_words_of_histograms_say_where_half_of_a_layer_is(bundles):
    layers = {"layer 1": NORMAL, "layer 2": 0.1 * NORMAL, "dead": np.zeros(9)}
    ax = plots.layer_histograms(layers, title="Point", xlim=(-4.05, 4.05), **HISTOGRAM)
    assert words_for(ax, bundles) == (
        "Point: density against activation. layer 1, middle half between -0.67 and 0.69; "
        "layer 2, middle half between -0.067 and 0.071; dead, middle half at 0."
    )
    ax = plots.layer_histograms({"a": NORMAL}, yscale="log", xlim=(-9.0, 9.0), **HISTOGRAM)
    assert "a, middle half between -0.6" in words_for(ax, bundles)
    ax = plots.layer_histograms({"a": NORMAL, "b": [9.0]}, xlim=(-4, 4), **HISTOGRAM)
    assert words_for(ax, bundles).endswith("; b, all beyond the axis.")
    ax = plots.layer_histograms({"a": 1e-6 * NORMAL}, xscale="log", **HISTOGRAM)
    assert "a, middle half between 3.2e-7 and 1.1e-6." in words_for(ax, bundles)


def test_words_of_many_histograms_are_those_of_the_first_and_the_last(bundles):
    _, axes = plots.panels(2)
    layers = {f"layer {i}": NORMAL * 0.5**i for i in range(8)}
    for ax in axes:
        plots.layer_histograms(layers, title="Point", xlim=(-1, 1), ax=ax, **HISTOGRAM)
    words = words_for(axes[0], bundles)
    assert words.count("8 curves from layer 0, middle half between") == 2
    assert words.count(", to layer 7, middle half at 0.") == 2
    assert "layer 3" not in words


def test_words_of_a_map_say_where_it_is_highest_and_lowest(bundles):
    values = [[1.0, 2.0, math.nan], [4.0, 5.0, -6.0]]
    ax = plots.heat_map(values, x=["a", "b", "c"], y=[10, 20], lines={"edge": ([0], [10])}, **MAP)
    assert words_for(ax, bundles) == (
        "depth against gain. accuracy from \N{HYPHEN-MINUS}6 (at c, 20) to 5 (at b, 20); "
        "edge 10 at a."
    )
    words = words_for(plots.heat_map([[math.nan]], x=[1], y=[1], **MAP), bundles)
    assert "accuracy" not in words


def test_words_of_maps_that_share_an_axis_have_its_names(bundles):
    _, axes = plots.panels(2)
    for ax in axes:
        plots.heat_map([[1.0], [2.0]], x=[1], y=["a", "b"], title="Map", ax=ax, **MAP)
    assert words_for(axes[0], bundles).count("accuracy from 1 (at 1, a) to 2 (at 1, b)") == 2


def test_words_tell_one_panel_after_the_other(bundles):
    _, (left, right) = plots.panels(2)
    plots.layer_profile({"a": FIRST}, title="Left", ax=left)
    plots.layer_profile({"b": FIRST}, title="Right", ax=right)
    words = words_for(left, bundles)
    assert words.index("Left: ") < words.index("a from") < words.index("Right: ")
    assert bundles[-1][0]["text/plain"] == "Left; Right"
    figure, (left, right) = plots.panels(2)
    figure.suptitle("Both")
    for ax in (left, right):
        plots.layer_profile({"a": FIRST}, title="One", ax=ax)
    assert words_for(left, bundles).startswith("Both. One: ")
    assert bundles[-1][0]["text/plain"] == "Both; One"


def test_words_get_fewer_until_they_can_be_listened_to(bundles):
    def words(count):
        lines = {f"the network of number {i}": [1, 100 + i, 2] for i in range(count)}
        return words_for(plots.curves(lines, x=[1, 2, 3], title="Point", **AXES), bundles)

    assert "highest" in words(5)
    assert "from 1 to 2" in words(10)
    assert "highest" not in words(10)
    assert words(14).count("the network of number") == 14
    assert words(14).endswith("; all between 1 and 110.")
    plots.show(plots.curves({"word " * 200: [1]}, x=[1], legend=False, **AXES))
    assert len(bundles[-1][1]["alt"]) == 500
    assert max(len(words(count)) for count in (5, 10, 14)) <= 500


def test_panels_with_the_same_lines_name_them_once(bundles):
    _, axes = plots.panels(3)
    lines = {f"the network of number {i}": [1, 10 + i, 2] for i in range(6)}
    for ax in axes:
        plots.curves(lines, x=[1, 2, 3], title="Point", ax=ax, **AXES)
    words = words_for(axes[0], bundles)
    assert words.count("number 3") == 1
    assert words.count("Point: decades against gain. the same; all between 1 and 15.") == 2


def test_words_call_nothing_what_cannot_be_told_from_nothing(bundles):
    ax = plots.curves({"a": [1e-17, 1, 1e-9]}, x=[0, 1, 2], **AXES)
    assert words_for(ax, bundles).endswith("a from 0 to 0, highest 1 at 1.")


def test_the_plain_text_has_no_number_that_was_measured(bundles):
    """It is compared when a notebook is tested, on processors that round otherwise."""
    for end in (0.1, 0.2):
        ax = plots.training_curves({"run": history(2.3, end)}, title="It learns")
        plots.show(ax)
        plots.show(plots.curves({"a": [end]}, x=[1], **AXES))
    assert [data["text/plain"] for data, _ in bundles] == [
        "It learns",
        "untitled: decades against gain",
    ] * 2

"""Figures show what they were given, and nothing that was not computed."""

import math
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.display import display
from matplotlib.colors import to_rgb

from helpers import plots
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
    assert [text.get_text() for text in ax.texts] == notes
    assert len(shaded(ax)) == len(notes)
    bottom, top = ax.get_ylim()
    for band in shaded(ax):
        assert bottom * 0.99 <= band.y0 < band.y1 <= top * 1.01
    ax.figure.canvas.draw()
    for text in ax.texts:
        assert ax.get_window_extent().contains(*text.get_window_extent().get_points()[1])
    assert not plots.layer_profile({"a": values}, float32_zone=False).texts


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
    assert words(ax) == ["sigmoid, 4 seeds", "published: 1.150000", "relu, 1 seeds"]
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


def test_many_series_still_differ_in_colour_or_marker():
    ax = plots.layer_profile({str(i): [1.0, 2.0] for i in range(7)})
    looks = {(line.get_color(), line.get_marker()) for line in ax.get_lines()}
    assert len(looks) == 7


def test_show_puts_a_png_with_its_words_into_the_notebook_and_closes_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda *args, **kwargs: shown.append((args, kwargs)))
    assert plots.display is not display
    ax = plots.layer_profile({"a": FIRST})
    assert plots.show(ax, "The gradient falls.") is None
    (((bundle,), options),) = shown
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert bundle["text/plain"] == "The gradient falls."
    assert options == {"metadata": {"image/png": {"alt": "The gradient falls."}}, "raw": True}
    assert plt.get_fignums() == []


def test_the_same_figure_gives_the_same_bytes(monkeypatch):
    pictures = []
    monkeypatch.setattr(plots, "display", lambda bundle, **_: pictures.append(bundle["image/png"]))
    for _ in range(2):
        plots.show(plots.layer_profile({"a": FIRST}), "alt")
    assert pictures[0] == pictures[1]
    assert b"Software" not in pictures[0]
    # Readable at the width of a notebook: not wider than its text.
    assert int.from_bytes(pictures[0][16:20], "big") <= 610


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_show_refuses_a_figure_without_words(alt):
    ax = plots.layer_profile({"a": FIRST})
    with pytest.raises(ValueError, match="alt must say in words what the figure shows"):
        plots.show(ax, alt)
    assert plt.get_fignums()  # still there to be shown

"""The open exercise of lesson 03: each condition is shown an answer that misses it."""

import pytest

from helpers import exercises
from helpers.exercises.open_exercises import judge
from helpers.models import Setting

PAIR = exercises.OPEN["my_pair"]
SHORT = Setting(8, 16, "sigmoid")


def judged(*answer):
    """Which conditions hold of an answer, and what was measured of each."""

    def my_pair():
        return answer

    return judge(PAIR, my_pair).judged


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((SHORT, {"depth": 3}, {"gain": 2.0}), "one tuple of 3"),
        (("sigmoid", {"depth": 3}, {"gain": 2.0}, "less"), "the start is a str"),
        ((SHORT, {"depth": 3}, "gain", "less"), "the second change is a str"),
        ((SHORT, {"deep": 3}, {"gain": 2.0}, "less"), "'deep', which is no field"),
        ((SHORT, {"depth": 3}, {"gain": 2.0}, -1.0), "the prediction is -1.0"),
    ],
)
def test_something_else_is_no_answer(answer, said):
    first, *others = judged(*answer)
    assert not first.holds
    assert said in first.measured
    assert {one.holds for one in others} == {None}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"depth": 3}, {"depth": 4}, "both set 'depth'"),
        ({"depth": 8}, {"gain": 2.0}, "the first one changes nothing"),
        ({"depth": 3}, {}, "the second one changes nothing"),
        ({"depth": 41}, {"gain": 2.0}, "41 layers of 16"),
        ({"width": 129}, {"gain": 2.0}, "8 layers of 129"),
        ({"depth": 1}, {"gain": 2.0}, "only one delta"),
        ({"residual": "around"}, {"gain": 2.0}, "residual 'around' is not known"),
    ],
)
def test_the_changes_must_be_two_that_can_be_made(first, second, said):
    of_four = judged(SHORT, first, second, "less")
    assert [one.holds for one in of_four] == [True, False, None, None, None]
    assert said in of_four[1].measured


def test_the_pair_of_the_lesson_is_taken():
    for pair in (({"depth": 4}, {"residual": "pre-add"}), ({"residual": "post-add"}, {"depth": 4})):
        assert [one.holds for one in judged(SHORT, *pair, "less")] == [
            True,
            True,
            False,
            True,
            True,
        ]
    other = judged(Setting(8, 16, "tanh"), {"depth": 4}, {"residual": "pre-add"}, "less")
    assert other[2].holds


def test_one_of_them_must_matter():
    of_four = judged(SHORT, {"gain": 1.01}, {"width": 17}, "the same")
    assert [one.holds for one in of_four] == [True, True, True, False, None]
    silent = judged(SHORT, {"gain": 1e-300}, {"width": 17}, "the same")
    assert not silent[3].holds


@pytest.mark.parametrize(
    ("start", "first", "second", "right"),
    [
        (Setting(10, 32, "tanh"), {"activation": "relu"}, {"initialization": "he"}, "more"),
        (Setting(10, 32, "gelu"), {"depth": 4}, {"residual": "pre-add"}, "less"),
        (Setting(10, 32, "relu"), {"gain": 2.0}, {"bias_var": 0.0}, "the same"),
    ],
)
def test_the_prediction_is_held_to_the_measurement(start, first, second, right):
    for word in ("more", "less", "the same"):
        for changes in ((first, second), (second, first)):
            of_four = judged(start, *changes, word)
            assert [one.holds for one in of_four] == [True] * 4 + [word == right]
            assert f"measured {right!r}" in of_four[4].measured


def test_the_model_answer_holds():
    assert judge(PAIR, PAIR.reference).status == "done"

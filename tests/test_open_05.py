"""The open exercise of lesson 05: each condition is shown an answer that misses it."""

import pytest

from helpers import exercises
from helpers.exercises.open_exercises import judge

START = exercises.OPEN["my_std"]


def judged(std):
    """Which conditions hold of an answer, and what was measured of each."""

    def my_std(fan_in, fan_out):
        return std(fan_in, fan_out)

    return judge(START, my_std).judged


@pytest.mark.parametrize(
    ("std", "said"),
    [
        (lambda fan_in, fan_out: [0.1, 0.1], "a list"),
        (lambda fan_in, fan_out: "He", "a str"),
        (lambda fan_in, fan_out: 0.0, "it is 0"),
        (lambda fan_in, fan_out: -0.1, "it is -0.1"),
        (lambda fan_in, fan_out: float("nan"), "it is NaN"),
        (lambda fan_in, fan_out: 0.1 if fan_out > 10 else 0.0, "for 64 and 10 it is 0"),
    ],
)
def test_something_else_is_no_answer(std, said):
    first, *others = judged(std)
    assert not first.holds
    assert said in first.measured
    assert {one.holds for one in others} == {None}


@pytest.mark.parametrize(
    ("std", "holds", "said"),
    [
        (lambda fan_in, fan_out: (3 * fan_in) ** -0.5, [False, False], "shrinks"),
        (lambda fan_in, fan_out: fan_in**-0.5, [False, False], "shrinks"),
        (lambda fan_in, fan_out: 1.6 / fan_in**0.5, [False, False], "grows"),
        (lambda fan_in, fan_out: 1e-30, [False, False], "no gradient arrives"),
        (lambda fan_in, fan_out: 1.45 / 64**0.5, [True, False], "grows"),
    ],
)
def test_wrong_scales_are_told(std, holds, said):
    of_three = judged(std)
    assert [one.holds for one in of_three] == [True, *holds]
    assert said in of_three[2].measured


def test_hes_rule_is_not_enough():
    assert not all(one.holds for one in judged(lambda fan_in, fan_out: (2 / fan_in) ** 0.5))


def test_the_model_answer_holds():
    assert judge(START, START.reference).status == "done"

"""The open exercise of lesson 04: each condition is shown an answer that misses it."""

import pytest
import torch

from helpers import exercises
from helpers.exercises.open_exercises import judge

OWN = exercises.OPEN["my_activation"]


def judged(returned):
    """Which conditions hold of an answer, and what was measured of each."""

    def my_activation():
        return returned

    return judge(OWN, my_activation).judged


def holds(returned):
    return [one.holds for one in judged(returned)]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (torch.abs, "it returned a"),
        ((1.0, torch.abs), "cannot be called"),
        ((torch.abs, "one"), "a str"),
        ((torch.abs, 0.0), "the gain is 0"),
        ((torch.abs, float("nan")), "NaN"),
    ],
)
def test_something_else_is_no_answer(returned, said):
    first, *others = judged(returned)
    assert not first.holds
    assert said in first.measured
    assert {one.holds for one in others} == {None}


@pytest.mark.parametrize(
    ("activation", "said"),
    [
        (lambda z: z.sum(), "another shape"),
        (lambda z: z - z.mean(), "other entries"),
        (lambda z: z.softmax(dim=-1), "other entries"),
        (lambda z: z.cumsum(dim=0), "other entries"),
        (lambda z: z.detach().abs(), "no gradient"),
        (lambda z: z.log(), "not always finite"),
    ],
)
def test_each_entry_stands_alone(activation, said):
    _, second, *others = judged((activation, 1.0))
    assert not second.holds
    assert said in second.measured
    assert {one.holds for one in others} == {None}


@pytest.mark.parametrize(
    ("activation", "said"),
    [
        (lambda z: 3 * z + 1, "straight"),
        (lambda z: 2 * z.relu(), "relu"),
        (lambda z: -z.tanh(), "tanh"),
        (lambda z: z * z.sigmoid(), "silu"),
    ],
)
def test_known_shapes_are_seen(activation, said):
    third = judged((activation, 1.0))[2]
    assert not third.holds
    assert said in third.measured


def test_a_wrong_gain_is_told():
    assert "shrinks" in judged((torch.abs, 0.577))[3].measured
    assert "grows" in judged((torch.abs, 1.2))[3].measured
    assert [one.holds for one in judged((torch.abs, 1.2))] == [True, True, True, False, True]


def test_flat_sides_leave_dead_units():
    def narrow(z):
        return (z - 3).relu()

    fifth = judged((narrow, 1.0))[4]
    assert not fifth.holds
    assert "units are dead" in fifth.measured


@pytest.mark.parametrize(
    "returned",
    [
        (lambda z: torch.maximum(z, 0.5 * z), (2 / 1.25) ** 0.5),
        [lambda z: torch.where(z > 0, z, -0.5 * z), (2 / 1.25) ** 0.5],
    ],
)
def test_other_good_answers_hold(returned):
    assert all(holds(returned))


def test_the_model_answer_holds():
    assert judge(OWN, OWN.reference).status == "done"

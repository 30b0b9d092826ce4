"""Factors on a hundred branches: many are right, and what is wrong is told."""

import pytest

from helpers import exercises

judge = pytest.importorskip("helpers.exercises.open_exercises").judge
EXERCISE = exercises.OPEN["my_branch_scale"]
NUMBER, MATTERS, SIGNAL, GRADIENT = range(4)


def failing(function):
    verdict = judge(EXERCISE, function)
    return {place for place, one in enumerate(verdict.judged) if one.holds is False}


@pytest.mark.parametrize(
    "factor",
    [
        EXERCISE.reference,
        lambda block, blocks: blocks**-0.5,
        lambda block, blocks: -(blocks**-0.5),
        lambda block, blocks: 0.0 if block > 1 else 1.0,
        lambda block, blocks: 0.5 / block**0.6,
    ],
)
def test_many_factors_are_right(factor):
    assert failing(factor) == set()


@pytest.mark.parametrize(
    ("factor", "wrong"),
    [
        (lambda block, blocks: 0, {MATTERS}),
        (lambda block, blocks: 1 / blocks, {MATTERS}),
        (lambda block, blocks: 1.0, {SIGNAL, GRADIENT}),
        (lambda block, blocks: 2 / blocks**0.5, {SIGNAL, GRADIENT}),
        (lambda block, blocks: 1e200, {SIGNAL, GRADIENT}),
        (lambda block, blocks: "small", {NUMBER}),
        (lambda block, blocks: float("nan"), {NUMBER}),
        (lambda block, blocks: 1 / (block - 1), {NUMBER}),
        (lambda block: 0.1, {NUMBER}),
        (lambda block, blocks: None, {NUMBER}),
    ],
)
def test_what_is_wrong_is_seen(factor, wrong):
    assert failing(factor) == wrong

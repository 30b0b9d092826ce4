"""Rescues of one's own: many are right, and what is wrong is told."""

import pytest
import torch
from torch import nn

from helpers import exercises, models

judge = pytest.importorskip("helpers.exercises.open_exercises").judge
EXERCISE = exercises.OPEN["my_rescue"]
KIND, EXPLODES, FAILS, LEARNS = range(4)


def failing(function):
    verdict = judge(EXERCISE, function)
    return {place for place, one in enumerate(verdict.judged) if one.holds is False}


def network(**fields):
    return models.build(models.Setting(width=64, **fields), 64, 10, seed=0)


HE_SKIPS = {"depth": 22, "activation": "relu", "initialization": "he", "residual": "pre-act"}
FEW_SKIPS = {"depth": 12, "activation": "relu", "initialization": "he", "residual": "pre-add"}


@pytest.mark.parametrize(
    "rescue",
    [
        EXERCISE.reference,
        lambda: (network(**FEW_SKIPS), 0.1, 5.0),
        lambda: [network(**FEW_SKIPS), torch.tensor(0.3), 5],
    ],
)
def test_many_rescues_are_right(rescue):
    assert failing(rescue) == set()


@pytest.mark.parametrize(
    ("rescue", "wrong"),
    [
        (lambda: (network(depth=10, initialization="xavier"), 0.1, 1.0), {EXPLODES, FAILS}),
        (lambda: (network(**HE_SKIPS), 0.1, 1e9), {LEARNS}),
        (lambda: (network(**HE_SKIPS), 1e-9, 1.0), {LEARNS}),
        (lambda: network(**HE_SKIPS), {KIND}),
        (lambda: (network(**HE_SKIPS), 0.1), {KIND}),
        (lambda: (network(**HE_SKIPS), "fast", 1.0), {KIND}),
        (lambda: (network(**HE_SKIPS), 0.1, float("inf")), {KIND}),
        (lambda: (network(**HE_SKIPS), -0.1, 1.0), {KIND}),
        (lambda: ("a network", 0.1, 1.0), {KIND}),
        (lambda: (nn.Linear(64, 9), 0.1, 1.0), {KIND}),
        (lambda: (nn.Sequential(nn.Linear(64, 4000), nn.Linear(4000, 10)), 0.1, 1.0), {KIND}),
        (lambda seed: (network(**HE_SKIPS), 0.1, 1.0), {KIND}),
        (lambda: None, {KIND}),
    ],
)
def test_what_is_wrong_is_seen(rescue, wrong):
    assert failing(rescue) == wrong

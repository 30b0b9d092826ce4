"""Steps for weights in bfloat16: many are right, and what is wrong is told."""

import pytest
import torch
from torch import nn

from helpers import exercises

judge = pytest.importorskip("helpers.exercises.open_exercises").judge
EXERCISE = exercises.OPEN["my_step"]
RETURNS, STAYS, MOVES, WHERE, LEARNS = range(5)


def failing(function):
    verdict = judge(EXERCISE, function)
    return {place for place, one in enumerate(verdict.judged) if one.holds is False}


def kept_remainders(parameters):
    """What rounding takes from a weight is added to its next step (Kahan)."""
    copies = [nn.Parameter(torch.zeros_like(one, dtype=torch.float32)) for one in parameters]
    adam = torch.optim.Adam(copies, lr=0.001)

    def step():
        for copy, one in zip(copies, parameters, strict=True):
            copy.grad = one.grad.float()
        adam.step()
        with torch.no_grad():
            for copy, one in zip(copies, parameters, strict=True):
                before = one.float()
                one.add_(copy)
                copy.sub_(one.float() - before)

    return step


def rounded_at_random(parameters):
    """A number between two of the format becomes either, the nearer one more often."""
    inner = [nn.Parameter(one.detach().float()) for one in parameters]
    adam = torch.optim.Adam(inner, lr=0.001)

    def step():
        for copy, one in zip(inner, parameters, strict=True):
            copy.data.copy_(one)
            copy.grad = one.grad.float()
        adam.step()
        for copy, one in zip(inner, parameters, strict=True):
            bits = copy.data.view(torch.int32) + torch.randint(2**16, copy.shape, dtype=torch.int32)
            one.data.copy_((bits & -(2**16)).view(torch.float32))

    return step


@pytest.mark.slow
@pytest.mark.parametrize("step", [EXERCISE.reference, kept_remainders, rounded_at_random])
def test_many_steps_are_right(step):
    assert failing(step) == set()


def in_float32(parameters):
    for one in parameters:
        one.data = one.data.float()
    return torch.optim.Adam(parameters, lr=0.001).step


def gains_alone(parameters):
    return EXERCISE.reference([one for one in parameters if (one == 1).all()])


def jumping(parameters):
    adam = torch.optim.Adam(parameters, lr=0.001)

    def step():
        adam.step()
        for one in parameters:
            if one.ndim == 1 and one.mean() > 0.5:
                one.data.add_(one.grad.sign(), alpha=-0.02)

    return step


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "wrong"),
    [
        (lambda parameters: torch.optim.Adam(parameters, lr=0.001).step, {MOVES, WHERE}),
        (lambda parameters: None, {RETURNS}),
        (lambda parameters: torch.optim.Adam(parameters, lr=0.001), {RETURNS}),
        (lambda parameters: lambda: None, {MOVES, WHERE, LEARNS}),
        (lambda: None, {RETURNS}),
        (gains_alone, {LEARNS}),
        (jumping, {WHERE}),
        (lambda parameters: torch.optim.SGD(parameters, lr=1e41).step, {RETURNS}),
    ],
)
def test_what_is_wrong_is_seen(step, wrong):
    assert wrong <= failing(step)


@pytest.mark.slow
def test_weights_in_another_format_are_seen():
    assert failing(in_float32)

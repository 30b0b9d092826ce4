"""LSTMs that remember 100 steps: many are right, and what is wrong is told."""

import pytest
import torch
from torch import nn

from helpers import exercises

judge = pytest.importorskip("helpers.exercises.open_exercises").judge
EXERCISE = exercises.OPEN["my_lstm"]
LSTM, GRADIENT, LISTENS = range(3)


def failing(function):
    verdict = judge(EXERCISE, function)
    return {place for place, one in enumerate(verdict.judged) if one.holds is False}


def started(forget=0.0, gain=1.0, inputs=1.0, gate=None, **options):
    """Make an answer: an LSTM with the sum of its forget biases, and weights times factors."""

    def my_lstm():
        cell = nn.LSTM(2, 32, batch_first=True, **options)
        with torch.no_grad():
            cell.bias_ih_l0[32:64] = forget
            cell.bias_hh_l0[32:64] = 0.0
            cell.weight_hh_l0.mul_(gain)
            cell.weight_ih_l0.mul_(inputs)
            if gate is not None:
                cell.bias_ih_l0[:32] = gate
        return cell

    return my_lstm


def long_memories():
    """Chrono biases for memories far longer than the lag."""
    cell = started()()
    with torch.no_grad():
        steps = torch.empty(32).uniform_(500, 1000)
        cell.bias_ih_l0[32:64] = steps.log()
    return cell


def no_recurrent_weights():
    return started(forget=6.0, gain=0.0)()


@pytest.mark.parametrize(
    "answer",
    [
        EXERCISE.reference,
        started(forget=4.0),
        started(forget=8.0),
        long_memories,
        no_recurrent_weights,
    ],
)
def test_many_lstms_are_right(answer):
    assert failing(answer) == set()


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (started(), {GRADIENT}),
        (started(forget=1.0), {GRADIENT}),
        (started(gain=20.0), {GRADIENT}),
        (started(forget=100.0, inputs=0.0, gate=-100.0), {LISTENS}),
        (lambda: nn.GRU(2, 32, batch_first=True), {LSTM}),
        (lambda: nn.LSTM(2, 32), {LSTM}),
        (lambda: nn.LSTM(2, 64, batch_first=True), {LSTM}),
        (started(forget=float("nan")), {LSTM}),
        (lambda: None, {LSTM}),
        (lambda width: nn.LSTM(2, width), {LSTM}),
    ],
)
def test_what_is_wrong_is_seen(answer, wrong):
    assert failing(answer) == wrong

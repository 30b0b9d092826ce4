"""The depth at which a number format loses the gradient, against powers of two."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers import models, probe

ONE = torch.ones(1, 2)


def chain(depth, weight=2.0**-10):
    """Layers of two units side by side: the gradient of the first is a power of two."""
    net = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(depth)))
    for parameter in net.parameters():
        parameter.data = weight * torch.eye(2)
    return net


def total(outputs, targets):
    return outputs.sum()


def lost(make=chain, **how):
    found = probe.lost_at(make, ONE, ONE, total, **how)
    return found.norm, found.entries


# The gradient is 2^(-10 (depth - 1)). Half of the smallest number of a format rounds to 0.
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, (9, 16)),  # squares: 2^-160 is 0, 2^-140 is not; entries: 2^-150 is 0
        ({"dtype": torch.float16}, (4, 4)),  # 2^-30 is 0; the norm is summed in float32
        ({"dtype": torch.float64, "deepest": 60}, (55, None)),  # squares: 2^-1080 is 0
        ({"dtype": torch.float64}, (55, 109)),  # entries: 2^-1080 is 0
        ({"loss_scale": 2.0**40}, (13, 20)),
        ({"deepest": 9}, (9, None)),
        ({"deepest": 8}, (None, None)),
    ],
)
def test_powers_of_two_are_lost_where_they_should(how, expected):
    assert lost(**how) == expected


def test_a_scaled_loss_buys_layers_in_float16():
    assert lost(dtype=torch.float16, autocast=True, loss_scale=2.0**10) == (5, 5)
    assert lost(dtype=torch.float16, autocast=True, loss_scale=2.0**15) == (5, 5)
    assert lost(dtype=torch.float16, autocast=True, loss_scale=2.0**-5) == (3, 3)


def test_a_deeper_search_is_the_same_as_one_depth_after_the_other():
    torch.manual_seed(0)
    inputs, targets = torch.randn(16, 8), torch.randint(3, (16,))

    def make(depth):
        return models.build(models.Setting(depth, 8, "sigmoid"), 8, 3, seed=2)

    found = probe.lost_at(make, inputs, targets, functional.cross_entropy, dtype=torch.float16)
    zero = []
    for depth in range(1, 20):
        net = make(depth).half()
        functional.cross_entropy(net(inputs.half()).float(), targets).backward()
        zero.append(not net[0].weight.grad.any())
    assert found.entries == 1 + zero.index(True)
    assert all(zero[zero.index(True) :])


def test_the_records_print_and_show():
    assert str(probe.LostAt(26, 51, 256)) == "26 / 51"
    assert str(probe.LostAt(26, None, 40)) == "26 / over 40"
    assert "over 40" in probe.LostAt(26, None, 40)._repr_html_()


def test_random_states_and_settings_are_left_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    lost(lambda depth: functools.reduce(lambda net, _: chain(depth), range(1), None))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"dtype": torch.int8}, TypeError, "dtype must be a floating format"),
        ({"loss_scale": 0.0}, ValueError, "loss_scale must be"),
        ({"deepest": 0}, ValueError, "deepest must be at least 1, got 0"),
        ({"make": lambda depth: depth}, TypeError, "model must be a torch.nn.Module"),
        ({"inputs": torch.full((1, 2), torch.nan)}, ValueError, "inputs must be finite"),
        ({"loss_fn": lambda outputs, targets: outputs}, ValueError, "one number"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(changes, error, sentence):
    arguments = {"make": chain, "inputs": torch.ones(2, 2), "targets": ONE, "loss_fn": total}
    arguments |= changes
    with pytest.raises(error, match=sentence):
        probe.lost_at(**arguments)

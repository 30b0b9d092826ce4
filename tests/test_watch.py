"""What watch records while a model trains, and that it changes nothing."""

import copy
import math
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers import models, probe
from helpers.models import Setting

mse = functional.mse_loss


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(expected, rel=1e-5):
    return pytest.approx(np.asarray(expected), rel=rel, abs=0)


X, Y = normal(12, 4), normal(12, 2, seed=1)


def network(activation="tanh", **fields):
    return models.build(Setting(depth=4, width=6, activation=activation, **fields), 4, 2)


def linears(model):
    return [part for part in model.modules() if isinstance(part, nn.Linear)]


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def step(model, optimizer, scale=1.0, x=X, y=Y):
    optimizer.zero_grad()
    (mse(model(x), y) * scale).backward()
    optimizer.step()


def hooks(model, optimizer):
    """How many hooks there are: on modules, on all modules, on the optimizer."""
    return [
        len(model_hooks)
        for module in model.modules()
        for model_hooks in (module._forward_hooks, module._forward_pre_hooks)
    ] + [
        len(nn.modules.module._global_forward_hooks),
        len(nn.modules.module._global_forward_pre_hooks),
        len(optimizer._optimizer_step_pre_hooks),
        len(optimizer._optimizer_step_post_hooks),
    ]


# -- Gradients and updates ---------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-28, 1e-35, 1e22])
def test_gradient_norms_equal_a_float64_reference_at_every_step(scale):
    """Also where the squares of float32 numbers are 0 or infinite."""
    model = network()
    optimizer = sgd(model, lr=1e-3 / scale)
    expected = []
    with probe.watch(model, optimizer, every=1) as log:
        for _ in range(4):
            optimizer.zero_grad()
            (mse(model(X), Y) * scale).backward()
            expected.append([layer.weight.grad.double().norm().item() for layer in linears(model)])
            optimizer.step()
    assert log.gradient_norms.shape == (4, 4)
    assert log.gradient_norms == close(expected)
    assert log.gradient_norms.dtype == np.float64
    assert log.layer_names == ("0", "2", "4", "6")


def test_an_ordinary_step_after_an_extreme_one_is_right_too():
    model = network()
    optimizer = sgd(model, lr=0)
    with probe.watch(model, optimizer, every=1, parts=["gradients"]) as log:
        for scale in (1e-30, 1.0, 1e22):
            step(model, optimizer, scale)
    assert log.gradient_norms == close(log.gradient_norms[1] * np.array([[1e-30], [1], [1e22]]))


@pytest.mark.parametrize("make", [sgd, lambda model: torch.optim.Adam(model.parameters(), lr=0.01)])
def test_update_ratios_equal_the_change_over_the_weight(make):
    model = nn.Sequential(
        nn.Conv1d(1, 3, 2), nn.Flatten(), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 6, bias=False),
        nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 9), nn.Linear(9, 2),
    )  # fmt: skip
    optimizer = make(model)
    weights = [model[i].weight for i in (0, 2, 4, 5, 7, 8)]
    expected = []
    with probe.watch(model, optimizer, every=1) as log:
        for _ in range(3):
            before = [weight.detach().double().clone() for weight in weights]
            step(model, optimizer, x=X[:, None])
            pairs = zip(weights, before, strict=True)
            expected.append([((w.double() - b).norm() / b.norm()).item() for w, b in pairs])
    assert log.layer_names == ("0", "2", "4", "5", "7", "8")
    assert log.update_ratios == close(expected, rel=1e-4)


def test_an_update_that_is_lost_in_rounding_is_exactly_0():
    model = network()
    with probe.watch(model, optimizer := sgd(model, lr=1e-12), every=1) as log:
        step(model, optimizer)
    assert (log.gradient_norms > 0).all()
    assert (log.update_ratios == 0).all()


def test_a_layer_without_gradient_reads_0():
    model = network()
    optimizer = sgd(model)
    with probe.watch(model, optimizer, every=1) as log:
        optimizer.zero_grad()
        mse(model[-1](normal(12, 6)), Y).backward()
        optimizer.step()
    assert list(log.gradient_norms[0] > 0) == [False, False, False, True]
    assert list(log.update_ratios[0] > 0) == [False, False, False, True]
    assert np.isnan(log.activation_mean).all()  # they were not run


# -- Activations -------------------------------------------------------------------------


def images(*activations):
    """A convolutional network for samples of 4 numbers, seen as 2 x 2 images."""
    return with_low_biases(
        nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 5, 2, padding=1), nn.BatchNorm2d(5),
        activations[0], nn.Conv2d(5, 4, 2), activations[1], nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip


def with_low_biases(*parts):
    """Make a network in which the first unit of each layer is pushed far to the left."""
    for part in parts[:-1]:
        if getattr(part, "bias", None) is not None:
            part.bias.data[0] = -20
    return nn.Sequential(*parts)


NETWORKS = {
    "tanh": lambda: network("tanh", gain=3),
    "relu": lambda: network("relu", bias_var=2),
    "gelu": lambda: network("gelu", gain=4),
    "prelu": lambda: network("prelu"),
    "prelu by unit": lambda: nn.Sequential(
        nn.Linear(4, 5), nn.PReLU(5), nn.Linear(5, 3), nn.PReLU(3), nn.Linear(3, 2)
    ),
    "hardtanh": lambda: network("hardtanh", gain=5, bias_var=4),
    "hardswish": lambda: network("hardswish", gain=6, bias_var=40),
    "softplus": lambda: network("softplus", gain=4),
    "sigmoid": lambda: network("sigmoid", gain=30),
    "gelu with norm": lambda: network("gelu", norm="layer"),
    "in place": lambda: with_low_biases(
        nn.Linear(4, 6), nn.ELU(inplace=True), nn.Linear(6, 6), nn.SiLU(inplace=True),
        nn.Linear(6, 6), nn.ReLU6(inplace=True), nn.Linear(6, 2),
    ),
    "several kinds": lambda: nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.ReLU(),
        nn.Linear(6, 2),
    ),
    "images": lambda: images(nn.ReLU(inplace=True), nn.Sigmoid()),
    "images, prelu": lambda: images(nn.PReLU(5), nn.GELU()),
    "sequences": lambda: with_low_biases(
        nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(15, 2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_activation_statistics_are_those_of_record(name):
    model = NETWORKS[name]().double()
    x, y = 2 * X.double(), Y.double()
    optimizer = sgd(model, lr=1e-3)
    expected = []
    with probe.watch(model, optimizer, every=1) as log:
        for _ in range(3):
            flow = probe.record(model, x, y, mse)
            expected.append(
                [flow.activation_mean, flow.activation_std, flow.saturated_share, flow.dead_share]
            )
            step(model, optimizer, x=x, y=y)
    expected = np.array(expected)[..., :-1]  # no activation follows the last layer
    assert log.activation_mean == close(expected[:, 0])
    assert log.activation_std == close(expected[:, 1])
    assert log.saturated_share == close(expected[:, 2])
    assert log.dead_share == close(expected[:, 3])


def test_the_networks_of_these_tests_have_saturated_and_dead_units_to_find():
    found = {}
    for name, make in NETWORKS.items():
        torch.manual_seed(3)
        flow = probe.record(make().double(), 2 * X, Y, mse)
        found[name] = (np.nanmax(flow.saturated_share), np.nanmax(flow.dead_share))
    for name in set(NETWORKS) - {"prelu", "prelu by unit"}:
        assert found[name][0] > 0.02, name
    for name in (
        "relu",
        "hardtanh",
        "hardswish",
        "in place",
        "several kinds",
        "images",
        "sequences",
    ):
        assert found[name][1] > 0, name


def test_a_unit_is_dead_only_if_it_is_on_the_whole_batch():
    """However few samples the other statistics are taken from."""
    model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [-1.0], [0.5]]))
    x = torch.full((100, 1), -1.0)
    x[-1] = 1.0
    with probe.watch(model, optimizer := sgd(model), every=1) as log:
        step(model, optimizer, x=x, y=torch.zeros(100, 1))
    assert log.dead_share[0, 0] == 0
    with probe.watch(model, optimizer, every=1) as log:
        step(model, optimizer, x=x[:-1], y=torch.zeros(99, 1))
    assert log.dead_share[0, 0] == pytest.approx(2 / 3)


def test_a_unit_that_gets_exactly_0_is_dead_where_the_slope_at_0_is_0():
    """Everything behind a dead layer without biases."""
    model = network("relu", initialization="he")
    model[0].bias.data.fill_(-50)
    expected = probe.record(model, X, Y, mse).dead_share
    with probe.watch(model, optimizer := sgd(model), every=1) as log:
        step(model, optimizer)
    assert list(log.dead_share[0]) == list(expected[:-1]) == [1, 1, 1]
    assert list(log.saturated_share[0]) == [1, 1, 1]


def test_an_activation_that_works_twice_is_read_in_its_last_call():
    act = nn.Tanh()
    model = nn.Sequential(nn.Linear(4, 6), act, nn.Linear(6, 5), act, nn.Linear(5, 2))
    with torch.no_grad():
        expected = model[:4](X).mean().item()
    with probe.watch(model, optimizer := sgd(model), every=1) as log:
        step(model, optimizer)
    assert log.activation_names == ("1",)
    assert log.activation_mean == close([[expected]])


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.PReLU()])
def test_an_activation_of_one_number_per_sample_is_one_unit(activation):
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0), activation)
    with torch.no_grad():
        expected = (model[:-1](X) < 0).double().mean().item()
    assert 0 < expected < 1
    with probe.watch(model, optimizer := sgd(model), every=1) as log:
        step(model, optimizer, y=Y[:, 0])
    saturated = expected if isinstance(activation, nn.ReLU) else 0
    assert log.saturated_share[0, 1] == pytest.approx(saturated)
    assert log.dead_share[0, 1] == 0


# -- When, and what ----------------------------------------------------------------------


def test_every_counts_steps_from_0():
    model = network()
    optimizer = sgd(model)
    with probe.watch(model, optimizer, every=3) as log:
        for _ in range(8):
            step(model, optimizer)
    assert log.steps == [0, 3, 6]
    assert str(log) == repr(log) == "3 steps of 4 weight layers recorded"
    again = network()
    optimizer = sgd(again)
    with probe.watch(again, optimizer, every=1) as all_of_it:
        for _ in range(8):
            step(again, optimizer)
    for name in ("gradient_norms", "update_ratios", "activation_mean", "activation_std"):
        assert getattr(log, name) == close(getattr(all_of_it, name)[::3])


COLUMNS = {
    "gradients": {"gradient_norms": 4},
    "updates": {"update_ratios": 4},
    "activations": {
        "activation_mean": 3, "activation_std": 3, "saturated_share": 3, "dead_share": 3
    },
}  # fmt: skip


@pytest.mark.parametrize("parts", [(), ("gradients",), ("updates",), ["activations"], probe.PARTS])
def test_only_the_parts_asked_for_are_recorded(parts):
    model = network()
    optimizer = sgd(model)
    with probe.watch(model, optimizer, every=1, parts=parts) as log:
        step(model, optimizer)
        step(model, optimizer)
    assert log.steps == [0, 1]
    for part, columns in COLUMNS.items():
        for name, width in columns.items():
            assert getattr(log, name).shape == (2 if part in parts else 0, width)


def test_a_log_can_be_read_before_anything_happened():
    model = network()
    with probe.watch(model, sgd(model)) as log:
        assert log.steps == []
        assert log.gradient_norms.shape == log.update_ratios.shape == (0, 4)
        assert log.activation_mean.shape == (0, 3)


def test_the_batch_may_change_its_size():
    model = network()
    optimizer = sgd(model)
    with probe.watch(model, optimizer, every=1) as log:
        for size in (12, 5, 1, 12):
            with torch.no_grad():
                expected = model[:2](X[:size])
            step(model, optimizer, x=X[:size], y=Y[:size])
            assert log.activation_mean[-1, 0] == close(expected.mean().item())
            deviation = expected.std(correction=0).item()
            assert log.activation_std[-1, 0] == close(deviation)


# -- It changes nothing ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tanh", "images", "prelu", "in place"])
@pytest.mark.parametrize("every", [1, 2])
def test_training_is_bitwise_the_same_with_and_without_it(name, every):
    first = NETWORKS[name]()
    second = copy.deepcopy(first)
    optimizers = [torch.optim.Adam(model.parameters(), lr=0.01) for model in (first, second)]
    random_state = torch.get_rng_state()
    with probe.watch(first, optimizers[0], every=every):
        for _ in range(5):
            step(first, optimizers[0])
    assert torch.equal(torch.get_rng_state(), random_state)
    for _ in range(5):
        step(second, optimizers[1])
    for mine, theirs in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_model_may_change_its_device_between_two_steps():
    """To the only other device that every machine has, one that holds no numbers."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with probe.watch(model, optimizer, every=1, parts=["updates"]) as log:
        step(model, optimizer)
        optimizer.zero_grad()
        for parameter in model.parameters():  # as a move to a GPU does: the same objects
            torch.utils.swap_tensors(parameter, nn.Parameter(parameter.to("meta")))
        for _ in range(2):
            step(model, optimizer, x=X.to("meta"), y=Y.to("meta"))
    assert log.steps == [0, 1, 2]
    devices = [{norms.device.type for norms in row} for row in log._update_norms]
    assert devices == [{"cpu"}, {"meta"}, {"meta"}]


def test_all_hooks_are_gone_after_the_block_and_after_an_exception():
    model = network()
    optimizer = sgd(model)
    before = hooks(model, optimizer)
    with probe.watch(model, optimizer, every=2) as log:
        assert hooks(model, optimizer) != before
        step(model, optimizer)
    assert hooks(model, optimizer) == before
    step(model, optimizer)
    assert log.steps == [0]
    for steps in range(3):
        with suppress(ZeroDivisionError), probe.watch(model, optimizer, every=2):
            for _ in range(steps):
                step(model, optimizer)
            raise ZeroDivisionError
        assert hooks(model, optimizer) == before


def test_two_watches_at_once_do_not_mix():
    first, second = network(), network("relu")
    one, two = sgd(first), sgd(second)
    with probe.watch(first, one, every=1) as log, probe.watch(second, two, every=1) as other:
        step(first, one)
        step(second, two)
        step(first, one)
    assert (log.steps, other.steps) == ([0, 1], [0])
    assert (log.activation_mean[0] != other.activation_mean[0]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"model": "net"}, TypeError, "model must be a torch.nn.Module, got str"),
        (
            {"model": nn.PReLU()},
            ValueError,
            "model must have a linear or convolution layer, and it has none",
        ),
        (
            {"optimizer": torch.optim.SGD},
            TypeError,
            "optimizer must be a torch optimizer, got type",
        ),
        ({"every": 0}, ValueError, "every must be at least 1, got 0"),
        ({"every": 2.0}, TypeError, "every must be a whole number, got 2.0"),
        ({"every": True}, TypeError, "every must be a whole number, got True"),
        (
            {"parts": ["gradient"]},
            ValueError,
            "parts 'gradient' is not known; did you mean 'gradients'?",
        ),
        (
            {"parts": "gradients"},
            TypeError,
            "parts must be a list of names, such as ['gradients'], got 'gradients'",
        ),
    ],
)
def test_nonsense_is_refused_in_one_sentence_and_leaves_no_hook(arguments, error, sentence):
    model = network()
    optimizer = sgd(model)
    before = hooks(model, optimizer)
    with (
        pytest.raises(error) as caught,
        probe.watch(**{"model": model, "optimizer": optimizer, **arguments}),
    ):
        pass
    assert str(caught.value) == sentence
    assert hooks(model, optimizer) == before


def test_nothing_is_nan_that_need_not_be():
    model = network(norm="batch", residual="rezero")
    with probe.watch(model, optimizer := sgd(model), every=1) as log:
        step(model, optimizer)
    assert np.isfinite(log.gradient_norms).all()
    assert np.isfinite(log.update_ratios).all()
    assert np.isfinite(log.saturated_share).all()
    assert not math.isnan(log.activation_std.sum())

"""Training: it learns, it repeats itself bit for bit, it stops in words."""

import itertools
import math
import re
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from IPython.core.events import EventManager, available_events
from torch import nn
from torch.nn import functional

from helpers import data, models, probe, train
from helpers.models import Setting
from helpers.train import _bar, _devices, _fit, _loop

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


@pytest.fixture
def split():
    return data.digits()


def network(split, seed=0, **fields):
    setting = Setting(**{"depth": 3, "width": 32, "activation": "tanh", **fields})
    return models.build(setting, split.features, split.classes, seed)


def fit(model, split, **arguments):
    arguments = {"steps": 30, "lr": 0.1, "progress": False, **arguments}
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.pop("lr"))
    return train.fit(model, split, optimizer, **arguments)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_it_learns_the_digits(split):
    model = network(split)
    history = fit(model, split, steps=300)
    assert history.losses.shape == (300,)
    assert history.losses[0] == pytest.approx(math.log(10), rel=0.1)
    assert history.losses[-50:].mean() < 0.3
    assert history.test_accuracy > 0.93
    assert history.train_accuracy > history.test_accuracy - 0.02
    assert history.stopped is None
    assert history.steps == 300
    right = model(split.test_inputs).argmax(dim=1) == split.test_targets
    assert history.test_accuracy == pytest.approx(right.double().mean().item())


def test_a_loss_is_that_of_the_batch_before_its_step(split):
    """One batch of all samples: its loss can be computed beforehand, whatever the order."""
    model = network(split)
    everything = len(split.train_targets)

    def loss():
        with torch.no_grad():
            outputs = model(split.train_inputs)
            return functional.cross_entropy(outputs, split.train_targets).item()

    before = loss()
    history = fit(model, split, steps=1, batch_size=everything)
    assert history.losses[0] == pytest.approx(before, rel=1e-5)
    assert loss() < before


def test_every_sample_is_seen_once_an_epoch(split):
    seen = []

    class Spy(nn.Linear):
        def forward(self, inputs):
            if self.training:
                seen.append(inputs.clone())
            return super().forward(inputs)

    fit(Spy(split.features, split.classes), split, steps=4, batch_size=719)
    first, second = torch.cat(seen[:2]), torch.cat(seen[2:])
    for epoch in (first, second):
        assert sorted(map(tuple, epoch.tolist())) == sorted(map(tuple, split.train_inputs.tolist()))
    assert not torch.equal(first, second)


def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_another(split):
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(runs))  # the global seed is none of its business
        model = network(split)
        runs.append((fit(model, split, seed=seed).losses, weights(model)))
    assert (runs[0][0] == runs[1][0]).all()
    assert torch.equal(runs[0][1], runs[1][1])
    assert (runs[0][0] != runs[2][0]).any()
    assert not torch.equal(runs[0][1], runs[2][1])


def test_the_global_random_states_are_left_alone(split):
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    fit(network(split), split)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_weights(split, bad):
    model = network(split)
    kept = []

    def loss(outputs, targets):
        value = functional.cross_entropy(outputs, targets)
        if len(kept) == 7:
            value = value * bad
        kept.append(weights(model))
        return value

    history = fit(model, split, loss_fn=loss)
    sentence = f"Stopped at step 7: the loss is {bad}, and the weights are left as they are"
    assert history.stopped == sentence
    assert history.steps == 7
    assert len(history.losses) == len(kept) == 8
    assert torch.equal(weights(model), kept[7])
    assert not torch.equal(weights(model), kept[6])
    assert 0 < history.test_accuracy < 1
    assert str(history) == f"{sentence} (7 steps, test accuracy {history.test_accuracy:.3f})"


def test_an_exploding_run_ends_in_words_not_in_an_error(split):
    model = network(split, depth=8, activation="relu", initialization="he", gain=4)
    history = fit(model, split, lr=100.0)
    assert history.stopped.startswith("Stopped at step ")
    assert len(history.losses) < 30


def test_no_steps_change_nothing(split):
    model = network(split)
    before = weights(model)
    history = fit(model, split, steps=0)
    assert torch.equal(weights(model), before)
    assert (len(history.losses), history.steps, history.stopped) == (0, 0, None)
    assert 0 <= history.test_accuracy < 0.4
    assert history.losses.dtype == float


def test_a_history_prints_and_shows():
    history = train.History(np.zeros(5), 0.5, 0.25)
    assert str(history) == repr(history) == "5 steps, test accuracy 0.250"
    stopped = train.History(np.zeros(5), 0.5, 0.25, "Stopped at step 4: <why>")
    assert stopped._repr_html_() == (
        "<p>Stopped at step 4: &lt;why&gt; (4 steps, test accuracy 0.250)</p>"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"steps": -1}, ValueError, "steps must be at least 0, got -1"),
        ({"steps": 1e3}, TypeError, "steps must be a whole number, got 1000.0"),
        ({"steps": True}, TypeError, "steps must be a whole number, got True"),
        ({"batch_size": 0}, ValueError, "batch_size must be between 1 and 1438, got 0"),
        ({"batch_size": 1439}, ValueError, "batch_size must be between 1 and 1438, got 1439"),
        ({"batch_size": "64"}, TypeError, "batch_size must be a whole number, got '64'"),
        ({"seed": 0.5}, TypeError, "seed must be a whole number, got 0.5"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(split, arguments, error, sentence):
    model = network(split)
    before = weights(model)
    with pytest.raises(error) as caught:
        fit(model, split, **arguments)
    assert str(caught.value) == sentence
    assert torch.equal(weights(model), before)


# -- Rates that change, steps on the way back, runs that are kept ---------------------------


def test_factors_change_the_rate_of_each_step_and_leave_it_as_it_was(split):
    one, two = network(split), network(split)
    sgd = torch.optim.SGD(one.parameters(), lr=0.1)
    factors = [1.0, 1.0, 0.5, 0.0]
    history = train.fit(one, split, sgd, steps=4, progress=False, rate_factors=factors)
    assert sgd.param_groups[0]["lr"] == 0.1
    seen = []

    def loss_fn(outputs, targets):
        seen.append(weights(two))
        other.param_groups[0]["lr"] = 0.1 * factors[len(seen) - 1]
        return functional.cross_entropy(outputs, targets)

    other = torch.optim.SGD(two.parameters(), lr=0.1)
    plain = train.fit(two, split, other, steps=4, progress=False, loss_fn=loss_fn)
    assert torch.equal(weights(one), weights(two))
    assert np.array_equal(history.losses, plain.losses)
    assert torch.equal(seen[3], weights(two))  # the last step had a rate of 0


@pytest.mark.parametrize("segments", [None, 3])
@pytest.mark.parametrize("name", [*train.OPTIMIZERS])
def test_steps_on_the_way_back_are_the_same_steps(split, name, segments):
    recipe = train.Recipe(name, rate=0.001, steps=8)
    ordinary, streamed = (network(split, depth=12) for _ in range(2))
    if segments:
        ordinary = models.fused(ordinary, segments, kept=1)
        streamed = models.fused(streamed, segments, kept=1)
    histories = []
    for model, block in ((ordinary, nullcontext), (streamed, train.stepping_backward)):
        optimizer = recipe(model.parameters())
        with block(optimizer):
            run = train.fit(model, split, optimizer, steps=8, progress=False)
        histories.append(run)
        held = [parameter.grad is not None for parameter in model.parameters()]
        assert any(held) is (model is ordinary)
    assert torch.equal(weights(streamed), weights(ordinary))
    assert np.array_equal(histories[0].losses, histories[1].losses)
    # When the block has ended nothing steps on the way back any more.
    before = weights(streamed)
    functional.cross_entropy(streamed(split.test_inputs), split.test_targets).backward()
    assert torch.equal(weights(streamed), before)


def stopping_at(call):
    """A loss that is interrupted, as by hand, when it is called for that time."""
    calls = itertools.count()

    def loss_fn(outputs, targets):
        if next(calls) == call:
            raise KeyboardInterrupt
        return functional.cross_entropy(outputs, targets)

    return loss_fn


@pytest.mark.parametrize("stopped_at", [2, 7, 16, 29])
@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_a_run_goes_on_where_it_was_stopped_bit_for_bit(split, tmp_path, name, stopped_at):
    def run(loss_fn=functional.cross_entropy, **arguments):
        model = models.fused(network(split, depth=12), 3, kept=1)
        groups = [
            {"params": model[2:-1].parameters(), "lr": 1e-4},
            {"params": [*model[0].parameters(), *model[-1].parameters()]},
        ]
        optimizer = train.Recipe(name, rate=0.01)(groups)
        factors = [1.0] * 20 + [0.1] * 10
        with train.stepping_backward(optimizer):
            history = train.fit(
                model,
                split,
                optimizer,
                steps=30,
                loss_fn=loss_fn,
                progress=False,
                rate_factors=factors,
                **arguments,
            )
        return weights(model), history

    expected, whole = run()
    kept = {"kept_in": tmp_path / "run.pt", "kept_every": 5}
    with pytest.raises(KeyboardInterrupt):
        run(stopping_at(stopped_at), **kept)
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"] * (stopped_at >= 5)
    again, history = run(**kept)
    assert torch.equal(again, expected)
    assert np.array_equal(history.losses, whole.losses)
    assert history.test_accuracy == whole.test_accuracy
    # The file of a run that is over has its end: nothing is computed again.
    again, history = run(stopping_at(0), **kept)
    assert torch.equal(again, expected)
    assert np.array_equal(history.losses, whole.losses)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"steps": 9}, "steps"),
        ({"seed": 1}, "seed"),
        ({"lr": 0.2}, "rates"),
        ({"rate_factors": [1.0] * 8}, "rate_factors"),
    ],
)
def test_the_file_of_another_run_is_refused(split, tmp_path, changed, what):
    arguments = {"steps": 8, "kept_in": tmp_path / "run.pt"}
    fit(network(split), split, **arguments)
    model = network(split)
    before = weights(model)
    with pytest.raises(ValueError, match=rf"run.pt keeps another run, which differs in {what}:"):
        fit(model, split, **{**arguments, **changed})
    assert torch.equal(weights(model), before)


def test_a_run_that_starts_from_other_weights_is_another_run(split, tmp_path):
    fit(network(split), split, kept_in=tmp_path / "run.pt")
    with pytest.raises(ValueError, match="differs in start:"):
        fit(network(split, seed=1), split, kept_in=tmp_path / "run.pt")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rate_factors": [1.0]}, "rate_factors must hold 30 numbers, got 1"),
        ({"rate_factors": [-1.0] * 30}, "rate_factors must be finite and zero or positive"),
        ({"kept_every": 0}, "kept_every must be at least 1, got 0"),
    ],
)
def test_nonsense_about_rates_and_files_is_refused(split, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(network(split), split, **arguments)


def test_the_optimizer_of_another_model_is_refused(split):
    """The plainest way not to learn: build the model anew, keep the old optimizer."""
    stranger = torch.optim.SGD(network(split).parameters(), lr=0.1)
    with pytest.raises(ValueError, match="optimizer must hold the model's parameters, and it"):
        train.fit(network(split), split, stranger, steps=1, progress=False)
    model = network(split)
    part = torch.optim.SGD(model[-1].parameters(), lr=0.1)  # the last layer alone is allowed
    assert train.fit(model, split, part, steps=1, progress=False).steps == 1


# -- Many networks as one ----------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda parameters, lr=0.1: torch.optim.SGD(parameters, lr=lr),
    "momentum": lambda parameters, lr=0.05: torch.optim.SGD(
        parameters, lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-3
    ),
    "adam": lambda parameters, lr=0.01: torch.optim.Adam(parameters, lr=lr),
    "rmsprop": lambda parameters, lr=0.01: torch.optim.RMSprop(parameters, lr=lr),
}
STARTS = (
    {},
    {"initialization": "xavier", "bias_var": 0.1},
    {"initialization": "he", "gain": 0.7},
    {"initialization": "lsuv", "gain": 0.1},
    {"initialization": "orthogonal", "gain": 1.2},
)


@pytest.fixture
def doubles(split):
    """In float64 nothing but a mistake is larger than a millionth of a millionth."""
    torch.set_default_dtype(torch.float64)
    yield replace(
        split,
        train_inputs=split.train_inputs.double(),
        test_inputs=split.test_inputs.double(),
    )
    torch.set_default_dtype(torch.float32)


def settings(starts=STARTS, **fields):
    shape = {"depth": 5, "width": 16, "activation": "tanh", **fields}
    return [Setting(**shape, **start) for start in starts]


def fit_many(chosen, split, optimizer=OPTIMIZERS["sgd"], **arguments):
    return train.fit_many(chosen, split, optimizer, **{"steps": 40, "progress": False, **arguments})


def one_by_one(chosen, split, optimizer=OPTIMIZERS["sgd"], *, seeds, rates=None, **arguments):
    histories = []
    for which, (setting, seed) in enumerate(zip(chosen, seeds, strict=True)):
        model = models.build(setting, split.features, split.classes, seed)
        own = optimizer(model.parameters(), *([] if rates is None else [rates[which]]))
        arguments = {"steps": 40, "progress": False, **arguments}
        histories.append(train.fit(model, split, own, seed=seed, **arguments))
    return histories


def assert_equal(histories, expected, rel=1e-9):
    assert isinstance(histories, tuple)
    assert len(histories) == len(expected)
    for history, other in zip(histories, expected, strict=True):
        assert history.losses.dtype == float
        assert history.losses == pytest.approx(other.losses, rel=rel, nan_ok=True)
        assert history.train_accuracy == other.train_accuracy
        assert history.test_accuracy == other.test_accuracy
        assert history.stopped == other.stopped
        assert history.steps == other.steps


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, [3, 1, 4, 1, 5]])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_many_networks_train_as_one_by_one(doubles, name, seeds):
    chosen, optimizer = settings(), OPTIMIZERS[name]
    histories = fit_many(chosen, doubles, optimizer, seeds=seeds)
    each = seeds if isinstance(seeds, list) else [seeds] * len(chosen)
    assert_equal(histories, one_by_one(chosen, doubles, optimizer, seeds=each))
    assert histories[0].losses[-1] < histories[0].losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        {"depth": 1},
        {"depth": 2},
        {"depth": 3, "activation": "linear"},
        {"width": 64, "activation": "relu"},  # as wide as the inputs
        {"width": 10, "activation": "gelu"},  # as wide as the outputs
        {"depth": 30},
        {"depth": 4, "activation": "selu"},
    ],
)
def test_many_networks_of_any_plain_shape(doubles, shape):
    chosen = settings(STARTS[:3], **shape)
    arguments = {"steps": 30, "batch_size": 500, "seeds": [0, 1, 2]}  # three epochs and a half
    assert_equal(fit_many(chosen, doubles, **arguments), one_by_one(chosen, doubles, **arguments))


def test_many_networks_in_float32_agree_to_rounding(split):
    chosen = settings()
    expected = one_by_one(chosen, split, seeds=[0] * 5)
    for history, other in zip(fit_many(chosen, split), expected, strict=True):
        assert history.losses == pytest.approx(other.losses, rel=1e-4)
        assert history.test_accuracy == pytest.approx(other.test_accuracy, abs=0.02)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_network_may_have_its_own_rate(doubles, name):
    arguments = {"seeds": [0, 1, 0, 1, 2], "rates": [0.01, 0.001, 0.01, 0.0, 0.001]}
    histories = fit_many(settings(), doubles, OPTIMIZERS[name], **arguments)
    assert_equal(histories, one_by_one(settings(), doubles, OPTIMIZERS[name], **arguments))
    once = fit_many(settings(), doubles, OPTIMIZERS[name], seeds=[0, 1, 0, 1, 2], rates=[0.01] * 5)
    assert once[0].losses == pytest.approx(histories[0].losses, rel=1e-9)
    assert once[1].losses[1:] != pytest.approx(histories[1].losses[1:], rel=1e-3)


def one_by_one_by_layer(chosen, split, name, *, seeds, rates):
    """Each with PyTorch's own parameter groups, one for each layer."""
    histories = []
    for setting, seed, own in zip(chosen, seeds, rates, strict=True):
        model = models.build(setting, split.features, split.classes, seed)
        layers = [layer for layer in model if isinstance(layer, nn.Linear)]
        groups = [
            {"params": [*layer.parameters()], "lr": rate}
            for layer, rate in zip(layers, own, strict=True)
        ]
        optimizer = train.OPTIMIZERS[name](groups)
        histories.append(train.fit(model, split, optimizer, steps=40, seed=seed, progress=False))
    return histories


BY_LAYER = [
    [0.001, 0.002, 0.003, 0.004, 0.005],
    [0.05, 0.0, 0.0, 0.0, 0.001],
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [0.003, 0.03, 0.003, 0.03, 0.003],
    [0.02, 0.02, 0.02, 0.02, 0.02],
]


@pytest.mark.parametrize("name", train.OPTIMIZERS)
def test_each_layer_of_each_network_may_have_its_own_rate(doubles, name):
    seeds = [0, 1, 0, 1, 2]
    histories = fit_many(settings(), doubles, train.OPTIMIZERS[name], seeds=seeds, rates=BY_LAYER)
    expected = one_by_one_by_layer(settings(), doubles, name, seeds=seeds, rates=BY_LAYER)
    assert_equal(histories, expected, rel=1e-8)
    assert histories[3].losses[-1] < histories[3].losses[0]


def test_one_rate_for_all_layers_is_the_rate_of_the_network(doubles):
    """Deeper than one stack of layers, whose rates must not be mixed up."""
    chosen = settings(STARTS[1:4], depth=40, width=10)
    rates = [[0.001 * (1 + layer % 3) for layer in range(40)], 0.01, [0.02] * 40]
    histories = fit_many(chosen, doubles, rates=rates)
    seeds = [0, 0, 0]
    layered = [rates[0], [0.01] * 40, rates[2]]
    expected = one_by_one_by_layer(chosen, doubles, "sgd", seeds=seeds, rates=layered)
    assert_equal(histories, expected)
    assert_equal(histories[1:], fit_many(chosen[1:], doubles, rates=[0.01, 0.02]))


def test_a_layer_that_blows_up_stops_its_network_alone(doubles):
    chosen = settings([{}, {}], activation="relu")
    rates = np.array([[0.01] * 5, [0.01, 0.01, 0.01, 0.01, 1e200]])
    histories = fit_many(chosen, doubles, rates=rates)
    assert histories[0].steps == 40
    assert histories[1].steps < 5
    expected = one_by_one_by_layer(chosen, doubles, "sgd", seeds=[0, 0], rates=rates)
    assert_equal(histories, expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_network_that_blows_up_stops_and_leaves_the_others_alone(doubles, name):
    """The second overflows at once, the third after one giant step."""
    chosen = settings([{}, {"gain": 1e200}, {}, {"initialization": "he"}], activation="relu")
    arguments = {"seeds": [0, 1, 2, 3], "rates": [0.01, 0.01, 1e200, 0.02]}
    histories = fit_many(chosen, doubles, OPTIMIZERS[name], **arguments)
    assert_equal(histories, one_by_one(chosen, doubles, OPTIMIZERS[name], **arguments))
    assert [history.steps for history in histories] == [40, 0, 1, 40]
    assert histories[1].stopped.startswith("Stopped at step 0: the loss is ")
    assert histories[2].stopped.startswith("Stopped at step 1: the loss is ")
    assert np.isfinite(histories[0].losses).all()
    alone = fit_many(
        [chosen[0], chosen[3]], doubles, OPTIMIZERS[name], seeds=[0, 3], rates=[0.01, 0.02]
    )
    assert_equal((histories[0], histories[3]), alone)


def test_a_network_that_blows_up_does_not_reach_its_neighbours_in_one_parameter(doubles):
    """Without rates of their own all the networks share every parameter."""
    chosen = settings([{}, {"gain": 1e200}, {"initialization": "he"}], activation="relu")
    for optimizer in OPTIMIZERS.values():
        histories = fit_many(chosen, doubles, optimizer)
        assert_equal(histories, one_by_one(chosen, doubles, optimizer, seeds=[0] * 3))
        assert [history.steps for history in histories] == [40, 0, 40]


@pytest.mark.parametrize("steps", [12, 40])
def test_an_accuracy_is_that_of_the_weights_before_the_step_that_was_not_taken(doubles, steps):
    """One broken sample stops each network when its own order comes to it."""
    inputs = doubles.train_inputs.clone()
    inputs[7] = math.nan
    broken = replace(doubles, train_inputs=inputs)
    seeds = [0, 1, 2, 3, 4]
    histories = fit_many(settings(), broken, steps=steps, seeds=seeds)
    assert_equal(histories, one_by_one(settings(), broken, steps=steps, seeds=seeds))
    assert all(history.test_accuracy > 0.05 for history in histories)
    assert max(history.test_accuracy for history in histories if history.stopped) > 0.3
    assert len({history.steps for history in histories}) > 2
    assert all(history.stopped for history in histories) == (steps == 40)


def test_the_run_ends_when_every_network_has_stopped(split):
    taken = []

    class Spy(torch.optim.SGD):
        def step(self):
            taken.append(1)
            super().step()

    chosen = settings(activation="relu")
    histories = fit_many(chosen, split, partial(Spy, lr=1e30), steps=10**9)
    assert len(taken) == max(history.steps for history in histories) < 5
    assert all(history.stopped for history in histories)


def test_a_run_of_many_repeats_itself_and_leaves_the_random_states_alone(split):
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = fit_many(settings(), split)
    torch.manual_seed(9)
    second = fit_many(settings(), split)
    torch.set_rng_state(before)
    fit_many(settings(), split, seeds=np.arange(5), rates=np.full(5, 0.1))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()
    for one, other in zip(first, second, strict=True):
        assert (one.losses == other.losses).all()


def test_no_steps_measure_many_networks_as_they_are_built(split):
    histories = fit_many(settings(), split, steps=0)
    expected = one_by_one(settings(), split, seeds=[0] * 5, steps=0)
    assert_equal(histories, expected)
    assert [history.losses.shape for history in histories] == [(0,)] * 5


def test_many_networks_share_one_bar_and_it_can_be_left_out(split, capfd, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(_loop, "trange", partial(_loop.trange, disable=False))
    monkeypatch.setattr(_loop, "FIRST", 0)
    fit_many(settings(), split, steps=3, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "/3" in err
    monkeypatch.setattr(_loop, "trange", None)
    assert fit_many(settings(), split, steps=3)[0].steps == 3


@pytest.mark.parametrize(
    ("chosen", "arguments", "error", "sentence"),
    [
        ([], {}, ValueError, "settings must hold at least one setting, and it is empty"),
        (Setting(), {}, TypeError, "settings must be a list of them, got one Setting"),
        (["tanh"], {}, TypeError, "settings must hold models.Setting, got str"),
        (
            [Setting(depth=2), Setting(depth=3)],
            {},
            ValueError,
            "settings must share their depth, got 2 and 3",
        ),
        (
            [Setting(width=8), Setting(), Setting(width=9)],
            {},
            ValueError,
            "settings must share their width, got 8 and 64",
        ),
        (
            [Setting(), Setting(activation="relu")],
            {},
            ValueError,
            "settings must share their activation, got tanh and relu",
        ),
        (
            [Setting(), Setting(norm="batch")],
            {},
            ValueError,
            "settings must have no norm and no skips, got 20 layers of 64 tanh, default, "
            "batch norm",
        ),
        (
            [Setting(depth=4, residual="pre-add")],
            {},
            ValueError,
            "settings must have no norm and no skips, got 4 layers of 64 tanh, default, "
            "pre-add skips",
        ),
        (
            [Setting(activation="prelu")],
            {},
            ValueError,
            "settings must have an activation that learns nothing, got prelu",
        ),
        (None, {"steps": -1}, ValueError, "steps must be at least 0, got -1"),
        (None, {"steps": 5.0}, TypeError, "steps must be a whole number, got 5.0"),
        (None, {"batch_size": 0}, ValueError, "batch_size must be between 1 and 1438, got 0"),
        (
            None,
            {"batch_size": 1439},
            ValueError,
            "batch_size must be between 1 and 1438, got 1439",
        ),
        (None, {"seeds": 0.5}, TypeError, "seeds must be a whole number, got 0.5"),
        (None, {"seeds": [0, 1, None, 2, 3]}, TypeError, "seeds must be a whole number, got None"),
        (
            None,
            {"seeds": [0, 1]},
            ValueError,
            "seeds must have one number for each of the 5 settings, got 2",
        ),
        (
            None,
            {"rates": [0.1] * 6},
            ValueError,
            "rates must have one number for each of the 5 settings, got 6",
        ),
        (
            None,
            {"rates": [0.1, 0.1, 0.1, 0.1, -0.1]},
            ValueError,
            "rates must be finite and zero or positive, got -0.1",
        ),
        (
            None,
            {"rates": [[0.1] * 5, [0.1] * 4, 0.1, 0.1, 0.1]},
            ValueError,
            "rates must have one number for each of the 5 layers, got 4",
        ),
        (
            None,
            {"rates": [0.1, 0.1, 0.1, 0.1, [0.1, 0.1, 0.1, 0.1, math.nan]]},
            ValueError,
            "rates must be finite and zero or positive, got nan",
        ),
        (
            None,
            {"optimizer": None},
            TypeError,
            "optimizer must be a function that makes one, such as "
            "lambda parameters: torch.optim.SGD(parameters, lr=0.1), got NoneType",
        ),
        (
            None,
            {"optimizer": list},
            TypeError,
            "optimizer must return a torch optimizer, got list",
        ),
        (
            None,
            {"optimizer": lambda _: torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)},
            ValueError,
            "optimizer must hold the parameters that it is called with, and it holds none of them",
        ),
    ],
)
def test_nonsense_for_many_is_refused_in_one_sentence(split, chosen, arguments, error, sentence):
    with pytest.raises(error) as caught:
        fit_many(settings() if chosen is None else chosen, split, **arguments)
    assert str(caught.value) == sentence


def test_an_optimizer_that_is_made_already_is_refused(split):
    """What ``fit`` takes; here the parameters do not exist yet."""
    made = torch.optim.SGD(network(split).parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"must be a function that makes one, .* got SGD$"):
        fit_many(settings(), split, made)


# -- Recipes -----------------------------------------------------------------------------

BY_HAND = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_recipe_makes_the_optimizer_of_its_name(doubles, name):
    """Against PyTorch's own class, in its plain loop over the parameters."""
    assert list(train.OPTIMIZERS) == list(BY_HAND)
    runs = {}
    for maker in (train.Recipe(name, rate=0.02), partial(BY_HAND[name], lr=0.02, foreach=False)):
        model = network(doubles)
        losses = train.fit(model, doubles, maker(model.parameters()), steps=40, progress=False)
        runs[maker] = losses.losses
    made, expected = runs.values()
    assert made == pytest.approx(expected, rel=1e-9)
    other = fit(network(doubles), doubles, steps=40, lr=0.3).losses
    assert other[1:] != pytest.approx(expected[1:], rel=1e-3)


@pytest.mark.parametrize("rates", [None, [0.01, 0.02, 0.01, 0.0, 0.02]])
def test_many_networks_train_by_a_recipe(doubles, rates):
    recipe = train.Recipe("adam", rate=0.01, steps=30, batch_size=50)
    arguments = {"steps": recipe.steps, "batch_size": recipe.batch_size, "rates": rates}
    plain = OPTIMIZERS["adam"]
    expected = one_by_one(settings(), doubles, plain, seeds=[0] * 5, **arguments)
    histories = train.fit_many(settings(), doubles, recipe, rates=rates, progress=False)
    assert_equal(histories, expected)


@pytest.mark.parametrize("name", BY_HAND)
def test_fit_takes_a_recipe_as_it_takes_its_optimizer_bit_for_bit(split, name):
    recipe = train.Recipe(name, rate=0.02, steps=25, batch_size=50)
    one, other = network(split), network(split)
    history = train.fit(one, split, recipe, seed=3, progress=False)
    expected = train.fit(
        other, split, recipe(other.parameters()), steps=25, batch_size=50, seed=3, progress=False
    )
    assert (history.losses == expected.losses).all()
    assert history.steps == 25
    assert history.train_accuracy == expected.train_accuracy
    assert history.test_accuracy == expected.test_accuracy
    assert torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("rates", [None, [0.01, 0.02, 0.01, 0.0, 0.02]])
@pytest.mark.parametrize("name", BY_HAND)
def test_fit_many_takes_a_recipe_as_it_takes_its_optimizer_bit_for_bit(split, name, rates):
    recipe = train.Recipe(name, rate=0.02, steps=25, batch_size=50)
    arguments = {"seeds": range(5), "rates": rates, "progress": False}
    histories = train.fit_many(settings(), split, recipe, **arguments)
    expected = train.fit_many(
        settings(), split, recipe.__call__, steps=25, batch_size=50, **arguments
    )
    for history, other in zip(histories, expected, strict=True):
        assert (history.losses == other.losses).all()
        assert history.steps == 25
        assert history.train_accuracy == other.train_accuracy
        assert history.test_accuracy == other.test_accuracy


def test_without_a_recipe_a_batch_has_64_samples_too(split):
    adam = train.Recipe("adam", rate=0.01, steps=3)
    model = network(split)
    made = adam(model.parameters())
    expected = train.fit(network(split), split, adam, progress=False).losses
    assert (train.fit(model, split, made, steps=3, progress=False).losses == expected).all()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"steps": 300}, "steps"),
        ({"steps": 0}, "steps"),
        ({"batch_size": 64}, "batch_size"),
        ({"batch_size": 64, "steps": 300}, "steps and batch_size"),
    ],
)
def test_a_recipe_and_a_length_beside_it_are_refused_in_one_sentence(split, arguments, named):
    model, recipe = network(split), train.Recipe()
    before = weights(model)
    for wrong in (
        lambda: train.fit(model, split, recipe, **arguments),
        lambda: train.fit_many(settings(), split, recipe, **arguments),
    ):
        with pytest.raises(TypeError) as caught:
            wrong()
        assert str(caught.value) == (
            f"{named} must be left out when a Recipe is given, which has its own; for another "
            "value change the recipe with dataclasses.replace"
        )
    assert torch.equal(weights(model), before)


def test_an_optimizer_without_steps_is_refused_in_one_sentence(split):
    model = network(split)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    for wrong in (
        lambda: train.fit(model, split, sgd),
        lambda: train.fit_many(settings(), split, OPTIMIZERS["sgd"]),
    ):
        with pytest.raises(TypeError) as caught:
            wrong()
        assert str(caught.value) == (
            "steps must be given, unless the optimizer is to come from a Recipe"
        )


def test_a_recipe_that_does_not_fit_the_data_is_refused(split):
    recipe = train.Recipe(batch_size=2000)
    for wrong in (
        lambda: train.fit(network(split), split, recipe),
        lambda: train.fit_many(settings(), split, recipe),
    ):
        with pytest.raises(ValueError, match="batch_size must be between 1 and 1438, got 2000"):
            wrong()


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_recipe_keeps_plain_numbers(kind):
    recipe = train.Recipe(rate=kind(0.5), steps=kind(7), batch_size=kind(8))
    assert recipe == train.Recipe(rate=0.5, steps=7, batch_size=8)
    kinds = [type(value) for value in (recipe.rate, recipe.steps, recipe.batch_size)]
    assert kinds == [float, int, int]


def test_a_recipe_prints_shows_and_compares():
    recipe = train.Recipe(rate=1e-3)
    assert str(recipe) == "adam, rate 0.001, 300 steps of 64"
    assert recipe == train.Recipe("adam", 0.001, 300, 64)
    assert len({recipe, train.Recipe(), train.Recipe("sgd")}) == 2
    shown = train.Recipe("sgd", rate=0.1)._repr_html_()
    assert shown.startswith(
        "<table><tr><th>optimizer</th><td>sgd</td></tr><tr><th>rate</th><td>0.1"
    )


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"optimizer": "Adan"}, ValueError, "optimizer 'Adan' is not known; did you mean 'adam'?"),
        (
            {"optimizer": "lion"},
            ValueError,
            "optimizer 'lion' is not known; choose from sgd, momentum, rmsprop, adam, adamw",
        ),
        (
            {"optimizer": torch.optim.SGD},
            TypeError,
            f"optimizer must be a name such as 'sgd', got {torch.optim.SGD!r}",
        ),
        ({"rate": -1}, ValueError, "rate must be finite and zero or positive, got -1"),
        ({"rate": "0.1"}, TypeError, "rate must be a number, got '0.1'"),
        ({"steps": -1}, ValueError, "steps must be at least 0, got -1"),
        ({"steps": 1e3}, TypeError, "steps must be a whole number, got 1000.0"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    ],
)
def test_nonsense_in_a_recipe_is_refused_in_one_sentence(fields, error, sentence):
    with pytest.raises(error) as caught:
        train.Recipe(**fields)
    assert str(caught.value) == sentence


# -- Devices -----------------------------------------------------------------------------


def test_auto_is_the_gpu_if_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert train.find_device().type == train.find_device("auto").type == expected
    for same in ("cpu", "cpu:0", torch.device("cpu")):
        assert train.find_device(same) == torch.device("cpu")
    assert train.place is train.find_device  # the name that it had before


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("gpu", ValueError, "device 'gpu' is not known; choose 'auto', 'cpu' or 'cuda'"),
        ("", ValueError, "device '' is not known; choose 'auto', 'cpu' or 'cuda'"),
        (0, TypeError, "device must be a name such as 'cpu', or a torch.device, got 0"),
        (None, TypeError, "device must be a name such as 'cpu', or a torch.device, got None"),
        *(
            (
                absent,
                ValueError,
                f"device '{absent}' cannot compute on this machine; choose device='auto', which "
                "takes what is there",
            )
            for absent in ("cuda:99", torch.device("cuda:99"), "meta", "xla")
        ),
    ],
)
def test_a_device_that_is_not_there_is_refused_in_one_sentence(split, name, error, sentence):
    model = network(split)
    before = weights(model)
    for wrong in (
        lambda: train.find_device(name),
        lambda: fit(model, split, device=name),
        lambda: fit_many(settings(), split, device=name),
    ):
        with pytest.raises(error) as caught:
            wrong()
        assert str(caught.value) == sentence
    assert torch.equal(weights(model), before)


def test_on_the_device_of_the_model_nothing_is_moved(split, monkeypatch):
    """Not even asked: moving for nothing would cost time and make copies."""
    monkeypatch.setattr(nn.Module, "to", None)
    monkeypatch.setattr(torch.optim.Optimizer, "load_state_dict", None)
    assert _devices.split_on(torch.device("cpu"), split) is split
    assert fit(network(split), split, device="cpu").steps == 30


def test_a_model_on_two_devices_is_refused(split):
    model = network(split)
    model[-1].to("meta")
    with pytest.raises(ValueError, match="must lie on one device, and it lies on cpu and meta: m"):
        fit(model, split, device="cpu")


@pytest.mark.parametrize("name", BY_HAND)
def test_the_state_of_an_optimizer_follows_the_parameters(split, name):
    """To the only other device that every machine has, one that holds no numbers."""
    model, there = network(split), network(split).to("meta")
    optimizer, moved = (BY_HAND[name](net.parameters(), lr=0.01) for net in (model, there))
    train.fit(model, split, optimizer, steps=2, progress=False)
    for parameter, twin in zip(model.parameters(), there.parameters(), strict=True):
        moved.state[twin] = optimizer.state[parameter]
    groups = moved.param_groups
    _devices.move_state(moved)
    assert moved.param_groups is groups
    assert moved.state.keys() == set(there.parameters())
    for key, value in ((k, v) for state in moved.state.values() for k, v in state.items()):
        if isinstance(value, torch.Tensor):
            assert value.is_meta == (key != "step")  # torch counts steps on the CPU


class Traveller(nn.Linear):
    """Writes down where it is sent, and stays where it is."""

    def _apply(self, function, recurse=True):
        self.sent = [*getattr(self, "sent", []), function(torch.empty(0)).device.type]
        return self


def test_a_model_comes_back_when_training_raises(split, monkeypatch):
    model = Traveller(split.features, split.classes)
    monkeypatch.setattr(_fit, "find_device", torch.device)
    with pytest.raises(RuntimeError):  # its weights are still here, the data already there
        fit(model, split, device="meta")
    assert model.sent == ["meta", "cpu"]


# One network that a GPU trains as the CPU does: shallow, and for few steps.
@needs_gpu
@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("maker", [train.OPTIMIZERS, BY_HAND], ids=["recipe", "plain"])
def test_a_gpu_trains_as_the_cpu_does_and_the_model_comes_back(split, name, maker):
    runs = {}
    for where in ("cpu", "cuda"):
        model = network(split, norm="batch")
        seen = []
        model.register_forward_hook(lambda _m, _i, outputs, to=seen: to.append(outputs.device.type))
        view = model[0].weight.detach()
        optimizer = maker[name](model.parameters(), lr=0.005)
        loss_fn = nn.CrossEntropyLoss(weight=torch.ones(split.classes))
        histories = [
            train.fit(
                model, split, optimizer,
                steps=15, seed=seed, device=where, loss_fn=loss_fn, progress=False,
            )
            for seed in (0, 1)
        ]  # fmt: skip
        assert set(seen) == {where}
        home = [*model.parameters(), *model.buffers(), loss_fn.weight]
        home += [p.grad for p in model.parameters()]
        home += [value for state in optimizer.state.values() for value in state.values()]
        assert {t.device.type for t in home if isinstance(t, torch.Tensor)} == {"cpu"}
        assert torch.equal(view, model[0].weight)
        assert model(split.test_inputs).shape == (len(split.test_targets), split.classes)
        optimizer.step()
        runs[where] = np.concatenate([history.losses for history in histories])
    assert runs["cuda"] == pytest.approx(runs["cpu"], rel=2e-2)


@needs_gpu
def test_a_model_that_lives_on_a_gpu_stays_there(split):
    model = network(split).cuda()
    assert fit(model, split).steps == fit(model, split, device="cpu").steps == 30
    assert next(model.parameters()).is_cuda


@needs_gpu
def test_a_model_comes_back_from_a_gpu_when_training_is_interrupted(split):
    model = network(split)
    before = weights(model)
    losses = []

    def impatient(outputs, targets):
        losses.append(functional.cross_entropy(outputs, targets))
        if len(losses) == 4:
            raise KeyboardInterrupt
        return losses[-1]

    with pytest.raises(KeyboardInterrupt):
        fit(model, split, loss_fn=impatient, device="cuda")
    assert losses[0].is_cuda
    assert weights(model).device.type == "cpu"
    assert not torch.equal(weights(model), before)  # three steps were taken


@needs_gpu
@pytest.mark.parametrize("rates", [None, [0.01, 0.001, 0.01, 0.0, 0.001]])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gpu_trains_many_networks_as_the_cpu_does(doubles, name, rates):
    """In float64, in which a GPU and a CPU agree as far as two CPUs do."""
    arguments = {"seeds": [0, 1, 2, 3, 3], "rates": rates}
    there = fit_many(settings(), doubles, OPTIMIZERS[name], device="cuda", **arguments)
    here = fit_many(settings(), doubles, OPTIMIZERS[name], device="cpu", **arguments)
    for one, other in zip(there, here, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-6)
        assert one.test_accuracy == pytest.approx(other.test_accuracy, abs=0.01)


@needs_gpu
def test_a_watch_goes_along_to_a_gpu_and_back(split):
    logs = {}
    for where in ("cpu", "cuda"):
        model = network(split, activation="relu")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        with probe.watch(model, optimizer, every=5) as logs[where]:
            for device in (where, "cpu"):
                train.fit(model, split, optimizer, steps=10, device=device, progress=False)
    for quantity in (
        "gradient_norms", "update_ratios", "activation_mean", "activation_std", "dead_share",
    ):  # fmt: skip
        expected = getattr(logs["cpu"], quantity)
        assert len(expected) == 4
        assert getattr(logs["cuda"], quantity) == pytest.approx(expected, rel=1e-2, abs=1e-3)


# -- The bar -----------------------------------------------------------------------------


def test_the_bar_is_quiet_where_bars_are_switched_off(split, capfd, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(_loop, "trange", partial(_loop.trange, disable=False))
    fit(network(split), split, steps=3, progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("value", [None, "", "0"])
def test_the_bar_shows_where_they_are_not(split, capfd, monkeypatch, value):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if value is not None:
        monkeypatch.setenv("TQDM_DISABLE", value)
    monkeypatch.setattr(_loop, "trange", partial(_loop.trange, disable=False))
    monkeypatch.setattr(_loop, "FIRST", 0)
    fit(network(split), split, steps=3, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "training" in err
    assert "/3" in err


def test_no_progress_means_no_bar_at_all(split, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(_loop, "trange", None)
    assert fit(network(split), split, steps=3, progress=False).steps == 3


@pytest.fixture
def notebook(monkeypatch):
    """A shell as in a notebook, and what it shows: place, page and words of each picture.

    Its clock advances a tenth of a second with each look.
    """
    shell = SimpleNamespace(kernel=None)
    shell.events = EventManager(shell, available_events)
    shell.shown = []

    def publish(content, transient, update):
        shell.shown.append((transient["display_id"], content["text/html"], content["text/plain"]))
        assert update is (transient["display_id"] in [place for place, *_ in shell.shown[:-1]])

    shell.run_to_the_end = lambda: shell.events.trigger("post_run_cell", None)
    shell.words = lambda: [words for *_, words in shell.shown]
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr("IPython.display.publish_display_data", publish)
    clock = SimpleNamespace(perf_counter=itertools.count(step=0.1).__next__)
    monkeypatch.setattr(_bar, "time", clock)
    yield shell
    shell.run_to_the_end()
    assert not shell.events.callbacks["post_run_cell"]


def test_a_cell_has_one_bar_for_all_its_trainings_and_leaves_nothing(split, notebook, capfd):
    for _ in range(3):
        fit(network(split), split, steps=10, progress=True)
    fit_many(settings(), split, steps=10, progress=True)
    assert len({place for place, *_ in notebook.shown}) == 1
    words = notebook.words()
    assert words[0] == "training 1: step 4 of 10, 0:01 left"
    # How long a series takes is not known.
    assert any(re.fullmatch(r"training 4: step \d+ of 10", line) for line in words)
    assert '<progress value="0.400"' in notebook.shown[0][1]
    notebook.run_to_the_end()
    assert notebook.shown[-1][1:] == ("", "")
    fit(network(split), split, steps=10, progress=True)
    assert len({place for place, *_ in notebook.shown}) == 2
    assert notebook.words()[-1].startswith("training 1: ")
    assert capfd.readouterr() == ("", "")


def test_a_short_training_shows_no_bar(split, notebook):
    fit(network(split), split, steps=3, progress=True)
    notebook.run_to_the_end()
    assert notebook.shown == []


def test_the_time_left_is_that_of_all_trainings_where_their_number_is_known(split, notebook):
    for width in train.each([16, 32, 16, 32]):
        fit(network(split, width=width), split, steps=100, progress=True)
    words = notebook.words()
    assert words[0].startswith("1 of 4: step 3 of 100, 0:5")
    # 400 steps of a tenth of a second
    middle = next(line for line in words if line.startswith("3 of 4: "))
    assert middle.rpartition(", ")[2] in ("0:19 left", "0:20 left")
    assert words[-1].rpartition(", ")[2] == "0:00 left"
    shares = [float(re.search('value="(.*?)"', page)[1]) for _, page, _ in notebook.shown]
    assert shares == sorted(shares)
    assert 0.99 < shares[-1] <= 1
    fit(network(split), split, steps=100, progress=True)
    assert notebook.words()[-1].startswith("training 5: ")


def test_a_bar_that_is_hidden_shows_nothing_in_a_notebook(split, notebook, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    for steps in train.each([20, 20]):
        fit(network(split), split, steps=steps, progress=True)
    notebook.run_to_the_end()
    assert notebook.shown == []


def test_an_error_in_a_cell_takes_its_bar_away(split, notebook):
    def breaks(outputs, targets):
        if notebook.shown:
            raise KeyboardInterrupt
        return functional.cross_entropy(outputs, targets)

    with pytest.raises(KeyboardInterrupt):
        fit(network(split), split, steps=100, loss_fn=breaks, progress=True)
    notebook.run_to_the_end()
    assert notebook.words()[-1] == ""
    assert len(notebook.shown) == 2


# -- Accuracy ----------------------------------------------------------------------------


def test_accuracy_counts_each_step_where_each_has_its_class():
    scores = torch.eye(3)[torch.tensor([[0, 1, 2, 2], [1, 1, 0, 0]])]  # (2, 4, 3)
    targets = torch.tensor([[0, 1, 2, 0], [1, 1, 1, 1]])
    assert train.accuracy(torch.nn.Identity(), scores, targets) == 5 / 8


def test_accuracy_measures_in_evaluation_mode_and_keeps_the_mode_of_each_module(split):
    model = nn.Sequential(
        nn.Linear(64, 10), nn.BatchNorm1d(10), nn.Sequential(nn.Dropout(0.9), nn.Identity())
    )
    model[1].eval()
    model[2][1].eval()
    modes = [module.training for module in model.modules()]
    torch.manual_seed(0)
    first = train.accuracy(model, split.test_inputs, split.test_targets)
    assert train.accuracy(model, split.test_inputs, split.test_targets) == first  # no dropout
    assert [module.training for module in model.modules()] == modes
    assert model[1].num_batches_tracked == 0
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_accuracy_keeps_the_modes_when_the_model_raises():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    with pytest.raises(RuntimeError):
        train.accuracy(model, torch.ones(2, 4), torch.zeros(2, dtype=torch.long))
    assert all(module.training for module in model.modules())


def test_outputs_that_are_not_finite_count_as_wrong():
    outputs = torch.tensor(
        [[2.0, 1.0], [1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0], [1.0, -math.inf]]
    )
    targets = torch.zeros(5, dtype=torch.long)
    assert train.accuracy(nn.Identity(), outputs, targets) == pytest.approx(1 / 5)


def test_accuracy_refuses_what_does_not_match():
    model = nn.Identity()
    for inputs, targets, lengths in (
        (torch.ones(0, 2), torch.ones(0), "0 and 0"),
        (torch.ones(3, 2), torch.ones(2), "3 and 2"),
    ):
        with pytest.raises(ValueError, match=f"same length of at least 1, got {lengths}"):
            train.accuracy(model, inputs, targets)


def test_a_number_is_hit_by_all_its_outputs_or_it_is_missed():
    targets = torch.tensor([[1.0, 2.0]] * 6)
    off = torch.tensor([[0, 0], [0.03, -0.03], [0.05, 0], [0, -0.05], [math.nan, 0], [0, math.inf]])
    assert train.accuracy(nn.Identity(), targets + off, targets) == pytest.approx(2 / 6)
    with pytest.raises(ValueError, match=r"shape of the outputs, \(6, 2\), got \(6,\)"):
        train.accuracy(nn.Identity(), targets, targets[:, 0])


def test_accuracy_counts_every_part_of_many_inputs():
    outputs = torch.eye(2).repeat(2300, 1)  # right, wrong, right, ...
    targets = torch.zeros(4600, dtype=torch.long)
    targets[:1000] = torch.arange(1000) % 2
    assert train.accuracy(nn.Identity(), outputs, targets) == pytest.approx(2800 / 4600)


def test_a_run_on_numbers_says_how_many_it_hits():
    split = data.adding(4)
    model = models.build_recurrent(models.RecurrentSetting("gru", 16), 2, 1)
    adam = torch.optim.Adam(model.parameters(), lr=0.02)
    mse = functional.mse_loss
    history = train.fit(model, split, adam, steps=300, loss_fn=mse, progress=False)
    errors = (model(split.test_inputs) - split.test_targets).abs()
    assert history.test_accuracy == pytest.approx((errors < 0.04).double().mean().item())
    assert history.test_accuracy > 0.4


def test_one_thread_is_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train.use_one_thread()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)

"""What record measures, against gradients computed in other ways; and what it leaves alone."""

import gc
import math
import random
import subprocess
import sys
import threading
import weakref
from collections import namedtuple
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.lib.pretty import pretty
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from helpers import initialize, models, probe, theory
from helpers.models import Setting
from helpers.probe import _flow

mse = functional.mse_loss


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


def close(expected, rel=1e-12):
    return pytest.approx(expected, rel=rel, abs=0)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Net(nn.Module):
    """Two hidden layers and whatever a test wants to do with them."""

    def __init__(self, forward, **parts):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.one, self.two, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = forward

    def forward(self, *inputs, **named):
        return self.run(self, *inputs, **named)


def plain(net, x):
    return net.out(torch.tanh(net.two(torch.tanh(net.one(x)))))


X, Y = normal(6, 4), normal(6, 2, seed=1)


# -- Oracles -----------------------------------------------------------------------------


def backpropagation(layers, x, y):
    """Deltas and weight gradients of a tanh network with mean squared error, in numpy."""
    weights = [layer.weight.detach().double().numpy() for layer in layers]
    biases = [layer.bias.detach().double().numpy() for layer in layers]
    signals = [x.double().numpy()]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        signals.append(np.tanh(signals[-1] @ weight.T + bias))
    outputs = signals[-1] @ weights[-1].T + biases[-1]
    deltas = [2 * (outputs - y.double().numpy()) / outputs.size]
    for weight, signal in zip(weights[:0:-1], signals[:0:-1], strict=True):
        deltas.insert(0, deltas[0] @ weight * (1 - signal**2))
    return deltas, [delta.T @ h for delta, h in zip(deltas, signals, strict=False)], signals


def test_a_tanh_network_agrees_with_backpropagation_by_hand():
    setting = Setting(depth=5, width=7, gain=1.5, bias_var=0.3, initialization="xavier")
    model = models.build(setting, 4, 2, seed=3)
    layers = [part for part in model if isinstance(part, nn.Linear)]
    deltas, gradients, signals = backpropagation(layers, X, Y)
    flow = probe.record(model, X, Y, mse)
    assert flow.layer_names == ("0", "2", "4", "6", "8")
    assert flow.delta_norms == close([np.linalg.norm(delta) for delta in deltas])
    assert flow.weight_grad_norms == close([np.linalg.norm(g) for g in gradients])
    sizes = [np.linalg.norm(layer.weight.detach().double().numpy()) for layer in layers]
    assert flow.weight_norms == close(sizes)
    assert flow.grad_to_weight == close(flow.weight_grad_norms / sizes)
    assert flow.activation_mean[:-1] == close([h.mean() for h in signals[1:]])
    assert flow.activation_std[:-1] == close([h.std() for h in signals[1:]])
    saturated = [(1 - h**2 < 0.05).mean() for h in signals[1:]]
    assert flow.saturated_share[:-1] == close(saturated)
    assert np.isnan(flow.activation_mean[-1])  # no activation follows the last layer
    first, *_, last = (np.linalg.norm(delta) for delta in deltas)
    assert flow.decades_lost == close(math.log10(last / first))
    assert flow.relative_delta_norms[0] == close(first / last)
    inner = np.linalg.norm(deltas[1]) / np.linalg.norm(deltas[3])
    assert flow.norm_factor == close(math.sqrt(inner))
    assert flow.connected.all()
    assert flow.delta_norms.dtype == np.float64


def test_weight_gradients_agree_with_finite_differences():
    model = models.build(Setting(depth=3, width=3, activation="softplus"), 2, 2).double()
    x, y = normal(4, 2).double(), normal(4, 2, seed=2).double()
    flow = probe.record(model, x, y, mse)
    assert flow.loss == close(mse(model(x), y).item())
    for layer, measured in zip((model[0], model[2], model[4]), flow.weight_grad_norms, strict=True):
        slopes = []
        for i in range(layer.weight.numel()):
            loss = []
            for step in (1e-5, -1e-5):
                with torch.no_grad():
                    layer.weight.view(-1)[i] += step
                    loss.append(mse(model(x), y).item())
                    layer.weight.view(-1)[i] -= step
            slopes.append((loss[0] - loss[1]) / 2e-5)
        assert measured == close(np.linalg.norm(slopes), rel=1e-8)


@pytest.fixture
def convolutional():
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3),
        nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 2),
    )  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
def test_a_convolutional_network_agrees_with_autograd(convolutional, training):
    model = convolutional.train(training)
    if not training:
        model[1].running_mean += 0.3
    x = normal(5, 1, 8, 8)
    flow = probe.record(model, x, Y[:5], mse)

    twin = model.double()
    signals = [twin[0](x.double())]
    activations = [functional.relu(twin[1](signals[0]))]
    signals.append(twin[3](activations[0]))
    activations.append(functional.gelu(signals[1]))
    signals.append(twin[7](functional.avg_pool2d(activations[1], 2).flatten(1)))
    for signal in signals:
        signal.retain_grad()
    mse(signals[2], Y[:5].double()).backward()
    assert flow.layer_names == ("0", "3", "7")
    assert flow.delta_norms == close([signal.grad.norm().item() for signal in signals])
    gradients = [twin[i].weight.grad.norm().item() for i in (0, 3, 7)]
    assert flow.weight_grad_norms == close(gradients)
    assert flow.activation_mean[:2] == close([h.mean().item() for h in activations])
    deviations = [h.std(correction=0).item() for h in activations]
    assert flow.activation_std[:2] == close(deviations)
    assert [row.kind for row in flow.ledger().rows if row.kind != "skip"] == [
        "weights", "activation", "weights", "activation", "norm",
    ]  # fmt: skip


def test_saturated_and_dead_shares_follow_their_definitions():
    """Layers with known pre-activations: units in columns, samples in rows."""
    layer = nn.Linear(3, 4, bias=False)
    signal = torch.tensor(
        [[-1.0, -2.0, 3.0, 0.5], [-9.0, 2.0, 4.0, -9.0], [-0.5, 1.0, 0.2, 0.0]],
        dtype=torch.float64,
    )
    with torch.no_grad():
        layer.weight.copy_(signal.T)

    def shares(activation):
        model = nn.Sequential(layer, activation, nn.Linear(4, 2))
        flow = probe.record(model, torch.eye(3), Y[:3], mse)
        return flow.saturated_share[0], flow.dead_share[0]

    assert shares(nn.ReLU()) == close((6 / 12, 1 / 4))  # unit 1 is never positive; relu'(0) = 0
    assert shares(nn.LeakyReLU(0.01)) == close((6 / 12, 0))  # at 0 torch takes the slope below
    assert shares(nn.LeakyReLU(0.06)) == close((0, 0))
    saturated = (1 - np.tanh(signal.numpy()) ** 2 < 0.05).mean()
    assert shares(nn.Tanh()) == close((saturated, 0))
    # The slope of GELU is Phi(z) + z phi(z): also small in size near z = -0.75, where it turns.
    z = signal.numpy()
    cdf = np.vectorize(math.erfc)(-z / math.sqrt(2)) / 2
    slope = cdf + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    assert shares(nn.GELU()) == close(((abs(slope) < 0.05).mean(), 0))
    assert shares(nn.Hardtanh(-0.4, 2.5)) == close((7 / 12, 1 / 4))
    assert shares(nn.Hardtanh(-0.4, 0.15)) == close((11 / 12, 3 / 4))  # on either side


def test_dead_units_of_a_convolution_are_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([-50.0, 50.0, 50.0, 50.0]))
    flow = probe.record(model, normal(3, 1, 4, 4), Y[:3], mse)
    assert flow.dead_share[0] == 0.25
    assert flow.saturated_share[0] == 0.25


# -- Every way to write a network --------------------------------------------------------

SPELLINGS = {
    "module": lambda net, z: nn.ReLU()(z),
    "module in place": lambda net, z: nn.ReLU(inplace=True)(z),
    "torch": lambda net, z: torch.relu(z),
    "functional": lambda net, z: functional.relu(z),
    "method": lambda net, z: z.relu(),
    "named argument": lambda net, z: functional.relu(input=z),
    "functional in place": lambda net, z: functional.relu(z, inplace=True),
    "in place by position": lambda net, z: functional.relu(z, True),
    "method in place": lambda net, z: z.relu_(),
    "torch in place": lambda net, z: torch.relu_(z),
    "in place, result thrown away": lambda net, z: (z.relu_(), z)[1],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_relu_gives_the_same_flow(spelling):
    act = SPELLINGS[spelling]
    flow = probe.record(Net(lambda n, x: n.out(act(n, n.two(act(n, n.one(x)))))), X, Y, mse)
    reference = nn.Sequential(
        *(part for layer in Net(plain).children() for part in (layer, nn.ReLU()))
    )[:-1]
    expected = probe.record(reference, X, Y, mse)
    for name in ("delta_norms", "weight_grad_norms", "saturated_share", "dead_share"):
        assert getattr(flow, name) == pytest.approx(getattr(expected, name), nan_ok=True)
    assert flow.activation_std == pytest.approx(expected.activation_std, nan_ok=True)
    kinds = [(row.kind, pytest.approx(row.decades)) for row in expected.ledger().rows]
    assert [(row.kind, row.decades) for row in flow.ledger().rows] == kinds
    assert flow.ledger().rows[1].name == "relu after two"


@pytest.mark.parametrize(
    ("spelled", "function"),
    [
        (lambda z: functional.gelu(z, approximate="tanh"), None),
        (lambda z: z.tanh(), torch.tanh),
        (lambda z: functional.leaky_relu(z, 0.2, True), lambda z: functional.leaky_relu(z, 0.2)),
        (lambda z: functional.leaky_relu_(z, 0.2), lambda z: functional.leaky_relu(z, 0.2)),
        (lambda z: functional.hardtanh(z, -0.2, 0.3), None),
        (lambda z: functional.elu_(z), functional.elu),
        (lambda z: functional.softplus(z, beta=2), None),
        (lambda z: torch.sigmoid_(z), torch.sigmoid),
        (lambda z: torch.prelu(z, torch.tensor([0.3], dtype=z.dtype)), None),
        (lambda z: torch.selu(z), functional.selu),
        (lambda z: torch.special.expit(z), torch.sigmoid),
    ],
)
def test_activations_with_options_keep_them(spelled, function):
    flow = probe.record(Net(lambda n, x: n.out(n.two(spelled(n.one(x))))), X, Y, mse)
    z = Net(plain).one.double()(X.double()).detach().requires_grad_()
    activations = (function or spelled)(z)
    (slopes,) = torch.autograd.grad(activations.sum(), z)
    assert flow.activation_mean[0] == close(activations.mean().item())
    assert flow.saturated_share[0] == close((slopes.abs() < 0.05).double().mean().item())
    (row,) = [row for row in flow.ledger().rows if row.kind == "activation"]
    assert row.name.endswith(" after one")


def test_an_activation_that_nobody_knows_still_gives_the_right_gradient():
    def forward(net, x):
        z = net.two(net.one(x).sin().exp())
        return net.out(z * z.clamp(min=0))

    flow = probe.record(Net(forward), X, Y, mse)
    net = Net(plain).double()
    one = net.one(X.double())
    two = net.two(one.sin().exp())
    out = net.out(two * two.clamp(min=0))
    expected = torch.autograd.grad(mse(out, Y.double()), [one, two, out])
    assert flow.delta_norms == close([gradient.norm().item() for gradient in expected])
    assert np.isnan(flow.activation_mean).all()
    assert flow.ledger().total == close(flow.decades_lost)


def test_an_activation_of_one_number_per_sample_or_of_one_number_is_one_unit():
    def forward(net, x):
        gate = torch.sigmoid(net.out.bias[0])
        score = torch.relu(net.two(torch.tanh(net.one(x))).sum(dim=1) - 100)
        return score[:, None] * gate * torch.sigmoid(torch.arange(2))

    flow = probe.record(Net(forward), X, Y, mse)
    assert flow.layer_names == ("one", "two")
    assert np.isfinite(flow.activation_mean).all()


def test_a_layer_that_runs_twice_has_one_entry_for_both_calls():
    def forward(net, x):
        h = torch.tanh(net.one(x))
        return net.out(torch.tanh(net.two(torch.tanh(net.two(h)))))

    flow = probe.record(Net(forward), X, Y, mse)
    net = Net(plain).double()
    one = net.one(X.double())
    first = net.two(torch.tanh(one))
    second = net.two(torch.tanh(first))
    loss = mse(net.out(torch.tanh(second)), Y.double())
    deltas = torch.autograd.grad(loss, [one, first, second, net.two.weight])
    norms = [delta.norm().item() for delta in deltas]
    assert flow.layer_names == ("one", "two", "out")
    assert flow.delta_norms[:2] == close([norms[0], math.hypot(norms[1], norms[2])])
    assert flow.weight_grad_norms[1] == close(norms[3])
    assert flow.ledger().total == close(flow.decades_lost, rel=1e-9)


def test_the_ledger_adds_up_when_the_first_or_last_layer_runs_twice_or_has_a_rival():
    def twice(net, x):
        return net.two(torch.tanh(net.two(torch.tanh(net.one(x)))))[:, :2]

    def from_the_start(net, x):
        h = torch.tanh(net.two(torch.tanh(net.two(functional.pad(x, (0, 1))))))
        return net.out(h)

    def heads(net, x):
        side = net.one(x)[:, :2]
        return net.out(torch.tanh(net.two(functional.pad(x, (0, 1))))) + side

    for forward in (twice, from_the_start, heads):
        flow = probe.record(Net(forward), X, Y, mse)
        assert flow.ledger().total == pytest.approx(flow.decades_lost, abs=1e-9)


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "inputs",
    [
        (X, 2 * X),
        [X, 2 * X],
        Pair(X, 2 * X),
        {"left": X, "right": 2 * X},
    ],
)
def test_inputs_may_be_several(inputs):
    net = Net(lambda n, left, right: plain(n, left + right))
    flow = probe.record(net, inputs, Y, mse)
    assert flow.delta_norms == close(probe.record(Net(plain), 3 * X, Y, mse).delta_norms, 1e-6)


def test_targets_may_be_several_in_a_named_tuple():
    flow = probe.record(Net(plain), X, Pair(Y, 1), lambda out, y: mse(out, y.left) * y.right)
    assert flow.delta_norms == close(probe.record(Net(plain), X, Y, mse).delta_norms)


def test_integers_go_through_an_embedding():
    words = torch.tensor([[0, 2], [1, 1], [3, 0]])
    net = Net(lambda n, i: plain(n, n.words(i).mean(dim=1)), words=nn.Embedding(4, 4))
    flow = probe.record(net, words, torch.tensor([0, 1, 1]), functional.cross_entropy)
    net.double().out.weight.grad = None
    functional.cross_entropy(net(words), torch.tensor([0, 1, 1])).backward()
    expected = [layer.weight.grad.norm().item() for layer in (net.one, net.two, net.out)]
    assert flow.weight_grad_norms == close(expected)


def test_what_a_forward_pass_makes_itself_gets_the_right_precision():
    """Hand-written recurrent nets start from torch.zeros; others say .float()."""

    def forward(net, x):
        state = torch.zeros(len(x), 5)
        for _ in range(3):
            state = torch.tanh(net.two(state) + net.one(x.float()))
        cell = nn.RNNCell(4, 5)
        assert cell.weight_ih.dtype == torch.float64
        return net.out(input=state)

    flow = probe.record(Net(forward), X, Y, mse)
    assert flow.layer_names == ("two", "one", "out")
    assert torch.get_default_dtype() == torch.float32


def test_weights_made_from_others_have_gradients_too():
    for wrap in (parametrizations.weight_norm, parametrizations.orthogonal):
        net = Net(plain)
        wrap(net.two)
        flow = probe.record(net, X, Y, mse)
        bare = Net(plain)
        with torch.no_grad():
            bare.two.weight.copy_(net.two.weight)
        expected = probe.record(bare, X, Y, mse)
        assert flow.weight_grad_norms == close(expected.weight_grad_norms, rel=1e-5)
        assert flow.weight_norms == close(expected.weight_norms, rel=1e-5)


def test_measuring_in_the_models_own_precision():
    net = Net(plain)
    flow = probe.record(net, X, Y, mse, dtype=None)
    mse(net(X), Y).backward()
    assert flow.weight_grad_norms == close(
        [p.weight.grad.norm().item() for p in net.children()], 1e-6
    )
    assert flow.loss == mse(net(X), Y).item()
    assert flow.loss != probe.record(net, X, Y, mse).loss


def test_gradients_are_measured_where_they_are_switched_off():
    expected = probe.record(Net(plain), X, Y, mse).delta_norms
    with torch.no_grad():
        assert probe.record(Net(plain), X, Y, mse).delta_norms == close(expected)
    with torch.inference_mode():
        assert probe.record(Net(plain), X, Y, mse).delta_norms == close(expected)


# -- Very small, very large, none --------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-30, 1e25, 1e200, 1e290])
def test_norms_neither_underflow_nor_overflow(scale):
    base = probe.record(Net(plain), X, Y, mse)
    flow = probe.record(Net(plain), X, Y, lambda out, y: mse(out, y) * scale)
    assert flow.delta_norms == close(base.delta_norms * scale)
    assert flow.weight_grad_norms == close(base.weight_grad_norms * scale)
    assert flow.decades_lost == close(base.decades_lost, rel=1e-9)


def test_norms_in_float32_neither_underflow_nor_overflow():
    base = probe.record(Net(plain), X, Y, mse, dtype=None)
    for scale in (2.0**-110, 2.0**110):
        flow = probe.record(Net(plain), X, Y, lambda out, y, s=scale: mse(out, y) * s, dtype=None)
        assert flow.delta_norms == close(base.delta_norms * scale, rel=1e-6)


def test_dead_units_have_a_gradient_of_exactly_0_and_a_detached_branch_has_none():
    net = Net(lambda n, x: n.out(torch.relu(n.two(torch.relu(n.one(x))))))
    with torch.no_grad():
        net.one.bias.fill_(-50)
    flow = probe.record(net, X, Y, mse)
    assert flow.delta_norms[0] == 0.0
    assert flow.weight_grad_norms[0] == 0.0
    assert flow.delta_norms[1] > 0
    assert flow.connected.all()
    assert (flow.dead_share[0], flow.saturated_share[0]) == (1.0, 1.0)
    assert flow.decades_lost == math.inf
    rows = flow.ledger().rows
    assert rows[-1].name == "relu after one"
    assert rows[-1].decades == math.inf
    assert all(math.isfinite(row.decades) for row in rows[:-1])

    cut = Net(lambda n, x: n.out(torch.relu(n.two(torch.relu(n.one(x)).detach()))))
    flow = probe.record(cut, X, Y, mse)
    assert list(flow.connected) == [False, True, True]
    assert flow.delta_norms[0] == flow.weight_grad_norms[0] == 0.0
    row = flow.ledger().rows[-1]
    assert (row.name, row.kind, row.decades) == ("between one and relu after two", "skip", math.inf)


def test_a_zero_branch_beside_a_dead_stem_is_not_blamed():
    setting = Setting(depth=4, width=6, activation="relu", residual="rezero")
    model = models.build(setting, 4, 2)
    with torch.no_grad():
        model[0].bias.fill_(-50)
    rows = probe.record(model, X, Y, mse).ledger().rows
    assert (rows[-1].name, rows[-1].decades) == ("relu after 0", math.inf)
    assert all(math.isfinite(row.decades) for row in rows[:-1])


def test_a_loss_without_slope_is_reported_in_words():
    flow = probe.record(Net(plain), X, Y, lambda out, y: (out * 0).sum())
    assert not flow.delta_norms.any()
    assert math.isnan(flow.decades_lost)
    assert flow.ledger().rows == ()


def test_a_gradient_that_overflows_is_not_finite_and_not_an_error():
    flow = probe.record(Net(plain), X, Y, lambda out, y: torch.log(out.sum() * 0))
    assert flow.loss == -math.inf
    assert not np.isfinite(flow.delta_norms[-1])
    assert math.isnan(flow.ledger().total)


# -- The ledger --------------------------------------------------------------------------


def test_the_ledger_of_a_plain_network_agrees_with_backpropagation_by_hand():
    model = models.build(Setting(depth=4, width=6), 4, 2)
    layers = [part for part in model if isinstance(part, nn.Linear)]
    deltas, _, _ = backpropagation(layers, X, Y)
    expected = []
    for i in (3, 2, 1):
        entering = np.linalg.norm(deltas[i])
        leaving = np.linalg.norm(deltas[i] @ layers[i].weight.detach().double().numpy())
        expected.append((f"{2 * i}", "weights", pytest.approx(math.log10(entering / leaving))))
        passed = math.log10(leaving / np.linalg.norm(deltas[i - 1]))
        expected.append((f"tanh after {2 * i - 2}", "activation", pytest.approx(passed)))
    ledger = probe.record(model, X, Y, mse).ledger()
    assert [(row.name, row.kind, row.decades) for row in ledger.rows] == expected


@settings(max_examples=60)
@given(
    depth=st.integers(1, 6),
    activation=st.sampled_from(sorted(theory.ACTIVATIONS)),
    initialization=st.sampled_from(sorted(initialize.INITIALIZERS)),
    norm=st.sampled_from(models.NORMS),
    residual=st.sampled_from(models.RESIDUALS),
    gain=st.floats(0.2, 3),
    seed=st.integers(0, 99),
)
def test_the_rows_of_the_ledger_add_up_to_the_decades_lost(
    depth, activation, initialization, norm, residual, gain, seed
):
    if residual != "none":
        depth = max(depth, 3) + (residual == "fixup") * (max(depth, 3) % 2)
    setting = Setting(depth, 8, activation, initialization, norm, residual, gain)
    flow = probe.record(models.build(setting, 4, 2, seed), X, Y, mse)
    ledger = flow.ledger()
    assert math.isfinite(flow.decades_lost)  # rezero and fixup too: their skips are open
    assert ledger.total == pytest.approx(flow.decades_lost, abs=1e-6)
    assert sum(ledger.by_kind.values()) == pytest.approx(flow.decades_lost, abs=1e-6)
    kinds = {"weights", "activation", "skip"} | ({"norm"} if norm != "none" else set())
    assert set(ledger.by_kind) <= kinds
    assert len(flow.layer_names) == depth


def test_in_a_plain_sigmoid_network_weights_and_slopes_share_the_blame():
    model = models.build(Setting(depth=20, width=64, activation="sigmoid"), 64, 10)
    flow = probe.record(model, normal(64, 64), torch.arange(64) % 10, functional.cross_entropy)
    kinds = flow.ledger().by_kind
    assert set(kinds) == {"weights", "activation"}
    # Nineteen layers at sqrt(chi) = 0.1414: about log10 4 each to the slopes, the rest to W.
    assert kinds["activation"] == pytest.approx(19 * math.log10(4), rel=0.03)
    assert flow.decades_lost == pytest.approx(-19 * math.log10(0.1414), rel=0.03)


def test_skips_bring_gradient_back():
    model = models.build(Setting(depth=20, width=32, residual="pre-add"), 4, 2)
    kinds = probe.record(model, X, Y, mse).ledger().by_kind
    assert kinds["skip"] < -1
    assert kinds["weights"] > 0


def test_records_print_and_show():
    flow = probe.record(Net(lambda n, x: plain(n, x) * 1e-3), X, Y, mse)
    assert str(flow).startswith(f"3 weight layers, loss {flow.loss:.3g}: ")
    assert str(flow).endswith(
        f"{flow.decades_lost:.1f} decades of gradient lost between last and first"
    )
    grows = probe.record(models.build(Setting(depth=9, gain=9), 4, 2), X, Y, mse)
    assert f"{-grows.decades_lost:.1f} decades of gradient gained" in str(grows)
    for layer in ("one", "two", "out"):
        assert f"<td>{layer}</td>" in flow._repr_html_()
    assert f"<td>{flow.delta_norms[1]:.3g}</td>" in flow._repr_html_()
    ledger = flow.ledger()
    assert str(ledger).startswith(f"{ledger.total:.1f} decades lost: weights ")
    assert "<td>tanh after one</td><td>activation</td>" in ledger._repr_html_()
    assert pretty(ledger) == str(ledger)
    single = probe.record(nn.Linear(4, 2), X, Y, mse)
    assert str(single.ledger()) == "0.0 decades lost: one weight layer only"
    assert single.layer_names == ("model",)


def test_the_records_need_no_torch():
    code = f"""
import runpy, sys
runpy.run_path({_flow.__file__!r})
print("numpy" in sys.modules, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


# -- The model is left as it was ---------------------------------------------------------


def everything(model):
    """All that a measurement could change, values and identities."""
    parameters = list(model.parameters())
    legacy = np.random.get_state()
    return {
        "values": [value.clone() for value in model.state_dict().values()],
        "tensors": [id(value) for value in (*parameters, *model.buffers())],
        "gradients": [None if p.grad is None else p.grad.clone() for p in parameters],
        "gradient objects": [id(p.grad) for p in parameters],
        "frozen": [p.requires_grad for p in parameters],
        "modes": [module.training for module in model.modules()],
        "hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for m in model.modules()
        ],
        "attributes": [set(vars(module)) for module in model.modules()],
        "torch": torch.get_rng_state(),
        "numpy": (legacy[1].copy(), legacy[2]),
        "python": random.getstate(),
        "precision": torch.get_default_dtype(),
        "grad mode": torch.is_grad_enabled(),
    }


def same(before, after):
    if type(before) is not type(after):
        return False
    if isinstance(before, torch.Tensor):
        return torch.equal(before, after)
    if isinstance(before, np.ndarray):
        return bool((before == after).all())
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same, before, after))
    return before == after


@contextmanager
def untouched(model):
    before = everything(model)
    yield
    after = everything(model)
    assert [key for key in before if not same(before[key], after[key])] == []


def noisy(net, x):
    """Draws from every global random state, drops out and counts."""
    net.calls = getattr(net, "calls", 0) + 1
    noise = random.random() + np.random.rand() + torch.rand(1)
    return net.out(net.drop(net.norm(torch.tanh(net.one(x))) * noise))


def whole():
    """A model with one of everything: norm, dropout, frozen part, gradients, mixed modes."""
    net = Net(noisy, norm=nn.BatchNorm1d(5), drop=nn.Dropout(0.5), aside=nn.Linear(2, 2))
    net.calls = 0
    net.norm(normal(9, 5))
    net.one.weight.requires_grad_(requires_grad=False)
    mse(net(X), Y).backward()
    net.aside.eval()
    net.register_forward_hook(lambda module, inputs, output: None)
    return net


def boom(*_arguments):
    raise ZeroDivisionError


def test_untouched_sees_what_a_careless_measurement_does():
    def backward(net):
        mse(net(X), Y).backward()

    for harm in (
        backward,
        lambda net: net(X),  # statistics and random states
        lambda net: net.eval(),
        lambda net: net.zero_grad(),
        lambda net: net.one.weight.requires_grad_(),
        lambda net: net.two.register_forward_hook(boom),
        lambda net: setattr(net, "left", 1),
    ):
        with pytest.raises(AssertionError), untouched(net := whole()):
            harm(net)


@pytest.mark.parametrize("mode", [True, False])
def test_the_model_is_left_exactly_as_found(mode):
    net = whole()
    net.train(mode)
    with untouched(net):
        flow = probe.record(net, X, Y, mse)
    assert flow.weight_grad_norms.all()  # the frozen layer is measured like the others
    assert net.calls == 1


@pytest.mark.parametrize(
    ("run", "loss", "error"),
    [
        (lambda net, x: boom(noisy(net, x)), mse, ZeroDivisionError),
        (noisy, boom, ZeroDivisionError),
        (noisy, lambda out, y: out, ValueError),
        (noisy, lambda out, y: mse(y, y), ValueError),
        (lambda net, x: net.two(noisy(net, x)), mse, RuntimeError),
    ],
)
def test_the_model_is_left_exactly_as_found_when_something_raises(run, loss, error):
    net = whole()
    net.run = run
    with untouched(net), pytest.raises(error):
        probe.record(net, X, Y, loss)


class Mark:
    pass


MARKS = weakref.WeakSet()


class Marked(torch.autograd.Function):
    """The identity, with a mark in the graph that tells how long the graph lives."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark = Mark()
        MARKS.add(ctx.mark)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@pytest.mark.parametrize("loss", [mse, boom])
def test_a_measurement_keeps_no_graph_even_when_it_fails(loss):
    net = Net(lambda n, x: plain(n, Marked.apply(n.one.weight[0].sum()) * x))
    with suppress(ZeroDivisionError):
        probe.record(net, X, Y, loss)
    gc.collect()
    assert not MARKS


def test_a_penalty_on_the_models_own_weights_leaves_their_gradients_alone():
    net = whole()

    def loss(outputs, targets):
        return mse(outputs, targets) + sum(p.square().sum() for p in net.parameters())

    with untouched(net):
        probe.record(net, X, Y, loss)


def test_a_loss_module_is_copied_into_the_precision_of_the_measurement():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([0.3, 0.7]))
    flow = probe.record(Net(plain), X, torch.tensor([0, 1, 1, 0, 1, 1]), loss)
    net = Net(plain).double()
    expected = functional.cross_entropy(
        net(X.double()), torch.tensor([0, 1, 1, 0, 1, 1]), weight=loss.weight.double()
    )
    assert flow.loss == close(expected.item())
    assert loss.weight.dtype == torch.float32


def test_a_model_may_keep_tensors_that_are_not_parameters():
    net = Net(lambda n, x: plain(n, x * n.scale) + n.last.mean() + n.pile[0].sum())
    net.scale = torch.tensor(0.1)
    net.last = net.one(X)
    net.pile = [net.last * 2]
    before = (net.last, net.pile[0], net.last.grad_fn)
    flow = probe.record(net, X, Y, mse)
    assert (net.last, net.pile[0], net.last.grad_fn) == before
    assert net.scale.dtype == torch.float32
    assert net.one.weight.grad is None
    net.double()
    expected = mse(
        plain(net, X.double() * net.scale.double()) + net.last.mean() + net.pile[0].sum(),
        Y.double(),
    )
    assert flow.loss == close(expected.item(), rel=1e-6)


def test_batch_norm_measures_in_the_mode_of_the_model():
    model = models.build(Setting(depth=4, width=8, norm="batch"), 4, 2)
    model[1].running_mean += 3
    train = probe.record(model.train(), X, Y, mse)
    evaluation = probe.record(model.eval(), X, Y, mse)
    assert train.activation_mean[0] != pytest.approx(evaluation.activation_mean[0], rel=0.1)
    z = model[0](X)
    expected = torch.tanh((z - z.mean(0)) / torch.sqrt(z.var(0, correction=0) + 1e-5)).mean()
    assert train.activation_mean[0] == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
    z = torch.tanh((z - 3) / math.sqrt(1 + 1e-5))
    assert evaluation.activation_mean[0] == pytest.approx(z.mean().item(), rel=1e-5)


def test_recording_while_watching():
    model = models.build(Setting(depth=3, width=8), 4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = probe.record(model, X, Y, mse)
    with probe.watch(model, optimizer, every=1) as log:
        mse(model(X), Y).backward()
        with untouched(model):
            flow = probe.record(model, 2 * X, Y, mse)
        assert flow.activation_std[0] > expected.activation_std[0]
        optimizer.step()
    assert log.activation_std[0] == pytest.approx(expected.activation_std[:2], rel=1e-5)


@pytest.mark.slow
def test_ten_thousand_layers_are_measured_and_let_go():
    """On a small stack, and with somebody else who holds the graph longest."""
    model = models.build(Setting(10_000, 3, "linear", "orthogonal"), 3, 3)
    flows, held = [], []

    def loss(outputs, targets):
        held.append(outputs)
        return mse(outputs, targets)

    def measure():
        flows.append(probe.record(model, normal(2, 3), torch.zeros(2, 3), loss))
        held.clear()

    usual = threading.stack_size(2**20)
    try:
        thread = threading.Thread(target=measure)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(usual)
    (flow,) = flows
    # Rotations keep every norm.
    assert flow.delta_norms == close(np.full(10_000, flow.delta_norms[-1]), rel=1e-2)
    assert flow.ledger().total == pytest.approx(flow.decades_lost, abs=1e-5)


# -- Bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"model": boom}, TypeError, "model must be a torch.nn.Module, got function"),
        (
            {"model": nn.ReLU()},
            ValueError,
            "model must have parameters to measure, and it has none",
        ),
        (
            {"model": nn.PReLU()},
            ValueError,
            "model must have a linear or convolution layer, and it has none",
        ),
        (
            {"model": nn.LazyLinear(3)},
            ValueError,
            "model must have run once, so that its lazy layers know their size",
        ),
        (
            {"model": Net(lambda n, x: functional.linear(x, n.one.weight)[:, :2])},
            ValueError,
            "model must call its linear or convolution layers, and it calls none",
        ),
        (
            {"inputs": X.numpy()},
            TypeError,
            "inputs must be a tensor, or a tuple or dict of tensors, got ndarray",
        ),
        (
            {"inputs": ()},
            TypeError,
            "inputs must be a tensor, or a tuple or dict of tensors, got tuple",
        ),
        ({"inputs": X[:0]}, ValueError, "inputs must hold at least one sample, got shape (0, 4)"),
        (
            {"inputs": torch.where(X > 1, math.nan, X)},
            ValueError,
            "inputs must be finite, and they hold a nan or an infinity",
        ),
        (
            {"inputs": {"x": X / 0}},
            ValueError,
            "inputs must be finite, and they hold a nan or an infinity",
        ),
        (
            {"loss_fn": lambda out, y: (out - y) ** 2},
            ValueError,
            "loss_fn must return one number (a scalar tensor), got shape (6, 2)",
        ),
        (
            {"loss_fn": lambda out, y: mse(out, y).item()},
            ValueError,
            "loss_fn must return one number (a scalar tensor), got float",
        ),
        (
            {"loss_fn": lambda out, y: mse(out.detach(), y)},
            ValueError,
            "loss_fn must return a loss that depends on the model's weights",
        ),
    ],
)
def test_nonsense_is_refused_in_one_sentence(arguments, error, sentence):
    arguments = {"model": Net(plain), "inputs": X, "targets": Y, "loss_fn": mse, **arguments}
    with pytest.raises(error) as caught:
        probe.record(**arguments)
    assert str(caught.value) == sentence


# -- Through time ------------------------------------------------------------------------


class Cells(nn.Module):
    """A recurrent layer and a readout of its states, as a test wants it."""

    def __init__(self, cell, read=lambda states: states[:, -1]):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(8)
            self.cell, self.out = cell(), nn.Linear(5, 2)
        self.read = read

    def forward(self, inputs):
        return self.out(self.read(self.cell(inputs)[0]))


SEQUENCES = normal(6, 9, 3, seed=2)


def by_hand(kind, single, inputs, targets, read):
    """Step through a one-layer cell with PyTorch's cell for one step; norms at its states."""
    model = Cells(lambda: kind(3, 5, batch_first=True), read).double()
    step = single(3, 5).double()
    step.load_state_dict({name[:-3]: w for name, w in model.cell.state_dict().items()})
    state, states, hidden = None, [], []
    for one in inputs.double().unbind(dim=1):
        state = step(one, state)
        # Copies: what the c of an LSTM does to the h of the same step is not asked for.
        parts = [part.clone() for part in (state if isinstance(state, tuple) else (state,))]
        for part in parts:
            part.retain_grad()
        state = tuple(parts) if isinstance(state, tuple) else parts[0]
        states.append(parts)
        hidden.append(parts[0])
    mse(model.out(read(torch.stack(hidden, dim=1))), targets.double()).backward()
    return [
        math.sqrt(sum(part.grad.square().sum() for part in parts if part.grad is not None))
        for parts in states
    ]


@pytest.mark.parametrize(
    ("kind", "single"),
    [(nn.RNN, nn.RNNCell), (nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell)],
)
@pytest.mark.parametrize("read", [lambda states: states[:, -1], lambda states: states.mean(dim=1)])
def test_gradients_through_time_are_those_of_single_steps(kind, single, read):
    model = Cells(lambda: kind(3, 5, batch_first=True), read)
    norms = probe.through_time(model, SEQUENCES, Y, mse)
    assert norms.shape == (9,)
    assert norms.dtype == np.float64
    assert norms == close(by_hand(kind, single, SEQUENCES, Y, read), 1e-11)


def test_layers_batch_axis_and_missing_batch_make_no_difference_to_the_time_axis():
    def layers(first):
        return Cells(
            lambda: nn.GRU(3, 5, num_layers=2, batch_first=first),
            lambda states: states[:, -1] if first else states[-1],
        )

    expected = probe.through_time(layers(True), SEQUENCES, Y, mse)
    found = probe.through_time(layers(False), SEQUENCES.transpose(0, 1), Y, mse)
    assert found == close(expected)
    single = probe.through_time(layers(False), SEQUENCES[0], Y[0], mse)
    assert single == close(probe.through_time(layers(True), SEQUENCES[:1], Y[:1], mse))


def test_a_linear_chain_fades_by_its_weight_and_far_beyond_float32():
    def chain(weight):
        cell = nn.RNN(1, 1, nonlinearity="relu", batch_first=True)
        for parameter, value in zip(cell.parameters(), (1.0, weight, 0.0, 0.0), strict=True):
            nn.init.constant_(parameter, value)
        return cell

    def model(weight):
        net = Cells(lambda: chain(weight))
        net.out = nn.Linear(1, 1)
        return net

    inputs, targets = torch.ones(1, 101, 1), torch.zeros(1, 1)
    norms = probe.through_time(model(0.25), inputs, targets, mse)
    assert norms / norms[-1] == close(0.25 ** np.arange(100, -1, -1.0))
    assert norms[0] < 1e-55
    norms = probe.through_time(model(1e-3), inputs, targets, mse)
    assert norms[0] / norms[-1] == close(float(torch.tensor(1e-3)) ** 100, 1e-9)
    norms = probe.through_time(model(0.0), inputs, targets, mse)
    assert norms[-1] > 0
    assert not norms[:-1].any()


def test_a_model_that_steps_by_itself_is_measured_too():
    class Own(Cells):
        def forward(self, inputs):
            state, outputs = None, []
            for one in inputs.split(1, dim=1):
                output, state = self.cell(one, state)
                outputs.append(output)
            return self.out(torch.cat(outputs, dim=1)[:, -1])

    lstm = lambda: nn.LSTM(3, 5, batch_first=True)  # noqa: E731
    expected = probe.through_time(Cells(lstm), SEQUENCES, Y, mse)
    assert probe.through_time(Own(lstm), SEQUENCES, Y, mse) == close(expected)


def test_looking_through_time_leaves_everything_as_it_was():
    model = Cells(lambda: nn.LSTM(3, 5, num_layers=2, dropout=0.5, batch_first=True))
    model.cell.weight_hh_l0.requires_grad_(requires_grad=False)
    mse(model(SEQUENCES), Y).backward()
    with untouched(model), torch.no_grad():
        norms = probe.through_time(model, SEQUENCES, Y, mse)
    assert (norms > 0).all()
    with untouched(model), pytest.raises(ZeroDivisionError):
        probe.through_time(model, SEQUENCES, Y, boom)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"model": "net"}, TypeError, "model must be a torch.nn.Module, got str"),
        (
            {"model": nn.Linear(3, 2)},
            ValueError,
            "model must have exactly one nn.RNN, nn.LSTM or nn.GRU, of one direction, got 0",
        ),
        (
            {"model": nn.ModuleList([nn.GRU(3, 5), nn.GRU(5, 5)])},
            ValueError,
            "model must have exactly one nn.RNN, nn.LSTM or nn.GRU, of one direction, got 2",
        ),
        (
            {"model": nn.GRU(3, 5, bidirectional=True)},
            ValueError,
            "model must have exactly one nn.RNN, nn.LSTM or nn.GRU, of one direction, "
            "got one of two",
        ),
        (
            {"inputs": SEQUENCES[:0]},
            ValueError,
            "inputs must hold at least one sample, got shape (0, 9, 3)",
        ),
        (
            {"loss_fn": lambda out, y: out - y},
            ValueError,
            "loss_fn must return one number (a scalar tensor), got shape (6, 2)",
        ),
        (
            {
                "model": Net(
                    lambda net, x: net.out(x.mean(1).repeat(1, 2)[:, :5]), cell=nn.GRU(3, 5)
                )
            },
            ValueError,
            "model must call its recurrent layer, and it does not",
        ),
    ],
)
def test_what_has_no_time_is_refused_in_one_sentence(arguments, error, sentence):
    usual = {
        "model": Cells(lambda: nn.GRU(3, 5, batch_first=True)),
        "inputs": SEQUENCES,
        "targets": Y,
        "loss_fn": mse,
    }
    with pytest.raises(error) as caught:
        probe.through_time(**{**usual, **arguments})
    assert str(caught.value) == sentence


def test_packed_sequences_are_refused():
    def packed(net, inputs):
        return net.out(net.cell(nn.utils.rnn.pack_sequence(list(inputs)))[1][-1])

    model = Net(packed, cell=nn.GRU(3, 5))
    with pytest.raises(ValueError, match="recurrent layer on a tensor, got PackedSequence"):
        probe.through_time(model, SEQUENCES, Y, mse)


# ---- agreement ------------------------------------------------------------------------


def test_agreement_is_the_cosine_of_two_gradients():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, y = normal(6, 3), normal(6, 2, seed=1)
    expected = []
    for layer in (net[0], net[2]):
        both = []
        for half in (slice(0, 3), slice(3, 6)):
            (gradient,) = torch.autograd.grad(mse(net(x[half]), y[half]), layer.weight)
            both.append(gradient.double())
        one, other = both
        expected.append(((one * other).sum() / (one.norm() * other.norm())).item())
    assert probe.agreement(net, x, y, mse) == pytest.approx(expected, abs=1e-6)


def test_agreement_of_a_batch_with_itself_and_with_its_opposite():
    net, x = nn.Linear(3, 2), normal(4, 3)
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    y = normal(4, 2, seed=1)
    assert probe.agreement(net, torch.cat([x, x]), torch.cat([y, y]), mse) == close([1.0])
    assert probe.agreement(net, torch.cat([x, x]), torch.cat([y, -y]), mse) == close([-1.0])


def test_agreement_leaves_the_model_alone_and_sees_a_gradient_of_zero():
    net, x = nn.Linear(3, 2), normal(4, 3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = probe.agreement(net, torch.cat([torch.zeros(4, 3), x]), torch.zeros(8, 2), mse)
    assert np.isnan(found).all()
    assert net.weight.grad is None
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_agreement_wants_two_samples_and_as_many_targets():
    net = nn.Linear(3, 2)
    for inputs, targets in ((normal(1, 3), normal(1, 2)), (normal(4, 3), normal(3, 2))):
        with pytest.raises(ValueError, match="same length of at least 2"):
            probe.agreement(net, inputs, targets, mse)

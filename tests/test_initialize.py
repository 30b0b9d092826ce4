"""The initialisers against the variances that their authors state."""

import math

import pytest
import torch
from torch import nn

from helpers import initialize

# What the papers say, written down again: Var W from fan_in, fan_out and number of units.
STATED = {
    "default": lambda fan_in, fan_out, units: 1 / (3 * fan_in),
    "xavier": lambda fan_in, fan_out, units: 2 / (fan_in + fan_out),
    "he": lambda fan_in, fan_out, units: 2 / fan_in,
    "lecun": lambda fan_in, fan_out, units: 1 / fan_in,
    "orthogonal": lambda fan_in, fan_out, units: 1 / max(fan_in, units),
}
# Layer, fan_in, fan_out, units; as many weights as make the sampling error small.
LAYERS = {
    "wide to narrow": (lambda: nn.Linear(500, 100), 500, 100, 100),
    "narrow to wide": (lambda: nn.Linear(100, 500), 100, 500, 500),
    "convolution": (lambda: nn.Conv2d(24, 60, 5), 24 * 25, 60 * 25, 60),
    "small to large convolution": (lambda: nn.Conv1d(40, 400, 3), 120, 1200, 400),
}


def test_every_initialiser_is_tested_here():
    assert set(initialize.INITIALIZERS) == {*STATED, "lsuv"}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", STATED)
def test_weights_have_mean_0_and_the_stated_variance(name, layer):
    make, fan_in, fan_out, units = LAYERS[layer]
    expected = STATED[name](fan_in, fan_out, units)
    weight = initialize.apply(make(), name, seed=1).weight.double()
    assert initialize.fans(weight) == (fan_in, fan_out)
    reads_units = name == "orthogonal"
    stated = initialize.variance(name, fan_in, units if reads_units else fan_out)
    assert stated == pytest.approx(expected, rel=1e-12)
    # The estimate of a variance from n normal numbers is off by sqrt(2 / n).
    assert weight.var().item() == pytest.approx(expected, rel=5 * math.sqrt(2 / weight.numel()))
    assert abs(weight.mean()) < 5 * math.sqrt(expected / weight.numel())


@pytest.mark.parametrize("name", [*STATED, "lsuv"])
def test_gain_multiplies_the_standard_deviation(name):
    def weight(gain):
        inputs = torch.randn(64, 50, generator=torch.Generator().manual_seed(0))
        return initialize.apply(nn.Linear(50, 30), name, gain=gain, inputs=inputs).weight

    torch.testing.assert_close(weight(1.7), 1.7 * weight(1.0))
    plain, stretched = (initialize.variance(name, 50, 30, gain) for gain in (1.0, 1.7))
    assert stretched == pytest.approx(1.7**2 * plain)


def test_biases_are_zero_or_what_their_author_draws_or_what_is_asked_for():
    layer = nn.Linear(12, 20_000)
    for name in set(STATED) - {"default"}:
        assert not initialize.apply(layer, name).bias.any()
        layer.bias.data.fill_(1.0)
    bias = initialize.apply(layer, "default").bias
    assert bias.var().item() == pytest.approx(1 / (3 * 12), rel=0.05)
    assert bias.abs().max() <= 1 / math.sqrt(12)
    for name in ("default", "he"):
        bias = initialize.apply(layer, name, bias_var=0.3).bias
        assert bias.var().item() == pytest.approx(0.3, rel=0.05)
        assert bias.abs().max() > 3 * math.sqrt(0.3)  # normal, not uniform
        assert not initialize.apply(layer, name, bias_var=0).bias.any()


def test_default_draws_what_pytorch_draws():
    torch.manual_seed(7)
    fresh = nn.Sequential(nn.Linear(5, 4), nn.Conv2d(3, 2, 3), nn.Linear(4, 6, bias=False))
    drawn = nn.Sequential(nn.Linear(5, 4), nn.Conv2d(3, 2, 3), nn.Linear(4, 6, bias=False))
    initialize.apply(drawn, "default", seed=7)
    for mine, theirs in zip(drawn.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(("units", "inputs"), [(40, 40), (25, 60), (60, 25)])
def test_orthogonal_has_orthonormal_rows_or_columns(units, inputs):
    weight = initialize.apply(nn.Linear(inputs, units), "orthogonal", gain=1.5).weight.double()
    gram = weight @ weight.T if units <= inputs else weight.T @ weight
    torch.testing.assert_close(
        gram, 1.5**2 * torch.eye(min(units, inputs)).double(), atol=1e-5, rtol=0
    )


def test_the_seed_alone_decides_and_the_global_random_state_stays():
    def weight(name, seed):
        model = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 6))
        inputs = torch.ones(20, 6)
        before = torch.get_rng_state()
        initialize.apply(model, name, seed=seed, inputs=inputs)
        assert torch.equal(torch.get_rng_state(), before)
        return model[0].weight.detach().clone()

    for name in initialize.INITIALIZERS:
        torch.manual_seed(1)
        first = weight(name, 4)
        torch.manual_seed(2)
        assert torch.equal(weight(name, 4), first)
        assert not torch.equal(weight(name, 5), first)


def test_layers_of_one_model_are_drawn_independently():
    model = initialize.apply(nn.Sequential(nn.Linear(9, 9), nn.Linear(9, 9)), "he")
    assert not torch.equal(model[0].weight, model[1].weight)


# -- LSUV --------------------------------------------------------------------------------


def pre_activations(model, inputs):
    """The outputs of each weight layer, less its bias."""
    seen = []

    def keep(layer, _inputs, output):
        bias = layer.bias
        if bias is not None and output.ndim == 4:
            bias = bias[:, None, None]
        seen.append(output if bias is None else output - bias)

    handles = [
        module.register_forward_hook(keep)
        for module in model.modules()
        if isinstance(module, initialize.WEIGHT_LAYERS)
    ]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("bias_var", [None, 0.2])
def test_lsuv_gives_every_layer_unit_variance_on_the_batch(gain, bias_var):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Linear(32, 5),
    )  # fmt: skip
    inputs = 3 + 2 * torch.randn(40, 2, 8, 8)
    initialize.apply(model, "lsuv", gain=gain, bias_var=bias_var, inputs=inputs)
    signals = pre_activations(model, inputs)
    assert len(signals) == 4
    for signal in signals:
        assert signal.var(correction=0).item() == pytest.approx(gain**2, rel=1e-4)


def test_lsuv_leaves_the_statistics_of_norm_layers_alone():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    initialize.apply(model, "lsuv", inputs=5 + torch.randn(30, 4))
    assert not model[1].running_mean.any()
    assert model[1].num_batches_tracked == 0


def test_lsuv_leaves_a_layer_without_signal_at_its_own_scale():
    layer = initialize.apply(nn.Linear(4, 4), "lsuv", inputs=torch.zeros(5, 4))
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(4), atol=1e-5, rtol=0)
    single = initialize.apply(nn.Linear(4, 1), "lsuv", inputs=torch.ones(1, 4))
    assert torch.isfinite(single.weight).all()


def test_lsuv_puts_everything_back_when_the_model_does_not_take_the_inputs():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(7, 2))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(RuntimeError):
        initialize.apply(model, "lsuv", inputs=torch.randn(30, 4))
    assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)
    assert not any(module._forward_hooks for module in model.modules())


# -- Bad input ---------------------------------------------------------------------------

NAMES = "default, xavier, he, lecun, orthogonal, lsuv"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"name": "kaiming"}, ValueError, f"name 'kaiming' is not known; choose from {NAMES}"),
        (
            {"name": "orthogonl"},
            ValueError,
            "name 'orthogonl' is not known; did you mean 'orthogonal'?",
        ),
        ({"name": None}, TypeError, "name must be a name such as 'default', got None"),
        ({"gain": 0}, ValueError, "gain must be finite and positive, got 0"),
        ({"gain": -2.0}, ValueError, "gain must be finite and positive, got -2.0"),
        ({"gain": math.nan}, ValueError, "gain must be finite and positive, got nan"),
        ({"gain": "2"}, TypeError, "gain must be a number, got '2'"),
        ({"bias_var": -1}, ValueError, "bias_var must be finite and zero or positive, got -1"),
        (
            {"bias_var": math.inf},
            ValueError,
            "bias_var must be finite and zero or positive, got inf",
        ),
        ({"seed": 1.5}, TypeError, "seed must be a whole number, got 1.5"),
        (
            {"name": "lsuv"},
            ValueError,
            "inputs must be a batch of data when the initialiser is 'lsuv'",
        ),
        (
            {"name": "lsuv", "inputs": torch.tensor([[math.nan] * 3])},
            ValueError,
            "inputs must be finite, and they hold a nan or an infinity",
        ),
        (
            {"model": nn.ReLU()},
            ValueError,
            "model must have a linear or convolution layer, and it has none",
        ),
        ({"model": "net"}, TypeError, "model must be a torch.nn.Module, got str"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_nothing_changes(arguments, error, sentence):
    layer = nn.Linear(3, 4)
    before = layer.weight.detach().clone()
    with pytest.raises(error) as caught:
        initialize.apply(**{"model": layer, "name": "he", **arguments})
    assert str(caught.value) == sentence
    assert torch.equal(layer.weight, before)


def test_variance_and_fill_know_the_same_names():
    with pytest.raises(ValueError, match=r"^name 'He' is not known; did you mean 'he'\?$"):
        initialize.variance("He", 3, 3)
    with pytest.raises(ValueError, match=r"^name 'He' is not known; did you mean 'he'\?$"):
        initialize.fill(nn.Linear(2, 2), "He", torch.Generator())

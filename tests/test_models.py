"""Settings refuse what makes no sense; networks are what their setting says."""

import copy
import importlib.util
import math
import pickle
import sys
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers import data, initialize, models, probe, theory, train
from helpers.models import Setting, _fused

ACTIVATIONS = sorted(theory.ACTIVATIONS)
INITIALIZATIONS = sorted(initialize.INITIALIZERS)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weight_layers(model):
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


# -- Settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"depth": 0}, ValueError, "depth must be at least 1, got 0"),
        ({"depth": -1}, ValueError, "depth must be at least 1, got -1"),
        ({"depth": 2.5}, TypeError, "depth must be a whole number, got 2.5"),
        ({"depth": 2.0}, TypeError, "depth must be a whole number, got 2.0"),
        ({"depth": True}, TypeError, "depth must be a whole number, got True"),
        ({"depth": "20"}, TypeError, "depth must be a whole number, got '20'"),
        ({"depth": None}, TypeError, "depth must be a whole number, got None"),
        ({"width": 0}, ValueError, "width must be at least 1, got 0"),
        ({"width": 64.0}, TypeError, "width must be a whole number, got 64.0"),
        (
            {"activation": "sigmiod"},
            ValueError,
            "activation 'sigmiod' is not known; did you mean 'sigmoid'?",
        ),
        (
            {"activation": "ReLU"},
            ValueError,
            "activation 'ReLU' is not known; did you mean 'relu'?",
        ),
        (
            {"activation": torch.tanh},
            TypeError,
            f"activation must be a name such as 'linear', got {torch.tanh!r}",
        ),
        (
            {"initialization": "Xavier"},
            ValueError,
            "initialization 'Xavier' is not known; did you mean 'xavier'?",
        ),
        (
            {"initialization": "zzz"},
            ValueError,
            "initialization 'zzz' is not known; choose from default, xavier, he, lecun, "
            "orthogonal, lsuv",
        ),
        (
            {"norm": "batchnorm"},
            ValueError,
            "norm 'batchnorm' is not known; did you mean 'batch'?",
        ),
        ({"norm": None}, TypeError, "norm must be a name such as 'none', got None"),
        (
            {"residual": "preadd"},
            ValueError,
            "residual 'preadd' is not known; did you mean 'pre-add'?",
        ),
        ({"residual": True}, TypeError, "residual must be a name such as 'none', got True"),
        ({"gain": 0}, ValueError, "gain must be finite and positive, got 0"),
        ({"gain": -1.0}, ValueError, "gain must be finite and positive, got -1.0"),
        ({"gain": math.nan}, ValueError, "gain must be finite and positive, got nan"),
        ({"gain": math.inf}, ValueError, "gain must be finite and positive, got inf"),
        ({"gain": "1"}, TypeError, "gain must be a number, got '1'"),
        (
            {"bias_var": -0.1},
            ValueError,
            "bias_var must be finite and zero or positive, got -0.1",
        ),
        (
            {"bias_var": math.nan},
            ValueError,
            "bias_var must be finite and zero or positive, got nan",
        ),
        (
            {"bias_var": math.inf},
            ValueError,
            "bias_var must be finite and zero or positive, got inf",
        ),
        ({"bias_var": True}, TypeError, "bias_var must be a number, got True"),
        (
            {"norm": "group", "width": 12},
            ValueError,
            "width must be a multiple of 8 for norm='group', got 12",
        ),
        (
            {"residual": "scaled", "depth": 2},
            ValueError,
            "depth must be at least 3 for residual='scaled', got 2",
        ),
        (
            {"residual": "fixup", "depth": 5},
            ValueError,
            "depth must be even for residual='fixup' (two weight layers per block, one before "
            "and one after), got 5",
        ),
    ],
)
def test_a_setting_refuses_nonsense_in_one_sentence(fields, error, sentence):
    with pytest.raises(error) as caught:
        Setting(**fields)
    assert str(caught.value) == sentence


def test_numbers_from_numpy_are_numbers():
    setting = Setting(depth=np.int64(3), width=np.int32(8), gain=np.float32(2), bias_var=0)
    assert len(weight_layers(models.build(setting, 4, 2))) == 3


@pytest.mark.parametrize("kind", [np.array, torch.tensor, np.float64])
def test_a_setting_keeps_plain_numbers(kind):
    """So that settings compare, hash and print, wherever their numbers came from."""
    setting = Setting(gain=kind(2.0), bias_var=kind(0.5))
    assert setting == Setting(gain=2, bias_var=0.5)
    assert hash(setting) == hash(Setting(gain=2.0, bias_var=0.5))
    assert type(setting.gain) is type(setting.bias_var) is float
    assert type(Setting(depth=np.int64(3)).depth) is int
    assert "gain=2," in repr(Setting(gain=2))
    recurrent = models.RecurrentSetting(forget_bias=kind(1.0), gain=kind(2.0))
    assert recurrent == models.RecurrentSetting(forget_bias=1, gain=2)
    assert type(recurrent.forget_bias) is float


def test_a_setting_is_a_value():
    assert Setting(depth=3) == Setting(depth=3) != Setting(depth=4)
    assert len({Setting(depth=3), Setting(depth=3)}) == 1
    with pytest.raises(AttributeError):
        Setting().depth = 3


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "20 layers of 64 tanh, default"),
        (
            {"norm": "batch", "residual": "pre-add", "gain": 0.5, "bias_var": 0.05},
            "20 layers of 64 tanh, default, batch norm, pre-add skips, gain 0.5, "
            "bias variance 0.05",
        ),
    ],
)
def test_a_setting_prints_in_words_and_shows_all_its_fields(fields, text):
    setting = Setting(**fields)
    assert str(setting) == text
    table = setting._repr_html_()
    for name, value in {"depth": 20, "width": 64, "norm": "none", **fields}.items():
        assert f"<tr><th>{name}</th><td>{value}</td></tr>" in table


@pytest.mark.parametrize(
    ("depth", "residual", "blocks"),
    [
        (7, "none", 0),
        (7, "pre-add", 5),
        (7, "rezero", 5),
        (8, "fixup", 3),
        (3, "scaled", 1),
        (7, "pre-act-half", 5),
    ],
)
def test_a_setting_counts_its_blocks(depth, residual, blocks):
    setting = Setting(depth=depth, width=8, residual=residual)
    assert setting.blocks == blocks
    built = sum(isinstance(part, models.Residual) for part in models.build(setting, 3, 2))
    assert built == blocks


@pytest.mark.parametrize("initialization", sorted(set(INITIALIZATIONS) - {"lsuv"}))
@pytest.mark.parametrize("bias_var", [None, 0.2])
def test_the_variances_for_the_theory_are_those_of_the_hidden_layers(initialization, bias_var):
    setting = Setting(
        depth=4, width=250, initialization=initialization, gain=1.3, bias_var=bias_var
    )
    weight_var, stated_bias_var = setting.variances
    hidden = weight_layers(models.build(setting, 10, 3))[1:-1]
    weights = torch.stack([layer.weight for layer in hidden])
    biases = torch.stack([layer.bias for layer in hidden])
    assert 250 * weights.var().item() == pytest.approx(weight_var, rel=0.03)
    assert biases.var().item() == pytest.approx(stated_bias_var, rel=0.2, abs=1e-12)


# -- Activations -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_module_of_an_activation_is_the_function_of_the_theory(name):
    inputs = torch.linspace(-9, 9, 3001, dtype=torch.float64)
    module = models.activation_module(name).double()
    torch.testing.assert_close(module(inputs), theory.ACTIVATIONS[name](inputs))
    if name != "linear":
        assert isinstance(module, models.ACTIVATION_MODULES)


def test_layers_that_are_not_an_activation_do_not_count_as_one():
    for module in (nn.Identity(), nn.Linear(1, 1), nn.BatchNorm1d(1), nn.Dropout()):
        assert not isinstance(module, models.ACTIVATION_MODULES)


def test_an_activation_module_shows_its_name():
    assert str(models.activation_module("centered_sigmoid")) == "Activation(centered_sigmoid)"


# -- Networks ----------------------------------------------------------------------------

# Every activation with every norm and skip; every initialisation with every norm and skip.
FORMS = list(product(models.NORMS, models.RESIDUALS))
COMBINATIONS = [
    (activation, INITIALIZATIONS[(i + j) % len(INITIALIZATIONS)], *form)
    for i, activation in enumerate(ACTIVATIONS)
    for j, form in enumerate(FORMS)
] + [
    (("sigmoid", "gelu")[i % 2], name, *FORMS[i])
    for name in INITIALIZATIONS
    for i in range(len(FORMS))
]


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "residual"), FORMS)
def test_all_combinations_run_forward_and_backward(norm, residual):
    inputs = normal(4, 5)
    tested = [kind for kind in COMBINATIONS if kind[2:] == (norm, residual)]
    assert {kind[0] for kind in tested} == set(ACTIVATIONS)
    assert {kind[1] for kind in tested} == set(INITIALIZATIONS)
    for activation, initialization, *_ in tested:
        setting = Setting(4, 8, activation, initialization, norm, residual)
        model = models.build(setting, 5, 3)
        assert len(weight_layers(model)) == setting.depth
        outputs = model(inputs)
        assert outputs.shape == (4, 3)
        assert outputs.dtype == torch.float32
        outputs.square().sum().backward()
        for parameter in model.parameters():
            assert parameter.grad is not None  # everything built is used
            assert torch.isfinite(parameter.grad).all()
        assert model.training


def test_one_layer_is_one_matrix():
    model = models.build(Setting(depth=1, norm="batch"), 5, 3)
    assert [type(part) for part in model] == [nn.Linear]
    assert model[0].weight.shape == (3, 5)


def standardised(z, dims):
    """Mean 0 and variance 1 over the given dimensions, with PyTorch's epsilon."""
    centred = z - z.mean(dims, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(dims, keepdim=True) + 1e-5)


@pytest.mark.parametrize(
    ("norm", "function"),
    [
        ("none", lambda z: z),
        ("batch", lambda z: standardised(z, 0)),
        ("layer", lambda z: standardised(z, 1)),
        ("rms", lambda z: z / torch.sqrt(z.square().mean(1, keepdim=True))),
        ("group", lambda z: standardised(z.unflatten(1, (8, 2)), 2).flatten(1)),
    ],
)
def test_the_norm_stands_between_weights_and_activation(norm, function):
    model = models.build(Setting(depth=3, width=16, norm=norm, gain=3), 6, 2)
    first, second, last = weight_layers(model)
    inputs = normal(5, 6)
    expected = torch.tanh(function(first(inputs)))
    expected = last(torch.tanh(function(second(expected))))
    torch.testing.assert_close(model(inputs), expected, atol=1e-5, rtol=1e-5)


def by_hand(residual, x, layers, blocks, alpha):
    """One block after the formula in the documentation of Setting."""
    branch = torch.sigmoid(layers[0](x))
    turned = layers[0](torch.sigmoid(x))
    return {
        "pre-add": lambda: x + branch,
        "post-add": lambda: torch.sigmoid(layers[0](x) + x),
        "scaled": lambda: x + branch / math.sqrt(blocks),
        "rezero": lambda: x + alpha * branch,
        "fixup": lambda: x + layers[1](branch),
        "pre-act": lambda: x + turned,
        "pre-act-half": lambda: (x + turned) / math.sqrt(2),
        "pre-act-scaled": lambda: x + turned / math.sqrt(blocks),
    }[residual]()


@pytest.mark.parametrize("residual", sorted(set(models.RESIDUALS) - {"none"}))
def test_a_block_computes_its_formula(residual):
    setting = Setting(depth=8, width=6, activation="sigmoid", residual=residual)
    model = models.build(setting, 5, 2)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(normal(*parameter.shape, seed=i))
    early = residual.startswith("pre-act")
    x = model[0](normal(7, 5))
    x = x if early else torch.sigmoid(x)
    for block in filter(lambda part: isinstance(part, models.Residual), model):
        x = by_hand(residual, x, weight_layers(block), setting.blocks, block.alpha)
    x = torch.sigmoid(x) if early else x
    torch.testing.assert_close(model(normal(7, 5)), model[-1](x))


@pytest.mark.parametrize("norm", ["batch", "layer", "rms", "group"])
def test_a_pre_activation_block_normalises_what_its_branch_reads_only(norm):
    setting = Setting(4, 16, "relu", "he", norm, "pre-act")
    model = models.build(setting, 5, 2)
    block = model[1]
    x = 7 + 3 * normal(9, 16)
    kinds = [type(part) for part in block.branch]
    assert kinds == [type(block.branch[0]), nn.ReLU, nn.Linear]
    torch.testing.assert_close(block(x), x + block.branch(x))
    assert block.branch[0](x).square().mean().item() == pytest.approx(1, rel=0.01)
    assert [type(part) for part in model[-3:]] == [type(block.branch[0]), nn.ReLU, nn.Linear]


@pytest.mark.parametrize("initialization", INITIALIZATIONS)
@pytest.mark.parametrize("bias_var", [None, 0.5])
@pytest.mark.parametrize("residual", ["rezero", "fixup"])
def test_rezero_and_fixup_start_as_the_identity(residual, initialization, bias_var):
    setting = Setting(8, 6, "relu", initialization, residual=residual, gain=2.0, bias_var=bias_var)
    h = normal(9, 6)
    for block in models.build(setting, 4, 2)[2:-1]:
        assert torch.equal(block(h), h)


def test_fixup_scales_the_first_weight_of_each_block_and_only_that():
    plain, fixed = (
        weight_layers(models.build(Setting(10, 6, initialization="he", residual=form), 4, 2))
        for form in ("pre-add", "fixup")
    )
    factors = [
        (mine.weight.norm() / theirs.weight.norm()).item()
        for mine, theirs in zip(fixed, plain, strict=True)
    ]
    assert factors == pytest.approx([1, *[0.5, 0] * 4, 1], rel=1e-5)


# -- Seeds -------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("seed", [0, 3])
def test_default_weights_are_those_of_pytorch_bit_for_bit(depth, norm, seed):
    torch.manual_seed(seed)
    layers = []
    for layer in range(depth):
        sizes = (7 if layer == 0 else 16, 3 if layer == depth - 1 else 16)
        layers.append(nn.Linear(*sizes))
        if layer < depth - 1:
            layers += [nn.LayerNorm(16), nn.Tanh()] if norm == "layer" else [nn.Tanh()]
    expected = nn.Sequential(*layers).state_dict()
    built = models.build(Setting(depth=depth, width=16, norm=norm), 7, 3, seed=seed).state_dict()
    assert built.keys() == expected.keys()
    assert all(torch.equal(built[key], expected[key]) for key in expected)


@pytest.mark.parametrize("initialization", INITIALIZATIONS)
def test_the_seed_alone_chooses_the_weights(initialization):
    setting = Setting(depth=4, width=8, initialization=initialization)

    def weights(seed):
        return torch.cat([p.flatten() for p in models.build(setting, 5, 3, seed).parameters()])

    torch.manual_seed(1)
    first = weights(0)
    torch.manual_seed(2)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


def test_a_seed_from_numpy_is_a_seed():
    setting = Setting(depth=2, width=8, initialization="he")
    one, other = (models.build(setting, 5, 3, seed) for seed in (3, np.int64(3)))
    assert torch.equal(one[0].weight, other[0].weight)


def test_building_leaves_the_global_random_states_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("reseeds the GPU"))
    before = torch.get_rng_state()
    for initialization in INITIALIZATIONS:
        models.build(Setting(depth=3, width=8, initialization=initialization), 4, 2, seed=9)
    assert torch.equal(torch.get_rng_state(), before)


def test_lsuv_gives_fresh_standard_inputs_unit_variance_in_every_layer():
    setting = Setting(depth=6, width=100, activation="relu", initialization="lsuv", norm="batch")
    model = models.build(setting, 50, 40)
    variances = []
    for layer in weight_layers(model):
        layer.register_forward_hook(lambda _l, _i, output: variances.append(output.var().item()))
    model(normal(1000, 50, seed=5))
    assert variances == pytest.approx([1] * 6, rel=0.1)
    assert model[1].num_batches_tracked == 1  # this batch; the calibration does not count


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((Setting(), 0, 3), ValueError, "in_features must be at least 1, got 0"),
        ((Setting(), 3, 2.0), TypeError, "out_features must be a whole number, got 2.0"),
        ((Setting(), 3, 2, 1.5), TypeError, "seed must be a whole number, got 1.5"),
        (({"depth": 3}, 3, 2), TypeError, "setting must be a models.Setting, got dict"),
    ],
)
def test_build_refuses_nonsense_in_one_sentence(arguments, error, sentence):
    with pytest.raises(error) as caught:
        models.build(*arguments)
    assert str(caught.value) == sentence


@pytest.mark.slow
def test_ten_thousand_layers_build_and_run_both_ways():
    setting = Setting(10_000, 3, "linear", "orthogonal", residual="rezero")
    model = models.build(setting, 3, 2)
    inputs = normal(2, 3).requires_grad_()
    functional.mse_loss(model(inputs), torch.zeros(2, 2)).backward()
    # Every block starts as the identity: two orthogonal layers are left.
    first, last = model[0].weight, model[-1].weight
    expected = 2 / 4 * (inputs @ first.T @ last.T) @ last @ first
    torch.testing.assert_close(inputs.grad, expected)


# -- Predictions with skips --------------------------------------------------------------


@pytest.mark.parametrize("residual", ["pre-act", "pre-act-half", "pre-act-scaled"])
@pytest.mark.parametrize(
    ("activation", "initialization", "norm"),
    [("relu", "he", "none"), ("tanh", "lecun", "none"), ("relu", "he", "batch")],
)
def test_the_profile_with_pre_activation_skips_is_what_autograd_measures(
    residual, activation, initialization, norm
):
    setting = Setting(14, 256, activation, initialization, norm, residual)
    logs = []
    for seed in range(6):
        # Inputs of equal length: the theory knows one variance of the stream.
        inputs = functional.normalize(normal(64, 50, seed=seed)) * math.sqrt(50)
        model = models.build(setting, 50, 10, seed)
        deltas = []
        for layer in weight_layers(model):
            layer.register_forward_hook(
                lambda _l, _i, z, deltas=deltas: (z.retain_grad(), deltas.append(z))[0]
            )
        (model(inputs) * normal(64, 10, seed=seed + 50)).sum().backward()
        norms = torch.stack([z.grad.norm() for z in deltas])
        logs.append((norms / norms[-1]).log().numpy())
    measured = np.exp(np.mean(logs, axis=0))
    predicted = models.predicted_profile(setting, inputs)
    assert len(predicted) == setting.depth
    np.testing.assert_allclose(measured, predicted, rtol=0.15)


def test_a_setting_knows_whether_theory_covers_it():
    inputs = normal(4, 5)
    covered = 0
    for norm, residual in FORMS:
        for activation, initialization in product(ACTIVATIONS, INITIALIZATIONS):
            setting = Setting(4, 8, activation, initialization, norm, residual)
            if setting.has_prediction:
                covered += 1
                assert models.predicted_profile(setting, inputs).shape == (4,)
            else:
                with pytest.raises(ValueError, match="there is no prediction for"):
                    models.predicted_profile(setting, inputs)
    # None, batch, layer and rms; no skips and three kinds of pre-activation ones.
    assert covered == 4 * 4 * len(ACTIVATIONS) * len(INITIALIZATIONS)


@pytest.mark.parametrize("residual", ["pre-add", "post-add", "scaled", "rezero", "fixup"])
def test_there_is_no_profile_for_the_other_skips(residual):
    with pytest.raises(ValueError, match=f"no prediction for residual='{residual}'"):
        models.predicted_profile(Setting(6, residual=residual), normal(4, 5))


# -- Convolutional networks --------------------------------------------------------------

PICTURES = (2, 9, 8)
CONV_FORMS = [form for form in FORMS if form[0] != "rms"]


@pytest.mark.parametrize(("norm", "residual"), CONV_FORMS)
def test_convolutional_networks_run_forward_and_backward(norm, residual):
    setting = Setting(6, 8, "gelu", "he", norm, residual)
    model = models.build_conv(setting, PICTURES, 3)
    layers = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert [type(layer) for layer in layers] == [*[nn.Conv2d] * 5, nn.Linear]
    outputs = model(normal(4, math.prod(PICTURES)))
    assert outputs.shape == (4, 3)
    outputs.square().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize(("stride", "size"), [(1, (9, 8)), (2, (5, 4)), (4, (3, 2))])
def test_only_the_first_convolution_makes_the_picture_smaller(stride, size):
    model = models.build_conv(Setting(4, 8), PICTURES, 3, stride=stride)
    sizes = []
    for part in model:
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(lambda _m, _i, output: sizes.append(output.shape[2:]))
    inputs = normal(2, math.prod(PICTURES)).requires_grad_()
    model(inputs).sum().backward()
    assert sizes == [size] * 3
    assert (inputs.grad != 0).all()  # every pixel is seen


def test_a_convolutional_network_computes_its_formula():
    model = models.build_conv(Setting(3, 8, "relu", "he", "layer"), PICTURES, 3, seed=4)
    inputs = normal(5, math.prod(PICTURES))
    h = inputs.reshape(5, *PICTURES)
    for conv in (model[1], model[4]):
        stride = 2 if conv is model[1] else 1
        h = functional.conv2d(h, conv.weight, conv.bias, stride=stride, padding=1)
        h = torch.relu(standardised(h.flatten(1), 1).view_as(h))
    expected = h.mean(dim=(2, 3)) @ model[-1].weight.T + model[-1].bias
    torch.testing.assert_close(model(inputs), expected, atol=1e-5, rtol=1e-5)


def test_he_in_a_convolution_counts_the_window():
    model = models.build_conv(Setting(3, 64, "relu", "he"), PICTURES, 3)
    assert model[3].weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.03)


@pytest.mark.parametrize(
    ("arguments", "named", "error", "sentence"),
    [
        (("x",), {}, TypeError, "setting must be a models.Setting, got str"),
        (
            (Setting(norm="rms"),),
            {},
            ValueError,
            "norm 'rms' is not for convolutional networks; choose none, batch, layer or group",
        ),
        (
            (Setting(depth=1),),
            {},
            ValueError,
            "depth must be at least 2 for a convolutional network, got 1",
        ),
        (
            (Setting(), (28, 28)),
            {},
            TypeError,
            "image must be (channels, height, width), got (28, 28)",
        ),
        ((Setting(), (1, 0, 28)), {}, ValueError, "image height must be at least 1, got 0"),
        ((Setting(),), {"stride": 0}, ValueError, "stride must be at least 1, got 0"),
    ],
)
def test_build_conv_refuses_nonsense_in_one_sentence(arguments, named, error, sentence):
    with pytest.raises(error) as caught:
        models.build_conv(*arguments, **named)
    assert str(caught.value) == sentence


# -- Fused networks ----------------------------------------------------------------------


def fused_twins(activation="tanh", depth=12, dtype=torch.float64):
    setting = Setting(depth, 9, activation, "he", bias_var=0.1)
    model = models.build(setting, 5, 3).to(dtype)
    return model, models.fused(model)


def stack_gradient(fast, inputs):
    """Gradient of a loss by the weights of the stack, from a fresh start."""
    fast.zero_grad()
    fast(inputs).square().sum().backward()
    return fast[2].weight.grad.clone()


@pytest.fixture(params=["numpy", "torch"])
def _both_ways(request, monkeypatch):
    """Go backward in several parts, as on a CPU and, still on a CPU, as on a GPU."""
    monkeypatch.setattr(_fused, "_CHUNK", 8 * 7 * 9)  # 8 layers of the fused twins, batch 7
    if request.param == "torch":
        monkeypatch.setattr(_fused, "_numpy_works", lambda tensor: False)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("depth", [3, 12, 18, 19])  # stacks of 1, 10, 16 and 17 layers
def test_a_fused_network_is_the_same_function_with_the_same_gradient(activation, depth):
    model, fast = fused_twins(activation, depth)
    inputs = normal(7, 5).double().requires_grad_()
    twin = inputs.detach().clone().requires_grad_()
    outputs = model(inputs)
    torch.testing.assert_close(fast(twin), outputs)
    outputs.pow(3).sum().backward()
    fast(twin).pow(3).sum().backward()
    torch.testing.assert_close(twin.grad, inputs.grad)
    hidden = weight_layers(model)[1:-1]
    for name in ("weight", "bias"):
        expected = torch.stack([getattr(layer, name).grad for layer in hidden])
        torch.testing.assert_close(getattr(fast[2], name).grad, expected)
        for place, layer in ((0, model[0]), (-1, model[-1])):
            torch.testing.assert_close(getattr(fast[place], name).grad, getattr(layer, name).grad)
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            torch.testing.assert_close(fast(twin), outputs)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_numpy_and_torch_agree_on_an_activation_and_its_slope(activation):
    kernel = _fused._KERNELS[activation]
    z = torch.tensor([-30.0, -1.5, -1e-30, 0.0, 1e-30, 0.3, 2.0, 30.0], dtype=torch.float64)
    z.requires_grad_()
    expected = activation()(z)
    expected.sum().backward()
    by_numpy, by_torch, slope = z.detach().clone(), z.detach().clone(), torch.empty_like(z)
    kernel.on_array(by_numpy.numpy())
    kernel.on_tensor(by_torch)
    kernel.slope(by_torch, slope)
    torch.testing.assert_close(by_numpy, expected.detach(), rtol=1e-15, atol=0)
    torch.testing.assert_close(by_torch, expected.detach(), rtol=1e-15, atol=0)
    torch.testing.assert_close(slope, z.grad, rtol=1e-15, atol=1e-16)


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])
def test_a_fused_network_moves_to_a_device_and_to_another_precision(activation, device):
    model, fast = fused_twins(activation, depth=20)
    inputs = normal(7, 5).double()
    # On a CPU float16 goes the same way as everything does on a GPU.
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5), (torch.float16, 0.02)):
        model = model.to(dtype).double()  # rounded weights
        model.zero_grad()
        expected = model(inputs)
        expected.square().sum().backward()
        gradient = torch.stack([layer.weight.grad for layer in weight_layers(model)[1:-1]])
        fast.to(device, dtype)
        moved = inputs.to(device, dtype)
        for measured, right in (
            (fast(moved), expected),
            (stack_gradient(fast, moved), gradient),
        ):
            assert (measured.device.type, measured.dtype) == (device, dtype)
            error = (measured.double().cpu() - right).abs().max() / right.abs().max()
            assert error < tolerance


@pytest.mark.usefixtures("_both_ways")
def test_a_fused_network_trains_as_the_other_does():
    model, fast = fused_twins()
    inputs, targets = normal(20, 5).double(), torch.arange(20) % 3
    for net in (model, fast):
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        for step in range(8):
            chosen = slice(7 * (step % 2))  # another batch size every other step
            adam.zero_grad(set_to_none=step < 4)
            functional.cross_entropy(net(inputs[chosen]), targets[chosen]).backward()
            adam.step()
    torch.testing.assert_close(fast(inputs), model(inputs))


@pytest.mark.usefixtures("_both_ways")
def test_two_passes_of_a_stack_do_not_share_their_memory():
    _, fast = fused_twins()
    one, two = normal(4, 5).double(), normal(4, 5, seed=1).double()
    separate = stack_gradient(fast, one), stack_gradient(fast, two)
    fast.zero_grad()
    first, second = fast(one), fast(two)
    first.square().sum().backward()
    second.square().sum().backward()
    torch.testing.assert_close(fast[2].weight.grad, separate[0] + separate[1])


@pytest.mark.usefixtures("_both_ways")
def test_a_gradient_that_somebody_keeps_stays_as_it_is():
    _, fast = fused_twins()
    one, two = normal(4, 5).double(), normal(4, 5, seed=1).double()
    expected = stack_gradient(fast, one)
    kept, row = fast[2].weight.grad, fast[2].weight.grad[3, 1]
    assert not torch.equal(stack_gradient(fast, two), expected)
    assert torch.equal(kept, expected)
    del kept
    assert not torch.equal(stack_gradient(fast, two), expected)
    assert torch.equal(row, expected[3, 1])


def test_memory_that_nobody_holds_is_used_again():
    _, fast = fused_twins()
    inputs = normal(4, 5).double()
    places = []
    for _ in range(3):
        loss = fast(inputs).sum()  # the loss of the step before lives on until here
        fast.zero_grad()
        loss.backward()
        places.append((fast[2].weight.grad.data_ptr(), fast[2].outputs.buffers[0].whole.data_ptr()))
    assert len(set(places)) == 1


def test_a_stack_goes_backward_as_often_as_any_module_and_before_the_weights_change():
    _, fast = fused_twins()
    inputs = normal(4, 5).double()
    once = stack_gradient(fast, inputs)
    fast.zero_grad()
    loss = fast(inputs).square().sum()
    loss.backward(retain_graph=True)
    loss.backward()
    torch.testing.assert_close(fast[2].weight.grad, 2 * once)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()
    loss = fast(inputs).sum()
    with torch.no_grad():
        fast[2].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_a_stack_that_first_ran_without_gradients_has_the_right_ones(without):
    (_, fast), (_, other) = fused_twins(), fused_twins()
    inputs = normal(4, 5).double()
    with without():
        fast(inputs)
    assert torch.equal(stack_gradient(fast, inputs), stack_gradient(other, inputs))


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_of_a_fused_network_shares_nothing_with_it(twin):
    _, fast = fused_twins()
    inputs = normal(4, 5).double()
    fresh = len(pickle.dumps(fast))
    expected = stack_gradient(fast, inputs)  # now it has memory to work in
    assert len(pickle.dumps(fast)) == fresh  # and a file has no use for that
    copied = twin(fast)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.mul_(2)
    assert torch.equal(stack_gradient(copied, inputs), expected)
    assert not torch.equal(stack_gradient(fast, inputs), expected)
    assert torch.equal(stack_gradient(copied, inputs), expected)


@pytest.mark.usefixtures("_both_ways")
def test_a_stack_follows_its_weights_wherever_they_go():
    _, fast = fused_twins()
    _, other = fused_twins("tanh", 12)
    inputs = normal(4, 5).double()
    before = stack_gradient(fast, inputs)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    expected = stack_gradient(other, inputs)
    fast.load_state_dict(other.state_dict())  # into the same memory
    assert torch.equal(stack_gradient(fast, inputs), expected)
    assert not torch.equal(expected, before)
    fast[2].weight.data = fast[2].weight.data / 2  # to other memory
    with torch.no_grad():
        other[2].weight.div_(2)
        assert torch.equal(fast(inputs), other(inputs))
    assert torch.equal(stack_gradient(fast, inputs), stack_gradient(other, inputs))


def in_segments(activation="tanh", depth=19, segments=4, **options):
    """A fused network in one piece, and the same in segments."""
    model, whole = fused_twins(activation, depth)
    return whole, models.fused(model, segments, **options)


def stacked(fast, name="weight", grad=False):
    """The parameters of all stacks, or their gradients, layer after layer."""
    found = [getattr(stack, name) for stack in fast[2:-1]]
    return torch.cat([one.grad if grad else one.detach() for one in found])


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kept", [0, 1, 3, 4, None])
def test_segments_change_neither_the_function_nor_its_gradient(activation, kept):
    whole, parts = in_segments(activation, kept=kept)
    assert [len(stack.weight) for stack in parts[2:-1]] == [5, 4, 4, 4]
    assert torch.equal(stacked(parts), stacked(whole))
    inputs = normal(7, 5).double().requires_grad_()
    twin = inputs.detach().clone().requires_grad_()
    for _ in range(2):
        for fast, given in ((whole, inputs), (parts, twin)):
            fast.zero_grad()
            given.grad = None
            fast(given).pow(3).sum().backward()
        assert torch.equal(parts(twin), whole(inputs))
        torch.testing.assert_close(twin.grad, inputs.grad, rtol=1e-13, atol=0)
        for name in ("weight", "bias"):
            expected = stacked(whole, name, grad=True)
            torch.testing.assert_close(
                stacked(parts, name, grad=True), expected, rtol=1e-12, atol=1e-15
            )


@pytest.mark.parametrize("segments", [1, 2, 7, 17])
def test_layers_are_divided_evenly(segments):
    _, parts = in_segments(segments=segments)
    lengths = [len(stack.weight) for stack in parts[2:-1]]
    assert (len(lengths), sum(lengths)) == (segments, 17)
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"segments": 18}, "segments must be between 1 and 17, got 18"),
        ({"segments": 0}, "segments must be between 1 and 17, got 0"),
        ({"segments": 3, "kept": 4}, "kept must be between 0 and 3, got 4"),
    ],
)
def test_impossible_segments_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        in_segments(**options)


def test_segments_that_recompute_share_the_memory_of_one():
    _, parts = in_segments(kept=0)
    adam = torch.optim.Adam(parts.parameters())
    inputs, targets = normal(7, 5).double(), torch.arange(7) % 3
    with train.stepping_backward(adam):
        for _ in range(3):
            functional.cross_entropy(parts(inputs), targets).backward()
    first = parts[2]
    assert all(stack.outputs is first.outputs for stack in parts[2:-1])
    # The last that went back, the first stack, had the longer of the two lengths.
    assert [buffer.whole.shape for buffer in first.outputs.buffers] == [(6, 7, 9)]
    assert [buffer.whole.shape for buffer in first.gradient.buffers] == [(5, 9, 9)]


def test_the_gradients_of_segments_are_used_again_too():
    _, parts = in_segments(kept=0)
    inputs = normal(7, 5).double()
    places = []
    for _ in range(3):
        loss = parts(inputs).sum()
        parts.zero_grad()
        loss.backward()
        places.append(frozenset(stack.weight.grad.data_ptr() for stack in parts[2:-1]))
    assert len(set(places)) == 1
    copied = copy.deepcopy(parts)
    assert copied[2].outputs is copied[3].outputs
    assert copied[2].outputs is not parts[2].outputs


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("kept", [0, 4])
def test_frozen_layers_let_the_gradient_through_and_have_none(kept):
    _, parts = in_segments(kept=kept)
    inputs = normal(7, 5).double()
    parts(inputs).pow(3).sum().backward()
    expected = parts[0].weight.grad.clone()
    parts.zero_grad()
    for stack in parts[2:-1]:
        stack.requires_grad_(False)
    parts(inputs).pow(3).sum().backward()
    torch.testing.assert_close(parts[0].weight.grad, expected)
    assert all(stack.weight.grad is None and stack.bias.grad is None for stack in parts[2:-1])


@pytest.fixture
def _interpreted(monkeypatch):
    """The kernels for a GPU, run by Triton's interpreter on the CPU."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    sys.modules.pop("helpers.models._persistent", None)
    _fused._kernels.cache_clear()
    kernels = _fused._kernels()
    monkeypatch.setattr(kernels, "available", lambda inputs, weight: True)
    monkeypatch.setattr(_fused, "_numpy_works", lambda tensor: False)
    yield
    sys.modules.pop("helpers.models._persistent")  # others want it compiled
    _fused._kernels.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("batch", [16, 37])
def test_the_kernels_for_a_gpu_compute_the_same_to_rounding(
    activation, batch, kept, monkeypatch, request
):
    setting = Setting(13, 16, activation, "orthogonal", gain=1.5, bias_var=0.1)
    model = models.build(setting, 5, 3)
    right, exact = models.fused(model.double(), 2, kept=kept), normal(batch, 5).double()
    right(exact).pow(3).sum().backward()
    expected = right(exact).detach()
    fast, inputs = models.fused(model.float(), 2, kept=kept), exact.float()
    request.getfixturevalue("_interpreted")
    outputs = fast(inputs)
    outputs.pow(3).sum().backward()
    with torch.no_grad():
        assert torch.equal(fast(inputs), outputs)
    torch.testing.assert_close(outputs.double(), expected, rtol=1e-5, atol=1e-6)
    for (name, one), other in zip(fast.named_parameters(), right.parameters(), strict=True):
        scale = other.grad.abs().max()
        assert ((one.grad - other.grad) / scale).abs().max() < 1e-5, name
    for stack in fast[2:-1]:  # frozen layers let the gradient through
        stack.requires_grad_(False)
    before = fast[0].weight.grad.clone()
    fast.zero_grad()
    fast(inputs).pow(3).sum().backward()
    torch.testing.assert_close(fast[0].weight.grad, before)
    assert all(stack.weight.grad is None for stack in fast[2:-1])


@NO_GPU
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_kernels_compute_the_same_on_a_gpu(activation):
    pytest.importorskip("triton")
    setting = Setting(1000, 64, activation, "orthogonal", gain=1.02, bias_var=2e-5)
    right = models.fused(models.build(setting, 64, 10).double())
    fast = models.fused(models.build(setting, 64, 10), 10, kept=3).cuda()
    inputs = normal(100, 64)
    assert _fused._persistent(inputs.cuda(), fast[2].weight) is not None
    functional.cross_entropy(fast(inputs.cuda()), torch.arange(100).cuda() % 10).backward()
    functional.cross_entropy(right(inputs.double()), torch.arange(100) % 10).backward()
    for name in ("weight", "bias"):
        expected, measured = stacked(right, name, grad=True), stacked(fast, name, grad=True)
        error = (measured.double().cpu() - expected).norm() / expected.norm()
        assert error < 1e-3


@pytest.mark.usefixtures("_interpreted")
def test_the_tanh_of_the_kernels_has_no_bias_that_layers_would_add_up():
    kernels = _fused._kernels()
    z = torch.cat([torch.logspace(-6, 1, 500), torch.zeros(12)]).reshape(32, 16)
    z = torch.stack([z, -z]).reshape(64, 16)
    outputs = torch.stack([z, torch.empty_like(z)])
    kernels.forward(outputs, torch.eye(16)[None], torch.zeros(1, 16), is_tanh=True)
    exact = z.double().tanh()
    error = ((outputs[1].double() - exact) / exact.abs().clamp(min=1e-30))[exact != 0]
    assert error.abs().max() < 5e-7
    assert (error * exact[exact != 0].sign()).mean().abs() < 2e-8


def test_without_triton_a_gpu_goes_layer_by_layer(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _fused._kernels.cache_clear()
    monkeypatch.setattr(_fused, "_numpy_works", lambda tensor: False)
    assert _fused._persistent(torch.ones(2, 16), torch.ones(1, 16, 16)) is None
    _fused._kernels.cache_clear()


def test_fusing_copies():
    model, fast = fused_twins()
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.zero_()
    assert all((layer.weight != 0).any() for layer in weight_layers(model))


@pytest.mark.parametrize(
    "model",
    [
        models.build(Setting(2), 5, 3),
        models.build(Setting(5, norm="batch"), 5, 3),
        models.build(Setting(5, residual="pre-add"), 5, 3),
        models.build(Setting(5, activation="gelu"), 5, 3),
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)),
        nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4)),
        nn.Sequential(
            nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4)
        ),
        nn.Sequential(),
    ],
)
def test_what_cannot_be_fused_is_refused(model):
    with pytest.raises(ValueError, match="model must be plain: three or more linear layers"):
        models.fused(model)


def test_only_a_sequential_can_be_fused():
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Sequential, got Linear"):
        models.fused(nn.Linear(2, 2))


# -- Recurrent networks ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"cell": "LSTM"}, ValueError, "cell 'LSTM' is not known; did you mean 'lstm'?"),
        ({"cell": nn.LSTM}, TypeError, f"cell must be a name such as 'rnn', got {nn.LSTM!r}"),
        ({"width": 0}, ValueError, "width must be at least 1, got 0"),
        (
            {"initialization": "he"},
            ValueError,
            "initialization 'he' is not known; choose from default, orthogonal, identity",
        ),
        (
            {"cell": "gru", "initialization": "identity"},
            ValueError,
            "initialization 'identity' is for cell='rnn' only; choose default or orthogonal "
            "for 'gru'",
        ),
        ({"gain": 0.0}, ValueError, "gain must be finite and positive, got 0.0"),
        (
            {"forget_bias": "crono"},
            ValueError,
            "forget_bias 'crono' is not known; did you mean 'chrono'?",
        ),
        (
            {"forget_bias": [1.0]},
            TypeError,
            "forget_bias must be a number, got [1.0]",
        ),
        ({"forget_bias": math.nan}, ValueError, "forget_bias must be finite, got nan"),
        (
            {"cell": "rnn", "forget_bias": 1.0},
            ValueError,
            "forget_bias must be None for cell='rnn', which has no gate, got 1.0",
        ),
        (
            {"forget_bias": "chrono"},
            ValueError,
            "longest must say how many steps to remember for forget_bias='chrono'",
        ),
        (
            {"forget_bias": "chrono", "longest": 1},
            ValueError,
            "longest must be at least 2, got 1",
        ),
        (
            {"forget_bias": 1.0, "longest": 9},
            ValueError,
            "longest must be None unless forget_bias is 'chrono', got 9",
        ),
    ],
)
def test_an_impossible_recurrent_setting_is_refused_in_one_sentence(fields, error, sentence):
    with pytest.raises(error) as caught:
        models.RecurrentSetting(**fields)
    assert str(caught.value) == sentence


def test_a_recurrent_setting_prints_and_shows():
    setting = models.RecurrentSetting("gru", 8, "orthogonal", gain=2.0, forget_bias=-1)
    assert str(setting) == "gru of 8, orthogonal, gain 2, forget bias -1"
    assert "<tr><th>forget_bias</th><td>-1</td></tr>" in setting._repr_html_()
    chrono = models.RecurrentSetting(forget_bias="chrono", longest=100)
    assert str(chrono) == "lstm of 64, default, chrono up to 100"


@pytest.mark.parametrize(("cell", "kind"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_a_default_recurrent_network_is_pytorch_s_own(cell, kind):
    torch.manual_seed(7)
    own, readout = kind(3, 5, batch_first=True), nn.Linear(5, 2)
    before = torch.get_rng_state()
    model = models.build_recurrent(models.RecurrentSetting(cell, 5), 3, 2, seed=7)
    assert torch.equal(torch.get_rng_state(), before)
    inputs = normal(4, 6, 3)
    outputs, _ = own(inputs)
    assert torch.equal(model(inputs), readout(outputs[:, -1]))
    for name, weight in own.state_dict().items():
        assert torch.equal(model.cell.state_dict()[name], weight)
    other = models.build_recurrent(models.RecurrentSetting(cell, 5), 3, 2, seed=8)
    assert not torch.equal(model(inputs), other(inputs))


@pytest.mark.parametrize("cell", models.CELLS)
def test_each_gate_of_an_orthogonal_cell_is_a_rotation_of_its_own(cell):
    setting = models.RecurrentSetting(cell, 12, "orthogonal", gain=1.5)
    model = models.build_recurrent(setting, 2, 1)
    blocks = model.cell.weight_hh_l0.split(12)
    assert len(blocks) == {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    for block in blocks:
        torch.testing.assert_close(block @ block.T, 2.25 * torch.eye(12))
    assert all(not torch.equal(block, blocks[0]) for block in blocks[1:])
    assert not model.cell.bias_ih_l0.any()
    assert not model.cell.bias_hh_l0.any()
    plain = models.build_recurrent(models.RecurrentSetting(cell, 12), 2, 1)
    assert torch.equal(model.cell.weight_ih_l0, plain.cell.weight_ih_l0)
    assert torch.equal(model.readout.weight, plain.readout.weight)


def test_an_identity_cell_without_input_keeps_a_positive_state():
    model = models.build_recurrent(models.RecurrentSetting("rnn", 6, "identity"), 2, 1)
    state = normal(1, 3, 6)
    _, last = model.cell(torch.zeros(3, 20, 2), state)
    assert torch.equal(last, state.relu())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_forget_bias_is_the_share_that_a_cell_keeps(cell):
    bias = 1.3
    setting = models.RecurrentSetting(cell, 6, forget_bias=bias)
    model = models.build_recurrent(setting, 2, 1).double()
    with torch.no_grad():  # all but this gate switched off
        for name, weight in model.cell.named_parameters():
            keep = weight[6:12].clone()
            weight.zero_()
            if name.startswith("bias"):
                weight[6:12] = keep
    start = normal(1, 3, 6).double()
    state = (torch.zeros_like(start), start) if cell == "lstm" else start
    _, last = model.cell(torch.zeros(3, 4, 2).double(), state)
    kept = last[1] if cell == "lstm" else last
    torch.testing.assert_close(kept, start / (1 + math.exp(-bias)) ** 4, rtol=1e-6, atol=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_chrono_draws_memories_up_to_the_longest(cell):
    setting = models.RecurrentSetting(cell, 2000, forget_bias="chrono", longest=50)
    with torch.no_grad():
        layer = models.build_recurrent(setting, 1, 1).cell
        biases = (layer.bias_ih_l0 + layer.bias_hh_l0).split(2000)
    steps = biases[1].exp()
    assert 1 <= steps.min() < 1.5
    assert 48.5 < steps.max() <= 49.001
    assert steps.mean().item() == pytest.approx(25, abs=4 * 48 / math.sqrt(12 * 2000))
    if cell == "lstm":
        assert torch.equal(biases[0], -biases[1])
    others = torch.cat(biases[2:])
    assert others.abs().max() < 2 / math.sqrt(2000)
    assert others.any()


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: models.build_recurrent(Setting(), 2, 1),
            TypeError,
            "setting must be a models.RecurrentSetting, got Setting",
        ),
        (
            lambda: models.build_recurrent(models.RecurrentSetting(), 0, 1),
            ValueError,
            "in_features must be at least 1, got 0",
        ),
        (
            lambda: models.build_recurrent(models.RecurrentSetting(), 2, 1, seed=0.5),
            TypeError,
            "seed must be a whole number, got 0.5",
        ),
        (
            lambda: models.predicted_through_time(models.RecurrentSetting(), torch.ones(4, 2)),
            ValueError,
            "inputs must be a batch of sequences, a tensor of shape (B, T, D)",
        ),
    ],
)
def test_recurrent_nonsense_is_refused_in_one_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence


RECURRENT = [
    {"cell": "rnn"},
    {"cell": "rnn", "gain": 1.5},
    {"cell": "rnn", "initialization": "orthogonal"},
    {"cell": "rnn", "initialization": "identity"},
    {"cell": "lstm"},
    {"cell": "lstm", "initialization": "orthogonal"},
    {"cell": "lstm", "forget_bias": 1.0},
    {"cell": "lstm", "forget_bias": 2.0},
    {"cell": "lstm", "forget_bias": "chrono", "longest": 40},
    {"cell": "gru"},
    {"cell": "gru", "initialization": "orthogonal"},
    {"cell": "gru", "forget_bias": 1.0},
    {"cell": "gru", "forget_bias": "chrono", "longest": 40},
]


@pytest.mark.slow
@pytest.mark.parametrize("fields", RECURRENT)
def test_the_predicted_fading_is_that_of_wide_cells(fields):
    # Through the inputs, not through the states: another way than probe's.
    setting = models.RecurrentSetting(**fields, width=400)
    inputs = normal(4, 40, 200).abs() * 0.1
    logs = []
    for seed in range(3):
        model = models.build_recurrent(setting, 200, 1, seed).double()
        leaf = inputs.double().requires_grad_()
        model(leaf).sum().backward()
        logs.append(leaf.grad.norm(dim=(0, 2)).log())
    measured = torch.stack(logs).mean(dim=0).numpy()
    expected = np.log(models.predicted_through_time(setting, inputs))
    # The first and last steps reach inputs and states differently.
    grown, said = ((line[34] - line[10]) / 24 for line in (measured, expected))
    assert grown == pytest.approx(said, abs=0.03)  # 3 % a step


def test_the_predicted_profile_is_that_of_the_probe_at_every_lag():
    inputs = data.adding(60).batch(32)[0]
    targets = torch.zeros(32, 1)
    for fields in RECURRENT:
        setting = models.RecurrentSetting(**fields, width=256)
        model = models.build_recurrent(setting, 2, 1)
        norms = probe.through_time(model, inputs, targets, functional.mse_loss)
        off = np.log(norms / norms[-1]) - np.log(models.predicted_through_time(setting, inputs))
        assert abs(off).max() < 2.0, setting  # of up to 33
        assert off[-1] == 0
    single = models.predicted_through_time(models.RecurrentSetting(), torch.ones(2, 1, 2))
    assert single.tolist() == [1.0]

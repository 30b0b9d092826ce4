"""The theory against closed forms, adaptive quadrature and wide random networks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erf, eval_legendre, expit, ndtr
from torch import nn

from helpers import theory

NAMES = sorted(theory.ACTIVATIONS)
SCALE_FREE = ("linear", "relu", "leaky_relu", "prelu")
close = pytest.approx


def moments(activation, q):
    """E phi^2 and E phi'^2 over N(0, q), through public functions only."""
    path = theory.trajectory(activation, 1.0, depth=2, q0=q)
    return path.q[1], path.chi[0]


# -- Closed forms ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("linear", 1),
        ("relu", 2),
        ("leaky_relu", 2 / (1 + 0.01**2)),
        ("prelu", 2 / (1 + 0.25**2)),
        ("tanh", 1),
        ("hardtanh", 1),
        ("softsign", 1),
        ("elu", 1),
        ("celu", 1),
        ("erf", math.pi / 4),
        ("centered_sigmoid", 16),
        ("relu6", 2),
        ("selu", 2 / (1.0507009873554805**2 * (1 + 1.6732632423543772**2))),
    ],
)
def test_the_critical_weight_variance_without_bias_is_1_over_the_mean_squared_slope_at_0(
    activation, expected
):
    assert theory.critical_weight_var(activation) == close(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("bias_var", "weight_var", "q"), [(0.05, 1.7610, 0.5700), (0.1, 1.9861, None)]
)
def test_the_critical_line_of_tanh(bias_var, weight_var, q):
    critical = theory.critical_weight_var("tanh", bias_var)
    assert critical == close(weight_var, abs=6e-5)
    point = theory.fixed_point("tanh", critical, bias_var)
    assert point.chi == close(1, abs=1e-9)
    assert (point.correlation, point.correlation_depth) == (1, math.inf)
    if q:
        assert point.q == close(q, abs=6e-5)


def test_a_plain_sigmoid_is_critical_at_a_hundred():
    critical = theory.critical_weight_var("sigmoid")
    assert critical == close(103.01, abs=0.005)
    assert theory.fixed_point("sigmoid", critical).q == close(45.6, abs=0.1)


def test_gelu_is_half_stable_where_the_book_says():
    # Roberts, Yaida & Hanin 2022, section 5.3.4: the point where chi = 1 and dq'/dq = 1.
    q, weight_var, bias_var = (3 + math.sqrt(17)) / 2, 1.98305826, 0.17292239
    path = theory.trajectory("gelu", weight_var, bias_var, depth=2, q0=q)
    assert path.q[1] == close(q, rel=1e-7)
    assert path.chi[0] == close(1, rel=1e-7)


@given(a=st.floats(0, 1.5))
@settings(max_examples=15, deadline=None)
def test_a_leaky_relu_is_critical_at_2_over_1_plus_a_squared(a):
    def leaky(u):
        return torch.where(u > 0, u, a * u)

    critical = 2 / (1 + a * a)
    assert theory.critical_weight_var(leaky) == close(critical, rel=1e-10)
    # With a bias q settles below that value and nothing else changes.
    point = theory.fixed_point(leaky, 0.9 * critical, 0.2)
    assert (point.q, point.chi) == (close(2.0, rel=1e-9), close(0.9, rel=1e-9))


@pytest.mark.parametrize("q", [1e-10, 1e-3, 0.3, 1.0, 7.0, 45.6, 1e4, 1e10])
def test_erf_has_closed_moments_at_any_variance(q):
    second, slope = moments("erf", q)
    assert second == close(2 / math.pi * math.asin(2 * q / (1 + 2 * q)), rel=1e-12)
    assert slope == close(4 / math.pi / math.sqrt(1 + 4 * q), rel=1e-12)


@pytest.mark.parametrize("k", [1.0, 0.7, 2.3e-3])
@pytest.mark.parametrize("library", [torch, np])
def test_a_kink_anywhere_costs_no_accuracy(k, library):
    for q in (1e-3, 1.0, 50.0):
        _, slope = moments(lambda u: library.clip(u, -k, k), q)
        assert slope == close(erf(k / math.sqrt(2 * q)), rel=1e-9)
        _, slope = moments(lambda u: library.clip(u, -k, None), q)
        assert slope == close(ndtr(k / math.sqrt(q)), rel=1e-9)


@pytest.mark.parametrize("q", [0.02, 1.0, 45.6, 1e4])
@pytest.mark.parametrize(
    ("name", "phi", "slope"),
    [
        ("tanh", math.tanh, lambda u: 1 - math.tanh(u) ** 2),
        ("sigmoid", lambda u: (1 + math.tanh(u / 2)) / 2, lambda u: expit(u) * expit(-u)),
        ("softsign", lambda u: u / (1 + abs(u)), lambda u: 1 / (1 + abs(u)) ** 2),
        ("softplus", lambda u: max(u, 0) + math.log1p(math.exp(-abs(u))), None),
    ],
)
def test_moments_agree_with_adaptive_quadrature(name, phi, slope, q):
    sd = math.sqrt(q)
    breaks = sorted({0, *(s * x for s in (-1, 1) for x in (1, 4, 16, sd, 4 * sd) if x < 12 * sd)})

    def expectation(f):
        def integrand(u):
            return f(u) ** 2 * math.exp(-u * u / (2 * q)) / math.sqrt(2 * math.pi * q)

        return quad(integrand, -12 * sd, 12 * sd, points=breaks, epsabs=0, limit=400)[0]

    second, slope_second = moments(name, q)
    assert second == close(expectation(phi), rel=1e-8)
    if slope:
        assert slope_second == close(expectation(slope), rel=1e-8)


# -- Normalisation -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "norm", "expected"),
    [
        ("tanh", "batch", 1.0853),
        ("gelu", "batch", 1.1484),
        ("silu", "batch", 1.1009),
        ("selu", "batch", 1.0353),
        ("sigmoid", "batch", 1.0167),
        ("tanh", "layer", 1.0853),
        ("gelu", "layer", 1.035),
        ("selu", "rms", 1.035),
        ("sigmoid", "layer", 0.3909),
    ],
)
def test_norm_factors_of_the_table(activation, norm, expected):
    assert theory.norm_factor(activation, norm) == close(expected, abs=5e-4)


def test_norm_factors_with_a_closed_form():
    assert theory.norm_factor("relu", "batch") == close(math.sqrt(math.pi / (math.pi - 1)))
    assert theory.norm_factor("relu", "layer") == close(1)
    assert theory.norm_factor("relu", "rms") == close(1)
    assert theory.norm_factor("linear", "batch") == close(1)


def relu_behind_batch_norm(size):
    """The factor in closed form: arc-cosine expectations at the correlation -1 / (B - 1)."""
    cosine = -1 / (size - 1)
    both = 1 / 4 + math.asin(cosine) / (2 * math.pi)
    product = (math.sqrt(1 - cosine**2) + cosine * math.acos(-cosine)) / (2 * math.pi)
    kept = (size / 2 - 1.5 + (1 + (size - 1) * (both + product)) / size) / (size - 1)
    return math.sqrt(size / (size - 3) * kept / (1 / 2 - product))


@pytest.mark.parametrize("size", [4, 5, 6, 8, 16, 64, 1000])
def test_a_batch_norm_over_few_inputs_in_closed_form(size):
    assert theory.norm_factor("relu", "batch", size) == close(
        relu_behind_batch_norm(size), rel=5e-5
    )
    # A linear layer: nothing is lost but what the division by a poor deviation costs, and
    # what has left by the two directions in which no gradient comes back.
    exact = math.sqrt(size / (size - 3) * (1 - 1 / (size - 1)) * (1 - 1 / size))
    assert theory.norm_factor("linear", "batch", size) == close(exact, rel=1e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "hardtanh", "selu"])
def test_over_many_inputs_it_is_the_gaussian_formula(activation):
    endless = theory.norm_factor(activation, "batch")
    assert theory.norm_factor(activation, "batch", 10**5) == close(endless, rel=5e-5)
    factors = [theory.norm_factor(activation, "batch", size) for size in (5, 8, 16, 64, 512)]
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] > endless


def measured_behind_batch_norm(function, size, draws=4, depth=12, width=1200):
    """The factor per layer of random networks, away from both ends."""
    logs = []
    for draw in range(draws):
        kind = {"generator": torch.Generator().manual_seed(draw), "dtype": torch.float64}
        h, seen = torch.randn(size, width, **kind).requires_grad_(), []
        for _ in range(depth):
            z = h @ torch.randn(width, width, **kind) / width**0.5
            z.retain_grad()
            seen.append(z)
            h = function((z - z.mean(dim=0)) / z.std(dim=0, correction=0))
        (h * torch.randn(size, width, **kind)).sum().backward()
        first, last = (seen[layer].grad.norm().item() for layer in (1, -2))
        logs.append(math.log(first / last) / (depth - 3))
    return math.exp(np.mean(logs))


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "size"), [("relu", 6), ("tanh", 6), ("sigmoid", 8)])
def test_random_networks_have_the_factor_of_their_batch_size(activation, size):
    measured = measured_behind_batch_norm(theory.ACTIVATIONS[activation], size)
    assert measured == close(theory.norm_factor(activation, "batch", size), rel=0.02)
    assert measured != close(theory.norm_factor(activation, "batch"), rel=0.05)


def test_a_batch_norm_takes_functions_of_every_kind():
    by_name = theory.norm_factor("tanh", "batch", 8)
    assert theory.norm_factor(np.tanh, "batch", 8) == close(by_name, rel=1e-6)
    assert theory.norm_factor(lambda u: u.tanh_(), "batch", 8) == close(by_name)


# -- Moments -----------------------------------------------------------------------------


def test_moments_with_a_closed_form():
    relu = theory.moments("relu", 3.0)
    assert relu.mean == close(math.sqrt(3 / (2 * math.pi)))
    assert relu.square == close(1.5)
    assert relu.slope_square == close(0.5)
    assert relu.variance == close(1.5 * (1 - 1 / math.pi))
    sigmoid = theory.moments("sigmoid")
    assert sigmoid.mean == close(0.5)
    assert sigmoid.variance == close(theory.moments("centered_sigmoid").square)
    assert theory.moments("linear", 2.0) == close((0.0, 2.0, 1.0))


@pytest.mark.parametrize("activation", ["softplus", "gelu", "selu", "hardswish", np.cos])
@pytest.mark.parametrize("q", [1e-3, 1.0, 40.0])
def test_moments_are_those_of_a_million_draws(activation, q):
    found = theory.moments(activation, q)
    u = math.sqrt(q) * np.random.default_rng(0).normal(size=10**6)
    function = theory.ACTIVATIONS.get(activation) if isinstance(activation, str) else activation
    if isinstance(activation, str):
        u = torch.from_numpy(u).requires_grad_()
        values = function(u)
        (slopes,) = torch.autograd.grad(values.sum(), u)
        values, slopes = values.detach().numpy(), slopes.numpy()
    else:
        values, slopes = np.cos(u), -np.sin(u)
    assert found.mean == close(values.mean(), rel=0.01, abs=5e-3 * values.std())
    assert found.square == close((values**2).mean(), rel=0.01)
    assert found.slope_square == close((slopes**2).mean(), rel=0.01)
    assert found.variance == close(values.var(), rel=0.01)


def test_chi_and_the_variance_map_are_made_of_moments():
    point = theory.fixed_point("tanh", 2.5, 0.05)
    found = theory.moments("tanh", point.q)
    assert 2.5 * found.slope_square == close(point.chi)
    assert 2.5 * found.square + 0.05 == close(point.q)
    factor = theory.moments("gelu")
    assert theory.norm_factor("gelu", "batch") == close(
        math.sqrt(factor.slope_square / factor.variance)
    )


def test_decades_per_layer_are_those_of_the_norm():
    sigmoid = theory.fixed_point("sigmoid", 1 / 3)
    assert sigmoid.decades_per_layer == close(-math.log10(sigmoid.norm_factor))
    assert theory.fixed_point("tanh", 4.0).decades_per_layer < 0
    assert theory.fixed_point("relu", 2.0).decades_per_layer == close(0, abs=1e-12)
    assert theory.fixed_point("tanh", 0.0).decades_per_layer == math.inf


# -- The tables of predictions -----------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var", "q", "chi"),
    [
        ("tanh", 1, 0.05, 0.1936, 0.7590),
        ("tanh", 4, 0, 2.121, 1.3627),
        ("tanh", 1 / 3, 0, 0, 1 / 3),
        ("relu", 2, 0, 1, 1),
        ("relu", 1 / 3, 0, 0, 1 / 6),
        ("sigmoid", 1, 0, 0.2647, 0.05572),
        ("sigmoid", 1 / 3, 0, 0.0850, 0.02001),
        ("sigmoid", 16, 0, 5.855, 0.399),
        ("gelu", 1.983, 0.1, 0.329, 0.745),
        ("silu", 2, 0.1, 0.2347, 0.596),
        ("selu", 1, 0, 1, 1.0716),
    ],
)
def test_fixed_points_of_the_table(activation, weight_var, bias_var, q, chi):
    point = theory.fixed_point(activation, weight_var, bias_var)
    assert point.converged
    assert point.q == close(q, rel=6e-4, abs=1e-12)
    assert point.chi == close(chi, rel=8e-4)


@pytest.mark.parametrize(
    ("weight_var", "c", "xi"), [(1, 1, 3.627), (1.5, 1, 15.8), (2.5, 0.4468, 11.8)]
)
def test_correlations_of_the_table(weight_var, c, xi):
    point = theory.fixed_point("tanh", weight_var, 0.05)
    assert point.correlation == close(c, abs=6e-5)
    assert point.correlation_depth == close(xi, rel=2e-3)


@pytest.mark.parametrize(
    ("activation", "factor"),
    [
        ("sigmoid", 0.1414),
        ("tanh", 0.5751),
        ("relu", 0.4082),
        ("leaky_relu", 0.4082),
        ("gelu", 0.2897),
        ("silu", 0.2891),
        ("elu", 0.5640),
        ("selu", 0.7978),
        ("linear", 0.5774),
    ],
)
def test_pytorch_defaults_lose_the_gradient_at_the_known_rate(activation, factor):
    width = 128
    point = theory.fixed_point(activation, 1 / 3, 1 / (3 * width))
    assert point.norm_factor == close(factor, abs=1e-4)


@pytest.mark.parametrize(("gain", "chi"), [(1.05, 1.00252), (1.02, 0.99957)])
def test_the_thousand_layer_network_sits_on_the_edge_of_chaos(gain, chi):
    assert theory.fixed_point("tanh", gain**2, 2e-5).chi == close(chi, abs=6e-6)


# -- Correlations ------------------------------------------------------------------------

CORRELATIONS = np.concatenate([np.linspace(-1, 1, 201), 1 - np.geomspace(1e-8, 1e-2, 20)])


def arc_cosine(c):
    """The correlation map of ReLU, Cho & Saul 2009."""
    return (np.sqrt(1 - c**2) + c * (math.pi - np.arccos(c))) / math.pi


def test_relu_follows_the_arc_cosine_kernel():
    result = theory.correlation_map("relu", 2.0, c=CORRELATIONS)
    assert result == close(arc_cosine(CORRELATIONS), abs=2e-6)
    c, expected = 0.0, []
    for _ in range(50):
        c = theory.correlation_map("relu", 2.0, c=c)
        expected.append(c)
    assert [expected[layer - 1] for layer in (1, 5, 10, 20, 50)] == close(
        [0.3183, 0.7359, 0.8715, 0.9484, 0.9879], abs=1e-4
    )


@pytest.mark.parametrize(("q", "tolerance"), [(0.1, 1e-12), (10, 1e-8), (1e4, 5e-4)])
def test_erf_follows_the_arcsine_kernel(q, tolerance):
    def kernel(c):
        return np.arcsin(2 * q * c / (1 + 2 * q))

    result = theory.correlation_map("erf", 1.0, c=CORRELATIONS, q=q)
    assert result == close(kernel(CORRELATIONS) / kernel(1.0), abs=tolerance)


@pytest.mark.parametrize(("bias_var", "tolerance"), [(0.01, 1e-7), (1.0, 1e-7), (30.0, 0.02)])
@pytest.mark.parametrize("excess", [1.01, 1.2, 3.0])
def test_the_chaotic_fixed_point_of_erf_in_closed_form(bias_var, tolerance, excess):
    weight_var = excess * theory.critical_weight_var("erf", bias_var)
    point = theory.fixed_point("erf", weight_var, bias_var)

    def covariance(q, c):
        return weight_var * 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)) + bias_var

    q = brentq(lambda q: covariance(q, 1) - q, 1e-6, 1e6, xtol=1e-13)
    below = 1 - (1 - point.correlation) / 3
    c = brentq(lambda c: covariance(q, c) / q - c, 0, below, xtol=1e-14)
    slope = weight_var * 4 / math.pi / math.sqrt((1 + 2 * q) ** 2 - (2 * q * c) ** 2)
    assert point.q == close(q, rel=1e-9)
    assert 1 - point.correlation == close(1 - c, rel=tolerance)
    assert point.correlation_depth == close(-1 / math.log(slope), rel=tolerance)


@pytest.mark.parametrize("excess", [1.03, 1.3])
def test_a_kinked_activation_close_to_criticality(excess):
    bias_var = 0.05
    weight_var = excess * theory.critical_weight_var("hardtanh", bias_var)
    point = theory.fixed_point("hardtanh", weight_var, bias_var)
    c, sd = point.correlation, math.sqrt(point.q)
    rest = sd * math.sqrt(1 - c * c)

    def density(u):
        return math.exp(-u * u / 2) / math.sqrt(2 * math.pi)

    def clipped_mean(mean):  # of hardtanh over N(mean, rest^2)
        low, high = (-1 - mean) / rest, (1 - mean) / rest
        inner = mean * (ndtr(high) - ndtr(low)) + rest * (density(low) - density(high))
        return inner - ndtr(low) + 1 - ndtr(high)

    def over_first(f, reach):
        return quad(lambda u: density(u / sd) / sd * f(u), -reach, reach, points=[-1, 1])[0]

    both = over_first(lambda u: max(-1, min(1, u)) * clipped_mean(c * u), 9 * sd)
    inside = over_first(lambda u: ndtr((1 - c * u) / rest) - ndtr((-1 - c * u) / rest), 1)
    assert (weight_var * both + bias_var) / point.q == close(c, abs=1e-6)
    assert point.correlation_depth == close(-1 / math.log(weight_var * inside), rel=0.01)


@pytest.mark.parametrize("activation", [name for name in NAMES if name not in SCALE_FREE])
def test_chi_is_the_slope_of_the_correlation_map_at_1(activation):
    # A central difference has no room at c = 1: extrapolate two one-sided ones. Kinks leave
    # (1 - c)^(3/2) in the map, hence the loose tolerance.
    point = theory.fixed_point(activation, 0.9, 0.2)
    one, two = (
        (1 - theory.correlation_map(activation, 0.9, 0.2, c=1 - h)) / h for h in (1e-4, 5e-5)
    )
    assert 2 * two - one == close(point.chi, rel=0.01)
    smooth = ("sigmoid", "tanh", "erf", "gelu", "silu", "mish", "softplus", "centered_sigmoid")
    if activation in smooth:
        assert 2 * two - one == close(point.chi, rel=1e-6)


def test_correlations_map_numbers_to_numbers_and_arrays_to_arrays():
    assert isinstance(theory.correlation_map("tanh", 1.0, 0.1, c=1), float)
    assert theory.correlation_map("tanh", 1.0, 0.1, c=1) == close(1)
    assert theory.correlation_map("tanh", 1.0, c=[[0.1], [-0.1]]).shape == (2, 1)
    # Odd without bias, and not so with one.
    assert theory.correlation_map("tanh", 3.0, c=-0.5) == close(
        -theory.correlation_map("tanh", 3.0, c=0.5)
    )
    assert theory.correlation_map("tanh", 3.0, 0.1, c=0.0) > 0


# -- Any activation ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("tanh", np.tanh),
        ("tanh", nn.Tanh()),
        ("relu", lambda u: np.maximum(u, 0)),
        ("relu", nn.ReLU(inplace=True)),
        ("prelu", nn.PReLU().double()),
        ("sigmoid", lambda u: 1 / (1 + np.exp(-u))),
        ("silu", lambda u: u * torch.sigmoid(u)),
        ("hardtanh", lambda u: np.clip(u, -1, 1)),
        ("tanh", lambda u: np.tanh(u.detach().numpy())),
    ],
)
def test_functions_of_every_kind_give_what_the_name_gives(name, other):
    for weight_var, bias_var in [(0.7, 0.1), (1.9, 0.05)]:
        known = theory.fixed_point(name, weight_var, bias_var)
        point = theory.fixed_point(other, weight_var, bias_var)
        assert [point.q, point.chi, point.correlation, point.correlation_depth] == close(
            [known.q, known.chi, known.correlation, known.correlation_depth], rel=1e-7, nan_ok=True
        )


def test_the_slope_is_the_one_backpropagation_uses_whatever_the_callers_mode():
    def straight_through(u):
        return u.sign().detach() + u - u.detach()

    for mode in (torch.enable_grad(), torch.no_grad(), torch.inference_mode()):
        with mode:
            assert theory.fixed_point(straight_through, 0.8, 0.2).chi == close(0.8)


def test_a_replaced_name_is_computed_afresh(monkeypatch):
    theory.fixed_point("tanh", 1.5, 0.1)
    monkeypatch.setitem(theory.ACTIVATIONS, "tanh", torch.relu)
    assert theory.fixed_point("tanh", 1.0, 0.1).chi == close(0.5)


@pytest.mark.parametrize("activation", NAMES)
def test_every_name_gives_a_clean_record(activation):
    width = 64
    point = theory.fixed_point(activation, 1 / 3, 1 / (3 * width))
    assert point.converged
    assert 0 < point.q < 1
    assert 0 < point.chi < 1
    assert (point.correlation, point.note) == (1, "")
    # In the ordered phase two inputs merge at the rate at which the gradient vanishes.
    assert point.correlation_depth == close(-1 / math.log(point.chi))


@given(name=st.sampled_from(NAMES), weight_var=st.floats(0, 6), bias_var=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_the_fixed_point_is_where_plain_iteration_ends(name, weight_var, bias_var):
    point = theory.fixed_point(name, weight_var, bias_var)
    path = theory.trajectory(name, weight_var, bias_var, depth=120)
    last, before = path.q[-1], path.q[-2]
    if point.q == 0:
        assert last <= before < 1
    elif math.isinf(point.q):
        assert last > before > 1
    elif abs(last - before) < 1e-10 * last:
        assert last == close(point.q, rel=1e-6)
        assert path.chi[-1] == close(point.chi, rel=1e-6)
    else:  # still on its way: never beyond
        assert min(1, point.q) <= last <= max(1, point.q)


@given(
    shift=st.floats(-2, 2), width=st.floats(0.2, 3), scale=st.floats(0.3, 6), b=st.floats(0, 0.5)
)
@settings(max_examples=15, deadline=None)
def test_even_a_bump_makes_the_variance_settle(shift, width, scale, b):
    # The variance map of a bump falls, but never steeply enough for a cycle.
    def bump(u):
        return torch.exp(-(((u - shift) / width) ** 2))

    point = theory.fixed_point(bump, scale, b)
    last = theory.trajectory(bump, scale, b, depth=150).q[-1]
    assert last == close(point.q, rel=1e-5, abs=1e-12)


# -- Hard cases --------------------------------------------------------------------------


def test_relu_at_exactly_2_keeps_every_variance():
    point = theory.fixed_point("relu", 2)
    assert point.converged
    assert (point.q, point.chi) == (1, close(1))
    assert (point.correlation, point.correlation_depth) == (1, math.inf)
    assert "every variance is a fixed point" in point.note


@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var", "chi"),
    [
        ("relu", 2.5, 0, 1.25),
        ("relu", 2, 0.1, 1),
        ("linear", 1.5, 0, 1.5),
        ("gelu", 3, 0, 1.5),
        ("softplus", 2.2, 0, 1.1),
        ("leaky_relu", 3, 0.5, 1.5 * (1 + 1e-4)),
    ],
)
def test_growth_without_bound_is_said(activation, weight_var, bias_var, chi):
    point = theory.fixed_point(activation, weight_var, bias_var)
    assert not point.converged
    assert (point.q, point.chi) == (math.inf, close(chi, rel=1e-6))
    assert "the variance grows without bound" in point.note
    if activation != "linear":
        assert point.correlation == 1


@pytest.mark.parametrize(
    ("activation", "weight_var", "chi"),
    [("relu", 1 / 3, 1 / 6), ("tanh", 1 / 3, 1 / 3), ("gelu", 1, 1 / 4), ("tanhshrink", 0.9, 0)],
)
def test_a_variance_that_vanishes_leaves_the_limit_of_chi(activation, weight_var, chi):
    point = theory.fixed_point(activation, weight_var)
    assert point.converged
    assert (point.q, point.chi) == (0, close(chi, abs=1e-7))
    assert "shrinks to zero" in point.note


def test_tanh_at_exactly_1_vanishes_slowly():
    point = theory.fixed_point("tanh", 1)
    assert (point.q, point.chi) == (0, close(1))
    assert "slowly" in point.note
    # The decay is q = 1 / (2 l).
    assert theory.trajectory("tanh", 1, depth=400).q[-1] == close(1 / 800, rel=0.02)


def test_correlations_where_the_variance_has_no_scale():
    tanh = theory.fixed_point("tanh", 0.5)  # the network becomes linear
    assert math.isnan(tanh.correlation)
    assert tanh.correlation_depth == math.inf
    assert "keeps every correlation" in tanh.note
    relu = theory.fixed_point("relu", 0.5)  # one map, whatever the weights
    assert (relu.correlation, relu.correlation_depth) == (1, math.inf)
    cubic = theory.fixed_point("tanhshrink", 0.9)  # c -> (3 c + 2 c^3) / 5
    assert cubic.correlation == 0
    assert cubic.correlation_depth == close(-1 / math.log(0.6), rel=1e-6)
    counted = theory.fixed_point("linear", 1, 0.1)  # the shared bias piles up
    assert counted.correlation == 1


def test_weights_of_zero():
    silent = theory.fixed_point("tanh", 0)
    assert (silent.q, silent.chi, silent.correlation_depth) == (0, 0, 0)
    biased = theory.fixed_point("tanh", 0, 0.5)
    assert (biased.q, biased.chi, biased.correlation) == (0.5, 0, 1)
    assert biased.correlation_depth == 0


def test_huge_weights():
    point = theory.fixed_point("tanh", 1e4)
    assert point.q == close(9920, rel=1e-3)
    assert point.chi == close(1e4 * 4 / 3 / math.sqrt(2 * math.pi * point.q), rel=1e-3)
    assert theory.fixed_point("tanh", 1e30).q == close(1e30)


def test_selu_keeps_variance_1_and_explodes_gently():
    point = theory.fixed_point("selu", 1)
    assert (point.q, point.correlation) == (close(1, abs=1e-7), 0)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    chi = scale**2 * (1 / 2 + alpha**2 * math.exp(2) * ndtr(-2))
    assert point.chi == close(chi, rel=1e-7)
    assert chi == close(1.07158, abs=1e-5)


def test_an_activation_that_is_not_finite_is_said():
    point = theory.fixed_point(torch.log, 1.0)
    assert not point.converged
    assert math.isnan(point.q)
    assert "not finite at u = -" in point.note
    with pytest.raises(ValueError, match="not finite"):
        theory.critical_weight_var(torch.log)
    # Overflow far outside the signal is no obstacle.
    growing = theory.fixed_point(torch.exp, 0.1)
    assert growing.q == close(0.1 * math.exp(2 * growing.q))
    grown = theory.fixed_point(torch.exp, 0.5)
    assert (grown.q, grown.chi) == (math.inf, math.inf)
    assert math.isnan(grown.correlation)
    assert math.isnan(grown.correlation_depth)


def test_a_jump_and_a_constant():
    # Backpropagation sees no slope in a step, but two inputs still differ after it.
    step = theory.fixed_point(torch.sign, 1.0)
    assert (step.q, step.chi, step.correlation) == (1, 0, 0)
    assert step.correlation_depth == close(-1 / math.log(2 / math.pi), rel=1e-6)
    constant = theory.fixed_point(torch.ones_like, 1.0, 0.25)
    assert (constant.q, constant.chi, constant.correlation) == (close(1.25), 0, 1)
    assert theory.fixed_point(lambda u: 0 * u, 1.0).q == 0
    parameter = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert theory.fixed_point(lambda u: parameter.expand(u.shape), 1.0).chi == 0


def test_a_wave_far_quicker_than_the_signal():
    point = theory.fixed_point(lambda u: torch.sin(30 * u), 1.2, 0.05)
    assert point.q == close(0.65, rel=1e-6)
    assert point.chi == close(540, rel=1e-6)
    assert point.correlation == close(0.05 / 0.65, rel=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "silu", "softplus", "tanhshrink", torch.ones_like])
def test_no_critical_weight_variance_is_said(activation):
    with pytest.raises(ValueError, match="has no weight_var with chi = 1 for bias_var=0"):
        theory.critical_weight_var(activation)


def test_a_scale_free_activation_is_critical_whatever_the_bias():
    assert theory.critical_weight_var("relu", 0.3) == close(2)


# -- Layer by layer ----------------------------------------------------------------------


def test_a_trajectory_starts_where_it_is_told_and_ends_at_the_fixed_point():
    path = theory.trajectory("tanh", 1.5, 0.1, depth=60, q0=4.0)
    point = theory.fixed_point("tanh", 1.5, 0.1)
    assert len(path.q) == len(path.chi) == len(path.delta_norms) == 60
    assert path.q[0] == 4.0
    assert path.q[-1] == close(point.q)
    assert path.chi[-1] == close(point.chi)


def test_delta_norms_multiply_the_factors_of_the_layers_below():
    path = theory.trajectory("tanh", 0.5, 0.01, depth=4)
    a, b, c, _ = np.sqrt(path.chi)
    assert path.delta_norms == close([a * b * c, b * c, c, 1])
    assert theory.trajectory("tanh", 0.5, depth=1).delta_norms == close([1])


def test_very_deep_trajectories_end_in_zeros_and_infinities():
    assert theory.trajectory("relu", 4, depth=2500).delta_norms[0] == math.inf
    assert theory.trajectory("relu", 0.1, depth=2500).q[-1] == 0


# -- Wide random networks ----------------------------------------------------------------


def network(activation, weight_var, bias_var, *, depth, width, seed, c0=0.0, q0=1.0, inputs=6):
    """Simulate inputs of correlation c0; return mean q, mean c and typical delta norm, each (L)."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    phi = theory.ACTIVATIONS[activation]
    z = math.sqrt(q0 * c0) * normal(width) + math.sqrt(q0 * (1 - c0)) * normal(inputs, width)
    kept = [z.requires_grad_()]
    for _ in range(depth - 1):
        weight = normal(width, width) * math.sqrt(weight_var / width)
        kept.append(phi(kept[-1]) @ weight.T + math.sqrt(bias_var) * normal(width))
    deltas = torch.stack(torch.autograd.grad((kept[-1] * normal(inputs, width)).sum(), kept))
    stack = torch.stack(kept).detach()  # (L, inputs, N)
    unit = nn.functional.normalize(stack, dim=-1)
    cosines = (unit @ unit.mT).sum(dim=(1, 2)) - inputs
    c = cosines / (inputs * (inputs - 1))
    norms = deltas.norm(dim=-1).log().mean(dim=1).exp()
    return stack.square().mean(dim=(1, 2)).numpy(), c.numpy(), norms.numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var", "tolerance"),
    [
        ("tanh", 1, 0.05, 0.03),
        ("tanh", 4, 0, 0.03),
        ("relu", 1 / 3, 0.05, 0.03),
        ("sigmoid", 1, 0, 0.03),
        ("sigmoid", 16, 0, 0.03),
        ("selu", 1, 0, 0.03),
        ("gelu", 1.983, 0.1, 0.05),
        ("silu", 2, 0.1, 0.05),
    ],
)
def test_random_networks_have_the_predicted_variance_and_chi(
    activation, weight_var, bias_var, tolerance
):
    point = theory.fixed_point(activation, weight_var, bias_var)
    runs = [
        network(activation, weight_var, bias_var, depth=24, width=256, seed=seed, q0=point.q)
        for seed in range(10)
    ]
    q = np.mean([q[8:] for q, _, _ in runs])
    chi = np.exp(np.mean([2 * np.log(norms[4] / norms[-4]) / 16 for _, _, norms in runs]))
    assert q == close(point.q, rel=0.08)
    assert chi == close(point.chi, rel=tolerance)
    # The tolerance can tell chi, which is squared, from the factor of the norm.
    if abs(math.log(point.chi)) > 0.15:
        assert chi != close(point.norm_factor, rel=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weight_var", "bias_var", "c0"), [(6, 0.5, 0.9), (6, 0.5, 0.0), (1, 0.05, 0.2)]
)
def test_random_networks_reach_the_predicted_correlation(weight_var, bias_var, c0):
    # Nearer to criticality the finite width lifts c: by 0.04 for (2.5, 0.05) at width 400.
    size = {"depth": 36, "width": 400, "inputs": 12}
    runs = [network("tanh", weight_var, bias_var, seed=s, c0=c0, **size)[1] for s in range(6)]
    expected = theory.fixed_point("tanh", weight_var, bias_var).correlation
    assert abs(expected - c0) > 0.2
    assert np.mean([c[-18:] for c in runs]) == close(expected, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var", "c0"),
    [("relu", 2, 0, 0.0), ("tanh", 2.5, 0.05, 0.9), ("tanh", 2.5, 0.05, 0.1)],
)
def test_random_networks_follow_the_correlation_map(activation, weight_var, bias_var, c0):
    size = {"depth": 11, "width": 400, "inputs": 12}
    q = theory.fixed_point(activation, weight_var, bias_var).q
    runs = [
        network(activation, weight_var, bias_var, seed=seed, c0=c0, q0=q, **size)[1]
        for seed in range(10)
    ]
    expected = [c0]
    for _ in range(10):
        expected.append(theory.correlation_map(activation, weight_var, bias_var, c=expected[-1]))
    assert abs(expected[-1] - c0) > 0.1
    assert np.mean(runs, axis=0) == close(expected, abs=0.025)


def test_random_networks_follow_the_trajectory_before_it_settles():
    width, depth = 300, 24
    bias_var = 1 / (3 * width)
    path = theory.trajectory("tanh", 1 / 3, bias_var, depth=depth, q0=4.0)
    runs = [
        network("tanh", 1 / 3, bias_var, depth=depth, width=width, seed=seed, q0=4.0)
        for seed in range(6)
    ]
    q = np.exp(np.mean([np.log(q) for q, _, _ in runs], axis=0))
    decades = np.mean([np.log10(norms / norms[-1]) for _, _, norms in runs], axis=0)
    assert q == close(path.q, rel=0.15)
    assert decades == close(np.log10(path.delta_norms), abs=0.15)
    assert decades[0] < -5


# -- Printing and mistakes ---------------------------------------------------------------


def test_records_print_in_one_line_and_as_a_table():
    point = theory.fixed_point("relu", 3)
    assert repr(point) == (
        "FixedPoint(q=inf, chi=1.5, correlation=1, correlation_depth=inf, converged=False, "
        "note='the variance grows without bound; chi is its limit')"
    )
    html = point._repr_html_()
    assert "<td>1.5</td>" in html
    assert "grows without bound" in html
    path = theory.trajectory("relu", 0.5, depth=3)
    assert repr(path) == (
        "Trajectory(3 layers: q 1 to 0.0625, chi 0.25 to 0.25, "
        "delta norm of layer 1 0.25 of the last)"
    )


def test_records_cannot_be_changed():
    path = theory.trajectory("relu", 1, depth=3)
    with pytest.raises(ValueError, match="read-only"):
        path.q[0] = 5
    with pytest.raises(AttributeError):
        theory.fixed_point("relu", 1).q = 5


def test_numbers_of_every_kind_are_understood():
    expected = theory.fixed_point("tanh", 2.0, 0.5)
    for two, half in [(2, np.float32(0.5)), (torch.tensor(2.0), np.array(0.5))]:
        assert theory.fixed_point("tanh", two, half) == expected
    assert len(theory.trajectory("relu", 2, depth=np.int64(3)).q) == 3


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: theory.fixed_point("tahn", 1),
            "activation 'tahn' is not known; did you mean 'tanh'?",
        ),
        (
            lambda: theory.fixed_point("ReLU", 1),
            "activation 'ReLU' is not known; did you mean 'relu'?",
        ),
        (
            lambda: theory.fixed_point("tanh", -1),
            "weight_var must be finite and zero or positive, got -1",
        ),
        (
            lambda: theory.fixed_point("tanh", math.nan),
            "weight_var must be finite and zero or positive, got nan",
        ),
        (
            lambda: theory.fixed_point("tanh", math.inf),
            "weight_var must be finite and zero or positive, got inf",
        ),
        (
            lambda: theory.fixed_point("tanh", 1, -0.5),
            "bias_var must be finite and zero or positive, got -0.5",
        ),
        (
            lambda: theory.critical_weight_var("tanh", -1),
            "bias_var must be finite and zero or positive, got -1",
        ),
        (
            lambda: theory.norm_factor("relu", "batch", batch=3),
            "batch must be at least 4, got 3",
        ),
        (
            lambda: theory.norm_factor("relu", "layer", batch=8),
            "batch is for norm='batch' only; a layer norm sees one input",
        ),
        (
            lambda: theory.norm_factor(torch.ones_like, "batch", batch=8),
            "activation is constant: there is nothing to normalise",
        ),
        (
            lambda: theory.moments("tanh", 0.0),
            "q must be finite and positive, got 0.0",
        ),
        (
            lambda: theory.moments("tanh", 1e30),
            "q must lie between 1e-16 and 5e+27 here, got 1e+30",
        ),
        (
            lambda: theory.norm_factor("relu", "group"),
            "norm 'group' is not known; choose from batch, layer, rms",
        ),
        (
            lambda: theory.norm_factor(torch.ones_like, "batch"),
            "activation is constant: there is nothing to normalise",
        ),
        (lambda: theory.trajectory("relu", 2, depth=0), "depth must be at least 1, got 0"),
        (
            lambda: theory.trajectory("relu", 2, depth=3, q0=-1),
            "q0 must be finite and zero or positive, got -1",
        ),
        (
            lambda: theory.correlation_map("relu", 2, c=1.5),
            "c must lie between -1 and 1, got 1.5",
        ),
        (
            lambda: theory.correlation_map("relu", 2, c=math.nan),
            "c must lie between -1 and 1, got nan",
        ),
        (
            lambda: theory.correlation_map("relu", 2, c=0, q=-1),
            "q must be finite and zero or positive, got -1",
        ),
    ],
)
def test_a_wrong_value_is_answered_in_one_sentence(call, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011, the whole sentence is compared
        call()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: theory.fixed_point(3, 1), "activation must be a name or a function, got 3"),
        (lambda: theory.fixed_point(None, 1), "activation must be a name or a function, got None"),
        (lambda: theory.fixed_point("tanh", "1"), "weight_var must be a number, got '1'"),
        (lambda: theory.fixed_point("tanh", True), "weight_var must be a number, got True"),
        (lambda: theory.fixed_point("tanh", 1, None), "bias_var must be a number, got None"),
        (
            lambda: theory.trajectory("tanh", 1, depth=2.5),
            "depth must be a whole number, got 2.5",
        ),
        (
            lambda: theory.trajectory("tanh", 1, depth=True),
            "depth must be a whole number, got True",
        ),
        (
            lambda: theory.correlation_map("tanh", 1, c="0.5"),
            "c must be a number or an array of numbers, got '0.5'",
        ),
        (
            lambda: theory.norm_factor("relu", "batch", batch=8.5),
            "batch must be a whole number, got 8.5",
        ),
        (lambda: theory.moments("relu", "1"), "q must be a number, got '1'"),
        (lambda: theory.fixed_point(math.tanh, 1), "element by element, but tanh raised"),
        (lambda: theory.fixed_point(lambda u: 0.1, 1), "one by one, but <lambda> turned"),
        (lambda: theory.fixed_point(lambda u: u.float(), 1), "float32"),
        (lambda: theory.fixed_point(nn.functional.glu, 1), "one by one, but glu turned"),
        (lambda: theory.fixed_point(lambda u: torch.softmax(u, 0), 1), "by itself"),
        (lambda: theory.fixed_point(nn.Dropout(), 1), "by itself"),
    ],
)
def test_a_wrong_type_is_answered_in_one_sentence(call, sentence):
    with pytest.raises(TypeError) as caught:
        call()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


# -- Streams with skips ------------------------------------------------------------------


def test_a_relu_stream_doubles_and_its_cures_are_closed_forms():
    doubling = theory.residual_trajectory("relu", 2.0, blocks=20, q0=0.3)
    np.testing.assert_allclose(doubling.q, 0.3 * 2.0 ** np.arange(21), rtol=1e-9)
    np.testing.assert_allclose(doubling.chi, [2.0] * 20 + [1.0], rtol=1e-9)
    assert doubling.delta_norms[0] == pytest.approx(2.0**10)
    half = theory.residual_trajectory("relu", 2.0, blocks=20, total=math.sqrt(0.5))
    np.testing.assert_allclose(half.q, 1.0, rtol=1e-9)
    np.testing.assert_allclose(half.delta_norms, 1.0, rtol=1e-9)
    scaled = theory.residual_trajectory("relu", 2.0, blocks=20, branch=20**-0.5)
    assert scaled.q[-1] == pytest.approx((1 + 1 / 20) ** 20)
    assert scaled.delta_norms[0] ** 2 == pytest.approx((1 + 1 / 20) ** 20)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_normalised_branch_makes_the_square_grow_with_the_number_of_blocks(norm):
    stream = theory.residual_trajectory("relu", 2.0, blocks=20, norm=norm)
    np.testing.assert_allclose(stream.q, np.arange(1.0, 22.0), rtol=1e-9)
    assert stream.delta_norms[0] ** 2 == pytest.approx(21)
    assert stream.chi[-1] == pytest.approx(1 / 21)


def test_batch_norm_takes_the_mean_of_the_branch_and_the_biases_out():
    # Var relu(z) = (1 - 1 / pi) / 2 over N(0, 1)
    stream = theory.residual_trajectory("relu", 2.0, 0.7, blocks=2, norm="batch")
    np.testing.assert_allclose(stream.q, [1, 2 - 1 / math.pi, 3 - 2 / math.pi], rtol=1e-9)
    assert stream.chi[0] == pytest.approx(2.0)


def test_without_branches_a_stream_stays_as_it_is():
    stream = theory.residual_trajectory("tanh", 4.0, 0.1, blocks=5, q0=0.8, branch=0.0)
    np.testing.assert_array_equal(stream.q, [0.8] * 6)
    np.testing.assert_array_equal(stream.delta_norms, [1.0] * 6)


@pytest.mark.parametrize(
    ("named", "error", "sentence"),
    [
        ({"blocks": 0}, ValueError, "blocks must be at least 1, got 0"),
        ({"blocks": 2.0}, TypeError, "blocks must be a whole number, got 2.0"),
        (
            {"blocks": 1, "norm": "group"},
            ValueError,
            "norm 'group' is not known; choose from none, batch, layer, rms",
        ),
        (
            {"blocks": 1, "branch": -1.0},
            ValueError,
            "branch must be finite and zero or positive, got -1.0",
        ),
    ],
)
def test_a_stream_refuses_nonsense_in_one_sentence(named, error, sentence):
    with pytest.raises(error, match=sentence):
        theory.residual_trajectory("relu", 2.0, **named)


# -- Gradients through time --------------------------------------------------------------


@pytest.mark.parametrize(("keep", "branch"), [(0.5, 0.144), (0.7, 0.4), (0.2, 0.9), (0.0, 0.8)])
def test_lags_are_those_of_powers_of_random_matrices(keep, branch):
    units, steps = 400, 16
    draw = np.random.default_rng(0)
    normal = draw.normal(size=(units, units))
    for weights in (normal / math.sqrt(units), np.linalg.qr(normal)[0]):
        step = keep * np.eye(units) + branch * weights
        power, norms = np.eye(units), []
        for _ in range(steps):
            norms.append(np.linalg.norm(power) / math.sqrt(units))
            power = power @ step
        np.testing.assert_allclose(theory.lag_profile(keep, branch, steps), norms, rtol=0.1)


def test_lags_are_legendre_polynomials():
    keep, branch, k = 0.9, 0.3, np.arange(40)
    share = (branch / keep) ** 2
    exact = keep ** (2 * k) * (1 - share) ** k * eval_legendre(k, (1 + share) / (1 - share))
    np.testing.assert_allclose(theory.lag_profile(keep, branch, 40), np.sqrt(exact), rtol=1e-11)
    # The two paths are interchangeable, and each alone is a power.
    np.testing.assert_allclose(theory.lag_profile(branch, keep, 40), np.sqrt(exact), rtol=1e-11)
    np.testing.assert_allclose(theory.lag_profile(0.9, 0.0, 40), 0.9**k, rtol=1e-12)
    np.testing.assert_allclose(theory.lag_profile(0.0, 1.1, 40), 1.1**k, rtol=1e-12)
    assert theory.lag_profile(0.0, 0.0, 3).tolist() == [1, 0, 0]
    assert theory.lag_profile(0.4, 0.4, 1).tolist() == [1]


def test_lags_end_in_zero_or_infinity_without_a_word():
    assert theory.lag_profile(0.3, 0.1, 2000)[-1] == 0
    assert theory.lag_profile(2.0, 1.0, 2000)[-1] == math.inf


@pytest.mark.parametrize("forget", [-1.0, 0.0, 2.0])
def test_the_small_states_of_gated_cells_are_linear(forget):
    keep, weight_var = expit(forget), 0.7
    spread = math.sqrt(weight_var)
    gru = theory.gated_profile("gru", forget, weight_var, 0.0, steps=30)
    np.testing.assert_allclose(gru, theory.lag_profile(keep, (1 - keep) * spread / 2, 30))
    lstm = theory.gated_profile("lstm", forget, weight_var, 0.0, steps=30)
    assert lstm[0] == 1
    later = math.hypot(keep, spread / 2) / 2 * theory.lag_profile(keep, spread / 4, 29)
    np.testing.assert_allclose(lstm[1:], later)
    assert theory.gated_profile("lstm", forget, weight_var, 0.0, steps=1).tolist() == [1]


def test_a_state_that_saturates_lets_less_through():
    for cell in ("lstm", "gru"):
        calm, driven = (
            theory.gated_profile(cell, 1.0, 1.0, drive, steps=40)[-1] for drive in (1e-6, 4.0)
        )
        assert driven < calm / 10
    assert theory.gated_profile("lstm", 60.0, 1.0, 1.0, steps=20)[-1] >= 0  # a gate of exactly 1


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: theory.lag_profile(-1.0, 0.1, 5),
            ValueError,
            "keep must be finite and zero or positive, got -1.0",
        ),
        (
            lambda: theory.lag_profile(0.1, math.inf, 5),
            ValueError,
            "branch must be finite and zero or positive, got inf",
        ),
        (lambda: theory.lag_profile(0.1, 0.1, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: theory.lag_profile(0.1, 0.1, 2.0), TypeError, "steps must be a whole number"),
        (
            lambda: theory.gated_profile("rnn", 0.0, 1.0, 1.0, steps=5),
            ValueError,
            "cell 'rnn' is not known; choose from lstm, gru",
        ),
        (
            lambda: theory.gated_profile("gru", "0", 1.0, 1.0, steps=5),
            TypeError,
            "forget must be a number, got '0'",
        ),
        (
            lambda: theory.gated_profile("gru", math.inf, 1.0, 1.0, steps=5),
            ValueError,
            "forget must be finite, got inf",
        ),
    ],
)
def test_lags_refuse_nonsense_in_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()

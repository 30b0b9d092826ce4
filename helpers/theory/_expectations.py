"""Predict how signals and gradients travel through a wide random network.

Numbers in, numbers out: no network is built here. In a wide layer with
Var W = weight_var / fan_in and Var bias = bias_var, a pre-activation is Gaussian, and
one layer acts on its variance q and on the correlation c of two inputs by

    q -> weight_var E[phi(u)^2] + bias_var                    u ~ N(0, q)
    c -> (weight_var E[phi(u1) phi(u2)] + bias_var) / q       corr(u1, u2) = c

while chi = weight_var E[phi'(u)^2] multiplies the squared norm of delta = dL/dz, so that
the norm itself changes by sqrt(chi) a layer.
Source: Poole et al. 2016 (the maps); Schoenholz et al. 2017 (depth scales, gradients).

How the expectations are computed:

* An activation is evaluated once, at Gauss-Legendre nodes on panels that halve towards
  u = 0 and double away from it, halved further wherever it bends sharply. A variance
  enters through the Gaussian weight alone, so one table serves every q, from q = 1e-16
  to 1e27, and a kink costs no accuracy.
* E[phi(u1) phi(u2)] is the power series sum_k a_k^2 c^k of the Hermite coefficients a_k
  (Daniely et al. 2016), whose terms are positive: 1-D integrals suffice.
"""

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from numbers import Integral, Real

import numpy as np
import torch
from numpy.polynomial import hermite_e, legendre
from torch import Tensor
from torch.nn import functional


def _linear(u: Tensor) -> Tensor:
    return u


def _centered_sigmoid(u: Tensor) -> Tensor:
    return torch.tanh(u / 2) / 2  # sigmoid(u) - 1/2 without its cancellation near 0


Activation = str | Callable[[Tensor], Tensor] | Callable[[np.ndarray], np.ndarray]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": _linear,
    "sigmoid": torch.sigmoid,
    "centered_sigmoid": _centered_sigmoid,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "softsign": functional.softsign,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "prelu": partial(functional.leaky_relu, negative_slope=0.25),
    "elu": functional.elu,
    "celu": functional.celu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "tanhshrink": functional.tanhshrink,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "relu6": functional.relu6,
}

_TINY, _HUGE = 2.0**-30, 2.0**50  # the panels reach from 0 to _HUGE; the first ends at _TINY
_LOWEST_Q = 1e-16  # below it, and above (_HUGE / _REACH)^2, moments follow a power law
_LIMIT_Q = 1e-8  # where correlations are read when q = 0: small, but phi is not yet rounding
_REACH = 16.0  # standard deviations after which a Gaussian is over
_MAX_HALVINGS, _MAX_SPLITS = 30, 400  # enough for any kink, soon over for noise
_MAX_ORDER = 200  # Hermite coefficients computed; a fitted tail stands for the rest
_CLOSE = 1e-9  # a factor this near to 1 counts as 1
_NOISE = 1e-11  # relative error of a moment, with a margin

_FAR = 2 * np.round(_MAX_ORDER / 2 * 1.1 ** np.arange(0.5, 150))  # the tail's orders, to 3e8

# On a panel: 12 nodes, and what turns 12 values into a Legendre series or into slopes.
_NODES, _WEIGHTS = legendre.leggauss(12)
_TO_SERIES = np.linalg.inv(legendre.legvander(_NODES, 11))
_TO_SLOPE = legendre.legvander(_NODES, 10) @ legendre.legder(np.eye(12)) @ _TO_SERIES

# What averages a smooth function over a standard normal variable.
_NORMAL, _SHARES = hermite_e.hermegauss(60)
_SHARES = _SHARES / _SHARES.sum()


class _NotFiniteError(ValueError):
    """An activation gives inf or nan where the signal lives."""


@dataclass(frozen=True)
class FixedPoint:
    """Where depth leads: the variance and correlation that layers settle at.

    Attributes:
        q: The stable pre-activation variance reached from q = 1; 0 when it
            vanishes, inf when it grows without bound.
        chi: Factor of the squared delta norm per layer, at q.
        correlation: The stable correlation c* of two inputs; nan where every
            correlation is kept or none is defined.
        correlation_depth: -1 / log of the slope of the correlation map at c*, in
            layers: the distance over which two inputs forget how alike they were.
        converged: Whether the variance settles at a finite value.
        note: One sentence where the numbers need one, else empty.
    """

    q: float
    chi: float
    correlation: float
    correlation_depth: float
    converged: bool = True
    note: str = ""

    @property
    def norm_factor(self) -> float:
        """Factor of the delta norm per layer, sqrt(chi)."""
        return math.sqrt(self.chi)

    def __repr__(self) -> str:
        text = (
            f"q={self.q:.4g}, chi={self.chi:.4g}, correlation={self.correlation:.4g}, "
            f"correlation_depth={self.correlation_depth:.4g}"
        )
        text += "" if self.converged else ", converged=False"
        text += f", note={self.note!r}" if self.note else ""
        return f"FixedPoint({text})"

    def _repr_html_(self) -> str:
        rows = {
            "variance q*": self.q,
            "&chi; (squared norm, per layer)": self.chi,
            "&radic;&chi; (norm, per layer)": self.norm_factor,
            "correlation c*": self.correlation,
            "correlation depth &xi; (layers)": self.correlation_depth,
        }
        body = "".join(f"<tr><td>{key}</td><td>{rows[key]:.4g}</td></tr>" for key in rows)
        caption = f"<caption>{self.note}</caption>" if self.note else ""
        return f"<table>{caption}{body}</table>"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Theory layer by layer, for L layers; layer 1 is nearest the input.

    Attributes:
        q: L pre-activation variances.
        chi: L factors of the squared delta norm, each at its layer's variance.
    """

    q: np.ndarray
    chi: np.ndarray

    @property
    def delta_norms(self) -> np.ndarray:
        """The L delta norms relative to the last: sqrt(chi_l ... chi_(L-1))."""
        factors = np.append(np.sqrt(self.chi[:-1]), 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.cumprod(factors[::-1])[::-1]

    def __repr__(self) -> str:
        return (
            f"Trajectory({len(self.q)} layers: q {self.q[0]:.4g} to {self.q[-1]:.4g}, "
            f"chi {self.chi[0]:.4g} to {self.chi[-1]:.4g}, "
            f"delta norm of layer 1 {self.delta_norms[0]:.3g} of the last)"
        )


def fixed_point(activation: Activation, weight_var: float, bias_var: float = 0.0) -> FixedPoint:
    """Return where variance, gradient and correlation settle with depth.

    Nothing is iterated for ever: the variance that layers head for is found by
    bisection, and it always exists, for the variance map has no cycles. The
    correlation map is a power series with positive terms that sum to 1, so its
    stable fixed point is its smallest root: c* = 1 while its slope there is at
    most 1 (ordered), a smaller one beyond (chaotic).

    Args:
        activation: A name in ACTIVATIONS, or any function that maps float64
            tensors or arrays element by element. The slope is autograd's; a
            NumPy function is differentiated numerically.
        weight_var: fan_in * Var(W), zero or positive.
        bias_var: Variance of the biases, zero or positive.

    Raises:
        ValueError: If the name is unknown or a variance is negative or not finite.
        TypeError: If an argument has the wrong type.

    Source: Poole et al. 2016; Schoenholz et al. 2017 (the depth scale xi_c).

    Example:
        >>> fixed_point("tanh", 2.5, 0.05)
        FixedPoint(q=1.064, chi=1.134, correlation=0.4468, correlation_depth=11.8)
        >>> fixed_point("relu", 1 / 3).norm_factor  # PyTorch's default weights: 1 / sqrt(6)
        0.408...
    """
    weight_var, bias_var = _variance("weight_var", weight_var), _variance("bias_var", bias_var)
    try:
        table = _table(activation)
    except _NotFiniteError as problem:
        return FixedPoint(*4 * [math.nan], converged=False, note=str(problem))

    q = _settle(table, weight_var, bias_var)
    chi = weight_var * table.moments(q)[1]
    correlation, slope = _stable_correlation(table, weight_var, bias_var, q)
    notes = []
    if q == 0:
        slowly = " slowly" if chi > 1 - _CLOSE else ""
        notes.append(f"the variance shrinks{slowly} to zero; chi is its limit")
    elif math.isinf(q):
        notes.append("the variance grows without bound; chi is its limit")
    elif table.scale_free and bias_var == 0:
        notes.append("the activation is scale-free: every variance is a fixed point")
    if math.isnan(correlation) and slope > 0:
        notes.append("the network is linear there and keeps every correlation")
    return FixedPoint(q, chi, correlation, _depth(slope), math.isfinite(q), "; ".join(notes))


def norm_factor(activation: Activation, norm: str) -> float:
    """Return the delta-norm factor per layer of a normalised network.

    Batch: sqrt(E phi'^2 / Var phi); layer and rms: sqrt(E phi'^2 / E phi^2), over
    N(0, 1): a norm before the activation sets the scale, whatever the weights.

    Raises:
        ValueError: If the activation or the norm is unknown, or phi is constant
            or not finite.
        TypeError: If an argument has the wrong type.

    Source: Yang et al. 2019; Luther 2020 (batch, ReLU: sqrt(pi / (pi - 1))).

    Example:
        >>> norm_factor("relu", "batch")
        1.211...
    """
    norms = ("batch", "layer", "rms")
    if norm not in norms:
        raise ValueError(f"norm must be one of {', '.join(norms)}, got {norm!r}")
    table = _table(activation)
    second, slope = table.moments(1.0)
    spread = second - table.mean(1.0) ** 2 if norm == "batch" else second
    if spread <= 1e-14 * second:
        raise ValueError("activation is constant: there is nothing to normalise")
    return math.sqrt(slope / spread)


def critical_weight_var(activation: Activation, bias_var: float = 0.0) -> float:
    """Return the weight variance at which chi = 1 at the fixed point.

    At variance q, chi = 1 needs weight_var = 1 / E phi'^2, and q is a fixed point
    when q - E phi^2 / E phi'^2 = bias_var: one equation in q. The smallest
    answer whose q is reached from q = 1 is returned. A scale-free
    activation (linear, the ReLU family) has one chi for all q, hence
    the same answer for any bias_var, but with a bias q then grows by bias_var a layer.

    Raises:
        ValueError: If there is none: chi may jump past 1 (GELU without bias) or
            reach it only as q grows without bound (softplus); or if the
            activation is unknown or not finite.
        TypeError: If an argument has the wrong type.

    Source: Poole et al. 2016; Roberts, Yaida & Hanin 2022, section 5.3 (GELU).

    Example:
        >>> round(critical_weight_var("tanh", 0.05), 4)
        1.761
    """
    bias_var = _variance("bias_var", bias_var)
    table = _table(activation)
    if table.scale_free and table.moments(1.0)[1] > 0:
        return 1 / table.moments(1.0)[1]

    def surplus(q: float) -> float:
        second, slope = table.moments(q)
        return (q - second / slope - bias_var) / q

    grid, (second, slope) = table.grid, table.profile
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (grid - second / slope - bias_var) / grid
    clear = np.flatnonzero(np.abs(values) > _CLOSE)  # nan and rounding noise fall out
    turns = np.flatnonzero(np.diff(np.sign(values[clear])))
    places = [_bisect(surplus, grid[clear[i]], grid[clear[i + 1]]) for i in turns]
    if bias_var == 0:
        places.append(0.0)
    slopes = [table.moments(q)[1] for q in places]
    for weight_var in sorted(1 / slope for slope in slopes if slope > 0):
        q = _settle(table, weight_var, bias_var)
        if math.isfinite(q) and abs(weight_var * table.moments(q)[1] - 1) < 1e-6:
            return weight_var
    raise ValueError(
        f"{_label(activation)} has no weight_var with chi = 1 for bias_var={bias_var:g}: no such "
        f"fixed point is reached from q = 1 (searched q from {grid[0]:.0e} to {grid[-1]:.0e})"
    )


def trajectory(
    activation: Activation,
    weight_var: float,
    bias_var: float = 0.0,
    *,
    depth: int,
    q0: float = 1.0,
) -> Trajectory:
    """Return variance and chi layer by layer, also before they settle.

    Args:
        activation: As for fixed_point.
        weight_var: fan_in * Var(W), zero or positive.
        bias_var: Variance of the biases, zero or positive.
        depth: Number of layers L, at least 1.
        q0: Pre-activation variance of layer 1.

    Raises:
        ValueError: If a variance is negative or not finite, depth is below 1, or
            the activation is unknown or not finite.
        TypeError: If an argument has the wrong type.

    Source: Poole et al. 2016; Schoenholz et al. 2017.

    Example:
        >>> trajectory("relu", 1 / 3, depth=3).delta_norms.round(4)
        array([0.1667, 0.4082, 1.    ])
    """
    weight_var, bias_var = _variance("weight_var", weight_var), _variance("bias_var", bias_var)
    q = _variance("q0", q0)
    _count("depth", depth)
    table = _table(activation)
    variances, factors = np.empty(depth), np.empty(depth)
    for layer in range(depth):
        second, slope = table.moments(q)
        variances[layer], factors[layer] = q, weight_var * slope
        q = weight_var * second + bias_var
    for array in (variances, factors):
        array.setflags(write=False)
    return Trajectory(variances, factors)


def residual_trajectory(
    activation: Activation,
    weight_var: float,
    bias_var: float = 0.0,
    *,
    blocks: int,
    q0: float = 1.0,
    norm: str = "none",
    branch: float = 1.0,
    total: float = 1.0,
) -> Trajectory:
    """Return variance and chi along a stream with pre-activation skips.

    Each block maps x to total * (x + branch * (W phi(norm(x)) + b)). Without a
    norm the branch reads a Gaussian of the stream's variance q; a norm hands it
    N(0, 1) and divides the gradient by q. A batch norm also takes the mean over
    the batch away, so q is then the variance over the batch.

    Args:
        activation: As for fixed_point.
        weight_var: fan_in * Var(W), zero or positive.
        bias_var: Variance of the biases, zero or positive.
        blocks: Number of blocks, at least 1.
        q0: Variance of the stream before the first block.
        norm: none, batch, layer or rms.
        branch: Fixed factor on each branch.
        total: Fixed factor on each sum.

    Returns:
        blocks + 1 entries: q before the first block and after each one; chi of
        each block, and last that of an output layer without skip, phi(norm(x))
        before it. ``delta_norms`` are gradient norms at these points of the
        stream, relative to its end.

    Raises:
        ValueError: If a number is impossible, or the activation or norm unknown.
        TypeError: If an argument has the wrong type.

    Source: He et al. 2016b (the form of the block); Yang and Schoenholz 2017.

    Example:
        >>> residual_trajectory("relu", 2.0, blocks=3).q
        array([1., 2., 4., 8.])
    """
    norms = ("none", "batch", "layer", "rms")
    if norm not in norms:
        raise ValueError(f"norm must be one of {', '.join(norms)}, got {norm!r}")
    _count("blocks", blocks)
    weight_var, bias_var = _variance("weight_var", weight_var), _variance("bias_var", bias_var)
    q = _variance("q0", q0)
    branch_square, total_square = _variance("branch", branch) ** 2, _variance("total", total) ** 2
    table = _table(activation)
    variances, factors = np.empty(blocks + 1), np.empty(blocks + 1)
    for block in range(blocks + 1):
        second, slope = table.moments(q if norm == "none" else 1.0)
        if norm == "batch":
            second, bias_var = second - table.mean(1.0) ** 2, 0.0
        through = weight_var * slope / (1.0 if norm == "none" else q)
        variances[block] = q
        factors[block] = (
            through if block == blocks else total_square * (1.0 + branch_square * through)
        )
        q = total_square * (q + branch_square * (weight_var * second + bias_var))
    for array in (variances, factors):
        array.setflags(write=False)
    return Trajectory(variances, factors)


def lag_profile(keep: float, branch: float, steps: int) -> np.ndarray:
    """Return how a gradient fades with the time lag where a state is partly kept.

    One step maps the state h to keep * h + branch * W h, with the same W at every
    step: independent entries of variance 1 / N, or a random rotation. A path back
    over k steps goes through W at j of them; in a wide cell the paths of different
    j are perpendicular, so the squared norm is the sum over j of
    (C(k, j) keep^(k - j) branch^j)^2. Its root heads for a factor keep + branch a
    step, more than the hypot(keep, branch) of layers that share nothing.

    Args:
        keep: Factor of the straight path, zero or positive.
        branch: Factor of the path through W, zero or positive.
        steps: Number of lags.

    Returns:
        Gradient norm over that at lag 0, for the lags 0 to steps - 1.

    Raises:
        ValueError: If a factor is negative or not finite, or steps is below 1.
        TypeError: If an argument has the wrong type.

    Source: traces of products of independent or Haar matrices, Mingo and Speicher
    2017, chapters 1 and 4; here checked against random matrices.

    Example:
        >>> lag_profile(0.5, 0.0, steps=3)
        array([1.  , 0.5 , 0.25])
        >>> lag_profile(0.3, 0.4, steps=2).round(4)
        array([1. , 0.5])
    """
    keep, branch = _variance("keep", keep), _variance("branch", branch)
    _count("steps", steps)
    with np.errstate(divide="ignore"):
        straight, through = np.log(keep), np.log(branch)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, steps)))])  # ln k!
    profile = np.zeros(steps)
    for k in range(steps):
        j = np.arange(k + 1)
        paths = factorial[k] - factorial[j] - factorial[k - j]
        # A factor of 0 does no harm where it is taken no time.
        paths[:-1] += (k - j[:-1]) * straight
        paths[1:] += j[1:] * through
        most = paths.max()
        if most > -700:  # below, float64 has only 0
            with np.errstate(over="ignore"):
                profile[k] = np.exp(most) * np.linalg.norm(np.exp(paths - most))
    return profile


def gated_profile(
    cell: str, forget: float, weight_var: float, bias_var: float, *, steps: int
) -> np.ndarray:
    """Return how the gradient at the state of a wide LSTM or GRU fades with the lag.

    Every gate but the one that keeps the state is taken at 1/2; the candidate's
    pre-activation is Gaussian, and its variance settles at
    q = weight_var E[h^2] + bias_var. From it follow the two factors of
    ``lag_profile``: what is kept, and what goes through the weights, of the
    candidate and of the gates, damped where the state saturates. For an LSTM the
    state is (h, c); the output at the last step reads h alone. Networks of 64 units
    have the factor a step that this gives, to about 3 %; not so a GRU of weight_var
    well above 1, or the first steps of an LSTM of forget above 3.

    Args:
        cell: ``lstm`` or ``gru``.
        forget: Bias of the gate that keeps the state; 0 leaves the gate at 1/2.
        weight_var: N * Var(W) of the recurrent weights, zero or positive.
        bias_var: Variance of what inputs and biases add to the candidate.
        steps: Number of lags.

    Returns:
        Gradient norm over that at lag 0, for the lags 0 to steps - 1.

    Raises:
        ValueError: If the cell is unknown, a variance is negative or not finite,
            or steps is below 1.
        TypeError: If an argument has the wrong type.

    Source: in the spirit of Chen, Pennington and Schoenholz 2018 and Gilboa et al.
    2019, but with weights that are the same at every step.

    Example:
        >>> profile = gated_profile("lstm", 0.0, weight_var=1 / 3, bias_var=0.0, steps=101)
        >>> round(float(profile[100] / profile[99]), 2)  # heads for 1/2 + sqrt(1/3) / 4
        0.64
    """
    if cell not in ("lstm", "gru"):
        raise ValueError(f"cell must be 'lstm' or 'gru', got {cell!r}")
    if isinstance(forget, bool) or not isinstance(forget, Real):
        raise TypeError(f"forget must be a number, got {forget!r}")
    if not math.isfinite(forget):
        raise ValueError(f"forget must be finite, got {forget}")
    weight_var, bias_var = _variance("weight_var", weight_var), _variance("bias_var", bias_var)
    _count("steps", steps)
    keep = (1.0 + math.tanh(forget / 2)) / 2
    kept = keep * (1.0 - keep)  # slope of that gate; the others stand at 1/2, slope 1/4
    gathered = (keep ** np.arange(steps)).sum()
    second = 0.0  # E h^2
    for _ in range(steps):
        candidate = np.tanh(math.sqrt(weight_var * second + bias_var) * _NORMAL)
        slope = 1.0 - candidate**2
        if cell == "gru":
            second = _SHARES @ candidate**2
            continue
        memory = 0.5 * candidate * gathered
        second = _SHARES @ np.tanh(memory) ** 2 / 4
    if cell == "gru":
        through = (1 - keep) ** 2 * (_SHARES @ slope**2) * (1 / 4 + weight_var * second / 16)
        return lag_profile(keep, math.sqrt(weight_var * through), steps)
    out = (1.0 - np.tanh(memory) ** 2) / 2  # dh / dc
    through = slope**2 / 4 + (kept * memory) ** 2 + candidate**2 / 16
    branch = math.sqrt(weight_var * (_SHARES @ (through * out**2)))
    into = math.sqrt(_SHARES @ out**2)  # from h to c, once
    if steps == 1 or into == 0.0:
        return np.eye(1, steps)[0]
    first = into * math.hypot(keep, branch / into)
    return np.concatenate([[1.0], first * lag_profile(keep, branch, steps - 1)])


def correlation_map(
    activation: Activation,
    weight_var: float,
    bias_var: float = 0.0,
    *,
    c: float | np.ndarray,
    q: float | None = None,
) -> float | np.ndarray:
    """Return the correlation of two inputs one layer after it was c.

    Args:
        activation: As for fixed_point.
        weight_var: fan_in * Var(W), zero or positive.
        bias_var: Variance of the biases, zero or positive.
        c: Correlation or array of correlations, from -1 to 1.
        q: Pre-activation variance of both inputs; the fixed point when omitted.

    Raises:
        ValueError: If c is outside [-1, 1], a variance is negative or not finite, or
            the activation is unknown or not finite.
        TypeError: If an argument has the wrong type.

    Source: Poole et al. 2016; Daniely et al. 2016 (dual activation).

    Example:
        >>> round(correlation_map("relu", 2.0, c=0.0), 4)  # 1 / pi
        0.3183
    """
    weight_var, bias_var = _variance("weight_var", weight_var), _variance("bias_var", bias_var)
    values = np.asarray(c)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"c must be a number or an array of numbers, got {c!r}")
    if not np.all(np.abs(values) <= 1):
        raise ValueError(f"c must lie between -1 and 1, got {c}")
    table = _table(activation)
    q = _settle(table, weight_var, bias_var) if q is None else _variance("q", q)
    orders, shares, _ = _series(table, weight_var, bias_var, q)
    result = np.power(values[..., None].astype(float), orders) @ shares
    return float(result) if values.ndim == 0 else result


@dataclass(frozen=True, eq=False)
class _Table:
    """An activation at n nodes u > 0 and at -u: all that any expectation needs."""

    u: np.ndarray  # (n,)
    weight: np.ndarray  # (n,) quadrature weights
    value: np.ndarray  # (2, n) phi at u and at -u
    slope: np.ndarray  # (2, n) phi' at u and at -u

    def density(self, q: float | np.ndarray) -> np.ndarray:
        """Return quadrature weights times the density of N(0, q), shape (..., n)."""
        q = np.asarray(q)[..., None]
        return self.weight * np.exp(self.u**2 / (-2 * q)) / np.sqrt(2 * math.pi * q)

    def moments(self, q: float) -> tuple[float, float]:
        """Return E phi(u)^2 and E phi'(u)^2 for u ~ N(0, q), 0 <= q <= inf."""
        inside = self.inside(q)
        second, slope = self.density(inside) @ self._squares
        if inside != q:
            with np.errstate(over="ignore"):
                ratio = np.float64(q) / inside
                second, slope = (second, slope) * ratio ** self._powers[int(q > inside)]
        return float(second), float(slope)

    def mean(self, q: float) -> float:
        """Return E phi(u) for u ~ N(0, q)."""
        return float(self.density(q) @ self.value.sum(axis=0))

    def inside(self, q: float) -> float:
        """Return q, or the nearest variance that the nodes resolve."""
        return min(max(q, self.grid[0]), self.grid[-1])

    @cached_property
    def grid(self) -> np.ndarray:
        """The variances, eight a decade, that the nodes resolve."""
        highest = (self.u[-1] / _REACH) ** 2
        return np.geomspace(_LOWEST_Q, highest, 8 * round(math.log10(highest / _LOWEST_Q)))

    @cached_property
    def profile(self) -> np.ndarray:
        """E phi^2 and E phi'^2 over the grid, shape (2, grid)."""
        return (self.density(self.grid) @ self._squares).T

    @cached_property
    def scale_free(self) -> bool:
        """Whether phi(s u) = s phi(u) for s > 0, as for the ReLU family."""
        ratio = self.profile / [self.grid, np.ones_like(self.grid)]
        return bool(np.all(np.ptp(ratio, axis=1) <= _CLOSE * ratio.max(axis=1)))

    @cached_property
    def _squares(self) -> np.ndarray:
        return np.stack([(self.value**2).sum(axis=0), (self.slope**2).sum(axis=0)], axis=1)

    @cached_property
    def _powers(self) -> np.ndarray:
        """Exponents of q that both moments follow below and above the grid."""
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = np.diff(np.log(self.profile)) / np.diff(np.log(self.grid))
        return np.nan_to_num(growth[:, [0, -1]].T.round(6), posinf=0.0, neginf=0.0)

    def spectrum(self, q: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return orders k and squared Hermite coefficients a_k^2 of phi(sqrt(q) z).

        Beyond the last computed order the sums over all k, E phi^2 and q E phi'^2, are
        still known. A fitted tail that matches both stands for the rest,
        at orders a tenth apart, separately for even and odd k.

        The third result is sum_k k a_k^2, which a jump in phi makes infinite.
        """
        near = self.u < _REACH * math.sqrt(q)
        z, density = self.u[near] / math.sqrt(q), 2 * self.density(q)[near]
        signs = np.array([[1], [-1]])
        parts = (self.value[0, near] + signs * self.value[1, near]) / 2  # even, odd
        slopes = (self.slope[0, near] - signs * self.slope[1, near]) / 2
        weighted = density * parts
        coefficients = np.empty(_MAX_ORDER + 1)
        before, hermite = np.zeros_like(z), np.ones_like(z)
        for k in range(_MAX_ORDER + 1):
            coefficients[k] = weighted[k % 2] @ hermite
            following = (z * hermite - math.sqrt(k) * before) / math.sqrt(k + 1)
            before, hermite = hermite, following

        orders, masses = [np.arange(_MAX_ORDER + 1.0)], [coefficients**2]
        total, mean = parts**2 @ density, q * (slopes**2 @ density)
        for parity in (0, 1):
            own = slice(parity, None, 2)
            rest = total[parity] - masses[0][own].sum()
            if rest <= 1e-12 * total.sum():
                continue
            target = (mean[parity] - orders[0][own] @ masses[0][own]) / rest
            if target <= _MAX_ORDER:
                mean[parity], target = math.inf, math.inf
            orders.append(_FAR + parity)
            masses.append(rest * _tail(masses[0][own], target))
        return np.concatenate(orders), np.concatenate(masses), float(mean.sum())


def _tail(masses: np.ndarray, target: float) -> np.ndarray:
    """Return shares at the orders _FAR, continuing masses, with mean order target.

    A power law, k^-5/2 for a kink, k^-3/2 for a jump, read off the last four octaves,
    times an exponential cut-off, near k = q for a smooth step.
    """
    count = len(masses)
    early, late = masses[count // 16 : count // 4].sum(), masses[count // 4 :].sum()
    power = min(max(math.log(max(late, 1e-300) / max(early, 1e-300), 4), -20.0), 0.0)
    cuts = np.geomspace(_MAX_ORDER / 20, 1e10, 200)
    falls = _FAR**power * np.exp(-_FAR / cuts[:, None])  # (cuts, orders)
    means = falls @ _FAR / falls.sum(axis=1)
    cut = math.exp(np.interp(target, means, np.log(cuts)))  # the ends where none fits
    fall = _FAR**power * np.exp(-_FAR / cut)
    return fall / fall.sum()


def _table(activation: Activation) -> _Table:
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            near = difflib.get_close_matches(activation.lower(), ACTIVATIONS, n=1, cutoff=0)
            raise ValueError(f"unknown activation {activation!r}; did you mean {near[0]!r}?")
        activation = ACTIVATIONS[activation]
    if not callable(activation):
        raise TypeError(f"activation must be a name or a function, got {activation!r}")
    known = any(activation is function for function in ACTIVATIONS.values())
    return (_kept_table if known else _build_table)(activation)


def _build_table(activation: Callable) -> _Table:
    """Evaluate an activation on panels that resolve it."""
    octaves = 2.0 ** np.arange(math.log2(_TINY), math.log2(_HUGE))
    edges = np.concatenate([[0], np.outer(octaves, [1, 1.25, 1.5, 1.75]).ravel(), [_HUGE]])
    left, right, splits = edges[:-1], edges[1:], _MAX_SPLITS
    pieces = []
    for halving in range(_MAX_HALVINGS + 1):
        half = (right - left)[:, None] / 2
        u = left[:, None] + half * (1 + _NODES)  # (panels, 12)
        value, slope = _evaluate(activation, np.stack([u, -u]), half)
        if halving == 0:
            one = np.searchsorted(left, 1.0)
            if not np.allclose(_call(activation, u[one])[0], value[0, one], equal_nan=True):
                raise TypeError(
                    "activation must map each number by itself, whatever stands beside it: "
                    f"{_label(activation)} does not"
                )
            inner = _finite_panels(u, value, slope)
            left, right, half, u = left[:inner], right[:inner], half[:inner], u[:inner]
            value, slope = value[:, :inner], slope[:, :inner]
        series = np.abs(value @ _TO_SERIES.T)
        # A series that has not died out by its last two terms hides a kink or a bend.
        rough = series[..., -2:].max(axis=-1) > 1e-14 + 1e-11 * series.max(axis=-1)
        split = np.flatnonzero(rough.any(axis=0))
        split = split[np.argsort(left[split])][: splits if halving < _MAX_HALVINGS else 0]
        splits -= len(split)
        done = np.setdiff1d(np.arange(len(left)), split)
        pieces.append((u[done], (half * _WEIGHTS)[done], value[:, done], slope[:, done]))
        if not len(split):
            break
        middle = (left[split] + right[split]) / 2
        left, right = np.append(left[split], middle), np.append(middle, right[split])
    u, weight, value, slope = (np.concatenate(part, axis=-2) for part in zip(*pieces, strict=True))
    order = np.argsort(u, axis=None)
    value, slope = value.reshape(2, -1)[:, order], slope.reshape(2, -1)[:, order]
    return _Table(u.ravel()[order], weight.ravel()[order], value, slope)


_kept_table = lru_cache(maxsize=None)(_build_table)


def _finite_panels(u: np.ndarray, value: np.ndarray, slope: np.ndarray) -> int:
    """Return how many panels, from 0 outwards, hold numbers that can be squared."""
    fine = (np.abs(value) < 1e150) & (np.abs(slope) < 1e150)
    bad = ~fine.all(axis=(0, 2))
    if not bad.any():
        return len(u)
    inner = int(np.argmax(bad))
    if u[inner, 0] < 20:  # q = 1 must fit
        side, node = np.argwhere(~fine[:, inner])[0]
        place = u[inner, node] * (1 - 2 * side)
        raise _NotFiniteError(f"the activation or its slope is not finite at u = {place:.3g}")
    return inner


def _evaluate(
    activation: Callable, u: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return phi and phi' at u, shape (2, panels, 12); half the panel widths."""
    with np.errstate(all="ignore"):
        value, slope = _call(activation, u.ravel())
    value = value.reshape(u.shape)
    if slope is None:
        with np.errstate(all="ignore"):
            change = (value - value[..., :1]) @ _TO_SLOPE.T  # a constant has slope 0 exactly
            return value, change / (half * np.array([1, -1])[:, None, None])
    return value, slope.reshape(u.shape)


def _call(activation: Callable, u: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return phi(u), and phi'(u) if autograd can tell it."""
    slope = None
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.from_numpy(u).requires_grad_()
        try:
            value = activation(x.clone())  # a copy: activations may work in place
        except Exception as problem:  # not a tensor function, so perhaps a NumPy one
            value, refusal = None, problem
        if isinstance(value, Tensor) and value.requires_grad:
            slope = torch.autograd.grad(value.sum(), x, materialize_grads=True)[0].numpy()
            value = value.detach()
    if value is None:
        try:
            value = activation(u.copy())
        except Exception as problem:
            raise TypeError(
                "activation must map a float64 tensor or array element by element, but "
                f"{_label(activation)} raised {refusal!r} on a tensor and {problem!r} on an array"
            ) from problem
    value = np.asarray(value)
    if value.shape != u.shape or value.dtype != np.float64:
        raise TypeError(
            "activation must map float64 numbers to float64 numbers one by one, but "
            f"{_label(activation)} turned {u.shape} float64 into {value.shape} {value.dtype}"
        )
    return value, slope


def _settle(table: _Table, weight_var: float, bias_var: float) -> float:
    """Return the variance that layers lead to from q = 1; 0 and inf are possible.

    That is the next fixed point in the direction of the first step. No cycle can
    come between: E phi^2 falls at most like q^-1/2, the fastest that the density
    of N(0, q) falls anywhere, and two steps that undo each other need q^-1.
    """

    def excess(q: float) -> float:
        return (weight_var * table.moments(q)[0] + bias_var) / q - 1

    start = excess(1.0)
    if abs(start) <= _NOISE:
        return 1.0
    lowest, highest = 1e-300, 1e300
    second = [table.moments(lowest)[0], *table.profile[0], table.moments(highest)[0]]
    grid = np.array([lowest, *table.grid, highest])
    with np.errstate(over="ignore", invalid="ignore"):
        beyond = (weight_var * np.array(second) + bias_var) / grid - 1
    if start > 0:
        found = np.flatnonzero((grid > 1) & (beyond < -_NOISE))
        return _bisect(excess, grid[found[0] - 1], grid[found[0]]) if found.size else math.inf
    found = np.flatnonzero((grid < 1) & (beyond > _NOISE))
    return _bisect(excess, grid[found[-1]], grid[found[-1] + 1]) if found.size else 0.0


def _series(
    table: _Table, weight_var: float, bias_var: float, q: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return orders and shares of the correlation map sum_k share_k c^k, and its slope at 1.

    The shares are positive and sum to 1. Where q is 0 or inf they are its limit.
    """
    orders, masses, mean = table.spectrum(table.inside(q) if q else _LIMIT_Q)
    shares = weight_var * masses
    shares[0] += bias_var
    total = shares.sum()
    if total == 0:
        return orders, np.full_like(shares, math.nan), 0.0
    return orders, shares / total, weight_var * mean / total


def _stable_correlation(
    table: _Table, weight_var: float, bias_var: float, q: float
) -> tuple[float, float]:
    """Return the stable fixed point of the correlation map and the slope there."""
    orders, shares, slope = _series(table, weight_var, bias_var, q)
    if math.isinf(q):
        chi = weight_var * table.moments(q)[1]
        if math.isinf(chi):
            return math.nan, math.nan  # q grows ever faster: there is no limit to read
        if bias_var > 0 and chi <= 1 + _CLOSE:
            return 1.0, 1.0  # q grows by the bias alone, which all inputs share
    if not shares[1] < 1 - (1e-6 if q == 0 else _NOISE):
        return math.nan, slope
    if slope <= 1 + _CLOSE:
        return 1.0, slope
    c = 0.0
    for _ in range(200):  # Newton's steps rise to the smallest root: the map is convex
        slope = float(shares[1:] * orders[1:] @ c ** (orders[1:] - 1))
        change = (float(shares @ c**orders) - c) / (1 - slope)
        c += change
        if change < 1e-14:
            break
    return round(c, 12), slope


def _depth(slope: float) -> float:
    """Return the number of layers in which a factor per layer reaches 1 / e."""
    if slope == 0:
        return 0.0
    return math.inf if abs(slope - 1) <= _CLOSE else -1 / math.log(slope)


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function changes sign between two positive numbers."""
    sign = function(low) > 0
    for _ in range(80):
        middle = math.sqrt(low) * math.sqrt(high)
        if not low < middle < high:
            break
        if (function(middle) > 0) == sign:
            low = middle
        else:
            high = middle
    return math.sqrt(low) * math.sqrt(high)


def _variance(name: str, value: float) -> float:
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not value >= 0:
        raise ValueError(f"{name} must be zero or positive, got {value:g}")
    if math.isinf(value):
        raise ValueError(f"{name} must be finite, got {value:g}")
    return float(value)


def _count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def _label(activation: Activation) -> str:
    return str(getattr(activation, "__name__", activation))

"""Variance, gradient and correlation in a wide network without skips or norms.

In a wide layer with Var W = weight_var / fan_in and Var bias = bias_var, a
pre-activation is Gaussian, and one layer acts on its variance q and on the correlation c
of two inputs by

    q -> weight_var E[phi(u)^2] + bias_var                    u ~ N(0, q)
    c -> (weight_var E[phi(u1) phi(u2)] + bias_var) / q       corr(u1, u2) = c

while chi = weight_var E[phi'(u)^2] multiplies the squared norm of delta = dL/dz, so that
the norm itself changes by sqrt(chi) per layer.
Source: Poole et al. 2016 (the maps); Schoenholz et al. 2017 (depth scales, gradients).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers import checks
from helpers.theory._expectations import (
    CLOSE,
    Activation,
    NotFiniteError,
    Table,
    label,
    tabulated,
)

_LIMIT_Q = 1e-8  # where correlations are read when q = 0: small, but phi is not yet rounding
_NOISE = 1e-11  # relative error of a moment, with a margin


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

    @property
    def decades_per_layer(self) -> float:
        """Decades of the delta norm lost per layer, -log10(chi) / 2; negative if it grows."""
        return math.inf if self.chi == 0 else -math.log10(self.chi) / 2

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
    weight_var = checks.number("weight_var", weight_var)
    bias_var = checks.number("bias_var", bias_var)
    try:
        table = tabulated(activation)
    except NotFiniteError as problem:
        return FixedPoint(math.nan, math.nan, math.nan, math.nan, False, str(problem))

    q = _settle(table, weight_var, bias_var)
    chi = weight_var * table.moments(q)[1]
    correlation, slope = _stable_correlation(table, weight_var, bias_var, q)
    notes = []
    if q == 0:
        slowly = " slowly" if chi > 1 - CLOSE else ""
        notes.append(f"the variance shrinks{slowly} to zero; chi is its limit")
    elif math.isinf(q):
        notes.append("the variance grows without bound; chi is its limit")
    elif table.scale_free and bias_var == 0:
        notes.append("the activation is scale-free: every variance is a fixed point")
    if math.isnan(correlation) and slope > 0:
        notes.append("the network is linear there and keeps every correlation")
    return FixedPoint(q, chi, correlation, _depth_scale(slope), math.isfinite(q), "; ".join(notes))


def critical_weight_var(activation: Activation, bias_var: float = 0.0) -> float:
    """Return the weight variance at which chi = 1 at the fixed point.

    At variance q, chi = 1 needs weight_var = 1 / E phi'^2, and q is a fixed point
    when q - E phi^2 / E phi'^2 = bias_var: one equation in q. The smallest
    answer whose q is reached from q = 1 is returned. A scale-free
    activation (linear, the ReLU family) has one chi for all q, hence
    the same answer for any bias_var, but with a bias q then grows by bias_var per layer.

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
    bias_var = checks.number("bias_var", bias_var)
    table = tabulated(activation)
    if table.scale_free and table.moments(1.0)[1] > 0:
        return 1 / table.moments(1.0)[1]

    def surplus(q: float) -> float:
        second, slope = table.moments(q)
        return (q - second / slope - bias_var) / q

    grid, (second, slope) = table.grid, table.profile
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (grid - second / slope - bias_var) / grid
    clear = np.flatnonzero(np.abs(values) > CLOSE)  # nan and rounding noise fall out
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
        f"{label(activation)} has no weight_var with chi = 1 for bias_var={bias_var:g}: no such "
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
    weight_var = checks.number("weight_var", weight_var)
    bias_var = checks.number("bias_var", bias_var)
    q = checks.number("q0", q0)
    depth = checks.whole("depth", depth, least=1)
    table = tabulated(activation)
    variances, factors = np.empty(depth), np.empty(depth)
    for layer in range(depth):
        second, slope = table.moments(q)
        variances[layer], factors[layer] = q, weight_var * slope
        q = weight_var * second + bias_var
    for array in (variances, factors):
        array.setflags(write=False)
    return Trajectory(variances, factors)


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
    weight_var = checks.number("weight_var", weight_var)
    bias_var = checks.number("bias_var", bias_var)
    values = np.asarray(c)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"c must be a number or an array of numbers, got {c!r}")
    if not np.all(np.abs(values) <= 1):
        raise ValueError(f"c must lie between -1 and 1, got {c}")
    table = tabulated(activation)
    q = _settle(table, weight_var, bias_var) if q is None else checks.number("q", q)
    orders, shares, _ = _series(table, weight_var, bias_var, q)
    result = np.power(values[..., None].astype(float), orders) @ shares
    return float(result) if values.ndim == 0 else result


def _settle(table: Table, weight_var: float, bias_var: float) -> float:
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
    table: Table, weight_var: float, bias_var: float, q: float
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
    table: Table, weight_var: float, bias_var: float, q: float
) -> tuple[float, float]:
    """Return the stable fixed point of the correlation map and the slope there."""
    orders, shares, slope = _series(table, weight_var, bias_var, q)
    if math.isinf(q):
        chi = weight_var * table.moments(q)[1]
        if math.isinf(chi):
            return math.nan, math.nan  # q grows ever faster: there is no limit to read
        if bias_var > 0 and chi <= 1 + CLOSE:
            return 1.0, 1.0  # q grows by the bias alone, which all inputs share
    if not shares[1] < 1 - (1e-6 if q == 0 else _NOISE):
        return math.nan, slope
    if slope <= 1 + CLOSE:
        return 1.0, slope
    c = 0.0
    for _ in range(200):  # Newton's steps rise to the smallest root: the map is convex
        slope = float(shares[1:] * orders[1:] @ c ** (orders[1:] - 1))
        change = (float(shares @ c**orders) - c) / (1 - slope)
        c += change
        if change < 1e-14:
            break
    return round(c, 12), slope


def _depth_scale(slope: float) -> float:
    """Return the number of layers in which a factor per layer reaches 1 / e."""
    if slope == 0:
        return 0.0
    return math.inf if abs(slope - 1) <= CLOSE else -1 / math.log(slope)


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

"""Expectations of an activation over a Gaussian, at any variance.

How they are computed:

* An activation is evaluated once, at Gauss-Legendre nodes on panels that halve towards
  u = 0 and double away from it, halved further wherever it bends sharply. A variance
  enters through the Gaussian weight alone, so one table serves every q, from q = 1e-16
  to 1e27, and a kink costs no accuracy.
* E[phi(u1) phi(u2)] is the power series sum_k a_k^2 c^k of the Hermite coefficients a_k
  (Daniely et al. 2016), whose terms are positive: 1-D integrals suffice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor
from torch.nn import functional

from helpers import checks


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

CLOSE = 1e-9  # a factor this near to 1 counts as 1

_TINY, _HUGE = 2.0**-30, 2.0**50  # the panels reach from 0 to _HUGE; the first ends at _TINY
_LOWEST_Q = 1e-16  # below it, and above (_HUGE / _REACH)^2, moments follow a power law
_REACH = 16.0  # standard deviations after which a Gaussian is over
_MAX_HALVINGS, _MAX_SPLITS = 30, 400  # enough for any kink, soon over for noise
_STEP = 1e-6  # of a numerical slope, where there are no panels
_MAX_ORDER = 200  # Hermite coefficients computed; a fitted tail stands for the rest

_FAR = 2 * np.round(_MAX_ORDER / 2 * 1.1 ** np.arange(0.5, 150))  # the tail's orders, to 3e8

# On a panel: 12 nodes, and what turns 12 values into a Legendre series or into slopes.
_NODES, _WEIGHTS = legendre.leggauss(12)
_TO_SERIES = np.linalg.inv(legendre.legvander(_NODES, 11))
_TO_SLOPE = legendre.legvander(_NODES, 10) @ legendre.legder(np.eye(12)) @ _TO_SERIES


class NotFiniteError(ValueError):
    """An activation gives inf or nan at a value that signals take."""


@dataclass(frozen=True, eq=False)
class Table:
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
        """The variances, eight per decade, that the nodes resolve."""
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
        return bool(np.all(np.ptp(ratio, axis=1) <= CLOSE * ratio.max(axis=1)))

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


def tabulated(activation: Activation) -> Table:
    """Return the table of an activation; those of ``ACTIVATIONS`` are computed once."""
    if isinstance(activation, str):
        activation = ACTIVATIONS[checks.choice("activation", activation, ACTIVATIONS)]
    if not callable(activation):
        raise TypeError(f"activation must be a name or a function, got {activation!r}")
    known = any(activation is function for function in ACTIVATIONS.values())
    return (_kept_table if known else _build_table)(activation)


class Moments(NamedTuple):
    """What an activation makes of a Gaussian pre-activation u of mean 0.

    Attributes:
        mean: E phi(u).
        square: E phi(u)^2, the mean square that the next layer reads.
        slope_square: E phi'(u)^2, the share of the squared delta that it hands on.
    """

    mean: float
    square: float
    slope_square: float

    @property
    def variance(self) -> float:
        """Var phi(u): of the mean square what differs from input to input."""
        return self.square - self.mean**2


def moments(activation: Activation, q: float = 1.0) -> Moments:
    """Return the mean and the mean squares of an activation and of its slope.

    All formulas of this module are made of them: chi is weight_var * slope_square, the
    next variance weight_var * square + bias_var.

    Args:
        activation: As for fixed_point.
        q: Variance of the pre-activation, from 1e-16 to 4e27, or to where the activation
            is too large to be squared.

    Raises:
        ValueError: If q lies outside, or the activation is unknown or not finite.
        TypeError: If an argument has the wrong type.

    Source: Poole et al. 2016, eq. 3; for ReLU in closed form He et al. 2015, section 2.2.

    Example:
        >>> relu = moments("relu")
        >>> round(relu.square, 6), round(relu.slope_square, 6), round(relu.mean**2 * math.pi, 6)
        (0.5, 0.5, 0.5)
    """
    q = checks.number("q", q, positive=True)
    table = tabulated(activation)
    if q != table.inside(q):
        low, high = table.grid[[0, -1]]
        raise ValueError(f"q must lie between {low:.0e} and {high:.0e} here, got {q:g}")
    return Moments(table.mean(q), *table.moments(q))


def evaluated(activation: Activation, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return phi and phi' at any u, of what ``tabulated`` has accepted.

    A NumPy function is differentiated numerically.
    """
    function = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    value, slope = _call(function, u.ravel())
    if slope is None:
        above, below = (_call(function, u.ravel() + step)[0] for step in (_STEP, -_STEP))
        slope = (above - below) / (2 * _STEP)
    return value.reshape(u.shape), slope.reshape(u.shape)


def label(activation: Activation) -> str:
    """Return what to call an activation in a sentence."""
    return str(getattr(activation, "__name__", activation))


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


def _build_table(activation: Callable) -> Table:
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
                    f"{label(activation)} does not"
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
    return Table(u.ravel()[order], weight.ravel()[order], value, slope)


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
        raise NotFiniteError(f"the activation or its slope is not finite at u = {place:.3g}")
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
                f"{label(activation)} raised {refusal!r} on a tensor and {problem!r} on an array"
            ) from problem
    value = np.asarray(value)
    if value.shape != u.shape or value.dtype != np.float64:
        raise TypeError(
            "activation must map float64 numbers to float64 numbers one by one, but "
            f"{label(activation)} turned {u.shape} float64 into {value.shape} {value.dtype}"
        )
    return value, slope

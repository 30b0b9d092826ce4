"""How a gradient fades with the time lag in a wide recurrent cell."""

import math

import numpy as np
from numpy.polynomial import hermite_e

from helpers import checks

# What averages a smooth function over a standard normal variable.
_NORMAL, _SHARES = hermite_e.hermegauss(60)
_SHARES = _SHARES / _SHARES.sum()


def lag_profile(keep: float, branch: float, steps: int) -> np.ndarray:
    """Return how a gradient fades with the time lag where a state is partly kept.

    One step maps the state h to keep * h + branch * W h, with the same W at every
    step: independent entries of variance 1 / N, or a random rotation. A path back
    over k steps goes through W at j of them; in a wide cell the paths of different
    j are perpendicular, so the squared norm is the sum over j of
    (C(k, j) keep^(k - j) branch^j)^2. Its root heads for a factor keep + branch per
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
    keep, branch = checks.number("keep", keep), checks.number("branch", branch)
    steps = checks.whole("steps", steps, least=1)
    with np.errstate(divide="ignore"):
        straight, through = np.log(keep), np.log(branch)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, steps)))])  # ln k!
    profile = np.zeros(steps)
    for k in range(steps):
        j = np.arange(k + 1)
        paths = factorial[k] - factorial[j] - factorial[k - j]
        # A factor of 0 does no harm where its power is 0.
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
    have the factor per step that this gives, to about 3 %; not so a GRU with weight_var
    well above 1, or the first steps of an LSTM with forget above 3.

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
    cell = checks.choice("cell", cell, ("lstm", "gru"))
    forget = checks.number("forget", forget, negative=True)
    weight_var = checks.number("weight_var", weight_var)
    bias_var = checks.number("bias_var", bias_var)
    steps = checks.whole("steps", steps, least=1)
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

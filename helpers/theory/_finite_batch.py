"""Batch norm over few inputs: expectations over a sphere in place of a Gaussian.

B numbers less their mean, over their standard deviation, have the sum 0 and the sum of
squares B. If they were Gaussian, they lie anywhere on that sphere, in n = B - 1
dimensions, and any two of them have the correlation rho = -1 / n. Their length was
independent of the direction, with E 1 / variance = B / (B - 3) times that of endless
batches. For z, z' two of the numbers and g a gradient behind the activation, the way back
is

    (I - 1 1' / B - z z' / B) phi'(z) g        divided by the standard deviation,

and in the depth g has the covariance I - 1 1' / B over the batch, up to a factor. Taking
the trace gives, for the share of the squared gradient that is kept,

    (n E phi'^2 - E phi'^2 z^2 + E phi' phi'~ + E phi' z phi'~ z~) / B

where ~ marks the other of two numbers; what the next layer's numbers spread by is
E phi^2 - E phi phi~. For endless batches these are E phi'^2 and Var phi.
"""

import math

import numpy as np

from helpers.theory._expectations import Activation, evaluated, tabulated

_FINE, _COARSE = 100_000, 600  # points of one angle alone, and of each of two angles
_REACH = 12.0  # standard deviations after which the sphere's weight is nothing


def batch_factor(activation: Activation, batch: int) -> float:
    """Return the delta-norm factor per layer behind a batch norm over B >= 4 inputs.

    Raises:
        ValueError: If phi is constant or not finite.
        TypeError: If it is no activation.
    """
    tabulated(activation)  # refuses what is no activation
    n = batch - 1
    angle, weight = _angles(n, _FINE)
    z = math.sqrt(n) * np.sin(angle)
    value, slope = evaluated(activation, z)
    square, slopes, slopes_with_z = (weight @ one**2 for one in (value, slope, slope * z))

    product, both, both_with_z = _pairs(activation, n)
    spread = square - product
    if spread <= 1e-14 * square:
        raise ValueError("activation is constant: there is nothing to normalise")
    kept = (n * slopes - slopes_with_z + both + both_with_z) / batch
    return math.sqrt(batch / (batch - 3) * kept / spread)


def _pairs(activation: Activation, n: int) -> tuple[float, float, float]:
    """Return E phi phi~, E phi' phi'~ and E phi' z phi'~ z~ over two of the numbers."""
    angle, weight = _angles(n, _COARSE)
    inner, share = _angles(n - 1, _COARSE)  # the second number, once the first is known
    rho = -1 / n
    first = np.sin(angle)
    second = rho * first[:, None] + math.sqrt(1 - rho**2) * np.outer(np.cos(angle), np.sin(inner))
    one, other = math.sqrt(n) * first, math.sqrt(n) * second
    value, slope = evaluated(activation, one)
    others, slopes = evaluated(activation, other)
    return (
        float(weight @ (value * (others @ share))),
        float(weight @ (slope * (slopes @ share))),
        float(weight @ (slope * one * ((slopes * other) @ share))),
    )


def _angles(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return angles whose sine is a coordinate of the unit sphere in n dimensions, and weights."""
    reach = min(math.pi / 2, _REACH / math.sqrt(n))
    angle = reach * (2 * np.arange(count) + 1 - count) / count
    weight = np.cos(angle) ** (n - 2)
    return angle, weight / weight.sum()

"""What norms and skips do to variance and gradient in a wide network."""

import math

import numpy as np

from helpers import checks
from helpers.theory._expectations import Activation, tabulated
from helpers.theory._finite_batch import batch_factor
from helpers.theory._mean_field import Trajectory

_NORMS = ("batch", "layer", "rms")


def norm_factor(activation: Activation, norm: str, batch: int | None = None) -> float:
    """Return the delta-norm factor per layer of a normalised network.

    Batch: sqrt(E phi'^2 / Var phi); layer and rms: sqrt(E phi'^2 / E phi^2), over
    N(0, 1): a norm before the activation sets the scale, whatever the weights.

    A batch norm over few inputs does worse, as it divides by a poor standard deviation;
    ``batch`` says over how many. Layers are wide in any case.

    Args:
        activation: As for fixed_point.
        norm: batch, layer or rms.
        batch: Number of inputs B that a batch norm sees, at least 4, below which the
            mean of 1 / variance does not exist; endless when omitted.

    Raises:
        ValueError: If the activation or the norm is unknown, phi is constant or not
            finite, batch is below 4, or the norm does not look at the batch.
        TypeError: If an argument has the wrong type.

    Source: Yang et al. 2019; Luther 2020 (batch, ReLU: sqrt(pi / (pi - 1))). For a
    finite batch derived here, after the sphere of Yang et al. 2019, section 3.

    Example:
        >>> norm_factor("relu", "batch")
        1.211...
        >>> round(norm_factor("relu", "batch", batch=8), 3)
        1.337
    """
    norm = checks.choice("norm", norm, _NORMS)
    if batch is not None:
        batch = checks.whole("batch", batch, least=4)
        if norm != "batch":
            raise ValueError(f"batch is for norm='batch' only; a {norm} norm sees one input")
        return batch_factor(activation, batch)
    table = tabulated(activation)
    second, slope = table.moments(1.0)
    spread = second - table.mean(1.0) ** 2 if norm == "batch" else second
    if spread <= 1e-14 * second:
        raise ValueError("activation is constant: there is nothing to normalise")
    return math.sqrt(slope / spread)


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
    norm = checks.choice("norm", norm, ("none", *_NORMS))
    blocks = checks.whole("blocks", blocks, least=1)
    weight_var = checks.number("weight_var", weight_var)
    bias_var = checks.number("bias_var", bias_var)
    q = checks.number("q0", q0)
    branch_square = checks.number("branch", branch) ** 2
    total_square = checks.number("total", total) ** 2
    table = tabulated(activation)
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

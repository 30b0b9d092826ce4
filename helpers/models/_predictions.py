"""Predict gradients by theory, from a setting alone: no network is built.

Shapes: B batch, T steps, D input features, L depth.
"""

import math

import numpy as np
from torch import Tensor

from helpers import theory
from helpers.models._settings import RecurrentSetting, Setting, check_setting


def predicted_profile(setting: Setting, inputs: Tensor) -> np.ndarray:
    """Predict the delta norms of a network before it is built.

    Mean-field theory: without norms the variance of the pre-activations is
    followed from layer to layer, and each layer multiplies the delta norm by the
    square root of its chi; with a norm every layer multiplies by the same factor.
    With pre-activation skips the stream's variance is followed instead.

    Args:
        setting: A network without skips or with pre-activation ones; its norm is
            none, batch, layer or rms.
        inputs: The batch it will be fed, shape (B, D); only its mean square counts
            (its variance over the batch, for skips with batch norm).

    Returns:
        Norm of delta over that of the last layer, from input to output, shape (L,).

    Raises:
        ValueError: If the setting has other skips or a group norm, and so no
            ``has_prediction``.

    Source: Schoenholz et al. 2017, eq. 5; for batch norm Yang et al. 2019.

    Example:
        >>> import torch
        >>> predicted_profile(Setting(depth=3, activation="relu"), torch.ones(1, 64)).round(4)
        array([0.1667, 0.4082, 1.    ])
    """
    if not setting.has_prediction:
        raise ValueError(
            "setting must have no skips or pre-activation ones, and norm none, batch, layer or "
            f"rms: there is no prediction for residual={setting.residual!r} with "
            f"norm={setting.norm!r}"
        )
    skipped = setting.residual != "none"
    if setting.norm != "none" and not skipped:
        factor = theory.norm_factor(setting.activation, setting.norm)
        return factor ** np.arange(setting.depth - 1, -1, -1.0)
    weight_var, bias_var = setting.variances
    centred = skipped and setting.norm == "batch"
    signal = inputs.double() - (inputs.double().mean(dim=0) if centred else 0.0)
    first = weight_var * signal.square().mean().item() + (0.0 if centred else bias_var)
    if not skipped:
        return theory.trajectory(
            setting.activation, weight_var, bias_var, depth=setting.depth, q0=first
        ).delta_norms
    stream = theory.residual_trajectory(
        setting.activation,
        weight_var,
        bias_var,
        blocks=setting.blocks,
        q0=first,
        norm=setting.norm,
        branch=setting.branch_scale,
        total=setting.total_scale,
    )
    gradient = math.sqrt(stream.chi[-1]) * stream.delta_norms  # at the stream
    branches = setting.total_scale * setting.branch_scale * gradient[1:]
    return np.concatenate([gradient[:1], branches, [1.0]])


def predicted_through_time(setting: RecurrentSetting, inputs: Tensor) -> np.ndarray:
    """Predict what ``probe.through_time`` finds, before the network is built.

    Theory of a wide network. For the rnn, an unrolled network in which every step
    multiplies the norm by the square root of its chi; half of the units of an IRNN
    are at 0 and let nothing through. For lstm and gru all paths, straight and
    through the weights (``theory.gated_profile``). With ``chrono`` only the
    straight path, which is nearly all: the product of the gates that keep the
    state, unit by unit, averaged over the draw of their biases.

    Args:
        setting: What would be built.
        inputs: The batch it will be fed, shape (B, T, D); only its length and mean
            square count.

    Returns:
        Gradient norm at the state after each step, over that of the last, shape (T,).

    Raises:
        TypeError: If the setting is not a ``RecurrentSetting``.
        ValueError: If the inputs are not three-dimensional.

    Example:
        >>> import torch
        >>> irnn = RecurrentSetting("rnn", initialization="identity")
        >>> predicted_through_time(irnn, torch.ones(1, 3, 2)).round(3)
        array([0.707, 0.707, 1.   ])
    """
    check_setting(setting, RecurrentSetting)
    if not isinstance(inputs, Tensor) or inputs.ndim != 3:
        raise ValueError("inputs must be a batch of sequences, a tensor of shape (B, T, D)")
    steps = inputs.shape[1]
    lags = np.arange(steps)
    if setting.initialization == "identity":
        profile = setting.gain**lags * np.where(lags > 0, math.sqrt(0.5), 1.0)
    elif setting.longest is not None:  # chrono
        longest = np.linspace(1, setting.longest - 1, 2001)
        kept = longest / (1 + longest)  # sigmoid of log
        profile = np.sqrt([np.mean(kept ** (2 * lag)) for lag in lags])
        profile[1:] *= 0.5 if setting.cell == "lstm" else 1.0  # once through the output gate
    else:
        drawn = 1.0 / (3.0 * setting.width)  # variance of whatever PyTorch draws
        biases = drawn if setting.initialization == "default" else 0.0
        weight_var = setting.gain**2 * (1 / 3 if setting.initialization == "default" else 1.0)
        drive = drawn * inputs.double().square().sum(dim=-1).mean().item()
        if setting.cell == "rnn":
            drive += 2 * biases
            unrolled = theory.trajectory("tanh", weight_var, drive, depth=steps, q0=drive)
            profile = np.cumprod(np.append(1.0, np.sqrt(unrolled.chi[:0:-1])))
        else:
            drive += biases * (2 if setting.cell == "lstm" else 1.25)  # one is halved by a gate
            forget = 0.0 if setting.forget_bias is None else float(setting.forget_bias)
            profile = theory.gated_profile(setting.cell, forget, weight_var, drive, steps=steps)
    return profile[::-1].copy()

"""Predict how signals and gradients travel through a wide random network.

Numbers in, numbers out: no network is built here. Everywhere Var W = weight_var / fan_in
and Var bias = bias_var, q is the variance of a pre-activation, and chi multiplies the
squared norm of delta = dL/dz per layer.
"""

from helpers.theory._expectations import ACTIVATIONS, Activation, moments
from helpers.theory._mean_field import (
    FixedPoint,
    Trajectory,
    correlation_map,
    critical_weight_var,
    fixed_point,
    trajectory,
)
from helpers.theory._recurrent import gated_profile, lag_profile
from helpers.theory._residual import norm_factor, residual_trajectory

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "FixedPoint",
    "Trajectory",
    "correlation_map",
    "critical_weight_var",
    "fixed_point",
    "gated_profile",
    "lag_profile",
    "moments",
    "norm_factor",
    "residual_trajectory",
    "trajectory",
]

"""Predict how signals and gradients travel through a wide random network."""

from helpers.theory._expectations import (
    ACTIVATIONS,
    Activation,
    FixedPoint,
    Trajectory,
    correlation_map,
    critical_weight_var,
    fixed_point,
    gated_profile,
    lag_profile,
    norm_factor,
    residual_trajectory,
    trajectory,
)

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
    "norm_factor",
    "residual_trajectory",
    "trajectory",
]

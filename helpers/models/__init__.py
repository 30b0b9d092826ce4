"""Networks built from one ``Setting``: everything an experiment may vary.

Shapes: B batch, D input features, N width, C outputs, L depth.
"""

from helpers.models._settings import (
    ACTIVATION_MODULES,
    CELLS,
    NORMS,
    RECURRENT_INITIALIZATIONS,
    RESIDUALS,
    Activation,
    Recurrent,
    RecurrentSetting,
    Residual,
    Setting,
    Stack,
    activation_module,
    build,
    build_conv,
    build_recurrent,
    fused,
    predicted_profile,
    predicted_through_time,
)

__all__ = [
    "ACTIVATION_MODULES",
    "CELLS",
    "NORMS",
    "RECURRENT_INITIALIZATIONS",
    "RESIDUALS",
    "Activation",
    "Recurrent",
    "RecurrentSetting",
    "Residual",
    "Setting",
    "Stack",
    "activation_module",
    "build",
    "build_conv",
    "build_recurrent",
    "fused",
    "predicted_profile",
    "predicted_through_time",
]

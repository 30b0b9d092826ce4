"""Networks built from one ``Setting``: everything an experiment may vary.

Shapes: B batch, D input features, N width, C outputs, L depth.
"""

from helpers.models._blocks import ACTIVATION_MODULES, Activation, Residual, activation_module
from helpers.models._feedforward import build, build_conv
from helpers.models._fused import Stack, fused
from helpers.models._predictions import predicted_profile, predicted_through_time
from helpers.models._recurrent import Recurrent, build_recurrent
from helpers.models._settings import (
    CELLS,
    NORMS,
    RECURRENT_INITIALIZATIONS,
    RESIDUALS,
    RecurrentSetting,
    Setting,
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

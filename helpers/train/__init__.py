"""Train a classifier and write down how it went.

Shapes: B batch, D features, C classes, T steps; K networks trained as one, N width.
"""

from helpers.train._fit import (
    CLOSE,
    OPTIMIZERS,
    History,
    Recipe,
    accuracy,
    fit,
    fit_many,
    place,
    use_one_thread,
)

__all__ = [
    "CLOSE",
    "OPTIMIZERS",
    "History",
    "Recipe",
    "accuracy",
    "fit",
    "fit_many",
    "place",
    "use_one_thread",
]

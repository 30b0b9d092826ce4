"""Train a classifier and write down how it went.

Shapes: B batch, D features, C classes, T steps; K networks trained as one, N width.
"""

from helpers.train._backward import stepping_backward
from helpers.train._bar import each
from helpers.train._devices import find_device, place, use_one_thread
from helpers.train._fit import fit
from helpers.train._fit_many import fit_many
from helpers.train._history import CLOSE, History, accuracy
from helpers.train._recipe import OPTIMIZERS, Recipe

__all__ = [
    "CLOSE",
    "OPTIMIZERS",
    "History",
    "Recipe",
    "accuracy",
    "each",
    "find_device",
    "fit",
    "fit_many",
    "place",
    "stepping_backward",
    "use_one_thread",
]

"""Say what a cell shows, and stop when it does not; compare a guess.

A claim is shown with three significant digits, so that it can be stored in a notebook
and compared word for word when the notebook runs again.
"""

from helpers.claims._claim import ClaimError, claim
from helpers.claims._predict import Prediction, predict
from helpers.claims._published import published

__all__ = ["ClaimError", "Prediction", "claim", "predict", "published"]

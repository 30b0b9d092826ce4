"""Say what a cell shows, and stop when it does not; compare a guess.

A claim prints one line with three significant digits, so that the line can be
stored in a notebook and compared word for word when the notebook runs again.
"""

from helpers.claims._claim import ClaimError, claim, table
from helpers.claims._predict import Prediction, predict
from helpers.claims._published import published

__all__ = ["ClaimError", "Prediction", "claim", "predict", "published", "table"]

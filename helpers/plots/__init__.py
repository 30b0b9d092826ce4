"""Draw records; compute nothing.

Every function takes plain arrays or records and returns the axes it drew on;
``show`` puts the finished picture, with words that say what it shows, into the notebook.
"""

from helpers.plots._explorers import sliders
from helpers.plots._grids import bars, heat_map
from helpers.plots._histograms import layer_histograms
from helpers.plots._ledger import waterfall
from helpers.plots._lines import curves, distribution, layer_profile, training_curves
from helpers.plots._pictures import pictures
from helpers.plots._style import panels, show, use_style

__all__ = [
    "bars",
    "curves",
    "distribution",
    "heat_map",
    "layer_histograms",
    "layer_profile",
    "panels",
    "pictures",
    "show",
    "sliders",
    "training_curves",
    "use_style",
    "waterfall",
]

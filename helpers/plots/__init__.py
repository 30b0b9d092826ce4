"""Draw records; compute nothing.

Every function takes plain arrays or records and returns the axes it drew on;
``show`` puts the finished picture, with its alt text, into the notebook.
"""

from helpers.plots._lines import (
    bars,
    curves,
    distribution,
    heat_map,
    layer_profile,
    panels,
    show,
    sliders,
    training_curves,
    use_style,
    waterfall,
)

__all__ = [
    "bars",
    "curves",
    "distribution",
    "heat_map",
    "layer_profile",
    "panels",
    "show",
    "sliders",
    "training_curves",
    "use_style",
    "waterfall",
]

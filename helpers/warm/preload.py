"""What every warm process has imported; importing this module is all there is to do.

Only imports, files read and one figure that nobody sees: a torch operation here could
start threads, which a fork would lose.
"""

import gc
import io

import IPython.core.application
import IPython.core.completerlib
import IPython.core.interactiveshell
import IPython.core.logger
import IPython.core.magics  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import matplotlib_inline.backend_inline  # noqa: F401
import torch._dynamo  # noqa: F401  (the first optimizer imports it: more than a second)
from matplotlib.figure import Figure

from helpers import (  # noqa: F401
    claims,
    data,
    exercises,
    experiment,
    initialize,
    models,
    plots,
    probe,
    theory,
    train,
)
from helpers.warm import engine  # noqa: F401

data.preload()
# The first figure reads the fonts and builds the parser for powers of ten.
_figure = Figure()
_figure.subplots().set(yscale="log", ylim=(1e-9, 1))
_figure.savefig(io.BytesIO())
del _figure
# What lives now lives for ever: the garbage collector of a run need not look at it (and
# does so at the end of every cell, when figures are closed).
gc.collect()
gc.freeze()

"""What every warm process has imported; importing this module is all there is to do.

Only imports and files read: a torch operation here could start threads, which a
fork would lose.
"""

import gc

import IPython.core.interactiveshell  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import matplotlib_inline.backend_inline  # noqa: F401
import torch._dynamo  # noqa: F401  (the first optimizer imports it: more than a second)

from helpers import (  # noqa: F401
    claims,
    data,
    engine,
    exercises,
    experiment,
    initialize,
    models,
    plots,
    probe,
    theory,
    train,
)

data.preload()
# What lives now lives for ever: the garbage collector of a run need not look at it (and
# does so at the end of every cell, when figures are closed).
gc.collect()
gc.freeze()

"""Run one notebook at every combination of a grid, on this machine or on a cluster.

``grid`` says what is to be run, ``folder`` keeps it, ``cluster`` hands the runs out, each a
papermill run in a fresh process (``notebook``), ``execution`` does a whole sweep, and
``results`` makes its table and page. A sweep may be killed at any moment, and the same
command goes on where it was.
"""

from helpers.sweeps.execution import Stopped, execute, preview
from helpers.sweeps.folder import Folder
from helpers.sweeps.grid import Sweep, literal, prepare, read_grid, values

__all__ = [
    "Folder",
    "Stopped",
    "Sweep",
    "execute",
    "literal",
    "prepare",
    "preview",
    "read_grid",
    "values",
]

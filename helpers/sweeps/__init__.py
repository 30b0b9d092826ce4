"""Run one notebook at every point of a grid, on this machine or on a cluster."""

from helpers.sweeps.execution import (
    Folder,
    Plan,
    Tally,
    execute,
    literal,
    plan,
    preview,
    read_grid,
    tally,
    values,
)

__all__ = [
    "Folder",
    "Plan",
    "Tally",
    "execute",
    "literal",
    "plan",
    "preview",
    "read_grid",
    "tally",
    "values",
]

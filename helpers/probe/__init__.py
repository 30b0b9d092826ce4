"""Measure what a forward and a backward pass leave behind, layer by layer.

``record`` measures once, in float64 and on a copy, and so does ``through_time``, step
by step; ``agreement`` asks whether two batches want the same; ``lost_at`` asks from which
depth on a number format loses the gradient; ``watch`` measures while a model trains.
Shapes: B batch, N units, L weight layers, T steps. Layer 1 is nearest the input; delta is
the gradient of the loss at a pre-activation.
"""

from helpers.probe._agreement import agreement
from helpers.probe._flat_zones import SATURATED
from helpers.probe._flow import Flow, Ledger, LedgerRow
from helpers.probe._formats import LostAt, lost_at
from helpers.probe._log import Log
from helpers.probe._record import record
from helpers.probe._through_time import through_time
from helpers.probe._watch import PARTS, watch

__all__ = [
    "PARTS",
    "SATURATED",
    "Flow",
    "Ledger",
    "LedgerRow",
    "Log",
    "LostAt",
    "agreement",
    "lost_at",
    "record",
    "through_time",
    "watch",
]

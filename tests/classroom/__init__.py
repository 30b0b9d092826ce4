"""A class of students, honest and hostile, with the marks that a careful human gives.

Each case writes what one student hands in for lesson 01. All of them answer one
exercise, ``sigmoid_chain_grad(x, depth)``, 2 points for one layer and 3 for any depth;
the other exercises stay stubs where they do not matter.

Nothing here runs what it writes. Hostile code belongs in a sandbox; should the sandbox
have a hole, each attack stays within bounds that a machine survives, tells of its
success by answering right, and what it leaves behind has ``EVIDENCE`` in its name.
Names tell what a case costs a grader: ``hostile_cpu_...`` uses up the processor time
that it is given, ``hostile_wait_...`` the time on the clock.
"""

from classroom import traces
from classroom.answers import RIGHT, SLIPS
from classroom.cases import EXERCISE, ROOT, Case, write_class
from classroom.honest import HONEST
from classroom.mixed import HOSTILE, class_of, neighbours
from classroom.traces import evidence, listeners
from classroom.writing import notebook

__all__ = [
    "EXERCISE",
    "HONEST",
    "HOSTILE",
    "RIGHT",
    "ROOT",
    "SLIPS",
    "Case",
    "class_of",
    "evidence",
    "listeners",
    "neighbours",
    "notebook",
    "traces",
    "write_class",
]

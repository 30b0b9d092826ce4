"""What has which colour and marker, in every figure of the course."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import cast
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

# The kinds of a ledger (colours: Okabe and Ito 2008).
KIND_COLOURS = {"weights": "#0072B2", "activation": "#D55E00", "norm": "#009E73", "skip": "#CC79A7"}

# Each activation of theory.ACTIVATIONS. The first seven have the colours of Okabe and Ito, the
# next four others that differ from these for colour-blind eyes too (three of Tol 2021, a brown);
# the others that of a relative, and a marker of their own.
ACTIVATION_LOOKS = {
    "sigmoid": ("#0072B2", "o"),
    "tanh": ("#D55E00", "s"),
    "relu": ("#009E73", "D"),
    "gelu": ("#CC79A7", "^"),
    "silu": ("#56B4E9", "v"),
    "selu": ("#E69F00", "P"),
    "elu": ("#000000", "X"),
    "leaky_relu": ("#882255", "<"),
    "prelu": ("#999933", ">"),
    "softplus": ("#332288", "p"),
    "linear": ("#6B4E16", "d"),
    "centered_sigmoid": ("#0072B2", "h"),
    "hardsigmoid": ("#0072B2", "8"),
    "logsigmoid": ("#0072B2", "*"),
    "erf": ("#D55E00", "h"),
    "softsign": ("#D55E00", "8"),
    "hardtanh": ("#D55E00", "*"),
    "tanhshrink": ("#D55E00", "p"),
    "relu6": ("#009E73", "8"),
    "gelu_tanh": ("#CC79A7", "8"),
    "mish": ("#56B4E9", "8"),
    "hardswish": ("#56B4E9", "*"),
    "celu": ("#000000", "8"),
}
_MARKERS = "osD^vPX"
_DASHES = ("-", (0, (6, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)))
# Long names first, so that a leaky ReLU is not taken for a ReLU.
_NAMED = re.compile(
    "|".join(
        rf"(?<![a-z0-9])(?P<{name}>{name.replace('_', '[_ -]?')})(?![a-z0-9])"
        for name in sorted(ACTIVATION_LOOKS, key=len, reverse=True)
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Look:
    """How a series is drawn.

    Attributes:
        colour: Of its points and lines, and of its theory.
        marker: The shape of its points.
        filled: Whether its points are filled; those of a second series that has the same
            activation are not.
        dashes: How it is drawn if it is a line without points.
    """

    colour: str
    marker: str
    filled: bool = True
    dashes: str | tuple[int, tuple[float, ...]] = "-"

    @property
    def face(self) -> str:
        """What fills a point."""
        return self.colour if self.filled else "white"


# What the series of a figure look like, as long as there is the figure.
_KNOWN: WeakKeyDictionary[Figure, dict[str, Look]] = WeakKeyDictionary()


def activation_in(label: str) -> str:
    """Return the activation that a label names, as in "ReLU, He weights", or nothing.

    Example:
        >>> activation_in("ReLU, He weights"), activation_in("Leaky ReLU"), activation_in("plain")
        ('relu', 'leaky_relu', '')
    """
    found = _NAMED.search(label)
    return str(found.lastgroup) if found else ""


def looks(labels: Iterable[str], ax: Axes) -> dict[str, Look]:
    """Give each series its look, the same one in every panel of a figure.

    An activation has the same colour in the whole course. A second series that names
    it, as "tanh, Xavier" beside "tanh", differs in its marker and its dashes. Whatever
    names none gets the next colour that nothing else in this figure has.

    Args:
        labels: The names of the series, in the order in which they are drawn.
        ax: The panel that they are drawn on.
    """
    labels = list(labels)
    known = _KNOWN.setdefault(cast("Figure", ax.get_figure(root=True)), {})
    named = [name for name in map(activation_in, labels) if name]
    taken = {ACTIVATION_LOOKS[name][0] for name in named} | {look.colour for look in known.values()}
    every = [to_hex(colour).upper() for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"]]
    free = [colour for colour in every if colour not in taken] or every
    markers = islice(cycle(_MARKERS), sum(not activation_in(label) for label in known), None)
    others = zip(cycle(free), markers, strict=False)
    for label in labels:
        if label in known:
            continue
        if name := activation_in(label):
            colour, marker = ACTIVATION_LOOKS[name]
            before = sum(activation_in(other) == name for other in known)
        else:
            (colour, marker), before = next(others), 0
        if before > 1:
            marker = _MARKERS[(_MARKERS.find(marker) + before) % len(_MARKERS)]
        known[label] = Look(colour, marker, before != 1, _DASHES[before % len(_DASHES)])
    return {label: known[label] for label in labels}

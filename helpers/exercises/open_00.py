"""Open exercise of lesson 00: a cure of one's own for the dead network.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from helpers import data, models, probe, text, train
from helpers.exercises.open_exercises import Condition, OpenExercise

_DEAD = models.Setting(depth=30, width=64, activation="sigmoid")  # that of the lesson
_SEED, _BATCH, _STEPS, _RATE = 0, 128, 200, 0.05
_DECADES = 2.0
_ACCURACY = 0.3  # guessing reaches a tenth


def _returns_a_setting(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer(_DEAD)
    good = isinstance(found, models.Setting)
    return good, "" if good else f"it returned one {type(found).__name__}"


def _keeps_the_network(answer: Callable[..., Any]) -> tuple[bool, str]:
    cure = answer(_DEAD)
    good = all(
        getattr(cure, name) == getattr(_DEAD, name) for name in ("depth", "width", "activation")
    )
    return good, f"it has {cure.depth} layers of {cure.width} {cure.activation}"


def _is_another_cure(answer: Callable[..., Any]) -> bool:
    return answer(_DEAD).norm != "batch"


def _is_level(answer: Callable[..., Any]) -> tuple[bool, str]:
    split = data.digits()
    inputs, targets = split.batch(_BATCH, _SEED)
    net = models.build(answer(_DEAD), split.features, split.classes, _SEED)
    lost = probe.record(net, inputs, targets, cross_entropy).decades_lost
    word = "gained" if lost < 0 else "lost"
    return abs(lost) < _DECADES, f"{text.number(abs(lost), 3)} decades {word}"


def _learns(answer: Callable[..., Any]) -> tuple[bool, str]:
    split = data.digits()
    net = models.build(answer(_DEAD), split.features, split.classes, _SEED)
    optimizer = torch.optim.SGD(net.parameters(), lr=_RATE)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the lesson: so small matrices are not worth sharing out
    try:
        history = train.fit(net, split, optimizer, steps=_STEPS, seed=_SEED, progress=False)
    finally:
        torch.set_num_threads(threads)
    share = f"it reads {100 * history.test_accuracy:.0f} %"
    return history.test_accuracy > _ACCURACY, history.stopped or share


def my_cure(dead):
    """Skips around each layer, with the sigmoid before its weights."""
    return replace(dead, residual="pre-act")


OPEN_EXERCISE = OpenExercise(
    name="my_cure",
    number="0.2",
    title="A cure of your own for the dead network",
    signature="my_cure(dead)",
    conditions=(
        Condition(
            "It returns a setting.",
            _returns_a_setting,
            "End with `return replace(dead, ...)`, and name a field there with its new value.",
            essential=True,
        ),
        Condition(
            "Depth, width and the sigmoid are those of the dead network.",
            _keeps_the_network,
            "Leave these three fields as they are, and change another one.",
            essential=True,
        ),
        Condition(
            "It is another cure than batch norm.",
            _is_another_cure,
            "The lesson has shown what batch norm does. Leave `norm` as it is, or choose another.",
        ),
        Condition(
            "Less than 2 decades lie between the last layer and the first.",
            _is_level,
            "Where do the decades go? `print(probed(my_cure(dead)).ledger())` says it.",
        ),
        Condition(
            "After 200 steps it reads more than 30 % of the test pictures.",
            _learns,
            "If the gradient is level and it learns too slowly or not at all, another field, or "
            "another value of this one, may do better.",
        ),
    ),
    reference=my_cure,
)

"""Open exercise of lesson 03: two changes of one's own, and whether they help each other.

Students get this file as it is: it holds no answer to an exercise with marks.
"""

import functools
import math
import statistics
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from torch.nn import functional

from helpers import data, models, probe, text
from helpers.exercises.open_exercises import Condition, OpenExercise

_DRAWS = 3  # as in the lesson
_DEEPEST, _WIDEST = 40, 128  # four networks, three draws each, in two seconds
_ENOUGH = 0.5  # decades; a difference below this is none
_WORDS = ("more", "less", "the same")
_FIELDS = tuple(field.name for field in fields(models.Setting))


def _returns_four(answer: Callable[..., Any]) -> tuple[bool, str]:
    found = answer()
    if not isinstance(found, tuple | list) or len(found) != 4:
        count = f" of {len(found)}" if isinstance(found, tuple | list) else ""
        return False, f"it returned one {type(found).__name__}{count}"
    start, first, second, word = found
    if not isinstance(start, models.Setting):
        return False, f"the start is a {type(start).__name__}"
    for which, change in (("first", first), ("second", second)):
        if not isinstance(change, dict):
            return False, f"the {which} change is a {type(change).__name__}"
        unknown = [name for name in change if name not in _FIELDS]
        if unknown:
            return False, f"the {which} change has {unknown[0]!r}, which is no field of a Setting"
    if word not in _WORDS:
        return False, f"the prediction is {word!r}"
    return True, ""


def _makes_two_changes(answer: Callable[..., Any]) -> tuple[bool, str]:
    start, first, second, _ = answer()
    both = [name for name in first if name in second]
    if both:
        return False, f"both set {both[0]!r}"
    for which, change in (("first", first), ("second", second)):
        if replace(start, **change) == start:
            return False, f"the {which} one changes nothing"
    for setting in _four(start, first, second).values():
        if setting.depth < 2:
            return False, "one layer has only one delta, so nothing can be lost"
        if setting.depth > _DEEPEST or setting.width > _WIDEST:
            return False, f"one of them has {setting.depth} layers of {setting.width}"
    return True, ""


def _is_ones_own(answer: Callable[..., Any]) -> tuple[bool, str]:
    start, first, second, _ = answer()
    neither, both = start, replace(start, **first, **second)
    one_field_each = len(first) == len(second) == 1
    fewer = both.depth != neither.depth
    skipped = "none" in (neither.residual, both.residual) and both.residual != neither.residual
    taken = start.activation == "sigmoid" and one_field_each and fewer and skipped
    return not taken, "it is the lesson's" if taken else ""


def _matters(answer: Callable[..., Any]) -> tuple[bool, str]:
    start, first, second, _ = answer()
    *alone, together = _savings(start, first, second)
    if not all(map(math.isfinite, (*alone, together))):
        return False, "in one of the four networks no gradient arrives, or none that is finite"
    words = " and ".join(text.number(saved, 2) for saved in alone)
    return max(map(abs, alone)) >= _ENOUGH, f"alone they save {words} decades"


def _predicts(answer: Callable[..., Any]) -> tuple[bool, str]:
    start, first, second, word = answer()
    *alone, together = _savings(start, first, second)
    beyond = together - sum(alone)
    found = "the same" if abs(beyond) < _ENOUGH else ("more" if beyond > 0 else "less")
    numbers = [text.number(value, 2) for value in (*alone, together)]
    measured = (
        f"predicted {word!r}, measured {found!r}: alone {numbers[0]} and {numbers[1]} decades, "
        f"together {numbers[2]}"
    )
    return word == found, measured


def _four(
    start: models.Setting, first: dict[str, Any], second: dict[str, Any]
) -> dict[str, models.Setting]:
    """Return the networks of the two by two table."""
    changes: dict[str, dict[str, Any]] = {
        "neither": {},
        "first": first,
        "second": second,
        "both": first | second,
    }
    return {name: replace(start, **change) for name, change in changes.items()}


def _savings(
    start: models.Setting, first: dict[str, Any], second: dict[str, Any]
) -> tuple[float, float, float]:
    """Return what the first change saves alone, what the second one does, and both."""
    lost = {name: _lost(setting) for name, setting in _four(start, first, second).items()}
    neither = lost["neither"]
    return neither - lost["first"], neither - lost["second"], neither - lost["both"]


@functools.lru_cache(maxsize=32)
def _lost(setting: models.Setting) -> float:
    """Measure the decades lost in a network, the mean over the draws."""
    digits = data.digits()
    inputs, targets = digits.batch(64, 0)
    found = []
    for draw in range(_DRAWS):
        net = models.build(setting, digits.features, digits.classes, draw)
        found.append(probe.record(net, inputs, targets, functional.cross_entropy).decades_lost)
    return statistics.fmean(found)


def my_pair():
    """ReLU, and the weights that were made for it, in a tanh network at the default."""
    start = models.Setting(depth=20, width=64, activation="tanh")
    return start, {"activation": "relu"}, {"initialization": "he"}, "more"


OPEN_EXERCISE = OpenExercise(
    name="my_pair",
    number="3.4",
    title="Two changes of your own, and whether they help each other",
    signature="my_pair()",
    conditions=(
        Condition(
            "It returns a Setting, two changes and a prediction.",
            _returns_four,
            "End with `return start, first, second, prediction`: a models.Setting, two "
            "dictionaries of its fields, and 'more', 'less' or 'the same'.",
            essential=True,
        ),
        Condition(
            f"The changes are two, in networks of at most {_DEEPEST} layers of {_WIDEST} units.",
            _makes_two_changes,
            "Each dictionary must change something, no field may stand in both, and all four "
            "networks must keep to the limits.",
            essential=True,
        ),
        Condition(
            "It is not the pair of the lesson.",
            _is_ones_own,
            "Take other changes than depth and a skip, or another activation to start from.",
        ),
        Condition(
            "At least one of them saves or costs half a decade alone.",
            _matters,
            "Where neither matters alone there is not much to predict: take larger changes, or a "
            "deeper network.",
            essential=True,
        ),
        Condition(
            "The prediction is right.",
            _predicts,
            "Compare what both save together with the sum of both numbers before it, and ask "
            "what they mend: the same damage, or one the damage that the other makes?",
        ),
    ),
    reference=my_pair,
)

"""The parameters that a lesson was published with, and which of them somebody has changed."""

import inspect
import os
from collections.abc import Mapping
from importlib import metadata
from typing import Any, NamedTuple

from helpers import progress, text

STRICT = "COURSE_CLAIMS"  # the environment variable; "strict" where tests and `course run` set it

_values: dict[str, object] = {}
_namespace: Mapping[str, Any] = {}


def published(lesson: str, **values: object) -> None:
    """Say with which parameters this lesson was published.

    From then on a claim that does not hold looks whether the caller's variables of these
    names are still those: if one was changed, the claim says so and the lesson goes on.

    Args:
        lesson: Its number, such as "01"; progress is kept under it.
        **values: Each parameter with its published value.
    """
    global _values, _namespace
    frame = inspect.currentframe()
    assert frame is not None  # CPython has frames
    assert frame.f_back is not None  # somebody called this
    _values, _namespace = values, frame.f_back.f_globals
    progress.begin(lesson)


class Changed(NamedTuple):
    """What differs from the published lesson, in words; both are empty if nothing does.

    Attributes:
        now: As in "your depth of 10".
        then: The published values, as in "30".
    """

    now: str
    then: str


def changed() -> Changed:
    """Look which parameters somebody has changed."""
    differing = {
        name: _namespace[name]
        for name, value in _values.items()
        if name in _namespace and not _equal(_namespace[name], value)
    }
    now = " and ".join(f"{name} of {_shown(value)}" for name, value in differing.items())
    then = " and ".join(_shown(_values[name]) for name in differing)
    return Changed(f"your {now}" if now else "", then)


def must_raise() -> bool:
    """Whether a claim that fails stops the notebook."""
    return os.environ.get(STRICT) == "strict" or not changed().now


def what_it_can_mean() -> str:
    """Say what a claim that fails at the published parameters can mean, and whom to tell.

    Nothing where tests run, and where no lesson has said what it was published with.
    """
    if not _values or os.environ.get(STRICT) == "strict":
        return ""
    return (
        " It held where the lesson was published: another processor, an older copy of the lesson "
        f"or a mistake of ours can be the reason. Please tell {_whom()}, with what "
        "`course --version` prints."
    )


def _whom() -> str:
    """Say where to report, as the package's own description tells it."""
    try:
        addresses = metadata.metadata("vanishing-gradients").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:  # a released course is a folder, not a package
        addresses = []
    for address in addresses:
        name, _, url = address.partition(", ")
        if name.lower() == "issues":
            return f"us at {url}"
    return "whoever gave you this course"


def _equal(now: object, then: object) -> bool:
    """Whether a variable still has its published value; it can be anything by now."""
    try:
        return bool(now == then)
    except Exception:
        return False


def _shown(value: object) -> str:
    """Write the value of a parameter."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text.number(value)
    try:
        return text.shortened(repr(value), 40)
    except Exception:
        return f"a {type(value).__name__}"

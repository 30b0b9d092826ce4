"""Pictures with knobs, for a notebook that somebody is looking at."""

import os
import time
from collections.abc import Callable
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from ipywidgets import ValueWidget

# A picture that is there within this many seconds follows the mouse; a slower one waits until
# the slider is let go.
_AT_ONCE = 0.5


def sliders(draw: Callable[..., object], **choices: object) -> None:
    """Let the learner turn the knobs of a picture.

    In a live notebook the knobs stand above the picture and every move draws it
    anew. Where nobody can move anything, as in a notebook that is rendered,
    tested or run by papermill, ``draw`` is called once with the start values and
    nothing else appears.

    Args:
        draw: Called with one value for each choice; draws one figure and shows it.
        **choices: What each argument of ``draw`` may be: ``(low, high, step)`` or
            ``(low, high, step, start)`` for a slider, which starts at ``low`` if
            it is not told where; a list of values for a menu, the first one
            chosen; ``True`` or ``False`` for a tick box.

    Raises:
        ValueError: If there is no choice, or one is of another form.
    """
    if not choices:
        raise ValueError("sliders() needs at least one choice, such as depth=(2, 50, 1)")
    starts = {name: _start(name, choice) for name, choice in choices.items()}
    if not os.environ.get("JPY_SESSION_NAME"):  # Jupyter's server names what somebody looks at
        draw(**starts)
        return
    from IPython.display import display
    from ipywidgets import interactive  # here, as only a live notebook can use it

    knobs = {name: _knob(name, choices[name], start) for name, start in starts.items()}
    drawn = False

    def redraw(**values: object) -> None:
        nonlocal drawn
        began = time.perf_counter()
        try:
            draw(**{name: _value(choices[name], value) for name, value in values.items()})
        except Exception as error:  # whatever a learner's own draw may raise
            plt.close("all")
            sentence = f"{type(error).__name__}: {error}".split("\n")[0]
            print(sentence)  # noqa: T201 - it appears where the picture would
        quick = time.perf_counter() - began < _AT_ONCE
        for knob in knobs.values():
            if drawn and hasattr(knob, "continuous_update"):
                knob.continuous_update = quick
        drawn = True  # the first picture of a process is slow by itself

    display(interactive(redraw, **knobs))


def _start(name: str, choice: object) -> Any:
    """Return the value that a choice starts with; refuse what is not a choice."""
    if isinstance(choice, bool):
        return choice
    if isinstance(choice, list) and choice:
        return choice[0]
    if (
        isinstance(choice, tuple)
        and len(choice) in (3, 4)
        and all(isinstance(part, Real) for part in choice)
    ):
        low, high, step, start = choice if len(choice) == 4 else (*choice, choice[0])
        if low < high and step > 0 and low <= start <= high:
            return start
    raise ValueError(
        f"{name} must be (low, high, step) or (low, high, step, start) with low < high, "
        f"a list of values, or a truth value, got {choice!r}"
    )


def _knob(name: str, choice: Any, start: object) -> "ValueWidget":
    """Return the widget for a choice that :func:`_start` let through."""
    from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider

    words = {"description": name.replace("_", " "), "style": {"description_width": "7em"}}
    if isinstance(choice, bool):
        return Checkbox(value=start, **words)
    if isinstance(choice, list):
        return Dropdown(options=choice, **words)
    low, high, step = choice[:3]
    words |= {"min": low, "max": high, "step": step, "layout": {"width": "32em"}}
    if all(isinstance(part, Integral) for part in choice):
        return IntSlider(value=start, **words)
    return FloatSlider(value=start, readout_format=f".{_decimals(choice)}f", **words)


def _value(choice: Any, value: object) -> object:
    """Return what the learner sees: 0.3 where three steps of 0.1 gave 0.30000000000000004."""
    if isinstance(choice, tuple) and isinstance(value, float):
        return round(value, _decimals(choice))
    return value


def _decimals(choice: tuple[float, ...]) -> int:
    """Return how many decimals the places of a slider have."""
    exponents = [Decimal(str(part)).as_tuple().exponent for part in (choice[0], choice[2])]
    return max([0, *(-exponent for exponent in exponents if isinstance(exponent, int))])

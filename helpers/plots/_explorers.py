"""Pictures with knobs, for a notebook that somebody is looking at."""

import os
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots._legends import named_lines
from helpers.plots._style import show

if TYPE_CHECKING:
    from ipywidgets import ValueWidget

# A picture that is there within this many seconds follows the mouse; a slower one waits until
# the slider is let go.
_AT_ONCE = 0.5
# One that is replaced within this many seconds was passed on the way to another.
_PASSING = 1.0
_GREYS = ("0.55", "0.7", "0.82")  # of the last picture, and of those before


class _Memory:
    """What the last pictures showed, and the axes that all of them have."""

    def __init__(self) -> None:
        self._limits: list[dict[str, Any]] = []
        self._last: list[list[np.ndarray]] = []  # the curves of each panel
        self._before: deque[list[list[np.ndarray]]] = deque(maxlen=3)

    def rest(self) -> None:
        """Keep the last picture in mind: it was looked at, not only passed."""
        if self._last:
            self._before.append(self._last)

    def join(self, figure: Figure) -> None:
        """Give a new picture the axes of the first one, and what was before it in grey."""
        panels = figure.axes
        if not self._limits:
            self._limits = [{"xlim": ax.get_xlim(), "ylim": ax.get_ylim()} for ax in panels]
        self._last = [[np.array(line.get_xydata()) for line in named_lines(ax)] for ax in panels]
        for grey, picture in zip(_GREYS, reversed(self._before), strict=False):
            for ax, curves in zip(panels, picture, strict=False):
                for curve in curves:
                    ax.plot(*curve.T, color=grey, linewidth=1.2, zorder=1, label="_before")
        for ax, limits in zip(panels, self._limits, strict=False):
            ax.set(**limits)


def sliders(draw: Callable[..., Axes | None], **choices: object) -> None:
    """Let the learner turn the knobs of a picture.

    In a live notebook the knobs stand above the picture and every move draws it
    anew, on the axes of the first picture and with the last three curves in grey; a
    button leads back to the start. Where nobody can move anything, as in a notebook
    that is rendered, tested or run by papermill, the picture of the start values is
    shown and nothing else appears.

    Args:
        draw: Called with one value for each choice; draws one figure and returns an
            axes of it. Its axes should have room for every choice. One that shows its
            figure itself and returns nothing has neither fixed axes nor grey curves.
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
        if (axes := draw(**starts)) is not None:
            show(axes)
        return
    from IPython.display import display
    from ipywidgets import Button, interactive  # here, as only a live notebook can use it

    knobs = {name: _knob(name, choices[name], start) for name, start in starts.items()}
    memory = _Memory()
    drawn = 0.0  # when the last picture was there
    silent = False

    def redraw(**values: object) -> None:
        nonlocal drawn
        if silent:
            return
        began = time.perf_counter()
        if began - drawn > _PASSING:
            memory.rest()
        try:
            axes = draw(**{name: _value(choices[name], value) for name, value in values.items()})
            if axes is not None:
                memory.join(cast("Figure", axes.get_figure(root=True)))
                show(axes)
        except Exception as error:  # whatever a learner's own draw may raise
            plt.close("all")
            sentence = f"{type(error).__name__}: {error}".split("\n")[0]
            print(sentence)  # noqa: T201 - it appears where the picture would
        first, drawn = not drawn, time.perf_counter()
        for knob in knobs.values():
            # The first picture of a process is slow by itself.
            if not first and hasattr(knob, "continuous_update"):
                knob.continuous_update = drawn - began < _AT_ONCE

    def reset(_button: Button) -> None:
        nonlocal silent
        silent = True  # one picture in the end, not one for each knob
        for name, knob in knobs.items():
            knob.value = starts[name]
        silent = False
        box.update()

    button = Button(description="Reset", tooltip="Back to the values of the printed picture")
    button.on_click(reset)
    box = interactive(redraw, **knobs)
    *controls, output = box.children
    box.children = (*controls, button, output)
    display(box)


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

    shown = name.replace("_", " ")
    words = {"description": shown, "tooltip": shown, "style": {"description_width": "7em"}}
    if isinstance(choice, bool):
        return Checkbox(value=start, **words)
    if isinstance(choice, list):
        return Dropdown(options=choice, **words)
    low, high, step = choice[:3]
    layout = {"width": "32em", "max_width": "100%"}  # a phone has less
    words |= {"min": low, "max": high, "step": step, "layout": layout}
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

"""The progress bar of a notebook's cell: one for all that is trained in it.

It is plain HTML and empty at the end: a widget would be stored with the learner's notebook, and
tell of a model that is not found when the notebook is opened again.
"""

import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")

FIRST = 0.5  # seconds of training before a bar appears
_AGAIN = 0.2  # seconds between two of its pictures


def each(items: Iterable[Item]) -> Iterator[Item]:
    """Go through the items for each of which a cell trains something.

    In a notebook the progress bar of the cell then tells the time that is left for all of them,
    not for one training. It changes nothing else.

    Args:
        items: What to go through.

    Example:
        >>> for width in each([16, 32]):
        ...     print(width)
        16
        32
    """
    items = list(items)
    bar = bar_of_cell()
    for index, item in enumerate(items):
        if bar is not None:
            bar.reach(index, len(items))
        yield item
    if bar is not None:
        bar.reach(0, 0)


def bar_of_cell() -> "CellBar | None":
    """Return the bar of the cell that is running; None outside a notebook."""
    global _bar
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if not hasattr(shell, "kernel"):
        return None
    if _bar is None:
        _bar = CellBar(shell)
    return _bar


class CellBar:
    """The bar of one cell: made by its first training, gone when the cell has ended.

    Args:
        shell: The shell that runs the cell.
    """

    def __init__(self, shell: Any) -> None:
        self._events = shell.events
        self._name = uuid.uuid4().hex
        self._due = time.perf_counter() + FIRST
        self._shown = False
        self._trainings = 0
        self._item, self._items = 0, 0  # where `each` is, if the cell uses it
        self._items_began = 0.0
        self._events.register("post_run_cell", self._end)

    def reach(self, item: int, items: int) -> None:
        """Say that the cell begins an item, counted from 0; of 0 items if there are none left."""
        if item == 0:
            self._items_began = time.perf_counter()
        self._item, self._items = item, items

    def counted(self, steps: int) -> Iterator[int]:
        """Count the steps of a training, and show how far it is."""
        self._trainings += 1
        began = time.perf_counter()
        for step in range(steps):
            yield step
            now = time.perf_counter()
            if now >= self._due:
                self._show(step + 1, steps, began, now)
                self._due = now + _AGAIN

    def _show(self, step: int, steps: int, began: float, now: float) -> None:
        """Draw the bar: of all items if their number is known, else of this training."""
        share, words = step / steps, f"training {self._trainings}: step {step} of {steps}"
        if self._items:
            share, began = (self._item + share) / self._items, self._items_began
            words = f"{self._item + 1} of {self._items}: step {step} of {steps}"
        if self._items or self._trainings == 1:  # else nobody knows how many are to come
            minutes, seconds = divmod(round((now - began) * (1 - share) / share), 60)
            words += f", {minutes}:{seconds:02} left"
        bar = (
            f'<progress value="{share:.3f}" aria-label="progress of this cell" '
            'style="vertical-align: middle"></progress>'
        )
        self._publish(f"{bar} {words}", words)

    def _publish(self, page: str, words: str) -> None:
        from IPython.display import publish_display_data  # here, as only a notebook has it

        place = {"display_id": self._name}
        content = {"text/html": page, "text/plain": words}
        publish_display_data(content, transient=place, update=self._shown)
        self._shown = True

    def _end(self, _result: object) -> None:
        global _bar
        _bar = None
        self._events.unregister("post_run_cell", self._end)
        if self._shown:
            self._publish("", "")


_bar: CellBar | None = None  # of the cell that is running

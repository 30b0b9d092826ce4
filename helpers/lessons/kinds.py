"""Say what a cell of a lesson is for; times and shapes of lessons are counted by that."""

import re
from typing import Literal

from nbformat import NotebookNode

Kind = Literal["prose", "setup", "parameters", "guess", "exercise", "check", "progress", "work"]

# A question for a prediction, in the one form that it has.
GUESS = re.compile(r'guess = None\nprediction = claims\.predict\((".+"), guess\)')
# The last cell of a lesson.
PROGRESS = "print(progress.summary())"


def kind(cell: NotebookNode) -> Kind:
    """Return what a cell is for.

    Args:
        cell: Of a source or of a rendered notebook.

    Returns:
        ``"prose"`` for a cell of text, a tag that says it, ``"guess"`` or ``"progress"``
        for a cell in one of these two forms, and ``"work"`` for any other code.
    """
    if cell.cell_type != "code":
        return "prose"
    marked: tuple[Kind, ...] = ("setup", "parameters", "exercise", "check")
    for tag in marked:
        if tag in cell.metadata.get("tags", []):
            return tag
    if GUESS.fullmatch(cell.source):
        return "guess"
    return "progress" if cell.source == PROGRESS else "work"

"""Data sets that ship inside the installed packages or Python: nothing is downloaded."""

from helpers.data._images import digits, load, mnist, photographs, preload
from helpers.data._sequences import adding
from helpers.data._series import sunspots
from helpers.data._split import Split
from helpers.data._text import characters, help_text

__all__ = [
    "Split",
    "adding",
    "characters",
    "digits",
    "help_text",
    "load",
    "mnist",
    "photographs",
    "preload",
    "sunspots",
]

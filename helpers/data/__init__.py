"""Data sets that ship inside the installed packages: nothing is downloaded."""

from helpers.data._images import digits, load, mnist, photographs, preload
from helpers.data._sequences import adding
from helpers.data._split import Split

__all__ = ["Split", "adding", "digits", "load", "mnist", "photographs", "preload"]

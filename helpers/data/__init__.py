"""Data sets that ship inside the installed packages: nothing is downloaded."""

from helpers.data._images import Split, adding, digits, load, mnist, photographs, preload

__all__ = ["Split", "adding", "digits", "load", "mnist", "photographs", "preload"]

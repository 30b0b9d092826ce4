"""The ``course`` command.

Everything slow is imported inside the commands, so that ``course --help`` answers at once.
"""

from helpers.cli._main import main

__all__ = ["main"]

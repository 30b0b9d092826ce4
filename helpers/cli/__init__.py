"""The ``course`` command."""

from helpers.cli.grade import main

__all__ = ["main"]

"""The command itself, and what belongs to it."""

import os

import click

from helpers.cli import grade, lessons, sweep, version
from helpers.cli.errors import OneSentence


@click.group(cls=OneSentence)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=version.show,
    help="Show the versions, the processor and the threads, and exit.",
)
def main() -> None:
    """Run, read and publish the course on vanishing and exploding gradients."""
    # "Python 3" is the Python of the course, not one that the user has installed elsewhere.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


for command in (
    lessons.lab,
    lessons.render,
    lessons.run,
    lessons.progress,
    lessons.reset,
    lessons.export,
    sweep.sweep,
    lessons.solutions,
    grade.grade,
    grade.release,
):
    main.add_command(command)

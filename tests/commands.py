"""Start the real `course` command for a course in another folder."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager

COURSE = """
import sys
from pathlib import Path
from helpers import cli
from helpers.lessons import sources
sources.ROOT = Path(sys.argv.pop(1))
cli.main()
"""


@contextmanager
def started(root, *words, output=subprocess.PIPE, without=(), **environment):
    """Start the command in a process of its own; end it whatever happens.

    Args:
        root: The course's folder.
        *words: What stands after `course`.
        output: Where its output goes, errors included.
        without: Variables that it shall not find in its environment.
        **environment: Those that it shall find besides.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    process = subprocess.Popen(
        [sys.executable, "-c", COURSE, str(root), *words],
        env={**inherited, **environment},
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

"""Start a process in milliseconds: fork it from one that has imported everything.

The one home of warm starting. A server process imports ``helpers.warm.preload`` once
(torch and its optimizers, matplotlib, IPython, the data) and runs nothing; each run
is a fresh process forked from it, which no earlier run has touched. The server is
the standard library's ``multiprocessing`` fork server; it starts with the first run
and ends with the process that started it.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType

_PRELOAD = "helpers.warm.preload"


def available() -> bool:
    """Whether processes can be forked safely here: on Linux.

    On macOS forking is there, but the system's own libraries may crash after it; on
    Windows there is none.
    """
    return sys.platform == "linux"


def processors() -> int:
    """Return how many processors this process may use: how many runs to do at a time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def running(
    work: Callable[..., None], *args: object, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Run a function in a fresh process forked from the warm one.

    It finds the caller's environment variables and working directory, a random state
    of its own, and everything of ``helpers.warm.preload`` imported, but not the caller's
    main script. It does not hear Ctrl-C, and ends when the caller's process ends,
    however that happens.

    Args:
        work: A function at the top of a module other than the main script; called with
            a connection and ``args``.
        *args: What else it needs; pickled.
        environment: Its environment variables; those of the caller when omitted.

    Yields:
        The process, and this end of a two-way connection to it. What is still running
        at the end of the block is killed.

    Raises:
        RuntimeError: If this machine cannot fork.

    Example:
        >>> with running(_echo) as (process, connection):
        ...     connection.send_bytes(b"hello")
        ...     connection.recv_bytes()
        b'hello'
    """
    if not available():
        raise RuntimeError("warm processes need Linux; start an ordinary process instead")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOAD])
    # A worker of Dask is a daemon, whose children multiprocessing forbids, as nobody would end
    # them. Ours end by themselves.
    multiprocessing.current_process().daemon = False
    here, there = context.Pipe()
    process = context.Process(
        target=_begin, args=(there, dict(environment or os.environ), work, args)
    )
    with here:
        with _without_main():
            process.start()
        there.close()
        try:
            yield process, here
        finally:
            process.kill()
            process.join()
            process.close()


_STARTING = threading.Lock()


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main script, which every process of multiprocessing would import and so run."""
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _begin(
    connection: Connection, environment: dict[str, str], work: Callable[..., None], args: tuple
) -> None:
    """Make the forked process its own, then work."""
    import numpy as np
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    np.random.seed()
    torch.seed()  # Python's own generator seeds itself anew at every fork
    work(connection, *args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _echo(connection: Connection) -> None:
    connection.send_bytes(connection.recv_bytes())

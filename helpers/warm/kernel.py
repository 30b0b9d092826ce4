"""A Jupyter kernel that starts warm: forked from a process that has imported everything.

Jupyter finds it as the kernelspec ``warm`` in ``helpers/warm/jupyter/kernels`` when that
folder's parent is on ``JUPYTER_PATH``; `make test` uses it for the lessons. To Jupyter it
is the ordinary kernel, in the same Python, only sooner there.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from helpers import warm


class WarmProvisioner(LocalProvisioner):
    """Jupyter's way to start a process, by forking where that is possible."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel.

        Args:
            cmd: The command of the kernelspec, its words after ``-f`` for the kernel.
            **kwargs: As Jupyter passes them; ``env`` and ``cwd`` are heeded.

        Returns:
            How to connect to it.
        """
        if not warm.available():
            return await super().launch_kernel(cmd, **kwargs)
        self.lease = ExitStack()
        words, folder = cmd[cmd.index("-f") :], str(kwargs.get("cwd") or Path.cwd())
        run = warm.running(_serve, words, folder, environment=kwargs.get("env"))
        handle = _Handle(self.lease.enter_context(run)[0])
        self.process = handle  # type: ignore[assignment]  # as good as a Popen to Jupyter
        self.pid = handle.pid
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """End what is left of the process."""
        if hasattr(self, "lease"):
            self.lease.close()
        await super().cleanup(restart)


class _Handle:
    """A forked process in the shape of ``subprocess.Popen``, as Jupyter holds it."""

    stdin = stdout = stderr = None

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None  # it has been started
        self.process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self) -> int | None:
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _serve(connection: Connection, words: Sequence[str], folder: str) -> None:
    """Be the kernel, in the forked process."""
    os.environ["JPY_PARENT_PID"] = str(os.getppid())  # it does not tell a terminal how to connect
    from ipykernel.kernelapp import IPKernelApp

    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app = IPKernelApp.instance()
    app.initialize(list(words))
    app.shell.enable_matplotlib("inline")  # type: ignore[union-attr]  # made by initialize()
    app.start()

"""A papermill engine whose every run is a fresh process forked from a warm one.

``papermill ... --engine warm`` and ``papermill.execute_notebook(..., engine_name="warm")``
give the outputs that an ordinary kernel gives, without the seconds that a kernel takes to
start and to import torch. There is no kernel: the cells run in IPython in the forked
process, so there are no widgets and no input.
"""

import base64
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import nbformat

from helpers import warm

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from papermill.engines import NotebookExecutionManager


def __getattr__(name: str) -> type:
    """Return ``WarmEngine``; papermill asks for it while it is itself being imported."""
    if name == "WarmEngine":
        return _warm_engine()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _warm_engine() -> type:
    from papermill.engines import Engine, NBClientEngine

    class WarmEngine(Engine):
        """Papermill's engine ``warm``; on a machine that cannot fork, the ordinary one."""

        @classmethod
        def execute_managed_notebook(
            cls,
            nb_man: "NotebookExecutionManager",
            kernel_name: str,
            *,
            execution_timeout: float | None = None,
            **kwargs: object,
        ) -> None:
            """Run the code cells in order until one fails.

            Args:
                nb_man: Papermill's record of the run; filled with the outputs.
                kernel_name: As papermill found it; only Python can be run.
                execution_timeout: Longest time for one cell in seconds.
                **kwargs: What else papermill tells its engines.

            Raises:
                ValueError: If the notebook is not written in Python.
            """
            if not warm.available():
                NBClientEngine.execute_managed_notebook(
                    nb_man, kernel_name, execution_timeout=execution_timeout, **kwargs
                )
                return
            language = nb_man.nb.metadata.get("kernelspec", {}).get("language", "python")
            if language != "python":
                raise ValueError(f"the engine 'warm' runs Python only, and this is {language}")
            _execute(nb_man, execution_timeout)

    return WarmEngine


def _execute(nb_man: "NotebookExecutionManager", timeout: float | None) -> None:
    """Run a notebook in a process of its own, and tell papermill of every cell."""
    code = [cell.source for cell in nb_man.nb.cells if cell.cell_type == "code"]
    count = 0
    with warm.running(_run_cells, code) as (process, connection):
        outputs = _Outputs(connection, timeout)
        for index, cell in enumerate(nb_man.nb.cells):
            nb_man.cell_start(cell, index)
            failed = False
            if cell.cell_type == "code":
                count += 1
                cell.execution_count = count
                try:
                    failed = outputs.follow(cell)
                except (EOFError, ConnectionError):
                    process.join()
                    cell.outputs.append(_death(process.exitcode))
                    failed = True
            if failed:
                nb_man.cell_exception(cell, index)
            nb_man.cell_complete(cell, index)
            if failed:
                break


class _Outputs:
    """What the cells show, put together from the messages of the process."""

    def __init__(self, connection: Connection, timeout: float | None) -> None:
        self.connection, self.timeout = connection, timeout
        self.named: dict[str, list[nbformat.NotebookNode]] = {}  # displays that can be updated

    def follow(self, cell: nbformat.NotebookNode) -> bool:
        """Collect a cell's outputs as they come; say whether it failed."""
        clear = False  # before the next output
        while True:
            if not self.connection.poll(self.timeout):
                words = f"the cell took more than {self.timeout:g} seconds"
                cell.outputs.append(_error("CellTimeoutError", words))
                return True
            message = json.loads(self.connection.recv_bytes())
            if "done" in message:
                return not message["done"]
            if "clear" in message:
                clear = True
                if message["clear"] == "later":
                    continue
            if clear:
                cell.outputs.clear()
                clear = False
            if "output_type" in message:
                self.add(cell.outputs, nbformat.from_dict(message))

    def add(self, outputs: list[nbformat.NotebookNode], output: nbformat.NotebookNode) -> None:
        """Append an output, join it to the stream before it, or update what it names."""
        name, update = output.pop("display_id", None), output.pop("update", False)
        if update:
            for older in self.named.get(name, ()):
                older.update(data=output.data, metadata=output.metadata)
            return
        if name is not None:
            self.named.setdefault(name, []).append(output)
        if output.output_type == "stream" and outputs and outputs[-1].get("name") == output.name:
            outputs[-1].text += output.text
        else:
            outputs.append(output)


def _error(name: str, words: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("error", ename=name, evalue=words, traceback=[f"{name}: {words}"])


def _death(exitcode: int | None) -> nbformat.NotebookNode:
    how = f"exit code {exitcode}"
    if exitcode is not None and exitcode < 0:
        how = signal.Signals(-exitcode).name
    return _error("ProcessEnded", f"the process of this run ended in the middle ({how})")


# ---- In the forked process -----------------------------------------------------------


def _run_cells(connection: Connection, sources: Sequence[str]) -> None:
    """Run cells in IPython, and send what they show, as JSON, until one fails."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # nobody watches a bar here

    def send(message: Mapping[str, object]) -> None:
        connection.send_bytes(json.dumps(message, default=_encoded).encode())

    shell = _shell(send)
    sys.stdout, sys.stderr = _Stream("stdout", send), _Stream("stderr", send)
    for source in sources:
        result = shell.run_cell(source, store_history=True)
        send({"done": bool(result.success)})
        if not result.success:
            break


def _encoded(value: object) -> str:
    """Write the bytes of a picture as notebooks do; everything else as text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class _Stream(io.TextIOBase):
    """A sys.stdout whose text goes into the notebook."""

    def __init__(self, name: str, send: Callable[[Mapping], None]) -> None:
        self.name, self.send = name, send

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self.send({"output_type": "stream", "name": self.name, "text": text})
        return len(text)


def _shell(send: Callable[[Mapping], None]) -> "InteractiveShell":
    """Make the IPython that a kernel would have, its outputs sent instead of printed."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Results(DisplayHook):
        """The value of a cell's last line."""

        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, data: dict, metadata: dict | None = None) -> None:
            output = {"output_type": "execute_result", "data": data, "metadata": metadata or {}}
            send({**output, "execution_count": self.prompt_count})

        def finish_displayhook(self) -> None:
            self._is_active = False

    class Displays(DisplayPublisher):
        """What a cell displays on its way."""

        def publish(
            self,
            data: dict,
            metadata: dict | None = None,
            source: object = None,
            *,
            transient: dict | None = None,
            update: bool = False,
            **kwargs: object,
        ) -> None:
            output = {"output_type": "display_data", "data": data, "metadata": metadata or {}}
            send({**output, **(transient or {}), "update": update})

        def clear_output(self, wait: bool = False) -> None:
            send({"clear": "later" if wait else "now"})

    class Shell(InteractiveShell):
        """Cells in, messages out."""

        displayhook_class = Type(Results)
        display_pub_class = Type(Displays)

        def enable_gui(self, gui: str | None = None) -> None:
            """Open no window, whatever a cell tells matplotlib."""

        def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
            output = {"output_type": "error", "ename": etype.__name__, "evalue": str(evalue)}
            send({**output, "traceback": stb})

    config = Config()
    config.HistoryManager.enabled = False
    shell = Shell.instance(config=config)
    shell.enable_matplotlib("inline")
    return shell

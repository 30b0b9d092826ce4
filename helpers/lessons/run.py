"""Execute notebooks, several at a time, each in a fresh kernel."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from helpers import checks, experiment, warm

_SECONDS_PER_CELL = 1800


@dataclass(frozen=True)
class Run:
    """One execution of a notebook from top to bottom.

    Attributes:
        notebook: The notebook with the outputs it reached.
        seconds: Wall time, the start of the kernel included.
        failure: Where it stopped and why, in one sentence; empty if it did not.
    """

    notebook: NotebookNode
    seconds: float
    failure: str


def execute(
    notebooks: Sequence[NotebookNode],
    workers: int | None = None,
    *,
    cell_seconds: float | None = _SECONDS_PER_CELL,
) -> Iterator[Run]:
    """Run notebooks, several at a time, each in a fresh kernel.

    Args:
        notebooks: What to run; left as they are.
        workers: How many at a time; one for each processor when omitted.
        cell_seconds: Longest time for one cell; None for no limit.

    Yields:
        One ``Run`` per notebook, in the order given, as soon as it is there. A
        failure is told in its ``Run`` and does not stop the others.

    Raises:
        ValueError: If ``workers`` is less than 1.
    """
    limit = warm.processors() if workers is None else checks.whole("workers", workers, least=1)

    async def started() -> list[asyncio.Task[Run]]:
        gate = asyncio.Semaphore(limit)
        return [
            asyncio.create_task(_run(deepcopy(notebook), gate, cell_seconds))
            for notebook in notebooks
        ]

    # While one run is waited for, the others go on. Leaving the block early (Ctrl-C) cancels
    # them, and each then stops its kernel.
    with asyncio.Runner() as runner:
        for task in runner.run(started()):
            runner.run(_finished(task))
            yield task.result()


async def _finished(task: asyncio.Task[Run]) -> None:
    await asyncio.wait([task])


async def _run(notebook: NotebookNode, gate: asyncio.Semaphore, cell_seconds: float | None) -> Run:
    """Execute a notebook in place, in a fresh folder."""
    async with gate:
        start = time.perf_counter()
        metadata = deepcopy(notebook.metadata)  # a kernel adds the version of its Python
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            failure = await _run_cells(notebook, folder, cell_seconds)
        notebook.metadata = metadata
        return Run(notebook, time.perf_counter() - start, failure)


async def _run_cells(notebook: NotebookNode, folder: str, cell_seconds: float | None) -> str:
    """Execute the code cells until one fails; say what went wrong, or nothing."""
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    for _, cell in code:
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(notebook, record_timing=False, timeout=cell_seconds)
    manager = cast("AsyncKernelManager", client.create_kernel_manager())
    where = "before the first cell"
    try:
        await manager.start_kernel(
            cwd=folder,
            env=_kernel_environment(folder),
            extra_arguments=["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"],
        )
        await client.async_start_new_kernel_client()
        for number, (index, cell) in enumerate(code, start=1):
            where = f"cell [{number}]"
            await client.async_execute_cell(cell, index, execution_count=number)
            cell.outputs = _joined(cell.outputs)
    except CellExecutionError as error:
        return f"{where}: {experiment.sentence(error.ename, error.evalue)}"
    except CellTimeoutError:
        return f"{where}: took more than {cell_seconds} s"
    except (DeadKernelError, RuntimeError) as error:
        return f"{where}: {error}"
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
        if manager.has_kernel:
            await manager.shutdown_kernel(now=True)
    return ""


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring outputs of one stream: where they are cut depends on the time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and "text" in output and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _kernel_environment(folder: str) -> dict[str, str]:
    """Return the surroundings that make the outputs the same everywhere."""
    fixed = {
        "COURSE_CLAIMS": "strict",  # a claim that fails is an error, at any parameters
        "IPYTHONDIR": folder,  # nobody's own start-up files
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "TQDM_DISABLE": "1",
    }
    # Nobody looks on, even if this was started from a notebook that somebody looks at.
    somebody = ("JPY_SESSION_NAME", "COURSE_PROGRESS")
    inherited = {name: value for name, value in os.environ.items() if name not in somebody}
    return {**inherited, **fixed}

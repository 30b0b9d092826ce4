"""Reach a Dask cluster, and let it do the runs."""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from helpers.sweeps import notebook
from helpers.sweeps.notebook import Outcome

if TYPE_CHECKING:
    from distributed import Client

# Seconds, so many that a machine which is only busy is not given up.
_SCHEDULER_ANSWERS = 60
_WORKER_APPEARS = 120
# On this machine a process that has ended is noticed by its connection; one that is slow, stopped
# or asleep with its laptop is waited for. So is the successor of a worker that died: Dask gives
# it 15 seconds, ends it if it comes later, and the sweep would wait for ever.
_PATIENT = {
    "distributed.comm.timeouts.connect": "2 minutes",
    "distributed.comm.timeouts.tcp": "30 minutes",
    "distributed.deploy.lost-worker-timeout": "30 minutes",
    "distributed.scheduler.worker-ttl": None,
}


@contextmanager
def connected(workers: int, scheduler: str | None) -> Iterator["Client"]:
    """Reach a Dask cluster: one of processes on this machine, or one that is running.

    Args:
        workers: How many processes here.
        scheduler: Address of a running scheduler, such as ``tcp://10.0.0.1:8786``.

    Yields:
        The client.

    Raises:
        ValueError: If the scheduler does not answer, has no worker, or one with
            another version of the course.
    """
    with _local(workers) if scheduler is None else _remote(scheduler) as client:
        yield client


@contextmanager
def _local(workers: int) -> Iterator["Client"]:
    """Start a cluster on this machine."""
    import dask
    from distributed import Client, LocalCluster

    with dask.config.set(_PATIENT):
        with _ignoring_ctrl_c():  # they are ended in order
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=":0",
                memory_limit=0,  # the memory is that of the runs, which are other processes
                silence_logs=logging.CRITICAL,
            )
        with cluster, Client(cluster) as client:
            yield client


@contextmanager
def _remote(scheduler: str) -> Iterator["Client"]:
    """Reach a cluster that is running."""
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_SCHEDULER_ANSWERS)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_WORKER_APPEARS)
        except TimeoutError as error:
            raise ValueError(
                f"the scheduler at {scheduler} has no worker; start some with "
                f"`dask worker {scheduler} --nthreads 1`"
            ) from error
        _check_versions(client, scheduler)
        yield client


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Let the processes that are started in the block ignore Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_versions(client: "Client", scheduler: str) -> None:
    """Refuse a cluster whose workers have another course, or none."""
    try:
        found = client.run(notebook.versions, on_error="return")
    except (ImportError, OSError) as error:
        raise ValueError(f"the workers of {scheduler} cannot be asked: {error}") from error
    ours = notebook.versions()
    for worker, theirs in found.items():
        if theirs != ours:
            said = theirs if isinstance(theirs, dict) else f"{type(theirs).__name__}: {theirs}"
            raise ValueError(
                f"the worker {worker} has another version of the course ({said}) than this "
                f"machine ({ours}); install the same on all"
            )


def refusals(client: "Client", content: str, runs: Sequence[Mapping[str, object]]) -> list[str]:
    """Let a worker say what the notebook refuses, while all of them get warm.

    Args:
        client: Of the cluster.
        content: The notebook's text.
        runs: The parameters of each run to look at.

    Returns:
        One sentence for each run that would be refused.
    """
    start = time.time_ns()
    warming = [
        client.submit(notebook.warm_up, workers=[worker], key=f"warm-{start}-{worker}", pure=False)
        for worker in client.scheduler_info(n_workers=-1)["workers"]
    ]
    asking = client.submit(notebook.refusals, content, runs, key=f"ask-{start}", pure=False)
    from helpers.sweeps import report  # noqa: F401  (it takes a second, and now there is time)

    answer = asking.result()
    del warming
    return answer


def outcomes(
    client: "Client",
    content: str,
    runs: Mapping[str, Mapping[str, object]],
    cell_seconds: float | None = None,
) -> Iterator[tuple[str, Outcome]]:
    """Run a notebook on a cluster, once for each set of parameters.

    Args:
        client: Of the cluster.
        content: The notebook's text.
        runs: The parameters of each run by its name.
        cell_seconds: Longest time for one cell of a notebook.

    Yields:
        The name and the outcome of each run, as it ends. When a worker dies, its runs
        go to another; a run with which three workers died counts as failed.

    Raises:
        ValueError: If the scheduler is lost.
    """
    from distributed import CancelledError, as_completed
    from distributed.scheduler import KilledWorker

    start = f"run-{time.time_ns()}"  # the cluster must not know these runs already
    futures = {
        client.submit(
            notebook.run, content, parameters, cell_seconds, key=f"{start}-{name}", pure=False
        ): name
        for name, parameters in runs.items()
    }
    for future in as_completed(list(futures)):
        name = futures.pop(future)
        try:
            outcome = future.result()
        except KilledWorker:
            outcome = _lost("its worker process died, three times")
        except CancelledError as error:
            raise ValueError(
                "the Dask scheduler is gone; start the same command again, and it goes on"
            ) from error
        except Exception as error:
            outcome = _lost(f"{type(error).__name__}: {error}".split("\n")[0])
        future.release()
        yield name, outcome


def _lost(error: str) -> Outcome:
    return {"notebook": "", "results": {}, "error": error, "seconds": 0.0, "versions": {}}

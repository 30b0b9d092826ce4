"""What processes use, as the kernel counts it in /proc (proc(5)). Read from outside the worker.

A process that ends while it is looked at counts with what was seen of it before.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil


class Clock:
    """Counts how long a worker only waits.

    Time on the clock is what a busy machine takes, not what a student's code takes. So each
    interval counts less the time in which a thread of the worker ran or stood in the queue for
    a processor (schedstat of each thread, in nanoseconds; the thread for which that is most).
    What is left is sleep, and waiting for what does not come. A worker cannot stretch that:
    whoever stands in a queue gets a share of the processor, and uses up its processor time.
    Where the kernel keeps no schedstat (CONFIG_SCHED_INFO), all time on the clock counts.

    Args:
        computing: Whether the time in which a thread ran counts too.

    Attributes:
        seconds: Counted so far.
    """

    def __init__(self, *, computing: bool = False) -> None:
        self.seconds = 0.0
        self._computing = computing
        self._last = time.monotonic()
        self._before: dict[str, float] = {}

    def advance(self, processes: list[int], *, counts: bool = True) -> None:
        """Go on to now.

        Args:
            processes: Those of the worker.
            counts: Whether the time since the last call counts at all.
        """
        now, threads = time.monotonic(), _threads(processes)
        spent = {
            thread: queued if self._computing else ran + queued
            for thread, (ran, queued) in threads.items()
        }
        most = max(
            (total - self._before.get(one, 0.0) for one, total in spent.items()), default=0.0
        )
        if counts:
            # The kernel adds a wait in the queue when it is over: then it is taken back here.
            self.seconds = max(0.0, self.seconds + now - self._last - most)
        self._last, self._before = now, spent


def _threads(processes: list[int]) -> dict[str, tuple[float, float]]:
    """For each thread, the seconds that it has run and stood in the queue for a processor."""
    found = {}
    for process in processes:
        with suppress(OSError):
            for thread in os.scandir(f"/proc/{process}/task"):
                with suppress(OSError, ValueError):
                    ran, queued, _ = Path(thread.path, "schedstat").read_text().split()
                    found[thread.path] = int(ran) / 1e9, int(queued) / 1e9
    return found


def memory(process: psutil.Process) -> int:
    """Return the bytes of memory that a process holds, files of others left out.

    Memory that is shared and belongs to no file is its own, too.
    """
    sizes = dict.fromkeys(("RssAnon", "RssShmem"), 0)
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in sizes:
                sizes[name] = int(value.split()[0]) << 10
    return sum(sizes.values())


def tasks_of_user() -> int:
    """Count the threads of this user, as the kernel does for RLIMIT_NPROC."""
    me, count = os.getuid(), 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == me:
            count += process.info["num_threads"] or 1
    return count


def folder_size(folder: str) -> int:
    """Return how many bytes the files in a folder hold, as far down as a path can reach."""
    total, folders = 0, [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total

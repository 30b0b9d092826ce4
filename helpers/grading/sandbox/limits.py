"""What one worker may use, and the part of it that the kernel enforces for each process.

The supervisor enforces the limits for a worker and all its children together, at every look;
setrlimit(2) is what stops a process between two looks.
"""

import math
import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one worker may use.

    Attributes:
        cpu_seconds: Processor time of the student's code, its children's included.
        wall_seconds: Time that passes while it owes an answer and neither computes nor
            stands in the queue for a processor.
        longest_seconds: Time on the clock, all included. A machine that is too busy for the other
            limits to be reached by then says nothing about an answer: the grader has failed.
        memory: Bytes beyond what it starts with, its children's included.
        processes: How many processes and threads at a time.
        open_files: How many at a time.
        disk: Bytes in its scratch folder.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    longest_seconds: float = 400.0
    memory: int = 2 << 30
    processes: int = 64
    open_files: int = 256
    disk: int = 64 << 20


def apply(limits: Limits, data: int, processes: int, cpu_seconds: float) -> None:
    """Limit what this process, and each one it starts, may use (setrlimit(2)).

    Hard limits are lowered, never raised, and a process without privileges cannot raise them
    again. RLIMIT_NPROC counts per user, and not for root: see ``privileges``.

    Args:
        limits: What it may use.
        data: Bytes of memory that it has from the start.
        processes: How many its user has already.
        cpu_seconds: Processor time that this process has used already.

    Raises:
        OSError: If a limit cannot be set.
    """
    # A signal that says why, and a second later one that nobody can ignore.
    seconds = math.ceil(cpu_seconds + limits.cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    for what, most in (
        (resource.RLIMIT_DATA, data + limits.memory),
        (resource.RLIMIT_FSIZE, limits.disk),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, processes + limits.processes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))

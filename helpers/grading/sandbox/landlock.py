"""What a worker may do in the file system, by Landlock (landlock(7), Linux 5.13).

Rules are for the process that sets them, for all it starts, and for ever; they only ever take
rights away. Behind bubblewrap they are a second barrier; alone they are the only one for files.

Later kernels handle more rights (6.2 truncation, 6.10 ioctl on devices, 6.12 the scopes). What the
running kernel does not handle stays allowed by it: without scopes the filter of system calls
refuses signals to others. stat(2) is handled by none, so names and sizes of files can be seen.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from helpers.grading.sandbox.messages import Tier

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def restrict(tier: Tier, scratch: str, readable: Sequence[str]) -> bool:
    """Allow this process the file system as far as a worker needs it, and no more.

    Read and execute what is needed, write the scratch folder and a few devices. Alone also
    /proc of this process, but of no other. Scopes, where the kernel has them, keep signals and
    abstract Unix sockets within the worker.

    Args:
        tier: Which sandbox; behind bubblewrap all of its root may be read.
        scratch: The folder it may write in.
        readable: What it may read where Landlock stands alone.

    Returns:
        Whether signals to processes outside are refused.

    Raises:
        OSError: If Landlock is not there and nothing else protects the files. Behind bubblewrap
            its read-only root is then the one barrier, and this returns False.
    """
    import landlockpy

    if not landlockpy.supported():
        if tier == "landlock":
            raise OSError(errno.EOPNOTSUPP, "Landlock is not there")
        return False
    rights = landlockpy.AccessFS
    look = rights.READ_FILE | rights.READ_DIR | rights.EXECUTE
    scopes = landlockpy.Scope.SIGNAL | landlockpy.Scope.ABSTRACT_UNIX_SOCKET
    with landlockpy.Ruleset(scoped=scopes) as rules:
        everything = rules.handled_fs
        # Behind bubblewrap there is nothing that may not be read; alone, only these.
        own = [f"/proc/{os.getpid()}", "/proc/cpuinfo", "/proc/meminfo"]
        for path in ["/"] if tier == "bubblewrap" else [*readable, *own]:
            if Path(path).exists():
                rules.allow_path(path, look if Path(path).is_dir() else rights.READ_FILE)
        for path in [scratch, "/dev/shm"] if tier == "bubblewrap" else [scratch]:
            rules.allow_path(path, everything)
        for path in _DEVICES:
            rules.allow_path(path, rights.READ_FILE | rights.WRITE_FILE)
        scoped = landlockpy.Scope.SIGNAL in rules.scoped
        rules.restrict()
    return scoped

"""Namespaces and mounts of one worker, behind bubblewrap (namespaces(7)).

The server is in bubblewrap's namespaces: a root file system of its own, mounted read-only, with
nothing of the class in it; no network; its own process numbers. All workers share those, so each
gets further ones of its own, in which it sees and can signal no other worker. They end with
the first process in them (pid_namespaces(7)), so nothing that a student started stays behind.
Only the server's CAP_SYS_ADMIN makes them; the worker has lost it before a student's code runs.
"""

import os
from contextlib import suppress
from pathlib import Path

from helpers.grading.sandbox import libc
from helpers.grading.sandbox.limits import Limits

UNSHARED = libc.CLONE_NEWPID | libc.CLONE_NEWIPC | libc.CLONE_NEWNET


def unshare() -> None:
    """Give the next process that is forked its own process numbers, messages and network.

    Raises:
        OSError: If the kernel refuses; the worker must not be started then.
    """
    libc.unshare(UNSHARED)


def mount_scratch(scratch: str, limits: Limits, owner: int) -> None:
    """Mount empty scratch folders and /proc for the first process of a worker's namespaces.

    The scratch folder and /dev/shm are tmpfs(5) with a limit on bytes and inodes, gone with the
    namespace. The new /proc shows this worker's processes only. Containers may forbid mounting
    it: then an almost empty folder takes its place (the two files that libraries ask for), so
    that the outer /proc, with other workers in it, can be seen in no case.

    Args:
        scratch: The folder to start in.
        limits: How much fits into the folders.
        owner: The user that they belong to.

    Raises:
        OSError: If the kernel refuses; the worker must not go on then.
    """
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE, "")  # what is mounted here stays
    options = f"size={limits.disk},nr_inodes=4096,mode=700,uid={owner}"
    for folder in (scratch, "/dev/shm"):
        libc.mount("tmpfs", folder, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, options)
    try:
        flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
        libc.mount("proc", "/proc", "proc", flags, "")
    except PermissionError:
        little = Path(scratch, "proc")
        little.mkdir()
        libc.mount("tmpfs", str(little), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "size=4k")
        for name in ("cpuinfo", "meminfo"):
            (little / name).touch()
            libc.mount(f"/proc/{name}", str(little / name), "", libc.MS_BIND, "")
        libc.mount(str(little), "/proc", "", libc.MS_MOVE, "")
        little.rmdir()


def unshare_users() -> None:
    """Enter a user namespace, so that RLIMIT_NPROC counts for this worker alone.

    Needed where all workers are one ordinary user (user_namespaces(7)). If the kernel forbids
    it, or there is no /proc to write the maps to, all workers share one count: one of them can
    then use up the others' processes, and that is all it can do.
    """
    user, group = os.geteuid(), os.getegid()
    if not Path("/proc/self/uid_map").exists():
        return
    with suppress(OSError):
        libc.unshare(libc.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")

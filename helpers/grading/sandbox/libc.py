"""System calls for which the standard library has no function. Linux only.

Numbers are from the kernel's headers (``linux/sched.h``, ``linux/mount.h``, ``linux/prctl.h``)
and are part of its stable interface. Every function raises OSError if the kernel refuses, so
that a step which did not happen is never taken for one that did.
"""

import ctypes
import os
import signal

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x00020000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = (
    0x2,
    0x4,
    0x8,
    0x1000,
    0x2000,
    0x4000,
    0x40000,
)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 36, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def unshare(flags: int) -> None:
    """Leave namespaces for new ones, as in section 2 of the manual.

    Args:
        flags: Some of the ``CLONE_NEW…`` above.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc().unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    """Mount a file system, as in section 2 of the manual.

    Args:
        source: What; empty for none.
        target: Where.
        kind: The type of the file system; empty for none.
        flags: Some of the ``MS_…`` above.
        options: Of the file system; empty for none.

    Raises:
        OSError: If the kernel refuses.
    """
    texts = [text.encode() or None for text in (source, target, kind)]
    _checked(_libc().mount(*texts, flags, options.encode() or None), f"mount {target}")


def set_parent_death_signal() -> None:
    """Have this process killed when its parent ends (prctl(2), PR_SET_PDEATHSIG).

    The kernel forgets this when the process changes its user or capabilities; whoever calls
    this here changes neither.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc().prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")


def set_child_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends (prctl(2)).

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """Give up every capability, and the way to get one back by an exec.

    All sets are emptied (capset(2), capabilities(7)), and PR_SET_NO_NEW_PRIVS keeps programs
    that are set-user-ID or have file capabilities from giving any (Linux 3.5). The ambient set
    is emptied first; kernels before 4.3 have none, so that call may fail.

    Raises:
        OSError: If the kernel refuses.
    """
    libc = _libc()
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    _checked(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")

"""Who a worker is: not root, no capability, and behind every barrier, before any cell runs."""

import os
from collections.abc import Sequence

from helpers.grading.sandbox import landlock, libc, namespaces, system_calls
from helpers.grading.sandbox.messages import Tier

_FIRST_USER = 2_000_000_000  # far above the numbers that systems give to people


def preload(tier: Tier) -> None:
    """Import what :func:`drop` needs, once, before workers are forked."""
    if tier != "none":
        import landlockpy
        import pyseccomp  # noqa: F401

        landlockpy.abi_version()


def worker_user(job: int, *, own: bool) -> int:
    """Return the user that a worker becomes.

    A user of its own keeps workers from signalling each other, from reading each other's
    /proc entries, and from sharing one count of processes.

    Args:
        job: Counts the workers.
        own: Whether each gets a user of its own, see ``host.own_users``.
    """
    return _FIRST_USER + job % 100_000 if own else os.geteuid()


def drop(tier: Tier, owner: int, scratch: str, readable: Sequence[str]) -> None:
    """Give up, for ever, all that this process could do beyond answering questions.

    The order matters: changing the user needs the capabilities that are dropped next; Landlock
    and the filter need PR_SET_NO_NEW_PRIVS, which comes with them; the filter is last, as it
    refuses calls that the earlier steps make.

    Args:
        tier: Which sandbox; for "none" nothing happens.
        owner: The user to become, where we are root.
        scratch: The folder it may write in.
        readable: What it may read where Landlock stands alone.

    Raises:
        OSError: If a step fails. The caller must not run a student's code then.
    """
    if tier == "none":
        return
    _become(owner)
    if tier == "bubblewrap" and owner == os.geteuid():
        namespaces.unshare_users()
    libc.drop_capabilities()
    scoped = landlock.restrict(tier, scratch, readable)
    system_calls.restrict(alone=tier != "bubblewrap", signals_scoped=scoped)


def _become(owner: int) -> None:
    """Stop being root, where each worker has a user of its own; all three IDs and no groups."""
    if os.geteuid() != owner:
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)

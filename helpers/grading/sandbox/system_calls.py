"""Which system calls a worker may make, by a filter in the kernel (seccomp(2), Linux 3.17).

A list of what is refused, not of what is allowed: numerical libraries use many calls, and an
unusual one must not fail an honest answer. The list has what reaches other processes (ptrace,
process_vm_*, pidfd_getfd), the file system's shape (mount and its kin), memory that no limit
counts (memfd, System V shared memory, POSIX queues), the kernel's larger attack surfaces (bpf,
io_uring, userfaultfd, perf, keyctl) and scheduling that would evade the limits. Namespaces,
dropped capabilities and Landlock refuse most of these already; the filter is there for a hole
in one of them.

A call of another architecture (the 32-bit ones on x86-64) is answered by libseccomp's default,
a kill. A call that this libseccomp or architecture does not know cannot be refused by name;
it is left out. That the filter itself cannot be loaded is an error: then no code runs.
"""

import errno
import os
import socket

from helpers.grading.sandbox import libc

# fmt: off
_REFUSED = (
    "mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_tree", "move_mount",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "keyctl", "add_key", "request_key",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "ptrace",
    "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    "userfaultfd", "memfd_create", "memfd_secret", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "syslog",
    "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname",
    "iopl", "ioperm", "name_to_handle_at", "open_by_handle_at", "shmget", "shmat", "semget",
    "msgget", "mq_open", "personality", "vhangup", "fanotify_init", "move_pages", "migrate_pages",
    "setpriority", "ioprio_set", "sched_setscheduler", "sched_setattr", "mknod", "mknodat",
)
# fmt: on


def restrict(alone: bool, signals_scoped: bool) -> None:
    """Refuse the system calls that no exercise needs and that reach beyond the sandbox.

    Behind bubblewrap sockets of the Unix family are allowed, as data loaders with worker
    processes need them and nothing of the host can be reached through one. Alone they could
    reach a socket of the host by its path, so none is allowed. New namespaces are refused by
    their flags to clone(2); clone3(2) has its flags in memory, where no filter looks, and is
    said not to exist, so that libraries fall back to clone.

    Args:
        alone: Whether there is no bubblewrap around.
        signals_scoped: Whether Landlock refuses signals to processes outside.

    Raises:
        OSError: If the filter cannot be loaded.
    """
    import pyseccomp

    refuse = pyseccomp.ERRNO(errno.EPERM)
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refused = list(_REFUSED)
    if alone:
        refused += ["socket"]
        if not signals_scoped:
            refused += ["kill", "tkill", "rt_sigqueueinfo", "pidfd_send_signal"]
            own = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
            rules.add_rule(refuse, "tgkill", own)
    else:
        rules.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
    for name in refused:
        try:
            rules.add_rule(refuse, name)
        except OSError:  # this kernel or architecture does not have it
            continue
    for name in ("prlimit64", "sched_setaffinity"):
        rules.add_rule(refuse, name, pyseccomp.Arg(0, pyseccomp.NE, 0))
    for flag in (libc.CLONE_NEWUSER, libc.CLONE_NEWNS, libc.CLONE_NEWPID, libc.CLONE_NEWNET):
        rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.load()

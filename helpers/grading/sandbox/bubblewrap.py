"""The command line of bubblewrap, bwrap(1). Runs outside.

bubblewrap gives the server a root file system in which only what is named here exists, mounted
read-only: the system's programs and libraries, Python, and the students' library. Neither the
class, nor the secret, nor the reference, nor a home folder is among it. The server is in new
IPC, PID, network, UTS and (where the kernel has them) cgroup namespaces, ends with the grader
(``--die-with-parent``), has no terminal (``--new-session``) and an empty environment.

The server keeps a few capabilities, to give each worker namespaces of its own; a worker drops
all of them. As an ordinary user the server is in a user namespace too, where CAP_SYS_ADMIN
reaches only what that namespace owns. If bwrap cannot do a part of this, it starts nothing.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from helpers.grading.sandbox import host
from helpers.grading.sandbox.messages import Tier


def command(tier: Tier, library: Path, python: Sequence[str]) -> list[str]:
    """Return the command that runs Python behind bubblewrap, or as it is in other tiers.

    Args:
        tier: Which sandbox.
        library: The folder with the library that a worker may see.
        python: The command to be run.

    Returns:
        The whole command.
    """
    if tier != "bubblewrap":
        return list(python)
    words = ["bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    words += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--hostname", "worker"]
    needed = ["SYS_ADMIN"]
    if os.geteuid() == 0:
        # Real root stays in the server and its supervisors; each worker becomes a user of its own.
        needed += ["SETUID", "SETGID", "KILL", "SETPCAP", "DAC_OVERRIDE", "SYS_PTRACE"]
    else:
        words += ["--unshare-user"]
    for name in needed:
        words += ["--cap-add", f"CAP_{name}"]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in host.SYSTEM:
        if Path(path).is_symlink():
            words += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            words += ["--ro-bind", path, path]
    for path in [*host.SETTINGS, *host.python_folders()]:
        for parent in reversed(Path(path).parents[:-1]):
            words += ["--perms", "755", "--dir", str(parent)]  # else only root could pass
        words += ["--ro-bind-try", path, path]
    words += ["--ro-bind-try", str(library), host.LIBRARY, "--dir", host.scratch(tier)]
    for name, value in host.environment(tier, library).items():
        words += ["--setenv", name, value]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--", *python]

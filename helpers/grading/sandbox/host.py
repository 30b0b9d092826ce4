"""What of this machine the sandbox shows, and how a server is started in it. Runs outside."""

import os
import sys
from pathlib import Path

from helpers.grading.sandbox.messages import Tier

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/passwd", "/etc/group")
LIBRARY = "/course"  # where the students' library is, behind bubblewrap


def python_folders() -> list[str]:
    """Return the folders that Python and its packages live in, and nothing of the course."""
    folders = [Path(folder) for folder in (sys.prefix, sys.base_prefix)]
    for entry in map(Path, sys.path):
        packages = {"site-packages", "dist-packages"} & set(entry.parts)
        if packages and not any(entry.is_relative_to(folder) for folder in folders):
            folders.append(entry)
    return [str(folder) for folder in folders if not folder.is_relative_to("/usr")]


def readable(library: Path) -> list[str]:
    """Return what a worker may read where Landlock stands alone.

    /etc/passwd is among it, as behind bubblewrap: it names users and holds no secret.

    Args:
        library: The folder with the library that a worker may see.
    """
    return [*SYSTEM, *SETTINGS, "/sys/devices/system/cpu", *python_folders(), str(library)]


def scratch(tier: Tier) -> str:
    """Return the folder that a worker may write in; empty where its supervisor makes one."""
    if tier != "bubblewrap":
        return ""
    # Were Python itself below /tmp, an empty folder there would hide it.
    hidden = any(folder.startswith("/tmp/") for folder in python_folders())
    return "/scratch" if hidden else "/tmp"


def own_users(tier: Tier, library: Path) -> bool:
    """Whether each worker can become a user of its own: for root, where all may read Python.

    Where it cannot, all workers are the user that grades. Behind bubblewrap namespaces keep them
    apart all the same; under Landlock alone scopes or the filter of system calls keep signals
    in, and Landlock keeps each from the others' scratch folders and /proc entries.

    Args:
        tier: Which sandbox; for "none" nobody becomes anybody.
        library: The folder with the library that a worker may see.
    """
    if os.geteuid() != 0 or tier == "none":
        return False
    needed = [Path(sys.prefix), Path(sys.base_prefix), library]
    if tier == "landlock":  # behind bubblewrap the folders above are not those of the system
        needed += [parent for folder in needed for parent in folder.parents]
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in needed)


def environment(tier: Tier, library: Path) -> dict[str, str]:
    """Return all that a server finds in its environment; nothing of ours is handed on.

    Args:
        tier: Which sandbox.
        library: The folder with the library that a worker may see.
    """
    place = Path(LIBRARY) if tier == "bubblewrap" else library
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(place),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "TQDM_DISABLE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(place / "matplotlib"),
    }

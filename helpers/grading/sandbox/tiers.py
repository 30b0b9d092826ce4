"""Which sandboxes this machine has, from the strongest to none. Runs outside.

A tier is used only if a process has just run in it: nothing is concluded from versions.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from helpers.grading.sandbox import bubblewrap, namespaces
from helpers.grading.sandbox.messages import Tier

IN_WORDS: dict[Tier, str] = {
    "bubblewrap": "bubblewrap, and behind it Landlock, a system-call filter and limits",
    "landlock": "Landlock, a system-call filter and limits, without bubblewrap",
    "none": "none, only limits on time and memory",
}


@dataclass(frozen=True)
class Trial:
    """Whether one tier works here.

    Attributes:
        tier: Which.
        works: Whether a process ran in this sandbox.
        why: Why not, or what was tried, in one sentence.
    """

    tier: Tier
    works: bool
    why: str


def trials() -> list[Trial]:
    """Try every tier on this machine, strongest first."""
    return [_bubblewrap_trial(), _landlock_trial(), Trial("none", sys.platform == "linux", "")]


def strongest() -> Tier:
    """Return the strongest tier that works here."""
    return next((trial.tier for trial in trials() if trial.works), "none")


def _bubblewrap_trial() -> Trial:
    """Run a process behind bubblewrap that unshares as a supervisor does."""
    if sys.platform != "linux":
        return Trial("bubblewrap", False, "bubblewrap needs Linux.")
    if not shutil.which("bwrap"):
        return Trial(
            "bubblewrap",
            False,
            "bubblewrap is not installed; it is a package of the system, such as "
            "`apt-get install bubblewrap`.",
        )
    code = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({namespaces.UNSHARED}) != 0)"
    python = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(
        bubblewrap.command("bubblewrap", Path("/nowhere"), python),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return Trial("bubblewrap", True, "bubblewrap runs, with namespaces inside it.")
    said = (done.stderr.strip().splitlines() or ["namespaces inside it are forbidden"])[-1]
    return Trial(
        "bubblewrap",
        False,
        f"bubblewrap is installed and does not run ({said}); on recent Ubuntu, AppArmor may "
        "forbid namespaces to ordinary users.",
    )


def _landlock_trial() -> Trial:
    """Ask the kernel for its version of Landlock, and whether the filter can be loaded."""
    if sys.platform != "linux":
        return Trial("landlock", False, "Landlock needs Linux.")
    try:
        import landlockpy
        import pyseccomp  # noqa: F401
    except (ImportError, RuntimeError) as error:
        return Trial("landlock", False, f"the system-call filter cannot be loaded: {error}.")
    version = landlockpy.abi_version()
    if not version:
        return Trial("landlock", False, "this kernel has no Landlock (Linux 5.13 and later may).")
    return Trial("landlock", True, f"the kernel has Landlock, version {version}.")

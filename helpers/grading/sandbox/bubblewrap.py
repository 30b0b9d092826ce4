"""The walls around a student's code, and which of them this machine has.

The outer wall is bubblewrap: a file system of its own, read-only, with nothing of the
class and nothing secret in it, no network, its own process numbers. Behind it each
worker gets process numbers, a /tmp and a network of its own, Landlock, a filter of
system calls, no privileges and limits on what it may use. Where bubblewrap cannot be
used, Landlock, the filter and the limits stand alone. :func:`strongest` says which.

Everything here is for Linux. docs/grading.md says what is and is not defended against.
"""

import ctypes
import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Tier = Literal["bubblewrap", "landlock", "none"]
IN_WORDS: dict[Tier, str] = {
    "bubblewrap": "bubblewrap, and behind it Landlock, a system-call filter and limits",
    "landlock": "Landlock, a system-call filter and limits, without bubblewrap",
    "none": "none, only limits on time and memory",
}
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/passwd", "/etc/group")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_COURSE = "/course"  # where the room is, behind bubblewrap
_FIRST_USER = 2_000_000_000  # far above the numbers that systems give to people
_NEW_FILES, _NEW_MESSAGES, _NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = (
    0x00020000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_NO_NEW_PRIVILEGES, _PARENT_DEATH, _SUBREAPER, _AMBIENT = 38, 1, 36, 47
# fmt: off
_FORBIDDEN = (
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


@dataclass(frozen=True)
class Limits:
    """What one worker may use.

    Attributes:
        cpu_seconds: Processor time, its children's included.
        wall_seconds: Time on the clock, for what waits and computes nothing.
        memory: Bytes beyond what it starts with, its children's included.
        processes: How many processes and threads at a time.
        open_files: How many at a time.
        disk: Bytes in its scratch folder.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    memory: int = 2 << 30
    processes: int = 64
    open_files: int = 256
    disk: int = 64 << 20


@dataclass(frozen=True)
class Trial:
    """Whether one tier works here.

    Attributes:
        tier: Which.
        works: Whether a process ran behind these walls.
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


def command(tier: Tier, room: Path, python: Sequence[str]) -> list[str]:
    """Return the command that runs Python behind the outer wall of a tier.

    Args:
        tier: Which walls.
        room: The folder with the library that a worker may see.
        python: The command to be run.

    Returns:
        The whole command.
    """
    if tier != "bubblewrap":
        return list(python)
    wall = ["bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    wall += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    wall += ["--unshare-cgroup-try", "--hostname", "worker"]
    if os.geteuid() == 0:
        # Real root stays in the server and its keepers; each worker becomes a user of its own.
        needed = ("SYS_ADMIN", "SETUID", "SETGID", "KILL", "SETPCAP", "DAC_OVERRIDE", "SYS_PTRACE")
    else:
        wall += ["--unshare-user"]
        needed = ("SYS_ADMIN",)
    for name in needed:
        wall += ["--cap-add", f"CAP_{name}"]
    wall += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in _SYSTEM:
        if Path(path).is_symlink():
            wall += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            wall += ["--ro-bind", path, path]
    for path in [*_SETTINGS, *_python_folders()]:
        for parent in reversed(Path(path).parents[:-1]):
            wall += ["--perms", "755", "--dir", str(parent)]  # else only root could pass
        wall += ["--ro-bind-try", path, path]
    wall += ["--ro-bind-try", str(room), _COURSE, "--dir", scratch(tier)]
    for name, value in environment(tier, room).items():
        wall += ["--setenv", name, value]
    return [*wall, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--", *python]


def scratch(tier: Tier) -> str:
    """Return the folder that a worker may write in; empty where its keeper makes one."""
    if tier != "bubblewrap":
        return ""
    # Were Python itself below /tmp, an empty folder there would hide it.
    hidden = any(folder.startswith("/tmp/") for folder in _python_folders())
    return "/scratch" if hidden else "/tmp"


def own_users(tier: Tier, room: Path) -> bool:
    """Whether each worker can become a user of its own: for root, where all may read Python.

    Args:
        tier: Which walls; for "none" nobody becomes anybody.
        room: The folder with the library that a worker may see.
    """
    if os.geteuid() != 0 or tier == "none":
        return False
    needed = [Path(sys.prefix), Path(sys.base_prefix), room]
    if tier == "landlock":  # behind bubblewrap the folders above are not those of the system
        needed += [parent for folder in needed for parent in folder.parents]
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in needed)


def environment(tier: Tier, room: Path) -> dict[str, str]:
    """Return all that a server finds in its environment."""
    place = Path(_COURSE) if tier == "bubblewrap" else room
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


def readable(room: Path) -> list[str]:
    """Return what a worker may read where Landlock stands alone."""
    return [*_SYSTEM, *_SETTINGS, "/sys/devices/system/cpu", *_python_folders(), str(room)]


# ---- Inside ----------------------------------------------------------------------------


def separate() -> None:
    """Give the next process that is forked its own processes, messages and network.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc().unshare(_NEW_PROCESSES | _NEW_MESSAGES | _NEW_NETWORK), "unshare")


def furnish(scratch: str, limits: Limits, owner: int) -> None:
    """Give the first process of a worker's own namespace empty scratch folders.

    Args:
        scratch: The one of them where it is to start.
        limits: How much fits into them.
        owner: The user that they belong to.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc().unshare(_NEW_FILES), "unshare")
    _mount("none", "/", "", 0x4000 | 0x40000, "")  # what is mounted here stays here
    options = f"size={limits.disk},nr_inodes=4096,mode=700,uid={owner}"
    for folder in (scratch, "/dev/shm"):
        _mount("tmpfs", folder, "tmpfs", 0x6, options)
    try:
        _mount("proc", "/proc", "proc", 0xE, "")
    except PermissionError:  # containers may forbid it: then only what libraries ask for is there
        little = Path(scratch, "proc")
        little.mkdir()
        _mount("tmpfs", str(little), "tmpfs", 0x6, "size=4k")
        for name in ("cpuinfo", "meminfo"):
            (little / name).touch()
            _mount(f"/proc/{name}", str(little / name), "", 0x1000, "")
        _mount(str(little), "/proc", "", 0x2000, "")
        little.rmdir()


def prepare(tier: Tier) -> None:
    """Load what the inner walls need, once, before workers are forked."""
    if tier != "none":
        import landlockpy
        import pyseccomp  # noqa: F401

        landlockpy.abi_version()


def end_with_parent() -> None:
    """Let this process be killed when the one that forked it ends."""
    _checked(_libc().prctl(_PARENT_DEATH, int(signal.SIGKILL), 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends."""
    _checked(_libc().prctl(_SUBREAPER, 1, 0, 0, 0), "prctl")


def user_of_worker(job: int, *, own: bool) -> int:
    """Return the user that a worker becomes.

    Args:
        job: Counts the workers.
        own: Whether each gets a user of its own, see :func:`own_users`.
    """
    return _FIRST_USER + job % 100_000 if own else os.geteuid()


def limit(limits: Limits, data: int, processes: int) -> None:
    """Limit what this process, and each one it starts, may use.

    Args:
        limits: What it may use.
        data: Bytes of memory that it has from the start.
        processes: How many its user has already.
    """
    # A signal that says why, and a second later one that nobody can ignore.
    seconds = max(1, round(limits.cpu_seconds))
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


def confine(tier: Tier, owner: int, scratch: str, reading: Sequence[str]) -> None:
    """Put this process behind the inner walls, for ever.

    Args:
        tier: Which walls there are; for "none" nothing happens.
        owner: The user to become, where we are root.
        scratch: The folder it may write in.
        reading: What it may read where Landlock stands alone.

    Raises:
        OSError: If a wall that should be there cannot be put up.
    """
    if tier == "none":
        return
    _become(owner)
    if tier == "bubblewrap" and owner == os.geteuid():
        _count_apart()
    _drop_privileges()
    scoped = _landlock(tier, scratch, reading)
    _filter_system_calls(alone=tier != "bubblewrap", signals_scoped=scoped)


def _become(owner: int) -> None:
    """Stop being root, where each worker has a user of its own."""
    if os.geteuid() != owner:
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)


def _count_apart() -> None:
    """Enter a space of users, so that this user's processes are counted for each worker."""
    user, group = os.geteuid(), os.getegid()
    if not Path("/proc/self/uid_map").exists():
        return
    with suppress(OSError):  # some kernels forbid it here: then all workers share one count
        _checked(_libc().unshare(_NEW_USER), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _drop_privileges() -> None:
    """Give up every privilege, for ever."""
    libc = _libc()
    libc.prctl(_AMBIENT, 4, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _checked(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def _landlock(tier: Tier, scratch: str, reading: Sequence[str]) -> bool:
    """Allow the file system as far as a worker needs it; say if signals are walled in."""
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
        for path in ["/"] if tier == "bubblewrap" else [*reading, *own]:
            if Path(path).exists():
                rules.allow_path(path, look if Path(path).is_dir() else rights.READ_FILE)
        for path in [scratch, "/dev/shm"] if tier == "bubblewrap" else [scratch]:
            rules.allow_path(path, everything)
        for path in _DEVICES:
            rules.allow_path(path, rights.READ_FILE | rights.WRITE_FILE)
        scoped = landlockpy.Scope.SIGNAL in rules.scoped
        rules.restrict()
    return scoped


def _filter_system_calls(alone: bool, signals_scoped: bool) -> None:
    """Refuse the system calls that no exercise needs and that reach beyond the walls."""
    import pyseccomp

    refuse = pyseccomp.ERRNO(errno.EPERM)
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    forbidden = list(_FORBIDDEN)
    if alone:
        # Sockets outside could be reached by their path: data loaders with processes need them.
        forbidden += ["socket"]
        if not signals_scoped:
            forbidden += ["kill", "tkill", "rt_sigqueueinfo", "pidfd_send_signal"]
            own = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
            rules.add_rule(refuse, "tgkill", own)
    else:
        rules.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
    for name in forbidden:
        try:
            rules.add_rule(refuse, name)
        except OSError:  # this kernel or architecture does not have it
            continue
    for name in ("prlimit64", "sched_setaffinity"):
        rules.add_rule(refuse, name, pyseccomp.Arg(0, pyseccomp.NE, 0))
    for flag in (_NEW_USER, _NEW_FILES, _NEW_PROCESSES, _NEW_NETWORK):
        rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    # Its flags lie in memory, where no filter looks: libraries fall back to clone.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.load()


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    texts = [text.encode() or None for text in (source, target, kind)]
    _checked(_libc().mount(*texts, flags, options.encode() or None), f"mount {target}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


# ---- Outside ---------------------------------------------------------------------------


def _python_folders() -> list[str]:
    """Return the folders that Python and its packages live in, and nothing of the course."""
    folders = [Path(folder) for folder in (sys.prefix, sys.base_prefix)]
    for entry in map(Path, sys.path):
        packages = {"site-packages", "dist-packages"} & set(entry.parts)
        if packages and not any(entry.is_relative_to(folder) for folder in folders):
            folders.append(entry)
    return [str(folder) for folder in folders if not folder.is_relative_to("/usr")]


def _bubblewrap_trial() -> Trial:
    if sys.platform != "linux":
        return Trial("bubblewrap", False, "bubblewrap needs Linux.")
    if not shutil.which("bwrap"):
        return Trial(
            "bubblewrap",
            False,
            "bubblewrap is not installed; it is a package of the system, such as "
            "`apt-get install bubblewrap`.",
        )
    spaces = _NEW_PROCESSES | _NEW_MESSAGES | _NEW_NETWORK
    code = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({spaces}) != 0)"
    python = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(
        command("bubblewrap", Path("/nowhere"), python), capture_output=True, text=True, check=False
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

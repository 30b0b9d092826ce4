"""What attacks leave outside their sandbox, and who hears them call."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbformat

from classroom.cases import ROOT

EVIDENCE = "vg_escapee_5d1c"  # at most 15 characters, so that a process can have it as its name
PORT, LINE = 48_613, "vg_line_5d1c"  # where ``listeners`` waits for a student's code to call
FIRST_KEY = 0x5D1C0001  # of shared memory that outlives its process


def evidence(*folders: Path) -> list[str]:
    """Return what attacks have left outside their sandbox; nothing when all is well.

    Args:
        *folders: Searched with all they hold, besides the places that programs share.
    """
    shared = [Path(place) for place in ("/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run")]
    shared += [Path.home(), Path.cwd(), ROOT, ROOT / "helpers", ROOT / "tests", *folders]
    shared += list(Path(os.__file__).parent.glob("site-packages"))
    shared += list(Path(nbformat.__file__).parent.parent.parent.glob("site-packages"))
    found = [path for place in dict.fromkeys(shared) for path in _named(place, "*")]
    found += [path for folder in folders for path in _named(folder, "**/*")]
    texts = [str(path) for path in dict.fromkeys(found)]
    for place in Path("/proc").glob("[0-9]*"):
        said = _said(place / "comm") + _said(place / "cmdline")
        texts += [f"process {place.name}"] if EVIDENCE in said else []
    if EVIDENCE in _said(Path("/proc/net/unix")):
        texts.append("an abstract socket")
    keys = [line for line in _said(Path("/proc/keys")).splitlines() if "expd" not in line.split()]
    if any(EVIDENCE in line for line in keys):
        texts.append("a key in the kernel's keyring")
    for kind in ("shm", "msg", "sem"):
        keys = [line.split()[0] for line in _said(Path(f"/proc/sysvipc/{kind}")).splitlines()[1:]]
        texts += [f"System V {kind}" for key in keys if int(key) == FIRST_KEY]
    return texts


@contextmanager
def listeners(folder: Path) -> Iterator[list[str]]:
    """Wait for calls outside the sandbox, where no student's code should reach.

    Args:
        folder: Where a socket with a path is laid.

    Yields:
        A list that fills with the names of the sockets that were called.

    Raises:
        OSError: If ``PORT`` is in use.
    """
    heard: list[str] = []
    path = folder / f"{LINE}.sock"
    kinds = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT)),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT)),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{LINE}"),
        "path": (socket.AF_UNIX, socket.SOCK_STREAM, str(path)),
    }
    with ExitStack() as stack:
        stack.callback(path.unlink, missing_ok=True)
        for name, (family, kind, address) in kinds.items():
            line = stack.enter_context(socket.socket(family, kind))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            line.bind(address)
            if kind == socket.SOCK_STREAM:
                line.listen()
            line.settimeout(0.1)
            over = threading.Event()
            hearer = threading.Thread(target=_hear, args=(line, kind, name, heard, over))
            stack.callback(hearer.join)
            stack.callback(over.set)
            hearer.start()
        yield heard


def _hear(line: socket.socket, kind: int, name: str, heard: list, over: threading.Event) -> None:
    while not over.is_set():
        try:
            if kind == socket.SOCK_STREAM:
                line.accept()[0].close()
            else:
                line.recv(100)
        except TimeoutError:
            continue
        heard.append(name)


def _named(folder: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in folder.glob(pattern) if EVIDENCE in path.name]
    except OSError:  # another process's folder, gone or closed to us
        return []


def _said(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""

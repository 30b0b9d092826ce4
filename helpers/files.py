"""Write files so that nothing is ever half-written or lost, and one process owns a folder."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

# What a file system answers that cannot flush a folder; some network drives cannot.
_CANNOT_FLUSH = {errno.EINVAL, errno.ENOTSUP}


def write(path: Path, content: bytes) -> bool:
    """Put a file in place in one step; one that has this content already is not touched.

    Whoever looks sees the old content or the new one, whenever this process is killed.
    When this returns, the new content is on the disk, and a power cut does not lose it
    (as far as the system can say: macOS does not wait for the drive's own cache, Windows
    not for the folder).

    Args:
        path: Where to, in a folder that exists.
        content: The whole file.

    Returns:
        Whether anything changed.

    Raises:
        OSError: If the file cannot be written; then the old one is as it was.
    """
    return bool(write_all({path: content}))


def write_all(contents: Mapping[Path, bytes]) -> list[Path]:
    """Put several files in place as ``write`` does, flushing each folder only once.

    Args:
        contents: For each path, in a folder that exists, the whole file.

    Returns:
        The files that changed.

    Raises:
        OSError: If one cannot be written, and then none has changed; or if one cannot be
            put in place, and then only those before it have.
    """
    changed = [path for path, content in contents.items() if not _holds(path, content)]
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in changed}
    try:
        for path, draft in drafts.items():
            with draft.open("wb") as file:
                file.write(contents[path])
                file.flush()
                os.fsync(file.fileno())
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    for folder in {path.parent for path in changed}:
        _flush_folder(folder)
    return changed


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Write a large file piece by piece, and put it in place in one step at the end.

    As durable as ``write``, and the file is never in memory as a whole.

    Args:
        path: Where to, in a folder that exists.

    Yields:
        The file to write to. It takes its place when the block ends.

    Raises:
        OSError: If it cannot be written; then, and after any error in the block, the old
            file is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _flush_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, so that a power cut does not lose it.

    Args:
        path: The folder; it may exist.

    Raises:
        OSError: If it cannot be made, or is a file.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _flush_folder(path.parent)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no second process works in it at the same time.

    The hold ends with the block, and with the process, however it ends.

    Args:
        folder: A folder that exists; a small file ``.lock`` is laid into it.

    Raises:
        ValueError: If another process holds the folder.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"{folder} is in use by another process; wait for it, or name another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file is there and has this content."""
    return path.exists() and path.read_bytes() == content


def _flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows cannot do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(descriptor)

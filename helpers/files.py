"""Write files so that nothing is ever half-written, and one process owns a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def write(path: Path, content: bytes) -> bool:
    """Put the content in place in one step; a file that holds it already is not touched.

    Whoever looks sees the old content or the new one, whenever this process is
    killed.

    Args:
        path: Where to, in a folder that exists.
        content: The whole file.

    Returns:
        Whether anything changed.

    Raises:
        OSError: If the folder cannot be written; then the old file is as it was.
    """
    if path.exists() and path.read_bytes() == content:
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return True


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

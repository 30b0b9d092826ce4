"""Read a notebook's file, which may be anything, without running or trusting any of it."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from helpers.text import visible

_LARGEST_FILE = 64 * 2**20  # bytes
_MOST_ITEMS = 2_000_000  # brackets and commas: what the JSON takes in memory follows from them
_MOST_CELLS = 2_000


class Cell(NamedTuple):
    """A cell of a notebook, as it stands there."""

    code: bool
    source: str
    tags: tuple[str, ...]


def kind(place: os.DirEntry | Path) -> str:
    """Say what something in a folder is; a link is not followed."""
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return "file that cannot be looked at"
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "folder",
        stat.S_IFLNK: "symbolic link",
        stat.S_IFIFO: "named pipe",
        stat.S_IFSOCK: "socket",
    }
    return kinds.get(stat.S_IFMT(mode), "device")


def read(path: Path, root: Path) -> bytes:
    """Read a regular file below a folder, following no link.

    Args:
        path: The file.
        root: A folder above it; no folder between the two may be a symbolic link.

    Raises:
        ValueError: If that cannot be, or the file is too large; it says why.
    """
    try:
        for parent in Path(os.path.relpath(path, root)).parents:
            if (root / parent).is_symlink() and parent.parts:
                raise ValueError(f'the folder "{visible(parent.name)}" is a symbolic link')
        if (what := kind(path)) != "file":
            raise ValueError(f"this is a {what} and was not opened; hand in the file itself")
        # Where the system has these flags, nothing else can be slipped in meanwhile.
        flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")]
        with os.fdopen(os.open(path, os.O_RDONLY | sum(flags)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("this file was exchanged while it was read")
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"this file cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_FILE:
        raise ValueError(
            f"this file is larger than {_LARGEST_FILE >> 20} MB; "
            "clear its outputs and hand it in again"
        )
    return content


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def cells(content: bytes) -> list[Cell]:
    """Return the cells of a notebook of any format.

    Args:
        content: Of the file.

    Raises:
        ValueError: If it is not a notebook, or too much of one; it says why.
    """
    if not content.strip():
        raise ValueError("this file is empty")
    if sum(content.count(mark) for mark in (b"{", b"[", b",")) > _MOST_ITEMS:
        raise ValueError("this file holds too much; clear its outputs and hand it in again")
    try:
        notebook = json.loads(content)
    except UnicodeDecodeError:
        raise ValueError("this file is not a notebook (it is not UTF-8)") from None
    except (ValueError, RecursionError):
        raise ValueError("this file is not a notebook (it is not JSON)") from None
    found = _list(notebook, "cells")
    if found is None:  # nbformat 3
        sheets = _list(notebook, "worksheets") or []
        parts = [part for sheet in sheets if (part := _list(sheet, "cells")) is not None]
        found = [cell for part in parts for cell in part] if parts else None
    if found is None:
        raise ValueError("this file is not a notebook (it has no cells)")
    if len(found) > _MOST_CELLS:
        raise ValueError(f"this notebook has more than {_MOST_CELLS} cells")
    return [_cell(cell) for cell in found if isinstance(cell, dict)]


def _cell(cell: dict) -> Cell:
    """Read a cell, whatever is missing or wrong in it."""
    source = cell.get("source", cell.get("input"))
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str))
    tags = _list(cell.get("metadata"), "tags") or []
    return Cell(
        code=cell.get("cell_type", "code") == "code",
        source=_encodable(text).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"),
        tags=tuple(tag for tag in tags if isinstance(tag, str)),
    )


def _list(whole: object, key: str) -> list[Any] | None:
    """Return an entry of a dict if both are what they should be."""
    part = whole.get(key) if isinstance(whole, dict) else None
    return part if isinstance(part, list) else None


def _encodable(text: str) -> str:
    """Return a text without halves of characters, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

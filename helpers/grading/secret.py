"""The instructor's secret, and the hidden inputs that are drawn from it."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np


def read(path: Path) -> bytes:
    """Read the secret that hidden inputs are drawn from; make it on first use.

    Args:
        path: The instructor's file; only its owner may read it.

    Returns:
        At least 32 bytes.

    Raises:
        ValueError: If others may read the file, or it is too short.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces: of two graders that make one, both use the first.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
        _sync(path.parent)  # marks that are drawn from it may outlive a power cut, and so must it
    if path.stat().st_mode & 0o077:
        raise ValueError(f"others may read the secret in {path}; run `chmod 600` on it")
    secret = path.read_bytes().strip()
    if len(secret) < 32:
        raise ValueError(f"{path} holds no secret of 32 characters or more; delete or restore it")
    return secret


def generator(secret: bytes, exercise: str, cells: Sequence[str]) -> np.random.Generator:
    """Return the generator of the hidden inputs for one answer.

    It follows from the secret, the exercise and the answer's own text: who hands in the
    same answer is asked the same questions, an appeal repeats them, and whoever tries
    out inputs by handing in again meets others.

    Args:
        secret: From :func:`read`.
        exercise: The name of the function asked for.
        cells: The answer.
    """
    text = json.dumps([exercise, *cells]).encode()
    digest = hmac.new(secret, text, hashlib.sha256).digest()
    return np.random.default_rng(int.from_bytes(digest))


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk before going on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Messages between the judge and a worker: a length, and a plain value of that length."""

import socket
import struct
from collections.abc import Callable

from helpers import plain

_LENGTH = struct.Struct(">I")


def send(connection: socket.socket, value: object) -> None:
    """Send a value.

    Args:
        connection: A connected stream socket.
        value: Plain data, see :mod:`helpers.plain`.

    Raises:
        ValueError: If it is too large; then nothing has been sent.
        OSError: If the other side is gone.
    """
    data = plain.encoded(value)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, wait: Callable[[], None] | None = None) -> object:
    """Wait for a value.

    Args:
        connection: A connected stream socket.
        wait: Called before each piece is read; comes back when there is something.

    Returns:
        The value: plain data, whatever the other side sent.

    Raises:
        EOFError: If the other side ended before the value was whole.
        ValueError: If the bytes are not a value within the limits.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, wait))
    if length > plain.LARGEST + _LENGTH.size:
        raise ValueError(f"a message of {length} bytes is too long")
    return plain.decoded(_exactly(connection, length, wait))


def _exactly(connection: socket.socket, size: int, wait: Callable[[], None] | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        if wait:
            wait()
        piece = connection.recv(min(size - len(data), 1 << 16))
        if not piece:
            raise EOFError("the other side has ended")
        data += piece
    return bytes(data)

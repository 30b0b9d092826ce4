"""Plain data as bytes and back, without trusting the bytes.

Numbers, text, lists, dicts, arrays and tensors become a JSON header, which says what
there is, and the raw numbers behind it. Nothing that is read is ever executed:
no pickle, no ``eval``. This is how a stored question reaches a learner's check, and
how an answer comes back from a process that nobody trusts.
"""

import json
import math
import struct
from dataclasses import dataclass

import numpy as np
import torch

LARGEST = 1 << 24  # bytes of one value, encoded
_LONGEST_HEADER = 1 << 22  # bytes
_DEEPEST = 16  # lists in lists
_MOST = 10_000  # values in one value
_MOST_AXES = 16
_LENGTH = struct.Struct(">I")
_NAMES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64",
    "complex64", "complex128",
)  # fmt: skip
_ARRAYS = {name: np.dtype(name) for name in (*_NAMES, "uint16", "uint32", "uint64")}
_TENSORS = {name: getattr(torch, name) for name in (*_NAMES, "bfloat16")}
_TENSOR_NAMES = {dtype: name for name, dtype in _TENSORS.items()}
_SCALARS = frozenset(dtype.type for dtype in _ARRAYS.values())


@dataclass(frozen=True)
class Other:
    """What is left of a value that is not plain data.

    Attributes:
        type_name: The name of its type.
    """

    type_name: str


def encoded(value: object) -> bytes:
    """Write a value as bytes.

    Only exactly the types known here count as plain; a subclass could answer for
    itself. Anything else leaves its type's name behind.

    Args:
        value: None, booleans, numbers, text, numpy's numbers and arrays and torch's
            tensors of ordinary dtypes, in lists, tuples and dicts with text as keys.

    Returns:
        Bytes for :func:`decoded`.

    Raises:
        ValueError: If that needs more than ``LARGEST`` bytes.

    Example:
        >>> decoded(encoded({"factor": 0.25, "layers": [1, 2]}))
        {'factor': 0.25, 'layers': [1, 2]}
        >>> decoded(encoded({1, 2}))
        Other(type_name='set')
    """
    raw: list[bytes] = []
    budget = _Budget()
    header = json.dumps(_described(value, raw, budget, _DEEPEST)).encode()
    if len(header) > _LONGEST_HEADER or len(header) + budget.bytes > LARGEST:
        raise ValueError(f"a value of more than {LARGEST >> 20} MB is too large to be sent")
    return b"".join([_LENGTH.pack(len(header)), header, *raw])


def decoded(data: bytes) -> object:
    """Read a value back; whatever the bytes hold, the result is plain data.

    Args:
        data: From :func:`encoded`, or made to look like it.

    Returns:
        The value; ``Other`` in the place of what was not plain.

    Raises:
        ValueError: If the bytes are not a value within the limits.
    """
    try:
        if len(data) > LARGEST + _LENGTH.size:
            raise ValueError("too long")
        (length,) = _LENGTH.unpack_from(data)
        start = _LENGTH.size + length
        if length > _LONGEST_HEADER or start > len(data):
            raise ValueError("header too long")
        raw = _Raw(memoryview(data)[start:])
        value = _built(json.loads(data[_LENGTH.size : start]), raw, _Budget(), _DEEPEST)
        if raw.left:
            raise ValueError("bytes left over")
    except (ValueError, TypeError, KeyError, RecursionError, struct.error) as error:
        raise ValueError(f"these bytes are no plain value: {error}") from error
    return value


class _Budget:
    """Counts values, and the bytes behind the header."""

    def __init__(self) -> None:
        self.values = 0
        self.bytes = 0

    def take(self, size: int = 0) -> None:
        self.values += 1
        self.bytes += size
        if self.values > _MOST:
            raise ValueError(f"a value that holds more than {_MOST} others is too large to be sent")
        if self.bytes > LARGEST:
            raise ValueError(f"a value of more than {LARGEST >> 20} MB is too large to be sent")


class _Raw:
    """Hands out the bytes behind the header, in order."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    @property
    def left(self) -> int:
        return len(self._data)

    def take(self, size: int) -> bytearray:
        if size > len(self._data):
            raise ValueError("bytes are missing")
        piece, self._data = self._data[:size], self._data[size:]
        return bytearray(piece)


def _described(value: object, raw: list[bytes], budget: _Budget, levels: int) -> object:
    """Return what the header says of a value; its numbers go to ``raw``."""
    kind = type(value)
    budget.take()
    if value is None or kind in (bool, str, float):
        return value
    if type(value) is int and value.bit_length() <= 1024:
        return value
    if (type(value) is list or type(value) is tuple) and levels:
        items = [_described(item, raw, budget, levels - 1) for item in value]
        return items if kind is list else {"tuple": items}
    if type(value) is dict and levels and all(type(key) is str for key in value):
        entries = value.items()
        return {"dict": {key: _described(item, raw, budget, levels - 1) for key, item in entries}}
    if type(value) is np.ndarray and value.dtype.name in _ARRAYS:
        return _numbers("array", value.dtype.name, value, raw, budget)
    if kind in _SCALARS and isinstance(value, np.generic) and value.dtype.name in _ARRAYS:
        return _numbers("scalar", value.dtype.name, np.asarray(value), raw, budget)
    if (type(value) is torch.Tensor or type(value) is torch.nn.Parameter) and _plain_tensor(value):
        return _tensor(value.detach().cpu().resolve_conj().resolve_neg(), raw, budget)
    if type(value) is Other:
        return {"other": value.type_name}
    return {"other": kind.__name__[:200]}


def _plain_tensor(value: torch.Tensor) -> bool:
    return value.layout is torch.strided and value.dtype in _TENSOR_NAMES and not value.is_meta


def _tensor(value: torch.Tensor, raw: list[bytes], budget: _Budget) -> dict:
    name = _TENSOR_NAMES[value.dtype]
    if name == "bfloat16":  # numpy does not know it: send the bits
        return {**_numbers("tensor", name, value.view(torch.int16).numpy(), raw, budget)}
    return _numbers("tensor", name, value.numpy(), raw, budget)


def _numbers(word: str, name: str, values: np.ndarray, raw: list[bytes], budget: _Budget) -> dict:
    if values.ndim > _MOST_AXES:
        return {"other": word}
    budget.take(values.nbytes)
    raw.append(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return {word: name, "shape": list(values.shape)}


def _built(node: object, raw: _Raw, budget: _Budget, levels: int) -> object:
    """Make the value that the header describes."""
    budget.take()
    if node is None or type(node) in (bool, int, float, str):
        return node
    if not levels:
        if type(node) is dict and list(node) == ["other"]:
            return Other(_text(node["other"]))
        if type(node) is dict and "shape" in node:
            return _built_numbers(node, raw)
        raise ValueError("nested too deeply")
    if type(node) is list:
        return [_built(item, raw, budget, levels - 1) for item in node]
    if type(node) is not dict:
        raise ValueError("an unknown kind of value")
    match list(node):
        case ["tuple"] if type(node["tuple"]) is list:
            return tuple(_built(item, raw, budget, levels - 1) for item in node["tuple"])
        case ["dict"] if type(node["dict"]) is dict:
            items = node["dict"].items()
            return {key: _built(item, raw, budget, levels - 1) for key, item in items}
        case ["other"]:
            return Other(_text(node["other"]))
        case [_, "shape"]:
            return _built_numbers(node, raw)
    raise ValueError("an unknown kind of value")


def _built_numbers(node: dict, raw: _Raw) -> object:
    """Make an array, a tensor or numpy's number out of the bytes behind the header."""
    word, shape = next(iter(node)), node["shape"]
    known = {"array": _ARRAYS, "scalar": _ARRAYS, "tensor": _TENSORS}[word]
    name = _text(node[word])
    if type(shape) is not list or len(shape) > _MOST_AXES:
        raise ValueError("a shape is a short list")
    if any(type(size) is not int or not 0 <= size <= LARGEST for size in shape):
        raise ValueError("a shape holds sizes")
    entries = math.prod(shape)
    if word == "tensor":
        dtype = known[name]
        data = raw.take(entries * dtype.itemsize)
        flat = torch.frombuffer(data, dtype=dtype) if entries else torch.empty(0, dtype=dtype)
        return flat.reshape(shape)
    dtype = known[name].newbyteorder("<")
    values = np.frombuffer(raw.take(entries * dtype.itemsize), dtype=dtype)
    values = values.astype(known[name], copy=False).reshape(shape)
    if word == "array":
        return values
    if shape:
        raise ValueError("one number has no shape")
    return values[()]


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError("a name is text")
    return value[:200]

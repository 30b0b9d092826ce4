"""Write values, kinds of values and calls for a message, with or without the numbers.

Whatever takes ``hidden`` writes nothing that tells a drawn number when it is True: a
message of the grader's goes to people who may be asked the same question again.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from helpers import plain, text
from helpers.exercises.values import as_array, is_integer, is_number, is_sequence, is_tensor

_SHOWN = 8  # entries of a list or tensor that a message prints in full
_LINE = 200  # characters of a call or a text that a message prints
_HIDDEN_LINE = 80  # characters of a learner's own text that a hidden message prints


def call(name: str, arguments: Mapping[str, object], *, hidden: bool) -> str:
    """Write a call, with tensors in full when the line stays short.

    Example:
        >>> call("f", {"x": torch.ones(2), "depth": 3}, hidden=False)
        'f(x=tensor([1., 1.]), depth=3)'
        >>> call("f", {"x": torch.ones(2), "depth": 3}, hidden=True)
        'f(x=a tensor of shape (2,), depth=an integer)'
    """
    if hidden:
        kinds = [f"{key}={_hidden_argument(value)}" for key, value in arguments.items()]
        return f"{name}({', '.join(kinds)})"
    written = [f"{key}={literal(value)}" for key, value in arguments.items()]
    if len(", ".join(written)) > _LINE:
        written = [
            argument if is_number(value) else f"{key}={kind(value, hidden=False)}"
            for argument, (key, value) in zip(written, arguments.items(), strict=True)
        ]
    return f"{name}({', '.join(written)})"


def _hidden_argument(value: object) -> str:
    """Say what kind of thing an argument is, without its numbers."""
    if type(value) is bool:
        return "True or False"
    if is_integer(value):
        return "an integer"
    if type(value) is str:
        return "a text" if any(one.isnumeric() for one in value) else literal(value)
    return "a dict" if type(value) is dict else kind(value, hidden=True)


def literal(value: object) -> str:
    """Write a value as one would type it, or its kind when it is long."""
    if is_number(value):
        return text.number(value)
    if type(value) is torch.Tensor and value.numel() <= _SHOWN:
        dtype = "" if value.dtype == torch.float32 else f", dtype={value.dtype}"
        return f"tensor({_entries(value.numpy())}{dtype})"
    if is_sequence(value) and len(value) <= _SHOWN:
        return f"[{', '.join(literal(item) for item in value)}]"
    if type(value) is str:
        return repr(shortened(value))
    return kind(value, hidden=False)


def kind(value: object, *, hidden: bool) -> str:
    """Say what kind of thing a value is, with its size.

    Example:
        >>> kind([1, 2, 3], hidden=False), kind(np.ones(2), hidden=True)
        ('a list of 3', 'an array of shape (2,)')
        >>> kind(0.25, hidden=False), kind(0.25, hidden=True)
        ('the number 0.25', 'a number')
    """
    if value is None:
        return "None"
    if is_sequence(value):
        return f"a {type(value).__name__} of {len(value)}"
    numbers = as_array(value)
    if numbers is not None and numbers.ndim == 0:
        return "a number" if hidden else f"the number {text.number(float(numbers), 3)}"
    if type(value) is np.ndarray or is_tensor(value):
        dtype = str(value.dtype)
        holds = next((f"{one} " for one in ("bool", "complex") if one in dtype), "")
        noun = f"{holds}array" if type(value) is np.ndarray else f"{holds}tensor"
        return f"{'an' if noun == 'array' else 'a'} {noun} of shape {tuple(value.shape)}"
    name = value.type_name if type(value) is plain.Other else type(value).__name__
    return f"a value of type {_masked(name) if hidden else name}"


def wrong_entries(
    answer: object, values: np.ndarray, expected: np.ndarray, wrong: np.ndarray, *, hidden: bool
) -> str:
    """Write the wrong entries of an answer, or the first of many.

    Args:
        answer: What was returned.
        values: Its entries.
        expected: The right ones, of the same shape.
        wrong: Which are not right; at least one.
        hidden: Whether to keep all numbers back.

    Returns:
        Words that follow "returned".
    """
    if hidden:
        return _hidden_entries(answer, values)
    if expected.ndim and (expected.size > _SHOWN or np.isnan(values).any()):
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        got, wanted = distinguished(values[first], expected[first])
        return f"{kind(answer, hidden=False)} with {got} at {list(first)}; expected {wanted} there."
    got, wanted = distinguished(values, expected)
    if not expected.ndim or is_sequence(answer):
        return f"{got}; expected {wanted}."
    noun = "array" if type(answer) is np.ndarray else "tensor"
    return f"{noun}({got}); expected {noun}({wanted})."


def _hidden_entries(answer: object, values: np.ndarray) -> str:
    """Say that entries are wrong, without one of them."""
    what = kind(answer, hidden=True)
    if np.isnan(values).any():
        return f"{what} with NaN in it." if values.ndim else "NaN, which is not a number."
    if values.ndim:
        return f"{what} with other numbers than expected."
    return f"{what} other than expected."


def distinguished(got: float | np.ndarray, wanted: float | np.ndarray) -> tuple[str, str]:
    """Write two numbers or arrays with three digits, or as many as it takes to see a difference.

    Example:
        >>> distinguished(0.30001, 0.3)
        ('0.30001', '0.3')
    """
    for significant in range(3, 18):
        texts = _rounded(got, significant), _rounded(wanted, significant)
        if texts[0] != texts[1]:
            break
    return texts


def _rounded(values: float | np.ndarray, significant: int) -> str:
    """Write one number, or the entries of an array."""
    if isinstance(values, np.ndarray) and values.ndim:
        return _entries(values, significant)
    return text.number(float(values), significant)


def _entries(values: np.ndarray, significant: int | None = None) -> str:
    """Write the entries of an array in nested brackets, as torch does."""
    if values.ndim == 0:
        written = text.number(values.flat[0], significant)
        return f"{written}." if written.lstrip("-").isdigit() else written
    return f"[{', '.join(_entries(item, significant) for item in values)}]"


def shapes(parameters: Sequence[Sequence[int]]) -> str:
    """Write the shapes of a model's parameters."""
    written = ", ".join(str(tuple(shape)) for shape in parameters)
    return f"parameters of shapes {shortened(written)}" if parameters else "no parameters"


def keys(names: Iterable[str], *, hidden: bool) -> str:
    """List the keys of a dict."""
    return shortened(", ".join(key(name, hidden=hidden) for name in names)) or "none"


def key(name: str, *, hidden: bool) -> str:
    """Write one key of a dict."""
    return _masked(name) if hidden else name


def failure(happened: str, *, hidden: bool) -> str:
    """Write what happened instead of an answer; an error may tell numbers, too."""
    if not hidden:
        return happened
    what, colon, detail = happened.partition(": ")
    return f"{_masked(what)}{colon}{_masked(detail)}"


def _masked(words: str) -> str:
    """Return the beginning of a learner's text without the numbers in it."""
    shown = ("#" if one.isnumeric() else one for one in words[:_HIDDEN_LINE])
    return "".join(one if one.isprintable() else "?" for one in shown)


def shortened(words: str) -> str:
    """Return a text, or the beginning of a long one."""
    return text.shortened(words, _LINE, "...")

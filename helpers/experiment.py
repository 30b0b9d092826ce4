"""What a parameterised notebook needs: parameters read and checked, results recorded.

An experiment is a notebook with a cell of literals tagged ``parameters``. Papermill
sets them, as numbers or as strings; the cell after it reads them, inside
``validation()``, and refuses what is impossible before anything is computed; the
last cell records what was found. ``record`` stores results here; ``probe.record`` measures
a network.
"""

import ast
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from numbers import Integral, Real

from IPython.display import display
from nbformat import NotebookNode

_JSON = "application/json"
_ABSTRACT: dict[object, type] = {int: Integral, float: Real, bool: bool, str: str}
_WORDS: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
}
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class ParameterError(ValueError):
    """A parameter that the experiment cannot take; a notebook shows the sentence alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@contextmanager
def validation() -> Iterator[None]:
    """Turn what is wrong with a parameter into one sentence, without a traceback.

    Raises:
        ParameterError: In place of a ``TypeError`` or ``ValueError`` of the block.

    Example:
        >>> with validation():
        ...     depth = read(int, depth="ten")
        Traceback (most recent call last):
        helpers.experiment.ParameterError: depth must be a whole number, got 'ten'
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ParameterError(str(error)) from None


def parameters(notebook: NotebookNode) -> dict[str, object]:
    """Return the parameters that a notebook has, with their values.

    Args:
        notebook: Its cell tagged ``parameters`` assigns literals; others have none.

    Raises:
        ValueError: If a value is not a literal.
    """
    found = {}
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            for node in ast.parse(cell.source).body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
                for target in targets:
                    if isinstance(target, ast.Name) and node.value is not None:
                        found[target.id] = ast.literal_eval(node.value)
    return found


def read(kind: object, **values: object) -> object:
    """Read parameters that may have come as strings.

    Args:
        kind: A dataclass, whose annotations say what each field is; or a type for a
            single value: ``int``, ``float``, ``bool``, ``str``, ``tuple[float, ...]``
            or a union of these and None.
        **values: The fields of the dataclass, or the one value. A tuple may come as
            ``"1, 2"`` or ``"[1, 2]"``, None as ``"None"``.

    Returns:
        The dataclass, which checks its own fields, or the value.

    Raises:
        ValueError: If a string cannot be read, or the dataclass refuses a value.
        TypeError: If the dataclass refuses a value's type.

    Example:
        >>> read(tuple[int, ...], depths="[5, 10]")
        (5, 10)
        >>> from helpers.models import Setting
        >>> print(read(Setting, depth="30", activation="relu", bias_var="None"))
        30 layers of 64 relu, default
    """
    if isinstance(kind, type) and is_dataclass(kind):
        kinds = typing.get_type_hints(kind)
        return kind(**{name: _read(name, value, kinds[name]) for name, value in values.items()})
    ((name, value),) = values.items()
    return _read(name, value, kind)


def _read(name: str, value: object, kind: object) -> object:
    """Convert a string, or the entries of a list, to what the annotation asks for."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _read_union(name, value, typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        if isinstance(value, str):
            parts = [part.strip() for part in value.strip(" []()").split(",")]
            value = [part for part in parts if part]
        entries = value if isinstance(value, list | tuple) else [value]
        return tuple(_read(name, entry, typing.get_args(kind)[0]) for entry in entries)
    text = value.strip() if isinstance(value, str) else None
    if kind is bool and text is not None:
        value = {"true": True, "false": False}.get(text.lower(), value)
    elif kind in (int, float) and text is not None:
        with suppress(ValueError):
            value = kind(text)
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, _ABSTRACT[kind]):
        raise ValueError(f"{name} must be {_WORDS[kind]}, got {value!r}")
    return value


def _read_union(name: str, value: object, kinds: tuple) -> object:
    """Try what is not text first: None, then numbers."""
    if value is None or (types.NoneType in kinds and str(value).strip() in ("None", "none", "")):
        return None
    rest = sorted((kind for kind in kinds if kind is not types.NoneType), key=lambda k: k is str)
    for kind in rest[:-1]:
        try:
            return _read(name, value, kind)
        except ValueError:
            continue
    return _read(name, value, rest[-1])


def record(**results: object) -> None:
    """Store results in the notebook as a small JSON, the headline first.

    Nothing is measured here: what a pass through a network leaves behind is
    measured by ``probe.record``.

    Args:
        **results: Numbers, truth values, short texts, None, or lists of these. JSON
            has no infinity: such numbers become ``"inf"``, ``"-inf"``, ``"nan"``.

    Raises:
        TypeError: If a result is of another kind.
        ValueError: If there is none.
    """
    if not results:
        raise ValueError("results must hold at least one number")
    plain = to_json(results)
    lines = ",\n ".join(f"{json.dumps(name)}: {json.dumps(plain[name])}" for name in plain)
    display({_JSON: plain, "text/plain": f"{{\n {lines}\n}}"}, raw=True)


def to_json(results: Mapping[str, object]) -> dict[str, object]:
    """Write results so that any JSON reader takes them; the inverse of ``from_json``.

    Args:
        results: As for ``record``.

    Raises:
        TypeError: If a result is of another kind.

    Example:
        >>> to_json({"loss": float("nan"), "steps": 3})
        {'loss': 'nan', 'steps': 3}
    """
    return {name: _plain(name, value) for name, value in results.items()}


def from_json(stored: Mapping[str, object]) -> dict[str, object]:
    """Read what ``to_json`` wrote: infinities and nan are numbers again.

    Args:
        stored: As read from JSON.

    Example:
        >>> from_json({"loss": "nan", "steps": 3})
        {'loss': nan, 'steps': 3}
    """
    return {name: _number(value) for name, value in stored.items()}


def _plain(name: str, value: object) -> object:
    if hasattr(value, "tolist"):  # of numpy or torch
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(name, entry) for entry in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    raise TypeError(
        f"{name} must be a number, a text, None or a list of these, got {type(value).__name__}"
    )


def sentence(ename: str, evalue: str) -> str:
    """Say in one line what stopped a notebook.

    Args:
        ename: Name of the error.
        evalue: What it says.

    Example:
        >>> sentence("ZeroDivisionError", "division by zero")
        'ZeroDivisionError: division by zero'
        >>> sentence("ParameterError", "depth must be at least 1, got 0")
        'depth must be at least 1, got 0'
    """
    kind = "" if ename in ("ClaimError", "ParameterError") else f"{ename}: "  # they say it all
    return f"{kind}{evalue}".split("\n")[0].rstrip(": ")


def results(notebook: NotebookNode) -> dict[str, object]:
    """Read what an executed notebook recorded.

    Args:
        notebook: With the outputs of its cells.

    Returns:
        The results of the last ``record``, infinities and nan as numbers; empty if
        there is none.
    """
    found: Mapping[str, object] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            stored = output.get("data", {}).get(_JSON)
            if isinstance(stored, Mapping):
                found = stored
    return from_json(found)


def _number(value: object) -> object:
    if isinstance(value, list):
        return [_number(entry) for entry in value]
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value

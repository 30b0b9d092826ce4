"""Read a grid of parameters, and put it together with the notebook to run.

A grid names, for each parameter to vary, its values; the sweep has one run for each
combination of them.
"""

import ast
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import nbformat

from helpers import checks, experiment

_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?")
_MOST_RUNS = 100_000


@dataclass(frozen=True)
class Sweep:
    """What a sweep runs: a notebook, at every combination of a grid's values.

    Args:
        name: Of the notebook.
        content: Its text.
        grid: For each parameter of the grid its values, in the order given.
        fixed: Other parameters, with their value.
        defaults: What the notebook has for each of its parameters.
    """

    name: str
    content: str
    grid: Mapping[str, tuple]
    fixed: Mapping[str, object]
    defaults: Mapping[str, object]

    @property
    def swept(self) -> tuple[str, ...]:
        """The parameters with more than one value."""
        return tuple(name for name, values in self.grid.items() if len(values) > 1)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What tells this notebook from others and from its other versions."""
        notebook = nbformat.reads(self.content, as_version=4)
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        return {"notebook": self.name, "code": _digest(code)}

    @cached_property
    def parameters(self) -> dict[str, dict[str, object]]:
        """The parameters of every run by the run's name, the last in the grid fastest."""
        combinations = itertools.product(*self.grid.values())
        points = [dict(zip(self.grid, values, strict=True)) for values in combinations]
        return {self._run_name(point): {**point, **self.fixed} for point in points}

    def _run_name(self, point: Mapping[str, object]) -> str:
        """Name a run: readable, fit for a file, different for different parameters."""
        words = "-".join(f"{name}_{value}" for name, value in point.items()) or "run"
        readable = re.sub(r"[^\w.+-]", "_", words, flags=re.ASCII)[:80]
        return f"{readable}-{_digest({**self.fixed, **point})[:8]}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def prepare(path: Path, grid: Mapping[str, Sequence], fixed: Mapping[str, object]) -> Sweep:
    """Put a notebook and a grid together.

    Args:
        path: The notebook.
        grid: Values of each parameter to vary.
        fixed: Values of other parameters.

    Returns:
        What to run.

    Raises:
        ValueError: If the notebook has no such parameter, one is given twice, or
            there are too many runs.
    """
    content = path.read_text(encoding="utf-8")
    try:
        defaults = experiment.parameters(nbformat.reads(content, as_version=4))
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error
    for name in (*grid, *fixed):
        if name not in defaults:
            hint = checks.suggestion(name, defaults)
            raise ValueError(f"{path.stem} has no parameter {name!r}; {hint}")
    if both := set(grid) & set(fixed):
        raise ValueError(f"{min(both)} is in the grid and fixed as well; give it only once")
    count = math.prod(map(len, grid.values()))
    if count > _MOST_RUNS:
        raise ValueError(f"the grid has {count:,} runs, more than {_MOST_RUNS:,}; make it smaller")
    given = {name: tuple(values) for name, values in grid.items()}
    return Sweep(path.stem, content, given, dict(fixed), defaults)


# ---- Reading a grid ------------------------------------------------------------------


def values(text: str) -> tuple:
    """Read the values of one parameter.

    Args:
        text: Values with commas between: numbers, True, False, None, lists in
            brackets, anything else a text; ``0..4`` is 0, 1, 2, 3, 4, and
            ``0..1..0.25`` goes by quarters.

    Returns:
        The values, each once.

    Raises:
        ValueError: If there is none, one is empty, or one is given twice.

    Example:
        >>> values("5,10..30..10,relu")
        (5, 10, 20, 30, 'relu')
    """
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if not all(part.strip() for part in parts):
        raise ValueError(f"a value is missing in {text!r}; write them like 5,10,20 or 0..4")
    return _distinct(value for part in parts for value in _expanded(part.strip()))


def _expanded(text: str) -> list[object]:
    """Read one value, or the numbers of a range, both ends included."""
    if not (found := _RANGE.fullmatch(text)):
        return [literal(text)]
    low, high, step = (Decimal(part) for part in (found[1], found[2], found[3] or "1"))
    if high < low or step <= 0:
        raise ValueError(f"the range {text!r} is empty; write the smaller number first")
    if (high - low) / step > _MOST_RUNS:
        raise ValueError(f"the range {text!r} has more than {_MOST_RUNS:,} numbers")
    count = int((high - low) / step) + 1
    return [literal(str(low + place * step)) for place in range(count)]


def literal(text: str) -> object:
    """Read a number, a truth value, None or a list; everything else is a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _distinct(found: Iterable[object]) -> tuple:
    """Return the values as a tuple, lists for tuples; refuse one that is there twice."""
    seen: list[object] = []
    for value in found:
        value = list(value) if isinstance(value, tuple) else value
        if any(value == other and type(value) is type(other) for other in seen):
            raise ValueError(f"the value {value!r} is given twice")
        seen.append(value)
    return tuple(seen)


def read_grid(path: Path) -> dict[str, tuple]:
    """Read a grid from a YAML file.

    Args:
        path: A mapping from parameter to a list of values, to one value, or to a
            text such as ``0..4``, read as by ``values``.

    Returns:
        The values of each parameter.

    Raises:
        ValueError: If it is not such a mapping.
    """
    import yaml

    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"{path} must map parameters to values, such as depth: [5, 10]")
    grid = {}
    for name, found in given.items():
        try:
            if isinstance(found, str):
                grid[name] = values(found)
            else:
                grid[name] = _distinct(found if isinstance(found, list) else [found])
        except ValueError as error:
            raise ValueError(f"{path}, {name}: {error}") from error
        if not grid[name]:
            raise ValueError(f"{path}, {name}: the list is empty")
    return grid

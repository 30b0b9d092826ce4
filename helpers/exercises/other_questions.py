"""Questions that are one slip away from the one that was asked."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import torch

from helpers.exercises.values import is_integer, is_number, is_sequence


def changed(
    arguments: Mapping[str, object],
) -> Iterator[tuple[str, dict[str, object]]]:
    """Change one thing in the arguments, as slips of the pen and of counting do.

    Args:
        arguments: Of the question that is asked, by name.

    Yields:
        What was changed, in words, and all arguments.
    """
    given = dict(arguments)
    for name, value in arguments.items():
        for words, other_value in _other_values(value):
            yield words.format(f"`{name}`"), given | {name: other_value}
    for (one, first), (other, second) in combinations(arguments.items(), 2):
        if type(first) is type(second) and _shape(first) == _shape(second):
            yield f"`{one}` and `{other}` swapped", given | {one: second, other: first}
    lists = {name: value for name, value in arguments.items() if is_sequence(value)}
    for words, cut in _CUTS.items() if lists else ():
        names = " and ".join(f"`{name}`" for name in lists)
        yield words.format(names), given | {name: cut(value) for name, value in lists.items()}


_CUTS: dict[str, Callable[[Any], object]] = {
    "the first item of {0} left out": lambda items: items[1:],
    "the last item of {0} left out": lambda items: items[:-1],
    "{0} read from the wrong end": lambda items: items[::-1],
}


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _other_values(value: object) -> Iterator[tuple[str, object]]:
    """Return words for what was changed in an argument, and the changed argument."""
    if is_integer(value):
        yield "{0} counted one too low", value - 1
        yield "{0} counted one too high", value + 1
        yield "{0} left out", 1
    elif is_number(value):
        yield "{0} left out", 1.0
        yield "{0} left out, as if it were 0", 0.0
        yield "1 minus {0} in the place of {0}", 1 - value
        yield "{0} squared", value**2
        if value > 0:
            yield "the root of {0} taken", value**0.5
            yield "one over {0} in the place of {0}", 1 / value
    if isinstance(value, torch.Tensor) and value.ndim == 2:
        yield "{0} transposed", value.T

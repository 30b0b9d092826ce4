"""Exercises of lesson 09: what forget gates leave of a gradient, and where a sequence ends.

Shapes: B batch, T steps, N units.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


def _two_decimals(values: np.ndarray) -> Tensor:
    """Wrap values in float32, rounded so that a message can show them."""
    return torch.from_numpy(np.round(values, 2).astype(np.float32))


# 9.1 The gradient along the cell of an LSTM: a product over time of forget gates


def _steady(rng: np.random.Generator) -> list[dict[str, object]]:
    """Draw gates that stay as they are from step to step."""
    cases: list[dict[str, object]] = [{"forgets": torch.full((1, 1), 0.5)}]
    for steps, units in ((2, 1), (4, 2), (9, 3)):
        gates = np.sort(rng.uniform(0.2, 0.95, size=units))
        cases.append({"forgets": _two_decimals(np.tile(gates, (steps, 1)))})
    return cases


def _changing(rng: np.random.Generator) -> list[dict[str, object]]:
    """Draw gates that are another one at each step."""
    return [
        {"forgets": _two_decimals(rng.uniform(0.15, 0.98, size=(steps, units)))}
        for steps, units in ((2, 1), (3, 2), (5, 3), (8, 2))
    ]


_Products = Callable[[np.ndarray], np.ndarray]


def _later(gates: np.ndarray) -> np.ndarray:
    """Product of the gates of all later steps, 1 at the last."""
    return np.vstack([np.cumprod(gates[:0:-1], axis=0)[::-1], np.ones((1, gates.shape[1]))])


def _later_powers(gates: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Give each row one gate to the power of the number of later steps."""
    return of ** np.arange(len(gates))[::-1, None]


def _cell_gradient(
    forgets: Tensor,
    *,
    seen: Callable[[np.ndarray], np.ndarray] = lambda gates: gates,
    product: _Products = _later,
    given: Callable[[np.ndarray], np.ndarray] = lambda rows: rows,
) -> np.ndarray:
    """Return the derivatives; the switches stand for what people get wrong.

    Args:
        forgets: Shape (T, N).
        seen: What is taken for the gates.
        product: What is made of them.
        given: What is made of the rows at the end.
    """
    return given(product(seen(_float64(forgets))))


_CELL_GRADIENT = Exercise(
    name="cell_gradient",
    number="9.1",
    title="The gradient along the cell, a product of forget gates",
    signature="cell_gradient(forgets)",
    parts=(Part("gates that stay", 2, _steady), Part("gates that change", 3, _changing)),
    reference=lambda forgets: _cell_gradient(forgets),
    misconceptions=(
        Misconception(
            "own gate included",
            partial(
                _cell_gradient, product=lambda gates: np.cumprod(gates[::-1], axis=0)[::-1].copy()
            ),
            "One gate too many: the gate of a step acts on the cell before it. Which steps still "
            "lie ahead of the cell after step t?",
        ),
        Misconception(
            "product from the start",
            partial(_cell_gradient, product=lambda gates: np.cumprod(gates, axis=0)),
            "That multiplies the gates from the first step up to this one. The gradient comes from "
            "the other end: which gates does it pass on its way to this step?",
        ),
        Misconception(
            "earlier gates",
            partial(
                _cell_gradient,
                product=lambda gates: np.vstack([np.ones((1, gates.shape[1])), gates]).cumprod(
                    axis=0
                )[:-1],
            ),
            "That is the product of the gates before each step: it says what is left of the first "
            "cell. Asked for is what the last cell owes to this one.",
        ),
        Misconception(
            "gates added",
            partial(
                _cell_gradient,
                product=lambda gates: np.vstack(
                    [np.cumsum(gates[:0:-1], axis=0)[::-1], np.ones((1, gates.shape[1]))]
                ),
            ),
            "The gates are added up. One step after the other acts on what the last one left, and "
            "the chain rule multiplies.",
        ),
        Misconception(
            "next gate alone",
            partial(
                _cell_gradient,
                product=lambda gates: np.vstack([gates[1:], np.ones((1, gates.shape[1]))]),
            ),
            "That is what one step leaves. Between this cell and the last there are more steps.",
        ),
        Misconception(
            "whole product in each row",
            partial(
                _cell_gradient,
                product=lambda gates: np.broadcast_to(gates.prod(axis=0), gates.shape).copy(),
            ),
            "Each row holds the product over all steps. A later row has fewer steps ahead of it, "
            "and the last none.",
        ),
        Misconception(
            "whole product but the first, in each row",
            partial(
                _cell_gradient,
                product=lambda gates: np.broadcast_to(gates[1:].prod(axis=0), gates.shape).copy(),
            ),
            "Right for the first row. A later row has fewer steps ahead of it, and the last none.",
        ),
        Misconception(
            "mean gate",
            partial(_cell_gradient, product=lambda gates: _later_powers(gates, gates.mean(axis=0))),
            "The mean gate to a power: right for gates that stay. Where they change, multiply them "
            "one by one.",
        ),
        Misconception(
            "own gate to a power",
            partial(_cell_gradient, product=lambda gates: _later_powers(gates, gates)),
            "The gate of this step to a power: right for gates that stay. Each later step has a "
            "gate of its own.",
        ),
        Misconception(
            "first gate to a power",
            partial(_cell_gradient, product=lambda gates: _later_powers(gates, gates[0])),
            "The first gate to a power: right for gates that stay. Each later step has a gate of "
            "its own.",
        ),
        Misconception(
            "last gate to a power",
            partial(_cell_gradient, product=lambda gates: _later_powers(gates, gates[-1])),
            "The last gate to a power: right for gates that stay. Each later step has a gate of "
            "its own.",
        ),
        Misconception(
            "last gate left out",
            partial(
                _cell_gradient,
                product=lambda gates: np.vstack([_later(gates[:-1]), np.ones((1, gates.shape[1]))])[
                    : len(gates)
                ],
            ),
            "The gate of the last step is missing: it lies between every earlier cell and the last "
            "one.",
        ),
        Misconception(
            "units mixed",
            partial(
                _cell_gradient,
                seen=lambda gates: np.broadcast_to(
                    gates.mean(axis=1, keepdims=True), gates.shape
                ).copy(),
            ),
            "The mean over the units is taken first. Along the cell no unit meets another: each "
            "column is a product of its own.",
        ),
        Misconception(
            "units multiplied",
            partial(
                _cell_gradient,
                seen=lambda gates: np.broadcast_to(
                    gates.prod(axis=1, keepdims=True), gates.shape
                ).copy(),
            ),
            "Gates of different units are multiplied with each other. Along the cell no unit meets "
            "another: each column is a product of its own.",
        ),
        Misconception(
            "what is forgotten",
            partial(_cell_gradient, seen=lambda gates: 1 - gates),
            "That multiplies 1 minus each gate, the share that is lost. In spite of its name the "
            "forget gate is the share that stays.",
        ),
        Misconception(
            "sigmoid once more",
            partial(_cell_gradient, seen=lambda gates: 1 / (1 + np.exp(-gates))),
            "The sigmoid is taken once more: the gates that you are given are between 0 and 1 "
            "already.",
        ),
        Misconception(
            "slope of the gate",
            partial(_cell_gradient, seen=lambda gates: gates * (1 - gates)),
            "That multiplies the slopes of the sigmoids. The cell is multiplied by the gate "
            "itself, so its derivative is the gate.",
        ),
        Misconception(
            "last row first",
            partial(_cell_gradient, given=lambda rows: rows[::-1].copy()),
            "The numbers are right and the rows upside down: the last row is the last step, where "
            "nothing lies ahead.",
        ),
        Misconception(
            "last row left out",
            partial(_cell_gradient, given=lambda rows: rows[:-1]),
            "The row of the last step is missing: the last cell by itself, 1.",
        ),
        Misconception(
            "logarithms",
            partial(_cell_gradient, given=np.log),
            "Those are the logarithms, sums of the logarithms of the gates. Take the exponential.",
        ),
    ),
    atol=1e-8,
    approach=(
        "Start behind the last step with a row of ones. Then go back step by step: the row before "
        "is this row times the gates of this step."
    ),
)


# 9.2 Reading padded sequences at their true ends


def _states(rng: np.random.Generator, batch: int, steps: int, width: int) -> Tensor:
    return _two_decimals(rng.uniform(-0.99, 0.99, size=(batch, steps, width)))


def _of_one_length(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"states": _states(rng, 1, 3, 1), "lengths": [2]},
        {"states": _states(rng, 2, 4, 2), "lengths": [1, 1]},
        {"states": _states(rng, 2, 4, 3), "lengths": [4, 4]},
    ]
    steps = int(rng.integers(6, 9))
    cases.append({"states": _states(rng, 3, steps, 2), "lengths": [steps - 3] * 3})
    return cases


def _of_many_lengths(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for batch, steps, width in ((2, 3, 1), (3, 5, 2), (4, 7, 3), (5, 6, 2)):
        # The longest fills the tensor; the others are shorter, in no order.
        lengths = rng.permutation([steps, *rng.integers(1, steps, size=batch - 1)])
        cases.append({"states": _states(rng, batch, steps, width), "lengths": lengths.tolist()})
    return cases


def _rows(states: np.ndarray, places: np.ndarray) -> np.ndarray:
    return states[np.arange(len(states)), places]


def _over_real_steps(change: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def read(states: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        real = [one[:length] for one, length in zip(states, lengths, strict=True)]
        return np.stack([change(steps, axis=0) for steps in real])

    return read


def _last_states(
    states: Tensor,
    lengths: list[int],
    *,
    seen: Callable[[np.ndarray], np.ndarray] = lambda lengths: lengths,
    read: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda states, lengths: _rows(
        states, lengths - 1
    ),
) -> np.ndarray:
    """Return the states read; the switches stand for what people get wrong.

    Args:
        states: Shape (B, T, N).
        lengths: Of the B sequences.
        seen: What is taken for the lengths.
        read: What is taken from the states.
    """
    return read(_float64(states), seen(np.array(lengths)))


_LAST_STATES = Exercise(
    name="last_states",
    number="9.2",
    title="The states at the true ends of padded sequences",
    signature="last_states(states, lengths)",
    parts=(
        Part("one length for all", 2, _of_one_length),
        Part("a length for each", 2, _of_many_lengths),
    ),
    reference=lambda states, lengths: _last_states(states, lengths),
    misconceptions=(
        Misconception(
            "end of the padding",
            partial(_last_states, read=lambda states, lengths: states[:, -1]),
            "That is the state after the padding. Each sequence ends at a step of its own.",
        ),
        Misconception(
            "one step too late",
            partial(
                _last_states,
                read=lambda states, lengths: _rows(
                    states, np.minimum(lengths, states.shape[1] - 1)
                ),
            ),
            "One step too late: steps count from 0, so a sequence of length 1 ends at step 0.",
        ),
        Misconception(
            "one step too early",
            partial(
                _last_states,
                read=lambda states, lengths: _rows(states, np.maximum(lengths - 2, 0)),
            ),
            "One step too early: the last real step has still to be read.",
        ),
        Misconception(
            "counted from the end",
            partial(_last_states, read=lambda states, lengths: _rows(states, -lengths)),
            "The length is counted from the back. The padding stands at the end, so count from "
            "the front.",
        ),
        Misconception(
            "first length for all",
            partial(_last_states, seen=lambda lengths: np.full_like(lengths, lengths[0])),
            "Every sequence is read where the first one ends. Each has a length of its own.",
        ),
        Misconception(
            "last length for all",
            partial(_last_states, seen=lambda lengths: np.full_like(lengths, lengths[-1])),
            "Every sequence is read where the last one ends. Each has a length of its own.",
        ),
        Misconception(
            "longest for all",
            partial(_last_states, seen=lambda lengths: np.full_like(lengths, lengths.max())),
            "Every sequence is read where the longest one ends. For the others that is in the "
            "padding.",
        ),
        Misconception(
            "shortest for all",
            partial(_last_states, seen=lambda lengths: np.full_like(lengths, lengths.min())),
            "Every sequence is read where the shortest one ends. The others go on after that.",
        ),
        Misconception(
            "lengths sorted",
            partial(_last_states, seen=lambda lengths: np.sort(lengths)[::-1]),
            "The lengths are sorted and the sequences are not: each must keep its own.",
        ),
        Misconception(
            "first step",
            partial(_last_states, read=lambda states, lengths: states[:, 0]),
            "That is the state after the first step. It has seen one input only.",
        ),
        Misconception(
            "mean over the real steps",
            partial(_last_states, read=_over_real_steps(np.mean)),
            "That is the mean over the real steps, a fair thing to read, but asked for is the "
            "state after the last of them.",
        ),
        Misconception(
            "sum over the real steps",
            partial(_last_states, read=_over_real_steps(np.sum)),
            "That adds up all real steps. Asked for is the state after the last of them.",
        ),
        Misconception(
            "largest over the real steps",
            partial(_last_states, read=_over_real_steps(np.max)),
            "That takes the largest value of each unit over the real steps. Asked for is the state "
            "after the last of them.",
        ),
        Misconception(
            "mean over all steps",
            partial(_last_states, read=lambda states, lengths: states.mean(axis=1)),
            "That is the mean over all steps, padding included. Asked for is one state of each "
            "sequence, after its last real step.",
        ),
        Misconception(
            "every sequence for each length",
            partial(
                _last_states,
                read=lambda states, lengths: states[:, lengths - 1].swapaxes(0, 1).copy(),
            ),
            "For each length all sequences are read: take from each sequence its own state only, "
            "with its number before the step.",
        ),
        Misconception(
            "all pairs",
            partial(_last_states, read=lambda states, lengths: states[:, lengths - 1]),
            "Every sequence is read at every length: one state of each is asked for. The number of "
            "the sequence belongs in the first place, beside its step.",
        ),
    ),
    atol=1e-6,
    approach=(
        "Go through the sequences one by one and take from each the state at its length minus 1; "
        "stack what you have. Or index both axes at once."
    ),
)

EXERCISES = (_CELL_GRADIENT, _LAST_STATES)

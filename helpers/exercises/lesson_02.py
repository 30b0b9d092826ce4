"""Exercises of lesson 02: meters that do not lie, and steps that do nothing."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits


def _tensor(values: np.ndarray | list, dtype: type = np.float32) -> Tensor:
    """Wrap values rounded to three digits, so that a message can show them."""
    rounded = [three_digits(value) for value in np.ravel(values)]
    return torch.from_numpy(np.array(rounded, dtype=dtype).reshape(np.shape(values)))


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


# 2.1 A norm that neither underflows nor overflows


def _ordinary_values(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"values": _tensor([3.0, 4.0])},
        {"values": _tensor([0.0, 0.0, 0.0])},
        {"values": _tensor([-2.0, -1.0, -2.0])},
        {"values": _tensor(rng.normal(size=(2, 3)))},
        {"values": _tensor(100 * rng.normal(size=(3, 2, 2)), np.float64)},
    ]


def _float32_extremes(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"values": _tensor([3e-30, 4e-30])},
        {"values": _tensor([3e25, 4e25])},
        {"values": _tensor(1e-30 * _away_from_zero(rng, 2, 3))},
        {"values": _tensor(1e25 * _away_from_zero(rng, 4, 5))},
        {"values": _tensor([0.0, three_digits(rng.uniform(1e25, 9e25)), 2e-30])},
        # Each entry is within the range of float32, and their norm beyond it.
        {"values": _tensor([3e38, -three_digits(rng.uniform(2e38, 3e38))])},
    ]


def _float64_extremes(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"values": _tensor([3e-200, 4e-200], np.float64)},
        {"values": _tensor([3e200, 4e200], np.float64)},
        {"values": _tensor(1e-200 * _away_from_zero(rng, 2, 3), np.float64)},
        {"values": _tensor(1e200 * _away_from_zero(rng, 4, 5), np.float64)},
        {"values": _tensor([three_digits(rng.uniform(1e200, 9e200)), 0.0, 2e-200], np.float64)},
        {"values": _tensor([3e-300, three_digits(rng.uniform(1e-300, 9e-300))], np.float64)},
        {"values": _tensor([3e300, three_digits(rng.uniform(1e300, 9e300))], np.float64)},
    ]


def _away_from_zero(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=shape) * rng.uniform(1, 9, size=shape)


def _root_of_squares(values: Tensor, epsilon: float = 0.0) -> float:
    return (values.pow(2).sum() + epsilon).sqrt().item()


def _norm(values: Tensor) -> float:
    # hypot scales before it squares.
    return math.hypot(*values.flatten().tolist())


def _in_own_type(values: Tensor) -> float:
    norm = _norm(values)
    return norm if norm <= torch.finfo(values.dtype).max else math.inf


def _over_largest(values: Tensor) -> list[float]:
    largest = values.abs().max().item() or 1.0
    return [value / largest for value in values.flatten().tolist()]


def _by_largest_signed(values: Tensor) -> float:
    return math.copysign(_norm(values), values.max().item())


_SAFE_NORM = Exercise(
    name="safe_norm",
    number="2.1",
    title="A norm that can be trusted",
    signature="safe_norm(values)",
    parts=(
        Part("ordinary values", 1, _ordinary_values),
        Part("squares beyond float32", 2, _float32_extremes),
        Part("squares beyond float64", 2, _float64_extremes),
    ),
    reference=_norm,
    misconceptions=(
        Misconception(
            "squared as they come",
            _root_of_squares,
            "Right until a square leaves the range of the tensor's type: the square of 1e-30 is 0 "
            "in float32. What can you do to the values before squaring them, and undo afterwards?",
        ),
        Misconception(
            "float64 alone",
            lambda values: _root_of_squares(values.to(torch.float64)),
            "A square still leaves the range of float64: that of 1e-200 is 0 there. Bring the "
            "values to a size that is safe to square, and undo it only after the root.",
        ),
        Misconception(
            "result in float32",
            _in_own_type,
            "Right as long as the norm itself fits into float32: two entries of 3e38 do, their "
            "norm does not. Scale back in float64, or with Python's own floats.",
        ),
        Misconception(
            "tiny counted as zero",
            lambda values: _norm(values) if values.abs().max() > 1e-100 else 0.0,
            "Tiny values come out as 0: something that you add or compare with, against a division "
            "by zero, is much larger than they are.",
        ),
        Misconception(
            "largest entry",
            lambda values: values.abs().max().item(),
            "The largest entry is a good yardstick, and not yet the norm: the other entries count "
            "as well.",
        ),
        Misconception(
            "constant under the root",
            lambda values: _root_of_squares(values, 1e-12),
            "A small constant under the root hides the zero and puts itself in place of the norm: "
            "what does it make of a tensor of zeros?",
        ),
        Misconception(
            "not scaled back",
            lambda values: math.hypot(*_over_largest(values)),
            "That is the norm of the scaled values. The scale has to come back in after the root.",
        ),
        Misconception(
            "sizes added, not squares",
            lambda values: math.fsum(values.abs().flatten().tolist()),
            "That is the sum of the sizes. An L2 norm adds up squares and takes the root.",
        ),
        Misconception(
            "values added",
            lambda values: math.fsum(values.flatten().tolist()),
            "That is the sum of the values. An L2 norm adds up squares and takes the root.",
        ),
        Misconception(
            "scaled by a signed number",
            _by_largest_signed,
            "A norm is never negative. The largest entry and the largest size of an entry are not "
            "the same: which one is a scale?",
        ),
        Misconception(
            "square of the norm",
            lambda values: min(_norm(values), 1e150) ** 2,
            "That is the square of the norm: a root is missing at the end.",
        ),
        Misconception(
            "mean of the squares",
            lambda values: _norm(values) / math.sqrt(values.numel()),
            "That is the root of the mean square. A norm takes the root of the sum.",
        ),
    ),
    approach=(
        "Divide by the largest size of an entry, take the norm of what is left, and multiply again "
        "in plain Python floats. Only zeros need a line of their own."
    ),
)


# 2.2 Did the step change anything?


def _plain_changes(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"before": _tensor([1.0]), "after": _tensor([1.0])},
        {"before": _tensor([1.0, 2.0, 3.0]), "after": _tensor([1.0, 2.5, 3.0])},
        {"before": _tensor([1.0, 2.0, 3.0]), "after": _tensor([2.0, 1.0, 3.0])},
        {"before": _tensor([1.0, 2.0, 3.0]), "after": _tensor([1.0, 1.0, 3.0])},
    ]
    for rows, columns in ((2, 3), (4, 5)):
        before = _tensor(_away_from_zero(rng, rows, columns))
        after = before.clone()
        moved = after[rows // 4 :]  # of four rows the first stays as it was
        moved.view(-1)[_picked(rng, moved)] += 0.5
        cases.append({"before": before, "after": after})
    return cases


def _last_bits(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {
            "before": _tensor([1.0, 2.0]),
            "after": _tensor([1.0, 2.0]).nextafter(_tensor([1.0, 3.0])),
        },
        {"before": _tensor([1e-12, 0.0, 0.5]), "after": _tensor([2e-12, 0.0, 0.5])},
    ]
    for shape, dtype in (((2, 4), np.float32), ((3, 3, 2), np.float64)):
        before = _tensor(_away_from_zero(rng, *shape), dtype)
        after = before.clone()
        chosen = _picked(rng, before)
        after.view(-1)[chosen] = before.view(-1)[chosen].nextafter(
            torch.zeros((), dtype=before.dtype)
        )
        cases.append({"before": before, "after": after})
    return cases


def _picked(rng: np.random.Generator, tensor: Tensor) -> Tensor:
    """Choose some entries of a tensor, as indices into its flat view."""
    count = rng.integers(1, tensor.numel())
    return torch.from_numpy(rng.choice(tensor.numel(), size=count, replace=False))


def _unchanged_share(before: Tensor, after: Tensor) -> float:
    bits = {torch.float32: torch.int32, torch.float64: torch.int64}[before.dtype]
    same = (before.view(bits) == after.view(bits)).flatten().tolist()
    return same.count(True) / len(same)


def _share_found(before: Tensor, after: Tensor) -> float:
    return torch.isin(before, after).to(torch.float64).mean().item()


def _unchanged_rows(before: Tensor, after: Tensor) -> float | None:
    if before.ndim < 2:
        return None
    return (before == after).flatten(1).all(dim=1).to(torch.float64).mean().item()


_UNCHANGED_SHARE = Exercise(
    name="unchanged_share",
    number="2.2",
    title="The share of weights that a step left alone",
    signature="unchanged_share(before, after)",
    parts=(
        Part("plain changes", 1, _plain_changes),
        Part("changes in the last bit", 2, _last_bits),
    ),
    reference=_unchanged_share,
    misconceptions=(
        Misconception(
            "close counted as equal",
            lambda before, after: torch.isclose(before, after).to(torch.float64).mean().item(),
            "Close is not unchanged: here even a change in the last bit counts, since it shows "
            "that the step arrived.",
        ),
        Misconception(
            "share that changed",
            lambda before, after: 1 - _unchanged_share(before, after),
            "That is the share of entries that did change. Which ones are asked for?",
        ),
        Misconception(
            "number, not share",
            lambda before, after: round(_unchanged_share(before, after) * before.numel()),
            "That is how many entries are unchanged. A share lies between 0 and 1.",
        ),
        Misconception(
            "whole rows",
            _unchanged_rows,
            "Count single entries: a row in which one entry changed still has others that did not.",
        ),
        Misconception(
            "all or nothing",
            lambda before, after: float(torch.equal(before, after)),
            "That says whether all entries are unchanged. Which share of them is?",
        ),
        Misconception(
            "found anywhere",
            _share_found,
            "An entry counts as unchanged only if the value in its own place is the same, not a "
            "value somewhere in the tensor.",
        ),
        Misconception(
            "found anywhere before",
            lambda before, after: _share_found(after, before),
            "An entry counts as unchanged only if the value in its own place was the same, not a "
            "value somewhere in the tensor.",
        ),
        Misconception(
            "divided by the rows",
            lambda before, after: _unchanged_share(before, after) * before[0].numel(),
            "The unchanged entries are divided by the number of rows. A share is of all entries.",
        ),
    ),
    approach=(
        "Compare the two tensors entry by entry, without a tolerance. How many answers are true, "
        "out of how many?"
    ),
)


# 2.3 Adam's first step


def _ordinary_gradients(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"gradient": _tensor([0.5]), "lr": 0.001, "eps": 1e-8},
        {"gradient": _tensor([2.0, -0.3]), "lr": 0.01, "eps": 1e-8},
        {"gradient": _tensor(0.1 * _away_from_zero(rng, 2, 3)), "lr": 0.003, "eps": 1e-8},
    ]


def _tiny_gradients(rng: np.random.Generator) -> list[dict[str, object]]:
    spread = 10.0 ** rng.uniform(-10, -6, size=(3, 4))
    return [
        {"gradient": _tensor([1e-8]), "lr": 0.001, "eps": 1e-8},
        {"gradient": _tensor([0.0, -1e-9]), "lr": 0.001, "eps": 1e-8},
        {"gradient": _tensor(1e-8 * _away_from_zero(rng, 5)), "lr": 0.01, "eps": 1e-8},
        {"gradient": _tensor(spread * _away_from_zero(rng, 3, 4)), "lr": 0.001, "eps": 1e-7},
    ]


_Sizes = Callable[[np.ndarray], np.ndarray]


def _adam_first_update(
    gradient: Tensor,
    lr: float,
    eps: float,
    *,
    sign: float = -1.0,
    first: float = 1.0,
    second: float = 1.0,
    size: _Sizes = np.abs,
    root: float = 0.5,
    added: Callable[[np.ndarray, float], np.ndarray] = np.add,
    most: float = 1.0,
) -> np.ndarray:
    """Return the first step, or that of somebody with one thing wrong.

    Args:
        gradient: As in the exercise.
        lr: As in the exercise.
        eps: As in the exercise.
        sign: Of the step.
        first: Factor on the running average of the gradient.
        second: Factor on that of its square, before the root.
        size: What the gradient is divided by.
        root: Power of the average of the square.
        added: How eps comes in.
        most: Factor on eps.
    """
    g = _float64(gradient)
    with np.errstate(all="ignore"):
        step = sign * lr * first * g / added(second**root * size(g), most * eps)
    return np.where(g == 0, 0.0, step)


_ADAM_FIRST_UPDATE = Exercise(
    name="adam_first_update",
    number="2.3",
    title="Adam's first step",
    signature="adam_first_update(gradient, lr, eps)",
    parts=(
        Part("ordinary gradients", 1, _ordinary_gradients),
        Part("gradients as small as eps", 2, _tiny_gradients),
    ),
    reference=lambda gradient, lr, eps: _adam_first_update(gradient, lr, eps),
    misconceptions=(
        Misconception(
            "plain gradient descent",
            lambda gradient, lr, eps: -lr * _float64(gradient),
            "That is a step of plain gradient descent. Adam divides the gradient by its own size "
            "first.",
        ),
        Misconception(
            "eps left out",
            partial(_adam_first_update, added=lambda sizes, eps: sizes),
            "True for large gradients only: once a gradient is as small as eps, eps shortens the "
            "step. Where does it enter?",
        ),
        Misconception(
            "uphill",
            partial(_adam_first_update, sign=1.0),
            "The size is right and the direction is not: the step must lower the loss.",
        ),
        Misconception(
            "eps under the root",
            partial(_adam_first_update, added=lambda sizes, eps: np.sqrt(sizes**2 + eps)),
            "Here eps acts on the square of the gradient's size. Adam adds it after the root has "
            "been taken.",
        ),
        Misconception(
            "eps squared under the root",
            partial(_adam_first_update, added=np.hypot),
            "Here eps is added under the root, as a square. Adam adds it after the root has been "
            "taken.",
        ),
        Misconception(
            "eps as a lower bound",
            partial(_adam_first_update, added=np.maximum),
            "Here eps is a lower bound for what you divide by. Adam adds it, also where the "
            "gradient is larger.",
        ),
        Misconception(
            "bias correction left out",
            partial(_adam_first_update, first=0.1, second=0.001),
            "Adam's two averages start at zero, and so both are too small at first. It corrects "
            "each of them before it divides.",
        ),
        Misconception(
            "second average not corrected",
            partial(_adam_first_update, second=0.001),
            "The average of the gradient is corrected, that of its square is not. Both start at "
            "zero, and both are too small at first.",
        ),
        Misconception(
            "first average not corrected",
            partial(_adam_first_update, first=0.1),
            "The average of the square is corrected, that of the gradient is not. Both start at "
            "zero, and both are too small at first.",
        ),
        Misconception(
            "eps before the correction",
            partial(_adam_first_update, most=0.001**-0.5),
            "Here eps is corrected too. Adam adds it to the root of the corrected average.",
        ),
        Misconception(
            "root of the second average left out",
            partial(_adam_first_update, size=np.square, root=1.0),
            "The gradient is divided by its square: a root is missing there, before eps is added.",
        ),
        Misconception(
            "norm of the whole gradient",
            partial(_adam_first_update, size=lambda g: np.full(g.shape, np.linalg.norm(g))),
            "The gradient is divided by the norm of the whole tensor. In Adam each entry is "
            "divided by its own size.",
        ),
        Misconception(
            "sign lost",
            partial(_adam_first_update, size=lambda g: g),
            "Each entry is divided by itself, with its sign, so that all steps go one way. Divide "
            "by its size.",
        ),
        Misconception(
            "the usual eps",
            lambda gradient, lr, eps: _adam_first_update(gradient, lr, 1e-8),
            "Right for the usual eps of 1e-8. Your function is given one: does it use it?",
        ),
        Misconception(
            "added to the gradient",
            lambda gradient, lr, eps: _float64(gradient) + _adam_first_update(gradient, lr, eps),
            "That is the gradient with the step added. The step alone is asked for.",
        ),
    ),
    approach=(
        "After one step both corrected averages hold a single gradient, as it is and squared. "
        "Write the step with them, then see what the root makes of the square."
    ),
)

EXERCISES = (_SAFE_NORM, _UNCHANGED_SHARE, _ADAM_FIRST_UPDATE)

"""Exercises of lesson 02: meters that do not lie, and steps that do nothing."""

import math

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
        {"values": _tensor(rng.normal(size=(2, 3)))},
        {"values": _tensor(100 * rng.normal(size=(3, 2, 2)), np.float64)},
    ]


def _float32_extremes(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"values": _tensor([3e-30, 4e-30])},
        {"values": _tensor([3e25, 4e25])},
        {"values": _tensor(1e-30 * _away_from_zero(rng, 2, 3))},
        {"values": _tensor(1e25 * _away_from_zero(rng, 4, 5))},
    ]


def _float64_extremes(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"values": _tensor([3e-200, 4e-200], np.float64)},
        {"values": _tensor([3e200, 4e200], np.float64)},
        {"values": _tensor(1e-200 * _away_from_zero(rng, 2, 3), np.float64)},
        {"values": _tensor(1e200 * _away_from_zero(rng, 4, 5), np.float64)},
    ]


def _away_from_zero(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=shape) * rng.uniform(1, 9, size=shape)


def _root_of_squares(values: Tensor, epsilon: float = 0.0) -> float:
    return (values.pow(2).sum() + epsilon).sqrt().item()


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
    # hypot scales before it squares.
    reference=lambda values: math.hypot(*values.flatten().tolist()),
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
            "A wider type moves the limit, it does not remove it: the square of 1e-200 is 0 in "
            "float64, too. Bring the values to a size that is safe to square.",
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
    ),
)


# 2.2 Did the step change anything?


def _plain_changes(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"before": _tensor([1.0]), "after": _tensor([1.0])},
        {"before": _tensor([1.0, 2.0, 3.0]), "after": _tensor([1.0, 2.5, 3.0])},
    ]
    for rows, columns in ((2, 3), (4, 5)):
        before = _tensor(_away_from_zero(rng, rows, columns))
        after = before.clone()
        after.view(-1)[_picked(rng, before)] += 0.5
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


def _adam_first_update(gradient: Tensor, lr: float, eps: float) -> np.ndarray:
    g = _float64(gradient)
    return -lr * g / (np.abs(g) + eps)


def _without_correction(gradient: Tensor, lr: float, eps: float) -> np.ndarray:
    g = _float64(gradient)
    return -lr * 0.1 * g / (np.sqrt(0.001) * np.abs(g) + eps)


_ADAM_FIRST_UPDATE = Exercise(
    name="adam_first_update",
    number="2.3",
    title="Adam's first step",
    signature="adam_first_update(gradient, lr, eps)",
    parts=(
        Part("ordinary gradients", 1, _ordinary_gradients),
        Part("gradients as small as eps", 2, _tiny_gradients),
    ),
    reference=_adam_first_update,
    misconceptions=(
        Misconception(
            "plain gradient descent",
            lambda gradient, lr, eps: -lr * _float64(gradient),
            "That is a step of plain gradient descent. Adam divides the gradient by its own size "
            "first.",
        ),
        Misconception(
            "eps left out",
            lambda gradient, lr, eps: -lr * np.sign(_float64(gradient)),
            "True for large gradients only: once a gradient is as small as eps, eps shortens the "
            "step. Where does it enter?",
        ),
        Misconception(
            "uphill",
            lambda gradient, lr, eps: -_adam_first_update(gradient, lr, eps),
            "The size is right and the direction is not: the step must lower the loss.",
        ),
        Misconception(
            "eps under the root",
            lambda gradient, lr, eps: (
                -lr * _float64(gradient) / np.sqrt(_float64(gradient) ** 2 + eps)
            ),
            "Here eps acts on the square of the gradient's size. Adam adds it after the root has "
            "been taken.",
        ),
        Misconception(
            "bias correction left out",
            _without_correction,
            "Adam's two averages start at zero, and so both are too small at first. It corrects "
            "each of them before it divides.",
        ),
    ),
)

EXERCISES = (_SAFE_NORM, _UNCHANGED_SHARE, _ADAM_FIRST_UPDATE)

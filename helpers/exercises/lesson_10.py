"""Exercises of lesson 10: a clip that can be trusted, and where it stands in a step."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits


def _tensor(values: np.ndarray | list) -> Tensor:
    """Wrap values rounded to three digits, so that a message can show them."""
    rounded = [three_digits(value) for value in np.ravel(values)]
    return torch.from_numpy(np.array(rounded, dtype=np.float32).reshape(np.shape(values)))


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


def _signed(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=shape) * rng.uniform(1, 9, size=shape)


# 10.1 A clip that is right at any scale, and says when it refuses


def _ordinary_gradients(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"gradient": _tensor([3.0, 4.0]), "max_norm": 1.0},
        {"gradient": _tensor([0.3, -0.4]), "max_norm": 1.0},
        {"gradient": _tensor([0.0, 0.0, 0.0]), "max_norm": 2.0},
        {"gradient": _tensor(_signed(rng, 2, 3)), "max_norm": three_digits(rng.uniform(0.2, 2))},
        {"gradient": _tensor(_signed(rng, 4, 2)), "max_norm": three_digits(rng.uniform(60, 90))},
    ]


def _extreme_gradients(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"gradient": _tensor([3e25, -4e25]), "max_norm": 1.0},
        {"gradient": _tensor(1e25 * _signed(rng, 3, 2)), "max_norm": 2.5},
        {"gradient": _tensor([3e-30, 4e-30]), "max_norm": 1e-30},
        {"gradient": _tensor(1e-28 * _signed(rng, 2, 3)), "max_norm": three_digits(1e-28)},
        {"gradient": _tensor(1e-30 * _signed(rng, 5)), "max_norm": 1.0},
        {"gradient": _tensor([three_digits(rng.uniform(1e30, 9e30)), 0.5]), "max_norm": 1.0},
        # Each entry is within the range of float32, and their norm beyond it.
        {"gradient": _tensor([3e38, -three_digits(rng.uniform(2e38, 3e38))]), "max_norm": 4.0},
    ]


def _bad_gradients(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for bad in (math.inf, -math.inf, math.nan):
        gradient = _tensor(_signed(rng, 2, 3))
        gradient[int(rng.integers(2)), int(rng.integers(3))] = bad
        cases.append({"gradient": gradient, "max_norm": 1.0})
    small = _tensor(0.01 * _signed(rng, 3))
    small[int(rng.integers(3))] = math.nan
    both = torch.tensor([math.inf, math.nan, 1.0])
    return [
        *cases,
        {"gradient": small, "max_norm": 5.0},
        {"gradient": both, "max_norm": 1.0},
        {"gradient": torch.full((2, 2), -math.inf), "max_norm": 2.0},
    ]


_Norm = Callable[[np.ndarray], float]


def _hypot(values: np.ndarray) -> float:
    return math.hypot(*values.ravel().tolist())  # scales before it squares


def _squared_as_they_come(values: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.square(values.astype(np.float32)).sum(dtype=np.float32)))


def _clip_by_norm(
    gradient: Tensor,
    max_norm: float,
    *,
    norm_of: _Norm = _hypot,
    added: float = 0.0,
    always: bool = False,
    least: bool = False,
    by_value: bool = False,
    undone: bool = False,
    power: float = 1.0,
    told: Callable[[float, float], float] = lambda before, after: before,
    refused: Callable[[np.ndarray], float] = lambda values: math.inf,
) -> list[object]:
    """Return gradient and norm, or those of somebody with one thing changed.

    Args:
        gradient: As in the exercise.
        max_norm: As in the exercise.
        norm_of: How the norm is found.
        added: To the norm, before the division.
        always: Whether short gradients are brought to the bound, too.
        least: Whether the bound is a lower one.
        by_value: Whether each entry is cut by itself.
        undone: Whether the gradient is handed back as it came.
        power: Of the ratio of bound and norm.
        told: The norm that is reported, of those before and after.
        refused: What is reported of a gradient that is refused.
    """
    values = _float64(gradient)
    with np.errstate(all="ignore"):
        if not np.isfinite(values).all():
            return [np.zeros_like(values), refused(values)]
        norm = norm_of(values)
        ratio = float(np.float64(max_norm) / np.float64(norm + added)) ** power
        if not always and not math.isnan(ratio):
            ratio = max(1.0, ratio) if least else min(1.0, ratio)
        if norm == 0 and not math.isnan(ratio):
            ratio = 1.0
        after = np.clip(values, -max_norm, max_norm) if by_value else ratio * values
        after = values if undone else after
        return [after, told(norm, _hypot(after) if np.isfinite(after).all() else math.nan)]


_CLIP_BY_NORM = Exercise(
    name="clip_by_norm",
    number="10.1",
    title="A clip that can be trusted",
    signature="clip_by_norm(gradient, max_norm)",
    parts=(
        Part("ordinary gradients", 1, _ordinary_gradients),
        Part("squares beyond float32", 2, _extreme_gradients),
        Part("inf and nan", 2, _bad_gradients),
    ),
    reference=lambda gradient, max_norm: _clip_by_norm(gradient, max_norm),
    misconceptions=(
        Misconception(
            "squared as they come",
            partial(_clip_by_norm, norm_of=_squared_as_they_come),
            "Right until a square leaves the range of float32: that of 1e25 is infinite there, "
            "that of 1e-30 is 0. In which type can you square them?",
        ),
        Misconception(
            "a millionth added to the norm",
            partial(_clip_by_norm, added=1e-6),
            "Something like 1e-6 is added to the norm, as PyTorch does. Beside a norm of 1e-30 it "
            "is all that counts.",
        ),
        Misconception(
            "short gradients made longer",
            partial(_clip_by_norm, always=True),
            "Every gradient comes out with the norm max_norm. One that is short enough must stay "
            "as it is.",
        ),
        Misconception(
            "a lower bound",
            partial(_clip_by_norm, least=True),
            "Long gradients stay as they are and short ones grow: the bound works the wrong way "
            "round. Is it the smaller or the larger of two factors?",
        ),
        Misconception(
            "cut by value",
            partial(_clip_by_norm, by_value=True),
            "Each entry is cut by itself, which turns the gradient. Multiply all of them by one "
            "and the same factor.",
        ),
        Misconception(
            "gradient as it came",
            partial(_clip_by_norm, undone=True),
            "The norm is right, and the gradient comes back as long as it was.",
        ),
        Misconception(
            "root of the factor",
            partial(_clip_by_norm, power=0.5),
            "The factor is the root of what it should be: how much shorter is a vector of which "
            "each entry is halved?",
        ),
        Misconception(
            "square of the factor",
            partial(_clip_by_norm, power=2.0),
            "The factor is the square of what it should be: how much shorter is a vector of which "
            "each entry is halved?",
        ),
        Misconception(
            "norm of the squares",
            partial(_clip_by_norm, norm_of=lambda values: _hypot(values) ** 2),
            "The sum of the squares is taken for the norm: a root is missing.",
        ),
        Misconception(
            "largest entry",
            partial(_clip_by_norm, norm_of=lambda values: float(np.abs(values).max())),
            "The largest entry is taken for the norm. The others count as well.",
        ),
        Misconception(
            "sizes added",
            partial(_clip_by_norm, norm_of=lambda values: math.fsum(np.abs(values).ravel())),
            "The sizes of the entries are added up. An L2 norm adds up squares and takes the root.",
        ),
        Misconception(
            "root of the mean square",
            partial(_clip_by_norm, norm_of=lambda values: _hypot(values) / math.sqrt(values.size)),
            "The root of the mean square is taken for the norm, which takes the root of the sum.",
        ),
        Misconception(
            "norm after clipping",
            partial(_clip_by_norm, told=lambda before, after: after),
            "The gradient is right, and the norm that you report is that after clipping. The one "
            "before tells whether anything was cut.",
        ),
        Misconception(
            "factor reported",
            lambda gradient, max_norm: [
                _clip_by_norm(gradient, max_norm)[0],
                min(1.0, max_norm / (_hypot(_float64(gradient)) or 1.0)),
            ],
            "The gradient is right, and beside it stands the factor. The norm is asked for.",
        ),
        Misconception(
            "bad entries replaced",
            lambda gradient, max_norm: _clip_by_norm(
                torch.where(gradient.isfinite(), gradient, 0.0), max_norm
            ),
            "The bad entries are set to 0 and the others stay. Where one entry overflowed, the "
            "others are not to be trusted: the whole gradient is asked to be 0.",
        ),
        Misconception(
            "gradient alone",
            lambda gradient, max_norm: _clip_by_norm(gradient, max_norm)[0],
            "The gradient is right, and it comes alone. A pair is asked for: beside it stands the "
            "norm that it had before.",
        ),
        Misconception(
            "refusal not told",
            partial(_clip_by_norm, refused=lambda values: 0.0),
            "The gradient is set to 0, and the norm does not say that it was refused: a step is "
            "lost in silence.",
        ),
    ),
    approach=(
        "First ask whether all entries are finite. Then take the norm in float64, where the square "
        "of any float32 fits, and multiply by the smaller of 1 and bound over norm."
    ),
)


# 10.2 The gradient of a step, from micro-batches


def _gradients(rng: np.random.Generator, count: int, width: int) -> list[Tensor]:
    return [_tensor(_signed(rng, width)) for _ in range(count)]


def _equal_sizes(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"gradients": [_tensor([3.0, 4.0])], "sizes": [8], "scale": 1.0, "max_norm": 1.0},
        {
            "gradients": [_tensor([6.0, 0.0]), _tensor([0.0, 8.0])],
            "sizes": [4, 4],
            "scale": 1.0,
            "max_norm": 1.0,
        },
        {
            "gradients": [_tensor([0.6, 0.0]), _tensor([0.0, 0.8])],
            "sizes": [4, 4],
            "scale": 1.0,
            "max_norm": 1.0,
        },
    ]
    for count, bound in ((3, 0.5), (5, 50.0), (4, 1e6)):
        cases.append(
            {
                "gradients": _gradients(rng, count, 3),
                "sizes": [int(rng.integers(4, 33))] * count,
                "scale": 1.0,
                "max_norm": bound,
            }
        )
    return cases


def _unequal_sizes(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for count, bound in ((2, 0.5), (3, 1.5), (4, 60.0), (3, 1e6)):
        sizes = [32] * (count - 1) + [int(rng.integers(1, 12))]  # the last one has what is left
        cases.append(
            {
                "gradients": _gradients(rng, count, 3),
                "sizes": sizes,
                "scale": 1.0,
                "max_norm": bound,
            }
        )
    mixed = [int(size) for size in rng.choice(np.arange(2, 40), size=4, replace=False)]
    cases.append(
        {"gradients": _gradients(rng, 4, 2), "sizes": mixed, "scale": 1.0, "max_norm": 1.0}
    )
    return cases


def _scaled(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    kinds = ((1, 1024.0, 1.0), (2, 128.0, 1.5), (3, 65536.0, 0.5), (2, 64.0, 1e6))
    for count, scale, bound in kinds:
        grown = [scale * gradient for gradient in _gradients(rng, count, 3)]
        sizes = [16] * (count - 1) + [int(rng.integers(3, 12))]
        cases.append({"gradients": grown, "sizes": sizes, "scale": scale, "max_norm": bound})
    short = [256.0 * 0.05 * gradient for gradient in _gradients(rng, 2, 2)]
    cases.append({"gradients": short, "sizes": [8, 3], "scale": 256.0, "max_norm": 4.0})
    return cases


def _shares(sizes: list[int]) -> np.ndarray:
    return np.array(sizes, dtype=float) / sum(sizes)


def _clipped(values: np.ndarray, max_norm: float) -> np.ndarray:
    return values * min(1.0, max_norm / (_hypot(values) or 1.0))


def _accumulated_clip(
    gradients: list[Tensor],
    sizes: list[int],
    scale: float,
    max_norm: float,
    *,
    shares: Callable[[list[int]], np.ndarray] = _shares,
    unscaled: str = "before",
    each: bool = False,
    at_the_end: Callable[[np.ndarray, float], np.ndarray] = _clipped,
    bound: Callable[[float, int], float] = lambda bound, count: bound,
    kept: Callable[[list], list] = list,
) -> np.ndarray:
    """Return the gradient of a step, or that of somebody with one thing changed.

    Args:
        gradients: As in the exercise.
        sizes: As in the exercise.
        scale: As in the exercise.
        max_norm: As in the exercise.
        shares: What each gradient counts for.
        unscaled: When the scale is taken out: ``before`` or ``after`` clipping, or ``never``;
            ``twice``, and ``upside down`` for a multiplication.
        each: Whether each gradient is clipped as it comes.
        at_the_end: How the whole one is clipped.
        bound: What is done to the bound, given how many gradients there are.
        kept: Which of the gradients are used.
    """
    before = {"before": 1 / scale, "twice": 1 / scale**2, "upside down": scale}.get(unscaled, 1.0)
    most = bound(max_norm, len(gradients))
    parts = kept([before * _float64(gradient) for gradient in gradients])
    weights = kept(list(shares(sizes)))
    if each:
        parts = [_clipped(part, most) for part in parts]
    total = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    total = at_the_end(np.asarray(total), most)
    return total / scale if unscaled == "after" else total


def _running(
    gradients: list[Tensor], sizes: list[int], scale: float, max_norm: float
) -> np.ndarray:
    """Clip what has been gathered after every micro-batch, as one does who clips in the loop."""
    total = np.zeros(gradients[0].shape)
    for gradient, share in zip(gradients, _shares(sizes), strict=True):
        total = _clipped(total + share * _float64(gradient) / scale, max_norm)
    return total


def _to_the_bound(values: np.ndarray, max_norm: float) -> np.ndarray:
    return values * max_norm / (_hypot(values) or 1.0)


_ACCUMULATED_CLIP = Exercise(
    name="accumulated_clip",
    number="10.2",
    title="Gather, unscale, clip",
    signature="accumulated_clip(gradients, sizes, scale, max_norm)",
    parts=(
        Part("equal sizes", 1, _equal_sizes),
        Part("unequal sizes", 2, _unequal_sizes),
        Part("a scaled loss", 2, _scaled),
    ),
    reference=lambda gradients, sizes, scale, max_norm: _accumulated_clip(
        gradients, sizes, scale, max_norm
    ),
    misconceptions=(
        Misconception(
            "sum, not mean",
            partial(_accumulated_clip, shares=lambda sizes: np.ones(len(sizes))),
            "The gradients are added up. That of the whole batch is a mean: with twice as many "
            "parts it must not become twice as long.",
        ),
        Misconception(
            "sizes left out",
            partial(_accumulated_clip, shares=lambda sizes: np.ones(len(sizes)) / len(sizes)),
            "Right for equal sizes. A part of few samples must count for less than one of many.",
        ),
        Misconception(
            "weighted by size, not by share",
            partial(_accumulated_clip, shares=lambda sizes: np.array(sizes, dtype=float)),
            "Each part is multiplied by its size, which turns a mean back into a sum. By what does "
            "the sum over all samples have to be divided?",
        ),
        Misconception(
            "divided by the number of parts",
            partial(
                _accumulated_clip,
                shares=lambda sizes: np.array(sizes, dtype=float) / len(sizes),
            ),
            "The sum over all samples is divided by the number of parts. How many samples are in "
            "it?",
        ),
        Misconception(
            "small parts count most",
            partial(
                _accumulated_clip,
                shares=lambda sizes: (1 / np.array(sizes)) / (1 / np.array(sizes)).sum(),
            ),
            "The shares are upside down: the part of the fewest samples counts most.",
        ),
        Misconception(
            "each part clipped",
            partial(_accumulated_clip, each=True, at_the_end=lambda values, bound: values),
            "Each part is clipped by itself. That changes what the long ones count for: the bound "
            "is for the gradient of the whole batch.",
        ),
        Misconception(
            "clipped as it gathers",
            _running,
            "What has been gathered is clipped again at every part, so that the first ones count "
            "for less. Clip once, when all are there.",
        ),
        Misconception(
            "not clipped",
            partial(_accumulated_clip, at_the_end=lambda values, bound: values),
            "The mean is right, and it has not been clipped.",
        ),
        Misconception(
            "short gradients made longer",
            partial(_accumulated_clip, at_the_end=_to_the_bound),
            "Every gradient comes out with the norm max_norm. One that is short enough must stay "
            "as it is.",
        ),
        Misconception(
            "cut by value",
            partial(
                _accumulated_clip, at_the_end=lambda values, bound: np.clip(values, -bound, bound)
            ),
            "Each entry is cut by itself, which turns the gradient. The norm has the bound.",
        ),
        Misconception(
            "clipped before unscaling",
            partial(_accumulated_clip, unscaled="after"),
            "Clipped first and unscaled afterwards, a gradient comes out shorter than the bound by "
            "the scale. Which of the two comes first?",
        ),
        Misconception(
            "scale left in",
            partial(_accumulated_clip, unscaled="never"),
            "The gradients are those of a loss that was multiplied by scale. It has to come out "
            "again.",
        ),
        Misconception(
            "scale multiplied",
            partial(_accumulated_clip, unscaled="upside down"),
            "The scale is multiplied in a second time. It has to come out.",
        ),
        Misconception(
            "scale taken out twice",
            partial(_accumulated_clip, unscaled="twice"),
            "The scale is taken out twice. The loss was multiplied by it once, and so was each "
            "gradient.",
        ),
        Misconception(
            "bound multiplied by the parts",
            partial(_accumulated_clip, bound=lambda bound, count: bound * count),
            "The bound grows with the number of parts. The gradient of the whole batch has one "
            "bound, however it was computed.",
        ),
        Misconception(
            "bound divided by the parts",
            partial(_accumulated_clip, bound=lambda bound, count: bound / count),
            "The bound shrinks with the number of parts. The gradient of the whole batch has one "
            "bound, however it was computed.",
        ),
        Misconception(
            "last part left out",
            partial(_accumulated_clip, kept=lambda parts: parts[:-1] or parts),
            "The last part is left out: a step that is taken too early.",
        ),
        Misconception(
            "first part alone",
            partial(_accumulated_clip, kept=lambda parts: parts[:1]),
            "Only the first part is in it: does your function leave the loop too early?",
        ),
        Misconception(
            "last part alone",
            partial(_accumulated_clip, kept=lambda parts: parts[-1:]),
            "Only the last part is in it: were the others thrown away before they were added?",
        ),
    ),
    atol=1e-7,
    approach=(
        "Three steps, in this order: the mean over all samples, each part counting with its share "
        "of them; the scale taken out; then one clip."
    ),
)

EXERCISES = (_CLIP_BY_NORM, _ACCUMULATED_CLIP)

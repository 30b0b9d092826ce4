"""Exercises of lesson 06: luck, and directions that are kept."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part

# 6.1 The typical network against the mean


def _one_width(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"widths": [10]},
        {"widths": [50] * int(rng.integers(5, 15))},
        {"widths": [int(rng.integers(20, 80))] * 30},
    ]


def _many_widths(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"widths": [10, 1000]},
        {"widths": rng.integers(8, 300, size=4).tolist()},
        {"widths": rng.integers(8, 300, size=12).tolist()},
    ]


def _inverses(widths: Sequence[int]) -> float:
    return sum(1 / width for width in widths)


def _typical_over_mean(
    widths: Sequence[int],
    *,
    share: float = 0.5,
    kurtosis: float = 5.0,
    over: Callable[[Sequence[int]], float] = _inverses,
    of: Callable[[float], float] = math.exp,
) -> float:
    """Return the ratio; the switches stand for what people get wrong."""
    return of(-share * kurtosis * over(widths))


_TYPICAL_OVER_MEAN = Exercise(
    name="typical_over_mean",
    number="6.1",
    title="The typical network against the mean",
    signature="typical_over_mean(widths)",
    parts=(
        Part("one width throughout", 2, _one_width),
        Part("unequal widths", 2, _many_widths),
    ),
    reference=lambda widths: _typical_over_mean(widths),
    misconceptions=(
        Misconception(
            "width averaged",
            partial(_typical_over_mean, over=lambda widths: len(widths) ** 2 / sum(widths)),
            "With unequal widths the narrow layers do most of the harm. Let each layer add its own "
            "share instead of working with an average width.",
        ),
        Misconception(
            "norm, not its square",
            partial(_typical_over_mean, share=0.25),
            "That is the ratio for the norm itself. The squared norm is asked for, and its "
            "logarithm is twice as large.",
        ),
        Misconception(
            "variance for mean",
            partial(_typical_over_mean, share=1.0),
            "The logarithm spreads with variance beta, and its centre lies elsewhere: only half as "
            "far below zero. The median sits at the centre.",
        ),
        Misconception(
            "linear network",
            partial(_typical_over_mean, kurtosis=2.0),
            "That is a linear network, whose layers fluctuate less. ReLU switches units off at "
            "random, and this raises the share of each layer.",
        ),
        Misconception(
            "5 left out",
            partial(_typical_over_mean, kurtosis=1.0),
            "Each layer adds more to beta than one over its width: the number that belongs to ReLU "
            "is missing.",
        ),
        Misconception(
            "turned round",
            partial(_typical_over_mean, share=-0.5),
            "Turned round: a few lucky draws lift the mean, so the typical draw must lie below it.",
        ),
        Misconception(
            "variance for mean, turned round",
            partial(_typical_over_mean, share=-1.0),
            "Two things: half of beta is enough, as the median sits at the centre, and a few lucky "
            "draws lift the mean, so that the typical draw lies below it.",
        ),
        Misconception(
            "sum of the widths",
            partial(_typical_over_mean, over=lambda widths: 1 / sum(widths)),
            "One over the sum of the widths is not the sum of one over each width: let each layer "
            "add its own share.",
        ),
        Misconception(
            "widths on top",
            partial(_typical_over_mean, over=sum),
            "Here wide layers do more harm. A wide layer fluctuates less: on which side of the "
            "fraction line does its width belong?",
        ),
        Misconception(
            "averaged over the layers",
            partial(_typical_over_mean, over=lambda widths: _inverses(widths) / len(widths)),
            "The layers are averaged. Each of them adds fluctuations of its own, so more layers "
            "spread more.",
        ),
        Misconception(
            "first width for all",
            partial(_typical_over_mean, over=lambda widths: len(widths) / widths[0]),
            "The first width is used for all layers. Let each layer add its own share.",
        ),
        Misconception(
            "first layer alone",
            partial(_typical_over_mean, over=lambda widths: 1 / widths[0]),
            "Only the first layer is in it: does your function leave the loop too early?",
        ),
        Misconception(
            "last layer alone",
            partial(_typical_over_mean, over=lambda widths: 1 / widths[-1]),
            "Only the last layer is in it: what has become of the others?",
        ),
        Misconception(
            "last width for all",
            partial(_typical_over_mean, over=lambda widths: len(widths) / widths[-1]),
            "The last width is used for all layers. Let each layer add its own share.",
        ),
        Misconception(
            "narrowest width for all",
            partial(_typical_over_mean, over=lambda widths: len(widths) / min(widths)),
            "The narrowest width is used for all layers. Let each layer add its own share.",
        ),
        Misconception(
            "each width once",
            partial(_typical_over_mean, over=lambda widths: _inverses(sorted(set(widths)))),
            "A width that occurs twice counts once here. Each layer adds its share, also where two "
            "layers are alike.",
        ),
        Misconception(
            "first layer left out",
            partial(_typical_over_mean, over=lambda widths: _inverses(widths[1:])),
            "The first layer is left out. All hidden layers are in the list, and each of them "
            "counts.",
        ),
        Misconception(
            "last layer left out",
            partial(_typical_over_mean, over=lambda widths: _inverses(widths[:-1])),
            "The last layer is left out. All hidden layers are in the list, and each of them "
            "counts.",
        ),
        Misconception(
            "first terms of the series",
            partial(_typical_over_mean, of=lambda exponent: 1 + exponent),
            "That is close to the exponential as long as beta is small. Take the exponential "
            "itself.",
        ),
        Misconception(
            "power of ten",
            partial(_typical_over_mean, of=lambda exponent: 10**exponent),
            "A natural logarithm is undone by exp, not by a power of ten.",
        ),
        Misconception(
            "still a logarithm",
            partial(_typical_over_mean, of=lambda exponent: exponent),
            "That is the logarithm of the ratio. The ratio itself is asked for.",
        ),
    ),
    approach=(
        "Each layer adds a number over its width to beta. The logarithm of s is a bell with that "
        "variance; its centre is where the mean of s is 1. The median is the exponential of the "
        "centre."
    ),
)


# 6.2 From a random matrix to an orthogonal one


def _square(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"matrix": torch.tensor([[3.0, 0.0], [4.0, 5.0]])},
        {"matrix": torch.tensor([[-3.0, 5.0], [4.0, 0.0]])},
        {"matrix": _matrix(rng, 3, 3)},
        {"matrix": _matrix(rng, 5, 5)},
    ]


def _tall(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"matrix": torch.tensor([[3.0], [-4.0]])},
        {"matrix": _matrix(rng, 4, 2)},
        {"matrix": _matrix(rng, 6, 4)},
    ]


def _wide(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"matrix": torch.tensor([[3.0, -4.0]])},
        {"matrix": _matrix(rng, 2, 4)},
        {"matrix": _matrix(rng, 4, 6)},
    ]


def _matrix(rng: np.random.Generator, rows: int, columns: int) -> Tensor:
    """Draw a float32 matrix, two decimals, that float32 can make orthogonal."""
    while True:
        values = np.round(rng.normal(size=(rows, columns)), 2)
        if np.linalg.cond(values) < 10:
            return torch.from_numpy(values.astype(np.float32))


def _by_columns(
    method: Callable[[np.ndarray], np.ndarray],
) -> Callable[[Tensor], np.ndarray]:
    """Apply a method to a tall matrix; a wide one is turned there and back."""

    def answer(matrix: Tensor) -> np.ndarray:
        values = matrix.to(torch.float64).numpy()
        return method(values.T).T if values.shape[0] < values.shape[1] else method(values)

    return answer


def _gram_schmidt(values: np.ndarray) -> np.ndarray:
    q, r = np.linalg.qr(values)
    return q * np.sign(np.diag(r))


def _polar(values: np.ndarray) -> np.ndarray:
    u, _, v = np.linalg.svd(values, full_matrices=False)
    return u @ v


def _gram_schmidt_of(
    values: np.ndarray,
    *,
    original: bool = False,
    neighbour: bool = False,
    length: bool = True,
    backwards: bool = False,
) -> np.ndarray:
    """Take the columns one by one; the switches stand for what people get wrong."""
    found: list[np.ndarray] = []
    given = list(values.T[::-1] if backwards else values.T)
    for place, column in enumerate(given):
        earlier = given[:place] if original else found
        rest = column.copy()
        for other in earlier[-1:] if neighbour else earlier:
            rest -= (column @ other) / (other @ other) * other
        found.append(rest / np.linalg.norm(rest) if length else rest)
    return np.stack(found[::-1] if backwards else found, axis=1)


def _as_it_is(method: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensor], np.ndarray]:
    """Apply a method to any matrix, wide or not."""
    return lambda matrix: method(matrix.to(torch.float64).numpy())


def _rows_first(method: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensor], np.ndarray]:
    """Apply a method to the rows of any matrix."""
    return lambda matrix: method(matrix.to(torch.float64).numpy().T).T


def _signs_of_q(values: np.ndarray) -> np.ndarray:
    q = np.linalg.qr(values)[0]
    return q * np.sign(np.diag(q))


def _rows_turned(matrix: Tensor) -> np.ndarray | None:
    if matrix.shape[0] != matrix.shape[1]:
        return None
    q, r = np.linalg.qr(matrix.to(torch.float64).numpy())
    return q * np.sign(np.diag(r))[:, None]


def _lengths(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=0)


def _triangular(values: np.ndarray) -> np.ndarray:
    r = np.linalg.qr(values)[1]
    return np.sign(np.diag(r))[:, None] * r


def _complete(values: np.ndarray) -> np.ndarray:
    q, r = np.linalg.qr(values, mode="complete")
    signs = np.ones(len(q))
    signs[: r.shape[1]] = np.sign(np.diag(r))
    return q * signs


def _signs_as_they_come(values: np.ndarray) -> np.ndarray:
    return np.linalg.qr(values)[0]


_ORTHOGONAL_LIKE = Exercise(
    name="orthogonal_like",
    number="6.2",
    title="From a random matrix to an orthogonal one",
    signature="orthogonal_like(matrix)",
    parts=(
        Part("square", 2, _square),
        Part("more rows than columns", 1, _tall),
        Part("more columns than rows", 2, _wide),
    ),
    reference=_by_columns(_gram_schmidt),
    misconceptions=(
        Misconception(
            "signs as they come",
            _by_columns(_signs_as_they_come),
            "Orthonormal, but some directions are reversed, since the library's factorisation "
            "may pick either sign. Which of its two factors tells where?",
        ),
        Misconception(
            "lengths only",
            _by_columns(_lengths),
            "Each vector has length one now, and they still overlap. First take from each what the "
            "earlier ones already cover.",
        ),
        Misconception(
            "largest stretch set to one",
            _by_columns(lambda values: values / np.linalg.norm(values, 2)),
            "Now no vector is stretched, but most are still shrunk: one singular value is one and "
            "the others are smaller. All of them must be one.",
        ),
        Misconception(
            "nearest orthogonal matrix",
            _by_columns(_polar),
            "Orthonormal, and the nearest such matrix at that. Asked for is the one in which the "
            "first vector keeps its direction and each next one yields.",
        ),
        Misconception(
            "wide as if tall",
            _as_it_is(_gram_schmidt),
            "More columns than rows cannot all be orthogonal to each other. Then it is the turn of "
            "the rows, and the shape stays as it was.",
        ),
        Misconception(
            "wide as if tall, signs as they come",
            _as_it_is(_signs_as_they_come),
            "Two things: the signs are as the library leaves them, and a matrix with more columns "
            "than rows needs its rows made orthonormal.",
        ),
        Misconception(
            "lengths only, of the columns",
            _as_it_is(_lengths),
            "Two things: the columns have length one and still overlap, and with more columns than "
            "rows it is the turn of the rows.",
        ),
        Misconception(
            "always the rows",
            _rows_first(_gram_schmidt),
            "Here the rows are made orthonormal whatever the shape. As long as there are not more "
            "columns than rows, it is the turn of the columns.",
        ),
        Misconception(
            "always the rows, signs as they come",
            _rows_first(_signs_as_they_come),
            "Two things: the rows are made orthonormal whatever the shape, and the signs are as "
            "the library leaves them.",
        ),
        Misconception(
            "signs of the wrong factor",
            _by_columns(_signs_of_q),
            "The signs are taken from the diagonal of the orthogonal factor. Which directions were "
            "reversed is seen in the other one.",
        ),
        Misconception(
            "signs of the wrong factor, wide as if tall",
            _as_it_is(lambda values: _signs_of_q(values)),
            "Two things: the signs belong to the diagonal of the other factor, and with more "
            "columns than rows it is the turn of the rows.",
        ),
        Misconception(
            "rows turned round",
            _rows_turned,
            "The signs are right, but they turn rows. The vectors that were reversed stand in the "
            "columns.",
        ),
        Misconception(
            "not of length one",
            _by_columns(partial(_gram_schmidt_of, length=False)),
            "The vectors are at right angles, and not of length one yet.",
        ),
        Misconception(
            "shares along the original vectors",
            _by_columns(partial(_gram_schmidt_of, original=True)),
            "The shares are taken along the vectors as they were. Take them along those that are "
            "already orthonormal.",
        ),
        Misconception(
            "only the vector before",
            _by_columns(partial(_gram_schmidt_of, neighbour=True)),
            "Each vector yields to the one just before it only. It has to yield to all earlier "
            "ones.",
        ),
        Misconception(
            "last vector first",
            _by_columns(partial(_gram_schmidt_of, backwards=True)),
            "The last vector keeps its direction here. The first one should, and each next one "
            "yields.",
        ),
        Misconception(
            "triangular factor",
            _by_columns(_triangular),
            "That is the triangular factor, which says how the vectors were combined. The "
            "orthonormal ones stand in the other factor.",
        ),
        Misconception(
            "complete to a square",
            _by_columns(_complete),
            "Vectors were added until they fill a square. There are to be as many as in the "
            "matrix: the shape stays.",
        ),
    ),
    atol=1e-6,
    approach=(
        "Bring one vector after the other to length one, after taking from it its share along each "
        "that is finished. A wide matrix can be turned before and turned back afterwards."
    ),
)


EXERCISES = (_TYPICAL_OVER_MEAN, _ORTHOGONAL_LIKE)

"""Exercises of lesson 03: causes, and what each costs.

Shapes: B batch, N units. Decades are powers of ten of a gradient norm.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits

# 3.1 The ledger of one layer


def _tensor(values: np.ndarray | list) -> Tensor:
    """Wrap values with two decimals, so that a message can show them."""
    return torch.from_numpy(np.round(values, 2).astype(np.float32))


def _layer(rng: np.random.Generator, batch: int, into: int, out: int) -> dict[str, object]:
    """Draw what a backward pass finds at one sigmoid layer."""

    def away_from_zero(*shape: int) -> Tensor:
        return _tensor(rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.3, 1.5, size=shape))

    return {
        "delta": away_from_zero(batch, out),
        "weight": away_from_zero(out, into),
        "z": _tensor(rng.uniform(1.2, 3.0, size=(batch, into)) * rng.choice([-1.0, 1.0])),
    }


def _one_unit(rng: np.random.Generator) -> list[dict[str, object]]:
    simple: dict[str, object] = {
        "delta": _tensor([[1.0]]),
        "weight": _tensor([[2.0]]),
        "z": _tensor([[-1.5]]),
    }
    return [simple, _layer(rng, 1, 1, 1), _layer(rng, 1, 1, 1)]


def _whole_layers(rng: np.random.Generator) -> list[dict[str, object]]:
    sizes = ((1, 2, 2), (1, 3, 2), (2, 2, 3), (3, 4, 4), (4, 5, 3))
    return [_layer(rng, *shape) for shape in sizes]


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    return 1 / (2 + np.exp(z) + np.exp(-z))


def _three_norms(
    delta: Tensor, weight: Tensor, z: Tensor
) -> tuple[float, float, float, np.ndarray]:
    """Norms before the weights, between the two and after the slopes; and the last delta."""
    entering = _float64(delta)
    between = np.einsum("bo,oi->bi", entering, _float64(weight))
    leaving = between * _sigmoid_slope(_float64(z))
    return (*(math.hypot(*signal.ravel()) for signal in (entering, between, leaving)), leaving)


def _decades(*norms: float) -> np.ndarray:
    """Decades lost from each norm to the next."""
    return -np.diff(np.log10(norms))


def _layer_ledger(delta: Tensor, weight: Tensor, z: Tensor) -> np.ndarray:
    return _decades(*_three_norms(delta, weight, z)[:3])


def _by_size(delta: Tensor, weight: Tensor, z: Tensor) -> np.ndarray:
    stretch = np.linalg.norm(_float64(weight), 2)
    return -np.log10([stretch, _sigmoid_slope(_float64(z)).mean()])


def _z_for_its_sigmoid(delta: Tensor, weight: Tensor, z: Tensor) -> np.ndarray:
    entering, between, _, leaving = _three_norms(delta, weight, z)
    values = _float64(z)
    wrong = leaving / _sigmoid_slope(values) * values * (1 - values)
    return _decades(entering, between, math.hypot(*wrong.ravel()))


_LAYER_LEDGER = Exercise(
    name="layer_ledger",
    number="3.1",
    title="The ledger of one layer",
    signature="layer_ledger(delta, weight, z)",
    parts=(Part("one unit", 2, _one_unit), Part("whole layers", 3, _whole_layers)),
    reference=_layer_ledger,
    misconceptions=(
        Misconception(
            "natural logarithm",
            lambda *layer: math.log(10) * _layer_ledger(*layer),
            "Each number is about 2.3 times too large: a decade is a power of ten, so which "
            "logarithm counts decades?",
        ),
        Misconception(
            "gained, not lost",
            lambda *layer: -_layer_ledger(*layer),
            "The sizes are right and the signs are not: what is lost counts as positive here, and "
            "a norm that grows counts as negative.",
        ),
        Misconception(
            "squared norms",
            lambda *layer: 2 * _layer_ledger(*layer),
            "Each number is twice too large: the squares of the norms lose twice as many decades "
            "as the norms themselves, and the ledger keeps the norms.",
        ),
        Misconception(
            "running total",
            lambda *layer: np.cumsum(_layer_ledger(*layer)),
            "The second number still contains what the weights took: the slopes get what the "
            "weights have left over, so measure from there.",
        ),
        Misconception(
            "sizes, not this delta",
            _by_size,
            "The largest stretch of a matrix and the mean of the slopes say what could happen to "
            "some delta. Measure this one, before and after each step.",
        ),
        Misconception(
            "slopes first",
            lambda *layer: _layer_ledger(*layer)[[1, 0]],
            "Both numbers are there, in the other order: on its way back a delta meets the "
            "weights first.",
        ),
        Misconception(
            "z taken for sigmoid(z)",
            _z_for_its_sigmoid,
            "The slope of a sigmoid is short to write in terms of its output, and z is its input.",
        ),
    ),
    rtol=1e-6,
    atol=2e-6,
)


# 3.2 Two changes and their interaction


def _table(values: Sequence[float]) -> dict[str, object]:
    a, b, c, d = (three_digits(value) for value in values)
    return {"lost": [[a, b], [c, d]]}


def _additive_tables(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [_table([10.0, 7.0, 6.0, 3.0])]
    for _ in range(2):
        # Quarters, so that the interaction is 0 without rounding.
        both, first = (int(n) / 4 for n in rng.integers(4, 20, size=2))
        second = first + int(rng.integers(2, 9)) / 4
        cases.append(_table([both + first + second, both + first, both + second, both]))
    return cases


def _any_tables(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [_table([10.0, 4.0, 3.0, 2.0])]
    for _ in range(4):
        alone = rng.uniform(2, 8, size=2)
        start, together = rng.uniform(10, 17), rng.uniform(2, 12)
        cases.append(_table([start, start - alone[0], start - alone[1], start - together]))
    return cases


def _effects(lost: list[list[float]]) -> np.ndarray:
    (neither, second), (first, both) = lost
    saved = [
        statistics.fmean([neither - first, second - both]),
        statistics.fmean([neither - second, first - both]),
        math.fsum([first, second, -neither, -both]),
    ]
    return np.array(saved)


def _alone(lost: list[list[float]]) -> np.ndarray:
    (neither, second), (first, _) = lost
    return np.array([neither - first, neither - second, _effects(lost)[2]])


def _all_together(lost: list[list[float]]) -> np.ndarray:
    return np.array([*_effects(lost)[:2], lost[0][0] - lost[1][1]])


_EFFECTS = Exercise(
    name="effects",
    number="3.2",
    title="Two changes and their interaction",
    signature="effects(lost)",
    parts=(
        Part("changes that add up", 1, _additive_tables),
        Part("changes that do not", 3, _any_tables),
    ),
    reference=_effects,
    misconceptions=(
        Misconception(
            "each alone",
            _alone,
            "Your first two numbers hold while the other change is not made. A main effect is the "
            "mean over both states of the other change.",
        ),
        Misconception(
            "all that both save",
            _all_together,
            "Your third number is everything that both changes save together. How much of it was "
            "to be expected from what each saves alone?",
        ),
        Misconception(
            "interaction halved",
            lambda lost: _effects(lost) * [1, 1, 0.5],
            "The main effects are right and the interaction is half of what is asked for: it is a "
            "difference of two savings, without a mean.",
        ),
        Misconception(
            "interaction with the other sign",
            lambda lost: _effects(lost) * [1, 1, -1],
            "The third number has the wrong sign: two changes that mend the same damage save less "
            "together than their sum, and that counts as negative.",
        ),
        Misconception(
            "rows for columns",
            lambda lost: _effects(lost)[[1, 0, 2]],
            "The first change is made from the upper row to the lower one, the second from the "
            "left column to the right one. Which did you take for which?",
        ),
        Misconception(
            "cost, not saving",
            lambda lost: -_effects(lost),
            "All three signs are reversed: the table holds decades lost, and a change that "
            "brings them down saves a positive number.",
        ),
    ),
    rtol=1e-6,
    atol=2e-6,
)


# 3.3 The first depth at which little is left


def _networks(
    rng: np.random.Generator, factor: float, depths: int, draws: int
) -> list[list[float]]:
    """Draw first-over-last ratios of several networks at each depth from 2 on."""
    rows = []
    for depth in range(2, depths + 2):
        logs = (depth - 1) * math.log10(factor) + rng.uniform(-0.4, 0.4, size=draws)
        rows.append([three_digits(10**log) for log in logs])
    return rows


def _single_networks(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"ratios": [[0.5], [0.25], [0.125]], "share": 0.2}]
    for factor in rng.uniform(0.15, 0.5, size=2):
        ratios = [[three_digits(factor ** (depth - 1))] for depth in range(2, 14)]
        cases.append({"ratios": ratios, "share": 1e-3})
    return [*cases, {"ratios": [[0.9], [1.1], [1.3]], "share": 1e-3}]


def _several_networks(rng: np.random.Generator) -> list[dict[str, object]]:
    # The first depth differs for the typical, the mean, the luckiest and the unluckiest network.
    ratios = [
        [0.5, 0.4, 0.6],
        [0.9, 0.01, 0.7],
        [0.8, 0.06, 0.5],
        [0.2, 0.0005, 0.3],
        [0.06, 0.0005, 0.07],
        [0.04, 0.001, 0.03],
    ]
    cases: list[dict[str, object]] = [{"ratios": ratios, "share": 0.05}]
    for factor in rng.uniform(0.2, 0.5, size=3):
        cases.append({"ratios": _networks(rng, factor, 14, 4), "share": 1e-3})
    return [*cases, {"ratios": _networks(rng, 0.95, 6, 3), "share": 1e-3}]


def _first(below: list[bool]) -> float:
    return below.index(True) + 2 if True in below else math.inf


def _first_depth(ratios: list[list[float]], share: float) -> float:
    return _first([statistics.geometric_mean(row) < share for row in ratios])


def _mean_of_first_depths(ratios: list[list[float]], share: float) -> float:
    columns = zip(*ratios, strict=True)
    return statistics.fmean(_first([ratio < share for ratio in column]) for column in columns)


_FIRST_DEPTH = Exercise(
    name="first_depth",
    number="3.3",
    title="The first depth at which little is left",
    signature="first_depth(ratios, share)",
    parts=(
        Part("one network per depth", 1, _single_networks),
        Part("several networks per depth", 3, _several_networks),
    ),
    reference=_first_depth,
    misconceptions=(
        Misconception(
            "arithmetic mean",
            lambda ratios, share: _first([statistics.fmean(row) < share for row in ratios]),
            "An arithmetic mean of ratios listens to the luckiest network only. Which mean fits "
            "numbers that come from multiplying?",
        ),
        Misconception(
            "place in the list",
            lambda ratios, share: _first_depth(ratios, share) - 2,
            "That is a place in the list, counted from zero. To which depth does the first entry "
            "of the list belong?",
        ),
        Misconception(
            "layers crossed",
            lambda ratios, share: _first_depth(ratios, share) - 1,
            "One too few: you count the steps between the deltas, or the places from one on. "
            "Depth counts the weight matrices.",
        ),
        Misconception(
            "unluckiest network",
            lambda ratios, share: _first([min(row) < share for row in ratios]),
            "One network below the share is an accident of its weights. The question is about the "
            "typical network of that depth.",
        ),
        Misconception(
            "every network",
            lambda ratios, share: _first([max(row) < share for row in ratios]),
            "You wait until every single network is below the share. The question is about the "
            "typical network of that depth.",
        ),
        Misconception(
            "mean of first depths",
            _mean_of_first_depths,
            "First take the mean over the networks of one depth, then look for the first depth; "
            "you did it the other way round.",
        ),
    ),
    rtol=1e-6,
)

EXERCISES = (_LAYER_LEDGER, _EFFECTS, _FIRST_DEPTH)

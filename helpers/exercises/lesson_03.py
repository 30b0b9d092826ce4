"""Exercises of lesson 03: causes, and what each costs.

Shapes: B batch, N units. Decades are powers of ten of a gradient norm.
"""

import math
import operator
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

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


def _size(signal: np.ndarray) -> float:
    return math.hypot(*signal.ravel())


def _mean_of_rows(signal: np.ndarray) -> float:
    return float(np.linalg.norm(signal, axis=1).mean())


def _signals(
    delta: Tensor,
    weight: Tensor,
    z: Tensor,
    *,
    slope: Callable[[np.ndarray], np.ndarray] = _sigmoid_slope,
    through: str = "bo,oi->bi",
    first: bool = False,
) -> list[np.ndarray] | None:
    """Return what enters the weights, what is between the two, and what leaves the slopes."""
    entering, w, here = _float64(delta), _float64(weight), slope(_float64(z))
    try:
        if first:
            between = entering * here
            leaving = np.einsum(through, between, w)
            # What the weights take still comes first in the list.
            return [entering, entering * _size(leaving) / _size(between), leaving]
        between = np.einsum(through, entering, w)
        return [entering, between, between * here]
    except ValueError:
        return None


def _layer_ledger(
    delta: Tensor,
    weight: Tensor,
    z: Tensor,
    *,
    slope: Callable[[np.ndarray], np.ndarray] = _sigmoid_slope,
    through: str = "bo,oi->bi",
    first: bool = False,
    size: Callable[[np.ndarray], float] = _size,
    factor: float = 1.0,
    turned: bool = False,
    total: bool = False,
) -> Any:
    """Return the two losses; the switches stand for what people get wrong."""
    signals = _signals(delta, weight, z, slope=slope, through=through, first=first)
    if signals is None:
        return None
    lost = -factor * np.diff(np.log10([size(signal) for signal in signals]))
    if total:
        lost = np.cumsum(lost)
    return (lost[::-1] if turned else lost).tolist()


def _mean_of_decades(delta: Tensor, weight: Tensor, z: Tensor) -> list[float]:
    rows = [
        _layer_ledger(delta[one : one + 1], weight, z[one : one + 1]) for one in range(len(delta))
    ]
    return np.mean(rows, axis=0).tolist()


def _by_size(delta: Tensor, weight: Tensor, z: Tensor) -> list[float]:
    stretch = np.linalg.norm(_float64(weight), 2)
    return (-np.log10([stretch, _sigmoid_slope(_float64(z)).mean()])).tolist()


def _frobenius(delta: Tensor, weight: Tensor, z: Tensor) -> list[float]:
    return [-math.log10(_size(_float64(weight))), _layer_ledger(delta, weight, z)[1]]


def _stretch(delta: Tensor, weight: Tensor, z: Tensor) -> list[float]:
    stretch = np.linalg.norm(_float64(weight), 2)
    return [-math.log10(stretch), _layer_ledger(delta, weight, z)[1]]


def _mean_slope(delta: Tensor, weight: Tensor, z: Tensor) -> list[float]:
    mean = float(_sigmoid_slope(_float64(z)).mean())
    return [_layer_ledger(delta, weight, z)[0], -math.log10(mean)]


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


_LAYER_LEDGER = Exercise(
    name="layer_ledger",
    number="3.1",
    title="The ledger of one layer",
    signature="layer_ledger(delta, weight, z)",
    parts=(Part("one unit", 2, _one_unit), Part("whole layers", 3, _whole_layers)),
    reference=lambda delta, weight, z: _layer_ledger(delta, weight, z),
    misconceptions=(
        Misconception(
            "natural logarithm",
            partial(_layer_ledger, factor=math.log(10)),
            "Each number is about 2.3 times too large: a decade is a power of ten, so which "
            "logarithm counts decades?",
        ),
        Misconception(
            "gained, not lost",
            partial(_layer_ledger, factor=-1.0),
            "The sizes are right and the signs are not: what is lost counts as positive here, and "
            "a norm that grows counts as negative.",
        ),
        Misconception(
            "squared norms",
            partial(_layer_ledger, factor=2.0),
            "Each number is twice too large: the squares of the norms lose twice as many decades "
            "as the norms themselves, and the ledger keeps the norms.",
        ),
        Misconception(
            "running total",
            partial(_layer_ledger, total=True),
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
            "norm of the weights",
            _frobenius,
            "The first number is made of the norm of the weights. What do they make of this very "
            "delta?",
        ),
        Misconception(
            "largest stretch of the weights",
            _stretch,
            "The first number is the largest stretch that the weights are able to do. What do they "
            "make of this very delta?",
        ),
        Misconception(
            "mean of the slopes",
            _mean_slope,
            "The second number is made of the mean of the slopes. What do the slopes make of this "
            "very delta, entry by entry?",
        ),
        Misconception(
            "slopes first",
            partial(_layer_ledger, turned=True),
            "Both numbers are there, in the other order: on its way back a delta meets the "
            "weights first.",
        ),
        Misconception(
            "slopes before the weights",
            partial(_layer_ledger, first=True),
            "Here the delta passes the slopes before the weights. The slopes belong to the layer "
            "below, so on the way back they come last.",
        ),
        Misconception(
            "weights transposed",
            partial(_layer_ledger, through="bo,io->bi"),
            "The weights are used the way the forward pass uses them. Going back, a delta of the "
            "outputs must turn into one of the inputs.",
        ),
        Misconception(
            "z taken for sigmoid(z)",
            partial(_layer_ledger, slope=lambda z: z * (1 - z)),
            "The slope of a sigmoid is short to write in terms of its output, and z is its input.",
        ),
        Misconception(
            "slope of tanh",
            partial(_layer_ledger, slope=lambda z: 1 - np.tanh(z) ** 2),
            "That is the slope of tanh. The activation of this layer is a sigmoid.",
        ),
        Misconception(
            "formula of tanh's slope",
            partial(_layer_ledger, slope=lambda z: 1 - _sigmoid(z) ** 2),
            "One minus the squared output is the slope of tanh. The activation of this layer is a "
            "sigmoid.",
        ),
        Misconception(
            "sigmoid instead of its slope",
            partial(_layer_ledger, slope=_sigmoid),
            "The delta is multiplied by the output of the sigmoid. On the way back it meets the "
            "slope.",
        ),
        Misconception(
            "mean of the rows' norms",
            partial(_layer_ledger, size=_mean_of_rows),
            "A norm was taken of each row and then the mean. One norm over the whole batch is "
            "asked for.",
        ),
        Misconception(
            "mean of the rows' decades",
            _mean_of_decades,
            "The decades were taken row by row and then averaged. One norm over the whole batch is "
            "asked for.",
        ),
        Misconception(
            "first row alone",
            partial(_layer_ledger, size=lambda signal: _size(signal[:1])),
            "Only the first sample of the batch counts here. The norm is over the whole batch.",
        ),
        Misconception(
            "sizes added, not squares",
            partial(_layer_ledger, size=lambda signal: float(abs(signal).sum())),
            "The sizes of the entries are added up. A norm adds up their squares and takes the "
            "root.",
        ),
        Misconception(
            "largest stretches",
            partial(_layer_ledger, size=lambda signal: float(np.linalg.norm(signal, 2))),
            "The largest stretch of each delta, taken as a matrix, is compared. Take the norm, in "
            "which all entries count.",
        ),
        Misconception(
            "largest entries",
            partial(_layer_ledger, size=lambda signal: float(abs(signal).max())),
            "The largest entries are compared. A norm takes all entries.",
        ),
    ),
    rtol=1e-6,
    atol=2e-6,
    approach=(
        "Work out the delta between weights and slopes, and the one behind the slopes. Take three "
        "norms: each number is the logarithm of a ratio of two that follow each other."
    ),
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
    cases: list[dict[str, object]] = [
        _table([10.0, 4.0, 3.0, 2.0]),
        _table([10.0, 8.0, 7.0, 2.0]),
    ]
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


def _in_presence(lost: list[list[float]]) -> np.ndarray:
    (_, second), (first, both) = lost
    return np.array([second - both, first - both, _effects(lost)[2]])


def _still_lost(lost: list[list[float]]) -> np.ndarray:
    (_, second), (first, both) = lost
    return np.array([(first + both) / 2, (second + both) / 2, _effects(lost)[2]])


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
    reference=lambda lost: _effects(lost).tolist(),
    misconceptions=(
        Misconception(
            "each alone",
            lambda lost: _alone(lost).tolist(),
            "Your first two numbers hold while the other change is not made. A main effect is the "
            "mean over both states of the other change.",
        ),
        Misconception(
            "all that both save",
            lambda lost: _all_together(lost).tolist(),
            "Your third number is everything that both changes save together. How much of it was "
            "to be expected from what each saves alone?",
        ),
        Misconception(
            "interaction halved",
            lambda lost: (_effects(lost) * [1, 1, 0.5]).tolist(),
            "The main effects are right and the interaction is half of what is asked for: it is a "
            "difference of two savings, without a mean.",
        ),
        Misconception(
            "interaction with the other sign",
            lambda lost: (_effects(lost) * [1, 1, -1]).tolist(),
            "The third number has the wrong sign: two changes that mend the same damage save less "
            "together than their sum, and that counts as negative.",
        ),
        Misconception(
            "rows for columns",
            lambda lost: _effects(lost)[[1, 0, 2]].tolist(),
            "The first change is made from the upper row to the lower one, the second from the "
            "left column to the right one. Which did you take for which?",
        ),
        Misconception(
            "cost, not saving",
            lambda lost: (-_effects(lost)).tolist(),
            "All three signs are reversed: the table holds decades lost, and a change that "
            "brings them down saves a positive number.",
        ),
        Misconception(
            "each beside the other",
            lambda lost: _in_presence(lost).tolist(),
            "Your first two numbers hold while the other change is made. A main effect is the "
            "mean over both states of the other change.",
        ),
        Misconception(
            "main effects not halved",
            lambda lost: (_effects(lost) * [2, 2, 1]).tolist(),
            "The main effects are twice too large: each of them is the mean of two savings, not "
            "their sum.",
        ),
        Misconception(
            "second saving alone halved",
            lambda lost: (_alone(lost) + _in_presence(lost) * [0.5, 0.5, 0]).tolist(),
            "Only one of the two savings is divided by 2: mind the brackets around the sum.",
        ),
        Misconception(
            "beyond the main effects",
            lambda lost: [*_effects(lost).tolist()[:2], 0.0],
            "Your third number is always 0: both main effects together are what both changes save. "
            "Compare with what each saves alone.",
        ),
        Misconception(
            "main effects subtracted",
            lambda lost: [
                *_effects(lost).tolist()[:2],
                _effects(lost).tolist()[0] - _effects(lost).tolist()[1],
            ],
            "Your third number is the difference of the two main effects. An interaction is what "
            "both save together beyond what each saves alone.",
        ),
        Misconception(
            "sign of the interaction dropped",
            lambda lost: [*_effects(lost).tolist()[:2], abs(_effects(lost).tolist()[2])],
            "The interaction has lost its sign: changes that mend the same damage save less "
            "together than their sum, and that counts as negative.",
        ),
        Misconception(
            "what is still lost",
            lambda lost: _still_lost(lost).tolist(),
            "Your first two numbers are what is still lost with the change. What it saves is the "
            "difference to the state without it.",
        ),
    ),
    rtol=1e-6,
    atol=2e-6,
    approach=(
        "Write down four differences: what each change saves without the other, and with it. Two "
        "means and one difference of these are the three numbers."
    ),
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
        # None that rounds to the share itself: which side of it a mean lies on would be chance.
        drawn = [three_digits(factor ** (depth - 1)) for depth in range(2, 14)]
        ratios = [[1.01e-3 if ratio == 1e-3 else ratio] for ratio in drawn]
        cases.append({"ratios": ratios, "share": 1e-3})
    never: dict[str, object] = {"ratios": [[0.9], [1.1], [1.3]], "share": 1e-3}
    at_once: dict[str, object] = {"ratios": [[0.01], [0.005]], "share": 0.05}
    return [*cases, never, at_once, _met_exactly(rng, 1)]


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
    # Also for the first and the last network, the median and the harmonic mean.
    apart = [
        [0.5, 0.045, 0.6],
        [0.04, 0.9, 0.8],
        [0.9, 0.8, 0.03],
        [0.9, 0.04, 0.04],
        [0.9, 0.02, 0.06],
        [0.3, 0.02, 0.01],
        [0.06, 0.03, 0.03],
        [0.04, 0.03, 0.01],
    ]
    cases: list[dict[str, object]] = [
        {"ratios": ratios, "share": 0.05},
        {"ratios": apart, "share": 0.05},
        {"ratios": [[0.01, 0.02, 0.04], [0.02, 0.02, 0.04]], "share": 0.05},
    ]
    for factor in rng.uniform(0.2, 0.5, size=3):
        cases.append({"ratios": _networks(rng, factor, 14, 4), "share": 1e-3})
    never: dict[str, object] = {"ratios": _networks(rng, 0.95, 6, 3), "share": 1e-3}
    # It falls below, and rises above again.
    again = _networks(rng, 0.3, 6, 4) + _networks(rng, 0.6, 4, 4)
    return [*cases, never, _met_exactly(rng, 2), {"ratios": again, "share": 1e-2}]


def _met_exactly(rng: np.random.Generator, draws: int) -> dict[str, object]:
    """Draw ratios whose mean is the share, to the last bit, before it falls below."""
    # Powers of two and their inverses: mean and logarithm are exact, whoever takes them.
    powers = [2.0 ** int(n) for n in rng.integers(1, 4, size=int(rng.integers(1, 4)))]
    rows = [[2 * power] * draws for power in sorted(powers, reverse=True)]
    level = [[0.25, 4.0], [1.0, 1.0]] if draws == 2 else [[1.0], [1.0]]
    return {"ratios": [*rows, *level, [0.25] * draws], "share": 1.0}


def _first(below: Sequence[bool]) -> float:
    return below.index(True) + 2 if True in below else math.inf


def _first_depth(
    ratios: list[list[float]],
    share: float,
    *,
    mean: Callable[[list[float]], float] = statistics.geometric_mean,
    below: Callable[[float, float], bool] = operator.lt,
    which: Callable[[list[bool]], float] = _first,
    start: int = 2,
    never: float = math.inf,
    rows: slice = slice(None),
) -> float:
    """Return the depth; the switches stand for what people get wrong."""
    found = which([below(mean(row), share) for row in ratios[rows]])
    return found + start - 2 if math.isfinite(found) else never


def _last(below: list[bool]) -> float:
    return len(below) + 1 - below[::-1].index(True) if True in below else math.inf


def _mean_of_first_depths(ratios: list[list[float]], share: float) -> float:
    columns = zip(*ratios, strict=True)
    return statistics.fmean(_first([ratio < share for ratio in column]) for column in columns)


def _smallest(ratios: list[list[float]], share: float) -> float:
    means = [statistics.geometric_mean(row) for row in ratios]
    return means.index(min(means)) + 2 if min(means) < share else math.inf


def _root_by_depths(ratios: list[list[float]], share: float) -> float:
    return _first([math.prod(row) ** (1 / len(ratios)) < share for row in ratios])


_FIRST_DEPTH = Exercise(
    name="first_depth",
    number="3.3",
    title="The first depth at which little is left",
    signature="first_depth(ratios, share)",
    parts=(
        Part("one network per depth", 1, _single_networks),
        Part("several networks per depth", 3, _several_networks),
    ),
    reference=lambda ratios, share: _first_depth(ratios, share),
    misconceptions=(
        Misconception(
            "arithmetic mean",
            partial(_first_depth, mean=statistics.fmean),
            "An arithmetic mean of ratios listens to the luckiest network only. Which mean fits "
            "numbers that come from multiplying?",
        ),
        Misconception(
            "place in the list",
            partial(_first_depth, start=0),
            "That is a place in the list, counted from zero. To which depth does the first entry "
            "of the list belong?",
        ),
        Misconception(
            "layers crossed",
            partial(_first_depth, start=1),
            "One too few: you count the steps between the deltas, or the places from one on. "
            "Depth counts the weight matrices.",
        ),
        Misconception(
            "one depth too many",
            partial(_first_depth, start=3),
            "One too many: to which depth does the first entry of the list belong?",
        ),
        Misconception(
            "unluckiest network",
            partial(_first_depth, mean=min),
            "One network below the share is an accident of its weights. The question is about the "
            "typical network of that depth.",
        ),
        Misconception(
            "every network",
            partial(_first_depth, mean=max),
            "You wait until every single network is below the share. The question is about the "
            "typical network of that depth.",
        ),
        Misconception(
            "mean of first depths",
            _mean_of_first_depths,
            "First take the mean over the networks of one depth, then look for the first depth; "
            "you did it the other way round.",
        ),
        Misconception(
            "equal counted as below",
            partial(_first_depth, below=operator.le),
            "A mean that is equal to the share is not below it yet: which comparison leaves that "
            "case out?",
        ),
        Misconception(
            "above, not below",
            partial(_first_depth, below=operator.gt),
            "That is the first depth at which more than the share is left: look at the direction "
            "of your comparison.",
        ),
        Misconception(
            "median",
            partial(_first_depth, mean=statistics.median),
            "That is the median of the networks. A geometric mean is a mean of logarithms.",
        ),
        Misconception(
            "harmonic mean",
            partial(_first_depth, mean=statistics.harmonic_mean),
            "That is a harmonic mean, which listens to the unluckiest network. A geometric mean is "
            "a mean of logarithms.",
        ),
        Misconception(
            "first network alone",
            partial(_first_depth, mean=lambda row: row[0]),
            "Only the first network of each depth is looked at. All of them enter the mean.",
        ),
        Misconception(
            "last network alone",
            partial(_first_depth, mean=lambda row: row[-1]),
            "Only the last network of each depth is looked at. All of them enter the mean.",
        ),
        Misconception(
            "product without a root",
            partial(_first_depth, mean=math.prod),
            "The ratios of one depth are multiplied, and the root is missing: a mean of equal "
            "numbers must be that number.",
        ),
        Misconception(
            "square root for any number",
            partial(_first_depth, mean=lambda row: math.sqrt(math.prod(row))),
            "The square root makes a mean of two numbers. Which root do three or four of them "
            "need?",
        ),
        Misconception(
            "two bases mixed",
            partial(
                _first_depth,
                mean=lambda row: statistics.fmean(map(math.log10, row)),
                below=lambda mean, share: mean < math.log(share),
            ),
            "A logarithm to base 10 is compared with a natural one: take the same base for both "
            "sides.",
        ),
        Misconception(
            "last depth",
            partial(_first_depth, which=_last),
            "That is the last such depth. Stop at the first one.",
        ),
        Misconception(
            "smallest mean",
            _smallest,
            "That is the depth with the smallest mean. The first one below the share is asked for, "
            "and there may be none.",
        ),
        Misconception(
            "root by the number of depths",
            _root_by_depths,
            "The root goes by the number of depths. It is a mean over the networks of one depth: "
            "how many are there?",
        ),
        Misconception(
            "depths counted",
            partial(_first_depth, which=lambda below: sum(below) or math.inf, start=2),
            "That is the number of depths at which little is left. The first of them is asked for.",
        ),
        Misconception(
            "never is not a depth",
            partial(_first_depth, never=-1.0),
            "Where there is no such depth, something else comes out than the statement asks for: "
            "infinity, which is larger than each depth.",
        ),
        Misconception(
            "never is zero",
            partial(_first_depth, never=0.0),
            "Where there is no such depth, 0 comes out. The statement asks for infinity, which is "
            "larger than each depth.",
        ),
        Misconception(
            "never is the end of the list",
            lambda ratios, share: min(_first_depth(ratios, share), len(ratios) + 1),
            "Where there is no such depth, the last one comes out. The statement asks for infinity "
            "then.",
        ),
        Misconception(
            "first row alone",
            partial(_first_depth, rows=slice(0, 1)),
            "Your function is done after the first row: does it leave the loop too early?",
        ),
    ),
    rtol=1e-6,
    approach=(
        "Go through the rows in order, with the depth beside each, and stop at the first whose "
        "mean logarithm is below that of the share. What is left to say when none is?"
    ),
)

EXERCISES = (_LAYER_LEDGER, _EFFECTS, _FIRST_DEPTH)

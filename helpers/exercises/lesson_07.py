"""Exercises of lesson 07: what a norm averages over, on the way up and on the way back.

Shapes: B batch, N features.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits


def _rounded(values: np.ndarray | list) -> Tensor:
    """Wrap values rounded to three digits in float32, so that a message can show them."""
    rounded = [three_digits(value) for value in np.ravel(values)]
    return torch.from_numpy(np.array(rounded, dtype=np.float32).reshape(np.shape(values)))


def _float64(tensor: Tensor) -> np.ndarray:
    return tensor.to(torch.float64).numpy()


def _features(rng: np.random.Generator, batch: int, width: int) -> np.ndarray:
    """Draw features with a mean and a spread of their own, none of them constant."""
    centre, scale = rng.uniform(-2, 2, size=width), rng.uniform(0.5, 2, size=width)
    spread = rng.normal(size=(batch, width)) + np.linspace(-1, 1, batch)[:, None]
    return centre + scale * spread


# 7.1 The factor of a layer behind a norm


def _sigmoid(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    output = 1 / (1 + np.exp(-z))
    return output * (1 - output), output


def _relu(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (z > 0).astype(float), np.maximum(z, 0)


def _softplus(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _sigmoid(z)[1], np.log1p(np.exp(z))


def _samples(rng: np.random.Generator, norm: str) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {"slopes": _rounded([0.5, 0.25]), "outputs": _rounded([1.0, 0.5]), "norm": norm}
    ]
    for activation, count in ((_relu, 4), (_sigmoid, 6), (_softplus, 8), (_sigmoid, 20)):
        z = rng.normal(size=count)
        z[:2] = np.sort(np.abs(z[:2])) * [-1, 1]  # both sides of 0
        slopes, outputs = activation(z)
        cases.append({"slopes": _rounded(slopes), "outputs": _rounded(outputs), "norm": norm})
    return cases


_OTHER = {"layer": "batch", "batch": "layer"}


def _mean_square(values: np.ndarray) -> float:
    return float(np.mean(values**2))


def _layer_factor(
    slopes: Tensor,
    outputs: Tensor,
    norm: str,
    *,
    seen: Callable[[str], str] = lambda norm: norm,
    above: Callable[[np.ndarray], float] = _mean_square,
    ddof: int = 0,
    power: float = 0.5,
    below: Callable[[np.ndarray, str], float] | None = None,
    centred: bool = False,
    eps: float = 0.0,
) -> float | None:
    """Return the factor; the switches stand for what people get wrong.

    Args:
        slopes: As in the exercise.
        outputs: As in the exercise.
        norm: As in the exercise.
        seen: Which norm it is taken for.
        above: What is made of the slopes.
        ddof: How many samples fewer the variance divides by.
        power: Of the fraction.
        below: What is made of the outputs.
        centred: Whether the slopes lose their mean too.
        eps: Added below the fraction line.
    """
    values, steep, kind = _float64(outputs), _float64(slopes), seen(norm)
    if centred and kind == "batch":
        steep = steep - steep.mean()
    if below is not None:
        size = below(values, kind)
    elif kind == "batch":
        size = float(((values - values.mean()) ** 2).sum() / (len(values) - ddof))
    else:
        size = _mean_square(values)
    top = above(steep)
    return float((top / (size + eps)) ** power) if size > 0 and top > 0 else None


def _size(values: np.ndarray, norm: str) -> float:
    return _mean_square(values - (values.mean() if norm == "batch" else 0.0))


def _of_means(values: np.ndarray, norm: str) -> float:
    return float(values.mean()) ** 2 if norm == "layer" else _size(values, norm)


def _of_each_sample(slopes: Tensor, outputs: Tensor, norm: str) -> float | None:
    values = _float64(outputs)
    shared = values.mean() if norm == "batch" else 0.0
    if (values == shared).any():
        return None
    return float(np.sqrt(np.mean(_float64(slopes) ** 2 / (values - shared) ** 2)))


_LAYER_FACTOR = Exercise(
    name="layer_factor",
    number="7.1",
    title="The factor of a layer behind a norm",
    signature="layer_factor(slopes, outputs, norm)",
    parts=(
        Part("layer norm", 1, lambda rng: _samples(rng, "layer")),
        Part("batch norm", 2, lambda rng: _samples(rng, "batch")),
    ),
    reference=lambda slopes, outputs, norm: _layer_factor(slopes, outputs, norm),
    misconceptions=(
        Misconception(
            "mean kept for both",
            partial(_layer_factor, seen=lambda norm: "layer"),
            "That is the factor of layer norm. Batch norm also takes away what all inputs of the "
            "batch have in common: what is left of the outputs then?",
        ),
        Misconception(
            "mean removed for both",
            partial(_layer_factor, seen=lambda norm: "batch"),
            "That is the factor of batch norm. Layer norm cannot see what the inputs of a batch "
            "have in common, so it takes none of it away.",
        ),
        Misconception(
            "norms swapped",
            partial(_layer_factor, seen=_OTHER.__getitem__),
            "The two norms have changed places: which of them removes the mean over the batch?",
        ),
        Misconception(
            "factor of the squared norm",
            partial(_layer_factor, power=1.0),
            "That is what happens to the squared norm of delta. The question is about the norm "
            "itself.",
        ),
        Misconception(
            "mean taken before squaring",
            partial(_layer_factor, above=lambda slopes: slopes.mean() ** 2),
            "A mean of slopes is not what counts: each slope scales its own entry of delta, and "
            "the norm adds up squares.",
        ),
        Misconception(
            "slopes not squared",
            partial(_layer_factor, above=lambda slopes: abs(slopes.mean())),
            "The slopes are averaged without a square. Each slope scales its own entry of delta, "
            "and the norm adds up squares.",
        ),
        Misconception(
            "mean taken out of the slopes too",
            partial(_layer_factor, centred=True),
            "The slopes lose their mean as well. Batch norm takes the mean of the outputs away; "
            "the slopes stay as they are.",
        ),
        Misconception(
            "variance of the slopes for both",
            partial(_layer_factor, above=np.var),
            "The slopes lose their mean. They scale a delta as they are: take the mean of their "
            "squares.",
        ),
        Misconception(
            "upside down",
            partial(_layer_factor, power=-0.5),
            "Steep slopes make a gradient larger. Here they make your number smaller.",
        ),
        Misconception(
            "one sample less",
            partial(_layer_factor, ddof=1),
            "Close: this variance divides by one sample less than there are. A norm divides by "
            "the number of samples, and so does an expectation here.",
        ),
        Misconception(
            "squared mean of the outputs",
            partial(_layer_factor, below=_of_means),
            "For layer norm the mean of the outputs is squared. Square each output first, then "
            "take the mean.",
        ),
        Misconception(
            "no root below",
            partial(_layer_factor, below=lambda values, norm: _size(values, norm) ** 2),
            "The root is taken above the fraction line only. It belongs to the whole fraction.",
        ),
        Misconception(
            "no root above",
            partial(_layer_factor, above=lambda slopes: _mean_square(slopes) ** 2),
            "The root is taken below the fraction line only. It belongs to the whole fraction.",
        ),
        Misconception(
            "standard deviation for the variance",
            partial(
                _layer_factor,
                below=lambda values, norm: (
                    values.std() if norm == "batch" else _mean_square(values)
                ),
            ),
            "For batch norm a standard deviation stands where the variance belongs, so one root "
            "too many is taken of it.",
        ),
        Misconception(
            "root taken twice below",
            partial(_layer_factor, below=lambda values, norm: _size(values, norm) ** 0.5),
            "What stands below the fraction line has been under a root twice.",
        ),
        Misconception(
            "outputs left out",
            partial(_layer_factor, below=lambda values, norm: 1.0),
            "Those are the slopes alone. The norm divides by the size of what it receives, and so "
            "does its gradient.",
        ),
        Misconception(
            "slopes left out",
            partial(_layer_factor, above=lambda slopes: 1.0),
            "Only the outputs are in it. On its way back a delta also meets the slopes.",
        ),
        Misconception(
            "constant below the fraction line",
            partial(_layer_factor, eps=0.01),
            "Something is added below the fraction line. The outputs are never all 0 here: leave "
            "it out.",
        ),
        Misconception(
            "mean of the quotients",
            _of_each_sample,
            "The fraction is taken for each sample and then averaged. Take each of the two means "
            "first, then the fraction.",
        ),
    ),
    approach=(
        "Both formulas are a root of a fraction. The mean square of the slopes stands on top; "
        "below, a mean square of the outputs, for batch norm once their mean has gone."
    ),
)


# 7.2 What evaluation mode will use


def _one_batch(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"batches": [_rounded([[1.0], [5.0]])], "momentum": 0.1}]
    for batch, width in ((3, 1), (4, 2), (6, 3)):
        momentum = float(rng.choice([0.05, 0.1, 0.2]))
        cases.append({"batches": [_rounded(_features(rng, batch, width))], "momentum": momentum})
    return cases


def _several_batches(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    for count, batch, width in ((2, 2, 1), (3, 4, 2), (5, 8, 4), (12, 3, 2)):
        batches = [_rounded(_features(rng, batch, width)) for _ in range(count)]
        cases.append({"batches": batches, "momentum": float(rng.choice([0.05, 0.1, 0.2]))})
    return cases


def _variance(values: np.ndarray, ddof: int) -> np.ndarray:
    return ((values - values.mean(axis=0)) ** 2).sum(axis=0) / (len(values) - ddof)


def _running_variance(
    batches: list[Tensor],
    momentum: float,
    *,
    start: float | None = 1.0,
    ddof: int = 1,
    of: Callable[[np.ndarray, int], np.ndarray] = _variance,
    new: Callable[[float], float] = lambda momentum: momentum,
    old: Callable[[float], float] = lambda momentum: 1 - momentum,
    kept: slice = slice(None),
    joined: bool = False,
    root: float = 1.0,
) -> np.ndarray:
    """Return the running variance, or that of somebody with one thing wrong.

    Args:
        batches: As in the exercise.
        momentum: As in the exercise.
        start: What is there first, None for what the first batch gives.
        ddof: How many samples fewer a variance divides by.
        of: What is taken of each batch.
        new: Weight of the newest batch.
        old: Weight of what is there already.
        kept: Which batches count.
        joined: Whether they are joined to one.
        root: Power of the result.
    """
    values = [_float64(batch) for batch in batches[kept]]
    values = [np.concatenate(values)] if joined and values else values
    fresh = [of(one, ddof) for one in values]
    running = fresh.pop(0) if start is None else np.full(batches[0].shape[1], start)
    for one in fresh:
        running = old(momentum) * running + new(momentum) * one
    return running**root


def _over_the_units(batches: list[Tensor], momentum: float) -> np.ndarray | None:
    running: np.ndarray | float = 1.0
    for values in map(_float64, batches):
        if values.shape[1] < 2:
            return None
        running = (1 - momentum) * running + momentum * values.var(axis=1, ddof=1)
    return np.asarray(running)


def _mean_of_batches(batches: list[Tensor], momentum: float) -> np.ndarray:
    return np.mean([_running_variance([batch], 1.0) for batch in batches], axis=0)


def _of_everything(values: np.ndarray, ddof: int) -> np.ndarray:
    return np.full(values.shape[1], values.var(ddof=ddof))


def _swapped(momentum: float) -> float:
    return 1 - momentum


_RUNNING_VARIANCE = Exercise(
    name="running_variance",
    number="7.2",
    title="The variance that evaluation mode will use",
    signature="running_variance(batches, momentum)",
    parts=(Part("one batch", 1, _one_batch), Part("several batches", 2, _several_batches)),
    reference=lambda batches, momentum: _running_variance(batches, momentum),
    misconceptions=(
        Misconception(
            "momentum the other way round",
            partial(_running_variance, new=_swapped, old=lambda momentum: momentum),
            "That is the convention of Keras. In PyTorch, momentum is the weight of the newest "
            "batch, not of what is already there.",
        ),
        Misconception(
            "divided by B",
            partial(_running_variance, ddof=0),
            "Batch norm divides by B when it normalises a batch. What it keeps for later is an "
            "estimate for other data: what does one divide by then?",
        ),
        Misconception(
            "started at zero",
            partial(_running_variance, start=0.0),
            "The newest batch counts as it should, but the start does not: a fresh layer keeps a "
            "variance of 1, so that it does nothing in evaluation mode.",
        ),
        Misconception(
            "started with the first batch",
            partial(_running_variance, start=None),
            "The first batch counts in full here. A fresh layer holds a variance of 1, and each "
            "batch moves it only a little, the first one too.",
        ),
        Misconception(
            "plain mean over the batches",
            _mean_of_batches,
            "Each batch counts the same here, and the start not at all. A running average forgets "
            "slowly: each batch moves it only a little.",
        ),
        Misconception(
            "mean of the batches, once",
            lambda batches, momentum: 1 - momentum + momentum * _mean_of_batches(batches, momentum),
            "The mean of all batches comes in once. Each batch moves the average by itself, one "
            "after the other.",
        ),
        Misconception(
            "last batch alone",
            partial(_running_variance, kept=slice(-1, None)),
            "Only the last batch is in it. Where has the average of the earlier ones gone?",
        ),
        Misconception(
            "first batch alone",
            partial(_running_variance, kept=slice(0, 1)),
            "Only the first batch is in it: does your function leave the loop too early?",
        ),
        Misconception(
            "first batch left out",
            partial(_running_variance, kept=slice(1, None)),
            "The first batch is not in it: all of them count, one after the other.",
        ),
        Misconception(
            "last batch first",
            partial(_running_variance, kept=slice(None, None, -1)),
            "The batches are taken from the end of the list. The newest one counts most, so the "
            "order matters.",
        ),
        Misconception(
            "all batches joined",
            partial(_running_variance, joined=True),
            "All batches are joined into one here. Each of them moves the average by itself, with "
            "the variance about its own mean.",
        ),
        Misconception(
            "plain variance of all batches",
            partial(_running_variance, joined=True, start=None),
            "That is the variance of all samples together. A running average starts at 1, and each "
            "batch moves it only a little.",
        ),
        Misconception(
            "standard deviation",
            partial(_running_variance, of=lambda values, ddof: np.sqrt(_variance(values, ddof))),
            "Standard deviations are averaged. What the layer keeps is a variance.",
        ),
        Misconception(
            "root at the end",
            partial(_running_variance, root=0.5),
            "That is the root of the running variance. The variance itself is asked for.",
        ),
        Misconception(
            "mean of squares",
            partial(
                _running_variance,
                of=lambda values, ddof: (values**2).sum(axis=0) / (len(values) - ddof),
            ),
            "The mean of each unit has not been taken away before squaring.",
        ),
        Misconception(
            "mean of squares, divided by B",
            partial(_running_variance, of=lambda values, ddof: (values**2).mean(axis=0)),
            "The mean of each unit has not been taken away before squaring, and it is divided by "
            "the size of the batch.",
        ),
        Misconception(
            "running mean",
            partial(_running_variance, of=lambda values, ddof: values.mean(axis=0), start=0.0),
            "That is the running mean, which starts at 0. The running variance is asked for.",
        ),
        Misconception(
            "means for variances",
            partial(_running_variance, of=lambda values, ddof: values.mean(axis=0)),
            "The means of the batches are averaged here. The running variance is asked for.",
        ),
        Misconception(
            "one variance over all units",
            partial(_running_variance, of=_of_everything),
            "One variance is taken over all units together. Each unit has its own, over the "
            "samples of the batch.",
        ),
        Misconception(
            "over the units",
            _over_the_units,
            "The variance is taken over the units of one sample. Each unit has its own, over the "
            "samples of the batch.",
        ),
        Misconception(
            "old value does not fade",
            partial(_running_variance, old=lambda momentum: 1.0),
            "Each batch is added and the old value stays in full. What comes in must take the "
            "place of as much as goes out.",
        ),
        Misconception(
            "new value in full",
            partial(_running_variance, new=lambda momentum: 1.0),
            "The newest batch comes in with its full weight. Only the share that momentum names is "
            "replaced.",
        ),
        Misconception(
            "the usual momentum",
            partial(_running_variance, new=lambda momentum: 0.1, old=lambda momentum: 0.9),
            "Right for the usual momentum of 0.1. Your function is given one: does it use it?",
        ),
        Misconception(
            "nothing has moved",
            partial(_running_variance, new=lambda momentum: 0.0, old=lambda momentum: 1.0),
            "That is the variance of a fresh layer. In training mode each batch moves it: has "
            "your layer seen them, in that mode?",
        ),
    ),
    approach=(
        "Start with ones. For each batch in turn take the variance of each unit over the samples, "
        "and let it replace the share that momentum names of what is there."
    ),
)


# 7.3 Batch norm with its gradient


def _one_feature(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [
        {
            "x": _rounded([[1.0], [3.0]]),
            "upstream": _rounded([[1.0], [2.0]]),
            "eps": 1e-5,
        }
    ]
    for batch in (3, 4, 5):
        cases.append(_drawn(rng, batch, 1, 1e-5))
    return cases


def _any_batch(rng: np.random.Generator) -> list[dict[str, object]]:
    sizes = ((3, 3, 1e-5), (4, 3, 0.1), (8, 5, 1e-5), (16, 4, 0.5))
    return [_drawn(rng, batch, width, eps) for batch, width, eps in sizes]


def _drawn(rng: np.random.Generator, batch: int, width: int, eps: float) -> dict[str, object]:
    upstream = 0.5 + rng.normal(size=(batch, width))
    return {"x": _rounded(_features(rng, batch, width)), "upstream": _rounded(upstream), "eps": eps}


_Axis = int | tuple[int, ...]


def _batch_norm(
    x: Tensor,
    upstream: Tensor,
    eps: float,
    *,
    axis: _Axis = 0,
    ddof: int = 0,
    mean_moves: float = 1.0,
    variance_moves: float = 1.0,
    root: float = 0.5,
    used_eps: Callable[[float], float] = lambda eps: eps,
    arriving: Callable[[np.ndarray], np.ndarray] = lambda upstream: upstream,
    back: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.divide,
    summed: bool = False,
    turned: bool = False,
) -> list[np.ndarray]:
    """Return output and gradient, or those of somebody with one thing wrong.

    Args:
        x: As in the exercise.
        upstream: As in the exercise.
        eps: As in the exercise.
        axis: What mean and variance are taken over.
        ddof: How many samples fewer the variance divides by.
        mean_moves: Factor on what comes back through the mean.
        variance_moves: Factor on what comes back through the variance.
        root: Power of the variance that the output is divided by.
        used_eps: What is added to the variance.
        arriving: What is taken for the gradient at the output.
        back: What is done with the scale on the way back.
        summed: Whether sums stand where means belong, on the way back.
        turned: Whether the gradient comes first.
    """
    values, given = _float64(x), arriving(_float64(upstream))
    count = np.prod([values.shape[one] for one in np.atleast_1d(axis)])
    deviations = values - values.mean(axis=axis, keepdims=True)
    spread = (deviations**2).sum(axis=axis, keepdims=True) / max(count - ddof, 1)
    scale = (spread + used_eps(eps)) ** root
    output = deviations / scale
    along = (given * deviations).sum(axis=axis, keepdims=True) / (spread + used_eps(eps))
    shared = 1 if summed else max(count - ddof, 1)
    gradient = given - variance_moves * 2 * root * deviations * along / shared
    total = gradient.sum(axis=axis, keepdims=True)
    gradient = gradient - mean_moves * (total if summed else total / count)
    found = [output, back(gradient, scale)]
    return found[::-1] if turned else found


def _eps_after_root(x: Tensor, upstream: Tensor, eps: float) -> list[np.ndarray]:
    values, arriving = _float64(x), _float64(upstream)
    deviations = values - values.mean(axis=0)
    spread = np.sqrt((deviations**2).mean(axis=0))
    output = deviations / (spread + eps)
    along = (arriving * deviations).mean(axis=0) / spread / (spread + eps)
    gradient = arriving - arriving.mean(axis=0) - deviations * along
    return [output, gradient / (spread + eps)]


_BATCH_NORM_WITH_GRADIENT = Exercise(
    name="batch_norm_with_gradient",
    number="7.3",
    title="Batch norm, output and gradient",
    signature="batch_norm_with_gradient(x, upstream, eps)",
    parts=(Part("one feature", 2, _one_feature), Part("any batch", 3, _any_batch)),
    reference=lambda x, upstream, eps: _batch_norm(x, upstream, eps),
    misconceptions=(
        Misconception(
            "statistics held constant",
            partial(_batch_norm, mean_moves=0.0, variance_moves=0.0),
            "The output is right and the gradient is not: it takes mean and variance for "
            "constants. When one entry of x moves, do they stay where they are?",
        ),
        Misconception(
            "mean held constant",
            partial(_batch_norm, mean_moves=0.0),
            "The gradient knows that the variance depends on x, and forgets that the mean does. "
            "Add a constant to a whole feature: does the output notice?",
        ),
        Misconception(
            "variance held constant",
            partial(_batch_norm, variance_moves=0.0),
            "The gradient knows that the mean depends on x, and forgets that the variance does. "
            "Double a whole feature: does the output notice?",
        ),
        Misconception(
            "variance term added",
            partial(_batch_norm, variance_moves=-1.0),
            "What comes back through the variance has the wrong sign: double a whole feature, and "
            "the output must not notice.",
        ),
        Misconception(
            "mean term added",
            partial(_batch_norm, mean_moves=-1.0),
            "What comes back through the mean has the wrong sign: add a constant to a whole "
            "feature, and the output must not notice.",
        ),
        Misconception(
            "sums for means",
            partial(_batch_norm, summed=True),
            "On the way back there are sums over the batch where means belong: mean and variance "
            "divide by the size of the batch, and so do their gradients.",
        ),
        Misconception(
            "divided by one less",
            partial(_batch_norm, ddof=1),
            "Output and gradient fit together, but the variance divides by one sample less than "
            "the batch has. Which divisor gives outputs whose variance is 1?",
        ),
        Misconception(
            "each sample by itself",
            # One feature by itself is all rounding error after this mistake.
            lambda x, upstream, eps: (
                _batch_norm(x, upstream, eps, axis=1) if x.shape[1] > 1 else None
            ),
            "This is layer norm: it averages over the features of one sample. Batch norm averages "
            "over the samples, for one feature.",
        ),
        Misconception(
            "one mean over everything",
            partial(_batch_norm, axis=(0, 1)),
            "One mean and one variance are taken over the whole tensor. Each feature has its own, "
            "over the samples.",
        ),
        Misconception(
            "eps after the root",
            _eps_after_root,
            "Right as long as eps is tiny. It belongs to the variance, so it enters before the "
            "root is taken.",
        ),
        Misconception(
            "given eps not used",
            partial(_batch_norm, used_eps=lambda eps: 1e-5),
            "Right as long as eps is tiny. It is added to the variance: is the eps that your "
            "function is given used at all?",
        ),
        Misconception(
            "upstream left out",
            partial(_batch_norm, arriving=np.ones_like),
            "The gradient does not depend on upstream: it is that of the sum of all outputs. What "
            "arrives from above comes first in the chain rule.",
        ),
        Misconception(
            "gradient at the output",
            lambda x, upstream, eps: [_batch_norm(x, upstream, eps)[0], _float64(upstream)],
            "The second tensor is what arrives at the output. It still has to go back through the "
            "norm.",
        ),
        Misconception(
            "variance for standard deviation",
            partial(_batch_norm, root=1.0),
            "The deviations are divided by the variance. Divided by its root they have a variance "
            "of 1.",
        ),
        Misconception(
            "multiplied on the way back",
            partial(_batch_norm, back=np.multiply),
            "On the way back the gradient is multiplied by the spread. What divides on the way up "
            "divides on the way back.",
        ),
        Misconception(
            "spread left out on the way back",
            partial(_batch_norm, back=lambda gradient, scale: gradient),
            "On the way back the spread is missing. What divides on the way up divides on the way "
            "back.",
        ),
        Misconception(
            "gradient first",
            partial(_batch_norm, turned=True),
            "Both tensors are right, in the other order: the output comes first.",
        ),
    ),
    atol=1e-5,
    approach=(
        "Let autograd find the gradient and compare yours with it. By hand: from what arrives take "
        "its mean, and its share along the output, then divide by the spread."
    ),
)

EXERCISES = (_LAYER_FACTOR, _RUNNING_VARIANCE, _BATCH_NORM_WITH_GRADIENT)

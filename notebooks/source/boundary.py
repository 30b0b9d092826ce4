# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Experiment · Where does learning end?
#
# Raise a learning rate, and at some point training breaks ([lesson
# 10](../10_exploding_and_clipping.ipynb)). Is that point a number? Here the first and the last
# layer of a tiny network have a rate each, and every cell of the map is one network that trains at
# its two rates. All start from the same weights and see the same few pictures in every step:
# nothing is random but the start. Sohl-Dickstein (2024) found that the boundary is a
# [fractal](https://arxiv.org/abs/2402.06184). Two maps, the second a zoom into the first, take two
# or three minutes of one processor. Every parameter can be set from outside, so zoom where you
# like:
#
# `course run boundary -p first_rate 8.0 -p last_rate 4.2 -p decades 0.4`
#
# and on a GPU as finely as you like: `-p cells 1024 -p at_once 100000 -p device cuda`

# %% tags=["setup"]
import itertools

import numpy as np

from helpers import claims, data, experiment, models, plots, train

plots.use_style()
train.use_one_thread()

# %% tags=["parameters"]
seed = 0
activation = "relu"
initialization = "default"
depth = 2
width = 16
pictures = 16
steps = 200
first_rate = 8.0
last_rate = 4.0
decades = 4.0
zoom = 10.0
cells = 128
at_once = 1024
device = "auto"

# %%
with experiment.validation():
    seed, cells = experiment.read(int, seed=seed), experiment.read(int, cells=cells)
    pictures = experiment.read(int, pictures=pictures)
    at_once = experiment.read(int, at_once=at_once)
    first_rate = experiment.read(float, first_rate=first_rate)
    last_rate = experiment.read(float, last_rate=last_rate)
    decades, zoom = experiment.read(float, decades=decades), experiment.read(float, zoom=zoom)
    shape = {"depth": depth, "width": width, "activation": activation}
    setting = experiment.read(models.Setting, initialization=initialization, **shape)
    options = {"optimizer": "sgd", "steps": steps, "batch_size": pictures}
    recipe = experiment.read(train.Recipe, rate=1.0, **options)
    if cells < 4 or at_once < 1:
        raise ValueError(f"cells must be at least 4, at_once at least 1; got {cells}, {at_once}")
    if not all(0 < value < np.inf for value in (first_rate, last_rate, decades, zoom)):
        raise ValueError("first_rate, last_rate, decades and zoom must be finite and above 0")
    if setting.depth < 2:
        raise ValueError(f"depth must be at least 2 for a first and a last layer, got {depth}")
    device = train.find_device(device)

# %% [markdown]
# ## The networks
#
# Digits, made small: the mean of each 2 by 2 pixels, so 16 inputs. Each step sees all `pictures` of
# them, so training is plain gradient descent on a loss that does not change. `train.fit_many`
# trains whole rows of the map as one batched computation, with a rate for each layer of each
# network; layers in between have the geometric mean of the two rates.


# %%
def small(split, count):
    """The first pictures of a split, at half the resolution."""
    inputs = split.train_inputs[:count].reshape(-1, 4, 2, 4, 2).mean(dim=(2, 4)).flatten(1)
    targets = split.train_targets[:count]
    return data.Split("small digits", inputs, targets, inputs, targets)


with experiment.validation():
    digits = small(data.digits(seed), pictures)


# %%
def trained(first_rates, last_rates):
    """Final accuracy for each pair of rates, nan where the loss overflowed."""
    rates = []
    for last, first in itertools.product(last_rates, first_rates):
        rates.append([first, *[(first * last) ** 0.5] * (setting.depth - 2), last])
    accuracies = []
    for start in range(0, len(rates), at_once):
        part = rates[start : start + at_once]
        runs = train.fit_many(
            [setting] * len(part), digits, recipe, seeds=seed, rates=part, device=device
        )
        accuracies += [np.nan if run.stopped else run.train_accuracy for run in runs]
    return np.reshape(accuracies, (len(last_rates), len(first_rates)))


# %%
def axis(middle, decades):
    """Rates around a middle one, evenly in the logarithm."""
    return middle * np.logspace(-decades / 2, decades / 2, cells)


maps, axes_of = {}, {}
for name, span in train.each([("the map", decades), ("the zoom", decades / zoom)]):
    axes_of[name] = axis(first_rate, span), axis(last_rate, span)
    maps[name] = trained(*axes_of[name])

# %% [markdown]
# ## Three kinds of end, and how rough the border is
#
# A network *learnt* if it gets 90 % of its pictures right, *overflowed* if its loss left float32,
# and else it did *neither*. Lay boxes over the map and count those that hold networks of two kinds.
# With boxes of half the side a smooth line needs twice as many, a fractal of dimension $D$ needs
# $2^D$ times as many, and if the kinds were thrown at random, all boxes would be needed: $D = 2$.


# %%
def kinds(accuracy):
    """For each cell 0 if it learnt, 1 if it did not, 2 if it overflowed."""
    return np.where(np.isnan(accuracy), 2, np.where(accuracy >= 0.9, 0, 1))


def mixed(kind, side):
    """Number of boxes of so many cells a side that hold two kinds."""
    count = len(kind) // side
    boxes = kind[: count * side, : count * side].reshape(count, side, count, side)
    return int((boxes.max(axis=(1, 3)) != boxes.min(axis=(1, 3))).sum())


# %%
def dimension(accuracy):
    """Slope of the number of mixed boxes against their number per side, in logarithms."""
    sides = [side for side in (2, 4, 8, 16) if side <= cells // 2]
    counts = [mixed(kinds(accuracy), side) for side in sides]
    if len(sides) < 2 or min(counts) == 0:
        return np.nan
    return -np.polyfit(np.log(sides), np.log(counts), 1)[0]


dimensions = {name: dimension(accuracy) for name, accuracy in maps.items()}
share = {
    name: np.bincount(kinds(one).ravel(), minlength=3) / one.size for name, one in maps.items()
}

# %%
first, last = axes_of["the zoom"]
edges = {"the zoom": (first[[0, -1, -1, 0, 0]], last[[0, 0, -1, -1, 0]])}
words = {
    "xscale": "log",
    "yscale": "log",
    "xlabel": "rate of the first layer",
    "vmin": 0,
    "vmax": 1,
}
words |= {"ylabel": "rate of the last layer", "label": "accuracy after training (grey: overflow)"}
_, panels = plots.panels(2, share=False)
titles = {
    "the map": f"{decades:g} decades of rates",
    "the zoom": f"The zoom, {zoom:g} times larger",
}
for ax, (name, accuracy) in zip(panels, maps.items(), strict=True):
    first, last = axes_of[name]
    shown = {"lines": edges, "beside": []} if name == "the map" else {"beside": panels}
    plots.heat_map(accuracy, x=first, y=last, ax=ax, title=titles[name], **words, **shown)
plots.show(panels[0])

# %% [markdown]
# **Reading the figure.** Left, the map: yellow learnt, blue did not, grey overflowed, so there are
# two borders. Both fall by a decade per decade, as it is the product of both rates that counts.
# Right, the frame, enlarged. What looked like a ragged line is a brush of threads: networks that
# learnt reach far into those that did not, and between them lie threads of failure. Zoom further
# and there are more.

# %%
print(f"a straight border: D = {dimension(np.tri(cells)):.2f}")

# %% tags=["nbval-ignore-output"]
for name, found in dimensions.items():
    learnt, neither, overflowed = share[name]
    print(f"{name}: {learnt:.0%} learnt, {overflowed:.0%} overflowed, D = {found:.2f}")

# %%
described = setting.activation == "relu" and setting.depth == 2 and cells >= 64 and decades == 4
if described and zoom == 10 and recipe.steps >= 100:
    claims.claim("the map: share that learnt", share["the map"][0], between=(0.2, 0.8), drifts=True)
    claims.claim("that overflowed", share["the map"][2], between=(0.05, 0.5), drifts=True)
    claims.claim("the map: D", dimensions["the map"], between=(1, 1.6), drifts=True)
    claims.claim("the zoom: D", dimensions["the zoom"], between=(1.05, 2), drifts=True)

# %% [markdown]
# The $D$ of this count is modest: most of the border is a line with threads on it. At the other
# border, to overflow, the kinds are mixed cell by cell: try `-p first_rate 10 -p last_rate 125 -p
# decades 0.4`. What ends a training there is not one step that is too long but a sum of lucky and
# unlucky ones, and a tiny change of a rate changes all of them.
#
# ## The results, as data

# %%
experiment.record(
    dimension_of_zoom=dimensions["the zoom"],
    dimension_of_map=dimensions["the map"],
    learnt=share["the map"][0],
    overflowed=share["the map"][2],
    learnt_in_zoom=share["the zoom"][0],
    overflowed_in_zoom=share["the zoom"][2],
)

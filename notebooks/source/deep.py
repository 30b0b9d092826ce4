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
# # Experiment · How deep can a plain network be, and what does its middle learn?
#
# [Lesson 06](../06_edge_of_chaos.ipynb) trains a plain tanh network of 1,000 layers in seconds.
# Here are ten times as many, or a hundred times: no skips, no norm, weights that are random
# rotations. Beside it stand two networks that show what its parts do: one whose middle is frozen,
# and one whose ends are. Every parameter below can be set from outside:
#
# `course run deep -p depth 3000 -p seed 1`
#
# The default is 10,000 layers and takes a few minutes of one processor. `course run
# hundred_thousand_layers` is this notebook at 100,000, and takes more than an hour for its three
# networks and 8 GiB. With `-p state FOLDER` each network is kept in that folder every few steps;
# when you stop it, the same command goes on where it was.

# %% tags=["setup"]
import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from helpers import claims, data, experiment, files, models, plots, theory, train

plots.use_style()
train.use_one_thread()
BATCH = 128

# %% tags=["parameters"]
seed = 0
depth = 10_000
width = 64
gain = None
bias_var = None
hidden_rate = None
end_rate = 0.01
steps = [80, 20, 20]
memory = 2.0
state = ""
least_accuracy = 0.93
device = "auto"

# %%
with experiment.validation():
    seed, steps = experiment.read(int, seed=seed), experiment.read(tuple[int, ...], steps=steps)
    setting = experiment.read(models.Setting, depth=depth, width=width)
    gain = experiment.read(float | None, gain=gain)
    bias_var = experiment.read(float | None, bias_var=bias_var)
    hidden_rate = experiment.read(float | None, hidden_rate=hidden_rate)
    gain = 1 + 0.95 * setting.depth**-0.5 if gain is None else gain
    bias_var = 3.2 * setting.depth**-1.5 if bias_var is None else bias_var
    hidden_rate = 0.01 * setting.depth**-1.0 if hidden_rate is None else hidden_rate
    drawn = {"initialization": "orthogonal", "gain": gain, "bias_var": bias_var}
    setting = dataclasses.replace(setting, **drawn)
    end_rate = experiment.read(float, end_rate=end_rate)
    memory = experiment.read(float, memory=memory)
    least_accuracy = experiment.read(float, least_accuracy=least_accuracy)
    digits, device = data.digits(seed), train.find_device(device)
    folder = Path(experiment.read(str, state=state)).expanduser()
    known = len(steps) == 3 and setting.depth > 2 and (folder.is_absolute() or not state)
    if not known or min(hidden_rate, end_rate, memory, *steps) <= 0:
        raise ValueError("steps, rates, memory must be above 0, depth above 2, state a full path")

# %% [markdown]
# ## The start
#
# A gain, a bias variance and a rate that hold at one depth do not hold at another. Lesson 06 has
# the law: to be as deep in units of $\xi$, gain - 1 must shrink like depth to the power -1/2, the
# bias variance like depth to the power -3/2, and the rate of the hidden layers like 1/depth. Unless
# a parameter says otherwise, that is where this network starts.

# %%
point = theory.fixed_point("tanh", *setting.variances)
pd.Series(
    {
        "depth": f"{setting.depth:,}",
        "gain": f"{setting.gain:.4f}",
        "bias variance": f"{setting.bias_var:.2g}",
        "rate of the hidden layers": f"{hidden_rate:.2g}",
        "chi": f"{point.chi:.6f}",
        "chi^(depth/2)": f"{point.chi ** (setting.depth / 2):.2g}",
    },
    name="start",
).to_frame()

# %% [markdown]
# ## One pass, in segments
#
# For the way back every layer's activations are needed, 32 kB a layer for 128 digits: 3.3 GB at
# 100,000 layers. So the equal layers are cut into about $\sqrt{\text{depth}}$ segments
# (`models.fused`). Each keeps what goes into it; where `memory`, in GiB, has no room for more, it
# computes the rest again when the gradient comes by.
#
# The ends of the segments are also where we look: at the norm of
# [delta](../../docs/glossary.md#delta), relative to that of the last layer, with theory beside it.

# %%
layer_bytes = 4 * BATCH * setting.width
segments = min(math.isqrt(setting.depth), setting.depth - 2)
kept = min(segments, int(segments * memory * 2**30 / (layer_bytes * setting.depth)))


def start():
    """The network as it is drawn: first layer, activation, segments, last layer."""
    net = models.build(setting, digits.features, digits.classes, seed)
    return models.fused(net, segments, kept=kept)


# %%
def deltas(net, inputs, targets):
    """Numbers of the layers at the ends of segments, and their delta norms over the last."""
    layers, ends = [1], [net[:2](inputs)]
    for stack in net[2:-1]:
        layers.append(layers[-1] + len(stack.weight))
        ends.append(stack(ends[-1]))
    logits = net[-1](ends[-1])
    gradients = torch.autograd.grad(cross_entropy(logits, targets), [*ends, logits])
    slopes = [1 - end.detach() ** 2 for end in ends]
    norms = [(s * g).norm().item() for s, g in zip(slopes, gradients, strict=False)]
    return np.array(layers), np.array(norms) / gradients[-1].norm().item()


# %%
inputs, targets = digits.batch(16, seed)
layers, measured = deltas(start(), inputs, targets)
predicted = models.predicted_profile(setting, inputs)
decades_lost = -math.log10(measured[0])
print(f"segments: {segments}, of which {kept} keep all their activations")
print(f"delta, layer 1 over layer {setting.depth:,}: {measured[0]:.2g}, theory {predicted[0]:.2g}")

# %%
ax = plots.curves(
    {"measured": measured},
    {"measured": predicted[layers - 1]},
    x=layers,
    xlabel="layer (1 = nearest the input)",
    ylabel="delta norm, relative to the last layer",
    yscale="log",
    title=f"{setting.depth:,} plain layers, before training",
)
plots.show(ax)

# %% [markdown]
# ## Training, with a frozen twin and its opposite
#
# The first and the last layer learn at an ordinary rate; all the others together turn what passes
# through them by many small steps, so their rate is tiny. Towards the end both are lowered. Each
# layer takes its step of Adam on the way back, as soon as its gradient is there
# (`train.stepping_backward`), so no gradient of the whole network is ever held.
#
# An accuracy says little about the middle: between two layers that learn, a random stack that loses
# nothing already lets digits be read. So the same network is trained three times from the same
# start: as a whole; with its middle frozen, so that only the first and the last layer learn; and
# with these two fixed, so that only the middle does.

# %%
factors = [factor for factor, count in zip((1, 0.3, 0.1), steps, strict=True) for _ in range(count)]


def parts(net, hidden_rate, end_rate):
    """The middle and the ends, each with its rate; what has a rate of 0 stays as it is drawn."""
    middle, ends = net[2:-1], torch.nn.ModuleList([net[0], net[-1]])
    for part, rate in ((middle, hidden_rate), (ends, end_rate)):
        part.requires_grad_(rate > 0)
        if rate > 0:
            yield {"params": part.parameters(), "lr": rate}


# %%
def trained(name, hidden_rate, end_rate):
    """Train from the start, or go on where this was stopped."""
    net = start()
    adam = torch.optim.Adam([*parts(net, hidden_rate, end_rate)], fused=True)
    run = {"steps": sum(steps), "batch_size": BATCH, "rate_factors": factors, "seed": seed}
    kept = {"kept_in": folder / f"{name}.pt"} if state else {}
    with train.stepping_backward(adam):
        return train.fit(net, digits, adam, device=device, **run, **kept)


# %%
if state:
    files.make_folder(folder)
rates = {
    "whole network": (hidden_rate, end_rate),
    "middle frozen": (0, end_rate),
    "ends fixed": (hidden_rate, 0),
}
runs = {name: trained(name, *rates[name]) for name in train.each(rates)}

# %%
losses = {name: run.losses[-5:].mean() for name, run in runs.items()}
accuracies = {name: run.test_accuracy for name, run in runs.items()}
table = pd.DataFrame({"test accuracy": accuracies, "loss of the last five steps": losses})
table.round(3)

# %%
title = f"{setting.depth:,} plain layers, and which part of them learns"
ax = plots.training_curves(runs, chance=np.log(digits.classes), title=title)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The network learns. Its frozen twin learns as well, and in the table it
# may read as many digits as the whole: an accuracy says only which of ten outputs is the largest.
# The loss says by how much, and there the twin stays well above. What lies between the two lines is
# what the middle has learnt. The third line is the middle alone, between two random layers.

# %%
claims.claim("test accuracy", accuracies["whole network"], above=least_accuracy, drifts=True)
ratio = losses["middle frozen"] / losses["whole network"]
claims.claim("loss, frozen twin over whole network", ratio, above=1.5, drifts=True)

# %% [markdown]
# ## What this does not show
#
# That anybody should build such a network: on these digits, three layers do better. It shows that
# depth by itself is no obstacle, and how narrow the way is. The gain may be off by little, the rate
# by a factor of a few, and a weight matrix that is not a rotation loses the pictures (lesson 06
# shows each of these fail at 1,000 layers). The law says how the start follows the depth; its two
# constants were found by trial, at width 64 and on one data set.

# %% [markdown]
# ## The results, as data

# %%
experiment.record(
    test_accuracy=accuracies["whole network"],
    loss=losses["whole network"],
    frozen_accuracy=accuracies["middle frozen"],
    frozen_loss=losses["middle frozen"],
    ends_fixed_accuracy=accuracies["ends fixed"],
    ends_fixed_loss=losses["ends fixed"],
    train_accuracy=runs["whole network"].train_accuracy,
    decades_lost=decades_lost,
    chi=point.chi,
)

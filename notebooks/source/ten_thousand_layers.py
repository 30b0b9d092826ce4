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
# # Experiment · Ten thousand layers
#
# [Lesson 06](../06_edge_of_chaos.ipynb) trains a plain tanh network of 1,000 layers in seconds.
# Here are ten times as many: no skips, no norm, weights that are 10,000 random rotations, and about
# two minutes of one processor. Every parameter below can be set from outside:
#
# `course run ten_thousand_layers -p seed 1`
#
# The same with papermill: `papermill ten_thousand_layers.ipynb out.ipynb -p seed 1`.

# %% tags=["setup"]
import dataclasses

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from helpers import claims, data, experiment, models, plots, probe, theory, train

plots.use_style()
train.use_one_thread()

# %% tags=["parameters"]
seed = 0
depth = 10_000
width = 64
gain = 1.02
bias_var = 2e-5
hidden_rate = 1e-6
end_rate = 0.01
steps = [80, 20, 20]
probed = 16
least_accuracy = 0.93
device = "auto"

# %%
with experiment.validation():
    seed, probed = experiment.read(int, seed=seed), experiment.read(int, probed=probed)
    steps = experiment.read(tuple[int, ...], steps=steps)
    setting = experiment.read(
        models.Setting, depth=depth, width=width, gain=gain, bias_var=bias_var
    )
    setting = dataclasses.replace(setting, initialization="orthogonal")
    hidden_rate = experiment.read(float, hidden_rate=hidden_rate)
    end_rate = experiment.read(float, end_rate=end_rate)
    least_accuracy = experiment.read(float, least_accuracy=least_accuracy)
    digits, device = data.digits(seed), train.find_device(device)
    batch = digits.batch(probed, seed)
    if len(steps) != 3 or min(hidden_rate, end_rate, *steps) <= 0 or setting.depth < 3:
        raise ValueError("steps must be three numbers above 0, the rates too, and depth at least 3")

# %% [markdown]
# ## Before training
#
# Orthogonal weights with a gain of 1.02 stand on the edge of chaos: in theory a layer multiplies
# the squared delta by a $\chi$ so close to 1 that even its ten-thousandth power is an ordinary
# number. We draw the network, and look with the probe.

# %%
net = models.build(setting, digits.features, digits.classes, seed)
flow = probe.record(net, *batch, cross_entropy)
point = theory.fixed_point("tanh", *setting.variances)
print(f"χ = {point.chi:.5f}, χ^(L/2) = {point.chi ** (setting.depth / 2):.2g}")
print(f"delta, layer 1 over layer {setting.depth}: {flow.relative_delta_norms[0]:.2g}")

# %%
line = models.predicted_profile(setting, batch[0])
ax = plots.layer_profile(
    {"measured": flow.relative_delta_norms},
    {"measured": line},
    ylabel="delta norm, relative to the last layer",
    float32_zone=False,
    title=f"{setting.depth:,} plain layers, before training",
)
plots.show(ax)

# %% [markdown]
# ## Training
#
# Two rates: the first and the last layer learn at an ordinary one; all the others together turn
# what passes through them by 10,000 small steps, so their rate must be tiny. Towards the end both
# are lowered. `models.fused` makes one autograd node of all the equal layers.

# %%
fast = models.fused(net)
del net  # the copy has the weights
stack = fast[2]
ends = [*fast[0].parameters(), *fast[-1].parameters()]
groups = [{"params": stack.parameters(), "lr": hidden_rate}, {"params": ends, "lr": end_rate}]
adam = torch.optim.Adam(groups, fused=True)
rates = [group["lr"] for group in adam.param_groups]

runs = []
for part, (count, share) in enumerate(zip(steps, (1.0, 0.3, 0.1), strict=True)):
    for group, rate in zip(adam.param_groups, rates, strict=True):
        group["lr"] = share * rate
    order = 1000 * seed + part
    runs.append(
        train.fit(fast, digits, adam, steps=count, batch_size=128, seed=order, device=device)
    )

# %%
losses = np.concatenate([run.losses for run in runs])
whole = train.History(losses, runs[-1].train_accuracy, runs[-1].test_accuracy)
title = f"{setting.depth:,} plain layers learn"
ax = plots.training_curves({"loss": whole}, chance=np.log(digits.classes), title=title)
plots.show(ax)
claims.claim("test accuracy", whole.test_accuracy, above=least_accuracy, drifts=True)

# %% [markdown]
# ## What this does not show
#
# That anybody should build such a network: on these digits, three layers do better. It shows that
# depth by itself is no obstacle, and how narrow the way is. The gain may be off by about two per
# cent, the rate by a factor of a few, and a weight matrix that is not a rotation loses the pictures
# (lesson 06 shows each of these fail at 1,000 layers).

# %% [markdown]
# ## The results, as data

# %%
experiment.record(
    test_accuracy=whole.test_accuracy,
    train_accuracy=whole.train_accuracy,
    decades_lost=flow.decades_lost,
    chi=point.chi,
)

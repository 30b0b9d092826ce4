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
# # Experiment · Does training find its way across a time lag?
#
# A recurrent network is as deep as its sequence is long, and every step back goes through the same
# weights ([lesson 01](../01_theory.ipynb) has the product of Jacobians). How does the gradient fade
# with the lag in each kind of cell, before any training? And does a cell that starts without a
# gradient still learn what lies far back? Every parameter below can be set from outside:
#
# `course run time_lag -p cell gru -p length 100 -p seed 1`

# %% tags=["setup"]
import math

import numpy as np
import torch
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_
from torch.optim.optimizer import register_optimizer_step_pre_hook

from helpers import claims, data, experiment, models, plots, probe, train

plots.use_style()
train.use_one_thread()

# %% tags=["parameters"]
seed = 0
cell = "lstm"
initialization = "default"
forget_bias = None
length = 50
width = 64
optimizer = "adam"
rate = 0.01
steps = 1200
batch_size = 64
clip = 1.0
device = "auto"

# %%
with experiment.validation():
    seed, length = experiment.read(int, seed=seed), experiment.read(int, length=length)
    forget_bias = experiment.read(float | str | None, forget_bias=forget_bias)
    setting = experiment.read(
        models.RecurrentSetting,
        cell=cell,
        width=width,
        initialization=initialization,
        forget_bias=forget_bias,
        longest=length if forget_bias == "chrono" else None,
    )
    recipe = experiment.read(
        train.Recipe, optimizer=optimizer, rate=rate, steps=steps, batch_size=batch_size
    )
    clip = experiment.read(float, clip=clip)
    adding, device = data.adding(length, seed), train.find_device(device)
    if clip < 0:
        raise ValueError(f"clip must be a norm, or 0 for none, got {clip}")

# %%
others = {
    "rnn": models.RecurrentSetting("rnn", setting.width),
    "rnn, orthogonal": models.RecurrentSetting("rnn", setting.width, "orthogonal"),
    "rnn, identity": models.RecurrentSetting("rnn", setting.width, "identity"),
    "gru": models.RecurrentSetting("gru", setting.width),
    "lstm": models.RecurrentSetting("lstm", setting.width),
    "lstm, chrono": models.RecurrentSetting(
        forget_bias="chrono", longest=length, width=setting.width
    ),
}

# %% [markdown]
# ## The task
#
# The adding problem: a sequence of numbers, two of them marked, one in each half. After the last
# step the network is asked for the sum of the two. The mark in the first half lies at least half
# the sequence back, so without a gradient across the lag there is nothing to learn it from. Who
# always answers 1 has a mean squared error of 1/6.

# %%
print(adding)
guess = mse_loss(torch.ones_like(adding.test_targets), adding.test_targets).item()
claims.claim("error of who always answers 1", guess, about=1 / 6, within=0.1)

# %%
batch = adding.batch(64, seed)
lags = np.arange(length)


def by_lag(net):
    """Gradient norm at the state, over that at the last step, lag 0 first."""
    norms = probe.through_time(net, *batch, mse_loss)[::-1]
    return norms / norms[0]


def per_step(profile):
    """Geometric mean of what one step back does to the norm, as far as float64 reaches."""
    last = np.flatnonzero(profile > 0)[-1]
    return profile[last] ** (1 / last)


def decades_lost(profile):
    """How far the norm falls over the whole lag; infinite if nothing is left."""
    return -math.log10(profile[-1]) if profile[-1] > 0 else math.inf


# %% [markdown]
# ## Before training
#
# What is measured is the gradient of the loss at the state after each step (for an LSTM at its two
# states together), in float64. The dashed lines are theory for a wide cell
# (`models.predicted_through_time`), made from the setting alone:
#
# * **rnn**: a tanh network of tied layers, $\sqrt\chi$ a step. With PyTorch's default weights that
#   is hardly more than $\sqrt{1/3}=0.577$, and less where tanh bends.
# * **rnn, identity** (ReLU): a unit is on and lets all through, or off and lets nothing through;
#   half of them are off.
# * **lstm, gru**: a share $f$ of the state is kept at each step, and a share goes through the
#   recurrent weights. A path over $k$ steps may do the second at any $j$ of them, and in a wide
#   cell paths of different $j$ are perpendicular: the squared norm is
#   $\sum_j\left[\binom{k}{j}f^{\,k-j}s^{\,j}\right]^2$, with $s=\frac14\sqrt{1/3}$ for small states
#   in the default LSTM and GRU.
# * **lstm, chrono**: the gates that keep the state, multiplied along the way, and nothing else.

# %%
measured = {name: by_lag(models.build_recurrent(one, 2, 1, seed)) for name, one in others.items()}
lines = {name: models.predicted_through_time(one, batch[0])[::-1] for name, one in others.items()}
ax = plots.curves(
    measured,
    lines,
    x=lags,
    yscale="log",
    xlabel="time lag (steps back from the last)",
    ylabel="gradient norm at the state, relative",
    title=f"Six cells of {setting.width} units before training",
)
plots.show(ax)

# %%
margin = 0.1 + 0.8 / np.sqrt(setting.width)  # a narrow cell has its own rate
for name, profile in measured.items():
    claims.claim(
        f"{name}, factor a step", per_step(profile), about=per_step(lines[name]), within=margin
    )
claims.claim("theory of rnn, a step", per_step(lines["rnn"]), about=np.sqrt(1 / 3), within=0.1)
if length >= 10:  # at a shorter lag there is little to compare
    default, gates = measured["lstm"][-1], 0.5 ** (length - 1)
    saved = measured["lstm, chrono"][-1] / max(default, 1e-300)
    claims.claim("gradient of the chrono LSTM over the default one", saved, above=3)
    claims.claim("the default one over its forget gates alone", default / gates, above=1.5)
    like = math.log(per_step(measured["lstm"])) / math.log(per_step(measured["rnn"]))
    claims.claim("decades lost, the default LSTM over the rnn", like, between=(0.5, 1.5))

# %% [markdown]
# A gate does not help by being there. As PyTorch starts it, the LSTM forgets half of its cell at
# each step, and its gradient fades almost as fast as that of the plain cell. It fades more slowly
# than the product of its forget gates alone: each step has a second path, through the weights, and
# there are many orders in which the two can be mixed. With a forget bias chosen for the lag (Tallec
# and Ollivier 2018) hardly anything but the straight path is left, and it is open.

# %% [markdown]
# ## Training
#
# The cell of the parameters learns, with gradients cut to the norm `clip` (0 for no
# cut).

# %%
net = models.build_recurrent(setting, adding.features, adding.classes, seed)
before, line = by_lag(net), models.predicted_through_time(setting, batch[0])[::-1]


def cut(*_):
    """Cut the gradients just before a step."""
    if clip:
        clip_grad_norm_(net.parameters(), clip)


# %%
hook = register_optimizer_step_pre_hook(cut)
history = train.fit(net, adding, recipe, seed=seed, loss_fn=mse_loss, device=device)
hook.remove()

# %%
with torch.no_grad():
    test_loss = mse_loss(net(adding.test_inputs), adding.test_targets).item()
solved = test_loss < 0.01
verdict = "solved" if solved else "not solved"
print(f"{setting}, lag {length}, {recipe.steps} steps: {verdict} (test error below 0.01)")

# %%
ax = plots.training_curves({str(setting): history}, chance=1 / 6, title=f"Adding: {verdict}")
ax.set(ylabel="mean squared error of the batch", ylim=(0, 0.5))
plots.show(ax)

# %% [markdown]
# ## After training
#
# The same measurement on the trained network. The gradient of a network that has solved the task
# no longer says what can be learnt, but where its answer comes from: it must reach the first half.

# %%
after = by_lag(net)
ax = plots.curves(
    {"before training": before, "after training": after},
    {"before training": line},
    x=lags,
    yscale="log",
    xlabel="time lag (steps back from the last)",
    ylabel="gradient norm at the state, relative",
    title=f"{setting}: {verdict}",
)
plots.show(ax)

# %%
claims.claim("before, factor a step", per_step(before), about=per_step(line), within=margin)
if solved:
    claims.claim("the gradient reaches the far end", after[-1], above=1e-3, drifts=True)

# %% [markdown]
# ## What this does not show
#
# That the gradient at the start decides. Run it with `-p cell gru -p length 100`, and again with
# `-p cell rnn -p initialization orthogonal -p length 100 -p rate 0.003`: the first begins with
# nothing at the far end and tends to solve the task, the second begins with most of its gradient
# and tends not to. A likely reason: a gradient that is lost over a long lag is still there over a
# short one. What a gated cell learns there, to keep its state, opens the way further back. An
# ungated cell has no such handle, and a gradient that arrives does not yet tell the marked step
# from the others.
#
# At one learning rate, one optimiser and a few seeds this is an observation and not a law. Change
# `rate`, `length`, `forget_bias` and `seed`, and look again.

# %% [markdown]
# ## The results, as data

# %%
experiment.record(
    test_loss=test_loss,
    test_accuracy=history.test_accuracy,
    solved=solved,
    decades_lost=decades_lost(before),
    decades_lost_after=decades_lost(after),
    norm_factor=per_step(before),
    norm_factor_theory=per_step(line),
)

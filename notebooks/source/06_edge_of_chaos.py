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
# # 06 · Can initialisation alone do it?
#
# You need [05](05_initialization.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * name two things that the right variance does not mend: bad luck in a narrow network, and
#   directions that die;
# * train a plain network of 1,000 tanh layers, no skips and no norm, to above 0.95 in seconds, and
#   explain why its neighbours fail.

# %% tags=["setup"]
import time

import numpy as np
import torch

from helpers import (
    claims,
    data,
    exercises,
    models,
    plots,
    probe,
    progress,
    theory,
    train,
)

plots.use_style()
train.use_one_thread()
claims.published("06", seed=0, depth=1000, draws=1000, map_steps=300)

# %% tags=["parameters"]
seed = 0
depth = 1000
draws = 1000
map_steps = 300

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(64, seed)
loss_fn = torch.nn.functional.cross_entropy

# %% [markdown]
# ## Stable on average, not in your network
#
# Article 002 says that Xavier and He "maintain stable gradients". But chi is an average over
# networks. In one narrow network each layer multiplies the squared norm by a random number near 1,
# and a product of random numbers drifts. For ReLU, He's weights and hidden widths $n_l$, the share
# $s$ of the squared gradient norm that gets through follows
#
# $$\log s \sim N(-\beta/2,\ \beta), \qquad \beta = 5\sum_l 1/n_l$$
#
# (Hanin and Nica). The mean of $s$ is 1, always. Its median is $e^{-\beta/2}$.
#
# **Predict.** Width 50, 20 layers: which share $s$ does the *typical* network keep?

# %%
guess = None
prediction = claims.predict("Share kept by the typical network?", guess)


# %%
def log_shares(layers, width=50):
    """Log of the share of the squared gradient norm kept, in many ReLU networks, He's weights."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(layers, draws, width, width, generator=generator) * (2 / width) ** 0.5
    h, delta = torch.randn(2, draws, width, 1, generator=generator)
    before, masks = delta.norm(dim=(1, 2)), []
    for weight in weights:
        h = (weight @ h).relu()
        masks.append(h > 0)
    for weight, mask in zip(weights.flip(0), masks[::-1], strict=True):
        delta = weight.mT @ (delta * mask)
    return 2 * (delta.norm(dim=(1, 2)) / before).double().log().numpy()


logs = {f"{layers} layers": log_shares(layers) for layers in (5, 20)}
kept = np.exp(logs["20 layers"])
prediction.compare(np.median(kept))

# %%
edges, grid = np.linspace(-7, 3, 26), np.linspace(-7, 3, 201)
found = {name: np.histogram(log, edges, density=True)[0] for name, log in logs.items()}
bells = {
    name: (grid, np.exp(-((grid + beta / 2) ** 2) / (2 * beta)) / np.sqrt(2 * np.pi * beta))
    for name, beta in zip(logs, (0.5, 2.0), strict=True)
}
xlabel, title = "log of the share of the squared norm (0: all is kept)", "Mean 1, typically less"
x = (edges[1:] + edges[:-1]) / 2
ax = plots.curves(found, bells, x=x, xlabel=xlabel, ylabel="density", title=title)
plots.show(ax)
claims.claim("20 layers: mean of log s", logs["20 layers"].mean(), about=-1, within=0.2)
claims.claim("20 layers: variance of log s", logs["20 layers"].var(), about=2, within=0.25)
claims.claim("20 layers: mean of s", kept.mean(), between=(0.7, 1.4))
claims.claim("20 layers: median of s", np.median(kept), about=np.exp(-1), within=0.2)

# %% [markdown]
# **Reading the figure.** Both bells have mean $s=1$ and sit left of 0: a few lucky networks pay for
# the rest. "Stable" is true of the mean, at the start; the typical network of 20 layers keeps 0.37.
#
# ### Exercise 6.1 - typical_over_mean (4 points)
#
# Write `typical_over_mean(widths)`: the median of $s$ over its mean, for a ReLU network with He's
# weights whose hidden layers have the `widths` in the list. One width throughout earns 2 points,
# unequal widths 2.
#
# <details><summary>Hint</summary>A median moves along with any rising function, so the median of
# log s tells that of s. Which layers contribute most to the sum?</details>


# %% tags=["exercise"]
def typical_over_mean(widths: list) -> float:
    """Median over mean of the squared gradient norm, ReLU with He's weights."""
    ### BEGIN SOLUTION
    beta = 5 * sum(1 / width for width in widths)
    return float(np.exp(-beta / 2))
    ### END SOLUTION


# %% tags=["check"]
exercises.check(typical_over_mean)

# %% [markdown] tags=["solution"]
# The median of a bell is its centre, and the exponential function carries it to the median of s;
# the mean is 1. Layers add their 1/n, so one narrow layer outweighs many wide ones.

# %% [markdown]
# ## One number, or sixty-four
#
# A norm is one number. The Jacobian of 40 layers of width 64 has 64 singular values $s_k$, one for
# each direction, and chi looks after the mean of their squares only. Of the $k$-th direction, a
# Gaussian layer keeps what lies outside the $k-1$ directions before it: $N-k+1$ dimensions of $N$.
# An **orthogonal** matrix is a rotation and keeps every length. For $L$ linear layers
#
# $$s_k \approx \Big(\frac{N-k+1}{N}\Big)^{L/2} \text{ (Gaussian)}, \qquad
# s_k = 1 \text{ (orthogonal)}.$$
#
# **Predict.** Gaussian, mean square 1, 40 linear layers: how large is the *middle* one, $s_{32}$?

# %%
guess = None
prediction = claims.predict("The middle one of 64?", guess)


# %%
def stretches(name, activation, gain):
    """Singular values of 40 layers of width 64 at a digit; geometric mean of 5 draws."""
    setting = models.Setting(42, 64, activation, name, gain=gain, bias_var=0.0)
    logs = []
    for k in range(5):
        net = models.build(setting, 64, 10, 5 * seed + k).double()
        z = net[:2](digits.train_inputs[k].double())
        jacobian = torch.autograd.functional.jacobian(net[2:-1], z)
        logs.append(torch.linalg.svdvals(jacobian).log())
    return torch.stack(logs).mean(dim=0).exp().numpy()


values = {}
for phi, gain in (("linear", 1.0), ("tanh", 1.02)):
    for label, name in (("Gaussian", "lecun"), ("orthogonal", "orthogonal")):
        values[f"{label}, {phi}"] = stretches(name, phi, gain)
prediction.compare(values["Gaussian, linear"][31])

# %%
k = np.arange(1, 65)
lines = {"Gaussian, linear": ((65 - k) / 64) ** 20, "orthogonal, linear": np.ones(64)}
words = {"xlabel": "direction k, most stretched first", "ylabel": "singular value"}
title = "What 40 layers do to each of 64 directions"
ax = plots.curves(values, lines, x=k, yscale="log", title=title, **words)
ax.set_ylim(1e-10, 1e2)
plots.show(ax)
gauss, flat, bent, kept = values.values()
claims.claim("Gaussian: the middle one", gauss[31], about=(33 / 64) ** 20, factor=3)
claims.claim("Gaussian: the largest", gauss[0], between=(3, 12))
claims.claim("orthogonal: all within 0.0001 of 1", np.abs(flat - 1).max() < 1e-4)
claims.claim("Gaussian, tanh: largest over middle", bent[0] / bent[31], above=1e5)
claims.claim("orthogonal, tanh: largest over middle", kept[0] / kept[31], below=4)

# %% [markdown]
# **Reading the figure.** Gaussian weights keep the mean square by stretching a few directions and
# losing the rest: the middle one is down to a millionth. Pictures that differ along a lost
# direction become one picture. Only at the top is the line wrong; it holds for depths far beyond
# the width. Orthogonal weights lose nothing, and tanh adds little. ReLU has no such start, since it
# deletes about half of the directions in every layer.
#
# ### Exercise 6.2 - orthogonal_like (5 points)
#
# Write `orthogonal_like(matrix)`: make the columns of a float matrix orthonormal in the manner of
# Gram and Schmidt (the first keeps its direction, each next one loses its share along those
# before it). If there are more columns than rows, do it to the rows. The shape stays. Square earns
# 2 points, tall 1, wide 2.
#
# <details><summary>Hint</summary><code>torch.linalg.qr</code> does nearly this, up to the sign of
# each column. A column that was turned round has a negative number on the diagonal of the other
# factor.</details>


# %% tags=["exercise"]
def orthogonal_like(matrix: torch.Tensor) -> torch.Tensor:
    """Orthonormal columns, or rows if there are fewer of them, as by Gram and Schmidt."""
    ### BEGIN SOLUTION
    if matrix.shape[0] < matrix.shape[1]:
        return orthogonal_like(matrix.T).T
    q, r = torch.linalg.qr(matrix)
    return q * r.diagonal().sign()
    ### END SOLUTION


# %% tags=["check"]
exercises.check(orthogonal_like)

# %% [markdown] tags=["solution"]
# Applied to a Gaussian matrix this is `nn.init.orthogonal_`. Without the signs the library's habit
# would decide where each column points, and not all rotations would be equally likely.

# %% [markdown]
# ## The map from order to chaos
#
# How deep can one go, at which variance? With chi below 1 (**order**) gradients vanish and all
# pictures become alike; above 1 (**chaos**) gradients explode and like pictures part. In $L$ layers
# the delta norm changes by $\chi^{L/2}$, so depth counts in units of $\xi = 1/|\log\chi|$:
# Schoenholz et al. found training to end near $6\,\xi$ in the ordered phase. Here is the map for
# tanh, with their bias variance of 0.05, at width 32 and a learning rate of $0.01/L$.
# `train.fit_many` trains a whole row as one batched computation. Colours show the *training*
# accuracy: the question is what can be trained.
#
# **Predict.** Xavier means $\sigma_w^2=1$. With these biases, how many layers is $\xi$ there?

# %%
guess = None
prediction = claims.predict("xi?", guess)

# %%
depths, variances = (5, 10, 20, 40, 80), (0.5, 1, 1.25, 1.5, 1.76, 2, 2.5, 3, 4, 6)
prediction.compare(-1 / np.log(theory.fixed_point("tanh", 1.0, 0.05).chi))


def row(name, layers):
    """Training and test accuracy at each weight variance."""
    gains = np.sqrt(variances).tolist()
    starts = [models.Setting(layers, 32, "tanh", name, gain=g, bias_var=0.05) for g in gains]
    recipe = train.Recipe("adam", rate=0.01 / layers, steps=map_steps)
    runs = train.fit_many(starts, digits, recipe, seeds=seed)
    return [(run.train_accuracy, run.test_accuracy) for run in runs]


names = {"Gaussian": "lecun", "orthogonal": "orthogonal"}
maps = {key: np.array([row(name, n) for n in train.each(depths)]) for key, name in names.items()}

# %%
grid = np.geomspace(0.45, 6.7, 120)
decades = np.abs(np.log10([theory.fixed_point("tanh", v, 0.05).chi for v in grid])) / 2  # a layer
lines = {name: (grid, n / decades) for name, n in (("1 decade", 1), ("4 decades", 4))}
axis = {"x": variances, "y": depths, "xscale": "log", "yscale": "log", "vmin": 0.1, "vmax": 1.0}
words = {"xlabel": "weight variance", "ylabel": "depth", "label": "training accuracy"}
figure, axes = plots.panels(2)
figure.set_size_inches(10, 4.4)
for ax, (name, found) in zip(axes, maps.items(), strict=True):
    plots.heat_map(found[..., 0], **axis, **words, lines=lines, title=name, ax=ax)
plots.show(axes[0])
cost = np.outer(depths, np.interp(variances, grid, decades))  # decades, for each cell
for name, found in maps.items():
    low, high = found[:4, :, 0][cost[:4] < 1].min(), found[..., 0][cost > 4].max()
    claims.claim(f"{name}, to depth 40, under 1 decade: worst", low, above=0.6, drifts=True)
    claims.claim(f"{name}, over 4 decades: best", high, below=0.4, drifts=True)
    best = (0, 0.75) if name == "Gaussian" else (0.85, 1)
    claims.claim(f"{name}, depth 80: best", found[-1, :, 0].max(), between=best, drifts=True)
claims.claim("chaos: training minus test", found[2, 8, 0] - found[2, 8, 1], above=0.3, drifts=True)

# %% [markdown]
# **Reading the figure.** The theory knows nothing of digits, of Adam or of width 32. Yet below its
# lower line, less than one decade of gradient, nearly everything trains; beyond the upper one,
# nothing. It fails at the peak: on the critical line $\xi$ is endless, but at depth 80 the
# Gaussian networks fade and the orthogonal ones do not. Those are the lost directions, which chi
# cannot see. Nor does it say what is learnt: in chaos (variance 4, depth 20) training
# accuracy is far above test accuracy. And this is one recipe; more steps raise the peak
# ([the fine map](experiments/phase_diagram.ipynb)).
#
# ## A thousand layers
#
# Everything is in place. Gain 1.02 with a trace of bias gives tanh $\chi=0.9996$; orthogonal
# weights leave nothing to luck. `nn.Linear` and `nn.Tanh` a thousand times, no skips, no norm
# (`models.fused` computes the same as one autograd node, twice as fast). What remains is the
# learning rate. A thousand layers that each take a usual step move the output a thousand times too
# far, so a hidden layer gets $0.01/L$, and the two ends, which stand alone, Adam's usual 0.001.
#
# Beside it stand four neighbours: Gaussian weights of the same gain, Xavier, gains 0.95 and 1.2.
#
# **Predict.** The differences between 64 digits spread over a dozen directions of pixel space. Over
# how many do they spread after 1,000 layers of Xavier?

# %%
guess = None
prediction = claims.predict("Directions after 1,000 layers of Xavier?", guess)

# %%
starts = {
    "orthogonal, 1.02": ("orthogonal", 1.02, 2e-5),
    "Gaussian, 1.02": ("lecun", 1.02, 2e-5),
    "Xavier": ("xavier", 1.0, 0.0),
    "orthogonal, 0.95": ("orthogonal", 0.95, 2e-5),
    "orthogonal, 1.2": ("orthogonal", 1.2, 2e-5),
}
settings = {
    name: models.Setting(depth, 64, "tanh", rule, gain=gain, bias_var=bias_var)
    for name, (rule, gain, bias_var) in starts.items()
}
spread, lost = {}, {}
for name, setting in settings.items():
    net = models.build(setting, 64, 10, seed).double()
    lost[name] = probe.record(net, inputs, targets, loss_fn).decades_lost
    h = net[:-1](inputs.double()).detach()
    shares = torch.linalg.svdvals(h - h.mean(dim=0)) ** 2
    spread[name] = (shares.sum() ** 2 / (shares**2).sum()).item()
prediction.compare(spread["Xavier"])


# %%
def trained(name, steps, hidden=0.01 / depth):
    """Build and train a network, the hidden layers at a rate of their own."""
    first, _, stack, last = net = models.fused(models.build(settings[name], 64, 10, seed))
    ends = {"params": [*first.parameters(), *last.parameters()]}
    adam = train.OPTIMIZERS["adam"]([ends, {"params": stack.parameters(), "lr": hidden}], lr=0.001)
    return train.fit(net, digits, adam, steps=steps, batch_size=128, seed=seed)


# %% tags=["nbval-ignore-output"]
good, *others = settings
before = time.process_time()
runs = {good: trained(good, 100)}
print(f"seconds of processor time, here and today: {time.process_time() - before:.0f}")
runs |= {name: trained(name, 30) for name in train.each(others)}
ends_only, one_rate = (trained(good, n, hidden=r) for n, r in ((100, 0.0), (30, 0.001)))

# %%
ax = plots.training_curves(runs, chance=2.303, title="1,000 tanh layers, no skips, no norm")
plots.show(ax)
claims.claim("1,000 layers: test accuracy", runs[good].test_accuracy, above=0.95, drifts=True)
for name in others:
    claims.claim(f"{name}: test accuracy", runs[name].test_accuracy, below=0.3, drifts=True)
claims.claim("hidden layers frozen", ends_only.test_accuracy, between=(0.7, 0.93), drifts=True)
claims.claim("rate 0.001 for all layers", one_rate.test_accuracy, below=0.3, drifts=True)
predicted = -np.log10(models.predicted_profile(settings[good], inputs)[0])
claims.claim(f"{good}: decades lost, predicted", predicted, between=(0.8, 1))
*ordered, chaotic = lost
bounds = ((0.6, 1), (-1.5, 8), (1, 8), (22.5, 23.5))
for name, bound in zip(ordered, bounds, strict=True):
    claims.claim(f"{name}: decades lost", lost[name], between=bound)
claims.claim(f"{chaotic}: decades lost", lost[chaotic], between=(-7.5, -6), digits=1)
for (name, found), bound in zip(spread.items(), ((14, 25), (1, 1.2), (1, 1.2)), strict=False):
    claims.claim(f"{name}: directions", found, between=bound)

# %% [markdown]
# **Reading the figure.** A plain network of 1,000 layers learns, in seconds. Before training, its
# delta norm loses less than a decade, as predicted before building, and the pictures still differ
# in some twenty directions. The hidden layers do their part: with them frozen, the two ends alone
# stay below 0.93. The neighbours fail for three reasons. At gain 0.95 the gradient is 23 decades
# down; at 1.2 it is up by nearly seven. Under Gaussian weights and Xavier the norms are bearable,
# at most six decades down, in some draws none. But all pictures differ in *one* direction, and no
# classifier tells ten digits apart on a line. The norm of delta, this course's favourite number,
# does not show it. And at rate 0.001 for all layers even the good network learns nothing.
#
# The window of gains is a few per cent wide: the edge of chaos. In
# [ten thousand layers](experiments/ten_thousand_layers.ipynb) the same recipe ends above 0.93.
#
# ## The claims, one by one
#
# | claim (articles) | verdict | measured here |
# |---|---|---|
# | poor initialisation is a cause (001, 002) | true, and PyTorch's default is poor | 11 decades |
# | Xavier for tanh (000, 001, 003) | true for dozens of layers | 1,000: one direction |
# | Xavier for sigmoid (000) | false | 0.236 a layer; chance |
# | He for ReLU (000, 001, 003, 004) | true | level over 30 layers |
# | Xavier counts inputs and outputs (004) | true, a compromise | both passes stray |
# | stable gradients (002), a reasonable range (004) | of the mean, at the start | median 0.37 |
# | so deep: "impossible just a decade ago" (004) | not for want of skips | 1,000 plain layers |
#
# ## What this does not show
#
# That such depth helps: it does not, on these digits. That it is wise: skips and norms reach it
# over a wide range of gains, rates and activations. The recipe was found at width 64 on one data
# set, its two rates by trial.
#
# ## Summary
#
# * $1/n_{l-1}$ keeps the forward pass, $1/n_l$ the backward pass, Xavier half of each. `nn.Linear`
#   draws $1/(3n)$, which costs 30 ReLU layers 11 decades.
# * The right variance does not mend a sigmoid's mean (LSUV: 0.39 a layer), a narrow network's luck
#   (0.37 after 20 layers of 50), or dying directions (a millionth after 40).
# * Orthogonal weights at the edge of chaos do it alone: 1,000 tanh layers, above 0.95, in 100
#   steps.
#
# ## References
#
# Glorot and Bengio 2010, [eq. 10 to 16](https://proceedings.mlr.press/v9/glorot10a.html); He et al.
# 2015, [eq. 10, fig. 3](https://arxiv.org/abs/1502.01852); Mishkin and Matas 2016,
# [LSUV](https://arxiv.org/abs/1511.06422); Hanin and Nica 2018,
# [theorem 1](https://arxiv.org/abs/1812.05994); Saxe et al. 2014,
# [orthogonal starts](https://arxiv.org/abs/1312.6120); Pennington et al. 2017,
# [singular values](https://arxiv.org/abs/1711.04735); Schoenholz et al. 2017,
# [fig. 5](https://arxiv.org/abs/1611.01232); Xiao et al. 2018,
# [10,000 layers](https://arxiv.org/abs/1806.05393).
#
# Next: [06 · Does BatchNorm stabilise?](07_normalization.ipynb)

# %%
print(progress.summary())

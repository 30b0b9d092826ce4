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
# * say what a *typical* ReLU network of 20 narrow layers keeps of its gradient, and why that is
#   less than the mean;
# * show which of 64 directions survive 40 layers, a thing that no norm tells;
# * train a plain network of 1,000 tanh layers, no [skips](../docs/glossary.md#skip) and no norm, to
#   an accuracy above 0.95, and say why its neighbours fail.

# %% tags=["setup"]
import time

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("06", seed=0, depth=1000, draws=1000, map_steps=300)

# %% tags=["parameters"]
seed = 0
depth = 1000
draws = 1000
map_steps = 300

# %% [markdown]
# ## The luck of one draw
#
# [Xavier's](../docs/glossary.md#xavier) and [He's](../docs/glossary.md#he) weights "maintain stable
# gradients", says the encyclopaedia entry, one of [the five articles](../docs/sources.md). Lesson
# 05 agreed: with He's weights in a ReLU network, [chi](../docs/glossary.md#chi) is 1. But chi is a
# *mean* over all networks that could be drawn, and you draw one.
#
# Here are six draws of one narrow network: 20 layers of 10 ReLU units. We take the norm of each
# layer's [delta](../docs/glossary.md#delta), over that of the last layer.

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(64, seed)  # (64, 64): pictures, pixels

narrow = models.Setting(21, 10, "relu", "he")  # 20 hidden layers and the output layer
norms = {}
for draw in range(6):
    net = models.build(narrow, 64, 10, 6 * seed + draw)
    flow = probe.record(net, inputs, targets, cross_entropy)
    norms[f"draw {draw + 1}"] = flow.relative_delta_norms

ax = plots.layer_profile(norms, float32_zone=False, title="One recipe, six draws")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The gradient starts on the right. Each draw wanders off, and at layer 1
# they are far apart. Nothing is wrong with any of them: each layer multiplies the norm by a random
# number near 1, and such products stray far.
#
# So look at one layer alone. A delta comes back through the weights, then through the ReLU, whose
# [slope](../docs/glossary.md#slope) is 1 (the entry passes) or 0 (it stops), each with chance 1/2.
# We draw a thousand layers of 50 units. By which factor does each multiply the *squared* norm?


# %%
def one_layer(width):
    """Send a delta of norm 1 back through many ReLU layers: its squared norm behind each."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(draws, width, width, generator=generator) * (2 / width) ** 0.5
    on = torch.rand(draws, width, generator=generator) < 0.5
    delta = torch.ones(width) / width**0.5  # (width,): any direction will do
    return ((delta @ weights) * on).square().sum(dim=1)  # (draws,)


factors = one_layer(50)
table = pd.DataFrame({"factor": factors}).describe()
table.loc[["mean", "std", "min", "max"]].map("{:.2f}".format)

# %% [markdown]
# The mean factor is 1, as promised. But the layers scatter around it by about 0.3, and some are far
# out. Where does the scatter come from? Let the layer have $n$ units.
#
# > An entry of $W^\top\delta$ is a sum of $n$ independent normal numbers, so it is
# > $\sqrt{2/n}\,\|\delta\|$ times a standard normal number $g$. Behind the ReLU a unit adds $2g^2$
# > or 0, half of the time each, divided by $n$. The mean of this $2g^2$-or-0 is
# > $\tfrac12\cdot2\cdot1=1$. The mean of its square is $\tfrac12\cdot4\cdot3=6$, since
# > $\mathrm E\,g^4=3$ for such a $g$. So its variance is $6-1^2=5$, and that of the mean over $n$
# > units is **5/n** (Hanin and Nica 2018).
#
# So width times variance should be 5, whatever the width.

# %%
rows = []
for width in (10, 50, 250):
    variance = one_layer(width).var().item()
    found = width * variance
    rows.append({"width": width, "variance": variance, "width x variance": found})
    claims.claim(f"one layer of {width}: width times variance", found, about=5, within=0.25)
claims.claim("one layer of 50: mean factor", factors.mean(), about=1, within=0.04)
pd.DataFrame(rows).set_index("width").map("{:.2g}".format)

# %% [markdown]
# It is, up to the luck of a thousand draws.
#
# Now many layers. Their factors multiply, so their *logarithms* add up. Write a factor as $1+x$,
# where $x$ has mean 0 and mean square $5/n$. For small $x$, $\log(1+x)\approx x-x^2/2$, on average
# $-\tfrac12\cdot5/n$: *below* 0, though the mean factor is 1. For 50 units it is -0.05. That is
# little, but it adds up.
#
# Let $s$ be the **share** of the squared norm that gets through all layers. We measure it in a
# thousand real networks at once, where not a coin but the signal decides which units are on: a
# signal goes up, a delta comes down.
#
# **Predict.** Width 50, 20 layers: which share $s$ does the *typical* network keep (the median)?

# %%
guess = None
prediction = claims.predict("Share kept by the typical network?", guess)


# %%
def log_shares(layers, width=50):
    """Log of the share of the squared delta norm that comes down through real networks."""
    generator = torch.Generator().manual_seed(seed)
    h, delta = torch.randn(2, draws, 1, width, generator=generator)
    passed = []
    for _ in range(layers):
        weight = torch.randn(draws, width, width, generator=generator) * (2 / width) ** 0.5
        h = (h @ weight.mT).relu()  # (draws, 1, width)
        passed.append((weight, h > 0))
    top = delta.norm(dim=(1, 2))
    for weight, on in reversed(passed):
        delta = (delta * on) @ weight
    return 2 * (delta.norm(dim=(1, 2)) / top).double().log().numpy()  # (draws,)


# %%
found = {"1 layer": log_shares(1), "5 layers": log_shares(5), "20 layers": log_shares(20)}
kept = np.exp(found["20 layers"])
prediction.compare(np.median(kept))

# %% [markdown]
# A sum of many independent random numbers is normal, a bell (the central limit theorem). Each layer
# adds $-\tfrac12\cdot5/n$ to the mean of $\log s$ and about $5/n$ to its variance
# ([formulas](../docs/formulas.md#luck-in-narrow-networks)):
#
# $$\log s \sim N(-\beta/2,\ \beta), \qquad \beta = 5\sum_l \frac1{n_l}.$$
#
# A quantity whose logarithm is a bell is **log-normal**. With 50 units $\beta$ grows by 0.1 per
# layer. We lay the bells over the measurements.

# %%
edges, grid = np.linspace(-7, 3, 41), np.linspace(-7, 3, 201)
bars, bells = {}, {}
for name, beta in (("1 layer", 0.1), ("5 layers", 0.5), ("20 layers", 2.0)):
    bars[name] = np.histogram(found[name], edges, density=True)[0]
    bell = np.exp(-((grid + beta / 2) ** 2) / (2 * beta)) / np.sqrt(2 * np.pi * beta)
    bells[name] = grid, bell
look = {"xlabel": "log of the share of the squared norm (0: all is kept)", "ylabel": "density"}
middles = (edges[1:] + edges[:-1]) / 2
ax = plots.curves(bars, bells, x=middles, **look, title="Deeper: wider, and further to the left")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Each bell is wider than the one before, and its middle has moved to the
# left. After 20 layers the middle is at -1: the typical network keeps $e^{-1}=0.37$ of the squared
# norm. Yet the *mean* of $s$ is still 1: a few lucky networks on the right pay for all the others.
# So "stable" is true of the mean, and only at the start.

# %%
deep = found["20 layers"]
claims.claim("1 layer: mean of log s", found["1 layer"].mean(), between=(-0.1, -0.02))
claims.claim("20 layers: mean of log s", deep.mean(), about=-1, within=0.2)
claims.claim("20 layers: variance of log s", deep.var(), about=2, within=0.25)
claims.claim("20 layers: mean of s", kept.mean(), between=(0.7, 1.4))
claims.claim("20 layers: median of s", np.median(kept), about=np.exp(-1), within=0.2)

# %% [markdown]
# **Question.** You want the *typical* network of 20 layers of 50 nearer to the mean. Which change
# does it?
#
# <details><summary>Twice as many layers</summary>Not this: each layer adds its $5/n$ to beta, and
# the middle moves further to the left.</details>
# <details><summary>Twice the width in every layer</summary>Right. Each $5/n$ is halved, and so is
# beta: the middle of log s moves from -1 to -0.5.</details>
# <details><summary>A larger gain</summary>Not this: it raises every draw by the same factor, and
# the mean as well.</details>

# %% [markdown]
# ### Exercise 6.1 - typical_over_mean (4 points)
#
# *About 11 minutes, easy.*
#
# Write `typical_over_mean(widths)`: the median of $s$ divided by its mean, by the formula above,
# for a ReLU network with He's weights. The list `widths` has the widths of its hidden layers (whole
# numbers, at least one). Return a Python float. One width throughout earns 2 points, unequal widths
# 2 points.
#
# <details><summary>Hint</summary>A median moves along with any rising function, so the median of
# log s tells that of s. Which layers contribute most to the sum?</details>
# <details><summary>More help</summary>The mean of s is 1 whatever the widths are. The median of a
# bell is its middle.</details>


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
# ## Sixty-four directions
#
# A mean hides more than luck. A norm is *one* number, and a layer of 64 units has 64 directions to
# treat well or badly.
#
# Start with two. We multiply a circle of points by a random 2 by 2 matrix of normal numbers
# (*Gaussian*), then by four more. Beside it we do the same with
# **[orthogonal](../docs/glossary.md#orthogonal)** matrices, which turn (or mirror) and keep every
# length.

# %%
angles = torch.linspace(0, 2 * torch.pi, 361)[1:]
circle = torch.stack([angles.cos(), angles.sin()])  # (2, points)
generator = torch.Generator().manual_seed(28)  # a draw that shows it well
gaussian = torch.randn(5, 2, 2, generator=generator) / 2**0.5  # five matrices, variance 1/2
rotations = torch.linalg.qr(gaussian).Q  # five orthogonal ones


def images(matrices):
    """The circle, and what one matrix and all five make of it."""
    points = circle
    for matrix in matrices:
        points = matrix @ points  # (2, points)
    return {"at first": circle, "after 1": matrices[0] @ circle, "after 5": points}


# %%
figure, axes = plots.panels(2)
for ax, matrices, title in ((axes[0], gaussian, "Gaussian"), (axes[1], rotations, "orthogonal")):
    shapes = images(matrices)
    look = {"xlabel": "first coordinate", "ylabel": "second", "title": title, "legend": False}
    x = {name: points[0] for name, points in shapes.items()}
    plots.curves({name: points[1] for name, points in shapes.items()}, x=x, **look, ax=ax)
    ax.set_aspect("equal")
axes[1].legend(loc="center")
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: the first matrix makes an ellipse of the circle. The fifth leaves a
# needle: in one direction points are still far apart, in the other they have fallen together.
# Right: three circles, one upon the other.
#
# How far a matrix stretches its directions has a name. The half-axes of the ellipse, longest first,
# are its **[singular values](../docs/glossary.md#singular-value)**, and `torch.linalg.svdvals`
# returns them. We compare them with the largest and the smallest distance of its points from the
# centre.

# %%
distances = (gaussian[0] @ circle).norm(dim=0)  # (points,)
longest, shortest = torch.linalg.svdvals(gaussian[0])
claims.claim("longest half-axis, over svdvals", distances.max() / longest, about=1, within=0.01)
claims.claim("shortest half-axis, likewise", distances.min() / shortest, about=1, within=0.01)

# %% [markdown]
# What is the matrix of a whole network? Its **[Jacobian](../docs/glossary.md#jacobian)**: the
# matrix of all derivatives of its outputs with respect to its inputs. For linear layers it is the
# product of the weight matrices. It says where small differences between inputs go, and its
# transpose sends the delta back. Chi looks after the mean of its *squared* singular values only.
#
# Which directions does a Gaussian matrix of width $N$ keep?
#
# > Let every weight have variance $1/N$. A direction of length 1 becomes a vector of $N$ random
# > entries, of squared length 1 on average. So does a second one, but only its part at right angles
# > to the first is *new*. One of $N$ dimensions is used up: $(N-1)/N$ is left. Of the $k$-th
# > direction, what lies outside the $k-1$ before it is $(N-k+1)/N$.
#
# We test this. `torch.linalg.qr` goes through the columns in just this way. On the diagonal of its
# second factor stand the lengths that were left over.

# %%
generator = torch.Generator().manual_seed(seed)
matrices = torch.randn(draws, 64, 64, generator=generator) / 8  # variance 1/64
left = torch.linalg.qr(matrices).R.diagonal(dim1=1, dim2=2).square().mean(dim=0)  # (64,)
numbers = np.array([1, 16, 32, 48, 64])
columns = {"left over, squared": left[numbers - 1], "(N - k + 1) / N": (64 - numbers + 1) / 64}
pd.DataFrame(columns, index=pd.Index(numbers, name="direction k")).map("{:.3f}".format)

# %% [markdown]
# They agree. Each of $L$ layers treats whatever $k$ directions arrive in this way, so
# ([formulas](../docs/formulas.md#singular-values))
#
# $$s_k \approx \Big(\frac{N-k+1}{N}\Big)^{L/2} \text{ (Gaussian)}, \qquad
# s_k = 1 \text{ (orthogonal)}.$$
#
# (The share is that of a square, hence the 2.) For this reason Saxe et al. 2014 proposed orthogonal
# weights.
#
# **Predict.** 40 linear layers of width 64, Gaussian weights: how large is the *middle* one of the
# singular values, $s_{32}$?

# %%
guess = None
prediction = claims.predict("The middle one of 64?", guess)


# %%
def stretches(rule, activation, gain):
    """Singular values of 40 layers of width 64 at a digit; geometric mean of 5 draws."""
    setting = models.Setting(42, 64, activation, rule, gain=gain, bias_var=0.0)
    logs = []
    for draw in range(5):
        net = models.build(setting, 64, 10, 5 * seed + draw).double()
        start = net[:2](digits.train_inputs[draw].double())  # (64,): behind the first layer
        jacobian = torch.autograd.functional.jacobian(net[2:-1], start)  # (64, 64)
        logs.append(torch.linalg.svdvals(jacobian).log())
    return torch.stack(logs).mean(dim=0).exp().numpy()  # (64,)


linear = {"Gaussian": stretches("lecun", "linear", 1.0)}
linear["orthogonal"] = stretches("orthogonal", "linear", 1.0)
prediction.compare(linear["Gaussian"][32 - 1])

# %%
tanh = {"Gaussian": stretches("lecun", "tanh", 1.02)}
tanh["orthogonal"] = stretches("orthogonal", "tanh", 1.02)
order = np.arange(1, 65)
lines = {"Gaussian": ((64 - order + 1) / 64) ** 20, "orthogonal": np.ones(64)}

figure, axes = plots.panels(2)
look = {"x": order, "yscale": "log", "xlabel": "direction k, most stretched first"}
plots.curves(linear, lines, **look, ylabel="singular value", title="40 linear layers", ax=axes[0])
plots.curves(tanh, **look, ylabel="singular value", title="40 tanh layers", ax=axes[1])
axes[0].set_ylim(1e-10, 1e2)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: Gaussian weights keep the mean square by stretching a few directions
# and losing the rest. The middle one is down to a millionth. Two pictures that differ only along a
# lost direction become one picture. (At the top the dashed line is too low: the formula is meant
# for depths far beyond the width.) Orthogonal weights lose nothing.
#
# Right: tanh, with weights 1.02 times as large, changes little. Orthogonal layers still treat the
# first half of the directions alike within a factor of 4. ReLU has no such start: at each picture
# it switches off about half of the units of every layer.

# %%
middle = linear["Gaussian"][32 - 1]
spread = {name: values[0] / values[32 - 1] for name, values in tanh.items()}
uneven = np.abs(linear["orthogonal"] - 1).max()
gap = np.abs(left.numpy() - (64 - order + 1) / 64).max()
claims.claim("left over, squared: off (N - k + 1) / N by", gap, below=0.03)
claims.claim("Gaussian, linear: the middle one", middle, about=(33 / 64) ** 20, factor=3)
claims.claim("Gaussian, linear: the largest", linear["Gaussian"][0], between=(3, 12))
claims.claim("orthogonal, linear: all within 0.0001 of 1", uneven < 1e-4)
claims.claim("Gaussian, tanh: largest over middle", spread["Gaussian"], above=1e5)
claims.claim("orthogonal, tanh: largest over middle", spread["orthogonal"], below=4)

# %% [markdown]
# **Question.** A delta keeps its norm through 40 layers. How many of the 64 directions got through
# unharmed?
#
# <details><summary>All of them</summary>Not this: that holds for orthogonal layers.</details>
# <details><summary>About half of them</summary>Not this: under Gaussian weights the middle one was
# down to a millionth.</details>
# <details><summary>The norm does not tell</summary>Right. A few stretched directions can carry the
# whole norm. Only the singular values show the others.</details>

# %% [markdown]
# ### Exercise 6.2 - orthogonal_like (5 points)
#
# *About 14 minutes, medium.*
#
# Write `orthogonal_like(matrix)`: make the columns of a float matrix orthonormal (of length 1, at
# right angles) in the manner of Gram and Schmidt. The first column keeps its direction; each next
# one loses its share along those before it; all get length 1. If there are more columns than rows,
# do it to the rows instead. Return a tensor of the same shape. Square matrices earn 2 points, tall
# ones 1, wide ones 2.
#
# <details><summary>Hint</summary><code>torch.linalg.qr</code> does nearly this, up to the sign of
# each column.</details>
# <details><summary>More help</summary>A column that was turned round has a negative number on the
# diagonal of the other factor. A wide matrix is a tall one, transposed.</details>


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
# How deep can one go, with which weights? Two numbers of lesson 01 answer. One is
# [q](../docs/glossary.md#q), the variance of the
# [pre-activations](../docs/glossary.md#pre-activation), which after some layers settles at its
# [fixed point](../docs/glossary.md#fixed-point). The other is chi at that point, the factor per
# layer of the squared delta norm.
#
# With chi below 1 a network is in **[order](../docs/glossary.md#order-and-chaos)**: gradients
# vanish, and all pictures become alike on their way up. Above 1 it is in **chaos**: gradients
# explode, and pictures that were alike part.
#
# We take tanh with a bias variance of 0.05, as Schoenholz et al. 2017 did, and vary the
# [weight variance](../docs/glossary.md#weight-variance) $\sigma_w^2$.

# %%
rows = []
for variance in (0.5, 1.0, 1.76, 4.0):
    point = theory.fixed_point("tanh", variance, 0.05)
    rows.append({"weight variance": variance, "q": point.q, "chi": point.chi})
points = pd.DataFrame(rows).set_index("weight variance")
points.map("{:.2f}".format)

# %% [markdown]
# Xavier's variance 1 is in order, 4 is in chaos, and 1.76 is
# [critical](../docs/glossary.md#critical): chi is 1.
#
# In $L$ layers the delta *norm* changes by $\chi^{L/2}$
# ([formulas](../docs/formulas.md#depth-in-units)). Depth is best counted in units of
#
# $$\xi = \frac1{|\log\chi|} \qquad\text{(the Greek letter xi)},$$
#
# the number of layers over which the squared norm changes by a factor of $e$
# ([glossary](../docs/glossary.md#correlation-depth)).
#
# **Predict.** At weight variance 1, how many layers does it take to lose one
# [decade](../docs/glossary.md#decade) of the delta norm?

# %%
guess = None
prediction = claims.predict("Layers per decade?", guess)

# %%
xi = 1 / abs(np.log(points.loc[1.0, "chi"]))
prediction.compare(2 * np.log(10) * xi)
claims.claim("xi at weight variance 1, in layers", xi, about=3.63, within=0.01)
claims.claim("chi at weight variance 1.76", points.loc[1.76, "chi"], about=1, within=0.001)

# %% [markdown]
# A decade of the norm is a factor 100 of its square, and $\log 100 = 4.6$: a decade takes
# $4.6\,\xi$. Schoenholz et al. found training to end near $6\,\xi$ on the side of order, a little
# over one decade.
#
# Is that so? We train 100 networks of width 32: five depths, ten variances, Gaussian and orthogonal
# weights, with a learning rate of $0.01/L$ (a later section says why). `train.fit_many` trains the
# twenty networks of one depth side by side, as one computation. We look at the accuracy on the
# *training* pictures: what can be trained at all? (About 20 seconds.)

# %%
depths, variances = (5, 10, 20, 40, 80), (0.5, 1, 1.25, 1.5, 1.76, 2, 2.5, 3, 4, 6)


def starts(layers):
    """Twenty networks of one depth: two kinds of weights, ten variances."""
    found = {}
    for name, rule in (("Gaussian", "lecun"), ("orthogonal", "orthogonal")):
        for variance in variances:
            options = {"gain": variance**0.5, "bias_var": 0.05}
            found[name, variance] = models.Setting(layers, 32, "tanh", rule, **options)
    return found


# %%
rows = []
for layers in train.each(depths):
    places = starts(layers)
    recipe = train.Recipe("adam", rate=0.01 / layers, steps=map_steps)
    runs = train.fit_many(list(places.values()), digits, recipe, seeds=seed)
    for (name, variance), run in zip(places, runs, strict=True):
        row = {"weights": name, "depth": layers, "variance": variance}
        rows.append(row | {"train": run.train_accuracy, "test": run.test_accuracy})
results = pd.DataFrame(rows)
results[["weights", "depth", "variance"]].head(3)

# %% [markdown]
# `results` has a row for each network; its accuracies stand in the columns `train` and `test` (not
# shown: processors differ a little). For the map theory adds two lines: the depth at which the
# delta norm has changed by 1 decade, and by 4. Theory knows nothing of digits, of Adam, or of width
# 32.

# %%
grid = np.geomspace(0.45, 6.7, 120)
chis = np.array([theory.fixed_point("tanh", variance, 0.05).chi for variance in grid])
per_layer = np.abs(np.log10(chis)) / 2  # decades of the norm
lines = {"1 decade": (grid, 1 / per_layer), "4 decades": (grid, 4 / per_layer)}
maps = results.pivot(index="depth", columns=["weights", "variance"], values="train")

# %%
look = {"x": variances, "y": depths, "xscale": "log", "yscale": "log", "vmin": 0.1, "vmax": 1.0}
look |= {"xlabel": "weight variance", "ylabel": "depth", "label": "training accuracy"}
figure, axes = plots.panels(2)
figure.set_size_inches(10, 4.4)
plots.heat_map(maps["Gaussian"], **look, lines=lines, title="Gaussian", ax=axes[0])
plots.heat_map(maps["orthogonal"], **look, lines=lines, title="orthogonal", ax=axes[1])
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Each cell is a trained network; yellow is right, dark blue is guessing.
# Begin with the lower lines: below them, with less than one decade of change, nearly everything
# trains, up to depth 40. Beyond the upper lines nothing does. Between them it fades.
#
# Now look at the peak. On the critical line $\xi$ is infinite, so theory puts no bound on depth.
# But at depth 80 the Gaussian networks have faded and the orthogonal ones have not. You know why:
# the directions die, and chi cannot see it.
#
# The colours hide *what* is learnt. In chaos (orthogonal, variance 4, 20 layers) the test accuracy
# is far below the training accuracy: chaos drives alike pictures apart, and the network learns them
# by heart. And this is one recipe: more steps raise the peak ([the fine
# map](experiments/phase_diagram.ipynb)).

# %%
results["decades"] = results["depth"] * np.interp(results["variance"], grid, per_layer)
easy = results[(results["depth"] <= 40) & (results["decades"] < 1)]
hard = results[results["decades"] > 4]
for name in ("Gaussian", "orthogonal"):
    worst = easy.loc[easy["weights"] == name, "train"].min()
    best = hard.loc[hard["weights"] == name, "train"].max()
    claims.claim(f"{name}, below 1 decade, worst", worst, above=0.6, drifts=True)
    claims.claim(f"{name}, beyond 4 decades, best", best, below=0.4, drifts=True)

# %%
chaotic = results.query("weights == 'orthogonal' and depth == 20 and variance == 4")
gap = (chaotic["train"] - chaotic["test"]).item()
plain, kept = maps.loc[80, "Gaussian"].max(), maps.loc[80, "orthogonal"].max()
claims.claim("Gaussian, depth 80: best", plain, below=0.75, drifts=True)
claims.claim("orthogonal, depth 80: best", kept, between=(0.85, 1), drifts=True)
claims.claim("chaos: training minus test accuracy", gap, above=0.3, drifts=True)

# %% [markdown]
# **Question.** A tanh network of 80 layers with weight variance 1 does not train, and $\xi$ is 3.6
# layers. What is the first thing to change?
#
# <details><summary>The weight variance, towards 1.76</summary>Right. 80 layers are 22 times xi
# here, almost five decades. Near the critical line xi is long.</details>
# <details><summary>Gaussian weights to orthogonal ones</summary>Not this: chi stays, and beyond
# four decades the orthogonal map is dark as well.</details>
# <details><summary>The weight variance, towards 6</summary>Not this: that is chaos, too deep in
# units of xi again.</details>

# %% [markdown]
# ## A thousand layers
#
# Everything is in place for a plain network of `nn.Linear` and `nn.Tanh` a thousand times, no skips
# and no norm. The recipe has four pieces:
#
# 1. a **[gain](../docs/glossary.md#gain)** near 1, so that chi is near 1;
# 2. a trace of **bias**;
# 3. **orthogonal** weights, so that no direction dies;
# 4. a **learning rate** for the hidden layers that shrinks with depth.
#
# First the gain ($\sigma_w$, the root of the weight variance). Here is chi for several gains, with
# biases of variance 0.00002.

# %%
rows = []
for gain in (0.95, 1.0, 1.02, 1.05, 1.2):
    point = theory.fixed_point("tanh", gain**2, 2e-5)
    rows.append({"gain": gain, "q": point.q, "chi": point.chi})
gains = pd.DataFrame(rows).set_index("gain")
gains.map("{:.4f}".format)

# %% [markdown]
# At gain 1.02 chi is 0.9996, and a thousand layers cost next to nothing. (Without bias it would be
# 1.0005: the trace of bias keeps the network in order.) The others look close, too. We will measure
# five starts, the recipe and four neighbours.
#
# **Predict.** Gain 0.95 instead of 1.02: how many decades does the delta norm lose in 1,000 layers?

# %%
guess = None
prediction = claims.predict("Decades lost at gain 0.95?", guess)


# %%
def start(rule, gain, bias_var=2e-5):
    """A plain tanh network of width 64."""
    return models.Setting(depth, 64, "tanh", rule, gain=gain, bias_var=bias_var)


settings = {
    "the recipe": start("orthogonal", 1.02),
    "Gaussian, 1.02": start("lecun", 1.02),
    "Xavier": start("xavier", 1.0, bias_var=0.0),
    "orthogonal, 0.95": start("orthogonal", 0.95),
    "orthogonal, 1.2": start("orthogonal", 1.2),
}

# %%
nets = {name: models.build(setting, 64, 10, seed) for name, setting in settings.items()}
lost = {}
for name, net in train.each(nets.items()):
    lost[name] = probe.record(net, inputs, targets, cross_entropy).decades_lost
prediction.compare(lost["orthogonal, 0.95"])
pd.DataFrame({"decades lost": lost}).map("{:.0f}".format)

# %% [markdown]
# A gain 7 % lower costs 23 decades; at 1.2 the delta *grows* by about seven. The recipe loses less
# than one, as theory said before the network was built, most of it in the first layers, where $q$
# comes down to its fixed point.

# %%
predicted = -np.log10(models.predicted_profile(settings["the recipe"], inputs)[0])
claims.claim("the recipe: decades lost, predicted", predicted, between=(0.8, 1))
claims.claim("the recipe: decades lost", lost["the recipe"], between=(0.6, 1))
claims.claim("chi at gain 1.02: below 1 by", 1 - gains.loc[1.02, "chi"], about=0.0004, within=0.1)
claims.claim("Gaussian, 1.02: decades lost", lost["Gaussian, 1.02"], between=(-1.5, 8))
claims.claim("Xavier: decades lost", lost["Xavier"], between=(1, 8))
claims.claim("orthogonal, 0.95: decades lost", lost["orthogonal, 0.95"], between=(22.5, 23.5))
claims.claim("orthogonal, 1.2: decades lost", lost["orthogonal, 1.2"], between=(-7.5, -6), digits=1)

# %% [markdown]
# Gaussian weights and Xavier's look bearable, a few decades down. So look at the third piece. After
# all layers, in how many directions do the 64 pictures still differ?
#
# To count directions, find the variance $\lambda_i$ of the points along each (the squared singular
# values of the table of points, less its mean), and take
# ([formulas](../docs/formulas.md#directions-in-use))
#
# $$\Big(\sum_i\lambda_i\Big)^2 \Big/ \sum_i\lambda_i^2,$$
#
# the **[participation ratio](../docs/glossary.md#participation-ratio)**. With $n$ equal variances
# it is $n^2/n=n$. We try it on points that we know.


# %%
def directions(points):
    """Participation ratio: in how many directions points differ."""
    centred = points - points.mean(dim=0)
    variances = torch.linalg.svdvals(centred) ** 2
    return (variances.sum() ** 2 / (variances**2).sum()).item()


square = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
examples = {"corners of a square": square}
examples["the square, 3 times as wide"] = square * torch.tensor([3.0, 1.0])
examples["the square, 100 times as wide"] = square * torch.tensor([100.0, 1.0])
examples["64 digits, as pixels"] = inputs
known = {name: directions(points) for name, points in examples.items()}
pd.DataFrame({"directions": known}).map("{:.1f}".format)

# %% [markdown]
# A square uses 2 directions. Stretched, it comes ever closer to a line, which uses 1. The digits
# use about a dozen of 64: many pixels change together.
#
# **Predict.** You have seen what 40 Gaussian layers do to directions. In how many do the 64 digits
# differ after 1,000 layers of Xavier?

# %%
guess = None
prediction = claims.predict("Directions after 1,000 layers of Xavier?", guess)

# %%
spread = {}
for name, net in nets.items():
    spread[name] = directions(net.double()[:-1](inputs.double()).detach())
prediction.compare(spread["Xavier"])
shown = {name: spread[name] for name in ("the recipe", "Gaussian, 1.02", "Xavier")}
pd.DataFrame({"directions": shown}).map("{:.1f}".format)

# %% [markdown]
# *One.* All digits lie on a line: a single number is left of each picture, too little to tell ten
# digits apart. The norm of delta does not show it. With the recipe they still differ in some
# seventeen directions.

# %%
claims.claim("corners of a square", directions(square), about=2, within=1e-5)
claims.claim("64 digits, as pixels", known["64 digits, as pixels"], between=(8, 16))
claims.claim("the recipe: directions", spread["the recipe"], between=(14, 25))
claims.claim("Gaussian, 1.02: directions", spread["Gaussian, 1.02"], between=(1, 1.2))
claims.claim("Xavier: directions", spread["Xavier"], between=(1, 1.2))

# %% [markdown]
# ## How long a step?
#
# The last piece is the learning rate. Each layer takes its step as if the others stood still. But
# they all move, all in the direction that lowers the loss, so their effects on the output add up: a
# thousand usual steps at once are a thousand times too much.
#
# Is it so? We let all hidden layers take one step of Adam and ask how far the last hidden
# activations move, relative to their size. (`models.fused` turns the equal layers in the middle
# into one module, `net[2]`, that computes the same, only twice as fast.)


# %%
def moved(layers, rate):
    """Relative change of the last activations when all hidden layers take one step."""
    setting = models.Setting(layers, 64, "tanh", "orthogonal", gain=1.02, bias_var=2e-5)
    net = models.fused(models.build(setting, 64, 10, seed))
    before = net[:-1](inputs).detach()
    cross_entropy(net(inputs), targets).backward()
    torch.optim.Adam(net[2].parameters(), lr=rate).step()
    return ((net[:-1](inputs).detach() - before).norm() / before.norm()).item()


rows = []
for layers in (10, 100, 1000):
    row = {"layers": layers, "rate 0.00001": moved(layers, 1e-5)}
    rows.append(row | {"rate 0.01 / layers": moved(layers, 0.01 / layers)})
steps = pd.DataFrame(rows).set_index("layers")
steps.map("{:.2g}".format)

# %% [markdown]
# At one rate, ten times as many layers move the output about ten times as far. With $0.01/L$ it
# moves by a tenth or two of its size at any depth. This is our rate for the hidden layers. The
# first and the last layer stand alone and keep Adam's usual 0.001.

# %%
same, shrinking = steps["rate 0.00001"], steps["rate 0.01 / layers"]
claims.claim("same rate: 100 layers over 10", same[100] / same[10], about=10, factor=1.6)
claims.claim("same rate: 1,000 layers over 100", same[1000] / same[100], about=10, factor=1.6)
claims.claim("0.01 / layers: the least of three", shrinking.min(), above=0.07)
claims.claim("0.01 / layers: the most of three", shrinking.max(), below=0.3)

# %% [markdown]
# Now train. The *frozen twin* starts likewise, but its hidden layers stay as they were drawn (a
# rate of 0): it shows what the two ends can do alone. A third network has Adam's usual rate
# everywhere. Then the four neighbours, 30 steps each. (About half a minute; we count the
# processor seconds of the first.)


# %%
def trained(name, steps, hidden=0.01 / depth):
    """Build and train a network, its hidden layers at a rate of their own."""
    net = models.fused(models.build(settings[name], 64, 10, seed))
    first, _, stack, last = net
    ends = {"params": [*first.parameters(), *last.parameters()]}
    middle = {"params": stack.parameters(), "lr": hidden}
    adam = torch.optim.Adam([ends, middle], lr=0.001, fused=True)
    return train.fit(net, digits, adam, steps=steps, batch_size=128, seed=seed)


# %% tags=["nbval-ignore-output"]
before = time.process_time()
runs = {"the recipe": trained("the recipe", 100)}
print(f"seconds of processor time, here and today: {time.process_time() - before:.0f}")
runs["frozen twin"] = trained("the recipe", 100, hidden=0.0)
runs["rate 0.001 for all"] = trained("the recipe", 30, hidden=0.001)

# %%
neighbours = {"the recipe": runs["the recipe"]}
for name in train.each(list(settings)[1:]):
    neighbours[name] = trained(name, 30)

# %%
figure, axes = plots.panels(2)
title = "1,000 tanh layers, no skips, no norm"
plots.training_curves(runs, chance=2.303, title=title, ax=axes[0])
plots.training_curves(neighbours, chance=2.303, title="Four neighbours", ax=axes[1])
axes[1].set_xlim(-1, 30)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: a plain network of 1,000 layers learns, in seconds. With the usual
# rate for all layers it learns nothing. The frozen twin learns, too: two trained ends around a
# thousand layers that lose nothing. Its accuracy is decent, so an accuracy alone does not show that
# the hidden layers learnt. The loss does: in the last ten steps the twin's is more than 1.3 times
# the recipe's. What lies between the two lines is what the middle has learnt.
#
# Right: the neighbours fail for three reasons, each measured before any training. At gain 0.95 the
# gradient is 23 decades down. At 1.2 it is up by about seven. With Gaussian weights or Xavier's all
# pictures lie on one line. The window of gains is narrow, somewhere between 0.95 and 1.2: this is
# the **[edge of chaos](../docs/glossary.md#edge-of-chaos)**.

# %%
good, twin, usual = runs["the recipe"], runs["frozen twin"], runs["rate 0.001 for all"]
ratio = twin.losses[-10:].mean() / good.losses[-10:].mean()
claims.claim("1,000 layers: test accuracy", good.test_accuracy, above=0.95, drifts=True)
claims.claim("frozen twin: test accuracy", twin.test_accuracy, between=(0.7, 0.93), drifts=True)
claims.claim("last ten losses, twin over recipe", ratio, above=1.3, drifts=True)
claims.claim("rate 0.001 for all: test accuracy", usual.test_accuracy, below=0.3, drifts=True)

# %%
for name in list(settings)[1:]:
    accuracy = neighbours[name].test_accuracy
    claims.claim(f"{name}: test accuracy", accuracy, below=0.3, drifts=True)

# %% [markdown]
# ## Ten times deeper
#
# Why is there a window at all, and how narrow is it at 10,000 layers? How does $\xi$ depend on the
# gain, without bias?

# %%
rows = []
for gain in (1.1, 1.05, 1.02, 1.01, 1.005, 1.002):
    xi = 1 / np.log(theory.fixed_point("tanh", gain**2).chi)
    rows.append({"gain": gain, "xi": xi, "(gain - 1)^2 xi": (gain - 1) ** 2 * xi})
law = pd.DataFrame(rows).set_index("gain")
law.round({"xi": 0, "(gain - 1)^2 xi": 3})

# %% [markdown]
# Half as far from 1, four times as deep: the last column settles at $3/4$, so
# $\xi\approx\tfrac34(\text{gain}-1)^{-2}$. But why a square? A gain of 1.02 is a weight variance of
# 1.04. Why is chi only 1.0005?
#
# > For small $q$, $\tanh u\approx u-u^3/3$, hence $\mathrm E\tanh^2\approx q-2q^2$, and the squared
# > slope is $1-2q$ on average. At the fixed point $q=\sigma_w^2(q-2q^2)$, so
# > $\sigma_w^2(1-2q)=1$. But that *is* chi. A larger gain makes a larger $q$, a larger $q$ makes
# > smaller slopes, and to first order the two cancel. What is left is of second order:
# > $\chi-1\approx\tfrac43(\text{gain}-1)^2$.

# %%
distance = law.index - 1
ax = plots.curves(
    {"solved at each gain": law["xi"]},
    {"solved at each gain": 0.75 * distance**-2.0},
    x=distance,
    xscale="log",
    yscale="log",
    xlabel="gain - 1",
    ylabel="correlation depth ξ, in layers",
    title="The deeper, the nearer to 1 the gain must be",
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The points solve for the fixed point at each gain, the dashed line is
# $\tfrac34(\text{gain}-1)^{-2}$. Its slope is -2: one decade to the left, two decades up. At gain
# 1.1 what the box leaves out still counts: the point lies almost a third above the line. From 1.01
# on they are hard to tell apart. Read it the other way round: who wants a $\xi$ ten times as long
# must come nearer to 1 by the root of ten.

# %%
far = law.loc[1.1, "xi"] / (0.75 * 0.1**-2)
claims.claim("xi at gain 1.1, over the line", far, about=1.315, within=0.01)

# %%
halved = law.loc[1.01, "xi"] / law.loc[1.02, "xi"]
claims.claim("xi: gain 1.01 over gain 1.02", halved, about=4, within=0.05)
limit = law.loc[1.002, "(gain - 1)^2 xi"]
claims.claim("(gain - 1)^2 xi at gain 1.002", limit, about=0.75, within=0.02)
above_one = np.exp(1 / law.loc[1.02, "xi"]) - 1
claims.claim("chi - 1 at gain 1.02, no bias", above_one, about=0.0005, within=0.02)

# %% [markdown]
# To stay equally deep in units of $\xi$, then, **gain - 1 must shrink like depth to the power
# -1/2**. And the bias variance like depth to the power -3/2: a bias variance $b$ lowers chi by
# about $b/q$ (the fixed point of the box becomes $\sigma_w^2(1-2q)=1-b/q$), which must fall like
# 1/depth, and $q$ is about gain - 1. We start with our recipe at 1,000 layers.

# %%
unscaled = theory.fixed_point("tanh", 1.02**2, 2e-5).chi
rows = []
for layers in (1000, 10_000, 100_000):
    gain = 1 + 0.02 * (1000 / layers) ** 0.5
    bias_var = 2e-5 * (1000 / layers) ** 1.5
    chi = theory.fixed_point("tanh", gain**2, bias_var).chi
    row = {"depth": layers, "gain": gain, "bias variance": bias_var}
    row["decades lost"] = -layers / 2 * np.log10(chi)
    row["with gain 1.02"] = -layers / 2 * np.log10(unscaled)
    rows.append(row)
deeper = pd.DataFrame(rows).set_index("depth")
deeper.map("{:.4g}".format)

# %% [markdown]
# Scaled in this way, a hundred times as many layers lose the same tenth of a decade at the fixed
# point. With the recipe of 1,000 layers, unchanged, they would lose nine. Theory promises nothing
# about training, but [ten thousand layers](experiments/deep.ipynb) do train, to
# above 0.93, and a hundred thousand by the same law.

# %%
lost_scaled, lost_unscaled = deeper["decades lost"], deeper["with gain 1.02"]
claims.claim(
    "1,000 layers: decades at the fixed point", lost_scaled[1000], about=0.093, within=0.02
)
claims.claim("100,000 layers, scaled", lost_scaled[100_000], about=0.1, within=0.02)
claims.claim("100,000 layers, gain 1.02", lost_unscaled[100_000], about=9.3, within=0.02)

# %% [markdown]
# ### Exercise 6.3 - my_start (open)
#
# *About 20 minutes, hard.*
#
# The recipe loses most of its 0.86 decades in the first layers. A start of your own can make up for
# that further up. Write `my_start(depth)`: it returns two numbers, the gain and the bias variance
# (0 is allowed), for a plain tanh network of `depth` layers with orthogonal weights. The delta norm
# of layer 1 shall be that of the last layer, up or down by at most *half a decade*.
#
# The check builds your networks at width 32, with 100, 300 and 1,000 layers, and probes them on
# digits; for 3,000 layers it asks theory. No single pair of numbers passes at all four depths.
#
# <details><summary>Hint</summary><code>models.predicted_profile(setting, inputs)[0]</code> shows
# the outcome before you build anything. On which side of 1 must chi be, so that the delta norm
# grows back?</details>
# <details><summary>More help</summary>Leave the bias out. In L layers the delta norm then grows by
# about 0.29 L (gain - 1)² decades, and some 0.6 decades are to be made up for.</details>


# %% tags=["exercise"]
def my_start(depth: int) -> tuple:
    """Gain and bias variance of a plain tanh network whose delta norm stays level."""
    ### BEGIN SOLUTION
    return 1 + (2 / depth) ** 0.5, 0.0
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_start)

# %% [markdown] tags=["solution"]
# One of many answers: 0.29 L (gain - 1)² is 0.6 if gain - 1 is the root of 2/L. It is the law of
# this section once more: the deeper, the nearer to 1, like the root of the depth.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who says it | verdict | measured here |
# |---|---|---|---|
# | Xavier and He keep gradients stable | encyclopaedia entry | on average, at the start | 0.37 |
# | Xavier for tanh | answer, study notes, blog post | not at 1,000 layers | one direction |
# | so deep: "impossible just a decade ago" | chapter | not for want of skips | 1,000 layers |
#
# ## What this does not show
#
# That such depth helps: on these digits it does not. That it is wise: skips and norms reach it over
# a wide range of gains, rates and activations. The recipe was found at width 64 on one data set,
# its two rates by trial.
#
# ## Summary
#
# * A layer of $n$ ReLU units multiplies the squared gradient by a random factor of variance 5/n.
#   The typical network of 20 layers of 50 keeps 0.37 of it, while the mean is 1.
# * 40 Gaussian layers leave a millionth of the middle direction of 64, orthogonal ones keep all,
#   and the norm does not tell.
# * Orthogonal weights, gain 1.02, a trace of bias and a rate of $0.01/L$ train 1,000 tanh layers to
#   above 0.95 in 100 steps. Gaussian weights, Xavier's, gain 0.95 and gain 1.2 stay below 0.3.
#
# ## References
#
# The encyclopaedia entry, the answer, the study notes, the blog post and the chapter
# ([all five](../docs/sources.md)); Hanin and Nica 2018,
# [theorem 1](https://arxiv.org/abs/1812.05994); Saxe et al. 2014,
# [orthogonal starts](https://arxiv.org/abs/1312.6120); Pennington et al. 2017,
# [singular values](https://arxiv.org/abs/1711.04735); Schoenholz et al. 2017,
# [fig. 5](https://arxiv.org/abs/1611.01232); Xiao et al. 2018,
# [10,000 layers](https://arxiv.org/abs/1806.05393).
#
# Next: [07 · Does BatchNorm stabilise?](07_normalization.ipynb)

# %%
print(progress.summary())

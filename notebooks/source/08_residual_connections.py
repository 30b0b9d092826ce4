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
# # 08 · Why do skips work, and when do they not?
#
# You need [01](01_theory.ipynb); [07](07_normalization.ipynb) helps. Runs on a laptop CPU.
#
# **By the end you can**
#
# * predict how much each block of a residual network adds to signal and gradient, and name five
#   cures;
# * say how many branches a gradient really passes on its way back through 50 blocks;
# * show on a network of 44 convolutions what residual connections repaired, and that it was not a
#   vanishing gradient.

# %% tags=["setup"]
import copy
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
pd.options.display.float_format = "{:.3g}".format  # three digits in every table
claims.published("08", seed=0, blocks=20, deep=50, draws=10, steps=150)

# %% tags=["parameters"]
seed = 0
blocks = 20
deep = 50
draws = 10
steps = 150

# %% [markdown]
# ## One block
#
# A plain layer returns $F(x)$: whatever is to get through has to get through $F$. A **residual
# block** returns
#
# $$y = x + F(x).$$
#
# $F$ is called the **[branch](../docs/glossary.md#branch)**, the way past it the **skip**, or
# residual connection. In PyTorch it is one `+`.
#
# What does the `+` do for the gradient? Look at the [Jacobian](../docs/glossary.md#jacobian), the
# table that says how much each output moves when one input moves a little. Three units make a
# table that can be read: first for the branch alone, then for the block.

# %%
torch.manual_seed(seed)
layer = nn.Linear(3, 3).double()
x = torch.randn(3, dtype=torch.float64)


def block(x):
    branch = torch.sigmoid(layer(x))
    return x + branch


jacobian = torch.autograd.functional.jacobian
alone = jacobian(lambda x: torch.sigmoid(layer(x)), x)  # (outputs, inputs)
whole = jacobian(block, x)  # (outputs, inputs)
print(alone, whole, sep="\n\n")

# %% [markdown]
# The same small numbers, with 1 added on the diagonal. Ones on the diagonal and zeros elsewhere are
# the identity, $I$. So the chain rule, which sends a gradient back, becomes
#
# $$\frac{\partial L}{\partial x} = \bigl(I + F'(x)\bigr)^{\!\top}\,\frac{\partial L}{\partial y}.$$
#
# However little the branch lets through, $I$ hands everything on. From here on `models` builds such
# blocks; `residual="pre-add"` asks for ours. With the same weights both return the same.

# %%
claims.claim("the skip adds I", torch.allclose(whole, torch.eye(3).double() + alone))
net = models.build(models.Setting(blocks + 2, 3, "sigmoid", residual="pre-add"), 3, 3, seed)
theirs = net.double()[2]  # the first block, after a layer and its sigmoid
layer.load_state_dict(theirs.branch[0].state_dict())
claims.claim("our block and theirs agree", torch.equal(block(x), theirs(x)))

# %% [markdown]
# All [five articles](../docs/sources.md) recommend skips. Two print code, and not the same code:
#
# * the answer adds *before* the activation, `relu(layer(x) + x)`. The activation comes after the
#   sum, so we call it **[post-add](../docs/glossary.md#post-add)**;
# * the blog post adds *after* it, `x + relu(linear(x))`,
#   **[pre-add](../docs/glossary.md#pre-add)**, and says that this solves vanishing "(and
#   exploding)" gradients.
#
# The study notes write $x + F(x)$, which fits both. Is it a cure?
#
# **Predict.** A plain network of 22 sigmoid layers, weights as PyTorch draws them, loses 18
# [decades](../docs/glossary.md#decade) of gradient from its last layer to its first, 0.86 per
# layer. Now its 20 inner layers get skips. Only the first sigmoid has no way around it. How many
# decades are lost?

# %%
guess = None
prediction = claims.predict("Decades lost with skips?", guess)

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(128, seed)  # (128, 64): pictures, pixels
tried = {
    "sigmoid(Wx)": models.Setting(blocks + 2, 64, "sigmoid"),
    "x + sigmoid(Wx)": models.Setting(blocks + 2, 64, "sigmoid", residual="pre-add"),
    "relu(x + Wx)": models.Setting(blocks + 2, 64, "relu", residual="post-add"),
    "x + relu(Wx)": models.Setting(blocks + 2, 64, "relu", residual="pre-add"),
}
flows = {}
for name, setting in tried.items():
    net = models.build(setting, 64, 10, seed)
    flows[name] = probe.record(net, inputs, targets, functional.cross_entropy)
prediction.compare(flows["x + sigmoid(Wx)"].decades_lost)

# %%
deltas = {name: flow.delta_norms for name, flow in flows.items()}
ax = plots.layer_profile(deltas, title="Skips end vanishing")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Shown is the [delta](../docs/glossary.md#delta), the gradient behind each
# layer of weights. The network without skips falls by 18 decades from right to left. The three with
# skips stay at the top, and with the sigmoid less than one decade is lost. Look at `x + relu(Wx)`,
# though, the order of the blog post: it *rises* on its way to layer 1, about tenfold.
#
# Does a network that has its gradient back also learn? And one whose gradient grows?

# %%
trials = {
    "sigmoid(Wx), rate 0.1": ("sigmoid(Wx)", 0.1),
    "x + sigmoid(Wx), rate 0.1": ("x + sigmoid(Wx)", 0.1),
    "relu(x + Wx), rate 0.05": ("relu(x + Wx)", 0.05),
    "x + relu(Wx), rate 0.03": ("x + relu(Wx)", 0.03),
    "x + relu(Wx), rate 0.1": ("x + relu(Wx)", 0.1),
}
ended = {}
for trial, (name, rate) in train.each(trials.items()):
    net = models.build(tried[name], 64, 10, seed)
    run = train.fit(net, digits, train.Recipe("sgd", rate, steps=300), seed=seed)
    learnt = "learns" if run.test_accuracy > 0.8 else "stuck"
    ended[trial] = "overflows" if run.stopped else learnt
pd.DataFrame({"after 300 steps": ended})

# %% [markdown]
# "Learns" means that more than 80 % of the test pictures are right. The sigmoid network does, as
# soon as it has skips. So "prevents vanishing" is true. "And exploding" is not: at a rate of 0.1
# the network of the blog post *overflows*, which is to say that its numbers leave the range of
# float32. At 0.03 it learns.

# %%
for name, bounds in {
    "sigmoid(Wx)": (17.4, 18.4),
    "x + sigmoid(Wx)": (0, 1),
    "relu(x + Wx)": (-1, 0),
    "x + relu(Wx)": (-1.6, -0.6),
}.items():
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, between=bounds)
claims.claim("sigmoid(Wx), rate 0.1: stuck", ended["sigmoid(Wx), rate 0.1"] == "stuck")
claims.claim("x + sigmoid(Wx), rate 0.1: learns", ended["x + sigmoid(Wx), rate 0.1"] == "learns")
claims.claim("relu(x + Wx), rate 0.05: learns", ended["relu(x + Wx), rate 0.05"] == "learns")
claims.claim("x + relu(Wx), rate 0.03: learns", ended["x + relu(Wx), rate 0.03"] == "learns")
claims.claim("x + relu(Wx), rate 0.1: overflows", ended["x + relu(Wx), rate 0.1"] == "overflows")

# %% [markdown]
# **Question.** In a block `x + relu(Wx)` all ReLUs are off for some picture. What gradient does the
# block hand back?
#
# <details><summary>None: a dead ReLU has slope 0</summary>Not this: it is true of the branch. The
# skip does not meet the ReLU.</details>
# <details><summary>Exactly the gradient that arrives</summary>Right. The branch contributes 0, and
# the identity hands on everything.</details>
# <details><summary>Half of it</summary>Not this: skip and branch do not share the gradient. Each
# hands back its own, and the two are added.</details>

# %% [markdown]
# ### Exercise 8.1 - block_gradient (4 points)
#
# *About 11 minutes, medium.*
#
# Write the backward pass of both orders. `weight` has shape (units, units); there is no bias. `x`,
# the input of the block, and `back`, the gradient at its output, have shape (batch, units).
# `block_gradient(weight, x, back, order)` returns the gradient at `x`, shape (batch, units). For
# `"pre-add"` the block is `x + relu(x @ weight.T)`, for `"post-add"` it is
# `relu(x @ weight.T + x)`; 2 points each. The slope of a ReLU is 1 above 0, else 0.
#
# <details><summary>Hint</summary>Two ways lead from x to the output. Write down for each what it
# hands back, and add.</details>
# <details><summary>More help</summary>A gradient goes back through <code>z = x @ weight.T</code> as
# <code>gradient_at_z @ weight</code>, and through a ReLU times <code>(z > 0)</code>. Which of the
# two ways meets the ReLU?</details>


# %% tags=["exercise"]
def block_gradient(
    weight: torch.Tensor, x: torch.Tensor, back: torch.Tensor, order: str
) -> torch.Tensor:
    """Gradient at the input of a residual block."""
    ### BEGIN SOLUTION
    if order == "pre-add":
        return back + (back * (x @ weight.T > 0)) @ weight
    back = back * (x @ weight.T + x > 0)
    return back + back @ weight
    ### END SOLUTION


# %% tags=["check"]
exercises.check(block_gradient)

# %% [markdown] tags=["solution"]
# Before the sum, the activation gates the branch alone and the skip stays clean. After the sum it
# gates both ways, so post-add blocks have no clean way from the loss to the input.

# %% [markdown]
# ## What a block adds
#
# Why does a gradient grow in a network with skips? Ask one block. We take the branch of He et al.
# (2016b), ReLU first and then the weights, $F(x) = W\,\mathrm{relu}(x)$, with
# [He's weights](../docs/glossary.md#he), whose variance is 2/[fan_in](../docs/glossary.md#fan_in).
# They keep the mean square of a signal. So what is the mean square of the sum?

# %%
torch.manual_seed(seed)
x = torch.randn(1000, 128)  # (pictures, units)
layer = nn.Linear(128, 128, bias=False)
nn.init.kaiming_normal_(layer.weight)  # He's weights
branch = layer(torch.relu(x)).detach()
product, square_of_sum = (x * branch).mean(), (x + branch).square().mean()

print(f"mean square of x:        {x.square().mean():.2f}")
print(f"mean square of F(x):     {branch.square().mean():.2f}")
print(f"mean of x times F(x):    {product:.2f}")
print(f"mean square of x + F(x): {square_of_sum:.2f}")

# %% [markdown]
# About 1 and 1 make 2, because $(x+F)^2 = x^2 + F^2 + 2xF$ and the last term has mean 0. The
# entries of $W$ were drawn around 0 without a look at $x$, so $xF$ is as often positive as
# negative: the two are **uncorrelated**. It is Pythagoras. At right angles, squares add up.
#
# On the way back it is the same. Let $\rho$ (rho) be the factor by which a branch *alone*
# multiplies the mean square of a gradient, the [chi](../docs/glossary.md#chi) of lesson 01. With a
# number $s$ in front of the branch, which counts squared, one block gives
#
# $$\mathrm E\,\|g_{\text{in}}\|^2 = (1 + s^2\rho)\;\mathrm E\,\|g_{\text{out}}\|^2 .$$
#
# **A skip turns $\chi$ into $1+\chi$.** That is never below 1, so nothing vanishes. And it is above
# 1 unless $s^2\rho = 0$, so something grows. With He's weights $\rho = 1$.
#
# **Predict.** By which factor does the mean square of the gradient grow over 20 such blocks?

# %%
guess = None
prediction = claims.predict("Growth of the square over 20 blocks?", guess)

# %% [markdown]
# We need the signal before and after each block, called the **residual stream**, and the gradient
# at the same places. One random network may be lucky, so we build ten and take the
# [geometric mean](../docs/glossary.md#geometric-mean). The signal is counted from the first block
# on; the gradient, which comes from the other end, from the last.

# %%
pictures = functional.layer_norm(inputs.double(), (64,))  # each with mean square 1


def stream(net):
    """Return the signals before the first block and after each one, and their gradients."""
    places = [place for place, part in enumerate(net) if isinstance(part, models.Residual)]
    signals = [net[: places[0]](pictures)]
    for place in places:
        signals.append(net[place](signals[-1]))
    loss = functional.cross_entropy(net[places[-1] + 1 :](signals[-1]), targets)
    return signals, torch.autograd.grad(loss, signals)


# %%
def growth(setting):
    """Mean squares of signal and gradient around the blocks, over those where each starts."""
    logs = []
    for draw in range(draws):
        signals, gradients = stream(models.build(setting, 64, 10, 1000 * seed + draw).double())
        signal = np.array([part.square().mean().item() for part in signals])
        gradient = np.array([part.square().mean().item() for part in gradients])
        logs.append(np.log([signal / signal[0], gradient / gradient[-1]]))
    signal, gradient = np.exp(np.mean(logs, axis=0))
    return pd.DataFrame({"signal": signal, "gradient": gradient})


# %%
settings = {"x + F": models.Setting(blocks + 2, 128, "relu", "he", residual="pre-act")}
measured = {"x + F": growth(settings["x + F"])}
prediction.compare(measured["x + F"]["gradient"].iloc[0])
measured["x + F"].iloc[[0, 1, 2, 3, -3, -2, -1]]  # a row for each number of blocks passed

# %% [markdown]
# Read the signal downwards: 1, 2, 4, 8. Read the gradient upwards, as it flows: it doubles as well.
# Twenty doublings make $2^{20}$, a million, up to the luck of ten draws.
#
# What happens in the orders of the articles? We take PyTorch's own weights, of variance
# 1/(3 fan_in). A ReLU lets half of the mean square through, so now $\rho = \tfrac13\cdot\tfrac12 =
# \tfrac16$, and we expect 1.17 per block.


# %%
def per_block(table):
    """Growth per block: of the signal to the last block, of the gradient to the first."""
    ends = pd.Series({"signal": table["signal"].iloc[-1], "gradient": table["gradient"].iloc[0]})
    return ends ** (1 / blocks)


off = (per_block(measured["x + F"]) / 2 - 1).abs().max()
claims.claim("mean of x times F(x)", product, between=(-0.03, 0.03), digits=1)
claims.claim("mean square of x + F(x)", square_of_sum, about=2, within=0.1)
claims.claim("x + F, signal and gradient: per block, off 2 by", off, below=0.04)
claims.claim("x + F: gradient", measured["x + F"]["gradient"].iloc[0], about=1e6, factor=2.5)

# %%
found = pd.DataFrame()
for name, residual in {
    "x + W relu(x)": "pre-act",
    "x + relu(Wx)": "pre-add",
    "relu(x + Wx)": "post-add",
}.items():
    found[name] = per_block(growth(models.Setting(blocks + 2, 128, "relu", residual=residual)))
found

# %% [markdown]
# The first column is as expected. The second has the same parts in another order, and its signal
# grows by 1.56 per block. Why is the sum of squares wrong here? Look at the three terms of
# $(x+F)^2$ again, block by block, for $F(x) = \mathrm{relu}(Wx)$ with He's weights. All are divided
# by the mean square of $x$.

# %%
torch.manual_seed(seed)
x = torch.randn(1000, 128)  # (pictures, units)
rows = []
for _ in range(8):
    layer = nn.Linear(128, 128, bias=False)
    nn.init.kaiming_normal_(layer.weight)
    branch = torch.relu(layer(x)).detach()
    terms = {"x²": x.square().mean(), "F²": branch.square().mean(), "2xF": 2 * (x * branch).mean()}
    rows.append({name: (term / terms["x²"]).item() for name, term in terms.items()})
    x = x + branch
by_block = pd.DataFrame(rows, index=[f"block {number}" for number in range(1, 9)])
by_block["growth"] = by_block.sum(axis=1)
by_block

# %% [markdown]
# In block 1 the product is near 0; from block 2 on it is not. A ReLU is never negative, so each
# branch adds something positive to every unit. The stream gets a *mean*, the next branch pushes the
# same way again, and $xF$ is mostly positive: the right angle is lost. Growth settles near 2.9.
#
# > **Where 2.9 comes from.** Let $x$ have mean square $q$ and mean $m$, and the branch $\rho q$;
# > with He's weights $\rho = 1$. $Wx$ is normal with mean square $2\rho q$. After the ReLU half of
# > it is left, $\rho q$, and the mean is $p = \sqrt{2\rho q}/\sqrt{2\pi} = \sqrt{\rho q/\pi}$. So a
# > block makes $q + \rho q + 2mp$ of $q$, and $m + p$ of $m$. If $q$ has come to grow by $r$ per
# > block, then $m$ grows by $\sqrt r$. From $m + p = m\sqrt r$ follows $m = p/(\sqrt r-1)$, and
# > $r = 1 + \rho + \dfrac{2\rho}{\pi(\sqrt r-1)}$, which 2.904 solves.


# %%
def settled(rho):
    """Solve the last equation: insert r on the right until it no longer changes."""
    r = 2.0
    for _ in range(200):
        r = 1 + rho + 2 * rho / (math.pi * (math.sqrt(r) - 1))
    return r


print(f"He's weights: {settled(1):.3f}, PyTorch's: {settled(1 / 6):.3f}")

# %% [markdown]
# With PyTorch's weights theory says 1.58, and we measured 1.56. The gradient gets less of it, 1.29.
#
# And the answer's `relu(x + Wx)`? Its branch is $Wx$ itself, a third of the square. The sum has
# $1 + \tfrac13 = 1.33$; then the outer ReLU cuts off what is negative, and 1.27 is left. Its
# gradient grows by 1.15.

# %%
said = {"x + W relu(x)": [1.17, 1.17], "x + relu(Wx)": [1.56, 1.29], "relu(x + Wx)": [1.27, 1.15]}
off = (found / pd.DataFrame(said, index=["signal", "gradient"]) - 1).abs().max(axis=None)
he_weights = growth(models.Setting(blocks + 2, 128, "relu", "he", residual="pre-add"))
claims.claim("six factors per block, off what we say by", off, below=0.04)
claims.claim("theory, He's weights: per block", settled(1), about=2.904, within=0.0005)
claims.claim("theory, PyTorch's weights: per block", settled(1 / 6), about=1.58, within=0.001)
claims.claim("x + relu(Wx), He's", per_block(he_weights)["signal"], about=2.904, within=0.04)

# %% [markdown]
# ## Five cures
#
# A block multiplies by $1+s^2\rho$, and with He's weights 20 blocks make a million of it. What can
# be done? First, **scale**. There are two ways.
#
# * **Half-sum** (Gehring et al. 2017): $(x + F(x))/\sqrt2$. The sum has twice the mean square, and
#   a division by $\sqrt2$ halves it again. Nothing grows.
# * **Scaled branch**: $x + F(x)/\sqrt L$ for $L$ blocks. Now $s^2 = 1/L$, and all blocks together
#   make $(1+1/L)^L$. So grows money at 100 % interest that is paid out in $L$ small parts. However
#   many parts, it stays below $e = 2.718$.

# %%
for parts in (1, 2, 20, 1000):
    print(f"L = {parts:4}: {(1 + 1 / parts) ** parts:.3f}")

# %%
settings["half-sum"] = replace(settings["x + F"], residual="pre-act-half")
settings["F / sqrt(L)"] = replace(settings["x + F"], residual="pre-act-scaled")
measured["half-sum"] = growth(settings["half-sum"])
measured["F / sqrt(L)"] = growth(settings["F / sqrt(L)"])

half, scaled = per_block(measured["half-sum"]), per_block(measured["F / sqrt(L)"])
total = measured["F / sqrt(L)"]["gradient"].iloc[0]
claims.claim("half-sum: signal, per block", half["signal"], about=1, within=0.04)
claims.claim("half-sum: gradient, per block", half["gradient"], about=1, within=0.04)
claims.claim("F / sqrt(L): signal, per block", scaled["signal"], about=1 + 1 / blocks, within=0.04)
claims.claim("F / sqrt(L): gradient, all blocks", total, about=2.7, factor=1.2)

# %% [markdown]
# Second, **normalise**. **Pre-norm** (He et al. 2016b) is $x + F(\mathrm{norm}(x))$. The branch
# reads a signal brought to mean square 1, so each block *adds 1*, however large the stream has
# become. The first layer, with He's weights, hands over 2, and 20 blocks make 22 of it: a factor
# 11, where doubling makes a million.
#
# On the way back the norm divides by the size of the stream. The blocks multiply the gradient by
# $\tfrac32, \tfrac43, \ldots, \tfrac{22}{21}$, and the product of these is 11 again.

# %%
settings["pre-norm"] = replace(settings["x + F"], norm="layer")
measured["pre-norm"] = growth(settings["pre-norm"])

added = (2 + blocks) / 2
total = measured["pre-norm"]["gradient"].iloc[0]
signal = per_block(measured["pre-norm"])["signal"]
claims.claim("pre-norm: signal, per block", signal, about=added ** (1 / blocks), within=0.04)
claims.claim("pre-norm: gradient, all blocks", total, about=11, factor=1.25)
helper = theory.residual_trajectory("relu", 2.0, blocks=blocks, q0=2.0, norm="layer")
claims.claim("pre-norm: the helper agrees", np.allclose(helper.q, 2 + np.arange(blocks + 1)))

# %% [markdown]
# Third, **start at zero**. **ReZero** (Bachlechner et al. 2021) is $x + a\,F(x)$, with a number $a$
# that is learnt and starts at 0. **Fixup** (Zhang et al. 2019) has two layers a branch, and the
# last one starts at 0. In both, each block is the identity at first, and nothing grows at all. The
# branches are not dead: the gradient of $a$ is not 0, so the first step moves it.

# %%
settings["ReZero"] = replace(settings["x + F"], residual="rezero")
settings["Fixup"] = replace(settings["x + F"], residual="fixup", depth=2 * blocks + 2)
for name in ("ReZero", "Fixup"):
    measured[name] = growth(settings[name])
    claims.claim(f"{name}: exactly 1 at each place", (measured[name] == 1).all(axis=None))

# %%
passed = np.arange(blocks + 1)
lines = dict.fromkeys(measured, np.ones(blocks + 1))
lines["x + F"] = 2.0**passed
lines["F / sqrt(L)"] = (1 + 1 / blocks) ** passed
lines["pre-norm"] = (2 + passed) / 2
axis = {"x": passed, "xlabel": "blocks before this place", "yscale": "log"}
_, (left, right) = plots.panels(2)
signals = {name: table["signal"] for name, table in measured.items()}
plots.curves(signals, lines, ax=left, title="Signal", ylabel="mean square", **axis)
gradients = {name: table["gradient"] for name, table in measured.items()}
lines = {name: line[-1] / line for name, line in lines.items()}
plots.curves(gradients, lines, ax=right, title="Gradient", ylabel="", legend=False, **axis)
plots.show(left)

# %% [markdown]
# **Reading the figure.** Points are measured, dashed lines are what we worked out; nothing is
# fitted. The signal grows on its way to the right, the gradient on its way to the left: one is the
# mirror of the other. `x + F` doubles at every block. Pre-norm bends, because what it adds counts
# for less and less. The scaled branch stays below 3. The other three are level.
#
# ### Is a level norm enough?
#
# We build all six with **50 blocks** and train them at one rate (about 15 seconds).

# %%
contest, runs = {}, {}
for name, setting in train.each(settings.items()):
    depth = 2 * deep + 2 if name == "Fixup" else deep + 2  # Fixup has two layers a branch
    contest[name] = replace(setting, depth=depth, width=64)
    net = models.build(contest[name], 64, 10, seed)
    recipe = train.Recipe("sgd", rate=0.05, steps=200)
    runs[name] = train.fit(net, digits, recipe, seed=seed)
ax = plots.training_curves(runs, chance=math.log(10), title="Six networks of 50 blocks")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** `x + F` overflows at once. Four cures come down. But the half-sum, whose
# norm was as level as anybody's, stays far behind. A level norm is *not* enough.
#
# What is wrong with it? Compare two pictures in the stream. The **cosine** of their signals is 1 if
# they point the same way, and 0 at right angles. We take the mean over all pairs of pictures,
# before the first block and after the last.


# %%
def mean_cosine(signal):
    """Mean cosine between the signals (pictures, units) of all pairs of pictures."""
    directions = functional.normalize(signal)  # each of length 1
    return (directions @ directions.T).mean().item()


cosines = pd.DataFrame()
for name in ("half-sum", "F / sqrt(L)"):
    ends = []
    for draw in range(4):
        signals, _ = stream(models.build(contest[name], 64, 10, 1000 * seed + draw).double())
        ends.append({"before": mean_cosine(signals[0]), "after": mean_cosine(signals[-1])})
    cosines[name] = pd.DataFrame(ends).mean()
cosines

# %%
least = min(runs[name].test_accuracy for name in ("F / sqrt(L)", "pre-norm", "ReZero", "Fixup"))
claims.claim("x + F: its loss is not finite", runs["x + F"].stopped is not None)
claims.claim("half-sum: accuracy", runs["half-sum"].test_accuracy, below=0.6, drifts=True)
claims.claim("the other four: least accuracy", least, above=0.85, drifts=True)
claims.claim("cosine before the first block", cosines.loc["before"].max(), below=0.1)

# %% [markdown]
# Under the half-sum all pictures have become alike: their cosine is above 0.8 after 50 blocks. What
# the last layer sees is nearly the same for a 3 and for an 8. Under $1/\sqrt L$ it stays near 0.28.
# The next section finds out why.
#
# ### Exercise 8.2 - branch_scale (4 points)
#
# *About 11 minutes, medium.*
#
# `branch_scale(blocks, rho, growth)` returns the factor $s > 0$ that, put on every branch, lets the
# mean square of the gradient grow by exactly `growth` over all blocks together. `blocks` is 1 or
# more, `rho` is positive, `growth` is above 1, and branches are uncorrelated with the stream. One
# block 2 points, a stack 2 points.
#
# <details><summary>Hint</summary>A block multiplies the mean square by $1+s^2\rho$. Solve this for
# one block first.</details>
# <details><summary>More help</summary>Equal blocks multiply. So each may grow by the root of the
# whole: the square root for two of them.</details>


# %% tags=["exercise"]
def branch_scale(blocks: int, rho: float, growth: float) -> float:
    """Factor on each branch that leads to a given growth of the mean square."""
    ### BEGIN SOLUTION
    return ((growth ** (1 / blocks) - 1) / rho) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
exercises.check(branch_scale)

# %% [markdown] tags=["solution"]
# Each block may grow by the $L$-th root of the whole, and what exceeds 1 is the branch's. For
# growth $e$ and many blocks this becomes $1/\sqrt{L\rho}$: that is where the $1/\sqrt L$ comes
# from.

# %% [markdown]
# ## How long is the way back?
#
# A plain network has one way back, through all layers. In a residual network the way forks at
# every block: the gradient takes the skip *and* the branch. With $J_1$ and $J_2$ the Jacobians of
# two branches, multiply out:
#
# $$(I + J_2)(I + J_1) = I + J_1 + J_2 + J_2J_1 .$$
#
# Four products, four **[paths](../docs/glossary.md#path)** (Veit et al. 2016): past both branches,
# through one, through the other, through both. Call the number of branches on a path its *length*.

# %% [markdown]
# **Question.** Three blocks. How many paths are there, and how many of them have length 2?
#
# <details><summary>3 and 2</summary>Not this: it counts the blocks. At each of them the way
# forks.</details>
# <details><summary>8 and 3</summary>Right. Two ways at each of three blocks are $2\cdot2\cdot2$
# paths; of length 2 are those that skip just one block, and there are three to
# choose from.</details>
# <details><summary>6 and 2</summary>Not this: ways at different blocks combine, so their numbers
# multiply. They do not add.</details>

# %% [markdown]
# Now $L$ blocks. There are $\binom Lk$ ways to choose the $k$ blocks whose branch is taken. Each
# branch multiplies the mean square by $\rho$, so such a path carries $\rho^k$. Different paths are
# uncorrelated, so squares add, and all together make $(1+\rho)^L$. The share of the squared
# gradient that has passed exactly $k$ branches is
#
# $$\binom Lk\,\frac{\rho^k}{(1+\rho)^L},$$
#
# a binomial distribution. Each block sends a share $\rho/(1+\rho)$ through its branch, so the mean
# length is $L\,\rho/(1+\rho)$.
#
# **Predict.** 50 blocks with PyTorch's weights, $\rho = 1/6$. How many branches has the gradient
# passed on average?

# %%
guess = None
prediction = claims.predict("Branches passed on average?", guess)

# %% [markdown]
# Nobody can list $2^{50}$ paths. But they can be *sorted on the way back*. What has length $k$
# above a block has length $k$ below it if it takes the skip, and $k+1$ if it takes the branch. To
# go back through $W\,\mathrm{relu}(x)$ is to multiply by $W$ and to keep what meets an open ReLU.


# %%
def by_length(net):
    """Split the gradient before the first block by the number of branches passed."""
    signals, gradients = stream(net)
    parts = [part for part in net if isinstance(part, models.Residual)]
    paths = torch.zeros(len(signals), *signals[0].shape).double()  # (lengths, pictures, units)
    paths[0] = gradients[-1]  # behind the last block nothing is passed yet
    for x, block in reversed(list(zip(signals[:-1], parts, strict=True))):
        weight = block.scale * block.branch[-1].weight.detach()
        paths[1:] += paths[:-1] @ weight * (x > 0)
    claims.claim("all paths together are the gradient", torch.allclose(paths.sum(0), gradients[0]))
    squares = paths.square().sum(dim=(1, 2))  # (lengths,)
    return (squares / squares.sum()).numpy()


# %%
he_deep = models.Setting(deep + 2, 128, "relu", "he", residual="pre-act")
shares = {}
for name, setting in {
    "x + F, He's weights": he_deep,
    "x + F, PyTorch's weights": replace(he_deep, initialization="default"),
    "x + F / sqrt(L), He's weights": replace(he_deep, residual="pre-act-scaled"),
}.items():
    shares[name] = by_length(models.build(setting, 64, 10, 1000 * seed).double())
prediction.compare(shares["x + F, PyTorch's weights"] @ np.arange(deep + 1))

# %% [markdown]
# No path was forgotten: all together are the gradient that PyTorch computes. And here is how the
# gradient divides among them, beside the binomial distribution.

# %%
lines = {}
for name, rho in {
    "x + F, He's weights": 1,
    "x + F, PyTorch's weights": 1 / 6,
    "x + F / sqrt(L), He's weights": 1 / deep,
}.items():
    lines[name] = [math.comb(deep, k) * rho**k / (1 + rho) ** deep for k in range(deep + 1)]
words = {"xlabel": "branches on the path", "ylabel": "share of the squared gradient"}
ax = plots.curves(shares, lines, x=range(deep + 1), title="Fifty blocks, three depths", **words)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Three networks of 50 blocks. The gradient of the first has passed about 25
# branches, that of the second 7, that of the third 1. The encyclopaedia entry is right that skips
# reduce the *effective* depth, and the binomial says by how much.
#
# "Bypass layers entirely", says the chapter. That is true of the share at length 0: a third of
# the squared gradient under $1/\sqrt L$, one part in two thousand with PyTorch's weights, and
# nothing to speak of with He's.

# %%
off = max(np.abs(shares[name] - line).max() for name, line in lines.items())
claims.claim("points, off the dashed lines by", off, below=0.04)
for name, mean, bounds in (
    ("x + F, He's weights", 25, (0, 1e-13)),
    ("x + F, PyTorch's weights", 7.14, (2e-4, 1e-3)),
    ("x + F / sqrt(L), He's weights", 0.98, (0.3, 0.43)),
):
    length = shares[name] @ np.arange(deep + 1)
    claims.claim(f"{name}: mean length", length, about=mean, within=0.12)
    claims.claim(f"{name}: past all branches", shares[name][0], between=bounds)

# %% [markdown]
# And the half-sum? Its factor $1/\sqrt2$ is the same for all paths, so their *shares* are those of
# the first network: 25 branches on average. It is a plain network of 25 ReLU layers in disguise,
# and such a network makes pictures alike. `theory.correlation_map` says what one layer does to the
# cosine of two pictures. In a half-sum block half of the signal comes by the skip, and keeps its
# cosine. We start both at right angles.

# %%
plain = 0.0
for _ in range(deep // 2):
    plain = theory.correlation_map("relu", 2.0, c=plain)
halved = 0.0
for _ in range(deep):
    halved = (halved + theory.correlation_map("relu", 2.0, c=halved)) / 2
after = cosines.loc["after"]
claims.claim("theory: cosine after 25 plain layers", plain, about=0.963, within=0.002)
claims.claim("theory: cosine after 50 half-sum blocks", halved, about=0.960, within=0.002)
claims.claim("50 half-sum blocks, measured", after["half-sum"], between=(0.8, 1))
claims.claim("50 blocks with F / sqrt(L), measured", after["F / sqrt(L)"], between=(0.15, 0.4))

# %% [markdown]
# Two pictures at right angles end at 0.96 in either. **A cure that keeps the long paths keeps their
# trouble.** Under $1/\sqrt L$ most of the signal has passed one branch or none.
#
# ### Exercise 8.3 - path_shares (5 points)
#
# *About 14 minutes, hard.*
#
# Real blocks are not equal: in a pre-norm network the stream grows, and $\rho$ falls from block to
# block. Write `path_shares(rhos)`. `rhos` is a list with the $\rho$ of each block, at least one;
# the answer is the list of the shares of lengths 0, 1, ... up to the number of blocks. They add up
# to 1. Equal blocks 2 points, unequal ones 3.
#
# <details><summary>Hint</summary>Sort on the way back, as above, with numbers in place of
# gradients. Start with one path of length 0, and pass one block at a time.</details>
# <details><summary>More help</summary>A block makes a list that is longer by one. Its entry $k$ is
# the old entry $k$, by the skip, plus $\rho$ times the old entry $k-1$, by the branch. Divide by
# the sum at the end.</details>


# %% tags=["exercise"]
def path_shares(rhos: list) -> list:
    """Shares of the squared gradient by number of branches passed."""
    ### BEGIN SOLUTION
    weights = [1.0]
    for rho in rhos:
        by_skip = [*weights, 0.0]
        by_branch = [0.0, *[rho * weight for weight in weights]]
        weights = [skip + branch for skip, branch in zip(by_skip, by_branch, strict=True)]
    return [weight / sum(weights) for weight in weights]
    ### END SOLUTION


# %% tags=["check"]
exercises.check(path_shares)

# %% [markdown] tags=["solution"]
# Every block splits each share in the ratio 1 to $\rho$. The result is the polynomial
# $\prod(1+\rho_l t)$, read off coefficient by coefficient.

# %% [markdown]
# ## Shattered gradients
#
# Long ways through *normalised* layers have another trouble, and no norm shows it. A gradient is
# of use only if it holds for a step: where the input moves a little, it may change only a little.
# In a ReLU network the gradient at an input depends on which ReLUs are open there. If even
# *neighbours* open different ones, their gradients have nothing in common. Such a gradient is
# called **shattered** (Balduzzi et al. 2017).
#
# We take random networks from one number to one number, and their derivative at 256 inputs in a
# row.


# %%
def derivative(draw, layers=24, norm=False, skips=False):
    """Derivative of a random ReLU network, 200 units a layer, at 256 inputs from -2 to 2."""
    generator = torch.Generator().manual_seed(1000 * seed + draw)
    options = {"generator": generator, "dtype": torch.float64}
    x = torch.linspace(-2, 2, 256).double()[:, None].requires_grad_()  # (inputs, 1)
    h = x @ torch.randn(1, 200, **options) + torch.randn(200, **options)  # (inputs, units)
    for _ in range(layers - 1):
        z = (h - h.mean(0).detach()) / h.std(0).detach() if norm else h  # batch norm
        branch = torch.relu(z) @ torch.randn(200, 200, **options) / 10  # He's: variance 2 / 200
        h = h + 0.1 * branch if skips else branch
    output = torch.relu(h) @ torch.randn(200, 1, **options)
    return torch.autograd.grad(output.sum(), x)[0].flatten().numpy()


# %%
def correlation(traces, distance):
    """Mean correlation of derivatives that lie so many inputs apart."""
    pairs = [(trace[:-distance], trace[distance:]) for trace in traces]
    return np.mean([np.corrcoef(one, other)[0, 1] for one, other in pairs])


traces = {}
traces["1 layer"] = [derivative(draw, layers=1) for draw in range(draws)]
traces["24 layers"] = [derivative(draw) for draw in range(draws)]
neighbours = {name: correlation(lines, 1) for name, lines in traces.items()}
pd.DataFrame({"correlation of neighbours": neighbours})

# %% [markdown]
# A **correlation** of 1 says that the two rise and fall together, 0 that one says nothing about the
# other. After one layer neighbours nearly agree; after 24 plain layers they still agree well.
#
# Now batch norm. It holds the signal at one size, while the gradient grows by 1.21 per layer
# ([lesson 07](07_normalization.ipynb)). But a gradient says how much a small difference between two
# inputs is enlarged, and $1.21^{24}$ is about 97.
#
# **Predict.** 24 layers with batch norm. What is the correlation of neighbours?

# %%
guess = None
prediction = claims.predict("Correlation of neighbours?", guess)

# %%
traces["24 layers, BN"] = [derivative(draw, norm=True) for draw in range(draws)]
traces["24 layers, BN, skips"] = [derivative(draw, norm=True, skips=True) for draw in range(draws)]
prediction.compare(correlation(traces["24 layers, BN"], 1), digits=1)
fading = {}
for name, lines in traces.items():
    fading[name] = [correlation(lines, distance) for distance in range(1, 31)]

# %%
shown = {}
for name, lines in traces.items():
    shown[name] = lines[0] / lines[0].std() - 8 * len(shown)  # one below the other
_, (left, right) = plots.panels(2, share=False)
words = {"xlabel": "input x", "ylabel": "df/dx, scaled and shifted", "title": "One draw each"}
plots.curves(shown, x=np.linspace(-2, 2, 256), ax=left, legend=False, **words)
left.set_yticks([])
words = {"xlabel": "distance of two inputs", "ylabel": "correlation", "title": "Mean of ten draws"}
plots.curves(fading, x=np.arange(1, 31) * 4 / 255, ax=right, **words)
right.set_ylim(-0.15, 1.6)
plots.show(left)

# %% [markdown]
# **Reading the figure.** Same colours left and right. After 1 layer the derivative wanders; after
# 24 plain layers it is more jagged and still wanders. With batch norm it is **white noise**. Two
# neighbours, made some 100 times more different, have become strangers: each input has a gradient
# of its own. Skips with a small branch, $x + 0.1\,F(x)$, bring the wandering back at the same depth.
#
# Who leaves the norm out will look for the white noise in vain: depth alone shatters far less.

# %%
claims.claim("1.21 in each of 24 layers", 1.21**24, about=97, within=0.01)
for name, bounds, digits in (
    ("1 layer", (0.95, 1), 3),
    ("24 layers", (0.75, 0.95), 3),
    ("24 layers, BN", (-0.15, 0.1), 1),
    ("24 layers, BN, skips", (0.9, 1), 3),
):
    claims.claim(f"{name}: neighbours", fading[name][0], between=bounds, digits=digits)

# %% [markdown]
# ## What ResNet was for
#
# The blog post lists He et al. (2016), the ResNet paper, among its sources on vanishing gradients.
# Section 4.1 of that paper says otherwise. Its plain networks had batch norm; the authors checked
# that signals vanish in neither direction, and call vanishing an unlikely cause. What they set out
# to cure is **degradation**: a deeper network ends with a *higher training error*.
#
# We need not take their word. We build convolutional networks for pictures of MNIST, with and
# without skips, of 8 and of 44 layers: 8 channels on 7 x 7 places, He's weights, batch norm.
#
# **Predict.** In lesson 07 batch norm with ReLU multiplied the gradient by 1.21 per layer. How many
# decades does the plain network of 44 convolutions lose? (Below 0 if its gradient grows.)

# %%
guess = None
prediction = claims.predict("Decades lost, plain, 44 layers?", guess)

# %%
mnist = data.mnist(seed)
images, labels = mnist.batch(512, seed)  # (512, 784): pictures, pixels


def picture_net(layers, residual="none", activation="relu", initialization="he", norm="batch"):
    """Convolutions of 8 channels, and an output layer that sees every place."""
    setting = models.Setting(layers, 8, activation, initialization, norm, residual)
    body = models.build_conv(setting, stride=4, seed=seed)[:-3]  # without its mean and output
    output = models.build(models.Setting(depth=1), 8 * 7 * 7, 10, seed)
    return nn.Sequential(*body, nn.Flatten(), *output)


# %%
nets = {
    "plain, 8": picture_net(8),
    "plain, 44": picture_net(44),
    "skips, 8": picture_net(8, "pre-act"),
    "skips, 44": picture_net(44, "pre-act"),
}
flows = {}
for name, net in nets.items():
    flows[name] = probe.record(net, images[:64], labels[:64], functional.cross_entropy)
prediction.compare(flows["plain, 44"].decades_lost)

# %% [markdown]
# Nothing vanished: the gradient *grows*, by about two decades.
#
# But a norm only says how *large* a gradient is. Do two batches ask for the same change? We take
# the cosine between the weight gradients of two batches of 256 pictures, layer by layer. At 1 they
# ask for the same. At 0 the step that one batch asks for means nothing to the other.


# %%
def weight_gradients(net, pictures, answers):
    """Gradient of each matrix of weights of a network, first layer first."""
    weights = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    loss = functional.cross_entropy(net(pictures.double()), answers)
    return torch.autograd.grad(loss, weights)


def agreement(net):
    """Cosine between the weight gradients of two batches, layer by layer."""
    net = copy.deepcopy(net).double()
    one = weight_gradients(net, images[:256], labels[:256])
    other = weight_gradients(net, images[256:], labels[256:])
    pairs = zip(one, other, strict=True)
    return [functional.cosine_similarity(a.ravel(), b.ravel(), dim=0).item() for a, b in pairs]


# %%
cosines = {name: agreement(net) for name, net in nets.items()}
deltas = {name: flow.relative_delta_norms for name, flow in flows.items()}
places = {name: range(1, len(values) + 1) for name, values in cosines.items()}
_, (left, right) = plots.panels(2, share=False)
words = {"ylabel": "delta norm, relative to the last", "title": "Size", "float32_zone": False}
plots.layer_profile(deltas, ax=left, **words)
words = {"xlabel": "layer", "ylabel": "cosine of two batches", "title": "Direction"}
plots.curves(cosines, x=places, ax=right, legend=False, **words)
plots.show(left)

# %% [markdown]
# **Reading the figure.** Left, the size. The deep plain network (orange) rises towards layer 1, by
# 1.17 per layer: an explosion, if anything. Right, the direction, and here orange is the odd one
# out. Its cosine is near 0 in most layers: two batches of 256 pictures have gradients at right
# angles. With skips, at the same depth, they agree.

# %%
factor = flows["plain, 44"].norm_factor
claims.claim("plain, 44: norm, per layer", factor, about=1.165, within=0.04)
for name, decades, cosine in (
    ("plain, 8", (-0.6, 0.6), (0.25, 0.75)),
    ("plain, 44", (-3.2, -1.6), (-0.1, 0.2)),
    ("skips, 8", (-0.2, 0.9), (0.45, 0.95)),
    ("skips, 44", (-0.4, 0.9), (0.3, 0.95)),
):
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, between=decades)
    claims.claim(f"{name}: mean cosine", np.mean(cosines[name]), between=cosine, digits=1)

# %% [markdown]
# Which of the two decides whether a network learns, size or direction? Two more tries tell them
# apart:
#
# * **Adam**, which divides each step by the size of the gradient. If size were to blame, it would
#   rescue the plain network.
# * **44 plain layers with directions that agree.** Xiao et al. (2018) train 10,000 plain
#   convolutions, with tanh and no norm. They start each kernel with an orthogonal matrix in its
#   centre and 0 around it, so that a layer at first *turns* the channels and mixes no places.

# %%
tanh = picture_net(44, activation="tanh", initialization="orthogonal", norm="none")
generator = torch.Generator().manual_seed(seed)
for layer in tanh.modules():
    if isinstance(layer, nn.Conv2d) and layer.in_channels == 8:
        nn.init.zeros_(layer.weight)  # (channels out, channels in, 3, 3)
        nn.init.orthogonal_(layer.weight.data[:, :, 1, 1], 1.1, generator=generator)
tanh_cosine = np.mean(agreement(tanh))
claims.claim("tanh, 44: mean cosine", tanh_cosine, above=0.4)

# %% [markdown]
# Now train all of them (about a minute).

# %%
trainings = {name: (net, train.Recipe("sgd", 0.2, steps)) for name, net in nets.items()}
trainings["tanh, 44"] = tanh, train.Recipe("sgd", 0.02, steps)
trainings["plain, 44, Adam"] = picture_net(44), train.Recipe("adam", 0.01, 100)
trainings["skips, 44, Adam"] = picture_net(44, "pre-act"), train.Recipe("adam", 0.01, 100)
runs = {}
for name, (net, recipe) in train.each(trainings.items()):
    runs[name] = train.fit(net, mnist, recipe, seed=seed)
shown = {name: run for name, run in runs.items() if "Adam" not in name}
ax = plots.training_curves(shown, chance=math.log(10), title="The same pictures, the same steps")
ax.set_ylim(0, 3.3)
ax.legend(ncols=3, loc="upper right")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Degradation: from the same steps the deeper plain network learns less than
# the shallow one that it contains, and on the *training* pictures. With skips 44 layers learn as 8
# do. The 44 plain tanh layers, whose directions agree, learn too, more slowly. And Adam does not
# rescue the plain network: fewer than half of the training pictures are right.
#
# Nor does its gradient vanish later. After training it loses one or two decades, nothing like the
# 18 at the start of this lesson.

# %%
for name in ("plain, 8", "skips, 8", "skips, 44", "skips, 44, Adam"):
    claims.claim(f"{name}: training accuracy", runs[name].train_accuracy, above=0.85, drifts=True)
for name in ("plain, 44", "plain, 44, Adam"):
    claims.claim(f"{name}: training accuracy", runs[name].train_accuracy, below=0.5, drifts=True)
accuracy = runs["tanh, 44"].train_accuracy
claims.claim("tanh, 44: training accuracy", accuracy, above=0.75, drifts=True)
later = probe.record(nets["plain, 44"], images[:64], labels[:64], functional.cross_entropy)
lost = later.decades_lost
claims.claim("plain, 44, trained: decades lost", lost, between=(0.2, 2.7), drifts=True)

# %% [markdown]
# **Question.** Which measurement tells the plain network of 44 layers from those that learn?
#
# <details><summary>The norm of the gradient at layer 1: it is too small</summary>Not this: it is
# the largest of all.</details>
# <details><summary>The cosine between the gradients of two batches</summary>Right. It is near 0, so
# the steps of different batches undo one another.</details>
# <details><summary>The number of weights</summary>Not this: a skip has no weights, and with skips
# the same number of them learns.</details>

# %% [markdown]
# ### Exercise 8.4 - my_branch_scale (open)
#
# *About 14 minutes, medium.*
#
# Design a cure of your own for 100 blocks. `my_branch_scale(block, blocks)` returns the factor on
# the branch of one block; `block` counts from 1, nearest the input, to `blocks`. The factors may
# differ from block to block. The check builds networks $x + s\,W\,\mathrm{relu}(x)$ of 100 blocks
# with He's weights and asks:
#
# * Is each factor a finite number?
# * Do the branches still matter: do the squares of all factors add up to 0.5 or more?
# * Does the mean square of the signal grow by no more than a factor 10?
# * Does that of the gradient, from the last block back to the first?
#
# <details><summary>Hint</summary>A block multiplies by $1+s^2$. For small numbers the product of
# many such factors is about $e$ to the power of the sum of all $s^2$.</details>
# <details><summary>More help</summary>How large may that sum be? Any sequence whose squares add up
# to so much will do, also one that falls from block to block.</details>


# %% tags=["exercise"]
def my_branch_scale(block: int, blocks: int) -> float:
    """Factor on the branch of one of many blocks."""
    ### BEGIN SOLUTION
    return 1 / block
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_branch_scale)

# %% [markdown] tags=["solution"]
# One of many: the first block in full, each later one more carefully. The squares $1, \tfrac14,
# \tfrac19, \ldots$ add up to 1.64, and the growth stays below 3.7, however many blocks there are.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who | verdict | measured here |
# |---|---|---|---|
# | skips prevent vanishing | all five | true: $\chi$ becomes $1+\chi$ | 18 decades, then under 1 |
# | ... and exploding | blog post | false: they cause it | doubling; overflow at rate 0.1 |
# | `relu(layer(x) + x)` | answer | cures vanishing, grows | 1.27 and 1.15 per block |
# | `x + relu(linear(x))` | blog post | the same, grows more | 1.56 and 1.29 per block |
# | a way around layers | answer, blog post, chapter | true of a share | a third, 1/2,000, nothing |
# | reduce the effective depth | encyclopaedia entry | true | 50 blocks: 25, 7 or 1 |
# | He et al. (2016) as a source | blog post | misleading | gradients grew; direction lost |
# | depth without skips as a cause | study notes | not by itself | 44 plain tanh layers learn |
# | breakthrough to 100+ layers | chapter | in history; not necessary | the same |
#
# ## What this does not show
#
# 150 steps are a start. He et al. saw the deeper network stay behind to the end of a long training;
# ours was only seen to learn far more slowly, at one rate an optimizer. Their blocks have two
# convolutions and an outer ReLU, ours one and none. That lost directions are the cause is what the
# numbers suggest, not what they prove. And all factors here hold at the start: branches grow when
# they are trained.
#
# ## Summary
#
# * A skip turns $\chi$ into $1+\chi$. With He's weights each block doubles the mean square, forward
#   and backward. $1/\sqrt L$ holds it to 2.7 over 20 blocks, pre-norm to 11; half-sum, ReZero and
#   Fixup are level.
# * The paths of a gradient have binomial lengths: of 50 branches it passes 25, 7 or 1 on average.
#   The half-sum has a level norm, the long paths, and a cosine above 0.8 between pictures; it stays
#   behind.
# * In a plain network of 44 convolutions with batch norm the gradient did not vanish, it grew by
#   two decades; yet two batches had a mean cosine near 0. With skips it was above 0.3, and the
#   network learnt.
#
# ## References
#
# He et al. 2016, [section 4.1 and figure 1](https://arxiv.org/abs/1512.03385); He et al. 2016b,
# [the clean skip](https://arxiv.org/abs/1603.05027); Veit et al. 2016, [figure
# 6](https://arxiv.org/abs/1605.06431); Balduzzi et al. 2017, [figure
# 1](https://arxiv.org/abs/1702.08591); Yang and Schoenholz 2017, [mean-field theory of
# skips](https://arxiv.org/abs/1712.08969); Gehring et al. 2017, [the
# half-sum](https://arxiv.org/abs/1705.03122); Zhang et al. 2019,
# [Fixup](https://arxiv.org/abs/1901.09321); Bachlechner et al. 2021,
# [ReZero](https://arxiv.org/abs/2003.04887); Xiao et al. 2018, [10,000 plain
# layers](https://arxiv.org/abs/1806.05393). [The five articles](../docs/sources.md): all of them.
#
# Next: lesson 09, what does a gate buy?

# %%
print(progress.summary())

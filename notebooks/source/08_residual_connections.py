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
# * predict by which factor a [residual block](../docs/glossary.md#residual-block) multiplies
#   signal and gradient, and name five cures;
# * say how many of 50 [branches](../docs/glossary.md#branch) a gradient passes on its way back;
# * show on 44 layers of convolutions what [skips](../docs/glossary.md#skip) repaired, and that it
#   was not a vanishing gradient.

# %% tags=["setup"]
import math

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.autograd.functional import jacobian
from torch.nn.functional import cross_entropy, layer_norm, normalize

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
# $F$ is called the **branch**, the way past it the **skip**. In PyTorch it is one `+`.
#
# What does it do for the gradient? Look at the [Jacobian](../docs/glossary.md#jacobian), the table
# that says how much each output moves when one input moves a little: first of a branch alone, then
# of the block.

# %%
torch.manual_seed(seed)
layer = nn.Linear(3, 3).double()
x = torch.randn(3).double()
alone = jacobian(lambda x: torch.sigmoid(layer(x)), x)  # (outputs, inputs)
whole = jacobian(lambda x: x + torch.sigmoid(layer(x)), x)  # (outputs, inputs)
print(alone, whole, sep="\n\n")

# %% [markdown]
# The same small numbers, with 1 added on the diagonal. Ones there and zeros elsewhere are the
# identity, $I$. So the chain rule, which sends a gradient back, becomes
#
# $$\frac{\partial L}{\partial x} = \bigl(I + F'(x)\bigr)^{\!\top}\,\frac{\partial L}{\partial y}.$$
#
# However little the branch lets through, $I$ hands everything on. From here on `models` builds such
# blocks; with the same weights theirs returns what ours does.

# %%
net = models.build(models.Setting(3, 3, "sigmoid", residual="pre-add"), 3, 3, seed).double()
block = net[2]  # after the first layer and its sigmoid
layer.load_state_dict(block.branch[0].state_dict())
claims.claim("the skip adds I", torch.allclose(whole, torch.eye(3) + alone))
claims.claim("theirs agrees with ours", torch.equal(block(x), x + torch.sigmoid(layer(x))))

# %% [markdown]
# All [five articles](../docs/sources.md#the-five-articles) recommend skips. Two print code, not the
# same:
#
# * the answer: `relu(layer(x) + x)`. The activation comes after the sum, so we call it
#   **[post-add](../docs/glossary.md#post-add)**;
# * the blog post: `x + relu(linear(x))`, before the sum,
#   **[pre-add](../docs/glossary.md#pre-add)**. It says that this solves vanishing "(and exploding)"
#   gradients.
#
# The study notes' $x + F(x)$ fits both.
#
# **Predict.** A plain network of 22 sigmoid layers, weights as PyTorch draws them, loses 18
# [decades](../docs/glossary.md#decade) of gradient between its last layer and its first. Now its 20
# inner layers get skips; only the first sigmoid has no way around it. How many are lost?

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
    flows[name] = probe.record(net, inputs, targets, cross_entropy)
prediction.compare(flows["x + sigmoid(Wx)"].decades_lost)
deltas = {name: flow.delta_norms for name, flow in flows.items()}
plots.show(plots.layer_profile(deltas, title="Skips end vanishing"))

# %% [markdown]
# **Reading the figure.** Shown is the [delta](../docs/glossary.md#delta), the gradient behind each
# layer of weights. Without skips it falls by 18 decades from right to left. With skips it stays at
# the top; with the sigmoid less than one decade is lost. Look at the open diamonds, though, the
# block of the blog post: its gradient *rises* on its way to layer 1, about tenfold.
#
# Does a network learn once its gradient is back? And if its gradient grows?

# %%
trials = [("sigmoid(Wx)", 0.1), ("x + sigmoid(Wx)", 0.1), ("relu(x + Wx)", 0.05)]
trials += [("x + relu(Wx)", 0.03), ("x + relu(Wx)", 0.1)]
ended = {}
for name, rate in train.each(trials):
    net = models.build(tried[name], 64, 10, seed)
    run = train.fit(net, digits, train.Recipe("sgd", rate, steps=300), seed=seed)
    learnt = "learns" if run.test_accuracy > 0.8 else "stuck"
    ended[f"{name}, rate {rate}"] = "overflows" if run.stopped else learnt
pd.DataFrame({"after 300 steps": ended})

# %% [markdown]
# The sigmoid network learns as soon as it has skips: it reads more than 80 % of the test pictures
# right. "Prevents vanishing" is true. "And exploding" is not: at a rate of 0.1 the network of the
# blog post **[overflows](../docs/glossary.md#overflow)**, its numbers leave the range of float32.
# At 0.03 it learns.

# %%
bounds = {"sigmoid(Wx)": (17.4, 18.4), "x + sigmoid(Wx)": (0, 1)}
bounds |= {"relu(x + Wx)": (-1, 0), "x + relu(Wx)": (-1.6, -0.6)}
for name, between in bounds.items():
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, between=between)
claims.claim("sigmoid(Wx), rate 0.1: stuck", ended["sigmoid(Wx), rate 0.1"] == "stuck")
for trial in ("x + sigmoid(Wx), rate 0.1", "relu(x + Wx), rate 0.05", "x + relu(Wx), rate 0.03"):
    claims.claim(f"{trial}: learns", ended[trial] == "learns")
claims.claim("x + relu(Wx), rate 0.1: overflows", ended["x + relu(Wx), rate 0.1"] == "overflows")

# %% [markdown]
# **Question.** In a block `x + relu(Wx)` all ReLUs are off for some picture. What gradient does the
# block hand back?
#
# <details><summary>None: nothing passes a ReLU that is off</summary>Not this: the skip does not
# meet the ReLU.</details>
# <details><summary>Exactly the gradient that arrives</summary>Right. The branch adds 0 to
# it.</details>
# <details><summary>Half of it</summary>Not this: what both hand back is added, not
# shared.</details>

# %% [markdown]
# ### Exercise 8.1 - block_gradient (4 points)
#
# *About 11 minutes, medium.*
#
# Write the backward pass of both orders. `weight` has shape (units, units); there is no bias. `x`,
# the input of the block, and `back`, the gradient at its output, have shape (batch, units).
# `block_gradient(weight, x, back, order)` returns the gradient at `x`, of the same shape. For
# `"pre-add"` the block is `x + relu(x @ weight.T)`, for `"post-add"` it is
# `relu(x @ weight.T + x)`; 2 points each. The [slope](../docs/glossary.md#slope) of a ReLU is 1
# above 0, else 0.
#
# <details><summary>Hint</summary>Two ways lead from x to the output. Add what each hands
# back.</details>
# <details><summary>More help</summary>A gradient goes back through <code>z = x @ weight.T</code> as
# <code>gradient_at_z @ weight</code>, and through a ReLU times <code>(z > 0)</code>. Which way
# meets the ReLU?</details>


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
# Why does it grow? Take the branch of He et al. (2016b), ReLU first and then the weights,
# $F(x) = W\,\mathrm{relu}(x)$. [He's weights](../docs/glossary.md#he), of variance
# 2/[fan_in](../docs/glossary.md#fan_in), keep the mean square of a signal. So what is the mean
# square of the sum? It has three terms, $(x+F)^2 = x^2 + F^2 + 2xF$. We follow their means through
# eight blocks, each divided by that of $x^2$.


# %%
def he_layer(width=128):
    layer = nn.Linear(width, width, bias=False).double()
    nn.init.kaiming_normal_(layer.weight)  # He's weights
    return layer


def plus(x, layer):
    return x + layer(torch.relu(x))


# %%
def terms(block):
    """Means of F² and of 2xF in eight blocks x + F(x), and what they make of x²."""
    torch.manual_seed(seed)
    x = torch.randn(500, 512).double()  # (pictures, units)
    table = pd.DataFrame(columns=["F² / x²", "2xF / x²", "growth"])
    for number in range(1, 9):
        added = (block(x, he_layer(512)) - x).detach()
        square = (added.square().mean() / x.square().mean()).item()
        product = (2 * (x * added).mean() / x.square().mean()).item()
        table.loc[f"block {number}"] = [square, product, 1 + square + product]
        x = x + added
    return table


by_block = terms(plus)
by_block

# %% [markdown]
# About 1 and 1 make 2. The product is near 0, because the entries of $W$ were drawn around 0,
# without a look at $x$: the two are **uncorrelated**. At right angles, squares add up.
#
# On the way back it is the same. Let $\rho$ (rho) be the factor by which a branch *alone*
# multiplies the mean square of a gradient, its [chi](../docs/glossary.md#chi). With a number $s$ in
# front, which counts squared, one block gives, from the gradient behind it to that in front of it
# ([formulas](../docs/formulas.md#residual-blocks)),
#
# $$\mathrm E\,\|g_{\text{front}}\|^2 = (1 + s^2\rho)\;\mathrm E\,\|g_{\text{behind}}\|^2 .$$
#
# **A skip turns $\chi$ into $1+\chi$.** That is never below 1, so nothing vanishes. It is above 1
# unless $s^2\rho = 0$, so something grows. With He's weights $\rho = 1$.
#
# **Predict.** By which factor does the mean square of the gradient grow over 20 such blocks?

# %%
guess = None
prediction = claims.predict("Growth of the square over 20 blocks?", guess)

# %% [markdown]
# We send random pictures through the blocks and a gradient back, and keep both at each place
# between two blocks. (The signal there is called the **[residual
# stream](../docs/glossary.md#residual-stream)**.) One draw of weights may be lucky, so we make ten
# and take the [geometric mean](../docs/glossary.md#geometric-mean).


# %%
def run(block, layers, start=torch.clone):  # start: done to the pictures before the first block
    """Return the signals before the first block and after each one, and their gradients."""
    signals = [start(torch.randn(64, 128).double()).requires_grad_()]  # (pictures, units)
    for layer in layers:
        signals.append(block(signals[-1], layer))
    outputs = nn.Linear(128, 10).double()(signals[-1])
    loss = cross_entropy(outputs, torch.randint(10, (64,)))
    return signals, torch.autograd.grad(loss, signals)


# %%
def growth(block, new_layer=he_layer, **options):
    """Mean squares of signal and gradient, over those where they start: in front and behind."""
    logs = []
    for draw in range(draws):
        torch.manual_seed(1000 * seed + draw)
        signals, gradients = run(block, [new_layer() for _ in range(blocks)], **options)
        signal = np.array([part.square().mean().item() for part in signals])
        gradient = np.array([part.square().mean().item() for part in gradients])
        logs.append(np.log([signal / signal[0], gradient / gradient[-1]]))
    return pd.DataFrame(np.exp(np.mean(logs, axis=0)), index=["signal", "gradient"]).T


# %%
measured = {"x + F": growth(plus)}
prediction.compare(measured["x + F"]["gradient"].max())
claims.claim("2xF / x², mean of eight blocks", by_block["2xF / x²"].mean(), between=(-0.1, 0.1))
claims.claim("signal, all blocks", measured["x + F"]["signal"].max(), about=2**blocks, factor=2)
claims.claim("gradient, all blocks", measured["x + F"]["gradient"].max(), about=2**blocks, factor=2)
measured["x + F"].iloc[[0, 1, 2, 3, -3, -2, -1]]  # a row for each number of blocks passed

# %% [markdown]
# Read the signal downwards: 1, 2, 4, 8. Read the gradient upwards, as it flows: it doubles as well.
# Twenty doublings make $2^{20}$, a million.
#
# ### The order matters
#
# The block of the blog post has the same parts in another order, $F(x) = \mathrm{relu}(Wx)$. Does
# it double as well?


# %%
def pre_add(x, layer):
    return x + torch.relu(layer(x))


terms(pre_add)

# %% [markdown]
# In block 1 the product is near 0; from block 2 on it is not. A ReLU is never negative, so each
# branch adds something positive to every unit. The stream gets a *mean*, the next branch pushes the
# same way again, and $xF$ is mostly positive: the right angle is lost. Growth settles near 2.9.
#
# > **Where 2.9 comes from.** Let $x$ have mean square $v$ and mean $m$, and the branch $\rho v$.
# > $Wx$ is normal with mean square $2\rho v$, so the mean of its ReLU is
# > $p = \sqrt{2\rho v}/\sqrt{2\pi} = \sqrt{\rho v/\pi}$. A block makes $v + \rho v + 2mp$ of $v$,
# > and $m + p$ of $m$. Once $v$ grows by $r$ per block, $m$ grows by $\sqrt r$. So
# > $m = p/(\sqrt r-1)$, and $r = 1 + \rho + 2\rho/\bigl(\pi(\sqrt r-1)\bigr)$. For $\rho = 1$ that
# > is 2.904.
#
# PyTorch's weights have variance 1/(3 fan_in), and a ReLU keeps half of the mean square: $\rho =
# \tfrac16$. We expect 1.17 for `x + W relu(x)` and 1.58 for `x + relu(Wx)`. In the answer's
# `relu(x + Wx)` the branch is $Wx$, a third of the square: 1.33, less what the outer ReLU cuts off.
# (In these networks a ReLU stands before the first block.)


# %%
def per_block(block, **options):
    """Factor per block: on the signal, forward, and on the gradient, back."""
    table = growth(block, **options)
    ends = pd.Series({"signal": table["signal"].iloc[-1], "gradient": table["gradient"].iloc[0]})
    return ends ** (1 / blocks)


default = {"new_layer": lambda: nn.Linear(128, 128).double()}  # PyTorch's weights
found = pd.DataFrame({"x + W relu(x)": per_block(plus, **default)})
found["x + relu(Wx)"] = per_block(pre_add, start=torch.relu, **default)
post_add = per_block(lambda x, layer: torch.relu(x + layer(x)), start=torch.relu, **default)
found["relu(x + Wx)"] = post_add
found

# %%
said = {"x + W relu(x)": {"signal": 1.17, "gradient": 1.17}}
said["x + relu(Wx)"] = {"signal": 1.56, "gradient": 1.29}
said["relu(x + Wx)"] = {"signal": 1.27, "gradient": 1.15}
for name, factors in said.items():
    for place, factor in factors.items():
        claims.claim(f"{name}: {place}", found.loc[place, name], about=factor, within=0.04)
settled = per_block(pre_add, start=torch.relu)["signal"]
claims.claim("pre-add, He's weights: per block", settled, about=2.904, within=0.04)
for rho, factor in ((1, 2.904), (1 / 6, 1.58)):
    right = 1 + rho + 2 * rho / (math.pi * (math.sqrt(factor) - 1))
    claims.claim(f"rho = {rho:.2f}: right side of the equation", right, about=factor, within=5e-4)

# %% [markdown]
# As expected: 1.17; then 1.56 (its gradient gets less of it, 1.29); of 1.33 there is 1.27 left, and
# 1.15 for the gradient.
#
# ## Five cures
#
# With He's weights 20 blocks make a million. The first two cures *scale*.
#
# **[Half-sum](../docs/glossary.md#half-sum)** (Gehring et al. 2017): $(x + F(x))/\sqrt2$. The sum
# doubles the mean square, and the division halves it again. Nothing grows.
#
# **Scaled branch**: $x + F(x)/\sqrt L$ for $L$ blocks. Now $s^2 = 1/L$, and all blocks together
# make $(1+1/L)^L$. So grows money at 100 % interest, paid out in $L$ parts: to 2 in one part, to
# 2.65 in twenty, and never beyond $e = 2.718$.

# %%
measured["half-sum"] = growth(lambda x, layer: (x + layer(torch.relu(x))) / math.sqrt(2))
first, last = measured["half-sum"].iloc[0], measured["half-sum"].iloc[-1]
signal, gradient = last["signal"] ** (1 / blocks), first["gradient"] ** (1 / blocks)
claims.claim("half-sum: signal, per block", signal, about=1, within=0.04)
claims.claim("half-sum: gradient, per block", gradient, about=1, within=0.04)

# %%
measured["F / sqrt(L)"] = growth(lambda x, layer: x + layer(torch.relu(x)) / math.sqrt(blocks))
most = measured["F / sqrt(L)"].max()
claims.claim("F / sqrt(L): signal, all blocks", most["signal"], about=2.65, factor=1.2)
claims.claim("F / sqrt(L): gradient, all blocks", most["gradient"], about=2.65, factor=1.2)

# %% [markdown]
# **[Pre-norm](../docs/glossary.md#pre-norm)** (He et al. 2016b): $x + F(\mathrm{norm}(x))$, here
# with [layer norm](../docs/glossary.md#layer-norm). The branch reads a signal brought to mean
# square 1, so each block *adds 1*, however large the stream has become: 20 blocks make 21 of 1. On
# the way back the norm divides by the size of the stream. The factors are $\tfrac21, \tfrac32,
# \ldots, \tfrac{21}{20}$, and their product is 21 again.


# %%
measured["pre-norm"] = growth(lambda x, layer: x + layer(torch.relu(layer_norm(x, (128,)))))
most = measured["pre-norm"].max()
helper = theory.residual_trajectory("relu", 2.0, blocks=blocks, norm="layer").q
claims.claim("pre-norm: signal, all blocks", most["signal"], about=21, factor=1.25)
claims.claim("pre-norm: gradient, all blocks", most["gradient"], about=21, factor=1.25)
claims.claim("the helper adds 1 per block", np.allclose(helper, np.arange(blocks + 1) + 1))

# %% [markdown]
# The last two *start at zero*. **ReZero** (Bachlechner et al. 2021): $x + a\,F(x)$, with a number
# $a$ that is learnt and starts at 0. **Fixup** (Zhang et al. 2019): two layers a branch, the last
# one starts at 0. At first each block is the identity, and nothing grows. The branches are not
# dead: the gradient of $a$ is not 0, so the first step moves it.


# %%
nothing = torch.zeros(128, 128).double()
measured["ReZero"] = growth(lambda x, layer: x + 0.0 * layer(torch.relu(x)))
measured["Fixup"] = growth(lambda x, layer: x + torch.relu(layer(x)) @ nothing)
for name in ("ReZero", "Fixup"):
    claims.claim(f"{name}: exactly 1 at each place", (measured[name] == 1).all(axis=None))

# %%
to_come = blocks - np.arange(blocks + 1)
lines = dict.fromkeys(measured, np.ones(blocks + 1))
lines["x + F"] = 2.0**to_come
lines["F / sqrt(L)"] = (1 + 1 / blocks) ** to_come
lines["pre-norm"] = (blocks + 1) / (blocks + 1 - to_come)
gradients = {name: table["gradient"] for name, table in measured.items()}
words = {"xlabel": "blocks before this place", "ylabel": "square of the gradient (end = 1)"}
words |= {"title": "Doubling, and cures", "yscale": "log"}
plots.show(plots.curves(gradients, lines, x=range(blocks + 1), **words))

# %% [markdown]
# **Reading the figure.** The gradient flows from right to left. Points are measured; dashed lines
# are what we worked out. `x + F` doubles at every block. Pre-norm bends: what it adds counts for
# less and less. The scaled branch stays below 3. The other three are level.
#
# ### Is a level norm enough?
#
# `models` builds all six with **50 blocks**; we train them at one rate (about 15 seconds).

# %%
contest = {
    "x + F": models.Setting(deep + 2, 64, "relu", "he", residual="pre-act"),
    "half-sum": models.Setting(deep + 2, 64, "relu", "he", residual="pre-act-half"),
    "F / sqrt(L)": models.Setting(deep + 2, 64, "relu", "he", residual="pre-act-scaled"),
    "pre-norm": models.Setting(deep + 2, 64, "relu", "he", norm="layer", residual="pre-act"),
    "ReZero": models.Setting(deep + 2, 64, "relu", "he", residual="rezero"),
    "Fixup": models.Setting(2 * deep + 2, 64, "relu", "he", residual="fixup"),
}
runs = {}
for name in train.each(contest):
    net = models.build(contest[name], 64, 10, seed)
    runs[name] = train.fit(net, digits, train.Recipe("sgd", 0.05, steps=200), seed=seed)
ax = plots.training_curves(runs, chance=math.log(10), title="Six networks of 50 blocks")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** `x + F` overflows at once, above the picture. Four cures come down. But
# the half-sum, whose norm was level, stays far behind. A level norm is *not* enough.
#
# What is wrong with it? The **[cosine](../docs/glossary.md#cosine)** of the signals of two pictures
# is 1 if they point the same way, and 0 at right angles. We take its mean over all pairs of
# pictures, before the first block and after the last.


# %%
least = min(runs[name].test_accuracy for name in ("F / sqrt(L)", "pre-norm", "ReZero", "Fixup"))
claims.claim("x + F: its loss is not finite", runs["x + F"].stopped is not None)
claims.claim("half-sum: accuracy", runs["half-sum"].test_accuracy, below=0.6, drifts=True)
claims.claim("the other four: least accuracy", least, above=0.85, drifts=True)

# %%
cosines = pd.DataFrame(0.0, index=["before", "after"], columns=["half-sum", "F / sqrt(L)"])
for name in cosines:
    for draw in range(4):
        net = models.build(contest[name], 64, 10, 1000 * seed + draw)
        before = net[0](layer_norm(inputs, (64,)))  # each picture: mean 0, mean square 1
        after = net[1:-2](before)  # (pictures, units)
        for place, signal in (("before", before), ("after", after)):
            directions = normalize(signal)  # each picture's signal, with length 1
            cosines.loc[place, name] += (directions @ directions.T).mean().item() / 4
cosines

# %% [markdown]
# Under the half-sum all pictures have become alike, with a cosine above 0.8: what the last layer
# sees of a 3 and of an 8 is nearly the same. Under $1/\sqrt L$ it stays below 0.4. The next section
# finds out why.
#
# ### Exercise 8.2 - branch_scale (4 points)
#
# *About 11 minutes, medium.*
#
# `branch_scale(blocks, rho, growth)` returns the factor $s > 0$ that, put on every branch, lets the
# mean square of the gradient grow by exactly `growth` over all blocks together. `blocks` is 1 or
# more, `rho` is positive, `growth` is above 1, and branches are uncorrelated. One block 2 points, a
# stack 2 points.
#
# <details><summary>Hint</summary>Solve $1+s^2\rho$ for one block first.</details>
# <details><summary>More help</summary>Equal blocks multiply: two of them may each grow by the
# square root of the whole.</details>


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
# In a residual network the way back forks at every block: the gradient takes the skip *and* the
# branch. With $J_1$ and $J_2$ the Jacobians of two branches, multiply out:
#
# $$(I + J_2)(I + J_1) = I + J_1 + J_2 + J_2J_1 .$$
#
# Four products, four **[paths](../docs/glossary.md#path)** (Veit et al. 2016): past both branches,
# through either, through both. The number of branches on a path is its *length*.
#
# Now $L$ blocks. There are $\binom Lk$ ways to choose the $k$ blocks whose branch is taken, and
# each branch multiplies the mean square by $\rho$. Different paths are uncorrelated, so squares
# add, to $(1+\rho)^L$ in all. The share of the squared gradient that has passed exactly $k$
# branches is ([formulas](../docs/formulas.md#path-lengths))
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
# behind a block has length $k$ before it by the skip, and $k+1$ by the branch. To go back through
# $W\,\mathrm{relu}(x)$ is to multiply by $W$ and to keep what meets an open ReLU.


# %%
def by_length(layers, scale=1.0):
    """Split the squared gradient before the first block by the number of branches passed."""
    signals, gradients = run(lambda x, layer: x + scale * layer(torch.relu(x)), layers)
    paths = torch.zeros(len(signals), 64, 128).double()  # (lengths, pictures, units)
    paths[0] = gradients[-1]  # behind the last block nothing is passed yet
    for signal, layer in reversed(list(zip(signals[:-1], layers, strict=True))):
        longer = scale * (paths[:-1] @ layer.weight.detach()) * (signal > 0)
        paths[1:] += longer  # by the branch; what came by the skip stays where it is
    claims.claim("all paths together are the gradient", torch.allclose(paths.sum(0), gradients[0]))
    return (paths.square().sum(dim=(1, 2)) / paths.square().sum()).numpy()


# %%
torch.manual_seed(seed)
shares = {"He's weights": by_length([he_layer() for _ in range(deep)])}
shares["PyTorch's weights"] = by_length([nn.Linear(128, 128).double() for _ in range(deep)])
shares["F / sqrt(L)"] = by_length([he_layer() for _ in range(deep)], scale=deep**-0.5)
lengths = np.arange(deep + 1)
prediction.compare(shares["PyTorch's weights"] @ lengths)

# %%
lines = {}
for name, rho in {"He's weights": 1, "PyTorch's weights": 1 / 6, "F / sqrt(L)": 1 / deep}.items():
    lines[name] = [math.comb(deep, k) * rho**k / (1 + rho) ** deep for k in range(deep + 1)]
words = {"xlabel": "branches on the path", "ylabel": "share of the squared gradient"}
words |= {"title": "Fifty blocks, three depths"}
plots.show(plots.curves(shares, lines, x=lengths, **words))

# %% [markdown]
# **Reading the figure.** Three times 50 blocks: the gradient has passed about 25 branches, 7, or 1.
# The encyclopaedia entry is right that skips reduce the *effective* depth.
#
# "Bypass layers entirely", says the chapter. That is true of the share at length 0: a third under
# $1/\sqrt L$, one part in two thousand with PyTorch's weights, next to nothing with He's.

# %%
expected = {"He's weights": (25, 0, 1e-13), "PyTorch's weights": (7.14, 2e-4, 1e-3)}
expected["F / sqrt(L)"] = (0.98, 0.3, 0.43)
for name, (mean, low, high) in expected.items():
    claims.claim(f"{name}: mean length", shares[name] @ lengths, about=mean, within=0.12)
    claims.claim(f"{name}: past all branches", shares[name][0], between=(low, high))
    claims.claim(f"{name}: off the line", np.abs(shares[name] - lines[name]).max(), below=0.04)

# %% [markdown]
# And the half-sum? Its factor $1/\sqrt2$ is the same for all paths, so their *shares* are those of
# the first network: 25 branches on average. It is a plain network of 25 ReLU layers in disguise,
# and such a network makes pictures alike. `theory.correlation_map` says what a layer does to the
# cosine of two pictures; in a half-sum block the half that comes by the skip keeps it. In both,
# pictures at right angles should end at 0.96.
#
# **A cure that keeps the long paths keeps their trouble.**

# %%
plain = halved = 0.0
for _ in range(deep // 2):
    plain = theory.correlation_map("relu", 2.0, c=plain)
for _ in range(deep):
    halved = (halved + theory.correlation_map("relu", 2.0, c=halved)) / 2
claims.claim("theory: cosine after 25 plain layers", plain, about=0.963, within=0.002)
claims.claim("theory: cosine after 50 half-sum blocks", halved, about=0.960, within=0.002)
measured_after = cosines.loc["after"]
claims.claim("cosine before the first block", cosines.loc["before"].max(), below=0.1)
claims.claim("measured: half-sum", measured_after["half-sum"], between=(0.8, 1))
claims.claim("measured: F / sqrt(L)", measured_after["F / sqrt(L)"], between=(0.15, 0.4))

# %% [markdown]
# **Question.** Three blocks. How many paths are there, and how many of them have length 2?
#
# <details><summary>3 and 2</summary>Not this: it counts blocks. At each the way forks.</details>
# <details><summary>8 and 3</summary>Right. Two ways at each of three blocks are $2\cdot2\cdot2$
# paths; those of length 2 skip just one of the three blocks.</details>
# <details><summary>6 and 2</summary>Not this: ways at different blocks combine, so their numbers
# multiply.</details>

# %% [markdown]
# ### Exercise 8.3 - path_shares (5 points)
#
# *About 14 minutes, hard.*
#
# In a pre-norm network $\rho$ falls from block to block. `path_shares(rhos)` gets a list with the
# $\rho$ of each block, at least one, and returns the list of the shares of lengths 0, 1, ... up to
# the number of blocks. They add up to 1. Equal blocks 2 points, unequal ones 3.
#
# <details><summary>Hint</summary>Sort on the way back, as above, with numbers for gradients. Start
# with one path of length 0.</details>
# <details><summary>More help</summary>A block makes a longer list. Its entry $k$ is the old entry
# $k$, by the skip, plus $\rho$ times the old entry $k-1$, by the branch. At the end divide by the
# sum.</details>


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
# Long ways through *normalised* layers have another trouble. A gradient is of use only if it holds
# for a step: where the input moves a little, it may change only a little. In a ReLU network it
# depends on which ReLUs are open. If even *neighbours* open different ones, it is
# **[shattered](../docs/glossary.md#shattered-gradients)** (Balduzzi et al. 2017): their gradients
# have nothing in common.
#
# We take random networks from one number to one number, and their derivative at 256 inputs in a
# row; later with [batch norm](../docs/glossary.md#batch-norm).


# %%
def derivative(draw, layers=24, norm=False, skips=False):
    """Derivative of a random ReLU network, 200 units a layer, at 256 inputs from -2 to 2."""
    generator = torch.Generator().manual_seed(1000 * seed + draw)
    options = {"generator": generator, "dtype": torch.float64}
    x = torch.linspace(-2, 2, 256).double()[:, None].requires_grad_()  # (inputs, 1)
    h = x @ torch.randn(1, 200, **options) + torch.randn(200, **options)  # (inputs, units)
    for _ in range(layers - 1):
        z = (h - h.mean(0).detach()) / h.std(0).detach() if norm else h  # batch norm, held fixed
        branch = torch.relu(z) @ torch.randn(200, 200, **options) / 10  # He's: variance 2 / 200
        h = (h + 0.1 * branch) if skips else branch
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
# A **correlation** of 1 says that two numbers rise and fall together, 0 that one says nothing about
# the other. After one layer neighbours nearly agree; after 24 plain layers they still agree well.
#
# Now batch norm. (Its mean and spread are held constant, so that each input has its own
# derivative.) The signal keeps its size, while the gradient grows by 1.21 per layer ([lesson
# 07](07_normalization.ipynb)). It says how much a small difference between inputs is enlarged, and
# $1.21^{24}$ is about 97.
#
# **Predict.** 24 layers with batch norm. What is the correlation of neighbours?

# %%
guess = None
prediction = claims.predict("Correlation of neighbours?", guess)

# %%
traces["24 layers, BN"] = [derivative(draw, norm=True) for draw in range(draws)]
traces["24 layers, BN, skips"] = [derivative(draw, norm=True, skips=True) for draw in range(draws)]
prediction.compare(correlation(traces["24 layers, BN"], 1), digits=1)
places, distances = np.linspace(-2, 2, 256), np.arange(1, 31) * 4 / 255

# %%
fading, shown = {}, {}
for name, lines in traces.items():
    fading[name] = [correlation(lines, distance) for distance in range(1, 31)]
    shown[name] = lines[0] / lines[0].std() - 8 * len(shown)  # one below the other

_, axes = plots.panels(2, share=False)
words = {"xlabel": "input", "ylabel": "derivative, scaled and shifted", "title": "One draw each"}
plots.curves(shown, x=places, ax=axes[0], legend=False, **words)
words = {"xlabel": "distance of two inputs", "ylabel": "correlation", "title": "Mean of ten draws"}
plots.curves(fading, x=distances, ax=axes[1], **words)
axes[0].set_yticks([])
axes[1].set(ylim=(-0.15, 1.6), yticks=[0, 0.5, 1])
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Same colours left and right. After 1 layer the derivative wanders; after
# 24 plain layers it is more jagged and still wanders. With batch norm it is noise. Two neighbours,
# made some 100 times more different, have become strangers: each input has a gradient of its own.
# Skips with a small branch, $x + 0.1\,F(x)$, bring the wandering back.

# %%
claims.claim("1.21 in each of 24 layers", 1.21**24, about=97, within=0.01)
bounds = {"1 layer": (0.95, 1), "24 layers": (0.75, 0.95), "24 layers, BN, skips": (0.9, 1)}
for name, between in bounds.items():
    claims.claim(f"{name}: neighbours", fading[name][0], between=between)
shattered = fading["24 layers, BN"][0]
claims.claim("24 layers, BN: neighbours", shattered, between=(-0.15, 0.1), digits=1)

# %% [markdown]
# ## What ResNet was for
#
# The blog post lists He et al. (2016), the ResNet paper, among its sources on vanishing gradients.
# Section 4.1 of that paper says otherwise: its plain networks had batch norm, signals vanished in
# neither direction, and vanishing is called an unlikely cause. What the authors set out to cure is
# **degradation**: a deeper network ends with a *higher training error*.
#
# Here are MNIST pictures and networks of 8 and of 44 convolutions, plain and with skips: 8 channels
# on 7 x 7 places, He's weights, batch norm.
#
# **Predict.** In lesson 07 batch norm with ReLU multiplied the gradient by 1.21 per layer. How many
# decades does the plain network of 44 convolutions lose? (Below 0 if its gradient grows.)

# %%
guess = None
prediction = claims.predict("Decades lost, plain, 44 layers?", guess)


# %%
def picture_net(layers, residual="none", activation="relu", initialization="he", norm="batch"):
    """Convolutions of 8 channels, and an output layer that sees every place."""
    setting = models.Setting(layers, 8, activation, initialization, norm, residual)
    body = models.build_conv(setting, stride=4, seed=seed)[:-3]  # without its mean and output
    output = models.build(models.Setting(depth=1), 8 * 7 * 7, 10, seed)
    return nn.Sequential(*body, nn.Flatten(), *output)


# %%
mnist = data.mnist(seed)
images, labels = mnist.batch(512, seed)  # (512, 784): pictures, pixels
nets = {"plain, 8": picture_net(8), "plain, 44": picture_net(44)}
nets |= {"skips, 8": picture_net(8, "pre-act"), "skips, 44": picture_net(44, "pre-act")}
flows = {}
for name, net in nets.items():
    flows[name] = probe.record(net, images[:64], labels[:64], cross_entropy)
prediction.compare(flows["plain, 44"].decades_lost)

# %% [markdown]
# Nothing vanished: the gradient *grows*, by about two decades. But a norm only says how *large* it
# is. Do two batches ask for the same change? `probe.agreement` takes the cosine between the weight
# gradients of two halves of a batch, layer by layer. At 1 they ask for the same. At 0 the step that
# one asks for means nothing to the other.

# %%
cosines, layers = {}, {}
for name, net in nets.items():
    cosines[name] = probe.agreement(net, images, labels, cross_entropy)
    layers[name] = range(1, len(cosines[name]) + 1)
deltas = {name: flow.relative_delta_norms for name, flow in flows.items()}

_, axes = plots.panels(2, share=False)
words = {"ylabel": "delta norm, relative to the last", "title": "Size", "float32_zone": False}
plots.layer_profile(deltas, ax=axes[0], **words)
words = {"xlabel": "layer", "ylabel": "cosine of two batches", "title": "Direction"}
plots.curves(cosines, x=layers, ax=axes[1], legend=False, **words)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left, the size. The deep plain network (orange) rises towards layer 1, by
# 1.17 per layer: an explosion. Right, the direction, and orange is the odd one out: the gradients
# of two batches of 256 pictures are at right angles in most layers. With skips, at the same depth,
# they agree.
#
# Size or direction, which decides? We train these four, and two more tries (about a minute):
#
# * **Adam** divides each step by the size of the gradient. If size is to blame, it helps.
# * **Plain layers that agree**, with tanh and no norm (Xiao et al. 2018).
#   Each kernel starts as an [orthogonal](../docs/glossary.md#orthogonal) matrix in its centre with
#   0 around it: at first a layer *turns* channels, and mixes no places.

# %%
bounds = {"plain, 8": (-0.6, 0.6, 0.25, 0.75), "plain, 44": (-3.2, -1.6, -0.1, 0.2)}
bounds |= {"skips, 8": (-0.2, 0.9, 0.45, 0.95), "skips, 44": (-0.4, 0.9, 0.3, 0.95)}
for name, (low, high, least, most) in bounds.items():
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, between=(low, high))
    claims.claim(f"{name}: mean cosine", cosines[name].mean(), between=(least, most), digits=1)
claims.claim("plain, 44: per layer", flows["plain, 44"].norm_factor, about=1.165, within=0.04)

# %%
tanh = picture_net(44, activation="tanh", initialization="orthogonal", norm="none")
generator = torch.Generator().manual_seed(seed)
for layer in tanh.modules():
    if isinstance(layer, nn.Conv2d) and layer.in_channels == 8:
        nn.init.zeros_(layer.weight)  # (channels out, channels in, 3, 3)
        nn.init.orthogonal_(layer.weight.data[:, :, 1, 1], 1.1, generator=generator)

# %%
trainings = {name: (net, train.Recipe("sgd", 0.2, steps)) for name, net in nets.items()}
agree = probe.agreement(tanh, images, labels, cross_entropy).mean()
trainings["tanh, 44"] = tanh, train.Recipe("sgd", 0.02, steps)
trainings["plain, 44, Adam"] = picture_net(44), train.Recipe("adam", 0.01, 100)
trainings["skips, 44, Adam"] = picture_net(44, "pre-act"), train.Recipe("adam", 0.01, 100)
runs = {}
for name, (net, recipe) in train.each(trainings.items()):
    runs[name] = train.fit(net, mnist, recipe, seed=seed)
ax = plots.training_curves(runs, chance=math.log(10), title="The same pictures, the same steps")
ax.set_ylim(0, 3.3)
ax.legend(ncols=3, loc="upper right")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Degradation: from the same steps the deeper plain network learns less than
# the shallow one that it contains, on the *training* pictures. With skips 44 layers learn as 8 do.
# The 44 plain tanh layers, whose gradients agree, learn too, more slowly. And Adam does not rescue
# the plain network: it gets fewer than half of them right. Nor does the gradient vanish later:
# after training it loses one or two decades, nothing like 18.

# %%
learnt = ("plain, 8", "skips, 8", "skips, 44", "skips, 44, Adam")
for name in learnt:
    claims.claim(f"{name}: training accuracy", runs[name].train_accuracy, above=0.85, drifts=True)
tanh_accuracy = runs["tanh, 44"].train_accuracy
claims.claim("tanh, 44: training accuracy", tanh_accuracy, above=0.75, drifts=True)

# %%
claims.claim("tanh, 44, before training: mean cosine", agree, above=0.4)
for name in ("plain, 44", "plain, 44, Adam"):
    claims.claim(f"{name}: training accuracy", runs[name].train_accuracy, below=0.5, drifts=True)
later = probe.record(nets["plain, 44"], images[:64], labels[:64], cross_entropy).decades_lost
claims.claim("plain, 44, trained: decades lost", later, between=(0.2, 2.7), drifts=True)

# %% [markdown]
# **Question.** Which measurement tells the plain network of 44 layers from those that learn?
#
# <details><summary>The norm of the gradient at layer 1</summary>Not this: it did not vanish, and
# Adam, which takes its size out, did not help.</details>
# <details><summary>The cosine between the gradients of two batches</summary>Right. It is near 0, so
# the step for one batch does nothing for another.</details>
# <details><summary>The number of weights</summary>Not this: a skip has no weights.</details>

# %% [markdown]
# ### Exercise 8.4 - my_branch_scale (open)
#
# *About 14 minutes, medium.*
#
# Design a cure. `my_branch_scale(block, blocks)` returns the factor on the branch of one block;
# `block` counts from 1, nearest the input, to `blocks`. The check builds 100 blocks
# $x + s\,W\,\mathrm{relu}(x)$ with He's weights and asks:
#
# * Is each factor a finite number?
# * Do their squares add up to 0.5 or more, so that the branches matter?
# * Does the mean square of the signal change by at most a factor 10?
# * And that of the gradient?
#
# <details><summary>Hint</summary>The product of many factors $1+s^2$ is about $e$ to the power of
# the sum of all $s^2$.</details>
# <details><summary>More help</summary>How large may that sum be? A sequence that falls will do,
# too.</details>


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
# | prevent vanishing | all five | true: $\chi$ becomes $1+\chi$ | 18 decades, then under 1 |
# | ... and exploding | blog post | false: they cause it | doubling; overflow at rate 0.1 |
# | `relu(layer(x) + x)` | answer | no vanishing, grows | 1.27 and 1.15 per block |
# | `x + relu(linear(x))` | blog post | the same, grows more | 1.56 and 1.29 per block |
# | a way around layers | answer, blog post, chapter | of a share | a third, 1/2,000, nothing |
# | reduce the effective depth | encyclopaedia entry | true | 50 blocks: 25, 7 or 1 |
# | He et al. (2016) as a source | blog post | misleading | gradients grew; direction lost |
# | depth without skips as a cause | study notes | not by itself | 44 plain tanh layers learn |
# | the way to 100+ layers | chapter | in history only | lesson 06: 1,000 plain layers |
#
# ## What this does not show
#
# He et al. saw the deeper network stay behind to the end of a long training; we, for 150 steps.
# Their blocks have two convolutions and an outer ReLU, ours one and none. That lost directions are
# the cause is what the numbers suggest, not what they prove. All factors hold at the start:
# branches grow in training.
#
# ## Summary
#
# * A skip turns $\chi$ into $1+\chi$: with He's weights a block doubles the mean square, both ways.
#   $1/\sqrt L$ holds it to 2.65 over 20 blocks, pre-norm to 21; half-sum, ReZero and Fixup are
#   level.
# * Of 50 branches the gradient passes 25, 7 or 1 on average. The half-sum has a level norm and long
#   paths, makes pictures alike and stays behind.
# * In 44 plain convolutions the gradient grew by two decades, and two batches had a mean cosine
#   near 0. With skips it was above 0.3, and the network learnt.
#
# ## References
#
# [He et al. 2016](https://arxiv.org/abs/1512.03385), section 4.1 and figure 1;
# [He et al. 2016b](https://arxiv.org/abs/1603.05027);
# [Veit et al. 2016](https://arxiv.org/abs/1605.06431), figure 6;
# [Balduzzi et al. 2017](https://arxiv.org/abs/1702.08591), figure 1;
# [Yang and Schoenholz 2017](https://arxiv.org/abs/1712.08969);
# [Gehring et al. 2017](https://arxiv.org/abs/1705.03122);
# [Zhang et al. 2019](https://arxiv.org/abs/1901.09321);
# [Bachlechner et al. 2021](https://arxiv.org/abs/2003.04887);
# [Xiao et al. 2018](https://arxiv.org/abs/1806.05393); all [five articles](../docs/sources.md).
#
# Next: lesson 09, what does a gate buy?

# %%
print(progress.summary())

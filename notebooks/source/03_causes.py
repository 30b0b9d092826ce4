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
# # 03 · Which cause costs how much?
#
# You need [02](02_symptoms.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * split the [decades](../docs/glossary.md#decade) that a network loses among its
#   [slopes](../docs/glossary.md#slope) and its weights, module by module;
# * find by experiment what a change saves, and show that the answer depends on the other causes;
# * say at which depth a thousandth of the gradient is left, and for which networks never.

# %% tags=["setup"]
import math

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, train

plots.use_style()
train.use_one_thread()
claims.published("03", seed=0, width=64, wide=128, draws=3, steps=200)

# %% tags=["parameters"]
seed = 0
width = 64
wide = 128
draws = 3
steps = 200

# %% [markdown]
# ## Every decade has an owner
#
# [The five articles](../docs/sources.md) name their suspects: sigmoid and tanh (all five), depth
# (all but the answer), poor initialisation (the study notes and the encyclopaedia entry), missing
# [skip connections](../docs/glossary.md#skip) (the study notes). No list has prices.
#
# We count in decades, powers of ten. Lesson 00 showed a **[ledger](../docs/glossary.md#ledger)**,
# the list of who took how many. Here is one: 4 layers of 128 sigmoid units, PyTorch's weights.

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(64, seed)  # (64, 64): pictures, pixels
small = models.build(models.Setting(4, wide, "sigmoid"), digits.features, digits.classes, seed)
small_ledger = probe.record(small, inputs, targets, cross_entropy).ledger()
small_ledger

# %% [markdown]
# Read it from the top, from the loss to the input. It starts as the
# [delta](../docs/glossary.md#delta) of the last layer. It passes the last weights (module 6), then
# the sigmoid before them, and so on, to the delta of layer 1. Each sigmoid takes a little over 0.6
# decades, each weight matrix about 0.24.
#
# How is a ledger kept? *Weigh the gradient before and after each module.* We send the pictures
# through the network, keep every signal on the way, and ask PyTorch for the gradient at each.

# %%
small = small.double()  # float64, as in the probe
signals = [small[0](inputs.double())]
for module in small[1:]:
    signals.append(module(signals[-1]))
gradients = torch.autograd.grad(cross_entropy(signals[-1], targets), signals)
norms = [gradient.norm().item() for gradient in gradients]

# %%
own_ledger = pd.DataFrame({"module": [type(module).__name__ for module in small[1:]]})
own_ledger["norm before"] = norms[1:]  # at the output of the module, where the gradient enters
own_ledger["norm after"] = norms[:-1]  # at its input
own_ledger["decades lost"] = np.log10(own_ledger["norm before"] / own_ledger["norm after"])
own_ledger = own_ledger[::-1]  # from the loss to the input
own_ledger.round(5)

# %% [markdown]
# The same decades. What leaves one module enters the next. Let $g_k$ be the gradient norm at the
# output of module $k$. In the sum below each norm stands once above a fraction bar and once below,
# and all cancel but the two ends ([formulas](../docs/formulas.md#the-ledger)):
#
# $$\sum_k\log_{10}\frac{g_k}{g_{k-1}}=\log_{10}\frac{\|\delta_L\|}{\|\delta_1\|}.$$
#
# No decade is counted twice, and none is left over. From now on we use `ledger()`.

# %%
gap = abs(own_ledger["decades lost"] - [row.decades for row in small_ledger.rows]).max()
takes = own_ledger.groupby("module")["decades lost"].mean()
claims.claim("probe's ledger is ours, row by row", gap < 1e-9)
claims.claim("decades that a sigmoid takes, mean", takes["Sigmoid"], between=(0.6, 0.64))
claims.claim("decades that a matrix takes, mean", takes["Linear"], about=0.24, within=0.05)

# %% [markdown]
# ## Why 0.61, and why 0.24?
#
# **The slopes.** At a sigmoid each entry of the gradient is multiplied by the slope of its unit, at
# most 1/4. A sigmoid that takes 0.61 decades leaves $10^{-0.61}=0.245$, almost that. So the units
# sit near the middle, where a sigmoid is steepest. None needs to be
# [saturated](../docs/glossary.md#saturated).
#
# **The weights.** A delta $d$ goes back through a matrix $W$ as $W^\top d$.
#
# > **On average, random weights multiply the squared norm by $\sigma_w^2$.** Entry $j$ of
# > $W^\top d$ is the sum of $W_{ij}\,d_i$ over $i$. The weights are independent with mean 0. So in
# > the mean square of this sum all mixed terms vanish, and $\mathrm{Var}\,W\cdot\|d\|^2$ is left.
# > There are [fan_in](../docs/glossary.md#fan_in) such entries. With the
# > [weight variance](../docs/glossary.md#weight-variance) $\sigma_w^2$:
# >
# > $$\mathrm{E}\,\|W^\top d\|^2=\sigma_w^2\,\|d\|^2,\qquad
# > \sigma_w^2=\text{fan\_in}\cdot\mathrm{Var}\,W.$$
# >
# > (Glorot and Bengio 2010, eq. 6;
# > [formulas](../docs/formulas.md#what-random-weights-do-to-a-norm).)
#
# PyTorch draws weights of variance $1/(3\,\text{fan\_in})$, so a third of the squared norm should
# be left. We send a thousand random deltas back through one matrix of our network.

# %%
generator = torch.Generator().manual_seed(seed)
deltas = torch.randn(1000, wide, generator=generator, dtype=torch.float64)
passed = deltas @ small[2].weight.detach()  # (1000, wide): in each row W^T d
share_left = (passed.norm() / deltas.norm()).square().item()
round(share_left, 3)

# %% [markdown]
# A third, as the rule says. Of the norm $\sqrt{1/3}$ is left: $\log_{10}\sqrt3=0.24$ decades.
#
# Now the network of [lesson 01](01_theory.ipynb): 20 layers, otherwise the same. It loses 16
# decades. On its way the gradient passes 19 matrices and 19 sigmoids.
#
# **Predict.** How many of the 16 decades do the *slopes* take?

# %%
guess = None
prediction = claims.predict("Decades taken by the slopes?", guess)

# %%
net = models.build(models.Setting(20, wide, "sigmoid"), digits.features, digits.classes, seed)
ledger = probe.record(net, inputs, targets, cross_entropy).ledger()
prediction.compare(ledger.by_kind["activation"])
ax = plots.waterfall(ledger, title="Sigmoid, 20 layers, module by module")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Walk with the gradient, from the loss on the left to the input on the
# right. Each bar hangs where the one before it ended: a short one for the weights, a long one for
# the slopes. (The axis counts modules: even numbers are weights, odd ones sigmoids.) No single
# layer is guilty. The slopes took 11.6 decades, the weights the other 4.5.

# %%
slopes, weights = ledger.by_kind["activation"], ledger.by_kind["weights"]
claims.claim("share of the squared norm left by one matrix", share_left, about=1 / 3, within=0.02)
claims.claim("20 layers: decades lost in all", ledger.total, about=16.1, within=0.02)
claims.claim("slopes, 19 times 0.245", slopes, about=-19 * math.log10(0.245), within=0.01)
claims.claim("weights, 19 times root 1/3", weights, about=19 * math.log10(3) / 2, within=0.06)

# %% [markdown]
# ## Other networks, other ledgers
#
# "Sigmoid or tanh" is one cause in all five articles. Is it? We keep four ledgers of 20 layers, 64
# units wide, each the mean over three draws. *he* means [He's weights](../docs/glossary.md#he),
# with $\sigma_w^2=2$. The others are PyTorch's.


# %%
def flows(setting, draws=draws):
    """What the probe finds in several draws of one network."""
    sizes = digits.features, digits.classes
    nets = [models.build(setting, *sizes, 1000 * seed + draw) for draw in range(draws)]
    return [probe.record(net, inputs, targets, cross_entropy) for net in nets]


def mean_ledger(setting):
    """Decades that weights and slopes take, and both; the mean over the draws."""
    kinds = pd.DataFrame([flow.ledger().by_kind for flow in flows(setting)])
    kinds["total"] = kinds["weights"] + kinds["activation"]
    return kinds.mean()


# %%
settings = {name: models.Setting(20, width, name) for name in ("sigmoid", "tanh", "relu")}
settings["relu, he"] = models.Setting(20, width, "relu", "he")
took = pd.DataFrame({name: mean_ledger(setting) for name, setting in settings.items()}).T

kinds = took[["weights", "activation"]].to_dict()
ax = plots.bars(kinds, ylabel="decades lost in 20 layers", title="Four ledgers, by kind")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The sigmoid's slopes take most of what it loses. Those of tanh take 0.2
# decades of 4.7: near zero the slope of tanh is 1. (The blog post calls its derivatives "also
# small".) Nearly everything went to the weights. "Sigmoid or tanh" is two cases.
#
# ReLU is half of each. "No shrinking", says the blog post, and the chapter multiplies
# $1\times1\times1$. Both forget the units whose slope is 0. On average half of all units are off,
# so half of the squared norm passes. Of the norm $\sqrt{1/2}$ is left, which takes
# $\log_{10}\sqrt2=0.15$ decades a layer and 2.9 in all. He's weights make the norm *longer* by
# $\sqrt2$ in each layer and hand back just that.

# %%
claims.claim("tanh: decades lost in all", took.loc["tanh", "total"], about=4.7, within=0.05)
claims.claim("tanh: slopes take", took.loc["tanh", "activation"], between=(0.1, 0.25))
claims.claim("relu: slopes take", took.loc["relu", "activation"], about=2.9, within=0.08)
claims.claim("relu: weights take", took.loc["relu", "weights"], about=4.6, within=0.08)
claims.claim("relu, he: slopes take", took.loc["relu, he", "activation"], about=2.9, within=0.08)
claims.claim("relu, he: weights take", took.loc["relu, he", "weights"], about=-2.9, within=0.08)

# %% [markdown]
# So let us cure tanh. It loses 4.7 decades, nearly all of them in its weights. We multiply every
# weight by 4. By the rule each of the 19 matrices then passes on $\log_{10}4=0.60$ decades more,
# 11.4 in all. But larger weights also make larger
# [pre-activations](../docs/glossary.md#pre-activation).
#
# **Predict.** How many decades will the new network lose? (Below zero: gain.)

# %%
guess = None
prediction = claims.predict("Decades lost, weights times 4?", guess)

# %%
took.loc["tanh, times 4"] = mean_ledger(models.Setting(20, width, "tanh", gain=4.0))
prediction.compare(took.loc["tanh, times 4", "total"])
took.loc[["tanh", "tanh, times 4"]].round(1)

# %% [markdown]
# The weights did what the rule says: they became better by 11.4 decades. The network became better
# by only 6.4. The larger weights drive tanh into its flat ends. Now the *slopes* take over 5
# decades. (All slopes are below 1 here, "guaranteeing that the gradient will shrink", says the
# chapter. It grew.)
#
# **A ledger is accounting, not causation.** It says where the gradient went. What a change would
# save, only the change can tell.

# %%
better = took.loc["tanh"] - took.loc["tanh, times 4"]
louder = took.loc["tanh, times 4"]
claims.claim("times 4: weights better by", better["weights"], about=11.4, within=0.02)
claims.claim("times 4: network better by", better["total"], about=6.4, within=0.05)
claims.claim("times 4: lost in all", louder["total"], about=-1.7, within=0.1)
claims.claim("times 4: slopes take", louder["activation"], between=(5, 5.6))

# %% [markdown]
# **Question.** In the ledger of tanh the weights take 4.6 decades of 4.7. What follows?
#
# <details><summary>tanh is harmless, in every network</summary>Not this: with weights four times as
# large its slopes took over 5 decades.</details>
# <details><summary>Weights that give back 4.6 decades leave 0.1 lost</summary>Not this: the slopes
# depend on the weights, and change with them.</details>
# <details><summary>In this network, 4.6 decades were lost at weights</summary>Right. A ledger tells
# what happened, not what would happen elsewhere.</details>

# %% [markdown]
# ### Exercise 3.1 - layer_ledger (5 points)
#
# *About 14 minutes, medium.*
#
# Keep the ledger of one layer. A sigmoid layer has pre-activations `z` (batch, in). The next layer
# has the matrix `weight` (out, in) and the delta `delta` (batch, out). Return a list of two
# numbers: the decades lost in the weights, then those lost in the slopes, negative where the norm
# grows. Each norm is taken over the whole batch. One unit earns 2 points, whole layers 3.
#
# <details><summary>Hint</summary>Three norms: of what enters the weights, of what leaves them and
# enters the sigmoid, and of what leaves that.</details>
# <details><summary>More help</summary>In a batch of rows the weights make
# <code>delta @ weight</code> of the delta, of shape (batch, in). The slopes multiply that entry by
# entry. Each number is the <code>log10</code> of a norm over the next norm.</details>


# %% tags=["exercise"]
def layer_ledger(delta: torch.Tensor, weight: torch.Tensor, z: torch.Tensor) -> list:
    """Decades that a delta loses in the weights, then in the sigmoid's slopes."""
    ### BEGIN SOLUTION
    between = delta @ weight
    h = torch.sigmoid(z)
    leaving = between * h * (1 - h)
    weights = torch.log10(delta.norm() / between.norm())
    return [weights, torch.log10(between.norm() / leaving.norm())]
    ### END SOLUTION


# %% tags=["check"]
exercises.check(layer_ledger)

# %% [markdown] tags=["solution"]
# Each step is weighed before and after, and the middle norm appears twice, once below and once
# above the line: that is why rows add up. No property of the matrix is needed, only this one delta.

# %% [markdown]
# ## Two changes at once
#
# To learn what a change saves, make it, and nothing else, and measure again. But is the answer the
# same in another network? The smallest experiment that can tell has two changes and four networks.
# Made-up losses, in decades:
#
# | | without B | with B |
# |---|---|---|
# | **without A** | 12 | 2 |
# | **with A** | 4 | 1 |
#
# Go down the columns: A saves $12-4=8$ decades without B, and only $2-1=1$ with B. The mean of the
# two, 4.5, is the **[main effect](../docs/glossary.md#main-effect)** of A: what a change saves on
# average over all situations. Along the rows, B saves 10 and 3, so its main effect is 6.5.
#
# Alone A saves 8 and B saves 10, in sum 18. Both together save $12-1=11$. What both save beyond the
# sum, $11-18=-7$, is their **[interaction](../docs/glossary.md#interaction)**
# ([formulas](../docs/formulas.md#effects-and-interactions)). It is below 0: A and B mend the same
# damage.
#
# Now four real networks, all sigmoid, at PyTorch's default. Change A: 5 layers instead of 20.
# Change B: a skip, which adds the input of a layer to its output. Such a layer computes
# `x + torch.sigmoid(linear(x))`, in short $x+\phi(Wx)$, called
# [pre-add](../docs/glossary.md#pre-add): the activation comes before the sum.


# %%
def decades_lost(setting, draws=draws):
    """Decades lost between the last and the first layer, mean over the draws."""
    return np.mean([flow.decades_lost for flow in flows(setting, draws)])


four = pd.DataFrame(index=["20 layers", "5 layers"], columns=["no skip", "skip"], dtype=float)
for depth in (20, 5):
    plain = models.Setting(depth, width, "sigmoid")
    skipped = models.Setting(depth, width, "sigmoid", residual="pre-add")
    four.loc[f"{depth} layers"] = [decades_lost(plain), decades_lost(skipped)]
four.round(1)

# %% [markdown]
# Fewer layers alone save 12.8 decades. The skip alone saves 15.4. Together they save 15.3, no more
# than the skip alone. So the interaction is near -12.8 decades, larger than either main effect (6.4
# for the layers, 9.0 for the skip). The study notes list "deep network" and "depth without skip
# connections" as two causes. Here they are one, seen twice.

# %%
by_depth = four.loc["20 layers"] - four.loc["5 layers"]  # no skip, skip
by_skip = four["no skip"] - four["skip"]  # 20 layers, 5 layers
together = four.loc["20 layers", "no skip"] - four.loc["5 layers", "skip"]
interaction = together - (by_depth["no skip"] + by_skip["20 layers"])
claims.claim("both save together", together, about=15.3, within=0.02)
claims.claim("interaction", interaction, about=-12.8, within=0.02)
claims.claim("main effect of 5 layers for 20", by_depth.mean(), about=6.4, within=0.05)
claims.claim("main effect of the skip", by_skip.mean(), about=9, within=0.05)

# %% [markdown]
# **Question.** A network loses 6 decades. Change A alone saves 4, change B alone saves 3, both
# together save 5. How large is the interaction?
#
# <details><summary>7</summary>Not this: 7 is the sum of what both save alone.</details>
# <details><summary>-2</summary>Right. Together they save 5, two less than the sum, 7.</details>
# <details><summary>5</summary>Not this: 5 is all that both save. How much of it was to be
# expected?</details>

# %% [markdown]
# ### Exercise 3.2 - effects (4 points)
#
# *About 11 minutes, easy.*
#
# `lost` is a table of decades lost, two rows of two numbers: `[[neither, second], [first, both]]`.
# The first change is made in the lower row, the second in the right column. Return a list of three
# numbers: what the first change saves, averaged over both states of the second; the same for the
# second; and the interaction, what both save together beyond the sum of what each saves alone.
# Tables without an interaction earn 1 point, others 3.
#
# <details><summary>Hint</summary>Each main effect is a mean of two savings.</details>
# <details><summary>More help</summary>The first change saves
# <code>neither - first</code> without the second and <code>second - both</code> with it. Both save
# <code>neither - both</code>.</details>


# %% tags=["exercise"]
def effects(lost: list) -> list:
    """Main effect of the first and of the second change, and their interaction."""
    ### BEGIN SOLUTION
    (neither, second), (first, both) = lost
    main_first = ((neither - first) + (second - both)) / 2
    main_second = ((neither - second) + (first - both)) / 2
    together, alone = neither - both, (neither - first) + (neither - second)
    return [main_first, main_second, together - alone]
    ### END SOLUTION


# %% tags=["check"]
exercises.check(effects)

# %% [markdown] tags=["solution"]
# A main effect averages two savings that need not be alike; the interaction is exactly the
# difference between them. Where it is large, the average describes neither case.

# %% [markdown]
# ## All causes, crossed
#
# Now all suspects at once. A **factorial** experiment (Fisher 1935) tries every combination of
# levels of all factors, in one family of networks, on the same data. Our factors are
#
# * the activation, and the depth;
# * the weights: PyTorch's default, or *matched*, as the articles advise: He's for ReLU,
#   **[Xavier's](../docs/glossary.md#xavier)** for the others, of variance
#   2/(fan_in + [fan_out](../docs/glossary.md#fan_out)), so $\sigma_w^2=1$ where both are equal;
# * the skip: none, $x+\phi(Wx)$ as in the study notes and the blog post, or $\phi(x+Wx)$ as in the
#   answer, called [post-add](../docs/glossary.md#post-add).

# %%
levels = {
    "activation": ["sigmoid", "tanh", "relu"],
    "weights": ["default", "matched"],
    "skip": ["no skip", "φ(x + Wx)", "x + φ(Wx)"],
    "depth": [5, 10, 20],
}
design = pd.MultiIndex.from_product(levels.values(), names=levels).to_frame(index=False)
design.iloc[[0, 1, 2, 3, 53]]

# %% [markdown]
# $3\cdot2\cdot3\cdot3=54$ rows, one for each network: here the first four and the last.
#
# **Predict.** In 20 layers of the default sigmoid, $x+\phi(Wx)$ saves 15.4 decades. How many does
# it save in 20 layers of tanh with Xavier's weights? ([Lesson 01](01_theory.ipynb): with
# $\sigma_w^2=1$ they lose less than one decade without any help.)

# %%
guess = None
prediction = claims.predict("Decades saved in tanh with Xavier?", guess)

# %%
matched = {"sigmoid": "xavier", "tanh": "xavier", "relu": "he"}
residual = {"no skip": "none", "φ(x + Wx)": "post-add", "x + φ(Wx)": "pre-add"}


def setting_of(row):
    """The network of one row of the design."""
    start = matched[row.activation] if row.weights == "matched" else "default"
    return models.Setting(row.depth, width, row.activation, start, residual=residual[row.skip])


design["setting"] = [setting_of(row) for row in design.itertuples()]

# %%
design["lost"] = [decades_lost(setting) for setting in design["setting"]]
lost = design.pivot(index=["activation", "weights", "skip"], columns="depth", values="lost")
at_20 = lost[20].unstack("skip")
tanh_xavier = at_20.loc["tanh", "matched"]  # one number for each skip
saved_in_tanh = tanh_xavier["no skip"] - tanh_xavier["x + φ(Wx)"]
prediction.compare(saved_in_tanh)
at_20.round(1)

# %% [markdown]
# In tanh with Xavier's weights (last row) the skip saves only about 1.5 decades: there was half a
# decade to mend, and the rest is growth.
#
# In the column *no skip*, matched weights all but cure tanh and ReLU. They leave the sigmoid 11.8
# decades short: Xavier is not for "Tanh/Sigmoid", as the answer has it, but for tanh.
#
# Now the other skip. In $\phi(x+Wx)$ the sum itself must pass the slope, and in the default sigmoid
# network 11.5 decades stay lost. (The answer writes this skip with ReLU, where it works.) And a
# cure without an illness can do harm. In the healthy ReLU network with He's weights, $x+\phi(Wx)$
# makes the gradient *grow* by more than three decades. Skips "solve vanishing and exploding", says
# the blog post. Half of that is right.

# %%
sigmoid, relu = at_20.loc["sigmoid"], at_20.loc["relu"]
for name in ("tanh", "relu"):
    left = at_20.loc[(name, "matched"), "no skip"]
    claims.claim(f"matched weights leave {name}", left, below=0.75)
claims.claim("Xavier leaves sigmoid", sigmoid.loc["matched", "no skip"], about=11.8, within=0.02)
claims.claim("φ(x + Wx), sigmoid", sigmoid.loc["default", "φ(x + Wx)"], about=11.5, within=0.02)
claims.claim("φ(x + Wx), ReLU", relu.loc["default", "φ(x + Wx)"], between=(-0.5, 0.1))
claims.claim("x + φ(Wx), ReLU with He: gained", -relu.loc["matched", "x + φ(Wx)"], between=(3, 4.3))
claims.claim("tanh with Xavier: x + φ(Wx) saves", saved_in_tanh, between=(1.3, 1.8))

# %% [markdown]
# Now the same networks against depth (without $\phi(x+Wx)$).

# %%
figure, axes = plots.panels(3)
look = {"x": levels["depth"], "xlabel": "depth", "ylabel": "decades lost"}
for ax, name in zip(axes, levels["activation"], strict=True):
    shown = lost.loc[name].drop("φ(x + Wx)", level="skip")
    lines = {", ".join(case): values for case, values in shown.iterrows()}
    plots.curves(lines, **look, title=name, legend=name == "relu", ax=ax)
    ax.set_xticks(levels["depth"])
    ax.label_outer()
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** If causes simply added up, all lines of all panels would be parallel. They
# are fans. Without a skip, 15 more layers cost the default sigmoid 12.8 decades (left panel, the
# steepest line). With $x+\phi(Wx)$ the same layers cost it nothing. tanh with Xavier's weights
# loses less than half a decade to them even without a skip.
#
# **Depth is a multiplier, not a cause.** It multiplies what one layer loses. Where a layer loses
# nothing, there is nothing to multiply.

# %%
more_layers = lost[20] - lost[5]
sigmoid, tanh = more_layers["sigmoid", "default"], more_layers["tanh", "matched"]
claims.claim("sigmoid: 15 more layers cost", sigmoid["no skip"], about=12.8, within=0.02)
claims.claim("the same with x + φ(Wx)", abs(sigmoid["x + φ(Wx)"]), below=0.15)
claims.claim("the same, tanh with Xavier", abs(tanh["no skip"]), below=0.5)

# %% [markdown]
# ## The price of a change
#
# What is $x+\phi(Wx)$ worth, then? We put each network beside its twin that differs in the skip
# only, and subtract. (From here on, 5 and 20 layers.)

# %%
ends = design[design["depth"] != 10]


def savings(factor, before, after):
    """Decades that a change of one factor saves, in every situation."""
    others = [name for name in levels if name != factor]
    twins = ends.pivot(index=others, columns=factor, values="lost")
    return twins[before] - twins[after]


saved = savings("skip", "no skip", "x + φ(Wx)")
saved.unstack("depth").round(1)

# %% [markdown]
# Twelve situations, from half a decade to 15.4. Their mean is 4.4 decades. That is the main effect,
# the one number that a list of causes would print.
#
# The same for every change: a bar is a main effect, each dot one situation.

# %%
changes = {
    "tanh for sigmoid": savings("activation", "sigmoid", "tanh"),
    "ReLU for tanh": savings("activation", "tanh", "relu"),
    "matched weights": savings("weights", "default", "matched"),
    "φ(x + Wx)": savings("skip", "no skip", "φ(x + Wx)"),
    "x + φ(Wx)": savings("skip", "no skip", "x + φ(Wx)"),
    "5 layers for 20": savings("depth", 20, 5),
}
main_effects = {name: change.mean() for name, change in changes.items()}
ax = plots.bars(main_effects, ylabel="decades saved", title="One change, in every situation")
for place, name in enumerate(changes):
    ax.plot([place - 0.3] * len(changes[name]), changes[name], "ko", markersize=4, alpha=0.6)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The bars look like an answer. The dots are the truth. In every column they
# span at least 1.8 times the height of the bar. Look at *ReLU for tanh*: it saves 0.4 decades on
# average. But it *costs* more than two in a plain deep network at PyTorch's default, where most
# would try it.

# %%
claims.claim("x + φ(Wx): main effect", saved.mean(), about=4.4, within=0.05)
claims.claim("least saving", saved.min(), between=(0.3, 0.7))
claims.claim("largest: the default sigmoid, 20 layers", saved.max(), about=15.4, within=0.02)

spans = [(change.max() - change.min()) / abs(change.mean()) for change in changes.values()]
relu_for_tanh = changes["ReLU for tanh"]
deep_plain = relu_for_tanh["default", "no skip", 20]
claims.claim("span of the dots over the height of the bar, least", min(spans), above=1.8)
claims.claim("ReLU for tanh: main effect", relu_for_tanh.mean(), between=(0.2, 0.6))
claims.claim("20 plain layers at the default", deep_plain, between=(-3.5, -2))

# %% [markdown]
# How good are the main effects, taken together? We predict each network by *adding*: the mean of
# all networks, and for each factor how far the mean of its level lies from that. Here are the four
# worst.

# %%
mean = ends["lost"].mean()
compared = ends[[*levels, "lost"]].assign(added=mean)
for factor in levels:
    compared["added"] += ends.groupby(factor)["lost"].transform("mean") - mean
miss = compared["lost"] - compared["added"]
compared.loc[miss.abs().nlargest(4).index].round(1)

# %% [markdown]
# Adding finds less than ten decades where the plain default sigmoid loses 16.2. Over all 36
# networks main effects explain six tenths of the variance. The rest is interaction. "Which cause
# costs how much?" has no answer by cause alone. Ask it of *a network*.

# %%
explained = 1 - miss.var() / ends["lost"].var()
claims.claim("share of the main effects in the variance", explained, about=0.6, within=0.05)
worst = compared.loc[miss.abs().idxmax()]
claims.claim("the worst: decades lost", worst["lost"], about=16.2, within=0.02)
claims.claim("the worst: by adding", worst["added"], below=10)

# %% [markdown]
# ## Do the decades decide who learns?
#
# We train these 36 networks for 200 steps of SGD at a rate of 0.1 (about 20 seconds), and draw test
# accuracy against decades lost.

# %%
histories = []
for setting in train.each(ends["setting"]):
    net = models.build(setting, digits.features, digits.classes, seed=1000 * seed)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    histories.append(train.fit(net, digits, sgd, steps=steps, seed=seed))

runs = ends.assign(
    accuracy=[history.test_accuracy for history in histories],
    overflow=[bool(history.stopped) for history in histories],
)

# %%
of_each = runs.groupby("activation", sort=False)
accuracies = {name: group["accuracy"] for name, group in of_each}
places = {name: group["lost"] for name, group in of_each}
look = {"xlabel": "decades lost before training (below 0: gained)", "ylabel": "test accuracy"}
ax = plots.curves(accuracies, x=places, **look, title="A window, not a slope")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** On the right, the 10 networks that start more than 2 decades down are at
# or near chance after 200 steps, whatever the cause. (With patience the mildest do learn:
# [lesson 02](02_symptoms.ipynb).) In the window from 1.2 decades gained to 2 lost there are 24
# networks. At least 21 of them learn (they pass 65 %), and the exact number of decades hardly
# matters.
#
# Now the exceptions. Three ReLU networks with skips *gain* more than 0.6 decades, and their loss
# soon [overflows](../docs/glossary.md#overflow). And the plain ReLU network with He's weights loses
# *nothing* in 20 layers, yet it falls behind nearly everybody in the window. A small loss of
# decades was **needed here, and not enough**. The ledger sees one illness, and a network can have
# another.

# %%
starved = runs[runs["lost"] > 2]
window = runs[runs["lost"].between(-1.2, 2)]
claims.claim("networks that start more than 2 decades down", len(starved), equals=10)
claims.claim("their best accuracy", starved["accuracy"].max(), below=0.3, drifts=True)
claims.claim("networks in the window", len(window), equals=24)
claims.claim("in the window at least 21 learn", (window["accuracy"] > 0.65).sum() >= 21)

wild = runs[runs["overflow"]]
healthy = runs[runs["setting"] == models.Setting(20, width, "relu", "he")].iloc[0]
claims.claim("ReLU networks that overflow", (wild["activation"] == "relu").sum(), equals=3)
claims.claim("each gains more than 0.6 decades", wild["lost"].max(), below=-0.6)
claims.claim("plain ReLU with He: decades lost", healthy["lost"], between=(-0.3, 0.3))
claims.claim("and yet its accuracy", healthy["accuracy"], below=0.85, drifts=True)

# %% [markdown]
# ## "8 to 10+ hidden layers"
#
# That is where the problem hits hardest, says the chapter. Let us ask: at which depth is the delta
# of layer 1 first below a thousandth of that of the last layer, so that more than 3 decades are
# lost? We build networks of 2, 3, 4, ... layers, 128 units wide, and take the mean of the decades
# over five draws (the logarithm of the [geometric mean](../docs/glossary.md#geometric-mean);
# [formulas](../docs/formulas.md#decades)).
#
# **Predict.** Which depth is it for GELU, the activation of many transformers, at PyTorch's
# default? (Lesson 01 found that it leaves 0.29 of the norm per layer.)

# %%
guess = None
prediction = claims.predict("First depth for GELU?", guess)


# %%
def fall(activation, start="default", depths=range(2, 41)):
    """Decades lost at each depth, measured and by theory, until a thousandth is left."""
    points = []
    for depth in depths:
        setting = models.Setting(depth, wide, activation, start)
        predicted = -math.log10(models.predicted_profile(setting, inputs)[0])
        points.append({"depth": depth, "lost": decades_lost(setting, 5), "theory": predicted})
        if points[-1]["lost"] > 3:
            break
    return pd.DataFrame(points)


# %%
falls = {name: fall(name) for name in ("sigmoid", "gelu", "silu", "relu", "tanh", "elu", "selu")}
falls["tanh, xavier"] = fall("tanh", "xavier", depths=(10, 20, 40))
falls["relu, he"] = fall("relu", "he", depths=(10, 20, 40))
prediction.compare(int(falls["gelu"]["depth"].iloc[-1]))

# %%
drawn = {name: table for name, table in falls.items() if name not in ("silu", "elu")}
measured = {name: table["lost"] for name, table in drawn.items()}
predicted = {name: table["theory"] for name, table in drawn.items()}
look = {"x": {name: table["depth"] for name, table in drawn.items()}, "xlabel": "depth"}
title = "A thousandth is left where a line crosses 3"
ax = plots.curves(measured, predicted, **look, ylabel="decades lost", title=title)
ax.axhline(3, color="0.4", linewidth=1)
ax.axvspan(9, 11, color="0.9", zorder=0)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The grey band is 8 to 10 hidden layers, a depth of 9 to 11. Of seven
# activations at the default, one crosses the line there: ReLU, at 9. Sigmoid is through at 5, GELU
# and SiLU at 7, tanh and ELU at 13 or 14 (SiLU and ELU are not drawn), SELU near 30. With matched
# weights tanh and ReLU lose less than a decade in 40 layers. "8 to 10 layers" is one activation
# with one initialisation.
#
# The theory (dashed) knew it. Each layer multiplies the norm by $\sqrt\chi$
# ([chi](../docs/glossary.md#chi)), and from layer $L$ to layer 1 there are $L-1$ steps. GELU loses
# $-\log_{10}0.29=0.54$ decades per step, and $3/0.54=5.6$: the sixth step falls below a thousandth,
# at depth 7.

# %%
gaps = [(table["lost"] - table["theory"]).abs().max() for table in falls.values()]
per_step = falls["gelu"]["lost"].diff().mean()
claims.claim("worst point, decades from theory", max(gaps), below=0.6)
claims.claim("GELU: decades per step", per_step, about=0.54, within=0.05)
for name in ("tanh, xavier", "relu, he"):
    at_40 = falls[name]["lost"].iloc[-1]
    claims.claim(f"{name}: decades lost, depth 40", at_40, between=(-0.6, 1), digits=2)

depths = {"sigmoid": (5, 5), "gelu": (7, 7), "silu": (7, 7), "relu": (9, 9)}
depths |= {"tanh": (13, 14), "elu": (13, 14), "selu": (28, 32)}
for name, (low, high) in depths.items():
    first = int(falls[name]["depth"].iloc[-1])
    claims.claim(f"{name}: first depth", first, between=(low, high + 0.5))

# %% [markdown]
# **Question.** A plain ReLU network has 40 layers, at PyTorch's default. Which change lets more
# than a tenth of the gradient through?
#
# <details><summary>He's weights</summary>Right. With them ReLU lost less than a decade in 40
# layers.</details>
# <details><summary>GELU in place of ReLU</summary>Not this: it leaves 0.29 of the norm per layer,
# less than ReLU.</details>
# <details><summary>SELU in place of ReLU</summary>Not this: a thousandth is left near 30
# layers.</details>

# %% [markdown]
# ### Exercise 3.3 - first_depth (4 points)
#
# *About 11 minutes, medium.*
#
# `ratios` is a list with one row for each of the depths 2, 3, 4, ... in turn. A row lists the
# ratios $\|\delta_1\|/\|\delta_L\|$ of several networks of that depth, all above 0. Return the
# first depth at which their geometric mean is below `share`, and `math.inf` if there is none. With
# one network per depth you earn 1 point, with several 3.
#
# <details><summary>Hint</summary>A geometric mean is a mean of logarithms. And mind which depth the
# first row belongs to.</details>
# <details><summary>More help</summary>Loop over <code>enumerate(ratios, start=2)</code>. Stop at
# the first row whose mean logarithm is below that of <code>share</code>.</details>


# %% tags=["exercise"]
def first_depth(ratios: list, share: float) -> float:
    """First depth at which the typical network keeps less than this share."""
    ### BEGIN SOLUTION
    for depth, row in enumerate(ratios, start=2):
        if np.log(row).mean() < math.log(share):
            return depth
    return math.inf
    ### END SOLUTION


# %% tags=["check"]
exercises.check(first_depth)

# %% [markdown] tags=["solution"]
# Ratios come from multiplying, so it is their logarithms that scatter evenly; an arithmetic mean
# would wait for the luckiest network. Counting starts at 2, since one layer has only one delta.

# %% [markdown]
# ## At the controls
#
# Now move things yourself. **[The gain](../docs/glossary.md#gain)** is $\sigma_w$: 0.58 for
# PyTorch's default, about 1 for Xavier's. When you move a slider, your last three curves stay
# in grey. *Reset* leads back to the picture printed here.


# %%
def signature(depth, activation, gain):
    """Draw measured and predicted delta norms of one network."""
    setting = models.Setting(depth, width, activation, "lecun", gain=gain)
    flow = flows(setting, draws=1)[0]
    measured = {activation: flow.relative_delta_norms}
    predicted = {activation: models.predicted_profile(setting, inputs)}
    title = f"{depth} layers, gain {gain:g}: {flow.decades_lost:.1f} decades lost"
    look = {"ylabel": "delta norm, relative to the last layer", "float32_zone": False}
    ax = plots.layer_profile(measured, predicted, **look, title=title)
    ax.set(xlim=(0, 81), ylim=(1e-20, 1e10))
    return ax


names = ["tanh", "sigmoid", "relu", "gelu", "selu"]
plots.sliders(signature, depth=(2, 80, 1, 50), activation=names, gain=(0.1, 4.0, 0.01, 0.58))

# %% [markdown]
# **Reading the figure.** 50 layers of tanh at PyTorch's scale: a straight line down, with theory
# under the points. A larger gain lifts its left end.
#
# **Quest.** Find the gain at which 50 tanh layers neither vanish nor explode, so that layer 1 gets
# what layer 50 sends. At 1 (Xavier's) a little is lost, at 2.3 (PyTorch's times 4) it grows.
# (Then we ask the theory about 55 gains and take the quietest.)

# %%
guess = None
prediction = claims.predict("The quiet gain?", guess)

# %%
change_of = {}
for gain in np.arange(95, 150) / 100:
    setting = models.Setting(50, width, "tanh", "lecun", gain=gain)
    change_of[gain] = abs(math.log10(models.predicted_profile(setting, inputs)[0]))
quiet = min(change_of, key=change_of.get)
prediction.compare(quiet)

# %%
measured = {}
for part in (0.8, 1, 1.2):
    setting = models.Setting(50, width, "tanh", "lecun", gain=part * quiet)
    measured[f"{part:g} times the quiet gain"] = decades_lost(setting)
pd.DataFrame({"decades lost": measured}).round(1)

# %% [markdown]
# Theory puts the quiet gain near 1.19, and there the measurement is within half a decade of level.
# A fifth less loses more than a decade, a fifth more gains about one. At 1,000 layers the window is
# narrower still: lesson 06 goes there.

# %%
claims.claim("the quiet gain", quiet, about=1.19, within=0.04)
for part, bounds in ((0.8, (1.2, 2.1)), (1, (-0.4, 0.3)), (1.2, (-1.4, -0.7))):
    name = f"{part:g} times the quiet gain"
    claims.claim(f"{name}: decades lost", measured[name], between=bounds)

# %% [markdown]
# ### Exercise 3.4 - my_pair (open)
#
# *About 20 minutes, medium.*
#
# Find two changes that help or hinder each other, in a network of your own. Write `my_pair()`,
# which returns four things: a `models.Setting` to start from; two changes, each a dictionary of
# fields and new values, such as `{"depth": 5}`; and a prediction: `"more"` if both together save at
# least half a decade more than the sum of what each saves alone, `"less"` if at least half a decade
# less, otherwise `"the same"`. (A change that costs decades saves a negative number.)
#
# The check measures your four networks, three draws each. Depth may be at most 40, width at most
# 128. One of the changes must alone save or cost half a decade. The lesson's own pair (layers and a
# skip, sigmoid) is taken.
#
# <details><summary>Hint</summary>Changes that mend the same damage make "less". For "more", look
# for one that helps only beside the other.</details>
# <details><summary>More help</summary>For which activation were He's weights made?</details>


# %% tags=["exercise"]
def my_pair() -> tuple:
    """A network, two changes, and whether they save more together than in sum."""
    ### BEGIN SOLUTION
    start = models.Setting(depth=20, width=64, activation="tanh")
    return start, {"activation": "relu"}, {"initialization": "he"}, "more"
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_pair)

# %% [markdown] tags=["solution"]
# One of many answers. ReLU alone costs a default tanh network almost three decades. He's weights
# alone push tanh into its flat ends and save about five. Together they save almost five as well,
# two and a half more than the sum: He's weights are made for ReLU.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who says it | verdict | measured here |
# |---|---|---|---|
# | sigmoid is a cause | all | true, with its weights | 11.6 of 16.1 decades |
# | tanh is a cause | all | its weights, at the start | slopes: 0.2 of 4.7 |
# | derivatives below 1: it shrinks | chapter | false | grew by 1.7 decades |
# | ReLU: no shrinking | blog post, chapter | not for half the units | 2.9 decades |
# | poor initialisation | study notes, entry | true; the default is poor | nearly all of 4.7 |
# | Xavier for the sigmoid | answer | false | leaves 11.8 decades |
# | depth; fewer layers help | all but answer | as a multiplier | 12.8 decades, or none |
# | depth without skips | study notes | the same cause again | interaction -12.8 |
# | skips prevent vanishing | all but entry | true of $x+\phi(Wx)$ | $\phi(x+Wx)$ leaves 11.5 |
# | skips solve exploding | blog post | false | ReLU, He: grew by over 3 |
# | 8 to 10+ hidden layers | chapter | one case of seven | depth 5 to about 30, or never |
#
# ## What this does not show
#
# Another width, other data or a norm between the layers may interact too, and our two skips are not
# all skips (lesson 08). All decades were measured at the start. "Does not learn" means in 200 steps
# at one rate.
#
# ## Summary
#
# * Of the 16.1 decades of a 20-layer sigmoid network the slopes took 11.6 and the weights 4.5. A
#   ledger is no forecast: weights better by 11.4 decades made a tanh network better by 6.4.
# * $x+\phi(Wx)$ saved 15.4 decades in one network and half a decade in another. Main effects
#   explain six tenths of the table; depth and missing skips are *one* cause.
# * A thousandth is left at depth 5 (sigmoid), 7 (GELU), 9 (ReLU), 13 or 14 (tanh). With matched
#   weights tanh and ReLU lose less than a decade in 40 layers.
#
# ## References
#
# [All five articles](../docs/sources.md); Fisher 1935, *The Design of Experiments*, chapter 6;
# Glorot and Bengio 2010, [eq. 1, 6 and 12](https://proceedings.mlr.press/v9/glorot10a.html); He et
# al. 2015, [eq. 10](https://arxiv.org/abs/1502.01852); He et al. 2016, on
# [where to put the sum](https://arxiv.org/abs/1603.05027), figure 4; Schoenholz et al. 2017,
# [eq. 5](https://arxiv.org/abs/1611.01232).
#
# Next: [04 · Is ReLU the cure?](04_activations.ipynb)

# %%
print(progress.summary())

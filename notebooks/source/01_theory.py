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
# # 01 · Where does the gradient go?
#
# You need [00](00_start_here.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * write the chain rule of a deep network with *all* its factors, and name the one that popular
#   articles leave out, worth a factor of 1.73 in each layer;
# * predict, before any network is built, how many [decades](../docs/glossary.md#decade) of gradient
#   20 layers will cost;
# * measure the one quantity that cannot fool you, where another hides four decades.

# %% tags=["setup"]
import math

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("01", seed=0, depth=20, width=128, draws=5)

# %% tags=["parameters"]
seed = 0
depth = 20
width = 128
draws = 5

# %% [markdown]
# ## Products do not stay moderate
#
# In [00](00_start_here.ipynb) a network of 30 sigmoid layers lost about 25 decades (powers of ten)
# of gradient. Where do they go?
#
# [Five widely read articles](../docs/sources.md) explain it. (We call them *the answer*, *the study
# notes*, *the encyclopaedia entry*, *the blog post* and *the chapter*.) The common idea: a gradient
# is a product, with one factor for each layer. The blog post takes a factor of 0.5 in each of 10
# layers. The chapter multiplies 0.1 four times. We draw what such factors leave.

# %%
layers = np.arange(21)
left = {f"factor {factor}": factor**layers for factor in (1.1, 1.0, 0.9, 0.5, 0.1)}
look = {"xlabel": "layers passed", "ylabel": "what is left of 1", "yscale": "log"}
ax = plots.curves(left, x=layers, **look, title="The same factor in each layer")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Each factor draws a straight line, since every layer takes the same number
# of decades. A factor of 0.5 takes three decades in 10 layers, 0.1 takes four in 4 layers. Even 0.9
# leaves only 12 % after 20 layers, and 1.1 makes almost 7 times as much. A product of many numbers
# goes to zero or to infinity, unless the numbers are close to 1.

# %%
claims.claim("ten factors of 0.5 leave", 0.5**10, equals=0.0009765625)
claims.claim("four factors of 0.1 leave", 0.1 * 0.1 * 0.1 * 0.1, about=1e-4, within=0.001)
claims.claim("twenty factors of 0.9 leave", 0.9**20, about=0.12, within=0.02)
claims.claim("twenty factors of 1.1 leave", 1.1**20, about=6.7, within=0.01)

# %% [markdown]
# Both articles multiply correctly. But does a real layer have the factor 0.5, or 0.1? We measure
# it, and then derive it.
#
# ### Exercise 1.1 - layers_until (4 points)
#
# *About 11 minutes, easy.*
#
# After how many layers is a signal that is multiplied by `factor` in each of them first at or below
# `target` times its start? Write `layers_until(factor, target)`, which returns a whole number.
# `factor` lies between 0 and 1; so does `target`, or it is 1, and then the answer is 0. For 0.5 and
# 0.001 it is 10. Targets that are met exactly earn 1 point, all others 3 points.
#
# <details><summary>Hint</summary>Multiply until you are there, and count. Or take logarithms of
# factor<sup>n</sup> ≤ target, and mind which way to round.</details>
# <details><summary>More help</summary>Logarithms are rounded: 3 may come out as 3.0000000001. Let a
# loop settle the last step.</details>


# %% tags=["exercise"]
def layers_until(factor: float, target: float) -> int:
    """Smallest number of layers after which factor**layers <= target."""
    ### BEGIN SOLUTION
    layers = max(0, math.floor(math.log(target) / math.log(factor)) - 1)
    while factor**layers > target:
        layers += 1
    return layers
    ### END SOLUTION


# %% tags=["check"]
exercises.check(layers_until)

# %% [markdown] tags=["solution"]
# The logarithm gives the answer up to rounding; the loop settles the last step exactly, so that an
# exact power such as 0.5 ** 10 is not lost to the last bit of a division.

# %% [markdown]
# ## A weight times a slope
#
# To see where the factors come from, take a network with one unit per layer. Each layer multiplies
# what it gets, $h$, by a weight $w$, so $z=wh$, and applies tanh. How fast does the output change
# if the input changes? By the **chain rule** the derivatives of all steps multiply. The derivative
# of $z=wh$ is $w$. The derivative of an activation at $z$ is called its
# **[slope](../docs/glossary.md#slope)**; for tanh it is $1-\tanh(z)^2$.

# %%
x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
signal, rows = x, []
for weight in (0.5, -2.0, 1.5):
    signal = torch.tanh(weight * signal)
    slope = 1 - signal.item() ** 2
    rows.append({"weight": weight, "slope": slope, "weight * slope": weight * slope})

signal.backward()
product = math.prod(row["weight * slope"] for row in rows)
claims.claim("product over PyTorch's gradient", product / x.grad, about=1, within=1e-12)
pd.DataFrame(rows, index=["layer 1", "layer 2", "layer 3"]).round(3)

# %% [markdown]
# Every layer contributes *two* numbers: its weight and its slope. Their product is what PyTorch
# gives, too, by **[backpropagation](../docs/glossary.md#backpropagation)**: the chain rule, applied
# from the end back to the input, one layer after the other.
#
# ### Exercise 1.2 - sigmoid_chain_grad (5 points)
#
# *About 14 minutes, medium.*
#
# Let $y$ be the sigmoid applied `depth` times in a row to each entry of `x` (no weights). Write
# `sigmoid_chain_grad(x, depth)`: the tensor of derivatives $dy/dx$, entry by entry, of the same
# shape as the float tensor `x`. `depth` is at least 1. One layer at zero earns 2 points, anything
# else 3 points.
#
# <details><summary>Hint</summary>Each sigmoid contributes its slope <em>at its own input</em>,
# which is the output of the one before.</details>
# <details><summary>More help</summary>If s is the output of a sigmoid, its slope there is
# s(1 - s).</details>


# %% tags=["exercise"]
def sigmoid_chain_grad(x: torch.Tensor, depth: int) -> torch.Tensor:
    """Derivative of `depth` nested sigmoids at x, elementwise."""
    ### BEGIN SOLUTION
    slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope
    ### END SOLUTION


# %% tags=["check"]
exercises.check(sigmoid_chain_grad)

# %% [markdown] tags=["solution"]
# The slope of a sigmoid in terms of its own output $s$ is $s(1-s)$, so the loop needs each output
# once. Only the first factor can be 0.25 for all depths; later inputs lie between 0 and 1.

# %% [markdown]
# ## Delta, layer by layer
#
# A real layer has many units. First it mixes its inputs, $z_l=W_l h_{l-1}+b_l$; these sums are
# its **[pre-activations](../docs/glossary.md#pre-activation)**. Then it applies the activation
# $\phi$: $h_l=\phi(z_l)$. Layer 1 is nearest the input.
#
# The gradient of the loss at the pre-activations, $\delta_l=\partial\,\text{loss}/\partial z_l$, is
# called the **[delta](../docs/glossary.md#delta)** of the layer. It is what arrives there on the
# way back.
#
# We measure them in a small tanh network. A `Setting` says what to build.

# %%
setting = models.Setting(depth=4, width=width, activation="tanh")
net = models.build(setting, in_features=64, out_features=10, seed=seed).double()
print(net)
setting

# %% [markdown]
# Four `nn.Linear` layers, for pictures of 64 pixels and 10 digits, with a tanh between them.
# "default" in the table means: weights as PyTorch draws them. (The other rows have their turn
# later.) `.double()` makes all numbers float64; the reason comes below.
#
# Now we run the network, module by module, and keep the pre-activations. PyTorch forgets the
# gradient at such numbers unless `retain_grad` asks for it. After one backward pass each of them
# carries its delta. The size of a delta is its **norm**: square all entries, add, take the root.

# %%
inputs, targets = data.digits().batch(64, seed)  # (64, 64): pictures, pixels
signal, pre_activations = inputs.double(), []
for module in net:
    signal = module(signal)  # (batch, units)
    if isinstance(module, nn.Linear):
        signal.retain_grad()
        pre_activations.append(signal)
cross_entropy(signal, targets).backward()

norms = [each.grad.norm().item() for each in pre_activations]
names = ["layer 1", "layer 2", "layer 3", "layer 4"]
pd.DataFrame({"delta norm": norms}, index=names).round(4)

# %% [markdown]
# Read it from below, as the gradient flows: each layer leaves less. These twelve lines are an
# instrument. The course has one, `probe.record`, that does the same for any network (on a copy, so
# that yours stays as it was) and keeps more besides.

# %%
flow = probe.record(net, inputs, targets, cross_entropy)
difference = np.abs(flow.delta_norms / norms - 1).max()
claims.claim("probe.record and our twelve lines differ, at most", difference, below=1e-12, digits=1)
flow

# %% [markdown]
# The first column is ours; the others have their turn later. (Layers are named by their place in
# the printed network.) Both agree, so from now on we import it.
#
# How does $\delta_l$ follow from $\delta_{l+1}$? Unit $j$ of layer $l$ feeds every unit $i$ of the
# layer above, with weight $W_{ij}$. So what comes back is $\sum_i W_{ij}\,\delta_i$, entry $j$
# of $W^\top\delta$. Then it passes the activation: times the slope at its own $z_j$. For the whole
# layer, with $\odot$ for entry by entry ([formulas](../docs/formulas.md#the-chain-rule)):
#
# $$\delta_l=\phi'(z_l)\odot{}W_{l+1}^\top\,\delta_{l+1}.$$
#
# With a batch in rows, $W^\top\delta$ is `delta @ weight`. One step by hand, from layer 2 to 1:

# %%
z1, delta1 = pre_activations[0].detach(), pre_activations[0].grad
delta2 = pre_activations[1].grad
through_weights = delta2 @ net[2].weight.detach()  # (batch, width)
slope = 1 - torch.tanh(z1) ** 2
by_hand = slope * through_weights

rows = {"delta of layer 2": delta2.norm().item()}
rows["after the weights"] = through_weights.norm().item()
rows["after the slopes too"] = by_hand.norm().item()
rows["after the slopes only"] = (slope * delta2).norm().item()
rows["delta of layer 1, PyTorch"] = delta1.norm().item()
pd.DataFrame({"norm": rows}).round(4)

# %% [markdown]
# Weights and slopes together give PyTorch's delta. The weights took *more* than the slopes. The
# fourth row leaves them out, and is too large by a factor near 1.73. Why 1.73? We come to it.
#
# The study notes write the chain as a product of terms $dz_n/dz_{n-1}$ and do not say that a $W$
# sits in each of them. The chapter lets the derivatives of the activations decide alone.

# %%
excess = (slope * delta2).norm() / delta1.norm()
by_weights = through_weights.norm() / delta2.norm()
by_slopes = by_hand.norm() / through_weights.norm()
claims.claim("by hand minus PyTorch", (by_hand - delta1).abs().max(), below=1e-15, drifts=True)
claims.claim("without W the delta is too large by", excess, about=1.73, within=0.1)
claims.claim("the weights leave less than the slopes", by_weights < by_slopes)

# %% [markdown]
# **Question.** Which of these changes the factor by which a layer multiplies the delta?
#
# <details><summary>Doubling the learning rate</summary>Not this: it acts after the backward pass,
# when the weights are moved.</details>
# <details><summary>Doubling the weights of the layer above</summary>Right. The weights stand in the
# factor: twice the weights, twice the delta.</details>
# <details><summary>Doubling the loss</summary>Not this: every delta doubles, so the factor from one
# to the next stays as it is.</details>

# %% [markdown]
# ### Exercise 1.3 - backward_deltas (5 points)
#
# *About 14 minutes, medium.*
#
# Now the whole chain, of a tanh network with $L$ layers. `weights` lists $W_2 … W_L$, each of shape
# (out, in). `pre_activations` lists $z_1 … z_{L-1}$, each of shape (batch, units). `delta` is
# $\delta_L$, of shape (batch, out). Write `backward_deltas(weights, pre_activations, delta)`, which
# returns the list $[\delta_1, …, \delta_L]$ of tensors, from input to output, the given one at its
# end. One step ($L=2$) earns 2 points, more layers 3 points.
#
# <details><summary>Hint</summary>Go from the last layer to the first. One step: deltas are rows, so
# multiply from the right by <code>W</code> (not its transpose), then by the slope at the
# pre-activation.</details>
# <details><summary>More help</summary>The last weight matrix and the last pre-activation belong to
# the first step. Put each new delta at the front of your list.</details>


# %% tags=["exercise"]
def backward_deltas(weights: list, pre_activations: list, delta: torch.Tensor) -> list:
    """Deltas of every layer of a tanh network, from input to output."""
    ### BEGIN SOLUTION
    deltas = [delta]
    for weight, z in zip(reversed(weights), reversed(pre_activations), strict=True):
        delta = (delta @ weight) * (1 - torch.tanh(z) ** 2)
        deltas.insert(0, delta)
    return deltas
    ### END SOLUTION


# %% tags=["check"]
exercises.check(backward_deltas)

# %% [markdown] tags=["solution"]
# With a batch in rows, $W^\top\delta$ becomes `delta @ weight`. This loop *is* backpropagation for
# the deltas; autograd does the same and adds $\delta_l h_{l-1}^\top$ for each weight.

# %% [markdown]
# ## One number per layer
#
# Now deep networks: 20 layers of 128 units, with weights as PyTorch draws them, and with sigmoid,
# ReLU or tanh.
#
# **Predict.** With the sigmoid: what is the delta norm of layer 1, divided by that of layer 20? (In
# 00, 30 sigmoid layers lost 25 decades.) Write a number such as `1e-4`.

# %%
guess = None
prediction = claims.predict("Delta of layer 1 over delta of layer 20, sigmoid?", guess)

# %%
flows = {}
for name in ("sigmoid", "relu", "tanh"):
    net = models.build(models.Setting(depth, width, name), 64, 10, seed)
    flows[name] = probe.record(net, inputs, targets, cross_entropy)
prediction.compare(flows["sigmoid"].relative_delta_norms[0])

# %%
deltas = {name: flow.delta_norms for name, flow in flows.items()}
ax = plots.layer_profile(deltas, title="Three activations, weights as PyTorch draws them")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Start at the right, where the gradient enters. Each network draws a
# straight line: every layer takes the same share. So *one number* describes a network, its factor
# per layer. The sigmoid is the steepest. ReLU, the famous cure, vanishes too.
#
# To read the number off, we ask: which single factor, taken once per step, gives the same total?
# For $n$ steps it is the $n$-th root of the product of their factors, their
# **[geometric mean](../docs/glossary.md#geometric-mean)**. `norm_factor` is this mean, over the
# steps between layer 2 and layer 19. (The first and the last layer have other shapes.)

# %%
factors = {name: flow.norm_factor for name, flow in flows.items()}
pd.DataFrame({"factor per layer": factors}).round(3)

# %% [markdown]
# None is 0.5 or 0.1, and none is 1.
#
# An ordinary mean would mislead. Say one network passes on $10^{-2}$ of the gradient and another
# one $10^{-6}$. Their ordinary mean is half of the first number and forgets the second. Their
# geometric mean is $10^{-4}$, in the middle of the decades. So we average geometrically, over
# layers and over networks.

# %%
claims.claim("sigmoid, factor per layer", factors["sigmoid"], about=0.141, within=0.06)
claims.claim("relu, factor per layer", factors["relu"], about=0.408, within=0.08)
claims.claim("tanh, factor per layer", factors["tanh"], about=0.575, within=0.06)
claims.claim("geometric mean of 1e-2, 1e-6", math.sqrt(1e-2 * 1e-6), about=1e-4, within=1e-9)

# %% [markdown]
# ### Exercise 1.4 - norm_per_layer (4 points)
#
# *About 11 minutes, easy.*
#
# `norms` is a list of the delta norms of $L$ layers, positive floats from input to output, $L$ at
# least 2. Write `norm_per_layer(norms)`: the factor by which one layer multiplies the norm *on the
# way back*, as a geometric mean over all steps. Two layers earn 1 point, more layers 3 points.
#
# <details><summary>Hint</summary>How many steps lie between L layers? And which norm comes first on
# the way back?</details>
# <details><summary>More help</summary>Multiply the factors of all steps: most norms cancel, and two
# are left.</details>


# %% tags=["exercise"]
def norm_per_layer(norms: list) -> float:
    """Geometric mean of the factor per layer, going backward."""
    ### BEGIN SOLUTION
    return (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))
    ### END SOLUTION


# %% tags=["check"]
exercises.check(norm_per_layer)

# %% [markdown] tags=["solution"]
# The product of all ratios telescopes to first over last, and its root is the geometric mean. An
# arithmetic mean of the ratios would follow whichever layer happens to be luckiest.

# %% [markdown]
# ## What weights and slopes do
#
# Where do these three factors come from? Take the weights first. The number of inputs of a unit is
# called **[fan_in](../docs/glossary.md#fan_in)**. PyTorch draws the weights of `nn.Linear` evenly
# between $-a$ and $a$, with $a=1/\sqrt{\text{fan\_in}}$. The variance of such a draw, the mean of
# $x^2$ from $-a$ to $a$, is $a^2/3$ ([formulas](../docs/formulas.md#initialisations)).
#
# We draw 200 layers and see by which factor each changes the *squared* norm of one vector.

# %%
torch.manual_seed(seed)
delta = torch.randn(width)
squares = []
for _ in range(200):
    weight = nn.Linear(width, width).weight.detach()  # a new draw each time
    squares.append(((delta @ weight).norm() / delta.norm()).item() ** 2)
pd.DataFrame({"factor of the squared norm": squares}).agg(["mean", "std"]).round(2)

# %% [markdown]
# One third, and single draws lie close to it. Here is why.
#
# Entry $j$ of $W^\top\delta$ is a sum, $\sum_i W_{ij}\delta_i$. Its terms have both signs, so its
# mean over draws is 0 and tells nothing. A *square* cannot cancel, so we ask for the mean of the
# square.
#
# Multiply it out. Mixed terms, $W_{ij}W_{kj}\,\delta_i\delta_k$, have mean 0, because two weights
# are drawn independently and have mean 0. What is left is
# $\sum_i \mathrm{Var}\,W\,\delta_i^2=\mathrm{Var}\,W\,\|\delta\|^2$.
# There are fan_in such entries. With $\mathrm E$ for the mean over draws
# ([formulas](../docs/formulas.md#what-random-weights-do-to-a-norm)):
#
# $$\mathrm{E}\,\|W^\top\delta\|^2=\sigma_w^2\,\|\delta\|^2,\qquad
# \sigma_w^2=\text{fan\_in}\cdot\mathrm{Var}\,W.$$
#
# This $\sigma_w^2$ is called the **[weight variance](../docs/glossary.md#weight-variance)**. For
# PyTorch it is 1/3, so the norm changes by $\sqrt{1/3}=0.577$ per layer. Forget the weights, and
# you are off by $\sqrt 3=1.73$, in every layer.

# %%
default = width * nn.Linear(width, width).weight.var()
claims.claim("PyTorch's fan_in * Var W", default, about=1 / 3, within=0.05)
claims.claim("mean factor of the squared norm", np.mean(squares), about=1 / 3, within=0.03)
claims.claim("the norm changes by", np.mean(squares) ** 0.5, about=0.577, within=0.02)

# %% [markdown]
# The slopes come next. They multiply entry by entry. In a wide layer one unit hardly matters to
# the deltas above it, so slope and $W^\top\delta$ are nearly independent, and the mean of their
# product is the product of their means:
#
# $$\mathrm{E}\,\|\delta_l\|^2=\sigma_w^2\;\mathrm{E}\,\phi'(z)^2\;
# \mathrm{E}\,\|\delta_{l+1}\|^2.$$
#
# Which slopes occur depends on where the $z$ lie. One picture goes through the sigmoid network, and
# we collect the pre-activations of layers 3 to 19.

# %%
net = models.build(models.Setting(depth, width, "sigmoid"), 64, 10, seed)
signal, sums = inputs[:1], []  # (1, 64): one picture
for module in net:
    signal = module(signal)
    if isinstance(module, nn.Linear):
        sums.append(signal.detach())
found = torch.cat(sums[2:-1], dim=1)  # layers 3 to 19: (1, 17 * width)
found_q = found.square().mean().item()

# %%
density, edges = np.histogram(found, bins=40, range=(-1.2, 1.2), density=True)
middles = (edges[1:] + edges[:-1]) / 2
curve = np.exp(-(middles**2) / (2 * found_q)) / math.sqrt(2 * math.pi * found_q)
look = {"xlabel": "pre-activation z", "ylabel": "density"}
ax = plots.curves({"sigmoid": density}, {"sigmoid": curve}, x=middles, **look, title="A bell curve")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The dots show how often each $z$ occurs, the dashed line is a normal
# distribution around 0. They agree, as each $z$ is a sum of many independent terms (the central
# limit theorem). So one number says where the $z$ lie: their variance, called
# **[q](../docs/glossary.md#q)**.
#
# It can be computed. The variance of $z=\sum_j W_j h_j+b$ follows as before: mixed terms cancel,
# and $\sigma_w^2$ times the mean of $h^2$ is left, plus the variance $\sigma_b^2$ of a bias. With
# $h=\phi(z)$ and $z=\sqrt{q}$ times a standard normal number $u$:
#
# $$q_{l+1}=\sigma_w^2\;\mathrm{E}\,\phi(\sqrt{q_l}\,u)^2+\sigma_b^2.$$
#
# (Poole et al. 2016, eq. 3; [formulas](../docs/formulas.md#variance-and-chi).) We write this mean,
# and follow $q$ from layer to layer, from three starts.


# %%
u = torch.linspace(-10, 10, 2001, dtype=torch.float64)
bell = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)


def normal_mean(values):
    """Mean of a function of u over the standard normal distribution."""
    return torch.trapezoid(bell * values, u).item()  # an integral, as a sum of thin strips


# %%
weight_var, bias_var = 1 / 3, 1 / (3 * width)  # as nn.Linear draws them
columns = {}
for start in (0.01, 1.0, 100.0):
    q = start
    columns[f"start at {start:g}"] = [q]
    for _ in range(4):
        h = torch.sigmoid(math.sqrt(q) * u)
        q = weight_var * normal_mean(h**2) + bias_var
        columns[f"start at {start:g}"].append(q)
pd.DataFrame(columns, index=[f"layer {number}" for number in range(1, 6)]).round(4)

# %% [markdown]
# Wherever $q$ starts, after a few layers it is 0.088 and stays there. Such a value is called a
# **[fixed point](../docs/glossary.md#fixed-point)**: the next layer gives it back unchanged. It is
# also what we have measured. So deep layers are all alike, and this is why the lines were straight.

# %%
claims.claim("q after five layers", q, about=0.088, within=0.01)
claims.claim("q measured in one network", found_q, about=0.088, within=0.12)
close = (found.abs() < math.sqrt(found_q)).double().mean()
claims.claim("share of z within one sqrt(q), bell curve: 0.683", close, about=0.683, within=0.05)

# %% [markdown]
# ## The factor has a name: chi
#
# Now we have all parts. The factor of the mean *squared* norm per layer is called
# **[chi](../docs/glossary.md#chi)**:
#
# $$\chi=\sigma_w^2\;\mathrm{E}\,\phi'(\sqrt{q}\,u)^2.$$
#
# The norm itself changes by $\sqrt\chi$. (Schoenholz et al. 2017, eq. 5.) We compute it for the
# sigmoid. `theory.fixed_point` does the same for any activation, $q$ included.

# %%
h = torch.sigmoid(math.sqrt(q) * u)
slope = h * (1 - h)  # of the sigmoid
chi = weight_var * normal_mean(slope**2)

point = theory.fixed_point("sigmoid", weight_var, bias_var)
claims.claim("chi of the sigmoid, by our own integral", chi, about=0.02, within=0.01)
claims.claim("theory.fixed_point over ours", point.chi / chi, about=1, within=1e-4)
read_off = factors["sigmoid"] / point.norm_factor
claims.claim("measured factor over sqrt(chi)", read_off, about=1, within=0.06)
point

# %% [markdown]
# The third row is our 0.141, computed without any network. Both agree, so from now on we import it.
# (The last two rows have their turn in lesson 06.)
#
# Now the other activations. After how many layers is less than a thousandth of the delta norm left?
# The blog post also offers GELU, a rounded ReLU.

# %%
table = pd.DataFrame()
for name in ("sigmoid", "gelu", "relu", "tanh"):
    factor = theory.fixed_point(name, weight_var, bias_var).norm_factor
    table.loc[name, "per layer"] = factor
    for passed in (3, 4, 7, 8, 10, 12, 13):
        table.loc[name, f"after {passed}"] = factor**passed
table.map("{:.2g}".format)

# %% [markdown]
# Look for the first number below 0.001: after 4 layers of sigmoid, 8 of ReLU, 13 of tanh
# ([formulas](../docs/formulas.md#decades)). The chapter says that the problem hits "hardest in
# networks with 8-10+ hidden layers": one case of three. The blog post's $0.5^{10}$, about 0.001
# after 10 layers, lies between ReLU and tanh. And GELU, one of its better choices, vanishes
# *faster* than ReLU.

# %%
claims.claim("sigmoid, sqrt(chi)", table.loc["sigmoid", "per layer"], about=0.141, within=0.01)
claims.claim("gelu, sqrt(chi)", table.loc["gelu", "per layer"], about=0.290, within=0.01)
claims.claim("relu, sqrt(chi)", table.loc["relu", "per layer"], about=0.408, within=0.01)
claims.claim("tanh, sqrt(chi)", table.loc["tanh", "per layer"], about=0.575, within=0.01)
for name, passed in (("sigmoid", 4), ("relu", 8), ("tanh", 13)):
    before, after = table.loc[name, f"after {passed - 1}"], table.loc[name, f"after {passed}"]
    claims.claim(f"{name}: below 0.001 first after {passed} layers", after < 1e-3 < before)
between = table.loc["relu", "after 10"] < 0.5**10 < table.loc["tanh", "after 10"]
claims.claim("0.5**10 lies between ReLU and tanh after 10 layers", between)

# %% [markdown]
# **Question.** A layer has $\chi=0.04$. What becomes of the norm of delta in this layer?
#
# <details><summary>It is multiplied by 0.04</summary>Not this: chi belongs to the <em>squared</em>
# norm.</details>
# <details><summary>It is multiplied by 0.2</summary>Right. The square is multiplied by 0.04, so the
# norm by its root. Mixing up the two doubles or halves every loss in decades.</details>
# <details><summary>It is multiplied by 0.0016</summary>Not this: that is the square of chi, and we
# need its root.</details>

# %% [markdown]
# **Depth in time.** The answer and the study notes say that gradients vanish in recurrent networks,
# too. Such a network uses the same $W$ at each time step: 50 steps make a chain of 50 layers. With
# no input its state stays 0, where the slope of tanh is 1. So the weights act alone, and theory
# says $\sqrt{1/3}=0.577$ per step.

# %%
torch.manual_seed(seed)
weight = nn.RNN(1, 200, bias=False).weight_hh_l0.detach().double()  # (200, 200)
direction = torch.randn(200, dtype=torch.float64)
start = torch.zeros(200, dtype=torch.float64, requires_grad=True)
state = start
for _ in range(50):
    state = torch.tanh(weight @ state)
(state @ direction).backward()
per_step = (start.grad.norm() / direction.norm()) ** (1 / 50)
claims.claim("recurrent tanh, factor per time step", per_step, between=(0.54, 0.63))

# %% [markdown]
# ## Three ways to be fooled
#
# **First: the gradient of the weights.** By the chain rule it is
# $\partial\,\text{loss}/\partial W_l=\delta_l\, h_{l-1}^\top$: delta times what the layer reads. On
# the way *back* the deltas fade. But on the way *up* the signal $h$ can fade, too. In a network
# without activation and biases both fade by 0.577 per layer. We look at all three norms.

# %%
setting = models.Setting(depth, width, "linear", bias_var=0.0)
net = models.build(setting, 64, 10, seed)
flow = probe.record(net, inputs, targets, cross_entropy)

signal, read = inputs, []
for module in net:
    if isinstance(module, nn.Linear):
        read.append(signal.norm().item())  # what this layer reads
    signal = module(signal)

measured = {"delta": flow.delta_norms, "signal that the layer reads": read}
measured["gradient of its weights"] = flow.weight_grad_norms

# %%
line = models.predicted_profile(setting, inputs) * flow.delta_norms[-1]
look = {"ylabel": "norm", "title": "One network, three norms"}
ax = plots.layer_profile(measured, {"delta": line}, **look)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The deltas lose more than four decades from right to left. The signal
# loses as much from left to right. The gradient of the weights, their product, is flat: it looks
# healthy, and *all* of it is small. Glorot and Bengio saw this in 2010 (eq. 13 and 14). From now on
# "the gradient" in a figure means the norm of delta.
#
# The dashed line is theory: $\sqrt\chi$ per layer, from the setting alone.

# %%
inner = flow.weight_grad_norms[1:-1]  # layers of equal shape
farthest = np.abs(np.log10(line / flow.delta_norms)).max()
claims.claim("delta, layer 1 over layer 20", flow.relative_delta_norms[0], between=(1e-5, 1e-4))
claims.claim("weight gradient, layer 2 over layer 19", inner[0] / inner[-1], between=(0.3, 3))
claims.claim("delta, farthest from the line, in decades", farthest, below=0.3)

# %% [markdown]
# **Question.** In some network all weight gradients have about the same norm. What do you know
# about the deltas?
#
# <details><summary>They have about the same norm, too</summary>Not this: the linear network had
# flat weight gradients, and its deltas lost four decades.</details>
# <details><summary>They vanish towards the input</summary>Not this: in a network that keeps both
# the signal and the deltas, the weight gradients are flat, too.</details>
# <details><summary>Nothing, until I measure them</summary>Right. A flat product can come from two
# flat factors, or from two that fade in opposite directions.</details>

# %% [markdown]
# **Second: float32.** The gradient of the first matrix of 40 sigmoid layers, in the usual number
# format:

# %%
deep = models.build(models.Setting(40, width, "sigmoid"), 64, 10, seed)
cross_entropy(deep(inputs), targets).backward()
gradient = deep[0].weight.grad
in_float64 = gradient.double().norm()

claims.claim("largest entry", gradient.abs().max(), about=4e-35, factor=8, digits=1)
claims.claim("norm in float32", gradient.norm(), equals=0.0)
claims.claim("norm in float64", in_float64, between=(1e-36, 1e-31), digits=1)

# %% [markdown]
# The entries are there, but a norm *squares* them, and float32 ends near $10^{-45}$. So the norm
# reads exactly 0. This is why we measure in float64.
#
# **Third: "every slope is below 1, so the gradient must shrink."** The chapter says so of sigmoid
# and tanh. But beside each slope stands a $W$. Take tanh with larger weights:
# **[LeCun's](../docs/glossary.md#lecun)** have variance 1/fan_in, so $\sigma_w=1$. The setting's
# **[gain](../docs/glossary.md#gain)** multiplies every weight: a gain of 2 makes $\sigma_w=2$.
#
# **Predict.** What is the delta norm of layer 1 now, divided by that of layer 20? (In a cell of
# your own you may ask `theory.fixed_point("tanh", 4)`; the 4 is $\sigma_w^2$.)

# %%
guess = None
prediction = claims.predict("Delta of layer 1 over delta of layer 20, tanh, gain 2?", guess)

# %%
large = models.Setting(depth, width, "tanh", "lecun", gain=2.0)
grown = probe.record(models.build(large, 64, 10, seed), inputs, targets, cross_entropy)
prediction.compare(grown.relative_delta_norms[0])

# %% [markdown]
# Every slope is at most 1, and the gradient *grew*.
#
# The study notes are more careful: "if each term < 1", the product vanishes. Their term
# $dz_n/dz_{n-1}$ is a matrix, $W$ times the slopes, called the
# **[Jacobian](../docs/glossary.md#jacobian)** of the layer. A matrix stretches some directions more
# than others. If "below 1" means that it stretches *no* direction, the notes are right. In the tanh
# network with PyTorch's weights, which lost over four decades, we compare the direction that the
# Jacobian of layer 19 stretches most with 1,000 random ones.

# %%
net = models.build(models.Setting(depth, width, "tanh"), 64, 10, seed)
z = net[:-4](inputs[0])  # (width,): one picture, up to layer 18
jacobian = torch.autograd.functional.jacobian(net[-4:-2], z)  # (width, width): to layer 19
random = torch.randn(1000, width)  # a direction in each row
rows = {"the direction stretched most": torch.linalg.matrix_norm(jacobian, 2).item()}
rows["1,000 random directions"] = ((random @ jacobian).norm() / random.norm()).item()
pd.DataFrame({"stretched by": rows}).round(2)

# %% [markdown]
# A layer can stretch a delta by more than 1. But a delta almost never points that way, and the
# network vanishes all the same. "Each term below 1" is sufficient, not necessary.

# %%
claims.claim("tanh, gain 2: delta grows by", grown.relative_delta_norms[0], between=(8, 40))
most, typical = rows["the direction stretched most"], rows["1,000 random directions"]
claims.claim("tanh, default: largest stretch in layer 19", most, between=(1.05, 1.25))
claims.claim("stretch of random directions", typical, about=0.577, within=0.03)
claims.claim("tanh, default: decades lost", flows["tanh"].decades_lost, between=(4, 5.2))

# %% [markdown]
# ## Theory meets measurement
#
# Theory does not only explain, it can choose. Leave out the biases, pick $\sigma_w^2$ such that
# $\chi=1$ at the fixed point of $q$, and delta keeps its size on average. Such weights are called
# **[critical](../docs/glossary.md#critical)**. For ReLU this is easy: its slope is 1 on one half of
# all $z$ and 0 on the other, so $\mathrm E\,\phi'^2=1/2$ and $\sigma_w^2=2$. These are
# **[He's](../docs/glossary.md#he)** weights (He et al. 2015, eq. 10). Three more follow, one of
# them for ELU, a ReLU with a smooth bend below 0.

# %%
names = ("relu", "elu", "tanh", "sigmoid")
critical = {name: theory.critical_weight_var(name) for name in names}
claims.claim("critical weight variance, ReLU", critical["relu"], about=2, within=0.001)
claims.claim("critical weight variance, ELU", critical["elu"], about=1, within=0.001)
claims.claim("critical weight variance, tanh", critical["tanh"], about=1, within=0.001)
claims.claim("critical weight variance, sigmoid", critical["sigmoid"], about=103, within=0.001)

# %% [markdown]
# The sigmoid needs weights with a variance some 300 times PyTorch's.
#
# Now everything at once: four activations, with PyTorch's weights and with critical ones, each a
# geometric mean over five draws. Of the data, theory needs only the mean square, for the $q$ of
# layer 1.


# %%
def setting_of(name, weights):
    """One of the eight networks: "default" or "critical" weights."""
    if weights == "default":
        return models.Setting(depth, width, name)
    return models.Setting(depth, width, name, "lecun", gain=critical[name] ** 0.5)


def mean_profile(setting):
    """Delta norms relative to the last layer, as a geometric mean over draws."""
    logs = []
    for draw in range(draws):
        net = models.build(setting, 64, 10, seed=1000 * seed + draw)
        flow = probe.record(net, inputs, targets, cross_entropy)
        logs.append(np.log(flow.relative_delta_norms))
    return np.exp(np.mean(logs, axis=0))


# %% [markdown]
# **Predict.** Over all eight networks and all their layers: how far from the theory's line, in
# decades, will the worst point lie? (For the linear network, a single draw, its claims say it.)

# %%
guess = None
prediction = claims.predict("Worst layer, decades from the line?", guess)

# %%
measured, predicted, gaps = {}, {}, pd.DataFrame()
for weights in ("default", "critical"):
    settings = {name: setting_of(name, weights) for name in names}
    measured[weights] = {name: mean_profile(settings[name]) for name in names}
    predicted[weights] = {name: models.predicted_profile(settings[name], inputs) for name in names}
    for name in names:
        distance = np.log10(measured[weights][name] / predicted[weights][name])
        gaps.loc[name, weights] = np.abs(distance).max()
prediction.compare(gaps.max().max())
gaps.round(2)

# %%
figure, axes = plots.panels(2)
look = {"ylabel": "delta norm, relative to layer 20", "float32_zone": False}
title = "PyTorch's default"
plots.layer_profile(measured["default"], predicted["default"], **look, title=title, ax=axes[0])
title = "critical weights"
plots.layer_profile(measured["critical"], predicted["critical"], **look, title=title, ax=axes[1])
axes[0].set_ylim(1e-18, 1e2)
axes[1].set_ylabel("")
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** What differs is the *scale of the weights* (and right, the biases are 0).
# Left: the gradient falls by up to 16 decades, and a theory with no number to adjust meets every
# point to within a third of a decade. Right: even the sigmoid is nearly flat. Its shape alone was
# never to blame. tanh and ELU still lose half a decade or more: $q$ needs many layers to reach its
# fixed point, 0, and the first ones are not critical yet.

# %%
lost = {}
for weights, profiles in measured.items():
    lost[weights] = {name: -np.log10(profile[0]) for name, profile in profiles.items()}

claims.claim("worst layer, decades from the line", gaps.max().max(), below=0.3)
claims.claim("default sigmoid: decades lost", lost["default"]["sigmoid"], about=16.2, within=0.02)
claims.claim("critical sigmoid: decades lost", lost["critical"]["sigmoid"], below=0.5)
claims.claim("critical tanh: decades lost", lost["critical"]["tanh"], between=(0.5, 1.0))
claims.claim("critical ELU: decades lost", lost["critical"]["elu"], between=(0.5, 1.0))

# %% [markdown]
# ### Exercise 1.5 - own_activation (open)
#
# *About 20 minutes, medium.*
#
# Invent an activation, and predict its factor per layer. Write `own_activation()`, which returns
# two things: your activation, a function that maps a tensor to a tensor of the same shape, entry by
# entry; and your prediction, a positive number: the factor by which a layer of 128 units with
# PyTorch's weights multiplies the norm of delta.
#
# The check builds five networks of 20 layers with your activation. The geometric mean of their
# factors must be within a tenth of your prediction. Autograd must find its way through your
# function, and the course must not have it already.
#
# <details><summary>Hint</summary>Put two of torch's functions together, such as
# <code>torch.sin</code> and a factor. How steep is it where the pre-activations lie?</details>
# <details><summary>More help</summary><code>theory.fixed_point</code> takes your function, too.
# The weight variance is 1/3, the bias variance 1/(3 · 128), and the norm changes by the root of
# chi.</details>


# %% tags=["exercise"]
def own_activation() -> tuple:
    """An activation, and the factor per layer that it will have."""

    ### BEGIN SOLUTION
    def activation(values):
        return torch.sin(2 * values)

    return activation, theory.fixed_point(activation, 1 / 3, 1 / (3 * 128)).norm_factor
    ### END SOLUTION


# %% tags=["check"]
exercises.check(own_activation)

# %% [markdown] tags=["solution"]
# One of many answers. A sine that is twice as steep has a slope of up to 2, so it takes back most
# of what PyTorch's weights lose.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who says it | verdict | measured here |
# |---|---|---|---|
# | factors of 0.5; of 0.1 | blog post; chapter | right products, not real | 0.141, 0.408, 0.575 |
# | terms $dz_n/dz_{n-1}$ | study notes | right, if each has its $W$ | without: 1.73 too large |
# | each term below 1: vanishes | study notes | sufficient, not necessary | stretch of over 1.05 |
# | slopes below 1: must shrink | chapter | false | grows by 8 to 40 |
# | hits at 8 to 10 layers | chapter | one case of three | 4, 8 and 13 layers |
# | ReLU does not shrink | blog post | false by default | 0.408 per layer |
# | GELU instead | blog post | worse than ReLU here | 0.290 per layer |
# | recurrent networks, too | answer, study notes | true | 0.54 to 0.63 per step |
#
# ## What this does not show
#
# Chi speaks of *wide* networks *at the start*, before anything is learnt. A narrow network scatters
# around the line. And flat gradients do not promise that a network learns; they only remove one
# reason why it cannot.
#
# ## Summary
#
# * The factor of a layer is $W^\top$ and the slopes together. Without $W$, each layer is off by
#   1.73.
# * By default a layer leaves 0.141 (sigmoid), 0.408 (ReLU) or 0.575 (tanh) of the delta norm:
#   $\sqrt\chi$. For 20 layers of sigmoid that makes 16.2 decades.
# * Measure deltas, in float64. The weight gradients of a linear network were flat while its deltas
#   lost four decades, and a float32 norm read exactly 0.
#
# ## References
#
# [The study notes, the blog post, the chapter, the answer](../docs/sources.md); Glorot and Bengio
# 2010, [eq. 5 to 14](https://proceedings.mlr.press/v9/glorot10a.html); He et al. 2015,
# [eq. 10](https://arxiv.org/abs/1502.01852); Poole et al. 2016,
# [eq. 3](https://arxiv.org/abs/1606.05340); Schoenholz et al. 2017,
# [eq. 5](https://arxiv.org/abs/1611.01232).
#
# Next: [02 · How do I notice?](02_symptoms.ipynb)

# %%
print(progress.summary())

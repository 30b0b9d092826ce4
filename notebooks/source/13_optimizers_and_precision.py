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
# # 13 · Why did Adam hide it?
#
# You need [01](01_theory.ipynb) and [02](02_symptoms.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * say below which gradient Adam's steps shrink, in four libraries, and what no step brings back;
# * tell beforehand which weights a step leaves exactly as they are, in float32 and in 16 bits;
# * work out at which depth a format loses the gradient, and how many layers a larger loss buys.

# %% tags=["setup"]
import math

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, train

plots.use_style()
train.use_one_thread()
claims.published("13", seed=0, width=64, steps=150)

# %% tags=["parameters"]
seed = 0
width = 64
steps = 150

# %% [markdown]
# ## A loss in other units
#
# In [lesson 02](02_symptoms.ipynb) a gradient vanished, and Adam's first step was as long as ever.
# For an entry $g$ of the gradient it is the rate times $|g|/(|g|+\varepsilon)$, with $\varepsilon =
# 10^{-8}$ ([formulas](../docs/formulas.md#adam)). That was one step. What of a whole training?
#
# To find out we need a gradient that is small, and *nothing else* that is wrong. So we take a
# healthy network and multiply its **loss** by a number, as if we measured it in another unit. Every
# gradient is multiplied by it as well. Weights, data and signal stay as they are.
#
# The network is of tanh, with [Xavier's](../docs/glossary.md#xavier) weights. We train it by three
# rules, with factors from 1 down to $10^{-16}$ (about 10 seconds).

# %%
digits = data.digits(seed)
healthy = models.Setting(4, width, "tanh", "xavier")


def trained(rule, factor=1.0, setting=healthy):
    """Train a network whose loss is multiplied by a factor."""

    def loss(outputs, targets):
        return factor * cross_entropy(outputs, targets)

    net = models.build(setting, digits.features, digits.classes, seed)
    optimizer = rule(net.parameters())
    run = train.fit(net, digits, optimizer, steps=steps, seed=seed, loss_fn=loss)
    return net, run.test_accuracy


# %%
rules = {
    "SGD": lambda weights: torch.optim.SGD(weights, lr=0.1),
    "Adam, eps 1e-8": lambda weights: torch.optim.Adam(weights, lr=0.001),
    "Adam, eps 1e-16": lambda weights: torch.optim.Adam(weights, lr=0.001, eps=1e-16),
}
factors = [10.0**-power for power in range(0, 17, 2)]
accuracy = pd.DataFrame(0.0, index=factors, columns=[*rules])
for name in train.each(rules):
    for factor in factors:
        accuracy.loc[factor, name] = trained(rules[name], factor)[1]

# %%
look = {"xscale": "log", "xlabel": "factor on the loss", "ylabel": "test accuracy"}
title = "Adam forgives a small gradient, down to eps"
plots.show(plots.curves(accuracy.to_dict("list"), x=factors, **look, title=title))

# %% [markdown]
# **Reading the figure.** Go from right to left. SGD gives out at once: a hundredth of the gradient
# is a hundredth of the step. Adam with PyTorch's `eps` does not notice a factor of $10^{-4}$. It
# gives out near $10^{-8}$. With `eps` at $10^{-16}$ the same fall comes eight
# [decades](../docs/glossary.md#decade) later.

# %%
usual, finer = accuracy["Adam, eps 1e-8"], accuracy["Adam, eps 1e-16"]
claims.claim("SGD, loss x 1e-2", accuracy.loc[1e-2, "SGD"], below=0.5, drifts=True)
claims.claim("Adam, loss x 1e-4", usual[1e-4], above=0.9, drifts=True)
claims.claim("Adam, loss x 1e-10", usual[1e-10], below=0.4, drifts=True)
claims.claim("Adam, eps 1e-16, loss x 1e-10", finer[1e-10], above=0.9, drifts=True)

# %% [markdown]
# So a small gradient alone does no harm under Adam, until it meets `eps`. How exact is this? In
# $g/(|g|+\varepsilon)$ multiply both $g$ and $\varepsilon$ by the same number: it cancels. We take
# $2^{-20}$, about a millionth. A computer keeps a number as binary digits times a power of two, so
# this changes the power and not one digit.
#
# **Predict.** Loss and `eps` are both multiplied by $2^{-20}$. After the training, by how much do
# the weights of both networks differ at most?

# %%
guess = None
prediction = claims.predict("Largest difference of two weights?", guess)

# %%
unit = 2.0**-20
one, _ = trained(rules["Adam, eps 1e-8"])
other, _ = trained(lambda weights: torch.optim.Adam(weights, lr=0.001, eps=unit * 1e-8), unit)
both = zip(one.parameters(), other.parameters(), strict=True)
apart = max((first - second).abs().max() for first, second in both)
prediction.compare(apart)

# %% [markdown]
# Not one bit. A millionth of the gradient, and the very same network. **`eps` is a gradient.** It
# has the gradient's unit, and so it is no harmless tiny number but a statement about *your* loss:
# gradients below this size are noise.
#
# Why not make it as small as can be, then? Adam keeps the mean *square* of the gradient, and
# squares [underflow](../docs/glossary.md#underflow), as in lesson 02. We give Adam a gradient of
# $10^{-24}$ and an `eps` of $10^{-30}$, and look where a weight of 0 is after one step of 0.001.

# %%
entry = nn.Parameter(torch.zeros(()))
entry.grad = torch.tensor(1e-24)
torch.optim.Adam([entry], lr=0.001, eps=1e-30).step()
claims.claim("where the weight is after one step", entry, about=-1000, within=0.01)
claims.claim("loss and eps x 2^-20: largest difference", apart, equals=0)

# %% [markdown]
# A million steps at once. The square, $10^{-48}$, is 0 in float32, so `eps` alone is left below the
# line. Squares begin to lose digits at gradients of $10^{-18}$, and `eps` should not be smaller.

# %% [markdown]
# **Question.** A colleague reports the loss in thousandths: everything is divided by 1,000, the
# learning rate stays. Whose training changes?
#
# <details><summary>Under SGD and under Adam alike</summary>Not this: Adam divides the gradient by
# its own size, so that a common factor cancels.</details>
# <details><summary>Under SGD; under Adam only where gradients come near eps</summary>Right. With
# SGD each step is a thousandth. Adam notices nothing as long as gradients stay far above
# <code>eps</code>.</details>
# <details><summary>Under neither: the minimum stays where it is</summary>Not this: it does, but the
# steps of SGD towards it are a thousand times as short.</details>

# %% [markdown]
# ## The same name, another epsilon
#
# To what is `eps` added? After one step Adam's average of the squares is $(1-\beta_2)\,g^2 =
# g^2/1000$. PyTorch first corrects it for its short history, to $g^2$, takes the root and adds
# `eps`. scikit-learn adds the same $10^{-8}$ *before* it corrects: to the root of $g^2/1000$, which
# is $0.0316\,|g|$. The correction comes afterwards, on the whole. (Kingma and Ba mention both
# orders, and write another letter, $\hat\varepsilon$, in the second.)
#
# **Predict.** With PyTorch a gradient of $10^{-8}$ makes half a step. Which gradient does with
# scikit-learn?

# %%
guess = None
prediction = claims.predict("Gradient that makes half a step in scikit-learn?", guess)

# %% [markdown]
# At half a step the root is as large as `eps`: $0.0316\,|g| = 10^{-8}$. Two more libraries: Keras
# has the order of scikit-learn and an `eps` of $10^{-7}$. MLX corrects nothing at all: its average
# of the gradient is still $g/10$.
#
# Is that what the libraries do? The second cell has their first steps, **measured elsewhere** with
# torch 2.13.0, scikit-learn 1.9.1, keras 3.15.1 and mlx 0.32.4, on a CPU.

# %%
root = math.sqrt(1 - 0.999)  # of the average of the squares, over |g|
sizes = np.logspace(-12, 0, 121)
step = {"PyTorch": sizes / (sizes + 1e-8), "scikit-learn": sizes / (sizes + 1e-8 / root)}
step["Keras"] = sizes / (sizes + 1e-7 / root)
step["MLX"] = (1 - 0.9) * sizes / (root * sizes + 1e-8)
prediction.compare(1e-8 / root)

# %%
gradients = [1, 1e-3, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12]
measured = {
    "PyTorch": [1, 1, 0.99, 0.909, 0.5, 0.0099, 0.0001],
    "scikit-learn": [1, 1, 0.76, 0.24, 0.0307, 0.000316, 3.16e-6],
    "Keras": [1, 0.997, 0.24, 0.0307, 0.00315, 3.16e-5, 3.16e-7],
    "MLX": [3.16, 3.16, 2.4, 0.76, 0.0969, 0.001, 1e-5],
}
look = {"xscale": "log", "yscale": "log", "ylabel": "first step / learning rate"}
lines = {name: (sizes, line) for name, line in step.items()}
title = "Four libraries, one name"
ax = plots.curves(measured, lines, x=gradients, xlabel="size of the gradient", **look, title=title)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Points were measured, lines are ours. Each rises with the gradient and
# then turns level: there Adam hides its size. Keras turns 316 times as early as PyTorch, though its
# `eps` is only 10 times as large. MLX's first step is three times too long.
#
# What is a factor 316 in layers? The sigmoid network of lesson 02 lost 0.85 decades per layer. So
# Keras's Adam lets go of layer 1 three layers earlier: same name, same rate, same network.

# %%
for name, line in lines.items():
    there = np.exp(np.interp(np.log(gradients), np.log(sizes), np.log(line[1])))
    off = np.abs(np.array(measured[name]) / there - 1).max()
    claims.claim(f"{name}: farthest from its line", off, below=0.02, digits=1)
claims.claim("Keras's size of half a step over PyTorch's", 10 / root, about=316, within=0.01)
claims.claim("in layers of 0.85 decades", math.log10(10 / root) / 0.85, about=3, within=0.05)

# %% [markdown]
# ## What no step brings back
#
# With a small `eps`, then, Adam gives every layer its full step, however small the gradient. Has it
# cured vanishing? We take the sigmoid network of lesson 02 with 10 hidden layers, and both `eps`.

# %%
deep = models.Setting(11, width, "sigmoid")
start = models.build(deep, digits.features, digits.classes, seed)
moved, right = {}, {}
for name in ("Adam, eps 1e-8", "Adam, eps 1e-16"):
    net, right[name] = trained(rules[name], setting=deep)
    change = net[0].weight - start[0].weight
    moved[name] = (change.norm() / start[0].weight.norm()).item()
pd.DataFrame({"outcome": {name: "learns" if right[name] > 0.3 else "guesses" for name in right}})

# %% [markdown]
# Both guess. Did the small `eps` not work? It did: the first matrix moved by more than its own
# size, a hundred times as far as with $10^{-8}$. It moved, and it did not matter.
#
# Look at the *forward* pass. In lesson 02 what tells two pictures apart shrank by 0.14 per layer on
# its way up, as the gradient does on its way down. After ten layers little is left of it, beside
# values of about 0.5. Does float32 still see it? We count, in the untrained network: how many
# different numbers does a unit give to the 359 test pictures?

# %%
signal, different = digits.test_inputs, []  # (pictures, pixels)
with torch.no_grad():
    for module in start[:-1]:
        signal = module(signal)  # (pictures, units)
        if isinstance(module, nn.Sigmoid):
            different.append(np.mean([len(unit.unique()) for unit in signal.T]))
columns = [f"layer {number}" for number in range(1, 11)]
pd.DataFrame([different], index=["numbers"], columns=columns).map("{:.0f}".format)

# %% [markdown]
# At layer 1 each picture has a number of its own. At layer 10 a unit gives one or two numbers to
# all of them: a 3 and an 8 are *the same, to the last bit*. No rule for steps can help there,
# because the last layers have nothing to tell the pictures by.
#
# Our first network learnt with a gradient as small as $10^{-10}$ of the usual one. So: **a small
# gradient Adam can repair. A lost signal it cannot**, and with these weights one factor shrinks
# both.

# %%
claims.claim("eps 1e-8: relative change", moved["Adam, eps 1e-8"], below=0.03, drifts=True)
claims.claim("eps 1e-16: relative change", moved["Adam, eps 1e-16"], above=1, drifts=True)
claims.claim("better accuracy of the two", max(right.values()), below=0.2, drifts=True)
claims.claim("layer 1: numbers per unit, of 359", different[0], above=350)
claims.claim("layer 10: numbers per unit", different[-1], below=3, digits=1)

# %% [markdown]
# **Question.** Ten sigmoid layers, PyTorch's weights, Adam. Which change gives the network a
# chance?
#
# <details><summary>A smaller eps</summary>Not this: we tried it. The first layer moved, and the
# pictures stayed alike.</details>
# <details><summary>A loss a million times as large</summary>Not this: it does to Adam what a
# smaller <code>eps</code> does.</details>
# <details><summary>Weights that keep pictures apart on the way up</summary>Right. Then both the
# signal and the gradient get through; lesson 05 has such weights for the sigmoid.</details>

# %% [markdown]
# ## Steps that are rounded away
#
# That pictures become the same number is rounding. Rounding has a second victim: the step itself.
# Lesson 02 found that float32 forgets a step below $2^{-25}$ of the weight. Today's networks are
# trained with half the bits. How do **[number formats](../docs/glossary.md#number-formats)**
# differ? In all of them a number is a sign, some binary digits, and an exponent that says where the
# point stands.
#
# * **float32** has 24 digits.
# * **[float16](../docs/glossary.md#float16)** has 11, and a short range of exponents.
# * **[bfloat16](../docs/glossary.md#bfloat16)** (the b is for Google Brain) has 8, and the
#   exponents of float32.

# %%
formats = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
rows = {}
for name, dtype in formats.items():
    info = torch.finfo(dtype)
    above = torch.nextafter(torch.tensor(1, dtype=dtype), torch.tensor(2, dtype=dtype)).item()
    rows[name] = {"digits": f"{1 - math.log2(info.eps):.0f}", "next above 1": f"{above:.7f}"}
    rows[name]["largest"] = f"{info.max:.1e}"
    rows[name]["smallest"] = f"{info.smallest_normal * info.eps:.1e}"
pd.DataFrame(rows).T

# %% [markdown]
# In bfloat16 the next number above 1 is 1.0078. There is nothing in between! So 1 + 0.003 is 1, and
# 1 + 0.004 is 1.0078: what counts is **half the gap** to the next number.
#
# Gaps grow with the weight, but in jumps. From 1 to 2 all gaps are equal; from 2 to 4 they are
# twice as large; from 1/2 to 1 half as large, and so on
# ([formulas](../docs/formulas.md#lost-updates)). A step below half the gap is a **[lost
# update](../docs/glossary.md#lost-update)**.
#
# Adam is the ideal rule to test this with, since its first step is the rate for *every* weight. We
# give it a layer as PyTorch draws it and random gradients, and count the weights that it leaves
# exactly as they are.


# %%
def unmoved(dtype, rate):
    """Share of the weights that Adam's first step leaves; and of those with too wide a gap."""
    torch.manual_seed(seed)
    weight = nn.Linear(64, 64).weight.detach().to(dtype).requires_grad_()
    size = weight.detach().abs().clone()
    gap = torch.nextafter(size, torch.full_like(size, 2)) - size
    weight.grad = torch.randn(64, 64).to(dtype)
    torch.optim.Adam([weight], lr=rate, fused=True).step()
    same = (weight.detach().abs() == size).double().mean()
    return same.item(), (gap.double() / 2 > rate).double().mean().item()


# %%
rates = np.logspace(-10, -1, 37)
left, expected = {}, {}
for name, dtype in formats.items():
    found = pd.DataFrame([unmoved(dtype, rate) for rate in rates], columns=["left", "expected"])
    left[name], expected[name] = found["left"], found["expected"]

# %%
look = {"xscale": "log", "xlabel": "learning rate of Adam", "ylabel": "share of weights unmoved"}
title = "A first step that many weights do not notice"
plots.show(plots.curves(left, expected, x=rates, **look, title=title))

# %% [markdown]
# **Reading the figure.** Points are measured; dashed is the share of weights whose gap is more than
# twice the rate. At a rate of 0.001 all weights move in every format. At 0.0001, no unusual rate,
# three quarters stand still in bfloat16.

# %%
for name in formats:
    off = np.abs(np.array(left[name]) - np.array(expected[name])).max()
    claims.claim(f"{name}: farthest from the line", off, below=0.06, digits=1)
claims.claim("1 + 0.003 in bfloat16", torch.tensor(1.0).bfloat16() + 0.003, equals=1)
claims.claim("1 + 0.004 in bfloat16", torch.tensor(1.0).bfloat16() + 0.004, equals=1.0078125)
claims.claim("bfloat16, rate 1e-4", unmoved(torch.bfloat16, 1e-4)[0], about=0.74, within=0.05)

# %% [markdown]
# So 0.001 looks safe for these weights: they are at most 1/8. Not all are so small. A [layer
# norm](../docs/glossary.md#layer-norm) has a learnt factor for each unit (often called gain, in
# PyTorch `weight`). It starts at **1**, and there the gap on the side of 0 is $2^{-8} = 0.0039$, on
# the other side twice that.
#
# **Predict.** A network with layer norms, all in bfloat16, takes 100 steps of Adam with a rate of
# 0.001. Which share of the learnt factors has moved at all?

# %%
guess = None
prediction = claims.predict("Share of the learnt factors that moved?", guess)


# %%
def short(dtype, rate=0.001, steps=100, autocast=False):
    """Train a network with layer norms, all of it in one format."""
    net = models.build(models.Setting(4, 64, "relu", "he", norm="layer"), 64, 10, seed).to(dtype)
    adam, losses = torch.optim.Adam(net.parameters(), lr=rate, fused=True), []
    for number in range(steps):
        inputs, targets = digits.batch(64, 10_000 * seed + number)
        adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = net(inputs.to(dtype))
        loss = cross_entropy(outputs.float(), targets)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return net, losses


# %%
def factors_moved(net):
    """Share of the learnt factors of all norms that are no longer 1."""
    norms = [module for module in net if isinstance(module, nn.LayerNorm)]
    return torch.cat([norm.weight != 1 for norm in norms]).double().mean().item()


fine, _ = short(torch.float32)
coarse, _ = short(torch.bfloat16)
prediction.compare(factors_moved(coarse))

# %% [markdown]
# None. A step of 0.001 is below 0.0039/2, and it is lost in either direction, however often it is
# repeated. In float32 all of them have moved. **A tensor can be frozen by its format** while the
# loss falls and every gradient is healthy. Which other tensors stand still? We compare with the
# network at its start.

# %%
begin = models.build(models.Setting(4, 64, "relu", "he", norm="layer"), 64, 10, seed)
table = pd.DataFrame()
for column, net in {"float32": fine, "bfloat16": coarse}.items():
    for (name, old), new in zip(begin.named_parameters(), net.parameters(), strict=True):
        table.loc[name, column] = (old.to(new.dtype) == new).double().mean().item()
(table == 1).iloc[:7]  # is every entry where it was?

# %% [markdown]
# The first tensors: `1.weight` and `4.weight` are learnt factors, and the only ones of which
# nothing has moved. This network learns all the same, because its matrices do. At a rate of 0.0001
# most of their weights would not move, by the figure above. Does that matter? We train both formats
# for 600 steps.

# %%
slow = {}
for name in ("float32", "bfloat16"):
    _, slow[name] = short(formats[name], rate=1e-4, steps=4 * steps)

# %%
look = {"xlabel": "step", "ylabel": "loss of the batch (nats)"}
title = "Adam, rate 0.0001: rounding stops it"
plots.show(plots.curves(slow, x=range(4 * steps), **look, title=title))

# %% [markdown]
# **Reading the figure.** The same network, batches and rule. In bfloat16 most steps are rounded
# away, and the loss stays above 1.5, where float32 comes below 0.9.

# %%
last = {name: np.mean(losses[-20:]) for name, losses in slow.items()}
claims.claim("float32: learnt factors moved", factors_moved(fine), above=0.95)
claims.claim("bfloat16: learnt factors moved", factors_moved(coarse), equals=0)
claims.claim("rate 1e-4, float32: last losses", last["float32"], below=0.9, drifts=True)
claims.claim("rate 1e-4, bfloat16: last losses", last["bfloat16"], above=1.5, drifts=True)

# %% [markdown]
# The usual cure is a **[master copy](../docs/glossary.md#master-copy)** (Micikevicius et al. 2018):
# the weights once more in float32. Steps are added there, and the network computes with the copy,
# rounded.
#
# And Adam in float16? Its squares underflow below a gradient of about $5 \cdot 10^{-3}$, and even
# `eps` is 0 there. Where the gradient is 0, as at a blank pixel, Adam divides 0 by 0.

# %%
weights = nn.Parameter(torch.ones(3, dtype=torch.float16))
weights.grad = torch.tensor([0.1, 0.001, 0.0], dtype=torch.float16)
torch.optim.Adam([weights], lr=0.001).step()
claims.claim("gradient 0.1: the weight after one step", weights[0], about=0.999, within=1e-4)
claims.claim("gradient 0.001: the weight is infinite", weights[1].isinf())
claims.claim("gradient 0: the weight is not a number", weights[2].isnan())

# %% [markdown]
# Only the first weight took the step that it should. (`fused=True` works in float32 inside, and
# still keeps its squares in float16.)
#
# ### Exercise 13.1 - lost_step (4 points)
#
# *About 11 minutes, medium.*
#
# Write `lost_step(weight, digits)`: half the gap between a weight and the next number *farther from
# 0* in a format with so many binary digits (24, 11, 8 or others). `weight` is a float, not 0, and
# the format holds it. Do not mind the ends of the range. Return a positive float. A weight of 1
# earns 1 point, other powers of two 1 point, any weight, negative ones too, 2 points.
#
# <details><summary>Hint</summary>Which power of two lies at or below the weight's size? It sets the
# gap.</details>
# <details><summary>More help</summary>From 1 to 2 there are <code>2 ** (digits - 1)</code> equal
# gaps. Elsewhere they are larger or smaller by the power of two; <code>math.floor</code> rounds
# down.</details>


# %% tags=["exercise"]
def lost_step(weight: float, digits: int) -> float:
    """Half the gap between a weight and the next number farther from 0."""
    ### BEGIN SOLUTION
    exponent = math.floor(math.log2(abs(weight)))
    return 2.0 ** (exponent - digits)
    ### END SOLUTION


# %% tags=["check"]
exercises.check(lost_step)

# %% [markdown] tags=["solution"]
# From $2^e$ to $2^{e+1}$ there are $2^{p-1}$ gaps of $2^{e+1-p}$ each, and half of that is
# $2^{e-p}$. A larger weight is stuck sooner, but only at powers of two.

# %% [markdown]
# ## Where each format loses the gradient
#
# Now back to depth. A gradient that loses as many decades in each layer must meet the smallest
# number of its format at some depth. What is sent from layer to layer are the
# [deltas](../docs/glossary.md#delta). We follow the largest delta of layer 1, in float64, for
# networks with PyTorch's weights and random inputs.

# %%
torch.manual_seed(seed)
noise, labels = torch.randn(128, 64), torch.randint(10, (128,))  # (batch, features), (batch,)
activations = ("sigmoid", "gelu", "relu", "tanh")


def network(activation):
    """How to make a network of any depth."""
    return lambda depth: models.build(models.Setting(depth, width, activation), 64, 10, seed)


# %%
depths = [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 176]
largest = pd.DataFrame(0.0, index=depths, columns=activations)
for activation in activations:
    for depth in depths:
        net = network(activation)(depth).double()
        sums = net[0](noise.double())  # (batch, units)
        sums.retain_grad()
        cross_entropy(net[1:](sums), labels).backward()
        largest.loc[depth, activation] = sums.grad.abs().max().item()

# %%
floors = {"float16": 2.0**-25, "bfloat16": 2.0**-134, "float32": 2.0**-150}
look = {"xlabel": "depth (layers)", "ylabel": "largest delta of layer 1"}
title = "One straight line per activation, one floor per format"
ax = plots.curves(largest.to_dict("list"), x=depths, yscale="log", **look, title=title)
ax.set_ylim(1e-50, 1)
for name, floor in floors.items():
    ax.axhline(floor, color="0.4", linewidth=1)
    ax.text(125, floor, name, va="bottom", fontsize=9)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Each activation has its straight line: the sigmoid loses 0.85 decades per
# layer, GELU 0.54, ReLU 0.39, tanh 0.24. Grey are the floors: half of the smallest number of each
# format, below which everything rounds to 0. Where a line meets a floor, the format loses the last
# delta, and with it the gradient.
#
# bfloat16 has the exponents of float32. Why is its floor higher? Below $10^{-38}$ a format has no
# more exponents. It goes on with leading zeros: **[subnormal](../docs/glossary.md#subnormal)**
# numbers, each halving costs a digit. With 24 digits one gets down to $2^{-149}$, with 8 only to
# $2^{-133}$.
#
# **Predict.** From which depth on is the first gradient of the sigmoid network all 0 in float16?

# %%
guess = None
prediction = claims.predict("Depth from which float16 has only zeros?", guess)

# %% [markdown]
# `probe.lost_at` looks for it, in the format itself and under
# **[autocast](../docs/glossary.md#autocast)**: PyTorch then computes matrix products in the short
# format and keeps the weights in float32. It returns two depths: that at which `norm()` reads 0
# (its squares go first, as in lesson 02), and that at which all entries are 0.


# %%
def lost_in(activation, **how):
    """Depths from which on a format loses the first weight gradient."""
    return probe.lost_at(network(activation), noise, labels, cross_entropy, **how)


half = {"dtype": torch.float16, "autocast": True}
lost = {"float32": {}, "float16": {}}
for activation in activations:
    lost["float32"][activation] = lost_in(activation)
    lost["float16"][activation] = lost_in(activation, **half)
prediction.compare(lost["float16"]["sigmoid"].entries)


# %% tags=["nbval-ignore-output"]
def meets(activation, floor):
    """Depth at which the line of an activation, drawn through depths 8 to 64, meets a floor."""
    logs = np.log10(largest.loc[8:64, activation])
    slope, start = np.polyfit(logs.index, logs, 1)
    return math.ceil((math.log10(floor) - start) / slope)


table = pd.DataFrame(lost).map(str)
for name in lost:
    table[f"{name}, line"] = [meets(activation, floors[name]) for activation in activations]
table

# %% [markdown]
# "26 / 51": from 26 layers on the norm reads 0, from 51 on there is nothing left to read. The
# lines, drawn through depths 8 to 64 only, foretell the second number within a few layers.
#
# In float16 both numbers agree, because PyTorch adds up its squares in float32. And it is *soon*: 8
# layers of sigmoids, 24 of tanh.


# %%
def all_zero(row):
    """The depths from which all entries are 0: the second numbers in a row of a table."""
    return {activation: int(str(found).split(" / ")[1]) for activation, found in row.items()}


def off_the_lines(row, floor):
    """Largest distance from the lines, in layers; 3 % of the depth are allowed for."""
    return max(abs(at - meets(name, floor)) - 0.03 * at for name, at in all_zero(row).items())


# %%
for name in lost:
    off = off_the_lines(lost[name], floors[name])
    claims.claim(f"{name}: layers off the lines, beyond 3 %", off, below=3, drifts=True)
for activation, slope in {"sigmoid": 0.85, "gelu": 0.54, "relu": 0.39, "tanh": 0.24}.items():
    per_layer = math.log10(largest.loc[8, activation] / largest.loc[32, activation]) / 24
    claims.claim(f"{activation}: decades per layer", per_layer, about=slope, within=0.08)
first = lost["float32"]["sigmoid"]
claims.claim("sigmoid, float32: norm reads 0", first.norm, between=(25, 27), digits=1)
claims.claim("sigmoid, float32: all zeros", first.entries, between=(50, 52), digits=1)

# %% [markdown]
# ## Who flushes?
#
# "bfloat16 reaches as far as float32", one often hears. We have seen that it loses the gradient a
# little earlier. How much earlier depends on *where*. **[TF32](../docs/glossary.md#tf32)** is what
# NVIDIA's GPUs can make of float32 in matrix products: they round to 11 digits what they multiply.
# PyTorch leaves it off for matrix products, and on for cuDNN's convolutions.
#
# These rows were **measured elsewhere**, on the same networks with other random inputs: one NVIDIA
# H200 with torch 2.11+cu130, and a CPU, whose model was not written down.

# %%
elsewhere = pd.DataFrame(
    {
        "float32, H200 and CPU": ["26 / 51", "42 / 81", "58 / 113", "88 / 175"],
        "TF32 products, H200": ["26 / 47", "42 / 75", "58 / 104", "88 / 162"],
        "bfloat16, H200": ["26 / 46", "42 / 74", "58 / 102", "88 / 159"],
        "bfloat16, a CPU": ["26 / 43", "42 / 67", "58 / 93", "88 / 145"],
        "float16, H200 and CPU": ["8 / 8", "13 / 13", "15 / 15", "24 / 24"],
    },
    index=activations,
)
elsewhere.T

# %% [markdown]
# The rows of the H200 follow the floors: bfloat16's $2^{-134}$, and $2^{-137}$ with the 11 digits
# of TF32 ([formulas](../docs/formulas.md#the-floor-of-a-format)). The odd row is the CPU's: same
# format, fewer layers. What happens on *your* processor?

# %% tags=["nbval-ignore-output"]
brain = {"dtype": torch.bfloat16, "autocast": True}
here = {activation: lost_in(activation, **brain) for activation in activations}
pd.DataFrame({"bfloat16, here": here}).map(str).T

# %% [markdown]
# Where this was published it is the row of the H200, not that of the other CPU. Some step on the
# way must treat small numbers otherwise there. We send a subnormal number, $10^{-39}$, through each
# of them.

# %% tags=["nbval-ignore-output"]
tiny = torch.full((128, 64), 1e-39).bfloat16()  # a conversion from float32
identity = torch.eye(64).bfloat16()
came = {"conversion": tiny, "sum": tiny + tiny, "product": tiny * tiny.new_ones(())}
came["tanh"] = tiny.tanh()
came["matrix product"] = tiny @ identity
with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None):
    came["matrix product without oneDNN"] = tiny @ identity
kept = {name: bool((value != 0).all()) for name, value in came.items()}
pd.DataFrame({"1e-39 comes through": kept})

# %% [markdown]
# Where this was published everything comes through: an Intel Xeon with AVX-512, but *without*
# bfloat16 instructions, and oneDNN 3.12, the library that multiplies for PyTorch. The suspect is
# the matrix product. Intel's processors with instructions for it (AVX512-BF16, AMX) take subnormals
# for 0 and write 0 for them, whatever the mode of the processor: they **[flush to
# zero](../docs/glossary.md#flush-to-zero)**, says Intel's manual.
#
# We cannot run such a processor here, but imitate one: `torch.set_flush_denormal(True)` lets *all*
# operations flush. If we are right, the last entries must go at the depths of that CPU.

# %%
flushing = {}
if torch.set_flush_denormal(True):  # not every processor can
    for activation in activations:
        flushing[activation] = lost_in(activation, **brain)
torch.set_flush_denormal(False)
pd.DataFrame({"bfloat16, all flushed": flushing, "a CPU": elsewhere["bfloat16, a CPU"]}).map(str).T

# %% [markdown]
# The second numbers agree within a layer or two. The first do not: 22 against 26. A norm is a sum
# of squares in float32, and *that* was not flushed on the other CPU. So what fits is a product of
# matrices that flushes, and no mode of the whole processor.
#
# **A format is not all. What is lost also depends on who multiplies.**

# %%
floor = floors["bfloat16"] if kept["matrix product"] else 2.0**-126
off = {"here, where the product says": off_the_lines(here, floor)}
off["bfloat16, H200"] = off_the_lines(elsewhere["bfloat16, H200"], floors["bfloat16"])
off["TF32, H200"] = off_the_lines(elsewhere["TF32 products, H200"], 2.0**-137)
for name, layers in off.items():
    claims.claim(f"{name}: layers off the lines, beyond 3 %", layers, below=3, drifts=True)

# %%
for name, found in flushing.items():
    share = found.entries / all_zero(elsewhere["bfloat16, a CPU"])[name]
    claims.claim(f"{name}, flushed: depth over that CPU's", share, about=1, within=0.08, digits=1)
same = torch.tensor(2e-41).tanh() / torch.tensor(2e-41)
claims.claim("tanh(2a) over 2a, here", same, about=1, within=0.01)
claims.claim("conversion, sum, product and tanh keep 1e-39", all(list(kept.values())[:4]))

# %% [markdown]
# GPUs flush elsewhere. PyTorch's own operations keep subnormals on the H200, too. A *compiled*
# program does not: $\tanh(2a)/2$ of $a = 10^{-41}$ is $10^{-41}$ there as here, and 0 under
# `torch.compile` (measured elsewhere, same machine). If you have a GPU, this cell measures its
# rows.

# %% tags=["nbval-ignore-output"]
rows = {"float32": {}, "bfloat16": brain, "float16": half}
if torch.cuda.is_available():
    for name, how in rows.items():
        for activation in activations:
            found = lost_in(activation, **how, device="cuda")
            print(f"{name}, {activation}: {found}")
else:
    print("No GPU here: the rows above stay as they were measured elsewhere.")

# %% [markdown]
# **Question.** A sigmoid network of 44 layers trains in bfloat16. Its first gradient is all 0 on
# one machine, and not on another. What can be the reason?
#
# <details><summary>One machine has a better bfloat16</summary>Not this: the format is the same
# everywhere, 8 digits and the exponents of float32.</details>
# <details><summary>One of them flushes subnormals in its matrix products</summary>Right. Its floor
# is $10^{-38}$, and 44 layers lie just below that; with subnormals the floor is two decades
# lower.</details>
# <details><summary>The other uses a larger learning rate</summary>Not this: a rate multiplies the
# gradient after it has arrived.</details>

# %% [markdown]
# ## A larger loss
#
# float16 loses the gradient of 8 sigmoid layers. Its upper end, 65,504, is far away and unused. So
# multiply the loss by a large number $s$ before the backward pass, and the gradient by $1/s$
# afterwards, in float32. This is **[loss scaling](../docs/glossary.md#loss-scaling)**; with a power
# of two it changes no digit. PyTorch's `GradScaler` starts with $2^{16} = 65{,}536$.
#
# **Predict.** How many more layers of sigmoids does that factor buy? (0.85 decades per layer.)

# %%
guess = None
prediction = claims.predict("Layers that a factor of 65,536 buys, sigmoid?", guess)

# %%
bought = {}
for activation in activations:
    found = lost_in(activation, **half, loss_scale=2.0**16)
    bought[activation] = found.entries - lost["float16"][activation].entries
prediction.compare(bought["sigmoid"])

# %% [markdown]
# $\log_{10} 65{,}536 = 4.8$ decades, at 0.85 per layer, make six layers; at tanh's 0.24 they make
# twenty. Why not a larger factor still? We try all powers of two for three depths, and look at both
# ends: zeros in the first layer, and [overflow](../docs/glossary.md#overflow) in any.


# %%
def gradients_with(depth, scale):
    """Weight gradients of a sigmoid network in float16, layer 1 first."""
    net = network("sigmoid")(depth)
    with torch.autocast("cpu", torch.float16):
        outputs = net(noise)
    (scale * cross_entropy(outputs.float(), labels)).backward()
    return [layer.weight.grad for layer in net if isinstance(layer, nn.Linear)]


# %%
powers = range(0, 27, 2)
zeros, useful = {}, {}
for depth in (8, 12, 16):
    name = f"{depth} layers"
    zeros[name] = []
    for power in powers:
        layers = gradients_with(depth, 2.0**power)
        finite = all(layer.isfinite().all() for layer in layers)
        share = (layers[0] == 0).double().mean().item()
        zeros[name].append(share if finite else math.nan)
    useful[name] = np.nanmin(zeros[name])

# %%
look = {"xlabel": "scale of the loss, as a power of 2", "ylabel": "zeros in layer 1 (share)"}
title = "A window that closes with depth"
ax = plots.curves(zeros, x=powers, **look, title=title)
ax.axvspan(21, 26, color="0.9")
ax.text(23.5, 0.5, "overflow", ha="center", fontsize=9, color="0.35")
ax.set_xlim(-0.5, 26)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** A line ends where some entry of some layer overflows, near $2^{20}$. With
# 8 layers there is a wide window of scales without a zero. With 12 it is narrow, and starts above
# $2^{16}$. With 16 it is closed: before the first entry of layer 1 is saved, the last layer
# overflows.
#
# The reason is that **a scale multiplies all layers alike**. The ratio between layer 1 and the last
# one stays, and float16 spans 12.3 decades from its floor to its ceiling. Whatever loses more than
# that on its way is not to be saved by any scale. Loss scaling moves the window. It heals nothing.

# %%
open_ones = max(useful["8 layers"], useful["12 layers"])
claims.claim("8, 12 layers: fewest zeros in layer 1", open_ones, between=(0, 0.05), digits=1)
claims.claim("16 layers: fewest zeros in layer 1", useful["16 layers"], above=0.9, digits=1)
claims.claim("decades in float16", math.log10(65504 * 2.0**25), about=12.3, within=0.01)
claims.claim("sigmoid: layers bought", bought["sigmoid"], between=(5, 7), digits=1)
claims.claim("tanh: layers bought", bought["tanh"], between=(17, 22), digits=1)

# %% [markdown]
# How does one find a good scale? `GradScaler` tries. When it sees an `inf`, it skips the step and
# halves the scale; after many good steps it doubles it. A few skipped steps in a log are no
# illness.
#
# ### Exercise 13.2 - loss_scale (4 points)
#
# *About 11 minutes, medium.*
#
# `gradients` is a list of float32 tensors, one for each layer, without a scale. Write
# `loss_scale(gradients)`: the largest power of two by which all of them can be multiplied so that
# no entry exceeds 65,504 in size. With it the fewest entries become 0 in float16. Return a float,
# below 1 if need be. At least one entry is not 0. One layer earns 2 points, one layer with large
# gradients 1 point, several layers 1 point.
#
# <details><summary>Hint</summary>Which single entry decides?</details>
# <details><summary>More help</summary>Divide 65,504 by its size. The largest power of two that is
# not above the result has the exponent <code>math.floor(math.log2(...))</code>.</details>


# %% tags=["exercise"]
def loss_scale(gradients: list) -> float:
    """Largest power of two that lets no entry overflow in float16."""
    ### BEGIN SOLUTION
    largest = max(layer.abs().max().item() for layer in gradients)
    return 2.0 ** math.floor(math.log2(65504 / largest))
    ### END SOLUTION


# %% tags=["check"]
exercises.check(loss_scale)

# %% [markdown] tags=["solution"]
# The largest entry of all layers sets the scale. What the smallest ones need does not come into it:
# where both cannot be had, the window is closed.

# %% [markdown]
# ## Short formats in practice
#
# One seldom converts a network by hand. Autocast computes each matrix product in a short format, on
# a CPU in bfloat16, and the loss in float32. The gradient of a weight says float32 again. Has it 24
# digits? What came through bfloat16 has 8 at most, and survives a conversion there and back. And
# the *weights* are real float32, so steps are added with 24 digits: autocast comes with a master
# copy. Do the learnt factors move again?

# %%
net = models.build(models.Setting(3, 64, "relu", "he", norm="layer"), 64, 10, seed)
with torch.autocast("cpu", torch.bfloat16):
    outputs = net(noise)
    loss = cross_entropy(outputs, labels)
loss.backward()
gradient = net[0].weight.grad
coarse_gradient = gradient.bfloat16().float()
cast, _ = short(torch.float32, autocast=True)
claims.claim("outputs in bfloat16", outputs.dtype == torch.bfloat16)
claims.claim("loss in float32", loss.dtype == torch.float32)
claims.claim("the gradient says float32", gradient.dtype == torch.float32)
claims.claim("every entry of it has 8 digits", torch.equal(gradient, coarse_gradient))
claims.claim("autocast: learnt factors moved", factors_moved(cast), above=0.95)

# %% [markdown]
# A float32 label on eight digits, and no frozen factors.
#
# ### Exercise 13.3 - my_step (open)
#
# *About 25 minutes, hard.*
#
# Save the frozen factors in a network that is bfloat16 throughout. `my_step(parameters)` gets the
# list of its parameters and returns a function without arguments, `step`. The check calls it after
# each of 100 backward passes, when every parameter has its `.grad`; it changes the parameters in
# place. Work with Adam at 0.001, or anything else. Then the check asks:
#
# * Are all parameters still in bfloat16?
# * Have nine in ten of the learnt factors moved?
# * Are they, on average, at most half as far as 1 is from where float32 takes them?
# * Are the last losses at most half of the first?
#
# <details><summary>Hint</summary>Where can you keep what rounding takes away?</details>
# <details><summary>More help</summary>Three ways are known: a master copy in float32; a tensor of
# remainders, added to the next step (Kahan); rounding up or down at random, so that it is right on
# average.</details>


# %% tags=["exercise"]
def my_step(parameters: list) -> object:
    """Return a function that takes one step, so that no tensor is frozen by its format."""
    ### BEGIN SOLUTION
    copies = [nn.Parameter(one.detach().float()) for one in parameters]
    adam = torch.optim.Adam(copies, lr=0.001)

    def step():
        for copy, one in zip(copies, parameters, strict=True):
            copy.grad = one.grad.float()
        adam.step()
        for copy, one in zip(copies, parameters, strict=True):
            one.data.copy_(copy)

    return step
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_step)

# %% [markdown] tags=["solution"]
# A master copy. Each factor creeps in float32 until it has come half a gap; then its bfloat16 twin
# jumps.

# %% [markdown]
# ## The claims, one by one
#
# [The five articles](../docs/sources.md) do not speak of formats; only the encyclopaedia entry
# names an optimizer. The other sentences are heard often.
#
# | claim | who | verdict | measured here |
# |---|---|---|---|
# | a very small norm suggests negligible updates | entry | Adam: false above `eps` | it learns |
# | weights stop updating | study notes | true in short formats | factors: none moved |
# | early layers cannot learn: gradient too small | all | not the only reason | 1 or 2 numbers |
# | Adam cures vanishing | often heard | of steps, not of signals | guesses with both `eps` |
# | bfloat16 reaches as far as float32 | often heard | 5 to 8 layers less | 46 or 43, not 51 |
# | float16 is 0 below 6e-8 | often heard | below half of that | floor $2^{-25}$ |
# | loss scaling cures vanishing | often heard | moves a window | 16 layers: closed |
#
# ## What this does not show
#
# Our networks are small, plain and at their start. Large ones with norms and
# [skips](../docs/glossary.md#skip) lose few decades, and train well in bfloat16. We saw one kind of
# processor; a GPU's rows are stored, not measured here. 8-bit formats, whose window is narrower
# still, we leave out.
#
# ## Summary
#
# * Adam forgets the unit of the loss: with `eps` in the same unit, the weights are equal to the
#   bit. Half a step is made at $10^{-8}$ in PyTorch and 316 times that in Keras. No step helps ten
#   layers of sigmoids, where a unit gives one or two numbers to 359 pictures.
# * A step below half the gap is lost: at a rate of 0.001 bfloat16 moves no learnt factor of a norm,
#   and at 0.0001 three quarters of a layer stand still.
# * float16 loses the gradient of 8 layers of sigmoids, bfloat16 that of 46 (43 where products
#   flush), float32 that of 51. A factor of 65,536 buys six, and none opens a window for 16.
#
# ## References
#
# [Kingma and Ba 2015](https://arxiv.org/abs/1412.6980), section 2: both orders of the correction;
# [Micikevicius et al. 2018](https://arxiv.org/abs/1710.03740), sections 3.1 and 3.2; [Kalamkar et
# al. 2019](https://arxiv.org/abs/1905.12322); [Goldberg
# 1991](https://doi.org/10.1145/103162.103163); Intel, instruction set reference,
# [VDPBF16PS](https://www.felixcloutier.com/x86/vdpbf16ps); the encyclopaedia entry and the study
# notes, among [the five articles](../docs/sources.md).
#
# Next: lesson 14, what is wrong with this network?

# %%
print(progress.summary())

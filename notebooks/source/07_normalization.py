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
# # 07 · Does BatchNorm stabilise?
#
# You need [01](01_theory.ipynb) and [02](02_symptoms.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * predict the factor per layer behind a norm, and say why
#   [batch norm](../docs/glossary.md#batch-norm) rescues a deep sigmoid network and
#   [layer norm](../docs/glossary.md#layer-norm) does not;
# * tell when batch norm is itself the cause of an explosion, and which number decides;
# * name three ways in which a batch norm misleads: its mode, its batch, and a wrong gradient behind
#   a right output.

# %% tags=["setup"]
import copy
import math

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.autograd import gradcheck
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
pd.options.display.float_format = "{:.3g}".format  # three digits in every table
claims.published("07", seed=0, width=128, draws=3)

# %% tags=["parameters"]
seed = 0
width = 128
draws = 3

# %% [markdown]
# ## Columns and rows
#
# All [five articles](../docs/sources.md#the-five-articles) recommend batch norm, three of them
# because it keeps activations or gradients in a *stable range*.
#
# A **norm** takes some numbers, subtracts their mean $\mu$ and divides by their standard deviation
# $\sigma$ ([formulas](../docs/formulas.md#norms)):
#
# $$\hat x = \frac{x-\mu}{\sqrt{\sigma^2+\varepsilon}}.$$
#
# (The small $\varepsilon = 10^{-5}$ avoids a division by 0.) What results is
# **[centred](../docs/glossary.md#centred)**: its mean is 0. Norms differ in *which* numbers they
# take. Think of a table with one row per input and one column per unit. **Batch norm** takes a
# column, **layer norm** a row. **[RMS norm](../docs/glossary.md#rms-norm)** takes a row as well,
# subtracts nothing and divides by the root of the mean square.
#
# Try them on four pictures and three units. In each unit the pictures differ; the third is near 100
# for all.


# %%
def batch_norm(x):  # (batch, units)
    variance = x.var(dim=0, unbiased=False)  # (units,)
    return (x - x.mean(dim=0)) / (variance + 1e-5).sqrt()


def layer_norm(x):  # (batch, units)
    variance = x.var(dim=1, unbiased=False, keepdim=True)  # (batch, 1)
    return (x - x.mean(dim=1, keepdim=True)) / (variance + 1e-5).sqrt()


def rms_norm(x):  # (batch, units)
    return x / (x.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()


x = torch.tensor([[1.0, 2, 100], [2, 4, 101], [3, 6, 102], [4, 8, 103]])  # (batch, units)
names = {"columns": ["unit 1", "unit 2", "unit 3"], "index": range(1, 5)}
tables = {"before": pd.DataFrame(x, **names)}
tables["batch norm"] = pd.DataFrame(batch_norm(x), **names)
tables["layer norm"] = pd.DataFrame(layer_norm(x), **names)
pd.concat(tables, axis=1, names=["", "picture"])

# %% [markdown]
# After batch norm the four pictures are as far apart in each unit as in any other. After layer norm
# all four rows look alike: unit 3 stands out by 1.41, and only the last digits differ. Layer norm
# sees one row. It cannot know that all rows have this 100 in common.
#
# PyTorch has all three, and **[group norm](../docs/glossary.md#group-norm)**, which is layer norm
# on each of several pieces of a row. (PyTorch then multiplies each unit by a learnt weight and adds
# a learnt bias. They start at 1 and
# 0.) Do they agree with ours?

# %%
x = 1 + 3 * torch.randn(32, 64, generator=torch.Generator().manual_seed(seed))  # (batch, units)
pieces = [layer_norm(piece) for piece in x.split(8, dim=1)]  # eight of (batch, 8)
agree = {"BatchNorm1d": torch.allclose(nn.BatchNorm1d(64)(x), batch_norm(x), atol=1e-5)}
agree["LayerNorm"] = torch.allclose(nn.LayerNorm(64)(x), layer_norm(x), atol=1e-5)
agree["RMSNorm"] = torch.allclose(nn.RMSNorm(64, eps=1e-5)(x), rms_norm(x), atol=1e-5)
agree["GroupNorm"] = torch.allclose(nn.GroupNorm(8, 64)(x), torch.cat(pieces, dim=1), atol=1e-5)
for name, same in agree.items():
    claims.claim(f"{name} does the same", same)

# %% [markdown]
# The oldest norm is that of the data. "Normalize inputs", say
# [the study notes](../docs/sources.md#the-study-notes). We feed a tanh layer pixels from 0 to 255,
# then from 0 to 1. Which share of the units is [saturated](../docs/glossary.md#saturated)? We say
# so where the [slope](../docs/glossary.md#slope) of tanh is below 0.05.

# %%
pixels = torch.tensor(load_digits().data[:256], dtype=torch.float32)  # (256, 64), 0 to 16
torch.manual_seed(seed)
layer = nn.Sequential(nn.Linear(64, width), nn.Tanh())
flat = {}
for top in (255, 1):
    slope = 1 - layer(pixels / 16 * top).square()  # (256, width)
    flat[f"pixels from 0 to {top}"] = (slope < 0.05).double().mean().item()
claims.claim("pixels 0 to 255: saturated", flat["pixels from 0 to 255"], between=(0.9, 1))
claims.claim("pixels 0 to 1: saturated", flat["pixels from 0 to 1"], between=(0, 0.01))

# %% [markdown]
# Sound advice: pixels to 255 saturate over 90 % of the units, pixels to 1 none.
#
# ## A rescue, and one that fails
#
# Now put a norm between weights and activation, in each layer. By which factor does a layer
# multiply the norm of [delta](../docs/glossary.md#delta) then? Let $h=\phi(z)$ be what a layer
# passes on. Between one delta and the one before it lie three things:
#
# 1. The weights, of variance $\sigma_w^2/$[fan_in](../docs/glossary.md#fan_in). They multiply the
#    mean square by the [weight variance](../docs/glossary.md#weight-variance) $\sigma_w^2$.
# 2. The slopes. They multiply it by their mean square, $\mathrm E\,\phi'^2$. So far this is
#    [chi](../docs/glossary.md#chi), as in lesson 01.
# 3. The norm, which *divides* by the spread of $Wh$. For layer and RMS norm that is the spread over
#    the units, with mean square $\sigma_w^2\,\mathrm E\,h^2$. For batch norm it is the spread over
#    the pictures, $\sigma_w^2\,\mathrm{Var}\,h$: what all pictures share is subtracted.
#
# The weights stand above and below the fraction line: **their scale cancels**.
#
# > The factor of the delta norm per layer, with $z\sim N(0,1)$ as the norm sees to it:
# >
# > $$\text{batch: }\sqrt{\frac{\mathrm E\,\phi'^2}{\mathrm{Var}\,\phi}},\qquad
# > \text{layer, RMS: }\sqrt{\frac{\mathrm E\,\phi'^2}{\mathrm E\,\phi^2}}.$$
# >
# > Yang et al. 2019 (batch norm); Luther 2020 (ReLU). Exact for wide layers and large batches.
#
# `theory.moments` works the means out. We take the quiet network of lessons 00 to 02: 20 hidden
# sigmoid layers, each of which keeps 0.141 of the delta norm without a norm.

# %%
sigmoid = theory.moments("sigmoid")
rows = {"E φ": sigmoid.mean, "E φ²": sigmoid.square, "Var φ": sigmoid.variance}
rows["E φ'²"] = sigmoid.slope_square
pd.DataFrame({"sigmoid": rows})

# %% [markdown]
# We build each network three times and take the
# [geometric mean](../docs/glossary.md#geometric-mean) of the delta norms, each over that of the
# last layer.
#
# **Predict.** By which factor does each layer multiply the norm of delta with *layer norm*? (Two
# numbers of the table, one root.)

# %%
guess = None
prediction = claims.predict("Layer norm: factor per layer?", guess)

# %%
digits = data.digits(seed)


def delta_profile(setting, size=256):
    """Delta norms relative to the last one, on a batch of this size."""
    inputs, targets = digits.batch(size, seed)
    logs = []
    for draw in range(draws):
        net = models.build(setting, 64, 10, 100 * seed + draw)
        flow = probe.record(net, inputs, targets, cross_entropy)
        logs.append(np.log(flow.relative_delta_norms))
    return np.exp(np.mean(logs, axis=0))  # (depth,)


# %%
def factor(profile):
    """Factor per layer, between the second layer and the last but one."""
    return (profile[1] / profile[-2]) ** (1 / (len(profile) - 3))  # profile[1] is layer 2


profiles, predicted = {}, {}
for norm in ("none", "layer", "rms", "batch"):
    setting = models.Setting(21, width, "sigmoid", norm=norm)
    profiles[norm] = delta_profile(setting)
    predicted[norm] = models.predicted_profile(setting, digits.batch(256, seed)[0])
prediction.compare(round(factor(profiles["layer"]), 2))
relative = "delta norm, relative to the last"
ax = plots.layer_profile(profiles, predicted, ylabel=relative, title="Sigmoid: one norm is a cure")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The gradient flows from right to left. Without a norm it loses 17
# [decades](../docs/glossary.md#decade). Batch norm is level from end to end. Layer norm and RMS
# norm lie on top of each other and still lose eight. (Layer 1 of batch norm hangs lower: pixels
# spread wider than the outputs of a sigmoid, so its norm divides by more.)

# %%
for norm, value in (("none", 0.141), ("layer", 0.391), ("rms", 0.391), ("batch", 1.017)):
    claims.claim(f"{norm}: factor per layer", factor(profiles[norm]), about=value, within=0.05)
for norm, decades in (("none", 17.1), ("layer", 8.4), ("rms", 8.4)):
    lost = -np.log10(profiles[norm][0])
    claims.claim(f"{norm}: decades lost", lost, about=decades, within=0.08)

# %% [markdown]
# ### What a row cannot know
#
# Why does layer norm fail? Look at what arrives at the tenth activation, for 24 pictures and 24
# units.

# %%
inputs, targets = digits.batch(256, seed)
arriving = {}
for norm in ("layer", "batch"):
    net = models.build(models.Setting(21, width, "sigmoid", norm=norm), 64, 10, seed)
    arriving[norm] = net[:29](inputs).detach()  # (256, width), before the tenth sigmoid

look = {"x": range(1, 25), "y": range(1, 25), "xlabel": "unit", "ylabel": "picture"}
look |= {"label": "pre-activation", "vmin": -3, "vmax": 3, "beside": ()}
_, axes = plots.panels(2)
plots.heat_map(arriving["layer"][:24, :24], **look, title="Layer norm", ax=axes[0])
plots.heat_map(arriving["batch"][:24, :24], **look, title="Batch norm", ax=axes[1])
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** A row is a picture; bright is +3, dark is -3. Left: stripes. Each unit has
# its own value, and it has it for *every* picture; what tells a 3 from an 8 can no longer be seen.
# Right: no stripes.
#
# It is the 100 of our first table. The outputs of a sigmoid lie around a half, for every picture:
# of their mean square, 0.25 of 0.293 is *common* to all inputs. The weights turn this half into an
# offset of each unit. Layer norm takes the offset for signal, divides by it, and what tells two
# pictures apart shrinks. Batch norm subtracts it.
#
# Then a *centred* sigmoid, $\phi(z)-\tfrac12$, must be safe with layer norm, too. (Without biases:
# they are common to all pictures as well.)

# %%
setting = models.Setting(21, width, "centered_sigmoid", norm="layer", bias_var=0.0)
centred = factor(delta_profile(setting))
common = {}
for norm, values in arriving.items():
    common[norm] = values.mean(dim=0).square().mean() / values.square().mean()

share = sigmoid.mean**2 / sigmoid.square
claims.claim("sigmoid: share of the mean square that is common", share, about=0.853, within=0.01)
claims.claim("layer norm, tenth layer: common share", common["layer"], above=0.98)
claims.claim("batch norm, tenth layer: common share", common["batch"], below=0.001)
claims.claim("centred sigmoid, layer norm: factor per layer", centred, about=1.017, within=0.05)

# %% [markdown]
# The centred sigmoid with layer norm is as good as batch norm. The half was the cause.
#
# Does training agree? We train 20 hidden layers with SGD and each norm, and 10 with Adam and layer
# norm.


# %%
def trained(setting, rule="sgd", steps=250):
    rate = {"sgd": 0.1, "adam": 0.001}[rule]
    net = models.build(setting, 64, 10, seed)
    return train.fit(net, digits, train.Recipe(rule, rate, steps), seed=seed)


right = {}
for norm in train.each(("none", "layer", "rms", "batch")):
    right[norm] = trained(models.Setting(21, 64, "sigmoid", norm=norm)).test_accuracy
shallow = models.Setting(11, 64, "sigmoid", norm="layer")
right["layer, 10 hidden, Adam"] = trained(shallow, "adam").test_accuracy
learns = {name: "learns" if accuracy > 0.5 else "at chance" for name, accuracy in right.items()}
pd.DataFrame({"250 steps": learns})

# %% [markdown]
# With SGD, 20 hidden layers learn with batch norm only. With 10 layers and Adam, layer norm gets
# by. So "normalize hidden states" (the study notes) must say *how*.

# %%
for norm in ("none", "layer", "rms"):
    claims.claim(f"{norm}, SGD: accuracy", right[norm], between=(0, 0.2), drifts=True)
claims.claim("batch, SGD: accuracy", right["batch"], between=(0.85, 1), drifts=True)
accuracy = right["layer, 10 hidden, Adam"]
claims.claim("layer, 10 hidden, Adam: accuracy", accuracy, above=0.75, drifts=True)

# %% [markdown]
# **Question.** For which activation do layer norm and batch norm have the same factor?
#
# <details><summary>ReLU</summary>Not this: its outputs are never negative, so they have a mean, and
# only batch norm removes it.</details>
# <details><summary>tanh</summary>Right. Its outputs lie around 0, so that E φ² and Var φ are the
# same.</details>
# <details><summary>Softplus</summary>Not this: it is positive everywhere. Its mean is far from
# 0.</details>

# %% [markdown]
# ### Exercise 7.1 - layer_factor (3 points)
#
# *About 8 minutes, easy.*
#
# You have samples of one layer behind a norm: `slopes` $\phi'(z)$ and `outputs` $\phi(z)$ at the
# same values of $z$, tensors of shape (samples,). Write `layer_factor(slopes, outputs, norm)` for
# `norm` equal to `"layer"` (1 point) or `"batch"` (2 points): the factor of the delta norm, a
# float. Expectations are plain means over the samples; outputs are never all equal.
#
# <details><summary>Hint</summary>Both formulas stand in the box above. Only what is below the
# fraction line differs.</details>
# <details><summary>More help</summary>A variance is the mean square of what is left when the mean
# has gone. Mind what <code>torch.var</code> divides by.</details>


# %% tags=["exercise"]
def layer_factor(slopes: torch.Tensor, outputs: torch.Tensor, norm: str) -> float:
    """Factor of the delta norm at a layer behind a layer or batch norm."""
    ### BEGIN SOLUTION
    if norm == "batch":
        outputs = outputs - outputs.mean()
    return (slopes.square().mean() / outputs.square().mean()).sqrt().item()
    ### END SOLUTION


# %% tags=["check"]
exercises.check(layer_factor)

# %% [markdown] tags=["solution"]
# Slopes enter as squares because the norm of delta adds up squares. Batch norm differs from layer
# norm in one line, the one that removes what the batch has in common.

# %% [markdown]
# ## The cure explodes
#
# Now ReLU. Half its slopes are 1, the others 0, so $\mathrm E\,\phi'^2=\tfrac12$. Its outputs have
# the mean square $\tfrac12$ and the mean $1/\sqrt{2\pi}$, so their variance is
# $\tfrac12-\tfrac1{2\pi}$, about a third. Behind a batch norm that makes
#
# $$\sqrt{\frac{1/2}{1/2 - 1/(2\pi)}} = \sqrt{\frac{\pi}{\pi-1}} = 1.211\ \text{per layer}.$$
#
# A batch norm renews the forward signal in each layer. Nobody renews the backward one.
#
# **Predict.** 50 layers, ReLU, batch norm, weights as PyTorch draws them: how many times as large
# is delta at layer 1 as at layer 50?

# %%
guess = None
prediction = claims.predict("Layer 1 over layer 50?", guess)

# %%
cases = {
    "ReLU, batch norm": models.Setting(50, width, "relu", norm="batch"),
    "tanh, batch norm": models.Setting(50, width, "tanh", norm="batch"),
    "sigmoid, batch norm": models.Setting(50, width, "sigmoid", norm="batch"),
    "ReLU, He, no norm": models.Setting(50, width, "relu", "he"),
}
deep, lines = {}, {}
for name, setting in cases.items():
    deep[name] = delta_profile(setting)
    lines[name] = models.predicted_profile(setting, inputs)
prediction.compare(deep["ReLU, batch norm"][0], digits=1)
plots.show(plots.layer_profile(deep, lines, ylabel=relative, title="At the start"))

# %% [markdown]
# **Reading the figure.** ReLU with batch norm grows by almost four decades, as predicted; without
# the norm, with [He's](../docs/glossary.md#he) weights, it does not explode. (tanh and sigmoid end
# above their lines: the theory takes wide layers and inputs spread evenly in all directions, which
# digits are not. Factors are right to a few per cent, and 50 layers compound them.)
#
# Does each activation have its own factor, and is it the only thing that counts? We try four, and
# for ReLU weights a tenth and ten times as large.

# %%
table = pd.DataFrame(columns=["theory", "measured, 30 layers"])
for name in ("relu", "tanh", "gelu", "selu"):
    found = factor(delta_profile(models.Setting(30, width, name, norm="batch")))
    table.loc[name] = [theory.norm_factor(name, "batch"), found]
for gain in (0.1, 10.0):
    setting = models.Setting(30, width, "relu", norm="batch", gain=gain)
    found = factor(delta_profile(setting))
    table.loc[f"relu, weights times {gain:g}"] = [theory.norm_factor("relu", "batch"), found]
table

# %% [markdown]
# Each activation has a factor of its own, and the scale of the weights does not count.
#
# Does a network learn that starts like this? We train the four, at a width of 64, with Adam, for
# 150 steps (about 20 seconds).

# %%
exact = math.sqrt(math.pi / (math.pi - 1))
grown = deep["ReLU, batch norm"][0]
claims.claim("ReLU, batch norm: layer 1 over 50", grown, between=(2e3, 2e4), digits=1)
for name, value in {"relu": exact, "tanh": 1.085, "gelu": 1.148, "selu": 1.035}.items():
    claims.claim(f"{name}: theory", table.loc[name].iloc[0], about=value, within=0.001)
    claims.claim(f"{name}: measured", table.loc[name].iloc[1], about=value, within=0.05)
for gain in ("0.1", "10"):
    found = table.loc[f"relu, weights times {gain}"].iloc[1]
    claims.claim(f"ReLU, weights times {gain}", found, about=exact, within=0.02)

# %%
runs = {}
for name in train.each(cases):
    setting = cases[name]
    small = models.Setting(50, 64, setting.activation, setting.initialization, setting.norm)
    runs[name] = trained(small, "adam", steps=150)
plots.show(plots.training_curves(runs, chance=math.log(10), title="50 layers, in training"))

# %% [markdown]
# **Reading the figure.** At 50 layers **batch norm lets sigmoid learn and ReLU not**. tanh, whose
# factor lies between theirs, learns too. ReLU *without* the norm does better than with it.

# %%
expected = {"ReLU, batch norm": (0, 0.2), "tanh, batch norm": (0.4, 0.9)}
expected |= {"sigmoid, batch norm": (0.65, 1), "ReLU, He, no norm": (0.22, 0.7)}
for name, between in expected.items():
    accuracy = runs[name].test_accuracy
    claims.claim(f"{name}: accuracy", accuracy, between=between, drifts=True)

# %% [markdown]
# Are the steps too long, then? Adam does not care about the size of a gradient (lesson 02), so that
# is not all. The factor acts forward as well: a *small difference* between two inputs meets the
# same slopes, weights and norms. We move each picture by a billionth and follow the difference from
# layer 2 to layer 49.

# %%
net = models.build(cases["ReLU, batch norm"], 64, 10, seed).double()
nudge = 1e-9 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed))
apart = []
for modules in (5, 146):  # up to the norm of layer 2, and of layer 49
    difference = net[:modules](inputs.double() + nudge) - net[:modules](inputs.double())
    apart.append(difference.norm().item())
forward = (apart[1] / apart[0]) ** (1 / 47)
claims.claim("forward, a small difference: per layer", forward, about=exact, within=0.03)

# %% [markdown]
# Whatever tells two similar inputs apart is magnified by 1.21 per layer, until the last layer
# cannot know that they were similar.
#
# The study notes recommend batch norm against *exploding* gradients, too. It does rescue a bad
# scale. Take weights from $N(0,1)$, far too large: for `models` that is
# [LeCun's](../docs/glossary.md#lecun) start times $\sqrt{\text{width}}$.
#
# And layer norm? For ReLU $\mathrm E\,\phi'^2 = \mathrm E\,\phi^2$: a factor of 1, a level profile.
# Do 50 layers learn with it?

# %%
scaled = {}
for norm in ("none", "batch"):
    setting = models.Setting(20, width, "relu", "lecun", norm, gain=math.sqrt(width))
    scaled[norm] = delta_profile(setting)[0]
claims.claim("N(0, 1), no norm: 1 over 20", scaled["none"], between=(1e15, 1e18))
claims.claim("N(0, 1), batch norm: 1 over 20", scaled["batch"], between=(12, 60))

# %%
setting = models.Setting(50, width, "relu", norm="layer")
level = factor(delta_profile(setting))
stuck = trained(models.Setting(50, 64, "relu", norm="layer"), "adam", steps=150).test_accuracy
claims.claim("ReLU, layer norm: factor per layer", level, about=1, within=0.05)
claims.claim("ReLU, layer norm: accuracy", stuck, below=0.2, drifts=True)

# %% [markdown]
# Without the norm 20 layers explode by $10^{17}$, with it by a few tens. But with He's weights the
# plain network does not explode at all. Layer norm keeps the gradient level, yet 50 layers stay
# below 0.2, at chance: a level profile is no promise. (We have not isolated why.)

# %% [markdown]
# **Question.** A ReLU network of 40 layers with batch norm explodes at its start. What lowers the
# factor per layer?
#
# <details><summary>Weights half as large</summary>Not this: the norm divides by their scale, and it
# cancels.</details>
# <details><summary>SELU in place of ReLU</summary>Right. Only the activation counts: 1.035 in place
# of 1.211.</details>
# <details><summary>A lower learning rate</summary>Not this: at the start nothing has been learnt,
# and the gradient has already exploded.</details>

# %% [markdown]
# ## The mode decides what you see
#
# A batch norm is two layers in one. In *training mode* it uses mean and variance of its batch. In
# *evaluation mode*, after `model.eval()`, it uses **[running
# statistics](../docs/glossary.md#running-statistics)**: averages over the batches seen so far, so
# that the answer for one picture does not depend on its neighbours. They start at mean 0 and
# variance 1.
#
# So a *fresh* batch norm in evaluation mode does nothing. `probe.record` keeps the mode of the
# model. What does it see in each?

# %%
net = models.build(models.Setting(21, width, "sigmoid", norm="batch"), 64, 10, seed)
flows = {"training mode": probe.record(net.train(), inputs, targets, cross_entropy)}
flows["evaluation mode"] = probe.record(net.eval(), inputs, targets, cross_entropy)
seen = {name: flow.relative_delta_norms for name, flow in flows.items()}
lines = {"training mode": predicted["batch"], "evaluation mode": predicted["none"]}
plots.show(plots.layer_profile(seen, lines, ylabel=relative, title="One network, two modes"))

# %% [markdown]
# **Reading the figure.** *One* network, not yet trained. In training mode it is healthy; in
# evaluation mode it loses 17 decades, just as without a norm. Diagnose a network in the mode in
# which it learns.
#
# The study notes say that batch norm prevents saturation. In evaluation mode we see this network
# without its norms: hardly a sigmoid was saturated.

# %%
trains, evaluates = flows["training mode"], flows["evaluation mode"]
claims.claim("training mode: factor per layer", trains.norm_factor, about=1.044, within=0.05)
claims.claim("evaluation mode: factor per layer", evaluates.norm_factor, about=0.141, within=0.05)
claims.claim("variance of z in theory", sigmoid.variance / 3, about=0.0145, within=0.01)
saturated = np.nanmax(evaluates.saturated_share)  # the output layer has none
claims.claim("without norm: saturated, worst layer", saturated, below=0.01)

# %% [markdown]
# ### An average that has not arrived
#
# Each training step moves a running statistic towards that of the new batch, by the share
# `momentum`: `running = (1 - momentum) * running + momentum * new`. PyTorch's default is 0.1.
# (Keras counts the other way: its default of 0.99 is PyTorch's 0.01.) After $n$ batches the start
# still has the weight $(1-\text{momentum})^n$: at 0.01 and 200 batches that is 0.13. The start is
# 1; the variance of our [pre-activations](../docs/glossary.md#pre-activation), before training, is
# a third of $\mathrm{Var}\,\phi$, 0.0145.
#
# **Predict.** The 20 sigmoid layers with batch norm learn for 200 steps, at a momentum of 0.01, and
# get more than 70 % of the test pictures right in training mode. What share do they get right in
# evaluation mode?

# %%
guess = None
prediction = claims.predict("Share right in evaluation mode?", guess)


# %%
def share_right(net):
    """Share of the test pictures that a network gets right, in the mode in which it is."""
    with torch.no_grad():
        answers = copy.deepcopy(net)(digits.test_inputs).argmax(dim=1)  # a copy keeps its averages
    return (answers == digits.test_targets).double().mean().item()


# %%
def in_both_modes(momentum):
    """Share right in both modes, every ten steps of training."""
    net = models.build(models.Setting(21, 64, "sigmoid", norm="batch"), 64, 10, seed)
    for norm in net[1::3]:  # the batch norms
        norm.momentum = momentum
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    table = pd.DataFrame({"evaluation": share_right(net.eval())}, index=[0])
    table["training"] = share_right(net.train())
    for step in range(10, 201, 10):
        train.fit(net, digits, sgd, steps=10, seed=100 * seed + step // 10)
        table.loc[step] = [share_right(net.eval()), share_right(net.train())]
    return table


# %%
quick, slow = in_both_modes(0.1), in_both_modes(0.01)
prediction.compare(round(slow["evaluation"].iloc[-1], 1))
shares = {"training mode": quick["training"], "evaluation, 0.1": quick["evaluation"]}
shares["evaluation, 0.01"] = slow["evaluation"]
axis = {"x": range(0, 201, 10), "xlabel": "step", "ylabel": "test accuracy"}
plots.show(plots.curves(shares, **axis, title="The same weights, by mode and momentum"))

# %% [markdown]
# **Reading the figure.** In evaluation mode the accuracy of the very same weights comes late. At a
# momentum of 0.01 it is still near chance after 200 steps: each of 20 layers divides by a stale
# standard deviation, and the errors multiply. A validation curve like this looks like a network
# that does not generalise. It is only an average that has not arrived.

# %%
claims.claim("20 steps: training mode", quick["training"].loc[20], above=0.4, drifts=True)
claims.claim("20 steps: evaluation, 0.1", quick["evaluation"].loc[20], below=0.3, drifts=True)
for name, low in (("training mode", 0.7), ("evaluation, 0.1", 0.7), ("evaluation, 0.01", 0)):
    share = shares[name].loc[200]
    claims.claim(f"200 steps: {name}", share, between=(low, low + 0.3), drifts=True)
claims.claim("weight of the start, 0.01, 200 batches", 0.99**200, about=0.134, within=0.01)

# %% [markdown]
# ### Exercise 7.2 - running_variance (3 points)
#
# *About 8 minutes, medium.*
#
# A fresh `nn.BatchNorm1d` in training mode sees `batches`, a list of tensors of shape (batch,
# units), one after the other. Write `running_variance(batches, momentum)`: the running variance
# that it holds then, a tensor of shape (units,), in PyTorch's convention. One batch earns 1 point,
# several batches 2 points. What it stores is the *unbiased* variance of each batch (which divides
# by batch - 1), unlike what it normalises by. Each batch has at least two inputs.
#
# <details><summary>Hint</summary>Each batch replaces the share <code>momentum</code> of what is
# there. What is there before the first one?</details>
# <details><summary>More help</summary>Start with a tensor of ones. In a loop, take
# <code>batch.var(dim=0)</code>, which is unbiased.</details>


# %% tags=["exercise"]
def running_variance(batches: list, momentum: float) -> torch.Tensor:
    """Running variance of each unit after these batches."""
    ### BEGIN SOLUTION
    running = torch.ones(batches[0].shape[1])
    for batch in batches:
        running = (1 - momentum) * running + momentum * batch.var(dim=0)
    return running
    ### END SOLUTION


# %% tags=["check"]
exercises.check(running_variance)

# %% [markdown] tags=["solution"]
# After $n$ batches the start still has the weight $(1-\text{momentum})^n$: at 0.01 and 200 batches
# that is 13 %, and a variance of 1 is many times that of these pre-activations.

# %% [markdown]
# ## The batch, and the place
#
# **The batch.** A small batch gives a poor standard deviation, and dividing by a poor one costs. By
# chance it is sometimes far too small, and then a gradient becomes far too large. How much is that
# on average? We draw batches from $N(0,1)$, whose variance is 1, and average $1/\hat\sigma^2$.

# %%
generator = torch.Generator().manual_seed(seed)
table = pd.DataFrame(columns=["mean of 1 / variance", "B / (B - 3)"])
for size in (8, 16, 32, 256):
    variance = torch.randn(20_000, size, generator=generator).var(dim=1, unbiased=False)
    table.loc[f"B = {size}"] = [(1 / variance).mean().item(), size / (size - 3)]
table

# %% [markdown]
# They agree.
#
# > **Where B / (B - 3) comes from.** The squared distances of $B$ numbers from their mean add up to
# > $B\hat\sigma^2$, a chi-squared number with $n=B-1$ degrees of freedom. The mean of the inverse
# > of such a number is $1/(n-2)$. So $\mathrm E\,1/\hat\sigma^2 = B/(n-2) = B/(B-3)$, and for
# > $B\le3$ it has no value.
#
# `theory.norm_factor` works out the factor of a layer for any batch from 4 inputs on (Yang et al.
# 2019, section 3). Does the network obey?

# %%
sizes = [5, 6, 8, 16, 32, 64, 256]
relu = models.Setting(30, width, "relu", norm="batch")
by_size = [factor(delta_profile(relu, size)) for size in sizes]
formula = [theory.norm_factor("relu", "batch", batch=size) for size in sizes]
axis = {"x": sizes, "xlabel": "batch size", "ylabel": "factor per layer", "xscale": "log"}
plots.show(plots.curves({"ReLU": by_size}, {"ReLU": formula}, **axis, title="By batch size"))

# %% [markdown]
# **Reading the figure.** Below 16 inputs the factor climbs: 1.34 at 8. Towards 3 the formula goes
# to infinity.
#
# And 2 inputs? Then every output is +1 or -1, whatever the inputs are. Most units pass hardly any
# gradient, and the few whose two inputs nearly agree pass far too much. We measure that, and train
# four hidden ReLU layers with batches of 2. Layer norm and group norm do not look at the batch.

# %%
pairs = factor(delta_profile(relu, 2))
right = {}
for norm in train.each(("batch", "layer", "group")):
    net = models.build(models.Setting(5, 64, "relu", norm=norm), 64, 10, seed)
    recipe = train.Recipe("sgd", 0.01, 600, 2)  # batches of 2
    right[norm] = train.fit(net, digits, recipe, seed=seed).test_accuracy

# %%
off = (table["mean of 1 / variance"] / table["B / (B - 3)"] - 1).abs().max()
claims.claim("mean of 1 / variance, off B / (B - 3) by", off, below=0.04)
errors = np.abs(np.array(by_size) / formula - 1)
claims.claim("worst of the seven, off by", errors.max(), below=0.06, drifts=True)
claims.claim("batch of 8: factor per layer", by_size[sizes.index(8)], about=1.337, within=0.04)
claims.claim("batch of 2: factor per layer", pairs, above=1.8, digits=1)
claims.claim("batch, batches of 2: accuracy", right["batch"], between=(0, 0.55), drifts=True)
for norm in ("layer", "group"):
    claims.claim(f"{norm}, batches of 2: accuracy", right[norm], between=(0.75, 1), drifts=True)

# %% [markdown]
# Batches of 2 spoil the gradient of batch norm and its training; the other two learn.
#
# **The place.** The encyclopaedia entry, the blog post and the chapter say that batch norm
# normalises the *inputs* of a layer, the study notes its *outputs*. Both are used. After the
# activation the norm hands normalised inputs to the next weights. Before it, as in the programs of
# the answer and the blog post, it treats the outputs of the weights. Does it matter?
#
# Ask the formula. A norm *before* the activation decides at which scale that works. A norm *behind*
# it does not: the weights do. With inputs of variance 1 the activation sees $z$ of variance
# $\sigma_w^2$, so that in place of $\phi(z)$ we must use $\phi(\sigma_w z)$. PyTorch's weights have
# $\sigma_w = 1/\sqrt3$, times a factor that we put in front.


# %%
def with_norms(setting, behind):
    plain = models.build(setting, 64, 10, seed)
    parts = []
    for module in plain[:-1]:
        parts.append(module)
        if isinstance(module, behind):
            parts.append(nn.BatchNorm1d(width))
    return nn.Sequential(*parts, plain[-1])


def placed(behind, activation="tanh", gain=1.0):
    net = with_norms(models.Setting(21, width, activation, gain=gain), behind)
    return probe.record(net, inputs, targets, cross_entropy).norm_factor


# %%
def worked_out(gain):  # norm behind tanh
    return theory.norm_factor(lambda z: torch.tanh(gain / math.sqrt(3) * z), "batch")


gains = [0.5, 1, 2, 4, 8]
by_gain = {"before": [placed(nn.Linear, gain=gain) for gain in gains]}
by_gain["after"] = [placed(nn.Tanh, gain=gain) for gain in gains]
lines = {"before": [theory.norm_factor("tanh", "batch")] * len(gains)}
lines["after"] = [worked_out(gain) for gain in gains]
axis = {"x": gains, "xlabel": "weights times", "ylabel": "factor per layer", "xscale": "log"}
plots.show(plots.curves(by_gain, lines, **axis, title="tanh, norm before or after it"))

# %% [markdown]
# **Reading the figure.** With the norm before the activation the weights do not count. With the
# norm behind it they do: tanh with weights 8 times as large explodes by 1.71 per layer. For ReLU,
# which has no scale of its own, the place makes no difference: 1.21 per layer. (Beside a
# [skip](../docs/glossary.md#skip) it does: lesson 08.) So both wordings of the articles describe
# some network, and neither says which.

# %%
before, after = by_gain["before"][-1], by_gain["after"][-1]
claims.claim("tanh, weights times 8: before", before, about=1.085, within=0.05)
claims.claim("the same, after", after, about=lines["after"][-1], within=0.05)
claims.claim("ReLU, default: after", placed(nn.ReLU, "relu"), about=1.211, within=0.04)

# %% [markdown]
# ## A right output, a wrong gradient
#
# The next cell does, in our words, what a batch norm of the fast.ai course does. Its output is
# right, as a comparison with `nn.BatchNorm1d` will show. Is its gradient?
#
# Here is a case that you can work out in your head. Let the loss be the sum of all squared outputs.
# Batch norm makes the squares of each unit add up to the number of inputs, *whatever they are*. So
# this loss is a constant, and its true gradient is 0.
#
# **Predict.** For `x`, 64 inputs with 64 units of standard deviation 1: what norm does that
# gradient have if autograd takes it through `suspect`? Read the function as autograd does: inside
# `no_grad` everything is a constant, here about 0 and 1. Then the loss is $\sum x^2$.


# %%
def suspect(x, eps=1e-5):  # (batch, units)
    with torch.no_grad():
        mean = x.mean(dim=0)
        variance = x.var(dim=0, unbiased=False)
    return (x - mean) / (variance + eps).sqrt()


# %%
guess = None
prediction = claims.predict("Norm of the gradient?", guess)

# %%
torch.manual_seed(seed)
x = torch.randn(64, 64, dtype=torch.float64, requires_grad=True)
theirs = nn.BatchNorm1d(64).double()
(wrong,) = torch.autograd.grad(suspect(x).square().sum(), x)  # (64, 64)
(true,) = torch.autograd.grad(theirs(x).square().sum(), x)  # (64, 64)
prediction.compare(wrong.norm())

# %% [markdown]
# The gradient of $\sum x^2$ is $2x$, and 64 times 64 entries of size 2 have the norm $2\cdot64 =
# 128$. The truth is 0.
#
# The output is right, so any test of the forward pass is green. A gradient can only be checked
# against a gradient: PyTorch's own, or **[finite
# differences](../docs/glossary.md#finite-difference)**. `gradcheck` takes them: it moves one entry
# after the other a little (in float64) and compares. Then we put `suspect` in the place of each
# batch norm of 20 sigmoid layers, and look with the probe.

# %%
fooled = gradcheck(suspect, x[:4, :3], raise_exception=False)
claims.claim("the outputs agree", torch.allclose(suspect(x), theirs(x)))
claims.claim("norm of the gradient through suspect", wrong.norm(), about=130, within=0.05)
claims.claim("through nn.BatchNorm1d", true.norm(), below=0.01)
claims.claim("gradcheck rejects suspect", not fooled)


# %%
def instead(norm, arrived, output):  # a forward hook: what it returns becomes the output
    return norm.weight * suspect(arrived[0]) + norm.bias if norm.training else output


setting = models.Setting(21, 64, "sigmoid", norm="batch")
sound, unsound = models.build(setting, 64, 10, seed), models.build(setting, 64, 10, seed)
for norm in unsound[1::3]:
    norm.register_forward_hook(instead)
flows = {"right": probe.record(sound, inputs, targets, cross_entropy)}
flows["suspect"] = probe.record(unsound, inputs, targets, cross_entropy)
deltas = {name: flow.delta_norms for name, flow in flows.items()}
weights = {name: flow.weight_grad_norms for name, flow in flows.items()}
_, axes = plots.panels(2, share=False)
plots.layer_profile(deltas, title="Deltas", ax=axes[0])
plots.layer_profile(weights, ylabel="weight gradient", title="Weight gradients", ax=axes[1])
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: the deltas agree to 2 % per layer, so even the picture of this
# course is green. Right: the weight gradients are about twice as large as they should be. Does the
# network still learn?

# %%
sgd = torch.optim.SGD(unsound.parameters(), lr=0.1)
accuracy = train.fit(unsound, digits, sgd, steps=250, seed=seed).test_accuracy
alike = flows["suspect"].norm_factor / flows["right"].norm_factor
ratio = np.median(weights["suspect"][1:-1] / weights["right"][1:-1])
claims.claim("deltas alike: ratio of the factors", alike, about=1, within=0.02)
claims.claim("weight gradients, suspect over right", ratio, about=2.2, factor=1.7)
claims.claim("sigmoid, 20 hidden, suspect: accuracy", accuracy, below=0.25, drifts=True)

# %% [markdown]
# **Question.** The network that batch norm had brought above 85 % stays near chance. Which test
# would have caught the mistake?
#
# <details><summary>Comparing the output with nn.BatchNorm1d</summary>Not this: the output is right
# to the last digit.</details>
# <details><summary>Looking at the delta norms, layer by layer</summary>Not this: they agree to 2 %
# per layer.</details>
# <details><summary>Comparing its gradient with finite differences</summary>Right. That is what
# gradcheck does.</details>

# %% [markdown]
# ### Exercise 7.3 - batch_norm_with_gradient (5 points)
#
# *About 14 minutes, hard.*
#
# Which lines are to blame? Write `batch_norm_with_gradient(x, upstream, eps)`. `x` has the shape
# (batch, units); `upstream`, of the same shape, is the gradient of some loss at the output. Return
# a list: the output of batch norm, and the gradient at `x`, both of shape (batch, units). The
# variance divides by the size of the batch, and `eps` is added to it. One unit earns 2 points,
# several units 3.
#
# <details><summary>Hint</summary>Move one entry of a column: what else in it moves? By hand or by
# autograd, both are fine.</details>
# <details><summary>More help</summary>A tensor can ask for its gradient with
# <code>requires_grad_</code>, and <code>torch.autograd.grad(output, x, upstream)</code> sends
# upstream back.</details>


# %% tags=["exercise"]
def batch_norm_with_gradient(x: torch.Tensor, upstream: torch.Tensor, eps: float) -> list:
    """Output of batch norm, and the gradient at x that belongs to upstream."""
    ### BEGIN SOLUTION
    x = x.detach().requires_grad_()
    output = (x - x.mean(dim=0)) / (x.var(dim=0, unbiased=False) + eps).sqrt()
    (gradient,) = torch.autograd.grad(output, x, upstream)
    return [output, gradient]
    ### END SOLUTION


# %% tags=["check"]
exercises.check(batch_norm_with_gradient)

# %% [markdown] tags=["solution"]
# Under `no_grad` mean and variance count as constants, but they move with every entry of the
# column. The right gradient sums to 0 over the batch, so that the half which all sigmoids have in
# common cannot push the weights; through `suspect` it does, in a direction to which the output is
# blind.

# %% [markdown]
# ### Exercise 7.4 - my_norm (open)
#
# *About 14 minutes, medium.*
#
# Pick a norm and an activation, and predict what nobody has told you. `my_norm()` returns a tuple
# of three: `"batch"`, `"layer"` or `"rms"`; the activation, a function of a tensor that maps each
# number by itself; and the factor per layer of the delta norm. The check builds 30 layers of 128
# units and asks:
#
# * Is it a norm, a function and a number?
# * Is the function none of sigmoid, tanh, ReLU, GELU and SELU?
# * Is your factor within 5 % of the measured one?
#
# <details><summary>Hint</summary>Draw many $z\sim N(0,1)$. Autograd gives the slopes, exercise 7.1
# the factor.</details>
# <details><summary>More help</summary>Some activations spread the pictures unevenly and wander off
# the formula. Then choose another one, or measure your own network and ask why.</details>


# %% tags=["exercise"]
def my_norm() -> tuple:
    """A norm, an activation of one's own, and the factor per layer to expect."""
    ### BEGIN SOLUTION
    z = torch.linspace(-8, 8, 10_001, dtype=torch.float64)
    weight = torch.exp(-z.square() / 2)
    weight = weight / weight.sum()  # the share of N(0, 1) near each z
    factor = ((weight @ z.cos().square()) / (weight @ z.sin().square())).sqrt().item()
    return "layer", torch.sin, factor
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_norm)

# %% [markdown] tags=["solution"]
# One of many. The sine has the mean 0, so layer norm and batch norm agree: its slope is the cosine,
# and the factor is $\sqrt{(1+e^{-2})/(1-e^{-2})} = 1.146$.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who | verdict | measured here |
# |---|---|---|---|
# | batch norm prevents vanishing | answer | true | 20 sigmoids: 17 decades, then none |
# | a stable range | answer, blog post, chapter | forward, not backward | ReLU: 1.21 per layer |
# | gradients flow better | answer, encyclopaedia entry, chapter | by activation | 1.04 or 1.21 |
# | better speed and performance | blog post | for 20 sigmoids | 50 ReLUs: worse than without |
# | prevents saturation | study notes | not its merit here | without it below 1 % |
# | fixes exploding | study notes | bad scales only | $10^{17}$ to tens; with He, no need |
# | inputs of layers, or outputs | three; study notes | both exist | ReLU: no difference |
# | normalize inputs | study notes | true | pixels to 255: over 90 % saturated |
# | normalize hidden states | study notes | not with any norm | layer norm: 8 decades lost |
# | reduces covariate shift | blog post, a title | contested (Santurkar 2018) | not tested |
#
# ## What this does not show
#
# These are plain networks, at their start, on small pictures. Skip connections change the account
# (lesson 08), and batch norm's noise, which can help generalisation, is not measured. SiLU and GELU
# wander off their factor as depth grows.
#
# ## Summary
#
# * Behind a norm the factor depends on the activation alone. For sigmoid it is 1.02 in theory (1.04
#   measured) with batch norm, and 0.39 with layer norm, which cannot remove what all inputs share.
# * For ReLU batch norm makes it 1.21, at any weight scale: nearly four decades over 50 layers,
#   where sigmoid learns and ReLU does not.
# * The mode: 1.04 or 0.141 per layer in one network. The batch: 1.34 at 8 inputs. The gradient: 130
#   in place of 0 behind a right output.
#
# ## References
#
# Ioffe and Szegedy 2015, [algorithms 1 and 2](https://arxiv.org/abs/1502.03167); Ba et al. 2016,
# [layer norm, eq. 3](https://arxiv.org/abs/1607.06450); Wu and He 2018, [group
# norm](https://arxiv.org/abs/1803.08494); Zhang and Sennrich 2019, [RMSNorm, eq.
# 4](https://arxiv.org/abs/1910.07467); Yang et al. 2019, [mean field theory of batch
# norm](https://arxiv.org/abs/1902.08129); Luther 2020, [the ReLU
# constant](https://kyleluther.github.io/2020/02/18/batchnorm-exploding-gradients.html); Santurkar
# et al. 2018, [on covariate shift](https://arxiv.org/abs/1805.11604); fast.ai, [notebook
# 11](https://github.com/fastai/course22p2); all [five articles](../docs/sources.md).
#
# Next: [08 · Why do skips work, and when do they not?](08_residual_connections.ipynb)

# %%
print(progress.summary())

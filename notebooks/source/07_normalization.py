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
# You need [01](01_theory.ipynb) and
# [02](02_symptoms.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * predict what a layer behind a norm does to the gradient, and say why batch norm rescues a deep
#   sigmoid network and layer norm does not;
# * tell when batch norm is itself the cause of an explosion, and which number decides;
# * name three ways in which a batch norm misleads: its mode, its batch, and a wrong gradient behind
#   a right output.

# %% tags=["setup"]
import copy
import math

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.autograd import gradcheck
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("07", seed=0, width=128, draws=3)

# %% tags=["parameters"]
seed = 0
width = 128
draws = 3

# %% [markdown]
# ## Four norms, one formula
#
# All five articles that this course tests (000 to 004) recommend batch norm, three of them because
# it keeps activations or gradients in a *stable range*. That can be measured. A norm takes numbers,
# subtracts their mean and divides by their standard deviation,
#
# $$\hat x = \frac{x-\mu}{\sqrt{\sigma^2+\varepsilon}},$$
#
# and the four in use differ in *which* numbers. Think of a table: one row an input of the batch,
# one column a unit.
#
# | norm | mean and variance over | picture |
# |---|---|---|
# | batch | all inputs, for one unit | a column |
# | layer | all units, for one input | a row |
# | RMS | the same, but no mean is subtracted | a row |
# | group | some of the units, for one input | a piece of a row |
#
# (PyTorch then multiplies each unit by a learnt weight and adds a learnt bias. They start at 1 and
# 0, and we leave them out.) All four fit in a few lines. The oldest norm is that of the data:
# "normalize inputs" (article 001) is sound advice. Pixels from 0 to 255 saturate over 90 % of the
# tanh units behind them, pixels from 0 to 1 none.


# %%
def standardised(x, over):
    centred = x - x.mean(dim=over, keepdim=True)
    return centred / (centred.square().mean(dim=over, keepdim=True) + 1e-5).sqrt()


x = 1 + 3 * torch.randn(32, 64, generator=torch.Generator().manual_seed(seed))  # (batch, units)
ours = {
    nn.BatchNorm1d(64): standardised(x, 0),
    nn.LayerNorm(64): standardised(x, 1),
    nn.GroupNorm(8, 64): standardised(x.view(32, 8, 8), 2).view(32, 64),
    nn.RMSNorm(64, eps=1e-5): x / (x.square().mean(dim=1, keepdim=True) + 1e-5).sqrt(),
}
for twin, values in ours.items():
    claims.claim(f"{type(twin).__name__} does the same", torch.allclose(twin(x), values, atol=1e-5))
pixels = torch.tensor(load_digits().data[:256] / 16, dtype=torch.float32)  # 0 to 1
layer = models.build(models.Setting(2, width, "tanh"), 64, 10, seed)[:2]
for top, low, high in ((255, 0.9, 1), (1, 0, 0.01)):
    flat = (1 - layer(top * pixels).square() < 0.05).double().mean()
    claims.claim(f"pixels 0 to {top}: share of saturated units", flat, between=(low, high))

# %% [markdown]
# ## A rescue, and one that fails
#
# Put a norm between weights and activation. What is the factor of a layer now? On the way back a
# delta meets the slopes $\phi'$, the weights, and the *division* by the spread of what the weights
# made of $h=\phi(z)$. Weights ten times as large make that spread ten times as large: their scale
# cancels. What remains depends on the activation alone, at $z\sim N(0,1)$:
#
# $$\text{batch: }\sqrt{\frac{\mathrm E\,\phi'^2}{\mathrm{Var}\,\phi}},\qquad
# \text{layer, RMS: }\sqrt{\frac{\mathrm E\,\phi'^2}{\mathrm E\,\phi^2}}.$$
#
# The difference is the mean of $\phi$. We try it on the patient of lessons 00 to 02: 20 hidden
# sigmoid layers, each of which keeps 0.141 of the delta norm.
#
# **Predict.** With layer norm, the pre-activations of every input have mean 0 and variance 1 in
# every layer. By which factor does a layer multiply the norm of delta then?

# %%
guess = None
prediction = claims.predict("Layer norm: factor a layer?", guess)

# %%
digits = data.digits(seed)


def profile(norm, activation="sigmoid", start="default", depth=21, batch=256, gain=1.0):
    """Relative delta norms, geometric mean over draws; and the theory."""
    setting = models.Setting(depth, width, activation, start, norm, gain=gain)
    inputs, targets = digits.batch(batch, seed)
    nets = [models.build(setting, 64, 10, 100 * seed + draw) for draw in range(draws)]
    flows = [probe.record(net, inputs, targets, cross_entropy) for net in nets]
    mean = np.exp(np.log([flow.relative_delta_norms for flow in flows]).mean(axis=0))
    return mean, models.predicted_profile(setting, inputs)


def factor(profile):
    """Factor a layer, between the second layer and the last but one."""
    return (profile[0][1] / profile[0][-2]) ** (1 / (len(profile[0]) - 3))


rescue = {norm: profile(norm) for norm in ("none", "layer", "rms", "batch")}
prediction.compare(round(factor(rescue["layer"]), 2))

# %%
found, lines = ({norm: pair[i] for norm, pair in rescue.items()} for i in (0, 1))
relative = "delta norm, relative to the last"
ax = plots.layer_profile(found, lines, ylabel=relative, title="Sigmoid: one norm is a cure")
plots.show(ax)

# %%
z = torch.special.ndtri((torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000)  # N(0, 1)
common = z.sigmoid().mean() ** 2 / z.sigmoid().square().mean()
claims.claim("sigmoid: share of the mean square that is common", common, about=0.853, within=0.01)
for norm, value in (("none", 0.141), ("layer", 0.391), ("rms", 0.391), ("batch", 1.017)):
    claims.claim(f"{norm}: factor a layer", factor(rescue[norm]), about=value, within=0.05)
for norm, decades in (("none", 17.1), ("layer", 8.4), ("rms", 8.4)):
    claims.claim(f"{norm}: decades lost", -np.log10(found[norm][0]), about=decades, within=0.08)


def trained(norm, activation="sigmoid", start="default", depth=21, rule="sgd", steps=250):
    net = models.build(models.Setting(depth, 64, activation, start, norm), 64, 10, seed)
    recipe = train.Recipe(rule, 0.1 if rule == "sgd" else 0.001, steps)
    return train.fit(net, digits, recipe, seed=seed)


# %%
bounds = (("none", 0, 0.2), ("layer", 0, 0.2), ("rms", 0, 0.2), ("batch", 0.85, 1))
for norm, low, high in train.each(bounds):
    accuracy = trained(norm).test_accuracy
    claims.claim(f"{norm}, SGD: accuracy", accuracy, between=(low, high), drifts=True)
shallow = trained("layer", depth=11, rule="adam").test_accuracy
claims.claim("layer, 10 hidden, Adam: accuracy", shallow, above=0.75, drifts=True)

# %% [markdown]
# **Reading the figure.** Pink: batch norm, level from end to end. Orange and green: layer norm and
# RMS norm lie on top of each other and still lose eight decades. (Layer 1 of the pink line hangs
# lower: its inputs are pixels, with a wider spread than the outputs of a sigmoid, so it divides by
# more.) Training agrees: with SGD, 20 hidden layers learn with batch norm only; with 10, layer norm
# gets by under Adam. So "normalize hidden states" (article 001) must say *how*.
#
# Why? The outputs of a sigmoid are about a half, for every picture: 85 % of their mean square is
# *common* to all inputs. The weights turn this half into an offset of each unit. Layer norm sees
# one input at a time and cannot know that the offset is common. It takes it for signal, divides by
# it, and what tells two pictures apart shrinks. Batch norm subtracts it.
#
# ### Exercise 7.1 - layer_factor (3 points)
#
# You have samples of one layer behind a norm: `slopes` $\phi'(z)$ and `outputs` $\phi(z)$ at the
# same values of $z$, tensors of shape (samples,). Write `layer_factor(slopes, outputs, norm)` for
# `norm` equal to `"layer"` (1 point) or `"batch"` (2 points): the factor of the delta norm, a
# float. Expectations are plain means over the samples.
#
# <details><summary>Hint</summary>Both formulas stand above. A variance is the mean square of what
# is left when the mean has gone; mind what <code>torch.var</code> divides by.</details>


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
# Now ReLU. Half its slopes are 1, so $\mathrm E\,\phi'^2=\tfrac12$, and its outputs have the
# variance $\tfrac12(1-1/\pi)$, about a third. Behind a batch norm that makes
#
# $$\sqrt{\pi/(\pi-1)} = 1.211\ \text{a layer}.$$
#
# A batch norm renews the forward signal at each layer. Nobody renews the backward one.
#
# **Predict.** 50 layers, ReLU, batch norm, weights as PyTorch draws them: how many times as large
# is delta at layer 1 as at layer 50? And which of the four networks below will learn, given 150
# steps of Adam?

# %%
guess = None
prediction = claims.predict("Layer 1 over layer 50?", guess)

# %%
cases = {
    "ReLU, batch norm": ("batch", "relu"),
    "tanh, batch norm": ("batch", "tanh"),
    "sigmoid, batch norm": ("batch", "sigmoid"),
    "ReLU, He, no norm": ("none", "relu", "he"),
}
deep = {name: profile(*case, depth=50) for name, case in cases.items()}
found, lines = ({name: pair[i] for name, pair in deep.items()} for i in (0, 1))
grown = found["ReLU, batch norm"][0]
prediction.compare(grown, digits=1)
claims.claim("ReLU, batch norm: layer 1 over 50", grown, between=(2e3, 2e4), digits=1)
adam = {"depth": 50, "rule": "adam", "steps": 150}
runs = {name: trained(*case, **adam) for name, case in train.each(cases.items())}
for name, low, high in zip(cases, (0, 0.4, 0.65, 0.22), (0.2, 0.9, 1, 0.7), strict=True):
    accuracy = runs[name].test_accuracy
    claims.claim(f"{name}: accuracy", accuracy, between=(low, high), drifts=True)

# %%
_, axes = plots.panels(2, share=False)
plots.layer_profile(found, lines, ylabel=relative, title="At the start", ax=axes[0])
plots.training_curves(runs, chance=2.303, title="In training", ax=axes[1])
plots.show(axes[0])

# %%
exact = math.sqrt(math.pi / (math.pi - 1))
for name, value in (("relu", exact), ("tanh", 1.085), ("gelu", 1.148), ("selu", 1.035)):
    predicted, measured = theory.norm_factor(name, "batch"), profile("batch", name, depth=30)
    claims.claim(f"{name}: theory", predicted, about=value, within=0.001)
    claims.claim(f"{name}: measured", factor(measured), about=value, within=0.05)
for gain in (0.1, 10.0):
    scaled = factor(profile("batch", "relu", depth=30, gain=gain))
    claims.claim(f"ReLU, weights times {gain:g}", scaled, about=exact, within=0.02)
normal = {"depth": 20, "gain": math.sqrt(width)}  # times lecun: every weight from N(0, 1)
for norm, low, high in (("none", 1e15, 1e18), ("batch", 12, 60)):
    found = profile(norm, "relu", "lecun", **normal)[0][0]
    claims.claim(f"N(0, 1) weights, {norm} norm: 1 over 20", found, between=(low, high))
level = factor(profile("layer", "relu", depth=50)), trained("layer", "relu", **adam).test_accuracy
claims.claim("ReLU, layer norm: factor", level[0], about=1, within=0.05)
claims.claim("ReLU, layer norm: accuracy", level[1], below=0.2, drifts=True)
net = models.build(models.Setting(50, width, "relu", norm="batch"), 64, 10, seed).double()
inputs = digits.batch(256, seed)[0].double()
nudged = inputs + 1e-9 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed))
low, high = (((net[:cut](nudged) - net[:cut](inputs)).norm()) for cut in (5, 146))  # layers 2, 49
claims.claim("forward, a small difference", (high / low) ** (1 / 47), about=exact, within=0.03)

# %% [markdown]
# **Reading the figure.** Left: ReLU with batch norm grows by almost four decades, as predicted.
# (tanh and sigmoid end above their lines: the theory takes wide layers and inputs spread evenly in
# all directions, which digits are not. Factors are right to a few per cent, and 50 layers compound
# them.) Only the activation counts: weights 10 times smaller or larger change nothing.
#
# Right, the same colours: at 50 layers **batch norm lets sigmoid learn and ReLU not**. tanh,
# between them on the left, learns too, and ReLU *without* the norm does better than with it. Are
# the steps too long, then? Adam does not care about the size of a gradient (lesson 02), so that is
# not all. The factor acts forward as well: whatever tells two similar inputs apart is magnified by
# 1.21 a layer, until the last layer cannot know that they were similar. Lesson 07 calls the
# gradients of such a network shattered.
#
# And as a cure for *exploding* gradients (article 001)? It rescues a bad scale: with weights from
# $N(0,1)$, 20 layers explode by $10^{17}$ without the norm and by a few tens with it. But with He's
# weights the plain network does not explode at all (pink).
#
# ## The mode decides what you see
#
# In training mode a batch norm uses its batch. In evaluation mode (`model.eval()`) it uses running
# averages, which start at mean 0 and variance 1. So a *fresh* batch norm in evaluation mode does
# nothing, and `probe.record`, which keeps the mode of the model, sees another network.
#
# Each training step moves the averages towards the new batch by the share `momentum`, 0.1 in
# PyTorch. (Keras counts the other way: its default of 0.99 is PyTorch's 0.01.)
#
# **Predict.** The 20 sigmoid layers with batch norm learn for 200 steps, at a momentum of 0.01, and
# get more than 70 % of the test set right in training mode. What share in evaluation mode?

# %%
guess = None
prediction = claims.predict("Share in evaluation mode?", guess)


# %%
def in_both_modes(momentum):
    """Test accuracy in training and in evaluation mode, after 0, 10, ... 200 steps."""
    net = models.build(models.Setting(21, 64, "sigmoid", norm="batch"), 64, 10, seed)
    for module in net[1::3]:  # the batch norms
        module.momentum = momentum
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    right = []
    for burst in range(21):
        run = train.fit(net, digits, sgd, steps=10 if burst else 0, seed=100 * seed + burst)
        answers = copy.deepcopy(net)(digits.test_inputs).argmax(dim=1)  # a copy keeps its averages
        training = (answers == digits.test_targets).double().mean().item()
        right.append([training, run.test_accuracy])  # train.accuracy is in evaluation mode
    return np.array(right).T


(training, quick), (_, slow) = in_both_modes(0.1), in_both_modes(0.01)
prediction.compare(round(slow[-1], 1))
shares = {"training mode": training, "evaluation, 0.1": quick, "evaluation, 0.01": slow}

# %%
batch = digits.batch(256, seed)
net = models.build(models.Setting(21, width, "sigmoid", norm="batch"), 64, 10, seed)
flows = [probe.record(net.train(mode), *batch, cross_entropy) for mode in (True, False)]
names = ("training mode", "evaluation mode")
seen = dict(zip(names, [flow.relative_delta_norms for flow in flows], strict=True))
lines = dict(zip(names, [rescue["batch"][1], rescue["none"][1]], strict=True))
axis = {"x": range(0, 201, 10), "xlabel": "step", "ylabel": "test accuracy"}
_, axes = plots.panels(2, share=False)
plots.layer_profile(seen, lines, ylabel=relative, title="Before training", ax=axes[0])
plots.curves(shares, **axis, title="In training, by momentum", ax=axes[1])
plots.show(axes[0])
for name, flow, value in zip(names, flows, (1.044, 0.141), strict=True):
    claims.claim(f"{name}: factor a layer", flow.norm_factor, about=value, within=0.05)
claims.claim("without norm: saturated sigmoids", flows[1].saturated_share[0], below=0.01)
claims.claim("20 steps: training mode", training[2], above=0.4, drifts=True)
claims.claim("20 steps: evaluation mode, 0.1", quick[2], below=0.3, drifts=True)
for (name, share), low in zip(shares.items(), (0.7, 0.7, 0), strict=True):
    claims.claim(f"200 steps: {name}", share[-1], between=(low, low + 0.3), drifts=True)

# %% [markdown]
# **Reading the figure.** Left: *one* network, not yet trained. In training mode it is healthy; in
# evaluation mode it loses 17 decades, just as without a norm. Diagnose a network in the mode in
# which it learns.
#
# Right: in evaluation mode the accuracy of the very same weights comes late, as 20 layers each with
# stale averages add up. At a momentum of 0.01 it is still at chance after 200 steps. A validation
# curve like that looks like a network that does not generalise, and it is only an average that has
# not arrived.
#
# ### Exercise 7.2 - running_variance (3 points)
#
# A fresh `nn.BatchNorm1d` in training mode sees `batches`, a list of tensors of shape (batch,
# units). Write `running_variance(batches, momentum)`: the running variance that it holds then, a
# tensor of shape (units,), in PyTorch's convention. One batch earns 1 point, several batches 2
# points. What it stores is the *unbiased* variance of each batch, unlike what it normalises by.
#
# <details><summary>Hint</summary>Each batch replaces the share <code>momentum</code> of what is
# there. What is there before the first one?</details>


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
# Two more dials. **The batch.** A small batch gives a poor standard deviation, and dividing by it
# costs: the mean of $1/\hat\sigma^2$ over $B$ Gaussian numbers contains a factor $B/(B-3)$. The
# first function below works out the factor of a ReLU layer for any $B$ (integrals over the sphere
# on which $B$ normalised numbers lie).
#
# **The place.** Articles 002 to 004 say that batch norm normalises the *inputs* of a layer, article
# 001 its *outputs*. Both are used: after the activation the norm hands normalised inputs to the
# next weights; between weights and activation, as in the code of articles 000 and 003, it treats
# the outputs of the weights. Does it matter? Again the formula tells, since a norm that comes
# *after* the activation no longer decides at which scale that works: the weights do.


# %%
def relu_factor(size):
    cosine = -1 / (size - 1)  # between any two of the numbers, once their mean is gone
    both = 1 / 4 + math.asin(cosine) / (2 * math.pi)  # share of pairs with two active units
    product = (math.sqrt(1 - cosine**2) + cosine * math.acos(-cosine)) / (2 * math.pi)
    kept = (size / 2 - 1.5 + (1 + (size - 1) * (both + product)) / size) / (size - 1)
    return math.sqrt(size / (size - 3) * kept / (1 / 2 - product))


sizes = [5, 6, 8, 16, 32, 64, 256]
by_size = [factor(profile("batch", "relu", depth=30, batch=size)) for size in sizes]
formula = [relu_factor(size) for size in sizes]
errors = [abs(found / line - 1) for found, line in zip(by_size, formula, strict=True)]
claims.claim("worst of the seven, off by", max(errors), below=0.06, drifts=True)
claims.claim("batch of 8: factor", by_size[2], about=1.337, within=0.04)
pairs = profile("batch", "relu", depth=30, batch=2)  # rounding moves its third digit
claims.claim("batch of 2: factor", factor(pairs), above=1.8, digits=1)

# %%
bounds = (("batch", 0, 0.55), ("layer", 0.75, 1), ("group", 0.75, 1))
for norm, low, high in train.each(bounds):
    net = models.build(models.Setting(5, 64, "relu", norm=norm), 64, 10, seed)
    accuracy = train.fit(net, digits, train.Recipe("sgd", 0.01, 600, 2), seed=seed).test_accuracy
    claims.claim(f"{norm}, batches of 2: accuracy", accuracy, between=(low, high), drifts=True)


# %%
def placed(kind, activation="tanh", gain=1.0):
    """Factor a layer with a batch norm behind each module of a kind, the last one excepted."""
    setting = models.Setting(21, width, activation, gain=gain)
    parts = []
    for module in (plain := models.build(setting, 64, 10, seed))[:-1]:
        parts += [module, nn.BatchNorm1d(width)] if isinstance(module, kind) else [module]
    return probe.record(nn.Sequential(*parts, plain[-1]), *batch, cross_entropy).norm_factor


gains = [0.5, 1, 2, 4, 8]
kinds = {"before": nn.Linear, "after": nn.Tanh}
by_gain = {place: [placed(kind, gain=gain) for gain in gains] for place, kind in kinds.items()}
scaled = [lambda u, s=gain / 3**0.5: torch.tanh(s * u) for gain in gains]  # sigma_w = s
lines = {"after": [theory.norm_factor(function, "batch") for function in scaled]}
lines["before"] = [theory.norm_factor("tanh", "batch")] * len(gains)
looks = {"ylabel": "factor a layer", "xscale": "log"}
claims.claim("tanh, weights times 8: before", by_gain["before"][4], about=1.085, within=0.05)
claims.claim("the same, after", by_gain["after"][4], about=lines["after"][4], within=0.05)
claims.claim("ReLU, default: after", placed(nn.ReLU, "relu"), about=1.211, within=0.04)

# %%
_, axes = plots.panels(2)
words = {"xlabel": "batch size", "title": "ReLU, by batch size"}
plots.curves({"ReLU": by_size}, {"ReLU": formula}, x=sizes, ax=axes[0], **looks, **words)
words = {"xlabel": "gain", "title": "tanh, norm before or after it"}
plots.curves(by_gain, lines, x=gains, ax=axes[1], **looks, **words)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: below 16 inputs the factor climbs, and at 3 the formula has no
# value. With 2 inputs every output is +1 or -1, whatever they are: most units pass hardly any
# gradient, and the few whose two inputs nearly agree pass far too much (a factor above 1.8). Four
# hidden ReLU layers learn from batches of 2 with layer norm and with group norm, which do not look
# at the batch; with batch norm they hardly do.
#
# Right: with the norm before the activation the weights do not count; with the norm behind it they
# do, and tanh with weights 8 times as large explodes faster than any network above. For ReLU, which
# has no scale of its own, the place makes no difference: 1.21 a layer. (Beside a skip connection it
# does: lesson 08.) So both wordings of the articles describe some network, and neither says which.
#
# ## A right output, a wrong gradient
#
# Below is a batch norm as a well-known course had it, in our words. Its output is right, as a
# comparison with `nn.BatchNorm1d` will show. Is its gradient?
#
# Here is a case that you can work out in your head. Let the loss be the sum of all squared outputs.
# Batch norm makes the squares of each unit add up to the number of inputs, *whatever they are*. So
# this loss is a constant, and its gradient is 0.
#
# **Predict.** For `x`, 64 inputs with 64 units of standard deviation 1: what norm does that
# gradient have if autograd takes it through `suspect`? Read the function the way autograd does.


# %%
def suspect(x, eps=1e-5):
    with torch.no_grad():
        mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
    return (x - mean) / (variance + eps).sqrt()


def instead(norm, inputs, output):  # takes the place of a batch norm in training mode
    return norm.weight * suspect(inputs[0]) + norm.bias if norm.training else output


# %%
guess = None
prediction = claims.predict("Norm of the gradient?", guess)

# %%
x = torch.randn(64, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
norms = (suspect, nn.BatchNorm1d(64).double())
claims.claim("the outputs agree", torch.allclose(norms[0](x), norms[1](x.requires_grad_())))
sizes = [torch.autograd.grad(norm(x).square().sum(), x)[0].norm() for norm in norms]
prediction.compare(sizes[0])
claims.claim("norm of the gradient through suspect", sizes[0], about=130, within=0.05)
claims.claim("through nn.BatchNorm1d", sizes[1], below=0.01)
claims.claim("gradcheck rejects", not gradcheck(suspect, x[:4, :3], raise_exception=False))
nets = [models.build(models.Setting(21, 64, "sigmoid", norm="batch"), 64, 10, seed) for _ in "ab"]
for norm in nets[1][1::3]:
    norm.register_forward_hook(instead)
flows = [probe.record(net, *batch, cross_entropy) for net in nets]
claims.claim("deltas alike", flows[1].norm_factor / flows[0].norm_factor, about=1, within=0.02)
ratio = np.median(flows[1].weight_grad_norms[1:-1] / flows[0].weight_grad_norms[1:-1])
claims.claim("weight gradients, suspect over right", ratio, about=2.5, factor=2)
sgd = torch.optim.SGD(nets[1].parameters(), lr=0.1)
accuracy = train.fit(nets[1], digits, sgd, steps=250, seed=seed).test_accuracy
claims.claim("sigmoid, 20 hidden, suspect: accuracy", accuracy, below=0.25, drifts=True)

# %% [markdown]
# **Reading the numbers.** The output is right, so any test of the forward pass is green. The deltas
# agree to 2 % a layer, so even the picture of this course is green. And yet: 130 where 0 is right,
# weight gradients two to three times too large, and a network that batch norm had brought above
# 85 % stays near chance. A gradient can only be checked against a gradient: PyTorch's own, or
# finite differences, which `gradcheck` takes for you (in float64); it is not fooled.
#
# ### Exercise 7.3 - batch_norm_with_gradient (5 points)
#
# Which line is to blame? Write `batch_norm_with_gradient(x, upstream, eps)`. `x` has the shape
# (batch, units); `upstream`, of the same shape, is the gradient of some loss at the output. Return
# a list: the output of batch norm, and the gradient at `x`, both of shape (batch, units). The
# variance divides by the size of the batch. One unit earns 2 points, any batch 3.
#
# <details><summary>Hint</summary>By hand or by autograd, both are fine: a tensor can ask for its
# gradient with <code>requires_grad_</code>. Move one entry of a column: what else in it
# moves?</details>


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
# ## The claims, one by one
#
# | claim (articles) | verdict | measured here |
# |---|---|---|
# | batch norm prevents vanishing (000) | true | 20 sigmoids: 17 decades, then none |
# | a stable range (000, 003, 004) | forward; not backward | 1.21 a ReLU layer |
# | gradients flow better (000, 002, 004) | depends on the activation | same |
# | better speed and performance (003) | for 20 sigmoids | 50 layers of ReLU: worse than without |
# | prevents saturation (001) | not its merit here | without it below 1 % are saturated |
# | fixes exploding (001) | bad scales only | $10^{17}$ to a few tens; with He, no need |
# | inputs (002-004), outputs (001) of layers | both exist | ReLU: no difference |
# | normalize inputs (001) | true | 0 to 255: over 90 % saturated |
# | normalize hidden states (001) | not with any norm | layer norm: 8 decades lost |
# | reduces covariate shift (003, in a title) | contested (Santurkar et al. 2018) | not tested |
#
# ## What this does not show
#
# A level profile is no promise: 50 layers of ReLU with *layer* norm keep the norm of delta (a
# factor of 1.0) and stay at chance, and we have not isolated why. These are plain networks, at
# their start, on small pictures; skip connections change the account (lesson 08), and batch norm's
# noise, which can help generalisation, is not measured. SiLU and GELU wander off their factor as
# depth grows.
#
# ## Summary
#
# * Behind a norm the factor depends on the activation alone. For sigmoid it is 1.02 in theory (1.04
#   measured) with batch norm, and 0.39 with layer norm, which cannot remove what all inputs share.
# * For ReLU batch norm makes it 1.21, at any weight scale: nearly four decades over 50 layers,
#   where sigmoid learns and ReLU does not.
# * The mode: 1.04 or 0.141 a layer in one network. The batch: 1.34 at 8 inputs. The gradient: 130
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
# et al. 2018, [on covariate shift](https://arxiv.org/abs/1805.11604).
#
# Next: [08 · Why do skips work, and when do they not?](08_residual_connections.ipynb)

# %%
print(progress.summary())

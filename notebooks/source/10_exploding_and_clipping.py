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
# # 10 · What about the twin?
#
# You need [01](01_theory.ipynb); [02](02_symptoms.ipynb) and [08](08_residual_connections.ipynb)
# help. Runs on a laptop CPU.
#
# **By the end you can**
#
# * predict the factor per layer of four networks that explode without any recurrence;
# * follow an explosion to its NaN, and rescue it by [clipping](../docs/glossary.md#clipping) in
#   three ways;
# * name three things that clipping does not do, and two gradients that make it lose a step.

# %% tags=["setup"]
import math

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
pd.options.display.float_format = "{:.3g}".format  # three digits in every table
claims.published("10", seed=0, depth=20, width=128, steps=300)

# %% tags=["parameters"]
seed = 0
depth = 20
width = 128
steps = 300

# %% [markdown]
# ## Explosion without time
#
# The vanishing gradient has a twin: one that **explodes**, growing from layer to layer on its way
# back. The chapter, one of [the five articles](../docs/sources.md#the-five-articles), says that
# this "mostly plagues RNNs". Does it? Here are four networks that read no sequence:
#
# * *unit weights*: ReLU, weights of variance 1, as `torch.randn` draws them;
# * *tanh, gain 5/3*: [LeCun's weights](../docs/glossary.md#lecun) times `calculate_gain("tanh")`,
#   the [gain](../docs/glossary.md#gain) that PyTorch itself has for tanh;
# * *[skips](../docs/glossary.md#skip)*: [residual blocks](../docs/glossary.md#residual-block) $x +
#   W\,\mathrm{relu}(x)$ with [He's weights](../docs/glossary.md#he);
# * *batch norm*: ReLU and He's weights, with [batch norm](../docs/glossary.md#batch-norm).

# %%
tanh_gain = nn.init.calculate_gain("tanh")
settings = {
    "unit weights": models.Setting(depth, width, "relu", "lecun", gain=width**0.5),
    "tanh, gain 5/3": models.Setting(depth, width, "tanh", "lecun", gain=tanh_gain),
    "skips": models.Setting(depth, width, "relu", "he", residual="pre-act"),
    "batch norm": models.Setting(depth, width, "relu", "he", norm="batch"),
}
theory.fixed_point("tanh", tanh_gain**2, 0.0)

# %% [markdown]
# For tanh with this gain the theory of [lesson 01](01_theory.ipynb) says: the variance
# [q](../docs/glossary.md#q) settles, and there each layer multiplies the mean square of
# [delta](../docs/glossary.md#delta) by [chi](../docs/glossary.md#chi), here 1.21. The norm takes
# the root.
#
# **Predict.** Between layer 20 and layer 1 are 19 layers. What is the delta norm of layer 1 over
# that of layer 20?

# %%
guess = None
prediction = claims.predict("Delta of layer 1 over delta of layer 20, tanh?", guess)

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(128, seed)  # (128, 64): pictures, pixels
flows, deltas, predicted = {}, {}, {}
for name, setting in settings.items():
    net = models.build(setting, digits.features, digits.classes, seed)
    flows[name] = probe.record(net, inputs, targets, cross_entropy)
    deltas[name] = flows[name].relative_delta_norms
    predicted[name] = models.predicted_profile(setting, inputs)
prediction.compare(deltas["tanh, gain 5/3"][0])

# %%
plots.show(
    plots.layer_profile(
        deltas,
        predicted,
        ylabel="delta norm, relative to the last layer",
        title="Four explosions, and no sequence in sight",
        float32_zone=False,
    )
)

# %% [markdown]
# **Reading the figure.** Follow the arrow, from right to left. *Unit weights* multiply by 8 per
# layer: $\chi = 128\cdot\tfrac12$, as a ReLU keeps half of the square. The others look flat beside
# them, and grow all the same: *skips* by doubling squares ([lesson
# 08](08_residual_connections.ipynb)), 2.7 [decades](../docs/glossary.md#decade) in all; *batch
# norm* by 1.21 per layer ([lesson 07](07_normalization.ipynb)); *tanh* by 1.1, a little less at
# first, where the signal is still settling. Theory (dashed) knew all four.
#
# So "mostly RNNs" is false. And these four are old friends: a careless start, PyTorch's own advice,
# and two cures of vanishing.

# %%
factors = {name: flow.norm_factor for name, flow in flows.items()}
expected = {"unit weights": 8, "skips": 1.41, "batch norm": 1.21, "tanh, gain 5/3": 1.1}
for name, factor in expected.items():
    claims.claim(f"{name}: factor per layer", factors[name], about=factor, within=0.05)
claims.claim("skips: decades gained", -flows["skips"].decades_lost, about=2.7, within=0.08)

# %% [markdown]
# ## From large to NaN
#
# A large gradient breaks nothing; a step along it does. Take the blog post's network,
# `x + relu(linear(x))` in 20 blocks, with PyTorch's weights. In lesson 08 it
# [overflowed](../docs/glossary.md#overflow) at a
# [learning rate](../docs/glossary.md#learning-rate) of 0.1. Now we write down every step.


# %%
def unscaled():
    """20 blocks x + relu(linear(x)), as in the blog post."""
    setting = models.Setting(22, 64, "relu", residual="pre-add")
    return models.build(setting, digits.features, digits.classes, seed)


def not_finite(net):
    """Share of the weights that are inf or nan."""
    return 1 - nn.utils.parameters_to_vector(net.parameters()).isfinite().double().mean().item()


# %%
def one_step(net, rule, pictures, labels):
    """Take a step, and say what was seen on the way."""
    rule.zero_grad()
    outputs = net(pictures)
    loss = cross_entropy(outputs, labels)
    loss.backward()
    norm = torch.cat([part.grad.flatten() for part in net.parameters()]).double().norm()
    rule.step()
    seen = {"loss": loss, "largest output": outputs.abs().max(), "gradient norm": norm}
    return {name: value.item() for name, value in seen.items()}


# %% tags=["nbval-ignore-output"]
net, story = unscaled(), []
rule = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(steps):
    seen = one_step(net, rule, *digits.batch(64, 1000 * seed + step))
    story.append(seen | {"weights lost": not_finite(net)})
    if story[-1]["weights lost"] == 1:
        break
pd.DataFrame(story)

# %% [markdown]
# Each row is a step. The loss does not creep up. A long step makes long weights, these a longer
# gradient, that a longer step: within a few rows numbers inside the network leave float32 and
# become `inf`. From there to `nan`, **[not a number](../docs/glossary.md#nan)**, it is one
# operation. (In the last row but one some weights are spared: a ReLU that is off hands back exactly
# 0, whatever arrives.)

# %%
inf, nan = torch.tensor(math.inf), torch.tensor(math.nan)
results = {"inf - inf": inf - inf, "inf / inf": inf / inf, "0 * inf": 0 * inf, "1 / inf": 1 / inf}
results |= {"nan + 1": nan + 1, "0 * nan": 0 * nan, "relu(nan)": torch.relu(nan)}
pd.DataFrame({name: [str(value.item())] for name, value in results.items()}, index=["is"])

# %% [markdown]
# A softmax subtracts the largest output: `inf - inf`. And nothing gets rid of a `nan`: not a sum,
# not a ReLU, not even a product with 0.
#
# **Predict.** A healthy network of 5 ReLU layers. *One* of its 17,000 weights becomes `nan`. It
# belongs to a pixel that is blank in all pictures, so it is always multiplied by 0. Which share of
# all weights is lost after one more step?

# %%
guess = None
prediction = claims.predict("Share of weights lost after one step?", guess)

# %%
healthy = models.build(models.Setting(5, 64, "relu", "he"), 64, 10, seed)
with torch.no_grad():
    healthy[0].weight[0, 0] = math.nan  # unit 0, pixel 0
signal, share = inputs, {}
for number, module in enumerate(healthy):
    signal = module(signal)
    share[f"{number}: {type(module).__name__}"] = [signal.isnan().double().mean().item()]
one_step(healthy, torch.optim.SGD(healthy.parameters(), lr=0.1), inputs, targets)
prediction.compare(not_finite(healthy))
pd.DataFrame(share, index=["share of nan"])

# %% [markdown]
# All of them. The first layer loses one unit of 64; the second reads all units, and loses them all.
# On the way back every delta is `nan`, and with it every weight. So a `nan` in the loss does not
# say *where*: what broke lies steps earlier. Watch the norm of the gradient, and keep the last good
# weights.

# %%
norms = [row["gradient norm"] for row in story if math.isfinite(row["gradient norm"])]
claims.claim("every weight lost in the end", story[-1]["weights lost"], equals=1)
claims.claim("longest gradient before", max(norms), above=1e4, drifts=True)
claims.claim("one nan, one step: share lost", not_finite(healthy), equals=1)

# %%
off = torch.tensor([-1.0], requires_grad=True)
(back,) = torch.autograd.grad(torch.relu(off), off, torch.tensor([math.nan]))
claims.claim("a ReLU that is off hands back 0, not nan", back.item() == 0)

# %% [markdown]
# **Question.** A log shows a loss of `nan` from step 212 on. Where do you look?
#
# <details><summary>At the pictures of step 212</summary>Not this: its loss was computed with
# weights that earlier steps had spoilt.</details>
# <details><summary>At the gradient norms of the steps before</summary>Right. The explosion takes a
# few steps, and its norms say when it began.</details>
# <details><summary>At the layer whose weights are <code>nan</code></summary>Not this: by now they
# all are.</details>

# %% [markdown]
# ## Three ways to clip
#
# **By value**: no *entry* is larger than a bound. **By norm** (Pascanu et al. 2013): the *whole
# gradient*, all layers together, is no longer than a bound. **Adaptive**
# ([AGC](../docs/glossary.md#agc), Brock et al. 2021): the gradient of a *unit* is no longer than a
# share of its weights. Each in a few lines ([formulas](../docs/formulas.md#clipping)):


# %%
def by_value(parameters, bound):
    for parameter in parameters:
        parameter.grad.clamp_(-bound, bound)


def by_norm(parameters, bound):
    norm = torch.cat([parameter.grad.flatten() for parameter in parameters]).norm()
    for parameter in parameters:
        parameter.grad.mul_((bound / (norm + 1e-6)).clamp(max=1))


# %%
def adaptive(parameters, share):
    for parameter in parameters:
        gradient = parameter.grad.reshape(len(parameter), -1)  # (units, inputs of a unit)
        weights = parameter.detach().reshape(len(parameter), -1)
        bound = share * weights.norm(dim=1).clamp(min=1e-3)  # (units,)
        gradient.mul_((bound / gradient.norm(dim=1)).clamp(max=1)[:, None])


# %% [markdown]
# In `adaptive` the floor of 1e-3 lets units start whose weights are 0. PyTorch has the first two.
# Do they do the same? And how much is left of the *direction*? We take the network of the last
# section at its start, and the [cosine](../docs/glossary.md#cosine) between its gradient before and
# after.


# %%
def clipped(clip, bound):
    """The gradient of the untrained network after clipping, as one long vector."""
    net = unscaled()
    cross_entropy(net(inputs), targets).backward()
    clip(list(net.parameters()), bound)
    return torch.cat([parameter.grad.flatten() for parameter in net.parameters()])


whole = clipped(by_norm, math.inf).double()
same_value = torch.equal(clipped(by_value, 0.1), clipped(clip_grad_value_, 0.1))
same_norm = torch.allclose(clipped(by_norm, 1.0), clipped(clip_grad_norm_, 1.0), rtol=1e-5)
whole.norm()

# %%
left, cosines = {}, {}
for clip in (by_norm, by_value, adaptive):
    shorter = [clipped(clip, bound).double() for bound in np.geomspace(100, 1e-4, 13)]
    name = clip.__name__.replace("_", " ")
    left[name] = [(vector.norm() / whole.norm()).item() for vector in shorter]
    cosines[name] = [(vector @ whole / vector.norm() / whole.norm()).item() for vector in shorter]

# %%
words = {"xlabel": "length after clipping, over before", "ylabel": "cosine with the gradient"}
title = "What clipping leaves of the direction"
ax = plots.curves(cosines, x=left, xscale="log", title=title, **words)
ax.set_ylim(0, 1.1)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** From right to left the bound falls. *By norm* stays at 1: one factor for
# all entries turns nothing. *By value* cuts the long entries and leaves the short ones, until all
# have the same size and only their signs are left. *Adaptive* turns too, as each unit gets a factor
# of its own. Whether that is bad, the next section but one shows.

# %%
claims.claim("by value and by norm: as PyTorch, to rounding", same_value and same_norm)
claims.claim("adaptive: least cosine", min(cosines["adaptive"]), between=(0.25, 0.6))
claims.claim("by norm: least cosine", min(cosines["by norm"]), above=0.999999)
claims.claim("by value: least cosine", min(cosines["by value"]), between=(0.25, 0.5))

# %% [markdown]
# ### Too short stays too short
#
# The answer lists clipping against "exploding/vanishing gradients". Against vanishing? Ten hidden
# sigmoid layers, clipped to a tenth of the norm that they have:

# %%
sigmoid = models.Setting(11, 64, "sigmoid")


def layer_norms(share):
    """Weight gradient norms, layer by layer, clipped to a share of the whole."""
    net = models.build(sigmoid, 64, 10, seed)
    cross_entropy(net(inputs), targets).backward()
    whole = clip_grad_norm_(net.parameters(), math.inf)
    clip_grad_norm_(net.parameters(), share * whole.item())
    return [layer.weight.grad.double().norm().item() for layer in net if hasattr(layer, "weight")]


norms = {"as it is": layer_norms(1.01), "clipped to a tenth": layer_norms(0.1)}
words = {"ylabel": "norm of the weight gradient", "float32_zone": False}
plots.show(plots.layer_profile(norms, title="Clipping cannot lengthen", **words))

# %% [markdown]
# **Reading the figure.** The same curve, a decade lower. What the first layer gets beside the last
# is as little as before, and in absolute numbers it is *less*. The factor is at most 1, so clipping
# never makes a short gradient longer.

# %%
before, after = norms["as it is"], norms["clipped to a tenth"]
claims.claim("layer 1 over the last, before", before[0] / before[-1], about=8e-9, factor=3)
claims.claim("layer 1, after over before", after[0] / before[0], about=0.1, within=1e-3)
claims.claim("the last layer, after over before", after[-1] / before[-1], about=0.1, within=1e-3)

# %% [markdown]
# **Question.** A gradient has entries from 1e-9 to 1e-3, and norm 0.01. You clip by norm to 1. What
# becomes of it?
#
# <details><summary>Every entry is multiplied by 100</summary>Not this: that would be scaling, and
# clipping only shortens.</details>
# <details><summary>Nothing</summary>Right. Its norm is below the bound.</details>
# <details><summary>Its small entries become 0</summary>Not this: entries are multiplied, and here
# the factor is 1.</details>

# %% [markdown]
# ## A rescue
#
# Against explosion it works. The network that died within a few steps, at the same rate, clipped in
# each of the three ways; and one at a lower rate (about 15 seconds).


# %%
def train_clipped(net, rule, clip=None, bound=None):
    """Train a network; clip before each step."""
    if clip:
        rule.register_step_pre_hook(lambda *_: clip(list(net.parameters()), bound))
    return train.fit(net, digits, rule, steps=steps, seed=seed)


# %%
trials = {
    "not clipped": (0.1, None, None),
    "by value, 0.1": (0.1, by_value, 0.1),
    "by norm, 1": (0.1, by_norm, 1.0),
    "adaptive, 0.1": (0.1, adaptive, 0.1),
    "rate 0.03": (0.03, None, None),
}
runs = {}
for name, (rate, clip, bound) in train.each(trials.items()):
    net = unscaled()
    rule = torch.optim.SGD(net.parameters(), lr=rate)
    runs[name] = train_clipped(net, rule, clip, bound)
ax = plots.training_curves(runs, chance=math.log(10), title="An explosion, and four rescues")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** *Not clipped* is the line that is missing: it ended after a few steps. All
# others learn. Clipping does not repair the network, whose skips explode as before; it takes the
# harm out of each step. A rate of 0.03 does it as well, just: its loss more than doubles at first.

# %%
accuracies = {name: run.test_accuracy for name, run in runs.items()}
claims.claim("not clipped: it stops early", runs["not clipped"].stopped is not None)
for name in ("by value, 0.1", "by norm, 1", "adaptive, 0.1"):
    claims.claim(f"{name}: test accuracy", accuracies[name], above=0.88, drifts=True)

# %%
slower = runs["rate 0.03"]
risen = slower.losses.max() / slower.losses[0]
claims.claim("rate 0.03: test accuracy", slower.test_accuracy, above=0.88, drifts=True)
claims.claim("its largest loss over its first", risen, above=2, drifts=True)

# %% [markdown]
# Can it rescue any explosion? *Unit weights* were the loudest: their signal grows as well, and the
# loss begins at $10^{18}$. Clipped to norm 1, no step is longer than 0.1, and the weights have a
# norm of some 500.

# %%
net = models.build(settings["unit weights"], 64, 10, seed)
loud_norm = nn.utils.parameters_to_vector(net.parameters()).detach().norm()
loud = train_clipped(net, torch.optim.SGD(net.parameters(), lr=0.1), by_norm, 1.0)
loud

# %% [markdown]
# Hardly: it stays far behind. Clipping cures the *step*, not the *signal*. Where the forward pass
# explodes, start elsewhere ([lesson 05](05_initialization.ipynb)).

# %%
claims.claim("unit weights: loss at the start", loud.losses[0], between=(1e17, 1e19))
claims.claim("unit weights: norm of all weights", loud_norm, about=550, within=0.1)
claims.claim("unit weights, clipped: accuracy", loud.test_accuracy, below=0.7, drifts=True)

# %% [markdown]
# ### How high is too high?
#
# A lower rate rescued as well. So where does the harm begin? We train 576 tiny networks of two
# layers from the same start, on the same 16 pictures in every step. Each has one rate for the first
# layer and another for the last.

# %%
rates = np.geomspace(0.01, 100, 24)
pairs = [(first, last) for last in rates for first in rates]
inputs_16, targets_16 = digits.batch(16, seed)
few = data.Split("16 digits", inputs_16, targets_16, inputs_16, targets_16)
recipe = train.Recipe("sgd", rate=1.0, steps=100, batch_size=16)
tiny = [models.Setting(depth=2, width=16, activation="relu")] * len(pairs)
ends = train.fit_many(tiny, few, recipe, seeds=seed, rates=pairs)
ended = [math.nan if run.stopped else run.train_accuracy for run in ends]

# %%
words = {"xlabel": "rate of the first layer", "ylabel": "rate of the last layer"}
words |= {"xscale": "log", "yscale": "log", "label": "accuracy after training (grey: overflow)"}
ax = plots.heat_map(np.reshape(ended, (24, 24)), x=rates, y=rates, title="576 networks", **words)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Yellow learnt, grey overflowed; at the lower left 100 steps were too few.
# The border falls by a decade per decade, as it is the product of both rates that counts. And it is
# frayed: at the edge stand networks that learnt all pictures, half or hardly one, in no order. The
# experiment [boundary](experiments/boundary.ipynb) looks closer, with 128 by 128 networks, and then
# ten times closer (two or three minutes), and finds new threads. The border is a **fractal**, rough
# at every scale (Sohl-Dickstein 2024): no number says how high is too high.

# %%
claims.claim("share that learnt", np.mean(np.array(ended) > 0.9), between=(0.3, 0.75), drifts=True)
claims.claim("share that overflowed", np.isnan(ended).mean(), between=(0.15, 0.6), drifts=True)

# %% [markdown]
# ## Adam measures with its own rule
#
# The chapter says that clipping puts "a ceiling on how big updates can be". For plain gradient
# descent that is simple: no step is longer than rate times bound. And for Adam? It divides each
# entry by its own typical size ([lesson 02](02_symptoms.ipynb)), and clipping to a thousandth makes
# both a thousand times smaller.
#
# **Predict.** Adam at a rate of 0.001 moves a weight by 0.00056 in a typical step (the root of the
# mean square over all weights, mean of 100 steps). Now every gradient is clipped to norm 0.001,
# which makes it some hundred times shorter. How far does a typical step go?

# %%
guess = None
prediction = claims.predict("Typical step of Adam, clipped to 0.001?", guess)


# %%
def step_sizes(optimizer, rate, bound):
    """Norms of 100 steps, each with the gradient clipped by norm."""
    net = models.build(models.Setting(4, 64), 64, 10, seed)
    weights = nn.utils.parameters_to_vector
    rule, lengths = optimizer(net.parameters(), lr=rate), []
    for step in range(100):
        before = weights(net.parameters()).detach()
        rule.zero_grad()
        cross_entropy(net(digits.batch(64, step)[0]), digits.batch(64, step)[1]).backward()
        clip_grad_norm_(net.parameters(), bound)
        rule.step()
        lengths.append((weights(net.parameters()) - before).detach().double().norm().item())
    return np.array(lengths)


# %%
bounds = (math.inf, 1.0, 1e-3, 1e-6)
adam = {bound: step_sizes(torch.optim.Adam, 0.001, bound) for bound in bounds}
descent = {bound: step_sizes(torch.optim.SGD, 0.1, bound) for bound in bounds}
every = nn.utils.parameters_to_vector(models.build(models.Setting(4, 64), 64, 10).parameters())
typical = {bound: lengths.mean() / len(every) ** 0.5 for bound, lengths in adam.items()}
prediction.compare(typical[1e-3])

# %%
longest = [descent[bound].max() for bound in bounds]
table = pd.DataFrame({"SGD, longest step": longest}, index=pd.Index(bounds, name="bound"))
table["its ceiling, rate x bound"] = 0.1 * table.index
table.assign(**{"Adam, typical step of a weight": typical})

# %% [markdown]
# No shorter at all. Read the table row by row: SGD keeps below its ceiling, and at 0.001 goes next
# to nowhere. Adam does not notice, until at a bound of $10^{-6}$ the entries come down to its
# $\varepsilon = 10^{-8}$. **Clipping does not bound Adam's step.**
#
# Then why do people clip under Adam? Look at one weight whose gradient is always 1, but for a
# single spike of 1,000 in step 100.


# %%
def one_spike(bound):
    """Steps of one weight under Adam, in units of the learning rate."""
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    rule, moved = torch.optim.Adam([weight], lr=1.0), []
    for step in range(1000):
        before = weight.item()
        weight.grad = torch.full_like(weight, 1000.0 if step == 100 else 1.0)
        clip_grad_norm_([weight], bound)
        rule.step()
        moved.append(before - weight.item())
    return np.array(moved)


spikes = {"not clipped": one_spike(math.inf), "clipped to 1": one_spike(1.0)}

# %%
words = {"xlabel": "step", "ylabel": "step length, in learning rates", "legend": True}
title = "What one spike does to Adam"
plots.show(plots.curves(spikes, x=range(1000), title=title, **words))

# %% [markdown]
# **Reading the figure.** Up to the spike both go one learning rate per step. The spike itself makes
# no giant step. But its square stays in Adam's memory of squares, which forgets a thousandth per
# step: afterwards the weight crawls, at a fiftieth of its pace, for hundreds of steps. Clipped,
# nothing happens. Under Adam clipping guards the *memory*, not the step.

# %%
crawl = spikes["not clipped"][200:600].mean()
held = {bound: step / typical[math.inf] for bound, step in typical.items()}
claims.claim("SGD at bound 0.001: longest step", descent[1e-3].max(), about=1e-4, within=0.01)
claims.claim("Adam, not clipped", typical[math.inf], about=0.00056, within=0.1, drifts=True)
claims.claim("Adam at 0.001: step over unclipped", held[1e-3], about=1, within=0.05, drifts=True)
claims.claim("Adam at 1e-6: the same", held[1e-6], between=(0.3, 0.8), drifts=True)

# %%
claims.claim("after the spike: mean step, in rates", crawl, about=0.02, within=0.3)
claims.claim("the spike's own step", spikes["not clipped"][100], between=(0.9, 1))

# %% [markdown]
# ## One bad entry
#
# Clipping divides by a norm, and a norm knows all entries. So what does one odd entry do to the
# others? Two parameters, with gradients (3, 4) and one odd number; the bound is 1.

# %%
odd = {}
for value in (math.inf, math.nan, 1e25, 1e-30):
    one, other = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    one.grad, other.grad = torch.tensor([3.0, 4.0]), torch.tensor([value])
    norm = clip_grad_norm_([one, other], 1.0).item()
    odd[f"(3, 4) and {value:g}"] = [str(one.grad.tolist()), str(other.grad.tolist()), str(norm)]
pd.DataFrame(odd, index=["first becomes", "second becomes", "norm reported"]).T

# %% [markdown]
# * `inf`: 3 over infinity is 0, and `inf` over `inf` is `nan`. One weight is lost, and with it in
#   the next step all.
# * `nan`: all are lost at once.
# * `1e25`, a decent float32: its *square* overflows, the norm is `inf`, and every entry becomes
#   **0**. No error, no `nan`: **a step lost in silence.**
# * `1e-30`: nothing happens, as it should.
#
# `clip_grad_norm_(..., error_if_nonfinite=True)` raises an error in the first three cases.
#
# The same function elsewhere has other habits. (Run for this course with optax 0.2.8, Paddle 3.3.1,
# MLX 0.32.4, Keras 3.15.1, MindSpore 2.10.0 and thinc 9.1.1; here only PyTorch is computed.) optax,
# Paddle and MLX do as PyTorch. Keras's `global_clipnorm` makes *all* entries `nan` in the first
# three cases; its `clipnorm` clips each variable alone, and makes (0.6, 0.8) of (3, 4) beside an
# `inf` or a `nan`. MindSpore and thinc clip *nothing* if there is a `nan`: 3 and 4 arrive at full
# length.

# %%
raised = 0
for value in (math.inf, math.nan, 1e25):
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, value])
    try:
        clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
    except RuntimeError:
        raised += 1
claims.claim("cases in which the error is raised", raised, equals=3)
claims.claim("1e25: both become 0", odd["(3, 4) and 1e+25"][:2] == ["[0.0, 0.0]", "[0.0]"])
claims.claim("nan: all become nan", odd["(3, 4) and nan"][:2] == ["[nan, nan]", "[nan]"])
claims.claim("inf: zeros and a nan", odd["(3, 4) and inf"][:2] == ["[0.0, 0.0]", "[nan]"])

# %% [markdown]
# ### Exercise 10.1 - clip_by_norm (5 points)
#
# *About 14 minutes, medium.*
#
# Write a clip that can be trusted: `clip_by_norm(gradient, max_norm)`. `gradient` is a float32
# tensor of any shape, `max_norm` a number above 0. Return a pair: the clipped gradient, a tensor of
# the same shape (float32 or float64), and its L2 norm *before* clipping, a Python float. If the
# norm is at most `max_norm` the gradient stays as it is. If any entry is `inf` or `nan`, refuse and
# say so: the gradient becomes all 0, the norm `math.inf`. Ordinary gradients earn 1 point, entries
# whose squares leave float32 2 points (such as 1e25 or 1e-30, with bounds as small), `inf` and
# `nan` 2 points.
#
# <details><summary>Hint</summary>The square of any float32 fits into a float64.</details>
# <details><summary>More help</summary><code>gradient.isfinite().all()</code> comes first. PyTorch
# adds 1e-6 to the norm; next to 1e-30 that is everything. Mind a gradient of zeros.</details>


# %% tags=["exercise"]
def clip_by_norm(gradient: torch.Tensor, max_norm: float) -> tuple[torch.Tensor, float]:
    """Clip a gradient at any scale, or refuse it; return it with its norm before."""
    ### BEGIN SOLUTION
    if not gradient.isfinite().all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().norm().item()
    if norm <= max_norm:
        return gradient, norm
    return gradient.double() * (max_norm / norm), norm
    ### END SOLUTION


# %% tags=["check"]
exercises.check(clip_by_norm)

# %% [markdown] tags=["solution"]
# In float64 neither the squares nor their sum can leave the range. The question whether all entries
# are finite has to come before any arithmetic: afterwards `inf` has become `nan` or 0.

# %% [markdown]
# ## Scaled, gathered, clipped
#
# In [float16](../docs/glossary.md#float16) small gradients
# [underflow](../docs/glossary.md#underflow). So one multiplies the loss
# by a large **scale**, computes the gradients, and divides them by it again: **[loss
# scaling](../docs/glossary.md#loss-scaling)**. PyTorch's `GradScaler` does that. It also looks for
# `inf` and `nan`, and if there is one it skips the step, openly, and halves the scale.


# %%
def scaled_step(value, clip=False, unscale=True):
    """Take a step of rate 1 against the gradient (3, 4, value) by way of a GradScaler."""
    weight = nn.Parameter(torch.zeros(3))
    rule, scaler = torch.optim.SGD([weight], lr=1.0), torch.amp.GradScaler("cpu")
    scaler.scale(weight @ torch.tensor([3.0, 4.0, value])).backward()
    if unscale:
        scaler.unscale_(rule)
    if clip:
        clip_grad_norm_([weight], 1.0)
    scaler.step(rule)
    scaler.update()
    return {"weights": weight.detach(), "scale": scaler.get_scale()}


# %%
tried = {}
for value in (math.inf, math.nan, 1e25, 0.0):
    tried[f"{value:g}, not clipped"] = scaled_step(value)
    tried[f"{value:g}, clipped to 1"] = scaled_step(value, clip=True)
pd.DataFrame(tried).T.map(str).rename_axis("third entry")

# %% [markdown]
# `inf` and `nan` are caught: no weight moves, and the scale falls from 65,536 to half. `1e25` gets
# through: not clipped, the weight jumps by $10^{25}$; clipped, the step is lost again, and no scale
# tells of it.
#
# The order matters: **unscale, then clip.** Who forgets `scaler.unscale_` holds *scaled* gradients
# to the bound, and only then divides by the scale. How long is that step?

# %%
right = scaled_step(0.0, clip=True)["weights"].norm()
wrong = scaled_step(0.0, clip=True, unscale=False)["weights"].norm()
pd.DataFrame({"unscaled first": [right.item()], "clipped first": [wrong.item()]}, index=["step"])

# %% [markdown]
# 65,536 times too short: a bound of 1 has become one of 1/65,536, without an error.

# %%
claims.claim("after an inf: scale", tried["inf, not clipped"]["scale"], equals=32768)
claims.claim(
    "1e25, not clipped: largest step",
    tried["1e+25, not clipped"]["weights"].abs().max(),
    above=9e24,
)
claims.claim(
    "1e25, clipped: largest step", tried["1e+25, clipped to 1"]["weights"].abs().max(), equals=0
)
claims.claim("clipped first: times too short", right / wrong, about=65536, within=1e-3)

# %% [markdown]
# ### Many small batches
#
# If a [batch](../docs/glossary.md#batch) does not fit into memory, one adds up the gradients of $k$
# smaller ones, each divided by $k$: **[gradient accumulation](../docs/glossary.md#accumulation)**.
# The sum is the gradient of the large batch. When to clip: each, or the sum? We take a network in
# the middle of its training, where small batches differ, and a bound of 0.1.

# %%
half_way = models.build(models.Setting(4, 64), 64, 10, seed)
train.fit(half_way, digits, train.Recipe("sgd", 0.1, 200), seed=seed)


def gradient(pictures, labels):
    loss = cross_entropy(half_way(pictures), labels)
    parts = torch.autograd.grad(loss, list(half_way.parameters()))
    return torch.cat([part.flatten() for part in parts])


def shortened(vector):
    return vector * (0.1 / vector.norm()).clamp(max=1)


# %%
small = []
for pictures, labels in zip(inputs.split(16), targets.split(16), strict=True):
    small.append(gradient(pictures, labels))
at_once = shortened(gradient(inputs, targets))
ways = {"the sum": shortened(sum(small) / 8), "each": sum(map(shortened, small)) / 8}
rows = {}
for name, vector in ways.items():
    cosine = vector @ at_once / vector.norm() / at_once.norm()
    rows[name] = {"norm": vector.norm().item(), "cosine with the batch of 128": cosine.item()}
pd.DataFrame(rows).T.rename_axis("clipped")

# %% [markdown]
# **Clip the sum, once**: that is what the large batch gives, to rounding. Clipped one by one, each
# small batch has the same say, whether its gradient was long or short. The sum points elsewhere,
# and is some three times shorter than the bound.

# %%
agree = {name: row["cosine with the batch of 128"] for name, row in rows.items()}
claims.claim("the sum clipped: cosine", agree["the sum"], above=0.9999)
claims.claim("each clipped: cosine", agree["each"], below=0.98, drifts=True)
claims.claim("each clipped: norm", rows["each"]["norm"], between=(0.02, 0.06), drifts=True)

# %% [markdown]
# ### Exercise 10.2 - accumulated_clip (5 points)
#
# *About 14 minutes, medium.*
#
# Write the gradient of one step: `accumulated_clip(gradients, sizes, scale, max_norm)`. `gradients`
# is a list of tensors of equal shape, one for each small batch: the gradient of the *mean* loss
# over its pictures, times `scale`. `sizes` says how many pictures each had. Return the gradient of
# the mean loss over *all* pictures, unscaled, then clipped by norm to `max_norm`; nothing is added
# to the norm. Equal sizes earn 1 point, unequal ones 2 points (in both `scale` is 1), a scaled loss
# 2 points. Do not change what you are given.
#
# <details><summary>Hint</summary>A mean over all pictures is a mean of the means, each with its
# share of the pictures.</details>
# <details><summary>More help</summary>Multiply each gradient by its size, add, divide by all
# pictures and by the scale. Only then look at the norm.</details>


# %% tags=["exercise"]
def accumulated_clip(
    gradients: list[torch.Tensor], sizes: list[int], scale: float, max_norm: float
) -> torch.Tensor:
    """Gradient of a step over several small batches, unscaled and clipped."""
    ### BEGIN SOLUTION
    total = torch.zeros_like(gradients[0])
    for gradient, size in zip(gradients, sizes, strict=True):
        total = total + gradient * (size / sum(sizes) / scale)
    norm = total.norm().item()
    return total * (max_norm / norm) if norm > max_norm else total
    ### END SOLUTION


# %% tags=["check"]
exercises.check(accumulated_clip)

# %% [markdown] tags=["solution"]
# Averaging and unscaling are linear, so their order is free. Clipping is not, and so it comes last.

# %% [markdown]
# ## The two, side by side
#
# The study notes end with a table of vanishing against exploding gradients, four rows of a word or
# two. Here it is, with a measured number in each place.


# %%
def per_layer(activation="relu", **changes):
    """Factor per layer of a network of 20 layers, PyTorch's weights."""
    setting = models.Setting(depth, width, activation, **changes)
    net = models.build(setting, 64, 10, seed)
    return probe.record(net, inputs, targets, cross_entropy).norm_factor


def per_step(cell, **changes):
    """Factor per step of a recurrent cell that reads 40 steps of noise."""
    noise = torch.randn(32, 40, 8, generator=torch.Generator().manual_seed(seed))
    net = models.build_recurrent(models.RecurrentSetting(cell, **changes), 8, 1, seed)
    norms = probe.through_time(net, noise, torch.ones(32, 1), nn.functional.mse_loss)
    return (norms[0] / norms[-2]) ** (1 / 38)


# %%
net = models.build(sigmoid, 64, 10, seed)
small_delta = probe.record(net, inputs, targets, cross_entropy).relative_delta_norms[0]
stuck = train_clipped(net, torch.optim.SGD(net.parameters(), lr=0.1))
deep = {"sigmoid": per_layer("sigmoid"), "unit weights": factors["unit weights"]}
deep |= {"relu": per_layer(), "he": per_layer(initialization="he")}
deep["normed"] = per_layer(gain=math.sqrt(3 * width), norm="batch")  # unit weights
recurrent = {"rnn": per_step("rnn"), "lstm": per_step("lstm")}
recurrent["lstm, weights x 10"] = per_step("lstm", gain=10.0)
pd.DataFrame({"factor per layer or step": deep | recurrent})

# %% [markdown]
# Now the notes' rows, each with what was measured in this lesson.

# %% tags=["nbval-ignore-output"]
sides = pd.DataFrame(columns=["vanishing", "exploding"])
sides.loc["value: delta of layer 1 over last"] = small_delta, deltas["unit weights"][0]
sides.loc["effect: accuracy, steps to nan"] = stuck.test_accuracy, runs["not clipped"].steps
sides.loc["seen in deep nets: factor per layer"] = deep["sigmoid"], deep["unit weights"]
sides.loc["in RNNs: RNN, LSTM with weights x 10"] = (
    recurrent["rnn"],
    recurrent["lstm, weights x 10"],
)
sides.loc["fix: ReLU; clipping (accuracy)"] = deep["relu"], accuracies["by norm, 1"]
sides.loc["fix: LSTM; batch norm"] = recurrent["lstm"], deep["normed"]
sides.loc["fix: init (He)"] = deep["he"], deep["he"]
sides

# %% [markdown]
# The upper half holds: tiny and huge, stuck and `nan`, in deep networks and in recurrent ones. An
# [LSTM](../docs/glossary.md#lstm) can explode as well, so it is no fix for that, as the chapter has
# it. The fixes need conditions. ReLU with PyTorch's weights leaves 0.41 per layer, and an LSTM as
# PyTorch makes it hardly more per step than a plain RNN. Batch norm brings unit weights from 8 down
# to 1.21, and not to 1. Clipping lets train what explodes as before. Only the start brings both to
# 1.

# %%
claims.claim(
    "LSTM, weights times 10: per step", recurrent["lstm, weights x 10"], between=(1.05, 1.5)
)
claims.claim("ReLU, PyTorch's weights: per layer", deep["relu"], about=0.41, within=0.05)
claims.claim("unit weights, batch norm: per layer", deep["normed"], about=1.21, within=0.03)
claims.claim("ReLU, He: per layer", deep["he"], about=1, within=0.06)

# %%
claims.claim("sigmoid, layer 1 over last", small_delta, below=1e-7)
claims.claim("sigmoid: test accuracy", stuck.test_accuracy, below=0.2, drifts=True)
claims.claim("LSTM over RNN, per step", recurrent["lstm"] / recurrent["rnn"], between=(0.9, 1.5))

# %% [markdown]
# **Question.** A run under Adam shows one spike in the gradient norm, and the loss hardly falls for
# a thousand steps. What would clipping have changed?
#
# <details><summary>The spike's own step would have been shorter</summary>Not this: Adam divides by
# the size of the spike itself, and its step was an ordinary one.</details>
# <details><summary>The spike's square would not be in Adam's memory</summary>Right. It is what
# keeps the steps after it short.</details>
# <details><summary>Nothing: clipping does not change Adam's step</summary>Not this: that is true of
# a bound on <em>all</em> gradients. Here one sticks out from the others.</details>

# %% [markdown]
# ### Exercise 10.3 - my_rescue (open)
#
# *About 14 minutes, medium.*
#
# Build an explosion of your own, and rescue it. `my_rescue()` returns three things: a network from
# (batch, 64) to (batch, 10), by `models.build` or any `nn.Module` of at most 200,000 parameters; a
# learning rate for SGD; and a bound. The check asks:
#
# * Does the delta norm gain a decade or more between the last layer and the first?
# * Without clipping, do 150 steps leave it below 50 % on the test pictures?
# * Clipped by norm to your bound, does it get more than 80 % right?
#
# <details><summary>Hint</summary>Change a network of this lesson: other blocks, other weights, a
# higher rate. <code>print(probe.record(...))</code> says how many decades it gains.</details>
# <details><summary>More help</summary>If clipping does not help, the signal may be too large as
# well. Then make the network less deep or its weights smaller, and raise the rate.</details>


# %% tags=["exercise"]
def my_rescue() -> tuple:
    """A network that explodes, a learning rate, and the bound that rescues it."""
    ### BEGIN SOLUTION
    setting = models.Setting(32, 64, "gelu", residual="pre-add")
    return models.build(setting, 64, 10, seed=0), 0.1, 2.0
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_rescue)

# %% [markdown] tags=["solution"]
# One of many answers: the blog post's block with GELU, thirty of them, gains a decade and a half.
# Its forward signal grows as well, but not beyond what clipped steps can bring down.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who | verdict | measured here |
# |---|---|---|---|
# | exploding "mostly plagues RNNs" | chapter | false | 8, 1.4, 1.21 and 1.1 per layer |
# | updates jump "from 1 to 100" | chapter | true, and on | `nan` within a few steps |
# | diverges, NaN | study notes | true | one `nan`, one step: all weights |
# | clipping helps against exploding | answer, notes, chapter | true for steps | above 0.88 |
# | ... and vanishing | answer | false | layer 1 over last: unchanged |
# | a ceiling on updates | chapter | SGD: true; Adam: false | 1e-4; within 5 % |
# | batch norm fixes exploding | study notes | from 8 to 1.21, no further | per layer |
# | LSTMs fix exploding | chapter | false | LSTM, weights times 10 |
#
# ## What this does not show
#
# Which bound is best: it is searched for, like a rate. The rescued network is small, and a good
# start would have needed no rescue.
#
# ## Summary
#
# * Four networks without time explode, by 8, 1.4, 1.21 and 1.1 per layer. Theory predicts all four.
# * An explosion became `nan` within a few steps, and one `nan` took all weights in one step.
#   Clipped by value, by norm or adaptively, the same network got above 0.88 at the same rate.
# * Clipping did not lengthen a short gradient, did not bound Adam's step, and did not repair a
#   signal of $10^{18}$. One `inf` or one 1e25 cost it a step.
#
# ## References
#
# [Pascanu et al. 2013](https://arxiv.org/abs/1211.5063), algorithm 1;
# [Brock et al. 2021](https://arxiv.org/abs/2102.06171), equation 3;
# [Kingma and Ba 2015](https://arxiv.org/abs/1412.6980);
# [Micikevicius et al. 2018](https://arxiv.org/abs/1710.03740), loss scaling;
# [Sohl-Dickstein 2024](https://arxiv.org/abs/2402.06184);
# PyTorch's [automatic mixed precision
# examples](https://docs.pytorch.org/docs/stable/notes/amp_examples.html), on unscaling before
# clipping; all [five articles](../docs/sources.md).
#
# Next: lesson 11

# %%
print(progress.summary())

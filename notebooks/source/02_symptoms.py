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
# # 02 · How do I notice?
#
# You need [01](01_theory.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * tell a norm that reads 0 from a gradient that is 0;
# * show which layers of a network moved, down to the last bit, and say what Adam does to that
#   picture;
# * tell four flat loss curves apart before training, with one backward pass each.

# %% tags=["setup"]
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, train

plots.use_style()
train.use_one_thread()
claims.published("02", seed=0, width=128, steps=100, draws=100)

# %% tags=["parameters"]
seed = 0
width = 128
steps = 100
draws = 100

# %% [markdown]
# ## A norm that reads zero
#
# [Five widely read articles](../docs/sources.md) list symptoms of a vanishing gradient: a flat
# loss, weights that stop moving, a constant output, tiny norms. (We call the five *the answer*,
# *the study notes*, *the encyclopaedia entry*, *the blog post* and *the chapter*.) We test the
# symptoms one by one.
#
# A symptom is a measurement, so we test the measurement first. Most people look at
# `weight.grad.norm()`: the **norm** of a tensor is the root of the sum of its squared entries. Can
# we trust it? Our data are small pictures of handwritten digits. Here is one.

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(64, seed)  # (64, 64): pictures, pixels
blank = (inputs == 0).all(dim=0)  # (64,): pixels

figure, axes = plots.panels(2)
ink, _ = data.digits(seed, raw=True).batch(64, seed)  # the same pictures, pixels from 0 to 16
plots.pictures(ink[:1], targets[:1], title="A handwritten digit", ax=axes[0])
plots.pictures(blank[None].double(), title="Black: blank in every picture", ax=axes[1])
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** A picture has 8 by 8 pixels, so 64 inputs (less their mean, over their
# spread). Left: the more ink, the darker. Right: on three pixels at the edge nobody ever writes. As
# inputs they are always 0.
#
# Now a *quiet* network: 30 layers of weights with sigmoids between them, as PyTorch draws them. We
# print its first two layers, and ask for the norm of the gradient of its first matrix.

# %%
quiet = models.Setting(depth=30, width=64, activation="sigmoid")
net = models.build(quiet, digits.features, digits.classes, seed)
print(net[:4])

cross_entropy(net(inputs), targets).backward()
gradient = net[0].weight.grad  # (64, 64): units, pixels
gradient.norm()

# %% [markdown]
# Exactly 0. Is this gradient zero, then? Look at the entries, here those of the first four units
# (rows) and the first five pixels (columns).

# %%
pd.DataFrame(gradient[:4, :5]).map("{:.1e}".format)

# %% [markdown]
# Tiny, but there. Only the first column is 0, for a good reason. The gradient of a weight is
# the [delta](../docs/glossary.md#delta) of its unit, times the input that it acts on, summed over
# the pictures. Pixel 0, in the corner, is always blank, and a delta times 0 is 0.
#
# **Predict.** Which share of the 64 by 64 entries is exactly 0? Write a number from 0 to 1.

# %%
guess = None
prediction = claims.predict("Share of entries that are exactly 0?", guess)

# %%
zero = gradient == 0  # (64, 64)
prediction.compare(zero.double().mean())

# %% [markdown]
# Three blank pixels, three columns of zeros, 3/64 of all entries. So why does the norm read 0? A
# norm *squares* each entry first. Follow the largest one.

# %%
largest = gradient.abs().max()
float32 = np.finfo(np.float32)
rows = {"largest entry": largest.item(), "its square": largest.square().item()}
rows["smallest positive float32"] = float32.smallest_subnormal
rows["largest float32"] = float32.max
pd.DataFrame({"value": rows}).map("{:.1e}".format)

# %% [markdown]
# The square of $10^{-26}$ is $10^{-52}$. The usual number format, float32, ends near $10^{-45}$
# ([formulas](../docs/formulas.md#float32)), and what is smaller becomes 0. This is
# **[underflow](../docs/glossary.md#underflow)**. The gradient has not vanished. Its *square* has.
#
# float64 reaches further, so `probe.record` measures in float64 (and on a copy: a measurement must
# not change what it measures). We ask both for the norm of every layer.

# %%
flow = probe.record(net, inputs, targets, cross_entropy)
in_float32 = [layer.weight.grad.norm() for layer in net if isinstance(layer, nn.Linear)]
norms = {"probe.record": flow.weight_grad_norms, "grad.norm()": in_float32}
ax = plots.layer_profile(norms, ylabel="norm of the weight gradient", title="Where the norm stops")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Start at the right. For most of the way the two agree. Then the squares
# underflow: in the layers nearest the input `grad.norm()` reads exactly 0 (open triangles), while
# the true norm goes on down the same straight line, to $3 \cdot 10^{-25}$. This may begin above the
# grey band: each entry is smaller than the norm.

# %%
claims.claim("zeros only at the blank pixels", (zero == blank).all())
claims.claim("largest entry of layer 1", largest, about=2.5e-26, factor=3)
claims.claim("layers 1 to 4: largest norm in float32", max(in_float32[:4]), equals=0)
claims.claim("norm of layer 1 by the probe", flow.weight_grad_norms[0], about=3e-25, factor=2)

# %% [markdown]
# The other end of float32 is no better. Take a *loud* network: 24 ReLU layers whose weights are
# eight times [He's](../docs/glossary.md#he). Here squares exceed $3 \cdot 10^{38}$, the largest
# float32, and become `inf`. This is **[overflow](../docs/glossary.md#overflow)**.

# %%
loud = models.Setting(24, 64, "relu", "he", gain=8.0)
loud_net = models.build(loud, digits.features, digits.classes, seed)
loud_flow = probe.record(loud_net, inputs, targets, cross_entropy)
untouched = loud_net[0].weight.grad is None  # the probe worked on a copy

cross_entropy(loud_net(inputs), targets).backward()
huge = loud_net[0].weight.grad
rows = {"largest entry": huge.abs().max().item(), "norm in float32": huge.norm().item()}
rows["norm by the probe"] = loud_flow.weight_grad_norms[0]
pd.DataFrame({"value": rows}).map("{:.1e}".format)

# %% [markdown]
# Each entry is a decent number, and the norm reads `inf`. The usual cure for large gradients is
# **[clipping](../docs/glossary.md#clipping)**: if the norm of the whole gradient exceeds a bound,
# multiply every entry by bound / norm. What is left of the largest entry?

# %%
nn.utils.clip_grad_norm_(loud_net.parameters(), max_norm=1.0)
huge.abs().max()

# %% [markdown]
# Nothing. Every entry was divided by `inf`, and the whole gradient became 0 without a word. (With
# `error_if_nonfinite=True` clipping raises an error.) In your own code,
# `torch.linalg.vector_norm(gradient, dtype=torch.float64)` is the short way out.

# %%
claims.claim("loud, norm of layer 1 in float32", rows["norm in float32"], equals=float("inf"))
claims.claim("by the probe", loud_flow.weight_grad_norms[0], about=1e21, factor=3)
claims.claim("largest entry after clipping to norm 1", huge.abs().max(), equals=0)
claims.claim("the probe left no gradient behind", untouched)

# %% [markdown]
# **Question.** In a training log the gradient norm of one layer reads 0.0. What do you know?
#
# <details><summary>No gradient reaches this layer</summary>Not this: in the quiet network the norm
# read 0, and the gradient was there.</details>
# <details><summary>All its weights are 0</summary>Not this: the norm of a gradient is not that of
# the weights.</details>
# <details><summary>The squares of its entries add up to 0 in this number format</summary>Right. The
# entries may be 0, or merely below the root of the smallest float32. Look at the largest
# entry.</details>

# %% [markdown]
# ### Exercise 2.1 - safe_norm (5 points)
#
# *About 14 minutes, medium.*
#
# Write `safe_norm(values)`: the L2 norm of a float32 or float64 tensor of any shape, as a Python
# float. Ordinary values earn 1 point, entries whose squares leave float32 2 points, entries whose
# squares leave even float64 (such as `1e-200`) 2 points. The norm of a tensor of zeros is 0. No
# tensor is empty or holds `inf` or `nan`.
#
# <details><summary>Hint</summary>Twice the entries, twice the norm. So you may bring the entries to
# a size that is safe to square, and undo it at the end.</details>
# <details><summary>More help</summary>Divide by the largest size of an entry. Mind the tensor of
# zeros, and multiply at the end with Python floats: the norm itself may be too large for
# float32.</details>


# %% tags=["exercise"]
def safe_norm(values: torch.Tensor) -> float:
    """L2 norm of a tensor, right at any scale."""
    ### BEGIN SOLUTION
    largest = values.abs().max().item()
    if largest == 0:
        return 0.0
    return largest * torch.linalg.vector_norm(values.double() / largest).item()
    ### END SOLUTION


# %% tags=["check"]
exercises.check(safe_norm)

# %% [markdown] tags=["solution"]
# After division by the largest entry all values lie between -1 and 1: no square overflows, and
# those that underflow are too small to count. One multiplication restores the scale.

# %% [markdown]
# ## Which layers moved?
#
# Now the classic symptom, which all five articles name. The chapter advises to plot how much each
# layer is updated: early layers barely change while later ones update normally. (The study notes
# say "shallow layers".)
#
# Layers differ in size, so we divide each change by the size of the matrix. A relative change, or
# **[update ratio](../docs/glossary.md#update-ratio)**, of 0.01 means that the matrix moved by a
# hundredth of its own norm:
#
# $$\|W_l^{\text{after}}-W_l^{\text{before}}\| \,/\, \|W_l^{\text{before}}\|.$$
#
# We will copy the matrices of sigmoid networks before and after a training.


# %%
def copies(net):
    """Copy the weight matrices of a network, layer 1 first."""
    return [layer.weight.detach().clone() for layer in net if isinstance(layer, nn.Linear)]


def trained(hidden, optimizer, rate, steps=steps):
    """Train a sigmoid network; say where its matrices began and ended, and what it learnt."""
    setting = models.Setting(hidden + 1, width, "sigmoid")
    net = models.build(setting, digits.features, digits.classes, seed)
    before = copies(net)
    rule = optimizer(net.parameters(), lr=rate)
    history = train.fit(net, digits, rule, steps=steps, seed=seed)
    return {"before": before, "after": copies(net), "accuracy": history.test_accuracy}


# %%
def relative_changes(run):
    """Norm of each change over the norm before it, layer 1 first."""
    changes = []
    for old, new in zip(run["before"], run["after"], strict=True):
        changes.append(((new - old).norm() / old.norm()).item())
    return changes


sgd_3 = trained(3, torch.optim.SGD, rate=0.01)
changes = {"SGD, 3 hidden": relative_changes(sgd_3)}
ratio = changes["SGD, 3 hidden"][-1] / changes["SGD, 3 hidden"][0]
claims.claim("SGD: last layer over first", ratio, about=100, factor=2, drifts=True)

# %% [markdown]
# With 3 hidden layers and SGD, the textbook case: the last layer moves a hundred times as far as
# the first, two [decades](../docs/glossary.md#decade).
#
# **Predict.** Now the *same* network and the same 100 steps, but with Adam, which gives each weight
# a step size of its own. How many times as far as the first layer does the last one move? (The cell
# that answers also trains two networks with 10 hidden layers.)

# %%
guess = None
prediction = claims.predict("Last layer over first, Adam?", guess)

# %%
adam_3 = trained(3, torch.optim.Adam, rate=0.001)
sgd_10 = trained(10, torch.optim.SGD, rate=0.01)
adam_10 = trained(10, torch.optim.Adam, rate=0.001)
for name, run in (("Adam, 3", adam_3), ("SGD, 10", sgd_10), ("Adam, 10", adam_10)):
    changes[f"{name} hidden"] = relative_changes(run)
prediction.compare(changes["Adam, 3 hidden"][-1] / changes["Adam, 3 hidden"][0], digits=1)

# %%
title = "SGD shows the symptom, Adam turns it round"
ylabel = "relative change in 100 steps"
ax = plots.layer_profile(changes, float32_zone=False, ylabel=ylabel, title=title)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The short rows first. *SGD, 3 hidden* rises to the right: the textbook
# case. *Adam, 3 hidden* falls: the first layers move most, and this network is already learning.
#
# The long rows show two networks with 10 hidden layers. *SGD* falls towards the input, far below
# anything useful. *Adam* looks healthy in the middle and sags only in the first layers. Yet both
# networks still guess, one digit in ten right. So under Adam the plot that the chapter recommends
# can look healthy in a network that does not learn.

# %%
better = max(sgd_10["accuracy"], adam_10["accuracy"])
ratios = {name: change[-1] / change[0] for name, change in changes.items()}
claims.claim("Adam, 3 hidden: last over first", ratios["Adam, 3 hidden"], below=0.4, drifts=True)
claims.claim("its accuracy", adam_3["accuracy"], between=(0.3, 0.8), drifts=True)
claims.claim("Adam, 10 hidden: last over first", ratios["Adam, 10 hidden"], above=4, drifts=True)
claims.claim("10 hidden: accuracy of the better one", better, below=0.2, drifts=True)

# %% [markdown]
# ## To the last bit
#
# The study notes say that weights "stop updating". Literally? A float32 number has 24 binary
# digits. Whoever adds less than one part in $2^{25}$ gets the old number back: the sum is rounded
# (Goldberg 1991).
#
# How large is a step in our network with 10 hidden layers? SGD adds the learning rate, 0.01, times
# the gradient. In one step a matrix therefore changes by 0.01 times the norm of its gradient over
# its own norm. The probe knows both.

# %%
fresh = models.build(models.Setting(11, width, "sigmoid"), digits.features, digits.classes, seed)
probed = probe.record(fresh, inputs, targets, cross_entropy)
one = torch.tensor(1.0)
rows = {"one SGD step, layer 1": 0.01 * probed.grad_to_weight[0], "rounded away below": 2**-25}
rows["(1 + 2**-25) - 1 in float32"] = ((one + 2**-25) - one).item()
pd.DataFrame({"relative change": rows}).map("{:.1e}".format)

# %% [markdown]
# Thousands of times too small. So most weights of layer 1 should not move at all. We count those
# that are exactly the same after 100 steps with SGD, after 500, and after 100 with Adam.


# %%
def same_share(run):
    """Share of the weights of layer 1 that ended exactly where they began."""
    return (run["before"][0] == run["after"][0]).double().mean()


longer = trained(10, torch.optim.SGD, rate=0.01, steps=5 * steps)
claims.claim("one SGD step, layer 1", rows["one SGD step, layer 1"], about=6e-12, factor=4)
claims.claim("same, 100 steps, SGD", same_share(sgd_10), above=0.999, digits=4, drifts=True)
claims.claim("same, 500 steps, SGD", same_share(longer), above=0.998, digits=4, drifts=True)
claims.claim("same, 100 steps, Adam", same_share(adam_10), about=3 / 64, within=0.02)

# %% [markdown]
# Literally true. After 100 steps more than 99.9 % of the first matrix is what it was, to the last
# bit; after 500 steps, more than 99.8 %. The chapter's "no matter how many epochs" is right *here*:
# a step that is rounded away can be repeated for ever. Under Adam all weights move but 3/64 of
# them, those at the three blank pixels.
#
# Does a network whose layers stand still learn nothing? We take a *healthy* ReLU network, freeze
# five of its six layers as they were drawn, and train the last one only.

# %%
half = models.build(models.Setting(6, 64, "relu", "he"), digits.features, digits.classes, seed)
last_only = torch.optim.SGD(half[-1].parameters(), lr=0.1)
frozen = train.fit(half, digits, last_only, steps=300, seed=seed)
claims.claim("healthy, only the last layer trained", frozen.test_accuracy, above=0.4, drifts=True)

# %% [markdown]
# Over 40 % right, four times as good as guessing: five random layers pass on enough of the picture.
# So a low final accuracy, another symptom of the study notes, takes more than layers that stand
# still. We come back to it.
#
# ### Exercise 2.2 - unchanged_share (3 points)
#
# *About 8 minutes, easy.*
#
# Write `unchanged_share(before, after)` for two tensors of one shape (any) and one type (float32 or
# float64). Return a Python float from 0 to 1: the share of places at which both have exactly the
# same number. A change in the last bit counts as a change. Plain changes earn 1 point, changes in
# the last bit 2 points.
#
# (`0.0` and `-0.0` are equal and differ in a bit. No question contains `-0.0` or `nan`, so you may
# compare values or bits.)
#
# <details><summary>Hint</summary>A tolerance would forgive just what you want to catch.</details>
# <details><summary>More help</summary><code>before == after</code> has a yes or a no for each
# place.</details>


# %% tags=["exercise"]
def unchanged_share(before: torch.Tensor, after: torch.Tensor) -> float:
    """Share of entries that a step left exactly as they were."""
    ### BEGIN SOLUTION
    return (before == after).double().mean().item()
    ### END SOLUTION


# %% tags=["check"]
exercises.check(unchanged_share)

# %% [markdown] tags=["solution"]
# For once, floating-point numbers should be compared for equality: a step that is rounded away
# leaves the very same number. The mean of a table of yes and no is the share.

# %% [markdown]
# ## A published measurement, a hundred times
#
# Of the five articles only the encyclopaedia entry measures anything. Its program sends 32 random
# inputs with random labels through a sigmoid network and a ReLU network of the same shape, and
# prints the norm of the first weight gradient of each: 0.004324 and 0.118170. It sets no seed. Are
# these numbers typical? Here is the program in short, with its order of random draws. We run it for
# a hundred seeds and show the first five.


# %%
def entry_program(seed):
    """Draw the data, then both networks; run both backward passes."""
    torch.manual_seed(seed)
    x = torch.randn(32, 100)  # (batch, features)
    y = torch.randint(0, 10, (32,))
    nets = {}
    for name, activation in (("sigmoid", nn.Sigmoid), ("ReLU", nn.ReLU)):
        hidden = []
        for fan_in in (100, 128, 128):
            hidden += [nn.Linear(fan_in, 128), activation()]
        nets[name] = nn.Sequential(*hidden, nn.Linear(128, 10))
        nn.CrossEntropyLoss()(nets[name](x), y).backward()
    return x, y, nets


# %%
rows = []
for draw in range(draws):
    _, _, nets = entry_program(draws * seed + draw)
    rows.append({name: net[0].weight.grad.norm().item() for name, net in nets.items()})
norms = pd.DataFrame(rows)
norms.head().map("{:.4f}".format)

# %%
published = {"sigmoid": 0.004324, "ReLU": 0.118170}
ax = plots.distribution(
    norms, published, xlabel="norm of the first weight gradient", title="Two ordinary draws"
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Both published numbers (dashed) lie well inside their histograms: ordinary
# draws. ReLU's norm is 25 times as large. A single run is an anecdote, and a hundred are cheap.
#
# So is ReLU the cure, as the entry says? [Lesson 01](01_theory.ipynb) gave a warning: a weight
# gradient is a delta times an activation, and can hide that the deltas decay. We look at both in
# the ReLU network, as [geometric means](../docs/glossary.md#geometric-mean) (means of logarithms)
# over 20 seeds.


# %%
logs = {"delta": [], "weight gradient": []}
for draw in range(20):
    x, y, nets = entry_program(draws * seed + draw)
    flow = probe.record(nets["ReLU"], x, y, cross_entropy)
    logs["delta"].append(np.log(flow.delta_norms))  # (4,): layers
    logs["weight gradient"].append(np.log(flow.weight_grad_norms))
means = {name: np.exp(np.mean(each, axis=0)) for name, each in logs.items()}
means = pd.DataFrame(means, index=["layer 1", "layer 2", "layer 3", "layer 4"])
means.map("{:.3f}".format)

# %% [markdown]
# Read both columns from below. The weight gradients stay nearly level. But each delta is 0.41 times
# the one below it. That is $\sqrt{1/6}$ ([formulas](../docs/formulas.md#variance-and-chi)): of the
# squared norm PyTorch's weights leave a third, and ReLU, flat for half of its inputs, a half.
#
# **The published cure vanishes, too.** Its weight gradients hide it: where the deltas are smallest,
# near the input, the activations are largest.

# %%
for name, low, high in (("sigmoid", 0.05, 0.5), ("ReLU", 0.5, 0.95)):
    share = (norms[name] < published[name]).mean()
    claims.claim(f"{name}: share of seeds below the published", share, between=(low, high))
ratio = (norms["ReLU"] / norms["sigmoid"]).median()
claims.claim("ReLU over sigmoid, median", ratio, about=25.2, within=0.1)
first_over_last = means.loc["layer 1"] / means.loc["layer 4"]
per_layer = first_over_last["delta"] ** (1 / 3)
claims.claim("delta, factor per layer", per_layer, about=(1 / 6) ** 0.5, within=0.03)
level = first_over_last["weight gradient"]
claims.claim("weight gradient, first over last", level, between=(0.6, 1.0))

# %% [markdown]
# ## Adam hides it
#
# The entry goes on: a very small norm suggests negligible updates. Does it? Each of its networks
# takes *one* step, with SGD and with Adam. How far does its first layer move?


# %%
def first_step(name, optimizer, rate):
    """Relative change of layer 1 in one step of a network of the entry."""
    _, _, nets = entry_program(draws * seed)
    before = copies(nets[name])
    optimizer(nets[name].parameters(), lr=rate).step()
    return relative_changes({"before": before, "after": copies(nets[name])})[0]


moved = pd.DataFrame()
for name in ("sigmoid", "ReLU"):
    moved.loc[name, "SGD"] = first_step(name, torch.optim.SGD, 0.01)
    moved.loc[name, "Adam"] = first_step(name, torch.optim.Adam, 0.001)
moved.map("{:.2e}".format)

# %% [markdown]
# Under SGD it does: the ReLU network's step is about 25 times as long, as is its gradient. Under
# Adam it does not: both steps are equally long. Adam divides each entry of the gradient by a
# running estimate of that entry's own size (Kingma and Ba 2015;
# [formulas](../docs/formulas.md#adam)), so the size cancels.
#
# Always? We give Adam gradients from $10^{-12}$ to 1 and look at its first step.

# %%
sizes = torch.logspace(-12, 0, 25)
entries = nn.Parameter(torch.zeros(25))
entries.grad = sizes.clone()
torch.optim.Adam([entries], lr=1.0).step()

lengths = {"Adam": entries.detach().abs(), "SGD": sizes}
look = {"xlabel": "size of the gradient", "ylabel": "first step / learning rate"}
title = "Adam's step forgets the size of the gradient, down to eps"
ax = plots.curves(lengths, x=sizes, xscale="log", yscale="log", **look, title=title)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** SGD's step follows the gradient all the way. Adam's step is as long as the
# learning rate, whether the gradient is 1 or $10^{-6}$. Only near $10^{-8}$ does it bend. That is
# Adam's constant `eps`: where the gradient equals `eps` the step is half the rate, at a hundredth
# of `eps` a hundredth of it.
#
# This explains the sag of *Adam, 10 hidden*: a typical entry of its first gradient is
# $5 \cdot 10^{-11}$, far below `eps`. Everywhere else Adam hid how small the gradient was.

# %%
for size, share in ((1e-6, 0.99), (1e-8, 0.5), (1e-10, 0.0099)):
    nearest = (sizes / size - 1).abs().argmin()
    length = lengths["Adam"][nearest]
    claims.claim(f"gradient {size:g}: step over rate", length, about=share, within=0.01)
typical = probed.weight_grad_norms[0] / fresh[0].weight.numel() ** 0.5
claims.claim("10 hidden: typical entry of the gradient", typical, about=5e-11, factor=4)

# %%
lead = moved.loc["ReLU"] / moved.loc["sigmoid"]
claims.claim("one step, ReLU over sigmoid, SGD", lead["SGD"], between=(19, 33))
claims.claim("one step, ReLU over sigmoid, Adam", lead["Adam"], about=1, within=0.03)

# %% [markdown]
# For your own networks the course has an instrument, too: `probe.watch` records update ratios while
# a network trains. It agrees with our `relative_changes`.

# %%
_, _, nets = entry_program(draws * seed)
adam = torch.optim.Adam(nets["ReLU"].parameters(), lr=0.001)
with probe.watch(nets["ReLU"], adam, every=1, parts=["updates"]) as log:
    adam.step()
watched = log.update_ratios[0, 0]  # the first step, layer 1
claims.claim("probe.watch over ours", watched / moved.loc["ReLU", "Adam"], about=1, within=1e-4)

# %% [markdown]
# **Question.** Under Adam, all layers of a network move by about the same relative amount. What
# follows?
#
# <details><summary>The gradient reaches every layer in good health</summary>Not this: the sigmoid
# network's gradient was 25 times as small, and Adam's step as long.</details>
# <details><summary>Not much: the gradient is above eps</summary>Right. Above <code>eps</code> the
# length of Adam's steps says nothing about the size of the gradient. Measure the deltas.</details>
# <details><summary>The network learns</summary>Not this: with 10 hidden layers most layers moved
# alike, and the network still guessed.</details>

# %% [markdown]
# ### Exercise 2.3 - adam_first_update (3 points)
#
# *About 8 minutes, medium.*
#
# Write `adam_first_update(gradient, lr, eps)`: what Adam *adds* to the weights in its very first
# step. `gradient` is a float32 tensor of any shape, `lr` and `eps` are positive floats. Return a
# tensor of the same shape. There is no weight decay, and the bias correction is that of the paper.
# Ordinary gradients earn 1 point, gradients as small as `eps` 2 points. A gradient of 0 adds 0.
#
# <details><summary>Hint</summary>Both running averages have seen one gradient and are corrected for
# bias: what is each of them equal to?</details>
# <details><summary>More help</summary>The first equals the gradient, the second its square. Divide
# the first by the root of the second, and add <code>eps</code> after taking the root. Mind the
# sign.</details>


# %% tags=["exercise"]
def adam_first_update(gradient: torch.Tensor, lr: float, eps: float) -> torch.Tensor:
    """Change of the weights in Adam's first step."""
    ### BEGIN SOLUTION
    return -lr * gradient / (gradient.abs() + eps)
    ### END SOLUTION


# %% tags=["check"]
exercises.check(adam_first_update)

# %% [markdown] tags=["solution"]
# Corrected for bias, the averages after one step are the gradient and its square, so the root is
# the gradient's absolute value. Until eps matters, that leaves the learning rate times a sign.

# %% [markdown]
# ## Flat loss: four networks, one curve
#
# A flat loss (the study notes, the chapter) is what brings most people here. Of these five networks
# under SGD four have one, each for another reason.
#
# * *sigmoid, 10 hidden*, and *sigmoid, 3 hidden*: as PyTorch draws them;
# * *tanh, tiny rate*: a tanh network with [Xavier's](../docs/glossary.md#xavier) weights, which
#   suit it, and a learning rate of 0.00001;
# * *ReLU, dead layer*: the biases of its first layer are at -50, so that every unit there is a
#   **[dead unit](../docs/glossary.md#dead-unit)**, one that answers 0 to every picture;
# * *tanh, rate 0.1*: the same network at a sensible rate, for comparison.

# %%
cases = {
    "sigmoid, 10 hidden": (models.Setting(11, 64, "sigmoid"), 0.3),
    "sigmoid, 3 hidden": (models.Setting(4, 64, "sigmoid"), 0.3),
    "tanh, tiny rate": (models.Setting(11, 64, "tanh", "xavier"), 0.00001),
    "ReLU, dead layer": (models.Setting(4, 64, "relu", "he"), 0.3),
    "tanh, rate 0.1": (models.Setting(11, 64, "tanh", "xavier"), 0.1),
}


def started(name):
    """Build a network of the list; the same one at each call."""
    setting, _ = cases[name]
    net = models.build(setting, digits.features, digits.classes, seed)
    if name == "ReLU, dead layer":
        nn.init.constant_(net[0].bias, -50.0)
    return net


flows = {name: probe.record(started(name), inputs, targets, cross_entropy) for name in cases}


# %% [markdown]
# `flows` holds one probe of each, *before* training. Now we train all five for 1,000 steps (about
# 15 seconds) and look at the first 400.

# %%
nets, runs = {}, {}
for name, (_, rate) in train.each(cases.items()):
    nets[name] = started(name)
    sgd = torch.optim.SGD(nets[name].parameters(), lr=rate)
    runs[name] = train.fit(nets[name], digits, sgd, steps=1000, seed=seed)

# %%
early = {name: run.losses[:400] for name, run in runs.items()}
deltas = {name: flow.delta_norms for name, flow in flows.items()}
figure, axes = plots.panels(2, share=False)
look = {"xlabel": "step", "ylabel": "loss of the batch (nats)", "legend": False}
plots.curves(early, x=range(400), **look, title="In training: four alike", ax=axes[0])
plots.layer_profile(deltas, title="Before training: told apart", ax=axes[1])
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: one network learns at once. The other four stay near
# $\ln 10 = 2.30$, the loss of guessing, and nobody can tell them apart. Flat loss is a true
# symptom, and it names no cause.
#
# Right: one backward pass each, before training. *Sigmoid, 10 hidden* loses 8.5 decades: next to
# nothing arrives at layer 1. *Sigmoid, 3 hidden* loses 2.5. *tanh* loses less than one: nothing is
# wrong with this network, so look at its rate. *ReLU* is exactly 0 at the open triangles: no unit
# of layer 1 has a [slope](../docs/glossary.md#slope), and the layers above it see nothing but
# zeros, where PyTorch's ReLU is flat, too.
#
# **Predict.** How many of the five will have more than half of the test pictures right by step
# 1,000?

# %%
guess = None
prediction = claims.predict("How many of the five learn?", guess)

# %%
learnt = sum(run.test_accuracy > 0.5 for run in runs.values())
prediction.compare(learnt)
ax = plots.training_curves(runs, chance=2.303, title="One of the four needed patience")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** *Sigmoid, 3 hidden* wakes up late: its loss stays above 1 for more than
# 600 steps. A gradient 2.5 decades down is slow, not lost. This is the "very slow convergence" of
# the articles, and patience cures it. The other three are still flat. Do not wait for them: one
# needs another start, one another rate, one living units.

# %%
for name, decades in (("sigmoid, 10 hidden", 8.5), ("sigmoid, 3 hidden", 2.55)):
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, about=decades, within=0.05)
claims.claim("tanh: decades lost", flows["tanh, tiny rate"].decades_lost, below=0.7)
claims.claim("ReLU: dead units in layer 1", flows["ReLU, dead layer"].dead_share[0], equals=1)
flat = [runs[name].losses[200:400].mean() for name in cases if name != "tanh, rate 0.1"]
claims.claim("four flat ones, steps 200 to 400: least mean loss", min(flat), above=2.2, drifts=True)
claims.claim("the same, greatest", max(flat), below=2.5, drifts=True)
waiting = (runs["sigmoid, 3 hidden"].losses > 1).sum()
claims.claim("of the five, this many learn", learnt, equals=2)
claims.claim("sigmoid, 3 hidden: steps above a loss of 1", waiting, above=600, drifts=True)

# %% [markdown]
# ## A whole layer at a glance: histograms
#
# A norm is one number for a layer. Andrej Karpathy, in part 3 of his *makemore* lectures, draws all
# numbers: for each layer a **histogram** (which share of the values lies where) of the activations,
# and one of the gradients. We do so before training, for the sick *sigmoid, 10 hidden* and the
# healthy *tanh*.


# %%
def layer_values(net):
    """Activations and deltas of the hidden layers, layer 1 first."""
    activations, sums, value = [], [], inputs
    for module in net:
        value = module(value)  # (batch, units)
        if isinstance(module, nn.Linear):
            value.retain_grad()  # the gradient at this sum is the delta
            sums.append(value)
        else:
            activations.append(value.detach())
    cross_entropy(value, targets).backward()
    return {"activation": activations, "delta": [each.grad for each in sums]}


sick = layer_values(started("sigmoid, 10 hidden"))
healthy = layer_values(started("tanh, rate 0.1"))


# %%
def every_other(layers):
    """The values of layers 1, 3, 5, 7 and 9, by name."""
    return {f"layer {number}": layers[number - 1] for number in range(1, 10, 2)}


networks = (("sigmoid", sick), ("tanh", healthy))
figure, axes = plots.panels(2, share=False)
for ax, (title, values) in zip(axes, networks, strict=True):
    layers = every_other(values["activation"])
    plots.layer_histograms(layers, xlabel="activation", title=title, ax=ax)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Which one looks sick? In the healthy tanh network, layer 1 reaches out to
# -1 and 1, where tanh is flat: some units are **[saturated](../docs/glossary.md#saturated)**. In
# the sick network nearly all values lie between 0.25 and 0.75, where the sigmoid is steepest. So
# this sigmoid network does not vanish because it saturates, and this picture would accuse the wrong
# one. (Why its lines are jagged, the last section says.)
#
# Now the deltas. They span many decades, so the axis is logarithmic.

# %%
look = {"xlabel": "size of a delta", "xscale": "log", "xlim": (1e-14, 1e-1)}
figure, axes = plots.panels(2)
for ax, (title, values) in zip(axes, networks, strict=True):
    layers = every_other(values["delta"])
    plots.layer_histograms(layers, **look, title=f"{title}: deltas", ax=ax)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Now there is no doubt. In the tanh network the hills stand nearly on top
# of each other: all layers get deltas of about the same size. In the sigmoid network each hill
# stands further left, 0.85 decades per layer. Each layer alone looks normal: what is wrong is the
# *distance* between layers.

# %%
middles = [delta.abs().log10().median() for delta in sick["delta"]]  # layer 1 first
steep = [((layer > 0.25) & (layer < 0.75)).double().mean() for layer in sick["activation"]]
saturated = flows["tanh, rate 0.1"].saturated_share[0]
claims.claim("sigmoid: decades per layer", (middles[8] - middles[0]) / 8, about=0.85, within=0.05)
claims.claim("sigmoid: within 0.25 to 0.75, least of 10 layers", min(steep), above=0.9)
claims.claim("tanh, layer 1: saturated share", saturated, between=(0.02, 0.1))

# %% [markdown]
# **Question.** Which of these shows, before any training, what is wrong with the sigmoid network?
#
# <details><summary>A histogram of its activations</summary>Not this: they lie where the sigmoid is
# steepest, and look healthier than those of tanh.</details>
# <details><summary>The loss</summary>Not this: it starts near that of guessing in all five
# networks.</details>
# <details><summary>The deltas, layer beside layer</summary>Right. Each layer alone looks fine; only
# from layer to layer do you see that something is lost.</details>

# %% [markdown]
# ## One answer for every picture
#
# One symptom is left: "output remains constant", say the study notes. From picture to picture, or
# from step to step? We send all test pictures through the untrained *sigmoid, 10 hidden*. How much
# do they still differ at each layer? We take the standard deviation over the pictures, and its norm
# over the units. Each column is a layer.

# %%
signal, spread = digits.test_inputs.double(), []  # (pictures, pixels)
for module in started("sigmoid, 10 hidden").double():
    signal = module(signal)
    if isinstance(module, nn.Linear):
        spread.append(signal.std(dim=0).norm().item())
pd.DataFrame([spread], index=["spread"], columns=range(1, 12)).map("{:.1e}".format)

# %% [markdown]
# What tells two pictures apart shrinks by a factor of 0.14 per layer on the way *up*, as the delta
# does on its way *down*. The histogram of activations hid this: its width is that between units,
# and they give every picture the same values (hence the jagged lines).
#
# We compare the probabilities that this network answers before and after its 1,000 steps.

# %%
pictures = digits.test_inputs.double()
start = started("sigmoid, 10 hidden").double()
end = nets["sigmoid, 10 hidden"].double()
before = start(pictures).softmax(dim=1).detach()  # (pictures, classes)
after = end(pictures).softmax(dim=1).detach()
classes = len(after.argmax(dim=1).unique())
per_layer = (spread[9] / spread[1]) ** (1 / 8)  # from layer 2 to layer 10
claims.claim("spread: factor per layer", per_layer, about=0.141, within=0.06)
claims.claim("classes that the trained network ever answers", classes, equals=1)
claims.claim("its spread over the pictures", after.std(dim=0).max(), below=1e-8, drifts=True)
claims.claim("largest change in training", (after - before).abs().max(), above=0.01, drifts=True)

# %% [markdown]
# One answer for every picture, to eight digits. But not for all time: training still moves that one
# answer by more than a percentage point. The chapter's closing joke, that such a network is an
# "expensive random number generator", is too kind: it is an expensive constant.
#
# So accuracy drops to guessing when the forward signal is lost as well. The frozen ReLU network
# kept it, and could learn.
#
# ### Exercise 2.4 - my_flat_loss (open)
#
# *About 20 minutes, medium.*
#
# Bring a flat loss of your own, and name its cause. `my_flat_loss()` returns three things: a
# network from (batch, 64) to (batch, 10), of `models.build` or any `nn.Module`; a learning rate for
# SGD; and the cause, `"vanishing"`, `"dead"` or `"rate"`.
#
# The probe must agree, before training. *Vanishing*: 3 decades or more lost, but not all. *Dead*: a
# layer of dead units only. *Rate*: neither, and less than 1 decade lost or gained. Then the check
# trains your network on the digits for 200 steps: the mean of the last 50 losses must be within 5 %
# of that of the first 50. With *rate* as the cause it trains again, at 0.1: now the mean of the
# last 50 must be at most 0.8 of the first loss.
#
# <details><summary>Hint</summary>Change a network of this lesson as you like: activation, depth,
# gain. <code>print(probe.record(...))</code> tells how many decades it loses.</details>
# <details><summary>More help</summary>Other activations vanish, too: try 10 layers of
# <code>"gelu"</code>.</details>


# %% tags=["exercise"]
def my_flat_loss() -> tuple:
    """A network, a learning rate, and why its loss stays flat."""
    ### BEGIN SOLUTION
    setting = models.Setting(depth=10, width=64, activation="gelu")
    return models.build(setting, 64, 10, seed=0), 0.1, "vanishing"
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_flat_loss)

# %% [markdown] tags=["solution"]
# One of many answers. GELU is a popular choice, and PyTorch's weights leave it 0.29 of the gradient
# per layer: less than ReLU. Ten layers of it lose almost five decades.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who says it | verdict | measured here |
# |---|---|---|---|
# | early ("shallow") layers barely change | all | SGD: true; Adam: reversed | 100; below 0.4 |
# | weights stop updating | study notes | SGD: true to the bit | over 99.9 % |
# | no matter how many epochs | chapter | true if rounded away | over 99.8 % |
# | flat loss, stagnation | study notes, chapter | true, names no cause | four causes |
# | very slow convergence | all but chapter | true with 3 hidden layers | over 600 steps |
# | low final accuracy | study notes | if forward signal is lost | guessing; frozen: over 0.4 |
# | constant output | study notes | over pictures, not over time | one class |
# | small norm, negligible update | entry | SGD: true; Adam: false | 25; 1.0 |
# | 0.004324 and 0.118170 | entry | ordinary draws | 100 seeds |
# | ReLU as the cure | entry | misleading | deltas: 0.41 per layer |
# | random number generator | chapter | false | a constant |
#
# ## What this does not show
#
# A flat loss has more causes: labels mixed up, a graph cut by `detach()`, a saturated output. Our
# networks are small and see one data set, at one learning rate each. And a network that is healthy
# at the start need not stay so.
#
# ## Summary
#
# * A float32 norm read 0 over entries of a few $10^{-26}$, and `inf` where the norm was $10^{21}$.
#   Measure in float64.
# * With 10 hidden layers, SGD left over 99.9 % of the first matrix unmoved, to the bit. With 3,
#   Adam turned the picture round (last over first below 0.4 instead of 100): down to `eps` its step
#   does not depend on the size of the gradient.
# * Four flat losses, told apart before training: 8.5 decades lost, 2.5, less than one, exactly 0.
#
# ## References
#
# [All five articles](../docs/sources.md); Glorot and Bengio 2010,
# [figures 7 and 8](https://proceedings.mlr.press/v9/glorot10a.html); Kingma and Ba 2015,
# [algorithm 1](https://arxiv.org/abs/1412.6980); Schoenholz et al. 2017,
# [eq. 5](https://arxiv.org/abs/1611.01232); Goldberg 1991, on
# [floating-point numbers](https://doi.org/10.1145/103162.103163); Karpathy 2022,
# [makemore, part 3](https://github.com/karpathy/nn-zero-to-hero).
#
# Next: [03 · Which cause costs how much?](03_causes.ipynb)

# %%
print(progress.summary())

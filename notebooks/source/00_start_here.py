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
# # 00 · What will I be able to do?
#
# You need some PyTorch: what a layer, a loss and an optimizer are. Runs on a laptop CPU, without a
# network connection.
#
# **By the end you can**
#
# * show that a 30-layer network is dead, and say how many decades of gradient it is short of;
# * name what took them, in one line, and revive the network with one line;
# * use the four kinds of cell that every lesson is made of: predict, measure, claim, check.
#
# Run a cell with Shift + Enter. Work from top to bottom; nothing here can break your computer or
# the course, and a fresh copy of any lesson is one command away.

# %% tags=["setup"]
import math
from dataclasses import replace

import torch
from torch.nn import functional

from helpers import claims, data, exercises, models, plots, probe, progress, train

plots.use_style()
train.use_one_thread()
claims.published("00", seed=0, depth=30, steps=200, lr=0.05)

# %% tags=["parameters"]
seed = 0
depth = 30
steps = 200
lr = 0.05

# %% [markdown]
# ## A network that will not learn
#
# Here is a plain classifier for handwritten digits: 30 layers of 64 units, sigmoid activations,
# weights as PyTorch draws them, trained by gradient descent. There is no bug in it. The data are
# fine, the loss is the usual one, the learning rate is moderate.

# %%
split = data.digits()
dead = models.Setting(depth=depth, width=64, activation="sigmoid")
net = models.build(dead, split.features, split.classes, seed)

optimizer = torch.optim.SGD(net.parameters(), lr=lr)
history = train.fit(net, split, optimizer, steps=steps, seed=seed)

# %%
guessing = math.log(10)
ax = plots.training_curves(
    {"30 layers, sigmoid": history}, chance=guessing, title="Nothing happens"
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The dotted line is the loss of somebody who never looks at the picture
# and gives each of the ten digits the same chance, $\ln 10 = 2.30$. The network stays there. You
# could wait ten times longer and see the same line. If you have met this curve in your own work,
# this course is for you.
#
# Next comes a kind of cell that you will see everywhere: a **claim**. It states a fact in words,
# compares it with what has just been measured, and stops the notebook if the fact does not hold.
# So every number in these lessons is tested, on your machine, each time you run them.

# %%
claims.claim(
    "loss at the end", history.losses[-50:].mean(), about=guessing, within=0.03, drifts=True
)
claims.claim("test accuracy", history.test_accuracy, below=0.2, drifts=True)

# %% [markdown]
# ## Predict, then measure
#
# Learning goes backward: the loss sends a gradient from the last layer to the first, and each layer
# uses what arrives. Something must be lost on the way.
#
# **Predict.** By which factor is the gradient at layer 1, nearest the input, smaller than the one
# at layer 30? Write your number in place of `None` (`1e-3` means a thousandth) and run the cell.
# Nobody sees it and it cannot be wrong enough to stop you. But do write one: you will remember the
# answer far better.

# %%
guess = None
prediction = claims.predict("gradient at layer 1 over layer 30?", guess)

# %%
net = models.build(dead, split.features, split.classes, seed)
inputs, targets = split.batch(128, seed)
flow = probe.record(net, inputs, targets, functional.cross_entropy)
prediction.compare(flow.relative_delta_norms[0])

# %%
theory_line = models.predicted_profile(dead, inputs) * flow.delta_norms[-1]
ax = plots.layer_profile(
    {"30 layers, sigmoid": flow.delta_norms},
    {"30 layers, sigmoid": theory_line},
    title="Where the gradient goes",
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** This is the picture of the whole course: the size of the gradient against
# the layer, on a logarithmic axis. It falls in a straight line by about 25 *decades*, powers of
# ten. For scale: an atom is 10 decades smaller than you are.
#
# Two more things are worth a look. The dashed line is **theory**: averages over random weights,
# computed before the network existed. Only its right end is pinned to the measurement; its slope is
# not fitted. You will derive it in the next lesson. The grey band is where float32, the usual
# number format, gives up: a gradient that small has squares that round to zero, so the usual
# `grad.norm()` would report exactly 0.0. Our probe measures on a copy in float64 and leaves your
# model untouched.
#
# ## One line says why
#
# On its way back the gradient passes through two kinds of module, weights and activations. The
# **ledger** weighs it before and after each, and adds up what each kind took.

# %%
ledger = flow.ledger()
print(ledger)

# %%
claims.claim("decades lost", ledger.total, about=24.7, within=0.05)
slopes, weights = ledger.by_kind["activation"], ledger.by_kind["weights"]
claims.claim("taken by the slopes of the sigmoid", slopes, about=17.7, within=0.05)
claims.claim("taken by the weights", weights, about=7.0, within=0.1)
middle = [row for row in ledger.rows if row.kind == "activation"][depth // 2]
claims.claim("taken by one sigmoid in the middle", middle.decades, about=0.61, within=0.02)

# %% [markdown]
# The sigmoid's slope is at most 1/4. At these small weights its mean is close to that, 0.245, so
# each of the 29 sigmoids takes 0.61 decades: 17.7 in all. The other 7 decades went to the weights:
# PyTorch draws them so small that they shorten every gradient by about $\sqrt 3$. Neither cause
# alone explains the picture, and a cure that treats only one will disappoint. Most articles on the
# subject name only the first.
#
# ## One line revives it
#
# Same depth, same width, same data, same optimizer and learning rate. The line below swaps the
# activation for one whose slope is 1 at zero, and the weights for orthogonal ones, which do not
# shorten anything. No skip connections, no normalisation: those come later.

# %%
alive = replace(dead, activation="tanh", initialization="orthogonal")

net = models.build(alive, split.features, split.classes, seed)
alive_flow = probe.record(net, inputs, targets, functional.cross_entropy)
optimizer = torch.optim.SGD(net.parameters(), lr=lr)
alive_history = train.fit(net, split, optimizer, steps=steps, seed=seed)

# %%
labels = {"sigmoid, default weights": dead, "tanh, orthogonal weights": alive}
found = dict(zip(labels, (flow.relative_delta_norms, alive_flow.relative_delta_norms), strict=True))
ax = plots.layer_profile(
    found,
    {label: models.predicted_profile(setting, inputs) for label, setting in labels.items()},
    ylabel="delta norm, relative to layer 30",
    float32_zone=False,
    title="The same 30 layers, dead and alive",
)
plots.show(ax)

# %%
claims.claim("decades lost, revived", alive_flow.decades_lost, between=(0.2, 1.2))
claims.claim("test accuracy, revived", alive_history.test_accuracy, above=0.9, drifts=True)

# %%
ax = plots.training_curves(
    {"sigmoid, default weights": history, "tanh, orthogonal weights": alive_history},
    chance=guessing,
    title="The same task, the same steps",
)
plots.show(ax)

# %% [markdown]
# **Reading the figures.** The flat line of gradients comes first, the falling loss follows. Two
# hundred steps are enough for more than nine digits in ten. So depth alone was not guilty, although
# every summary of the problem begins with it.
#
# You could also keep the sigmoid and its small weights, and normalise between the layers instead.
# That is another single line. How much it repairs, and what it breaks, is a later lesson; here is a
# first look at its ledger.

# %%
normed = replace(dead, norm="batch")
net = models.build(normed, split.features, split.classes, seed)
normed_flow = probe.record(net, inputs, targets, functional.cross_entropy)
print(normed_flow.ledger())
claims.claim("decades lost with batch norm", normed_flow.decades_lost, between=(-1.5, 1.5))
for kind in ("activation", "weights"):
    more = normed_flow.ledger().by_kind[kind] - ledger.by_kind[kind]
    claims.claim(f"{kind}: decades taken in addition", more, between=(0.2, 3))

# %% [markdown]
# The weights and the sigmoids take even a little more than before, and the norm layers hand all of
# it back. A cure need not remove the cause; the ledger shows which of the two you have.
#
# ## How the lessons work
#
# Every lesson has the same rhythm, so that the last feels like the first.
#
# 1. **Predict.** A question with a number in the answer, and `guess = None` for yours.
# 2. **Measure.** A few lines of code; change them, and run them again. The cell tagged
#    `parameters`, near the top, holds the numbers worth changing first. Try `depth = 10` up there,
#    then *Run > Run All Cells*: the claims about 30 layers will object, as they should.
# 3. **Explain.** One figure, then a paragraph that says where to look.
# 4. **Claim.** What was just said, tested.
# 5. **Check.** Exercises, marked on the spot. There are three verdicts. *Not attempted yet* means
#    the cell still holds `raise NotImplementedError`. *Not yet* comes with a hint, if the mistake
#    is a known one, or with the smallest input on which your answer differs. *Correct* means
#    correct on many inputs. Try as often as you like.
#
# If a claim fails although you changed nothing, that is news: please report it, with the seed.

# %% [markdown]
# ### Exercise 0.1 - decades_lost (3 points)
#
# Warm up on the unit of this course. Write `decades_lost(first, last)`: how many powers of ten the
# gradient loses from the last layer to the first. Both arguments are positive floats, the gradient
# norms of layer 1 and of the last layer. The answer is a float, positive when the gradient shrinks
# towards the input and negative when it grows.
#
# <details><summary>Hint</summary>One logarithm, base 10, of a ratio. Which of the two goes on top,
# if a smaller first layer must give a positive number?</details>


# %% tags=["exercise"]
def decades_lost(first: float, last: float) -> float:
    """Powers of ten that the gradient loses from the last layer to the first."""
    ### BEGIN SOLUTION
    return math.log10(last) - math.log10(first)
    ### END SOLUTION


# %% tags=["check"]
exercises.check(decades_lost)

# %% [markdown] tags=["solution"]
# Decades are differences of base-10 logarithms, so losses add up layer by layer: that is what makes
# a ledger possible. Subtracting logarithms also survives a ratio too large for a float.

# %% [markdown]
# ## Your copy
#
# `make lab` opened a copy of your own, in the folder `my_course`. Write in it freely. When the
# course is updated, lessons that you have not touched are replaced; beside one that you have
# changed, the new version appears as a second file, and yours stays as it is. To begin a lesson
# afresh, delete it and run `make lab` again.
#
# ## What this does not show
#
# One data set, one width, one learning rate, and a network built to fail. That the revived network
# learns does not prove that its flat gradient is the reason; the next lessons separate causes from
# company. And a flat gradient at the start promises nothing about the end of training.
#
# ## Summary
#
# * A 30-layer sigmoid network at PyTorch's default loses about 25 decades of gradient between the
#   last layer and the first, and stays at the loss of guessing, 2.30.
# * The ledger says who took them: 17.7 the slopes, 7 the weights.
# * One line, tanh with orthogonal weights, leaves a loss of about one decade or less, and the same
#   200 steps now classify more than nine digits in ten.
#
# ## References
#
# Hochreiter 1991, the diploma thesis that found the problem; Bengio, Simard and Frasconi 1994,
# [the first analysis in English](https://doi.org/10.1109/72.279181); Glorot and Bengio 2010,
# [why deep networks were hard to train](https://proceedings.mlr.press/v9/glorot10a.html); Saxe et
# al. 2014, [orthogonal weights](https://arxiv.org/abs/1312.6120).
#
# Next: [01 · Where does the gradient go?](01_theory.ipynb)

# %%
print(progress.summary())

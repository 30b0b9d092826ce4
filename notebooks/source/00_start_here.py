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
# * show that a 30-layer network is dead, and say how many
#   [decades](../docs/glossary.md#decade) (powers of ten) of gradient it is short of;
# * name what took them, in one line, and revive the network with one line;
# * use the four things that every lesson is made of: predictions, figures, claims and exercises.
#
# The demonstration takes two minutes: choose *Run > Run All Cells*, look at the figures, and read
# "One line says why" and "One line revives it".
#
# To learn, read, run the next cell with Shift + Enter, and read on. Two cells prepare: the first
# imports, the second holds the **parameters**, the numbers worth changing. At the end come back,
# write `depth = 20`, and run all cells. Nothing here can break your computer or the course.

# %% tags=["setup"]
import math
from dataclasses import replace

import torch
from torch.nn.functional import cross_entropy

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
# ## Why should I care?
#
# Three things that people meet today:
#
# * **A transformer whose loss is `nan`.** The loss falls, jumps, and is `nan` from then on: a
#   number has become too large for its format. [Lesson 02](02_symptoms.ipynb) shows a gradient that
#   does so, and a later lesson is about transformers.
# * **A recurrent network that forgets.** It uses the last few words, and not what stood a hundred
#   words before. The gradient that should teach it that dies on its way back, and a later lesson
#   is about such networks.
# * **A fine-tuned model that does not move.** The loss is flat, and the first layers stay what they
#   were. Lesson 02 measures which layers moved and tells four causes of a flat loss apart, and a
#   later lesson fine-tunes.
#
# One thing can be behind all three. On its way back from the loss, the gradient is multiplied by a
# factor in every layer, or in every time step. A product of many factors easily becomes almost
# nothing, or enormous. We begin with the plainest case, and cure it.
#
# ## A network that will not learn
#
# The task is to read handwritten digits. These are eight of the pictures.

# %%
pictures = data.digits(raw=True)
images, labels = pictures.test_inputs[30:38], pictures.test_targets[30:38]
ax = plots.pictures(images, labels, title="Eight pictures, and the digit that each shows")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** A picture has 8 by 8 pixels, so the network gets 64 numbers, its features,
# and must choose one of ten digits, its classes. From now on each pixel is shifted and scaled, to
# mean 0 and standard deviation 1.

# %%
split = data.digits()
split

# %% [markdown]
# In this course a network is described by a `Setting`, a table of all that we may vary.

# %%
dead = models.Setting(depth=depth, width=64, activation="sigmoid")
dead

# %% [markdown]
# 30 layers of weights, 64 units in each, and a sigmoid after each layer but the last. PyTorch draws
# the weights as it does by default. Nothing else is switched on.
#
# `models.build` makes a plain PyTorch network of it. The **[seed](../docs/glossary.md#seed)** is
# the number from which all random weights are computed. Here are the first four modules.

# %%
net = models.build(dead, split.features, split.classes, seed)
print(net[:4])

# %% [markdown]
# And so on. We train it with plain gradient descent (SGD), at a moderate
# **[learning rate](../docs/glossary.md#learning-rate)**, the factor from gradient to step.

# %% tags=["nbval-ignore-output"]
optimizer = torch.optim.SGD(net.parameters(), lr=lr)
history = train.fit(net, split, optimizer, steps=steps, seed=seed)
history

# %% [markdown]
# What training left is a `History`: how much the network gets right at the end, and its loss at
# every step. An accuracy near 0.1 is a tenth of the pictures, as by guessing. Here is the loss.

# %%
guessing = math.log(10)
runs = {"30 layers, sigmoid": history}
ax = plots.training_curves(runs, chance=guessing, title="Nothing happens")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The dotted line is the loss of somebody who never looks at the picture and
# gives each of the ten digits the same chance: $\ln 10 = 2.30$. (A loss computed with natural
# logarithms is in *nats*.) The network stays there, and there is no bug in it. If you have met this
# curve in your own work, this course is for you.

# %%
last_losses = history.losses[-50:].mean()
claims.claim("loss, last 50 steps", last_losses, about=guessing, within=0.03, drifts=True)
claims.claim("test accuracy", history.test_accuracy, below=0.2, drifts=True)

# %% [markdown]
# This table holds two **claims**. A claim says what was measured, compares it with what we expect,
# and stops the notebook if it is wrong. So the numbers in these lessons are tested on your machine,
# whenever you run them.
#
# * ✓ means that the claim holds.
# * ≈ before a number means that it **[drifts](../docs/glossary.md#drift)**. Processors round the
#   last digit differently, training makes such differences larger, and you may see other digits.
#   The claim leaves room for that.
# * ○ means that it does not hold at a parameter that *you* changed. At `depth = 20` a claim about
#   30 layers says "not at your depth of 20", what it measured, and what was published at 30. The
#   lesson goes on.
#
# If a claim fails although you changed nothing, that is news: please report it.

# %% [markdown]
# ## Where does the gradient go?
#
# Learning goes backward: the loss sends a gradient from the last layer to the first, and each layer
# learns from what arrives. So we measure what arrives.
#
# A layer computes weighted sums of its inputs, one for each unit, and then comes the activation.
# The gradient of the loss at these sums is called **[delta](../docs/glossary.md#delta)**. Its norm,
# the root of the sum of its squares, says how much arrives. `probe.record` measures it in every
# layer, in one backward pass, for one **[batch](../docs/glossary.md#batch)** of pictures.
#
# We try it on a small network first, the same setting with 4 layers. (`replace` returns a copy of a
# setting with some fields changed.)

# %%
inputs, targets = split.batch(128, seed)  # (128, 64): pictures, pixels


def probed(setting):
    """Build a network and measure, layer by layer, what one backward pass brings."""
    net = models.build(setting, split.features, split.classes, seed)
    return probe.record(net, inputs, targets, cross_entropy)


small = probed(replace(dead, depth=4))
small

# %% [markdown]
# One row for each layer, under PyTorch's name for it: its place in the list of modules, where the
# sigmoids are 1, 3 and 5. Look at one column only, *delta norm*; the others are for later lessons.
# Read it from below, as the gradient flows: each layer gets about a seventh of what the layer after
# it got.
#
# We count such losses in **[decades](../docs/glossary.md#decade)**. A decade is a power of ten:
# from 1 to 0.001 three decades are lost. Factors multiply, decades add up
# ([formulas](../docs/formulas.md#decades)). A factor of 1/7 is 0.85 decades, since $10^{0.85}$ is
# about 7. Three times that makes the 2.5 decades above the table.

# %%
lost = small.decades_lost
claims.claim("4 layers: decades lost", lost, about=2.55, within=0.05)
claims.claim("per layer", lost / 3, about=0.85, within=0.05)

# %% [markdown]
# **Question.** A gradient norm is 0.02 at the last layer and 0.00002 at the first. How many decades
# are lost (click on your answer)?
#
# <details><summary>Three</summary>Right. The first norm is a thousandth of the last, and a thousand
# is ten times ten times ten.</details>
# <details><summary>Five</summary>Not this: the 2 does stand in the fifth place behind the point,
# but we count from 0.02, and not from 1.</details>
# <details><summary>1,000</summary>Not this: that is the factor. Decades say how many tens are
# multiplied in it.</details>

# %% [markdown]
# **Predict.** Back to 30 layers. What is the delta norm at layer 1, nearest the input, divided by
# the one at layer 30? You have seen what 4 layers lose.
#
# Write a number in place of `None` in the next cell, such as `guess = 0.5`, or `guess = 1e-3` for a
# thousandth, and run it. Then run the cell after it, which measures and compares. Nobody sees your
# number, and no number stops the lesson. But do write one: you will remember the answer far better.

# %%
guess = None
prediction = claims.predict("Delta at layer 1 over delta at layer 30?", guess)

# %%
flow = probed(dead)
prediction.compare(flow.relative_delta_norms[0])

# %%
theory = models.predicted_profile(dead, inputs) * flow.delta_norms[-1]
ax = plots.layer_profile(
    {"30 layers, sigmoid": flow.delta_norms},
    {"30 layers, sigmoid": theory},
    title="Where the gradient goes",
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** This is the picture of the whole course: the size of the gradient against
# the layer, on an axis where each step is a factor. Follow the arrow, from right to left. The
# gradient falls in a straight line, by nearly 25 decades. For scale: an atom is 10 decades smaller
# than you are. Next to nothing arrives at layer 1.
#
# The dashed line is **theory**: averages over random weights, computed before the network existed.
# Only its right end is pinned to the measurement. [Lesson 01](01_theory.ipynb) derives it. In the
# grey band the usual number format, float32, gives up: the squares in a norm become 0 there
# (**[underflow](../docs/glossary.md#underflow)**). The probe measures in float64.

# %%
claims.claim("30 layers: decades lost", flow.decades_lost, about=24.7, within=0.05)
claims.claim("theory over measured, layer 1", theory[0] / flow.delta_norms[0], about=1, factor=2)

# %% [markdown]
# ## One line says why
#
# On its way back the gradient passes two kinds of module in turn, weights and activations. The
# **[ledger](../docs/glossary.md#ledger)** lists what each of them took, in decades. Here is that of
# the small network.

# %%
small.ledger()

# %% [markdown]
# The rows go as the gradient does, from the last layer to the first. Weights, sigmoid, weights,
# sigmoid: the weights took about 0.2 each time, the sigmoids 0.6, and the sum is the loss that we
# know ([formulas](../docs/formulas.md#the-ledger)). For 30 layers we print the sums alone.

# %%
ledger = flow.ledger()
print(ledger)

# %% [markdown]
# **This is the line that says why.** Both numbers can be understood:
#
# * A sigmoid multiplies the gradient by its **[slope](../docs/glossary.md#slope)**, its derivative,
#   which is at most 1/4. With weights as small as these, it is 0.245 on average. This takes 0.61
#   decades, in each of 29 sigmoids: 17.7 in all.
# * PyTorch draws the weights of a layer with 64 inputs with variance $1/(3\cdot 64)$. On the way
#   back the squared norm is multiplied by 64 times this variance (lesson 01 says why), so by 1/3.
#   Each matrix shortens the gradient by $\sqrt 3$. This takes 0.24 decades, 29 times: 7.0 in all.
#
# Neither cause alone explains the picture.

# %%
slopes, weights = ledger.by_kind["activation"], ledger.by_kind["weights"]
claims.claim("taken by all 29 sigmoids", slopes, about=17.7, within=0.05)
claims.claim("by one sigmoid, on average", slopes / (depth - 1), about=0.61, within=0.02)
claims.claim("taken by all 29 matrices", weights, about=7.0, within=0.1)
claims.claim("by one matrix, on average", weights / (depth - 1), about=0.24, within=0.1)

# %% [markdown]
# **Question.** The same network, with 10 layers in place of 30. How many decades does it lose?
#
# <details><summary>About 8</summary>Right. On the way from layer 10 to layer 1 there are nine
# matrices and nine sigmoids, and each pair takes 0.85 decades.</details>
# <details><summary>About 25</summary>Not this: each module takes what it took, but there are fewer
# of them.</details>
# <details><summary>None: 10 layers are not deep</summary>Not this: even 4 layers lost 2.5
# decades. There is no depth at which it begins.</details>

# %% [markdown]
# ## One line revives it
#
# Same depth, same width, same data, same optimizer, same learning rate. The first line below
# changes two fields. The activation becomes tanh, whose slope is 1 at zero. The weights become
# **[orthogonal](../docs/glossary.md#orthogonal)**: such a matrix turns a vector and keeps its
# length. No [skip connections](../docs/glossary.md#skip), no normalisation: those come later.

# %%
alive = replace(dead, activation="tanh", initialization="orthogonal")
alive_flow = probed(alive)
print(alive_flow.ledger())

# %%
sick, cured = "sigmoid, default weights", "tanh, orthogonal weights"
ax = plots.layer_profile(
    {sick: flow.relative_delta_norms, cured: alive_flow.relative_delta_norms},
    {sick: models.predicted_profile(dead, inputs), cured: models.predicted_profile(alive, inputs)},
    ylabel="delta norm, relative to layer 30",
    float32_zone=False,
    title="The same 30 layers, dead and alive",
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** One line falls as before. The other stays level: it loses less than one
# decade, and theory knew that as well. Does the network learn now?

# %%
net = models.build(alive, split.features, split.classes, seed)
optimizer = torch.optim.SGD(net.parameters(), lr=lr)
alive_history = train.fit(net, split, optimizer, steps=steps, seed=seed)

runs = {sick: history, cured: alive_history}
ax = plots.training_curves(runs, chance=guessing, title="The same task, the same steps")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The loss falls from the first steps on. After the same 200 steps the
# network reads more than nine test pictures in ten. So depth alone was not guilty.

# %%
claims.claim("revived: decades lost", alive_flow.decades_lost, about=0.75, within=0.1)
claims.claim("revived: test accuracy", alive_history.test_accuracy, above=0.9, drifts=True)

# %% [markdown]
# ## Half a cure, and another one
#
# The line changed two things. Would one of them have been enough?
#
# **Predict.** Only the weights become orthogonal, and the sigmoid stays. How many decades does the
# network of 30 layers lose? Its ledger, above, helps.

# %%
guess = None
prediction = claims.predict("Decades lost, sigmoid with orthogonal weights?", guess)

# %%
weights_only = probed(replace(dead, initialization="orthogonal"))
prediction.compare(weights_only.decades_lost)

# %% [markdown]
# The weights take nothing now, and the sigmoids what they took before, even a little more. What of
# the other half, tanh with PyTorch's weights?

# %%
tanh_only = probed(replace(dead, activation="tanh"))
claims.claim("only the weights changed", weights_only.decades_lost, about=18.2, within=0.05)
claims.claim("only the activation changed", tanh_only.decades_lost, about=7.2, within=0.1)

# %% [markdown]
# It loses the 7 decades of the weights. With either half, layer 1 gets less than a millionth of
# what layer 30 gets. To treat one of two causes is not enough.
#
# Another kind of cure leaves both causes where they are.
# **[Batch norm](../docs/glossary.md#batch-norm)** stands between weights and sigmoid and gives each
# unit a mean of 0 and a standard deviation of 1 over the batch.

# %%
normed = probed(replace(dead, norm="batch"))
print(normed.ledger())

# %% [markdown]
# Weights and sigmoids take even more than before, and the norm layers give all of it back (a
# negative number). So a cure need not remove the cause, and the ledger tells which kind you have.
# What batch norm costs is in [lesson 07](07_normalization.ipynb).

# %%
shares = normed.ledger().by_kind
claims.claim("batch norm: decades lost", normed.decades_lost, between=(-0.5, 0.5))
claims.claim("taken by sigmoids, in addition", shares["activation"] - slopes, between=(0.2, 3))
claims.claim("taken by weights, in addition", shares["weights"] - weights, between=(0.2, 3))

# %% [markdown]
# **Question.** You take the batch norm layers out again, and change nothing else. What will the
# gradient do?
#
# <details><summary>Stay level: the network has been repaired</summary>Not this: weights and
# sigmoids still took their decades; the norm layers only made up for it.</details>
# <details><summary>Vanish as before</summary>Right. The causes were there all the time, and nothing
# pays for them now: this is the dead network, with its 25 decades.</details>
# <details><summary>Explode</summary>Not this: the norm layers were the ones that made the gradient
# larger.</details>

# %% [markdown]
# ## How the lessons work
#
# Every lesson has the rhythm that you have just seen: ask, predict, measure, look, and hold what
# was said to a claim.
#
# * **Exercises** are checked on the spot. *Not attempted yet*: the cell still holds
#   `raise NotImplementedError`. *Not yet*: a hint follows, or an input on which your answer
#   differs, and more help after further tries. *Correct*: on many inputs. No exercise needs another
#   one.
# * **Minutes** are counted from what stands there: 130 words of text or 9 lines of code a minute, a
#   minute and a half for a figure or a prediction, 2.8 minutes for a point of an exercise. Twice as
#   long is fine.
# * **After a restart**, click where you were and choose *Run > Run All Above Selected Cell*.
# * **Your copy.** `make lab` opened a copy of your own, so write in it freely. `course progress`
#   lists what you have predicted and solved, in all lessons. `course reset 00` lays a fresh copy of
#   this one and keeps yours under another name. (Both commands are in `.venv/bin`.)

# %% [markdown]
# ## Your turn
#
# ### Exercise 0.1 - decades_lost (3 points)
#
# *About 8 minutes, easy.*
#
# Write `decades_lost(first, last)`: how many powers of ten the gradient loses from the last layer
# to the first. Both arguments are positive floats, the gradient norms of layer 1 and of the last
# layer. Return a float: positive when the gradient shrinks towards the input, negative when it
# grows, 0 when it stays. A gradient that vanishes earns 2 points, one that stays or grows 1 point.
#
# <details><summary>Hint</summary>From 1 at the last layer to 0.01 at the first, two decades are
# lost. Which function makes 2 of 100?</details>
# <details><summary>More help</summary>A logarithm of base 10 (<code>math.log10</code>), of a ratio.
# Which of the two norms goes on top, if a smaller first one must give a positive
# number?</details>


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
# ### Exercise 0.2 - my_cure (open)
#
# *About 10 minutes, medium.*
#
# An open exercise has many right answers and no points: the check says which conditions hold, and
# what it measured. Find a third cure. Write `my_cure(dead)`: it gets the setting of the dead
# network and returns a changed one, a `models.Setting`.
#
# * Depth, width and the sigmoid stay, and `norm` is not `"batch"`: change other fields.
# * Between the last layer and the first, less than 2 decades are lost or gained (at seed 0).
# * After 200 steps of SGD at a rate of 0.05, the network reads more than 30 % of the test pictures,
#   three times as many as by guessing.
#
# `help(models.Setting)`, in a new cell, explains all fields.
#
# <details><summary>Hint</summary>Look at the rows of the table that were not in use. If the last
# condition fails alone, the gradient is level and the network does not learn all the same: another
# field may do better.</details>
# <details><summary>More help</summary><code>print(models.RESIDUALS)</code> shows the ways in which
# a layer can be skipped. On a skip the gradient meets neither weights nor sigmoid.</details>


# %% tags=["exercise"]
def my_cure(dead: models.Setting) -> models.Setting:
    """Setting of a sigmoid network of the same depth and width that learns."""
    ### BEGIN SOLUTION
    return replace(dead, residual="pre-act")
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_cure)

# %% [markdown] tags=["solution"]
# Skips lead the gradient around weights and sigmoids, which go on taking what they take. Seventeen
# times larger weights (`gain=17`) make the gradient level, too, but the network then fails the last
# condition: a level gradient is not all.

# %% [markdown]
# ## The claims, one by one
#
# The course tests what [five widely read articles](../docs/sources.md) say. We call them *the
# answer*, *the study notes*, *the entry* (of an encyclopaedia), *the blog post* and *the chapter*.
# Each lesson ends with such a table.
#
# | claim | who says so | verdict | measured here |
# |---|---|---|---|
# | the sigmoid's slope is small | the answer, the blog post | true, not the whole | 17.7 decades |
# | poor weights are a cause | the study notes, the entry, the chapter | true | 7.0 decades |
# | more layers, more loss | the blog post, the entry | unless cured | 24.7; revived 0.75 |
#
# ## What this does not show
#
# One data set, one width, one learning rate, and a network built to fail. That the revived network
# learns does not prove that its level gradient is the reason; the next lessons separate causes from
# company. And a level gradient at the start promises nothing about the end of training.
#
# ## Summary
#
# * A 30-layer sigmoid network with PyTorch's weights loses about 25 decades of gradient between the
#   last layer and the first, and stays at the loss of guessing, 2.30.
# * One line says what took them: 17.7 the slopes, 7.0 the weights. One line, tanh with orthogonal
#   weights, leaves 0.75, and 200 steps then read more than nine digits in ten. Half of it leaves 18
#   or 7.
# * Predict before you measure, read the figure, and look for the ✓.
#
# ## References
#
# Hochreiter 1991, the diploma thesis that found the problem; Bengio, Simard and Frasconi 1994,
# [the first analysis in English](https://doi.org/10.1109/72.279181); Glorot and Bengio 2010,
# [why deep networks were hard to train](https://proceedings.mlr.press/v9/glorot10a.html); Saxe et
# al. 2014, [orthogonal weights](https://arxiv.org/abs/1312.6120); Ioffe and Szegedy 2015,
# [batch norm](https://arxiv.org/abs/1502.03167). The [five articles](../docs/sources.md).
#
# Next: [01 · Where does the gradient go?](01_theory.ipynb)

# %%
print(progress.summary())

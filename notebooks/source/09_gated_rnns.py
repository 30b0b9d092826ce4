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
# # 09 · What does a gate buy?
#
# You need [01](01_theory.ipynb); [08](08_residual_connections.ipynb) helps. Runs on a laptop CPU.
#
# **By the end you can**
#
# * predict from its weights how the gradient of a recurrent cell fades over 100 steps, and say why
#   PyTorch's default [LSTM](../docs/glossary.md#lstm) is hardly better than a plain cell;
# * open a [forget gate](../docs/glossary.md#gate), and know which of its two biases you set;
# * find the true end of a [padded](../docs/glossary.md#padding) sequence, and judge a forecast by a
#   baseline that costs nothing.

# %% tags=["setup"]
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils.rnn import pack_padded_sequence

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
pd.options.display.float_format = "{:.3g}".format  # three digits in every table
claims.published("09", seed=0, width=64, lag=100, draws=4, length=40, steps=500)

# %% tags=["parameters"]
seed = 0
width = 64
lag = 100
draws = 4
length = 40
steps = 500

# %% [markdown]
# ## As deep as the sequence is long
#
# A **recurrent network** reads a sequence step by step. It carries a vector along, its **state**
# $h$, and at each step makes a new state of the old one and the new input:
#
# $$h_t = \tanh(W h_{t-1} + U x_t + b).$$
#
# $W$, $U$ and $b$ are the same at every step. Here are 100 steps of PyTorch's `nn.RNN`, by hand.

# %%
torch.manual_seed(seed)
cell = nn.RNN(2, width, batch_first=True).double()
W, U = cell.weight_hh_l0.detach(), cell.weight_ih_l0.detach()
b = (cell.bias_ih_l0 + cell.bias_hh_l0).detach()

sequence = torch.randn(lag + 1, 2).double()  # (steps, features)
state, states = torch.zeros(width).double(), []
for x_t in sequence:
    state = torch.tanh(W @ state + U @ x_t + b)  # (units,)
    states.append(state)
last = torch.randn(width).double()  # some gradient at the last state
print(f"{len(states)} states of {len(state)} units")

# %% [markdown]
# Seen from the loss, each step is a layer, and all layers share one $W$. So the chain rule goes
# back step by step, through the [slope](../docs/glossary.md#slope) of tanh, which is $1-h^2$, and
# through $W$:
#
# $$\frac{\partial L}{\partial h_{t-1}} = W^\top\Bigl[(1-h_t^2)\odot
# \frac{\partial L}{\partial h_t}\Bigr].$$
#
# This is **[backpropagation through time](../docs/glossary.md#backpropagation-through-time)**: a
# product with one factor for each step back ([formulas](../docs/formulas.md#back-through-time)).
# How many steps back a state lies is its **[time lag](../docs/glossary.md#time-lag)**.
#
# **Predict.** In lesson 01 each step of such a network, at rest, left $\sqrt{1/3}=0.577$ of the
# gradient. How many [decades](../docs/glossary.md#decade) are lost over 100 steps?

# %%
guess = None
prediction = claims.predict("Decades that an RNN loses over 100 steps?", guess)

# %% [markdown]
# We start from a gradient at the last state, `last`, and write down its norm at each lag.

# %%
back, by_hand = last, []
for state in reversed(states):
    by_hand.append(back.norm().item())
    back = W.T @ ((1 - state**2) * back)
prediction.compare(math.log10(by_hand[0] / by_hand[-1]))
pd.DataFrame({"norm": by_hand}).rename_axis("time lag").iloc[:: max(1, lag // 4)]

# %% [markdown]
# Each step takes about the same factor, and more than 19 decades are gone. `probe.through_time`
# measures the same at every state of any network with one recurrent layer (first step first, so we
# turn it round). One cell says that both agree; from now on we import it.

# %%
reader = models.Recurrent(cell, nn.Identity())  # it hands out the last state
probed = probe.through_time(reader, sequence[None], last, lambda h, last: (h @ last).sum())
claims.claim("theirs agrees with ours", np.allclose(probed[::-1], by_hand, rtol=1e-9))
claims.claim("decades lost", math.log10(by_hand[0] / by_hand[-1]), between=(19, 29))

# %% [markdown]
# ### One number for a matrix
#
# A product of 100 equal matrices: what decides whether it grows? Drop the tanh for a moment. Then a
# gradient goes through $W^\top$ again and again, and in the end it lies along the directions in
# which $W$ is largest *again and again*. How much it changes there per step is the **[spectral
# radius](../docs/glossary.md#spectral-radius)**, the size of the largest eigenvalue. The largest
# [singular value](../docs/glossary.md#singular-value) says how much $W$ can stretch a vector
# *once*. We compare both with the factor per step that we measure, for random matrices with
# [a gain](../docs/glossary.md#gain) that we choose.

# %%
generator = torch.Generator().manual_seed(seed)
radii = pd.DataFrame(columns=["spectral radius", "largest singular value", "factor per step"])
for gain in (0.577, 0.9, 1.1):
    matrix = gain / math.sqrt(200) * torch.randn(200, 200, generator=generator).double()
    powers = [torch.linalg.matrix_power(matrix, count).norm() for count in (50, 150)]
    factor = (powers[1] / powers[0]) ** (1 / 100)
    sizes = [torch.linalg.eigvals(matrix).abs().max(), torch.linalg.matrix_norm(matrix, 2)]
    radii.loc[f"gain {gain}"] = [number.item() for number in (*sizes, factor)]
radii

# %% [markdown]
# The factor per step follows the spectral radius, and a random matrix has its gain as spectral
# radius. The largest singular value is about twice as large. Pascanu et al. (2013) proved that
# gradients vanish if it is below 1. That suffices, and it is far from needed: at a gain of 0.9 it
# is near 1.8, and the gradient vanishes all the same.

# %%
for name, row in radii.iterrows():
    ratio = row["factor per step"] / row["spectral radius"]
    claims.claim(f"{name}: factor over radius", ratio, about=1, within=0.03)
claims.claim("gain 0.9: radius", radii.loc["gain 0.9", "spectral radius"], about=0.9, within=0.1)
largest = radii.loc["gain 0.9", "largest singular value"]
claims.claim("gain 0.9: largest singular value", largest, about=1.8, within=0.08)

# %% [markdown]
# **Question.** A linear recurrent network has a largest singular value of 1.3 and a spectral radius
# of 0.8. What becomes of its gradient over 100 steps?
#
# <details><summary>It may grow: a matrix that can stretch a vector by 1.3 does it every
# step</summary>Not this: what is stretched once lies elsewhere afterwards, and is shrunk
# there.</details>
# <details><summary>It vanishes, by about 0.8 per step</summary>Right. Over many steps the spectral
# radius counts.</details>
# <details><summary>Nobody can say without the inputs</summary>Not this: without a tanh the inputs
# do not enter the product.</details>

# %% [markdown]
# ## Five cells, one picture
#
# `nn.RNN` draws $W$ as `nn.Linear` does, with a variance of 1/(3
# [fan_in](../docs/glossary.md#fan_in)): a gain, and so a spectral radius, of $\sqrt{1/3}=0.577$.
# The slope of tanh makes it a little less. The study notes recommend LSTM or
# [GRU](../docs/glossary.md#gru) cells: "They have gates to handle gradient flow."
#
# A **[gate](../docs/glossary.md#gate)** is a number between 0 and 1, a sigmoid of its own weighted
# sum, and something is multiplied by it. A GRU has one state, and its *update gate* says how much
# of it is kept and not replaced. The LSTM has a second state, the **cell** $c$, and three gates:
# the *forget gate* $f$ says how much of $c$ is kept, $i$ how much is let in, and $o$ how much is
# shown. One step, written out:


# %%
def lstm_step(x, h, c, lstm):
    """One step of an nn.LSTM: the new h, the new c, and the forget gate."""
    sums = x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
    i, f, g, o = sums.chunk(4, dim=-1)  # four sums for each unit, in this order
    f = torch.sigmoid(f)
    c = f * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c, f


def lstm_run(inputs, lstm):
    """All steps: the last h, and the forget gates of every step."""
    h = c = torch.zeros(len(inputs), lstm.hidden_size).double()
    forgets = []
    for x_t in inputs.unbind(dim=1):
        h, c, f = lstm_step(x_t, h, c, lstm)
        forgets.append(f)
    return h, torch.stack(forgets, dim=1)  # (batch, units) and (batch, steps, units)


# %%
inputs, targets = data.adding(lag + 1, seed).batch(64, seed)  # (sequences, steps, features)
lstm = models.build_recurrent(models.RecurrentSetting("lstm", width), 2, 1, seed).cell.double()
h, forgets = lstm_run(inputs.double(), lstm)
theirs, _ = lstm(inputs.double())
claims.claim("nn.LSTM returns the same", torch.allclose(theirs[:, -1], h))
claims.claim("mean forget gate", forgets.mean(), about=0.5, within=0.03)

# %% [markdown]
# Look at the line of $c$. It is a [skip](../docs/glossary.md#skip) with a factor: straight back
# along the cell, the derivative of one step is the forget gate, and over many steps a *product of
# forget gates*. PyTorch starts with gates near one half.
#
# **Predict.** How many decades of gradient does PyTorch's LSTM lose over 100 steps? (In an LSTM
# the gradient may also go through the weights, as in a plain cell.)

# %%
guess = None
prediction = claims.predict("Decades that an LSTM loses over 100 steps?", guess)

# %% [markdown]
# We ask five cells. Two are plain cells with other weights: an
# [orthogonal](../docs/glossary.md#orthogonal) matrix, whose eigenvalues all have size 1, and the
# **[IRNN](../docs/glossary.md#irnn)** of Le et al. (2015), which takes the identity for $W$ and
# ReLU for tanh. The inputs are pairs of numbers between 0 and 1. We measure the gradient at the
# state (of an LSTM at $h$ and $c$ together), and take the
# [geometric mean](../docs/glossary.md#geometric-mean) over four draws of the weights.

# %%
cells = {
    "RNN": models.RecurrentSetting("rnn", width),
    "RNN, orthogonal": models.RecurrentSetting("rnn", width, "orthogonal"),
    "IRNN": models.RecurrentSetting("rnn", width, "identity"),
    "GRU": models.RecurrentSetting("gru", width),
    "LSTM": models.RecurrentSetting("lstm", width),
}


def by_lag(setting):
    """Gradient norm at each time lag over that at lag 0, geometric mean over draws."""
    logs = []
    for draw in range(draws):
        net = models.build_recurrent(setting, 2, 1, 1000 * seed + draw)
        norms = probe.through_time(net, inputs, targets, mse_loss)[::-1]
        logs.append(np.log(norms / norms[0]))
    return np.exp(np.mean(logs, axis=0))


# %%
faded = {name: by_lag(setting) for name, setting in cells.items()}
prediction.compare(-math.log10(faded["LSTM"][-1]))

# %%
lags = np.arange(lag + 1)
lines = {name: models.predicted_through_time(cells[name], inputs)[::-1] for name in cells}
words = {"xlabel": "time lag (steps back from the last)", "yscale": "log"}
words["ylabel"] = "gradient norm at the state, relative"
ax = plots.curves(faded, lines, x=lags, **words, title="A gate alone changes little")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Lag 0, on the left, is the last state; the gradient flows to the right.
# Dashed lines are theory for a wide cell, from the weights alone. Three cells lose about 20 decades
# or more: plain RNN, GRU and LSTM. Gates are there, and they help little. Two cells lose less than
# two decades, and have no gate at all: the IRNN and the orthogonal one.


# %%
def per_step(profile):
    """Geometric mean of what one step back does to the norm."""
    return (profile[-1] / profile[0]) ** (1 / (len(profile) - 1))


expected = {"RNN": 0.567, "RNN, orthogonal": 0.974, "IRNN": 0.997, "GRU": 0.634, "LSTM": 0.628}
for name, factor in expected.items():
    claims.claim(f"{name}: theory, per step", per_step(lines[name]), about=factor, within=0.01)
    claims.claim(f"{name}: measured", per_step(faded[name]), about=factor, within=0.08)
least = min(-math.log10(faded[name][-1]) for name in ("RNN", "GRU", "LSTM"))
claims.claim("RNN, GRU, LSTM: fewest decades lost", least, between=(18, 22))
most = max(-math.log10(faded[name][-1]) for name in ("RNN, orthogonal", "IRNN"))
claims.claim("the other two: most decades lost", most, below=2)

# %% [markdown]
# Why does the LSTM keep more than $0.5^{100}$, which would be 30 decades? Each step has two ways
# back: along the cell, times $f=\tfrac12$, or out through $h$ and in again through the recurrent
# weights. That multiplies by the output gate, $\tfrac12$, and the input gate, $\tfrac12$, and by
# the weights, $\sqrt{1/3}$: together $s=0.144$. Over $k$ steps there are $\binom kj$
# [paths](../docs/glossary.md#path) that take the second way $j$ times. All use the same $W$, so
# those of one $j$ add up in full; those of different $j$ are at right angles in a wide cell, and
#
# $$\|g_k\|^2 \approx \sum_j \Bigl[\tbinom kj f^{k-j} s^{j}\Bigr]^2,$$
#
# which settles at $f + s = 0.644$ per step ([formulas](../docs/formulas.md#paths-through-time)).
# If each step had weights of its own, as the blocks of lesson 08, all squares would add:
# $\sqrt{f^2+s^2} = 0.52$ per step.

# %%
paths = theory.lag_profile(0.5, 0.144, steps=1001)
claims.claim("s", 0.25 * math.sqrt(1 / 3), about=0.144, within=0.005)
claims.claim("the sum, at step 1,000", paths[1000] / paths[999], about=0.644, within=0.001)
claims.claim("weights of their own", math.hypot(0.5, 0.144), about=0.52, within=0.001)
late = per_step(faded["LSTM"][lag // 2 :])
claims.claim("measured, later half, per step", late, about=0.644, within=0.05)

# %% [markdown]
# ## Two biases, one gate
#
# So open the gate. A forget gate of $f$ leaves $f^k$ after $k$ steps. The gate is $\sigma(\ldots +
# \text{bias})$, and a **[forget bias](../docs/glossary.md#forget-bias)** of 1 is the usual advice
# (Gers et al. 2000; Jozefowicz et al. 2015): $\sigma(1) = 0.73$ in place of $0.5$.
#
# In PyTorch there is a trap. `nn.LSTM` has *two* vectors of biases, `bias_ih` and `bias_hh`, and
# adds them. Each holds four blocks: input, forget, candidate, output. Whoever fills the forget
# block of one of them with ones adds what PyTorch drew for the other; whoever fills both gets 2.
#
# **Predict.** You set the forget block of *both* to 1. Which share of the cell is left after 50
# steps along the cell alone?

# %%
guess = None
prediction = claims.predict("Share of the cell kept over 50 steps, 1 + 1?", guess)


# %%
def opened(**biases):
    """An LSTM with the forget blocks of these biases filled with these numbers."""
    lstm = models.build_recurrent(cells["LSTM"], 2, 1, seed).cell.double()
    for name, number in biases.items():  # blocks: input, forget, candidate, output
        getattr(lstm, f"{name}_l0").data[width : 2 * width] = number
    return lstm


kept, cases = {}, {"as drawn": {}, "1": {"bias_ih": 1}, "1 + 1": {"bias_ih": 1, "bias_hh": 1}}
for name, biases in {**cases, "3 + 0": {"bias_ih": 3, "bias_hh": 0}}.items():
    _, forgets = lstm_run(inputs[:, :50].double(), opened(**biases))
    kept[name] = forgets.prod(dim=1).log().mean().exp().item()  # steps multiply; units: geometric
prediction.compare(kept["1 + 1"], digits=1)

# %%
pd.DataFrame({"mean gate": {name: share ** (1 / 50) for name, share in kept.items()}, "kept": kept})

# %% [markdown]
# The product of forget gates goes from nothing to a tenth in three steps of the bias: $0.5^{50}$,
# $0.73^{50}$, $0.88^{50}$, $0.95^{50}$. One and the same line of advice gives $10^{-7}$ or
# $2\cdot10^{-3}$, and it depends on how many of the two biases you set. (Keras has one bias and
# sets it to 1 by itself.)

# %%
for name, gate in {"as drawn": 0.5, "1": 0.731, "1 + 1": 0.881, "3 + 0": 0.953}.items():
    claims.claim(f"bias {name}: mean gate", kept[name] ** (1 / 50), about=gate, within=0.03)
claims.claim("bias 1 + 1: kept", kept["1 + 1"], about=1.7e-3, factor=1.5, digits=1)

# %% [markdown]
# Which bias does a lag of $T$ need? Along the cell a memory fades like $f^k$, and so it lasts about
# $1/(1-f)$ steps, which is $1 + e^{\text{bias}}$. For $T$ steps take a bias of $\ln(T-1)$. If
# nobody knows the lag, spread: **[chrono](../docs/glossary.md#chrono-initialisation)**
# initialisation (Tallec and Ollivier 2018) draws for each unit a time between 1 and $T-1$, takes
# its logarithm as forget bias, and the opposite as the bias of the input gate
# ([formulas](../docs/formulas.md#the-memory-of-a-gate)).

# %%
opening, foretold = {"default": faded["LSTM"]}, {"default": lines["LSTM"]}
biases = {"bias 1": 1.0, "bias 2": 2.0, "bias 3": 3.0}
starts = {name: replace(cells["LSTM"], forget_bias=bias) for name, bias in biases.items()}
starts["chrono"] = replace(cells["LSTM"], forget_bias="chrono", longest=lag)
for name, setting in starts.items():
    opening[name] = by_lag(setting)
    foretold[name] = models.predicted_through_time(setting, inputs)[::-1]

# %%
ax = plots.curves(opening, foretold, x=lags, **words, title="An LSTM, by its forget bias")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** From the default to a bias of 3 the same LSTM goes from 20 decades lost to
# none. At 3 the gradient even rises at the end: the two ways back, $0.95 + 0.14$, add up to more
# than 1. (Theory lies a little below the points there.) Chrono loses one decade.

# %%
rates = {"default": 0.63, "bias 1": 0.85, "bias 2": 0.968, "bias 3": 1.0, "chrono": 0.978}
for name, rate in rates.items():
    claims.claim(f"{name}: factor per step", per_step(opening[name]), about=rate, within=0.03)
claims.claim("bias 3: later half, per step", per_step(opening["bias 3"][lag // 2 :]), above=1.005)
claims.claim("chrono: decades lost", -math.log10(opening["chrono"][-1]), between=(0.7, 1.3))

# %% [markdown]
# ### Can it explode?
#
# The chapter counts LSTMs and GRUs among the remedies for *exploding* gradients. Forget gates are
# below 1, so the cell by itself cannot explode. The other way back can. We multiply the recurrent
# weights.

# %%
loud = pd.DataFrame(columns=["factor per step", "after the whole lag"])
for gain in (5.0, 10.0, 20.0):
    profile = by_lag(replace(cells["LSTM"], gain=gain))
    loud.loc[f"weights times {gain:g}"] = [per_step(profile), profile[-1]]
loud

# %% [markdown]
# Ten times the weights, and each step multiplies by about 1.2. An LSTM can explode, and
# Sutskever et al. (2014) *clip* the gradient of theirs. Training may lead a network there; lesson
# 10 is about that.

# %%
factors = loud["factor per step"]
claims.claim("times 10: factor per step", factors["weights times 10"], between=(1.15, 1.3))
claims.claim("times 20: factor per step", factors["weights times 20"], above=1.5)

# %% [markdown]
# **Question.** You fill `bias_ih` of the forget gate with 1 and leave `bias_hh` as it is drawn,
# near 0. About how much does the cell keep in 10 steps?
#
# <details><summary>0.04</summary>Right. A gate of 0.73 to the power of 10.</details>
# <details><summary>0.28</summary>Not this: that is a gate of 0.88, which needs a sum of
# 2.</details>
# <details><summary>All of it: a forget gate of 1 keeps everything</summary>Not this: 1 is the bias;
# the gate is its sigmoid.</details>
# <details><summary>0.001</summary>Not this: that would be a gate of one half, without the
# bias.</details>

# %% [markdown]
# ### Exercise 9.1 - cell_gradient (5 points)
#
# *About 14 minutes, medium.*
#
# Gates change from step to step. `cell_gradient(forgets)` gets the forget gates of an LSTM, a
# tensor of shape (steps, units): row 0 is $f_1$, used when $c_1$ was made of $c_0$, and the last
# row is $f_T$. It returns a tensor of the same shape: row 0 is $\partial c_T/\partial c_1$ along
# the cell, unit by unit, row 1 is $\partial c_T/\partial c_2$, and the last row is $\partial
# c_T/\partial c_T = 1$. Gates that stay 2 points, gates that change 3.
#
# <details><summary>Hint</summary>Which gates act between the cell after step 1 and the last one?
# Not the first: it acted before.</details>
# <details><summary>More help</summary>Go backwards. Start with ones for the last row; the row
# before is that row times the gates of the last step, and so on.</details>


# %% tags=["exercise"]
def cell_gradient(forgets: torch.Tensor) -> torch.Tensor:
    """Derivative of the last cell by the cell after each step, along the cell."""
    ### BEGIN SOLUTION
    rows = torch.ones_like(forgets)
    for row in reversed(range(len(forgets) - 1)):
        rows[row] = rows[row + 1] * forgets[row + 1]
    return rows
    ### END SOLUTION


# %% tags=["check"]
exercises.check(cell_gradient)

# %% [markdown] tags=["solution"]
# Backpropagation through time in its simplest form: one factor per step, collected from the end.
# The first gate never enters, for it leads to $c_0$.

# %% [markdown]
# ## Does it matter? The adding problem
#
# A sequence of numbers between 0 and 1. Two of them carry a mark, one in each half; asked for,
# after the last step, is their sum (Hochreiter and Schmidhuber 1997). Who always says 1 has a mean
# squared error of 1/6. Here is the start of one sequence.

# %%
task = data.adding(length, seed)
best_guess = mse_loss(torch.ones_like(task.test_targets), task.test_targets)
claims.claim("error of who always says 1", best_guess, about=1 / 6, within=0.1)
example, _ = task.batch(1, seed)  # (1, 40, 2)
pd.DataFrame(example[0].numpy(), columns=["number", "mark"]).head(6).T

# %% [markdown]
# Four cells of 32 units, the same steps of Adam, one rate (about 20 seconds): a plain RNN; the
# orthogonal one, whose gradient arrives; a default GRU, whose gradient does not; and an LSTM with
# chrono biases.

# %%
rivals = {
    "RNN": models.RecurrentSetting("rnn", 32),
    "RNN, orthogonal": models.RecurrentSetting("rnn", 32, "orthogonal"),
    "GRU": models.RecurrentSetting("gru", 32),
    "LSTM, chrono": models.RecurrentSetting("lstm", 32, forget_bias="chrono", longest=length),
}
nets, runs, before, after = {}, {}, {}, {}
batch = task.batch(64, seed)
for name in train.each(rivals):
    nets[name] = models.build_recurrent(rivals[name], 2, 1, seed)
    before[name] = probe.through_time(nets[name], *batch, mse_loss)[::-1]
    recipe = train.Recipe("adam", 0.01, steps, batch_size=32)
    runs[name] = train.fit(nets[name], task, recipe, seed=seed, loss_fn=mse_loss)
    after[name] = probe.through_time(nets[name], *batch, mse_loss)[::-1]

# %%
smooth = {name: pd.Series(run.losses).rolling(20).mean() for name, run in runs.items()}
look = {"xlabel": "step", "ylabel": "mean squared error (mean of 20 steps)"}
ax = plots.curves(smooth, x=range(steps), **look, title="Two with gates, two without")
ax.set_ylim(0, 0.3)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** In under 100 steps all four say about 1 and have an error of 1/6. The
# cells with gates leave it and solve the task. The two without stay, for as long as we look; their
# lines nearly coincide.

# %%
errors = {}
for name, net in nets.items():
    with torch.no_grad():
        errors[name] = mse_loss(net(task.test_inputs), task.test_targets).item()
for name in ("GRU", "LSTM, chrono"):
    claims.claim(f"{name}: test error", errors[name], below=0.03, drifts=True)
for name in ("RNN", "RNN, orthogonal"):
    claims.claim(f"{name}: test error", errors[name], above=0.12, drifts=True)

# %% [markdown]
# Did the gradient at the start foretell it? Here is what arrives at the first step, relative to the
# last, before and after training.

# %% tags=["nbval-ignore-output"]
start = {name: norms[-1] / norms[0] for name, norms in before.items()}
end = {name: norms[-1] / norms[0] for name, norms in after.items()}
pd.DataFrame({"at the start": start, "after training": end, "test error": errors}).map(
    "{:.1e}".format
)

# %% [markdown]
# **No.** The orthogonal cell had more than a tenth of its gradient at the first step, and learnt
# nothing. The GRU had less than a millionth, and solved the task. Why may that be? A gradient that
# arrives does not yet tell the marked step from the others. And a gradient that is lost over 40
# steps is still there over five: what a gated cell learns there, to keep its state, opens the way
# further back. This is an explanation that we did not test. What we measured is that **the gradient
# at the start does not by itself predict success**, and that after training the gradient of both
# gated cells reaches the first step.

# %%
claims.claim("orthogonal, at the start", start["RNN, orthogonal"], above=0.1)
claims.claim("GRU, at the start", start["GRU"], below=1e-6)
for name in ("GRU", "LSTM, chrono"):
    claims.claim(f"{name}, after training", end[name], above=1e-3, drifts=True)

# %% [markdown]
# **Question.** Which of these told before training which cell would solve the task?
#
# <details><summary>How much gradient reached the first step</summary>Not this: the orthogonal cell
# had it and failed, the GRU had none to speak of and did not.</details>
# <details><summary>The factor per step</summary>Not this: it is the same number, shared out among
# the steps.</details>
# <details><summary>None of the gradients that we measured</summary>Right. They say what the first
# steps of training can see, and not what they will learn.</details>

# %% [markdown]
# ## Where does a sequence end?
#
# Now pictures: a digit is read row by row, eight steps of eight pixels. Is a gate of use here?

# %%
digits = data.digits(seed)


def by_rows(empty):
    """The digits as sequences of 8 rows, and as many empty rows after them."""
    parts = {part: getattr(digits, part) for part in ("train_targets", "test_targets")}
    for part in ("train_inputs", "test_inputs"):
        rows = getattr(digits, part).unflatten(1, (8, 8))  # (pictures, rows, pixels)
        parts[part] = nn.functional.pad(rows, (0, 0, 0, empty))  # (pictures, 8 + empty, pixels)
    return data.Split("digits by rows", **parts)


short, padded = by_rows(0), by_rows(40)


# %%
class ReadAt(nn.Module):
    """A recurrent network that reads the state after step number `end`, counted from 1."""

    def __init__(self, net, end):
        super().__init__()
        self.cell, self.readout, self.end = net.cell, net.readout, end

    def forward(self, inputs):
        states, _ = self.cell(inputs)  # (batch, steps, units)
        return self.readout(states[:, self.end - 1])


def fresh(end, cell="lstm"):
    net = models.build_recurrent(models.RecurrentSetting(cell, width), 8, 10, seed)
    return ReadAt(net, end)


# %%
recipe, reading = train.Recipe("adam", 0.005, 200), {}
for cell in train.each(("rnn", "lstm")):
    reading[cell] = train.fit(fresh(8, cell), short, recipe, seed=seed).test_accuracy
    claims.claim(f"{cell}, 8 rows: accuracy", reading[cell], above=0.88, drifts=True)

# %% [markdown]
# None: over eight steps the plain cell reads nine in ten and more as well. The trouble comes from
# elsewhere, from the *batch*.
#
# Sequences of unlike length go into one tensor only if the short ones are filled up, mostly with
# zeros: **padding**. Suppose that one sequence has 48 steps. Then every digit gets 40 rows of
# nothing. Whoever reads the state at the last step, `states[:, -1]`, as most examples do, reads it
# 40 steps after the digit has ended. What does the gradient do there?

# %%
some = padded.batch(64, seed)
norms = {"read after the padding": probe.through_time(fresh(48), *some, cross_entropy)}
norms["read at the true end"] = probe.through_time(fresh(8), *some, cross_entropy)

# %%
look = {"xlabel": "step", "ylabel": "gradient norm at the state", "yscale": "log"}
ax = plots.curves(norms, x=range(1, 49), **look, title="Eight rows of a digit, 40 of nothing")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** The digit is in steps 1 to 8, on the left. Read after the padding, the
# gradient has to come back through 40 empty steps, and eight decades are gone before it meets the
# digit. Read at the true end, step 8, it arrives in full; the padding after it gets exactly 0 (open
# triangles). Does it matter for learning?

# %%
lost = math.log10(norms["read at the true end"][7] / norms["read after the padding"][7])
claims.claim("decades that the padding costs at step 8", lost, between=(7, 9.5))
claims.claim(
    "gradient in the padding, read at 8", norms["read at the true end"][8:].max(), equals=0
)

# %%
for end in train.each((48, 8)):
    reading[end] = train.fit(fresh(end), padded, recipe, seed=seed).test_accuracy
claims.claim("read after the padding: accuracy", reading[48], below=0.3, drifts=True)
claims.claim("read at the true end: accuracy", reading[8], above=0.88, drifts=True)

# %% [markdown]
# Read after the padding, the LSTM guesses. The same start and the same tensor, read 40 steps
# earlier, and it reads as well as without padding. No loss curve would tell you why.
#
# If the lengths differ, each sequence has an end of its own. PyTorch's `pack_padded_sequence` takes
# the lengths and skips the padding, and the second thing that the cell returns is then the state at
# each true end. Here are four digits that we cut off after 3, 8, 5 and 1 rows.

# %%
lengths = torch.tensor([3, 8, 5, 1])
four = padded.batch(4, seed)[0]  # (4, 48, 8)
cell = fresh(48).cell
packed = pack_padded_sequence(four, lengths, batch_first=True, enforce_sorted=False)
_, (at_ends, _) = cell(packed)  # (1, 4, units): one layer
states, _ = cell(four)  # (4, 48, units)
by_hand = torch.stack([states[row, lengths[row] - 1] for row in range(4)])
claims.claim("packed: the states at the true ends", torch.allclose(at_ends[0], by_hand, atol=1e-5))

# %% [markdown]
# ### Exercise 9.2 - last_states (4 points)
#
# *About 11 minutes, easy.*
#
# Do it without packing. `last_states(states, lengths)` gets all states of a batch of padded
# sequences, of shape (batch, steps, units), and a list with the number of real steps of each, at
# least 1. It returns the states after the last real step, of shape (batch, units). Equal lengths
# 2 points, lengths of their own 2 points.
#
# <details><summary>Hint</summary>A sequence of length 1 ends at step 0.</details>
# <details><summary>More help</summary>A loop over the sequences will do:
# <code>states[row, lengths[row] - 1]</code>, then <code>torch.stack</code>. Without a loop, index
# both axes, with <code>torch.arange</code> for the first.</details>


# %% tags=["exercise"]
def last_states(states: torch.Tensor, lengths: list) -> torch.Tensor:
    """States at the true ends of padded sequences."""
    ### BEGIN SOLUTION
    rows = torch.arange(len(states))
    return states[rows, torch.tensor(lengths) - 1]
    ### END SOLUTION


# %% tags=["check"]
exercises.check(last_states)

# %% [markdown] tags=["solution"]
# Indexing with two tensors takes one place for each pair. `states[:, lengths - 1]` would read every
# sequence at every length.

# %% [markdown]
# ## A real series: sunspots
#
# The study notes name time series and language as the home of vanishing gradients. Is it so? First,
# the number of sunspots of each year since 1700. It rises and falls in about 11 years. From the
# last 24 years, what will the next year be? We learn from the years up to 1920 and forecast 1921 to
# 2008.
#
# Three rules keep such a test honest. **No leak**: mean and spread, by which the numbers are
# scaled, come from the years up to 1920. **[Rolling origin](../docs/glossary.md#rolling-origin)**:
# each forecast uses the true years before it and none after. **A baseline**:
# **[persistence](../docs/glossary.md#persistence)** says "next year as this year", and costs
# nothing.

# %%
spots = data.sunspots()
years = 1921 + np.arange(len(spots.test_targets))
truth = spots.test_targets[:, 0]
forecasts = {"persistence": spots.test_inputs[:, -1, 0]}  # the last year seen


def error(forecast):
    """Root of the mean square, in units of the spread of the years up to 1920."""
    return (forecast - truth).square().mean().sqrt().item()


print(spots, f"persistence is off by {error(forecasts['persistence']):.2f}", sep="\n")

# %% [markdown]
# Two cells of 16 units, three draws each, and their mean as the forecast. And one more rival: a
# straight line, fitted by least squares to the last nine years (Yule 1927 began it, with two).

# %%
for name in ("RNN", "LSTM"):
    answers = []
    for draw in train.each(range(3)):
        setting = models.RecurrentSetting(name.lower(), 16)
        net = models.build_recurrent(setting, 1, 1, 1000 * seed + draw)
        recipe = train.Recipe("adam", 0.01, 200, batch_size=32)
        train.fit(net, spots, recipe, seed=seed + draw, loss_fn=mse_loss)
        answers.append(net(spots.test_inputs)[:, 0].detach())
    forecasts[name] = torch.stack(answers).mean(dim=0)


# %% tags=["nbval-ignore-output"]
def last_nine(inputs):
    return nn.functional.pad(inputs[:, -9:, 0], (0, 1), value=1.0)  # (years, 9 and a constant)


weights = torch.linalg.lstsq(last_nine(spots.train_inputs), spots.train_targets).solution
forecasts["a line"] = (last_nine(spots.test_inputs) @ weights)[:, 0]
spot_errors = {name: error(forecast) for name, forecast in forecasts.items()}
pd.DataFrame({"error": spot_errors})

# %%
shown = {"sunspots": truth, "persistence": forecasts["persistence"], "LSTM": forecasts["LSTM"]}
look = {"xlabel": "year", "ylabel": "sunspots, scaled"}
plots.show(plots.curves(shown, x=years, **look, title="One year ahead"))

# %% [markdown]
# **Reading the figure.** Persistence is the truth, one year late: wrong on every slope. The LSTM
# sees the turns coming. At the highest peak, that of 1957, it has never met such a number: all that
# it learnt from is lower.
#
# The table is sobering, though. The cells beat persistence by far, and a line with ten numbers does
# about as well as they do. Nor does a gate buy anything here.

# %%
for name in ("RNN", "LSTM", "a line"):
    ratio = spot_errors[name] / spot_errors["persistence"]
    claims.claim(f"{name}: error over that of persistence", ratio, below=0.75, drifts=True)
for name in ("RNN", "LSTM"):
    ratio = spot_errors[name] / spot_errors["a line"]
    claims.claim(f"{name}: error over that of the line", ratio, between=(0.8, 1.25), drifts=True)
claims.claim("year of the highest peak", years[truth.argmax()], equals=1957)
claims.claim("it is higher than all that was learnt from", truth.max() > spots.train_targets.max())

# %% [markdown]
# ## A real text
#
# Then language, letter by letter. Python brings along the text of its own help. Here is how it
# begins.

# %% tags=["nbval-ignore-output"]
print(data.help_text()[:300])

# %% [markdown]
# The task: which character comes next? We count a loss in nats, the cross-entropy with natural
# logarithms. Two baselines: **[unigram](../docs/glossary.md#unigram-and-bigram)**, how often each
# character occurs, whatever came before; and **bigram**, how often each follows each. The last
# fifth of the text is kept for testing. (Your Python may have another text; so we compare with
# these two and quote no loss.)

# %% tags=["nbval-ignore-output"]
letters = data.characters(64)
symbols = letters.classes
pairs = torch.ones(symbols, symbols).double()  # one each, so that nothing is impossible
seen, following = letters.train_inputs.flatten(), letters.train_targets.flatten()
pairs.index_put_((seen, following), torch.ones(len(seen)).double(), accumulate=True)
seen, following = letters.test_inputs.flatten(), letters.test_targets.flatten()

unigram = pairs.sum(dim=0) / pairs.sum()
bigram = pairs / pairs.sum(dim=1, keepdim=True)
text_loss = {"unigram": -unigram[following].log().mean().item()}
text_loss["bigram"] = -bigram[seen, following].log().mean().item()
pd.DataFrame({"loss": text_loss})


# %%
class Writer(nn.Module):
    """A recurrent cell that reads characters and scores the next one at each step."""

    def __init__(self, cell):
        super().__init__()
        self.embedding, self.cell = nn.Embedding(symbols, 32), cell(32, 64, batch_first=True)
        self.readout = nn.Linear(64, symbols)

    def forward(self, characters):  # (windows, steps)
        states, _ = self.cell(self.embedding(characters))
        return self.readout(states)  # (windows, steps, symbols)


def every_step(scores, following):
    return cross_entropy(scores.mT, following)  # classes on the second axis


# %% [markdown]
# A `Writer` turns each character into 32 learnt numbers (an *embedding*), reads them with a
# recurrent cell, and at each step gives each possible next character a score. A plain RNN and an
# LSTM learn for 150 steps (about 10 seconds).

# %%
writers, recipe = {}, train.Recipe("adam", 0.01, 150, batch_size=32)
for name, cell in train.each({"RNN": nn.RNN, "LSTM": nn.LSTM}.items()):
    torch.manual_seed(seed)
    writers[name] = Writer(cell)
    train.fit(writers[name], letters, recipe, seed=seed, loss_fn=every_step)
    with torch.no_grad():
        scores = writers[name](letters.test_inputs[:500])
    text_loss[name] = every_step(scores, letters.test_targets[:500]).item()

# %%
look = {"ylabel": "loss (nats per character)", "numbers": ".2f"}
plots.show(plots.bars(text_loss, **look, title="Next character"))

# %% [markdown]
# **Reading the figure.** Knowing one character helps a lot, and 150 steps of training get both
# cells well below that. The plain RNN is as good as the LSTM.
#
# How far back do they look? We ask both trained networks for the gradient of the loss at the last
# character alone, at each lag.


# %%
class Tail(nn.Module):
    """The rest of a Writer, behind its embedding."""

    def __init__(self, writer):
        super().__init__()
        self.cell, self.readout = writer.cell, writer.readout

    def forward(self, embedded):
        return self.readout(self.cell(embedded)[0][:, -1])


reach = {}
for name, writer in writers.items():
    embedded = writer.embedding(letters.test_inputs[:128]).detach()
    last_letter = letters.test_targets[:128, -1]
    norms = probe.through_time(Tail(writer), embedded, last_letter, cross_entropy)[::-1]
    reach[name] = norms / norms[0]
look = {"xlabel": "time lag (characters)", "ylabel": "gradient norm, relative", "yscale": "log"}
plots.show(plots.curves(reach, x=range(64), **look, title="How far back a trained cell looks"))

# %% [markdown]
# **Reading the figure.** Twenty characters back, less than a tenth of the gradient is left in
# either cell: so far training has found use for a word or two. Further back the LSTM keeps more.
# That is what its gate has bought up to now, and the loss does not show it yet.

# %%
for name in ("RNN", "LSTM"):
    ratio = text_loss[name] / text_loss["bigram"]
    claims.claim(f"{name}: loss over bigram", ratio, below=0.9, drifts=True)
    claims.claim(f"{name}: left after 20 characters", reach[name][20], below=0.1, drifts=True)
ratio = text_loss["RNN"] / text_loss["LSTM"]
claims.claim("loss: RNN over LSTM", ratio, between=(0.9, 1.1), drifts=True)
ratio = reach["LSTM"][-1] / reach["RNN"][-1]
claims.claim("63 characters back: LSTM over RNN", ratio, above=100, drifts=True)
ratio = text_loss["bigram"] / text_loss["unigram"]
claims.claim("bigram over unigram", ratio, below=0.85, drifts=True)

# %% [markdown]
# ### Exercise 9.3 - my_lstm (open)
#
# *About 14 minutes, medium.*
#
# Build an LSTM that remembers. `my_lstm()` returns a `torch.nn.LSTM(2, 32, batch_first=True)`,
# started your way: one forget bias, many, other weights. The check feeds it random sequences and
# asks:
#
# * Over 100 steps, does the gradient at the cell change by at most a factor 10, up or down?
# * Does it still listen? If the inputs of the last ten steps are replaced, its last outputs must
#   change by 0.01 or more (root of the mean square).
#
# <details><summary>Hint</summary>Change weights within <code>with torch.no_grad():</code>. The
# forget block of a bias is <code>[32:64]</code>, and there are two biases.</details>
# <details><summary>More help</summary>A gate of 0.98 leaves 0.13 of 100 steps. Which bias has a
# gate above that? And why not a bias of 100 with the input gate shut?</details>


# %% tags=["exercise"]
def my_lstm() -> nn.LSTM:
    """An LSTM whose gradient survives 100 steps."""
    ### BEGIN SOLUTION
    cell = torch.nn.LSTM(2, 32, batch_first=True)
    with torch.no_grad():
        cell.bias_ih_l0[32:64] = 5.0
        cell.bias_hh_l0[32:64] = 0.0
    return cell
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_lstm)

# %% [markdown] tags=["solution"]
# One of many: a gate of 0.9933 leaves 0.51 of 100 steps, and some gradient comes through the
# weights on top. Chrono biases for a far longer lag, or a recurrent matrix of zeros, do as well.

# %% [markdown]
# ## The claims, one by one
#
# | claim | who | verdict | measured here |
# |---|---|---|---|
# | vanish in recurrent networks | answer, study notes | true by default | 20 decades in 100 steps |
# | gates "to handle gradient flow" | study notes | if the gate is open | 0.63; 0.97 per step |
# | LSTMs and GRUs against exploding | chapter | false | weights times 10: 1.2 per step |
# | LSTMs fix long sequences | study notes | adding problem: true | gated cells solve it |
# | time series, NLP suffer | study notes | not these two | a plain RNN does as well |
#
# ## What this does not show
#
# One rate, one optimizer, small cells, short trainings. A plain RNN with another rate and more time
# may solve the adding problem; longer trainings and texts may well separate the cells. Theory is
# for wide cells at the start, on inputs that say nothing.
#
# ## Summary
#
# * Over 100 steps the default RNN, GRU and LSTM lose about 20 decades or more: about 0.57, 0.63 and
#   0.63 per step. An orthogonal RNN and an IRNN lose less than two.
# * PyTorch adds two forget biases. One set to 1 makes 0.85 per step, both 0.97, a sum of 3 about 1.
#   Weights times 10 explode, at 1.2 per step. The gradient at the start did not tell who would
#   learn.
# * Read after 40 steps of padding, 8 decades were lost and the network guessed. Sunspots: far
#   better than persistence, and no better than a line.
#
# ## References
#
# [Hochreiter and Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735);
# [Gers et al. 2000](https://doi.org/10.1162/089976600300015015);
# [Pascanu et al. 2013](https://arxiv.org/abs/1211.5063);
# [Cho et al. 2014](https://arxiv.org/abs/1406.1078);
# [Sutskever et al. 2014](https://arxiv.org/abs/1409.3215);
# [Le et al. 2015](https://arxiv.org/abs/1504.00941);
# [Jozefowicz et al. 2015](https://proceedings.mlr.press/v37/jozefowicz15.html);
# [Tallec and Ollivier 2018](https://arxiv.org/abs/1804.11188);
# [Weigend et al. 1990](https://doi.org/10.1142/S0129065790000102);
# Yule 1927, on [sunspots](https://doi.org/10.1098/rsta.1927.0007); the answer, the study notes and
# the chapter among the [five articles](../docs/sources.md).
#
# Next: lesson 10, what about the twin? More of this: the experiment
# [time_lag](experiments/time_lag.ipynb).

# %%
print(progress.summary())

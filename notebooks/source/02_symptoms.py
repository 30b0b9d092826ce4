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
# * tell a meter that reads zero from a gradient that is zero;
# * show which layers of a network moved, to the last bit, and say why Adam turns that picture
#   round;
# * take four flat loss curves apart with one backward pass each, before training.

# %% tags=["setup"]
import numpy as np
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
# ## First, the meter
#
# Five widely read articles (000 to 004 in this course) list symptoms of a vanishing gradient: a
# flat loss, weights that stop moving, constant output, tiny norms. We test them one by one. Most
# are true, several only under SGD, and the only published measurement shows less than it seems to.
#
# But a symptom is a reading, and a reading needs a meter. Most people use `weight.grad.norm()`. We
# point it at two networks: a *quiet* one, 30 sigmoid layers as PyTorch draws them, and a *loud*
# one, 24 ReLU layers whose weights are eight times He's.
#
# **Predict.** In the quiet network the meter reads exactly 0 at layer 1, the layer nearest the
# input. Which share of the 4,096 entries of that gradient is 0? Write a number from 0 to 1.

# %%
guess = None
prediction = claims.predict("Share of entries that are 0?", guess)

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(64, seed)
quiet = models.Setting(30, 64, "sigmoid")
loud = models.Setting(24, 64, "relu", "he", gain=8.0)
nets = [models.build(s, digits.features, digits.classes, seed) for s in (quiet, loud)]
flows = [probe.record(net, inputs, targets, cross_entropy) for net in nets]
untouched = nets[0][0].weight.grad is None
for net in nets:
    cross_entropy(net(inputs), targets).backward()
tiny, huge = (net[0].weight.grad for net in nets)
prediction.compare((tiny == 0).double().mean())
claims.claim("quiet, 0 only at blank pixels", ((tiny == 0) == (inputs == 0).all(dim=0)).all())
claims.claim("quiet, largest entry", tiny.abs().max(), about=3e-26, factor=4)
claims.claim("quiet, norm in float32", tiny.norm(), equals=0)
claims.claim("quiet, norm by the probe", flows[0].weight_grad_norms[0], about=3e-25, factor=3)
claims.claim("loud, norm in float32", huge.norm(), equals=float("inf"))
claims.claim("loud, norm by the probe", flows[1].weight_grad_norms[0], about=1e21, factor=3)
claims.claim("the probe left no gradient behind", untouched)
nn.utils.clip_grad_norm_(nets[1].parameters(), max_norm=1.0)
claims.claim("loud, largest entry after clipping to norm 1", huge.abs().max(), equals=0)

# %% [markdown]
# **Reading the numbers.** The gradient was there: its only zeros belong to the few pixels that are
# blank in every picture. What vanished is the *square*. A norm squares each entry first, float32
# ends near $10^{-45}$, and the square of $10^{-26}$ is $10^{-52}$. In the loud network the squares
# overflow: every entry is a decent number, the norm is `inf`, and clipping to norm 1 divides by it
# and turns the whole step into zeros without a word (`error_if_nonfinite=True` makes it speak up).
#
# So `probe.record` works in float64, scales before it squares, and does both on a copy, because a
# meter must not change the patient. In your own code,
# `torch.linalg.vector_norm(g, dtype=torch.float64)` is the short way out for float32 gradients.
#
# ### Exercise 2.1 - safe_norm (5 points)
#
# Write `safe_norm(values)`: the L2 norm of a float32 or float64 tensor of any shape, as a Python
# float in the units of the entries. Ordinary values earn 1 point, entries whose squares leave
# float32 2 points, entries whose squares leave even float64 (such as `1e-200`) 2 points. A tensor
# of zeros has norm 0.
#
# <details><summary>Hint</summary>Twice the entries, twice the norm. So you may bring the entries to
# a size that is safe to square and undo it at the end. Mind the tensor of zeros.</details>


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
# Now the classic sign. Article 004 advises a plot of the weight updates by layer: early layers
# barely change while later ones update normally. Articles 000, 002 and 003 agree that the early
# layers learn very slowly or not at all; article 001 says it of "shallow layers". (A shallow
# *network* is something else. We say: layers near the input.)
#
# The plot needs one number a layer, the change of its matrix relative to its size,
#
# $$\|W_l^{\text{after}}-W_l^{\text{before}}\| \,/\, \|W_l^{\text{before}}\|.$$
#
# We train sigmoid networks with 3 and with 10 hidden layers for 100 steps, with SGD and with Adam.
#
# **Predict.** 3 hidden layers, Adam: how many times as much as the first layer does the *last* one
# change, each relative to its size?

# %%
guess = None
prediction = claims.predict("Last layer over first, Adam?", guess)


# %%
def trained(hidden, optimizer, rate, steps=steps):
    """Train a sigmoid network; return its matrices before and after, and its accuracy."""
    setting = models.Setting(hidden + 1, width, "sigmoid")
    net = models.build(setting, digits.features, digits.classes, seed)
    matrices = [layer.weight for layer in net if isinstance(layer, nn.Linear)]
    before = [matrix.detach().clone() for matrix in matrices]
    history = train.fit(net, digits, optimizer(net.parameters(), lr=rate), steps=steps, seed=seed)
    return before, [matrix.detach() for matrix in matrices], history.test_accuracy


def relative_change(before, after):
    """Norm of each change over the norm before it, layer 1 first."""
    return [((b - a).norm() / a.norm()).item() for a, b in zip(before, after, strict=True)]


methods = {"SGD": (torch.optim.SGD, 0.01), "Adam": (torch.optim.Adam, 0.001)}
pairs = [(n, name) for n in (3, 10) for name in methods]
runs = {f"{name}, {n} hidden": trained(n, *methods[name]) for n, name in train.each(pairs)}

# %%
changes = {name: relative_change(*run[:2]) for name, run in runs.items()}
sgd3, adam3, _, adam10 = changes.values()
prediction.compare(round(adam3[-1] / adam3[0], 1))
ax = plots.layer_profile(
    changes,
    float32_zone=False,
    ylabel="relative change in 100 steps",
    title="SGD shows the symptom, Adam turns it round",
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** Blue circles: the textbook case, two decades from the last layer to the
# first. Orange squares: *the same network under Adam*, already learning, and the slope has turned
# round, so that the first layers change most. Green diamonds: with 10 hidden layers under SGD the
# change falls far below anything useful. Pink triangles: that network under Adam looks fine in the
# middle and sags at the first layers. It is as sick as the green one, and both stay at chance. So
# under Adam the plot that article 004 recommends can look healthy in a network that does not learn.
#
# And "weights stop updating" (article 001), is that meant literally? A float32 number has 24
# binary digits. A change of less than one part in $2^{25}$ is rounded away, and the weight stays
# what it was, bit by bit. So compare bits.

# %%
claims.claim("SGD, 3: last over first", sgd3[-1] / sgd3[0], about=100, factor=2.5, drifts=True)
claims.claim("Adam, 3: last over first", adam3[-1] / adam3[0], below=0.4, drifts=True)
claims.claim("Adam, 10: last over first", adam10[-1] / adam10[0], above=4, drifts=True)
for name, low, high in (("Adam, 3", 0.3, 0.8), ("SGD, 10", 0.0, 0.2), ("Adam, 10", 0.0, 0.2)):
    accuracy = runs[f"{name} hidden"][2]
    claims.claim(f"{name} hidden: test accuracy", accuracy, between=(low, high), drifts=True)


# %%
def still(before, after, _accuracy):
    """Share of the entries of layer 1 that are the same in all 32 bits."""
    return 1 - before[0].view(torch.int32).ne(after[0].view(torch.int32)).double().mean().item()


fresh = models.build(models.Setting(11, width, "sigmoid"), digits.features, digits.classes, seed)
sunk = probe.record(fresh, inputs, targets, cross_entropy)
step = 0.01 * sunk.grad_to_weight[0]
longer = trained(10, *methods["SGD"], steps=5 * steps)
half = models.build(models.Setting(6, 64, "relu", "he"), digits.features, digits.classes, seed)
last_only = torch.optim.SGD(half[-1].parameters(), lr=0.1)
frozen = train.fit(half, digits, last_only, steps=300, seed=seed)
claims.claim("10 hidden, layer 1: relative change in one SGD step", step, about=6e-12, factor=4)
claims.claim("it is rounded away", step < 2**-25)
entry = sunk.weight_grad_norms[0] / fresh[0].weight.numel() ** 0.5
claims.claim("typical entry of the gradient there", entry, about=5e-11, factor=4)
claims.claim("SGD: layer 1 unmoved", still(*runs["SGD, 10 hidden"]), above=0.999, drifts=True)
claims.claim("after five times as many steps", still(*longer), above=0.998, drifts=True)
claims.claim("Adam: layer 1 unmoved", still(*runs["Adam, 10 hidden"]), below=0.07, drifts=True)
claims.claim("healthy ReLU, first five layers frozen", frozen.test_accuracy, above=0.4, drifts=True)

# %% [markdown]
# It is literally true. After 100 steps more than 99.9 % of the first matrix is what it was, to the
# last bit; after 500 steps more than 99.8 %. "No matter how many epochs" (article 004) is no
# exaggeration *here*: a step that is rounded away can be repeated for ever. The few entries that
# did move are so tiny that even this change counts. Under Adam all of them move, except the weights
# of blank pixels, and nothing is gained by it.
#
# Are layers that do not move a death sentence, then? For the last claim we froze five of the six
# layers of a *healthy* network. The sixth, fed with random features, still gets more than 40 %
# right, four times chance. "Final accuracy remains low" (article 001) takes more than layers that
# stand still; we come back to it.
#
# ### Exercise 2.2 - unchanged_share (3 points)
#
# Write the meter for tensors of any shape: `unchanged_share(before, after)` returns the share of
# entries, from 0 to 1, that are exactly the same. Plain changes earn 1 point, changes in the last
# bit 2 points.
#
# <details><summary>Hint</summary>A tolerance would forgive just what you want to catch. And count
# entries, not rows.</details>


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
# Article 002, a documentation page, is the only one that measures. Its program builds a sigmoid
# network (100 inputs, three hidden layers of 128, 10 classes) and a ReLU twin, sends 32 random
# inputs with random labels through both, and prints the norm of the first weight gradient: 0.004324
# and 0.118170. It sets no seed. Were these numbers ordinary? Below is the same program in short,
# with the same order of random draws, run for a hundred seeds.
#
# Lesson 01 gave a warning about weight gradients. So we also weigh the deltas of the ReLU twin, the
# article's cure, next to its weight gradients (geometric means over 20 of the seeds).


# %%
def article_002(seed):
    """Draw the data, then both networks, from one stream; run both backward passes."""
    torch.manual_seed(seed)
    x, y = torch.randn(32, 100), torch.randint(0, 10, (32,))
    nets = []
    for phi in (nn.Sigmoid, nn.ReLU):
        hidden = [part for n in (100, 128, 128) for part in (nn.Linear(n, 128), phi())]
        nets.append(nn.Sequential(*hidden, nn.Linear(128, 10)))
        nn.CrossEntropyLoss()(nets[-1](x), y).backward()
    return x, y, *nets


cases = [article_002(draws * seed + draw) for draw in range(draws)]
norms = {
    name: np.array([case[place][0].weight.grad.norm().item() for case in cases])
    for name, place in (("sigmoid", 2), ("ReLU", 3))
}

# %%
published = {"sigmoid": 0.004324, "ReLU": 0.118170}
xlabel = "norm of the first weight gradient"
ax = plots.distribution(norms, published, xlabel=xlabel, title="Two ordinary draws")
plots.show(ax)

flows = [probe.record(relu, x, y, cross_entropy) for x, y, _, relu in cases[:20]]
delta = np.exp(np.log([flow.delta_norms for flow in flows]).mean(axis=0))
weight = np.exp(np.log([flow.weight_grad_norms for flow in flows]).mean(axis=0))
line = delta[-1] * 6.0 ** np.array([-1.5, -1.0, -0.5, 0.0])
cure = {"weight gradient": weight, "delta": delta}
ax = plots.layer_profile(cure, {"delta": line}, ylabel="norm", title="The ReLU twin, weighed twice")
plots.show(ax)

# %% [markdown]
# **Reading the figures.** First: both published numbers are ordinary draws, well inside their
# histograms, with a ratio near 25 between the two networks. The next reader will get other digits.
# A single run is an anecdote, and a hundred are cheap.
#
# Second: the weight gradients of the ReLU twin are level, and it is easy to call the problem
# solved. But each delta is 0.41 times the one above it: $\sqrt{1/6}$, the $\sqrt\chi$ of ReLU at
# PyTorch's default. **The published cure vanishes, too.** The weight gradients hide it: each is a
# product of delta and activation, and the activations are largest near the input.
#
# The article goes on: a very small norm suggests negligible updates. Does it? Let each network take
# *one* step, with SGD and with Adam, and see how far its first layer moves. (`probe.watch` is the
# grown-up twin of our `relative_change`, and from now on we import it.) Then give Adam three single
# gradients, of $10^{-6}$, $10^{-8}$ and $10^{-10}$.

# %%
below = [(norms[name] < published[name]).mean() for name in norms]
claims.claim("share of seeds below the published sigmoid norm", below[0], between=(0.05, 0.5))
claims.claim("below the published ReLU norm", below[1], between=(0.5, 0.95))
claims.claim("median ratio", np.median(norms["ReLU"] / norms["sigmoid"]), about=25.2, within=0.1)
claims.claim("weight gradient: first over last", weight[0] / weight[-1], between=(0.6, 1.0))
claims.claim("delta: factor a layer", (delta[0] / delta[-1]) ** (1 / 3), about=0.408, within=0.03)

# %%
lead = {}
for name, (optimizer, rate) in methods.items():
    moved = []
    for net in article_002(draws * seed)[2:]:
        before = net[0].weight.detach().clone()
        rule = optimizer(net.parameters(), lr=rate)
        with probe.watch(net, rule, every=1, parts=["updates"]) as log:
            rule.step()
        moved += relative_change([before], [net[0].weight.detach()])
    lead[name] = moved[1] / moved[0]
claims.claim("probe.watch reads as we do", abs(log.update_ratios[0, 0] / moved[1] - 1) < 1e-4)
claims.claim("one SGD step: ReLU's first layer moves farther by", lead["SGD"], between=(19, 33))
claims.claim("in one Adam step, by", lead["Adam"], about=1, within=0.03)

entries = nn.Parameter(torch.zeros(3))
entries.grad = torch.tensor([1e-6, 1e-8, 1e-10])
torch.optim.Adam([entries], lr=1.0).step()
for place, (size, share) in enumerate((("1e-6", 0.99), ("1e-8", 0.5), ("1e-10", 0.0099))):
    move = -entries[place].detach()
    claims.claim(f"gradient {size}: step over rate", move, about=share, within=0.01)

# %% [markdown]
# Under SGD it does: the sigmoid network's step is about 25 times shorter, as is its gradient. Under
# Adam it does not: both steps are equally long. Adam divides each gradient by a running estimate of
# its own size, so the size cancels; this is how it hides the illness from a plot of updates. Only
# when a gradient comes down to the constant `eps`, $10^{-8}$, do the steps shrink: half the rate at
# `eps`, a hundredth of it at a hundredth of `eps`. With 10 hidden layers a typical entry of layer 1
# is below $10^{-9}$ (claimed above), and that is the sag in the pink curve.
#
# ### Exercise 2.3 - adam_first_update (3 points)
#
# Write `adam_first_update(gradient, lr, eps)`: what Adam *adds* to the weights in its very first
# step, in the units of the weights, same shape as the tensor `gradient`. No weight decay, and
# bias correction as in the paper. Ordinary gradients earn 1 point, gradients as small as `eps` 2
# points.
#
# <details><summary>Hint</summary>Both running averages have seen one gradient and are
# bias-corrected: what is each of them equal to? Then mind where eps stands, and the
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
# ## Flat loss: four patients, one curve
#
# A flat loss (articles 001 and 004) is what brings most people here. Below are four networks that
# have one, all under SGD: a sigmoid network with 10 hidden layers, one with 3, a well-started tanh
# network with a learning rate of 0.00001, and a ReLU network whose first layer is dead, its biases
# being at -50. The fifth, for comparison, is the tanh network at a rate of 0.1. We probe each one
# *before* training, then train it for 1,000 steps.
#
# **Predict.** For 400 steps four of the five losses are flat. How many of the five will have learnt
# by step 1,000? And could the probe have told?

# %%
guess = None
prediction = claims.predict("How many of the five learn?", guess)

# %%
patients = {
    "sigmoid, 10 hidden": (models.Setting(11, 64, "sigmoid"), 0.3),
    "sigmoid, 3 hidden": (models.Setting(4, 64, "sigmoid"), 0.3),
    "tanh, tiny rate": (models.Setting(11, 64, "tanh", "xavier"), 1e-5),
    "ReLU, dead layer": (models.Setting(4, 64, "relu", "he"), 0.3),
    "tanh, rate 0.1": (models.Setting(11, 64, "tanh", "xavier"), 0.1),
}
nets, flows, runs = {}, {}, {}
for name, (setting, rate) in train.each(patients.items()):
    net = nets[name] = models.build(setting, digits.features, digits.classes, seed)
    if name == "ReLU, dead layer":
        nn.init.constant_(net[0].bias, -50.0)
    flows[name] = probe.record(net, inputs, targets, cross_entropy)
    sgd = torch.optim.SGD(net.parameters(), lr=rate)
    runs[name] = train.fit(net, digits, sgd, steps=1000, seed=seed)
learnt = sum(run.test_accuracy > 0.5 for run in runs.values())
prediction.compare(learnt)

# %%
ax = plots.training_curves(runs, chance=2.303, title="In training: four alike")
plots.show(ax)
deltas = {name: flow.delta_norms for name, flow in flows.items()}
ax = plots.layer_profile(deltas, title="Before training: told apart")
plots.show(ax)

# %% [markdown]
# **Reading the figures.** In the first, for 400 steps nobody can tell the four apart: flat loss is
# a true symptom and names no cause. In the second, one backward pass, made before all this, tells
# which is which.
#
# *Sigmoid, 10 hidden*: 8.5 decades lost; next to nothing reaches layer 1. *Sigmoid, 3
# hidden*: 2.5 decades, slow but not lost. This is the "very slow convergence" of article 001, and
# patience cures it. *tanh*: less than one decade. Nothing is wrong with this network, so look at
# the rate, the only thing that the fifth run changed. *ReLU*: exactly 0 (the open triangles). Not
# one unit of layer 1 has a slope, and the layers above it see nothing but zeros.
#
# And "output remains constant" (article 001)? We show the trained 10-layer network all test
# pictures, and compare its answers with those before training.

# %%
for name in list(runs)[:4]:
    loss = runs[name].losses[200:400].mean()
    claims.claim(f"{name}: loss, steps 200 to 400", loss, between=(2.2, 2.5), drifts=True)
waiting = (runs["sigmoid, 3 hidden"].losses > 1).sum()
claims.claim("sigmoid, 3 hidden: steps above a loss of 1", waiting, above=600, drifts=True)
claims.claim("of the five, this many learn", learnt, equals=2)
for name, decades in (("sigmoid, 10 hidden", 8.5), ("sigmoid, 3 hidden", 2.55)):
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, about=decades, within=0.05)
claims.claim("tanh: decades lost", flows["tanh, tiny rate"].decades_lost, below=0.7)
claims.claim("ReLU: dead units of layer 1", flows["ReLU, dead layer"].dead_share[0], equals=1)

pictures = digits.test_inputs.double()
start = models.build(patients["sigmoid, 10 hidden"][0], 64, 10, seed).double()
end = nets["sigmoid, 10 hidden"].double()
before, after = (net(pictures).softmax(dim=1).detach() for net in (start, end))
low, high = (start[:cut](pictures).detach().std(dim=0).norm() for cut in (3, 19))  # layers 2, 10
claims.claim("forward: spread, factor a layer", (high / low) ** (1 / 8), about=0.141, within=0.06)
claims.claim("classes that it ever answers", len(after.argmax(dim=1).unique()), equals=1)
claims.claim("spread over the pictures", after.std(dim=0).max(), below=1e-8, drifts=True)
claims.claim("moved by training", (after - before).abs().max(), above=0.01, drifts=True)

# %% [markdown]
# One answer for every picture: constant in $x$ to eight digits, though not in $t$, since training
# still moves that one answer by more than a percentage point. Article 004's closing joke, that such
# a network is an "expensive random number generator", is too kind: it is an expensive *constant*.
# So accuracy drops to chance when the *forward* signal is lost as well. In this network it is: what
# tells two pictures apart shrinks by a factor 0.14 a layer on its way up, as does the delta on its
# way down.
#
# ## The claims, one by one
#
# | claim (articles) | verdict | measured here |
# |---|---|---|
# | early layers barely change (000, 002-004) | SGD: true; Adam: reversed | near 100; below 0.4 |
# | "shallow layers" don't learn (001) | true of layers near the input | same figure |
# | weights stop updating (001) | true to the last bit, under SGD | over 99.9 % of layer 1 |
# | no matter how many epochs (004) | true if steps round away | over 99.8 % |
# | flat loss, stagnation (001, 004) | true, not specific | four causes |
# | very slow convergence (000-003) | true with 3 hidden layers | over 600 steps |
# | low final accuracy (001) | if the forward signal is lost | chance; frozen: above 0.4 |
# | constant output (001) | true in $x$, not in $t$ | one class for all |
# | small norm, negligible update (002) | SGD: true; Adam: false | 25 times; 1.0 times |
# | 0.004324 and 0.118170 (002) | ordinary draws | 100 seeds |
# | the ReLU twin as a fix (002) | misleading | deltas fall by 0.41 a layer |
# | random number generator (004) | false | a constant |
#
# ## What this does not show
#
# A flat loss has more causes than our four: labels mixed up, a graph cut by `detach()`, a saturated
# output. A loss that is `nan` draws no line at all and looks like a run that never happened. Our
# networks are small and see one data set, at one learning rate each. And a profile that is healthy
# at the start need not stay so.
#
# ## Summary
#
# * A float32 norm read exactly 0 with entries of a few $10^{-26}$, and `inf` where the norm was
#   $10^{21}$. The gradient was there each time: scale before you square.
# * SGD left over 99.9 % of the first matrix of a network with 10 hidden layers unmoved to the bit.
#   Adam turned the picture round (last over first below 0.4 instead of near 100), since its step
#   does not depend on the size of the gradient until that comes down to `eps`.
# * Four flat losses, told apart before training: 8.5 decades lost, 2.5, less than one, exact zeros.
#
# ## References
#
# Glorot and Bengio 2010, [figures 7 and 8](https://proceedings.mlr.press/v9/glorot10a.html); Kingma
# and Ba 2015, [algorithm 1](https://arxiv.org/abs/1412.6980); Schoenholz et al. 2017,
# [eq. 5](https://arxiv.org/abs/1611.01232); Goldberg 1991, on
# [floating-point numbers](https://doi.org/10.1145/103162.103163).
#
# Next: [03 · Which cause costs how much?](03_causes.ipynb)

# %%
print(progress.summary())

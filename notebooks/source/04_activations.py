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
# # 04 · Is ReLU the cure?
#
# You need [01](01_theory.ipynb) and
# [02](02_symptoms.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * rank ten activations by what a layer of each leaves of the gradient, and say when ReLU is worse
#   than tanh;
# * tell units that a learning rate killed from units that a small start made look dead;
# * say which sleeping units wake again, which never do, and what a leak really buys.

# %% tags=["setup"]
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("04", seed=0, depth=20, width=128, draws=5)

# %% tags=["parameters"]
seed = 0
depth = 20
width = 128
draws = 5

# %% [markdown]
# ## Ten slopes
#
# "Use ReLU" is the first remedy in four of our five articles, and the "hero" of the fifth. It is
# meant against small *slopes*, so let us look at slopes. In lesson 01 we saw that a layer whose
# weights have standard deviation $\sigma_w/\sqrt{\text{fan\_in}}$ multiplies the norm of delta by
#
# $$\sqrt\chi = \sigma_w\,\sqrt{\mathrm{E}\,\phi'(z)^2},$$
#
# the size of the weights times the *root-mean-square slope* at the pre-activations $z$.
#
# **Predict.** Of the ten activations below, how many have a slope *above* 1 somewhere?

# %%
guess = None
prediction = claims.predict("Slope above 1?", guess)

# %%
smooth = ("sigmoid", "tanh", "softplus", "elu", "selu")
hinged = ("prelu", "leaky_relu", "relu", "gelu", "silu")
z, slopes = torch.linspace(-4, 4, 81, dtype=torch.float64), {}
for name in smooth + hinged:
    u = z.clone().requires_grad_()
    (slopes[name],) = torch.autograd.grad(theory.ACTIVATIONS[name](u).sum(), u)
steep = [name for name in slopes if slopes[name].max() > 1.001]
prediction.compare(len(steep))
for name, value in (("sigmoid", 0.25), ("tanh", 1), ("gelu", 0.5), ("silu", 0.5), ("selu", 1.758)):
    claims.claim(f"{name}, slope at 0", slopes[name][40], about=value, within=0.001)
_, axes = plots.panels(2)
for ax, family, kin in zip(axes, (smooth, hinged), ("sigmoid", "ReLU"), strict=True):
    words = {"xlabel": "z", "ylabel": "slope", "title": f"The {kin} family"}
    plots.curves({n: slopes[n] for n in family}, x=z, ax=ax, **words)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Three exceed 1: SELU (1.76 just left of 0), GELU and SiLU. The slope of
# tanh *is* 1 at 0, so it is not "always less than 1" (article 004). Now look at 0, since that is
# where small weights put $z$. tanh and ELU have slope 1 there; GELU, SiLU and softplus one half;
# sigmoid a quarter; and ReLU, 0 or 1 with equal chance, a root-mean-square slope of
# $\sqrt{1/2}=0.71$. That is *less* than tanh. (Article 001 recommends ReLU to "avoid saturation".
# To the right of 0 it does; to the left it is nothing but saturation.)
#
# ## "Use ReLU instead of tanh"
#
# So article 000 heads its first remedy, and 001 to 003 agree. PyTorch draws weights with
# $\sigma_w=0.577$, and the advice says nothing about it. So we do just what it says: swap the
# activation and nothing else, in 20 layers.
#
# **Predict.** Of the other nine, how many keep more of the gradient than tanh?

# %%
guess = None
prediction = claims.predict("How many beat tanh?", guess)


# %%
def flows(name, start="default"):
    """One forward and backward pass for each draw of the weights."""
    setting = models.Setting(depth, width, name, start)
    nets = [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(draws)]
    return [probe.record(net, inputs, targets, cross_entropy) for net in nets]


def factor(found):
    """What a layer leaves of the delta norm, geometric mean over draws."""
    return np.exp(np.mean([np.log(flow.norm_factor) for flow in found]))


digits = data.digits(seed)
inputs, targets = digits.batch(128, seed)
default = {name: flows(name) for name in smooth + hinged}
better = [name for name in default if factor(default[name]) > factor(default["tanh"])]
prediction.compare(len(better))

# %%
_, axes = plots.panels(2)
for ax, family, kin in zip(axes, (smooth, hinged), ("sigmoid", "ReLU"), strict=True):
    settings = {name: models.Setting(depth, width, name) for name in family}
    lines = {name: models.predicted_profile(settings[name], inputs) for name in family}
    logs = {n: np.log([flow.relative_delta_norms for flow in default[n]]) for n in family}
    means = {name: np.exp(log.mean(axis=0)) for name, log in logs.items()}
    words = {"ylabel": "delta norm, relative", "title": f"The {kin} family, as PyTorch draws it"}
    plots.layer_profile(means, lines, float32_zone=False, ax=ax, **words)
plots.show(axes[0])
for name, found in default.items():
    rate = theory.fixed_point(name, 1 / 3, 1 / (3 * width)).norm_factor
    claims.claim(f"{name}, factor a layer", factor(found), about=rate, within=0.04)
costs = {n: np.mean([f.ledger().by_kind["activation"] for f in default[n]]) for n in default}
claims.claim("decades taken by 19 tanhs", costs["tanh"], below=0.3)
claims.claim("by 19 ReLUs", costs["relu"], about=19 * np.log10(2) / 2, within=0.06)

# %% [markdown]
# **Reading the figure.** All ten lie on lines drawn before the networks existed. ReLU leaves 0.41 a
# layer: better than sigmoid's 0.14, worse than tanh's 0.57. GELU (offered by article 003) and SiLU
# leave 0.29 and vanish *faster than ReLU*, as fast as softplus. A leak of 0.01 changes nothing that
# you could see, PReLU's 0.25 little, and ELU is at 0.56. Only SELU beats tanh. So for a tanh
# network the advice, taken at its word, makes things *worse*.
#
# ## $1\times1\times1=1$?
#
# When the derivative is 1 there is no vanishing, says article 004 with this product, and article
# 003 that no shrinking happens. Along one path that is open in every layer, quite right. But a
# gradient is the sum over *all* paths, and each layer closes half of them: half of the squared
# norm, 19 times. The ledger charges the 19 ReLUs with 2.9 decades. The 19 tanhs, said to squash
# (articles 000, 002 and 003), cost less than 0.3. All else is the small weights.
#
# So mend the weights. He et al. (2015) doubled the variance *because* half the units are off:
# $\chi=2\cdot\tfrac12=1$. Does it matter for learning? Ten hidden layers, SGD at a rate of 0.1:

# %%
starts = {"ReLU, default": ("relu", "default"), "tanh, default": ("tanh", "default")}
starts |= {"ReLU, He": ("relu", "he"), "tanh, Xavier": ("tanh", "xavier")}
deltas, lines, runs = {}, {}, {}
for label, (name, start) in train.each(starts.items()):
    setting = models.Setting(11, 64, name, start)
    net = models.build(setting, 64, 10, seed)
    deltas[label] = probe.record(net, inputs, targets, cross_entropy).relative_delta_norms
    lines[label] = models.predicted_profile(setting, inputs)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    runs[label] = train.fit(net, digits, sgd, steps=500, seed=seed)
_, axes = plots.panels(2, share=False)
words = {"ylabel": "delta norm, relative", "title": "Before training"}
plots.layer_profile(deltas, lines, float32_zone=False, ax=axes[0], **words)
plots.training_curves(runs, chance=2.303, title="In training", ax=axes[1]).get_legend().remove()
plots.show(axes[0])

# %%
for label, low, high in (("ReLU, default", 0, 0.2), ("ReLU, He", 0.9, 1), ("tanh, Xavier", 0.9, 1)):
    accuracy = runs[label].test_accuracy
    claims.claim(f"{label}: accuracy", accuracy, between=(low, high), drifts=True)
claims.claim("tanh, default: loss", runs["tanh, default"].losses[-50:].mean(), below=2, drifts=True)
for name, low, high in (("relu", 0.97, 1.03), ("leaky_relu", 0.97, 1.03), ("gelu", 0.93, 0.99)):
    claims.claim(f"{name}, He: factor a layer", factor(flows(name, "he")), between=(low, high))

# %% [markdown]
# **Reading the figure** (one legend for both). ReLU at default never leaves the line of guessing,
# while the very tanh it should replace learns something. With He's weights ReLU passes 90 %; so
# does tanh with Xavier's. The cure is half ReLU and half He, and the half that the advice leaves
# out is the one that decides. GELU with He's weights still loses a few per cent a layer, since its
# slope is not ReLU's.
#
# ### Exercise 4.1 - leaky_std (3 points)
#
# For LeakyReLU with slope `negative_slope` left of 0, write `leaky_std(negative_slope, fan_in)`:
# the standard deviation of the weights that keeps the norm of delta, in a wide network whose
# pre-activations are symmetric about 0. A float; `negative_slope` lies between 0 and 1.
#
# <details><summary>Hint</summary>Half the units have slope 1. What is the mean of the
# <em>squared</em> slopes, and what must the weight variance make of it?</details>


# %% tags=["exercise"]
def leaky_std(negative_slope: float, fan_in: int) -> float:
    """Standard deviation of the weights that keeps delta through LeakyReLU."""
    ### BEGIN SOLUTION
    mean_square = (1 + negative_slope**2) / 2
    return (1 / (mean_square * fan_in)) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
exercises.check(leaky_std)

# %% [markdown] tags=["solution"]
# The slope is 1 or the leak, each for half of the units, so its mean square is half of one plus the
# leak squared. Without a leak this is He's start; with a leak of 1 the layer is linear.

# %% [markdown]
# ## SELU: an activation with a thermostat
#
# SELU (Klambauer et al. 2017) has two constants, chosen so that with $\sigma_w=1$ mean 0 and
# variance 1 come out of a layer as they went in,
#
# $$\mathrm{E}\,\phi(z)=0,\qquad \mathrm{E}\,\phi(z)^2=1,\qquad z\sim N(0,1),$$
#
# and so that other variances *return* to 1. That is the forward pass. We start 30 layers at
# variances of 0.1, 1 and 10, and then look at the backward pass as well.

# %%
kept = (theory.trajectory("selu", 1.0, depth=2, q0=1.01).q[1] - 1) / 0.01
claims.claim("share of an excess that a layer keeps", kept, about=0.783, within=0.01)
pictures = inputs / inputs.square().mean(dim=1, keepdim=True).sqrt()  # mean square 1 each
setting = models.Setting(30, width, "selu", "lecun")
nets = [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(draws)]
sizes, lines, layers = {}, {}, range(1, 30)
for start in (10, 0.1, 1):
    batch = start**0.5 * pictures
    found = [probe.record(net, batch, targets, cross_entropy) for net in nets]
    squares = [flow.activation_mean**2 + flow.activation_std**2 for flow in found]
    sizes[f"start at {start}"] = np.mean(squares, axis=0)[:-1]
    lines[f"start at {start}"] = theory.trajectory("selu", 1.0, depth=30, q0=start).q[1:]
words = {"yscale": "log", "xlabel": "layer", "ylabel": "mean square", "title": "Back to 1"}
ax = plots.curves(sizes, lines, x=layers, **words)
plots.show(ax)
mean = np.mean([flow.activation_mean[:-1] for flow in found])
claims.claim("start at 1: mean activation", mean, between=(-0.05, 0.05))
claims.claim("start at 10, layer 15", sizes["start at 10"][14], about=1, within=0.25)
claims.claim("delta, factor a layer", factor(found), about=1.0352, within=0.007)
claims.claim("growth over 30 layers", 10 ** -found[0].decades_lost, between=(2, 4))

# %% [markdown]
# **Reading the figure.** The thermostat: near 1 a layer keeps only 0.78 of an excess of variance,
# so that a start ten times too high or too low is forgotten after fifteen layers. Now the price.
# Nothing holds $\chi$ at 1: at this fixed point the slopes multiply the norm of delta by 1.035 a
# layer, and the gradient *explodes*. Gently, about threefold over 30 layers, but by compound
# interest. One gain cannot serve both directions.
#
# ### Exercise 4.2 - critical_gain (4 points)
#
# Which gain serves the backward one? `slopes` is a float tensor of any shape: the slopes of an
# activation at many pre-activations, not all 0. Write `critical_gain(slopes)`: the $\sigma_w$ with
# which such a layer keeps the norm of delta, as a float. Slopes of only 0 and 1 earn 1 point, any
# others 3.
#
# <details><summary>Hint</summary>Solve the equation at the top of this lesson for the gain, with
# a mean over the tensor in place of the expectation. Mind the order of mean and square.</details>


# %% tags=["exercise"]
def critical_gain(slopes: torch.Tensor) -> float:
    """Gain with which a layer with these slopes keeps the norm of delta."""
    ### BEGIN SOLUTION
    return 1 / slopes.double().square().mean().sqrt().item()
    ### END SOLUTION


# %% tags=["check"]
exercises.check(critical_gain)

# %% [markdown] tags=["solution"]
# Chi is the squared gain times the mean square slope, so the gain is one over the root mean square.
# For ReLU's slopes that is the root of 2: He's start is this rule, worked out for one activation.

# %% [markdown]
# ## "Half the ReLUs are dead, so use Swish"
#
# A well-known course builds a ReLU network with ten hidden layers and PyTorch's default weights,
# counts before any training the units that are off for *every* picture, finds more than half of a
# deep layer, and advises Swish (SiLU) for very deep networks. The count is easily repeated. But who
# killed these units?
#
# We can predict them without a network. Let $K$ hold the covariances, over random weights, of the
# pre-activations of all pictures. If two pictures make an angle $\theta$ in it, then one wide ReLU
# layer further up (Cho and Saul 2009)
#
# $$K'_{12} = \sigma_w^2\,\sqrt{K_{11}K_{22}}\;
# \frac{\sin\theta+(\pi-\theta)\cos\theta}{2\pi}+\sigma_b^2 .$$
#
# So we draw random units with covariance $K$, and count those that are off for all pictures.
#
# **Predict.** With the default start half of layer 10 is dead. What share is it with He's? (From
# here on your guess goes into the first line of the cell that measures.)


# %%
def next_layer(k, weight_var, bias_var):
    """Covariances of the pre-activations of all pictures, one ReLU layer further up."""
    scale = torch.outer(k.diagonal(), k.diagonal()).sqrt()
    angle = (k / scale).clamp(-1, 1).arccos()
    mean = (angle.sin() + (torch.pi - angle) * angle.cos()) / (2 * torch.pi)
    return weight_var * scale * mean + bias_var


# %%
guess = None
prediction = claims.predict("Dead share of layer 10 with He?", guess)

# %%
(some, labels), dead, lines, alike = digits.batch(256, seed), {}, {}, {}
noise = torch.randn(256, 4000, generator=torch.Generator().manual_seed(1)).double()
for start in ("default", "he"):
    setting = models.Setting(11, width, "relu", start)
    nets = [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(draws)]
    shares = [probe.record(net, some, labels, cross_entropy).dead_share for net in nets]
    dead[start], lines[start] = np.mean(shares, axis=0)[:10], []
    k = setting.variances[0] * some.double() @ some.T.double() / 64 + setting.variances[1]
    for _ in range(10):
        values, vectors = torch.linalg.eigh(k)
        off = vectors * values.clamp(min=0).sqrt() @ noise <= 0  # (pictures, random units)
        lines[start].append(off.all(dim=0).double().mean())
        alike[start] = (k / torch.outer(k.diagonal(), k.diagonal()).sqrt()).mean()
        k = next_layer(k, *setting.variances)
prediction.compare(dead["he"][-1])
words = {"xlabel": "layer", "ylabel": "dead share", "title": "Dead before any training"}
ax = plots.curves(dead, lines, x=range(1, 11), **words)
plots.show(ax)

# %%
for start, share in (("default", 0.5), ("he", 0.13)):
    claims.claim(f"{start}, layer 10: dead", dead[start][-1], between=(share - 0.08, share + 0.08))
    gap = np.abs(dead[start] - np.array(lines[start])).max()
    claims.claim(f"{start}: farthest point from theory", gap, below=0.09, drifts=True)
claims.claim("default, layer 10: 1 - mean cosine", 1 - alike["default"], below=1e-4)

# %% [markdown]
# **Reading the figure.** A theory that has never heard of gradients meets the points, so nobody was
# killed by training. At the default start the pictures become *alike*: in layer 10 the mean cosine
# between two of them is above 0.9999. Then a unit is off for all of them or on for all of them, by
# the toss of a coin, and the dead share tends to one half. (The other half is hardly better: on for
# all, it is linear.) With He's start it is near an eighth. So the count is right, and one more
# symptom of the small start. Swish does not treat that: it leaves 0.29 a layer where ReLU left
# 0.41.
#
# ### Exercise 4.3 - dead_share (3 points)
#
# `pre_activations`, a float tensor of shape (pictures, units), is what a ReLU layer receives. Write
# `dead_share(pre_activations)`: the share of its *units*, from 0 to 1, that learn nothing from this
# batch. The slope of ReLU at exactly 0 counts as 0. Any batch earns 2 points, zeros 1 more.
#
# <details><summary>Hint</summary>One picture that switches a unit on is enough to keep it alive.
# Along which dimension must you ask?</details>


# %% tags=["exercise"]
def dead_share(pre_activations: torch.Tensor) -> float:
    """Share of ReLU units that are off for the whole batch."""
    ### BEGIN SOLUTION
    return (pre_activations <= 0).all(dim=0).double().mean().item()
    ### END SOLUTION


# %% tags=["check"]
exercises.check(dead_share)

# %% [markdown] tags=["solution"]
# A unit is dead if *all* pictures find it off: first `all` over the batch, then the mean over the
# units. The share of zero entries answers another question, and is one half in good health.

# %% [markdown]
# ## Dying in training, and waking up
#
# Article 004 warns of the "dying ReLU" problem, where neurons get stuck, and names the fix: "Leaky
# ReLU or its variants". So: does training kill, are the dead stuck, and is the leak a fix? To
# compare activations that are never quite flat, we call a unit **asleep** if its slope stays below
# 0.05 on every training picture. For ReLU that is death; LeakyReLU then lives on its leak alone.
#
# First, five activations at four learning rates of Adam: 3 hidden layers, He's weights, 200 steps,
# two networks each. Then a test: in a new network we push *every second unit* down until no picture
# lifts it above -5, train for 200 steps at a rate of 0.01, and look who has woken up, layer by
# layer.
#
# **Predict.** Which share of the sleeping ReLUs of *layer 1* will wake?


# %%
def asleep(nets):
    """For each network, layer and unit: is the slope below 0.05 on every picture?"""
    masks = []
    for net in nets:
        signal = digits.train_inputs
        for linear, phi in zip(net[:-1:2], net[1::2], strict=True):
            u = linear(signal).detach().requires_grad_()
            signal = phi(u)
            (slope,) = torch.autograd.grad(signal.sum(), u)
            masks.append((slope.abs() < 0.05).all(dim=0))
    return torch.stack(masks).unflatten(0, (len(nets), -1))  # (networks, layers, N)


def go_on(nets, rate, steps=200):
    """Train each network with Adam; return the mean test accuracy."""
    recipe = train.Recipe("adam", rate, steps)
    runs = [train.fit(net, digits, recipe, seed=seed) for net in train.each(nets)]
    return np.mean([run.test_accuracy for run in runs])


# %%
def fresh(name):
    """Two new networks with three hidden layers and He's weights."""
    setting = models.Setting(4, width, name, "he")
    return [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(2)]


rates = (0.001, 0.01, 0.03, 0.1)
sleepers, scores, victims = {}, {}, {}
for name in ("relu", "leaky_relu", "elu", "silu", "tanh"):
    sleepers[name], scores[name] = [], []
    for rate in rates:
        victims[name] = fresh(name)
        scores[name].append(go_on(victims[name], rate))
        sleepers[name].append(asleep(victims[name]).double().mean().item())


# %%
guess = None
prediction = claims.predict("ReLU, layer 1: share that wakes?", guess)


# %%
def put_to_sleep(net, signal):
    """Push every second unit to -5 or below on every picture, layer by layer."""
    for linear, phi in zip(net[:-1:2], net[1::2], strict=True):
        linear.bias.data[::2] -= linear(signal).detach().amax(dim=0)[::2] + 5
        signal = phi(linear(signal))
    return net


woken = {}
for name in sleepers:
    nets = [put_to_sleep(net, digits.train_inputs) for net in fresh(name)]
    before = asleep(nets)
    go_on(nets, 0.01)
    woken[name] = (before & ~asleep(nets)).sum(dim=(0, 2)) / before.sum(dim=(0, 2))
prediction.compare(woken["relu"][0])
claims.claim("ReLU higher up: share that wakes", woken["relu"][1:].max(), above=0.03, drifts=True)

# %%
_, axes = plots.panels(2, share=False)
words = {"xscale": "log", "xlabel": "learning rate of Adam", "ylabel": "share of units asleep"}
plots.curves(sleepers, x=rates, title="Asleep", ax=axes[0], **words).set_xticks(rates, rates)
words = {"xlabel": "layer (1 = nearest the input)", "ylabel": "share woken again"}
plots.curves(woken, x=(1, 2, 3), title="Awake again", ax=axes[1], **words).get_legend().remove()
plots.show(axes[0])
bounds = {"relu": ((0.5, 0.8), (0, 0.6)), "leaky_relu": ((0.15, 0.5), (0.5, 0.85))}
bounds |= {"elu": ((0.2, 0.6), (0, 0.6)), "silu": ((0.2, 0.8), (0, 0.6))}
bounds |= {"tanh": ((-0.01, 0.02), (0.75, 0.95))}
for name, (share, score) in bounds.items():
    claims.claim(f"{name} at 0.1: asleep", sleepers[name][3], between=share, drifts=True)
    claims.claim(f"{name} at 0.1: accuracy", scores[name][3], between=score, drifts=True)
most = max(share[0] for share in sleepers.values())
claims.claim("at 0.001, any kind: asleep", most, below=0.04, drifts=True)
least = min(woken[name].min() for name in woken if name != "relu")
claims.claim("all but ReLU, any layer: woken", least, above=0.05, drifts=True)

# %%
for name, low, high in (("relu", 0, 0.6), ("leaky_relu", 0.8, 1)):
    before = asleep(victims[name])  # what the rate of 0.1 left behind
    score = go_on(victims[name], 0.001, steps=300)
    claims.claim(f"{name}, gently: accuracy", score, between=(low, high), drifts=True)
    back = (before & ~asleep(victims[name])).sum() / before.sum()
    limit = 0.02 if name == "relu" else 0.25
    claims.claim(f"{name}, gently: share of sleepers that wake", back, below=limit, drifts=True)

for name, limit in (("relu", 1e-300), ("gelu", 1e-100), ("elu", 1e-10), ("leaky_relu", 1)):
    net = fresh(name)[0]
    torch.nn.init.constant_(net[0].bias, -50.0)
    flow = probe.record(net, digits.train_inputs, digits.train_targets, cross_entropy)
    norm = flow.weight_grad_norms[0]
    claims.claim(f"{name} at -50: gradient of layer 1", norm, below=limit, digits=1)
score = go_on([net], 0.001, steps=500)  # the last one, LeakyReLU
claims.claim("LeakyReLU from -50: accuracy", score, above=0.75, drifts=True)
claims.claim("its units awake in layer 1", asleep([net])[0, 0].logical_not().sum(), equals=0)
climb = (net[0].bias + 50).abs().max()
claims.claim("its biases climbed, of 0.5 possible", climb, below=0.15, drifts=True)

# %% [markdown]
# **Reading the figure** (labels on the left). Left: yes, a large rate kills. At 0.1 more than half
# of the ReLUs are dead and accuracy is below 60 %; at 0.001 fewer than 4 in 100 units of any kind
# sleep. The leak helps: fewer sleep, and accuracy stays above 50 %. The smooth variants do not:
# over a fifth of ELU and SiLU sleeps, and both fail like ReLU. And the old tanh, which bends on
# both sides, loses next to no unit and passes 75 %.
#
# Right: stuck? In layer 1 for ever: a dead ReLU gets no gradient, and the pictures stay as they
# are. Higher up, the layers below can move and lift a few. All other kinds wake in every layer. But
# these units had been pushed by hand. After a *real* death, at 0.1, then 300 gentle steps at 0.001,
# fewer than one dead ReLU in fifty is back. LeakyReLU's networks recover to over 80 %, although
# three in four of *their* sleepers sleep on.
#
# The last test shows what the leak buys. All biases of layer 1 are at -50: ReLU's gradient is 0,
# and with GELU (below $10^{-100}$) and ELU it might as well be: "keep a small gradient flow" is not
# true of them that far out. LeakyReLU passes 75 %, with *not one unit awake*, and its biases climb
# by less than 0.15 of the 0.5 that 500 steps of Adam in one direction would give. Nothing pulls
# them up. A sleeping leaky unit is a linear unit, and the layers above learn from that.
#
# ## The claims, one by one
#
# | claim (articles) | verdict | measured here |
# |---|---|---|
# | ReLU instead of sigmoid, tanh (000-003) | by default worse than tanh | 0.41; 0.14, 0.57 |
# | ReLU prevents vanishing: "Yes" (000) | with He's weights | chance; over 90 % |
# | no shrinking, $1\times1\times1=1$ (003, 004) | on one open path | 19 ReLUs: 2.9 decades |
# | sigmoid and tanh squash (000, 002, 003) | tanh not, at the start | 19 tanhs: below 0.3 |
# | their derivatives are small, below 1 (003, 004) | sigmoid: true; tanh: 1 at 0 | 0.25; 1 |
# | ReLU avoids saturation (001) | its left half is all saturation | dead units |
# | LeakyReLU, ELU, GELU (000, 001, 003) | as ReLU; better; worse | 0.41; 0.56; 0.29 |
# | He for ReLU (000, 001, 003, 004) | true | 1.00 a layer |
# | neurons get stuck (004) | true at large rates | layer 1: none wakes |
# | the fix is Leaky or its variants (004) | Leaky helps; ELU, SiLU fail | accuracy at 0.1 |
# | half the ReLUs are dead, use Swish (a course) | right count, wrong cause | with He 0.13 |
#
# ## What this does not show
#
# Nothing here says which activation is best when everything else is right; GELU and SiLU, with
# norms and skips, drive most large networks today. Adam carries ReLU's default somewhat deeper than
# SGD, for the reason given in lesson 02. Weight decay, or momentum left from before, can move even
# a dead unit; we had neither. PReLU was never trained, so its leak never learnt. And "asleep"
# depends on the pictures you ask.
#
# ## Summary
#
# * At PyTorch's default a layer leaves 0.41 of the delta with ReLU, 0.29 with GELU or SiLU, 0.57
#   with tanh; with He's weights ReLU leaves 1.00 and learns.
# * Half of the ReLUs of layer 10 look dead at the default start, because all pictures look alike
#   there; with He's start, about an eighth. A learning rate of 0.1 kills in earnest.
# * Dead ReLUs of layer 1 never wake; leaky ones may, but need not: LeakyReLU learnt with all of
#   layer 1 asleep. What the leak buys is a way through for the signal.
#
# ## References
#
# He et al. 2015, [eq. 10 and 14](https://arxiv.org/abs/1502.01852); Klambauer et al. 2017,
# [theorem 1](https://arxiv.org/abs/1706.02515); Cho and Saul 2009,
# [arc-cosine kernels](https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning); Lee et
# al. 2018, [wide networks as Gaussian processes](https://arxiv.org/abs/1711.00165); Lu et al. 2019,
# [dying ReLU](https://arxiv.org/abs/1903.06733).
#
# Next: [05 · Can initialisation alone do it?](05_initialization.ipynb)

# %%
print(progress.summary())

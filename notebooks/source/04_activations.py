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
# You need [01](01_theory.ipynb) and [02](02_symptoms.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * rank ten activations by what a layer of each leaves of the gradient, and give each the
#   [gain](../docs/glossary.md#gain) that it needs;
# * count [dead units](../docs/glossary.md#dead-unit), and tell those that a learning rate killed
#   from those that a small start made look dead;
# * say which of them wake again, which never do, and what a leak really buys.

# %% tags=["setup"]
import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("04", seed=0, depth=20, width=128, draws=5)

families = {
    "sigmoid": ("sigmoid", "tanh", "softplus", "elu", "selu"),
    "ReLU": ("prelu", "leaky_relu", "relu", "gelu", "silu"),
}
names = (*families["sigmoid"], *families["ReLU"])

# %% tags=["parameters"]
seed = 0
depth = 20
width = 128
draws = 5

# %% [markdown]
# ## Ten slopes
#
# "Use ReLU" is the first remedy in four of [the five articles](../docs/sources.md), and the "hero"
# of the fifth. It is meant against small [slopes](../docs/glossary.md#slope). What are the slopes
# of the usual activations?
#
# We take ten, in two families. The first bend smoothly in the middle, as the sigmoid does. The
# others follow ReLU: nearly 0 for very negative $z$, the line $h=z$ for large $z$. (LeakyReLU and
# PReLU have a *leak* left of 0, a small slope of 0.01 and 0.25.)

# %%
z = torch.linspace(-4, 4, 81, dtype=torch.float64)
slopes = {}
for name in names:
    signal = z.clone().requires_grad_()
    slopes[name] = torch.autograd.grad(theory.ACTIVATIONS[name](signal).sum(), signal)[0]

# %%
_, axes = plots.panels(2)
for ax, (kin, family) in zip(axes, families.items(), strict=True):
    look = {"xlabel": "z", "ylabel": "slope", "title": f"Slopes of the {kin} family"}
    plots.curves({name: slopes[name] for name in family}, x=z, ax=ax, **look)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Three exceed 1: SELU (1.76 just left of 0), GELU and SiLU, which come from
# below the line $h=z$ and have to catch up with it. The slope of tanh *is* 1 at 0, so it is not
# "always less than 1", as the chapter says.
#
# Now look at $z=0$, since small weights put $z$ there. tanh and ELU have slope 1; GELU, SiLU and
# softplus one half; sigmoid a quarter. ReLU jumps from 0 to 1. (The study notes recommend
# ReLU to "avoid [saturation](../docs/glossary.md#saturated)". To the right of 0 it does; to the
# left it is nothing but saturation.)

# %%
middle = pd.Series({name: slopes[name][z.abs().argmin()].item() for name in names})
known = {"sigmoid": 0.25, "tanh": 1, "gelu": 0.5, "silu": 0.5, "selu": 1.758}
for name, slope in known.items():
    claims.claim(f"{name}, slope at 0", middle[name], about=slope, within=0.001)
steep = {name for name in names if slopes[name].max() > 1.001}
claims.claim("three exceed 1: selu, gelu, silu", steep == {"selu", "gelu", "silu"})

# %% [markdown]
# ## "Use ReLU instead of tanh"
#
# So the answer heads its first remedy; the study notes, the entry and the blog post agree. None of
# them mentions the weights. So we swap the activation and nothing else.
#
# How much is left of a gradient? From lesson 01: a layer whose weights have the
# [gain](../docs/glossary.md#gain) $\sigma_w$
# ([weight variance](../docs/glossary.md#weight-variance) $\sigma_w^2$) multiplies the norm of
# [delta](../docs/glossary.md#delta) by the root of [chi](../docs/glossary.md#chi),
#
# $$\sqrt\chi = \sigma_w\,\sqrt{\mathrm{E}\,\phi'(z)^2},$$
#
# the gain times the *root-mean-square slope* at the
# [pre-activations](../docs/glossary.md#pre-activation) $z$
# ([formulas](../docs/formulas.md#variance-and-chi)). PyTorch's gain is 0.577. We measure
# $\sqrt\chi$ as the [geometric mean](../docs/glossary.md#geometric-mean) over several draws of the
# weights.

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(128, seed)  # (128, 64): pictures, pixels


def flows(setting, draws=draws):
    """One forward and one backward pass for each draw of the weights."""
    nets = [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(draws)]
    return [probe.record(net, inputs, targets, cross_entropy) for net in nets]


def factor(found):
    """What a layer leaves of the delta norm, geometric mean over the draws."""
    return np.exp(np.mean([np.log(flow.norm_factor) for flow in found]))


# %% [markdown]
# Ten networks of 20 layers, each drawn five times. ReLU's slopes at 0 are 0 and 1; if half of them
# are 1, their root mean square is $\sqrt{1/2}=0.71$.
#
# **Predict.** Of the other nine activations, how many keep more of the gradient than tanh does?

# %%
guess = None
prediction = claims.predict("How many beat tanh?", guess)

# %%
default, rows, profiles, lines = {}, {}, {}, {}
for name in names:
    setting = models.Setting(depth, width, name)
    default[name] = flows(setting)
    expected = theory.fixed_point(name, 1 / 3, 1 / (3 * width)).norm_factor
    rows[name] = {"measured": factor(default[name]), "theory": expected}
    logs = np.log([flow.relative_delta_norms for flow in default[name]])  # (draws, layers)
    profiles[name] = np.exp(logs.mean(axis=0))
    lines[name] = models.predicted_profile(setting, inputs)

left = pd.DataFrame(rows).T
prediction.compare((left["measured"] > left.loc["tanh", "measured"]).sum())
left.round(2)

# %% [markdown]
# Only SELU beats tanh. ReLU leaves 0.41 per layer: better than sigmoid's 0.14, worse than tanh's
# 0.57. GELU (offered by the blog post) and SiLU leave 0.29: they vanish *faster than ReLU*, as fast
# as softplus. A leak of 0.01 changes nothing that you could see, PReLU's 0.25 little. ELU is at
# 0.56. The slopes at 0 explain it: tanh has $0.577\cdot1$, ReLU $0.577\cdot0.71$, GELU
# $0.577\cdot\frac12$.
#
# For a tanh network the advice, taken at its word, makes things *worse*. Here are all layers.

# %%
_, axes = plots.panels(2)
for ax, (kin, family) in zip(axes, families.items(), strict=True):
    points = {name: profiles[name] for name in family}
    dashed = {name: lines[name] for name in family}
    plots.layer_profile(points, dashed, float32_zone=False, title=f"The {kin} family", ax=ax)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** The gradient starts on the right. All ten lie on lines that theory drew
# before the networks existed: each layer takes its factor, and the factors multiply.

# %%
for name, row in left.iterrows():
    claims.claim(f"{name}: factor per layer", row["measured"], about=row["theory"], within=0.04)

# %% [markdown]
# **Question.** Why does GELU, at PyTorch's weights, leave less of the gradient than ReLU?
#
# <details><summary>Its slope is above 1 somewhere, and that is too steep</summary>Not this: a steep
# slope leaves more, not less.</details>
# <details><summary>Near 0 its slope is 1/2 for all units, and ReLU's root-mean-square slope is
# 0.71</summary>Right. Half the units at 1 keep half of the squared norm; all units at 1/2 keep a
# quarter.</details>
# <details><summary>It has more dead units</summary>Not this: its slope is 0 at a single point
# only.</details>

# %% [markdown]
# ## Is $1\times1\times1=1$?
#
# When the derivative is 1 nothing vanishes, says the chapter with this product; the blog post says
# that no shrinking happens. For one unit in each layer, all of them on: quite right.
# But a gradient is a sum over *all* units of each layer, and ReLU switches half of them off. Half
# of the squared norm goes, at each of the 19 ReLUs.
#
# The [ledger](../docs/glossary.md#ledger) of lesson 03 counts it in
# [decades](../docs/glossary.md#decade). Of our 20 layers the 19 ReLUs take
# $19\cdot\frac12\log_{10}2=2.9$. The 19 tanhs, said to squash (by the answer, the entry and the
# blog post), take less than 0.3. All else goes to the small weights.
#
# So mend the weights. He et al. (2015) doubled the variance *because* half of the units are off:
# with [He's rule](../docs/glossary.md#he) $\chi=2\cdot\frac12=1$. For tanh we take
# [Xavier's](../docs/glossary.md#xavier), $\sigma_w=1$. Does it matter for learning? Ten hidden
# layers of 64 units, 500 steps of SGD at a rate of 0.1:

# %%
starts = {
    "ReLU, default": models.Setting(11, 64, "relu"),
    "tanh, default": models.Setting(11, 64, "tanh"),
    "ReLU, He": models.Setting(11, 64, "relu", "he"),
    "tanh, Xavier": models.Setting(11, 64, "tanh", "xavier"),
}
deltas, lines, runs = {}, {}, {}
for label in train.each(starts):
    net = models.build(starts[label], 64, 10, seed)
    deltas[label] = probe.record(net, inputs, targets, cross_entropy).relative_delta_norms
    lines[label] = models.predicted_profile(starts[label], inputs)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    runs[label] = train.fit(net, digits, sgd, steps=500, seed=seed)

# %%
_, axes = plots.panels(2, share=False)
look = {"ylabel": "delta norm, relative", "title": "Before training"}
plots.layer_profile(deltas, lines, float32_zone=False, ax=axes[0], **look)
plots.training_curves(runs, chance=2.303, title="In training", ax=axes[1]).get_legend().remove()
plots.show(axes[0])

# %% [markdown]
# **Reading the figure** (one legend for both; on the right the dashed curves are He's and
# Xavier's). Left: two networks fall, two stay level. Right: ReLU at the default never leaves the
# line of guessing, while the very tanh that it should replace learns something. With He's weights
# ReLU passes 90 %, and so does tanh with Xavier's.
#
# The cure is half ReLU and half He, and the advice leaves out the half that decides.

# %%
takes = {}
for name in ("tanh", "relu"):
    takes[name] = np.mean([flow.ledger().by_kind["activation"] for flow in default[name]])
claims.claim("decades taken by 19 tanhs", takes["tanh"], below=0.3)
claims.claim("by 19 ReLUs", takes["relu"], about=19 * np.log10(2) / 2, within=0.06)

slow = runs["tanh, default"].losses[-50:].mean()
bounds = {"ReLU, default": (0, 0.2), "ReLU, He": (0.9, 1), "tanh, Xavier": (0.9, 1)}
for label, bound in bounds.items():
    claims.claim(f"{label}: accuracy", runs[label].test_accuracy, between=bound, drifts=True)
claims.claim("tanh, default: loss at the end", slow, below=2, drifts=True)

# %% [markdown]
# ### Exercise 4.1 - leaky_std (3 points)
#
# *About 8 minutes, easy.*
#
# For LeakyReLU with slope `negative_slope` left of 0 (a float from 0 to 1) and 1 right of it, write
# `leaky_std(negative_slope, fan_in)`: the standard deviation of the weights that keeps the norm of
# delta, in a wide network whose pre-activations are symmetric about 0. Each unit has `fan_in`
# inputs ([fan_in](../docs/glossary.md#fan_in)), and all layers are equally wide. Return a float.
#
# <details><summary>Hint</summary>Half the units have slope 1. What is the mean of the
# <em>squared</em> slopes, and what must the weight variance make of it?</details>
# <details><summary>More help</summary>Three numbers must have the product 1: fan_in, the variance
# of one weight, and the mean of the squared slopes.</details>


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
# ## A gain for each
#
# The same rule works for any activation: choose the gain that makes $\chi=1$, the
# [critical](../docs/glossary.md#critical) one. There is one difficulty. The slopes depend on where
# the units sit, that is on the variance of $z$, called [q](../docs/glossary.md#q). It depends on
# the gain in turn. `theory.critical_weight_var` looks for a gain whose
# [fixed point](../docs/glossary.md#fixed-point) of $q$ has $\chi=1$.

# %%
rows = {}
for name in ("sigmoid", "tanh", "elu", "selu", "prelu", "leaky_relu", "relu"):
    gain = theory.critical_weight_var(name) ** 0.5
    setting = models.Setting(depth, width, name, "lecun", gain=gain)
    rows[name] = {"critical gain": gain, "then measured": factor(flows(setting))}
gelu = factor(flows(models.Setting(depth, width, "gelu", "he")))
needs = left[["measured"]].join(pd.DataFrame(rows).T)
needs.round(2)

# %% [markdown]
# Factors per layer: at PyTorch's gain left, at the critical gain right. ReLU and its leaky kin keep
# all. So does the sigmoid, with a gain of 10 (where it hardly learns: lesson 05). tanh, ELU and
# SELU still lose 5 to 12 % per layer: their fixed point is $q=0$, and 20 layers do not come near.
#
# For GELU, SiLU and softplus theory finds no such gain. Why not for GELU and SiLU?
#
# > As $q\to0$ all slopes are 1/2, and as $q\to\infty$ GELU looks like ReLU. Up to He's gain GELU's
# > outputs are smaller than ReLU's, so $q$ sinks to 0, where $\chi=\sigma_w^2/4$ is at most 1/2.
# > Above it a large $q$ grows without end; a small one sinks still, or from a gain of 2 on
# > grows, too. No $q$ stays where $\chi=1$.
#
# For some depth a gain will do, for every depth none. With He's gain a layer of GELU leaves about
# 0.96.

# %%
level, gain = needs["then measured"], needs.loc["sigmoid", "critical gain"]
bounds = {"sigmoid": 0.05, "prelu": 0.03, "leaky_relu": 0.03, "relu": 0.03}
for name, gap in bounds.items():
    claims.claim(f"{name}, critical: per layer", level[name], between=(1 - gap, 1 + gap))

# %%
claims.claim("gelu, He: factor per layer", gelu, about=0.96, within=0.03)
claims.claim("sigmoid: critical gain", gain, between=(10, 10.3))
for name in ("tanh", "elu", "selu"):
    claims.claim(f"{name}, critical: per layer", level[name], between=(0.88, 0.95))

# %% [markdown]
# SELU's critical gain is 0.69. But it was made for a gain of 1
# ([LeCun's](../docs/glossary.md#lecun) rule), and for the way *forward*. Klambauer et al. (2017,
# theorem 1) chose its two constants such that mean 0 and a
# **[second moment](../docs/glossary.md#moment)** of 1 (the mean of the square) come out of a layer
# as they went in ([formulas](../docs/formulas.md#selu)),
#
# $$\mathrm{E}\,\phi(z)=0,\qquad \mathrm{E}\,\phi(z)^2=1,\qquad z\sim N(0,1),$$
#
# and such that other variances *return* to 1. We feed 30 layers with pictures whose mean square is
# 0.1, 1 or 10.

# %%
pictures = inputs / inputs.square().mean(dim=1, keepdim=True).sqrt()  # mean square 1 each
setting = models.Setting(30, width, "selu", "lecun")
nets = [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(draws)]
selu, sizes, lines = {}, {}, {}
for start in (10, 0.1, 1):
    label, batch = f"start at {start}", start**0.5 * pictures
    selu[label] = [probe.record(net, batch, targets, cross_entropy) for net in nets]
    squares = [flow.activation_mean**2 + flow.activation_std**2 for flow in selu[label]]
    sizes[label] = np.mean(squares, axis=0)[:-1]  # 29 hidden layers
    lines[label] = theory.trajectory("selu", 1.0, depth=30, q0=start).q[1:]

kept = (theory.trajectory("selu", 1.0, depth=2, q0=1.01).q[1] - 1) / 0.01
mean = np.mean([flow.activation_mean[:-1] for flow in selu["start at 1"]])

# %%
look = {"yscale": "log", "xlabel": "layer", "ylabel": "mean square", "title": "SELU: back to 1"}
ax = plots.curves(sizes, lines, x=range(1, 30), **look)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** From above and from below, the mean square returns to 1: near 1 a layer
# keeps only 0.78 of an excess, and after fifteen layers a wrong start is forgotten.
#
# The price is paid on the way back. At this fixed point a layer multiplies the norm of delta by
# 1.035: the gradient *explodes*. Gently, about threefold over 30 layers, but by compound interest.
# Nothing holds $\chi$ at 1. One gain cannot serve both directions.

# %%
flat = selu["start at 1"]
claims.claim("share of an excess that a layer keeps", kept, about=0.783, within=0.01)
claims.claim("start at 10, layer 15", sizes["start at 10"][14], about=1, within=0.25)
claims.claim("start at 1: mean activation", mean, between=(-0.05, 0.05))
claims.claim("delta: factor per layer", factor(flat), about=1.0352, within=0.007)
claims.claim("growth over 30 layers", 10 ** -flat[0].decades_lost, between=(2, 4))

# %% [markdown]
# ### Exercise 4.2 - critical_gain (4 points)
#
# *About 11 minutes, medium.*
#
# `slopes` is a float tensor of any shape: the slopes of an activation at many pre-activations, not
# all 0. Write `critical_gain(slopes)`: the $\sigma_w$ with which such a layer keeps the norm of
# delta, as a float. Slopes of only 0 and 1 earn 1 point, any others 3.
#
# <details><summary>Hint</summary>Solve the equation for the root of chi for the gain, with a mean
# over the tensor in place of the expectation. Mind the order of mean and square.</details>
# <details><summary>More help</summary>Square each slope, take the mean, then the root. What makes
# up for that?</details>


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
# ## Half the ReLUs look dead
#
# The UvA Deep Learning Tutorials build a ReLU network with ten hidden layers and PyTorch's default
# weights, and count dead units before any training. A unit is **dead** if its slope is 0 for
# *every* picture: ReLU hands on 0, no gradient passes, nothing moves its weights. They find more
# than half of a deep layer dead, and advise Swish (SiLU) for very deep networks.
#
# We count with the probe, in five such networks.

# %%
some, labels = digits.batch(256, seed)  # (256, 64)


def dead_shares(setting):
    """Share of dead units in each of ten layers, mean over the draws."""
    nets = [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(draws)]
    found = [probe.record(net, some, labels, cross_entropy).dead_share for net in nets]
    return np.mean(found, axis=0)[:10]


# %%
dead = pd.DataFrame(index=pd.Index(range(1, 11), name="layer"))
dead["default"] = dead_shares(models.Setting(11, width, "relu"))
dead.T.round(2)

# %%
net = models.build(models.Setting(11, width, "relu"), 64, 10, 10 * seed)
tenth = net[:20](some).detach()  # (256, width): what layer 10 hands on
pd.DataFrame(tenth[:5, :10].numpy()).round(3)

# %% [markdown]
# The count is right: half of layer 10. But nothing has been trained. Who killed these units?
#
# The second table shows ten units of layer 10, a unit in each column, for five pictures. About half
# of the columns are 0 throughout. But in a column that is not, five different pictures have one
# number. All pictures look *alike* in layer 10. A unit that is off for one is off for all, by the
# toss of a coin.

# %% [markdown]
# ### Exercise 4.3 - dead_share (3 points)
#
# *About 8 minutes, easy.*
#
# `pre_activations`, a float tensor of shape (pictures, units), is what a ReLU layer receives. Write
# `dead_share(pre_activations)`: the share of its *units*, a float from 0 to 1, that are dead on
# this batch. The slope of ReLU at exactly 0 counts as 0. Any batch earns 2 points, zeros 1 more.
#
# <details><summary>Hint</summary>One picture that switches a unit on is enough to keep it alive.
# Along which dimension must you ask?</details>
# <details><summary>More help</summary>First: is each entry off? Then: are <em>all</em> entries of a
# unit off?</details>


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
# ## Why pictures become alike
#
# ReLU's outputs are never negative, so their *mean* is not 0. Take two inputs at a right angle and
# send them through one wide layer. How alike are they then? We ask for the cosine of their angle
# ([cosine](../docs/glossary.md#cosine)): 0 at a right angle, 1 in the same direction.

# %%
torch.manual_seed(seed)
layer = torch.nn.Linear(64, 100_000, bias=False)
torch.nn.init.normal_(layer.weight)
first, second = layer(torch.eye(64)[:2]).relu().detach()  # (100000,) each
cosine = torch.cosine_similarity(first, second, dim=0).item()
pd.Series({"cosine, before": 0.0, "cosine, after": cosine}).round(3)

# %% [markdown]
# The angle has shrunk from 90 to 71 degrees.
#
# > At a right angle the pre-activations $u$ and $v$ of the two inputs are independent. So
# > $\mathrm E\,\phi(u)\phi(v)$ is the square of the mean, $(1/\sqrt{2\pi})^2$ for $u,v\sim N(0,1)$.
# > The mean square is $\frac12$. Their ratio is the cosine: $\frac1{2\pi}/\frac12=\frac1\pi$.
#
# The mean is a part that all inputs have in common, a third of the mean square. Each layer adds
# such a part. The rule for all angles:
#
# > Let $K$ hold the covariances, over random weights, of the pre-activations of two inputs, and
# > $\theta$ be their angle in it. One wide ReLU layer further up it is
# >
# > $$K'_{12} = \sigma_w^2\,\sqrt{K_{11}K_{22}}\;
# > \frac{\sin\theta+(\pi-\theta)\cos\theta}{2\pi}+\sigma_b^2 ,$$
# >
# > with $\sigma_b^2$ the variance of the biases: the
# > **[arc-cosine kernel](../docs/glossary.md#kernel)** (Cho and Saul 2009, degree 1;
# > [formulas](../docs/formulas.md#the-arc-cosine-kernel)).


# %%
def next_layer(k, weight_var, bias_var):
    """Covariances of the pre-activations of all pictures, one ReLU layer further up."""
    scale = torch.outer(k.diagonal(), k.diagonal()).sqrt()
    angle = (k / scale).clamp(-1, 1).arccos()
    mean = (angle.sin() + (torch.pi - angle) * angle.cos()) / (2 * torch.pi)
    return weight_var * scale * mean + bias_var


right_angle = next_layer(torch.eye(2).double(), 2.0, 0.0)
known = theory.correlation_map("relu", 2.0, c=0.0)
mean_share = first.mean() ** 2 / first.square().mean()
claims.claim("cosine after one layer", cosine, about=1 / np.pi, within=0.02)
claims.claim("share of the mean in the mean square", mean_share, about=1 / np.pi, within=0.02)
claims.claim("next_layer and correlation_map", right_angle[0, 1], about=known, within=1e-6)

# %% [markdown]
# Both functions agree. Now we follow the 256 pictures through ten layers without building a
# network. In each layer we write down their mean cosine. And we draw 4000 random units whose
# pre-activations have the covariances $K$, and count those that are off for all pictures.
#
# We do it for PyTorch's start, for the same with biases 0, and for He's, whose biases are 0, too.


# %%
def followed(setting):
    """For each of ten layers: mean cosine of the pictures, share of dead units."""
    weight_var, bias_var = setting.variances
    noise = torch.randn(256, 4000, generator=torch.Generator().manual_seed(1)).double()
    k = weight_var * some.double() @ some.double().T / 64 + bias_var  # (256, 256)
    rows = []
    for layer in range(1, 11):
        values, vectors = torch.linalg.eigh(k)
        units = vectors * values.clamp(min=0).sqrt() @ noise  # (256, 4000), covariances k
        off = (units.amax(dim=0) <= 0).double().mean().item()
        cosines = k / torch.outer(k.diagonal(), k.diagonal()).sqrt()
        rows.append({"layer": layer, "cosine": cosines.mean().item(), "dead": off})
        k = next_layer(k, weight_var, bias_var)
    return pd.DataFrame(rows).set_index("layer")


# %%
variants = {
    "default": models.Setting(11, width, "relu"),
    "default, biases 0": models.Setting(11, width, "relu", bias_var=0.0),
    "he": models.Setting(11, width, "relu", "he"),
}
expected = {name: followed(setting) for name, setting in variants.items()}
cosines = pd.DataFrame({name: table["cosine"] for name, table in expected.items()})
for name in ("default, biases 0", "he"):
    dead[name] = dead_shares(variants[name])
(1 - cosines).loc[[1, 4, 7, 10]].map("{:.1e}".format)

# %% [markdown]
# The table shows 1 minus the mean cosine: 0 is "all alike". By layer 10 the default falls below
# $10^{-4}$. Without biases it stays far larger, and then the size of the weights does not matter:
# ReLU keeps angles when all weights are scaled.

# %%
dead_theory = {name: table["dead"] for name, table in expected.items()}
look = {"xlabel": "layer", "ylabel": "dead share", "title": "Dead before any training"}
ax = plots.curves(dead.to_dict("list"), dead_theory, x=dead.index, **look)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** A theory that has never heard of gradients meets the points: nobody was
# killed. With PyTorch's start the dead share tends to one half. With He's it is near an
# eighth, and with PyTorch's weights as well, once biases are 0.
#
# So it is the *biases*, the same for all pictures. Small weights shrink the pictures, layer by
# layer, the biases stay. In the end $z$ is nearly all bias: one more symptom of a small start.
# Swish does not treat it; it leaves 0.29 per layer where ReLU left 0.41.

# %%
gaps = {name: (dead[name] - dead_theory[name]).abs().max() for name in variants}
claims.claim("default, layer 10: dead", dead.loc[10, "default"], between=(0.42, 0.58))
claims.claim("He, layer 10: dead", dead.loc[10, "he"], between=(0.05, 0.21))
unbiased = dead.loc[10, "default, biases 0"]
claims.claim("default, biases 0, layer 10: dead", unbiased, between=(0.04, 0.22))

# %%
apart = 1 - cosines.loc[10]
claims.claim("default: farthest point from theory", gaps["default"], below=0.09, drifts=True)
claims.claim("He: farthest point from theory", gaps["he"], below=0.09, drifts=True)
claims.claim("default, layer 10: 1 - mean cosine", apart["default"], below=1e-4)
ratio = apart["default, biases 0"] / apart["he"]
claims.claim("biases 0: default over He", ratio, about=1, within=1e-3)

# %% [markdown]
# **Question.** Half of the units of a new, deep ReLU layer are off for every picture. What is the
# first thing to try?
#
# <details><summary>A smaller learning rate</summary>Not this: nothing has been trained
# yet.</details>
# <details><summary>He's start, with biases 0</summary>Right. The pictures reach the layer as
# different pictures, and hardly a unit is off for all of them.</details>
# <details><summary>Swish with the same weights</summary>Not this: no slope is exactly 0 then, but
# the small start stays, and the gradient shrinks faster.</details>

# %% [markdown]
# ## A rate that kills
#
# The chapter warns of the "dying ReLU" problem, where neurons get stuck. Can training kill a unit?
# We start with He's rule, three hidden layers, and take 200 steps of Adam at four learning rates.
# To have a measure also for activations that are never quite flat, we call a unit **asleep** if it
# is saturated on *every* training picture: its slope stays below 0.05. A sleeping ReLU is dead. A
# sleeping LeakyReLU lives on its leak.


# %%
def asleep(net):
    """For each hidden layer and unit: is the slope below 0.05 on every picture?"""
    masks, h = [], digits.train_inputs
    for linear, phi in zip(net[:-1:2], net[1::2], strict=True):
        z = linear(h).detach().requires_grad_()  # (pictures, units)
        h = phi(z)
        (slope,) = torch.autograd.grad(h.sum(), z)
        masks.append((slope.abs() < 0.05).all(dim=0))  # (units,)
    return torch.stack(masks)  # (layers, units)


fresh_net = models.build(models.Setting(4, width, "relu", "he"), 64, 10, 10 * seed)
shares_fresh = asleep(fresh_net).double().mean(dim=1)
pd.Series(shares_fresh.numpy(), index=[1, 2, 3], name="asleep, per layer").round(3)

# %% [markdown]
# Before training hardly a unit sleeps. Each case below is the mean of two networks.


# %%
def two_networks(name):
    """Two new networks with three hidden layers and He's weights."""
    setting = models.Setting(4, width, name, "he")
    return [models.build(setting, 64, 10, 10 * seed + draw) for draw in range(2)]


def go_on(nets, rate, steps=200):
    """Train each network with Adam; return the mean test accuracy."""
    recipe = train.Recipe("adam", rate, steps)
    runs = [train.fit(net, digits, recipe, seed=seed) for net in train.each(nets)]
    return np.mean([run.test_accuracy for run in runs])


def shares(nets):
    """Share of each layer that is asleep, mean over the networks."""
    return torch.stack([asleep(net) for net in nets]).double().mean(dim=(0, 2)).numpy()


# %% tags=["nbval-ignore-output"]
rates = (0.001, 0.01, 0.03, 0.1)
victims, layers, sleepers, scores = {}, {}, {}, {}
for name in ("relu", "leaky_relu", "elu", "silu", "tanh"):
    sleepers[name], scores[name] = [], []
    for rate in rates:
        victims[name] = two_networks(name)
        scores[name].append(go_on(victims[name], rate))
        layers[name, rate] = shares(victims[name])
        sleepers[name].append(layers[name, rate].mean())

rows = {rate: layers["relu", rate] for rate in rates}
columns = ["layer 1", "layer 2", "layer 3"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(2)

# %% [markdown]
# This is ReLU: one row per rate, the dead share of each layer. A rate of 0.001 kills hardly anyone.
# At 0.1 nearly all of layers 2 and 3 are dead, and hardly a unit of layer 1. Why? A first step of
# Adam moves *every* weight by the rate (lesson 02), and He's weights have a standard deviation of
# $\sqrt{2/128}=0.125$. Layer 1 reads pixels of both signs, layers 2 and 3 read ReLU's outputs, none
# of them negative. So where all weights move down there, $z$ falls for *every* picture, and no
# gradient lifts it again.
#
# Now the other four, all layers together.

# %%
_, axes = plots.panels(2, share=False)
look = {
    "xscale": "log",
    "xlabel": "learning rate of Adam",
    "ticks": {rate: f"{rate:g}" for rate in rates},
}
plots.curves(sleepers, x=rates, ylabel="share of units asleep", title="Asleep", ax=axes[0], **look)
look |= {"legend": False, "title": "What it costs"}
plots.curves(scores, x=rates, ylabel="test accuracy", ax=axes[1], **look)
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Left: at 0.1 more than half of the ReLUs are dead; at 0.001 fewer than 4
# in 100 units of any kind sleep. The leak helps, fewer sleep. Of ELU and SiLU over a fifth sleep,
# too. Right: at 0.1 ELU and SiLU fail like ReLU, below 60 %, while LeakyReLU stays above 50 %. And
# the old tanh, which bends on both sides, loses next to no unit and passes 75 %.

# %%
bounds = {"relu": ((0.5, 0.8), (0, 0.6)), "leaky_relu": ((0.15, 0.5), (0.5, 0.85))}
bounds |= {"elu": ((0.2, 0.6), (0, 0.6)), "silu": ((0.2, 0.8), (0, 0.6))}
bounds |= {"tanh": ((-0.01, 0.02), (0.75, 0.95))}
asleep_at, score_at = pd.DataFrame(sleepers, index=rates), pd.DataFrame(scores, index=rates)
for name, (share, score) in bounds.items():
    claims.claim(f"{name} at 0.1: asleep", asleep_at.loc[0.1, name], between=share, drifts=True)
    claims.claim(f"{name} at 0.1: accuracy", score_at.loc[0.1, name], between=score, drifts=True)
most = asleep_at.loc[0.001].max()
claims.claim("relu at 0.1, layer 1: dead", layers["relu", 0.1][0], below=0.05, drifts=True)
claims.claim("layers 2, 3: dead", layers["relu", 0.1][1:].min(), above=0.8, drifts=True)
claims.claim("at 0.001, any kind: asleep", most, below=0.04, drifts=True)

# %% [markdown]
# ## Who wakes again?
#
# "Stuck", says the chapter. In a new network we push *every second unit* down, until no picture
# lifts it above -5. Then we train for 200 steps at a rate of 0.01 and look who has woken up.


# %%
def put_to_sleep(net):
    """Push every second unit to -5 or below on every picture, layer by layer."""
    h = digits.train_inputs
    for linear, phi in zip(net[:-1:2], net[1::2], strict=True):
        highest = linear(h).detach().amax(dim=0)  # (units,)
        linear.bias.data[::2] -= highest[::2] + 5
        h = phi(linear(h))
    return net


net = put_to_sleep(models.build(models.Setting(4, width, "relu", "he"), 64, 10, 10 * seed))
net(digits.train_inputs[:64]).square().mean().backward()
norms = net[0].weight.grad.norm(dim=1)  # (units,)
pd.Series({"unit 0": norms[0].item(), "unit 1": norms[1].item()}, name="gradient").round(3)

# %% [markdown]
# Unit 0 of layer 1 is pushed down, and has no gradient. So its weights stay. And what it reads, the
# pictures, stays as well.
#
# **Predict.** Which share of the sleeping ReLUs of *layer 1* will wake?

# %%
guess = None
prediction = claims.predict("ReLU, layer 1: share that wakes?", guess)

# %%
woken = {}
for name in sleepers:
    nets = [put_to_sleep(net) for net in two_networks(name)]
    before = torch.stack([asleep(net) for net in nets])  # (networks, layers, units)
    go_on(nets, 0.01)
    after = torch.stack([asleep(net) for net in nets])
    awake = before & ~after
    woken[name] = awake.sum(dim=(0, 2)) / before.sum(dim=(0, 2))  # (layers,)
prediction.compare(woken["relu"][0])

# %%
look = {"xlabel": "layer (1 = nearest the input)", "ylabel": "share woken again"}
ax = plots.curves(woken, x=(1, 2, 3), ticks={1: "1", 2: "2", 3: "3"}, title="Awake again", **look)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** In layer 1 ReLU is stuck for ever. Higher up the layers below can move and
# lift a few. All other kinds wake in every layer.
#
# But these units had been pushed by hand. Take those that a rate of 0.1 has *really* put to sleep,
# and go on gently: 300 steps at 0.001.

# %% tags=["nbval-ignore-output"]
rows = {}
for name in ("relu", "leaky_relu"):
    before = torch.stack([asleep(net) for net in victims[name]])
    score = go_on(victims[name], 0.001, steps=300)
    after = torch.stack([asleep(net) for net in victims[name]])
    back = (before & ~after).sum() / before.sum()
    rows[name] = {"share that wakes": back.item(), "accuracy": score}
gently = pd.DataFrame(rows).T
gently.map("{:.1g}".format)

# %% [markdown]
# Fewer than one dead ReLU in fifty is back. LeakyReLU's networks recover to over 80 %, although at
# least three in four of *their* sleepers sleep on. So what does the leak do, if it does not wake
# them?
#
# A last test, the hardest. All biases of layer 1 are at -50. How much gradient do its weights get?

# %%
others = min(woken[name].min() for name in woken if name != "relu")
claims.claim("ReLU, layer 1: share that wakes", woken["relu"][0], equals=0)
claims.claim("ReLU higher up: share that wakes", woken["relu"][1:].max(), above=0.03, drifts=True)
claims.claim("all but ReLU, any layer: woken", others, above=0.05, drifts=True)
relu, leaky = gently.loc["relu"], gently.loc["leaky_relu"]
claims.claim("relu, gently: wakes", relu["share that wakes"], below=0.02, drifts=True)
claims.claim("relu, gently: accuracy", relu["accuracy"], between=(0, 0.6), drifts=True)
claims.claim("leaky_relu, gently: wakes", leaky["share that wakes"], below=0.25, drifts=True)
claims.claim("leaky_relu, gently: accuracy", leaky["accuracy"], between=(0.8, 1), drifts=True)

# %%
pushed, norms = {}, {}
for name in ("relu", "gelu", "elu", "leaky_relu"):
    pushed[name] = two_networks(name)[0]
    torch.nn.init.constant_(pushed[name][0].bias, -50.0)
    norms[name] = probe.record(pushed[name], some, labels, cross_entropy).weight_grad_norms[0]
pd.Series(norms, name="gradient of layer 1").map("{:.0e}".format)

# %% [markdown]
# ReLU's is 0, and GELU's and ELU's might as well be: they keep no gradient flow this far out. Only
# the leak does. We train the network of LeakyReLU for 500 steps.

# %%
claims.claim("relu at -50: gradient of layer 1", norms["relu"], below=1e-300, digits=1)
claims.claim("gelu at -50", norms["gelu"], below=1e-100, digits=1)
claims.claim("elu at -50", norms["elu"], below=1e-10, digits=1)
claims.claim("leaky_relu at -50", norms["leaky_relu"], below=1, digits=1)

# %%
net = pushed["leaky_relu"]
score = go_on([net], 0.001, steps=500)
climb = (net[0].bias + 50).abs().max()
claims.claim("LeakyReLU from -50: accuracy", score, above=0.75, drifts=True)
claims.claim("its units awake in layer 1", (~asleep(net)[0]).sum(), equals=0)
claims.claim("its biases moved, of 0.5 possible", climb, below=0.15, drifts=True)

# %% [markdown]
# It passes 75 %, with *not one unit awake* in layer 1. Its biases moved by less than 0.15, of the
# 0.5 that 500 steps of Adam in one direction would give: nothing pulls them up. A sleeping leaky
# unit is a *linear* unit, and the layers above learn from that. The leak buys no way back, but a
# way through.

# %% [markdown]
# **Question.** A ReLU of layer 1 is dead on every training picture. Which of these can wake it?
#
# <details><summary>More steps of plain SGD</summary>Not this: its gradient is 0 in every step, so
# every step leaves it where it is.</details>
# <details><summary>The layers above, when they learn</summary>Not this: they change what they make
# of its output. What the unit itself reads are the pictures.</details>
# <details><summary>Setting its bias by hand</summary>Right. A change that needs no gradient can
# lift it; its own gradient cannot.</details>

# %% [markdown]
# ### Exercise 4.4 - my_activation (open)
#
# *About 20 minutes, medium.*
#
# Design an activation of your own. Write `my_activation()`: it returns a pair, a function and its
# gain (a number above 0). The function takes a float tensor of any shape and returns one of the
# same shape; each entry depends on the entry at its place only. It must bend (no straight line),
# and be none of PyTorch's that this course uses, whatever its scale.
#
# The check sends 256 digits through three networks of 30 layers, 128 units wide, with normal
# weights of your gain and biases 0. The delta norm of layer 1 shall be that of layer 30,
# up or down by *less than a factor of 3* (geometric mean). And no unit shall be dead.
#
# <details><summary>Hint</summary>The gain must make up for the mean square of the slopes, and the
# slopes depend on where z is. With which functions do they not?</details>
# <details><summary>More help</summary>Two straight lines that meet at 0: half the units have one
# slope, half the other, wherever z is. Neither slope may be 0.</details>


# %% tags=["exercise"]
def my_activation():
    """An activation of one's own, and its gain."""
    ### BEGIN SOLUTION
    return torch.abs, 1.0
    ### END SOLUTION


# %% tags=["check"]
exercises.check(my_activation)

# %% [markdown] tags=["solution"]
# One of many answers. The slopes of the absolute value are 1 and -1, and their squares are all 1:
# gain 1 keeps the norm at any depth, and no slope is ever 0. (A sign does no harm to a norm.)

# %% [markdown]
# ## The claims, one by one
#
# | claim | who says it | verdict | measured here |
# |---|---|---|---|
# | ReLU for sigmoid, tanh | all but chapter | default: worse than tanh | 0.41; 0.57 |
# | ReLU prevents vanishing | answer | with He's weights | chance; over 90 % |
# | $1\times1\times1=1$ | blog post, chapter | if all are on | 19 ReLUs: 2.9 decades |
# | they squash | answer, entry, blog post | tanh not, at the start | below 0.3 decades |
# | derivatives below 1 | blog post, chapter | sigmoid: true; tanh: 1 at 0 | 0.25; 1 |
# | ReLU avoids saturation | study notes | its left half is all saturation | dead units |
# | LeakyReLU, ELU, GELU | answer, notes, blog post | as ReLU; better; worse | 0.41; 0.56; 0.29 |
# | He for ReLU | all but entry | true | 1.00 per layer |
# | neurons get stuck | chapter | true at large rates | layer 1: none wakes |
# | Leaky or its variants | chapter | Leaky helps; ELU, SiLU fail | accuracy at 0.1 |
# | half are dead, use Swish | UvA tutorials | right count, other cause | with He 0.13 |
#
# ## What this does not show
#
# Which activation is best when all else is right: GELU and SiLU, with norms and
# [skips](../docs/glossary.md#skip), drive most large networks. Adam carries ReLU's default somewhat
# deeper than SGD (lesson 02). Weight decay, or momentum left from before, can move even a dead
# unit. PReLU was never trained. And "asleep" depends on the pictures you ask.
#
# ## Summary
#
# * At PyTorch's gain a layer leaves 0.41 of the delta with ReLU, 0.29 with GELU or SiLU, 0.57 with
#   tanh. With He's weights ReLU leaves 1.00 and learns. The critical gain is 1.41 for ReLU, 1 for
#   tanh, 10 for the sigmoid; GELU has none.
# * Half of the ReLUs of layer 10 look dead at the default start, since its biases make all pictures
#   alike; with He's start, about an eighth. A learning rate of 0.1 kills in earnest.
# * Dead ReLUs of layer 1 never wake; leaky ones may, but need not: LeakyReLU learnt with all of
#   layer 1 asleep. The leak buys a way through for the signal.
#
# ## References
#
# The answer, the study notes, the encyclopaedia entry, the blog post and the chapter
# ([all five](../docs/sources.md)); He et al. 2015,
# [eq. 10 and 14](https://arxiv.org/abs/1502.01852); Klambauer et al. 2017,
# [theorem 1](https://arxiv.org/abs/1706.02515); Cho and Saul 2009,
# [arc-cosine kernels](https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning); Lee et
# al. 2018, [wide networks as Gaussian processes](https://arxiv.org/abs/1711.00165); Lu et al. 2019,
# [dying ReLU](https://arxiv.org/abs/1903.06733).
#
# Next: [05 · What does the scale of the weights do?](05_initialization.ipynb)

# %%
print(progress.summary())

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
# # 08 · Why do skips work, and when do they not?
#
# You need [01](01_theory.ipynb); lesson 07 helps. Runs on a
# laptop CPU.
#
# **By the end you can**
#
# * predict how much a stack of residual blocks adds to signal and gradient, and name the cures;
# * say how long the paths are that a gradient takes, and why a level gradient norm is not enough;
# * show on a deep convolutional network what residual connections repaired, and that it was not a
#   vanishing gradient.

# %% tags=["setup"]
import numpy as np
import torch
from torch.nn import functional

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("08", seed=0, blocks=20, deep=50, draws=10, steps=150)

# %% tags=["parameters"]
seed = 0
blocks = 20
deep = 50
draws = 10
steps = 150

# %% [markdown]
# ## One block
#
# A residual block returns $y = x + F(x)$ where a plain layer returns $F(x)$. $F$ is called the
# **branch**, and the way past it the **skip**. In the chain rule the skip is an identity matrix:
#
# $$\frac{\partial L}{\partial x} = \bigl(I + F'(x)\bigr)^{\!\top}\,\frac{\partial L}{\partial y}.$$
#
# However little the branch lets through, the identity hands everything on.
#
# All five articles recommend skips; two print code, and not the same. Article 000 adds *before* the
# activation, `relu(layer(x) + x)`. Article 003 adds *after* it, `x + relu(linear(x))`, and says
# that this solves vanishing "(and exploding)" gradients. Article 001 writes `x + F(x)`, which fits
# both. We call them **post-add** (the activation comes after the sum) and **pre-add** (before it).
#
# **Predict.** A plain network of 22 sigmoid layers loses about 18 decades of gradient between its
# last layer and its first. How many does it lose when its 20 inner layers get skips?

# %%
layer = models.build(models.Setting(depth=1), 64, 64, seed).double()
x = torch.randn(64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
jacobian = torch.autograd.functional.jacobian
plain = jacobian(lambda x: torch.sigmoid(layer(x)), x)
skipped = jacobian(lambda x: x + torch.sigmoid(layer(x)), x)
claims.claim("the skip adds I", torch.allclose(skipped, torch.eye(64).double() + plain))

# %%
digits = data.digits(seed)
inputs, targets = digits.batch(128, seed)
orders = (
    ("sigmoid(Wx)", "sigmoid", "none", 0.1, "stuck"),
    ("x + sigmoid(Wx)", "sigmoid", "pre-add", 0.1, "learns"),
    ("relu(x + Wx)", "relu", "post-add", 0.05, "learns"),
    ("x + relu(Wx)", "relu", "pre-add", 0.03, "learns"),
    ("x + relu(Wx)", "relu", "pre-add", 0.1, "overflows"),
)
flows = {}
for name, activation, residual, rate, outcome in train.each(orders):
    setting = models.Setting(blocks + 2, 64, activation, residual=residual)
    net = models.build(setting, 64, 10, seed)
    flows[name] = probe.record(net, inputs, targets, functional.cross_entropy)
    sgd = torch.optim.SGD(net.parameters(), lr=rate)
    run = train.fit(net, digits, sgd, steps=300, seed=seed)
    found = "learns" if run.test_accuracy > 0.8 else "overflows" if run.stopped else "stuck"
    claims.claim(f"{name}, rate {rate}: {outcome}", found == outcome)

# %%
guess = None
prediction = claims.predict("Decades lost with skips?", guess)

# %%
ax = plots.layer_profile({n: f.delta_norms for n, f in flows.items()}, title="Skips end vanishing")
plots.show(ax)
prediction.compare(flows["x + sigmoid(Wx)"].decades_lost)
for (name, flow), low in zip(flows.items(), (17.4, 0, -1, -1.6), strict=True):
    claims.claim(f"{name}: decades lost", flow.decades_lost, between=(low, low + 1))

# %% [markdown]
# **Reading the figure.** The vanishing is gone: of 18 decades less than one is left, and the
# network learns. So "prevents vanishing" is true.
#
# "And exploding" is not. At a rate of 0.1 the network of article 003 overflows within 300 steps; at
# 0.03 it learns. Look at the pink triangles: its gradient *grows* on its way back.
#
# ### Exercise 8.1 - block_gradient (4 points)
#
# Write the backward pass of both orders. `weight` (units, units), `x` and `back` (batch, units), no
# bias; `back` is the gradient at the block's output. `block_gradient(weight, x, back, order)`
# returns the gradient at `x`. For `"pre-add"` the block is `x + relu(x @ weight.T)`, for
# `"post-add"` it is `relu(x @ weight.T + x)`; 2 points each.
#
# <details><summary>Hint</summary>Two ways lead from x to the output. Write down for each what it
# passes on the way back, and add. Which of them meets the activation?</details>


# %% tags=["exercise"]
def block_gradient(
    weight: torch.Tensor, x: torch.Tensor, back: torch.Tensor, order: str
) -> torch.Tensor:
    """Gradient at the input of a residual block."""
    ### BEGIN SOLUTION
    if order == "pre-add":
        return back + (back * (x @ weight.T > 0)) @ weight
    back = back * (x @ weight.T + x > 0)
    return back + back @ weight
    ### END SOLUTION


# %% tags=["check"]
exercises.check(block_gradient)

# %% [markdown] tags=["solution"]
# Before the sum, the activation gates the branch alone and the skip stays clean. After the sum it
# gates both ways, so post-add blocks have no clean path from the loss to the input.

# %% [markdown]
# ## What a block adds
#
# Why does it grow? Let a branch by itself multiply the mean square of a gradient by $\rho$: this is
# the $\chi$ of lesson 01. If the branch ends in random weights of mean zero, skip and branch are at
# right angles on average, and squares add up. With a factor $s$ on the branch, one block gives
#
# $$\mathrm E\,\|g_{l}\|^2 = (1 + s^2\rho)\;\mathrm E\,\|g_{l+1}\|^2 ,$$
#
# with $g_l$ the gradient at the input of block $l$. **A skip turns $\chi$ into $1+\chi$.** That is
# never below 1, so nothing vanishes, and it is above 1 unless $s^2\rho = 0$, so something grows.
# The branch of He et al. (2016b), $F(x) = W\,\mathrm{relu}(x)$ with He weights, has $\rho = 1$:
# each block *doubles* the square, forward and backward. There are several cures.
#
# | cure | block | growth of the square over $L$ blocks |
# |---|---|---|
# | none | $x + F(x)$ | $2^L$ |
# | half-sum (Gehring et al. 2017) | $(x + F(x))/\sqrt2$ | 1 |
# | scaled branch | $x + F(x)/\sqrt L$ | $(1+1/L)^L$, at most $e$ |
# | pre-norm (He et al. 2016b) | $x + F(\mathrm{norm}(x))$ | from $q_0$ to $q_0 + L$ |
# | ReZero (Bachlechner et al. 2021) | $x + aF(x)$, $a$ learnt from 0 | 1, exactly |
# | Fixup (Zhang et al. 2019) | last layer of $F$ starts at 0 | 1, exactly |
#
# **Predict.** By which factor does the mean square of the gradient grow over 20 blocks of the first
# kind?


# %%
def stream(setting: models.Setting, draw: int = 0) -> tuple:
    """Run one network; return its blocks, the stream around them, and its gradients."""
    net = models.build(setting, 64, 10, 1000 * seed + draw).double()
    inner = [module for module in net if isinstance(module, models.Residual)]
    h, states = functional.layer_norm(inputs.double(), (64,)), []  # mean square 1
    for module in net:
        states += [h] if module is inner[0] else []
        h = module(h)
        states += [h] if module in inner else []
    return inner, states, torch.autograd.grad(functional.cross_entropy(h, targets), states)


def growth(setting: models.Setting) -> np.ndarray:
    """Mean square of the signal and of the gradient before and after each block."""
    logs = []
    for draw in range(draws):
        h, g = ([t.square().mean().item() for t in part] for part in stream(setting, draw)[1:])
        logs.append([np.log(h) - np.log(h[0]), np.log(g) - np.log(g[-1])])
    return np.exp(np.mean(logs, axis=0))  # relative to the start, and to the end


# %%
guess = None
prediction = claims.predict("Growth of the square over 20 blocks?", guess)

# %%
base = {"depth": blocks + 2, "width": 128, "activation": "relu", "initialization": "he"}
cures = {
    "x + F": {"residual": "pre-act"},
    "pre-norm": {"residual": "pre-act", "norm": "layer"},
    "F / sqrt(L)": {"residual": "pre-act-scaled"},
    "half-sum": {"residual": "pre-act-half"},
    "ReZero": {"residual": "rezero"},
    "Fixup": {"residual": "fixup", "depth": 2 * blocks + 2},
}
measured = {name: growth(models.Setting(**{**base, **cure})) for name, cure in cures.items()}
prediction.compare(measured["x + F"][1][0])

after = np.arange(blocks + 1.0)
predicted = dict.fromkeys(cures, np.ones(blocks + 1))
predicted["x + F"] = 2**after
predicted["pre-norm"] = (2 + after) / 2  # He weights in the first layer: q0 = 2
predicted["F / sqrt(L)"] = (1 + 1 / blocks) ** after

# %%
found = {name: gradient for name, (_, gradient) in measured.items()}
lines = {name: line[-1] / line for name, line in predicted.items()}
words = {"xlabel": "blocks before this point", "ylabel": "square of the gradient (end = 1)"}
ax = plots.curves(found, lines, x=after, yscale="log", title="Doubling, and cures", **words)
plots.show(ax)

# %%
for name, line in predicted.items():
    rate = line[-1] ** (1 / blocks)
    for what, total in zip(("signal", "gradient"), measured[name][[0, 1], [-1, 0]], strict=True):
        claims.claim(f"{name}: {what}, a block", total ** (1 / blocks), about=rate, within=0.04)
for name, total, factor in (("x + F", 1e6, 2.5), ("pre-norm", 11, 1.25), ("F / sqrt(L)", 2.7, 1.2)):
    claims.claim(f"{name}: gradient", measured[name][1][0], about=total, factor=factor)
claims.claim("exactly 1", (measured["ReZero"] == 1).all() and (measured["Fixup"] == 1).all())
helper = theory.residual_trajectory("relu", 2.0, blocks=blocks, q0=2.0, norm="layer")
claims.claim("pre-norm: the helper agrees", np.allclose(helper.q / 2, predicted["pre-norm"]))

for residual, block, forward, backward in (
    ("pre-act", "x + W relu(x)", 1.17, 1.17),
    ("pre-add", "x + relu(Wx)", 1.56, 1.29),
    ("post-add", "relu(x + Wx)", 1.27, 1.15),
):
    default = models.Setting(blocks + 2, 128, "relu", residual=residual)
    totals = growth(default)[[0, 1], [-1, 0]] ** (1 / blocks)
    claims.claim(f"default {block}: signal, a block", totals[0], about=forward, within=0.04)
    claims.claim(f"default {block}: gradient, a block", totals[1], about=backward, within=0.04)


# %%
def alike(h: torch.Tensor) -> float:
    return functional.normalize(h.detach()).mean(dim=0).square().sum().item()  # mean cosine


runs, cosines = {}, {}
for name, cure in train.each(cures.items()):
    depth = (2 if name == "Fixup" else 1) * deep + 2
    setting = models.Setting(**{**base, **cure, "depth": depth, "width": 64})
    net = models.build(setting, 64, 10, seed)
    sgd = torch.optim.SGD(net.parameters(), lr=0.05)
    runs[name] = train.fit(net, digits, sgd, steps=200, seed=seed)
    states = [stream(setting, draw)[1] for draw in range(4)]
    cosines[name] = np.mean([[alike(h) for h in (s[0], s[-1])] for s in states], axis=0)
for name in ("pre-norm", "F / sqrt(L)", "ReZero", "Fixup"):
    claims.claim(f"{name}: accuracy", runs[name].test_accuracy, above=0.85, drifts=True)
claims.claim("half-sum: accuracy", runs["half-sum"].test_accuracy, below=0.6, drifts=True)
claims.claim("x + F: loss not finite", runs["x + F"].stopped is not None)
for name, low, high in (("half-sum", 0.8, 1), ("F / sqrt(L)", 0.15, 0.4)):
    claims.claim(f"{name}: cosine at the start", cosines[name][0], below=0.1)
    claims.claim(f"{name}: cosine after 50 blocks", cosines[name][1], between=(low, high))

# %% [markdown]
# **Reading the figure.** Theory first, networks second, nothing fitted: a factor of a million, 11,
# 2.7, or 1. With PyTorch's own weights $\rho$ is 1/6, and `x + W relu(x)` grows by $1 + 1/6 = 1.17$
# a block. Article 003 puts the same parts in another order, and its signal grows by 1.56: the
# output of a ReLU is never negative, so all branches push the same way and the right angle is lost.
# The outer ReLU of article 000 halts a part of that: 1.27.
#
# Is a level norm enough, then? The last cell trained all six with **50 blocks** at one rate. The
# doubling network overflows. Four cures learn. The half-sum, whose norm was as level as anybody's,
# stays far behind. Its forward stream tells why: between two pictures the cosine is near 0 at the
# start, and above 0.8 after 50 blocks. All pictures have become alike. Under $1/\sqrt L$ the cosine
# stays near 0.25. Where does the difference come from?
#
# ### Exercise 8.2 - branch_scale (4 points)
#
# Design a cure of your own. `branch_scale(blocks, rho, growth)` returns the factor $s > 0$, the
# same on every branch, with which the mean square of the gradient grows by `growth` (above 1) over
# all blocks together; `rho` is positive. One block 2 points, a stack 2 points.
#
# <details><summary>Hint</summary>Solve the equation above for one block first. Then ask how much of
# the growth each of many equal blocks may contribute, if they multiply.</details>


# %% tags=["exercise"]
def branch_scale(blocks: int, rho: float, growth: float) -> float:
    """Factor on each branch that leads to a given growth of the mean square."""
    ### BEGIN SOLUTION
    return ((growth ** (1 / blocks) - 1) / rho) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
exercises.check(branch_scale)

# %% [markdown] tags=["solution"]
# Each block may grow by the $L$-th root of the whole, and what exceeds 1 is the branch's. For
# growth $e$ and many blocks this becomes $1/\sqrt{L\rho}$: that is where the $1/\sqrt L$ comes
# from.

# %% [markdown]
# ## How long is the way back?
#
# Multiply out $(I+J_1)(I+J_2)\cdots(I+J_L)$, one Jacobian $J$ a branch. Each of the $2^L$ products
# is a **path**: at every block it takes the skip or the branch (Veit et al. 2016). $\binom Lk$
# paths pass $k$ branches, each is worth $\rho^k$ in mean square, and different paths are at right
# angles on average. So the share of the squared gradient that has passed exactly $k$ branches is
#
# $$\binom Lk\,\frac{\rho^k}{(1+\rho)^L},\qquad\text{on average}\quad
# \bar k = \frac{L\,\rho}{1+\rho}\quad\text{branches.}$$
#
# Nobody can list $2^{50}$ paths, but they can be *sorted on the way back*: what has length $k$
# above a block has length $k$ below it by the skip, and $k+1$ by the branch.
#
# **Predict.** 50 blocks with PyTorch's weights, $\rho = 1/6$. How many branches has the gradient
# passed on average?


# %%
def by_length(setting: models.Setting) -> np.ndarray:
    """Share of the squared gradient by number of branches passed."""
    inner, states, gradients = stream(setting)
    paths = torch.zeros(len(states), *gradients[-1].shape, dtype=torch.float64)
    paths[0] = gradients[-1]
    with torch.no_grad():
        for block, x in zip(inner[::-1], states[-2::-1], strict=True):
            paths[1:] += block.scale * (paths[:-1] @ block.branch[-1].weight) * (x > 0)
    claims.claim("all paths together are the gradient", torch.allclose(paths.sum(0), gradients[0]))
    return (paths.square().sum(dim=(1, 2)) / paths.square().sum()).numpy()


lengths, shares, binomial = np.arange(deep + 1), {}, {}
he, plain, scaled = "x + F, He weights", "x + F, PyTorch's", "x + F / sqrt(L), He weights"
for name, weights, rho in ((he, "he", 1), (plain, "default", 1 / 6), (scaled, "he", 1 / deep)):
    residual = "pre-act-scaled" if name == scaled else "pre-act"
    shares[name] = by_length(models.Setting(deep + 2, 128, "relu", weights, residual=residual))
    line = (np.poly1d([rho, 1]) ** deep).coef[::-1]  # (1 + rho t)^L, sorted by powers of t
    binomial[name] = line / line.sum()

# %%
guess = None
prediction = claims.predict("Branches passed on average?", guess)

# %%
words = {"xlabel": "branches on the path", "ylabel": "share of the squared gradient"}
ax = plots.curves(shares, binomial, x=lengths, title="Fifty blocks, three depths", **words)
plots.show(ax)
prediction.compare(shares[plain] @ lengths)
rows = (he, 25, 0, 1e-13), (plain, 7.14, 2e-4, 1e-3), (scaled, 0.98, 0.3, 0.43)
for name, mean, low, high in rows:
    claims.claim(f"{name}: mean length", shares[name] @ lengths, about=mean, within=0.12)
    claims.claim(f"{name}: past all branches", shares[name][0], between=(low, high))
    claims.claim(f"{name}: off the line", np.abs(shares[name] - binomial[name]).max(), below=0.04)

layered = halved = 0.0  # cosine of two pictures, in theory
for block in range(deep):
    halved = (halved + theory.correlation_map("relu", 2.0, c=halved)) / 2
    layered = theory.correlation_map("relu", 2.0, c=layered) if block % 2 else layered
claims.claim("theory: cosine after 25 plain ReLU layers", layered, about=0.963, within=0.002)
claims.claim("theory: cosine after 50 half-sum blocks", halved, about=0.960, within=0.002)

# %% [markdown]
# **Reading the figure.** Three networks of 50 blocks, and their gradients know three depths: 25, 7
# and 1. So article 002 is right that skips reduce the *effective* depth, and the binomial says by
# how much. "Bypass layers entirely" (article 004) is true of a share: a third of the squared
# gradient under $1/\sqrt L$, one part in two thousand with PyTorch's weights, nothing to speak of
# with He's.
#
# And the half-sum? Its factor $1/\sqrt2$ is the same for all paths, so its shares are those of the
# blue curve: it is a network of 25 plain ReLU layers in disguise. In theory a cosine of 0 ends at
# 0.96 in either. A cure that keeps the long paths keeps their trouble.
#
# ### Exercise 8.3 - path_shares (5 points)
#
# Real blocks are not equal: in a pre-norm network the stream grows and $\rho$ falls from block to
# block. Write `path_shares(rhos)`: `rhos` is a list with the $\rho$ of each block, the answer the
# list of shares for lengths 0, 1, ... up to the number of blocks. Equal blocks 2 points, unequal
# ones 3.
#
# <details><summary>Hint</summary>Sort on the way back, as above, with numbers in place of
# gradients: start with one path of length 0 and pass one block at a time.</details>


# %% tags=["exercise"]
def path_shares(rhos: list) -> list:
    """Shares of the squared gradient by number of branches passed."""
    ### BEGIN SOLUTION
    shares = [1.0]
    for rho in rhos:
        pairs = zip([*shares, 0.0], [0.0, *shares], strict=True)
        shares = [(by_skip + rho * by_branch) / (1 + rho) for by_skip, by_branch in pairs]
    return shares
    ### END SOLUTION


# %% tags=["check"]
exercises.check(path_shares)

# %% [markdown] tags=["solution"]
# Every block splits each share in the ratio 1 to $\rho$, so dividing by $1+\rho$ keeps the sum at
# one. The result is the polynomial $\prod(1+\rho_l t)$, read off coefficient by coefficient.

# %% [markdown]
# ## Shattered gradients
#
# Long ways through *normalised* layers have another trouble that no norm shows. Take a random ReLU
# network from a number to a number, and look at its derivative along a line of inputs. If gradients
# are to be of use, a small step in $x$ must change them little. Balduzzi et al. (2017) found that
# in deep plain networks the derivative turns into white noise, and called it *shattering*. Batch
# norm has a part in it, as you will see.
#
# **Predict.** 24 layers with batch norm, 256 inputs in a row: what is the correlation between the
# derivatives at neighbouring inputs?


# %%
def trace(kind: str, draw: int, units: int = 200) -> np.ndarray:
    """Derivative of a random ReLU network along a line of 256 inputs."""
    options = {"generator": torch.Generator().manual_seed(1000 * seed + draw)}
    options["dtype"] = torch.float64
    x = torch.linspace(-2, 2, 256).double()[:, None].requires_grad_()
    h = x @ torch.randn(1, units, **options) + torch.randn(units, **options)
    for _ in range(0 if kind == "1 layer" else 23):
        z = (h - h.mean(0).detach()) / h.std(0).detach() if "BN" in kind else h
        branch = torch.relu(z) @ torch.randn(units, units, **options) * (2 / units) ** 0.5
        h = h + 0.1 * branch if "skips" in kind else branch
    output = torch.relu(h) @ torch.randn(units, 1, **options)
    return torch.autograd.grad(output.sum(), x)[0][:, 0].numpy()


def correlations(values: np.ndarray) -> np.ndarray:
    """Correlation of a trace with itself, shifted by 0 to 30 inputs."""
    values = values - values.mean()
    return np.correlate(values, values, "full")[255:286] / (values @ values)


# %%
guess = None
prediction = claims.predict("Correlation of neighbours?", guess)

# %%
kinds = ("1 layer", "24 layers, BN, skips", "24 layers, BN", "24 layers")
traces = {kind: [trace(kind, draw) for draw in range(draws)] for kind in kinds}
fading = {kind: np.mean([correlations(t) for t in traces[kind]], axis=0) for kind in kinds}
prediction.compare(fading["24 layers, BN"][1], digits=1)

_, axes = plots.panels(2, share=False)
shifted = {k: traces[k][0] / traces[k][0].std() - 8 * n for n, k in enumerate(kinds[:3])}
words = {"xlabel": "input x", "ylabel": "df/dx, scaled and shifted", "title": "One draw each"}
plots.curves(shifted, x=np.linspace(-2, 2, 256), ax=axes[0], **words).get_legend().remove()
words = {"xlabel": "distance of two inputs", "ylabel": "correlation", "title": "Mean of ten"}
plots.curves(fading, x=np.arange(31) * 4 / 255, ax=axes[1], **words)
axes[0].set_yticks([])
axes[1].set_ylim(-0.15, 1.6)
plots.show(axes[0])
bounds, significant = ((0.95, 1), (0.9, 1), (-0.15, 0.1), (0.75, 0.95)), (3, 3, 1, 3)
for kind, bound, count in zip(kinds, bounds, significant, strict=True):
    claims.claim(f"{kind}: neighbours", fading[kind][1], between=bound, digits=count)

# %% [markdown]
# **Reading the figure.** Same colours left and right. One layer: the derivative wanders. 24 layers
# with batch norm (green): each input has a gradient of its own, unrelated to its neighbour's. Skips
# with a small branch (orange) bring the wandering back, at the same depth. Without batch norm
# (pink, right) depth alone shatters far less: who leaves the norm out will look for the white noise
# in vain.
#
# ## What ResNet was for
#
# Article 003 lists He et al. (2016) among its sources on vanishing gradients. Section 4.1 of that
# paper says otherwise. Its plain networks had batch norm; the authors checked that signals vanish
# in neither direction, and call vanishing gradients an unlikely cause. What they set out to cure is
# **degradation**: a deeper network ends with a *higher training error*. We need not take their
# word. Here are MNIST pictures and convolutional networks, plain and with skips, of 8 and of 44
# layers: 8 channels on 7 x 7 places, He weights, batch norm.
#
# We record deltas, and something that a norm cannot see: the cosine between the gradients of two
# batches, layer by layer. At 1 all pictures ask for the same change; at 0 the step that one batch
# asks for means nothing to the other.
#
# **Predict.** How many decades of gradient does the plain network of 44 layers lose?

# %%
mnist = data.mnist(seed)
images, labels = mnist.batch(512, seed)


def picture_net(layers: int, residual: str = "none", *kind: str) -> torch.nn.Sequential:
    """Convolutions of 8 channels, and an output layer that sees every place."""
    setting = models.Setting(layers, 8, *(kind or ("relu", "he", "batch")), residual)
    net = models.build_conv(setting, stride=4, seed=seed)
    output = models.build(models.Setting(depth=1), 8 * 7 * 7, 10, seed)
    return torch.nn.Sequential(*net[:-3], torch.nn.Flatten(), *output)


def agreement(net: torch.nn.Module) -> list[float]:
    """Cosine between the weight gradients of two batches, layer by layer."""
    matrices = [parameter for parameter in net.double().parameters() if parameter.ndim > 1]
    halves = zip(images.double().chunk(2), labels.chunk(2), strict=True)
    losses = [functional.cross_entropy(net(x), y) for x, y in halves]
    pair = zip(*(torch.autograd.grad(loss, matrices) for loss in losses), strict=True)
    return [functional.cosine_similarity(a.ravel(), b.ravel(), dim=0).item() for a, b in pair]


# %%
guess = None
prediction = claims.predict("Decades lost, plain, 44 layers?", guess)

# %%
skips = {"plain": "none", "skips": "pre-act"}
cases = {f"{kind}, {n}": (n, skips[kind]) for kind in skips for n in (8, 44)}
batch = images[:64], labels[:64], functional.cross_entropy
flows = {name: probe.record(picture_net(*case), *batch) for name, case in cases.items()}
cosines = {name: agreement(picture_net(*case)) for name, case in cases.items()}
prediction.compare(flows["plain, 44"].decades_lost)
claims.claim("plain, 44: a layer", flows["plain, 44"].norm_factor, about=1.165, within=0.04)
for name, low, high in zip(cases, (-0.6, -3.2, -0.2, -0.4), (0.6, -1.6, 0.9, 0.9), strict=True):
    claims.claim(f"{name}: decades lost", flows[name].decades_lost, between=(low, high))
for name, low, high in zip(cases, (0.25, -0.1, 0.45, 0.3), (0.75, 0.2, 0.95, 0.95), strict=True):
    claims.claim(f"{name}: mean cosine", np.mean(cosines[name]), between=(low, high), digits=1)
deltas = {name: flow.relative_delta_norms for name, flow in flows.items()}
places = {name: range(1, len(values) + 1) for name, values in cosines.items()}

# %%
_, axes = plots.panels(2, share=False)
size = {"ylabel": "delta norm, relative to the last", "title": "Size", "float32_zone": False}
plots.layer_profile(deltas, ax=axes[0], **size)
words = {"x": places, "xlabel": "layer", "ylabel": "cosine of two batches", "title": "Direction"}
plots.curves(cosines, ax=axes[1], **words).get_legend().remove()
plots.show(axes[0])


# %%
def fitted(net, rate=0.2, rule="sgd", steps=steps) -> train.History:
    return train.fit(net, mnist, train.Recipe(rule, rate, steps), seed=seed)


tanh = picture_net(44, "none", "tanh", "orthogonal", "none")
generator = torch.Generator().manual_seed(seed)
for layer in tanh[3:-2:2]:  # kernels of 3 x 3: orthogonal in the centre, 0 around it
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.orthogonal_(layer.weight.data[:, :, 1, 1], 1.1, generator=generator)
claims.claim("tanh, 44: mean cosine", np.mean(agreement(tanh)), above=0.4)
nets = {name: picture_net(*case) for name, case in cases.items()}
runs = {name: fitted(net) for name, net in train.each(nets.items())}
runs["tanh, 44"] = fitted(tanh.float(), 0.02)
for name in ("plain, 44", "skips, 44"):
    runs[f"{name}, Adam"] = fitted(picture_net(*cases[name]), 0.01, "adam", 100)
for name, run in runs.items():
    bounds = (0, 0.5) if name.startswith("plain, 44") else (0.75 if "tanh" in name else 0.85, 1)
    claims.claim(f"{name}: training accuracy", run.train_accuracy, between=bounds, drifts=True)
after = probe.record(nets["plain, 44"], *batch).decades_lost
claims.claim("plain, 44, trained: decades lost", after, between=(0.2, 2.7), drifts=True)

# %%
shown = {name: run for name, run in runs.items() if "Adam" not in name}
ax = plots.training_curves(shown, chance=np.log(10), title="The same pictures, the same steps")
ax.set_ylim(0, 3.3)
ax.legend(ncols=3, loc="upper right")
plots.show(ax)

# %% [markdown]
# **Reading the figures.** Degradation (orange): from the same steps the deeper plain network learns
# less than the shallow one that it contains, on the *training* pictures. With skips 44 layers learn
# as 8 do.
#
# The size of its gradient does not explain that. Nothing vanished at the start: the gradient
# *grows* by about two decades, its norm by 1.17 a layer, which is the explosion of batch norm
# (lesson 07). After training it falls by one decade or two, nothing like the 18 above. Nor is
# growth alone to blame, as Adam, which takes the size out of each step, does not help. The
# *direction* is lost: two batches of 256 pictures have gradients nearly at right angles, while with
# skips they agree, at the same depth.
#
# And skips are not the only way. The same 44 layers with tanh, no norm, and kernels orthogonal in
# their centre (Xiao et al. 2018) have gradients that agree, and learn, more slowly.
#
# ## The claims, one by one
#
# | claim (articles) | verdict | measured here |
# |---|---|---|
# | prevent vanishing (000-004) | true: $\chi$ becomes $1+\chi$ | 18 decades, then under 1 |
# | ... and exploding (003) | false: they cause it | doubling; overflow at rate 0.1 |
# | `relu(layer(x) + x)` (000) | cures vanishing, grows | 1.27 and 1.15 a block |
# | `x + relu(linear(x))` (003) | cures vanishing, grows more | 1.56 and 1.29 a block |
# | flow around, directly, bypass (000, 003, 004) | true of a share | a third, 1/2,000, nothing |
# | reduce the effective depth (002) | true | 50 blocks: 25, 7 or 1 |
# | He et al. (2016) as a source on it (003) | misleading | gradients grew; direction lost |
# | depth without skips as a cause (001) | not by itself | 44 plain tanh layers learn |
# | breakthrough to 100+ layers (004) | historically; not necessary | the same |
#
# ## What this does not show
#
# 150 steps are a start. He et al. saw the deeper network stay behind to the end of a long training;
# ours was only seen to learn far more slowly, at one rate an optimizer. Their blocks have two
# convolutions and an outer ReLU, ours one and none. That lost directions are the cause is what the
# numbers suggest, not what they prove. And all factors here hold at the start: branches grow when
# they are trained.
#
# ## Summary
#
# * A skip turns $\chi$ into $1+\chi$. With He weights each block doubles the mean square, forward
#   and backward; $1/\sqrt L$ holds it to 2.7 over 20 blocks, pre-norm to 11, ReZero and Fixup to
#   exactly 1.
# * The gradient's paths have binomial lengths: of 50 branches it passes 25, 7 or 1 on average. The
#   half-sum has a level norm, the long paths, a cosine above 0.8 between pictures, and stays
#   behind.
# * In a plain batch-norm network of 44 convolutions the gradient did not vanish, it grew; yet two
#   batches had a mean cosine near 0. With skips it was above 0.3, and the network learnt.
#
# ## References
#
# He et al. 2016, [section 4.1 and figure 1](https://arxiv.org/abs/1512.03385); He et al. 2016b,
# [the clean skip](https://arxiv.org/abs/1603.05027); Veit et al. 2016, [figure
# 6](https://arxiv.org/abs/1605.06431); Balduzzi et al. 2017, [figure
# 1](https://arxiv.org/abs/1702.08591); Yang and Schoenholz 2017, [mean-field theory of
# skips](https://arxiv.org/abs/1712.08969); Gehring et al. 2017, [the
# half-sum](https://arxiv.org/abs/1705.03122); Zhang et al. 2019,
# [Fixup](https://arxiv.org/abs/1901.09321); Bachlechner et al. 2021,
# [ReZero](https://arxiv.org/abs/2003.04887); Xiao et al. 2018, [10,000 plain
# layers](https://arxiv.org/abs/1806.05393).
#
# Next: lesson 09, what does a gate buy?

# %%
print(progress.summary())

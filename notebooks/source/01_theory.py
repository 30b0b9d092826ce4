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
# # 01 · Where does the gradient go?
#
# You need [00](00_start_here.ipynb). Runs on a laptop CPU.
#
# **By the end you can**
#
# * write the chain rule of a deep network with *all* its factors, and say which one a popular
#   article leaves out;
# * predict, from three numbers and before any network is built, how many decades of gradient
#   20 layers will cost;
# * choose a quantity to measure that cannot fool you.

# %% tags=["setup"]
import math

import numpy as np
import torch
from torch.nn import functional

from helpers import claims, data, exercises, models, plots, probe, progress, theory, train

plots.use_style()
train.use_one_thread()
claims.published("01", seed=0, depth=20, width=128, draws=5)

# %% tags=["parameters"]
seed = 0
depth = 20
width = 128
draws = 5

# %% [markdown]
# ## The idea: a gradient is a product
#
# A network is a chain of layers, and by the chain rule the gradient at its first layer is a
# product with one factor a layer. Products of many numbers do not stay moderate: they go to zero
# or to infinity, unless the factors are close to one.
#
# Two widely read explanations put numbers on it. One (article 003) takes a factor of 0.5 in each
# of 10 layers, another (article 004) multiplies 0.1 four times. Both products are right, and the
# first is printed one digit short: 0.000976 where rounding gives 0.000977.

# %%
half = 0.5**10
tenth = 0.1 * 0.1 * 0.1 * 0.1
claims.claim("ten factors of 0.5", half, equals=0.0009765625)
claims.claim("four factors of 0.1", tenth, about=1e-4, within=0.001)

# %% [markdown]
# ## What is the factor?
#
# So everything hangs on the factor, and here the popular accounts go astray. Let layer $l$ compute
# $z_l = W_l h_{l-1} + b_l$ and $h_l = \phi(z_l)$, and call $\delta_l = \partial L/\partial z_l$ the
# **delta** of that layer. Layer 1 is nearest the input. The chain rule says
#
# $$\delta_l = \phi'(z_l) \odot W_{l+1}^\top\, \delta_{l+1}.$$
#
# Two things happen on the way back through a layer: the **weights** mix the deltas, and the
# **slope** of the activation scales them. Article 001 writes the chain as a product of terms
# $dz_n/dz_{n-1}$ and never says that a $W$ sits in each; article 004 lets the derivatives of the
# activations decide alone. Does it matter to forget $W$? We take one step back by hand and compare
# with PyTorch.

# %%
inputs, targets = data.digits().batch(128, seed)
net = models.build(models.Setting(depth=3, width=width), 64, 10, seed).double()

z1 = net[0](inputs.double())
z2 = net[2](torch.tanh(z1))
outputs = net[4](torch.tanh(z2))
loss = functional.cross_entropy(outputs, targets)
delta1, delta2 = torch.autograd.grad(loss, (z1, z2))

slope = 1 - torch.tanh(z1) ** 2
with_weights = slope * (delta2 @ net[2].weight)
without = slope * delta2

gap = (with_weights - delta1).abs().max()
claims.claim("the rule agrees with PyTorch to rounding", gap, below=1e-15, drifts=True)
excess = without.norm() / delta1.norm()
claims.claim("without W the delta comes out too large by a factor", excess, about=1.73, within=0.1)

# %% [markdown]
# The factor you just saw is no accident. PyTorch draws the weights of `nn.Linear` with variance
# $1/(3\,\text{fan\_in})$, so $W^\top$ shortens a vector by about $1/\sqrt 3 = 0.577$; forgetting it
# makes a delta $\sqrt 3 = 1.73$ times too large, at every layer.
#
# **Predict.** A network of 20 layers, 128 units each, sigmoid, weights as PyTorch draws them. By
# which factor is the delta of layer 1 smaller than that of layer 20? Replace `None` by your number
# (such as `1e-4`), then run the cell.

# %%
guess = None
prediction = claims.predict("delta of layer 1 over delta of layer 20?", guess)

# %%
net = models.build(models.Setting(depth, width, "sigmoid"), 64, 10, seed)
flow = probe.record(net, inputs, targets, functional.cross_entropy)
first_over_last = flow.relative_delta_norms[0]
prediction.compare(first_over_last)

# %%
profiles = {}
for name in ("tanh", "relu", "sigmoid"):
    model = models.build(models.Setting(depth, width, name), 64, 10, seed)
    profiles[name] = probe.record(model, inputs, targets, functional.cross_entropy).delta_norms

ax = plots.layer_profile(profiles, title="Three activations, weights as PyTorch draws them")
plots.show(ax)

# %% [markdown]
# **Reading the figure.** `probe.record` ran one forward and one backward pass and weighed the delta
# of every layer. On a log axis each network is a *straight line*: every layer takes the same share.
# So a network is described by one number, its factor per layer. Sigmoid is worst, but ReLU, the
# famous cure, vanishes too.
#
# ## The factor has a name: the square root of chi
#
# Square the chain rule and take the mean over random weights. In a wide layer the mixing by $W$ and
# the slopes are independent, and with $\sigma_w^2 = \text{fan\_in}\cdot\mathrm{Var}\,W$ and $q$ the
# variance of the pre-activations
#
# $$\mathrm{E}\,\|\delta_l\|^2 = \chi\;\mathrm{E}\,\|\delta_{l+1}\|^2,\qquad
# \chi = \sigma_w^2\;\mathrm{E}\,\phi'(\sqrt q\,z)^2,\quad z\sim N(0,1).$$
#
# Chi multiplies the *square*; the norm itself shrinks by $\sqrt\chi$. Mixing up the two doubles or
# halves every slope in this course. Below is chi for the sigmoid in three lines.

# %%
z = torch.linspace(-10, 10, 2001, dtype=torch.float64)
density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)

weight_var, bias_var = 1 / 3, 1 / (3 * width)  # nn.Linear's own, and its biases
q = theory.fixed_point("sigmoid", weight_var, bias_var).q
s = torch.sigmoid(math.sqrt(q) * z)
chi = weight_var * torch.trapezoid(density * (s * (1 - s)) ** 2, z)

helper = theory.fixed_point("sigmoid", weight_var, bias_var).chi
claims.claim("sigmoid, chi by our own integral", chi, about=0.02, within=0.01)
claims.claim("the helper agrees", helper, about=float(chi), within=1e-4)
for name, rate in (("sigmoid", 0.141), ("relu", 0.408), ("tanh", 0.575), ("gelu", 0.290)):
    point = theory.fixed_point(name, weight_var, bias_var)
    claims.claim(f"{name}, sqrt(chi) by default", point.norm_factor, about=rate, within=0.01)
claims.claim("sqrt(chi) read off the sigmoid network", flow.norm_factor, about=0.141, within=0.06)
for rate, layers in ((0.141, 4), (0.408, 8), (0.575, 13)):
    enough = rate**layers < 1e-3 < rate ** (layers - 1)
    claims.claim(f"a factor of {rate} falls below a thousandth after {layers} layers", enough)

# %% [markdown]
# The sum of it: 0.141 a layer for sigmoid, 0.408 for ReLU, 0.575 for tanh, and 0.29 for GELU, which
# article 003 offers among the better choices and which vanishes *faster* than ReLU here.
# None of these is 0.5, and none is 1. A thousandth is left after 4 layers of sigmoid, 8 of ReLU, 13
# of tanh: article 004's "8 to 10 layers" is one case of three.
#
# ## Two ways to be fooled
#
# **Look at deltas, not at weight gradients.** The gradient of a weight is
# $\partial L/\partial W_l = \delta_l h_{l-1}^\top$. When the forward signal fades as fast as the
# backward one, the two cancel: a small delta meets a large $h$ near the input, a large delta meets
# a small $h$ near the output. Glorot and Bengio saw it in 2010. Here is their case, a *linear*
# network without biases.

# %%
setting = models.Setting(depth, width, "linear", bias_var=0.0)
linear = probe.record(
    models.build(setting, 64, 10, seed), inputs, targets, functional.cross_entropy
)
inner = linear.weight_grad_norms[1:-1]  # layers of equal shape
claims.claim("delta, layer 1 over layer 20", linear.relative_delta_norms[0], between=(1e-5, 1e-4))
claims.claim("weight gradient, layer 2 over layer 19", inner[0] / inner[-1], between=(0.3, 3))

ax = plots.layer_profile(
    {"delta": linear.delta_norms, "gradient of the weights": linear.weight_grad_norms},
    {"delta": models.predicted_profile(setting, inputs) * linear.delta_norms[-1]},
    ylabel="norm",
    title="One network, two meters: only one shows the decay",
)
plots.show(ax)

# %% [markdown]
# **Reading the figure.** One network, two verdicts. The deltas lose four to five decades; the
# weight gradients look healthy from end to end, because *all* of them are small. From now on
# "the gradient" in a figure means the norm of delta.
#
# **Measure in float64, and average logarithms.** With 40 sigmoid layers the largest entry of the
# first gradient is near $10^{-35}$. Its square does not exist in float32, so `grad.norm()` says
# exactly zero, while the gradient is not zero at all. And across seeds a factor per layer is
# averaged geometrically: an arithmetic mean listens only to the luckiest network.
#
# ## "The derivative is below 1, so the gradient must shrink"
#
# Articles 001 and 004 both argue this way, and it is the most repeated mistake on the subject. The
# factor is $W^\top$ *times* the slope. The slope of tanh never exceeds 1; what happens if the
# weights are twice as large as usual ($\sigma_w = 2$)? And is a factor below 1 even the right test?

# %%
deep = models.build(models.Setting(40, width, "sigmoid"), 64, 10, seed)
functional.cross_entropy(deep(inputs), targets).backward()
gradient = deep[0].weight.grad
claims.claim("40 sigmoid layers, largest entry", gradient.abs().max(), about=4e-35, factor=8)
claims.claim("40 sigmoid layers, norm in float32", gradient.norm(), equals=0.0)
claims.claim("the same norm in float64", gradient.double().norm(), between=(1e-36, 1e-31))

large = models.Setting(depth, width, "tanh", "lecun", gain=2.0)
grown = probe.record(models.build(large, 64, 10, seed), inputs, targets, functional.cross_entropy)
growth = grown.relative_delta_norms[0]
claims.claim("tanh, weights doubled: delta grows by", growth, between=(8, 40))

default = models.build(models.Setting(depth, width, "tanh"), 64, 10, seed)
largest = torch.linalg.matrix_norm(default[2].weight, 2)
claims.claim("tanh, default: largest stretch of one layer's W", largest, between=(1.05, 1.25))

# %% [markdown]
# Every slope was at most 1, and the gradient *grew*. And the reverse: PyTorch's default `W` can
# stretch a vector by more than 1, and yet the network vanishes, because a delta almost never points
# that way. "All factors below 1" is sufficient, not necessary, and it is no predictor.
# Chi, a mean, is.
#
# **Where it occurs.** Depth in layers is one way to get a long product. Time is the other: a
# recurrent network unrolled over 50 steps is a chain of 50 layers that share one $W$ (articles
# 000 and 001 are right to name them). Nothing in the formula is new, and neither is the number.

# %%
hidden, steps = 200, 50
generator = torch.Generator().manual_seed(seed)
w = (2 * torch.rand(hidden, hidden, generator=generator, dtype=torch.float64) - 1) / hidden**0.5
direction = torch.randn(hidden, generator=generator, dtype=torch.float64)

start = torch.zeros(hidden, dtype=torch.float64, requires_grad=True)
state = start
for _ in range(steps):
    state = torch.tanh(w @ state)  # nn.RNN's own weights, no input
(gradient,) = torch.autograd.grad(state @ direction, start)

per_step = (gradient.norm() / direction.norm()) ** (1 / steps)
claims.claim("recurrent tanh, factor per time step", per_step, between=(0.54, 0.63))

# %% [markdown]
# About 0.58 a step, $1/\sqrt 3$ once more.
#
# ## Theory and measurement on one plot
#
# Chi depends on $q$, and $q$ on the layers before:
# $q_{l+1} = \sigma_w^2\,\mathrm{E}\,\phi(\sqrt{q_l}\,z)^2 + \sigma_b^2$. Following both from layer
# to layer takes the mean square of the input and nothing else of the data. It also tells how to
# start a network *well*: choose $\sigma_w^2$ so that $\chi = 1$ at the fixed point of $q$. This
# **critical** weight variance is 2 for ReLU (He et al. 2015), 1 for tanh and ELU, and 103 for the
# sigmoid, three hundred times PyTorch's.
#
# Now everything at once: four activations, at PyTorch's default and at critical weights, the theory
# computed before the networks exist, the measurement a geometric mean over five draws. **Predict**
# before you run: how far from the line, in decades, will the worst of all those layers be?


# %%
def start_of(name: str, critical: bool) -> models.Setting:
    if not critical:
        return models.Setting(depth, width, name)
    gain = theory.critical_weight_var(name) ** 0.5  # lecun: Var W = gain**2 / fan_in
    return models.Setting(depth, width, name, "lecun", gain=gain)


def mean_profile(setting: models.Setting) -> np.ndarray:
    logs = []
    for draw in range(draws):
        net = models.build(setting, 64, 10, seed=1000 * seed + draw)
        found = probe.record(net, inputs, targets, functional.cross_entropy)
        logs.append(np.log(found.relative_delta_norms))
    return np.exp(np.mean(logs, axis=0))


names = ("relu", "elu", "tanh", "sigmoid")
measured = {c: {n: mean_profile(start_of(n, c)) for n in names} for c in (False, True)}

# %%
guess = None
prediction = claims.predict("worst layer, decades from the line?", guess)

# %%
predicted = {
    c: {n: models.predicted_profile(start_of(n, c), inputs) for n in names} for c in (False, True)
}
gaps = [np.abs(np.log10(measured[c][n] / predicted[c][n])).max() for c in measured for n in names]

# %%
prediction.compare(max(gaps))
claims.claim("worst layer, decades from the line", max(gaps), below=0.3)
span = -np.log10(measured[False]["sigmoid"][0])
claims.claim("decades that the picture spans", span, about=16.2, within=0.02)
left = [-np.log10(measured[True][name][0]) for name in names]
claims.claim("critical tanh and ELU still lose, at least", min(left[1:3]), between=(0.5, 1.0))
claims.claim("critical sigmoid loses", left[3], below=0.5)
for name, value in (("relu", 2), ("tanh", 1), ("elu", 1), ("sigmoid", 103)):
    found = theory.critical_weight_var(name)
    claims.claim(f"critical weight variance, {name}", found, about=value, within=0.001)

# %%
figure, axes = plots.panels(2)
for ax, critical in zip(axes, (False, True), strict=True):
    plots.layer_profile(
        measured[critical],
        predicted[critical],
        ylabel="delta norm, relative to layer 20",
        float32_zone=False,
        title="critical weights" if critical else "PyTorch's default",
        ax=ax,
    )
    ax.set_ylim(1e-18, 1e2)
axes[1].set_ylabel("")
plots.show(axes[0])

# %% [markdown]
# **Reading the figure.** Same networks, same data, same axis; only the *scale of the weights*
# changed. On the left the gradient falls by up to 16 decades, and a theory with no adjustable
# number sits on every point to within a third of a decade. On the right even the sigmoid is flat:
# what made it famous for vanishing was never the S-shape alone. tanh and ELU still lose
# half a decade or more on the right: at their critical point $q$ creeps towards zero, and the
# lines know it.
#
# ### Exercise 1.1 - layers_until (4 points)
#
# After how many layers is a signal that is multiplied by `factor` in each of them at or below
# `target` times its start? Write `layers_until(factor, target)`, a whole number; both arguments lie
# between 0 and 1, and `target` may be 1. For 0.5 and 0.001 the answer is 10.
#
# <details><summary>Hint</summary>Take logarithms of factor<sup>n</sup> ≤ target, and mind which
# way to round.</details>


# %% tags=["exercise"]
def layers_until(factor: float, target: float) -> int:
    """Smallest number of layers after which factor**layers <= target."""
    ### BEGIN SOLUTION
    layers = max(0, math.floor(math.log(target) / math.log(factor)) - 1)
    while factor**layers > target:
        layers += 1
    return layers
    ### END SOLUTION


# %% tags=["check"]
exercises.check(layers_until)

# %% [markdown] tags=["solution"]
# The logarithm gives the answer up to rounding; the loop settles the last step exactly, so that an
# exact power such as 0.5 ** 10 is not lost to the last bit of a division.

# %% [markdown]
# ### Exercise 1.2 - sigmoid_chain_grad (5 points)
#
# Let $y$ be the sigmoid applied `depth` times in a row to each element of `x`. Write
# `sigmoid_chain_grad(x, depth)`: the tensor of $dy/dx$, elementwise, same shape as the float tensor
# `x`, for `depth` of at least 1. Two points for one layer at zero, three for anything else.
#
# <details><summary>Hint</summary>Each sigmoid contributes its slope <em>at its own input</em>,
# which is the output of the one before.</details>


# %% tags=["exercise"]
def sigmoid_chain_grad(x: torch.Tensor, depth: int) -> torch.Tensor:
    """Derivative of `depth` nested sigmoids at x, elementwise."""
    ### BEGIN SOLUTION
    slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope
    ### END SOLUTION


# %% tags=["check"]
exercises.check(sigmoid_chain_grad)

# %% [markdown] tags=["solution"]
# The slope of a sigmoid in terms of its own output $s$ is $s(1-s)$, so the loop needs each output
# once. Only the first factor can be 0.25 for all depths; later inputs lie between 0 and 1.

# %% [markdown]
# ### Exercise 1.3 - backward_deltas (5 points)
#
# Now the whole chain, with $W$. `weights` lists $W_2 … W_L$, each of shape (out, in);
# `pre_activations` lists $z_1 … z_{L-1}$, each (batch, units); the activation is tanh; `delta` is
# $\delta_L$, shape (batch, out). Return the list $[\delta_1, …, \delta_L]$, from input to output.
#
# <details><summary>Hint</summary>One step: deltas are rows, so multiply from the right by
# <code>W</code> (not its transpose), then by the slope at the pre-activation.</details>


# %% tags=["exercise"]
def backward_deltas(weights: list, pre_activations: list, delta: torch.Tensor) -> list:
    """Deltas of every layer of a tanh network, from input to output."""
    ### BEGIN SOLUTION
    deltas = [delta]
    for w, z in zip(reversed(weights), reversed(pre_activations), strict=True):
        delta = (delta @ w) * (1 - torch.tanh(z) ** 2)
        deltas.insert(0, delta)
    return deltas
    ### END SOLUTION


# %% tags=["check"]
exercises.check(backward_deltas)

# %% [markdown] tags=["solution"]
# With a batch in rows, $W^\top\delta$ becomes `delta @ w`. This loop *is* backpropagation for the
# deltas; autograd does the same and adds $\delta_l h_{l-1}^\top$ for each weight.

# %% [markdown]
# ### Exercise 1.4 - norm_per_layer (4 points)
#
# `norms` lists the delta norms of $L$ layers from input to output, as floats, $L$ at least 2.
# Return the factor by which one layer multiplies the norm *on the way back*, as a geometric mean.
# Below 1 means vanishing.
#
# <details><summary>Hint</summary>How many steps lie between L layers? And which norm comes first on
# the way back?</details>


# %% tags=["exercise"]
def norm_per_layer(norms: list) -> float:
    """Geometric mean of the factor per layer, going backward."""
    ### BEGIN SOLUTION
    return (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))
    ### END SOLUTION


# %% tags=["check"]
exercises.check(norm_per_layer)

# %% [markdown] tags=["solution"]
# The product of all ratios telescopes to first over last, and its root is the geometric mean. An
# arithmetic mean of the ratios would follow whichever layer happens to be luckiest.

# %% [markdown]
# ## What this does not show
#
# Chi speaks of wide networks *at the start*: weights independent, and nothing learnt yet. A narrow
# network scatters around the line (the 20 layers here by a few hundredths of a decade a layer), and
# flat gradients do not promise that a network learns; they only remove one reason why it cannot.
#
# ## Summary
#
# * The factor of a layer is $W^\top$ and the slope together; without $W$ each layer is off by 1.73.
# * By default a layer leaves 0.141 (sigmoid), 0.408 (ReLU) or 0.575 (tanh) of the delta norm: the
#   square root of chi. Over 20 layers, 16.2 decades for the sigmoid, predicted before building.
# * Measure deltas, in float64: weight gradients of a linear network look flat while the deltas lose
#   more than four decades, and a float32 norm of a tiny gradient reads exactly zero.
#
# ## References
#
# Glorot and Bengio 2010, [eq. 5 to 14](https://proceedings.mlr.press/v9/glorot10a.html); He et al.
# 2015, [eq. 10](https://arxiv.org/abs/1502.01852); Poole et al. 2016,
# [eq. 3](https://arxiv.org/abs/1606.05340); Schoenholz et al. 2017,
# [eq. 5](https://arxiv.org/abs/1611.01232).
#
# Next: [02 · How do I notice?](02_symptoms.ipynb)

# %%
print(progress.summary())

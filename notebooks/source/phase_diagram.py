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
# # Experiment · Order and chaos, the fine map
#
# [Lesson 06](../06_edge_of_chaos.ipynb) draws a coarse map of what can be trained: depth against
# weight variance. This is the fine one, about a minute of one processor. Every parameter can be
# set from outside:
#
# `course run phase_diagram -p activation relu -p bias_var 0.0 -p seed 1`

# %% tags=["setup"]
import dataclasses

import numpy as np

from helpers import claims, data, experiment, models, plots, theory, train

plots.use_style()
train.use_one_thread()

# %% tags=["parameters"]
seed = 0
activation = "tanh"
initialization = "lecun"
bias_var = 0.05
width = 32
optimizer = "adam"
rate = 0.01
steps = 600
batch_size = 64
data_set = "digits"
device = "auto"
variances = [0.5, 0.75, 1.0, 1.25, 1.5, 1.76, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5]
depths = [5, 8, 12, 18, 27, 40, 60, 80, 120, 160]

# %%
with experiment.validation():
    seed = experiment.read(int, seed=seed)
    variances = experiment.read(tuple[float, ...], variances=variances)
    depths = experiment.read(tuple[int, ...], depths=depths)
    split, device = data.load(data_set, seed), train.find_device(device)
    shape = experiment.read(
        models.Setting,
        width=width,
        activation=activation,
        initialization=initialization,
        bias_var=bias_var,
    )
    recipe = experiment.read(
        train.Recipe, optimizer=optimizer, rate=rate, steps=steps, batch_size=batch_size
    )
    if min(len(variances), len(depths)) < 2 or min(variances) <= 0 or min(depths) < 2:
        raise ValueError("variances and depths must be two or more, above 0 and at least 2")

# %% [markdown]
# ## The map
#
# One row of networks, all of one depth, trains as a single batched computation
# (`train.fit_many`), at a learning rate of `rate` over the depth.


# %%
def row(depth):
    """Training accuracy of the networks of one depth, a weight variance each."""
    settings = [dataclasses.replace(shape, depth=depth, gain=v**0.5) for v in variances]
    slower = dataclasses.replace(recipe, rate=recipe.rate / depth)
    runs = train.fit_many(settings, split, slower, seeds=seed, device=device)
    return [run.train_accuracy for run in runs]


accuracy = np.array([row(depth) for depth in depths])

# %% [markdown]
# ## The theory over it
#
# Two scales, both from `theory.fixed_point`. The correlation depth $\xi_c$, over which two pictures
# become alike (or part), with the line at $6\xi_c$ that Schoenholz et al. (2017) drew; and the
# depth at which the delta norm has changed by four decades, $\chi^{L/2}=10^{\pm4}$.

# %%
grid = np.geomspace(min(variances), max(variances), 200)
points = [theory.fixed_point(shape.activation, v, shape.variances[1]) for v in grid]
lines = {
    "6 correlation depths": (grid, [6 * point.correlation_depth for point in points]),
    "4 decades of gradient": (grid, [8 / max(abs(np.log10(p.chi)), 1e-9) for p in points]),
}

# %%
ax = plots.heat_map(
    accuracy,
    x=variances,
    y=depths,
    xscale="log",
    yscale="log",
    vmin=0.1,
    vmax=1.0,
    xlabel="weight variance",
    ylabel="depth",
    label="training accuracy",
    lines=lines,
    title=f"What {recipe.steps} steps can train: {shape.activation}, width {shape.width}",
)
plots.show(ax)

# %%
points = [theory.fixed_point(shape.activation, v, shape.variances[1]) for v in variances]
chi = np.array([point.chi for point in points])
changed = np.abs(np.outer(depths, np.log10(chi))) / 2  # decades of gradient, for each cell
near, far = accuracy[changed < 1], accuracy[changed > 6]
described = shape.activation == "tanh" and recipe.optimizer == "adam"  # what the text speaks of
if described:
    claims.claim("there are cells of both kinds", near.size > 0 and far.size > 0)
    claims.claim("median, less than a decade", np.median(near), above=0.6, drifts=True)
    claims.claim("median, more than six decades", np.median(far), below=0.4, drifts=True)

# %%
trained = np.where(accuracy > 0.5, np.array(depths)[:, None], 0)
border = trained.max(axis=0)  # the deepest that learns, for each variance
by_correlation = border / [6 * point.correlation_depth for point in points]
by_gradient = border * np.abs(np.log10(chi)) / 8
left, right = np.array(variances) <= 1, np.array(variances) >= 2.5
if described and len(depths) >= 10 and recipe.steps >= 600 and left.any() and right.any():
    spread = border.max() / border.min()
    claims.claim("border, deepest over shallowest", spread, above=3, drifts=True)
    for words, ratios, bounds in (
        ("left, border over 6 correlation depths", by_correlation[left], (1.0, 4.0)),
        ("left, border over 4 decades", by_gradient[left], (0.25, 1.2)),
        ("right, border over 6 correlation depths", by_correlation[right], (0.3, 1.1)),
    ):
        claims.claim(f"{words}, least", ratios.min(), above=bounds[0], drifts=True)
        claims.claim(f"{words}, most", ratios.max(), below=bounds[1], drifts=True)

# %% [markdown]
# ## Reading the map
#
# On both flanks the border has the theory's shape, over more than a factor of three in depth: too
# small a variance starves the first layers, too large a one drowns them. The place of the border is
# another matter. Adam divides a gradient by its own size, and so goes deeper than $6\xi_c$ on the
# left, up to the line of four decades or a part of the way. On the right, where inputs part that
# should stay together, it ends a little short of $6\xi_c$.
#
# At the top the theory promises more than Gaussian weights of this width deliver: on the critical
# line both scales are endless, and the bright tongue ends. More steps at a lower rate push it up,
# not to infinity, since a narrow network loses directions that no variance brings back (lesson 06).
# Run this notebook with `-p initialization orthogonal` and compare.

# %% [markdown]
# ## The results, as data
#
# A depth counts as trained where some variance gets more than half of the training pictures right.

# %%
experiment.record(
    deepest_trained=border.max(),
    trained_share=(accuracy > 0.5).mean(),
    best_variance=variances[accuracy[-1].argmax()],
    near_theory=np.median(near) if near.size else None,
    far_from_theory=np.median(far) if far.size else None,
    accuracy=accuracy,
)

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
# # Experiment · What does depth do to this network?
#
# One network, one seed, every knob: how much of the gradient reaches the first layer before
# training, what theory says to that, and what training makes of it. Turn one knob by hand,
#
# `papermill depth.ipynb out.ipynb -p depth 50 -p activation sigmoid`
#
# or many at once, and open the page that comes out of it:
#
# `course sweep depth -g depth=5,10,20,50 -g activation=sigmoid,tanh,relu -g seed=0..4`

# %% tags=["setup"]
import math

import numpy as np
from torch.nn.functional import cross_entropy

from helpers import data, experiment, models, plots, probe, train

plots.use_style()
train.use_one_thread()

# %% tags=["parameters"]
seed = 0
depth = 20
width = 64
activation = "tanh"
initialization = "default"
norm = "none"
residual = "none"
gain = 1.0
bias_var = None
optimizer = "sgd"
rate = 0.1
steps = 200
batch_size = 64
data_set = "digits"
device = "auto"

# %%
with experiment.validation():
    setting = experiment.read(
        models.Setting,
        depth=depth,
        width=width,
        activation=activation,
        initialization=initialization,
        norm=norm,
        residual=residual,
        gain=gain,
        bias_var=bias_var,
    )
    recipe = experiment.read(
        train.Recipe, optimizer=optimizer, rate=rate, steps=steps, batch_size=batch_size
    )
    seed = experiment.read(int, seed=seed)
    split = data.load(data_set, seed)
    device = train.find_device(device)
print(f"{setting}; {recipe}; seed {seed}; {split.name}")

# %% [markdown]
# ## Before training
#
# One batch goes through, and the loss back. We look at delta, the gradient at the pre-activations,
# layer by layer, relative to the last one; where the theory of wide networks covers this setting,
# it is the dashed line.

# %%
net = models.build(setting, split.features, split.classes, seed)
inputs, targets = split.batch(128, seed)
flow = probe.record(net, inputs, targets, cross_entropy)
theory = {}
if setting.has_prediction:
    theory["measured"] = models.predicted_profile(setting, inputs)
print(f"decades lost between the last layer and the first: {flow.decades_lost:.3g}")
print(f"a layer multiplies the gradient norm by {flow.norm_factor:.3g}")

# %% [markdown]
# ## Training, and the picture

# %%
history = train.fit(net, split, recipe, seed=seed, device=device)

# %%
figure, (left, right) = plots.panels(2, share=False)
plots.layer_profile(
    {"measured": flow.relative_delta_norms},
    theory,
    ylabel="delta norm, relative to the last layer",
    title="before training",
    ax=left,
)
plots.training_curves(
    {recipe.optimizer: history}, chance=math.log(split.classes), title="training", ax=right
)
left.minorticks_off()
figure.suptitle(str(setting))
plots.show(left)

# %% [markdown]
# ## The results, as data

# %%
experiment.record(
    test_accuracy=history.test_accuracy,
    train_accuracy=history.train_accuracy,
    decades_lost=flow.decades_lost,
    norm_factor=flow.norm_factor,
    first_layer_gradient=flow.weight_grad_norms[0],
    last_layer_gradient=flow.weight_grad_norms[-1],
    last_loss=np.mean(history.losses[-10:]) if len(history.losses) else math.nan,
    stopped=history.stopped,
)

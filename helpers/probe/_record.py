"""Measure one forward and one backward pass, per weight layer."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from helpers.probe._arguments import check_inputs, check_loss, weight_layers
from helpers.probe._copies import backward, called, converted, isolated, loss_copy, trainable_copy
from helpers.probe._flow import Flow
from helpers.probe._gradient_tap import norm
from helpers.probe._tape import ActivationStatistics, Tape


def record(
    model: nn.Module,
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    targets: object,
    loss_fn: Callable[[Any, Any], Tensor],
    *,
    dtype: torch.dtype | None = torch.float64,
) -> Flow:
    """Measure one forward and one backward pass, layer by layer.

    This ``record`` measures; ``experiment.record`` stores results in a notebook.

    The passes run on a copy in float64: the model, its mode, its buffers, its
    gradients and every random state are left as they were, also when the model
    raises. Hooks that somebody put on the model run on the copy too. Norms are
    scaled before squaring, so that gradients of 1e-200 and of 1e+200 come out
    right.

    Args:
        model: Any module with linear or convolution layers; training or
            evaluation mode is kept.
        inputs: What the model is called with: a tensor, or a tuple or dict of
            arguments.
        targets: Passed to the loss.
        loss_fn: Maps (outputs, targets) to a scalar.
        dtype: Precision to measure in; None keeps the model's own.

    Returns:
        One entry per weight layer, in the order in which the layers run. A layer
        that runs several times has one entry for all its calls.

    Raises:
        TypeError: If the model is not a module, or inputs hold no tensor.
        ValueError: If the model has nothing to measure, the inputs are empty or
            not finite, or the loss is not a scalar that depends on the weights.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        >>> flow = record(net, torch.ones(2, 3), torch.zeros(2, 1), nn.MSELoss())
        >>> flow.layer_names
        ('0', '2')
    """
    weight_layers(model)
    check_inputs(inputs)
    with isolated(dtype):
        model_copy = trainable_copy(model, dtype)
        criterion = loss_copy(loss_fn, dtype)
        tape = Tape(weight_layers(model_copy))
        try:
            with tape, parametrize.cached():
                outputs = called(model_copy, converted(inputs, dtype))
        finally:
            tape.remove()
        loss = check_loss(criterion(outputs, converted(targets, dtype)))
        if not tape.outputs:
            raise ValueError("model must call its linear or convolution layers, and it calls none")
        backward(loss, model_copy)
    return _flow(tape, loss.item())


def _flow(tape: Tape, loss: float) -> Flow:
    """Read the tape after the backward pass."""
    layers = list(tape.outputs)  # in the order of their first calls
    calls = [tape.outputs[layer] for layer in layers]
    weights = [tape.weights[layer] for layer in layers]
    no_activation = ActivationStatistics()
    statistics = [tape.statistics.get(layer, no_activation) for layer in layers]
    return Flow(
        layer_names=tuple(tape.layers[layer] for layer in layers),
        delta_norms=np.array([math.hypot(*(call.norm for call in each)) for each in calls]),
        weight_grad_norms=np.array([0.0 if w.grad is None else norm(w.grad) for w in weights]),
        weight_norms=np.array([norm(weight) for weight in weights]),
        activation_mean=np.array([each.mean for each in statistics]),
        activation_std=np.array([each.std for each in statistics]),
        saturated_share=np.array([each.saturated_share for each in statistics]),
        dead_share=np.array([each.dead_share for each in statistics]),
        connected=np.array([any(call.reached for call in each) for each in calls]),
        loss=loss,
        _modules=tuple(entry.gradient() for entry in tape.entries),
    )

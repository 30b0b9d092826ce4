"""Whether two batches ask for the same change, per weight layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.probe._arguments import check_inputs, check_loss, weight_layers
from helpers.probe._copies import backward, converted, isolated, loss_copy, trainable_copy


def agreement(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss_fn: Callable[[Any, Any], Tensor],
    *,
    dtype: torch.dtype | None = torch.float64,
) -> np.ndarray:
    """Compare the directions of the weight gradients of the two halves of a batch.

    As ``record`` does, it works on a copy and leaves the model as it was.

    Args:
        model: Any module with linear or convolution layers; its mode is kept.
        inputs: Shape (B, ...), at least two samples.
        targets: Passed to the loss, shape (B, ...).
        loss_fn: Maps (outputs, targets) to a scalar.
        dtype: Precision to measure in; None keeps the model's own.

    Returns:
        The cosine between both gradients of each weight, shape (L,), in the order in
        which the model names its layers; nan where one of them is 0.

    Raises:
        TypeError: If the model is not a module, or inputs hold no tensor.
        ValueError: If there are fewer than two samples, the model has nothing to measure,
            or the loss is not a scalar that depends on the weights.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> agreement(net, torch.ones(4, 2), torch.full((4, 1), 9.0), nn.MSELoss()).round(3)
        array([1.])
    """
    weight_layers(model)
    check_inputs(inputs)
    if len(inputs) < 2 or len(inputs) != len(targets):
        raise ValueError(
            "inputs and targets must have the same length of at least 2, "
            f"got {len(inputs)} and {len(targets)}"
        )
    halves = []
    with isolated(dtype):
        model_copy = trainable_copy(model, dtype)
        criterion = loss_copy(loss_fn, dtype)
        for half, wanted in zip(inputs.chunk(2), targets.chunk(2), strict=True):
            model_copy.zero_grad()
            outputs = model_copy(converted(half, dtype))
            backward(check_loss(criterion(outputs, converted(wanted, dtype))), model_copy)
            halves.append([_direction(layer.weight) for layer in weight_layers(model_copy)])
    pairs = zip(*halves, strict=True)
    return np.array([(one @ other).item() for one, other in pairs])


def _direction(weight: Tensor) -> Tensor:
    """Return the gradient of a weight as a vector of length 1, nan if it is 0."""
    gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
    if not gradient.any():
        return torch.full_like(gradient, torch.nan).flatten()
    return functional.normalize(gradient.flatten(), dim=0, eps=0.0)

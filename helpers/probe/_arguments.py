"""What a measurement can be made of: a model, its weight layers, inputs and a loss."""

import torch
from torch import Tensor, nn

from helpers.initialize import WEIGHT_LAYERS
from helpers.probe._copies import tensors_in

WeightLayer = nn.Linear | nn.modules.conv._ConvNd
"""What ``WEIGHT_LAYERS`` holds, for annotations."""


def check_model(model: object) -> nn.Module:
    """Return the model, or refuse what is not one."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    return model


def weight_layers(model: object) -> dict[WeightLayer, str]:
    """Return the weight layers of a model with their names, or refuse one without any."""
    model = check_model(model)
    if next(model.parameters(), None) is None:
        raise ValueError("model must have parameters to measure, and it has none")
    if any(map(nn.parameter.is_lazy, model.parameters())):
        raise ValueError("model must have run once, so that its lazy layers know their size")
    layers: dict[WeightLayer, str] = {
        module: name or "model"
        for name, module in model.named_modules()
        if isinstance(module, WEIGHT_LAYERS)
    }
    if not layers:
        raise ValueError("model must have a linear or convolution layer, and it has none")
    return layers


def check_inputs(inputs: object) -> None:
    """Refuse inputs without tensors, without samples, or that are not finite."""
    tensors = list(tensors_in(inputs))
    if not tensors:
        raise TypeError(
            f"inputs must be a tensor, or a tuple or dict of tensors, got {type(inputs).__name__}"
        )
    for tensor in tensors:
        if tensor.numel() == 0:
            raise ValueError(
                f"inputs must hold at least one sample, got shape {tuple(tensor.shape)}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError("inputs must be finite, and they hold a nan or an infinity")


def check_loss(loss: object) -> Tensor:
    """Return the loss, or refuse one that has no backward pass."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"loss_fn must return one number (a scalar tensor), got {got}")
    if not loss.requires_grad:
        raise ValueError("loss_fn must return a loss that depends on the model's weights")
    return loss

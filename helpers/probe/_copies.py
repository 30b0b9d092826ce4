"""How a model is copied, converted and called, so that it is left as it was."""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def isolated(dtype: torch.dtype | None) -> Iterator[None]:
    """Record gradients in the block, and leave every global state as it was.

    Args:
        dtype: Precision of tensors that a forward pass makes out of nothing; None
            keeps the usual one.
    """
    with (
        _random_states_restored(),
        _default_dtype(dtype),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        yield


@contextmanager
def _random_states_restored() -> Iterator[None]:
    python, legacy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


@contextmanager
def _default_dtype(dtype: torch.dtype | None) -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype or usual)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def trainable_copy(model: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Copy a model in another precision; frozen parts of the copy are trainable too."""
    model_copy = _copied(model, dtype)
    for parameter in model_copy.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return model_copy


def loss_copy(
    loss_fn: Callable[[Any, Any], Tensor], dtype: torch.dtype | None
) -> Callable[[Any, Any], Tensor]:
    """Copy a loss in another precision if it is a module; return any other as it is."""
    return _copied(loss_fn, dtype) if isinstance(loss_fn, nn.Module) else loss_fn


def _copied(module: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Copy a module in another precision, with the tensors among its attributes."""
    with_graph = {  # deepcopy refuses them
        id(tensor): tensor.detach().clone()
        for part in module.modules()
        for tensor in tensors_in(vars(part))
        if tensor.grad_fn is not None
    }
    module_copy = copy.deepcopy(module, with_graph)
    if dtype is None:
        return module_copy
    module_copy = module_copy.to(dtype)
    for part in module_copy.modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and value.is_floating_point():
                vars(part)[name] = value.to(dtype)
    return module_copy


def converted(value: Any, dtype: torch.dtype | None) -> Any:
    """Copy every tensor in a nest of containers, floating ones in the wanted precision."""
    if isinstance(value, Tensor):
        value = value.detach().clone()
        return value.to(dtype) if dtype is not None and value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: converted(entry, dtype) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        entries = [converted(entry, dtype) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    return value


def tensors_in(value: object) -> Iterator[Tensor]:
    """Yield every tensor in a nest of containers."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from tensors_in(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from tensors_in(entry)


def called(model: nn.Module, inputs: Any) -> Any:
    """Call a model on a tensor, or on a tuple or dict of arguments."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)


def backward(loss: Tensor, model_copy: nn.Module) -> None:
    """Run the backward pass, into the parameters of the copy alone.

    A penalty in the loss may read the weights of the model itself.
    """
    loss.backward(inputs=[p for p in model_copy.parameters() if p.requires_grad])

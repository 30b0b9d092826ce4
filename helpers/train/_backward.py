"""Steps that are taken while the gradient is still on its way back."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch


@contextmanager
def stepping_backward(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let each parameter take its step as soon as its gradient is there.

    Within the block ``loss.backward()`` takes the steps, and each gradient is let go at
    once, so that never more than one is held; ``optimizer.step()`` finds nothing left to
    do. To the last bit these are the steps that it would have taken, provided that they move each
    parameter by its own gradient alone, as SGD, RMSprop and Adam do, and that every
    parameter is used once in a pass. A clipped norm of all gradients cannot be had.

    Args:
        optimizer: Holds the parameters.

    Yields:
        Nothing; when the block ends, the optimizer is an ordinary one again.

    Example:
        >>> layer = torch.nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> with stepping_backward(sgd):
        ...     layer(torch.ones(1, 2)).sum().backward()
        >>> layer.weight.grad is None
        True
    """

    def step(group: dict, parameter: torch.Tensor) -> None:
        groups = optimizer.param_groups
        optimizer.param_groups = [{**group, "params": [parameter]}]  # the others are not asked
        try:
            optimizer.step()
        finally:
            optimizer.param_groups = groups
        parameter.grad = None

    handles = [
        parameter.register_post_accumulate_grad_hook(partial(step, group))
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.requires_grad
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

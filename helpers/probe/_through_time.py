"""Measure the gradient at every state of a recurrent network."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from helpers.probe._arguments import check_inputs, check_loss, check_model
from helpers.probe._copies import backward, called, converted, isolated, loss_copy, trainable_copy
from helpers.probe._gradient_tap import TapReading, tapped


def through_time(
    model: nn.Module,
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    targets: object,
    loss_fn: Callable[[Any, Any], Tensor],
) -> np.ndarray:
    """Measure the gradient at the state of a recurrent network, step by step.

    That is dL/dh_t: everything that the state after step t does to the loss, later
    outputs included. The state of an LSTM is h and c together; all its layers count
    as one state. As in ``record``, the passes run on a copy in float64, nothing is
    left changed, and the norms neither underflow nor overflow before the numbers do.

    Args:
        model: Any module that calls one ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``,
            of one direction and any number of layers.
        inputs: What the model is called with: a tensor, or a tuple or dict of
            arguments.
        targets: Passed to the loss.
        loss_fn: Maps (outputs, targets) to a scalar.

    Returns:
        Norm of dL/dh_t over the batch, float64, shape (T,): the first step first,
        exactly 0 where no gradient arrives. At the last step the c of an LSTM
        has no gradient, for nothing reads it.

    Raises:
        TypeError: If the model is not a module, or inputs hold no tensor.
        ValueError: If the model does not have exactly one such cell or does not call it
            on a plain tensor, the inputs are empty or not finite, or the loss is not a
            scalar that depends on the weights.

    Example:
        >>> from helpers import models
        >>> net = models.build_recurrent(models.RecurrentSetting("gru"), 2, 1)
        >>> norms = through_time(net, torch.ones(8, 30, 2), torch.ones(8, 1), nn.MSELoss())
        >>> norms.shape, bool(norms[0] < 1e-4 * norms[-1])
        ((30,), True)
    """
    check_model(model)
    check_inputs(inputs)
    with isolated(torch.float64):
        model_copy = trainable_copy(model, torch.float64)
        criterion = loss_copy(loss_fn, torch.float64)
        states = _unroll(model_copy)
        with parametrize.cached():
            outputs = called(model_copy, converted(inputs, torch.float64))
        loss = check_loss(criterion(outputs, converted(targets, torch.float64)))
        if not states:
            raise ValueError("model must call its recurrent layer, and it does not")
        backward(loss, model_copy)
    return np.array([math.hypot(*(part.norm for part in state)) for state in states])


def _unroll(model: nn.Module) -> list[list[TapReading]]:
    """Make the one recurrent layer run step by step, with a tap at each state.

    Returns:
        A list that the forward pass fills with the readings of each step: one for the
        h, and for an LSTM one for the c.
    """
    cells = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    if len(cells) != 1 or cells[0].bidirectional:
        raise ValueError(
            "model must have exactly one nn.RNN, nn.LSTM or nn.GRU, of one direction, "
            f"got {'one of two' if len(cells) == 1 else len(cells)}"
        )
    (cell,) = cells
    all_steps = cell.forward  # from the class: PyTorch's own arithmetic, one step at a time
    readings: list[list[TapReading]] = []

    def forward(
        inputs: Tensor, state: Tensor | tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...] | None]:
        if not isinstance(inputs, Tensor):
            raise ValueError(
                f"model must call its recurrent layer on a tensor, got {type(inputs).__name__}"
            )
        time = 1 if cell.batch_first and inputs.ndim == 3 else 0
        outputs = []
        for step in inputs.split(1, dim=time):
            _, state = all_steps(step, state)
            parts, found = zip(
                *map(tapped, state if isinstance(state, tuple) else (state,)), strict=True
            )
            readings.append(list(found))
            state = parts if isinstance(state, tuple) else parts[0]
            outputs.append(parts[0][-1])  # the last layer's h
        return torch.stack(outputs, dim=time), state

    cell.forward = forward
    return readings

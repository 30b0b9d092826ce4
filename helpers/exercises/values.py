"""Copy plain values out of what a function returned, and out of a model.

A function under judgement may return anything, also an object made to pass for a right
answer. So here and in the modules that use this one:

* The exact type decides, as in ``type(value) is list``, never ``isinstance``: a subclass
  of a number, an array or a tensor can answer for itself whatever it is asked.
* Before its exact type is known to be one of Python's, numpy's or torch's own, nothing is
  asked of a value, not even its length or its truth. Of any other type only the name is
  read, for the message.
* Numbers are copied before they are compared, so that nothing can change them meanwhile.

:func:`probe_model` alone asks ``isinstance``, as every model is a subclass, and it runs
the model. It belongs where the function itself runs; what it returns is trusted no more
than any other answer.
"""

from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from helpers import plain

_INTEGERS = frozenset(
    {int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64}
)
_NUMBERS = _INTEGERS | {float, np.float16, np.float32, np.float64}
_SEQUENCES = frozenset({list, tuple})
_TENSORS = frozenset({Tensor, nn.Parameter})


def is_integer(value: object) -> TypeGuard[int]:
    """Say whether a value is exactly an integer of Python or numpy; True is not."""
    return type(value) in _INTEGERS


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is exactly a real number of Python or numpy; True is not."""
    return type(value) in _NUMBERS


def is_sequence(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Say whether a value is exactly a list or a tuple."""
    return type(value) in _SEQUENCES


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Say whether a value is exactly a tensor or a parameter of torch."""
    return type(value) in _TENSORS


def as_array(value: object, levels: int = 4) -> np.ndarray | None:
    """Copy real numbers out of a value, None if it does not hold such numbers alone.

    Args:
        value: One number, an array, a tensor, or these in lists of equal shapes.
        levels: How deep lists may lie in lists. A list may hold itself.

    Returns:
        A float64 array that shares no memory with the value.

    Example:
        >>> as_array([torch.tensor([1.0, 2.0]), (3, 4)])
        array([[1., 2.],
               [3., 4.]])
        >>> as_array([True]) is None
        True
    """
    try:
        if is_number(value):
            return np.array(float(value))
        if type(value) is np.ndarray and value.dtype.kind in "iuf":
            return value.astype(np.float64)
        if is_tensor(value) and not (value.dtype == torch.bool or value.is_complex()):
            return value.detach().to("cpu", torch.float64, copy=True).numpy()
        if is_sequence(value) and levels:
            return _stacked([as_array(item, levels - 1) for item in value])
    except (OverflowError, RuntimeError, TypeError):
        return None
    return None


def _stacked(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    """Return arrays of one shape as one, None if they do not fit together."""
    known = [array for array in arrays if array is not None]
    if len(known) < len(arrays) or len({array.shape for array in known}) != 1:
        return None
    return np.stack(known)


def copied(value: object) -> object:
    """Copy arguments, so that a function may change what it is given.

    Args:
        value: Tensors and arrays are copied, also inside lists, tuples and dicts;
            everything else is handed on as it is.
    """
    if type(value) is Tensor:
        return value.clone()
    if type(value) is np.ndarray:
        return value.copy()
    if type(value) is list:
        return [copied(item) for item in value]
    if type(value) is tuple:
        return tuple(copied(item) for item in value)
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class ModelProbe:
    """Weights, inputs and a direction, which together show what a model computes.

    Attributes:
        weights: A tensor for each of its parameters, in the order of
            ``named_parameters``.
        inputs: What to run it on, floats.
        direction: Of the shape of the outputs; the gradients are those of
            ``(outputs * direction).sum()``.
    """

    weights: list[Tensor]
    inputs: Tensor
    direction: Tensor


def probe_model(model: object, probe: ModelProbe) -> object:
    """Load weights into a model, run it, and go back to inputs and parameters.

    Args:
        model: What was returned where a model was asked for.
        probe: The weights, the inputs, and the direction of the outputs.

    Returns:
        A dict with the "parameter shapes" and, as far as shapes agree with the
        probe's, "outputs", "input gradient" and "parameter gradients". What is
        not a model comes back as it is, a dict as ``plain.Other``.
    """
    if not isinstance(model, nn.Module):
        return plain.Other("dict") if type(model) is dict else model
    parameters = [parameter for _, parameter in model.named_parameters()]
    found: dict[str, object] = {"parameter shapes": [list(one.shape) for one in parameters]}
    if found["parameter shapes"] != [list(weight.shape) for weight in probe.weights]:
        return found
    with torch.no_grad():
        for parameter, weight in zip(parameters, probe.weights, strict=True):
            parameter.copy_(weight)
    dtype = parameters[0].dtype if parameters else probe.inputs.dtype
    with torch.enable_grad():
        inputs = probe.inputs.to(dtype, copy=True).requires_grad_()
        outputs = model(inputs.clone())  # so that it may be changed in place
        found["outputs"] = outputs
        if not isinstance(outputs, Tensor) or outputs.shape != probe.direction.shape:
            return found
        total = (outputs * probe.direction).sum()
        for parameter in parameters:
            parameter.grad = None
        if total.requires_grad:
            total.backward()
    gradients = [
        torch.zeros_like(one) if one.grad is None else one.grad for one in (inputs, *parameters)
    ]
    return {
        **found,
        "outputs": outputs.detach(),
        "input gradient": gradients[0],
        "parameter gradients": gradients[1:],
    }

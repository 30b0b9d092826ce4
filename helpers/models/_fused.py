"""A plain deep network whose equal layers are one fast module.

Shapes: B batch, N width, L layers of the stack.
"""

import copy
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def _numpy_works(tensor: Tensor) -> bool:
    """Whether numpy can compute on the tensor's own memory."""
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


@dataclass(frozen=True)
class _Kernel:
    """An activation whose slope needs only its output."""

    on_array: Callable[[np.ndarray], object]  # in place, by numpy
    on_tensor: Callable[[Tensor], object]  # in place, by torch
    slope: Callable[[Tensor, Tensor], object]  # of outputs, into a tensor

    def operation(self, values: Sequence[Tensor]) -> tuple[Callable[[Any], object], Sequence]:
        """Choose numpy's operation or torch's, and return the values in the form it needs."""
        if _numpy_works(values[0]):
            return self.on_array, [value.numpy() for value in values]
        return self.on_tensor, values


# numpy's tanh takes as long as torch's on some processors, and a tenth of it on others.
_KERNELS: dict[type[nn.Module], _Kernel] = {
    nn.Tanh: _Kernel(
        lambda values: np.tanh(values, out=values),
        torch.tanh_,
        lambda output, into: torch.addcmul(output.new_ones(()), output, output, value=-1, out=into),
    ),
    nn.ReLU: _Kernel(
        lambda values: np.maximum(values, 0, out=values),
        torch.relu_,
        lambda output, into: torch.sign(output, out=into),
    ),
}
_CHUNK = 2**16  # entries of delta that are kept together: they fit into a processor's cache


class _BufferPool:
    """A pool of one buffer, given out again once nobody holds it: fresh pages are slow.

    Only where numpy works; on a GPU torch itself keeps what is freed.
    """

    def __init__(self) -> None:
        self.buffer: Tensor | None = None
        self.layers: Sequence[Tensor] = ()
        self.holder: Callable[[], object] = lambda: None  # what all holders share, or None

    def __reduce__(self) -> tuple[type, tuple]:
        return _BufferPool, ()  # a copy of a model has a buffer of its own

    def acquire(self, like: Tensor, *shape: int) -> tuple[Tensor, Sequence[Tensor]]:
        """Return an unfilled tensor and its layers, to be used as long as it is held."""
        if not _numpy_works(like):
            fresh = like.new_empty(shape)
            return fresh, fresh.unbind(0)
        buffer = self.buffer
        fits = buffer is not None and (buffer.shape, buffer.dtype) == (shape, like.dtype)
        if buffer is None or not fits or self.holder() is not None:
            self.buffer = buffer = like.new_empty(shape)
            self.layers = buffer.unbind(0)
        array = buffer.numpy()
        self.holder = weakref.ref(array)
        return torch.from_numpy(array), self.layers


class _LayerViews:
    """The layers of the parameters one by one, kept: new views take 6 % of a step."""

    def __init__(self) -> None:
        self.memory: list[tuple] = []
        self.layers: list[Sequence[Tensor]] = []

    def __reduce__(self) -> tuple[type, tuple]:
        return _LayerViews, ()

    def of(self, weight: Tensor, bias: Tensor) -> list[Sequence[Tensor]]:
        """Return L weights (N, N), the same transposed, and L biases (N,)."""
        stacks = weight.detach(), weight.detach().mT, bias.detach()
        memory = [
            (stack.device, stack.dtype, stack.shape, stack.stride(), stack.data_ptr())
            for stack in stacks
        ]
        if memory != self.memory:  # an address is not given to another while its views live
            self.memory, self.layers = memory, [stack.unbind(0) for stack in stacks]
        return self.layers


class _StackPass(torch.autograd.Function):
    """Many equal layers as one node: no graph, no object for each of them."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, stack: "Stack") -> Tensor:
        outputs, layers = stack.outputs.acquire(inputs, len(weight) + 1, *inputs.shape)
        outputs[0].copy_(inputs)
        stack.run(layers, weight, bias)
        ctx.stack = stack
        ctx.save_for_backward(weight, bias, outputs)
        return outputs[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        weight, bias, outputs = ctx.saved_tensors
        kernel = _KERNELS[ctx.stack.activation]
        weights, _, _ = ctx.stack.views.of(weight, bias)
        weight_grad, _ = ctx.stack.gradient.acquire(weight, *weight.shape)
        bias_grad = torch.empty_like(bias)
        delta = delta.clone(memory_format=torch.contiguous_format)
        chunk = max(1, min(_CHUNK // max(1, delta.numel()), len(weight)))  # layers at a time
        workspace = delta.new_empty(chunk, *delta.shape)
        slopes = workspace.unbind(0)
        for stop in range(len(weight), 0, -chunk):
            start = max(stop - chunk, 0)
            at_z = workspace[: stop - start]  # first the slopes, then delta at each layer's z
            kernel.slope(outputs[start + 1 : stop + 1], at_z)
            for layer in range(stop - 1, start - 1, -1):
                torch.mm(slopes[layer - start].mul_(delta), weights[layer], out=delta)
            torch.bmm(at_z.mT, outputs[start:stop], out=weight_grad[start:stop])
            torch.sum(at_z, 1, out=bias_grad[start:stop])
        return delta, weight_grad, bias_grad, None


class Stack(nn.Module):
    """Many layers of equal width, h -> phi(W h + b), as one autograd node.

    One node instead of three per layer. At width 64, batch 128 and one thread a training
    step takes 1.3 to 1.5 times its bare matrix products; with the layers one by one it
    takes about 2.4 times at depth 100 and 3.4 at 10,000 (``benchmarks/deep.py``). For
    any device, and only for a first derivative.

    Args:
        layers: L linear layers from N to N.
        activation: The type of the module after each: ``nn.Tanh`` or ``nn.ReLU``.
    """

    def __init__(self, layers: Sequence[nn.Linear], activation: type[nn.Module]) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.outputs, self.gradient = _BufferPool(), _BufferPool()
        self.views = _LayerViews()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, N) through all layers to (B, N)."""
        if torch.is_grad_enabled():
            return _StackPass.apply(inputs, self.weight, self.bias, self)
        even, odd = inputs.clone(), torch.empty_like(inputs)  # outputs of every other layer
        outputs = [odd if layer % 2 else even for layer in range(len(self.weight) + 1)]
        self.run(outputs, self.weight, self.bias)
        return outputs[-1]

    def run(self, outputs: Sequence[Tensor], weight: Tensor, bias: Tensor) -> None:
        """Fill outputs[1:], each (B, N), from outputs[0]."""
        activate, values = _KERNELS[self.activation].operation(outputs)
        _, transposed, biases = self.views.of(weight, bias)
        for layer, (layer_weight, layer_bias) in enumerate(zip(transposed, biases, strict=True)):
            torch.mm(outputs[layer], layer_weight, out=outputs[layer + 1]).add_(layer_bias)
            activate(values[layer + 1])

    def extra_repr(self) -> str:
        """Show the size in the printed model."""
        layers, width, _ = self.weight.shape
        return f"{layers} layers of {width} {self.activation.__name__}"


def fused(model: nn.Sequential) -> nn.Sequential:
    """Copy a plain deep network, its equal layers as one fast ``Stack``.

    The copy computes the same function from the same weights. Its layers cannot
    be seen one by one, so measure with ``probe.record`` before you fuse.

    Args:
        model: From ``build``, without norms and skips; tanh or ReLU.

    Returns:
        First layer, activation, ``Stack``, output layer.

    Raises:
        TypeError: If the model is not an ``nn.Sequential``.
        ValueError: If it is not plain, has another activation, or fewer than
            three weight layers.

    Example:
        >>> from helpers.models import Setting, build
        >>> fused(build(Setting(depth=1000), in_features=64, out_features=10))
        Sequential(
          (0): Linear(in_features=64, out_features=64, bias=True)
          (1): Tanh()
          (2): Stack(998 layers of 64 Tanh)
          (3): Linear(in_features=64, out_features=10, bias=True)
        )
    """
    if not isinstance(model, nn.Sequential):
        raise TypeError(f"model must be a torch.nn.Sequential, got {type(model).__name__}")
    layers = [layer for layer in list(model)[::2] if isinstance(layer, nn.Linear)]
    activations = list(model)[1::2]
    kinds = {type(activation) for activation in activations}
    plain = (
        len(layers) > 2
        and len(model) == 2 * len(layers) - 1  # every other module is linear
        and len({layer.weight.shape for layer in layers[1:-1]}) == 1
        and layers[1].in_features == layers[1].out_features
        and all(layer.bias is not None for layer in layers)
        and len(kinds) == 1
        and kinds <= set(_KERNELS)
    )
    if not plain:
        names = " or ".join(kind.__name__ for kind in _KERNELS)
        raise ValueError(
            "model must be plain: three or more linear layers with equal ones inside, biases, "
            f"and {names} between them; norms and skips cannot be fused"
        )
    first, last = copy.deepcopy(layers[0]), copy.deepcopy(layers[-1])
    return nn.Sequential(first, activations[0], Stack(layers[1:-1], *kinds), last)

"""A plain deep network whose equal layers are one fast module.

Shapes: B batch, N width, L layers of the stack.
"""

import copy
import importlib.util
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers import checks


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


@cache
def _kernels() -> ModuleType | None:
    """The kernels that take all layers at once on a GPU; None without Triton."""
    if importlib.util.find_spec("triton") is None:
        return None
    return importlib.import_module("helpers.models._persistent")


def _persistent(inputs: Tensor, weight: Tensor) -> ModuleType | None:
    """These kernels, if they can take these inputs through layers of these weights."""
    if _numpy_works(inputs):
        return None
    kernels = _kernels()
    return kernels if kernels is not None and kernels.available(inputs, weight) else None


@dataclass
class _Buffer:
    """Memory of a pool, its layers one by one, and who holds it."""

    whole: Tensor
    layers: Sequence[Tensor]
    holder: Callable[[], object] = lambda: None  # what all holders share, or None


class _BufferPool:
    """Buffers that are given out again once nobody holds them: fresh pages are slow.

    Only where numpy works; on a GPU torch itself keeps what is freed.

    Args:
        most: How many buffers the pool remembers; any others are for their holders alone.
    """

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self.buffers: list[_Buffer] = []

    def __reduce__(self) -> tuple[type, tuple]:
        return _BufferPool, (self.most,)  # a copy of a model has buffers of its own

    def acquire(self, like: Tensor, *shape: int) -> tuple[Tensor, Sequence[Tensor]]:
        """Return an unfilled tensor, to be used as long as it is held, and its layers if kept."""
        if not _numpy_works(like):
            return like.new_empty(shape), ()
        wanted = shape, like.dtype
        free = [buffer for buffer in self.buffers if buffer.holder() is None]
        fitting = [one for one in free if (one.whole.shape, one.whole.dtype) == wanted]
        if not fitting:
            free.clear()  # what does not fit is let go before more memory is asked for
            self.buffers = [one for one in self.buffers if one.holder() is not None]
            whole = like.new_empty(shape)
            fitting = [_Buffer(whole, whole.unbind(0))]
            self.buffers = [*self.buffers, *fitting][-self.most :]
        buffer = fitting[0]
        array = buffer.whole.numpy()
        buffer.holder = weakref.ref(array)
        return torch.from_numpy(array), buffer.layers


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
        ctx.stack = stack
        if stack.recomputes:
            ctx.save_for_backward(weight, bias, inputs)
            return stack.last_output(inputs, weight, bias)
        outputs = stack.all_outputs(inputs, weight, bias)
        ctx.save_for_backward(weight, bias, outputs)
        return outputs[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        weight, bias, outputs = ctx.saved_tensors
        stack = ctx.stack
        if stack.recomputes:
            outputs = stack.all_outputs(outputs, weight, bias)
        learns = any(ctx.needs_input_grad[1:3])
        delta = delta.clone(memory_format=torch.contiguous_format)
        if kernels := _persistent(delta, weight):
            at_z = kernels.backward(delta, outputs, weight, is_tanh=stack.is_tanh)
            if not learns:
                return delta, None, None, None
            return delta, torch.bmm(at_z.mT, outputs[:-1]), at_z.sum(1), None
        kernel = _KERNELS[stack.activation]
        weights, _, _ = stack.views.of(weight, bias)
        weight_grad = stack.gradient.acquire(weight, *weight.shape)[0] if learns else None
        bias_grad = torch.empty_like(bias) if learns else None
        chunk = max(1, min(_CHUNK // max(1, delta.numel()), len(weight)))  # layers at a time
        workspace = delta.new_empty(chunk, *delta.shape)
        slopes = workspace.unbind(0)
        for stop in range(len(weight), 0, -chunk):
            start = max(stop - chunk, 0)
            at_z = workspace[: stop - start]  # first the slopes, then delta at each layer's z
            kernel.slope(outputs[start + 1 : stop + 1], at_z)
            for layer in range(stop - 1, start - 1, -1):
                torch.mm(slopes[layer - start].mul_(delta), weights[layer], out=delta)
            if weight_grad is not None and bias_grad is not None:
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
        recomputes: Whether to keep no activation but the input, and to compute the others
            once more on the way back: a third more time, and the memory of one stack for
            any number of them.
        beside: Another stack, in whose memory this one works while that one needs none.
    """

    def __init__(
        self,
        layers: Sequence[nn.Linear],
        activation: type[nn.Module],
        *,
        recomputes: bool = False,
        beside: "Stack | None" = None,
    ) -> None:
        super().__init__()
        self.activation, self.recomputes = activation, recomputes
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        if beside is None:
            self.outputs, self.gradient = _BufferPool(), _BufferPool()
        else:
            self.outputs, self.gradient = beside.outputs, beside.gradient
            self.outputs.most += 1
            self.gradient.most += 1
        self.views = _LayerViews()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, N) through all layers to (B, N)."""
        if torch.is_grad_enabled():
            return _StackPass.apply(inputs, self.weight, self.bias, self)
        return self.last_output(inputs, self.weight, self.bias)

    def all_outputs(self, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Map (B, N) to the inputs and the outputs of all layers, (L + 1, B, N)."""
        outputs, layers = self.outputs.acquire(inputs, len(weight) + 1, *inputs.shape)
        outputs[0].copy_(inputs)
        if kernels := _persistent(inputs, weight):
            kernels.forward(outputs, weight, bias, is_tanh=self.is_tanh)
        else:
            self.run(layers or outputs.unbind(0), weight, bias)
        return outputs

    def last_output(self, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Map (B, N) to the output of the last layer, in the memory of two layers."""
        if kernels := _persistent(inputs, weight):
            last = torch.empty_like(inputs, memory_format=torch.contiguous_format)
            given = inputs.contiguous()
            kernels.forward(given, weight, bias, is_tanh=self.is_tanh, last=last)
            return last
        even, odd = inputs.clone(), torch.empty_like(inputs)  # outputs of every other layer
        outputs = [odd if layer % 2 else even for layer in range(len(weight) + 1)]
        self.run(outputs, weight, bias)
        return outputs[-1]

    @property
    def is_tanh(self) -> bool:
        """Whether the activation is tanh; else it is ReLU."""
        return self.activation is nn.Tanh

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


def fused(model: nn.Sequential, segments: int = 1, *, kept: int | None = None) -> nn.Sequential:
    """Copy a plain deep network, its equal layers as one fast ``Stack`` or as several.

    The copy computes the same function from the same weights. Its layers cannot
    be seen one by one, so measure with ``probe.record`` before you fuse.

    Segments save memory. One that recomputes keeps only its input for the way back and
    works in memory that all share, so of L layers the activations of about L / segments
    + segments are held at a time, least at sqrt(L) segments. And where an
    optimizer steps during the way back (``train.stepping_backward``), the gradient of one
    segment is there at a time.

    Args:
        model: From ``build``, without norms and skips; tanh or ReLU.
        segments: How many stacks the equal layers are divided into; lengths differ by one
            at most.
        kept: How many of these, the last ones, keep all their activations, as there is
            memory for them: all when omitted. The others recompute.

    Returns:
        First layer, activation, the stacks, output layer.

    Raises:
        TypeError: If the model is not an ``nn.Sequential``, or a number is not whole.
        ValueError: If it is not plain, has another activation, or fewer than
            three weight layers; or if it has not so many layers or segments.

    Source: Chen et al. 2016, section 3.

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
    first, *hidden, last = layers
    segments = checks.whole("segments", segments, least=1, most=len(hidden))
    kept = segments if kept is None else checks.whole("kept", kept, least=0, most=segments)
    length, longer = divmod(len(hidden), segments)
    stacks: list[Stack] = []
    for number in range(segments):
        start = number * length + min(number, longer)
        part = hidden[start : start + length + (number < longer)]
        beside = stacks[0] if stacks else None
        stacks.append(Stack(part, *kinds, recomputes=number < segments - kept, beside=beside))
    return nn.Sequential(copy.deepcopy(first), activations[0], *stacks, copy.deepcopy(last))

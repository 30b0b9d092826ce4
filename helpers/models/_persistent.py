"""All layers of a stack as one kernel each way, for a GPU: written in Triton, which is optional.

A program of the kernel takes a few rows of the batch through all the layers. Their
activations stay in registers from layer to layer, and the weights stream by: a launch for
each layer would take several times as long as its arithmetic. ``available`` says where it works.

Shapes: B batch, N width, L layers.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

WIDTHS = (16, 32, 64, 128)  # what fits into the registers, in powers of two
_ROWS = 16  # the fewest that a matrix product takes


@triton.jit
def _tanh(x: Any) -> Any:
    """Tanh to the last digits of float32, for small x too: the errors of all layers add up."""
    square = x * x
    series = -0.0088632355 * square + 0.021869488  # Taylor's, from x^11 down
    series = series * square - 0.053968254
    series = series * square + 0.13333334
    series = series * square - 0.33333334
    near = x + x * square * series
    decay = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - decay) / (1.0 + decay)
    return tl.where(tl.abs(x) < 0.25, near, tl.where(x < 0, -far, far))


@triton.jit
def _forward(
    outputs: Any,
    weight: Any,
    bias: Any,
    last: Any,
    layers: Any,
    batch: Any,
    width: tl.constexpr,
    rows: tl.constexpr,
    is_tanh: tl.constexpr,
    keeps: tl.constexpr,
) -> None:
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    column = tl.arange(0, width)
    inside = (row < batch)[:, None]
    place = row[:, None] * width + column[None, :]
    transposed = column[:, None] + column[None, :] * width
    hidden = tl.load(outputs + place, mask=inside, other=0.0)
    for _ in range(layers):
        z = tl.dot(hidden, tl.load(weight + transposed), input_precision="ieee")
        z += tl.load(bias + column)[None, :]
        hidden = _tanh(z) if is_tanh else tl.maximum(z, 0.0)
        weight += width * width
        bias += width
        if keeps:
            outputs += batch * width
            tl.store(outputs + place, hidden, mask=inside)
    tl.store(last + place, hidden, mask=inside)


@triton.jit
def _backward(
    delta: Any,
    at_z: Any,
    outputs: Any,
    weight: Any,
    layers: Any,
    batch: Any,
    width: tl.constexpr,
    rows: tl.constexpr,
    is_tanh: tl.constexpr,
) -> None:
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    column = tl.arange(0, width)
    inside = (row < batch)[:, None]
    place = row[:, None] * width + column[None, :]
    matrix = column[:, None] * width + column[None, :]
    back = tl.load(delta + place, mask=inside, other=0.0)
    for _ in range(layers):
        output = tl.load(outputs + place, mask=inside, other=0.0)
        slope = 1.0 - output * output if is_tanh else tl.where(output > 0, 1.0, 0.0)
        back = back * slope
        tl.store(at_z + place, back, mask=inside)
        back = tl.dot(back, tl.load(weight + matrix), input_precision="ieee")
        outputs -= batch * width
        at_z -= batch * width
        weight -= width * width
    tl.store(delta + place, back, mask=inside)


def available(inputs: Tensor, weight: Tensor) -> bool:
    """Whether the kernels can take inputs (B, N) through layers (L, N, N)."""
    single = inputs.dtype == weight.dtype == torch.float32
    return inputs.is_cuda and single and weight.shape[-1] in WIDTHS


def forward(
    outputs: Tensor, weight: Tensor, bias: Tensor, *, is_tanh: bool, last: Tensor | None = None
) -> None:
    """Fill the outputs of all layers, or only those of the last.

    Args:
        outputs: Shape (L + 1, B, N); the first (B, N) are there. With ``last`` only these.
        weight: Shape (L, N, N).
        bias: Shape (L, N).
        is_tanh: Whether the activation is tanh; else it is ReLU.
        last: Where the outputs of the last layer go, shape (B, N), if no others are kept.
    """
    layers, width, _ = weight.shape
    batch = outputs.shape[-2]
    _forward[(triton.cdiv(batch, _ROWS),)](
        outputs,
        weight.contiguous(),
        bias.contiguous(),
        outputs[-1] if last is None else last,
        layers,
        batch,
        width=width,
        rows=_ROWS,
        is_tanh=is_tanh,
        keeps=last is None,
    )


def backward(delta: Tensor, outputs: Tensor, weight: Tensor, *, is_tanh: bool) -> Tensor:
    """Take delta back through all layers.

    Args:
        delta: Gradient at the last outputs, shape (B, N); in its place comes the gradient at
            the inputs.
        outputs: Shape (L + 1, B, N).
        weight: Shape (L, N, N).
        is_tanh: As for ``forward``.

    Returns:
        Gradient at the pre-activations of all layers, shape (L, B, N).
    """
    layers, width, _ = weight.shape
    batch = len(delta)
    at_z = torch.empty_like(outputs[1:])
    weight = weight.contiguous()
    _backward[(triton.cdiv(batch, _ROWS),)](
        delta,
        at_z[-1],
        outputs[-1],
        weight[-1],
        layers,
        batch,
        width=width,
        rows=_ROWS,
        is_tanh=is_tanh,
    )
    return at_z

"""Initialisers by name, each stating the variance that it gives a weight.

Every initialiser draws weights with mean 0 and a variance that depends only on
``fan_in`` and ``fan_out``; ``gain`` multiplies their standard deviation.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Generator, Tensor, nn

from helpers import checks

WeightLayer = (
    nn.Linear
    | nn.Conv1d
    | nn.Conv2d
    | nn.Conv3d
    | nn.ConvTranspose1d
    | nn.ConvTranspose2d
    | nn.ConvTranspose3d
)
"""What counts as a weight layer in this course."""

WEIGHT_LAYERS: tuple[type[WeightLayer], ...] = get_args(WeightLayer)
"""The same for ``isinstance``."""


@dataclass(frozen=True)
class Initializer:
    """How weights are drawn, and the variance this gives them.

    Args:
        name: The name used in ``Setting(initialization=...)``.
        formula: The variance in words, with gain 1.
        variance: Var W from ``fan_in`` and ``fan_out``, with gain 1.
        draw: Fills a weight in place, with gain 1.
        source: Author and year.
    """

    name: str
    formula: str
    variance: Callable[[int, int], float]
    draw: Callable[[Tensor, Generator], object]
    source: str


def _normal(variance: Callable[[int, int], float]) -> Callable[[Tensor, Generator], object]:
    def draw(weight: Tensor, generator: Generator) -> None:
        weight.normal_(0.0, math.sqrt(variance(*fans(weight))), generator=generator)

    return draw


def _xavier(fan_in: int, fan_out: int) -> float:
    return 2.0 / (fan_in + fan_out)


def _he(fan_in: int, fan_out: int) -> float:
    return 2.0 / fan_in


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1.0 / fan_in


def _orthogonal(fan_in: int, fan_out: int) -> float:
    return 1.0 / max(fan_in, fan_out)


INITIALIZERS: dict[str, Initializer] = {
    entry.name: entry
    for entry in (
        Initializer(
            "default",
            "1 / (3 fan_in), uniform; the biases are drawn too",
            lambda fan_in, fan_out: 1.0 / (3.0 * fan_in),
            lambda weight, generator: nn.init.kaiming_uniform_(
                weight, a=math.sqrt(5), generator=generator
            ),
            "PyTorch's nn.Linear; Glorot & Bengio 2010, eq. 1",
        ),
        Initializer(
            "xavier",
            "2 / (fan_in + fan_out), normal",
            _xavier,
            _normal(_xavier),
            "Glorot & Bengio 2010, eq. 12",
        ),
        Initializer("he", "2 / fan_in, normal", _he, _normal(_he), "He et al. 2015, eq. 10"),
        Initializer(
            "lecun", "1 / fan_in, normal", _lecun, _normal(_lecun), "LeCun et al. 1998, eq. 16"
        ),
        Initializer(
            "orthogonal",
            "1 / max(fan_in, units), orthonormal rows or columns",
            _orthogonal,
            lambda weight, generator: nn.init.orthogonal_(weight, generator=generator),
            "Saxe et al. 2014",
        ),
        Initializer(
            "lsuv",
            "orthonormal, then scaled so that each layer's pre-activations have variance 1",
            _orthogonal,
            lambda weight, generator: nn.init.orthogonal_(weight, generator=generator),
            "Mishkin & Matas 2016",
        ),
    )
}


def fans(weight: Tensor) -> tuple[int, int]:
    """Count the inputs that one unit reads and the units that read one input.

    Args:
        weight: A weight of shape (out, in) or (out, in, *kernel); for transposed
            and grouped convolutions this is PyTorch's convention, not a count.

    Returns:
        ``fan_in`` and ``fan_out``.

    Example:
        >>> fans(torch.empty(8, 3, 5, 5))
        (75, 200)
    """
    window = weight[0, 0].numel()
    return weight.shape[1] * window, weight.shape[0] * window


def variance(name: str, fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    """State the variance of one weight under a named initialiser.

    Args:
        name: A key of ``INITIALIZERS``.
        fan_in: Inputs of a unit.
        fan_out: Units that read one input; for ``orthogonal`` and ``lsuv`` the
            number of units, which in a convolution is smaller.
        gain: Multiplies the standard deviation.

    Returns:
        Var W, dimensionless. For ``lsuv`` this is before the data rescale it.

    Raises:
        TypeError: If the name is not a text.
        ValueError: If it is unknown.

    Example:
        >>> variance("he", 50, 100)
        0.04
    """
    return gain**2 * _known(name).variance(fan_in, fan_out)


def _known(name: str) -> Initializer:
    return INITIALIZERS[checks.choice("name", name, INITIALIZERS)]


@torch.no_grad()
def fill(
    layer: WeightLayer,
    name: str,
    generator: Generator,
    *,
    gain: float = 1.0,
    bias_var: float | None = None,
) -> None:
    """Draw the weight and bias of one layer anew, in place.

    Args:
        layer: A weight layer (linear or convolution).
        name: A key of ``INITIALIZERS``.
        generator: Where the random numbers come from.
        gain: Multiplies the standard deviation of the weights.
        bias_var: Variance of normal biases. None gives what the initialiser's
            authors use: zero, or PyTorch's own draw for ``default``.

    Raises:
        TypeError: If the name is not a text.
        ValueError: If it is unknown.
    """
    _known(name).draw(layer.weight, generator)
    if gain != 1.0:
        layer.weight.mul_(gain)
    if layer.bias is None:
        return
    if bias_var is not None:
        layer.bias.normal_(0.0, math.sqrt(bias_var), generator=generator)
    elif name == "default":
        bound = 1.0 / math.sqrt(fans(layer.weight)[0])
        layer.bias.uniform_(-bound, bound, generator=generator)
    else:
        layer.bias.zero_()


def apply(
    model: nn.Module,
    name: str,
    *,
    gain: float = 1.0,
    bias_var: float | None = None,
    seed: int = 0,
    inputs: Tensor | None = None,
) -> nn.Module:
    """Re-initialise every weight layer of a model, in place.

    Args:
        model: Any module; its linear and convolution layers are drawn anew, in
            the order in which the module lists them.
        name: A key of ``INITIALIZERS``.
        gain: Multiplies the standard deviation of the weights.
        bias_var: See ``fill``.
        seed: Which draw; the global random state is not touched.
        inputs: A batch to calibrate on; needed by ``lsuv`` only, which leaves
            the statistics of norm layers alone.

    Returns:
        The same model.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the name is unknown, a number is impossible, the model has
            no weight layer, or ``lsuv`` gets no finite inputs.

    Example:
        >>> layer = apply(nn.Linear(400, 400), "he")
        >>> round(400 * layer.weight.var().item(), 1)
        2.0
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    _known(name)
    gain = checks.number("gain", gain, positive=True)
    if bias_var is not None:
        bias_var = checks.number("bias_var", bias_var)
    seed = checks.whole("seed", seed)
    layers = [module for module in model.modules() if isinstance(module, WEIGHT_LAYERS)]
    if not layers:
        raise ValueError("model must have a linear or convolution layer, and it has none")
    batch = _finite_batch(inputs) if name == "lsuv" else None
    generator = torch.Generator().manual_seed(seed)
    before = {} if batch is None else copy.deepcopy(model.state_dict())
    for layer in layers:
        fill(layer, name, generator, gain=gain, bias_var=bias_var)
    if batch is not None:
        try:
            _unit_variance(model, layers, batch, gain)
        except Exception:
            model.load_state_dict(before)
            raise
    return model


def _finite_batch(inputs: Tensor | None) -> Tensor:
    if not isinstance(inputs, Tensor):
        raise ValueError("inputs must be a batch of data when the initialiser is 'lsuv'")
    if not torch.isfinite(inputs).all():
        raise ValueError("inputs must be finite, and they hold a nan or an infinity")
    return inputs


@torch.no_grad()
def _unit_variance(
    model: nn.Module, layers: list[WeightLayer], inputs: Tensor, gain: float
) -> None:
    """Scale each weight, in one forward pass, to pre-activations of variance gain^2."""
    done: set[nn.Module] = set()

    def rescale(layer: WeightLayer, _arguments: tuple, output: Tensor) -> Tensor | None:
        if layer in done:
            return None
        done.add(layer)
        shape = [1] * output.ndim
        shape[-1 if isinstance(layer, nn.Linear) else 1] = -1
        bias = 0.0 if layer.bias is None else layer.bias.view(shape)
        signal = output - bias
        spread = signal.std(correction=0)
        scale = gain / spread if spread > 0 else 1.0
        layer.weight.mul_(scale)
        return signal * scale + bias

    statistics = [(buffer, buffer.clone()) for buffer in model.buffers()]
    handles = [layer.register_forward_hook(rescale) for layer in layers]
    try:
        with torch.random.fork_rng():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
        for buffer, before in statistics:
            buffer.copy_(before)

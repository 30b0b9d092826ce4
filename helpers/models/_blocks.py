"""What networks are made of: activations as modules, residual blocks, and their order.

Shapes: B batch, N width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers import theory
from helpers.models._settings import Setting


class Activation(nn.Module):
    """An activation that PyTorch has as a function but not as a module.

    Args:
        name: A key of ``theory.ACTIVATIONS``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the activation, element by element."""
        return theory.ACTIVATIONS[self.name](inputs)

    def extra_repr(self) -> str:
        """Show the name in the printed model."""
        return self.name


_MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "hardtanh": nn.Hardtanh,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "relu6": nn.ReLU6,
    "logsigmoid": nn.LogSigmoid,
    "tanhshrink": nn.Tanhshrink,
}


def activation_module(name: str) -> nn.Module:
    """Make the module of a named activation.

    Args:
        name: A key of ``theory.ACTIVATIONS``.

    Returns:
        PyTorch's own module where there is one.

    Example:
        >>> activation_module("tanh")
        Tanh()
    """
    return _MODULES[name]() if name in _MODULES else Activation(name)


ACTIVATION_MODULES = tuple(
    {type(activation_module(name)) for name in theory.ACTIVATIONS} - {nn.Identity}
)
"""The module types that count as an activation."""


class Residual(nn.Module):
    """A block that adds its input to what its branch makes of it.

    Args:
        branch: Maps (B, N) to (B, N).
        scale: A fixed factor on the branch.
        total: A fixed factor on the sum.
        learnt: Whether to learn a further factor that starts at 0 (ReZero).
        after: Applied to the sum (the activation, when the skip is added before it).
    """

    def __init__(
        self,
        branch: nn.Module,
        *,
        scale: float = 1.0,
        total: float = 1.0,
        learnt: bool = False,
        after: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.scale = scale
        self.total = total
        self.alpha = nn.Parameter(torch.zeros(())) if learnt else None
        self.after = after

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the sum of skip and branch, shape (B, N)."""
        branch = self.branch(inputs)
        if self.scale != 1.0:
            branch = branch * self.scale
        if self.alpha is not None:
            branch = branch * self.alpha
        outputs = inputs + branch
        if self.total != 1.0:
            outputs = outputs * self.total
        return outputs if self.after is None else self.after(outputs)


@dataclass(frozen=True)
class Parts:
    """What the layers of a network are made of: a dense or a convolutional kind."""

    setting: Setting
    weights: Callable[[], nn.Module]  # from width to width
    norms: Mapping[str, Callable[[], nn.Module]]

    def activated(self) -> list[nn.Module]:
        """Norm and activation."""
        activation = activation_module(self.setting.activation)
        if self.setting.norm == "none":
            return [activation]
        return [self.norms[self.setting.norm](), activation]

    def block(self) -> Residual:
        """One residual block."""
        setting = self.setting
        if setting.residual.startswith("pre-act"):
            branch = nn.Sequential(*self.activated(), self.weights())
            return Residual(branch, scale=setting.branch_scale, total=setting.total_scale)
        layer = [self.weights(), *self.activated()]
        if setting.residual == "post-add":
            return Residual(nn.Sequential(*layer[:-1]), after=layer[-1])
        if setting.residual == "fixup":
            return Residual(nn.Sequential(*layer, self.weights()))
        learnt = setting.residual == "rezero"
        return Residual(nn.Sequential(*layer), scale=setting.branch_scale, learnt=learnt)

    def network(self, first: nn.Module, last: Callable[[], list[nn.Module]]) -> list[nn.Module]:
        """All modules from the first weight layer to the last, drawn in this order."""
        setting = self.setting
        modules = [first]
        if setting.residual.startswith("pre-act"):
            modules += [self.block() for _ in range(setting.blocks)]
            return [*modules, *self.activated(), *last()]
        modules += self.activated()
        if setting.residual == "none":
            for _ in range(setting.depth - 2):
                modules += [self.weights(), *self.activated()]
        else:
            modules += [self.block() for _ in range(setting.blocks)]
        return [*modules, *last()]

"""Networks built from one ``Setting``: everything an experiment may vary.

Shapes: B batch, D input features, N width, C outputs, L depth.
"""

import difflib
import html
import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from helpers import initialize, theory

NORMS = ("none", "batch", "layer", "rms", "group")
RESIDUALS = ("none", "pre-add", "post-add", "scaled", "rezero", "fixup")

_GROUPS = 8  # channel groups of a group norm
_LSUV_BATCH = 512  # standard normal inputs that LSUV is calibrated on at build time


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


def _choice(argument: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be a name such as {choices[0]!r}, got {value!r}")
    if value not in choices:
        near = difflib.get_close_matches(value.lower(), choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; choose from {', '.join(choices)}"
        raise ValueError(f"{argument} {value!r} is not known{hint}")


@dataclass(frozen=True)
class Setting:
    """One network and how it is started; everything an experiment may vary.

    Args:
        depth: Number of weight matrices L, the output layer included.
        width: Units N of each hidden layer.
        activation: A key of ``theory.ACTIVATIONS``.
        initialization: A key of ``initialize.INITIALIZERS``.
        norm: ``none``, ``batch``, ``layer``, ``rms`` or ``group``, between a
            hidden weight layer and its activation.
        residual: How the L - 2 layers of equal width are skipped. With F(x) the
            activation of a weight layer: ``pre-add`` x + F(x); ``post-add`` the
            activation of (W x + x); ``scaled`` x + F(x) / sqrt(blocks);
            ``rezero`` x + a F(x), a learnt from 0 (Bachlechner et al. 2021);
            ``fixup`` x + W2 phi(W1 x), two weight layers a block, W1 scaled by
            blocks^(-1/2), W2 and its bias zero (Zhang et al. 2019; the output
            layer keeps its own initialisation, so that gradients can be measured).
        gain: Multiplies the standard deviation of every weight.
        bias_var: Variance of normal biases; None gives the initialiser's own.

    Raises:
        TypeError: If a field has the wrong type.
        ValueError: If a field has an impossible value; the sentence names it.

    Example:
        >>> print(Setting(depth=30, activation="relu", initialization="he"))
        30 layers of 64 relu, he
    """

    depth: int = 20
    width: int = 64
    activation: str = "tanh"
    initialization: str = "default"
    norm: str = "none"
    residual: str = "none"
    gain: float = 1.0
    bias_var: float | None = None

    def __post_init__(self) -> None:
        initialize.check_whole("depth", self.depth, least=1)
        initialize.check_whole("width", self.width, least=1)
        _choice("activation", self.activation, tuple(theory.ACTIVATIONS))
        _choice("initialization", self.initialization, tuple(initialize.INITIALIZERS))
        _choice("norm", self.norm, NORMS)
        _choice("residual", self.residual, RESIDUALS)
        initialize.check_number("gain", self.gain, positive=True)
        if self.bias_var is not None:
            initialize.check_number("bias_var", self.bias_var, positive=False)
        if self.norm == "group" and self.width % _GROUPS:
            raise ValueError(
                f"width must be a multiple of {_GROUPS} for norm='group', got {self.width}"
            )
        if self.residual != "none" and self.depth < 3:
            raise ValueError(
                f"depth must be at least 3 for residual={self.residual!r}, got {self.depth}"
            )
        if self.residual == "fixup" and self.depth % 2:
            raise ValueError(
                "depth must be even for residual='fixup' (two weight layers a block, "
                f"one before and one after), got {self.depth}"
            )

    @property
    def blocks(self) -> int:
        """Number of residual blocks, 0 without skips."""
        if self.residual == "none":
            return 0
        return (self.depth - 2) // (2 if self.residual == "fixup" else 1)

    @property
    def variances(self) -> tuple[float, float]:
        """What ``theory`` needs of a hidden layer: fan_in Var W, and Var b."""
        weight = initialize.variance(self.initialization, self.width, self.width, self.gain)
        if self.bias_var is not None:
            bias = self.bias_var
        else:
            bias = 1.0 / (3.0 * self.width) if self.initialization == "default" else 0.0
        return self.width * weight, bias

    def __str__(self) -> str:
        words = [f"{self.depth} layers of {self.width} {self.activation}", self.initialization]
        if self.norm != "none":
            words.append(f"{self.norm} norm")
        if self.residual != "none":
            words.append(f"{self.residual} skips")
        if self.gain != 1.0:
            words.append(f"gain {self.gain:g}")
        if self.bias_var is not None:
            words.append(f"bias variance {self.bias_var:g}")
        return ", ".join(words)

    def _repr_html_(self) -> str:
        rows = ((field.name, getattr(self, field.name)) for field in fields(self))
        cells = "".join(
            f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows
        )
        return f"<table>{cells}</table>"


class Residual(nn.Module):
    """A block that adds its input to what its branch makes of it.

    Args:
        branch: Maps (B, N) to (B, N).
        scale: A fixed factor on the branch.
        learnt: Whether to learn a further factor that starts at 0 (ReZero).
        after: Applied to the sum (the activation, when the skip is added before it).
    """

    def __init__(
        self,
        branch: nn.Module,
        *,
        scale: float = 1.0,
        learnt: bool = False,
        after: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.scale = scale
        self.alpha = nn.Parameter(torch.zeros(())) if learnt else None
        self.after = after

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the sum of skip and branch, shape (B, N)."""
        branch = self.branch(inputs)
        if self.scale != 1.0:
            branch = branch * self.scale
        if self.alpha is not None:
            branch = branch * self.alpha
        total = inputs + branch
        return total if self.after is None else self.after(total)


def _norm(setting: Setting) -> list[nn.Module]:
    width = setting.width
    if setting.norm == "batch":
        return [nn.BatchNorm1d(width)]
    if setting.norm == "layer":
        return [nn.LayerNorm(width)]
    if setting.norm == "rms":
        return [nn.RMSNorm(width)]
    if setting.norm == "group":
        return [nn.GroupNorm(_GROUPS, width)]
    return []


def _hidden(setting: Setting, fan_in: int) -> list[nn.Module]:
    """One hidden layer: weights, norm, activation."""
    return [
        nn.Linear(fan_in, setting.width),
        *_norm(setting),
        activation_module(setting.activation),
    ]


def _block(setting: Setting) -> Residual:
    layer = _hidden(setting, setting.width)
    if setting.residual == "post-add":
        return Residual(nn.Sequential(*layer[:-1]), after=layer[-1])
    if setting.residual == "fixup":
        return Residual(nn.Sequential(*layer, nn.Linear(setting.width, setting.width)))
    scale = 1.0 / math.sqrt(setting.blocks) if setting.residual == "scaled" else 1.0
    return Residual(nn.Sequential(*layer), scale=scale, learnt=setting.residual == "rezero")


def _modules(setting: Setting, in_features: int, out_features: int) -> list[nn.Module]:
    if setting.depth == 1:
        return [nn.Linear(in_features, out_features)]
    modules = _hidden(setting, in_features)
    if setting.residual == "none":
        for _ in range(setting.depth - 2):
            modules += _hidden(setting, setting.width)
    else:
        modules += [_block(setting) for _ in range(setting.blocks)]
    return [*modules, nn.Linear(setting.width, out_features)]


def build(setting: Setting, in_features: int, out_features: int, seed: int = 0) -> nn.Sequential:
    """Build the network that a setting describes.

    With ``initialization="default"`` and gain 1 the weights are, bit for bit,
    those that PyTorch draws after ``torch.manual_seed(seed)``. The global random
    state is left as it was.

    Args:
        setting: What to build.
        in_features: Features D of one input.
        out_features: Outputs C, for instance the number of classes.
        seed: Which draw of the weights.

    Returns:
        A float32 model from (B, D) to (B, C), in training mode.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a size is below 1.

    Example:
        >>> build(Setting(depth=2, width=5), in_features=3, out_features=1)
        Sequential(
          (0): Linear(in_features=3, out_features=5, bias=True)
          (1): Tanh()
          (2): Linear(in_features=5, out_features=1, bias=True)
        )
    """
    if not isinstance(setting, Setting):
        raise TypeError(f"setting must be a models.Setting, got {type(setting).__name__}")
    initialize.check_whole("in_features", in_features, least=1)
    initialize.check_whole("out_features", out_features, least=1)
    initialize.check_whole("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed reaches GPUs too
        model = nn.Sequential(*_modules(setting, in_features, out_features))
        untouched = (
            setting.initialization == "default" and setting.gain == 1.0 and setting.bias_var is None
        )
        if not untouched:
            initialize.apply(
                model,
                setting.initialization,
                gain=setting.gain,
                bias_var=setting.bias_var,
                seed=seed,
                inputs=torch.randn(_LSUV_BATCH, in_features),
            )
    if setting.residual == "fixup":
        _fixup(model, setting.blocks)
    return model


def predicted_profile(setting: Setting, inputs: Tensor) -> np.ndarray:
    """Predict the delta norms of a network before it is built.

    Mean-field theory: without norms the variance of the pre-activations is
    followed from layer to layer, and each layer multiplies the delta norm by the
    square root of its chi; with a norm every layer multiplies by the same factor.

    Args:
        setting: A network without skips; its norm is none, batch, layer or rms.
        inputs: The batch it will be fed, shape (B, D); only its mean square counts.

    Returns:
        Norm of delta over that of the last layer, from input to output, shape (L,).

    Raises:
        ValueError: If the setting has skips or a group norm.

    Source: Schoenholz et al. 2017, eq. 5; for batch norm Yang et al. 2019.

    Example:
        >>> predicted_profile(Setting(depth=3, activation="relu"), torch.ones(1, 64)).round(4)
        array([0.1667, 0.4082, 1.    ])
    """
    if setting.residual != "none" or setting.norm == "group":
        raise ValueError(
            "setting must have no skips, and norm none, batch, layer or rms: there is no "
            f"prediction for residual={setting.residual!r} with norm={setting.norm!r}"
        )
    if setting.norm != "none":
        factor = theory.norm_factor(setting.activation, setting.norm)
        return factor ** np.arange(setting.depth - 1, -1, -1.0)
    weight_var, bias_var = setting.variances
    first = weight_var * inputs.double().square().mean().item() + bias_var
    return theory.trajectory(
        setting.activation, weight_var, bias_var, depth=setting.depth, q0=first
    ).delta_norms


@torch.no_grad()
def _fixup(model: nn.Module, blocks: int) -> None:
    for module in model:
        if isinstance(module, Residual):
            module.branch[0].weight.mul_(blocks**-0.5)
            module.branch[-1].weight.zero_()
            module.branch[-1].bias.zero_()

"""Networks built from one ``Setting``: everything an experiment may vary.

Shapes: B batch, D input features, N width, C outputs, L depth.
"""

import copy
import html
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from helpers import checks, initialize, theory

NORMS = ("none", "batch", "layer", "rms", "group")
RESIDUALS = (
    "none", "pre-add", "post-add", "scaled", "rezero", "fixup",
    "pre-act", "pre-act-half", "pre-act-scaled",
)  # fmt: skip

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


@dataclass(frozen=True)
class Setting:
    """One network and how it is started; everything an experiment may vary.

    Args:
        depth: Number of weight matrices L, the output layer included.
        width: Units N of each hidden layer.
        activation: A key of ``theory.ACTIVATIONS``.
        initialization: A key of ``initialize.INITIALIZERS``.
        norm: ``none``, ``batch``, ``layer``, ``rms`` or ``group``, before every
            activation.
        residual: How the L - 2 layers of equal width are skipped. With F(x) the
            activation of a weight layer: ``pre-add`` x + F(x); ``post-add`` the
            activation of (W x + x); ``scaled`` x + F(x) / sqrt(blocks);
            ``rezero`` x + a F(x), a learnt from 0 (Bachlechner et al. 2021);
            ``fixup`` x + W2 phi(W1 x), two weight layers a block, W1 scaled by
            blocks^(-1/2), W2 and its bias zero (Zhang et al. 2019; the output
            layer keeps its own initialisation, so that gradients can be measured).
            With G(x) a weight layer of the normalised and activated x:
            ``pre-act`` x + G(x) (He et al. 2016b); ``pre-act-half`` the same over
            sqrt(2); ``pre-act-scaled`` x + G(x) / sqrt(blocks). Norm and
            activation then stand once more before the output layer.
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
        checks.whole("depth", self.depth, least=1)
        checks.whole("width", self.width, least=1)
        checks.choice("activation", self.activation, tuple(theory.ACTIVATIONS))
        checks.choice("initialization", self.initialization, tuple(initialize.INITIALIZERS))
        checks.choice("norm", self.norm, NORMS)
        checks.choice("residual", self.residual, RESIDUALS)
        checks.number("gain", self.gain, positive=True)
        if self.bias_var is not None:
            checks.number("bias_var", self.bias_var)
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
    def branch_scale(self) -> float:
        """Fixed factor on the branch of each block."""
        return 1.0 / math.sqrt(self.blocks) if self.residual.endswith("scaled") else 1.0

    @property
    def total_scale(self) -> float:
        """Fixed factor on the sum at the end of each block."""
        return math.sqrt(0.5) if self.residual == "pre-act-half" else 1.0

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
class _Parts:
    """What the layers of a network are made of: a dense or a convolutional kind."""

    setting: Setting
    weights: Callable[[], nn.Module]  # from width to width
    norms: Mapping[str, Callable[[], nn.Module]]

    def activated(self) -> list[nn.Module]:
        """Norm and activation."""
        norm = [] if self.setting.norm == "none" else [self.norms[self.setting.norm]()]
        return [*norm, activation_module(self.setting.activation)]

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


def _dense(setting: Setting, in_features: int, out_features: int) -> list[nn.Module]:
    if setting.depth == 1:
        return [nn.Linear(in_features, out_features)]
    width = setting.width
    norms = {
        "batch": lambda: nn.BatchNorm1d(width),
        "layer": lambda: nn.LayerNorm(width),
        "rms": lambda: nn.RMSNorm(width),
        "group": lambda: nn.GroupNorm(_GROUPS, width),
    }
    parts = _Parts(setting, lambda: nn.Linear(width, width), norms)
    return parts.network(nn.Linear(in_features, width), lambda: [nn.Linear(width, out_features)])


def _convolutional(
    setting: Setting, image: tuple[int, int, int], out_features: int, stride: int
) -> list[nn.Module]:
    width = setting.width
    norms = {
        "batch": lambda: nn.BatchNorm2d(width),
        "layer": lambda: nn.GroupNorm(1, width),
        "group": lambda: nn.GroupNorm(_GROUPS, width),
    }
    parts = _Parts(setting, lambda: nn.Conv2d(width, width, 3, padding=1), norms)
    reach = max(1, stride - 1)  # every pixel is seen, whatever the stride
    first = nn.Conv2d(image[0], width, 2 * reach + 1, stride=stride, padding=reach)
    last = parts.network(
        first,
        lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, out_features)],
    )
    return [nn.Unflatten(1, image), *last]


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
    _check_setting(setting)
    checks.whole("in_features", in_features, least=1)
    checks.whole("out_features", out_features, least=1)
    return _drawn(setting, in_features, seed, lambda: _dense(setting, in_features, out_features))


def build_conv(
    setting: Setting,
    image: tuple[int, int, int] = (1, 28, 28),
    out_features: int = 10,
    seed: int = 0,
    *,
    stride: int = 2,
) -> nn.Sequential:
    """Build the convolutional network that a setting describes.

    ``width`` counts channels. The first weight layer takes the picture down by
    ``stride``; the others, 3 x 3, keep its size; the mean over the picture goes
    into the output layer. ``norm="layer"`` is then a group norm of one group.

    Args:
        setting: What to build; at least 2 weight layers, and no RMS norm.
        image: Channels, height and width of a picture.
        out_features: Outputs C, for instance the number of classes.
        seed: Which draw of the weights.
        stride: Step of the first convolution, in pixels.

    Returns:
        A float32 model from flat pictures (B, channels * height * width) to
        (B, C), in training mode.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a size is below 1, or the setting does not fit.

    Example:
        >>> net = build_conv(Setting(depth=3, width=4, activation="relu"))
        >>> [tuple(p.shape) for p in net.parameters() if p.ndim > 1]
        [(4, 1, 3, 3), (4, 4, 3, 3), (10, 4)]
    """
    _check_setting(setting)
    if not isinstance(image, tuple) or len(image) != 3:
        raise TypeError(f"image must be (channels, height, width), got {image!r}")
    for name, size in zip(("channels", "height", "width"), image, strict=True):
        checks.whole(f"image {name}", size, least=1)
    checks.whole("out_features", out_features, least=1)
    checks.whole("stride", stride, least=1)
    if setting.depth < 2:
        raise ValueError(
            f"depth must be at least 2 for a convolutional network, got {setting.depth}"
        )
    if setting.norm == "rms":
        raise ValueError(
            "norm 'rms' is not for convolutional networks; choose none, batch, layer or group"
        )
    return _drawn(
        setting,
        math.prod(image),
        seed,
        lambda: _convolutional(setting, image, out_features, stride),
    )


def _check_setting(setting: object) -> None:
    if not isinstance(setting, Setting):
        raise TypeError(f"setting must be a models.Setting, got {type(setting).__name__}")


def _drawn(
    setting: Setting, in_features: int, seed: int, modules: Callable[[], list[nn.Module]]
) -> nn.Sequential:
    """Make the modules and draw their weights; the global random state stays."""
    checks.whole("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))  # torch.manual_seed reaches GPUs too
        model = nn.Sequential(*modules())
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
    With pre-activation skips the stream's variance is followed instead.

    Args:
        setting: A network without skips or with pre-activation ones; its norm is
            none, batch, layer or rms.
        inputs: The batch it will be fed, shape (B, D); only its mean square counts
            (its variance over the batch, for skips with batch norm).

    Returns:
        Norm of delta over that of the last layer, from input to output, shape (L,).

    Raises:
        ValueError: If the setting has other skips or a group norm.

    Source: Schoenholz et al. 2017, eq. 5; for batch norm Yang et al. 2019.

    Example:
        >>> predicted_profile(Setting(depth=3, activation="relu"), torch.ones(1, 64)).round(4)
        array([0.1667, 0.4082, 1.    ])
    """
    skipped = setting.residual.startswith("pre-act")
    if (setting.residual != "none" and not skipped) or setting.norm == "group":
        raise ValueError(
            "setting must have no skips or pre-activation ones, and norm none, batch, layer or "
            f"rms: there is no prediction for residual={setting.residual!r} with "
            f"norm={setting.norm!r}"
        )
    if setting.norm != "none" and not skipped:
        factor = theory.norm_factor(setting.activation, setting.norm)
        return factor ** np.arange(setting.depth - 1, -1, -1.0)
    weight_var, bias_var = setting.variances
    centred = skipped and setting.norm == "batch"
    signal = inputs.double() - (inputs.double().mean(dim=0) if centred else 0.0)
    first = weight_var * signal.square().mean().item() + (0.0 if centred else bias_var)
    if not skipped:
        return theory.trajectory(
            setting.activation, weight_var, bias_var, depth=setting.depth, q0=first
        ).delta_norms
    stream = theory.residual_trajectory(
        setting.activation,
        weight_var,
        bias_var,
        blocks=setting.blocks,
        q0=first,
        norm=setting.norm,
        branch=setting.branch_scale,
        total=setting.total_scale,
    )
    gradient = math.sqrt(stream.chi[-1]) * stream.delta_norms  # at the stream
    branches = setting.total_scale * setting.branch_scale * gradient[1:]
    return np.concatenate([gradient[:1], branches, [1.0]])


@torch.no_grad()
def _fixup(model: nn.Module, blocks: int) -> None:
    for module in model:
        if isinstance(module, Residual):
            module.branch[0].weight.mul_(blocks**-0.5)
            module.branch[-1].weight.zero_()
            module.branch[-1].bias.zero_()


def _numpy_works(tensor: Tensor) -> bool:
    """Whether numpy can compute on the tensor's own memory."""
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


@dataclass(frozen=True)
class _Kernel:
    """An activation that needs only its output to go back."""

    on_array: Callable[[np.ndarray], object]  # in place, by numpy
    on_tensor: Callable[[Tensor], object]  # in place, by torch
    slope: Callable[[Tensor, Tensor], object]  # of outputs, into a tensor

    def way(self, values: Sequence[Tensor]) -> tuple[Callable[..., object], Sequence]:
        """Choose one of the two ways, and return the values as it takes them."""
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
_CACHED = 2**16  # entries of delta that are kept together: they fit into a processor's cache


class _Memory:
    """Memory for a stacked tensor, lent again once nobody holds it: fresh pages are slow.

    Only where numpy works; on a GPU torch itself keeps what is given back.
    """

    def __init__(self) -> None:
        self.kept: Tensor | None = None
        self.layers: Sequence[Tensor] = ()
        self.lent: Callable[[], object] = lambda: None  # what all holders share, or None

    def __reduce__(self) -> tuple[type, tuple]:
        return _Memory, ()  # a copy of a model has memory of its own

    def lend(self, like: Tensor, *shape: int) -> tuple[Tensor, Sequence[Tensor]]:
        """Return an unfilled tensor and its layers, to be used as long as it is held."""
        if not _numpy_works(like):
            fresh = like.new_empty(shape)
            return fresh, fresh.unbind(0)
        fits = self.kept is not None and (self.kept.shape, self.kept.dtype) == (shape, like.dtype)
        if not fits or self.lent() is not None:
            self.kept = like.new_empty(shape)
            self.layers = self.kept.unbind(0)
        array = self.kept.numpy()
        self.lent = weakref.ref(array)
        return torch.from_numpy(array), self.layers


class _Views:
    """The layers of the parameters one by one, kept: new views take 6 % of a step."""

    def __init__(self) -> None:
        self.memory: list[tuple] = []
        self.layers: list[Sequence[Tensor]] = []

    def __reduce__(self) -> tuple[type, tuple]:
        return _Views, ()

    def of(self, weight: Tensor, bias: Tensor) -> list[Sequence[Tensor]]:
        """Return L weights (N, N), the same transposed, and L biases (N,)."""
        whole = weight.detach(), weight.detach().mT, bias.detach()
        memory = [(one.device, one.dtype, one.shape, one.stride(), one.data_ptr()) for one in whole]
        if memory != self.memory:  # a place in memory is nobody else's while its views live
            self.memory, self.layers = memory, [one.unbind(0) for one in whole]
        return self.layers


class _StackPass(torch.autograd.Function):
    """Many equal layers as one node: no graph, no object for each of them."""

    @staticmethod
    def forward(
        ctx: object, inputs: Tensor, weight: Tensor, bias: Tensor, stack: "Stack"
    ) -> Tensor:
        outputs, layers = stack.outputs.lend(inputs, len(weight) + 1, *inputs.shape)
        outputs[0].copy_(inputs)
        stack.run(layers, weight, bias)
        ctx.stack = stack
        ctx.save_for_backward(weight, bias, outputs)
        return outputs[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: object, delta: Tensor) -> tuple[Tensor | None, ...]:
        weight, bias, outputs = ctx.saved_tensors
        kernel = _KERNELS[ctx.stack.activation]
        weights, _, _ = ctx.stack.views.of(weight, bias)
        weight_grad, _ = ctx.stack.gradient.lend(weight, *weight.shape)
        bias_grad = torch.empty_like(bias)
        delta = delta.clone(memory_format=torch.contiguous_format)
        part = max(1, min(_CACHED // max(1, delta.numel()), len(weight)))  # layers at a time
        room = delta.new_empty(part, *delta.shape)
        slopes = room.unbind(0)
        for stop in range(len(weight), 0, -part):
            start = max(stop - part, 0)
            at_z = room[: stop - start]  # first the slopes, then delta at each layer's z
            kernel.slope(outputs[start + 1 : stop + 1], at_z)
            for layer in range(stop - 1, start - 1, -1):
                torch.mm(slopes[layer - start].mul_(delta), weights[layer], out=delta)
            torch.bmm(at_z.mT, outputs[start:stop], out=weight_grad[start:stop])
            torch.sum(at_z, 1, out=bias_grad[start:stop])
        return delta, weight_grad, bias_grad, None


class Stack(nn.Module):
    """Many layers of equal width, h -> phi(W h + b), as one autograd node.

    One node instead of three a layer. At width 64, batch 128 and one thread a training
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
        self.outputs, self.gradient, self.views = _Memory(), _Memory(), _Views()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, N) through all layers to (B, N)."""
        if torch.is_grad_enabled():
            return _StackPass.apply(inputs, self.weight, self.bias, self)
        here, there = inputs.clone(), torch.empty_like(inputs)
        turns = [(here, there)[layer % 2] for layer in range(len(self.weight) + 1)]
        self.run(turns, self.weight, self.bias)
        return turns[-1]

    def run(self, outputs: Sequence[Tensor], weight: Tensor, bias: Tensor) -> None:
        """Fill outputs[1:], each (B, N), from outputs[0]."""
        activate, values = _KERNELS[self.activation].way(outputs)
        _, transposed, shifts = self.views.of(weight, bias)
        for layer, (one, shift) in enumerate(zip(transposed, shifts, strict=True)):
            torch.mm(outputs[layer], one, out=outputs[layer + 1]).add_(shift)
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
        TypeError: If the model is no ``nn.Sequential``.
        ValueError: If it is not plain, has another activation, or fewer than
            three weight layers.

    Example:
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
    layers, activations = list(model[::2]), list(model[1::2])
    kinds = {type(activation) for activation in activations}
    plain = (
        len(layers) > 2
        and len(model) % 2 == 1
        and all(isinstance(layer, nn.Linear) for layer in layers)
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


CELLS = ("rnn", "lstm", "gru")
RECURRENT_INITIALIZATIONS = ("default", "orthogonal", "identity")


@dataclass(frozen=True)
class RecurrentSetting:
    """One recurrent network and how it is started.

    Args:
        cell: ``rnn``, ``lstm`` or ``gru``, one layer of it.
        width: Units N of the state.
        initialization: Of the recurrent weights. ``default`` leaves everything as
            PyTorch draws it. ``orthogonal`` makes a random rotation of each N x N
            block, one for each gate, and sets all biases to 0. ``identity`` is for
            the rnn alone and gives the IRNN of Le et al. 2015: the identity, biases
            0, ReLU in place of tanh. The input weights stay as PyTorch draws them.
        gain: Multiplies the recurrent weights.
        forget_bias: Bias of the gate that keeps the old state: the forget gate of
            the lstm, the update gate of the gru. PyTorch has two biases for each
            gate, ``bias_ih`` and ``bias_hh``, and only their sum matters: a number
            here is that sum. ``chrono`` draws it as log U(1, longest - 1), for
            memories of 1 to ``longest`` steps, and gives an lstm's input gate the
            opposite (Tallec and Ollivier 2018). None leaves it to
            ``initialization``. The rnn has no such gate.
        longest: The longest time lag T to remember, for ``chrono`` only.

    Raises:
        TypeError: If a field has the wrong type.
        ValueError: If a field has an impossible value; the sentence names it.

    Example:
        >>> print(RecurrentSetting("lstm", forget_bias=1.0))
        lstm of 64, default, forget bias 1
    """

    cell: str = "lstm"
    width: int = 64
    initialization: str = "default"
    gain: float = 1.0
    forget_bias: float | str | None = None
    longest: int | None = None

    def __post_init__(self) -> None:
        checks.choice("cell", self.cell, CELLS)
        checks.whole("width", self.width, least=1)
        checks.choice("initialization", self.initialization, RECURRENT_INITIALIZATIONS)
        checks.number("gain", self.gain, positive=True)
        if self.initialization == "identity" and self.cell != "rnn":
            raise ValueError(
                "initialization 'identity' is for cell='rnn' only; choose default or orthogonal "
                f"for {self.cell!r}"
            )
        if isinstance(self.forget_bias, str):
            checks.choice("forget_bias", self.forget_bias, ("chrono",))
        elif isinstance(self.forget_bias, bool) or not isinstance(self.forget_bias, Real | None):
            raise TypeError(
                f"forget_bias must be a number, 'chrono' or None, got {self.forget_bias!r}"
            )
        elif self.forget_bias is not None and not math.isfinite(self.forget_bias):
            raise ValueError(f"forget_bias must be finite, got {self.forget_bias}")
        if self.forget_bias is not None and self.cell == "rnn":
            raise ValueError(
                f"forget_bias must be None for cell='rnn', which has no gate, got "
                f"{self.forget_bias!r}"
            )
        if self.forget_bias == "chrono":
            if self.longest is None:
                raise ValueError(
                    "longest must say how many steps to remember for forget_bias='chrono'"
                )
            checks.whole("longest", self.longest, least=2)
        elif self.longest is not None:
            raise ValueError(
                f"longest must be None unless forget_bias is 'chrono', got {self.longest!r}"
            )

    @property
    def activation(self) -> str:
        """What the state or its candidate goes through: ``relu`` for the IRNN only."""
        return "relu" if self.initialization == "identity" else "tanh"

    def __str__(self) -> str:
        words = [f"{self.cell} of {self.width}", self.initialization]
        if self.gain != 1.0:
            words.append(f"gain {self.gain:g}")
        if self.forget_bias == "chrono":
            words.append(f"chrono up to {self.longest}")
        elif self.forget_bias is not None:
            words.append(f"forget bias {self.forget_bias:g}")
        return ", ".join(words)

    _repr_html_ = Setting._repr_html_


class Recurrent(nn.Module):
    """A recurrent cell whose last state is read out.

    Args:
        cell: ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``, batch first.
        readout: Maps the last state (B, N) to (B, C).
    """

    def __init__(self, cell: nn.RNNBase, readout: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.readout = readout

    def forward(self, inputs: Tensor) -> Tensor:
        """Map sequences (B, T, D) to (B, C)."""
        states, _ = self.cell(inputs)  # (B, T, N)
        return self.readout(states[:, -1])


def build_recurrent(
    setting: RecurrentSetting, in_features: int, out_features: int, seed: int = 0
) -> Recurrent:
    """Build the recurrent network that a setting describes.

    With ``initialization="default"``, gain 1 and no ``forget_bias`` the weights
    are, bit for bit, those that PyTorch draws after ``torch.manual_seed(seed)``.
    The global random state is left as it was.

    Args:
        setting: What to build.
        in_features: Features D of one step.
        out_features: Outputs C.
        seed: Which draw of the weights.

    Returns:
        A float32 model from (B, T, D) to (B, C), which reads out the last state.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a size is below 1.

    Example:
        >>> build_recurrent(RecurrentSetting("gru", width=8), in_features=2, out_features=1)
        Recurrent(
          (cell): GRU(2, 8, batch_first=True)
          (readout): Linear(in_features=8, out_features=1, bias=True)
        )
    """
    _check_recurrent(setting)
    checks.whole("in_features", in_features, least=1)
    checks.whole("out_features", out_features, least=1)
    checks.whole("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))  # torch.manual_seed reaches GPUs too
        sizes = {"input_size": in_features, "hidden_size": setting.width, "batch_first": True}
        if setting.cell == "rnn":
            cell = nn.RNN(**sizes, nonlinearity=setting.activation)
        else:
            cell = {"lstm": nn.LSTM, "gru": nn.GRU}[setting.cell](**sizes)
        model = Recurrent(cell, nn.Linear(setting.width, out_features))
        _start(cell, setting)
    return model


def _check_recurrent(setting: object) -> None:
    if not isinstance(setting, RecurrentSetting):
        raise TypeError(f"setting must be a models.RecurrentSetting, got {type(setting).__name__}")


@torch.no_grad()
def _start(cell: nn.RNNBase, setting: RecurrentSetting) -> None:
    """Give a cell the recurrent weights and the gate biases of its setting."""
    if setting.initialization != "default":
        for block in cell.weight_hh_l0.split(setting.width):  # a gate each
            if setting.initialization == "identity":
                nn.init.eye_(block)
            else:
                nn.init.orthogonal_(block)
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
    if setting.gain != 1.0:
        cell.weight_hh_l0.mul_(setting.gain)
    if setting.forget_bias is None:
        return
    # PyTorch's order of the gates: input, forget, ... (lstm); reset, update, ... (gru).
    first, keep = (slice(i * setting.width, (i + 1) * setting.width) for i in (0, 1))
    cell.bias_hh_l0[keep] = 0.0
    if setting.forget_bias != "chrono":
        cell.bias_ih_l0[keep] = float(setting.forget_bias)
        return
    steps = torch.empty(setting.width).uniform_(1, setting.longest - 1)
    cell.bias_ih_l0[keep] = steps.log()
    if setting.cell == "lstm":
        cell.bias_hh_l0[first] = 0.0
        cell.bias_ih_l0[first] = -steps.log()


def predicted_through_time(setting: RecurrentSetting, inputs: Tensor) -> np.ndarray:
    """Predict what ``probe.through_time`` finds, before the network is built.

    Theory of a wide network. For the rnn, an unrolled network whose every step
    multiplies the norm by the square root of its chi; half of the units of an IRNN
    are at 0 and let nothing through. For lstm and gru all paths, straight and
    through the weights (``theory.gated_profile``). With ``chrono`` only the
    straight path, which is nearly all: the product of the gates that keep the
    state, unit by unit, averaged over the draw of their biases.

    Args:
        setting: What would be built.
        inputs: The batch it will be fed, shape (B, T, D); only its length and mean
            square count.

    Returns:
        Gradient norm at the state after each step, over that of the last, shape (T,).

    Raises:
        TypeError: If the setting is no ``RecurrentSetting``.
        ValueError: If the inputs are not three-dimensional.

    Example:
        >>> irnn = RecurrentSetting("rnn", initialization="identity")
        >>> predicted_through_time(irnn, torch.ones(1, 3, 2)).round(3)
        array([0.707, 0.707, 1.   ])
    """
    _check_recurrent(setting)
    if not isinstance(inputs, Tensor) or inputs.ndim != 3:
        raise ValueError("inputs must be a batch of sequences, a tensor of shape (B, T, D)")
    steps = inputs.shape[1]
    lags = np.arange(steps)
    if setting.initialization == "identity":
        profile = setting.gain**lags * np.where(lags > 0, math.sqrt(0.5), 1.0)
    elif setting.forget_bias == "chrono":
        longest = np.linspace(1, setting.longest - 1, 2001)
        kept = longest / (1 + longest)  # sigmoid of log
        profile = np.sqrt([np.mean(kept ** (2 * lag)) for lag in lags])
        profile[1:] *= 0.5 if setting.cell == "lstm" else 1.0  # once through the output gate
    else:
        drawn = 1.0 / (3.0 * setting.width)  # variance of whatever PyTorch draws
        biases = drawn if setting.initialization == "default" else 0.0
        weight_var = setting.gain**2 * (1 / 3 if setting.initialization == "default" else 1.0)
        drive = drawn * inputs.double().square().sum(dim=-1).mean().item()
        if setting.cell == "rnn":
            drive += 2 * biases
            unrolled = theory.trajectory("tanh", weight_var, drive, depth=steps, q0=drive)
            profile = np.cumprod(np.append(1.0, np.sqrt(unrolled.chi[:0:-1])))
        else:
            drive += biases * (2 if setting.cell == "lstm" else 1.25)  # one is halved by a gate
            forget = 0.0 if setting.forget_bias is None else float(setting.forget_bias)
            profile = theory.gated_profile(setting.cell, forget, weight_var, drive, steps=steps)
    return profile[::-1].copy()

"""Build feed-forward and convolutional networks.

Shapes: B batch, D input features, N width, C outputs, L depth.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from helpers import checks, initialize
from helpers.models._blocks import Parts, Residual
from helpers.models._settings import GROUPS, Setting, check_setting

_LSUV_BATCH = 512  # standard normal inputs that LSUV is calibrated on at build time


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
    check_setting(setting, Setting)
    in_features = checks.whole("in_features", in_features, least=1)
    out_features = checks.whole("out_features", out_features, least=1)
    return _initialized(
        setting, in_features, seed, lambda: _dense(setting, in_features, out_features)
    )


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
    check_setting(setting, Setting)
    if not isinstance(image, tuple) or len(image) != 3:
        raise TypeError(f"image must be (channels, height, width), got {image!r}")
    for name, size in zip(("channels", "height", "width"), image, strict=True):
        checks.whole(f"image {name}", size, least=1)
    out_features = checks.whole("out_features", out_features, least=1)
    stride = checks.whole("stride", stride, least=1)
    if setting.depth < 2:
        raise ValueError(
            f"depth must be at least 2 for a convolutional network, got {setting.depth}"
        )
    if setting.norm == "rms":
        raise ValueError(
            "norm 'rms' is not for convolutional networks; choose none, batch, layer or group"
        )
    return _initialized(
        setting,
        math.prod(image),
        seed,
        lambda: _convolutional(setting, image, out_features, stride),
    )


def _initialized(
    setting: Setting, in_features: int, seed: int, modules: Callable[[], list[nn.Module]]
) -> nn.Sequential:
    """Make the modules and draw their weights; the global random state stays."""
    seed = checks.whole("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed reaches GPUs too
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


def _dense(setting: Setting, in_features: int, out_features: int) -> list[nn.Module]:
    if setting.depth == 1:
        return [nn.Linear(in_features, out_features)]
    width = setting.width
    norms: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm1d(width),
        "layer": lambda: nn.LayerNorm(width),
        "rms": lambda: nn.RMSNorm(width),
        "group": lambda: nn.GroupNorm(GROUPS, width),
    }
    parts = Parts(setting, lambda: nn.Linear(width, width), norms)
    return parts.network(nn.Linear(in_features, width), lambda: [nn.Linear(width, out_features)])


def _convolutional(
    setting: Setting, image: tuple[int, int, int], out_features: int, stride: int
) -> list[nn.Module]:
    width = setting.width
    norms: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm2d(width),
        "layer": lambda: nn.GroupNorm(1, width),
        "group": lambda: nn.GroupNorm(GROUPS, width),
    }
    parts = Parts(setting, lambda: nn.Conv2d(width, width, 3, padding=1), norms)
    padding = max(1, stride - 1)  # every pixel is seen, whatever the stride
    first = nn.Conv2d(image[0], width, 2 * padding + 1, stride=stride, padding=padding)
    modules = parts.network(
        first,
        lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, out_features)],
    )
    return [nn.Unflatten(1, image), *modules]


@torch.no_grad()
def _fixup(model: nn.Sequential, blocks: int) -> None:
    """Scale the first weight of each block, and set its last layer to zero."""
    for block in model:
        if isinstance(block, Residual):
            first, *_, last = block.branch.children()
            first.get_parameter("weight").mul_(blocks**-0.5)
            last.get_parameter("weight").zero_()
            last.get_parameter("bias").zero_()

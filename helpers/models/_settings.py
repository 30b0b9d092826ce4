"""What a network is and how it is started: every knob, checked.

Shapes: N width, L depth, T steps.
"""

import math
from dataclasses import asdict, dataclass

from helpers import checks, initialize, text, theory

NORMS = ("none", "batch", "layer", "rms", "group")
RESIDUALS = (
    "none", "pre-add", "post-add", "scaled", "rezero", "fixup",
    "pre-act", "pre-act-half", "pre-act-scaled",
)  # fmt: skip

GROUPS = 8  # channel groups of a group norm

CELLS = ("rnn", "lstm", "gru")
RECURRENT_INITIALIZATIONS = ("default", "orthogonal", "identity")


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
            ``fixup`` x + W2 phi(W1 x), two weight layers per block, W1 scaled by
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
        depth = checks.whole("depth", self.depth, least=1)
        width = checks.whole("width", self.width, least=1)
        checks.choice("activation", self.activation, theory.ACTIVATIONS)
        checks.choice("initialization", self.initialization, initialize.INITIALIZERS)
        checks.choice("norm", self.norm, NORMS)
        checks.choice("residual", self.residual, RESIDUALS)
        gain = checks.number("gain", self.gain, positive=True)
        checks.set_plain(self, depth=depth, width=width, gain=gain)
        if self.bias_var is not None:
            checks.set_plain(self, bias_var=checks.number("bias_var", self.bias_var))
        if self.norm == "group" and self.width % GROUPS:
            raise ValueError(
                f"width must be a multiple of {GROUPS} for norm='group', got {self.width}"
            )
        if self.residual != "none" and self.depth < 3:
            raise ValueError(
                f"depth must be at least 3 for residual={self.residual!r}, got {self.depth}"
            )
        if self.residual == "fixup" and self.depth % 2:
            raise ValueError(
                "depth must be even for residual='fixup' (two weight layers per block, "
                f"one before and one after), got {self.depth}"
            )

    @property
    def has_prediction(self) -> bool:
        """Whether theory covers this network, so that ``predicted_profile`` can be asked.

        It covers networks without skips or with pre-activation ones, and every norm but
        the group norm.
        """
        skips_covered = self.residual == "none" or self.residual.startswith("pre-act")
        return skips_covered and self.norm != "group"

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
        return text.html_table(asdict(self))


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
        width = checks.whole("width", self.width, least=1)
        checks.choice("initialization", self.initialization, RECURRENT_INITIALIZATIONS)
        gain = checks.number("gain", self.gain, positive=True)
        checks.set_plain(self, width=width, gain=gain)
        if self.initialization == "identity" and self.cell != "rnn":
            raise ValueError(
                "initialization 'identity' is for cell='rnn' only; choose default or orthogonal "
                f"for {self.cell!r}"
            )
        if isinstance(self.forget_bias, str):
            checks.choice("forget_bias", self.forget_bias, ("chrono",))
        elif self.forget_bias is not None:
            forget_bias = checks.number("forget_bias", self.forget_bias, negative=True)
            checks.set_plain(self, forget_bias=forget_bias)
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
            checks.set_plain(self, longest=checks.whole("longest", self.longest, least=2))
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
            words.append(f"forget bias {float(self.forget_bias):g}")
        return ", ".join(words)

    def _repr_html_(self) -> str:
        return text.html_table(asdict(self))


def check_setting(setting: object, kind: type) -> None:
    """Refuse what is not a setting of this kind."""
    if not isinstance(setting, kind):
        raise TypeError(f"setting must be a models.{kind.__name__}, got {type(setting).__name__}")

"""Build recurrent networks.

Shapes: B batch, T steps, D input features, N width, C outputs.
"""

import torch
from torch import Tensor, nn

from helpers import checks
from helpers.models._settings import RecurrentSetting, check_setting


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
    check_setting(setting, RecurrentSetting)
    in_features = checks.whole("in_features", in_features, least=1)
    out_features = checks.whole("out_features", out_features, least=1)
    seed = checks.whole("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed reaches GPUs too
        cell: nn.RNNBase
        if setting.cell == "rnn":
            cell = nn.RNN(
                in_features, setting.width, batch_first=True, nonlinearity=setting.activation
            )
        else:
            gated = {"lstm": nn.LSTM, "gru": nn.GRU}[setting.cell]
            cell = gated(in_features, setting.width, batch_first=True)
        model = Recurrent(cell, nn.Linear(setting.width, out_features))
        _initialize(cell, setting)
    return model


@torch.no_grad()
def _initialize(cell: nn.RNNBase, setting: RecurrentSetting) -> None:
    """Give a cell the recurrent weights and the gate biases of its setting."""
    parameters = dict(cell.named_parameters())
    weight = parameters["weight_hh_l0"]
    bias, second_bias = parameters["bias_ih_l0"], parameters["bias_hh_l0"]  # their sum counts
    if setting.initialization != "default":
        for block in weight.split(setting.width):  # one per gate
            if setting.initialization == "identity":
                nn.init.eye_(block)
            else:
                nn.init.orthogonal_(block)
        bias.zero_()
        second_bias.zero_()
    if setting.gain != 1.0:
        weight.mul_(setting.gain)
    if setting.forget_bias is None:
        return
    # PyTorch's order of the gates: input, forget, ... (lstm); reset, update, ... (gru).
    first, keep = (slice(i * setting.width, (i + 1) * setting.width) for i in (0, 1))
    second_bias[keep] = 0.0
    if setting.longest is None:
        bias[keep] = float(setting.forget_bias)
        return
    steps = torch.empty(setting.width).uniform_(1, setting.longest - 1)  # chrono
    bias[keep] = steps.log()
    if setting.cell == "lstm":
        second_bias[first] = 0.0
        bias[first] = -steps.log()

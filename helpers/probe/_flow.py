"""What one forward and one backward pass leave behind, as records; needs no torch.

Shapes: L weight layers. Layer 1 is nearest the input; delta is the gradient of the loss
at a pre-activation.
"""

import html
import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class LedgerRow:
    """What one module took from the gradient on its way back.

    Args:
        name: The module, by the weight layer it belongs to.
        kind: ``weights``, ``activation``, ``norm`` or ``skip``; ``skip`` is what
            other paths bring back, together with any operation in between.
        decades: log10 of the gradient norm lost; negative where it grows.
    """

    name: str
    kind: str
    decades: float


@dataclass(frozen=True)
class Ledger:
    """The decades lost between the last and the first weight layer, split.

    Args:
        rows: From the loss to the input.
    """

    rows: tuple[LedgerRow, ...]

    @property
    def total(self) -> float:
        """Decades lost in all: the sum of the rows."""
        return sum(row.decades for row in self.rows)

    @property
    def by_kind(self) -> dict[str, float]:
        """Decades lost to each kind of module."""
        kinds = dict.fromkeys(row.kind for row in self.rows)
        return {kind: sum(row.decades for row in self.rows if row.kind == kind) for kind in kinds}

    def __str__(self) -> str:
        shares = ", ".join(f"{kind} {decades:z.1f}" for kind, decades in self.by_kind.items())
        return f"{self.total:z.1f} decades lost: {shares or 'one weight layer only'}"

    __repr__ = __str__  # short, as a notebook stores it beside the table

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(row.name)}</td><td>{row.kind}</td>"
            f"<td>{row.decades:+z.2f}</td></tr>"
            for row in self.rows
        )
        head = "<tr><th>module</th><th>kind</th><th>decades lost</th></tr>"
        return f"<p>{html.escape(str(self))}</p><table>{head}{rows}</table>"


@dataclass(frozen=True)
class ModuleGradient:
    """Gradient norms at the output and at the input of one module.

    Args:
        name: The module, as in a ``LedgerRow``.
        kind: ``weights``, ``activation`` or ``norm``.
        output_norm: Norm of the gradient at its output.
        input_norm: Norm of the gradient at its input, through this module alone;
            nan where no gradient was computed.
    """

    name: str
    kind: str
    output_norm: float
    input_norm: float


@dataclass(frozen=True, eq=False)
class Flow:
    """What one forward and one backward pass left behind, per weight layer.

    All arrays have shape (L,), float64, from input to output.

    Args:
        layer_names: The weight layers, as the model names them.
        delta_norms: Norm of the gradient at each pre-activation.
        weight_grad_norms: Norm of the gradient of each weight.
        weight_norms: Norm of each weight.
        activation_mean: Mean of the activations that follow the layer; nan where
            none follows. So too in the next three.
        activation_std: Their standard deviation, over batch and units.
        saturated_share: Share of them whose slope is below ``SATURATED``.
        dead_share: Share of units whose slope is exactly 0 on the whole batch.
        connected: Whether a gradient reached the layer at all.
        loss: The loss.
    """

    layer_names: tuple[str, ...]
    delta_norms: np.ndarray
    weight_grad_norms: np.ndarray
    weight_norms: np.ndarray
    activation_mean: np.ndarray
    activation_std: np.ndarray
    saturated_share: np.ndarray
    dead_share: np.ndarray
    connected: np.ndarray
    loss: float
    _modules: tuple[ModuleGradient, ...] = field(repr=False, default=())

    @property
    def relative_delta_norms(self) -> np.ndarray:
        """Delta norms over that of the last layer, shape (L,)."""
        return ratio(self.delta_norms, self.delta_norms[-1])

    @property
    def decades_lost(self) -> float:
        """log10 of the last delta norm over the first; negative if it grows."""
        return _decades(self.delta_norms[-1], self.delta_norms[0])

    @property
    def norm_factor(self) -> float:
        """Geometric mean of what one layer does to the delta norm, backward.

        Taken between the second and the last but one weight layer, away from
        both ends (between the ends if there are fewer than four layers).
        """
        inner = self.delta_norms[1:-1] if len(self.delta_norms) > 3 else self.delta_norms
        if len(inner) < 2:
            return math.nan
        return 10 ** (-_decades(inner[-1], inner[0]) / (len(inner) - 1))

    @property
    def grad_to_weight(self) -> np.ndarray:
        """Weight-gradient norm over weight norm, shape (L,).

        Times the learning rate, this is the relative change in one SGD step.
        """
        return ratio(self.weight_grad_norms, self.weight_norms)

    def ledger(self) -> Ledger:
        """Split the decades lost among weights, activations, norms and skips.

        The rows add up to ``decades_lost``: the chain of gradient norms from the
        last to the first weight layer telescopes. A branch through which no
        gradient passes at all (a weight that starts at 0, say) has no row: what
        gets by it belongs to ``skip``. Where the gradient ends for good, so does
        the ledger, with a row of infinite decades.
        """
        weights = [i for i, module in enumerate(self._modules) if module.kind == "weights"]
        backward = self._modules[weights[0] + 1 : weights[-1] + 1][::-1]
        reached = [module for module in backward if module.output_norm > 0]
        passed = [module for module in reached if module.input_norm > 0]
        if self.delta_norms[0] == 0 and reached and reached[-1].input_norm == 0:
            passed.append(reached[-1])
        rows = []
        above, norm = self.layer_names[-1], self.delta_norms[-1]
        for module in passed:
            rows += _skip_rows(module.name, above, norm, module.output_norm)
            decades = _decades(module.output_norm, module.input_norm)
            rows.append(LedgerRow(module.name, module.kind, decades))
            above, norm = module.name, module.input_norm
        rows += _skip_rows(self.layer_names[0], above, norm, self.delta_norms[0])
        return Ledger(tuple(rows))

    def __str__(self) -> str:
        word = "gained" if self.decades_lost < 0 else "lost"
        return (
            f"{len(self.layer_names)} weight layers, loss {self.loss:.3g}: "
            f"{abs(self.decades_lost):.1f} decades of gradient {word} between last and first"
        )

    __repr__ = __str__  # short, as a notebook stores it beside the table

    def _repr_html_(self) -> str:
        columns = {
            "delta norm": self.delta_norms,
            "weight-gradient norm": self.weight_grad_norms,
            "mean": self.activation_mean,
            "sd": self.activation_std,
            "saturated": self.saturated_share,
            "dead": self.dead_share,
        }
        head = "".join(f"<th>{name}</th>" for name in ("layer", *columns))
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td>"
            + "".join(f"<td>{values[i]:.3g}</td>" for values in columns.values())
            + "</tr>"
            for i, name in enumerate(self.layer_names)
        )
        return f"<p>{html.escape(str(self))}</p><table><tr>{head}</tr>{rows}</table>"


def ratio(numerator: np.ndarray, denominator: np.ndarray | float) -> np.ndarray:
    """Divide; x / 0 is infinite and 0 / 0 is nan, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return numerator / denominator


def _decades(before: float, after: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log10(before) - np.log10(after))


def _skip_rows(below: str, above: str, before: float, after: float) -> list[LedgerRow]:
    """Say how the norm changes on its way from one module to the next, unless it does not."""
    decades = 0.0 if before == after else _decades(before, after)
    if abs(decades) <= 1e-9:
        return []
    return [LedgerRow(f"between {below} and {above}", "skip", decades)]

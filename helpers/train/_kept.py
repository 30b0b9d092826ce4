"""A training run that is kept in a file, so that it goes on where it was stopped."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from helpers import files


class KeptRun:
    """The file of one run: its weights, the state of its optimizer, its losses.

    The rates of the optimizer and the weights at the start belong to what makes it this run.

    Args:
        path: The file; None keeps nothing.
        model: As it is before the first step.
        optimizer: Likewise.
        described: What else makes it this run and no other, as numbers, lists and None.
    """

    def __init__(
        self,
        path: Path | None,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        described: Mapping[str, Any],
    ) -> None:
        self._path, self._model, self._optimizer = path, model, optimizer
        self._described = dict(described)
        if path is not None:
            self._described["rates"] = [float(group["lr"]) for group in optimizer.param_groups]
            self._described["start"] = _fingerprint(model)

    def resume(self) -> list[float]:
        """Put the model and its optimizer where the run was stopped.

        Returns:
            The losses so far; none if there is no file, and then nothing is changed.

        Raises:
            ValueError: If the file is of another run.
        """
        if self._path is None or not self._path.exists():
            return []
        kept = torch.load(self._path, map_location="cpu", weights_only=True)
        differ = [name for name, value in self._described.items() if kept["run"][name] != value]
        if differ:
            raise ValueError(
                f"{self._path} keeps another run, which differs in {', '.join(differ)}: "
                "name another file, or delete this one"
            )
        self._model.load_state_dict(kept["model"])
        groups = self._optimizer.param_groups  # not copies: somebody may hold them
        self._optimizer.load_state_dict(
            {"state": kept["state"], "param_groups": self._optimizer.state_dict()["param_groups"]}
        )
        self._optimizer.param_groups = groups
        return kept["losses"]

    def keep(self, losses: list[float]) -> None:
        """Write the file anew; whoever is killed leaves the old one or the new one."""
        if self._path is None:
            return
        kept = {
            "run": self._described,
            "model": self._model.state_dict(),
            "state": self._optimizer.state_dict()["state"],
            "losses": losses,
        }
        with files.replaced(self._path) as file:
            torch.save(kept, file)


def _fingerprint(model: nn.Module) -> int:
    """A number that other weights do not have, but for one chance in four billion."""
    found = 0
    for name, tensor in model.state_dict().items():
        found = zlib.crc32(f"{name} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy(), found)
    return found

"""Keep the runs of a sweep in a folder, so that nothing is lost, whatever is killed.

Only the process that was started writes, and only whole files: a run counts as done
when its row ``runs/<name>.json`` is there, which is put in place after its notebook is
safe on the disk.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from helpers import files
from helpers.sweeps.grid import Sweep
from helpers.sweeps.notebook import Outcome


class Row(TypedDict):
    """What is stored of a run: its parameters, its outcome, and where its notebook is."""

    results: dict[str, object]
    error: str
    seconds: float
    versions: dict[str, str]
    parameters: Mapping[str, object]
    notebook: str


@dataclass(frozen=True)
class Folder:
    """Where a sweep keeps its runs.

    Args:
        path: The folder; made when the first run is stored.
    """

    path: Path

    @property
    def runs(self) -> Path:
        """The folder of the single runs."""
        return self.path / "runs"

    @property
    def identity(self) -> Path:
        """The file that says of which notebook these runs are."""
        return self.path / "sweep.json"

    def check(self, sweep: Sweep) -> None:
        """See that the folder is new, empty, or of the same notebook.

        Raises:
            ValueError: If it holds other files, or the runs of another notebook or of
                another version.
        """
        if self.identity.exists():
            try:
                stored = json.loads(self.identity.read_text(encoding="utf-8"))
            except ValueError:
                stored = None
            if stored != sweep.identity:
                raise ValueError(
                    f"{self.path} holds runs of another notebook, or of another version of "
                    f"{sweep.name}; name another folder with --out"
                )
        elif self.path.exists() and not all(map(self._is_ours, self.path.iterdir())):
            raise ValueError(
                f"{self.path} holds other files and no sweep; name another folder with --out"
            )

    def _is_ours(self, path: Path) -> bool:
        """Whether a sweep that was killed at its very beginning may have left a file."""
        return path.name == ".lock" or path.name.startswith(f".{self.identity.name}.")

    @contextmanager
    def held(self, sweep: Sweep) -> Iterator[dict[str, Row]]:
        """Make the folder, and let no other process work in it meanwhile.

        Yields:
            What is stored of the runs, by name.

        Raises:
            ValueError: If the folder is not fit for this sweep (see ``check``), or another
                process works in it.
        """
        self.check(sweep)
        files.make_folder(self.path)
        with files.held(self.path):
            self.check(sweep)  # somebody may have been here meanwhile
            files.write(self.identity, json.dumps(sweep.identity, indent=1).encode())
            files.make_folder(self.runs)
            yield self.rows(sweep)

    def rows(self, sweep: Sweep) -> dict[str, Row]:
        """Read what is stored of the runs of a sweep, by name.

        A run that has not ended is left out, and so is one whose row cannot be read.
        """
        found = {name: self._row(name, sweep.parameters[name]) for name in sweep.parameters}
        return {name: row for name, row in found.items() if row is not None}

    def _row(self, name: str, parameters: Mapping[str, object]) -> Row | None:
        try:
            row = json.loads((self.runs / f"{name}.json").read_text(encoding="utf-8"))
            if row["parameters"] == json.loads(json.dumps(parameters)):
                return row
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def store(self, name: str, parameters: Mapping[str, object], outcome: Outcome) -> Row:
        """Keep a run: first its notebook, then the row that makes it count.

        Returns:
            The row.
        """
        notebook = ""
        if outcome["notebook"]:
            notebook = f"runs/{name}.ipynb"
            files.write(self.path / notebook, outcome["notebook"].encode())
        row: Row = {
            "results": outcome["results"],
            "error": outcome["error"],
            "seconds": outcome["seconds"],
            "versions": outcome["versions"],
            "parameters": parameters,
            "notebook": notebook,
        }
        files.write(self.runs / f"{name}.json", json.dumps(row, indent=1).encode())
        return row


@dataclass(frozen=True)
class Counts:
    """How a sweep stands.

    Args:
        finished: Runs that went well.
        failed: Runs that ended with an error.
        missing: Runs that are still to do.
    """

    finished: int
    failed: int
    missing: int

    def __str__(self) -> str:
        words = [f"{self.finished} finished"]
        words += [f"{self.failed} failed"] if self.failed else []
        words += [f"{self.missing} not run"] if self.missing else []
        return ", ".join(words)


def counts(sweep: Sweep, rows: Mapping[str, Row]) -> Counts:
    """Count the runs of a sweep by how they stand.

    Args:
        sweep: What is to be run.
        rows: What is stored of it.
    """
    failed = sum(bool(row["error"]) for row in rows.values())
    return Counts(len(rows) - failed, failed, len(sweep.parameters) - len(rows))


def pending(sweep: Sweep, rows: Mapping[str, Row], retry_failed: bool) -> list[str]:
    """Return the names of the runs that are still to do.

    Args:
        sweep: What is to be run.
        rows: What is stored of it.
        retry_failed: Whether those that failed are to be run again.
    """
    return [
        name
        for name in sweep.parameters
        if name not in rows or (retry_failed and rows[name]["error"])
    ]

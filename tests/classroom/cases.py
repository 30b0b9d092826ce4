"""What one student hands in, and the mark that a careful human gives for it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent.parent
EXERCISE = "sigmoid_chain_grad"

Points = dict[str, int] | int


@dataclass(frozen=True)
class Case:
    """What one student hands in, and the mark that a careful human gives for it.

    Attributes:
        name: The name of the student's folder.
        kind: Whether the student means well.
        write: Writes what is handed in into the student's folder, which exists.
        points: For ``sigmoid_chain_grad``, of each part or of all together.
        statuses: Which of ``records.Status`` are acceptable.
        why: Why a human gives this mark, in one line.
        others: Points for the other exercises; those left out are not attempted.
    """

    name: str
    kind: Literal["honest", "hostile"]
    write: Callable[[Path], None]
    points: Points
    statuses: frozenset[str]
    why: str
    others: Mapping[str, Points] = field(default_factory=dict)


def write_class(folder: Path, cases: Iterable[Case]) -> None:
    """Write a folder a student, as an instructor gets them.

    Args:
        folder: The folder of submissions; made if it is not there.
        cases: The students.

    Raises:
        FileExistsError: If two students have one name.
    """
    for case in cases:
        own = folder / case.name
        own.mkdir(parents=True)
        case.write(own)


CORRECT = frozenset({"correct"})
WRONG = frozenset({"wrong"})
ERROR = frozenset({"error"})
NOT_ATTEMPTED = frozenset({"not attempted"})
MISSING = frozenset({"missing"})
UNREADABLE = frozenset({"unreadable"})
NOT_HANDED_IN = frozenset({"not handed in"})
TIMED_OUT = frozenset({"timed out"})
ENDED = frozenset({"process ended"})
BROKE = frozenset({"broke the protocol"})
FIRST_ONLY = {"one layer": 2, "any depth": 0}


def make_case(
    kind: Literal["honest", "hostile"],
    name: str,
    write: Callable[[Path], None],
    points: Points,
    statuses: frozenset[str],
    why: str,
) -> Case:
    return Case(name, kind, write, points, statuses, why)

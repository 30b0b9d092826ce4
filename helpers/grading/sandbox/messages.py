"""What the judge and the server inside the sandbox tell each other, apart from answers."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Tier = Literal["bubblewrap", "landlock", "none"]
Reason = Literal["", "cpu", "wall", "memory", "processes", "disk"]

# What the judge tells a supervisor while a worker runs: who owes the next word, the worker or
# the judge; and at last that the worker has hung up, or that it is no longer needed.
ASKED, ANSWERED, HUNG_UP, STOP = b"asked", b"answered", b"hung up", b"stop"


@dataclass(frozen=True)
class ServerOptions:
    """What a server needs to know about its sandbox.

    Attributes:
        tier: Which sandbox it is in.
        own_users: Whether each worker becomes a user of its own.
        scratch: The folder that each worker has for itself; made anew where it is empty.
        readable: What a worker may read where Landlock stands alone.
    """

    tier: Tier
    own_users: bool
    scratch: str
    readable: tuple[str, ...]

    def to_json(self) -> str:
        """Write them as an argument of the server's command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ServerOptions":
        """Read them back."""
        read = json.loads(text)
        return cls(**{**read, "readable": tuple(read["readable"])})


@dataclass(frozen=True)
class End:
    """How a worker ended, as its supervisor saw it.

    Attributes:
        reason: The limit that it went beyond, if it did.
        signal: The signal that ended it, or 0.
        code: Its exit code, if it ended by itself.
        cpu_seconds: Processor time that the student's code used.
        memory: The most bytes seen beyond what it started with.
        trouble: What went wrong on our side; empty when nothing did.
    """

    reason: Reason = ""
    signal: int = 0
    code: int = 0
    cpu_seconds: float = 0.0
    memory: int = 0
    trouble: str = ""

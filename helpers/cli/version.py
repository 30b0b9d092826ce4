"""Say what an answer depends on: the versions, the processor and the threads."""

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click


def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the lines and end the command, if ``--version`` was given."""
    if wanted and not context.resilient_parsing:
        for line in lines():
            click.echo(line)
        context.exit()


def lines() -> Iterator[str]:
    """Yield what belongs into a report on a claim that failed, one fact per line."""
    import torch

    from helpers import warm

    yield f"course {metadata.version('vanishing-gradients')}"
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield f"torch {torch.__version__}"
    yield f"numpy {metadata.version('numpy')}"
    yield f"processor: {processor()}, {torch.backends.cpu.get_cpu_capability()}"
    yield f"processors to use: {warm.processors()}; threads of torch: {torch.get_num_threads()}"


def processor(described: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, as far as the system tells it.

    Args:
        described: Where Linux describes its processors.
    """
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"

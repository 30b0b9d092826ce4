"""Where to compute: threads, devices, and what moves to them.

Nothing here is drawn or trained, so results depend on it to rounding only.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from helpers import text
from helpers.data import Split


def use_one_thread() -> None:
    """Let torch compute on one thread, for the whole process.

    The networks of this course are small: on two cores a second thread costs
    more in waiting than it saves (``benchmarks/bench_threads.py`` measures it). This is
    the only place where the course touches a setting of the process.
    """
    torch.set_num_threads(1)


def find_device(name: str | torch.device = "auto") -> torch.device:
    """Find the device to train on.

    Args:
        name: ``auto`` is a GPU if there is one, and else the CPU; or a device by
            its name in PyTorch, such as ``cpu`` or ``cuda:1``.

    Returns:
        The device, with its number if it has one.

    Raises:
        TypeError: If it is neither a name nor a device.
        ValueError: If the name is not known, or nothing can be computed there.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    if not isinstance(name, (str, torch.device)):
        raise TypeError(f"device must be a name such as 'cpu', or a torch.device, got {name!r}")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device {name!r} is not known; choose 'auto', 'cpu' or 'cuda'") from None
    try:
        zero = torch.zeros(1, device=found)
        zero.item()
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises all three
        raise ValueError(
            f"device {str(found)!r} cannot compute on this machine; choose device='auto', "
            "which takes what is there"
        ) from error
    return zero.device


place = find_device
"""The name that ``find_device`` had before, for code that uses it."""


def split_on(device: torch.device, split: Split) -> Split:
    """Return the same data on a device; the very same split if they are there already."""
    names = ("train_inputs", "train_targets", "test_inputs", "test_targets")
    tensors = {name: getattr(split, name) for name in names}
    if all(tensor.device == device for tensor in tensors.values()):
        return split
    return replace(split, **{name: tensor.to(device) for name, tensor in tensors.items()})


@contextmanager
def moved_to(
    device: torch.device, model: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[None]:
    """Have a model and the state of its optimizer on a device while the block runs.

    On the way back the weights go into the memory that they came from: whoever
    holds a view of them sees them trained, as if they had never been away.
    """
    devices = {tensor.device for tensor in itertools.chain(model.parameters(), model.buffers())}
    if devices == {device}:
        yield
        return
    if len(devices) > 1:
        raise ValueError(
            "model must lie on one device, and it lies on "
            f"{text.listed(sorted(map(str, devices)))}: move it with model.to('cpu')"
        )
    (home,) = devices
    kept = [parameter.data for parameter in model.parameters()]
    try:
        model.to(device)
        move_state(optimizer)
        yield
    finally:
        model.to(home)
        for parameter, memory in zip(model.parameters(), kept, strict=True):
            parameter.data = memory.copy_(parameter.data)
        move_state(optimizer)


def move_state(optimizer: torch.optim.Optimizer) -> None:
    """Move the state of an optimizer to where its parameters are."""
    groups = optimizer.param_groups
    optimizer.load_state_dict(optimizer.state_dict())  # knows what has to stay on the CPU
    optimizer.param_groups = groups  # not copies: somebody may hold them to change a rate

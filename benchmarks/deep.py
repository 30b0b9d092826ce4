"""How near does a training step of a very deep plain network come to its matrix products?

The reference: the matrix products of one step and nothing else. Each layer has three,
one forward and two backward; their results go to memory that is there already. Against
it: whole steps (zero_grad, forward, cross entropy, backward, optimizer) of the plain
network as it is built and of its fused copy, and then the fused step without its
optimizer, and its forward pass alone. Tanh, width 64, batch 128, digits, one thread.
"""

import functools
from collections.abc import Callable

import torch
from interleaved import compare
from torch import Tensor, nn
from torch.nn import functional

from helpers import data, models, train

ROUNDS = {100: 61, 1_000: 21, 10_000: 7}  # by depth
OPTIMIZERS = {  # their rates keep the networks as they are
    "SGD": functools.partial(torch.optim.SGD, lr=1e-6),
    "Adam": functools.partial(torch.optim.Adam, lr=1e-6, fused=True),
}

train.use_one_thread()
split = data.digits()
inputs, targets = split.batch(128)


def products(model: nn.Sequential) -> Callable[[], None]:
    """Return what computes the matrix products of a step, its memory laid out."""
    weights = [layer.weight.detach() for layer in model[::2]]
    outputs = [inputs, *(inputs.new_empty(len(inputs), len(weight)) for weight in weights)]
    deltas = [torch.ones_like(output) for output in outputs]
    grads = [torch.empty_like(weight) for weight in weights]

    def run() -> None:
        for layer, weight in enumerate(weights):
            torch.mm(outputs[layer], weight.T, out=outputs[layer + 1])
        for layer in range(len(weights) - 1, -1, -1):
            torch.mm(deltas[layer + 1].T, outputs[layer], out=grads[layer])
            torch.mm(deltas[layer + 1], weights[layer], out=deltas[layer])

    return run


def forward(model: nn.Sequential) -> Tensor:
    """Compute the loss."""
    return functional.cross_entropy(model(inputs), targets)


def gradients(model: nn.Sequential) -> None:
    """Take a step without an optimizer."""
    model.zero_grad()
    forward(model).backward()


def step(model: nn.Sequential, optimizer: torch.optim.Optimizer) -> None:
    """Take a step."""
    gradients(model)
    optimizer.step()


for depth, rounds in ROUNDS.items():
    setting = models.Setting(depth=depth, initialization="orthogonal")
    plain = models.build(setting, split.features, split.classes)
    fused = models.fused(plain)
    pieces = {"bare matrix products": products(plain)}
    for name, model in (("plain", plain), ("fused", fused)):
        for label, optimizer in OPTIMIZERS.items():
            made = optimizer(model.parameters())
            pieces[f"{name}, {label}"] = functools.partial(step, model, made)
    pieces["fused, no optimizer"] = functools.partial(gradients, fused)
    pieces["fused, forward only"] = torch.no_grad()(functools.partial(forward, fused))
    print(f"depth {depth:,}")
    compare(pieces, rounds)

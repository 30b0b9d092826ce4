"""A kernel in which every random draw and every data set is off by one part in a million.

Another processor, another number of threads, another library of matrix products: each
rounds otherwise, by parts in ten million. Whoever compares what a lesson prints in this
kernel with what is stored sees which digits depend on that. A number is moved by a factor
that depends on the number alone, so what was equal bit for bit stays equal, and 0 stays 0.
"""

import dataclasses
import functools
import os

import torch
from ipykernel.kernelapp import IPKernelApp

import helpers.warm.preload  # noqa: F401
from helpers import data

SIZE = 1e-6
PHASE = float(os.environ.get("COURSE_PERTURBATION", "1"))


def moved(values: torch.Tensor) -> torch.Tensor:
    """Return the values, each times 1 + SIZE cos(...)."""
    wide = values.double()
    return (wide * (1 + SIZE * torch.cos(wide * 1e4 + PHASE))).to(values.dtype)


def draws_in_place(draw):
    @functools.wraps(draw)
    def perturbed(self, *arguments, **named):
        draw(self, *arguments, **named)
        with torch.no_grad():
            return self.copy_(moved(self.detach()))

    return perturbed


def draws(draw):
    @functools.wraps(draw)
    def perturbed(*arguments, **named):
        values = draw(*arguments, **named)
        with torch.no_grad():
            return values.copy_(moved(values.detach()))

    return perturbed


def loads(load):
    @functools.wraps(load)
    def perturbed(*arguments, **named):
        split = load(*arguments, **named)
        changed = {
            field.name: moved(value)
            for field in dataclasses.fields(split)
            if isinstance(value := getattr(split, field.name), torch.Tensor)
            and value.is_floating_point()
        }
        return dataclasses.replace(split, **changed)

    return perturbed


for name in ("normal_", "uniform_"):
    setattr(torch.Tensor, name, draws_in_place(getattr(torch.Tensor, name)))
for name in ("randn", "rand"):
    setattr(torch, name, draws(getattr(torch, name)))
for name in ("digits", "mnist", "adding", "photographs"):
    if hasattr(data, name):
        setattr(data, name, loads(getattr(data, name)))

if __name__ == "__main__":
    app = IPKernelApp.instance()
    app.initialize()
    app.start()

"""Learners' answers to the exercises of lesson 09."""

# ruff: noqa: F811, RET503

import math

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, unpack_sequence

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 9.1 cell_gradient


@record("wrong", "multiplies the gate of the step itself as well")
def cell_gradient(forgets):
    return forgets.flip(0).cumprod(0).flip(0)


@record("wrong", "multiplies from the start")
def cell_gradient(forgets):
    return forgets.cumprod(dim=0)


@record("wrong", "multiplies the gates before the step")
def cell_gradient(forgets):
    rows = torch.ones_like(forgets)
    for t in range(1, len(forgets)):
        rows[t] = rows[t - 1] * forgets[t - 1]
    return rows


@record("wrong", "adds the gates")
def cell_gradient(forgets):
    rows = torch.ones_like(forgets)
    for t in range(len(forgets) - 1):
        rows[t] = forgets[t + 1 :].sum(dim=0)
    return rows


@record("wrong", "takes the next gate only")
def cell_gradient(forgets):
    return torch.cat([forgets[1:], torch.ones(1, forgets.shape[1])])


@record("wrong", "puts the product of all steps into each row")
def cell_gradient(forgets):
    return forgets.prod(dim=0).repeat(len(forgets), 1)


@record("wrong", "takes the mean gate to a power")
def cell_gradient(forgets):
    steps = len(forgets)
    gate = forgets.mean(dim=0)
    return torch.stack([gate ** (steps - 1 - t) for t in range(steps)])


@record("wrong", "takes the gate of the step to a power")
def cell_gradient(forgets):
    steps = len(forgets)
    return torch.stack([forgets[t] ** (steps - 1 - t) for t in range(steps)])


@record("wrong", "leaves the gate of the last step out")
def cell_gradient(forgets):
    rows = torch.ones_like(forgets)
    for t in range(len(forgets)):
        for s in range(t + 1, len(forgets) - 1):
            rows[t] *= forgets[s]
    return rows


@record("wrong", "averages over the units first")
def cell_gradient(forgets):
    rows = torch.ones_like(forgets)
    for t in range(len(forgets) - 2, -1, -1):
        rows[t] = rows[t + 1] * forgets[t + 1].mean()
    return rows


@record("wrong", "multiplies what is forgotten")
def cell_gradient(forgets):
    rows = torch.ones_like(forgets)
    for t in reversed(range(len(forgets) - 1)):
        rows[t] = rows[t + 1] * (1 - forgets[t + 1])
    return rows


@record("wrong", "takes the sigmoid of the gates")
def cell_gradient(forgets):
    f = torch.sigmoid(forgets)
    rows = torch.ones_like(f)
    for t in reversed(range(len(f) - 1)):
        rows[t] = rows[t + 1] * f[t + 1]
    return rows


@record("wrong", "collects the rows on the way back and does not turn them round")
def cell_gradient(forgets):
    rows = [torch.ones(forgets.shape[1])]
    for gate in forgets.flip(0)[:-1]:
        rows.append(rows[-1] * gate)
    return torch.stack(rows)


@record("wrong", "leaves out the last row")
def cell_gradient(forgets):
    return torch.stack([forgets[t + 1 :].prod(dim=0) for t in range(len(forgets) - 1)])


@record("wrong", "uses the slope of the gate")
def cell_gradient(forgets):
    f = forgets * (1 - forgets)
    return torch.stack([f[t + 1 :].prod(dim=0) for t in range(len(f))])


@record("wrong", "returns the sum of the logarithms")
def cell_gradient(forgets):
    logs = forgets.log()
    return torch.stack([logs[t + 1 :].sum(dim=0) for t in range(len(logs))])


@record("wrong", "returns in the loop")
def cell_gradient(forgets):
    rows = torch.ones_like(forgets)
    for t in reversed(range(len(forgets) - 1)):
        rows[t] = rows[t + 1] * forgets[t + 1]
        return rows


@record("right", "products of slices; an empty product is 1")
def cell_gradient(forgets):
    return torch.stack([forgets[t + 1 :].prod(dim=0) for t in range(len(forgets))])


@record("right", "autograd through the cell itself")
def cell_gradient(forgets):
    c = torch.ones(forgets.shape[1], dtype=torch.float64, requires_grad=True)
    cells = []
    for gate in forgets:
        c = gate.double() * c
        cells.append(c)
    return torch.stack(torch.autograd.grad(cells[-1].sum(), cells))


@record("right", "numpy, the whole product over the product so far")
def cell_gradient(forgets):
    so_far = np.cumprod(forgets.numpy().astype(float), axis=0)
    return so_far[-1] / so_far


@record("right", "logarithms, lists")
def cell_gradient(forgets):
    logs = [[math.log(gate) for gate in row] for row in forgets.tolist()]
    return [
        [math.exp(sum(row[unit] for row in logs[t + 1 :])) for unit in range(len(logs[0]))]
        for t in range(len(logs))
    ]


@record("two", "multiplies the gate of the step as well, and what is forgotten")
def cell_gradient(forgets):
    return (1 - forgets).flip(0).cumprod(0).flip(0)


@record("two", "multiplies from the start and takes the sigmoid of the gates")
def cell_gradient(forgets):
    return torch.sigmoid(forgets).cumprod(0)


@record("two", "takes the next gate only and leaves out the last row")
def cell_gradient(forgets):
    return forgets[1:]


@record("two", "averages over the units and adds the gates")
def cell_gradient(forgets):
    f = forgets.mean(dim=1, keepdim=True).expand_as(forgets)
    rows = torch.ones_like(forgets)
    for t in range(len(forgets) - 1):
        rows[t] = f[t + 1 :].sum(dim=0)
    return rows


# 9.2 last_states


@record("wrong", "reads the end of the padding")
def last_states(states, lengths):
    return states[:, -1]


@record("wrong", "reads one step too late")
def last_states(states, lengths):
    last = states.shape[1] - 1
    return torch.stack([one[min(n, last)] for one, n in zip(states, lengths, strict=True)])


@record("wrong", "reads one step too late and runs out of steps")
def last_states(states, lengths):
    return torch.stack([one[n] for one, n in zip(states, lengths, strict=True)])


@record("wrong", "reads every sequence where the first one ends")
def last_states(states, lengths):
    return states[:, lengths[0] - 1]


@record("wrong", "reads every sequence where the longest one ends")
def last_states(states, lengths):
    return states[:, max(lengths) - 1]


@record("wrong", "reads every sequence where the shortest one ends")
def last_states(states, lengths):
    return states[:, min(lengths) - 1]


@record("wrong", "counts the length from the back")
def last_states(states, lengths):
    return torch.stack([one[-n] for one, n in zip(states, lengths, strict=True)])


@record("wrong", "reads every sequence at every length")
def last_states(states, lengths):
    return states[:, torch.tensor(lengths) - 1]


@record("wrong", "takes the mean over the real steps")
def last_states(states, lengths):
    return torch.stack([one[:n].mean(dim=0) for one, n in zip(states, lengths, strict=True)])


@record("wrong", "takes the largest over the real steps")
def last_states(states, lengths):
    found = [one[:n].max(dim=0).values for one, n in zip(states, lengths, strict=True)]
    return torch.stack(found)


@record("wrong", "takes the mean over all steps")
def last_states(states, lengths):
    return states.mean(dim=1)


@record("wrong", "sorts the lengths, as packing used to ask for, but not the sequences")
def last_states(states, lengths):
    lengths = sorted(lengths, reverse=True)
    return torch.stack([one[n - 1] for one, n in zip(states, lengths, strict=True)])


@record("wrong", "leaves out the axis of the sequences")
def last_states(states, lengths):
    return torch.stack([states[:, n - 1] for n in lengths])


@record("right", "indexes both axes at once")
def last_states(states, lengths):
    return states[torch.arange(len(states)), torch.tensor(lengths) - 1]


@record("right", "gather")
def last_states(states, lengths):
    places = (torch.tensor(lengths) - 1)[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, places).squeeze(1)


@record("right", "packs and unpacks")
def last_states(states, lengths):
    packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
    return torch.stack([one[-1] for one in unpack_sequence(packed)])


@record("right", "a mask that holds one 1 in each row")
def last_states(states, lengths):
    ends = np.arange(states.shape[1]) == np.array(lengths)[:, None] - 1
    return np.einsum("bt,btn->bn", ends, states.numpy())


@record("two", "counts the length of the longest from the back")
def last_states(states, lengths):
    return states[:, -max(lengths)]


@record("two", "takes the mean over the steps up to the longest")
def last_states(states, lengths):
    return states[:, : max(lengths)].mean(dim=1)


@record("two", "reads one step too early where the first one ends")
def last_states(states, lengths):
    return states[:, max(lengths[0] - 2, 0)]

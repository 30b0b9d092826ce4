"""Right answers to the exercises of lesson 09, and its references against facts."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from helpers import exercises


def gradient_backwards(forgets):
    row, rows = torch.ones(forgets.shape[1]), []
    for gate in forgets.flip(0):
        rows.insert(0, row)
        row = row * gate
    return torch.stack(rows)


def gradient_by_slices(forgets):
    return torch.stack([forgets[step + 1 :].prod(dim=0) for step in range(len(forgets))])


def gradient_by_division(forgets):
    so_far = forgets.double().cumprod(dim=0)
    return (so_far[-1] / so_far).numpy()


def states_one_by_one(states, lengths):
    return torch.stack([one[length - 1] for one, length in zip(states, lengths, strict=True)])


def states_at_once(states, lengths):
    return states[torch.arange(len(states)), torch.tensor(lengths) - 1]


def states_by_gather(states, lengths):
    places = (torch.tensor(lengths) - 1).view(-1, 1, 1).expand(-1, 1, states.shape[2])
    return states.gather(1, places)[:, 0].tolist()


SOLUTIONS = [
    ("cell_gradient", gradient_backwards),
    ("cell_gradient", gradient_by_slices),
    ("cell_gradient", gradient_by_division),
    ("last_states", states_one_by_one),
    ("last_states", states_at_once),
    ("last_states", states_by_gather),
]


def reference(name):
    return exercises.ALL[name].reference


def test_cell_gradient_is_the_derivative_of_an_lstm_whose_gates_see_no_state():
    """PyTorch's own LSTM: with no recurrent weights the cell is the only way back."""
    torch.manual_seed(0)
    cell = nn.LSTM(3, 4).double()
    nn.init.zeros_(cell.weight_hh_l0)
    inputs, state, cells = torch.randn(6, 1, 3).double(), None, []
    for step in inputs.split(1):
        _, (h, c) = cell(step, state)
        cells.append(c)
        state = (h, c)
    derivatives = torch.autograd.grad(cells[-1].sum(), cells)
    gates = inputs[:, 0] @ cell.weight_ih_l0.T + cell.bias_ih_l0 + cell.bias_hh_l0
    forgets = torch.sigmoid(gates[:, 4:8]).detach()  # input, forget, cell, output
    found = reference("cell_gradient")(forgets)
    np.testing.assert_allclose(found, torch.cat(derivatives)[:, 0].numpy(), rtol=1e-12)


def test_last_states_are_what_packing_returns():
    torch.manual_seed(0)
    cell, lengths = nn.GRU(2, 5, batch_first=True).double(), [3, 7, 1, 6]
    inputs = torch.randn(4, 7, 2).double()
    states, _ = cell(inputs)
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    _, last = cell(packed)
    found = reference("last_states")(states.detach(), lengths)
    np.testing.assert_allclose(found, last[0].detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 5])
def test_the_last_row_is_one_and_the_first_gate_is_not_asked(steps):
    forgets = torch.rand(steps, 3, generator=torch.Generator().manual_seed(1))
    found = reference("cell_gradient")(forgets)
    assert (found[-1] == 1).all()
    forgets[0] = 0.123
    np.testing.assert_array_equal(reference("cell_gradient")(forgets), found)

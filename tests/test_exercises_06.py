"""Right answers to the exercises of lesson 06, and its references against facts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers import exercises


def gram_schmidt(matrix):
    if matrix.shape[0] < matrix.shape[1]:
        return gram_schmidt(matrix.T).T
    columns = []
    for column in matrix.double().T:
        for other in columns:
            column = column - (column @ other) * other
        columns.append(column / column.norm())
    return torch.stack(columns, dim=1)


def by_cholesky(matrix):
    if matrix.shape[0] < matrix.shape[1]:
        return by_cholesky(matrix.T).T
    matrix = matrix.double()
    return matrix @ torch.linalg.inv(torch.linalg.cholesky(matrix.T @ matrix).T)


def by_torch_qr(matrix):
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = q * r.diagonal().sign()
    return q.T if wide else q


SOLUTIONS = [
    ("typical_over_mean", lambda widths: math.exp(-5 * sum(1 / n for n in widths) / 2)),
    ("typical_over_mean", lambda widths: math.prod(math.exp(-2.5 / n) for n in widths)),
    ("typical_over_mean", lambda widths: torch.exp(-2.5 * (1 / torch.tensor(widths)).sum())),
    ("orthogonal_like", gram_schmidt),
    ("orthogonal_like", by_cholesky),
    ("orthogonal_like", by_torch_qr),
    ("orthogonal_like", lambda matrix: by_torch_qr(matrix).numpy()),
]


def reference(name):
    return exercises.ALL[name].reference


def test_typical_over_mean_is_the_median_of_relu_networks():
    widths, draws = [30, 60, 30, 60], 20_000
    generator = torch.Generator().manual_seed(0)
    mean_square = torch.ones(draws, 1)  # of a layer's outputs; He keeps its expectation
    for width in widths:
        z = torch.randn(draws, width, generator=generator) * (2 * mean_square).sqrt()
        mean_square = z.relu().square().mean(dim=1, keepdim=True)
    assert mean_square.mean().item() == pytest.approx(1.0, rel=0.03)
    found = reference("typical_over_mean")(widths)
    assert mean_square.median().item() == pytest.approx(found, rel=0.06)


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (6, 3), (3, 6), (1, 5)])
def test_orthogonal_like_is_what_pytorch_does_to_the_same_draw(rows, columns):
    weight = torch.empty(rows, columns)
    nn.init.orthogonal_(weight, generator=torch.Generator().manual_seed(0))
    drawn = torch.empty(rows, columns).normal_(generator=torch.Generator().manual_seed(0))
    found = reference("orthogonal_like")(drawn)
    np.testing.assert_allclose(found, weight.numpy(), atol=1e-5)
    small = found @ found.T if rows < columns else found.T @ found
    np.testing.assert_allclose(small, np.eye(min(rows, columns)), atol=1e-12)


def test_the_largest_stretch_is_not_enough():
    matrix = torch.diag(torch.tensor([2.0, 1.0]))
    np.testing.assert_allclose(reference("orthogonal_like")(matrix), np.eye(2))

"""Right answers to the exercises of lesson 03, and its references against facts."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from helpers import exercises, probe

REFERENCE = {
    name: exercises.ALL[name].reference for name in ("layer_ledger", "effects", "first_depth")
}


def ledger_by_autograd(delta, weight, z):
    z = z.requires_grad_()
    h = torch.sigmoid(z)
    h.retain_grad()
    (h @ weight.T).backward(delta)
    return [
        torch.log10(delta.norm() / h.grad.norm()),
        torch.log10(h.grad.norm() / z.grad.norm()),
    ]


def ledger_by_hand(delta, weight, z):
    s = torch.sigmoid(z.double())
    between = delta.double() @ weight.double()
    norms = [x.norm().item() for x in (delta, between, between * s * (1 - s))]
    return tuple(np.log10(norms[:-1]) - np.log10(norms[1:]))


def effects_by_contrasts(lost):
    a, b, c, d = np.ravel(lost)
    return np.array([a + b - c - d, a - b + c - d, 2 * (b + c - a - d)]) / 2


def effects_by_savings(lost):
    (neither, b), (a, both) = torch.tensor(lost, dtype=torch.float64)
    alone = neither - a, neither - b
    together = neither - both
    beyond = together - sum(alone)
    return torch.stack([alone[0] + beyond / 2, alone[1] + beyond / 2, beyond])


def effects_by_regression(lost):
    rows = [[1, a, b, a * b] for a, b in product((0, 1), repeat=2)]
    _, a, b, ab = np.linalg.solve(np.array(rows, dtype=float), -np.ravel(lost))
    return [a + ab / 2, b + ab / 2, ab]


def depth_by_loop(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if math.prod(row) < share ** len(row):
            return depth
    return math.inf


def depth_by_logs(ratios, share):
    below = np.log(ratios).mean(axis=1) < np.log(share)
    return 2 + below.argmax() if below.any() else np.inf


SOLUTIONS = [
    ("layer_ledger", ledger_by_autograd),
    ("layer_ledger", ledger_by_hand),
    ("effects", effects_by_contrasts),
    ("effects", effects_by_savings),
    ("effects", effects_by_regression),
    ("first_depth", depth_by_loop),
    ("first_depth", depth_by_logs),
]


def questions(name, seed=0):
    return exercises.ALL[name].questions(np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(3))
def test_layer_ledger_is_what_the_probe_reads_off_a_network(seed):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.Linear(5, 4)).double()
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    target = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    z = net[0](x).detach()
    # The delta of the last layer, for this loss, by hand.
    delta = (2 * (net(x) - target)).detach()
    found = REFERENCE["layer_ledger"](delta, net[2].weight.detach(), z)
    flow = probe.record(net, x, target, nn.MSELoss(reduction="sum"))
    assert found == pytest.approx([row.decades for row in flow.ledger().rows], rel=1e-12)
    assert sum(found) == pytest.approx(flow.decades_lost, rel=1e-12)


def test_layer_ledger_meets_closed_forms():
    one = torch.ones(1, 1)
    assert REFERENCE["layer_ledger"](one, 10 * one, 0 * one) == pytest.approx([-1, math.log10(4)])
    # An orthogonal matrix takes nothing, whatever the delta.
    q, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    delta, z = torch.randn(3, 4, dtype=torch.float64), torch.zeros(3, 4)
    assert REFERENCE["layer_ledger"](delta, q, z) == pytest.approx([0, math.log10(4)], abs=1e-12)


def test_effects_meet_tables_made_from_them():
    for start, a, b, ab in product((0.0, 12.0), (3.0, -1.0), (2.0, 5.0), (-4.0, 0.0, 1.5)):
        lost = [[start, start - b], [start - a, start - a - b - ab]]
        found = REFERENCE["effects"](lost)
        assert found == pytest.approx([a + ab / 2, b + ab / 2, ab], abs=1e-12)


def test_the_parts_of_effects_differ_in_the_interaction():
    for question in questions("effects", 3):
        interaction = question.expected[2]
        assert (interaction == 0) == (question.part == "changes that add up")


@pytest.mark.parametrize("factor", [0.1, 0.3, 0.49])
def test_first_depth_of_a_constant_factor_is_where_its_power_falls_below(factor):
    ratios = [[factor ** (depth - 1)] * 3 for depth in range(2, 30)]
    found = REFERENCE["first_depth"](ratios, 1e-3 * (1 - 1e-9))
    # The smallest whole number of layers n with factor^n below the share, and one matrix more.
    assert found == math.floor(math.log(1e-3) / math.log(factor) + 1e-6) + 2
    assert REFERENCE["first_depth"](ratios[: found - 2], 1e-3) == math.inf


@pytest.mark.parametrize("seed", range(8))
def test_each_part_of_first_depth_asks_for_a_depth_and_for_never(seed):
    for part in exercises.ALL["first_depth"].parts:
        found = {q.expected for q in questions("first_depth", seed) if q.part == part.name}
        assert math.inf in found
        assert any(map(math.isfinite, found))

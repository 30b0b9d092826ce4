"""The kernel of `make test-digits` does move numbers, by no more than it says."""

import json
import subprocess
import sys

import pytest
import torch

from helpers import data
from helpers.lessons.sources import ROOT

KERNEL = ROOT / "tests/other_processor/kernels/rounded_otherwise/kernel.py"
# In a process of its own: the kernel changes torch for good.
CODE = f"""
import json, runpy, torch
runpy.run_path({str(KERNEL)!r})
from helpers import data
torch.manual_seed(0)
draws = [torch.randn(50), torch.rand(50), torch.nn.Linear(50, 1).weight[0]]
draws += [data.digits().train_inputs[0], torch.zeros(2)]
print(json.dumps([draw.tolist() for draw in draws]))
"""


@pytest.mark.slow
def test_every_draw_and_data_set_is_off_by_a_millionth():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    *moved, zeros = (torch.tensor(draw) for draw in json.loads(done.stdout))
    torch.manual_seed(0)
    plain = [torch.randn(50), torch.rand(50), torch.nn.Linear(50, 1).weight[0].detach()]
    plain += [data.digits().train_inputs[0]]
    for there, here in zip(moved, plain, strict=True):
        assert not torch.equal(there, here)
        assert ((there - here).abs() <= 1.2e-6 * here.abs()).all()
    assert not zeros.any()

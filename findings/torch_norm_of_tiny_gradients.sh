#!/usr/bin/env bash
# torch 2.13.0: the norm of a float32 gradient is 0 although no entry of it is 0.
#
# What was done: a parameter got a gradient of 100 equal entries. Its norm was taken with
# torch.nn.utils.clip_grad_norm_, which training loops log, and with
# torch.linalg.vector_norm, in float32 and in float64. float32 holds numbers down to 1.4e-45.
#
# What was expected: ten times the entry.
#
# What was seen: the sum of squares is kept in float32, where the square of a number below about
# 2.6e-23 is 0. So both norms are 0 there, while every entry is a number that float32 holds. A
# little above, digits are lost: at 3e-23 the norm is a quarter too large. There is no
# warning. A gradient with a single entry has the right norm. Asked for float64 with dtype=,
# vector_norm gives the right answer from the same float32 gradient:
#
#     entry 1e-18: clip_grad_norm_ 1.00e-17, vector_norm 1.00e-17, in float64 1.00e-17
#     entry 3e-23: clip_grad_norm_ 3.74e-22, vector_norm 3.74e-22, in float64 3.00e-22
#     entry 1e-23: clip_grad_norm_ 0.00e+00, vector_norm 0.00e+00, in float64 1.00e-22
#     entry 1e-30: clip_grad_norm_ 0.00e+00, vector_norm 0.00e+00, in float64 1.00e-29
#     entry 1e-30, alone: clip_grad_norm_ 1.00e-30
#
# Why it matters: a logged gradient norm of 0 does not mean that no gradient arrives. Take norms
# in float64, or count the entries that are not 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6

cat > "$folder/norms.py" <<'PYTHON'
import torch
from torch.linalg import vector_norm
from torch.nn.utils import clip_grad_norm_


def with_gradient(entries, entry):
    parameter = torch.nn.Parameter(torch.zeros(entries))
    parameter.grad = torch.full((entries,), entry)
    return parameter


for entry in (1e-18, 3e-23, 1e-23, 1e-30):
    parameter = with_gradient(100, entry)
    assert parameter.grad.dtype == torch.float32
    assert parameter.grad.count_nonzero() == 100
    clipped = clip_grad_norm_([parameter], max_norm=1.0)
    plain = vector_norm(parameter.grad)
    wide = vector_norm(parameter.grad, dtype=torch.float64)
    print(
        f"entry {entry:.0e}: clip_grad_norm_ {clipped:.2e}, vector_norm {plain:.2e}, "
        f"in float64 {wide:.2e}"
    )
alone = clip_grad_norm_([with_gradient(1, 1e-30)], max_norm=1.0)
print(f"entry 1e-30, alone: clip_grad_norm_ {alone:.2e}")
PYTHON
"$folder/venv/bin/python" "$folder/norms.py" | tee "$folder/seen"

sed -n 's/^#     entry/entry/p' "$0" | diff - "$folder/seen" \
    || { echo "this finding has changed"; exit 1; }
echo "as described"

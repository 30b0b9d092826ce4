#!/usr/bin/env bash
# nbval 0.11.0: a mark in the other spelling is passed over in silence, and nothing is compared.
#
# What was done: a notebook with four cells, each with a stored output that the cell no longer
# gives, was tested with `pytest --nbval-lax`, which compares only cells that are marked for it.
# Each cell was marked to be compared: by a tag or by a comment, each spelt in capitals
# with underscores and in small letters with hyphens.
#
# What was expected: four failures; or, for a spelling that nbval does not know, a warning.
#
# What was seen: a tag counts only in small letters, a comment only in capitals. The other two
# cells pass without a warning, although their stored outputs are wrong:
#
#     tag nbval-check-output: failed
#     tag NBVAL_CHECK_OUTPUT: passed
#     comment NBVAL_CHECK_OUTPUT: failed
#     comment nbval-check-output: passed
#     warnings: 0
#
# Why it matters: a notebook that is marked in the wrong spelling stays green whatever it prints.
# Allow only tags that are on a list, and let a test hold every notebook to it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
    nbval==0.11.0 pytest==9.2.0 nbformat==5.11.1 ipykernel==7.4.0

cat > "$folder/marks.py" <<'PYTHON'
import os
import re
import subprocess
import sys
from pathlib import Path

from nbformat import v4, write

folder = Path(sys.argv[1])
marks = [
    ("tag", "nbval-check-output"),
    ("tag", "NBVAL_CHECK_OUTPUT"),
    ("comment", "NBVAL_CHECK_OUTPUT"),
    ("comment", "nbval-check-output"),
]
notebook = v4.new_notebook()
for count, (kind, word) in enumerate(marks, start=1):
    source = "print('new')" if kind == "tag" else f"# {word}\nprint('new')"
    cell = v4.new_code_cell(source, execution_count=count)
    cell.metadata.tags = [word] if kind == "tag" else []
    cell.outputs = [v4.new_output("stream", name="stdout", text="old\n")]
    notebook.cells.append(cell)
write(notebook, folder / "marks.ipynb")

done = subprocess.run(
    [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-v", "marks.ipynb"],
    cwd=folder,
    env={**os.environ, "IPYTHONDIR": str(folder)},
    capture_output=True,
    text=True,
)
for count, (kind, word) in enumerate(marks):
    ended = re.search(rf"Cell {count} (PASSED|FAILED)", done.stdout)[1]
    print(f"{kind} {word}: {ended.lower()}")
warned = re.search(r"(\d+) warnings?", done.stdout)
print(f"warnings: {warned[1] if warned else 0}")
PYTHON
"$folder/venv/bin/python" "$folder/marks.py" "$folder" | tee "$folder/seen"

sed -nE 's/^#     (tag|comment|warnings)/\1/p' "$0" | diff - "$folder/seen" \
    || { echo "this finding has changed"; exit 1; }
echo "as described"

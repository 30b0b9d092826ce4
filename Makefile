# Two commands do everything on a fresh machine: `make lab` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Extra words for the program behind a target, e.g. make lab ARGS=--no-browser
ARGS ?=

.PHONY: env lab test run bench render lock clean

env: $(READY)

# The port: make lab JUPYTER_PORT=8890
lab: $(READY)
	$(BIN)/course lab $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --no-loadscope-reorder $(ARGS)

run: $(READY)
	$(BIN)/course run $(ARGS)

render: $(READY)
	$(BIN)/course render $(ARGS)

bench: $(READY)
	set -e; for script in $(filter-out benchmarks/interleaved.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script; done

# torch comes first and with its dependencies, so that a CUDA build finds its libraries;
# everything else is exactly what the lock names. Matplotlib lists the fonts on first use and
# says so, which a notebook would show.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This course needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock torch
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -c 'import matplotlib.font_manager'
	touch $@

# rfc3987-syntax is an optional format checker that costs a second at every kernel start;
# the CUDA libraries follow from the torch build, not from this course.
lock:
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --upgrade --extra dev \
	    --no-header --no-annotate --no-emit-package rfc3987-syntax pyproject.toml \
	    | grep -v -E '^(nvidia-|cuda-|triton)' > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf $(VENV)

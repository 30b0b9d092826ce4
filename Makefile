# Two commands do everything on a fresh machine: `make lab` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Extra words for the program behind a target, e.g. make lab ARGS=--no-browser
ARGS ?=

.PHONY: env lab test test-nbgrader run bench render lock clean

env: $(READY)

# The port: make lab JUPYTER_PORT=8890
lab: $(READY)
	$(BIN)/course lab $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --no-loadscope-reorder $(ARGS)

# What needs nbgrader runs beside the course's environment and not in it, as one of the
# packages that nbgrader asks for costs a second at every kernel start.
test-nbgrader: build/nbgrader/.ready
	build/nbgrader/bin/python -m pytest tests/test_nbgrader.py $(ARGS)

build/nbgrader/.ready: $(READY)
	$(BIN)/python -m venv build/nbgrader
	$(BIN)/python -c 'import os, site; print(site.getsitepackages()[0], os.getcwd(), sep="\n")' \
	    > "$$(build/nbgrader/bin/python -c 'import site; print(site.getsitepackages()[0])')/course.pth"
	build/nbgrader/bin/python -m pip install --quiet --constraint requirements.lock 'nbgrader==0.9.6'
	mkdir -p build/nbgrader/share/jupyter
	ln -sfn "$$PWD/$(VENV)/share/jupyter/nbconvert" build/nbgrader/share/jupyter/nbconvert
	touch $@

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

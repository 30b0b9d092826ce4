# Two commands do everything on a fresh machine: `make lab` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Some containers forbid Python to keep what it compiled; each process of a test would pay.
unexport PYTHONDONTWRITEBYTECODE
READY := $(VENV)/.ready

# Extra words for the program behind a target, e.g. make lab ARGS=--no-browser
ARGS ?=

.PHONY: env lab types test test-nbgrader test-digits test-parameters lint check run bench render lock clean

env: $(READY)

# The port: make lab JUPYTER_PORT=8890
lab: $(READY)
	$(BIN)/course lab $(ARGS)

# Notebooks are compared output by output, in kernels that start warm (helpers/warm/kernel.py),
# but for numbers of trainings, which another processor changes; docstrings are run.
NOTEBOOKS := --nbval --nbval-kernel-name=warm --nbval-cell-timeout=3600 \
             --nbval-kernel-startup-timeout=900 --nbval-sanitize-with=tests/nbval_sanitize.cfg \
             --doctest-modules
PROCESSES := --numprocesses logical --maxprocesses 4 --no-loadscope-reorder

test: $(READY)
	$(BIN)/python -m pytest -rs $(NOTEBOOKS) $(PROCESSES) $(ARGS)

# What tells about a change in a minute: style, types, imports, notebooks in step with their
# sources, and the unit tests that are quick, without notebooks, classes, sweeps and processes.
SLOW := notebooks lessons release stored cli classroom grading grading_class nbgrader \
        sweep report engine kernel browser hints
QUICK = $(filter-out $(SLOW:%=tests/test_%.py),$(wildcard tests/test_*.py))

check: lint
	$(BIN)/python -m pytest $(PROCESSES) -m 'not slow' $(QUICK) $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/course render --check
	$(MAKE) --no-print-directory types

# Do other processors and numbers of threads print the same digits? Every lesson twice more,
# with every draw off by one part in a million, under two other instruction sets.
test-digits: $(READY)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 \
	    OMP_NUM_THREADS=1 COURSE_PERTURBATION=1 \
	    $(BIN)/python -m pytest $(NOTEBOOKS:warm=rounded_otherwise) notebooks $(PROCESSES) $(ARGS)
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
	    OMP_NUM_THREADS=2 COURSE_PERTURBATION=2 \
	    $(BIN)/python -m pytest $(NOTEBOOKS:warm=rounded_otherwise) notebooks $(PROCESSES) $(ARGS)

# Does every lesson run to its end with each of its parameters changed? `make test` changes all
# of a lesson at once.
test-parameters: $(READY)
	COURSE_EACH_PARAMETER=1 $(BIN)/python -m pytest $(PROCESSES) tests/test_notebooks.py \
	    -k parameters_changed $(ARGS)

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

# The number of type errors of each package, which may only fall.
types: $(READY)
	$(BIN)/python tests/type_ratchet.py

run: $(READY)
	$(BIN)/course run $(ARGS)

render: $(READY)
	$(BIN)/course render $(ARGS)

bench: $(READY)
	set -e; for script in $(filter-out benchmarks/interleaved.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script; done

# torch comes first and with its dependencies, so that a CUDA build finds its libraries;
# everything else is exactly what the lock names. Matplotlib lists the fonts on first use and
# says so, which a notebook would show. JupyterLab and nbconvert look in the environment for what
# brings the alt text of figures to the screen and into exported pages.
$(READY): requirements.lock pyproject.toml
	@echo "Installing the course into $(VENV), once: 1.9 GB, most of it PyTorch, in some five minutes."
	@echo "On Linux PyTorch may bring CUDA, several GB more; README.md says how to save them."
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This course needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock torch
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	mkdir -p $(VENV)/etc/jupyter $(VENV)/share/jupyter/labextensions
	ln -sfn "$$PWD/.jupyter/jupyter_config.json" $(VENV)/etc/jupyter/jupyter_config.json
	ln -sfn "$$PWD/.jupyter/labextensions/vanishing-gradients" $(VENV)/share/jupyter/labextensions/vanishing-gradients
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

# Everything is made inside the checkout; see setup_profiles/README.md.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
# Your own pw.x 7.x (hp.x and ld1.x beside it), instead of an installed Quantum ESPRESSO: make demo PW=/path/to/pw.x
PW ?=
ifneq ($(PW),)
export REDOXMLP_PW := $(abspath $(PW))
endif

BOOTSTRAP := $(PYTHON) setup_profiles/bootstrap.py
BIN := $(CURDIR)/.venv/bin
# What bootstrap.py prints: AIIDA_PATH, PATH and, while the one-machine SLURM is up, SLURM_CONF.
ENVIRONMENT := exports="$$($(BOOTSTRAP) env)" && eval "$$exports"
# The tests never see the checkout's own profile nor a user's ~/.aiida.
PYTEST := env AIIDA_PATH=$(CURDIR)/.cache/test-aiida OMP_NUM_THREADS=1 \
  REDOXMLP_PSEUDOPOTENTIALS=$(CURDIR)/.cache/pseudopotentials $(BIN)/python -m pytest
COVERAGE := --cov=aiida_redoxmlp --cov-report=

.PHONY: help setup demo demo-slurm hubbard dynamics test test-setup test-fast lint docs stop clean distclean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## Environments, Quantum ESPRESSO, pseudopotentials, AiiDA profile, daemon
	@$(BOOTSTRAP) setup

demo: setup ## From Li0.5MnPO4 to its redox ground state, then active learning, on this machine: demo-output/
	@$(ENVIRONMENT) && $(BIN)/aiida-redoxmlp launch campaign --config examples/demo.yaml --output demo-output && \
	  $(BIN)/aiida-redoxmlp launch active-learning --config examples/demo-active-learning.yaml \
	  --output demo-output/active-learning

demo-slurm: ## The same through a private SLURM with a cpu and a gpu partition: demo-slurm-output/
	@$(BOOTSTRAP) slurm
	@trap '$(PYTHON) setup_profiles/slurm.py down' EXIT; $(ENVIRONMENT) && \
	  $(BIN)/aiida-redoxmlp launch campaign --config examples/demo-slurm.yaml --output demo-slurm-output

hubbard: setup ## Self-consistent U and V of NiO, LiCoO2 and Li0.5MnPO4, on this machine: hubbard-output/
	@$(ENVIRONMENT) && for example in nio licoo2 licoo2-uv limnpo4; do \
	  $(BIN)/aiida-redoxmlp launch hubbard --config examples/hubbard-$$example.yaml --output hubbard-output/$$example; done

dynamics: setup ## Molecular dynamics of Li0.5MnPO4, oxidation states at every step: dynamics-output/
	@$(ENVIRONMENT) && $(BIN)/aiida-redoxmlp launch dynamics --config examples/dynamics-limnpo4.yaml \
	  --output dynamics-output

test: test-setup lint ## All tests, with real engines, daemon and SLURM; coverage of at least 90 %
	@$(BIN)/coverage erase
	@$(ENVIRONMENT) && COVERAGE_FILE=.coverage.fast \
	  $(PYTEST) -n auto -m "not engine and not slurm and not daemon" $(COVERAGE)
	@$(ENVIRONMENT) && COVERAGE_FILE=.coverage.engine \
	  $(PYTEST) -n 3 --dist loadgroup --no-loadscope-reorder -m "engine or slurm or daemon" $(COVERAGE)
	@$(BIN)/coverage combine .coverage.fast* .coverage.engine*
	@$(BIN)/coverage report --show-missing --skip-covered --fail-under=90

test-setup:
	@$(BOOTSTRAP) test

test-fast: test-setup ## The tests that take seconds
	@$(ENVIRONMENT) && $(PYTEST) -n auto -m "not engine and not slurm and not daemon"

lint: test-setup ## Formatter, linter, types, import order of the rooms
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@MYPYPATH=setup_profiles $(BIN)/mypy setup_profiles/bootstrap.py setup_profiles/slurm.py setup_profiles/aiida_profile.py
	@$(BIN)/lint-imports

docs: test-setup ## The documentation: docs/_build/html
	@$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

stop: ## Stop the daemon and the private SLURM
	@$(BOOTSTRAP) stop

clean: ## Remove what builds, tests and demonstrations left
	@$(BOOTSTRAP) clean

distclean: ## Remove also the environments, the AiiDA profile and all its data
	@$(BOOTSTRAP) distclean

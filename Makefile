# Everything happens in a virtual environment of the checkout's own; nothing else on the machine is touched.
PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=

BIN := $(VENV)/bin
BENCHMARKS := $(basename $(notdir $(shell grep -l '^def main' benchmarks/*.py)))
STAMP := $(VENV)/.kres-installed
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test check aarch64 lint format bench clean

help: ## show this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 12
	@echo "PYTHON=python3.12 chooses the interpreter, VENV=DIR the environment's folder, PYTEST_ARGS='-k export' the tests."

setup: $(STAMP) ## make the virtual environment and install kres into it, with all that the tests need

$(STAMP): pyproject.toml constraints.txt hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "kres needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	    echo "Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	    echo "$(PYTHON) has no venv module (on Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing kres and what it needs into $(VENV): a few minutes, and about 3 GB, the first time."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	    --editable '.[dev,notebooks]' || { \
	    echo "The installation failed. TensorFlow has no wheels for the newest Python: if that is the cause, remove" >&2; \
	    echo "$(VENV) and name an older one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@touch $(STAMP)

demo: setup ## train on real digits, export, verify and report: about five minutes
	$(BIN)/kres demo

test: lint ## everything that must hold: lint, types, all tests
	$(BIN)/pytest -n 2 --dist worksteal $(PYTEST_ARGS)

check: lint ## before a commit: lint, types, the fast tests
	$(BIN)/pytest -n 2 --dist worksteal -m 'not slow' $(PYTEST_ARGS)

aarch64: setup ## an emulated AArch64 processor for the tests of exported files, in the environment (Debian 12)
	@bash tests/export/aarch64.sh $(VENV)/aarch64 $(BIN)/python

lint: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## run the side-by-side benchmarks one after the other
	for name in $(BENCHMARKS); do $(BIN)/python -m "benchmarks.$$name"; done

clean: ## remove the environment, caches, builds and runs
	rm -rf $(VENV) build dist htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

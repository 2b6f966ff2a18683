# The whole set-up: `make demo` and `make test` each make .venv, install and run. Both work again.
#
# TORCH_INDEX: on Linux the default index's torch brings several GB of CUDA packages. PyTorch's install page names an
# index with CPU builds; give it as `make demo TORCH_INDEX=<that address>`.
PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check bench powercut swaps kills format clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(READY): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing torch (CPU) ..."
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@echo "installing hedgerow and its tools ..."
	@$(PIP) --editable '.[dev]'
	@echo "installing the demo's data set (read as data, so without its dependencies) ..."
	@$(PIP) --no-deps 'seglearn==1.2.5'
	@touch $@

demo: $(READY)  ## a controller and a fleet of six real agents on this machine: the whole loop
	@$(BIN)/controller demo $(DEMO)

test: $(READY)  ## all tests: rooms, stories, end to end
	@$(BIN)/python -m pytest $(PYTEST)

check: $(READY)  ## ruff, mypy, import contracts, migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m controller.store.migrate check

bench: $(READY)  ## a benchmark, as BENCH=prune, or BENCH="prune mobile" for one network: hours; writes docs/bench/. What a stopped one finished is kept
	@$(BIN)/python -m tests.bench $(BENCH)

powercut: $(READY)  ## 600 power cuts on a loop-mounted ext4, spread over every step of installs: minutes; needs root
	@HEDGEROW_CUTS=600 $(BIN)/python -m pytest tests/agent/test_agent_powercut.py

swaps: $(READY)  ## 100 swaps of the model under load: no request may be lost; minutes
	@HEDGEROW_SWAPS=100 $(BIN)/python -m pytest tests/agent/test_agent_serving.py -k swap --timeout 1800

kills: $(READY)  ## 200 random kills of supervisor and workers under load: no slot and no window may be lost; half an hour
	@HEDGEROW_KILLS=200 $(BIN)/python -m pytest tests/agent/test_agent_kills.py --timeout 7200

format: $(READY)  ## ruff's formatting and safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

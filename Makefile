# The whole set-up: `make demo` and `make test` each make .venv, install and run. Both work again.
#
# torch: by default the CPU build, by uv, which knows where that is; where that index is not reached, what pip finds, which
# on Linux is the build with several GB of CUDA packages. `make demo TORCH=cuda` asks for that one;
# `make demo TORCH_INDEX=<address>` for what an index of your own has.
PYTHON ?= python3
TORCH ?= cpu
TORCH_INDEX ?=
TORCH_RELEASE := torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend cpu

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak-demo powercut swaps kills format clean torch-cpu torch-cuda torch-index

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# What the demo needs.
$(INSTALLED): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(MAKE) --no-print-directory torch-$(or $(if $(TORCH_INDEX),index),$(filter cpu cuda,$(TORCH)),$(error TORCH is cpu or cuda, not '$(TORCH)'))
	@echo "installing hedgerow ..."
	@$(PIP) --editable '.[controller]'
	@echo "installing the demo's data set (read as data, so without its dependencies) ..."
	@$(PIP) --no-deps 'seglearn==1.2.5'
	@touch $@

# And what tests, checks and benchmarks need beside it.
$(READY): $(INSTALLED)
	@echo "installing hedgerow's tools ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

# It asks first, without a second try: an index that is not reached is known in a tenth of a second.
torch-cpu:
	@echo "installing torch (CPU) ..."
	@if $(PIP) uv && UV_HTTP_RETRIES=0 $(UV) --dry-run $(TORCH_RELEASE) 2>/dev/null; then $(UV) $(TORCH_RELEASE); \
	else echo "the index of CPU builds is not reached: installing torch as pip finds it"; $(PIP) $(TORCH_RELEASE); fi

torch-cuda:
	@echo "installing torch (CUDA) ..."
	@$(PIP) $(TORCH_RELEASE)

torch-index:
	@echo "installing torch from $(TORCH_INDEX) ..."
	@$(PIP) --index-url $(TORCH_INDEX) $(TORCH_RELEASE)

demo: $(INSTALLED)  ## a controller and a fleet of six real agents on this machine: the whole loop
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

soak-demo: $(INSTALLED)  ## the demo ten times, half of them beside a busy core, or RUNS="1 2" of them: an hour; a stopped one goes on
	@$(BIN)/python -m tests.bench demo $(RUNS)

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

# Set-up and everyday commands; `make` lists them. Needs Python 3.11 or later and nothing else: no root, no compiler.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
UV_VERSION := 0.13.9
CORES ?= all
PYTEST := python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
QUICKSTART := --configfile workflow/recipes/quickstart.yaml

export PATH := $(CURDIR)/$(BIN):$(PATH)

# What make was given goes to Python by the environment, as it stands: neither make nor a shell looks into it.
override MODELS := $(value MODELS)
override TILES := $(value TILES)
override OUT := $(value OUT)
override CONFIG := $(value CONFIG)
export MODELS TILES OUT CONFIG

.PHONY: help setup demo example apply pull test test-slow test-all coverage lint format bench image lock clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY) ## make the virtual environment .venv from envs/requirements.txt

$(READY): envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed: make PYTHON=python3.11")'
	@echo "setup: a virtual environment in $(VENV) (torch and its CUDA libraries are large: minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes envs/requirements.txt
	@$(BIN)/uv pip check --quiet --python $(BIN)/python
	@touch $@
	@echo "setup: done"

demo: $(READY) ## the whole pipeline on generated towns, in about five minutes on two cores
	@snakemake --cores $(CORES) $(QUICKSTART) || failed=1; python workflow/scripts/summary.py results && test -z "$$failed"

example: $(READY) ## small generated tiles in data/ and a small recipe in config.yaml, to try the pipeline on
	@python workflow/scripts/example.py

apply: $(READY) ## use trained models on new tiles: make apply MODELS=folder TILES=folder [OUT=folder] [CONFIG="key=value ..."]
	@test -n "$$MODELS" -a -n "$$TILES" || { echo "error: make apply MODELS=<folder of models> TILES=<folder of tiles>"; exit 2; }
	@python workflow/scripts/apply.py --cores $(CORES) --models="$$MODELS" --tiles="$$TILES" $${OUT:+--out="$$OUT"} $${CONFIG:+--config="$$CONFIG"}

pull: $(READY) ## get data, models and results from the DVC remote, as made: nothing of it is done again
	@dvc pull
	@dvc status --quiet || { echo "error: what was pulled is not what this commit describes (dvc status tells)"; exit 1; }
	@snakemake --touch --forceall --cores 1 --quiet all -- all tuning

test: $(READY) ## run the tests, the slow ones excepted: at most five minutes on two cores
	@$(PYTEST) -m "not slow"

test-slow: $(READY) ## run the slow tests: DVC, clusters, interrupts, many kills (about 15 minutes on two cores)
	@$(PYTEST) -m slow

test-all: $(READY) ## run all tests
	@$(PYTEST)

coverage: $(READY) ## run the tests as `make test` does and measure their line coverage of the library
	@$(PYTEST) -m "not slow" --cov --cov-report=term-missing:skip-covered

lint: $(READY) ## ruff, mypy, snakefmt, snakemake --lint
	@ruff check .
	@ruff format --check .
	@mypy
	@snakefmt --check Snakefile workflow
	@snakemake --lint $(QUICKSTART)

format: $(READY) ## put code and rules into their usual form
	@ruff check --fix .
	@ruff format .
	@snakefmt Snakefile workflow

bench: $(READY) ## every benchmark, as ratios against the usual way
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; python $$file || exit 1; done

image: ## the steps of envs/Dockerfile and `make demo` in a fresh Debian root: needs root and debootstrap
	@envs/try_image.sh

lock: $(READY) ## compile envs/requirements.in into envs/requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes envs/requirements.in -o envs/requirements.txt

clean: ## remove results (not data, not the environment)
	@rm -rf results .snakemake

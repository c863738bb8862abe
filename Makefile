# Set-up and everyday commands; `make` lists them. Only Python 3.11 or later is needed: no root access, no compiler.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
CORES ?= all
PYTEST := python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
QUICKSTART := --configfile workflow/recipes/quickstart.yaml

export PATH := $(CURDIR)/$(BIN):$(PATH)

# These values are passed to Python through the environment, so that neither make nor a shell interprets them.
override MODELS := $(value MODELS)
override TILES := $(value TILES)
override OUT := $(value OUT)
override CONFIG := $(value CONFIG)
export MODELS TILES OUT CONFIG

.PHONY: help setup demo example apply pull test test-slow test-all coverage lint format bench image schema lock clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY) ## create the virtual environment .venv from envs/requirements.txt

$(READY): envs/uv.txt envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed; name one, e.g. make PYTHON=python3.11")'
	@echo "setup: creating the virtual environment $(VENV) (torch and its CUDA libraries are large, so the first time takes minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/uv.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes envs/requirements.txt
	@$(BIN)/uv pip check --quiet --python $(BIN)/python
	@touch $@
	@echo "setup: done"

demo: $(READY) ## run the whole pipeline on generated towns, in about five minutes on two cores
	@snakemake --cores $(CORES) $(QUICKSTART) || failed=1; python workflow/scripts/summary.py results && test -z "$$failed"

example: $(READY) ## write small generated tiles to data/ and a small recipe to config.yaml, to try the pipeline
	@python workflow/scripts/example.py

apply: $(READY) ## apply trained models to new tiles: make apply MODELS=folder TILES=folder [OUT=folder] [CONFIG="key=value ..."]
	@test -n "$$MODELS" -a -n "$$TILES" || { echo "error: make apply MODELS=<folder of models> TILES=<folder of tiles>"; exit 2; }
	@python workflow/scripts/apply.py --cores $(CORES) --models="$$MODELS" --tiles-dir="$$TILES" $${OUT:+--out="$$OUT"} $${CONFIG:+--config="$$CONFIG"}

pull: $(READY) ## get data, models and results from the DVC remote and mark them as up to date
	@dvc pull
	@dvc status --quiet || { echo "error: the pulled files differ from those that this commit describes; see dvc status"; exit 1; }
	@snakemake --touch --forceall --cores 1 --quiet all -- all tuning

test: $(READY) ## run the tests, the slow ones excepted: at most five minutes on two cores
	@$(PYTEST) -m "not slow"

test-slow: $(READY) ## run the slow tests: DVC, clusters, interrupts, many kills (about 18 minutes on two cores)
	@$(PYTEST) -m slow

test-all: $(READY) ## run all tests
	@$(PYTEST)

coverage: $(READY) ## run the tests as `make test` does and measure their line coverage of the library
	@$(PYTEST) -m "not slow" --cov --cov-report=term-missing:skip-covered

lint: $(READY) ## check with ruff, mypy, snakefmt and snakemake --lint
	@ruff check .
	@ruff format --check .
	@mypy
	@snakefmt --check Snakefile workflow
	@snakemake --lint $(QUICKSTART)

format: $(READY) ## format code and rules
	@ruff check --fix .
	@ruff format .
	@snakefmt Snakefile workflow

bench: $(READY) ## run every benchmark, as a ratio to the usual alternative
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; python $$file || exit 1; done

image: ## run the steps of envs/Dockerfile and `make demo` in a fresh Debian; needs root and debootstrap
	@envs/try_image.sh

schema: $(READY) ## generate docs/configuration.md and the JSON schema from the configuration's models
	@PYTHONPATH=workflow/scripts python -m eaves.core.config.reference

lock: $(READY) ## pin every package and its hashes: envs/*.in are compiled into envs/*.txt
	@for name in uv requirements; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes envs/$$name.in -o envs/$$name.txt || exit 1; \
	done

clean: ## remove results (not data, not the environment)
	@rm -rf results .snakemake

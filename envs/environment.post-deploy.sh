#!/bin/sh
# Run by `snakemake --sdm conda` in the environment that it has made of environment.yaml, copied elsewhere.
set -eu
python -m pip install --quiet --require-hashes -r "$SCRIPTS/../../envs/requirements.txt"

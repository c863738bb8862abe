#!/bin/sh
# `snakemake --sdm conda` runs a copy of this script in the environment that it has created from environment.yaml.
set -eu
python -m pip install --quiet --require-hashes -r "$SCRIPTS/../../envs/requirements.txt"

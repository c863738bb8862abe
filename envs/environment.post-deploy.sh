#!/bin/sh
# Run by `snakemake --sdm conda` in the environment that it has made of environment.yaml, copied elsewhere.
set -eu
python -m pip install --quiet --require-hashes -r "$SCRIPTS/../../envs/requirements.txt"
# Activation would point the packages' own PROJ and GDAL at the data of conda's, which may be of another version.
rm -f "$CONDA_PREFIX"/etc/conda/activate.d/*proj* "$CONDA_PREFIX"/etc/conda/activate.d/*gdal*

"""Eaves finds buildings in orthophotos and height models.

The stages: tiles -> folds -> warmups -> models -> predictions -> probabilities -> buildings -> scores -> report.
Each is a target, e.g. `snakemake models`; `snakemake` without a target runs all of them. config.yaml holds the settings
that decide the result, profiles/ those of the machine or cluster.
"""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/settings.smk"


configfile: f"{workflow.basedir}/config.yaml"


# Only used with --sdm apptainer: the image built by envs/Dockerfile.
container: "docker://eaves"


include: "workflow/rules/common.smk"
include: "workflow/rules/code.smk"
include: "workflow/rules/scenes.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/warmup.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/merge.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/separate.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"


onstart:
    note_start()


onsuccess:
    remove_checkpoints()


onerror:
    end_run_with_faults()


rule all:
    """Everything: buildings, outlines, scores and the report."""
    default_target: True
    input:
        rules.buildings.input,
        rules.scores.input,
        rules.report.input,
        rules.code.input,

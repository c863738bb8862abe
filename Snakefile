"""Eaves finds buildings in orthophotos and height models.

The stages: tiles -> folds -> warmups -> models -> predictions -> probabilities -> buildings -> scores -> report.
Each is a target by its name, e.g. `snakemake models`; a bare `snakemake` makes everything. What decides the result is
in config.yaml, how it is run in profiles/.
"""

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config.yaml"


# Only used with --sdm apptainer: an image of that name with the packages of envs/requirements.txt.
container: "docker://eaves"


include: "workflow/rules/links.smk"
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


# Only with --sdm conda: without it, a change of that file would make every result anew.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    for _rule in workflow.rules:
        _rule.conda_env = f"{workflow.basedir}/envs/environment.yaml"


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

"""Provenance: what made each result, from the figures back to the raw tiles.

in:  all results, and Snakemake's records of the jobs that made them (.snakemake/metadata)
out: results/provenance.json, which workflow/scripts/trace.py reads
"""

from hashlib import sha256


# Snakemake's records are where Snakemake runs.
localrules:
    provenance,


# What nothing is made from; everything else is found by going back from there.
ENDS = [*rules.overview.output, *rules.submission.output, *OUTLINES, *rules.score.output]
BETWEEN = [*rules.buildings.input, *rules.probabilities.input, *rules.predictions.input, *rules.tiles.input, *MODELS]
if config["separate"]["tune"]:
    ENDS += rules.tuning.input
if not config["models"]:
    ENDS += expand("results/{stage}/fold-{fold}.csv", stage=["warmups", "models"], fold=FOLDS)
    BETWEEN += [*FIRST_WEIGHTS, *rules.folds.input, *rules.warmups.input]


def plan():
    """A hash of how all jobs are made: a change of code may leave every result as it was, but not what made it."""
    told = {str(getattr(rule.params, name, "")) for rule in workflow.rules for name in ("code", "settings")}
    return sha256("\n".join([*sorted(told), *BATCHES]).encode()).hexdigest()


rule provenance:
    """Writes down what made each result: inputs by their content, code, settings, packages, device."""
    input:
        results=sorted({*BETWEEN} - {*ENDS}),
        ends=ENDS,
    output:
        "results/provenance.json",
    log:
        "results/logs/provenance.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
    params:
        given=MODELS if config["models"] else [],
        # Fold assignment waits for the table of all tiles, and reads nothing in it.
        order_only="split:results/tiles/tiles.csv",
        plan=plan(),
        code=code("provenance.py"),
    shell:
        'python "$SCRIPTS"/provenance.py --output {output:q} --given {params.given:q} --order-only {params.order_only:q}'
        " --log {log:q} -- {input.ends:q}"

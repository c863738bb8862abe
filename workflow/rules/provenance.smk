"""Provenance: what made each result, from the figures back to the raw tiles.

in:  all results, and Snakemake's records of the jobs that made them (.snakemake/metadata)
out: results/provenance.json, which workflow/scripts/trace.py reads
"""


# Snakemake's records are where Snakemake runs.
localrules:
    provenance,


# What nothing is made from; everything else is found by going back from there.
ENDS = [
    *rules.overview.output,
    *rules.plots.output,
    *rules.submission.output,
    *OUTLINES,
    *rules.score.output,
    *(rules.tuning.input if config["separate"]["thresholds"] == "searched" else []),
]
# What is looked into; of everything else between, what the jobs have read is known, though it may have been removed since.
READ = [*MODELS]
if not config["models"]:
    READ += [*rules.folds.input, *rules.weights.input, *rules.warmups.input]
# Blocks of the configuration that change no result: where the tiles are, and how a run is carried out.
NO_RECIPE = ("tiles", "run")


rule provenance:
    """Writes down what made each result: inputs by their content, code, settings, packages, device."""
    input:
        # As plain names: for a name that knows its rule, Snakemake goes through all the others (9.27), hours with many.
        ends=[str(path) for path in ENDS],
        read=[str(path) for path in READ],
        # A change of code or settings may leave every result as it was, but not what made it.
        code="results/code.json",
    output:
        "results/provenance.json",
    log:
        "results/logs/provenance.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
    params:
        settings=settings(*(name for name in config if isinstance(config[name], dict) and name not in NO_RECIPE)),
        batches=[*BATCHES],
        given=MODELS if config["models"] else [],
        # Fold assignment waits for the table of all tiles, and reads nothing in it.
        order_only="split:results/tiles/tiles.csv",
        code=code("provenance.py"),
    shell:
        'python "$SCRIPTS"/provenance.py --output {output:q} --given {params.given:q} --order-only {params.order_only:q}'
        " --log {log:q} -- {input.ends:q}"

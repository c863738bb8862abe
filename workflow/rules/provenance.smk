"""Provenance: how each result was made, from the scores back to the raw tiles.

in:  all results, and Snakemake's metadata of the jobs that made them (.snakemake/metadata)
out: results/provenance.json, which workflow/scripts/trace.py reads
"""


# Snakemake's metadata is on the machine that Snakemake runs on.
localrules:
    provenance,


# Final results; all others are found by tracing back from these.
ENDS = [
    *rules.overview.output,
    *rules.plots.output,
    *rules.submission.output,
    *OUTLINES,
    *rules.score.output,
    *(rules.tuning.input if config["separate"]["thresholds"] == "searched" else []),
]
# Files that are opened; other intermediate files are known from metadata, and may have been removed since.
READ = [*MODELS]
if not config["models"]:
    READ += [*rules.folds.input, *rules.weights.input, *rules.warmups.input]
# Blocks that change no result: where the tiles are, and how a run is carried out.
NO_RECIPE = ("tiles", "run")


rule provenance:
    """Record how each result was made: hashes of inputs, code, settings, packages, device."""
    input:
        # As plain strings: for paths that know their rule, Snakemake 9.27 compares all pairs, which takes hours.
        ends=[str(path) for path in ENDS],
        read=[str(path) for path in READ],
        # A change of code or settings may leave every result as it was, but changes how it was made.
        code="results/code.json",
    output:
        provenance="results/provenance.json",
    log:
        "results/logs/provenance.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=more_memory(2000),
    params:
        settings=settings(*(name for name in config if isinstance(config[name], dict) and name not in NO_RECIPE)),
        batches=[*BATCHES],
        given=MODELS if config["models"] else [],
        # Fold assignment waits for the table of all tiles but does not read it.
        order_only="split:results/tiles/tiles.csv",
        code=code("provenance.py"),
    shell:
        'python "$SCRIPTS"/provenance.py --output {output.provenance:q} --given {params.given:q} --order-only {params.order_only:q}'
        " --log {log:q} -- {input.ends:q}"

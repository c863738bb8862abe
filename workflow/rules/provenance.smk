"""Provenance: how each result was made, from the scores back to the raw tiles.

in:  the records of all jobs, results/records/<stage>/<job>.json
out: results/provenance.json, which workflow/scripts/trace.py reads
"""

# The folders have the names of the stages in dvc.yaml; below them, a record is named like its job's log.
RECORDS = [
    *expand("tiles/prepare/{batch}", batch=BATCHES),
    "tiles/catalogue",
    *expand("predictions/predict/{batch}-fold-{fold}", batch=batches_of("test"), fold=range(len(MODELS))),
    *expand("probabilities/merge/{batch}", batch=BATCHES),
    *expand("buildings/separate/{batch}", batch=BATCHES),
    "buildings/outline",
    "buildings/submission",
    "scores/score",
    "report/overview",
    "report/plots",
]
if config["scenes"]:
    RECORDS += expand("scenes/scenes/{batch}", batch=BATCHES)
if not config["models"]:
    RECORDS += ["folds/split", "weights/fetch_encoder_weights"]
    RECORDS += expand(["warmups/warmup/fold-{fold}", "models/train/fold-{fold}"], fold=FOLDS)
    RECORDS += expand("predictions/predict/{batch}-out-of-fold", batch=batches_of("train"))
if config["separate"]["thresholds"] == "searched":
    RECORDS += [*expand("tuning/tune/{batch}", batch=batches_of("train")), "tuning/choose"]


rule provenance:
    """Collect how each result was made: hashes of inputs, code, settings, packages, device."""
    input:
        records=[f"results/records/{name}.json" for name in RECORDS],
        # Models of another run, made by no job here; their metadata hold the packages and device of their training.
        given=MODELS if config["models"] else [],
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
        code=code("provenance.py"),
    shell:
        'python "$SCRIPTS"/provenance.py --output {output.provenance:q} --given {input.given:q} --log {log:q}'
        " -- {input.records:q}"

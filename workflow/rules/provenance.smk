"""Provenance: what made each result, from the figures back to the raw tiles.

in:  the records of all jobs, results/records/<stage>/<job>.json
out: results/provenance.json, which workflow/scripts/trace.py reads
"""

# The folders are named like the stages in dvc.yaml; below them, a record is named like its job's log.
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
if thresholds():
    RECORDS += [*expand("tuning/tune/{batch}", batch=batches_of("train")), "tuning/choose"]


rule provenance:
    """Collect what made each result: inputs by their content, code, settings, packages and device."""
    input:
        records=[f"results/records/{name}.json" for name in RECORDS],
        # No job made them: the packages and device of their training are in their own metadata.
        given=MODELS if config["models"] else [],
    output:
        "results/provenance.json",
    log:
        "results/logs/provenance.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
    params:
        code=code("provenance.py"),
    shell:
        'python "$SCRIPTS"/provenance.py --output {output:q} --given {input.given:q} --log {log:q} -- {input.records:q}'

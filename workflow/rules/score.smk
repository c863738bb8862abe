"""Scoring: the challenge's score and standard metrics, out-of-fold and test, wherever there is truth.

in:  results/buildings/<tile>.tif, results/probabilities/<tile>.tif, results/tiles/<tile>_truth.tif and _image.tif,
     results/tiles/tiles.csv
out: results/scores/: scores.json; tiles.csv, groups.csv, buildings.csv (a row each); by_iou.csv, by_size.csv,
     by_confidence.csv, precision_recall.csv
"""


rule score:
    """Compare buildings with the truth by the challenge's rules and by standard metrics."""
    input:
        table="results/tiles/tiles.csv",
        buildings=[f"results/buildings/{tile}.tif" for tile in WITH_TRUTH],
        probabilities=[f"results/probabilities/{tile}.tif" for tile in WITH_TRUTH],
        truths=truths(WITH_TRUTH),
        images=images(WITH_TRUTH),
        thresholds=thresholds(),
    output:
        scores="results/scores/scores.json",
        tiles="results/scores/tiles.csv",
        buildings="results/scores/buildings.csv",
        groups="results/scores/groups.csv",
        by_iou="results/scores/by_iou.csv",
        by_size="results/scores/by_size.csv",
        by_confidence="results/scores/by_confidence.csv",
        curve="results/scores/precision_recall.csv",
        record="results/records/scores/score.json",
    log:
        "results/logs/score.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=more_memory(4000),
    params:
        settings=settings("score", "split", "separate"),
        thresholds=as_option("--thresholds", "thresholds"),
        truth=folders_of("truths", "results/tiles"),
        solution=folders_of("buildings", "results/buildings"),
        heights=folders_of("images", "results/tiles"),
        confidence=folders_of("probabilities", "results/probabilities"),
        code=code("score.py"),
    shell:
        'python "$SCRIPTS"/score.py --table {input.table:q} --truth {params.truth:q} --solution {params.solution:q}'
        " --heights {params.heights:q} --confidence {params.confidence:q} --json {output.scores:q}"
        " --csv {output.tiles:q}"
        " --groups-csv {output.groups:q} --buildings-csv {output.buildings:q} --by-iou-csv {output.by_iou:q}"
        " --by-size-csv {output.by_size:q}"
        " --by-confidence-csv {output.by_confidence:q} --curve-csv {output.curve:q}"
        " --settings {params.settings:q} {params.thresholds} --log {log:q} --record {output.record:q}"
        " --code {params.code}"


rule scores:
    """Target: the scores."""
    input:
        rules.score.output,

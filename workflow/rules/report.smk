"""Report: a picture of some results, and the tables that `dvc plots` draws.

in:  prepared images and buildings of some test tiles; the folds' losses; results/scores/
out: results/overview.png, results/plots/*.csv
"""

SHOWN_TILES = 4
SHOWN = NAMES["test"][:: max(1, len(NAMES["test"]) // SHOWN_TILES)][:SHOWN_TILES]


rule overview:
    """Draw orthophoto, height, truth and found buildings of some test tiles side by side."""
    input:
        images=images(SHOWN),
        truths=truths(SHOWN),
        buildings=[f"results/buildings/{tile}.tif" for tile in SHOWN],
    output:
        picture=report(
            "results/overview.png",
            caption="../report/overview.rst",
            category="Overview",
        ),
        record="results/records/report/overview.json",
    log:
        "results/logs/overview.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    params:
        tiles=SHOWN,
        code=code("overview.py"),
    shell:
        'python "$SCRIPTS"/overview.py --output {output.picture:q} --buildings $(dirname {input.buildings[0]:q})'
        " --tiles-dir $(dirname {input.images[0]:q})"
        " --log {log:q} --record {output.record:q} --code {params.code} {params.tiles:q}"


# Models of another run come without losses.
HISTORIES = {
    stage: [] if config["models"] else [f"results/{stage}/fold-{fold}.csv" for fold in FOLDS]
    for stage in ("warmups", "models")
}
PLOTS = ["f_score_by_iou", "precision_recall"] if config["models"] else ["f_score_by_iou", "precision_recall", "losses"]


rule plots:
    """Join losses and scores into tables with a column per plotted line."""
    input:
        by_iou="results/scores/by_iou.csv",
        curve="results/scores/precision_recall.csv",
        warmups=HISTORIES["warmups"],
        models=HISTORIES["models"],
    output:
        tables=[f"results/plots/{name}.csv" for name in PLOTS],
        record="results/records/report/plots.json",
    log:
        "results/logs/plots.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    params:
        code=code("plots.py"),
    shell:
        'python "$SCRIPTS"/plots.py --by-iou {input.by_iou:q} --curve {input.curve:q} --warmups {input.warmups:q}'
        " --models {input.models:q} --folder $(dirname {output.tables[0]:q}) --log {log:q} --record {output.record:q}"
        " --code {params.code}"


rule report:
    """Target: the picture, the tables for `dvc plots`, and the provenance."""
    input:
        "results/overview.png",
        rules.plots.output,
        "results/provenance.json",

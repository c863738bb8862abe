"""Tuning: a search for the separation thresholds that score best on the training tiles, out of fold.

in:  of the training tiles: results/probabilities/<tile>.tif, the prepared image and the truth; results/folds/folds.csv
out: results/tuning/counts/<batch>.csv; results/tuning/surface.csv, surface.png, chosen.json

Runs with `separate.thresholds: searched`, or on request: `snakemake tuning`. Test tiles are not used.
"""

if not config["models"]:
    for _batch, _members in batches_of("train").items():

        rule:
            """Count what each combination of thresholds finds on a batch of training tiles."""
            name:
                f"tune_{_batch}"
            input:
                probabilities=[f"results/probabilities/{tile}.tif" for tile in _members],
                images=images(_members),
                truths=truths(_members),
            output:
                counts=f"results/tuning/counts/{_batch}.csv",
                record=f"results/records/tuning/tune/{_batch}.json",
            log:
                f"results/logs/tune/{_batch}.log",
            group:
                "merge"
            conda:
                CONDA_ENVIRONMENT
            threads: 1
            resources:
                mem_mb=more_memory(4000),
            params:
                settings=settings("separate", "threshold_search", "score.iou_threshold", "score.rules"),
                code=code("tune.py"),
            shell:
                'python "$SCRIPTS"/tune.py --tiles-dir $(dirname {input.images[0]:q}) --output {output.counts:q}'
                " --settings {params.settings:q} --log {log:q} --record {output.record:q}"
                " --code {params.code} {input.probabilities:q}"

    rule choose:
        """Choose the thresholds, cross-validate the choice, and plot the score against them."""
        input:
            tables=expand("results/tuning/counts/{batch}.csv", batch=batches_of("train")),
            folds="results/folds/folds.csv",
        output:
            chosen="results/tuning/chosen.json",
            surface="results/tuning/surface.csv",
            picture=report(
                "results/tuning/surface.png",
                caption="../report/tuning.rst",
                category="Tuning",
            ),
            record="results/records/tuning/choose.json",
        log:
            "results/logs/choose.log",
        conda:
            CONDA_ENVIRONMENT
        threads: 1
        resources:
            mem_mb=more_memory(2000),
        params:
            settings=settings("separate", "threshold_search", "score.iou_threshold", "score.rules"),
            code=code("choose.py"),
        shell:
            'python "$SCRIPTS"/choose.py --folds {input.folds:q} --folder $(dirname {output.chosen:q})'
            " --settings {params.settings:q} --log {log:q} --record {output.record:q}"
            " --code {params.code} {input.tables:q}"

    rule tuning:
        """Target: the chosen thresholds, and the score as a function of the thresholds."""
        input:
            "results/tuning/chosen.json",
            "results/tuning/surface.csv",
            "results/tuning/surface.png",

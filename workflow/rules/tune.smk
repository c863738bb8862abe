"""Tuning: the separation's thresholds that do best on the training tiles, out of fold; no test tile has a part in it.

in:  results/probabilities/<tile>.tif and the prepared tile with its truth, of the training tiles; results/folds/folds.csv
out: results/tuning/counts/<batch>.csv; results/tuning/surface.csv, surface.png, chosen.json

Made with `separate.thresholds: searched`, or when asked for: `snakemake tuning`.
"""

if not config["models"]:
    for _batch, _members in batches_of("train").items():

        rule:
            """Counts what each combination of thresholds finds on a batch of training tiles."""
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
            threads: 1
            resources:
                mem_mb=more_memory(4000),
            params:
                settings=settings("separate", "threshold_search", "score.iou_threshold", "score.rules"),
                code=code("tune.py"),
            shell:
                'python "$SCRIPTS"/tune.py --tiles $(dirname {input.images[0]:q}) --output {output.counts:q}'
                " --settings {params.settings:q} --log {log:q} --record {output.record:q} --code {params.code} {input.probabilities:q}"

    rule choose:
        """Chooses the thresholds, cross-validates the choice, and draws how the score depends on them."""
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
        threads: 1
        resources:
            mem_mb=more_memory(2000),
        params:
            settings=settings("separate", "threshold_search", "score.iou_threshold", "score.rules"),
            code=code("choose.py"),
        shell:
            'python "$SCRIPTS"/choose.py --folds {input.folds:q} --folder $(dirname {output.chosen:q})'
            " --settings {params.settings:q} --log {log:q} --record {output.record:q} --code {params.code} {input.tables:q}"

    rule tuning:
        """Target: the thresholds that do best out of fold, and how the score depends on them."""
        input:
            "results/tuning/chosen.json",
            "results/tuning/surface.csv",
            "results/tuning/surface.png",

"""Fold assignment: which training tile is held out by which fold.

in:  the tables of the training tiles' batches
out: results/folds/folds.csv; training depends on this table, and by its hashes on the training tiles' content
"""

if not config["models"]:

    rule split:
        """Assigns every training tile to the fold that holds it out."""
        input:
            tables=expand("results/tiles/batches/{batch}.csv", batch=batches_of("train")),
            # Every tile, the test tiles too, is checked before training starts; which they are does not matter.
            checked=ancient("results/tiles/tiles.csv"),
            # Training goes by this table: what it reads is listed here, once for all folds.
            tiles=ancient(images(NAMES["train"]) + truths(NAMES["train"])),
        output:
            folds="results/folds/folds.csv",
            record="results/records/folds/split.json",
        log:
            "results/logs/split.log",
        threads: 1
        params:
            settings=settings("split"),
            code=code("split.py"),
        shell:
            'python "$SCRIPTS"/split.py --output {output.folds:q} --tiles $(dirname {input.tiles[0]:q}) --settings {params.settings:q}'
            " --log {log:q} --record {output.record:q} --code {params.code} {input.tables:q}"

    rule folds:
        """Target: the assignment of the training tiles to folds."""
        input:
            "results/folds/folds.csv",

"""Fold assignment: which fold holds out which training tile.

in:  the tables of the training tiles' batches
out: results/folds/folds.csv; training depends on this table, whose hashes stand for the content of the training tiles
"""

if not config["models"]:

    rule split:
        """Assign every training tile to the fold that holds it out."""
        input:
            tables=expand("results/tiles/batches/{batch}.csv", batch=batches_of("train")),
            # All tiles, test tiles included, are checked before training starts; a change in them causes no rerun.
            checked=ancient("results/tiles/tiles.csv"),
            # The tiles that training reads are listed here, once for all folds; training jobs list tables only.
            tiles=ancient(images(NAMES["train"]) + truths(NAMES["train"])),
        output:
            folds="results/folds/folds.csv",
            record="results/records/folds/split.json",
        log:
            "results/logs/split.log",
        conda:
            CONDA_ENVIRONMENT
        threads: 1
        params:
            settings=settings("split"),
            code=code("split.py"),
        shell:
            'python "$SCRIPTS"/split.py --output {output.folds:q} --tiles-dir $(dirname {input.tiles[0]:q})'
            " --settings {params.settings:q}"
            " --log {log:q} --record {output.record:q} --code {params.code} {input.tables:q}"

    rule folds:
        """Target: the assignment of the training tiles to folds."""
        input:
            "results/folds/folds.csv",

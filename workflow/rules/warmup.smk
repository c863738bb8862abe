"""RGB warm-up: one job per fold trains the network without heights.

in:  results/folds/folds.csv and the prepared training tiles
out: results/warmups/fold-<k>.safetensors and .csv (losses per epoch)
"""

if not config["models"]:

    rule warmup:
        """Trains one fold's network on RGB alone."""
        input:
            folds="results/folds/folds.csv",
            # The table holds the tiles' hashes: it says whether they have changed.
            tiles=ancient(images(NAMES["train"]) + truths(NAMES["train"])),
        output:
            multiext("results/warmups/fold-{fold}", weights=".safetensors", history=".csv"),
        log:
            "results/logs/warmup/fold-{fold}.log",
        # Training goes before inference: the last fold is what everything else waits for.
        priority: 10
        threads: share_of_cores
        resources:
            gpu=1,
            mem_mb=more_memory(8000),
        params:
            settings=settings("split", "model", "input", "sample", "augment", "optimize", "warmup"),
            code=code("warmup.py"),
            checkpoint="results/checkpoints/warmup-{fold}.pt",
        shell:
            "python $SCRIPTS/warmup.py --fold {wildcards.fold} --folds {input.folds:q} --tiles $(dirname {input.tiles[0]:q})"
            " --output {output.weights:q} --history {output.history:q} --checkpoint {params.checkpoint:q}"
            " --settings {params.settings:q} --threads {threads} --log {log:q}"

    rule warmups:
        """Target: every fold's warm-up."""
        input:
            expand("results/warmups/fold-{fold}.safetensors", fold=FOLDS),

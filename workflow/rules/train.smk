"""Full training: one job per fold, on RGB and height.

in:  results/folds/folds.csv, the prepared training tiles, the fold's warm-up
out: results/models/fold-<k>.safetensors and .csv (losses per epoch)
"""

if not config["models"]:

    rule train:
        """Trains one fold's network on RGB and height."""
        input:
            folds="results/folds/folds.csv",
            warmup="results/warmups/fold-{fold}.safetensors",
            tiles=ancient(for_training()),
        output:
            weights="results/models/fold-{fold}.safetensors",
            history="results/models/fold-{fold}.csv",
            record="results/records/models/train/fold-{fold}.json",
        log:
            "results/logs/train/fold-{fold}.log",
        # Training goes before inference: the last fold is what everything else waits for.
        priority: 10
        threads: share_of_cores
        resources:
            gpu=config["run"]["gpus_per_fold"],
            mem_mb=more_memory(8000),
        params:
            settings=settings("split", "model", "input", "sample", "augment", "optimize", "train"),
            code=code("train.py"),
            tiles=tiles_folder,
            checkpoint="results/checkpoints/train-{fold}.pt",
            journal="results/tensorboard/train-fold-{fold}",
        shell:
            # No shell stays in between: a signal that asks to stop has to reach training, and it alone.
            'exec python "$SCRIPTS"/train.py --fold {wildcards.fold} --folds {input.folds:q} --tiles {params.tiles:q}'
            " --warmup {input.warmup:q}"
            " --output {output.weights:q} --history {output.history:q} --checkpoint {params.checkpoint:q} $CHECKPOINT_EVERY --journal {params.journal:q}"
            ' --fold-cache "$EAVES_FOLD_CACHE"'
            " --settings {params.settings:q} --threads {threads} --gpus {resources.gpu} --log {log:q} --record {output.record:q} --code {params.code}"

    rule models:
        """Target: every fold's model."""
        input:
            expand("results/models/fold-{fold}.safetensors", fold=FOLDS),

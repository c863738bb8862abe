"""Full training: one job per fold, on RGB and height.

in:  results/folds/folds.csv, the prepared training tiles, the fold's warm-up
out: results/models/fold-<k>.safetensors and .csv (losses per epoch)
"""

if not config["models"]:

    rule train:
        """Train one fold's network on RGB and height."""
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
        # Training takes precedence over inference, because everything else waits for the last fold.
        priority: 10
        conda:
            CONDA_ENVIRONMENT
        threads: share_of_cores
        resources:
            gpu=config["run"]["gpus_per_fold"],
            mem_mb=more_memory(8000),
            # Resources, because a change of them must not retrain.
            checkpoint_minutes=str(config["run"]["checkpoint_minutes"]),
            checkpoint_steps=config["run"]["checkpoint_steps"] or 0,
        params:
            fold=fold_number,
            settings=settings("split", "model", "input", "sample", "augment", "optimize", "train"),
            code=code("train.py"),
            tiles=tiles_folder,
            checkpoint="results/checkpoints/train-{fold}.pt",
            tensorboard="results/tensorboard/train-fold-{fold}",
        shell:
            # `exec` leaves no shell in between, so that a signal to stop reaches training, and training alone.
            'exec python "$SCRIPTS"/train.py --fold {params.fold} --folds {input.folds:q} --tiles-dir {params.tiles:q}'
            " --warmup {input.warmup:q}"
            " --output {output.weights:q} --history {output.history:q} --checkpoint {params.checkpoint:q}"
            " --checkpoint-minutes {resources.checkpoint_minutes} --checkpoint-steps {resources.checkpoint_steps}"
            " --tensorboard-dir {params.tensorboard:q}"
            ' --fold-cache "$FOLD_CACHE"'
            " --settings {params.settings:q} --threads {threads} --gpus {resources.gpu} --log {log:q}"
            " --record {output.record:q} --code {params.code}"

    rule models:
        """Target: every fold's model."""
        input:
            expand("results/models/fold-{fold}.safetensors", fold=FOLDS),

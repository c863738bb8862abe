"""RGB warm-up: one job per fold trains the network without heights.

in:  results/folds/folds.csv, the prepared training tiles, the encoder's initial weights
out: results/warmups/fold-<k>.safetensors and .csv (losses per epoch)
"""

if not config["models"]:

    # Runs on the machine that Snakemake runs on, because a cluster's nodes may have no internet access.
    localrules:
        fetch_encoder_weights,

    rule fetch_encoder_weights:
        """Fetch the encoder's initial weights, once for all folds."""
        input:
            weights=weights_file(),
        output:
            encoder="results/weights/encoder.safetensors",
            record="results/records/weights/fetch_encoder_weights.json",
        log:
            "results/logs/fetch_encoder_weights.log",
        conda:
            CONDA_ENVIRONMENT
        threads: 1
        params:
            settings=settings("model"),
            code=code("fetch_encoder_weights.py"),
            folder=config["run"]["weights_folder"],
        shell:
            'python "$SCRIPTS"/fetch_encoder_weights.py --output {output.encoder:q} --folder {params.folder:q}'
            " --settings {params.settings:q} --log {log:q} --record {output.record:q} --code {params.code}"

    rule warmup:
        """Train one fold's network on RGB alone."""
        input:
            folds="results/folds/folds.csv",
            encoder="results/weights/encoder.safetensors",
            # Changes of the tiles are noticed by their hashes in the table.
            tiles=ancient(for_training()),
        output:
            weights="results/warmups/fold-{fold}.safetensors",
            history="results/warmups/fold-{fold}.csv",
            record="results/records/warmups/warmup/fold-{fold}.json",
        log:
            "results/logs/warmup/fold-{fold}.log",
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
            settings=settings("split", "model", "input", "sample", "augment", "optimize", "warmup"),
            code=code("warmup.py"),
            tiles=tiles_folder,
            checkpoint="results/checkpoints/warmup-{fold}.pt",
            tensorboard="results/tensorboard/warmup-fold-{fold}",
        shell:
            # `exec` leaves no shell in between, so that a signal to stop reaches training, and training alone.
            'exec python "$SCRIPTS"/warmup.py --fold {params.fold} --folds {input.folds:q} --tiles-dir {params.tiles:q}'
            " --output {output.weights:q} --history {output.history:q} --checkpoint {params.checkpoint:q}"
            " --checkpoint-minutes {resources.checkpoint_minutes} --checkpoint-steps {resources.checkpoint_steps}"
            " --tensorboard-dir {params.tensorboard:q}"
            ' --fold-cache "$FOLD_CACHE"'
            " --encoder {input.encoder:q}"
            " --settings {params.settings:q} --threads {threads} --gpus {resources.gpu} --log {log:q}"
            " --record {output.record:q} --code {params.code}"

    rule weights:
        """Target: the encoder's initial weights."""
        input:
            "results/weights/encoder.safetensors",

    rule warmups:
        """Target: every fold's warm-up."""
        input:
            expand("results/warmups/fold-{fold}.safetensors", fold=FOLDS),

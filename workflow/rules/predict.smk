"""Per-fold inference: test tiles by every fold's model, training tiles by the model that held them out.

in:  a batch's prepared images, a model (for training tiles: all of them, and results/folds/folds.csv)
out: results/predictions/fold-<k>/<tile>.tif, results/predictions/out-of-fold/<tile>.tif: probability of building;
     temporary with run.keep_predictions: false
"""

# With `models: <folder>`, the models in the folder take the place of the folds, in the order of their names.
for _batch, _members in batches_of("test").items():
    for _fold, _model in enumerate(MODELS):

        rule:
            """Predict a batch of test tiles with one fold's model."""
            name:
                f"predict_{_batch}_fold-{_fold}"
            input:
                images=images(_members),
                model=_model,
            output:
                tiles=[kept_prediction(f"results/predictions/fold-{_fold}/{tile}.tif") for tile in _members],
                record=f"results/records/predictions/predict/{_batch}-fold-{_fold}.json",
            log:
                f"results/logs/predict/{_batch}-fold-{_fold}.log",
            conda:
                CONDA_ENVIRONMENT
            threads: share_of_cores
            resources:
                gpu=1,
                mem_mb=more_memory(8000),
            params:
                settings=settings("predict"),
                code=code("predict.py"),
            shell:
                'python "$SCRIPTS"/predict.py --models {input.model:q} --folder $(dirname {output.tiles[0]:q})'
                " --settings {params.settings:q} --threads {threads} --log {log:q} --record {output.record:q}"
                " --code {params.code} {input.images:q}"


if not config["models"]:
    for _batch, _members in batches_of("train").items():

        rule:
            """Predict a batch of training tiles, each with the model that held it out."""
            name:
                f"predict_{_batch}_out-of-fold"
            input:
                images=images(_members),
                folds="results/folds/folds.csv",
                models=MODELS,
            output:
                tiles=[kept_prediction(f"results/predictions/out-of-fold/{tile}.tif") for tile in _members],
                record=f"results/records/predictions/predict/{_batch}-out-of-fold.json",
            log:
                f"results/logs/predict/{_batch}-out-of-fold.log",
            conda:
                CONDA_ENVIRONMENT
            threads: share_of_cores
            resources:
                gpu=1,
                mem_mb=more_memory(8000),
            params:
                settings=settings("predict"),
                code=code("predict.py"),
            shell:
                'python "$SCRIPTS"/predict.py --models {input.models:q} --folds {input.folds:q}'
                " --folder $(dirname {output.tiles[0]:q})"
                " --settings {params.settings:q} --threads {threads} --log {log:q} --record {output.record:q}"
                " --code {params.code} {input.images:q}"


rule predictions:
    """Target: every prediction, out-of-fold and test; if they are not kept, the merged probabilities."""
    input:
        [
            f"{folder}/{tile}.tif"
            for batch, members in BATCHES.items()
            for folder in (
                prediction_folders(batch) if config["run"]["keep_predictions"] else ["results/probabilities"]
            )
            for tile in members
        ],

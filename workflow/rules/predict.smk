"""Per-fold inference: test tiles by every fold's model, training tiles by the one that has not seen them.

in:  a batch's prepared images, a model (for training tiles: all of them, and results/folds/folds.csv)
out: results/predictions/fold-<k>/<tile>.tif, results/predictions/out-of-fold/<tile>.tif: probability of building
"""

# With a folder of models given, they take the place of the folds: fold-0 is the first by name.
for _batch, _members in batches_of("test").items():
    for _fold, _model in enumerate(MODELS):

        rule:
            """Predicts a batch of test tiles by one fold's model."""
            name:
                f"predict_{_batch}_fold-{_fold}"
            input:
                images=images(_members),
                model=_model,
            output:
                [f"results/predictions/fold-{_fold}/{tile}.tif" for tile in _members],
            params:
                folder=f"results/predictions/fold-{_fold}",
                settings=settings("predict"),
                code=code("predict.py"),
            log:
                f"results/logs/predict/{_batch}-fold-{_fold}.log",
            threads: 4
            resources:
                gpu=1,
                mem_mb=more_memory(8000),
            shell:
                "python {SCRIPTS}/predict.py --models {input.model:q} --folder {params.folder:q}"
                " --settings {params.settings:q} --threads {threads} --log {log:q} {input.images:q}"


if not config["models"]:
    for _batch, _members in batches_of("train").items():

        rule:
            """Predicts a batch of training tiles, each by the model that held it out."""
            name:
                f"predict_{_batch}_out-of-fold"
            input:
                images=images(_members),
                folds="results/folds/folds.csv",
                models=MODELS,
            output:
                [f"results/predictions/out-of-fold/{tile}.tif" for tile in _members],
            params:
                folder="results/predictions/out-of-fold",
                settings=settings("predict"),
                code=code("predict.py"),
            log:
                f"results/logs/predict/{_batch}-out-of-fold.log",
            threads: 4
            resources:
                gpu=1,
                mem_mb=more_memory(8000),
            shell:
                "python {SCRIPTS}/predict.py --models {input.models:q} --folds {input.folds:q} --folder {params.folder:q}"
                " --settings {params.settings:q} --threads {threads} --log {log:q} {input.images:q}"


def prediction_folders(batch):
    """Where the predictions lie that are merged for a batch: one folder per model, or the out-of-fold ones."""
    if batch.startswith("train-"):
        return ["results/predictions/out-of-fold"]
    return [f"results/predictions/fold-{fold}" for fold in range(len(MODELS))]


rule predictions:
    """Target: every prediction, out-of-fold and test."""
    input:
        [
            f"{folder}/{tile}.tif"
            for batch, members in BATCHES.items()
            for folder in prediction_folders(batch)
            for tile in members
        ],

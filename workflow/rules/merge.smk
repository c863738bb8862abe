"""Mean over the folds: their predictions become one raster of probability per tile.

in:  results/predictions/fold-<k>/<tile>.tif of a batch; for training tiles results/predictions/out-of-fold/<tile>.tif
out: results/probabilities/<tile>.tif
"""

for _batch, _members in BATCHES.items():

    rule:
        """Average the folds' predictions of a batch of tiles."""
        name:
            f"merge_{_batch}"
        input:
            predictions=[f"{folder}/{tile}.tif" for folder in prediction_folders(_batch) for tile in _members],
        output:
            tiles=[f"results/probabilities/{tile}.tif" for tile in _members],
            record=f"results/records/probabilities/merge/{_batch}.json",
        log:
            f"results/logs/merge/{_batch}.log",
        group:
            "merge"
        conda:
            CONDA_ENVIRONMENT
        threads: 1
        resources:
            mem_mb=more_memory(2000),
        params:
            folders=folders_of(),
            tiles=_members,
            code=code("merge.py"),
        shell:
            'python "$SCRIPTS"/merge.py --predictions {params.folders:q} --folder $(dirname {output.tiles[0]:q})'
            " --log {log:q} --record {output.record:q} --code {params.code}"
            " --tile-names {params.tiles:q}"


rule probabilities:
    """Target: every tile's merged probability."""
    input:
        [f"results/probabilities/{tile}.tif" for tile in ALL_TILES],

"""Tile preparation: raw tiles become images of R, G, B and height, each with its truth.

in:  <tile>_RGB.tif, _DSM.tif, _DTM.tif (and _GTI.tif, _GTL.tif) of a batch of tiles
out: results/tiles/<tile>_image.tif, <tile>_truth.tif; results/tiles/batches/<batch>.csv; results/tiles/tiles.csv
"""

for _batch, _members in BATCHES.items():
    _set = _batch.split("-")[0]

    rule:
        """Prepare a batch of tiles."""
        name:
            f"prepare_{_batch}"
        input:
            raw=[path for tile in _members for path in TILES[_set][tile].present()],
        output:
            images=images(_members),
            truths=truths(_members),
            table=f"results/tiles/batches/{_batch}.csv",
            record=f"results/records/tiles/prepare/{_batch}.json",
        log:
            f"results/logs/prepare/{_batch}.log",
        group:
            "prepare"
        conda:
            CONDA_ENVIRONMENT
        threads: 1
        resources:
            mem_mb=more_memory(2000),
        params:
            files=raw_files(_set, _members),
            set=_set,
            settings=settings("prepare"),
            code=code("prepare.py"),
        shell:
            'python "$SCRIPTS"/prepare.py --files {params.files:q} --set {params.set}'
            " --folder $(dirname {output.images[0]:q})"
            " --table {output.table:q} --settings {params.settings:q} --log {log:q} --record {output.record:q}"
            " --code {params.code}"


rule catalogue:
    """Join the batches' tables into one, with a row per tile."""
    input:
        tables=expand("results/tiles/batches/{batch}.csv", batch=BATCHES),
    output:
        table="results/tiles/tiles.csv",
        record="results/records/tiles/catalogue.json",
    log:
        "results/logs/catalogue.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    params:
        code=code("catalogue.py"),
    shell:
        'python "$SCRIPTS"/catalogue.py --output {output.table:q} --log {log:q} --record {output.record:q}'
        " --code {params.code} {input.tables:q}"


rule tiles:
    """Target: every tile prepared."""
    input:
        "results/tiles/tiles.csv",
        images(ALL_TILES),
        truths(ALL_TILES),

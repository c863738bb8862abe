"""Watershed: probabilities become single buildings; those of the test tiles become outlines and the submission.

in:  results/probabilities/<tile>.tif and the prepared image (heights, nodata) of a batch; results/tuning/chosen.json
     with `separate.thresholds: searched`; the raw DTM for outlines
out: results/buildings/<tile>.tif; results/buildings/buildings.gpkg and other formats; results/submission.txt
"""

ENDINGS = {"gpkg": "gpkg", "parquet": "parquet", "geojson": "geojson", "cityjson": "city.jsonl"}
# The GeoPackage is always written; the order of the formats in the configuration does not matter.
OUTLINES = [
    f"results/buildings/buildings.{ending}"
    for name, ending in ENDINGS.items()
    if name == "gpkg" or name in config["outline"]["formats"]
]

for _batch, _members in BATCHES.items():

    rule:
        """Separate the probabilities of a batch of tiles into buildings."""
        name:
            f"separate_{_batch}"
        input:
            probabilities=[f"results/probabilities/{tile}.tif" for tile in _members],
            images=images(_members),
            thresholds=thresholds(),
        output:
            tiles=[f"results/buildings/{tile}.tif" for tile in _members],
            record=f"results/records/buildings/separate/{_batch}.json",
        log:
            f"results/logs/separate/{_batch}.log",
        group:
            "separate" if config["separate"]["thresholds"] == "searched" else "merge"
        conda:
            CONDA_ENVIRONMENT
        threads: 1
        resources:
            mem_mb=more_memory(4000),
        params:
            settings=settings("separate"),
            thresholds=as_option("--thresholds", "thresholds"),
            code=code("separate.py"),
        shell:
            'python "$SCRIPTS"/separate.py --folder $(dirname {output.tiles[0]:q})'
            " --tiles-dir $(dirname {input.images[0]:q})"
            " --settings {params.settings:q} {params.thresholds} --log {log:q} --record {output.record:q}"
            " --code {params.code} {input.probabilities:q}"


rule outline:
    """Draw the outline of every building on the test tiles, with its area, heights and confidence."""
    input:
        table="results/tiles/tiles.csv",
        buildings=[f"results/buildings/{tile}.tif" for tile in NAMES["test"]],
        probabilities=[f"results/probabilities/{tile}.tif" for tile in NAMES["test"]],
        images=images(NAMES["test"]),
        ground=[TILES["test"][tile].dtm for tile in NAMES["test"]],
    output:
        outlines=OUTLINES,
        record="results/records/buildings/outline.json",
    log:
        "results/logs/outline.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=more_memory(4000),
    params:
        settings=settings("outline.regularize_m", "outline.min_confidence"),
        ground=common_folder_of("ground"),
        code=code("outline.py"),
    shell:
        'python "$SCRIPTS"/outline.py --table {input.table:q} --labels $(dirname {input.buildings[0]:q})'
        " --probabilities $(dirname {input.probabilities[0]:q}) --heights $(dirname {input.images[0]:q})"
        " --ground {params.ground:q} --settings {params.settings:q} --output {output.outlines:q} --log {log:q}"
        " --record {output.record:q} --code {params.code}"


rule submission:
    """Write the test tiles' buildings in the challenge's text format."""
    input:
        table="results/tiles/tiles.csv",
        buildings=[f"results/buildings/{tile}.tif" for tile in NAMES["test"]],
    output:
        submission="results/submission.txt",
        record="results/records/buildings/submission.json",
    log:
        "results/logs/submission.log",
    conda:
        CONDA_ENVIRONMENT
    threads: 1
    params:
        code=code("submission.py"),
    shell:
        'python "$SCRIPTS"/submission.py --table {input.table:q} --buildings $(dirname {input.buildings[0]:q})'
        " --output {output.submission:q}"
        " --log {log:q} --record {output.record:q} --code {params.code}"


rule buildings:
    """Target: every building, as labels, outlines and submission."""
    input:
        [f"results/buildings/{tile}.tif" for tile in ALL_TILES],
        OUTLINES,
        "results/submission.txt",

"""Generated towns instead of the user's tiles, if the configuration has a block `scenes`.

in:  none
out: results/scenes/<set>/<tile>_RGB.tif, _DSM.tif, _DTM.tif, _GTI.tif, _GTL.tif
"""

if config["scenes"]:
    for _batch, _members in BATCHES.items():

        rule:
            """Generate the towns of a batch of tiles."""
            name:
                f"scenes_{_batch}"
            output:
                files=[path for tile in _members for path in TILES[_batch.split("-")[0]][tile].present()],
                record=f"results/records/scenes/scenes/{_batch}.json",
            log:
                f"results/logs/scenes/{_batch}.log",
            group:
                "prepare"
            conda:
                CONDA_ENVIRONMENT
            threads: 1
            resources:
                mem_mb=more_memory(2000),
            params:
                tiles=_members,
                settings=settings("scenes"),
                code=code("scenes.py"),
            shell:
                'python "$SCRIPTS"/scenes.py --folder $(dirname {output.files[0]:q}) --settings {params.settings:q}'
                " --log {log:q} --record {output.record:q} --code {params.code} {params.tiles:q}"

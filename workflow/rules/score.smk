"""Scoring: the challenge's rules, out-of-fold and test, wherever there is truth.

in:  results/buildings/<tile>.tif, results/tiles/<tile>_truth.tif and _image.tif, results/tiles/tiles.csv
out: results/scores/scores.json, tiles.csv (a row per tile), buildings.csv (a row per building)
"""


rule score:
    """Compares buildings and truth by the challenge's rules."""
    input:
        table="results/tiles/tiles.csv",
        buildings=[f"results/buildings/{tile}.tif" for tile in WITH_TRUTH],
        truths=truths(WITH_TRUTH),
        images=images(WITH_TRUTH),
    output:
        scores="results/scores/scores.json",
        tiles="results/scores/tiles.csv",
        buildings="results/scores/buildings.csv",
    log:
        "results/logs/score.log",
    threads: 1
    resources:
        mem_mb=more_memory(4000),
    params:
        settings=settings("score"),
        code=code("score.py"),
    shell:
        'python "$SCRIPTS"/score.py --table {input.table:q} --buildings $(dirname {input.buildings[0]:q}) --tiles $(dirname {input.images[0]:q})'
        " --scores {output.scores:q} --per-tile {output.tiles:q} --per-building {output.buildings:q}"
        " --settings {params.settings:q} --log {log:q}"


rule scores:
    """Target: the figures."""
    input:
        "results/scores/scores.json",
        "results/scores/tiles.csv",
        "results/scores/buildings.csv",

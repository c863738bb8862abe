"""Report: a picture of what was found.

in:  raw orthophotos and results of some test tiles
out: results/overview.png
"""

SHOWN_TILES = 4
SHOWN = NAMES["test"][:: max(1, len(NAMES["test"]) // SHOWN_TILES)][:SHOWN_TILES]


rule overview:
    """Draws orthophoto, height, truth and found buildings of some test tiles side by side."""
    input:
        images=images(SHOWN),
        truths=truths(SHOWN),
        buildings=[f"results/buildings/{tile}.tif" for tile in SHOWN],
    output:
        report(
            "results/overview.png",
            caption="../report/overview.rst",
            category="Overview",
        ),
    log:
        "results/logs/overview.log",
    threads: 1
    params:
        tiles=SHOWN,
        code=code("overview.py"),
    shell:
        'python "$SCRIPTS"/overview.py --output {output:q} --buildings $(dirname {input.buildings[0]:q}) --tiles $(dirname {input.images[0]:q})'
        " --log {log:q} {params.tiles:q}"


rule report:
    """Target: the picture, and what made each result."""
    input:
        "results/overview.png",
        "results/provenance.json",

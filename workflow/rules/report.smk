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
    params:
        tiles=SHOWN,
        code=code("overview.py"),
    log:
        "results/logs/overview.log",
    threads: 1
    shell:
        "python {SCRIPTS}/overview.py --output {output:q} --buildings results/buildings --tiles results/tiles"
        " --log {log:q} {params.tiles:q}"


rule report:
    """Target: the pictures."""
    input:
        "results/overview.png",

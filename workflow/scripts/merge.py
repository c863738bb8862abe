"""Average the folds' probabilities of tiles."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from eaves.core import cli
from eaves.core.records import Done
from eaves.raster import geotiff
from eaves.tiles import probabilities

import numpy as np


def main(arguments: argparse.Namespace) -> Done:
    """Average each tile, block by block."""
    for tile in cli.progress(arguments.tile_names, "merge"):
        sources = [folder / f"{tile}.tif" for folder in arguments.predictions]
        with ExitStack() as stack:
            opened = [stack.enter_context(geotiff.open_raster(path)) for path in sources]
            layout = {"dtype": "float32", "count": 1, **geotiff.grid(sources[0]), **geotiff.PROBABILITY}
            out = stack.enter_context(geotiff.create_raster(arguments.folder / f"{tile}.tif", **layout))
            for _, window in out.block_windows(1):
                total = sum(dataset.read(1, window=window).astype(np.float64) for dataset in opened)
                out.write(probabilities.round_for_storage(total / len(opened)), 1, window=window)
    cli.LOG.info("merged %d tiles of %d folds", len(arguments.tile_names), len(arguments.predictions))
    return Done(
        inputs=[folder / f"{tile}.tif" for folder in arguments.predictions for tile in arguments.tile_names],
        outputs=[arguments.folder / f"{tile}.tif" for tile in arguments.tile_names],
    )


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="one folder per fold")
    parser.add_argument("--folder", type=Path, required=True, help="output folder for the means")
    parser.add_argument("--tile-names", nargs="+", required=True, help="names of the tiles")
    cli.run(main, parser.parse_args())

"""Merges the folds' probabilities of tiles by their mean."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from eaves import console, probabilities, rasters

import numpy as np


def main(arguments: argparse.Namespace) -> None:
    """Merges each tile, block by block."""
    for tile in console.progress(arguments.tiles, "merge"):
        sources = [folder / f"{tile}.tif" for folder in arguments.predictions]
        with ExitStack() as stack:
            opened = [stack.enter_context(rasters.opened(path)) for path in sources]
            layout = {"dtype": "float32", "count": 1, **rasters.grid(sources[0]), **rasters.PROBABILITY}
            out = stack.enter_context(rasters.created(arguments.folder / f"{tile}.tif", **layout))
            for _, window in out.block_windows(1):
                total = sum(dataset.read(1, window=window).astype(np.float64) for dataset in opened)
                out.write(probabilities.rounded(total / len(opened)), 1, window=window)
    console.LOG.info("merged %d tiles of %d folds", len(arguments.tiles), len(arguments.predictions))


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="a folder per fold")
    parser.add_argument("--folder", type=Path, required=True, help="where the means go")
    parser.add_argument("--tiles", nargs="+", required=True, help="names of the tiles")
    console.run(main, parser.parse_args())

"""Draws orthophoto, height, truth and found buildings of some tiles side by side."""

import argparse
from pathlib import Path

from eaves.core import cli
from eaves.plots import overview
from eaves.raster import geotiff

import tifffile


def main(arguments: argparse.Namespace) -> None:
    """Reads the tiles and writes the picture."""
    rows = []
    for tile in arguments.names:
        truth = arguments.tiles_dir / f"{tile}_truth.tif"
        rows.append(
            (
                tile,
                tifffile.memmap(arguments.tiles_dir / f"{tile}_image.tif", mode="r"),
                geotiff.read(truth) if truth.exists() else None,
                geotiff.read(arguments.buildings / f"{tile}.tif"),
            )
        )
    overview.write(arguments.output, overview.draw(rows))


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the picture, .png")
    parser.add_argument("--buildings", type=Path, required=True, help="folder of the buildings, <tile>.tif")
    parser.add_argument("--tiles-dir", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("names", nargs="+", help="names of the tiles")
    cli.run(main, parser.parse_args())

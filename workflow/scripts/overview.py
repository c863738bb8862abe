"""Draw orthophoto, height, true buildings and found buildings of some tiles side by side."""

import argparse
from pathlib import Path

from eaves.core import cli
from eaves.core.records import Done
from eaves.plots import overview
from eaves.raster import geotiff
from eaves.tiles import prepared


def main(arguments: argparse.Namespace) -> Done:
    """Read the tiles and write the picture."""
    rows = []
    inputs: list[Path] = []
    for tile in arguments.tile_names:
        image, truth = prepared.image_path(arguments.tiles_dir, tile), prepared.truth_path(arguments.tiles_dir, tile)
        buildings = arguments.buildings / f"{tile}.tif"
        rows.append(
            (
                tile,
                prepared.map_image(image),
                geotiff.read(truth) if truth.exists() else None,
                geotiff.read(buildings),
            )
        )
        inputs += [image, truth, buildings] if truth.exists() else [image, buildings]
    overview.write(arguments.output, overview.draw(rows))
    return Done(inputs=inputs, outputs=[arguments.output])


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="output picture, .png")
    parser.add_argument("--buildings", type=Path, required=True, help="folder of the buildings, <tile>.tif")
    parser.add_argument("--tiles-dir", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("tile_names", metavar="TILE", nargs="+", help="names of the tiles")
    cli.run(main, parser.parse_args())

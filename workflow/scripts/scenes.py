"""Generates towns: the raw files of tiles as the challenge has them (RGB, DSM, DTM, GTI, GTL), at 0.5 m in UTM 17N.

A tile is named <town>_<set>_<number>; its town and number decide what is on it. Training tiles have the faults that a
labeller leaves, test tiles have not.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.provenance.records import Done
from eaves.raster import geotiff
from eaves.tiles import generated
from eaves.tiles.names import KINDS
from eaves.tiles.prepared import GTL_BUILDING, GTL_GROUND, GTL_UNCERTAIN
from towns import TOWNS, make_scene

import numpy as np
from affine import Affine

HEIGHT_NODATA = -32767.0
PIXEL_M = 0.5
ORIGIN_M = (440_000.0, 3_360_000.0)  # easting and northing of the first tile's corner
GAP_M = 200.0  # between tiles, which are not neighbours in truth
TILES_A_ROW = 16
TEST_SEEDS_START = 100_000  # training tiles' seeds stay below


def main(arguments: argparse.Namespace) -> Done:
    """Generates each tile named."""
    scenes = config.section(arguments.settings, "scenes")["scenes"]
    for name in cli.progress(arguments.tiles, "scenes"):
        generate(name, arguments.folder, scenes)
    cli.LOG.info("generated %d tiles in %s", len(arguments.tiles), arguments.folder)
    files = [arguments.folder / f"{name}_{kind}.tif" for name in arguments.tiles for kind in KINDS]
    return Done(inputs=[], outputs=files)


def generate(name: str, folder: Path, scenes: dict[str, Any]) -> None:
    """Generates the files of one tile."""
    match = re.fullmatch(r"(\w+)_(train|test)_(\d+)", name)
    if not match or match[1] not in TOWNS:
        raise InputError(f"{name}: a generated tile is named <town>_<train|test>_<number>; towns: {', '.join(TOWNS)}")
    town, set_name, number = match[1], match[2], int(match[3])
    place = number + (TEST_SEEDS_START if set_name == "test" else 0)
    scene = make_scene(scenes["seed"] + place, scenes["size"], town, label_noise=set_name == "train")

    step_m = scenes["size"] * PIXEL_M + GAP_M
    easting = ORIGIN_M[0] + step_m * (number % TILES_A_ROW)
    northing = ORIGIN_M[1] - step_m * (number // TILES_A_ROW) - (100_000 if set_name == "test" else 0)
    transform = Affine(PIXEL_M, 0, easting, 0, -PIXEL_M, northing)
    on_grid = {"crs": "EPSG:32617", "transform": transform, "width": scenes["size"], "height": scenes["size"]}
    classes = np.select([scene.truth > 0, scene.truth < 0], [GTL_BUILDING, GTL_UNCERTAIN], GTL_GROUND)

    with geotiff.create_raster(
        folder / f"{name}_RGB.tif", dtype="uint8", count=3, photometric="rgb", **on_grid, **geotiff.COMPACT
    ) as out:
        out.write(np.moveaxis(scene.rgb, 2, 0))
    for kind, heights in (("DSM", scene.dsm), ("DTM", scene.dtm)):
        geotiff.write(folder / f"{name}_{kind}.tif", heights, on_grid, nodata=HEIGHT_NODATA, predictor=3)
    geotiff.write(folder / f"{name}_GTI.tif", np.abs(scene.truth).astype(np.uint16), on_grid)
    geotiff.write(folder / f"{name}_GTL.tif", classes.astype(np.uint8), on_grid)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the files go")
    parser.add_argument("--settings", help="JSON or a YAML file with a block `scenes`")
    parser.add_argument("tiles", nargs="+", help=f"names; towns are {', '.join(generated.TOWNS)}")
    cli.run(main, parser.parse_args())

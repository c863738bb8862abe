"""Generate a tile: write a synthetic town as raw files like the challenge's."""

import re

import numpy as np
from affine import Affine

from eaves.core.errors import InputError
from eaves.raster import geotiff
from eaves.tiles.discovery import TileFiles
from eaves.tiles.truth import GTL_BUILDING, GTL_GROUND, GTL_UNCERTAIN
from towns import TOWNS, make_scene

HEIGHT_NODATA = -32767.0
PIXEL_M = 0.5
CRS = "EPSG:32617"
"""UTM zone 17N, that of the challenge's cities."""
ORIGIN_M = (440_000.0, 3_360_000.0)
"""Easting and northing of the upper left corner of training tile 0."""
GAP_M = 200.0
"""Distance between tiles, so that no two are adjacent."""
TILES_PER_ROW = 16
TEST_SOUTH_M = 100_000.0
"""Offset of the test tiles to the south."""
TEST_SEED_OFFSET = 100_000
"""Added to the seeds of test tiles; training tiles' seeds stay below."""


def generate(tile: str, files: TileFiles, seed: int, size: int) -> None:
    """Generate a tile and write its raw files: RGB, DSM, DTM, GTI and GTL, at 0.5 m per pixel.

    Training tiles have simulated labelling errors; test tiles have none.

    Args:
        tile: Name, <town>_<train|test>_<number>; town and number determine the scene and its location.
        files: Paths to write; folders are created.
        seed: Seed of the set of tiles.
        size: Side of the tile, px.

    Raises:
        InputError: If the name is not that of a generated tile.
    """
    match = re.fullmatch(r"(\w+)_(train|test)_(\d+)", tile)
    if not match or match[1] not in TOWNS:
        raise InputError(
            f"{tile}: the name of a generated tile is <town>_<train|test>_<number>; towns are {', '.join(TOWNS)}"
        )
    town, is_test, number = match[1], match[2] == "test", int(match[3])
    scene = make_scene(seed + number + TEST_SEED_OFFSET * is_test, size, town, label_noise=not is_test)

    step_m = size * PIXEL_M + GAP_M
    easting = ORIGIN_M[0] + step_m * (number % TILES_PER_ROW)
    northing = ORIGIN_M[1] - step_m * (number // TILES_PER_ROW) - TEST_SOUTH_M * is_test
    transform = Affine(PIXEL_M, 0, easting, 0, -PIXEL_M, northing)
    grid = {"crs": CRS, "transform": transform, "width": size, "height": size}
    classes = np.select([scene.truth > 0, scene.truth < 0], [GTL_BUILDING, GTL_UNCERTAIN], GTL_GROUND)

    with geotiff.create_raster(
        files.rgb, dtype="uint8", count=3, photometric="rgb", **grid, **geotiff.COMPACT
    ) as dataset:
        dataset.write(np.moveaxis(scene.rgb, 2, 0))
    for path, elevation_m in ((files.dsm, scene.dsm), (files.dtm, scene.dtm)):
        geotiff.write(path, elevation_m, grid, nodata=HEIGHT_NODATA, predictor=3)
    if files.gti:
        geotiff.write(files.gti, np.abs(scene.truth).astype(np.uint16), grid)
    if files.gtl:
        geotiff.write(files.gtl, classes.astype(np.uint8), grid)

"""Grids: whether two rasters share one, and a height model read as if it lay on another."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from eaves import rasters
from eaves.errors import InputError

GRID_TOLERANCE_PX = 0.01  # grids closer than this are the same
WARPED_NODATA = -32767.0  # of a warped height model whose file declares none


@contextmanager
def on_the_grid(path: Path, grid: dict[str, Any], rgb_file: Path) -> Iterator[rasterio.DatasetReader]:
    """Opens a height model as if it were on the RGB's grid: as it is where it is, warped bilinearly where not.

    Args:
        path: the height model.
        grid: `crs`, `transform`, `width` and `height` of the RGB.
        rgb_file: the RGB, for messages.

    Raises:
        InputError: the file cannot be read, has no CRS, or lies elsewhere.
    """
    with rasters.opened(path) as source:
        if source.crs is None:
            raise InputError(
                f"{path}: no coordinate reference system; set the one it is in, "
                f"e.g. rio edit-info --crs {grid['crs'].to_string()[:40]} {path}"
            )
        if same_grid(source, grid):
            yield source
            return
        _check_overlap(source, path, grid, rgb_file)
        nodata = source.nodata if source.nodata is not None else WARPED_NODATA
        known = {"src_nodata": source.nodata, "nodata": nodata, "dtype": "float32"}
        with WarpedVRT(source, **grid, resampling=Resampling.bilinear, **known) as warped:
            yield warped


def same_grid(source: rasterio.DatasetReader, on_grid: dict[str, Any]) -> bool:
    """Whether a raster has the CRS, size and, to a hundredth of a pixel, the place of a grid."""
    if (source.width, source.height) != (on_grid["width"], on_grid["height"]) or source.crs != on_grid["crs"]:
        return False
    inverse = ~on_grid["transform"]
    corners = [(0, 0), (source.width, 0), (0, source.height), (source.width, source.height)]
    offsets = np.array([inverse @ (source.transform @ corner) for corner in corners]) - np.array(corners)
    return bool(np.abs(offsets).max() < GRID_TOLERANCE_PX)


def _check_overlap(source: rasterio.DatasetReader, path: Path, grid: dict[str, Any], rgb_file: Path) -> None:
    left, bottom, right, top = rasterio.transform.array_bounds(grid["height"], grid["width"], grid["transform"])
    try:
        there = transform_bounds(source.crs, grid["crs"], *source.bounds)
    except rasterio.errors.RasterioError:
        there = (np.inf, np.inf, -np.inf, -np.inf)
    if not (there[0] < right and there[2] > left and there[1] < top and there[3] > bottom):
        raise InputError(
            f"{path}: does not overlap {rgb_file} (it lies in {source.crs.to_string()[:40]} at "
            f"{source.bounds.left:.0f}, {source.bounds.bottom:.0f}); give the height model of the same place"
        )

"""Raster grids: comparison, pixel size, bounds, and resampling of height models onto another grid."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from eaves.core.errors import InputError
from eaves.raster import geotiff

GRID_TOLERANCE_PX = 0.01  # grids whose corners differ by less are the same
WARPED_NODATA = -32767.0  # for a resampled height model whose file declares no nodata value


@contextmanager
def open_on_grid(path: Path, grid: dict[str, Any], reference_file: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a height model on a given grid, resampled bilinearly unless it is on that grid already.

    Args:
        path: The height model.
        grid: `crs`, `transform`, `width` and `height`.
        reference_file: The raster that defines the grid, for messages.

    Raises:
        InputError: The file cannot be read, has no CRS, or does not overlap the grid.
    """
    with geotiff.open_raster(path) as source:
        if source.crs is None:
            raise InputError(
                f"{path}: no coordinate reference system; set it, "
                f"e.g. rio edit-info --crs {grid['crs'].to_string()[:40]} {path}"
            )
        if same_grid(source, grid):
            yield source
            return
        geotiff.check_georeference(source, path)
        _check_overlap(source, path, grid, reference_file)
        nodata = source.nodata if source.nodata is not None else WARPED_NODATA
        options = {"src_nodata": source.nodata, "nodata": nodata, "dtype": "float32"}
        with WarpedVRT(source, **grid, resampling=Resampling.bilinear, **options) as warped:
            yield warped


def same_grid(source: rasterio.DatasetReader, on_grid: dict[str, Any]) -> bool:
    """Return whether a raster has the CRS, the size and, within `GRID_TOLERANCE_PX`, the position of a grid."""
    grid = {name: source.profile[name] for name in ("crs", "transform", "width", "height")}
    return source.crs == on_grid["crs"] and describe_difference(grid, on_grid) is None


def describe_difference(grid: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Describe how two grids differ, with both values; return None if they are the same.

    Position is compared only if both grids have a CRS.

    Args:
        grid: `crs`, `transform`, `width` and `height`.
        other: The same of the other grid.
    """
    if (grid["width"], grid["height"]) != (other["width"], other["height"]):
        return f"{grid['width']} x {grid['height']} px, not {other['width']} x {other['height']} px"
    if grid["crs"] is None or other["crs"] is None:
        return None
    if grid["crs"] != other["crs"]:
        return f"in {grid['crs'].to_string()[:40]}, not in {other['crs'].to_string()[:40]}"
    inverse = ~other["transform"]
    corners = [(0, 0), (grid["width"], 0), (0, grid["height"]), (grid["width"], grid["height"])]
    offsets = np.array([inverse @ (grid["transform"] @ corner) for corner in corners]) - np.array(corners)
    if np.abs(offsets).max() < GRID_TOLERANCE_PX:
        return None
    descriptions = [
        f"pixels of {at.a:g} x {-at.e:g} from ({at.c:.2f}, {at.f:.2f}) on"
        for at in (grid["transform"], other["transform"])
    ]
    return f"{descriptions[0]}, not {descriptions[1]}"


def pixel_edge_m(grid: dict[str, Any]) -> float | None:
    """Return the edge of a square with the area of a pixel on the ground, in metres; None without a CRS.

    Args:
        grid: `crs`, `transform`, `width` and `height`. In a geographic CRS, the central pixel is measured on the
            ellipsoid.
    """
    if grid["crs"] is None:
        return None
    if not grid["crs"].is_geographic:
        return float(np.sqrt(abs(grid["transform"].determinant)) * grid["crs"].linear_units_factor[1])
    column, row = grid["width"] // 2, grid["height"] // 2
    ring = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
    longitudes, latitudes = zip(*(grid["transform"] @ corner for corner in ring), strict=True)
    geod = pyproj.CRS.from_wkt(grid["crs"].to_wkt()).get_geod() or pyproj.Geod(ellps="WGS84")
    area_m2, _ = geod.polygon_area_perimeter(longitudes, latitudes)
    return float(np.sqrt(abs(area_m2)))


def bounds(grid: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return the bounding box of a grid, whichever way its rows and columns run.

    Args:
        grid: `transform`, `width` and `height`.

    Returns:
        west, south, east and north, in the grid's CRS.

    Example:
        >>> south_up = rasterio.Affine(1, 0, 10, 0, 1, 20)
        >>> bounds({"transform": south_up, "width": 2, "height": 5})
        (10.0, 20.0, 12.0, 25.0)
    """
    corners = [(0, 0), (grid["width"], 0), (0, grid["height"]), (grid["width"], grid["height"])]
    x, y = zip(*(grid["transform"] @ corner for corner in corners), strict=True)
    return min(x), min(y), max(x), max(y)


def _check_overlap(source: rasterio.DatasetReader, path: Path, grid: dict[str, Any], reference_file: Path) -> None:
    west, south, east, north = bounds(grid)
    there = bounds(source.profile)
    try:
        seen = transform_bounds(source.crs, grid["crs"], *there)
    except rasterio.errors.RasterioError:
        seen = (np.inf, np.inf, -np.inf, -np.inf)
    if not (seen[0] < east and seen[2] > west and seen[1] < north and seen[3] > south):
        raise InputError(
            f"{path}: does not overlap {reference_file} (it lies in {source.crs.to_string()[:40]} at "
            f"{there[0]:.0f}, {there[1]:.0f}); provide a height model of the same area"
        )

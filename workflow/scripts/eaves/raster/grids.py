"""Grids: whether two rasters share one, how large its pixels are, and a height model read as if it lay on another."""

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
    with geotiff.open_raster(path) as source:
        if source.crs is None:
            raise InputError(
                f"{path}: no coordinate reference system; set the one it is in, "
                f"e.g. rio edit-info --crs {grid['crs'].to_string()[:40]} {path}"
            )
        if same_grid(source, grid):
            yield source
            return
        geotiff.check_place(source, path)
        _check_overlap(source, path, grid, rgb_file)
        nodata = source.nodata if source.nodata is not None else WARPED_NODATA
        known = {"src_nodata": source.nodata, "nodata": nodata, "dtype": "float32"}
        with WarpedVRT(source, **grid, resampling=Resampling.bilinear, **known) as warped:
            yield warped


def same_grid(source: rasterio.DatasetReader, on_grid: dict[str, Any]) -> bool:
    """Whether a raster has the CRS, size and, to a hundredth of a pixel, the place of a grid."""
    grid = {name: source.profile[name] for name in ("crs", "transform", "width", "height")}
    return source.crs == on_grid["crs"] and difference(grid, on_grid) is None


def difference(grid: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Says in what two grids differ, with both values; None where they are the same.

    What one of them does not know (a CRS, and with it the place) is not compared.

    Args:
        grid: `crs`, `transform`, `width` and `height`.
        other: the same of the other.
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
    places = [
        f"pixels of {at.a:g} x {-at.e:g} from ({at.c:.2f}, {at.f:.2f}) on"
        for at in (grid["transform"], other["transform"])
    ]
    return f"{places[0]}, not {places[1]}"


def pixel_edge_m(grid: dict[str, Any]) -> float | None:
    """Gives the edge of a square with a pixel's area on the ground, metres; None where the CRS is not known.

    Args:
        grid: `crs`, `transform`, `width` and `height`; in degrees, the middle pixel is measured on the ellipsoid.
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
    """Give the smallest box, parallel to the axes, that holds a grid, whichever way its rows and columns run.

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


def _check_overlap(source: rasterio.DatasetReader, path: Path, grid: dict[str, Any], rgb_file: Path) -> None:
    west, south, east, north = bounds(grid)
    there = bounds(source.profile)
    try:
        seen = transform_bounds(source.crs, grid["crs"], *there)
    except rasterio.errors.RasterioError:
        seen = (np.inf, np.inf, -np.inf, -np.inf)
    if not (seen[0] < east and seen[2] > west and seen[1] < north and seen[3] > south):
        raise InputError(
            f"{path}: does not overlap {rgb_file} (it lies in {source.crs.to_string()[:40]} at "
            f"{there[0]:.0f}, {there[1]:.0f}); give the height model of the same place"
        )

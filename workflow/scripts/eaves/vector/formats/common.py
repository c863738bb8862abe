"""Functions shared by the formats: coordinate reference systems, valid rounding of polygons, JSON values."""

import json
import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias

import geopandas
import numpy as np
import pyproj
import shapely

from eaves.core.errors import InputError

Write: TypeAlias = Callable[[geopandas.GeoDataFrame], None]
"""Function that writes the outlines of one tile."""
DECIMALS = 6
"""Decimals of numbers in JSON, beyond the accuracy of any of them."""
LONGITUDE_LATITUDE = "OGC:CRS84"


def distinct_crs(grids: dict[str, dict[str, Any]]) -> list[Any]:
    """Return the distinct coordinate reference systems of the tiles, in the order of the tiles' names.

    Raises:
        InputError: Some tiles have one and others do not.
    """
    systems: dict[str | None, Any] = {}
    for tile in sorted(grids):
        crs = grids[tile]["crs"]
        systems.setdefault(crs.to_wkt() if crs else None, crs)
    if None in systems and len(systems) > 1:
        without = next(tile for tile in sorted(grids) if not grids[tile]["crs"])
        raise InputError(f"{without}: no coordinate reference system, but other tiles have one; set it")
    return list(systems.values())


def to_pyproj(crs: Any) -> pyproj.CRS | None:
    """Convert rasterio's coordinate reference system to pyproj's."""
    return pyproj.CRS.from_wkt(crs.to_wkt()) if crs else None


@cache
def _transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def reproject(geometry: np.ndarray, source: pyproj.CRS | None, target: pyproj.CRS | None) -> np.ndarray:
    """Transform geometries to another coordinate reference system; x is the easting or longitude in both."""
    if source is None or target is None or source == target or not len(geometry):
        return geometry
    transformer = _transformer(source.to_wkt(), target.to_wkt())
    return shapely.transform(geometry, lambda places: np.stack(transformer.transform(*places.T), axis=1))


def snap_to_grid(geometry: np.ndarray, step: float | np.ndarray) -> np.ndarray:
    """Express coordinates in integer multiples of a step.

    If rounding makes a polygon touch or cross itself, GEOS repairs it on the grid.

    Args:
        geometry: (n,) valid polygons and multipolygons.
        step: Step of the grid, one for both x and y or one for each.

    Returns:
        (n,) valid geometries with integer coordinates. A polygon may become a multipolygon, or empty if it is thinner
        than a step.
    """
    snapped = shapely.transform(geometry, lambda places: np.rint(places / step))
    broken = ~shapely.is_valid(snapped)
    if broken.any():
        finer = shapely.transform(geometry[broken], lambda places: places / step)
        snapped[broken] = shapely.set_precision(finer, 1)
    return snapped


def values_of(frame: geopandas.GeoDataFrame) -> Iterable[dict[str, Any]]:
    """Yield each row without its geometry as plain values for JSON; unknown values are None."""
    columns = [column for column in frame.columns if column != frame.geometry.name]
    for row in zip(*(frame[column].tolist() for column in columns), strict=True):
        yield {name: _plain(value) for name, value in zip(columns, row, strict=True)}


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, DECIMALS) if math.isfinite(value) else None


def compact(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

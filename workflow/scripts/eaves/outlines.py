"""Turns a label raster into building outlines: polygons along the pixel edges, with height, confidence and size."""

from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyproj
import shapely

from eaves.errors import InputError
from eaves.ids import check_ids, number_ids
from eaves.rings import trace_rings
from eaves.runs import Runs, find_runs

HEIGHT_QUANTILE = 0.95
"""Gives the roof's height near its top; the maximum would be a chimney, an antenna or a bird."""


def outlines(
    labels: np.ndarray,
    transform: Any,
    crs: Any,
    height_m: np.ndarray,
    probability: np.ndarray,
    tile: str,
) -> geopandas.GeoDataFrame:
    """Outline and measure all buildings of a tile.

    Args:
        labels: (H, W) integer instance ids, 0 is ground.
        transform: Affine transform from (column, row) to map coordinates, as rasterio gives it.
        crs: Anything that pyproj understands, or None for plain metres.
        height_m: (H, W) floating point, metres above ground, NaN where unknown.
        probability: (H, W) floating point, 0..1, probability of a building.
        tile: The tile's id.

    Returns:
        One row per building by ascending id: `tile`, `id`, `area_m2`, `perimeter_m`, `height_m`, `height_p95_m`,
        `confidence`, `touches_edge` (see `attributes`) and `geometry`. Areas and perimeters are in metres whatever the
        unit of the CRS; where its unit is an angle, they are measured on the ellipsoid.

    Raises:
        InputError: The rasters differ in shape, or the labels are not integers.
    """
    table = attributes(labels, height_m, probability)
    _, geometry = _geometries(labels, transform)
    area_m2, perimeter_m = _sizes(geometry, crs)
    table = table.drop(columns="area_px")
    table.insert(0, "tile", tile)
    table.insert(2, "area_m2", area_m2)
    table.insert(3, "perimeter_m", perimeter_m)
    return geopandas.GeoDataFrame(table, geometry=geometry, crs=crs)


def polygons(labels: np.ndarray) -> list[tuple[int, shapely.Polygon | shapely.MultiPolygon]]:
    """Outline every building exactly along its pixel edges, holes included.

    Burning the polygons into a raster gives the labels again. All polygons are valid: where two pixels of a building
    touch only by a corner, a hole touches the outer ring in that point.

    Args:
        labels: (H, W) integer instance ids, 0 is ground.

    Returns:
        (id, polygon) by ascending id, in pixel coordinates: x is the column and y the row, and the upper left corner
        of the upper left pixel is (0, 0). A building of several 4-connected pieces is a MultiPolygon.

    Raises:
        InputError: The labels are not a two-dimensional raster of integers.
    """
    ids, geometry = _geometries(labels)
    return list(zip(ids.tolist(), geometry, strict=True))


def attributes(labels: np.ndarray, height_m: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Measure every building.

    Args:
        labels: (H, W) integer instance ids, 0 is ground.
        height_m: (H, W) floating point, metres above ground, NaN where unknown.
        probability: (H, W) floating point, 0..1, probability of a building.

    Returns:
        One row per building by ascending id: `id`, `area_px`, `height_m` (median over the roof's pixels of known
        height) and `height_p95_m` (their 95th percentile), metres above ground, NaN where no pixel has a height,
        `confidence` (mean probability, 0..1) and `touches_edge` (the building may go on outside the tile).

    Raises:
        InputError: The rasters differ in shape, or the labels are not integers.
    """
    labels = check_ids("labels", labels)
    for name, raster in (("height_m", height_m), ("probability", probability)):
        if raster.shape != labels.shape:
            raise InputError(f"{name} has shape {raster.shape}, but labels has shape {labels.shape}")
    runs = find_runs(labels)
    ids, building = number_ids(runs.label)
    order = np.argsort(building, kind="stable")
    area_px = np.bincount(building, runs.length, ids.size).astype(np.int64)
    ends = np.cumsum(area_px)
    first_pixel = runs.row.astype(np.int64) * labels.shape[1] + runs.start
    pixels = concatenated_ranges(first_pixel[order], runs.length[order])

    heights = height_m.ravel()[pixels]
    quantiles = [_median_and_top(heights[end - area : end]) for area, end in zip(area_px, ends, strict=True)]
    median_m, top_m = np.array(quantiles, np.float64).reshape(-1, 2).T
    sums = np.add.reduceat(probability.ravel()[pixels], ends - area_px, dtype=np.float64) if ids.size else np.zeros(0)
    height, width = labels.shape
    at_edge = (runs.row == 0) | (runs.row == height - 1) | (runs.start == 0) | (runs.stop == width)
    return pd.DataFrame(
        {
            "id": ids,
            "area_px": area_px,
            "height_m": median_m,
            "height_p95_m": top_m,
            "confidence": sums / area_px,
            "touches_edge": np.bincount(building, at_edge, ids.size) > 0,
        }
    )


def concatenated_ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Join the ranges starts[i], ..., starts[i] + lengths[i] - 1 into one array.

    >>> concatenated_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) + np.repeat(starts - (ends - lengths), lengths)


def _median_and_top(height_m: np.ndarray) -> tuple[float, float]:
    """Take two quantiles, linear between neighbours as in `np.nanquantile`, which is ten times as slow on a roof."""
    known = height_m[~np.isnan(height_m)]
    if known.size == 0:
        return np.nan, np.nan
    places = np.array([0.5, HEIGHT_QUANTILE]) * (known.size - 1)
    below = places.astype(np.intp)
    above = np.minimum(below + 1, known.size - 1)
    ordered = np.partition(known, np.concatenate((below, above)))
    middle, top = ordered[below] + (places - below) * (ordered[above] - ordered[below])
    return middle, top


def _geometries(labels: np.ndarray, transform: Any = (1, 0, 0, 0, 1, 0)) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids, ascending, and the buildings' polygons, with (column, row) put through the transform."""
    labels = check_ids("labels", labels)
    runs = find_runs(labels)
    ids, building_of_piece = number_ids(runs.label[runs.first_of_pieces()])
    in_pieces = ids.size < runs.n_pieces
    regions = _pieces(runs, labels.shape) if in_pieces else labels
    corners, offsets, run_of_ring = trace_rings(regions, runs.row, runs.start)

    piece_of_ring = runs.piece[run_of_ring]
    by_piece = np.argsort(piece_of_ring, kind="stable")  # stable: the outer ring stays the first of its piece
    n_corners = np.diff(offsets)[by_piece]
    corners = corners[concatenated_ranges(offsets[:-1][by_piece], n_corners)]
    n_rings = np.bincount(piece_of_ring, minlength=runs.n_pieces)
    a, b, c, d, e, f = tuple(transform)[:6]
    x, y = corners.T
    pieces = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        np.stack([a * x + b * y + c, d * x + e * y + f], axis=1),
        (np.append(0, np.cumsum(n_corners)), np.append(0, np.cumsum(n_rings))),
    )
    geometry = np.empty(ids.size, object)
    geometry[building_of_piece] = pieces
    for building in np.flatnonzero(np.bincount(building_of_piece, minlength=1) > 1):
        geometry[building] = shapely.MultiPolygon(list(pieces[building_of_piece == building]))
    return ids, geometry


def _pieces(runs: Runs, shape: tuple[int, int]) -> np.ndarray:
    """Paint the number of its piece, from 1, on each pixel."""
    pieces = np.zeros(shape, np.int32)
    pixels = concatenated_ranges(runs.row.astype(np.int64) * shape[1] + runs.start, runs.length)
    pieces.ravel()[pixels] = np.repeat(runs.piece + 1, runs.length)
    return pieces


def _sizes(geometry: np.ndarray, crs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return areas in square metres and perimeters, holes included, in metres."""
    system = None if crs is None else pyproj.CRS.from_user_input(crs)
    if system is not None and system.is_geographic:
        geod = system.get_geod() or pyproj.Geod(ellps="WGS84")
        measured = [geod.geometry_area_perimeter(shape) for shape in shapely.orient_polygons(geometry)]
        return tuple(np.abs(np.array(measured, float).reshape(-1, 2)).T)
    metres = 1.0 if system is None else system.axis_info[0].unit_conversion_factor
    return shapely.area(geometry) * metres**2, shapely.length(geometry) * metres

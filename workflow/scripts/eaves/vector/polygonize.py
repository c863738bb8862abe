"""Convert a label raster to building outlines, along the pixel edges or with straight walls, and measure them."""

from typing import Any

import geopandas
import numpy as np
import pyproj
import shapely

from eaves.labels.ids import check_ids, number_ids
from eaves.labels.run_lengths import Runs, concatenate_ranges, find_runs
from eaves.vector.attributes import attributes
from eaves.vector.rings import trace_rings
from eaves.walls.regularize import regularize


def outlines(
    labels: np.ndarray,
    transform: Any,
    crs: Any,
    tile: str,
    height_m: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    ground_m: np.ndarray | None = None,
    tolerance_m: float = 0.0,
) -> geopandas.GeoDataFrame:
    """Return the outlines and attributes of all buildings of a tile.

    Args:
        labels: (H, W) integer instance ids, 0 is ground.
        transform: Affine transform from (column, row) to map coordinates, as in rasterio.
        crs: Anything that pyproj accepts as a CRS, or None if coordinates are plain metres.
        tile: Name of the tile.
        height_m: (H, W) floating point, metres above ground, NaN where unknown; or None.
        probability: (H, W) floating point, 0..1, probability of a building; or None.
        ground_m: (H, W) floating point, elevation of the bare ground in metres, NaN where unknown; or None.
        tolerance_m: 0 for outlines along the pixel edges; otherwise the maximum deviation, in metres, of outlines with
            straight walls from the pixel edges (`eaves.walls.regularize`).

    Returns:
        One row per building by ascending id: `tile`, `id`, `area_m2`, `perimeter_m`, then the other columns of
        `attributes`, `regularized` (True if walls were fitted) and `geometry`. Areas and perimeters are those of the
        geometry, in metres whatever the unit of the CRS; on the ellipsoid if the CRS is geographic.

    Raises:
        InputError: The rasters differ in shape, or the labels are not integers.
    """
    table = attributes(labels, height_m, probability, ground_m).drop(columns="area_px")
    system = None if crs is None else pyproj.CRS.from_user_input(crs)
    matrix = np.array(tuple(transform)[:6]).reshape(2, 3)
    _, geometry = _trace_buildings(labels)
    regularized = np.zeros(len(geometry), bool)
    if tolerance_m > 0:
        plane = _metres_per_unit(system, matrix @ (labels.shape[1] / 2, labels.shape[0] / 2, 1)) @ matrix[:, :2]
        geometry, regularized = regularize(geometry, plane, tolerance_m, labels.shape)
    geometry = shapely.transform(geometry, lambda corners: corners @ matrix[:, :2].T + matrix[:, 2])
    area_m2, perimeter_m = _sizes(geometry, system)
    table.insert(0, "tile", tile)
    table.insert(2, "area_m2", area_m2)
    table.insert(3, "perimeter_m", perimeter_m)
    table["regularized"] = regularized
    return geopandas.GeoDataFrame(table, geometry=geometry, crs=system)


def polygons(labels: np.ndarray) -> list[tuple[int, shapely.Polygon | shapely.MultiPolygon]]:
    """Return the exact outline of every building along its pixel edges, including holes.

    Rasterizing the polygons reproduces the labels. All polygons are valid: where two pixels of a building touch only at
    a corner, a hole touches the outer ring in that point.

    Args:
        labels: (H, W) integer instance ids, 0 is ground.

    Returns:
        (id, polygon) by ascending id, in pixel coordinates: x is the column, y is the row, and the upper left corner
        of the upper left pixel is (0, 0). A building of several 4-connected pieces is a MultiPolygon.

    Raises:
        InputError: The labels are not a two-dimensional raster of integers.
    """
    ids, geometry = _trace_buildings(labels)
    return list(zip(ids.tolist(), geometry, strict=True))


def _trace_buildings(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids, ascending, and the buildings' polygons in pixel coordinates."""
    labels = check_ids("labels", labels)
    runs = find_runs(labels)
    ids, building_of_piece = number_ids(runs.label[runs.first_of_pieces()])
    in_pieces = ids.size < runs.n_pieces
    regions = _number_pieces(runs, labels.shape) if in_pieces else labels
    corners, offsets, run_of_ring = trace_rings(regions, runs.row, runs.start)

    piece_of_ring = runs.piece[run_of_ring]
    by_piece = np.argsort(piece_of_ring, kind="stable")  # stable, so that the outer ring remains the first of its piece
    n_corners = np.diff(offsets)[by_piece]
    corners = corners[concatenate_ranges(offsets[:-1][by_piece], n_corners)]
    n_rings = np.bincount(piece_of_ring, minlength=runs.n_pieces)
    pieces = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        corners,
        (np.append(0, np.cumsum(n_corners)), np.append(0, np.cumsum(n_rings))),
    )
    geometry = np.empty(ids.size, object)
    geometry[building_of_piece] = pieces
    for building in np.flatnonzero(np.bincount(building_of_piece, minlength=1) > 1):
        geometry[building] = shapely.MultiPolygon(list(pieces[building_of_piece == building]))
    return ids, geometry


def _number_pieces(runs: Runs, shape: tuple[int, int]) -> np.ndarray:
    """Return a raster of the pieces' numbers, from 1: (H, W) int32, 0 is ground."""
    pieces = np.zeros(shape, np.int32)
    pixels = concatenate_ranges(runs.row.astype(np.int64) * shape[1] + runs.start, runs.length)
    pieces.ravel()[pixels] = np.repeat(runs.piece + 1, runs.length)
    return pieces


def _metres_per_unit(system: pyproj.CRS | None, place: np.ndarray) -> np.ndarray:
    """Return the matrix that converts steps in map coordinates to metres on the ground around a place: (2, 2)."""
    if system is not None and system.is_geographic:
        (x, y), step = place, 1e-3
        geod = system.get_geod() or pyproj.Geod(ellps="WGS84")
        return np.diag([geod.inv(x, y, x + step, y)[2], geod.inv(x, y, x, y + step)[2]]) / step
    return np.eye(2) * (1.0 if system is None else system.axis_info[0].unit_conversion_factor)


def _sizes(geometry: np.ndarray, system: pyproj.CRS | None) -> tuple[np.ndarray, np.ndarray]:
    """Return areas in square metres and perimeters, holes included, in metres."""
    if system is not None and system.is_geographic:
        geod = system.get_geod() or pyproj.Geod(ellps="WGS84")
        measured = [geod.geometry_area_perimeter(shape) for shape in shapely.orient_polygons(geometry)]
        return tuple(np.abs(np.array(measured, float).reshape(-1, 2)).T)
    metres = _metres_per_unit(system, np.zeros(2))[0, 0]
    return shapely.area(geometry) * metres**2, shapely.length(geometry) * metres

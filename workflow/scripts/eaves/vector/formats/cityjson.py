"""CityJSON 2.0 in lines (CityJSONSeq): each building is a block from the ground to its median height.

https://www.cityjson.org/specs/2.0.1/, https://www.cityjson.org/cityjsonseq/. The first line has the coordinate system
and origin, each further line a building with its own vertices: a reader needs memory for one building only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import rasterio.transform
import shapely

from eaves.core.files import atomic_write
from eaves.vector.formats.common import Write, compact, distinct_crs, reproject, snap_to_grid, to_pyproj, values_of
from eaves.vector.formats.solids import Corners, extrude, footprints, open_rings

STEP = 1e-3
"""Step of the vertices' grid: a millimetre, or a thousandth of a foot if that is the unit of the CRS."""
STEP_DEG = 1e-8
"""Step of the grid in degrees: about a millimetre."""
SURFACES = [{"type": "GroundSurface"}, {"type": "RoofSurface"}, {"type": "WallSurface"}]


@contextmanager
def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> Iterator[Write]:
    """Open a CityJSONSeq file for writing, in the first tile's coordinate reference system.

    Heights are in metres. A building stands at 0 if its ground is unknown. It is a solid (LoD 1), or a flat footprint
    (LoD 0) if its height is unknown or below a millimetre.
    """
    system = to_pyproj(distinct_crs(grids)[0]) if grids else None
    step = STEP_DEG if system is not None and system.is_geographic else STEP
    origin = _south_west(grids, system)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(compact(_head(system, step, origin)) + "\n")

        def write(frame: geopandas.GeoDataFrame) -> None:
            placed = shapely.transform(reproject(frame.geometry.to_numpy(), frame.crs, system), lambda xy: xy - origin)
            for values, shape in zip(values_of(frame), snap_to_grid(placed, step), strict=True):
                stream.write(compact(_feature(values, shape)) + "\n")

        yield write


def _south_west(grids: dict[str, dict[str, Any]], system: pyproj.CRS | None) -> np.ndarray:
    """Return integer coordinates at or just south-west of all tiles."""
    boxes = [
        reproject(
            np.array([shapely.box(*rasterio.transform.array_bounds(grid["height"], grid["width"], grid["transform"]))]),
            to_pyproj(grid["crs"]),
            system,
        )[0].bounds
        for _, grid in sorted(grids.items())
    ]
    return np.floor(np.min(boxes, axis=0)[:2]) if boxes else np.zeros(2)


def _head(system: pyproj.CRS | None, step: float, origin: np.ndarray) -> dict[str, Any]:
    transform = {"scale": [step, step, STEP], "translate": [*origin.tolist(), 0.0]}
    head = {"type": "CityJSON", "version": "2.0", "transform": transform, "CityObjects": {}, "vertices": []}
    authority = system.to_authority() if system is not None else None
    if authority:
        head["metadata"] = {"referenceSystem": f"https://www.opengis.net/def/crs/{authority[0]}/0/{authority[1]}"}
    return head


def _feature(values: dict[str, Any], shape: shapely.Polygon | shapely.MultiPolygon) -> dict[str, Any]:
    """Return a building with its vertices; `shape` is in steps from the origin."""
    name = f"{values['tile']}-{values['id']}"
    floor = round((values["ground_m"] or 0.0) / STEP)
    roof = floor + round((values["height_m"] or 0.0) / STEP)
    corners = Corners()
    parts = footprints(shape)
    building: dict[str, Any] = {"type": "Building", "attributes": values, "geometry": []}
    if parts and roof > floor:
        solids = [extrude(part, floor, roof, corners) for part in parts]
        shells, kinds = [[surfaces] for surfaces, _ in solids], [[kind] for _, kind in solids]
        several = len(parts) > 1
        building["geometry"] = [
            {
                "type": "MultiSolid" if several else "Solid",
                "lod": "1",
                "boundaries": shells if several else shells[0],
                "semantics": {"surfaces": SURFACES, "values": kinds if several else kinds[0]},
            }
        ]
    elif parts:
        flat = [[corners.ring(ring, floor) for ring in open_rings(part)] for part in parts]
        building["geometry"] = [{"type": "MultiSurface", "lod": "0", "boundaries": flat}]
    return {"type": "CityJSONFeature", "id": name, "CityObjects": {name: building}, "vertices": corners.vertices}

"""GeoJSON: one feature per line, in longitude and latitude on WGS 84, as RFC 7946 requires."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import pyproj
import shapely

from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.vector.formats.common import (
    LONGITUDE_LATITUDE,
    Write,
    compact,
    distinct_crs,
    reproject,
    snap_to_grid,
    values_of,
)

DECIMALS = 7  # of a degree: a centimetre, see RFC 7946, section 11.2


@contextmanager
def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> Iterator[Write]:
    """Open a FeatureCollection for writing.

    Raises:
        InputError: The tiles have no coordinate reference system.
    """
    if None in distinct_crs(grids):
        raise InputError(
            f"{path}: GeoJSON requires longitude and latitude, but the tiles have no coordinate reference system; "
            "set it, e.g. rio edit-info --crs EPSG:32617 on each, or write .gpkg"
        )
    system = pyproj.CRS(LONGITUDE_LATITUDE)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        separator = "\n"
        stream.write('{"type":"FeatureCollection","features":[')

        def write(frame: geopandas.GeoDataFrame) -> None:
            nonlocal separator
            whole_steps = snap_to_grid(reproject(frame.geometry.to_numpy(), frame.crs, system), 10.0**-DECIMALS)
            for values, shape in zip(values_of(frame), shapely.orient_polygons(whole_steps), strict=True):
                feature = {
                    "type": "Feature",
                    "properties": values,
                    "geometry": _geometry(shape),
                }
                stream.write(separator + compact(feature))
                separator = ",\n"

        yield write
        stream.write("\n]}\n")


def _geometry(shape: shapely.Polygon | shapely.MultiPolygon) -> dict[str, Any] | None:
    """Convert a geometry on the grid to GeoJSON in degrees; None if it is empty, being thinner than a step."""
    if shape.is_empty:
        return None
    parts = [[_degrees(ring) for ring in (part.exterior, *part.interiors)] for part in shapely.get_parts(shape)]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _degrees(ring: shapely.LinearRing) -> list[list[float]]:
    return (shapely.get_coordinates(ring) / 10**DECIMALS).tolist()

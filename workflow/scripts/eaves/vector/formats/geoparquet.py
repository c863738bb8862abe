"""GeoParquet 1.1: one table, written in row groups, with bounding boxes for fast spatial filters."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from eaves.core.files import atomic_write, check_readback
from eaves.vector.formats.common import LONGITUDE_LATITUDE, Write, distinct_crs, reproject, to_pyproj

GROUP_BYTES = 1 << 23
"""Size from which a row group is written: one or more whole tiles, mostly thousands of buildings."""
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_TYPES = {"tile": pa.string(), "id": pa.int64(), "touches_edge": pa.bool_(), "regularized": pa.bool_()}
_NUMBERS = ("area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence")
_ORDER = ("tile", "id", *_NUMBERS, "touches_edge", "regularized")
SCHEMA = pa.schema(
    [(name, _TYPES.get(name, pa.float64())) for name in _ORDER]
    + [("geometry", pa.binary()), ("bbox", pa.struct([(side, pa.float64()) for side in _SIDES]))]
)


@contextmanager
def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> Iterator[Write]:
    """Open a GeoParquet file for writing, in the tiles' coordinate reference system, or OGC:CRS84 if they have several.

    https://geoparquet.org/releases/v1.1.0/
    """
    systems = distinct_crs(grids)
    system = to_pyproj(systems[0]) if len(systems) == 1 else pyproj.CRS(LONGITUDE_LATITUDE)
    waiting: list[pa.Table] = []
    bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])
    kinds: set[str] = set()

    rows = 0

    with atomic_write(path) as temporary:
        with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as parquet:

            def flush() -> None:
                if waiting:
                    parquet.write_table(pa.concat_tables(waiting))
                    waiting.clear()

            def write(frame: geopandas.GeoDataFrame) -> None:
                nonlocal rows
                if frame.empty:
                    return
                geometry = shapely.orient_polygons(reproject(frame.geometry.to_numpy(), frame.crs, system))
                boxes = shapely.bounds(geometry)
                bounds[:2], bounds[2:] = (
                    np.minimum(bounds[:2], boxes[:, :2].min(axis=0)),
                    np.maximum(bounds[2:], boxes[:, 2:].max(axis=0)),
                )
                kinds.update(shape.geom_type for shape in geometry)
                waiting.append(_table(frame, geometry, boxes))
                rows += len(frame)
                if sum(table.nbytes for table in waiting) >= GROUP_BYTES:
                    flush()

            yield write
            flush()
            about = _metadata(system, sorted(kinds), bounds)
            parquet.add_key_value_metadata({"geo": json.dumps(about, sort_keys=True)})
        check_readback(path, pq.read_metadata(temporary).num_rows == rows)


def _table(frame: geopandas.GeoDataFrame, geometry: np.ndarray, boxes: np.ndarray) -> pa.Table:
    columns = {
        name: pa.array(frame[name].tolist() if name == "tile" else frame[name].to_numpy(), from_pandas=True)
        for name in _ORDER
    }
    columns["geometry"] = pa.array(shapely.to_wkb(geometry, flavor="iso", byte_order=1))
    columns["bbox"] = pa.StructArray.from_arrays([pa.array(side) for side in boxes.T], _SIDES)
    return pa.table(columns).cast(SCHEMA)


def _metadata(system: pyproj.CRS | None, kinds: list[str], bounds: np.ndarray) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": kinds,
        "crs": system.to_json_dict() if system else None,
        "orientation": "counterclockwise",
        "covering": {"bbox": {side: ["bbox", side] for side in _SIDES}},
    }
    if np.isfinite(bounds).all():
        column["bbox"] = bounds.tolist()
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}

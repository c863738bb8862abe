"""GeoPackage: a layer of outlines; tiles in several coordinate reference systems get a layer each."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from eaves.core.files import atomic_write, check, probe, writing
from eaves.vector.formats.common import Write, distinct_crs

# A GeoPackage notes when it was written; a fixed date keeps equal results equal, bit for bit.
pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2017-01-01T00:00:00.000Z"})

MAX_NAME = 60
INDEXED = 4
"""What a row takes in the file, with its attributes, its index and SQLite's journal, in sizes of its geometry."""


@contextmanager
def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> Iterator[Write]:
    """Create a GeoPackage with the layer `buildings`, or one for each system, named after it."""
    several = len(distinct_crs(grids)) > 1
    rows: Counter[str] = Counter()
    with atomic_write(path) as temporary:

        def write(frame: geopandas.GeoDataFrame) -> None:
            layer = f"buildings {frame.crs.to_string()}"[:MAX_NAME] if several else "buildings"
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "'crs' was not provided")  # plain metres are meant
                try:
                    pyogrio.write_dataframe(
                        frame,
                        temporary,
                        layer=layer,
                        driver="GPKG",
                        append=temporary.exists(),
                        geometry_type="MultiPolygon",
                        promote_to_multi=True,
                    )
                except (DataLayerError, DataSourceError):  # often without a word of why
                    with writing(path):
                        probe(temporary, INDEXED * sum(map(len, frame.geometry.to_wkb())))
                    raise
            rows[layer] += len(frame)

        yield write
        check(path, all(_reads(temporary, layer, number) for layer, number in rows.items()))


def _reads(path: Path, layer: str, rows: int) -> bool:
    """Whether so many rows are in a layer, and the last can be read."""
    try:
        if pyogrio.read_info(path, layer=layer)["features"] != rows:
            return False
        return not rows or len(pyogrio.read_dataframe(path, layer=layer, skip_features=rows - 1)) == 1
    except (DataLayerError, DataSourceError):
        return False

"""GeoPackage: one layer of outlines for each coordinate reference system of the tiles."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from eaves.core.files import atomic_write, check_readback, explain_write_errors, probe_write
from eaves.vector.formats.common import Write, distinct_crs

# A GeoPackage stores its date; a fixed date makes files of equal results identical.
pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2017-01-01T00:00:00.000Z"})

MAX_NAME = 60
INDEXED = 4
"""Space for a row with its attributes, index and SQLite's journal, as a multiple of the size of its geometry."""


@contextmanager
def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> Iterator[Write]:
    """Open a GeoPackage for writing: the layer `buildings`, or one layer per CRS with the CRS in its name."""
    several = len(distinct_crs(grids)) > 1
    rows: Counter[str] = Counter()
    with atomic_write(path) as temporary:

        def write(frame: geopandas.GeoDataFrame) -> None:
            layer = f"buildings {frame.crs.to_string()}"[:MAX_NAME] if several else "buildings"
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "'crs' was not provided")  # tiles without a CRS are in plain metres
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
                except (DataLayerError, DataSourceError):  # often without the reason
                    with explain_write_errors(path):
                        probe_write(temporary, INDEXED * sum(map(len, frame.geometry.to_wkb())))
                    raise
            rows[layer] += len(frame)

        yield write
        check_readback(path, all(_reads(temporary, layer, number) for layer, number in rows.items()))


def _reads(path: Path, layer: str, rows: int) -> bool:
    """Return whether a layer has this number of rows, and the last one can be read."""
    try:
        if pyogrio.read_info(path, layer=layer)["features"] != rows:
            return False
        return not rows or len(pyogrio.read_dataframe(path, layer=layer, skip_features=rows - 1)) == 1
    except (DataLayerError, DataSourceError):
        return False

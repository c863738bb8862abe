"""GeoPackage: a layer of outlines; tiles in several coordinate reference systems get a layer each."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import pyogrio

from eaves.files import whole
from eaves.products.common import Write, systems_of

# A GeoPackage notes when it was written; a fixed date keeps equal results equal, bit for bit.
pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2017-01-01T00:00:00.000Z"})

MAX_NAME = 60


@contextmanager
def created(path: Path, grids: dict[str, dict[str, Any]]) -> Iterator[Write]:
    """Creates a GeoPackage with the layer `buildings`, or one for each system, named after it."""
    several = len(systems_of(grids)) > 1
    with whole(path) as temporary:

        def write(frame: geopandas.GeoDataFrame) -> None:
            layer = f"buildings {frame.crs.to_string()}"[:MAX_NAME] if several else "buildings"
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "'crs' was not provided")  # plain metres are meant
                pyogrio.write_dataframe(
                    frame,
                    temporary,
                    layer=layer,
                    driver="GPKG",
                    append=temporary.exists(),
                    geometry_type="MultiPolygon",
                    promote_to_multi=True,
                )

        yield write

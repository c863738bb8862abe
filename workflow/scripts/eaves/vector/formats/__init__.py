"""Files of outlines: GeoPackage, GeoParquet, GeoJSON and CityJSON, each written tile by tile in bounded memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import geopandas

from eaves.core.errors import InputError
from eaves.core.files import writing
from eaves.vector.formats import cityjson, geojson, geopackage, geoparquet
from eaves.vector.formats.common import Write

WRITERS = {
    ".gpkg": geopackage.open_writer,
    ".parquet": geoparquet.open_writer,
    ".geojson": geojson.open_writer,
    ".city.jsonl": cityjson.open_writer,
}


def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> AbstractContextManager[Write]:
    """Create the file that a name's ending asks for; it gets its name when it is whole and on the disk.

    Args:
        path: ends in .gpkg, .parquet, .geojson or .city.jsonl.
        grids: of every tile that will be written, as `eaves.raster.geotiff.grid` gives them.

    Returns:
        A context that gives a function, to be called with the outlines of each tile, as
        `eaves.vector.polygonize.outlines` makes them.

    Raises:
        InputError: the ending is none of these, or the format cannot hold the tiles' coordinate reference systems.
    """
    for ending, kind in WRITERS.items():
        if path.name.lower().endswith(ending):
            return _name_in_errors(path, kind(path, grids))
    raise InputError(f"{path}: the name must end in {', '.join(WRITERS)}, which says what is to be written")


@contextmanager
def _name_in_errors(path: Path, made: AbstractContextManager[Write]) -> Iterator[Write]:
    """Name this file in errors of its writing, and not another one that is written at the same time."""
    with made as write:

        def write_named(frame: geopandas.GeoDataFrame) -> None:
            with writing(path, alone=False):
                write(frame)

        yield write_named

"""Writers of outlines: GeoPackage, GeoParquet, GeoJSON and CityJSON, tile by tile in bounded memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import geopandas

from eaves.core.errors import InputError
from eaves.core.files import explain_write_errors
from eaves.vector.formats import cityjson, geojson, geopackage, geoparquet
from eaves.vector.formats.common import Write

WRITERS = {
    ".gpkg": geopackage.open_writer,
    ".parquet": geoparquet.open_writer,
    ".geojson": geojson.open_writer,
    ".city.jsonl": cityjson.open_writer,
}


def open_writer(path: Path, grids: dict[str, dict[str, Any]]) -> AbstractContextManager[Write]:
    """Open a file of outlines for writing, in the format of its extension.

    The file appears under its name only when it is complete.

    Args:
        path: File with the extension .gpkg, .parquet, .geojson or .city.jsonl.
        grids: Grid of every tile that will be written, as returned by `eaves.raster.geotiff.grid`.

    Returns:
        A context manager that yields a function, to be called with the outlines of each tile as returned by
        `eaves.vector.polygonize.outlines`.

    Raises:
        InputError: The extension is another one, or the format cannot store the tiles' coordinate reference systems.
    """
    for ending, kind in WRITERS.items():
        if path.name.lower().endswith(ending):
            return _name_in_errors(path, kind(path, grids))
    raise InputError(f"{path}: the name must end in {', '.join(WRITERS)}, which selects the format")


@contextmanager
def _name_in_errors(path: Path, made: AbstractContextManager[Write]) -> Iterator[Write]:
    """Make write errors name this file and no other one that is written at the same time."""
    with made as write:

        def write_named(frame: geopandas.GeoDataFrame) -> None:
            with explain_write_errors(path, only_writing=False):
                write(frame)

        yield write_named

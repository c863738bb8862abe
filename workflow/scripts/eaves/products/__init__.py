"""Files of outlines: GeoPackage, GeoParquet, GeoJSON and CityJSON, each written tile by tile in bounded memory."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from eaves.errors import InputError
from eaves.products import cityjson, geojson, geopackage, geoparquet
from eaves.products.common import Write

KINDS = {
    ".gpkg": geopackage.created,
    ".parquet": geoparquet.created,
    ".geojson": geojson.created,
    ".city.jsonl": cityjson.created,
}


def created(path: Path, grids: dict[str, dict[str, Any]]) -> AbstractContextManager[Write]:
    """Creates the file that a name's ending asks for; it gets its name when it is whole.

    Args:
        path: ends in .gpkg, .parquet, .geojson or .city.jsonl.
        grids: of every tile that will be written, as `eaves.rasters.grid` gives them.

    Returns:
        A context that gives a function, to be called with the outlines of each tile, as `eaves.outlines.outlines`
        makes them.

    Raises:
        InputError: the ending is none of these, or the format cannot hold the tiles' coordinate reference systems.
    """
    for ending, kind in KINDS.items():
        if path.name.lower().endswith(ending):
            return kind(path, grids)
    raise InputError(f"{path}: the name must end in {', '.join(KINDS)}, which says what is to be written")

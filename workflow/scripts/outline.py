"""Draws the outlines of the buildings on the test tiles into one GeoPackage, in map coordinates.

Tiles in several coordinate reference systems get a layer each, named after the system; else the layer is `buildings`.
"""

import argparse
from pathlib import Path

import pandas as pd
import pyogrio

from eaves import console, rasters
from eaves.files import whole
from eaves.outlines import outlines
from eaves.tiles import height_of

# A GeoPackage notes when it was written; a fixed date keeps equal results equal, bit for bit.
pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2017-01-01T00:00:00.000Z"})


def main(arguments: argparse.Namespace) -> None:
    """Appends tile by tile, so that memory holds one tile at a time."""
    table = pd.read_csv(arguments.table)
    names = sorted(table.loc[table["set"] == "test", "tile"])
    grids = {name: rasters.grid(arguments.buildings / f"{name}.tif") for name in names}
    systems = sorted({grid["crs"].to_string() for grid in grids.values()})
    found = 0
    with whole(arguments.output) as temporary:
        for name in console.progress(names, "outline"):
            table = outlines(
                rasters.read(arguments.buildings / f"{name}.tif"),
                grids[name]["transform"],
                grids[name]["crs"].to_wkt(),
                height_of(rasters.read(arguments.tiles / f"{name}_image.tif", band=4)),
                rasters.read(arguments.probabilities / f"{name}.tif"),
                name,
            )
            layer = "buildings" if len(systems) == 1 else f"buildings {grids[name]['crs'].to_string()}"[:60]
            pyogrio.write_dataframe(
                table, temporary, layer=layer, driver="GPKG", append=temporary.exists(), geometry_type="Polygon"
            )
            found += len(table)
    console.LOG.info("%d outlines in %s", found, arguments.output)


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="tiles.csv: the tiles of the set `test` are outlined")
    parser.add_argument("--buildings", type=Path, required=True, help="folder of the buildings, <tile>.tif")
    parser.add_argument("--probabilities", type=Path, required=True, help="folder of the probabilities, <tile>.tif")
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("--output", type=Path, required=True, help="the GeoPackage")
    console.run(main, parser.parse_args())

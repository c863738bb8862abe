"""Write the outlines of buildings with their attributes from rasters of labels; needs no other part of the pipeline.

Attributes: tile, id, area_m2, perimeter_m, height_m (median) and height_p95_m above ground, ground_m (elevation of the
ground), confidence (mean probability), touches_edge, regularized. Attributes whose raster is not given are null.
--regularize draws straight walls and right angles, at most this many metres from the labels' edges.
--min-confidence leaves out buildings of a lower confidence; it needs --probabilities.

The extension of --output selects the format; several files may be given:
  .gpkg        GeoPackage in the tiles' coordinate reference system, with one layer for each if there are several
  .parquet     GeoParquet in the tiles' coordinate reference system; in longitude and latitude if there are several
  .geojson     GeoJSON in longitude and latitude
  .city.jsonl  CityJSON 2.0, one line per building: blocks from the ground to the median height

Example: python workflow/scripts/outline.py --labels labels --heights heights --ground data/test --regularize 1
         --output buildings.gpkg buildings.city.jsonl
"""

import argparse
import math
from contextlib import ExitStack
from pathlib import Path

from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.vector import formats, layers
from eaves.vector.polygonize import outlines


def main(arguments: argparse.Namespace) -> Done:
    """Write one tile after the other, with one tile in memory."""
    block = config.section(arguments.settings, "outline")["outline"] if arguments.settings else {}
    regularize, min_confidence = (
        (block.get(name) or 0) if given is None else given
        for name, given in (("regularize_m", arguments.regularize), ("min_confidence", arguments.min_confidence))
    )
    if not (math.isfinite(regularize) and regularize >= 0):
        raise InputError(f"--regularize is {regularize}: give metres, 0 or more; 0 follows the pixels' edges")
    if min_confidence and not arguments.probabilities:
        raise InputError("--min-confidence: give --probabilities, too; a building's confidence is their mean")
    wanted = None
    if arguments.table:
        table = read_table(arguments.table)
        wanted = table.loc[table["set"] == "test", "tile"].tolist()
    tiles = layers.find_layers(arguments.labels, arguments.heights, arguments.probabilities, arguments.ground, wanted)
    grids, faults = {}, []
    for tile, files in cli.progress(tiles.items(), "check"):
        try:
            grids[tile] = layers.check_layers(files)
        except InputError as fault:
            faults.append(str(fault))
    if faults:
        raise InputError("\n".join(faults))

    found = left_out = 0
    with ExitStack() as files_made:
        writers = [files_made.enter_context(formats.open_writer(path, grids)) for path in arguments.output]
        for tile, files in cli.progress(tiles.items(), "outline"):
            grid = grids[tile]
            frame = outlines(
                layers.read_labels(files),
                grid["transform"],
                grid["crs"].to_wkt() if grid["crs"] else None,
                tile,
                layers.read_heights(files),
                layers.read_probability(files),
                layers.read_ground(files, grid),
                regularize,
            )
            kept = frame[frame["confidence"] >= min_confidence] if min_confidence else frame
            for write in writers:
                write(kept)
            found += len(kept)
            left_out += len(frame) - len(kept)
    cli.LOG.info("%d outlines on %d tiles in %s", found, len(tiles), ", ".join(map(str, arguments.output)))
    if min_confidence:
        cli.LOG.info("left out %d buildings with a confidence below %g", left_out, min_confidence)
    rasters = [path for files in tiles.values() for path in files.present()]
    return Done(inputs=[*rasters, *([arguments.table] if arguments.table else [])], outputs=arguments.output)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument(
        "--labels", type=Path, required=True, help="folder of <tile>.tif or <tile>_GTI.tif: ids, 0 is ground"
    )
    parser.add_argument("--heights", type=Path, help="folder of <tile>.tif, metres above ground; or of prepared tiles")
    parser.add_argument("--probabilities", type=Path, help="folder of <tile>.tif: probability of building, 0 to 1")
    parser.add_argument("--ground", type=Path, help="folder of <tile>_DTM.tif or <tile>.tif: elevation, metres")
    parser.add_argument("--regularize", type=float, metavar="M", help="metres (default: 0, exact)")
    parser.add_argument("--min-confidence", type=float, metavar="P", help="0 to 1 (default: 0, all)")
    parser.add_argument("--settings", help="JSON or a YAML file: values for these two (default: none)")
    parser.add_argument("--table", type=Path, help="tiles.csv: only the tiles of the set `test` are outlined")
    parser.add_argument("--output", type=Path, required=True, nargs="+", metavar="FILE", help="see above")
    cli.run(main, parser.parse_args())

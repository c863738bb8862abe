"""Write the test tiles' buildings in the challenge's text format: three lines per tile, run lengths row by row."""

import argparse
from pathlib import Path

from eaves.core import cli
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.labels.files import read_ids
from eaves.raster import geotiff
from eaves.urban3d import text_format

import numpy as np


def main(arguments: argparse.Namespace) -> Done:
    """Write the tiles in the order of their names."""
    table = read_table(arguments.table)
    names = sorted(table.loc[table["set"] == "test", "tile"])
    shown = cli.progress(names, "submission")
    text_format.write(arguments.output, ((name, labels(arguments.buildings, name)) for name in shown))
    cli.LOG.info("wrote %d tiles to %s", len(names), arguments.output)
    buildings = [arguments.buildings / f"{name}.tif" for name in names]
    return Done(inputs=[arguments.table, *buildings], outputs=[arguments.output])


def labels(folder: Path, name: str) -> np.ndarray:
    """Read the buildings of a tile, (H, W) int32."""
    path = folder / f"{name}.tif"
    with geotiff.open_raster(path) as source:
        return read_ids(source, path)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument(
        "--table", type=Path, required=True, help="tiles.csv: only the tiles of the set `test` are written"
    )
    parser.add_argument("--buildings", type=Path, required=True, help="folder of the buildings, <tile>.tif")
    parser.add_argument("--output", type=Path, required=True, help="output text file")
    cli.run(main, parser.parse_args())

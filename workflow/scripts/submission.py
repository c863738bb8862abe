"""Writes the test tiles' buildings in the challenge's text format: three lines a tile, run lengths row by row."""

import argparse
from pathlib import Path

import pandas as pd

from eaves import console, rasters, submission


def main(arguments: argparse.Namespace) -> None:
    """Writes the tiles in the order of their names."""
    table = pd.read_csv(arguments.table, dtype={"tile": str})
    names = sorted(table.loc[table["set"] == "test", "tile"])
    shown = console.progress(names, "submission")
    submission.write(arguments.output, ((name, rasters.read(arguments.buildings / f"{name}.tif")) for name in shown))
    console.LOG.info("wrote %d tiles to %s", len(names), arguments.output)


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="tiles.csv: the tiles of the set `test` are written")
    parser.add_argument("--buildings", type=Path, required=True, help="folder of the buildings, <tile>.tif")
    parser.add_argument("--output", type=Path, required=True, help="the text file")
    console.run(main, parser.parse_args())

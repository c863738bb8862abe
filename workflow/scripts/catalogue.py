"""Join the tables of the batches into tiles.csv, one row per tile, sorted by set and name."""

import argparse
from pathlib import Path

from eaves.core import cli
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.core.tables import read_table

import pandas as pd


def main(arguments: argparse.Namespace) -> Done:
    """Read the tables and write them as one."""
    table = pd.concat([read_table(path, buildings="Int64") for path in arguments.tables])
    with atomic_write(arguments.output) as temporary:
        table.sort_values(["set", "tile"]).to_csv(temporary, index=False)
    return Done(inputs=arguments.tables, outputs=[arguments.output])


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="table to write, tiles.csv")
    parser.add_argument("tables", type=Path, nargs="+", help="tables written by prepare.py")
    cli.run(main, parser.parse_args())

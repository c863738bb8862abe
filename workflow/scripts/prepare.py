"""Prepare a batch of tiles: check the raw files and write image, truth and a table with one row per tile.

All tiles of the batch are checked and all errors reported before the script fails.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from eaves.core import cli, config
from eaves.core.errors import InputError, WriteError
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.tiles import prepared
from eaves.tiles.discovery import TileFiles
from eaves.tiles.names import name_error
from eaves.tiles.prepare import prepare

import pandas as pd


def main(arguments: argparse.Namespace) -> Done:
    """Prepare each tile, collecting errors."""
    block = config.section(arguments.settings, "prepare")["prepare"]
    files = {
        given.pop("tile"): TileFiles(**{kind: Path(path) for kind, path in given.items()})
        for given in json.loads(arguments.files)
    }
    if faults := [f"--files: tile {tile!r}: {fault}" for tile in files if (fault := name_error(tile))]:
        raise InputError("\n".join(faults))
    rows, faults = [], []
    written = [arguments.table]
    for tile in cli.progress(sorted(files), "prepare"):
        image, truth = prepared.image_path(arguments.folder, tile), prepared.truth_path(arguments.folder, tile)
        try:
            rows.append({"tile": tile, "set": arguments.set} | asdict(prepare(files[tile], image, truth, block)))
            written += [image, truth] if files[tile].gti else [image]
        except InputError as fault:
            faults.append(str(fault))
            if isinstance(fault, WriteError):  # the other tiles would fail for the same reason
                break
    if faults:
        raise InputError("\n".join(faults))
    table = pd.DataFrame(rows).astype({"buildings": "Int64"})
    with atomic_write(arguments.table) as temporary:
        table.to_csv(temporary, index=False)
    cli.LOG.info("prepared %d %s tiles", len(rows), arguments.set)
    return Done(inputs=[path for tile in files.values() for path in tile.present()], outputs=written)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument(
        "--files", required=True, help='JSON: [{"tile": name, "rgb": path, "dsm": .., "dtm": .., "gti": ..}]'
    )
    parser.add_argument("--set", required=True, choices=("train", "test"), help="set of the tiles")
    parser.add_argument("--folder", type=Path, required=True, help="folder to write the prepared tiles to")
    parser.add_argument("--table", type=Path, required=True, help="table to write, .csv")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    cli.run(main, parser.parse_args())

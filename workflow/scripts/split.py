"""Assign each training tile to the fold that holds it out, and record the hash of its prepared files."""

import argparse
from hashlib import sha256
from pathlib import Path

from eaves.core import cli, config
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.raster import geotiff
from eaves.tiles import prepared
from eaves.tiles.folds import assign

import numpy as np
import pandas as pd


def main(arguments: argparse.Namespace) -> Done:
    """Read the tables, assign the tiles, write folds.csv."""
    block = config.section(arguments.settings, "split")["split"]
    table = pd.concat([read_table(path) for path in arguments.tables]).sort_values("tile")
    centres = None
    if block["by"] == "blocks":
        centres = np.array([centre(prepared.image_path(arguments.tiles_dir, tile)) for tile in table["tile"]])
    fold = assign(
        list(table["tile"]),
        block["folds"],
        block["seed"],
        block["by"],
        block["group_pattern"],
        block["block_m"],
        centres,
    )
    hashes = [
        sha256(f"{image} {truth}".encode()).hexdigest()
        for image, truth in zip(table["image_sha256"], table["truth_sha256"], strict=True)
    ]
    with atomic_write(arguments.output) as temporary:
        pd.DataFrame({"tile": table["tile"], "fold": fold, "sha256": hashes}).to_csv(temporary, index=False)
    cli.LOG.info("%d training tiles in %d folds of %s", len(fold), block["folds"], np.bincount(fold).tolist())
    # Only this record lists the prepared tiles, so that the training of each fold need not hash them again.
    tiles = [arguments.tiles_dir / f"{tile}_{kind}.tif" for tile in table["tile"] for kind in ("image", "truth")]
    return Done(inputs=[*arguments.tables, *tiles], outputs=[arguments.output])


def centre(path: Path) -> tuple[float, float]:
    """Return the centre of a tile, in its CRS."""
    grid = geotiff.grid(path)
    return grid["transform"] @ (grid["width"] / 2, grid["height"] / 2)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="table to write, folds.csv")
    parser.add_argument("--tiles-dir", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    parser.add_argument("tables", type=Path, nargs="+", help="tables of the training tiles, written by prepare.py")
    cli.run(main, parser.parse_args())

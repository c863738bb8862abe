"""Separates probabilities into single buildings; where no height is known there is none."""

import argparse
from pathlib import Path

import numpy as np

from eaves import console, rasters, settings
from eaves.instances import separate
from eaves.tiles import NODATA


def main(arguments: argparse.Namespace) -> None:
    """Separates each tile."""
    block = settings.section(arguments.settings, "separate")["separate"]
    found = 0
    for path in console.progress(arguments.probabilities, "separate"):
        probability = rasters.read(path)
        height = rasters.read(arguments.tiles / f"{path.stem}_image.tif", band=4)
        labels = separate(np.where(height == NODATA, np.float32(0), probability), **block)
        rasters.write(arguments.folder / path.name, labels, rasters.grid(path))
        found += int(labels.max())
    console.LOG.info("found %d buildings on %d tiles", found, len(arguments.probabilities))


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the buildings go")
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    parser.add_argument("probabilities", type=Path, nargs="+", help="<tile>.tif, float32, 0..1")
    console.run(main, parser.parse_args())

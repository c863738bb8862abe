"""Separate probabilities into single buildings: a GeoTIFF of labels 1..n for each raster of probabilities.

Works on the pipeline's probabilities and on any single-band GeoTIFF of floating point values in 0..1. Nodata counts as
0. With --tiles-dir there are no buildings where the prepared tile <tile>_image.tif has no height.

  python workflow/scripts/separate.py --folder labels --csv labels.csv my/probabilities
  python workflow/scripts/separate.py --folder labels --low 0.35 --min-seed-px 60 --scale 255 one.tif other.tif
  python workflow/scripts/separate.py --folder labels --thresholds results/tuning/chosen.json my/probabilities
"""

import argparse
import json
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.raster import geotiff
from eaves.separation.thresholds import Thresholds, resolve_thresholds
from eaves.separation.watershed import separate
from eaves.tiles import prepared, probabilities

import pandas as pd

COLUMNS = ["tile", "buildings", "area_px", "area_m2"]


def main(arguments: argparse.Namespace) -> Done:
    """Separate one tile after the other, with one tile in memory."""
    block = config.section(arguments.settings, "separate")["separate"]
    given = {name: getattr(arguments, name) for name in Thresholds._fields}
    values = resolve_thresholds(block, arguments.thresholds, **given)
    found = probabilities.find_files(arguments.probabilities)
    images = [prepared.image_path(arguments.tiles_dir, path.stem) for path in found] if arguments.tiles_dir else []
    check_places(found, arguments.folder, images)
    rows = []
    for path in cli.progress(found, "separate"):
        if arguments.tiles_dir:
            probability, _ = probabilities.read_on_tile(path, arguments.tiles_dir, arguments.scale)
        else:
            probability = probabilities.read(path, arguments.scale)
        labels, grid = separate(probability, **values), geotiff.grid(path)
        geotiff.write(arguments.folder / path.name, labels, grid)
        area_px = int((labels > 0).sum())
        rows.append((path.stem, int(labels.max()), area_px, area_px * pixel_m2(grid)))
    table = pd.DataFrame(rows, columns=COLUMNS)
    if arguments.csv:
        with atomic_write(arguments.csv) as temporary:
            table.to_csv(temporary, index=False, float_format="%.2f")
    if arguments.json:
        with atomic_write(arguments.json) as temporary:
            temporary.write_text(json.dumps(summary(table, values), indent=2) + "\n")
    used = ", ".join(f"{name} {value:g}" for name, value in values.items() if name != "match_original")
    cli.LOG.info("found %d buildings on %d tiles (%s)", table["buildings"].sum(), len(table), used)
    tables = [path for path in (arguments.csv, arguments.json) if path]
    return Done(
        inputs=[*found, *images, *([arguments.thresholds] if arguments.thresholds else [])],
        outputs=[*(arguments.folder / path.name for path in found), *tables],
    )


def check_places(found: list[Path], folder: Path, images: list[Path]) -> None:
    """Check that no input would be overwritten and that every prepared image exists.

    Raises:
        InputError: One line for each problem.
    """
    faults = [
        f"{path}: the labels would overwrite it; give another --folder"
        for path in found
        if path.resolve() == (folder / path.name).resolve()
    ]
    faults += [
        f"{image}: no such file; prepare the tile, or leave out --tiles-dir" for image in images if not image.exists()
    ]
    if faults:
        raise InputError("\n".join(faults))


def pixel_m2(grid: dict[str, Any]) -> float:
    """Return the area of a pixel in square metres; NaN if the CRS is not projected or missing."""
    if grid["crs"] is None or not grid["crs"].is_projected:
        return float("nan")
    metres = grid["crs"].linear_units_factor[1]
    return abs(grid["transform"].determinant) * metres**2


def summary(table: pd.DataFrame, values: dict[str, Any]) -> dict[str, Any]:
    """Return the totals over all tiles and the thresholds used."""
    area_m2 = table["area_m2"].sum(skipna=False)
    return {
        "separation": values,
        "tiles": len(table),
        "buildings": int(table["buildings"].sum()),
        "area_px": int(table["area_px"].sum()),
        "area_m2": None if pd.isna(area_m2) else round(float(area_m2), 2),
    }


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="output folder for the labels, <tile>.tif, int32")
    parser.add_argument("--tiles-dir", type=Path, help="folder of the prepared tiles, <tile>_image.tif")
    parser.add_argument("--low", type=float, help="probability above which a pixel may belong to a building")
    parser.add_argument("--high", type=float, help="probability above which a pixel belongs to a building's core")
    parser.add_argument("--min-seed-px", type=int, help="minimum number of pixels of a core")
    parser.add_argument("--min-area-px", type=int, help="minimum number of pixels of a region above --low")
    parser.add_argument(
        "--thresholds", type=Path, help="chosen.json: use its thresholds instead of the configured ones"
    )
    parser.add_argument(
        "--settings", help="settings for options not given: JSON, or a YAML file (default: config.yaml)"
    )
    parser.add_argument("--scale", type=float, help="raster value of probability 1, e.g. 255 for 8-bit rasters")
    parser.add_argument("--csv", type=Path, help="also write a row per tile: tile, buildings, area_px, area_m2")
    parser.add_argument("--json", type=Path, help="also write the totals, and the values used")
    parser.add_argument("probabilities", type=Path, nargs="+", help="files <tile>.tif, or folders of them")
    cli.run(main, parser.parse_args())

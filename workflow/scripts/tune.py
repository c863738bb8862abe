"""Score each combination of the separation's thresholds on training tiles by the challenge's rules.

The probabilities must be out of fold: predicted by models that were not trained on the tile. choose.py reads the
tables that this script writes.

  python workflow/scripts/tune.py --tiles-dir results/tiles --output counts.csv results/probabilities/*_train_*.tif
"""

import argparse
from pathlib import Path

from eaves.core import cli, config
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.labels.overlaps import TruthSide
from eaves.metrics.challenge import challenge_rules
from eaves.raster import geotiff
from eaves.separation.grid_search import COUNTS, count_outcomes
from eaves.separation.thresholds import Thresholds, combinations
from eaves.tiles import prepared, probabilities

import pandas as pd


def main(arguments: argparse.Namespace) -> Done:
    """Score one tile after the other, with one tile in memory."""
    blocks = config.section(arguments.settings, "separate", "threshold_search", "score")
    searched = combinations(blocks["threshold_search"], blocks["separate"])
    rules = challenge_rules(blocks["score"])
    columns = pd.DataFrame(searched, columns=list(Thresholds._fields))
    found = probabilities.find_files(arguments.probabilities)
    with atomic_write(arguments.output) as temporary:
        for number, path in enumerate(cli.progress(found, "tune")):
            probability, unknown = probabilities.read_on_tile(path, arguments.tiles_dir)
            truth = TruthSide(geotiff.read(prepared.truth_path(arguments.tiles_dir, path.stem)), unknown)
            counts = count_outcomes(probability, truth, searched, rules)
            table = columns.assign(**dict(zip(COUNTS, counts.T, strict=True)))
            table.insert(0, "tile", path.stem)
            table.to_csv(temporary, mode="a", header=number == 0, index=False)
    cli.LOG.info("tried %d combinations on %d tiles", len(searched), len(found))
    tiles = [
        part(arguments.tiles_dir, path.stem) for path in found for part in (prepared.image_path, prepared.truth_path)
    ]
    return Done(inputs=[*found, *tiles], outputs=[arguments.output])


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--tiles-dir", type=Path, required=True, help="folder of the prepared tiles, with their truth")
    parser.add_argument(
        "--output", type=Path, required=True, help="output table with a row per tile and combination, .csv"
    )
    parser.add_argument("--settings", help="settings: JSON, or a YAML file (default: config.yaml)")
    parser.add_argument("probabilities", type=Path, nargs="+", help="files <tile>.tif, or folders of them")
    cli.run(main, parser.parse_args())

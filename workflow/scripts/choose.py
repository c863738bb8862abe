"""Choose the separation's thresholds from the tables that tune.py wrote, and cross-validate the gain.

The gain on the tiles on which the choice is based overestimates the gain on new tiles. The cross-validated gain does
not: the thresholds are chosen without a fold, and scored on it.

  python workflow/scripts/choose.py --folds results/folds/folds.csv --folder tuning counts.csv
"""

import argparse
import json
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.plots import overview
from eaves.plots.thresholds import draw
from eaves.separation.grid_search import COUNTS
from eaves.separation.selection import choose, cross_validate, f_scores, mean_over_tiles, read_counts
from eaves.separation.thresholds import Thresholds, combinations

import pandas as pd


def main(arguments: argparse.Namespace) -> Done:
    """Read the tables; write surface.csv, chosen.json and surface.png."""
    blocks = config.section(arguments.settings, "separate", "threshold_search", "score")
    searched = combinations(blocks["threshold_search"], blocks["separate"])
    tolerance = blocks["threshold_search"]["tolerance"]
    configured = Thresholds(*(blocks["separate"][name] for name in Thresholds._fields))
    tiles, counts = read_counts(arguments.tables, searched)
    fold_of = read_table(arguments.folds).set_index("tile")["fold"]
    missing = sorted(set(tiles) - set(fold_of.index))
    if missing:
        raise InputError(f"{arguments.folds}: no fold for {', '.join(missing)}; give the folds.csv of these tiles")

    f_score = f_scores(counts)
    mean = mean_over_tiles(f_score)
    before, after = searched.index(configured), choose(f_score, searched, configured, tolerance)
    gain = cross_validate(f_score, fold_of[tiles].to_numpy(), searched, configured, tolerance)
    surface = pd.DataFrame(searched, columns=list(Thresholds._fields)).assign(
        f_score=mean, **dict(zip(COUNTS, counts.sum(axis=0).T, strict=True))
    )
    report: dict[str, Any] = {
        "separation": searched[after]._asdict(),
        "configured": configured._asdict(),
        "f_score": {
            "configured": round(float(mean[before]), 6),
            "chosen": round(float(mean[after]), 6),
            "gain": round(float(mean[after] - mean[before]), 6),
        },
        "cross_validated": {
            "f_score": round(gain.f_score, 6),
            "gain": round(gain.f_score - float(mean[before]), 6),
            "without_fold": {str(fold): searched[place]._asdict() for fold, place in gain.chosen.items()},
        },
        "tiles": len(tiles),
        "combinations": len(searched),
        "rules": {name: blocks["score"][name] for name in ("iou_threshold", "rules")},
    }
    with atomic_write(arguments.folder / "surface.csv") as temporary:
        surface.rename(columns={"scored": "tiles"}).to_csv(temporary, index=False, float_format="%.6f")
    overview.write(arguments.folder / "surface.png", draw(surface, searched[after], configured, notes(report)))
    with atomic_write(arguments.folder / "chosen.json") as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    for line in notes(report):
        cli.LOG.info("%s", line)
    written = [arguments.folder / name for name in ("surface.csv", "surface.png", "chosen.json")]
    return Done(inputs=[*arguments.tables, arguments.folds], outputs=written)


def notes(report: dict[str, Any]) -> list[str]:
    """Return three lines of text: the score with the configured values, with the chosen ones, and the gain."""

    def words(values: dict[str, Any]) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in values.items())

    f_score, validated = report["f_score"], report["cross_validated"]
    return [
        f"configured: F {f_score['configured']:.4f} with {words(report['configured'])}",
        f"chosen: F {f_score['chosen']:.4f} with {words(report['separation'])}",
        f"gain on {report['tiles']} training tiles, out of fold: {f_score['gain']:+.4f}; "
        f"on tiles that the choice was not made on: {validated['gain']:+.4f} (cross-validated)",
    ]


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument(
        "--folds", type=Path, required=True, help="folds.csv: folds for the cross-validation of the choice"
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="output folder for surface.csv, surface.png and chosen.json"
    )
    parser.add_argument("--settings", help="settings: JSON, or a YAML file (default: config.yaml)")
    parser.add_argument("tables", type=Path, nargs="+", help="tables that tune.py wrote")
    cli.run(main, parser.parse_args())

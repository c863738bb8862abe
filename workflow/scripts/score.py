"""Scores buildings against the truth by the challenge's rules: out-of-fold on training tiles, and on test tiles.

A tile without truth is not scored. The overall figure is the mean of the tiles' F-scores; a million times this is what
the challenge published.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from eaves import console, rasters, settings
from eaves.files import whole
from eaves.scoring import match_buildings, overall, score_tile
from eaves.tiles import NODATA

GROUPS = {"train": "out_of_fold", "test": "test"}
TILE_COLUMNS = ["group", "tile", "tp", "fp", "fn", "precision", "recall", "f_score"]


def main(arguments: argparse.Namespace) -> None:
    """Scores each tile with truth, then each group of tiles."""
    block = settings.section(arguments.settings, "score")["score"]
    table = pd.read_csv(arguments.table)
    rows, buildings, figures = [], [], {}
    for name, part in table[table["truth_sha256"].notna()].sort_values(["set", "tile"]).groupby("set", sort=False):
        group, scores = GROUPS[str(name)], []
        for tile in console.progress(part["tile"], "score"):
            truth = rasters.read(arguments.tiles / f"{tile}_truth.tif")
            found = rasters.read(arguments.buildings / f"{tile}.tif")
            unseen = rasters.read(arguments.tiles / f"{tile}_image.tif", band=4) == NODATA
            score = score_tile(truth, found, unseen, **block)
            scores.append(score)
            matches = match_buildings(truth, found, unseen, **block)
            matches.insert(0, "tile", tile)
            buildings.append(matches)
            row = {"group": group, "tile": tile}
            if score is not None:
                row |= {name: getattr(score, name) for name in TILE_COLUMNS[2:]}
            rows.append(row)
        figures[group] = summary(scores)
    figures["rules"] = block
    per_tile = pd.DataFrame(rows, columns=TILE_COLUMNS).astype(dict.fromkeys(("tp", "fp", "fn"), "Int64"))
    write(arguments.per_tile, per_tile.to_csv(index=False, float_format="%.6f"))
    joined = pd.concat(buildings) if buildings else pd.DataFrame(columns=["tile"])
    write(arguments.per_building, joined.to_csv(index=False, float_format="%.6f"))
    write(arguments.scores, json.dumps(figures, indent=2) + "\n")
    for group in GROUPS.values():
        if group in figures and figures[group]["tiles"]:
            console.LOG.info("%s: F %.4f on %d tiles", group, figures[group]["f_score"], figures[group]["tiles"])


def summary(scores: list[Any]) -> dict[str, Any]:
    """The figures of a group of tiles; F is the mean over tiles, precision and recall are over all buildings."""
    counted = [score for score in scores if score is not None]
    if not counted:
        return {"tiles": 0}
    tp, fp, fn = (sum(getattr(score, name) for score in counted) for name in ("tp", "fp", "fn"))
    f_score = overall(counted)
    return {
        "f_score": round(f_score, 6),
        "challenge_score": round(f_score * 1e6),
        "precision": round(tp / (tp + fp), 6) if tp + fp else 0.0,
        "recall": round(tp / (tp + fn), 6) if tp + fn else 0.0,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tiles": len(counted),
    }


def write(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="tiles.csv")
    parser.add_argument("--buildings", type=Path, required=True, help="folder of the buildings, <tile>.tif")
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the prepared tiles, with their truth")
    parser.add_argument("--scores", type=Path, required=True, help="the figures, .json")
    parser.add_argument("--per-tile", type=Path, required=True, help="a row per tile, .csv")
    parser.add_argument("--per-building", type=Path, required=True, help="a row per building, .csv")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    console.run(main, parser.parse_args())

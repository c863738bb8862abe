"""Score buildings against the truth: the challenge's score, and standard measures of instance segmentation.

Truth and solution are each a folder of GeoTIFFs with instance ids, or a text file in the challenge's format. Tiles are
matched by name: <tile>_GTI.tif with <tile>_GTL.tif (65: uncertain) as in the challenge, <tile>_truth.tif as prepared by
Eaves, or <tile>.tif. Negative ids in the truth are uncertain buildings. docs/metrics.md defines every figure.

Examples:
  python workflow/scripts/score.py --truth data/test --solution results/buildings --heights data/test
  python workflow/scripts/score.py --truth truth.txt --solution submission.txt --rules provisional --json scores.json
  python workflow/scripts/score.py --truth truths --solution mine --confidence probabilities --csv tiles.csv

The overall score is the mean of the tiles' F-scores; the challenge published it times a million. The other figures are
computed over all buildings together. Average precision needs --confidence.
"""

import argparse
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from eaves.core import cli, config
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.metrics import tables
from eaves.metrics.challenge import challenge_rules, match_overlaps, score_overlaps
from eaves.metrics.inputs import Pairs
from eaves.metrics.measure import measure_tile
from eaves.separation.thresholds import resolve_thresholds
from eaves.tiles.folds import group_of

SETS = {"train": "out_of_fold", "test": "test"}
ALL = "all"  # the set of all tiles if there is no table of sets
SHOWN = ("f_score", "average_precision", "panoptic_quality", "boundary_iou", "pixel_iou")


def main(arguments: argparse.Namespace) -> Done:
    """Score tile by tile, so that only one tile's rasters are in memory, and write the requested files."""
    blocks = config.section(arguments.settings, "score", "split", "separate")
    given = {name: getattr(arguments, name) for name in ("iou_threshold", "rules")}
    rules = blocks["score"] | {name: value for name, value in given.items() if value is not None}
    with ExitStack() as finished:
        buildings = arguments.buildings_csv and finished.enter_context(atomic_write(arguments.buildings_csv))
        scored, inputs = score_tiles(arguments, rules, blocks["split"]["group_pattern"], buildings)
        found = tables.summary(scored) | {"rules": rules}
        if arguments.table:
            used = resolve_thresholds(blocks["separate"], arguments.thresholds)
            found["separation"] = used | {"tuned": bool(arguments.thresholds)}
        if arguments.json:
            finished.enter_context(atomic_write(arguments.json)).write_text(json.dumps(found, indent=2) + "\n")
        written = (
            (arguments.csv, tables.per_tile),
            (arguments.groups_csv, tables.per_group),
            (arguments.by_iou_csv, tables.by_iou),
            (arguments.by_confidence_csv, tables.by_confidence),
            (arguments.by_size_csv, partial(tables.by_size, edges_m2=rules["size_bins_m2"])),
            (arguments.curve_csv, tables.precision_recall),
        )
        for path, table in written:
            if path:
                table(scored).to_csv(finished.enter_context(atomic_write(path)), index=False, float_format="%.6f")
    for set_name, figures in found.items():
        if figures.get("tiles"):
            shown = ", ".join(f"{name} {figures[name]:.4f}" for name in SHOWN if figures[name] is not None)
            cli.LOG.info("%s: %s on %d tiles", set_name, shown, figures["tiles"])
    outputs = (arguments.json, arguments.buildings_csv, *(path for path, _ in written))
    return Done(
        inputs=[*inputs, *(path for path in (arguments.table, arguments.thresholds) if path)],
        outputs=[path for path in outputs if path],
    )


def score_tiles(
    arguments: argparse.Namespace, rules: dict[str, Any], pattern: str, buildings: Path | None
) -> tuple[list[tables.ScoredTile], list[Path]]:
    """Score each tile, and append its buildings to their table.

    Returns:
        The score of each tile, and the files that were read.
    """
    sets = sets_of_tiles(arguments.table) if arguments.table else None
    scored: list[tables.ScoredTile] = []
    if buildings:
        buildings.write_text("tile\n" if sets == {} else "")
    if sets == {}:
        return scored, []
    sides = (arguments.truth, arguments.solution, arguments.out_of_map, arguments.heights, arguments.confidence)
    pairs = Pairs(*sides, names=None if sets is None else list(sets))
    if pairs.without_truth and sets is None:
        cli.LOG.info("not scored, because there is no truth: %s", ", ".join(pairs.without_truth))
    challenge = challenge_rules(rules)
    for tile in cli.progress(sorted(pairs.names, key=lambda name: ((sets or {}).get(name, ALL), name)), "score"):
        pair = pairs.read(tile)
        rasters = (pair.truth, pair.solution, pair.out_of_map, pair.probability)
        measured, overlaps = measure_tile(*rasters, pair.pixel_m or arguments.pixel_m, rules["boundary_m"])
        set_name = ALL if sets is None else sets[tile]
        score = score_overlaps(overlaps, **challenge)
        if buildings:
            matches = match_overlaps(overlaps, **challenge)
            matches.insert(0, "tile", tile)
            matches.to_csv(buildings, mode="a", header=not scored, index=False, float_format="%.6f")
        scored.append(tables.ScoredTile(set_name, group_of(tile, pattern) or "", tile, score, measured))
    return scored, [path for tile in pairs.names for path in pairs.files(tile)]


def sets_of_tiles(table: Path) -> dict[str, str]:
    """Return the set of each tile that has truth, from the pipeline's tiles.csv."""
    known = read_table(table)
    known = known[known["truth_sha256"].notna()]
    return {tile: SETS[name] for tile, name in zip(known["tile"], known["set"], strict=True)}


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return float(text)


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--truth", type=Path, required=True, help="folder of GeoTIFFs, or a text file")
    parser.add_argument("--solution", type=Path, required=True, help="folder of GeoTIFFs, or a text file")
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument("--out-of-map", type=Path, help="folder of <tile>.tif, nonzero where out of the map")
    seen.add_argument("--heights", type=Path, help="folder of <tile>_DSM.tif, nodata where out of the map")
    parser.add_argument("--confidence", type=Path, help="folder of probabilities, <tile>.tif, for average precision")
    parser.add_argument(
        "--iou-threshold", type=share, help="IoU threshold of the challenge's score (default: from the settings)"
    )
    parser.add_argument(
        "--rules", choices=("provisional", "final"), help="the challenge's rules (default: from the settings)"
    )
    parser.add_argument(
        "--pixel-m", type=float, default=0.5, help="side of a pixel if no file has it, metres (default: %(default)s)"
    )
    parser.add_argument("--table", type=Path, help="the pipeline's tiles.csv: score its tiles that have truth, by set")
    parser.add_argument("--json", type=Path, help="write the figures of all tiles")
    parser.add_argument("--csv", type=Path, help="write a row per tile")
    parser.add_argument("--groups-csv", type=Path, help="write a row per group of tiles, e.g. per city")
    parser.add_argument("--buildings-csv", type=Path, help="write a row per building")
    parser.add_argument("--by-iou-csv", type=Path, help="write detections at IoU 0.50, 0.55, ..., 0.95")
    parser.add_argument("--by-size-csv", type=Path, help="write detections by building size")
    parser.add_argument("--by-confidence-csv", type=Path, help="write detections by minimum confidence")
    parser.add_argument("--curve-csv", type=Path, help="write the precision-recall curve")
    parser.add_argument("--settings", help="settings: JSON, or a YAML file (default: config.yaml)")
    parser.add_argument("--thresholds", type=Path, help="chosen.json, if the buildings were separated with its values")
    cli.run(main, parser.parse_args())

"""Summarize a run: the number of buildings, the scores if there is truth, and the paths of the results."""

import argparse
import json
import signal
from pathlib import Path
from typing import Any

from eaves.core import cli
from eaves.core.errors import InputError

import pandas as pd
import pyogrio

GROUPS = {"out_of_fold": "cross-validated", "test": "test"}
FIGURES = {
    "average_precision": "AP",
    "panoptic_quality": "PQ",
    "boundary_iou": "boundary IoU",
    "pixel_iou": "pixel IoU",
}
OUTLINES = "buildings/buildings.gpkg"
PLACES = {
    "outlines": (OUTLINES, "open it in QGIS"),
    "labels": ("buildings", "<tile>.tif, a number for each building"),
    "submission": ("submission.txt", ""),
    "scores": ("scores/scores.json", ""),
    "picture": ("overview.png", ""),
}
WIDTH = 24


def main(arguments: argparse.Namespace) -> None:
    """Print a line for each result; missing results are reported, and do not prevent the rest."""
    results = arguments.results
    if not (results / OUTLINES).exists():
        raise InputError(f"{results / OUTLINES}: missing: the run did not get this far; see the errors above")
    print()
    print(f"{'found':<{WIDTH}}{describe_buildings(results)}")
    figures = read_scores(results / "scores" / "scores.json")
    scored = [group for group in GROUPS if figures.get(group, {}).get("tiles")]
    for group in scored:
        for line in score_lines(GROUPS[group], figures[group]):
            print(line)
    if not scored:
        print(f"{'scores':<{WIDTH}}none: the tiles have no truth")
    for name, (relative_path, hint) in PLACES.items():
        if name == "scores" and not scored:
            continue
        path = results / relative_path
        suffix = f"  ({hint})" if hint else ""
        print(f"{name:<{WIDTH}}{path}{suffix if path.exists() else ' is missing: see the errors above'}")
    for note in notes(arguments.models) if arguments.models else []:
        print(f"{'note':<{WIDTH}}{note}")


def describe_buildings(results: Path) -> str:
    """Describe how many buildings were outlined on how many tiles, and their total area."""
    path = results / OUTLINES
    layers = [name for name, _ in pyogrio.list_layers(path)]
    areas = [pyogrio.read_dataframe(path, layer=name, columns=["area_m2"], read_geometry=False) for name in layers]
    area_m2 = pd.concat(areas)["area_m2"]
    tiles = pd.read_csv(results / "tiles" / "tiles.csv", usecols=["set"])["set"].eq("test").sum()
    if not len(area_m2):
        return f"no building on {tiles} tiles"
    text = f"{len(area_m2):,} buildings on {tiles} tiles"
    return text if area_m2.isna().any() else f"{text}, {area_m2.sum():,.0f} m² together"


def read_scores(path: Path) -> dict[str, Any]:
    """Read the scores; empty if the file does not exist."""
    return json.loads(path.read_text()) if path.exists() else {}


def score_lines(name: str, row: dict[str, Any]) -> list[str]:
    """Format the scores of a set of tiles in two lines."""
    first = f"{name + ' F-score':<{WIDTH}}{row['f_score']:.4f}  "
    first += f"(precision {row['precision']:.3f}, recall {row['recall']:.3f}, {row['tiles']} tiles)"
    known = [f"{word} {row[key]:.3f}" for key, word in FIGURES.items() if row[key] is not None]
    return [first, f"{'':<{WIDTH}}{', '.join(known)}"]


def notes(models: Path) -> list[str]:
    """Return warnings about what the models were trained on."""
    from eaves.models.files import read_recipe  # imports torch, which takes seconds

    recipes = [read_recipe(path) for path in sorted(models.glob("*.safetensors"))]
    generated = [recipe.get("tiles", {}).get("generated", 0) for recipe in recipes]
    if not any(generated):
        return []
    return ["the models were trained on generated towns: on real tiles, expect misses and trees taken for buildings"]


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument(
        "results", type=Path, nargs="?", default=Path("results"), help="folder of the results (default: %(default)s)"
    )
    parser.add_argument(
        "--models", type=Path, help="folder of the models applied, to warn about what they were trained on"
    )
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `summary.py | head` ends silently
    cli.run(main, parser.parse_args())

"""Tells what a run came to: the scores, and where the results are."""

import argparse
import json
from pathlib import Path

from eaves import console
from eaves.errors import InputError

GROUPS = {"out_of_fold": "cross-validated", "test": "test"}
FIGURES = {
    "average_precision": "AP",
    "panoptic_quality": "PQ",
    "boundary_iou": "boundary IoU",
    "pixel_iou": "pixel IoU",
}
PLACES = {
    "outlines": "buildings/buildings.gpkg",
    "submission": "submission.txt",
    "scores": "scores/scores.json",
    "picture": "overview.png",
}


def main(arguments: argparse.Namespace) -> None:
    """Prints the figures and the places, one a line."""
    scores = arguments.results / PLACES["scores"]
    if not scores.exists():
        raise InputError(f"{scores}: not there yet; run `snakemake` or `make demo` first")
    figures = json.loads(scores.read_text())
    print()
    for group, name in GROUPS.items():
        if figures.get(group, {}).get("tiles"):
            row = figures[group]
            print(
                f"{name + ' F-score':<24}{row['f_score']:.4f}  "
                f"(precision {row['precision']:.3f}, recall {row['recall']:.3f}, {row['tiles']} tiles)"
            )
            known = [f"{word} {row[key]:.3f}" for key, word in FIGURES.items() if row[key] is not None]
            print(f"{'':<24}{', '.join(known)}")
    for name, place in PLACES.items():
        if (arguments.results / place).exists():
            print(f"{name:<24}{arguments.results / place}")


if __name__ == "__main__":
    parser = console.parser(__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="default: results")
    console.run(main, parser.parse_args())

"""Prepare the tables for `dvc plots`, with one column per curve.

losses.csv: training and validation loss by epoch, warm-up first, mean over the folds.
precision_recall.csv: precision by recall at IoU 0.5.
f_score_by_iou.csv: F-score by IoU threshold.
"""

import argparse
from pathlib import Path

from eaves.core import cli
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.core.tables import read_table

import pandas as pd

LINES = ["out_of_fold", "test"]


def main(arguments: argparse.Namespace) -> Done:
    """Write the tables; losses.csv only if there are losses."""
    by_iou, curve = read_table(arguments.by_iou), read_table(arguments.curve)
    made = {
        "f_score_by_iou": by_set(by_iou, "iou", "f_score"),
        "precision_recall": by_set(curve[curve["iou"] == 0.5], "recall", "precision"),
    }
    if arguments.models:
        made["losses"] = losses(arguments.warmups, arguments.models)
    for name, table in made.items():
        with atomic_write(arguments.folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    inputs = [arguments.by_iou, arguments.curve, *arguments.warmups, *arguments.models]
    return Done(inputs=inputs, outputs=[arguments.folder / f"{name}.csv" for name in made])


def by_set(table: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Return a column for each set, out-of-fold and test, from the rows of whole sets."""
    whole_sets = table[table["group"].isna() & table["tile"].isna()]
    return whole_sets.pivot_table(index=x, columns="set", values=y).reindex(columns=LINES).reset_index()


def losses(warmups: list[Path], models: list[Path]) -> pd.DataFrame:
    """Return the mean losses over the folds by epoch."""
    stages = [pd.concat([read_table(path) for path in paths]) for paths in (warmups, models)]
    means = pd.concat([stage.groupby("epoch")[["loss", "val_loss"]].mean() for stage in stages])
    means = means.rename(columns={"loss": "train", "val_loss": "val"})
    means.insert(0, "epoch", range(1, len(means) + 1))
    return means


if __name__ == "__main__":
    parser = cli.job_parser(__doc__)
    parser.add_argument("--warmups", type=Path, nargs="*", default=[], help="losses of each fold's warm-up, .csv")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="losses of each fold's training, .csv")
    parser.add_argument("--by-iou", type=Path, required=True, help="by_iou.csv")
    parser.add_argument("--curve", type=Path, required=True, help="precision_recall.csv")
    parser.add_argument("--folder", type=Path, required=True, help="output folder for the tables")
    cli.run(main, parser.parse_args())

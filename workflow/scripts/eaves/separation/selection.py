"""Chooses the separation's thresholds from what each combination finds, and says honestly what the choice gains."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eaves.core.errors import InputError
from eaves.core.tables import read_table
from eaves.separation.thresholds import Thresholds


@dataclass(frozen=True)
class Gain:
    """What choosing gains on tiles that the choice was not made on.

    Attributes:
        f_score: mean F over tiles, each by the values chosen without its fold.
        chosen: for each fold, the position of the combination that was chosen without it.
    """

    f_score: float
    chosen: dict[int, int]


def f_scores(counts: np.ndarray) -> np.ndarray:
    """Turns counts into F-scores, as `scoring.TileScore` does.

    Args:
        counts: (..., 4) integer, the columns of `search.COUNTS`.

    Returns:
        (...) float64, 0..1; NaN where the tile is not scored.
    """
    tp, fp, fn, scored = np.moveaxis(counts.astype(np.float64), -1, 0)
    wrong = fp + fn
    return np.where(scored > 0, np.where(tp > 0, 2 * tp / np.maximum(2 * tp + wrong, 1), 0.0), np.nan)


def mean_over_tiles(f_score: np.ndarray) -> np.ndarray:
    """Averages (tiles, combinations) over the tiles that are scored; -inf where none is."""
    scored = np.isfinite(f_score)
    total, count = np.where(scored, f_score, 0).sum(axis=0), scored.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), -np.inf)


def choose(f_score: np.ndarray, searched: list[Thresholds], configured: Thresholds, tolerance: float) -> int:
    """Chooses the combination that does best, but does not leave the configured values for next to nothing.

    Of those whose mean F is less than `tolerance` below the best, the nearest to the configured one is taken, counted
    in steps of the searched values over all four thresholds; of equally near ones the better, then the first.

    Args:
        f_score: (tiles, combinations), NaN where a tile is not scored.
        searched: the combinations.
        configured: one of them.
        tolerance: of the mean F, 0..1.

    Returns:
        The position of the chosen combination.

    Raises:
        InputError: No tile is scored.
    """
    mean = mean_over_tiles(f_score)
    if not np.isfinite(mean).any():
        raise InputError("no training tile has a building in either the truth or the solution: nothing to tune on")
    places = [
        {value: place for place, value in enumerate(sorted(set(values)))} for values in zip(*searched, strict=True)
    ]
    steps = np.array([[place[value] for place, value in zip(places, one, strict=True)] for one in searched])
    distance = np.abs(steps - steps[searched.index(configured)]).sum(axis=1)
    good = np.flatnonzero(mean >= mean.max() - tolerance)
    # Means that differ by the order of a sum are the same.
    return int(good[np.lexsort((good, -mean[good].round(12), distance[good]))[0]])


def cross_validate(
    f_score: np.ndarray, fold: np.ndarray, searched: list[Thresholds], configured: Thresholds, tolerance: float
) -> Gain:
    """Chooses without one fold at a time, and scores that fold by the choice.

    Args:
        f_score: (tiles, combinations), NaN where a tile is not scored.
        fold: (tiles,) the fold that holds out each.
        searched: the combinations.
        configured: one of them.
        tolerance: as for `choose`.

    Raises:
        InputError: No tile outside some fold is scored.
    """
    found = np.full(len(fold), np.nan)
    chosen = {}
    for held_out in sorted({int(number) for number in fold}):
        chosen[held_out] = choose(f_score[fold != held_out], searched, configured, tolerance)
        found[fold == held_out] = f_score[fold == held_out, chosen[held_out]]
    return Gain(float(mean_over_tiles(found[:, None])[0]), chosen)


def read_counts(paths: list[Path], searched: list[Thresholds]) -> tuple[list[str], np.ndarray]:
    """Reads the tables of counts, one at a time.

    Args:
        paths: tables with a row per tile and combination.
        searched: the combinations that each tile must have.

    Returns:
        The tiles, sorted, and (tiles, combinations, 4) int32, the columns of `search.COUNTS`.

    Raises:
        InputError: A table has other combinations.
    """
    counts: dict[str, np.ndarray] = {}
    expected = np.array(searched, float)
    for path in paths:
        for tile, rows in read_table(path).groupby("tile"):
            found = rows[list(Thresholds._fields)].to_numpy(float)
            if not np.array_equal(found, expected):
                raise InputError(f"{path}: other thresholds than those of the configuration; run tune.py again")
            counts[str(tile)] = rows[["tp", "fp", "fn", "scored"]].to_numpy(np.int32)
    tiles = sorted(counts)
    return tiles, np.stack([counts[tile] for tile in tiles])

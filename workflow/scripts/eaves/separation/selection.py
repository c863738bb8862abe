"""Choose the separation's thresholds by their F-scores on training tiles, and cross-validate the gain."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eaves.core.errors import InputError
from eaves.core.tables import read_table
from eaves.separation.thresholds import Thresholds


@dataclass(frozen=True)
class Gain:
    """Score of the choice on tiles that it was not based on.

    Attributes:
        f_score: Mean F-score over tiles, each scored with the combination chosen without its fold.
        chosen: For each fold, the position of the combination chosen without it.
    """

    f_score: float
    chosen: dict[int, int]


def f_scores(counts: np.ndarray) -> np.ndarray:
    """Convert counts to F-scores, as `eaves.metrics.challenge.TileScore` does.

    Args:
        counts: (..., 4) integer, the columns `eaves.separation.grid_search.COUNTS`.

    Returns:
        (...) float64, 0..1; NaN where the tile is not scored.
    """
    tp, fp, fn, scored = np.moveaxis(counts.astype(np.float64), -1, 0)
    wrong = fp + fn
    return np.where(scored > 0, np.where(tp > 0, 2 * tp / np.maximum(2 * tp + wrong, 1), 0.0), np.nan)


def mean_over_tiles(f_score: np.ndarray) -> np.ndarray:
    """Return the mean F-score of each combination over the scored tiles, (combinations,); -inf if no tile is scored."""
    scored = np.isfinite(f_score)
    total, count = np.where(scored, f_score, 0).sum(axis=0), scored.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), -np.inf)


def choose(f_score: np.ndarray, searched: list[Thresholds], configured: Thresholds, tolerance: float) -> int:
    """Choose the combination nearest the configured one whose mean F-score is within `tolerance` of the best.

    The distance of two combinations is the number of steps along the searched values, summed over the four thresholds.
    Among equally near combinations the one of the higher mean F-score is chosen, then the first.

    Args:
        f_score: (tiles, combinations) float64, NaN where a tile is not scored.
        searched: All combinations.
        configured: The configured combination, one of `searched`.
        tolerance: Difference in mean F-score that counts as insignificant, 0..1.

    Returns:
        The position of the chosen combination.

    Raises:
        InputError: No tile is scored.
    """
    mean = mean_over_tiles(f_score)
    if not np.isfinite(mean).any():
        raise InputError(
            "no training tile has a building in either the truth or the solution, so there is nothing to tune on"
        )
    places = [
        {value: place for place, value in enumerate(sorted(set(values)))} for values in zip(*searched, strict=True)
    ]
    steps = np.array([[place[value] for place, value in zip(places, one, strict=True)] for one in searched])
    distance = np.abs(steps - steps[searched.index(configured)]).sum(axis=1)
    good = np.flatnonzero(mean >= mean.max() - tolerance)
    # Rounding makes means equal that differ only by the order of summation.
    return int(good[np.lexsort((good, -mean[good].round(12), distance[good]))[0]])


def cross_validate(
    f_score: np.ndarray, fold: np.ndarray, searched: list[Thresholds], configured: Thresholds, tolerance: float
) -> Gain:
    """Choose a combination without each fold in turn, and score that fold with it.

    Args:
        f_score: (tiles, combinations) float64, NaN where a tile is not scored.
        fold: (tiles,) integer, the fold that holds out each tile.
        searched: All combinations.
        configured: The configured combination, one of `searched`.
        tolerance: As for `choose`.

    Raises:
        InputError: For some fold, none of the other tiles is scored.
    """
    validated = np.full(len(fold), np.nan)
    chosen = {}
    for held_out in sorted({int(number) for number in fold}):
        chosen[held_out] = choose(f_score[fold != held_out], searched, configured, tolerance)
        validated[fold == held_out] = f_score[fold == held_out, chosen[held_out]]
    return Gain(float(mean_over_tiles(validated[:, None])[0]), chosen)


def read_counts(paths: list[Path], searched: list[Thresholds]) -> tuple[list[str], np.ndarray]:
    """Read the tables of counts, one at a time.

    Args:
        paths: Tables with a row per tile and combination.
        searched: Combinations that each tile must have.

    Returns:
        tiles: Names of the tiles, sorted.
        counts: (tiles, combinations, 4) int32, the columns `eaves.separation.grid_search.COUNTS`.

    Raises:
        InputError: A table has other combinations.
    """
    counts: dict[str, np.ndarray] = {}
    expected = np.array(searched, float)
    for path in paths:
        for tile, rows in read_table(path).groupby("tile"):
            thresholds = rows[list(Thresholds._fields)].to_numpy(float)
            if not np.array_equal(thresholds, expected):
                raise InputError(f"{path}: other thresholds than the configuration searches; run tune.py again")
            counts[str(tile)] = rows[["tp", "fp", "fn", "scored"]].to_numpy(np.int32)
    tiles = sorted(counts)
    return tiles, np.stack([counts[tile] for tile in tiles])

"""Tables and a summary of scored tiles: per set, per group of tiles and per tile."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd

from eaves.metrics.challenge import TileScore, overall
from eaves.metrics.figures import (
    BY_CONFIDENCE,
    BY_IOU,
    BY_SIZE,
    CURVE,
    DIGITS,
    figures,
    pool,
    rows_by_confidence,
    rows_by_iou,
    rows_by_size,
    rows_of_curve,
)
from eaves.metrics.measure import TileMeasures

COUNTS = ("tp", "fp", "fn")
CHALLENGE = (*COUNTS, "precision", "recall", "f_score")
SUMMED = ("f_score", "challenge_score", "precision", "recall", *COUNTS)
SCOPE = ("set", "group", "tile")


@dataclass(frozen=True)
class ScoredTile:
    """The score and measurements of one tile.

    Attributes:
        set: Set of tiles that it belongs to: out_of_fold, test, or all.
        group: Group of tiles within the set, e.g. its city; empty if its name does not contain one.
        tile: Name of the tile.
        score: Counts by the challenge's rules; None if neither side has a building.
        measured: Measurements from which the other figures are computed.
    """

    set: str
    group: str
    tile: str
    score: TileScore | None
    measured: TileMeasures


def summary(scored: list[ScoredTile]) -> dict[str, Any]:
    """Summarize each set: the challenge's score and the other figures.

    `f_score`, `precision` and `recall` follow the challenge: F is the mean over tiles; the others are computed over all
    buildings. The dictionary of a set is flat, because `dvc metrics show` makes one column of each value.
    """
    return {set_name: _scores(tiles) for set_name, tiles in _group_by(scored, lambda tile: tile.set)}


def per_group(scored: list[ScoredTile]) -> pd.DataFrame:
    """Return a row of the figures in `summary` for each set (`group` blank) and for each group of tiles in it."""
    rows = []
    for set_name, tiles in _group_by(scored, lambda tile: tile.set):
        rows.append({"set": set_name, "group": ""} | _scores(tiles))
        parts = _group_by([tile for tile in tiles if tile.group], lambda tile: tile.group)
        rows += [{"set": set_name, "group": name} | _scores(part) for name, part in parts]
    columns = ["set", "group", "tiles", *SUMMED, *figures(pool([]))]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys((*COUNTS, "merged", "split"), "Int64"))


def per_tile(scored: list[ScoredTile]) -> pd.DataFrame:
    """Return a row per tile with the challenge's counts (blank if the tile is not scored) and all figures."""
    rows = []
    for tile in scored:
        row: dict[str, Any] = {"set": tile.set, "tile": tile.tile}
        row |= {name: getattr(tile.score, name) if tile.score else None for name in CHALLENGE}
        rows.append(row | {"group": tile.group} | figures(tile.measured))
    columns = ["set", "tile", *CHALLENGE, "group", *figures(pool([]))]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys((*COUNTS, "merged", "split"), "Int64"))


def by_iou(scored: list[ScoredTile]) -> pd.DataFrame:
    """Return the detections at ten IoU thresholds for each set, each group of tiles (`tile` blank) and each tile."""
    return _table(chain(_sets_and_groups(scored), _single_tiles(scored)), rows_by_iou, BY_IOU)


def by_size(scored: list[ScoredTile], edges_m2: list[float]) -> pd.DataFrame:
    """Return the detections per bin of building size for each set, each group of tiles and each tile."""
    return _table(
        chain(_sets_and_groups(scored), _single_tiles(scored)),
        lambda measured: rows_by_size(measured, edges_m2),
        BY_SIZE,
    )


def precision_recall(scored: list[ScoredTile]) -> pd.DataFrame:
    """Return the points of the precision-recall curve for each set and each group of tiles."""
    return _table(_sets_and_groups(scored), rows_of_curve, CURVE)


def by_confidence(scored: list[ScoredTile]) -> pd.DataFrame:
    """Return the detections above each minimum confidence for each set and each group of tiles."""
    return _table(_sets_and_groups(scored), rows_by_confidence, BY_CONFIDENCE)


def _table(
    scopes: Iterable[tuple[dict[str, str], TileMeasures]],
    rows_of: Callable[[TileMeasures], Iterable[dict[str, Any]]],
    columns: Iterable[str],
) -> pd.DataFrame:
    rows = [scope | row for scope, measured in scopes for row in rows_of(measured)]
    return pd.DataFrame(rows, columns=[*SCOPE, *columns])


def _sets_and_groups(scored: list[ScoredTile]) -> Iterator[tuple[dict[str, str], TileMeasures]]:
    """Yield each set, and each group of tiles in it, with the pooled measurements."""
    for set_name, tiles in _group_by(scored, lambda tile: tile.set):
        yield dict(zip(SCOPE, (set_name, "", ""), strict=True)), pool(tile.measured for tile in tiles)
        for name, part in _group_by(tiles, lambda tile: tile.group):
            if name:
                yield dict(zip(SCOPE, (set_name, name, ""), strict=True)), pool(tile.measured for tile in part)


def _single_tiles(scored: list[ScoredTile]) -> Iterator[tuple[dict[str, str], TileMeasures]]:
    for tile in scored:
        yield dict(zip(SCOPE, (tile.set, tile.group, tile.tile), strict=True)), tile.measured


def _group_by(scored: list[ScoredTile], key: Callable[[ScoredTile], str]) -> list[tuple[str, list[ScoredTile]]]:
    groups: dict[str, list[ScoredTile]] = {}
    for tile in scored:
        groups.setdefault(key(tile), []).append(tile)
    return sorted(groups.items())


def _scores(tiles: list[ScoredTile]) -> dict[str, Any]:
    counted = [tile.score for tile in tiles if tile.score is not None]
    if not counted:
        return {"tiles": 0}
    tp, fp, fn = (sum(getattr(score, name) for score in counted) for name in COUNTS)
    f_score = overall(counted)
    return {
        "f_score": round(f_score, DIGITS),
        "challenge_score": round(f_score * 1e6),
        "precision": round(tp / (tp + fp), DIGITS) if tp + fp else 0.0,
        "recall": round(tp / (tp + fn), DIGITS) if tp + fn else 0.0,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tiles": len(counted),
        **figures(pool(tile.measured for tile in tiles)),
    }

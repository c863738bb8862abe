"""The scored tiles as tables and as one nested summary: each tile, each group of tiles, and all of a set."""

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
    pooled,
    rows_by_confidence,
    rows_by_iou,
    rows_by_size,
    rows_of_curve,
)
from eaves.metrics.measure import Measured

COUNTS = ("tp", "fp", "fn")
CHALLENGE = (*COUNTS, "precision", "recall", "f_score")
SUMMED = ("f_score", "challenge_score", "precision", "recall", *COUNTS)
SCOPE = ("group", "tile_group", "tile")


@dataclass(frozen=True)
class Scored:
    """A tile that has been scored.

    Attributes:
        group: the set that it belongs to: out_of_fold, test, or all.
        tile_group: e.g. its city; empty where its name does not say.
        tile: its name.
        score: by the challenge's rules; None where neither side has a building.
        measured: for the other figures.
    """

    group: str
    tile_group: str
    tile: str
    score: TileScore | None
    measured: Measured


def summary(scored: list[Scored]) -> dict[str, Any]:
    """Sum up each set: the challenge's score and the figures.

    `f_score`, `precision` and `recall` are the challenge's: F is the mean over tiles, the others are over all
    buildings. It is flat, as `dvc metrics show` makes a column of each value.
    """
    return {group: _scores(tiles) for group, tiles in _grouped(scored, lambda tile: tile.group)}


def per_group(scored: list[Scored]) -> pd.DataFrame:
    """Make a row with the same figures for each set (`tile_group` blank) and each group of tiles in it."""
    rows = []
    for group, tiles in _grouped(scored, lambda tile: tile.group):
        rows.append({"group": group, "tile_group": ""} | _scores(tiles))
        parts = _grouped([tile for tile in tiles if tile.tile_group], lambda tile: tile.tile_group)
        rows += [{"group": group, "tile_group": name} | _scores(part) for name, part in parts]
    columns = ["group", "tile_group", "tiles", *SUMMED, *figures(pooled([]))]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys((*COUNTS, "merged", "split"), "Int64"))


def per_tile(scored: list[Scored]) -> pd.DataFrame:
    """Make a row per tile, with the challenge's counts (blank where it is not scored) and all figures."""
    rows = []
    for tile in scored:
        row: dict[str, Any] = {"group": tile.group, "tile": tile.tile}
        row |= {name: getattr(tile.score, name) if tile.score else None for name in CHALLENGE}
        rows.append(row | {"tile_group": tile.tile_group} | figures(tile.measured))
    columns = ["group", "tile", *CHALLENGE, "tile_group", *figures(pooled([]))]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys((*COUNTS, "merged", "split"), "Int64"))


def by_iou(scored: list[Scored]) -> pd.DataFrame:
    """Make ten rows for each set, each group of tiles (`tile` blank) and each tile: what was found at each IoU."""
    return _table(chain(_wholes(scored), _singles(scored)), rows_by_iou, BY_IOU)


def by_size(scored: list[Scored], edges_m2: list[float]) -> pd.DataFrame:
    """Make a row per bin of building size for the same."""
    return _table(chain(_wholes(scored), _singles(scored)), lambda measured: rows_by_size(measured, edges_m2), BY_SIZE)


def precision_recall(scored: list[Scored]) -> pd.DataFrame:
    """Make the rows of the curve of precision over recall for each set and each group of tiles."""
    return _table(_wholes(scored), rows_of_curve, CURVE)


def by_confidence(scored: list[Scored]) -> pd.DataFrame:
    """Make a row per cut of the confidence for each set and each group of tiles: what is left, and how good it is."""
    return _table(_wholes(scored), rows_by_confidence, BY_CONFIDENCE)


def _table(
    scopes: Iterable[tuple[dict[str, str], Measured]],
    rows_of: Callable[[Measured], Iterable[dict[str, Any]]],
    columns: Iterable[str],
) -> pd.DataFrame:
    rows = [scope | row for scope, measured in scopes for row in rows_of(measured)]
    return pd.DataFrame(rows, columns=[*SCOPE, *columns])


def _wholes(scored: list[Scored]) -> Iterator[tuple[dict[str, str], Measured]]:
    """Each set, and each group of tiles in it, pooled."""
    for group, tiles in _grouped(scored, lambda tile: tile.group):
        yield dict(zip(SCOPE, (group, "", ""), strict=True)), pooled(tile.measured for tile in tiles)
        for name, part in _grouped(tiles, lambda tile: tile.tile_group):
            if name:
                yield dict(zip(SCOPE, (group, name, ""), strict=True)), pooled(tile.measured for tile in part)


def _singles(scored: list[Scored]) -> Iterator[tuple[dict[str, str], Measured]]:
    for tile in scored:
        yield dict(zip(SCOPE, (tile.group, tile.tile_group, tile.tile), strict=True)), tile.measured


def _grouped(scored: list[Scored], key: Callable[[Scored], str]) -> list[tuple[str, list[Scored]]]:
    groups: dict[str, list[Scored]] = {}
    for tile in scored:
        groups.setdefault(key(tile), []).append(tile)
    return sorted(groups.items())


def _scores(tiles: list[Scored]) -> dict[str, Any]:
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
        **figures(pooled(tile.measured for tile in tiles)),
    }

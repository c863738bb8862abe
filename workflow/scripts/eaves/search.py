"""Counts what every combination of the separation's thresholds finds on a tile, for little more than one costs.

How it works: the regions above each `low` and each `high` are found once. A region with a single seed is a building as
it is, whatever the seed, so its overlaps with the truth are counted once for each `low`. Only regions with several
seeds are divided for each `high` and `min_seed_px`, by the very code of `instances.separate`, and `min_area_px` picks
from the list. No labels are made for the rest of the tile. The counts are those of separating and scoring one by one.
"""

from collections.abc import Iterable
from itertools import groupby, product
from typing import Any, NamedTuple

import numpy as np

from eaves.compiled import compiled
from eaves.instances import divide, regions_of_seeds
from eaves.overlaps import Overlaps, TruthSide
from eaves.runs import Runs, find_runs
from eaves.scoring import score_overlaps


class Thresholds(NamedTuple):
    """One combination; what each value means, `instances.separate` says."""

    low: float
    high: float
    min_seed_px: int
    min_area_px: int


COUNTS = ("tp", "fp", "fn", "scored")
"""What is counted; `scored` is 0 where neither side has a building and the tile does not count, else 1."""


def combinations(grid: dict[str, list[Any]], configured: dict[str, Any]) -> list[Thresholds]:
    """Combines the values to be searched, the configured ones among them.

    Args:
        grid: the values of each threshold.
        configured: the value of each that is in force now; other keys do not matter.

    Returns:
        All combinations in ascending order, those with `low` above `high` left out.
    """
    values = [sorted({*grid[name], configured[name]}) for name in Thresholds._fields]
    return [Thresholds(*found) for found in product(*values) if found[0] <= found[1]]


def count_outcomes(
    probability: np.ndarray, truth: TruthSide, searched: list[Thresholds], rules: dict[str, Any]
) -> np.ndarray:
    """Counts what the challenge's scorer counts, for each combination.

    Args:
        probability: (H, W) floating point, 0..1, and 0 where there is no height data.
        truth: the tile's true buildings.
        searched: ascending, as `combinations` gives them.
        rules: arguments of `scoring.score_tile`: `iou_threshold` and `large_uncertain`.

    Returns:
        (len(searched), 4) int32, the columns of COUNTS.
    """
    counted: list[tuple[int, int, int, int]] = []
    above_high = {high: find_runs(probability > high) for high in sorted({one.high for one in searched})}
    labels = np.zeros(probability.shape, np.int32)
    for low, of_low in groupby(searched, lambda one: one.low):
        space = find_runs(probability > low)
        regions = _candidates(truth, space.row, space.start, space.stop, space.piece, space.piece_px)
        for high, of_high in groupby(of_low, lambda one: one.high):
            seeds = above_high[high]
            region_of_seed = regions_of_seeds(space, seeds)
            for min_seed_px, of_seed in groupby(of_high, lambda one: one.min_seed_px):
                is_seed = seeds.piece_px >= min_seed_px
                found = _buildings(truth, regions, labels, space, seeds, region_of_seed, is_seed)
                counted += _score(truth, found, (one.min_area_px for one in of_seed), rules)
    return np.array(counted, np.int32)


class _Candidates(NamedTuple):
    """Buildings that a combination may find: first pixel, own size, region's size, and shared pixels with the truth."""

    first: np.ndarray
    px: np.ndarray
    region_px: np.ndarray
    pair_truth: np.ndarray
    pair_building: np.ndarray
    pair_px: np.ndarray

    def picked(self, mask: np.ndarray) -> "_Candidates":
        """Those where the mask is set."""
        pairs = mask[self.pair_building]
        number = np.cumsum(mask) - 1
        return _Candidates(
            self.first[mask],
            self.px[mask],
            self.region_px[mask],
            self.pair_truth[pairs],
            number[self.pair_building[pairs]],
            self.pair_px[pairs],
        )

    def joined(self, other: "_Candidates") -> "_Candidates":
        """Both, in the order of the first pixels, which is the order of the labels."""
        first = np.concatenate([self.first, other.first])
        order = np.argsort(first)
        number = np.empty_like(order)
        number[order] = np.arange(order.size)
        pair_building = np.concatenate([self.pair_building, other.pair_building + self.first.size])
        return _Candidates(
            first[order],
            np.concatenate([self.px, other.px])[order],
            np.concatenate([self.region_px, other.region_px])[order],
            np.concatenate([self.pair_truth, other.pair_truth]),
            number[pair_building],
            np.concatenate([self.pair_px, other.pair_px]),
        )


def _candidates(
    truth: TruthSide, row: np.ndarray, start: np.ndarray, stop: np.ndarray, number: np.ndarray, region_px: np.ndarray
) -> _Candidates:
    """Describes buildings given by their runs in row-major order; `number` is the building of each, from 0 on."""
    first = np.empty(region_px.size, np.int64)
    first[number[::-1]] = ((row.astype(np.int64) << 32) + start)[::-1]
    px = np.bincount(number, stop - start, region_px.size).astype(np.int64)
    return _Candidates(first, px, region_px, *truth.overlaps_of_runs(row, start, stop, number))


def _buildings(
    truth: TruthSide,
    regions: _Candidates,
    labels: np.ndarray,
    space: Runs,
    seeds: Runs,
    region_of_seed: np.ndarray,
    is_seed: np.ndarray,
) -> _Candidates:
    """The buildings from some seeds; `labels` is all 0, before and after."""
    seeds_in_region = divide(labels, space, seeds, region_of_seed, is_seed)
    alone = regions.picked(seeds_in_region == 1)
    shared = np.flatnonzero(seeds_in_region[space.piece] > 1)
    if not shared.size:
        return alone
    row, start, stop, label = _lift(labels, space.row[shared], space.start[shared], space.stop[shared])
    seed, number = np.unique(label - space.n_pieces - 1, return_inverse=True)
    region_px = space.piece_px[region_of_seed[seed]]
    return alone.joined(_candidates(truth, row, start, stop, number, region_px))


def _score(
    truth: TruthSide, found: _Candidates, min_areas_px: Iterable[int], rules: dict[str, Any]
) -> list[tuple[int, int, int, int]]:
    """Scores those whose region is large enough, for each size in ascending order."""
    counted: list[tuple[int, int, int, int]] = []
    for min_area_px in min_areas_px:
        large = found.region_px >= min_area_px
        if counted and large.all():  # as with the size before
            counted.append(counted[-1])
            continue
        found = found.picked(large)
        score = score_overlaps(
            Overlaps(
                truth_ids=truth.ids,
                truth_px=truth.visible_px,
                truth_cut_off=truth.cut_off,
                solution_ids=np.arange(1, found.px.size + 1),
                solution_px=found.px,
                solution_pieces=np.ones(found.px.size, np.int64),
                pair_truth=found.pair_truth,
                pair_solution=found.pair_building,
                pair_px=found.pair_px,
            ),
            **rules,
        )
        counted.append((0, 0, 0, 0) if score is None else (score.tp, score.fp, score.fn, 1))
    return counted


@compiled
def _lift(
    labels: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Take the runs of positive labels out of the given stretches, which are 0 afterwards."""
    capacity = 0
    for stretch in range(rows.size):
        capacity += (stops[stretch] - starts[stretch] + 1) // 2  # a line lies between any two buildings
    row, start, stop = np.empty(capacity, np.int32), np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    label = np.empty(capacity, np.int64)
    runs = 0
    for stretch in range(rows.size):
        pixels = labels[rows[stretch], starts[stretch] : stops[stretch]]
        column = 0
        while column < pixels.size:
            begin = column
            while column < pixels.size and pixels[column] == pixels[begin]:
                column += 1
            if pixels[begin] > 0:
                row[runs], label[runs] = rows[stretch], pixels[begin]
                start[runs], stop[runs] = starts[stretch] + begin, starts[stretch] + column
                runs += 1
        pixels[:] = 0
    return row[:runs], start[:runs], stop[:runs], label[:runs]

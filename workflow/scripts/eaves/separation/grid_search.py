"""Score every combination of the separation's thresholds on a tile, in little more time than a single one takes.

How it works: the regions above each `low` and each `high` are found once. A region with a single seed becomes a
building unchanged, whatever the seed, so its overlaps with the truth are counted once for each `low`. Only regions with
several seeds are divided for each `high`, by the same code as in `watershed.separate`, and divided again if a larger
`min_seed_px` removes one of their seeds; `min_area_px` only filters the result. The counts equal those of separating
and scoring with each combination.
"""

from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from eaves.labels.overlaps import Overlaps, TruthSide
from eaves.labels.run_lengths import Runs, find_runs, lift_runs
from eaves.metrics.challenge import score_overlaps
from eaves.separation.thresholds import Thresholds
from eaves.separation.watershed import find_regions_of_seeds, split_regions

COUNTS = ("tp", "fp", "fn", "scored")
"""Columns of the counts; `scored` is 0 if neither side has a building and the tile is not scored, otherwise 1."""


def count_outcomes(
    probability: np.ndarray, truth: TruthSide, searched: list[Thresholds], rules: dict[str, Any]
) -> np.ndarray:
    """Return the counts of the challenge's score for each combination.

    Args:
        probability: (H, W) floating point, 0..1, and 0 where there is no height data.
        truth: The tile's true buildings.
        searched: Combinations in ascending order, as `combinations` returns them.
        rules: Arguments of `eaves.metrics.challenge.score_tile`: `iou_threshold` and `large_uncertain`.

    Returns:
        (len(searched), 4) int32, the columns COUNTS.
    """
    counted: list[tuple[int, int, int, int]] = []
    above_high = {high: find_runs(probability > high) for high in sorted({one.high for one in searched})}
    labels = np.zeros(probability.shape, np.int32)
    for low, of_low in groupby(searched, lambda one: one.low):
        space = find_runs(probability > low)
        regions = _candidates(truth, space.row, space.start, space.stop, space.piece, np.arange(space.n_pieces))
        for high, of_high in groupby(of_low, lambda one: one.high):
            buildings = _Buildings(truth, regions, labels, space, above_high[high])
            for min_seed_px, of_seed in groupby(of_high, lambda one: one.min_seed_px):
                found = buildings.from_seeds(min_seed_px)
                counted += _score(truth, found, space.piece_px, [one.min_area_px for one in of_seed], rules)
    return np.array(counted, np.int32)


class _Candidates(NamedTuple):
    """Buildings that a combination may yield.

    Attributes:
        first: (n,) int64, row << 32 | column of the first pixel, which sorts in row-major order.
        px: (n,) int64, number of pixels.
        region: (n,) integer, the region above `low` that contains the building.
        pair_truth: (k,) int64, position of the true building in `TruthSide.ids`, one per overlapping pair.
        pair_building: (k,) int64, position of the candidate.
        pair_px: (k,) int64, shared pixels inside the map.
    """

    first: np.ndarray
    px: np.ndarray
    region: np.ndarray
    pair_truth: np.ndarray
    pair_building: np.ndarray
    pair_px: np.ndarray

    def select(self, mask: np.ndarray) -> "_Candidates":
        """Return the buildings for which the mask is True."""
        pairs = mask[self.pair_building]
        number = np.cumsum(mask) - 1
        return _Candidates(
            self.first[mask],
            self.px[mask],
            self.region[mask],
            self.pair_truth[pairs],
            number[self.pair_building[pairs]],
            self.pair_px[pairs],
        )

    def merge(self, other: "_Candidates") -> "_Candidates":
        """Return the buildings of both in the order of their first pixels, which is the order of the labels."""
        first = np.concatenate([self.first, other.first])
        order = np.argsort(first)
        number = np.empty_like(order)
        number[order] = np.arange(order.size)
        pair_building = np.concatenate([self.pair_building, other.pair_building + self.first.size])
        return _Candidates(
            first[order],
            np.concatenate([self.px, other.px])[order],
            np.concatenate([self.region, other.region])[order],
            np.concatenate([self.pair_truth, other.pair_truth]),
            number[pair_building],
            np.concatenate([self.pair_px, other.pair_px]),
        )


def _candidates(
    truth: TruthSide, row: np.ndarray, start: np.ndarray, stop: np.ndarray, number: np.ndarray, region: np.ndarray
) -> _Candidates:
    """Describe buildings by their runs in row-major order; `number` is the building of each run, from 0 on."""
    first = np.empty(region.size, np.int64)
    first[number[::-1]] = ((row.astype(np.int64) << 32) + start)[::-1]
    px = np.bincount(number, stop - start, region.size).astype(np.int64)
    return _Candidates(first, px, region, *truth.overlaps_of_runs(row, start, stop, number))


class _Buildings:
    """The buildings for one `low` and one `high`, with ascending minimum seed sizes.

    A region is divided again only if one of its seeds has become too small.
    """

    def __init__(self, truth: TruthSide, regions: _Candidates, labels: np.ndarray, space: Runs, seeds: Runs) -> None:
        """Take the regions both as candidates and as runs; `labels` is a zero raster used as working memory."""
        self._truth, self._regions, self._labels, self._space, self._seeds = truth, regions, labels, space, seeds
        self._region_of_seed = find_regions_of_seeds(space, seeds)
        self._seed_px = seeds.piece_px
        self._seeds_in_region = np.full(space.n_pieces, -1)
        self._parts = regions.select(np.zeros(space.n_pieces, bool))

    def from_seeds(self, min_seed_px: int) -> _Candidates:
        """Return the buildings grown from seeds of at least this size, in the order of their labels."""
        is_seed = self._seed_px >= min_seed_px
        seeds_in_region = np.bincount(self._region_of_seed[is_seed], minlength=self._space.n_pieces)
        changed = seeds_in_region != self._seeds_in_region
        self._seeds_in_region = seeds_in_region
        if (changed & (seeds_in_region > 0)).any() or changed[self._parts.region].any():
            kept = self._parts.select(~changed[self._parts.region])
            self._parts = kept.merge(self._split_changed(is_seed & changed[self._region_of_seed], changed))
        return self._regions.select(seeds_in_region == 1).merge(self._parts)

    def _split_changed(self, is_seed: np.ndarray, changed: np.ndarray) -> _Candidates:
        """Return the buildings into which the changed regions with several seeds are divided."""
        space = self._space
        split_regions(self._labels, space, self._seeds, self._region_of_seed, is_seed)
        shared = np.flatnonzero((changed & (self._seeds_in_region > 1))[space.piece])
        row, start, stop, label = lift_runs(self._labels, space.row[shared], space.start[shared], space.stop[shared])
        seed, number = np.unique(label - space.n_pieces - 1, return_inverse=True)
        return _candidates(self._truth, row, start, stop, number, self._region_of_seed[seed])


def _score(
    truth: TruthSide, found: _Candidates, region_px: np.ndarray, min_areas_px: list[int], rules: dict[str, Any]
) -> list[tuple[int, int, int, int]]:
    """Score the buildings whose region is large enough, for each minimum size in ascending order."""
    counted: list[tuple[int, int, int, int]] = []
    for min_area_px in min_areas_px:
        large = region_px[found.region] >= min_area_px
        if counted and large.all():  # same buildings as with the previous size
            counted.append(counted[-1])
            continue
        found = found.select(large)
        score = score_overlaps(
            Overlaps(
                truth_ids=truth.ids,
                truth_px=truth.visible_px,
                truth_cut_off=truth.cut_off,
                solution_ids=np.arange(1, found.px.size + 1),
                solution_px=found.px,
                solution_visible_px=found.px,  # not used by the score
                solution_pieces=np.ones(found.px.size, np.int64),
                pair_truth=found.pair_truth,
                pair_solution=found.pair_building,
                pair_px=found.pair_px,
            ),
            **rules,
        )
        counted.append((0, 0, 0, 0) if score is None else (score.tp, score.fp, score.fn, 1))
    return counted

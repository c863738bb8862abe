"""Score a tile's buildings exactly as the Urban 3D Challenge did: true and false positives at an IoU threshold.

The rules reproduce the observed behaviour of the challenge's own scorer (version 1.1), including its peculiarities:

1. Predictions are processed in ascending order of their labels. Each is compared with the still unmatched truth
   building of the highest IoU (on a tie, the one with the lower label) and matches it if the IoU is strictly above the
   threshold.
2. A prediction that is not 4-connected is skipped: it is neither a true nor a false positive.
3. Truth pixels out of the map (without height data) count in neither intersection nor union; predicted pixels there
   do count in the union.
4. A truth building with fewer than 100 visible pixels that touches the tile's edge or the out-of-map area becomes
   uncertain. An uncertain building is not counted, whether it is matched or not, nor is a prediction matched with it.
5. If a tile has no truth buildings, every prediction is a false positive; if it has no predictions, every truth
   building is a false negative, including uncertain ones. A tile with neither is not scored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eaves.core.errors import InputError
from eaves.core.jit import compiled
from eaves.labels.overlaps import Overlaps, count_overlaps

MIN_VISIBLE_PX = 100
"""Truth buildings cut off by the edge of the map are uncertain below this size (the challenge's rule)."""

OUTCOMES = np.array(["ignored", "tp", "fp", "fn"], dtype=object)
IGNORED, TP, FP, FN = range(4)


@dataclass(frozen=True)
class TileScore:
    """The challenge's counts on one tile."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of the counted predictions that are correct; 0 without a true positive."""
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        """Share of the counted truth buildings that were found; 0 without a true positive."""
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f_score(self) -> float:
        """Harmonic mean of precision and recall; 0 without a true positive."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.tp else 0.0


def score_tile(
    truth: np.ndarray,
    solution: np.ndarray,
    out_of_map: np.ndarray | None = None,
    iou_threshold: float = 0.45,
    large_uncertain: bool = False,
) -> TileScore | None:
    """Count true positives, false positives and false negatives on one tile.

    Args:
        truth: (H, W) integer instance ids; 0 is ground, a negative id an uncertain building.
        solution: (H, W) integer instance ids, 0 is ground. They need not be consecutive.
        out_of_map: (H, W) bool, True where there is no height data; None if there is data everywhere.
        iou_threshold: A match needs an IoU strictly above this.
        large_uncertain: Apply the rule of the final test: an uncertain building may be matched any number of times, and
            its overlap is measured as the share of the prediction that lies on it, instead of the IoU.

    Returns:
        The counts, or None if neither side has a building (the tile is then not scored).

    Raises:
        InputError: The rasters differ in shape, are not integer, or the solution has negative ids.
    """
    return score_overlaps(compare(truth, solution, out_of_map), iou_threshold, large_uncertain)


def score_overlaps(overlaps: Overlaps, iou_threshold: float = 0.45, large_uncertain: bool = False) -> TileScore | None:
    """Return the result of `score_tile` for overlaps already computed by `compare`."""
    if overlaps.truth_ids.size == 0 and overlaps.solution_ids.size == 0:
        return None
    _, truth_outcome, solution_outcome = _match_greedily(overlaps, iou_threshold, large_uncertain)
    return TileScore(
        tp=int((solution_outcome == TP).sum()),
        fp=int((solution_outcome == FP).sum()),
        fn=int((truth_outcome == FN).sum()),
    )


def match_buildings(
    truth: np.ndarray,
    solution: np.ndarray,
    out_of_map: np.ndarray | None = None,
    iou_threshold: float = 0.45,
    large_uncertain: bool = False,
) -> pd.DataFrame:
    """Return the outcome of each building on one tile; the counts of `score_tile` are sums over these rows.

    Arguments and raised errors are those of `score_tile`.

    Returns:
        One row per building, truth first, each side by ascending id, with the columns
        `side` ("truth" or "solution"), `id`, `area_px` (visible pixels only for a truth building),
        `partner` (id of the matched building of the other side, 0 if there is none),
        `iou` (overlap with the partner or, without one, the largest overlap with any building) and
        `outcome` ("tp", "fp", "fn", or "ignored": uncertain, matched with an uncertain one, or not 4-connected).
    """
    return match_overlaps(compare(truth, solution, out_of_map), iou_threshold, large_uncertain)


def match_overlaps(overlaps: Overlaps, iou_threshold: float = 0.45, large_uncertain: bool = False) -> pd.DataFrame:
    """Return the result of `match_buildings` for overlaps already computed by `compare`."""
    partner, truth_outcome, solution_outcome = _match_greedily(overlaps, iou_threshold, large_uncertain)
    measure = _measure(overlaps, large_uncertain)
    sides = []
    for side, ids, areas, outcome in (
        ("truth", overlaps.truth_ids, overlaps.truth_px, truth_outcome),
        ("solution", overlaps.solution_ids, overlaps.solution_px, solution_outcome),
    ):
        own, other, other_ids = overlaps.pair_truth, overlaps.pair_solution, overlaps.solution_ids
        if side == "solution":
            own, other, other_ids = other, own, overlaps.truth_ids
        iou = np.zeros(ids.size)
        np.maximum.at(iou, own, measure)
        matched = partner[overlaps.pair_solution] == overlaps.pair_truth
        partner_ids = np.zeros(ids.size, np.int64)
        # Only an uncertain building can have several partners; in reversed order, the first of them is kept.
        partner_ids[own[matched][::-1]] = other_ids[other[matched][::-1]]
        iou[own[matched][::-1]] = measure[matched][::-1]
        sides.append(
            pd.DataFrame(
                {
                    "side": side,
                    "id": ids,
                    "area_px": areas,
                    "partner": partner_ids,
                    "iou": iou,
                    "outcome": OUTCOMES[outcome],
                }
            )
        )
    return pd.concat(sides, ignore_index=True)


def challenge_rules(block: dict[str, Any]) -> dict[str, Any]:
    """Convert `iou_threshold` and `rules` of the configuration's block `score` to arguments of `score_tile`.

    Example:
        >>> challenge_rules({"iou_threshold": 0.45, "rules": "provisional", "boundary_m": 2.0})
        {'iou_threshold': 0.45, 'large_uncertain': False}
    """
    return {"iou_threshold": block["iou_threshold"], "large_uncertain": block["rules"] == "final"}


def overall(scores: Iterable[TileScore | None]) -> float:
    """Return the mean F-score of the scored tiles, 0..1; the challenge published this times a million.

    Args:
        scores: One per tile, None for a tile that is not scored.

    Raises:
        InputError: No tile is scored.
    """
    f_scores = [score.f_score for score in scores if score is not None]
    if not f_scores:
        raise InputError("no tile has a building in either the truth or the solution: there is nothing to score")
    return float(np.mean(f_scores))


def compare(truth: np.ndarray, solution: np.ndarray, out_of_map: np.ndarray | None = None) -> Overlaps:
    """Compute the overlaps on which all scores of a tile are based; arguments and errors are those of `score_tile`."""
    overlaps = count_overlaps(truth, solution, out_of_map)
    if overlaps.solution_ids.size and overlaps.solution_ids[0] < 0:
        raise InputError(f"the solution has the negative id {overlaps.solution_ids[0]}; only truth may be uncertain")
    return overlaps


def find_uncertain(overlaps: Overlaps) -> np.ndarray:
    """Return which truth buildings are uncertain: negative id, or cut off to fewer than 100 px. (n,) bool."""
    return (overlaps.truth_ids < 0) | (overlaps.truth_cut_off & (overlaps.truth_px < MIN_VISIBLE_PX))


def _measure(overlaps: Overlaps, large_uncertain: bool) -> np.ndarray:
    predicted = overlaps.solution_px[overlaps.pair_solution]
    iou = overlaps.pair_px / (overlaps.truth_px[overlaps.pair_truth] + predicted - overlaps.pair_px)
    if large_uncertain:
        return np.where(find_uncertain(overlaps)[overlaps.pair_truth], overlaps.pair_px / predicted, iou)
    return iou


def _match_greedily(
    overlaps: Overlaps, iou_threshold: float, large_uncertain: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each prediction's partner (position in truth_ids, -1 for none), and the outcomes of truth and solution."""
    partner = np.full(overlaps.solution_ids.size, -1)
    truth_outcome = np.full(overlaps.truth_ids.size, FN)
    solution_outcome = np.full(overlaps.solution_ids.size, FP)
    if overlaps.truth_ids.size == 0 or overlaps.solution_ids.size == 0:
        return partner, truth_outcome, solution_outcome

    whole = overlaps.solution_pieces == 1
    unsure = find_uncertain(overlaps)
    truth_outcome[unsure] = IGNORED
    solution_outcome[~whole] = IGNORED

    measure = _measure(overlaps, large_uncertain)
    candidates = np.flatnonzero((measure > iou_threshold) & whole[overlaps.pair_solution])
    order = np.lexsort((overlaps.pair_truth[candidates], -measure[candidates], overlaps.pair_solution[candidates]))
    candidates = candidates[order]
    _match(overlaps.pair_solution[candidates], overlaps.pair_truth[candidates], large_uncertain & unsure, partner)
    matched = np.flatnonzero(partner >= 0)
    certain = ~unsure[partner[matched]]
    solution_outcome[matched] = np.where(certain, TP, IGNORED)
    truth_outcome[partner[matched[certain]]] = TP
    return partner, truth_outcome, solution_outcome


@compiled
def _match(predicted: np.ndarray, building: np.ndarray, inexhaustible: np.ndarray, partner: np.ndarray) -> None:
    """Assign each prediction its best candidate that is still free, in place; the candidates are sorted accordingly."""
    taken = np.zeros(inexhaustible.size, np.bool_)
    for pair in range(predicted.size):
        if partner[predicted[pair]] < 0 and not taken[building[pair]]:
            partner[predicted[pair]] = building[pair]
            taken[building[pair]] = not inexhaustible[building[pair]]

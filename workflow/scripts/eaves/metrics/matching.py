"""Match predictions with truth buildings, once for all IoU thresholds from 0.5 on."""

from dataclasses import dataclass, fields, replace

import numpy as np

from eaves.labels.overlaps import Overlaps
from eaves.metrics.challenge import find_uncertain

LOWEST_IOU = 0.5
"""Above this IoU a building has at most one partner, since the buildings of one side do not overlap."""


@dataclass(frozen=True)
class Matches:
    """The certain truth buildings and the predictions of one tile or several, 16 and 40 bytes each.

    At a threshold t >= 0.5 a prediction is a true positive if `iou >= t`, otherwise ignored if `ignored >= t`,
    otherwise a false positive; a truth building is found if `truth_iou >= t`.

    Attributes:
        truth_iou: (n,) float64, IoU with the matched prediction, 0 without one.
        truth_m2: (n,) float64, visible area, square metres.
        confidence: (m,) float64, confidence of each prediction, NaN if unknown.
        iou: (m,) float64, IoU with the matched truth building, 0 without one.
        boundary_iou: (m,) float64, boundary IoU with the matched truth building, 0 without one.
        ignored: (m,) float64, share of the visible pixels that lies on uncertain buildings; 1 if no pixel is visible.
        size_m2: (m,) float64, visible area, square metres; that of the truth building for a matched prediction.
    """

    truth_iou: np.ndarray
    truth_m2: np.ndarray
    confidence: np.ndarray
    iou: np.ndarray
    boundary_iou: np.ndarray
    ignored: np.ndarray
    size_m2: np.ndarray

    def select(self, truth: np.ndarray, predictions: np.ndarray) -> "Matches":
        """Return the selected buildings; `truth` is (n,) bool, `predictions` (m,) bool."""
        parts = {name: truth if name in ("truth_iou", "truth_m2") else predictions for name in _NAMES}
        return Matches(**{name: getattr(self, name)[kept] for name, kept in parts.items()})

    def with_min_confidence(self, lowest: float) -> "Matches":
        """Return the matches without predictions of a lower confidence; truth buildings found by these are missed.

        `truth_iou` is correct as a distribution only: its values are not in the order of the truth buildings.
        """
        kept = self.confidence >= lowest
        found_iou = np.sort(self.iou[kept & (self.iou > 0)])
        truth_iou = np.zeros_like(self.truth_iou)
        truth_iou[: found_iou.size] = found_iou
        return replace(self.select(np.ones(truth_iou.size, bool), kept), truth_iou=truth_iou)


_NAMES = tuple(field.name for field in fields(Matches))


def match(overlaps: Overlaps, confidence: np.ndarray, pixel_m2: float) -> tuple[Matches, np.ndarray]:
    """Match the buildings of a tile at an IoU of at least 0.5.

    How it works: above an IoU of 0.5, partners are unique. At exactly 0.5, two predictions can each cover half of a
    truth building; the more confident one is then matched, as in COCO. Such ties cannot occur above 0.5, so that one
    matching is valid for all thresholds.

    Args:
        overlaps: Overlaps of the tile's buildings.
        confidence: (m,) float64, one per prediction in the order of `overlaps`; NaN if unknown.
        pixel_m2: Area of a pixel, square metres.

    Returns:
        matches: The matches, with `boundary_iou` still 0.
        matched: (k,) bool, whether each pair of `overlaps` is a match.
    """
    unsure = find_uncertain(overlaps)
    truth_px, px = overlaps.truth_px.astype(np.float64), overlaps.solution_visible_px.astype(np.float64)
    shared_px = overlaps.pair_px.astype(np.float64)
    of_truth, of_prediction = overlaps.pair_truth, overlaps.pair_solution
    pair_iou = shared_px / (truth_px[of_truth] + px[of_prediction] - shared_px)

    candidates = np.flatnonzero((pair_iou >= LOWEST_IOU) & ~unsure[of_truth])
    rank = np.argsort(np.argsort(-confidence, kind="stable"), kind="stable")  # NaN sorts last, in the order of the ids
    order = candidates[np.lexsort((-pair_iou[candidates], rank[of_prediction[candidates]]))]
    order = order[_first(of_prediction[order])]
    matched = np.zeros(pair_iou.size, bool)
    matched[order[_first(of_truth[order])]] = True

    truth_iou, iou = np.zeros(truth_px.size), np.zeros(px.size)
    truth_iou[of_truth[matched]] = iou[of_prediction[matched]] = pair_iou[matched]
    on_unsure = np.bincount(of_prediction, np.where(unsure[of_truth], shared_px, 0), px.size)
    size = px.copy()
    size[of_prediction[matched]] = truth_px[of_truth[matched]]
    matches = Matches(
        truth_iou=truth_iou[~unsure],
        truth_m2=truth_px[~unsure] * pixel_m2,
        confidence=confidence,
        iou=iou,
        boundary_iou=np.zeros(px.size),
        ignored=np.divide(on_unsure, px, out=np.ones(px.size), where=px > 0),
        size_m2=size * pixel_m2,
    )
    return matches, matched


def concatenate_matches(parts: list[Matches]) -> Matches:
    """Concatenate the buildings of several tiles, in the given order."""
    return Matches(**{name: np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in _NAMES})


def _first(values: np.ndarray) -> np.ndarray:
    """Return the positions of the first occurrence of each value, ascending."""
    return np.sort(np.unique(values, return_index=True)[1])

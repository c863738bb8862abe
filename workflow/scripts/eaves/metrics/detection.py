"""Precision, recall, F-score and panoptic quality at an IoU threshold, for all buildings or by size."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eaves.metrics.matching import LOWEST_IOU, Matches

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's IoU thresholds 0.50:0.05:0.95 (cocodataset.org/#detection-eval), computed as in pycocotools."""


@dataclass(frozen=True)
class Counts:
    """Detections at one IoU threshold.

    Attributes:
        tp: Number of predictions that match a certain truth building.
        fp: Number of predictions that match none and are not ignored.
        fn: Number of certain truth buildings without a match.
        iou_sum: Sum of the IoU of the matches.
    """

    tp: int
    fp: int
    fn: int
    iou_sum: float

    @property
    def precision(self) -> float | None:
        """Share of the predictions that are correct, tp / (tp + fp); 0 without a match, None without any building."""
        return self._share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the truth buildings that were found, tp / (tp + fn); 0 and None as for precision."""
        return self._share(self.tp, self.tp + self.fn)

    @property
    def f_score(self) -> float | None:
        """Harmonic mean of precision and recall; the recognition quality (RQ) of panoptic quality."""
        return self._share(self.tp, self.tp + self.fp / 2 + self.fn / 2)

    @property
    def segmentation_quality(self) -> float | None:
        """Segmentation quality (SQ), the mean IoU of the matches; 0 and None as for precision."""
        return self._share(self.iou_sum, self.tp)

    @property
    def panoptic_quality(self) -> float | None:
        """Panoptic quality, PQ = SQ x RQ (Kirillov et al., Panoptic Segmentation, CVPR 2019, eq. 1), for IoU 0.5.

        In the paper an IoU of exactly 0.5 is no match; here it is one, as in COCO and in stardist.
        """
        return self._share(self.iou_sum, self.tp + self.fp / 2 + self.fn / 2)

    def _share(self, part: float, whole: float) -> float | None:
        if self.tp + self.fp + self.fn == 0:
            return None
        return float(part / whole) if self.tp else 0.0


def count(matches: Matches, threshold: float) -> Counts:
    """Count matches at an IoU threshold.

    Args:
        matches: Matches of one tile or several.
        threshold: IoU threshold, 0.5..1; a match has at least this IoU.
    """
    assert threshold >= LOWEST_IOU
    right = matches.iou >= threshold
    wrong = ~right & (matches.ignored < threshold)
    missed = matches.truth_iou < threshold
    return Counts(int(right.sum()), int(wrong.sum()), int(missed.sum()), float(matches.iou[right].sum()))


def by_size(
    matches: Matches, edges_m2: list[float], threshold: float = LOWEST_IOU
) -> list[tuple[float, float, Counts]]:
    """Count matches by building size, as COCO does for its area ranges.

    Truth buildings and false positives belong to the bin of their own visible area, matches to that of their truth
    building. The counts of the bins add up to the counts of all sizes.

    Args:
        matches: Matches of one tile or several.
        edges_m2: Ascending bin edges, square metres; n edges make n + 1 bins. An area on an edge belongs to the upper
            bin.
        threshold: IoU threshold, 0.5..1.

    Returns:
        Lower edge (inclusive), upper edge (exclusive; infinite for the last bin) and counts of each bin.
    """
    limits = [0.0, *map(float, edges_m2), np.inf]
    bins = []
    for low, high in pairwise(limits):
        truth = (matches.truth_m2 >= low) & (matches.truth_m2 < high)
        found = (matches.size_m2 >= low) & (matches.size_m2 < high)
        bins.append((low, high, count(matches.select(truth, found), threshold)))
    return bins

"""Precision, recall, F and panoptic quality of found buildings at IoU thresholds, all sizes together or bin by bin."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eaves.metrics.matching import LOWEST_IOU, Matches

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU 0.50:0.05:0.95, COCO's (cocodataset.org/#detection-eval), computed as pycocotools does."""


@dataclass(frozen=True)
class Counts:
    """What was found at one threshold.

    Attributes:
        tp: predictions that match a certain truth building.
        fp: predictions that match none and are not ignored.
        fn: certain truth buildings that none matches.
        iou_sum: of the matches.
    """

    tp: int
    fp: int
    fn: int
    iou_sum: float

    @property
    def precision(self) -> float | None:
        """Share of the predictions that are right, tp / (tp + fp); 0 without a match, None without any building."""
        return self._share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the truth that was found, tp / (tp + fn); 0 and None as of precision."""
        return self._share(self.tp, self.tp + self.fn)

    @property
    def f_score(self) -> float | None:
        """Harmonic mean of precision and recall; of the panoptic quality it is the RQ, recognition quality."""
        return self._share(self.tp, self.tp + self.fp / 2 + self.fn / 2)

    @property
    def segmentation_quality(self) -> float | None:
        """SQ, the mean IoU of the matches; 0 and None as of precision."""
        return self._share(self.iou_sum, self.tp)

    @property
    def panoptic_quality(self) -> float | None:
        """PQ = SQ x RQ (Kirillov et al., Panoptic Segmentation, CVPR 2019, eq. 1), which matches at IoU 0.5.

        There an IoU of exactly 0.5 is no match; here it is one, as in COCO and in stardist.
        """
        return self._share(self.iou_sum, self.tp + self.fp / 2 + self.fn / 2)

    def _share(self, part: float, whole: float) -> float | None:
        if self.tp + self.fp + self.fn == 0:
            return None
        return float(part / whole) if self.tp else 0.0


def count(matches: Matches, threshold: float) -> Counts:
    """Count matches at an IoU threshold.

    Args:
        matches: of one tile or several.
        threshold: 0.5..1; a match has at least this IoU.
    """
    assert threshold >= LOWEST_IOU
    right = matches.iou >= threshold
    wrong = ~right & (matches.ignored < threshold)
    missed = matches.truth_iou < threshold
    return Counts(int(right.sum()), int(wrong.sum()), int(missed.sum()), float(matches.iou[right].sum()))


def by_size(
    matches: Matches, edges_m2: list[float], threshold: float = LOWEST_IOU
) -> list[tuple[float, float, Counts]]:
    """Count matches bin by bin, as COCO does for its area ranges.

    A truth building counts in the bin of its own visible area, a match in that of its truth building, a false positive
    in that of its own. The bins add up to the counts of all sizes.

    Args:
        matches: of one tile or several.
        edges_m2: ascending; n of them make n + 1 bins. An area on an edge belongs to the bin above.
        threshold: 0.5..1.

    Returns:
        From (inclusive), to (exclusive; infinite for the last), and the counts of each bin.
    """
    limits = [0.0, *map(float, edges_m2), np.inf]
    bins = []
    for low, high in pairwise(limits):
        truth = (matches.truth_m2 >= low) & (matches.truth_m2 < high)
        found = (matches.size_m2 >= low) & (matches.size_m2 < high)
        bins.append((low, high, count(matches.select(truth, found), threshold)))
    return bins

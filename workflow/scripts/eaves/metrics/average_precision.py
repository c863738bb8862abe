"""Average precision and the precision-recall curve it summarizes, as COCO defines them."""

import numpy as np

from eaves.metrics.matching import Matches

RECALLS = np.linspace(0, 1, 101)
"""COCO's 101 recall values at which the curve is sampled."""


def average_precision(matches: Matches, threshold: float, boundary: bool = False) -> float | None:
    """Return the mean precision over 101 recall values, at one IoU threshold.

    The predictions of all tiles are ranked together, the most confident first, without a limit on their number (COCO
    takes 100 per image). Among equal confidences, the order of tiles and ids decides.

    Args:
        matches: Matches of one tile or several.
        threshold: IoU threshold, 0.5..1.
        boundary: Compute boundary AP: a match must reach the threshold in boundary IoU as well as in IoU (Cheng et al.,
            CVPR 2021, sec. 5).

    Returns:
        0..1, or None if there is no certain truth building or a confidence is unknown.

    Source: Lin et al., Microsoft COCO, ECCV 2014; pycocotools' `COCOeval.accumulate` returns the same value.
    """
    if matches.truth_iou.size == 0 or np.isnan(matches.confidence).any():
        return None
    _, precision, _ = curve(matches, threshold, boundary)
    return float(precision.mean())


def curve(matches: Matches, threshold: float, boundary: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample precision and confidence at 101 recall values; arguments as for `average_precision`.

    Returns:
        recall: (101,) float64: 0, 0.01, ..., 1.
        precision: (101,) float64, highest precision at this recall or above; 0 where the recall is not reached.
        confidence: (101,) float64, lowest confidence needed for this recall; NaN where it is not reached.
    """
    iou = np.minimum(matches.iou, matches.boundary_iou) if boundary else matches.iou
    right = iou >= threshold
    counted = np.flatnonzero(right | (matches.ignored < threshold))
    order = counted[np.argsort(-matches.confidence[counted], kind="stable")]
    tp = np.cumsum(right[order])
    precision = tp / np.arange(1, tp.size + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = tp / max(matches.truth_iou.size, 1)
    at = np.searchsorted(recall, RECALLS, side="left")
    padded = np.append(precision, 0), np.append(matches.confidence[order], np.nan)
    return RECALLS, padded[0][at], padded[1][at]

"""Average precision, and the curve of precision over recall that it is the area under, as COCO defines them."""

import numpy as np

from eaves.metrics.matching import Matches

RECALLS = np.linspace(0, 1, 101)
"""Where the curve is read off: COCO's 101 points."""


def average_precision(matches: Matches, threshold: float, boundary: bool = False) -> float | None:
    """Average the precision over 101 recalls, at one IoU threshold.

    The predictions of all tiles come in one order, the most confident first, and there is no limit on their number
    (COCO's is 100 an image). On equal confidence the order of the tiles and ids decides.

    Args:
        matches: of one tile or several.
        threshold: 0.5..1.
        boundary: Boundary AP: a match needs this boundary IoU as well as this IoU (Cheng et al., CVPR 2021, sec. 5).

    Returns:
        0..1, or None where no certain building is there to be found or a confidence is not known.

    Source: Lin et al., Microsoft COCO, ECCV 2014; pycocotools' `COCOeval.accumulate` gives the same figure.
    """
    if matches.truth_iou.size == 0 or np.isnan(matches.confidence).any():
        return None
    _, precision, _ = curve(matches, threshold, boundary)
    return float(precision.mean())


def curve(matches: Matches, threshold: float, boundary: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read precision and confidence off the curve at 101 recalls; args as in `average_precision`.

    Returns:
        recall: (101,) 0, 0.01, ..., 1.
        precision: (101,) the best precision at this recall or a higher one; 0 where the recall is not reached.
        confidence: (101,) of the least confident prediction taken for this recall; NaN where it is not reached.
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

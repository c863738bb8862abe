"""Compute the figures of one measured tile, of a group of tiles, or of all tiles."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from eaves.metrics.average_precision import RECALLS, average_precision, curve
from eaves.metrics.detection import THRESHOLDS, Counts, by_size, count
from eaves.metrics.matching import LOWEST_IOU, concatenate_matches
from eaves.metrics.measure import TileMeasures
from eaves.metrics.pixels import Pixels

DIGITS = 6
CURVE_THRESHOLDS = (0.5, 0.75)
"""IoU thresholds at which precision-recall curves are written: those of COCO's AP50 and AP75."""
MIN_CONFIDENCES = (0.0, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Values of the minimum confidence for which precision and recall are reported."""

# Columns of the tables whose rows are computed here.
_COUNTED = ("tp", "fp", "fn", "precision", "recall", "f_score")
BY_IOU = ("iou", *_COUNTED, "panoptic_quality")
BY_SIZE = ("from_m2", "to_m2", *_COUNTED)
BY_CONFIDENCE = ("min_confidence", *_COUNTED)
CURVE = ("iou", "recall", "precision", "confidence")


def pool(parts: Iterable[TileMeasures]) -> TileMeasures:
    """Combine the measurements of several tiles, in the given order."""
    parts = list(parts)
    return TileMeasures(
        matches=concatenate_matches([part.matches for part in parts]),
        pixels=sum((part.pixels for part in parts), Pixels()),
        merged=sum(part.merged for part in parts),
        split=sum(part.split for part in parts),
    )


def figures(measured: TileMeasures) -> dict[str, float | int | None]:
    """Compute the figures of one tile, or of several pooled tiles.

    Returns:
        `average_precision`: COCO's AP, the mean over IoU 0.50:0.05:0.95; `average_precision_50` and `_75`: at that IoU;
        `boundary_average_precision`: AP with boundary IoU; `mean_f_score`: mean F-score over the same thresholds;
        `panoptic_quality`, `segmentation_quality`, `recognition_quality` at IoU 0.5;
        `boundary_iou`: mean over the matches at IoU 0.5; `pixel_f_score`, `pixel_iou`; `merged`, `split`: counts.
        None if a figure is undefined, because there is no building or, for average precision, no confidence.
    """
    matches = measured.matches
    at_half = count(matches, LOWEST_IOU)
    precisions = [average_precision(matches, threshold) for threshold in THRESHOLDS]
    near = [average_precision(matches, threshold, boundary=True) for threshold in THRESHOLDS]
    return {
        "average_precision": _mean(precisions),
        "average_precision_50": _round(precisions[0]),
        "average_precision_75": _round(precisions[5]),
        "boundary_average_precision": _mean(near),
        "mean_f_score": _mean([count(matches, threshold).f_score for threshold in THRESHOLDS]),
        "panoptic_quality": _round(at_half.panoptic_quality),
        "segmentation_quality": _round(at_half.segmentation_quality),
        "recognition_quality": _round(at_half.f_score),
        "boundary_iou": _round(matches.boundary_iou[matches.iou > 0].mean() if at_half.tp else None),
        "pixel_f_score": _round(measured.pixels.f_score),
        "pixel_iou": _round(measured.pixels.iou),
        "merged": measured.merged,
        "split": measured.split,
    }


def rows_by_iou(measured: TileMeasures) -> list[dict[str, Any]]:
    """Return a row per IoU threshold: counts, precision, recall, F-score, and panoptic quality at this threshold."""
    counted = ((float(np.round(threshold, 2)), count(measured.matches, threshold)) for threshold in THRESHOLDS)
    return [
        {"iou": threshold, **_row(counts), "panoptic_quality": _round(counts.panoptic_quality)}
        for threshold, counts in counted
    ]


def rows_by_size(measured: TileMeasures, edges_m2: list[float]) -> list[dict[str, Any]]:
    """Return a row per bin of building area, at IoU 0.5; the last bin has no upper edge."""
    return [
        {"from_m2": low, "to_m2": high if np.isfinite(high) else None, **_row(counts)}
        for low, high, counts in by_size(measured.matches, edges_m2)
    ]


def rows_by_confidence(measured: TileMeasures) -> Iterator[dict[str, Any]]:
    """Yield a row per minimum confidence, at IoU 0.5: the detections without the buildings of a lower confidence.

    There are no rows if no building was found or the confidence is unknown.
    """
    confidence = measured.matches.confidence
    if confidence.size and not np.isnan(confidence).any():
        for cut in MIN_CONFIDENCES:
            yield {"min_confidence": cut, **_row(count(measured.matches.with_min_confidence(cut), LOWEST_IOU))}


def rows_of_curve(measured: TileMeasures) -> Iterator[dict[str, Any]]:
    """Yield the points of the precision-recall curve at IoU 0.5 and 0.75; none if average precision is undefined."""
    for threshold in CURVE_THRESHOLDS:
        if average_precision(measured.matches, threshold) is not None:
            _, precision, confidence = curve(measured.matches, threshold)
            for point in range(RECALLS.size):
                sure = None if np.isnan(confidence[point]) else _round(confidence[point])
                at = {"recall": _round(RECALLS[point]), "precision": _round(precision[point]), "confidence": sure}
                yield {"iou": threshold, **at}


def _row(counts: Counts) -> dict[str, Any]:
    return {
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "precision": _round(counts.precision),
        "recall": _round(counts.recall),
        "f_score": _round(counts.f_score),
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _round(float(np.mean(known))) if known else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)

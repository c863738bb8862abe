"""Count predictions that merge several buildings, and buildings that are split into several predictions."""

import numpy as np

from eaves.labels.overlaps import Overlaps
from eaves.metrics.challenge import find_uncertain


def count_merged(overlaps: Overlaps) -> int:
    """Count the predictions that merge buildings.

    A prediction merges buildings if it contains more than half of each of two or more certain truth buildings, and
    these parts make up more than half of it. This is under-segmentation as defined by Hoover et al., An Experimental
    Comparison of Range Image Segmentation Algorithms, IEEE TPAMI 1996, with a tolerance of 0.5, on visible areas.
    """
    return _count_containers(
        overlaps.pair_truth, overlaps.pair_solution, overlaps.truth_px, overlaps.solution_visible_px, overlaps
    )


def count_split(overlaps: Overlaps) -> int:
    """Count the certain truth buildings that are split.

    A building is split if it contains more than half of each of two or more predictions, and these parts make up more
    than half of it (over-segmentation as defined by Hoover et al., see `count_merged`).
    """
    return _count_containers(
        overlaps.pair_solution, overlaps.pair_truth, overlaps.solution_visible_px, overlaps.truth_px, overlaps
    )


def _count_containers(
    part: np.ndarray, holder: np.ndarray, part_px: np.ndarray, holder_px: np.ndarray, overlaps: Overlaps
) -> int:
    """Count the buildings of one side that contain most of each of two or more of the other and are mostly covered."""
    inside = (2 * overlaps.pair_px > part_px[part]) & ~find_uncertain(overlaps)[overlaps.pair_truth]
    parts = np.bincount(holder[inside], minlength=holder_px.size)
    covered = np.bincount(holder[inside], overlaps.pair_px[inside], holder_px.size)
    return int(((parts >= 2) & (2 * covered > holder_px)).sum())

"""Counts buildings that were merged into one, and buildings that were split."""

import numpy as np

from eaves.labels.overlaps import Overlaps
from eaves.metrics.challenge import find_uncertain


def count_merged(overlaps: Overlaps) -> int:
    """Count the predictions that merge buildings.

    A prediction merges buildings if more than half of each of two or more certain truth buildings lies in it, and these
    parts make up more than half of it. This is under-segmentation in the sense of Hoover et al., An Experimental
    Comparison of Range Image Segmentation Algorithms, IEEE TPAMI 1996, with the tolerance 0.5. Areas are visible ones.
    """
    return _count_containers(
        overlaps.pair_truth, overlaps.pair_solution, overlaps.truth_px, overlaps.solution_visible_px, overlaps
    )


def count_split(overlaps: Overlaps) -> int:
    """Count the certain truth buildings that are split.

    A building is split if more than half of each of two or more predictions lies in it, and these parts make up more
    than half of it (over-segmentation, as above).
    """
    return _count_containers(
        overlaps.pair_solution, overlaps.pair_truth, overlaps.solution_visible_px, overlaps.truth_px, overlaps
    )


def _count_containers(
    part: np.ndarray, holder: np.ndarray, part_px: np.ndarray, holder_px: np.ndarray, overlaps: Overlaps
) -> int:
    """Count the buildings that hold most of two or more of the other side and are made of them for the most part."""
    inside = (2 * overlaps.pair_px > part_px[part]) & ~find_uncertain(overlaps)[overlaps.pair_truth]
    parts = np.bincount(holder[inside], minlength=holder_px.size)
    covered = np.bincount(holder[inside], overlaps.pair_px[inside], holder_px.size)
    return int(((parts >= 2) & (2 * covered > holder_px)).sum())

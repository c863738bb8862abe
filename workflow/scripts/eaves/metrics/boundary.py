"""Boundary IoU: the agreement of two buildings near their outlines, which IoU hardly shows for large buildings."""

import numpy as np

from eaves.core.jit import compiled
from eaves.labels.ids import check_ids
from eaves.labels.overlaps import Overlaps, count_overlaps


def boundary_iou(
    truth: np.ndarray,
    solution: np.ndarray,
    overlaps: Overlaps,
    pairs: np.ndarray,
    distance_px: int,
    out_of_map: np.ndarray | None = None,
) -> np.ndarray:
    """Return the boundary IoU of pairs of a true and a predicted building.

    The boundary region of a building consists of its pixels within a distance of its outline, that is, those removed
    when it is eroded `distance_px` times by a 3 x 3 square; the tile's edge counts as an outline, too. The boundary IoU
    is the IoU of the two regions (Cheng, Girshick, Dollár, Berg and Kirillov, Boundary IoU, CVPR 2021, eq. 2, and their
    `mask_to_boundary`).

    Cheng et al. set the distance to 0.02 of the image's diagonal. On a tile of 2048 px at 0.5 m that is 58 px = 29 m,
    wider than a house, and it depends on how an area is divided into tiles. Here it is in metres on the ground
    (`score.boundary_m`): 2 m are 4 px on such a tile, 0.0014 of its diagonal.

    Args:
        truth: (H, W) integer ids.
        solution: (H, W) integer ids.
        overlaps: Overlaps of the two rasters.
        pairs: (p,) integer, positions of the pairs in `overlaps`.
        distance_px: Distance from the outline in pixels, 1 or more.
        out_of_map: (H, W) bool, pixels to remove from both sides first; or None.

    Returns:
        (p,) float64, 0..1.
    """
    if out_of_map is not None and out_of_map.any():
        truth, solution = (np.where(out_of_map, np.zeros((), side.dtype), side) for side in (truth, solution))
    near = count_overlaps(boundary_regions(truth, distance_px), boundary_regions(solution, distance_px))
    # Every building has boundary pixels, so all ids with visible pixels are in `near`, in the same order.
    truth_at = np.searchsorted(near.truth_ids, overlaps.truth_ids[overlaps.pair_truth[pairs]])
    solution_at = np.searchsorted(near.solution_ids, overlaps.solution_ids[overlaps.pair_solution[pairs]])
    n = max(near.truth_ids.size, 1)
    known = near.pair_solution * n + near.pair_truth  # ascending
    wanted = solution_at * n + truth_at
    at = np.minimum(np.searchsorted(known, wanted), max(known.size - 1, 0))
    shared = np.where(known[at] == wanted, near.pair_px[at], 0) if known.size else np.zeros(wanted.size)
    return shared / np.maximum(near.truth_px[truth_at] + near.solution_px[solution_at] - shared, 1)


def boundary_regions(labels: np.ndarray, distance_px: int) -> np.ndarray:
    """Keep only the pixels of each building that are near its outline.

    How it works: a pixel is interior if the square of 2 * distance_px + 1 pixels around it contains only its own label.
    Within a row, the run of its label must extend far enough to both sides; within a column, enough such pixels of the
    same label must lie above and below each other. A single pass checks both.

    Args:
        labels: (H, W) integer ids, 0 is ground.
        distance_px: Distance from the outline in pixels, 1 or more.

    Returns:
        (H, W), type of `labels`: the id within the distance of the outline, 0 elsewhere.
    """
    labels = check_ids("labels", labels)
    regions = labels.copy()
    _clear_inside(labels, regions, distance_px)
    return regions


@compiled
def _clear_inside(labels: np.ndarray, regions: np.ndarray, distance_px: int) -> None:
    height, width = labels.shape
    side = 2 * distance_px + 1
    above = np.zeros(width, labels.dtype)  # label of the row above if interior to its run, else 0
    rows = np.zeros(width, np.int32)  # number of consecutive rows of this label, interior to their runs
    for row in range(height):
        start = 0
        while start < width:
            label = labels[row, start]
            stop = start + 1
            while stop < width and labels[row, stop] == label:
                stop += 1
            inner_start, inner_stop = start + distance_px, stop - distance_px
            if label == 0 or inner_start >= inner_stop:
                above[start:stop] = 0
            else:
                above[start:inner_start] = 0
                above[inner_stop:stop] = 0
                for column in range(inner_start, inner_stop):
                    rows[column] = rows[column] + 1 if above[column] == label else 1
                    above[column] = label
                    if rows[column] >= side:
                        regions[row - distance_px, column] = 0
            start = stop

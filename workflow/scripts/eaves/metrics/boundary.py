"""Boundary IoU: how well outlines agree, measured near the outlines only, where IoU looks at whole buildings."""

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
    """Measure the boundary IoU of pairs of a true and a predicted building.

    A building's boundary region is its pixels within a distance of its outline: those that are lost when the building
    is eroded by a 3 x 3 square as many times as the distance has pixels, the tile's edge being an outline too. The
    boundary IoU is the IoU of the two regions (Cheng, Girshick, Dollár, Berg and Kirillov, Boundary IoU, CVPR 2021,
    eq. 2, and their `mask_to_boundary`).

    Cheng et al. give the distance as a share of the image's diagonal, 0.02. On a tile of 2048 px at 0.5 m that is
    58 px = 29 m, wider than houses, and it depends on how an area is cut into tiles; so ours is in metres on the ground
    (`score.boundary_m`). 2 m is 4 px there, a share of 0.0014.

    Args:
        truth: (H, W) integer ids.
        solution: (H, W) integer ids.
        overlaps: of the two.
        pairs: (p,) positions of pairs in `overlaps`.
        distance_px: 1 or more.
        out_of_map: (H, W) bool or None; cut out of both sides first.

    Returns:
        (p,) float64, 0..1.
    """
    if out_of_map is not None and out_of_map.any():
        truth, solution = (np.where(out_of_map, np.zeros((), side.dtype), side) for side in (truth, solution))
    near = count_overlaps(boundary_regions(truth, distance_px), boundary_regions(solution, distance_px))
    # Each building has a boundary, so that both sides have their ids, in the same order, where any pixel is visible.
    truth_at = np.searchsorted(near.truth_ids, overlaps.truth_ids[overlaps.pair_truth[pairs]])
    solution_at = np.searchsorted(near.solution_ids, overlaps.solution_ids[overlaps.pair_solution[pairs]])
    n = max(near.truth_ids.size, 1)
    known = near.pair_solution * n + near.pair_truth  # ascending
    wanted = solution_at * n + truth_at
    at = np.minimum(np.searchsorted(known, wanted), max(known.size - 1, 0))
    shared = np.where(known[at] == wanted, near.pair_px[at], 0) if known.size else np.zeros(wanted.size)
    return shared / np.maximum(near.truth_px[truth_at] + near.solution_px[solution_at] - shared, 1)


def boundary_regions(labels: np.ndarray, distance_px: int) -> np.ndarray:
    """Keep the pixels of each building that are near its outline.

    How it works: a pixel is inside where the square of 2 * distance_px + 1 pixels around it holds its own label alone.
    Along a row that is where its run goes on long enough to both sides; down the columns, where so many such pixels of
    one label lie above each other. One pass does both.

    Args:
        labels: (H, W) integer ids, 0 is ground.
        distance_px: 1 or more.

    Returns:
        (H, W), the ids within the distance of the outline, else 0.
    """
    labels = check_ids("labels", labels)
    regions = labels.copy()
    _clear_inside(labels, regions, distance_px)
    return regions


@compiled
def _clear_inside(labels: np.ndarray, regions: np.ndarray, distance_px: int) -> None:
    height, width = labels.shape
    side = 2 * distance_px + 1
    above = np.zeros(width, labels.dtype)  # label of the row above where it is inside its run, else 0
    rows = np.zeros(width, np.int32)  # how many rows of this label are inside their runs, up to here
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

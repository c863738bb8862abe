"""Trace the pixel edges around every region of a label raster: the corners of outer boundaries and of holes."""

import numpy as np

from eaves.core.jit import compiled


@compiled
def trace_rings(regions: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trace the boundaries of all regions.

    How it works: every ring contains the left edge of some run. From each such edge that no ring contains yet, follow
    the pixel edges with the region on the right-hand side (rows count downwards) back to the start, and record the
    corners. Where two pixels of the region touch only at a corner, the path continues along the other pixel: the rings
    of a 4-connected region then never touch themselves, and touch each other in single points only, which makes valid
    polygons.

    Args:
        regions: (H, W) integer, ids of 4-connected regions, 0 is ground.
        rows: (n,) int32, rows of the regions' runs in row-major order, as in `eaves.labels.run_lengths`.
        starts: (n,) int32, first columns of the runs.

    Returns:
        corners: (k, 2) float64, column and row of each corner; rings are closed (the first corner is repeated).
        offsets: (n_rings + 1,) int64, ring i has the corners offsets[i]:offsets[i + 1].
        run_of: (n_rings,) int64, the first run on each ring; ascending, so that the first ring of a region is the outer
            one.
    """
    height, width = regions.shape
    passed = np.zeros((height, width), np.bool_)
    corners = np.empty((1 << 14, 2), np.float64)
    offsets = np.zeros((1 << 10) + 1, np.int64)
    run_of = np.empty(1 << 10, np.int64)
    used, rings = 0, 0
    for run in range(rows.size):
        row, column = rows[run], starts[run]
        if passed[row, column]:
            continue
        region = regions[row, column]
        # (dx, dy) is the direction of travel: up along the left edge of this pixel, to its upper corner.
        x, y, dx, dy = np.int64(column), np.int64(row), 0, -1
        while not passed[row, column]:
            # The two pixels ahead: to the left and to the right of the path.
            left_x, left_y = x + (dx + dy - 1) // 2, y + (dy - dx - 1) // 2
            right_x, right_y = x + (dx - dy - 1) // 2, y + (dy + dx - 1) // 2
            turn = 0
            if 0 <= left_x < width and 0 <= left_y < height and regions[left_y, left_x] == region:
                turn = -1
            elif not (0 <= right_x < width and 0 <= right_y < height and regions[right_y, right_x] == region):
                turn = 1
            if turn != 0:
                if used + 2 > len(corners):
                    corners = np.concatenate((corners, np.empty_like(corners)))
                corners[used] = x, y
                used += 1
                dx, dy = -turn * dy, turn * dx
            x, y = x + dx, y + dy
            if dy == -1:
                passed[y, x] = True
        corners[used] = corners[offsets[rings]]
        used += 1
        if rings == run_of.size:
            run_of = np.concatenate((run_of, np.empty_like(run_of)))
            offsets = np.concatenate((offsets, np.empty_like(offsets[1:])))
        run_of[rings] = run
        rings += 1
        offsets[rings] = used
    return corners[:used], offsets[: rings + 1], run_of[:rings]

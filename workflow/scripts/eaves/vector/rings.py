"""Follows the pixel edges around every region of a label raster: the corners of outer boundaries and of holes."""

import numpy as np

from eaves.core.jit import compiled


@compiled
def trace_rings(regions: np.ndarray, rows: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walk along the boundaries of all regions.

    How it works: every ring passes the left edge of some run. From each such edge that no walk has passed yet, walk
    along the pixel edges with the region on the right-hand side (rows counted downwards) until back at the start, and
    note the corners. Where two pixels of the region touch only by a corner, the walk goes on along the other of the
    two: a 4-connected region's rings then never touch themselves, and meet each other in single points only, which
    makes valid polygons.

    Args:
        regions: (H, W) integer, 4-connected regions with an id each, 0 is ground.
        rows: (n,) int32, rows of the regions' runs in row-major order, as `eaves.labels.run_lengths` finds them.
        starts: (n,) int32, first columns of the runs.

    Returns:
        corners: (k, 2) float64, column and row of the pixel corner, each ring closed (its first corner comes again).
        offsets: (n_rings + 1,) int64, ring i has the corners offsets[i]:offsets[i + 1].
        run_of: (n_rings,) int64, the first run that each ring passes; ascending, so that the first ring of a region
            is the outer one.
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
            # Of the two pixels ahead, the one on the left-hand side of the way and the one on the right.
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

"""Follows the pixel edges around every region of a label raster: the corners of outer boundaries and of holes."""

import numpy as np

from eaves.compiled import compiled
from eaves.runs import next_nonzero


@compiled
def trace_rings(regions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walk along the boundaries of all regions.

    How it works: every ring has a piece where the region lies directly below the boundary. From each such piece that
    no walk has passed yet, walk along the pixel edges with the region on the right-hand side (rows counted downwards)
    until back at the start, and note the corners. Where two pixels of the region touch only by a corner, the walk goes
    on along the other of the two: a 4-connected region's rings then never touch themselves, and meet each other in
    single points only, which makes valid polygons.

    Args:
        regions: (H, W) integer, 4-connected regions with an id each, 0 is ground.

    Returns:
        corners: (k, 2) float64, column and row of the pixel corner, each ring closed (its first corner comes again).
        offsets: (n_rings + 1,) int64, ring i has the corners offsets[i]:offsets[i + 1].
        region_of: (n_rings,) int64, the region each ring belongs to. The first ring of a region is the outer one.
    """
    height, width = regions.shape
    passed = np.zeros((height, width), np.bool_)
    begins = np.ones((width // 8 + 1) * 8, np.uint8)  # one flag at the least behind the last column
    words = begins.view(np.uint64)
    corners = np.empty((1 << 14, 2), np.float64)
    offsets = np.zeros((1 << 10) + 1, np.int64)
    region_of = np.empty(1 << 10, np.int64)
    used, rings = 0, 0
    for top in range(height):
        pixels = regions[top]
        above = regions[top - 1] if top > 0 else np.zeros_like(pixels)
        for column in range(width):
            begins[column] = (pixels[column] != 0) & (pixels[column] != above[column])
        left = next_nonzero(begins, words, 0)
        while left < width:
            if passed[top, left]:
                left = next_nonzero(begins, words, left + 1)
                continue
            region = pixels[left]
            # Start at the upper left corner of this pixel and go right; (dx, dy) is the direction of travel.
            x, y, dx, dy = left, top, 1, 0
            while True:
                if used == len(corners):
                    corners = np.concatenate((corners, np.empty_like(corners)))
                corners[used] = x, y
                used += 1
                if used - 1 > offsets[rings] and x == left and y == top and dx == 1:
                    break
                turned_x, turned_y = dx, dy
                while turned_x == dx and turned_y == dy:
                    if dx == 1:
                        passed[y, x] = True
                    x, y = x + dx, y + dy
                    # Of the two pixels ahead, the one on the left-hand side of the way and the one on the right.
                    left_x, left_y = x + (dx + dy - 1) // 2, y + (dy - dx - 1) // 2
                    right_x, right_y = x + (dx - dy - 1) // 2, y + (dy + dx - 1) // 2
                    if 0 <= left_x < width and 0 <= left_y < height and regions[left_y, left_x] == region:
                        turned_x, turned_y = dy, -dx
                    elif not (0 <= right_x < width and 0 <= right_y < height and regions[right_y, right_x] == region):
                        turned_x, turned_y = -dy, dx
                dx, dy = turned_x, turned_y
            if rings == region_of.size:
                region_of = np.concatenate((region_of, np.empty_like(region_of)))
                offsets = np.concatenate((offsets, np.empty_like(offsets[1:])))
            region_of[rings] = region
            rings += 1
            offsets[rings] = used
    return corners[:used], offsets[: rings + 1], region_of[:rings]

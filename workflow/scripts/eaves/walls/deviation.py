"""Check that two lines stay within a distance of each other along their whole length, not only at the corners."""

import numpy as np

from eaves.core.jit import compiled

SLACK = 1e-3
"""Distances within this share below the limit may count as too large, so that the search ends."""


@compiled
def within_distance(line: np.ndarray, other: np.ndarray, limit: float) -> bool:
    """Return whether every point of a line is within a distance of another line (directed Hausdorff distance).

    How it works: along a segment, the distance to the other line changes at most by the length travelled. The distances
    at the two ends therefore bound the distance in between; if the bound exceeds the limit, the segment is halved.

    Args:
        line: (n, 4) float64, segments: x and y of one end, x and y of the other.
        other: (m, 4) float64.
        limit: Largest distance allowed.

    Returns:
        True only if no point is further away than the limit. Distances within a thousandth below the limit may count
        as too large.
    """
    certain = limit / (1 + SLACK)
    # Stack of segments to check: x, y of both ends, and the distances of the ends from the other line.
    todo = np.empty((64, 6))
    for k in range(len(line)):
        todo[0, :4] = line[k]
        todo[0, 4] = _distance(line[k, 0], line[k, 1], other)
        todo[0, 5] = _distance(line[k, 2], line[k, 3], other)
        left = 1
        while left > 0:
            left -= 1
            ax, ay, bx, by, at_a, at_b = todo[left]
            if at_a > certain or at_b > certain:
                return False
            length = np.hypot(bx - ax, by - ay)
            if 0.5 * (at_a + at_b + length) <= limit:
                continue
            x, y = 0.5 * (ax + bx), 0.5 * (ay + by)
            between = _distance(x, y, other)
            if between > certain:
                return False
            if left + 2 > len(todo):  # a segment 2^60 times as long as the limit
                return False
            todo[left] = ax, ay, x, y, at_a, between
            todo[left + 1] = x, y, bx, by, between, at_b
            left += 2
    return True


@compiled
def distances(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return the distance of each point from a line.

    Args:
        points: (n, 2) float64.
        line: (m, 4) float64, segments as in `within_distance`.

    Returns:
        (n,) float64.
    """
    result = np.empty(len(points))
    for k in range(len(points)):
        result[k] = _distance(points[k, 0], points[k, 1], line)
    return result


@compiled
def _distance(x: float, y: float, line: np.ndarray) -> float:
    """Return the distance of a point from a line of segments."""
    least = np.inf
    for k in range(len(line)):
        dx, dy = line[k, 2] - line[k, 0], line[k, 3] - line[k, 1]
        px, py = x - line[k, 0], y - line[k, 1]
        square = dx * dx + dy * dy
        share = min(1.0, max(0.0, (px * dx + py * dy) / square)) if square > 0 else 0.0
        qx, qy = px - share * dx, py - share * dy
        least = min(least, qx * qx + qy * qy)
    return np.sqrt(least)

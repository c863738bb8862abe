"""Divide boundary points into straight walls at minimum cost, and intersect neighbouring walls in corners.

A wall is parallel to the first main direction (ALONG: x), perpendicular to it (ACROSS: y) or in any other direction
(FREE). Its cost is the sum of the squared distances of its points from their best-fitting line, plus a fixed cost per
wall. Prefix sums yield the cost of any stretch in constant time; dynamic programming finds the cheapest division.
"""

import numpy as np

from eaves.core.jit import compiled

ALONG, ACROSS, FREE = 0, 1, 2
WALL_COST = 2.0
"""Fixed cost of a wall. A step as deep as the tolerance is kept if it is longer than about this many tolerances."""
FREE_WALL_FACTOR = 3.0
"""A free wall costs as much as this many others, so that oblique walls are drawn only where a building has them."""
MIN_FREE_TOLERANCES = 4.0
"""Minimum length of a free wall, in tolerances: shorter ones would cut corners."""
MIN_WALL_TOLERANCES = 0.5
"""Minimum length of any wall, in tolerances: a line through fewer points would be arbitrary."""
STEP_TOLERANCES = 1.0
"""Distance between the positions where walls may end, in tolerances. Corners are intersections of the fitted lines, not
these positions, so that a smaller distance would cost time only."""
MIN_ANGLE = np.radians(20)
"""Minimum angle between a free wall and the main directions; below it, walls along them with a step fit as well."""
MIN_SINE = np.sin(np.radians(10))
"""Minimum sine of the angle between neighbouring walls; below it, their intersection is ill-defined."""


@compiled
def split_into_walls(
    points: np.ndarray, detail: np.ndarray, tolerance: float, spacing: float, first: int, last: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Divide a sequence of points into walls at minimum cost.

    Args:
        points: (n, 2) float64, evenly spaced, rotated so that the first main direction is x.
        detail: (n,) float64, 1 or more: larger values allow more and shorter walls.
        tolerance: Largest distance of a point from its wall if this is ALONG or ACROSS, in the unit of the points.
        spacing: Distance between neighbouring points.
        first: Kind of the first wall, or -1 for any.
        last: Kind of the last wall, or -1 for any.

    Returns:
        cost: Infinite if there is no such division.
        ends: (m,) int64, index after the last point of each wall.
        kinds: (m,) int64, ALONG, ACROSS or FREE; neighbours differ, or both are FREE.
    """
    n = len(points)
    sums = _prefix_sums(points)
    best = np.full((n + 1, 3), np.inf)
    came_from = np.zeros((n + 1, 3), np.int64)
    came_as = np.full((n + 1, 3), -1, np.int64)
    lines = np.zeros((n + 1, 3, 3))  # line of the wall that ends here: a x + b y = c
    step = max(1, round(STEP_TOLERANCES * tolerance / spacing))
    shortest = max(1, round(MIN_WALL_TOLERANCES * tolerance / spacing))
    for j in range(shortest, n + 1):
        if j % step != 0 and j != n:
            continue
        low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
        for i in range(j - 1, -1, -1):
            low_x, high_x = min(low_x, points[i, 0]), max(high_x, points[i, 0])
            low_y, high_y = min(low_y, points[i, 1]), max(high_y, points[i, 1])
            count = j - i
            if count < shortest or 0 < i < shortest or i % step != 0:
                continue
            mean_x, mean_y, xx, yy, xy = _scatter(sums, i, j)
            square = max(0.5 * (xx + yy) - np.hypot(0.5 * (xx - yy), xy), 0.0)  # about the best-fitting line
            if square > count * tolerance**2:
                break
            charge = WALL_COST * tolerance**3 / spacing / detail[i]
            for kind in range(3):
                if (i == 0 and first >= 0 and kind != first) or (j == n and last >= 0 and kind != last):
                    continue
                if kind == ALONG:
                    if high_y - mean_y > tolerance or mean_y - low_y > tolerance:
                        continue
                    a, b, cost = 0.0, 1.0, yy + charge
                elif kind == ACROSS:
                    if high_x - mean_x > tolerance or mean_x - low_x > tolerance:
                        continue
                    a, b, cost = 1.0, 0.0, xx + charge
                else:
                    # Points scattered evenly about a line lie within twice their root mean square distance.
                    short = count * spacing < MIN_FREE_TOLERANCES * tolerance / np.sqrt(detail[i])
                    if short or 4 * square > count * tolerance**2:
                        continue
                    angle = _line_angle(xx, yy, xy)
                    if min(abs(angle), 0.5 * np.pi - abs(angle)) < MIN_ANGLE:
                        continue
                    a, b, cost = -np.sin(angle), np.cos(angle), square + FREE_WALL_FACTOR * charge
                c = a * mean_x + b * mean_y
                total, before = cost, -1
                if i > 0:
                    total = np.inf
                    x, y = 0.5 * (points[i - 1] + points[i])
                    reach = tolerance * (1 + 1 / detail[i])
                    for other in range(3):
                        if best[i, other] + cost >= total or (other == kind and kind != FREE):
                            continue
                        d, e, f = lines[i, other]
                        sine = a * e - b * d
                        if abs(sine) < MIN_SINE:
                            continue
                        if np.hypot((c * e - b * f) / sine - x, (a * f - c * d) / sine - y) <= reach:
                            total, before = best[i, other] + cost, other
                if total < best[j, kind]:
                    best[j, kind], came_from[j, kind], came_as[j, kind] = total, i, before
                    lines[j, kind] = a, b, c
    kind = int(np.argmin(best[n]))
    least = best[n, kind]
    ends, kinds = [n], [kind]
    if np.isfinite(least):
        j = n
        while came_as[j, kind] >= 0:
            j, kind = came_from[j, kind], came_as[j, kind]
            ends.append(j)
            kinds.append(kind)
    return least, np.array(ends)[::-1].copy(), np.array(kinds)[::-1].copy()


@compiled
def angle_correction(points: np.ndarray, ends: np.ndarray, kinds: np.ndarray) -> float:
    """Fit the two main directions to all walls together; return the angle from x to the first of them, radians."""
    sums = _prefix_sums(points)
    along, across, mixed = 0.0, 0.0, 0.0
    for wall in range(len(kinds)):
        _, _, xx, yy, xy = _scatter(sums, ends[wall - 1] if wall else 0, ends[wall])
        if kinds[wall] == ALONG:
            along, across, mixed = along + xx, across + yy, mixed + xy
        elif kinds[wall] == ACROSS:
            along, across, mixed = along + yy, across + xx, mixed - xy
    return _line_angle(along, across, mixed)


@compiled
def intersect_walls(points: np.ndarray, ends: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Intersect each wall with the next.

    Returns:
        (m, 2) float64; corner k is the end of wall k, NaN if the two walls are parallel.
    """
    sums = _prefix_sums(points)
    walls = len(kinds)
    lines = np.empty((walls, 3))  # a x + b y = c
    for wall in range(walls):
        mean_x, mean_y, xx, yy, xy = _scatter(sums, ends[wall - 1] if wall else 0, ends[wall])
        if kinds[wall] == ALONG:
            a, b = 0.0, 1.0
        elif kinds[wall] == ACROSS:
            a, b = 1.0, 0.0
        else:
            angle = _line_angle(xx, yy, xy)
            a, b = -np.sin(angle), np.cos(angle)
        lines[wall] = a, b, a * mean_x + b * mean_y
    corners = np.full((walls, 2), np.nan)
    for wall in range(walls):
        one, two = lines[wall], lines[(wall + 1) % walls]
        determinant = one[0] * two[1] - two[0] * one[1]
        if determinant != 0:
            corners[wall, 0] = (one[2] * two[1] - two[2] * one[1]) / determinant
            corners[wall, 1] = (one[0] * two[2] - two[0] * one[2]) / determinant
    return corners


@compiled
def _prefix_sums(points: np.ndarray) -> np.ndarray:
    """Return the prefix sums of x, y, xx, yy and xy: (n + 1, 5) float64."""
    sums = np.zeros((len(points) + 1, 5))
    for i in range(len(points)):
        x, y = points[i]
        sums[i + 1] = sums[i] + np.array([x, y, x * x, y * y, x * y])
    return sums


@compiled
def _scatter(sums: np.ndarray, begin: int, end: int) -> tuple[float, float, float, float, float]:
    """Return the mean x and y of the points begin..end - 1, and their sums of squares xx, yy and xy about the mean."""
    count = end - begin
    mean_x, mean_y = (sums[end, 0] - sums[begin, 0]) / count, (sums[end, 1] - sums[begin, 1]) / count
    xx = sums[end, 2] - sums[begin, 2] - count * mean_x * mean_x
    yy = sums[end, 3] - sums[begin, 3] - count * mean_y * mean_y
    xy = sums[end, 4] - sums[begin, 4] - count * mean_x * mean_y
    return mean_x, mean_y, max(xx, 0.0), max(yy, 0.0), xy


@compiled
def _line_angle(xx: float, yy: float, xy: float) -> float:
    """Return the direction of the best-fitting line, -pi / 2..pi / 2."""
    return 0.5 * np.arctan2(2 * xy, xx - yy)

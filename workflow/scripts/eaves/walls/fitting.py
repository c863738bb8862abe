"""Fit straight walls to a building's boundary: in two perpendicular directions, and in others only where needed.

How it works: the boundary is a closed sequence of points, one on each pixel edge. `segments` divides it into walls. The
two main directions are estimated from the boundary's tangents and then refined by a fit to all walls together. Where
the walls deviate too far from the boundary, for instance around a tower, the fit is repeated with more and shorter
walls there, and only there.
"""

import numpy as np

from eaves.walls.deviation import distances
from eaves.walls.segments import angle_correction, intersect_walls, split_into_walls

ROUNDS = 5
DETAIL_FACTOR = 3.0
"""In each round, the cost of a wall is divided by this around a place where the deviation is too large."""
SAFETY_FACTOR = 0.97
"""Corners must stay within this share of the tolerance, so that the points between them stay within the tolerance."""
REACH_TOLERANCES = 3.0
"""Radius, in tolerances, within which walls become cheaper around a place where the deviation is too large; also half
the length over which a tangent is taken, which must be longer than the steps of the pixel outline."""
SAME_ANGLE = np.radians(2)
"""Directions closer than this count as one: the fit to the walls corrects a difference of this size."""
HISTOGRAM_BINS = 45
"""Number of bins in the histogram of tangent directions, over 90 degrees."""


def fit_walls(
    points: np.ndarray, spacing: float, boundary: np.ndarray, tolerance: float, angle: float | None = None
) -> tuple[float, np.ndarray | None]:
    """Fit a polygon of straight walls to a closed sequence of points.

    Args:
        points: (n, 2) float64, evenly spaced along the boundary.
        spacing: Distance between neighbouring points, in their unit.
        boundary: (k, 4) float64, the exact boundary as segments: x and y of one end, x and y of the other.
        tolerance: Largest deviation allowed between polygon and boundary, in the same unit.
        angle: First main direction, radians; None estimates it.

    Returns:
        angle: First main direction, radians.
        corners: (m, 2) float64, or None if no polygon fits. The polygon is usually within the tolerance, but this is
            not guaranteed: the caller must check it.
    """
    centre = points.mean(axis=0)
    around = points - centre
    reach = max(1, round(REACH_TOLERANCES * tolerance / spacing))
    detail = np.ones(len(points))
    if angle is None:
        directions = _main_directions(around, reach)
        cuts = [
            split_into_walls(_rotate(around, direction), detail, tolerance, spacing, -1, -1) for direction in directions
        ]
        (_, ends, kinds), angle = min(zip(cuts, directions, strict=True), key=lambda pair: pair[0][0])
        angle += angle_correction(_rotate(around, angle), ends, kinds)
    turned = _rotate(around, angle)
    limit = SAFETY_FACTOR * tolerance
    corners = None
    for _ in range(ROUNDS):
        corners = _fit_closed(turned, detail, tolerance, spacing)
        if corners is None:
            detail *= DETAIL_FACTOR
            continue
        corners = _rotate(corners, -angle) + centre
        walls = np.concatenate((np.roll(corners, 1, axis=0), corners), axis=1)
        far = [
            corners[distances(corners, boundary) > limit],
            boundary[distances(boundary[:, :2], walls) > limit, :2],
        ]
        if not len(far[0]) + len(far[1]):
            break
        places = [np.argmin(((points - place) ** 2).sum(axis=1)) for place in np.concatenate(far)]
        detail[_mark_around(places, reach, len(points))] *= DETAIL_FACTOR
    return angle, corners


def _fit_closed(points: np.ndarray, detail: np.ndarray, tolerance: float, spacing: float) -> np.ndarray | None:
    """Divide a closed sequence into walls: first from an arbitrary start, then from the joint of two walls found."""
    cost, ends, kinds = split_into_walls(points, detail, tolerance, spacing, -1, -1)
    if not np.isfinite(cost) or len(kinds) < 3:
        return None
    middle = len(kinds) // 2
    begin = ends[middle - 1]
    points, detail = np.roll(points, -begin, axis=0), np.roll(detail, -begin)
    cost, ends, kinds = split_into_walls(points, detail, tolerance, spacing, kinds[middle], kinds[middle - 1])
    if not np.isfinite(cost) or len(kinds) < 3:
        return None
    corners = intersect_walls(points, ends, kinds)
    return corners if np.isfinite(corners).all() else None


def _rotate(points: np.ndarray, angle: float) -> np.ndarray:
    """Rotate points so that the direction `angle` becomes the x axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, -sin], [sin, cos]])


def _main_directions(points: np.ndarray, reach: int) -> list[float]:
    """Estimate the direction of the tangents modulo 90 degrees: the peak of their histogram, and their mean."""
    tangents = np.roll(points, -reach, axis=0) - np.roll(points, reach, axis=0)
    # Around a corner the chord is short, so weighting by its squared length favours straight walls.
    weights = (tangents**2).sum(axis=1)
    four = 4 * np.arctan2(tangents[:, 1], tangents[:, 0])
    bins = np.floor(four / (2 * np.pi) * HISTOGRAM_BINS).astype(np.intp) % HISTOGRAM_BINS
    sums = np.bincount(bins, weights * np.cos(four), HISTOGRAM_BINS) + 1j * np.bincount(
        bins, weights * np.sin(four), HISTOGRAM_BINS
    )
    smooth = sums + np.roll(sums, 1) + np.roll(sums, -1)
    peak = smooth[np.argmax(np.abs(smooth))]
    directions = [float(np.angle(peak)) / 4, float(np.angle(sums.sum())) / 4]
    return directions if abs(np.angle(peak * np.conj(sums.sum()))) > 4 * SAME_ANGLE else directions[:1]


def _mark_around(places: list[np.intp], reach: int, count: int) -> np.ndarray:
    """Mark the points within `reach` steps of some places in a closed sequence of `count` points: (count,) bool."""
    marks = np.zeros(count, bool)
    marks[np.add.outer(places, np.arange(-reach, reach + 1)) % count] = True
    return marks

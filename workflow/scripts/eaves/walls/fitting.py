"""Fits straight walls to the boundary of a building: along two directions at right angles, free only where it must be.

How it works: the boundary is a closed row of points, one on each pixel edge. `segments` divides it into walls. The
two directions come from the boundary's tangents, then they are fitted to all walls together. Where the walls come too
far from the boundary, for instance around a tower, more and shorter ones are drawn, there and nowhere else.
"""

import numpy as np

from eaves.walls.deviation import distances
from eaves.walls.segments import angle_correction, intersect_walls, split_into_walls

ROUNDS = 5
DETAIL_FACTOR = 3.0
"""The charge per wall falls to this part around a place that is too far off, in each round."""
SAFETY_FACTOR = 0.97
"""Corners keep to this part of the tolerance, so that what lies between them does as well."""
REACH_TOLERANCES = 3.0
"""How far such a place reaches, and half the stretch over which a tangent is taken: longer than the steps of pixels."""
SAME_ANGLE = np.radians(2)
"""Directions closer than this are one: fitting it to the walls makes up for as much."""
HISTOGRAM_BINS = 45
"""Of the histogram of tangents, over 90 degrees."""


def fit_walls(
    points: np.ndarray, spacing: float, boundary: np.ndarray, tolerance: float, angle: float | None = None
) -> tuple[float, np.ndarray | None]:
    """Fit a polygon of straight walls to a closed row of points.

    Args:
        points: (n, 2) float64, evenly spaced along the boundary.
        spacing: Of the points, in their unit.
        boundary: (k, 4) float64, the exact boundary as segments: x and y of one end, x and y of the other.
        tolerance: How far polygon and boundary should be from each other at most, in the same unit.
        angle: Radians, the first direction; None finds it.

    Returns:
        angle: The first direction.
        corners: (m, 2), or None where no polygon fits. It keeps to the tolerance mostly, but not surely.
    """
    centre = points.mean(axis=0)
    around = points - centre
    reach = max(1, round(REACH_TOLERANCES * tolerance / spacing))
    detail = np.ones(len(points))
    if angle is None:
        found = _main_directions(around, reach)
        cuts = [split_into_walls(_rotate(around, direction), detail, tolerance, spacing, -1, -1) for direction in found]
        (_, ends, kinds), angle = min(zip(cuts, found, strict=True), key=lambda pair: pair[0][0])
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
    """Cut a closed row: begin anywhere, then again between two walls found."""
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
    """Turn points so that what lay along the angle lies along x."""
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, -sin], [sin, cos]])


def _main_directions(points: np.ndarray, reach: int) -> list[float]:
    """Find where the tangents point, modulo 90 degrees: the peak of their histogram, and their mean."""
    tangents = np.roll(points, -reach, axis=0) - np.roll(points, reach, axis=0)
    # Where the boundary turns within the reach, the chord is short: a weight of its square counts straight walls.
    weights = (tangents**2).sum(axis=1)
    four = 4 * np.arctan2(tangents[:, 1], tangents[:, 0])
    bins = np.floor(four / (2 * np.pi) * HISTOGRAM_BINS).astype(np.intp) % HISTOGRAM_BINS
    sums = np.bincount(bins, weights * np.cos(four), HISTOGRAM_BINS) + 1j * np.bincount(
        bins, weights * np.sin(four), HISTOGRAM_BINS
    )
    smooth = sums + np.roll(sums, 1) + np.roll(sums, -1)
    peak = smooth[np.argmax(np.abs(smooth))]
    found = [float(np.angle(peak)) / 4, float(np.angle(sums.sum())) / 4]
    return found if abs(np.angle(peak * np.conj(sums.sum()))) > 4 * SAME_ANGLE else found[:1]


def _mark_around(places: list[np.intp], reach: int, count: int) -> np.ndarray:
    """Mark what lies within a reach of some places in a closed row."""
    marks = np.zeros(count, bool)
    marks[np.add.outer(places, np.arange(-reach, reach + 1)) % count] = True
    return marks

"""Regularize the outlines of a tile's buildings: straight walls, right angles, a bounded deviation, no overlaps."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import shapely

from eaves.walls.deviation import within_distance
from eaves.walls.fitting import fit_walls

MAX_POINTS = 1500
"""Maximum number of points on a ring. Longer rings are sampled more coarsely, since time grows with the square."""
SIMPLIFY_FACTOR = 0.5
"""If no walls fit, the outline is simplified within this share of the tolerance."""
GRID_M = 1e-6
"""Grid for the corners of differences and intersections. Without it, GEOS occasionally reports an overlap between
neighbours whose walls nearly coincide."""
MIN_OVERLAP_M2 = 1e-4
"""Overlaps up to this area count as rounding error."""

Shape: TypeAlias = shapely.Polygon | shapely.MultiPolygon


class Candidate(NamedTuple):
    """A possible outline of a building, in metres; `fitted` is True if its walls were fitted."""

    shape: Shape
    fitted: bool


class Building(NamedTuple):
    """A building's exact outline and, if they are within the tolerance of it, its fitted walls; in metres.

    Attributes:
        exact: Outline along the pixel edges.
        filled: The same outline with small holes filled.
        boundary: (n, 4) float64, edges of `filled`.
        fitted: Outline with straight walls; None if there is none within the tolerance.
    """

    exact: Shape
    filled: Shape
    boundary: np.ndarray
    fitted: Shape | None

    def candidates(self, tolerance_m: float) -> Iterator[Candidate]:
        """Yield the outlines within the tolerance, the best first and the exact one last."""
        if self.fitted is not None:
            yield Candidate(self.fitted, True)
        simplified = shapely.simplify(self.filled, SIMPLIFY_FACTOR * tolerance_m)
        if within_tolerance(simplified, self.filled, self.boundary, tolerance_m):
            yield Candidate(simplified, False)
        yield Candidate(self.exact, False)


def regularize(
    exact: np.ndarray, pixel_to_m: np.ndarray, tolerance_m: float, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Straighten the outlines of a tile's buildings.

    How it works: `fitting` fits walls to each ring. The result is accepted if it is a valid polygon and the Hausdorff
    distance between its boundary and the exact one is within the tolerance. Otherwise the outline is simplified within
    the tolerance. The buildings are then placed in descending order of size, and the area of those placed before is
    subtracted from each, so that neighbours share a wall. If the subtraction takes every candidate of a building out of
    the tolerance, this building and the neighbours that overlap it keep their exact outlines.

    Holes that have no point further than the tolerance from their boundary are filled and not taken into account.

    Args:
        exact: (n,) polygons and multipolygons in pixel coordinates; their areas do not overlap.
        pixel_to_m: (2, 2) float64, maps (column, row) to metres in a plane that preserves angles on the ground.
        tolerance_m: Largest deviation from the exact outline, metres.
        size: Rows and columns of the tile; outlines stay inside it.

    Returns:
        geometry: (n,) valid polygons and multipolygons in pixel coordinates, without overlaps.
        fitted: (n,) bool, True if walls were fitted, False if the outline is simplified or exact.
    """
    rows, columns = size
    in_m = shapely.transform(exact, lambda corners: corners @ pixel_to_m.T)
    tile = shapely.transform(shapely.box(0, 0, columns, rows), lambda corners: corners @ pixel_to_m.T)
    buildings = [_fit_building(shape, pixel_to_m, tolerance_m, tile) for shape in in_m]
    geometry, fitted = exact.copy(), np.zeros(len(exact), bool)
    m_to_pixel = np.linalg.inv(pixel_to_m).T
    for number, candidate in enumerate(_place(buildings, tolerance_m)):
        fitted[number] = candidate.fitted
        if candidate.shape is not buildings[number].exact:
            geometry[number] = shapely.transform(candidate.shape, lambda corners: corners @ m_to_pixel)
    return geometry, fitted


def within_tolerance(shape: shapely.Geometry, wanted: Shape, boundary: np.ndarray, tolerance_m: float) -> bool:
    """Return whether a shape is valid, has as many pieces as `wanted`, and is within the tolerance of `boundary`."""
    if shape.geom_type != wanted.geom_type or not shape.is_valid or shape.is_empty:
        return False
    if shapely.get_num_geometries(shape) != shapely.get_num_geometries(wanted):
        return False
    edges = boundary_edges(shape)
    return within_distance(edges, boundary, tolerance_m) and within_distance(boundary, edges, tolerance_m)


def boundary_edges(shape: Shape) -> np.ndarray:
    """Return the edges of all rings: (n, 4) float64, x and y of one end, x and y of the other."""
    rings = [
        shapely.get_coordinates(ring) for part in shapely.get_parts(shape) for ring in (part.exterior, *part.interiors)
    ]
    return np.concatenate([np.concatenate((ring[:-1], ring[1:]), axis=1) for ring in rings])


def fill_holes(shape: Shape, tolerance_m: float) -> Shape:
    """Fill the holes that have no point further than the tolerance from their boundary."""
    parts = []
    for part in shapely.get_parts(shape):
        holes = [hole for hole in part.interiors if not shapely.Polygon(hole).buffer(-tolerance_m).is_empty]
        parts.append(part if len(holes) == len(part.interiors) else shapely.Polygon(part.exterior, holes))
    return parts[0] if shape.geom_type == "Polygon" else shapely.MultiPolygon(parts)


def _fit_building(exact: Shape, pixel_to_m: np.ndarray, tolerance_m: float, tile: shapely.Polygon) -> Building:
    """Fit walls to a building on its own, and clip them to the tile."""
    filled = fill_holes(exact, tolerance_m)
    boundary = boundary_edges(filled)
    pieces = shapely.get_parts(filled)
    parts = [fitted for part in pieces if (fitted := _fit_part(part, pixel_to_m, tolerance_m)) is not None]
    if len(parts) < len(pieces):
        return Building(exact, filled, boundary, None)
    shape = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    if shape.is_valid and not shapely.covers(tile, shape):
        shape = shapely.intersection(shape, tile, grid_size=GRID_M)
    return Building(exact, filled, boundary, shape if within_tolerance(shape, filled, boundary, tolerance_m) else None)


def _fit_part(part: shapely.Polygon, pixel_to_m: np.ndarray, tolerance_m: float) -> shapely.Polygon | None:
    """Fit walls to all rings of a polygon; return None if they do not fit."""
    rings: list[np.ndarray] = []
    angle = None
    for ring in (part.exterior, *part.interiors):
        points, spacing_m = _edge_midpoints(shapely.get_coordinates(ring), pixel_to_m)
        # Courtyards use the directions of the outer walls.
        angle, corners = fit_walls(points, spacing_m, boundary_edges(shapely.Polygon(ring)), tolerance_m, angle)
        if corners is None:
            return None
        rings.append(corners)
    return shapely.Polygon(rings[0], rings[1:])


def _edge_midpoints(corners: np.ndarray, pixel_to_m: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the midpoints of a ring's pixel edges, in metres, and their mean distance along the ring.

    Midpoints lie on either side of the true boundary alike; the pixels' corners would bias the fit outwards.

    Args:
        corners: (n, 2) float64, a closed ring along pixel edges, metres.
        pixel_to_m: (2, 2) float64, as for `regularize`.

    Returns:
        points: (m, 2) float64, at most MAX_POINTS.
        spacing_m: Mean distance between them.
    """
    steps = corners[1:] - corners[:-1]
    counts = np.rint(np.abs(steps @ np.linalg.inv(pixel_to_m).T).sum(axis=1)).astype(np.int64)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    shares = (place + 0.5) / np.repeat(counts, counts)
    points = np.repeat(corners[:-1], counts, axis=0) + np.repeat(steps, counts, axis=0) * shares[:, None]
    points = points[:: -(-len(points) // MAX_POINTS)]
    return np.ascontiguousarray(points), float(np.hypot(*steps.T).sum() / len(points))


def _place(buildings: list[Building], tolerance_m: float) -> list[Candidate]:
    """Choose an outline for each building and clip it, so that no two overlap."""
    boxes = shapely.buffer(shapely.envelope([building.exact for building in buildings]), 2 * tolerance_m)
    neighbours: list[list[int]] = [[] for _ in buildings]
    for one, two in shapely.STRtree(boxes).query(boxes, predicate="intersects").T.tolist():
        if one != two:
            neighbours[one].append(two)
    order = np.argsort([-building.exact.area for building in buildings], kind="stable").tolist()
    keep_exact: set[int] = set()
    while True:
        placed: dict[int, Candidate] = {}
        conflicting: set[int] = set()
        for number in order:
            building = buildings[number]
            exact = Candidate(building.exact, False)
            candidates = iter([exact]) if number in keep_exact else building.candidates(tolerance_m)
            others = [other for other in neighbours[number] if other in placed]
            candidate = _clip(building, candidates, [placed[other].shape for other in others], tolerance_m)
            if candidate is None:  # the buildings placed before leave too little room
                conflicting |= {number} | {other for other in others if _overlaps(placed[other].shape, building.exact)}
            placed[number] = candidate or exact
        if not conflicting:
            return [placed[number] for number in range(len(buildings))]
        keep_exact |= conflicting


def _clip(
    building: Building, candidates: Iterator[Candidate], others: list[Shape], tolerance_m: float
) -> Candidate | None:
    """Return the first candidate that stays within the tolerance once the other buildings are subtracted."""
    for shape, fitted in candidates:
        taken = [other for other in others if _overlaps(other, shape)]
        if not taken:
            return Candidate(shape, fitted)
        rest = shapely.difference(shape, shapely.union_all(taken, grid_size=GRID_M), grid_size=GRID_M)
        if within_tolerance(rest, building.filled, building.boundary, tolerance_m):
            return Candidate(rest, fitted)
    return None


def _overlaps(one: Shape, two: Shape) -> bool:
    return one.intersects(two) and shapely.intersection(one, two, grid_size=GRID_M).area > MIN_OVERLAP_M2

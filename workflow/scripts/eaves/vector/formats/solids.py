"""Raises a footprint to a block: a closed solid of floor, roof and walls, all facing outwards."""

from itertools import combinations, pairwise
from typing import Any, TypeAlias

import shapely

from eaves.vector.formats.common import snap_to_grid

OPENING = 10
"""Steps of the grid to either side of a point where a hole touches another ring: there the hole is opened by a gap.
Else the walls would meet in one edge, and four walls in an edge bound no solid."""

Corner: TypeAlias = tuple[int, int, int]


class Corners:
    """Numbers corners in the order they are met; `found` lists them."""

    def __init__(self) -> None:
        self.vertices: list[Corner] = []
        self._numbers: dict[Corner, int] = {}

    def ring(self, ring: list[tuple[int, int]], height: int) -> list[int]:
        """The numbers of a ring's corners at a height."""
        return [self.number((x, y, height)) for x, y in ring]

    def number(self, corner: Corner) -> int:
        """The number of a corner."""
        if corner not in self._numbers:
            self._numbers[corner] = len(self.vertices)
            self.vertices.append(corner)
        return self._numbers[corner]


def extrude(part: shapely.Polygon, floor: int, roof: int, corners: Corners) -> tuple[list[Any], list[int]]:
    """Raise a polygon.

    Args:
        part: Of whole numbers, its rings apart from each other, as `footprints` gives it.
        floor: Its height, a whole number of steps.
        roof: The height of the roof, above the floor.
        corners: Takes the block's corners.

    Returns:
        surfaces: The shell: surfaces of rings of numbers of corners, counterclockwise from outside.
        kinds: 0 for the floor, 1 for the roof, 2 for a wall; one for each surface.
    """
    rings = open_rings(part)
    surfaces = [[corners.ring(ring[::-1], floor) for ring in rings], [corners.ring(ring, roof) for ring in rings]]
    for ring in rings:
        for (ax, ay), (bx, by) in pairwise([*ring, ring[0]]):
            wall = [(ax, ay, floor), (bx, by, floor), (bx, by, roof), (ax, ay, roof)]
            surfaces.append([[corners.number(corner) for corner in wall]])
    return surfaces, [0, 1] + [2] * (len(surfaces) - 2)


def open_rings(part: shapely.Polygon) -> list[list[tuple[int, int]]]:
    """Give the rings, not closed: the outer one counterclockwise, the holes clockwise."""
    part = shapely.orient_polygons(part)
    return [[(int(x), int(y)) for x, y in ring.coords[:-1]] for ring in (part.exterior, *part.interiors)]


def footprints(shape: shapely.Polygon | shapely.MultiPolygon) -> list[shapely.Polygon]:
    """Give the polygons of a shape of whole numbers so that no two rings of one touch."""
    parts = []
    for part in shapely.get_parts(shape):
        rings = (part.exterior, *part.interiors)
        points = [one.intersection(two) for one, two in combinations(rings, 2) if one.intersects(two)]
        if points:
            gaps = [
                shapely.box(x - OPENING, y - OPENING, x + OPENING, y + OPENING)
                for x, y in shapely.get_coordinates(points)
            ]
            parts += footprints(snap_to_grid(shapely.difference(part, shapely.union_all(gaps), grid_size=1), 1))
        elif not part.is_empty:
            parts.append(part)
    return parts

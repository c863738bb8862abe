"""Extrude footprints to blocks: closed solids of floor, roof and walls, all facing outwards."""

from itertools import combinations, pairwise
from typing import Any, TypeAlias

import shapely

from eaves.vector.formats.common import snap_to_grid

OPENING = 10
"""Half the width, in steps of the grid, of the gap cut where a hole touches another ring. Without it four walls would
meet in one edge, which no valid solid has."""

Corner: TypeAlias = tuple[int, int, int]


class Corners:
    """Number corners in order of appearance; `vertices` lists them."""

    def __init__(self) -> None:
        self.vertices: list[Corner] = []
        self._numbers: dict[Corner, int] = {}

    def ring(self, ring: list[tuple[int, int]], height: int) -> list[int]:
        """Return the numbers of a ring's corners at a height."""
        return [self.number((x, y, height)) for x, y in ring]

    def number(self, corner: Corner) -> int:
        """Return the number of a corner, adding it if it is new."""
        if corner not in self._numbers:
            self._numbers[corner] = len(self.vertices)
            self.vertices.append(corner)
        return self._numbers[corner]


def extrude(part: shapely.Polygon, floor: int, roof: int, corners: Corners) -> tuple[list[Any], list[int]]:
    """Extrude a polygon to a block.

    Args:
        part: Polygon with integer coordinates whose rings do not touch, as returned by `footprints`.
        floor: Height of the floor, in integer steps.
        roof: Height of the roof, in integer steps, above the floor.
        corners: Numbering to which the block's corners are added.

    Returns:
        surfaces: Shell of the block: for each surface its rings of corner numbers, counterclockwise from outside.
        kinds: For each surface 0 (floor), 1 (roof) or 2 (wall).
    """
    rings = open_rings(part)
    surfaces = [[corners.ring(ring[::-1], floor) for ring in rings], [corners.ring(ring, roof) for ring in rings]]
    for ring in rings:
        for (ax, ay), (bx, by) in pairwise([*ring, ring[0]]):
            wall = [(ax, ay, floor), (bx, by, floor), (bx, by, roof), (ax, ay, roof)]
            surfaces.append([[corners.number(corner) for corner in wall]])
    return surfaces, [0, 1] + [2] * (len(surfaces) - 2)


def open_rings(part: shapely.Polygon) -> list[list[tuple[int, int]]]:
    """Return the rings without the repeated corner, the outer one counterclockwise and the holes clockwise."""
    part = shapely.orient_polygons(part)
    return [[(int(x), int(y)) for x, y in ring.coords[:-1]] for ring in (part.exterior, *part.interiors)]


def footprints(shape: shapely.Polygon | shapely.MultiPolygon) -> list[shapely.Polygon]:
    """Return the polygons of a shape with integer coordinates, with gaps where two rings of a polygon touch."""
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

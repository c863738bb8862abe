"""The contents of a town before it is drawn: surfaces, buildings, trees, boxes, and which ground is occupied."""

from dataclasses import dataclass, field

import cv2
import numpy as np

RESOLUTION_M = 0.5
"""Ground size of a pixel, m; the challenge's."""
MARGIN_PX = 64
"""Margin that is drawn around the scene and cropped, so that houses and shadows cross its border."""
SUBPIXEL_BITS = 4

WARM = np.array([1.0, 0.1, -1.0])
"""Direction in sRGB along which materials and light vary most."""

FREE, STREET, BUILT, PAVED, WATER = range(5)
GRASS, SOIL, FIELD, ASPHALT, CONCRETE, POOL, GRAVEL = range(7)


@dataclass(frozen=True)
class Wing:
    """A rectangular part of a building with a roof of its own.

    Attributes:
        x, y: Centre, metres from the scene's centre, y to the south.
        half_length, half_width: Half extents along and across the ridge, m.
        angle: Direction of the ridge, radians.
        eave_m: Height of the eaves above the building's base.
        pitch: Rise of the roof per metre.
        roof: "gable", "hip", "flat" or "mansard".
    """

    x: float
    y: float
    half_length: float
    half_width: float
    angle: float
    eave_m: float
    pitch: float
    roof: str


@dataclass(frozen=True)
class Building:
    """A building instance: one or more wings that share an id.

    Attributes:
        wings: The parts, overlapping or touching.
        colour: (3,) sRGB of the roof, 0..255.
        wall: (3,) sRGB of the walls, 0..255.
        status: "certain", "uncertain" (labelled with a negative id) or "unlabelled" (too small to be labelled).
    """

    wings: tuple[Wing, ...]
    colour: np.ndarray
    wall: np.ndarray
    status: str = "certain"


@dataclass(frozen=True)
class Paint:
    """A polygon of one ground material: `outline` (N, 2) in metres, `colour` (3,) in sRGB, 0..255."""

    outline: np.ndarray
    material: int
    colour: np.ndarray


@dataclass(frozen=True)
class Tree:
    """A tree crown: centre, radius and height in metres, colour (3,) in sRGB, 0..255."""

    x: float
    y: float
    radius: float
    height: float
    colour: np.ndarray
    conifer: bool


@dataclass(frozen=True)
class Box:
    """A small raised object without a label, such as a car or a fence: `outline` (N, 2) and `height` in metres."""

    outline: np.ndarray
    height: float
    colour: np.ndarray


def to_px(points_m: np.ndarray, side: int) -> np.ndarray:
    """Convert metres from the centre to pixel coordinates (x, y), with pixel centres at integers."""
    return np.asarray(points_m, float) / RESOLUTION_M + (side - 1) / 2


def to_fixed_point(points_m: np.ndarray, side: int) -> np.ndarray:
    """Convert metres to the fixed-point pixel coordinates that cv2 draws with subpixel precision."""
    return np.round(to_px(points_m, side) * (1 << SUBPIXEL_BITS)).astype(np.int32)


def rectangle(x: float, y: float, half_length: float, half_width: float, angle: float) -> np.ndarray:
    """Return the corners (4, 2) of a rotated rectangle, in the unit of its arguments."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [half_length, half_width]
    c, s = np.cos(angle), np.sin(angle)
    return corners @ np.array([[c, s], [-s, c]]) + [x, y]


@dataclass
class Plan:
    """A town as lists of objects, with a raster of occupied ground that prevents overlaps.

    Attributes:
        side: Side of the drawn square with its margin, px.
        occupancy: (side, side) uint8, one of FREE, STREET, BUILT, PAVED, WATER.
        labelled: Number of labelled buildings so far.
        in_rows: Number of buildings so far that touch another.
    """

    side: int
    occupancy: np.ndarray = field(init=False)
    paints: list[Paint] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    labelled: int = 0
    in_rows: int = 0

    def __post_init__(self) -> None:
        """Start with all ground free."""
        self.occupancy = np.zeros((self.side, self.side), np.uint8)

    def paint(self, outline: np.ndarray, material: int, colour: np.ndarray, occupy: int | None = None) -> None:
        """Add a surface, and mark its ground as `occupy` unless that is None."""
        self.paints.append(Paint(outline, material, colour))
        if occupy is not None:
            cv2.fillPoly(self.occupancy, [to_fixed_point(outline, self.side)], occupy, shift=SUBPIXEL_BITS)

    def is_free(self, outline: np.ndarray) -> bool:
        """Return whether a polygon lies on free ground, at least partly inside the drawn square."""
        points = to_px(outline, self.side)
        low = np.clip(np.floor(points.min(0)).astype(int), 0, self.side)
        high = np.clip(np.ceil(points.max(0)).astype(int) + 1, 0, self.side)
        if (high - low < 2).any():
            return False
        mask = np.zeros((high - low)[::-1], np.uint8)
        local = np.round((points - low) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(mask, [local], 1, shift=SUBPIXEL_BITS)
        ground = self.occupancy[low[1] : high[1], low[0] : high[0]][mask > 0]
        return bool((ground == FREE).all())

    def build(self, group: list[Building], clearance_m: float) -> bool:
        """Add a group of buildings if there is free ground for all of them, with a clearance around each.

        Returns:
            Whether they were added.
        """
        for building in group:
            for wing in building.wings:
                if not self.is_free(wing_outline(wing, clearance_m)):
                    return False
        self.labelled += sum(building.status != "unlabelled" for building in group)
        self.in_rows += len(group) if len(group) > 1 else 0
        for building in group:
            self.buildings.append(building)
            for wing in building.wings:
                cv2.fillPoly(
                    self.occupancy, [to_fixed_point(wing_outline(wing, 0.3), self.side)], BUILT, shift=SUBPIXEL_BITS
                )
        return True

    def occupancy_at(self, x: float, y: float) -> int:
        """Return how the ground at a point is occupied; BUILT outside the drawn square."""
        column, row = np.round(to_px(np.array([x, y]), self.side)).astype(int)
        if 0 <= column < self.side and 0 <= row < self.side:
            return int(self.occupancy[row, column])
        return BUILT


def wing_outline(wing: Wing, grow_m: float = 0.0) -> np.ndarray:
    """Return a wing's corners (4, 2) in metres, grown on all sides."""
    return rectangle(wing.x, wing.y, wing.half_length + grow_m, wing.half_width + grow_m, wing.angle)


def vary(rng: np.random.Generator, colour: tuple[int, int, int] | np.ndarray, light: float, tint: float) -> np.ndarray:
    """Vary a colour, (3,) sRGB 0..255, in brightness (relative) and warmth (absolute), with little green or purple."""
    base = np.asarray(colour, float) * (1 + light * rng.standard_normal())
    shift = rng.standard_normal() * WARM + 0.3 * rng.standard_normal(3)
    return np.clip(base + tint * shift, 8, 250).astype(np.float32)

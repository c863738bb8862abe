"""Lay out streets and the blocks between them: a warped grid whose cross streets need not meet."""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from towns.plan import ASPHALT, CONCRETE, RESOLUTION_M, STREET, SUBPIXEL_BITS, Plan, to_fixed_point, vary
from towns.presets import Town

STEP_M = 6.0
"""Spacing of points along a drawn street."""
AVENUE_SHARE = 0.25
"""Share of long streets that are main roads with a centre line."""


@dataclass(frozen=True)
class Warp:
    """A smooth warp from grid coordinates (a across, b along the long streets) to metres.

    Attributes:
        angle: Rotation of the whole grid, radians.
        waves: (N, 5) wave vector (2, radians per metre), phase, and displacement (2, metres).
    """

    angle: float
    waves: np.ndarray

    def __call__(self, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
        """Map grid coordinates to metres: (..., 2) float64."""
        grid = np.stack(np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float)), -1)
        phase = grid @ self.waves[:, :2].T + self.waves[:, 2]
        bent = grid + np.sin(phase) @ self.waves[:, 3:]
        c, s = np.cos(self.angle), np.sin(self.angle)
        return bent @ np.array([[c, s], [-s, c]])

    def directions(self, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the local derivatives with respect to a and b, metres per grid metre: two (2,) arrays."""
        points = self(np.array([a + 0.5, a - 0.5, a, a]), np.array([b, b, b + 0.5, b - 0.5]))
        return points[0] - points[1], points[2] - points[3]

    def area(self, a: tuple[float, float], b: tuple[float, float]) -> np.ndarray:
        """Return the outline (N, 2) of a grid rectangle, in metres."""
        ts = np.linspace(0, 1, 9)
        edge_a = np.concatenate([a[0] + 0 * ts, a[0] + (a[1] - a[0]) * ts, a[1] + 0 * ts, a[1] + (a[0] - a[1]) * ts])
        edge_b = np.concatenate([b[0] + (b[1] - b[0]) * ts, b[1] + 0 * ts, b[1] + (b[0] - b[1]) * ts, b[0] + 0 * ts])
        return self(edge_a, edge_b)


@dataclass(frozen=True)
class Block:
    """The ground between streets, in grid coordinates, without streets and pavements."""

    a: tuple[float, float]
    b: tuple[float, float]


@dataclass(frozen=True)
class Street:
    """A street: its centre line (N, 2) and width in metres, and whether it is a main road."""

    line: np.ndarray
    width: float
    main: bool


def make_warp(rng: np.random.Generator, town: Town) -> Warp:
    """Draw the random bends of a town: long ones, and short ones that make lanes wind."""
    waves = []
    for amplitude, length, count in ((town.bend_m, town.bend_length_m, 3), (town.wiggle_m, town.wiggle_length_m, 4)):
        for _ in range(count):
            heading, phase, aim = rng.uniform(0, 2 * np.pi, 3)
            number = 2 * np.pi / (length * rng.uniform(0.8, 1.4))
            size = amplitude * rng.uniform(0.4, 1.0) / np.sqrt(count)
            waves.append(
                [number * np.cos(heading), number * np.sin(heading), phase, size * np.cos(aim), size * np.sin(aim)]
            )
    return Warp(rng.uniform(-np.pi, np.pi), np.array(waves))


def cut_positions(rng: np.random.Generator, reach: float, spacing: tuple[float, float]) -> list[float]:
    """Return positions at random spacings that cover -reach to reach, metres."""
    places = [-reach - rng.uniform(0, spacing[1])]
    while places[-1] < reach:
        places.append(places[-1] + rng.uniform(*spacing))
    return places


def make_streets(rng: np.random.Generator, town: Town, warp: Warp, side: int) -> tuple[list[Street], list[Block]]:
    """Lay out long streets and, in each strip between two of them, cross streets; return streets and blocks."""
    reach = side * RESOLUTION_M / 2 * 1.42 + town.bend_m + 10
    streets, blocks = [], []
    lines = cut_positions(rng, reach, town.block_depth_m)
    ts = np.arange(-reach - 200, reach + 200, STEP_M)
    widths = []
    for a in lines:
        main = rng.uniform() < AVENUE_SHARE
        width = town.street_width_m[1] * rng.uniform(1.05, 1.25) if main else rng.uniform(*town.street_width_m)
        widths.append(width)
        streets.append(Street(warp(a, ts), width, main))
    across: list[float] = []
    for low, high, low_width, high_width in zip(lines, lines[1:], widths, widths[1:], strict=False):
        if not across or rng.uniform() < 0.65:
            across = cut_positions(rng, reach, town.block_length_m)
        width = rng.uniform(*town.street_width_m)
        for b in across:
            steps = np.linspace(low, high, max(int((high - low) / STEP_M), 4))
            streets.append(Street(warp(steps, b), width, False))
        edge_a = (low + low_width / 2 + town.pavement_m, high - high_width / 2 - town.pavement_m)
        inset = width / 2 + town.pavement_m
        blocks += [Block(edge_a, (b0 + inset, b1 - inset)) for b0, b1 in itertools.pairwise(across)]
    half = side * RESOLUTION_M / 2
    near = []
    for block in blocks:
        outline = warp.area(block.a, block.b)
        if (outline.max(0) > -half).all() and (outline.min(0) < half).all():
            near.append(block)
    return streets, near


def mark_streets(plan: Plan, streets: list[Street], town: Town) -> None:
    """Mark streets and pavements as occupied."""
    for street in streets:
        thickness = round((street.width + 2 * town.pavement_m) / RESOLUTION_M)
        points = [to_fixed_point(street.line, plan.side)]
        cv2.polylines(plan.occupancy, points, False, STREET, thickness, shift=SUBPIXEL_BITS)


def draw_streets(
    rng: np.random.Generator, colour: np.ndarray, material: np.ndarray, streets: list[Street], town: Town
) -> None:
    """Draw pavements, kerbs, roadways and markings onto the ground.

    Args:
        rng: Random generator.
        colour: (side, side, 3) float32 sRGB, 0..255, modified in place.
        material: (side, side) uint8, numbered as in plan.py, modified in place.
        streets: The streets to draw.
        town: Settings for widths and colours.
    """
    side = colour.shape[0]

    def stroke(line: np.ndarray, width_m: float, tone: np.ndarray, stuff: int) -> None:
        points, thickness = [to_fixed_point(line, side)], max(round(width_m / RESOLUTION_M), 1)
        cv2.polylines(colour, points, False, tone.tolist(), thickness, shift=SUBPIXEL_BITS)
        cv2.polylines(material, points, False, stuff, thickness, shift=SUBPIXEL_BITS)

    verge = vary(rng, town.lawn, 0.05, 3)
    concrete = vary(rng, (172, 167, 158), 0.05, 3)
    for street in streets:
        if town.pavement_m > 2:
            stroke(street.line, street.width + 2 * town.pavement_m, concrete, CONCRETE)
            stroke(street.line, street.width + 2 * town.pavement_m - 3.4, verge, 0)
        else:
            stroke(street.line, street.width + 2 * town.pavement_m, vary(rng, concrete, 0.05, 2), CONCRETE)
    for street in streets:
        stroke(street.line, street.width + 1.0, 0.5 * (concrete + np.array(town.asphalt, np.float32)), CONCRETE)
    for street in sorted(streets, key=lambda street: street.main):
        stroke(street.line, street.width, vary(rng, town.asphalt, 0.05, 2), ASPHALT)
    white, yellow = np.array([212, 210, 202], np.float32), np.array([196, 172, 104], np.float32)
    for street in streets:
        if street.main:
            mark = yellow if town.pavement_m > 2 else white
            for start in range(0, len(street.line) - 2, 2):
                stroke(
                    street.line[start : start + 2], 0.5, 0.5 * (mark + colour_at(colour, street.line[start])), ASPHALT
                )


def colour_at(colour: np.ndarray, point_m: np.ndarray) -> np.ndarray:
    """Return the colour (3,) at a point in metres, from the nearest pixel inside the raster."""
    side = colour.shape[0]
    column, row = np.clip(np.round(point_m / RESOLUTION_M + (side - 1) / 2).astype(int), 0, side - 1)
    return colour[row, column]

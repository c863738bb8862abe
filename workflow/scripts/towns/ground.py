"""Draw the bare ground: its elevation, its surfaces and their texture."""

import cv2
import numpy as np

from towns.layout import Street, draw_streets
from towns.noise import fractal, smooth
from towns.plan import FIELD, GRASS, RESOLUTION_M, SUBPIXEL_BITS, Plan, rectangle, to_fixed_point, vary
from towns.presets import Town

TEXTURE = np.array(
    [  # amplitude in sRGB (0..255) at wavelengths of 1 px, 2.5 m, 9 m, and by dryness; a row per material in plan.py
        (6.0, 5.5, 6.0, 9.0),
        (5.0, 6.0, 7.0, 4.0),
        (4.0, 4.0, 5.0, 6.0),
        (3.0, 2.0, 4.0, 0.5),
        (3.5, 2.5, 5.0, 1.0),
        (1.5, 1.0, 2.5, 0.0),
        (6.0, 4.0, 5.0, 1.0),
    ],
    np.float32,
)
DRYNESS = np.array([1.0, 0.45, -0.1], np.float32)
"""How dry grass differs in red, green and blue."""


def make_terrain(rng: np.random.Generator, town: Town, side: int) -> np.ndarray:
    """Return hilly terrain on a slope: (side, side) float32, elevation in metres."""
    axis = (np.arange(side, dtype=np.float32) - side / 2) * RESOLUTION_M
    heading, slope = rng.uniform(0, 2 * np.pi), rng.uniform(*town.slope)
    plane = slope * (np.cos(heading) * axis[None, :] + np.sin(heading) * axis[:, None])
    hills = fractal(rng, side, 420, 3, 0.4) * town.relief_m
    return (rng.uniform(40, 260) + plane + hills + 0.06 * smooth(rng, side, 14)).astype(np.float32)


def draw_ground(
    rng: np.random.Generator, town: Town, plan: Plan, streets: list[Street]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw streets, plots and all other surfaces with their texture.

    Returns:
        (side, side, 3) float32 unlit sRGB, 0..255, and (side, side) uint8 materials, numbered as in plan.py.
    """
    side = plan.side
    blend = np.clip(0.4 + 0.35 * fractal(rng, side, 160, 3), 0, 1)[..., None]
    colour = (np.array(town.lawn, np.float32) * (1 - blend) + np.array(town.dry, np.float32) * blend).astype(np.float32)
    material = np.full((side, side), GRASS, np.uint8)
    draw_streets(rng, colour, material, streets, town)
    patch_streets(rng, colour, streets)
    for paint in plan.paints:
        points = [to_fixed_point(paint.outline, side)]
        cv2.fillPoly(colour, points, paint.colour.tolist(), shift=SUBPIXEL_BITS)
        cv2.fillPoly(material, points, paint.material, shift=SUBPIXEL_BITS)
    worn = material == GRASS
    bare = np.clip(fractal(rng, side, 40, 3) - 1.55, 0, 0.6)[..., None] * 1.4 * worn[..., None]
    colour += bare * (vary(rng, (156, 134, 104), 0.05, 3) - colour)
    amount = TEXTURE[material]
    noises = (smooth(rng, side, 1), fractal(rng, side, 5, 2), fractal(rng, side, 18, 2))
    light = sum(noise * amount[..., i] for i, noise in enumerate(noises))
    furrows = np.sin(rng.uniform(1.2, 1.6) * furrow_axis(rng, side)) * (material == FIELD) * 6
    colour += (light + furrows)[..., None]
    colour += (np.clip(fractal(rng, side, 26, 3), -0.7, 1.6) * amount[..., 3])[..., None] * DRYNESS
    return np.clip(colour, 5, 250), material


def furrow_axis(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return the coordinate along a random direction, metres: (side, side)."""
    axis = np.arange(side) * RESOLUTION_M
    heading = rng.uniform(0, np.pi)
    return np.cos(heading) * axis[None, :] + np.sin(heading) * axis[:, None]


def patch_streets(rng: np.random.Generator, colour: np.ndarray, streets: list[Street]) -> None:
    """Draw repair patches on the roads, into colour (side, side, 3) in place."""
    side = colour.shape[0]
    for street in streets:
        steps = np.diff(street.line, axis=0)
        for start, step in zip(street.line, steps, strict=False):
            if rng.uniform() < 0.12:
                angle = float(np.arctan2(step[1], step[0]))
                normal = np.array([-np.sin(angle), np.cos(angle)])
                x, y = start + normal * rng.uniform(-0.35, 0.35) * street.width
                outline = rectangle(x, y, rng.uniform(1, 6), rng.uniform(0.5, street.width * 0.15), angle)
                row, column = np.round(np.array([y, x]) / RESOLUTION_M + (side - 1) / 2).astype(int)
                if 0 <= row < side and 0 <= column < side:
                    tone = colour[row, column] * rng.uniform(0.85, 1.1)
                    cv2.fillPoly(colour, [to_fixed_point(outline, side)], tone.tolist(), shift=SUBPIXEL_BITS)

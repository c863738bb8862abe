"""Draw buildings: roof heights and slopes, and the texture of shingles, gravel and sheet metal."""

import numpy as np

from towns.canvas import ROOF, Canvas
from towns.plan import RESOLUTION_M, Building, Wing, to_px, wing_outline

PARAPET_M = 0.25
FURNITURE_PER_M2 = 1 / 130
"""Maximum number of boxes and skylights per square metre of a flat roof."""
COURSE_M = 0.9
"""Spacing at which courses of tiles or shingles vary in tone."""


def local_coordinates(wing: Wing, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert coordinates x and y, any shape, to metres along and across a wing's ridge from its centre."""
    c, s = np.cos(wing.angle), np.sin(wing.angle)
    return c * (x - wing.x) + s * (y - wing.y), -s * (x - wing.x) + c * (y - wing.y)


def roof_height(wing: Wing, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the height of the roof above the building's base, extrapolated outside the wing.

    Args:
        wing: The wing.
        u: Metres along the ridge from the centre.
        v: Metres across the ridge from the centre.

    Returns:
        Heights in metres, with the shape of u.
    """
    across, along = wing.half_width - np.abs(v), wing.half_length - np.abs(u)
    if wing.roof == "gable":
        return wing.eave_m + across * wing.pitch
    if wing.roof == "hip":
        return wing.eave_m + np.minimum(across, along) * wing.pitch
    if wing.roof == "mansard":
        edge = np.minimum(across, along)
        return wing.eave_m + np.minimum(edge * 1.6, 2.4 + edge * 0.2)
    return wing.eave_m + PARAPET_M * (np.minimum(across, along) < 0.6)


def draw_building(rng: np.random.Generator, canvas: Canvas, building: Building, number: int) -> None:
    """Draw one building, including objects on its roof.

    Args:
        rng: Random generator.
        canvas: Canvas to draw on.
        building: The building to draw.
        number: Its id; 0 leaves it unlabelled.
    """
    corners = to_px(np.concatenate([wing_outline(wing) for wing in building.wings]), canvas.side)
    window = canvas.window(corners.min(0) - 1, corners.max(0) + 1)
    if window is None:
        return
    x, y = canvas.metres(window)
    top = np.full(x.shape, -np.inf)
    slope_x, slope_y, tone = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
    for wing in building.wings:
        u, v = local_coordinates(wing, x, y)
        height = roof_height(wing, u, v)
        wins = (np.abs(u) <= wing.half_length) & (np.abs(v) <= wing.half_width) & (height > top)
        smooth_height = height if wing.roof != "flat" else np.full(x.shape, wing.eave_m)
        grad_y, grad_x = np.gradient(smooth_height, RESOLUTION_M) if min(x.shape) > 1 else (0 * x, 0 * x)
        top[wins], slope_x[wins], slope_y[wins] = height[wins], grad_x[wins], grad_y[wins]
        tone[wins] = roof_tone(rng, wing, u, v)[wins]
    inside = np.isfinite(top)
    if not inside.any():
        return
    base = float(np.mean(canvas.ground_m[window][inside]))
    stain = canvas.stain[window] * 0.05 + canvas.grain[window] * 0.035
    colour = building.colour * (1 + tone + stain)[..., None]
    flat = all(wing.roof == "flat" or wing.pitch < 0.1 for wing in building.wings)
    if flat:
        weather_flat_roof(rng, building, x, y, colour)
    canvas.under[window][inside] = building.wall
    canvas.colour[window][inside] = colour[inside]
    canvas.surface_m[window][inside] = (base + top)[inside]
    canvas.slope_x[window][inside], canvas.slope_y[window][inside] = slope_x[inside], slope_y[inside]
    canvas.kind[window][inside] = ROOF
    canvas.truth[window][inside] = number
    if flat:
        furnish_flat_roof(rng, canvas, building, base)
    else:
        furnish_pitched_roof(rng, canvas, building, base)


def roof_tone(rng: np.random.Generator, wing: Wing, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the relative change in brightness by courses of tiles, seams of sheet metal and the ridge, shaped as u."""
    if wing.roof == "flat" or wing.pitch < 0.1:
        seams = rng.uniform(-0.05, 0.05, 512)[((u + 200) / rng.uniform(2.5, 6)).astype(int) % 512]
        edge = np.minimum(wing.half_width - np.abs(v), wing.half_length - np.abs(u)) < 0.75
        return seams * rng.uniform(0.3, 1.2) + edge * rng.uniform(-0.1, 0.22)
    courses = rng.uniform(-0.07, 0.07, 256)[((v + 100) / COURSE_M).astype(int) % 256]
    ridge = (np.abs(v) < 0.4) * rng.uniform(-0.04, 0.1)
    side = np.where(v > 0, 1, -1) * rng.uniform(-0.03, 0.03)
    return courses + ridge + side


def weather_flat_roof(
    rng: np.random.Generator, building: Building, x: np.ndarray, y: np.ndarray, colour: np.ndarray
) -> None:
    """Draw patches of older and newer membrane on a flat roof, into colour (H, W, 3) in place."""
    for wing in building.wings:
        u, v = local_coordinates(wing, x, y)
        for _ in range(rng.integers(0, 4)):
            u0, v0 = rng.uniform(-1, 1) * wing.half_length, rng.uniform(-1, 1) * wing.half_width
            half_u, half_v = rng.uniform(0.15, 0.6) * wing.half_length, rng.uniform(0.2, 0.7) * wing.half_width
            colour[(np.abs(u - u0) < half_u) & (np.abs(v - v0) < half_v)] *= rng.uniform(0.86, 1.1)


def furnish_flat_roof(rng: np.random.Generator, canvas: Canvas, building: Building, base: float) -> None:
    """Draw air-conditioning boxes and skylights on a flat roof, single and in rows."""
    wing = max(building.wings, key=lambda wing: wing.half_length * wing.half_width)
    if wing.half_width < 3:
        return
    most = 4 * wing.half_length * wing.half_width * FURNITURE_PER_M2
    for _ in range(int(rng.uniform(0, most)) + 1):
        u, v = rng.uniform(-0.85, 0.85) * wing.half_length, rng.uniform(-0.8, 0.8) * wing.half_width
        half = rng.uniform(0.6, 2.2, 2) if rng.uniform() < 0.8 else rng.uniform(1.5, 4.5, 2)
        grey = rng.uniform(110, 225) + np.array([0, 1, 2])
        rise = rng.uniform(0.8, 2.4)
        canvas.add_box(wing, (u, v), half, base + wing.eave_m, rise, grey)
    if rng.uniform() < 0.45:
        pitch, bright = rng.uniform(4, 8), rng.uniform(150, 235)
        for u in np.arange(-wing.half_length + 4, wing.half_length - 4, pitch):
            for v in np.arange(-wing.half_width + 5, wing.half_width - 4, pitch * 2):
                canvas.add_box(
                    wing, (u, v), np.array([1.1, 0.7]), base + wing.eave_m, 0.3, bright + np.array([0, 3, 6])
                )


def furnish_pitched_roof(rng: np.random.Generator, canvas: Canvas, building: Building, base: float) -> None:
    """Draw a chimney, and sometimes solar panels, on a pitched roof."""
    wing = building.wings[0]
    if rng.uniform() < 0.6:
        u = rng.uniform(-0.7, 0.7) * wing.half_length
        v = rng.uniform(-0.4, 0.4) * wing.half_width
        height = base + wing.eave_m + (wing.half_width - abs(v)) * wing.pitch
        canvas.add_box(wing, (u, v), np.array([0.5, 0.5]), height, 0.8, np.array([130, 105, 92]))
    if rng.uniform() < 0.12 and wing.half_width > 3:
        half = np.array([wing.half_length * 0.4, wing.half_width * 0.3])
        side = rng.choice([-0.5, 0.5]) * wing.half_width
        canvas.tint(wing, (rng.uniform(-0.4, 0.4) * wing.half_length, side), half, np.array([52, 58, 74]))

"""Render the image: sunlight, cast shadows, relief displacement, haze, blur and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from towns.canvas import Canvas
from towns.noise import smooth
from towns.plan import WARM
from towns.presets import Town

SHADOW_REACH_DOUBLINGS = 7
"""Shadows reach at most 2**7 px."""
LEAN_STEP_PX = 0.5
"""Step in which the relief displacement is quantized."""
RAISED_M = 1.0
"""Lower objects are not displaced."""
EDGE_SIGMA_PX = 0.55
"""Blur that hides the stair steps of edges at whole pixels."""
BRIGHTEST = 1.35
"""Brightness limit of a surface facing the sun, relative to flat ground; stands for the sensor's saturation."""


@dataclass(frozen=True)
class Light:
    """Sun and camera of one scene.

    Attributes:
        sun: (3,) unit vector to the sun: east, south, up.
        lean: (2,) relief displacement, px per metre of height: east, south.
    """

    sun: np.ndarray
    lean: np.ndarray


def make_light(rng: np.random.Generator, town: Town) -> Light:
    """Draw a random sun in the southern half of the sky and a camera slightly off nadir."""
    azimuth = np.radians(rng.uniform(105, 255))
    elevation = np.radians(rng.uniform(*town.sun_elevation_deg))
    flat = np.cos(elevation)
    sun = np.array([flat * np.sin(azimuth), -flat * np.cos(azimuth), np.sin(elevation)])
    aim, rate = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.13)
    return Light(sun, rate * np.array([np.cos(aim), np.sin(aim)]))


def shift(image: np.ndarray, dx: float, dy: float, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """Shift an image by (dx, dy) px to the east and south, with bilinear interpolation."""
    matrix = np.array([[1, 0, dx], [0, 1, dy]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=border)


def cast_shadows(surface_m: np.ndarray, sun: np.ndarray, resolution_m: float) -> np.ndarray:
    """Compute the shadows that a surface casts on itself.

    How it works: a point is in shadow where the surface towards the sun rises above the ray to the sun. The largest
    such excess within 2n px is the maximum of that within n px and of the same shifted by n px and lowered by the
    ray's rise over n px, so seven doublings cover 128 px.

    Args:
        surface_m: (H, W) float32, surface elevation in metres.
        sun: (3,) unit vector to the sun: east, south, up.
        resolution_m: Ground size of a pixel, m.

    Returns:
        (H, W) float32, 0 lit to 1 in full shadow.
    """
    flat = np.hypot(sun[0], sun[1])
    step = sun[:2] / flat
    fall = np.float32(resolution_m * sun[2] / flat)
    ray = shift(surface_m, -step[0], -step[1]) - fall
    for doubling in range(SHADOW_REACH_DOUBLINGS):
        n = 2**doubling
        ray = np.maximum(ray, shift(ray, -step[0] * n, -step[1] * n) - fall * n)
    depth = np.clip((ray - surface_m - 0.1) / 0.7, 0, 1)
    return cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 0.6)


def shade(canvas: Canvas, light: Light, shadow: np.ndarray, resolution_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Light the scene: direct sun depending on the slope of each surface, and bluish sky light.

    Returns:
        Two (side, side, 3) float32 images, sRGB on the scale 0..255: the top surface, and what shows where it is
        displaced. Values may exceed 255.
    """
    sun = light.sun
    length = np.sqrt(1 + canvas.slope_x**2 + canvas.slope_y**2)
    facing = (sun[2] - canvas.slope_x * sun[0] - canvas.slope_y * sun[1]) / length / sun[2]
    near = cv2.GaussianBlur(canvas.surface_m, (0, 0), 5 / 2 / resolution_m / 2)
    open_sky = 1 - 0.22 * np.clip((near - canvas.surface_m) / 4, 0, 1)
    sky = np.array([0.33, 0.36, 0.42], np.float32)
    direct = np.clip(facing, 0, BRIGHTEST) * (1 - 0.93 * shadow)
    top = canvas.colour * (sky * open_sky[..., None] + (1 - sky) * direct[..., None])
    below = canvas.under * (sky + (1 - sky) * (1 - shadow)[..., None] * 0.8)
    return top.astype(np.float32), below.astype(np.float32)


def displace_by_height(top: np.ndarray, below: np.ndarray, height_m: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Apply relief displacement: shift objects by their height, higher over lower, and reveal walls behind them.

    Args:
        top: (H, W, 3) float32, the top surface, as `shade` returns it.
        below: (H, W, 3) float32, likewise of what shows where the top surface has moved away.
        height_m: (H, W) float32, metres above ground.
        rate: (2,) displacement in px per metre of height, east and south.

    Returns:
        (H, W, 3) float32.
    """
    speed = float(np.hypot(*rate))
    raised = height_m > RAISED_M
    level = np.where(raised, 1 + np.round(np.clip(height_m, 0, 40) * speed / LEAN_STEP_PX), 0).astype(np.int32)
    seen = np.where(raised[..., None], below, top)
    for step in range(1, int(level.max()) + 1):
        moved = rate / speed * (step - 1) * LEAN_STEP_PX
        part = ((level == step) | (level == step + 1)).astype(np.float32)
        layer = cv2.GaussianBlur(np.dstack([top * part[..., None], part]), (3, 3), EDGE_SIGMA_PX)
        layer = shift(layer, moved[0], moved[1], cv2.BORDER_CONSTANT)
        seen = seen * (1 - layer[..., 3:]) + layer[..., :3]
    return seen


def photograph(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Simulate the camera: uneven light, haze, contrast, colour cast, blur and sensor noise.

    Args:
        rng: Random generator.
        image: (H, W, 3) float32, sRGB on the scale 0..255.

    Returns:
        (H, W, 3) uint8.
    """
    side = image.shape[0]
    image = image * (1 + 0.03 * smooth(rng, side, 300)[..., None])
    haze, veil = rng.uniform(0.02, 0.16), np.array([188, 194, 204], np.float32)
    image = image * (1 - haze) + veil * haze
    gain = rng.uniform(0.92, 1.08) * (1 + 0.03 * rng.standard_normal() * WARM + 0.006 * rng.standard_normal(3))
    image = (image - 110) * rng.uniform(0.9, 1.12) + 110
    image = cv2.GaussianBlur((image * gain).astype(np.float32), (0, 0), rng.uniform(0.58, 0.8))
    noise = rng.standard_normal(image.shape, dtype=np.float32) * 1.2 + smooth(rng, side, 1.6)[..., None] * 1.5
    return np.clip(np.round(image + rng.uniform(0.7, 1.3) * noise), 0, 255).astype(np.uint8)

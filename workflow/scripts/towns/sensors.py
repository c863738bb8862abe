"""Simulate height models from satellite stereo: blurred edges, noise, spikes, holes and an inexact ground."""

import cv2
import numpy as np

from towns.noise import fractal, smooth

NODATA = np.float32(-32767)
"""The challenge's nodata value."""
SPIKES_PER_HA = 1.2
"""False matches per hectare."""


def surface_model(
    rng: np.random.Generator, surface_m: np.ndarray, shadow: np.ndarray, water: np.ndarray, resolution_m: float
) -> np.ndarray:
    """Simulate a DSM from stereo matching.

    Args:
        rng: Random generator.
        surface_m: (H, W) float32, the true surface, metres.
        shadow: (H, W) float32, 0 lit to 1 in shadow, where matching is noisier.
        water: (H, W) bool, where matching often fails.
        resolution_m: Ground size of a pixel, m.

    Returns:
        (H, W) float32 metres in whole centimetres, NODATA in holes.
    """
    side = surface_m.shape[0]
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    wander = rng.uniform(0.5, 0.9)
    columns += fractal(rng, side, 9, 2) * np.float32(wander)
    rows += fractal(rng, side, 9, 2) * np.float32(wander)
    seen = cv2.remap(surface_m, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.9, 1.4))
    noise = 0.16 * fractal(rng, side, 4, 2) + 0.14 * fractal(rng, side, 30, 2)
    seen = seen + noise * (1 + 1.2 * shadow) * rng.uniform(0.7, 1.3) + spikes(rng, side, resolution_m)
    holes = smooth(rng, side, 10) + 1.1 * shadow + 1.6 * water > rng.uniform(2.7, 3.1)
    return round_and_mask(seen, holes)


def spikes(rng: np.random.Generator, side: int, resolution_m: float) -> np.ndarray:
    """Return small false peaks and pits: (side, side) float32, metres to add to the surface."""
    field = np.zeros((side, side), np.float32)
    count = rng.poisson(SPIKES_PER_HA * (side * resolution_m / 100) ** 2)
    for row, column in rng.integers(0, side, (count, 2)):
        cv2.circle(field, (int(column), int(row)), int(rng.integers(0, 3)), float(rng.normal(0, 6)), -1)
    return cv2.GaussianBlur(field, (0, 0), 0.8)


def ground_model(rng: np.random.Generator, ground_m: np.ndarray, roof_height_m: np.ndarray) -> np.ndarray:
    """Simulate a DTM filtered from the DSM, with smooth errors and a bulge under large buildings.

    Args:
        rng: Random generator.
        ground_m: (H, W) float32, the true ground, metres.
        roof_height_m: (H, W) float32, height of roofs above ground in metres, 0 elsewhere.

    Returns:
        (H, W) float32 metres in whole centimetres, NODATA in holes.
    """
    side = ground_m.shape[0]
    small = cv2.resize(roof_height_m, (max(side // 4, 1), max(side // 4, 1)), interpolation=cv2.INTER_AREA)
    swelling = cv2.resize(cv2.GaussianBlur(small, (0, 0), 7), (side, side), interpolation=cv2.INTER_LINEAR)
    seen = cv2.GaussianBlur(ground_m, (0, 0), 4) + np.float32(rng.uniform(0.06, 0.14)) * swelling
    seen += 0.3 * fractal(rng, side, 170, 2) + 0.04 * smooth(rng, side, 8)
    holes = smooth(rng, side, 24) > rng.uniform(2.8, 4.4)
    return round_and_mask(seen, holes)


def round_and_mask(height_m: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Round heights to centimetres and set holes to NODATA: (H, W) float32."""
    return np.where(holes, NODATA, np.round(height_m, 2)).astype(np.float32)

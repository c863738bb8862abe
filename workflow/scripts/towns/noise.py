"""Independent random generators by purpose, and smooth random fields."""

import zlib

import cv2
import numpy as np

CUBIC_GAIN = 1.17
"""Restores unit standard deviation after cubic interpolation of white noise (measured)."""


def generator(seed: int, town: str, size: int, purpose: str) -> np.random.Generator:
    """Return the random generator for one purpose in one scene, independent of all others.

    Args:
        seed: The scene's seed, at least 0.
        town: The town's name.
        size: The scene's side, px.
        purpose: What the random numbers are used for, such as "trees".
    """
    words = [seed, zlib.crc32(town.encode()), size, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def smooth(rng: np.random.Generator, side: int, wavelength_px: float) -> np.ndarray:
    """Draw a smooth random field of about unit standard deviation.

    Args:
        rng: Random generator.
        side: Side of the field, px.
        wavelength_px: Distance over which values become uncorrelated; below 1.5 the noise is white.

    Returns:
        (side, side) float32, mean about 0.
    """
    if wavelength_px < 1.5:
        return rng.standard_normal((side, side), dtype=np.float32)
    cells = int(np.ceil(side / wavelength_px)) + 3
    knots = rng.standard_normal((cells, cells), dtype=np.float32)
    phase = rng.uniform(0, 1, 2) * wavelength_px + wavelength_px
    scale = 1 / wavelength_px
    matrix = np.array([[scale, 0, phase[0] * scale], [0, scale, phase[1] * scale]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    field = cv2.warpAffine(knots, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return (field * CUBIC_GAIN).astype(np.float32)


def fractal(rng: np.random.Generator, side: int, wavelength_px: float, octaves: int, fall: float = 0.5) -> np.ndarray:
    """Draw fractal noise: a sum of smooth fields with halving wavelengths and decreasing weights.

    Args:
        rng: Random generator.
        side: Side of the field, px.
        wavelength_px: Wavelength of the first octave.
        octaves: Number of fields.
        fall: Weight of each octave relative to the previous one.

    Returns:
        (side, side) float32 of about unit standard deviation.
    """
    total = np.zeros((side, side), np.float32)
    weights = [fall**octave for octave in range(octaves)]
    for octave, weight in enumerate(weights):
        total += np.float32(weight) * smooth(rng, side, wavelength_px / 2**octave)
    return total / np.float32(np.sqrt(np.sum(np.square(weights))))

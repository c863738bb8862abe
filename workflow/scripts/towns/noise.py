"""Random numbers that depend on named things only, and smooth random fields."""

import zlib

import cv2
import numpy as np

CUBIC_GAIN = 1.17
"""Brings cubic interpolation of unit white noise back to about unit deviation (measured)."""


def generator(seed: int, town: str, size: int, purpose: str) -> np.random.Generator:
    """Make the generator of one purpose in one scene, independent of every other purpose.

    Args:
        seed: The scene's seed, not negative.
        town: The town's name.
        size: The scene's side, px.
        purpose: What the numbers are for, such as "trees".
    """
    words = [seed, zlib.crc32(town.encode()), size, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def smooth(rng: np.random.Generator, side: int, wavelength_px: float) -> np.ndarray:
    """Draw a smooth random field of about unit deviation.

    Args:
        rng: Source of the numbers.
        side: Side of the field, px.
        wavelength_px: Distance over which the field forgets itself; below 1.5 the noise is white.

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
    """Sum smooth fields of halving wavelength and falling weight.

    Args:
        rng: Source of the numbers.
        side: Side of the field, px.
        wavelength_px: Wavelength of the first octave.
        octaves: How many fields to sum.
        fall: Weight of each octave relative to the one before.

    Returns:
        (side, side) float32 of about unit deviation.
    """
    total = np.zeros((side, side), np.float32)
    weights = [fall**octave for octave in range(octaves)]
    for octave, weight in enumerate(weights):
        total += np.float32(weight) * smooth(rng, side, wavelength_px / 2**octave)
    return total / np.float32(np.sqrt(np.sum(np.square(weights))))

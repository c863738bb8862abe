"""Prepared tiles as memory maps, and crops cut from them at random or in a grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from eaves.core.errors import InputError


@dataclass(frozen=True)
class Tile:
    """A prepared training tile.

    image: (H, W, 4) int16, mapped into memory: R, G, B, height in cm.
    truth: (H, W) int32, mapped into memory: instance ids, negative where uncertain.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray


def open_tile(folder: Path, name: str) -> Tile:
    """Maps a prepared tile and its truth into memory.

    Raises:
        InputError: a file is missing or not as `prepare` writes it.
    """
    image_file, truth_file = folder / f"{name}_image.tif", folder / f"{name}_truth.tif"
    try:
        image = tifffile.memmap(image_file, mode="r")
        truth = tifffile.memmap(truth_file, mode="r")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{image_file}: cannot be mapped into memory ({error}); delete it if it is there, and run `snakemake tiles`"
        ) from error
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.int16:
        raise InputError(
            f"{image_file}: {image.shape} {image.dtype}, expected (H, W, 4) int16; delete it and run `snakemake tiles`"
        )
    return Tile(name, image, truth)


def cut(tile: Tile, top: int, left: int, crop_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Copies a square out of a tile; beyond the tile's edge, the tile mirrored.

    Args:
        tile: where from.
        top: of the square, may be negative.
        left: of the square, may be negative.
        crop_px: its edge.

    Returns:
        (crop_px, crop_px, 4) int16 and (crop_px, crop_px) int8: 1 building, 0 ground, -1 uncertain.
    """
    height, width = tile.truth.shape
    if 0 <= top <= height - crop_px and 0 <= left <= width - crop_px:
        window = np.s_[top : top + crop_px, left : left + crop_px]
        return np.array(tile.image[window]), _signs(tile.truth[window])
    rows, columns = mirrored(top, crop_px, height), mirrored(left, crop_px, width)
    inside = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    folded = np.ix_(rows - rows.min(), columns - columns.min())
    return tile.image[inside][folded], _signs(tile.truth[inside][folded])


def _signs(truth: np.ndarray) -> np.ndarray:
    return np.sign(truth).astype(np.int8)


def mirrored(start: int, count: int, size: int) -> np.ndarray:
    """Indices start..start+count-1 folded back into 0..size-1, the edge pixel not repeated.

    Example:
        >>> mirrored(-2, 7, 4).tolist()
        [2, 1, 0, 1, 2, 3, 2]
    """
    period = max(2 * (size - 1), 1)
    folded = np.abs(np.arange(start, start + count)) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros(count, int)


def random_corner(generator: np.random.Generator, size: int, crop_px: int, border_px: int) -> int:
    """Where a random crop starts along one axis of a tile mirrored by `border_px` on either side.

    A tile that is smaller than the crop even so is mirrored as far as the crop needs, around its middle.
    """
    room = size + 2 * border_px - crop_px
    if room < 0:
        return (size - crop_px) // 2
    return int(generator.integers(0, room + 1)) - border_px


def grid_corners(size: int, crop_px: int) -> list[int]:
    """Where crops start along one axis so that together they cover it, evenly spread.

    Example:
        >>> grid_corners(2048, 1024), grid_corners(600, 256), grid_corners(100, 256)
        ([0, 1024], [0, 172, 344], [-78])
    """
    if size <= crop_px:
        return [(size - crop_px) // 2]
    count = -(-size // crop_px)
    return [round(number * (size - crop_px) / (count - 1)) for number in range(count)]

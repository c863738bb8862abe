"""Cut crops out of memory-mapped prepared tiles, at random or in a grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eaves.tiles import prepared


@dataclass(frozen=True)
class Tile:
    """A prepared training tile.

    Attributes:
        name: The tile's name.
        image: (H, W, 4) int16, memory-mapped: R, G, B, height in cm.
        truth: (H, W) int32, memory-mapped: instance ids, negative where uncertain.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray


def open_tile(folder: Path, name: str) -> Tile:
    """Map a prepared tile and its truth into memory.

    Raises:
        InputError: A file is missing or not in the format of prepared tiles.
    """
    return Tile(
        name,
        prepared.map_image(prepared.image_path(folder, name)),
        prepared.map_truth(prepared.truth_path(folder, name)),
    )


def cut_crop(tile: Tile, top: int, left: int, crop_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Copy a square out of a tile, which is mirrored beyond its edges.

    Args:
        tile: The tile.
        top: First row of the square; may be negative.
        left: First column of the square; may be negative.
        crop_px: Edge of the square, pixels.

    Returns:
        image: (crop_px, crop_px, 4) int16, as in the tile.
        truth: (crop_px, crop_px) int8: 1 building, 0 ground, -1 uncertain.
    """
    height, width = tile.truth.shape
    if 0 <= top <= height - crop_px and 0 <= left <= width - crop_px:
        window = np.s_[top : top + crop_px, left : left + crop_px]
        return np.array(tile.image[window]), _signs(tile.truth[window])
    rows, columns = mirror_indices(top, crop_px, height), mirror_indices(left, crop_px, width)
    inside = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    mirrored = np.ix_(rows - rows.min(), columns - columns.min())
    return tile.image[inside][mirrored], _signs(tile.truth[inside][mirrored])


def _signs(truth: np.ndarray) -> np.ndarray:
    return np.sign(truth).astype(np.int8)


def mirror_indices(start: int, count: int, size: int) -> np.ndarray:
    """Return the indices start..start+count-1 reflected into 0..size-1, without repeating the edge pixel.

    Example:
        >>> mirror_indices(-2, 7, 4).tolist()
        [2, 1, 0, 1, 2, 3, 2]
    """
    period = max(2 * (size - 1), 1)
    folded = np.abs(np.arange(start, start + count)) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros(count, int)


def random_corner(generator: np.random.Generator, size: int, crop_px: int, border_px: int) -> int:
    """Draw where a random crop starts along one axis of a tile that is mirrored by `border_px` on either side.

    A tile that is still smaller than the crop is mirrored around its middle as far as needed, without a random draw.
    """
    room = size + 2 * border_px - crop_px
    if room < 0:
        return (size - crop_px) // 2
    return int(generator.integers(0, room + 1)) - border_px


def grid_corners(size: int, crop_px: int) -> list[int]:
    """Return where evenly spread crops start along one axis so that together they cover it.

    Example:
        >>> grid_corners(2048, 1024), grid_corners(600, 256), grid_corners(100, 256)
        ([0, 1024], [0, 172, 344], [-78])
    """
    if size <= crop_px:
        return [(size - crop_px) // 2]
    count = -(-size // crop_px)
    return [round(number * (size - crop_px) / (count - 1)) for number in range(count)]

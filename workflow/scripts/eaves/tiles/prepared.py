"""The format of prepared tiles: file names, bands, units and nodata, reading and writing.

A prepared tile is one or two uncompressed GeoTIFFs in one folder. `<tile>_image.tif` holds red, green, blue and height
above ground as int16, `<tile>_truth.tif` the instance ids as int32, negative where a building is uncertain. Integers in
one contiguous piece let a tile be mapped into memory, so that a crop costs no more than copying its bytes.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tifffile

from eaves.core.errors import InputError

if TYPE_CHECKING:
    from rasterio import DatasetReader

KINDS = ("image", "truth")
"""What follows the tile's name and an underscore in the names of prepared files."""
NODATA = -32768
"""Marks an unknown colour or height in a prepared image."""
CM_PER_M = 100
"""Heights are stored in centimetres, which is far below the accuracy of any height model."""
HEIGHT_LIMIT_CM = 32767
HEIGHT_BAND = 4
"""The band of heights, counted from 1 as rasterio does."""


class Layout(NamedTuple):
    """The pixel type, band descriptions and nodata value of a prepared raster."""

    dtype: str
    bands: tuple[str, ...]
    nodata: int | None


IMAGE = Layout("int16", ("red", "green", "blue", "height above ground, cm"), NODATA)
TRUTH = Layout("int32", ("building",), None)


def image_path(folder: Path, tile: str) -> Path:
    """Return the path of a tile's prepared image."""
    return folder / f"{tile}_image.tif"


def truth_path(folder: Path, tile: str) -> Path:
    """Return the path of a tile's prepared truth."""
    return folder / f"{tile}_truth.tif"


def tile_name(path: Path) -> str:
    """Return the name of the tile that a prepared image or truth belongs to.

    Example:
        >>> tile_name(image_path(Path("results/tiles"), "A_1"))
        'A_1'
    """
    return path.stem.rpartition("_")[0]


def map_image(path: Path) -> np.memmap:
    """Map a prepared image into memory.

    Returns:
        (H, W, 4) int16, read-only: R, G, B (0..255) and height above ground in cm; NODATA where unknown.

    Raises:
        InputError: The file is missing or not a prepared image.
    """
    image = _map(path)
    if image.ndim != 3 or image.shape[2] != len(IMAGE.bands) or image.dtype != IMAGE.dtype:
        raise InputError(
            f"{path}: {image.shape} {image.dtype}, expected (H, W, {len(IMAGE.bands)}) {IMAGE.dtype}; "
            "delete it and run `snakemake tiles`"
        )
    return image


def map_truth(path: Path) -> np.memmap:
    """Map a prepared truth into memory.

    Returns:
        (H, W) int32, read-only: instance ids; 0 is ground, and uncertain buildings have negative ids.

    Raises:
        InputError: The file is missing or cannot be mapped.
    """
    return _map(path)


def _map(path: Path) -> np.memmap:
    try:
        return tifffile.memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be mapped into memory ({error}); delete it if it exists, and run `snakemake tiles`"
        ) from error


def is_image(source: "DatasetReader") -> bool:
    """Tell whether an open raster has the layout of a prepared image."""
    return source.count == len(IMAGE.bands) and source.dtypes[0] == IMAGE.dtype


def read_height_m(source: "DatasetReader") -> np.ndarray:
    """Read the heights of an open prepared image.

    Returns:
        (H, W) float32, metres above ground, NaN where unknown.
    """
    return height_in_metres(source.read(HEIGHT_BAND))


def read_unknown_height(source: "DatasetReader") -> np.ndarray:
    """Read where an open prepared image has no height: (H, W) bool."""
    return source.read(HEIGHT_BAND) == NODATA


def height_in_metres(band: np.ndarray) -> np.ndarray:
    """Convert the height band of a prepared image to metres.

    Args:
        band: (H, W) int16, centimetres above ground.

    Returns:
        (H, W) float32, metres above ground, NaN where unknown.
    """
    return np.where(band == NODATA, np.float32(np.nan), band.astype(np.float32) / CM_PER_M)


def pack(rgb: np.ndarray, rgb_valid: np.ndarray, height_m: np.ndarray) -> np.ndarray:
    """Combine colours and heights into the bands of a prepared image.

    Args:
        rgb: (3, H, W) uint8.
        rgb_valid: (H, W) bool.
        height_m: (H, W) float32, metres above ground, NaN where unknown.

    Returns:
        (4, H, W) int16: R, G, B, height in cm; NODATA where unknown.
    """
    image = np.empty((len(IMAGE.bands), *rgb_valid.shape), IMAGE.dtype)
    image[:3] = np.where(rgb_valid, rgb.astype(np.int16), np.int16(NODATA))
    height_cm = np.clip(np.rint(height_m * CM_PER_M), -HEIGHT_LIMIT_CM, HEIGHT_LIMIT_CM)
    image[3] = np.where(np.isnan(height_m), NODATA, np.nan_to_num(height_cm)).astype(np.int16)
    return image

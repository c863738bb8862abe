"""Find, read and check rasters of building probability, from this pipeline or from elsewhere."""

from pathlib import Path

import numpy as np

from eaves.core.errors import InputError
from eaves.raster import geotiff, grids
from eaves.raster.folders import TileRaster, find_rasters, unique_rasters
from eaves.tiles import prepared

STEPS = np.float32(2**16)
"""Stored probabilities are multiples of 1 / STEPS."""


def round_for_storage(probability: np.ndarray) -> np.ndarray:
    """Round probabilities to multiples of 1/65536.

    Finer digits make no difference to a threshold, but do not compress: files would be five times as large.

    Args:
        probability: Any shape, floating point, 0..1.

    Returns:
        The same shape, float32, 0..1, with a rounding error of at most 1/131072.
    """
    return np.rint(probability.astype(np.float32) * STEPS) / STEPS


def find_files(places: list[Path]) -> list[Path]:
    """Find the GeoTIFFs among files and folders.

    Args:
        places: Files, which are taken as they are, and folders, of which all GeoTIFFs are taken.

    Returns:
        The files, sorted by name.

    Raises:
        InputError: A place is missing, a folder has no GeoTIFFs, or two files have one name; one line for each error.
    """
    rasters: list[TileRaster] = []
    errors = []
    for place in places:
        if place.is_dir():
            inside = find_rasters(place, [""], recursive=False)
            if not inside:
                errors.append(f"{place}: no *.tif in this folder; name the folder or the files of the probabilities")
            rasters += inside
        elif place.exists():
            rasters.append(TileRaster(place.stem, "", place))
        else:
            errors.append(f"{place}: no such file or folder")
    unique, duplicates = unique_rasters(rasters, key=lambda raster: raster.tile)
    if errors or duplicates:
        raise InputError("\n".join(errors + duplicates))
    return [unique[tile].path for tile in sorted(unique)]


def read(path: Path, scale: float | None = None) -> np.ndarray:
    """Read the probability of building from a file.

    Args:
        path: A GeoTIFF of one band.
        scale: The value that stands for probability 1, e.g. 255; None for floating point, 0..1.

    Returns:
        (H, W) floating point, 0..1; 0 at the file's nodata.

    Raises:
        InputError: The file has several bands, integers without a scale, or values outside 0..1.
    """
    with geotiff.open_raster(path) as dataset:
        if dataset.count != 1:
            raise InputError(
                f"{path}: {dataset.count} bands, but a probability has one; extract it, e.g. with rio stack"
            )
        kind = np.dtype(dataset.dtypes[0])
        if scale is None and kind.kind != "f":
            raise InputError(
                f"{path}: values of type {kind}, not floating point; give the value that means 1, e.g. --scale 255"
            )
        probability = dataset.read(1)
        valid = None if dataset.nodata is None else dataset.read_masks(1) > 0
    if scale is not None:
        probability = probability.astype(np.float32) / np.float32(scale)
    if valid is not None:
        probability = np.where(valid, probability, probability.dtype.type(0))
    if not (probability.min() >= 0 and probability.max() <= 1):  # NaN fails both comparisons
        n_nan = int(np.isnan(probability).sum())
        if n_nan:
            raise InputError(
                f"{path}: {n_nan} pixels are NaN, but the file does not declare NaN as nodata; "
                f"declare it, e.g. rio edit-info --nodata nan {path}"
            )
        raise InputError(
            f"{path}: values from {probability.min():g} to {probability.max():g}, but a probability is within 0..1; "
            "give the value that means 1, e.g. --scale 255, or probabilities instead of logits"
        )
    return probability


def read_on_tile(path: Path, tiles: Path, scale: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the probability of a prepared tile, with no buildings where the height is unknown.

    Args:
        path: The probability, `<tile>.tif`.
        tiles: The folder of the prepared tile.
        scale: As for `read`.

    Returns:
        probability: (H, W) floating point, 0..1; 0 where the height is unknown.
        unknown: (H, W) bool, True where the height is unknown.

    Raises:
        InputError: As `read`, or the two rasters are not on one grid.
    """
    image = prepared.image_path(tiles, path.stem)
    probability = read(path, scale)
    with geotiff.open_raster(image) as dataset:
        if not grids.same_grid(dataset, geotiff.grid(path)):
            raise InputError(f"{path}: not on the grid of {image} (another size, CRS or place); predict the tile again")
        unknown = prepared.read_unknown_height(dataset)
    return np.where(unknown, probability.dtype.type(0), probability), unknown

"""Rasters of building probability, from this pipeline or from elsewhere: found, read and checked."""

from pathlib import Path

import numpy as np

from eaves.core.errors import InputError
from eaves.raster import geotiff, grids
from eaves.tiles.prepared import NODATA

STEPS = np.float32(2**16)


def rounded(probability: np.ndarray) -> np.ndarray:
    """Rounds to what is stored: multiples of 1/65536.

    What is finer is noise to any threshold, but does not compress: it makes files five times as large.

    Args:
        probability: any shape, floating point, 0..1.

    Returns:
        The same shape, float32, 0..1; off by 1/131072 at most.
    """
    return np.rint(probability.astype(np.float32) * STEPS) / STEPS


def find(places: list[Path]) -> list[Path]:
    """Finds the GeoTIFFs among files and in folders, sorted by name.

    Args:
        places: files, taken as they are, and folders, of which *.tif and *.tiff are taken.

    Raises:
        InputError: one line per fault: a place that is not there, a folder without GeoTIFFs, two files of one name.
    """
    found: dict[str, Path] = {}
    faults = []
    for place in places:
        inside = [place]
        if place.is_dir():
            inside = sorted(path for path in place.iterdir() if path.suffix.lower() in (".tif", ".tiff"))
            if not inside:
                faults.append(f"{place}: no *.tif in this folder: nothing to do")
        elif not place.exists():
            faults.append(f"{place}: no such file or folder")
        for path in inside:
            other = found.setdefault(path.stem, path)
            if other != path:
                faults.append(f"{path}: two files for tile {path.stem}, the other is {other}; rename or remove one")
    if faults:
        raise InputError("\n".join(faults))
    return [found[tile] for tile in sorted(found)]


def read(path: Path, scale: float | None = None) -> np.ndarray:
    """Reads a probability.

    Args:
        path: a GeoTIFF of one band.
        scale: the value that means certainly a building, e.g. 255; None: the file holds floating point, 0..1.

    Returns:
        (H, W) floating point, 0..1; 0 where the file declares that it has no data.

    Raises:
        InputError: the file has several bands, integers without a scale, or values outside 0..1.
    """
    with geotiff.open_raster(path) as dataset:
        if dataset.count != 1:
            raise InputError(f"{path}: {dataset.count} bands, but a probability has one; extract it, e.g. rio stack")
        kind = np.dtype(dataset.dtypes[0])
        if scale is None and kind.kind != "f":
            raise InputError(
                f"{path}: values of type {kind}, not floating point; say which of them means 1, e.g. --scale 255"
            )
        probability = dataset.read(1)
        known = None if dataset.nodata is None else dataset.read_masks(1) > 0
    if scale is not None:
        probability = probability.astype(np.float32) / np.float32(scale)
    if known is not None:
        probability = np.where(known, probability, probability.dtype.type(0))
    if not (probability.min() >= 0 and probability.max() <= 1):  # NaN fails both comparisons
        unknown = int(np.isnan(probability).sum())
        if unknown:
            raise InputError(
                f"{path}: {unknown} pixels are NaN, but the file does not declare this as nodata; "
                f"declare it, e.g. rio edit-info --nodata nan {path}"
            )
        raise InputError(
            f"{path}: values from {probability.min():g} to {probability.max():g}, but a probability is within 0..1; "
            "say which value means 1, e.g. --scale 255, or give probabilities, not logits"
        )
    return probability


def read_on_tile(path: Path, tiles: Path, scale: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Reads the probability of a prepared tile; where no height is known there is no building.

    Args:
        path: `<tile>.tif`.
        tiles: the folder of `<tile>_image.tif`.
        scale: as for `read`.

    Returns:
        probability: (H, W) floating point, 0..1; 0 where no height is known.
        unknown: (H, W) bool, where no height is known.

    Raises:
        InputError: as `read`, and where the two are not on one grid.
    """
    image = tiles / f"{path.stem}_image.tif"
    probability = read(path, scale)
    with geotiff.open_raster(image) as dataset:
        if not grids.same_grid(dataset, geotiff.grid(path)):
            raise InputError(f"{path}: not on the grid of {image} (another size, CRS or place); predict the tile again")
        unknown = dataset.read(4) == NODATA
    return np.where(unknown, probability.dtype.type(0), probability), unknown

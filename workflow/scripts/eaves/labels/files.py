"""Reads instance ids from GeoTIFFs, alike wherever they are read: truth, buildings, labels from elsewhere."""

from pathlib import Path

import numpy as np
import rasterio

from eaves.core.errors import InputError
from eaves.labels.ids import in_32_bits
from eaves.raster import geotiff


def check_layout(source: rasterio.DatasetReader, path: Path) -> None:
    """Refuse a raster that cannot hold ids, without reading its pixels.

    Args:
        source: the raster, open.
        path: its file, for messages.

    Raises:
        InputError: it has several bands, or no whole numbers.
    """
    kind = np.dtype(source.dtypes[0])
    if source.count != 1 or kind.kind not in "ui":
        raise InputError(
            f"{path}: {source.count} band(s) of {kind}, but ids are one band of whole numbers, one for each building "
            f"and 0 for ground; convert it, e.g. rio convert --dtype int32 {path} ids.tif"
        )


def read_ids(source: rasterio.DatasetReader, path: Path) -> np.ndarray:
    """Read the ids of a raster that is open.

    Args:
        source: one band of whole numbers.
        path: its file, for messages.

    Returns:
        (H, W) int32; 0 is ground, and so is what the file declares as nodata.

    Raises:
        InputError: the file has several bands, holds no whole numbers, or has an id that does not fit into 32 bits.
    """
    check_layout(source, path)
    with geotiff.errors_named(path):
        ids = source.read(1)
    if source.nodata is not None:
        ids[ids == source.nodata] = 0
    return in_32_bits(str(path), ids)

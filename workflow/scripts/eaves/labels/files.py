"""Read instance ids from GeoTIFFs: truth, buildings, or labels made by other software."""

from pathlib import Path

import numpy as np
import rasterio

from eaves.core.errors import InputError
from eaves.labels.ids import as_int32
from eaves.raster import geotiff


def check_layout(source: rasterio.DatasetReader, path: Path) -> None:
    """Check that a raster can hold ids, without reading its pixels.

    Args:
        source: The open raster.
        path: Its file, for messages.

    Raises:
        InputError: It has several bands, or its values are not integers.
    """
    kind = np.dtype(source.dtypes[0])
    if source.count != 1 or kind.kind not in "ui":
        raise InputError(
            f"{path}: {source.count} band(s) of {kind}, but ids must be one band of integers, one for each building "
            f"and 0 for ground; convert it, e.g. rio convert --dtype int32 {path} ids.tif"
        )


def read_ids(source: rasterio.DatasetReader, path: Path) -> np.ndarray:
    """Read the ids of an open raster.

    Args:
        source: The open raster, with one band of integers.
        path: Its file, for messages.

    Returns:
        (H, W) int32; 0 is ground, including the file's nodata.

    Raises:
        InputError: The file has several bands, its values are not integers, or an id does not fit into 32 bits.
    """
    check_layout(source, path)
    with geotiff.explain_read_errors(path):
        ids = source.read(1)
    if source.nodata is not None:
        ids[ids == source.nodata] = 0
    return as_int32(str(path), ids)

"""Conversion of an orthophoto's colours to 8 bits."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from eaves.core.errors import InputError

_SAMPLE_PX = 1024  # edge of the sample that the percentiles are taken from


def scale_to_uint8(rgb: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale colours linearly so that `low` becomes 0 and `high` 255; values outside are clipped.

    Args:
        rgb: (3, H, W) of any number type.
        low: The value that becomes 0.
        high: The value that becomes 255.

    Returns:
        (3, H, W) uint8.
    """
    scaled = (rgb.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def colour_range(rgb: rasterio.DatasetReader, path: Path, settings: dict[str, Any]) -> tuple[float, float] | None:
    """Return the values to be scaled to 0 and 255.

    Args:
        rgb: The open orthophoto.
        path: Its file, for messages.
        settings: The block `prepare` of the configuration.

    Returns:
        Both values, or None where the colours have 8 bits already and no range is configured.

    Raises:
        InputError: The range depends on the pixels, and none is valid.
    """
    if settings["rgb_range"] != "auto":
        low, high = settings["rgb_range"]
        return float(low), float(high)
    if rgb.dtypes[0] == "uint8":
        return None
    # One sample decides for all three bands, so that hues are preserved.
    shape = (min(rgb.height, _SAMPLE_PX), min(rgb.width, _SAMPLE_PX))
    sample = rgb.read(settings["bands"], out_shape=(3, *shape))
    valid = rgb.dataset_mask(out_shape=shape) > 0
    values = sample[:, valid]
    values = values[np.isfinite(values)]
    if not values.size:
        raise InputError(f"{path}: every pixel is nodata; replace the file or remove the tile's files")
    low, high = np.percentile(values, settings["rgb_percentiles"])
    return float(low), float(max(high, low + 1e-6))

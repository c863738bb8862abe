"""Measure the buildings of a label raster: area, height, ground elevation, confidence, and contact with the edge."""

import numpy as np
import pandas as pd

from eaves.core.errors import InputError
from eaves.labels.ids import check_ids, number_ids
from eaves.labels.means import building_means
from eaves.labels.run_lengths import concatenate_ranges, find_runs

TOP = 0.95
"""Quantile for the height near the top of the roof; the maximum might be a chimney, an antenna or a bird."""


def attributes(
    labels: np.ndarray,
    height_m: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    ground_m: np.ndarray | None = None,
) -> pd.DataFrame:
    """Measure every building.

    Args:
        labels: (H, W) integer instance ids, 0 is ground.
        height_m: (H, W) floating point, metres above ground, NaN where unknown; None without such a raster.
        probability: (H, W) floating point, 0..1, probability of a building; or None.
        ground_m: (H, W) floating point, elevation of the bare ground in metres, NaN where unknown; or None.

    Returns:
        One row per building by ascending id: `id`, `area_px`, `height_m` (median over the roof's pixels of known
        height) and `height_p95_m` (their 95th percentile), metres above ground, `ground_m` (median over the pixels of
        known ground, metres), `confidence` (mean probability, 0..1) and `touches_edge` (the building may extend beyond
        the tile). NaN where unknown.

    Raises:
        InputError: The rasters differ in shape, or the labels are not integers.
    """
    labels = check_ids("labels", labels)
    for name, raster in (("height_m", height_m), ("probability", probability), ("ground_m", ground_m)):
        if raster is not None and raster.shape != labels.shape:
            raise InputError(f"{name} has shape {raster.shape}, but labels has shape {labels.shape}")
    runs = find_runs(labels)
    ids, building = number_ids(runs.label)
    order = np.argsort(building, kind="stable")
    area_px = np.bincount(building, runs.length, ids.size).astype(np.int64)
    ends = np.cumsum(area_px)
    first_pixel = runs.row.astype(np.int64) * labels.shape[1] + runs.start
    pixels = concatenate_ranges(first_pixel[order], runs.length[order])

    median_m, top_m = _quantiles(height_m, pixels, ends, (0.5, TOP))
    (ground,) = _quantiles(ground_m, pixels, ends, (0.5,))
    confidence = np.full(ids.size, np.nan)
    if probability is not None:
        confidence = building_means(probability, runs, building, ids.size)
    height, width = labels.shape
    at_edge = (runs.row == 0) | (runs.row == height - 1) | (runs.start == 0) | (runs.stop == width)
    return pd.DataFrame(
        {
            "id": ids,
            "area_px": area_px,
            "height_m": median_m,
            "height_p95_m": top_m,
            "ground_m": ground,
            "confidence": confidence,
            "touches_edge": np.bincount(building, at_edge, ids.size) > 0,
        }
    )


def _quantiles(
    raster: np.ndarray | None, pixels: np.ndarray, ends: np.ndarray, quantiles: tuple[float, ...]
) -> np.ndarray:
    """Compute quantiles over the known pixels of each building.

    Args:
        raster: (H, W) floating point, NaN where unknown; None without such a raster.
        pixels: (p,) integer, positions in the flattened raster, building by building.
        ends: (n,) integer, the end of each building's positions.
        quantiles: (k,) 0..1.

    Returns:
        (k, n) float64, NaN where unknown.
    """
    found = np.full((ends.size, len(quantiles)), np.nan)
    if raster is not None:
        values = raster.ravel()[pixels]
        begin = 0
        for building, end in enumerate(ends.tolist()):
            found[building] = _known_quantiles(values[begin:end], np.array(quantiles))
            begin = end
    return found.T


def _known_quantiles(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray | float:
    """Compute quantiles with linear interpolation, as `np.nanquantile` does at a tenth of the speed for a roof."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return np.nan
    positions = quantiles * (known.size - 1)
    below = positions.astype(np.intp)
    above = np.minimum(below + 1, known.size - 1)
    ordered = np.partition(known, np.concatenate((below, above)))
    return ordered[below] + (positions - below) * (ordered[above] - ordered[below])

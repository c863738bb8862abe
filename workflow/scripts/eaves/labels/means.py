"""Mean of a raster over each building, such as the confidence of a detection."""

import numpy as np

from eaves.core.jit import compiled
from eaves.labels.run_lengths import Runs


def building_means(raster: np.ndarray, runs: Runs, building: np.ndarray, n_buildings: int) -> np.ndarray:
    """Average a raster over the pixels of each building.

    Sums are taken in float64. They are exact, whatever the order, for probabilities as they are stored (multiples of
    1/65536).

    Args:
        raster: (H, W) of any number type.
        runs: The runs of the buildings, as `find_runs` returns them.
        building: (n,) integer, the number of each run's building, from 0 on.
        n_buildings: The number of buildings.

    Returns:
        (n_buildings,) float64; NaN where one of the building's pixels is NaN.
    """
    sums = _sums(np.ascontiguousarray(raster), runs.row, runs.start, runs.stop)
    return np.bincount(building, sums, n_buildings) / np.bincount(building, runs.length, n_buildings)


@compiled
def _sums(values: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Sum the values of each run, (n,) float64."""
    sums = np.zeros(rows.size)
    for run in range(rows.size):
        total = 0.0
        for column in range(starts[run], stops[run]):
            total += values[rows[run], column]
        sums[run] = total
    return sums

"""How sure the network is of each building: the mean probability of its pixels."""

import numpy as np

from eaves.core.errors import InputError
from eaves.core.jit import compiled
from eaves.labels.ids import check_ids, number_ids
from eaves.labels.run_lengths import find_runs


def mean_probability(labels: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Average the probability over each building.

    Args:
        labels: (H, W) integer ids, 0 is ground.
        probability: (H, W) of any number type, 0..1; only the order of the buildings' means matters to the figures.

    Returns:
        (m,) float64, one per building by ascending id.

    Raises:
        InputError: The rasters differ in shape, or a building has a pixel without a probability.
    """
    labels = check_ids("labels", labels)
    if probability.shape != labels.shape:
        raise InputError(f"probability has shape {probability.shape}, but labels has shape {labels.shape}")
    runs = find_runs(labels)
    ids, building = number_ids(runs.label)
    sums = _sums(np.ascontiguousarray(probability), runs.row, runs.start, runs.stop)
    means = np.bincount(building, sums, ids.size) / np.bincount(building, runs.length, ids.size)
    if np.isnan(means).any():
        raise InputError(f"the probability of building {ids[np.isnan(means)][0]} is NaN in part; fill it with 0")
    return means


@compiled
def _sums(values: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Sum of each run, (n,) float64."""
    sums = np.zeros(rows.size)
    for run in range(rows.size):
        total = 0.0
        for column in range(starts[run], stops[run]):
            total += values[rows[run], column]
        sums[run] = total
    return sums

"""Confidence of each building: the mean probability of its pixels."""

import numpy as np

from eaves.core.errors import InputError
from eaves.labels.ids import check_ids, number_ids
from eaves.labels.means import building_means
from eaves.labels.run_lengths import find_runs


def mean_probability(labels: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Average the probability over each building.

    Args:
        labels: (H, W) integer ids, 0 is ground.
        probability: (H, W) of any number type, 0..1. On another scale, average precision would be the same, as it
            depends only on the order of the means, but the figures by minimum confidence would not.

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
    means = building_means(probability, runs, building, ids.size)
    if np.isnan(means).any():
        raise InputError(
            f"the probability of building {ids[np.isnan(means)][0]} is NaN in some of its pixels; fill them with 0"
        )
    return means

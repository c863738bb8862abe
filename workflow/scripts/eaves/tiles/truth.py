"""Truth of a tile: instance ids and classes combined into signed ids."""

import numpy as np

from eaves.labels.ids import as_int32, number_ids

# Values of the challenge's GTL rasters.
GTL_GROUND, GTL_BUILDING, GTL_UNCERTAIN = 2, 6, 65
GTL_VALUES = {GTL_GROUND, GTL_BUILDING, GTL_UNCERTAIN}


def signed_truth(gti: np.ndarray, gtl: np.ndarray | None) -> np.ndarray:
    """Combine instance ids and classes: the id of a building is negative where it is uncertain.

    Args:
        gti: (H, W) of any integer type, instance ids, 0 is ground; negative ids (uncertain already) are kept.
        gtl: (H, W) {2 ground, 6 building, 65 uncertain}, or None where nothing is uncertain.

    Returns:
        (H, W) int32. A building is uncertain as a whole where most of its pixels are.

    Raises:
        InputError: An id does not fit into 32 bits.
    """
    truth = as_int32("truth", gti)
    if gtl is None:
        return truth
    ids, number = number_ids(truth.ravel())
    total = np.bincount(number, minlength=len(ids))
    uncertain = np.bincount(number[(gtl == GTL_UNCERTAIN).ravel()], minlength=len(ids))
    signs = np.where((2 * uncertain > total) & (ids > 0), -1, 1)
    return (ids * signs).astype(np.int32)[number].reshape(truth.shape)

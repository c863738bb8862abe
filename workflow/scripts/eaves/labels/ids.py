"""Check rasters of instance ids, and number the ids that occur in them."""

import numpy as np

from eaves.core.errors import InputError

MAX_ID = 2**31 - 1
"""The largest id in files: it fits into 32 bits with either sign, as ids of uncertain buildings are negative."""
MAX_TABLE = 1 << 20
"""Ids within a range of this size are numbered by a table (8 MiB at most), other ids by sorting."""


def check_ids(name: str, labels: np.ndarray) -> np.ndarray:
    """Check that an array is a raster of instance ids.

    Args:
        name: The array's name, for the message.
        labels: (H, W) integer ids.

    Returns:
        The same ids, C-contiguous, int32 or, from a wider type, int64.

    Raises:
        InputError: The array is not two-dimensional or not of integers, or an id does not fit into 64 bits with a sign.
    """
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{name} is {labels.ndim}-dimensional {labels.dtype}, but must be (H, W) integer ids")
    if labels.size and not np.can_cast(labels.dtype, np.int64) and labels.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name} has the id {labels.max()}, which does not fit into 64 bits with a sign")
    return np.ascontiguousarray(labels, np.int32 if np.can_cast(labels.dtype, np.int32) else np.int64)


def as_int32(name: str, ids: np.ndarray) -> np.ndarray:
    """Convert ids to int32.

    Args:
        name: The source of the ids, e.g. a file, for the message.
        ids: Any shape, integer.

    Returns:
        The same ids, int32.

    Raises:
        InputError: An id is beyond `MAX_ID` with either sign.

    Example:
        >>> as_int32("a.tif", np.array([7, -7], np.int64)).dtype
        dtype('int32')
    """
    if ids.size and (ids.max() > MAX_ID or ids.min() < -MAX_ID):
        worst = ids.max() if ids.max() > MAX_ID else ids.min()
        raise InputError(
            f"{name}: the id {worst} does not fit into 32 bits (-{MAX_ID} to {MAX_ID}); number the buildings "
            "from 1 on, or declare the value as nodata if it means ground"
        )
    return ids.astype(np.int32)


def number_ids(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Assign numbers to the distinct ids, ascending as in np.unique, but without sorting if their range is small.

    Args:
        ids: (n,) integer.

    Returns:
        distinct: (m,) ascending, of the type of `ids`.
        number: (n,) positions in `distinct`.
    """
    if ids.size == 0:
        return ids, np.zeros(0, np.intp)
    lowest = ids.min()
    if int(ids.max()) - int(lowest) >= MAX_TABLE:
        return np.unique(ids, return_inverse=True)
    offset = ids - lowest
    present = np.zeros(int(ids.max()) - int(lowest) + 1, bool)
    present[offset] = True
    positions = np.flatnonzero(present)
    number = np.empty(present.size, np.intp)
    number[positions] = np.arange(positions.size)
    return (positions + lowest).astype(ids.dtype), number[offset]

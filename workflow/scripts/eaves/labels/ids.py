"""Checks rasters of instance ids and numbers the ids found in them."""

import numpy as np

from eaves.core.errors import InputError

MAX_ID = 2**31 - 1
"""The largest id in files: what fits into 32 bits with either sign, as uncertain buildings have negative ids."""
MAX_TABLE = 1 << 20
"""Ids in a range up to this are numbered through a table (8 MiB at most), ids spread wider by sorting."""


def check_ids(name: str, labels: np.ndarray) -> np.ndarray:
    """Make sure that an array is a raster of instance ids.

    Args:
        name: What the raster is, for the message.
        labels: (H, W) integer ids.

    Returns:
        The same ids, C-contiguous, as int32 or, where they come in a wider type, int64.

    Raises:
        InputError: The array is not two-dimensional or not of integers, or an id does not fit into 64 bits with a sign.
    """
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{name} is {labels.ndim}-dimensional {labels.dtype}, but must be (H, W) integer ids")
    if labels.size and not np.can_cast(labels.dtype, np.int64) and labels.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name} has the id {labels.max()}, which does not fit into 64 bits with a sign")
    return np.ascontiguousarray(labels, np.int32 if np.can_cast(labels.dtype, np.int32) else np.int64)


def in_32_bits(name: str, ids: np.ndarray) -> np.ndarray:
    """Convert ids to 32 bits, where all of them fit.

    Args:
        name: Where the ids come from, for the message: a file.
        ids: Any shape, integer.

    Returns:
        The same ids, int32.

    Raises:
        InputError: An id is beyond `MAX_ID` with either sign.

    Example:
        >>> in_32_bits("a.tif", np.array([7, -7], np.int64)).dtype
        dtype('int32')
    """
    if ids.size and (ids.max() > MAX_ID or ids.min() < -MAX_ID):
        worst = ids.max() if ids.max() > MAX_ID else ids.min()
        raise InputError(
            f"{name}: the id {worst} does not fit into 32 bits (-{MAX_ID} to {MAX_ID}); number the buildings from 1 "
            "on, or declare the value as nodata if it means ground"
        )
    return ids.astype(np.int32)


def number_ids(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the different ids in ascending order, as np.unique does, but without sorting where they lie close.

    Args:
        ids: (n,) integer.

    Returns:
        different: (m,) ascending, of the type of `ids`.
        number: (n,) positions in `different`.
    """
    if ids.size == 0:
        return ids, np.zeros(0, np.intp)
    lowest = ids.min()
    if int(ids.max()) - int(lowest) >= MAX_TABLE:
        return np.unique(ids, return_inverse=True)
    offset = ids - lowest
    present = np.zeros(int(ids.max()) - int(lowest) + 1, bool)
    present[offset] = True
    places = np.flatnonzero(present)
    number = np.empty(present.size, np.intp)
    number[places] = np.arange(places.size)
    return (places + lowest).astype(ids.dtype), number[offset]

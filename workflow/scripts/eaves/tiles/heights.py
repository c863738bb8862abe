"""Height above ground from a surface model and a ground model."""

import numpy as np


def height_above_ground(
    dsm: np.ndarray, dtm: np.ndarray, dsm_nodata: float | None, dtm_nodata: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract the ground from the surface.

    Args:
        dsm: (H, W) surface, metres.
        dtm: (H, W) bare ground, metres, on the same grid.
        dsm_nodata: The nodata value of the surface, which may be NaN; None where every pixel is valid.
        dtm_nodata: The nodata value of the ground.

    Returns:
        height_m: (H, W) float32, metres above ground, NaN where either model has none. Small negative heights
            (noise) are kept.
        valid: (H, W) bool, True where both models have a height.

    Example:
        >>> height_m, valid = height_above_ground(np.array([[7., -9.]]), np.array([[2., 1.]]), -9, None)
        >>> height_m.tolist(), valid.tolist()
        ([[5.0, nan]], [[True, False]])
    """
    if dsm.shape != dtm.shape:
        raise ValueError(f"DSM {dsm.shape} and DTM {dtm.shape} are not on one grid")
    valid = valid_mask(dsm, dsm_nodata) & valid_mask(dtm, dtm_nodata)
    height_m = np.full(dsm.shape, np.nan, np.float32)
    # In float32, whatever type the files have: unsigned integers would wrap around below the ground.
    np.subtract(dsm, dtm, out=height_m, where=valid, dtype=np.float32, casting="same_kind")
    return height_m, valid


def valid_mask(heights: np.ndarray, nodata: float | None) -> np.ndarray:
    """Return where a height model has a height.

    Args:
        heights: (H, W) of any number type.
        nodata: The nodata value, which may be NaN; None where every pixel is valid.

    Returns:
        (H, W) bool.
    """
    if nodata is None:
        return np.ones(heights.shape, bool)
    if np.isnan(nodata):
        return ~np.isnan(heights)
    return heights != (heights.dtype.type(nodata) if heights.dtype.kind == "f" else nodata)

"""Prepared tiles: colours and heights in one array, and the truth beside them. Arrays only; files are in `ingest`."""

import numpy as np

from eaves.labels.ids import in_32_bits, number_ids

# Prepared rasters are int16: colours 0..255 and height above ground in centimetres, so that a tile can be mapped
# into memory and a crop costs no more than copying its bytes. 1 cm is far below any height model's accuracy.
NODATA = -32768
CM_PER_M = 100
HEIGHT_LIMIT_CM = 32767

# Values of the challenge's GTL rasters.
GTL_GROUND, GTL_BUILDING, GTL_UNCERTAIN = 2, 6, 65
GTL_VALUES = {GTL_GROUND, GTL_BUILDING, GTL_UNCERTAIN}


def height_above_ground(
    dsm: np.ndarray, dtm: np.ndarray, dsm_nodata: float | None, dtm_nodata: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Subtracts the ground from the surface.

    Args:
        dsm: (H, W) surface, metres.
        dtm: (H, W) bare ground, metres, on the same grid.
        dsm_nodata: the value (or NaN) that means no surface here; None where every pixel counts.
        dtm_nodata: the same for the ground.

    Returns:
        height_m: (H, W) float32, metres above ground, NaN where either model has none. Small negative heights
            (noise) are kept.
        valid: (H, W) bool, where both models have a height.

    Example:
        >>> height_m, valid = height_above_ground(np.array([[7., -9.]]), np.array([[2., 1.]]), -9, None)
        >>> height_m.tolist(), valid.tolist()
        ([[5.0, nan]], [[True, False]])
    """
    if dsm.shape != dtm.shape:
        raise ValueError(f"DSM {dsm.shape} and DTM {dtm.shape} are not on one grid")
    valid = known(dsm, dsm_nodata) & known(dtm, dtm_nodata)
    height_m = np.full(dsm.shape, np.nan, np.float32)
    # In float32 whatever the files hold: unsigned integers would wrap around below the ground.
    np.subtract(dsm, dtm, out=height_m, where=valid, dtype=np.float32, casting="same_kind")
    return height_m, valid


def known(heights: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where a height model has a height: (H, W) bool. `nodata` may be NaN, or None where every pixel counts."""
    if nodata is None:
        return np.ones(heights.shape, bool)
    if np.isnan(nodata):
        return ~np.isnan(heights)
    return heights != (heights.dtype.type(nodata) if heights.dtype.kind == "f" else nodata)


def to_eight_bits(rgb: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scales colours so that `low` becomes 0 and `high` 255; what lies outside is cut off.

    Args:
        rgb: (3, H, W) of any number type.
        low: the value that becomes 0.
        high: the value that becomes 255.

    Returns:
        (3, H, W) uint8.
    """
    scaled = (rgb.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def pack(rgb: np.ndarray, rgb_valid: np.ndarray, height_m: np.ndarray) -> np.ndarray:
    """Puts colours and height into one array.

    Args:
        rgb: (3, H, W) uint8.
        rgb_valid: (H, W) bool.
        height_m: (H, W) float32, metres above ground, NaN where unknown.

    Returns:
        (4, H, W) int16: R, G, B, height in cm; NODATA where unknown.
    """
    image = np.empty((4, *rgb_valid.shape), np.int16)
    image[:3] = np.where(rgb_valid, rgb.astype(np.int16), np.int16(NODATA))
    height_cm = np.clip(np.rint(height_m * CM_PER_M), -HEIGHT_LIMIT_CM, HEIGHT_LIMIT_CM)
    image[3] = np.where(np.isnan(height_m), NODATA, np.nan_to_num(height_cm)).astype(np.int16)
    return image


def height_of(band: np.ndarray) -> np.ndarray:
    """Turns the height band of a prepared tile back into metres.

    Args:
        band: (H, W) int16, the fourth band.

    Returns:
        (H, W) float32, metres above ground, NaN where unknown.
    """
    return np.where(band == NODATA, np.float32(np.nan), band.astype(np.float32) / CM_PER_M)


def signed_truth(gti: np.ndarray, gtl: np.ndarray | None) -> np.ndarray:
    """Joins instance ids and classes: the id of a building is negative where it is uncertain.

    Args:
        gti: (H, W) of any integer type, instance ids, 0 is ground; negative ids (uncertain already) are kept.
        gtl: (H, W) {2 ground, 6 building, 65 uncertain}, or None where nothing is uncertain.

    Returns:
        (H, W) int32. A building is uncertain as a whole where most of its pixels are.

    Raises:
        InputError: an id does not fit into 32 bits.
    """
    truth = in_32_bits("truth", gti)
    if gtl is None:
        return truth
    ids, number = number_ids(truth.ravel())
    total = np.bincount(number, minlength=len(ids))
    uncertain = np.bincount(number[(gtl == GTL_UNCERTAIN).ravel()], minlength=len(ids))
    signs = np.where((2 * uncertain > total) & (ids > 0), -1, 1)
    return (ids * signs).astype(np.int32)[number].reshape(truth.shape)

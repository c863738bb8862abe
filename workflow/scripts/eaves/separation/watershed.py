"""Separate a building probability map into single buildings: one label each, with a gap between touching ones."""

import numpy as np
from scipy import ndimage
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

from eaves.core.errors import InputError
from eaves.core.jit import compiled
from eaves.labels.run_lengths import Runs, find_runs

# Labels during flooding.
_FREE = np.iinfo(np.int32).min  # not reached yet
_LINE = _FREE + 1  # between two buildings


def separate(
    probability: np.ndarray,
    low: float = 0.3,
    high: float = 0.7,
    min_seed_px: int = 100,
    min_area_px: int = 120,
    match_original: bool = False,
) -> np.ndarray:
    """Label every building by a watershed that grows from its confident core.

    The method of the challenge's winner: connected regions above `high` are seeds, connected regions above `low` are
    the space into which the seeds grow, and a region without a seed is not a building. Regions are 4-connected.

    How it works: the flooded surface is flat, so the watershed is a breadth-first growth of all seeds by one pixel per
    step, and a pixel reached from two sides becomes part of the line between them. A region with one seed becomes one
    building as a whole; only regions with several seeds are flooded, each on its own, from its seeds' pixels in
    row-major order. The division of a region therefore depends on nothing outside it: tiling an area differently
    changes only the buildings that are cut. scikit-image instead floods the whole tile with one queue and breaks ties
    by the state of that queue, so that a line can move by a pixel when something far away changes. Its flood also
    crosses the line where a corridor one pixel wide branches, and gives the same label to two separate pieces; here the
    pixels behind the line remain ground.

    Args:
        probability: (H, W) floating point, 0..1, probability of a building.
        low: Probability above which a pixel belongs to the space, 0..1.
        high: Probability above which a pixel belongs to a seed, low..1.
        min_seed_px: Minimum number of pixels of a seed.
        min_area_px: Minimum number of pixels of a region of the space, before it is divided.
        match_original: Reproduce pixel for pixel the winner's single call to scikit-image on the whole tile, including
            the numbering (by the first pixel of the seed). Buildings may then not be 4-connected.

    Returns:
        (H, W) int32, ids 1..n, 0 is ground. By default each building is 4-connected, and buildings are numbered by
        their first pixel in row-major order.

    Raises:
        InputError: The probability is not a two-dimensional raster of numbers in 0..1, or a threshold or size is out
            of its range.
    """
    if probability.ndim != 2 or probability.size == 0 or not np.issubdtype(probability.dtype, np.floating):
        raise InputError(
            f"probability has shape {probability.shape} and type {probability.dtype}, but must be (H, W) floating point"
        )
    if not 0 <= low <= high <= 1:
        raise InputError(f"thresholds low = {low} and high = {high} must satisfy 0 <= low <= high <= 1")
    if min_seed_px < 0 or min_area_px < 0:
        raise InputError(f"min_seed_px = {min_seed_px} and min_area_px = {min_area_px} must not be negative")
    if not (probability.min() >= 0 and probability.max() <= 1):  # NaN fails both comparisons
        raise InputError(
            f"probability has values outside 0..1 or NaN (minimum {probability.min()}, maximum {probability.max()}); "
            "set pixels without data to 0"
        )
    if match_original:
        return _separate_as_original(probability, low, high, min_seed_px, min_area_px)

    space, seeds = find_runs(probability > low), find_runs(probability > high)
    region_of_seed = find_regions_of_seeds(space, seeds)
    is_seed = (seeds.piece_px >= min_seed_px) & (space.piece_px >= min_area_px)[region_of_seed]
    labels = np.zeros(probability.shape, np.int32)
    seeds_in_region = split_regions(labels, space, seeds, region_of_seed, is_seed)
    alone = np.where(seeds_in_region == 1, np.arange(1, space.n_pieces + 1), 0)
    _fill(labels, space.row, space.start, space.stop, alone[space.piece])
    inside = np.flatnonzero(seeds_in_region[space.piece] > 0)
    _number_by_first_pixel(
        labels, space.row[inside], space.start[inside], space.stop[inside], space.n_pieces + seeds.n_pieces
    )
    return labels


def find_regions_of_seeds(space: Runs, seeds: Runs) -> np.ndarray:
    """Find the region that contains each seed.

    Args:
        space: The regions above `low`, as pieces.
        seeds: The regions above `high`, as pieces; `high` is not below `low`.

    Returns:
        (seeds.n_pieces,) int32, the piece of `space` for each seed.
    """
    # The seed's first run lies in the last run of the space that does not start after it.
    first = seeds.first_of_pieces()
    holder = np.searchsorted(
        _row_major_key(space.row, space.start), _row_major_key(seeds.row[first], seeds.start[first]), "right"
    )
    return space.piece[holder - 1]


def _row_major_key(row: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Combine row and column into one number that sorts in row-major order."""
    return (row.astype(np.int64) << 32) + start


def split_regions(
    labels: np.ndarray, space: Runs, seeds: Runs, region_of_seed: np.ndarray, is_seed: np.ndarray
) -> np.ndarray:
    """Divide each region with several seeds among these, in place; all other pixels stay unchanged.

    Args:
        labels: (H, W) int32, 0 in the regions concerned. The pixels of a building get the label
            `space.n_pieces + 1 + seed`; pixels between two buildings or behind such a line get a negative value.
        space: The regions above `low`, as pieces.
        seeds: The regions above `high`, as pieces.
        region_of_seed: (seeds.n_pieces,) integer, the region of each seed.
        is_seed: (seeds.n_pieces,) bool, False for seeds to be ignored.

    Returns:
        (space.n_pieces,) integer, the number of seeds in each region, without ignored ones.
    """
    seeds_in_region = np.bincount(region_of_seed[is_seed], minlength=space.n_pieces)
    shares = is_seed & (seeds_in_region[region_of_seed] > 1)
    label_of_seed = np.where(shares, space.n_pieces + np.arange(1, seeds.n_pieces + 1), 0)
    shared = np.flatnonzero(seeds_in_region[space.piece] > 1)
    own = np.flatnonzero(shares[seeds.piece])
    _fill(labels, space.row[shared], space.start[shared], space.stop[shared], np.full(shared.size, _FREE))
    _fill(labels, seeds.row[own], seeds.start[own], seeds.stop[own], label_of_seed[seeds.piece[own]])
    _flood(labels, seeds.row[own], seeds.start[own], seeds.stop[own])
    return seeds_in_region


def _separate_as_original(
    probability: np.ndarray, low: float, high: float, min_seed_px: int, min_area_px: int
) -> np.ndarray:
    seeds, _ = ndimage.label(remove_small_objects(probability > high, max_size=max(min_seed_px - 1, 0)))
    space = remove_small_objects(probability > low, max_size=max(min_area_px - 1, 0))
    labels = watershed(space.astype(np.uint8), seeds, mask=space, watershed_line=True)
    left = np.bincount(labels.ravel()) > 0  # a seed in a region below min_area_px leaves no label
    left[0] = False
    return (np.cumsum(left, dtype=np.int32) * left)[labels]


@compiled
def _fill(labels: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, values: np.ndarray) -> None:
    for run in range(rows.size):
        if values[run] != 0:
            labels[rows[run], starts[run] : stops[run]] = values[run]


@compiled
def _flood(labels: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> None:
    """Grow the seeds, given by their runs, into the free pixels, all at the same speed.

    Regions do not touch, so the order of one region's pixels in the queue does not depend on other regions. A pixel in
    the queue carries the label it may get, negated.
    """
    height, width = labels.shape
    queue = np.empty(1 << 14, np.int64)
    head, tail = 0, 0
    for run in range(rows.size):
        for column in range(starts[run], stops[run]):
            if tail + 4 > queue.size:
                queue = np.concatenate((queue, np.empty_like(queue)))
            tail = _enqueue_neighbours(labels, rows[run], column, queue, tail)
    while head < tail:
        row, column = queue[head] // width, queue[head] % width
        head += 1
        label = -labels[row, column]
        labels[row, column] = label
        for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            r, c = row + down, column + right
            if 0 <= r < height and 0 <= c < width and labels[r, c] > 0 and labels[r, c] != label:
                labels[row, column] = _LINE
        if labels[row, column] != _LINE:
            if tail + 4 > queue.size:
                queue = np.concatenate((queue, np.empty_like(queue)))
            tail = _enqueue_neighbours(labels, row, column, queue, tail)


@compiled
def _enqueue_neighbours(labels: np.ndarray, row: int, column: int, queue: np.ndarray, tail: int) -> int:
    height, width = labels.shape
    for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0)):
        r, c = row + down, column + right
        if 0 <= r < height and 0 <= c < width and labels[r, c] == _FREE:
            labels[r, c] = -labels[row, column]
            queue[tail] = r * width + c
            tail += 1
    return tail


@compiled
def _number_by_first_pixel(
    labels: np.ndarray, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, highest: int
) -> None:
    """Renumber the labels in the given runs 1..n in order of appearance, and set lines to 0, in place."""
    number = np.zeros(highest + 1, np.int32)
    buildings = 0
    for run in range(rows.size):
        pixels = labels[rows[run], starts[run] : stops[run]]
        for column in range(pixels.size):
            label = pixels[column]
            if label > 0 and number[label] == 0:
                buildings += 1
                number[label] = buildings
            pixels[column] = number[label] if label > 0 else 0

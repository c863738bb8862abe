"""One label per building: sizes, gaps, numbering, and that a building does not depend on what else is on the tile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from eaves.core.errors import InputError
from eaves.separation.watershed import separate

SMALL = {"min_seed_px": 6, "min_area_px": 20}
"""Sizes for small random fields, in which hundreds of regions have one seed and dozens have several."""


def field(seed, shape=(128, 128)):
    """Make a smooth random field in 0..1 with regions that hold none, one or several seeds."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.5)
    return np.clip(0.35 + 2.2 * noise, 0, 1).astype(np.float32)


def canvas(shape, *boxes):
    """Draw (probability, top, left, height, width) boxes on zeros."""
    probability = np.zeros(shape, np.float32)
    for value, top, left, height, width in boxes:
        probability[top : top + height, left : left + width] = value
    return probability


def partition(labels):
    """Number labels by first appearance, so that equal partitions are equal arrays."""
    ids, first = np.unique(labels[labels > 0], return_index=True)
    number = np.zeros(labels.max() + 1, int)
    number[ids[np.argsort(first)]] = np.arange(1, ids.size + 1)
    return number[labels]


def by_the_recipe(probability, low=0.3, high=0.7, min_seed_px=6, min_area_px=20):
    """Do what the winner described, in the plainest terms."""

    def large(mask, least):
        labels, n = ndimage.label(mask)
        return mask & (np.bincount(labels.ravel(), minlength=n + 1) >= least)[labels]

    seeds, _ = ndimage.label(large(probability > high, min_seed_px))
    space = large(probability > low, min_area_px)
    return watershed(space.astype(np.uint8), seeds, mask=space, watershed_line=True)


def test_two_touching_buildings_by_hand():
    # A 5 x 11 block with a seed in columns 0-2 and one in columns 8-10: both grow one column a step,
    # 3 | 4, 7 | 6 and meet in column 5.
    probability = canvas((5, 11), (0.5, 0, 0, 5, 11), (0.9, 0, 0, 5, 3), (0.9, 0, 8, 5, 3))
    expected = np.repeat([[1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2]], 5, axis=0)
    np.testing.assert_array_equal(separate(probability, min_seed_px=15, min_area_px=55), expected)
    np.testing.assert_array_equal(separate(probability, min_seed_px=15, min_area_px=55, match_original=True), expected)


@pytest.mark.parametrize("match_original", [False, True])
def test_sizes_are_least_sizes_and_thresholds_are_exceeded(match_original):
    probability = canvas((40, 40), (0.5, 5, 5, 12, 10), (0.9, 5, 5, 10, 10))
    assert separate(probability, match_original=match_original).sum() == 120, (
        "exactly 100 px of seed in exactly 120 px of space"
    )
    assert separate(probability, min_area_px=121, match_original=match_original).max() == 0
    assert separate(probability, min_seed_px=101, match_original=match_original).max() == 0
    probability = probability.astype(np.float64)
    assert separate(probability, low=0.5, min_area_px=100, match_original=match_original).sum() == 100
    assert separate(probability, high=float(probability.max()), match_original=match_original).max() == 0


def test_region_without_a_seed_is_no_building_and_one_with_a_seed_is_kept_whole():
    probability = canvas((40, 60), (0.6, 2, 2, 20, 20), (0.4, 2, 30, 20, 20), (0.8, 4, 32, 10, 10))
    labels = separate(probability)
    np.testing.assert_array_equal(labels, canvas((40, 60), (1, 2, 30, 20, 20)))
    assert labels.dtype == np.int32


def test_corners_do_not_connect():
    probability = canvas((40, 40), (0.9, 0, 0, 11, 11), (0.9, 11, 11, 11, 11))
    assert separate(probability).max() == 2


def test_what_lies_behind_the_line_stays_ground():
    # A corridor one pixel wide joins two seeds, and a branch leaves it where the two meet.
    probability = canvas((12, 15), (0.9, 0, 0, 4, 5), (0.9, 0, 10, 4, 5), (0.5, 1, 5, 1, 5), (0.5, 2, 7, 8, 1))
    labels = separate(probability, min_seed_px=20, min_area_px=20)
    np.testing.assert_array_equal(labels[1], [1] * 7 + [0] + [2] * 7)
    assert not labels[2:, 7].any()


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_labels_are_dense_connected_ordered_and_apart(seed):
    probability = field(seed)
    labels = separate(probability, **SMALL)
    present, first = np.unique(labels[labels > 0], return_index=True)
    assert present.tolist() == list(range(1, labels.max() + 1)), "dense"
    assert (np.diff(first) > 0).all(), "ordered by first pixel"
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        assert ndimage.label(labels[box] == number)[1] == 1, "4-connected"
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        assert not ((one != other) & (one > 0) & (other > 0)).any(), "a line between any two"
    assert not (labels[probability <= 0.3]).any()
    np.testing.assert_array_equal(labels, separate(probability, **SMALL), "the same again")


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=25, deadline=None)
def test_buildings_do_not_depend_on_the_tiling(seed, data):
    probability = field(seed)
    whole = separate(probability, **SMALL)
    top, left = data.draw(st.integers(0, 60)), data.draw(st.integers(0, 60))
    bottom, right = data.draw(st.integers(top + 20, 128)), data.draw(st.integers(left + 20, 128))
    window = (slice(top, bottom), slice(left, right))
    cut = separate(probability[window], **SMALL)

    regions, n = ndimage.label(probability > 0.3)
    inside_px = np.bincount(regions[window].ravel(), minlength=n + 1)
    contained = inside_px == np.bincount(regions.ravel(), minlength=n + 1)
    contained[0] = False
    in_contained = contained[regions[window]]
    np.testing.assert_array_equal(
        partition(np.where(in_contained, cut, 0)), partition(np.where(in_contained, whole[window], 0))
    )


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_matching_is_the_original(seed):
    original, like_original = by_the_recipe(field(seed)), separate(field(seed), match_original=True, **SMALL)
    np.testing.assert_array_equal(like_original > 0, original > 0)
    pairs = np.unique(np.stack([like_original[like_original > 0], original[like_original > 0]]), axis=1)
    assert (np.diff(pairs) > 0).all(), "the same buildings, in the same order"


def original_as_default(probability, **sizes):
    """The default's labels, and the original's under the numbers of the default's that grew from the same seeds."""
    default, like_original = separate(probability, **sizes), separate(probability, match_original=True, **sizes)
    seeds, _ = ndimage.label(probability > 0.7)
    cores = (np.bincount(seeds.ravel()) >= sizes.get("min_seed_px", 100))[seeds] & (seeds > 0) & (default > 0)
    default_of_original = np.zeros(like_original.max() + 1, int)
    default_of_original[like_original[cores]] = default[cores]
    as_default = default_of_original[like_original]
    assert sorted(default_of_original) == list(range(default.max() + 1)), "one building for each seed in both"
    np.testing.assert_array_equal(as_default[cores], default[cores])
    return default, as_default, np.where(cores, seeds, 0)


def test_default_departs_from_the_original_only_where_buildings_touch():
    moved_px = building_px = 0
    for seed in range(20):
        probability = field(seed)
        default, as_default, cores = original_as_default(probability, **SMALL)
        regions, n = ndimage.label(probability > 0.3)
        first_of_seeds = np.unique(cores, return_index=True)[1][1:]
        alone = np.bincount(regions.ravel()[first_of_seeds], minlength=n + 1)[regions] == 1
        np.testing.assert_array_equal(as_default[alone], default[alone])
        moved_px += (as_default != default).sum()
        building_px += (default > 0).sum()
    # On these fields most regions hold several seeds; on a town it is less than a thousandth.
    assert 0 < moved_px < 0.03 * building_px


def rows_of_houses(seed):
    """Blurred houses in rows, with gaps of 1 to 8 px, so that most touch their neighbours."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros((160, 160))
    top = 4
    while top < 126:
        left, bottom = 4, top + generator.integers(14, 26)
        while left < 126:
            right = left + generator.integers(12, 28)
            drawn[top + generator.integers(0, 5) : bottom, left:right] = 1
            left = right + generator.choice([1, 2, 3, 8])
        top = bottom + generator.choice([1, 2, 3, 9])
    return np.clip(ndimage.gaussian_filter(drawn, generator.uniform(1.5, 2.5)), 0, 1).astype(np.float32)


def test_default_departs_from_the_original_along_the_lines_between_houses():
    near_px = moved_px = building_px = 0
    for seed in range(60):
        probability = rows_of_houses(seed)
        default, as_default, _ = original_as_default(probability)
        regions, n = ndimage.label(probability > 0.3)
        has_building = np.bincount(regions.ravel(), default.ravel() > 0, n + 1) > 0
        line = (default == 0) & (regions > 0) & has_building[regions]
        moved = as_default != default
        near_px += (moved & ndimage.binary_dilation(line, np.ones((3, 3)))).sum()
        moved_px += moved.sum()
        building_px += (default > 0).sum()
    assert 0 < moved_px < 0.03 * building_px
    assert near_px > 0.99 * moved_px, "on the lines or beside them"


@pytest.mark.parametrize(
    ("probability", "options", "message"),
    [
        (np.full((4, 4), np.nan), {}, "NaN"),
        (np.full((4, 4), 1.01), {}, "outside 0..1"),
        (np.full((4, 4), -0.01), {}, "outside 0..1"),
        (np.zeros((4, 4), np.uint8), {}, "floating point"),
        (np.zeros((4, 4, 1)), {}, r"\(4, 4, 1\)"),
        (np.zeros((0, 4)), {}, r"\(0, 4\)"),
        (np.zeros((4, 4)), {"low": 0.8}, "low = 0.8 and high = 0.7"),
        (np.zeros((4, 4)), {"high": 1.2}, "high = 1.2"),
        (np.zeros((4, 4)), {"min_seed_px": -1}, "min_seed_px = -1"),
    ],
)
def test_faulty_input_is_refused(probability, options, message):
    with pytest.raises(InputError, match=message):
        separate(probability, **options)


def test_full_and_empty_tiles():
    assert separate(np.zeros((30, 31), np.float32)).max() == 0
    assert (separate(np.ones((30, 31), np.float32)) == 1).all()

"""Generated scenes: the same on every call, shaped like the challenge's tiles, and worth training on."""

import functools
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import towns
from towns import TOWNS, Scene, make_scene
from towns.labels import add_label_noise, relabel
from towns.noise import generator
from towns.render import cast_shadows, displace_by_height
from towns.scene import pick_town

NODATA = -32767
SAMPLE = [(seed, town) for town in TOWNS for seed in (1, 2, 3)]


@functools.cache
def scene(seed: int, town: str | None = None, size: int = 512, label_noise: bool = False) -> Scene:
    return make_scene(seed, size, town, label_noise)


def buildings_in_rows(truth: np.ndarray) -> set[int]:
    """Ids that share a pixel edge with another id."""
    ids = np.abs(truth)
    touching: set[int] = set()
    for one, other in ((ids[1:], ids[:-1]), (ids[:, 1:], ids[:, :-1])):
        wall = (one != other) & (one > 0) & (other > 0)
        touching |= set(one[wall].tolist()) | set(other[wall].tolist())
    return touching


def height_above_ground(made: Scene) -> np.ndarray:
    known = (made.dsm != NODATA) & (made.dtm != NODATA)
    return np.where(known, made.dsm - made.dtm, np.nan)


def assert_equal(one: Scene, other: Scene, names: tuple[str, ...] = ("rgb", "dsm", "dtm", "truth")) -> None:
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_the_package_does_not_depend_on_eaves():
    files = list(Path(towns.__file__).parent.glob("*.py"))
    assert len(files) > 10
    assert not [path for path in files if re.search(r"^\s*(from|import) eaves\b", path.read_text(), re.MULTILINE)]


def test_same_arguments_give_the_same_scene():
    assert_equal(make_scene(5, 160), make_scene(5, 160))


def test_seeds_and_towns_give_different_scenes():
    one = make_scene(5, 160, "suburb")
    for other in (make_scene(6, 160, "suburb"), make_scene(5, 160, "oldtown")):
        assert (one.rgb != other.rgb).mean() > 0.5
        assert (one.dsm != other.dsm).mean() > 0.5


def test_label_noise_changes_the_truth_only():
    clean, noisy = scene(1, "suburb"), scene(1, "suburb", label_noise=True)
    assert_equal(clean, noisy, ("rgb", "dsm", "dtm"))
    assert (clean.truth != noisy.truth).any()


def test_the_seed_picks_the_town():
    assert {pick_town(seed) for seed in range(20)} == set(TOWNS)
    assert_equal(make_scene(3, 128), make_scene(3, 128, pick_town(3)))


@pytest.mark.parametrize("size", [128, 200, 333])
def test_any_size_has_the_promised_arrays(size: int):
    made = make_scene(2, size)
    for array, dtype, shape in (
        (made.rgb, np.uint8, (size, size, 3)),
        (made.dsm, np.float32, (size, size)),
        (made.dtm, np.float32, (size, size)),
        (made.truth, np.int32, (size, size)),
    ):
        assert array.dtype == dtype
        assert array.shape == shape
    for heights in (made.dsm, made.dtm):
        known = heights[heights != NODATA]
        assert np.isfinite(known).all()
        assert known.min() > -100
        assert known.max() < 1000


@pytest.mark.parametrize(
    ("arguments", "message"), [((-1, 512), "seed -1"), ((0, 64), "size 64"), ((0, 512, "atlantis"), "atlantis")]
)
def test_impossible_arguments_are_named(arguments: tuple, message: str):
    with pytest.raises(ValueError, match=message):
        make_scene(*arguments)


def test_heights_have_holes_but_few():
    holes = [np.mean(scene(seed, town).dsm == NODATA) for seed, town in SAMPLE]
    assert 0.0005 < np.mean(holes) < 0.03
    assert any((scene(seed, town).dtm == NODATA).any() for seed, town in SAMPLE)


@pytest.mark.parametrize(("seed", "town"), SAMPLE)
def test_clean_truth_is_dense_and_each_building_one_piece(seed: int, town: str):
    truth = scene(seed, town).truth
    ids = np.unique(np.abs(truth[truth != 0]))
    np.testing.assert_array_equal(ids, np.arange(1, ids.size + 1))
    for number, box in enumerate(ndimage.find_objects(np.abs(truth)), start=1):
        assert ndimage.label(np.abs(truth[box]) == number)[1] == 1
        assert np.unique(truth[box][np.abs(truth[box]) == number]).size == 1


def test_number_of_buildings_and_share_in_rows_are_the_challenges():
    numbers = [int(np.abs(scene(seed, town).truth).max()) for seed, town in SAMPLE]
    rows = [len(buildings_in_rows(scene(seed, town).truth)) for seed, town in SAMPLE]
    assert 28 <= np.mean(numbers) <= 48
    assert min(numbers) >= 8
    assert max(numbers) <= 85
    assert 0.09 <= sum(rows) / sum(numbers) <= 0.20


def test_buildings_stand_above_the_ground_and_the_ground_is_low():
    medians = []
    for seed, town in SAMPLE:
        made = scene(seed, town)
        height = height_above_ground(made)
        ids = np.abs(made.truth)
        whole = [n for n in range(1, ids.max() + 1) if np.count_nonzero(ids == n) > 120]
        medians += [np.nanmedian(height[ids == n]) for n in whole]
        assert abs(np.nanmedian(height[ids == 0])) < 0.7
        assert np.nanmean(np.abs(height[ids == 0]) < 1.5) > 0.6
    assert np.mean(np.array(medians) > 2.5) > 0.93
    assert 4 < np.median(medians) < 8


def test_trees_are_as_high_as_houses():
    made = scene(2, "suburb")
    outside = height_above_ground(made)[ndimage.binary_dilation(made.truth != 0, iterations=4) == 0]
    assert np.nanmean(outside > 4) > 0.01


def test_the_picture_leans_but_the_truth_fits_the_heights():
    made = scene(3, "commercial")
    height = np.nan_to_num(height_above_ground(made))
    roofs = made.truth != 0
    scores = {
        (dy, dx): float(height[np.roll(roofs, (dy, dx), (0, 1))].mean()) for dy in (-6, 0, 6) for dx in (-6, 0, 6)
    }
    assert max(scores, key=lambda key: scores[key]) == (0, 0)


def test_a_wall_casts_its_shadow_away_from_the_sun():
    surface = np.zeros((64, 64), np.float32)
    surface[30:34, 20:44] = 10.0
    elevation = np.radians(45)
    sun = np.array([0.0, np.cos(elevation), np.sin(elevation)])
    shadow = cast_shadows(surface, sun, 0.5)
    assert shadow[14:28, 30].min() > 0.9, "10 m at 45 degrees reach 20 px to the north"
    assert shadow[:7, 30].max() < 0.1
    assert shadow[36:, :].max() < 0.1
    assert shadow[31:34, 22:42].max() < 0.1


def test_shadows_are_darker_than_lit_ground():
    for seed, town in SAMPLE[::3]:
        made = scene(seed, town)
        grey = made.rgb.astype(float).mean(-1)
        ground = ndimage.binary_dilation(made.truth != 0, iterations=6) == 0
        north = ndimage.shift((made.truth != 0).astype(np.uint8), (-5, 0), order=0) > 0
        south = ndimage.shift((made.truth != 0).astype(np.uint8), (5, 0), order=0) > 0
        bare = made.truth == 0
        assert grey[north & bare].mean() < 0.93 * grey[south & bare].mean()
        assert np.percentile(grey[ground], 2) < 0.6 * np.median(grey[ground])


def test_leaning_moves_a_roof_by_its_height():
    height = np.zeros((40, 40), np.float32)
    height[10:20, 10:20] = 10.0
    top = np.where(height[..., None] > 0, 200.0, 50.0).astype(np.float32).repeat(3, -1)
    below = np.full((40, 40, 3), 100, np.float32)
    seen = displace_by_height(top, below, height, np.array([0.2, 0.0]))[..., 0]
    assert (seen[12:18, 14:20] == 200).all()
    assert (seen[12:18, 10] < 150).all(), "the wall shows where the roof has moved away"
    assert (seen[12:18, :9] == 50).all()


def test_label_noise_removes_shifts_and_doubts_some():
    truth = np.zeros((1200, 1200), np.int32)
    for number in range(900):
        row, column = divmod(number, 30)
        truth[row * 40 + 10 : row * 40 + 30, column * 40 + 10 : column * 40 + 30] = number + 1
    noisy = add_label_noise(generator(3, "suburb", 1200, "test"), relabel(truth))
    left = np.unique(noisy[noisy != 0])
    assert 0.015 < 1 - left.size / 900 < 0.06
    assert 0.02 < np.mean(left < 0) < 0.07
    np.testing.assert_array_equal(np.sort(np.abs(left)), np.arange(1, left.size + 1))
    moved = 0
    for number, box in enumerate(ndimage.find_objects(np.abs(noisy)), start=1):
        assert np.count_nonzero(np.abs(noisy[box]) == number) == 400
        moved += box[0].start % 40 != 10 or box[1].start % 40 != 10
    assert 0.08 < moved / left.size < 0.22


def test_relabel_splits_regions_and_marks_slivers_uncertain():
    truth = np.zeros((40, 40), np.int32)
    truth[2:12, 2:12] = 7
    truth[20:30, 2:12] = 7
    truth[2:12, 12:22] = -3
    truth[36:39, 36:39] = 9
    relabelled = relabel(truth)
    assert relabelled[5, 5] == 1
    assert relabelled[5, 15] == -2
    assert relabelled[25, 5] == 3
    assert relabelled[37, 37] == -4
    np.testing.assert_array_equal(relabelled != 0, truth != 0)

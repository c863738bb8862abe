"""Crops beyond a tile's edge see it mirrored, and random ones reach every corner."""

from pathlib import Path

import numpy as np
import pytest

from eaves.core.errors import InputError
from eaves.tiles import crops
from eaves.tiles.crops import Tile


@pytest.fixture(scope="module")
def tile():
    generator = np.random.default_rng(1)
    image = generator.integers(-500, 500, (50, 70, 4)).astype(np.int16)
    return Tile("A", image, generator.integers(-3, 4, (50, 70)).astype(np.int32))


@pytest.mark.parametrize(
    ("top", "left", "crop_px"),
    [(0, 0, 50), (3, 7, 32), (-5, 0, 32), (0, -12, 32), (30, 50, 32), (-9, 61, 32), (-20, -10, 90), (-60, -80, 200)],
)
def test_a_crop_is_that_of_the_tile_padded_by_reflection(tile, top, left, crop_px):
    image, truth = crops.cut_crop(tile, top, left, crop_px)
    pad = 200
    window = np.s_[top + pad : top + pad + crop_px, left + pad : left + pad + crop_px]
    np.testing.assert_array_equal(image, np.pad(tile.image, ((pad, pad), (pad, pad), (0, 0)), "reflect")[window])
    np.testing.assert_array_equal(truth, np.sign(np.pad(tile.truth, pad, "reflect"))[window])
    assert (image.dtype, truth.dtype) == (np.int16, np.int8)


def test_a_crop_is_a_copy(tile):
    image, _ = crops.cut_crop(tile, 0, 0, 32)
    image[:] = 0
    assert tile.image[:32, :32].any()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_tile_of_few_pixels_is_mirrored_again_and_again(size):
    line = np.arange(size)
    expected = np.pad(line, 20, "reflect") if size > 1 else np.zeros(41, int)
    np.testing.assert_array_equal(line[crops.mirror_indices(-20, len(expected), size)], expected)


def test_random_crops_reach_both_mirrored_edges_and_not_beyond():
    generator = np.random.default_rng(1)
    corners = {crops.random_corner(generator, 100, 64, 12) for _ in range(3000)}
    assert corners == set(range(-12, 100 + 12 - 64 + 1))


@pytest.mark.parametrize(("size", "border"), [(20, 0), (20, 12), (63, 0)])
def test_a_tile_smaller_than_the_crop_is_in_its_middle(size, border):
    corner = crops.random_corner(np.random.default_rng(1), size, 64, border)
    before, after = -corner, corner + 64 - size
    assert abs(after - before) <= 1


@pytest.mark.parametrize("size", [10, 64, 65, 127, 128, 200, 2048])
def test_crops_in_a_grid_cover_the_tile_evenly(size):
    corners = crops.grid_corners(size, 64)
    covered = np.concatenate([np.arange(corner, corner + 64) for corner in corners])
    assert set(range(size)) <= set(covered.tolist())
    if size >= 64:
        assert (min(covered), max(covered)) == (0, size - 1)
        assert len(corners) == -(-size // 64)
        assert set(np.diff(corners)) <= {int((size - 64) / max(1, len(corners) - 1)) + extra for extra in (0, 1)}


def test_prepared_files_that_cannot_be_mapped_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=rf"{tmp_path}/A_image.tif.*run `snakemake tiles`"):
        crops.open_tile(tmp_path, "A")

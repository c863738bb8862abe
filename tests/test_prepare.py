"""Raw tiles of every kind become one image on the orthophoto's grid."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.warp import transform, transform_bounds
from toy import CONFIG, GRID, HEIGHT_NODATA, SIZE, read, scene, write_raster, write_tile

from eaves.tiles.prepare import prepare as prepare_tile
from eaves.tiles.prepared import NODATA

PREPARE = CONFIG["prepare"]
METRES_UP = 3.0  # of the plane at the orthophoto's corner


def prepare(files, **settings):
    """Prepares a tile; gives the image, (4, H, W), the truth, and what is told of them."""
    folder = files.rgb.parent.parent
    image, truth = folder / "image.tif", folder / "truth.tif"
    told = prepare_tile(files, image, truth, PREPARE | settings)
    return read(image), read(truth) if files.gti else None, told


def plane(x, y):
    """Metres above ground; rises to the east and falls to the north."""
    left, top = GRID["transform"] @ (0, 0)
    return METRES_UP + 0.3 * (x - left) + 0.2 * (top - y)


def write_plane(path, crs, resolution, margin=20):
    """Writes the plane as a height model on a grid of its own that covers the orthophoto and some more."""
    left, top = GRID["transform"] @ (0, 0)
    right, bottom = GRID["transform"] @ (SIZE, SIZE)
    bounds = transform_bounds(GRID["crs"], crs, left - margin, bottom - margin, right + margin, top + margin)
    width, height = (int((bounds[side + 2] - bounds[side]) / resolution) for side in (0, 1))
    place = Affine(resolution, 0, bounds[0], 0, -resolution, bounds[3])
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = place @ (columns.ravel(), rows.ravel())
    x, y = (np.reshape(values, (height, width)) for values in transform(crs, GRID["crs"], x, y))
    path.unlink()
    return write_raster(path, plane(x, y).astype(np.float32), crs=crs, transform=place, nodata=HEIGHT_NODATA)


def flat_ground(files):
    write_raster(files.dtm, np.zeros((SIZE, SIZE), np.float32), nodata=HEIGHT_NODATA)


@pytest.mark.parametrize(
    ("crs", "resolution"),
    [
        (GRID["crs"], 0.5),
        (GRID["crs"], 1.0),
        (GRID["crs"], 0.3),
        ("EPSG:32616", 0.7),
        ("EPSG:4326", 6e-6),
        ("EPSG:2236", 2.0),  # feet
    ],
)
def test_a_height_model_on_another_grid_is_brought_onto_the_orthophotos(raw_tile, crs, resolution):
    flat_ground(raw_tile)
    write_plane(raw_tile.dsm, crs, resolution)
    image, _, told = prepare(raw_tile)
    columns, rows = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    x, y = GRID["transform"] @ (columns, rows)
    error_cm = image[3] - 100 * plane(x, y)
    assert np.abs(error_cm).max() < 5  # the plane rises by 18 cm from pixel to pixel: a quarter of a pixel
    assert np.abs(error_cm.mean()) < 1
    assert told.nodata == 0


LEFT, TOP = GRID["transform"] @ (0, 0)
RIGHT, BOTTOM = GRID["transform"] @ (SIZE, SIZE)
# The orthophoto's very pixels in another order: the grid, and what brings an array of north-up rows into that order.
TURNED = {
    "south-up": (Affine(0.5, 0, LEFT, 0, 0.5, BOTTOM), lambda array: array[..., ::-1, :]),
    "east-left": (Affine(-0.5, 0, RIGHT, 0, -0.5, TOP), lambda array: array[..., ::-1]),
    "turned by 90 degrees": (
        Affine(0, 0.5, LEFT, 0.5, 0, BOTTOM),
        lambda array: np.swapaxes(array[..., ::-1, :], -1, -2),
    ),
    "turned round": (Affine(-0.5, 0, RIGHT, 0, 0.5, BOTTOM), lambda array: array[..., ::-1, ::-1]),
}


@pytest.mark.parametrize("grid", TURNED)
@pytest.mark.parametrize("kinds", [("dsm",), ("dtm",), ("dsm", "dtm")])
def test_a_height_model_that_runs_another_way_gives_the_same_tile(raw_tile, grid, kinds):
    north_up, truth, told = prepare(raw_tile)
    place, order = TURNED[grid]
    for kind in kinds:
        path = getattr(raw_tile, kind)
        write_raster(path, order(read(path)), transform=place, nodata=HEIGHT_NODATA)
    image, truth_again, told_again = prepare(raw_tile)
    np.testing.assert_array_equal(image, north_up)
    np.testing.assert_array_equal(truth_again, truth)
    assert told_again.nodata == told.nodata


@pytest.mark.parametrize("grid", TURNED)
def test_an_orthophoto_that_runs_another_way_gives_the_same_tile_in_its_order(raw_tile, grid):
    north_up, truth, _ = prepare(raw_tile)
    place, order = TURNED[grid]
    write_raster(raw_tile.rgb, order(read(raw_tile.rgb)), transform=place)
    for path in (raw_tile.gti, raw_tile.gtl):
        write_raster(path, order(read(path)), transform=place)
    image, truth_again, _ = prepare(raw_tile)
    np.testing.assert_array_equal(image, order(north_up))
    np.testing.assert_array_equal(truth_again, order(truth))
    with rasterio.open(raw_tile.rgb.parent.parent / "image.tif") as made:
        assert made.transform == place


def test_a_rotated_orthophoto_gets_the_heights_of_its_place(raw_tile):
    flat_ground(raw_tile)
    rgb, middle = read(raw_tile.rgb), GRID["transform"] @ (SIZE / 2, SIZE / 2)
    place = (
        Affine.translation(*middle) @ Affine.rotation(30) @ Affine.translation(*(-np.array(middle))) @ GRID["transform"]
    )
    write_raster(raw_tile.rgb, rgb, transform=place)
    write_plane(raw_tile.dsm, GRID["crs"], 0.5, margin=60)
    write_raster(raw_tile.dtm, np.zeros((40, 40), np.float32), transform=Affine(10, 0, LEFT - 150, 0, -10, TOP + 150))
    image, _, _ = prepare(replace(raw_tile, gti=None, gtl=None))
    columns, rows = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    error_cm = image[3] - 100 * plane(*(place @ (columns, rows)))
    assert np.abs(error_cm).max() < 5


def test_where_a_height_model_ends_nothing_is_known(raw_tile):
    flat_ground(raw_tile)
    shifted = GRID["transform"] @ Affine.translation(40.4, 0)
    write_raster(raw_tile.dsm, np.full((SIZE, SIZE), 7, np.float32), transform=shifted)
    image, _, told = prepare(raw_tile)
    assert (image[3, :, :40] == NODATA).all()
    assert (image[3, :, 41:] == 700).all()
    assert told.nodata == pytest.approx(40 / SIZE, abs=1.1 / SIZE)


def test_holes_stay_holes_when_resampled(raw_tile):
    flat_ground(raw_tile)
    dsm = np.full((SIZE, SIZE), 7, np.float32)
    dsm[50:70, 50:70] = HEIGHT_NODATA
    write_raster(raw_tile.dsm, dsm, transform=GRID["transform"] @ Affine.translation(0.4, 0.4), nodata=HEIGHT_NODATA)
    image, _, _ = prepare(raw_tile)
    assert (image[3, 52:69, 52:69] == NODATA).all()
    assert set(np.unique(image[3])) == {NODATA, 700}


def test_grids_that_differ_by_rounding_are_the_same(raw_tile):
    place = GRID["transform"] @ Affine.translation(0.004, -0.004)
    write_raster(raw_tile.dsm, read(raw_tile.dsm), transform=place, nodata=HEIGHT_NODATA)
    moved, _, _ = prepare(raw_tile)
    write_raster(raw_tile.dsm, read(raw_tile.dsm), nodata=HEIGHT_NODATA)
    np.testing.assert_array_equal(moved, prepare(raw_tile)[0])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_other_than_eight_bits_are_scaled_alike_in_all_bands(raw_tile, dtype):
    rgb = read(raw_tile.rgb)
    write_raster(raw_tile.rgb, (rgb * 40.0 + 300).astype(dtype))
    by_percentile, _, _ = prepare(raw_tile)
    low, high = np.percentile(rgb, PREPARE["rgb_percentiles"])
    expected = np.clip((rgb - low) * 255 / (high - low), 0, 255)
    assert np.abs(by_percentile[:3] - expected).max() <= 1
    by_range, _, _ = prepare(raw_tile, rgb_range=[300, 300 + 255 * 40])
    np.testing.assert_array_equal(by_range[:3], rgb)


def test_eight_bits_are_kept_unless_a_range_is_set(raw_tile):
    rgb = read(raw_tile.rgb)
    np.testing.assert_array_equal(prepare(raw_tile)[0][:3], rgb)
    stretched, _, _ = prepare(raw_tile, rgb_range=[50, 150])
    np.testing.assert_allclose(stretched[:3], np.clip((rgb - 50.0) * 2.55, 0, 255), atol=0.51)


def test_a_transparent_pixel_has_no_colour(raw_tile):
    rgb = read(raw_tile.rgb)
    alpha = np.full((1, SIZE, SIZE), 255, np.uint8)
    alpha[0, :30] = 0
    write_raster(raw_tile.rgb, np.concatenate([rgb, alpha]), photometric="rgb", alpha="yes")
    with rasterio.open(raw_tile.rgb) as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    image, _, _ = prepare(raw_tile)
    assert (image[:3, :30] == NODATA).all()
    np.testing.assert_array_equal(image[:3, 30:], rgb[:, 30:])


@pytest.mark.parametrize("rgb_range", ["auto", [0, 255]])
@pytest.mark.parametrize("nodata", [None, np.nan, -9999])
def test_a_colour_that_is_no_number_is_not_known(raw_tile, nodata, rgb_range):
    rgb = read(raw_tile.rgb).astype(np.float32)
    known, _, _ = prepare(raw_tile, rgb_range=[0, 255])
    rgb[:, :5], rgb[1, 10, 10], rgb[0, 20, 20], rgb[2, 30, 30] = np.nan, np.nan, np.inf, -np.inf
    write_raster(raw_tile.rgb, rgb, nodata=nodata)
    unknown = ~np.isfinite(rgb).all(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image, _, _ = prepare(raw_tile, rgb_range=rgb_range)
    assert (image[:3, unknown] == NODATA).all()
    assert (image[:3, ~unknown] != NODATA).all()
    if rgb_range != "auto":
        np.testing.assert_array_equal(image[:3, ~unknown], known[:3, ~unknown])


def test_the_bands_asked_for_are_red_green_and_blue(raw_tile):
    rgb = read(raw_tile.rgb)
    infrared = 255 - rgb[:1]
    write_raster(raw_tile.rgb, np.concatenate([rgb, infrared]), photometric="minisblack")
    image, _, _ = prepare(raw_tile, bands=[4, 1, 2])
    np.testing.assert_array_equal(image[:3], np.concatenate([infrared, rgb[:2]]))


def odd_tile(folder, height=131, width=97):
    """A tile whose height, width and middle are no round numbers."""
    files = write_tile(folder, "A")
    for path in files.present():
        with rasterio.open(path) as dataset:
            nodata, array = dataset.nodata, dataset.read()[:, :height, :width]
        write_raster(path, array, nodata=nodata)
    return files


def test_any_size_will_do(tmp_path):
    image, truth, told = prepare(odd_tile(tmp_path / "raw"))
    made = scene()
    assert (told.height, told.width) == truth.shape == image.shape[1:] == (131, 97)
    np.testing.assert_array_equal(image[:3], np.moveaxis(made.rgb, 2, 0)[:, :131, :97])
    assert set(np.unique(np.abs(truth))) == set(np.unique(np.abs(made.truth[:131, :97])))
    assert told.buildings == len(set(np.unique(truth)) - {0})


def test_strips_give_the_same_file_as_one_piece(tmp_path, monkeypatch):
    files = odd_tile(tmp_path / "raw")
    whole = prepare_tile(files, tmp_path / "a.tif", tmp_path / "a_truth.tif", PREPARE)
    monkeypatch.setattr("eaves.tiles.prepare.STRIP_ROWS", 37)
    strips = prepare_tile(files, tmp_path / "b.tif", tmp_path / "b_truth.tif", PREPARE)
    assert strips == whole
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_strips_of_resampled_heights_agree_to_the_centimetre(tmp_path, monkeypatch):
    files = odd_tile(tmp_path / "raw")
    write_plane(files.dsm, "EPSG:32616", 0.7)
    whole, _, _ = prepare(files)
    monkeypatch.setattr("eaves.tiles.prepare.STRIP_ROWS", 37)
    strips, _, _ = prepare(files)
    known = whole[3] != NODATA
    np.testing.assert_array_equal(strips[3] != NODATA, known)
    np.testing.assert_allclose(strips[3][known], whole[3][known], atol=1)


def test_the_hash_of_a_tile_follows_the_content_of_each_of_its_files(raw_tile):
    first = prepare(raw_tile)[2]
    assert prepare(raw_tile)[2] == first
    hashes = {first.sha256, prepare(replace(raw_tile, gtl=None))[2].sha256}
    for path in raw_tile.present():
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        hashes.add(prepare(raw_tile)[2].sha256)
        path.write_bytes(content)
    assert len(hashes) == 7


def test_a_tile_without_truth_has_none(raw_tile):
    _, truth, told = prepare(replace(raw_tile, gti=None, gtl=None))
    assert (truth, told.buildings, told.truth_sha256) == (None, None, None)
    assert not (raw_tile.rgb.parent.parent / "truth.tif").exists()


def test_what_the_truth_declares_as_nodata_is_ground(raw_tile):
    _, truth, told = prepare(raw_tile)
    for dtype, nodata in (("uint16", 65535), ("uint32", 2**32 - 1), ("int32", -9999)):
        ids = np.abs(truth).astype(dtype)
        ids[truth == 0] = nodata
        write_raster(raw_tile.gti, ids, nodata=nodata)
        _, again, told_again = prepare(raw_tile)
        np.testing.assert_array_equal(again, truth)
        assert told_again.buildings == told.buildings

"""Colours and heights in one array: worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eaves.core.errors import InputError
from eaves.tiles import heights, prepared
from eaves.tiles.colours import scale_to_uint8
from eaves.tiles.prepared import NODATA
from eaves.tiles.truth import signed_truth

NAN = np.nan


def test_height_is_surface_less_ground_where_both_are_known():
    dsm = np.array([[12.5, -9, 7, 3]], np.float32)
    dtm = np.array([[10.0, 1, NAN, 4]], np.float32)
    height_m, valid = heights.height_above_ground(dsm, dtm, -9, NAN)
    assert valid.tolist() == [[True, False, False, True]]
    np.testing.assert_array_equal(height_m, np.array([[2.5, NAN, NAN, -1]], np.float32))
    assert height_m.dtype == np.float32


def test_without_a_nodata_value_every_pixel_counts():
    height_m, valid = heights.height_above_ground(np.array([[-32767.0]]), np.array([[0.0]]), None, None)
    assert (height_m[0, 0], valid[0, 0]) == (-32767, True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_surfaces_below_the_ground_do_not_wrap_around(dtype):
    height_m, _ = heights.height_above_ground(np.array([[5]], dtype), np.array([[7]], dtype), None, 255)
    assert height_m.tolist() == [[-2]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_nodata_value_that_is_no_round_number_is_recognised(dtype):
    assert heights.valid_mask(np.array([[-9999.9, 1]], dtype), -9999.9).tolist() == [[False, True]]
    lowest = -3.4028234663852886e38  # of float32, as GDAL writes it
    assert heights.valid_mask(np.array([[lowest, 1]], dtype), lowest).tolist() == [[False, True]]


def test_height_models_of_different_size_are_refused():
    with pytest.raises(ValueError, match="not on one grid"):
        heights.height_above_ground(np.zeros((2, 3)), np.zeros((3, 2)), None, None)


def test_packed_heights_are_centimetres_and_come_back():
    height_m = np.array([[0.004, 0.006, -1.237, 400, -400, NAN]], np.float32)
    rgb = np.arange(18, dtype=np.uint8).reshape(3, 1, 6)
    image = prepared.pack(rgb, np.array([[True] * 5 + [False]]), height_m)
    assert image.dtype == np.int16
    assert image[3].tolist() == [[0, 1, -124, 32767, -32767, NODATA]]
    assert image[:3, 0, :5].tolist() == rgb[:, 0, :5].tolist()
    assert image[:3, 0, 5].tolist() == [NODATA] * 3
    np.testing.assert_allclose(prepared.height_in_metres(image[3]), [[0, 0.01, -1.24, 327.67, -327.67, NAN]], rtol=1e-6)


def test_colours_are_scaled_between_low_and_high_and_cut_off_beyond():
    rgb = np.array([0, 100, 1100, 2100, 65535], np.uint16).reshape(1, 1, 5).repeat(3, axis=0)
    assert scale_to_uint8(rgb, 100, 2100)[2].tolist() == [[0, 0, 128, 255, 255]]
    assert scale_to_uint8(rgb, 100, 2100).dtype == np.uint8


def test_a_building_is_uncertain_where_most_of_its_pixels_are():
    gti = np.array([[7, 7, 7, 0, 2, 2, 9, 9]], np.uint16)
    gtl = np.array([[65, 65, 6, 65, 65, 6, 6, 6]], np.uint8)
    truth = signed_truth(gti, gtl)
    assert truth.tolist() == [[-7, -7, -7, 0, 2, 2, 9, 9]]
    assert truth.dtype == np.int32


def test_without_classes_ids_are_kept_as_they_are():
    gti = np.array([[-3, 0, 5]], np.int16)
    assert signed_truth(gti, None).tolist() == [[-3, 0, 5]]
    assert signed_truth(gti, np.array([[6, 2, 6]])).tolist() == [[-3, 0, 5]]


@given(
    gti=st.sampled_from(["uint8", "int16", "uint32", "int64", "uint64"]).flatmap(lambda dtype: arrays(dtype, (2, 5))),
    uncertain=arrays(bool, (2, 5)),
)
@settings(max_examples=200, deadline=None)
def test_ids_are_kept_whatever_their_type_or_refused(gti, uncertain):
    """No id becomes another one, and a building is where it was."""
    fits = all(-(2**31) < int(value) < 2**31 for value in gti.ravel())
    for gtl in (None, np.where(uncertain, 65, 6)):
        if not fits:
            with pytest.raises(InputError, match=r"truth: the id -?[0-9]+ does not fit into 32 bits"):
                signed_truth(gti, gtl)
            continue
        truth = signed_truth(gti, gtl)
        np.testing.assert_array_equal(np.abs(truth.astype(np.int64)), np.abs(gti.astype(np.int64)))
        np.testing.assert_array_equal(truth[gti <= 0], gti[gti <= 0])

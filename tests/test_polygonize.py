"""Outlines must follow the pixel edges exactly, be valid, and carry the figures worked out by hand."""

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio import Affine

from eaves.core.errors import InputError
from eaves.vector.attributes import attributes
from eaves.vector.polygonize import outlines, polygons

HALF_METRE = Affine(0.5, 0, 1000, 0, -0.5, 2000)

RING_TOUCHING_ITSELF = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
"""The hole in the middle and the ground outside meet in a corner."""

TWO_HOLES_IN_A_CORNER = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]])


def burnt(shapes, shape):
    """Burn the polygons into a raster."""
    if not shapes:
        return np.zeros(shape, np.int32)
    return rasterio.features.rasterize([(polygon, i) for i, polygon in shapes], out_shape=shape, dtype="int32")


@given(
    labels=st.one_of(
        arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=10), elements=st.integers(0, 3)),
        arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.integers(0, 1)),
    )
)
@example(labels=RING_TOUCHING_ITSELF)
@example(labels=TWO_HOLES_IN_A_CORNER)
@example(labels=np.eye(4, dtype=int))
@settings(max_examples=300, deadline=None)
def test_any_labels_give_valid_polygons_that_burn_back(labels):
    shapes = polygons(labels)
    assert [number for number, _ in shapes] == [i for i in np.unique(labels).tolist() if i != 0]
    for number, polygon in shapes:
        assert shapely.is_valid(polygon), shapely.is_valid_reason(polygon)
        assert polygon.area == (labels == number).sum()
    np.testing.assert_array_equal(burnt(shapes, labels.shape), labels)


def test_polygons_by_hand():
    labels = np.zeros((6, 7), np.int32)
    labels[1:4, 2:6] = 3
    labels[2, 3] = 0
    ((number, polygon),) = polygons(labels)
    assert number == 3
    assert set(polygon.exterior.coords) == {(2, 1), (6, 1), (6, 4), (2, 4)}
    assert len(polygon.exterior.coords) == 5, "corners only"
    assert [set(ring.coords) for ring in polygon.interiors] == [{(3, 2), (4, 2), (4, 3), (3, 3)}]


def test_diagonal_pixels_are_holes_that_touch_or_pieces():
    ((_, ring),) = polygons(RING_TOUCHING_ITSELF)
    assert ring.geom_type == "Polygon" and len(ring.interiors) == 1
    ((_, corner),) = polygons(TWO_HOLES_IN_A_CORNER)
    assert len(corner.interiors) == 2
    ((_, pieces),) = polygons(np.eye(3, dtype=np.int64) * 10**12)
    assert pieces.geom_type == "MultiPolygon" and len(pieces.geoms) == 3


def test_agrees_with_gdal_on_a_larger_raster():
    labels = np.kron(np.random.default_rng(1).integers(0, 4, (40, 40)), np.ones((3, 5), int)).astype(np.int32)
    labels = np.where(labels > 0, pieces_of(labels), 0).astype(np.int32)
    ours = dict(polygons(labels))
    theirs = {int(i): shapely.geometry.shape(s) for s, i in rasterio.features.shapes(labels, mask=labels > 0)}
    assert ours.keys() == theirs.keys()
    assert all(ours[i].equals(theirs[i]) for i in ours)


def pieces_of(labels):
    pieces, n = np.zeros(labels.shape, int), 0
    for value in (1, 2, 3):
        for shape, _ in rasterio.features.shapes(labels, mask=labels == value):
            n += 1
            pieces += n * rasterio.features.rasterize([(shape, 1)], out_shape=labels.shape)
    return pieces


def test_attributes_by_hand():
    labels = np.array([[0, 0, 0, 0, 5], [0, 2, 2, 2, 0], [0, 2, 2, 0, 0], [0, 0, 0, 0, 0]])
    height_m = np.full(labels.shape, 99.0)
    height_m[labels == 2] = [1, 2, 3, 4, np.nan]
    height_m[labels == 5] = np.nan
    probability = np.zeros(labels.shape, np.float32)
    probability[labels == 2] = [0.5, 0.75, 1, 1, 0.5]
    probability[labels == 5] = 0.25
    ground_m = np.where(labels == 2, 7.5, np.nan)
    ground_m[1, 1:4] = [8, 9, np.nan]
    table = attributes(labels, height_m, probability, ground_m)
    assert table["id"].tolist() == [2, 5]
    assert table["area_px"].tolist() == [5, 1]
    # Of 1, 2, 3, 4: the median lies between 2 and 3, the 95th percentile at place 0.95 * 3 = 2.85.
    np.testing.assert_allclose(table["height_m"], [2.5, np.nan])
    np.testing.assert_allclose(table["height_p95_m"], [3.85, np.nan])
    np.testing.assert_allclose(table["ground_m"], [7.75, np.nan])  # of 7.5, 7.5, 8, 9
    assert table["confidence"].tolist() == [0.75, 0.25]
    assert table["touches_edge"].tolist() == [False, True]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_attributes_are_what_numpy_says(seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, (12, 13)) * 1000
    height_m = np.where(generator.random(labels.shape) < 0.3, np.nan, generator.random(labels.shape))
    height_m = height_m.astype(np.float32)
    table = attributes(labels, height_m, height_m * 0 + 0.5)
    for row in table.itertuples():
        roof = height_m[labels == row.id]
        assert row.area_px == roof.size
        np.testing.assert_allclose(row.height_m, np.nanmedian(roof), rtol=1e-6)
        np.testing.assert_allclose(row.height_p95_m, np.nanquantile(roof, 0.95), rtol=1e-6)


def tower_and_hut():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 4:8], labels[0:2, 12:16] = 1, 2
    return labels, np.where(labels == 1, 30.0, 3.0), np.full(labels.shape, 0.875)


def test_outlines_in_map_units():
    labels, height_m, probability = tower_and_hut()
    frame = outlines(labels, HALF_METRE, "EPSG:32617", "JAX_1", height_m, probability)
    assert frame.columns.tolist() == [
        "tile", "id", "area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence", "touches_edge",
        "regularized", "geometry",
    ]  # fmt: skip
    assert frame.crs.to_epsg() == 32617
    assert frame["tile"].tolist() == ["JAX_1", "JAX_1"]
    # 10 x 4 px of 0.5 m: 5 m by 2 m.
    assert frame["area_m2"].tolist() == [10, 2] and frame["perimeter_m"].tolist() == [14, 6]
    assert frame["height_m"].tolist() == [30, 3] and frame["confidence"].tolist() == [0.875, 0.875]
    assert frame["touches_edge"].tolist() == [False, True]
    assert frame.geometry[0].bounds == (1002, 1992.5, 1004, 1997.5)


def test_sizes_are_metres_whatever_the_unit_of_the_crs():
    labels, height_m, probability = tower_and_hut()
    feet = outlines(labels, HALF_METRE, "EPSG:2236", "t", height_m, probability)
    np.testing.assert_allclose(feet["area_m2"], np.array([10, 2]) * (1200 / 3937) ** 2)
    np.testing.assert_allclose(feet["perimeter_m"], np.array([14, 6]) * (1200 / 3937))
    # On the equator a degree is 111,319.49 m along it and 110,574.28 m across it (WGS 84).
    degrees = outlines(labels, Affine(1e-5, 0, 20, 0, -1e-5, 0), "EPSG:4326", "t", height_m, probability)
    np.testing.assert_allclose(degrees["area_m2"], np.array([40, 8]) * 1.1131949 * 1.1057428, rtol=1e-4)
    np.testing.assert_allclose(
        degrees["perimeter_m"], [8 * 1.1131949 + 20 * 1.1057428, 8 * 1.1131949 + 4 * 1.1057428], rtol=1e-4
    )


def test_what_is_not_given_is_not_known():
    labels, height_m, probability = tower_and_hut()
    frame = outlines(labels, HALF_METRE, "EPSG:32617", "t")
    for unknown in ("height_m", "height_p95_m", "ground_m", "confidence"):
        assert frame[unknown].isna().all() and frame[unknown].dtype == float
    full = outlines(labels, HALF_METRE, "EPSG:32617", "t", height_m, probability, np.full(labels.shape, 4.5))
    assert full["ground_m"].tolist() == [4.5, 4.5]
    known = ["tile", "id", "area_m2", "perimeter_m", "touches_edge", "regularized", "geometry"]
    assert frame[known].equals(full[known])


@pytest.mark.parametrize(
    ("crs", "metres"),
    [(None, (1, 1)), ("EPSG:32617", (1, 1)), ("EPSG:2236", (3937 / 1200, 3937 / 1200)), ("EPSG:4326", ())],
)
def test_the_tolerance_is_metres_whatever_the_unit_of_the_crs(crs, metres):
    """A house turned by 30 degrees on the ground becomes a rectangle; a tolerance below the pixel draws every step."""
    row, column = np.indices((60, 60)) - 30
    along, across = column * 3**0.5 / 2 + row / 2, row * 3**0.5 / 2 - column / 2
    house = ((np.abs(along) < 22) & (np.abs(across) < 12)).astype(np.int32)
    # Around 60 degrees north a degree of longitude is half as long as one of latitude.
    units = metres or (1 / 55800, 1 / 111412)
    grid = Affine(0.5 * units[0], 0, 20, 0, -0.5 * units[1], 60)
    frame = outlines(house, grid, crs, "t", tolerance_m=1.0)
    assert frame["regularized"].all() and frame["perimeter_m"].dtype == float
    assert len(frame.geometry[0].exterior.coords) == 5
    np.testing.assert_allclose(frame["perimeter_m"], 2 * (22 + 12), atol=1.5)
    np.testing.assert_allclose(frame["area_m2"], 22 * 12, rtol=0.05)
    exact = outlines(house, grid, crs, "t")
    assert not exact["regularized"].any()
    assert len(outlines(house, grid, crs, "t", tolerance_m=0.01).geometry[0].exterior.coords) > 40


def test_turned_grid():
    labels, height_m, probability = tower_and_hut()
    # Turned by 30 degrees, pixels of 2 m.
    turned = outlines(labels, Affine(3**0.5, -1, 0, 1, 3**0.5, 0), None, "t", height_m, probability)
    np.testing.assert_allclose(turned["area_m2"], [160, 32])


def test_no_building():
    empty = np.zeros((8, 9), np.int32)
    assert polygons(empty) == []
    frame = outlines(empty, HALF_METRE, "EPSG:4326", "t", np.zeros((8, 9)), np.zeros((8, 9)))
    assert len(frame) == 0 and frame.crs.to_epsg() == 4326 and "area_m2" in frame


def test_faulty_input_is_refused():
    labels, height_m, probability = tower_and_hut()
    with pytest.raises(InputError, match=r"height_m has shape \(19, 20\), but labels has shape \(20, 20\)"):
        attributes(labels, height_m[1:], probability)
    with pytest.raises(InputError, match="labels is 2-dimensional float64"):
        polygons(labels.astype(float))

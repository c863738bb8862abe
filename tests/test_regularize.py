"""Regularised outlines must be valid, apart from each other, and within the tolerance of the exact ones everywhere."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from toy import PROJECT_ROOT, read, scene

from eaves.vector.polygonize import polygons
from eaves.walls.deviation import within_distance
from eaves.walls.regularize import boundary_edges, fill_holes, regularize

HALF_METRE = np.array([[0.5, 0], [0, -0.5]])


def exact_of(labels):
    shapes = polygons(labels)
    found = np.empty(len(shapes), object)
    found[:] = [shape for _, shape in shapes]
    return found


def drawn(labels, tolerance_m, pixel_to_m=HALF_METRE):
    """Exact and regularised outlines in metres, and which were fitted."""
    exact = exact_of(labels)
    found, fitted = regularize(exact, pixel_to_m, tolerance_m, labels.shape)
    return (*(shapely.transform(shapes, lambda corners: corners @ pixel_to_m.T) for shapes in (exact, found)), fitted)


def assert_keeps_the_promises(labels, tolerance_m, pixel_to_m=HALF_METRE):
    exact, found, fitted = drawn(labels, tolerance_m, pixel_to_m)
    assert len(found) == len(exact) == len(fitted)
    rows, columns = labels.shape
    tile = shapely.transform(shapely.box(0, 0, columns, rows), lambda corners: corners @ pixel_to_m.T)
    for one, other in zip(exact, found, strict=True):
        assert other.is_valid and other.geom_type == one.geom_type
        assert shapely.get_num_geometries(other) == shapely.get_num_geometries(one)
        assert shapely.difference(other, tile, grid_size=1e-6).area < 1e-4
        # Buffers are drawn by polygons, a little too small: of 1 / cos(pi / 128), not 2 thousandths.
        wide = tolerance_m * 1.002
        rim = fill_holes(one, tolerance_m).boundary
        exactly = one.equals(other)
        assert exactly or rim.buffer(wide, quad_segs=32).covers(other.boundary)
        assert exactly or other.boundary.buffer(wide, quad_segs=32).covers(rim)
        # What was filled lies within the tolerance of the building.
        assert one.buffer(wide, quad_segs=32).covers(other)
    first, second = shapely.STRtree(found).query(found, predicate="intersects")
    apart = first < second
    common = shapely.intersection(found[first[apart]], found[second[apart]], grid_size=1e-6)
    assert (shapely.area(common) < 2e-4).all()
    return fitted


RAGGED = np.random.default_rng(5).random((40, 40)) < 0.6
COURTYARD_WITH_A_SHED = np.pad(np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]], np.int32).repeat(5, 0).repeat(5, 1), 2)


@given(
    labels=st.one_of(
        arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3)),
        arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 3)).map(
            lambda small: np.kron(small, np.ones((5, 4), np.int32))
        ),
    ),
    tolerance_m=st.sampled_from([0.2, 0.5, 1.0, 2.5]),
)
@example(labels=ndimage.label(RAGGED)[0].astype(np.int32), tolerance_m=1.0)
@example(labels=COURTYARD_WITH_A_SHED, tolerance_m=0.5)
@example(labels=COURTYARD_WITH_A_SHED, tolerance_m=2.5)
@settings(max_examples=100, deadline=None)
def test_any_labels(labels, tolerance_m):
    assert_keeps_the_promises(labels, tolerance_m)


@given(seed=st.integers(0, 10**6), tolerance_m=st.sampled_from([0.5, 1.0]))
@settings(max_examples=10, deadline=None)
def test_touching_buildings_of_any_shape(seed, tolerance_m):
    """Cells around random points, without a pixel between them."""
    generator = np.random.default_rng(seed)
    points = np.zeros((64, 64), np.int32)
    points[tuple(generator.integers(0, 64, (2, 12)))] = 1 + np.arange(12)
    nearest = ndimage.distance_transform_edt(points == 0, return_distances=False, return_indices=True)
    assert_keeps_the_promises(points[tuple(nearest)], tolerance_m)


def turned_rectangle(angle_deg, size=(24.0, 14.0), shape=(100, 100), scale=0.5):
    """Pixels of half a metre whose centre lies in a rectangle of so many metres, turned about the middle."""
    row, column = np.indices(shape)
    x, y = (column - shape[1] / 2 + 0.5) * scale, -(row - shape[0] / 2 + 0.5) * scale
    angle = np.radians(angle_deg)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return ((np.abs(along) < size[0] / 2) & (np.abs(across) < size[1] / 2)).astype(np.int32)


@pytest.mark.parametrize("angle_deg", [0, 3, 17, 30, 44, 45, 46, 71, 89])
@pytest.mark.parametrize("tolerance_m", [0.75, 1.0])
def test_a_turned_rectangle_becomes_a_rectangle(angle_deg, tolerance_m):
    _, (found,), (fitted,) = drawn(turned_rectangle(angle_deg), tolerance_m)
    assert fitted
    corners = shapely.get_coordinates(found)[:-1]
    assert len(corners) == 4
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*sides.T)
    np.testing.assert_allclose(sorted(lengths), [14, 14, 24, 24], atol=0.36)  # half a pixel's diagonal
    np.testing.assert_allclose((sides * np.roll(sides, -1, axis=0)).sum(axis=1), 0, atol=1e-9 * 24 * 14)
    angles = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))[lengths > 19] % 180
    np.testing.assert_allclose((angles - angle_deg + 90) % 180 - 90, 0, atol=1.2)  # half a pixel over 24 m


def test_a_slanting_wall_stays_slanting_and_a_courtyard_stays():
    labels = turned_rectangle(20, (30, 20))
    row, column = np.indices(labels.shape)
    labels[(np.abs(row - 50) < 8) & (np.abs(column - 50) < 8)] = 0  # 7.5 m, along the pixels
    _, (court,), (fitted,) = drawn(labels, 1.0)
    assert fitted and len(court.interiors) == 1
    triangle = np.tril(np.ones((60, 60), np.int32))
    _, (found,), (fitted,) = drawn(np.pad(triangle, 3), 1.0)
    assert fitted and len(found.exterior.coords) == 4, "three walls"


def test_neighbours_get_a_common_wall():
    row_of_houses = turned_rectangle(12, (40, 10)) * (1 + (np.arange(100) > 52))
    _, found, fitted = drawn(row_of_houses.astype(np.int32), 1.0)
    assert fitted.all()
    common = shapely.intersection(*found, grid_size=1e-6)
    assert common.length > 9 and common.area < 1e-4
    assert_keeps_the_promises(row_of_houses.astype(np.int32), 1.0)


def test_generated_towns():
    labels = np.abs(scene(3, 384).truth)
    fitted = assert_keeps_the_promises(labels, 1.0)
    assert fitted.mean() > 0.9


REAL = PROJECT_ROOT.parent / "shared" / "tiles"


@pytest.mark.skipif(not (REAL / "AUT_Tile_001_GTI.tif").exists(), reason="the real tiles are not here")
def test_a_real_tile():
    labels = read(PROJECT_ROOT.parent / "shared" / "tiles" / "AUT_Tile_001_GTI.tif").astype(np.int32)
    assert_keeps_the_promises(labels, 1.0)


def test_metres_on_a_turned_grid_of_oblong_pixels():
    turn = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    assert_keeps_the_promises(turned_rectangle(10), 1.2, turn @ np.diag([0.4, -0.6]))


def test_no_building():
    found, fitted = regularize(np.empty(0, object), HALF_METRE, 1.0, (5, 5))
    assert len(found) == len(fitted) == 0


def test_nearness_is_measured_between_corners_too():
    notch = np.array([[0.0, 0, 4, 0], [4, 0, 5, 3], [5, 3, 6, 0], [6, 0, 10, 0]])
    straight = np.array([[0.0, 0, 10, 0]])
    assert within_distance(straight, notch, 1.0 / np.cos(np.arctan(1 / 3)) + 0.01)
    # Halfway across the notch, the nearest of it is 3 up, or its flank, sin(atan(3)) = 0.949 away.
    assert not within_distance(straight, notch, 0.94)
    assert within_distance(straight, notch, 0.951)
    assert within_distance(notch, straight, 3.004) and not within_distance(notch, straight, 2.99)
    assert boundary_edges(shapely.box(0, 0, 1, 1)).shape == (4, 4)

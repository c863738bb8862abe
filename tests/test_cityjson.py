"""Blocks must be closed, face outwards, have the volume of their footprint, and be CityJSON 2.0 to other readers."""

import copy
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from cityjson_lib import CityModel
from cityjson_lib._ffi import CjlibError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio import Affine
from rasterio.crs import CRS
from test_polygonize import RING_TOUCHING_ITSELF, TWO_HOLES_IN_A_CORNER
from toy import scene

from eaves.vector import formats
from eaves.vector.polygonize import outlines

GRID = {"crs": CRS.from_epsg(32617), "transform": Affine(0.5, 0, 440_000, 0, -0.5, 3_360_000)}


def written(path, labels, height_m=6.0, ground_m=12.5, tolerance_m=0.0, **grid):
    on_grid = GRID | {"width": labels.shape[1], "height": labels.shape[0]} | grid
    height_m, ground_m = (
        None if value is None else np.broadcast_to(np.float32(value), labels.shape) for value in (height_m, ground_m)
    )
    crs = on_grid["crs"].to_wkt() if on_grid["crs"] else None
    frame = outlines(labels, on_grid["transform"], crs, "t", height_m, None, ground_m, tolerance_m)
    with formats.open_writer(path, {"t": on_grid}) as write:
        write(frame)
    return frame


def lines_of(path):
    head, *features = [json.loads(line) for line in path.read_text().splitlines()]
    return head, features


def valid(head, features):
    """Has another library read every line; and checks what it does not mind."""
    base = json.dumps(head).encode()
    CityModel.parse_document_bytes(base)
    assert head.keys() <= {"type", "version", "transform", "metadata", "CityObjects", "vertices"}
    assert (head["type"], head["version"], head["CityObjects"], head["vertices"]) == ("CityJSON", "2.0", {}, [])
    assert head["transform"].keys() == {"scale", "translate"}
    if "metadata" in head:
        assert re.fullmatch(r"https://www\.opengis\.net/def/crs/[^/]+/[^/]+/[^/]+", head["metadata"]["referenceSystem"])
    for feature in features:
        model = CityModel.parse_feature_with_base_bytes(json.dumps(feature).encode(), base)
        assert model.summary().vertex_count == len(feature["vertices"])
        assert feature.keys() == {"type", "id", "CityObjects", "vertices"} and feature["type"] == "CityJSONFeature"
        assert list(feature["CityObjects"]) == [feature["id"]]
        corners = [tuple(corner) for corner in feature["vertices"]]
        assert len(set(corners)) == len(corners), "shared"
        assert all(type(value) is int for corner in corners for value in corner)
        assert sorted(set(numbers_in(feature))) == list(range(len(corners))), "all used"
        (building,) = feature["CityObjects"].values()
        for geometry in building["geometry"]:
            for ring in rings_in(geometry["boundaries"]):
                assert len(set(ring)) == len(ring) >= 3, "not closed, no corner twice"
            if "semantics" in geometry:
                values = geometry["semantics"]["values"]
                kinds = values if geometry["type"] == "MultiSolid" else [values]
                assert sizes_of(kinds) == sizes_of(solids_of(geometry))


def rings_in(boundaries):
    if isinstance(boundaries[0], int):
        yield boundaries
    else:
        for inner in boundaries:
            yield from rings_in(inner)


def numbers_in(feature):
    for building in feature["CityObjects"].values():
        for geometry in building["geometry"]:
            for ring in rings_in(geometry["boundaries"]):
                yield from ring


def sizes_of(solids):
    return [[len(shell) for shell in solid] for solid in solids]


def solids_of(geometry):
    return geometry["boundaries"] if geometry["type"] == "MultiSolid" else [geometry["boundaries"]]


def volume_of(shell, corners):
    """Checks that a shell is closed; gives its volume (divergence theorem), positive where it faces outwards."""
    edges = Counter()
    volume = 0.0
    for surface in shell:
        area = np.zeros(3)
        for ring in surface:
            places = corners[ring]
            area += np.cross(places, np.roll(places, -1, axis=0)).sum(axis=0) / 2
            edges.update(zip(ring, [*ring[1:], ring[0]], strict=True))
        volume += corners[surface[0][0]] @ area / 3
    assert all(count == 1 and edges[end, begin] == 1 for (begin, end), count in edges.items()), (
        "each edge once each way"
    )
    return volume


def volumes_of(head, feature):
    corners = np.array(feature["vertices"]) * head["transform"]["scale"]
    (building,) = feature["CityObjects"].values()
    (geometry,) = building["geometry"]
    return sum(volume_of(shell, corners) for solid in solids_of(geometry) for shell in solid)


@given(
    labels=arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2)),
    tolerance_m=st.sampled_from([0.0, 1.0]),
)
@example(labels=RING_TOUCHING_ITSELF, tolerance_m=0.0)
@example(labels=TWO_HOLES_IN_A_CORNER, tolerance_m=0.0)
@example(labels=np.kron(TWO_HOLES_IN_A_CORNER, np.ones((8, 8), np.int32)), tolerance_m=1.0)
@example(labels=np.eye(4, dtype=np.int32), tolerance_m=0.0)
@settings(max_examples=30, deadline=None)
def test_any_labels_become_closed_blocks(tmp_path_factory, labels, tolerance_m):
    path = tmp_path_factory.mktemp("blocks") / "b.city.jsonl"
    frame = written(path, labels, tolerance_m=tolerance_m)
    head, features = lines_of(path)
    valid(head, features)
    assert len(features) == len(frame)
    for feature, row in zip(features, frame.itertuples(), strict=True):
        # Where a hole touches a ring, a square of 2 cm is taken out.
        pinches = sum(len(part.interiors) for part in shapely.get_parts(row.geometry))
        missing = row.geometry.area * 6 - volumes_of(head, feature)
        assert -1e-3 * row.geometry.length * 6 <= missing <= 6 * (2e-3 * row.geometry.length + 8 * pinches * 0.02**2)


def test_a_block_by_hand(tmp_path):
    labels = np.zeros((6, 8), np.int32)
    labels[1:5, 2:6], labels[2:4, 3:5] = 3, 0  # 2 m by 2 m, with a courtyard of 1 m by 1 m
    written(tmp_path / "b.city.jsonl", labels, 4.5, 10.25)
    head, (feature,) = lines_of(tmp_path / "b.city.jsonl")
    valid(head, [feature])
    assert head["metadata"] == {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/32617"}
    assert head["transform"] == {"scale": [0.001, 0.001, 0.001], "translate": [440000.0, 3359997.0, 0.0]}
    building = feature["CityObjects"]["t-3"]
    assert building["type"] == "Building"
    attributes = building["attributes"]
    assert (attributes["tile"], attributes["id"], attributes["area_m2"]) == ("t", 3, 3.0)
    assert (attributes["height_m"], attributes["ground_m"], attributes["confidence"]) == (4.5, 10.25, None)
    (geometry,) = building["geometry"]
    assert (geometry["type"], geometry["lod"]) == ("Solid", "1")
    assert volumes_of(head, feature) == pytest.approx(3 * 4.5)
    corners = np.array(feature["vertices"])
    assert corners.min(axis=0).tolist() == [1000, 500, 10250] and corners.max(axis=0).tolist() == [3000, 2500, 14750]
    (shell,) = geometry["boundaries"]
    (kinds,) = geometry["semantics"]["values"]
    names = [geometry["semantics"]["surfaces"][kind]["type"] for kind in kinds]
    assert Counter(names) == {"GroundSurface": 1, "RoofSurface": 1, "WallSurface": 8}
    for surface, name in zip(shell, names, strict=True):
        heights = {int(corners[number][2]) for ring in surface for number in ring}
        assert heights == {"GroundSurface": {10250}, "RoofSurface": {14750}, "WallSurface": {10250, 14750}}[name]
        assert len(surface) == (1 if name == "WallSurface" else 2), "the courtyard is a ring of floor and roof"


def test_what_is_unknown(tmp_path):
    labels = np.ones((4, 4), np.int32)
    path = tmp_path / "b.city.jsonl"
    written(path, labels, height_m=None)
    head, (feature,) = lines_of(path)
    valid(head, [feature])
    (geometry,) = feature["CityObjects"]["t-1"]["geometry"]
    assert (geometry["type"], geometry["lod"]) == ("MultiSurface", "0")
    assert {corner[2] for corner in feature["vertices"]} == {12500}
    written(path, labels, ground_m=None)
    head, (feature,) = lines_of(path)
    valid(head, [feature])
    assert {corner[2] for corner in feature["vertices"]} == {0, 6000}
    assert feature["CityObjects"]["t-1"]["attributes"]["ground_m"] is None


def test_degrees_and_several_systems(tmp_path):
    labels = np.zeros((20, 20), np.int32)
    labels[4:14, 5:15] = 1
    path = tmp_path / "b.city.jsonl"
    written(path, labels, crs=CRS.from_epsg(4326), transform=Affine(5e-6, 0, -81.6, 0, -5e-6, 30.3))
    head, features = lines_of(path)
    valid(head, features)
    assert head["metadata"]["referenceSystem"].endswith("/EPSG/0/4326")
    corners = np.array(features[0]["vertices"]) * head["transform"]["scale"] + head["transform"]["translate"]
    np.testing.assert_allclose(corners[:, 0].min(), -81.6 + 5 * 5e-6, atol=1e-8)

    # The second tile lies in the next zone; its buildings come out in the first's system.
    grids = {name: GRID | {"width": 20, "height": 20} for name in "ab"}
    grids["b"] = grids["b"] | {"crs": CRS.from_epsg(32616)}
    with formats.open_writer(path, grids) as write:
        for name, grid in grids.items():
            write(outlines(labels, grid["transform"], grid["crs"].to_wkt(), name, labels * 6.0))
    head, features = lines_of(path)
    valid(head, features)
    to_first = pyproj.Transformer.from_crs(32616, 32617, always_xy=True)
    for feature, place in zip(
        features, [(440_002.5, 3_359_998), to_first.transform(440_002.5, 3_359_998)], strict=True
    ):
        corners = np.array(feature["vertices"]) * head["transform"]["scale"] + head["transform"]["translate"]
        assert np.hypot(*(corners[:, :2] - place).T).min() < 0.002


def test_a_generated_town_to_the_usual_tool(tmp_path):
    made = scene(3)
    labels = np.abs(made.truth)
    height_m = np.where(np.isfinite(made.dsm), made.dsm - made.dtm, np.nan).astype(np.float32)
    path = tmp_path / "b.city.jsonl"
    frame = written(path, labels, height_m, made.dtm, 1.0)
    head, features = lines_of(path)
    valid(head, features)
    for feature, row in zip(features, frame.itertuples(), strict=True):
        if row.height_m > 0:
            assert volumes_of(head, feature) == pytest.approx(row.geometry.area * row.height_m, rel=0.01)
            heights = np.array(feature["vertices"])[:, 2] / 1000
            np.testing.assert_allclose(
                [heights.min(), heights.max()], [row.ground_m, row.ground_m + row.height_m], atol=2e-3
            )
    cjio = Path(sys.executable).with_name("cjio")
    told = subprocess.run([cjio, "stdin", "info"], input=path.read_bytes(), capture_output=True)
    said = told.stdout.decode()
    assert "CityJSON version = 2.0" in said and "EPSG = 32617" in said
    assert f"Building ({len(frame)})" in said


def spoilt(feature, keys, value):
    made = copy.deepcopy(feature)
    *way, last = ["CityObjects", "t-1", *keys] if keys[0] != "vertices" else keys
    inner = made
    for key in way:
        inner = inner[key]
    inner[last] = value
    return made


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["type"], "House"),
        (["geometry", 0, "type"], "Block"),
        (["geometry", 0, "lod"], 1),
        (["geometry", 0, "boundaries", 0, 0, 0, 0], 99),
        (["geometry", 0, "boundaries", 0, 0, 0, 0], 1.5),
        (["geometry", 0, "boundaries"], [[[0, 1, 2]]]),
        (["geometry", 0, "semantics", "surfaces", 0, "type"], "Roof"),
        (["geometry", 0, "semantics", "values"], [[0, 1]]),
        (["vertices", 0], [1, 2]),
        (["vertices", 0, 0], 0.5),
    ],
)
def test_the_check_can_fail(tmp_path, keys, value):
    written(tmp_path / "b.city.jsonl", np.ones((4, 4), np.int32))
    head, (feature,) = lines_of(tmp_path / "b.city.jsonl")
    valid(head, [feature])
    with pytest.raises((CjlibError, AssertionError)):
        valid(head, [spoilt(feature, keys, value)])

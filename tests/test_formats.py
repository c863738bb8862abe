"""Every format must hold the same buildings, be read by the usual libraries, and be the same bits each time."""

import json
import re

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from rasterio import Affine
from rasterio.crs import CRS

from eaves.core.errors import InputError
from eaves.vector import formats
from eaves.vector.formats import geoparquet
from eaves.vector.formats.common import snap_to_grid
from eaves.vector.polygonize import outlines

ENDINGS = ["gpkg", "parquet", "geojson", "city.jsonl"]
FLORIDA, GEORGIA = CRS.from_epsg(32617), CRS.from_epsg(32616)


def grid(crs=FLORIDA, left=440_000):
    return {"crs": crs, "transform": Affine(0.5, 0, left, 0, -0.5, 3_360_000), "width": 60, "height": 40}


def labels_of(seed):
    """Rectangles, one with a courtyard, one of two pieces, one of which nothing but its place is known."""
    labels = np.zeros((40, 60), np.int32)
    labels[2:12, 3:15], labels[5:8, 6:9] = 1, 0
    labels[20:30, 5:12], labels[33:36, 20:30] = 7, 7
    labels[15:20, 40 : 45 + seed], labels[0:5, 50:60] = 9, 12
    return labels


def frame_of(tile, on_grid, seed=0):
    labels = labels_of(seed)
    generator = np.random.default_rng(seed)
    height_m = np.where(labels == 12, np.nan, generator.uniform(3, 9, labels.shape)).astype(np.float32)
    probability = generator.random(labels.shape).astype(np.float32)
    ground_m = np.where(labels == 12, np.nan, 12.25).astype(np.float32)
    crs = on_grid["crs"].to_wkt() if on_grid["crs"] else None
    return outlines(labels, on_grid["transform"], crs, tile, height_m, probability, ground_m)


def written(folder, ending, grids):
    path = folder / f"buildings.{ending}"
    with formats.open_writer(path, grids) as write:
        for seed, (tile, on_grid) in enumerate(grids.items()):
            write(frame_of(tile, on_grid, seed))
    return path


TWO = {"a_1": grid(), "b_2": grid(left=440_030)}


def expected(grids=TWO):
    return pd.concat([frame_of(tile, on_grid, seed) for seed, (tile, on_grid) in enumerate(grids.items())])


# GDAL would like a property called id to number the features of a file.
@pytest.mark.filterwarnings("ignore:Several features with id")
@pytest.mark.parametrize(
    ("ending", "reader", "tolerance_m"),
    [
        ("gpkg", pyogrio.read_dataframe, 0),
        ("parquet", geopandas.read_parquet, 0),
        ("geojson", pyogrio.read_dataframe, 0.02),
    ],
)
def test_what_was_written_is_read(tmp_path, ending, reader, tolerance_m):
    found, wanted = reader(written(tmp_path, ending, TWO)), expected()
    assert found.columns.tolist() == wanted.columns.tolist()
    assert found["tile"].tolist() == wanted["tile"].tolist() == ["a_1"] * 4 + ["b_2"] * 4
    assert found["id"].tolist() == [1, 7, 9, 12] * 2
    for name in ("area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence"):
        np.testing.assert_allclose(found[name].astype(float), wanted[name], atol=1e-6)
    assert found["height_m"].isna().tolist() == [False, False, False, True] * 2
    assert found["touches_edge"].tolist() == [False, False, False, True] * 2
    assert found.is_valid.all()
    there = found.to_crs(32617).geometry.to_numpy()
    for one, other in zip(there, wanted.geometry, strict=True):
        if tolerance_m:
            assert one.hausdorff_distance(other) < tolerance_m
        else:
            assert one.equals(other)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_bits_each_time_and_whole_or_not_at_all(tmp_path, ending):
    first, second = (written(tmp_path / name, ending, TWO) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(KeyError), formats.open_writer(tmp_path / f"c.{ending}", TWO) as write:
        write(frame_of("a_1", TWO["a_1"]))
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_tiles_and_tiles_without_buildings(tmp_path, ending):
    empty = outlines(np.zeros((40, 60), np.int32), grid()["transform"], FLORIDA.to_wkt(), "a_1")
    path = tmp_path / f"buildings.{ending}"
    with formats.open_writer(path, {"a_1": grid(), "b_2": grid()}) as write:
        write(empty)
        write(empty)
    if ending == "city.jsonl":
        (head,) = path.read_text().splitlines()
        assert json.loads(head)["CityObjects"] == {}
    else:
        found = geopandas.read_parquet(path) if ending == "parquet" else pyogrio.read_dataframe(path)
        assert len(found) == 0


def test_geopackage_layers(tmp_path):
    path = written(tmp_path, "gpkg", TWO)
    assert pyogrio.list_layers(path).tolist() == [["buildings", "MultiPolygon"]]
    path = written(tmp_path, "gpkg", {"a": grid(FLORIDA), "b": grid(GEORGIA), "c": grid(FLORIDA)})
    assert sorted(pyogrio.list_layers(path)[:, 0]) == ["buildings EPSG:32616", "buildings EPSG:32617"]
    florida = pyogrio.read_dataframe(path, layer="buildings EPSG:32617")
    assert florida["tile"].unique().tolist() == ["a", "c"] and florida.crs.to_epsg() == 32617


def test_geoparquet_says_what_its_specification_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr(geoparquet, "GROUP_BYTES", 1)
    path = written(tmp_path, "parquet", TWO)
    file = pq.ParquetFile(path)
    assert file.metadata.num_row_groups == 2, "a tile at least"
    geo = json.loads(file.metadata.metadata[b"geo"])
    assert geo["version"] == "1.1.0" and geo["primary_column"] == "geometry"
    column = geo["columns"]["geometry"]
    assert column["encoding"] == "WKB" and column["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 32617}
    wanted = expected()
    np.testing.assert_allclose(column["bbox"], wanted.total_bounds)
    shapes = shapely.from_wkb(file.read()["geometry"].to_numpy(zero_copy_only=False))
    rings = [part.exterior for part in shapely.get_parts(shapes)]
    assert all(ring.is_ccw for ring in rings) and column["orientation"] == "counterclockwise"
    second = wanted[wanted["tile"] == "b_2"]
    only = geopandas.read_parquet(path, bbox=tuple(second.geometry.iloc[0].bounds))
    assert set(zip(only["tile"], only["id"], strict=True)) == {("b_2", 1)}


def test_several_systems_in_one_table_become_longitude_and_latitude(tmp_path):
    grids = {"a": grid(FLORIDA), "b": grid(GEORGIA)}
    found = geopandas.read_parquet(written(tmp_path, "parquet", grids))
    assert found.crs.to_string() == "OGC:CRS84"
    for number, (tile, on_grid) in enumerate(grids.items()):
        mine = found[found["tile"] == tile].to_crs(on_grid["crs"].to_wkt())
        wanted = frame_of(tile, on_grid, number)
        assert all(a.hausdorff_distance(b) < 1e-4 for a, b in zip(mine.geometry, wanted.geometry, strict=True))


def test_geojson_is_that_of_rfc_7946(tmp_path):
    text = written(tmp_path, "geojson", TWO).read_text()
    collection = json.loads(text)
    assert collection.keys() == {"type", "features"} and collection["type"] == "FeatureCollection"
    assert len(collection["features"]) == 8
    for feature in collection["features"]:
        assert feature.keys() == {"type", "properties", "geometry"} and feature["type"] == "Feature"
        shape = shapely.geometry.shape(feature["geometry"])
        for part in shapely.get_parts(shape):
            assert part.exterior.is_ccw and not any(hole.is_ccw for hole in part.interiors)
            assert -82 < part.exterior.coords[0][0] < -81 and 30 < part.exterior.coords[0][1] < 31
    assert "NaN" not in text and max(map(len, re.findall(r"-81\.(\d+)", text))) == 7


@pytest.mark.parametrize("ending", ["gpkg", "parquet", "city.jsonl"])
def test_labels_without_a_reference_system(tmp_path, ending):
    path = written(tmp_path, ending, {"a_1": grid(None)})
    if ending == "city.jsonl":
        assert "metadata" not in json.loads(path.read_text().splitlines()[0])
    else:
        found = geopandas.read_parquet(path) if ending == "parquet" else pyogrio.read_dataframe(path)
        assert found.crs is None or "Undefined" in found.crs.to_string()
        assert len(found) == 4


def test_faults_are_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"x\.shp: the name must end in \.gpkg, \.parquet, \.geojson, \.city\.jsonl"):
        formats.open_writer(tmp_path / "x.shp", TWO)
    with pytest.raises(InputError, match=r"buildings\.geojson: GeoJSON requires longitude .* set it"):
        written(tmp_path, "geojson", {"a_1": grid(None)})
    for ending in ENDINGS:
        with pytest.raises(InputError, match=r"b_2: no coordinate reference system, but other tiles have one"):
            written(tmp_path, ending, {"a_1": grid(), "b_2": grid(None)})
    assert not list(tmp_path.iterdir())


def test_rounding_keeps_polygons_valid():
    spike = shapely.Polygon([(0, 0), (10, 0), (10, 10), (5.2, 10), (5.1, 0.4), (4.9, 0.4), (4.8, 10), (0, 10)])
    thin = shapely.box(0, 0, 5, 0.2)
    whole, gone = snap_to_grid(np.array([spike, thin]), 1)
    assert whole.is_valid and (shapely.get_coordinates(whole) % 1 == 0).all()
    assert abs(whole.area - spike.area) < 10
    assert gone.is_empty

"""The outline tool works on any labels, says in one line what is wrong, and needs no more memory for more tiles."""

import json
import subprocess
import sys

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from rasterio import Affine
from toy import GRID, HEIGHT_NODATA, SCRIPTS, environment, run_script, scene, write_raster

TOOL = SCRIPTS / "outline.py"


def labels_of(tile):
    labels = np.zeros((48, 64), np.uint16)
    labels[4:20, 6:30] = 3
    labels[30:44, 40 : 40 + 2 * int(tile[-1])] = 8
    return labels


@pytest.fixture
def folder(tmp_path):
    """Labels, heights, probabilities and ground of two tiles."""
    for tile in ("x_1", "x_2"):
        labels = labels_of(tile)
        write_raster(tmp_path / "labels" / f"{tile}.tif", labels)
        heights = np.where(labels == 3, 7.5, HEIGHT_NODATA).astype(np.float32)
        write_raster(tmp_path / "heights" / f"{tile}.tif", heights, nodata=HEIGHT_NODATA)
        write_raster(tmp_path / "probabilities" / f"{tile}.tif", (labels > 0) * np.float32(0.75))
        write_raster(tmp_path / "ground" / "below" / f"{tile}_DTM.tif", np.full((48, 64), 31.5, np.float32))
    return tmp_path


def outline(folder, *options, given=("heights", "probabilities", "ground"), output="out/b.gpkg"):
    arguments = [TOOL, "--labels", folder / "labels", "--output", folder / output]
    for name in given:
        arguments += [f"--{name}", folder / name]
    return run_script(*arguments, *options)


def errors(done):
    assert done.returncode == 1 and "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines), done.stderr
    return lines


def test_labels_alone_and_with_everything(folder):
    done = outline(folder, "--regularize", "0.6")
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == f"4 outlines on 2 tiles in {folder / 'out/b.gpkg'}"
    full = pyogrio.read_dataframe(folder / "out/b.gpkg")
    assert full["tile"].tolist() == ["x_1", "x_1", "x_2", "x_2"] and full["id"].tolist() == [3, 8, 3, 8]
    assert full["area_m2"].tolist() == pytest.approx([96, 7, 96, 14])
    np.testing.assert_array_equal(full["height_m"], [7.5, np.nan, 7.5, np.nan])
    assert (full["ground_m"] == 31.5).all() and (full["confidence"] == 0.75).all() and full["regularized"].any()

    done = outline(folder, given=(), output="out/alone.parquet")
    assert done.returncode == 0, done.stderr
    alone = geopandas.read_parquet(folder / "out/alone.parquet")
    assert alone[["height_m", "height_p95_m", "ground_m", "confidence"]].isna().all(axis=None)
    assert not alone["regularized"].any() and alone["area_m2"].tolist() == [96, 7, 96, 14]


def test_the_challenges_truth_is_found_among_a_tiles_other_files(tmp_path):
    made = scene(2)
    write_raster(tmp_path / "T_1_GTI.tif", np.abs(made.truth).astype(np.uint16))
    write_raster(tmp_path / "T_1_DTM.tif", made.dtm, nodata=HEIGHT_NODATA)
    write_raster(tmp_path / "T_1_RGB.tif", np.moveaxis(made.rgb, 2, 0))
    done = run_script(TOOL, "--labels", tmp_path, "--ground", tmp_path, "--output", tmp_path / "b.geojson")
    assert done.returncode == 0, done.stderr
    features = json.loads((tmp_path / "b.geojson").read_text())["features"]
    assert {feature["properties"]["tile"] for feature in features} == {"T_1"}
    assert len(features) == len(np.unique(np.abs(made.truth))) - 1
    grounds = [feature["properties"]["ground_m"] for feature in features]
    known = made.dtm[made.dtm != HEIGHT_NODATA]
    assert known.min() <= min(grounds) <= max(grounds) <= known.max()


def test_ground_on_another_grid_is_brought_onto_the_labels(folder):
    slope = np.add.outer(np.zeros(40), np.arange(40)).astype(np.float32)  # a metre every 2 m to the east
    for tile in ("x_1", "x_2"):
        coarse = Affine(2, 0, GRID["transform"].c - 10, 0, -2, GRID["transform"].f + 10)
        write_raster(folder / "ground" / "below" / f"{tile}_DTM.tif", slope, transform=coarse)
    assert outline(folder).returncode == 0
    found = pyogrio.read_dataframe(folder / "out/b.gpkg")
    # The middle of building 3 is 9 m east of the corner: 19 m in the slope, whose pixels' middles count.
    assert found.loc[found["id"] == 3, "ground_m"].tolist() == pytest.approx([19 / 2 - 0.5] * 2, abs=0.01)


def test_missing_tiles_are_named_one_by_one(folder):
    missing = [("heights", "x_1"), ("ground", "x_1"), ("ground", "x_2")]
    for option, tile in missing:
        (path,) = (folder / option).rglob(f"{tile}*.tif")
        path.unlink()
    wishes = {"heights": "{0}_image.tif or {0}.tif", "ground": "{0}_DTM.tif or {0}.tif"}
    assert errors(outline(folder)) == [
        f"error: {folder / option}: no {wishes[option].format(tile)} for the labels of {tile}; "
        f"add it, or omit --{option}"
        for option, tile in missing
    ]
    assert not (folder / "out").exists()


def test_what_does_not_fit_is_named_and_nothing_is_written(folder):
    write_raster(folder / "labels" / "x_1.tif", np.zeros((48, 64), np.float32))
    write_raster(folder / "probabilities" / "x_2.tif", np.zeros((48, 60), np.float32))
    first, second = errors(outline(folder))
    assert first.startswith(
        f"error: {folder / 'labels' / 'x_1.tif'}: 1 band(s) of float32, but ids must be one band of integers"
    )
    assert second.startswith(f"error: {folder / 'probabilities' / 'x_2.tif'}: 60 x 48 px, not on the grid of")
    assert str(folder / "labels" / "x_2.tif") in second
    assert not (folder / "out").exists()


def remove_labels(folder):
    for path in (folder / "labels").iterdir():
        path.unlink()


def two_files_of_labels(folder):
    write_raster(folder / "labels" / "x_1_GTI.tif", labels_of("x_1"))


def damage_heights(folder):
    (folder / "heights" / "x_1.tif").write_text("no raster")


def ground_elsewhere(folder):
    far_away = Affine(1, 0, 100_000, 0, -1, 200_000)
    write_raster(folder / "ground" / "below" / "x_1_DTM.tif", np.zeros((9, 9), np.float32), transform=far_away)


def nothing(folder):
    pass


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (nothing, ["--regularize", "-1"], "--regularize is -1.0: give metres, 0 or more"),
        (nothing, ["--ground", "nowhere"], "nowhere: no such folder"),
        (nothing, ["--output", "b.shp"], "b.shp: the name must end in .gpkg, .parquet, .geojson, .city.jsonl"),
        (remove_labels, [], "labels: no labels in this folder; provide <tile>.tif or <tile>_GTI.tif"),
        (two_files_of_labels, [], "two files for tile x_1, the other is"),
        (damage_heights, [], "x_1.tif: not a GeoTIFF but a file that begins with b'no raster'"),
        (ground_elsewhere, [], "does not overlap"),
    ],
)
def test_one_line_says_what_is_wrong(folder, spoil, options, said):
    spoil(folder)
    (line,) = errors(outline(folder, *options))
    assert said in line
    assert not (folder / "out" / "b.gpkg").exists()


def test_help_has_an_example():
    told = run_script(TOOL, "--help").stdout
    assert "Example: python workflow/scripts/outline.py --labels" in told
    for ending in (".gpkg", ".parquet", ".geojson", ".city.jsonl"):
        assert ending in told


PEAK_MB = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_tiles(tmp_path):
    """Combs with 770 corners each: kept in memory, those of 20 tiles more would fill 30 MB."""
    combs = np.kron(np.ones((128, 192), int), [[1, 0], [1, 1], [0, 0]]) * (1 + np.arange(384) // 3)[:, None]
    source = write_raster(tmp_path / "one.tif", combs.astype(np.int32), compress="deflate")
    peaks = []
    for count in (4, 24):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"t_{number}.tif").symlink_to(source)
        outputs = [folder / f"b.{ending}" for ending in ("gpkg", "parquet", "geojson", "city.jsonl")]
        command = [sys.executable, "-c", PEAK_MB, TOOL, "--labels", folder, "--output", *outputs]
        done = subprocess.run(list(map(str, command)), env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(float(done.stdout))
        assert pyogrio.read_info(outputs[0])["features"] == count * 128
    assert peaks[1] - peaks[0] < 20, peaks


def test_a_nodata_value_of_labels_is_ground(tmp_path):
    labels = labels_of("x_1")
    labels[0, 0] = 65535
    write_raster(tmp_path / "labels" / "x_1.tif", labels, nodata=65535)
    assert outline(tmp_path, given=()).returncode == 0
    assert pyogrio.read_dataframe(tmp_path / "out/b.gpkg")["id"].tolist() == [3, 8]
    with rasterio.open(tmp_path / "labels" / "x_1.tif") as made:
        assert made.nodata == 65535

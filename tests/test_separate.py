"""Separation by hand, on rasters from anywhere: what it reads, what it writes, and what it refuses and why."""

import json

import numpy as np
import pandas as pd
import pytest
import rasterio
from toy import CONFIG, GRID, SCRIPTS, read, run_script, write_raster

from eaves.core.errors import InputError
from eaves.separation.watershed import separate
from eaves.tiles import probabilities
from eaves.tiles.prepared import NODATA

CONFIGURED = {
    name: CONFIG["separate"][name] for name in ("low", "high", "min_seed_px", "min_area_px", "match_original")
}


def town(seed=1, shape=(60, 80)):
    """Boxes of 12 x 14 px, 168 px or 42 m², each with a core or without."""
    generator = np.random.default_rng(seed)
    probability = np.zeros(shape, np.float32)
    for top in range(2, shape[0] - 14, 18):
        for left in range(2, shape[1] - 16, 20):
            probability[top : top + 12, left : left + 14] = generator.choice([0.4, 0.6, 0.8, 0.95])
    return probability


def separated(*arguments):
    """Runs the script; the labels that it wrote, by tile."""
    done = run_script(SCRIPTS / "separate.py", *arguments)
    assert done.returncode == 0, done.stderr
    folder = arguments[arguments.index("--folder") + 1]
    return {path.stem: read(path) for path in sorted(folder.glob("*.tif"))}, done.stderr


def test_a_folder_and_a_file_become_labels_and_a_summary(tmp_path):
    towns = {"A": town(1), "B": town(2), "C": town(3, (97, 61))}
    for name, probability in towns.items():
        write_raster(tmp_path / ("more" if name == "C" else "some") / f"{name}.tif", probability)
    out, table, totals = tmp_path / "labels", tmp_path / "found.csv", tmp_path / "found.json"
    places = [tmp_path / "some", tmp_path / "more" / "C.tif"]
    labels, said = separated("--folder", out, "--csv", table, "--json", totals, *places)
    assert labels.keys() == towns.keys()
    for name, probability in towns.items():
        np.testing.assert_array_equal(labels[name], separate(probability, **CONFIGURED))
        with rasterio.open(out / f"{name}.tif") as dataset:
            assert (dataset.dtypes[0], dataset.crs, dataset.transform) == ("int32", GRID["crs"], GRID["transform"])
    rows = pd.read_csv(table)
    assert list(rows["tile"]) == ["A", "B", "C"]
    assert list(rows["buildings"]) == [found.max() for found in labels.values()]
    assert (
        list(rows["area_m2"])
        == [found.astype(bool).sum() / 4 for found in labels.values()]
        == [42 * found.max() for found in labels.values()]
    )
    found = json.loads(totals.read_text())
    assert found["separation"] == CONFIGURED
    assert (found["tiles"], found["buildings"]) == (3, rows["buildings"].sum())
    assert found["area_m2"] == rows["area_m2"].sum()
    assert f"found {rows['buildings'].sum()} buildings on 3 tiles" in said


def test_thresholds_come_from_options_then_the_chosen_file_then_the_settings(tmp_path):
    write_raster(tmp_path / "A.tif", town())
    settings, chosen = tmp_path / "mine.yaml", tmp_path / "chosen.json"
    settings.write_text("separate: {high: 0.5, low: 0.45, thresholds: searched}")
    chosen.write_text(json.dumps({"separation": CONFIGURED | {"high": 0.9}}))
    place = ("--settings", settings, "--thresholds", chosen, tmp_path / "A.tif")
    by_file, _ = separated("--folder", tmp_path / "one", *place)
    np.testing.assert_array_equal(by_file["A"], separate(town(), high=0.9))
    by_option, _ = separated("--folder", tmp_path / "two", "--high", "0.55", "--min-seed-px", "10", *place)
    np.testing.assert_array_equal(by_option["A"], separate(town(), high=0.55, min_seed_px=10))
    assert by_file["A"].max() < by_option["A"].max()
    done = run_script(
        SCRIPTS / "separate.py", "--folder", tmp_path / "three", "--settings", settings, tmp_path / "A.tif"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: configuration: separate.thresholds is searched: give --thresholds ")
    assert not (tmp_path / "three").exists()


def test_eight_and_sixteen_bits_with_a_scale_are_as_good_as_floats(tmp_path):
    for dtype, scale in ((np.uint8, 255), (np.uint16, 10_000), (np.float64, 100)):
        path = write_raster(tmp_path / f"{scale}.tif", np.round(town() * scale).astype(dtype))
        assert probabilities.read(path, scale).dtype == np.float32
        np.testing.assert_allclose(probabilities.read(path, scale), town(), atol=0.5 / scale)
    labels, _ = separated("--folder", tmp_path / "out", "--scale", "255", tmp_path / "255.tif")
    np.testing.assert_array_equal(labels["255"], separate(town()))


@pytest.mark.parametrize("nodata", [-1.0, np.nan, 0.95])
def test_no_building_where_the_file_or_the_tile_knows_nothing(tmp_path, nodata):
    probability = town()
    probability[:14] = nodata
    image = np.zeros((4, *probability.shape), np.int16)
    image[3, :, 60:] = NODATA
    write_raster(tmp_path / "tiles" / "A_image.tif", image, nodata=NODATA)
    path = write_raster(tmp_path / "A.tif", probability, nodata=nodata)
    expected = np.where(probability == np.float32(nodata), 0, np.nan_to_num(town()))
    expected[:14] = 0
    np.testing.assert_array_equal(probabilities.read(path), expected)
    expected[:, 60:] = 0
    found, unknown = probabilities.read_on_tile(path, tmp_path / "tiles")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(unknown, image[3] == NODATA)
    labels, _ = separated("--folder", tmp_path / "out", "--tiles-dir", tmp_path / "tiles", path)
    np.testing.assert_array_equal(labels["A"], separate(expected))


@pytest.mark.parametrize(
    ("array", "profile", "said"),
    [
        (np.zeros((3, 9, 9), np.float32), {}, "3 bands, but a probability has one"),
        (np.zeros((9, 9), np.uint8), {}, "values of type uint8, .* --scale 255"),
        (np.full((9, 9), 200, np.float32), {}, r"values from 200 to 200, .* within 0\.\.1; .*--scale"),
        (np.full((9, 9), -0.1, np.float32), {}, "values from -0.1 to -0.1"),
        (np.full((9, 9), np.nan, np.float32), {}, "81 pixels are NaN, .* --nodata nan"),
        (np.full((9, 9), np.nan, np.float32), {"nodata": -1}, "81 pixels are NaN, .* --nodata nan"),
    ],
)
def test_what_is_no_probability_is_named(tmp_path, array, profile, said):
    path = write_raster(tmp_path / "A.tif", array, **profile)
    with pytest.raises(InputError, match=f"^{path}: {said}"):
        probabilities.read(path)


def test_a_scale_that_is_too_small_is_told(tmp_path):
    path = write_raster(tmp_path / "A.tif", np.full((9, 9), 255, np.uint8))
    with pytest.raises(InputError, match=f"^{path}: values from 2.55 to 2.55"):
        probabilities.read(path, 100)


def test_every_place_at_fault_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    one, other = (write_raster(tmp_path / name / "A.tif", town()) for name in ("x", "y"))
    with pytest.raises(InputError) as caught:
        probabilities.find_files([tmp_path / "empty", tmp_path / "none", tmp_path / "x", other])
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'empty'}: no *.tif in this folder; name the folder or the files of the probabilities",
        f"{tmp_path / 'none'}: no such file or folder",
        f"{other}: two files for tile A, the other is {one}; remove or rename one",
    ]
    assert probabilities.find_files([one, tmp_path / "x"]) == [one]


def test_a_tile_on_another_grid_is_refused(tmp_path):
    path = write_raster(tmp_path / "A.tif", town())
    image = write_raster(tmp_path / "A_image.tif", np.zeros((4, 60, 81), np.int16))
    with pytest.raises(InputError, match=f"^{path}: not on the grid of {image} "):
        probabilities.read_on_tile(path, tmp_path)


def test_nothing_is_overwritten_and_every_missing_tile_named(tmp_path):
    for name in "AB":
        write_raster(tmp_path / f"{name}.tif", town())
    done = run_script(SCRIPTS / "separate.py", "--folder", tmp_path, "--tiles-dir", tmp_path / "tiles", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        *(f"error: {tmp_path / name}.tif: the labels would overwrite it; give another --folder" for name in "AB"),
        *(
            f"error: {tmp_path / 'tiles' / name}_image.tif: no such file; prepare the tile, or leave out --tiles-dir"
            for name in "AB"
        ),
    ]
    assert read(tmp_path / "A.tif").dtype == np.float32


def test_areas_are_metres_or_unknown(tmp_path):
    feet = GRID["transform"]
    for name, crs in (("degrees", "EPSG:4326"), ("feet", "EPSG:2236"), ("nowhere", None)):
        write_raster(tmp_path / "in" / f"{name}.tif", town(), crs=crs, transform=feet)
    separated("--folder", tmp_path / "out", "--csv", tmp_path / "t.csv", "--json", tmp_path / "t.json", tmp_path / "in")
    rows = pd.read_csv(tmp_path / "t.csv").set_index("tile")
    assert rows["area_m2"].isna().to_dict() == {"degrees": True, "feet": False, "nowhere": True}
    us_survey_foot_m = 1200 / 3937
    assert rows["area_m2"]["feet"] == pytest.approx(rows["area_px"]["feet"] / 4 * us_survey_foot_m**2, abs=0.01)
    assert json.loads((tmp_path / "t.json").read_text())["area_m2"] is None


def test_help_has_an_example():
    done = run_script(SCRIPTS / "separate.py", "--help")
    assert "python workflow/scripts/separate.py --folder labels" in done.stdout

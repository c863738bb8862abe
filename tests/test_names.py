"""Tiles may be called 007, NA or like a block of the configuration; what would fail later is refused at the start."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy import CONFIG, OVERLAY, SCRIPTS, merged, read, run_script, snakemake, write_raster, write_tile

from eaves.core.errors import InputError
from eaves.core.tables import read_table
from eaves.models.folder import find_models
from eaves.provenance.graph import Lineage
from eaves.provenance.render import render
from eaves.provenance.verify import check
from eaves.tiles import discovery
from eaves.tiles.discovery import KINDS
from eaves.tiles.names import MAX_NAME_BYTES

# Names that pandas takes for nothing or for numbers, and a long one; blocks of the configuration.
TRAIN = ["NA", "007", "1e5", "l" * MAX_NAME_BYTES]
TEST = ["sample", "train"]
OTHERS = ["nan", "null", "None", "fold-0", "buildings", "a.b", "A+b-c_1", "Köln_1"]
# Names that are refused, and a word of what is said.
REFUSED = {
    "-x": "begins with a letter",
    "+x": "begins with a letter",
    "{}": "letters, digits",
    "{tile}": "letters, digits",
    "a{0}": "letters, digits",
    "my tile": "letters, digits",
    "it's": "letters, digits",
    'say "a"': "letters, digits",
    "a;b": "letters, digits",
    "$HOME": "letters, digits",
    "a,b": "letters, digits",
    "l" * (MAX_NAME_BYTES + 1): "at most 200 bytes, and this one has 201",
    "é" * 101: "at most 200 bytes, and this one has 202",
    "a_image": "looks like the name of a file of tile a",
    "a_Truth": "looks like the name of a file of tile a",
    "a_rgb": "looks like the name of a file of tile a",
}


def tile(folder: Path, name: str) -> Path:
    """Empty files of a tile: names are all that is looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / f"{name}_{kind}.tif").touch()
    return folder / f"{name}_RGB.tif"


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        discovery.find_tiles(folder, True)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_fails_on_the_way_is_refused_in_one_line(tmp_path, name):
    path = tile(tmp_path, name)
    (line,) = faults_of(tmp_path)
    assert line.startswith(f"{path}: a tile")
    assert REFUSED[name] in line
    assert line.endswith("; rename it")


@pytest.mark.parametrize("name", [*TRAIN, *TEST, *OTHERS])
def test_any_other_name_is_found(tmp_path, name):
    tile(tmp_path, name)
    assert list(discovery.find_tiles(tmp_path, True)) == [name]


def test_hidden_files_are_no_tiles(tmp_path):
    """As macOS leaves them beside others (._A_RGB.tif), and a killed writer (.part.7.A_RGB.tif)."""
    tile(tmp_path, "A")
    tile(tmp_path, "._A")
    tile(tmp_path, ".part.7.A")
    assert list(discovery.find_tiles(tmp_path, True)) == ["A"]


def test_names_that_differ_in_case_alone_are_refused(tmp_path):
    upper, lower = tile(tmp_path / "train" / "x", "A"), tile(tmp_path / "train" / "y", "a")
    (line,) = faults_of(tmp_path / "train")
    assert "tile a and tile A" in line
    assert str(upper.parent) in line
    assert str(lower.parent) in line
    sets = [discovery.find_tiles(folder.parent, True) for folder in (upper, lower)]
    with pytest.raises(InputError, match=r"y/a_\w+.tif: tile a and tile A, of .*x/A_\w+.tif, differ only in case"):
        discovery.check_distinct(*sets)


def test_a_folder_whose_name_snakemake_would_fill_in_is_refused(tmp_path):
    path = tile(tmp_path / "{set}", "A")
    (line,) = faults_of(tmp_path)
    assert line.startswith(f"{path}: the path must not contain braces")
    (tmp_path / "{set}" / "fold-0.safetensors").touch()
    with pytest.raises(InputError, match=r"fold-0.safetensors: the path must not contain braces"):
        find_models(tmp_path / "{set}")


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5, unique=True))
@example(["NA", "null", "None", "nan", "N/A", "", "1e5", "007", "-0", "True", "0x1f", "inf", "2020-01-01", " a", '"'])
@settings(max_examples=100, deadline=None)
def test_tables_give_names_back_as_they_were(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    names = [name for name in names if name and not set("\r\n\0") & set(name) and name.isprintable()]
    pd.DataFrame({"tile": names, "fold": range(len(names)), "group": names, "f_score": np.nan}).to_csv(
        path, index=False
    )
    table = read_table(path)
    assert table["tile"].tolist() == table["group"].tolist() == names
    assert table["fold"].tolist() == list(range(len(names)))
    assert table["f_score"].isna().all()


def test_a_city_by_the_name_of_nothing_is_not_taken_for_all_tiles(tmp_path):
    columns = "set,group,tile,iou,f_score\n"
    (tmp_path / "by_iou.csv").write_text(columns + "test,,,0.5,0.75\ntest,NA,,0.5,0.25\ntest,,null,0.5,0.25\n")
    (tmp_path / "curve.csv").write_text("set,group,tile,iou,recall,precision\ntest,,,0.5,0,1\n")
    given = ["--by-iou", tmp_path / "by_iou.csv", "--curve", tmp_path / "curve.csv", "--folder", tmp_path]
    done = run_script(SCRIPTS / "plots.py", *given)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "f_score_by_iou.csv")["test"].tolist() == [0.75]


def test_outlines_of_tiles_that_differ_in_case_have_their_own_ground(tmp_path):
    for name, ground in (("A", 10), ("a", 20)):
        write_raster(tmp_path / "labels" / f"{name}.tif", np.ones((8, 8), np.uint8))
        write_raster(tmp_path / "ground" / name / f"{name}_DTM.tif", np.full((8, 8), ground, np.float32))
    tool = [SCRIPTS / "outline.py", "--labels", tmp_path / "labels", "--ground", tmp_path / "ground"]
    done = run_script(*tool, "--output", tmp_path / "b.geojson")
    assert done.returncode == 0, done.stderr
    features = [feature["properties"] for feature in json.loads((tmp_path / "b.geojson").read_text())["features"]]
    assert {feature["tile"]: feature["ground_m"] for feature in features} == {"A": 10, "a": 20}
    (tmp_path / "ground" / "a" / "a_DTM.tif").unlink()
    done = run_script(*tool, "--output", tmp_path / "c.geojson")
    assert done.returncode == 1
    assert "no a_DTM.tif or a.tif for the labels of a; add it" in done.stderr


def test_the_ground_of_a_tile_may_be_spelt_otherwise_where_there_is_but_one(tmp_path):
    write_raster(tmp_path / "labels" / "Tile_1.tif", np.ones((8, 8), np.uint8))
    write_raster(tmp_path / "ground" / "tile_1_dtm.TIF", np.full((8, 8), 7, np.float32))
    tool = [SCRIPTS / "outline.py", "--labels", tmp_path / "labels", "--ground", tmp_path / "ground"]
    assert run_script(*tool, "--output", tmp_path / "b.geojson").returncode == 0
    write_raster(tmp_path / "ground" / "TILE_1_DTM.tif", np.full((8, 8), 9, np.float32))
    done = run_script(*tool, "--output", tmp_path / "c.geojson")
    assert "no Tile_1_DTM.tif or Tile_1.tif for the labels of Tile_1" in done.stderr


def test_preparing_by_hand_refuses_the_same_names(tmp_path):
    files = write_tile(tmp_path, "A")
    given = json.dumps([{"tile": "../A", "rgb": str(files.rgb), "dsm": str(files.dsm), "dtm": str(files.dtm)}])
    options = ["--set", "test", "--folder", tmp_path / "out", "--table", tmp_path / "out" / "t.csv"]
    done = run_script(SCRIPTS / "prepare.py", "--files", given, *options)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --files: tile '../A': a tile's name may contain")


@pytest.mark.pipeline
@pytest.mark.slow
def test_names_that_look_like_something_else_go_through_everything(tmp_path):
    for number, name in enumerate(TRAIN):
        write_tile(tmp_path / "data" / "train", name, seed=number % 2 + 1)
    for name in TEST:
        write_tile(tmp_path / "data" / "test", name)
    overlay = merged(
        {block: OVERLAY[block] for block in OVERLAY if block != "scenes"},
        {"separate": {"thresholds": "searched"}, "split": {"group_pattern": "^(.+)$"}},
    )
    done = snakemake(tmp_path, overlay=overlay)
    assert done.returncode == 0, done.stderr[-4000:]
    results = tmp_path / "results"
    assert set(read_table(results / "tiles" / "tiles.csv")["tile"]) == {*TRAIN, *TEST}
    assert set(read_table(results / "folds" / "folds.csv")["tile"]) == set(TRAIN)
    assert set(read_table(results / "scores" / "tiles.csv")["tile"]) == {*TRAIN, *TEST}
    assert json.loads((results / "tuning" / "chosen.json").read_text())["tiles"] == len(TRAIN)
    one, other = (read(results / "buildings" / f"{name}.tif") for name in TEST)  # of one scene
    np.testing.assert_array_equal(one, other)
    lineage = Lineage.read(results / "provenance.json", tmp_path)
    assert all(set(job["settings"]) <= set(CONFIG) for job in lineage.jobs.values())
    for name, job in lineage.jobs.items():
        if name.startswith("prepare/"):
            assert job["settings"] == {"prepare": merged(CONFIG, overlay)["prepare"]}, name
    for name in TEST:
        done = check(lineage, f"results/buildings/{name}.tif", merged(CONFIG, overlay), SCRIPTS)
        assert done.matches, (done.of_file, done.of_job)
        assert not [path for path in done.chain for other in TEST if other != name and f"/{other}_" in path]
        assert next(iter(render(done))) == f"ok       results/buildings/{name}.tif"

"""A disk that is full, read-only or limited: one line says so, nothing half-written stays, the next run mends it."""

import argparse
import errno
import io
import json
import logging
import os
import re
from dataclasses import replace

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from small_disk import BLOCK, files_of_at_most
from test_training import CPU, MAIN, network, run_of
from torch import nn
from toy import GRID, SCRIPTS, run_script, write_raster

from eaves.core import cli
from eaves.core.errors import InputError, WriteError
from eaves.core.files import atomic_write
from eaves.core.write_errors import find_os_error, write_error
from eaves.models import pretrained
from eaves.models.files import save_model
from eaves.models.pretrained import Source
from eaves.plots import overview
from eaves.raster import geotiff
from eaves.training import checkpoints, loop
from eaves.urban3d import text_format
from eaves.vector import formats

CHANCE = np.random.default_rng(1)
WIDE, HIGH = 300, 200
NOISE = CHANCE.random((HIGH, WIDE)).astype(np.float32)
CORNERS = CHANCE.random((200, 2)) * 80
ON_GRID = GRID | {"width": WIDE, "height": HIGH}


def raster(path):
    geotiff.write(path, NOISE, ON_GRID, **geotiff.PROBABILITY)


def raster_in_strips(path):
    with geotiff.create_raster(path, dtype="float32", count=1, **ON_GRID, **geotiff.PROBABILITY) as out:
        for top in range(0, HIGH, 50):
            out.write(NOISE[top : top + 50], 1, window=((top, top + 50), (0, WIDE)))


def prepared(path):
    image = (NOISE[..., None] * [1, 2, 3, 4] * 1000).astype(np.int16)
    with geotiff.create_memory_map(path, "int16", ("r", "g", "b", "h"), -1, ON_GRID) as write:
        for top in range(0, HIGH, 50):
            write(image[top : top + 50])


def model(path):
    torch.manual_seed(1)
    save_model(path, nn.Linear(60, 60), {"made": "by hand"})


def checkpoint(path):
    checkpoints.save(path, {"weights": torch.arange(4000.0)}, "this")


def picture(path):
    overview.write(path, (NOISE[:60, :80, None] * [250, 100, 50]).astype(np.uint8))


def table(path):
    with atomic_write(path) as temporary:
        pd.DataFrame(NOISE[:20, :80]).to_csv(temporary, index=False)


def text(path):
    text_format.write(path, {"a": np.arange(8000).reshape(80, 100)})


def outlines(path):
    grids = {f"tile-{number}": ON_GRID | {"crs": geotiff.rasterio.CRS.from_epsg(32617)} for number in range(3)}
    with formats.open_writer(path, grids) as write:
        for tile in grids:
            shapes = [shapely.box(440_000 + x, 3_359_900 + y, 440_001 + x, 3_359_901 + y) for x, y in CORNERS]
            columns = dict.fromkeys(
                ("area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence"), CORNERS[:, 0]
            )
            known = {"tile": tile, "id": np.arange(len(shapes)), "touches_edge": False, "regularized": False}
            write(geopandas.GeoDataFrame(known | columns, geometry=shapes, crs="EPSG:32617"))


FULL = (
    r"(/new)? \(tmpfs, [\d.]+ .?B\) is full \([\d.]+ .?B free(, (more than )?[\d.]+ .?B needed)?\); "
    "free some space and run again"
)
WRITERS = {
    "raster.tif": raster,
    "strips.tif": raster_in_strips,
    "prepared.tif": prepared,
    "model.safetensors": model,
    "checkpoint.pt": checkpoint,
    "picture.png": picture,
    "table.csv": table,
    "submission.txt": text,
    "outlines.gpkg": outlines,
    "outlines.parquet": outlines,
    "outlines.geojson": outlines,
    "outlines.city.jsonl": outlines,
}


def expected(folder, name):
    """What a file holds where there is room for it."""
    WRITERS[name](folder / "undisturbed" / name)
    return (folder / "undisturbed" / name).read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_as_ever_or_its_lack_of_room_is_told(tmp_path, small_disk, name, capfd):
    content = expected(tmp_path, name)
    blocks = -(-len(content) // BLOCK)
    outcomes = set()
    for room in sorted({0, 1, blocks // 3, blocks // 2, *range(blocks - 3, blocks + 4), 2 * blocks + 20}):
        small_disk.mount(max(room, 0))
        path = small_disk.folder / "new" / name
        try:
            WRITERS[name](path)
            outcomes.add("written")
        except WriteError as error:
            outcomes.add("refused")
            assert re.fullmatch(f"{path}: cannot be written: the file system of {small_disk.folder}{FULL}", str(error))
            assert [file.name for file in small_disk.folder.rglob("*") if file.is_file()] == ["full"] * (room <= 0)
            small_disk.change(f"size={2 * len(content) + (1 << 20)}")
            WRITERS[name](path)
        assert path.read_bytes() == content, f"{room} of {blocks} blocks"
        small_disk.unmount()
    assert outcomes == {"written", "refused"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", WRITERS)
def test_a_limit_of_files_sizes_is_told(tmp_path, name):
    content = expected(tmp_path, name)
    path = tmp_path / "limited" / name
    for limit in (0, len(content) // 2, len(content) - 1):
        with files_of_at_most(limit), pytest.raises(WriteError) as told:
            WRITERS[name](path)
        assert re.fullmatch(
            rf"{path}: cannot be written: files of this process are limited to .* \(ulimit -f\).*", str(told.value)
        )
        assert not list(path.parent.iterdir())
    WRITERS[name](path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["raster.tif", "prepared.tif", "table.csv", "outlines.gpkg"])
def test_a_read_only_file_system_and_one_without_inodes_are_told(small_disk, name):
    small_disk.mount(100)
    path = small_disk.folder / name
    for option, words in (
        ("ro", "is read-only; make it writable"),
        ("rw,nr_inodes=1", r"cannot hold more files \("),
    ):
        small_disk.change(option)
        with pytest.raises(
            WriteError, match=rf"^{path}: cannot be written: the file system of .* \(tmpfs, .*\) {words}"
        ):
            WRITERS[name](path)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EDQUOT, r"your quota on the file system of .* is used up, more than 4\.1 kB needed; free some of your"),
        (errno.ENOSPC, r"the file system of .* is full \(.* free now\); free some space"),  # it was, a moment ago
        (errno.EFBIG, r"the file system of .* does not support files of this size; choose another folder"),
        (errno.EACCES, r"no permission to write in .*; change its owner or mode"),
        (errno.EIO, r"Input/output error; solve this and run again"),
    ],
)
def test_what_the_system_says_is_told_with_a_remedy(tmp_path, number, words):
    path = tmp_path / "not" / "there" / "x.tif"
    said = str(write_error(path, OSError(number, os.strerror(number)), written=4096))
    assert re.match(rf"{path}: cannot be written: {words}", said)
    assert str(tmp_path) in said.removeprefix(str(path)) or number == errno.EIO


def test_what_stands_in_the_way_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/x\.csv: cannot be written: a file in .* has the name of the folder"):
        table(tmp_path / "file" / "x.csv")
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(WriteError, match=r"x\.csv: cannot be written: a folder in .* has this name"):
        table(tmp_path / "x.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "x.csv"]


def test_faults_of_reading_are_not_taken_for_faults_of_writing(tmp_path):
    assert find_os_error(OSError(errno.EIO, "Input/output error")) is None
    assert find_os_error(InputError("x.tif: cannot be read")) is None
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "x.csv"):
        (tmp_path / "input").read_bytes()
    assert not list(tmp_path.iterdir())


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"

    def fails(descriptor):
        assert not path.exists()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(WriteError, match=r"x\.csv: cannot be written: Input/output error"):
        table(path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_loses_what_is_written_is_told(tmp_path, monkeypatch):
    def close(file):
        if not file.closed and file.writable():
            file.truncate(file.seek(0, os.SEEK_END) // 2)
        io.FileIO.close(file)

    monkeypatch.setattr(geotiff._Output, "close", close)
    with pytest.raises(WriteError, match=r"x\.tif: cannot be written: its content differs when read back"):
        raster(tmp_path / "x.tif")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_breaks_under_gdal_is_told(tmp_path, monkeypatch):
    """GDAL's file is given the error of a broken disk at closing, as network file systems give it."""

    def close(file):
        if not file.closed and file.writable():
            file._errors.append(OSError(errno.EIO, "Input/output error"))
        io.FileIO.close(file)

    monkeypatch.setattr(geotiff._Output, "close", close)
    with pytest.raises(WriteError, match=r"x\.tif: cannot be written: Input/output error; solve this and run again"):
        raster(tmp_path / "x.tif")
    assert not list(tmp_path.iterdir())


def test_of_several_outlines_the_file_that_has_no_room_is_named(tmp_path):
    grids = {"a": ON_GRID | {"crs": geotiff.rasterio.CRS.from_epsg(32617)}}
    columns = dict.fromkeys(("area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence"), 1.0)
    one = {"tile": ["a"], "id": [1], "touches_edge": [False], "regularized": [False], **columns}
    frame = geopandas.GeoDataFrame(
        one, geometry=[shapely.box(440_000, 3_359_900, 440_001, 3_359_901)], crs="EPSG:32617"
    )
    with (
        pytest.raises(WriteError, match=r"^\S*/b\.gpkg: cannot be written"),
        formats.open_writer(tmp_path / "b.gpkg", grids) as first,
        formats.open_writer(tmp_path / "b.geojson", grids) as second,
        files_of_at_most(50_000),
    ):
        second(frame)
        first(frame)


def tells(done):
    """The one line of error on stderr."""
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_merging_into_a_full_disk_blames_no_input(tmp_path, small_disk):
    for folder in ("one", "other"):
        write_raster(tmp_path / folder / "a.tif", NOISE)
    small_disk.mount(0)
    folders = ("--predictions", tmp_path / "one", tmp_path / "other", "--folder", small_disk.folder)
    line = tells(run_script(SCRIPTS / "merge.py", *folders, "--tile-names", "a"))
    assert line.startswith(f"error: {small_disk.folder / 'a.tif'}: cannot be written: the file system of ")


def test_preparing_into_a_full_disk_ends_in_order(raw_tile, small_disk):
    small_disk.mount(8)
    files = {kind: str(path) for kind, path in vars(raw_tile).items()}
    places = ("--folder", small_disk.folder, "--table", small_disk.folder / "t.csv")
    two = json.dumps([{"tile": tile, **files} for tile in ("a", "b")])
    line = tells(run_script(SCRIPTS / "prepare.py", "--files", two, "--set", "train", *places))
    assert re.fullmatch(
        rf"error: {small_disk.folder}/a_image\.tif: .* is full \(32\.8 kB free, 204\.8 kB needed\).*", line
    )
    assert not list(small_disk.folder.iterdir())


def test_a_log_on_a_full_disk_hides_no_error_and_stops_no_job(tmp_path, small_disk):
    small_disk.mount(0)
    log = ("--log", small_disk.folder / "job.log")
    table = tmp_path / "t.csv"
    table.write_text("tile,set\nnot_there,test\n")
    arguments = ("--table", table, "--buildings", tmp_path, "--output", tmp_path / "submission.txt")
    line = tells(run_script(SCRIPTS / "submission.py", *arguments, *log))
    assert line.startswith(f"error: {tmp_path / 'not_there.tif'}: no such file")
    write_raster(tmp_path / "not_there.tif", NOISE.astype(np.int32))
    *_, last = run_script(SCRIPTS / "submission.py", *arguments, *log).stderr.splitlines()
    assert last == f"wrote 1 tiles to {tmp_path / 'submission.txt'}"
    small_disk.change("ro")
    line = tells(run_script(SCRIPTS / "submission.py", *arguments, *log))
    assert re.match(rf"error: {small_disk.folder / 'job.log'}: cannot be written: .* is read-only", line)


def test_a_log_that_cannot_be_written_any_more_stops_nothing(tmp_path, monkeypatch):
    log = tmp_path / "job.log"
    monkeypatch.setattr(cli, "LOG", logging.getLogger("a job's"))

    def main(_):
        cli.LOG.info("first")
        with files_of_at_most(10):
            cli.LOG.info("of this, some letters fit")

    cli.run(main, argparse.Namespace(log=log))
    assert log.read_text().splitlines()[0] == "first"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's, told by us
def test_training_goes_on_where_curves_cannot_be_written(tmp_path, small_disk, caplog):
    small_disk.mount(0)
    phases = [replace(MAIN, epochs=2)]
    plain = loop.train(network(), run_of(tmp_path / "plain", phases), CPU)
    watched = replace(run_of(tmp_path / "watched", phases), tensorboard_dir=small_disk.folder / "curves")
    with caplog.at_level("WARNING", logger="eaves"):
        assert loop.train(network(), watched, CPU) == plain
    (told,) = [record.getMessage() for record in caplog.records]
    problem = "cannot be written (No space left on device); training continues without TensorBoard"
    assert told == f"{watched.tensorboard_dir}: {problem}"


def test_a_download_of_weights_into_a_full_cache_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "find_source", lambda _: Source("w.pth", "", "https://example.org/w.pth"))

    def download(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WriteError, match=rf"^{tmp_path}/hub/checkpoints/w\.pth: cannot be written: .* is full"):
        pretrained.load_encoder(nn.Identity(), "resnet18", "imagenet", 3)

"""Faulty input: one line names the file or key, what is wrong and what to do, and nothing has been trained by then."""

import datetime
import math
import re

import numpy as np
import pytest
from rasterio import Affine
from toy import CONFIG, GRID, HEIGHT_NODATA, OVERLAY, SIZE, merged, read, snakemake, write_raster, write_tile

from eaves.core import config
from eaves.core.errors import InputError
from eaves.models.network import build
from eaves.tiles import discovery, folds, prepare

SHIFTED = GRID["transform"] @ Affine.translation(0.3, 0.3)  # not the orthophoto's grid: the heights are resampled
FAR_AWAY = GRID["transform"] @ Affine.translation(10_000, 0)


def fault_of(call, *arguments):
    """The lines of the fault that a call raises."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value).splitlines()


def fault_of_preparing(files):
    folder = files.rgb.parent.parent
    (line,) = fault_of(prepare.prepare, files, folder / "image.tif", folder / "truth.tif", CONFIG["prepare"])
    assert not list(folder.glob(".*.part"))
    return line


def test_a_missing_folder_is_named_with_the_ways_out(tmp_path):
    (line,) = fault_of(discovery.find_tiles, tmp_path / "train", True)
    assert line.startswith(f"{tmp_path / 'train'}: no such folder; ")
    for way_out in ("<tile>_RGB.tif", "<tile>_DSM.tif", "<tile>_GTI.tif", "tiles", "config.yaml", "make demo"):
        assert way_out in line


def test_a_folder_without_tiles_is_named_with_the_ways_out(tmp_path):
    (tmp_path / "notes.txt").write_text("no tile")
    (line,) = fault_of(discovery.find_tiles, tmp_path, False)
    assert line.startswith(f"{tmp_path}: no tiles; ")
    assert "<tile>_RGB.tif" in line
    assert "make demo" in line


@pytest.mark.parametrize("kind", ["RGB", "DSM", "DTM", "GTI"])
def test_every_missing_file_is_named(tmp_path, kind):
    for name in ("A", "B", "C"):
        write_tile(tmp_path, name)
    for name in ("A", "C"):
        (tmp_path / f"{name}_{kind}.tif").unlink()
    lines = fault_of(discovery.find_tiles, tmp_path, True)
    assert [line.split(":")[0] for line in lines] == [str(tmp_path / f"{name}_{kind}.tif") for name in ("A", "C")]
    assert all("missing" in line and "add it or remove the tile" in line for line in lines)


def test_classes_without_instances_are_refused_on_test_tiles(tmp_path):
    write_tile(tmp_path, "A")
    (tmp_path / "A_GTI.tif").unlink()
    (line,) = fault_of(discovery.find_tiles, tmp_path, False)
    assert line.startswith(f"{tmp_path / 'A_GTL.tif'}: ")
    assert "A_GTI.tif" in line


def test_two_tiles_of_one_name_are_refused(tmp_path):
    one, other = write_tile(tmp_path / "train" / "a", "A"), write_tile(tmp_path / "train" / "b", "A")
    lines = fault_of(discovery.find_tiles, tmp_path / "train", True)
    assert len(lines) == 5
    assert any(str(one.rgb) in line and str(other.rgb) in line and "rename" in line for line in lines)
    tiles = discovery.find_tiles(tmp_path / "train" / "a", True)
    (line,) = fault_of(discovery.check_distinct, tiles, {"A": other, "B": other})
    assert str(one.rgb) in line
    assert str(other.rgb) in line


def test_a_name_that_a_shell_would_take_apart_is_refused(tmp_path):
    write_tile(tmp_path, "my tile")
    lines = fault_of(discovery.find_tiles, tmp_path, True)
    assert all("my tile" in line and "rename it" in line for line in lines)


@pytest.mark.parametrize("kind", ["rgb", "dsm", "dtm", "gti", "gtl"])
def test_a_damaged_file_is_named_and_not_its_neighbour(raw_tile, kind):
    path = getattr(raw_tile, kind)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    line = fault_of_preparing(raw_tile)
    assert line.startswith(f"{path}: cannot be read (")
    assert "copy it again" in line


@pytest.mark.parametrize("kind", ["rgb", "dsm", "dtm", "gti", "gtl"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7", "a PDF document"),
        (b"", "an empty file"),
        (b"tile,set", "a file that begins with b'tile,set'"),
        (b"\n<!DOCTYPE html><p>404", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
    ],
)
def test_a_file_that_is_no_geotiff_is_told_by_what_it_is(raw_tile, kind, content, said):
    path = getattr(raw_tile, kind)
    path.write_bytes(content)
    line = fault_of_preparing(raw_tile)
    assert line.startswith(f"{path}: not a GeoTIFF but {said}")
    assert "replace it by a GeoTIFF" in line


def test_a_damaged_file_on_another_grid_is_named_too(raw_tile):
    write_raster(raw_tile.dsm, read(raw_tile.dsm), nodata=HEIGHT_NODATA, transform=SHIFTED)
    raw_tile.dsm.write_bytes(raw_tile.dsm.read_bytes()[: 2 * SIZE * SIZE])
    assert fault_of_preparing(raw_tile).startswith(f"{raw_tile.dsm}: cannot be read (")


def spoilt(name, **profile):
    """A height model with a fault, and how it is to be written."""
    heights = {
        "flat": np.full((SIZE, SIZE), 20, np.float32),
        "unknown": np.full((SIZE, SIZE), HEIGHT_NODATA, np.float32),
        "a hole of -32767": np.pad(np.full((20, 20), HEIGHT_NODATA, np.float32), 70, constant_values=20),
        "a hole of NaN": np.pad(np.full((20, 20), np.nan, np.float32), 70, constant_values=20),
        "centimetres": np.full((SIZE, SIZE), 200_000, np.float32),
    }[name]
    return heights, {"nodata": HEIGHT_NODATA} | profile


@pytest.mark.parametrize("kind", ["dsm", "dtm"])
@pytest.mark.parametrize(
    ("model_of_heights", "cause", "remedy"),
    [
        (spoilt("flat", transform=FAR_AWAY), "does not overlap", "of the same area"),
        (spoilt("flat", crs="EPSG:32633"), "does not overlap .* EPSG:32633", "of the same area"),
        (spoilt("flat", crs="EPSG:4326"), "does not overlap .* EPSG:4326", "of the same area"),
        (spoilt("flat", crs=None), "no coordinate reference system", "--crs EPSG:32617"),
        (spoilt("unknown"), "every pixel is nodata", "replace the file or remove the tile"),
        (spoilt("a hole of -32767", nodata=None), "a height of -32767 m.* nodata value is None", "--nodata=-32767 "),
        (
            spoilt("a hole of -32767", nodata=None, transform=SHIFTED),
            "a height of -.* nodata value is None",
            "--nodata=<value> ",
        ),
        (spoilt("a hole of NaN"), "400 heights are NaN.* nodata value is -32767", "--nodata nan "),
        (spoilt("a hole of NaN", transform=SHIFTED), "heights are NaN.* nodata value is -32767", "--nodata nan "),
        (spoilt("centimetres"), "a height of 200000 m", "must be metres"),
    ],
)
def test_a_height_model_at_fault_is_named_with_cause_and_remedy(raw_tile, kind, model_of_heights, cause, remedy):
    heights, profile = model_of_heights
    path = getattr(raw_tile, kind)
    path.unlink()
    write_raster(path, heights, **profile)
    line = fault_of_preparing(raw_tile)
    assert line.startswith(f"{path}: ")
    assert re.search(cause, line)
    assert remedy in line


def test_an_orthophoto_at_fault_is_named_with_cause_and_remedy(raw_tile):
    rgb = read(raw_tile.rgb)
    raw_tile.rgb.unlink()
    write_raster(raw_tile.rgb, rgb[0])
    assert re.match(rf"{raw_tile.rgb}: 1 band.* prepare.bands .* \[1, 2, 3\]", fault_of_preparing(raw_tile))
    write_raster(raw_tile.rgb, rgb, crs=None)
    assert re.match(rf"{raw_tile.rgb}: no coordinate reference system; set it, ", fault_of_preparing(raw_tile))
    for dtype in (np.uint8, np.uint16):
        write_raster(raw_tile.rgb, np.zeros_like(rgb, dtype), nodata=0)
        assert re.match(rf"{raw_tile.rgb}: every pixel is nodata; .* remove the tile", fault_of_preparing(raw_tile))
    write_raster(raw_tile.rgb, np.full_like(rgb, np.nan, np.float32))
    assert re.match(rf"{raw_tile.rgb}: every pixel is nodata; .* remove the tile", fault_of_preparing(raw_tile))


@pytest.mark.parametrize("kind", ["gti", "gtl"])
def test_truth_at_fault_is_named_with_cause_and_remedy(raw_tile, kind):
    path = getattr(raw_tile, kind)
    truth = read(path)
    for array, profile, cause in (
        (truth[:-3], {}, f"{SIZE} x {SIZE - 3} px, but .*A_1_RGB.tif has {SIZE} x {SIZE}.*rasterise"),
        (truth, {"transform": FAR_AWAY}, "not on the grid of .*A_1_RGB.tif.*rasterise"),
        (truth.astype(np.float32), {}, ".*float32.*integers"),
    ):
        path.unlink()
        write_raster(path, array, **profile)
        assert re.match(f"{path}: {cause}", fault_of_preparing(raw_tile))


def test_ids_beyond_32_bits_are_named_and_not_wrapped_around(raw_tile):
    truth = read(raw_tile.gti)
    for dtype, strange in (("uint32", 2**31), ("uint32", 2**32 - 1), ("int64", 2**32 + 5), ("int64", -(2**31))):
        ids = truth.astype(dtype)
        ids[0, 0] = strange
        raw_tile.gti.unlink()
        write_raster(raw_tile.gti, ids)
        line = fault_of_preparing(raw_tile)
        assert line.startswith(f"{raw_tile.gti}: the id {strange} does not fit into 32 bits (")
        assert "number the buildings" in line


def test_truth_of_several_bands_is_refused(raw_tile):
    write_raster(raw_tile.gti, np.stack([read(raw_tile.gti)] * 2))
    assert re.match(rf"{raw_tile.gti}: 2 band\(s\) of uint16, but ids must be one band", fault_of_preparing(raw_tile))


def test_classes_that_the_challenge_does_not_know_are_listed(raw_tile):
    write_raster(raw_tile.gtl, np.where(read(raw_tile.gtl) == 6, 255, 2).astype(np.uint8))
    assert re.match(rf"{raw_tile.gtl}: unexpected values \[255\]; classes are 2 .*6 .*65", fault_of_preparing(raw_tile))


def test_a_file_that_vanished_is_named(raw_tile):
    raw_tile.dtm.unlink()
    assert fault_of_preparing(raw_tile) == f"{raw_tile.dtm}: no such file"


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"separat": {"low": 0.2}}, "unknown key separat; known here: .*separate"),
        ({"separate": {"lwo": 0.2}}, "unknown key separate.lwo; known here: high, low"),
        ({"train": {"final": {"epoch": 1}}}, "unknown key train.final.epoch; known here: bce, dice, epochs, lr"),
        ({"separate": {"low": -0.1}}, r"separate.low is -0.1: must be a number from 0 to 1"),
        ({"separate": {"low": 0.8}}, r"separate.low is 0.8: .*separate.high, 0.7"),
        ({"split": {"folds": 1}}, "split.folds is 1: must be a whole number from 2 to 100"),
        ({"split": {"group_pattern": "("}}, r"split.group_pattern is \"\(\": .*a regular expression"),
        ({"model": {"decoder": "fpn"}}, 'model.decoder is "fpn": must be unet or linknet'),
        ({"train": {"lr": "1e-4"}}, r"train.lr is \"1e-4\": .*it is text, the number is 1.0e-4"),
        ({"sample": {"crop_px": 100}}, "sample.crop_px is 100: .*a multiple of 32"),
        ({"prepare": {"rgb_range": [9]}}, r"prepare.rgb_range is \[9\]: must be auto, or a list of 2 values"),
        ({"prepare": {"rgb_range": [9, 5]}}, r"prepare.rgb_range is \[9.0, 5.0\]: the second must be larger"),
        (
            {"prepare": {"rgb_percentiles": [99, 1]}},
            r"prepare.rgb_percentiles is \[99.0, 1.0\]: the second must be larger",
        ),
        (
            {"separate": {"thresholds": "searched"}, "models": "m"},
            "separate.thresholds is searched: .*models.*results/tuning/chosen.json",
        ),
        (
            {"separate": {"thresholds": "searched", "match_original": True}},
            "separate.thresholds is searched: this does not work with separate.match_original",
        ),
        (
            {"threshold_search": {"low": []}},
            r"threshold_search.low is \[\]: must be a list of 1 to 100 values, each a number from 0 to 1",
        ),
        ({"threshold_search": {"high": [0.5, 2]}}, "threshold_search.high.1 is 2: must be a number from 0 to 1"),
        ({"sample": {"micro_batch": "auto"}}, "sample.micro_batch is auto: then sample.batch_size must say"),
        (
            {"sample": {"micro_batch": "much"}},
            'sample.micro_batch is "much": must be a whole number from 1 to 4096, or auto',
        ),
        (
            {"sample": {"batch_size": 7}},
            "sample.batch_size is 7, but sample.micro_batch x sample.gradient_accumulation is",
        ),
        ({"run": {"gpus_per_fold": 2}}, "run.gpus_per_fold is 2: sample.gradient_accumulation, 3, must be a multiple"),
        ({"run": {"checkpoint_steps": 0}}, "run.checkpoint_steps is 0: must be a whole number from 1 to .*, or null"),
        ({"predict": {"window": 256, "overlap": 128}}, "predict.overlap is 128: .*predict.window, 256"),
        (
            {"outline": {"formats": ["gpkg", "shp"]}},
            'outline.formats.1 is "shp": must be gpkg, parquet, geojson or cityjson',
        ),
        ({"outline": {"regularize_m": 0}}, "outline.regularize_m is 0: must be a number above 0, .*or null"),
        ({"score": {"size_bins_m2": [200, 50]}}, r"score.size_bins_m2 is \[200.0, 50.0\]: put it in ascending order"),
        ({"score": {"rules": "last"}}, r"score.rules is \"last\": must be final or provisional"),
        ({"warmup": None}, "warmup is null: must be a mapping of the keys epochs, lr"),
    ],
)
def test_a_setting_at_fault_is_named_with_what_is_allowed(overlay, said):
    (line,) = fault_of(config.check, merged(CONFIG, overlay))
    assert line.startswith("configuration: ")
    assert re.search(said, line)


LIMITLESS = {"itself": []}
LIMITLESS["itself"].append(LIMITLESS)


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"train": {"lr": math.nan}}, "train.lr is NaN: must be a number above 0"),
        ({"train": {"lr": math.inf}}, "train.lr is Infinity: must be a number above 0"),
        ({"score": {"iou_threshold": math.nan}}, "score.iou_threshold is NaN: must be a number from 0 to 1"),
        ({"separate": {"low": -math.inf}}, "separate.low is -Infinity: must be a number"),
        ({"threshold_search": {"low": [0.1, math.nan]}}, "threshold_search.low.1 is NaN: must be a number from 0 to 1"),
        ({"prepare": {"rgb_range": [0, math.inf]}}, "prepare.rgb_range.1 is Infinity: must be a number from"),
        ({"sample": {"crop_px": 3_200_000_000}}, "sample.crop_px is 3200000000: must be a multiple of 32 from 32 to"),
        (
            {"sample": {"crops_per_tile": 10**9}},
            "sample.crops_per_tile is 1000000000: must be a whole number from 1 to",
        ),
        ({"sample": {"border_px": 10**9}}, "sample.border_px is"),
        ({"sample": {"micro_batch": 10**6}}, "sample.micro_batch is"),
        ({"sample": {"gradient_accumulation": 10**9}}, "sample.gradient_accumulation is"),
        ({"sample": {"micro_batch": "auto", "batch_size": 10**12}}, "sample.batch_size is"),
        ({"predict": {"window": 32 * 10**9}}, "predict.window is"),
        ({"warmup": {"epochs": 10**9}}, "warmup.epochs is"),
        ({"train": {"final": {"epochs": 10**9}}}, "train.final.epochs is"),
        ({"split": {"folds": 10**6}}, "split.folds is 1000000: must be a whole number from 2 to 100"),
        ({"split": {"seed": 2**32}}, "split.seed is"),
        ({"scenes": {"train": 1, "test": 1, "size": 10**9, "seed": 1}}, "scenes.size is"),
        ({"run": {"gpus_per_fold": 10**9}}, "run.gpus_per_fold is"),
        ({"run": {"tiles_per_job": 0}}, "run.tiles_per_job is 0: must be a whole number from 1"),
        ({"run": {"checkpoint_minutes": 1e12}}, "run.checkpoint_minutes is"),
        ({"split": {"folds": 10**5000}}, "split.folds is .*: must be a whole number from 2 to 100"),
        ({"split": {"folds": True}}, "split.folds is true: must be a whole number"),
        ({"separate": {"low": False}}, "separate.low is false: must be a number from 0 to 1"),
        ({"split": {"folds": 3.0}}, "split.folds is 3.0: must be a whole number"),
        ({"split": {"folds": "3"}}, 'split.folds is "3": .*as written it is text, the number is 3'),
        ({"augment": {"flip": "yes please"}}, "augment.flip is .*: must be true or false"),
        ({"augment": {"flip": 1}}, "augment.flip is 1: must be true or false"),
        ({"model": {"encoder": "a\0b"}}, r"model.encoder is .*: must be text of one line"),
        ({"model": {"encoder": ""}}, r'model.encoder is "": must be text'),
        ({"model": {"encoder": "a\nb"}}, r"model.encoder is .*: must be text of one line"),
        ({"tiles": {"train": "x" * 10_000}}, r"tiles.train is .{,100}: must be text"),
        ({"tiles": {"train": ["a"]}}, r'tiles.train is \["a"\]: must be text'),
        ({"models": {"folder": "m"}}, "models is .*: must be text of one line, or null"),
        ({"split": [1, 2]}, r"split is \[1, 2\]: must be a mapping of the keys folds, seed"),
        ({"split": {"by": datetime.date(2024, 1, 1)}}, "split.by is .*: a date is not allowed; .*put it in quotes"),
        ({"split": {"seed": b"hello"}}, "split.seed is .*: binary data is not allowed"),
        ({"outline": {"formats": {"gpkg"}}}, "outline.formats is .*: a YAML tag is not allowed"),
        ({"outline": {"formats": ["gpkg", "gpkg"]}}, "outline.formats is .*must name each format once"),
        ({"score": {"size_bins_m2": [5, 5]}}, "score.size_bins_m2 is .*ascending order, each value once"),
        ({1: {"folds": 3}}, "the key 1 is not text"),
        ({"split": {None: 3}}, "the key null in split is not text"),
        ({"split": LIMITLESS}, "split.itself.*is nested too deeply, or contains itself"),
        ({"split": {"folds": [[[[[[[[[[[[1]]]]]]]]]]]]}}, "split.folds.*is nested too deeply"),
        ({"tiles": {"batch": 3}}, "tiles.batch is now run.tiles_per_job"),
        ({"separate": {"tune": True}}, "separate.tune is now separate.thresholds, configured or searched"),
        ({"train": {"gpus": 2}}, "train.gpus is now run.gpus_per_fold"),
        ({"checkpoint": {"minutes": 5}}, "checkpoint is now run.checkpoint_minutes and run.checkpoint_steps"),
        ({"train": {"height_channel": "anew"}}, 'train.height_channel is "anew", which is now random'),
    ],
)
def test_a_value_that_no_run_can_use_is_refused_in_one_line(overlay, said):
    (line,) = fault_of(config.check, {**CONFIG, **{key: laid_over(key, value) for key, value in overlay.items()}})
    assert re.search(said, line)
    assert len(line) < 400


def laid_over(block, value):
    """A block of the configuration with other values; what is not a mapping takes its place."""
    both = isinstance(value, dict) and isinstance(CONFIG.get(block), dict)
    return merged(CONFIG[block], value) if both and value is not LIMITLESS else value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"split: {folds: 3}\nsplit: {folds: 4}", "line 2: the key split is given twice"),
        (b"split:\n  folds: 3\n  folds: 4", "line 3: the key folds is given twice"),
        (b"", "is empty, but must hold blocks of settings"),
        (b"# nothing but a comment", "is empty"),
        (b"- split\n- model", "holds a list, but must hold blocks"),
        (b"split", "holds a str, but must hold blocks"),
        (b"split: [", "cannot be read"),
        (b'model: {encoder: "\xe9"}', "not UTF-8 text"),
        (b"split: {folds: !!python/object/apply:os.getcwd []}", "cannot be read .*tag"),
        (b"split: {folds: !secret 3}", "cannot be read .*tag"),
        (b"1: {folds: 3}", "line 1: a key that is not text"),
        (b"split: {? [1, 2] : 3}", "a key that is not text"),
        (b"split: {yes: 3}", "a key that is not text"),
        (b"split: " + b"[" * 5000 + b"]" * 5000, "nested more than"),
        (b"split: {by: *unknown}", "cannot be read .*alias"),
        (b"split: {folds: " + b"9" * 5000 + b"}", "cannot be read"),
        (b"split: {by: 2024-99-99}", "cannot be read"),
        (b"\0", "cannot be read"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused_in_one_line(tmp_path, content, said):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    (line,) = fault_of(config.read_file, file)
    assert line.startswith(f"{file}: ")
    assert re.search(said, line)


def test_a_missing_setting_is_named_and_all_faults_are_told():
    given = merged(CONFIG, {"separate": {"low": 2}, "split": {"folds": 0}})
    del given["train"]["lr"]
    lines = fault_of(config.check, given)
    assert len(lines) == 3
    assert any("train.lr is missing; copy it from" in line for line in lines)


def test_an_encoder_that_cannot_be_had_is_named():
    (line,) = fault_of(build, "resnet34x")
    assert line.startswith("configuration: model.encoder is 'resnet34x': ")
    assert "e.g. resnet34" in line
    (line,) = fault_of(build, "vit_tiny_patch16_224")
    assert "model.encoder is 'vit_tiny_patch16_224'" in line
    assert "the decoder needs them at 1/4, 1/8, 1/16 and 1/32" in line
    (line,) = fault_of(build, "resnet18", "fpn")
    assert line == "configuration: model.decoder is 'fpn'; known: unet, linknet"


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("random", "only 3 training tiles; lower split.folds, add tiles$"),
        ("groups", "only 2 groups of training tiles; .*change split.group_"),
        ("blocks", "only 1 blocks of training tiles; .*change split.block_"),
    ],
)
def test_too_few_tiles_for_the_folds(by, said):
    centres = np.array([[10, 10], [20, 20], [30, 30]])
    (line,) = fault_of(folds.assign, ["A_1", "A_2", "B_1"], 5, 42, by, "^([^_]+)_", 2000, centres)
    assert re.match(f"configuration: split.folds is 5, but there are {said}", line)


def test_a_group_pattern_that_matches_no_name_is_told():
    (line,) = fault_of(folds.assign, ["A_1", "B-2"], 2, 42, "groups", "^([^_]+)_")
    assert "split.group_pattern '^([^_]+)_' does not match tile B-2; change it" in line


# From here on through the workflow itself: what a user sees, and that it ends there.

OWN_TILES = {block: OVERLAY[block] for block in OVERLAY if block != "scenes"}


def refused(done, folder):
    """What the workflow said when it refused to begin."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert not (folder / "results" / "tiles").exists()
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.pipeline
def test_the_workflow_refuses_missing_folders_in_one_line(tmp_path):
    (line,) = refused(snakemake(tmp_path, overlay=None), tmp_path)
    assert re.match(r"error: data/\w+: no such folder; put <tile>_RGB.tif, .*`make demo`", line)


@pytest.mark.pipeline
def test_the_workflow_refuses_a_misspelled_key_and_a_negative_threshold(tmp_path):
    overlay = merged(OVERLAY, {"separate": {"low": -0.1}, "warm_up": {"epochs": 1}})
    lines = refused(snakemake(tmp_path, overlay=overlay), tmp_path)
    assert [line for line in lines if "unknown key warm_up; known here: " in line]
    assert [line for line in lines if "separate.low is -0.1" in line]


@pytest.mark.pipeline
def test_the_workflow_names_all_bad_tiles_of_a_batch_and_trains_nothing(tmp_path):
    for number in range(4):
        write_tile(tmp_path / "data" / "train", f"A_{number}")
    write_tile(tmp_path / "data" / "test", "T_0")
    bad = [tmp_path / "data" / "train" / name for name in ("A_1_DSM.tif", "A_3_RGB.tif")]
    bad[0].write_bytes(bad[0].read_bytes()[:30_000])
    bad[1].write_text("no raster")
    done = snakemake(tmp_path, overlay=OWN_TILES)
    assert done.returncode != 0
    for path in bad:
        place = path.relative_to(tmp_path)
        lines = [line for line in done.stderr.splitlines() if line.startswith(f"error: {place}: ")]
        assert lines, done.stderr
        assert ("cannot be read (" if path == bad[0] else "not a GeoTIFF but ") in lines[0]
    assert "A_0" not in "".join(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert not (tmp_path / "results" / "warmups").exists()


@pytest.mark.pipeline
@pytest.mark.slow
def test_the_workflow_refuses_fewer_tiles_than_folds_before_training(tmp_path):
    overlay = merged(OVERLAY, {"scenes": {"train": 1, "test": 1}})
    done = snakemake(tmp_path, "folds", overlay=overlay)
    assert done.returncode != 0
    assert "error: configuration: split.folds is 2, but there are only 1 training tiles; " in done.stderr

"""The whole workflow on a toy: what it makes, when it does nothing, and that it makes the same again, bit for bit."""

import json
import re
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import cv2
import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import tifffile
import timm
import torch
from scipy import ndimage
from toy import (
    CONFIG,
    HEIGHT_NODATA,
    OVERLAY,
    PROJECT_ROOT,
    SCRIPTS,
    SIZE,
    ToyRun,
    environment,
    merged,
    read,
    run,
    run_script,
    snakemake,
)

from eaves.metrics.challenge import challenge_rules, overall, score_tile
from eaves.metrics.figures import figures, pool
from eaves.metrics.measure import measure_tile
from eaves.models.files import read_model, save_model
from eaves.models.inference import predict_strips
from eaves.models.network import build
from eaves.plots import overview
from eaves.separation.watershed import separate
from eaves.tiles import folds
from eaves.tiles.prepared import NODATA
from eaves.training.fold import BLOCKS
from eaves.urban3d import text_format

pytestmark = pytest.mark.pipeline

SETTINGS = merged(CONFIG, OVERLAY)
FOLDS = range(OVERLAY["split"]["folds"])
NOTHING = "Nothing to be done"
TABLES = ("groups", "tiles", "buildings", "by_iou", "by_size", "by_confidence", "precision_recall")
SCORES = ("scores.json", *(f"{name}.csv" for name in TABLES))
TUNED = merged(OVERLAY, {"separate": {"thresholds": "searched"}})


def labels_of(toy: ToyRun) -> dict[str, np.ndarray]:
    return {tile: read(toy.results / "buildings" / f"{tile}.tif") for tile in toy.tiles("test")}


def jobs(output: str) -> set[str]:
    """The rules in Snakemake's table of jobs, without the batch's or fold's suffix."""
    table = output.split("Job stats:")[1].split("\n\n")[0]
    return {re.split(r"_(?=train-|test-)", name)[0] for name in re.findall(r"^(\w\S*) +\d+ *$", table, re.MULTILINE)}


def test_all_artifacts_are_there_and_no_others(toy_run):
    train, test = toy_run.tiles("train"), toy_run.tiles("test")
    assert (len(train), len(test)) == (OVERLAY["scenes"]["train"], OVERLAY["scenes"]["test"])
    expected = {"code.json", "tiles/tiles.csv", "folds/folds.csv", "submission.txt", "overview.png", "provenance.json"}
    expected |= {"weights/encoder.safetensors"}
    expected |= {f"plots/{name}.csv" for name in ("losses", "f_score_by_iou", "precision_recall")}
    expected |= {f"buildings/buildings.{ending}" for ending in ("gpkg", "parquet", "geojson", "city.jsonl")}
    expected |= {f"scores/{name}" for name in SCORES}
    ends = ("safetensors", "csv")
    expected |= {f"{stage}/fold-{k}.{end}" for stage in ("warmups", "models") for k in FOLDS for end in ends}
    expected |= {f"tiles/{tile}_{kind}.tif" for tile in train + test for kind in ("image", "truth")}
    expected |= {f"{stage}/{tile}.tif" for tile in train + test for stage in ("probabilities", "buildings")}
    expected |= {f"predictions/fold-{k}/{tile}.tif" for k in FOLDS for tile in test}
    expected |= {f"predictions/out-of-fold/{tile}.tif" for tile in train}
    found = {path.relative_to(toy_run.results).as_posix() for path in toy_run.results.rglob("*") if path.is_file()}
    assert {
        path for path in found if not re.match(r"(scenes|logs|records|tensorboard|tiles/batches)/", path)
    } == expected


@pytest.mark.parametrize(
    ("pattern", "bands", "dtype", "nodata"),
    [
        ("tiles/{}_image.tif", 4, "int16", NODATA),
        ("tiles/{}_truth.tif", 1, "int32", None),
        ("predictions/*/{}.tif", 1, "float32", None),
        ("probabilities/{}.tif", 1, "float32", None),
        ("buildings/{}.tif", 1, "int32", None),
    ],
)
def test_rasters_lie_where_the_orthophoto_lies(toy_run, pattern, bands, dtype, nodata):
    for tile in toy_run.tiles("train") + toy_run.tiles("test"):
        with rasterio.open(toy_run.raw(tile, "RGB")) as rgb:
            place = (rgb.crs, rgb.transform, rgb.shape)
        found = list(toy_run.results.glob(pattern.format(tile)))
        assert found
        for path in found:
            with rasterio.open(path) as dataset:
                assert (dataset.crs, dataset.transform, dataset.shape) == place
                assert (dataset.count, dataset.dtypes[0], dataset.nodata) == (bands, dtype, nodata)


def test_prepared_tiles_hold_the_raw_files(toy_run):
    tile = toy_run.tiles("train")[0]
    image = tifffile.memmap(toy_run.results / "tiles" / f"{tile}_image.tif", mode="r")
    rgb, dsm, dtm = (read(toy_run.raw(tile, kind)) for kind in ("RGB", "DSM", "DTM"))
    known = (dsm != -32767) & (dtm != -32767)
    assert 0 < (~known).sum() < known.sum()
    np.testing.assert_array_equal(image[..., :3], np.moveaxis(rgb, 0, 2))
    np.testing.assert_allclose(image[known, 3], 100 * (dsm - dtm)[known], atol=0.51)
    assert (image[~known, 3] == NODATA).all()
    truth = tifffile.memmap(toy_run.results / "tiles" / f"{tile}_truth.tif", mode="r")
    np.testing.assert_array_equal(np.abs(truth), read(toy_run.raw(tile, "GTI")))


def test_table_of_tiles(toy_run):
    table = pd.read_csv(toy_run.results / "tiles" / "tiles.csv").set_index("tile")
    assert list(table.index) == [*toy_run.tiles("test"), *toy_run.tiles("train")]
    assert (table[["width", "height"]] == SIZE).all(axis=None)
    for tile, row in table.iterrows():
        for kind in ("image", "truth"):
            path = toy_run.results / "tiles" / f"{tile}_{kind}.tif"
            assert row[f"{kind}_sha256"] == sha256(path.read_bytes()).hexdigest()
        truth = read(toy_run.results / "tiles" / f"{tile}_truth.tif")
        assert row["buildings"] == len(set(truth[truth != 0].tolist()))
        height = read(toy_run.results / "tiles" / f"{tile}_image.tif")[3]
        assert row["nodata"] == pytest.approx((height == NODATA).mean(), abs=1e-6)
    assert table["sha256"].nunique() == len(table)


def test_folds_follow_from_the_configured_number_and_seed(toy_run):
    table = pd.read_csv(toy_run.results / "folds" / "folds.csv")
    assert list(table.columns) == ["tile", "fold", "sha256"]
    tiles = sorted(toy_run.tiles("train"))
    expected = folds.assign(tiles, len(FOLDS), CONFIG["split"]["seed"])
    assert dict(zip(table["tile"], table["fold"], strict=True)) == dict(zip(tiles, expected, strict=True))


def test_models_carry_recipe_and_history(toy_run):
    for stage, phases in (("warmups", ["warmup"]), ("models", ["main", "decay", "final"])):
        for fold in FOLDS:
            state, recipe = read_model(toy_run.results / stage / f"fold-{fold}.safetensors")
            assert recipe["encoder"] == OVERLAY["model"]["encoder"]
            assert recipe["input"] == CONFIG["input"]
            assert (recipe["fold"], recipe["channels"]) == (fold, 3 if stage == "warmups" else 4)
            assert recipe["trained"]["sample"] == SETTINGS["sample"]
            build(recipe["encoder"], recipe["decoder"], recipe["channels"]).load_state_dict(state)
            history = pd.read_csv(toy_run.results / stage / f"fold-{fold}.csv")
            assert list(history["phase"]) == phases
            assert list(history["epoch"]) == list(range(1, len(phases) + 1))
            assert np.isfinite(history[["lr", "loss", "dice", "val_loss", "val_dice"]].to_numpy()).all()
    assert not list((toy_run.results / "checkpoints").glob("*"))


def test_training_tiles_are_predicted_by_the_model_that_has_not_seen_them(toy_run):
    table = pd.read_csv(toy_run.results / "folds" / "folds.csv")
    settings = {"input": SETTINGS["input"], "predict": SETTINGS["predict"]}
    for fold, tile in table.groupby("fold")["tile"].first().items():
        image = tifffile.memmap(toy_run.results / "tiles" / f"{tile}_image.tif", mode="r")
        found = read(toy_run.results / "predictions" / "out-of-fold" / f"{tile}.tif")
        by_model = []
        for number in FOLDS:
            state, recipe = read_model(toy_run.results / "models" / f"fold-{number}.safetensors")
            network = build(recipe["encoder"], recipe["decoder"], recipe["channels"]).eval()
            network.load_state_dict(state)
            strips = predict_strips(network, image, recipe["channels"], settings, torch.device("cpu"))
            by_model.append(np.concatenate([strip for _, strip in strips]))
        close = [bool(np.allclose(found, made, atol=1e-4)) for made in by_model]
        assert close == [number == fold for number in FOLDS]


def test_probabilities_are_the_mean_of_the_folds(toy_run):
    for tile in toy_run.tiles("test"):
        folds = [read(toy_run.results / "predictions" / f"fold-{fold}" / f"{tile}.tif") for fold in FOLDS]
        assert not np.array_equal(*folds)
        mean = read(toy_run.results / "probabilities" / f"{tile}.tif")
        np.testing.assert_allclose(mean, np.mean(folds, axis=0), rtol=0, atol=2**-17)
        for stored in (*folds, mean):  # multiples of 1/65536: what is finer does not compress
            np.testing.assert_array_equal(stored * 2**16, np.rint(stored * 2**16))
        assert mean.min() >= 0
        assert mean.max() <= 1


def test_scores_tell_what_the_library_tells(toy_run):
    scores = json.loads((toy_run.results / "scores" / "scores.json").read_text())
    per_tile = pd.read_csv(toy_run.results / "scores" / "tiles.csv")
    buildings = pd.read_csv(toy_run.results / "scores" / "buildings.csv")
    assert scores["rules"] == CONFIG["score"]
    for group, set_name in (("out_of_fold", "train"), ("test", "test")):
        rows = per_tile[per_tile["set"] == group].set_index("tile")
        assert sorted(rows.index) == sorted(toy_run.tiles(set_name))
        parts = []
        for tile, row in rows.iterrows():
            truth = read(toy_run.results / "tiles" / f"{tile}_truth.tif")
            found = read(toy_run.results / "buildings" / f"{tile}.tif")
            unseen = read(toy_run.results / "tiles" / f"{tile}_image.tif")[3] == NODATA
            score = score_tile(truth, found, unseen, CONFIG["score"]["iou_threshold"], large_uncertain=True)
            assert (row["tp"], row["fp"], row["fn"]) == (score.tp, score.fp, score.fn)
            assert score.fp + score.fn > 0
            probability = read(toy_run.results / "probabilities" / f"{tile}.tif")
            parts.append(measure_tile(truth, found, unseen, probability, boundary_m=CONFIG["score"]["boundary_m"])[0])
        assert scores[group]["tiles"] == len(rows)
        assert scores[group]["f_score"] == pytest.approx(rows["f_score"].mean(), abs=1e-6)
        for outcome in ("tp", "fp", "fn"):
            assert scores[group][outcome] == rows[outcome].sum()
        assert scores[group].items() >= figures(pool(parts)).items()
        assert scores[group]["pixel_iou"] > 0
        assert scores[group]["average_precision"] is not None
        towns = pd.read_csv(toy_run.results / "scores" / "groups.csv").set_index("set").loc[group]
        assert set(towns["group"].dropna()) == set(rows["group"]) == {name.split("_")[0] for name in rows.index}
        assert towns["f_score"].iloc[0] == scores[group]["f_score"]
        mine = buildings[buildings["tile"].isin(rows.index)]
        assert ((mine["side"] == "truth") & (mine["outcome"] == "fn")).sum() == scores[group]["fn"]


def test_the_tool_by_hand_finds_what_the_pipeline_found(toy_run, tmp_path):
    results = toy_run.results
    (truths := tmp_path / "truths").mkdir()
    for tile in toy_run.tiles("test"):
        (truths / f"{tile}_truth.tif").symlink_to(results / "tiles" / f"{tile}_truth.tif")
    command = ["--truth", truths, "--solution", results / "submission.txt", "--heights", results / "tiles"]
    done = run_script(
        SCRIPTS / "score.py", *command, "--confidence", results / "probabilities", "--json", tmp_path / "s.json"
    )
    assert done.returncode == 0, done.stderr
    assert (
        json.loads((tmp_path / "s.json").read_text())["all"]
        == json.loads((results / "scores" / "scores.json").read_text())["test"]
    )
    curve = pd.read_csv(results / "scores" / "precision_recall.csv")
    whole = curve[(curve["set"] == "test") & curve["group"].isna() & (curve["iou"] == 0.5)]
    average = json.loads((tmp_path / "s.json").read_text())["all"]["average_precision_50"]
    assert whole["precision"].mean() == pytest.approx(average, abs=2e-6)


def test_buildings_become_outlines_and_a_submission(toy_run):
    labels = labels_of(toy_run)
    counts = {tile: int(found.max()) for tile, found in labels.items()}
    assert sum(counts.values()) > 0
    outlines = pyogrio.read_dataframe(toy_run.results / "buildings" / "buildings.gpkg")
    columns = ["tile", "id", "area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence"]
    assert list(outlines.columns) == [*columns, "touches_edge", "regularized", "geometry"]
    assert outlines.crs.to_epsg() == 32617
    assert outlines.is_valid.all()
    assert outlines["confidence"].between(OVERLAY["separate"]["low"], 1).all()
    for tile, found in labels.items():
        mine = outlines[outlines["tile"] == tile]
        assert sorted(mine["id"]) == list(range(1, counts[tile] + 1)) == sorted(set(found.flat) - {0})
        np.testing.assert_allclose(mine["area_m2"], [(found == number).sum() / 4 for number in mine["id"]])
        np.testing.assert_allclose(mine.area, mine["area_m2"])
        dtm = read(toy_run.raw(tile, "DTM"))
        grounds = [np.median(dtm[(found == number) & (dtm != HEIGHT_NODATA)]) for number in mine["id"]]
        np.testing.assert_allclose(mine["ground_m"], grounds, atol=1e-4)
        with rasterio.open(toy_run.raw(tile, "RGB")) as rgb:
            left, bottom, right, top = rgb.bounds
        assert mine.total_bounds[0] >= left
        assert mine.total_bounds[1] >= bottom
        assert mine.total_bounds[2] <= right
        assert mine.total_bounds[3] <= top
    submitted = text_format.read(toy_run.results / "submission.txt")
    assert submitted.keys() == labels.keys()
    for tile, found in labels.items():
        np.testing.assert_array_equal(submitted[tile], found)


def test_the_overview_has_a_row_per_test_tile(toy_run):
    picture = cv2.imread(str(toy_run.results / "overview.png"))
    rows = len(toy_run.tiles("test"))
    assert picture.shape[0] == overview.TITLE_PX + rows * (overview.PANEL_PX + overview.GAP_PX)
    assert picture.std() > 10


def test_a_second_run_and_touched_inputs_cause_nothing(toy_run, tmp_path):
    toy = toy_run.copy_to(tmp_path / "toy")
    for path in [*(toy.results / "scenes").rglob("*.tif"), toy.results / "folds" / "folds.csv"]:
        path.touch()
    assert NOTHING in snakemake(toy.folder, overlay=OVERLAY).stderr


def test_every_format_holds_the_same_buildings(toy_run):
    folder = toy_run.results / "buildings"
    wanted = pyogrio.read_dataframe(folder / "buildings.gpkg")
    table = geopandas.read_parquet(folder / "buildings.parquet")
    collection = json.loads((folder / "buildings.geojson").read_text())["features"]
    blocks = [json.loads(line) for line in (folder / "buildings.city.jsonl").read_text().splitlines()][1:]
    pairs = list(zip(wanted["tile"], wanted["id"], strict=True))
    assert pairs == list(zip(table["tile"], table["id"], strict=True))
    assert pairs == [(feature["properties"]["tile"], feature["properties"]["id"]) for feature in collection]
    assert [f"{tile}-{number}" for tile, number in pairs] == [block["id"] for block in blocks]


def test_regularized_outlines_are_drawn_again_and_nothing_else(toy_run):
    planned = snakemake(toy_run.folder, "-n", overlay=merged(OVERLAY, {"outline": {"regularize_m": 1.0}}))
    assert jobs(planned.stdout + planned.stderr) - {"all", "buildings", "total"} == {"outline", "provenance"}


def test_a_changed_threshold_separates_again_and_predicts_nothing(toy_run):
    changed = merged(OVERLAY, {"separate": {"low": 0.21}})
    planned = snakemake(toy_run.folder, "-n", overlay=changed)
    assert jobs(planned.stdout + planned.stderr) >= {"separate", "outline", "submission", "score"}
    assert not jobs(planned.stdout + planned.stderr) & {"prepare", "split", "warmup", "train", "predict", "merge"}


@pytest.fixture(scope="module")
def tuned_run(toy_run, tmp_path_factory) -> tuple[Path, set[str]]:
    """A copy of the toy's run gone on with tuned thresholds, and the jobs that this took.

    The toy's network is no good at any threshold; the training tiles get probabilities with a halo above the configured
    `low` around each building.
    """
    folder = tmp_path_factory.mktemp("tuned") / "toy"
    toy_run.copy_to(folder)
    for tile in toy_run.tiles("train"):
        truth = read(folder / "results" / "tiles" / f"{tile}_truth.tif") != 0
        halo = np.where(ndimage.binary_dilation(truth, iterations=9), np.float32(0.28), np.float32(0.02))
        with rasterio.open(folder / "results" / "probabilities" / f"{tile}.tif", "r+") as out:
            out.write(np.where(truth, np.float32(0.9), halo), 1)
    done = snakemake(folder, overlay=TUNED)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "results", jobs(done.stdout + done.stderr)


def test_tuning_separates_by_the_chosen_thresholds_and_scores_as_foretold(toy_run, tuned_run):
    results, done = tuned_run
    assert done - {"total"} == {
        "tune",
        "choose",
        "separate",
        "outline",
        "submission",
        "score",
        "overview",
        "plots",
        "provenance",
        "all",
    }
    report = json.loads((results / "tuning" / "chosen.json").read_text())
    chosen, configured = report["separation"], OVERLAY["separate"]
    assert report["configured"] == configured != chosen
    scores: dict[bool, list] = {True: [], False: []}
    for tile in toy_run.tiles("train") + toy_run.tiles("test"):
        probability = read(results / "probabilities" / f"{tile}.tif")
        unseen = read(results / "tiles" / f"{tile}_image.tif")[3] == NODATA
        found = {
            tuned: separate(np.where(unseen, np.float32(0), probability), **values)
            for tuned, values in ((True, chosen), (False, configured))
        }
        np.testing.assert_array_equal(read(results / "buildings" / f"{tile}.tif"), found[True])
        if tile in toy_run.tiles("train"):
            truth = read(results / "tiles" / f"{tile}_truth.tif")
            for tuned, labels in found.items():
                scores[tuned].append(score_tile(truth, labels, unseen, **challenge_rules(CONFIG["score"])))

    figures = json.loads((results / "scores" / "scores.json").read_text())
    assert figures["separation"] == chosen | {"match_original": False, "tuned": True}
    untuned = json.loads((toy_run.results / "scores" / "scores.json").read_text())
    assert untuned["separation"] == configured | {"match_original": False, "tuned": False}
    assert report["f_score"]["chosen"] == figures["out_of_fold"]["f_score"]
    assert report["f_score"]["chosen"] == pytest.approx(overall(scores[True]), abs=1e-6)
    assert report["f_score"]["configured"] == pytest.approx(overall(scores[False]), abs=1e-6)
    assert report["f_score"]["gain"] > 0.1
    assert report["cross_validated"]["gain"] <= report["f_score"]["gain"]

    surface = pd.read_csv(results / "tuning" / "surface.csv")
    assert report["combinations"] == len(surface)
    assert surface["f_score"].max() <= report["f_score"]["chosen"] + SETTINGS["threshold_search"]["tolerance"] + 1e-6
    row = surface[(surface[list(chosen)] == list(chosen.values())).all(axis=1)].iloc[0]
    assert row["f_score"] == report["f_score"]["chosen"]
    for outcome in ("tp", "fp", "fn"):
        assert row[outcome] == figures["out_of_fold"][outcome]
    assert cv2.imread(str(results / "tuning" / "surface.png")).std() > 10


def test_tuning_looks_at_no_test_tile_and_batches_make_no_difference(toy_run, tuned_run, tmp_path):
    results, _ = tuned_run
    report = json.loads((results / "tuning" / "chosen.json").read_text())
    assert report["tiles"] == len(toy_run.tiles("train"))
    assert list(report["cross_validated"]["without_fold"]) == [str(fold) for fold in FOLDS]
    assert [path.name for path in (results / "tuning" / "counts").iterdir()] == ["train-0of1.csv"]
    text = (results / "tuning" / "counts" / "train-0of1.csv").read_text()
    assert {line.split(",")[0] for line in text.splitlines()[1:]} == set(toy_run.tiles("train"))

    blocks = {name: SETTINGS[name] for name in ("separate", "threshold_search", "score")}
    common = ["--settings", json.dumps(blocks)]
    tables = []
    for tile in reversed(toy_run.tiles("train")):
        tables.append(tmp_path / f"{tile}.csv")
        place = [results / "probabilities" / f"{tile}.tif", "--tiles-dir", results / "tiles", "--output", tables[-1]]
        assert run_script(SCRIPTS / "tune.py", *common, *place).returncode == 0
    folds = ["--folds", results / "folds" / "folds.csv", "--folder", tmp_path]
    assert run_script(SCRIPTS / "choose.py", *common, *folds, *tables).returncode == 0
    for name in ("chosen.json", "surface.csv", "surface.png"):
        assert (tmp_path / name).read_bytes() == (results / "tuning" / name).read_bytes(), name


def test_without_tuning_there_is_none_unless_it_is_asked_for(toy_run):
    assert not (toy_run.results / "tuning").exists()
    assert NOTHING in snakemake(toy_run.folder, "-n", overlay=OVERLAY).stdout
    planned = snakemake(toy_run.folder, "-n", "tuning", overlay=OVERLAY)
    assert jobs(planned.stdout + planned.stderr) - {"total"} == {"tune", "choose", "tuning"}


@pytest.mark.parametrize(("set_name", "trained"), [("test", False), ("train", True)])
def test_new_content_of_training_tiles_alone_trains_again(toy_run, tmp_path, set_name, trained):
    toy = toy_run.copy_to(tmp_path / "toy")
    with toy.raw(toy.tiles(set_name)[0], "GTI").open("ab") as raw:
        raw.write(b"more")
    done = snakemake(toy.folder, "-n", overlay=OVERLAY)
    planned = jobs(done.stdout + done.stderr)
    assert {"prepare", "catalogue"} <= planned
    assert ({"split", "warmup", "train"} <= planned) == trained


@pytest.mark.slow
def test_a_folder_of_models_is_applied_without_training(toy_run, tmp_path):
    tiles = tmp_path / "new tiles"
    for tile in toy_run.tiles("test"):
        for kind in ("RGB", "DSM", "DTM"):
            (tiles / tile / toy_run.raw(tile, kind).name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(toy_run.raw(tile, kind), tiles / tile)
    with_truth, without_truth = toy_run.tiles("test")
    shutil.copy(toy_run.raw(with_truth, "GTI"), tiles / with_truth)
    overlay = {block: OVERLAY[block] for block in ("predict", "separate")}
    arguments = ["--config", f"models={toy_run.results / 'models'}", f"tiles={{test: '{tiles}'}}"]
    done = snakemake(tmp_path, *arguments, overlay=overlay)
    assert done.returncode == 0, done.stderr[-4000:]
    done_jobs = jobs(done.stdout + done.stderr)
    assert "predict" in done_jobs
    assert not done_jobs & {"split", "warmup", "train"}
    made = tmp_path / "results"
    assert not (made / "warmups").exists()
    assert not (made / "models").exists()
    for tile in (with_truth, without_truth):
        for stage in ("predictions/fold-0", "predictions/fold-1", "probabilities", "buildings"):
            theirs = toy_run.results / stage / f"{tile}.tif"
            assert (made / stage / f"{tile}.tif").read_bytes() == theirs.read_bytes()
    assert (made / "submission.txt").read_bytes() == (toy_run.results / "submission.txt").read_bytes()
    scored = pd.read_csv(made / "scores" / "tiles.csv")
    assert list(scored["tile"]) == [with_truth]
    assert json.loads((made / "scores" / "scores.json").read_text())["test"]["tiles"] == 1
    assert not (made / "tiles" / f"{without_truth}_truth.tif").exists()

    # Given models and tiles are where the chain ends; a pixel of one tile concerns no other.
    noted = json.loads((made / "provenance.json").read_text())
    assert set(noted["raw"]) == {str(path) for path in (*tiles.rglob("*.tif"), *toy_run.results.glob("models/*.saf*"))}
    assert noted["raw"][str(toy_run.results / "models" / "fold-0.safetensors")]["made_with"]["device"] == "cpu"
    raw = tiles / with_truth / f"{with_truth}_RGB.tif"
    with rasterio.open(raw, "r+") as opened:
        opened.write(255 - opened.read())
    traced = {}
    for tile in (with_truth, without_truth):
        where = ["--configfile", tmp_path / "overlay.yaml"]
        traced[tile] = run_script(SCRIPTS / "trace.py", made / "buildings" / f"{tile}.tif", *where)
    assert [traced[tile].returncode for tile in (with_truth, without_truth)] == [1, 0]
    assert f"  {raw}: changed: " in traced[with_truth].stdout
    assert "fold-<fold>.safetensors, 2 files, raw\n" in traced[without_truth].stdout


def training(toy: ToyRun, folder: Path) -> list[str]:
    """The command that trains fold 0 again, into another folder."""
    results = toy.results
    folder.mkdir(exist_ok=True)
    given = {
        "fold": 0,
        "folds": results / "folds" / "folds.csv",
        "tiles-dir": results / "tiles",
        "warmup": results / "warmups" / "fold-0.safetensors",
        "output": folder / "fold-0.safetensors",
        "history": folder / "fold-0.csv",
        "checkpoint": folder / "train-0.pt",
        "checkpoint-minutes": 0,
        "settings": json.dumps({block: SETTINGS[block] for block in (*BLOCKS, "train")}, sort_keys=True),
        "threads": 1,
    }
    return [str(SCRIPTS / "train.py"), *(str(part) for name, value in given.items() for part in (f"--{name}", value))]


def assert_same_model(toy: ToyRun, folder: Path) -> None:
    for end in ("safetensors", "csv"):
        made, first = folder / f"fold-0.{end}", toy.results / "models" / f"fold-0.{end}"
        assert made.read_bytes() == first.read_bytes(), end


def test_training_killed_and_taken_up_again_gives_the_same_model_bit_for_bit(toy_run, tmp_path):
    command = training(toy_run, tmp_path)
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, env=environment()) as process:
        while not process.stderr.readline().startswith("epoch 2/") and process.poll() is None:
            pass
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "fold-0.safetensors").exists()
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert re.search(r"resuming from epoch [23], step", done.stderr)
    assert "epoch 1/" not in done.stderr
    assert_same_model(toy_run, tmp_path)


def test_training_asked_to_end_saves_and_exits_and_goes_on_from_there(toy_run, tmp_path):
    command = training(toy_run, tmp_path)
    command[command.index("--checkpoint-minutes") + 1] = "60"
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, env=environment()) as process:
        while not process.stderr.readline().startswith("epoch 1/"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert re.search(r"SIGTERM: stopped in epoch \d after step \d; the next start resumes from here", said)
    assert "error" not in said
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert re.search(r"resuming from epoch [23], step", done.stderr)
    assert (tmp_path / "fold-0.csv").read_bytes() == (toy_run.results / "models" / "fold-0.csv").read_bytes()


def test_a_job_done_but_not_taken_note_of_is_done_again_without_training(toy_run, tmp_path):
    command = training(toy_run, tmp_path)
    assert run_script(*command).returncode == 0
    (tmp_path / "fold-0.safetensors").unlink()  # as Snakemake does with the outputs of a job it was killed in
    done = run_script(*command)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^epoch ", done.stderr, re.MULTILINE)
    assert_same_model(toy_run, tmp_path)


def test_training_without_a_warm_up_starts_from_the_encoders_own_weights(toy_run, tmp_path):
    encoder = timm.create_model(SETTINGS["model"]["encoder"], features_only=True)
    save_model(tmp_path / "encoder.safetensors", encoder, {})
    command = training(toy_run, tmp_path)
    blocks = merged(SETTINGS, {"warmup": {"epochs": 0}, "train": {"height_channel": "zero", "epochs": 0}})
    blocks = merged(blocks, {"train": {"decay": {"epochs": 0}}, "optimize": {"clip_norm": 1e-12}})
    command[command.index("--settings") + 1] = json.dumps(
        {block: blocks[block] for block in (*BLOCKS, "warmup", "train")}
    )
    command[command.index("--warmup") + 1] = str(tmp_path / "warmup" / "fold-0.safetensors")
    warmup = [part.replace(str(tmp_path / "fold-0"), str(tmp_path / "warmup" / "fold-0")) for part in command]
    warmup[0] = warmup[0].replace("train.py", "warmup.py")
    at = warmup.index("--warmup")
    warmup[at : at + 2] = ["--encoder", str(tmp_path / "encoder.safetensors")]
    for script in (warmup, command):
        done = run_script(*script)
        assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "warmup" / "fold-0.csv")) == 0
    assert len(pd.read_csv(tmp_path / "fold-0.csv")) == 1
    start, _ = read_model(tmp_path / "warmup" / "fold-0.safetensors")
    end, _ = read_model(tmp_path / "fold-0.safetensors")
    first = next(iter(encoder.state_dict()))
    for name, value in encoder.state_dict().items():
        assert torch.equal(start[f"encoder.{name}"], value), name
        if name != first:
            assert end[f"encoder.{name}"].shape == value.shape
    # Steps this small leave every weight nearly where it was; those of the height began as zero.
    assert torch.allclose(end[f"encoder.{first}"][:, :3], encoder.state_dict()[first], atol=0.01)
    assert end[f"encoder.{first}"][:, 3].abs().max() < 0.01


TWO = """
import runpy, sys
sys.path.insert(0, {scripts!r})
import torch
from eaves.compute import devices
devices.select_devices = lambda count: [torch.device("cpu")] * count
if __name__ == "__main__":
    runpy.run_path({scripts!r} + "/train.py", run_name="__main__")
"""


@pytest.mark.slow
def test_a_fold_trained_by_two_processes_is_nearly_that_of_one(toy_run, tmp_path):
    """Pretended devices, for a processor is always one."""
    command = training(toy_run, tmp_path)
    blocks = merged(SETTINGS, {"sample": {"micro_batch": 2, "gradient_accumulation": 2}})
    blocks = merged(blocks, {"train": {"epochs": 0, "decay": {"epochs": 0}, "final": {"epochs": 1}}})
    losses = {}
    for gpus in (2, 1):
        settings = {block: blocks[block] for block in (*BLOCKS, "train")}
        command[command.index("--settings") + 1] = json.dumps(settings)
        (tmp_path / "two.py").write_text(TWO.format(scripts=str(SCRIPTS)))
        done = run(str(tmp_path / "two.py"), *command[1:], "--gpus", str(gpus))
        assert done.returncode == 0, done.stderr
        assert len(re.findall("^train of fold 0: .* on (cpu, cpu|cpu)$", done.stderr, re.MULTILINE)) == 1
        losses[gpus] = pd.read_csv(tmp_path / "fold-0.csv")["loss"].item()
    assert losses[2] == pytest.approx(losses[1], rel=1e-3)


def trained(done: subprocess.CompletedProcess) -> int:
    """How many folds a run trained, warm-ups included."""
    assert done.returncode == 0, done.stderr
    return len(re.findall(r"^\w+ fold-\d: (?:warmup|train) of fold", done.stdout + done.stderr, re.MULTILINE))


@pytest.mark.slow
def test_what_was_trained_before_is_taken_from_the_cache(toy_run, tmp_path):
    """Another checkout, and a setting changed to B and back to A: nothing is trained twice.

    The other checkout's results are the same, and so is what is noted of how they were made, byte for byte.
    """
    assert trained(snakemake(tmp_path, overlay=OVERLAY)) == 0
    noted = (tmp_path / "results" / "provenance.json").read_text()
    assert noted == (toy_run.results / "provenance.json").read_text()
    assert not [path for path in (PROJECT_ROOT, Path.home(), tmp_path, toy_run.folder) if str(path) in noted]
    first = (tmp_path / "results" / "models" / "fold-0.safetensors").read_bytes()
    assert first == (toy_run.results / "models" / "fold-0.safetensors").read_bytes()
    other = OVERLAY | {"train": OVERLAY["train"] | {"lr": 0.002}}
    assert trained(snakemake(tmp_path, "models", overlay=other)) == 2
    assert first != (tmp_path / "results" / "models" / "fold-0.safetensors").read_bytes()
    assert trained(snakemake(tmp_path, "models", overlay=OVERLAY)) == 0
    assert first == (tmp_path / "results" / "models" / "fold-0.safetensors").read_bytes()

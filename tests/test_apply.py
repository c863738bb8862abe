"""Applying models, the everyday use: `make apply` by itself, again, with odd paths, without truth or buildings."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyogrio
import pytest
import yaml
from toy import OVERLAY, PROJECT_ROOT, SCRIPTS, ToyRun, environment, merged, read, run, run_script, snakemake

pytestmark = pytest.mark.pipeline

SETTINGS = {block: OVERLAY[block] for block in ("predict", "separate")}
ODD = 'it\'s $HOME `touch boo` "q" $(touch boo) & more'


def apply(models: Path, tiles: Path, out: Path | None, settings: dict) -> subprocess.CompletedProcess:
    """`make apply` as a user types it, except that nobody's shell is asked; the environment is this test's own."""
    given = [f"{block}.{key}={value}" for block, values in settings.items() for key, value in values.items()]
    command = [
        "make",
        "--no-print-directory",
        "--old-file=.venv/ready",
        "apply",
        f"MODELS={models}",
        f"TILES={tiles}",
        "CORES=2",
    ]
    command += [f"CONFIG={' '.join(given)}", *([f"OUT={out}"] if out else [])]
    path = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")  # `make test` is one, too
    own = {name: value for name, value in (environment() | path).items() if name not in outer}
    return subprocess.run(command, cwd=PROJECT_ROOT, env=own, capture_output=True, text=True)


def take(toy: ToyRun, tiles: list[str], folder: Path, truth: tuple[str, ...] = ()) -> Path:
    """Copies tiles, with truth for some of them."""
    folder.mkdir(parents=True)
    for tile in tiles:
        for kind in ("RGB", "DSM", "DTM", *(("GTI", "GTL") if tile in truth else ())):
            shutil.copy(toy.raw(tile, kind), folder)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_without_truth_it_ends_with_a_summary_and_results_of_its_own(toy_run, tmp_path):
    trained = content(toy_run.results)
    tiles = take(toy_run, toy_run.tiles("test"), tmp_path / ODD)
    out = tmp_path / f"out of {ODD}"
    every = pyogrio.read_dataframe(toy_run.results / "buildings" / "buildings.gpkg")
    lowest = round(float(every["confidence"].median()), 3)
    changes = {"outline": {"formats": "[geojson, gpkg]", "min_confidence": lowest}}
    done = apply(toy_run.results / "models", tiles, out, merged(SETTINGS, changes))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (PROJECT_ROOT / "boo").exists()
    assert "localrules" not in done.stdout + done.stderr
    for tile in toy_run.tiles("test"):
        theirs, ours = (results / "buildings" / f"{tile}.tif" for results in (toy_run.results, out / "results"))
        assert ours.read_bytes() == theirs.read_bytes()

    outlines = pyogrio.read_dataframe(out / "results" / "buildings" / "buildings.gpkg")
    assert 0 < len(outlines) < len(every)
    pd.testing.assert_frame_equal(outlines, every[every["confidence"] >= lowest].reset_index(drop=True))
    assert (out / "results" / "buildings" / "buildings.geojson").exists()
    said = done.stdout.splitlines()
    area_m2 = outlines["area_m2"].sum()
    assert f"found                   {len(outlines)} buildings on 2 tiles, {area_m2:,.0f} m² together" in said
    assert "scores                  none: the tiles have no truth" in said
    assert f"outlines                {out}/results/buildings/buildings.gpkg  (open it in QGIS)" in said
    assert said[-1].endswith("on real tiles, expect misses and trees taken for buildings")
    assert content(toy_run.results) == trained

    # Again, nothing is done; other tiles and models are refused, and nothing changes.
    made = content(out / "results")
    again = apply(toy_run.results / "models", tiles, out, merged(SETTINGS, changes))
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr
    others = take(toy_run, toy_run.tiles("test")[:1], tmp_path / "others")
    for models, folder, what in (
        (toy_run.results / "models", others, "tiles"),
        (toy_run.results / "warmups", tiles, "models"),
    ):
        refused = apply(models, folder, out, SETTINGS)
        assert refused.returncode != 0
        errors = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
        assert len(errors) == 1
        assert errors[0].startswith(f"error: {out}: holds the results of other {what} (")
        assert "OUT=" in errors[0]
    assert content(out / "results") == made


@pytest.mark.slow
def test_truth_on_some_tiles_and_no_building_anywhere(toy_run, tmp_path):
    tiles = take(toy_run, toy_run.tiles("test"), tmp_path / "tiles", truth=(toy_run.tiles("test")[0],))
    nothing = merged(
        SETTINGS, {"separate": {"low": 0.999999, "high": 0.999999}, "outline": {"formats": "[parquet, cityjson]"}}
    )
    done = apply(toy_run.results / "models", tiles, tmp_path / "out", nothing)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert "found                   no building on 2 tiles" in said
    assert "test F-score            0.0000  (precision 0.000, recall 0.000, 1 tiles)" in said
    results = tmp_path / "out" / "results"
    assert len(pyogrio.read_dataframe(results / "buildings" / "buildings.gpkg")) == 0
    assert all(read(results / "buildings" / f"{tile}.tif").max() == 0 for tile in toy_run.tiles("test"))
    scored = pd.read_csv(results / "scores" / "by_confidence.csv")
    assert list(scored.columns[:4]) == ["set", "group", "tile", "min_confidence"]


@pytest.mark.slow
def test_one_tile_and_a_side_report_that_fails_take_nothing_away(toy_run, tmp_path):
    tiles = take(toy_run, toy_run.tiles("test")[:1], tmp_path / "tiles")
    out = tmp_path / "out"
    first = apply(toy_run.results / "models", tiles, out, SETTINGS)
    assert first.returncode == 0, first.stdout + first.stderr
    (out / "results" / "scores" / "by_iou.csv").write_text("no table\n")
    done = apply(toy_run.results / "models", tiles, out, SETTINGS)
    assert done.returncode != 0
    assert any(line.startswith("found                   ") for line in done.stdout.splitlines())
    assert f"outlines                {out}/results/buildings/buildings.gpkg  (open it in QGIS)" in done.stdout
    assert [line for line in done.stderr.splitlines() if line.startswith("error: the job plots failed")]


def test_the_folder_is_named_after_the_tiles_unless_one_is_given(toy_run, tmp_path):
    tiles = take(toy_run, toy_run.tiles("test")[:1], tmp_path / "harbour")
    shutil.copytree(PROJECT_ROOT / "workflow", tmp_path / "workflow")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(PROJECT_ROOT / name, tmp_path)
    command = [tmp_path / "workflow" / "scripts" / "apply.py", "--models", toy_run.results / "models"]
    done = run(*command, "--tiles-dir", f"{tiles}/", "-n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    noted = yaml.safe_load((tmp_path / "applied" / "harbour" / "application.yaml").read_text())
    assert noted["tiles"] == {"test": "../../harbour"}
    (tmp_path / "full" / "of").mkdir(parents=True)
    for arguments, said in (
        (["--out", tmp_path / "full"], "contains something other than an application's results"),
        (["--config", "outline.format=[gpkg]"], "unknown key outline.format"),
        (["--config", "models=a"], "with --models and --tiles-dir"),
        (["--config", "gpkg"], "KEY=VALUE"),
    ):
        where = ("--models", toy_run.results / "models", "--tiles-dir", tiles, "--out", tmp_path / "new")
        refused = run_script(SCRIPTS / "apply.py", *where, *arguments)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert said in refused.stderr
    for given, said in (("--models", "no models"), ("--tiles-dir", "no such folder")):
        paths = {"--models": toy_run.results / "models", "--tiles-dir": tiles, given: tmp_path / "none"}
        options = [part for pair in paths.items() for part in pair]
        refused = run_script(SCRIPTS / "apply.py", *options, "--out", tmp_path / "new")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error: ")
        assert said in refused.stderr


def test_models_are_not_applied_over_a_training_run(toy_run, tmp_path):
    tiles = take(toy_run, toy_run.tiles("test")[:1], tmp_path / "tiles")
    before = content(toy_run.results)
    file = tmp_path / "overlay.yaml"
    given = {"models": str(toy_run.results / "models"), "tiles": {"test": str(tiles)}}
    file.write_text(yaml.safe_dump(SETTINGS | given))
    done = snakemake(toy_run.folder, "--configfile", file, overlay=None)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: results: holds the results of a training run")
    assert content(toy_run.results) == before

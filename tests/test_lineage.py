"""Every result is traced back to its pixels and settings, and what no longer matches is named, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
import rasterio
import yaml
from toy import CONFIG, OVERLAY, PROJECT_ROOT, SCRIPTS, ToyRun, merged, run, run_script, snakemake

from eaves.core import records
from eaves.core.records import job_of
from eaves.provenance.graph import Lineage
from eaves.provenance.render import _kind, render
from eaves.provenance.verify import check

pytestmark = pytest.mark.pipeline

SETTINGS = merged(CONFIG, OVERLAY)
SCORES = "results/scores/scores.json"


@pytest.fixture
def copied(toy_run, tmp_path) -> ToyRun:
    """The toy's run, where it may be changed."""
    return toy_run.copy_to(tmp_path / "run")


def lineage(toy: ToyRun) -> Lineage:
    return Lineage.read(toy.results / "provenance.json", toy.folder)


def faults(toy: ToyRun, result: str, settings=SETTINGS) -> tuple[dict, dict]:
    """What trace finds wrong: by file, by job."""
    done = check(lineage(toy), result, settings, SCRIPTS)
    return done.of_file, done.of_job


def building(tile: str) -> str:
    return f"results/buildings/{tile}.tif"


def change_a_pixel(path: Path) -> None:
    with rasterio.open(path, "r+") as opened:
        pixels = opened.read()
        pixels[0, 7, 7] += 1
        opened.write(pixels)


def trace(*arguments, **options):
    return run_script(SCRIPTS / "trace.py", *arguments, **options)


@pytest.mark.slow
def test_results_from_elsewhere_have_their_records_with_them(copied):
    """As after `dvc pull` into a fresh clone, without Snakemake's metadata: provenance.json is written as before."""
    before = (copied.results / "provenance.json").read_bytes()
    shutil.rmtree(copied.folder / ".snakemake")
    (copied.results / "provenance.json").unlink()
    assert snakemake(copied.folder, "--touch", "--forceall", overlay=OVERLAY).returncode == 0
    done = snakemake(copied.folder, overlay=OVERLAY)
    assert done.returncode == 0
    assert " train " not in done.stderr
    assert (copied.results / "provenance.json").read_bytes() == before


def test_a_record_lists_what_snakemake_knows_that_its_job_reads_and_writes(toy_run):
    """Except what a job waits for without reading it, and the tables that stand for the tiles of training."""
    done = snakemake(toy_run.folder, "--detailed-summary", overlay=OVERLAY)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("results/")]
    reads: dict[str, set[str]] = {}
    writes: dict[str, set[str]] = {}
    for output, _, _, log, inputs, *_ in rows:
        job = log.removeprefix("results/logs/").removesuffix(".log")
        writes.setdefault(job, set()).add(output)
        reads.setdefault(job, set()).update(inputs.split(",") if inputs not in ("", "-") else [])
    files = sorted((toy_run.results / "records").rglob("*.json"))
    assert {job_of(file) for file in files} == writes.keys() - {"code_hashes", "provenance"}
    for file in files:
        record, job = records.read(file), job_of(file)
        assert record["outputs"].keys() | {file.relative_to(toy_run.folder).as_posix()} == writes[job], job
        not_read = reads[job] - record["inputs"].keys()
        assert record["inputs"].keys() <= reads[job], job
        if job.startswith(("warmup", "train")):
            assert not_read == {"results/tiles/batches/train-0of1.csv"}
        else:
            assert not_read == ({"results/tiles/tiles.csv"} if job == "split" else set()), job


def test_every_result_is_there_with_job_code_settings_inputs_and_packages(toy_run):
    found = lineage(toy_run)
    made = {path.relative_to(toy_run.folder).as_posix() for path in toy_run.results.rglob("*") if path.is_file()}
    others = {path for path in made if path.startswith(("results/logs/", "results/tensorboard/", "results/records/"))}
    assert set(found.results) == made - others - {"results/provenance.json", "results/code.json"}
    assert not found.raw  # the towns are results too
    for job in found.jobs.values():
        assert (SCRIPTS / job["script"]).is_file()
        assert (
            job["settings"].items()
            <= {
                block: {key: value for key, value in values.items() if (block, key) != ("separate", "thresholds")}
                if block != "outline"
                else {key: values[key] for key in ("regularize_m", "min_confidence")}
                for block, values in SETTINGS.items()
                if isinstance(values, dict)
            }.items()
        )
        assert job["made_with"]["packages"].keys() >= {"python"}
    assert found.jobs["train/fold-1"]["settings"]["train"] == SETTINGS["train"]
    for job in ("train/fold-0", "warmup/fold-1", "predict/test-0of1-fold-1", "predict/train-0of1-out-of-fold"):
        used = found.jobs[job]["made_with"]
        assert (used["device"], used["precision"], used["threads"]) == ("cpu", "fp32", 1), job
        assert used["packages"]["torch"]
    assert "device" not in found.jobs["merge/test-0of1"]["made_with"]


def test_an_unaltered_run_matches_to_the_last_file(toy_run):
    for path in lineage(toy_run).results:
        assert faults(toy_run, path) == ({}, {}), path


def test_a_building_comes_from_its_own_tile_and_the_training_tiles_and_a_model_from_no_test_tile(toy_run):
    test, train = toy_run.tiles("test"), toy_run.tiles("train")
    chain = lineage(toy_run).chain(building(test[0]))
    assert f"results/scenes/test/{test[0]}_RGB.tif" in chain
    assert not [path for path in chain if test[1] in path]
    # What is found on a test tile owes nothing to its truth.
    assert not [path for path in chain if path.startswith(f"results/scenes/test/{test[0]}_GT")]
    for tile in train:
        assert {f"results/scenes/train/{tile}_{kind}.tif" for kind in ("RGB", "DSM", "DTM", "GTI", "GTL")} <= set(chain)
    assert not [path for path in lineage(toy_run).chain("results/models/fold-0.safetensors") if "test" in path]


def test_an_out_of_fold_prediction_comes_from_the_one_model_that_held_the_tile_out(toy_run):
    rows = [line.split(",") for line in (toy_run.results / "folds" / "folds.csv").read_text().splitlines()[1:]]
    found = lineage(toy_run)
    for tile, fold, _ in rows:
        read = found.inputs(f"results/predictions/out-of-fold/{tile}.tif")
        assert [path for path in read if "models" in path] == [f"results/models/fold-{fold}.safetensors"]
        assert [path for path in read if "tiles" in path] == [f"results/tiles/{tile}_image.tif"]


def test_a_changed_pixel_is_named_for_the_tiles_it_concerns_and_for_no_others(copied):
    changed, other = copied.tiles("test")
    raw = f"results/scenes/test/{changed}_DSM.tif"
    change_a_pixel(copied.folder / raw)
    of_file, of_job = faults(copied, building(changed))
    assert list(of_file) == [raw]
    assert of_file[raw][0].startswith("changed: ")
    assert of_job == {}
    assert faults(copied, building(other)) == ({}, {})
    assert list(faults(copied, SCORES)[0]) == [raw]


def test_a_changed_pixel_of_the_truth_concerns_the_figures_alone_or_of_a_training_tile_everything(copied):
    test, train = copied.tiles("test"), copied.tiles("train")
    change_a_pixel(copied.raw(test[0], "GTI"))
    assert faults(copied, building(test[0])) == ({}, {})
    assert list(faults(copied, SCORES)[0]) == [f"results/scenes/test/{test[0]}_GTI.tif"]
    change_a_pixel(copied.raw(train[2], "GTI"))
    for tile in (*test, train[0]):
        assert list(faults(copied, building(tile))[0]) == [f"results/scenes/train/{train[2]}_GTI.tif"]
    assert faults(copied, f"results/tiles/{train[0]}_truth.tif") == ({}, {})


def test_a_changed_setting_is_named_with_both_values(toy_run):
    settings = merged(
        SETTINGS, {"separate": {"low": 0.21}, "train": {"decay": {"lr": 0.5}}, "run": {"tiles_per_job": 3}}
    )
    tile = toy_run.tiles("test")[0]
    of_file, of_job = faults(toy_run, building(tile), settings)
    assert of_file == {}
    lr = OVERLAY["train"]["decay"].get("lr", CONFIG["train"]["decay"]["lr"])
    assert of_job == {
        "separate/test-0of1": ["setting separate.low changed: 0.21, was 0.2"],
        **{f"train/fold-{fold}": [f"setting train.decay.lr changed: 0.5, was {lr}"] for fold in (0, 1)},
    }
    assert faults(toy_run, f"results/tiles/{tile}_image.tif", settings) == ({}, {})


@pytest.mark.slow
def test_a_changed_function_is_named_where_it_is_used(toy_run, tmp_path):
    shutil.copytree(SCRIPTS.parent, tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT_ROOT / "config.yaml", tmp_path)
    file = tmp_path / "workflow" / "scripts" / "eaves" / "separation" / "watershed.py"
    file.write_text("# A comment.\n" + file.read_text().replace('"""Separate', '"""  Separate', 1))
    tile = toy_run.tiles("test")[0]
    mine = tmp_path / "workflow" / "scripts" / "trace.py"
    overlay = ["--configfile", toy_run.folder / "overlay.yaml"]
    done = run(mine, toy_run.folder / building(tile), *overlay)
    assert done.returncode == 0, done.stdout + done.stderr
    text = file.read_text()
    start = text.index("def separate(")
    end = text.index('"""\n', text.index('"""', start) + 3) + 4
    file.write_text(f"{text[:end]}    low = low + 0.01\n{text[end:]}")
    done = run(mine, toy_run.folder / building(tile), *overlay)
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(changed := [line for line in done.stdout.splitlines() if line.startswith("CHANGED")]) == 2
    assert "by separate.py" in changed[0]
    assert "code of separate.py changed: " in changed[1]
    done = run(mine, toy_run.folder / "results" / "probabilities" / f"{tile}.tif", *overlay)
    assert done.returncode == 0, done.stdout + done.stderr


def test_missing_files_are_named_and_a_missing_result_is_traced_all_the_same(copied):
    tile = copied.tiles("test")[0]
    gone = [building(tile), f"results/predictions/fold-1/{tile}.tif"]
    for path in gone:
        (copied.folder / path).unlink()
    done = trace(building(tile), "--configfile", "overlay.yaml", cwd=copied.folder)
    assert done.returncode == 1, done.stderr
    assert next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("MISSING")) == gone[0]
    assert done.stdout.splitlines()[-3:] == [
        "of 43 files and 14 jobs, these do not match:",
        *[f"  {path}: missing" for path in gone],
    ]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("results/buildings/nobody.tif", "results/buildings/nobody.tif: not in results/provenance.json"),
        ("results/logs/score.log", "results/logs/score.log: not in results/provenance.json"),
        ("results/scores", "results/scores: not in results/provenance.json"),
        ("/nowhere/results/scores/scores.json", "no results/provenance.json in the folders above it"),
    ],
)
def test_what_nobody_made_is_misuse_and_told_in_a_line(toy_run, result, said):
    done = trace(result, cwd=toy_run.folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.parametrize("arguments", [(), (SCORES, "--configfile", "nothing.yaml"), (SCORES, "--config", "separate")])
def test_misuse_is_told_by_the_exit_status(toy_run, arguments):
    done = trace(*arguments, cwd=toy_run.folder)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_it_works_from_any_folder_and_settings_are_compared_as_snakemake_would_have_them(toy_run, tmp_path):
    result = toy_run.folder / SCORES
    overlay = toy_run.folder / "overlay.yaml"
    assert trace(result, "--configfile", overlay, cwd=tmp_path).returncode == 0
    assert trace("scores.json", "--configfile", overlay, cwd=result.parent).returncode == 0
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"score": {"boundary_m": 3.0}}))
    done = trace(result, "--configfile", overlay, "more.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "  job score: setting score.boundary_m changed: 3.0, was 2.0" in done.stdout.splitlines()
    assert "--configfile" in done.stderr
    done = trace(result, "--config", "score={boundary_m: 3.0}", "--configfile", overlay, cwd=tmp_path)
    assert "  job score: setting score.boundary_m changed: 3.0, was 2.0" in done.stdout.splitlines()


def test_json_tells_the_whole_chain(copied):
    tile = copied.tiles("test")[0]
    raw = f"results/scenes/test/{tile}_RGB.tif"
    change_a_pixel(copied.folder / raw)
    done = trace(building(tile), "--json", "--configfile", "overlay.yaml", cwd=copied.folder)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["result"], found["matches"]) == (building(tile), False)
    assert [path for path, entry in found["files"].items() if entry["faults"]] == [raw]
    assert found["files"][building(tile)]["inputs"].keys() == {
        f"results/probabilities/{tile}.tif",
        f"results/tiles/{tile}_image.tif",
    }
    assert found["jobs"]["separate/test-0of1"]["code"] == lineage(copied).jobs["separate/test-0of1"]["code"]
    assert not any(entry["faults"] for entry in found["jobs"].values())


def test_the_tree_is_short_and_all_lists_every_file(toy_run):
    done = check(lineage(toy_run), SCORES, SETTINGS, SCRIPTS)
    short, full = list(render(done)), list(render(done, every_file=True))
    assert len(short) < 90
    assert max(map(len, short)) <= 120
    assert "ok         results/buildings/<tile>.tif, 6 files" in short
    assert short[-1] == f"all {len(done.chain)} files and {len(done.jobs)} jobs match"
    for path in done.chain:
        assert any(path in line for line in full), path
    # Each script's code is told, and each setting once.
    for job in done.jobs:
        entry = done.lineage.jobs[job]
        assert any(f"by {entry['script']} {entry['code']}" in line for line in short)
    assert len([line for line in short if line.strip().startswith("prepare: bands")]) == 1


def test_many_faults_of_a_kind_are_counted(copied):
    for tile in copied.tiles("train"):
        for kind in ("RGB", "DSM", "DTM"):
            copied.raw(tile, kind).unlink()
    done = check(lineage(copied), SCORES, SETTINGS, SCRIPTS)
    lines = list(render(done))
    assert any(line.startswith("MISSING") and line.endswith("- and 2 more; --all lists them") for line in lines)
    assert len([line for line in lines if line.endswith(": missing") and line.startswith("  ")]) == 12
    assert not any("more; --all" in line for line in render(done, every_file=True))


@pytest.mark.parametrize("tile", ["fold-3", "predictions", "test-0of1", "tiles"])
def test_a_tile_called_like_a_fold_a_batch_or_a_folder_is_told_from_them(tile):
    for path, kind in (
        (f"results/predictions/fold-2/{tile}.tif", "results/predictions/fold-<fold>/<tile>.tif"),
        (f"results/tiles/{tile}_image.tif", "results/tiles/<tile>_<file>.tif"),
        (f"data/test-0of1/{tile}_RGB.tif", "data/test-<batch>/<tile>_<file>.tif"),
    ):
        name, varying = _kind(path)
        assert name == kind
        assert varying["<tile>"] == tile

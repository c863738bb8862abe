"""DVC and Snakemake as one: neither contradicts the other, and nobody does again what is done.

One story in a clone of the repository, told in the order of the tests.
"""

import json
import os
import re
import shutil

import pytest
import rasterio
import yaml
from dvc_project import SETTINGS, TEST, TRAIN, Project, jobs
from object_store import BUCKET
from toy import PROJECT_ROOT

from eaves.core import records
from eaves.core.records import job_of

pytestmark = pytest.mark.dvc

UP_TO_DATE = "Data and pipelines are up to date"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("dvc")


@pytest.fixture(scope="module")
def project(place):
    """Snakemake alone has made everything, tuning included."""
    made = Project.built(place / "project", place / "folds")
    made.snakemake("all", "tuning")
    return made


def hashes(project):
    """What DVC has noted of every output."""
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def edit_pixel(project, name):
    """Changes one pixel of a raw orthophoto; the file is one's own before (DVC may have made it a link)."""
    path = project.folder / "data" / ("train" if name in TRAIN else "test") / f"{name}_RGB.tif"
    with rasterio.open(path) as dataset:
        profile, pixels = dataset.profile, dataset.read()
    pixels[0, 80, 80] ^= 255
    path.unlink()
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels)


def batch_of(project, tile):
    (table,) = [
        path.stem
        for path in (project.folder / "results/tiles/batches").glob("*.csv")
        if f"\n{tile}," in path.read_text()
    ]
    return table


def test_what_snakemake_has_made_dvc_only_takes_note_of(project):
    said = project.dvc("repro")
    assert jobs(said) == {}
    assert said.count("Nothing to be done") == len(yaml.safe_load((project.folder / "dvc.yaml").read_text())["stages"])
    assert UP_TO_DATE in project.dvc("status")
    project.commit("Everything made")
    again = project.dvc("repro")
    assert "Running stage" not in again
    assert UP_TO_DATE in again


def test_dvc_yaml_agrees_with_the_dag(project):
    """And the same check finds faults that are put in."""
    rows = dag(project)
    described = yaml.safe_load((project.folder / "dvc.yaml").read_text())
    assert faults(described, rows) == []
    for change, said in (
        (lambda stages: stages["models"].update(outs=["results/modells"]), "results/modells: no rule makes it"),
        (lambda stages: stages["scores"]["outs"].pop(0), "results/scores/groups.csv: an output of no stage"),
        (lambda stages: stages["folds"].update(cmd="snakemake --cores all -- fold"), "folds: its command is"),
        (lambda stages: stages["models"]["deps"].remove("results/warmups"), "models: forgets results/warmups/fold-"),
        (lambda stages: stages["buildings"]["deps"].remove("data/test"), "buildings: forgets data/test/"),
        (lambda stages: stages["scores"]["deps"].append("results/nothing"), "scores: depends on results/nothing"),
        (lambda stages: stages["models"]["params"][0]["config.yaml"].remove("optimize"), "models: forgets optimize"),
        (lambda stages: stages["models"]["params"][0]["config.yaml"].append("score"), "models: does not read score"),
        (
            lambda stages: stages["tiles"]["params"][1]["results/code.json"].remove("catalogue"),
            "tiles: forgets the code",
        ),
        (lambda stages: stages.pop("report"), "results/overview.png: an output of no stage"),
    ):
        spoilt = yaml.safe_load((project.folder / "dvc.yaml").read_text())
        change(spoilt["stages"])
        assert any(fault.startswith(said) for fault in faults(spoilt, rows)), said


def dag(project):
    """Every file that a job made: its name, rule, inputs, scripts and blocks of settings."""
    summary = project.snakemake("all", "tuning", "--detailed-summary")
    lines = [line.split("\t") for line in summary.splitlines() if line.startswith("results/")]
    assert lines
    files = (project.folder / "results" / "records").rglob("*.json")
    blocks = {f"results/logs/{job_of(file)}.log": set(records.read(file)["settings"]) for file in files}
    rows = []
    for output, _, rule, log, inputs, command, *_ in lines:
        scripts = set(re.findall(r"/(\w+)\.py", command))
        rows.append((output, rule, [] if inputs in ("", "-") else inputs.split(","), scripts, blocks.get(log, set())))
    return rows


def faults(described, rows):
    """Where dvc.yaml and the DAG differ, a line each."""
    found = []

    def paths(entries):
        return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]

    def below(path, folders):
        return any(path == folder or path.startswith(f"{folder}/") for folder in folders)

    stages = described["stages"]
    outs = {name: paths([*stage.get("outs", []), *stage.get("metrics", [])]) for name, stage in stages.items()}
    made = {output for output, *_ in rows}
    for name, stage in stages.items():
        if stage["cmd"].split(" && ")[0] != f"snakemake --cores all -- {name}":
            found.append(f"{name}: its command is {stage['cmd']!r}")
        found += [f"{out}: no rule makes it" for out in outs[name] if not any(below(path, [out]) for path in made)]
        deps = paths(stage.get("deps", []))
        # The table of folds holds the training tiles' hashes; the searched thresholds are used
        # with separate.thresholds: searched.
        covered = [*deps, *outs[name], *(["results/tiles"] if "results/folds/folds.csv" in deps else [])]
        given = {file: set(keys) for entry in stage.get("params", []) for file, keys in entry.items()}
        mine = [row for row in rows if below(row[0], outs[name])]
        inputs = {path for row in mine for path in row[2]}
        found += [f"{name}: forgets {path}" for path in sorted(inputs) if not below(path, covered)]
        rules = [dep for dep in deps if dep.startswith("workflow/") and (PROJECT_ROOT / dep).exists()]
        known = [*inputs, *rules, "results/tuning", "results/records/tuning"]
        found += [f"{name}: depends on {dep}" for dep in deps if not any(below(path, [dep]) for path in known)]
        scripts = {script for row in mine for script in row[3]} - {"code_hashes"}
        if scripts != given.get("results/code.json", set()):
            found.append(f"{name}: forgets the code of {scripts ^ given.get('results/code.json', set())}")
        blocks = {block for row in mine for block in row[4]} & SETTINGS.keys()
        stated = {key.split(".")[0] for key in given.get("config.yaml", set())}
        found += [f"{name}: forgets {block}" for block in sorted(blocks - stated)]
        found += [f"{name}: does not read {block}" for block in sorted(stated - blocks - {"tiles", "run", "outline"})]
    everywhere = [out for entries in outs.values() for out in entries]
    found += [f"{path}: an output of no stage" for path in sorted(made) if not below(path, everywhere)]
    return found


def test_a_comment_changes_nothing_and_a_function_the_stages_that_use_it(project):
    file = "workflow/scripts/eaves/separation/watershed.py"
    project.change(file, "def separate(", "# A remark.\ndef separate(")
    assert jobs(project.snakemake("-n", "all", "tuning")) == {}
    said = project.dvc("repro")
    assert jobs(said) == {}
    assert re.findall(r"Running stage '(\w+)'", said) == ["code"]
    before = hashes(project)
    project.change("workflow/scripts/eaves/plots/overview.py", "GAP_PX = 8", "GAP_PX = 10")
    said = project.dvc("repro")
    assert jobs(said) == {"overview": 1, "code_hashes": 1, "provenance": 1}
    assert re.findall(r"Running stage '(\w+)'", said) == ["code", "report"]
    changed = {path for path, digest in hashes(project).items() if before[path] != digest}
    assert changed == {
        "results/code.json",
        "results/overview.png",
        "results/provenance.json",
        "results/records/report",
    }


def test_touched_data_change_nothing(project):
    for path in sorted((project.folder / "data").rglob("*.tif")):
        os.utime(path)
    said = project.dvc("repro")
    assert jobs(said) == {}
    assert UP_TO_DATE in project.dvc("status")


def test_a_pixel_of_a_test_tile_does_its_batch_again_and_trains_nothing(project):
    before = hashes(project)
    tile = TEST[0]
    edit_pixel(project, tile)
    said = project.dvc("repro")
    done = jobs(said)
    assert not done.keys() & {"warmup", "train", "split", "fetch_encoder_weights", "tune", "choose"}
    assert done["prepare"] == done["merge"] == done["separate"] == 1
    assert f"prepare_{batch_of(project, tile)}" in said
    assert {"predict", "score", "outline", "submission", "catalogue"} <= done.keys()
    after = hashes(project)
    same = {path for path in before if before[path] == after[path]}
    assert {"results/models", "results/warmups", "results/folds", "results/tuning", "results/weights"} <= same
    assert {"results/tiles", "results/predictions", "results/buildings"}.isdisjoint(same)
    assert UP_TO_DATE in project.dvc("status")


def test_a_pixel_of_a_training_tile_trains_again_and_prepares_no_other_batch(project):
    tile = TRAIN[0]
    edit_pixel(project, tile)
    said = project.dvc("repro")
    done = jobs(said)
    folds = SETTINGS["split"]["folds"]
    assert (done["prepare"], done["warmup"], done["train"]) == (1, folds, folds)
    assert f"prepare_{batch_of(project, tile)}" in said
    assert {"split", "predict", "merge", "separate", "score"} <= done.keys()


def trained(said):
    """How many folds were trained, and not taken from the cache."""
    return len(re.findall(r"^\w+ fold-\d: (?:warmup|train) of fold", said, re.MULTILINE))


def test_a_setting_changed_and_changed_back_trains_nothing_the_second_time(project):
    project.commit("As it is")
    lock = (project.folder / "dvc.lock").read_text()
    project.write_settings({"train": {"lr": 0.002}})
    assert trained(project.dvc("repro")) == SETTINGS["split"]["folds"]
    assert (project.folder / "dvc.lock").read_text() != lock
    assert "train.lr" in project.dvc("params", "diff")
    assert "scores.json" in project.dvc("metrics", "diff")
    project.write_settings({})
    assert trained(project.dvc("repro")) == 0
    assert (project.folder / "dvc.lock").read_text() == lock


def test_metrics_and_plots_show_what_one_expects(project, place):
    shown = json.loads(project.dvc("metrics", "show", "--json"))
    (figures,) = (entry["data"] for entry in shown[""]["data"].values())
    scores = json.loads((project.folder / "results" / "scores" / "scores.json").read_text())
    assert figures["test"]["f_score"] == scores["test"]["f_score"]
    project.dvc("plots", "show", "--out", str(place / "plots"))
    page = (place / "plots" / "index.html").read_text()
    for title in ("Losses by epoch", "Precision by recall", "F-score by IoU", "surface.png", "overview.png"):
        assert title in page
    data = json.loads(project.dvc("plots", "show", "--json"))
    assert not data.get("errors")


def test_nobody_retrains_what_was_pulled(project, place, object_store):
    """A clone elsewhere, with no cache of trained folds."""
    project.dvc("remote", "add", "--default", "store", f"s3://{BUCKET}/eaves")
    for name, value in (
        ("endpointurl", object_store.url),
        ("access_key_id", "somebody"),
        ("secret_access_key", "secret"),
    ):
        project.dvc("remote", "modify", "store", name, value)
    project.commit("A remote")
    project.dvc("push")
    other = project.cloned(place / "clone", place / "clone-folds")
    said = other.run("make", "--silent", "pull", "READY=")
    assert UP_TO_DATE in other.dvc("status")
    assert jobs(other.snakemake("-n")) == {}, said
    assert jobs(other.dvc("repro")) == {}
    assert hashes(other) == hashes(project)


def test_killed_and_started_again_ends_as_one_that_was_not(project, place):
    """And two people with the same data get the same models, probabilities and scores."""
    other = project.cloned(place / "other", place / "other-folds")
    for part in ("train", "test"):
        shutil.copytree(project.folder / "data" / part, other.folder / "data" / part)
    (other.folder / "dvc.lock").unlink()
    other.killed("dvc", "repro", when=r"epoch 2/")
    assert not list((other.folder / "results" / "models").glob("*.safetensors"))
    said = other.dvc("repro")
    assert trained(said) > 0
    assert hashes(other) == hashes(project)
    assert "Running stage" not in other.dvc("repro")


def test_experiments_run_and_are_listed(project):
    project.commit("Before experiments")
    epochs = SETTINGS["train"]["epochs"] + 1
    said = project.dvc("exp", "run", "--name", "longer", "--set-param", f"config.yaml:train.epochs={epochs}", "models")
    assert trained(said) == SETTINGS["split"]["folds"]
    table = project.dvc("exp", "show", "--csv")
    (row,) = [line for line in table.splitlines() if line.startswith("longer")]
    assert f",{epochs}," in row

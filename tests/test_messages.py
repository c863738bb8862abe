"""What a user of the workflow reads where something is wrong: one line, and where the log is."""

import pytest
from toy import OVERLAY, PROJECT_ROOT, run, snakemake, write_tile

QUICKSTART = PROJECT_ROOT / "workflow" / "recipes" / "quickstart.yaml"


def plan(folder, *config):
    command = [
        "-m",
        "snakemake",
        "--snakefile",
        PROJECT_ROOT / "Snakefile",
        "--directory",
        folder,
        "-n",
        "--cores",
        "1",
    ]
    given = ["--config", *config] if config else []
    return run(*command, "--configfile", QUICKSTART, *given, cwd=PROJECT_ROOT)


@pytest.mark.parametrize(
    "config",
    [
        ("split={folds: 4}",),
        ("separate={low: 0.25, thresholds: configured}", "threshold_search={low: [0.2, 0.25], min_seed_px: [10]}"),
        ("train={epochs: 3, decay: {epochs: 0}}", "threshold_search={low: [0.1, 0.2]}", "train={lr: 1.0e-3}"),
        (
            "augment={flip: true}",
            "optimize={clip_norm: 1.5}",
            "score={size_bins_m2: [10, 20]}",
            "sample={batch_size: null}",
        ),
    ],
)
def test_values_by_config_are_understood_as_yaml(tmp_path, config):
    done = plan(tmp_path, *config)
    assert done.returncode == 0, done.stderr


def test_values_by_config_are_used(tmp_path):
    done = plan(tmp_path, "split={folds: 4}")
    assert "train                                 4" in done.stdout + done.stderr
    refused = plan(tmp_path, "split={folds: 40}")
    assert refused.returncode == 1
    (line,) = errors(refused.stderr)
    assert line.startswith("error: configuration: split.folds is 40, but there are only 20 training tiles; lower ")


def test_a_dotted_key_is_refused_with_the_form_to_write(tmp_path):
    refused = plan(tmp_path, "split={folds: 4}", "train.decay.epochs=3")
    assert refused.returncode == 1
    (line,) = errors(refused.stderr)
    assert line.startswith("error: --config train.decay.epochs=3: ")
    assert line.endswith("--config train='{decay: {epochs: 3}}'")


def test_planning_and_linting_change_nothing_in_the_working_folder(tmp_path):
    """Snakemake itself writes its log and caches into .snakemake; a killed run's lock stays, and is only reported."""
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("results/a.tif")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "notes.txt").write_text("mine")
    paths = [tmp_path, *(path for path in tmp_path.rglob("*") if path != locks.parent)]
    before = {path: path.stat().st_mtime_ns for path in paths if path not in (tmp_path, locks)}
    done = plan(tmp_path)
    assert done.returncode == 0, done.stderr
    lint = run("-m", "snakemake", "-s", PROJECT_ROOT / "Snakefile", "--directory", tmp_path, "--lint", cwd=PROJECT_ROOT)
    assert "no such folder" in lint.stderr  # without tiles the configuration is refused, and nothing is written either
    after = {path: path.stat().st_mtime_ns for path in before if path.exists()}
    assert after == before
    assert {path.name for path in tmp_path.iterdir()} == {".snakemake", "results"}
    assert not (tmp_path / ".snakemake" / "alive").exists()


def errors(said: str) -> list[str]:
    """What was said but for Snakemake's usual words."""
    return [line for line in said.splitlines() if line and not line.startswith(("Using workflow", "Config file"))]


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"split": {"folds": "four"}}, "error: configuration: split.folds is"),
        ({"scenes": None, "tiles": {"train": "none", "test": "neither"}}, "error: none: no such folder"),
    ],
)
def test_a_fault_before_anything_runs_is_one_line(tmp_path, overlay, said):
    done = snakemake(tmp_path, "-n", overlay=overlay)
    assert done.returncode == 1
    assert len(errors(done.stderr)) == 1
    assert errors(done.stderr)[0].startswith(said)


def test_a_failed_job_is_its_own_line_and_where_its_log_is(tmp_path):
    tiles = {"train": "train", "test": "test"}
    for place, name in (("train", "A_1"), ("train", "A_2"), ("test", "B_1")):
        files = write_tile(tmp_path / place, name)
    files.dsm.write_bytes(b"no raster")
    overlay = OVERLAY | {"scenes": None, "tiles": tiles}
    done = snakemake(tmp_path, "tiles", overlay=overlay)
    assert done.returncode == 1
    faults = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    log = "results/logs/prepare/test-0of1.log"
    assert faults[0].startswith("error: test/B_1_DSM.tif: ")
    assert faults[1:] == [
        f"error: the job prepare_test-0of1 failed; its log: {log}",
        "Exiting because a job execution failed. Look above for error messages",
        "error: the run is incomplete: see the errors above, then run the same command to resume",
    ]
    assert '"$SCRIPTS"' not in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / log).read_text().startswith("error: test/B_1_DSM.tif: ")

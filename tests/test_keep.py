"""What is not kept of what is made on the way: gone when it is used up, missed by nothing, made again when needed."""

import shutil

import pytest
from toy import OVERLAY, merged, snakemake

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

NOT_KEPT = merged(OVERLAY, {"run": {"keep_predictions": False}})


def planned(folder, *targets, overlay=NOT_KEPT):
    done = snakemake(folder, "-n", *targets, overlay=overlay)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    return {stage for stage in ("prepare", "train", "predict", "merge", "separate") if f"\n{stage}_" in said}


@pytest.fixture(scope="module")
def used_up(toy_run, tmp_path_factory):
    """The toy's run, with predictions that are not kept any more, and two probabilities made again."""
    folder = tmp_path_factory.mktemp("keep") / "run"
    toy_run.copy_to(folder)
    shutil.rmtree(folder / "results" / "predictions")
    for tile in toy_run.tiles("test"):
        (folder / "results" / "probabilities" / f"{tile}.tif").unlink()
    done = snakemake(folder, "predictions", overlay=NOT_KEPT)
    assert done.returncode == 0, done.stderr
    assert "predict_test-0of1_fold-0" in done.stdout + done.stderr
    assert "predict_train" not in done.stdout + done.stderr  # the training tiles' are merged, and not missed
    return folder


def test_predictions_are_gone_once_merged_and_the_result_is_the_same(used_up, toy_run):
    assert not list((used_up / "results").glob("predictions/**/*.tif"))
    for tile in toy_run.tiles("test"):
        name = f"probabilities/{tile}.tif"
        assert (used_up / "results" / name).read_bytes() == (toy_run.results / name).read_bytes()


def test_nothing_misses_them(used_up):
    assert planned(used_up) == planned(used_up, "predictions") == set()


@pytest.mark.parametrize("changed", ["settings", "model"])
def test_they_are_made_again_when_what_they_come_from_changes(used_up, changed):
    if changed == "settings":
        assert planned(used_up, overlay=merged(NOT_KEPT, {"predict": {"flips": False}})) == {
            "predict",
            "merge",
            "separate",
        }
        return
    model = used_up / "results" / "models" / "fold-0.safetensors"
    content = model.read_bytes()
    model.unlink()  # it may be a link into the cache of folds
    model.write_bytes(content + b"more")
    assert planned(used_up, "probabilities") >= {"predict", "merge"}
    model.write_bytes(content)


def test_kept_again_they_are_made_when_asked_for(used_up):
    assert planned(used_up, "predictions", overlay=OVERLAY) == {"predict"}

"""The cache of trained folds is listed and cleared by its script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import SCRIPTS

from eaves import fold_cache, weights
from eaves.errors import InputError

RECIPE = {"encoder": "resnet34", "decoder": "unet"}
DAY_S = 24 * 3600


@pytest.fixture
def folder(tmp_path):
    """Three trained folds: today's, one from a month and one from a year ago."""
    for key, stage, age in (("aa1", "train", 0), ("ab2", "warmup", 30), ("b33", "train", 365)):
        path = tmp_path / f"{key}.safetensors"
        weights.save_model(path, torch.nn.Linear(2, 1), {**RECIPE, "stage": stage, "fold": 3})
        path.with_suffix(".csv").write_text("epoch,val_loss\n1,0.75\n2,0.5\n")
        then = path.stat().st_mtime - age * DAY_S
        os.utime(path, (then, then))
    return tmp_path


def keys(folder):
    return list(fold_cache.entries(folder)["key"])


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, SCRIPTS / "cache.py", *arguments],
        env=os.environ | {"SNAKEMAKE_OUTPUT_CACHE": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_there_is_listed_newest_first(folder):
    found = fold_cache.entries(folder)
    assert list(found["key"]) == ["aa1", "ab2", "b33"]
    first = found.iloc[0]
    assert (first["stage"], first["fold"], first["network"], first["epochs"]) == ("train", 3, "resnet34 unet", 2)
    assert first["val_loss"] == 0.5
    assert first["bytes"] == sum(path.stat().st_size for path in folder.glob("aa1.*"))
    assert not len(fold_cache.entries(folder / "nothing"))


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ((), ["aa1", "ab2", "b33"]),
        (("--remove", "aa", "b"), ["ab2"]),
        (("--older-than", "7"), ["aa1"]),
        (("--clear",), []),
    ],
)
def test_what_is_not_wanted_is_removed_with_all_its_files(folder, arguments, left):
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert keys(folder) == left
    assert len(list(folder.iterdir())) == 2 * len(left)
    assert f"{len(left)} entries" in done.stderr
    assert all(key in done.stdout for key in left)


def test_an_unknown_key_removes_nothing(folder):
    done = run(folder, "--remove", "aa", "ff")
    assert done.returncode == 1
    assert "no entry begins with ff" in done.stderr
    assert len(keys(folder)) == 3
    with pytest.raises(InputError, match="no entry zz"):
        fold_cache.remove(folder, "zz")


def test_the_folder_is_the_one_that_snakemake_uses(monkeypatch, tmp_path):
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path))
    assert fold_cache.default_folder() == tmp_path
    monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert fold_cache.default_folder() == tmp_path / "cache" / "eaves" / "folds"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert fold_cache.default_folder() == Path.home() / ".cache" / "eaves" / "folds"

"""The cache of trained folds: what is taken and kept, and what its script lists and clears."""

import json
import logging
import os
import subprocess
from pathlib import Path

import pytest
import torch
from toy import SCRIPTS, run_script

from eaves.core.errors import InputError
from eaves.models.files import save_model
from eaves.training import fold_cache

RECIPE = {"encoder": "resnet34", "decoder": "unet"}
DAY_S = 24 * 3600


@pytest.fixture
def folder(tmp_path):
    """Three trained folds: today's, one from a month and one from a year ago."""
    for key, stage, age in (("aa1", "train", 0), ("ab2", "warmup", 30), ("b33", "train", 365)):
        path = tmp_path / f"{key}.safetensors"
        save_model(path, torch.nn.Linear(2, 1), {**RECIPE, "stage": stage, "fold": 3})
        path.with_suffix(".csv").write_text("epoch,val_loss\n1,0.75\n2,0.5\n")
        path.with_suffix(".json").write_text("{}")
        then = path.stat().st_mtime - age * DAY_S
        os.utime(path.with_suffix(".json"), (then, then))
    return tmp_path


def keys(folder):
    return list(fold_cache.entries(folder)["key"])


def run(folder, *arguments):
    return run_script(SCRIPTS / "cache.py", *arguments, env={"EAVES_FOLD_CACHE": str(folder)})


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
    assert len(list(folder.iterdir())) == 3 * len(left)
    assert f"{len(left)} entries" in done.stderr
    assert all(key in done.stdout for key in left)


def test_an_unknown_key_removes_nothing(folder):
    done = run(folder, "--remove", "aa", "ff")
    assert done.returncode == 1
    assert "no entry begins with ff" in done.stderr
    assert len(keys(folder)) == 3
    with pytest.raises(InputError, match="no entry zz"):
        fold_cache.remove(folder, "zz")


def test_a_damaged_entry_is_listed_as_such_and_can_be_removed(folder):
    (folder / "ab2.safetensors").write_bytes(b"half")
    (folder / ".part.1.cc.safetensors").write_bytes(b"left by a process that was killed")
    assert list(fold_cache.entries(folder)["stage"]) == ["train", "damaged", "train"]
    (folder / ".profile").write_text("somebody's own")
    assert run(folder, "--clear").returncode == 0
    assert [path.name for path in folder.iterdir()] == [".profile"]


def test_the_folder_is_the_one_that_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("EAVES_FOLD_CACHE", str(tmp_path / "new"))
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "old"))
    assert fold_cache.default_folder() == fold_cache.default_folder(shared=False) == tmp_path / "new"
    monkeypatch.setenv("EAVES_FOLD_CACHE", "none")
    assert fold_cache.default_folder() is None
    monkeypatch.delenv("EAVES_FOLD_CACHE")
    assert fold_cache.default_folder() == tmp_path / "old"
    monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE")
    assert fold_cache.default_folder(shared=False) is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert fold_cache.default_folder() == tmp_path / "cache" / "eaves" / "folds"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert fold_cache.default_folder() == Path.home() / ".cache" / "eaves" / "folds"


def test_without_a_cache_there_is_nothing_to_list():
    done = run("none")
    assert done.returncode == 1
    assert "EAVES_FOLD_CACHE is none" in done.stderr


@pytest.fixture
def files(tmp_path):
    """What a training job has written."""
    made = {".safetensors": tmp_path / "models" / "fold-0.safetensors", ".csv": tmp_path / "models" / "fold-0.csv"}
    (tmp_path / "models").mkdir()
    for suffix, path in made.items():
        path.write_bytes(f"trained {suffix}".encode() * 4096)
    return made


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "eaves")
    return caplog


def elsewhere(files, tmp_path):
    return {suffix: tmp_path / "other" / path.name for suffix, path in files.items()}


def contents(files):
    return [path.read_bytes() for path in files.values()]


def test_what_was_kept_is_taken_and_outlives_the_cache(files, tmp_path, said):
    cache, other = tmp_path / "new" / "cache", elsewhere(files, tmp_path)
    assert not fold_cache.restore(cache, "a1", other)
    fold_cache.store(cache, "a1", files)
    assert not fold_cache.restore(cache, "a2", other)
    assert fold_cache.restore(cache, "a1", other)
    assert said.messages == ["restored from the fold cache: a1"]
    kept = contents(files)
    for path in other.values():
        assert not path.is_symlink()
        assert path.samefile(cache / f"a1{path.suffix}")  # it takes no room of its own
    fold_cache.remove(cache, "a1")
    assert not list(cache.iterdir())
    assert contents(files) == contents(other) == kept


def test_across_file_systems_files_are_copied(files, tmp_path, monkeypatch):
    def link(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", link)
    fold_cache.store(tmp_path / "cache", "a1", files)
    assert fold_cache.restore(tmp_path / "cache", "a1", elsewhere(files, tmp_path))
    assert contents(elsewhere(files, tmp_path)) == contents(files)


@pytest.mark.parametrize("suffix", [".safetensors", ".csv", ".json"])
@pytest.mark.parametrize("damage", ["changed", "gone", "cut"])
def test_an_entry_that_is_not_whole_is_not_taken_and_made_again(files, tmp_path, said, suffix, damage):
    cache, other = tmp_path / "cache", elsewhere(files, tmp_path)
    fold_cache.store(cache, "a1", files)
    damaged = cache / f"a1{suffix}"
    content = damaged.read_bytes()
    damaged.unlink()
    if damage != "gone":
        damaged.write_bytes(content[:-9] if damage == "cut" else content[:-9] + b"x" * 9)
    assert not fold_cache.restore(cache, "a1", other)
    assert not list((tmp_path / "other").glob("*"))
    assert len(said.messages) == (0 if damage == "gone" else 1)
    assert all("can't be used" in line and "\n" not in line for line in said.messages)
    fold_cache.store(cache, "a1", files)
    assert fold_cache.restore(cache, "a1", other)


def mounted(*arguments):
    """Mounts something, or skips the test where that is not allowed."""
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def unusable(request, tmp_path):
    """A cache that nothing can be written into: read-only, full, or a place where no folder can be."""
    folder = tmp_path / "cache"
    if request.param == "a file":
        folder.touch()
        yield folder
        return
    folder.mkdir()
    if request.param == "full":
        mounted("-t", "tmpfs", "-o", "size=8k", "tmpfs", folder)
    else:
        mounted("--bind", "-o", "ro", folder, folder)
        if os.access(folder, os.W_OK):  # older mount
            mounted("-o", "remount,ro,bind", folder)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("unusable", ["read-only", "full", "a file"], indirect=True)
def test_a_cache_that_cannot_be_written_costs_a_warning_and_no_result(files, tmp_path, said, unusable):
    kept = contents(files)
    fold_cache.store(unusable, "a1", files)
    (line,) = said.messages
    assert f"a1 can't be stored in {unusable}" in line
    assert contents(files) == kept
    assert unusable.is_file() or not list(unusable.iterdir())


def test_another_users_entry_is_copied(files, tmp_path, monkeypatch):
    """Snakemake dates what a job has made, which of a link only the owner may do."""
    fold_cache.store(tmp_path / "cache", "a1", files)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    other = elsewhere(files, tmp_path)
    assert fold_cache.restore(tmp_path / "cache", "a1", other)
    assert not other[".csv"].samefile(files[".csv"])


def test_the_digests_are_written_last(files, tmp_path, monkeypatch):
    cache, seen = tmp_path / "cache", []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: seen.append(Path(to).suffix) or replace(path, to))
    fold_cache.store(cache, "a1", files)
    assert seen[-1] == ".json"
    assert json.loads((cache / "a1.json").read_text()).keys() == files.keys()

"""Data under DVC: tracked as the ignore files are, and noticed when another version is linked in their place."""

import os
import shutil
import subprocess

import pandas as pd
import pytest
from toy import OVERLAY, PROJECT_ROOT, environment, run, snakemake, write_tile

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

OWN_TILES = {key: value for key, value in OVERLAY.items() if key != "scenes"}


def dvc(folder, *arguments):
    done = run("-m", "dvc", *arguments, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder, *arguments):
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    command = ["git", *me, *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, text=True).stdout


@pytest.fixture
def tracked(tmp_path, monkeypatch, request):
    """A folder with raw tiles, tracked by DVC under the ignore files of this repository, linked as asked for."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "true")
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(PROJECT_ROOT / name, tmp_path)
    for number, name in enumerate(("train/A", "train/B", "test/C")):
        write_tile(tmp_path / "data" / name.split("/")[0], name.split("/")[1], seed=1 + number % 2)
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    dvc(tmp_path, "config", "cache.type", request.param)
    dvc(tmp_path, "add", "--quiet", "data/train", "data/test")
    return tmp_path


@pytest.mark.parametrize("tracked", ["symlink", "hardlink"], indirect=True)
def test_another_version_of_linked_tiles_is_prepared_anew(tracked):
    (tracked / "data" / "train" / ".A_RGB.tif.0.part").write_bytes(b"a download that is not whole")
    assert set(git(tracked, "ls-files", "--others", "--exclude-standard").split()) >= {
        "data/train.dvc",
        "data/test.dvc",
    }
    assert "data/train/" not in git(tracked, "status", "--short", "--untracked-files=all")
    assert "up to date" in dvc(tracked, "status")  # it knows of them, and of no more
    git(tracked, "add", "--all")
    git(tracked, "commit", "--quiet", "--message", "A")

    dvc(tracked, "unprotect", "data/train")
    with (tracked / "data" / "train" / "A_GTI.tif").open("ab") as file:
        file.write(b"more")
    assert "modified" in dvc(tracked, "status")
    dvc(tracked, "add", "--quiet", "data/train")
    file = tracked / "data" / "train" / "A_GTI.tif"
    assert file.is_symlink() or file.stat().st_nlink == 2
    assert not file.stat().st_mode & 0o222
    seen = prepared(tracked)

    git(tracked, "checkout", "--", "data/train.dvc")
    dvc(tracked, "checkout", "--quiet")
    again = prepared(tracked)
    assert seen.index[seen != again].tolist() == ["A"]
    assert "Nothing to be done" in snakemake(tracked, "tiles", overlay=OWN_TILES).stderr


def prepared(folder):
    done = snakemake(folder, "tiles", overlay=OWN_TILES)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / "results" / "tiles" / "tiles.csv").set_index("tile")["sha256"]


@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_results_dated_anew_do_not_hide_what_changed_before_them(toy_run, tmp_path, link):
    """As `dvc repro` does where the cache is linked: what a stage is to make is copied first, and so is the newest."""
    folder = tmp_path / "run"
    toy_run.copy_to(folder)
    (tile, *_) = toy_run.tiles("test")
    file = folder / "results" / "probabilities" / f"{tile}.tif"
    cached = tmp_path / "cached"
    for more, expected in ((b"", False), (b"more", True)):
        cached.unlink(missing_ok=True)
        cached.write_bytes((toy_run.results / "probabilities" / f"{tile}.tif").read_bytes() + more)
        cached.chmod(0o444)
        os.utime(cached, (1, 1))
        file.unlink()
        file.symlink_to(cached) if link == "symlink" else file.hardlink_to(cached)
        for made in (folder / "results" / "buildings").iterdir():
            made.touch()
        done = snakemake(folder, "-n", "buildings", overlay=OVERLAY)
        assert done.returncode == 0, done.stderr
        assert ("separate_test-0of1" in done.stdout + done.stderr) == expected

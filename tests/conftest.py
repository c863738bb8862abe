"""What many tests share: one valid raw tile, and one finished run of the whole workflow on a toy."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch and OpenMP come in: small arrays gain nothing from threads that wait for each other on shared cores.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from filelock import FileLock
from object_store import ObjectStore
from small_disk import SmallDisk
from toy import OVERLAY, ToyRun, snakemake, write_tile

from eaves.tiles.discovery import TileFiles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster or DVC as slow, and start with the longest tests, so that none is left at the end."""

    def rank(item: pytest.Item) -> int:
        marks = [name for name in ("cluster", "dvc", "slow", "pipeline") if item.get_closest_marker(name)]
        return ("cluster", "dvc", "slow", "pipeline").index(marks[0]) if marks else 4

    for item in items:
        if rank(item) < 2:
            item.add_marker("slow")
    items.sort(key=rank)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of the session's processes share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _own_fold_cache(session_folder: Path) -> None:
    """Keep the folds that tests train in the session's folder, and the user's own cache out of it."""
    os.environ["EAVES_FOLD_CACHE"] = str(session_folder / "folds")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def raw_tile(tmp_path: Path) -> TileFiles:
    """A valid tile in a folder of its own; tests spoil one file of it."""
    return write_tile(tmp_path / "raw", "A_1")


@pytest.fixture(scope="session")
def toy_run(session_folder: Path) -> ToyRun:
    """The whole workflow, run on generated tiles by the first process that asks for it."""
    folder, finished = session_folder / "toy", session_folder / "toy-finished"
    with FileLock(session_folder / "toy.lock"):
        if not finished.exists():
            done = snakemake(folder, overlay=OVERLAY)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
            finished.touch()
    return ToyRun(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A file system to fill up; the test mounts it."""
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    if disk.folder.is_mount():
        disk.unmount()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A local S3 server."""
    store = ObjectStore()
    yield store
    store.close()

"""What many tests share: one valid raw tile, and one finished run of the whole workflow on a toy."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch and OpenMP come in: small arrays gain nothing from threads that wait for each other on shared cores.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from object_store import ObjectStore
from small_disk import SmallDisk
from toy import OVERLAY, ToyRun, snakemake, write_tile

from eaves.tiles.discovery import TileFiles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: where files are tested side by side, none is left with them at the end."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("cluster", "dvc", "pipeline")))


@pytest.fixture
def raw_tile(tmp_path: Path) -> TileFiles:
    """A valid tile in a folder of its own; tests spoil one file of it."""
    return write_tile(tmp_path / "raw", "A_1")


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> ToyRun:
    """The whole workflow, run once on generated tiles."""
    folder = tmp_path_factory.mktemp("toy")
    done = snakemake(folder, overlay=OVERLAY)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
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

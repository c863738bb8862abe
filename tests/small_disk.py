"""File systems of a few blocks, to fill up, and a limit of files' sizes, which needs no rights."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096


class SmallDisk:
    """A file system in memory, mounted on a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def mount(self, blocks: int) -> None:
        """Mounts it, empty, with so many blocks; without any left where `blocks` is 0."""
        self._call("mount", "-t", "tmpfs", "-o", f"size={max(blocks, 1) * BLOCK}", "none", self.folder)
        if not blocks:
            (self.folder / "full").write_bytes(bytes(BLOCK))

    def change(self, option: str) -> None:
        """Mounts it in another way, e.g. `ro`."""
        self._call("mount", "-o", f"remount,{option}", self.folder)

    def unmount(self) -> None:
        self._call("umount", "--lazy", self.folder)  # what failed may still hold a file open

    def _call(self, *command: str | Path) -> None:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
        if any(words in done.stderr for words in ("permission denied", "superuser", "not permitted")):
            pytest.skip("a small file system cannot be mounted here: run as root, or under `unshare -rm`")
        assert done.returncode == 0, done.stderr


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Limits the size of files that this process writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

"""Compare linked inputs by content: the one place where Snakemake's internals are changed.

Snakemake compares the checksum of an input with the recorded one only where the input is newer than the output
(https://github.com/snakemake/snakemake/pull/1568). With DVC's cache.type symlink or hardlink that misses changes:
another version of a file, checked out from the cache, may have an older date; and before a stage runs, `dvc repro`
copies the stage's last outputs, which are then the newest files of all. So an input that is a link to a read-only file
is always compared. The change could be replaced by an option of Snakemake to compare the checksums of inputs that are
not newer, which nobody has requested there yet.
"""

import os
import stat
from pathlib import Path
from typing import Any

from snakemake.io import _IOFile

_is_newer = _IOFile.is_newer


def install() -> None:
    """Make Snakemake compare linked inputs in this process."""
    _IOFile.is_newer = _newer_or_linked


async def _newer_or_linked(file: Any, time: float) -> bool:
    """Return whether an input may have changed since a job that ended at `time`."""
    if await _is_newer(file, time):
        return True
    if not os.path.lexists(file):  # in an object store, and not retrieved
        return False
    found = os.lstat(file)
    linked = stat.S_ISLNK(found.st_mode) or found.st_nlink > 1
    return linked and not file.is_ancient and not Path(file).stat().st_mode & stat.S_IWUSR

"""Contents decide for files that DVC links to its cache, for the dates of links tell nothing.

Snakemake compares an input with what a job saw where the input is newer than what the job made. With DVC's cache.type
symlink or hardlink that is not enough: another version of a file, checked out, may bear an older date; and before a
stage runs, `dvc repro` copies what the stage made last, which is then the newest of all. So an input that is a link to
a read-only file is always compared.
"""

import os
import stat

from snakemake.io import _IOFile

_is_newer = _IOFile.is_newer


async def newer_or_linked(file, time):
    """Tells whether an input may have changed since a job that ended at `time`."""
    if await _is_newer(file, time):
        return True
    if not os.path.lexists(file):  # on object storage, and not fetched
        return False
    found = os.lstat(file)
    linked = stat.S_ISLNK(found.st_mode) or found.st_nlink > 1
    return linked and not file.is_ancient and not os.stat(file).st_mode & stat.S_IWUSR


_IOFile.is_newer = newer_or_linked

"""Remove the lock that Snakemake leaves on its working directory when it is killed."""

import fcntl
import os
from pathlib import Path

_open_files: list[int] = []


def remove_if_stale(folder: Path) -> bool:
    """Remove Snakemake's lock if no running Snakemake process can have set it.

    How it works: every Snakemake process that reads this workflow holds a shared file lock (flock), which the kernel
    releases however the process ends. A process that obtains it exclusively is the only one, so that any Snakemake
    lock must be left over from a killed run.

    Args:
        folder: The folder `.snakemake`.

    Returns:
        Whether there was a stale lock.
    """
    folder.mkdir(exist_ok=True)
    try:
        # The descriptor is not inherited: a job that outlives Snakemake must not hold the lock.
        alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o666)
        _open_files.append(alive)
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(alive, fcntl.LOCK_SH)
        return False
    except OSError:  # the file system has no such locks: Snakemake asks for --unlock, as usual
        return False
    stale = sorted((folder / "locks").glob("*.lock"))
    for path in stale:
        path.unlink()
    fcntl.flock(alive, fcntl.LOCK_SH)
    return bool(stale)

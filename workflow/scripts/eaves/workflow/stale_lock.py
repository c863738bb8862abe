"""Snakemake's lock on its folder outlives a run that was killed: told from a live one's here, and removed."""

import fcntl
import os
from pathlib import Path

_kept: list[int] = []


def remove_if_stale(folder: Path) -> bool:
    """Removes Snakemake's lock where no Snakemake is alive that could have set it.

    How it works: every Snakemake that reads this workflow keeps a shared lock of the kernel's, until it ends, however
    it ends. Who gets that lock for itself alone is the only one, so a lock of Snakemake's must be a dead run's.

    Args:
        folder: `.snakemake`.

    Returns:
        Whether there was a stale lock.
    """
    folder.mkdir(exist_ok=True)
    try:
        # Not inherited: a job that outlives its Snakemake must not look like one.
        alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o666)
        _kept.append(alive)
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(alive, fcntl.LOCK_SH)
        return False
    except OSError:  # a file system without such locks: Snakemake asks for --unlock, as it does by itself
        return False
    stale = sorted((folder / "locks").glob("*.lock"))
    for path in stale:
        path.unlink()
    fcntl.flock(alive, fcntl.LOCK_SH)
    return bool(stale)

"""Why a file cannot be written: one line that names the file system and what it lacks."""

import errno
import os
import re
import resource
from pathlib import Path

from eaves.core.errors import WriteError

_LITTLE = 1 << 20  # what a full disk may still have free, as a library gave up on more
# Only writing fails with these; the others may come from a file that is read meanwhile.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def in_words(size: int) -> str:
    """Say how many bytes these are.

    Example:
        >>> in_words(999), in_words(12_340_000), in_words(5_000_000_000)
        ('999 B', '12.3 MB', '5.0 GB')
    """
    for unit, divisor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= divisor:
            return f"{size / divisor:.1f} {unit}"
    return f"{size} B"


def cause(error: BaseException) -> OSError | None:
    """Find the system's error behind an exception, if it is one that only writing can raise.

    Libraries wrap it in exceptions of their own, or give nothing but its text.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _OF_WRITING:
            return seen
        for number in _OF_WRITING:
            if os.strerror(number) in str(seen):
                return OSError(number, os.strerror(number))
        seen = seen.__cause__ or seen.__context__
    return None


def refusal(path: Path, error: OSError, needed: int = 0, written: int = 0) -> WriteError:
    """Say in one line why a file cannot be written, and what to do.

    Args:
        path: the file.
        error: what the system says.
        needed: bytes that the file takes, where this is known.
        written: bytes that a part of it takes now, which will be removed.
    """
    folder = next(place for place in (path.parent, *path.absolute().parents) if place.is_dir())
    reason = _reason(folder, error, needed, written)
    return WriteError(f"{path}: cannot be written: {reason}")


def check_space(path: Path, needed: int) -> None:
    """Refuse to begin with a file that the disk has no room for.

    Args:
        path: the file; its folder is there.
        needed: bytes that the file takes.

    Raises:
        WriteError: fewer are free.
    """
    found = os.statvfs(path.parent)
    if found.f_blocks and needed > found.f_bavail * found.f_frsize:  # some network file systems tell nothing
        raise refusal(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), needed)


def _reason(folder: Path, error: OSError, needed: int, written: int) -> str:
    place = "the current folder" if folder == Path() else str(folder)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to write in {place}; change its owner or mode, or give another folder"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"a file of the folder's name is in {place}; remove that, or give another folder"
    if error.errno == errno.EISDIR:
        return f"a folder of that name is in {place}; remove it, or give another name"
    if error.errno not in _OF_WRITING:
        return f"{error.strerror or error}; mend that and run again"
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    system = f"the file system of {place} ({_kind(folder)}{in_words(found.f_blocks * found.f_frsize)})"
    lacking = f", {in_words(needed)} needed" if needed else f", more than {in_words(written)} needed" if written else ""
    if error.errno == errno.EDQUOT:
        return f"your quota on {system} is used up{lacking}; free some of your space and run again"
    if error.errno == errno.EROFS:
        return f"{system} is read-only; make it writable, or give another folder"
    if error.errno == errno.EFBIG:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY:
            return f"files of this process may have {in_words(limit)} only; raise that (ulimit -f) and run again"
        return f"{system} takes no file so large; give another folder"
    if found.f_files and not found.f_favail:
        return f"{system} has no room for more files ({found.f_files} inodes, none free); remove some and run again"
    if free > max(needed, _LITTLE):
        lacking = " now"
    return f"{system} is full ({in_words(free + written)} free{lacking}); free some space and run again"


def _kind(folder: Path) -> str:
    """The kind of the file system that a folder is on, e.g. `ext4, `; empty where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    kinds = {}
    for mount in mounts:
        _, point, kind = mount.split()[:3]
        kinds[Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point))] = kind
    resolved = folder.resolve()
    return next((f"{kinds[place]}, " for place in (resolved, *resolved.parents) if place in kinds), "")

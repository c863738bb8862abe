"""Explain in one line why a file cannot be written, naming the file system and the reason."""

import errno
import os
import re
import resource
from pathlib import Path

from eaves.core.errors import WriteError

_NEARLY_FULL = 1 << 20  # bytes that may still be free on a full disk, as the failed write was larger
# Only writing raises these; other errors may come from a file that is being read.
_WRITE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def format_bytes(size: int) -> str:
    """Format a number of bytes in a readable unit.

    Example:
        >>> format_bytes(999), format_bytes(12_340_000), format_bytes(5_000_000_000)
        ('999 B', '12.3 MB', '5.0 GB')
    """
    for unit, divisor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= divisor:
            return f"{size / divisor:.1f} {unit}"
    return f"{size} B"


def find_os_error(error: BaseException) -> OSError | None:
    """Find the operating system's error behind an exception, if it is one that only writing can raise.

    Libraries wrap it in exceptions of their own, or include only its text.
    """
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, OSError) and current.errno in _WRITE_ERRNOS:
            return current
        for number in _WRITE_ERRNOS:
            if os.strerror(number) in str(current):
                return OSError(number, os.strerror(number))
        current = current.__cause__ or current.__context__
    return None


def write_error(path: Path, error: OSError, needed: int = 0, written: int = 0) -> WriteError:
    """Return an error that says why a file cannot be written and what to do.

    Args:
        path: The file.
        error: The error of the operating system.
        needed: Size of the file in bytes, if known.
        written: Size in bytes of the incomplete file, which will be removed.
    """
    folder = next(place for place in (path.parent, *path.absolute().parents) if place.is_dir())
    reason = _reason(folder, error, needed, written)
    return WriteError(f"{path}: cannot be written: {reason}")


def check_space(path: Path, needed: int) -> None:
    """Check that the disk has room for a file before it is written.

    Args:
        path: The file, in an existing folder.
        needed: Size of the file in bytes.

    Raises:
        WriteError: There is less free space.
    """
    found = os.statvfs(path.parent)
    if found.f_blocks and needed > found.f_bavail * found.f_frsize:  # some network file systems report nothing
        raise write_error(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), needed)


def _reason(folder: Path, error: OSError, needed: int, written: int) -> str:
    place = "the current folder" if folder == Path() else str(folder)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to write in {place}; change its owner or mode, or choose another folder"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"a file in {place} has the name of the folder; remove the file, or choose another folder"
    if error.errno == errno.EISDIR:
        return f"a folder in {place} has this name; remove it, or choose another name"
    if error.errno not in _WRITE_ERRNOS:
        return f"{error.strerror or error}; solve this and run again"
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    system = f"the file system of {place} ({_file_system_type(folder)}{format_bytes(found.f_blocks * found.f_frsize)})"
    shortage = (
        f", {format_bytes(needed)} needed"
        if needed
        else f", more than {format_bytes(written)} needed"
        if written
        else ""
    )
    if error.errno == errno.EDQUOT:
        return f"your quota on {system} is used up{shortage}; free some of your space and run again"
    if error.errno == errno.EROFS:
        return f"{system} is read-only; make it writable, or choose another folder"
    if error.errno == errno.EFBIG:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY:
            return (
                f"files of this process are limited to {format_bytes(limit)}; raise the limit (ulimit -f) and run again"
            )
        return f"{system} does not support files of this size; choose another folder"
    if found.f_files and not found.f_favail:
        return f"{system} cannot hold more files ({found.f_files} inodes, none free); remove some and run again"
    if free > max(needed, _NEARLY_FULL):
        shortage = " now"
    return f"{system} is full ({format_bytes(free + written)} free{shortage}); free some space and run again"


def _file_system_type(folder: Path) -> str:
    """Return the type of a folder's file system for a message, e.g. `ext4, `; empty if unknown."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    types = {}
    for mount in mounts:
        _, point, file_system = mount.split()[:3]
        types[Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point))] = file_system
    resolved = folder.resolve()
    return next((f"{types[place]}, " for place in (resolved, *resolved.parents) if place in types), "")

"""Write files atomically and durably, explain write errors, and hash files."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path

from eaves.core.errors import InputError, WriteError
from eaves.core.write_errors import check_space, find_os_error, write_error

_PROBE_BYTES = 1 << 20


@contextmanager
def atomic_write(path: Path, needed: int = 0) -> Iterator[Path]:
    """Yield a temporary path in the file's folder; rename it to the file when the block succeeds.

    The file is flushed to the disk before it is renamed, so that neither a full disk nor a power cut leaves an
    incomplete file under its name. The temporary name has the same extension, for libraries that depend on it.

    Args:
        path: The file; its folder is created if needed.
        needed: Size of the file in bytes, if known; checked against the free space.

    Raises:
        WriteError: The file cannot be written.
    """
    path = Path(path)
    temporary = _temporary_path(path)
    try:
        with explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()  # fails before anything is computed if the folder is not writable
            temporary.unlink()
            check_space(path, needed)
        with explain_write_errors(path, needed, only_writing=False):
            yield temporary
        with explain_write_errors(path):
            sync(temporary)
            temporary.replace(path)
            with suppress(OSError):  # not every file system can flush folders
                sync(path.parent)
    except BaseException:
        for left in path.parent.glob(f"{glob.escape(temporary.name)}*"):  # SQLite writes a journal beside its file
            left.unlink(missing_ok=True)
        raise


@contextmanager
def explain_write_errors(path: Path, needed: int = 0, only_writing: bool = True) -> Iterator[None]:
    """Convert an error of the operating system into one that says why a file cannot be written.

    Args:
        path: The file.
        needed: Size of the file in bytes, if known.
        only_writing: Whether the block does nothing but write this file, so that any OSError concerns it. Otherwise
            only errors that nothing but writing can raise are converted.

    Raises:
        WriteError: The file cannot be written.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = find_os_error(error) or (error if only_writing and isinstance(error, OSError) else None)
        if found is None:
            raise
        part = _temporary_path(path)
        raise write_error(path, found, needed, part.stat().st_blocks * 512 if part.exists() else 0) from error


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk.

    Raises:
        OSError: It could not be written; some file systems report this only here.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_readback(path: Path, intact: bool) -> None:
    """Report a file that was damaged while it was written: some network file systems lose data silently.

    Args:
        path: The file.
        intact: Whether the file was read back as it was written.

    Raises:
        WriteError: It was not.
    """
    if not intact:
        raise WriteError(
            f"{path}: cannot be written: its content differs when read back; check the disk of {path.parent}, or "
            "choose another folder"
        )


def probe_write(path: Path, size: int = 0) -> None:
    """Append zeros to a file that a library failed to write, to learn the reason; this destroys the file.

    Args:
        path: The file.
        size: Number of bytes that the library was about to write.

    Raises:
        OSError: The bytes cannot be written.
    """
    with path.open("ab") as stream:
        for _ in range(0, size + 1, _PROBE_BYTES):
            stream.write(bytes(_PROBE_BYTES))
        stream.flush()
        os.fsync(stream.fileno())


def file_sha256(path: Path, *others: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; given further files, of its content followed by their digests."""
    with path.open("rb") as stream:
        digest = file_digest(stream, "sha256")
    for other in others:
        with other.open("rb") as stream:
            digest.update(file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _temporary_path(path: Path) -> Path:
    """Return the path that a file has while it is written."""
    return path.with_name(f".part.{os.getpid()}.{path.name}")

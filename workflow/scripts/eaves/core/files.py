"""Files that are either whole and on the disk, or not there; where one cannot be written, the error says why."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path

from eaves.core.errors import InputError, WriteError
from eaves.core.write_errors import cause, check_space, refusal

PROBE_BYTES = 1 << 20


@contextmanager
def atomic_write(path: Path, needed: int = 0) -> Iterator[Path]:
    """Give a temporary name in a file's folder; the file gets its own name when the block has ended well.

    By then it is on the disk, so that neither a full disk nor a power cut leaves half of it under its name. The
    temporary name ends as the file's own does, for libraries that go by it.

    Args:
        path: the file; its folder is made where there is none.
        needed: bytes that the file will take, where this is known: they must be free.

    Raises:
        WriteError: the file cannot be written.
    """
    path = Path(path)
    temporary = _part(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()  # what may not be written is refused before it is computed
            temporary.unlink()
            check_space(path, needed)
        with writing(path, needed, alone=False):
            yield temporary
        with writing(path):
            sync(temporary)
            temporary.replace(path)
            with suppress(OSError):  # not every file system does that to folders
                sync(path.parent)
    except BaseException:
        for left in path.parent.glob(f"{glob.escape(temporary.name)}*"):  # SQLite has a journal beside its file
            left.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path, needed: int = 0, alone: bool = True) -> Iterator[None]:
    """Turn an error of the system into one that says why a file cannot be written.

    Args:
        path: the file.
        needed: bytes that it will take, where this is known.
        alone: nothing else is read or written meanwhile, so that any error is about this file; else only those count
            that nothing but writing can raise.

    Raises:
        WriteError: as the name says.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = cause(error) or (error if alone and isinstance(error, OSError) else None)
        if found is None:
            raise
        part = _part(path)
        raise refusal(path, found, needed, part.stat().st_blocks * 512 if part.exists() else 0) from error


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk; what could not be written shows here at last.

    Raises:
        OSError: some of it could not be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check(path: Path, good: bool) -> None:
    """Refuse a file that, read again, is not what was written: some network file systems lose data silently.

    Raises:
        WriteError: it is not `good`.
    """
    if not good:
        raise WriteError(
            f"{path}: cannot be written: read again, it is not what was written; check the disk of {path.parent}, or "
            "give another folder"
        )


def probe(path: Path, size: int = 0) -> None:
    """Write some bytes at a file's end, for the system to say why a library could not; the file is lost.

    Args:
        path: the file, or where it was to be.
        size: bytes that the library was about to write.

    Raises:
        OSError: they cannot be written.
    """
    with path.open("ab") as stream:
        for _ in range(0, size + 1, PROBE_BYTES):
            stream.write(bytes(PROBE_BYTES))
        stream.flush()
        os.fsync(stream.fileno())


def file_sha256(path: Path) -> str:
    """Hash a file: its SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _part(path: Path) -> Path:
    """Where a file lies while it is written."""
    return path.with_name(f".part.{os.getpid()}.{path.name}")

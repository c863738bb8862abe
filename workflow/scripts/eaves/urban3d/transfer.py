"""Download files from an object store: interrupted downloads are resumed, and files are verified before renaming."""

import re
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, TypeVar

from eaves.core.cli import LOG
from eaves.core.errors import InputError, WriteError
from eaves.core.files import sync
from eaves.core.meter import Meter
from eaves.core.write_errors import format_bytes, write_error
from eaves.urban3d import checksums
from eaves.urban3d.object_store import ConnectionBrokenError, Item, Store

FIRST_PAUSE_S = 1.0  # doubles with every attempt that received nothing
T = TypeVar("T")


class Transfer(NamedTuple):
    """An object on the store, and the path to download it to."""

    item: Item
    path: Path


class DamagedError(InputError):
    """The downloaded file does not match the store's checksum."""


def find_missing(transfers: Sequence[Transfer], store: Store, jobs: int) -> list[Transfer]:
    """Return the transfers whose local files are missing or differ from the store's; reads all local files.

    Raises:
        InputError: If the store cannot be reached or refuses the request.
    """
    here = [transfer for transfer in transfers if transfer.path.is_file()]
    found: dict[Transfer, bool | None] = {}

    def compare(transfer: Transfer, stop: threading.Event) -> None:
        if stop.is_set():
            return
        try:
            found[transfer] = checksums.matches(transfer.path, transfer.item, store)
        except OSError as error:
            raise InputError(
                f"{transfer.path}: cannot be read ({error.strerror}); remove the file or make it readable"
            ) from error
        meter.add(transfer.item.size, files=1)

    with Meter("verify", sum(transfer.item.size for transfer in here), "B", scaled=True, files=len(here)) as meter:
        _in_parallel(compare, here, jobs)
    _warn_unverified(list(found.values()).count(None))
    return [transfer for transfer in transfers if found.get(transfer, False) is False]


def check_space(transfers: Sequence[Transfer], folder: Path) -> None:
    """Check that the disk has room for the downloads.

    Raises:
        InputError: If it has not; the message says how much is needed and how much is free.
    """
    parts = [_part(transfer) for transfer in transfers]
    needed = sum(transfer.item.size for transfer in transfers) - sum(
        part.stat().st_size for part in parts if part.is_file()
    )
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{folder}: the download needs {format_bytes(needed)}, but only {format_bytes(free)} are free there; free "
            f"{format_bytes(needed - free)}, choose another folder with --to, or fewer tiles with --include or --limit"
        )


def fetch(transfers: Sequence[Transfer], store: Store, jobs: int = 8, retries: int = 5) -> None:
    """Download files.

    An incomplete file is kept next to its destination as `.<name>.<version>.part`, from which the next run resumes. It
    is renamed once its checksum has been verified.

    Args:
        transfers: The files to download; existing files are replaced.
        store: The store to download from.
        jobs: Number of files to download at the same time.
        retries: Retries after a broken connection, with increasing pauses; received data resets the count.

    Raises:
        InputError: If files arrive damaged: one line for each, after all others have been downloaded. Any other error
            stops all downloads: the store cannot be reached or refuses a request, the disk is full, or a folder is not
            writable.
    """
    outcomes: list[bool | None] = []

    def one(transfer: Transfer, stop: threading.Event) -> None:
        outcomes.append(_fetch_one(transfer, store, meter, stop, retries))

    with Meter(
        "fetch", sum(transfer.item.size for transfer in transfers), "B", scaled=True, files=len(transfers)
    ) as meter:
        _in_parallel(one, transfers, jobs)
    _warn_unverified(outcomes.count(None))


def _in_parallel(work: Callable[[T, threading.Event], None], items: Sequence[T], jobs: int) -> None:
    """Process items in threads; after an error or Ctrl-C the other threads stop before it is raised."""
    stop, damaged = threading.Event(), []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in as_completed([pool.submit(work, item, stop) for item in items]):
                try:
                    done.result()
                except DamagedError as fault:
                    damaged.append(str(fault))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    if damaged:
        raise InputError("\n".join(sorted(damaged)))


def _warn_unverified(files: int) -> None:
    if files:
        LOG.warning("%d files were verified by size only: the store reports no checksum for them", files)


def _part(transfer: Transfer) -> Path:
    """Return the path of an incomplete file, which depends on the version on the store."""
    version = re.sub(r"\W", "-", transfer.item.etag)
    return transfer.path.with_name(f".{transfer.path.name}.{version}.part")


def _fetch_one(transfer: Transfer, store: Store, meter: Meter, stop: threading.Event, retries: int) -> bool | None:
    """Download a file; return None if it could not be verified, False if asked to stop."""
    item, path = transfer
    part = _part(transfer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for other in path.parent.glob(f".{path.name}.*.part"):
            if other != part:
                other.unlink()
        for last in (False, True):
            here = part.stat().st_size if part.exists() else 0
            meter.add(min(here, item.size))
            if not _download_rest(part, item, store, meter, stop, retries):
                return False
            verified = checksums.matches(part, item, store)
            if verified is not False:
                sync(part)
                part.replace(path)
                meter.add(0, files=1)
                return verified
            part.unlink()
            if last or not here:
                break
            meter.add(-item.size)
    except OSError as error:
        missing = item.size - (part.stat().st_size if part.exists() else 0)
        raise WriteError(f"{write_error(path, error, missing)}: the download resumes from here") from error
    raise DamagedError(f"{path}: the downloaded file does not match the store's checksum; run this again")


def _download_rest(part: Path, item: Item, store: Store, meter: Meter, stop: threading.Event, retries: int) -> bool:
    """Append the missing bytes of a file; return False if asked to stop before the end."""
    part.touch()
    failures = 0
    while (start := part.stat().st_size) < item.size:
        reason = "the response ended early"
        try:
            with part.open("ab", buffering=0) as out:
                for piece in store.read(item, start):
                    out.write(piece)
                    meter.add(len(piece))
                    if stop.is_set():
                        return False
        except ConnectionBrokenError as error:
            reason = str(error)
        if (size := part.stat().st_size) < item.size:
            failures = failures + 1 if size == start else 1
            if failures > retries:
                raise InputError(f"{part}: the connection broke repeatedly ({reason}); run this again to resume")
            if stop.wait(FIRST_PAUSE_S * 2 ** (failures - 1)):
                return False
    return True

"""Fetches files from an object store: resumed where they were cut, verified before they get their names."""

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

FIRST_PAUSE_S = 1.0  # doubles with every attempt that brought nothing
T = TypeVar("T")


class Transfer(NamedTuple):
    """A file on the store, and where it goes."""

    item: Item
    path: Path


class DamagedError(InputError):
    """What arrived is not what the store says it has."""


def lacking(transfers: Sequence[Transfer], store: Store, jobs: int) -> list[Transfer]:
    """Gives the transfers whose files are not here, or are not those of the store: every byte here is read.

    Raises:
        InputError: the store cannot be reached, or refuses.
    """
    here = [transfer for transfer in transfers if transfer.path.is_file()]
    found: dict[Transfer, bool | None] = {}

    def compare(transfer: Transfer, stop: threading.Event) -> None:
        if stop.is_set():
            return
        try:
            found[transfer] = checksums.same(transfer.path, transfer.item, store)
        except OSError as error:
            raise InputError(f"{transfer.path}: cannot be read ({error.strerror}); remove it or mend that") from error
        meter.add(transfer.item.size, files=1)

    with Meter("verify", sum(transfer.item.size for transfer in here), "B", scaled=True, files=len(here)) as meter:
        _in_parallel(compare, here, jobs)
    _tell_unverified(list(found.values()).count(None))
    return [transfer for transfer in transfers if found.get(transfer, False) is False]


def check_space(transfers: Sequence[Transfer], folder: Path) -> None:
    """Refuses to begin where the disk is too small for what is to come.

    Raises:
        InputError: with what is needed and what is free.
    """
    parts = [_part(transfer) for transfer in transfers]
    needed = sum(transfer.item.size for transfer in transfers) - sum(
        part.stat().st_size for part in parts if part.is_file()
    )
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{folder}: {format_bytes(needed)} are to come, but only {format_bytes(free)} are free there; free "
            f"{format_bytes(needed - free)}, name another folder with --to, or take fewer tiles (--tiles, --limit)"
        )


def fetch(transfers: Sequence[Transfer], store: Store, jobs: int = 8, retries: int = 5) -> None:
    """Fetches files.

    What has arrived of a file lies beside its place as `.<name>.<version>.part`, and the next run goes on from there.
    A file gets its name when its checksum has been found right.

    Args:
        transfers: what is to be fetched; a file that is there already is replaced.
        store: where from.
        jobs: how many at a time.
        retries: of a broken connection, each after a longer pause; what brings something sets the count back.

    Raises:
        InputError: one line per file that arrives damaged, after all others are fetched; everything else stops the
            rest: the store cannot be reached or refuses, the disk is full, a folder cannot be written to.
    """
    found: list[bool | None] = []

    def one(transfer: Transfer, stop: threading.Event) -> None:
        found.append(_fetch_one(transfer, store, meter, stop, retries))

    with Meter(
        "fetch", sum(transfer.item.size for transfer in transfers), "B", scaled=True, files=len(transfers)
    ) as meter:
        _in_parallel(one, transfers, jobs)
    _tell_unverified(found.count(None))


def _in_parallel(work: Callable[[T, threading.Event], None], items: Sequence[T], jobs: int) -> None:
    """Works in threads; a fault, or Ctrl-C, asks the others to stop and is raised when they have."""
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


def _tell_unverified(files: int) -> None:
    if files:
        LOG.warning("%d of these files only by their size: the store tells no checksum of them", files)


def _part(transfer: Transfer) -> Path:
    """Where a file lies while it is not whole; of another version of it, elsewhere."""
    version = re.sub(r"\W", "-", transfer.item.etag)
    return transfer.path.with_name(f".{transfer.path.name}.{version}.part")


def _fetch_one(transfer: Transfer, store: Store, meter: Meter, stop: threading.Event, retries: int) -> bool | None:
    """Fetches a file; None where it could not be verified, False where it was asked to stop."""
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
            if not _complete(part, item, store, meter, stop, retries):
                return False
            same = checksums.same(part, item, store)
            if same is not False:
                sync(part)
                part.replace(path)
                meter.add(0, files=1)
                return same
            part.unlink()
            if last or not here:
                break
            meter.add(-item.size)
    except OSError as error:
        missing = item.size - (part.stat().st_size if part.exists() else 0)
        raise WriteError(f"{write_error(path, error, missing)}: it goes on from here") from error
    raise DamagedError(f"{path}: what arrives has another checksum than the store's; run this again")


def _complete(part: Path, item: Item, store: Store, meter: Meter, stop: threading.Event, retries: int) -> bool:
    """Appends what is missing of a file; False where it was asked to stop before the end."""
    part.touch()
    tried = 0
    while (start := part.stat().st_size) < item.size:
        why = "it ends too early"
        try:
            with part.open("ab", buffering=0) as out:
                for piece in store.read(item, start):
                    out.write(piece)
                    meter.add(len(piece))
                    if stop.is_set():
                        return False
        except ConnectionBrokenError as error:
            why = str(error)
        if (size := part.stat().st_size) < item.size:
            tried = tried + 1 if size == start else 1
            if tried > retries:
                raise InputError(
                    f"{part}: the connection breaks again and again ({why}); run this again: it goes on from here"
                )
            if stop.wait(FIRST_PAUSE_S * 2 ** (tried - 1)):
                return False
    return True

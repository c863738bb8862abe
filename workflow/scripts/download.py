"""Download the tiles of the USSOCOM Urban 3D Challenge, in the layout that tile preparation expects.

They are public: no account and no keys are needed. Existing files are verified, and missing or damaged ones are
downloaded; run this again after an interruption to resume. See docs/data.md.

Examples:
  python workflow/scripts/download.py --dry-run
  python workflow/scripts/download.py
  python workflow/scripts/download.py --parts train test sequestered --to /disk/urban3d
  python workflow/scripts/download.py --limit 10
  python workflow/scripts/download.py --include 'JAX_*' --endpoint https://mirror.example.org --bucket mirror
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eaves.core import cli
from eaves.core.errors import InputError
from eaves.core.write_errors import format_bytes
from eaves.urban3d import catalogue, transfer
from eaves.urban3d.object_store import Store
from eaves.urban3d.transfer import Transfer

from filelock import FileLock, Timeout


def main(arguments: argparse.Namespace) -> None:
    """List the tiles on the store, download missing files, and report files that the store does not have."""
    store = Store(
        arguments.bucket,
        arguments.endpoint,
        arguments.profile,
        unsigned=arguments.no_sign_request,
        connections=arguments.jobs,
        retries=arguments.retries,
    )
    wanted, faults = [], []
    for part in sorted(set(arguments.parts), key=list(catalogue.PARTS).index):
        files = selected_files(store, part, arguments)
        faults += catalogue.missing(files, part)
        wanted += [Transfer(file.item, arguments.to / part / file.path) for file in files]
        tiles = len({file.tile for file in files})
        size = format_bytes(sum(file.item.size for file in files))
        cli.LOG.info("%s: %d tiles, %d files, %s, into %s", part, tiles, len(files), size, arguments.to / part)
    if not wanted:
        raise InputError(f"--include: no tile matches {' or '.join(arguments.include)}; --dry-run lists the tiles")
    if arguments.dry_run:
        show(wanted)
    else:
        download(wanted, store, arguments)
    if faults:
        raise InputError("\n".join(f"{fault}: {store.place} does not have it; leave the tile out" for fault in faults))


def selected_files(store: Store, part: str, arguments: argparse.Namespace) -> list[catalogue.TileFile]:
    """List the files of the selected tiles of a part."""
    prefix = catalogue.prefix_of(part, arguments.prefix)
    files = catalogue.tile_files(store.files(prefix), prefix)
    if not files:
        raise InputError(f"s3://{store.bucket}/{prefix}: no tiles there; check --endpoint, --bucket and --prefix")
    return catalogue.select(files, arguments.include, arguments.limit)


def show(wanted: list[Transfer]) -> None:
    """Print the files with their sizes, and how many are missing locally, judging by size alone."""
    for item, path in wanted:
        print(f"{item.size:>13,}  {path}")
    absent = [item for item, path in wanted if not path.is_file() or path.stat().st_size != item.size]
    total = format_bytes(sum(item.size for item, _ in wanted))
    to_come = format_bytes(sum(item.size for item in absent))
    print(f"{len(wanted)} files, {total}; to download: {len(absent)} files, {to_come}")


def download(wanted: list[Transfer], store: Store, arguments: argparse.Namespace) -> None:
    """Download the files that are missing locally or differ from the store's."""
    with exclusive(arguments.to):
        missing = transfer.find_missing(wanted, store, arguments.jobs)
        for item, path in missing:
            if path.exists():
                cli.LOG.info("%s: differs from the store's (%s) and is downloaded again", path, item.key)
        transfer.check_space(missing, arguments.to)
        transfer.fetch(missing, store, arguments.jobs, arguments.retries)
    size = format_bytes(sum(item.size for item, _ in missing))
    cli.LOG.info("%d files verified, %d of them downloaded (%s)", len(wanted), len(missing), size)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder, so that no second download writes the same files."""
    lock = FileLock(folder / ".download.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: another download is running there; wait for it or stop it") from None
    except OSError as error:
        raise InputError(f"{folder}: not writable ({error.strerror}); choose another folder with --to") from error
    with lock:
        yield


def positive_integer(text: str) -> int:
    """Parse a positive integer."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return int(text)


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--parts", nargs="+", choices=catalogue.PARTS, default=["train", "test"], help="default: %(default)s"
    )
    parser.add_argument(
        "--to", type=Path, default=Path("data"), help="parent folder of the parts (default: %(default)s)"
    )
    parser.add_argument(
        "--include", nargs="+", default=[], metavar="PATTERN", help="only tiles whose names match, e.g. 'JAX_*'"
    )
    parser.add_argument(
        "--limit", type=positive_integer, help="maximum number of tiles of each part, the first by name"
    )
    parser.add_argument("--dry-run", action="store_true", help="list the files and their sizes, download nothing")
    parser.add_argument(
        "--jobs", type=positive_integer, default=8, help="number of simultaneous downloads (default: %(default)s)"
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=5,
        help="retries after a failed request or a broken connection (default: %(default)s)",
    )
    parser.add_argument("--endpoint", metavar="URL", help="URL of an S3-compatible mirror (default: Amazon's)")
    parser.add_argument("--bucket", default=catalogue.BUCKET, help="default: %(default)s")
    parser.add_argument(
        "--prefix", default=catalogue.PREFIX, help="folder of the parts in the bucket (default: %(default)s)"
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--profile", help="AWS profile whose keys sign the requests (default: the configured keys, if any)"
    )
    keys.add_argument(
        "--no-sign-request", action="store_true", help="send unsigned requests even if keys are configured"
    )
    cli.run(main, parser.parse_args(), stopped="stopped; run the same command again to resume")

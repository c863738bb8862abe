"""Downloads the USSOCOM Urban 3D Challenge's tiles, laid out as tile preparation takes them.

They are public: no account and no keys are needed. Files that are here already are verified, and what is missing is
fetched; run this again after an interruption, and it goes on from there. docs/data.md says more.

Examples:
  python workflow/scripts/download.py --dry-run
  python workflow/scripts/download.py
  python workflow/scripts/download.py --parts train test sequestered --to /disk/urban3d
  python workflow/scripts/download.py --limit 10
  python workflow/scripts/download.py --tiles 'JAX_*' --endpoint https://mirror.example.org --bucket mirror --prefix u3d
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
    """Lists what the store has, fetches what is lacking here, and names what the store itself lacks."""
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
        files = chosen_files(store, part, arguments)
        faults += catalogue.missing(files, part)
        wanted += [Transfer(file.item, arguments.to / part / file.path) for file in files]
        tiles = len({file.tile for file in files})
        size = format_bytes(sum(file.item.size for file in files))
        cli.LOG.info("%s: %d tiles, %d files, %s, into %s", part, tiles, len(files), size, arguments.to / part)
    if not wanted:
        raise InputError(f"--tiles: no tile is called {' or '.join(arguments.tiles)}; --dry-run shows their names")
    if arguments.dry_run:
        show(wanted)
    else:
        bring(wanted, store, arguments)
    if faults:
        raise InputError("\n".join(f"{fault}: {store.place} does not have it; leave the tile out" for fault in faults))


def chosen_files(store: Store, part: str, arguments: argparse.Namespace) -> list[catalogue.TileFile]:
    """Lists a part's files, of the tiles asked for."""
    prefix = catalogue.prefix_of(part, arguments.prefix)
    files = catalogue.tile_files(store.files(prefix), prefix)
    if not files:
        raise InputError(f"s3://{store.bucket}/{prefix}: no tiles there; check --endpoint, --bucket and --prefix")
    return catalogue.chosen(files, arguments.tiles, arguments.limit)


def show(wanted: list[Transfer]) -> None:
    """Prints the files with their sizes; by size alone it tells which are not here."""
    for item, path in wanted:
        print(f"{item.size:>13,}  {path}")
    absent = [item for item, path in wanted if not path.is_file() or path.stat().st_size != item.size]
    total = format_bytes(sum(item.size for item, _ in wanted))
    to_come = format_bytes(sum(item.size for item in absent))
    print(f"{len(wanted)} files, {total}; of these not here: {len(absent)} files, {to_come}")


def bring(wanted: list[Transfer], store: Store, arguments: argparse.Namespace) -> None:
    """Fetches what is not here, or not as on the store."""
    with alone(arguments.to):
        lacking = transfer.lacking(wanted, store, arguments.jobs)
        for item, path in lacking:
            if path.exists():
                cli.LOG.info("%s: not as on the store (%s); is fetched again", path, item.key)
        transfer.check_space(lacking, arguments.to)
        transfer.fetch(lacking, store, arguments.jobs, arguments.retries)
    size = format_bytes(sum(item.size for item, _ in lacking))
    cli.LOG.info("%d files verified, %d of them fetched (%s)", len(wanted), len(lacking), size)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps a second download out of the folder, where the two would write the same files."""
    lock = FileLock(folder / ".download.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: another download is going on there; wait for it, or end it") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}); name another with --to") from error
    with lock:
        yield


def count(text: str) -> int:
    """Reads a whole number from 1 on."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=catalogue.PARTS, default=["train", "test"], help="%(default)s")
    parser.add_argument("--to", type=Path, default=Path("data"), help="folder; each part has one in it (%(default)s)")
    parser.add_argument(
        "--tiles", nargs="+", default=[], metavar="PATTERN", help="only tiles of such names, e.g. JAX_*"
    )
    parser.add_argument("--limit", type=count, help="only so many tiles of each part, the first by name")
    parser.add_argument("--dry-run", action="store_true", help="list the files and their sizes, fetch nothing")
    parser.add_argument("--jobs", type=count, default=8, help="files at a time (%(default)s)")
    parser.add_argument("--retries", type=int, default=5, help="of a failed request or connection (%(default)s)")
    parser.add_argument("--endpoint", metavar="URL", help="of a mirror that speaks S3 (default: Amazon's)")
    parser.add_argument("--bucket", default=catalogue.BUCKET, help="%(default)s")
    parser.add_argument("--prefix", default=catalogue.PREFIX, help="folder of the parts (%(default)s)")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--profile", help="whose AWS keys sign the requests (default: those found, if any)")
    keys.add_argument("--no-sign-request", action="store_true", help="use no keys, even where some are found")
    cli.run(main, parser.parse_args(), stopped="stopped; run the same command again to go on from here")

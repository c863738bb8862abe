"""List the trained folds in the cache, newest first, and remove those that are no longer needed.

  python workflow/scripts/cache.py                      list the entries
  python workflow/scripts/cache.py --remove 3f9a 77b0   remove entries by the beginning of their keys
  python workflow/scripts/cache.py --older-than 90      remove entries trained more than 90 days ago
  python workflow/scripts/cache.py --clear              remove all entries

The default folder is the workflow's: $EAVES_FOLD_CACHE, or ~/.cache/eaves/folds. Removing an entry leaves results
intact; disk space that they share with it is freed only when they are removed, too.
"""

import argparse
import time
from pathlib import Path

from eaves.core import cli
from eaves.core.errors import InputError
from eaves.training.fold_cache import default_folder, entries, remove

import pandas as pd

DAY_S = 24 * 3600


def main(arguments: argparse.Namespace) -> None:
    """Remove the entries selected by an option, then print one line per remaining entry."""
    folder = arguments.folder or default_folder()
    if folder is None:
        raise InputError("EAVES_FOLD_CACHE is none, so no folds are cached; give a folder with --folder")
    table = entries(folder)
    unwanted = pd.Series(arguments.clear, index=table.index)
    if arguments.older_than is not None:
        unwanted |= table["trained_s"] < time.time() - arguments.older_than * DAY_S
    for start in arguments.remove:
        chosen = table["key"].str.startswith(start)
        if not chosen.any():
            raise InputError(f"{folder}: no entry begins with {start}; run without --remove to list the entries")
        unwanted |= chosen
    for key in table.loc[unwanted, "key"]:
        remove(folder, key)
    if arguments.clear:
        for leftover in folder.glob(".part.*"):  # of a process that was killed while writing
            leftover.unlink()
    if unwanted.any():
        cli.LOG.info("removed %d of %d entries", unwanted.sum(), len(table))
    table = table[~unwanted]
    if len(table):
        shown = table.assign(
            key=table["key"].str[:8],
            MB=(table["bytes"] / 1e6).round(1),
            trained=pd.to_datetime(table["trained_s"], unit="s").dt.strftime("%Y-%m-%d %H:%M"),
        )
        print(shown[["key", "trained", "MB", "stage", "fold", "network", "epochs", "val_loss"]].to_string(index=False))
    cli.LOG.info("%d entries, %.1f MB in %s", len(table), table["bytes"].sum() / 1e6, folder)


if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", type=Path, help="folder of the cache (default: see above)")
    parser.add_argument("--remove", nargs="+", default=[], metavar="KEY", help="beginnings of keys")
    parser.add_argument(
        "--older-than", type=float, metavar="DAYS", help="remove entries trained more than this many days ago"
    )
    parser.add_argument("--clear", action="store_true", help="remove all entries")
    cli.run(main, parser.parse_args())

"""The cache of trained folds, for every checkout and setting: taken from it, kept in it, listed and cleared.

An entry is `<key>.safetensors` (the model), `<key>.csv` (its history) and `<key>.json`, which is written last and holds
the SHA-256 of both. Results and entries share their content by hard links where the file system allows it; removing
the one leaves the other.
"""

import json
import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path

import pandas as pd

from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.core.files import atomic_write, file_sha256

COLUMNS = ["key", "trained_s", "bytes", "stage", "fold", "network", "epochs", "val_loss"]
VARIABLES = ("EAVES_FOLD_CACHE", "SNAKEMAKE_OUTPUT_CACHE")  # the second is the one that Eaves had before


def folder_named(text: str) -> Path | None:
    """Reads the name of the cache's folder; `none` stands for doing without."""
    return None if text == "none" else Path(text).absolute()


def default_folder(shared: bool = True) -> Path | None:
    """Gives the folder in use, None for no cache: EAVES_FOLD_CACHE, else eaves/folds in the user's cache.

    Args:
        shared: whether jobs see the user's files; if not, only a folder that was named counts.
    """
    for name in VARIABLES:
        if named := os.environ.get(name):
            return folder_named(named)
    above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (above / "eaves" / "folds").absolute() if shared else None


def take(folder: Path | None, key: str, files: dict[str, Path]) -> bool:
    """Takes a trained fold from the cache, if it is there and whole.

    Args:
        folder: the cache; None for none.
        key: what the fold follows from (see `identity`).
        files: where its files go, by their suffixes.

    Returns:
        Whether it was there. An entry that is damaged or can't be read counts as missing, with a warning.
    """
    if folder is None:
        return False
    try:
        digests = json.loads((folder / f"{key}.json").read_text())
        with ExitStack() as all_or_none:
            for suffix, path in files.items():
                temporary = all_or_none.enter_context(atomic_write(path))
                _link_or_copy(folder / f"{key}{suffix}", temporary)
                if file_sha256(temporary) != digests[suffix]:
                    raise ValueError(f"{key}{suffix} is not what was stored")
    except FileNotFoundError:
        return False
    except (OSError, InputError, ValueError, KeyError, TypeError) as error:
        LOG.warning("cache of folds: %s in %s can't be taken (%s); the fold is trained", key, folder, error)
        return False
    LOG.info("taken from the cache of folds: %s", key)
    return True


def store(folder: Path | None, key: str, files: dict[str, Path]) -> None:
    """Keeps a trained fold in the cache.

    Where that fails, a warning says so; the fold's own files stay as they are in any case.

    Args:
        folder: the cache; None for none. It is made where there is none.
        key: what the fold follows from (see `identity`).
        files: its files, by their suffixes.
    """
    if folder is None:
        return
    marker = folder / f"{key}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker.unlink(missing_ok=True)
        for suffix, path in files.items():
            with atomic_write(folder / f"{key}{suffix}") as temporary:
                _link_or_copy(path, temporary)
        with atomic_write(marker) as temporary:
            temporary.write_text(json.dumps({suffix: file_sha256(path) for suffix, path in files.items()}))
    except (OSError, InputError) as error:
        LOG.warning("cache of folds: %s can't be kept in %s (%s); the fold itself is written", key, folder, error)
        with suppress(OSError, InputError):
            remove(folder, key)  # what was written of it takes up room


def _link_or_copy(source: Path, target: Path) -> None:
    """Makes a file's content appear under another name: linked where it is one's own, else copied.

    Another user's file is not linked: Snakemake dates what a job has made, and only the owner may do so.
    """
    try:
        if source.stat().st_uid == os.geteuid():
            os.link(source, target)
            return
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        pass
    shutil.copyfile(source, target)


def entries(folder: Path) -> pd.DataFrame:
    """Lists what is kept, newest first.

    Returns:
        A row per trained fold: key (the hash of what made it), trained_s (since 1970), bytes, stage (`damaged` where it
        can't be read), fold, network, epochs, val_loss (of the last epoch).
    """
    from eaves.models.files import read_recipe  # brings torch, which whoever only asks for the folder need not wait for

    rows = []
    for path in sorted(folder.glob("[!.]*.safetensors")):
        files = [file for suffix in (".safetensors", ".csv", ".json") if (file := path.with_suffix(suffix)).exists()]
        row = {
            "key": path.stem,
            # Of the last file: the others may be linked with results, whose dates change.
            "trained_s": files[-1].stat().st_mtime,
            "bytes": sum(file.stat().st_size for file in files),
        }
        try:
            recipe = read_recipe(path)
            epochs = pd.read_csv(path.with_suffix(".csv"))["val_loss"]
            row |= {
                "stage": recipe["stage"],
                "fold": recipe["fold"],
                "network": f"{recipe['encoder']} {recipe['decoder']}",
                "epochs": len(epochs),
                "val_loss": epochs.iloc[-1] if len(epochs) else float("nan"),
            }
        except (InputError, OSError, ValueError, KeyError):
            row |= {"stage": "damaged"}
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["trained_s", "key"], ascending=[False, True])


def remove(folder: Path, key: str) -> None:
    """Removes an entry, all its files.

    Raises:
        InputError: there is no such entry.
    """
    found = sorted(folder.glob(f"{key}.*"))
    if not found:
        raise InputError(f"{folder}: no entry {key}")
    for path in found:
        path.unlink(missing_ok=True)

"""The cache of trained folds, shared by all working copies and configurations.

An entry is `<key>.safetensors` (the model), `<key>.csv` (its history) and `<key>.json`, which is written last and holds
the SHA-256 of both. Results and entries are hard links to the same files where the file system allows it; removing one
keeps the other.
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
VARIABLES = ("EAVES_FOLD_CACHE", "SNAKEMAKE_OUTPUT_CACHE")  # the second for compatibility with earlier versions


def parse_folder(text: str) -> Path | None:
    """Parse the path of the cache's folder; `none` means no cache."""
    return None if text == "none" else Path(text).absolute()


def default_folder(shared: bool = True) -> Path | None:
    """Return the cache's folder: as in `VARIABLES`, or eaves/folds in the user's cache folder; None for no cache.

    Args:
        shared: whether jobs share the user's file system; if not, there is a cache only if one of `VARIABLES` is set.
    """
    for name in VARIABLES:
        if value := os.environ.get(name):
            return parse_folder(value)
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (user_cache / "eaves" / "folds").absolute() if shared else None


def restore(folder: Path | None, key: str, files: dict[str, Path]) -> bool:
    """Restore a trained fold from the cache.

    Args:
        folder: the cache's folder; None for no cache.
        key: the training job's identity (see `identity`).
        files: the files to write, by suffix.

    Returns:
        Whether the fold was restored. An entry that is damaged or can't be read counts as missing, with a warning.
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
                    raise ValueError(f"{key}{suffix} has changed since it was stored")
    except FileNotFoundError:
        return False
    except (OSError, InputError, ValueError, KeyError, TypeError) as error:
        LOG.warning("fold cache: %s in %s can't be used (%s); training the fold instead", key, folder, error)
        return False
    LOG.info("restored from the fold cache: %s", key)
    return True


def store(folder: Path | None, key: str, files: dict[str, Path]) -> None:
    """Store a trained fold in the cache; if that fails, log a warning.

    Args:
        folder: the cache's folder, created if missing; None for no cache.
        key: the training job's identity (see `identity`).
        files: the fold's files, by suffix; not changed.
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
        LOG.warning("fold cache: %s can't be stored in %s (%s); the fold's results are complete", key, folder, error)
        with suppress(OSError, InputError):
            remove(folder, key)  # an incomplete entry would only occupy space


def _link_or_copy(source: Path, target: Path) -> None:
    """Link a file to another path, or copy it where it belongs to another user or links are not supported.

    Snakemake sets the modification time of a job's outputs, which only a file's owner may do.
    """
    try:
        if source.stat().st_uid == os.geteuid():
            os.link(source, target)
            return
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        pass
    shutil.copyfile(source, target)


def entries(folder: Path) -> pd.DataFrame:
    """List the cache's entries, newest first.

    Returns:
        A row per entry: key, trained_s (seconds since 1970), bytes, stage (`damaged` if it can't be read), fold,
        network, epochs, val_loss (of the last epoch).
    """
    from eaves.models.files import read_recipe  # imports torch, which `default_folder` does not need

    rows = []
    for path in sorted(folder.glob("[!.]*.safetensors")):
        files = [file for suffix in (".safetensors", ".csv", ".json") if (file := path.with_suffix(suffix)).exists()]
        row = {
            "key": path.stem,
            # Of the .json: the other files may be links to results, whose modification times change.
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
    """Remove an entry with all its files.

    Raises:
        InputError: the entry does not exist.
    """
    found = sorted(folder.glob(f"{key}.*"))
    if not found:
        raise InputError(f"{folder}: no entry {key}")
    for path in found:
        path.unlink(missing_ok=True)

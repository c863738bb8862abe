"""The folder in which Snakemake keeps trained folds, for every checkout and setting: where it is and what it holds."""

import os
from pathlib import Path

import pandas as pd

from eaves.errors import InputError

COLUMNS = ["key", "trained_s", "bytes", "stage", "fold", "network", "epochs", "val_loss"]


def default_folder() -> Path:
    """The folder in use: SNAKEMAKE_OUTPUT_CACHE, else eaves/folds in the user's cache."""
    above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("SNAKEMAKE_OUTPUT_CACHE") or above / "eaves" / "folds").absolute()


def entries(folder: Path) -> pd.DataFrame:
    """Lists what is kept, newest first.

    Returns:
        A row per trained fold: key (the hash of what made it), trained_s (since 1970), bytes, stage, fold, network,
        epochs, val_loss (of the last epoch).

    Raises:
        InputError: a model is damaged.
    """
    from eaves.weights import read_recipe  # brings torch, which whoever only asks for the folder need not wait for

    rows = []
    for path in sorted(folder.glob("*.safetensors")):
        recipe = read_recipe(path)
        history = path.with_suffix(".csv")
        epochs = pd.read_csv(history) if history.exists() else pd.DataFrame({"val_loss": []})
        files = [file for file in (path, history) if file.exists()]
        rows.append(
            {
                "key": path.stem,
                "trained_s": path.stat().st_mtime,
                "bytes": sum(file.stat().st_size for file in files),
                "stage": recipe["stage"],
                "fold": recipe["fold"],
                "network": f"{recipe['encoder']} {recipe['decoder']}",
                "epochs": len(epochs),
                "val_loss": epochs["val_loss"].iloc[-1] if len(epochs) else float("nan"),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["trained_s", "key"], ascending=[False, True])


def remove(folder: Path, key: str) -> None:
    """Removes an entry, all its files."""
    found = sorted(folder.glob(f"{key}*"))
    if not found:
        raise InputError(f"{folder}: no entry {key}")
    for path in found:
        path.unlink()

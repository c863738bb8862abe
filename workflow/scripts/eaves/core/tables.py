"""Reads the pipeline's tables: a tile may be called 007, 1e5, NA or null, and stays what it is called."""

from pathlib import Path

import pandas as pd

_NAMES = {"tile": "str", "group": "str"}  # columns of names, whatever these look like


def read_table(path: Path, **types: str) -> pd.DataFrame:
    """Read a table.

    Args:
        path: a .csv with a header.
        types: of further columns, where pandas would not guess them.

    Returns:
        The table; only what is empty is missing, and names are text.
    """
    return pd.read_csv(path, dtype=_NAMES | types, keep_default_na=False, na_values=[""])

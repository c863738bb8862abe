"""Read the pipeline's tables, keeping names of tiles such as 007, 1e5, NA or null as they are."""

from pathlib import Path

import pandas as pd

_NAMES = {"tile": "str", "group": "str"}  # columns of names, which must not be parsed as numbers or missing values


def read_table(path: Path, **types: str) -> pd.DataFrame:
    """Read a table.

    Args:
        path: A .csv file with a header.
        types: Types of further columns, if pandas would not infer them.

    Returns:
        The table, with names as strings. Only empty fields are missing values.
    """
    return pd.read_csv(path, dtype=_NAMES | types, keep_default_na=False, na_values=[""])

"""Names and files of generated tiles, which are known before the tiles exist."""

import re
from pathlib import Path

from eaves.tiles.discovery import TileFiles
from eaves.tiles.names import KINDS

TOWNS = ("suburb", "oldtown", "commercial")
"""Kinds of `towns.TOWNS` that generated tiles show in turn; a tile is named after its kind."""


def planned(folder: Path, set_name: str, count: int) -> dict[str, TileFiles]:
    """Names the files of generated tiles before they are there.

    Args:
        folder: where they will be.
        set_name: `train` or `test`.
        count: how many.
    """
    names = [f"{TOWNS[number % len(TOWNS)]}_{set_name}_{number:03d}" for number in range(count)]
    return {
        name: TileFiles(**{kind.lower(): folder / f"{name}_{kind}.tif" for kind in KINDS}) for name in sorted(names)
    }


def is_generated(tile: str) -> bool:
    """Tell by its name whether a tile is a generated town.

    Example:
        >>> is_generated("oldtown_train_004"), is_generated("JAX_Tile_004")
        (True, False)
    """
    return bool(re.fullmatch(rf"({'|'.join(TOWNS)})_(train|test)_\d+", tile))

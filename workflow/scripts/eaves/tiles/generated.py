"""Names and file paths of generated tiles, known before the tiles exist."""

import re
from pathlib import Path

from eaves.tiles.discovery import TileFiles
from eaves.tiles.names import KINDS

TOWNS = ("suburb", "oldtown", "commercial")
"""Keys of `towns.TOWNS`, in the order in which generated tiles use them; a tile's name begins with its town."""


def plan_tiles(folder: Path, set_name: str, count: int) -> dict[str, TileFiles]:
    """Return the names and future raw files of generated tiles.

    Args:
        folder: Folder that the files will be written to.
        set_name: `train` or `test`.
        count: Number of tiles.
    """
    names = [f"{TOWNS[number % len(TOWNS)]}_{set_name}_{number:03d}" for number in range(count)]
    return {name: files_in(folder, name) for name in sorted(names)}


def files_in(folder: Path, tile: str) -> TileFiles:
    """Return the paths of a tile's five raw files in a folder."""
    return TileFiles(**{kind.lower(): folder / f"{tile}_{kind}.tif" for kind in KINDS})


def is_generated(tile: str) -> bool:
    """Return whether a tile's name is that of a generated tile.

    Example:
        >>> is_generated("oldtown_train_004"), is_generated("JAX_Tile_004")
        (True, False)
    """
    return bool(re.fullmatch(rf"({'|'.join(TOWNS)})_(train|test)_\d+", tile))

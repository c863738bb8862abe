"""Names and file names of generated tiles, known before the tiles exist."""

import re
from pathlib import Path

from eaves.tiles.discovery import TileFiles
from eaves.tiles.names import KINDS

TOWNS = ("suburb", "oldtown", "commercial")
"""The kinds of `towns.TOWNS` that generated tiles take in turn; a tile's name begins with its kind."""


def plan_tiles(folder: Path, set_name: str, count: int) -> dict[str, TileFiles]:
    """Return the names and future files of generated tiles.

    Args:
        folder: The folder that they will be written to.
        set_name: `train` or `test`.
        count: Number of tiles.
    """
    names = [f"{TOWNS[number % len(TOWNS)]}_{set_name}_{number:03d}" for number in range(count)]
    return {
        name: TileFiles(**{kind.lower(): folder / f"{name}_{kind}.tif" for kind in KINDS}) for name in sorted(names)
    }


def is_generated(tile: str) -> bool:
    """Tell by its name whether a tile is generated.

    Example:
        >>> is_generated("oldtown_train_004"), is_generated("JAX_Tile_004")
        (True, False)
    """
    return bool(re.fullmatch(rf"({'|'.join(TOWNS)})_(train|test)_\d+", tile))

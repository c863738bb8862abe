"""The layout of the USSOCOM Urban 3D Challenge's data on its object store: parts, tiles and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from eaves.core.errors import InputError
from eaves.tiles.discovery import tile_and_kind
from eaves.urban3d.object_store import Item

BUCKET = "spacenet-dataset"
PREFIX = "Hosted-Datasets/Urban_3D_Challenge"
# Name of a part, and of its local folder -> its folder on the store.
PARTS = {"train": "01-Provisional_Train", "test": "02-Provisional_Test", "sequestered": "03-Sequestered_Test"}
_IMAGE, _TRUTH = ("RGB", "DSM", "DTM"), ("GTI", "GTL")


@dataclass(frozen=True)
class TileFile:
    """A file of a tile on the store; `path` is relative to the part's folder, e.g. Inputs/JAX_Tile_004_RGB.tif."""

    item: Item
    tile: str
    kind: str
    path: Path


def prefix_of(part: str, prefix: str = PREFIX) -> str:
    """Return the key prefix of a part.

    Example:
        >>> prefix_of("test"), prefix_of("train", "")
        ('Hosted-Datasets/Urban_3D_Challenge/02-Provisional_Test/', '01-Provisional_Train/')
    """
    return "/".join([*filter(None, [prefix.strip("/")]), PARTS[part], ""])


def tile_files(items: Sequence[Item], prefix: str) -> list[TileFile]:
    """Select the objects that are files of tiles.

    Args:
        items: The objects on the store below the prefix.
        prefix: The key prefix of the part, from `prefix_of`.

    Raises:
        InputError: If a key would be written outside the part's folder.
    """
    found = []
    for item in items:
        path = Path(item.key.removeprefix(prefix))
        if named := tile_and_kind(path.name):
            if path.is_absolute() or ".." in path.parts:
                raise InputError(f"{item.key}: the path leads out of the folder; check --bucket and --prefix")
            found.append(TileFile(item, *named, path))
    return found


def select(files: Sequence[TileFile], patterns: Sequence[str], limit: int | None) -> list[TileFile]:
    """Select some tiles of a part.

    Args:
        files: The files of all tiles.
        patterns: Shell patterns, e.g. `JAX_*`, one of which a tile's name must match; empty selects all tiles.
        limit: Maximum number of tiles, the first by name; None for no limit.
    """
    tiles = sorted({file.tile for file in files})
    if patterns:
        tiles = [tile for tile in tiles if any(fnmatchcase(tile, pattern) for pattern in patterns)]
    kept = set(tiles[:limit])
    return [file for file in files if file.tile in kept]


def missing(files: Sequence[TileFile], part: str) -> list[str]:
    """Report required files that the store does not have; training tiles need the truth.

    Example:
        >>> rgb = TileFile(Item("A_RGB.tif", 1, ""), "A", "RGB", Path("Inputs/A_RGB.tif"))
        >>> missing([rgb], "test")
        ['test: tile A has no A_DSM.tif', 'test: tile A has no A_DTM.tif']
    """
    kinds: dict[str, set[str]] = {}
    for file in files:
        kinds.setdefault(file.tile, set()).add(file.kind)
    needed = _IMAGE + _TRUTH if part == "train" else _IMAGE
    return [
        f"{part}: tile {tile} has no {tile}_{kind}.tif"
        for tile in sorted(kinds)
        for kind in needed
        if kind not in kinds[tile]
    ]

"""The USSOCOM Urban 3D Challenge's data as they lie on its object store: parts, tiles, and what a tile consists of."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from eaves.core.errors import InputError
from eaves.tiles.discovery import tile_and_kind
from eaves.urban3d.object_store import Item

BUCKET = "spacenet-dataset"
PREFIX = "Hosted-Datasets/Urban_3D_Challenge"
# Our name of a part, which is also that of its folder here -> the folder on the store.
PARTS = {"train": "01-Provisional_Train", "test": "02-Provisional_Test", "sequestered": "03-Sequestered_Test"}
_IMAGE, _TRUTH = ("RGB", "DSM", "DTM"), ("GTI", "GTL")


@dataclass(frozen=True)
class TileFile:
    """A file of a tile on the store. path: below the part's folder, e.g. Inputs/JAX_Tile_004_RGB.tif."""

    item: Item
    tile: str
    kind: str
    path: Path


def prefix_of(part: str, prefix: str = PREFIX) -> str:
    """Gives how the keys of a part begin.

    Example:
        >>> prefix_of("test"), prefix_of("train", "")
        ('Hosted-Datasets/Urban_3D_Challenge/02-Provisional_Test/', '01-Provisional_Train/')
    """
    return "/".join([*filter(None, [prefix.strip("/")]), PARTS[part], ""])


def tile_files(items: Sequence[Item], prefix: str) -> list[TileFile]:
    """Picks the files that tiles consist of; what else lies there is left out.

    Args:
        items: what the store has below the prefix.
        prefix: as `prefix_of` gives it.

    Raises:
        InputError: a key that would lead out of the folder.
    """
    found = []
    for item in items:
        path = Path(item.key.removeprefix(prefix))
        if named := tile_and_kind(path.name):
            if path.is_absolute() or ".." in path.parts:
                raise InputError(f"{item.key}: a path that leads out of the folder; this is not the challenge's store")
            found.append(TileFile(item, *named, path))
    return found


def chosen(files: Sequence[TileFile], patterns: Sequence[str], limit: int | None) -> list[TileFile]:
    """Chooses some tiles of a part.

    Args:
        files: of all tiles.
        patterns: shell patterns on the tiles' names, e.g. `JAX_*`, of which one must match; none: all tiles.
        limit: at most so many tiles, the first by name; None: all.
    """
    tiles = sorted({file.tile for file in files})
    if patterns:
        tiles = [tile for tile in tiles if any(fnmatchcase(tile, pattern) for pattern in patterns)]
    kept = set(tiles[:limit])
    return [file for file in files if file.tile in kept]


def missing(files: Sequence[TileFile], part: str) -> list[str]:
    """Names the files without which a part's tiles cannot be used: training tiles need the truth.

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

"""Find the GeoTIFFs in a folder, and the tile that each belongs to, by their names."""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

EXTENSIONS = (".tif", ".tiff")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class TileRaster:
    """A file named `<tile><suffix>.tif`.

    Attributes:
        tile: The tile's name.
        suffix: What follows it, as the caller spells it, e.g. `_DSM`; empty in a plain name.
        path: The file.
    """

    tile: str
    suffix: str
    path: Path


def find_rasters(
    folder: Path, suffixes: Sequence[str], reserved: Sequence[str] = (), recursive: bool = True
) -> list[TileRaster]:
    """Find the GeoTIFFs in a folder whose names have one of the given suffixes.

    Extensions (.tif, .tiff) and suffixes may be in any case. Hidden files are skipped. Links to files and folders are
    followed, but no folder is visited twice.

    Args:
        folder: The folder.
        suffixes: What may follow the tile's name, e.g. `_GTI`. The empty suffix stands for every other GeoTIFF.
        reserved: Suffixes that the name of a file with the empty suffix must not have.
        recursive: Whether to search the folders below, too.

    Returns:
        The files, sorted by path.
    """
    found = []
    for path in sorted(_files(folder, recursive)):
        if path.suffix.lower() not in EXTENSIONS or path.name.startswith(".") or not path.is_file():
            continue
        suffix = suffix_of(path, suffixes)
        if suffix or ("" in suffixes and not path.stem.lower().endswith(tuple(name.lower() for name in reserved))):
            found.append(TileRaster(path.stem[: len(path.stem) - len(suffix)], suffix, path))
    return found


def suffix_of(path: Path, suffixes: Iterable[str]) -> str:
    """Return the first of some suffixes that follows a tile's name in a GeoTIFF's name, in any case; else "".

    Example:
        >>> suffix_of(Path("A_1_gti.TIF"), ["_RGB", "_GTI"]), suffix_of(Path("A_1.tif"), ["_RGB", "_GTI"])
        ('_GTI', '')
    """
    stem = path.stem.lower()
    if path.suffix.lower() not in EXTENSIONS:
        return ""
    return next((name for name in suffixes if name and stem.endswith(name.lower()) and len(stem) > len(name)), "")


def unique_rasters(
    rasters: Iterable[TileRaster], key: Callable[[TileRaster], K]
) -> tuple[dict[K, TileRaster], list[str]]:
    """Index files by a key that no two may share.

    Args:
        rasters: The files.
        key: What identifies a file: its tile, or its tile and suffix.

    Returns:
        The first file of each key, in the order of the files, and an error message for each further one.
    """
    first: dict[K, TileRaster] = {}
    errors = []
    for raster in rasters:
        other = first.setdefault(key(raster), raster)
        if other.path != raster.path:
            errors.append(
                f"{raster.path}: two files for tile {raster.tile}, the other is {other.path}; remove or rename one"
            )
    return first, errors


def _files(folder: Path, recursive: bool) -> Iterator[Path]:
    """Yield the files in a folder and, if asked for, in the folders below."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if not recursive:
            folders.clear()
        if (real := os.path.realpath(root)) not in seen:
            seen.add(real)
            yield from (Path(root) / name for name in names)

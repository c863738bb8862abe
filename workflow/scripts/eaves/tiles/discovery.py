"""Which tiles there are: file names only, so that a missing file is known before anything runs."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eaves.core.errors import InputError
from eaves.tiles.names import KINDS, faults_of_alike, name_fault, path_fault

PATTERNS = "<tile>_RGB.tif, <tile>_DSM.tif, <tile>_DTM.tif and, for the truth, <tile>_GTI.tif and <tile>_GTL.tif"
_NAME = re.compile(rf"(?P<tile>.+)_(?P<kind>{'|'.join(KINDS)})\.tiff?", re.IGNORECASE)


@dataclass(frozen=True)
class TileFiles:
    """The files of one tile. `gti` holds instance ids; `gtl` says building (6), ground (2) or uncertain (65)."""

    rgb: Path
    dsm: Path
    dtm: Path
    gti: Path | None = None
    gtl: Path | None = None

    def present(self) -> list[Path]:
        """The files there are, in a fixed order."""
        return [path for path in (self.rgb, self.dsm, self.dtm, self.gti, self.gtl) if path is not None]


def find(folder: Path, truth_needed: bool) -> dict[str, TileFiles]:
    """Finds the tiles in a folder and the folders below it.

    Args:
        folder: e.g. `data/train`; the challenge's layout with Inputs/ and GT/ inside is understood.
        truth_needed: every tile must have truth, as training tiles must.

    Returns:
        The files of each tile, sorted by the tile's name.

    Raises:
        InputError: one line per fault: no folder, no tiles, a file that is missing or there twice, a name that a tile
            cannot have.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {_advice(folder)}")
    found: dict[str, dict[str, Path]] = {}
    faults = []
    for path in sorted(files_below(folder)):
        named = tile_and_kind(path.name)
        if not named or not path.is_file() or path.name.startswith("."):
            continue
        tile, kind = named
        other = found.setdefault(tile, {}).setdefault(kind, path)
        if other != path:
            faults.append(f"{path}: two files for tile {tile}, the other is {other}; remove or rename one")
    if not found:
        raise InputError(f"{folder}: no tiles; {_advice(folder)}")
    needed = ("RGB", "DSM", "DTM", "GTI") if truth_needed else ("RGB", "DSM", "DTM")
    for tile, files in sorted(found.items()):
        there = files.get("RGB") or next(iter(files.values()))
        faults += [f"{there}: {fault}" for fault in (name_fault(tile), path_fault(there.parent)) if fault]
        for kind in needed:
            if kind not in files:
                wanted = there.with_name(f"{tile}_{kind}.tif")
                why = " (training tiles need the truth)" if kind == "GTI" else ""
                faults.append(f"{wanted}: missing, while {there} is there{why}; add it or remove the tile")
        if "GTL" in files and "GTI" not in files and not truth_needed:
            faults.append(f"{files['GTL']}: there is no {tile}_GTI.tif with the instances; add it or remove this file")
    faults += faults_of_alike({tile: next(iter(files.values())) for tile, files in sorted(found.items())})
    if faults:
        raise InputError("\n".join(faults))
    return {tile: TileFiles(**{kind.lower(): path for kind, path in found[tile].items()}) for tile in sorted(found)}


def raster_name(path: Path) -> tuple[str | None, str | None]:
    """Splits the name of a GeoTIFF into the tile's and, for a raw file, its kind (one of KINDS).

    Example:
        >>> raster_name(Path("A_1_gti.TIF")), raster_name(Path("A_1.tif")), raster_name(Path("notes.txt"))
        (('A_1', 'GTI'), ('A_1', None), (None, None))
    """
    if named := tile_and_kind(path.name):
        return named
    return (path.stem, None) if path.suffix.lower() in (".tif", ".tiff") else (None, None)


def tile_of(path: str) -> str | None:
    """Names the tile that a file belongs to, by the pipeline's layout; None where it is of no tile, or of many.

    Example:
        >>> tile_of("data/test/A_1_RGB.tif"), tile_of("results/tiles/A_1_image.tif")
        ('A_1', 'A_1')
        >>> tile_of("results/buildings/A_1.tif")
        'A_1'
        >>> tile_of("results/models/fold-0.safetensors")
    """
    file = Path(path)
    tile, kind = raster_name(file)
    if tile is None or not path.startswith("results/") or path.startswith("results/scenes/"):
        return tile if kind else None
    if path.startswith("results/tiles/"):
        return file.stem.rpartition("_")[0]
    return file.stem


def rasters_in(folder: Path) -> dict[str, list[Path]]:
    """Find the GeoTIFFs in a folder and below, by their names without ending, in lower case."""
    found: dict[str, list[Path]] = {}
    for path in sorted(files_below(folder)):
        if path.suffix.lower() in (".tif", ".tiff"):
            found.setdefault(path.stem.lower(), []).append(path)
    return found


def tile_and_kind(name: str) -> tuple[str, str] | None:
    """Tells from a file's name which tile it is of and what it holds; None where it is no tile's file.

    Example:
        >>> tile_and_kind("JAX_Tile_004_RGB.tif"), tile_and_kind("readme.txt")
        (('JAX_Tile_004', 'RGB'), None)
    """
    match = _NAME.fullmatch(name)
    return (match["tile"], match["kind"].upper()) if match else None


def files_below(folder: Path) -> Iterator[Path]:
    """Everything in a folder and below, through links to folders too, but into none twice."""
    seen = set()
    for root, _, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) not in seen:
            seen.add(real)
            yield from (Path(root) / name for name in names)


def _advice(folder: Path) -> str:
    return (
        f"put {PATTERNS} into {folder}, or name another folder under `tiles` in config.yaml; "
        "`make demo` shows everything on generated tiles"
    )


def check_distinct(train: dict[str, TileFiles], test: dict[str, TileFiles]) -> None:
    """Refuse a tile that is in both sets, also where its name differs in case.

    Raises:
        InputError: one line for each such tile.
    """
    faults = [
        f"{test[tile].rgb}: two tiles of one name, the other is {train[tile].rgb}; rename one"
        for tile in sorted(set(train) & set(test))
    ]
    faults += faults_of_alike({tile: (train.get(tile) or test[tile]).rgb for tile in (*train, *test)})
    if faults:
        raise InputError("\n".join(faults))


def check_enough(tiles: int, folds: int) -> None:
    """Refuses fewer training tiles than folds.

    Raises:
        InputError: with both numbers.
    """
    if tiles < folds:
        raise InputError(
            f"configuration: split.folds is {folds}, but there are only {tiles} training tiles; "
            "lower split.folds or add tiles"
        )

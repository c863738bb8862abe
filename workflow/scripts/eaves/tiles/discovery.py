"""Find the tiles in a folder by file names alone, so that a missing file is reported before anything runs."""

import re
from dataclasses import dataclass
from pathlib import Path

from eaves.core.errors import InputError
from eaves.raster.folders import EXTENSIONS, find_rasters, unique_rasters
from eaves.tiles import prepared
from eaves.tiles.names import KINDS, RAW_SUFFIXES, find_case_clashes, name_error, path_error

PATTERNS = "<tile>_RGB.tif, <tile>_DSM.tif, <tile>_DTM.tif and, for the truth, <tile>_GTI.tif and <tile>_GTL.tif"
_NAME = re.compile(rf"(?P<tile>.+)_(?P<kind>{'|'.join(KINDS)})\.tiff?", re.IGNORECASE)


@dataclass(frozen=True)
class TileFiles:
    """The raw files of one tile. `gti` holds instance ids; `gtl` classes: building (6), ground (2), uncertain (65)."""

    rgb: Path
    dsm: Path
    dtm: Path
    gti: Path | None = None
    gtl: Path | None = None

    def present(self) -> list[Path]:
        """List the existing files, in a fixed order."""
        return [path for path in (self.rgb, self.dsm, self.dtm, self.gti, self.gtl) if path is not None]


def find_tiles(folder: Path, truth_needed: bool) -> dict[str, TileFiles]:
    """Find the tiles in a folder and the folders below it.

    Args:
        folder: The folder, e.g. `data/train`; the challenge's subfolders Inputs/ and GT/ are searched, too.
        truth_needed: Whether every tile must have truth, as training tiles must.

    Returns:
        The files of each tile, sorted by the tile's name.

    Raises:
        InputError: The folder or the tiles are missing, a file is missing or exists twice, or a tile has a name that
            is not allowed; one line for each error.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {_advice(folder)}")
    unique, errors = unique_rasters(find_rasters(folder, RAW_SUFFIXES), key=lambda raster: (raster.tile, raster.suffix))
    found: dict[str, dict[str, Path]] = {}
    for raster in unique.values():
        found.setdefault(raster.tile, {})[raster.suffix.removeprefix("_")] = raster.path
    if not found:
        raise InputError(f"{folder}: no tiles; {_advice(folder)}")
    needed = ("RGB", "DSM", "DTM", "GTI") if truth_needed else ("RGB", "DSM", "DTM")
    for tile, files in sorted(found.items()):
        present = files.get("RGB") or next(iter(files.values()))
        errors += [f"{present}: {error}" for error in (name_error(tile), path_error(present.parent)) if error]
        for kind in needed:
            if kind not in files:
                missing = present.with_name(f"{tile}_{kind}.tif")
                why = " (training tiles need the truth)" if kind == "GTI" else ""
                errors.append(f"{missing}: missing, but {present} exists{why}; add it or remove the tile")
        if "GTL" in files and "GTI" not in files and not truth_needed:
            errors.append(f"{files['GTL']}: there is no {tile}_GTI.tif with the instances; add it or remove this file")
    errors += find_case_clashes({tile: next(iter(files.values())) for tile, files in sorted(found.items())})
    if errors:
        raise InputError("\n".join(errors))
    return {tile: TileFiles(**{kind.lower(): path for kind, path in found[tile].items()}) for tile in sorted(found)}


def raster_name(path: Path) -> tuple[str | None, str | None]:
    """Split the name of a GeoTIFF into the tile's name and, for a raw file, its kind (one of KINDS).

    Example:
        >>> raster_name(Path("A_1_gti.TIF")), raster_name(Path("A_1.tif")), raster_name(Path("notes.txt"))
        (('A_1', 'GTI'), ('A_1', None), (None, None))
    """
    if named := tile_and_kind(path.name):
        return named
    return (path.stem, None) if path.suffix.lower() in EXTENSIONS else (None, None)


def tile_of(path: str) -> str | None:
    """Return the tile that a file belongs to in the pipeline's layout; None if it belongs to none or to several.

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
        return prepared.tile_name(file)
    return file.stem


def tile_and_kind(name: str) -> tuple[str, str] | None:
    """Split the name of a tile's raw file into the tile's name and the kind; return None for any other file.

    Example:
        >>> tile_and_kind("JAX_Tile_004_RGB.tif"), tile_and_kind("readme.txt")
        (('JAX_Tile_004', 'RGB'), None)
    """
    match = _NAME.fullmatch(name)
    return (match["tile"], match["kind"].upper()) if match else None


def _advice(folder: Path) -> str:
    return (
        f"put {PATTERNS} into {folder}, or name another folder under `tiles` in config.yaml; "
        "`make demo` shows everything on generated tiles"
    )


def check_distinct(train: dict[str, TileFiles], test: dict[str, TileFiles]) -> None:
    """Check that no tile is in both sets, not even with its name in another case.

    Raises:
        InputError: One line for each such tile.
    """
    errors = [
        f"{test[tile].rgb}: two tiles of one name, the other is {train[tile].rgb}; rename one"
        for tile in sorted(set(train) & set(test))
    ]
    errors += find_case_clashes({tile: (train.get(tile) or test[tile]).rgb for tile in (*train, *test)})
    if errors:
        raise InputError("\n".join(errors))


def check_enough(tiles: int, folds: int) -> None:
    """Check that there are at least as many training tiles as folds.

    Raises:
        InputError: There are fewer.
    """
    if tiles < folds:
        raise InputError(
            f"configuration: split.folds is {folds}, but there are only {tiles} training tiles; "
            "lower split.folds or add tiles"
        )

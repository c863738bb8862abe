"""Find the rasters that describe a tile's buildings, check that they match, and read them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eaves.core.errors import InputError
from eaves.labels.files import check_layout, read_ids
from eaves.raster import geotiff
from eaves.raster.folders import TileRaster, find_rasters, unique_rasters
from eaves.raster.grids import open_on_grid, same_grid
from eaves.tiles import prepared
from eaves.tiles.heights import valid_mask
from eaves.tiles.names import RAW_SUFFIXES


@dataclass(frozen=True)
class Layers:
    """The files of one tile; None for those not asked for.

    Attributes:
        labels: Instance ids.
        heights: Metres above ground, or a prepared image.
        probabilities: Probability of building, 0..1.
        ground: Elevation of the bare ground, metres, on any grid.
    """

    labels: Path
    heights: Path | None = None
    probabilities: Path | None = None
    ground: Path | None = None

    def present(self) -> list[Path]:
        """List the files that are there, in a fixed order."""
        return [path for path in (self.labels, self.heights, self.probabilities, self.ground) if path is not None]


def find_layers(
    labels: Path, heights: Path | None, probabilities: Path | None, ground: Path | None, wanted: list[str] | None
) -> dict[str, Layers]:
    """Find the tiles in a folder of labels, and the other rasters of each tile.

    Args:
        labels: Folder of `<tile>.tif` or `<tile>_GTI.tif`, not searched recursively.
        heights: Folder of `<tile>.tif`, metres above ground, or of prepared images; or None.
        probabilities: Folder of `<tile>.tif`; or None.
        ground: Folder of `<tile>_DTM.tif` or `<tile>.tif`; or None. This and the previous two are searched recursively.
        wanted: Names of the tiles; None for all that have labels.

    Returns:
        The files of each tile, sorted by the tile's name.

    Raises:
        InputError: Folders or files are missing, or there are two files for a tile; one line for each error.
    """
    folders = [folder for folder in (labels, heights, probabilities, ground) if folder is not None]
    if missing := [f"{folder}: no such folder" for folder in folders if not folder.is_dir()]:
        raise InputError("\n".join(missing))
    found, errors = unique_rasters(
        find_rasters(labels, ["_GTI", ""], reserved=RAW_SUFFIXES, recursive=False), lambda raster: raster.tile
    )
    if errors:
        raise InputError("\n".join(errors))
    tiles = sorted(found) if wanted is None else sorted(wanted)
    if not tiles:
        raise InputError(f"{labels}: no labels in this folder; provide <tile>.tif or <tile>_GTI.tif")

    errors = [
        f"{labels / tile}.tif: no such file; it should hold the tile's labels" for tile in tiles if tile not in found
    ]
    others: dict[str, dict[str, Path]] = {tile: {} for tile in tiles}
    for option, folder, suffixes in (
        ("heights", heights, ("_image", "")),
        ("probabilities", probabilities, ("",)),
        ("ground", ground, ("_DTM", "")),
    ):
        if folder is None:
            continue
        matches, more_errors = _match(tiles, find_rasters(folder, suffixes), suffixes)
        errors += more_errors
        for tile in tiles:
            if tile in matches:
                others[tile][option] = matches[tile]
            else:
                names = " or ".join(f"{tile}{suffix}.tif" for suffix in suffixes)
                errors.append(f"{folder}: no {names} for the labels of {tile}; add it, or omit --{option}")
    if errors:
        raise InputError("\n".join(errors))
    return {tile: Layers(found[tile].path, **others[tile]) for tile in tiles}


def _match(tiles: list[str], rasters: list[TileRaster], suffixes: tuple[str, ...]) -> tuple[dict[str, Path], list[str]]:
    """Match rasters to tiles by name, ignoring case unless several tiles, or spellings in files, differ only in case.

    Args:
        tiles: Names of the tiles.
        rasters: The rasters.
        suffixes: What may follow a tile's name; the first that exists is used.

    Returns:
        The raster of each tile that has one, and an error message for each tile that has two of the same name.
    """
    candidates: dict[tuple[str, str], list[TileRaster]] = {}
    for raster in rasters:
        candidates.setdefault((raster.tile.lower(), raster.suffix), []).append(raster)
    spellings = Counter(tile.lower() for tile in tiles)
    matches: dict[str, Path] = {}
    errors: list[str] = []
    for tile in tiles:
        for suffix in suffixes:
            same = candidates.get((tile.lower(), suffix), [])
            own = [raster for raster in same if raster.tile == tile]
            if not own and spellings[tile.lower()] == 1 and len({raster.tile for raster in same}) == 1:
                own = same
            if own:
                errors += unique_rasters(own, lambda raster: raster.tile)[1]
                matches[tile] = own[0].path
                break
    return matches, errors


def check_layers(layers: Layers) -> dict[str, Any]:
    """Check that the labels are integers, and that heights and probabilities are on their grid.

    Returns:
        The grid of the labels, as `eaves.raster.geotiff.grid` returns it.

    Raises:
        InputError: A file cannot be used; the line names it.
    """
    with geotiff.open_raster(layers.labels) as source:
        check_layout(source, layers.labels)
        grid = {name: source.profile[name] for name in ("crs", "transform", "width", "height")}
    for path in (layers.heights, layers.probabilities):
        if path is not None:
            with geotiff.open_raster(path) as source:
                if not same_grid(source, grid):
                    raise InputError(
                        f"{path}: {source.width} x {source.height} px, not on the grid of {layers.labels} "
                        f"({grid['width']} x {grid['height']} px) or in another CRS or place; resample it to that grid"
                    )
                if source.count != 1 and not (path == layers.heights and prepared.is_image(source)):
                    raise InputError(
                        f"{path}: {source.count} bands, but one is needed; extract it, e.g. with rio stack"
                    )
    return grid


def read_labels(layers: Layers) -> np.ndarray:
    """Read the instance ids, (H, W) int32; 0 is ground, including the file's nodata."""
    with geotiff.open_raster(layers.labels) as source:
        return read_ids(source, layers.labels)


def read_heights(layers: Layers) -> np.ndarray | None:
    """Read the heights, metres above ground, (H, W) float32, NaN where unknown."""
    if layers.heights is None:
        return None
    with geotiff.open_raster(layers.heights) as source:
        if prepared.is_image(source):
            return prepared.read_height_m(source)
        return _metres(source.read(1), source.nodata)


def read_probability(layers: Layers) -> np.ndarray | None:
    """Read the probability of building, (H, W) of the type in the file, 0..1."""
    return None if layers.probabilities is None else geotiff.read(layers.probabilities)


def read_ground(layers: Layers, grid: dict[str, Any]) -> np.ndarray | None:
    """Read the elevation of the ground on a grid, metres, (H, W) float32, NaN where unknown.

    Raises:
        InputError: The file cannot be read, or does not overlap the grid.
    """
    if layers.ground is None:
        return None
    with geotiff.open_raster(layers.ground) as source:
        if same_grid(source, grid):
            return _metres(source.read(1), source.nodata)
    with open_on_grid(layers.ground, grid, layers.labels) as source:
        return _metres(source.read(1), source.nodata)


def _metres(heights: np.ndarray, nodata: float | None) -> np.ndarray:
    return np.where(valid_mask(heights, nodata), heights, np.nan).astype(np.float32)

"""Finds the rasters that describe a tile's buildings by their names, checks that they fit together, and reads them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from eaves.core.errors import InputError
from eaves.labels.files import check_layout, read_ids
from eaves.raster import geotiff
from eaves.raster.grids import on_the_grid, same_grid
from eaves.tiles.discovery import raster_name, rasters_in
from eaves.tiles.prepared import height_of, known

PREPARED_BANDS = 4


@dataclass(frozen=True)
class Layers:
    """The files of one tile. What is None was not asked for.

    labels: instance ids. heights: metres above ground, or a prepared tile with centimetres in its fourth band.
    probabilities: of building, 0..1. ground: elevation of the bare ground, metres, on any grid.
    """

    labels: Path
    heights: Path | None = None
    probabilities: Path | None = None
    ground: Path | None = None

    def present(self) -> list[Path]:
        """List the files that are there, in a fixed order."""
        return [path for path in (self.labels, self.heights, self.probabilities, self.ground) if path is not None]


def find(
    labels: Path, heights: Path | None, probabilities: Path | None, ground: Path | None, wanted: list[str] | None
) -> dict[str, Layers]:
    """Finds the tiles in a folder of labels, and what else is known of each.

    Args:
        labels: folder of `<tile>.tif`, or `<tile>_GTI.tif` among a tile's other files.
        heights: folder of `<tile>.tif` in metres above ground, or of prepared tiles, `<tile>_image.tif`; or None.
        probabilities: folder of `<tile>.tif`; or None.
        ground: folder of `<tile>_DTM.tif` or `<tile>.tif`; or None. Like the two before, with the folders below it.
        wanted: names of tiles, None for all that have labels.

    Returns:
        The files of each tile, sorted by the tile's name.

    Raises:
        InputError: one line per fault: a folder or file that is not there.
    """
    folders = [folder for folder in (labels, heights, probabilities, ground) if folder is not None]
    if missing := [f"{folder}: no such folder" for folder in folders if not folder.is_dir()]:
        raise InputError("\n".join(missing))
    there: dict[str, Path] = {}
    for path in sorted(labels.iterdir()):
        name, kind = raster_name(path)
        if name is not None and kind in (None, "GTI") and path.is_file() and not path.name.startswith("."):
            if name in there:
                raise InputError(f"{path}: two files with labels of {name}, the other is {there[name]}; remove one")
            there[name] = path
    tiles = sorted(there) if wanted is None else sorted(wanted)
    if not tiles:
        raise InputError(f"{labels}: no labels there; it should hold <tile>.tif or <tile>_GTI.tif")

    faults = [f"{labels / tile}.tif: no such file; outlines are drawn of labels" for tile in tiles if tile not in there]
    known_layers: dict[str, dict[str, Path]] = {}
    spellings = Counter(tile.lower() for tile in tiles)
    for option, folder, names in (
        ("heights", heights, ("{}_image", "{}")),
        ("probabilities", probabilities, ("{}",)),
        ("ground", ground, ("{}_DTM", "{}")),
    ):
        found = rasters_in(folder) if folder is not None else {}
        for tile in tiles if folder is not None else ():
            raster = _raster_of(tile, found, names, alone=spellings[tile.lower()] == 1)
            if raster is not None:
                known_layers.setdefault(tile, {})[option] = raster
            else:
                wish = " or ".join(f"{name.format(tile)}.tif" for name in names)
                faults.append(f"{folder}: no {wish} for the labels of {tile}; add it, or leave out --{option}")
    if faults:
        raise InputError("\n".join(faults))
    return {tile: Layers(there[tile], **known_layers.get(tile, {})) for tile in tiles}


def _raster_of(tile: str, found: dict[str, list[Path]], names: tuple[str, ...], alone: bool) -> Path | None:
    """Choose a tile's raster of one kind.

    Args:
        tile: its name.
        found: as `rasters_in` gives them.
        names: what the file may be called, patterns with the tile's name left out; the first that is there is taken.
        alone: no other tile's name differs in case alone; then a file's may.
    """
    for pattern in names:
        candidates = found.get(pattern.format(tile).lower(), [])
        if own := [path for path in candidates if path.stem.startswith(tile)]:
            return own[0]
        if alone and len({path.stem for path in candidates}) == 1:
            return candidates[0]
    return None


def check(layers: Layers) -> dict[str, Any]:
    """Checks that the labels are whole numbers and that what goes with them lies on their grid.

    Returns:
        The labels' grid, as `eaves.raster.geotiff.grid` gives it.

    Raises:
        InputError: one line that names the file.
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
                        f"({grid['width']} x {grid['height']} px) or in another CRS or place; warp it to that grid"
                    )
                if source.count != 1 and not (path == layers.heights and _is_prepared(source)):
                    raise InputError(f"{path}: {source.count} bands; one is needed, of heights or of probabilities")
    return grid


def read_labels(layers: Layers) -> np.ndarray:
    """Read the instance ids, (H, W) int32; the file's nodata counts as ground."""
    with geotiff.open_raster(layers.labels) as source:
        return read_ids(source, layers.labels)


def read_heights(layers: Layers) -> np.ndarray | None:
    """Reads metres above ground, (H, W) float32, NaN where unknown."""
    if layers.heights is None:
        return None
    with geotiff.open_raster(layers.heights) as source:
        if _is_prepared(source):
            return height_of(source.read(PREPARED_BANDS))
        return _metres(source.read(1), source.nodata)


def read_probability(layers: Layers) -> np.ndarray | None:
    """Reads the probability of building, (H, W)."""
    return None if layers.probabilities is None else geotiff.read(layers.probabilities)


def read_ground(layers: Layers, grid: dict[str, Any]) -> np.ndarray | None:
    """Reads the elevation of the ground in metres on a grid, (H, W) float32, NaN where unknown.

    Raises:
        InputError: the file cannot be read, or does not overlap the grid.
    """
    if layers.ground is None:
        return None
    with geotiff.open_raster(layers.ground) as source:
        if same_grid(source, grid):
            return _metres(source.read(1), source.nodata)
    with on_the_grid(layers.ground, grid, layers.labels) as source:
        return _metres(source.read(1), source.nodata)


def _is_prepared(source: rasterio.DatasetReader) -> bool:
    return source.count == PREPARED_BANDS and source.dtypes[0] == "int16"


def _metres(heights: np.ndarray, nodata: float | None) -> np.ndarray:
    return np.where(known(heights, nodata), heights, np.nan).astype(np.float32)

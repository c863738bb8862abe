"""Read the labels to be compared from a folder of GeoTIFFs or one text file, tile by tile in any order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eaves.core.errors import InputError
from eaves.labels.files import read_ids
from eaves.raster import geotiff
from eaves.raster.folders import find_rasters, suffix_of, unique_rasters
from eaves.tiles import prepared
from eaves.tiles.heights import valid_mask
from eaves.tiles.names import ALL_SUFFIXES
from eaves.tiles.truth import signed_truth
from eaves.urban3d import text_format

CHALLENGE_NODATA = -32767.0
"""The nodata value of the challenge's DSMs; assumed for files that declare none."""

# What may follow the tile's name: as in the challenge, in prepared tiles, or nothing. The first that a folder has is
# used.
TRUTH = ("_GTI", "_truth", "")
SOLUTION = ("_GTI", "")
HEIGHTS = ("_DSM", "_image", "")
PLAIN = ("",)


@dataclass(frozen=True)
class Raster:
    """The labels of a tile.

    Attributes:
        file: Their source, for messages.
        labels: (H, W) int32 ids; 0 is ground, negative is uncertain.
        grid: `crs`, `transform`, `width` and `height`; crs is None if the file is not georeferenced.
        out_of_map: (H, W) bool, True where out of the map, from a text file; else None.
    """

    file: str
    labels: np.ndarray
    grid: dict[str, Any]
    out_of_map: np.ndarray | None = None


@dataclass(frozen=True)
class Labels:
    """The tiles in a folder of GeoTIFFs, or in one text file in the challenge's format (`eaves.urban3d.text_format`).

    Attributes:
        path: The folder or the file.
        tiles: The file of each tile or its place in the text file, sorted by the tile's name.
        classes: The GTL of each tile that has one, where labels come from GTI files.
    """

    path: Path
    tiles: dict[str, Path | text_format.Place]
    classes: dict[str, Path]

    def read(self, tile: str) -> Raster:
        """Read one tile.

        Raises:
            InputError: The file cannot be read, has several bands, or its ids are not integers of 32 bits.
        """
        place = self.tiles[tile]
        if not isinstance(place, Path):
            labels, out_of_map = text_format.read_tile(self.path, place)
            size = {"width": labels.shape[1], "height": labels.shape[0]}
            return Raster(f"{self.path}: tile {tile}", labels, {"crs": None, "transform": None, **size}, out_of_map)
        labels, grid = _read_ids(place)
        if tile in self.classes:
            labels = _apply_classes(labels, place, self.classes[tile])
        return Raster(str(place), labels, grid)


def find_labels(path: Path, suffixes: tuple[str, ...], option: str) -> Labels:
    """Find the tiles of the truth or the solution.

    Args:
        path: A folder, searched recursively, or a text file.
        suffixes: What may follow the tile's name in a file's name: TRUTH or SOLUTION.
        option: The option that gave the path, for messages.

    Raises:
        InputError: There are no labels, or two files for a tile.
    """
    if path.is_file():
        return Labels(path, dict(sorted(text_format.places(path).items())), {})
    found: dict[str, Path | text_format.Place] = {**find_by_tile(path, suffixes, option)}
    from_gti = any(isinstance(file, Path) and suffix_of(file, ["_GTI"]) for file in found.values())
    return Labels(path, found, _index(path, "_GTL") if from_gti else {})


def find_by_tile(folder: Path, suffixes: tuple[str, ...], option: str) -> dict[str, Path]:
    """Find the GeoTIFF of each tile; of several suffixes, the first that the folder has is used.

    Args:
        folder: The folder, searched recursively.
        suffixes: What may follow the tile's name in a file's name.
        option: The option that gave the folder, for messages.

    Raises:
        InputError: The folder is missing or has no such files, or there are two files for a tile.
    """
    patterns = ", ".join(f"<tile>{suffix}.tif" for suffix in suffixes)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {option} takes one with {patterns}")
    for suffix in suffixes:
        if found := _index(folder, suffix):
            return found
    raise InputError(f"{folder}: no tiles in this folder; {option} looks for {patterns}")


def read_out_of_map(path: Path) -> np.ndarray:
    """Read where a tile is out of the map, that is, not 0: (H, W) bool."""
    return geotiff.read(path) != 0


def read_unknown_height(path: Path) -> np.ndarray:
    """Read where a surface model or a prepared image has no height, which counts as out of the map.

    Returns:
        (H, W) bool.
    """
    with geotiff.open_raster(path) as dataset:
        if prepared.is_image(dataset):
            return prepared.read_unknown_height(dataset)
        heights = dataset.read(dataset.count)
        nodata = CHALLENGE_NODATA if dataset.nodata is None else dataset.nodata
    missing = ~valid_mask(heights, nodata)
    return missing | np.isnan(heights) if heights.dtype.kind == "f" else missing


def _index(folder: Path, suffix: str) -> dict[str, Path]:
    """Find the GeoTIFFs with a suffix, by tile, sorted."""
    found, duplicates = unique_rasters(
        find_rasters(folder, [suffix], reserved=ALL_SUFFIXES), lambda raster: raster.tile
    )
    if duplicates:
        raise InputError(duplicates[0])
    return {tile: found[tile].path for tile in sorted(found)}


def _read_ids(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    with geotiff.open_raster(path) as dataset:
        labels = read_ids(dataset, path)
        return labels, {name: dataset.profile[name] for name in ("crs", "transform", "width", "height")}


def _apply_classes(gti: np.ndarray, gti_file: Path, gtl_file: Path) -> np.ndarray:
    gtl = geotiff.read(gtl_file)
    if gtl.shape != gti.shape:
        sizes = [f"{side.shape[1]} x {side.shape[0]} px" for side in (gtl, gti)]
        raise InputError(f"{gtl_file}: {sizes[0]}, not {sizes[1]} as {gti_file}; rasterise it again")
    return signed_truth(gti, gtl)

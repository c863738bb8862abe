"""Where labels to be compared come from: a folder of GeoTIFFs or one text file, read tile by tile, in any order."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eaves.core.errors import InputError
from eaves.labels.files import read_ids
from eaves.raster import geotiff
from eaves.tiles import prepared
from eaves.tiles.discovery import files_below
from eaves.urban3d import text_format

CHALLENGE_NODATA = -32767.0
"""What the challenge's DSMs hold where there is no height; taken where a file declares no nodata value."""

# What files of one kind may be called, the first that a folder has is taken: the challenge's names, ours, plain ones.
TRUTH = ("_GTI", "_truth", "")
SOLUTION = ("_GTI", "")
HEIGHTS = ("_DSM", "_image", "")
PLAIN = ("",)
_KNOWN = re.compile(r"_(RGB|DSM|DTM|GTI|GTL|image|truth)$", re.IGNORECASE)


@dataclass(frozen=True)
class Raster:
    """A tile of labels as it was found.

    Attributes:
        file: where it comes from, for messages.
        labels: (H, W) int32 ids; 0 is ground, negative is uncertain.
        grid: `crs`, `transform`, `width` and `height`; crs is None where the file does not know its place.
        out_of_map: (H, W) bool where a text file has it, else None.
    """

    file: str
    labels: np.ndarray
    grid: dict[str, Any]
    out_of_map: np.ndarray | None = None


@dataclass(frozen=True)
class Labels:
    """The tiles of a folder of GeoTIFFs, or of one text file in the challenge's format (see `submission`).

    Attributes:
        path: the folder or the file.
        tiles: where each tile is, by its name, sorted.
        classes: of a tile with GTI, its GTL, where there is one.
    """

    path: Path
    tiles: dict[str, Path | text_format.Place]
    classes: dict[str, Path]

    def read(self, tile: str) -> Raster:
        """Read one tile.

        Raises:
            InputError: the file cannot be read, has several bands, or its ids are no integers of 32 bits.
        """
        place = self.tiles[tile]
        if not isinstance(place, Path):
            labels, out_of_map = text_format.read_tile(self.path, place)
            size = {"width": labels.shape[1], "height": labels.shape[0]}
            return Raster(f"{self.path}: tile {tile}", labels, {"crs": None, "transform": None, **size}, out_of_map)
        labels, grid = _read_ids(place)
        if tile in self.classes:
            labels = _signed(labels, place, self.classes[tile])
        return Raster(str(place), labels, grid)


def find_labels(path: Path, names: tuple[str, ...], option: str) -> Labels:
    """Find the tiles of one side.

    Args:
        path: a folder, searched with the folders below it, or a text file.
        names: what the files may be called, TRUTH or SOLUTION.
        option: that gave the path, for messages.

    Raises:
        InputError: nothing there, or two files for a tile.
    """
    if path.is_file():
        return Labels(path, dict(sorted(text_format.places(path).items())), {})
    found: dict[str, Path | text_format.Place] = {**find_rasters(path, names, option)}
    classes = (
        _named(path, "_GTL") if any(re.search(r"_GTI\.tiff?$", str(at), re.IGNORECASE) for at in found.values()) else {}
    )
    return Labels(path, found, classes)


def find_rasters(folder: Path, names: tuple[str, ...], option: str) -> dict[str, Path]:
    """Find the GeoTIFF of each tile: those of the first kind of names that a folder has.

    Raises:
        InputError: no such folder, nothing in it, or two files for a tile.
    """
    wanted = ", ".join(f"<tile>{name}.tif" for name in names)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {option} takes one with {wanted}")
    for name in names:
        if found := _named(folder, name):
            return found
    raise InputError(f"{folder}: no tiles there; {option} looks for {wanted}")


def read_out_of_map(path: Path) -> np.ndarray:
    """Read where a tile is out of the map: every value other than 0. (H, W) bool."""
    return geotiff.read(path) != 0


def read_no_height(path: Path) -> np.ndarray:
    """Read where a tile is out of the map from its surface model (or prepared image): pixels without a height.

    Returns:
        (H, W) bool.
    """
    with geotiff.open_raster(path) as dataset:
        heights = dataset.read(dataset.count)  # of a prepared image the last band is the height
        nodata = CHALLENGE_NODATA if dataset.nodata is None else dataset.nodata
    missing = ~prepared.known(heights, nodata)
    return missing | np.isnan(heights) if heights.dtype.kind == "f" else missing


def _named(folder: Path, ending: str) -> dict[str, Path]:
    """The GeoTIFFs whose names end so, by tile, sorted; those of another known kind are no plain ones."""
    pattern = re.compile(rf"(?P<tile>.+){ending}\.tiff?", re.IGNORECASE)
    found: dict[str, Path] = {}
    for path in sorted(files_below(folder)):
        match = pattern.fullmatch(path.name)
        if not match or path.name.startswith(".") or (not ending and _KNOWN.search(match["tile"])):
            continue
        if match["tile"] in found:
            raise InputError(
                f"{path}: two files for tile {match['tile']}, the other is {found[match['tile']]}; remove one"
            )
        found[match["tile"]] = path
    return dict(sorted(found.items()))


def _read_ids(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    with geotiff.open_raster(path) as dataset:
        labels = read_ids(dataset, path)
        return labels, {name: dataset.profile[name] for name in ("crs", "transform", "width", "height")}


def _signed(gti: np.ndarray, gti_file: Path, gtl_file: Path) -> np.ndarray:
    gtl = geotiff.read(gtl_file)
    if gtl.shape != gti.shape:
        sizes = [f"{side.shape[1]} x {side.shape[0]} px" for side in (gtl, gti)]
        raise InputError(f"{gtl_file}: {sizes[0]}, not {sizes[1]} as {gti_file}; rasterise it again")
    return prepared.signed_truth(gti, gtl)

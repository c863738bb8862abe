"""Reads the raw files of one tile, checks them, and writes the prepared tile strip by strip."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from eaves.core.errors import InputError
from eaves.labels.files import read_ids
from eaves.raster import geotiff
from eaves.raster.grids import on_the_grid, same_grid
from eaves.tiles import prepared
from eaves.tiles.discovery import TileFiles

BANDS = ("red", "green", "blue", "height above ground, cm")
STRIP_ROWS = 1024  # what is in memory at a time, whatever the tile's size
# No land on Earth is lower or higher (Dead Sea shore -430 m, Everest 8,849 m): beyond, a nodata value is undeclared.
LOWEST_M, HIGHEST_M = -500.0, 9000.0


@dataclass(frozen=True)
class Prepared:
    """What is known of a prepared tile: a row of tiles.csv without its name and set."""

    width: int
    height: int
    sha256: str
    nodata: float
    buildings: int | None
    image_sha256: str
    truth_sha256: str | None


def prepare(files: TileFiles, image_file: Path, truth_file: Path, settings: dict[str, Any]) -> Prepared:
    """Prepares one tile.

    DSM and DTM are brought onto the grid of the RGB, bilinearly, where they are on another.

    Args:
        files: the raw files.
        image_file: where the prepared image goes: int16, 4 bands, uncompressed, pixel-interleaved.
        truth_file: where the truth goes, if there is one: int32.
        settings: the block `prepare` of the configuration.

    Raises:
        InputError: one line that names the file, what is wrong with it and what to do.
    """
    with geotiff.open_raster(files.rgb) as rgb:
        _check_rgb(rgb, files.rgb, settings["bands"])
        on_grid = {"crs": rgb.crs, "transform": rgb.transform, "width": rgb.width, "height": rgb.height}
        limits = _colour_limits(rgb, files.rgb, settings)
        with on_the_grid(files.dsm, on_grid, files.rgb) as dsm, on_the_grid(files.dtm, on_grid, files.rgb) as dtm:
            unknown, colours, surface, ground = 0, 0, 0, 0
            with geotiff.create_memory_map(image_file, "int16", BANDS, on_grid, prepared.NODATA) as write:
                for window in _strips(rgb.width, rgb.height):
                    dsm_m, dtm_m = _read_heights(dsm, files.dsm, window), _read_heights(dtm, files.dtm, window)
                    height_m, valid = prepared.height_above_ground(dsm_m, dtm_m, dsm.nodata, dtm.nodata)
                    with geotiff.errors_named(files.rgb):
                        pixels = rgb.read(settings["bands"], window=window)
                        coloured = rgb.dataset_mask(window=window) > 0
                    if pixels.dtype.kind == "f":
                        coloured &= np.isfinite(pixels).all(axis=0)
                    if limits:
                        pixels = prepared.to_eight_bits(np.where(coloured, pixels, 0), *limits)
                    write(np.moveaxis(prepared.pack(pixels, coloured, height_m), 0, 2))
                    unknown += int((~valid).sum())
                    colours += int(coloured.sum())
                    surface += int(prepared.known(dsm_m, dsm.nodata).sum())
                    ground += int(prepared.known(dtm_m, dtm.nodata).sum())
                for path, known in ((files.rgb, colours), (files.dsm, surface), (files.dtm, ground)):
                    if not known:
                        raise InputError(
                            f"{path}: nothing but nodata on this tile; replace the file or remove the tile's files"
                        )
    buildings = _write_truth(files, on_grid, truth_file) if files.gti else None
    return Prepared(
        width=on_grid["width"],
        height=on_grid["height"],
        sha256=_digest(files.present()),
        nodata=round(unknown / (on_grid["width"] * on_grid["height"]), 6),
        buildings=buildings,
        image_sha256=_digest([image_file]),
        truth_sha256=_digest([truth_file]) if files.gti else None,
    )


def _strips(width: int, height: int) -> Iterator[Window]:
    for top in range(0, height, STRIP_ROWS):
        yield Window(0, top, width, min(STRIP_ROWS, height - top))


def _digest(paths: list[Path]) -> str:
    """SHA-256 over the files' own SHA-256, in order; of a single file, just its own."""
    digests = []
    for path in paths:
        with path.open("rb") as stream:
            digests.append(file_digest(stream, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    joined = digests[0].copy()
    for digest in digests[1:]:
        joined.update(digest.digest())
    return joined.hexdigest()


def _check_rgb(rgb: rasterio.DatasetReader, path: Path, bands: list[int]) -> None:
    if rgb.crs is None:
        raise InputError(f"{path}: no coordinate reference system; set it, e.g. rio edit-info --crs EPSG:32617 {path}")
    geotiff.check_place(rgb, path)
    mask = path.with_name(f"{path.name}.msk")
    if mask.exists():
        raise InputError(
            f"{mask}: a mask beside the orthophoto is not read; remove it, and put a copy with the mask inside in the "
            f"orthophoto's place: GDAL_TIFF_INTERNAL_MASK=YES rio convert {path} copy.tif"
        )
    if max(bands) > rgb.count:
        raise InputError(
            f"{path}: {rgb.count} band(s), but prepare.bands in the configuration asks for {bands}; "
            "give an orthophoto with three colours or change prepare.bands"
        )
    if np.dtype(rgb.dtypes[0]).kind not in "uif":
        raise InputError(f"{path}: pixels of type {rgb.dtypes[0]}; Eaves reads integers and floats")


def _colour_limits(rgb: rasterio.DatasetReader, path: Path, settings: dict[str, Any]) -> tuple[float, float] | None:
    """The values that become 0 and 255, or None where the colours have 8 bits already and no range is set."""
    if settings["rgb_range"] != "auto":
        low, high = settings["rgb_range"]
        return float(low), float(high)
    if rgb.dtypes[0] == "uint8":
        return None
    # A sample of at most 1024 x 1024 pixels decides, the same for all three bands, so that hues stay as they are.
    shape = (min(rgb.height, 1024), min(rgb.width, 1024))
    sample = rgb.read(settings["bands"], out_shape=(3, *shape))
    valid = rgb.dataset_mask(out_shape=shape) > 0
    seen = sample[:, valid]
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        raise InputError(f"{path}: nothing but nodata on this tile; replace the file or remove the tile's files")
    low, high = np.percentile(seen, settings["rgb_percentiles"])
    return float(low), float(max(high, low + 1e-6))


def _read_heights(source: rasterio.DatasetReader, path: Path, window: Window) -> np.ndarray:
    """Reads a strip of a height model and refuses what cannot be a height."""
    with geotiff.errors_named(path):
        heights = source.read(1, window=window)
    known = heights[prepared.known(heights, source.nodata)]
    resampled = isinstance(source, WarpedVRT)
    declared = (source.src_dataset if resampled else source).nodata
    strange = int(np.isnan(known).sum())
    if strange:
        raise InputError(
            f"{path}: {strange} heights are NaN, but the file's nodata value is {declared}; "
            f"declare it (rio edit-info --nodata nan {path}) or fill the gaps"
        )
    if known.size and (known.min() < LOWEST_M or known.max() > HIGHEST_M):
        value = float(known.min() if known.min() < LOWEST_M else known.max())
        meant = "<value>" if resampled else f"{value:g}"  # resampling has mixed it with heights
        raise InputError(
            f"{path}: a height of {value:g} m, but the file's nodata value is {declared}; if {value:g} comes from "
            f"nodata, declare it (rio edit-info --nodata={meant} {path}); heights must be metres"
        )
    return heights


def _write_truth(files: TileFiles, on_grid: dict[str, Any], truth_file: Path) -> int:
    """Checks and writes the truth; returns the number of buildings."""
    assert files.gti is not None
    with geotiff.open_raster(files.gti) as source:
        _check_truth_grid(source, files.gti, on_grid, files.rgb)
        gti = read_ids(source, files.gti)
    gtl = _read_classes(files.gtl, on_grid, files.rgb) if files.gtl else None
    if gtl is not None:
        strange = sorted({int(value) for value in np.unique(gtl)} - prepared.GTL_VALUES)
        if strange:
            raise InputError(
                f"{files.gtl}: the values {strange[:5]} are none of 2 (ground), 6 (building) and 65 (uncertain); "
                "write the classes again"
            )
    truth = prepared.signed_truth(gti, gtl)
    with geotiff.create_memory_map(truth_file, "int32", ("building",), on_grid) as write:
        write(truth)
    return len(np.unique(truth[truth != 0]))


def _read_classes(path: Path, on_grid: dict[str, Any], rgb_file: Path) -> np.ndarray:
    with geotiff.open_raster(path) as source:
        _check_truth_grid(source, path, on_grid, rgb_file)
        if np.dtype(source.dtypes[0]).kind not in "ui":
            raise InputError(
                f"{path}: classes of type {source.dtypes[0]}; they are whole numbers: convert it, "
                f"e.g. rio convert --dtype uint8 {path} classes.tif"
            )
        return source.read(1)


def _check_truth_grid(source: rasterio.DatasetReader, path: Path, on_grid: dict[str, Any], rgb_file: Path) -> None:
    if (source.width, source.height) != (on_grid["width"], on_grid["height"]):
        raise InputError(
            f"{path}: {source.width} x {source.height} px, but {rgb_file} has {on_grid['width']} x "
            f"{on_grid['height']}; the truth must be on the grid of the RGB: rasterise it again"
        )
    if source.crs is not None and not same_grid(source, on_grid):
        raise InputError(f"{path}: not on the grid of {rgb_file} (another CRS or place); rasterise the truth again")

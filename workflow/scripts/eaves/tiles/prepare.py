"""Check the raw files of a tile and write the prepared tile, strip by strip."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from eaves.core.errors import InputError
from eaves.core.files import file_sha256
from eaves.labels.files import read_ids
from eaves.raster import geotiff
from eaves.raster.grids import open_on_grid, same_grid
from eaves.tiles import prepared
from eaves.tiles.colours import colour_range, scale_to_uint8
from eaves.tiles.discovery import TileFiles
from eaves.tiles.heights import height_above_ground, valid_mask
from eaves.tiles.truth import GTL_VALUES, signed_truth

STRIP_ROWS = 1024  # rows in memory at a time, whatever the tile's size
# The range of land on Earth (Dead Sea shore -430 m, Everest 8,849 m). Values outside are undeclared nodata.
LOWEST_M, HIGHEST_M = -500.0, 9000.0


@dataclass(frozen=True)
class Prepared:
    """Properties of a prepared tile: a row of tiles.csv without the tile's name and set.

    Attributes:
        width: Pixels.
        height: Pixels.
        sha256: Over all raw files, in hexadecimal.
        nodata: Share of pixels of unknown height, 0..1.
        buildings: Number of buildings in the truth; None without truth.
        image_sha256: Of the prepared image.
        truth_sha256: Of the prepared truth; None without truth.
    """

    width: int
    height: int
    sha256: str
    nodata: float
    buildings: int | None
    image_sha256: str
    truth_sha256: str | None


def prepare(files: TileFiles, image_file: Path, truth_file: Path, settings: dict[str, Any]) -> Prepared:
    """Check a tile's raw files and write its prepared image and truth (see `eaves.tiles.prepared`).

    A DSM or DTM on another grid than the RGB is resampled to that grid, bilinearly.

    Args:
        files: The raw files.
        image_file: The prepared image to write.
        truth_file: The prepared truth to write, if the tile has truth.
        settings: The block `prepare` of the configuration.

    Raises:
        InputError: A file cannot be used; the line names it.
        WriteError: An output cannot be written.
    """
    with geotiff.open_raster(files.rgb) as rgb:
        _check_rgb(rgb, files.rgb, settings["bands"])
        on_grid = {"crs": rgb.crs, "transform": rgb.transform, "width": rgb.width, "height": rgb.height}
        limits = colour_range(rgb, files.rgb, settings)
        with open_on_grid(files.dsm, on_grid, files.rgb) as dsm, open_on_grid(files.dtm, on_grid, files.rgb) as dtm:
            unknown_px, rgb_px, dsm_px, dtm_px = 0, 0, 0, 0
            with geotiff.create_memory_map(image_file, *prepared.IMAGE, on_grid) as write:
                for window in _strips(rgb.width, rgb.height):
                    dsm_m, dtm_m = _read_heights(dsm, files.dsm, window), _read_heights(dtm, files.dtm, window)
                    height_m, valid = height_above_ground(dsm_m, dtm_m, dsm.nodata, dtm.nodata)
                    with geotiff.explain_read_errors(files.rgb):
                        pixels = rgb.read(settings["bands"], window=window)
                        rgb_valid = rgb.dataset_mask(window=window) > 0
                    if pixels.dtype.kind == "f":
                        rgb_valid &= np.isfinite(pixels).all(axis=0)
                    if limits:
                        pixels = scale_to_uint8(np.where(rgb_valid, pixels, 0), *limits)
                    write(np.moveaxis(prepared.pack(pixels, rgb_valid, height_m), 0, 2))
                    unknown_px += int((~valid).sum())
                    rgb_px += int(rgb_valid.sum())
                    dsm_px += int(valid_mask(dsm_m, dsm.nodata).sum())
                    dtm_px += int(valid_mask(dtm_m, dtm.nodata).sum())
                for path, valid_px in ((files.rgb, rgb_px), (files.dsm, dsm_px), (files.dtm, dtm_px)):
                    if not valid_px:
                        raise InputError(f"{path}: every pixel is nodata; replace the file or remove the tile's files")
    buildings = _write_truth(files, on_grid, truth_file) if files.gti else None
    return Prepared(
        width=on_grid["width"],
        height=on_grid["height"],
        sha256=file_sha256(*files.present()),
        nodata=round(unknown_px / (on_grid["width"] * on_grid["height"]), 6),
        buildings=buildings,
        image_sha256=file_sha256(image_file),
        truth_sha256=file_sha256(truth_file) if files.gti else None,
    )


def _strips(width: int, height: int) -> Iterator[Window]:
    for top in range(0, height, STRIP_ROWS):
        yield Window(0, top, width, min(STRIP_ROWS, height - top))


def _check_rgb(rgb: rasterio.DatasetReader, path: Path, bands: list[int]) -> None:
    if rgb.crs is None:
        raise InputError(f"{path}: no coordinate reference system; set it, e.g. rio edit-info --crs EPSG:32617 {path}")
    geotiff.check_georeference(rgb, path)
    mask = path.with_name(f"{path.name}.msk")
    if mask.exists():
        raise InputError(
            f"{mask}: a mask in a separate file is not read; remove it, and replace the orthophoto by a copy with an "
            f"internal mask: GDAL_TIFF_INTERNAL_MASK=YES rio convert {path} copy.tif"
        )
    if max(bands) > rgb.count:
        raise InputError(
            f"{path}: {rgb.count} band(s), but prepare.bands in the configuration selects {bands}; "
            "provide an orthophoto with three colours or change prepare.bands"
        )
    if np.dtype(rgb.dtypes[0]).kind not in "uif":
        raise InputError(f"{path}: pixels of type {rgb.dtypes[0]}; convert them to integers or floating point")


def _read_heights(source: rasterio.DatasetReader, path: Path, window: Window) -> np.ndarray:
    """Read a strip of a height model and check that the values can be heights."""
    with geotiff.explain_read_errors(path):
        heights = source.read(1, window=window)
    valid = heights[valid_mask(heights, source.nodata)]
    resampled = isinstance(source, WarpedVRT)
    declared = (source.src_dataset if resampled else source).nodata
    n_nan = int(np.isnan(valid).sum())
    if n_nan:
        raise InputError(
            f"{path}: {n_nan} heights are NaN, but the file's nodata value is {declared}; "
            f"declare it (rio edit-info --nodata nan {path}) or fill the gaps"
        )
    if valid.size and (valid.min() < LOWEST_M or valid.max() > HIGHEST_M):
        value = float(valid.min() if valid.min() < LOWEST_M else valid.max())
        meant = "<value>" if resampled else f"{value:g}"  # resampling has mixed the nodata value with heights
        raise InputError(
            f"{path}: a height of {value:g} m, but the file's nodata value is {declared}; if {value:g} comes from "
            f"nodata, declare it (rio edit-info --nodata={meant} {path}); heights must be metres"
        )
    return heights


def _write_truth(files: TileFiles, on_grid: dict[str, Any], truth_file: Path) -> int:
    """Check and write the truth, and return the number of buildings."""
    assert files.gti is not None
    with geotiff.open_raster(files.gti) as source:
        _check_truth_grid(source, files.gti, on_grid, files.rgb)
        gti = read_ids(source, files.gti)
    gtl = _read_classes(files.gtl, on_grid, files.rgb) if files.gtl else None
    if gtl is not None:
        unexpected = sorted({int(value) for value in np.unique(gtl)} - GTL_VALUES)
        if unexpected:
            raise InputError(
                f"{files.gtl}: unexpected values {unexpected[:5]}; classes are 2 (ground), 6 (building) and 65 "
                "(uncertain): write the file with these"
            )
    truth = signed_truth(gti, gtl)
    with geotiff.create_memory_map(truth_file, *prepared.TRUTH, on_grid) as write:
        write(truth)
    return len(np.unique(truth[truth != 0]))


def _read_classes(path: Path, on_grid: dict[str, Any], rgb_file: Path) -> np.ndarray:
    with geotiff.open_raster(path) as source:
        _check_truth_grid(source, path, on_grid, rgb_file)
        if np.dtype(source.dtypes[0]).kind not in "ui":
            raise InputError(
                f"{path}: classes of type {source.dtypes[0]}, but they must be integers; convert the file, "
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

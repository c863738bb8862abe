"""GeoTIFFs in and out: a file is either whole or not there, and faults name the file."""

import importlib.util
import io
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

# A system's PROJ and GDAL folders, named in the environment, break the ones inside rasterio's wheels.
_found = importlib.util.find_spec("rasterio")
if _found and _found.origin and (Path(_found.origin).parent / "proj_data").exists():
    for _name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"):
        os.environ.pop(_name, None)

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import tifffile  # noqa: E402
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError  # noqa: E402

from eaves.core.errors import InputError  # noqa: E402
from eaves.core.files import atomic_write, check, writing  # noqa: E402
from eaves.raster.file_types import check_geotiff  # noqa: E402

warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

# Bytes that decide how a file is stored. Masks and labels shrink to a few per cent; DEFLATE is read everywhere.
COMPACT = {"compress": "deflate", "zlevel": 6, "tiled": True, "blockxsize": 256, "blockysize": 256}
PROBABILITY = COMPACT | {"predictor": 3, "zlevel": 1}  # trying harder gains two per cent
# What is read of a raster is in its file. Nothing beside it is looked for (.aux.xml, .ovr, .msk, .tfw): it would be in
# no checksum, and may be of any of GDAL's formats, of which some read other files or the net.
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}"}
_PLACES = (".tfw", ".tifw", ".tiffw", ".wld")  # files that say where the raster beside them lies
# TIFF tags that say where a raster lies (GeoTIFF), and GDAL's own for descriptions and nodata.
_GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)


@contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a GeoTIFF for reading; no other file is read for it, and nothing from the net.

    Raises:
        InputError: the file is missing, is no GeoTIFF, points to another file, or ends too early (also while it is
            read).
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    check_geotiff(path)
    with rasterio.Env(**_ALONE), errors_named(path), rasterio.open(path, driver="GTiff") as dataset:
        if dataset.tags(ns="OVERVIEWS"):
            raise InputError(
                f"{path}: its overviews are in another file; put a copy without them in its place: "
                f"rio convert {path} copy.tif"
            )
        yield dataset


def check_place(dataset: rasterio.DatasetReader, path: Path) -> None:
    """Refuse a raster whose place is in a file beside it alone, where it is not read.

    Raises:
        InputError: with both files.
    """
    beside = [path.with_suffix(ending) for ending in _PLACES] + [path.with_name(f"{path.name}.aux.xml")]
    other = next((file for file in beside if file.exists()), None)
    if dataset.transform.is_identity and other:
        raise InputError(
            f"{path}: does not say where it lies, and {other.name} beside it is not read; put a copy in its "
            f"place that does: rio convert {path} copy.tif"
        )


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Name the file in a fault of reading it; where several are open at a time, each is read inside its own.

    Raises:
        InputError: the file is damaged, or ends too early.
    """
    try:
        yield
    except RasterioIOError as error:
        reason = str(error.__cause__ or error).replace(f"{path}: ", "").strip()
        raise InputError(
            f"{path}: cannot be read ({reason}); the file is damaged or cut short: copy it again"
        ) from error


class _Output(io.FileIO):
    """A file that GDAL writes. Its first error is kept: of those at closing, libtiff and GDAL tell on stderr only."""

    def __init__(self, name: str, mode: str = "rb", *, faults: list[OSError]) -> None:
        self._faults = faults
        try:
            super().__init__(name, mode)
        except OSError as error:
            if mode != "rb":
                faults.append(error)
            raise

    def write(self, data: Any) -> int:
        """Write all of it, or seem to once something could not be written."""
        left = memoryview(data)
        try:
            while left and not self._faults:
                left = left[super().write(left) :]
        except OSError as error:
            self._faults.append(error)
        return len(data)

    def close(self) -> None:
        """Close it; a network file system may tell only now that it is full."""
        try:
            super().close()
        except OSError as error:
            self._faults.append(error)


@contextmanager
def create_raster(path: Path, **profile: Any) -> Iterator[rasterio.io.DatasetWriter]:
    """Create a GeoTIFF under a temporary name in its folder; it gets its own name when it is whole and on the disk.

    Raises:
        WriteError: it cannot be written.
    """
    faults: list[OSError] = []
    opener = partial(_Output, faults=faults)
    with atomic_write(path) as temporary:
        try:
            with rasterio.open(temporary, "w", driver="GTiff", bigtiff="if_safer", opener=opener, **profile) as dataset:
                yield dataset
        except Exception:
            _raise_first(faults, path)
            raise
        _raise_first(faults, path)
        check(path, _last_block_reads(temporary))


def _raise_first(faults: list[OSError], path: Path) -> None:
    if faults:
        with writing(path):
            raise faults[0]


def _last_block_reads(path: Path) -> bool:
    try:
        with rasterio.open(path) as dataset:
            *_, (_, window) = dataset.block_windows(1)
            dataset.read(window=window)
    except RasterioIOError:
        return False
    return True


@contextmanager
def create_memory_map(
    path: Path, dtype: str, bands: tuple[str, ...], on_grid: dict[str, Any], nodata: float | None = None
) -> Iterator[Callable[[np.ndarray], None]]:
    """Create an uncompressed, pixel-interleaved GeoTIFF that can be mapped into memory: its pixels are one piece.

    GDAL orders and aligns the strips of a file as its cache pleases. So GDAL says what the geographic tags are, and
    tifffile lays out the file. It is not written through a map: a full disk would end the process by SIGBUS.

    Args:
        path: where to; it gets its name when it is whole and on the disk.
        dtype: of the pixels.
        bands: what each band is.
        on_grid: as `grid` gives it.
        nodata: the value that means: nothing known here.

    Yields:
        What writes the next rows: (rows, W, bands), or (rows, W) for one band, of `dtype`. All rows must be written.

    Raises:
        WriteError: it cannot be written.
    """
    shape = (on_grid["height"], on_grid["width"], *((len(bands),) if len(bands) > 1 else ()))
    size = math.prod(shape) * np.dtype(dtype).itemsize
    small = on_grid | {"width": 1, "height": 1}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", dtype=dtype, count=len(bands), nodata=nodata, **small) as template:
            template.descriptions = bands
        with tifffile.TiffFile(memory) as tiff:
            found = tiff.pages.first.tags
            extra = [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in found if tag.code in _GEO_TAGS]
    layout: dict[str, Any] = {"photometric": "minisblack", "metadata": None, "software": False}
    layout["align"] = tifffile.TIFF.ALLOCATIONGRANULARITY
    if len(bands) > 1:
        layout |= {"planarconfig": "contig", "extrasamples": ("unspecified",) * (len(bands) - 1)}
    with atomic_write(path, size) as temporary:
        place = tifffile.imwrite(temporary, shape=shape, dtype=dtype, extratags=extra, returnoffset=True, **layout)
        assert place is not None  # as the pixels are one piece
        start = place[0]
        with temporary.open("r+b") as stream:
            stream.seek(start)

            def write(rows: np.ndarray) -> None:
                stream.write(np.ascontiguousarray(rows, dtype).data)

            yield write
            if stream.tell() != start + size:
                raise ValueError(f"{path}: {stream.tell() - start} of {size} bytes were written")
        check(path, temporary.stat().st_size == start + size)


def read(path: Path, band: int = 1) -> np.ndarray:
    """Reads one band as it is stored, (H, W)."""
    with open_raster(path) as dataset:
        return dataset.read(band)


def grid(path: Path) -> dict[str, Any]:
    """Gives the grid of a raster: `crs`, `transform`, `width` and `height`, as `write` takes them."""
    with open_raster(path) as dataset:
        return {name: dataset.profile[name] for name in ("crs", "transform", "width", "height")}


def write(path: Path, array: np.ndarray, on_grid: dict[str, Any], nodata: float | None = None, **options: Any) -> None:
    """Writes one band, compressed.

    Args:
        path: where to.
        array: (H, W).
        on_grid: as `grid` gives it.
        nodata: the value that means: nothing known here.
        options: for GDAL's GeoTIFF driver, e.g. `predictor=3`.
    """
    if array.shape != (on_grid["height"], on_grid["width"]):
        raise ValueError(f"{path}: array of {array.shape} on a grid of {on_grid['height']} x {on_grid['width']}")
    with create_raster(path, dtype=array.dtype, count=1, nodata=nodata, **on_grid, **(COMPACT | options)) as dataset:
        dataset.write(array, 1)

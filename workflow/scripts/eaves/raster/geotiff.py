"""Read and write GeoTIFFs: files appear only once complete, and error messages name the file."""

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

# Environment variables that point to the system's PROJ and GDAL data break the copies in rasterio's wheels.
_found = importlib.util.find_spec("rasterio")
if _found and _found.origin and (Path(_found.origin).parent / "proj_data").exists():
    for _name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"):
        os.environ.pop(_name, None)

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import tifffile  # noqa: E402
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError  # noqa: E402

from eaves.core.errors import InputError  # noqa: E402
from eaves.core.files import atomic_write, check_readback, explain_write_errors  # noqa: E402
from eaves.raster.file_types import check_geotiff  # noqa: E402

warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

# Creation options. Masks and labels shrink to a few per cent; every reader supports DEFLATE.
COMPACT = {"compress": "deflate", "zlevel": 6, "tiled": True, "blockxsize": 256, "blockysize": 256}
PROBABILITY = COMPACT | {"predictor": 3, "zlevel": 1}  # higher levels save only two per cent
# Files beside a raster (.aux.xml, .ovr, .msk, .tfw) are not read: no checksum covers them, and they may be in any of
# GDAL's formats, some of which read other files or the network.
_ENVIRONMENT = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}"}
_WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".wld")
# TIFF tags of the georeference (GeoTIFF), and GDAL's own for descriptions and nodata.
_GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)


@contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a GeoTIFF for reading, without reading other files or the network.

    Raises:
        InputError: The file is missing, not a GeoTIFF, refers to another file, or is damaged (also while it is read).
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    check_geotiff(path)
    with rasterio.Env(**_ENVIRONMENT), explain_read_errors(path), rasterio.open(path, driver="GTiff") as dataset:
        if dataset.tags(ns="OVERVIEWS"):
            raise InputError(
                f"{path}: its overviews are in another file; replace it by a copy without them: "
                f"rio convert {path} copy.tif"
            )
        yield dataset


def check_georeference(dataset: rasterio.DatasetReader, path: Path) -> None:
    """Check that a raster's georeference is not in a separate file, where it would not be read.

    Raises:
        InputError: It is; the message names both files.
    """
    beside = [path.with_suffix(ending) for ending in _WORLD_FILES] + [path.with_name(f"{path.name}.aux.xml")]
    other = next((file for file in beside if file.exists()), None)
    if dataset.transform.is_identity and other:
        raise InputError(
            f"{path}: not georeferenced, and {other.name} beside it is not read; replace the file by a "
            f"georeferenced copy: rio convert {path} copy.tif"
        )


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Convert an error of GDAL into one that names the file; with several files open, read each in a block of its own.

    Raises:
        InputError: The file is damaged or truncated.
    """
    try:
        yield
    except RasterioIOError as error:
        reason = str(error.__cause__ or error).replace(f"{path}: ", "").strip()
        raise InputError(
            f"{path}: cannot be read ({reason}); the file is damaged or truncated: copy it again"
        ) from error


class _Output(io.FileIO):
    """A file for GDAL to write to that keeps its errors, as libtiff and GDAL merely print those at closing."""

    def __init__(self, name: str, mode: str = "rb", *, errors: list[OSError]) -> None:
        self._errors = errors
        try:
            super().__init__(name, mode)
        except OSError as error:
            if mode != "rb":
                errors.append(error)
            raise

    def write(self, data: Any) -> int:
        """Write all data; after an error, pretend to, as GDAL would otherwise retry."""
        left = memoryview(data)
        try:
            while left and not self._errors:
                left = left[super().write(left) :]
        except OSError as error:
            self._errors.append(error)
        return len(data)

    def close(self) -> None:
        """Close the file; network file systems may report only now that they are full."""
        try:
            super().close()
        except OSError as error:
            self._errors.append(error)


@contextmanager
def create_raster(path: Path, **profile: Any) -> Iterator[rasterio.io.DatasetWriter]:
    """Create a GeoTIFF that appears under its name only once it is complete and on the disk.

    Args:
        path: The file.
        profile: What `rasterio.open` needs: `dtype`, `count`, the grid, and options of GDAL's GeoTIFF driver.

    Raises:
        WriteError: The file cannot be written.
    """
    errors: list[OSError] = []
    opener = partial(_Output, errors=errors)
    with atomic_write(path) as temporary:
        try:
            with rasterio.open(temporary, "w", driver="GTiff", bigtiff="if_safer", opener=opener, **profile) as dataset:
                yield dataset
        except Exception:
            _raise_first(errors, path)
            raise
        _raise_first(errors, path)
        check_readback(path, _last_block_is_readable(temporary))


def _raise_first(errors: list[OSError], path: Path) -> None:
    if errors:
        with explain_write_errors(path):
            raise errors[0]


def _last_block_is_readable(path: Path) -> bool:
    try:
        with rasterio.open(path) as dataset:
            *_, (_, window) = dataset.block_windows(1)
            dataset.read(window=window)
    except RasterioIOError:
        return False
    return True


@contextmanager
def create_memory_map(
    path: Path, dtype: str, bands: tuple[str, ...], nodata: float | None, on_grid: dict[str, Any]
) -> Iterator[Callable[[np.ndarray], None]]:
    """Create an uncompressed, pixel-interleaved GeoTIFF with contiguous pixels, which can be mapped into memory.

    The order and alignment of the strips that GDAL writes depend on its cache. Therefore GDAL provides only the
    geographic tags, and tifffile writes the file. Writing through a memory map is not an option, as a full disk would
    end the process by SIGBUS.

    Args:
        path: The file; it appears under its name only once it is complete and on the disk.
        dtype: Type of the pixels.
        bands: Description of each band.
        nodata: The nodata value, or None.
        on_grid: The grid, as `grid` returns it.

    Yields:
        A function that writes the next rows: (rows, W, bands), or (rows, W) for one band, of `dtype`. All rows must be
        written.

    Raises:
        WriteError: The file cannot be written.
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
        assert place is not None  # because the pixels are contiguous
        start = place[0]
        with temporary.open("r+b") as stream:
            stream.seek(start)

            def write(rows: np.ndarray) -> None:
                stream.write(np.ascontiguousarray(rows, dtype).data)

            yield write
            if stream.tell() != start + size:
                raise ValueError(f"{path}: {stream.tell() - start} of {size} bytes were written")
        check_readback(path, temporary.stat().st_size == start + size)


def read(path: Path, band: int = 1) -> np.ndarray:
    """Read one band with its type and nodata as stored, (H, W)."""
    with open_raster(path) as dataset:
        return dataset.read(band)


def grid(path: Path) -> dict[str, Any]:
    """Read the grid of a raster: `crs`, `transform`, `width` and `height`, as `write` takes them."""
    with open_raster(path) as dataset:
        return {name: dataset.profile[name] for name in ("crs", "transform", "width", "height")}


def write(path: Path, array: np.ndarray, on_grid: dict[str, Any], nodata: float | None = None, **options: Any) -> None:
    """Write a compressed GeoTIFF of one band.

    Args:
        path: The file.
        array: (H, W) of any type that GeoTIFF can hold.
        on_grid: The grid, as `grid` returns it.
        nodata: The nodata value, or None.
        options: Options of GDAL's GeoTIFF driver, e.g. `predictor=3`.

    Raises:
        WriteError: The file cannot be written.
    """
    if array.shape != (on_grid["height"], on_grid["width"]):
        raise ValueError(f"{path}: array of {array.shape} on a grid of {on_grid['height']} x {on_grid['width']}")
    with create_raster(path, dtype=array.dtype, count=1, nodata=nodata, **on_grid, **(COMPACT | options)) as dataset:
        dataset.write(array, 1)

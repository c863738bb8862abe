"""Recognize GeoTIFFs by their first bytes, whatever the file's extension."""

from pathlib import Path

from eaves.core.errors import InputError

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little and big endian, and the same of BigTIFF
_HEAD_BYTES = 1024
# First bytes of formats that are often given instead of a GeoTIFF.
_OTHER_FORMATS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
    b"EHFA_HEADER_TAG": "an ERDAS Imagine image",
    b"\x89HDF": "an HDF5 or netCDF file",
    b"CDF": "a netCDF file",
    b"GRIB": "a GRIB file",
    b"NITF": "a NITF file",
    b"LASF": "a point cloud (LAS)",
    b"SQLite format 3": "a database (GeoPackage or SQLite)",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"version https://git-lfs": "a pointer of Git LFS (`git lfs pull` gets the file)",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
}


def check_geotiff(path: Path) -> None:
    """Check that a file begins as a TIFF does.

    Raises:
        InputError: It does not, with its actual format if known; or it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
    if not head.startswith(_TIFF):
        raise InputError(
            f"{path}: not a GeoTIFF but {_describe(head)}; replace it by a GeoTIFF (`rio convert` makes one)"
        )


def _describe(head: bytes) -> str:
    """Describe a file by its first bytes.

    Example:
        >>> _describe(b"%PDF-1.7"), _describe(b"tile,set"), _describe(b"")
        ('a PDF document', "a file that begins with b'tile,set'", 'an empty file')
    """
    if not head:
        return "an empty file"
    if b"<VRTDataset" in head:
        return "a VRT, which points to other files"
    text = head.lstrip().lower()
    return next(
        (kind for start, kind in _OTHER_FORMATS.items() if head.startswith(start) or text.startswith(start)),
        f"a file that begins with {head[:12]!r}",
    )

"""Write and read the challenge's text format: three lines per tile, with the buildings as run lengths.

The lines of a tile are its id, `width,height`, and `label,run,label,run,...` in row-major order, where label 0 is
ground and a run is a number of pixels; runs may continue across the end of a row. Lines end in a line feed.

Truth files, as the challenge's published tools (visualizer 1.1) make them from GTI, GTL and DSM, have two additions:
uncertain buildings have negative labels, and if part of a tile is out of the map, a line before the labels gives a
mask, `OOM-MASK:0,run,1,run,...` with 1 for out of the map.

A few bytes can claim any size, so sizes and runs are checked before memory is allocated: a tile has at most `MAX_PX`
pixels, and the absolute value of a label is at most `MAX_ID`.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.labels.ids import MAX_ID, as_int32

OUT_OF_MAP = "OOM-MASK:"
MAX_PX = 2**30
"""Largest tile that is read: 32768 x 32768 px, 256 times the challenge's. Its labels take 4 GiB."""


class Place(NamedTuple):
    """Position of a tile in a file: the number of its first line, from 1, and the byte offset of that line."""

    line: int
    byte: int


def write(
    path: str | Path,
    tiles: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray] | tuple[str, np.ndarray, np.ndarray]],
) -> None:
    """Write a submission or a truth file, atomically.

    Args:
        path: The text file to write.
        tiles: The labels of each tile, in the order to write them: (H, W) integers, 0 is ground, negative is uncertain.
            A generator of pairs keeps one tile at a time in memory; an optional third element, (H, W) bool, marks
            where a truth tile is out of the map.

    Raises:
        InputError: If a tile occurs twice or has an invalid id, or its labels are not (H, W) 32-bit integers.
    """
    seen = set()
    with atomic_write(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for tile, *rasters in tiles.items() if isinstance(tiles, Mapping) else tiles:
            if tile in seen:
                raise InputError(f"{path}: tile {tile} occurs twice; a submission has each tile once")
            seen.add(tile)
            file.write(_encode(tile, *rasters))


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Read a submission or a truth file.

    Args:
        path: The text file.

    Returns:
        The (H, W) int32 labels of each tile, in the order of the file: 0 is ground, negative (in truth files) is
            uncertain.

    Raises:
        InputError: If the file is not in the format; the message names the file, the line and what is wrong.
    """
    return dict(read_tiles(path))


def read_tiles(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tiles of a submission one by one, like `read` but with one tile at a time in memory."""
    for tile, place in _places(path):
        yield tile, read_tile(path, place)[0]


def places(path: str | Path) -> dict[str, Place]:
    """Index a file, so that `read_tile` can read tiles in any order.

    Raises:
        InputError: If the file is missing, has no tiles, or has a tile twice.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    found = dict(_places(path))
    if not found:
        raise InputError(f"{path}: no tiles; expected three lines per tile: id, `width,height`, `label,run,...`")
    return found


def read_tile(path: str | Path, place: Place) -> tuple[np.ndarray, np.ndarray | None]:
    """Read one tile.

    Returns:
        labels: (H, W) int32, 0 is ground, negative is uncertain.
        out_of_map: (H, W) bool, or None if the file has no mask for the tile.

    Raises:
        InputError: If the tile is not in the format.
    """
    with Path(path).open("rb") as file:
        file.seek(place.byte)
        lines = (line.decode("utf-8", "replace").rstrip("\r\n") for line in file)
        tile = next(lines).strip()

        def where(number: int) -> str:
            return f"{path}: line {number}: tile {tile}"

        number = place.line + 1
        width, height = _decode_size(where(number), next(lines, ""))
        text = next(lines, "")
        number += 1
        out_of_map = None
        if text.startswith(OUT_OF_MAP):
            mask = _decode_runs(where(number), text.removeprefix(OUT_OF_MAP), width, height)
            if not np.isin(mask, (0, 1)).all():
                raise InputError(f"{where(number)}: {OUT_OF_MAP} allows only 0 and 1 (out of the map)")
            out_of_map = mask == 1
            text = next(lines, "")
            number += 1
        return _decode_runs(where(number), text, width, height), out_of_map


def _places(path: str | Path) -> Iterator[tuple[str, Place]]:
    """Yield the tiles and their positions, in the order of the file."""
    seen = set()
    with Path(path).open("rb") as file:
        number, byte = 0, 0
        for line in file:
            number += 1
            at, byte = byte, byte + len(line)
            tile = line.decode("utf-8", "replace").strip()
            if not tile:
                continue
            if "," in tile:
                raise InputError(f"{path}: line {number}: expected the id of a tile, found {tile[:40]!r}")
            if tile in seen:
                raise InputError(f"{path}: line {number}: tile {tile} occurs twice")
            seen.add(tile)
            yield tile, Place(number, at)
            lines = [file.readline(), file.readline()]
            if lines[1].startswith(OUT_OF_MAP.encode()):
                lines.append(file.readline())
            number, byte = number + len(lines), byte + sum(map(len, lines))


def _encode(tile: str, labels: np.ndarray, out_of_map: np.ndarray | None = None) -> str:
    if not tile or tile != tile.strip() or any(character in tile for character in ",\r\n"):
        raise InputError(
            f"tile id {tile!r}: must not be empty, contain a comma or a line break, or start or end with a blank"
        )
    if labels.ndim != 2 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"tile {tile}: labels are {labels.shape} {labels.dtype}, but must be (H, W) integers")
    labels = as_int32(f"tile {tile}", labels)
    height, width = labels.shape
    hidden = ""
    if out_of_map is not None and out_of_map.any():
        if out_of_map.shape != labels.shape:
            raise InputError(f"tile {tile}: out_of_map is {out_of_map.shape}, but the labels are {labels.shape}")
        hidden = f"{OUT_OF_MAP}{_encode_runs(out_of_map.astype(np.uint8))}\n"
    return f"{tile}\n{width},{height}\n{hidden}{_encode_runs(labels)}\n"


def _encode_runs(labels: np.ndarray) -> str:
    flat = labels.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    runs = np.stack([flat[starts].astype(np.int64), np.diff(starts, append=flat.size)], axis=1)
    return ",".join(map(str, runs.ravel().tolist()))


def _integers(where: str, line: str) -> np.ndarray:
    try:
        return np.array([int(field) for field in line.split(",")], np.int64)
    except OverflowError as error:
        raise InputError(f"{where}: a number does not fit into 64 bits: {line.strip()[:40]!r}") from error
    except ValueError as error:
        raise InputError(f"{where}: expected comma-separated integers, found {line.strip()[:40]!r}") from error


def _decode_size(where: str, line: str) -> tuple[int, int]:
    size = _integers(where, line).tolist() if line.strip() else []
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"{where}: expected `width,height` in pixels, found {line.strip()[:40]!r}")
    width, height = size
    if width * height > MAX_PX:
        raise InputError(
            f"{where}: {width} x {height} are {width * height} pixels, but a tile has at most {MAX_PX} "
            "(32768 x 32768); correct the size, or split the tile into smaller ones"
        )
    return width, height


def _decode_runs(where: str, line: str, width: int, height: int) -> np.ndarray:
    if not line.strip():
        raise InputError(f"{where}: expected `label,run,...`, but the file ends or the line is blank")
    numbers = _integers(where, line)
    if numbers.size % 2:
        raise InputError(f"{where}: expected pairs `label,run`, found {numbers.size} numbers")
    labels, runs = numbers[::2], numbers[1::2]
    if runs.min() < 1:
        raise InputError(f"{where}: a run is not positive: {runs.min()}")
    if labels.min() < -MAX_ID or labels.max() > MAX_ID:
        raise InputError(f"{where}: a label does not fit into 32 bits; labels range from -{MAX_ID} to {MAX_ID}")
    total = width * height
    if runs.max() > total:
        raise InputError(f"{where}: a run of {runs.max()} pixels, but {width} x {height} are {total}")
    # Every run is at most 2^30 here, so the sum of fewer than 2^33 of them cannot overflow.
    if runs.sum() != total:
        raise InputError(f"{where}: the runs cover {runs.sum()} pixels, but {width} x {height} are {total}")
    return np.repeat(labels.astype(np.int32), runs).reshape(height, width)

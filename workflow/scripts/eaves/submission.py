"""Writes and reads the challenge's text format: three lines a tile, the buildings as run lengths.

The lines of a tile are its id, `width,height`, and `label,run,label,run,...` in row-major order, where a label is 0 for
ground and a run its number of pixels; a run may go on over the end of a row.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from eaves.errors import InputError


def write(path: str | Path, tiles: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a submission; the file appears only when it is complete.

    Args:
        path: The text file to write, in an existing folder.
        tiles: The labels of each tile, in the order to be written: (H, W) integers, 0 is ground. Pairs may come from a
            generator, so that one tile at a time is in memory.

    Raises:
        InputError: A tile comes twice, has no usable id, or its labels are not a two-dimensional integer raster.
    """
    path = Path(path)
    pairs = tiles.items() if isinstance(tiles, Mapping) else tiles
    seen = set()
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline="\n"
    ) as file:
        temporary = Path(file.name)
        try:
            for tile, labels in pairs:
                if tile in seen:
                    raise InputError(f"{path}: tile {tile} comes twice; a submission has each tile once")
                seen.add(tile)
                file.write(_encode(tile, labels))
            file.close()
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Read a whole submission.

    Args:
        path: The text file.

    Returns:
        The (H, W) int32 labels of each tile, in the order of the file; 0 is ground, negative ids occur in truth files.

    Raises:
        InputError: The file is not in the format; the message names file, line and fault.
    """
    return dict(read_tiles(path))


def read_tiles(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read a submission tile by tile, as `read` does, with one tile at a time in memory."""
    seen = set()
    with Path(path).open(encoding="utf-8") as file:
        number = 0
        for line in file:
            number += 1
            tile = line.strip()
            if not tile:
                continue
            if "," in tile:
                raise InputError(f"{path}: line {number}: expected the id of a tile, found {tile[:40]!r}")
            if tile in seen:
                raise InputError(f"{path}: line {number}: tile {tile} comes twice")
            seen.add(tile)
            width, height = _decode_size(f"{path}: line {number + 1}: tile {tile}", file.readline())
            runs = file.readline()
            yield tile, _decode_runs(f"{path}: line {number + 2}: tile {tile}", runs, width, height)
            number += 2


def _encode(tile: str, labels: np.ndarray) -> str:
    if not tile or tile != tile.strip() or any(character in tile for character in ",\r\n"):
        raise InputError(f"tile id {tile!r}: must not be empty, hold a comma or a line break, or start or end blank")
    if labels.ndim != 2 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"tile {tile}: labels are {labels.shape} {labels.dtype}, but must be (H, W) integers")
    flat = labels.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    runs = np.stack([flat[starts].astype(np.int64), np.diff(starts, append=flat.size)], axis=1)
    height, width = labels.shape
    return f"{tile}\n{width},{height}\n{','.join(map(str, runs.ravel().tolist()))}\n"


def _integers(where: str, line: str) -> np.ndarray:
    try:
        return np.array([int(field) for field in line.split(",")], np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: expected integers with commas between, found {line.strip()[:40]!r}") from error


def _decode_size(where: str, line: str) -> tuple[int, int]:
    size = _integers(where, line) if line.strip() else np.zeros(0)
    if size.size != 2 or size.min() < 1:
        raise InputError(f"{where}: expected `width,height` in pixels, found {line.strip()[:40]!r}")
    return int(size[0]), int(size[1])


def _decode_runs(where: str, line: str, width: int, height: int) -> np.ndarray:
    if not line.strip():
        raise InputError(f"{where}: expected `label,run,...`, but the file ends or the line is blank")
    numbers = _integers(where, line)
    if numbers.size % 2:
        raise InputError(f"{where}: expected pairs `label,run`, found {numbers.size} numbers")
    labels, runs = numbers[::2], numbers[1::2]
    if runs.min() < 1 or np.abs(labels).max() > np.iinfo(np.int32).max:
        raise InputError(f"{where}: a run is not positive or a label does not fit into 32 bits")
    if runs.sum() != width * height:
        raise InputError(f"{where}: the runs cover {runs.sum()} pixels, but {width} x {height} are {width * height}")
    return np.repeat(labels.astype(np.int32), runs).reshape(height, width)

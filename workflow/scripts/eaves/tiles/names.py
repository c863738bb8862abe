"""What a tile and the folders that it lies in may be called, so that nothing fails on such a name hours later."""

import re
import unicodedata
from pathlib import Path

KINDS = ("RGB", "DSM", "DTM", "GTI", "GTL")
# What a tile may be called: nothing that a shell takes apart, an option, or Snakemake's braces.
_SAFE = re.compile(r"\w[\w.+-]*")
_LIKE_A_FILE = re.compile(rf".+_(?:{'|'.join(KINDS)}|image|truth)", re.IGNORECASE)
# File systems take 255 bytes; the longest names made of a tile's are temporary ones, .part.<pid>.<tile>_image.tif.
MAX_NAME_BYTES = 200


def name_fault(tile: str) -> str | None:
    """Say why a tile cannot be called so, and what to do; None where it can.

    Example:
        >>> name_fault("A_truth")
        'a tile cannot be called A_truth, as if it were one of the files of tile A; rename it'
        >>> name_fault("007") or name_fault("NA")
    """
    if not _SAFE.fullmatch(tile):
        return (
            "a tile's name may have letters, digits, '.', '_', '+' and '-', and begins with a letter, a digit or '_'; "
            "rename it"
        )
    if _LIKE_A_FILE.fullmatch(tile):
        return (
            f"a tile cannot be called {tile}, as if it were one of the files of tile {tile.rpartition('_')[0]}; "
            "rename it"
        )
    if (size := len(tile.encode())) > MAX_NAME_BYTES:
        return f"a tile's name has at most {MAX_NAME_BYTES} bytes, and this one has {size}; rename it"
    return None


def path_fault(path: Path) -> str | None:
    """Say why Snakemake cannot be given a path, and what to do; None where it can."""
    if "{" in str(path) or "}" in str(path) or not str(path).isprintable():
        return "braces and control characters cannot be in the path, as Snakemake fills in braces; rename the folder"
    return None


def faults_of_alike(tiles: dict[str, Path]) -> list[str]:
    """Give a line for each tile whose name differs from an earlier one only in what some file systems overlook."""
    first: dict[str, str] = {}
    return [
        f"{tiles[tile]}: tile {tile} and tile {other}, of {tiles[other]}, differ in case alone, and many file systems "
        "take their results for the same files; rename one"
        for tile in tiles
        if (other := first.setdefault(_folded(tile), tile)) != tile
    ]


def _folded(tile: str) -> str:
    """Give a name as file systems compare it that overlook case and how accents are coded."""
    return unicodedata.normalize("NFC", tile).casefold()

"""Rules for the names of tiles and folders, checked before a run so that no job fails on a name later."""

import re
import unicodedata
from pathlib import Path

from eaves.tiles import prepared

KINDS = ("RGB", "DSM", "DTM", "GTI", "GTL")
"""What follows the tile's name and an underscore in the names of raw files."""
RAW_SUFFIXES = tuple(f"_{kind}" for kind in KINDS)
ALL_SUFFIXES = RAW_SUFFIXES + tuple(f"_{kind}" for kind in prepared.KINDS)
# Excludes what a shell would split or take for an option, and braces, which Snakemake fills in.
_SAFE = re.compile(r"\w[\w.+-]*")
_LIKE_A_FILE = re.compile(rf".+(?:{'|'.join(ALL_SUFFIXES)})", re.IGNORECASE)
# File systems allow 255 bytes. The longest names derived from a tile's are temporary: .part.<pid>.<tile>_image.tif.
MAX_NAME_BYTES = 200


def name_error(tile: str) -> str | None:
    """Return why a tile's name is not allowed and what to do, or None if it is allowed.

    Example:
        >>> name_error("A_truth")
        'a tile cannot be called A_truth, which looks like the name of a file of tile A; rename it'
        >>> name_error("007") or name_error("NA")
    """
    if not _SAFE.fullmatch(tile):
        return (
            "a tile's name may contain letters, digits, '.', '_', '+' and '-', and begins with a letter, a digit or "
            "'_'; rename it"
        )
    if _LIKE_A_FILE.fullmatch(tile):
        other = tile.rpartition("_")[0]
        return f"a tile cannot be called {tile}, which looks like the name of a file of tile {other}; rename it"
    if (size := len(tile.encode())) > MAX_NAME_BYTES:
        return f"a tile's name has at most {MAX_NAME_BYTES} bytes, and this one has {size}; rename it"
    return None


def path_error(path: Path) -> str | None:
    """Return why Snakemake cannot use a path and what to do, or None if it can."""
    if "{" in str(path) or "}" in str(path) or not str(path).isprintable():
        return "the path must not contain braces, which Snakemake fills in, or control characters; rename the folder"
    return None


def find_case_clashes(tiles: dict[str, Path]) -> list[str]:
    """Find tiles whose names some file systems do not tell apart.

    Args:
        tiles: A file of each tile, for messages.

    Returns:
        An error message for each tile whose name differs from an earlier one only in case or in how accents are
        encoded.
    """
    first: dict[str, str] = {}
    return [
        f"{tiles[tile]}: tile {tile} and tile {other}, of {tiles[other]}, differ only in case, so on many file systems "
        "their results would be the same files; rename one"
        for tile in tiles
        if (other := first.setdefault(_normalize(tile), tile)) != tile
    ]


def _normalize(tile: str) -> str:
    """Convert a name to a form that is equal for names differing only in case or in how accents are encoded."""
    return unicodedata.normalize("NFC", tile).casefold()

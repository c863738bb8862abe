"""Divide the tiles of a set into batches, each the work of one job."""

from hashlib import sha256


def assign_batches(tiles: list[str], size: int) -> dict[str, list[str]]:
    """Deals tiles into batches that stay the same when tiles come or go.

    A tile's batch follows from the hash of its name, so a new tile disturbs its own batch alone, until the number of
    tiles calls for twice as many batches. Batches are about half full to full, and a batch without tiles is left out.

    Args:
        tiles: names.
        size: tiles a batch, at most on average.

    Returns:
        For each batch, named `<number>of<count>`, its tiles, sorted.
    """
    count = 1
    while count * size < len(tiles):
        count *= 2
    dealt: dict[str, list[str]] = {}
    for tile in sorted(tiles):
        number = int.from_bytes(sha256(tile.encode()).digest()[:8]) % count
        dealt.setdefault(f"{number:0{len(str(count))}}of{count}", []).append(tile)
    return dict(sorted(dealt.items()))

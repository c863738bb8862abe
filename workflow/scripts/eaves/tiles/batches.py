"""Divide the tiles of a set into batches, each processed by one job."""

from hashlib import sha256


def assign_batches(tiles: list[str], size: int) -> dict[str, list[str]]:
    """Assign tiles to batches that remain the same when tiles are added or removed.

    A tile's batch follows from the hash of its name, so a new tile changes only its own batch, until the number of
    batches has to double. Several batches have between `size` / 2 and `size` tiles on average; empty ones are left
    out.

    Args:
        tiles: Names of the tiles.
        size: Largest average number of tiles in a batch.

    Returns:
        The sorted tiles of each batch, by its name `<number>of<count>`.
    """
    count = 1
    while count * size < len(tiles):
        count *= 2
    batches: dict[str, list[str]] = {}
    for tile in sorted(tiles):
        number = int.from_bytes(sha256(tile.encode()).digest()[:8]) % count
        batches.setdefault(f"{number:0{len(str(count))}}of{count}", []).append(tile)
    return dict(sorted(batches.items()))

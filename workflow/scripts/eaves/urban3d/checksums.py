"""Verify a local file against the checksums that an object store reports.

How it works: the ETag of an object that was uploaded in one piece is its MD5, unless the store encrypts it with keys of
a key management service. For a multipart upload of N parts it is `<MD5 of the parts' MD5s>-N`; the store is
asked for the part size, or common sizes are tried. Stores may report further checksums (SHA-256, SHA-1, CRC-32).
"""

import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

from eaves.urban3d.object_store import CHUNK_BYTES, Item, Store

_MD5 = re.compile("[0-9a-f]{32}")
_MULTIPART = re.compile("[0-9a-f]{32}-([1-9][0-9]*)")
# Defaults of upload tools, in MiB and in MB: aws and boto3 8, s3fs 50, rclone 5, s3cmd 15, others.
_COMMON_PART_BYTES = [size * unit for unit in (1 << 20, 10**6) for size in (8, 5, 10, 15, 16, 25, 32, 50, 64, 100, 128)]


def matches(path: Path, item: Item, store: Store) -> bool | None:
    """Compare a local file with an object on the store.

    Args:
        path: The local file.
        item: The object.
        store: The store; asked for details only if the ETag alone is not conclusive.

    Returns:
        Whether they are the same; None if the sizes agree and the store reports no usable checksum.

    Raises:
        InputError: If the store cannot be reached or refuses the request.
    """
    if path.stat().st_size != item.size:
        return False
    plain = bool(_MD5.fullmatch(item.etag))
    if plain and _hashed(path, "md5").hex() == item.etag:
        return True
    details = store.details(item)
    for name, digest in _DIGESTS.items():
        value = details.get(name)
        if value and details.get("ChecksumType") != "COMPOSITE" and "-" not in value:
            return b64encode(digest(path)).decode() == value
    if details.get("ServerSideEncryption") not in (None, "AES256") or "SSECustomerAlgorithm" in details:
        return None  # the ETag is not an MD5
    if plain:
        return False
    if multipart := _MULTIPART.fullmatch(item.etag):
        count, reported = int(multipart[1]), store.part_bytes(item)
        for part_bytes in [reported] if reported else _COMMON_PART_BYTES:
            if -(-item.size // part_bytes) == count:
                if multipart_md5(path, part_bytes) == item.etag:
                    return True
                if reported:
                    return False
    return None


def multipart_md5(path: Path, part_bytes: int) -> str:
    """Compute the ETag that a file gets when uploaded in parts of this size."""
    digests = []
    with path.open("rb") as stream:
        while True:
            digest, left = hashlib.md5(usedforsecurity=False), part_bytes
            while left and (piece := stream.read(min(CHUNK_BYTES, left))):
                digest.update(piece)
                left -= len(piece)
            if left == part_bytes:
                break
            digests.append(digest.digest())
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def _hashed(path: Path, algorithm: str) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).digest()


def _crc32(path: Path) -> bytes:
    value = 0
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK_BYTES):
            value = zlib.crc32(piece, value)
    return value.to_bytes(4, "big")


# The store's name of a checksum -> the function that computes it; the strongest first.
_DIGESTS: dict[str, Callable[[Path], bytes]] = {
    "ChecksumSHA256": partial(_hashed, algorithm="sha256"),
    "ChecksumSHA1": partial(_hashed, algorithm="sha1"),
    "ChecksumCRC32": _crc32,
}

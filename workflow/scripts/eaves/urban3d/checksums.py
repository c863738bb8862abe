"""Whether a file is the one that lies on an object store, by the checksums that the store gives.

How it works: the ETag of a file that was uploaded in one piece is its MD5, unless the store encrypts with keys of a key
service. Of an upload in N parts it is `<MD5 over the parts' MD5s>-N`, and the size of the parts has to be known: the
store tells, or the usual ones are tried. Stores may keep other checksums beside it (SHA-256, SHA-1, CRC-32).
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
# What upload tools take, in MiB and in MB: aws and boto3 8, s3fs 50, rclone 5, s3cmd 15, others.
_USUAL_PART_BYTES = [size * unit for unit in (1 << 20, 10**6) for size in (8, 5, 10, 15, 16, 25, 32, 50, 64, 100, 128)]


def same(path: Path, item: Item, store: Store) -> bool | None:
    """Compares a file with the one on the store.

    Args:
        path: the file here.
        item: the one there.
        store: asked for details only where the ETag alone does not tell.

    Returns:
        None where the size is the same and the store gives nothing else to compare.

    Raises:
        InputError: the store cannot be reached, or refuses.
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
        return None  # then an ETag is no MD5
    if plain:
        return False
    if multipart := _MULTIPART.fullmatch(item.etag):
        count, told = int(multipart[1]), store.part_bytes(item)
        for part_bytes in [told] if told else _USUAL_PART_BYTES:
            if -(-item.size // part_bytes) == count:
                if multipart_md5(path, part_bytes) == item.etag:
                    return True
                if told:
                    return False
    return None


def multipart_md5(path: Path, part_bytes: int) -> str:
    """Gives the ETag of a file that is uploaded in parts of this size."""
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


# The store's name of a checksum -> how it is computed; the strongest comes first.
_DIGESTS: dict[str, Callable[[Path], bytes]] = {
    "ChecksumSHA256": partial(_hashed, algorithm="sha256"),
    "ChecksumSHA1": partial(_hashed, algorithm="sha1"),
    "ChecksumCRC32": _crc32,
}

"""Whether a file is the store's: what each kind of checksum tells."""

import hashlib
import zlib
from base64 import b64encode

import pytest
from object_store import BUCKET

from eaves.urban3d import checksums
from eaves.urban3d.object_store import Item, Store

MIB = 1 << 20
CONTENT = b"123456789"
MD5 = "25f9e794323b453885f5181f1b624d0b"  # md5sum of 123456789
OTHER = "0" * 32


class Told:
    """A store that tells these details."""

    def __init__(self, part_bytes=None, **details):
        self.told, self.parts = details, part_bytes

    def details(self, item):
        return self.told

    def part_bytes(self, item):
        return self.parts


def base64(digest):
    return b64encode(digest).decode()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    ("etag", "details", "expected"),
    [
        (MD5, {}, True),
        (OTHER, {}, False),
        (OTHER, {"ServerSideEncryption": "AES256"}, False),
        (OTHER, {"ServerSideEncryption": "aws:kms"}, None),
        (OTHER, {"SSECustomerAlgorithm": "AES256"}, None),
        (OTHER, {"ChecksumCRC32": base64((0xCBF43926).to_bytes(4, "big"))}, True),  # the CRC's usual check value
        (OTHER, {"ChecksumCRC32": base64(b"0000")}, False),
        ("unknown", {"ChecksumSHA1": base64(hashlib.sha1(CONTENT).digest())}, True),
        ("unknown", {"ChecksumSHA256": base64(hashlib.sha256(CONTENT).digest()), "ChecksumCRC32": "AAAA"}, True),
        ("unknown", {"ChecksumSHA256": base64(bytes(32)), "ServerSideEncryption": "aws:kms"}, False),
        ("unknown", {"ChecksumSHA256": base64(bytes(32)), "ChecksumType": "COMPOSITE"}, None),
        ("unknown", {"ChecksumSHA256": base64(bytes(32)) + "-2"}, None),
        ("unknown", {}, None),
    ],
)
def test_each_checksum_decides_where_it_can(file, etag, details, expected):
    assert zlib.crc32(CONTENT) == 0xCBF43926
    assert checksums.matches(file, Item("key", len(CONTENT), etag), Told(**details)) is expected


def test_another_size_is_another_file_whatever_the_checksum(file):
    assert checksums.matches(file, Item("key", 8, MD5), Told()) is False


def test_the_etag_of_parts_worked_out_by_hand(file):
    digests = b"".join(hashlib.md5(part).digest() for part in (b"1234", b"5678", b"9"))
    expected = hashlib.md5(digests).hexdigest() + "-3"
    assert checksums.multipart_md5(file, 4) == expected
    item = Item("key", len(CONTENT), expected)
    assert checksums.matches(file, item, Told(part_bytes=4)) is True
    assert checksums.matches(file, item, Told()) is None  # no upload tool takes parts of four bytes
    file.write_bytes(b"123456780")
    assert checksums.matches(file, item, Told(part_bytes=4)) is False


def test_parts_as_long_as_the_file_and_longer(file):
    alone = hashlib.md5(hashlib.md5(CONTENT).digest()).hexdigest() + "-1"
    assert checksums.multipart_md5(file, len(CONTENT)) == checksums.multipart_md5(file, 100) == alone


@pytest.mark.parametrize(("part_bytes", "tells"), [(5 * MIB, True), (6 * MIB, True), (5 * MIB, False)])
def test_an_upload_in_parts_is_verified(object_store, tmp_path, monkeypatch, part_bytes, tells):
    content = bytes(range(256)) * (11 * MIB // 256) + b"end"
    object_store.put_in_parts("parts/file", content, part_bytes)
    store = Store(BUCKET, object_store.url)
    (item,) = store.files("parts/")
    assert item.etag.endswith(f"-{-(-len(content) // part_bytes)}")
    if not tells:
        monkeypatch.setattr(store, "part_bytes", lambda item: None)
    path = tmp_path / "file"
    path.write_bytes(content)
    assert checksums.matches(path, item, store) is True
    with path.open("r+b") as stream:
        stream.seek(7 * MIB)
        stream.write(b"!")
    assert checksums.matches(path, item, store) is (False if tells else None)


def test_a_store_that_encrypts_with_a_service_or_tells_a_sha256(object_store, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    object_store.put("kinds/kms", b"987654321", ServerSideEncryption="aws:kms")
    object_store.put("kinds/sha256", b"987654321", ChecksumAlgorithm="SHA256")
    store = Store(BUCKET, object_store.url)
    kms, sha256 = store.files("kinds/")
    assert store.details(sha256)["ChecksumSHA256"]
    assert checksums.matches(path, sha256, store) is False
    assert store.details(kms)["ServerSideEncryption"] == "aws:kms"
    assert checksums.matches(path, kms, store) is False  # by the CRC-32 that botocore uploads along

"""What a transfer does where the disk, the folder or the store is at fault; what it says on its way."""

import errno
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from eaves.core import meter
from eaves.core.errors import InputError
from eaves.core.meter import Meter
from eaves.urban3d import catalogue, transfer
from eaves.urban3d.object_store import Item, Store
from eaves.urban3d.transfer import Transfer

Usage = namedtuple("Usage", "total used free")


class Answering(Store):
    """A store that answers a read with these pieces; an exception among them is raised."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def read(self, item, start=0):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def details(self, item):
        return {}


def test_a_disk_too_small_is_known_before_anything_is_fetched(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: asked.append(folder) or Usage(0, 0, 1_500_000))
    folder = tmp_path / "not" / "there"
    transfers = [Transfer(Item(name, 1_000_000, "e"), folder / name) for name in "ab"]
    with pytest.raises(InputError, match=r"needs 2\.0 MB, but only 1\.5 MB are free there; free 500\.0 kB"):
        transfer.check_space(transfers, folder)
    assert asked == [tmp_path]
    folder.mkdir(parents=True)
    (folder / ".a.e.part").write_bytes(bytes(500_000))  # so much is here already
    transfer.check_space(transfers, folder)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "full"),
            "the file system of .* is full .* the download resumes from here",
        ),
        (OSError(errno.EIO, "bad"), "cannot be written: bad; .*run again: the download resumes from here"),
    ],
)
def test_a_disk_that_fails_on_the_way_is_named_and_what_came_is_kept(tmp_path, error, said):
    path = tmp_path / "new" / "file"
    with pytest.raises(InputError, match=f"{path}: .*{said}"):
        transfer.fetch([Transfer(Item("key", 9, "e"), path)], Answering(b"1234", error))
    assert path.with_name(".file.e.part").read_bytes() == b"1234"
    assert not path.exists()


def test_a_store_that_ends_too_early_is_asked_no_more_than_so_often(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "FIRST_PAUSE_S", 0.001)
    with pytest.raises(InputError, match=r"the connection broke repeatedly \(the response ended early\)"):
        transfer.fetch([Transfer(Item("key", 9, "e"), tmp_path / "file")], Answering(), retries=3)


def test_a_fault_of_one_file_stops_the_others(tmp_path):
    def endless():
        while True:
            yield b"more"

    class OneFails(Answering):
        def read(self, item, start=0):
            return endless() if item.key == "endless" else super().read(item, start)

    transfers = [Transfer(Item(key, 1 << 40, "e"), tmp_path / key) for key in ("endless", "fails", "waits")]
    with pytest.raises(InputError, match="denied"):
        transfer.fetch(transfers, OneFails(InputError("denied")), jobs=2)
    assert not (tmp_path / "waits").exists()


def test_a_file_of_no_bytes_arrives(tmp_path):
    md5_of_nothing = "d41d8cd98f00b204e9800998ecf8427e"
    transfer.fetch([Transfer(Item("key", 0, md5_of_nothing), tmp_path / "file")], Answering(OSError("is not asked")))
    assert (tmp_path / "file").read_bytes() == b""


def test_files_that_could_not_be_verified_are_counted(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(transfer.LOG, "warning", lambda form, *values: said.append(form % values))
    transfers = [Transfer(Item(key, 3, "no checksum"), tmp_path / key) for key in "ab"]
    store = Answering(b"abc")
    transfer.fetch(transfers, store)
    assert transfer.find_missing(transfers, store, jobs=2) == []
    assert said == ["2 files were verified by size only: the store reports no checksum for them"] * 2


def test_the_line_tells_files_bytes_rate_and_time_left(monkeypatch):
    said = []
    monkeypatch.setattr(meter, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr(meter.LOG, "info", lambda form, *values: said.append(form % values))
    with Meter("fetch", 8_000_000, "B", scaled=True, files=4) as shown:
        shown.add(2_000_000, files=1)
        line = shown.line(elapsed_s=4.0)
    assert line == "fetch: 25%, 2.00MB of 8.00MB, 500kB/s, 00:12 left, 1 of 4 files"
    assert re.match("fetch: 25%, 2.00MB of 8.00MB, .* 1 of 4 files", said[0])


def test_a_key_that_leads_out_of_the_folder_is_refused():
    for key in ("p/../../A_RGB.tif", "p//etc/A_RGB.tif"):
        with pytest.raises(InputError, match="leads out of the folder"):
            catalogue.tile_files([Item(key, 1, "e")], "p/")
    (found,) = catalogue.tile_files([Item("p/Inputs/A_rgb.TIF", 1, "e"), Item("p/Inputs/A.txt", 1, "e")], "p/")
    assert (found.tile, found.kind, found.path) == ("A", "RGB", Path("Inputs/A_rgb.TIF"))

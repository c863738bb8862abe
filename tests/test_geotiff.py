"""A raster is read from its own file, by GDAL's GeoTIFF driver: not from others, and not from the net."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from toy import CONFIG, GRID, SCRIPTS, SIZE, environment, read, write_raster

from eaves.core.errors import InputError
from eaves.raster import geotiff
from eaves.tiles import prepare

OTHER = np.full((8, 8), 77, np.uint8)


class Listener:
    """A port of this machine; counts who connects, and tells them nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{1}/x.tif".format(*self._socket.getsockname())
        self.calls = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                self.calls += 1
                caller.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def vrt(path: Path, source: str) -> Path:
    path.write_text(
        f'<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def with_overviews_elsewhere(path: Path, place: str, item: str = "OVERVIEW_FILE") -> Path:
    write_raster(path, np.ones((16, 16), np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", **{item: place})
    return path


def refused(path: Path) -> str:
    """What is said of a raster, of which a smaller picture is asked for as well."""
    with pytest.raises(InputError) as caught, geotiff.open_raster(path) as dataset:
        dataset.read(1, out_shape=(8, 8))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_vrt_by_the_name_of_a_tile_opens_no_other_file_and_no_connection(tmp_path, listener):
    other = write_raster(tmp_path / "other.tif", OTHER)
    for source in (str(other), f"/vsicurl/{listener.url}"):
        path = vrt(tmp_path / "A_RGB.tif", source)
        assert refused(path).startswith(f"{path}: not a GeoTIFF but a VRT, which points to other files; ")
    assert listener.calls == 0


@pytest.mark.parametrize("item", ["OVERVIEW_FILE", "overview_file"])
def test_a_geotiff_that_points_to_another_file_is_refused(tmp_path, listener, item):
    other = write_raster(tmp_path / "other.tif", OTHER)
    for place in (str(other), f"/vsicurl/{listener.url}"):
        path = with_overviews_elsewhere(tmp_path / "A.tif", place, item)
        assert refused(path).startswith(f"{path}: its overviews are in another file; ")
    assert listener.calls == 0


def test_what_lies_beside_a_geotiff_is_not_read(tmp_path, listener):
    path = write_raster(tmp_path / "A.tif", np.ones((16, 16), np.uint8))
    write_raster(tmp_path / "A.tif.ovr", OTHER)
    (tmp_path / "A.tif.aux.xml").write_text(
        "<PAMDataset><GeoTransform>5,1,0,6,0,-1</GeoTransform>"
        f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{listener.url}</MDI></Metadata>'
        '<PAMRasterBand band="1"><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    with geotiff.open_raster(path) as dataset:
        assert (dataset.transform, dataset.nodata) == (GRID["transform"], None)
        assert (dataset.read(1, out_shape=(8, 8)) == 1).all()
        assert dataset.dataset_mask().all()
    assert listener.calls == 0


def test_big_and_big_endian_files_are_geotiffs(tmp_path):
    for number, options in enumerate(
        ({"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}, {"BIGTIFF": "YES", "ENDIANNESS": "BIG"})
    ):
        path = write_raster(tmp_path / f"{number}.tif", OTHER, **options)
        assert (geotiff.read(path) == 77).all()


def test_a_folder_and_a_file_that_may_not_be_read_are_named(tmp_path):
    (tmp_path / "A.tif").mkdir()
    assert refused(tmp_path / "A.tif").startswith(f"{tmp_path / 'A.tif'}: cannot be read (Is a directory)")


def test_an_orthophoto_whose_place_or_mask_is_beside_it_is_refused(raw_tile):
    rgb, folder = raw_tile.rgb, raw_tile.rgb.parent.parent
    mask = rgb.with_name(f"{rgb.name}.msk")
    mask.write_bytes(b"")
    given = (raw_tile, folder / "image.tif", folder / "truth.tif", CONFIG["prepare"])
    with pytest.raises(InputError, match=f"{mask}: a mask in a separate file is not read; "):
        prepare.prepare(*given)
    mask.unlink()
    for kind, raster in (("rgb", read(rgb)), ("dsm", np.zeros((SIZE, SIZE), np.float32))):
        path = getattr(raw_tile, kind)
        good = path.read_bytes()
        write_raster(path, raster, transform=None)
        world = path.with_suffix(".tfw")
        world.write_text("0.5\n0\n0\n-0.5\n440000.25\n3359999.75\n")
        with pytest.raises(InputError, match=f"{path}: not georeferenced, and {world.name} beside it is not"):
            prepare.prepare(*given)
        path.write_bytes(good)


def test_coordinates_are_transformed_without_the_net():
    asked = "import eaves.raster.grids, pyproj.network as n; assert not n.is_network_enabled()"
    done = subprocess.run([sys.executable, "-c", asked], cwd=SCRIPTS, env=environment() | {"PROJ_NETWORK": "ON"})
    assert done.returncode == 0

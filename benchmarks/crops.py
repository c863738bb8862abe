"""Time cutting a training crop from a prepared tile against reading and decoding the whole tile for every crop.

The latter is what the challenge's winner did: read RGB, DSM, DTM and classes, stack them, mirror the border, crop. Both
run alternately in one process on the same synthetic tile, with the files in the page cache.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from _timing import compare
from affine import Affine
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.raster import geotiff
from eaves.tiles import crops, prepare
from eaves.tiles.discovery import TileFiles

PREPARE = {"bands": [1, 2, 3], "rgb_range": "auto", "rgb_percentiles": [0.5, 99.5]}
BORDER_PX = 12


def make_tile(folder: Path, size: int) -> TileFiles:
    """Write raw files that compress about as well as real ones: smooth noise with grain."""
    generator = np.random.default_rng(1)
    smooth = ndimage.zoom(generator.uniform(0, 255, (size // 16, size // 16)), 16, order=1)[:size, :size]
    grid = {"crs": "EPSG:32617", "transform": Affine(0.5, 0, 4e5, 0, -0.5, 3e6), "width": size, "height": size}
    rgb = np.clip(smooth + generator.normal(0, 8, (3, size, size)), 0, 255).astype(np.uint8)
    with geotiff.create_raster(folder / "A_RGB.tif", dtype="uint8", count=3, **grid, **geotiff.COMPACT) as out:
        out.write(rgb)
    buildings = ndimage.label(smooth > 150)[0].astype(np.uint16)
    heights = (smooth / 20 + generator.normal(0, 0.1, smooth.shape)).astype(np.float32)
    geotiff.write(folder / "A_DSM.tif", heights + 50, grid, nodata=-32767, predictor=3)
    geotiff.write(folder / "A_DTM.tif", np.full_like(heights, 50), grid, nodata=-32767, predictor=3)
    geotiff.write(folder / "A_GTI.tif", buildings, grid)
    geotiff.write(folder / "A_GTL.tif", np.where(buildings, 6, 2).astype(np.uint8), grid)
    return TileFiles(*(folder / f"A_{kind}.tif" for kind in ("RGB", "DSM", "DTM", "GTI", "GTL")))


def whole_tile_crop(files: TileFiles, top: int, left: int, crop_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Read, stack, mirror and cut a whole tile: return a float32 crop and its mask."""
    with geotiff.open_raster(files.rgb) as dataset:
        rgb = dataset.read()
    height = (geotiff.read(files.dsm) - geotiff.read(files.dtm)) / 9
    image = np.concatenate([rgb.astype(np.float32) / 255, height[None]]).transpose(1, 2, 0)
    mask = geotiff.read(files.gtl) == 6
    border = ((BORDER_PX, BORDER_PX), (BORDER_PX, BORDER_PX))
    image, mask = np.pad(image, (*border, (0, 0)), mode="reflect"), np.pad(mask, border, mode="reflect")
    window = np.s_[top + BORDER_PX :, left + BORDER_PX :]
    return image[window][:crop_px, :crop_px], mask[window][:crop_px, :crop_px]


def main() -> None:
    """Print the two medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="pixels per side of the tile (default: %(default)s)")
    parser.add_argument("--crop", type=int, default=1024, help="pixels per side of the crop (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=15, help="alternating runs of each (default: %(default)s)")
    arguments = parser.parse_args()

    generator = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make_tile(folder, arguments.size)
        prepare.prepare(files, folder / "A_image.tif", folder / "A_truth.tif", PREPARE)
        tile = crops.open_tile(folder, "A")
        for _ in range(3):
            corner = [crops.random_corner(generator, arguments.size, arguments.crop, BORDER_PX) for _ in range(2)]
            cut, whole = crops.cut_crop(tile, *corner, arguments.crop), whole_tile_crop(files, *corner, arguments.crop)
            assert np.array_equal(cut[1] == 1, whole[1])
        ours_s, baseline_s = compare(
            lambda: crops.cut_crop(tile, *corner, arguments.crop),
            lambda: whole_tile_crop(files, *corner, arguments.crop),
            arguments.runs,
        )
    print(f"a crop of {arguments.crop} px from a tile of {arguments.size} px")
    print(f"whole tile read {baseline_s * 1e3:7.1f} ms")
    print(f"eaves           {ours_s * 1e3:7.1f} ms   {baseline_s / ours_s:.0f} times as fast")


if __name__ == "__main__":
    main()

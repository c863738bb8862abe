"""Measure the outline tool's peak memory and time for few and many tiles, in every format.

Peak memory must not grow with the number of tiles.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from outlines import make_labels

from eaves.raster import geotiff

TOOL = Path(__file__).parents[1] / "workflow" / "scripts" / "outline.py"
ENDINGS = ("gpkg", "parquet", "geojson", "city.jsonl")
# In a process of its own, because ru_maxrss of the children is the maximum over all of them.
MEASURE = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def measure(
    labels: Path, heights: Path, count: int, endings: tuple[str, ...], regularize_m: float
) -> tuple[float, float]:
    """Outline `count` copies of a tile; return peak memory in megabytes and seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, source in (("labels", labels), ("heights", heights)):
            (folder / kind).mkdir()
            for number in range(count):
                (folder / kind / f"t_{number:05d}.tif").symlink_to(source)
        outputs = [str(folder / f"buildings.{ending}") for ending in endings]
        command = [str(TOOL), "--labels", str(folder / "labels"), "--heights", str(folder / "heights")]
        command += ["--regularize", str(regularize_m), "--output", *outputs]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return float(done.stdout), time.perf_counter() - start


def main() -> None:
    """Print a row for each format and one for all together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, nargs="+", default=[10, 100], help="numbers of tiles (default: 10 100)")
    parser.add_argument("--size", type=int, default=512, help="pixels per side (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=100, help="buildings per tile (default: %(default)s)")
    parser.add_argument(
        "--regularize", type=float, default=0, help="tolerance, m; 0 for exact outlines (default: %(default)s)"
    )
    parser.add_argument("--together", action="store_true", help="measure only all formats together")
    arguments = parser.parse_args()

    labels = make_labels(arguments.size, arguments.buildings, 0.5, seed=1)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{kind}.tif" for kind in ("labels", "heights")]
        on_grid = {
            "crs": geotiff.rasterio.CRS.from_epsg(32617),
            "transform": geotiff.rasterio.Affine(0.5, 0, 440_000, 0, -0.5, 3_360_000),
            "width": arguments.size,
            "height": arguments.size,
        }
        geotiff.write(paths[0], labels, on_grid)
        geotiff.write(paths[1], np.where(labels > 0, np.float32(6.5), np.float32(0)), on_grid)
        choices = [ENDINGS] if arguments.together else [*((ending,) for ending in ENDINGS), ENDINGS]
        for endings in choices:
            rows = [measure(*paths, count, endings, arguments.regularize) for count in arguments.tiles]
            cells = ", ".join(
                f"{count} tiles {peak:.0f} MB {seconds:.1f} s"
                for count, (peak, seconds) in zip(arguments.tiles, rows, strict=True)
            )
            print(f"{' + '.join(endings):<38} {cells}", flush=True)


if __name__ == "__main__":
    main()

"""Time outlines, alone and with all attributes, against rasterio, shapely and SciPy on a synthetic tile.

Both follow the pixel edges and must produce the same polygons and attributes. They run alternately in one process.
"""

import argparse
import sys
from pathlib import Path

import geopandas
import numpy as np
import rasterio.features
import shapely
import shapely.geometry
from _timing import compare
from rasterio import Affine
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.vector.polygonize import outlines, polygons

GRID = Affine(0.5, 0, 440_000, 0, -0.5, 3_360_000)


def make_labels(size: int, buildings: int, ragged: float, seed: int) -> np.ndarray:
    """Draw boxes with ragged edges, some with a courtyard: (size, size) int32, each id one 4-connected region."""
    generator = np.random.default_rng(seed)
    per_side = round(buildings**0.5)
    step = size // per_side
    boxes = np.zeros((size, size), np.float32)
    for row, column in np.ndindex(per_side, per_side):
        height, width = generator.integers(step // 3, step * 2 // 3, 2)
        top, left = row * step + step // 6, column * step + step // 6
        boxes[top : top + height, left : left + width] = 1
        if generator.random() < 0.1:
            boxes[top + height // 3 : top + height * 2 // 3, left + width // 3 : left + width * 2 // 3] = 0
    waves = ndimage.gaussian_filter(generator.standard_normal((size, size)).astype(np.float32), 2)
    labels, _ = ndimage.label(ndimage.gaussian_filter(boxes, 2) + ragged * waves > 0.5)
    return labels.astype(np.int32)


def with_rasterio(labels: np.ndarray) -> list[tuple[int, shapely.Polygon]]:
    """Outline the buildings as in rasterio's documentation."""
    found = rasterio.features.shapes(labels, mask=labels > 0)
    return sorted(
        ((int(number), shapely.geometry.shape(outline)) for outline, number in found), key=lambda item: item[0]
    )


def measure_with_scipy(
    labels: np.ndarray, height_m: np.ndarray, probability: np.ndarray, ground_m: np.ndarray
) -> geopandas.GeoDataFrame:
    """Outline and measure the buildings as in the libraries' documentation."""
    found = rasterio.features.shapes(labels, mask=labels > 0, transform=GRID)
    features = [{"geometry": shape, "properties": {"id": int(number)}} for shape, number in found]
    frame = geopandas.GeoDataFrame.from_features(features, crs="EPSG:32617").sort_values("id", ignore_index=True)
    ids = frame["id"].to_numpy()
    frame["area_m2"], frame["perimeter_m"] = frame.area, frame.length
    frame["height_m"] = ndimage.median(height_m, labels, ids)
    frame["height_p95_m"] = ndimage.labeled_comprehension(
        height_m, labels, ids, lambda roof: np.quantile(roof, 0.95), float, np.nan
    )
    frame["ground_m"] = ndimage.median(ground_m, labels, ids)
    frame["confidence"] = ndimage.mean(probability, labels, ids)
    return frame


def main() -> None:
    """Print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="pixels per side (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=560, help="number of boxes (default: %(default)s)")
    parser.add_argument("--ragged", type=float, default=0.5, help="0: straight edges, 2: ragged (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=9, help="alternating runs of each (default: %(default)s)")
    arguments = parser.parse_args()

    labels = make_labels(arguments.size, arguments.buildings, arguments.ragged, seed=1)
    ours, baseline = polygons(labels), with_rasterio(labels)  # the first call also compiles
    if len(ours) != len(baseline) or not all(
        i == j and one.equals(other) for (i, one), (j, other) in zip(ours, baseline, strict=True)
    ):
        sys.exit("error: the polygons differ")
    ours_s, baseline_s = compare(lambda: polygons(labels), lambda: with_rasterio(labels), arguments.runs)
    print(f"{arguments.size} px, {len(ours)} outlines, all equal")
    print(f"rasterio + shapely {baseline_s * 1e3:7.1f} ms")
    print(f"eaves              {ours_s * 1e3:7.1f} ms   {baseline_s / ours_s:.1f} times as fast")

    generator = np.random.default_rng(1)
    height_m, probability, ground_m = generator.uniform(0, 20, (3, *labels.shape)).astype(np.float32)

    def ours_measured() -> geopandas.GeoDataFrame:
        return outlines(labels, GRID, "EPSG:32617", "t", height_m, probability, ground_m)

    def baseline_measured() -> geopandas.GeoDataFrame:
        return measure_with_scipy(labels, height_m, probability, ground_m)

    mine, theirs = ours_measured(), baseline_measured()
    for name in ("id", "area_m2", "perimeter_m", "height_m", "height_p95_m", "ground_m", "confidence"):
        if not np.allclose(mine[name], theirs[name], rtol=1e-5):
            sys.exit(f"error: the values of {name} differ")
    ours_s, baseline_s = compare(ours_measured, baseline_measured, arguments.runs)
    print("with all attributes:")
    print(f"rasterio + geopandas + scipy {baseline_s * 1e3:7.1f} ms")
    print(f"eaves                        {ours_s * 1e3:7.1f} ms   {baseline_s / ours_s:.1f} times as fast")


if __name__ == "__main__":
    main()

"""Compare straight walls by Eaves with those by buildingregulariser, on the buildings of generated towns.

The output for each is the time per building; distance from the exact outline (Hausdorff distance of the boundaries,
without holes up to the tolerance) and the share of buildings beyond the tolerance; IoU with the exact outline; pairs of
buildings that overlap; number of large holes lost.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import geopandas
import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
import buildingregulariser

from eaves.raster import geotiff
from eaves.vector.polygonize import polygons
from eaves.walls.regularize import fill_holes, regularize
from towns import make_scene

PIXEL_M = 0.5
PIXEL_TO_M = np.array([[PIXEL_M, 0], [0, -PIXEL_M]])


def by_eaves(exact: np.ndarray, tolerance_m: float, size: tuple[int, int]) -> np.ndarray:
    """Regularize outlines with Eaves; return polygons in metres."""
    found, _ = regularize(exact, PIXEL_TO_M, tolerance_m, size)
    return shapely.transform(found, lambda corners: corners @ PIXEL_TO_M.T)


def by_library(exact: np.ndarray, tolerance_m: float, size: tuple[int, int]) -> np.ndarray:
    """Regularize outlines with buildingregulariser in one process, and join the parts of a building again."""
    frame = geopandas.GeoDataFrame({"number": np.arange(len(exact))}, geometry=exact, crs="EPSG:32617")
    frame.geometry = shapely.transform(exact, lambda corners: corners @ PIXEL_TO_M.T)
    done = buildingregulariser.regularize_geodataframe(
        frame, parallel_threshold=tolerance_m, simplify_tolerance=tolerance_m / 2, allow_circles=False, num_cores=1
    )
    parts = done.geometry.to_numpy()
    return np.array([shapely.union_all(parts[done["number"] == number]) for number in range(len(exact))], object)


def summarize(name: str, results: list[tuple[np.ndarray, np.ndarray]], seconds: float, tolerance_m: float) -> str:
    """Return a line of figures over all tiles, given pairs of exact and regularized outlines in metres."""
    away, iou, overlaps, holes, lost, invalid = [], [], 0, 0, 0, 0
    for exact, found in results:
        for one, other in zip(exact, found, strict=True):
            kept, drawn = fill_holes(one, tolerance_m), fill_holes(other, tolerance_m)
            away.append(shapely.hausdorff_distance(kept.boundary, drawn.boundary, densify=0.02))
            iou.append(one.intersection(other).area / one.union(other).area)
            before, after = (sum(len(part.interiors) for part in shapely.get_parts(shape)) for shape in (kept, drawn))
            holes, lost = holes + before, lost + max(0, before - after)
        first, second = shapely.STRtree(found).query(found, predicate="intersects")
        common = shapely.intersection(found[first[first < second]], found[second[first < second]], grid_size=1e-6)
        overlaps += int((shapely.area(common) > 1e-4).sum())
        invalid += int((~shapely.is_valid(found)).sum())
    return (
        f"{name:<20} {1e3 * seconds / len(away):5.2f} ms per building, distance: median {np.median(away):.2f} m, "
        f"maximum {max(away):.2f} m, beyond tolerance {np.mean(np.array(away) > tolerance_m):.0%}; "
        f"IoU mean {np.mean(iou):.3f}, minimum {min(iou):.3f}; "
        f"{overlaps} overlaps, {lost} of {holes} holes lost, {invalid} invalid"
    )


def main() -> None:
    """Print a line for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="folder of labels, 0.5 m pixels (default: generated towns)")
    parser.add_argument("--towns", type=int, default=3, help="number of generated towns (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1.0, help="metres (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.labels:
        tiles = [geotiff.read(path).astype(np.int32) for path in sorted(arguments.labels.glob("*.tif"))]
    else:
        tiles = [np.abs(make_scene(seed, 512).truth) for seed in range(1, arguments.towns + 1)]
    outlines = [np.array([shape for _, shape in polygons(labels)], object) for labels in tiles]
    print(f"{sum(map(len, outlines))} buildings, tolerance {arguments.tolerance} m")
    by_eaves(outlines[0], arguments.tolerance, tiles[0].shape)  # compiles
    for name, draw in (("buildingregulariser", by_library), ("eaves", by_eaves)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's, about shapes that it returns unchanged
            start = time.perf_counter()
            found = [
                draw(exact, arguments.tolerance, labels.shape) for exact, labels in zip(outlines, tiles, strict=True)
            ]
            seconds = time.perf_counter() - start
        exact_m = [shapely.transform(exact, lambda corners: corners @ PIXEL_TO_M.T) for exact in outlines]
        print(summarize(name, list(zip(exact_m, found, strict=True)), seconds, arguments.tolerance))


if __name__ == "__main__":
    main()

"""Times the separation into buildings against the plain scipy and scikit-image recipe on a generated tile.

Both run alternately in one process; the ratio of the medians is printed, and by how many pixels they differ.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _timing import compare
from scipy import ndimage
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.separation.watershed import separate


def make_probability(size: int, buildings: int, noise: float, seed: int) -> np.ndarray:
    """Draw blurred boxes, three in ten of which reach their neighbour, with noise: (size, size) float32, 0..1."""
    generator = np.random.default_rng(seed)
    per_side = round(buildings**0.5)
    step = size / per_side
    probability = np.zeros((size, size), np.float32)
    for row, column in np.ndindex(per_side, per_side):
        height, width = generator.uniform(0.3, 0.5, 2) * step
        if generator.random() < 0.3:
            width = step
        top, left = row * step + generator.uniform(0, step - height), column * step + generator.uniform(0, step - width)
        probability[int(top) : int(top + height), int(left) : int(left + width)] = 1
    waves = ndimage.gaussian_filter(generator.standard_normal((size, size)).astype(np.float32), 2)
    return np.clip(ndimage.gaussian_filter(probability, 2) + noise * waves, 0, 1)


def by_the_recipe(probability: np.ndarray) -> np.ndarray:
    """Do what the challenge's winner did, with the libraries' own functions."""
    seeds, _ = ndimage.label(remove_small_objects(probability > 0.7, max_size=99))
    space = remove_small_objects(probability > 0.3, max_size=119)
    return watershed(space.astype(np.uint8), seeds, mask=space, watershed_line=True)


def main() -> None:
    """Print the two medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="pixels a side (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=870, help="number of boxes (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=0.5, help="0: clean edges, 2: ragged (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=9, help="alternating runs of each (default: %(default)s)")
    arguments = parser.parse_args()

    probability = make_probability(arguments.size, arguments.buildings, arguments.noise, seed=1)
    ours, usual = separate(probability), by_the_recipe(probability)  # compiles, too
    differ = int(((ours > 0) != (usual > 0)).sum())
    ours_s, usual_s = compare(lambda: separate(probability), lambda: by_the_recipe(probability), arguments.runs)
    print(f"{arguments.size} px, {ours.max()} buildings; ground or building differs in {differ} px")
    print(f"scipy + scikit-image {usual_s * 1e3:7.1f} ms")
    print(f"eaves                {ours_s * 1e3:7.1f} ms   {usual_s / ours_s:.1f} times as fast")


if __name__ == "__main__":
    main()

"""Time the separation into buildings against the same steps in SciPy and scikit-image on a synthetic tile.

Both run alternately in one process. The output is the medians and the number of pixels in which the results differ.
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
    """Draw blurred boxes with noise, three in ten of which touch their neighbour: (size, size) float32, 0..1."""
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


def original_method(probability: np.ndarray) -> np.ndarray:
    """Separate as the challenge's winner did, with the libraries' own functions."""
    seeds, _ = ndimage.label(remove_small_objects(probability > 0.7, max_size=99))
    space = remove_small_objects(probability > 0.3, max_size=119)
    return watershed(space.astype(np.uint8), seeds, mask=space, watershed_line=True)


def main() -> None:
    """Print the two medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="pixels per side (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=870, help="number of boxes (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=0.5, help="0: clean edges, 2: ragged (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=9, help="alternating runs of each (default: %(default)s)")
    arguments = parser.parse_args()

    probability = make_probability(arguments.size, arguments.buildings, arguments.noise, seed=1)
    ours, baseline = separate(probability), original_method(probability)  # the first call also compiles
    differ = int(((ours > 0) != (baseline > 0)).sum())
    ours_s, baseline_s = compare(lambda: separate(probability), lambda: original_method(probability), arguments.runs)
    print(f"{arguments.size} px, {ours.max()} buildings; building and ground differ in {differ} px")
    print(f"scipy + scikit-image {baseline_s * 1e3:7.1f} ms")
    print(f"eaves                {ours_s * 1e3:7.1f} ms   {baseline_s / ours_s:.1f} times as fast")


if __name__ == "__main__":
    main()

"""Time the challenge's score of one tile against the same rules in plain numpy and SciPy, and all metrics together.

The plain version counts overlaps with np.bincount and np.unique on packed pairs, and labels the bounding box of each
prediction to check that it is connected. Both run alternately in one process. The challenge's own scorer is not run:
its time is a constant, measured on another machine (see OFFICIAL_S).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _timing import compare
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.metrics.challenge import score_overlaps, score_tile
from eaves.metrics.figures import figures
from eaves.metrics.measure import measure_tile

OFFICIAL_S = 0.6
"""The challenge's published scorer (version 1.1, Java), seconds for a tile of 2048 x 2048 px with about 560 true and
450 predicted buildings. Measured once on another 2-core machine, so the ratio is only a rough guide."""
MISSED = 5
"""Every fifth building is not predicted, which gives about as many as in that measurement."""


def make_tile(size: int, buildings: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw boxes as truth, and most of them shifted by up to 4 px as the solution: two (size, size) int32."""
    generator = np.random.default_rng(seed)
    per_side = round(buildings**0.5)
    step = size // per_side
    truth, solution = np.zeros((2, size, size), np.int32)
    for number, (row, column) in enumerate(np.ndindex(per_side, per_side), start=1):
        height, width = generator.integers(step // 3, step // 2, 2)
        top, left = row * step + step // 4, column * step + step // 4
        truth[top : top + height, left : left + width] = number
        down, right = generator.integers(-4, 5, 2)
        if number % MISSED == 0:
            continue
        solution[top + down : top + down + height, left + right : left + right + width] = number
    return truth, solution


def plain_score(truth: np.ndarray, solution: np.ndarray) -> tuple[int, int, int]:
    """Count true positives, false positives and false negatives, without uncertain buildings and out-of-map pixels."""
    truth_px, solution_px = np.bincount(truth.ravel()), np.bincount(solution.ravel())
    truth_ids, solution_ids = np.flatnonzero(truth_px)[1:], np.flatnonzero(solution_px)[1:]
    both = (truth > 0) & (solution > 0)
    packed, shared = np.unique(solution[both].astype(np.int64) * truth_px.size + truth[both], return_counts=True)
    pairs = np.divmod(packed, truth_px.size)
    skipped = {
        number
        for number, box in enumerate(ndimage.find_objects(solution), start=1)
        if box is not None and ndimage.label(solution[box] == number)[1] > 1
    }
    edge = set(np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]])))
    uncertain = {number for number in truth_ids if number in edge and truth_px[number] < 100}
    iou = shared / (solution_px[pairs[0]] + truth_px[pairs[1]] - shared)
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for at in np.lexsort((pairs[1], -iou, pairs[0])):
        number, building = pairs[0][at], pairs[1][at]
        if iou[at] > 0.45 and number not in skipped and number not in matched and building not in taken:
            matched[number] = building
            taken.add(building)
    tp = sum(building not in uncertain for building in matched.values())
    return tp, solution_ids.size - len(skipped) - len(matched), truth_ids.size - len(uncertain | taken)


def main() -> None:
    """Print the two medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="pixels per side (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=560, help="number of boxes (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=9, help="alternating runs of each (default: %(default)s)")
    arguments = parser.parse_args()

    truth, solution = make_tile(arguments.size, arguments.buildings, seed=1)
    score = score_tile(truth, solution)  # the first call also compiles
    if score is None or (score.tp, score.fp, score.fn) != plain_score(truth, solution):
        sys.exit(f"error: the scores differ: {score} and {plain_score(truth, solution)}")
    ours_s, baseline_s = compare(
        lambda: score_tile(truth, solution), lambda: plain_score(truth, solution), arguments.runs
    )
    found = np.unique(solution).size - 1
    print(f"{arguments.size} px, {truth.max()} true and {found} predicted buildings; both score {score}")
    print(f"plain numpy + scipy     {baseline_s * 1e3:7.1f} ms")
    print(f"eaves, the score        {ours_s * 1e3:7.1f} ms   {baseline_s / ours_s:.1f} times as fast")
    if (arguments.size, arguments.buildings) == (2048, 560):
        ratio = OFFICIAL_S / ours_s
        print(
            f"the challenge's scorer  {OFFICIAL_S * 1e3:7.1f} ms   on another machine; eaves: {ratio:.0f} times as fast"
        )

    probability = np.random.default_rng(2).random(truth.shape, np.float32)
    out_of_map = np.zeros(truth.shape, bool)
    out_of_map[: arguments.size // 8, : arguments.size // 4] = True

    def everything() -> None:
        measured, overlaps = measure_tile(truth, solution, out_of_map, probability)
        score_overlaps(overlaps)
        figures(measured)

    everything()  # compiles
    all_s, _ = compare(everything, lambda: None, arguments.runs)
    print(f"eaves, all metrics      {all_s * 1e3:7.1f} ms   with confidence, boundaries and out-of-map pixels")


if __name__ == "__main__":
    main()

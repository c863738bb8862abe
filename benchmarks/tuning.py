"""Time the threshold search against separating and scoring one combination after another, on a synthetic tile.

The search covers all combinations in config.yaml. The baseline runs a random sample of them with the library's own
functions, and its time is scaled up. Both run alternately and must give the same counts.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
from _timing import compare
from separation import make_probability

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))
from eaves.core import config
from eaves.labels.overlaps import TruthSide
from eaves.metrics.challenge import challenge_rules, score_tile
from eaves.separation.grid_search import count_outcomes
from eaves.separation.thresholds import combinations
from eaves.separation.watershed import separate


def main() -> None:
    """Print the two medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="pixels per side (default: %(default)s)")
    parser.add_argument("--buildings", type=int, default=870, help="number of boxes (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=0.5, help="0: clean edges, 2: ragged (default: %(default)s)")
    parser.add_argument(
        "--sample", type=int, default=40, help="number of combinations in the baseline (default: %(default)s)"
    )
    parser.add_argument("--runs", type=int, default=3, help="alternating runs of each (default: %(default)s)")
    arguments = parser.parse_args()

    blocks = config.section(None, "separate", "threshold_search", "score")
    rules, searched = challenge_rules(blocks["score"]), combinations(blocks["threshold_search"], blocks["separate"])
    probability = make_probability(arguments.size, arguments.buildings, arguments.noise, seed=1)
    truth = separate(make_probability(arguments.size, arguments.buildings, 0, seed=1), low=0.5)
    picked = sorted(random.Random(1).sample(range(len(searched)), arguments.sample))

    def ours() -> np.ndarray:
        return count_outcomes(probability, TruthSide(truth), searched, rules)

    def plain() -> list[list[int]]:
        scores = [score_tile(truth, separate(probability, *searched[place]), **rules) for place in picked]
        return [[score.tp, score.fp, score.fn, 1] for score in scores if score is not None]

    if ours()[picked].tolist() != plain():  # the first call also compiles
        sys.exit("error: the counts differ")
    ours_s, sample_s = compare(ours, plain, arguments.runs)
    plain_s = sample_s / arguments.sample * len(searched)
    print(f"{arguments.size} px, {len(searched)} combinations")
    print(f"one by one {plain_s:7.2f} s   ({arguments.sample} timed)")
    print(f"eaves      {ours_s:7.2f} s   {plain_s / ours_s:.0f} times as fast")


if __name__ == "__main__":
    main()

"""The search over thresholds counts what separating and scoring one by one counts, whatever is on the tile."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from test_watershed import field

from eaves.labels.overlaps import TruthSide
from eaves.metrics.challenge import score_tile
from eaves.separation.grid_search import COUNTS, count_outcomes
from eaves.separation.thresholds import Thresholds, combinations
from eaves.separation.watershed import separate

CONFIGURED = {"low": 0.3, "high": 0.7, "min_seed_px": 6, "min_area_px": 20, "match_original": False}
GRID = {"low": [0.1, 0.5, 0.3], "high": [0.4, 0.7, 0.9], "min_seed_px": [1, 6, 30], "min_area_px": [1, 20, 90, 10_000]}
RULES = [{"iou_threshold": threshold, "large_uncertain": large} for threshold in (0.1, 0.45) for large in (False, True)]


def truth_near(probability, seed):
    """Buildings like those that will be found, moved, some of them uncertain, with sparse ids."""
    generator = np.random.default_rng(seed)
    labels, n = ndimage.label(np.roll(probability, generator.integers(-3, 4, 2), (0, 1)) > generator.uniform(0.3, 0.7))
    ids = np.sort(generator.choice(10**6, n, replace=False) + 1) * np.where(generator.random(n) < 0.2, -1, 1)
    return np.concatenate([[0], ids])[labels].astype(np.int32)


@given(seed=st.integers(0, 10**6), rules=st.sampled_from(RULES), hidden=st.booleans())
@settings(max_examples=12, deadline=None)
def test_counts_are_those_of_separating_and_scoring_one_by_one(seed, rules, hidden):
    probability = field(seed, (70, 90))
    truth = truth_near(probability, seed)
    unknown = field(seed + 1, (70, 90)) > 0.9 if hidden else None
    if hidden:
        probability[unknown] = 0
    searched = combinations(GRID, CONFIGURED)
    found = count_outcomes(probability, TruthSide(truth, unknown), searched, rules)
    outcomes = set()
    for one, counts in zip(searched, found, strict=True):
        score = score_tile(truth, separate(probability, **one._asdict()), unknown, **rules)
        assert score is not None
        assert dict(zip(COUNTS, counts.tolist(), strict=True)) == vars(score) | {"scored": 1}, one
        outcomes.add(tuple(counts))
    assert len(outcomes) > 3, "the thresholds make a difference here"


def test_a_tile_without_a_building_on_either_side_is_not_scored():
    probability, nothing = np.full((20, 30), 0.6, np.float32), np.zeros((20, 30), np.int32)
    searched = [Thresholds(0.5, 0.55, 10, 10), Thresholds(0.5, 0.55, 10, 601), Thresholds(0.5, 0.7, 10, 10)]
    found = count_outcomes(probability, TruthSide(nothing), searched, RULES[0])
    assert found.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    one_missed = TruthSide(np.pad(np.ones((9, 9), np.int32), 5))
    found = count_outcomes(np.zeros((19, 19), np.float32), one_missed, searched, RULES[0])
    assert found.tolist() == [[0, 0, 1, 1]] * 3


def test_combinations_hold_the_configured_one_and_none_that_cannot_be():
    grid = {"low": [0.6, 0.2, 0.2], "high": [0.5], "min_seed_px": [9], "min_area_px": [30, 4]}
    found = combinations(grid, CONFIGURED)
    assert found == sorted(set(found))
    assert Thresholds(0.3, 0.7, 6, 20) in found
    assert {one[:2] for one in found} == {(0.2, 0.5), (0.2, 0.7), (0.3, 0.5), (0.3, 0.7), (0.6, 0.7)}
    assert {one[2:] for one in found} == {(seed, area) for seed in (6, 9) for area in (4, 20, 30)}

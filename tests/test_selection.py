"""The choice of thresholds: the best, but no step away from the configured ones for nothing, and an honest gain."""

import json

import numpy as np
import pandas as pd
import pytest

from eaves.core.errors import InputError
from eaves.metrics.challenge import TileScore
from eaves.plots.thresholds import CELL_PX, CHOSEN, CONFIGURED, MARGIN_PX, draw
from eaves.separation.grid_search import COUNTS
from eaves.separation.selection import choose, cross_validate, f_scores, mean_over_tiles, read_counts
from eaves.separation.thresholds import Thresholds, resolve_thresholds

LOWS = [0.1, 0.2, 0.3, 0.4, 0.5]
SEARCHED = [Thresholds(low, 0.7, 100, 120) for low in LOWS]
CONFIGURED_LOW = SEARCHED[2]
BLOCK = {"low": 0.3, "high": 0.7, "min_seed_px": 100, "min_area_px": 120, "match_original": False}


@pytest.mark.parametrize("counts", [(3, 1, 2), (0, 4, 1), (0, 0, 0), (5, 0, 0)])
def test_f_scores_are_the_scorers(counts):
    assert f_scores(np.array([*counts, 1])) == pytest.approx(TileScore(*counts).f_score)
    assert np.isnan(f_scores(np.array([0, 0, 0, 0])))


def test_tiles_that_are_not_scored_do_not_count():
    nan = np.nan
    np.testing.assert_array_equal(mean_over_tiles(np.array([[1, nan, nan], [0.5, 0.25, nan]])), [0.75, 0.25, -np.inf])


@pytest.mark.parametrize(
    ("means", "tolerance", "chosen"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.9], 0, 4),  # the best, however far
        ([0.9, 0.5, 0.5, 0.5, 0.9], 0, 0),  # equally good and near: the first
        ([0.9, 0.5, 0.5, 0.9, 0.9], 0, 3),  # equally good: the nearest
        ([0.9, 0.5, 0.9, 0.9, 0.9], 0, 2),  # the configured one is as good as any
        ([0.5, 0.5, 0.5, 0.89, 0.9], 0.02, 3),  # near enough to the best, and nearer
        ([0.5, 0.5, 0.885, 0.89, 0.9], 0.02, 2),
        ([0.5, 0.89, 0.5, 0.895, 0.9], 0.02, 3),  # equally near: the better
        ([0.5, 0.5, 0.5, 0.87, 0.9], 0.02, 4),
    ],
)
def test_the_choice(means, tolerance, chosen):
    f_score = np.array([means, means]) + np.array([[0.05], [-0.05]])
    assert choose(f_score, SEARCHED, CONFIGURED_LOW, tolerance) == chosen


def test_distance_is_counted_in_steps_of_the_grid():
    searched = [Thresholds(low, 0.7, seed, 120) for low in (0.1, 0.3, 0.31) for seed in (1, 100, 200)]
    here = searched.index(Thresholds(0.3, 0.7, 100, 120))
    means = np.full((1, 9), 0.5)
    means[0, searched.index(Thresholds(0.31, 0.7, 200, 120))] = 0.9  # two steps, though small ones
    means[0, searched.index(Thresholds(0.1, 0.7, 100, 120))] = 0.9  # one step
    assert searched[choose(means, searched, searched[here], 0)].low == 0.1


def test_the_gain_is_measured_where_the_choice_was_not_made():
    # Fold 0 is best at 0.1 and fold 1 at 0.5, so each fold is scored by the other's choice: 0.2 and 0.4.
    f_score = np.array([[0.9, 0.5, 0.5, 0.5, 0.2], [0.9, 0.5, 0.5, 0.5, 0.2], [0.4, 0.5, 0.5, 0.5, 0.9]])
    gain = cross_validate(f_score, np.array([0, 0, 1]), SEARCHED, CONFIGURED_LOW, 0)
    assert gain.chosen == {0: 4, 1: 0}
    assert gain.f_score == pytest.approx((0.2 + 0.2 + 0.4) / 3)
    assert mean_over_tiles(f_score).max() == pytest.approx((0.9 + 0.9 + 0.4) / 3), "the gain by looking at all"


def test_nothing_to_tune_on_is_told():
    with pytest.raises(InputError, match="no training tile has a building"):
        choose(np.full((2, 5), np.nan), SEARCHED, CONFIGURED_LOW, 0)


def table(path, tile, searched, counts):
    columns = pd.DataFrame(searched, columns=list(Thresholds._fields)).assign(tile=tile)
    columns.assign(**dict(zip(COUNTS, np.array(counts).T, strict=True))).to_csv(path, index=False)
    return path


def test_tables_are_read_in_any_order_and_those_of_another_grid_refused(tmp_path):
    counts = {name: np.arange(20).reshape(5, 4) + start for name, start in (("B", 0), ("007", 50))}
    paths = [table(tmp_path / f"{name}.csv", name, SEARCHED, counts[name]) for name in counts]
    for order in (paths, paths[::-1]):
        tiles, read = read_counts(order, SEARCHED)
        assert tiles == ["007", "B"]
        np.testing.assert_array_equal(read, [counts["007"], counts["B"]])
    with pytest.raises(InputError, match=r"007.csv: other thresholds than .* run tune.py again"):
        read_counts(paths[1:], SEARCHED[1:])


def test_the_thresholds_in_force(tmp_path):
    chosen = tmp_path / "chosen.json"
    tuned = {"low": 0.2, "high": 0.9, "min_seed_px": 25, "min_area_px": 60}
    chosen.write_text(json.dumps({"separation": tuned, "tiles": 9}))
    assert resolve_thresholds(BLOCK) == resolve_thresholds(BLOCK | {"thresholds": "configured"}) == BLOCK
    assert (
        resolve_thresholds(BLOCK | {"thresholds": "searched"}, chosen)
        == resolve_thresholds(BLOCK, chosen)
        == BLOCK | tuned
    )
    assert resolve_thresholds(BLOCK, chosen, low=0.4, high=None) == BLOCK | tuned | {"low": 0.4}
    assert resolve_thresholds(BLOCK | {"thresholds": "searched"}, None, **tuned) == BLOCK | tuned
    with pytest.raises(InputError, match=r"separate.thresholds is searched: give --thresholds .*--min-seed-px"):
        resolve_thresholds(BLOCK | {"thresholds": "searched"}, None, low=0.4)
    for text in ("", "[]", '{"separation": {"low": 0.2}}', '{"scores": 1}'):
        chosen.write_text(text)
        with pytest.raises(InputError, match=f"{chosen}: no chosen thresholds in it .*`snakemake tuning`"):
            resolve_thresholds(BLOCK, chosen)


def surface(lows, highs):
    rows = [Thresholds(low, high, seed, 120) for low in lows for high in highs for seed in (50, 100) if low <= high]
    return rows, pd.DataFrame(rows, columns=list(Thresholds._fields)).assign(f_score=np.linspace(0.7, 0.9, len(rows)))


def frames(picture, colour):
    """The box around all pixels of a colour: top, left, bottom, right."""
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    return rows.min(), columns.min(), rows.max(), columns.max()


def test_the_picture_marks_what_was_chosen():
    rows, table_of_f = surface([0.1, 0.2, 0.6], [0.5, 0.7])
    low, high = (draw(table_of_f, one, rows[0], ["a note"]) for one in (rows[0], Thresholds(0.6, 0.7, 50, 120)))
    assert low.dtype == np.uint8
    thresholds = slice(0, MARGIN_PX + 2 * CELL_PX[0])  # the left one of the two maps
    of_high, of_low = frames(high[:, thresholds], CHOSEN), frames(low[:, thresholds], CHOSEN)
    # From 0.1 to 0.6 it is two cells up, and from 0.5 to 0.7 one to the right.
    assert np.subtract(of_low, of_high).tolist() == [2 * CELL_PX[1], -CELL_PX[0]] * 2
    wider = draw(surface([0.1, 0.2], [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8])[1], rows[0], rows[0], [])
    assert wider.shape[1] > low.shape[1]
    assert wider.shape[0] < low.shape[0]
    assert (low == CONFIGURED).all(axis=2).sum() > 50

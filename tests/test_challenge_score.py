"""The score must be the challenge's own: its scorer's figures on 28 scenes, and cases worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eaves.core.errors import InputError
from eaves.metrics.challenge import TileScore, match_buildings, overall, score_tile

FOLDER = Path(__file__).parent / "official_scores"
OFFICIAL = json.loads((FOLDER / "official_scores.json").read_text())
SETTINGS = {"default": {}, "large_uncertain": {"large_uncertain": True}, "iou_0.6": {"iou_threshold": 0.6}}


@pytest.fixture(scope="module")
def scenes():
    with np.load(FOLDER / "official_scores.npz") as archive:
        return {
            name: tuple(archive[f"{name}/{part}"] for part in ("truth", "solution", "out_of_map"))
            for name in OFFICIAL["scenes"]
        }


def boxes(shape, *boxes_with_id):
    """Draw (id, top, left, height, width) boxes into an int32 raster."""
    labels = np.zeros(shape, np.int32)
    for number, top, left, height, width in boxes_with_id:
        labels[top : top + height, left : left + width] = number
    return labels


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", OFFICIAL["scenes"])
def test_agrees_with_the_official_scorer(scenes, name, setting):
    score = score_tile(*scenes[name], **SETTINGS[setting])
    expected = OFFICIAL["scenes"][name][setting]
    if expected is None:
        assert score is None
    else:
        assert {"tp": score.tp, "fp": score.fp, "fn": score.fn, "f": round(score.f_score, 6)} == expected


@pytest.mark.parametrize("setting", SETTINGS)
def test_overall_agrees_with_the_official_scorer(scenes, setting):
    scores = [score_tile(*scene, **SETTINGS[setting]) for scene in scenes.values()]
    assert overall(scores) * 1e6 == pytest.approx(OFFICIAL["overall"][setting], abs=1e-6)


@pytest.mark.parametrize("setting", SETTINGS)
def test_table_of_buildings_adds_up_to_the_score(scenes, setting):
    for scene in scenes.values():
        score, table = score_tile(*scene, **SETTINGS[setting]), match_buildings(*scene, **SETTINGS[setting])
        counts = table.groupby(["side", "outcome"]).size()
        if score is None:
            assert table.empty
            continue
        assert counts.get(("truth", "tp"), 0) == counts.get(("solution", "tp"), 0) == score.tp
        assert counts.get(("solution", "fp"), 0) == score.fp
        assert counts.get(("truth", "fn"), 0) == score.fn
        assert set(table["id"][table["side"] == "truth"]) == set(np.unique(scene[0])) - {0}
        assert set(table["id"][table["side"] == "solution"]) == set(np.unique(scene[1])) - {0}


def test_counts_and_rates_by_hand():
    # 3 right, 1 false, 2 missed: precision 3/4, recall 3/5, F = 2 * 3 / (2 * 3 + 1 + 2) = 2/3.
    score = TileScore(tp=3, fp=1, fn=2)
    assert (score.precision, score.recall) == (0.75, 0.6)
    assert score.f_score == pytest.approx(2 / 3)
    assert TileScore(tp=0, fp=0, fn=0).f_score == 0


def test_match_by_hand():
    # 12 x 12 px against the same moved by 3 columns: 108 shared of 144 + 144 - 108 = 180 px, IoU 0.6.
    truth, solution = boxes((40, 60), (5, 10, 10, 12, 12)), boxes((40, 60), (2, 10, 13, 12, 12), (9, 30, 40, 5, 6))
    table = match_buildings(truth, solution)
    assert table.to_dict("list") == {
        "side": ["truth", "solution", "solution"],
        "id": [5, 2, 9],
        "area_px": [144, 144, 30],
        "partner": [2, 5, 0],
        "iou": [0.6, 0.6, 0.0],
        "outcome": ["tp", "tp", "fp"],
    }
    assert score_tile(truth, solution) == TileScore(tp=1, fp=1, fn=0)
    assert score_tile(truth, solution, iou_threshold=0.6) == TileScore(tp=0, fp=2, fn=1), "strictly above"


def test_unmatched_buildings_show_their_best_overlap():
    # 4 of 10 columns shared: 40 px of 100 + 100 - 40 = 160, IoU 0.25.
    table = match_buildings(boxes((30, 40), (1, 10, 10, 10, 10)), boxes((30, 40), (1, 10, 16, 10, 10)))
    assert table["iou"].tolist() == [0.25, 0.25]
    assert table["partner"].tolist() == [0, 0]
    assert table["outcome"].tolist() == ["fn", "fp"]


def test_out_of_map_by_hand():
    # Truth 10 x 20 with the right half hidden: 100 px visible, so it still counts. The prediction covers all 200 px:
    # 100 shared of 100 + 200 - 100 = 200, IoU 0.5.
    truth = solution = boxes((30, 40), (1, 10, 10, 10, 20))
    hidden = np.zeros(truth.shape, bool)
    hidden[:, 20:] = True
    assert match_buildings(truth, solution, hidden)["iou"].tolist() == [0.5, 0.5]
    assert score_tile(truth, solution, hidden) == TileScore(tp=1, fp=0, fn=0)
    assert score_tile(truth, solution, hidden, iou_threshold=0.5) == TileScore(tp=0, fp=1, fn=1)
    hidden[:, 19] = True
    assert score_tile(truth, solution, hidden, iou_threshold=0.5) == TileScore(tp=0, fp=1, fn=0), "90 px: uncertain"


def test_large_uncertain_building_takes_several_predictions():
    truth = boxes((40, 60), (-1, 5, 5, 30, 50))
    solution = boxes((40, 60), (1, 8, 8, 10, 10), (2, 20, 30, 10, 10))
    assert score_tile(truth, solution) == TileScore(tp=0, fp=2, fn=0)
    assert score_tile(truth, solution, large_uncertain=True) == TileScore(tp=0, fp=0, fn=0)
    assert match_buildings(truth, solution, large_uncertain=True)["outcome"].tolist() == ["ignored"] * 3


def random_tile(seed, size=96, n=24):
    generator = np.random.default_rng(seed)
    tops_lefts = generator.integers(0, size - 16, (n, 2))
    sizes = generator.integers(4, 16, (n, 2))
    numbers = np.arange(1, n + 1)
    truth = boxes((size, size), *np.column_stack([numbers, tops_lefts, sizes]).tolist())
    moved = np.clip(tops_lefts + generator.integers(-3, 4, (n, 2)), 0, size)
    return truth, boxes((size, size), *np.column_stack([numbers, moved, sizes]).tolist())


@given(seed=st.integers(0, 10**6), step=st.sampled_from([1, 7, 10**4, 5 * 10**7]), dtype=st.sampled_from("il"))
@settings(max_examples=30, deadline=None)
def test_sparse_ids_do_not_change_the_score(seed, step, dtype):
    truth, solution = random_tile(seed)
    expected = score_tile(truth, solution)
    assert score_tile(truth.astype(dtype) * step, solution.astype(dtype) * step) == expected
    assert score_tile(truth.astype(np.uint16), np.asfortranarray(solution)) == expected


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_turned_tiles_score_the_same(seed):
    truth, solution = random_tile(seed)
    hidden = np.random.default_rng(seed).random((8, 8)).repeat(12, 0).repeat(12, 1) < 0.1
    turned = score_tile(np.rot90(truth), np.rot90(solution), np.rot90(hidden))
    assert turned == score_tile(truth, solution, hidden)


def test_order_of_tiles_does_not_matter_and_unscored_ones_do_not_count():
    scores = [TileScore(1, 0, 0), None, TileScore(1, 1, 1), TileScore(0, 3, 0)]
    assert overall(scores) == overall(scores[::-1]) == pytest.approx((1 + 0.5 + 0) / 3)
    with pytest.raises(InputError, match="nothing to score"):
        overall([None, None])


def test_dense_checkerboard_of_many_buildings():
    truth = np.arange(1, 256 * 256 + 1, dtype=np.int32).reshape(256, 256)
    score = score_tile(truth, truth)
    # Each building is one pixel; those on the tile's edge are uncertain.
    assert score == TileScore(tp=254 * 254, fp=0, fn=0)


@pytest.mark.parametrize(
    ("truth", "solution", "hidden", "message"),
    [
        (np.zeros((4, 5), int), np.zeros((5, 4), int), None, r"solution has shape \(5, 4\), but truth .* \(4, 5\)"),
        (np.zeros((4, 5), int), np.zeros((4, 5), int), np.zeros((4, 4), bool), "out_of_map has shape"),
        (np.zeros((4, 5)), np.zeros((4, 5), int), None, "truth is 2-dimensional float64"),
        (np.zeros((4, 5), int), np.zeros((4, 5, 1), int), None, "solution is 3-dimensional"),
        (np.zeros((4, 5), int), np.full((4, 5), -2), None, "negative id -2"),
    ],
)
def test_faulty_rasters_are_refused(truth, solution, hidden, message):
    with pytest.raises(InputError, match=message):
        score_tile(truth, solution, hidden)

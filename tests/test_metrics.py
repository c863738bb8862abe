"""The figures on cases worked out by hand, and what they must not depend on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_challenge_score import boxes, random_tile

from eaves.core.errors import InputError
from eaves.metrics import tables
from eaves.metrics.average_precision import average_precision, curve
from eaves.metrics.boundary import boundary_iou, boundary_regions
from eaves.metrics.challenge import compare, score_tile
from eaves.metrics.confidence import mean_probability
from eaves.metrics.detection import by_size, count
from eaves.metrics.figures import figures, pool, rows_by_confidence, rows_of_curve
from eaves.metrics.measure import boundary_px, measure_tile
from eaves.metrics.merging import count_merged, count_split

SHAPE = (60, 100)


def measured(truth, solution, *more, **options):
    return measure_tile(truth, solution, *more, **options)[0]


def test_counts_and_panoptic_quality_by_hand():
    # One 10 x 10 building found as 10 x 8 (IoU 0.8), one missed, one made up.
    truth = boxes(SHAPE, (1, 10, 10, 10, 10), (2, 10, 40, 10, 10))
    solution = boxes(SHAPE, (1, 10, 10, 10, 8), (2, 40, 40, 10, 10))
    matches = measured(truth, solution).matches
    found = count(matches, 0.8)
    assert (found.tp, found.fp, found.fn) == (1, 1, 1)
    assert (found.precision, found.recall, found.f_score) == (0.5, 0.5, 0.5)
    assert found.segmentation_quality == 0.8
    assert found.panoptic_quality == 0.4  # 0.8 / (1 + 1/2 + 1/2)
    none = count(matches, 0.85)
    assert (none.tp, none.fp, none.fn) == (0, 2, 2)
    assert (none.precision, none.f_score, none.panoptic_quality, none.segmentation_quality) == (0, 0, 0, 0)


def test_average_precision_by_hand():
    # Confidence 0.9: right, 0.8: false, 0.7: right; three to find. Precision 1 up to recall 1/3, 2/3 up to 2/3, then 0:
    # 34 of the 101 recalls (0 to 0.33) have precision 1, 33 (0.34 to 0.66) have 2/3.
    truth = boxes(SHAPE, (1, 10, 10, 10, 10), (2, 10, 40, 10, 10), (3, 10, 70, 10, 10))
    solution = boxes(SHAPE, (1, 10, 10, 10, 10), (2, 40, 40, 10, 10), (3, 10, 70, 10, 10))
    probability = np.array([0, 0.9, 0.8, 0.7])[solution]
    matches = measured(truth, solution, None, probability).matches
    assert average_precision(matches, 0.5) == pytest.approx((34 + 33 * 2 / 3) / 101)
    recall, precision, confidence = curve(matches, 0.5)
    assert precision[recall == 0.5].tolist() == [pytest.approx(2 / 3)]
    assert confidence[[33, 34]] == pytest.approx([0.9, 0.7])
    assert np.isnan(confidence[67:]).all()
    assert not precision[67:].any()


def test_less_sure_buildings_left_out_by_hand():
    # Confidence 0.9: right, 0.82: false, 0.72: right; three to find.
    truth = boxes(SHAPE, (1, 10, 10, 10, 10), (2, 10, 40, 10, 10), (3, 10, 70, 10, 10))
    solution = boxes(SHAPE, (1, 10, 10, 10, 10), (2, 40, 40, 10, 10), (3, 10, 70, 10, 10))
    found = measured(truth, solution, None, np.array([0, 0.9, 0.82, 0.72])[solution])
    rows = {row.pop("min_confidence"): tuple(row.values())[:3] for row in rows_by_confidence(found)}
    assert (rows[0], rows[0.7], rows[0.75], rows[0.85], rows[0.95]) == (
        (2, 1, 1),
        (2, 1, 1),
        (1, 1, 2),
        (1, 0, 2),
        (0, 0, 3),
    )
    assert list(rows_by_confidence(measured(truth, solution))) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lowest", [0.0, 0.4, 0.7])
def test_leaving_out_buildings_counts_as_if_they_had_never_been_found(seed, lowest):
    truth, solution = random_tile(seed)
    chance = np.random.default_rng(seed).random(solution.max() + 1)
    probability = np.where(solution > 0, chance[solution], 0)
    cut = measured(truth, solution, None, probability).matches.with_min_confidence(lowest)
    again = measured(truth, np.where(probability >= lowest, solution, 0), None, probability).matches
    for threshold in (0.5, 0.75):
        assert count(cut, threshold) == count(again, threshold)


def test_no_confidence_gives_no_average_precision_and_all_the_rest():
    truth = boxes(SHAPE, (1, 10, 10, 10, 10))
    found = figures(measured(truth, truth))
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {name for name in found if "average_precision" in name}
    assert list(rows_of_curve(measured(truth, truth))) == []
    assert {value for name, value in found.items() if name not in undefined} == {1.0, 0}


def test_nothing_anywhere_gives_no_figures_and_one_side_alone_zeros():
    empty, one = np.zeros(SHAPE, np.int32), boxes(SHAPE, (1, 10, 10, 10, 10))
    for name, value in figures(measured(empty, empty, None, empty)).items():
        assert value == (0 if name in ("merged", "split") else None), name
    missed = figures(measured(one, empty, None, empty))
    assert (missed["average_precision"], missed["panoptic_quality"], missed["mean_f_score"]) == (0, 0, 0)
    assert (missed["pixel_f_score"], missed["boundary_iou"]) == (0, None)
    made_up = figures(measured(empty, one, None, one))
    assert (made_up["average_precision"], made_up["panoptic_quality"], made_up["pixel_iou"]) == (None, 0, 0)


def test_uncertain_buildings_are_a_region_to_ignore():
    # Two uncertain buildings side by side; the prediction has 45 + 45 of its 100 pixels on them: 90 %.
    truth = boxes(SHAPE, (-1, 10, 10, 10, 12), (-2, 10, 22, 10, 12), (3, 40, 10, 10, 10))
    solution = boxes(SHAPE, (1, 9, 17, 10, 10), (2, 40, 10, 10, 10))
    found = measured(truth, solution)
    assert found.matches.truth_iou.size == 1
    assert found.matches.ignored.tolist() == [0.9, 0]
    assert (count(found.matches, 0.9).fp, count(found.matches, 0.95).fp) == (0, 1), (
        "COCO's rule: at least the threshold"
    )
    assert (found.pixels.both, found.pixels.truth, found.pixels.solution) == (100, 100, 110)
    assert found.pixels.f_score == pytest.approx(200 / 210)
    assert found.pixels.iou == pytest.approx(100 / 110)


def test_a_prediction_on_a_certain_building_is_not_ignored_for_lying_on_uncertain_ones_too():
    truth = boxes(SHAPE, (1, 10, 10, 10, 10), (-2, 10, 20, 10, 10))
    matches = measured(truth, boxes(SHAPE, (1, 10, 10, 10, 20))).matches
    assert (matches.iou.tolist(), matches.ignored.tolist()) == ([0.5], [0.5])
    assert (count(matches, 0.5).tp, count(matches, 0.5).fp) == (1, 0)
    assert (count(matches, 0.55).tp, count(matches, 0.55).fp) == (0, 1)


def test_out_of_map_pixels_are_cut_out_of_both_sides():
    # The prediction goes on 10 columns into the hidden part, the truth does not: what is visible agrees.
    truth, solution = boxes(SHAPE, (1, 10, 10, 20, 20)), boxes(SHAPE, (1, 10, 10, 20, 30), (2, 40, 70, 10, 10))
    hidden = np.zeros(SHAPE, bool)
    hidden[:, 30:] = True
    found = measured(truth, solution, hidden, pixel_m=1)
    assert found.matches.iou.tolist() == [1, 0]
    assert found.matches.boundary_iou.tolist() == [1, 0]
    assert found.matches.size_m2.tolist() == [400, 0]
    assert (count(found.matches, 0.5).tp, count(found.matches, 0.95).fp) == (1, 0), "what is hidden is not false"
    assert found.pixels.iou == 1
    assert score_tile(truth, solution, hidden, iou_threshold=0.7).tp == 0, "unlike in the challenge's score"


def test_slivers_at_the_edge_need_not_be_found_as_in_the_challenge():
    truth = boxes(SHAPE, (1, 0, 10, 4, 10), (2, 20, 10, 10, 10))
    matches = measured(truth, boxes(SHAPE, (1, 20, 10, 10, 10))).matches
    assert (count(matches, 0.5).tp, count(matches, 0.5).fn) == (1, 0)


def test_sizes_by_hand():
    # Pixels of 0.5 m: 100 px are 25 m², 400 px are 100 m².
    truth = boxes(SHAPE, (1, 10, 10, 10, 10), (2, 30, 40, 20, 20))
    solution = boxes(SHAPE, (1, 30, 40, 20, 19), (2, 5, 70, 5, 5), (3, 10, 10, 2, 2))
    bins = by_size(measured(truth, solution).matches, [5, 25, 96])
    assert [(low, high) for low, high, _ in bins] == [(0, 5), (5, 25), (25, 96), (96, np.inf)]
    assert [(found.tp, found.fp, found.fn) for *_, found in bins] == [
        (0, 1, 0),  # 4 px = 1 m²
        (0, 1, 0),  # 25 px = 6.25 m²
        (0, 0, 1),  # the missed one, 25 m² exactly
        (1, 0, 0),  # 95 m² found, 100 m² true: the truth decides
    ]


@given(seed=st.integers(0, 10**6), edges=st.lists(st.floats(0.1, 50), max_size=4, unique=True))
@settings(max_examples=25, deadline=None)
def test_bins_add_up(seed, edges):
    matches = measured(*random_tile(seed)).matches
    bins = [found for *_, found in by_size(matches, sorted(edges))]
    whole = count(matches, 0.5)
    for name in ("tp", "fp", "fn"):
        assert sum(getattr(found, name) for found in bins) == getattr(whole, name)


def test_merged_and_split_by_hand():
    # Above: two houses under one prediction. Below: one hall in three pieces. Right: a house found well.
    truth = boxes(SHAPE, (1, 5, 10, 10, 10), (2, 5, 22, 10, 10), (3, 30, 10, 10, 32), (4, 30, 60, 10, 10))
    solution = boxes(
        SHAPE, (1, 5, 10, 10, 22), (2, 30, 10, 10, 10), (3, 30, 21, 10, 10), (4, 30, 32, 10, 10), (5, 31, 60, 10, 10)
    )
    overlaps = compare(truth, solution)
    assert (count_merged(overlaps), count_split(overlaps)) == (1, 1)
    swapped = compare(solution, truth)
    assert (count_merged(swapped), count_split(swapped)) == (1, 1)


def test_what_is_neither_merged_nor_split():
    # One that holds 50 % of a second house, not more; one that holds two sheds and much ground; an uncertain house.
    half = compare(
        boxes(SHAPE, (1, 5, 10, 10, 10), (2, 5, 20, 10, 10)),
        boxes(SHAPE, (1, 5, 10, 10, 15)),
    )
    blob = compare(
        boxes(SHAPE, (1, 5, 10, 5, 5), (2, 20, 20, 5, 5)),
        boxes(SHAPE, (1, 2, 2, 30, 30)),
    )
    unsure = compare(
        boxes(SHAPE, (1, 5, 10, 10, 10), (-2, 5, 20, 10, 10)),
        boxes(SHAPE, (1, 5, 10, 10, 20)),
    )
    assert [count_merged(overlaps) for overlaps in (half, blob, unsure)] == [0, 0, 0]


def test_boundary_iou_by_hand():
    # 10 x 10 px against the same moved by one column, 1 px of boundary: 36 px each. They share the two rows' 9 columns
    # that both have, 18 px; the columns lie beside each other. 18 / (36 + 36 - 18) = 1/3, where IoU is 90/110.
    truth, solution = boxes(SHAPE, (1, 10, 10, 10, 10)), boxes(SHAPE, (7, 10, 11, 10, 10))
    overlaps = compare(truth, solution)
    assert boundary_iou(truth, solution, overlaps, np.array([0]), 1).tolist() == [pytest.approx(18 / 54)]
    assert boundary_iou(truth, solution, overlaps, np.array([0]), 5).tolist() == [pytest.approx(90 / 110)], "all near"


def test_boundary_regions_by_hand():
    labels = boxes((7, 12), (1, 1, 0, 5, 5), (2, 1, 5, 5, 5))
    # The tile's edge is an outline, and so is the other building.
    expected = labels.copy()
    expected[2:5, 1:4] = expected[2:5, 6:9] = 0
    np.testing.assert_array_equal(boundary_regions(labels, 1), expected)
    inside_1 = boundary_regions(np.ones((5, 6), np.uint16), 2)
    assert np.flatnonzero(inside_1.ravel() == 0).tolist() == [14, 15]


def test_distances_in_metres_become_pixels():
    assert [boundary_px(2.0, pixel_m) for pixel_m in (0.3, 0.5, 1.0, 10.0)] == [7, 4, 2, 1]


def test_confidence_is_the_mean_probability():
    labels = np.array([[0, 5, 5], [9, 9, 5]])
    probability = np.array([[1, 0.5, 0.7], [0.2, 0.4, 0.9]])
    assert mean_probability(labels, probability).tolist() == [pytest.approx(0.7), pytest.approx(0.3)]
    assert mean_probability(labels, (probability * 100).astype(np.uint8))[0] == pytest.approx(70)
    with pytest.raises(InputError, match="building 9 is NaN"):
        mean_probability(labels, np.where(labels == 9, np.nan, probability))
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        mean_probability(labels, probability[:, :2])


@given(seed=st.integers(0, 10**6), step=st.sampled_from([1, 7, 10**6]))
@settings(max_examples=20, deadline=None)
def test_turning_and_renumbering_change_no_figure(seed, step):
    truth, solution = random_tile(seed)
    generator = np.random.default_rng(seed)
    probability = (
        generator.permutation(solution.max() + 1)[solution] / 64
    )  # no equal confidences: their order would decide
    hidden = generator.random((8, 8)).repeat(12, 0).repeat(12, 1) < 0.1
    expected = figures(measured(truth, solution, hidden, probability))
    sides = [
        np.rot90(side) for side in (truth * step, (solution.max() + 1 - solution) * (solution > 0), hidden, probability)
    ]
    assert figures(measured(*sides)) == expected


def test_tiles_pool_by_their_buildings_in_any_order():
    tiles = []
    for seed in range(4):
        probability = np.random.default_rng(seed).random((96, 96))
        tiles.append([np.pad(side, 9) for side in (*random_tile(seed), probability)])  # nothing is cut off by an edge
    parts = [measured(truth, solution, None, probability) for truth, solution, probability in tiles]
    assert figures(pool(parts)) == figures(pool(parts[::-1]))
    one_id_each = [[side + 100 * at * (side > 0) for side in tile[:2]] + tile[2:] for at, tile in enumerate(tiles)]
    truth, solution, probability = (np.concatenate(sides) for sides in zip(*one_id_each, strict=True))
    assert figures(measured(truth, solution, None, probability)) == pytest.approx(figures(pool(parts)), abs=2e-6)


def test_summary_and_tables_by_hand():
    house, missed = boxes(SHAPE, (1, 10, 10, 10, 10)), boxes(SHAPE, (1, 10, 10, 10, 10), (2, 10, 40, 10, 10))
    nothing = np.zeros(SHAPE, np.int32)
    scored = [
        tables.ScoredTile("test", group, name, score_tile(truth, solution), measured(truth, solution, None, solution))
        for group, name, truth, solution in (
            ("JAX", "JAX_1", house, house),
            ("JAX", "JAX_2", nothing, nothing),
            ("TAM", "TAM_1", missed, house),
            ("", "odd", nothing, house),
        )
    ]
    found = tables.summary(scored)
    assert list(found) == ["test"]
    test = found["test"]
    assert test["f_score"] == pytest.approx((1 + 2 / 3 + 0) / 3, abs=1e-6), "the empty tile does not count"
    assert (test["tp"], test["fp"], test["fn"], test["tiles"]) == (2, 1, 1, 3)
    assert not [value for value in test.values() if isinstance(value, dict)]

    towns = tables.per_group(scored).set_index("group")
    assert list(towns.index) == ["", "JAX", "TAM"]
    assert towns.loc["", "f_score"] == test["f_score"]
    assert towns.loc["JAX", "f_score"] == towns.loc["JAX", "panoptic_quality"] == 1
    assert towns.loc["TAM", "recall"] == 0.5
    rows = tables.per_tile(scored).set_index("tile")
    assert rows.loc["JAX_2"].drop(["set", "group", "merged", "split"]).isna().all()
    assert rows.loc["TAM_1", ["tp", "fn", "recall", "average_precision_50"]].tolist() == [
        1,
        1,
        0.5,
        pytest.approx(51 / 101),
    ]
    by_iou = tables.by_iou(scored)
    assert len(by_iou) == 10 * (1 + 2 + 4)
    assert by_iou[(by_iou["tile"] == "TAM_1") & (by_iou["iou"] == 0.95)]["fn"].tolist() == [1]
    whole = by_iou[(by_iou["tile"] == "") & (by_iou["group"] == "")]
    assert whole["iou"].tolist() == pytest.approx([number / 100 for number in range(50, 100, 5)])
    assert whole["f_score"].iloc[0] == test["recognition_quality"] == pytest.approx(2 / 3, abs=1e-6)
    by_size = tables.by_size(scored, [50, 1000])
    assert len(by_size) == 3 * (1 + 2 + 4)
    assert by_size["tp"].tolist()[:3] == [2, 0, 0]
    assert pd.isna(by_size["f_score"].iloc[1])
    curves = tables.precision_recall(scored)
    assert len(curves) == 2 * 101 * (1 + 2)
    assert not curves["tile"].any()


def test_tables_of_no_tiles_have_their_columns():
    assert tables.summary([]) == {}
    assert {"set", "group", "f_score", "pixel_iou"} <= set(tables.per_group([]).columns)
    assert {"tile", "tp", "average_precision"} <= set(tables.per_tile([]).columns)
    assert list(tables.by_iou([]).columns)[:4] == ["set", "group", "tile", "iou"]
    assert tables.precision_recall([]).empty
    assert list(tables.precision_recall([]).columns) == [
        "set",
        "group",
        "tile",
        "iou",
        "recall",
        "precision",
        "confidence",
    ]
    assert list(tables.by_confidence([]).columns)[3:5] == ["min_confidence", "tp"]


def test_what_is_kept_of_a_building_is_small():
    truth, solution = random_tile(3)
    matches = measured(truth, solution).matches
    kept = sum(column.nbytes for column in vars(matches).values())
    assert kept == 40 * len(np.unique(solution[solution > 0])) + 16 * matches.truth_iou.size

"""The figures must be those of the packages that the field uses, on the same input."""

import contextlib
import io
import itertools

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import f1_score, jaccard_score
from stardist.matching import matching_dataset
from toy import scene

from eaves.metrics.average_precision import average_precision
from eaves.metrics.boundary import boundary_iou, boundary_regions
from eaves.metrics.challenge import compare, find_uncertain
from eaves.metrics.detection import THRESHOLDS, by_size, count
from eaves.metrics.figures import figures, pool
from eaves.metrics.matching import match
from eaves.metrics.measure import measure_tile

EDGES_M2 = [20.1, 60.1]  # no area is exactly on an edge: COCO's ranges include both ends, ours the lower one


def boxes_tile(seed, size=160, n=40):
    """Boxes that hide each other, and the same moved, some missing, some made up; a third of the truth uncertain."""
    generator = np.random.default_rng(seed)
    truth, solution = np.zeros((2, size, size), np.int32)
    for number in range(1, n + 1):
        (top, left), (height, width) = generator.integers(0, size - 10, 2), generator.integers(6, 26, 2)
        truth[top : top + height, left : left + width] = number if generator.random() < 0.7 else -number
        down, right = generator.integers(-2, 3, 2)
        if generator.random() < 0.2:
            top, left = generator.integers(0, size - 10, 2)
        top, left = max(top + down, 0), max(left + right, 0)
        solution[top : top + height, left : left + width] = n + 1 - number
    return truth, solution, generator.random((8, 8)).repeat(size // 8, 0).repeat(size // 8, 1) < 0.1


def town_tile(seed):
    """A generated town, its height data's holes, and its truth as a solution that is off by a pixel here and there."""
    made = scene(seed)
    generator = np.random.default_rng(seed)
    solution = np.roll(np.abs(made.truth), generator.integers(-2, 3, 2), (0, 1))
    solution[generator.random(solution.shape) < 0.1] = 0
    solution[np.isin(solution, generator.permutation(np.unique(solution))[::5])] = 0
    solution[solution == 0] = np.where(generator.random((solution == 0).sum()) < 0.002, solution.max() + 1, 0)
    return made.truth, solution.astype(np.int32), made.dsm == -32767


def tiles_of(kind):
    """Tiles as (truth, solution, out_of_map, probability); confidence comes in steps, so that there are equal ones."""
    make = {"boxes": boxes_tile, "towns": town_tile}[kind]
    for seed in range(1, 5):
        truth, solution, hidden = make(seed)
        steps = np.random.default_rng(seed).integers(1, 8, solution.max() + 1) / 8
        yield truth, solution, hidden, steps[solution]


@pytest.fixture(scope="module", params=["boxes", "towns"])
def tiles(request):
    made = list(tiles_of(request.param))
    assert all(hidden.any() for _, _, hidden, _ in made)
    assert sum((truth < 0).any() for truth, *_ in made) > 1
    return made


@pytest.fixture(scope="module")
def measured(tiles):
    made = pool(measure_tile(*tile)[0] for tile in tiles)
    assert ((made.matches.iou == 0) & (made.matches.ignored >= 0.5)).any()
    return made


def without_ignored(truth, solution, hidden):
    """Cut out what is out of the map; give the certain truth, the region to ignore and the solution."""
    overlaps = compare(truth, solution, hidden)
    unsure = np.isin(truth, overlaps.truth_ids[find_uncertain(overlaps)]) & ~hidden
    return np.where(hidden | unsure, 0, truth), unsure, np.where(hidden, 0, solution)


def coco_evaluation(tiles):
    """pycocotools' evaluation of masks: the region to ignore is one crowd, and any number of predictions counts."""
    truths, predictions = [], []
    for image, (truth, solution, hidden, probability) in enumerate(tiles, start=1):
        certain, unsure, seen = without_ignored(truth, solution, hidden)
        masks = [(certain == number, 0) for number in np.unique(certain[certain != 0])] + [(unsure, 1)]
        for mask, crowd in masks:
            truths.append(annotation(mask, image) | {"id": len(truths) + 1, "iscrowd": crowd})
        for number in np.unique(seen[seen != 0]):
            predictions.append(annotation(seen == number, image) | {"score": probability[seen == number].mean()})
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        height, width = tiles[0][0].shape
        images = [{"id": image, "height": height, "width": width} for image in range(1, len(tiles) + 1)]
        known.dataset = {"images": images, "categories": [{"id": 1}], "annotations": truths}
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(predictions), "segm")
        evaluation.params.maxDets = [10_000]
        limits = [0, *(4 * edge for edge in EDGES_M2), 1e9]  # in pixels of 0.5 m
        evaluation.params.areaRng = [[0, 1e9], *itertools.pairwise(limits)]
        evaluation.params.areaRngLbl = [str(number) for number in range(len(limits))]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def annotation(mask, image):
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"image_id": image, "category_id": 1, "segmentation": packed, "area": float(mask.sum())}


@pytest.fixture(scope="module")
def coco(tiles):
    return coco_evaluation(tiles)


def test_average_precision_is_that_of_pycocotools(measured, coco):
    expected = coco.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    ours = [average_precision(measured.matches, threshold) for threshold in THRESHOLDS]
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert 0.1 < expected[0] < 1
    assert expected[-1] < expected[0]
    assert figures(measured)["average_precision"] == pytest.approx(expected.mean(), abs=1e-6)


def test_average_precision_of_one_tile_is_that_of_pycocotools(tiles):
    matches = measure_tile(*tiles[0])[0].matches
    expected = coco_evaluation(tiles[:1]).eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    np.testing.assert_allclose([average_precision(matches, at) for at in THRESHOLDS], expected, atol=1e-12)


def test_sizes_count_as_the_area_ranges_of_pycocotools(measured, coco):
    """Its evaluation image by image says of every building whether it was matched or ignored, size by size."""
    for number, (_, _, counts) in enumerate(by_size(measured.matches, EDGES_M2), start=1):
        images = [image for image in coco.evalImgs if image and tuple(image["aRng"]) == coco.params.areaRng[number]]
        tp = sum(((image["dtMatches"][0] > 0) & ~image["dtIgnore"][0].astype(bool)).sum() for image in images)
        fp = sum(((image["dtMatches"][0] == 0) & ~image["dtIgnore"][0].astype(bool)).sum() for image in images)
        truths = sum((np.array(image["gtIgnore"]) == 0).sum() for image in images)
        assert (counts.tp, counts.fp, counts.tp + counts.fn) == (tp, fp, truths)
        assert truths + fp > 0


@pytest.mark.parametrize("kind", ["boxes", "towns"])
def test_counts_and_panoptic_quality_are_those_of_stardist(kind):
    """stardist knows of nothing to ignore: all are certain here, and nothing is hidden or cut off."""
    tiles = [(np.pad(np.abs(truth), 60), np.pad(solution, 60)) for truth, solution, *_ in tiles_of(kind)]
    edge_free = [measure_tile(*tile)[0] for tile in tiles]
    thresholds = [0.501, *THRESHOLDS[1:]]  # it keeps IoUs in single precision: what is exactly 0.5 is tested by hand
    expected = matching_dataset(*zip(*tiles, strict=True), thresh=thresholds, show_progress=False)
    matches = pool(edge_free).matches
    for threshold, theirs in zip(thresholds, expected, strict=True):
        ours = count(matches, threshold)
        assert (ours.tp, ours.fp, ours.fn) == (theirs.tp, theirs.fp, theirs.fn)
        for name, other in (("precision", "precision"), ("recall", "recall"), ("f_score", "f1")):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, other), abs=1e-12)
        assert ours.panoptic_quality == pytest.approx(theirs.panoptic_quality, abs=1e-6)
        assert ours.segmentation_quality == pytest.approx(theirs.mean_matched_score, abs=1e-6)
    assert expected[0].tp > expected[-1].tp


def test_pixel_figures_are_those_of_scikit_learn(tiles, measured):
    sides = []
    for truth, solution, hidden, _ in tiles:
        certain, unsure, seen = without_ignored(truth, solution, hidden)
        sides.append(np.stack([certain != 0, seen != 0])[:, ~hidden & ~unsure])
    truth, solution = np.concatenate(sides, axis=1)
    assert measured.pixels.f_score == pytest.approx(f1_score(truth, solution), abs=1e-12)
    assert measured.pixels.iou == pytest.approx(jaccard_score(truth, solution), abs=1e-12)


def eroded_by_opencv(mask, distance_px):
    """The boundary of one mask as Cheng et al. make it: padded by one pixel of ground, eroded by a 3 x 3 square."""
    padded = np.pad(mask.astype(np.uint8), 1)
    inside = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance_px)[1:-1, 1:-1]
    return mask & (inside == 0)


@pytest.mark.parametrize("distance_px", [1, 2, 5])
def test_boundary_iou_is_that_of_eroded_masks(tiles, distance_px):
    for truth, solution, hidden, _ in tiles:
        overlaps = compare(truth, solution, hidden)
        pairs = np.arange(overlaps.pair_px.size)
        ours = boundary_iou(truth, solution, overlaps, pairs, distance_px, hidden)
        for pair in pairs[:: max(1, len(pairs) // 25)]:
            number, other = (
                overlaps.truth_ids[overlaps.pair_truth[pair]],
                overlaps.solution_ids[overlaps.pair_solution[pair]],
            )
            left = eroded_by_opencv((truth == number) & ~hidden, distance_px)
            right = eroded_by_opencv((solution == other) & ~hidden, distance_px)
            assert ours[pair] == pytest.approx((left & right).sum() / (left | right).sum(), abs=1e-12)


@pytest.mark.parametrize("distance_px", [1, 3])
def test_boundary_regions_of_touching_buildings_and_at_the_edge(distance_px):
    labels = boxes_tile(5)[0]
    expected = np.zeros_like(labels)
    for number in np.unique(labels[labels != 0]):
        expected[eroded_by_opencv(labels == number, distance_px)] = number
    np.testing.assert_array_equal(boundary_regions(labels, distance_px), expected)
    assert ((labels != 0) & (expected == 0)).any()


def test_boundary_average_precision_is_that_of_pycocotools_on_the_smaller_of_both_ious(tiles):
    """The package has no boundaries; its own matching is fed with min(IoU, boundary IoU), as Cheng et al. define."""
    truth, solution, hidden, probability = tiles[0]
    evaluation = coco_evaluation(tiles[:1])
    ours = measure_tile(truth, solution, hidden, probability)[0].matches
    certain, _, seen = without_ignored(truth, solution, hidden)
    overlaps = compare(certain, seen)
    near = boundary_iou(certain, seen, overlaps, np.arange(overlaps.pair_px.size), 4)
    truth_row = {int(number): row for row, number in enumerate(np.unique(certain[certain != 0]))}
    scores = np.array([probability[seen == number].mean() for number in np.unique(seen[seen != 0])])
    column = {int(number): row for row, number in enumerate(np.unique(seen[seen != 0]))}
    by_score = np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
    ious = evaluation.ious[1, 1].copy()
    for pair, value in enumerate(near):
        row = by_score[column[int(overlaps.solution_ids[overlaps.pair_solution[pair]])]]
        at = row, truth_row[int(overlaps.truth_ids[overlaps.pair_truth[pair]])]
        ious[at] = min(ious[at], value)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.computeIoU = lambda image, category: ious
        evaluation.evaluate()
        evaluation.accumulate()
    expected = evaluation.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    np.testing.assert_allclose(
        [average_precision(ours, threshold, boundary=True) for threshold in THRESHOLDS], expected, atol=1e-12
    )
    assert (expected[0] > 0) and (near < 1).any()


def test_matching_at_exactly_one_half_goes_to_the_more_confident():
    truth, solution = np.zeros((2, 20, 40), np.int32)
    truth[5:15, 5:35] = 1
    solution[5:15, 5:20], solution[5:15, 20:35] = 1, 2
    for confidence, winner in (([0.4, 0.9], 1), ([0.9, 0.4], 0)):
        matches, _ = match(compare(truth, solution), np.array(confidence), 1.0)
        assert matches.iou.tolist() == [0.5 if number == winner else 0.0 for number in (0, 1)]
        assert average_precision(matches, 0.5) == 1.0  # the right one comes first, the false one lowers nothing
        assert (count(matches, 0.5).tp, count(matches, 0.5).fp) == (1, 1)

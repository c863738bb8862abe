"""What a training step sees is a function of seed, epoch and step; and pixels become the network's input."""

from collections import Counter

import numpy as np
import pytest
import torch
from toy import CONFIG

from eaves.models.inputs import join_inputs, to_inputs, to_target
from eaves.tiles.crops import Tile
from eaves.tiles.prepared import NODATA
from eaves.training.sampler import Sampler, cut_crops, validation_batches

SAMPLE = CONFIG["sample"] | {
    "crop_px": 32,
    "border_px": 4,
    "crops_per_tile": 5,
    "micro_batch": 2,
    "gradient_accumulation": 3,
}


def tile(name, height=40, width=50):
    number = ord(name)
    return Tile(name, np.full((height, width, 4), number, np.int16), np.full((height, width), number, np.int32))


def sampler(names="ABCDEF", key=(42, 0, 1), **sample):
    return Sampler([tile(name) for name in names], SAMPLE | sample, CONFIG["augment"], key)


def drawn(batches):
    """What tells batches apart: names, pixels and draws."""
    return [
        (batch.tiles, batch.images.numpy().tobytes(), [(one.affine.tolist(), one.hsv.tolist()) for one in batch.draws])
        for batch in batches
    ]


def test_a_step_can_be_repeated_without_those_before():
    steps = sampler()
    in_a_row = [drawn(steps.draw(epoch, step)) for epoch in (0, 1) for step in range(5)]
    assert drawn(sampler().draw(1, 3)) == in_a_row[8]
    assert len({str(step) for step in in_a_row}) == len(in_a_row)


def test_no_two_epochs_see_the_same_crops():
    steps = sampler()
    draws = [
        {str(one.affine) for step in range(5) for batch in steps.draw(epoch, step) for one in batch.draws}
        for epoch in (0, 1)
    ]
    assert len(draws[0] & draws[1]) < 5  # but for those where nothing but a flip was drawn


@pytest.mark.parametrize("key", [(43, 0, 1), (42, 1, 1), (42, 0, 0)])
def test_seed_fold_and_stage_each_draw_chance_of_their_own(key):
    assert drawn(sampler().draw(0, 0)) != drawn(sampler(key=key).draw(0, 0))


def test_an_epoch_takes_the_same_number_of_crops_from_every_tile():
    steps = sampler()
    assert (steps.crops_per_epoch, steps.steps_per_epoch) == (30, 5)
    batches = [batch for step in range(5) for batch in steps.draw(7, step)]
    assert Counter(name for batch in batches for name in batch.tiles) == dict.fromkeys("ABCDEF", 5)
    assert len({str(one.affine) for batch in batches for one in batch.draws}) > 25
    for batch in batches:
        assert batch.images.shape == (2, 32, 32, 4)
        assert batch.images[:, 0, 0, 0].tolist() == [ord(name) for name in batch.tiles]
        assert (batch.truths == 1).all()


def test_fewer_crops_than_a_step_takes_are_used_again():
    steps = sampler("A", crops_per_tile=1)
    assert steps.steps_per_epoch == 1
    assert [batch.tiles for batch in steps.draw(0, 0)] == [["A", "A"]] * 3


def test_validation_sees_every_pixel_of_every_tile():
    tiles = [Tile("A", np.zeros((70, 33, 4), np.int16), np.arange(70 * 33).reshape(70, 33) + 1), tile("B", 20, 32)]
    batches = validation_batches(tiles, 32, 4)
    assert [len(batch) for batch in batches] == [4, 3]
    seen = np.zeros((70, 33), bool)
    for one, top, left in (place for batch in batches for place in batch):
        if one.name == "A":
            seen[top : top + 32, left : left + 32] = True
    assert seen.all()
    crops = cut_crops(batches[1], 32)
    assert crops.tiles == ["A", "A", "B"]
    assert crops.images.shape == (3, 32, 32, 4)
    assert not crops.draws


def test_pixels_become_colours_and_heights_by_their_scales():
    pixels = torch.tensor([[[[0, 51, 255, 900], [NODATA, NODATA, NODATA, NODATA]]]], dtype=torch.int16)
    rgb, height = to_inputs(pixels, {"height_divisor_m": 9})
    torch.testing.assert_close(rgb[0, :, 0].T, torch.tensor([[0, 0.2, 1], [0, 0, 0]]))
    assert height.flatten().tolist() == [1, 0]
    winner = join_inputs(rgb, height, {"rgb_mean": 0, "rgb_divisor": 255}, 4)
    torch.testing.assert_close(winner[0, :, 0, 0], torch.tensor([0, 0.2, 1, 1]))
    centred = join_inputs(rgb, height, {"rgb_mean": 127, "rgb_divisor": 128}, 3)
    assert centred.shape == (1, 3, 1, 2)
    torch.testing.assert_close(centred[0, :, 0, 0], torch.tensor([-127 / 128, -76 / 128, 1]))


@pytest.mark.parametrize(
    ("uncertain", "target", "weight"),
    [("building", [1, 0, 1], [1, 1, 1]), ("ground", [1, 0, 0], [1, 1, 1]), ("ignore", [1, 0, 0], [1, 1, 0])],
)
def test_uncertain_buildings_count_as_asked(uncertain, target, weight):
    signs = torch.tensor([1.0, 0, -1])[None, None, None]
    made = to_target(signs, uncertain)
    assert [one.flatten().tolist() for one in made] == [target, weight]

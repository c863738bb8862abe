"""Augmentation: what is meant to move moves, image and truth together, and as far as the settings say."""

import colorsys
import math

import numpy as np
import pytest
import torch
from toy import CONFIG

from eaves.training import augment
from eaves.training.augment import Draw

WINNER = CONFIG["augment"]
NOTHING = WINNER | {"flip": False, "transpose_p": 0, "affine_p": 0, "hsv_p": 0}
SIZE = 64


@pytest.fixture(scope="module")
def batch():
    """Two noisy crops: rgb, height, truth."""
    generator = torch.Generator().manual_seed(1)
    rgb = torch.rand(2, 3, SIZE, SIZE, generator=generator)
    height = 10 * torch.rand(2, 1, SIZE, SIZE, generator=generator)
    truth = torch.randint(-1, 2, (2, 1, SIZE, SIZE), generator=generator).float()
    return rgb, height, truth


def draws(count=2000, **settings):
    generator = np.random.default_rng(1)
    return [augment.draw(generator, WINNER | settings) for _ in range(count)]


def moved(matrix, hsv=(0, 0, 0)):
    return Draw(np.array(matrix, np.float32), np.array(hsv, np.float32))


def test_nothing_drawn_changes_nothing(batch):
    for one in draws(20, **NOTHING):
        for before, after in zip(batch, augment.apply(*batch, [one, one]), strict=True):
            torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[-1, 0, 0], [0, 1, 0]], lambda image: image.flip(3)),
        ([[1, 0, 0], [0, -1, 0]], lambda image: image.flip(2)),
        ([[-1, 0, 0], [0, -1, 0]], lambda image: image.flip(2, 3)),
        ([[0, 1, 0], [1, 0, 0]], lambda image: image.transpose(2, 3)),
        ([[0, -1, 0], [1, 0, 0]], lambda image: image.transpose(2, 3).flip(2)),
    ],
)
def test_flips_and_transposition_are_exact(batch, matrix, expected):
    for before, after in zip(batch, augment.apply(*batch, [moved(matrix)] * 2), strict=True):
        torch.testing.assert_close(after, expected(before), atol=1e-3, rtol=0)


def test_every_crop_is_moved_by_its_own_draw(batch):
    rgb, _, _ = augment.apply(*batch, [moved([[1, 0, 0], [0, 1, 0]]), moved([[-1, 0, 0], [0, 1, 0]])])
    torch.testing.assert_close(rgb[0], batch[0][0], atol=1e-4, rtol=0)
    torch.testing.assert_close(rgb[1], batch[0][1].flip(2), atol=1e-4, rtol=0)


def test_beyond_the_edge_the_crop_is_mirrored(batch):
    pixels = 8
    shift = moved([[1, 0, 2 * pixels / SIZE], [0, 1, 0]])
    for before, after in zip(batch, augment.apply(*batch, [shift] * 2), strict=True):
        torch.testing.assert_close(after[..., :-pixels], before[..., pixels:], atol=1e-3, rtol=0)
        torch.testing.assert_close(after[..., -pixels:], before[..., -pixels:].flip(3), atol=1e-3, rtol=0)


def test_the_truth_keeps_its_values_and_moves_with_the_image():
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    disc = ((rows - 20) ** 2 + (columns - 40) ** 2 < 150).float() * 2 - 1
    truth = disc.expand(40, 1, SIZE, SIZE)
    rgb = ((truth + 1) / 2).expand(40, 3, SIZE, SIZE)
    after_rgb, after_height, after_truth = augment.apply(rgb, truth.clone(), truth, draws(40, hsv_p=0))
    assert set(after_truth.unique().tolist()) == {-1, 1}
    assert not torch.equal(after_truth, truth)
    for image in (after_rgb[:, :1] * 2 - 1, after_height):
        assert ((image > 0) == (after_truth > 0)).float().mean() > 0.98  # but for the disc's rim
        assert not torch.equal(image, after_truth)  # bilinear


def test_flips_are_equally_likely_and_transposition_as_asked():
    made = draws(affine_p=0, transpose_p=0)
    kinds, counts = np.unique([np.sign(np.diag(one.affine[:, :2])) for one in made], axis=0, return_counts=True)
    assert len(kinds) == 4
    assert counts.min() > 0.2 * len(made)
    transposed = [one.affine[0, 0] == 0 for one in draws(affine_p=0, transpose_p=0.5)]
    assert 0.45 < np.mean(transposed) < 0.55


def test_shift_scale_and_rotation_are_as_far_as_asked_and_no_farther():
    made = draws(flip=False, transpose_p=0, affine_p=1)
    a, b, shift_x = np.array([one.affine[0] for one in made]).T
    c, d, shift_y = np.array([one.affine[1] for one in made]).T
    np.testing.assert_allclose((a, b), (d, -c), atol=1e-6)
    scales, angles = 1 / np.hypot(a, c), np.degrees(np.arctan2(c, a))
    for values, most in (
        (scales - 1, WINNER["scale"]),
        (angles, WINNER["rotate_deg"]),
        (shift_x / 2, WINNER["shift"]),  # a crop is 2 wide
        (shift_y / 2, WINNER["shift"]),
    ):
        assert values.max() == pytest.approx(most, rel=0.02)
        assert values.min() == pytest.approx(-most, rel=0.02)
        assert abs(values.mean()) < 0.05 * most
    fired = [not np.array_equal(one.affine, np.eye(3)[:2]) for one in draws(flip=False, transpose_p=0)]
    assert 0.7 < np.mean(fired) < 0.8


def test_colours_are_shifted_as_far_as_asked_and_as_often():
    hsv = np.array([one.hsv for one in draws()])
    fired = hsv.any(axis=1)
    assert 0.45 < fired.mean() < 0.55
    np.testing.assert_allclose(hsv[fired].max(axis=0), np.array(WINNER["hsv"]) / 255, rtol=0.02)
    np.testing.assert_allclose(hsv[fired].min(axis=0), -np.array(WINNER["hsv"]) / 255, rtol=0.02)


def test_chance_goes_on_alike_whatever_is_switched_off():
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    augment.draw(first, WINNER)
    augment.draw(second, NOTHING)
    assert first.random() == second.random()


def test_a_shift_of_nothing_keeps_every_colour(batch):
    corners = torch.tensor([[r, g, b] for r in (0.0, 1) for g in (0.0, 1) for b in (0.0, 0.5, 1)]).T[None, :, :, None]
    for rgb in (batch[0], corners):
        torch.testing.assert_close(augment.shift_hsv(rgb, torch.zeros(len(rgb), 3)), rgb, atol=1e-5, rtol=0)


SHIFTS = [(0.1, 0, 0), (-0.3, 0, 0), (0, 0.2, 0), (0, -0.2, 0), (0, 0, 0.2), (0.05, -0.1, -0.2)]


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_is_that_of_colorsys(batch, shift):
    rgb = batch[0][:1, :, :16, :16]
    shifted = augment.shift_hsv(rgb, torch.tensor([shift]))
    for before, after in zip(rgb[0].flatten(1).T.tolist(), shifted[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = (part + by for part, by in zip(colorsys.rgb_to_hsv(*before), shift, strict=True))
        expected = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
        assert all(math.isclose(one, other, abs_tol=1e-4) for one, other in zip(after, expected, strict=True))


def test_colours_alone_are_shifted_and_only_where_drawn(batch):
    still = [[1, 0, 0], [0, 1, 0]]
    rgb, height, truth = augment.apply(*batch, [moved(still), moved(still, (0.1, 0.1, 0.1))])
    torch.testing.assert_close(rgb[0], batch[0][0], atol=1e-4, rtol=0)
    assert (rgb[1] - batch[0][1]).abs().mean() > 0.05
    torch.testing.assert_close(height, batch[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(truth, batch[2], atol=0, rtol=0)


def test_matching_the_original_has_its_faults():
    meant, original = (draws(500, flip=False, transpose_p=0, match_original=matched) for matched in (False, True))
    assert max(abs(one.affine[:, 2]).max() for one in meant) > 0.1
    assert all((one.affine[:, 2] == 0).all() for one in original)
    for one, other in zip(meant, original, strict=True):
        assert np.array_equal(one.affine[:, :2], other.affine[:, :2])
        assert other.hsv == pytest.approx(one.hsv / [255, 1, 1])


def test_matching_the_original_mirrors_at_the_centre_of_the_edges_pixels(batch):
    pixels = 8
    shift = moved([[1, 0, 2 * pixels / SIZE], [0, 1, 0]])
    for before, after in zip(batch, augment.apply(*batch, [shift] * 2, match_original=True), strict=True):
        torch.testing.assert_close(after[..., :-pixels], before[..., pixels:], atol=1e-3, rtol=0)
        torch.testing.assert_close(after[..., -pixels:], before[..., -pixels - 1 : -1].flip(3), atol=1e-3, rtol=0)
    still = moved([[1, 0, 0], [0, 1, 0]])
    for before, after in zip(batch, augment.apply(*batch, [still] * 2, match_original=True), strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=0)

"""The loss, worked out by hand."""

import math

import pytest
import torch

from eaves.training.losses import bce_dice

LOG2 = math.log(2)  # cross-entropy where the network cannot tell
SURE = 100.0  # a logit whose sigmoid is 1


def tensor(*samples):
    """(N, 1, 1, W) float."""
    return torch.tensor(samples, dtype=torch.float32)[:, None, None]


def test_half_of_four_pixels_undecided():
    logits, truth = tensor([0, 0, 0, 0]), tensor([1, 1, 0, 0])
    loss, dice = bce_dice(logits, truth, torch.ones_like(truth))
    assert dice.item() == pytest.approx(2 * (1 + 1) / (2 + 2 + 1))
    assert loss.item() == pytest.approx(LOG2 + 1 - 0.8)


def test_weights_of_the_two_parts():
    logits, truth = tensor([0, 0, 0, 0]), tensor([1, 1, 0, 0])
    loss, _ = bce_dice(logits, truth, torch.ones_like(truth), bce=1.5, dice=0.5)
    assert loss.item() == pytest.approx(1.5 * LOG2 + 0.5 * 0.2)


def test_pixels_without_weight_take_no_part():
    truth = tensor([1, 1, 0, 0])
    weight = tensor([1, 1, 1, 0])
    loss, dice = bce_dice(tensor([0, 0, 0, 0]), truth, weight)
    assert dice.item() == pytest.approx(2 * (1 + 1) / (1.5 + 2 + 1))
    assert loss.item() == pytest.approx(LOG2 * 3 / 4 + 1 - dice.item())
    wrong = bce_dice(tensor([0, 0, 0, SURE]), truth, weight)
    assert wrong[0].item() == loss.item()


def test_dice_is_averaged_over_samples_before_it_is_cut_off():
    logits = tensor([SURE] * 4, [-SURE] * 4)
    truth = torch.ones_like(logits)
    _, dice = bce_dice(logits, truth, torch.ones_like(truth))
    found, missed = 2 * (4 + 1) / (4 + 4 + 1), 2 * (0 + 1) / (0 + 4 + 1)
    assert found > 1
    assert dice.item() == pytest.approx((found + missed) / 2)


def test_a_perfect_answer_costs_nothing_and_no_building_is_no_problem():
    truth = tensor([1, 0, 1, 0], [0, 0, 0, 0])
    loss, dice = bce_dice((2 * truth - 1) * SURE, truth, torch.ones_like(truth))
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert dice.item() == 1


def test_the_gradient_leads_towards_the_truth():
    logits = tensor([0, 0, 0]).requires_grad_()
    truth = tensor([1, 0, 0])
    loss, _ = bce_dice(logits, truth, tensor([1, 1, 0]))
    loss.backward()
    assert logits.grad.sign().flatten().tolist() == [-1, 1, 0]


def test_half_precision_comes_out_as_float32():
    truth = tensor([1, 0])
    loss, dice = bce_dice(tensor([3, -3]).bfloat16(), truth, torch.ones_like(truth))
    assert (loss.dtype, dice.dtype) == (torch.float32, torch.float32)

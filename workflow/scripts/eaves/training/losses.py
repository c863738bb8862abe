"""The winner's loss: binary cross-entropy plus one minus Dice."""

import torch
import torch.nn.functional as F
from torch import Tensor

DICE_SMOOTHING = 1.0  # keeps Dice defined for samples without buildings


def bce_dice(
    logits: Tensor, truth: Tensor, weight: Tensor, bce: float = 1.0, dice: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Compute the weighted sum of binary cross-entropy and (1 - Dice).

    Dice = 2(Σpt + 1) / (Σp + Σt + 1) per sample, with sigmoid outputs p and truth t, averaged over the batch and then
    clamped to [0, 1].

    Args:
        logits: (N, 1, H, W) float.
        truth: (N, 1, H, W) float, 0 or 1.
        weight: (N, 1, H, W) float, 1, or 0 for ignored pixels.
        bce: weight of the cross-entropy.
        dice: weight of (1 - Dice).

    Returns:
        The loss, and Dice; both scalar float32.
    """
    logits, truth, weight = logits.float(), truth.float(), weight.float()
    entropy = F.binary_cross_entropy_with_logits(logits, truth, weight)
    probability = torch.sigmoid(logits) * weight
    target = truth * weight
    shared = (probability * target).sum(dim=(1, 2, 3))
    total = probability.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
    overlap = (2 * (shared + DICE_SMOOTHING) / (total + DICE_SMOOTHING)).mean().clamp(0, 1)
    return bce * entropy + dice * (1 - overlap), overlap

"""Turn prepared pixels into the network's input, and truth into its target; training and inference share this."""

from typing import Any

import torch
from torch import Tensor

from eaves.tiles.prepared import CM_PER_M, NODATA


def to_inputs(images: Tensor, scaling: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Turns prepared pixels into what the network sees; nodata becomes 0 in colour and height.

    Args:
        images: (N, H, W, 4) int16.
        scaling: the block `input` of the configuration.

    Returns:
        rgb: (N, 3, H, W) float32, 0..1, and height: (N, 1, H, W) float32, in units of `height_divisor_m`.
    """
    pixels = images.permute(0, 3, 1, 2)
    known = pixels != NODATA
    values = torch.where(known, pixels, 0).float()
    return values[:, :3] / 255, values[:, 3:] / (CM_PER_M * scaling["height_divisor_m"])


def join_inputs(rgb: Tensor, height: Tensor, scaling: dict[str, Any], channels: int) -> Tensor:
    """Normalises the colours and adds the height where the network has a channel for it.

    Args:
        rgb: (N, 3, H, W) float, 0..1.
        height: (N, 1, H, W) float.
        scaling: the block `input` of the configuration.
        channels: 3 or 4.

    Returns:
        (N, channels, H, W) float, channels last in memory.
    """
    colours = (rgb - scaling["rgb_mean"] / 255) / (scaling["rgb_divisor"] / 255)
    joined = colours if channels == 3 else torch.cat([colours, height], 1)
    return joined.contiguous(memory_format=torch.channels_last)


def to_truth(truths: Tensor, uncertain: str) -> tuple[Tensor, Tensor]:
    """Turns signs into a target and a weight.

    Args:
        truths: (N, 1, H, W) float: 1 building, 0 ground, -1 uncertain.
        uncertain: what uncertain buildings count as: `building`, `ground`, or `ignore`.

    Returns:
        target and weight, (N, 1, H, W) float, 0 or 1.
    """
    if uncertain == "building":
        return truths.abs(), torch.ones_like(truths)
    target = truths.clamp(min=0)
    return target, torch.ones_like(truths) if uncertain == "ground" else (truths >= 0).float()

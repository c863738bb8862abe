"""Convert prepared pixels to network inputs and truth to targets, for both training and inference."""

from typing import Any

import torch
from torch import Tensor

from eaves.tiles.prepared import CM_PER_M, NODATA


def to_inputs(images: Tensor, scaling: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Scale prepared pixels to colours and heights; nodata becomes 0 in both.

    Args:
        images: (N, H, W, 4) int16.
        scaling: the block `input` of the configuration.

    Returns:
        rgb: (N, 3, H, W) float32, 0..1, and height: (N, 1, H, W) float32, in units of `height_divisor_m`.
    """
    pixels = images.permute(0, 3, 1, 2)
    valid = pixels != NODATA
    values = torch.where(valid, pixels, 0).float()
    return values[:, :3] / 255, values[:, 3:] / (CM_PER_M * scaling["height_divisor_m"])


def join_inputs(rgb: Tensor, height: Tensor, scaling: dict[str, Any], channels: int) -> Tensor:
    """Normalise the colours and, for a network of four channels, concatenate the height.

    Args:
        rgb: (N, 3, H, W) float, 0..1.
        height: (N, 1, H, W) float.
        scaling: the block `input` of the configuration.
        channels: 3 or 4.

    Returns:
        (N, channels, H, W) float, in channels-last memory format.
    """
    colours = (rgb - scaling["rgb_mean"] / 255) / (scaling["rgb_divisor"] / 255)
    joined = colours if channels == 3 else torch.cat([colours, height], 1)
    return joined.contiguous(memory_format=torch.channels_last)


def to_target(truths: Tensor, uncertain: str) -> tuple[Tensor, Tensor]:
    """Convert the signed truth to the loss's target and weight.

    Args:
        truths: (N, 1, H, W) float: 1 building, 0 ground, -1 uncertain.
        uncertain: how uncertain buildings count: as `building`, as `ground`, or not at all (`ignore`).

    Returns:
        target and weight, each (N, 1, H, W) float, 0 or 1.
    """
    if uncertain == "building":
        return truths.abs(), torch.ones_like(truths)
    target = truths.clamp(min=0)
    return target, torch.ones_like(truths) if uncertain == "ground" else (truths >= 0).float()

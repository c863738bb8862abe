"""Augmentation of batches on the training device: all geometry in one resampling, then a shift of the colours."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """The randomly drawn augmentation of one crop.

    affine: (2, 3) float32, maps positions in the augmented crop to positions in the original one, both in -1..1.
    hsv: (3,) float32, added to hue, saturation and value, each 0..1.
    """

    affine: np.ndarray
    hsv: np.ndarray


def draw(generator: np.random.Generator, settings: dict[str, Any]) -> Draw:
    """Draw the augmentation of one crop.

    Args:
        generator: source of randomness; advanced by the same number of draws whatever the settings are.
        settings: the block `augment` of the configuration.
    """
    uniform = generator.random(3)
    flip = generator.integers(0, 4)
    shift_x, shift_y, scale, angle = generator.uniform(-1, 1, 4)
    colour = generator.uniform(-1, 1, 3)

    matrix = np.eye(3)
    if settings["flip"]:
        matrix = np.diag([-1.0 if flip & 1 else 1.0, -1.0 if flip & 2 else 1.0, 1.0]) @ matrix
    if uniform[0] < settings["transpose_p"]:
        matrix = matrix[[1, 0, 2]]
    if uniform[1] < settings["affine_p"]:
        if settings["match_original"]:
            shift_x = shift_y = 0.0  # the original rounds them to 0
        zoom = 1 / (1 + scale * settings["scale"])
        angle_rad = math.radians(angle * settings["rotate_deg"])
        rotation = np.array(
            [
                [zoom * math.cos(angle_rad), -zoom * math.sin(angle_rad), 2 * shift_x * settings["shift"]],
                [zoom * math.sin(angle_rad), zoom * math.cos(angle_rad), 2 * shift_y * settings["shift"]],
                [0, 0, 1],
            ]
        )
        matrix = matrix @ rotation
    hsv = np.zeros(3)
    if uniform[2] < settings["hsv_p"]:
        hsv = colour * np.array(settings["hsv"]) / 255
        if settings["match_original"]:
            hsv[0] /= 255  # the original divides the hue by 255 twice
    return Draw(matrix[:2].astype(np.float32), hsv.astype(np.float32))


def apply(
    rgb: Tensor, height: Tensor, truth: Tensor, draws: list[Draw], match_original: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Augment a batch.

    Crops are mirrored beyond their edges. Colours and heights are resampled bilinearly; the truth by the nearest pixel,
    so that it keeps its values.

    Args:
        rgb: (N, 3, H, W) float32, 0..1.
        height: (N, 1, H, W) float32, any unit.
        truth: (N, 1, H, W) float32: 1 building, 0 ground, -1 uncertain.
        draws: the augmentation of each of the N crops.
        match_original: mirror at the centre of the edge pixels, as the original does, instead of at their outer edge.

    Returns:
        rgb, height and truth, augmented, with the same shapes.
    """
    affine = torch.from_numpy(np.stack([one.affine for one in draws])).to(rgb.device)
    grid = F.affine_grid(affine, list(rgb.shape), align_corners=False)
    if match_original:  # the same positions, with -1 and 1 at the centres of the edge pixels
        rows, columns = rgb.shape[-2:]
        grid = grid * grid.new_tensor([columns / (columns - 1), rows / (rows - 1)])
    image = F.grid_sample(
        torch.cat([rgb, height], 1), grid, mode="bilinear", padding_mode="reflection", align_corners=match_original
    )
    truth = F.grid_sample(truth, grid, mode="nearest", padding_mode="reflection", align_corners=match_original)
    rgb, height = image[:, :3], image[:, 3:]
    shifted = [number for number, one in enumerate(draws) if one.hsv.any()]
    if shifted:
        shifts = torch.from_numpy(np.stack([draws[number].hsv for number in shifted])).to(rgb.device)
        rgb = rgb.clone()
        rgb[shifted] = shift_hsv(rgb[shifted], shifts)
    return rgb, height, truth


def shift_hsv(rgb: Tensor, shift: Tensor) -> Tensor:
    """Shift hue (modulo 1), saturation and value (clamped to 0..1).

    Args:
        rgb: (N, 3, H, W) float, 0..1.
        shift: (N, 3) float, of hue, saturation and value, as a share of their full range.

    Returns:
        (N, 3, H, W) float, 0..1.
    """
    value, brightest = rgb.max(dim=1)
    spread = value - rgb.min(dim=1).values
    red, green, blue = rgb.unbind(1)
    safe = spread.clamp(min=1e-6)
    sixths = torch.stack([(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4], 1)
    hue = sixths.gather(1, brightest.unsqueeze(1)).squeeze(1) / 6
    saturation = spread / value.clamp(min=1e-6)

    hue_shift, saturation_shift, value_shift = (shift[:, number, None, None] for number in range(3))
    hue = hue + hue_shift
    saturation = (saturation + saturation_shift).clamp(0, 1)
    value = (value + value_shift).clamp(0, 1)

    # Conversion back to RGB without case distinctions: https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + 6 * hue) % 6
        channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)

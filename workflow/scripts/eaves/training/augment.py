"""Augmentation of a whole batch on the training device: geometry in one resampling, then a shift of the colours."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """What chance decided for one crop.

    affine: (2, 3) float32, from the places of the result to those of the crop, both in -1..1.
    hsv: (3,) float32, added to hue, saturation and value, each 0..1.
    """

    affine: np.ndarray
    hsv: np.ndarray


def draw(generator: np.random.Generator, settings: dict[str, Any]) -> Draw:
    """Draws one crop's augmentation.

    Args:
        generator: where chance comes from; always advanced by the same number of draws.
        settings: the block `augment` of the configuration.
    """
    chance = generator.random(3)
    flip = generator.integers(0, 4)
    shift_x, shift_y, scale, angle = generator.uniform(-1, 1, 4)
    colour = generator.uniform(-1, 1, 3)

    matrix = np.eye(3)
    if settings["flip"]:
        matrix = np.diag([-1.0 if flip & 1 else 1.0, -1.0 if flip & 2 else 1.0, 1.0]) @ matrix
    if chance[0] < settings["transpose_p"]:
        matrix = matrix[[1, 0, 2]]
    if chance[1] < settings["affine_p"]:
        if settings["match_original"]:
            shift_x = shift_y = 0.0  # the original rounded them
        zoom = 1 / (1 + scale * settings["scale"])
        turn = math.radians(angle * settings["rotate_deg"])
        rotation = np.array(
            [
                [zoom * math.cos(turn), -zoom * math.sin(turn), 2 * shift_x * settings["shift"]],
                [zoom * math.sin(turn), zoom * math.cos(turn), 2 * shift_y * settings["shift"]],
                [0, 0, 1],
            ]
        )
        matrix = matrix @ rotation
    hsv = np.zeros(3)
    if chance[2] < settings["hsv_p"]:
        hsv = colour * np.array(settings["hsv"]) / 255
        if settings["match_original"]:
            hsv[0] /= 255  # the original divided the hue twice
    return Draw(matrix[:2].astype(np.float32), hsv.astype(np.float32))


def apply(
    rgb: Tensor, height: Tensor, truth: Tensor, draws: list[Draw], match_original: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Augments a batch.

    What comes in from beyond a crop's edge is the crop mirrored. Colours and heights are resampled bilinearly, the
    truth by the nearest pixel, so that it keeps its values.

    Args:
        rgb: (N, 3, H, W) float32, 0..1.
        height: (N, 1, H, W) float32, any unit.
        truth: (N, 1, H, W) float32.
        draws: N of them.
        match_original: mirror at the centre of the edge's pixels, as the original did, and not at their outer side.

    Returns:
        The three, augmented, of the same shapes.
    """
    affine = torch.from_numpy(np.stack([one.affine for one in draws])).to(rgb.device)
    grid = F.affine_grid(affine, list(rgb.shape), align_corners=False)
    if match_original:  # the same places, counted from centre to centre
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
    """Shifts hue (around the circle), saturation and value (cut off at 0 and 1).

    Args:
        rgb: (N, 3, H, W) float, 0..1.
        shift: (N, 3) float, of the full range of each.

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

    by_hue, by_saturation, by_value = (shift[:, number, None, None] for number in range(3))
    hue = hue + by_hue
    saturation = (saturation + by_saturation).clamp(0, 1)
    value = (value + by_value).clamp(0, 1)

    # Back by the formula without cases: https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + 6 * hue) % 6
        channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)

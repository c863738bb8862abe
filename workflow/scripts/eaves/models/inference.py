"""Inference on tiles of any size: overlapping windows, blended smoothly, averaged over four flips."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eaves.compute import devices
from eaves.models.inputs import join_inputs, to_inputs
from eaves.tiles.crops import mirror_indices

STRIDE_PX = 32  # of the encoder's coarsest feature map; inputs are padded to a multiple of it
FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))  # axes of (N, C, H, W)


def predict_strips(
    network: nn.Module,
    image: np.ndarray,
    channels: int,
    settings: dict[str, Any],
    device: torch.device,
    progress: Callable[[float], object] = lambda windows: None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Predict the probability of building, strip by strip, so that memory does not grow with the tile's height.

    How it works: windows overlap by at least `overlap` px, and their weights fall linearly towards their inner edges,
    so that each pixel is a weighted mean of the logits of all windows that cover it. Windows are computed row by row;
    rows of pixels that the next row of windows does not reach are yielded.

    Args:
        network: on `device`, in evaluation mode.
        image: (H, W, 4) int16, a prepared tile, possibly memory-mapped.
        channels: number of input channels of the network, 3 or 4.
        settings: the blocks `input` and `predict` of the configuration.
        device: the device that the network is on.
        progress: called after each forward pass with the windows computed since the last call: 1, or 1/4 with flips.

    Yields:
        (top, probability): the strip's first row, and (rows, W) float32, 0..1. The strips are contiguous, in order.
    """
    window, overlap = settings["predict"]["window"], settings["predict"]["overlap"]
    height, width = image.shape[:2]
    tops, lefts = window_corners(height, window, overlap), window_corners(width, window, overlap)
    rows, columns = min(window, height), min(window, width)
    logits = np.zeros((rows, width), np.float32)
    weights = np.zeros((rows, width), np.float32)
    for row, top in enumerate(tops):
        fade_down = _fade(rows, row > 0, row < len(tops) - 1, overlap)
        for column, left in enumerate(lefts):
            fade_across = _fade(columns, column > 0, column < len(lefts) - 1, overlap)
            weight = fade_down[:, None] * fade_across
            window_logits = _predict_window(
                network, image, (top, left, rows, columns), channels, settings, device, progress
            )
            logits[:, left : left + columns] += window_logits * weight
            weights[:, left : left + columns] += weight
        done = tops[row + 1] - top if row + 1 < len(tops) else rows
        yield top, _sigmoid(logits[:done] / weights[:done])
        logits = np.concatenate([logits[done:], np.zeros((done, width), np.float32)])
        weights = np.concatenate([weights[done:], np.zeros((done, width), np.float32)])


def count_windows(height: int, width: int, settings: dict[str, Any]) -> int:
    """Count the windows that `predict_strips` computes on a tile.

    Example:
        >>> count_windows(2048, 3000, {"predict": {"window": 2048, "overlap": 256}})
        2
    """
    window, overlap = settings["predict"]["window"], settings["predict"]["overlap"]
    return len(window_corners(height, window, overlap)) * len(window_corners(width, window, overlap))


def window_corners(size: int, window: int, overlap: int) -> list[int]:
    """Return where windows start along one axis; they overlap by at least `overlap`, and the last ends at the edge.

    Example:
        >>> window_corners(2048, 2048, 256), window_corners(3000, 2048, 256), window_corners(300, 2048, 256)
        ([0], [0, 952], [0])
    """
    if size <= window:
        return [0]
    count = 1 + -(-(size - window) // (window - overlap))
    return [round(number * (size - window) / (count - 1)) for number in range(count)]


def _fade(length: int, before: bool, after: bool, overlap: int) -> np.ndarray:
    """Return a window's weights along one axis: a linear ramp over the overlap on each side that has a neighbour."""
    weights = np.ones(length, np.float32)
    ramp = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if before:
        weights[:overlap] = ramp
    if after:
        weights[length - overlap :] = np.minimum(weights[length - overlap :], ramp[::-1])
    return weights


def _predict_window(
    network: nn.Module,
    image: np.ndarray,
    window: tuple[int, int, int, int],
    channels: int,
    settings: dict[str, Any],
    device: torch.device,
    progress: Callable[[float], object],
) -> np.ndarray:
    """Return the mean logits over all flips, (rows, columns) float32, of one window (top, left, rows, columns)."""
    top, left, rows, columns = window
    pixels = np.array(image[top : top + rows, left : left + columns])
    padded = [mirror_indices(0, -(-size // STRIDE_PX) * STRIDE_PX, size) for size in (rows, columns)]
    if (len(padded[0]), len(padded[1])) != (rows, columns):
        pixels = pixels[np.ix_(*padded)]
    rgb, height = to_inputs(torch.from_numpy(pixels).unsqueeze(0).to(device), settings["input"])
    inputs = join_inputs(rgb, height, settings["input"], channels)
    flips = FLIPS if settings["predict"]["flips"] else FLIPS[:1]
    total = torch.zeros(inputs.shape[-2:], device=device)
    with torch.inference_mode(), devices.autocast(device, settings["predict"]["precision"]):
        for axes in flips:
            total += _flip(network(_flip(inputs, axes)).float(), axes)[0, 0]
            progress(1 / len(flips))
    return (total / len(flips))[:rows, :columns].cpu().numpy()


def _flip(batch: Tensor, axes: tuple[int, ...]) -> Tensor:
    return torch.flip(batch, axes).contiguous(memory_format=torch.channels_last) if axes else batch


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return torch.sigmoid(torch.from_numpy(logits)).numpy()

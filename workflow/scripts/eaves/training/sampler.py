"""The crops of each training step, as a function of seed, fold, stage, epoch and step, so that any can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eaves.tiles.crops import Tile, cut_crop, grid_corners, random_corner
from eaves.training import augment


@dataclass(frozen=True)
class Batch:
    """Crops as cut from the tiles, and how to augment them.

    images: (N, S, S, 4) int16: R, G, B, height in cm. truths: (N, S, S) int8: 1 building, 0 ground, -1 uncertain.
    draws: the augmentation of each crop; empty for validation. tiles: the name of each crop's tile.
    """

    images: Tensor
    truths: Tensor
    draws: list[augment.Draw]
    tiles: list[str]

    def pin_memory(self) -> "Batch":
        """Return a copy in pinned memory, for asynchronous transfer to a GPU."""
        return replace(self, images=self.images.pin_memory(), truths=self.truths.pin_memory())


@dataclass(frozen=True)
class Sampler:
    """Draws the training batches of a job.

    tiles: the training tiles. sample, augmentation: the blocks `sample` and `augment` of the configuration. key:
    (seed, fold, stage), which selects independent random streams.
    """

    tiles: list[Tile]
    sample: dict[str, Any]
    augmentation: dict[str, Any]
    key: tuple[int, ...]

    @property
    def crops_per_epoch(self) -> int:
        """Number of crops in an epoch."""
        return len(self.tiles) * self.sample["crops_per_tile"]

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in an epoch. Leftover crops are skipped; too few for a single step are repeated."""
        return max(1, self.crops_per_epoch // (self.sample["micro_batch"] * self.sample["gradient_accumulation"]))

    def draw(self, epoch: int, step: int, rank: int = 0, world_size: int = 1) -> list[Batch]:
        """Draw this process's micro-batches of a step: those numbered rank, rank + world_size, ..."""
        order = np.random.default_rng((*self.key, epoch)).permutation(self.crops_per_epoch)
        micro_batches = self.sample["gradient_accumulation"]
        crops = self.sample["micro_batch"] * micro_batches
        positions = np.arange(step * crops, (step + 1) * crops) % len(order)
        return [self._cut(epoch, order[part]) for part in np.split(positions, micro_batches)[rank::world_size]]

    def _cut(self, epoch: int, crops: np.ndarray) -> Batch:
        """Cut crops, given by their numbers within the epoch, at random positions."""
        crop_px, border_px = self.sample["crop_px"], self.sample["border_px"]
        images, truths, draws, names = [], [], [], []
        for crop in crops:
            generator = np.random.default_rng((*self.key, epoch, int(crop)))
            tile = self.tiles[crop % len(self.tiles)]
            height, width = tile.truth.shape
            top = random_corner(generator, height, crop_px, border_px)
            left = random_corner(generator, width, crop_px, border_px)
            image, truth = cut_crop(tile, top, left, crop_px)
            images.append(image)
            truths.append(truth)
            draws.append(augment.draw(generator, self.augmentation))
            names.append(tile.name)
        return Batch(_stack(images), _stack(truths), draws, names)


def validation_batches(tiles: list[Tile], crop_px: int, size: int) -> list[list[tuple[Tile, int, int]]]:
    """Return the crops that cover the tiles in a grid, as (tile, top, left), in batches of `size` for `cut_crops`."""
    crops = [
        (tile, top, left)
        for tile in tiles
        for top in grid_corners(tile.truth.shape[0], crop_px)
        for left in grid_corners(tile.truth.shape[1], crop_px)
    ]
    return [crops[start : start + size] for start in range(0, len(crops), size)]


def cut_crops(crops: list[tuple[Tile, int, int]], crop_px: int) -> Batch:
    """Cut crops at the given positions (tile, top, left), without augmentation."""
    pairs = [cut_crop(tile, top, left, crop_px) for tile, top, left in crops]
    images, truths = (_stack(arrays) for arrays in zip(*pairs, strict=True))
    return Batch(images, truths, [], [tile.name for tile, _, _ in crops])


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))

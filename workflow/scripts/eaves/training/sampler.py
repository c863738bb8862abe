"""Which crops a training step sees: a function of seed, fold, epoch and step alone, so that any can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eaves.tiles.crops import Tile, cut, grid_corners, random_corner
from eaves.training import augment


@dataclass(frozen=True)
class Batch:
    """Crops as they come from the tiles, and what to do to them.

    images: (N, S, S, 4) int16. truths: (N, S, S) int8: 1 building, 0 ground, -1 uncertain.
    draws: how each is to be augmented; empty for validation. tiles: their names.
    """

    images: Tensor
    truths: Tensor
    draws: list[augment.Draw]
    tiles: list[str]

    def pinned(self) -> "Batch":
        """The same in memory that a GPU fetches from by itself, while the processor goes on."""
        return replace(self, images=self.images.pin_memory(), truths=self.truths.pin_memory())


@dataclass(frozen=True)
class Sampler:
    """Draws the batches of a run.

    key: numbers that make the run's chance its own: seed, fold, stage.
    """

    tiles: list[Tile]
    sample: dict[str, Any]
    augmentation: dict[str, Any]
    key: tuple[int, ...]

    @property
    def crops_per_epoch(self) -> int:
        """How many crops an epoch holds."""
        return len(self.tiles) * self.sample["crops_per_tile"]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimizer in an epoch; crops left over by the last whole step wait for another epoch."""
        return max(1, self.crops_per_epoch // (self.sample["micro_batch"] * self.sample["gradient_accumulation"]))

    def draw(self, epoch: int, step: int, rank: int = 0, size: int = 1) -> list[Batch]:
        """The micro-batches of one step of an epoch; of `size` processes, number `rank` gets every size-th."""
        order = np.random.default_rng((*self.key, epoch)).permutation(self.crops_per_epoch)
        count = self.sample["gradient_accumulation"]
        crops = self.sample["micro_batch"] * count
        places = np.arange(step * crops, (step + 1) * crops) % len(order)
        return [self._cut(epoch, order[part]) for part in np.split(places, count)[rank::size]]

    def _cut(self, epoch: int, members: np.ndarray) -> Batch:
        crop_px, border_px = self.sample["crop_px"], self.sample["border_px"]
        images, truths, draws, names = [], [], [], []
        for member in members:
            generator = np.random.default_rng((*self.key, epoch, int(member)))
            tile = self.tiles[member % len(self.tiles)]
            height, width = tile.truth.shape
            top = random_corner(generator, height, crop_px, border_px)
            left = random_corner(generator, width, crop_px, border_px)
            image, truth = cut(tile, top, left, crop_px)
            images.append(image)
            truths.append(truth)
            draws.append(augment.draw(generator, self.augmentation))
            names.append(tile.name)
        return Batch(_stacked(images), _stacked(truths), draws, names)


def validation_batches(tiles: list[Tile], crop_px: int, size: int) -> list[list[tuple[Tile, int, int]]]:
    """Places that cover the held-out tiles, in batches; `cut_places` turns one into pixels."""
    places = [
        (tile, top, left)
        for tile in tiles
        for top in grid_corners(tile.truth.shape[0], crop_px)
        for left in grid_corners(tile.truth.shape[1], crop_px)
    ]
    return [places[start : start + size] for start in range(0, len(places), size)]


def cut_places(places: list[tuple[Tile, int, int]], crop_px: int) -> Batch:
    """Cuts the crops at given places, not augmented."""
    pairs = [cut(tile, top, left, crop_px) for tile, top, left in places]
    images, truths = (_stacked(arrays) for arrays in zip(*pairs, strict=True))
    return Batch(images, truths, [], [tile.name for tile, _, _ in places])


def _stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))

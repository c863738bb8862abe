"""The inputs of the training loop: phases, data, settings, and where to write checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eaves.tiles.crops import Tile
from eaves.training.sampler import Sampler


@dataclass(frozen=True)
class Phase:
    """Epochs with the same learning rate and the same weights of the loss's two terms."""

    name: str
    epochs: int
    lr: float
    bce: float
    dice: float


@dataclass(frozen=True)
class TrainingJob:
    """Everything that the training loop needs besides the network and the device.

    settings: the blocks input, sample, augment and optimize of the configuration. sampler: draws the training batches.
    val_tiles: the held-out tiles. channels: number of input channels. checkpoint: its path, written every
    `checkpoint_minutes` and, optionally, every `checkpoint_steps`. identity: see `identity`; only a checkpoint with
    the same one is resumed from. loader_threads: number of threads that cut crops. tensorboard_dir: folder for
    TensorBoard's files, or None.
    """

    phases: list[Phase]
    settings: dict[str, Any]
    sampler: Sampler
    val_tiles: list[Tile]
    channels: int
    checkpoint: Path
    identity: str
    checkpoint_minutes: float = 10
    checkpoint_steps: int | None = None
    loader_threads: int = 1
    tensorboard_dir: Path | None = None

    def epochs(self) -> list[Phase]:
        """Return the phase of each epoch, in order."""
        return [phase for phase in self.phases for _ in range(phase.epochs)]

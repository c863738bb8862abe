"""What a training run consists of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eaves.tiles.crops import Tile
from eaves.training.sampler import Sampler


@dataclass(frozen=True)
class Phase:
    """Epochs that share a learning rate and weights of the loss."""

    name: str
    epochs: int
    lr: float
    bce: float
    dice: float


@dataclass(frozen=True)
class Run:
    """What one training job works with.

    settings: the blocks input, sample, augment and optimize. identity: what a checkpoint has to belong to; one is
    written every `checkpoint_minutes` and, if asked for, every `checkpoint_steps`. loaders: threads that cut crops.
    journal: folder for TensorBoard, if any.
    """

    phases: list[Phase]
    settings: dict[str, Any]
    sampler: Sampler
    held_out: list[Tile]
    channels: int
    checkpoint: Path
    identity: str
    checkpoint_minutes: float = 10
    checkpoint_steps: int | None = None
    loaders: int = 1
    journal: Path | None = None

    def epochs(self) -> list[Phase]:
        """The phase of each epoch."""
        return [phase for phase in self.phases for _ in range(phase.epochs)]

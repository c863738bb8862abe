"""The progress of training, saved in checkpoints and restored from them."""

import time
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from eaves.core.cli import LOG
from eaves.training import checkpoints
from eaves.training.job import TrainingJob
from eaves.training.trainer import Trainer


@dataclass
class TrainingProgress:
    """How far training has come: what a checkpoint holds besides the trainer's state.

    epoch, step: number of completed epochs, and of completed steps in the current one. loss_sum, dice_sum: over these
    steps. best_loss, best: validation loss and weights of the best candidate so far. history: a row per completed
    epoch. saved_at: monotonic time of the last checkpoint, seconds.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    dice_sum: float = 0.0
    best_loss: float = float("inf")
    best: dict[str, Tensor] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    saved_at: float = field(default_factory=time.monotonic)

    @classmethod
    def restore(cls, checkpoint: dict[str, Any] | None, trainer: Trainer) -> "TrainingProgress":
        """Restore progress and the trainer's state from a checkpoint, or start from the beginning without one.

        Args:
            checkpoint: as written by `save`, or None. It is emptied, so that its tensors don't stay in memory.
            trainer: its state is replaced by the checkpoint's.
        """
        if checkpoint is None:
            return cls()
        trainer.load_state_dict(checkpoint.pop("trainer"))
        progress = cls(**checkpoint.pop("progress"))
        LOG.info("resuming from epoch %d, step %d", progress.epoch + 1, progress.step + 1)
        return progress

    def save(self, job: TrainingJob, trainer: Trainer) -> None:
        """Write a checkpoint, in the main process only."""
        if trainer.group.is_main:
            progress = {name: value for name, value in vars(self).items() if name != "saved_at"}
            checkpoint = {"trainer": trainer.state_dict(), "progress": progress, "sample": job.sampler.sample}
            checkpoints.save(job.checkpoint, checkpoint, job.identity)
        self.saved_at = time.monotonic()

    def add(self, step: int, loss: float, dice: float) -> None:
        """Record a completed step.

        Args:
            step: number of steps completed in the current epoch, this one included.
            loss: mean loss of the step.
            dice: mean Dice of the step.
        """
        self.step = step
        self.loss_sum += loss
        self.dice_sum += dice

    def means(self) -> dict[str, float]:
        """Return mean loss and Dice over the completed steps of the current epoch."""
        return {"loss": self.loss_sum / self.step, "dice": self.dice_sum / self.step}

    def finish_epoch(self, row: dict[str, Any], network: nn.Module, candidate: bool) -> None:
        """Complete an epoch; of the candidates, keep the weights with the lowest validation loss.

        Args:
            row: the epoch's row of the history.
            network: the network as trained so far.
            candidate: whether this epoch's weights may become the model.
        """
        self.history.append(row)
        self.epoch, self.step, self.loss_sum, self.dice_sum = self.epoch + 1, 0, 0.0, 0.0
        if candidate and not row["val_loss"] > self.best_loss:  # NaN, with no tiles held out, keeps the last epoch
            self.best_loss = row["val_loss"]
            self.best = deepcopy(network.state_dict())

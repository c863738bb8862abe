"""How far a training run has come: kept in its checkpoint, taken up from it."""

import time
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from eaves.core.cli import LOG
from eaves.training import checkpoints
from eaves.training.job import Run
from eaves.training.step import Engine


@dataclass
class Progress:
    """How far a run has come: what a checkpoint holds beside weights and optimizer.

    epoch, step: how many are done, the steps of the epoch in hand. loss_sum, dice_sum: over these steps. best: the
    weights of the best candidate so far, and best_loss its loss. history: a row per epoch done.
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
    def resume(cls, run: Run, engine: Engine) -> "Progress":
        """Takes up the run's checkpoint, the engine's state included; else stands at the beginning."""
        state = checkpoints.load(run.checkpoint, run.identity)
        if state is None:
            return cls()
        engine.restore(state["engine"])
        progress = cls(**state["progress"])
        LOG.info("goes on from epoch %d, step %d", progress.epoch + 1, progress.step + 1)
        return progress

    def save(self, run: Run, engine: Engine) -> None:
        """Writes a checkpoint; of several processes, the leading one does."""
        if engine.team.leads:
            place = {name: value for name, value in vars(self).items() if name != "saved_at"}
            state = {"engine": engine.state(), "progress": place, "sample": run.sampler.sample}
            checkpoints.save(run.checkpoint, state, run.identity)
        self.saved_at = time.monotonic()

    def add(self, step: int, loss: float, dice: float) -> None:
        """Counts a step."""
        self.step = step
        self.loss_sum += loss
        self.dice_sum += dice

    def means(self) -> dict[str, float]:
        """Mean loss and Dice of the epoch in hand."""
        return {"loss": self.loss_sum / self.step, "dice": self.dice_sum / self.step}

    def finish_epoch(self, row: dict[str, Any], network: nn.Module, candidate: bool) -> None:
        """Closes an epoch; a candidate that is better than those before it, or cannot be compared, is kept."""
        self.history.append(row)
        self.epoch, self.step, self.loss_sum, self.dice_sum = self.epoch + 1, 0, 0.0, 0.0
        if candidate and not row["val_loss"] > self.best_loss:  # NaN, with nothing held out, keeps the last
            self.best_loss = row["val_loss"]
            self.best = deepcopy(network.state_dict())

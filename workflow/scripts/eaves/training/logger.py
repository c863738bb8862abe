"""What one sees of training while it runs: a bar, or a line an epoch in the log; TensorBoard's curves and pictures."""

import time
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from eaves.core.cli import LOG
from eaves.core.meter import Meter
from eaves.training.job import Run
from eaves.training.progress import Progress

PICTURES = 4  # held-out crops drawn after each epoch


class TrainingLogger:
    """Tells of a run; nothing it writes is a result.

    Args:
        run: what is trained.
        progress: how far it has come.
        speaks: false in all but one of the processes that train together.
    """

    def __init__(self, run: Run, progress: Progress, speaks: bool = True) -> None:
        self._run = run
        self._epochs = run.epochs()
        self._speaks = speaks
        self._writer: Any = None
        self._began = time.monotonic()
        self._meter: Meter | None = None
        if run.journal and speaks:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to come in

            done = progress.epoch * run.sampler.steps_per_epoch + progress.step
            try:
                self._writer = SummaryWriter(str(run.journal), purge_step=done)
            except OSError as error:
                self._give_up(error)

    def begin(self, epoch: int, first: int) -> None:
        """An epoch begins, at a step of it."""
        sample = self._run.settings["sample"]
        self._crops = sample["micro_batch"] * sample["gradient_accumulation"]
        self._began, self._trained = time.monotonic(), 0.0
        self._first = first
        if self._speaks:
            what = f"epoch {epoch + 1}/{len(self._epochs)} ({self._epochs[epoch].name})"
            steps = self._run.sampler.steps_per_epoch
            self._meter = Meter(what, steps * self._crops, "crops", done=first * self._crops)

    def step(self, epoch: int, step: int, loss: float, dice: float) -> None:
        """A step is done."""
        if self._meter:
            self._meter.add(self._crops, note=f"loss {loss:.3f}, Dice {dice:.3f}")
        number = epoch * self._run.sampler.steps_per_epoch + step + 1
        self._tell("add_scalar", "step/loss", loss, number)
        self._tell("add_scalar", "step/dice", dice, number)

    def trained(self) -> None:
        """The epoch's steps are done; it is judged next."""
        self._trained = time.monotonic() - self._began
        if self._meter:
            self._meter.close()

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done."""
        number, steps = row["epoch"], self._run.sampler.steps_per_epoch
        lasted = time.monotonic() - self._began
        crops_per_s = (steps - self._first) * self._crops / max(self._trained, 1e-9)
        left = (len(self._epochs) - number) * lasted * steps / max(steps - self._first, 1)
        if self._speaks:
            LOG.info(
                "epoch %d/%d %s: loss %.4f, Dice %.4f; held out: loss %.4f, Dice %.4f; %.3g crops/s, %s left",
                *(number, len(self._epochs), row["phase"], row["loss"], row["dice"]),
                *(row["val_loss"], row["val_dice"], crops_per_s, tqdm.format_interval(left)),
            )
        for name in ("lr", "loss", "dice", "val_loss", "val_dice"):
            self._tell("add_scalar", f"epoch/{name}", row[name], number * steps)
        self._tell("add_scalar", "epoch/crops_per_s", crops_per_s, number * steps)
        self._tell("flush")

    def pictures(self, epoch: int, tiles: list[str], image: Tensor, truth: Tensor, logits: Tensor) -> None:
        """Held-out crops: colours, truth and probability side by side.

        Args:
            epoch: its number, from 0.
            tiles: the crops' tiles.
            image: (N, C, H, W), the network's input; its first three channels are drawn, stretched to 0..1.
            truth: (N, 1, H, W), 0 or 1.
            logits: (N, 1, H, W).
        """
        if not self._writer:
            return
        number = (epoch + 1) * self._run.sampler.steps_per_epoch
        for place, tile in enumerate(tiles[:PICTURES]):
            rgb = image[place, :3].float()
            rgb = (rgb - rgb.min()) / (rgb.max() - rgb.min()).clamp(min=1e-6)
            parts = [rgb, truth[place].expand_as(rgb).float(), torch.sigmoid(logits[place]).expand_as(rgb)]
            self._tell("add_image", f"held out/{place} {tile}", torch.cat(parts, 2).cpu(), number)

    def close(self) -> None:
        """Nothing more is told."""
        self._tell("close")

    def _tell(self, what: str, *values: Any) -> None:
        """Call TensorBoard's writer; where its files cannot be written, training goes on without them."""
        if not self._writer:
            return
        try:
            getattr(self._writer, what)(*values)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._writer = None
        LOG.warning("%s: cannot be written (%s); training goes on without it", self._run.journal, error.strerror)

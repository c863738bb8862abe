"""Progress of training: a bar on a terminal, a log line per epoch, and curves and images for TensorBoard."""

import time
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from eaves.core.cli import LOG
from eaves.core.meter import Meter
from eaves.training.job import TrainingJob
from eaves.training.progress import TrainingProgress

IMAGES = 4  # held-out crops written to TensorBoard after each epoch


class TrainingLogger:
    """Reports the progress of a training job; nothing that it writes is a result.

    Args:
        job: the training job.
        progress: its progress at the start.
        enabled: False in all but the main process.
    """

    def __init__(self, job: TrainingJob, progress: TrainingProgress, enabled: bool = True) -> None:
        self._job = job
        self._epochs = job.epochs()
        self._enabled = enabled
        self._writer: Any = None
        self._started = time.monotonic()
        self._meter: Meter | None = None
        if job.tensorboard_dir and enabled:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to import

            done = progress.epoch * job.sampler.steps_per_epoch + progress.step
            try:
                self._writer = SummaryWriter(str(job.tensorboard_dir), purge_step=done)
            except OSError as error:
                self._disable_tensorboard(error)

    def begin_epoch(self, epoch: int, first: int) -> None:
        """Report the start of an epoch.

        Args:
            epoch: number of the epoch, from 0.
            first: the step that it starts from, above 0 when resuming.
        """
        sample = self._job.settings["sample"]
        self._crops = sample["micro_batch"] * sample["gradient_accumulation"]
        self._started, self._training_s = time.monotonic(), 0.0
        self._first = first
        if self._enabled:
            label = f"epoch {epoch + 1}/{len(self._epochs)} ({self._epochs[epoch].name})"
            steps = self._job.sampler.steps_per_epoch
            self._meter = Meter(label, steps * self._crops, "crops", done=first * self._crops)

    def end_step(self, epoch: int, step: int, loss: float, dice: float) -> None:
        """Report a completed training step, with its mean loss and Dice."""
        if self._meter:
            self._meter.add(self._crops, note=f"loss {loss:.3f}, Dice {dice:.3f}")
        number = epoch * self._job.sampler.steps_per_epoch + step + 1
        self._write("add_scalar", "step/loss", loss, number)
        self._write("add_scalar", "step/dice", dice, number)

    def end_training(self) -> None:
        """Report that the training steps of the epoch are complete; validation follows."""
        self._training_s = time.monotonic() - self._started
        if self._meter:
            self._meter.close()

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Report a completed epoch, given its row of the history."""
        number, steps = row["epoch"], self._job.sampler.steps_per_epoch
        epoch_s = time.monotonic() - self._started
        crops_per_s = (steps - self._first) * self._crops / max(self._training_s, 1e-9)
        remaining_s = (len(self._epochs) - number) * epoch_s * steps / max(steps - self._first, 1)
        if self._enabled:
            LOG.info(
                "epoch %d/%d %s: loss %.4f, Dice %.4f; held out: loss %.4f, Dice %.4f; %.3g crops/s, %s left",
                *(number, len(self._epochs), row["phase"], row["loss"], row["dice"]),
                *(row["val_loss"], row["val_dice"], crops_per_s, tqdm.format_interval(remaining_s)),
            )
        for name in ("lr", "loss", "dice", "val_loss", "val_dice"):
            self._write("add_scalar", f"epoch/{name}", row[name], number * steps)
        self._write("add_scalar", "epoch/crops_per_s", crops_per_s, number * steps)
        self._write("flush")

    def write_images(self, epoch: int, tiles: list[str], image: Tensor, truth: Tensor, logits: Tensor) -> None:
        """Write held-out crops to TensorBoard: colours, truth and probability side by side.

        Args:
            epoch: number of the epoch, from 0.
            tiles: the name of each crop's tile.
            image: (N, C, H, W) float, the network's input; its first three channels are shown, stretched to 0..1.
            truth: (N, 1, H, W), 0 or 1.
            logits: (N, 1, H, W) float.
        """
        if not self._writer:
            return
        number = (epoch + 1) * self._job.sampler.steps_per_epoch
        for crop, tile in enumerate(tiles[:IMAGES]):
            rgb = image[crop, :3].float()
            rgb = (rgb - rgb.min()) / (rgb.max() - rgb.min()).clamp(min=1e-6)
            parts = [rgb, truth[crop].expand_as(rgb).float(), torch.sigmoid(logits[crop]).expand_as(rgb)]
            self._write("add_image", f"val/{crop} {tile}", torch.cat(parts, 2).cpu(), number)

    def close(self) -> None:
        """Close TensorBoard's files."""
        self._write("close")

    def _write(self, method: str, *values: Any) -> None:
        """Call a method of TensorBoard's writer; if its files cannot be written, training continues without them."""
        if not self._writer:
            return
        try:
            getattr(self._writer, method)(*values)
        except OSError as error:
            self._disable_tensorboard(error)

    def _disable_tensorboard(self, error: OSError) -> None:
        self._writer = None
        LOG.warning(
            "%s: cannot be written (%s); training continues without TensorBoard",
            *(self._job.tensorboard_dir, error.strerror),
        )

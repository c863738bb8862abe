"""The training loop: phases, epochs, steps, validation, checkpoints, and the choice of the best epoch."""

import signal
import sys
import time
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from eaves.compute.distributed import ProcessGroup
from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.core.signals import StopRequest
from eaves.training import loader
from eaves.training.job import TrainingJob
from eaves.training.logger import TrainingLogger
from eaves.training.progress import TrainingProgress
from eaves.training.sampler import cut_crops, validation_batches
from eaves.training.trainer import Trainer


def train(
    network: nn.Module,
    job: TrainingJob,
    device: torch.device,
    group: ProcessGroup | None = None,
    checkpoint: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Train a network in place.

    Of the last phase's epochs, the weights with the lowest loss on the held-out tiles are kept, or those of the last
    epoch if no tiles are held out. Resuming from a checkpoint gives the same result, bit for bit, as an uninterrupted
    training.

    Args:
        network: a network of `job.channels` input channels, on the CPU.
        job: phases, data and settings.
        device: the device to train on.
        group: the processes that train together, each of which calls this function; by default this one alone.
        checkpoint: to resume from, as loaded for this job; it is emptied. None starts from the beginning.

    Returns:
        One row per epoch: epoch, phase, lr, loss, dice, val_loss, val_dice.

    Raises:
        InputError: the loss is not finite; the message names the epoch, step and tiles.
        SystemExit: a signal asked the process to stop; a checkpoint was written, and the status is 128 + the signal's
            number.
    """
    trainer = Trainer(network, job.settings, job.channels, device, group)
    progress = TrainingProgress.restore(checkpoint, trainer)
    trainer.group.barrier()  # all processes have read the checkpoint before the main process replaces it
    logger = TrainingLogger(job, progress, enabled=trainer.group.is_main)
    epochs = job.epochs()
    last_phase_start = len(epochs) - job.phases[-1].epochs if job.phases else 0
    with StopRequest() as stop:
        for epoch in range(progress.epoch, len(epochs)):
            phase = epochs[epoch]
            _train_epoch(trainer, epoch, progress, job, logger, stop)
            row = {"epoch": epoch + 1, "phase": phase.name, "lr": phase.lr} | progress.means()
            row |= _validate(trainer, epoch, progress, job, logger, stop)
            progress.finish_epoch(row, network, candidate=epoch >= last_phase_start)
            logger.end_epoch(row)
    # The final checkpoint is kept until the whole workflow has finished: if the job is killed before Snakemake has
    # registered the model, it runs again, and then takes only seconds.
    progress.save(job, trainer)
    logger.close()
    if progress.best is not None:
        network.load_state_dict(progress.best)
    return progress.history


def _train_epoch(
    trainer: Trainer,
    epoch: int,
    progress: TrainingProgress,
    job: TrainingJob,
    logger: TrainingLogger,
    stop: StopRequest,
) -> None:
    """Run the remaining training steps of an epoch, and save checkpoints when they are due."""
    phase, group = job.epochs()[epoch], trainer.group
    trainer.set_learning_rate(phase.lr)
    trainer.network.train()
    logger.begin_epoch(epoch, progress.step)
    pin_memory = trainer.device.type == "cuda"
    for step, micro_batches in loader.steps(
        job.sampler, epoch, progress.step, group.rank, group.world_size, job.loader_threads, pin_memory
    ):
        figures = trainer.training_step(micro_batches, phase)
        stop_signal = torch.tensor([float(stop.received or 0)], device=trainer.device)
        # A single reduction per step gives the mean figures and whether any process received a stop signal.
        reduced = group.all_reduce_sum(torch.cat([figures / group.world_size, stop_signal]))
        loss, dice, stop_signals = reduced.tolist()
        if not np.isfinite(loss):
            names = sorted({name for batch in job.sampler.draw(epoch, step) for name in batch.tiles})
            raise InputError(
                f"training: the loss is {loss} in epoch {epoch + 1}, step {step + 1}, on {', '.join(names)}; "
                "inspect these tiles, or lower the learning rate"
            )
        progress.add(step + 1, loss, dice)
        logger.end_step(epoch, step, loss, dice)
        if stop_signals:
            _save_and_exit(trainer, epoch, progress, job, stop)
        if _checkpoint_due(progress, job):
            progress.save(job, trainer)
    logger.end_training()


def _save_and_exit(
    trainer: Trainer, epoch: int, progress: TrainingProgress, job: TrainingJob, stop: StopRequest
) -> NoReturn:
    """Save a checkpoint and exit, after a stop signal."""
    progress.save(job, trainer)
    received = stop.received or signal.SIGTERM
    LOG.warning(
        "%s: stopped in epoch %d after step %d; the next start resumes from here",
        *(received.name, epoch + 1, progress.step),
    )
    sys.exit(128 + received)


def _checkpoint_due(progress: TrainingProgress, job: TrainingJob) -> bool:
    """Return whether a checkpoint is due, by the number of steps or by time."""
    if job.checkpoint_steps and progress.step % job.checkpoint_steps == 0:
        return True
    return time.monotonic() - progress.saved_at > 60 * job.checkpoint_minutes


def _validate(
    trainer: Trainer,
    epoch: int,
    progress: TrainingProgress,
    job: TrainingJob,
    logger: TrainingLogger,
    stop: StopRequest,
) -> dict[str, float]:
    """Compute loss and Dice on crops that cover the held-out tiles; NaN if no tiles are held out.

    A stop signal ends it before the next batch; after resuming, the epoch's validation starts from the beginning.
    """
    phase, sample, group = job.epochs()[epoch], job.settings["sample"], trainer.group
    sums = torch.zeros(3, dtype=torch.float64, device=trainer.device)
    batches = validation_batches(job.val_tiles, sample["crop_px"], sample["micro_batch"])
    own_batches = batches[group.rank :: group.world_size]
    # All processes run the same number of iterations, because each one reduces the stop signals.
    for number in range(-(-len(batches) // group.world_size)):
        if group.all_reduce_sum(torch.tensor([float(stop.received or 0)], device=trainer.device)).item():
            _save_and_exit(trainer, epoch, progress, job, stop)
        if number == len(own_batches):
            break
        crops = own_batches[number]
        batch = cut_crops(crops, sample["crop_px"])
        figures, image, logits = trainer.validation_step(batch, phase)
        sums[:2] += figures.double() * len(crops)
        sums[2] += len(crops)
        if number == 0:
            truth = (batch.truths > 0).unsqueeze(1)
            logger.write_images(epoch, batch.tiles, image.cpu(), truth, logits.cpu())
    loss, dice, count = group.all_reduce_sum(sums).tolist()
    if not count:
        return {"val_loss": float("nan"), "val_dice": float("nan")}
    return {"val_loss": loss / count, "val_dice": dice / count}

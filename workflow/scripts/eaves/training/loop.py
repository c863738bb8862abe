"""The training loop, read from top to bottom: phases of epochs of steps, validation, checkpoints, the best kept."""

import signal
import sys
import time
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from eaves.compute.distributed import Team
from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.core.signals import StopRequest
from eaves.training import loader
from eaves.training.job import Run
from eaves.training.logger import TrainingLogger
from eaves.training.progress import Progress
from eaves.training.sampler import cut_places, validation_batches
from eaves.training.step import Engine


def train(network: nn.Module, run: Run, device: torch.device, team: Team | None = None) -> list[dict[str, Any]]:
    """Trains a network in place.

    The model kept is the better of the last phase's epochs by the loss on the held-out tiles, or the last one where
    nothing is held out. A checkpoint of the very same run is taken up where it stands, and the end is the same, bit
    for bit.

    Args:
        network: of `run.channels` input channels, on the CPU.
        run: data, phases and settings.
        device: what to train on.
        team: the processes that train together, each of which calls this; by default this one is alone.

    Returns:
        One row per epoch: epoch, phase, lr, loss, dice, val_loss, val_dice.

    Raises:
        InputError: the loss is not finite; the line names epoch, step and tiles.
        SystemExit: a signal asked for the end; a checkpoint was written, and the status is 128 + its number.
    """
    engine = Engine(network, run.settings, run.channels, device, team)
    progress = Progress.resume(run, engine)
    engine.team.barrier()  # all have read the checkpoint before one writes the next
    journal = TrainingLogger(run, progress, speaks=engine.team.leads)
    epochs = run.epochs()
    last_phase_starts = len(epochs) - run.phases[-1].epochs if run.phases else 0
    with StopRequest() as stop:
        for epoch in range(progress.epoch, len(epochs)):
            phase = epochs[epoch]
            _train_epoch(engine, epoch, progress, run, journal, stop)
            row = {"epoch": epoch + 1, "phase": phase.name, "lr": phase.lr} | progress.means()
            row |= _validate(engine, epoch, progress, run, journal, stop)
            progress.finish_epoch(row, network, candidate=epoch >= last_phase_starts)
            journal.epoch(row)
    # The last checkpoint stays until the whole run has ended: the job may be killed between here and the moment that
    # Snakemake has taken note of the model, and would then be done again, in seconds.
    progress.save(run, engine)
    journal.close()
    if progress.best is not None:
        network.load_state_dict(progress.best)
    return progress.history


def _train_epoch(
    engine: Engine, epoch: int, progress: Progress, run: Run, journal: TrainingLogger, stop: StopRequest
) -> None:
    """The steps of one epoch from where `progress` stands, with checkpoints as they fall due."""
    phase, team = run.epochs()[epoch], engine.team
    engine.learning_rate(phase.lr)
    engine.network.train()
    journal.begin(epoch, progress.step)
    pinned = engine.device.type == "cuda"
    for step, micro_batches in loader.steps(
        run.sampler, epoch, progress.step, team.rank, team.size, run.loaders, pinned
    ):
        figures = engine.step(micro_batches, phase)
        asked = torch.tensor([float(stop.received or 0)], device=engine.device)
        # One exchange a step: the mean over the team, and whether any of it was asked to stop.
        loss, dice, signals = team.all_reduce_sum(torch.cat([figures / team.size, asked])).tolist()
        if not np.isfinite(loss):
            names = sorted({name for batch in run.sampler.draw(epoch, step) for name in batch.tiles})
            raise InputError(
                f"training: the loss is {loss} in epoch {epoch + 1}, step {step + 1}, on {', '.join(names)}; "
                "look at these tiles, or lower the learning rate"
            )
        progress.add(step + 1, loss, dice)
        journal.step(epoch, step, loss, dice)
        if signals:
            _stop(engine, epoch, progress, run, stop)
        if _due(progress, run):
            progress.save(run, engine)
    journal.trained()


def _stop(engine: Engine, epoch: int, progress: Progress, run: Run, stop: StopRequest) -> NoReturn:
    """Save a checkpoint and end the process, as a signal has asked for."""
    progress.save(run, engine)
    received = stop.received or signal.SIGTERM
    LOG.warning(
        "%s: stopped in epoch %d after step %d; the next start goes on from here",
        *(received.name, epoch + 1, progress.step),
    )
    sys.exit(128 + received)


def _due(progress: Progress, run: Run) -> bool:
    """Whether it is time for a checkpoint, by steps or by minutes."""
    if run.checkpoint_steps and progress.step % run.checkpoint_steps == 0:
        return True
    return time.monotonic() - progress.saved_at > 60 * run.checkpoint_minutes


def _validate(
    engine: Engine, epoch: int, progress: Progress, run: Run, journal: TrainingLogger, stop: StopRequest
) -> dict[str, float]:
    """Loss and Dice on the held-out tiles, each covered by crops; NaN where there are none.

    Asked to stop, it is left at once: the next start validates the epoch from the beginning.
    """
    phase, sample, team = run.epochs()[epoch], run.settings["sample"], engine.team
    sums = torch.zeros(3, dtype=torch.float64, device=engine.device)
    batches = validation_batches(run.held_out, sample["crop_px"], sample["micro_batch"])
    mine = batches[team.rank :: team.size]
    for number in range(-(-len(batches) // team.size)):  # as often in every process, since they ask each other
        if team.all_reduce_sum(torch.tensor([float(stop.received or 0)], device=engine.device)).item():
            _stop(engine, epoch, progress, run, stop)
        if number == len(mine):
            break
        places = mine[number]
        batch = cut_places(places, sample["crop_px"])
        figures, image, logits = engine.validation_step(batch, phase)
        sums[:2] += figures.double() * len(places)
        sums[2] += len(places)
        if number == 0:
            truth = (batch.truths > 0).unsqueeze(1)  # on the CPU, as it was cut
            journal.pictures(epoch, batch.tiles, image.cpu(), truth, logits.cpu())
    loss, dice, count = team.all_reduce_sum(sums).tolist()
    if not count:
        return {"val_loss": float("nan"), "val_dice": float("nan")}
    return {"val_loss": loss / count, "val_dice": dice / count}

"""The training loop, read from top to bottom: phases of epochs of steps, validation, checkpoints, the best kept."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from eaves import augment, devices
from eaves.batches import Batch, Sampler, cut_places, join_inputs, to_inputs, to_truth, validation_batches
from eaves.console import LOG
from eaves.errors import InputError
from eaves.interrupts import StopRequest
from eaves.losses import bce_dice
from eaves.progress import Phase, Progress, Run


def train(network: nn.Module, run: Run, device: torch.device) -> list[dict[str, Any]]:
    """Trains a network in place.

    The model kept is the better of the last phase's epochs by the loss on the held-out tiles, or the last one where
    nothing is held out. A checkpoint of the very same run is taken up where it stands, and the end is the same, bit
    for bit.

    Args:
        network: of `run.channels` input channels, on the CPU.
        run: data, phases and settings.
        device: what to train on.

    Returns:
        One row per epoch: epoch, phase, lr, loss, dice, val_loss, val_dice.

    Raises:
        InputError: the loss is not finite; the line names epoch, step and tiles.
    """
    devices.place(network, device)
    optimizer = torch.optim.Adam(network.parameters())
    progress = Progress.resume(run, network, optimizer)
    epochs = run.epochs()
    last_phase_starts = len(epochs) - run.phases[-1].epochs if run.phases else 0
    with StopRequest() as stop:
        for epoch in range(progress.epoch, len(epochs)):
            phase = epochs[epoch]
            _train_epoch(network, optimizer, epoch, progress, run, device, stop)
            row = {"epoch": epoch + 1, "phase": phase.name, "lr": phase.lr} | progress.means()
            row |= _validate(network, phase, run, device)
            progress.finish_epoch(row, network, candidate=epoch >= last_phase_starts)
            LOG.info(
                "epoch %d/%d %s: loss %.4f, Dice %.4f; held out: loss %.4f, Dice %.4f",
                *(epoch + 1, len(epochs), phase.name, row["loss"], row["dice"], row["val_loss"], row["val_dice"]),
            )
    # The last checkpoint stays until the whole run has ended: the job may be killed between here and the moment that
    # Snakemake has taken note of the model, and would then be done again, in seconds.
    progress.save(run, network, optimizer)
    if progress.best is not None:
        network.load_state_dict(progress.best)
    return progress.history


def _train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    progress: Progress,
    run: Run,
    device: torch.device,
    stop: StopRequest,
) -> None:
    """The steps of one epoch from where `progress` stands, with checkpoints as they fall due."""
    phase, epochs = run.epochs()[epoch], len(run.epochs())
    optimize = run.settings["optimize"]
    for group in optimizer.param_groups:
        group["lr"] = phase.lr
    network.train()
    bar = tqdm(
        _prefetched(run.sampler, epoch, progress.step),
        desc=f"epoch {epoch + 1}/{epochs} ({phase.name})",
        initial=progress.step,
        total=run.sampler.steps_per_epoch,
        unit="step",
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    for step, micro_batches in bar:
        loss, dice = _step(network, optimizer, micro_batches, phase, run, device)
        if not np.isfinite(loss):
            names = sorted({name for batch in micro_batches for name in batch.tiles})
            raise InputError(
                f"training: the loss is {loss} in epoch {epoch + 1}, step {step + 1}, on {', '.join(names)}; "
                "look at these tiles, or lower the learning rate"
            )
        progress.add(step + 1, loss, dice)
        bar.set_postfix(loss=f"{loss:.3f}", dice=f"{dice:.3f}", refresh=False)
        if stop.received or time.monotonic() - progress.saved_at > 60 * optimize["checkpoint_minutes"]:
            progress.save(run, network, optimizer)
        if stop.received:
            LOG.warning(
                "%s: stopped in epoch %d after step %d; the next start goes on from here",
                *(stop.received.name, epoch + 1, step + 1),
            )
            sys.exit(128 + stop.received)


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: list[Batch],
    phase: Phase,
    run: Run,
    device: torch.device,
) -> tuple[float, float]:
    """One step of the optimizer on gradients accumulated over the micro-batches; mean loss and Dice."""
    optimize = run.settings["optimize"]
    optimizer.zero_grad(set_to_none=True)
    losses, overlaps = [], []
    for number, batch in enumerate(micro_batches):
        if optimize["batch_norm"] == "first":
            _hold_statistics(network, held=number > 0)
        image, target, weight = _on_device(batch, run, device)
        with devices.autocast(device, optimize["precision"]):
            logits = network(image)
        loss, overlap = bce_dice(logits, target, weight, phase.bce, phase.dice)
        (loss / len(micro_batches)).backward()
        losses.append(loss.detach())
        overlaps.append(overlap.detach())
    nn.utils.clip_grad_norm_(network.parameters(), optimize["clip_norm"])
    optimizer.step()
    return float(torch.stack(losses).mean()), float(torch.stack(overlaps).mean())


def _hold_statistics(network: nn.Module, held: bool) -> None:
    """Stops or lets go batch norm's running statistics; each batch is still normalised by its own."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats = not held


def _on_device(batch: Batch, run: Run, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Moves a batch over and makes the network's input, target and weight of it."""
    images = torch.from_numpy(batch.images).to(device, non_blocking=True)
    truth = torch.from_numpy(batch.truths).to(device, non_blocking=True).unsqueeze(1).float()
    rgb, height = to_inputs(images, run.settings["input"])
    if batch.draws:
        rgb, height, truth = augment.apply(rgb, height, truth, batch.draws)
    image = join_inputs(rgb, height, run.settings["input"], run.channels)
    return image, *to_truth(truth, run.settings["sample"]["uncertain"])


@torch.no_grad()
def _validate(network: nn.Module, phase: Phase, run: Run, device: torch.device) -> dict[str, float]:
    """Loss and Dice on the held-out tiles, each covered by crops; NaN where there are none."""
    network.eval()
    crop_px, size = run.settings["sample"]["crop_px"], run.settings["sample"]["micro_batch"]
    losses, overlaps, counts = [], [], []
    for places in validation_batches(run.held_out, crop_px, size):
        image, target, weight = _on_device(cut_places(places, crop_px), run, device)
        with devices.autocast(device, run.settings["optimize"]["precision"]):
            logits = network(image)
        loss, overlap = bce_dice(logits, target, weight, phase.bce, phase.dice)
        losses.append(float(loss))
        overlaps.append(float(overlap))
        counts.append(len(places))
    if not counts:
        return {"val_loss": float("nan"), "val_dice": float("nan")}
    return {
        "val_loss": float(np.average(losses, weights=counts)),
        "val_dice": float(np.average(overlaps, weights=counts)),
    }


def _prefetched(sampler: Sampler, epoch: int, first: int) -> Iterator[tuple[int, list[Batch]]]:
    """The steps of an epoch from `first` on; a thread cuts the next crops while the device computes."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(sampler.draw, epoch, first)
        for step in range(first, sampler.steps_per_epoch):
            batches = coming.result()
            if step + 1 < sampler.steps_per_epoch:
                coming = pool.submit(sampler.draw, epoch, step + 1)
            yield step, batches

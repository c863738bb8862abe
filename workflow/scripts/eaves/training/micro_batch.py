"""The size of micro-batches: as configured, or the largest that fits into memory."""

import re
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from eaves.compute.distributed import ProcessGroup
from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.tiles.crops import Tile
from eaves.training.job import Phase
from eaves.training.sampler import Sampler
from eaves.training.trainer import Trainer

# Memory for the activations of a micro-batch on the CPU: half of the memory that a training job requests.
CPU_BYTES = 4 << 30
# When memory is nearly full, cuDNN and cuBLAS raise plain RuntimeErrors with these messages.
OUT_OF_MEMORY = "out of memory|unable to find an engine|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a step failed because it did not fit into memory."""
    return isinstance(error, torch.OutOfMemoryError) or bool(re.search(OUT_OF_MEMORY, str(error)))


def resolve(
    network: nn.Module,
    settings: dict[str, Any],
    channels: int,
    tiles: list[Tile],
    device: torch.device,
    group: ProcessGroup,
    checkpointed: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Resolve `micro_batch: auto` and the number of micro-batches per step that follows from it.

    `auto` is the largest divisor of `batch_size` (per GPU) with which a step fits into memory, determined by trial on a
    GPU and by calculation on the CPU.

    Args:
        network: the network before training, on the CPU; not changed.
        settings: the blocks input, sample, augment and optimize of the configuration.
        channels: number of input channels.
        tiles: training tiles, for the trial steps.
        device: the device to train on.
        group: the processes that will train together.
        checkpointed: the block `sample` of the checkpoint to resume from, if any. It replaces a new trial, so that the
            memory that happens to be free now does not change the result.

    Returns:
        The block `sample`, with numbers in place of `auto`.

    Raises:
        InputError: not even one crop fits, or a step's micro-batches can't be shared evenly by the processes.
    """
    sample = settings["sample"]
    if sample["micro_batch"] == "auto" and checkpointed:
        sample = checkpointed
    elif sample["micro_batch"] == "auto":
        share = sample["batch_size"] // group.world_size
        sizes = [size for size in range(share, 0, -1) if share % size == 0]
        largest = group.all_reduce_min(largest_fitting(network, settings, channels, tiles, device, sizes), device)
        if not largest:
            raise InputError(out_of_memory_message(network, settings, channels, tiles, device))
        LOG.info("micro-batches of %d crops fit: %d per step", largest, sample["batch_size"] // largest)
        sample = {**sample, "micro_batch": largest, "gradient_accumulation": sample["batch_size"] // largest}
    if sample["gradient_accumulation"] % group.world_size:
        raise InputError(
            f"configuration: a step has {sample['gradient_accumulation']} micro-batches "
            f"(sample.gradient_accumulation), which {group.world_size} GPUs can't share evenly: choose a multiple of "
            f"{group.world_size}"
        )
    return sample


def out_of_memory_message(
    network: nn.Module, settings: dict[str, Any], channels: int, tiles: list[Tile], device: torch.device
) -> str:
    """Return the message that a step does not fit into memory, naming settings that would."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    sample = settings["sample"]
    batch = sample["batch_size"] or sample["micro_batch"] * sample["gradient_accumulation"]
    wanted = batch if sample["micro_batch"] == "auto" else sample["micro_batch"]
    crop_px = sample["crop_px"]
    problem = f"training: out of memory on {device} with sample.micro_batch {sample['micro_batch']} of {crop_px} px"
    sizes = [size for size in range(wanted - 1, 0, -1) if batch % size == 0]
    if found := largest_fitting(network, settings, channels, tiles, device, sizes):
        return f"{problem}; sample.micro_batch: {found} with sample.gradient_accumulation: {batch // found} would fit"
    while (crop_px := crop_px // 64 * 32) >= 32:
        smaller = {**settings, "sample": {**sample, "crop_px": crop_px}}
        if largest_fitting(network, smaller, channels, tiles, device, [1]):
            return f"{problem}; sample.crop_px: {crop_px} with sample.micro_batch: 1 would fit"
    return f"{problem}; nothing smaller fits either: free the device's memory, or choose a smaller model.encoder"


def largest_fitting(
    network: nn.Module,
    settings: dict[str, Any],
    channels: int,
    tiles: list[Tile],
    device: torch.device,
    sizes: list[int],
) -> int:
    """Return the first of the `sizes` (crops, descending) with which a step fits into memory; 0 if none does."""
    if device.type == "cpu":
        per_crop = activation_bytes(network, channels, settings["sample"]["crop_px"])
        return next((size for size in sizes if size * per_crop <= CPU_BYTES), 0)
    return next((size for size in sizes if _fits(network, settings, channels, tiles, device, size)), 0)


def activation_bytes(network: nn.Module, channels: int, crop_px: int) -> int:
    """Return the bytes of activations kept for the backward pass of one crop, in float32; nothing is computed."""
    meta_network = deepcopy(network).to("meta").train()
    saved_bytes: dict[int, int] = {}  # by storage

    def record(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved_bytes[storage._cdata] = storage.nbytes()
        alive.append(storage)
        return tensor

    alive: list[Any] = []  # keeps the storages' addresses unique
    weights = sum(parameter.nbytes for parameter in meta_network.parameters())
    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        # Two crops, because batch norm fails on one where the network's deepest feature map is a single pixel.
        meta_network(torch.empty(2, channels, crop_px, crop_px, device="meta"))
    return max(0, sum(saved_bytes.values()) - weights) // 2


def _fits(
    network: nn.Module, settings: dict[str, Any], channels: int, tiles: list[Tile], device: torch.device, size: int
) -> bool:
    """Try two training steps on a copy of the network, with as much memory in use as in training.

    Two steps of two micro-batches: at the end of the second step, Adam's moments, accumulated gradients and the
    activations of a micro-batch are in memory at the same time.
    """
    sample = {**settings["sample"], "micro_batch": size, "gradient_accumulation": 2}
    trainer = reserved = None
    try:
        # In place of the best weights so far and of the buffers in which gradients are exchanged.
        reserved = [[parameter.detach().to(device, copy=True) for parameter in network.parameters()] for _ in range(2)]
        trainer = Trainer(deepcopy(network), settings, channels, device)
        trainer.network.train()
        sampler = Sampler(tiles, sample, settings["augment"], (0,))
        for step in range(2):
            trainer.training_step(sampler.draw(0, step), Phase("trial", 1, 0.0, 1.0, 1.0))
        return True
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        del trainer, reserved
        torch.cuda.empty_cache()

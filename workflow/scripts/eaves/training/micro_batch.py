"""How many crops are computed at a time: as the configuration says, or as many as the memory holds."""

import re
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from eaves.compute.distributed import Team
from eaves.core.cli import LOG
from eaves.core.errors import InputError
from eaves.tiles.crops import Tile
from eaves.training.job import Phase
from eaves.training.sampler import Sampler
from eaves.training.step import Engine

CPU_BYTES = 4 << 30
"""What a step on the CPU may keep for its gradients; half of the memory that a training job asks for."""

# What cuDNN and cuBLAS say in a plain RuntimeError where the memory is nearly full.
OUT_OF_MEMORY = "out of memory|unable to find an engine|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tells whether a step failed because it did not fit into memory."""
    return isinstance(error, torch.OutOfMemoryError) or bool(re.search(OUT_OF_MEMORY, str(error)))


def resolve(
    network: nn.Module,
    settings: dict[str, Any],
    channels: int,
    tiles: list[Tile],
    device: torch.device,
    team: Team,
    kept: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Fills in `micro_batch` and `gradient_accumulation` where the configuration leaves them open.

    With `micro_batch: auto` it is the largest divisor of `batch_size` (per GPU) with which a step fits into memory:
    tried out on a GPU, computed on the CPU.

    Args:
        network: on the CPU; it is not changed.
        settings: the blocks input, sample, augment and optimize.
        channels: of the network's input.
        tiles: to try with.
        device: where training will be.
        team: the processes that will train together.
        kept: the block `sample` that a checkpoint was made with; nothing is tried out again, as what is free on the
            card now must not change the result.

    Returns:
        The block `sample`, with numbers.

    Raises:
        InputError: not one crop fits; or the micro-batches can't be shared out evenly among the team.
    """
    sample = settings["sample"]
    if sample["micro_batch"] == "auto" and kept:
        sample = kept
    elif sample["micro_batch"] == "auto":
        share = sample["batch_size"] // team.size
        sizes = [size for size in range(share, 0, -1) if share % size == 0]
        found = team.all_reduce_min(largest(network, settings, channels, tiles, device, sizes), device)
        if not found:
            raise InputError(too_large(network, settings, channels, tiles, device))
        LOG.info("micro-batches of %d crops fit: %d a step", found, sample["batch_size"] // found)
        sample = {**sample, "micro_batch": found, "gradient_accumulation": sample["batch_size"] // found}
    if sample["gradient_accumulation"] % team.size:
        raise InputError(
            f"configuration: a step has {sample['gradient_accumulation']} micro-batches "
            f"(sample.gradient_accumulation), which {team.size} GPUs can't share "
            f"evenly: choose a multiple of {team.size}"
        )
    return sample


def too_large(
    network: nn.Module, settings: dict[str, Any], channels: int, tiles: list[Tile], device: torch.device
) -> str:
    """Says that a step does not fit into memory, and which settings would."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    sample = settings["sample"]
    batch = sample["batch_size"] or sample["micro_batch"] * sample["gradient_accumulation"]
    wanted = batch if sample["micro_batch"] == "auto" else sample["micro_batch"]
    crop_px = sample["crop_px"]
    said = f"training: out of memory on {device} with sample.micro_batch {sample['micro_batch']} of {crop_px} px"
    sizes = [size for size in range(wanted - 1, 0, -1) if batch % size == 0]
    if found := largest(network, settings, channels, tiles, device, sizes):
        return f"{said}; sample.micro_batch: {found} with sample.gradient_accumulation: {batch // found} would fit"
    while (crop_px := crop_px // 64 * 32) >= 32:
        smaller = {**settings, "sample": {**sample, "crop_px": crop_px}}
        if largest(network, smaller, channels, tiles, device, [1]):
            return f"{said}; sample.crop_px: {crop_px} with sample.micro_batch: 1 would fit"
    return f"{said}; nothing smaller fits either: free the device's memory, or choose a smaller model.encoder"


def largest(
    network: nn.Module,
    settings: dict[str, Any],
    channels: int,
    tiles: list[Tile],
    device: torch.device,
    sizes: list[int],
) -> int:
    """The first of `sizes`, given in descending order, with which a step fits into memory; 0 where none does."""
    if device.type == "cpu":
        per_crop = activation_bytes(network, channels, settings["sample"]["crop_px"])
        return next((size for size in sizes if size * per_crop <= CPU_BYTES), 0)
    return next((size for size in sizes if _fits(network, settings, channels, tiles, device, size)), 0)


def activation_bytes(network: nn.Module, channels: int, crop_px: int) -> int:
    """What a step keeps for the gradients of one crop, in float32; counted without computing anything."""
    shapes = deepcopy(network).to("meta").train()
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        alive.append(storage)
        return tensor

    alive: list[Any] = []  # so that no storage's address is given out twice
    weights = sum(parameter.nbytes for parameter in shapes.parameters())
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        # Two crops, as one has no variance where the network's deepest map is a single pixel.
        shapes(torch.empty(2, channels, crop_px, crop_px, device="meta"))
    return max(0, sum(kept.values()) - weights) // 2


def _fits(
    network: nn.Module, settings: dict[str, Any], channels: int, tiles: list[Tile], device: torch.device, size: int
) -> bool:
    """Takes two real steps on a copy, with what training keeps beside it held in memory.

    Two steps of two micro-batches: in the second one there are Adam's moments, the gradients added up so far and a
    micro-batch's activations at the same time.
    """
    sample = {**settings["sample"], "micro_batch": size, "gradient_accumulation": 2}
    engine = beside = None
    try:
        # The best weights so far, and gradients on their way to the other GPUs.
        beside = [[parameter.detach().to(device, copy=True) for parameter in network.parameters()] for _ in range(2)]
        engine = Engine(deepcopy(network), settings, channels, device)
        engine.network.train()
        sampler = Sampler(tiles, sample, settings["augment"], (0,))
        for step in range(2):
            engine.step(sampler.draw(0, step), Phase("trial", 1, 0.0, 1.0, 1.0))
        return True
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        del engine, beside
        torch.cuda.empty_cache()

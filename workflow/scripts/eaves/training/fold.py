"""The training job of one fold, warm-up or full, from its arguments to the written model."""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from eaves.compute import devices
from eaves.compute.distributed import ProcessGroup, launch
from eaves.core import cli, environment
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.core.records import Done
from eaves.core.tables import read_table
from eaves.models.files import read_model, save_model
from eaves.models.network import add_height_channel, build, load_model
from eaves.tiles.crops import Tile, open_tile
from eaves.tiles.generated import is_generated
from eaves.training import checkpoints, fold_cache, micro_batch
from eaves.training.identity import PACKAGES, identity
from eaves.training.job import Phase, TrainingJob
from eaves.training.loop import train
from eaves.training.sampler import Sampler

STAGES = {"warmup": 0, "train": 1}  # mixed into the seed so that stages use independent random streams
MAX_LOADER_THREADS = 4  # a single thread keeps up with a GPU on crops of 1024 px
BLOCKS = ("split", "model", "input", "sample", "augment", "optimize")  # of the configuration, used by both stages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that both training scripts share."""
    parser.add_argument("--fold", type=int, required=True, help="the fold to hold out")
    parser.add_argument("--folds", type=Path, required=True, help="folds.csv")
    parser.add_argument("--tiles-dir", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("--output", type=Path, required=True, help="the model to write, .safetensors")
    parser.add_argument("--history", type=Path, required=True, help="the table of losses per epoch to write, .csv")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the checkpoint file, to write and resume from")
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10, help="minutes between checkpoints (default: 10)"
    )
    parser.add_argument(
        "--checkpoint-steps",
        type=int,
        default=0,
        help="also write a checkpoint every so many steps (default: 0, by time only)",
    )
    parser.add_argument(
        "--fold-cache",
        type=fold_cache.parse_folder,
        help="folder of the cache of trained folds, or none (default: none)",
    )
    parser.add_argument("--tensorboard-dir", type=Path, help="folder for TensorBoard's files (default: none)")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    parser.add_argument("--gpus", type=int, default=1, help="number of GPUs that train the fold together (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")


def train_fold(
    stage: str, script: Path, arguments: argparse.Namespace, settings: dict[str, Any], phases: list[Phase]
) -> Done:
    """Train a fold and write its model and history, or restore both from the cache; resume from a checkpoint.

    Args:
        stage: `warmup`, or `train`, which starts from the model `arguments.warmup`.
        script: the calling script, whose code is part of the job's identity.
        arguments: as defined by `add_arguments`.
        settings: the blocks of the configuration named in `BLOCKS`, and the stage's own.
        phases: the phases to train.

    Returns:
        What was read and written, except the tiles, which folds.csv represents by their hashes.

    Raises:
        InputError: the table of folds, a tile or the warm-up is missing or damaged, or training failed.
    """
    gpus = devices.select_devices(arguments.gpus)
    launch(gpus, _train_in_process, stage, script, arguments, settings, phases)
    start = arguments.encoder if stage == "warmup" else arguments.warmup
    return Done(
        inputs=[arguments.folds, *([start] if start else [])],
        outputs=[arguments.output, arguments.history],
        # A fold from the cache was trained by another process, perhaps on another device.
        made_with=environment.of_model(arguments.output),
    )


def _train_in_process(
    group: ProcessGroup,
    device: torch.device,
    stage: str,
    script: Path,
    arguments: argparse.Namespace,
    settings: dict[str, Any],
    phases: list[Phase],
) -> None:
    """Train the fold in one process of the group; the main process writes the results."""
    if not group.is_main:
        cli.LOG.setLevel(logging.WARNING)
    key = (settings["split"]["seed"], arguments.fold, STAGES[stage])
    devices.make_deterministic(int(np.random.SeedSequence(key).generate_state(1)[0]), arguments.threads)
    train_tiles, val_tiles = load_tiles(arguments.folds, arguments.tiles_dir, arguments.fold)
    channels = 3 if stage == "warmup" else 4
    network = _initial_network(stage, arguments, settings)
    job_identity = identity(
        script, arguments.fold, arguments.folds, network, settings, device, group.world_size, arguments.threads
    )
    files = {".safetensors": arguments.output, ".csv": arguments.history}
    restored = group.is_main and fold_cache.restore(arguments.fold_cache, job_identity, files)
    if group.all_reduce_min(int(restored or not group.is_main), device):
        return
    checkpoint = checkpoints.load(arguments.checkpoint, job_identity)
    checkpointed = checkpoint["sample"] if checkpoint else None
    sample = micro_batch.resolve(network, settings, channels, train_tiles, device, group, checkpointed)
    job = TrainingJob(
        phases=phases,
        settings={**settings, "sample": sample},
        sampler=Sampler(train_tiles, sample, settings["augment"], key),
        val_tiles=val_tiles,
        channels=channels,
        checkpoint=arguments.checkpoint,
        identity=job_identity,
        checkpoint_minutes=arguments.checkpoint_minutes,
        checkpoint_steps=arguments.checkpoint_steps,
        loader_threads=min(MAX_LOADER_THREADS, arguments.threads),
        tensorboard_dir=arguments.tensorboard_dir,
    )
    cli.LOG.info(
        "%s of fold %d: %d epochs of %d steps on %d tiles, %d held out, on %s",
        *(stage, arguments.fold, len(job.epochs()), job.sampler.steps_per_epoch, len(train_tiles), len(val_tiles)),
        ", ".join([str(device)] * group.world_size),
    )
    history = _train_within_memory(network, job, device, group, checkpoint)
    if group.is_main:
        recipe = _recipe(stage, arguments, job, device, group.world_size)
        _write_results(arguments, network, history, recipe)
        fold_cache.store(arguments.fold_cache, job_identity, files)


def load_tiles(folds_file: Path, tiles_dir: Path, fold: int) -> tuple[list[Tile], list[Tile]]:
    """Open a fold's prepared tiles as memory maps.

    Args:
        folds_file: folds.csv.
        tiles_dir: folder of the prepared tiles.
        fold: the fold to hold out.

    Returns:
        The training tiles and the held-out tiles, each sorted by name.

    Raises:
        InputError: the table has no such fold, or a tile is missing or damaged.
    """
    try:
        table = read_table(folds_file).sort_values("tile")
    except (OSError, ValueError) as error:
        raise InputError(f"{folds_file}: cannot be read ({error}); make it with `snakemake folds`") from error
    if fold not in set(table["fold"]):
        raise InputError(f"{folds_file}: no fold {fold}; the folds are {sorted(set(table['fold']))}")
    opened = {name: open_tile(tiles_dir, name) for name in table["tile"]}
    held_out = set(table.loc[table["fold"] == fold, "tile"])
    return [opened[name] for name in opened if name not in held_out], [opened[name] for name in sorted(held_out)]


def _initial_network(stage: str, arguments: argparse.Namespace, settings: dict[str, Any]) -> nn.Module:
    """Build the network before training: with pretrained encoder weights, or from the warm-up with a height channel.

    Raises:
        InputError: the file to start from is missing, damaged, or of another network than configured.
    """
    encoder, decoder = settings["model"]["encoder"], settings["model"]["decoder"]
    if stage == "warmup":
        has_weights = arguments.encoder and read_model(arguments.encoder)[0]  # empty with `model.weights: none`
        return build(encoder, decoder, 3, str(arguments.encoder) if has_weights else None)
    network, recipe = load_model(arguments.warmup)
    if (recipe["encoder"], recipe["decoder"]) != (encoder, decoder):
        raise InputError(
            f"{arguments.warmup}: the warm-up is a {recipe['encoder']} {recipe['decoder']}, but the configuration "
            f"asks for {encoder} {decoder}; run the warm-up again"
        )
    return add_height_channel(network, encoder, decoder, settings["train"]["height_channel"])


def _train_within_memory(
    network: nn.Module,
    job: TrainingJob,
    device: torch.device,
    group: ProcessGroup,
    checkpoint: dict[str, Any] | None,
) -> list[dict[str, Any]]:
    """Train, and return the history; if memory runs out, raise an error that names settings that would fit.

    Raises:
        InputError: a step does not fit into memory, or training failed.
    """
    try:
        return train(network, job, device, group, checkpoint)
    except RuntimeError as error:
        if not micro_batch.is_out_of_memory(error):
            raise
    # Outside the handler, because the exception keeps the failed step's tensors alive.
    raise InputError(
        micro_batch.out_of_memory_message(network.cpu(), job.settings, job.channels, job.sampler.tiles, device)
    )


def _recipe(
    stage: str, arguments: argparse.Namespace, job: TrainingJob, device: torch.device, processes: int
) -> dict[str, Any]:
    """Return the metadata of the model file: how to build the network, and how it was trained."""
    tiles = job.sampler.tiles
    return {
        **job.settings["model"],
        "input": job.settings["input"],
        "channels": job.channels,
        "stage": stage,
        "fold": arguments.fold,
        "trained": job.settings,
        "tiles": {"count": len(tiles), "generated": sum(is_generated(tile.name) for tile in tiles)},
        "made_with": {
            **devices.describe(device, job.settings["optimize"]["precision"], arguments.threads),
            "processes": processes,
            "packages": environment.packages(*PACKAGES),
        },
    }


def _write_results(
    arguments: argparse.Namespace, network: nn.Module, history: list[dict[str, Any]], recipe: dict[str, Any]
) -> None:
    columns = ["epoch", "phase", "lr", "loss", "dice", "val_loss", "val_dice"]
    with atomic_write(arguments.history) as temporary:
        pd.DataFrame(history, columns=columns).to_csv(temporary, index=False, float_format="%.6g")
    save_model(arguments.output, network, recipe)

"""One fold's training, warm-up or full: which tiles, which phases, and the model written when it is done."""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from eaves.compute import devices
from eaves.compute.distributed import Team, launch
from eaves.core import cli, environment
from eaves.core.errors import InputError
from eaves.core.files import atomic_write
from eaves.core.tables import read_table
from eaves.models.files import read_model, save_model
from eaves.models.network import build, restore, with_height
from eaves.provenance.records import Done
from eaves.tiles.crops import Tile, open_tile
from eaves.tiles.generated import is_generated
from eaves.training import checkpoints, fold_cache, micro_batch
from eaves.training.identity import PACKAGES, identity
from eaves.training.job import Phase, Run
from eaves.training.loop import train
from eaves.training.sampler import Sampler

STAGES = {"warmup": 0, "train": 1}  # each draws chance of its own
LOADERS = 4  # threads that cut crops, at most: one keeps up with a GPU on whole tiles of 1024 px
BLOCKS = ("split", "model", "input", "sample", "augment", "optimize")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what both training scripts are told."""
    parser.add_argument("--fold", type=int, required=True, help="the fold to hold out")
    parser.add_argument("--folds", type=Path, required=True, help="folds.csv")
    parser.add_argument("--tiles", type=Path, required=True, help="folder of the prepared tiles")
    parser.add_argument("--output", type=Path, required=True, help="the model to write, .safetensors")
    parser.add_argument("--history", type=Path, required=True, help="the losses per epoch to write, .csv")
    parser.add_argument("--checkpoint", type=Path, required=True, help="where unfinished training is kept")
    parser.add_argument("--checkpoint-minutes", type=float, default=10, help="how often (default: 10)")
    parser.add_argument("--checkpoint-steps", type=int, help="and after so many steps (default: by minutes only)")
    parser.add_argument(
        "--fold-cache",
        type=fold_cache.folder_named,
        help="folder where trained folds are looked for and kept, or none (default: none)",
    )
    parser.add_argument("--journal", type=Path, help="folder for TensorBoard's curves and pictures (default: none)")
    parser.add_argument("--settings", help="JSON or a YAML file (default: config.yaml)")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs that train the fold together (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")


def train_fold(
    stage: str, script: Path, arguments: argparse.Namespace, settings: dict[str, Any], phases: list[Phase]
) -> Done:
    """Trains a fold from its start, or from its checkpoint, and writes model and history; or finds it in the cache.

    Args:
        stage: `warmup` or `train`; the latter starts from `arguments.warmup`.
        script: the calling script; its code is part of what a checkpoint belongs to.
        arguments: as `add_arguments` describes them.
        settings: blocks of the configuration.
        phases: what to train.

    Returns:
        What was read and written. The tiles are not among it: folds.csv holds their hashes.

    Raises:
        InputError: the table of folds, a tile or the warm-up is missing or damaged; training failed.
    """
    gpus = devices.choose(arguments.gpus)
    launch(gpus, _train_here, stage, script, arguments, settings, phases)
    start = arguments.encoder if stage == "warmup" else arguments.warmup
    return Done(
        inputs=[arguments.folds, *([start] if start else [])],
        outputs=[arguments.output, arguments.history],
        # A fold from the cache was trained by another process, perhaps on another device.
        made_with=environment.of_model(arguments.output),
    )


def _train_here(
    team: Team,
    device: torch.device,
    stage: str,
    script: Path,
    arguments: argparse.Namespace,
    settings: dict[str, Any],
    phases: list[Phase],
) -> None:
    """What each process of a team does; the leading one writes."""
    if not team.leads:
        cli.LOG.setLevel(logging.WARNING)
    seed = settings["split"]["seed"]
    key = (seed, arguments.fold, STAGES[stage])
    devices.make_repeatable(int(np.random.SeedSequence(key).generate_state(1)[0]), arguments.threads)
    learnt, held_out = load_tiles(arguments.folds, arguments.tiles, arguments.fold)
    recipe = {**settings["model"], "input": settings["input"], "channels": 3 if stage == "warmup" else 4}
    network = _start(stage, arguments, recipe, settings[stage].get("height_channel", ""))
    key_of_run = identity(
        script, arguments.fold, arguments.folds, network, settings, device, team.size, arguments.threads
    )
    files = {".safetensors": arguments.output, ".csv": arguments.history}
    taken = team.leads and fold_cache.take(arguments.fold_cache, key_of_run, files)
    if team.all_reduce_min(int(taken or not team.leads), device):
        return
    begun = settings["sample"]["micro_batch"] == "auto" and checkpoints.load(arguments.checkpoint, key_of_run, True)
    sample = micro_batch.resolve(
        network, settings, recipe["channels"], learnt, device, team, begun["sample"] if begun else None
    )
    settings = {**settings, "sample": sample}
    run = Run(
        phases=phases,
        settings=settings,
        sampler=Sampler(learnt, sample, settings["augment"], key),
        held_out=held_out,
        channels=recipe["channels"],
        checkpoint=arguments.checkpoint,
        identity=key_of_run,
        checkpoint_minutes=arguments.checkpoint_minutes,
        checkpoint_steps=arguments.checkpoint_steps,
        loaders=min(LOADERS, arguments.threads),
        journal=arguments.journal,
    )
    cli.LOG.info(
        "%s of fold %d: %d epochs of %d steps on %d tiles, %d held out, on %s",
        *(stage, arguments.fold, len(run.epochs()), run.sampler.steps_per_epoch, len(learnt), len(held_out)),
        ", ".join([str(device)] * team.size),
    )
    history = None
    try:
        history = train(network, run, device, team)
    except RuntimeError as error:
        if not micro_batch.is_out_of_memory(error):
            raise
    if history is None:  # what the failed step held is let go of by now
        raise InputError(micro_batch.too_large(network.cpu(), settings, recipe["channels"], learnt, device))
    if team.leads:
        computed_on = devices.described(device, settings["optimize"]["precision"], arguments.threads)
        used = {**computed_on, "processes": team.size, "packages": environment.packages(*PACKAGES)}
        origin = {"count": len(learnt), "generated": sum(is_generated(tile.name) for tile in learnt)}
        made_by = {"stage": stage, "fold": arguments.fold, "trained": settings, "tiles": origin, "made_with": used}
        _write(arguments, network, history, {**recipe, **made_by})
        fold_cache.store(arguments.fold_cache, key_of_run, files)


def _write(
    arguments: argparse.Namespace, network: nn.Module, history: list[dict[str, Any]], recipe: dict[str, Any]
) -> None:
    columns = ["epoch", "phase", "lr", "loss", "dice", "val_loss", "val_dice"]
    with atomic_write(arguments.history) as temporary:
        pd.DataFrame(history, columns=columns).to_csv(temporary, index=False, float_format="%.6g")
    save_model(arguments.output, network, recipe)


def load_tiles(folds_file: Path, tiles: Path, fold: int) -> tuple[list[Tile], list[Tile]]:
    """Maps a fold's tiles into memory: those to learn from, and those held out.

    Raises:
        InputError: the table has no such fold, or a tile is missing or damaged.
    """
    try:
        table = read_table(folds_file).sort_values("tile")
    except (OSError, ValueError) as error:
        raise InputError(f"{folds_file}: cannot be read ({error}); make it with `snakemake folds`") from error
    if fold not in set(table["fold"]):
        raise InputError(f"{folds_file}: no fold {fold}; there are {sorted(set(table['fold']))}")
    opened = {name: open_tile(tiles, name) for name in table["tile"]}
    held_out = set(table.loc[table["fold"] == fold, "tile"])
    return [opened[name] for name in opened if name not in held_out], [opened[name] for name in sorted(held_out)]


def _start(stage: str, arguments: argparse.Namespace, recipe: dict[str, Any], height_channel: str) -> nn.Module:
    """The network as training begins: with the encoder's first weights, or from the warm-up with heights added."""
    if stage == "warmup":
        given = arguments.encoder and read_model(arguments.encoder)[0]
        first = str(arguments.encoder) if given else None
        return build(recipe["encoder"], recipe["decoder"], 3, first)
    network, made_by = restore(arguments.warmup)
    if (made_by["encoder"], made_by["decoder"]) != (recipe["encoder"], recipe["decoder"]):
        raise InputError(
            f"{arguments.warmup}: a {made_by['encoder']} {made_by['decoder']}, but the configuration asks for "
            f"{recipe['encoder']} {recipe['decoder']}; make the warm-up again"
        )
    return with_height(network, recipe["encoder"], recipe["decoder"], height_channel)
